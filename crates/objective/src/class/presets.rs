//! The objectives against class centres that have names.

use super::{ClassObjective, ClassParameters, ClassState, Name, Rule, TargetMargin};
use crate::builder::{positive, within};
use crate::presets::known_name;
use crate::suggest::adacos_fixed_scale;
use crate::{Competitors, Margin, Objective, ObjectiveBuilder, ObjectiveError, Parameters, Score};

/// What every softmax of this kind takes beside its own.
const EVERYWHERE: [&str; 4] = ["sub_centres", "ignore_label", "label_smoothing", "class_margins"];

/// Names beyond those of the family, with what each takes.
const VARIANTS: &[(&str, &[&str])] = &[
    ("sphereface", &["scale", "margin", "lambda"]),
    ("large-margin-softmax", &["scale", "margin", "lambda"]),
    ("combined-margin", &["scale", "angle_multiplier", "angle_margin", "cosine_margin", "detach_margin"]),
    ("sub-centre", &["scale", "margin", "easy_margin", "detach_margin"]),
    ("curricularface", &["scale", "margin", "momentum", "detach_margin"]),
    ("mv-softmax", &["scale", "margin", "emphasis", "target"]),
    ("adaface", &["scale", "margin", "concentration", "momentum"]),
    ("magface", &["scale", "norms", "margins", "norm_weight"]),
    ("elasticface-arc", &["scale", "margin", "deviation", "seed"]),
    ("elasticface-cos", &["scale", "margin", "deviation", "seed"]),
    ("adacos", &["scale"]),
    ("adacos-dynamic", &["scale"]),
    ("normface", &["scale"]),
    ("inter-top-k", &["scale", "margin", "count", "competitor_margin"]),
    ("inter-class-filter", &["scale", "margin", "bound", "target"]),
    ("sphereface2", &["scale", "margin", "balance", "exponent"]),
];

const NAMES: &[&str] = &[
    "hinge-sum",
    "hinge-sum-margin",
    "hinge-max",
    "lse-hinge",
    "softplus-lse",
    "softmax",
    "tempered-softmax",
    "normalized-softmax",
    "am-softmax",
    "cosface",
    "arcface",
    "sphereface",
    "large-margin-softmax",
    "combined-margin",
    "sub-centre",
    "curricularface",
    "mv-softmax",
    "adaface",
    "magface",
    "elasticface-arc",
    "elasticface-cos",
    "adacos",
    "adacos-dynamic",
    "normface",
    "inter-top-k",
    "inter-class-filter",
    "sphereface2",
];

const ALIASES: &[(&str, &str)] = &[
    ("sub-center", "sub-centre"),
    ("sub-center-arcface", "sub-centre"),
    ("curricular-face", "curricularface"),
    ("ada-face", "adaface"),
    ("mag-face", "magface"),
    ("elastic-face", "elasticface-arc"),
    ("elasticface", "elasticface-arc"),
    ("sphere-face", "sphereface"),
    ("sphere-face-2", "sphereface2"),
    ("mv-am-softmax", "mv-softmax"),
];

