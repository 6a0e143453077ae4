//! The comparison of several runs with one seed in sentences: in which measure they differ from the first. Without other seeds it is not known
//! whether that is better; `seeds.rs` compares several.

use super::evaluated::RunReport;
use super::seeds::Seeds;
use std::cmp::Ordering;

/// A caution that holds for every comparison.
pub(crate) const ONE_SEED: &str = "Each objective was trained once, with one seed: another seed can change the results by as much as these differences. \
Train with --seeds 5 to see which differences are larger than that.";

/// Printed if an objective with a margin has a higher EER or a lower recall than the first.
const WHY_WORSE: &str = "If a margin does worse: a margin pulls each known class together and keeps what separates the known classes. With few known classes, \
this can discard what would separate unseen ones. Try a smaller margin, no margin, or more known classes.";

/// A compared measure: its name, its value, and whether more is better.
type Measure = (&'static str, fn(&RunReport) -> f64, bool);

const MEASURES: [Measure; 2] = [
    ("EER", |report| report.evaluation().verification.eer, false),
    ("recall at 1", |report| report.evaluation().retrieval.precision_at_1, true),
];

/// One sentence per objective after the first, which compares it with the first; then, if a margin did worse, what to try.
/// With several seeds, the sentences are theirs.
pub(crate) fn conclusions<'a>(
    reports: impl Iterator<Item = &'a RunReport>,
    seeds: Option<&Seeds>,
) -> Vec<String> {
    if let Some(seeds) = seeds {
        return seeds.sentences();
    }
    let reports: Vec<&RunReport> = reports.collect();
    let Some((first, others)) = reports.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    let mut margin_lost = false;
    for other in others {
        let parts: Vec<String> = MEASURES
            .iter()
            .map(|(name, measure, more)| {
                let (base, found) = (measure(first), measure(other));
                let better = if *more { found > base } else { found < base };
                margin_lost |= !better && found != base && other.margin > 0.0;
                let word = match found.total_cmp(&base) {
                    Ordering::Equal => "equal",
                    Ordering::Less => "lower",
                    Ordering::Greater => "higher",
                };
                format!("{name} {word} ({:.2} % against {:.2} %)", 100.0 * found, 100.0 * base)
            })
            .collect();
        sentences.push(format!("{} against {}: {}.", other.objective, first.objective, parts.join(", ")));
    }
    if margin_lost {
        sentences.push(WHY_WORSE.to_owned());
    }
    sentences
}
