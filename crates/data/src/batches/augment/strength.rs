//! How strong a random change is and how often it is made: the values of the keys in `[augment]`.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use widemargin_chance::Stream;

use crate::{Error, Result};

/// What a value of this kind looks like, for messages.
const FORMS: &str = "a number, a range [low, high] or { range = ..., probability = ... }";

/// The strength of a random change: drawn uniformly from a range for each image, with the probability that the change is made at all.
///
/// In a configuration it is a number, `[low, high]`, or `{ range = ..., probability = ... }` with one of these as the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// The range of the strength.
    pub range: StrengthRange,
    /// Probability, 0 to 1, of making the change.
    pub probability: f32,
}

/// The range of a strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum StrengthRange {
    /// One number. What range it stands for depends on the change: `rotate = 15` is -15 to 15, `brightness = 0.3` is 0.7 to 1.3.
    Number(f32),
    /// Lowest and highest strength.
    Between([f32; 2]),
}

impl Strength {
    /// The range that a number stands for, which depends on the change.
    pub const fn number(number: f32) -> Self {
        Self { range: StrengthRange::Number(number), probability: 1.0 }
    }

    /// Strengths from `low` to `high`.
    pub const fn between(low: f32, high: f32) -> Self {
        Self { range: StrengthRange::Between([low, high]), probability: 1.0 }
    }

    /// The change with this probability.
    #[must_use]
    pub fn with_probability(self, probability: f32) -> Self {
        Self { probability, ..self }
    }
}

impl From<f32> for Strength {
    fn from(number: f32) -> Self {
        Self::number(number)
    }
}

impl From<[f32; 2]> for Strength {
    fn from([low, high]: [f32; 2]) -> Self {
        Self::between(low, high)
    }
}

impl fmt::Display for StrengthRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Between([low, high]) => write!(out, "[{low}, {high}]"),
        }
    }
}

impl Serialize for Strength {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.probability == 1.0 {
            return self.range.serialize(serializer);
        }
        let mut table = serializer.serialize_struct("Strength", 2)?;
        table.serialize_field("range", &self.range)?;
        table.serialize_field("probability", &self.probability)?;
        table.end()
    }
}

impl<'de> Deserialize<'de> for Strength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(StrengthVisitor)
    }
}

/// The form with a probability.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    range: Strength,
    #[serde(default = "always")]
    probability: f32,
}

fn always() -> f32 {
    1.0
}

struct StrengthVisitor;

