//! Batches without pairs, invalid inputs, names and files.

use super::{all, objective};
use crate::pairs::{
    BatchEasyHard, CrossBatchMemory, Miner, MiningStrategy, PairObjective, PairOptions, PairReference,
    PairWarning, Tuples,
};
use crate::tests::{values, view};
use crate::{Error, Parameters, parameters};

fn warning(name: &str, labels: &[u32]) -> Option<PairWarning> {
    let features = values(labels.len() * 3, 1);
    let out = objective(name, &[])
        .evaluate(view(&features, labels.len(), 3), None, labels, &PairOptions::default())
        .expect("finite inputs");
    if out.warning.is_some() {
        assert_eq!(out.loss, 0.0);
        assert!(out.grad_embeddings.iter().all(|value| *value == 0.0));
        assert_eq!(out.counts.active_share(), 0.0);
    }
    out.warning
}

#[test]
fn a_batch_without_pairs_has_loss_zero_and_says_why() {
    for name in PairObjective::names().filter(|name| objective(name, &[]).proxies_per_class().is_none()) {
        assert_eq!(warning(name, &[]), Some(PairWarning::NoPairs), "{name}");
        assert_eq!(warning(name, &[3]), Some(PairWarning::NoPairs), "{name}");
        assert_eq!(warning(name, &[0, 0, 1]), None, "{name}");
    }
    for name in ["triplet-margin", "circle", "nt-xent", "supcon", "angular", "tuplet-margin"] {
        assert_eq!(warning(name, &[1, 1, 1]), Some(PairWarning::NoNegatives), "{name}");
        assert_eq!(warning(name, &[1, 2, 3]), Some(PairWarning::NoPositives), "{name}");
    }
    assert_eq!(warning("fast-ap", &[1, 2, 3]), Some(PairWarning::NoPositives));
    assert_eq!(warning("contrastive", &[1, 2, 3]), None, "negatives alone are something to learn from");
    assert!(PairWarning::NoPositives.to_string().contains("several samples per class"));
}

#[test]
fn a_batch_without_triplets_is_reported() {
    let features = values(12, 1);
    let tuples = Tuples::Pairs { positives: vec![[0, 1], [1, 0]], negatives: vec![[2, 0], [3, 1]] };
    let options = PairOptions { tuples: Some(&tuples), ..PairOptions::default() };
    for name in ["triplet-margin", "circle"] {
        let out = objective(name, &[]).evaluate(view(&features, 4, 3), None, &[0, 0, 1, 2], &options);
        assert_eq!(out.expect("finite inputs").warning, Some(PairWarning::NoTriplets), "{name}");
    }
}

#[test]
fn invalid_inputs_are_rejected_with_their_position() {
    let features = values(12, 1);
    let matrix = view(&features, 4, 3);
    let labels = [0, 0, 1, 1];
    let contrastive = objective("contrastive", &[]);
    let plain = PairOptions::default();
    let error = contrastive.evaluate(matrix, None, &labels[..3], &plain).expect_err("a label is missing");
    assert_eq!(error, Error::Count { what: "labels", found: 3, expected: 4 });

    let mut broken = features.clone();
    broken[7] = f64::NAN;
    for objective in all() {
        let proxies = objective.proxies_per_class().map(|_| matrix);
        if matches!(objective, PairObjective::SoftTriple(_)) {
            continue; // four rows are not a multiple of three centres: tested below
        }
        let error = objective.evaluate(view(&broken, 4, 3), proxies, &labels, &plain).expect_err("NaN");
        assert_eq!(error.to_string(), "row 2, column 1 of the embeddings is not finite");
    }

    let proxy_nca = objective("proxy-nca", &[]);
    assert!(matches!(proxy_nca.evaluate(matrix, None, &labels, &plain), Err(Error::NoWeights { .. })));
    assert!(matches!(
        contrastive.evaluate(matrix, Some(matrix), &labels, &plain),
        Err(Error::Unsupported { .. })
    ));
    let error = proxy_nca.evaluate(matrix, Some(matrix), &[0, 1, 4, 1], &plain).expect_err("class 4 of 4");
    assert_eq!(error, Error::Label { row: 2, found: 4, classes: 4 });
    let error = proxy_nca.evaluate(matrix, Some(view(&features, 6, 2)), &labels, &plain).expect_err("dim");
    assert_eq!(error, Error::Dimension { what: "proxies", features: 3, found: 2 });
    let soft_triple = objective("soft-triple", &[("centers_per_class", 3.0.into())]);
    let error = soft_triple.evaluate(matrix, Some(matrix), &labels, &plain).expect_err("4 rows of 3 each");
    assert_eq!(error, Error::Count { what: "proxies", found: 4, expected: 6 });
}

