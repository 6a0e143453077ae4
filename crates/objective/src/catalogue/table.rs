//! The table of objectives. Each name occurs once.

use serde_json::Value;

use super::entry::{Builder, CatalogueEntry, ObjectiveKind, Recipe};
use crate::bounds::{self, Bounds};
use crate::class::Rule;
use crate::error::Result;
use crate::family::{Competitors, Link, Margin, Objective, ObjectiveBuilder, Pool, Score};
use crate::pairs::{
    Angular, Circle, Contrastive, FastAp, IntraPairVariance, LiftedStructure, MultiSimilarity, NtXent,
    PairObjective, ProxyAnchor, ProxyNca, RankedList, SignalToNoiseRatioContrastive, SoftTriple, Supcon,
    TripletMargin, TupletMargin,
};
use crate::parameter::{Domain, ObjectiveParameter, Values};
use crate::suggest::adacos_fixed_scale;

/// Parameters that objectives on class centres share.
pub(super) const SUB_CENTRES: &str = "sub_centres";
pub(super) const IGNORE_LABEL: &str = "ignore_label";
pub(super) const LABEL_SMOOTHING: &str = "label_smoothing";
pub(super) const CLASS_MARGINS: &str = "class_margins";

/// Parameters that an objective on class centres accepts in addition to its own.
#[derive(Clone, Copy)]
enum Shared {
    /// Sub-centres and a label to ignore.
    Always,
    /// The same and label smoothing: for a softmax over unchanged non-target classes.
    Smoothing,
    /// The same as `Always` and a margin per class, in the unit of the bounds.
    ClassMargins(Bounds),
    /// All of these.
    Both(Bounds),
}

/// A row of the table for an objective on class centres, under construction.
struct ClassRow {
    name: &'static str,
    aliases: &'static [&'static str],
    parameters: Vec<ObjectiveParameter>,
    shared: Shared,
    source: &'static str,
    recipe: fn(&Values, usize) -> Result<Recipe>,
    describes: fn(&Objective) -> bool,
}

impl From<ClassRow> for CatalogueEntry {
    fn from(row: ClassRow) -> Self {
        let ClassRow { name, aliases, mut parameters, shared, source, recipe, describes } = row;
        for parameter in [sub_centres(), ignored_label()] {
            if parameters.iter().all(|own| own.name != parameter.name) {
                parameters.push(parameter);
            }
        }
        if matches!(shared, Shared::Smoothing | Shared::Both(_)) {
            parameters.push(smoothing());
        }
        if let Shared::ClassMargins(unit) | Shared::Both(unit) = shared {
            let meaning = "one margin per class in place of one for all";
            parameters.push(ObjectiveParameter::new(
                CLASS_MARGINS,
                Value::Null,
                Domain::PerClass(unit),
                meaning,
            ));
        }
        Self {
            name,
            aliases,
            kind: ObjectiveKind::ClassCentres,
            parameters,
            source,
            builder: Builder::Classes { recipe, describes },
        }
    }
}

fn on_pairs(kind: PairObjective, aliases: &'static [&'static str], source: &'static str) -> CatalogueEntry {
    CatalogueEntry {
        name: kind.name(),
        aliases,
        kind: match kind.proxies_per_class() {
            Some(_) => ObjectiveKind::Proxies,
            None => ObjectiveKind::Pairs,
        },
        parameters: kind.parameters(),
        source,
        builder: Builder::Pairs(kind),
    }
}

pub(super) fn number(
    name: &'static str,
    default: f64,
    bounds: Bounds,
    meaning: &'static str,
) -> ObjectiveParameter {
    ObjectiveParameter::new(name, default.into(), Domain::Number(bounds), meaning)
}

fn count(name: &'static str, default: u64, bounds: Bounds, meaning: &'static str) -> ObjectiveParameter {
    ObjectiveParameter::new(name, default.into(), Domain::Count(bounds), meaning)
}

pub(super) fn flag(name: &'static str, meaning: &'static str) -> ObjectiveParameter {
    ObjectiveParameter::new(name, false.into(), Domain::Flag, meaning)
}

