//! The nearest and farthest partner of each row: which pairs are hardest, and how clearly each row is in its class.

use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::retrieval::Neighbour;
use crate::score;
use crate::similarity;

/// The partners of one row. A row that is alone in its class has none of its class, and a set with one class has no others.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Extremes {
    /// The row.
    pub row: usize,
    /// The nearest other row of its class.
    pub nearest_same: Option<Neighbour>,
    /// The farthest other row of its class.
    pub farthest_same: Option<Neighbour>,
    /// The nearest row of another class.
    pub nearest_other: Option<Neighbour>,
}

impl Extremes {
    /// By how much the nearest row of the class is nearer than the nearest row of another class, in cosine. Below zero, the nearest
    /// neighbour is of another class.
    pub fn lead(&self) -> Option<f64> {
        Some(self.nearest_same?.cosine - self.nearest_other?.cosine)
    }

    /// Keeps the partner if it is more extreme. Of equally extreme partners the first is kept.
    fn offer(&mut self, partner: Neighbour, same: bool) {
        let is_beaten = |kept: Option<Neighbour>, by: fn(f64, f64) -> bool| {
            kept.is_none_or(|kept| by(partner.cosine, kept.cosine))
        };
        if !same && is_beaten(self.nearest_other, |a, b| a > b) {
            self.nearest_other = Some(partner);
        }
        if same && is_beaten(self.nearest_same, |a, b| a > b) {
            self.nearest_same = Some(partner);
        }
        if same && is_beaten(self.farthest_same, |a, b| a < b) {
            self.farthest_same = Some(partner);
        }
    }
}

/// The extreme partners of every row, of other cameras if the rows [have some](Embeddings::across_cameras). All pairs are compared, so the time grows with the square of the number of rows.
pub fn extremes(embeddings: &Embeddings) -> Vec<Extremes> {
    let (rows, labels) = (embeddings.rows(), embeddings.labels());
    let of_row = |scores: &mut Vec<f32>, row: usize| {
        similarity::block(embeddings, row..row + 1, embeddings, 0..rows, scores);
        let mut found = Extremes { row, ..Extremes::default() };
        let is_partner = |index: usize| index != row && embeddings.compares(index, row);
        for (index, &stored) in scores.iter().enumerate().filter(|&(index, _)| is_partner(index)) {
            found.offer(Neighbour { index, cosine: score::cosine(stored) }, labels[index] == labels[row]);
        }
        found
    };
    (0..rows).into_par_iter().map_init(Vec::new, of_row).collect()
}

/// Two rows and their cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtremePair {
    /// The smaller row.
    pub first: usize,
    /// The larger row.
    pub second: usize,
    /// Their cosine.
    pub cosine: f64,
}

/// The `most` genuine pairs with the smallest cosines, smallest first. Each row is in one pair at most, so that a single odd row does
/// not fill the list.
pub fn worst_genuine(found: &[Extremes], most: usize) -> Vec<ExtremePair> {
    disjoint(found.iter().map(|row| (row.row, row.farthest_same)), most, |a, b| a.total_cmp(&b))
}

/// The `most` impostor pairs with the largest cosines, largest first. Each row is in one pair at most.
pub fn worst_impostor(found: &[Extremes], most: usize) -> Vec<ExtremePair> {
    disjoint(found.iter().map(|row| (row.row, row.nearest_other)), most, |a, b| b.total_cmp(&a))
}

/// The first pairs in this order of their cosines, and of equal cosines in the order of rows, without pairs of a row that is in an
/// earlier one.
fn disjoint(
    partners: impl Iterator<Item = (usize, Option<Neighbour>)>,
    most: usize,
    order: impl Fn(f64, f64) -> std::cmp::Ordering,
) -> Vec<ExtremePair> {
    let pair = |(row, partner): (usize, Option<Neighbour>)| {
        let Neighbour { index, cosine } = partner?;
        Some(ExtremePair { first: row.min(index), second: row.max(index), cosine })
    };
    let mut pairs: Vec<ExtremePair> = partners.filter_map(pair).collect();
    pairs.sort_by(|a, b| order(a.cosine, b.cosine).then((a.first, a.second).cmp(&(b.first, b.second))));
    let mut kept: Vec<ExtremePair> = Vec::new();
    for pair in pairs {
        if kept.len() == most {
            break;
        }
        let is_new = |row| kept.iter().all(|kept| kept.first != row && kept.second != row);
        if is_new(pair.first) && is_new(pair.second) {
            kept.push(pair);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(degrees: &[f32], labels: &[u32]) -> Embeddings {
        let data: Vec<f32> =
            degrees.iter().flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]).collect();
        Embeddings::new(&data, labels.len(), 2, labels).unwrap()
    }

    #[test]
    fn partners_are_those_of_a_plain_search() {
        let (rows, dim) = (61, 5);
        let data: Vec<f32> = (0..rows * dim).map(|at| ((at * at) as f32 * 0.61).sin()).collect();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row * row % 7).collect();
        let set = Embeddings::new(&data, rows, dim, &labels).unwrap();
        for (row, found) in extremes(&set).into_iter().enumerate() {
            assert_eq!(found.row, row);
            let among = |same: bool| {
                let wanted = |&other: &usize| other != row && (labels[other] == labels[row]) == same;
                let mut all: Vec<f64> =
                    (0..rows).filter(wanted).map(|other| set.cosine(row, other).unwrap()).collect();
                all.sort_by(f64::total_cmp);
                all
            };
            let (same, other) = (among(true), among(false));
            let cosine = |found: Option<Neighbour>| {
                let found = found?;
                assert_eq!(set.cosine(row, found.index), Some(found.cosine));
                Some(found.cosine)
            };
            assert_eq!(cosine(found.nearest_same), same.last().copied(), "{row}");
            assert_eq!(cosine(found.farthest_same), same.first().copied(), "{row}");
            assert_eq!(cosine(found.nearest_other), other.last().copied(), "{row}");
        }
    }

    #[test]
    fn a_row_has_a_lead_only_with_both_kinds_of_partners() {
        let found = extremes(&wheel(&[0.0, 10.0, 40.0, 50.0], &[1, 1, 2, 3]));
        let expected = 10_f64.to_radians().cos() - 40_f64.to_radians().cos();
        assert!((found[0].lead().unwrap() - expected).abs() < 1e-6, "{found:?}");
        assert_eq!((found[2].lead(), found[3].lead()), (None, None));
        let one_class = extremes(&wheel(&[0.0, 10.0], &[1, 1]));
        assert!(one_class[0].nearest_other.is_none() && one_class[0].farthest_same.is_some());
        assert_eq!(extremes(&wheel(&[5.0], &[1])), [Extremes::default()]);
    }

    #[test]
    fn the_worst_pairs_come_first_and_share_no_row() {
        // Row 2 is far from its class and near the other one: it would be in four of the worst pairs.
        let found = extremes(&wheel(&[0.0, 5.0, 80.0, 90.0, 100.0, 130.0], &[1, 1, 1, 2, 2, 2]));
        let rows = |pairs: Vec<ExtremePair>| -> Vec<(usize, usize)> {
            pairs.iter().map(|pair| (pair.first, pair.second)).collect()
        };
        assert_eq!(rows(worst_genuine(&found, 5)), [(0, 2), (3, 5)]);
        assert_eq!(rows(worst_impostor(&found, 5)), [(2, 3)]);
        assert_eq!(rows(worst_genuine(&found, 1)), [(0, 2)]);
        assert!(worst_genuine(&found, 0).is_empty());
    }
}
