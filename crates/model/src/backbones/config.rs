//! The names and configurations of the backbones.

use crate::Error;
use serde::{Deserialize, Serialize};
use widemargin_data::ImageShape;

/// The available backbones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackboneName {
    /// Four 3 x 3 convolutions with batch normalisation and PReLU in two stages, for small images.
    SmallCnn,
    /// Improved residual network of 18 layers.
    Iresnet18,
    /// Improved residual network of 34 layers.
    Iresnet34,
    /// Improved residual network of 50 layers.
    Iresnet50,
    /// Improved residual network of 100 layers; the usual choice for faces.
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
    /// One linear layer.
    Linear,
    /// The flattened input, for ready-made embeddings.
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

    /// The name in configurations and on the command line.
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

    /// Number of blocks in each of the four stages of a residual network; `None` for other backbones.
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

    /// Whether it is one of insightface's networks (`iresnet*`).
    pub fn is_iresnet(self) -> bool {
        matches!(
            self,
            Self::Iresnet18 | Self::Iresnet34 | Self::Iresnet50 | Self::Iresnet100 | Self::Iresnet200
        )
    }

    /// Whether it is one of torchvision's networks (`resnet*`).
    pub fn is_resnet(self) -> bool {
        self.depths().is_some() && !self.is_iresnet()
    }

    /// The shape of the inputs that it is usually trained on, and the default of benchmarks: 28 x 28 grey for `small-cnn`, 112 x 112 for
    /// `iresnet*` (faces), 224 x 224 for `resnet*`, and vectors of 512 values for the backbones without convolutions.
    pub fn usual_input(self) -> ImageShape {
        let image = |channels, side| ImageShape { channels, height: side, width: side };
        match self {
            Self::SmallCnn => image(1, 28),
            Self::Mlp | Self::Linear | Self::Identity => ImageShape { channels: 1, height: 1, width: 512 },
            _ if self.is_iresnet() => image(3, 112),
            _ => image(3, 224),
        }
    }

    /// Whether it accepts vectors as well as images.
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

/// The architecture of a backbone: everything but its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackboneConfig {
    /// Which backbone.
    pub name: BackboneName,
    /// Shape of one input.
    pub input: ImageShape,
    /// Dimension of an embedding, at least 1. For `identity` it must be the number of input values.
    pub embedding: usize,
    /// Dropout rate before the last layer, in `0..1`; used by `iresnet*` and `mlp`.
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

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`Error::BadConfiguration`] with the setting, its value and the expected range.
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