pub(super) fn sub_centres() -> ObjectiveParameter {
    count(SUB_CENTRES, 1, bounds::COUNT, "class centres per class; the nearest one counts")
}

pub(super) fn ignored_label() -> ObjectiveParameter {
    let domain = Domain::Count(bounds::LABEL);
    ObjectiveParameter::new(IGNORE_LABEL, Value::Null, domain, "label of samples to ignore")
}

pub(super) fn smoothing() -> ObjectiveParameter {
    number(LABEL_SMOOTHING, 0.0, bounds::SMOOTHING, "share of each label that is spread over all classes")
}

fn scale(default: f64) -> ObjectiveParameter {
    number("scale", default, bounds::POSITIVE, "factor s on the cosine")
}

fn adacos_scale(meaning: &'static str) -> ObjectiveParameter {
    number("scale", 1.0, bounds::POSITIVE, meaning).computed_as("sqrt(2) ln(C - 1)")
}

fn temperature(meaning: &'static str) -> ObjectiveParameter {
    number("temperature", 1.0, bounds::POSITIVE, meaning)
}

fn score_margin() -> ObjectiveParameter {
    ObjectiveParameter::new("margin", Value::Null, Domain::Number(bounds::SCORE_MARGIN), "lead m in score")
}

fn cosine_margin(default: f64) -> ObjectiveParameter {
    number("margin", default, bounds::COSINE_MARGIN, "margin m in cosine")
}

fn angle_margin(default: f64) -> ObjectiveParameter {
    number("margin", default, bounds::ANGLE_MARGIN, "margin m in radians")
}

fn easy_margin() -> ObjectiveParameter {
    flag("easy_margin", "no margin where the target is beyond a right angle")
}

fn detach_margin() -> ObjectiveParameter {
    flag("detach_margin", "the margin is a constant in the gradient, as in insightface")
}

fn momentum() -> ObjectiveParameter {
    number("momentum", 0.01, bounds::SHARE, "share of the newest batch in the running statistics")
}

/// The kind of the target's margin in mv-softmax and inter-class-filter; it determines the margin's default.
fn target() -> [ObjectiveParameter; 2] {
    let choices: &'static [&'static str] = &["am", "arc"];
    [
        ObjectiveParameter::new(
            "margin",
            Value::Null,
            Domain::Number(bounds::COSINE_MARGIN),
            "margin m of the target",
        )
        .computed_as("0.35 in cosine (am), 0.5 rad (arc)"),
        ObjectiveParameter::new(
            "target",
            "am".into(),
            Domain::Choice { choices },
            "margin in cosine (am) or angle (arc)",
        ),
    ]
}

fn with_target<const N: usize>(own: [ObjectiveParameter; N]) -> Vec<ObjectiveParameter> {
    let [margin, target] = target();
    own.into_iter().chain([margin, target]).collect()
}

fn cosine(values: &Values) -> ObjectiveBuilder {
    Objective::family().score(Score::cosine(values.number("scale")))
}

fn margin_in_score(values: &Values) -> Margin {
    values.number_if_given("margin").map_or(Margin::None, Margin::Additive)
}

fn margin_in_cosine(values: &Values) -> Margin {
    Margin::AdditiveCosine(values.number("margin"))
}

fn margin_in_angle(values: &Values) -> Margin {
    Margin::AdditiveAngle {
        margin: values.number("margin"),
        easy_margin: values.flag("easy_margin"),
        detach_margin: values.flag("detach_margin"),
    }
}

fn margin_of_target(values: &Values) -> Margin {
    let margin = |default| values.number_if_given("margin").unwrap_or(default);
    match values.word("target") {
        "arc" => Margin::additive_angle(margin(0.5)),
        _ => Margin::additive_cosine(margin(0.35)),
    }
}

fn multiplied_angle(values: &Values) -> Result<Margin> {
    let multiple = values.number("margin");
    bounds::check_angle_multiple(multiple)?;
    let weight = 1.0 / (1.0 + values.number("lambda"));
    Ok(Margin::MultiplicativeAngle { multiplier: multiple as u32, weight })
}

