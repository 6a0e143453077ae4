//! What a model file stores in addition to the weights.

use crate::trained_samples::TrainedSamples;
use serde::{Deserialize, Serialize};
use widemargin_data::{Error as DataError, ImageShape, Normalisation, Preprocessing};
use widemargin_model::BackboneConfig;
use widemargin_tables::TrainingClasses;

/// The kind of input of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Images, as files or bytes.
    #[default]
    Images,
    /// Ready-made embeddings, one per row.
    Vectors,
}

impl Takes {
    /// Whether to leave the field out: images are the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_images(&self) -> bool {
        *self == Self::Images
    }
}

/// Everything about a model except its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The backbone, including the shape of its input.
    pub backbone: BackboneConfig,
    /// Whether it takes images or vectors.
    #[serde(default, skip_serializing_if = "Takes::is_images")]
    pub takes: Takes,
    /// The normalisation of pixels or vectors, the same as in training.
    pub normalisation: Normalisation,
    /// How the pixels of image files become 8-bit colours, the same as in training. `None` for vectors, and for models that were written before
    /// this was a setting; see [`preprocessing`](Self::preprocessing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// The training objective, as text.
    pub objective: String,
    /// Names of the columns of the vectors, in the order of training, if the table had names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The classes that it was trained on and those that it never saw; absent if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<TrainingClasses>,
    /// The samples that it was trained on, those of the runs whose weights it started from included; absent if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_samples: Option<TrainedSamples>,
}

impl Description {
    /// How image files are read: as in training, also for models that do not store it.
    pub fn preprocessing(&self) -> Preprocessing {
        self.preprocessing.unwrap_or(Preprocessing::EARLIER)
    }

    /// Rejects a normalisation that does not fit the input of the backbone.
    pub(crate) fn check_normalisation(&self) -> Result<(), DataError> {
        let channels = self.backbone.input.channels;
        match self.takes {
            Takes::Images => self.normalisation.validate_pixels(channels),
            Takes::Vectors => self.normalisation.validate(channels),
        }
    }

    /// The shape that images are resized to.
    pub fn shape(&self) -> ImageShape {
        self.backbone.input
    }
}
