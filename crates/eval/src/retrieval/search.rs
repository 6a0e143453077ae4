//! Exact nearest neighbours in tiles, with bounded memory.
//!
//! Cosines are computed in three ways, each for what the cheaper one before it could not rule out:
//!
//! 1. in seven or eight bits, by the instructions that multiply bytes ([`super::bytes`]): how far such a cosine can be off is known for every
//!    pair of rows, and rows that are surely farther than the `k` nearest so far are passed over;
//! 2. in `f32`, in whatever order is fast: within [`doubt`] of the definition. The first tile of the gallery, small galleries and
//!    searches that want a good part of all rows begin here, with a blocked matrix product;
//! 3. by [`similarity::cosine`], the one definition of a cosine in this crate, where it could still matter.
//!
//! The result is exact to the bit, with ties in order of index, and does not depend on tiles, threads or processor.
//!
//! Beside the gallery in bytes, a quarter of its size, each thread holds one tile of at most 1024 x [`GALLERY_TILE`] scores and at most
//! `4 k + 256` candidates for each query of the tile.

use rayon::prelude::*;
use serde::Serialize;
use widemargin_kernels::matrix::{self, MatRef, Threads, Write};
use widemargin_kernels::vector::{dot, prefetch};

use super::bytes::ByteGallery;
use super::{Neighbour, key};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::similarity;

/// Queries of a tile.
pub(super) const QUERY_TILE: usize = 256;
/// Queries of a tile where the gallery is in bytes.
const BYTE_QUERY_TILE: usize = 1024;
/// Gallery rows of a tile.
pub(super) const GALLERY_TILE: usize = 1024;
/// Cosines that are looked at together before any is looked at alone.
const LANES: usize = 16;
/// Bytes pay while no more than one in so many pairs has to be looked at again: one such look costs as much as a good dozen of
/// cosines of a matrix product.
const MOST_FOUND: usize = 16;
/// Tiles by products of `f32` after bytes did not pay; by then the nearest so far are nearer.
const FLOAT_TILES: usize = 2;
/// Candidates beyond four times the expected ones. Few, so that the bar is raised often.
const SPARE: usize = 256;

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

