//! `widemargin data glyphs`: render a data set with the installed fonts.

use crate::progress;
use crate::say::{results, say};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use widemargin_glyphs::{Characters, GlyphSet, GlyphSettings, SetFormat, SetPart, Stage};

/// Unusable font files that are listed on the terminal.
const NAMED_SKIPPED: usize = 10;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin data glyphs -o letters --classes 200 --size 32\n  widemargin data glyphs -o letters --classes 2000 --size 32 --format idx"
)]
pub(crate) struct GlyphsArguments {
    /// Folder for the data set; must be empty or not exist
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Font file or folder of fonts; may be repeated [default: the fonts of the system]
    #[arg(long, value_name = "PATH")]
    fonts: Vec<PathBuf>,
    /// Characters to choose from: U+4E00-U+9FFF,U+3041,... or a text file with them [default: letters, ideographs, digits]
    #[arg(long, value_name = "RANGES|FILE")]
    characters: Option<String>,
    /// Number of characters, taken from those in the most fonts
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().classes)]
    classes: usize,
    /// Number of these characters to hold out as unseen classes [default: a fifth]
    #[arg(long, value_name = "COUNT")]
    unseen: Option<usize>,
    /// Minimum number of distinct glyphs per character
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().least)]
    least: usize,
    /// Maximum number of glyphs per character; a random sample if there are more
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().most)]
    most: usize,
    /// Distorted images per glyph; 0 for one undistorted image
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().distortions)]
    distortions: usize,
    /// Side length of the images in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = GlyphSettings::default().size)]
    size: usize,
    /// Share of the glyphs of each known character to hold out
    #[arg(long, value_name = "SHARE", default_value_t = GlyphSettings::default().hold_out)]
    hold_out: f64,
    /// Seed of distortions, samples and unseen characters
    #[arg(long, default_value_t = GlyphSettings::default().seed)]
    seed: u64,
    /// Format of the data set
    #[arg(long, value_enum, default_value = "folders")]
    format: FormatName,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// PNG files, one folder per class
    Folders,
    /// Four IDX files like those of MNIST: faster to write and open
    Idx,
}

/// The JSON output.
#[derive(Serialize)]
struct GlyphsSummary {
    folder: String,
    known: usize,
    unseen: usize,
    train: usize,
    test: usize,
    least_samples: usize,
    most_samples: usize,
    faces: usize,
    faces_in_use: usize,
    skipped: usize,
    seed: u64,
    command: String,
}

pub(crate) fn run(arguments: &GlyphsArguments) -> anyhow::Result<ExitCode> {
    let settings = GlyphSettings {
        fonts: arguments.fonts.clone(),
        characters: arguments.characters.as_deref().map_or(Ok(Characters::default()), Characters::read)?,
        classes: arguments.classes,
        unseen: arguments.unseen.unwrap_or_else(|| a_fifth(arguments.classes)),
        least: arguments.least,
        most: arguments.most,
        distortions: arguments.distortions,
        size: arguments.size,
        hold_out: arguments.hold_out,
        seed: arguments.seed,
    };
    GlyphSet::check_place(&arguments.out)?;
    let bars = StageBars::default();
    let set = GlyphSet::draw(&settings, &|stage, done, all| bars.show(stage, done, all))?;
    let format = match arguments.format {
        FormatName::Folders => SetFormat::Folders,
        FormatName::Idx => SetFormat::Idx,
    };
    set.write(&arguments.out, format, &|stage, done, all| bars.show(stage, done, all))?;
    bars.end();

    for skipped in set.skipped().iter().take(NAMED_SKIPPED) {
        say!("left out {}: {}", skipped.path.display(), skipped.reason);
    }
    if set.skipped().len() > NAMED_SKIPPED {
        let more = set.skipped().len() - NAMED_SKIPPED;
        say!("left out {more} more font files; manifest.json lists them");
    }
    let summary = summary(&set, arguments);
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary).context("writing JSON")?)?;
    } else {
        write!(out, "{}", in_words(&summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The default share of unseen classes: a fifth, at least two.
fn a_fifth(classes: usize) -> usize {
    (classes / 5).max(2)
}

fn summary(set: &GlyphSet, arguments: &GlyphsArguments) -> GlyphsSummary {
    let count = |part| set.samples().iter().filter(|sample| sample.part == part).count();
    let unseen = set.classes().iter().filter(|class| class.unseen).count();
    let samples = || set.classes().iter().map(|class| class.train + class.test);
    let folder = arguments.out.display().to_string();
    // Quoted, so that a path with spaces can be copied into a shell.
    let folder = if folder.contains(char::is_whitespace) { format!("'{folder}'") } else { folder };
    GlyphsSummary {
        folder: arguments.out.display().to_string(),
        known: set.classes().len() - unseen,
        unseen,
        train: count(SetPart::Train),
        test: count(SetPart::Test),
        least_samples: samples().min().unwrap_or(0),
        most_samples: samples().max().unwrap_or(0),
        faces: set.faces().len(),
        faces_in_use: set.faces_in_use(),
        skipped: set.skipped().len(),
        seed: arguments.seed,
        command: format!("widemargin train --data {folder} --config {folder}/glyphs.toml"),
    }
}

fn in_words(s: &GlyphsSummary) -> String {
    format!(
        "{} characters, {} known and {} unseen: {} training and {} held-out images, {} to {} per character\n\
         rendered with {} of {} font faces; {} font files could not be used\n\n\
         Train with: {}\n",
        s.known + s.unseen,
        s.known,
        s.unseen,
        s.train,
        s.test,
        s.least_samples,
        s.most_samples,
        s.faces_in_use,
        s.faces,
        s.skipped,
        s.command
    )
}

/// The progress bar of the current stage.
#[derive(Default)]
struct StageBars(Mutex<Option<(Stage, indicatif::ProgressBar)>>);

impl StageBars {
    fn show(&self, stage: Stage, done: u64, all: u64) {
        let what = match stage {
            Stage::Fonts => "font files read",
            Stage::Choosing => "faces compared",
            Stage::Drawing => "faces rendered",
            Stage::Writing => "images written",
        };
        // If another thread panicked, the work continues without a bar.
        let Ok(mut shown) = self.0.lock() else { return };
        if shown.as_ref().is_none_or(|(before, _)| *before != stage) {
            *shown = Some((stage, progress::counted(what, all)));
        }
        if let Some((_, bar)) = &*shown {
            progress::advancing(bar)(done, all);
        }
    }

    fn end(&self) {
        if let Ok(mut shown) = self.0.lock() {
            *shown = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_unseen_and_two_classes_remain_for_training() {
        let default = GlyphSettings::default();
        assert_eq!(a_fifth(default.classes), default.unseen);
        for classes in 4..24 {
            let settings = GlyphSettings { classes, unseen: a_fifth(classes), ..GlyphSettings::default() };
            assert!(settings.validate().is_ok(), "{classes}");
        }
    }
}
