//! `widemargin data`: generate data sets, inspect them and split them.

mod census;
mod glyphs;
mod info;
mod split;
mod suspects;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Render characters with the installed fonts: thousands of classes with few samples each
    Glyphs(glyphs::GlyphsArguments),
    /// List likely mislabelled samples, found with a trained model, as a page with images
    Suspects(suspects::SuspectsArguments),
    /// Describe a data set: classes, image sizes, corrupt files, duplicates; exit status 1 if no sample can be used
    Info(info::InfoArguments),
    /// Split a data set into train and test without leaks, as a file for `train --split`
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
