//! Training that starts from the weights of another run: which classes those weights have seen.
//!
//! A model file lists the classes that its weights were trained on and those that were held out. A class that was trained on cannot be an
//! unseen class again, and the held-out ones stay unseen, so that the two runs can be compared. Classes are matched by name. A name of the
//! weights that only looks like one of the data is taken for the same class, with a warning: results on a class that only seems to be unseen
//! would be too good. The same holds for the model that made the embeddings that a run is trained on.

use crate::Error;
use crate::config::Config;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use widemargin_chance::{Purpose, Stream};
use widemargin_data::{OpenSetSplit, SampleSet, SplitPart, appearance, first_names};
use widemargin_embedder::{Description, TrainingClasses};
use widemargin_model::weights::{Names, Weights};

/// Most class names in one sentence.
const NAMED: usize = 20;

/// Most bytes of class names in a model file: its header is limited to 100 MB, and the names are escaped twice.
const MOST_NAME_BYTES: usize = 16 << 20;

/// What is known about the classes of the initial weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WeightsClasses {
    /// The weights are random, or of another program.
    None,
    /// The weights are of a model file of this program that does not list its classes.
    Unlisted,
    /// The classes of a model file.
    Listed(TrainingClasses),
}

/// The classes of the configured weights: those that the configuration stored when the run started, otherwise those of the file.
///
/// # Errors
/// If the weights cannot be read.
pub(crate) fn classes(config: &Config) -> Result<WeightsClasses, Error> {
    let m = &config.model;
    if let Some(stored) = &m.weights_classes {
        return Ok(WeightsClasses::Listed(stored.clone()));
    }
    if m.from.is_some() {
        // Its classes were stored, unless their names take too much room.
        return Ok(WeightsClasses::Unlisted);
    }
    // A configuration with a normalisation is of a run that has started, and it would have stored the classes.
    let Some(path) = m.weights.as_ref().filter(|path| path.exists()) else { return Ok(WeightsClasses::None) };
    if Weights::read(path)?.names() != Names::Own {
        return Ok(WeightsClasses::None);
    }
    Ok(Description::read(path)?.classes.map_or(WeightsClasses::Unlisted, WeightsClasses::Listed))
}

/// The classes of the model that made the vectors of a set.
pub(crate) fn of_embeddings(set: &SampleSet) -> WeightsClasses {
    match set.made_by().map(|mark| &mark.classes) {
        None => WeightsClasses::None,
        Some(None) => WeightsClasses::Unlisted,
        Some(Some(listed)) => WeightsClasses::Listed(listed.clone()),
    }
}

/// What was trained before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The weights that it starts from.
    Weights,
    /// The model that made the vectors that it is trained on.
    Embeddings,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Weights => "the loaded weights",
            Self::Embeddings => "the model that made the embeddings",
        }
    }

    fn was(self) -> &'static str {
        match self {
            Self::Weights => "The loaded weights were",
            Self::Embeddings => "The model that made the embeddings was",
        }
    }

    fn unlisted(self) -> &'static str {
        match self {
            Self::Weights => {
                "The loaded weights do not list the classes and samples that they were trained on, so unseen classes and test samples of this \
                 run may be among them."
            }
            Self::Embeddings => {
                "The file of embeddings does not list the classes that its model was trained on, so unseen classes of this run may be among \
                 them."
            }
        }
    }
}

