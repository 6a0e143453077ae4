//! `widemargin data preview`: a page with images as training changes them.

use crate::arguments::{FileKind, class_folder, output_file, part_folders, size};
use crate::progress;
use crate::run::{absolute, choose_before_opening, named_set};
use crate::say::{self, results, say};
use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_chance::{Purpose, Stream};
use widemargin_data::{ClassFolder, ImageSet, Labelled, PartFolders};
use widemargin_durable::write_atomic;
use widemargin_report::Image;
use widemargin_report::page::{self, PreviewInput, PreviewSample};
use widemargin_train::{Config, Prepared, Recipe};

/// Augmented versions of each sample.
const VERSIONS: u64 = 8;
/// Most samples: more would make a page that no browser likes.
const MOST: usize = 200;

const PAGE: FileKind = FileKind { name: "a page", mark: "<!DOCTYPE html>" };

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin data preview images/\n  widemargin data preview emoji\n  widemargin data preview images/ --config augment.toml --size 64 -o preview.html"
)]
pub(crate) struct PreviewArguments {
    /// Images: a folder with one sub-folder per class, IDX files, a manifest (.csv or .parquet), .tar shards, or the name emoji or fashion-mnist
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Read `[augment]`, the size and everything else from this TOML file [default: what `train` chooses for the data]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Level of the folders that name the classes in a nested tree: top or deepest [default: top]
    #[arg(long, value_name = "LEVEL", value_parser = class_folder)]
    class_folder: Option<ClassFolder>,
    /// What folders named train, test, val and so on are: auto, none (classes like others) or only (parts; others are left out)
    /// [default: auto]
    #[arg(long, value_name = "RULE", value_parser = part_folders)]
    parts: Option<PartFolders>,
    /// Height and width to which images are resized, such as 64 or 64x48 [default: chosen for the data]
    #[arg(long, value_name = "H[xW]", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Write the page to this file
    #[arg(short, long, value_name = "FILE", default_value = "preview.html", value_parser = output_file(PAGE))]
    out: PathBuf,
    /// Number of samples to show, 1 to 200
    #[arg(long, value_name = "COUNT", default_value_t = 12)]
    count: usize,
    /// Seed that chooses the samples and their changes [default: that of the configuration, or 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct PreviewSummary<'a> {
    file: String,
    /// Images of the data set.
    images: usize,
    /// Names of the samples that are shown.
    samples: Vec<&'a str>,
    /// Augmented versions of each sample.
    versions: u64,
    seed: u64,
    notes: &'a [String],
}

impl PreviewArguments {
    fn applied(&self, mut config: Config) -> Config {
        let data = &mut config.data;
        data.set = named_set(&self.data);
        data.path = data.set.is_none().then(|| absolute(&self.data));
        data.class_folder = self.class_folder.unwrap_or(data.class_folder);
        data.parts = self.parts.unwrap_or(data.parts);
        [data.height, data.width] = self.size.unwrap_or([data.height, data.width]);
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        config
    }

    /// The keys of the configuration that flags set.
    fn given(&self) -> impl Iterator<Item = String> {
        let size = if self.size.is_some() { &["data.height", "data.width"][..] } else { &[] };
        size.iter().map(|key| (*key).to_owned())
    }

