//! What a comparison says, in sentences: which objective did better, in which figure, and which did not.

use crate::judge::Judgement;

/// What to keep in mind with any of it.
pub(crate) const ONE_SEED: &str =
    "One seed is one sample: differences of the size that another seed makes mean nothing.";

/// What the figures of a comparison can mean, said wherever an objective with a margin did worse than the first.
const WHY_WORSE: &str = "A margin draws each known class together and keeps only what tells the known classes apart; \
with few known classes that can cost what would tell unseen ones apart. A smaller margin, none, or more known classes are worth a try.";

/// The figures that are compared: name, the figure itself, whether more is better.
type Figure = (&'static str, fn(&Judgement) -> Option<f64>, bool);

/// Error at the threshold of equal errors, and the nearest neighbour's class.
const FIGURES: [Figure; 2] = [
    ("EER", |judgement| judgement.comparison().map(|c| c.verification.eer), false),
    ("recall at 1", |judgement| judgement.comparison().map(|c| c.retrieval.precision_at_1), true),
];

/// A sentence for each objective behind the first, which is what the others are held against, and a reading of them.
pub(crate) fn verdict<'a>(judgements: impl Iterator<Item = &'a Judgement>) -> Vec<String> {
    let judgements: Vec<&Judgement> = judgements.collect();
    let Some((first, others)) = judgements.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    let mut margin_lost = false;
    for other in others {
        let parts: Vec<String> = FIGURES
            .iter()
            .filter_map(|(name, figure, more)| {
                let (base, found) = (figure(first)?, figure(other)?);
                let better = if *more { found > base } else { found < base };
                margin_lost |= !better && found != base && other.margin > 0.0;
                let word = match (found == base, better) {
                    (true, _) => "equal",
                    (_, true) => "better",
                    (_, false) => "worse",
                };
                Some(format!("{word} in {name} ({:.2} % against {:.2} %)", 100.0 * found, 100.0 * base))
            })
            .collect();
        if !parts.is_empty() {
            sentences.push(format!("{} against {}: {}.", other.objective, first.objective, parts.join(", ")));
        }
    }
    if margin_lost {
        sentences.push(WHY_WORSE.to_owned());
    }
    sentences
}