fn multiple_parameters() -> Vec<ObjectiveParameter> {
    let lambda = Bounds::new(0.0, 1e9, "a number");
    vec![
        number("scale", 1.0, bounds::POSITIVE, "factor on the score"),
        number("margin", 4.0, bounds::ANGLE_MULTIPLE, "multiple M of the angle"),
        number("lambda", 0.0, lambda, "weight of the plain cosine against the margin; 0 is the full margin"),
    ]
}

fn elastic(values: &Values) -> Rule {
    Rule::Elastic { deviation: values.number("deviation"), seed: values.count("seed") }
}

fn elastic_parameters(margin: ObjectiveParameter) -> Vec<ObjectiveParameter> {
    let deviation = Bounds::new(0.0, 1.0, "a number");
    vec![
        scale(64.0),
        margin,
        number("deviation", 0.0125, deviation, "standard deviation of the margins drawn"),
        count("seed", 0, bounds::SEED, "seed of the draws"),
    ]
}

/// For two classes or fewer the rule gives 0, and the scale is 1.
fn adacos(values: &Values, classes: usize) -> ObjectiveBuilder {
    let least = if classes > 2 { adacos_fixed_scale(classes) } else { 1.0 };
    Objective::family().score(Score::cosine(values.number_if_given("scale").unwrap_or(least)))
}

fn never(_: &Objective) -> bool {
    false
}

fn is(objective: &Objective, cosine: bool, pool: Pool, link: Link) -> bool {
    let score = if cosine {
        objective.score().is_cosine()
    } else {
        matches!(objective.score(), Score::Dot { .. })
            && matches!(objective.margin(), Margin::None | Margin::Additive(_))
    };
    let plain = objective.competitors() == Competitors::Unchanged;
    score && plain && objective.pool() == pool && objective.link() == link
}

fn is_softmax(objective: &Objective, cosine: bool) -> bool {
    is(objective, cosine, Pool::log_sum_exp(), Link::softplus())
}

fn has_margin(objective: &Objective) -> bool {
    *objective.margin() != Margin::None
}

/// All rows, in the order of the derivation.
pub(super) fn rows() -> Vec<CatalogueEntry> {
    chain().into_iter().chain(margins()).chain(others()).map(CatalogueEntry::from).chain(pairs()).collect()
}

