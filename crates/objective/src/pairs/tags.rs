//! Names of enum variants from the tags that `serde` gives them.

use std::mem::{Discriminant, discriminant};

use serde::Serialize;

/// The `name` tag of each variant of an enum.
pub(crate) struct Tags<T>(Vec<(Discriminant<T>, String)>);

impl<T: Serialize> Tags<T> {
    /// Reads the tags of one value per variant.
    pub(crate) fn of_all(values: &[T]) -> Self {
        let tag = |value: &T| {
            let saved = serde_json::to_value(value).expect("settings are plain data");
            saved["name"].as_str().expect("the enum is tagged by `name`").to_owned()
        };
        Self(values.iter().map(|value| (discriminant(value), tag(value))).collect())
    }

    /// The tag of a value's variant.
    pub(crate) fn tag(&self, value: &T) -> &str {
        let found = self.0.iter().find(|(variant, _)| *variant == discriminant(value));
        &found.expect("the tags were read from every variant").1
    }

    /// All tags.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, tag)| tag.as_str())
    }
}
