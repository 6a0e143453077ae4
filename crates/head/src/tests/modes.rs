//! The mode of a head: how `auto` is resolved, what a state says about it, and changing it in training.

use widemargin_objective::{ClassObjective, Parameters};

use super::{labels, values, view};
use crate::{
    Error, Head, HeadConfig, HeadMode, HeadState, NewClasses, Objective, OptimiserConfig, StoragePrecision,
};

const CLASSES: usize = 1500;
const DIM: usize = 12;
const BATCH: usize = 8;

/// Of the classes that are certainly kept in every mode: with it, screened steps equal dense ones.
const ALL: HeadMode = HeadMode::Screened { threshold: Some(1e-12) };

/// With it, most rows have deferred updates.
const FEW: HeadMode = HeadMode::Screened { threshold: Some(0.02) };

fn am_softmax() -> Objective {
    Objective::am_softmax(24.0, 0.2).expect("in range")
}

fn head(mode: HeadMode, optimiser: OptimiserConfig) -> Head {
    let config = HeadConfig { optimiser, mode, ..Default::default() };
    Head::new(CLASSES, DIM, am_softmax(), config).expect("in range")
}

/// One step; the rate changes in every step.
fn step(head: &mut Head, step: u64) -> f64 {
    let rate = match head.config().optimiser {
        OptimiserConfig::Sgd { .. } => 0.2,
        OptimiserConfig::AdamW { .. } => 0.01,
    };
    let (x, y) = (values(BATCH * DIM, step), labels(BATCH, 5, 50 + step));
    head.step(view(&x, BATCH, DIM), &y, rate / (1.0 + step as f64 / 10.0)).expect("finite").loss
}

fn steps(head: &mut Head, steps: std::ops::Range<u64>) {
    for at in steps {
        assert!(step(head, at) > 0.0);
    }
}

fn optimisers() -> [OptimiserConfig; 3] {
    [OptimiserConfig::sgd(0.9, 0.01), OptimiserConfig::sgd(0.0, 0.0), OptimiserConfig::adam_w(0.1)]
}

fn assert_close(found: &Head, expected: &Head, bound: f32, what: &str) {
    let (found, expected) = (found.settled_centres(), expected.settled_centres());
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs() / largest;
        assert!(error <= bound, "{what}: row {}, {found} and {expected}", at / DIM);
    }
}

fn predictions(head: &Head) -> Vec<u32> {
    let x = values(200 * DIM, 77);
    head.predict(view(&x, 200, DIM)).expect("finite")
}

/// Trained dense and continued screened with every class kept, or the other way round: the same predictions after the change, and the
/// steps of a head that had one mode throughout.
#[test]
fn a_changed_mode_keeps_predictions_and_steps() {
    for optimiser in optimisers() {
        for (from, to) in [(HeadMode::Dense, ALL), (ALL, HeadMode::Dense)] {
            let (mut changed, mut same) = (head(from, optimiser), head(HeadMode::Dense, optimiser));
            steps(&mut changed, 0..15);
            steps(&mut same, 0..15);
            let before = predictions(&changed);
            changed.set_mode(to).expect("screenable");
            assert_eq!((predictions(&changed), changed.config().mode), (before, to));
            for at in 15..40 {
                let (found, expected) = (step(&mut changed, at), step(&mut same, at));
                assert!((found / expected - 1.0).abs() < 1e-4, "{optimiser:?} step {at}: {found} {expected}");
            }
            // 40 steps of f32, in which AdamW divides by small roots
            assert_close(&changed, &same, 1e-4, &format!("{optimiser:?} {from:?}"));
        }
    }
}

