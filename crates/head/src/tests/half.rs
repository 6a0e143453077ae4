//! Class centres and optimiser state stored as bfloat16: the same bits for any number of threads and after a restart, and training that
//! follows that in `f32` up to the noise of rounding.

use rayon::ThreadPoolBuilder;

use super::screened::{features, relative_error};
use super::{labels, view};
use crate::{Head, HeadConfig, HeadMode, Objective, Optimiser, OptimiserConfig, StoragePrecision};

/// Largest standard deviation of stochastic rounding, relative to the value: two neighbours are 2^-7 of the smaller apart, and with all
/// positions between them equally likely the variance is a sixth of the distance squared.
const ROUNDING: f64 = 0.003_19;

const DIM: usize = 12;

/// With it, most rows have deferred updates.
const FEW: HeadMode = HeadMode::Screened { threshold: Some(0.02) };

const MODES: [HeadMode; 3] = [HeadMode::Dense, HeadMode::Sampled { rate: 0.3 }, FEW];

fn optimisers() -> [OptimiserConfig; 2] {
    [OptimiserConfig::sgd(0.9, 1e-3), OptimiserConfig::adam_w(0.01)]
}

fn head(classes: usize, mode: HeadMode, optimiser: OptimiserConfig, [centres, state]: [bool; 2]) -> Head {
    let precision = |half| if half { StoragePrecision::Bf16 } else { StoragePrecision::F32 };
    let (centres, optimiser_state) = (precision(centres), precision(state));
    let config = HeadConfig { mode, optimiser, centres, optimiser_state, seed: 5, ..Default::default() };
    Head::new(classes, DIM, Objective::am_softmax(24.0, 0.2).expect("in range"), config).expect("in range")
}

fn rate(optimiser: OptimiserConfig, step: u64) -> f64 {
    let peak = if matches!(optimiser, OptimiserConfig::Sgd { .. }) { 0.2 } else { 3e-3 };
    peak / (1.0 + step as f64 / 20.0)
}

fn step(head: &mut Head, at: u64) -> f64 {
    let (x, y) = (features(9, DIM, at), labels(9, 40, 50 + at));
    let rate = rate(head.config().optimiser, at);
    head.step(view(&x, 9, DIM), &y, rate).expect("finite").loss
}

#[test]
fn the_bits_do_not_depend_on_threads_or_a_restart() {
    for mode in MODES {
        for optimiser in optimisers() {
            let run = |threads: usize, restart: Option<u64>| {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
                pool.install(|| {
                    let mut head = head(3000, mode, optimiser, [true, true]);
                    for at in 0..12 {
                        if restart == Some(at) {
                            let text = serde_json::to_string(&head.state()).expect("serialisable");
                            let state = serde_json::from_str(&text).expect("its own text");
                            let restored = Head::from_state(state).expect("its own state");
                            assert!(restored.state() == head.state(), "{mode:?} {optimiser:?}");
                            head = restored;
                        }
                        step(&mut head, at);
                    }
                    head.state()
                })
            };
            let expected = run(1, None);
            // every value of a state is a bfloat16, which `f32` holds exactly
            for tensor in expected.tensors.iter().filter(|tensor| tensor.shape == [3000, DIM]) {
                let halves = tensor.values.iter().all(|value| value.to_bits().trailing_zeros() >= 16);
                assert!(halves, "{mode:?} {optimiser:?}: {}", tensor.name);
            }
            assert!(run(3, None) == expected, "{mode:?} {optimiser:?}: three threads");
            assert!(run(2, Some(7)) == expected, "{mode:?} {optimiser:?}: cut at step 7");
        }
    }
}