/// A warning if the classes `stored` in a configuration are not those that the file of the weights lists, which are used.
pub(crate) fn other_classes(
    stored: Option<&TrainingClasses>,
    found: Option<&TrainingClasses>,
    path: &Path,
) -> Option<String> {
    let stored = stored?;
    let none = TrainingClasses::default();
    let found = found.unwrap_or(&none);
    let differ = |stored: &[String], found: &[String]| -> Vec<String> {
        let (stored, found) = (as_set(stored), as_set(found));
        let mut names: Vec<String> =
            stored.symmetric_difference(&found).map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let names = union(differ(&stored.trained, &found.trained), differ(&stored.unseen, &found.unseen));
    let names = union(names, differ(&stored.validation, &found.validation));
    (!names.is_empty()).then(|| {
        format!(
            "warning: model.weights_classes of the configuration is not the list of the classes in {}, which is used; the weights were \
             replaced, or the list was edited. Classes that differ: {}.",
            path.display(),
            first_names(&names, NAMED)
        )
    })
}

impl WeightsClasses {
    /// The unseen classes of a run on data with these classes, of which `wanted` should be unseen: those that were unseen before, and if they
    /// are fewer, a draw from the classes that are new to the weights, not those by which they were chosen. `None` if the weights leave no choice of at least two, or have no class
    /// in common with the data; then the classes are drawn as without weights.
    pub(crate) fn unseen(&self, names: &[String], wanted: usize, seed: u64) -> Option<Vec<u32>> {
        let Self::Listed(listed) = self else { return None };
        let (listed, _) = as_in_data(listed, names);
        let (mut used, unseen) = (as_set(&listed.trained), as_set(&listed.unseen));
        used.extend(as_set(&listed.validation));
        if !names.iter().any(|name| used.contains(name.as_str()) || unseen.contains(name.as_str())) {
            return None;
        }
        let classes = || 0..names.len() as u32;
        let name = |class: &u32| names[*class as usize].as_str();
        let mut kept: Vec<u32> = classes().filter(|class| unseen.contains(name(class))).collect();
        let mut new: Vec<u32> =
            classes().filter(|class| !unseen.contains(name(class)) && !used.contains(name(class))).collect();
        Stream::new(seed, Purpose::Split, 0, 0).shuffle(&mut new);
        new.truncate(wanted.saturating_sub(kept.len()));
        kept.extend(new);
        kept.sort_unstable();
        (kept.len() >= 2 && kept.len() + 2 <= names.len()).then_some(kept)
    }

    /// These classes, and those of `other`, as those of one model.
    pub(crate) fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Listed(one), Self::Listed(other)) => Self::Listed(distinct(TrainingClasses {
                data: one.data.clone(),
                trained: union(one.trained.clone(), other.trained.clone()),
                unseen: union(one.unseen.clone(), other.unseen.clone()),
                validation: union(one.validation.clone(), other.validation.clone()),
            })),
            (Self::Listed(_), _) | (_, Self::None) => self.clone(),
            _ => other.clone(),
        }
    }

    /// Warnings, with the names of classes, where a split could not keep trained classes out of the evaluation set or unseen ones unseen.
    pub(crate) fn warnings(&self, names: &[String], split: &OpenSetSplit, of: Origin) -> Vec<String> {
        let listed = match self {
            Self::None => return Vec::new(),
            Self::Unlisted => return vec![of.unlisted().to_owned()],
            Self::Listed(listed) => listed,
        };
        let (listed, alike) = as_in_data(listed, names);
        let (trained, unseen) = (as_set(&listed.trained), as_set(&listed.unseen));
        let both = |classes: &[u32], of: &HashSet<&str>| -> Vec<&str> {
            classes
                .iter()
                .map(|class| names[*class as usize].as_str())
                .filter(|name| of.contains(name))
                .collect()
        };
        let leaked = both(split.unseen(), &trained);
        let chosen = both(split.unseen(), &as_set(&listed.validation));
        let lost = both(split.known(), &unseen);
        let mut warnings = Vec::new();
        if !alike.is_empty() {
            warnings.push(format!(
                "Classes of {} (data {}) whose names look like those of the data are taken for the same classes: {}. Rename those that are \
                 different classes.",
                of.name(),
                listed.data,
                first_names(&alike, NAMED)
            ));
        }
        if !leaked.is_empty() {
            warnings.push(format!(
                "{} trained on {} of the {} unseen classes (data {}), so the results are too good: {}.",
                of.was(),
                leaked.len(),
                split.unseen().len(),
                listed.data,
                first_names(&leaked, NAMED)
            ));
        }
        if !chosen.is_empty() {
            warnings.push(format!(
                "{} chosen by results on {} of the {} unseen classes, which were validation classes (data {}), so the results may be a \
                 little too good: {}.",
                of.was(),
                chosen.len(),
                split.unseen().len(),
                listed.data,
                first_names(&chosen, NAMED)
            ));
        }
        if !lost.is_empty() && of == Origin::Weights {
            warnings.push(format!(
                "This run trains on {} classes that were unseen for the loaded weights (data {}), so it cannot be compared with their \
                 run: {}.",
                lost.len(),
                listed.data,
                first_names(&lost, NAMED)
            ));
        }
        warnings
    }

    /// The classes of a model that is trained with this split from these weights, and chosen with the classes `validation`. `None` if their
    /// names take too much room in a file.
    pub(crate) fn after_training(
        &self,
        data: &str,
        names: &[String],
        split: &OpenSetSplit,
        validation: &[u32],
    ) -> Option<TrainingClasses> {
        let before = match self {
            Self::Listed(listed) => as_in_data(listed, names).0,
            Self::None | Self::Unlisted => TrainingClasses::default(),
        };
        let of =
            |classes: &[u32]| classes.iter().map(|class| names[*class as usize].clone()).collect::<Vec<_>>();
        let all = distinct(TrainingClasses {
            data: data.to_owned(),
            trained: union(before.trained, of(split.known())),
            unseen: union(before.unseen, of(split.unseen())),
            validation: union(before.validation, of(validation)),
        });
        let bytes: usize =
            [&all.trained, &all.unseen, &all.validation].into_iter().flatten().map(String::len).sum();
        (bytes <= MOST_NAME_BYTES).then_some(all)
    }
}

