//! `widemargin data`: data sets made and looked into.

mod glyphs;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Draw characters with the installed fonts: thousands of real classes, few samples each.
    Glyphs(glyphs::GlyphsArguments),
}

pub(crate) fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Glyphs(arguments) => glyphs::run(arguments),
    }
}
