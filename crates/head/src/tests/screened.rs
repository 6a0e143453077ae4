//! The screened mode compared with the dense one: the same loss and gradients up to the errors of sampling and 7-bit scores,
//! exact on average up to a bias that is far below both, the same bits for any number of threads and after a restart.

use widemargin_objective::{ClassObjective, Link, Objective, Parameters, Pool, Score, norm, parameters};

use super::{labels, values, view};
use crate::lazy::{GROWN, LazyState, NOTICEABLE, OLDEST, remaining};
use crate::{Error, Head, HeadConfig, HeadMode, Optimiser, OptimiserConfig};

fn head(classes: usize, dim: usize, mode: HeadMode, optimiser: OptimiserConfig) -> Head {
    head_with(1, classes, dim, mode, optimiser)
}

/// A head with several centres per class.
fn head_with(each: usize, classes: usize, dim: usize, mode: HeadMode, optimiser: OptimiserConfig) -> Head {
    let parameters =
        parameters([("scale", 24.0.into()), ("margin", 0.2.into()), ("sub_centres", each.into())]);
    let objective = ClassObjective::from_name("am-softmax", &parameters, classes).expect("in range");
    Head::new(classes, dim, objective, HeadConfig { mode, optimiser, seed: 5, ..Default::default() })
        .expect("in range")
}

/// Features with a common mean, so that the gradient of the tail has a direction.
pub(super) fn features(batch: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut features = values(batch * dim, seed);
    for value in &mut features {
        *value += 0.4;
    }
    features
}

pub(super) fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = square(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    (difference / square(&mut expected.iter().map(|&value| f64::from(value)))).sqrt()
}

#[test]
fn it_equals_the_dense_head_if_every_class_is_kept() {
    for (each, classes) in [(1, 3000), (2, 1000), (3, 1100), (5, 701), (64, 40)] {
        check_with_every_class_kept(each, classes);
    }
}

fn check_with_every_class_kept(each: usize, classes: usize) {
    let (dim, batch) = (32, 20);
    let sgd = OptimiserConfig::sgd(0.9, 5e-4);
    let mut dense = head_with(each, classes, dim, HeadMode::Dense, sgd);
    let mode = HeadMode::Screened { threshold: Some(1e-12) };
    let mut screened = head_with(each, classes, dim, mode, sgd);
    assert!(screened.is_screened());
    for step in 0..20 {
        let (x, y) = (features(batch, dim, step), labels(batch, classes, 100 + step));
        let expected = dense.forward(view(&x, batch, dim), &y).expect("finite");
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        // rounding of f32 through a scale of 24, and its accumulation over earlier steps
        assert!(
            (found.loss / expected.loss - 1.0).abs() < 1e-5,
            "{each}, {step}: {} {}",
            found.loss,
            expected.loss
        );
        let error = relative_error(&found.grad_features, &expected.grad_features);
        assert!(error < 1e-4, "{each}, {step}: features {error}");
        let rows = screened.gradient(&found.pending).expect("of this step");
        let error = relative_error(&rows, &dense.gradient(&expected.pending).expect("of this step"));
        assert!(error < 1e-4, "{each}, {step}: centres {error}");
        let norms = (
            screened.gradient_norm(&found.pending).expect("of this step"),
            dense.gradient_norm(&expected.pending).expect("of this step"),
        );
        assert!((norms.0 / norms.1 - 1.0).abs() < 1e-4, "{norms:?}");
        let (a, b) = (&found.diagnostics, &expected.diagnostics);
        assert!((a.mean_push - b.mean_push).abs() < 1e-4, "{a:?} {b:?}");
        assert!((a.effective_competitors / b.effective_competitors - 1.0).abs() < 1e-3, "{a:?} {b:?}");
        assert_eq!((a.accuracy, a.margin_met), (b.accuracy, b.margin_met));
        assert!(found.screening.expect("screened").left_out < 1e-6);
        if step % 2 == 0 {
            dense.apply(expected.pending, 0.5, 0.7).expect("in range");
            screened.apply(found.pending, 0.5, 0.7).expect("in range");
        } else {
            let met = screened.apply_and_measure(found.pending, 0.5).expect("in range");
            assert!(
                (met / norms.0 - 1.0).abs() < 1e-6,
                "computed by the step {met}, computed before {}",
                norms.0
            );
            dense.apply(expected.pending, 0.5, 1.0).expect("in range");
        }
    }
    let error = relative_error(&screened.settled_centres(), &dense.centres());
    assert!(error < 1e-5, "{error}");
}

