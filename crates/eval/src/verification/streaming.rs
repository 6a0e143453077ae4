//! Verification with more pairs than fit in memory: 10^10 and more.
//!
//! Cosines are computed in tiles by blocked matrix products and counted immediately in narrow bins over [-1, 1]; no score is
//! kept. All scores of a bin count as equal to its lower edge. So a threshold is exact to one bin width (the `resolution` of the
//! result), and every rate lies between the exact rates at the two edges. In addition to the embeddings, each thread needs 24
//! bytes per bin, a tile of 256 KiB and the rows of the tile, for any number of pairs. Counts are integers, so the result does
//! not depend on how threads share the tiles. Matrix products round in another order than [`all_pairs`](super::all_pairs), so a
//! cosine can differ from its value there by about 1e-6. A threshold for a false accept rate therefore lies above the first bin that
//! must be rejected and the next 1e-6, and keeps the rate in both ways of counting. Cosines above 0.999 are computed again as there, and have bins whose width
//! is at most 2^-11 of the distance from 1.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use widemargin_kernels::matrix::{self, MatRef, Threads, Write};

use super::list::ScoreList;
use super::measures::{Verification, require_both};
use super::scores::SortedScores;
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::score::{self, NEAR, NEAR_BINS};
use crate::similarity;

/// Rows on either side of a tile.
const TILE: usize = 256;
/// Number of pairs after which a thread adds its 32-bit counters to the 64-bit ones. The small counters are faster.
const FLUSH: u64 = 1 << 31;

/// The number of bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamingOptions {
    /// The number of bins is 2 to this power, between 8 and 22. Default 20: bins of width 1.9e-6, 24 MiB per thread.
    pub bins_log2: u32,
}

impl Default for StreamingOptions {
    fn default() -> Self {
        Self { bins_log2: 20 }
    }
}

/// [`all_pairs`](super::all_pairs) in constant memory.
///
/// # Errors
/// [`Error::Option`] for bins outside their range, [`Error::OneClass`] and [`Error::NoGenuinePairs`]; [`Error::MissingScores`] if cameras leave one
/// kind of pair without any.
pub fn all_pairs(
    embeddings: &Embeddings,
    options: &StreamingOptions,
    progress: Progress<'_>,
) -> Result<Verification> {
    embeddings.require_two_classes()?;
    let sorted = embeddings.sorted_by_label();
    let labels = sorted.labels();
    let rows = sorted.rows();
    let classes: Vec<usize> = labels.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    if classes.iter().all(|&size| size == 1) {
        return Err(Error::NoGenuinePairs { classes: classes.len() });
    }
    let ends: Vec<usize> = classes
        .iter()
        .scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        })
        .collect();
    let end_of_class = |row: usize| ends[ends.partition_point(|&end| end <= row)];
    let total = rows as u64 * (rows as u64 - 1) / 2;
    // Partners of row `a` are the rows after it: genuine up to the end of its class, impostors from there.
    let partners = |a| (a + 1..rows, a + 1..end_of_class(a));
    let compares = |a: usize, b: usize| sorted.compares(a, b);
    let compares: Option<&(dyn Fn(usize, usize) -> bool + Sync)> = sorted.cameras().map(|_| &compares as _);
    stream(&sorted, &sorted, *options, (total, progress), partners, compares)
}

/// [`enrol_probe`](super::enrol_probe) without keeping scores.
///
/// # Errors
/// [`Error::Option`] for bins outside their range, [`Error::Dimensions`], [`Error::MissingScores`] if one kind of pair
/// does not exist.
pub fn enrol_probe(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    options: &StreamingOptions,
    progress: Progress<'_>,
) -> Result<Verification> {
    enrol.require_same_dim(probe)?;
    let mut order: Vec<usize> = (0..probe.rows()).collect();
    order.sort_by_key(|&row| probe.labels()[row]);
    let probe = probe.reordered(&order);
    let labels = probe.labels();
    let total = enrol.rows() as u64 * probe.rows() as u64;
    let partners = |a: usize| {
        let label = enrol.labels()[a];
        let start = labels.partition_point(|&other| other < label);
        (0..labels.len(), start..labels.partition_point(|&other| other <= label))
    };
    let copies = copies.filter(|copies| copies.any());
    let counts = |a: usize, b: usize| copies.is_none_or(|copies| !copies.same(a, order[b]));
    let counts: Option<&(dyn Fn(usize, usize) -> bool + Sync)> = copies.map(|_| &counts as _);
    stream(enrol, &probe, *options, (total, progress), partners, counts)
}

