//! Threads, state, clipping, and errors.

use super::{class_objectives, labels, points, values, view};
use crate::{Error, Head, HeadConfig, HeadMode, HeadState, Objective, OptimiserConfig, StoragePrecision};
use widemargin_objective::{ClassObjective, Parameters, parameters};

fn am_softmax() -> Objective {
    Objective::am_softmax(30.0, 0.35).expect("in range")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let (batch, classes, dim) = (70, 300, 33);
    let features = values(batch * dim, 1);
    let labels = labels(batch, classes, 2);
    for (tile_classes, centres) in
        [(128, StoragePrecision::F32), (1024, StoragePrecision::F32), (32, StoragePrecision::Bf16)]
    {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| {
                let config = HeadConfig { tile_classes, centres, seed: 3, ..HeadConfig::default() };
                let mut head = Head::new(classes, dim, am_softmax(), config).expect("in range");
                let steps: Vec<_> = (0..3)
                    .map(|_| {
                        let step =
                            head.step(view(&features, batch, dim), &labels, 0.1).expect("finite inputs");
                        (step.loss.to_bits(), bits(&step.grad_features), step.centre_gradient_norm.to_bits())
                    })
                    .collect();
                (steps, bits(&head.centres()))
            })
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert!(run(threads) == one, "{threads} threads, tiles of {tile_classes}");
        }
    }
}

/// Recomputed scores are the same: the number of kept scores changes only time and memory.
#[test]
fn the_bits_do_not_depend_on_the_scores_that_are_kept() {
    let (batch, classes, dim) = (512, 2000, 17);
    let features = values(batch * dim, 1);
    let labels = labels(batch, classes, 2);
    for objective in class_objectives(classes).into_iter().take(6) {
        let run = |kept_scores_mib| {
            let config = HeadConfig { mode: HeadMode::Dense, kept_scores_mib, ..HeadConfig::default() };
            let mut head = Head::new(classes, dim, objective.clone(), config).expect("in range");
            let step = head.step(view(&features, batch, dim), &labels, 0.1).expect("finite inputs");
            (step.loss.to_bits(), bits(&step.grad_features), bits(&head.centres()))
        };
        let all = run(None);
        // keep none, and one of the four MiB of scores
        for kept in [0, 1] {
            assert!(run(Some(kept)) == all, "{objective}: {kept} MiB");
        }
    }
}

#[test]
fn a_restored_head_continues_to_the_same_bits() {
    let (batch, classes, dim) = (6, 5, 4);
    let features = values(batch * dim, 1);
    let labels = labels(batch, classes, 2);
    for (optimiser, centres) in [
        (OptimiserConfig::sgd(0.9, 1e-3), StoragePrecision::F32),
        (OptimiserConfig::sgd(0.0, 0.0), StoragePrecision::F32),
        (OptimiserConfig::adam_w(0.01), StoragePrecision::F32),
        (OptimiserConfig::sgd(0.9, 1e-3), StoragePrecision::Bf16),
    ] {
        let config = HeadConfig { optimiser, centres, ..HeadConfig::default() };
        let mut head = Head::new(classes, dim, am_softmax(), config).expect("in range");
        let step =
            |head: &mut Head| head.step(view(&features, batch, dim), &labels, 0.1).expect("finite inputs");
        for _ in 0..3 {
            step(&mut head);
        }
        head.set_margin_share(0.5);
        let text = serde_json::to_string(&head.state()).expect("plain data");
        let state: HeadState = serde_json::from_str(&text).expect("just written");
        let mut restored = Head::from_state(state).expect("a good state");
        assert_eq!(restored.steps(), 3);
        assert_eq!(restored.objective().margin_in_force(), 0.5 * 0.35);
        for _ in 0..3 {
            assert_eq!(step(&mut head), step(&mut restored), "{optimiser:?}");
        }
        assert_eq!(head.state(), restored.state());
    }
}

