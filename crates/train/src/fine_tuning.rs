//! Fine-tuning of pretrained weights: how they read images, their normalisation of pixels, and which parameters are trained at which rate.
//!
//! Parts of the backbone are selected by the beginnings of parameter names, PyTorch's or this program's
//! ([`widemargin_model::weights::begins`]).

use crate::Error;
use crate::checkpoint;
use crate::config::Config;
use crate::earlier_run::{self, EarlierRun};
use crate::warm_start::{self, WeightsClasses};
use std::collections::BTreeSet;
use widemargin_data::{ImageShape, Labelled, Normalisation, Preprocessing, SampleSet};
use widemargin_embedder::{Description, MODEL_FILE, Model, Takes};
use widemargin_model::parameters::{Parameter, Role};
use widemargin_model::weights::{Names, Weights, begins, usual_name, within_network};
use widemargin_model::{Backbone, BackboneName};
use widemargin_tables::{echo_list, unsorted_columns};

/// Mean and standard deviation of ImageNet, with which torchvision's weights are trained.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// The normalisation of pixels for the configured weights: that of `[model]`, otherwise the one they were trained with. `None` without
/// weights.
///
/// # Errors
/// If the weights cannot be read.
pub(crate) fn normalisation(config: &Config) -> Result<Option<Normalisation>, Error> {
    let m = &config.model;
    if !m.mean.is_empty() {
        return Ok(Some(Normalisation { mean: m.mean.clone(), deviation: m.deviation.clone() }));
    }
    let Some(path) = &m.weights else { return Ok(None) };
    if Weights::read(path)?.names() == Names::Own {
        return Ok(Some(Description::read(path)?.normalisation));
    }
    let (mean, deviation) = if m.backbone.is_resnet() { IMAGENET } else { ([0.5; 3], [0.5; 3]) };
    Ok(Some(Normalisation { mean: mean.to_vec(), deviation: deviation.to_vec() }))
}

/// How image files are read for the configured weights: as `[data]` says, otherwise as a model of this program read them in its training.
///
/// # Errors
/// If the weights cannot be read.
pub(crate) fn preprocessing(config: &Config) -> Result<Preprocessing, Error> {
    let of_weights = if config.data.has_preprocessing() { None } else { preprocessing_of_weights(config)? };
    Ok(config.data.preprocessing(of_weights.unwrap_or_default()))
}

/// How image files are read in a run that has started. It does not need its weights, unless an earlier version did not store this.
///
/// # Errors
/// If weights that are needed cannot be read.
pub(crate) fn preprocessing_of_run(config: &Config) -> Result<Preprocessing, Error> {
    let d = &config.data;
    if d.background.is_some() && d.depth.is_some() {
        return Ok(d.preprocessing(Preprocessing::default()));
    }
    preprocessing(config)
}

/// What the configured weights state of their model; `None` without weights, or if another program wrote them.
fn own_description(config: &Config) -> Result<Option<Description>, Error> {
    match &config.model.weights {
        // A run that is resumed does not need its weights.
        Some(path) if path.exists() && Weights::read(path)?.names() == Names::Own => {
            Ok(Some(Description::read(path)?))
        }
        _ => Ok(None),
    }
}

/// How image files were read in the training of the configured weights; `None` without weights, or if they do not state it.
fn preprocessing_of_weights(config: &Config) -> Result<Option<Preprocessing>, Error> {
    let images = own_description(config)?.filter(|description| description.takes == Takes::Images);
    Ok(images.map(|description| description.preprocessing()))
}

/// The shape of the images that the configured weights were trained on; `None` without weights of this program that take images.
///
/// # Errors
/// If the weights cannot be read.
pub(crate) fn shape_of_weights(config: &Config) -> Result<Option<ImageShape>, Error> {
    let images = own_description(config)?.filter(|description| description.takes == Takes::Images);
    Ok(images.map(|description| description.shape()))
}

/// The columns that the configured weights or the run to continue were trained on, in order; `None` without either or names of columns.
///
/// # Errors
/// If these cannot be read.
pub(crate) fn columns(config: &Config) -> Result<Option<Vec<String>>, Error> {
    if let Some(earlier) = EarlierRun::of(config)? {
        return Ok(earlier.record.columns().map(<[String]>::to_vec));
    }
    Ok(own_description(config)?.and_then(|description| description.columns))
}

/// Rejects a model of images as the weights of a run on vectors, and the other way round.
fn require_input(config: &Config, set: &SampleSet) -> Result<(), Error> {
    let (Some(path), Some(description)) = (&config.model.weights, own_description(config)?) else {
        return Ok(());
    };
    let takes = description.takes;
    let data = if set.images().is_some() { Takes::Images } else { Takes::Vectors };
    let word = |takes| if takes == Takes::Images { "images" } else { "vectors" };
    if takes == data {
        return Ok(());
    }
    Err(Error::BadValue {
        key: "model.weights".to_owned(),
        message: format!("the model {} takes {}; the data has {}", path.display(), word(takes), word(data)),
    })
}