impl ClassObjective {
    /// All names that [`ClassObjective::from_name`] knows, those of the family first.
    pub const fn names() -> &'static [&'static str] {
        NAMES
    }

    /// An objective by name, for `classes` classes (hyphens or underscores; the family's names are those of
    /// [`Objective::from_name`]).
    ///
    /// | name | takes (default) | source |
    /// |---|---|---|
    /// | `sphereface` | scale (1), margin: a multiple of the angle (4), `lambda` (0) | Liu et al., 2017 |
    /// | `large-margin-softmax` | the same on dot products | Liu et al., 2016 |
    /// | `combined-margin` | scale (64), `angle_multiplier` (1), `angle_margin` (0.3), `cosine_margin` (0.2) | Deng et al., 2019, eq. 4 |
    /// | `sub-centre` | scale (64), margin in radians (0.5), `sub_centres` (3) | Deng et al., 2020 |
    /// | `curricularface` | scale (64), margin in radians (0.5), `momentum` (0.01) | Huang et al., 2020 |
    /// | `mv-softmax` | scale (32), `emphasis` (0.2), `target` `am` with margin 0.35 or `arc` with 0.5 (`am`) | Wang et al., 2020 |
    /// | `adaface` | scale (64), margin (0.4), `concentration` (0.333), `momentum` (0.01) | Kim et al., 2022 |
    /// | `magface` | scale (64), `norms` (10, 110), `margins` (0.45, 0.8), `norm_weight` (35) | Meng et al., 2021 |
    /// | `elasticface-arc`, `elasticface-cos` | scale (64), margin (0.5 rad; 0.35), `deviation` (0.0125), `seed` (0) | Boutros et al., 2022 |
    /// | `adacos` | scale (`sqrt(2) ln(C - 1)`) | Zhang et al., 2019 |
    /// | `adacos-dynamic` | first scale (the same) | Zhang et al., 2019 |
    /// | `normface` | first scale (10), then learnt | Wang et al., 2017 |
    /// | `inter-top-k` | scale (32), margin (0.2), `count` (5), `competitor_margin` (0.06) | Zhao et al., 2022 |
    /// | `inter-class-filter` | scale (64), margin (0.35), `bound` (0.4), `target` (`am`) | likely wrong labels leave the sum |
    /// | `sphereface2` | scale `r` (40), margin (0.4), `balance` (0.7), `exponent` (3) | Wen et al., 2022 |
    ///
    /// All but `sphereface2` and those without a softmax take `label_smoothing` (0); all take `sub_centres` (1),
    /// `ignore_label` (none); those with one plain margin take `class_margins` (none). Margins in angle take `detach_margin`.
    ///
    /// # Errors
    /// [`ObjectiveError::UnknownName`] with the nearest name, [`ObjectiveError::UnusedParameter`],
    /// [`ObjectiveError::OutOfRange`], [`ObjectiveError::Incompatible`], or class margins that are not one a class.
    pub fn from_name(
        name: &str,
        parameters: &ClassParameters,
        classes: usize,
    ) -> Result<Self, ObjectiveError> {
        let name = known_name(name, NAMES, ALIASES)?;
        within(1.0..=f64::from(u32::MAX), "classes", classes as f64, "1 or more")?;
        let p = parameters;
        let variant = VARIANTS.iter().find(|(known, _)| *known == name);
        let own: &[&str] = variant.map_or(&["scale", "margin", "temperature"], |(_, takes)| takes);
        let family_angle = name == "arcface";
        for parameter in p.given() {
            let angle = family_angle && matches!(parameter, "easy_margin" | "detach_margin");
            if !own.contains(&parameter) && !EVERYWHERE.contains(&parameter) && !angle {
                return Err(ObjectiveError::UnusedParameter { objective: name, parameter });
            }
        }
        let (builder, rule) = match variant {
            Some(_) => variant_of(name, p, classes)?,
            None => (family_of(name, p)?, Rule::Fixed),
        };
        let base = builder.label_smoothing(p.label_smoothing.unwrap_or(0.0)).build()?;
        if p.label_smoothing.is_some() && matches!(rule, Rule::Binary { .. } | Rule::Curricular { .. }) {
            return Err(ObjectiveError::UnusedParameter { objective: name, parameter: "label_smoothing" });
        }
        let sub_centres = p.sub_centres.unwrap_or(if name == "sub-centre" { 3 } else { 1 });
        let objective = Self {
            name: Name(name),
            base,
            rule,
            classes,
            state: ClassState::first(base.score().scale()),
            ..Self::from(base)
        };
        let objective = objective.with_sub_centres(sub_centres)?.with_ignore_label(p.ignore_label);
        match &p.class_margins {
            Some(margins) => objective.with_class_margins(margins),
            None => Ok(objective),
        }
    }
}

fn family_of(name: &'static str, p: &ClassParameters) -> Result<ObjectiveBuilder, ObjectiveError> {
    let plain = Parameters { scale: p.scale, margin: p.margin, temperature: p.temperature };
    let objective = Objective::from_name(name, &plain)?;
    let margin = match objective.margin() {
        Margin::AdditiveAngle { margin, .. } => Margin::AdditiveAngle {
            margin,
            easy_margin: p.easy_margin.unwrap_or(false),
            detach_margin: p.detach_margin.unwrap_or(false),
        },
        other => other,
    };
    Ok(ObjectiveBuilder::from(objective).margin(margin))
}

