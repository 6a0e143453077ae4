//! Which classes are taken for which, and the pairs on which verification fails first.

use super::choice::Chosen;
use super::samples::Samples;
use widemargin_eval::Embeddings;
use widemargin_eval::extremes::{ExtremePair, Extremes, worst_genuine, worst_impostor};
use widemargin_eval::retrieval::{self, Confusion, Confusions, Gallery, Neighbour};
use widemargin_report::figure::CONFUSION_CLASSES;
use widemargin_report::page::{ConfusionResults, FrequentConfusion, ShownPair, WorstPairs};

/// Most confusions in the list.
const CONFUSIONS: usize = 8;
/// Examples of each.
const EXAMPLES: usize = 2;
/// Pairs of each kind.
const PAIRS: usize = 8;

/// The classes of all rows by those of their nearest neighbours.
pub(in crate::run) fn confusions(
    embeddings: &Embeddings,
    samples: &mut Samples<'_>,
) -> anyhow::Result<ConfusionResults> {
    let labels = embeddings.labels();
    let nearest = retrieval::nearest_rows(embeddings, Gallery::others())?;
    let found = Confusions::count(labels, &nearest, labels);
    let matrix = found.most_confused(CONFUSION_CLASSES);
    let total = |class: u32| labels.iter().filter(|label| **label == class).count() as u64;
    let mut most_frequent = Vec::new();
    for Confusion { class, found, queries } in found.wrong().into_iter().take(CONFUSIONS) {
        most_frequent.push(FrequentConfusion {
            class: samples.class(class),
            found: samples.class(found),
            queries,
            total: total(class),
            examples: examples(labels, &nearest, (class, found))
                .into_iter()
                .map(|(query, found)| samples.pair(query, found.index, found.cosine))
                .collect::<anyhow::Result<_>>()?,
        });
    }
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    Ok(ConfusionResults {
        classes: matrix.classes.iter().map(|class| samples.class(*class)).collect(),
        counts: matrix.counts,
        totals: matrix.totals,
        all_classes: classes.len(),
        most_frequent,
    })
}

/// The queries of the first class with the nearest neighbours of the second, those with the largest cosines.
fn examples(
    labels: &[u32],
    nearest: &[Option<Neighbour>],
    (class, found): (u32, u32),
) -> Vec<(usize, Neighbour)> {
    let mut examples: Vec<(usize, Neighbour)> = nearest
        .iter()
        .enumerate()
        .filter_map(|(query, neighbour)| Some((query, (*neighbour)?)))
        .filter(|(query, neighbour)| labels[*query] == class && labels[neighbour.index] == found)
        .collect();
    examples.sort_by(|a, b| b.1.cosine.total_cmp(&a.1.cosine));
    examples.truncate(EXAMPLES);
    examples
}

/// The genuine pairs with the smallest cosines, and the impostor pairs with the largest.
pub(in crate::run) fn worst_pairs(
    chosen: &Chosen,
    extremes: &[Extremes],
    samples: &mut Samples<'_>,
) -> anyhow::Result<WorstPairs> {
    let mut show = |pairs: Vec<ExtremePair>| -> anyhow::Result<Vec<ShownPair>> {
        pairs.into_iter().map(|pair| samples.pair(pair.first, pair.second, pair.cosine)).collect()
    };
    Ok(WorstPairs {
        genuine: show(worst_genuine(extremes, PAIRS))?,
        impostor: show(worst_impostor(extremes, PAIRS))?,
        compared: [extremes.len() as u64, chosen.order().len() as u64],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_the_nearest_of_their_confusion() {
        let labels = [0, 0, 0, 1, 1];
        let to = |index, cosine| Some(Neighbour { index, cosine });
        let nearest = [to(3, 0.5), to(4, 0.9), to(3, 0.7), to(0, 0.8), None];
        let rows: Vec<usize> = examples(&labels, &nearest, (0, 1)).iter().map(|found| found.0).collect();
        assert_eq!(rows, [1, 2]);
        assert_eq!(examples(&labels, &nearest, (1, 0)).len(), 1);
        assert!(examples(&labels, &nearest, (1, 1)).is_empty());
    }
}
