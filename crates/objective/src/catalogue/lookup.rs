//! Finding and building objectives by name.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use super::composed;
use super::entry::{Builder, CatalogueEntry, ObjectiveKind, Recipe};
use super::table;
use crate::bounds;
use crate::class::{ClassObjective, Name, Rule};
use crate::error::{Error, Result};
use crate::family::Objective;
use crate::names;
use crate::pairs::PairObjective;
use crate::parameter::{self, Parameters};

static CATALOGUE: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(table::rows);

/// Every named objective: those on class centres first, then those on pairs, then those with proxies.
pub fn catalogue() -> &'static [CatalogueEntry] {
    &CATALOGUE
}

static FAMILY: LazyLock<CatalogueEntry> = LazyLock::new(composed::entry);

/// The entry of `family`: any combination of score, margin, pool and link, composed by its parameters. It is found by its name like the others
/// but is not part of the [`catalogue`], because it has no formula of its own.
pub fn family() -> &'static CatalogueEntry {
    &FAMILY
}

/// An objective of either kind.
pub(crate) enum Built {
    Classes(Box<ClassObjective>),
    Pairs(PairObjective),
}

/// The entry of a name or alias.
///
/// # Errors
/// [`Error::UnknownName`].
fn find(name: &str, of: impl Fn(&CatalogueEntry) -> bool) -> Result<&'static CatalogueEntry> {
    let entries = || catalogue().iter().chain([family()]).filter(|entry| of(entry));
    let spellings = entries()
        .flat_map(|entry| entry.aliases.iter().chain([&entry.name]).map(|spelling| (*spelling, entry.name)));
    let name = names::find(name, spellings).map_err(|suggestion| Error::UnknownName {
        kind: "objective",
        found: name.to_owned(),
        suggestion,
        known: catalogue().iter().filter(|entry| of(entry)).map(|entry| entry.name).collect(),
    })?;
    Ok(entries().find(|entry| entry.name == name).expect("found above"))
}

/// Builds an entry's objective for `classes` classes; objectives on pairs do not need the number.
///
/// # Errors
/// [`Error::UnknownParameter`], [`Error::BadParameter`], [`Error::OutOfRange`], [`Error::Incompatible`], or class margins that
/// are not one per class.
pub(crate) fn build(entry: &CatalogueEntry, given: &Parameters, classes: usize) -> Result<Built> {
    let values = parameter::check(entry.name, &entry.parameters, given)?;
    match &entry.builder {
        Builder::Pairs(kind) => {
            let mut saved = values.into_map();
            saved.insert("name".to_owned(), kind.name().into());
            let objective: PairObjective =
                serde_json::from_value(saved.into()).expect("the parameters are the fields of the settings");
            objective.validate()?;
            Ok(Built::Pairs(objective))
        }
        Builder::Classes { recipe, .. } => {
            bounds::CLASSES.check("classes", classes as f64)?;
            let Recipe { base, rule } = recipe(&values, classes)?;
            let smoothing = values.number_if_given(table::LABEL_SMOOTHING).unwrap_or(0.0);
            let base = base.label_smoothing(smoothing).build()?;
            let objective = ClassObjective::new(entry.class_name(), base, rule, classes)
                .with_sub_centres(values.count(table::SUB_CENTRES) as usize)?
                .with_ignore_label(values.count_if_given(table::IGNORE_LABEL).map(|label| label as u32));
            Ok(Built::Classes(Box::new(match values.numbers_if_given(table::CLASS_MARGINS) {
                Some(margins) => objective.with_class_margins(&margins)?,
                None => objective,
            })))
        }
    }
}

impl CatalogueEntry {
    /// The entry of a name or alias; case, underscores and hyphens do not matter.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the nearest name and all known ones.
    pub fn find(name: &str) -> Result<&'static Self> {
        find(name, |_| true)
    }
}

fn names_of(kind: impl Fn(ObjectiveKind) -> bool) -> impl Iterator<Item = &'static str> {
    catalogue().iter().filter(move |entry| kind(entry.kind)).map(|entry| entry.name)
}

