//! Rows of one camera are not compared, in every evaluation within one set: compared with the definition, pair by pair.

use widemargin_chance::{Purpose, Stream};

use crate::extremes::extremes;
use crate::retrieval::{self, Gallery};
use crate::verification::bootstrap::{self, BootstrapOptions};
use crate::verification::streaming::{self, StreamingOptions};
use crate::verification::{self, Verification, VerificationOptions};
use crate::{Embeddings, Error};

/// 120 random rows of 12 classes and 4 cameras; class 0 has one camera only.
fn set() -> Embeddings {
    let mut random = Stream::new(5, Purpose::Test, 0, 0);
    let labels: Vec<u32> = (0..120).map(|row| row * 7 % 12).collect();
    let data: Vec<f32> = (0..120 * 6)
        .map(|at| ((labels[at / 6] * 5 + (at % 6) as u32) as f32).sin() + random.normal() as f32)
        .collect();
    let cameras = labels.iter().map(|label| if *label == 0 { 2 } else { random.below(4) as u32 }).collect();
    Embeddings::new(&data, 120, 6, &labels).unwrap().across_cameras(cameras).unwrap()
}

/// All pairs of rows of different cameras, with whether their classes are equal.
fn pairs(set: &Embeddings) -> Vec<(usize, usize, bool)> {
    let (labels, cameras) = (set.labels(), set.cameras().unwrap());
    let all = (0..set.rows()).flat_map(|a| (a + 1..set.rows()).map(move |b| (a, b)));
    all.filter(|(a, b)| cameras[*a] != cameras[*b]).map(|(a, b)| (a, b, labels[a] == labels[b])).collect()
}

/// The rows that a query is compared with, nearest first.
fn ranking(set: &Embeddings, query: usize) -> Vec<usize> {
    let cameras = set.cameras().unwrap();
    let mut rows: Vec<usize> = (0..set.rows()).filter(|row| cameras[*row] != cameras[query]).collect();
    rows.sort_by(|a, b| set.cosine(query, *b).unwrap().total_cmp(&set.cosine(query, *a).unwrap()));
    rows
}

#[test]
fn pairs_of_one_camera_are_neither_genuine_nor_impostor_pairs() {
    let set = set();
    let of_kind = |same: bool| -> Vec<f64> {
        let all = pairs(&set).into_iter().filter(|pair| pair.2 == same);
        all.map(|(a, b, _)| set.cosine(a, b).unwrap()).collect()
    };
    let (genuine, impostor) = (of_kind(true), of_kind(false));
    let expected = verification::from_cosines(genuine.clone(), impostor.clone()).unwrap();
    let equal = |found: &Verification| {
        assert_eq!((found.genuine, found.impostor), (expected.genuine, expected.impostor));
        assert_eq!(found.pairs_in_all, expected.pairs);
        assert!((found.auc - expected.auc).abs() < 1e-4 && (found.eer - expected.eer).abs() < 1e-3);
    };
    let all = verification::all_pairs(&set, &VerificationOptions::default()).unwrap();
    equal(&all);
    assert_eq!((all.auc, all.eer), (expected.auc, expected.eer));
    equal(&streaming::all_pairs(&set, &StreamingOptions::default(), &|_, _| ()).unwrap());
    let listed = verification::identity_pairs(&set, &VerificationOptions::default(), false).unwrap();
    assert_eq!(listed.len() as u64, expected.pairs);
    assert_eq!(listed.iter().filter(|pair| pair.same).count() as u64, expected.genuine);
    let balanced = verification::balanced_pairs(&set, &VerificationOptions::default()).unwrap();
    assert_eq!(balanced.genuine, expected.genuine);
    assert!(balanced.impostor > expected.genuine / 2 && balanced.impostor < expected.genuine);
    // A sample has no pair of one camera either: with it, the share of accepted impostor pairs is that of all.
    let few = VerificationOptions { max_pairs: 3000, seed: 3 };
    let sampled = verification::all_pairs(&set, &few).unwrap();
    assert_eq!((sampled.genuine, sampled.pairs_in_all), (expected.genuine, expected.pairs));
    assert!(sampled.impostor < 3000 - sampled.genuine && sampled.impostor > 1500);
    assert!((sampled.eer - expected.eer).abs() < 0.02, "{} {}", sampled.eer, expected.eer);
    let intervals =
        bootstrap::classes(&set, &BootstrapOptions { resamples: 50, ..BootstrapOptions::default() });
    let intervals = intervals.unwrap();
    assert_eq!((intervals.drawn_genuine, intervals.drawn_impostor), (11, 12), "class 0 has no genuine pair");
    assert!(intervals.eer.low < all.eer && all.eer < intervals.eer.high);
}

