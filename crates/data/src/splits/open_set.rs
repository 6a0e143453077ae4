//! Known and unseen classes: a model is trained on the known classes and evaluated on the unseen ones.
//!
//! A metric-learning model should be able to compare samples of classes that it was not trained on. Only unseen classes can show whether it
//! does.

use serde::{Deserialize, Serialize};

use crate::{Error, Labelled, Part, Result};
use widemargin_chance::{Purpose, Stream};
use widemargin_tables::first_names;

/// Fewest known classes, and fewest unseen ones.
const LEAST: usize = 2;
/// Smallest Jaro-Winkler similarity at which another name is suggested.
const NEAR: f64 = 0.7;
/// How many classes an error names.
const NAMED: usize = 5;

/// Which classes are known and which are unseen.
///
/// Classes have the numbers of the set. A known class also has a *dense* label: its position among the known classes in ascending order,
/// which is the row of its centre in the head. A class can be neither, if a split file leaves out all its samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSetSplit {
    known: Vec<u32>,
    unseen: Vec<u32>,
}

impl OpenSetSplit {
    /// A split with `unseen_count` unseen classes, drawn with `seed`.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] unless at least 2 classes are unseen and at least 2 known.
    pub fn by_seed(class_names: &[String], unseen_count: usize, seed: u64) -> Result<Self> {
        let mut classes: Vec<u32> = (0..class_names.len() as u32).collect();
        Stream::new(seed, Purpose::Split, 0, 0).shuffle(&mut classes);
        let unseen = classes[..unseen_count.min(classes.len())].to_vec();
        Self::open(class_names.len(), unseen_count, unseen)
    }

    /// A split in which the named classes are unseen. Case matters only if two names differ in nothing else; a repeated name counts once.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] with the most similar name, [`Error::TooFewClasses`].
    pub fn by_names(class_names: &[String], unseen: &[String]) -> Result<Self> {
        let classes = unseen.iter().map(|name| find(class_names, name)).collect::<Result<Vec<u32>>>()?;
        Self::by_classes(class_names, classes)
    }

    /// A split in which these classes are unseen, by their numbers.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`].
    pub fn by_classes(class_names: &[String], mut unseen: Vec<u32>) -> Result<Self> {
        unseen.sort_unstable();
        unseen.dedup();
        Self::open(class_names.len(), unseen.len(), unseen)
    }

    /// Unseen classes drawn with `seed`, in ascending order: those that are not `trained`, and others until there are `count`. A class that is
    /// not `evaluable` is not drawn, because nothing could be measured on it.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] unless at least 2 classes are unseen and at least 2 known.
    pub(crate) fn drawn(trained: &[bool], evaluable: &[bool], count: usize, seed: u64) -> Result<Vec<u32>> {
        let mut classes: Vec<u32> = (0..trained.len() as u32).collect();
        Stream::new(seed, Purpose::Split, 0, 0).shuffle(&mut classes);
        // Stable, so that without untrained classes it is the draw of `by_seed`.
        classes.sort_by_key(|class| trained[*class as usize]);
        classes.retain(|class| evaluable[*class as usize]);
        let untrained = classes.iter().filter(|class| !trained[**class as usize]).count();
        let count = count.max(untrained).min(classes.len());
        classes.truncate(count);
        Ok(Self::open(trained.len(), count, classes)?.unseen)
    }

    /// A closed set: every class is known.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] with fewer than 2 classes.
    pub fn closed(class_names: &[String]) -> Result<Self> {
        let classes = class_names.len();
        if classes < LEAST {
            return Err(too_few(classes, classes, 0));
        }
        Ok(Self { known: (0..classes as u32).collect(), unseen: Vec::new() })
    }

    /// A split of these classes; a closed set if fewer than two are unseen.
    pub(crate) fn of_classes(classes: usize, known: Vec<u32>, unseen: Vec<u32>) -> Result<Self> {
        if known.len() < LEAST {
            return Err(too_few(classes, known.len(), unseen.len()));
        }
        let unseen = if unseen.len() < LEAST { Vec::new() } else { unseen };
        Ok(Self { known, unseen })
    }

