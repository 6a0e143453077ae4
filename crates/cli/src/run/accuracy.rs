//! The accuracy on known classes. There are two measures, and a table has only one of them.
//!
//! A model with class centres assigns a sample to the class with the largest score. A model of an objective on pairs has no centres, and a model
//! before training has random ones; for them, a sample belongs to the class with the nearest mean of training samples. The two differ for
//! the same model, so they cannot be compared.

use serde::{Deserialize, Serialize};
use widemargin_train::{Config, Error, Prepared, Trainer};

/// What assigns the test samples of known classes to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccuracyBy {
    /// The trained class centres. The model before training has no accuracy.
    #[serde(rename = "class centres")]
    Centres,
    /// The nearest mean of training samples.
    #[serde(rename = "class means")]
    Means,
}

impl AccuracyBy {
    /// The measure that all runs with these settings have: class centres if all of their objectives have them.
    pub(crate) fn of<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Result<Self, Error> {
        for config in configs {
            if config.objective.build(None)?.pair_objective().is_some() {
                return Ok(Self::Means);
            }
        }
        Ok(Self::Centres)
    }

    /// The accuracy of a trained model; `None` without test samples of known classes.
    pub(super) fn trained(self, trainer: &Trainer, prepared: &Prepared) -> Result<Option<f64>, Error> {
        match self {
            Self::Centres => trainer.known_accuracy(prepared),
            Self::Means => trainer.known_accuracy_by_means(prepared),
        }
    }

    /// The accuracy of a model before training: none if random centres would decide. Those of a run that continues another one are not random.
    pub(super) fn untrained(
        self,
        config: &Config,
        trainer: &Trainer,
        prepared: &Prepared,
    ) -> Result<Option<f64>, Error> {
        match self {
            Self::Centres if config.model.from.is_some() => trainer.known_accuracy(prepared),
            Self::Centres => Ok(None),
            Self::Means => trainer.known_accuracy_by_means(prepared),
        }
    }

    /// What the accuracy is, as a sentence for a reader of a table.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Centres => "known accuracy: by the class centres; a baseline with random centres has none.",
            Self::Means => {
                "known accuracy: by the nearest mean of training samples of a class, for every model of this table."
            }
        }
    }
}
