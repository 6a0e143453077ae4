//! Comparison with a slow, obvious f64 implementation, cases by hand, and values of pytorch-metric-learning.

use proptest::prelude::*;

use super::neighbour::{index_of, key};
use super::*;
use crate::copies::Copies;
use crate::similarity;

/// Recalls, precision at 1, R-precision, AP@R.
type PerQuery = (Vec<f64>, f64, f64, f64);

/// The definitions of the module, written out literally, query by query.
fn twin(embeddings: &Embeddings, ks: &[usize]) -> Option<Retrieval> {
    let labels = embeddings.labels();
    let rows = embeddings.rows();
    let mut per_query: Vec<PerQuery> = vec![];
    for query in 0..rows {
        let mut others: Vec<usize> = (0..rows).filter(|&row| row != query).collect();
        let cosine = |row: usize| embeddings.cosine(query, row).unwrap();
        others.sort_by(|&a, &b| cosine(b).partial_cmp(&cosine(a)).unwrap().then(a.cmp(&b)));
        let hits: Vec<f64> =
            others.iter().map(|&row| f64::from(u8::from(labels[row] == labels[query]))).collect();
        let r = hits.iter().sum::<f64>() as usize;
        if r == 0 {
            continue;
        }
        let precision = |i: usize| hits[..i].iter().sum::<f64>() / i as f64;
        let average = (1..=r).map(|i| hits[i - 1] * precision(i)).sum::<f64>() / r as f64;
        let recalls: Vec<f64> =
            ks.iter().map(|&k| hits.iter().take(k).fold(0.0, |a, &b| f64::max(a, b))).collect();
        per_query.push((recalls, precision(1), precision(r), average));
    }
    if per_query.is_empty() {
        return None;
    }
    let queries = per_query.len();
    let mean = |value: &dyn Fn(&PerQuery) -> f64| per_query.iter().map(value).sum::<f64>() / queries as f64;
    Some(Retrieval {
        queries,
        excluded_queries: rows - queries,
        recall_at: ks.iter().enumerate().map(|(nth, &k)| (k, mean(&|q| q.0[nth]))).collect(),
        precision_at_1: mean(&|q| q.1),
        r_precision: mean(&|q| q.2),
        map_at_r: mean(&|q| q.3),
    })
}

fn near(found: &Retrieval, expected: &Retrieval) {
    assert_eq!((found.queries, found.excluded_queries), (expected.queries, expected.excluded_queries));
    assert_eq!(found.recall_at, expected.recall_at);
    for (a, b) in [
        (found.precision_at_1, expected.precision_at_1),
        (found.r_precision, expected.r_precision),
        (found.map_at_r, expected.map_at_r),
    ] {
        assert!((a - b).abs() < 1e-12, "{found:?}\n{expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn measures_equal_the_twin(
        // Small integers make equal cosines common; the offset prevents zero rows.
        values in prop::collection::vec(-2_i8..=2, 3 * 30), labels in prop::collection::vec(0_u32..7, 2..30), offset in 0_u8..2,
    ) {
        let rows = labels.len();
        let data: Vec<f32> = values[..rows * 3].iter().map(|&v| f32::from(v) + 0.25 * f32::from(offset) + 0.125).collect();
        let embeddings = Embeddings::new(&data, rows, 3, &labels).unwrap();
        let ks = [1, 2, 5, 10, 100];
        match (evaluate(&embeddings, &ks), twin(&embeddings, &ks)) {
            (Ok(found), Some(expected)) => near(&found, &expected),
            (Err(Error::OneClass { .. }), _) => prop_assert!(labels.iter().all(|&label| label == labels[0])),
            (found, expected) => {
                let no_pairs = matches!(found, Err(Error::NoGenuinePairs { .. }));
                prop_assert!(no_pairs && expected.is_none(), "{:?}", found);
            }
        }
    }

    #[test]
    fn keys_order_by_falling_cosine_then_rising_index(a in -1.0_f32..=1.0, b in -1.0_f32..=1.0, i in 0_usize..99, j in 0_usize..99) {
        let expected = b.partial_cmp(&a).unwrap().then(i.cmp(&j));
        prop_assert_eq!(key(a, i).cmp(&key(b, j)), expected);
        prop_assert_eq!(index_of(key(a, i)), i);
    }
}

#[test]
fn a_case_by_hand() {
    // On a line of angles: a a b a b, and a lone c far away.
    let angles = [0.0_f32, 0.1, 0.25, 0.45, 0.7, 3.0];
    let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
    let embeddings = Embeddings::new(&data, 6, 2, &[1, 1, 2, 1, 2, 3]).unwrap();
    let found = evaluate(&embeddings, &[1, 2, 3]).unwrap();
    assert_eq!((found.queries, found.excluded_queries), (5, 1));
    // Neighbours in order: 0: a b a.. | 1: a b a | 2: a a a b | 3: b b a | 4: a b
    assert_eq!(found.precision_at_1, 2.0 / 5.0);
    assert_eq!(found.recall_at[&1], 2.0 / 5.0);
    assert_eq!(found.recall_at[&2], 3.0 / 5.0);
    assert_eq!(found.recall_at[&3], 4.0 / 5.0);
    // R is 2 for class a and 1 for class b.
    assert!((found.r_precision - (0.5 + 0.5) / 5.0).abs() < 1e-15);
    assert!((found.map_at_r - (0.5 + 0.5) / 5.0).abs() < 1e-15);

    let neighbours = nearest(&embeddings, 3, 2).unwrap();
    assert_eq!(neighbours.iter().map(|n| n.index).collect::<Vec<_>>(), [2, 4]);
    assert!((neighbours[0].cosine - 0.2_f64.cos()).abs() < 1e-6);
}

#[test]
fn equal_cosines_come_in_order_of_index() {
    let data = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0];
    let embeddings = Embeddings::new(&data, 5, 2, &[0, 1, 0, 1, 1]).unwrap();
    let order: Vec<usize> = nearest(&embeddings, 0, 10).unwrap().iter().map(|n| n.index).collect();
    assert_eq!(order, [4, 1, 2, 3]);
    assert_eq!(nearest(&embeddings, 0, 0).unwrap(), []);
}