/// Most of the mass is below the threshold here. The mean over the phases of n steps must approach the exact gradient as
/// 1 / sqrt(n), until the bias of the quotient of two estimates remains; it is far below the noise of 200 steps.
#[test]
fn the_gradients_are_exact_on_average() {
    for (each, classes, dim, threshold) in [(1, 20_000, 96, 1.0 / 256.0), (3, 6000, 48, 1.0 / 64.0)] {
        check_the_average(each, classes, dim, threshold);
    }
}

fn check_the_average(each: usize, classes: usize, dim: usize, threshold: f64) {
    let batch = 12;
    let plain = OptimiserConfig::sgd(0.0, 0.0);
    let dense = head_with(each, classes, dim, HeadMode::Dense, plain);
    let (x, y) = (features(batch, dim, 1), labels(batch, classes, 2));
    let expected = dense.forward(view(&x, batch, dim), &y).expect("finite");
    let mode = HeadMode::Screened { threshold: Some(threshold) };
    let mut screened = head_with(each, classes, dim, mode, plain);
    let rounds = 200;
    let (mut features_mean, mut centres_mean) = (vec![0.0; x.len()], vec![0.0; classes * each * dim]);
    let (mut single, mut loss) = ([0.0; 2], 0.0);
    for _ in 0..rounds {
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        let screening = found.screening.expect("screened");
        assert!(screening.left_out > 0.4, "{screening:?}: this test is about the tail");
        let rows = screened.gradient(&found.pending).expect("of this step");
        let exact = &dense.gradient(&expected.pending).expect("of this step");
        single[0] += relative_error(&found.grad_features, &expected.grad_features) / f64::from(rounds);
        single[1] += relative_error(&rows, exact) / f64::from(rounds);
        loss += found.loss / f64::from(rounds);
        for (mean, found) in [(&mut features_mean, &found.grad_features), (&mut centres_mean, &rows)] {
            mean.iter_mut().zip(found).for_each(|(mean, value)| *mean += value / rounds as f32);
        }
        // a learning rate of 0 changes only the step, and with it the phases
        screened.apply(found.pending, 0.0, 1.0).expect("in range");
    }
    let mean = [
        relative_error(&features_mean, &expected.grad_features),
        relative_error(&centres_mean, &dense.gradient(&expected.pending).expect("of this step")),
    ];
    for (mean, single) in mean.iter().zip(single) {
        // twice the mean of independent errors
        assert!(*mean < 2.0 * single / f64::from(rounds).sqrt(), "of one step {single}, of the mean {mean}");
    }
    assert!((loss / expected.loss - 1.0).abs() < 1e-4, "{loss} {}", expected.loss);
}

#[test]
fn both_gradients_are_within_the_error_budget() {
    for budget in [0.005, 0.01, 0.02, 0.05, 0.1, 0.2] {
        check_the_budget(budget);
    }
}

fn check_the_budget(budget: f64) {
    // early: random features; trained: features near their targets' centres. At a scale of 30 nearly all of the sum is below the
    // threshold.
    let one =
        [(0.0_f32, 64.0), (0.7, 64.0), (0.0, 30.0), (0.7, 30.0)].map(|(share, scale)| (share, scale, 1));
    for (share, scale, each) in one.into_iter().chain([(0.0, 64.0, 3), (0.7, 30.0, 3)]) {
        let (classes, dim, batch) = (30_000 / each, 128, 32);
        let parameters =
            parameters([("scale", scale.into()), ("margin", 0.35.into()), ("sub_centres", each.into())]);
        let objective = ClassObjective::from_name("am-softmax", &parameters, classes).expect("in range");
        let make = |mode| {
            let config = HeadConfig { mode, screened_error: budget, ..Default::default() };
            Head::new(classes, dim, objective.clone(), config).expect("in range")
        };
        let (dense, screened) = (make(HeadMode::Dense), make(HeadMode::screened()));
        let y = labels(batch, classes, 4);
        let mut x = values(batch * dim, 3);
        for (x, &label) in x.chunks_mut(dim).zip(&y) {
            let norm = x.iter().map(|value| value * value).sum::<f32>().sqrt();
            let rest = (1.0 - share * share).sqrt();
            let all = dense.centres();
            let centre = &all[label as usize * each * dim..][..dim];
            x.iter_mut().zip(centre).for_each(|(x, w)| *x = share * w + rest * *x / norm);
        }
        let expected = dense.forward(view(&x, batch, dim), &y).expect("finite");
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        let rows = screened.gradient(&found.pending).expect("of this step");
        let errors = [
            relative_error(&found.grad_features, &expected.grad_features),
            relative_error(&rows, &dense.gradient(&expected.pending).expect("of this step")),
        ];
        assert!(
            errors.iter().all(|&error| error < budget),
            "{budget}, {each} per class, target cosine {share}, scale {scale}: {errors:?}"
        );
    }
}