    fn open(classes: usize, unseen_count: usize, mut unseen: Vec<u32>) -> Result<Self> {
        let known_count = classes.saturating_sub(unseen_count);
        if unseen_count < LEAST || known_count < LEAST {
            return Err(too_few(classes, known_count, unseen_count));
        }
        unseen.sort_unstable();
        let known = (0..classes as u32).filter(|class| unseen.binary_search(class).is_err()).collect();
        Ok(Self { known, unseen })
    }

    /// The known classes, in ascending order.
    pub fn known(&self) -> &[u32] {
        &self.known
    }

    /// The unseen classes, in ascending order; empty for a closed set.
    pub fn unseen(&self) -> &[u32] {
        &self.unseen
    }

    /// The class with this name; see [`by_names`](Self::by_names).
    pub(crate) fn class_named(class_names: &[String], name: &str) -> Result<u32> {
        find(class_names, name)
    }

    /// Whether a class is unseen.
    pub fn is_unseen(&self, class: u32) -> bool {
        self.unseen.binary_search(&class).is_ok()
    }

    /// The same split with only these of its known classes; the others are neither known nor unseen.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] with fewer than 2 known classes.
    pub fn with_known(&self, classes: usize, mut known: Vec<u32>) -> Result<Self> {
        known.retain(|class| self.known_label(*class).is_some());
        known.sort_unstable();
        known.dedup();
        Self::of_classes(classes, known, self.unseen.clone())
    }

    /// Whether no class is unseen.
    pub fn is_closed(&self) -> bool {
        self.unseen.is_empty()
    }

    /// The dense label of a known class; `None` for any other class.
    pub fn known_label(&self, class: u32) -> Option<u32> {
        self.known.binary_search(&class).ok().map(|position| position as u32)
    }

    /// Whether the held-out samples of a class belong to the evaluation set: those of unseen classes, or of known classes in a closed set.
    pub fn is_evaluated(&self, class: u32) -> bool {
        let side = if self.is_closed() { &self.known } else { &self.unseen };
        side.binary_search(&class).is_ok()
    }

    /// Samples of known classes in one part of a set, in ascending order.
    pub fn known_samples(&self, set: &impl Labelled, part: Part) -> Vec<u32> {
        samples(set, part, &self.known)
    }

    /// Samples of unseen classes in one part of a set, in ascending order.
    pub fn unseen_samples(&self, set: &impl Labelled, part: Part) -> Vec<u32> {
        samples(set, part, &self.unseen)
    }
}

/// The error for a split with too few classes; callers that know the name of the data add it.
fn too_few(classes: usize, known: usize, unseen: usize) -> Error {
    Error::TooFewClasses { data: String::new(), classes, known, unseen }
}

/// Checks that an evaluation set, given as the class of each sample, has two samples of one class and samples of two classes.
///
/// Further classes may have a single sample: it counts as a wrong match for the others.
///
/// # Errors
/// [`Error::NothingToCompare`].
pub fn require_comparable(classes: impl IntoIterator<Item = u32>) -> Result<()> {
    let mut counts = std::collections::BTreeMap::<u32, usize>::new();
    for class in classes {
        *counts.entry(class).or_default() += 1;
    }
    if counts.len() >= 2 && counts.values().any(|count| *count >= 2) {
        return Ok(());
    }
    Err(Error::NothingToCompare {
        data: String::new(),
        samples: counts.values().sum(),
        classes: counts.len(),
    })
}

fn samples(set: &impl Labelled, part: Part, classes: &[u32]) -> Vec<u32> {
    let chosen = |(sample, label): (usize, &u32)| {
        (set.part(sample) == part && classes.binary_search(label).is_ok()).then_some(sample as u32)
    };
    set.labels().iter().enumerate().filter_map(chosen).collect()
}

fn find(class_names: &[String], name: &str) -> Result<u32> {
    let exact = class_names.iter().position(|known| known == name);
    let name = name.trim();
    let lower = name.to_lowercase();
    // Upper and lower case do not matter if they leave one class.
    let mut alike = (0..class_names.len()).filter(|at| class_names[*at].to_lowercase() == lower);
    let only = alike.next().filter(|_| alike.next().is_none());
    let position = exact.or_else(|| class_names.iter().position(|known| known == name)).or(only);
    position.map(|position| position as u32).ok_or_else(|| {
        let nearest = class_names
            .iter()
            .map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &lower), known))
            .filter(|(similarity, _)| *similarity >= NEAR)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let suggestion = with_comma(class_names, &lower).or(nearest.map(|(_, known)| known));
        let classes = first_names(class_names, NAMED);
        Error::UnknownClass { name: name.to_owned(), suggestion: suggestion.cloned(), classes }
    })
}

