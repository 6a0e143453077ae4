//! Which rows are compared: positive and negative pairs, or triplets, from labels or from a miner.
//!
//! By default every pair of one class is positive and every pair of two classes is negative; these sets follow from the labels
//! and are never listed. A miner makes a list instead ([`Tuples`]). As in pytorch-metric-learning, pairs can be used as triplets
//! (every positive of an anchor with every negative of the same anchor) and triplets as pairs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Lists of rows to compare; the second and third index point into the references: the batch itself, unless
/// [`PairOptions::reference`](super::PairOptions::reference) is set.
///
/// Repeated entries count several times in objectives that average over pairs or triplets (contrastive, NT-Xent, tuplet margin,
/// intra-pair variance, triplet margin, angular), and once in the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Tuples {
    /// Positive and negative pairs.
    Pairs {
        /// `[anchor, positive]`, of one class.
        positives: Vec<[usize; 2]>,
        /// `[anchor, negative]`, of two classes.
        negatives: Vec<[usize; 2]>,
    },
    /// `[anchor, positive, negative]`.
    Triplets(Vec<[usize; 3]>),
}

impl Tuples {
    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Pairs { positives, negatives } => positives.is_empty() && negatives.is_empty(),
            Self::Triplets(triplets) => triplets.is_empty(),
        }
    }

    /// Removes the positives for which `own` is true, and the triplets that contain them.
    pub(crate) fn without_positives(self, own: impl Fn(usize, usize) -> bool) -> Self {
        match self {
            Self::Pairs { mut positives, negatives } => {
                positives.retain(|&[anchor, positive]| !own(anchor, positive));
                Self::Pairs { positives, negatives }
            }
            Self::Triplets(mut triplets) => {
                triplets.retain(|&[anchor, positive, _]| !own(anchor, positive));
                Self::Triplets(triplets)
            }
        }
    }

    /// How often each row of the batch occurs (as an anchor, if `anchors_only`), divided by the largest count; 1 for all rows of
    /// an empty list.
    pub(crate) fn weights(&self, rows: usize, anchors_only: bool) -> Vec<f64> {
        let mut counts = vec![0.0_f64; rows];
        let mut add = |named: &[usize]| {
            let named = if anchors_only { &named[..1] } else { named };
            for &at in named {
                counts[at] += 1.0;
            }
        };
        match self {
            Self::Pairs { positives, negatives } => {
                positives.iter().chain(negatives).for_each(|pair| add(pair));
            }
            Self::Triplets(triplets) => triplets.iter().for_each(|triplet| add(triplet)),
        }
        let largest = counts.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return vec![1.0; rows];
        }
        counts.iter().map(|count| count / largest).collect()
    }

    /// Rejects rows that do not exist and roles that the labels contradict.
    pub(crate) fn check(&self, labels: &[u32], other: &[u32], itself: bool) -> Result<()> {
        let pair = |tuple: usize, anchor: usize, at: usize, positive: bool| {
            let role = if positive { "positive" } else { "negative" };
            if anchor >= labels.len() {
                return Err(Error::TupleRow { tuple, what: "batch", found: anchor, rows: labels.len() });
            }
            if at >= other.len() {
                return Err(Error::TupleRow { tuple, what: "references", found: at, rows: other.len() });
            }
            let problem = if itself && anchor == at {
                "they are the same row"
            } else if (labels[anchor] == other[at]) == positive {
                return Ok(());
            } else if positive {
                "their labels differ"
            } else {
                "their labels are equal"
            };
            Err(Error::TupleRole { tuple, anchor, other: at, role, problem })
        };
        match self {
            Self::Pairs { positives, negatives } => {
                for (tuple, &[anchor, at]) in positives.iter().enumerate() {
                    pair(tuple, anchor, at, true)?;
                }
                for (tuple, &[anchor, at]) in negatives.iter().enumerate() {
                    pair(tuple, anchor, at, false)?;
                }
            }
            Self::Triplets(triplets) => {
                for (tuple, &[anchor, positive, negative]) in triplets.iter().enumerate() {
                    pair(tuple, anchor, positive, true)?;
                    pair(tuple, anchor, negative, false)?;
                }
            }
        }
        Ok(())
    }
}