/// Rejects vectors whose columns are not `expected`, those that the configured weights were trained on. A warning if only one of both has names,
/// which are not in the order of their numbers.
///
/// # Errors
/// [`Error::BadValue`] with the names.
pub(crate) fn require_columns(
    config: &Config,
    set: &SampleSet,
    expected: Option<&[String]>,
) -> Result<Option<String>, Error> {
    require_input(config, set)?;
    match (expected, set.columns(), &config.model.weights) {
        (Some(expected), Some(found), Some(path)) if expected != found => Err(Error::BadValue {
            key: "model.weights".to_owned(),
            message: format!(
                "the model {} was trained on the columns {}; the data has {}",
                path.display(),
                echo_list(expected),
                echo_list(found)
            ),
        }),
        (_, _, Some(path)) if path.exists() && Weights::read(path)?.names() == Names::Own => {
            let model = format!("the model {}", path.display());
            Ok(unsorted_columns((expected, &model), (set.columns(), &set.name())))
        }
        _ => Ok(None),
    }
}

impl Config {
    /// Stores in the configuration how the configured weights read images, their normalisation, and the classes that they have seen, unless it
    /// has them already, so that a resumed run does not need the weights. The same for the run in `model.from`, with the settings of its model.
    /// Returns messages about what it took from the weights or the run, and about settings that are not those of the weights.
    ///
    /// # Errors
    /// If the weights or the run cannot be read; [`Error::BadValue`] for a setting that contradicts the model of the run in `model.from`.
    pub fn resolve_weights(&mut self) -> Result<Vec<String>, Error> {
        if self.model.from.is_some() {
            return earlier_run::complete(self);
        }
        self.resolve_folder()?;
        let mut messages = self.resolve_preprocessing()?;
        messages.extend(self.resolve_normalisation()?);
        messages.extend(self.resolve_classes()?);
        Ok(messages)
    }

    /// Replaces the folder of a run as `model.weights` by the model in it.
    fn resolve_folder(&mut self) -> Result<(), Error> {
        let Some(folder) = self.model.weights.as_ref().filter(|path| path.is_dir()) else { return Ok(()) };
        let file = Model::file(folder);
        if !file.exists() {
            let name = folder.display();
            let message = if checkpoint::exists(folder)? {
                format!(
                    "the run {name} has checkpoints, but no {MODEL_FILE} yet: finish it (train --resume {name}), or continue it on other data \
                     (train --from {name})"
                )
            } else {
                format!(
                    "found the folder {name} without a {MODEL_FILE}, expected a file of weights or the folder of a finished run"
                )
            };
            return Err(Error::BadValue { key: "model.weights".to_owned(), message });
        }
        self.model.weights = Some(file);
        Ok(())
    }

