//! Writes a set as a folder that training reads.
//!
//! ```text
//! train/U+4E00/017-0.png         one folder per class, files named by face and copy;
//! test/U+4E00/021-0.png
//! train-images-idx3-ubyte.gz ... or, as IDX, the four files and classes.txt; gzip has a checksum, IDX has none
//!
//! glyphs.toml                    the configuration for training: image size and unseen classes
//! manifest.json                  program, settings, fonts and classes, to compare sets
//! samples.csv                    one line per sample: class, part, face, copy and distortion
//! ```
//!
//! The folder is written completely or not at all.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ExtendedColorType, ImageFormat};
use rayon::prelude::*;
use serde::Serialize;
use widemargin_durable::{FolderWriter, check_folder};

use crate::drawing::{DistortionRanges, RANGES};
use crate::set::{GlyphClass, GlyphSample, GlyphSet, SetPart, Stage};
use crate::{Error, Face, GlyphSettings, Result, SkippedFont};

/// Version of the manifest.
const MANIFEST_VERSION: u32 = 1;
/// Samples encoded at a time.
const CHUNK: usize = 4096;

/// The format of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetFormat {
    /// PNG files, one folder per class.
    Folders,
    /// IDX files as in MNIST, but with labels of four bytes.
    Idx,
}

/// `manifest.json`.
#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    program: &'static str,
    format: SetFormat,
    settings: &'a GlyphSettings,
    distortion: Option<DistortionRanges>,
    known: usize,
    unseen: usize,
    train: usize,
    test: usize,
    classes: &'a [GlyphClass],
    faces: &'a [Face],
    skipped: &'a [SkippedFont],
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).and_then(|()| packed.finish()).expect("memory takes everything")
}

impl GlyphSet {
    /// Checks that a set can be written to `folder`, before it is drawn.
    ///
    /// # Errors
    /// [`Error::Taken`], unless `folder` does not exist or is empty; [`Error::Write`] if it cannot be created.
    pub fn check_place(folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        if let Ok(metadata) = std::fs::symlink_metadata(folder) {
            let entries = || std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
            if !(metadata.is_dir() && entries()) {
                return Err(Error::Taken { path: folder.to_path_buf() });
            }
        }
        Ok(check_folder(folder)?)
    }

    /// Writes the set to `folder`, which must not exist or be empty.
    ///
    /// # Errors
    /// [`Error::Taken`], or [`Error::Write`], which leaves no folder behind.
    pub fn write(
        &self,
        folder: impl AsRef<Path>,
        format: SetFormat,
        progress: &(dyn Fn(Stage, u64, u64) + Sync),
    ) -> Result<()> {
        let folder = folder.as_ref();
        Self::check_place(folder)?;
        if folder.exists() {
            let failed = |source| Error::Read { path: folder.to_path_buf(), source };
            std::fs::remove_dir(folder).map_err(failed)?;
        }
        let writer = FolderWriter::create(folder)?;
        let progress = |done: usize| progress(Stage::Writing, done as u64, self.samples.len() as u64);
        match format {
            SetFormat::Folders => self.write_folders(&writer, &progress)?,
            SetFormat::Idx => self.write_idx(&writer)?,
        }
        writer.write("glyphs.toml", self.configuration().as_bytes())?;
        writer.write("manifest.json", self.manifest(format).as_bytes())?;
        writer.write("samples.csv", self.table().as_bytes())?;
        writer.commit()?;
        Ok(())
    }

    fn write_folders(&self, writer: &FolderWriter, progress: &dyn Fn(usize)) -> Result<()> {
        for (number, samples) in self.samples.chunks(CHUNK).enumerate() {
            let encoded: Vec<Vec<u8>> =
                samples.par_iter().map(|sample| self.png(sample)).collect::<Result<_>>()?;
            for (sample, bytes) in samples.iter().zip(encoded) {
                writer.write_below(&self.file(sample), &bytes)?;
            }
            progress(number * CHUNK + samples.len());
        }
        Ok(())
    }

    /// The path of a sample in the folder.
    fn file(&self, sample: &GlyphSample) -> String {
        let part = match sample.part {
            SetPart::Train => "train",
            SetPart::Test => "test",
        };
        let class = &self.classes[sample.class].name;
        format!("{part}/{class}/{:03}-{}.png", sample.face, sample.copy)
    }

