//! Exact nearest neighbours in tiles, with bounded memory.
//!
//! Cosines are computed in three ways. Each step sees only the rows that the cheaper step before it could not rule out:
//!
//! 1. from 7-bit or 8-bit codes, with the processor's 8-bit multiply instructions ([`super::codes`]). The error of such a cosine
//!    has a known bound for every pair of rows, so rows that are certainly farther than the `k` nearest so far are skipped;
//! 2. in `f32`, in any order of summation: within [`similarity::product_error`] of the exact cosine. The first tile of the
//!    gallery, small galleries and searches for a large share of all rows start here, with a blocked matrix product;
//! 3. by [`similarity::score`], the definition of a cosine in this crate, for the rows that remain.
//!
//! The result is exact to the bit, lists equal cosines in order of index, and does not depend on tiles, threads or processor.
//!
//! Memory: the coded gallery (a quarter of the gallery's size) and, per thread, one tile of at most 1024 x [`GALLERY_TILE`]
//! scores and at most `4 k + 256` candidates for each query of the tile.

use rayon::prelude::*;
use serde::Serialize;
use widemargin_kernels::matrix::{self, MatRef, Threads, Write};
use widemargin_kernels::vector::{dot, prefetch};

use super::candidates::Candidates;
use super::codes::{CodedGallery, GALLERY_TILE};
use super::neighbour::Neighbour;
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::similarity;

/// Queries per tile.
pub(super) const QUERY_TILE: usize = 256;
/// Queries per tile if the gallery is coded.
const CODED_QUERY_TILE: usize = 1024;
/// Codes are worthwhile as long as at most one in this many pairs needs a cosine in `f32`: a single cosine costs as much as
/// about a dozen cosines of a matrix product.
const MOST_FOUND: usize = 16;
/// Tiles computed by `f32` matrix products after codes ruled out too little; by then the bar is higher.
const FLOAT_TILES: usize = 2;

/// The nearest gallery rows of each query, nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbours {
    k: usize,
    found: Vec<Neighbour>,
    /// The end of each query's neighbours in `found`.
    ends: Vec<usize>,
}

impl Neighbours {
    fn new(k: usize, lists: &[Vec<Neighbour>]) -> Self {
        let ends = lists.iter().scan(0, |end, list| {
            *end += list.len();
            Some(*end)
        });
        Self { k, ends: ends.collect(), found: lists.concat() }
    }

    /// Largest number of neighbours per query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.ends.len()
    }

    /// The `k` neighbours of a query (fewer if too many gallery rows are copies of it, or of its camera), or `None` past the end.
    pub fn of(&self, query: usize) -> Option<&[Neighbour]> {
        let end = *self.ends.get(query)?;
        let start = query.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.found[start..end])
    }
}

/// The `k` nearest rows of `gallery` for each row of `queries`. Equal cosines come in order of row.
///
/// # Errors
/// [`Error::Dimensions`], [`Error::ZeroK`], [`Error::KTooLarge`] if `k` exceeds the gallery.
pub fn search(queries: &Embeddings, gallery: &Embeddings, k: usize) -> Result<Neighbours> {
    search_counting(queries, gallery, k, |_, _| true)
}

/// [`search`] without the gallery rows that are copies of the query.
///
/// # Errors
/// As [`search`].
pub fn search_without(
    queries: &Embeddings,
    gallery: &Embeddings,
    k: usize,
    copies: &Copies,
) -> Result<Neighbours> {
    search_counting(queries, gallery, k, |query, row| !copies.same(query, row))
}

/// [`search`] among the gallery rows that count for a query.
pub(super) fn search_counting(
    queries: &Embeddings,
    gallery: &Embeddings,
    k: usize,
    counts: impl Fn(usize, usize) -> bool + Sync,
) -> Result<Neighbours> {
    queries.require_same_dim(gallery)?;
    check_k(k, gallery.rows())?;
    Ok(Neighbours::new(k, &nearest_of_each(queries, gallery, counts, |_| k, |_, found| found)))
}

