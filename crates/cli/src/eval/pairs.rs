//! Chooses and scores the pairs for `eval verification` and `eval calibrate`.

use super::copies::{self, SelfArguments, crowded, repeated};
use super::input::{self, AcrossCameras, LabelledEmbeddings, SetArguments, Shared, both, explained};
use crate::arguments::{heading, without_effect};
use crate::calibration::{Comparison, SavedCohort, ScoredBy, Templates};
use crate::progress;
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use widemargin_eval::verification::cohort::{self, ScoreNormalisation};
use widemargin_eval::verification::folds::ScoredPair;
use widemargin_eval::verification::streaming::{self, StreamingOptions};
use widemargin_eval::verification::{self, IdentityPair, Verification, VerificationOptions};
use widemargin_eval::{Copies, Embeddings, files};
use widemargin_tables::{
    ClassNames, DoubtfulPairs, EmbeddingTable, Pair, is_score_file, read_pairs, read_scores,
};

/// A warning for calibrations of [`Verification::is_separated`] scores.
pub(super) const SEPARATED: &str = "A threshold separates the genuine and the impostor pairs completely, so no slope is the best one: the slope of \
     the calibration, and probabilities from it, come from a weak penalty on steep slopes, not from the scores.";

/// A warning for scores that were counted in bins.
pub(super) fn binned(found: &Verification) -> Option<String> {
    let width = found.resolution?;
    Some(format!(
        "Scores were counted in bins of width {width:.1e} (narrower above 0.999), so thresholds have this precision."
    ))
}

#[derive(Args)]
pub(crate) struct PairArguments {
    #[command(flatten)]
    set: SetArguments,
    /// Compare these pairs: .csv or .parquet with columns `a`, `b` (ids, or rows from 0), `same`, and `fold` if there are folds; or a trial list
    /// such as `1 a.wav b.wav` or `a.wav b.wav target`
    #[arg(help_heading = heading::PAIRS, long, value_name = "FILE", conflicts_with_all = ["probe", "sampled", "balanced", "split"])]
    pub(crate) pairs: Option<PathBuf>,
    /// Compare each row of EMBEDDINGS, as enrolled, with each row of this file
    #[arg(help_heading = heading::PAIRS, long, value_name = "FILE", conflicts_with_all = ["sampled", "balanced"])]
    probe: Option<PathBuf>,
    /// Labels of the probes, if the file does not contain them
    #[arg(help_heading = heading::PAIRS, long, value_name = "FILE", requires = "probe")]
    probe_labels: Option<PathBuf>,
    /// Enrol one template per class instead of every embedding
    #[arg(help_heading = heading::PAIRS, long, value_enum, requires = "probe")]
    templates: Option<Templates>,
    #[command(flatten)]
    across: AcrossCameras,
    #[command(flatten)]
    itself: SelfArguments,
    /// Compare at most this many pairs, chosen at random with --seed
    #[arg(help_heading = heading::PAIRS, long, value_name = "PAIRS")]
    sampled: Option<u64>,
    /// Compare as many impostor pairs as genuine pairs, chosen at random with --seed
    #[arg(help_heading = heading::PAIRS, long)]
    balanced: bool,
    /// Seed of random choices [default: 0]
    #[arg(help_heading = heading::PAIRS, long)]
    seed: Option<u64>,
    /// Keep exact scores for up to this many pairs (4 bytes per pair); use bins of width 2e-6 for more [default: 50000000]
    #[arg(help_heading = heading::PAIRS, long, value_name = "PAIRS", conflicts_with_all = ["pairs", "sampled"])]
    exact_up_to: Option<u64>,
    /// Embeddings of a cohort of impostors, to normalise scores; requires --pairs or --probe
    #[arg(help_heading = heading::PAIRS, long, value_name = "FILE", requires = "normalisation")]
    cohort: Option<PathBuf>,
    /// Score normalisation with the cohort
    #[arg(help_heading = heading::PAIRS, long, value_enum, requires = "cohort")]
    normalisation: Option<NormalisationName>,
    /// adaptive-s: number of the highest cohort scores to use [default: 300]
    #[arg(help_heading = heading::PAIRS, long, value_name = "SCORES", requires = "cohort")]
    top: Option<usize>,
}

/// The default of --exact-up-to.
const EXACT_UP_TO: u64 = 50_000_000;

