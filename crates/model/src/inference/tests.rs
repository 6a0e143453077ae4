//! Inference against the forward pass through Burn, with parameters that no layer has by chance.

use super::Inference;
use super::fold::{Folded, fold};
use crate::backbones::{Backbone, BackboneConfig, BackboneName};
use crate::layers::Pass;
use crate::parameters::{self, Parameter};
use burn::tensor::{Device, Tensor, TensorData};
use widemargin_data::ImageShape;
use widemargin_head::ProductPrecision;

/// Folding rounds each weight once more, and the order of the sums differs.
const TOLERANCE: f32 = 1e-4;

/// Factors of bfloat16 have 8 bits, and errors add over up to 50 layers.
const MIXED_TOLERANCE: f32 = 0.1;

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at + seed) * 7919 % 1999) as f32 / 999.0 - 1.0).collect()
}

/// Statistics, factors, offsets and slopes that differ per channel.
fn uneven(parameters: Vec<Parameter>) -> Vec<Parameter> {
    let uneven = parameters.into_iter().enumerate().map(|(seed, mut parameter)| {
        if parameter.values.len() == parameter.shape.iter().copied().max().unwrap_or(0) {
            let positive = parameter.name.contains("variance");
            let others = values(parameter.values.len(), seed);
            for (value, other) in parameter.values.iter_mut().zip(others) {
                *value = if positive { 1.5 + other } else { *value + 0.4 * other };
            }
        }
        parameter
    });
    uneven.collect()
}

fn config(name: BackboneName, input: ImageShape) -> BackboneConfig {
    let embedding = if name == BackboneName::Identity { input.values() } else { 5 };
    BackboneConfig { name, input, embedding, dropout: 0.2, hidden: vec![11, 7] }
}

#[test]
fn equals_the_forward_pass_of_every_backbone() {
    let device = Device::flex();
    for name in BackboneName::ALL {
        // The deeper ones are the same blocks more often.
        if name.depths().is_some_and(|depths| depths.iter().sum::<usize>() > 16) {
            continue;
        }
        for (channels, height, width) in [(3, 33, 40), (1, 9, 8)] {
            let config = config(name, ImageShape { channels, height, width });
            let backbone = Backbone::new(&config, 1, &device).expect("a valid configuration");
            let found = parameters::parameters(&backbone);
            let backbone = parameters::with_parameters(backbone, &uneven(found)).expect("its own parameters");
            let samples = values(3 * config.input.values(), 5);
            let input = TensorData::new(samples.clone(), [3, channels, height, width]);
            let input = Tensor::from_data(input, &device);
            let expected = parameters::host_values(backbone.forward(input, Pass::Inference));
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            for (products, tolerance) in
                [(ProductPrecision::F32, TOLERANCE), (ProductPrecision::Bf16, MIXED_TOLERANCE)]
            {
                let inference = Inference::new(&backbone, products);
                let found = inference.forward(samples.clone(), [channels, height, width]);
                assert_eq!(found.len(), expected.len(), "{name}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() <= tolerance * largest,
                        "{name} at {height} x {width}, {products:?}: {found}, expected {expected} (largest {largest})"
                    );
                }
            }
        }
    }
}

/// A convolution takes over what follows it: in resnet18 nothing but convolutions, pooling, the mean and the last layer is left.
#[test]
fn nothing_is_left_that_a_convolution_can_take_over() {
    let device = Device::flex();
    let steps = |name| {
        let config = config(name, ImageShape { channels: 3, height: 32, width: 32 });
        let steps = fold(Backbone::new(&config, 1, &device).expect("valid").steps());
        let count = |is: fn(&Folded) -> bool| steps.iter().filter(|step| is(&step.operation)).count();
        let kinds = [
            count(|step| matches!(step, Folded::Convolution { .. })),
            count(|step| matches!(step, Folded::Affine { .. })),
            count(|step| matches!(step, Folded::Add { .. })),
        ];
        (kinds, steps.len())
    };
    assert_eq!(steps(BackboneName::Resnet18), ([20, 0, 0], 23));
    assert_eq!(steps(BackboneName::Resnet50), ([53, 0, 0], 56));
    // The normalisation at the start of each of the 8 blocks, and before the last layer, read a value that is needed elsewhere or flattened.
    assert_eq!(steps(BackboneName::Iresnet18), ([21, 9, 0], 31));
}

#[test]
fn an_empty_batch_has_no_embeddings() {
    let device = Device::flex();
    let config = config(BackboneName::Resnet18, ImageShape { channels: 3, height: 32, width: 32 });
    let inference =
        Inference::new(&Backbone::new(&config, 1, &device).expect("valid"), ProductPrecision::F32);
    assert!(inference.forward(Vec::new(), [3, 32, 32]).is_empty());
}