impl<'de> Visitor<'de> for StrengthVisitor {
    type Value = Strength;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(FORMS)
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Strength, E> {
        Ok((number as f32).into())
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Strength, E> {
        Ok((number as f32).into())
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Strength, E> {
        Ok((number as f32).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> std::result::Result<Strength, A::Error> {
        let numbers = Vec::<f32>::deserialize(SeqAccessDeserializer::new(list))?;
        match numbers[..] {
            [low, high] => Ok([low, high].into()),
            _ => {
                Err(A::Error::custom(format!("found a list of {} numbers, expected {FORMS}", numbers.len())))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Strength, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        // A table in a table would have two probabilities; the inner one must not be lost.
        Ok(Strength { probability: table.probability * table.range.probability, range: table.range.range })
    }
}

/// What a single number stands for.
#[derive(Debug, Clone, Copy)]
enum Shorthand {
    /// `-x` to `x`.
    AroundZero,
    /// `1 - x`, at least 0, to `1 + x`.
    AroundOne,
    /// The lowest possible strength to `x`.
    FromLeast,
    /// `x` to the highest possible strength.
    ToMost,
}

/// A random change with a strength.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its key in `[augment]`.
    pub(super) key: &'static str,
    shorthand: Shorthand,
    /// The strengths that make sense.
    least: f32,
    most: f32,
    /// Whether strengths are whole numbers.
    whole: bool,
}

const fn kind(key: &'static str, shorthand: Shorthand, least: f32, most: f32) -> Kind {
    Kind { key, shorthand, least, most, whole: false }
}

pub(super) const RESIZED_CROP: Kind = kind("resized_crop", Shorthand::ToMost, 0.01, 1.0);
pub(super) const SCALE: Kind = kind("scale", Shorthand::AroundOne, 0.1, 10.0);
pub(super) const ROTATE: Kind = kind("rotate", Shorthand::AroundZero, -180.0, 180.0);
pub(super) const SHEAR: Kind = kind("shear", Shorthand::AroundZero, -60.0, 60.0);
pub(super) const BRIGHTNESS: Kind = kind("brightness", Shorthand::AroundOne, 0.0, 10.0);
pub(super) const CONTRAST: Kind = kind("contrast", Shorthand::AroundOne, 0.0, 10.0);
pub(super) const SATURATION: Kind = kind("saturation", Shorthand::AroundOne, 0.0, 10.0);
pub(super) const HUE: Kind = kind("hue", Shorthand::AroundZero, -0.5, 0.5);
pub(super) const BLUR: Kind = kind("blur", Shorthand::FromLeast, 0.0, 10.0);
pub(super) const NOISE: Kind = kind("noise", Shorthand::FromLeast, 0.0, 1.0);
pub(super) const JPEG: Kind = Kind { whole: true, ..kind("jpeg", Shorthand::ToMost, 1.0, 100.0) };

impl Kind {
    /// Lowest and highest strength.
    fn ends(&self, range: StrengthRange) -> [f32; 2] {
        match (range, self.shorthand) {
            (StrengthRange::Between(ends), _) => ends,
            (StrengthRange::Number(number), Shorthand::AroundZero) => [-number, number],
            (StrengthRange::Number(number), Shorthand::AroundOne) => [(1.0 - number).max(0.0), 1.0 + number],
            (StrengthRange::Number(number), Shorthand::FromLeast) => [self.least, number],
            (StrengthRange::Number(number), Shorthand::ToMost) => [number, self.most],
        }
    }

    /// Checks that range and probability make sense.
    pub(super) fn check(&self, strength: Strength) -> Result<()> {
        let Self { key, least, most, whole, .. } = self;
        let [low, high] = self.ends(strength.range);
        let fits = *least <= low && low <= high && high <= *most;
        if !fits || (*whole && (low.fract() != 0.0 || high.fract() != 0.0)) {
            let numbers = if *whole { "whole numbers" } else { "numbers" };
            let short = match self.shorthand {
                Shorthand::AroundZero => "x for [-x, x]".to_owned(),
                Shorthand::AroundOne => "x for [1 - x, 1 + x]".to_owned(),
                Shorthand::FromLeast => format!("x for [{least}, x]"),
                Shorthand::ToMost => format!("x for [x, {most}]"),
            };
            let expected = format!("two {numbers} [low, high] from {least} to {most}, or {short}");
            return Err(Error::setting(key, &strength.range, expected));
        }
        check_probability(key, strength.probability)
    }

    /// The strength for one image; `None` if the change is not made to it.
    pub(super) fn draw(&self, strength: Option<Strength>, random: &mut Stream) -> Option<f32> {
        let strength = strength?;
        if strength.probability < 1.0 && random.unit() >= strength.probability {
            return None;
        }
        let [low, high] = self.ends(strength.range);
        if self.whole {
            return Some(low + random.below((high - low) as usize + 1) as f32);
        }
        Some(random.between(low, high))
    }
}

/// Checks a probability.
pub(super) fn check_probability(key: &'static str, probability: f32) -> Result<()> {
    if (0.0..=1.0).contains(&probability) {
        return Ok(());
    }
    Err(Error::setting(key, &probability, "a probability from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_chance::Purpose;

    #[test]
    fn a_number_stands_for_the_usual_range() {
        let ends = |kind: &Kind, number: f32| kind.ends(number.into());
        assert_eq!(ends(&ROTATE, 15.0), [-15.0, 15.0]);
        assert_eq!(ends(&BRIGHTNESS, 0.25), [0.75, 1.25]);
        assert_eq!(ends(&CONTRAST, 2.0), [0.0, 3.0]);
        assert_eq!(ends(&BLUR, 2.0), [0.0, 2.0]);
        assert_eq!(ends(&RESIZED_CROP, 0.5), [0.5, 1.0]);
        assert_eq!(ends(&JPEG, 40.0), [40.0, 100.0]);
        assert_eq!(ROTATE.ends([1.0, 2.0].into()), [1.0, 2.0]);
    }

    impl From<f32> for StrengthRange {
        fn from(number: f32) -> Self {
            Self::Number(number)
        }
    }

    impl From<[f32; 2]> for StrengthRange {
        fn from(ends: [f32; 2]) -> Self {
            Self::Between(ends)
        }
    }

    #[test]
    fn draws_fill_the_range_with_their_probability() {
        let mut random = Stream::new(3, Purpose::Test, 0, 0);
        let half = Strength::from([2.0, 4.0]).with_probability(0.5);
        let drawn: Vec<f32> = (0..2000).filter_map(|_| BLUR.draw(Some(half), &mut random)).collect();
        // Five standard errors: sqrt(2000 / 4) = 22.
        assert!((890..1110).contains(&drawn.len()), "{}", drawn.len());
        assert!(drawn.iter().all(|value| (2.0..4.0).contains(value)));
        let (low, high) = (drawn.iter().filter(|value| **value < 2.2).count(), 3.8);
        assert!(low > 50 && drawn.iter().filter(|value| **value > high).count() > 50);
        assert_eq!(BLUR.draw(None, &mut random), None);
        let mut qualities = [0; 3];
        for _ in 0..300 {
            let quality = JPEG.draw(Some([98.0, 100.0].into()), &mut random).unwrap();
            qualities[quality as usize - 98] += 1;
        }
        assert!(qualities.iter().all(|count| *count > 60), "{qualities:?}");
    }

    #[test]
    fn ranges_and_probabilities_that_make_no_sense_are_errors() {
        let message = |kind: &Kind, strength: Strength| kind.check(strength).unwrap_err().to_string();
        assert_eq!(
            message(&ROTATE, [20.0, 10.0].into()),
            "rotate is [20, 10]; expected two numbers [low, high] from -180 to 180, or x for [-x, x]"
        );
        for (kind, strength) in [
            (&ROTATE, 181.0.into()),
            (&ROTATE, (-5.0).into()),
            (&HUE, 0.6.into()),
            (&SCALE, 0.95.into()),
            (&SCALE, f32::NAN.into()),
            (&RESIZED_CROP, [0.0, 1.0].into()),
            (&BLUR, [0.0, f32::INFINITY].into()),
            (&NOISE, (-0.1).into()),
        ] {
            assert!(message(kind, strength).starts_with(kind.key), "{strength:?}");
        }
        assert!(message(&JPEG, [40.5, 90.0].into()).contains("two whole numbers"));
        let often = Strength::from(1.0).with_probability(1.5);
        assert_eq!(message(&BLUR, often), "blur is 1.5; expected a probability from 0 to 1");
        for (kind, strength) in
            [(&ROTATE, 0.0), (&BRIGHTNESS, 9.0), (&JPEG, 100.0), (&HUE, 0.5), (&RESIZED_CROP, 0.01)]
        {
            kind.check(strength.into()).unwrap();
        }
    }

    #[test]
    fn every_form_reads_back() {
        let read = |text: &str| serde_json::from_str::<Strength>(text);
        let table = Strength::from([0.5, 2.0]).with_probability(0.25);
        for (text, expected) in [
            ("15", Strength::from(15.0)),
            ("-3", Strength::from(-3.0)),
            ("0.5", Strength::from(0.5)),
            ("[0.5,2]", Strength::from([0.5, 2.0])),
            ("{\"range\":[0.5,2.0],\"probability\":0.25}", table),
            ("{\"range\":3}", Strength::from(3.0)),
        ] {
            let found = read(text).unwrap();
            assert_eq!(found, expected, "{text}");
            assert_eq!(read(&serde_json::to_string(&found).unwrap()).unwrap(), expected);
        }
        for (text, expected) in [
            ("[1, 2, 3]", "found a list of 3 numbers, expected a number, a range [low, high]"),
            ("\"15\"", "expected a number, a range [low, high]"),
            ("{\"range\":1,\"p\":0.5}", "unknown field `p`"),
            ("{\"probability\":0.5}", "missing field `range`"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
