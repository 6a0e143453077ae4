//! Chooses and scores the pairs for `eval verification` and `eval calibrate`.

use super::input::{self, LabelledEmbeddings, SetArguments, Templates, both, explained};
use crate::progress;
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use widemargin_eval::verification::cohort::{self, ScoreNormalisation};
use widemargin_eval::verification::folds::ScoredPair;
use widemargin_eval::verification::streaming::{self, StreamingOptions};
use widemargin_eval::verification::{self, Verification, VerificationOptions};
use widemargin_eval::{Embeddings, files};
use widemargin_tables::{ClassNames, read_pairs};

#[derive(Args)]
pub(crate) struct PairArguments {
    #[command(flatten)]
    set: SetArguments,
    /// Compare these pairs: .csv or .parquet with columns `a`, `b` (ids, or rows from 0), `same`, and `fold` if there are folds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["probe", "sampled", "balanced"])]
    pub(crate) pairs: Option<PathBuf>,
    /// Compare each row of EMBEDDINGS, as enrolled, with each row of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sampled", "balanced"])]
    probe: Option<PathBuf>,
    /// Labels of the probes, if the file does not contain them
    #[arg(long, value_name = "FILE", requires = "probe")]
    probe_labels: Option<PathBuf>,
    /// Enrol one template per class instead of every embedding
    #[arg(long, value_enum, requires = "probe")]
    templates: Option<Templates>,
    /// Compare at most this many pairs, chosen at random with --seed
    #[arg(long, value_name = "PAIRS")]
    sampled: Option<u64>,
    /// Compare as many impostor pairs as genuine pairs, chosen at random with --seed
    #[arg(long)]
    balanced: bool,
    /// Seed of random choices
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Keep exact scores for up to this many pairs (4 bytes per pair); use bins of width 2e-6 for more
    #[arg(long, value_name = "PAIRS", default_value_t = 50_000_000)]
    exact_up_to: u64,
    /// Embeddings of a cohort of impostors, to normalise scores; requires --pairs or --probe
    #[arg(long, value_name = "FILE", requires = "normalisation")]
    cohort: Option<PathBuf>,
    /// Score normalisation with the cohort
    #[arg(long, value_enum, requires = "cohort")]
    normalisation: Option<NormalisationName>,
    /// adaptive-s: number of the highest cohort scores to use
    #[arg(long, value_name = "SCORES", default_value_t = 300)]
    top: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NormalisationName {
    /// Z-norm: by the cohort scores of the enrolled side
    Z,
    /// T-norm: by the cohort scores of the probe
    T,
    /// S-norm: mean of z and t
    S,
    /// Adaptive S-norm: s with the highest cohort scores only
    AdaptiveS,
}

impl NormalisationName {
    fn with(self, top: usize) -> ScoreNormalisation {
        match self {
            Self::Z => ScoreNormalisation::Z,
            Self::T => ScoreNormalisation::T,
            Self::S => ScoreNormalisation::S,
            Self::AdaptiveS => ScoreNormalisation::AdaptiveS { top },
        }
    }
}

/// The pairs of a list, in order.
pub(crate) struct List {
    pub(crate) scored: Vec<ScoredPair>,
    /// Fold numbers, if the file has them.
    pub(crate) folds: Option<Vec<usize>>,
}

/// Compared pairs.
pub(crate) struct Compared {
    pub(crate) verification: Verification,
    pub(crate) list: Option<List>,
    /// The set, if all its pairs were compared exactly.
    pub(crate) all_of: Option<Embeddings>,
    /// What was compared, as a sentence.
    pub(crate) lead: String,
    /// The kind of score: `cosine` or a normalised score.
    pub(crate) score: &'static str,
    /// The file that errors about the pairs name.
    pub(crate) place: String,
}

struct Cohort<'a> {
    embeddings: Embeddings,
    path: &'a Path,
    normalisation: ScoreNormalisation,
}