#[test]
fn unsupported_options_are_rejected() {
    let features = values(12, 1);
    let matrix = view(&features, 4, 3);
    let labels = [0, 0, 1, 1];
    let refused = |objective: PairObjective, options: PairOptions<'_, f64>| {
        let error = objective.evaluate(matrix, None, &labels, &options).expect_err("not taken");
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    };
    let reference = PairReference { embeddings: matrix, labels: &labels, own_rows: None };
    let to_reference = PairOptions { reference: Some(reference), ..PairOptions::default() };
    refused(objective("fast-ap", &[]), to_reference);
    refused(objective("ranked-list", &[]), to_reference);
    refused(objective("triplet-margin", &[("swap", true.into())]), to_reference);
    let mined = PairOptions { miner: Some(&Miner::All), ..PairOptions::default() };
    refused(objective("ranked-list", &[]), mined);
    let tuples = Tuples::Triplets(Vec::new());
    refused(objective("contrastive", &[]), PairOptions { tuples: Some(&tuples), ..mined });

    let wrong = Tuples::Triplets(vec![[0, 2, 3]]);
    let options = PairOptions { tuples: Some(&wrong), ..PairOptions::default() };
    let error = objective("contrastive", &[]).evaluate(matrix, None, &labels, &options);
    assert!(matches!(error, Err(Error::TupleRole { tuple: 0, anchor: 0, other: 2, .. })));
    let beyond = PairReference { own_rows: Some(&[0, 1, 2, 9]), ..reference };
    let options = PairOptions { reference: Some(beyond), ..PairOptions::default() };
    let error = objective("contrastive", &[]).evaluate(matrix, None, &labels, &options);
    assert!(matches!(error, Err(Error::TupleRow { found: 9, rows: 4, .. })));
}

