//! Every backbone: shapes, seeds, gradients compared with finite differences, saving and loading parameters.

use super::{Backbone, BackboneConfig, BackboneName};
use crate::parameters::{self, Role};
use crate::{Error, ImageShape, Pass};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use widemargin_head::ProductPrecision;

const TRAINING: Pass = Pass::Training { seed: 3, products: ProductPrecision::F32 };

fn config(name: BackboneName) -> BackboneConfig {
    let input = ImageShape { channels: 2, height: 9, width: 8 };
    let embedding = if name == BackboneName::Identity { input.values() } else { 5 };
    BackboneConfig { name, input, embedding, dropout: 0.2, hidden: vec![11, 7] }
}

fn images(batch: usize, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..batch * 2 * 9 * 8).map(|i| ((i * 7919) % 199) as f32 / 99.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [batch, 2, 9, 8]), device)
}

/// Residual networks with more blocks than the smallest of their kind.
fn is_deep(name: BackboneName) -> bool {
    let smallest = [BackboneName::Iresnet18, BackboneName::Resnet18, BackboneName::Resnet50];
    name.depths().is_some() && !smallest.contains(&name)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    parameters::host_values(tensor)
}

#[test]
fn every_backbone_embeds_trains_and_repeats() {
    let device = Device::flex().autodiff();
    for name in BackboneName::ALL {
        // The deeper ones are the same code with more blocks.
        if is_deep(name) {
            continue;
        }
        let config = config(name);
        let backbone = Backbone::new(&config, 1, &device).expect("a valid configuration");
        let embeddings = backbone.forward(images(4, &device), TRAINING);
        assert_eq!(embeddings.dims(), [4, config.embedding], "{name}");
        let again = Backbone::new(&config, 1, &device).expect("valid").forward(images(4, &device), TRAINING);
        assert_eq!(host(embeddings.clone()), host(again), "{name}: one seed, one result");
        // `identity` has no parameters, so it has no backward pass.
        if name == BackboneName::Identity {
            assert!(parameters::parameters(&backbone).is_empty());
            continue;
        }
        let loss = (embeddings.clone() * embeddings.powi_scalar(2)).sum();
        let mut gradients = loss.backward();
        let found = parameters::gradients(&backbone, &mut gradients);
        let learnt: Vec<_> =
            parameters::parameters(&backbone).into_iter().filter(|p| p.role != Role::Buffer).collect();
        assert_eq!(found.len(), learnt.len(), "{name}");
        for (gradient, parameter) in found.iter().zip(&learnt) {
            assert_eq!(gradient.len(), parameter.values.len(), "{}", parameter.name);
        }
        let inference = backbone.valid().forward(images(1, &device.clone().inner()), Pass::Inference);
        assert!(host(inference).iter().all(|v| v.is_finite()), "{name}: a single image embeds");
    }
}

#[test]
fn gradients_of_small_cnn_match_finite_differences() {
    let device = Device::flex().autodiff();
    let backbone = Backbone::new(&config(BackboneName::SmallCnn), 5, &device).expect("valid");
    let weights: Vec<f32> = (0..6 * 5).map(|i| ((i * 31) % 17) as f32 / 8.0 - 1.0).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [6, 5]), &device);
    let loss = |b: &Backbone| (b.forward(images(6, &device), TRAINING) * weights.clone()).sum();
    let mut gradients = loss(&backbone).backward();
    let found = parameters::gradients(&backbone, &mut gradients);
    let all = parameters::parameters(&backbone);
    let learnt: Vec<usize> = (0..all.len()).filter(|i| all[*i].role != Role::Buffer).collect();
    let mut checked = 0;
    for (gradient, index) in found.iter().zip(learnt) {
        // Along the gradient the difference is largest, so f32 rounding matters least.
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-2 {
            continue;
        }
        let step = 2e-3;
        let moved = |sign: f64| {
            let mut changed = all.clone();
            for (value, g) in changed[index].values.iter_mut().zip(gradient) {
                *value += (sign * step * f64::from(*g) / norm) as f32;
            }
            let moved = parameters::with_parameters(backbone.clone(), &changed).expect("same shapes");
            f64::from(host(loss(&moved))[0])
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        assert!((slope - norm).abs() < 0.05 * norm, "{}: {slope}, gradient {norm}", all[index].name);
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} parameters had a gradient to check");
}