/// Scales at which the probed panels say little about the nearest class, and numbers of classes that do not fill a panel.
#[test]
fn odd_sizes_and_steep_scales_agree_with_dense() {
    for (classes, scale) in [(1, 30.0_f64), (2, 30.0), (17, 64.0), (2500, 1.0), (2500, 256.0), (2500, 1000.0)]
    {
        let (dim, batch) = (10, 7);
        let parameters = parameters([("scale", scale.into()), ("margin", 0.1.into())]);
        let objective = ClassObjective::from_name("cosface", &parameters, classes).expect("in range");
        let make = |mode| {
            let config = HeadConfig { mode, ..Default::default() };
            Head::new(classes, dim, objective.clone(), config).expect("in range")
        };
        let (dense, screened) = (make(HeadMode::Dense), make(HeadMode::Screened { threshold: Some(1e-12) }));
        let (x, y) = (values(batch * dim, 8), labels(batch, classes, 9));
        let expected = dense.forward(view(&x, batch, dim), &y).expect("finite");
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        // a rounding of 1e-7 in a cosine, times the scale
        let bound = 1e-6 * scale.max(10.0);
        assert!((found.loss - expected.loss).abs() <= bound * expected.loss.max(1e-3), "{classes} {scale}");
        let rows = screened.gradient(&found.pending).expect("of this step");
        if classes > 1 {
            let error = relative_error(&rows, &dense.gradient(&expected.pending).expect("of this step"));
            assert!(error < 10.0 * bound, "{classes} {scale}: {error}");
        } else {
            assert!(rows.iter().all(|&value| value == 0.0), "one class has no gradient");
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_threads_or_a_restart() {
    let (classes, dim, batch) = (5000, 16, 9);
    let sgd = OptimiserConfig::sgd(0.9, 1e-3);
    for (each, optimiser) in [(1, sgd), (1, OptimiserConfig::adam_w(0.01)), (3, sgd)] {
        let run = |threads: usize, restart: Option<u64>| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let mut head = head_with(each, classes, dim, HeadMode::screened(), optimiser);
                for step in 0..12 {
                    if restart == Some(step) {
                        let text = serde_json::to_string(&head.state()).expect("serialisable");
                        head = Head::from_state(serde_json::from_str(&text).expect("its own text"))
                            .expect("its own state");
                    }
                    let (x, y) = (features(batch, dim, step), labels(batch, classes, 50 + step));
                    head.step(view(&x, batch, dim), &y, 0.1 / (1.0 + step as f64)).expect("finite");
                }
                head.settled_centres().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            })
        };
        let expected = run(1, None);
        assert_eq!(expected, run(3, None), "{optimiser:?}: three threads");
        assert_eq!(expected, run(2, Some(7)), "{optimiser:?}: cut at step 7");
    }
}

/// Steps in which rows fall behind.
const STEPS: u64 = 120;

/// Learning rates of a warm-up from 0 followed by a cosine, over `steps` steps.
fn warmed_up(peak: f64, step: u64, steps: u64) -> f64 {
    let (step, steps) = (step as f64, steps as f64);
    let warm_up = (step / (0.2 * steps)).min(1.0);
    peak * warm_up * 0.5 * (1.0 + (std::f64::consts::PI * step / steps).cos())
}