fn variant_of(
    name: &'static str,
    p: &ClassParameters,
    classes: usize,
) -> Result<(ObjectiveBuilder, Rule), ObjectiveError> {
    let scale = |default: f64| p.scale.unwrap_or(default);
    let margin = |default: f64| p.margin.unwrap_or(default);
    let cosine = |default: f64| Objective::family().score(Score::cosine(scale(default)));
    let arc = || Margin::AdditiveAngle {
        margin: margin(0.5),
        easy_margin: p.easy_margin.unwrap_or(false),
        detach_margin: p.detach_margin.unwrap_or(false),
    };
    let of_target = || match p.target.unwrap_or(TargetMargin::Am) {
        TargetMargin::Am => Margin::additive_cosine(margin(0.35)),
        TargetMargin::Arc => Margin::additive_angle(margin(0.5)),
    };
    let momentum = p.momentum.unwrap_or(0.01);
    within(0.0..=1.0, "momentum", momentum, "a share from 0 to 1")?;
    let adacos = |least: f64| if classes > 2 { adacos_fixed_scale(classes) } else { least };
    Ok(match name {
        "sphereface" | "large-margin-softmax" => {
            let times = margin(4.0);
            if times.fract() != 0.0 || !(1.0..=8.0).contains(&times) {
                let expected = "a whole multiple of the angle from 1 to 8";
                return Err(ObjectiveError::OutOfRange { setting: "margin", found: times, expected });
            }
            let lambda = p.lambda.unwrap_or(0.0);
            within(0.0..=1e9, "lambda", lambda, "a number from 0 to 1e9")?;
            let margin =
                Margin::MultiplicativeAngle { multiplier: times as u32, weight: 1.0 / (1.0 + lambda) };
            let score = match name {
                "sphereface" => Score::Projection { scale: scale(1.0) },
                _ => Score::Dot { scale: scale(1.0) },
            };
            (Objective::family().score(score).margin(margin), Rule::Fixed)
        }
        "combined-margin" => {
            let margin = Margin::Combined {
                multiplier: p.angle_multiplier.unwrap_or(1.0),
                angle: p.angle_margin.unwrap_or(0.3),
                cosine: p.cosine_margin.unwrap_or(0.2),
                detach_margin: p.detach_margin.unwrap_or(false),
            };
            (cosine(64.0).margin(margin), Rule::Fixed)
        }
        "sub-centre" => (cosine(64.0).margin(arc()), Rule::Fixed),
        "curricularface" => (cosine(64.0).margin(arc()), Rule::Curricular { momentum }),
        "mv-softmax" => {
            let competitors = Competitors::Emphasised { emphasis: p.emphasis.unwrap_or(0.2) };
            (cosine(32.0).margin(of_target()).competitors(competitors), Rule::Fixed)
        }
        "adaface" => {
            let (margin, concentration) = (margin(0.4), p.concentration.unwrap_or(0.333));
            within(0.0..=1.0, "margin", margin, "a margin from 0 to 1 (usual: 0.4)")?;
            within(1e-6..=1e3, "concentration", concentration, "a number above 0 (usual: 0.333)")?;
            // the margin shown is that of a sample of middling quality
            let base = cosine(64.0).margin(Margin::Turned { angle: 0.0, cosine: margin });
            (base, Rule::AdaFace { margin, concentration, momentum })
        }
        "magface" => {
            let (norms, margins) = (p.norms.unwrap_or([10.0, 110.0]), p.margins.unwrap_or([0.45, 0.8]));
            positive("lower norm", norms[0])?;
            positive("upper norm", norms[1])?;
            within(norms[0] + 1e-6..=1e6, "upper norm", norms[1], "more than the lower norm")?;
            within(margins[0]..=1.57, "upper margin", margins[1], "radians from the lower margin to pi/2")?;
            let weight = p.norm_weight.unwrap_or(35.0);
            within(0.0..=1e6, "norm weight", weight, "a number from 0 to 1e6")?;
            let base = cosine(64.0).margin(Margin::additive_angle(margins[0]));
            (base, Rule::MagFace { norms, margins, weight })
        }
        "elasticface-arc" | "elasticface-cos" => {
            let deviation = p.deviation.unwrap_or(0.0125);
            within(0.0..=1.0, "deviation", deviation, "a number from 0 to 1")?;
            let margin = match name {
                "elasticface-arc" => Margin::additive_angle(margin(0.5)),
                _ => Margin::additive_cosine(margin(0.35)),
            };
            (cosine(64.0).margin(margin), Rule::Elastic { deviation, seed: p.seed.unwrap_or(0) })
        }
        // with two classes the rule has nothing to say
        "adacos" => (cosine(adacos(1.0)), Rule::Fixed),
        "adacos-dynamic" => (cosine(adacos(1.0)), Rule::DynamicScale),
        "normface" => (cosine(10.0), Rule::LearntScale),
        "inter-top-k" => {
            let competitors = Competitors::TopK {
                count: p.count.unwrap_or(5),
                margin: p.competitor_margin.unwrap_or(0.06),
            };
            let base = cosine(32.0).margin(Margin::additive_cosine(margin(0.2)));
            (base.competitors(competitors), Rule::Fixed)
        }
        "inter-class-filter" => {
            let competitors = Competitors::Filtered { bound: p.bound.unwrap_or(0.4) };
            (cosine(64.0).margin(of_target()).competitors(competitors), Rule::Fixed)
        }
        // sphereface2, the only name left
        _ => {
            let (balance, exponent) = (p.balance.unwrap_or(0.7), p.exponent.unwrap_or(3.0));
            within(1e-6..=1.0 - 1e-6, "balance", balance, "a share between 0 and 1")?;
            within(1.0..=100.0, "exponent", exponent, "a number from 1 to 100 (usual: 3)")?;
            let base = cosine(40.0).margin(Margin::additive_cosine(margin(0.4)));
            (base, Rule::Binary { balance, exponent })
        }
    })
}