    /// The configuration, and the recipe that `train` has for what it does not set.
    fn configuration(&self) -> anyhow::Result<(Config, Recipe)> {
        let Some(path) = &self.config else {
            return Ok((self.applied(Config::default()), Recipe::new(self.given())));
        };
        let text = widemargin_durable::read_text(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let check = |config: &Config| self.applied(config.clone()).check();
        let config = self.applied(Config::from_toml_checked(path, &text, check)?);
        Ok((config, Recipe::new(widemargin_train::config::keys(&text)).without(self.given())))
    }
}

pub(crate) fn run(arguments: &PreviewArguments) -> anyhow::Result<ExitCode> {
    let count = arguments.count;
    ensure!((1..=MOST).contains(&count), "--count: found {count}, expected 1 to {MOST}");
    let (mut config, mut recipe) = arguments.configuration()?;
    ensure!(
        !config.data.is_table(),
        "{}: a table of embeddings, expected images; only images are augmented",
        arguments.data.display()
    );
    // A model in `model.weights` says how images are read.
    config.resolve_weights()?;
    let bar = progress::waiting("reading images");
    choose_before_opening(&mut config, &mut recipe)?;
    let set = Prepared::open(&config.data, None)?;
    bar.finish_and_clear();
    let images = set.images().context("only images are augmented")?;
    recipe.of_augmentation(&mut config, images.shape());
    config.augment.validate(images.shape()).context("[augment]")?;
    let samples = chosen(images.len(), count, config.training.seed);
    let mut notes: Vec<String> = config
        .warnings()
        .into_iter()
        .filter(|warning| warning.starts_with("augment") || warning.starts_with("data."))
        .collect();
    notes.extend(Prepared::colourless(&set, &config.augment, &samples));
    notes.extend(
        config.augment.is_none().then(|| "No augmentation is set, so all versions are equal.".to_owned()),
    );
    for note in &notes {
        say!("warning: {note}");
    }
    let shape = images.shape();
    let input = PreviewInput {
        title: format!("Augmented images of {}", set.name()),
        lead: format!(
            "{} of {} images, read as {shape}, and {VERSIONS} versions of each. Seed {}.",
            samples.len(),
            images.len(),
            config.training.seed
        ),
        notes,
        settings: section(&config)?,
        samples: samples
            .iter()
            .map(|sample| versions(images, *sample as usize, &config))
            .collect::<anyhow::Result<_>>()?,
    };
    write_atomic(&arguments.out, page::preview(&input).as_bytes())?;
    if arguments.json {
        let summary = PreviewSummary {
            file: arguments.out.display().to_string(),
            images: images.len(),
            samples: input.samples.iter().map(|sample| sample.name.as_str()).collect(),
            versions: VERSIONS,
            seed: config.training.seed,
            notes: &input.notes,
        };
        writeln!(results(), "{}", serde_json::to_string(&summary).context("writing JSON")?)?;
    } else {
        writeln!(results(), "{} images in {}", samples.len(), say::shown(&arguments.out))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `count` of `all` samples: those with which the order of an epoch would begin, sorted.
fn chosen(all: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut samples: Vec<u32> = (0..all as u32).collect();
    Stream::new(seed, Purpose::Sampler, 0, 0).shuffle(&mut samples);
    samples.truncate(count);
    samples.sort_unstable();
    samples
}

/// The settings as they can be copied into a configuration file.
fn section(config: &Config) -> anyhow::Result<String> {
    let document: toml::Table = toml::from_str(&config.to_toml()).context("the configuration as TOML")?;
    let settings = document.get("augment").and_then(toml::Value::as_table);
    let lines = settings.into_iter().flatten().map(|(key, value)| format!("\n{key} = {value}"));
    Ok(std::iter::once("[augment]".to_owned()).chain(lines).collect())
}

fn versions(images: &ImageSet, sample: usize, config: &Config) -> anyhow::Result<PreviewSample> {
    let shape = images.shape();
    let image = |pixels: &[u8]| Image::new(shape.channels, shape.height, shape.width, pixels);
    let plain = images.read(sample)?;
    let augmented = (0..VERSIONS).map(|version| {
        let mut pixels = plain.clone();
        config.augment.apply(&mut pixels, shape, config.training.seed, version, sample as u64)?;
        Ok(image(&pixels)?)
    });
    Ok(PreviewSample {
        name: images.sample_id(sample),
        class: images.class_names()[images.labels()[sample] as usize].clone(),
        image: image(&plain)?,
        augmented: augmented.collect::<anyhow::Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_chosen_by_the_seed() {
        assert_eq!(chosen(5, 9, 1), [0, 1, 2, 3, 4]);
        let some = chosen(1000, 12, 1);
        assert_eq!((some.len(), chosen(1000, 12, 1)), (12, some.clone()));
        assert!(some.is_sorted() && some != chosen(1000, 12, 2));
    }

    #[test]
    fn the_shown_settings_read_back() {
        let mut config = Config::default();
        config.augment.jpeg = Some([40.0, 90.0].into());
        config.augment.blur = Some(widemargin_data::Strength::from(1.5).with_probability(0.25));
        let text = section(&config).expect("TOML");
        let back = Config::from_toml(std::path::Path::new("x.toml"), &text).expect(&text);
        assert_eq!(back.augment, config.augment);
        assert!(text.starts_with("[augment]\n") && text.contains("probability = 0.25"), "{text}");
    }
}