#[test]
fn a_state_that_does_not_fit_is_rejected() {
    let good = Head::new(3, 2, am_softmax(), HeadConfig::default()).expect("in range").state();
    assert_eq!(
        good.tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(),
        ["centres", "velocity"]
    );
    let rejected = |change: &dyn Fn(&mut HeadState)| {
        let mut state = good.clone();
        change(&mut state);
        Head::from_state(state).expect_err("spoilt")
    };
    assert_eq!(rejected(&|state| drop(state.tensors.remove(0))), Error::MissingTensor { name: "centres" });
    assert_eq!(rejected(&|state| drop(state.tensors.remove(1))), Error::MissingTensor { name: "velocity" });
    assert!(matches!(
        rejected(&|state| state.tensors.push(state.tensors[0].clone())),
        Error::UnexpectedTensor { name } if name == "centres"
    ));
    assert!(matches!(rejected(&|state| state.tensors[0].shape = [2, 3]), Error::TensorShape { .. }));
    assert!(matches!(
        rejected(&|state| state.tensors[1].values.truncate(5)),
        Error::TensorShape { values: 5, .. }
    ));
    assert!(matches!(rejected(&|state| state.classes = 4), Error::TensorShape { .. }));
    assert!(matches!(
        rejected(&|state| state.tensors[0].values[4] = f32::NAN),
        Error::NonFiniteTensor { row: 2, .. }
    ));
    assert!(matches!(rejected(&|state| state.config.tile_classes = 0), Error::OutOfRange { .. }));
    assert!(matches!(rejected(&|state| state.steps = u64::MAX), Error::OutOfRange { .. }));
    let mut edited = serde_json::to_value(&good).expect("plain data");
    edited["objective"]["sub_centres"] = 0.into();
    let edited: HeadState = serde_json::from_value(edited).expect("a state without a centre");
    assert!(matches!(Head::from_state(edited), Err(Error::OutOfRange { setting: "sub-centres", .. })));
}

/// A mean of squares below 0 has no root, and deferred updates need their learning rates.
#[test]
fn a_memory_that_no_run_can_have_is_rejected() {
    let adam_w = OptimiserConfig::adam_w(0.01);
    let normface = ClassObjective::from_name("normface", &Parameters::default(), 3).expect("defaults");
    for mode in [HeadMode::Dense, HeadMode::Screened { threshold: Some(0.01) }] {
        let config = HeadConfig { optimiser: adam_w, mode, ..HeadConfig::default() };
        let mut head = Head::new(3, 2, normface.clone(), config).expect("in range");
        head.step(view(&[1.0, 0.5], 1, 2), &[1], 0.1).expect("finite");
        let good = head.state();
        let rejected = |change: &dyn Fn(&mut HeadState)| {
            let mut state = good.clone();
            change(&mut state);
            Head::from_state(state).expect_err("spoilt")
        };
        let tensor = |state: &mut HeadState, name: &str, at: usize, value: f32| {
            let tensor = state.tensors.iter_mut().find(|tensor| tensor.name == name).expect("there");
            tensor.values[at] = value;
        };
        let error = rejected(&|state| tensor(state, "square", 4, -1e-20));
        assert_eq!(error, Error::NegativeSquare { at: 4, found: -1e-20 });
        let error = rejected(&|state| state.learnt_memory[1] = -1.0);
        assert_eq!(error, Error::NegativeSquare { at: 0, found: -1.0 });
        if mode != HeadMode::Dense {
            let out_of_range = |error| matches!(error, Error::OutOfRange { .. });
            assert!(out_of_range(rejected(&|state| tensor(state, "deferred", 2, 0.5))), "half a step");
            assert!(
                out_of_range(rejected(&|state| tensor(state, "deferred", 2, 2.0))),
                "more than all steps"
            );
            assert!(out_of_range(rejected(&|state| tensor(state, "rates", 0, -0.1))), "a rate below 0");
            assert!(out_of_range(rejected(&|state| state.steps = 0)), "more rates than steps");
        }
    }
}