/// From the sum of hinges to AM-Softmax.
fn chain() -> Vec<ClassRow> {
    vec![
        ClassRow {
            name: "hinge-sum",
            aliases: &[],
            parameters: vec![score_margin()],
            shared: Shared::ClassMargins(bounds::SCORE_MARGIN),
            source: "Crammer and Singer 2001; Weston and Watkins 1999",
            recipe: |v, _| {
                let base = Objective::family().margin(margin_in_score(v));
                Ok(base.pool(Pool::HingeSum).link(Link::Hinge).into())
            },
            describes: |o| is(o, false, Pool::HingeSum, Link::Hinge) && !has_margin(o),
        },
        ClassRow {
            name: "hinge-sum-margin",
            aliases: &[],
            parameters: vec![number("margin", 1.0, bounds::SCORE_MARGIN, "lead m in score")],
            shared: Shared::ClassMargins(bounds::SCORE_MARGIN),
            source: "Weston and Watkins 1999",
            recipe: |v, _| {
                let base = Objective::family().margin(margin_in_score(v));
                Ok(base.pool(Pool::HingeSum).link(Link::Hinge).into())
            },
            describes: |o| is(o, false, Pool::HingeSum, Link::Hinge),
        },
        ClassRow {
            name: "hinge-max",
            aliases: &[],
            parameters: vec![score_margin()],
            shared: Shared::ClassMargins(bounds::SCORE_MARGIN),
            source: "Crammer and Singer 2001",
            recipe: |v, _| {
                Ok(Objective::family().margin(margin_in_score(v)).pool(Pool::Max).link(Link::Hinge).into())
            },
            describes: |o| is(o, false, Pool::Max, Link::Hinge),
        },
        ClassRow {
            name: "lse-hinge",
            aliases: &[],
            parameters: vec![score_margin()],
            shared: Shared::ClassMargins(bounds::SCORE_MARGIN),
            source: "a step of the derivation",
            recipe: |v, _| Ok(Objective::family().margin(margin_in_score(v)).link(Link::Hinge).into()),
            describes: |o| is(o, false, Pool::log_sum_exp(), Link::Hinge),
        },
        ClassRow {
            name: "softplus-lse",
            aliases: &[],
            parameters: vec![score_margin()],
            shared: Shared::Both(bounds::SCORE_MARGIN),
            source: "a step of the derivation",
            recipe: |v, _| Ok(Objective::family().margin(margin_in_score(v)).into()),
            describes: |o| is_softmax(o, false) && has_margin(o),
        },
        ClassRow {
            name: "softmax",
            aliases: &["softmax-cross-entropy", "cross-entropy"],
            parameters: vec![temperature("T, by which the scores are divided")],
            shared: Shared::Smoothing,
            source: "softmax cross-entropy",
            recipe: |v, _| {
                let score = Score::scaled_dot(v.number("temperature").recip());
                Ok(Objective::family().score(score).into())
            },
            describes: |o| is_softmax(o, false) && !has_margin(o),
        },
        ClassRow {
            name: "tempered-softmax",
            aliases: &[],
            parameters: vec![temperature("T, by which the scores are divided and the loss is multiplied")],
            shared: Shared::Always,
            source: "a step of the derivation",
            recipe: |v, _| {
                let temperature = v.number("temperature");
                let pool = Pool::LogSumExp { temperature };
                Ok(Objective::family().pool(pool).link(Link::Softplus { temperature }).into())
            },
            describes: |o| {
                let Pool::LogSumExp { temperature } = o.pool() else { return false };
                is(o, false, o.pool(), Link::Softplus { temperature }) && !has_margin(o)
            },
        },
        ClassRow {
            name: "normalized-softmax",
            aliases: &["normalised-softmax"],
            parameters: vec![scale(30.0)],
            shared: Shared::Smoothing,
            source: "Wang et al. 2017, NormFace",
            recipe: |v, _| Ok(cosine(v).into()),
            describes: |o| is_softmax(o, true) && !has_margin(o),
        },
        ClassRow {
            name: "am-softmax",
            aliases: &["additive-margin-softmax"],
            parameters: vec![scale(30.0), cosine_margin(0.35)],
            shared: Shared::Both(bounds::COSINE_MARGIN),
            source: "Wang et al. 2018, Additive Margin Softmax, eq. 6",
            recipe: |v, _| Ok(cosine(v).margin(margin_in_cosine(v)).into()),
            describes: |o| is_softmax(o, true) && matches!(o.margin(), Margin::AdditiveCosine(_)),
        },
        ClassRow {
            name: "cosface",
            aliases: &["cos-face"],
            parameters: vec![scale(64.0), cosine_margin(0.35)],
            shared: Shared::Both(bounds::COSINE_MARGIN),
            source: "Wang et al. 2018, CosFace, eq. 4",
            recipe: |v, _| Ok(cosine(v).margin(margin_in_cosine(v)).into()),
            describes: never,
        },
    ]
}