#[test]
fn invalid_arguments_are_errors() {
    let embeddings =
        |labels: &[u32]| Embeddings::new(&vec![1.0; labels.len()], labels.len(), 1, labels).unwrap();
    assert_eq!(evaluate(&embeddings(&[1, 1, 2]), &[1, 0]), Err(Error::ZeroK));
    assert_eq!(evaluate(&embeddings(&[1, 1]), &[1]), Err(Error::OneClass { class: 1, rows: 2 }));
    assert_eq!(evaluate(&embeddings(&[1, 2]), &[1]), Err(Error::NoGenuinePairs { classes: 2 }));
    assert_eq!(nearest(&embeddings(&[1, 2]), 2, 1), Err(Error::QueryOutOfRange { query: 2, rows: 2 }));
    assert!(evaluate(&embeddings(&[1, 1, 2]), &[]).unwrap().recall_at.is_empty());
}

#[test]
fn json_keys_of_recall_are_the_values_of_k() {
    let embeddings = Embeddings::new(&[1.0; 3], 3, 1, &[1, 1, 2]).unwrap();
    let json = serde_json::to_string(&evaluate(&embeddings, &[1, 5, 10]).unwrap()).unwrap();
    assert!(json.contains(r#""recall_at":{"1":1.0,"5":1.0,"10":1.0}"#), "{json}");
}

#[test]
fn pytorch_metric_learning_agrees() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/reference.json")).unwrap();
    for case in reference["embeddings"].as_array().unwrap() {
        let numbers = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        let data: Vec<f32> = numbers("data").map(|v| v as f32).collect();
        let labels: Vec<u32> = numbers("labels").map(|v| v as u32).collect();
        let dim = case["dim"].as_u64().unwrap() as usize;
        let found = evaluate(&Embeddings::new(&data, labels.len(), dim, &labels).unwrap(), &[1]).unwrap();
        for (key, value) in [
            ("precision_at_1", found.precision_at_1),
            ("r_precision", found.r_precision),
            ("map_at_r", found.map_at_r),
        ] {
            let expected = case["retrieval"][key].as_f64().unwrap();
            assert!((value - expected).abs() < 1e-9, "{key}: {value} {expected}");
        }
    }
}

/// Whether a gallery row counts for a query.
type Counts<'a> = Box<dyn Fn(usize, usize) -> bool + 'a>;

/// The definitions of [`Ranking`], from a sorted list of all gallery rows that count.
fn slow_ranking(
    queries: &Embeddings,
    set: &Embeddings,
    counts: &Counts<'_>,
    ks: &[usize],
) -> Option<Ranking> {
    let mut lists: Vec<Vec<f64>> = vec![];
    for query in 0..queries.rows() {
        let cosine = |row: usize| similarity::score(queries, query, set, row);
        let mut rows: Vec<usize> = (0..set.rows()).filter(|&row| counts(query, row)).collect();
        rows.sort_by(|&a, &b| cosine(b).partial_cmp(&cosine(a)).unwrap().then(a.cmp(&b)));
        let hits: Vec<f64> = rows
            .iter()
            .map(|&row| f64::from(u8::from(set.labels()[row] == queries.labels()[query])))
            .collect();
        if hits.contains(&1.0) {
            lists.push(hits);
        }
    }
    if lists.is_empty() {
        return None;
    }
    let mean =
        |of: &dyn Fn(&[f64]) -> f64| lists.iter().map(|hits| of(hits)).sum::<f64>() / lists.len() as f64;
    let right = |hits: &[f64]| hits.iter().sum::<f64>() as usize;
    let precision = |hits: &[f64], k: usize| hits[..k].iter().sum::<f64>() / k as f64;
    let average = |hits: &[f64], limit: usize| {
        let sum: f64 = (1..=limit.min(hits.len())).map(|k| hits[k - 1] * precision(hits, k)).sum();
        sum / right(hits) as f64
    };
    let gain = |hits: &[f64], limit: usize| -> f64 {
        hits.iter().take(limit).enumerate().map(|(at, hit)| hit / (at as f64 + 2.0).log2()).sum()
    };
    let ndcg = |hits: &[f64], limit: usize| gain(hits, limit) / gain(&vec![1.0; right(hits)], limit);
    let recall = |k: usize| mean(&|hits| hits.iter().take(k).copied().fold(0.0, f64::max));
    Some(Ranking {
        queries: lists.len(),
        excluded_queries: queries.rows() - lists.len(),
        recall_at: ks.iter().map(|&k| (k, recall(k))).collect(),
        precision_at_1: recall(1),
        r_precision: mean(&|hits| precision(hits, right(hits))),
        map_at_r: mean(&|hits| average(hits, right(hits))),
        mean_average_precision: mean(&|hits| average(hits, usize::MAX)),
        ndcg: mean(&|hits| ndcg(hits, usize::MAX)),
        ndcg_at: ks.iter().map(|&k| (k, mean(&|hits| ndcg(hits, k)))).collect(),
        precision_at_recall: (0..=20)
            .map(|step| {
                let best = |hits: &[f64]| {
                    let deep =
                        |&k: &usize| 20.0 * hits[..k].iter().sum::<f64>() >= (step * right(hits)) as f64;
                    (1..=hits.len()).filter(deep).map(|k| precision(hits, k)).fold(0.0, f64::max)
                };
                (step as f64 / 20.0, mean(&best))
            })
            .collect(),
    })
}

fn near_ranking(found: &Ranking, expected: &Ranking) {
    assert_eq!((found.queries, found.excluded_queries), (expected.queries, expected.excluded_queries));
    assert_eq!((&found.recall_at, found.precision_at_1), (&expected.recall_at, expected.precision_at_1));
    let numbers = |r: &Ranking| {
        let mut all = vec![r.r_precision, r.map_at_r, r.mean_average_precision, r.ndcg];
        all.extend(r.ndcg_at.values());
        all.extend(r.precision_at_recall.iter().flat_map(|&(recall, precision)| [recall, precision]));
        all
    };
    for (a, b) in numbers(found).iter().zip(numbers(expected)) {
        assert!((a - b).abs() < 1e-12, "{found:?}\n{expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rankings_equal_sorting_everything(
        values in prop::collection::vec(-2_i8..=2, 3 * 60), labels in prop::collection::vec(0_u32..6, 60),
        cameras in prop::collection::vec(0_u32..3, 60), queries in 2_usize..20, rows in 5_usize..40,
    ) {
        let data: Vec<f32> = values.iter().map(|&v| f32::from(v) + 0.125).collect();
        let (left, right) = data.split_at(queries * 3);
        let query_set = Embeddings::new(left, queries, 3, &labels[..queries]).unwrap();
        let gallery_set = Embeddings::new(&right[..rows * 3], rows, 3, &labels[queries..queries + rows]).unwrap();
        let (of_queries, of_gallery) = (&cameras[..queries], &cameras[queries..queries + rows]);
        let copies = Copies::between(&query_set, &gallery_set, None);
        let separate = Gallery::separate(&gallery_set);
        let other_camera = |query: usize, row: usize| {
            query_set.labels()[query] != gallery_set.labels()[row] || of_queries[query] != of_gallery[row]
        };
        let differs = |query: usize, row: usize| query_set.row(query) != gallery_set.row(row);
        let cases: [(&Embeddings, Gallery<'_>, Counts<'_>, [usize; 3]); 5] = [
            (&gallery_set, Gallery::others(), Box::new(|query, row| query != row), [1, 2, 4]),
            (&query_set, separate, Box::new(|_, _| true), [1, 3, 5]),
            (&query_set, separate.with_cameras(of_queries, of_gallery), Box::new(other_camera), [1, 3, 5]),
            (&query_set, separate.without(&copies), Box::new(differs), [1, 3, 5]),
            (
                &query_set,
                separate.without(&copies).with_cameras(of_queries, of_gallery),
                Box::new(|query, row| differs(query, row) && other_camera(query, row)),
                [1, 3, 5],
            ),
        ];
        for (set, gallery, counts, ks) in cases {
            match (rank(set, gallery, &ks), slow_ranking(set, &gallery_set, &counts, &ks)) {
                (Ok(found), Some(expected)) => near_ranking(&found, &expected),
                (found, expected) => {
                    let no_answers = matches!(found, Err(Error::NoAnswers { .. }));
                    prop_assert!(no_answers && expected.is_none(), "{:?}", found);
                }
            }
        }
        // Within one set, `rank` and `evaluate` must agree.
        if let (Ok(ranking), Ok(retrieval)) = (rank(&gallery_set, Gallery::others(), &[1, 4]), evaluate(&gallery_set, &[1, 4])) {
            prop_assert_eq!(&ranking.recall_at, &retrieval.recall_at);
            prop_assert!((ranking.map_at_r - retrieval.map_at_r).abs() < 1e-12);
            prop_assert!((ranking.r_precision - retrieval.r_precision).abs() < 1e-12);
        }
    }
}

#[test]
fn invalid_rankings_are_errors() {
    let set = |dim: usize, labels: &[u32]| {
        Embeddings::new(&vec![1.0; labels.len() * dim], labels.len(), dim, labels).unwrap()
    };
    let (a, b) = (set(2, &[1, 2]), set(2, &[1, 1, 3]));
    assert_eq!(rank(&a, Gallery::separate(&b), &[4]), Err(Error::KTooLarge { k: 4, gallery: 3 }));
    assert_eq!(rank(&b, Gallery::others(), &[3]), Err(Error::KTooLarge { k: 3, gallery: 2 }));
    assert_eq!(rank(&b, Gallery::others(), &[0]), Err(Error::ZeroK));
    assert_eq!(rank(&a, Gallery::others(), &[1]), Err(Error::NoAnswers { queries: 2 }));
    assert_eq!(
        rank(&a, Gallery::separate(&set(1, &[1])), &[1]),
        Err(Error::Dimensions { left: 2, right: 1 })
    );
    let cameras = |of_queries, of_gallery| Gallery::separate(&b).with_cameras(of_queries, of_gallery);
    assert_eq!(
        rank(&a, cameras(&[0], &[0, 0, 0]), &[1]),
        Err(Error::Length { what: "query cameras", expected: 2, found: 1 })
    );
    assert_eq!(
        rank(&a, cameras(&[0, 0], &[0, 0]), &[1]),
        Err(Error::Length { what: "gallery cameras", expected: 3, found: 2 })
    );
    // All relevant rows are from the query's own camera.
    assert_eq!(rank(&a, cameras(&[5, 0], &[5, 5, 0]), &[1]), Err(Error::NoAnswers { queries: 2 }));
}

#[test]
fn pytorch_metric_learning_and_scikit_learn_agree_on_ties_and_duplicates() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/retrieval.json")).unwrap();
    let whole = |key: &str| -> Vec<i64> {
        reference[key].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
    };
    let labels = |key: &str| -> Vec<u32> { whole(key).iter().map(|&v| v as u32).collect() };
    let set = |key: &str, of: &[u32]| {
        let data: Vec<f32> = whole(key).iter().map(|&v| v as f32).collect();
        Embeddings::new(&data, of.len(), 16, of).unwrap()
    };
    let gallery = set("gallery", &labels("gallery_labels"));
    let queries = set("queries", &labels("query_labels"));
    let near = |found: f64, case: &str, key: &str| {
        let expected = reference["cases"][case][key].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{case} {key}: {found} {expected}");
    };
    for (case, set, searched) in
        [("within", &gallery, Gallery::others()), ("separate", &queries, Gallery::separate(&gallery))]
    {
        let found = rank(set, searched, &[1, 5]).unwrap();
        near(found.queries as f64, case, "queries");
        near(found.precision_at_1, case, "precision_at_1");
        near(found.r_precision, case, "r_precision");
        near(found.map_at_r, case, "map_at_r");
        near(found.mean_average_precision, case, "mean_average_precision");
        near(found.ndcg, case, "ndcg");
        near(found.ndcg_at[&5], case, "ndcg_at_5");
    }
    let within = evaluate(&gallery, &[1]).unwrap();
    near(within.map_at_r, "within", "map_at_r");
    near(within.r_precision, "within", "r_precision");
    let (of_queries, of_gallery) = (labels("query_cameras"), labels("gallery_cameras"));
    let cameras = Gallery::separate(&gallery).with_cameras(&of_queries, &of_gallery);
    let found = rank(&queries, cameras, &[1]).unwrap();
    near(found.queries as f64, "cameras", "queries");
    near(found.mean_average_precision, "cameras", "mean_average_precision");
}