/// Rows without a gradient still move: compares a head whose samples are of few classes with an optimiser that visits every row, for
/// both optimisers and a rate that changes in every step.
#[test]
fn rows_without_a_gradient_follow_their_momentum() {
    let sgd = OptimiserConfig::sgd(0.9, 0.01);
    let adam_w = OptimiserConfig::adam_w(0.1);
    // roots of the mean squares are about as large as this epsilon
    let steep = OptimiserConfig::AdamW { beta1: 0.8, beta2: 0.99, epsilon: 1e-5, weight_decay: 0.2 };
    for (each, classes) in [(1, 3000), (3, 1000)] {
        for (optimiser, peak) in [(sgd, 0.2), (adam_w, 3e-4), (steep, 1e-3)] {
            check_untouched_rows(each, classes, optimiser, &|_| peak);
            check_untouched_rows(each, classes, optimiser, &|step| warmed_up(peak, step, STEPS));
        }
    }
}

fn check_untouched_rows(each: usize, classes: usize, config: OptimiserConfig, rate: &dyn Fn(u64) -> f64) {
    let (dim, batch) = (12, 6);
    let mode = HeadMode::Screened { threshold: Some(0.02) };
    let mut screened = head_with(each, classes, dim, mode, config);
    let mut plain = screened.centres().into_owned();
    let mut optimiser = Optimiser::new(config, plain.len()).expect("in range");
    let (mut touched, mut oldest) = (vec![false; classes * each], 0);
    for step in 0..STEPS {
        let (x, y) = (features(batch, dim, step), labels(batch, 5, 50 + step));
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        let gradient = screened.gradient(&found.pending).expect("of this step");
        let untouched = gradient.chunks(dim).filter(|row| row.iter().all(|&value| value == 0.0)).count();
        assert!(untouched > classes * each / 2, "{untouched}: this test is about untouched rows");
        for (row, touched) in gradient.chunks(dim).zip(&mut touched) {
            *touched |= row.iter().any(|&value| value != 0.0);
        }
        optimiser.step(&mut plain, &gradient, rate(step), 1.0);
        screened.apply(found.pending, rate(step), 1.0).expect("in range");
        let ages = screened.screen.as_ref().expect("screened").lazy.state().ages;
        let of_touched = ages.iter().zip(&touched).filter(|(_, touched)| **touched).map(|(age, _)| *age);
        oldest = oldest.max(of_touched.max().unwrap_or_default());
    }
    assert!(oldest >= 10, "{config:?}: rows that have moved must fall behind, by more than {oldest} steps");
    let error = relative_error(&screened.settled_centres(), &plain);
    assert!(error < 1e-5, "{config:?}: {error}");
    for (name, values) in optimiser.memory() {
        let found = screened.clone();
        let mut settled = found;
        settled.set_mode(HeadMode::Dense).expect("in range");
        let (_, found) =
            settled.optimiser.memory().find(|(own, _)| *own == name).expect("the same optimiser");
        let error = relative_error(&found.wide(), values);
        assert!(error < 1e-5, "{config:?}, {name}: {error}");
    }
    assert!(relative_error(&screened.centres(), &plain) > 1e-5, "some rows have deferred updates");
}

/// A row may wait only if its remaining movement changes no exponent noticeably, at the scale and temperature of the step.
#[test]
fn rows_wait_by_the_sharpness_of_the_step() {
    const RATE: f64 = 0.005;
    let learnt = ClassObjective::from_name("normface", &parameters([("scale", 8.0.into())]), 2000);
    let cold = Objective::family()
        .score(Score::cosine(8.0))
        .pool(Pool::log_sum_exp_at(0.1))
        .link(Link::softplus_at(0.1))
        .build();
    let objectives = [(learnt.expect("in range"), Some(80.0)), (cold.expect("in range").into(), None)];
    for (objective, scale) in objectives {
        let config = HeadConfig { mode: HeadMode::Screened { threshold: Some(0.02) }, ..Default::default() };
        let mut state = Head::new(2000, 12, objective, config).expect("in range").state();
        if let Some(scale) = scale {
            state.objective.set_learnt(scale).expect("in range");
        }
        let mut head = Head::from_state(state).expect("a good state");
        let (mut waiting, mut moving) = (0, 0);
        for step in 0..60 {
            let (x, y) = (features(6, 12, step), labels(6, 5, 50 + step));
            head.step(view(&x, 6, 12), &y, RATE).expect("finite");
            let sharpness = head.objective().sharpness().expect("a softmax");
            assert!(sharpness > 70.0, "{sharpness}");
            let LazyState { ages, active, .. } = head.screen.as_ref().expect("screened").lazy.state();
            let centres = head.centres();
            let velocity = head.optimiser.memory().next().expect("momentum").1.wide();
            for row in (0..2000).filter(|row| ages[*row] == 0) {
                let values = &centres[row * 12..(row + 1) * 12];
                let velocity = &velocity[row * 12..(row + 1) * 12];
                let ahead = remaining(head.config.optimiser, head.steps(), RATE, values, &[velocity]);
                let noticeable = sharpness * ahead > NOTICEABLE * norm(values);
                // the scale of the forward pass and that after the step differ by less than this
                let near = (sharpness * ahead / (NOTICEABLE * norm(values)) - 1.0).abs() < 0.1;
                assert!(near || active[row] == noticeable, "row {row} of step {step}");
                moving += usize::from(noticeable);
                waiting += usize::from(!noticeable && ahead > 0.0);
            }
        }
        assert!(moving > 20 && waiting > 20, "{moving} {waiting}");
    }
}

