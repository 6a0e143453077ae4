//! Samples of the evaluation set that the initial weights were trained on.
//!
//! A model file has the digests of its training samples. A run that starts from its weights on the same data, but with another split, would be
//! evaluated on samples that the weights know, and its results would be too good. Classes that become unseen are named by `warm_start`; this
//! finds samples of any class by their content, also under other names.

use crate::Error;
use crate::config::Config;
use crate::earlier_run::EarlierRun;
use crate::warm_start::{self, WeightsClasses};
use widemargin_data::{Labelled, SampleSet};
use widemargin_embedder::{Description, TrainedSamples};
use widemargin_model::weights::{Names, Weights};

/// Digests have 32 bits, so that some fit by chance. Fewer than so many times their expected number are not reported.
const BY_CHANCE: f64 = 10.0;

/// The digest of a sample that a model file lists.
pub(crate) fn digest(set: &SampleSet, sample: u32) -> u32 {
    // The checksum of the content; the upper half is its length.
    set.digest(sample as usize) as u32
}

/// The samples that the configured weights or the run to continue were trained on: none without either, or if another program wrote the weights;
/// `None` if it is not known.
///
/// # Errors
/// If these cannot be read.
pub(crate) fn trained_before(
    config: &Config,
    earlier: Option<&EarlierRun>,
) -> Result<Option<TrainedSamples>, Error> {
    if let Some(earlier) = earlier {
        return Ok(earlier.trained_samples());
    }
    let Some(path) = config.model.weights.as_ref().filter(|path| path.exists()) else {
        return Ok(Some(TrainedSamples::default()));
    };
    if Weights::read(path)?.names() != Names::Own {
        return Ok(Some(TrainedSamples::default()));
    }
    Ok(Description::read(path)?.trained_samples)
}

/// The samples that a run does not train on.
pub(crate) struct HeldOut<'a> {
    pub(crate) set: &'a SampleSet,
    /// Of unseen classes.
    pub(crate) unseen: &'a [u32],
    /// Of known classes; the evaluation set of a closed set.
    pub(crate) known: &'a [u32],
    pub(crate) is_closed: bool,
}

/// Warnings about held-out samples that the weights were `trained` on. `split_file` is the name of the split in a run folder.
pub(crate) fn warnings(
    config: &Config,
    trained: Option<&TrainedSamples>,
    held_out: &HeldOut<'_>,
    split_file: &str,
) -> Vec<String> {
    let HeldOut { set, unseen, known, is_closed } = *held_out;
    let Some(trained) = trained else {
        return unknown(config, set, split_file).into_iter().collect();
    };
    let results =
        if is_closed { "the results are too good" } else { "the accuracy on known classes is too good" };
    let of_known = leaked(trained, set, known).map(|found| {
        format!("{} of the {} test {} of known classes, so {results}", found.0, known.len(), set.kind())
            + &first(found.1)
    });
    let of_unseen = leaked(trained, set, unseen).map(|found| {
        format!(
            "{} of the {} {} of unseen classes, so the results are too good",
            found.0,
            unseen.len(),
            set.kind()
        ) + &first(found.1)
    });
    let found: Vec<String> = [of_unseen, of_known].into_iter().flatten().collect();
    found
        .iter()
        .map(|found| format!("The loaded weights were trained on {found}. {}", advice(config, split_file)))
        .collect()
}

fn first(name: String) -> String {
    format!("; the first is {name}")
}

/// How many of `samples` are among those that were trained on, and the name of the first; `None` if there are none, or no more than by chance.
fn leaked(trained: &TrainedSamples, set: &SampleSet, samples: &[u32]) -> Option<(usize, String)> {
    let mut found = samples.iter().filter(|sample| trained.contains(digest(set, **sample)));
    let first = set.sample_id(*found.next()? as usize);
    let count = 1 + found.count();
    let chance = samples.len() as f64 * trained.len() as f64 / 2_f64.powi(32);
    (count as f64 > BY_CHANCE * chance).then_some((count, first))
}

/// What to do about them.
fn advice(config: &Config, split_file: &str) -> String {
    let m = &config.model;
    let beside = m.weights.as_ref().map(|path| path.with_file_name(split_file));
    let split = beside.or_else(|| m.from.as_ref().map(|run| run.join(split_file)));
    match split.filter(|path| path.exists()) {
        Some(path) => format!("Use the split of their run: --split {}.", path.display()),
        None => format!("Use the split of their run: --split with its {split_file}."),
    }
}

/// A warning that it is not known which samples the weights were trained on, if the data has classes that they were trained on.
fn unknown(config: &Config, set: &SampleSet, split_file: &str) -> Option<String> {
    let Ok(WeightsClasses::Listed(listed)) = warm_start::classes(config) else { return None };
    let names = set.class_names();
    let shared = listed.trained.iter().any(|class| names.contains(class));
    shared.then(|| {
        format!(
            "The model file of the loaded weights does not list the samples that they were trained on, so test {} of this run may be among \
             them. {}",
            set.kind(),
            advice(config, split_file)
        )
    })
}