/// The default of --top.
const TOP: usize = 300;

/// The kind of scores that another program computed.
pub(crate) const COMPUTED_ELSEWHERE: &str = "score";

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

/// Computes the pairs with their identities when they are needed.
type IdentityPairs = Box<dyn Fn() -> widemargin_eval::Result<Vec<IdentityPair>>>;

/// Compared pairs.
pub(crate) struct Compared {
    pub(crate) verification: Verification,
    pub(crate) list: Option<List>,
    /// Gives the pairs with the identities of both sides, for confidence intervals, if identities are known.
    pub(crate) identity_pairs: Option<IdentityPairs>,
    /// Self-matches, repeated embeddings and crowded cosines, as sentences.
    pub(crate) notes: Vec<String>,
    /// The same for JSON.
    pub(crate) facts: serde_json::Map<String, Value>,
    /// What was compared, as a sentence.
    pub(crate) lead: String,
    /// The kind of score: `cosine` or a normalised score.
    pub(crate) score: &'static str,
    /// The model of the embeddings, if their files state it.
    pub(crate) model: Option<ScoredBy>,
    /// What the two sides are, as calibrations record it.
    pub(crate) comparison: Comparison,
    /// The file that errors about the pairs name.
    pub(crate) place: String,
}

impl PairArguments {
    /// Whether consecutive pairs can be folds: pairs of a list, or scores.
    pub(crate) fn are_listed(&self) -> bool {
        self.pairs.is_some() || is_score_file(&self.set.embeddings)
    }

    /// Rejects flags that have no effect on scores.
    fn require_scores_only(&self) -> anyhow::Result<()> {
        let flags = [
            ("--labels", self.set.labels.is_some()),
            ("--split", self.set.split.is_some()),
            ("--probe", self.probe.is_some()),
            ("--sampled", self.sampled.is_some()),
            ("--balanced", self.balanced),
            ("--cohort", self.cohort.is_some()),
            ("--across-cameras", self.across.is_given()),
            ("--keep-self", self.itself.keeps()),
            ("--exact-up-to", self.exact_up_to.is_some()),
            ("--templates", self.templates.is_some()),
            ("--probe-labels", self.probe_labels.is_some()),
        ];
        match flags
            .iter()
            .chain(&self.set.choices())
            .chain(&self.set.column_flags())
            .find(|(_, given)| *given)
        {
            Some((flag, _)) => bail!(
                "{flag}: {} has scores of pairs instead of embeddings; remove {flag}",
                self.set.embeddings.display()
            ),
            None => Ok(()),
        }
    }

    /// The seed; 0 if none is given.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Rejects flags that have no effect with the other flags; `draws` says whether other random choices are made than those of pairs.
    pub(crate) fn require_effect(&self, draws: bool, choices: &str) -> anyhow::Result<()> {
        let draws = draws || self.sampled.is_some() || self.balanced;
        without_effect(&[("--seed", self.seed.is_some() && !draws)], &format!("without {choices}"))?;
        // A list says which pairs are compared.
        if self.pairs.is_some() {
            without_effect(&self.set.choices(), "with --pairs")?;
        }
        // clap does not require what another flag rules out.
        let of_probes = [
            ("--templates", self.templates.is_some() && self.probe.is_none()),
            ("--probe-labels", self.probe_labels.is_some() && self.probe.is_none()),
        ];
        without_effect(&of_probes, "without --probe")?;
        let across = self.across.is_given() && (self.pairs.is_some() || self.probe.is_some());
        without_effect(
            &[("--across-cameras", across)],
            "with --pairs or --probe: it is for all pairs of one file",
        )?;
        let self_matches =
            self.probe.is_some() || self.cohort.is_some() || is_score_file(&self.set.embeddings);
        without_effect(
            &[("--keep-self", self.itself.keeps() && !self_matches)],
            "without --probe or --cohort",
        )
    }

    fn exact_up_to(&self) -> u64 {
        self.exact_up_to.unwrap_or(EXACT_UP_TO)
    }