/// Rows that have fallen behind are brought up to date by the change, with their memory: without a gradient, the head continues as a
/// copy that stays screened.
#[test]
fn deferred_updates_survive_a_change() {
    for optimiser in optimisers() {
        let mut screened = head(FEW, optimiser);
        steps(&mut screened, 0..30);
        let before = screened.settled_centres();
        let mut dense = screened.clone();
        dense.set_mode(HeadMode::Dense).expect("in range");
        assert!(!dense.is_screened());
        assert_eq!(*dense.centres(), before[..], "{optimiser:?}: to the bit");
        assert_eq!(predictions(&dense), predictions(&screened));
        assert!(dense.state().tensors.iter().all(|tensor| tensor.shape == [CLASSES, DIM]));
        let mut again = dense.clone();
        again.set_mode(FEW).expect("screenable");
        for _ in 0..20 {
            for head in [&mut screened, &mut dense, &mut again] {
                let none = head.forward(view(&[], 0, DIM), &[]).expect("empty");
                head.apply(none.pending, 0.05, 1.0).expect("in range");
            }
        }
        assert_close(&dense, &screened, 1e-5, &format!("{optimiser:?}: dense"));
        assert_close(&again, &screened, 1e-5, &format!("{optimiser:?}: screened again"));
    }
}

#[test]
fn half_precision_centres_change_their_mode() {
    let config = HeadConfig { mode: FEW, centres: StoragePrecision::Bf16, ..Default::default() };
    let mut head = Head::new(CLASSES, DIM, am_softmax(), config).expect("in range");
    steps(&mut head, 0..20);
    let mut dense = head.clone();
    dense.set_mode(HeadMode::Dense).expect("in range");
    // bfloat16 has eight significant bits
    assert_close(&dense, &head, 1.0 / 256.0, "rounded once");
    assert!(step(&mut dense, 20).is_finite());
}

/// Under AdamW the first step of a row is as long as every first step, whenever the row is drawn first.
#[test]
fn a_sampled_row_corrects_the_bias_of_its_own_steps() {
    let optimiser = OptimiserConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let mut head = head(HeadMode::Sampled { rate: 0.02 }, optimiser);
    let mut drawn = vec![0_u32; CLASSES];
    let mut checked = 0;
    for at in 0..60 {
        let (x, y) = (values(BATCH * DIM, at), labels(BATCH, 5, 50 + at));
        let before = head.centres().into_owned();
        let found = head.forward(view(&x, BATCH, DIM), &y).expect("finite");
        let gradient = head.gradient(&found.pending).expect("of this step");
        head.apply(found.pending, 0.01, 1.0).expect("in range");
        let after = head.centres();
        for row in 0..CLASSES {
            let range = row * DIM..(row + 1) * DIM;
            if gradient[range.clone()].iter().all(|&g| g == 0.0) {
                continue;
            }
            if drawn[row] == 0 {
                for place in range.filter(|&place| gradient[place].abs() > 1e-5) {
                    let moved = before[place] - after[place];
                    // a first step is the rate in the direction of the gradient's sign
                    let expected = 0.01 * gradient[place].signum();
                    assert!((moved - expected).abs() < 2e-5, "step {at}, row {row}: {moved} {expected}");
                    checked += usize::from(at > 20);
                }
            }
            drawn[row] += 1;
        }
    }
    assert!(checked > 1000, "{checked}");
    assert_eq!(head.own_steps, drawn, "own steps are counted");
    let text = serde_json::to_string(&head.state()).expect("plain data");
    let state: HeadState = serde_json::from_str(&text).expect("its own text");
    let mut restored = Head::from_state(state.clone()).expect("its own state");
    assert_eq!(step(&mut restored, 60), step(&mut head, 60));
    assert_eq!(restored.state(), head.state());
    for wrong in [-1.0, 61.0, f32::NAN] {
        let mut state = state.clone();
        let tensor = state.tensors.iter_mut().find(|tensor| tensor.name == "own_steps").expect("there");
        tensor.values[3] = wrong;
        assert!(Head::from_state(state).is_err(), "{wrong}");
    }
    // a state of an earlier release: every row as if it had made all steps
    let mut older = state;
    older.tensors.retain(|tensor| tensor.name != "own_steps");
    assert_eq!(Head::from_state(older).expect("without own steps").own_steps, vec![60; CLASSES]);
}