#[test]
fn rows_of_the_querys_camera_are_neither_hits_nor_misses() {
    let set = set();
    let labels = set.labels();
    let (mut queries, mut first, mut r_precision, mut map) = (0.0, 0.0, 0.0, 0.0);
    for query in 0..set.rows() {
        let rows = ranking(&set, query);
        let hits: Vec<usize> =
            (0..rows.len()).filter(|place| labels[rows[*place]] == labels[query]).collect();
        assert_eq!(
            retrieval::nearest(&set, query, 5).unwrap().iter().map(|found| found.index).collect::<Vec<_>>(),
            rows[..5]
        );
        if hits.is_empty() {
            continue;
        }
        queries += 1.0;
        first += f64::from(u8::from(hits[0] == 0));
        r_precision += hits.iter().filter(|place| **place < hits.len()).count() as f64 / hits.len() as f64;
        let precisions = hits.iter().enumerate().map(|(nth, place)| (nth + 1) as f64 / (place + 1) as f64);
        map += precisions.sum::<f64>() / hits.len() as f64;
    }
    let found = retrieval::evaluate(&set, &[1, 5]).unwrap();
    assert_eq!((found.queries, found.excluded_queries), (110, 10), "class 0 has one camera");
    let near = |found: f64, expected: f64| assert!((found - expected / queries).abs() < 1e-12);
    near(found.recall_at[&1], first);
    near(found.r_precision, r_precision);
    let ranked = retrieval::rank(&set, Gallery::others(), &[1, 5]).unwrap();
    assert_eq!((ranked.queries, &ranked.recall_at, ranked.map_at_r), (110, &found.recall_at, found.map_at_r));
    near(ranked.mean_average_precision, map);
    let nearest = retrieval::nearest_rows(&set, Gallery::others()).unwrap();
    let neighbours = retrieval::search_within(&set, 3).unwrap();
    for (found, extremes) in (0..).zip(extremes(&set)) {
        let rows = ranking(&set, found);
        assert_eq!(nearest[found].unwrap().index, rows[0]);
        assert_eq!(neighbours.of(found).unwrap()[2].index, rows[2]);
        let of = |same: bool| rows.iter().copied().filter(move |row| (labels[*row] == labels[found]) == same);
        assert_eq!(extremes.nearest_same.map(|row| row.index), of(true).next());
        assert_eq!(extremes.farthest_same.map(|row| row.index), of(true).next_back());
        assert_eq!(extremes.nearest_other.map(|row| row.index), of(false).next());
    }
}

#[test]
fn intervals_of_retrieval_contain_the_measures_and_shrink_with_equal_classes() {
    let set = set();
    let ranks = retrieval::ranks(&set, Gallery::others()).unwrap();
    let options = BootstrapOptions { resamples: 400, ..BootstrapOptions::default() };
    let (measures, found) = (ranks.measures(&[1]), ranks.intervals(&[1], &options).unwrap());
    assert_eq!((found.classes, found.resamples), (11, 400));
    for (interval, value) in [
        (found.recall_at[&1], measures.recall_at[&1]),
        (found.map_at_r, measures.map_at_r),
        (found.mean_average_precision, measures.mean_average_precision),
    ] {
        assert!(interval.low < value && value < interval.high, "{interval:?} {value}");
    }
    assert_eq!(found, ranks.intervals(&[1], &options).unwrap());
    assert_ne!(found, ranks.intervals(&[1], &BootstrapOptions { seed: 1, ..options.clone() }).unwrap());
    // Classes that are all alike leave nothing to chance.
    let labels: Vec<u32> = (0..8).map(|row| row / 2).collect();
    let rows: Vec<f32> =
        labels.iter().flat_map(|label| [(*label as f32).cos(), (*label as f32).sin()]).collect();
    let alike = Embeddings::new(&rows, 8, 2, &labels).unwrap();
    let ranks = retrieval::ranks(&alike, Gallery::others()).unwrap();
    let found = ranks.intervals(&[1], &options).unwrap();
    assert_eq!((found.recall_at[&1].low, found.map_at_r.low, found.map_at_r.high), (1.0, 1.0, 1.0));
    let two = alike.of_rows(&[0, 1, 2, 3]).unwrap();
    let error = retrieval::ranks(&two, Gallery::others()).unwrap().intervals(&[1], &options).unwrap_err();
    assert!(matches!(error, Error::TooFewToDraw { found: 2, .. }), "{error}");
}

#[test]
fn cameras_that_leave_no_pairs_are_errors() {
    let data = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0];
    let set = |cameras: [u32; 4]| {
        Embeddings::new(&data, 4, 2, &[0, 0, 1, 1]).unwrap().across_cameras(cameras.to_vec()).unwrap()
    };
    let options = VerificationOptions::default();
    // Each class has a camera of its own.
    let apart = set([0, 0, 1, 1]);
    assert_eq!(verification::all_pairs(&apart, &options).unwrap_err(), Error::NoGenuinePairs { classes: 2 });
    assert_eq!(retrieval::evaluate(&apart, &[1]).unwrap_err(), Error::NoGenuinePairs { classes: 2 });
    assert!(retrieval::evaluate(&set([0, 1, 0, 1]), &[1]).is_ok());
    let error = Embeddings::new(&data, 4, 2, &[0, 0, 1, 1]).unwrap().across_cameras(vec![0; 3]).unwrap_err();
    assert_eq!(error, Error::Length { what: "cameras", expected: 4, found: 3 });
    let mixed = Embeddings::new(&data[..6], 3, 2, &[0, 0, 1]).unwrap().across_cameras(vec![0, 1, 2]).unwrap();
    assert!(verification::all_pairs(&mixed, &options).is_ok());
}
