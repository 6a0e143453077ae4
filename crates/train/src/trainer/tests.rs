//! Single training steps.

#[cfg(feature = "wgpu")]
mod wgpu;

use super::*;

/// The run of checkpoints that belong to none.
const RUN: RunIdentity = RunIdentity { settings: 1, samples: 2 };

fn small() -> Config {
    let mut config = Config::default();
    config.data.built_in = true;
    config.model.embedding = 8;
    config.sampler.batch = 16;
    config.training.limit = 70;
    config.augment.pad_and_crop = 0;
    config
}

/// Loss of one step with the first batch, and the change of the backbone's weights.
fn one_step(precision: PrecisionName, half: Option<FloatDType>) -> (f64, Vec<f32>) {
    let mut config = small();
    config.training.precision = precision;
    let prepared = Prepared::new(&config).expect("built in");
    let mut trainer = Trainer::new(&config, &prepared).expect("a valid configuration");
    trainer.half = half;
    let values = |trainer: &Trainer| {
        let all = parameters::parameters(&trainer.backbone);
        all.into_iter().filter(|p| p.role != Role::Buffer).flat_map(|p| p.values).collect::<Vec<f32>>()
    };
    let before = values(&trainer);
    let batch =
        prepared.loader(&config, (0, 0)).expect("batches").next().expect("a first one").expect("read");
    let outcome = trainer.step(batch, 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
    let moved = values(&trainer).iter().zip(&before).map(|(after, before)| after - before).collect();
    (outcome.loss, moved)
}

/// Products in bfloat16, and half precision. The CPU computes in half precision only slowly, and training does not use it there; this test
/// checks the code path of faster devices.
#[test]
fn mixed_precision_takes_the_step_of_full_precision() {
    let (full_loss, full) = one_step(PrecisionName::Full, None);
    for (precision, half) in [(PrecisionName::Mixed, None), (PrecisionName::Full, Some(FloatDType::F16))] {
        let (mixed_loss, mixed) = one_step(precision, half);
        assert!((full_loss - mixed_loss).abs() < 0.02 * full_loss, "{full_loss} and {mixed_loss}");
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let cosine = dot(&full, &mixed) / (dot(&full, &full) * dot(&mixed, &mixed)).sqrt();
        assert!(cosine > 0.98, "the steps point apart: cosine {cosine}");
        assert!(full != mixed, "the precision differs");
    }
}

#[test]
fn the_head_follows_the_precision_of_the_run_unless_configured() {
    use ProductPrecision::{Bf16, F32};
    let mut config = small();
    for (precision, own, expected) in [
        (PrecisionName::Full, None, F32),
        (PrecisionName::Full, Some(Bf16), Bf16),
        (PrecisionName::Mixed, None, Bf16),
        (PrecisionName::Mixed, Some(F32), F32),
    ] {
        (config.training.precision, config.head.products) = (precision, own);
        assert_eq!(config.head_products(), expected);
    }
}

/// Parameters by name before and after one step of plain SGD.
fn stepped(config: &Config) -> (Vec<Parameter>, Vec<Parameter>) {
    let prepared = Prepared::new(config).expect("built in");
    let mut trainer = Trainer::new(config, &prepared).expect("a valid configuration");
    let before = parameters::parameters(&trainer.backbone);
    let batch = prepared.loader(config, (0, 0)).expect("batches").next().expect("a first one").expect("read");
    let outcome = trainer.step(batch, 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
    assert!(outcome.gradient_norm > 0.0);
    (before, parameters::parameters(&trainer.backbone))
}

fn bits(parameter: &Parameter) -> Vec<u32> {
    parameter.values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn frozen_parameters_keep_their_bits_and_the_rest_moves() {
    let mut config = small();
    for freeze in [
        vec!["convolution.0", "normalisation.0", "normalisation.2.slope"],
        vec!["convolution", "normalisation"],
        vec!["convolution", "normalisation", "embedding", "embedding_normalisation"],
    ] {
        config.model.freeze = freeze.iter().map(|name| (*name).to_owned()).collect();
        let (before, after) = stepped(&config);
        let mut counts = [0, 0];
        for (before, after) in before.iter().zip(&after) {
            let frozen = fine_tuning::is_frozen(&config, &before.name);
            counts[usize::from(frozen)] += 1;
            assert_eq!(bits(before) == bits(after), frozen, "{}", before.name);
        }
        assert!(counts[1] >= freeze.len(), "{counts:?}");
    }
    // only whole components of a name match
    config.model.freeze = vec!["convo".to_owned()];
    let prepared = Prepared::new(&config).expect("built in");
    let error = Trainer::new(&config, &prepared).expect_err("no such parameter").to_string();
    assert!(error.starts_with("model.freeze: found \"convo\"") && error.contains("convolution, "), "{error}");
}

#[test]
fn parts_move_by_their_factor() {
    let mut config = small();
    config.optimiser.momentum = 0.0;
    let (start, plain) = stepped(&config);
    config.optimiser.backbone_factor = 0.5;
    let factors = [("convolution", 2.0), ("convolution.3", 0.125), ("embedding", 4.0)];
    config.optimiser.factors = factors.iter().map(|(name, factor)| ((*name).to_owned(), *factor)).collect();
    let (_, scaled) = stepped(&config);
    let mut seen = std::collections::BTreeSet::new();
    for ((start, plain), scaled) in start.iter().zip(&plain).zip(&scaled) {
        if start.role == Role::Buffer {
            assert_eq!(plain, scaled);
            continue;
        }
        let name = start.name.strip_prefix("SmallCnn.").expect("of this backbone");
        let factor = match (name.split('.').next(), name) {
            (_, "convolution.3.weight") => 0.125,
            (Some("convolution"), _) => 2.0,
            (Some("embedding"), _) => 4.0,
            _ => 0.5,
        };
        seen.insert(factor.to_string());
        for ((start, plain), scaled) in start.values.iter().zip(&plain.values).zip(&scaled.values) {
            let (expected, found) =
                (factor * (f64::from(*plain) - f64::from(*start)), f64::from(scaled - start));
            // the two stored values and the two steps are rounded once each
            let stored = f64::from(plain.abs()) * factor + f64::from(scaled.abs());
            let rounding = f64::from(f32::EPSILON) * (stored + 2.0 * expected.abs());
            assert!((expected - found).abs() <= rounding + 1e-12, "{name}: {found}, expected {expected}");
        }
    }
    assert_eq!(seen.len(), 4);
}

/// All values that a step trains: backbone, class centres, and a scale or bias that the objective learns.
fn all_values(trainer: &Trainer) -> Vec<f32> {
    let all = parameters::parameters(&trainer.backbone);
    let head = trainer.head.class_head().expect("class centres");
    let learnt = head.objective().learnt().map(|(_, value)| value as f32);
    let weights = all.into_iter().filter(|p| p.role != Role::Buffer).flat_map(|p| p.values);
    weights.chain(head.centres().iter().copied()).chain(learnt).collect()
}

/// Without momentum and decay a step moves everything by the rate times the clipped gradient, whose norm is known.
#[test]
fn clipping_covers_everything_that_learns() {
    for objective in ["am-softmax", "normface", "sphereface2"] {
        let mut config = small();
        config.objective.name = objective.into();
        (config.optimiser.momentum, config.optimiser.weight_decay) = (0.0, 0.0);
        let step = |clip_norm: f64| {
            let mut config = config.clone();
            config.optimiser.clip_norm = clip_norm;
            let prepared = Prepared::new(&config).expect("built in");
            let mut trainer = Trainer::new(&config, &prepared).expect("a valid configuration");
            let before = all_values(&trainer);
            let mut batches = prepared.loader(&config, (0, 0)).expect("batches");
            let batch = batches.next().expect("a first one").expect("read");
            let outcome = trainer.step(batch, 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
            let after = all_values(&trainer);
            let square = |(after, before): (&f32, &f32)| (f64::from(*after) - f64::from(*before)).powi(2);
            let moved = after.iter().zip(&before).map(square).sum::<f64>().sqrt();
            (outcome.gradient_norm, moved / 0.1)
        };
        let (norm, moved) = step(0.0);
        // rounding of the stored values: 6e-8 of values up to 64, and of many smaller ones, against a movement of about 0.1
        assert!((moved / norm - 1.0).abs() < 1e-3, "{objective}: moved {moved}, gradient {norm}");
        let (again, clipped) = step(norm / 2.0);
        assert!((again / norm - 1.0).abs() < 1e-6, "{objective}: the norm before clipping");
        assert!(
            (clipped / (norm / 2.0) - 1.0).abs() < 1e-3,
            "{objective}: moved {clipped}, limit {}",
            norm / 2.0
        );
    }
}

/// With `auto` the head keeps the mode of the checkpoint; a mode that is chosen is converted to.
#[test]
fn a_checkpoint_keeps_or_changes_the_mode_of_its_head() {
    use crate::config::HeadModeName::{Auto, Dense, Screened};
    let mut config = small();
    config.head.threshold = Some(0.01);
    let prepared = Prepared::new(&config).expect("built in");
    let new = |mode| {
        let mut config = config.clone();
        config.head.mode = mode;
        Trainer::new(&config, &prepared).expect("a valid configuration")
    };
    for from in [Dense, Screened] {
        let mut trainer = new(from);
        let batches = prepared.loader(&config, (0, 0)).expect("batches");
        for (step, batch) in batches.take(3).enumerate() {
            let batch = batch.expect("read");
            trainer.step(batch, step as u64, 0.1, 1.0, |id| id.to_string()).expect("finite");
        }
        let accuracy = trainer.known_accuracy(&prepared).expect("finite");
        let done = Done { step: 3, seconds: 1.0, log: None };
        let parts = trainer.parts(done, RUN).expect("finite");
        for to in [Auto, Dense, Screened] {
            let mut loaded = new(to);
            assert_eq!(loaded.load(&parts, RUN).expect("a good checkpoint"), done, "{from:?} to {to:?}");
            let screened = if to == Auto { from == Screened } else { to == Screened };
            let head = loaded.head.class_head().expect("class centres");
            assert_eq!(head.is_screened(), screened, "{from:?} to {to:?}");
            assert_eq!(loaded.known_accuracy(&prepared).expect("finite"), accuracy);
        }
    }
}
