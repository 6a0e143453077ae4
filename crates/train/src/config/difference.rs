//! The settings in which two configurations differ, by key.

use super::Config;
use std::collections::BTreeMap;
use std::fmt;
use toml::{Table, Value};

/// A setting with different values in two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `section.key`.
    pub key: String,
    /// The value found; `none` if the key is absent.
    pub found: String,
    /// The value expected.
    pub expected: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: found {}, expected {}", self.key, self.found, self.expected)
    }
}

impl Config {
    /// The settings in which this configuration differs from `expected`, by key in alphabetical order.
    pub fn differences(&self, expected: &Self) -> Vec<Difference> {
        let (mut found, expected) = (settings(self), settings(expected));
        let mut differences = Vec::new();
        for (key, expected) in expected {
            let found = found.remove(&key).unwrap_or_else(none);
            if found != expected {
                differences.push(Difference { key, found, expected });
            }
        }
        let added = found.into_iter().map(|(key, found)| Difference { key, found, expected: none() });
        differences.extend(added);
        differences.sort_by(|a, b| a.key.cmp(&b.key));
        differences
    }
}

fn none() -> String {
    "none".to_owned()
}

/// The value of every key as TOML.
fn settings(config: &Config) -> BTreeMap<String, String> {
    let table: Table = toml::from_str(&config.to_toml()).expect("our own text");
    let mut settings = BTreeMap::new();
    for (section, value) in table {
        match value {
            Value::Table(keys) => {
                settings.extend(
                    keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value.to_string())),
                );
            }
            other => drop(settings.insert(section, other.to_string())),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Amount;

    #[test]
    fn every_changed_key_is_named_with_both_values() {
        let expected = Config::default();
        assert_eq!(expected.differences(&expected), []);
        let mut found = expected.clone();
        found.training.epochs = 9;
        found.head.screened_error = 0.05;
        found.data.path = Some("images".into());
        found.objective.set("margin", Some(Amount::Value(0.5)));
        found.optimiser.factors = [("fc".to_owned(), 2.0)].into();
        let said: Vec<String> = found.differences(&expected).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "data.path: found \"images\", expected none",
                "head.screened_error: found 0.05, expected 0.02",
                "objective.margin: found 0.5, expected none",
                "optimiser.factors: found { fc = 2.0 }, expected none",
                "training.epochs: found 9, expected 3",
            ]
        );
        let back = expected.differences(&found);
        assert_eq!((back.len(), back[0].found.as_str()), (5, "none"));
    }

    #[test]
    fn numbers_that_look_alike_are_different_settings() {
        let expected = Config::default();
        let mut found = expected.clone();
        found.optimiser.learning_rate = f64::from_bits(found.optimiser.learning_rate.to_bits() + 1);
        assert_eq!(found.differences(&expected)[0].key, "optimiser.learning_rate");
    }
}