    fn png(&self, sample: &GlyphSample) -> Result<Vec<u8>> {
        let size = self.settings.size;
        let mut bytes = Cursor::new(Vec::new());
        image::write_buffer_with_format(
            &mut bytes,
            &sample.pixels,
            size as u32,
            size as u32,
            ExtendedColorType::L8,
            ImageFormat::Png,
        )
        .map_err(|source| Error::Encode { size, source })?;
        Ok(bytes.into_inner())
    }

    fn write_idx(&self, writer: &FolderWriter) -> Result<()> {
        for (part, prefix) in [(SetPart::Train, "train"), (SetPart::Test, "t10k")] {
            let samples = || self.samples.iter().filter(|sample| sample.part == part);
            let (count, size) = (samples().count() as u32, self.settings.size as u32);
            let mut images = vec![0, 0, 8, 3];
            images.extend([count, size, size].iter().flat_map(|length| length.to_be_bytes()));
            samples().for_each(|sample| images.extend(&sample.pixels));
            // Type 12 is a signed 32-bit integer; a byte could not count the classes.
            let mut labels = vec![0, 0, 12, 1];
            labels.extend(count.to_be_bytes());
            labels.extend(samples().flat_map(|sample| (sample.class as u32).to_be_bytes()));
            writer.write(&format!("{prefix}-images-idx3-ubyte.gz"), &compressed(&images))?;
            writer.write(&format!("{prefix}-labels-idx1-ubyte.gz"), &compressed(&labels))?;
        }
        let names: String = self.classes.iter().flat_map(|class| [class.name.as_str(), "\n"]).collect();
        writer.write("classes.txt", names.as_bytes())?;
        Ok(())
    }

    /// `glyphs.toml`.
    fn configuration(&self) -> String {
        let size = self.settings.size;
        let mut text = format!(
            "# How to train on the characters in this folder:\n\
             #   widemargin train --data FOLDER --config FOLDER/glyphs.toml\n\
             # No flips: a mirrored letter is another letter.\n\n\
             [augment]\nflip = false\npad_and_crop = 2\n\n\
             [schedule]\nmargin_warm_up_epochs = 2\n\n\
             [training]\nepochs = 8\n\n\
             [data]\nchannels = 1\nheight = {size}\nwidth = {size}\n"
        );
        let unseen: Vec<&GlyphClass> = self.classes.iter().filter(|class| class.unseen).collect();
        if unseen.is_empty() {
            text.push_str("closed_set = true\n");
            return text;
        }
        text.push_str("unseen_classes = [\n");
        for line in unseen.chunks(10) {
            let names: Vec<String> = line.iter().map(|class| format!("{:?}", class.name)).collect();
            let _ = writeln!(text, "  {},", names.join(", "));
        }
        text.push_str("]\n");
        text
    }

    fn manifest(&self, format: SetFormat) -> String {
        let count = |part| self.samples.iter().filter(|sample| sample.part == part).count();
        let unseen = self.classes.iter().filter(|class| class.unseen).count();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            program: concat!("widemargin ", env!("CARGO_PKG_VERSION")),
            format,
            settings: &self.settings,
            distortion: (self.settings.distortions > 0).then_some(RANGES),
            known: self.classes.len() - unseen,
            unseen,
            train: count(SetPart::Train),
            test: count(SetPart::Test),
            classes: &self.classes,
            faces: &self.faces,
            skipped: &self.skipped,
        };
        let mut text = serde_json::to_string_pretty(&manifest).expect("numbers and strings always serialise");
        text.push('\n');
        text
    }

    /// `samples.csv`. No field needs quotes, since class names are code points.
    fn table(&self) -> String {
        let mut text = String::from("class,part,face,copy,right,down,scale,half_turn,shear,weight\n");
        for sample in &self.samples {
            let GlyphSample { class, face, copy, part, distortion: d, .. } = sample;
            let part = match part {
                SetPart::Train => "train",
                SetPart::Test => "test",
            };
            let _ = writeln!(
                text,
                "{},{part},{face},{copy},{},{},{},{},{},{}",
                self.classes[*class].name, d.right, d.down, d.scale, d.half_turn, d.shear, d.weight
            );
        }
        text
    }
}
