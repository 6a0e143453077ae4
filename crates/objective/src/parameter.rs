//! Parameters of named objectives and miners: what each accepts, and validation of the values that a user gives.
//!
//! A [`ObjectiveParameter`] states name, default, accepted values and meaning once. The catalogue, `widemargin loss --list`, the
//! errors and the settings of the pair objectives all read it from there.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::bounds::{Bounds, short};
use crate::error::{Error, Result};
use crate::names;

/// Parameters by name; absent parameters have their defaults.
pub type Parameters = serde_json::Map<String, Value>;

/// Parameters from pairs of name and value: `parameters([("scale", 16.0.into()), ("target", "arc".into())])`.
pub fn parameters<const N: usize>(given: [(&str, Value); N]) -> Parameters {
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One parameter of a named objective or miner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ObjectiveParameter {
    /// The name.
    pub name: &'static str,
    /// The default; `null` if there is none or it is computed.
    pub default: Value,
    /// How the default is computed, if it is not a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computed_default: Option<&'static str>,
    /// The values accepted.
    #[serde(flatten)]
    pub domain: Domain,
    /// What the parameter does.
    pub meaning: &'static str,
}

/// The values that a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Domain {
    /// A number.
    Number(Bounds),
    /// A whole number.
    Count(Bounds),
    /// `true` or `false`.
    Flag,
    /// One of several words.
    Choice {
        /// The words.
        choices: &'static [&'static str],
    },
    /// Two numbers, the second at least the first.
    Interval(Bounds),
    /// One number per class.
    PerClass(Bounds),
    /// A list of pairs of numbers.
    Points,
}

impl ObjectiveParameter {
    pub(crate) fn new(name: &'static str, default: Value, domain: Domain, meaning: &'static str) -> Self {
        Self { name, default, computed_default: None, domain, meaning }
    }

    pub(crate) fn computed_as(self, rule: &'static str) -> Self {
        Self { computed_default: Some(rule), default: Value::Null, ..self }
    }

    /// The default in words: a value, a rule, or `none`.
    pub fn default_in_words(&self) -> String {
        match (self.computed_default, &self.default) {
            (Some(rule), _) => rule.to_owned(),
            (None, Value::Null) => "none".to_owned(),
            (None, value) => in_words(value),
        }
    }
}

impl Domain {
    /// The value in this crate's form (whole numbers as integers), or `None` if it is not accepted.
    fn accept(&self, value: &Value) -> Option<Value> {
        let within =
            |bounds: &Bounds, value: &Value| value.as_f64().filter(|number| bounds.contains(*number));
        match self {
            Self::Number(bounds) => within(bounds, value).map(Value::from),
            Self::Count(bounds) => {
                let number = within(bounds, value)?;
                let whole = value.as_u64().or_else(|| (number.fract() == 0.0).then_some(number as u64));
                whole.map(Value::from)
            }
            Self::Flag => value.as_bool().map(Value::from),
            Self::Choice { choices } => value.as_str().filter(|word| choices.contains(word)).map(Value::from),
            Self::Interval(bounds) => {
                let ends: Vec<f64> =
                    value.as_array()?.iter().map(|end| within(bounds, end)).collect::<Option<_>>()?;
                (ends.len() == 2 && ends[0] <= ends[1]).then(|| ends.into())
            }
            Self::PerClass(bounds) => {
                let numbers: Option<Vec<f64>> =
                    value.as_array()?.iter().map(|number| within(bounds, number)).collect();
                numbers.map(Value::from)
            }
            Self::Points => {
                let pairs = pairs(value)?.into_iter().map(|pair| Value::from(pair.to_vec()));
                Some(pairs.collect())
            }
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(bounds) | Self::Count(bounds) => bounds.fmt(f),
            Self::Flag => f.write_str("true or false"),
            Self::Choice { choices } => write!(f, "one of {}", choices.join(", ")),
            Self::Interval(bounds) => {
                let [low, high] = [short(bounds.low), short(bounds.high)];
                write!(f, "two numbers [a, b] with {low} <= a <= b <= {high} ({})", bounds.unit)
            }
            Self::PerClass(bounds) => write!(f, "a list of one number per class, each {bounds}"),
            Self::Points => f.write_str("a list of pairs of numbers, such as [[-1, -1.5], [1, 0.5]]"),
        }
    }
}