#[test]
fn forward_changes_nothing_and_apply_takes_each_update_once() {
    let features = values(8, 1);
    let mut head = Head::new(3, 4, am_softmax(), HeadConfig::default()).expect("in range");
    let before = head.state();
    let forward = head.forward(view(&features, 2, 4), &[0, 2]).expect("finite inputs");
    assert_eq!(head.state(), before);
    let twice = forward.pending.clone();
    head.apply(forward.pending, 0.1, 1.0).expect("fresh");
    assert_ne!(head.state(), before);
    let after = head.state();
    assert!(matches!(
        head.apply(twice.clone(), 0.1, 1.0),
        Err(Error::StaleUpdate { found: 0, expected: 1, .. })
    ));
    for (rate, factor) in [(f64::NAN, 1.0), (-0.1, 1.0), (0.1, f64::INFINITY), (0.1, -1.0)] {
        assert!(matches!(head.apply(twice.clone(), rate, factor), Err(Error::OutOfRange { .. })));
    }
    assert_eq!(head.state(), after);
    // a scale that leaves the range of f32 in the step is an error, and nothing has moved
    let normface = ClassObjective::from_name("normface", &Parameters::default(), 3).expect("defaults");
    let mut head = Head::new(3, 4, normface, HeadConfig::default()).expect("in range");
    let pending = head.forward(view(&features, 2, 4), &[0, 2]).expect("finite inputs").pending;
    let before = head.state();
    let error = head.apply(pending, f64::from(f32::MAX), f64::from(f32::MAX)).expect_err("an infinite scale");
    assert!(matches!(error, Error::Objective(_)), "{error}");
    assert_eq!(head.state(), before);
}

#[test]
fn a_clip_factor_scales_the_gradient_and_not_the_decay() {
    let features = values(8, 1);
    let config = HeadConfig { optimiser: OptimiserConfig::sgd(0.0, 0.5), ..HeadConfig::default() };
    let mut head = Head::new(3, 4, am_softmax(), config).expect("in range");
    let start = head.centres().to_vec();
    let pending = head.forward(view(&features, 2, 4), &[0, 2]).expect("finite inputs").pending;
    let gradient = head.gradient(&pending).expect("of this step");
    head.apply(pending, 0.1, 0.25).expect("fresh");
    for ((w, start), g) in head.centres().iter().zip(&start).zip(&gradient) {
        assert!((w - (start - 0.1 * (0.25 * g + 0.5 * start))).abs() < 1e-6);
    }
}

