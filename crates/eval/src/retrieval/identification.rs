//! Identification: which enrolled identity does a probe show, if any?
//!
//! A probe is compared with every enrolled row. *Open set*: some probes show unknown identities. A probe is identified as the
//! nearest row if their cosine reaches a threshold. Two errors are possible: an unknown identity is accepted (false alarm), or a
//! known one is rejected or identified wrongly. At a threshold `t`,
//!
//! - `FAR(t)`: the share of unknown probes whose nearest cosine reaches `t`;
//! - `DIR(t)`: the share of known probes whose nearest cosine reaches `t` *and* whose nearest row is of their identity
//!
//! (Grother, Quinn and Phillips, *Evaluation of face recognition algorithms*, NIST IR 7709, 2010, section 3; Phillips,
//! Grother and Micheals in the *Handbook of Face Recognition*, 2011).
//!
//! *Closed set*: every probe shows an enrolled identity; there is no threshold. Identities are ranked by their nearest row. Rank-k is
//! the share of known probes whose identity is among the `k` first; its curve over `k` is the cumulative match characteristic
//! (CMC). Rank-1 is DIR without a threshold.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;
use serde::Serialize;

use super::codes::GALLERY_TILE;
use super::neighbour::key;
use super::search::{QUERY_TILE, screen, search_counting};
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity;
use crate::verification::accepts_within;

/// The false alarm rates of [`Identification::table`].
pub const IDENTIFICATION_FAR: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// Ranks up to which the curve of [`ClosedSet`] is listed completely; later ranks are spread out.
const EVERY_RANK: usize = 20;

/// Results of identification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identification {
    /// Probes whose identity is enrolled.
    pub known: usize,
    /// Probes whose identity is not.
    pub unknown: usize,
    /// Probes left out: their identity is enrolled only by copies of the probe itself.
    pub excluded: usize,
    /// Share of known probes whose nearest enrolled row is of their identity (rank-1), in [0, 1].
    pub rank_1: f64,
    /// The answer without unknown probes.
    pub closed_set: ClosedSet,
    /// [`Identification::dir_at_far`] at the rates of [`IDENTIFICATION_FAR`]; empty if there are no unknown probes.
    pub table: Vec<DirAtFar>,
    /// Nearest cosines of known probes that were identified correctly, falling.
    #[serde(skip)]
    right: Vec<f64>,
    /// Nearest cosines of unknown probes, falling.
    #[serde(skip)]
    alarms: Vec<f64>,
}

/// Closed-set identification of the known probes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClosedSet {
    /// Enrolled identities.
    pub identities: usize,
    /// For each `k`, the share of known probes whose identity is among the `k` nearest identities: 1, 5, 10 and 20 as far as there are
    /// so many identities.
    pub rank: BTreeMap<usize, f64>,
    /// The CMC curve: the same for every `k` to 20, then for `k` about a tenth apart, to the first `k` that finds all.
    pub cmc: Vec<(usize, f64)>,
    /// The mean over known probes of one divided by the rank of their identity.
    pub mean_reciprocal_rank: f64,
}

/// Detection and identification rate at a false alarm rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DirAtFar {
    /// The false alarm rate allowed.
    pub far: f64,
    /// Share of known probes that are detected and correctly identified, in [0, 1].
    pub dir: f64,
    /// The lowest threshold on the cosine (accepted if `>=`) that keeps the rate.
    pub threshold: f64,
    /// Unknown probes accepted at this threshold.
    pub false_alarms: usize,
}

impl Identification {
    /// The largest DIR among thresholds whose false alarm rate is at most `far`; `None` if `far` is not in [0, 1] or there are no
    /// unknown probes.
    pub fn dir_at_far(&self, far: f64) -> Option<DirAtFar> {
        if !(0.0..=1.0).contains(&far) || self.alarms.is_empty() {
            return None;
        }
        // Just above the highest cosine that must be rejected; equal cosines are rejected too.
        let allowed = accepts_within(far, self.alarms.len());
        let threshold = self.alarms.get(allowed).map_or(-1.0, |rejected| rejected.next_up());
        let reach = |scores: &[f64]| scores.partition_point(|&score| score >= threshold);
        Some(DirAtFar {
            far,
            dir: reach(&self.right) as f64 / self.known as f64,
            threshold,
            false_alarms: reach(&self.alarms),
        })
    }