/// Rows that fall behind, against an optimiser in `f32` that makes the same steps on every row: apart by the noise of rounding, and not
/// to one side.
#[test]
fn deferred_updates_follow_a_dense_twin_in_f32() {
    const STEPS: u64 = 120;
    let (classes, optimiser) = (3000, OptimiserConfig::sgd(0.9, 0.01));
    for half in [[false, true], [true, false], [true, true]] {
        let mut screened = head(classes, FEW, optimiser, half);
        let mut plain = screened.centres().into_owned();
        let mut twin = Optimiser::new(optimiser, plain.len()).expect("in range");
        for at in 0..STEPS {
            let (x, y) = (features(6, DIM, at), labels(6, 5, 50 + at));
            let found = screened.forward(view(&x, 6, DIM), &y).expect("finite");
            let gradient = screened.gradient(&found.pending).expect("of this step");
            twin.step(&mut plain, &gradient, rate(optimiser, at), 1.0);
            screened.apply(found.pending, rate(optimiser, at), 1.0).expect("in range");
        }
        let ages = screened.screen.as_ref().expect("screened").lazy.state().ages;
        assert!(ages.iter().any(|&age| age >= 10), "{half:?}: rows must fall behind");
        let found = screened.settled_centres();
        let error = relative_error(&found, &plain);
        // a row is rounded in each of its visits, at most once per step; rounding the velocity alone moves a row by that share of its
        // movement, which is shorter than the row
        let visits = if half[0] { (STEPS as f64).sqrt() } else { 1.0 };
        assert!(error < ROUNDING * visits, "{half:?}: {error}");
        // five standard errors of a sum of independent errors
        let along = found.iter().zip(&plain).map(|(found, plain)| f64::from((found - plain) * plain));
        let spread = along.clone().map(|along| along * along).sum::<f64>().sqrt();
        let bias = along.sum::<f64>().abs();
        assert!(bias < 5.0 * spread, "{half:?}: {bias} {spread}");
        screened.set_mode(HeadMode::Dense).expect("in range");
        let (_, velocity) = screened.optimiser.memory().next().expect("momentum");
        let (_, expected) = twin.memory().next().expect("momentum");
        let error = relative_error(&velocity.wide(), expected);
        // the sum of all earlier roundings, each shrunk by the momentum since, and the weight decay of a row that is off
        let bound = ROUNDING * (visits + (1.0_f64 - 0.81).sqrt().recip());
        assert!(error < bound, "{half:?}: velocity {error}");
    }
}

/// The same loss at the end as with everything in `f32`, for every mode and optimiser.
#[test]
fn training_ends_as_in_f32() {
    for mode in MODES {
        for optimiser in optimisers() {
            let [full, narrow] = [[false, false], [true, true]].map(|half| {
                let mut head = head(600, mode, optimiser, half);
                let losses: Vec<f64> = (0..200).map(|at| step(&mut head, at)).collect();
                (losses[..20].iter().sum::<f64>() / 20.0, losses[180..].iter().sum::<f64>() / 20.0)
            });
            assert!(full.1 < 0.98 * full.0, "{mode:?} {optimiser:?}: {full:?} must learn");
            // 200 roundings of a centre turn it by 0.0023 sqrt(200) = 3 % at most, against the gradient that pulls it back
            assert!((narrow.1 / full.1 - 1.0).abs() < 0.03, "{mode:?} {optimiser:?}: {narrow:?} {full:?}");
        }
    }
}

/// A change of the mode applies deferred updates to memory in half precision too.
#[test]
fn deferred_updates_survive_a_change_of_the_mode() {
    for optimiser in optimisers() {
        let mut screened = head(1500, FEW, optimiser, [true, true]);
        assert!((0..30).all(|at| step(&mut screened, at) > 0.0));
        let before = screened.settled_centres();
        let mut dense = screened.clone();
        dense.set_mode(HeadMode::Dense).expect("in range");
        // rounded once more, to the nearest
        assert!(relative_error(&dense.centres(), &before) < ROUNDING, "{optimiser:?}");
        let mut sampled = head(1500, HeadMode::Sampled { rate: 0.3 }, optimiser, [true, true]);
        assert!((0..30).all(|at| step(&mut sampled, at) > 0.0));
        sampled.set_mode(FEW).expect("screenable");
        for head in [&mut dense, &mut sampled] {
            assert!(step(head, 30).is_finite());
            assert!(Head::from_state(head.state()).is_ok(), "{optimiser:?}");
        }
    }
}
