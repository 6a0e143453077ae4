//! `family`: any combination of the axes, composed by parameters. It is found by its name but is not one of the named objectives, because it
//! has no formula of its own.

use serde_json::Value;

use super::entry::{Builder, CatalogueEntry, ObjectiveKind, Recipe};
use super::table::{flag, ignored_label, number, smoothing, sub_centres};
use crate::bounds;
use crate::error::{Error, Result};
use crate::family::{Link, Margin, Objective, Pool, Score};
use crate::parameter::{Domain, ObjectiveParameter, Values};

/// The name.
pub(super) const FAMILY: &str = "family";

/// Parameters of the axes.
const SCORE: &str = "score";
const SCALE: &str = "scale";
const ANGLE_MULTIPLIER: &str = "angle_multiplier";
const ANGLE_MARGIN: &str = "angle_margin";
const COSINE_MARGIN: &str = "cosine_margin";
const SCORE_MARGIN: &str = "score_margin";
const MARGIN_POINTS: &str = "margin_points";
const POOL: &str = "pool";
const POOL_TEMPERATURE: &str = "pool_temperature";
const LINK: &str = "link";
const LINK_TEMPERATURE: &str = "link_temperature";

/// Scale of a cosine score that is not given, as that of am-softmax.
const COSINE_SCALE: f64 = 30.0;

