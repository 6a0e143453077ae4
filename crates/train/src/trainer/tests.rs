//! Single training steps.

#[cfg(feature = "wgpu")]
mod wgpu;

use super::*;

/// The run of checkpoints that belong to none.
const RUN: RunIdentity = RunIdentity { settings: 1, samples: 2 };

fn small() -> Config {
    let mut config = Config::default();
    config.data.path = Some(crate::testing::clothing());
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
    let outcome = trainer.step(vec![batch], 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
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
    let outcome = trainer.step(vec![batch], 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
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
            let outcome = trainer.step(vec![batch], 0, 0.1, 1.0, |id| id.to_string()).expect("finite");
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
            trainer.step(vec![batch], step as u64, 0.1, 1.0, |id| id.to_string()).expect("finite");
        }
        let accuracy = trainer.known_accuracy(&prepared).expect("finite");
        let done = Done { step: 3, seconds: 1.0, log: None, validation: None };
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

#[test]
fn averaged_weights_follow_the_trained_ones_and_are_those_of_the_model() {
    let mut config = small();
    config.training.average = 0.75;
    config.model.freeze = vec!["convolution.0".into()];
    let prepared = Prepared::new(&config).expect("built in");
    let mut trainer = Trainer::new(&config, &prepared).expect("a valid configuration");
    let mut expected = parameters::parameters(trainer.backbone());
    assert_eq!(trainer.result_parameters(), expected, "before the first step");
    let batches = prepared.loader(&config, (0, 0)).expect("batches");
    for (step, batch) in batches.take(3).enumerate() {
        trainer.step(vec![batch.expect("read")], step as u64, 0.1, 1.0, |id| id.to_string()).expect("finite");
        let decay = [0.1, 2.0 / 11.0, 0.25][step];
        for (average, now) in expected.iter_mut().zip(parameters::parameters(trainer.backbone())) {
            for (average, value) in average.values.iter_mut().zip(&now.values) {
                *average = (decay * f64::from(*average) + (1.0 - decay) * f64::from(*value)) as f32;
            }
        }
    }
    let (found, trained) = (trainer.result_parameters(), parameters::parameters(trainer.backbone()));
    let of = |all: &[Parameter], name: &str| -> Vec<Vec<f32>> {
        all.iter().filter(|p| p.name.contains(name)).map(|p| p.values.clone()).collect()
    };
    for (name, is_averaged) in [("embedding.weight", true), ("running_mean", true), ("convolution.0", false)]
    {
        assert_eq!(of(&found, name) != of(&trained, name), is_averaged, "{name}");
    }
    for (found, expected) in found.iter().zip(&expected) {
        for (found, expected) in found.values.iter().zip(&expected.values) {
            assert!((found - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
    // The model and the embeddings are of the averaged weights; a checkpoint restores both to the bit.
    let some = &prepared.unseen[..9];
    let embedded = trainer.embed(&prepared, some).expect("finite");
    assert_eq!(
        trainer.model(&prepared).expect("a model").embed_samples(&prepared.set, some).expect("finite").len(),
        embedded.len()
    );
    let folder = tempfile::tempdir().expect("a folder");
    trainer.write_model(&prepared, folder.path()).expect("written");
    let of_file = |name| {
        let model = Model::load(folder.path().join(name)).expect("a model");
        model.embed_samples(&prepared.set, some).expect("finite")
    };
    let unit = |mut rows: Vec<f32>| {
        rows.chunks_mut(config.model.embedding).for_each(|row| {
            normalise(row);
        });
        rows
    };
    let average = trainer.average.take();
    let of_trained = trainer.embed(&prepared, some).expect("finite");
    trainer.average = average;
    for (file, expected) in [(MODEL_FILE, &embedded), (UNAVERAGED_FILE, &of_trained)] {
        let near = of_file(file).iter().zip(unit(expected.clone())).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near, "{file}");
    }
    assert_ne!(embedded, of_trained);
    let done = Done { step: 3, seconds: 1.0, log: None, validation: None };
    let parts = trainer.parts(done, RUN).expect("finite");
    let mut loaded = Trainer::new(&config, &prepared).expect("a valid configuration");
    loaded.load(&parts, RUN).expect("a good checkpoint");
    assert_eq!((loaded.result_parameters(), parameters::parameters(loaded.backbone())), (found, trained));
    assert_eq!(loaded.embed(&prepared, some).expect("finite"), embedded);
    config.training.average = 0.0;
    let mut plain = Trainer::new(&config, &prepared).expect("a valid configuration");
    plain.load(&parts, RUN).expect("a good checkpoint");
    assert_ne!(plain.embed(&prepared, some).expect("finite"), embedded, "of the trained weights");
    let mut without = parts;
    without.remove(crate::checkpoint::AVERAGE);
    let said = loaded.load(&without, RUN).expect_err("a part is missing");
    assert!(said.contains("'average'"), "{said}");
}

/// Parameters, centres and loss after some steps on the same samples, as batches of 48 / `accumulate`.
fn accumulated(name: &str, accumulate: usize, change: impl Fn(&mut Config)) -> (Vec<f32>, Vec<f64>) {
    let mut config = small();
    config.objective.name = name.to_owned();
    config.model.backbone = widemargin_model::BackboneName::Linear;
    config.training.limit = 0;
    config.augment.erase = 0.5;
    (config.sampler.batch, config.training.accumulate) = (48 / accumulate, accumulate);
    change(&mut config);
    let prepared = Prepared::new(&config).expect("built in");
    let mut trainer = Trainer::new(&config, &prepared).expect("a valid configuration");
    let mut losses = Vec::new();
    for (step, batches) in prepared.steps(&config, (0, 0)).expect("batches").take(3).enumerate() {
        let batches = batches.expect("read");
        assert_eq!(batches.len(), accumulate);
        let outcome = trainer.step(batches, step as u64, 0.05, 1.0, |id| id.to_string()).expect("finite");
        losses.push(outcome.loss);
    }
    let of_backbone = parameters::parameters(&trainer.backbone).into_iter().flat_map(|p| p.values);
    let mut head = trainer.head.state();
    let of_head = std::mem::take(head.tensors_mut()).into_iter().flat_map(|tensor| tensor.values);
    (of_backbone.chain(of_head).collect(), losses)
}

#[test]
fn accumulated_batches_take_the_step_of_one_large_batch() {
    let adamw = |config: &mut Config| config.optimiser.name = OptimiserName::AdamW;
    let clipped = |config: &mut Config| config.optimiser.clip_norm = 0.5;
    for (name, change) in [
        ("am-softmax", &(|_: &mut Config| {}) as &dyn Fn(&mut Config)),
        ("am-softmax", &clipped),
        ("contrastive", &|config| config.objective.memory = 60),
        ("proxy-nca", &adamw),
    ] {
        let (whole, losses) = accumulated(name, 1, change);
        for parts in [2, 3] {
            let (found, found_losses) = accumulated(name, parts, change);
            let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
            let difference = norm(&mut found.iter().zip(&whole).map(|(a, b)| f64::from(a - b)));
            let all = norm(&mut whole.iter().map(|value| f64::from(*value)));
            // The sums of a product over 48 rows and those over parts of them round differently.
            assert!(difference < 1e-4 * all, "{name} in {parts} parts: {difference} of {all}");
            for (found, expected) in found_losses.iter().zip(&losses) {
                assert!(
                    (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                    "{name}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn running_statistics_are_updated_once_per_accumulated_batch() {
    let mut config = small();
    (config.sampler.batch, config.training.accumulate) = (16, 2);
    config.optimiser.learning_rate = f64::MIN_POSITIVE;
    let prepared = Prepared::new(&config).expect("built in");
    let statistics = |trainer: &Trainer| {
        let all = parameters::parameters(&trainer.backbone);
        all.into_iter().filter(|p| p.role == Role::Buffer).map(|p| p.values).collect::<Vec<_>>()
    };
    let batches = || prepared.steps(&config, (0, 0)).expect("batches").next().expect("one").expect("read");
    let mut together = Trainer::new(&config, &prepared).expect("a valid configuration");
    together.step(batches(), 0, 0.0, 1.0, |id| id.to_string()).expect("finite");
    let mut alone = Trainer::new(&config, &prepared).expect("a valid configuration");
    for batch in batches() {
        alone.step(vec![batch], 0, 0.0, 1.0, |id| id.to_string()).expect("finite");
    }
    assert_eq!(statistics(&together), statistics(&alone));
    config.training.accumulate = 99;
    let said = prepared.steps(&config, (0, 0)).expect_err("too many").to_string();
    assert!(said.contains("training.accumulate: found 99, expected at most 4"), "{said}");
}