    /// Stores how images are read; with messages about it.
    fn resolve_preprocessing(&mut self) -> Result<Vec<String>, Error> {
        let (of_weights, found) = (preprocessing_of_weights(self)?, preprocessing(self)?);
        let d = &mut self.data;
        let before = (d.background, d.depth, d.resize);
        (d.background, d.depth, d.resize) = (Some(found.background), Some(found.depth), Some(found.resize));
        let (Some(expected), Some(path)) = (of_weights, &self.model.weights) else { return Ok(Vec::new()) };
        let mut messages = Vec::new();
        let taken: Vec<String> = [
            before.0.is_none().then(|| format!("background {}", found.background)),
            before.1.is_none().then(|| format!("depth {}", found.depth)),
            before.2.is_none().then(|| format!("resize {}", found.resize)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !taken.is_empty() && expected != Preprocessing::default() {
            messages.push(format!("reading image files as for the weights: {}", taken.join(", ")));
        }
        for (key, found, expected) in [
            ("background", found.background.to_string(), expected.background.to_string()),
            ("depth", found.depth.to_string(), expected.depth.to_string()),
            ("resize", found.resize.to_string(), expected.resize.to_string()),
        ] {
            if found != expected {
                messages.push(format!(
                    "warning: data.{key} is {found}, but {} was trained with {expected}; remove the key to use that of the weights",
                    path.display()
                ));
            }
        }
        Ok(messages)
    }

    /// Stores the classes that the weights have seen, as their file lists them; with a message if the configuration had another list, such as
    /// that of weights that were replaced since.
    fn resolve_classes(&mut self) -> Result<Option<String>, Error> {
        let stored = self.model.weights_classes.take();
        let Some(path) = self.model.weights.clone() else { return Ok(None) };
        if !path.exists() {
            self.model.weights_classes = stored;
            return Ok(None);
        }
        if let WeightsClasses::Listed(listed) = warm_start::classes(self)? {
            self.model.weights_classes = Some(listed);
        }
        Ok(warm_start::other_classes(stored.as_ref(), self.model.weights_classes.as_ref(), &path))
    }

    /// Stores the normalisation of the weights; with a message about it.
    fn resolve_normalisation(&mut self) -> Result<Option<String>, Error> {
        if !self.model.mean.is_empty() {
            return self.other_normalisation();
        }
        let Some(found) = normalisation(self)? else { return Ok(None) };
        let message = format!(
            "normalising {} as the weights were trained: mean {}, deviation {}",
            if self.data.is_table() { "vectors" } else { "pixels" },
            listed(&found.mean),
            listed(&found.deviation)
        );
        (self.model.mean, self.model.deviation) = (found.mean, found.deviation);
        Ok(Some(message))
    }

    /// A warning if the normalisation of `[model]` is not the one with which the configured weights were trained, as their file states it.
    fn other_normalisation(&self) -> Result<Option<String>, Error> {
        let m = &self.model;
        let Some(path) = &m.weights else { return Ok(None) };
        if Weights::read(path)?.names() != Names::Own {
            return Ok(None);
        }
        let own = Description::read(path)?.normalisation;
        if (&own.mean, &own.deviation) == (&m.mean, &m.deviation) {
            return Ok(None);
        }
        Ok(Some(format!(
            "warning: model.mean is {} and model.deviation is {}, but {} was trained with {} and {}; remove both keys to use those of the weights",
            listed(&m.mean),
            listed(&m.deviation),
            path.display(),
            listed(&own.mean),
            listed(&own.deviation)
        )))
    }
}

/// The first values of a list: tables have a mean for each column.
fn listed(values: &[f32]) -> String {
    const MOST: usize = 4;
    if values.len() <= MOST {
        return format!("{values:?}");
    }
    format!("{:?} and {} more", &values[..MOST], values.len() - MOST)
}

/// Loads the configured weights into `backbone`; also returns messages about them.
///
/// # Errors
/// If they cannot be read or do not fit.
pub(crate) fn weights_in(config: &Config, backbone: Backbone) -> Result<(Backbone, Vec<String>), Error> {
    let Some(path) = &config.model.weights else { return Ok((backbone, Vec::new())) };
    let (backbone, left_out) = Weights::read(path)?.into_backbone(config.model.backbone, backbone)?;
    let messages = left_out.map(|left_out| format!("{}: {left_out}", path.display()));
    Ok((backbone, messages.into_iter().collect()))
}

/// The factor on the learning rate of each of `parameters`; `None` for running statistics and frozen parameters.
///
/// # Errors
/// [`Error::BadValue`] for a beginning that matches no parameter name.
pub(crate) fn factors(config: &Config, parameters: &[Parameter]) -> Result<Vec<Option<f64>>, Error> {
    let name = config.model.backbone;
    let o = &config.optimiser;
    let beginnings = config.model.freeze.iter().map(|beginning| ("model.freeze", beginning));
    for (key, beginning) in beginnings.chain(o.factors.keys().map(|part| ("optimiser.factors", part))) {
        if !parameters.iter().any(|parameter| begins(beginning, name, &parameter.name)) {
            let known: BTreeSet<String> = parameters.iter().map(|p| first_word(name, &p.name)).collect();
            let known: Vec<String> = known.into_iter().collect();
            let message = format!(
                "found {beginning:?}, expected the beginning of a parameter name: {}",
                known.join(", ")
            );
            return Err(Error::BadValue { key: key.to_owned(), message });
        }
    }
    let factor = |parameter: &Parameter| {
        let parts = o.factors.iter().filter(|(part, _)| begins(part, name, &parameter.name));
        parts.max_by_key(|(part, _)| part.len()).map_or(o.backbone_factor, |(_, factor)| *factor)
    };
    let learnt =
        |parameter: &Parameter| parameter.role != Role::Buffer && !is_frozen(config, &parameter.name);
    Ok(parameters.iter().map(|parameter| learnt(parameter).then(|| factor(parameter))).collect())
}

/// The first component of a parameter name, in PyTorch's naming if there is one.
fn first_word(backbone: BackboneName, own: &str) -> String {
    let name = usual_name(backbone, own).unwrap_or_else(|| within_network(own).to_owned());
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Whether the parameter or running statistic of this name is frozen.
pub(crate) fn is_frozen(config: &Config, name: &str) -> bool {
    config.model.freeze.iter().any(|beginning| begins(beginning, config.model.backbone, name))
}