/// A step without samples: every row is without a gradient.
fn empty_step(head: &mut Head, rate: f64) {
    let none = head.forward(view(&[], 0, head.dim()), &[]).expect("empty");
    head.apply(none.pending, rate, 1.0).expect("in range");
}

/// Largest change of an exponent since the codes of a waiting row were computed.
fn most_drift(head: &Head) -> f64 {
    let ages = head.screen.as_ref().expect("screened").lazy.state().ages;
    let (stored, settled) = (head.centres(), head.settled_centres());
    let rows = stored.chunks(head.dim()).zip(settled.chunks(head.dim()));
    let drift = |(stored, settled): (&[f32], &[f32])| {
        let lengths = [norm(stored), norm(settled)];
        let turned: Vec<f64> = stored
            .iter()
            .zip(settled)
            .map(|(a, b)| f64::from(*a) / lengths[0] - f64::from(*b) / lengths[1])
            .collect();
        norm(&turned)
    };
    let sharpness = head.objective().sharpness().expect("a softmax");
    rows.zip(ages).filter(|(_, age)| *age > 0).map(|(row, _)| sharpness * drift(row)).fold(0.0, f64::max)
}

/// A weight decay this strong carries rows through zero; codes that were not computed again would have the wrong sign.
#[test]
fn rows_that_swing_through_zero_do_not_wait() {
    let sgd = OptimiserConfig::sgd(0.9, 0.1);
    let mut head = head(500, 12, HeadMode::Screened { threshold: Some(0.02) }, sgd);
    let (start, mut turned) = (head.centres().into_owned(), 0);
    for step in 0..40 {
        let (x, y) = (features(6, 12, step), labels(6, 5, 50 + step));
        head.step(view(&x, 6, 12), &y, 0.2).expect("finite");
        assert_eq!(most_drift(&head), 0.0, "step {step}");
        let against =
            |(now, start): (&[f32], &[f32])| now.iter().zip(start).map(|(a, b)| a * b).sum::<f32>() < 0.0;
        turned =
            turned.max(head.centres().chunks(12).zip(start.chunks(12)).filter(|row| against(*row)).count());
    }
    assert!(turned > 400, "{turned}: this test is about rows that turn");
}

/// The first deferred steps of AdamW depend most on their number. So little is moved here that every row waits at once; the rows'
/// way is compared, not their place.
#[test]
fn the_first_deferred_steps_have_their_own_bias_correction() {
    let (classes, dim, rate) = (500, 12, 2e-6);
    let optimiser = OptimiserConfig::adam_w(0.0);
    let mut head = head(classes, dim, HeadMode::Screened { threshold: Some(0.02) }, optimiser);
    let start = head.centres().into_owned();
    let mut plain = vec![0.0; start.len()];
    let mut optimiser = Optimiser::new(optimiser, plain.len()).expect("in range");
    let (x, y) = (features(6, dim, 1), labels(6, 5, 51));
    let found = head.forward(view(&x, 6, dim), &y).expect("finite");
    let gradient = head.gradient(&found.pending).expect("of this step");
    optimiser.step(&mut plain, &gradient, rate, 1.0);
    head.apply(found.pending, rate, 1.0).expect("in range");
    for _ in 0..8 {
        optimiser.step(&mut plain, &vec![0.0; gradient.len()], rate, 1.0);
        empty_step(&mut head, rate);
    }
    let ages = head.screen.as_ref().expect("screened").lazy.state().ages;
    assert!(ages.iter().all(|&age| age >= 8), "every row waits");
    let way: Vec<f32> = head.settled_centres().iter().zip(&start).map(|(w, start)| w - start).collect();
    // a way of 1e-5 in values of 0.3, of which f32 resolves 3e-8
    let error = relative_error(&way, &plain);
    assert!(error < 5e-3, "{error}");
}