/// Other margins at the target.
fn margins() -> Vec<ClassRow> {
    vec![
        ClassRow {
            name: "arcface",
            aliases: &["arc-face"],
            parameters: vec![scale(64.0), angle_margin(0.5), easy_margin(), detach_margin()],
            shared: Shared::Both(bounds::ANGLE_MARGIN),
            source: "Deng et al. 2019, ArcFace, eq. 3",
            recipe: |v, _| Ok(cosine(v).margin(margin_in_angle(v)).into()),
            describes: |o| is_softmax(o, true) && matches!(o.margin(), Margin::AdditiveAngle { .. }),
        },
        ClassRow {
            name: "sphereface",
            aliases: &["sphere-face"],
            parameters: multiple_parameters(),
            shared: Shared::Smoothing,
            source: "Liu et al. 2017, SphereFace",
            recipe: |v, _| {
                let score = Score::Projection { scale: v.number("scale") };
                Ok(Objective::family().score(score).margin(multiplied_angle(v)?).into())
            },
            describes: never,
        },
        ClassRow {
            name: "large-margin-softmax",
            aliases: &[],
            parameters: multiple_parameters(),
            shared: Shared::Smoothing,
            source: "Liu et al. 2016, Large-Margin Softmax",
            recipe: |v, _| {
                let score = Score::Dot { scale: v.number("scale") };
                Ok(Objective::family().score(score).margin(multiplied_angle(v)?).into())
            },
            describes: never,
        },
        ClassRow {
            name: "combined-margin",
            aliases: &[],
            parameters: vec![
                scale(64.0),
                number("angle_multiplier", 1.0, bounds::ANGLE_FACTOR, "factor m1 on the angle"),
                number("angle_margin", 0.3, bounds::ANGLE_MARGIN, "margin m2 in radians"),
                number("cosine_margin", 0.2, bounds::COSINE_MARGIN, "margin m3 in cosine"),
                detach_margin(),
            ],
            shared: Shared::Smoothing,
            source: "Deng et al. 2019, ArcFace, eq. 4",
            recipe: |v, _| {
                let margin = Margin::Combined {
                    multiplier: v.number("angle_multiplier"),
                    angle: v.number("angle_margin"),
                    cosine: v.number("cosine_margin"),
                    detach_margin: v.flag("detach_margin"),
                };
                Ok(cosine(v).margin(margin).into())
            },
            describes: never,
        },
        ClassRow {
            name: "sub-centre",
            aliases: &["sub-center", "sub-center-arcface"],
            parameters: vec![
                scale(64.0),
                angle_margin(0.5),
                count(SUB_CENTRES, 3, bounds::COUNT, "class centres per class; the nearest one counts"),
                easy_margin(),
                detach_margin(),
            ],
            shared: Shared::Both(bounds::ANGLE_MARGIN),
            source: "Deng et al. 2020, Sub-center ArcFace",
            recipe: |v, _| Ok(cosine(v).margin(margin_in_angle(v)).into()),
            describes: never,
        },
        ClassRow {
            name: "elasticface-arc",
            aliases: &["elastic-face", "elasticface"],
            parameters: elastic_parameters(angle_margin(0.5)),
            shared: Shared::Both(bounds::ANGLE_MARGIN),
            source: "Boutros et al. 2022, ElasticFace",
            recipe: |v, _| Ok(Recipe { base: cosine(v).margin(margin_in_angle(v)), rule: elastic(v) }),
            describes: never,
        },
        ClassRow {
            name: "elasticface-cos",
            aliases: &[],
            parameters: elastic_parameters(cosine_margin(0.35)),
            shared: Shared::Both(bounds::COSINE_MARGIN),
            source: "Boutros et al. 2022, ElasticFace",
            recipe: |v, _| Ok(Recipe { base: cosine(v).margin(margin_in_cosine(v)), rule: elastic(v) }),
            describes: never,
        },
        ClassRow {
            name: "adaface",
            aliases: &["ada-face"],
            parameters: vec![
                scale(64.0),
                number("margin", 0.4, Bounds::new(0.0, 1.0, "a margin"), "margin m at middle quality"),
                number(
                    "concentration",
                    0.333,
                    Bounds::new(1e-6, 1e3, "a number"),
                    "h: how fast the quality rises with the norm",
                ),
                momentum(),
            ],
            shared: Shared::Smoothing,
            source: "Kim et al. 2022, AdaFace",
            recipe: |v, _| {
                let (margin, concentration) = (v.number("margin"), v.number("concentration"));
                let rule = Rule::AdaFace { margin, concentration, momentum: v.number("momentum") };
                // the margin shown is that of a sample of middle quality
                Ok(Recipe { base: cosine(v).margin(Margin::Turned { angle: 0.0, cosine: margin }), rule })
            },
            describes: never,
        },
        ClassRow {
            name: "magface",
            aliases: &["mag-face"],
            parameters: vec![
                scale(64.0),
                ObjectiveParameter::new(
                    "norms",
                    vec![10.0, 110.0].into(),
                    Domain::Interval(Bounds::new(1e-6, 1e6, "norms")),
                    "norms between which the margin rises",
                ),
                ObjectiveParameter::new(
                    "margins",
                    vec![0.45, 0.8].into(),
                    Domain::Interval(Bounds::new(0.0, 1.57, "angles in radians")),
                    "margins in radians at those norms",
                ),
                number(
                    "norm_weight",
                    35.0,
                    Bounds::new(0.0, 1e6, "a number"),
                    "weight of the term that keeps norms large",
                ),
            ],
            shared: Shared::Smoothing,
            source: "Meng et al. 2021, MagFace",
            recipe: |v, _| {
                let (norms, margins) = (v.interval("norms"), v.interval("margins"));
                bounds::check_rising_norms(norms)?;
                let rule = Rule::MagFace { norms, margins, weight: v.number("norm_weight") };
                Ok(Recipe { base: cosine(v).margin(Margin::additive_angle(margins[0])), rule })
            },
            describes: never,
        },
    ]
}