impl ClassObjective {
    /// The names of all objectives on class centres.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names_of(|kind| kind == ObjectiveKind::ClassCentres)
    }

    /// An objective on class centres by name, for `classes` classes. [`catalogue`] has the names and parameters.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::UnknownParameter`], [`Error::BadParameter`], [`Error::OutOfRange`],
    /// [`Error::Incompatible`], or class margins that are not one per class.
    pub fn from_name(name: &str, parameters: &Parameters, classes: usize) -> Result<Self> {
        let entry = find(name, |entry| entry.kind == ObjectiveKind::ClassCentres)?;
        match build(entry, parameters, classes)? {
            Built::Classes(objective) => Ok(*objective),
            Built::Pairs(_) => unreachable!("the kind was asked for"),
        }
    }
}

impl PairObjective {
    /// The names of all objectives on pairs and proxies.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names_of(|kind| kind != ObjectiveKind::ClassCentres)
    }

    /// An objective on pairs or proxies by name. [`catalogue`] has the names; the parameters are the fields of the settings.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::UnknownParameter`], [`Error::BadParameter`].
    pub fn from_name(name: &str, parameters: &Parameters) -> Result<Self> {
        let entry = find(name, |entry| entry.kind != ObjectiveKind::ClassCentres)?;
        match build(entry, parameters, 1)? {
            Built::Pairs(objective) => Ok(objective),
            Built::Classes(_) => unreachable!("the kind was asked for"),
        }
    }
}

impl Objective {
    /// The name of this point of the family, whatever its scale, margin and temperature; `None` if it has none.
    pub fn name(&self) -> Option<&'static str> {
        catalogue().iter().find(|entry| entry.describes(self)).map(|entry| entry.name)
    }
}

