//! Splits a data set into training and held-out samples without leaks.
//!
//! Duplicates always stay in the same part. A split by group or file also keeps the samples of a group or file together. A split by class holds
//! out whole classes; if a sample of an unseen class has a duplicate in a known class, that duplicate is left out of training.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::census::duplicates::same_content;
use crate::census::{Census, CensusSample};
use crate::hold_out::{self, Drawing};
use crate::splits::open_set::{OpenSetSplit, require_comparable};
use crate::splits::split_file::{SplitFile, SplitPart};
use crate::{Error, Result};

/// The unit that is held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DivideBy {
    /// Whole classes, and some samples of each of the others.
    Class,
    /// Samples of each class.
    Sample,
    /// Whole groups of the data.
    Group,
    /// Whole folders, shards, or parts of IDX files.
    File,
}

impl DivideBy {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Sample => "sample",
            Self::Group => "group",
            Self::File => "file",
        }
    }
}

/// How a split is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DivideOptions {
    /// The unit that is held out.
    pub by: DivideBy,
    /// Share to hold out, above 0 and below 1: of the classes, of the samples per class, or of all samples in whole groups or files.
    pub share: f64,
    /// Only by class: share of the samples of each known class to hold out; at least 0 and below 1.
    pub hold_out: f64,
    /// Seed for drawing them.
    pub seed: u64,
}

/// Splits a data set.
///
/// Groups, files and duplicates are held out as a whole, so the result may differ a little from the share. At least one class, group or file
/// remains for training. The only sample of a class is trained on, unless its class, group or file is held out.
///
/// # Errors
/// [`Error::Setting`] for a share out of range, or by group if the data has no groups; [`Error::TooFewClasses`] and
/// [`Error::NothingToCompare`] if no model could be trained and evaluated with the split; those of [`Census::require_sound`];
/// [`Error::Undividable`] if all samples must stay together.
pub fn divide(census: &Census, options: &DivideOptions) -> Result<SplitFile> {
    let DivideOptions { by, share, hold_out, seed } = *options;
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::setting("share", &share, "a share above 0 and below 1"));
    }
    if !(0.0..1.0).contains(&hold_out) {
        return Err(Error::setting("hold-out", &hold_out, "a share at least 0 and below 1"));
    }
    census.require_sound()?;
    let parts = match by {
        DivideBy::Class => by_class(census, share, hold_out, seed)?,
        DivideBy::Sample => {
            let mut parts = vec![SplitPart::Train; census.samples.len()];
            draw_samples(census, share, seed, &mut parts);
            parts
        }
        DivideBy::Group | DivideBy::File => whole(census, by, share, seed)?,
    };
    require_of_use(census, &parts).map_err(|error| error.of_data(&census.name))?;
    let about = format!(
        "{}: by {}, share {share}{}, seed {seed}",
        census.name,
        by.name(),
        if by == DivideBy::Class { format!(", hold-out {hold_out}") } else { String::new() }
    );
    let classes = census
        .samples
        .iter()
        .map(|sample| sample.class.map_or("", |class| census.class_names[class as usize].as_str()));
    let named = census.samples.iter().map(|sample| sample.id.clone()).zip(parts);
    let digests = census.samples.iter().map(|sample| sample.digest);
    Ok(SplitFile::new(about, named).of_classes(classes).of_contents(digests))
}

/// Rejects a split that no model could be trained and evaluated with.
fn require_of_use(census: &Census, parts: &[SplitPart]) -> Result<()> {
    // Every sample has a class: the census is sound.
    let labels: Vec<u32> = census.samples.iter().filter_map(|sample| sample.class).collect();
    let samples = || labels.iter().zip(parts);
    let split = OpenSetSplit::of_parts(census.class_names.len(), samples())?;
    let evaluated =
        samples().filter(|(class, part)| **part == SplitPart::Test && split.is_evaluated(**class));
    require_comparable(evaluated.map(|(class, _)| *class))
}

/// Holds out whole classes, and some samples of the others. Classes without usable samples are ignored.
fn by_class(census: &Census, share: f64, hold_out: f64, seed: u64) -> Result<Vec<SplitPart>> {
    let mut present: Vec<u32> = census.samples.iter().filter_map(|sample| sample.class).collect();
    present.sort_unstable();
    present.dedup();
    let names: Vec<String> =
        present.iter().map(|class| census.class_names[*class as usize].clone()).collect();
    let count = ((names.len() as f64 * share).round() as usize).max(2);
    let split = OpenSetSplit::by_seed(&names, count, seed)?;
    let mut known = vec![true; census.class_names.len()];
    for class in split.unseen() {
        known[present[*class as usize] as usize] = false;
    }
    let is_known =
        |sample: u32| census.samples[sample as usize].class.is_some_and(|class| known[class as usize]);
    let side = |sample: u32| if is_known(sample) { SplitPart::Train } else { SplitPart::Test };
    let mut parts: Vec<SplitPart> = (0..census.samples.len() as u32).map(side).collect();
    for copies in same_content(census) {
        if copies.iter().any(|copy| !is_known(*copy)) {
            for copy in copies.into_iter().filter(|copy| is_known(*copy)) {
                parts[copy as usize] = SplitPart::Out;
            }
        }
    }
    if hold_out > 0.0 {
        draw_samples(census, hold_out, seed, &mut parts);
    }
    Ok(parts)
}

/// Holds out a share of the training samples of each class, duplicates together.
fn draw_samples(census: &Census, share: f64, seed: u64, parts: &mut [SplitPart]) {
    let trained =
        |(sample, part): (&CensusSample, &SplitPart)| sample.class.filter(|_| *part == SplitPart::Train);
    let classes = census.samples.iter().zip(&*parts).map(trained);
    let drawing = (seed, Drawing::SplitFile);
    let test = hold_out::by_class(classes, &same_content(census), share, drawing);
    for (part, _) in parts.iter_mut().zip(test).filter(|(_, test)| *test) {
        *part = SplitPart::Test;
    }
}

/// Holds out whole groups or files; those that share duplicates stay together.
fn whole(census: &Census, by: DivideBy, share: f64, seed: u64) -> Result<Vec<SplitPart>> {
    // The names are numbers in the order of the samples.
    let mut numbers = BTreeMap::new();
    let mut units = Vec::with_capacity(census.samples.len());
    for sample in &census.samples {
        let name = match by {
            DivideBy::File => census.files[sample.file as usize].as_str(),
            _ => sample.group.as_deref().ok_or_else(|| {
                let expected =
                    "data with groups (a column `group`, or `group` in the JSON of shards), or another --by";
                Error::setting("by", &"group", expected)
            })?,
        };
        let next = numbers.len();
        units.push(numbers.entry(name).or_insert(next).to_string());
    }
    let groups = hold_out::joined(&units, &same_content(census));
    let test = hold_out::by_group(&groups, share, seed);
    if !test.contains(&true) {
        return Err(Error::Undividable { path: census.path.clone(), by: by.name() });
    }
    Ok(test.into_iter().map(|test| if test { SplitPart::Test } else { SplitPart::Train }).collect())
}

#[cfg(test)]
mod tests;