/// A list of pairs of numbers.
fn pairs(value: &Value) -> Option<Vec<[f64; 2]>> {
    let pair = |pair: &Value| {
        let numbers: Vec<f64> = pair.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    value.as_array()?.iter().map(pair).collect()
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

/// All parameters of an objective or miner with their values: those given, and the defaults of the others.
pub(crate) struct Values(Parameters);

/// Checks the given values against the known parameters.
///
/// # Errors
/// [`Error::UnknownParameter`] or [`Error::BadParameter`].
pub(crate) fn check(owner: &str, known: &[ObjectiveParameter], given: &Parameters) -> Result<Values> {
    let mut values = Parameters::new();
    for (name, value) in given {
        let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
            let suggestion = names::find(name, known.iter().map(|known| (known.name, known.name)));
            return Err(Error::UnknownParameter {
                owner: owner.to_owned(),
                parameter: name.clone(),
                suggestion: suggestion.map_or_else(|nearest| nearest, Some),
                known: known.iter().map(|parameter| parameter.name).collect(),
            });
        };
        let accepted = parameter.domain.accept(value).ok_or_else(|| Error::BadParameter {
            owner: owner.to_owned(),
            parameter: parameter.name,
            found: value.to_string(),
            expected: parameter.domain.to_string(),
        })?;
        values.insert(name.clone(), accepted);
    }
    for parameter in known.iter().filter(|parameter| !parameter.default.is_null()) {
        values.entry(parameter.name).or_insert_with(|| parameter.default.clone());
    }
    Ok(Values(values))
}

impl Values {
    /// All values, for `serde`.
    pub(crate) fn into_map(self) -> Parameters {
        self.0
    }

    pub(crate) fn number_if_given(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.number_if_given(name).unwrap_or_else(|| Self::not_in_the_table(name))
    }

    pub(crate) fn count_if_given(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.count_if_given(name).unwrap_or_else(|| Self::not_in_the_table(name))
    }

    /// Also false if the objective has no such parameter.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn word(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_else(|| Self::not_in_the_table(name))
    }

    pub(crate) fn numbers_if_given(&self, name: &str) -> Option<Vec<f64>> {
        self.0.get(name)?.as_array()?.iter().map(Value::as_f64).collect()
    }

    pub(crate) fn points_if_given(&self, name: &str) -> Option<Vec<[f64; 2]>> {
        pairs(self.0.get(name)?)
    }

    pub(crate) fn interval(&self, name: &str) -> [f64; 2] {
        let ends = self.numbers_if_given(name).and_then(|ends| ends.try_into().ok());
        ends.unwrap_or_else(|| Self::not_in_the_table(name))
    }

    fn not_in_the_table<T>(name: &str) -> T {
        panic!("the table lists every parameter that a builder reads, with its default; `{name}` is missing")
    }
}

/// A value of a settings field.
pub(crate) trait SettingValue: Copy {
    /// As JSON; a value that is not finite becomes a word, so that a range check can name it.
    fn to_json(self) -> Value;
}

impl SettingValue for f64 {
    fn to_json(self) -> Value {
        serde_json::Number::from_f64(self).map_or_else(|| self.to_string().into(), Value::Number)
    }
}

impl SettingValue for bool {
    fn to_json(self) -> Value {
        self.into()
    }
}

impl SettingValue for usize {
    fn to_json(self) -> Value {
        self.into()
    }
}

impl SettingValue for u64 {
    fn to_json(self) -> Value {
        self.into()
    }
}

impl SettingValue for [f64; 2] {
    fn to_json(self) -> Value {
        self.map(SettingValue::to_json).to_vec().into()
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    fn to_json(self) -> Value {
        self.map_or(Value::Null, SettingValue::to_json)
    }
}

/// Settings of a pair objective or miner, declared with [`settings!`].
pub(crate) trait Settings: Default {
    /// The fields as parameters.
    fn parameters() -> Vec<ObjectiveParameter>;
    /// The values of the fields, in the order of [`Settings::parameters`].
    fn values(&self) -> Vec<Value>;

    /// Rejects fields outside their ranges.
    fn check_ranges(&self) -> Result<()> {
        for (parameter, value) in Self::parameters().iter().zip(self.values()) {
            if value.is_null() || parameter.domain.accept(&value).is_some() {
                continue;
            }
            return Err(match (&parameter.domain, value.as_f64()) {
                (Domain::Number(bounds) | Domain::Count(bounds), Some(found)) => {
                    Error::OutOfRange { setting: parameter.name, found, expected: bounds.to_string() }
                }
                (domain, _) => Error::OutOfRange {
                    setting: parameter.name,
                    found: f64::NAN,
                    expected: domain.to_string(),
                },
            });
        }
        Ok(())
    }
}

/// Declares a struct of settings. Each field states its type, default, accepted values and meaning once:
/// `field [as "name"]: type = default, domain[, rule of a computed default];`
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $Settings:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $spelt:literal)?: $kind:ty = $default:expr, $domain:expr $(, $rule:literal)?;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $Settings {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                $(#[serde(rename = $spelt)])?
                pub $field: $kind,
            )+
        }

        impl Default for $Settings {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $crate::parameter::Settings for $Settings {
            fn parameters() -> Vec<$crate::parameter::ObjectiveParameter> {
                use $crate::parameter::SettingValue as _;
                let default = Self::default();
                vec![$(
                    $crate::parameter::ObjectiveParameter::new(
                        $crate::parameter::spelling!($field $($spelt)?),
                        default.$field.to_json(),
                        $domain,
                        concat!($($doc),+).trim(),
                    )$(.computed_as($rule))?
                ),+]
            }

            fn values(&self) -> Vec<serde_json::Value> {
                use $crate::parameter::SettingValue as _;
                vec![$(self.$field.to_json()),+]
            }
        }
    };
}

/// The name of a settings field as a parameter.
macro_rules! spelling {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $spelt:literal) => {
        $spelt
    };
}

/// Declares an enum of words that a settings field accepts.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $Words:ident {
            $( $(#[$word_meta:meta])* $Word:ident = $spelt:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $Words {
            $( $(#[$word_meta])* #[serde(rename = $spelt)] $Word, )+
        }

        impl $Words {
            pub(crate) const DOMAIN: $crate::parameter::Domain =
                $crate::parameter::Domain::Choice { choices: &[$($spelt),+] };
        }

        impl $crate::parameter::SettingValue for $Words {
            fn to_json(self) -> serde_json::Value {
                match self { $(Self::$Word => $spelt.into()),+ }
            }
        }
    };
}

pub(crate) use {settings, spelling, words};
