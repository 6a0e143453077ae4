//! One step, looked at closely.

use super::*;

fn small() -> Config {
    let mut config = Config::default();
    config.data.built_in = true;
    config.model.embedding = 8;
    config.sampler.batch = 16;
    config.training.limit = 70;
    config.augment.pad_and_crop = 0;
    config
}

/// Loss and the way the backbone's weights took in one step with the first batch.
fn one_step(half: Option<FloatDType>) -> (f64, Vec<f32>) {
    let config = small();
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

/// The CPU can do half precision, slowly; so what a faster device would do is checked here, though never chosen.
#[test]
fn mixed_precision_takes_the_step_of_full_precision() {
    let (full_loss, full) = one_step(None);
    let (half_loss, half) = one_step(Some(FloatDType::F16));
    assert!((full_loss - half_loss).abs() < 0.02 * full_loss, "{full_loss} and {half_loss}");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(&full, &half) / (dot(&full, &full) * dot(&half, &half)).sqrt();
    assert!(cosine > 0.98, "the steps point apart: cosine {cosine}");
    assert!(full != half, "it was another precision");
}

#[test]
fn mixed_precision_is_refused_on_the_cpu() {
    let mut config = small();
    let prepared = Prepared::new(&config).expect("built in");
    config.training.precision = PrecisionName::Mixed;
    let error = Trainer::new(&config, &prepared).expect_err("the CPU computes in f32").to_string();
    assert!(error.contains("cpu") && error.contains("precision"), "{error}");
}
