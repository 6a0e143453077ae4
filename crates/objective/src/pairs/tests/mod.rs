//! Pair objectives as a whole: reference values, gradients against differences, properties, edges.

mod edges;
mod fixtures;
mod golden;
mod gradients;
mod properties;

use serde_json::Value;

use super::PairObjective;
use crate::Parameters;

/// An objective by name with some parameters.
fn objective(name: &str, parameters: &[(&str, Value)]) -> PairObjective {
    let parameters: Parameters =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    PairObjective::from_name(name, &parameters).expect("settings of the test are in range")
}

/// Every objective with its defaults (three centres per class for SoftTriple), and options that use other code paths.
fn all() -> Vec<PairObjective> {
    let mut all: Vec<PairObjective> = PairObjective::names()
        .map(|name| match name {
            "soft-triple" => objective(name, &[("centers_per_class", 3.0.into())]),
            name => objective(name, &[]),
        })
        .collect();
    all.push(objective("triplet-margin", &[("margin", 0.4.into()), ("smooth_loss", true.into())]));
    all.push(objective("triplet-margin", &[("margin", 0.3.into()), ("swap", true.into())]));
    all.push(objective("triplet-margin", &[("margin", 0.6.into()), ("triplets", "hard".into())]));
    all.push(objective("triplet-margin", &[("margin", 0.6.into()), ("triplets", "semihard".into())]));
    all.push(objective("ranked-list", &[("Tp", 2.0.into()), ("Tn", 3.0.into())]));
    all
}