/// Rules for the non-targets, other scales, and binary classifications.
fn others() -> Vec<ClassRow> {
    vec![
        ClassRow {
            name: "curricularface",
            aliases: &["curricular-face"],
            parameters: vec![scale(64.0), angle_margin(0.5), momentum(), detach_margin()],
            shared: Shared::ClassMargins(bounds::ANGLE_MARGIN),
            source: "Huang et al. 2020, CurricularFace",
            recipe: |v, _| {
                let rule = Rule::Curricular { momentum: v.number("momentum") };
                Ok(Recipe { base: cosine(v).margin(margin_in_angle(v)), rule })
            },
            describes: never,
        },
        ClassRow {
            name: "mv-softmax",
            aliases: &["mv-am-softmax"],
            parameters: with_target([
                scale(32.0),
                number(
                    "emphasis",
                    0.2,
                    bounds::EMPHASIS,
                    "v, emphasis of non-target classes above the target",
                ),
            ]),
            shared: Shared::ClassMargins(bounds::COSINE_MARGIN),
            source: "Wang et al. 2020, MV-Softmax",
            recipe: |v, _| {
                let competitors = Competitors::Emphasised { emphasis: v.number("emphasis") };
                Ok(cosine(v).margin(margin_of_target(v)).competitors(competitors).into())
            },
            describes: never,
        },
        ClassRow {
            name: "inter-top-k",
            aliases: &[],
            parameters: vec![
                scale(32.0),
                cosine_margin(0.2),
                count("count", 5, bounds::COUNT, "k, how many of the nearest non-targets are raised"),
                number("competitor_margin", 0.06, bounds::COSINE_MARGIN, "m', by which they are raised"),
            ],
            shared: Shared::ClassMargins(bounds::COSINE_MARGIN),
            source: "Zhao et al. 2022, inter-topK penalty",
            recipe: |v, _| {
                let competitors = Competitors::TopK {
                    count: v.count("count") as usize,
                    margin: v.number("competitor_margin"),
                };
                Ok(cosine(v).margin(margin_in_cosine(v)).competitors(competitors).into())
            },
            describes: never,
        },
        ClassRow {
            name: "inter-class-filter",
            aliases: &[],
            parameters: with_target([
                scale(64.0),
                number("bound", 0.4, bounds::COSINE, "cosine above which a non-target leaves the sum"),
            ]),
            shared: Shared::ClassMargins(bounds::COSINE_MARGIN),
            source: "non-targets that are likely mislabelled leave the sum",
            recipe: |v, _| {
                let competitors = Competitors::Filtered { bound: v.number("bound") };
                Ok(cosine(v).margin(margin_of_target(v)).competitors(competitors).into())
            },
            describes: never,
        },
        ClassRow {
            name: "adacos",
            aliases: &[],
            parameters: vec![adacos_scale("factor s on the cosine")],
            shared: Shared::Smoothing,
            source: "Zhang et al. 2019, AdaCos, fixed scale",
            recipe: |v, classes| Ok(adacos(v, classes).into()),
            describes: never,
        },
        ClassRow {
            name: "adacos-dynamic",
            aliases: &[],
            parameters: vec![adacos_scale("scale of the first batch; then it follows training")],
            shared: Shared::Smoothing,
            source: "Zhang et al. 2019, AdaCos, dynamic scale",
            recipe: |v, classes| Ok(Recipe { base: adacos(v, classes), rule: Rule::DynamicScale }),
            describes: never,
        },
        ClassRow {
            name: "normface",
            aliases: &[],
            parameters: vec![number("scale", 10.0, bounds::POSITIVE, "initial scale; then it is learnt")],
            shared: Shared::Smoothing,
            source: "Wang et al. 2017, NormFace",
            recipe: |v, _| Ok(Recipe { base: cosine(v), rule: Rule::LearntScale }),
            describes: never,
        },
        ClassRow {
            name: "sphereface2",
            aliases: &["sphere-face-2"],
            parameters: vec![
                number("scale", 40.0, bounds::POSITIVE, "factor r on the spread cosine"),
                cosine_margin(0.4),
                number(
                    "balance",
                    0.7,
                    Bounds::new(1e-6, 1.0 - 1e-6, "a share"),
                    "lambda, weight of the target term against the non-target terms",
                ),
                number(
                    "exponent",
                    3.0,
                    Bounds::new(1.0, 100.0, "a number"),
                    "t, exponent that spreads large cosines",
                ),
            ],
            shared: Shared::Always,
            source: "Wen et al. 2022, SphereFace2",
            recipe: |v, _| {
                let rule = Rule::Binary { balance: v.number("balance"), exponent: v.number("exponent") };
                Ok(Recipe { base: cosine(v).margin(margin_in_cosine(v)), rule })
            },
            describes: never,
        },
    ]
}