#[test]
fn names_parameters_and_files() {
    for name in PairObjective::names() {
        let objective = objective(name, &[]);
        assert_eq!(objective.name(), name);
        let text = serde_json::to_string(&objective).expect("plain data");
        assert_eq!(serde_json::from_str::<PairObjective>(&text).expect("just written"), objective, "{text}");
        assert!(text.contains(&format!("\"name\":\"{name}\"")), "{text}");
        let underscored = name.replace('-', "_");
        assert!(PairObjective::from_name(&underscored, &Parameters::new()).is_ok());
    }
    for (alias, name) in [("ntxent", "nt-xent"), ("supervised_contrastive", "supcon"), ("FastAP", "fast-ap")]
    {
        assert_eq!(objective(alias, &[]).name(), name);
    }
    let from = |name: &str, json: &str| {
        PairObjective::from_name(name, &serde_json::from_str(json).expect("parameters"))
            .map_err(|e| e.to_string())
    };
    assert!(from("tuplet-margin", r#"{"margin": 5.73}"#).is_ok());
    assert!(from("ranked-list", r#"{"Tn": 2, "Tp": 1, "alpha": 1.1}"#).is_ok());
    let error = from("tripplet-margin", "{}").expect_err("misspelt");
    assert!(error.contains("did you mean `triplet-margin`"), "{error}");
    let error = from("nt-xent", r#"{"margin": 0.1}"#).expect_err("no margin");
    assert_eq!(error, "`nt-xent` has no parameter `margin`; it has temperature");
    let error = from("fast-ap", r#"{"num_bins": 2.5}"#).expect_err("a count");
    assert_eq!(error, "`fast-ap`: num_bins is 2.5; expected a whole number from 1 to 10000");
    let error = from("triplet-margin", r#"{"triplets": 3}"#).expect_err("a word");
    assert_eq!(error, "`triplet-margin`: triplets is 3; expected one of all, hard, semihard");
    for (name, wrong) in [
        ("circle", r#"{"gamma": 0}"#),
        ("angular", r#"{"alpha": 90}"#),
        ("ranked-list", r#"{"imbalance": 1.5}"#),
        ("soft-triple", r#"{"centers_per_class": 0}"#),
        ("contrastive", r#"{"neg_margin": 1e9}"#),
    ] {
        let error = from(name, wrong).expect_err("out of range");
        assert!(error.contains("expected"), "{error}");
    }
    // a file can hold a setting out of range; it is rejected when it is used
    let read: PairObjective =
        serde_json::from_str(r#"{"name": "nt-xent", "temperature": -1}"#).expect("well formed");
    let error = read.evaluate(view(&values(6, 1), 2, 3), None, &[0, 0], &PairOptions::default());
    assert!(matches!(error, Err(Error::OutOfRange { setting: "temperature", .. })));
    let unknown = r#"{"name": "nt-xent", "temprature": 1}"#;
    assert!(serde_json::from_str::<PairObjective>(unknown).is_err());
}

#[test]
fn miners_by_name() {
    for name in Miner::names() {
        let miner = Miner::from_name(name, &Parameters::new()).expect("defaults");
        assert_eq!(miner.name(), name);
        let text = serde_json::to_string(&miner).expect("plain data");
        assert_eq!(serde_json::from_str::<Miner>(&text).expect("just written"), miner, "{text}");
        let found = miner.mine(view(&[0.0_f64; 0], 0, 3), &[], 0).expect("an empty batch");
        assert!(found.is_empty(), "{name}");
        assert!(miner.mine(view(&values(6, 1), 2, 3), &[5, 5], 0).is_ok(), "{name}");
    }
    let range =
        |json: &str| Miner::from_name("batch-easy-hard", &serde_json::from_str(json).expect("parameters"));
    assert!(range(r#"{"pos_strategy": "semihard"}"#).is_err(), "both semi-hard");
    assert!(range(r#"{"pos_strategy": "all"}"#).is_err(), "semi-hard with all");
    assert!(range(r#"{"allowed_pos_range": [0.1, 0.5]}"#).is_ok());
    assert!(range(r#"{"allowed_pos_range": [0.5, 0.1]}"#).is_err());
    assert!(Miner::from_name("all", &parameters([("x", 1.0.into())])).is_err());
    let both = Miner::BatchEasyHard(BatchEasyHard {
        pos_strategy: MiningStrategy::All,
        neg_strategy: MiningStrategy::All,
        ..BatchEasyHard::default()
    });
    let (features, labels) = (values(15, 1), [0, 1, 0, 1, 2]);
    let matrix = view(&features, 5, 3);
    assert_eq!(both.mine(matrix, &labels, 0), Miner::All.mine(matrix, &labels, 0));
}

#[test]
fn a_memory_rejects_invalid_input_and_is_unchanged() {
    let mut memory = CrossBatchMemory::<f64>::new(4, 3).expect("room");
    assert!(memory.is_empty() && memory.capacity() == 4);
    let features = values(18, 1);
    assert_eq!(memory.push(view(&features[..9], 3, 3), &[0, 1, 2]), Ok(vec![0, 1, 2]));
    assert_eq!(memory.push(view(&features[..6], 2, 3), &[7, 8]), Ok(vec![3, 0]));
    assert_eq!(memory.labels(), [8, 1, 2, 7]);
    let before = memory.clone();
    let error = memory.push(view(&features[..15], 5, 3), &[0; 5]).expect_err("too many");
    assert_eq!(error, Error::MemoryTooSmall { batch: 5, capacity: 4 });
    assert!(memory.push(view(&features[..6], 3, 2), &[0; 3]).is_err(), "another dimension");
    assert!(memory.push(view(&[f64::NAN; 3], 1, 3), &[0]).is_err(), "not finite");
    let proxy = objective("proxy-nca", &[]);
    assert!(matches!(
        memory.evaluate(&proxy, view(&features[..3], 1, 3), &[0], None, 0),
        Err(Error::Unsupported { .. })
    ));
    assert_eq!(memory, before);
    memory.clear();
    assert!(memory.is_empty());
    assert!(CrossBatchMemory::<f64>::new(0, 3).is_err());
    for damaged in [
        r#"{"embeddings": [1, 2, 3], "labels": [1, 2], "capacity": 4, "dim": 3, "next": 2}"#,
        r#"{"embeddings": [1, 2], "labels": [1, 2], "capacity": 1, "dim": 1, "next": 0}"#,
        r#"{"embeddings": [1, 2], "labels": [1, 2], "capacity": 2, "dim": 1, "next": 2}"#,
        r#"{"embeddings": [1, 2], "labels": [1, 2], "capacity": 4, "dim": 1, "next": 0}"#,
    ] {
        let error = serde_json::from_str::<CrossBatchMemory<f64>>(damaged).expect_err("damaged").to_string();
        assert!(error.contains("the saved memory is damaged"), "{error}");
    }
}