    /// The cohort and how it normalises scores.
    fn cohort(&self, shared: &mut Shared) -> anyhow::Result<Option<Cohort<'_>>> {
        let (Some(path), Some(name)) = (&self.cohort, self.normalisation) else { return Ok(None) };
        ensure!(
            self.pairs.is_some() || self.probe.is_some(),
            "--cohort: score normalisation requires --pairs or --probe, which define the enrolled side"
        );
        let adaptive = matches!(name, NormalisationName::AdaptiveS);
        if let (Some(top), false) = (self.top, adaptive) {
            bail!("--top: found {top}, expected no --top: only --normalisation adaptive-s uses it");
        }
        let table = shared.table(path, None)?;
        let embeddings = files::unlabelled(&table)?;
        let (top, rows) = (self.top.unwrap_or(TOP), embeddings.rows());
        ensure!(
            !adaptive || (2..=rows).contains(&top),
            "--top: found {top}{}, expected 2 to {rows}, the number of embeddings of {}",
            if self.top.is_none() { " (the default)" } else { "" },
            path.display()
        );
        let normalisation = name.with(top);
        let saved = SavedCohort::new(&table.data, table.dim, adaptive.then_some(top));
        Ok(Some(Cohort { embeddings, left_out: 0, labels: table.about.labels, path, normalisation, saved }))
    }
}

struct Cohort<'a> {
    embeddings: Embeddings,
    /// Embeddings left out because they are evaluated as well.
    left_out: usize,
    labels: Option<Vec<String>>,
    path: &'a Path,
    normalisation: ScoreNormalisation,
    /// All its embeddings, as calibrations record them.
    saved: SavedCohort,
}

impl Cohort<'_> {
    /// Leaves out the embeddings that equal one of the evaluated sets: their score with themselves is no impostor's.
    fn without(mut self, sets: &[&Embeddings], arguments: &SelfArguments) -> anyhow::Result<Self> {
        if arguments.keeps() {
            return Ok(self);
        }
        for set in sets {
            let kept = Copies::between(set, &self.embeddings, None).gallery_without();
            self.left_out += self.embeddings.rows() - kept.len();
            ensure!(
                kept.len() >= 2,
                "{}: {} embeddings are left without those that are also evaluated, expected at least 2; use a cohort of other samples",
                self.path.display(),
                kept.len()
            );
            self.embeddings = self.embeddings.of_rows(&kept)?;
            self.labels = self.labels.map(|labels| kept.iter().map(|row| labels[*row].clone()).collect());
        }
        if let ScoreNormalisation::AdaptiveS { top } = self.normalisation {
            let rows = self.embeddings.rows();
            ensure!(
                top <= rows,
                "--top: found {top}, expected 2 to {rows}, the number of embeddings of {} without the {} that are also evaluated",
                self.path.display(),
                self.left_out
            );
        }
        Ok(self)
    }

    /// The normalisation, for the first line of a report.
    fn in_words(&self) -> String {
        let top = match self.normalisation {
            ScoreNormalisation::AdaptiveS { top } => format!(", the {top} highest scores of each"),
            _ => String::new(),
        };
        format!(
            " {}s with the cohort {}: {} embeddings{top}.",
            capitalised(score_name(Some(self))),
            self.path.display(),
            self.embeddings.rows()
        )
    }

    fn notes(&self) -> Vec<String> {
        let left_out = (self.left_out > 0).then(|| {
            format!(
                "{} embeddings of the cohort {} are also evaluated and were left out of it; --keep-self keeps them.",
                self.left_out,
                self.path.display()
            )
        });
        left_out.into_iter().chain(crowded(&self.path.display(), &self.embeddings)).collect()
    }

    /// A warning if the cohort has classes that are evaluated.
    fn warning<'a>(&self, evaluated: impl IntoIterator<Item = &'a String>) -> Option<String> {
        let evaluated: BTreeSet<&String> = evaluated.into_iter().collect();
        let shared: BTreeSet<&String> =
            self.labels.iter().flatten().filter(|label| evaluated.contains(label)).collect();
        let first = shared.first()?;
        Some(format!(
            "{} classes of the cohort {} are also evaluated, such as {first:?}: scores are normalised with those of the same class. Use a cohort \
             of other classes.",
            shared.len(),
            self.path.display()
        ))
    }
}

