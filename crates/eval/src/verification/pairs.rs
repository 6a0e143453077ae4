//! Verification by the pairs of one set, all of them or a sample.
//!
//! With the rows ordered by label, the partners of row `p` are two ranges: the rest of its class, `p+1..end of class`, and all
//! rows of later classes, `end of class..n`. Every pair occurs once, and the inner loop reads no labels. Pair number `k` of
//! either kind is found from prefix sums, which sampling uses.
//!
//! If the rows have cameras, those of a class are also ordered by camera, and the genuine partners of a row start after its camera. The rows of later
//! classes still have some of its camera: these pairs are left out when they are compared.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use widemargin_chance::{Purpose, Stream};

use super::identity::IdentityPair;
use super::measures::Verification;
use super::scores::SortedScores;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity;

/// Draws per random stream. Changing it changes the samples of every seed.
const DRAWS_PER_STREAM: u64 = 1 << 16;

/// Which pairs [`all_pairs`] compares.
///
/// If there are more than `max_pairs` pairs, each kind gets half of `max_pairs`; what one kind does not need goes to the other. A
/// kind with more pairs than its share is sampled: its pairs, in a fixed order, are cut into as many slices of (almost) equal
/// width as pairs are drawn, and one pair is drawn uniformly from each slice. No pair is drawn twice and all are about equally
/// likely, so the rates within each kind are estimated without bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationOptions {
    /// Largest number of pairs to compare; at least 2. Default: 50 million, which take 200 MB.
    pub max_pairs: u64,
    /// Seed of the sample; has no effect if all pairs are compared. Default: 0.
    pub seed: u64,
}

impl Default for VerificationOptions {
    fn default() -> Self {
        Self { max_pairs: 50_000_000, seed: 0 }
    }
}

/// Evaluates embeddings on all pairs `i < j`, or on a sample if there are more than [`VerificationOptions::max_pairs`].
///
/// If all pairs are compared, the order of the rows has no effect. Pairs of one camera are left out if the rows
/// [have cameras](Embeddings::across_cameras); where pairs are sampled, there are then fewer impostor pairs than the options allow.
///
/// # Errors
/// [`Error::MaxPairs`] if fewer than 2 pairs are allowed, [`Error::OneClass`] if there is no impostor pair and
/// [`Error::NoGenuinePairs`] if every class has a single sample, or a single camera.
pub fn all_pairs(embeddings: &Embeddings, options: &VerificationOptions) -> Result<Verification> {
    let scores = compare(embeddings, options.max_pairs, options.seed, false)?;
    let sorted = SortedScores::of_cosines(scores.genuine, scores.impostor);
    Ok(Verification::new(sorted, scores.all_genuine, scores.all_impostor))
}

/// Evaluates embeddings on equally many genuine and impostor pairs.
///
/// All pairs of the rarer kind are compared (at most half of `max_pairs`), and as many pairs of the other kind are sampled, as
/// described at [`VerificationOptions`]. With cameras, the sampled impostor pairs of one camera are left out.
///
/// # Errors
/// As [`all_pairs`].
pub fn balanced_pairs(embeddings: &Embeddings, options: &VerificationOptions) -> Result<Verification> {
    let scores = compare(embeddings, options.max_pairs, options.seed, true)?;
    let (genuine, impostor) = (scores.genuine.len() as u64, scores.impostor.len() as u64);
    let mut found =
        Verification::new(SortedScores::of_cosines(scores.genuine, scores.impostor), genuine, impostor);
    found.pairs_in_all = scores.all_genuine + scores.all_impostor;
    Ok(found)
}

/// The stored cosines of the pairs compared, in no particular order, and how many pairs exist.
pub(crate) struct PairScores {
    pub(crate) genuine: Vec<f32>,
    pub(crate) impostor: Vec<f32>,
    pub(crate) all_genuine: u64,
    pub(crate) all_impostor: u64,
}

/// One kind of pair (genuine or impostor): for each row, the range of its partners.
struct Kind {
    partners: Vec<Range<usize>>,
    /// `before[p]` pairs belong to rows before `p`; one entry more than rows.
    before: Vec<u64>,
}

impl Kind {
    fn new(partners: Vec<Range<usize>>) -> Self {
        let mut before = Vec::with_capacity(partners.len() + 1);
        let mut sum = 0;
        before.push(sum);
        for range in &partners {
            sum += range.len() as u64;
            before.push(sum);
        }
        Self { partners, before }
    }

    fn count(&self) -> u64 {
        *self.before.last().expect("the prefix sums start with a zero")
    }