/// A class whose name has a comma and, before or after one, `piece`: the command line separates names by commas. `piece` is in lower case.
fn with_comma<'a>(class_names: &'a [String], piece: &str) -> Option<&'a String> {
    let has = |name: &&String| name.split(',').any(|part| part.trim().to_lowercase() == piece);
    class_names.iter().filter(|name| name.contains(',')).find(has)
}

/// A class whose name is that of two `chosen` ones in a row with a comma between them: the name could have been meant.
pub(crate) fn joined_by_comma<'a>(class_names: &'a [String], chosen: &[String]) -> Option<&'a String> {
    let joined = |name: &&String| {
        let pieces: Vec<&str> = name.split(',').map(str::trim).collect();
        let is = |names: &[String]| names.iter().zip(&pieces).all(|(name, piece)| name.trim() == *piece);
        pieces.len() > 1 && !chosen.contains(name) && chosen.windows(pieces.len()).any(is)
    };
    class_names.iter().find(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FASHION_MNIST_CLASSES;
    use proptest::prelude::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("class {number}")).collect()
    }

    fn fashion() -> Vec<String> {
        FASHION_MNIST_CLASSES.map(str::to_owned).to_vec()
    }

    #[test]
    fn by_names_finds_and_suggests() {
        let split =
            OpenSetSplit::by_names(&fashion(), &["bag".into(), "Ankle boot".into(), "BAG".into()]).unwrap();
        assert_eq!(split.unseen(), [8, 9]);
        assert_eq!(split.known().len(), 8);
        let unknown = |name: &str| match OpenSetSplit::by_names(&fashion(), &[name.into()]) {
            Err(Error::UnknownClass { suggestion, .. }) => suggestion,
            other => panic!("{other:?}"),
        };
        assert_eq!(unknown("ancle boots").as_deref(), Some("Ankle boot"));
        assert_eq!(unknown("t-shirt").as_deref(), Some("T-shirt/top"));
        assert_eq!(unknown("xqz"), None);
        let said = OpenSetSplit::by_names(&fashion(), &["xqz".into()]).unwrap_err().to_string();
        assert!(
            said.ends_with(
                "no class \"xqz\"; its classes are T-shirt/top, Trouser, Pullover, Dress, Coat and 5 more"
            ),
            "{said}"
        );
        let error = OpenSetSplit::by_names(&fashion(), &["Snaeker".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unseen classes: the data has no class \"Snaeker\"; did you mean \"Sneaker\"?"
        );
    }

    #[test]
    fn names_with_commas_are_suggested_for_their_pieces() {
        let names: Vec<String> = ["Bag, red", "Bag, blue", "Coat", "Boot"].map(str::to_owned).to_vec();
        let said = OpenSetSplit::by_names(&names, &["bag".into(), " blue".into()]).unwrap_err().to_string();
        assert!(
            said.contains("no class \"bag\"; did you mean \"Bag, red\"? Names are separated by commas"),
            "{said}"
        );
        assert!(said.contains("unseen_classes = [\"Bag, red\"]"), "{said}");
        let split = OpenSetSplit::by_names(&names, &["Bag, red".into(), "Coat".into()]).unwrap();
        assert_eq!(split.unseen(), [0, 2]);
        let of = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|name| (*name).to_owned()).collect();
            joined_by_comma(&["a".into(), "b".into(), "a,b".into()], &chosen).cloned()
        };
        assert_eq!(of(&["c", "a", " b"]).as_deref(), Some("a,b"));
        assert_eq!((of(&["b", "a"]), of(&["a"]), of(&["a,b"])), (None, None, None));
    }

    #[test]
    fn an_exact_name_wins_over_one_that_differs_in_case() {
        let names: Vec<String> = ["a", "A", "b", "c", " a"].map(str::to_owned).to_vec();
        let split = OpenSetSplit::by_names(&names, &["A".into(), "b ".into()]).unwrap();
        assert_eq!(split.unseen(), [1, 2]);
        let split = OpenSetSplit::by_names(&names, &[" a".into(), "c".into()]).unwrap();
        assert_eq!(split.unseen(), [3, 4]);
        let names: Vec<String> = ["cat", "Cat", "b", "c"].map(str::to_owned).to_vec();
        let error = OpenSetSplit::by_names(&names, &["CAT".into(), "b".into()]).unwrap_err();
        assert!(matches!(error, Error::UnknownClass { suggestion: Some(_), .. }), "{error}");
    }

    #[test]
    fn too_few_on_a_side() {
        for (classes, unseen) in [(10, 0), (10, 1), (10, 9), (10, 10), (10, 11), (3, 2), (0, 0)] {
            let result = OpenSetSplit::by_seed(&names(classes), unseen, 1);
            assert!(matches!(result, Err(Error::TooFewClasses { .. })), "{classes} {unseen}");
        }
        let error = OpenSetSplit::closed(&names(1)).unwrap_err();
        assert!(error.to_string().starts_with("1 known"), "{error}");
        let named = error.of_data("cars").to_string();
        assert!(
            named.starts_with("cars: 1 known and 0 unseen of 1 class;") && named.contains("--closed-set"),
            "{named}"
        );
        assert!(OpenSetSplit::closed(&names(2)).unwrap().is_closed());
    }

    #[test]
    fn evaluation_needs_a_pair_of_one_class_and_one_of_two() {
        require_comparable([3, 1, 3, 2]).unwrap();
        for (classes, counts) in
            [(&[][..], (0, 0)), (&[5], (1, 1)), (&[5, 5, 5], (3, 1)), (&[1, 2, 3], (3, 3))]
        {
            match require_comparable(classes.iter().copied()) {
                Err(Error::NothingToCompare { samples, classes, .. }) => {
                    assert_eq!((samples, classes), counts);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn unseen_classes_are_evaluated_or_known_ones_in_a_closed_set() {
        let evaluated =
            |split: &OpenSetSplit| (0..4).filter(|class| split.is_evaluated(*class)).collect::<Vec<_>>();
        assert_eq!(evaluated(&OpenSetSplit::closed(&names(4)).unwrap()), [0, 1, 2, 3]);
        let open = OpenSetSplit::by_names(&names(4), &["class 1".into(), "class 2".into()]).unwrap();
        assert_eq!(evaluated(&open), [1, 2]);
    }

    #[test]
    fn samples_of_a_set_with_parts() {
        let set = crate::testing::clothing();
        let split = OpenSetSplit::by_seed(set.class_names(), 3, 7).unwrap();
        let known = split.known_samples(&set, Part::Train);
        assert_eq!(known.len(), 7 * 60);
        assert!(known.iter().all(|sample| split.known_label(set.labels()[*sample as usize]).is_some()));
        assert_eq!(split.unseen_samples(&set, Part::Test).len(), 3 * 20);
    }

    proptest! {
        #[test]
        fn sides_are_disjoint_complete_and_dense(classes in 4usize..60, seed: u64, share in 0.0f64..1.0) {
            let unseen = 2 + ((classes - 4) as f64 * share) as usize;
            let split = OpenSetSplit::by_seed(&names(classes), unseen, seed).unwrap();
            prop_assert_eq!(split.unseen().len(), unseen);
            let mut all = [split.known(), split.unseen()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..classes as u32).collect::<Vec<_>>());
            for (position, class) in split.known().iter().enumerate() {
                prop_assert_eq!(split.known_label(*class), Some(position as u32));
            }
            for class in split.unseen() {
                prop_assert_eq!(split.known_label(*class), None);
            }
            prop_assert_eq!(&split, &OpenSetSplit::by_seed(&names(classes), unseen, seed).unwrap());
        }
    }

    #[test]
    fn seeds_differ() {
        let unseen: std::collections::BTreeSet<Vec<u32>> = (0..20)
            .map(|seed| OpenSetSplit::by_seed(&names(10), 3, seed).unwrap().unseen().to_vec())
            .collect();
        assert!(unseen.len() > 10, "{unseen:?}");
    }
}
