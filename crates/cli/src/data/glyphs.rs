//! `widemargin data glyphs`: a data set drawn with the fonts of this machine.

use crate::progress;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use widemargin_glyphs::{Characters, Format, GlyphSet, GlyphSettings, Part, Stage};

/// How many font files that could not be used are named.
const NAMED_SKIPPED: usize = 10;

#[derive(Args)]
pub(crate) struct GlyphsArguments {
    /// Folder for the set; must not exist or be empty
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of fonts, or font file; may be given several times [default: where the system keeps fonts]
    #[arg(long, value_name = "PATH")]
    fonts: Vec<PathBuf>,
    /// Characters that may be chosen: U+4E00-U+9FFF,U+3041,... or a text file of them [default: letters, ideographs, digits]
    #[arg(long, value_name = "RANGES|FILE")]
    characters: Option<String>,
    /// How many characters: those that most fonts have
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().classes)]
    classes: usize,
    /// How many of them are kept from training and judged on [default: a fifth of them]
    #[arg(long, value_name = "COUNT")]
    unseen: Option<usize>,
    /// Different drawings that a character must have
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().least)]
    least: usize,
    /// Drawings taken of a character, by lot where there are more
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().most)]
    most: usize,
    /// Distorted samples of a drawing; 0: one, as the font has it
    #[arg(long, value_name = "COUNT", default_value_t = GlyphSettings::default().distortions)]
    distortions: usize,
    /// Side of the images in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = GlyphSettings::default().size)]
    size: usize,
    /// Share of the drawings of a known character kept from training to judge by
    #[arg(long, value_name = "SHARE", default_value_t = GlyphSettings::default().hold_out)]
    hold_out: f64,
    /// Seed of distortions, lots and the unseen characters
    #[arg(long, default_value_t = GlyphSettings::default().seed)]
    seed: u64,
    /// How images are stored
    #[arg(long, value_enum, default_value = "folders")]
    format: FormatName,
    /// Print one JSON object (the default is a few lines for people)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// PNG files, one folder a class
    Folders,
    /// Four IDX files, as those of MNIST: quicker to write and to open
    Idx,
}

/// What was made.
#[derive(Serialize)]
struct Summary {
    folder: PathBuf,
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
    let bars = Bars::default();
    let set = GlyphSet::draw(&settings, &|stage, done, all| bars.show(stage, done, all))?;
    let format = match arguments.format {
        FormatName::Folders => Format::Folders,
        FormatName::Idx => Format::Idx,
    };
    set.write(&arguments.out, format, &|stage, done, all| bars.show(stage, done, all))?;
    bars.end();

    for skipped in set.skipped().iter().take(NAMED_SKIPPED) {
        eprintln!("left out {}: {}", skipped.path.display(), skipped.reason);
    }
    if set.skipped().len() > NAMED_SKIPPED {
        let more = set.skipped().len() - NAMED_SKIPPED;
        eprintln!("left out {more} more font files, listed in manifest.json");
    }
    let summary = summary(&set, arguments);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary).context("writing the figures")?)?;
    } else {
        write!(out, "{}", in_words(&summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As many unseen classes as the whole set has by default, of any number.
fn a_fifth(classes: usize) -> usize {
    (classes / 5).max(2)
}

fn summary(set: &GlyphSet, arguments: &GlyphsArguments) -> Summary {
    let count = |part| set.samples().iter().filter(|sample| sample.part == part).count();
    let unseen = set.classes().iter().filter(|class| class.unseen).count();
    let samples = || set.classes().iter().map(|class| class.train + class.test);
    let folder = arguments.out.display().to_string();
    // A path with spaces must survive being copied into a shell.
    let folder = if folder.contains(char::is_whitespace) { format!("'{folder}'") } else { folder };
    Summary {
        folder: arguments.out.clone(),
        known: set.classes().len() - unseen,
        unseen,
        train: count(Part::Train),
        test: count(Part::Test),
        least_samples: samples().min().unwrap_or(0),
        most_samples: samples().max().unwrap_or(0),
        faces: set.faces().len(),
        faces_in_use: set.faces_in_use(),
        skipped: set.skipped().len(),
        seed: arguments.seed,
        command: format!("widemargin train --data {folder} --config {folder}/glyphs.toml"),
    }
}

fn in_words(s: &Summary) -> String {
    format!(
        "{} characters, {} known and {} unseen: {} images to train on, {} to judge by, {} to {} a character\n\
         drawn with {} of {} faces; {} files could not be used\n\n\
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

/// One bar at a time: that of the newest stage.
#[derive(Default)]
struct Bars(Mutex<Option<(Stage, indicatif::ProgressBar)>>);

impl Bars {
    fn show(&self, stage: Stage, done: u64, all: u64) {
        let what = match stage {
            Stage::Fonts => "font files read",
            Stage::Choosing => "faces compared",
            Stage::Drawing => "faces drawn with",
            Stage::Writing => "images written",
        };
        // A bar is no reason to end, whatever happened to another thread.
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
    fn the_unseen_are_a_fifth_and_leave_two_to_train_on() {
        let default = GlyphSettings::default();
        assert_eq!(a_fifth(default.classes), default.unseen);
        for classes in 4..24 {
            let settings = GlyphSettings { classes, unseen: a_fifth(classes), ..GlyphSettings::default() };
            assert!(settings.validate().is_ok(), "{classes}");
        }
    }
}