/// Counts of one thread.
struct Counts {
    genuine: Counter,
    impostor: Counter,
}

/// Scores counted in bins.
struct Counter {
    recent: Vec<u32>,
    before: Vec<u64>,
}

impl Counter {
    /// With `even` equal bins over [-1, 1], and those near 1.
    fn new(even: usize) -> Self {
        let bins = even + NEAR_BINS;
        Self { recent: vec![0; bins], before: vec![0; bins] }
    }

    fn flush(&mut self) {
        for (sum, count) in self.before.iter_mut().zip(&mut self.recent) {
            *sum += u64::from(std::mem::take(count));
        }
    }

    /// Adds each cosine to its bin. Exact: the scale is a power of two, and the rest are whole numbers. Knows no bins near 1.
    fn count(&mut self, cosines: &[f32]) {
        let even = self.recent.len() - NEAR_BINS;
        let half = (even / 2) as i32;
        let (scale, last) = (half as f32, even as i32 - 1);
        for &cosine in cosines {
            let scaled = cosine * scale;
            let toward_zero = scaled as i32;
            let floor = toward_zero - i32::from(toward_zero as f32 > scaled);
            self.recent[(floor + half).clamp(0, last) as usize] += 1;
        }
    }

    /// Adds a score, in the bins near 1 if it is there.
    fn count_score(&mut self, score: f32) {
        if score > NEAR {
            let bin = self.recent.len() - NEAR_BINS + score::near_bin(score);
            self.recent[bin] += 1;
        } else {
            self.count(&[score]);
        }
    }
}