    /// Stored cosines of a sample of `size` pairs of this kind, or of all pairs if there are no more, without those of one camera.
    fn scores(&self, embeddings: &Embeddings, size: u64, seed: u64, stream: u64) -> Vec<f32> {
        let compares = |&(a, b): &(usize, usize)| embeddings.compares(a, b);
        if size >= self.count() {
            let mut all = similarity::with_partners(embeddings, |row: usize| self.partners[row].clone());
            if embeddings.cameras().is_some() {
                let mut rows = self.rows_of(0..self.count());
                all.retain(|_| rows.next().is_some_and(|rows| compares(&rows)));
            }
            return all;
        }
        let parts: Vec<Vec<f32>> = (0..size.div_ceil(DRAWS_PER_STREAM))
            .into_par_iter()
            .map(|part| {
                let draws = self.draw(part, size, seed, stream);
                let score = |(a, b)| similarity::score(embeddings, a, embeddings, b);
                self.rows_of(draws).filter(compares).map(score).collect()
            })
            .collect();
        parts.concat()
    }

    /// The rows of the pairs of [`Kind::scores`], in order.
    fn pairs(&self, size: u64, seed: u64, stream: u64) -> Vec<(usize, usize)> {
        if size >= self.count() {
            return self.rows_of(0..self.count()).collect();
        }
        let parts = 0..size.div_ceil(DRAWS_PER_STREAM);
        parts.flat_map(|part| self.rows_of(self.draw(part, size, seed, stream)).collect::<Vec<_>>()).collect()
    }

    /// Pair numbers of one part of the sample: one drawn uniformly from each of `size` slices of (almost) equal width.
    ///
    /// They rise within a part and from part to part.
    fn draw(&self, part: u64, size: u64, seed: u64, stream: u64) -> impl Iterator<Item = u64> {
        let count = u128::from(self.count());
        let edge = move |slice: u64| (u128::from(slice) * count / u128::from(size)) as u64;
        let mut random = Stream::new(seed, Purpose::PairSample, part, stream);
        let slices = part * DRAWS_PER_STREAM..((part + 1) * DRAWS_PER_STREAM).min(size);
        slices.map(move |slice| {
            let width = edge(slice + 1) - edge(slice);
            edge(slice) + random.below(width as usize) as u64
        })
    }

    /// Both rows of each pair number; the numbers rise and are less than `count()`.
    fn rows_of(&self, pairs: impl Iterator<Item = u64>) -> impl Iterator<Item = (usize, usize)> {
        let mut row = None;
        pairs.map(move |pair| {
            let find = || self.before.partition_point(|&before| before <= pair) - 1;
            let row = row.get_or_insert_with(find);
            while self.before[*row + 1] <= pair {
                *row += 1;
            }
            (*row, self.partners[*row].start + (pair - self.before[*row]) as usize)
        })
    }
}

/// Which pairs of a set ordered by label are compared.
struct Chosen {
    genuine: Kind,
    impostor: Kind,
    /// How many pairs of each kind.
    sizes: (u64, u64),
    /// How many impostor pairs there are, without those of one camera.
    all_impostor: u64,
}

/// All pairs if there are at most `max_pairs`, else a sample as described at [`VerificationOptions`].
/// With `balanced`, both kinds get the same number of pairs: as many as the rarer kind has and the limit allows.
fn choose(sorted: &Embeddings, max_pairs: u64, balanced: bool) -> Result<Chosen> {
    let labels = sorted.labels();
    let mut same = Vec::with_capacity(labels.len());
    let mut different = Vec::with_capacity(labels.len());
    let mut classes = 0;
    for class in labels.chunk_by(|a, b| a == b) {
        let end = same.len() + class.len();
        while same.len() < end {
            let first = same.len();
            let of_camera = sorted
                .cameras()
                .map_or(1, |all| all[first..end].iter().take_while(|camera| **camera == all[first]).count());
            for _ in 0..of_camera {
                same.push(first + of_camera..end);
                different.push(end..labels.len());
            }
        }
        classes += 1;
    }
    let (genuine, impostor) = (Kind::new(same), Kind::new(different));
    if genuine.count() == 0 {
        return Err(Error::NoGenuinePairs { classes });
    }
    let sizes = if balanced {
        let size = genuine.count().min(impostor.count()).min(max_pairs / 2);
        (size, size)
    } else {
        share(genuine.count(), impostor.count(), max_pairs)
    };
    let all_impostor = compared_pairs(sorted) - genuine.count();
    if all_impostor == 0 {
        return Err(Error::MissingScores { genuine: genuine.count() as usize, impostor: 0 });
    }
    Ok(Chosen { genuine, impostor, sizes, all_impostor })
}

/// How many pairs of rows are compared: all, or all of two cameras.
pub(super) fn compared_pairs(embeddings: &Embeddings) -> u64 {
    let pairs = |rows: u64| rows * (rows - 1) / 2;
    let mut of_camera: BTreeMap<u32, u64> = BTreeMap::new();
    for camera in embeddings.cameras().into_iter().flatten() {
        *of_camera.entry(*camera).or_default() += 1;
    }
    pairs(embeddings.rows() as u64) - of_camera.into_values().map(pairs).sum::<u64>()
}

