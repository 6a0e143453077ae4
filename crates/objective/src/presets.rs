//! The points of the family that have names.
//!
//! Names are the ones of the derivation, with hyphens (underscores are taken too). Each preset has its own defaults and
//! refuses parameters that it has no use for, so that a mistyped run does not train something else in silence.

use serde::{Deserialize, Serialize};

use crate::builder::positive;
use crate::names;
use crate::{Competitors, Link, Margin, Objective, ObjectiveError, Pool, Score};

/// Names of all presets, in the order of the derivation.
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
];

/// Other spellings of a preset.
const ALIASES: &[(&str, &str)] = &[
    ("softmax-cross-entropy", "softmax"),
    ("cross-entropy", "softmax"),
    ("normalised-softmax", "normalized-softmax"),
    ("additive-margin-softmax", "am-softmax"),
    ("arc-face", "arcface"),
    ("cos-face", "cosface"),
];

/// What a named objective can be given; what is absent takes the preset's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Factor on the cosine.
    pub scale: Option<f64>,
    /// Amount of the margin, in the preset's unit (score, cosine, or radians).
    pub margin: Option<f64>,
    /// Temperature, above 0.
    pub temperature: Option<f64>,
}

impl Objective {
    const fn plain(pool: Pool, link: Link) -> Self {
        Self {
            score: Score::dot(),
            margin: Margin::None,
            competitors: Competitors::Unchanged,
            pool,
            link,
            smoothing: 0.0,
        }
    }

    /// `sum_{i != y} max(z_i - z_y, 0)` on dot products: stops once the target leads.
    pub fn hinge_sum() -> Self {
        Self::plain(Pool::HingeSum, Link::Hinge)
    }

    /// `sum_{i != y} max(z_i - z_y + m, 0)` on dot products.
    ///
    /// # Errors
    /// If the margin is outside `[0, 1e6]`.
    pub fn hinge_sum_margin(margin: f64) -> Result<Self, ObjectiveError> {
        Self::family().margin(Margin::Additive(margin)).pool(Pool::HingeSum).link(Link::Hinge).build()
    }

    /// `max(max_{i != y} z_i - z_y, 0)` on dot products: only the hardest competitor pushes.
    pub fn hinge_max() -> Self {
        Self::plain(Pool::Max, Link::Hinge)
    }

    /// `max(LSE_{i != y} z_i - z_y, 0)` on dot products: the inner maximum smoothed.
    pub fn lse_hinge() -> Self {
        Self::plain(Pool::log_sum_exp(), Link::Hinge)
    }

    /// `softplus(LSE_{i != y} z_i - z_y) = -log softmax_y(z)` on dot products: softmax cross-entropy.
    pub fn softmax() -> Self {
        Self::plain(Pool::log_sum_exp(), Link::softplus())
    }

    /// `T softplus(LSE_{i != y}(z_i / T) - z_y / T)` on dot products; `T -> 0` is [`Objective::hinge_max`].
    ///
    /// # Errors
    /// If the temperature is outside `[1e-6, 1e6]`.
    pub fn tempered_softmax(temperature: f64) -> Result<Self, ObjectiveError> {
        Self::family().pool(Pool::LogSumExp { temperature }).link(Link::Softplus { temperature }).build()
    }