/// The table of deferred steps ends: a row is visited before it has waited for longer.
#[test]
fn no_row_waits_for_longer_than_the_table() {
    let (classes, dim) = (30, 4);
    for config in [OptimiserConfig::sgd(0.9, 0.01), OptimiserConfig::adam_w(0.1)] {
        let mut head = head(classes, dim, HeadMode::Screened { threshold: Some(0.02) }, config);
        let mut plain = head.centres().into_owned();
        let mut optimiser = Optimiser::new(config, plain.len()).expect("in range");
        let mut oldest = 0;
        for step in 0..u64::from(OLDEST) + 100 {
            let rate = 1e-3 / (1.0 + step as f64 / 100.0);
            let count = if step < 5 { 3 } else { 0 };
            let (x, y) = (features(count, dim, step), labels(count, classes, 50 + step));
            let found = head.forward(view(&x, count, dim), &y).expect("finite");
            let gradient = head.gradient(&found.pending).expect("of this step");
            optimiser.step(&mut plain, &gradient, rate, 1.0);
            head.apply(found.pending, rate, 1.0).expect("in range");
            let ages = head.screen.as_ref().expect("screened").lazy.state().ages;
            oldest = oldest.max(ages.into_iter().max().unwrap_or_default());
        }
        assert_eq!(oldest, OLDEST - 1, "{config:?}");
        let error = relative_error(&head.settled_centres(), &plain);
        // a thousand roundings of 6e-8 in the plain optimiser
        assert!(error < 1e-4, "{config:?}: {error}");
    }
}

/// With these settings a row's deferred steps have no closed form, so no row waits.
#[test]
fn unusual_betas_of_adam_w_visit_every_row() {
    let (classes, dim) = (400, 12);
    for (beta1, beta2) in [(0.9, 0.0), (0.0, 0.0), (0.9, 0.3), (0.9, 0.8), (0.99, 0.98)] {
        let config = OptimiserConfig::AdamW { beta1, beta2, epsilon: 1e-2, weight_decay: 0.1 };
        let mut head = head(classes, dim, HeadMode::Screened { threshold: Some(0.02) }, config);
        let mut plain = head.centres().into_owned();
        let mut optimiser = Optimiser::new(config, plain.len()).expect("in range");
        for step in 0..30 {
            let (x, y) = (features(6, dim, step), labels(6, 5, 50 + step));
            let found = head.forward(view(&x, 6, dim), &y).expect("finite");
            let gradient = head.gradient(&found.pending).expect("of this step");
            optimiser.step(&mut plain, &gradient, 1e-3, 1.0);
            head.apply(found.pending, 1e-3, 1.0).expect("in range");
            let state = head.state();
            head = Head::from_state(state).expect("its own state");
        }
        let ages = head.screen.as_ref().expect("screened").lazy.state().ages;
        assert!(ages.iter().all(|&age| age == 0), "{config:?}");
        let error = relative_error(&head.settled_centres(), &plain);
        assert!(error < 1e-5, "{config:?}: {error}");
    }
}

