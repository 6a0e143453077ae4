//! The backbones, by name.

mod iresnet;
mod perceptron;
mod resnet;
mod small_cnn;

use crate::Error;
use crate::layers::{Pass, Start};
use crate::operations;
use crate::steps::{Recorder, Step};
use crate::walk::{Forward, Walk};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use resnet::BlockKind;
use serde::{Deserialize, Serialize};
use widemargin_data::ImageShape;

/// The backbones that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackboneName {
    /// Four 3 x 3 convolutions with batch normalisation and PReLU in two stages; for small images.
    SmallCnn,
    /// Improved residual network of 18 layers.
    Iresnet18,
    /// Improved residual network of 34 layers.
    Iresnet34,
    /// Improved residual network of 50 layers.
    Iresnet50,
    /// Improved residual network of 100 layers; the usual one for faces.
    Iresnet100,
    /// Improved residual network of 200 layers.
    Iresnet200,
    /// Residual network of 18 layers.
    Resnet18,
    /// Residual network of 34 layers.
    Resnet34,
    /// Residual network of 50 layers.
    Resnet50,
    /// Residual network of 101 layers.
    Resnet101,
    /// Residual network of 152 layers.
    Resnet152,
    /// Fully connected layers with batch normalisation and PReLU.
    Mlp,
    /// One matrix.
    Linear,
    /// The input itself, flattened; for embeddings that are ready made.
    Identity,
}

impl BackboneName {
    /// Every backbone, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::SmallCnn,
        Self::Iresnet18,
        Self::Iresnet34,
        Self::Iresnet50,
        Self::Iresnet100,
        Self::Iresnet200,
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::Resnet152,
        Self::Mlp,
        Self::Linear,
        Self::Identity,
    ];

    /// The name used in configurations and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmallCnn => "small-cnn",
            Self::Iresnet18 => "iresnet18",
            Self::Iresnet34 => "iresnet34",
            Self::Iresnet50 => "iresnet50",
            Self::Iresnet100 => "iresnet100",
            Self::Iresnet200 => "iresnet200",
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
            Self::Resnet101 => "resnet101",
            Self::Resnet152 => "resnet152",
            Self::Mlp => "mlp",
            Self::Linear => "linear",
            Self::Identity => "identity",
        }
    }

    /// Blocks of each of the four stages of a residual network; `None` for the others.
    pub fn depths(self) -> Option<[usize; 4]> {
        match self {
            Self::Iresnet18 | Self::Resnet18 => Some([2, 2, 2, 2]),
            Self::Iresnet34 | Self::Resnet34 | Self::Resnet50 => Some([3, 4, 6, 3]),
            Self::Iresnet50 => Some([3, 4, 14, 3]),
            Self::Iresnet100 => Some([3, 13, 30, 3]),
            Self::Iresnet200 => Some([6, 26, 60, 6]),
            Self::Resnet101 => Some([3, 4, 23, 3]),
            Self::Resnet152 => Some([3, 8, 36, 3]),
            Self::SmallCnn | Self::Mlp | Self::Linear | Self::Identity => None,
        }
    }

    /// Whether it is one of insightface's networks.
    pub fn is_iresnet(self) -> bool {
        matches!(
            self,
            Self::Iresnet18 | Self::Iresnet34 | Self::Iresnet50 | Self::Iresnet100 | Self::Iresnet200
        )
    }

    /// Whether it is one of torchvision's networks.
    pub fn is_resnet(self) -> bool {
        self.depths().is_some() && !self.is_iresnet()
    }

    /// Whether it takes a vector as well as an image.
    pub fn is_flat(self) -> bool {
        matches!(self, Self::Mlp | Self::Linear | Self::Identity)
    }
}

impl std::fmt::Display for BackboneName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for BackboneName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| Error::UnknownBackbone {
            name: name.to_owned(),
            known: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// Everything that fixes a backbone but its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackboneConfig {
    /// Which backbone.
    pub name: BackboneName,
    /// Shape of one input.
    pub input: ImageShape,
    /// Numbers in an embedding, at least 1; for `identity` it must be the number of input values.
    pub embedding: usize,
    /// Share of values set to zero before the last layer in training, in `0..1`; used by `iresnet*` and `mlp`.
    pub dropout: f32,
    /// Widths of the hidden layers of `mlp`.
    pub hidden: Vec<usize>,
}

