//! Warnings about settings that have no effect.

use super::{
    AugmentConfig, Config, DataConfig, HeadModeName, HeadSection, ModelConfig, OptimiserName,
    OptimiserSection, SamplerConfig, SamplerName, ScheduleConfig, ScheduleName, TrainingConfig,
};
use widemargin_data::Preprocessing;
use widemargin_head::ProductPrecision;
use widemargin_model::BackboneName;
use widemargin_objective::{AnyObjective, ClassObjective};

impl Config {
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
        let (t, usual) = (&self.training, TrainingConfig::default());
        for (is_set, key) in [
            (t.keep != usual.keep, "training.keep"),
            (t.patience != usual.patience, "training.patience"),
            (d.validation != DataConfig::default().validation, "data.validation"),
        ] {
            warn(
                is_set && t.evaluate_every == 0,
                format!("{key}: no effect without evaluations during training (training.evaluate_every)"),
            );
        }
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
        warn(
            ["margin", "class_margins"].iter().all(|key| self.objective.parameters.contains_key(*key)),
            "objective.margin: no effect, because class_margins has a margin for each class".into(),
        );
        let (h, mode) = (&self.head, self.head.mode);
        let usual = HeadSection::default();
        for (is_set, key) in [
            (mode != usual.mode, "mode"),
            (h.rate != usual.rate, "rate"),
            (h.threshold.is_some(), "threshold"),
            (h.screened_error != usual.screened_error, "screened_error"),
            (h.centres != usual.centres, "centres"),
            (h.optimiser_state != usual.optimiser_state, "optimiser_state"),
            (h.products.is_some(), "products"),
            (h.kept_scores_mib.is_some(), "kept_scores_mib"),
        ] {
            let name = &self.objective.name;
            warn(
                pairs && is_set,
                format!(
                    "head.{key}: no effect, because `{name}` is an objective on pairs, which has no class centres"
                ),
            );
        }
        // Whether a mode uses a setting matters only with class centres.
        let mut warn = |when: bool, text: String| warn(when && !pairs, text);
        let screened = mode == HeadModeName::Screened;
        let without = |key: &str, only: &str| format!("head.{key}: no effect, because only {only} uses it");
        warn(mode != HeadModeName::Sampled && h.rate != usual.rate, without("rate", "`sampled`"));
        warn(!screened && h.threshold.is_some(), without("threshold", "`screened`"));
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
        let mut warn = |when: bool, text: String| found.extend(when.then_some(text));
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
            m.backbone == BackboneName::Identity && o.backbone_factor != usual.backbone_factor,
            no_effect("optimiser.backbone_factor", "the backbone `identity` has no parameters"),
        );
        warn(
            m.backbone != BackboneName::Mlp && m.hidden != ModelConfig::default().hidden,
            no_effect("model.hidden", "only the backbone `mlp` has hidden layers"),
        );
        let (p, usual) = (&self.sampler, SamplerConfig::default());
        let (balanced, by_frequency) =
            (p.name == SamplerName::ClassBalanced, p.name == SamplerName::ByFrequency);
        for (is_set, uses, key, only) in [
            (p.batch != usual.batch, !balanced, "batch", "`shuffled` or `by-frequency`"),
            (p.power != usual.power, by_frequency, "power", "`by-frequency`"),
            (
                p.samples_per_class != usual.samples_per_class,
                balanced,
                "samples_per_class",
                "`class-balanced`",
            ),
            (
                p.classes_per_batch != usual.classes_per_batch,
                balanced,
                "classes_per_batch",
                "`class-balanced`",
            ),
        ] {
            warn(
                is_set && !uses,
                no_effect(&format!("sampler.{key}"), &format!("only the sampler {only} uses it")),
            );
        }
        let proxies = objective
            .as_ref()
            .and_then(AnyObjective::pair_objective)
            .is_some_and(|pairs| pairs.proxies_per_class().is_some());
        warn(
            pairs && !proxies && o.centres_factor != OptimiserSection::default().centres_factor,
            no_effect("optimiser.centres_factor", &format!("`{}` has no class centres", self.objective.name)),
        );
        for (is_set, key) in [
            (d.unseen.is_some(), "data.unseen"),
            (!d.unseen_classes.is_empty(), "data.unseen_classes"),
            (d.closed_set, "data.closed_set"),
        ] {
            warn(is_set && d.split.is_some(), no_effect(key, "the split file says which classes are unseen"));
        }
        let sides = (d.channels, d.height, d.width);
        let (images, read) = (DataConfig::default(), Preprocessing::default());
        let of_files = [
            (sides != (images.channels, images.height, images.width), "data.channels, height and width"),
            (d.max_bad != images.max_bad, "data.max_bad"),
            (d.background.is_some_and(|background| background != read.background), "data.background"),
            (d.depth.is_some_and(|depth| depth != read.depth), "data.depth"),
            (d.resize.is_some_and(|resize| resize != read.resize), "data.resize"),
        ];
        // Whether the data is IDX files takes a look at the disk.
        let idx = !table && of_files.iter().any(|(is_set, _)| *is_set) && d.is_idx();
        for (is_set, key) in of_files {
            warn(table && is_set, no_effect(key, "it is for images, and the data is a table"));
            warn(idx && is_set, no_effect(key, "it is for image files, and the data is IDX files"));
        }
        warn(
            table && *a != AugmentConfig::default(),
            no_effect("augment", "it is for images, and the data is a table"),
        );
        warn(
            !table && a.erase_area.is_some() && a.erase == 0.0,
            no_effect("augment.erase_area", "nothing is erased: `erase` is 0"),
        );
        let colours = a.colour_keys();
        // Whether the data is IDX files takes a look at the disk.
        let grey = !colours.is_empty() && !table && (d.channels == 1 || d.is_idx());
        for key in colours {
            warn(
                grey,
                no_effect(&format!("augment.{key}"), "it changes colours, and the images are read as grey"),
            );
        }
        warn(
            d.split.is_none() && d.unseen.is_some() && !d.unseen_classes.is_empty(),
            no_effect("data.unseen", "unseen_classes names the classes"),
        );
        warn(
            d.split.is_none() && d.unseen.is_some() && d.closed_set,
            no_effect("data.unseen", "closed_set trains on every class"),
        );
        let dropless = !(m.backbone.is_iresnet() || m.backbone == BackboneName::Mlp);
        warn(
            dropless && m.dropout > 0.0,
            format!("model.dropout: no effect, because `{}` has no dropout", m.backbone),
        );
        warn(
            d.split.is_none() && d.closed_set && !d.unseen_classes.is_empty(),
            "data.unseen_classes: no effect, because closed_set trains on every class".into(),
        );
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_data::ResizeMode;

    #[test]
    fn settings_without_effect_are_reported() {
        type Change = fn(&mut Config);
        assert_eq!(Config::default().warnings(), Vec::<String>::new());
        let changes: [(&str, Change); 42] = [
            (
                "sampler.batch: no effect, because only the sampler `shuffled` or `by-frequency` uses it",
                |c| {
                    c.sampler.name = SamplerName::ClassBalanced;
                    c.sampler.batch = 64;
                },
            ),
            ("head.mode: no effect, because `triplet-margin` is an objective on pairs", |c| {
                c.objective.name = "triplet-margin".into();
                c.sampler.name = SamplerName::ClassBalanced;
                c.head.mode = HeadModeName::Sampled;
            }),
            ("head.rate: no effect, because `proxy-anchor` is an objective on pairs", |c| {
                c.objective.name = "proxy-anchor".into();
                c.sampler.name = SamplerName::ClassBalanced;
                c.head.rate = 0.5;
            }),
            ("objective.margin: no effect, because class_margins", |c| {
                c.objective.parameters.insert("class_margins".into(), vec![0.2, 0.3].into());
                c.objective.parameters.insert("margin".into(), 0.5.into());
            }),
            ("optimiser.backbone_factor: no effect, because the backbone `identity`", |c| {
                c.model.backbone = BackboneName::Identity;
                c.optimiser.backbone_factor = 0.5;
            }),
            (
                "data.channels, height and width: no effect, because it is for image files, and the data is IDX",
                |c| {
                    c.data.height = 32;
                },
            ),
            ("data.depth: no effect, because it is for image files", |c| c.data.depth = Some(12)),
            ("data.resize: no effect, because it is for image files", |c| {
                c.data.resize = Some(ResizeMode::Pad);
            }),
            ("data.background: no effect, because it is for image files", |c| {
                c.data.background = Some("black".parse().expect("a colour"));
            }),
            ("data.max_bad: no effect, because it is for image files", |c| c.data.max_bad = 0.5),
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
            ("sampler.power: no effect, because only the sampler `by-frequency`", |c| c.sampler.power = 0.3),
            ("sampler.samples_per_class: no effect", |c| c.sampler.samples_per_class = 4),
            ("sampler.classes_per_batch: no effect", |c| c.sampler.classes_per_batch = 4),
            ("optimiser.centres_factor: no effect, because `triplet-margin` has no class centres", |c| {
                c.objective.name = "triplet-margin".into();
                c.sampler.name = SamplerName::ClassBalanced;
                c.optimiser.centres_factor = 2.0;
            }),
            ("data.unseen: no effect, because the split file", |c| {
                c.data.split = Some("split.csv".into());
                c.data.unseen = Some(3);
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
            ("augment.saturation: no effect, because it changes colours", |c| {
                // The default data is IDX files.
                c.augment.saturation = Some(0.5.into());
            }),
            ("augment.erase_area: no effect, because nothing is erased: `erase` is 0", |c| {
                c.augment.erase_area = Some([0.1, 0.2]);
            }),
            ("augment.grey: no effect, because it changes colours", |c| {
                (c.data.path, c.data.channels) = (Some("images".into()), 1);
                c.augment.grey = 0.5;
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
}