#[test]
fn parameters_are_saved_and_loaded() {
    let device = Device::flex().autodiff();
    let config = config(BackboneName::Iresnet18);
    let trained = Backbone::new(&config, 1, &device).expect("valid");
    trained.forward(images(4, &device), TRAINING);
    let stored = parameters::parameters(&trained);
    let names: std::collections::BTreeSet<_> = stored.iter().map(|p| p.name.clone()).collect();
    assert_eq!(names.len(), stored.len(), "names are unique");
    let mean = stored.iter().find(|p| p.name.ends_with("running_mean")).expect("there are running means");
    assert!(mean.values.iter().any(|v| *v != 0.0), "training moved the running statistics");
    let loaded = parameters::with_parameters(Backbone::new(&config, 2, &device).expect("valid"), &stored)
        .expect("fits");
    assert_eq!(parameters::parameters(&loaded), stored);
    let empty = Backbone::empty(&config, &device).expect("valid");
    let filled = parameters::with_parameters(empty, &stored).expect("fits");
    assert_eq!(parameters::parameters(&filled), stored);
    let embed = |b: &Backbone| host(b.valid().forward(images(2, &device.clone().inner()), Pass::Inference));
    assert_eq!(embed(&loaded), embed(&trained));

    let mut short = stored.clone();
    let dropped = short.pop().expect("not empty");
    let error = parameters::with_parameters(loaded.clone(), &short).expect_err("one is missing");
    assert!(error.to_string().contains(&dropped.name), "{error}");
    let mut wrong = stored;
    wrong[0].shape.push(1);
    assert!(parameters::with_parameters(loaded, &wrong).is_err());
}

#[test]
fn frozen_layers_have_no_gradient_and_normalise_with_running_statistics() {
    let device = Device::flex().autodiff();
    for name in [BackboneName::SmallCnn, BackboneName::Resnet18, BackboneName::Mlp] {
        let config = BackboneConfig { dropout: 0.0, ..config(name) };
        let trained = Backbone::new(&config, 1, &device).expect("valid");
        trained.forward(images(4, &device), TRAINING);
        let before = parameters::parameters(&trained);
        let last = |name: &str| name.contains(".embedding.");
        let frozen = parameters::freeze(trained.clone(), &|name| !last(name));
        let embeddings = frozen.forward(images(4, &device), TRAINING);
        let inference = trained.valid().forward(images(4, &device.clone().inner()), Pass::Inference);
        assert_eq!(host(embeddings.clone()), host(inference), "{name}: as in inference");
        assert_eq!(parameters::parameters(&frozen), before, "{name}: running statistics stay");
        let mut gradients = (embeddings.clone() * embeddings).sum().backward();
        let found = parameters::gradients(&frozen, &mut gradients);
        let learnt = before.iter().filter(|p| p.role != Role::Buffer);
        for (gradient, parameter) in found.iter().zip(learnt) {
            let zero = gradient.iter().all(|value| *value == 0.0);
            assert_eq!(zero, !last(&parameter.name), "{name}: {}", parameter.name);
        }
        // Loading parameters does not unfreeze them.
        let again = parameters::with_parameters(frozen, &before).expect("fits");
        again.forward(images(4, &device), TRAINING);
        assert_eq!(parameters::parameters(&again), before, "{name}");
    }
}

#[test]
fn impossible_configurations_are_rejected() {
    let device = Device::flex();
    let build = |change: fn(&mut BackboneConfig)| {
        let mut config = config(BackboneName::SmallCnn);
        change(&mut config);
        Backbone::new(&config, 1, &device).expect_err("rejected").to_string()
    };
    assert!(build(|c| c.embedding = 0).contains("embedding dimension is 0"));
    assert!(build(|c| c.dropout = 1.0).contains("below 1"));
    assert!(build(|c| c.input.height = 3).contains("at least 4 x 4"));
    assert!(build(|c| c.name = BackboneName::Identity).contains("expected the input's 144"));
    assert!(matches!("resnet".parse::<BackboneName>(), Err(Error::UnknownBackbone { .. })));
    for name in BackboneName::ALL {
        assert_eq!(name.as_str().parse::<BackboneName>().expect("known"), name);
        assert_eq!(name.is_iresnet(), name.as_str().starts_with("iresnet"), "{name}");
        assert_eq!(name.is_resnet(), name.as_str().starts_with("resnet"), "{name}");
    }
}