impl BackboneConfig {
    fn wrong(
        &self,
        what: &'static str,
        found: impl std::fmt::Display,
        expected: impl std::fmt::Display,
    ) -> Error {
        let backbone = self.name.as_str();
        Error::BadConfiguration { backbone, what, found: found.to_string(), expected: expected.to_string() }
    }

    /// Whether such a backbone can be built.
    ///
    /// # Errors
    /// [`Error::BadConfiguration`] naming the setting, what was found and what is expected.
    pub fn check(&self) -> Result<(), Error> {
        let input = self.input;
        if input.values() == 0 {
            return Err(self.wrong("the input shape", format!("{input:?}"), "at least one value"));
        }
        if self.embedding == 0 {
            return Err(self.wrong("the embedding dimension", 0, "at least 1"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(self.wrong("dropout", self.dropout, "at least 0 and below 1"));
        }
        if self.hidden.contains(&0) {
            return Err(self.wrong("a hidden width", 0, "at least 1"));
        }
        let least = match self.name {
            BackboneName::SmallCnn => 4,
            _ => 1,
        };
        if input.height.min(input.width) < least {
            let found = format!("{} x {}", input.height, input.width);
            return Err(self.wrong("the image", found, format!("at least {least} x {least}")));
        }
        if self.name == BackboneName::Identity && self.embedding != input.values() {
            return Err(self.wrong(
                "the embedding dimension",
                self.embedding,
                format!("the input's {}", input.values()),
            ));
        }
        Ok(())
    }
}

/// A network from a batch of images to a batch of embeddings (not normalised).
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
    /// A backbone with weights drawn from `seed`: the same seed gives the same bits on every machine.
    ///
    /// # Errors
    /// As [`BackboneConfig::check`].
    pub fn new(config: &BackboneConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        Self::build(config, &mut Start::Drawn(Box::new(ChaCha8Rng::seed_from_u64(seed))), device)
    }

    /// A backbone of zeros, to put numbers into ([`with_parameters`](crate::parameters::with_parameters)).
    ///
    /// # Errors
    /// As [`BackboneConfig::check`].
    pub fn empty(config: &BackboneConfig, device: &Device) -> Result<Self, Error> {
        Self::build(config, &mut Start::Empty, device)
    }

    fn build(config: &BackboneConfig, start: &mut Start, device: &Device) -> Result<Self, Error> {
        config.check()?;
        Ok(match config.name {
            BackboneName::SmallCnn => Self::SmallCnn(small_cnn::SmallCnn::new(config, start, device)),
            BackboneName::Iresnet18
            | BackboneName::Iresnet34
            | BackboneName::Iresnet50
            | BackboneName::Iresnet100
            | BackboneName::Iresnet200 => {
                let depths = config.name.depths().expect("a residual network");
                Self::ImprovedResidual(iresnet::ImprovedResidual::new(depths, config, start, device))
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
                Self::Residual(resnet::Residual::new((kind, depths), config, start, device))
            }
            BackboneName::Mlp => {
                Self::Perceptron(perceptron::Perceptron::with_hidden(&config.hidden, config, start, device))
            }
            BackboneName::Linear => Self::Perceptron(perceptron::Perceptron::linear(config, start, device)),
            BackboneName::Identity => Self::Perceptron(perceptron::Perceptron::identity()),
        })
    }

    /// `[batch, channels, height, width]` to `[batch, embedding]` in `f32`.
    ///
    /// The type of `input` is that of the computation: with images of half precision (see
    /// [`device::half_precision`](crate::device::half_precision)) activations and matrix products are of half precision too,
    /// while parameters, batch statistics and the embedding stay `f32`: what is called mixed precision (Micikevicius et al.,
    /// 2018, sections 3.1 and 3.3). Gradients then want a loss scale.
    pub fn forward(&self, input: Tensor<4>, pass: Pass) -> Tensor<2> {
        operations::cast(self.walk(&mut Forward { pass }, input), FloatDType::F32)
    }

    /// What [`forward`](Self::forward) does in inference, step by step with all numbers; the last step gives the embedding.
    pub fn steps(&self) -> Vec<Step> {
        let mut recorder = Recorder::default();
        self.walk(&mut recorder, 0);
        recorder.steps
    }

    fn walk<W: Walk>(&self, walk: &mut W, input: W::Value<4>) -> W::Value<2> {
        match self {
            Self::SmallCnn(network) => network.walk(walk, input),
            Self::ImprovedResidual(network) => network.walk(walk, input),
            Self::Residual(network) => network.walk(walk, input),
            Self::Perceptron(network) => network.walk(walk, input),
        }
    }
}

#[cfg(test)]
mod tests;