/// A row that an anchor is compared with, and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: usize,
    pub(crate) times: f64,
}

/// Which references are the rows of the batch themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own<'a> {
    /// The references are the batch.
    Same,
    /// None of them.
    Nowhere,
    /// Row `i` of the batch is at this position among the references.
    At(&'a [usize]),
}

impl Own<'_> {
    pub(crate) fn place(&self, anchor: usize) -> Option<usize> {
        match self {
            Self::Same => Some(anchor),
            Self::Nowhere => None,
            Self::At(places) => places.get(anchor).copied(),
        }
    }
}

/// The pairs of each anchor.
#[derive(Clone, Debug)]
pub(crate) enum Pairing<'a> {
    /// All pairs that follow from the labels.
    Labels { labels: &'a [u32], other: &'a [u32], own: Own<'a> },
    /// The pairs of a list; `triplets` if the list was one of triplets.
    Listed { positives: Vec<Vec<Entry>>, negatives: Vec<Vec<Entry>>, triplets: Option<Vec<Vec<[usize; 2]>>> },
}

impl<'a> Pairing<'a> {
    pub(crate) fn labels(labels: &'a [u32], other: &'a [u32], own: Own<'a>) -> Self {
        Self::Labels { labels, other, own }
    }

    /// A list grouped by anchor; if `distinct`, repeated pairs count once.
    pub(crate) fn listed(tuples: &Tuples, rows: usize, distinct: bool) -> Self {
        let (mut positives, mut negatives) = (vec![Vec::new(); rows], vec![Vec::new(); rows]);
        let mut by_anchor = None;
        match tuples {
            Tuples::Pairs { positives: plus, negatives: minus } => {
                for &[anchor, at] in plus {
                    positives[anchor].push(at);
                }
                for &[anchor, at] in minus {
                    negatives[anchor].push(at);
                }
            }
            Tuples::Triplets(triplets) => {
                let mut lists = vec![Vec::new(); rows];
                for &[anchor, positive, negative] in triplets {
                    positives[anchor].push(positive);
                    negatives[anchor].push(negative);
                    lists[anchor].push([positive, negative]);
                }
                by_anchor = Some(lists);
            }
        }
        let counted =
            |lists: Vec<Vec<usize>>| lists.into_iter().map(|list| counted(list, distinct)).collect();
        Self::Listed { positives: counted(positives), negatives: counted(negatives), triplets: by_anchor }
    }

    /// Writes the pairs of one anchor into the two lists, by increasing row.
    pub(crate) fn fill(&self, anchor: usize, positives: &mut Vec<Entry>, negatives: &mut Vec<Entry>) {
        positives.clear();
        negatives.clear();
        match self {
            Self::Labels { labels, other, own } => {
                let (label, own) = (labels[anchor], own.place(anchor));
                for (at, &found) in other.iter().enumerate() {
                    if found != label {
                        negatives.push(Entry { at, times: 1.0 });
                    } else if own != Some(at) {
                        positives.push(Entry { at, times: 1.0 });
                    }
                }
            }
            Self::Listed { positives: plus, negatives: minus, .. } => {
                positives.extend_from_slice(&plus[anchor]);
                negatives.extend_from_slice(&minus[anchor]);
            }
        }
    }

