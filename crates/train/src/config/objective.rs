//! `[objective]`: the objective, its parameters, and a scale or margin that is chosen by the number of classes.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use widemargin_data::first_names;
use widemargin_objective::pairs::Miner;
use widemargin_objective::{AnyObjective, CatalogueEntry, ClassObjective, Margin, Parameters, suggest};

/// Number of classes with which a configuration is checked before the data is known.
const SOME_CLASSES: usize = 10;

/// Probability of the target class that a sample must be able to reach with a scale of `"auto"`.
const TARGET_PROBABILITY: f64 = 0.99;

/// With fewer known classes, a margin of `"auto"` is at most `FEW_CLASSES_MARGIN` in cosine, and smaller in the same proportion in angle: a large
/// one keeps only what separates these few classes (measured in `docs/src/benchmarks/accuracy.md`: seven classes).
const FEW_CLASSES: usize = 50;
const FEW_CLASSES_MARGIN: f64 = 0.1;

/// Value of `scale` or `margin` for the recommendation of [`suggest`](fn@widemargin_objective::suggest), which depends on the number
/// of known classes and the embedding dimension.
const AUTO: &str = "auto";

/// The parameter with the name of a class whose samples have loss 0.
const IGNORE_LABEL: &str = "ignore_label";

/// The parameter with one margin per known class.
const CLASS_MARGINS: &str = "class_margins";

/// Most known classes that an error names.
const NAMED: usize = 20;

/// A scale or margin as a command line gives it: a number, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Chosen once the classes are known.
    Auto,
    /// As given.
    Value(f64),
}

impl std::str::FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            AUTO => Ok(Self::Auto),
            number => number.parse().map(Self::Value).map_err(|_| "expected a number or auto".to_owned()),
        }
    }
}

/// `[objective]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectiveConfig {
    /// Name of the objective, for example `am-softmax`, `normalized-softmax`, `softmax`; `widemargin loss --list` prints all.
    pub name: String,
    /// Power `p` of a margin per class by its number of training samples, `m (n_min / n_y)^p`, so that `margin` is that of the rarest
    /// class; 0 to 1, 0.25 in Cao et al. (LDAM). If absent, all classes have the same margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_by_count: Option<f64>,
    /// Name of the miner that chooses pairs or triplets, for objectives on pairs; all of the batch if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miner: Option<String>,
    /// Number of earlier embeddings that a batch is also compared with, for objectives on pairs; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: usize,
    /// Parameters of the miner.
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    pub miner_parameters: Parameters,
    /// All other keys: parameters of the objective, named as in `widemargin loss --list`. `scale` and `margin` may be `"auto"`. `ignore_label` is
    /// the name of a known class, as text or a number. `class_margins` has one margin per known class, in the order of the known classes.
    #[serde(flatten)]
    pub parameters: Parameters,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires a reference")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            name: "am-softmax".to_owned(),
            margin_by_count: None,
            miner: None,
            memory: 0,
            miner_parameters: Parameters::new(),
            parameters: Parameters::new(),
        }
    }
}

fn bad(key: &str, message: impl ToString) -> Error {
    Error::BadValue { key: format!("objective.{key}"), message: message.to_string() }
}

/// Whether an objective has a margin in angle, for which the recommended margin is in radians.
fn has_angle_margin(objective: &ClassObjective) -> bool {
    matches!(objective.base().margin(), Margin::AdditiveAngle { .. })
}

impl ObjectiveConfig {
    /// The objective; a parameter that is still `"auto"` has its default. Pass `None` classes for a check before the data is
    /// known.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an unknown name or parameter (with the nearest known one), a parameter outside its range, or an
    /// `"auto"` for which the objective has no recommendation.
    pub fn build(&self, classes: Option<usize>) -> Result<AnyObjective, Error> {
        self.ignored_name()?;
        self.built(classes, None)
    }

    /// The objective for the known classes with these names, in their order: with the class that `ignore_label` names.
    ///
    /// # Errors
    /// The errors of [`build`](Self::build), and [`Error::BadValue`] for an `ignore_label` that is no known class, and for `class_margins` that
    /// are not one per known class.
    pub(crate) fn of_classes<Name: AsRef<str>>(&self, known: &[Name]) -> Result<AnyObjective, Error> {
        let ignored = self.ignored_among(known)?;
        self.built(Some(known.len()), ignored)
    }

