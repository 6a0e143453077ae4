//! Open-set identification: which enrolled identity does a probe show, if any?
//!
//! A probe is compared with every enrolled row. It is identified as the nearest row if their cosine reaches a threshold. Two
//! errors are possible: an unknown identity is accepted (false alarm), or a known one is rejected or identified wrongly. At a
//! threshold `t`,
//!
//! - `FAR(t)`: the share of unknown probes whose nearest cosine reaches `t`;
//! - `DIR(t)`: the share of known probes whose nearest cosine reaches `t` *and* whose nearest row is of their identity
//!
//! (Grother, Quinn and Phillips, *Evaluation of face recognition algorithms*, NIST IR 7709, 2010, section 3; Phillips,
//! Grother and Micheals in the *Handbook of Face Recognition*, 2011). Without a threshold DIR is rank-1 accuracy.

use serde::Serialize;

use super::search::search;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::verification::{accepts_within, known_probes};

/// The false alarm rates of [`Identification::table`].
pub const IDENTIFICATION_FAR: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// Results of open-set identification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identification {
    /// Probes whose identity is enrolled.
    pub known: usize,
    /// Probes whose identity is not.
    pub unknown: usize,
    /// Share of known probes whose nearest enrolled row is of their identity (rank-1), in [0, 1].
    pub rank_1: f64,
    /// [`Identification::dir_at_far`] at the rates of [`IDENTIFICATION_FAR`].
    pub table: Vec<DirAtFar>,
    /// Nearest cosines of known probes that were identified correctly, falling.
    #[serde(skip)]
    right: Vec<f32>,
    /// Nearest cosines of unknown probes, falling.
    #[serde(skip)]
    alarms: Vec<f32>,
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
    /// The largest DIR among thresholds whose false alarm rate is at most `far`, or `None` if `far` is not in [0, 1].
    pub fn dir_at_far(&self, far: f64) -> Option<DirAtFar> {
        if !(0.0..=1.0).contains(&far) {
            return None;
        }
        // Just above the highest cosine that must be rejected; equal cosines are rejected too.
        let allowed = accepts_within(far, self.alarms.len());
        let threshold = self.alarms.get(allowed).map_or(-1.0, |rejected| rejected.next_up());
        let reach = |scores: &[f32]| scores.partition_point(|&score| score >= threshold);
        Some(DirAtFar {
            far,
            dir: reach(&self.right) as f64 / self.known as f64,
            threshold: f64::from(threshold),
            false_alarms: reach(&self.alarms),
        })
    }

    /// Points of the DIR curve, from no false alarm to all. The `far` of each point is the measured rate, not an allowed one. At
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

/// Identifies each probe by its nearest row of `gallery` (the first of equally near rows).
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::MissingProbes`] unless some probes are of enrolled labels and some are not.
pub fn identify(gallery: &Embeddings, probes: &Embeddings) -> Result<Identification> {
    gallery.require_same_dim(probes)?;
    let enrolled: std::collections::HashSet<u32> = gallery.labels().iter().copied().collect();
    let known = known_probes(gallery, probes);
    let unknown = probes.rows() - known;
    if known == 0 || unknown == 0 {
        return Err(Error::MissingProbes { known, unknown });
    }
    let nearest = search(probes, gallery, 1)?;
    let (mut right, mut alarms) = (Vec::new(), Vec::new());
    for (probe, &label) in probes.labels().iter().enumerate() {
        let found = nearest.of(probe).expect("one neighbour per probe")[0];
        if !enrolled.contains(&label) {
            alarms.push(found.cosine);
        } else if gallery.labels()[found.index] == label {
            right.push(found.cosine);
        }
    }
    for list in [&mut right, &mut alarms] {
        list.sort_unstable_by(|a, b| b.total_cmp(a));
    }
    let rank_1 = right.len() as f64 / known as f64;
    let mut found = Identification { known, unknown, rank_1, table: Vec::new(), right, alarms };
    found.table = IDENTIFICATION_FAR.iter().filter_map(|&far| found.dir_at_far(far)).collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = identify(&gallery, &probes).unwrap();
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
    }

    #[test]
    fn invalid_probes_are_errors() {
        let gallery = wheel(&[0.0, 1.0], &[1, 2]);
        let error = |labels: &[u32]| identify(&gallery, &wheel(&[0.3, 0.2], labels)).unwrap_err();
        assert_eq!(error(&[1, 2]), Error::MissingProbes { known: 2, unknown: 0 });
        assert_eq!(error(&[7, 8]), Error::MissingProbes { known: 0, unknown: 2 });
        let line = Embeddings::new(&[1.0, 1.0], 2, 1, &[1, 8]).unwrap();
        assert_eq!(identify(&gallery, &line).unwrap_err(), Error::Dimensions { left: 2, right: 1 });
    }
}