/// Counts, for each row `a` of `left`, its pairs with the rows `partners(a).0` of `right`; those with `partners(a).1` are genuine. Only
/// pairs that `counts` are counted.
fn stream(
    left: &Embeddings,
    right: &Embeddings,
    options: StreamingOptions,
    (total, progress): (u64, Progress<'_>),
    partners: impl Fn(usize) -> (Range<usize>, Range<usize>) + Sync,
    counts_pair: Option<&(dyn Fn(usize, usize) -> bool + Sync)>,
) -> Result<Verification> {
    if !(8..=22).contains(&options.bins_log2) {
        let value = f64::from(options.bins_log2);
        return Err(Error::Option { name: "bins_log2", value, expected: "between 8 and 22" });
    }
    let bins = 1_usize << options.bins_log2;
    let dim = left.dim();
    // From here on, the exact score may be above the limit.
    let near = NEAR - similarity::product_error(dim);
    let (left_tiles, right_tiles) = (left.rows().div_ceil(TILE), right.rows().div_ceil(TILE));
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let view = |set: &Embeddings, rows: Range<usize>, padded: &mut Vec<f32>| {
        // All tiles have the same size, so that every cosine is computed in the same way.
        padded.clear();
        padded.extend_from_slice(&set.unit_rows()[rows.start * dim..rows.end * dim]);
        padded.resize(TILE * dim, 0.0);
    };
    let work = |_| {
        let mut counts = Counts { genuine: Counter::new(bins), impostor: Counter::new(bins) };
        let mut since = 0;
        let (mut a, mut b, mut tile) = (Vec::new(), Vec::new(), vec![0.0; TILE * TILE]);
        loop {
            let row_tile = next.fetch_add(1, Ordering::Relaxed);
            if row_tile >= left_tiles {
                counts.genuine.flush();
                counts.impostor.flush();
                return counts;
            }
            let rows = row_tile * TILE..((row_tile + 1) * TILE).min(left.rows());
            let ranges: Vec<_> = rows.clone().map(&partners).collect();
            view(left, rows.clone(), &mut a);
            for column_tile in 0..right_tiles {
                let columns = column_tile * TILE..((column_tile + 1) * TILE).min(right.rows());
                if ranges.iter().all(|(all, _)| all.end <= columns.start || all.start >= columns.end) {
                    continue;
                }
                view(right, columns.clone(), &mut b);
                let (a, b) = (
                    MatRef::new(&a, TILE, dim).expect("padded to a whole tile"),
                    MatRef::new(&b, TILE, dim).expect("padded to a whole tile"),
                );
                matrix::matmul_transposed_b(&mut tile, a, b, Write::Replace, Threads::Serial);
                let mut compared = 0;
                for ((row, (all, genuine)), cosines) in rows.clone().zip(&ranges).zip(tile.chunks_exact(TILE))
                {
                    let inside = |at: usize| at.clamp(columns.start, columns.end) - columns.start;
                    let (start, end) = (inside(all.start), inside(all.end));
                    let (from, to) =
                        (inside(genuine.start).clamp(start, end), inside(genuine.end).clamp(start, end));
                    let to = to.max(from);
                    for (same, part) in [(false, start..from), (true, from..to), (false, to..end)] {
                        let counter = if same { &mut counts.genuine } else { &mut counts.impostor };
                        let cosines = &cosines[part.clone()];
                        let is_near = |&cosine: &f32| cosine >= near;
                        if counts_pair.is_none() && !cosines.iter().any(is_near) {
                            counter.count(cosines);
                            continue;
                        }
                        for (at, cosine) in part.zip(cosines) {
                            let column = columns.start + at;
                            if counts_pair.is_some_and(|counts| !counts(row, column)) {
                                continue;
                            }
                            let exact = is_near(cosine).then(|| similarity::score(left, row, right, column));
                            counter.count_score(exact.unwrap_or(*cosine));
                        }
                    }
                    compared += (end - start) as u64;
                }
                since += compared;
                if since > FLUSH {
                    counts.genuine.flush();
                    counts.impostor.flush();
                    since = 0;
                }
                progress(done.fetch_add(compared, Ordering::Relaxed) + compared, total);
            }
        }
    };
    let threads = rayon::current_num_threads().min(left_tiles);
    let all: Vec<Counts> = (0..threads).into_par_iter().map(work).collect();
    let (mut genuine, mut impostor) = (vec![0; bins + NEAR_BINS], vec![0; bins + NEAR_BINS]);
    for counts in all {
        for (sum, count) in genuine.iter_mut().zip(counts.genuine.before) {
            *sum += count;
        }
        for (sum, count) in impostor.iter_mut().zip(counts.impostor.before) {
            *sum += count;
        }
    }
    let last = genuine[bins + NEAR_BINS - 1] + impostor[bins + NEAR_BINS - 1];
    let (genuine, impostor) = (ScoreList::binned(genuine), ScoreList::binned(impostor));
    let lengths = (genuine.len(), impostor.len());
    require_both(lengths.0, lengths.1)?;
    let scores = SortedScores::of_lists(genuine, impostor);
    let mut found = Verification::new(scores, lengths.0 as u64, lengths.1 as u64);
    found.resolution = Some(2.0 / bins as f64);
    let share = last as f64 / found.pairs as f64;
    // Copies have the cosine 1 in every set; in a crowded set, the bin holds other pairs too.
    if share >= 0.01 && (left.crowding().is_some() || right.crowding().is_some()) {
        found.warnings.push(format!(
            "{:.0} % of the cosines are within 2.3e-13 of 1 and share one bin, which cannot separate them: they count as equal. Keep the scores \
             of all pairs, compare a sample, or subtract the mean embedding.",
            100.0 * share
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{VerificationOptions, all_pairs as exactly, enrol_probe as exactly_between};
    use super::*;

    fn set(rows: usize, classes: u32, seed: u32) -> Embeddings {
        let dim = 5;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let labels: Vec<u32> = (0..rows as u32).map(|row| row * 7 % classes).collect();
        let data: Vec<f32> = (0..rows * dim)
            .map(|at| ((labels[at / dim] * 3 + (at % dim) as u32) as f32).sin() + 2.0 * next())
            .collect();
        Embeddings::new(&data, rows, dim, &labels).unwrap()
    }

    fn near(binned: &Verification, exact: &Verification) {
        assert_eq!((binned.genuine, binned.impostor), (exact.genuine, exact.impostor));
        let width = binned.resolution.unwrap();
        // What the binned rate may be off by: the pairs within two bins of the threshold.
        for far in [0.001, 0.01, 0.1, 0.5] {
            let point = binned.operating_point_at_far(far).unwrap();
            let [low, high] =
                [-2.0, 2.0].map(|bins| exact.operating_point_at_threshold(point.threshold + bins * width));
            assert!(high.tar <= point.tar && point.tar <= low.tar, "{point:?} {low:?} {high:?}");
            assert!(high.far <= point.far && point.far <= low.far, "{point:?} {low:?} {high:?}");
        }
        assert!((binned.auc - exact.auc).abs() < 10.0 * width, "{} {}", binned.auc, exact.auc);
        assert!((binned.eer - exact.eer).abs() < 0.002, "{} {}", binned.eer, exact.eer);
    }

    #[test]
    fn streamed_rates_are_exact_within_the_resolution() {
        let last = AtomicU64::new(0);
        let progress = |done: u64, total: u64| {
            assert!(done <= total);
            last.fetch_max(done, Ordering::Relaxed);
        };
        // Less than one tile, and several with a ragged end.
        for rows in [90, 1100] {
            let embeddings = set(rows, 6, 3);
            let exact = exactly(&embeddings, &VerificationOptions::default()).unwrap();
            last.store(0, Ordering::Relaxed);
            let binned = all_pairs(&embeddings, &StreamingOptions { bins_log2: 16 }, &progress).unwrap();
            assert_eq!(last.load(Ordering::Relaxed), exact.pairs);
            near(&binned, &exact);
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let again = pool.install(|| {
                    all_pairs(&embeddings, &StreamingOptions { bins_log2: 16 }, &progress).unwrap()
                });
                assert_eq!((&again.roc, again.auc, again.eer), (&binned.roc, binned.auc, binned.eer));
            }
        }
        let (enrol, probe) = (set(70, 5, 1), set(620, 8, 2));
        let exact = exactly_between(&enrol, &probe, None, &VerificationOptions::default()).unwrap();
        near(&enrol_probe(&enrol, &probe, None, &StreamingOptions::default(), &|_, _| ()).unwrap(), &exact);
    }

    #[test]
    fn crowded_and_copied_rows_are_counted_as_they_are_kept() {
        let plain = set(300, 6, 5);
        for offset in [0.0, 100.0, 3e4] {
            let data: Vec<f32> = plain.unit_rows().iter().map(|value| 3.0 * value + offset).collect();
            let embeddings = Embeddings::new(&data, 300, 5, plain.labels()).unwrap();
            let exact = exactly(&embeddings, &VerificationOptions::default()).unwrap();
            let binned = all_pairs(&embeddings, &StreamingOptions::default(), &|_, _| ()).unwrap();
            // A bin is 2^-11 of the distance from 1 wide.
            assert!((binned.auc - exact.auc).abs() < 1e-3, "{offset}: {} {}", binned.auc, exact.auc);
            assert!((binned.eer - exact.eer).abs() < 2e-3, "{offset}: {} {}", binned.eer, exact.eer);
            let probe = embeddings.reordered(&(100..300).collect::<Vec<_>>());
            let copies = Copies::between(&embeddings, &probe, None);
            let options = VerificationOptions::default();
            let exact = exactly_between(&embeddings, &probe, Some(&copies), &options).unwrap();
            let options = StreamingOptions::default();
            let binned = enrol_probe(&embeddings, &probe, Some(&copies), &options, &|_, _| ()).unwrap();
            assert_eq!((binned.genuine, binned.impostor), (exact.genuine, exact.impostor));
            assert_eq!(exact.pairs, 300 * 200 - 200);
            assert!((binned.auc - exact.auc).abs() < 1e-3, "{offset}: {} {}", binned.auc, exact.auc);
        }
    }

    #[test]
    fn a_threshold_for_a_false_accept_rate_keeps_it() {
        // Rows of +-1 have few different cosines, some of which are edges of bins up to rounding. The last are crowded, or copies.
        for (seed, (dim, kind)) in (1..).zip([4, 8, 10, 16].map(|dim| (dim, "code")).into_iter().chain([
            (5, "plain"),
            (48, "plain"),
            (300, "plain"),
            (5, "crowded"),
            (6, "very crowded"),
            (3, "copies"),
        ])) {
            let rows = 240;
            let mut state: u32 = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / 16_777_216.0 - 0.5
            };
            let labels: Vec<u32> = (0..rows as u32).map(|row| row % 12).collect();
            let data: Vec<f64> = (0..rows * dim)
                .map(|at| {
                    let value = (f64::from(labels[at / dim]) * 3.7 + (at % dim) as f64).sin() + 1.6 * next();
                    match kind {
                        "code" => value.signum(),
                        "crowded" => value + 100.0,
                        "very crowded" => value + 3e6,
                        "copies" => (2.0 * value).round() + 0.25,
                        _ => value,
                    }
                })
                .collect();
            let single: Vec<f32> = data.iter().map(|&value| value as f32).collect();
            let rests: Vec<f32> =
                data.iter().zip(&single).map(|(value, &single)| (value - f64::from(single)) as f32).collect();
            let embeddings = Embeddings::precise(&single, Some(&rests), rows, dim, &labels).unwrap();
            let exact = exactly(&embeddings, &VerificationOptions::default()).unwrap();
            for bins_log2 in [11, 16, if dim == 10 { 22 } else { 20 }] {
                let binned = all_pairs(&embeddings, &StreamingOptions { bins_log2 }, &|_, _| ()).unwrap();
                for far in [0.0, 1e-6, 1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0]
                {
                    let what = format!("{kind} {dim}, 2^{bins_log2} bins, FAR {far}");
                    let point = binned.operating_point_at_far(far).unwrap();
                    assert!(point.far <= far, "{what}: {point:?}");
                    assert_eq!(binned.operating_point_at_threshold(point.threshold), point, "{what}");
                    let there = exact.operating_point_at_threshold(point.threshold);
                    assert!(there.far <= far, "{what}: {point:?} {there:?}");
                    // no more is lost than the bins near the threshold
                    if kind == "plain" && bins_log2 > 11 {
                        assert!(point.tar >= exact.tar_at_far(far) - 0.02, "{what}: {point:?}");
                    }
                }
                let unresolved = binned.warnings.iter().any(|warning| warning.contains("share one bin"));
                assert_eq!(unresolved, kind == "very crowded", "{:?}", binned.warnings);
            }
        }
    }

    #[test]
    fn every_cosine_is_counted_in_its_bin() {
        for (cosine, bin) in [
            (-1.0, 0),
            (-1.000_001, 0),
            (-0.76, 0),
            (-0.75, 1),
            (-1e-30, 3),
            (0.0, 4),
            (0.249, 4),
            (0.25, 5),
            (1.0, 7),
            (1.000_001, 7),
        ] {
            let mut counter = Counter::new(8);
            counter.count(&[cosine]);
            assert_eq!(counter.recent.iter().position(|&c| c == 1), Some(bin), "{cosine}");
            counter.flush();
            assert_eq!((counter.recent[bin], counter.before[bin]), (0, 1));
        }
    }

    #[test]
    fn invalid_arguments_are_errors() {
        let embeddings = set(20, 4, 1);
        for bins_log2 in [7, 23] {
            let error = all_pairs(&embeddings, &StreamingOptions { bins_log2 }, &|_, _| ()).unwrap_err();
            assert!(matches!(error, Error::Option { name: "bins_log2", .. }));
        }
        let options = StreamingOptions::default();
        let error = |labels: &[u32]| {
            let set = Embeddings::new(&[1.0, 2.0, 3.0], 3, 1, labels).unwrap();
            all_pairs(&set, &options, &|_, _| ()).unwrap_err()
        };
        assert_eq!(error(&[1, 1, 1]), Error::OneClass { class: 1, rows: 3 });
        assert_eq!(error(&[1, 2, 3]), Error::NoGenuinePairs { classes: 3 });
        let unknown = Embeddings::new(&[1.0; 5], 1, 5, &[99]).unwrap();
        let error = enrol_probe(&embeddings, &unknown, None, &options, &|_, _| ()).unwrap_err();
        assert_eq!(error, Error::MissingScores { genuine: 0, impostor: 20 });
    }
}