/// A sampled head that becomes dense continues as a head would whose rows had all had their mean gradients in every step.
#[test]
fn running_means_of_few_steps_are_completed() {
    let optimiser = OptimiserConfig::adam_w(0.0);
    let mut head = head(HeadMode::Sampled { rate: 0.02 }, optimiser);
    steps(&mut head, 0..50);
    let corrected = |head: &Head, steps: &[u32]| {
        let [mean, square] =
            [0, 1].map(|at| head.optimiser.memory().nth(at).expect("two").1.wide().into_owned());
        let ratio = |place: usize| {
            let steps = steps[place / DIM] as i32;
            let mean = mean[place] / (1.0 - 0.9_f32.powi(steps));
            let square: f32 = square[place] / (1.0 - 0.999_f32.powi(steps));
            if square > 0.0 { mean / square.sqrt() } else { 0.0 }
        };
        (0..CLASSES * DIM).map(ratio).collect::<Vec<f32>>()
    };
    let before = corrected(&head, &head.own_steps);
    let few = head.own_steps.iter().filter(|steps| (1..10).contains(*steps)).count();
    assert!(few > 100, "{few}: this test is about rows with few steps");
    head.set_mode(HeadMode::Dense).expect("in range");
    assert!(head.own_steps.is_empty());
    let after = corrected(&head, &vec![50; CLASSES]);
    for (before, after) in before.iter().zip(&after) {
        assert!((before - after).abs() <= 1e-4 * before.abs().max(1.0), "{before} {after}");
    }
    head.set_mode(HeadMode::Sampled { rate: 0.5 }).expect("in range");
    assert_eq!(head.own_steps, vec![50; CLASSES]);
}

/// The mode that was used is in the state; what `auto` means for another number of classes, or in another release, does not matter.
#[test]
fn a_state_keeps_the_mode_that_was_resolved() {
    let (auto, steep) = (HeadConfig::default(), Objective::am_softmax(64.0, 0.35).expect("in range"));
    assert_eq!(auto.mode, HeadMode::Auto);
    let mut few = Head::new(4_999, 64, steep.clone(), auto).expect("in range");
    assert_eq!(few.config().mode, HeadMode::Dense);
    few.add_classes(NewClasses::Random { count: 2, seed: 1 }).expect("across the limit");
    assert_eq!((few.classes(), few.config().mode), (5_001, HeadMode::Dense));
    let x = values(4 * 64, 1);
    few.step(view(&x, 4, 64), &[0, 1, 2, 5_000], 0.1).expect("training continues");
    few.set_mode(HeadMode::Auto).expect("in range");
    assert!(few.is_screened(), "resolved for the present number of classes");

    let mut many = Head::new(5_000, 64, steep, auto).expect("in range");
    assert_eq!(many.config().mode, HeadMode::screened());
    many.drop_classes(&[5]).expect("across the limit");
    assert_eq!((many.classes(), many.config().mode), (4_999, HeadMode::screened()));
    assert_eq!(Head::from_state(many.state()).expect("its own state").state(), many.state());
}

/// Earlier releases stored `auto`, which meant another number of classes than today.
#[test]
fn a_state_with_auto_has_the_mode_of_its_tensors() {
    for mode in [HeadMode::Dense, HeadMode::screened()] {
        let config = HeadConfig { mode, ..Default::default() };
        let mut head = Head::new(50, 4, am_softmax(), config).expect("in range");
        let x = values(4 * 4, 1);
        head.step(view(&x, 4, 4), &[0, 1, 2, 3], 0.1).expect("finite");
        let mut older = head.state();
        older.config.mode = HeadMode::Auto;
        let restored = Head::from_state(older.clone()).expect("an earlier state");
        assert_eq!(restored.state(), head.state());
        if mode != HeadMode::Dense {
            older.tensors.retain(|tensor| tensor.name != "deferred");
            let error = Head::from_state(older).expect_err("half of the deferred updates");
            assert_eq!(error, Error::MissingTensor { name: "deferred" });
        }
    }
}

#[test]
fn a_mode_that_does_not_fit_changes_nothing() {
    let softmax = ClassObjective::from_name("softmax", &Parameters::new(), 20).expect("defaults");
    let mut head = Head::new(20, 4, softmax, HeadConfig::default()).expect("in range");
    let before = head.state();
    assert!(matches!(head.set_mode(HeadMode::screened()), Err(Error::NotScreenable { .. })));
    assert!(matches!(head.set_mode(HeadMode::Sampled { rate: 2.0 }), Err(Error::OutOfRange { .. })));
    assert_eq!(head.state(), before);
}
