//! The backbones.

mod config;
mod iresnet;
mod perceptron;
mod resnet;
mod small_cnn;

use crate::Error;
use crate::layers::{Init, Pass};
use crate::operations;
use crate::steps::{Recorder, Step};
use crate::traversal::{Forward, Traversal};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
pub use config::{BackboneConfig, BackboneName};
use resnet::BlockKind;

/// A network that maps a batch of images to a batch of embeddings, which are not normalised.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a program holds one or two backbones")]
pub enum Backbone {
    /// See [`BackboneName::SmallCnn`].
    SmallCnn(small_cnn::SmallCnn),
    /// See [`BackboneName::Iresnet18`].
    ImprovedResidual(iresnet::ImprovedResidual),
    /// See [`BackboneName::Resnet18`].
    Residual(resnet::Residual),
    /// See [`BackboneName::Mlp`], [`BackboneName::Linear`] and [`BackboneName::Identity`].
    Perceptron(perceptron::Perceptron),
}

impl Backbone {
    /// A backbone with random weights: the same seed gives bitwise the same weights on every machine.
    ///
    /// # Errors
    /// As [`BackboneConfig::check`].
    pub fn new(config: &BackboneConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        Self::build(config, &mut Init::from_seed(seed), device)
    }

    /// A backbone with zero weights, to load parameters into ([`with_parameters`](crate::parameters::with_parameters)).
    ///
    /// # Errors
    /// As [`BackboneConfig::check`].
    pub fn empty(config: &BackboneConfig, device: &Device) -> Result<Self, Error> {
        Self::build(config, &mut Init::Zeros, device)
    }

    fn build(config: &BackboneConfig, init: &mut Init, device: &Device) -> Result<Self, Error> {
        config.check()?;
        Ok(match config.name {
            BackboneName::SmallCnn => Self::SmallCnn(small_cnn::SmallCnn::new(config, init, device)),
            BackboneName::Iresnet18
            | BackboneName::Iresnet34
            | BackboneName::Iresnet50
            | BackboneName::Iresnet100
            | BackboneName::Iresnet200 => {
                let depths = config.name.depths().expect("a residual network");
                Self::ImprovedResidual(iresnet::ImprovedResidual::new(depths, config, init, device))
            }
            BackboneName::Resnet18
            | BackboneName::Resnet34
            | BackboneName::Resnet50
            | BackboneName::Resnet101
            | BackboneName::Resnet152 => {
                let depths = config.name.depths().expect("a residual network");
                let kind = match config.name {
                    BackboneName::Resnet18 | BackboneName::Resnet34 => BlockKind::Basic,
                    _ => BlockKind::Bottleneck,
                };
                Self::Residual(resnet::Residual::new((kind, depths), config, init, device))
            }
            BackboneName::Mlp => {
                Self::Perceptron(perceptron::Perceptron::with_hidden(&config.hidden, config, init, device))
            }
            BackboneName::Linear => Self::Perceptron(perceptron::Perceptron::linear(config, init, device)),
            BackboneName::Identity => Self::Perceptron(perceptron::Perceptron::identity()),
        })
    }

    /// Maps `[batch, channels, height, width]` to `[batch, embedding]` in `f32`.
    ///
    /// On the CPU, a training pass may round the factors of products to bfloat16; see [`Pass::Training`].
    ///
    /// The computation uses the type of `input`. With images in half precision (see
    /// [`device::half_precision`](crate::device::half_precision)), activations and matrix products are in half precision
    /// too, while parameters, batch statistics and the embedding stay `f32`. This is mixed precision (Micikevicius et al.,
    /// 2018, sections 3.1 and 3.3); its gradients require a loss scale.
    pub fn forward(&self, input: Tensor<4>, pass: Pass) -> Tensor<2> {
        operations::cast(self.traverse(&mut Forward { pass }, input), FloatDType::F32)
    }

    /// The steps that [`forward`](Self::forward) takes in inference, with all parameters. The last step gives the embedding.
    pub fn steps(&self) -> Vec<Step> {
        let mut recorder = Recorder::default();
        self.traverse(&mut recorder, 0);
        recorder.steps
    }

    fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<2> {
        match self {
            Self::SmallCnn(network) => network.traverse(traversal, input),
            Self::ImprovedResidual(network) => network.traverse(traversal, input),
            Self::Residual(network) => network.traverse(traversal, input),
            Self::Perceptron(network) => network.traverse(traversal, input),
        }
    }
}

#[cfg(test)]
mod tests;