/// Compares the requested pairs.
pub(crate) fn compare(arguments: &PairArguments) -> anyhow::Result<Compared> {
    let cohort = match (&arguments.cohort, arguments.normalisation) {
        (Some(path), Some(name)) => {
            ensure!(
                arguments.pairs.is_some() || arguments.probe.is_some(),
                "--cohort: score normalisation requires --pairs or --probe, which define the enrolled side"
            );
            let embeddings = input::unlabelled(path)?;
            Some(Cohort { embeddings, path, normalisation: name.with(arguments.top) })
        }
        _ => None,
    };
    if let (Some(pairs), Some(labels)) = (&arguments.pairs, &arguments.set.labels) {
        bail!(
            "--labels: found {} together with --pairs {}, whose column `same` already labels the pairs; remove one of them",
            labels.display(),
            pairs.display()
        );
    }
    match (&arguments.pairs, &arguments.probe) {
        (Some(pairs), _) => of_list(arguments, pairs, cohort.as_ref()),
        (None, Some(probe)) => between_sets(arguments, probe, cohort.as_ref()),
        (None, None) => within_set(arguments),
    }
}

fn of_list(arguments: &PairArguments, path: &Path, cohort: Option<&Cohort>) -> anyhow::Result<Compared> {
    let table = input::table(&arguments.set.embeddings, None)?;
    let embeddings = files::unlabelled(&table)?;
    let file = read_pairs(path, &table)?;
    let place = path.display().to_string();
    let blame = |error| explained(error, &ClassNames::new(), &place);
    let (scored, verification) = if let Some(cohort) = cohort {
        let normalised =
            cohort::normalised_pairs(&embeddings, &file.pairs, &cohort.embeddings, cohort.normalisation);
        let scored = normalised.map_err(|error| {
            let files = both(&arguments.set.embeddings, cohort.path);
            explained(error, &ClassNames::new(), &files)
        })?;
        let found = verification::from_pairs(&scored).map_err(blame)?;
        (scored, found)
    } else {
        let scored = verification::pair_scores(&embeddings, &file.pairs).map_err(blame)?;
        let of_kind = |same| scored.iter().filter(|pair| pair.same == same).map(|pair| pair.score).collect();
        let found = verification::from_cosines(of_kind(true), of_kind(false)).map_err(blame)?;
        (scored, found)
    };
    let (pairs, rows, dim) = (scored.len(), embeddings.rows(), embeddings.dim());
    let of = arguments.set.embeddings.display();
    Ok(Compared {
        verification,
        list: Some(List { scored, folds: file.folds }),
        all_of: None,
        lead: format!("{pairs} pairs of {place}, of {of}: {rows} embeddings, dimension {dim}."),
        score: score_name(cohort),
        place,
    })
}

fn between_sets(
    arguments: &PairArguments,
    probe: &Path,
    cohort: Option<&Cohort>,
) -> anyhow::Result<Compared> {
    let mut classes = ClassNames::new();
    let labels = arguments.set.labels.as_deref();
    let enrol = input::enrolled(&arguments.set.embeddings, labels, &mut classes, arguments.templates)?;
    let probe = input::labelled(probe, arguments.probe_labels.as_deref(), &mut classes)?;
    let place = both(&enrol.path, &probe.path);
    let blame = |error| explained(error, &classes, &place);
    let (a, b) = (&enrol.embeddings, &probe.embeddings);
    let pairs = a.rows() as u64 * b.rows() as u64;
    let options = VerificationOptions { max_pairs: arguments.exact_up_to, seed: arguments.seed };
    let found = if let Some(cohort) = cohort {
        ensure!(
            pairs <= arguments.exact_up_to,
            "--exact-up-to: found {1}, but normalisation keeps all {0} pairs in memory (4 bytes each); raise it to {0}",
            pairs,
            arguments.exact_up_to
        );
        let normalised = cohort::normalised(a, b, &cohort.embeddings, cohort.normalisation, &options);
        normalised.map_err(|error| {
            explained(error, &classes, &format!("{place}, normalised by {}", cohort.path.display()))
        })?
    } else if pairs <= arguments.exact_up_to {
        verification::enrol_probe(a, b, &options).map_err(blame)?
    } else {
        let bar = progress::counted("pairs", pairs);
        let advance = progress::advancing(&bar);
        streaming::enrol_probe(a, b, &StreamingOptions::default(), &advance).map_err(blame)?
    };
    let lead = format!("{} enrolled; {} probes.", enrol.in_words(), probe.in_words());
    Ok(Compared { verification: found, list: None, all_of: None, lead, score: score_name(cohort), place })
}

