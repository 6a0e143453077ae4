//! Parameters of an objective or miner that is chosen by name.
//!
//! Each struct of settings knows its own names, so a map of names and values is read into it by `serde`, which also refuses
//! names that it does not have and says which there are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::PairError;
use crate::names;

/// Parameters by name, such as `margin` or `temperature`; what is absent takes its default.
pub type PairParameters = BTreeMap<String, PairParameter>;

/// The value of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PairParameter {
    /// On or off.
    Flag(bool),
    /// A number; a whole one where a count is expected.
    Number(f64),
    /// One of some words.
    Word(String),
    /// Two numbers: the ends of a range.
    Range([f64; 2]),
}

impl From<f64> for PairParameter {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<bool> for PairParameter {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for PairParameter {
    fn from(value: &str) -> Self {
        Self::Word(value.to_owned())
    }
}

/// What `serde` said.
#[derive(Debug)]
struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self(message.to_string())
    }
}

struct Value(PairParameter);

impl IntoDeserializer<'_, Problem> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            PairParameter::Flag(flag) => visitor.visit_bool(flag),
            // u64 takes every whole number below 2^53 unchanged, and a visitor of floats takes u64 as well
            PairParameter::Number(number) if number >= 0.0 && number.fract() == 0.0 && number < 9e15 => {
                visitor.visit_u64(number as u64)
            }
            PairParameter::Number(number) => visitor.visit_f64(number),
            PairParameter::Word(word) => visitor.visit_string(word),
            PairParameter::Range([low, high]) => {
                let ends = [low, high].map(|end| Value(PairParameter::Number(end)));
                visitor.visit_seq(serde::de::value::SeqDeserializer::new(ends.into_iter()))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0 {
            PairParameter::Word(word) => {
                let word: StrDeserializer<'_, Problem> = word.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => Err(Problem::custom(format_args!("expected one of {}", variants.join(", ")))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Settings from their defaults and what the parameters say.
pub(crate) fn read<S: DeserializeOwned>(
    name: &'static str,
    parameters: &PairParameters,
) -> Result<S, PairError> {
    let entries = parameters.iter().map(|(key, value)| (key.as_str(), Value(value.clone())));
    S::deserialize(MapDeserializer::new(entries))
        .map_err(|Problem(reason)| PairError::Parameter { name, reason })
}

/// The name itself, a name's other spelling, or the nearest name.
pub(crate) fn known_name(
    kind: &'static str,
    found: &str,
    names: &'static [&'static str],
    aliases: &[(&'static str, &'static str)],
) -> Result<&'static str, PairError> {
    names::find(found, names, aliases.iter().copied()).map_err(|suggestion| PairError::UnknownName {
        kind,
        found: found.to_owned(),
        suggestion,
        known: names,
    })
}
