//! The ranges of the settings.

use super::{AugmentConfig, Config, PrecisionName, SamplerConfig, SamplerName, ScheduleConfig};
use crate::Error;
use std::fmt::Display;
use widemargin_head::HeadConfig;
use widemargin_model::device;

/// Largest batch size: more is most likely a typing error.
const LARGEST_BATCH: usize = 65_536;

fn require(fine: bool, key: &str, found: &dyn Display, expected: &str) -> Result<(), Error> {
    let message = || format!("found {found}, expected {expected}");
    if fine { Ok(()) } else { Err(Error::BadValue { key: key.to_owned(), message: message() }) }
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl Config {
    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the key, what was found and what is expected.
    pub fn check(&self) -> Result<(), Error> {
        self.check_data()?;
        self.check_model()?;
        self.objective.build(None)?;
        self.check_optimiser()?;
        self.check_head()?;
        check_schedule(&self.schedule)?;
        check_augment(&self.augment)?;
        check_sampler(&self.sampler)?;
        let t = &self.training;
        require((1..=1_000_000).contains(&t.epochs), "training.epochs", &t.epochs, "1 to 1000000")?;
        require(t.loader_threads <= 64, "training.loader_threads", &t.loader_threads, "0 to 64")?;
        let accumulate = (1..=LARGEST_BATCH).contains(&t.accumulate);
        require(accumulate, "training.accumulate", &t.accumulate, "1 to 65536")?;
        let found = format!("{} batches of {}", t.accumulate, self.sampler.batch_size());
        let fits = self.step_size() <= LARGEST_BATCH;
        require(fits, "training.accumulate", &found, "at most 65536 samples per step")?;
        require((0.0..1.0).contains(&t.average), "training.average", &t.average, "at least 0 and below 1")?;
        let every = t.evaluate_every;
        require(every <= 1_000_000, "training.evaluate_every", &every, "0 to 1000000")?;
        require(t.keep_checkpoints >= 1, "training.keep_checkpoints", &t.keep_checkpoints, "at least 1")
    }

    /// Checks that the device exists and supports the precision.
    ///
    /// # Errors
    /// [`Error::BadValue`] for `training.device`, with the known devices, and for `training.precision`.
    pub fn check_device(&self) -> Result<(), Error> {
        let wrong = |key: &str, error: widemargin_model::Error| Error::BadValue {
            key: key.to_owned(),
            message: error.to_string(),
        };
        let name = &self.training.device;
        let device = device::by_name(name).map_err(|error| wrong("training.device", error))?;
        if self.training.precision == PrecisionName::Mixed && !device::is_cpu(name) {
            device::half_precision(name, &device).map_err(|error| wrong("training.precision", error))?;
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), Error> {
        let d = &self.data;
        for (key, path) in self.clone().paths_mut() {
            if let Some(path) = path {
                // the run folder's configuration contains the path, and TOML is Unicode
                require(path.to_str().is_some(), key, &path.display(), "a path in Unicode")?;
            }
        }
        if let Some(set) = d.set {
            require(d.path.is_none(), "data.set", &set, "no name of a set beside data.path")?;
        }
        if let Some(camera) = &d.held_out_camera {
            let expected = "no held-out camera with evaluations during training (training.evaluate_every): there would be no samples of this camera to compare";
            require(self.training.evaluate_every == 0, "data.held_out_camera", camera, expected)?;
        }
        if let Some(labels) = &d.labels {
            let expected = "no labels, or a table of embeddings as data.path";
            require(self.data.is_table(), "data.labels", &labels.display(), expected)?;
        }
        if let Some(columns) = &d.columns {
            let expected = "no pattern, or a table of embeddings as data.path";
            require(self.data.is_table(), "data.columns", columns, expected)?;
        }
        if let Some(column) = &d.label_column {
            let expected = "no column, or a table of embeddings as data.path";
            require(self.data.is_table(), "data.label_column", column, expected)?;
        }
        if let Some(split) = &d.split {
            let expected = "no split file, or neither unseen_classes nor closed_set: the file defines the unseen classes";
            require(d.unseen_classes.is_empty() && !d.closed_set, "data.split", &split.display(), expected)?;
        }
        let (open, names) = (!d.closed_set, &d.unseen_classes);
        // How many names there are is checked after what they are, which the data shows.
        if names.is_empty() {
            let found = d.unseen.unwrap_or(2);
            require(!open || found >= 2, "data.unseen", &found, "at least 2 classes, or closed_set = true")?;
        }
        let repeated = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        if let Some((_, name)) = repeated {
            require(false, "data.unseen_classes", &format!("{name:?} twice"), "every class once")?;
        }
        require(matches!(d.channels, 1 | 3), "data.channels", &d.channels, "1 or 3")?;
        require((4..=1024).contains(&d.height), "data.height", &d.height, "4 to 1024")?;
        require((4..=1024).contains(&d.width), "data.width", &d.width, "4 to 1024")?;
        let share = d.hold_out > 0.0 && d.hold_out < 1.0;
        require(share, "data.hold_out", &d.hold_out, "above 0 and below 1")?;
        let share = d.validation > 0.0 && d.validation < 1.0;
        require(share, "data.validation", &d.validation, "above 0 and below 1")?;
        if let Some(depth) = d.depth {
            require((1..=16).contains(&depth), "data.depth", &depth, "1 to 16 bits")?;
        }
        require((0.0..=1.0).contains(&d.max_bad), "data.max_bad", &d.max_bad, "0 to 1")
    }

    fn check_model(&self) -> Result<(), Error> {
        let m = &self.model;
        let expected = "mlp, linear or identity for a table of embeddings";
        require(m.backbone.is_flat() || !self.data.is_table(), "model.backbone", &m.backbone, expected)?;
        require((1..=65_536).contains(&m.embedding), "model.embedding", &m.embedding, "1 to 65536")?;
        require((0.0..1.0).contains(&m.dropout), "model.dropout", &m.dropout, "at least 0 and below 1")?;
        let widths = m.hidden.iter().all(|width| (1..=65_536).contains(width));
        require(widths, "model.hidden", &format!("{:?}", m.hidden), "widths of 1 to 65536")?;
        if let (Some(weights), Some(_)) = (&m.weights, &m.from) {
            let expected = "none, because the run in model.from has its own";
            require(false, "model.weights", &weights.display(), expected)?;
        }
        let finite = m.mean.iter().all(|mean| mean.is_finite());
        require(finite, "model.mean", &format!("{:?}", m.mean), "finite numbers")?;
        let above = m.deviation.iter().all(|deviation| positive(f64::from(*deviation)));
        let paired = m.deviation.len() == m.mean.len();
        let expected = "values above 0, as many as model.mean has";
        require(above && paired, "model.deviation", &format!("{:?}", m.deviation), expected)
    }

    fn check_head(&self) -> Result<(), Error> {
        let h = &self.head;
        let rate = h.rate > 0.0 && h.rate <= 1.0;
        require(rate, "head.rate", &h.rate, "above 0 and at most 1")?;
        require(
            h.threshold.is_none_or(|threshold| (0.0..1.0).contains(&threshold)),
            "head.threshold",
            &h.threshold.unwrap_or_default(),
            "at least 0 and below 1",
        )?;
        let budget = HeadConfig::SCREENED_ERRORS;
        let expected = format!("{} to {}", budget.start(), budget.end());
        require(budget.contains(&h.screened_error), "head.screened_error", &h.screened_error, &expected)
    }

    fn check_optimiser(&self) -> Result<(), Error> {
        let o = &self.optimiser;
        let share = |value: f64| (0.0..1.0).contains(&value);
        require(positive(o.learning_rate), "optimiser.learning_rate", &o.learning_rate, "above 0")?;
        require(positive(o.centres_factor), "optimiser.centres_factor", &o.centres_factor, "above 0")?;
        require(positive(o.backbone_factor), "optimiser.backbone_factor", &o.backbone_factor, "above 0")?;
        for (part, factor) in &o.factors {
            let expected = "above 0; to keep a part unchanged, name it in model.freeze";
            require(positive(*factor), "optimiser.factors", &format!("{part} = {factor}"), expected)?;
        }
        require(share(o.momentum), "optimiser.momentum", &o.momentum, "at least 0 and below 1")?;
        require(share(o.beta_1), "optimiser.beta_1", &o.beta_1, "at least 0 and below 1")?;
        require(share(o.beta_2), "optimiser.beta_2", &o.beta_2, "at least 0 and below 1")?;
        require(positive(o.epsilon), "optimiser.epsilon", &o.epsilon, "above 0")?;
        require(not_negative(o.weight_decay), "optimiser.weight_decay", &o.weight_decay, "at least 0")?;
        let expected = "at least 0 (0: no clipping)";
        require(not_negative(o.clip_norm), "optimiser.clip_norm", &o.clip_norm, expected)
    }
}

fn check_schedule(s: &ScheduleConfig) -> Result<(), Error> {
    let (warm_up, margin_warm_up) = (s.warm_up_epochs, s.margin_warm_up_epochs);
    require(not_negative(warm_up), "schedule.warm_up_epochs", &warm_up, "at least 0")?;
    require(not_negative(margin_warm_up), "schedule.margin_warm_up_epochs", &margin_warm_up, "at least 0")?;
    let rising = s.milestones.windows(2).all(|pair| pair[0] < pair[1]);
    let fine = rising && s.milestones.iter().all(|milestone| not_negative(*milestone));
    require(fine, "schedule.milestones", &format!("{:?}", s.milestones), "rising epochs, at least 0")?;
    require(positive(s.factor) && s.factor <= 1.0, "schedule.factor", &s.factor, "above 0 and at most 1")?;
    require((0.0..=1.0).contains(&s.floor), "schedule.floor", &s.floor, "0 to 1")?;
    require(positive(s.power), "schedule.power", &s.power, "above 0")
}

fn check_augment(a: &AugmentConfig) -> Result<(), Error> {
    a.check().map_err(|error| match error {
        widemargin_data::Error::Setting { name, found, expected } => Error::BadValue {
            key: format!("augment.{name}"),
            message: format!("found {found}, expected {expected}"),
        },
        other => other.into(),
    })
}

fn check_sampler(p: &SamplerConfig) -> Result<(), Error> {
    require((2..=LARGEST_BATCH).contains(&p.batch), "sampler.batch", &p.batch, "2 to 65536")?;
    let (classes, samples) = (p.classes_per_batch, p.samples_per_class);
    require((2..=LARGEST_BATCH).contains(&classes), "sampler.classes_per_batch", &classes, "2 to 65536")?;
    require((1..=LARGEST_BATCH).contains(&samples), "sampler.samples_per_class", &samples, "1 to 65536")?;
    require((0.0..=1.0).contains(&p.power), "sampler.power", &p.power, "0 to 1")?;
    let fits = p.name != SamplerName::ClassBalanced || p.batch_size() <= LARGEST_BATCH;
    let found = format!("{samples} of each of {classes} classes, a batch of {}", p.batch_size());
    require(fits, "sampler.samples_per_class", &found, "a batch of at most 65536")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Amount;

    #[test]
    fn impossible_values_name_the_key() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 43] = [
            ("data.unseen", |c| c.data.unseen = Some(1)),
            ("data.unseen_classes", |c| {
                c.data.unseen_classes = vec!["Bag".into(), "Coat".into(), "Bag".into()];
            }),
            ("data.labels", |c| c.data.labels = Some("labels.npy".into())),
            ("data.columns", |c| c.data.columns = Some("e*".parse().expect("a pattern"))),
            ("model.backbone", |c| c.data.path = Some("vectors.npy".into())),
            ("data.channels", |c| c.data.channels = 2),
            ("data.height", |c| c.data.height = 3),
            ("data.depth", |c| c.data.depth = Some(17)),
            ("data.validation", |c| c.data.validation = 1.0),
            ("training.accumulate", |c| c.training.accumulate = 0),
            ("training.accumulate", |c| c.training.accumulate = 1_000),
            ("training.average", |c| c.training.average = 1.0),
            ("training.evaluate_every", |c| c.training.evaluate_every = usize::MAX),
            ("data.max_bad", |c| c.data.max_bad = f64::NAN),
            ("model.embedding", |c| c.model.embedding = 0),
            ("model.dropout", |c| c.model.dropout = 1.0),
            ("model.hidden", |c| c.model.hidden = vec![16, 0]),
            ("model.mean", |c| c.model.mean = vec![f32::NAN]),
            ("model.deviation", |c| c.model.mean = vec![0.5]),
            ("optimiser.backbone_factor", |c| c.optimiser.backbone_factor = 0.0),
            ("optimiser.factors", |c| c.optimiser.factors = [("fc".into(), -1.0)].into()),
            ("objective.margin", |c| c.objective.set("margin", Some(Amount::Value(2.5)))),
            ("objective.scale", |c| c.objective.set("scale", Some(Amount::Value(0.0)))),
            ("objective.temperature", |c| c.objective.set("temperature", Some(Amount::Value(1.0)))),
            ("head.screened_error", |c| c.head.screened_error = 0.5),
            ("head.screened_error", |c| c.head.screened_error = f64::NAN),
            ("optimiser.learning_rate", |c| c.optimiser.learning_rate = 0.0),
            ("optimiser.learning_rate", |c| c.optimiser.learning_rate = f64::INFINITY),
            ("optimiser.momentum", |c| c.optimiser.momentum = 1.0),
            ("optimiser.clip_norm", |c| c.optimiser.clip_norm = -1.0),
            ("schedule.milestones", |c| c.schedule.milestones = vec![3.0, 2.0]),
            ("schedule.milestones", |c| c.schedule.milestones = vec![f64::NAN]),
            ("schedule.floor", |c| c.schedule.floor = 1.5),
            ("augment.erase", |c| c.augment.erase = -0.1),
            ("augment.pad_and_crop", |c| c.augment.pad_and_crop = 65),
            ("augment.hue", |c| c.augment.hue = Some(0.6.into())),
            ("augment.rotate", |c| c.augment.rotate = Some([9.0, 3.0].into())),
            ("sampler.batch", |c| c.sampler.batch = 1),
            ("sampler.classes_per_batch", |c| c.sampler.classes_per_batch = usize::MAX),
            ("sampler.power", |c| c.sampler.power = 1.5),
            ("objective.margin_by_count", |c| c.objective.margin_by_count = Some(-1.0)),
            ("training.epochs", |c| c.training.epochs = usize::MAX),
            ("training.keep_checkpoints", |c| c.training.keep_checkpoints = 0),
        ];
        Config::default().check().expect("the defaults");
        for (key, change) in changes {
            let mut config = Config::default();
            change(&mut config);
            let error = config.check().expect_err(key);
            assert!(matches!(&error, Error::BadValue { key: found, .. } if found == key), "{key}: {error}");
        }
    }

    #[test]
    fn the_classes_of_a_balanced_batch_determine_its_size() {
        let sampler = SamplerConfig {
            name: SamplerName::ClassBalanced,
            batch: 2,
            classes_per_batch: 300,
            samples_per_class: 300,
            ..SamplerConfig::default()
        };
        let mut config = Config { sampler, ..Config::default() };
        let message = config.check().expect_err("90,000 images").to_string();
        assert!(message.contains("a batch of 90000, expected a batch of at most 65536"), "{message}");
        config.sampler.classes_per_batch = usize::MAX;
        assert_eq!(config.sampler.batch_size(), usize::MAX, "no overflow before the check");
        assert!(config.check().is_err());
        config.sampler.classes_per_batch = 300;
        config.sampler.name = SamplerName::Shuffled;
        config.check().expect("unused by `shuffled`");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_toml_cannot_hold_is_rejected() {
        use std::os::unix::ffi::OsStrExt;
        let mut config = Config::default();
        config.data.path = Some(std::ffi::OsStr::from_bytes(b"images-\xff").into());
        assert!(config.check().expect_err("not Unicode").to_string().starts_with("data.path: found images-"));
        config.model.weights = config.data.path.clone();
        assert!(config.to_toml().contains("path = \"images-\u{fffd}\""), "and never a panic");
    }

    #[test]
    fn a_quick_run_is_small_and_valid() {
        let mut config = Config::default();
        config.schedule.warm_up_epochs = 1.0;
        let quick = config.clone().quick();
        quick.check().expect("allowed");
        assert!(quick.training.epochs <= 3 && quick.training.limit > 0);
        config.training.limit = 70;
        assert_eq!(config.quick().training.limit, 70, "never larger than configured");
    }
}