/// Objectives on pairs and proxies; their names are the tags of [`PairObjective`], their parameters its fields.
fn pairs() -> Vec<CatalogueEntry> {
    use PairObjective as P;
    vec![
        on_pairs(P::Contrastive(Contrastive::default()), &[], "Hadsell et al. 2006"),
        on_pairs(
            P::TripletMargin(TripletMargin::default()),
            &["triplet"],
            "Weinberger and Saul 2009; Schroff et al. 2015, FaceNet",
        ),
        on_pairs(P::Circle(Circle::default()), &[], "Sun et al. 2020, Circle Loss"),
        on_pairs(
            P::MultiSimilarity(MultiSimilarity::default()),
            &[],
            "Wang et al. 2019, Multi-Similarity Loss",
        ),
        on_pairs(
            P::NtXent(NtXent::default()),
            &["ntxent"],
            "van den Oord et al. 2018; Chen et al. 2020, SimCLR",
        ),
        on_pairs(
            P::Supcon(Supcon::default()),
            &["supervised-contrastive", "sup-con"],
            "Khosla et al. 2020, Supervised Contrastive Learning",
        ),
        on_pairs(
            P::LiftedStructure(LiftedStructure::default()),
            &["generalized-lifted-structure", "generalised-lifted-structure"],
            "Song et al. 2016; Hermans et al. 2017, eq. 12",
        ),
        on_pairs(P::Angular(Angular::default()), &[], "Wang et al. 2017, Angular Loss"),
        on_pairs(
            P::SignalToNoiseRatioContrastive(SignalToNoiseRatioContrastive::default()),
            &[],
            "Yuan et al. 2019, Signal-to-Noise Ratio",
        ),
        on_pairs(P::TupletMargin(TupletMargin::default()), &[], "Yu and Tao 2019, Tuplet Margin Loss"),
        on_pairs(P::IntraPairVariance(IntraPairVariance::default()), &[], "Yu and Tao 2019, eq. 10 and 11"),
        on_pairs(P::FastAp(FastAp::default()), &["fastap"], "Cakir et al. 2019, FastAP"),
        on_pairs(P::RankedList(RankedList::default()), &[], "Wang et al. 2019, Ranked List Loss"),
        on_pairs(P::ProxyNca(ProxyNca::default()), &["proxynca"], "Movshovitz-Attias et al. 2017"),
        on_pairs(
            P::ProxyAnchor(ProxyAnchor::default()),
            &["proxyanchor"],
            "Kim et al. 2020, Proxy Anchor Loss",
        ),
        on_pairs(P::SoftTriple(SoftTriple::default()), &["softtriple"], "Qian et al. 2019, SoftTriple Loss"),
    ]
}