    /// The position of the class that `ignore_label` names among the known classes.
    ///
    /// # Errors
    /// [`Error::BadValue`] as [`of_classes`](Self::of_classes).
    pub(crate) fn ignored_among<Name: AsRef<str>>(&self, known: &[Name]) -> Result<Option<u32>, Error> {
        let names = || first_names(known.iter().map(AsRef::as_ref), NAMED);
        let margins = self.parameters.get(CLASS_MARGINS).and_then(Value::as_array).map(Vec::len);
        if let Some(found) = margins.filter(|found| *found != known.len()) {
            let message = format!(
                "found {found} class margins; expected {}, one per known class: {}",
                known.len(),
                names()
            );
            return Err(bad(CLASS_MARGINS, message));
        }
        let Some(ignored) = self.ignored_name()? else { return Ok(None) };
        match known.iter().position(|name| name.as_ref() == ignored) {
            Some(at) => Ok(Some(at as u32)),
            None => Err(bad(
                IGNORE_LABEL,
                format!("found {ignored:?}, expected one of the known classes: {}", names()),
            )),
        }
    }

    /// The name of the class whose samples have loss 0.
    fn ignored_name(&self) -> Result<Option<String>, Error> {
        match self.parameters.get(IGNORE_LABEL) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(bad(
                IGNORE_LABEL,
                format!("found {other}, expected the name of a class: text or a number"),
            )),
        }
    }

    /// The objective that ignores the class at this position, whatever `ignore_label` is.
    fn built(&self, classes: Option<usize>, ignored: Option<u32>) -> Result<AnyObjective, Error> {
        let mut parameters = self.parameters.clone();
        parameters.retain(|key, value| !(matches!(key.as_str(), "scale" | "margin") && value == AUTO));
        if let Some(name) = parameters.get_mut(IGNORE_LABEL) {
            // Any position, so that an objective without this parameter rejects it.
            *name = 0.into();
        }
        let given = parameters.get(CLASS_MARGINS).and_then(Value::as_array).map(Vec::len);
        let classes = classes.or(given).unwrap_or(SOME_CLASSES);
        let objective = AnyObjective::from_name(&self.name, &parameters, classes)
            // without a parameter at fault: an unknown name, or parameters that cannot be combined
            .map_err(|error| bad(error.parameter().unwrap_or("name"), &error))?;
        let objective = match objective {
            AnyObjective::Classes(classes) => {
                AnyObjective::Classes(Box::new(classes.with_ignore_label(ignored)))
            }
            pairs @ AnyObjective::Pairs(_) => pairs,
        };
        self.check_auto(&objective)?;
        if self.margin_by_count.is_some() {
            self.by_count(objective.clone(), &vec![1; classes])?;
        }
        let (miner, name) = (self.build_miner()?, &self.name);
        let Some(pairs) = objective.pair_objective() else {
            let for_pairs = |what| format!("{what} is for objectives on pairs; `{name}` has class centres");
            return match (miner, self.memory) {
                (Some(_), _) => Err(bad("miner", for_pairs("a miner"))),
                (None, 1..) => Err(bad("memory", for_pairs("a memory of earlier batches"))),
                (None, 0) => Ok(objective),
            };
        };
        if miner.is_some() && !pairs.takes_tuples() {
            return Err(bad("miner", format!("`{name}` weighs all pairs itself and takes no miner")));
        }
        if self.memory > 0 && !pairs.takes_references() {
            return Err(bad("memory", format!("`{name}` is defined on the batch alone")));
        }
        Ok(objective)
    }

    /// The margins of the known classes, if they are given one by one.
    pub(crate) fn class_margins(&self) -> Option<&Value> {
        self.parameters.get(CLASS_MARGINS)
    }

    /// The objective with one margin per class by `counts`, the numbers of training samples, if that is configured.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a power outside its range, or an objective without one plain margin.
    pub(crate) fn by_count(&self, objective: AnyObjective, counts: &[u64]) -> Result<AnyObjective, Error> {
        let Some(power) = self.margin_by_count else { return Ok(objective) };
        if self.parameters.contains_key(CLASS_MARGINS) {
            return Err(bad("margin_by_count", "class_margins is given too; give one of the two"));
        }
        let mut counts = counts.to_vec();
        let ignored = objective.class_objective().and_then(ClassObjective::ignore_label);
        if let Some(count) = ignored.and_then(|ignored| counts.get_mut(ignored as usize)) {
            // A class without samples is not the rarest one, which has the largest margin.
            *count = 0;
        }
        objective.with_margins_by_count(&counts, power).map_err(|error| bad("margin_by_count", error))
    }

    /// The miner, if one is configured.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an unknown name or a parameter that the miner does not have.
    pub fn build_miner(&self) -> Result<Option<Miner>, Error> {
        let build = |name: &String| Miner::from_name(name, &self.miner_parameters);
        self.miner.as_ref().map(build).transpose().map_err(|error| bad("miner", error))
    }

    /// Sets a parameter of the objective; `None` removes it, so that it has its default.
    pub fn set(&mut self, key: &str, amount: Option<Amount>) {
        let value = match amount {
            None => return drop(self.parameters.remove(key)),
            Some(Amount::Auto) => AUTO.into(),
            Some(Amount::Value(value)) => value.into(),
        };
        self.parameters.insert(key.to_owned(), value);
    }

    /// Whether the objective has a recommended value of `key`, which is `scale` or `margin`, and no value of its own.
    pub(crate) fn takes_auto(&self, key: &str) -> bool {
        let mut bare = Self { name: self.name.clone(), ..Self::default() };
        bare.set(key, Some(Amount::Auto));
        !self.parameters.contains_key(key) && bare.build(None).is_ok()
    }

    /// Removes the scale, margin and margins by count that the objective does not have, and returns each as `key = value`. A value out of range
    /// stays, for [`build`](Self::build) to reject.
    pub fn without_foreign(&mut self) -> Vec<(&'static str, String)> {
        let mut removed = Vec::new();
        let bare = Self { name: self.name.clone(), ..Self::default() };
        let Ok(entry) = CatalogueEntry::find(&self.name) else { return removed };
        for key in ["scale", "margin"] {
            let Some(value) = self.parameters.get(key) else { continue };
            let mut alone = bare.clone();
            alone.parameters.insert(key.to_owned(), value.clone());
            let known = entry.parameters.iter().any(|parameter| parameter.name == key);
            let takes = if self.is_auto(key) { alone.build(None).is_ok() } else { known };
            if !takes {
                removed.push((key, format!("{key} = {value}")));
                self.parameters.remove(key);
            }
        }
        if let Some(power) = self.margin_by_count {
            // Any power in range: the one that is set may be out of range.
            if (Self { margin_by_count: Some(1.0), ..bare }).build(None).is_err() {
                removed.push(("margin_by_count", format!("margin_by_count = {power}")));
                self.margin_by_count = None;
            }
        }
        removed
    }

    /// Requires that the margin that is set, if any, means the same for the objective `name`: 0.5 is much in cosine and usual in radians.
    ///
    /// # Errors
    /// [`Error::BadValue`] if it is in another unit there.
    pub fn require_margin_for(&self, name: &str) -> Result<(), Error> {
        let Some(value) = self.parameters.get("margin").filter(|value| value.is_number()) else {
            return Ok(());
        };
        let domain = |name: &str| {
            let parameters = &CatalogueEntry::find(name).ok()?.parameters;
            parameters
                .iter()
                .find(|parameter| parameter.name == "margin")
                .map(|margin| margin.domain.to_string())
        };
        match (domain(&self.name), domain(name)) {
            (Some(own), Some(other)) if own != other => Err(bad(
                "margin",
                format!(
                    "found {value} for `{}`, {own}; `{name}` takes {other}: give its margin, too (--margin)",
                    self.name
                ),
            )),
            _ => Ok(()),
        }
    }

    fn is_auto(&self, key: &str) -> bool {
        self.parameters.get(key).is_some_and(|value| value == AUTO)
    }

    fn check_auto(&self, objective: &AnyObjective) -> Result<(), Error> {
        let useless =
            |key, what: &str| Err(bad(key, format!("`auto` is for {what}; `{}` has none", self.name)));
        let classes = objective.class_objective();
        if self.is_auto("scale") && !classes.is_some_and(|classes| classes.score().is_cosine()) {
            return useless("scale", "a scale on the cosine");
        }
        let margin = |classes: &ClassObjective| {
            has_angle_margin(classes) || matches!(classes.base().margin(), Margin::AdditiveCosine(_))
        };
        if self.is_auto("margin") && !classes.is_some_and(margin) {
            return useless("margin", "a margin in cosine or angle");
        }
        Ok(())
    }

    /// Replaces `"auto"` by the numbers that [`suggest`](fn@widemargin_objective::suggest) recommends, with a smaller margin for few classes, for `classes` known classes and embeddings of dimension `dim`; returns a sentence that names them,
    /// or `None` if there was no `"auto"`.
    ///
    /// # Errors
    /// The errors of [`ObjectiveConfig::build`]; [`Error::BadValue`] with fewer than two classes.
    pub fn resolve(&mut self, classes: usize, dim: usize) -> Result<Option<String>, Error> {
        let objective = self.build(Some(classes))?;
        let (scale, margin) = (self.is_auto("scale"), self.is_auto("margin"));
        if !scale && !margin {
            return Ok(None);
        }
        let found = suggest(classes, dim, TARGET_PROBABILITY).map_err(|error| bad("scale", error))?;
        let mut chosen = Vec::new();
        if scale {
            self.parameters.insert("scale".to_owned(), found.scale.into());
            chosen.push(format!("scale {}", found.scale));
        }
        if margin {
            let angle = objective.class_objective().is_some_and(has_angle_margin);
            let few = classes < FEW_CLASSES && found.margin > FEW_CLASSES_MARGIN;
            let share = if few { FEW_CLASSES_MARGIN / found.margin } else { 1.0 };
            let margin = if angle { found.angle_margin } else { found.margin };
            // A quotient with all its digits would look measured.
            let margin = if few { (margin * share * 1000.0).round() / 1000.0 } else { margin };
            self.parameters.insert("margin".to_owned(), margin.into());
            chosen.push(format!("margin {margin}{}", if angle { " rad" } else { "" }));
        }
        Ok(Some(format!("auto: {} for {classes} classes in {dim} dimensions", chosen.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_objective::parameters;

    #[test]
    fn an_unknown_name_is_reported_with_all_known_names() {
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
        let parameters = parameters([("scale", AUTO.into()), ("margin", AUTO.into())]);
        ObjectiveConfig { name: name.to_owned(), parameters, ..ObjectiveConfig::default() }
    }

    #[test]
    fn auto_becomes_the_suggested_value() {
        let mut config = auto("am-softmax");
        let message = config.resolve(20_000, 512).expect("enough classes").expect("something was auto");
        let expected = suggest(20_000, 512, TARGET_PROBABILITY).expect("in range");
        assert_eq!(config.parameters["scale"], Value::from(expected.scale));
        assert_eq!(config.parameters["margin"], Value::from(expected.margin));
        assert!(message.contains("20000 classes in 512 dimensions"), "{message}");
        assert!(message.contains(&expected.scale.to_string()), "{message}");
        assert_eq!(config.resolve(20_000, 512).expect("numbers now"), None);

        let mut few = auto("am-softmax");
        few.resolve(8, 128).expect("enough classes");
        assert_eq!(few.parameters["margin"], Value::from(0.1));
        let mut few = auto("arcface");
        few.resolve(8, 128).expect("enough classes");
        assert_eq!(few.parameters["margin"], Value::from(0.143));

        let mut angle = auto("arcface");
        angle.resolve(10, 2).expect("enough classes");
        let expected = suggest(10, 2, TARGET_PROBABILITY).expect("in range");
        assert_eq!(angle.parameters["margin"], Value::from(expected.angle_margin));
    }

    #[test]
    fn auto_is_rejected_where_it_means_nothing() {
        let error = auto("softmax").build(None).expect_err("no scale").to_string();
        assert!(error.contains("objective.scale") && error.contains("softmax"), "{error}");
        let mut marginless = auto("normalized-softmax");
        marginless.parameters.remove("scale");
        assert!(marginless.build(None).expect_err("no margin").to_string().contains("objective.margin"));
        assert!(auto("am-softmax").resolve(1, 8).is_err());
    }

    #[test]
    fn only_parameters_that_the_objective_does_not_have_are_left_out() {
        let left_out = |text: &str| {
            let mut config: ObjectiveConfig = toml::from_str(text).expect("TOML");
            let removed: Vec<String> = config.without_foreign().into_iter().map(|(_, text)| text).collect();
            (removed.join(", "), config)
        };
        let (removed, config) =
            left_out("name = \"softmax\"\nscale = 30\nmargin = 0.2\nmargin_by_count = 0.25");
        assert_eq!(removed, "scale = 30, margin = 0.2, margin_by_count = 0.25");
        assert!(config.build(None).is_ok());
        assert_eq!(left_out("name = \"softmax\"\nmargin = \"auto\"").0, "margin = \"auto\"");
        assert_eq!(left_out("name = \"normalized-softmax\"\nscale = 16\nmargin = 0.2").0, "margin = 0.2");
        // Wrong values and other parameters are errors, not left out.
        for text in [
            "name = \"arcface\"\nmargin = 7",
            "name = \"am-softmax\"\nscale = -1",
            "name = \"am-softmax\"\nmargin_by_count = 1.5",
            "name = \"softmax\"\nconcentration = 0.5",
        ] {
            let (removed, config) = left_out(text);
            assert!(removed.is_empty() && config.build(None).is_err(), "{text}: {removed}");
        }
    }

    #[test]
    fn parameters_miner_and_memory_are_checked_by_name() {
        let read = |text: &str| toml::from_str::<ObjectiveConfig>(text).expect("TOML");
        let config = read("name = \"adaface\"\nmargin = 0.3\nconcentration = 0.5");
        assert!(config.build(None).is_ok());
        let mined = read("name = \"triplet-margin\"\nminer = \"batch-hard\"\nmemory = 256");
        assert!(mined.build(None).is_ok() && mined.build_miner().is_ok_and(|miner| miner.is_some()));
        for (text, expected) in [
            ("name = \"adaface\"\nconcentrate = 0.5", "objective.concentrate"),
            ("name = \"adaface\"\n[parameters]\nmargin = 0.5", "objective.parameters"),
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
    fn the_class_to_ignore_is_a_name_and_not_a_position() {
        let read = |text: &str| toml::from_str::<ObjectiveConfig>(text).expect("TOML");
        let ignored = |text: &str, known: &[&str]| {
            let objective = read(text).of_classes(known)?;
            Ok::<_, Error>(objective.class_objective().and_then(ClassObjective::ignore_label))
        };
        let known = ["3", "5", "11"];
        assert_eq!(ignored("ignore_label = 11", &known).expect("known"), Some(2));
        assert_eq!(ignored("ignore_label = \"5\"", &known).expect("known"), Some(1));
        assert_eq!(ignored("ignore_label = \"b c\"", &["a", "b c"]).expect("known"), Some(1));
        assert_eq!(ignored("", &known).expect("none"), None);
        for (text, expected) in [
            (
                "ignore_label = 1",
                "objective.ignore_label: found \"1\", expected one of the known classes: 3, 5, 11",
            ),
            ("ignore_label = true", "objective.ignore_label: found true, expected the name of a class"),
            ("name = \"triplet-margin\"\nignore_label = 3", "objective.ignore_label: "),
            (
                "class_margins = [0.1, 0.2]",
                "objective.class_margins: found 2 class margins; expected 3, one per known class: 3, 5, 11",
            ),
        ] {
            let error = ignored(text, &known).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        // The number of its samples does not decide the margins of the others.
        let config = read("margin = 0.4\nmargin_by_count = 1.0\nignore_label = 5");
        let objective = config.of_classes(&known).expect("known");
        let objective = config.by_count(objective, &[10, 1, 40]).expect("in range");
        let margins =
            objective.class_objective().and_then(ClassObjective::class_margins).expect("one per class");
        assert!((margins[0] - 0.4).abs() < 1e-12 && (margins[2] - 0.1).abs() < 1e-12, "{margins:?}");
    }

    #[test]
    fn scale_and_margin_are_numbers_or_auto() {
        let build = |text: &str| toml::from_str::<ObjectiveConfig>(text).expect("TOML").build(None);
        assert_eq!("auto".parse(), Ok(Amount::Auto));
        assert_eq!("0.35".parse(), Ok(Amount::Value(0.35)));
        assert!("much".parse::<Amount>().is_err());
        for text in ["scale = \"auto\"", "scale = 30", "scale = 30.5", "margin = \"auto\""] {
            assert!(build(text).is_ok(), "{text}");
        }
        for text in ["scale = \"automatic\"", "margin = true", "temperature = \"auto\""] {
            let error = build(text).expect_err(text).to_string();
            let (key, _) = text.split_once(' ').expect("a key");
            assert!(error.starts_with(&format!("objective.{key}: ")), "{text}: {error}");
        }
    }
}