/// The validation classes by which a run with this configuration chooses its model: those of which no sample is trained on, and which are not
/// evaluated at the end. None without evaluation during training.
pub(crate) fn validation_classes(
    config: &Config,
    labels: &[u32],
    parts: &[SplitPart],
    split: &OpenSetSplit,
) -> Vec<u32> {
    if config.training.evaluate_every == 0 {
        return Vec::new();
    }
    let of_part = labels.iter().zip(parts).filter(|(_, part)| **part == SplitPart::Validation);
    let classes: BTreeSet<u32> = of_part
        .map(|(class, _)| *class)
        .filter(|class| split.known_label(*class).is_none() && !split.is_unseen(*class))
        .collect();
    classes.into_iter().collect()
}

/// The same classes, each in one list: a class that was trained on is in no other, and one by which a model was chosen is not unseen.
fn distinct(mut classes: TrainingClasses) -> TrainingClasses {
    let mut used = as_set(&classes.trained);
    classes.validation.retain(|name| !used.contains(name.as_str()));
    used.extend(as_set(&classes.validation));
    classes.unseen.retain(|name| !used.contains(name.as_str()));
    classes
}

/// The classes of the weights under the names that the data has for them, and the pairs of names that are not equal but look the same. Only
/// names without an equal one on the other side are compared by their looks.
fn as_in_data(listed: &TrainingClasses, names: &[String]) -> (TrainingClasses, Vec<String>) {
    let (of_data, mut of_weights) = (as_set(names), as_set(&listed.trained));
    of_weights.extend(as_set(&listed.unseen));
    of_weights.extend(as_set(&listed.validation));
    let mut looks = BTreeMap::<String, Vec<&String>>::new();
    for name in names.iter().filter(|name| !of_weights.contains(name.as_str())) {
        looks.entry(appearance(name)).or_default().push(name);
    }
    if looks.is_empty() {
        return (listed.clone(), Vec::new());
    }
    let mut alike = Vec::new();
    let mut renamed = |list: &[String]| {
        let mut found = Vec::new();
        for name in list {
            let same = if of_data.contains(name.as_str()) { None } else { looks.get(&appearance(name)) };
            let Some(same) = same else {
                found.push(name.clone());
                continue;
            };
            for other in same {
                alike.push(format!("{name:?} = {other:?}"));
                found.push((*other).clone());
            }
        }
        union(Vec::new(), found)
    };
    let [trained, unseen, validation] =
        [&listed.trained, &listed.unseen, &listed.validation].map(|list| renamed(list));
    (distinct(TrainingClasses { data: listed.data.clone(), trained, unseen, validation }), alike)
}