    /// Softmax cross-entropy on `s cos(theta_i)`: the network can no longer change the range of its scores.
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]`.
    pub fn normalized_softmax(scale: f64) -> Result<Self, ObjectiveError> {
        Self::family().score(Score::cosine(scale)).build()
    }

    /// `-log( e^{s(cos_y - m)} / ( e^{s(cos_y - m)} + sum_{i != y} e^{s cos_i} ) )` (Wang et al., *Additive Margin
    /// Softmax for Face Verification*, 2018, eq. 6).
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]` or the margin outside `[0, 2]`.
    pub fn am_softmax(scale: f64, margin: f64) -> Result<Self, ObjectiveError> {
        Self::family().score(Score::cosine(scale)).margin(Margin::AdditiveCosine(margin)).build()
    }

    /// Softmax cross-entropy with the target at `s cos(theta_y + m)`, `m` in radians (Deng et al., *ArcFace*, 2019,
    /// eq. 3); for the continuation see [`Margin::AdditiveAngle`].
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]` or the margin outside `[0, pi/2]`.
    pub fn arcface(scale: f64, margin: f64) -> Result<Self, ObjectiveError> {
        Self::family().score(Score::cosine(scale)).margin(Margin::additive_angle(margin)).build()
    }

    /// All names that [`Objective::from_name`] knows, in the order of the derivation.
    pub const fn names() -> &'static [&'static str] {
        NAMES
    }

    /// A preset by name.
    ///
    /// | name | takes (default) |
    /// |---|---|
    /// | `hinge-sum`, `hinge-max`, `lse-hinge`, `softplus-lse` | margin in score (none) |
    /// | `hinge-sum-margin` | margin in score (1) |
    /// | `softmax` | temperature `T`: logits divided by `T`, no leading `T` (1) |
    /// | `tempered-softmax` | temperature `T`, with the leading `T` (1) |
    /// | `normalized-softmax` | scale (30) |
    /// | `am-softmax` | scale (30), margin in cosine (0.35) |
    /// | `cosface` | the same with the other paper's scale (64), margin (0.35) |
    /// | `arcface` | scale (64), margin in radians (0.5) |
    ///
    /// # Errors
    /// [`ObjectiveError::UnknownName`] with the nearest name, [`ObjectiveError::UnusedParameter`], or the range errors of
    /// [`ObjectiveBuilder::build`](crate::ObjectiveBuilder::build).
    pub fn from_name(name: &str, parameters: &Parameters) -> Result<Self, ObjectiveError> {
        let name = known_name(name, NAMES, &[])?;
        let Parameters { scale, margin, temperature } = *parameters;
        let takes: &[&str] = match name {
            "softmax" | "tempered-softmax" => &["temperature"],
            "normalized-softmax" => &["scale"],
            "am-softmax" | "cosface" | "arcface" => &["scale", "margin"],
            _ => &["margin"],
        };
        for (parameter, value) in [("scale", scale), ("margin", margin), ("temperature", temperature)] {
            if value.is_some() && !takes.contains(&parameter) {
                return Err(ObjectiveError::UnusedParameter { objective: name, parameter });
            }
        }
        let in_score = margin.map_or(Margin::None, Margin::Additive);
        let temperature = temperature.unwrap_or(1.0);
        match name {
            "hinge-sum" => Self::family().margin(in_score).pool(Pool::HingeSum).link(Link::Hinge).build(),
            "hinge-sum-margin" => Self::hinge_sum_margin(margin.unwrap_or(1.0)),
            "hinge-max" => Self::family().margin(in_score).pool(Pool::Max).link(Link::Hinge).build(),
            "lse-hinge" => Self::family().margin(in_score).link(Link::Hinge).build(),
            "softmax" => {
                positive("temperature", temperature)?;
                Self::family().score(Score::scaled_dot(temperature.recip())).build()
            }
            "tempered-softmax" => Self::tempered_softmax(temperature),
            "normalized-softmax" => Self::normalized_softmax(scale.unwrap_or(30.0)),
            "am-softmax" => Self::am_softmax(scale.unwrap_or(30.0), margin.unwrap_or(0.35)),
            "cosface" => Self::am_softmax(scale.unwrap_or(64.0), margin.unwrap_or(0.35)),
            "arcface" => Self::arcface(scale.unwrap_or(64.0), margin.unwrap_or(0.5)),
            // softplus-lse, the only name left
            _ => Self::family().margin(in_score).build(),
        }
    }

    /// The name of this point of the family, whatever its scale, margin and temperature; `None` if it has none.
    pub fn name(&self) -> Option<&'static str> {
        if self.competitors != Competitors::Unchanged || matches!(self.score, Score::Projection { .. }) {
            return None;
        }
        let cosine_softmax =
            self.score.is_cosine() && self.pool == Pool::log_sum_exp() && self.link == Link::softplus();
        if cosine_softmax {
            return match self.margin {
                Margin::None => Some("normalized-softmax"),
                Margin::AdditiveCosine(_) => Some("am-softmax"),
                Margin::AdditiveAngle { .. } => Some("arcface"),
                Margin::Additive(_)
                | Margin::Combined { .. }
                | Margin::Turned { .. }
                | Margin::MultiplicativeAngle { .. } => None,
            };
        }
        if self.score.is_cosine() || matches!(self.margin, Margin::MultiplicativeAngle { .. }) {
            return None;
        }
        let with_margin = self.margin != Margin::None;
        match (self.pool, self.link) {
            (Pool::HingeSum, Link::Hinge) => Some(if with_margin { "hinge-sum-margin" } else { "hinge-sum" }),
            (Pool::Max, Link::Hinge) => Some("hinge-max"),
            (Pool::LogSumExp { temperature: 1.0 }, Link::Hinge) => Some("lse-hinge"),
            (Pool::LogSumExp { temperature: pool }, Link::Softplus { temperature: link }) if pool == link => {
                match (pool == 1.0, with_margin) {
                    (true, false) => Some("softmax"),
                    (true, true) => Some("softplus-lse"),
                    (false, false) => Some("tempered-softmax"),
                    (false, true) => None,
                }
            }
            _ => None,
        }
    }
}

/// The name itself, another spelling's name (the family's spellings and `aliases`), or an error with the nearest name.
pub(crate) fn known_name(
    found: &str,
    names: &'static [&'static str],
    aliases: &[(&'static str, &'static str)],
) -> Result<&'static str, ObjectiveError> {
    names::find(found, names, ALIASES.iter().chain(aliases).copied()).map_err(|suggestion| {
        ObjectiveError::UnknownName { found: found.to_owned(), suggestion, known: names }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_gives_an_objective_that_knows_its_name() {
        for name in Objective::names() {
            let objective =
                Objective::from_name(name, &Parameters::default()).expect("defaults are in range");
            let expected = match *name {
                "cosface" => "am-softmax",
                // without a margin, or at temperature 1, these are softmax
                "softplus-lse" | "tempered-softmax" => "softmax",
                name => name,
            };
            assert_eq!(objective.name(), Some(expected), "{name}");
            assert!(objective.to_string().starts_with(expected), "{objective}");
        }
    }

    #[test]
    fn names_meet_their_constructors() {
        let from = |name, scale, margin, temperature| {
            Objective::from_name(name, &Parameters { scale, margin, temperature })
        };
        assert_eq!(from("am_softmax", Some(64.0), Some(0.4), None), Objective::am_softmax(64.0, 0.4));
        assert_eq!(from("AM-Softmax", None, None, None), Objective::am_softmax(30.0, 0.35));
        assert_eq!(from("hinge-sum", None, None, None), Ok(Objective::hinge_sum()));
        assert_eq!(from("hinge-sum", None, Some(0.5), None), Objective::hinge_sum_margin(0.5));
        assert_eq!(from("tempered-softmax", None, None, Some(0.5)), Objective::tempered_softmax(0.5));
        assert_eq!(from("softmax_cross_entropy", None, None, None), Ok(Objective::softmax()));
        let divided = from("softmax", None, None, Some(2.0)).expect("in range");
        assert_eq!(divided.score(), Score::scaled_dot(0.5));
    }

    #[test]
    fn unknown_names_and_useless_parameters_are_refused() {
        let error = Objective::from_name("am-sofmax", &Parameters::default()).expect_err("misspelt");
        assert!(error.to_string().contains("did you mean `am-softmax`?"), "{error}");
        let error = Objective::from_name("mean-squared-error", &Parameters::default()).expect_err("unknown");
        assert!(!error.to_string().contains("did you mean"), "{error}");
        assert!(error.to_string().contains("known: hinge-sum"), "{error}");
        let scaled = Parameters { scale: Some(30.0), ..Parameters::default() };
        let error = Objective::from_name("softmax", &scaled).expect_err("softmax has no scale");
        assert_eq!(error, ObjectiveError::UnusedParameter { objective: "softmax", parameter: "scale" });
    }

    #[test]
    fn an_objective_survives_a_file_and_a_file_cannot_break_the_rules() {
        for name in Objective::names() {
            let objective =
                Objective::from_name(name, &Parameters::default()).expect("defaults are in range");
            let text = serde_json::to_string(&objective).expect("plain data");
            assert_eq!(serde_json::from_str::<Objective>(&text).expect("just written"), objective, "{text}");
        }
        let wrong = [
            r#"{"score": {"cosine": {"scale": -1}}}"#,
            r#"{"score": {"cosine": {"scale": 30}}, "margins": 3}"#,
            r#"{"score": {"cosine": {"scale": 30, "shift": 1}}}"#,
            r#"{"pool": "hinge-sum"}"#,
        ];
        for text in wrong {
            assert!(serde_json::from_str::<Objective>(text).is_err(), "{text}");
        }
        let read: Objective = serde_json::from_str(
            r#"{"score": {"cosine": {"scale": 30}}, "margin": {"additive-cosine": 0.35}}"#,
        )
        .expect("a valid point");
        assert_eq!(Ok(read), Objective::am_softmax(30.0, 0.35));
    }
}