/// A learnt scale may grow or shrink in the step itself; the larger value counts.
#[test]
fn rows_wait_by_the_larger_scale_of_a_step() {
    let learnt = ClassObjective::from_name("normface", &parameters([("scale", 8.0.into())]), 2000);
    let learnt = learnt.expect("in range");
    for (first, then, rate) in [(80.0, 8.0, 5e-4), (8.0, 80.0, 5e-3)] {
        let config = HeadConfig { mode: HeadMode::Screened { threshold: Some(0.02) }, ..Default::default() };
        let mut decided = 0;
        for seed in 0..6 {
            let mut state = Head::new(2000, 12, learnt.clone(), config).expect("in range").state();
            state.objective.set_learnt(first).expect("in range");
            // momentum of the learnt value carries it from the first scale to the other
            state.learnt_memory = vec![((first - then) / (rate * 0.9)) as f32];
            let mut head = Head::from_state(state).expect("a good state");
            let (x, y) = (features(6, 12, seed), labels(6, 5, 50 + seed));
            head.step(view(&x, 6, 12), &y, rate).expect("finite");
            let after = head.objective().sharpness().expect("a softmax");
            assert!((after / then - 1.0).abs() < 0.05, "{after}");
            let LazyState { ages, active, .. } = head.screen.as_ref().expect("screened").lazy.state();
            let centres = head.centres();
            let velocity = head.optimiser.memory().next().expect("momentum").1.wide();
            for row in (0..2000).filter(|row| ages[*row] == 0) {
                let (values, velocity) =
                    (&centres[row * 12..(row + 1) * 12], &velocity[row * 12..(row + 1) * 12]);
                let ahead = remaining(head.config.optimiser, 1, rate, values, &[velocity]);
                let noticeable = |sharpness: f64| sharpness * ahead > NOTICEABLE * norm(values);
                assert_eq!(active[row], noticeable(first.max(after)), "row {row} from {first} to {after}");
                decided += usize::from(noticeable(first.max(after)) != noticeable(first.min(after)));
            }
        }
        assert!(decided > 20, "{decided} rows for which it matters");
    }
}

/// A centre that is no longer finite has codes of zeros, so the scores do not show it.
#[test]
fn a_spoilt_centre_is_an_error_in_every_mode() {
    let screened = HeadMode::Screened { threshold: Some(0.02) };
    for mode in [HeadMode::Dense, screened, HeadMode::Sampled { rate: 0.9 }] {
        let mut head = head(50, 8, mode, OptimiserConfig::default());
        let (x, y) = (features(4, 8, 1), labels(4, 50, 2));
        let found = head.forward(view(&x, 4, 8), &y).expect("finite");
        head.apply(found.pending, f64::from(f32::MAX), 1e30).expect("in range");
        let spoilt: Vec<usize> = head
            .centres()
            .chunks(8)
            .enumerate()
            .filter(|(_, row)| row.iter().any(|value| !value.is_finite()))
            .map(|(row, _)| row)
            .collect();
        assert!(!spoilt.is_empty(), "{mode:?}");
        let sound = (0..50).find(|row| !spoilt.contains(row)).unwrap_or_default() as u32;
        let error = head.forward(view(&x[..8], 1, 8), &[sound]).expect_err("a centre is not finite");
        assert!(error.is_not_finite(), "{mode:?}: {error}");
        assert!(matches!(head.predict(view(&x, 4, 8)), Err(Error::NonFiniteScore { row: 0 })), "{mode:?}");
    }
}

