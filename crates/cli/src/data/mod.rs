//! `widemargin data`: data sets made, looked into and divided.

mod glyphs;
mod info;
mod split;
mod suspects;

use clap::Subcommand;
use std::process::ExitCode;
use widemargin_data::ClassFolder;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Draw characters with the installed fonts: thousands of real classes, few samples each.
    Glyphs(glyphs::GlyphsArguments),
    /// Which labels are likely wrong: samples nearer to another class than to their own, by a trained run, with images.
    Suspects(suspects::SuspectsArguments),
    /// Describe a set before training: classes, sizes, corrupt files, duplicates; exit status 1 where nothing of it can be used.
    Info(info::InfoArguments),
    /// Divide a set into what is trained on and what judges, without leaks, as a file for `train --split`.
    Split(split::SplitArguments),
}

pub(crate) fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Glyphs(arguments) => glyphs::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
        DataCommand::Info(arguments) => info::run(arguments),
        DataCommand::Split(arguments) => split::run(arguments),
    }
}

/// `top` or `deepest`.
pub(crate) fn class_folder(text: &str) -> Result<ClassFolder, String> {
    crate::train::one_of(text)
}