    /// Points of the DIR curve, from no false alarm to all; none without unknown probes. The `far` of each point is the measured rate, not an allowed one. At
    /// most about 200 points, denser at low rates.
    pub fn curve(&self) -> Vec<DirAtFar> {
        let all = self.alarms.len();
        // Steps of a tenth, for a logarithmic axis.
        let counts = std::iter::successors(Some(0), |&count: &usize| {
            (count < all).then(|| all.min(count + 1 + count / 10))
        });
        let point = |count: usize| {
            let line = self.dir_at_far(count as f64 / all as f64)?;
            Some(DirAtFar { far: line.false_alarms as f64 / all as f64, ..line })
        };
        let mut points: Vec<DirAtFar> = counts.filter_map(point).collect();
        points.dedup_by(|a, b| a.false_alarms == b.false_alarms);
        points
    }
}

/// Identifies each probe by its nearest row of `gallery` (the first of equally near rows). Rows that are copies of the probe are
/// ignored if `copies`, between probes and gallery, is given.
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::MissingProbes`] if no probe is of an enrolled identity.
pub fn identify(
    gallery: &Embeddings,
    probes: &Embeddings,
    copies: Option<&Copies>,
) -> Result<Identification> {
    gallery.require_same_dim(probes)?;
    let counts = |probe: usize, row: usize| copies.is_none_or(|copies| !copies.same(probe, row));
    let classes = gallery.classes();
    let enrolled = |probe: usize| classes.get(&probes.labels()[probe]);
    let is_known =
        |probe: usize| enrolled(probe).is_some_and(|rows| rows.iter().any(|&row| counts(probe, row)));
    let (known, others): (Vec<usize>, Vec<usize>) = (0..probes.rows()).partition(|&probe| is_known(probe));
    let (excluded, unknown): (Vec<usize>, Vec<usize>) =
        others.into_iter().partition(|&probe| enrolled(probe).is_some());
    if known.is_empty() {
        return Err(Error::MissingProbes { unknown: unknown.len(), excluded: excluded.len() });
    }
    let nearest = search_counting(probes, gallery, 1, counts)?;
    let nearest = |&probe: &usize| Some((probe, *nearest.of(probe)?.first()?));
    let of_its_identity =
        |&(probe, found): &(usize, super::Neighbour)| gallery.labels()[found.index] == probes.labels()[probe];
    let mut right: Vec<f64> =
        known.iter().filter_map(nearest).filter(of_its_identity).map(|(_, found)| found.cosine).collect();
    // A copy of an unknown probe under another label leaves nothing to be mistaken for, if it is all there is.
    let mut alarms: Vec<f64> =
        unknown.iter().map(|probe| nearest(probe).map_or(-1.0, |(_, found)| found.cosine)).collect();
    for list in [&mut right, &mut alarms] {
        list.sort_unstable_by(|a, b| b.total_cmp(a));
    }
    let mut found = Identification {
        known: known.len(),
        unknown: unknown.len(),
        excluded: excluded.len(),
        rank_1: right.len() as f64 / known.len() as f64,
        closed_set: closed_set(classes.len(), ranks(probes, &known, gallery, counts)),
        table: Vec::new(),
        right,
        alarms,
    };
    found.table = IDENTIFICATION_FAR.iter().filter_map(|&far| found.dir_at_far(far)).collect();
    Ok(found)
}

/// The measures of the ranks of the known probes.
fn closed_set(identities: usize, mut ranks: Vec<usize>) -> ClosedSet {
    ranks.sort_unstable();
    let share = |k: usize| ranks.partition_point(|&rank| rank <= k) as f64 / ranks.len() as f64;
    let last = ranks[ranks.len() - 1];
    let steps = std::iter::successors(Some(1_usize), |&k| {
        let next = if k < EVERY_RANK { k + 1 } else { k + k / 10 };
        (k < last).then(|| next.min(last))
    });
    ClosedSet {
        identities,
        rank: [1, 5, 10, 20].into_iter().filter(|&k| k <= identities).map(|k| (k, share(k))).collect(),
        cmc: steps.map(|k| (k, share(k))).collect(),
        mean_reciprocal_rank: ranks.iter().map(|&rank| 1.0 / rank as f64).sum::<f64>() / ranks.len() as f64,
    }
}

/// For each known probe, the place of its identity, from 1, among the identities in order of their nearest row. Equally near rows
/// are in order of row.
fn ranks(
    probes: &Embeddings,
    known: &[usize],
    gallery: &Embeddings,
    counts: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<usize> {
    let (dim, classes) = (gallery.dim(), gallery.classes());
    let error = similarity::product_error(dim);
    let blocks: Vec<Vec<usize>> = known
        .par_chunks(QUERY_TILE)
        .map_init(Vec::new, |tile, known| {
            let rows: Vec<f32> = known.iter().flat_map(|&probe| probes.row(probe)).copied().collect();
            let exact = |probe: usize, row: usize| similarity::score(probes, probe, gallery, row);
            // the nearest row of the probe's own identity, and the identities that have a nearer one
            let mut open: Vec<(f32, u64, HashSet<u32>)> = known
                .iter()
                .map(|&probe| {
                    let own = classes[&probes.labels()[probe]].iter().copied();
                    let keyed = own
                        .filter(|&row| counts(probe, row))
                        .map(|row| (exact(probe, row), row))
                        .map(|(score, row)| (key(score, row), score))
                        .min_by_key(|&(key, _)| key);
                    let (key, score) = keyed.expect("a known probe has a row of its identity");
                    (score::rounded(score), key, HashSet::new())
                })
                .collect();
            for (nth, part) in gallery.unit_rows().chunks(GALLERY_TILE * dim).enumerate() {
                let cosines = screen(&rows, part, dim, tile);
                for ((&probe, (bar, own, ahead)), cosines) in known.iter().zip(&mut open).zip(cosines) {
                    for (at, &cosine) in cosines.iter().enumerate() {
                        let row = nth * GALLERY_TILE + at;
                        let label = gallery.labels()[row];
                        if cosine < *bar - error || label == probes.labels()[probe] || !counts(probe, row) {
                            continue;
                        }
                        if cosine > *bar + error || key(exact(probe, row), row) < *own {
                            ahead.insert(label);
                        }
                    }
                }
            }
            open.into_iter().map(|(_, _, ahead)| ahead.len() + 1).collect()
        })
        .collect();
    blocks.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wheel(angles: &[f32], labels: &[u32]) -> Embeddings {
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        Embeddings::new(&data, labels.len(), 2, labels).unwrap()
    }

    #[test]
    fn a_case_by_hand() {
        let gallery = wheel(&[0.0, 1.0, 2.0], &[1, 2, 3]);
        // Known: 1 at distance 0.1 (right), 2 at 0.3 (right), 3 at 0.2 from 2 (wrong), 3 at 0.05 (right).
        // Unknown: at 0.15 from 1, at 0.4 from 3, at 0.4 from 3 on the other side.
        let probes = wheel(&[0.1, 1.3, 1.2, 2.05, -0.15, 2.4, 1.6], &[1, 2, 3, 3, 8, 9, 9]);
        let found = identify(&gallery, &probes, None).unwrap();
        assert_eq!((found.known, found.unknown, found.rank_1), (4, 3, 0.75));
        let at = |far| found.dir_at_far(far).unwrap();
        // No alarm: closer than 0.15 only. One of three: closer than 0.4. All: everything.
        assert_eq!((at(0.0).dir, at(0.0).false_alarms), (0.5, 0));
        assert_eq!((at(0.34).dir, at(0.34).false_alarms), (0.75, 1));
        assert_eq!((at(1.0).dir, at(1.0).false_alarms), (0.75, 3));
        assert!(at(0.34).threshold > 0.4_f64.cos() - 1e-6 && at(0.34).threshold <= 0.3_f64.cos());
        assert_eq!(found.table.len(), 4);
        // The two alarms at 0.4 are ties but for rounding.
        let curve: Vec<(usize, f64)> =
            found.curve().iter().map(|line| (line.false_alarms, line.dir)).collect();
        assert_eq!(
            (curve[0], curve[1], curve[curve.len() - 1]),
            ((0, 0.5), (1, 0.75), (3, 0.75)),
            "{curve:?}"
        );
        assert!(found.curve().iter().all(|line| line.far == line.false_alarms as f64 / 3.0));
        assert!(found.dir_at_far(1.1).is_none() && found.dir_at_far(f64::NAN).is_none());
        // The identity of the third probe comes second.
        assert_eq!(found.closed_set.cmc, [(1, 0.75), (2, 1.0)]);
        assert_eq!(found.closed_set.rank, BTreeMap::from([(1, 0.75)]));
        assert_eq!((found.closed_set.identities, found.closed_set.mean_reciprocal_rank), (3, 0.875));
    }

    #[test]
    fn without_unknown_probes_there_is_the_closed_set() {
        // Two rows of identity 2 are nearer than identity 1: one identity, not two places.
        let gallery = wheel(&[0.0, 0.5, 0.6, 2.0], &[1, 2, 2, 3]);
        let found = identify(&gallery, &wheel(&[0.4], &[1]), None).unwrap();
        assert_eq!((found.unknown, found.rank_1, found.table.len(), found.curve().len()), (0, 0.0, 0, 0));
        assert_eq!(found.closed_set.cmc, [(1, 0.0), (2, 1.0)]);
    }

    #[test]
    fn copies_of_a_probe_do_not_identify_it() {
        let set = wheel(&[0.0, 0.3, 1.0, 1.2, 2.5], &[1, 2, 1, 2, 3]);
        let kept = identify(&set, &set, None).unwrap();
        assert_eq!((kept.known, kept.rank_1), (5, 1.0));
        let copies = Copies::between(&set, &set, None);
        let found = identify(&set, &set, Some(&copies)).unwrap();
        assert_eq!((found.known, found.excluded, found.rank_1), (4, 1, 0.0));
        let alone = wheel(&[0.0], &[1]);
        let error = identify(&alone, &alone, Some(&Copies::between(&alone, &alone, None))).unwrap_err();
        assert_eq!(error, Error::MissingProbes { unknown: 0, excluded: 1 });
    }

    proptest! {
        #[test]
        fn ranks_equal_sorting_the_identities(
            values in prop::collection::vec(-2_i8..=2, 3 * 40), labels in prop::collection::vec(0_u32..8, 40),
        ) {
            let data: Vec<f32> = values.iter().map(|&v| f32::from(v) + 0.125).collect();
            let probes = Embeddings::new(&data[..45], 15, 3, &labels[..15]).unwrap();
            let gallery = Embeddings::new(&data[45..], 25, 3, &labels[15..]).unwrap();
            let copies = Copies::between(&probes, &gallery, None);
            for copies in [None, Some(&copies)] {
                let counts = |probe: usize, row: usize| copies.is_none_or(|copies| !copies.same(probe, row));
                let mut expected = Vec::new();
                for probe in 0..15 {
                    let mut rows: Vec<usize> = (0..25).filter(|&row| counts(probe, row)).collect();
                    let score = |row: usize| similarity::score(&probes, probe, &gallery, row);
                    rows.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
                    let mut order: Vec<u32> = Vec::new();
                    for row in rows {
                        if !order.contains(&gallery.labels()[row]) {
                            order.push(gallery.labels()[row]);
                        }
                    }
                    expected.extend(order.iter().position(|label| *label == probes.labels()[probe]).map(|at| at + 1));
                }
                let Ok(found) = identify(&gallery, &probes, copies) else {
                    prop_assert!(expected.is_empty());
                    continue;
                };
                prop_assert_eq!(found.known, expected.len());
                for (k, share) in &found.closed_set.cmc {
                    let within = expected.iter().filter(|rank| *rank <= k).count();
                    prop_assert_eq!(*share, within as f64 / expected.len() as f64);
                }
                let first = expected.iter().filter(|&&rank| rank == 1).count();
                prop_assert_eq!(found.rank_1, first as f64 / expected.len() as f64);
            }
        }
    }

    #[test]
    fn invalid_probes_are_errors() {
        let gallery = wheel(&[0.0, 1.0], &[1, 2]);
        let error = identify(&gallery, &wheel(&[0.3, 0.2], &[7, 8]), None).unwrap_err();
        assert_eq!(error, Error::MissingProbes { unknown: 2, excluded: 0 });
        let line = Embeddings::new(&[1.0, 1.0], 2, 1, &[1, 8]).unwrap();
        assert_eq!(identify(&gallery, &line, None).unwrap_err(), Error::Dimensions { left: 2, right: 1 });
    }
}
