//! Dividing a set into what is trained on and what judges, so that nothing of one leaks into the other.
//!
//! Whatever a split is drawn by, samples of equal content stay together, and so do those of a group or a file if it is drawn by these.
//! A split by class keeps whole classes from training; where a sample of such a class has a twin in a class that is trained on, the twin
//! is left out of training.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::census::Census;
use crate::duplicates::same_content;
use crate::split::require_comparable;
use crate::split_file::{SplitFile, SplitPart};
use crate::{Error, OpenSetSplit, Result};
use widemargin_chance::{Purpose, Stream};

/// What a split is drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DivideBy {
    /// Whole classes are kept from training; of each of the others, samples to judge by.
    Class,
    /// Samples of each class.
    Sample,
    /// Whole groups, as the data names them.
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
    /// What it is drawn by.
    pub by: DivideBy,
    /// Share that judges, above 0 and below 1: of the classes, of the samples of each class, or of all samples in whole groups or files.
    pub share: f64,
    /// By class: share of the samples of each class that is trained on that judge too; at least 0 and below 1.
    pub hold_out: f64,
    /// Decides which.
    pub seed: u64,
}

/// Divides a set.
///
/// Shares are of samples, but by class; what is drawn whole (a group, a file, twins) comes as near to them as it can. Nothing that can be
/// trained on is left without a class: a class, group or file is never drawn if it is the last. The single sample of a class is trained
/// on, unless its class, group or file is drawn.
///
/// # Errors
/// [`Error::Setting`] for a share out of range, or by group where the data has none; [`Error::TooFewClasses`] and
/// [`Error::NothingToCompare`] where no run could be trained and judged with the split; those of [`Census::require_sound`];
/// [`Error::Undividable`] where all hangs together.
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
    require_of_use(census, &parts)?;
    let about = format!(
        "{}: by {}, share {share}{}, seed {seed}",
        census.name,
        by.name(),
        if by == DivideBy::Class { format!(", hold-out {hold_out}") } else { String::new() }
    );
    Ok(SplitFile::new(about, census.samples.iter().map(|sample| sample.id.clone()).zip(parts)))
}

/// Refuses a split that no run would take.
fn require_of_use(census: &Census, parts: &[SplitPart]) -> Result<()> {
    // None is without a class: the census is sound.
    let labels: Vec<u32> = census.samples.iter().filter_map(|sample| sample.class).collect();
    let samples = || labels.iter().zip(parts);
    let split = OpenSetSplit::of_parts(census.class_names.len(), samples())?;
    let judges = samples().filter(|(class, part)| **part == SplitPart::Test && split.judges(**class));
    require_comparable(judges.map(|(class, _)| *class))
}

/// Some classes whole, and of the others some samples. A class of which no sample can be used is none.
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
    for twins in same_content(census) {
        if twins.iter().any(|twin| !is_known(*twin)) {
            for twin in twins.into_iter().filter(|twin| is_known(*twin)) {
                parts[twin as usize] = SplitPart::Out;
            }
        }
    }
    if hold_out > 0.0 {
        draw_samples(census, hold_out, seed, &mut parts);
    }
    Ok(parts)
}

/// Of what each class has to train on, makes a share judge instead; twins together.
fn draw_samples(census: &Census, share: f64, seed: u64, parts: &mut [SplitPart]) {
    // A sample stands for its twins; twins of several classes count for that of the first.
    let mut leader: Vec<u32> = (0..census.samples.len() as u32).collect();
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for mut twins in same_content(census) {
        twins.retain(|twin| parts[*twin as usize] == SplitPart::Train);
        for twin in &twins {
            leader[*twin as usize] = twins[0];
        }
        if let Some(first) = twins.first().copied() {
            members.insert(first, twins);
        }
    }
    let mut by_class = vec![Vec::new(); census.class_names.len()];
    for (number, sample) in (0..).zip(&census.samples) {
        let drawable = parts[number as usize] == SplitPart::Train && leader[number as usize] == number;
        if let Some(class) = sample.class.filter(|_| drawable) {
            by_class[class as usize].push(number);
        }
    }
    for (class, mut leaders) in by_class.into_iter().enumerate() {
        Stream::new(seed, Purpose::HoldOut, class as u64, 2).shuffle(&mut leaders);
        let size = |leader: &u32| members.get(leader).map_or(1, Vec::len);
        let all: usize = leaders.iter().map(size).sum();
        let expected = (all as f64 * share).round().max(1.0) as usize;
        let mut taken = 0;
        for leader in leaders.iter().take(leaders.len().saturating_sub(1)) {
            if taken >= expected {
                break;
            }
            taken += size(leader);
            match members.get(leader) {
                Some(twins) => twins.iter().for_each(|twin| parts[*twin as usize] = SplitPart::Test),
                None => parts[*leader as usize] = SplitPart::Test,
            }
        }
    }
}

/// Whole groups or files, those with twins in one another together.
fn whole(census: &Census, by: DivideBy, share: f64, seed: u64) -> Result<Vec<SplitPart>> {
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
        let next = numbers.len() as u32;
        units.push(*numbers.entry(name).or_insert(next));
    }
    // Units that hang together by twins become one.
    let mut joined: Vec<u32> = (0..numbers.len() as u32).collect();
    for twins in same_content(census) {
        let first = root(&mut joined, units[twins[0] as usize]);
        for twin in twins {
            let other = root(&mut joined, units[twin as usize]);
            joined[other as usize] = first;
        }
    }
    let names: Vec<String> = units.iter().map(|unit| root(&mut joined, *unit).to_string()).collect();
    let test = crate::hold_out::by_group(&names, share, seed);
    if !test.contains(&true) {
        return Err(Error::Undividable { path: census.path.clone(), by: by.name() });
    }
    Ok(test.into_iter().map(|test| if test { SplitPart::Test } else { SplitPart::Train }).collect())
}

/// The unit that stands for all that hang together with `unit`.
fn root(joined: &mut [u32], mut unit: u32) -> u32 {
    while joined[unit as usize] != unit {
        joined[unit as usize] = joined[joined[unit as usize] as usize];
        unit = joined[unit as usize];
    }
    unit
}

#[cfg(test)]
mod tests;