/// Compares the requested pairs.
pub(crate) fn compare(arguments: &PairArguments) -> anyhow::Result<Compared> {
    if is_score_file(&arguments.set.embeddings) {
        arguments.require_scores_only()?;
        return of_scores(&arguments.set.embeddings, arguments.pairs.as_deref());
    }
    let mut shared = arguments.set.shared();
    let cohort = arguments.cohort(&mut shared)?;
    if let (Some(pairs), Some(labels)) = (&arguments.pairs, &arguments.set.labels) {
        bail!(
            "--labels: found {} together with --pairs {}, whose column `same` already labels the pairs; remove one of them",
            labels.display(),
            pairs.display()
        );
    }
    let compared = match (&arguments.pairs, &arguments.probe) {
        (Some(pairs), _) => of_list(arguments, pairs, cohort, shared),
        (None, Some(probe)) => between_sets(arguments, probe, cohort, shared),
        (None, None) => within_set(arguments, shared),
    };
    compared.map(warned)
}

/// Adds a warning if impostor pairs score higher than genuine pairs.
fn warned(mut compared: Compared) -> Compared {
    let auc = compared.verification.auc;
    if auc < 0.5 {
        compared.verification.warnings.push(format!(
            "AUC is {auc:.4}, below 0.5: impostor pairs score higher than genuine pairs. Check that labels and embeddings have the same order, and \
             that a higher score means more similar."
        ));
    }
    compared
}

/// Evaluates scores that another program computed; `keys` is a list of pairs that says which are of the same class.
pub(crate) fn of_scores(path: &Path, keys: Option<&Path>) -> anyhow::Result<Compared> {
    let file = read_scores(path, keys)?;
    let place = path.display().to_string();
    let pairs = file.scores.len();
    let genuine = file.same.iter().filter(|same| **same).count();
    ensure!(
        genuine > 0 && genuine < pairs,
        "{place}: found {genuine} genuine and {} impostor pairs, expected at least one of each",
        pairs - genuine
    );
    ensure!(
        file.scores.iter().any(|score| *score != file.scores[0]),
        "{place}: all {pairs} scores are {:?}; expected scores that differ",
        file.scores[0]
    );
    let scored: Vec<ScoredPair> = file
        .scores
        .iter()
        .zip(&file.same)
        .map(|(score, same)| ScoredPair { score: *score, same: *same })
        .collect();
    let verification =
        verification::from_pairs(&scored).map_err(|error| explained(error, &ClassNames::new(), &place))?;
    let keys = keys.map(|keys| format!(", labelled by {}", keys.display())).unwrap_or_default();
    Ok(warned(Compared {
        verification,
        list: Some(List { scored, folds: file.folds }),
        identity_pairs: None,
        notes: doubts(&file.doubtful, &place),
        facts: serde_json::Map::new(),
        lead: format!("{pairs} scores of {place}{keys}."),
        score: COMPUTED_ELSEWHERE,
        model: None,
        comparison: Comparison::default(),
        place,
    }))
}

/// Sentences on scored pairs that are probably mistakes.
fn doubts(found: &DoubtfulPairs, place: &str) -> Vec<String> {
    let kinds = [
        (&found.contradictory, "are of pairs that another row says the opposite of, so one of both is wrong"),
        (&found.repeated, "are of pairs that have a score already, so these pairs count several times"),
        (&found.itself, "are of a sample with itself, which makes the results too good"),
    ];
    let sentence = |(found, what): (&Option<(usize, [String; 2])>, &str)| {
        let (count, [a, b]) = found.as_ref()?;
        Some(format!("{count} scores of {place} {what}; the first is of {a:?} and {b:?}."))
    };
    kinds.into_iter().filter_map(sentence).collect()
}