fn as_set(names: &[String]) -> HashSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// The names of both lists, each once, those of the first in front.
fn union(mut all: Vec<String>, more: Vec<String>) -> Vec<String> {
    let mut known: HashSet<String> = all.iter().cloned().collect();
    all.extend(more.into_iter().filter(|name| known.insert(name.clone())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    fn weights() -> WeightsClasses {
        WeightsClasses::Listed(TrainingClasses {
            data: "first".to_owned(),
            trained: names(&["a", "b", "c"]),
            unseen: names(&["x", "y", "z"]),
            validation: Vec::new(),
        })
    }

    #[test]
    fn unseen_classes_stay_unseen_and_trained_ones_are_never_drawn() {
        let unseen = |all: &[&str], wanted, seed| weights().unseen(&names(all), wanted, seed);
        for seed in 0..20 {
            assert_eq!(unseen(&["a", "x", "b", "y", "c", "z"], 2, seed), Some(vec![1, 3, 5]));
            // One is left; the others come from the classes that are new.
            let drawn = unseen(&["a", "b", "c", "x", "m", "n", "o"], 3, seed).expect("enough");
            assert!(
                drawn.len() == 3 && drawn[0] == 3 && drawn[1..].iter().all(|class| *class > 3),
                "{drawn:?}"
            );
        }
        assert_eq!(unseen(&["a", "b", "c", "x"], 3, 1), None, "a single unseen class cannot be evaluated");
        assert_eq!(unseen(&["x", "y", "z"], 2, 1), None, "nothing would be left to train on");
        assert_eq!(unseen(&["m", "n", "o", "p"], 2, 1), None, "other data");
        assert_eq!(WeightsClasses::Unlisted.unseen(&names(&["a", "b"]), 2, 1), None);
    }

    #[test]
    fn what_a_split_breaks_is_said_by_name() {
        let all = names(&["a", "b", "c", "x", "y", "new"]);
        let split = |unseen: &[&str]| OpenSetSplit::by_names(&all, &names(unseen)).expect("known names");
        assert!(weights().warnings(&all, &split(&["x", "y"]), Origin::Weights).is_empty());
        let said = weights().warnings(&all, &split(&["b", "c", "x"]), Origin::Weights);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("trained on 2 of the 3 unseen classes (data first)")
                && said[0].ends_with(": b, c.")
        );
        assert!(
            said[1].contains("trains on 1 classes that were unseen") && said[1].ends_with(": y."),
            "{said:?}"
        );
        assert_eq!(WeightsClasses::Unlisted.warnings(&all, &split(&["x", "y"]), Origin::Weights).len(), 1);
        assert!(WeightsClasses::None.warnings(&all, &split(&["x", "y"]), Origin::Weights).is_empty());
    }

    #[test]
    fn classes_whose_names_only_look_the_same_are_the_same_classes() {
        let weights = WeightsClasses::Listed(TrainingClasses {
            data: "first".to_owned(),
            trained: names(&["c00", "c01", "c02", "Cafe\u{301}"]),
            unseen: names(&["c03", "c04"]),
            validation: Vec::new(),
        });
        let all = names(&["C00", "c1", "C02", "C03", "c4", "caf\u{e9}", "new"]);
        for seed in 0..9 {
            assert_eq!(weights.unseen(&all, 2, seed), Some(vec![3, 4]));
            assert_eq!(weights.unseen(&all, 3, seed), Some(vec![3, 4, 6]), "never one that was trained on");
        }
        let split = OpenSetSplit::by_names(&all, &names(&["c1", "C03"])).expect("known names");
        let said = weights.warnings(&all, &split, Origin::Weights);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains(r#"the same classes: "c00" = "C00", "c01" = "c1""#), "{}", said[0]);
        assert!(said[1].contains("trained on 1 of the 2 unseen classes") && said[1].ends_with(": c1."));
        assert!(said[2].contains("trains on 1 classes that were unseen") && said[2].ends_with(": c4."));
        let after = weights.after_training("second", &all, &split, &[]).expect("short names");
        assert_eq!(after.trained, names(&["C00", "c1", "C02", "caf\u{e9}", "c4", "new"]));
        assert_eq!(after.unseen, names(&["C03"]));
        // Equal names come first: here `c1` is another class than `c01`.
        let all = names(&["c01", "c1", "c03", "c04", "c00"]);
        assert_eq!(weights.unseen(&all, 3, 1), Some(vec![1, 2, 3]));
    }

    #[test]
    fn a_chain_of_runs_remembers_every_class_that_was_trained_on() {
        let all = names(&["a", "x", "y", "new", "newer"]);
        let split = OpenSetSplit::by_names(&all, &names(&["y", "newer"])).expect("known names");
        let found = weights().after_training("second", &all, &split, &[]).expect("short names");
        assert_eq!(found.data, "second");
        assert_eq!(found.trained, names(&["a", "b", "c", "x", "new"]));
        assert_eq!(found.unseen, names(&["y", "z", "newer"]));
        let first = WeightsClasses::None.after_training("first", &all, &split, &[]).expect("short names");
        assert_eq!((first.trained, first.unseen), (names(&["a", "x", "new"]), names(&["y", "newer"])));
    }

    #[test]
    fn classes_by_which_a_model_was_chosen_are_neither_drawn_nor_evaluated_without_a_word() {
        let all = names(&["a", "b", "m", "v", "w", "x", "y"]);
        let split = OpenSetSplit::by_names(&all, &names(&["x", "y"])).expect("known names");
        let split = split.with_known(all.len(), vec![0, 1, 2]).expect("three classes");
        let (labels, parts) = ([0, 3, 4, 3, 5, 1], {
            use SplitPart::{Out, Test, Train, Validation};
            [Train, Validation, Out, Validation, Test, Validation]
        });
        let mut config = Config::default();
        assert!(validation_classes(&config, &labels, &parts, &split).is_empty(), "the part is not used");
        config.training.evaluate_every = 1;
        let chosen = validation_classes(&config, &labels, &parts, &split);
        assert_eq!(chosen, [3], "`w` has no validation sample, and `b` is trained on");
        let model = WeightsClasses::None.after_training("first", &all, &split, &[3, 4]).expect("short names");
        assert_eq!(model.validation, names(&["v", "w"]));
        assert_eq!((&model.trained, &model.unseen), (&names(&["a", "b", "m"]), &names(&["x", "y"])));
        let weights = WeightsClasses::Listed(model);
        let next = names(&["a", "V", "w", "n", "o", "p", "x"]);
        for seed in 0..9 {
            let drawn = weights.unseen(&next, 3, seed).expect("enough");
            assert!(drawn.contains(&6) && !drawn.contains(&1) && !drawn.contains(&2), "{drawn:?}");
        }
        let split = OpenSetSplit::by_names(&next, &names(&["V", "x"])).expect("known names");
        let said = weights.warnings(&next, &split, Origin::Weights);
        assert!(
            said[1].contains("chosen by results on 1 of the 2 unseen classes") && said[1].ends_with(": V."),
            "{said:?}"
        );
        // Trained on afterwards, `w` is like any other class; `V` stays what it was.
        let after = weights.after_training("second", &next, &split, &[]).expect("short names");
        assert_eq!(after.validation, names(&["V"]));
        assert!(after.trained.contains(&"w".to_owned()) && after.unseen == names(&["x", "y"]));
    }

    #[test]
    fn the_classes_of_weights_and_embeddings_are_those_of_one_model() {
        let listed = |trained: &[&str], unseen: &[&str]| {
            let (trained, unseen) = (names(trained), names(unseen));
            WeightsClasses::Listed(TrainingClasses {
                data: "second".to_owned(),
                trained,
                unseen,
                validation: Vec::new(),
            })
        };
        let both = weights().with(&listed(&["x", "c", "d"], &["y", "v"]));
        let expected = listed(&["a", "b", "c", "x", "d"], &["y", "z", "v"]);
        match (both, expected) {
            (WeightsClasses::Listed(both), WeightsClasses::Listed(expected)) => {
                assert_eq!((both.trained, both.unseen), (expected.trained, expected.unseen));
            }
            other => panic!("{other:?}"),
        }
        let none = WeightsClasses::None;
        assert_eq!((weights().with(&none), none.with(&weights())), (weights(), weights()));
        let all = names(&["a", "b", "x", "y"]);
        let split = OpenSetSplit::by_names(&all, &names(&["a", "y"])).expect("known names");
        let said = weights().warnings(&all, &split, Origin::Embeddings);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("The model that made the embeddings was trained on 1 of the 2 unseen"),
            "{said:?}"
        );
    }
}