/// Compares the pairs that [`choose`] gives.
pub(crate) fn compare(
    embeddings: &Embeddings,
    max_pairs: u64,
    seed: u64,
    balanced: bool,
) -> Result<PairScores> {
    if max_pairs < 2 {
        return Err(Error::MaxPairs { max_pairs });
    }
    embeddings.require_two_classes()?;
    let embeddings = embeddings.sorted_by_label();
    let Chosen { genuine, impostor, sizes, all_impostor } = choose(&embeddings, max_pairs, balanced)?;
    Ok(PairScores {
        genuine: genuine.scores(&embeddings, sizes.0, seed, 0),
        impostor: impostor.scores(&embeddings, sizes.1, seed, 1),
        all_genuine: genuine.count(),
        all_impostor,
    })
}

/// The pairs that [`all_pairs`] compares, or [`balanced_pairs`] if `balanced`, with the classes of both rows: for intervals by
/// [`bootstrap::identities`](super::bootstrap::identities).
///
/// # Errors
/// As [`all_pairs`].
pub fn identity_pairs(
    embeddings: &Embeddings,
    options: &VerificationOptions,
    balanced: bool,
) -> Result<Vec<IdentityPair>> {
    let VerificationOptions { max_pairs, seed } = *options;
    if max_pairs < 2 {
        return Err(Error::MaxPairs { max_pairs });
    }
    embeddings.require_two_classes()?;
    let sorted = embeddings.sorted_by_label();
    let Chosen { genuine, impostor, sizes, .. } = choose(&sorted, max_pairs, balanced)?;
    let mut rows = genuine.pairs(sizes.0, seed, 0);
    rows.extend(impostor.pairs(sizes.1, seed, 1).into_iter().filter(|&(a, b)| sorted.compares(a, b)));
    let labels = sorted.labels();
    let pair = |&(a, b): &(usize, usize)| IdentityPair {
        score: score::cosine(similarity::score(&sorted, a, &sorted, b)),
        same: labels[a] == labels[b],
        identities: (labels[a], labels[b]),
    };
    Ok(rows.par_iter().map(pair).collect())
}

/// Shares `max_pairs` between the kinds: half each, and what one kind does not need goes to the other.
fn share(genuine: u64, impostor: u64, max_pairs: u64) -> (u64, u64) {
    let genuine_size = genuine.min((max_pairs / 2).max(max_pairs.saturating_sub(impostor)));
    (genuine_size, impostor.min(max_pairs - genuine_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_shared_between_the_kinds_and_none_wasted() {
        assert_eq!(share(10, 90, 100), (10, 90));
        assert_eq!(share(10, 90, 1000), (10, 90));
        assert_eq!(share(10, 90, 50), (10, 40));
        assert_eq!(share(60, 90, 50), (25, 25));
        assert_eq!(share(90, 10, 50), (40, 10));
        assert_eq!(share(1, 1, 2), (1, 1));
        assert_eq!(share(u64::MAX / 2, u64::MAX / 2, 3), (1, 2));
    }

    #[test]
    fn pair_numbers_enumerate_the_pairs() {
        let kind = Kind::new(vec![1..3, 2..3, 3..3, 4..6, 5..6, 6..6]);
        assert_eq!(kind.count(), 6);
        let pairs: Vec<_> = kind.rows_of(0..6).collect();
        assert_eq!(pairs, [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]);
        assert_eq!(kind.rows_of([3, 5].into_iter()).collect::<Vec<_>>(), [(3, 4), (4, 5)]);
    }

    #[test]
    fn samples_are_distinct_uniform_and_repeatable() {
        let partners: Vec<_> = (0..500).map(|row| row + 1..500).collect();
        let kind = Kind::new(partners);
        let size = 100_000;
        let sample = |seed, stream| -> Vec<u64> {
            (0..2).flat_map(|part| kind.draw(part, size, seed, stream)).collect()
        };
        let pairs = sample(5, 0);
        assert_eq!(pairs.len() as u64, size);
        assert!(pairs.windows(2).all(|two| two[0] < two[1]), "drawn twice or out of order");
        assert!(*pairs.last().unwrap() < kind.count());
        assert_eq!(pairs, sample(5, 0));
        assert_ne!(pairs, sample(6, 0));
        assert_ne!(pairs, sample(5, 1));
        let mean = pairs.iter().sum::<u64>() as f64 / size as f64;
        assert!((mean / (kind.count() as f64 / 2.0) - 1.0).abs() < 1e-4, "mean {mean}");
    }
}