/// A warning about pairs that are listed as of the same class and as of different classes.
fn listed_both_ways(table: &EmbeddingTable, pairs: &[Pair], place: &str) -> Option<String> {
    let mut sorted: Vec<(usize, usize, bool)> =
        pairs.iter().map(|pair| (pair.a.min(pair.b), pair.a.max(pair.b), pair.same)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let both = |two: &&[(usize, usize, bool)]| (two[0].0, two[0].1) == (two[1].0, two[1].1);
    let count = sorted.windows(2).filter(both).count();
    let first = sorted.windows(2).find(both)?[0];
    Some(format!(
        "{place} lists {count} pairs as of the same class and also as of different classes; the first is {} and {}.",
        row_name(table, first.0),
        row_name(table, first.1)
    ))
}

/// A warning about pairs that are listed more than once, in either order.
fn listed_again(table: &EmbeddingTable, pairs: &[Pair], place: &str) -> Option<String> {
    let mut seen = HashSet::new();
    let again: Vec<&Pair> =
        pairs.iter().filter(|pair| !seen.insert((pair.a.min(pair.b), pair.a.max(pair.b)))).collect();
    let first = again.first()?;
    Some(format!(
        "{} lines of {place} list a pair again, so these pairs count several times; the first is {} and {}.",
        again.len(),
        row_name(table, first.a),
        row_name(table, first.b)
    ))
}

/// The id of a row, or its number.
fn row_name(table: &EmbeddingTable, row: usize) -> String {
    match &table.about.ids {
        Some(ids) => format!("{:?}", ids[row]),
        None => format!("row {row}"),
    }
}

/// A warning about pairs that the labels of the embeddings contradict.
fn contradictions(table: &EmbeddingTable, pairs: &[Pair], place: &str) -> Option<String> {
    let labels = table.about.labels.as_ref()?;
    let contradicts = |pair: &&Pair| {
        let (a, b) = (&labels[pair.a], &labels[pair.b]);
        !a.is_empty() && !b.is_empty() && (a == b) != pair.same
    };
    let first = pairs.iter().find(contradicts)?;
    let name = |row| row_name(table, row);
    Some(format!(
        "{} of {} pairs of {place} contradict the labels of {}. The first is {} and {}: listed as {}, with the labels {:?} and {:?}.",
        pairs.iter().filter(contradicts).count(),
        pairs.len(),
        table.path.display(),
        name(first.a),
        name(first.b),
        if first.same { "the same class" } else { "different classes" },
        labels[first.a],
        labels[first.b]
    ))
}

fn of_list(
    arguments: &PairArguments,
    path: &Path,
    cohort: Option<Cohort>,
    mut shared: Shared,
) -> anyhow::Result<Compared> {
    let table = shared.table(&arguments.set.embeddings, None)?;
    let embeddings = files::unlabelled(&table)?;
    let cohort = cohort.map(|cohort| cohort.without(&[&embeddings], &arguments.itself)).transpose()?;
    let cohort = cohort.as_ref();
    let file = read_pairs(path, &table)?;
    let place = path.display().to_string();
    let blame = |error| explained(error, &ClassNames::new(), &place);
    let (scored, mut verification) = if let Some(cohort) = cohort {
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
    verification.warnings.extend(contradictions(&table, &file.pairs, &place));
    verification.warnings.extend(listed_both_ways(&table, &file.pairs, &place));
    verification.warnings.extend(listed_again(&table, &file.pairs, &place));
    let evaluated = || table.about.labels.iter().flatten();
    verification.warnings.extend(cohort.and_then(|cohort| cohort.warning(evaluated())));
    let (pairs, rows, dim) = (scored.len(), embeddings.rows(), embeddings.dim());
    let of = arguments.set.embeddings.display();
    let equal = verification::pairs_of_equal_rows(&embeddings, &file.pairs).map_err(blame)?;
    let mut notes = shared.take_notes();
    notes.extend(input::label_column(&table, arguments.set.has_columns())?);
    notes.extend(cohort.map(Cohort::notes).unwrap_or_default());
    if !equal.is_empty() {
        let itself = file.pairs.iter().filter(|pair| pair.a == pair.b).count();
        notes.push(format!(
            "{} pairs of {place} compare an embedding with itself ({itself}) or with an equal one ({}); a list is evaluated as it is, so remove them \
             for a fair result.",
            equal.len(),
            equal.len() - itself
        ));
    }
    let different = equal.iter().map(|at| &file.pairs[*at]).filter(|pair| !pair.same);
    notes.extend(different.clone().next().map(|pair| {
        format!(
            "{} of these pairs are listed as of different classes; the first is {} and {}.",
            different.count(),
            row_name(&table, pair.a),
            row_name(&table, pair.b)
        )
    }));
    notes.extend(crowded(&of, &embeddings));
    let mut facts = serde_json::Map::new();
    facts.insert("pairs_of_equal_rows".to_owned(), json!(equal.len()));
    facts.insert("crowding".to_owned(), json!(embeddings.crowding()));
    Ok(Compared {
        verification,
        identity_pairs: with_identities(&table, &file.pairs, &scored),
        list: Some(List { scored, folds: file.folds }),
        notes,
        facts,
        lead: format!(
            "{pairs} pairs of {place}, of {of}: {rows} embeddings, dimension {dim}.{}",
            cohort.map(Cohort::in_words).unwrap_or_default()
        ),
        score: score_name(cohort),
        model: shared.model(),
        comparison: Comparison { templates: None, cohort: cohort.map(|cohort| cohort.saved) },
        place,
    })
}

/// Listed pairs with the classes of both sides, if all their rows have labels.
fn with_identities(table: &EmbeddingTable, pairs: &[Pair], scored: &[ScoredPair]) -> Option<IdentityPairs> {
    let labels = table.about.labels.as_ref()?;
    let mut classes = ClassNames::new();
    let mut of_row = |row: usize| (!labels[row].is_empty()).then(|| classes.number(&labels[row]));
    let found: Option<Vec<IdentityPair>> = pairs
        .iter()
        .zip(scored)
        .map(|(pair, ScoredPair { score, same })| {
            let identities = (of_row(pair.a)?, of_row(pair.b)?);
            Some(IdentityPair { score: *score, same: *same, identities })
        })
        .collect();
    found.map(|found| Box::new(move || Ok(found.clone())) as IdentityPairs)
}

fn between_sets(
    arguments: &PairArguments,
    probe: &Path,
    cohort: Option<Cohort>,
    mut classes: Shared,
) -> anyhow::Result<Compared> {
    let rows = arguments.set.rows(&mut classes)?;
    let probe = input::labelled(probe, arguments.probe_labels.as_deref(), &mut classes)?;
    classes.require_ignored()?;
    let (enrol, matches) = copies::enrolled(rows, arguments.templates, &probe, &arguments.itself, &classes)?;
    let apart = matches.excluded().map(Copies::swapped);
    let sets = [&enrol.embeddings, &probe.embeddings];
    let cohort = cohort.map(|cohort| cohort.without(&sets, &arguments.itself)).transpose()?;
    let cohort = cohort.as_ref();
    let place = both(&enrol.path, &probe.path);
    let blame = |error| explained(error, &classes, &place);
    let (a, b) = (&enrol.embeddings, &probe.embeddings);
    let pairs = a.rows() as u64 * b.rows() as u64;
    let options = VerificationOptions { max_pairs: arguments.exact_up_to(), seed: arguments.seed() };
    let mut found = if let Some(cohort) = cohort {
        ensure!(
            pairs <= arguments.exact_up_to(),
            "--exact-up-to: found {1}, but normalisation keeps all {0} pairs in memory (4 bytes each); raise it to {0}",
            pairs,
            arguments.exact_up_to()
        );
        let normalised =
            cohort::normalised(a, b, apart.as_ref(), &cohort.embeddings, cohort.normalisation, &options);
        normalised.map_err(|error| {
            explained(error, &classes, &format!("{place}, normalised by {}", cohort.path.display()))
        })?
    } else if pairs <= arguments.exact_up_to() {
        verification::enrol_probe(a, b, apart.as_ref(), &options).map_err(blame)?
    } else {
        let bar = progress::counted("pairs", pairs);
        let advance = progress::advancing(&bar);
        streaming::enrol_probe(a, b, apart.as_ref(), &StreamingOptions::default(), &advance).map_err(blame)?
    };
    found.warnings.extend(cohort.and_then(|cohort| cohort.warning(classes.names())));
    let normalised = cohort.map(Cohort::in_words).unwrap_or_default();
    let lead = format!("{} enrolled; {} probes.{normalised}", enrol.in_words(), probe.in_words());
    let mut notes = matches.warnings();
    notes.extend(cohort.map(Cohort::notes).unwrap_or_default());
    notes.extend([&enrol, &probe].iter().filter_map(|set| crowded(&set.path.display(), &set.embeddings)));
    let mut facts = serde_json::Map::new();
    facts.insert("self_matches".to_owned(), matches.json());
    facts.insert("crowding".to_owned(), json!(b.crowding()));
    let (score, by) =
        (score_name(cohort), cohort.map(|cohort| (cohort.embeddings.clone(), cohort.normalisation)));
    let (enrol, probe) = (enrol.embeddings, probe.embeddings);
    let identity_pairs: IdentityPairs = Box::new(move || match &by {
        Some((cohort, kind)) => {
            cohort::normalised_identity_pairs(&enrol, &probe, apart.as_ref(), cohort, *kind, &options)
        }
        None => verification::identity_pairs_between(&enrol, &probe, apart.as_ref(), &options),
    });
    let identity_pairs = Some(identity_pairs);
    let model = classes.model();
    let comparison = Comparison { templates: arguments.templates, cohort: cohort.map(|cohort| cohort.saved) };
    Ok(Compared {
        verification: found,
        list: None,
        identity_pairs,
        notes,
        facts,
        lead,
        score,
        model,
        comparison,
        place,
    })
}

fn within_set(arguments: &PairArguments, mut classes: Shared) -> anyhow::Result<Compared> {
    let set = arguments.across.apply(arguments.set.labelled(&mut classes)?)?;
    classes.require_ignored()?;
    let choice = Choice {
        sampled: arguments.sampled,
        balanced: arguments.balanced,
        exact_up_to: arguments.exact_up_to(),
        seed: arguments.seed(),
    };
    let found = all_of(&set, &classes, &choice)?;
    let (set, options) = (set.embeddings, choice.options());
    let identity_pairs: IdentityPairs =
        Box::new(move || verification::identity_pairs(&set, &options, choice.balanced));
    Ok(Compared { identity_pairs: Some(identity_pairs), model: classes.model(), ..found })
}

/// The pairs within a set that are compared.
pub(super) struct Choice {
    sampled: Option<u64>,
    balanced: bool,
    exact_up_to: u64,
    seed: u64,
}

impl Choice {
    /// That of the command without flags, but for the seed.
    pub(super) fn with_seed(seed: u64) -> Self {
        Self { sampled: None, balanced: false, exact_up_to: EXACT_UP_TO, seed }
    }

    fn options(&self) -> VerificationOptions {
        VerificationOptions { max_pairs: self.sampled.unwrap_or(self.exact_up_to), seed: self.seed }
    }
}

/// Compares all pairs within a set, and warns as [`compare`] does. The result has no identities and no model.
pub(super) fn within(
    set: &LabelledEmbeddings,
    classes: &ClassNames,
    choice: &Choice,
) -> anyhow::Result<Compared> {
    all_of(set, classes, choice).map(warned)
}

fn all_of(set: &LabelledEmbeddings, classes: &ClassNames, choice: &Choice) -> anyhow::Result<Compared> {
    let embeddings = &set.embeddings;
    let place = set.path.display().to_string();
    let blame = |error| explained(error, classes, &place);
    let rows = embeddings.rows() as u64;
    let pairs = rows * (rows - 1) / 2;
    let options = choice.options();
    if let Some(sampled) = choice.sampled {
        ensure!(
            sampled >= 2,
            "--sampled: found {sampled}, expected at least 2: one genuine and one impostor pair"
        );
    }
    let waiting = progress::waiting("comparing pairs");
    let (found, kind) = if choice.balanced {
        let found = verification::balanced_pairs(embeddings, &options).map_err(blame)?;
        (found, "as many impostor pairs as genuine pairs")
    } else if choice.sampled.is_some() || pairs <= choice.exact_up_to {
        let found = verification::all_pairs(embeddings, &options).map_err(blame)?;
        let kind =
            if found.pairs < found.pairs_in_all { "a random sample of the pairs" } else { "all pairs" };
        (found, kind)
    } else {
        waiting.finish_and_clear();
        let bar = progress::counted("pairs", pairs);
        let advance = progress::advancing(&bar);
        let options = StreamingOptions::default();
        let found = streaming::all_pairs(embeddings, &options, &advance).map_err(blame)?;
        (found, "all pairs, counted in bins")
    };
    drop(waiting);
    let lead = format!("{}; {kind}{}", set.in_words(), set.compared_in_words());
    let (repeats, mut notes) = repeated(set, classes);
    notes.extend(crowded(&place, &set.embeddings));
    let mut facts = serde_json::Map::new();
    facts.insert("repeated".to_owned(), json!(repeats));
    facts.insert("crowding".to_owned(), json!(set.embeddings.crowding()));
    Ok(Compared {
        verification: found,
        list: None,
        identity_pairs: None,
        notes,
        facts,
        lead,
        score: "cosine",
        model: None,
        comparison: Comparison::default(),
        place,
    })
}

/// The text with a capital at its start.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