fn choice(name: &'static str, choices: &'static [&'static str], meaning: &'static str) -> ObjectiveParameter {
    ObjectiveParameter::new(name, choices[0].into(), Domain::Choice { choices }, meaning)
}

fn optional(name: &'static str, domain: Domain, meaning: &'static str) -> ObjectiveParameter {
    ObjectiveParameter::new(name, Value::Null, domain, meaning)
}

pub(super) fn entry() -> CatalogueEntry {
    let number_of = |bounds| Domain::Number(bounds);
    CatalogueEntry {
        name: FAMILY,
        aliases: &[],
        kind: ObjectiveKind::ClassCentres,
        parameters: vec![
            choice(SCORE, &["cosine", "dot", "projection"], "similarity of a sample and a centre"),
            optional(SCALE, number_of(bounds::POSITIVE), "factor s on the similarity")
                .computed_as("30 (cosine), 1 (dot, projection)"),
            optional(
                ANGLE_MULTIPLIER,
                number_of(bounds::ANGLE_FACTOR),
                "m1 of the margin cos(m1 t + m2) - m3",
            )
            .computed_as("1"),
            optional(ANGLE_MARGIN, number_of(bounds::ANGLE_MARGIN), "m2 in radians").computed_as("0"),
            optional(COSINE_MARGIN, number_of(bounds::COSINE_MARGIN), "m3 in cosine").computed_as("0"),
            optional(SCORE_MARGIN, number_of(bounds::SCORE_MARGIN), "lead in score, for dot products"),
            optional(
                MARGIN_POINTS,
                Domain::Points,
                "margin by a table of points [cosine, cosine under the margin], in place of the formula",
            ),
            flag("detach_margin", "the margin in angle is a constant in the gradient, as in insightface"),
            choice(POOL, &["log-sum-exp", "max", "hinge-sum"], "how non-target classes are combined"),
            number(POOL_TEMPERATURE, 1.0, bounds::POSITIVE, "temperature of log-sum-exp"),
            choice(LINK, &["softplus", "hinge"], "function of the lead that gives the loss"),
            number(LINK_TEMPERATURE, 1.0, bounds::POSITIVE, "temperature of softplus"),
            sub_centres(),
            ignored_label(),
            smoothing(),
        ],
        source: "the family of the derivation: score, margin, pool and link",
        builder: Builder::Classes { recipe: |values, _| recipe(values), describes: |_| false },
    }
}

fn recipe(values: &Values) -> Result<Recipe> {
    let scale = |usual| values.number_if_given(SCALE).unwrap_or(usual);
    let score = match values.word(SCORE) {
        "dot" => Score::Dot { scale: scale(1.0) },
        "projection" => Score::Projection { scale: scale(1.0) },
        _ => Score::cosine(scale(COSINE_SCALE)),
    };
    let pool = match values.word(POOL) {
        "max" => Pool::Max,
        "hinge-sum" => Pool::HingeSum,
        _ => Pool::log_sum_exp_at(values.number(POOL_TEMPERATURE)),
    };
    let link = match values.word(LINK) {
        "hinge" => Link::Hinge,
        _ => Link::softplus_at(values.number(LINK_TEMPERATURE)),
    };
    for (name, without_effect) in
        [(POOL_TEMPERATURE, !matches!(pool, Pool::LogSumExp { .. })), (LINK_TEMPERATURE, link == Link::Hinge)]
    {
        if without_effect && values.number(name) != 1.0 {
            return Err(Error::Incompatible {
                first: if name == POOL_TEMPERATURE { "a pool_temperature" } else { "a link_temperature" },
                second: if name == POOL_TEMPERATURE { "a pool other than log-sum-exp" } else { "a hinge" },
                reason: "it has no temperature; leave it out",
            });
        }
    }
    Ok(Objective::family().score(score).margin(margin(values)?).pool(pool).link(link).into())
}

/// The margin: that of the points, the lead in score, or the simplest kind that the formula describes.
fn margin(values: &Values) -> Result<Margin> {
    let of = |name| values.number_if_given(name);
    let formula = [ANGLE_MULTIPLIER, ANGLE_MARGIN, COSINE_MARGIN].map(of);
    let given = formula.iter().any(Option::is_some);
    let one_only = |first, second| {
        let reason = "a sample has one margin; keep one of the two";
        Err(Error::Incompatible { first, second, reason })
    };
    if let Some(points) = values.points_if_given(MARGIN_POINTS) {
        return match (given || values.flag("detach_margin"), of(SCORE_MARGIN)) {
            (true, _) => one_only("margin_points", "a margin by formula"),
            (_, Some(_)) => one_only("margin_points", "a score_margin"),
            _ => Margin::points(&points),
        };
    }
    if let Some(lead) = of(SCORE_MARGIN) {
        return match (given, values.word(SCORE)) {
            (true, _) => one_only("a score_margin", "a margin by formula"),
            (false, "dot") => Ok(Margin::Additive(lead)),
            _ => Err(Error::Incompatible {
                first: "a score_margin",
                second: "a score other than dot",
                reason: "use cosine_margin, with the lead divided by the scale",
            }),
        };
    }
    if given && values.word(SCORE) == "dot" {
        return Err(Error::Incompatible {
            first: "a margin in cosine or angle",
            second: "score = \"dot\"",
            reason: "a dot product has no angle; use score = \"cosine\", or score_margin",
        });
    }
    let [multiplier, angle, cosine] =
        [(0, 1.0), (1, 0.0), (2, 0.0)].map(|(at, usual)| formula[at].unwrap_or(usual));
    let detach_margin = values.flag("detach_margin");
    if detach_margin && multiplier == 1.0 && angle == 0.0 {
        return Err(Error::Incompatible {
            first: "detach_margin",
            second: "a margin without an angle",
            reason: "its gradient is the same; leave it out",
        });
    }
    Ok(match (multiplier == 1.0, angle == 0.0, cosine == 0.0) {
        (true, true, true) => Margin::None,
        (true, true, false) => Margin::AdditiveCosine(cosine),
        (true, false, true) => Margin::AdditiveAngle { margin: angle, easy_margin: false, detach_margin },
        _ => Margin::Combined { multiplier, angle, cosine, detach_margin },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClassObjective;
    use crate::parameter::{Parameters, parameters};

    fn family(given: &Parameters) -> Result<Objective> {
        ClassObjective::from_name("family", given, 10).map(|objective| objective.base().clone())
    }

    #[test]
    fn combinations_are_the_points_of_the_family_with_these_axes() {
        let number = |value: f64| Value::from(value);
        for (given, expected) in [
            (parameters([("cosine_margin", number(0.35))]), Objective::am_softmax(30.0, 0.35)),
            (
                parameters([("scale", 64.into()), ("angle_margin", number(0.5))]),
                Objective::arcface(64.0, 0.5),
            ),
            (parameters([("score", "dot".into())]), Ok(Objective::softmax())),
            (
                parameters([("score", "dot".into()), ("pool", "hinge-sum".into()), ("link", "hinge".into())]),
                Ok(Objective::hinge_sum()),
            ),
            (
                parameters([
                    ("angle_multiplier", number(1.5)),
                    ("pool", "max".into()),
                    ("link_temperature", number(0.5)),
                ]),
                Objective::family()
                    .score(Score::cosine(30.0))
                    .margin(Margin::combined(1.5, 0.0, 0.0))
                    .pool(Pool::Max)
                    .link(Link::softplus_at(0.5))
                    .build(),
            ),
            (
                parameters([
                    ("score", "projection".into()),
                    ("margin_points", serde_json::json!([[-1, -2], [0, -0.5], [1, 0.5]])),
                ]),
                Objective::family()
                    .score(Score::Projection { scale: 1.0 })
                    .margin(Margin::points(&[[-1.0, -2.0], [0.0, -0.5], [1.0, 0.5]]).expect("rises"))
                    .build(),
            ),
        ] {
            assert_eq!(family(&given), expected, "{given:?}");
        }
    }

    #[test]
    fn what_cannot_be_combined_is_named() {
        for (given, expected) in [
            (serde_json::json!({"margin": 0.3}), "has no parameter `margin`"),
            (serde_json::json!({"pool": "mean"}), "one of log-sum-exp, max, hinge-sum"),
            (serde_json::json!({"score": "dot", "angle_margin": 0.3}), "a dot product has no angle"),
            (serde_json::json!({"score_margin": 1}), "use cosine_margin, with the lead divided"),
            (serde_json::json!({"cosine_margin": 0.3, "detach_margin": true}), "its gradient is the same"),
            (serde_json::json!({"margin_points": [[-1, -1, 0], [1, 0]]}), "a list of pairs of numbers"),
            (serde_json::json!({"margin_points": [[-1, -1], [1, 2]]}), "a margin lowers the target"),
            (
                serde_json::json!({"margin_points": [[-1, -1], [1, 0]], "cosine_margin": 0.1}),
                "keep one of the two",
            ),
            (
                serde_json::json!({"score": "dot", "score_margin": 1, "margin_points": [[-1, -1], [1, 0]]}),
                "keep one of the two",
            ),
            (
                serde_json::json!({"pool": "max", "pool_temperature": 0.5}),
                "a pool_temperature does not go with",
            ),
            (
                serde_json::json!({"link": "hinge", "link_temperature": 0.5}),
                "a link_temperature does not go with",
            ),
        ] {
            let said = family(given.as_object().expect("parameters")).expect_err(expected).to_string();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_composed_objective_has_a_name_of_its_own_and_is_saved() {
        let given = serde_json::json!({"margin_points": [[-1, -2], [1, 0.5]], "sub_centres": 2});
        let objective =
            ClassObjective::from_name("Family", given.as_object().expect("parameters"), 5).expect("in range");
        assert_eq!(objective.name(), "family");
        let text = serde_json::to_string(&objective).expect("plain data");
        assert_eq!(serde_json::from_str::<ClassObjective>(&text).expect("just written"), objective);
        assert!(ClassObjective::names().all(|name| name != "family"), "no formula of its own");
    }
}
