//! Which rows of the evaluation set are compared with each other, and which are on the map.

use widemargin_chance::{Purpose, Stream};
use widemargin_eval::Embeddings;
use widemargin_eval::extremes::{Extremes, extremes};
use widemargin_eval::retrieval::Neighbour;

/// Most rows that are compared with each other to find hard pairs and queries. Their number is squared.
const COMPARED: usize = 3000;
/// Most points on a map; more would hide each other, and the images would make a page of many megabytes.
const ON_MAP: usize = 600;

/// The rows of the evaluation set in a random order: the first of them are compared, and the first of these are on the map.
pub(in crate::run) struct Chosen {
    order: Vec<usize>,
}

impl Chosen {
    pub(in crate::run) fn new(rows: usize, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..rows).collect();
        Stream::new(seed, Purpose::ReportSample, 0, 0).shuffle(&mut order);
        Self { order }
    }

    /// All rows, in random order.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The rows that are compared with each other, rising.
    pub(super) fn compared(&self) -> Vec<usize> {
        self.first(COMPARED)
    }

    /// The rows on a map, rising.
    pub(super) fn on_map(&self) -> Vec<usize> {
        self.first(ON_MAP)
    }

    fn first(&self, count: usize) -> Vec<usize> {
        let mut rows = self.order[..count.min(self.order.len())].to_vec();
        rows.sort_unstable();
        rows
    }

    /// The extreme partners of the rows that are compared, as rows of the evaluation set.
    pub(in crate::run) fn extremes(&self, embeddings: &Embeddings) -> anyhow::Result<Vec<Extremes>> {
        let rows = self.compared();
        let found = extremes(&embeddings.of_rows(&rows)?);
        let named = |partner: Option<Neighbour>| {
            partner.map(|partner| Neighbour { index: rows[partner.index], ..partner })
        };
        let of_row = |found: Extremes| Extremes {
            row: rows[found.row],
            nearest_same: named(found.nearest_same),
            farthest_same: named(found.farthest_same),
            nearest_other: named(found.nearest_other),
        };
        Ok(found.into_iter().map(of_row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_depends_on_the_seed_only_and_is_bounded() {
        let chosen = Chosen::new(10_000, 3);
        assert_eq!((chosen.compared().len(), chosen.on_map().len()), (COMPARED, ON_MAP));
        assert_eq!(chosen.order(), Chosen::new(10_000, 3).order());
        assert_ne!(chosen.order(), Chosen::new(10_000, 4).order());
        let compared = chosen.compared();
        assert!(chosen.on_map().iter().all(|row| compared.binary_search(row).is_ok()));
        assert_eq!(Chosen::new(5, 3).compared(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn partners_are_rows_of_the_evaluation_set() {
        let angles: Vec<f32> = (0..3500).map(|row| row as f32 * 0.001).collect();
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let labels: Vec<u32> = (0..3500).map(|row| row / 500).collect();
        let set = Embeddings::new(&data, 3500, 2, &labels).expect("finite rows");
        let found = Chosen::new(3500, 1).extremes(&set).expect("some rows");
        assert_eq!(found.len(), COMPARED);
        for extremes in found {
            let row = extremes.row;
            let other = extremes.nearest_other.expect("seven classes");
            assert_ne!(labels[row], labels[other.index]);
            assert_eq!(set.cosine(row, other.index), Some(other.cosine));
        }
    }
}
