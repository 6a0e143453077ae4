//! `widemargin data`: generate data sets, inspect them and split them.

mod census;
mod emoji;
mod glyphs;
mod info;
mod preview;
mod split;
mod suspects;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// Write the built-in data set as image files
    Emoji(emoji::EmojiArguments),
    /// Render characters with the installed fonts as a data set
    Glyphs(glyphs::GlyphsArguments),
    /// Find likely mislabelled samples with a trained model
    Suspects(suspects::SuspectsArguments),
    /// Inspect a data set: classes, image sizes, corrupt files, duplicates
    Info(info::InfoArguments),
    /// Show images as training augments them, on a page
    Preview(preview::PreviewArguments),
    /// Split a data set into train and test without leaks
    Split(split::SplitArguments),
}

pub(crate) fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Emoji(arguments) => emoji::run(arguments),
        DataCommand::Glyphs(arguments) => glyphs::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
        DataCommand::Info(arguments) => info::run(arguments),
        DataCommand::Preview(arguments) => preview::run(arguments),
        DataCommand::Split(arguments) => split::run(arguments),
    }
}
