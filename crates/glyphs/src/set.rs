//! A set of drawn characters: known and unseen classes, and training and test samples.

use rayon::prelude::*;
use serde::Serialize;

use crate::characters::class_name;
use crate::choose::{Chosen, choose};
use crate::drawing::{Distortion, draw, plain};
use crate::face::OpenFace;
use crate::fonts::{Face, SkippedFont, each_face, find};
use crate::{GlyphSettings, Result};
use widemargin_chance::{Purpose, Stream};

/// The part of a set to which a sample belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetPart {
    /// Training samples.
    Train,
    /// Test samples.
    Test,
}

/// The stage of the work, for progress reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading font files.
    Fonts,
    /// Drawing characters without distortion, face by face, to choose among them.
    Choosing,
    /// Drawing the samples, face by face.
    Drawing,
    /// Writing samples.
    Writing,
}

/// A class: one character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GlyphClass {
    /// Its name: `U+4E00`.
    pub name: String,
    /// The character.
    pub character: char,
    /// Whether the class is unseen in training.
    pub unseen: bool,
    /// Number of different drawings in the fonts.
    pub drawings: usize,
    /// Samples in the training part.
    pub train: usize,
    /// Samples in the test part.
    pub test: usize,
}

/// A sample: one image.
#[derive(Debug, Clone, PartialEq)]
pub struct GlyphSample {
    /// Position of its class.
    pub class: usize,
    /// Position of the face that drew it.
    pub face: usize,
    /// Position among the distortions of that drawing, from 0.
    pub copy: usize,
    /// Its part. Samples of unseen classes are test samples; all samples of one drawing are in the same part.
    pub part: SetPart,
    /// Its distortion.
    pub distortion: Distortion,
    /// `size` x `size` bytes, row by row: 255 is ink.
    pub pixels: Vec<u8>,
}

/// A set of drawn characters.
#[derive(Debug)]
pub struct GlyphSet {
    pub(crate) settings: GlyphSettings,
    pub(crate) faces: Vec<Face>,
    pub(crate) skipped: Vec<SkippedFont>,
    pub(crate) classes: Vec<GlyphClass>,
    pub(crate) samples: Vec<GlyphSample>,
}

impl GlyphSet {
    /// Finds fonts, chooses characters and draws them. `progress` receives the stage, the work done and the total work,
    /// from any thread.
    ///
    /// The whole set is in memory, one byte per pixel: at most 82 MB for the 80,000 samples of the default settings.
    ///
    /// # Errors
    /// A setting out of range, fonts that cannot be found or read, or too few characters in them.
    pub fn draw(settings: &GlyphSettings, progress: &(dyn Fn(Stage, u64, u64) + Sync)) -> Result<Self> {
        settings.validate()?;
        let expected = |character| settings.characters.contains(character);
        let fonts = find(&settings.fonts, expected, &|done, all| progress(Stage::Fonts, done, all))?;
        let chosen = choose(settings, &fonts, &|done, all| progress(Stage::Choosing, done, all))?;
        let unseen = unseen_classes(settings, chosen.len());
        let mut classes: Vec<GlyphClass> = chosen
            .iter()
            .zip(&unseen)
            .map(|(chosen, unseen)| GlyphClass {
                name: class_name(chosen.character),
                character: chosen.character,
                unseen: *unseen,
                drawings: chosen.drawings,
                train: 0,
                test: 0,
            })
            .collect();

        let mut tasks: Vec<Vec<(usize, SetPart)>> = vec![Vec::new(); fonts.faces.len()];
        for (class, (chosen, unseen)) in chosen.iter().zip(&unseen).enumerate() {
            for (face, part) in parts(settings, chosen, *unseen) {
                tasks[face].push((class, part));
            }
        }
        let mut samples = Vec::new();
        each_face(&fonts.faces, |position, face| {
            let key = fonts.faces[position].key();
            let drawn = tasks[position].par_iter().flat_map_iter(|&(class, part)| {
                let character = classes[class].character;
                samples_of(settings, face, (character, key)).map(move |(copy, distortion, pixels)| {
                    GlyphSample { class, face: position, copy, part, distortion, pixels }
                })
            });
            samples.par_extend(drawn);
            progress(Stage::Drawing, position as u64 + 1, fonts.faces.len() as u64);
        })?;
        samples.sort_unstable_by_key(|sample| (sample.class, sample.face, sample.copy));
        for sample in &samples {
            let class = &mut classes[sample.class];
            match sample.part {
                SetPart::Train => class.train += 1,
                SetPart::Test => class.test += 1,
            }
        }
        let (faces, skipped) = (fonts.faces, fonts.skipped);
        Ok(Self { settings: settings.clone(), faces, skipped, classes, samples })
    }

    /// The settings.
    pub fn settings(&self) -> &GlyphSettings {
        &self.settings
    }

    /// Every face that was found, in order of file name, content and place in the file.
    pub fn faces(&self) -> &[Face] {
        &self.faces
    }

    /// Number of faces that drew at least one sample.
    pub fn faces_in_use(&self) -> usize {
        let mut used = vec![false; self.faces.len()];
        self.samples.iter().for_each(|sample| used[sample.face] = true);
        used.into_iter().filter(|used| *used).count()
    }

    /// Font files that could not be used.
    pub fn skipped(&self) -> &[SkippedFont] {
        &self.skipped
    }

    /// The classes, ascending by code point.
    pub fn classes(&self) -> &[GlyphClass] {
        &self.classes
    }

    /// The samples, ascending by class, face and copy.
    pub fn samples(&self) -> &[GlyphSample] {
        &self.samples
    }
}

/// Selects the unseen classes at random: true for each.
fn unseen_classes(settings: &GlyphSettings, classes: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..classes).collect();
    Stream::new(settings.seed, Purpose::GlyphUnseen, 0, 0).shuffle(&mut order);
    let mut unseen = vec![false; classes];
    order.iter().take(settings.unseen).for_each(|class| unseen[*class] = true);
    unseen
}

/// Assigns the drawings of a class to parts.
fn parts(settings: &GlyphSettings, chosen: &Chosen, unseen: bool) -> Vec<(usize, SetPart)> {
    if unseen {
        return chosen.faces.iter().map(|face| (*face, SetPart::Test)).collect();
    }
    let mut faces = chosen.faces.clone();
    let code = u64::from(u32::from(chosen.character));
    Stream::new(settings.seed, Purpose::GlyphHoldOut, code, 0).shuffle(&mut faces);
    let test = (faces.len() as f64 * settings.hold_out).round() as usize;
    let test = test.clamp(1, faces.len() - 1);
    let part = |position| if position < test { SetPart::Test } else { SetPart::Train };
    faces.into_iter().enumerate().map(|(position, face)| (face, part(position))).collect()
}

/// The samples of a character in a face: copy, distortion and pixels.
fn samples_of(
    settings: &GlyphSettings,
    face: &OpenFace<'_>,
    (character, key): (char, u64),
) -> impl Iterator<Item = (usize, Distortion, Vec<u8>)> {
    let outline = face.outline(character).map(|(outline, _)| outline);
    let (seed, size, distortions) = (settings.seed, settings.size, settings.distortions);
    outline.into_iter().flat_map(move |outline| {
        (0..distortions.max(1)).map(move |copy| {
            if distortions == 0 {
                return (copy, Distortion::NONE, plain(&outline, size));
            }
            let code = u64::from(u32::from(character)) | (copy as u64) << 32;
            let distortion = Distortion::drawn(&mut Stream::new(seed, Purpose::GlyphDistortion, code, key));
            (copy, distortion, draw(&outline, size, &distortion))
        })
    })
}
