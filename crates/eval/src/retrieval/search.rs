//! Exact nearest neighbours in tiles, with bounded memory.
//!
//! A blocked matrix product computes cosines tens of times faster than one dot product after the other, but rounds in an
//! order of its own. So it only *screens*: its values are known to be within [`doubt`] of those of
//! [`similarity::cosine`], the one definition of a cosine in this crate, and whatever could belong to the `k` nearest by
//! that margin is compared again by the definition. The result is exact to the bit, with ties in order of index, and does
//! not depend on tiles, threads or processor.
//!
//! Each thread holds one tile of [`QUERY_TILE`] x [`GALLERY_TILE`] cosines and at most `4 k + 1024` candidates for each
//! query of the tile, whatever the size of the gallery.

use rayon::prelude::*;
use serde::Serialize;
use widemargin_kernels::matrix::{self, MatRef, Threads, Write};

use super::{Neighbour, key};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::similarity;

/// Queries of a tile.
pub(super) const QUERY_TILE: usize = 256;
/// Gallery rows of a tile.
pub(super) const GALLERY_TILE: usize = 1024;
/// Cosines that are looked at together before any is looked at alone.
const LANES: usize = 16;

/// The nearest gallery rows of each query, nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbours {
    k: usize,
    found: Vec<Neighbour>,
}

impl Neighbours {
    /// Neighbours of each query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.found.len() / self.k
    }

    /// The `k` neighbours of a query, or `None` past the end.
    pub fn of(&self, query: usize) -> Option<&[Neighbour]> {
        self.found.chunks_exact(self.k).nth(query)
    }
}

/// The `k` nearest rows of `gallery` for each row of `queries`. Equal cosines come in order of row.
///
/// # Errors
/// [`Error::Dimensions`], [`Error::ZeroK`], [`Error::KTooLarge`] if `k` exceeds the gallery.
pub fn search(queries: &Embeddings, gallery: &Embeddings, k: usize) -> Result<Neighbours> {
    queries.require_same_dim(gallery)?;
    check_k(k, gallery.rows())?;
    let found = nearest_of_each(queries, gallery, false, |_| k, |_, found| found);
    Ok(Neighbours { k, found: found.concat() })
}

/// The `k` nearest other rows for each row of one set.
///
/// # Errors
/// [`Error::ZeroK`], [`Error::KTooLarge`] if `k` exceeds the other rows.
pub fn search_within(embeddings: &Embeddings, k: usize) -> Result<Neighbours> {
    check_k(k, embeddings.rows() - 1)?;
    let found = nearest_of_each(embeddings, embeddings, true, |_| k, |_, found| found);
    Ok(Neighbours { k, found: found.concat() })
}

pub(super) fn check_k(k: usize, gallery: usize) -> Result<()> {
    if k == 0 {
        return Err(Error::ZeroK);
    }
    if k > gallery {
        return Err(Error::KTooLarge { k, gallery });
    }
    Ok(())
}

/// How far a cosine of a matrix product can be from [`similarity::cosine`].
///
/// A sum of `dim` products of unit rows in f32, in any order, is within `dim` half-ulps of 1 of the true value; the
/// definition sums in eight lanes. The rest covers rows whose rounded length is not quite 1.
pub(super) fn doubt(dim: usize) -> f32 {
    ((1.125 * dim as f64 + 32.0) * f64::from(f32::EPSILON) / 2.0 * 1.01) as f32
}

/// Cosines of a tile, by matrix product: `queries` x `gallery`, both row-major with `dim` columns.
pub(super) fn screen<'a>(
    queries: &[f32],
    gallery: &[f32],
    dim: usize,
    tile: &'a mut Vec<f32>,
) -> std::slice::ChunksExact<'a, f32> {
    let (rows, columns) = (queries.len() / dim, gallery.len() / dim);
    tile.resize(rows * columns, 0.0);
    matrix::matmul_transposed_b(
        tile,
        MatRef::new(queries, rows, dim).expect("whole rows of a matrix"),
        MatRef::new(gallery, columns, dim).expect("whole rows of a matrix"),
        Write::Replace,
        Threads::Serial,
    );
    tile.chunks_exact(columns)
}

