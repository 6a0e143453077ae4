//! `widemargin data`: data sets made and looked into.

mod glyphs;
mod suspects;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Draw characters with the installed fonts: thousands of real classes, few samples each.
    Glyphs(glyphs::GlyphsArguments),
    /// Which labels are likely wrong: samples nearer to another class than to their own, by a trained run, with pictures.
    Suspects(suspects::SuspectsArguments),
}

pub(crate) fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Glyphs(arguments) => glyphs::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
    }
}