fn within_set(arguments: &PairArguments) -> anyhow::Result<Compared> {
    let mut classes = ClassNames::new();
    let LabelledEmbeddings { path, embeddings, cameras, ids } =
        input::labelled(&arguments.set.embeddings, arguments.set.labels.as_deref(), &mut classes)?;
    let place = path.display().to_string();
    let blame = |error| explained(error, &classes, &place);
    let rows = embeddings.rows() as u64;
    let pairs = rows * (rows - 1) / 2;
    let options = VerificationOptions {
        max_pairs: arguments.sampled.unwrap_or(arguments.exact_up_to),
        seed: arguments.seed,
    };
    if let Some(sampled) = arguments.sampled {
        ensure!(
            sampled >= 2,
            "--sampled: found {sampled}, expected at least 2: one genuine and one impostor pair"
        );
    }
    let waiting = progress::waiting("comparing pairs");
    let (found, kind) = if arguments.balanced {
        let found = verification::balanced_pairs(&embeddings, &options).map_err(blame)?;
        (found, "as many impostor pairs as genuine pairs")
    } else if arguments.sampled.is_some() || pairs <= arguments.exact_up_to {
        let found = verification::all_pairs(&embeddings, &options).map_err(blame)?;
        let kind =
            if found.pairs < found.pairs_in_all { "a random sample of the pairs" } else { "all pairs" };
        (found, kind)
    } else {
        waiting.finish_and_clear();
        let bar = progress::counted("pairs", pairs);
        let advance = progress::advancing(&bar);
        let options = StreamingOptions::default();
        let found = streaming::all_pairs(&embeddings, &options, &advance).map_err(blame)?;
        (found, "all pairs, counted in bins")
    };
    drop(waiting);
    let set = LabelledEmbeddings { path, embeddings, cameras, ids };
    let lead = format!("{}; {kind}.", set.in_words());
    let exact = kind == "all pairs";
    let all_of = exact.then_some(set.embeddings);
    Ok(Compared { verification: found, list: None, all_of, lead, score: "cosine", place })
}

fn score_name(cohort: Option<&Cohort>) -> &'static str {
    match cohort.map(|cohort| cohort.normalisation) {
        None => "cosine",
        Some(ScoreNormalisation::Z) => "Z-normalised score",
        Some(ScoreNormalisation::T) => "T-normalised score",
        Some(ScoreNormalisation::S) => "S-normalised score",
        Some(ScoreNormalisation::AdaptiveS { .. }) => "adaptively S-normalised score",
    }
}

/// Costs as `PRIOR,MISS,FALSE_ACCEPT`.
pub(crate) fn costs(text: &str) -> anyhow::Result<verification::costs::Costs> {
    let numbers: Vec<f64> = text
        .split(',')
        .map(|part| part.trim().parse().with_context(|| format!("found {part:?}, expected a number")))
        .collect::<anyhow::Result<_>>()?;
    let &[prior, miss, accept] = numbers.as_slice() else {
        anyhow::bail!("found {} numbers, expected three: PRIOR,MISS,FALSE_ACCEPT", numbers.len());
    };
    Ok(verification::costs::Costs::new(prior, miss, accept)?)
}

/// A rate from 0 to 1.
pub(crate) fn rate(text: &str) -> anyhow::Result<f64> {
    let rate: f64 = text.trim().parse().context("expected a number from 0 to 1")?;
    ensure!((0.0..=1.0).contains(&rate), "expected a number from 0 to 1");
    Ok(rate)
}