/// For each query its `expected(query)` nearest gallery rows (as many as there are), turned into a result by `finish`.
/// Queries that want none get none. With `within`, queries and gallery are one set and a row is not its own neighbour.
pub(super) fn nearest_of_each<T: Send>(
    queries: &Embeddings,
    gallery: &Embeddings,
    within: bool,
    expected: impl Fn(usize) -> usize + Sync,
    finish: impl Fn(usize, Vec<Neighbour>) -> T + Sync,
) -> Vec<T> {
    let dim = queries.dim();
    let bytes = ByteGallery::worthwhile(queries, gallery).then(|| ByteGallery::new(gallery));
    // Enough work for every thread, and otherwise as many queries as can share what is read of the gallery.
    let most = if bytes.is_some() { BYTE_QUERY_TILE } else { QUERY_TILE };
    let size = queries.rows().div_ceil(2 * rayon::current_num_threads()).clamp(QUERY_TILE, most);
    let blocks: Vec<Vec<T>> = (0..queries.rows().div_ceil(size))
        .into_par_iter()
        .map_init(<(Vec<f32>, Vec<i32>)>::default, |(tile, scores), nth| {
            let rows = nth * size..((nth + 1) * size).min(queries.rows());
            let mut candidates: Vec<Candidates> =
                rows.clone().map(|row| Candidates::new(expected(row), dim)).collect();
            let block = &queries.unit_rows()[rows.start * dim..rows.end * dim];
            let exact = |query: usize, row: usize| similarity::cosine(queries.row(query), gallery.row(row));
            let own = |query: usize| within.then_some(query);
            let byte_queries = bytes.as_ref().map(|bytes| bytes.queries(block));
            // Tiles by products of `f32` before bytes are tried (again): one, to have something to be nearer than.
            let mut floats = 1;
            for (column_tile, part) in gallery.unit_rows().chunks(GALLERY_TILE * dim).enumerate() {
                let start = column_tile * GALLERY_TILE;
                if let (0, Some(bytes), Some(byte_queries)) = (floats, &bytes, &byte_queries) {
                    let least: Vec<f32> = candidates.iter().map(|candidates| candidates.least).collect();
                    let mut found = 0;
                    let soon = |row| prefetch(gallery.row(row));
                    bytes.reach(byte_queries, column_tile, &least, scores, soon, |query, row| {
                        found += 1;
                        let cosine = dot(&block[query * dim..(query + 1) * dim], gallery.row(row));
                        let (candidates, query) = (&mut candidates[query], rows.start + query);
                        candidates.offer_one(cosine, row, own(query), |row| exact(query, row));
                    });
                    if found * MOST_FOUND > rows.len() * part.len() / dim {
                        floats = FLOAT_TILES;
                    }
                    continue;
                }
                floats = floats.saturating_sub(1);
                let cosines = screen(block, part, dim, tile);
                for ((query, candidates), cosines) in rows.clone().zip(&mut candidates).zip(cosines) {
                    candidates.offer(cosines, start, own(query), |row| exact(query, row));
                }
                // what bytes compare with should be as near as can be
                for (query, candidates) in rows.clone().zip(&mut candidates).filter(|_| floats == 0) {
                    candidates.prune_if_enough(|row| exact(query, row));
                }
            }
            rows.zip(candidates)
                .map(|(query, candidates)| finish(query, candidates.finish(|row| exact(query, row))))
                .collect()
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

/// Gallery rows that may be among the nearest of one query.
struct Candidates {
    expected: usize,
    doubt: f32,
    /// Screened rows below this are surely not among the nearest.
    least: f32,
    /// Screened cosine and row; or, once compared again, the cosine itself.
    kept: Vec<(f32, u32)>,
}

impl Candidates {
    fn new(expected: usize, dim: usize) -> Self {
        // a query that wants none is not to be reached by any row
        let least = if expected == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { expected, doubt: doubt(dim), least, kept: Vec::new() }
    }

    /// Takes in the screened cosines of the rows from `start` on, except the row `own`.
    fn offer(
        &mut self,
        cosines: &[f32],
        start: usize,
        own: Option<usize>,
        exact: impl Fn(usize) -> f32 + Copy,
    ) {
        if self.expected == 0 {
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
            if self.kept.len() >= 4 * self.expected + SPARE - LANES {
                self.prune(exact);
            }
        }
    }

    /// Takes in one row by its cosine in `f32`.
    fn offer_one(&mut self, cosine: f32, row: usize, own: Option<usize>, exact: impl Fn(usize) -> f32) {
        if self.expected == 0 || cosine < self.least || own == Some(row) {
            return;
        }
        self.kept.push((cosine, row as u32));
        if self.kept.len() >= 4 * self.expected + SPARE - LANES {
            self.prune(exact);
        }
    }

    /// Raises the bar where there are more candidates than expected.
    fn prune_if_enough(&mut self, exact: impl Fn(usize) -> f32) {
        if self.expected > 0 && self.kept.len() > self.expected {
            self.prune(exact);
        }
    }

    /// Drops what is surely too far; if that is too little, compares again and keeps exactly the nearest.
    fn prune(&mut self, exact: impl Fn(usize) -> f32) {
        let (_, &mut (last, _), _) =
            self.kept.select_nth_unstable_by(self.expected - 1, |a, b| b.0.total_cmp(&a.0));
        // At least `expected` rows are at `last - doubt` or nearer; a row screened below `last - 2 doubt` is farther.
        self.least = self.least.max(last - 2.0 * self.doubt);
        self.kept.retain(|&(cosine, _)| cosine >= self.least);
        if self.kept.len() > 2 * self.expected + SPARE / 2 {
            self.compare_again(exact);
            let (last, _) = self.kept[self.expected - 1];
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
        self.kept.truncate(self.expected);
    }

    fn finish(mut self, exact: impl Fn(usize) -> f32) -> Vec<Neighbour> {
        if self.expected == 0 {
            return Vec::new();
        }
        if self.kept.len() > self.expected {
            let (_, &mut (last, _), _) =
                self.kept.select_nth_unstable_by(self.expected - 1, |a, b| b.0.total_cmp(&a.0));
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

    /// Galleries that are kept in bytes: spread rows, rows that tie by the thousand, rows in heaps (where one residual is far from
    /// another), and a part of all expected that bytes do not pay for.
    #[test]
    fn bytes_miss_nothing() {
        let heaps = |rows: usize, dim: usize, seed: u32| {
            let set = set(rows, dim, 4000, seed);
            let mut data = set.unit_rows().to_vec();
            for (row, values) in data.chunks_exact_mut(dim).enumerate() {
                values[row % 5] += [0.0, 0.5, 3.0, 40.0][row % 4];
            }
            Embeddings::new(&data, rows, dim, set.labels()).unwrap()
        };
        let sets = [
            (set(1500, 64, 60_000, 1), set(6000, 64, 60_000, 2)),
            (set(1024, 33, 2, 3), set(4200, 33, 2, 4)),
            (heaps(1100, 48, 5), heaps(9001, 48, 6)),
        ];
        for (queries, gallery) in &sets {
            assert!(ByteGallery::worthwhile(queries, gallery));
            for k in [1, 10, 900, 4100] {
                let found = search(queries, gallery, k).unwrap();
                for query in [0, 17, 69] {
                    let expected = slow(queries, gallery, query, None, k);
                    assert_eq!(found.of(query).unwrap(), expected, "{} rows, k {k}", gallery.rows());
                }
            }
        }
        let within = search_within(&sets[2].1, 5).unwrap();
        for query in [0, 4321, 9000] {
            assert_eq!(within.of(query).unwrap(), slow(&sets[2].1, &sets[2].1, query, Some(query), 5));
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
        let gallery = set(4300, 32, 50_000, 5);
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
