//! The ranges of the settings, and warnings about settings that have no effect.

use super::{
    AugmentConfig, Config, DataConfig, HeadModeName, HeadSection, ModelConfig, OptimiserName,
    OptimiserSection, PrecisionName, SamplerConfig, SamplerName, ScheduleConfig, ScheduleName,
};
use crate::Error;
use std::fmt::Display;
use widemargin_data::Preprocessing;
use widemargin_head::{HeadConfig, ProductPrecision};
use widemargin_model::{BackboneName, device};
use widemargin_objective::{AnyObjective, ClassObjective};

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
        let a = &self.augment;
        require(a.pad_and_crop <= 64, "augment.pad_and_crop", &a.pad_and_crop, "0 to 64")?;
        require((0.0..=1.0).contains(&a.erase), "augment.erase", &a.erase, "0 to 1")?;
        check_sampler(&self.sampler)?;
        let t = &self.training;
        require((1..=1_000_000).contains(&t.epochs), "training.epochs", &t.epochs, "1 to 1000000")?;
        require(t.loader_threads <= 64, "training.loader_threads", &t.loader_threads, "0 to 64")?;
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
        let paths = [
            ("data.path", &d.path),
            ("data.labels", &d.labels),
            ("data.split", &d.split),
            ("model.weights", &self.model.weights),
        ];
        for (key, path) in paths {
            if let Some(path) = path {
                // the run folder's configuration contains the path, and TOML is Unicode
                require(path.to_str().is_some(), key, &path.display(), "a path in Unicode")?;
            }
        }
        if let Some(labels) = &d.labels {
            let expected = "no labels, or a table of embeddings as data.path";
            require(self.data.is_table(), "data.labels", &labels.display(), expected)?;
        }
        if let Some(columns) = &d.columns {
            let expected = "no pattern, or a table of embeddings as data.path";
            require(self.data.is_table(), "data.columns", columns, expected)?;
        }
        if let Some(split) = &d.split {
            let expected = "no split file, or neither unseen_classes nor closed_set: the file defines the unseen classes";
            require(d.unseen_classes.is_empty() && !d.closed_set, "data.split", &split.display(), expected)?;
        }
        let (open, names) = (!d.closed_set, &d.unseen_classes);
        if names.is_empty() {
            let found = d.unseen.unwrap_or(2);
            require(!open || found >= 2, "data.unseen", &found, "at least 2 classes, or closed_set = true")?;
        } else {
            let expected = "at least 2 classes, or closed_set = true";
            require(!open || names.len() >= 2, "data.unseen_classes", &format!("{names:?}"), expected)?;
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

    /// Warnings about settings that are allowed but have no effect, or probably not the intended one; one sentence each.
    ///
    /// Empty for the default configuration.
    pub fn warnings(&self) -> Vec<String> {
        let (s, m, d) = (&self.schedule, &self.model, &self.data);
        let epochs = self.training.epochs as f64;
        let steps = s.name == ScheduleName::Step;
        let mut found = Vec::new();
        let mut warn = |when: bool, text: String| found.extend(when.then_some(text));
        let late: Vec<&f64> = s.milestones.iter().filter(|milestone| **milestone >= epochs).collect();
        let reason = format!("the run has {epochs} epochs, so {late:?} are never reached");
        warn(steps && !late.is_empty(), format!("schedule.milestones: {reason}"));
        warn(
            steps && s.milestones.is_empty(),
            "schedule.milestones: none, so `step` never lowers the rate".into(),
        );
        warn(
            !steps && !s.milestones.is_empty(),
            "schedule.milestones: only the schedule `step` uses them".into(),
        );
        warn(
            s.warm_up_epochs >= epochs,
            format!(
                "schedule.warm_up_epochs: {} of {epochs} epochs, so the run ends during the warm-up",
                s.warm_up_epochs
            ),
        );
        warn(
            s.margin_warm_up_epochs > epochs,
            format!(
                "schedule.margin_warm_up_epochs: {} of {epochs} epochs, so the full margin is never reached",
                s.margin_warm_up_epochs
            ),
        );
        let objective = self.objective.build(None).ok();
        let pairs = objective.as_ref().is_some_and(|objective| objective.pair_objective().is_some());
        let classes = objective.as_ref().and_then(AnyObjective::class_objective);
        let marginless = objective.is_some() && !classes.is_some_and(ClassObjective::has_margin);
        warn(
            pairs && self.sampler.name != SamplerName::ClassBalanced,
            format!(
                "sampler.name: `{}` requires several samples per class in a batch; use `class-balanced`",
                self.objective.name
            ),
        );
        warn(
            marginless && s.margin_warm_up_epochs > 0.0,
            format!("schedule.margin_warm_up_epochs: `{}` has no margin", self.objective.name),
        );
        let (h, mode) = (&self.head, self.head.mode);
        let screened = mode == HeadModeName::Screened;
        let without = |key: &str, only: &str| format!("head.{key}: no effect, because only {only} uses it");
        warn(
            mode != HeadModeName::Sampled && h.rate != HeadSection::default().rate,
            without("rate", "`sampled`"),
        );
        warn(!screened && h.threshold.is_some(), without("threshold", "`screened`"));
        let usual = HeadSection::default();
        let decided = h.threshold.is_some() || matches!(mode, HeadModeName::Dense | HeadModeName::Sampled);
        warn(
            decided && h.screened_error != usual.screened_error,
            without("screened_error", "`screened` without `threshold`"),
        );
        warn(
            screened && h.threshold != Some(0.0) && h.kept_scores_mib.is_some(),
            without("kept_scores_mib", "`dense` or `sampled`"),
        );
        warn(
            screened && h.threshold != Some(0.0) && h.products == Some(ProductPrecision::Bf16),
            without("products", "`dense` or `sampled`"),
        );
        warn(
            screened && h.threshold != Some(0.0) && self.optimiser.name == OptimiserName::AdamW,
            "head.mode: `screened` with `adamw` ends with a lower accuracy than `dense`; use `dense`, or the optimiser `sgd`"
                .into(),
        );
        let (o, usual) = (&self.optimiser, OptimiserSection::default());
        let (a, table) = (&self.augment, d.is_table());
        let no_effect = |key: &str, why: &str| format!("{key}: no effect, because {why}");
        for (is_set, uses, key, only) in [
            (s.factor != ScheduleConfig::default().factor, steps, "factor", "`step`"),
            (s.floor != ScheduleConfig::default().floor, s.name == ScheduleName::Cosine, "floor", "`cosine`"),
            (
                s.power != ScheduleConfig::default().power,
                s.name == ScheduleName::Polynomial,
                "power",
                "`polynomial`",
            ),
        ] {
            warn(
                is_set && !uses,
                no_effect(&format!("schedule.{key}"), &format!("only the schedule {only} uses it")),
            );
        }
        let sgd = o.name == OptimiserName::Sgd;
        for (is_set, uses, key, only) in [
            (o.momentum != usual.momentum, sgd, "momentum", "`sgd`"),
            (o.beta_1 != usual.beta_1, !sgd, "beta_1", "`adamw`"),
            (o.beta_2 != usual.beta_2, !sgd, "beta_2", "`adamw`"),
            (o.epsilon != usual.epsilon, !sgd, "epsilon", "`adamw`"),
        ] {
            warn(
                is_set && !uses,
                no_effect(&format!("optimiser.{key}"), &format!("only the optimiser {only} uses it")),
            );
        }
        warn(
            m.backbone != BackboneName::Mlp && m.hidden != ModelConfig::default().hidden,
            no_effect("model.hidden", "only the backbone `mlp` has hidden layers"),
        );
        let sides = (d.channels, d.height, d.width);
        let (images, read) = (DataConfig::default(), Preprocessing::default());
        for (is_set, key) in [
            (sides != (images.channels, images.height, images.width), "data.channels, height and width"),
            (d.max_bad != images.max_bad, "data.max_bad"),
            (d.background.is_some_and(|background| background != read.background), "data.background"),
            (d.depth.is_some_and(|depth| depth != read.depth), "data.depth"),
            (*a != AugmentConfig::default(), "augment"),
        ] {
            warn(table && is_set, no_effect(key, "it is for images, and the data is a table"));
        }
        warn(
            d.unseen.is_some() && !d.unseen_classes.is_empty(),
            no_effect("data.unseen", "unseen_classes names the classes"),
        );
        warn(
            d.unseen.is_some() && d.closed_set,
            no_effect("data.unseen", "closed_set trains on every class"),
        );
        let dropless = !(m.backbone.is_iresnet() || m.backbone == BackboneName::Mlp);
        warn(
            dropless && m.dropout > 0.0,
            format!("model.dropout: no effect, because `{}` has no dropout", m.backbone),
        );
        warn(
            d.closed_set && !d.unseen_classes.is_empty(),
            "data.unseen_classes: no effect, because closed_set trains on every class".into(),
        );
        found
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
        let changes: [(&str, Change); 36] = [
            ("data.unseen", |c| c.data.unseen = Some(1)),
            ("data.unseen_classes", |c| c.data.unseen_classes = vec!["Bag".into()]),
            ("data.unseen_classes", |c| {
                c.data.unseen_classes = vec!["Bag".into(), "Coat".into(), "Bag".into()];
            }),
            ("data.labels", |c| c.data.labels = Some("labels.npy".into())),
            ("data.columns", |c| c.data.columns = Some("e*".parse().expect("a pattern"))),
            ("model.backbone", |c| c.data.path = Some("vectors.npy".into())),
            ("data.channels", |c| c.data.channels = 2),
            ("data.height", |c| c.data.height = 3),
            ("data.depth", |c| c.data.depth = Some(17)),
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
    fn settings_without_effect_are_reported() {
        type Change = fn(&mut Config);
        assert_eq!(Config::default().warnings(), Vec::<String>::new());
        let changes: [(&str, Change); 24] = [
            ("[8.0, 9.0] are never reached", |c| {
                c.schedule.name = ScheduleName::Step;
                c.schedule.milestones = vec![3.0, 8.0, 9.0];
            }),
            ("never lowers the rate", |c| c.schedule.name = ScheduleName::Step),
            ("only the schedule `step`", |c| c.schedule.milestones = vec![3.0]),
            ("ends during the warm-up", |c| c.schedule.warm_up_epochs = 8.0),
            ("the full margin is never reached", |c| c.schedule.margin_warm_up_epochs = 9.0),
            ("`softmax` has no margin", |c| {
                c.objective.name = "softmax".into();
                c.schedule.margin_warm_up_epochs = 1.0;
            }),
            ("model.dropout", |c| c.model.dropout = 0.4),
            ("`resnet18` has no dropout", |c| {
                c.model.backbone = BackboneName::Resnet18;
                c.model.dropout = 0.4;
            }),
            ("data.unseen_classes", |c| {
                c.data.closed_set = true;
                c.data.unseen_classes = vec!["Bag".into()];
            }),
            ("schedule.factor: no effect, because only the schedule `step`", |c| c.schedule.factor = 0.5),
            ("schedule.power: no effect", |c| c.schedule.power = 3.0),
            ("schedule.floor: no effect", |c| {
                c.schedule.name = ScheduleName::Constant;
                c.schedule.floor = 0.1;
            }),
            ("optimiser.momentum: no effect, because only the optimiser `sgd`", |c| {
                c.optimiser.name = OptimiserName::AdamW;
                c.optimiser.momentum = 0.5;
            }),
            ("optimiser.beta_1: no effect", |c| c.optimiser.beta_1 = 0.5),
            ("model.hidden: no effect", |c| c.model.hidden = vec![64]),
            ("data.unseen: no effect, because unseen_classes", |c| {
                c.data.unseen = Some(3);
                c.data.unseen_classes = vec!["Bag".into(), "Coat".into()];
            }),
            ("augment: no effect, because it is for images", |c| {
                (c.data.path, c.model.backbone) = (Some("vectors.npy".into()), BackboneName::Linear);
                c.augment.erase = 0.5;
            }),
            ("data.depth: no effect", |c| {
                (c.data.path, c.model.backbone) = (Some("vectors.npy".into()), BackboneName::Linear);
                c.data.depth = Some(12);
            }),
            ("head.rate: no effect", |c| c.head.rate = 0.2),
            ("head.threshold: no effect", |c| c.head.threshold = Some(0.01)),
            ("head.screened_error: no effect", |c| {
                c.head.mode = HeadModeName::Dense;
                c.head.screened_error = 0.05;
            }),
            ("head.kept_scores_mib: no effect", |c| {
                c.head.mode = HeadModeName::Screened;
                c.head.kept_scores_mib = Some(64);
            }),
            ("head.products: no effect", |c| {
                c.head.mode = HeadModeName::Screened;
                c.head.products = Some(ProductPrecision::Bf16);
            }),
            ("`screened` with `adamw`", |c| {
                c.head.mode = HeadModeName::Screened;
                c.optimiser.name = OptimiserName::AdamW;
            }),
        ];
        for (text, change) in changes {
            let mut config = Config::default();
            config.training.epochs = 8;
            change(&mut config);
            config.check().expect("allowed");
            let found = config.warnings();
            assert!(found.len() == 1 && found[0].contains(text), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_quick_run_is_small_and_valid() {
        let mut config = Config::default();
        config.schedule.warm_up_epochs = 1.0;
        let quick = config.clone().quick();
        quick.check().expect("allowed");
        assert!(quick.data.built_in && quick.training.epochs <= 2 && quick.training.limit > 0);
        config.training.limit = 70;
        assert_eq!(config.quick().training.limit, 70, "never larger than configured");
    }
}