    /// `[positive pairs, negative pairs, triplets, anchors with both kinds]`, including repetitions.
    pub(crate) fn counts(&self) -> [u64; 4] {
        let mut sums = [0; 4];
        let mut add = |plus: u64, minus: u64, triplets: u64| {
            for (sum, more) in sums.iter_mut().zip([plus, minus, triplets, u64::from(plus > 0 && minus > 0)])
            {
                *sum += more;
            }
        };
        match self {
            Self::Labels { labels, other, own } => {
                let mut of_class: HashMap<u32, u64> = HashMap::new();
                other.iter().for_each(|&label| *of_class.entry(label).or_default() += 1);
                for (anchor, label) in labels.iter().enumerate() {
                    let same = of_class.get(label).copied().unwrap_or(0);
                    let own = own.place(anchor).is_some_and(|at| other.get(at) == Some(label));
                    let (plus, minus) = (same - u64::from(own), other.len() as u64 - same);
                    add(plus, minus, plus * minus);
                }
            }
            Self::Listed { positives, negatives, triplets } => {
                let total = |list: &[Entry]| list.iter().map(|entry| entry.times).sum::<f64>() as u64;
                for anchor in 0..positives.len() {
                    let (plus, minus) = (total(&positives[anchor]), total(&negatives[anchor]));
                    add(plus, minus, triplets.as_ref().map_or(plus * minus, |all| all[anchor].len() as u64));
                }
            }
        }
        sums
    }
}

fn counted(mut list: Vec<usize>, distinct: bool) -> Vec<Entry> {
    list.sort_unstable();
    let mut entries: Vec<Entry> = Vec::with_capacity(list.len());
    for at in list {
        match entries.last_mut() {
            Some(last) if last.at == at => {
                if !distinct {
                    last.times += 1.0;
                }
            }
            _ => entries.push(Entry { at, times: 1.0 }),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_lists_give_the_same_counts() {
        let labels = [0, 0, 1, 0, 2];
        let from_labels = Pairing::labels(&labels, &labels, Own::Same);
        // three anchors of class 0 with two positives and two negatives each
        assert_eq!(from_labels.counts(), [6, 14, 12, 3]);
        let mut tuples = (Vec::new(), Vec::new());
        for a in 0..5 {
            for b in (0..5).filter(|&b| b != a) {
                if labels[a] == labels[b] { &mut tuples.0 } else { &mut tuples.1 }.push([a, b]);
            }
        }
        let tuples = Tuples::Pairs { positives: tuples.0, negatives: tuples.1 };
        assert_eq!(tuples.check(&labels, &labels, true), Ok(()));
        let listed = Pairing::listed(&tuples, 5, false);
        assert_eq!(listed.counts(), from_labels.counts());
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        let (mut plus_listed, mut minus_listed) = (Vec::new(), Vec::new());
        for anchor in 0..5 {
            from_labels.fill(anchor, &mut plus, &mut minus);
            listed.fill(anchor, &mut plus_listed, &mut minus_listed);
            assert_eq!((&plus, &minus), (&plus_listed, &minus_listed));
        }
    }

    #[test]
    fn repeated_pairs_count_unless_distinct() {
        let tuples = Tuples::Triplets(vec![[0, 1, 2], [0, 1, 3], [0, 1, 2]]);
        let times = |distinct| match Pairing::listed(&tuples, 4, distinct) {
            Pairing::Listed { positives, .. } => positives[0][0].times,
            Pairing::Labels { .. } => 0.0,
        };
        assert_eq!((times(false), times(true)), (3.0, 1.0));
        assert_eq!(tuples.weights(4, true), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(tuples.weights(4, false), [1.0, 1.0, 2.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(Tuples::Triplets(Vec::new()).weights(2, false), [1.0, 1.0]);
    }

    #[test]
    fn roles_that_contradict_the_labels_are_rejected() {
        let labels = [0, 0, 1];
        let check = |tuples: Tuples, itself| tuples.check(&labels, &labels, itself).expect_err("wrong");
        let error = check(Tuples::Triplets(vec![[0, 2, 1]]), true).to_string();
        assert_eq!(error, "tuple 0 pairs anchor 0 with row 2 as positive, but their labels differ");
        let error = check(Tuples::Pairs { positives: vec![[0, 0]], negatives: vec![] }, true).to_string();
        assert!(error.contains("the same row"), "{error}");
        let error = check(Tuples::Pairs { positives: vec![], negatives: vec![[0, 2], [1, 3]] }, false);
        assert_eq!(error, Error::TupleRow { tuple: 1, what: "references", found: 3, rows: 3 });
    }
}