impl From<Objective> for ClassObjective {
    /// A fixed point of the family, for any number of classes.
    fn from(base: Objective) -> Self {
        let name = base.name().map_or(Name::COMPOSED, Name);
        Self::new(name, base, Rule::Fixed, usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        let others = [Self::COMPOSED, family().class_name()];
        let known = ClassObjective::names().map(Self).chain(others).find(|name| name.0 == found);
        known.ok_or_else(|| serde::de::Error::custom(format_args!("no objective is called `{found}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::parameters;
    use crate::{AnyObjective, Score};

    fn build_any(name: &str, given: &Parameters) -> Result<AnyObjective> {
        AnyObjective::from_name(name, given, 10)
    }

    #[test]
    fn every_name_and_alias_builds_its_objective_and_no_spelling_occurs_twice() {
        let mut spellings = Vec::new();
        for entry in catalogue() {
            for spelling in entry.aliases.iter().chain([&entry.name]) {
                for spelt in [(*spelling).to_owned(), spelling.replace('-', "_"), spelling.to_uppercase()] {
                    let objective = build_any(&spelt, &Parameters::new()).expect("defaults are in range");
                    assert_eq!(objective.name(), entry.name, "{spelt}");
                }
                spellings.push(*spelling);
            }
        }
        assert_eq!(AnyObjective::names().count(), 43);
        assert_eq!((ClassObjective::names().count(), PairObjective::names().count()), (27, 16));
        let count = spellings.len();
        spellings.sort_unstable();
        spellings.dedup();
        assert_eq!(spellings.len(), count);
    }

    #[test]
    fn every_pair_objective_is_in_the_table_and_its_tag_is_its_name() {
        let tags: Vec<&str> = PairObjective::all().iter().map(PairObjective::name).collect();
        assert_eq!(PairObjective::names().collect::<Vec<_>>(), tags);
        for objective in PairObjective::all() {
            assert_eq!(PairObjective::from_name(objective.name(), &Parameters::new()), Ok(objective));
            let saved = serde_json::to_string(&objective).expect("plain data");
            assert_eq!(serde_json::from_str::<PairObjective>(&saved).expect("just written"), objective);
        }
    }

    #[test]
    fn every_default_is_accepted_as_a_value_and_changes_nothing() {
        for entry in catalogue() {
            let objective = build_any(entry.name, &Parameters::new());
            for parameter in entry.parameters.iter().filter(|parameter| !parameter.default.is_null()) {
                let given = parameters([(parameter.name, parameter.default.clone())]);
                assert_eq!(build_any(entry.name, &given), objective, "{} {}", entry.name, parameter.name);
            }
        }
    }

    #[test]
    fn unknown_names_and_parameters_are_rejected_with_the_nearest_one() {
        let unknown = |name: &str| build_any(name, &Parameters::new()).expect_err(name).to_string();
        assert!(unknown("triplet-margn").contains("did you mean `triplet-margin`?"));
        assert!(unknown("am-softmx").contains("did you mean `am-softmax`?"));
        let error = unknown("mean-squared-error");
        assert!(!error.contains("did you mean") && error.contains("known: hinge-sum"), "{error}");
        assert!(error.ends_with(PairObjective::all().last().expect("16").name()), "{error}");
        for name in ["am-softmax", "contrastive"] {
            let error =
                build_any(name, &parameters([("margn", 1.into())])).expect_err("misspelt").to_string();
            assert!(
                error.contains("`margn`") && error.contains(name) && error.contains("it has "),
                "{error}"
            );
        }
        let error = build_any("am-softmax", &parameters([("margn", 1.into())])).expect_err("misspelt");
        assert!(error.to_string().contains("did you mean `margin`?"), "{error}");
        let error = build_any("softmax", &parameters([("scale", 30.into())])).expect_err("no scale");
        assert!(matches!(error, Error::UnknownParameter { .. }) && error.parameter() == Some("scale"));
        let error = build_any("am-softmax", &parameters([("margin", 3.into())])).expect_err("too large");
        assert_eq!(
            error.to_string(),
            "`am-softmax`: margin is 3; expected a margin in cosine from 0 to 2 (typically 0.2 to 0.45)"
        );
    }

    #[test]
    fn points_of_the_family_have_names() {
        for name in ClassObjective::names() {
            let built = ClassObjective::from_name(name, &Parameters::new(), 10).expect("defaults");
            assert!(built.to_string().starts_with(name), "{built}");
            let expected = match name {
                "cosface" => "am-softmax",
                // without a margin, or at temperature 1, these are softmax
                "softplus-lse" | "tempered-softmax" => "softmax",
                name => name,
            };
            // only the entries of the chain and ArcFace; the others are variations of a point
            if ClassObjective::names().take(11).any(|plain| plain == name) {
                assert_eq!(built.base().name(), Some(expected), "{name}");
            }
        }
        let half = Objective::tempered_softmax(0.5).expect("in range");
        assert_eq!(half.name(), Some("tempered-softmax"));
    }

    #[test]
    fn names_match_their_constructors() {
        let from = |name, given: &Parameters| {
            ClassObjective::from_name(name, given, 10).map(|objective| objective.base().clone())
        };
        let number = |name, value: f64| parameters([(name, value.into())]);
        let none = Parameters::new();
        let strong = parameters([("scale", 64.0.into()), ("margin", 0.4.into())]);
        assert_eq!(from("am_softmax", &strong), Objective::am_softmax(64.0, 0.4));
        assert_eq!(from("AM-Softmax", &none), Objective::am_softmax(30.0, 0.35));
        assert_eq!(from("hinge-sum", &none), Ok(Objective::hinge_sum()));
        assert_eq!(from("hinge-sum", &number("margin", 0.5)), Objective::hinge_sum_margin(0.5));
        assert_eq!(from("tempered-softmax", &number("temperature", 0.5)), Objective::tempered_softmax(0.5));
        assert_eq!(from("softmax_cross_entropy", &none), Ok(Objective::softmax()));
        let divided = from("softmax", &number("temperature", 2.0)).expect("in range");
        assert_eq!(divided.score(), Score::scaled_dot(0.5));
    }

    #[test]
    fn an_objective_survives_a_round_trip_and_invalid_files_are_rejected() {
        for name in ClassObjective::names() {
            let objective = ClassObjective::from_name(name, &Parameters::new(), 10).expect("defaults");
            let text = serde_json::to_string(&objective).expect("plain data");
            assert_eq!(
                serde_json::from_str::<ClassObjective>(&text).expect("just written"),
                objective,
                "{text}"
            );
            let renamed = text.replace(&format!("\"name\":\"{name}\""), "\"name\":\"other\"");
            assert!(serde_json::from_str::<ClassObjective>(&renamed).is_err(), "{renamed}");
        }
        let wrong = [
            r#"{"score": {"cosine": {"scale": -1}}}"#,
            r#"{"score": {"cosine": {"scale": 30}}, "margins": 3}"#,
            r#"{"score": {"cosine": {"scale": 30, "shift": 1}}}"#,
            r#"{"pool": "hinge-sum"}"#,
            r#"{"margin": {"custom": {}}}"#,
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