#[test]
fn objectives_that_need_every_class_are_rejected_by_name() {
    for name in ["hinge-max", "softmax", "curricularface", "sphereface2", "adacos-dynamic", "inter-top-k"] {
        let objective = ClassObjective::from_name(name, &Parameters::new(), 100).expect("defaults");
        let config = |mode| HeadConfig { mode, ..Default::default() };
        let error = Head::new(100, 4, objective.clone(), config(HeadMode::screened())).expect_err("rejected");
        assert!(matches!(error, Error::NotScreenable { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        let many = ClassObjective::from_name(name, &Parameters::new(), 30_000).expect("defaults");
        assert!(!Head::new(30_000, 2, many, config(HeadMode::Auto)).expect("dense").is_screened());
    }
    let parameters = parameters([("sub_centres", 65.into())]);
    let objective = ClassObjective::from_name("am-softmax", &parameters, 100).expect("in range");
    let config = HeadConfig { mode: HeadMode::screened(), ..Default::default() };
    let error = Head::new(100, 4, objective, config).expect_err("rejected").to_string();
    assert!(error.contains("at most 64 centres per class"), "{error}");
    for threshold in [-0.1, 1.0, f64::NAN] {
        let config =
            HeadConfig { mode: HeadMode::Screened { threshold: Some(threshold) }, ..Default::default() };
        let objective = widemargin_objective::Objective::am_softmax(30.0, 0.35).expect("in range");
        assert!(matches!(Head::new(10, 4, objective, config), Err(Error::OutOfRange { .. })));
    }
    for screened_error in [0.0, 0.004, 0.21, f64::NAN] {
        let config = HeadConfig { screened_error, ..Default::default() };
        let objective = widemargin_objective::Objective::am_softmax(30.0, 0.35).expect("in range");
        let error = Head::new(10, 4, objective, config).expect_err("out of range").to_string();
        assert!(error.contains("screened_error") && error.contains("0.005 to 0.2"), "{error}");
    }
    let zero = head(100, 4, HeadMode::Screened { threshold: Some(0.0) }, OptimiserConfig::default());
    assert!(!zero.is_screened(), "a threshold of 0 is the dense head");
}

/// For every softmax over cosines, with any margin, the screened head agrees with the dense one.
#[test]
fn every_softmax_over_cosines_can_be_screened() {
    let (classes, dim, batch) = (1200, 16, 8);
    let mut screenable = 0;
    for objective in super::class_objectives(classes) {
        let config = |mode| HeadConfig { mode, ..Default::default() };
        let mode = HeadMode::Screened { threshold: Some(1e-12) };
        let Ok(screened) = Head::new(classes, dim, objective.clone(), config(mode)) else { continue };
        screenable += 1;
        let dense = Head::new(classes, dim, objective.clone(), config(HeadMode::Dense)).expect("in range");
        let (x, y) = (features(batch, dim, 3), labels(batch, classes, 4));
        let expected = dense.forward(view(&x, batch, dim), &y).expect("finite");
        let found = screened.forward(view(&x, batch, dim), &y).expect("finite");
        assert!(
            (found.loss / expected.loss - 1.0).abs() < 1e-4,
            "{objective}: {} {}",
            found.loss,
            expected.loss
        );
        let error = relative_error(&found.grad_features, &expected.grad_features);
        assert!(error < 1e-3, "{objective}: {error}");
        let learnt = (found.pending.learnt_gradient(), expected.pending.learnt_gradient());
        if let (Some(found), Some(expected)) = learnt {
            assert!((found / expected - 1.0).abs() < 1e-3, "{objective}: {found} {expected}");
        }
    }
    assert!(screenable >= 9, "{screenable}");
}

/// The codes of a row that waits describe it up to a change that is not noticeable, also if the learning rate grows while it waits,
/// as in a warm-up from 0 or after a restart of the schedule.
#[test]
fn codes_of_waiting_rows_hold_at_any_learning_rate() {
    type Rate = fn(u64) -> f64;
    let rates: [(&str, Rate); 3] = [
        ("constant", |_| 1.0),
        ("warm-up", |step| warmed_up(1.0, step, STEPS)),
        ("restart", |step| if (38..44).contains(&step) { 1e-4 } else { 1.0 }),
    ];
    let quick = OptimiserConfig::AdamW { beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: 0.1 };
    for (optimiser, peak) in
        [(OptimiserConfig::sgd(0.9, 0.01), 0.2), (OptimiserConfig::adam_w(0.1), 1e-3), (quick, 1e-3)]
    {
        for (name, rate) in rates {
            let mode = HeadMode::Screened { threshold: Some(0.02) };
            let mut head = head(3000, 12, mode, optimiser);
            let mut most = 0.0_f64;
            for step in 0..STEPS {
                // a few batches, and then time to fall behind
                let count = if step % 40 < 2 { 6 } else { 0 };
                let (x, y) = (features(count, 12, step), labels(count, 5, 50 + step));
                head.step(view(&x, count, 12), &y, peak * rate(step)).expect("finite");
                most = most.max(most_drift(&head));
            }
            assert!(most > 0.1 * NOTICEABLE, "{optimiser:?}, {name}: {most}, rows must move while they wait");
            // the bound grows with the rate until the row is due, and holds to first order
            assert!(most < 1.1 * GROWN * NOTICEABLE, "{optimiser:?}, {name}: {most}");
        }
        // rows of a head that was dense are still moving when it becomes screened
        let mut head = head(3000, 12, HeadMode::Dense, optimiser);
        for step in 0..5 {
            let (x, y) = (features(6, 12, step), labels(6, 5, 50 + step));
            head.step(view(&x, 6, 12), &y, peak).expect("finite");
        }
        head.set_mode(HeadMode::Screened { threshold: Some(0.02) }).expect("screenable");
        for _ in 0..5 {
            empty_step(&mut head, peak);
            let most = most_drift(&head);
            assert!(most < 1.1 * NOTICEABLE, "{optimiser:?}, once dense: {most}");
        }
    }
}