/// The `k` nearest other rows for each row of one set; fewer if the rows [have cameras](Embeddings::across_cameras) and too few are of others.
///
/// # Errors
/// [`Error::ZeroK`], [`Error::KTooLarge`] if `k` exceeds the other rows.
pub fn search_within(embeddings: &Embeddings, k: usize) -> Result<Neighbours> {
    check_k(k, embeddings.rows() - 1)?;
    let other = |query: usize, row: usize| query != row && embeddings.compares(query, row);
    Ok(Neighbours::new(k, &nearest_of_each(embeddings, embeddings, other, |_| k, |_, found| found)))
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

/// For each query, its `count(query)` nearest among the gallery rows that `counts(query, row)` (fewer if there are fewer), passed to
/// `finish`. A count of 0 gives no neighbours. `counts` is called only for rows that may be near enough.
pub(super) fn nearest_of_each<T: Send>(
    queries: &Embeddings,
    gallery: &Embeddings,
    counts: impl Fn(usize, usize) -> bool + Sync,
    count: impl Fn(usize) -> usize + Sync,
    finish: impl Fn(usize, Vec<Neighbour>) -> T + Sync,
) -> Vec<T> {
    let dim = queries.dim();
    let coded = CodedGallery::worthwhile(queries, gallery).then(|| CodedGallery::new(gallery));
    // Enough tiles for every thread; apart from that, as many queries as possible share each read of the gallery.
    let most = if coded.is_some() { CODED_QUERY_TILE } else { QUERY_TILE };
    let size = queries.rows().div_ceil(2 * rayon::current_num_threads()).clamp(QUERY_TILE, most);
    let blocks: Vec<Vec<T>> = (0..queries.rows().div_ceil(size))
        .into_par_iter()
        .map_init(<(Vec<f32>, Vec<i32>)>::default, |(tile, scores), nth| {
            let rows = nth * size..((nth + 1) * size).min(queries.rows());
            let mut candidates: Vec<Candidates> =
                rows.clone().map(|row| Candidates::new(count(row), dim)).collect();
            let block = &queries.unit_rows()[rows.start * dim..rows.end * dim];
            let exact = |query: usize, row: usize| similarity::score(queries, query, gallery, row);
            let coded_queries = coded.as_ref().map(|coded| coded.queries(block));
            // Tiles by `f32` matrix products before codes are tried (again). The first tile sets the bar.
            let mut floats = 1;
            for (column_tile, part) in gallery.unit_rows().chunks(GALLERY_TILE * dim).enumerate() {
                let start = column_tile * GALLERY_TILE;
                if let (0, Some(coded), Some(coded_queries)) = (floats, &coded, &coded_queries) {
                    let least: Vec<f32> = candidates.iter().map(|candidates| candidates.least).collect();
                    let mut found = 0;
                    let soon = |row| prefetch(gallery.row(row));
                    coded.reach(coded_queries, column_tile, &least, scores, soon, |query, row| {
                        found += 1;
                        let cosine = dot(&block[query * dim..(query + 1) * dim], gallery.row(row));
                        let (candidates, query) = (&mut candidates[query], rows.start + query);
                        let counts = |row| counts(query, row);
                        candidates.offer_one(cosine, row, counts, |row| exact(query, row));
                    });
                    if found * MOST_FOUND > rows.len() * part.len() / dim {
                        floats = FLOAT_TILES;
                    }
                    continue;
                }
                floats = floats.saturating_sub(1);
                let cosines = screen(block, part, dim, tile);
                for ((query, candidates), cosines) in rows.clone().zip(&mut candidates).zip(cosines) {
                    candidates.offer(cosines, start, |row| counts(query, row), |row| exact(query, row));
                }
                // the next tile is compared by codes: raise the bar as far as possible
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score;

    /// Rows of small whole numbers, so that many rows and cosines are equal.
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
                cosine: score::cosine(similarity::score(queries, query, gallery, index)),
            })
            .collect();
        all.sort_by(|a, b| b.cosine.partial_cmp(&a.cosine).unwrap().then(a.index.cmp(&b.index)));
        all.truncate(k);
        all
    }

    #[test]
    fn search_equals_sorting_all_rows() {
        // The second set has 4 distinct rows among thousands: every candidate ties, and the lists overflow.
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

    /// Coded galleries: spread-out rows, thousands of ties, clustered rows (whose residuals differ widely), and a `k` so large
    /// that codes are not worthwhile.
    #[test]
    fn codes_miss_no_neighbour() {
        let clustered = |rows: usize, dim: usize, seed: u32| {
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
            (clustered(1100, 48, 5), clustered(9001, 48, 6)),
        ];
        for (queries, gallery) in &sets {
            assert!(CodedGallery::worthwhile(queries, gallery));
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
    fn copies_are_passed_over_and_crowded_rows_are_ranked_exactly() {
        for (offset, rows) in [(0.0, 600), (0.0, 5000), (3e4, 600), (3e4, 4200)] {
            let shifted = |rows: usize, seed: u32| {
                let set = set(rows, 32, 50_000, seed);
                let scale = |value: &f32| 10.0 * value + offset;
                let data: Vec<f32> = set.unit_rows().iter().map(scale).collect();
                Embeddings::new(&data, rows, 32, set.labels()).unwrap()
            };
            let gallery = shifted(rows, 7);
            let order: Vec<usize> = (0..1100).map(|nth| nth * 7 % rows).collect();
            let queries = gallery.reordered(&order);
            assert_eq!(gallery.crowding().is_some(), offset > 0.0);
            let copies = Copies::between(&queries, &gallery, None);
            assert_eq!(copies.queries, 1100);
            let found = search_without(&queries, &gallery, 3, &copies).unwrap();
            let kept = search(&queries, &gallery, 3).unwrap();
            for query in [0, 5, 1099] {
                let expected = slow(&queries, &gallery, query, Some(order[query]), 3);
                assert_eq!(found.of(query).unwrap(), expected, "{offset} {rows}");
                assert_eq!(kept.of(query).unwrap()[0], Neighbour { index: order[query], cosine: 1.0 });
                assert!(
                    expected[0].cosine < 1.0 && expected.windows(2).all(|two| two[0].cosine > two[1].cosine)
                );
            }
        }
        // Nothing is left for a query whose copies fill the gallery.
        let one = Embeddings::new(&[1.0, 2.0, 1.0, 2.0], 2, 2, &[0, 0]).unwrap();
        let found = search_without(&one, &one, 2, &Copies::between(&one, &one, None)).unwrap();
        assert_eq!((found.of(1), found.of(2), found.queries()), (Some(&[][..]), None, 2));
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
    fn products_are_within_the_stated_error() {
        for dim in [1, 9, 64, 507, 2048] {
            let (a, b) = (set(30, dim, 1000, 1), set(50, dim, 1000, 2));
            let mut tile = Vec::new();
            for (query, cosines) in screen(a.unit_rows(), b.unit_rows(), dim, &mut tile).enumerate() {
                for (row, &cosine) in cosines.iter().enumerate() {
                    let exact = score::rounded(similarity::score(&a, query, &b, row));
                    assert!(
                        (cosine - exact).abs() <= similarity::product_error(dim),
                        "{dim}: {cosine} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn invalid_arguments_are_errors() {
        let (a, b) = (set(3, 2, 5, 1), set(3, 4, 5, 1));
        assert_eq!(search(&a, &b, 1).unwrap_err(), Error::Dimensions { left: 2, right: 4 });
        assert_eq!(search(&a, &a, 0).unwrap_err(), Error::ZeroK);
        assert_eq!(search(&a, &a, 4).unwrap_err(), Error::KTooLarge { k: 4, gallery: 3 });
        assert_eq!(search_within(&a, 3).unwrap_err(), Error::KTooLarge { k: 3, gallery: 2 });
    }
}
