//! Pairs from a list, and all pairs between two sets.

use rayon::prelude::*;
use widemargin_tables::Pair;

use super::folds::ScoredPair;
use super::identity::IdentityPair;
use super::measures::{Verification, require_both};
use super::pairs::VerificationOptions;
use super::scores::SortedScores;
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::equal_rows::EqualRows;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity::{self, QUERIES};

/// The cosine of each listed pair, in order.
///
/// # Errors
/// [`Error::RowOutOfRange`] naming the first pair with a row that does not exist.
pub fn pair_scores(embeddings: &Embeddings, pairs: &[Pair]) -> Result<Vec<ScoredPair>> {
    require_rows(embeddings, pairs)?;
    let scored = |pair: &Pair| ScoredPair {
        score: score::cosine(similarity::score(embeddings, pair.a, embeddings, pair.b)),
        same: pair.same,
    };
    Ok(pairs.par_iter().map(scored).collect())
}

fn require_rows(embeddings: &Embeddings, pairs: &[Pair]) -> Result<()> {
    let rows = embeddings.rows();
    for (position, pair) in pairs.iter().enumerate() {
        if let Some(row) = [pair.a, pair.b].into_iter().find(|&row| row >= rows) {
            return Err(Error::RowOutOfRange { what: "pair", position, row, rows });
        }
    }
    Ok(())
}

/// The positions of the listed pairs that compare a row with itself or with an equal row, as two rows of [`Copies`] are.
///
/// # Errors
/// As [`pair_scores`].
pub fn pairs_of_equal_rows(embeddings: &Embeddings, pairs: &[Pair]) -> Result<Vec<usize>> {
    require_rows(embeddings, pairs)?;
    let first = EqualRows::of(&[embeddings]).first;
    Ok((0..pairs.len()).filter(|&at| first[pairs[at].a] == first[pairs[at].b]).collect())
}

/// Evaluates embeddings on a list of pairs.
///
/// A pair that is listed twice counts twice. To choose the threshold by cross-validation, pass [`pair_scores`] to
/// [`folds`](super::folds) instead.
///
/// # Errors
/// As [`pair_scores`], and [`Error::MissingScores`] unless the list has pairs of both kinds.
pub fn pair_list(embeddings: &Embeddings, pairs: &[Pair]) -> Result<Verification> {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for pair in pair_scores(embeddings, pairs)? {
        if pair.same { &mut genuine } else { &mut impostor }.push(score::stored(pair.score));
    }
    require_both(genuine.len(), impostor.len())?;
    let counts = (genuine.len() as u64, impostor.len() as u64);
    Ok(Verification::new(SortedScores::of_cosines(genuine, impostor), counts.0, counts.1))
}

/// Evaluates all pairs of a row of `enrol` and a row of `probe`; pairs with equal labels are genuine. Pairs of copies are left out
/// if `copies`, between `enrol` and `probe`, is given.
///
/// # Errors
/// [`Error::Dimensions`] if the sets differ in dimension, [`Error::TooManyPairs`] if there are more than `max_pairs` (pairs
/// are not sampled here: see [`streaming::enrol_probe`](super::streaming::enrol_probe)), [`Error::MissingScores`] if one kind
/// of pair does not exist.
pub fn enrol_probe(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    options: &VerificationOptions,
) -> Result<Verification> {
    let score = |score: f32, same: bool, _: usize, _: usize| (score, same);
    let scored = between(enrol, probe, copies, options.max_pairs, score)?;
    let of_kind =
        |kind| scored.iter().filter(|(_, same)| *same == kind).map(|(score, _)| *score).collect::<Vec<f32>>();
    let (genuine, impostor) = (of_kind(true), of_kind(false));
    require_both(genuine.len(), impostor.len())?;
    let counts = (genuine.len() as u64, impostor.len() as u64);
    Ok(Verification::new(SortedScores::of_cosines(genuine, impostor), counts.0, counts.1))
}

/// The pairs that [`enrol_probe`] compares, with the classes of both rows: for intervals by
/// [`bootstrap::identities`](super::bootstrap::identities).
///
/// # Errors
/// [`Error::Dimensions`] and [`Error::TooManyPairs`] as in [`enrol_probe`].
pub fn identity_pairs_between(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    options: &VerificationOptions,
) -> Result<Vec<IdentityPair>> {
    between(enrol, probe, copies, options.max_pairs, |stored, same, a, b| IdentityPair {
        score: score::cosine(stored),
        same,
        identities: (enrol.labels()[a], probe.labels()[b]),
    })
}

/// All pairs between two sets that are not copies, in order. `pair` gets a stored cosine, whether the labels are equal, the enrol
/// row and the probe row.
pub(super) fn between<T: Send + Clone>(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    max_pairs: u64,
    pair: impl Fn(f32, bool, usize, usize) -> T + Sync,
) -> Result<Vec<T>> {
    enrol.require_same_dim(probe)?;
    let pairs = enrol.rows() as u64 * probe.rows() as u64;
    if pairs > max_pairs {
        return Err(Error::TooManyPairs { pairs, max_pairs });
    }
    let blocks: Vec<Vec<T>> = (0..enrol.rows().div_ceil(QUERIES))
        .into_par_iter()
        .map_init(Vec::new, |scratch, nth| {
            let queries = nth * QUERIES..((nth + 1) * QUERIES).min(enrol.rows());
            similarity::block(enrol, queries.clone(), probe, 0..probe.rows(), scratch);
            let mut found = Vec::with_capacity(scratch.len());
            for (query, scores) in queries.zip(scratch.chunks_exact(probe.rows())) {
                let label = enrol.labels()[query];
                let copies = copies.filter(|copies| copies.has(query));
                for (other, (&score, &of)) in scores.iter().zip(probe.labels()).enumerate() {
                    if copies.is_none_or(|copies| !copies.same(query, other)) {
                        found.push(pair(score, of == label, query, other));
                    }
                }
            }
            found
        })
        .collect();
    Ok(blocks.concat())
}