/// For each query its `wanted(query)` nearest gallery rows (as many as there are), turned into a result by `finish`.
/// Queries that want none get none. With `within`, queries and gallery are one set and a row is not its own neighbour.
pub(super) fn nearest_of_each<T: Send>(
    queries: &Embeddings,
    gallery: &Embeddings,
    within: bool,
    wanted: impl Fn(usize) -> usize + Sync,
    finish: impl Fn(usize, Vec<Neighbour>) -> T + Sync,
) -> Vec<T> {
    let dim = queries.dim();
    let blocks: Vec<Vec<T>> = (0..queries.rows().div_ceil(QUERY_TILE))
        .into_par_iter()
        .map_init(Vec::new, |tile, nth| {
            let rows = nth * QUERY_TILE..((nth + 1) * QUERY_TILE).min(queries.rows());
            let mut candidates: Vec<Candidates> =
                rows.clone().map(|row| Candidates::new(wanted(row), dim)).collect();
            let block = &queries.unit_rows()[rows.start * dim..rows.end * dim];
            for (column_tile, part) in gallery.unit_rows().chunks(GALLERY_TILE * dim).enumerate() {
                let start = column_tile * GALLERY_TILE;
                let cosines = screen(block, part, dim, tile);
                for ((query, candidates), cosines) in rows.clone().zip(&mut candidates).zip(cosines) {
                    let own = within.then_some(query);
                    candidates.offer(cosines, start, own, |row| {
                        similarity::cosine(queries.row(query), gallery.row(row))
                    });
                }
            }
            rows.zip(candidates)
                .map(|(query, candidates)| {
                    let exact = |row| similarity::cosine(queries.row(query), gallery.row(row));
                    finish(query, candidates.finish(exact))
                })
                .collect()
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

/// Gallery rows that may be among the nearest of one query.
struct Candidates {
    wanted: usize,
    doubt: f32,
    /// Screened rows below this are surely not among the nearest.
    least: f32,
    /// Screened cosine and row; or, once compared again, the cosine itself.
    kept: Vec<(f32, u32)>,
}

impl Candidates {
    fn new(wanted: usize, dim: usize) -> Self {
        Self { wanted, doubt: doubt(dim), least: f32::NEG_INFINITY, kept: Vec::new() }
    }

    /// Takes in the screened cosines of the rows from `start` on, except the row `own`.
    fn offer(
        &mut self,
        cosines: &[f32],
        start: usize,
        own: Option<usize>,
        exact: impl Fn(usize) -> f32 + Copy,
    ) {
        if self.wanted == 0 {
            return;
        }
        for (nth, part) in cosines.chunks(LANES).enumerate() {
            if part.iter().map(|&cosine| u32::from(cosine >= self.least)).sum::<u32>() == 0 {
                continue;
            }
            for (lane, &cosine) in part.iter().enumerate() {
                let row = start + nth * LANES + lane;
                if cosine >= self.least && own != Some(row) {
                    self.kept.push((cosine, row as u32));
                }
            }
            if self.kept.len() >= 4 * self.wanted + 1024 - LANES {
                self.prune(exact);
            }
        }
    }

    /// Drops what is surely too far; if that is too little, compares again and keeps exactly the nearest.
    fn prune(&mut self, exact: impl Fn(usize) -> f32) {
        let (_, &mut (last, _), _) =
            self.kept.select_nth_unstable_by(self.wanted - 1, |a, b| b.0.total_cmp(&a.0));
        // At least `wanted` rows are at `last - doubt` or nearer; a row screened below `last - 2 doubt` is farther.
        self.least = self.least.max(last - 2.0 * self.doubt);
        self.kept.retain(|&(cosine, _)| cosine >= self.least);
        if self.kept.len() > 2 * self.wanted + 512 {
            self.compare_again(exact);
            let (last, _) = self.kept[self.wanted - 1];
            // These are cosines by the definition. A later row of the same cosine comes after them.
            self.least = self.least.max(last - self.doubt);
        }
    }

    /// Replaces screened cosines by the definition's and keeps the nearest, in order.
    fn compare_again(&mut self, exact: impl Fn(usize) -> f32) {
        for (cosine, row) in &mut self.kept {
            *cosine = exact(*row as usize);
        }
        self.kept.sort_unstable_by_key(|&(cosine, row)| key(cosine, row as usize));
        self.kept.truncate(self.wanted);
    }

    fn finish(mut self, exact: impl Fn(usize) -> f32) -> Vec<Neighbour> {
        if self.wanted == 0 {
            return Vec::new();
        }
        if self.kept.len() > self.wanted {
            let (_, &mut (last, _), _) =
                self.kept.select_nth_unstable_by(self.wanted - 1, |a, b| b.0.total_cmp(&a.0));
            let least = last - 2.0 * self.doubt;
            self.kept.retain(|&(cosine, _)| cosine >= least);
        }
        self.compare_again(exact);
        let neighbour = |&(cosine, row): &(f32, u32)| Neighbour { index: row as usize, cosine };
        self.kept.iter().map(neighbour).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of small whole numbers, so that equal rows and equal cosines abound.
    fn set(rows: usize, dim: usize, values: u32, seed: u32) -> Embeddings {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 12) % values
        };
        let data: Vec<f32> = (0..rows * dim).map(|_| next() as f32 - values as f32 / 2.0 + 0.25).collect();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 7).collect();
        Embeddings::new(&data, rows, dim, &labels).unwrap()
    }

    fn slow(
        queries: &Embeddings,
        gallery: &Embeddings,
        query: usize,
        own: Option<usize>,
        k: usize,
    ) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = (0..gallery.rows())
            .filter(|&row| own != Some(row))
            .map(|index| Neighbour {
                index,
                cosine: similarity::cosine(queries.row(query), gallery.row(index)),
            })
            .collect();
        all.sort_by(|a, b| b.cosine.partial_cmp(&a.cosine).unwrap().then(a.index.cmp(&b.index)));
        all.truncate(k);
        all
    }

    #[test]
    fn search_equals_sorting_everything() {
        // The second has 4 distinct rows in thousands: every candidate ties, and the lists overflow.
        for (values, dim, seed) in [(5, 3, 1), (2, 2, 2), (60_000, 17, 3)] {
            let (queries, gallery) = (set(40, dim, values, seed), set(3100, dim, values, seed + 9));
            for k in [1, 5, 300, 3100] {
                let found = search(&queries, &gallery, k).unwrap();
                assert_eq!((found.k(), found.queries()), (k, 40));
                for query in [0, 13, 39] {
                    assert_eq!(
                        found.of(query).unwrap(),
                        slow(&queries, &gallery, query, None, k),
                        "{values} {k}"
                    );
                }
                assert!(found.of(40).is_none());
            }
        }
    }

    #[test]
    fn a_row_is_not_its_own_neighbour() {
        let gallery = set(700, 3, 4, 5);
        for k in [1, 10, 699] {
            let found = search_within(&gallery, k).unwrap();
            for query in [0, 255, 256, 699] {
                assert_eq!(found.of(query).unwrap(), slow(&gallery, &gallery, query, Some(query), k));
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let gallery = set(900, 8, 50_000, 5);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| search_within(&gallery, 7).unwrap())
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn screening_is_within_its_doubt() {
        for dim in [1, 9, 64, 507, 2048] {
            let (a, b) = (set(30, dim, 1000, 1), set(50, dim, 1000, 2));
            let mut tile = Vec::new();
            for (query, cosines) in screen(a.unit_rows(), b.unit_rows(), dim, &mut tile).enumerate() {
                for (row, &cosine) in cosines.iter().enumerate() {
                    let exact = similarity::cosine(a.row(query), b.row(row));
                    assert!((cosine - exact).abs() <= doubt(dim), "{dim}: {cosine} {exact}");
                }
            }
        }
    }

    #[test]
    fn each_way_to_be_wrong_has_its_error() {
        let (a, b) = (set(3, 2, 5, 1), set(3, 4, 5, 1));
        assert_eq!(search(&a, &b, 1).unwrap_err(), Error::Dimensions { left: 2, right: 4 });
        assert_eq!(search(&a, &a, 0).unwrap_err(), Error::ZeroK);
        assert_eq!(search(&a, &a, 4).unwrap_err(), Error::KTooLarge { k: 4, gallery: 3 });
        assert_eq!(search_within(&a, 3).unwrap_err(), Error::KTooLarge { k: 3, gallery: 2 });
    }
}
