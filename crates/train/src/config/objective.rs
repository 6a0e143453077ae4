//! `[objective]`: what is optimised, and scale and margin that are chosen by the number of classes.

use crate::Error;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use widemargin_objective::pairs::Miner;
use widemargin_objective::{AnyObjective, Margin, suggest};

/// Classes that a configuration is checked with before the data is known.
const SOME_CLASSES: usize = 10;

/// The probability of its own class that a sample is to be able to reach with a scale of `"auto"`.
const TARGET_PROBABILITY: f64 = 0.99;

/// A number, or `"auto"`: what [`suggest`](fn@widemargin_objective::suggest) recommends for the number of known classes and
/// the embedding dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Chosen once the classes are known.
    Auto,
    /// As given.
    Value(f64),
}

impl Amount {
    fn value(self) -> Option<f64> {
        match self {
            Self::Auto => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl std::str::FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            number => number.parse().map(Self::Value).map_err(|_| "expected a number or auto".to_owned()),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Value(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAuto;
        impl Visitor<'_> for NumberOrAuto {
            type Value = Amount;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or \"auto\"")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Amount, E> {
                Ok(Amount::Value(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Amount, E> {
                Ok(Amount::Value(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Amount, E> {
                Ok(Amount::Value(value as f64))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Amount, E> {
                match value {
                    "auto" => Ok(Amount::Auto),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberOrAuto)
    }
}

/// `[objective]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// Name of the objective, for example `am-softmax`, `normalized-softmax`, `softmax`.
    pub name: String,
    /// Scale `s` on the cosine, or `"auto"`; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Amount>,
    /// Margin `m`, or `"auto"`; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Amount>,
    /// Temperature; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Power `p` of a margin for each class by its number of training samples: `m (n_min / n_y)^p`, so that `margin` is that of the rarest
    /// class; 0 to 1, 0.25 after Cao et al. (LDAM). One margin for all classes where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_by_count: Option<f64>,
    /// Name of the miner that chooses pairs or triplets, for objectives on pairs; all of the batch where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miner: Option<String>,
    /// Embeddings of past batches that an objective on pairs compares with too; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: usize,
    /// Further parameters of the objective, by their names in `widemargin loss`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Parameters of the miner.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub miner_parameters: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            name: "am-softmax".to_owned(),
            scale: None,
            margin: None,
            temperature: None,
            margin_by_count: None,
            miner: None,
            memory: 0,
            parameters: Map::new(),
            miner_parameters: Map::new(),
        }
    }
}

impl ObjectiveConfig {
    /// The objective itself; what is still `"auto"` has the objective's own default. `None` classes are those of a check
    /// before the data is known.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an unknown name (with the nearest known one), a parameter out of its range, or an `"auto"` that
    /// the objective has no use for.
    pub fn build(&self, classes: Option<usize>) -> Result<AnyObjective, Error> {
        let bad = |key: &str, message: String| Error::BadValue { key: format!("objective.{key}"), message };
        let mut parameters = self.parameters.clone();
        let own = [
            ("scale", self.scale.and_then(Amount::value)),
            ("margin", self.margin.and_then(Amount::value)),
            ("temperature", self.temperature),
        ];
        for (key, value) in own {
            let Some(value) = value else { continue };
            let number = serde_json::Number::from_f64(value);
            let number =
                number.ok_or_else(|| bad(key, format!("{key} is {value}; expected a finite number")))?;
            if parameters.insert(key.to_owned(), Value::Number(number)).is_some() {
                return Err(bad(key, "given here and among the parameters; leave one out".to_owned()));
            }
        }
        let given = parameters.get("class_margins").and_then(Value::as_array).map(Vec::len);
        let classes = classes.or(given).unwrap_or(SOME_CLASSES);
        let objective = AnyObjective::from_name(&self.name, &parameters, classes).map_err(|error| {
            let key = match error.parameter() {
                Some(parameter) if self.parameters.contains_key(parameter) => {
                    format!("parameters.{parameter}")
                }
                Some(parameter) => parameter.to_owned(),
                // An unknown name, or choices that do not go together.
                None => "name".to_owned(),
            };
            bad(&key, error.to_string())
        })?;
        self.check_auto(&objective)?;
        if self.margin_by_count.is_some() {
            self.by_count(objective.clone(), &vec![1; classes])?;
        }
        if let AnyObjective::Classes(_) = objective {
            let useless =
                |what: &str| format!("{what} is for objectives on pairs; `{}` has class centres", self.name);
            if self.miner.is_some() {
                return Err(bad("miner", useless("a miner")));
            }
            if self.memory > 0 {
                return Err(bad("memory", useless("a memory of past batches")));
            }
        }
        if let AnyObjective::Pairs(pairs) = &objective {
            let miner = self.build_miner()?;
            if miner.is_some() && !pairs.takes_tuples() {
                return Err(bad(
                    "miner",
                    format!("`{}` weighs all pairs by itself and takes no miner", self.name),
                ));
            }
            if self.memory > 0 && !pairs.takes_references() {
                return Err(bad("memory", format!("`{}` is defined on the batch alone", self.name)));
            }
        }
        Ok(objective)
    }

    /// The objective with a margin for each class by `counts`, its numbers of training samples, where that is asked for.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a power out of its range, or an objective without one plain margin.
    pub(crate) fn by_count(&self, objective: AnyObjective, counts: &[u64]) -> Result<AnyObjective, Error> {
        let Some(power) = self.margin_by_count else { return Ok(objective) };
        let bad = |message: String| Error::BadValue { key: "objective.margin_by_count".to_owned(), message };
        if self.parameters.contains_key("class_margins") {
            return Err(bad("the parameters have class_margins too; leave one out".to_owned()));
        }
        match objective {
            AnyObjective::Classes(objective) => {
                let found =
                    objective.with_margins_by_count(counts, power).map_err(|error| bad(error.to_string()))?;
                Ok(AnyObjective::Classes(Box::new(found)))
            }
            AnyObjective::Pairs(_) => Err(bad(format!("`{}` has no margin for a class", self.name))),
        }
    }

    /// The miner, if one is asked for.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an unknown name or parameters that it does not take.
    pub fn build_miner(&self) -> Result<Option<Miner>, Error> {
        let Some(name) = &self.miner else { return Ok(None) };
        let bad = |message: String| Error::BadValue { key: "objective.miner".to_owned(), message };
        Miner::from_name(name, &self.miner_parameters).map(Some).map_err(|error| bad(error.to_string()))
    }

    fn check_auto(&self, objective: &AnyObjective) -> Result<(), Error> {
        let useless = |key: &str, what: &str| {
            let message = format!("`auto` is for {what}; `{}` has none", self.name);
            Err(Error::BadValue { key: format!("objective.{key}"), message })
        };
        let (scale, margin) = match objective {
            AnyObjective::Classes(objective) => (
                objective.score().is_cosine(),
                matches!(objective.base().margin(), Margin::AdditiveCosine(_) | Margin::AdditiveAngle { .. }),
            ),
            AnyObjective::Pairs(_) => (false, false),
        };
        if self.scale == Some(Amount::Auto) && !scale {
            return useless("scale", "a scale on the cosine");
        }
        if self.margin == Some(Amount::Auto) && !margin {
            return useless("margin", "a margin in cosine or angle");
        }
        Ok(())
    }

    /// Puts numbers in the place of `"auto"`, for `classes` known classes and embeddings of dimension `dim`; gives a sentence
    /// that says which, or nothing if there was none.
    ///
    /// # Errors
    /// Those of [`ObjectiveConfig::build`], and [`Error::BadValue`] with fewer than two classes.
    pub fn resolve(&mut self, classes: usize, dim: usize) -> Result<Option<String>, Error> {
        let objective = self.build(Some(classes))?;
        if self.scale != Some(Amount::Auto) && self.margin != Some(Amount::Auto) {
            return Ok(None);
        }
        let found = suggest(classes, dim, TARGET_PROBABILITY).map_err(|error| Error::BadValue {
            key: "objective.scale".to_owned(),
            message: error.to_string(),
        })?;
        let mut chosen = Vec::new();
        if self.scale == Some(Amount::Auto) {
            self.scale = Some(Amount::Value(found.scale));
            chosen.push(format!("scale {}", found.scale));
        }
        if self.margin == Some(Amount::Auto) {
            let angle = matches!(
                &objective,
                AnyObjective::Classes(o) if matches!(o.base().margin(), Margin::AdditiveAngle { .. })
            );
            let margin = if angle { found.angle_margin } else { found.margin };
            self.margin = Some(Amount::Value(margin));
            chosen.push(format!("margin {margin}{}", if angle { " rad" } else { "" }));
        }
        Ok(Some(format!("auto: {} for {classes} classes in {dim} dimensions", chosen.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_all_there_are() {
        for (name, nearest) in [("softmx", "softmax"), ("triplet-margn", "triplet-margin")] {
            let config = ObjectiveConfig { name: name.to_owned(), ..ObjectiveConfig::default() };
            let error = config.build(None).expect_err("no such name").to_string();
            let begin = format!(
                "objective.name: no objective is called `{name}` (did you mean `{nearest}`?); known: "
            );
            let (_, known) = error.split_once(&begin).expect(&error);
            let names: Vec<&str> = known.split(", ").collect();
            assert_eq!(names, AnyObjective::names().collect::<Vec<_>>());
            assert!(names.contains(&"am-softmax") && names.contains(&"nt-xent"));
        }
    }

    fn auto(name: &str) -> ObjectiveConfig {
        let name = name.to_owned();
        let auto = Some(Amount::Auto);
        ObjectiveConfig { name, scale: auto, margin: auto, ..ObjectiveConfig::default() }
    }

    #[test]
    fn auto_becomes_what_is_suggested() {
        let mut config = auto("am-softmax");
        let said = config.resolve(20_000, 512).expect("enough classes").expect("something was auto");
        let expected = suggest(20_000, 512, TARGET_PROBABILITY).expect("in range");
        assert_eq!(config.scale, Some(Amount::Value(expected.scale)));
        assert_eq!(config.margin, Some(Amount::Value(expected.margin)));
        assert!(said.contains("20000 classes in 512 dimensions"), "{said}");
        assert!(said.contains(&expected.scale.to_string()), "{said}");
        assert_eq!(config.resolve(20_000, 512).expect("numbers now"), None);

        let mut angle = auto("arcface");
        angle.resolve(10, 2).expect("enough classes");
        let expected = suggest(10, 2, TARGET_PROBABILITY).expect("in range");
        assert_eq!(angle.margin, Some(Amount::Value(expected.angle_margin)));
    }

    #[test]
    fn auto_is_refused_where_it_means_nothing() {
        let error = auto("softmax").build(None).expect_err("no scale").to_string();
        assert!(error.contains("objective.scale") && error.contains("softmax"), "{error}");
        let mut marginless = auto("normalized-softmax");
        marginless.scale = None;
        assert!(marginless.build(None).expect_err("no margin").to_string().contains("objective.margin"));
        assert!(auto("am-softmax").resolve(1, 8).is_err());
    }

    #[test]
    fn parameters_miner_and_memory_are_checked_by_name() {
        let read = |text: &str| toml::from_str::<ObjectiveConfig>(text).expect("TOML");
        let config = read("name = \"adaface\"\nmargin = 0.3\n[parameters]\nconcentration = 0.5");
        assert!(config.build(None).is_ok());
        let mined = read("name = \"triplet-margin\"\nminer = \"batch-hard\"\nmemory = 256");
        assert!(mined.build(None).is_ok() && mined.build_miner().is_ok_and(|miner| miner.is_some()));
        for (text, expected) in [
            ("name = \"adaface\"\n[parameters]\nconcentrate = 0.5", "objective.parameters"),
            ("name = \"adaface\"\nmargin = 0.3\n[parameters]\nmargin = 0.5", "leave one out"),
            ("name = \"triplet-margin\"\nminer = \"batch-hrd\"", "batch-hard"),
            ("name = \"am-softmax\"\nminer = \"batch-hard\"", "objective.miner"),
            ("name = \"am-softmax\"\nmemory = 5", "objective.memory"),
            ("name = \"proxy-nca\"\nmemory = 5", "objective.memory"),
            ("name = \"triplet-margn\"", "triplet-margin"),
            ("name = \"triplet-margin\"\nmargin_by_count = 0.25", "objective.margin_by_count"),
            ("name = \"softmax\"\nmargin_by_count = 0.25", "objective.margin_by_count"),
            ("name = \"am-softmax\"\nmargin_by_count = 1.5", "a power from 0 to 1"),
        ] {
            let error = read(text).build(None).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn amounts_are_read_as_numbers_or_auto() {
        let read = |text: &str| toml::from_str::<ObjectiveConfig>(text).map(|config| config.scale);
        assert_eq!(read("scale = \"auto\""), Ok(Some(Amount::Auto)));
        assert_eq!(read("scale = 30"), Ok(Some(Amount::Value(30.0))));
        assert_eq!(read("scale = 30.5"), Ok(Some(Amount::Value(30.5))));
        let error = read("scale = \"automatic\"").expect_err("neither").to_string();
        assert!(error.contains("a number or \"auto\""), "{error}");
        assert_eq!("auto".parse(), Ok(Amount::Auto));
        assert_eq!("0.35".parse(), Ok(Amount::Value(0.35)));
        assert!("much".parse::<Amount>().is_err());
    }
}