#[test]
fn initial_centres_come_from_the_seed() {
    let centres = |objective, seed| {
        let config = HeadConfig { seed, ..HeadConfig::default() };
        Head::new(2000, 16, objective, config).expect("in range").centres().to_vec()
    };
    assert_eq!(centres(am_softmax(), 1), centres(am_softmax(), 1));
    assert_ne!(centres(am_softmax(), 1), centres(am_softmax(), 2));
    for centre in centres(am_softmax(), 1).chunks(16) {
        assert!((centre.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let normal = centres(Objective::softmax(), 1);
    let mean = normal.iter().sum::<f32>() / normal.len() as f32;
    let variance = normal.iter().map(|value| value * value).sum::<f32>() / normal.len() as f32;
    // 32,000 values: the mean is within 4 / sqrt(32000) deviations, the variance within 4 sqrt(2 / 32000) of itself
    assert!(mean.abs() < 0.25 * 0.023 && (variance * 16.0 - 1.0).abs() < 0.032, "{mean} {variance}");
}

#[test]
fn scores_and_predictions_agree_with_each_other_and_with_accuracy() {
    let (batch, classes, dim) = (20, 11, 3);
    let features = values(batch * dim, 5);
    let features = view(&features, batch, dim);
    for objective in [am_softmax(), Objective::softmax()] {
        for tile_classes in [4, 1024] {
            let config = HeadConfig { tile_classes, ..HeadConfig::default() };
            let head = Head::new(classes, dim, objective.clone(), config).expect("in range");
            let scores = head.scores(features).expect("finite inputs");
            let predicted = head.predict(features).expect("finite inputs");
            for (row, &class) in scores.chunks(classes).zip(&predicted) {
                assert!(row.iter().all(|&score| score <= row[class as usize]));
                assert!(!objective.score().is_cosine() || row.iter().all(|score| score.abs() <= 1.0 + 1e-6));
            }
            let accuracy =
                |labels: &[u32]| head.evaluate(features, labels).expect("finite").diagnostics.accuracy;
            assert_eq!(accuracy(&predicted), 1.0);
            let wrong: Vec<u32> = predicted.iter().map(|class| (class + 1) % classes as u32).collect();
            assert_eq!(accuracy(&wrong), 0.0);
        }
    }
}

#[test]
fn a_margin_warms_up() {
    let features = values(8, 1);
    let mut head = Head::new(3, 4, am_softmax(), HeadConfig::default()).expect("in range");
    let mut before = 0.0;
    for share in [0.0, 0.3, 1.0] {
        head.set_margin_share(share);
        let loss = head.evaluate(view(&features, 2, 4), &[0, 2]).expect("finite inputs").loss;
        assert!(loss > before, "a larger margin has a larger loss");
        before = loss;
    }
    assert_eq!(head.objective().margin_in_force(), 0.35);
}

#[test]
fn empty_batches_and_zero_features_are_accepted() {
    for objective in points() {
        let head = Head::new(3, 2, objective.clone(), HeadConfig::default()).expect("in range");
        let empty = head.forward(view(&[], 0, 2), &[]).expect("no samples");
        assert_eq!(
            (empty.loss, empty.diagnostics.samples, head.gradient_norm(&empty.pending)),
            (0.0, 0, Ok(0.0))
        );
        assert_eq!(head.predict(view(&[], 0, 2)), Ok(Vec::new()));
        let zero = head.forward(view(&[0.0; 2], 1, 2), &[1]).expect("finite inputs");
        assert!(zero.loss.is_finite(), "{objective}");
        for magnitude in [1e-30, 1e30] {
            let features = [magnitude, -magnitude];
            assert!(head.forward(view(&features, 1, 2), &[1]).is_ok(), "{objective} at {magnitude}");
        }
    }
}

#[test]
fn invalid_batches_are_rejected_with_their_row() {
    let new = |classes, dim| Head::new(classes, dim, am_softmax(), HeadConfig::default());
    assert!(matches!(new(0, 2), Err(Error::OutOfRange { setting: "number of classes", .. })));
    assert!(matches!(new(2, 0), Err(Error::OutOfRange { setting: "dimension", .. })));
    // rows have numbers of 32 bits
    let many = ClassObjective::from(am_softmax()).with_sub_centres(1000).expect("in range");
    let many = Head::new(5_000_000, 1, many, HeadConfig::default());
    assert!(matches!(many, Err(Error::OutOfRange { setting: "number of class centres", .. })));
    let mut head = new(3, 2).expect("in range");
    let features = [1.0_f32, 2.0, 3.0, 4.0];
    let features = view(&features, 2, 2);
    assert_eq!(
        head.forward(features, &[0, 3]).expect_err("class 3 of 3").to_string(),
        "row 1 of the batch has label 3; this head has classes 0 to 2"
    );
    assert!(matches!(head.forward(features, &[0]), Err(Error::LabelCount { found: 1, expected: 2 })));
    assert!(matches!(head.predict(view(&[1.0; 3], 1, 3)), Err(Error::Dimension { found: 3, expected: 2 })));
    let before = head.state();
    let spoilt = [1.0, 2.0, 3.0, f32::INFINITY];
    let error = head.step(view(&spoilt, 2, 2), &[0, 1], 0.1).expect_err("infinite");
    assert_eq!(error, Error::NonFiniteFeature { row: 1, column: 1, found: f32::INFINITY });
    assert_eq!(head.state(), before);
    let mut state = Head::new(3, 2, Objective::softmax(), HeadConfig::default()).expect("in range").state();
    state.tensors[0].values.fill(1e30);
    let softmax = Head::from_state(state).expect("finite, if large");
    let large = [0.0, 0.0, 1e30, 1e30];
    let error = softmax.forward(view(&large, 2, 2), &[0, 2]).expect_err("1e60 is beyond f32");
    assert_eq!(error, Error::NonFiniteLoss { row: 1, label: 2 });
}

/// Statistics, drawn margins and learnt values are state: a head restored from them continues as if uninterrupted, and an update
/// that is dropped has no effect.
#[test]
fn objectives_with_a_state_are_restored_and_dropped_updates_leave_none() {
    let (batch, classes, dim) = (6, 5, 4);
    let labels = [0, 3, 1, 1, 2, 4];
    for optimiser in [OptimiserConfig::sgd(0.9, 5e-4), OptimiserConfig::adam_w(0.01)] {
        for objective in class_objectives(classes) {
            let config = HeadConfig { optimiser, ..HeadConfig::default() };
            let mut head = Head::new(classes, dim, objective.clone(), config).expect("in range");
            let step = |head: &mut Head, seed: u64| {
                let features = values(batch * dim, seed);
                head.step(view(&features, batch, dim), &labels, 0.1).expect("finite inputs")
            };
            step(&mut head, 1);
            let text = serde_json::to_string(&head.state()).expect("plain data");
            let mut restored =
                Head::from_state(serde_json::from_str(&text).expect("just written")).expect("a good state");
            let features = values(batch * dim, 9);
            let dropped = head.forward(view(&features, batch, dim), &labels).expect("finite inputs");
            drop(dropped);
            for seed in 2..5 {
                assert_eq!(step(&mut head, seed), step(&mut restored, seed), "{objective}, {optimiser:?}");
            }
            assert_eq!(head.state(), restored.state());
            if objective.learnt().is_some() {
                assert_ne!(head.objective().learnt(), objective.learnt(), "{objective} learns");
            }
        }
    }
}

#[test]
fn ignored_samples_have_no_effect() {
    let parameters = parameters([("ignore_label", 9.into())]);
    let objective = ClassObjective::from_name("am-softmax", &parameters, 3).expect("in range");
    let head = Head::new(3, 2, objective, HeadConfig::default()).expect("in range");
    let features = values(8, 3);
    let all = head.forward(view(&features, 4, 2), &[9, 1, 9, 0]).expect("finite inputs");
    let kept = [&features[2..4], &features[6..8]].concat();
    let some = head.forward(view(&kept, 2, 2), &[1, 0]).expect("finite inputs");
    assert_eq!((all.loss, head.gradient(&all.pending)), (some.loss, head.gradient(&some.pending)));
    assert_eq!(all.losses[1..], [some.losses[0], 0.0, some.losses[1]]);
    assert_eq!(all.grad_features[..2], [0.0, 0.0]);
    assert_eq!(all.grad_features[2..4], some.grad_features[..2]);
    assert!(head.forward(view(&features, 4, 2), &[9, 1, 8, 0]).is_err(), "8 is no class and not ignored");
}

/// Centres with half the digits train as well: in every mode the losses of a hundred steps on a learnable task stay within a few
/// hundredths of those of `f32`.
#[test]
fn half_precision_centres_train_as_well() {
    let (batch, classes, dim) = (64, 40, 16);
    let features = values(batch * dim, 1);
    let labels = labels(batch, classes, 2);
    let modes =
        [HeadMode::Dense, HeadMode::Screened { threshold: Some(0.01) }, HeadMode::Sampled { rate: 0.99 }];
    for mode in modes {
        let train = |centres| {
            let config = HeadConfig { mode, centres, seed: 5, ..HeadConfig::default() };
            let mut head = Head::new(classes, dim, am_softmax(), config).expect("in range");
            // a learning rate at which most steps of a value are below its last digit
            let losses: Vec<f64> = (0..100)
                .map(|_| head.step(view(&features, batch, dim), &labels, 0.02).expect("finite inputs").loss)
                .collect();
            (losses[0], losses[99], head.centres().into_owned())
        };
        let (start, wide, _) = train(StoragePrecision::F32);
        let (_, half, centres) = train(StoragePrecision::Bf16);
        assert!(wide < 0.5 * start, "{mode:?}: the loss falls, {start} {wide}");
        assert!((half - wide).abs() < 0.03 * wide, "{mode:?}: {half} {wide}");
        assert!(
            centres.iter().all(|value| value.to_bits().trailing_zeros() >= 16),
            "{mode:?}: 16 bits per value"
        );
    }
}