#[cfg(test)]
mod tests {
    use super::super::{all_pairs, balanced_pairs};
    use super::*;

    fn wheel(angles: &[f32], labels: &[u32]) -> Embeddings {
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        Embeddings::new(&data, labels.len(), 2, labels).unwrap()
    }

    #[test]
    fn a_list_of_all_pairs_is_all_pairs() {
        let set = wheel(&[0.0, 0.3, 0.5, 0.9, 1.4, 2.0], &[1, 1, 2, 1, 2, 3]);
        let labels = set.labels();
        let pairs: Vec<Pair> = (0..6)
            .flat_map(|a| (a + 1..6).map(move |b| (a, b)))
            .map(|(a, b)| Pair { a, b, same: labels[a] == labels[b] })
            .collect();
        let (listed, all) =
            (pair_list(&set, &pairs).unwrap(), all_pairs(&set, &VerificationOptions::default()).unwrap());
        assert_eq!((listed.roc, listed.auc, listed.eer), (all.roc, all.auc, all.eer));
        let bad = [Pair { a: 0, b: 1, same: true }, Pair { a: 2, b: 6, same: false }];
        let error = pair_list(&set, &bad).unwrap_err();
        assert_eq!(error, Error::RowOutOfRange { what: "pair", position: 1, row: 6, rows: 6 });
        assert_eq!(pair_list(&set, &bad[..1]).unwrap_err(), Error::MissingScores { genuine: 1, impostor: 0 });
    }

    #[test]
    fn enrol_and_probe_form_every_cross_pair_once() {
        let (enrol, probe) =
            (wheel(&[0.0, 1.5, 0.1], &[1, 2, 1]), wheel(&[0.2, 1.4, 0.8, 2.9, 0.4], &[1, 2, 2, 9, 1]));
        let found = enrol_probe(&enrol, &probe, None, &VerificationOptions::default()).unwrap();
        assert_eq!((found.genuine, found.impostor), (2 * 2 + 2, 15 - 6));
        // Lowest genuine: 1.5 against 0.8, apart by 0.7; 0.1 against 0.8 is an impostor pair exactly as far.
        assert!((found.scores.genuine().lowest() - 0.7_f64.cos()).abs() < 1e-6);
        let few = VerificationOptions { max_pairs: 14, seed: 0 };
        assert_eq!(
            enrol_probe(&enrol, &probe, None, &few).unwrap_err(),
            Error::TooManyPairs { pairs: 15, max_pairs: 14 }
        );
        let unknown = wheel(&[0.0], &[7]);
        let none = enrol_probe(&enrol, &unknown, None, &VerificationOptions::default()).unwrap_err();
        assert_eq!(none, Error::MissingScores { genuine: 0, impostor: 3 });
        let line = Embeddings::new(&[1.0], 1, 1, &[1]).unwrap();
        assert_eq!(
            enrol_probe(&enrol, &line, None, &VerificationOptions::default()).unwrap_err(),
            Error::Dimensions { left: 2, right: 1 }
        );
    }

    #[test]
    fn balanced_pairs_are_equally_many() {
        let angles: Vec<f32> = (0..30).map(|at| at as f32 * 0.1).collect();
        let labels: Vec<u32> = (0..30).map(|at| at / 5).collect();
        let set = wheel(&angles, &labels);
        let options = VerificationOptions { seed: 4, ..VerificationOptions::default() };
        let found = balanced_pairs(&set, &options).unwrap();
        assert_eq!((found.genuine, found.impostor, found.pairs_in_all), (60, 60, 435));
        // Equally many pairs of each kind: the two accuracies are one.
        assert_eq!(found.best_accuracy, found.best_balanced_accuracy);
        let few = balanced_pairs(&set, &VerificationOptions { max_pairs: 21, seed: 4 }).unwrap();
        assert_eq!((few.genuine, few.impostor), (10, 10));
        assert_eq!(found.roc, balanced_pairs(&set, &options).unwrap().roc);
    }

    #[test]
    fn copies_form_no_pairs() {
        let set = wheel(&[0.0, 0.3, 1.0, 1.2], &[1, 1, 2, 2]);
        let options = VerificationOptions::default();
        let copies = Copies::between(&set, &set, None);
        let found = enrol_probe(&set, &set, Some(&copies), &options).unwrap();
        // Every pair of the set, from both sides.
        let all = all_pairs(&set, &options).unwrap();
        assert_eq!((found.pairs, found.auc, found.eer), (2 * all.pairs, all.auc, all.eer));
        assert!(enrol_probe(&set, &set, None, &options).unwrap().pairs == 16);
        let pairs = identity_pairs_between(&set, &set, Some(&copies), &options).unwrap();
        assert_eq!(pairs.len() as u64, found.pairs);
        assert!(pairs.iter().all(|pair| pair.same == (pair.identities.0 == pair.identities.1)));
        let list = [(0, 0, true), (0, 1, true), (2, 2, true)].map(|(a, b, same)| Pair { a, b, same });
        assert_eq!(pairs_of_equal_rows(&set, &list).unwrap(), [0, 2]);
    }
}
