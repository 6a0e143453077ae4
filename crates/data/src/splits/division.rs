//! Divides a set into samples to train on and samples to evaluate on: which classes are known, which are unseen, which are neither.
//!
//! A known class has at least one training sample. If the data marks its parts and some classes occur only in the test part, these are the
//! unseen classes, as in CUB-200, Stanford Online Products or Market-1501. Unseen classes are drawn only if the data does not define them.

use std::path::Path;

use crate::catalogue::{name_variants, named};
use crate::splits::open_set::OpenSetSplit;
use crate::splits::split_file::{SplitFile, SplitPart};
use crate::words::plural;
use crate::{Error, Labelled, Part, Result, SampleSet};

/// Share of the classes that are unseen by default, and the fewest.
const SHARE: f64 = 0.2;
const FEWEST: usize = 3;
/// Fewest classes on either side of a split.
const LEAST: usize = 2;

/// Which classes are to be unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnseenClasses {
    /// Those that the data defines; if it defines none, 20 % of the classes, at least 3.
    Default,
    /// So many, drawn at random. An error if the data defines its unseen classes.
    Count(usize),
    /// Those with these names.
    Named(Vec<String>),
    /// Those with these numbers, in ascending order.
    Numbered(Vec<u32>),
    /// None: a closed set.
    None,
}

/// A set divided into training samples and evaluation samples.
#[derive(Debug, Clone)]
pub struct Division {
    /// Known and unseen classes. A class can be neither.
    pub classes: OpenSetSplit,
    /// What each sample is used for.
    pub parts: Vec<SplitPart>,
    /// Whether unseen classes were drawn at random.
    pub drawn: bool,
    /// What a reader of the results must know, as whole sentences.
    pub warnings: Vec<String>,
}

impl Division {
    /// Divides a set by its own parts; `seed` draws the unseen classes.
    ///
    /// Parts that the data marks are kept: a training sample of an unseen class is left out. If parts were drawn, every sample of an unseen
    /// class is in the evaluation set. A class without training samples that is not unseen is left out, with a warning.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] unless at least 2 classes are known and, except in a closed set, at least 2 unseen; [`Error::UnknownClass`]
    /// for a name that is not a class; [`Error::Setting`] for a count although the data defines its unseen classes.
    pub fn new(set: &SampleSet, unseen: &UnseenClasses, seed: u64) -> Result<Self> {
        let names = set.class_names();
        let mut trained = vec![false; names.len()];
        for (sample, class) in set.labels().iter().enumerate() {
            trained[*class as usize] |= set.part(sample) == Part::Train;
        }
        let untrained: Vec<u32> = classes_where(&trained, |trained| !trained);
        let defined = set.parts_are_marked() && untrained.len() >= LEAST;
        let mut drawn = false;
        let unseen: Vec<u32> = match unseen {
            UnseenClasses::None => Vec::new(),
            UnseenClasses::Numbered(chosen) => chosen.clone(),
            UnseenClasses::Named(chosen) => OpenSetSplit::by_names(names, chosen)?.unseen().to_vec(),
            UnseenClasses::Count(count) if defined => {
                let expected = format!(
                    "no number: the data defines the unseen classes, the {} without a training sample ({})",
                    untrained.len(),
                    named(&untrained, names)
                );
                return Err(Error::setting("the number of unseen classes", count, expected));
            }
            UnseenClasses::Default if defined => untrained.clone(),
            UnseenClasses::Default => {
                drawn = true;
                OpenSetSplit::drawn(&trained, default_count(names.len()), seed)?
            }
            UnseenClasses::Count(count) => {
                drawn = true;
                OpenSetSplit::drawn(&trained, *count, seed)?
            }
        };
        let is_unseen = |class: &u32| unseen.binary_search(class).is_ok();
        let known: Vec<u32> = classes_where(&trained, |trained| *trained)
            .into_iter()
            .filter(|class| !is_unseen(class))
            .collect();
        let left_out: Vec<u32> = untrained.iter().copied().filter(|class| !is_unseen(class)).collect();
        let classes = OpenSetSplit::of_classes(names.len(), known, unseen)?;
        let part = |(sample, class): (usize, &u32)| {
            if classes.known_label(*class).is_some() {
                set.part(sample).into()
            } else if !classes.is_unseen(*class) || (set.parts_are_given() && set.part(sample) == Part::Train)
            {
                SplitPart::Out
            } else {
                SplitPart::Test
            }
        };
        let mut parts: Vec<SplitPart> = set.labels().iter().enumerate().map(part).collect();
        let mut warnings = warnings_about_classes(set, set.parts_are_marked().then_some(&trained));
        if let [class] = untrained.as_slice()
            && drawn
        {
            let class = &names[*class as usize];
            warnings
                .push(format!("The class {class} has no training sample; it is one of the unseen classes."));
        }
        warnings.extend(left_out_warning(&left_out, names));
        if !set.parts_are_given() {
            warnings.extend(leave_out_copies(set, &classes, &mut parts));
        }
        warnings.extend(leak_warning(set, &parts));
        Ok(Self { classes, parts, drawn, warnings })
    }

    /// Divides a set as a split file says. Classes with held-out samples and no training samples are unseen; if there are fewer than two,
    /// the set is closed.
    ///
    /// # Errors
    /// Those of [`SplitFile::read`] and [`SplitFile::parts_of`]; [`Error::TooFewClasses`] with fewer than 2 known classes.
    pub fn by_file(set: &SampleSet, path: &Path) -> Result<Self> {
        let mut parts = SplitFile::read(path)?.parts_of(set, path)?;
        let names = set.class_names();
        let classes = OpenSetSplit::by_parts(set, &parts)?;
        let (mut trained, mut held_out) = (vec![false; names.len()], vec![false; names.len()]);
        for (class, part) in set.labels().iter().zip(&parts) {
            trained[*class as usize] |= *part == SplitPart::Train;
            held_out[*class as usize] |= *part == SplitPart::Test;
        }
        let left_out: Vec<u32> = classes_where(&held_out, |held_out| *held_out)
            .into_iter()
            .filter(|class| classes.known_label(*class).is_none() && !classes.is_unseen(*class))
            .collect();
        for (class, part) in set.labels().iter().zip(&mut parts) {
            if left_out.contains(class) {
                *part = SplitPart::Out;
            }
        }
        let mut warnings = warnings_about_classes(set, None);
        warnings.extend(left_out_warning(&left_out, names));
        warnings.extend(leak_warning(set, &parts));
        Ok(Self { classes, parts, drawn: false, warnings })
    }
}

/// The default number of unseen classes: 20 %, at least 3, but two known classes remain.
fn default_count(classes: usize) -> usize {
    let share = (classes as f64 * SHARE).round() as usize;
    share.max(FEWEST).min(classes.saturating_sub(LEAST))
}

/// The classes with a property, in ascending order.
fn classes_where(properties: &[bool], has: impl Fn(&bool) -> bool) -> Vec<u32> {
    (0..).zip(properties).filter(|(_, property)| has(property)).map(|(class, _)| class).collect()
}

fn left_out_warning(left_out: &[u32], names: &[String]) -> Option<String> {
    (!left_out.is_empty()).then(|| {
        format!(
            "{} no training sample, so {} cannot be known; their samples are left out: {}.",
            plural(left_out.len(), "class has", "classes have"),
            if left_out.len() == 1 { "it" } else { "they" },
            named(left_out, names)
        )
    })
}

/// Leaves out samples of known classes that are duplicates of samples of unseen classes, as `data split` does; with a sentence about them.
fn leave_out_copies(set: &SampleSet, classes: &OpenSetSplit, parts: &mut [SplitPart]) -> Option<String> {
    let is_unseen = |sample: &u32| classes.is_unseen(set.labels()[*sample as usize]);
    let mut left_out: Vec<u32> = Vec::new();
    for copies in set.copies().iter().filter(|copies| copies.iter().any(is_unseen)) {
        left_out.extend(copies.iter().filter(|copy| !is_unseen(copy)));
    }
    for sample in &left_out {
        parts[*sample as usize] = SplitPart::Out;
    }
    let first = set.sample_id(*left_out.first()? as usize);
    let unit = set.kind();
    Some(format!(
        "Left out {} of the {unit} of known classes, because they are duplicates of {unit} of unseen classes; the first is {first}.",
        left_out.len()
    ))
}

/// A sentence about held-out samples that have duplicates among the training samples.
fn leak_warning(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let (mut leaks, mut first) = (0, None);
    for copies in set.copies() {
        let in_part = |part| copies.iter().filter(move |copy| parts[**copy as usize] == part);
        if let (Some(trained), Some(held_out)) =
            (in_part(SplitPart::Train).next(), in_part(SplitPart::Test).next())
        {
            leaks += in_part(SplitPart::Test).count();
            first.get_or_insert((*trained, *held_out));
        }
    }
    let (trained, held_out) = first?;
    let (unit, of) = (set.kind(), parts.iter().filter(|part| **part == SplitPart::Test).count());
    Some(format!(
        "{leaks} of {of} held-out {unit} are duplicates of training {unit}, so the results are better than they should be; the first is {} = {}. \
         `data split` makes a split without them.",
        set.sample_id(held_out as usize),
        set.sample_id(trained as usize)
    ))
}

/// Class names that look like the same name, and classes in one part only although most are in both. `trained` says which classes have
/// training samples, if the data marks its parts.
fn warnings_about_classes(set: &SampleSet, trained: Option<&Vec<bool>>) -> Vec<String> {
    let names = set.class_names();
    let mut warnings: Vec<String> = name_variants(names)
        .into_iter()
        .map(|variants| {
            let variants: Vec<String> = variants.iter().map(|name| format!("{name:?}")).collect();
            format!(
                "Class names that differ only in case or spaces are different classes: {}.",
                variants.join(", ")
            )
        })
        .collect();
    let Some(trained) = trained else { return warnings };
    let mut tested = vec![false; names.len()];
    for (sample, class) in set.labels().iter().enumerate() {
        tested[*class as usize] |= set.part(sample) == Part::Test;
    }
    let both = trained.iter().zip(&tested).filter(|(trained, tested)| **trained && **tested).count();
    if both * 2 <= names.len() {
        return warnings;
    }
    for (here, there, part) in [(&tested, trained, Part::Test), (trained, &tested, Part::Train)] {
        let only: Vec<bool> = here.iter().zip(there).map(|(here, there)| *here && !*there).collect();
        let only = classes_where(&only, |only| *only);
        if !only.is_empty() {
            warnings.push(format!(
                "Most classes occur in both parts, but {} only in `{}`: {}.",
                only.len(),
                part.name(),
                named(&only, names)
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    use crate::testing::put;
    use crate::{OpenOptions, SampleSet};

    /// A table with these classes and parts; the value of a row is its number.
    fn table(rows: &[(&str, &str)]) -> SampleSet {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let mut text = "id,label,split,x\n".to_owned();
        for (row, (class, part)) in rows.iter().enumerate() {
            writeln!(text, "r{row},{class},{part},{}", row + 1).unwrap();
        }
        put(&path, text.as_bytes());
        SampleSet::open(&path, None, &OpenOptions::default()).unwrap()
    }

    fn names(set: &SampleSet, classes: &[u32]) -> String {
        classes.iter().map(|class| set.class_names()[*class as usize].as_str()).collect::<Vec<_>>().join(" ")
    }

    fn both(classes: &[&'static str]) -> Vec<(&'static str, &'static str)> {
        classes.iter().flat_map(|class| [(*class, "train"), (*class, "test"), (*class, "train")]).collect()
    }

    #[test]
    fn classes_that_occur_only_in_the_test_part_are_unseen_for_any_seed() {
        let rows: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f"]
            .into_iter()
            .flat_map(|class| [(class, "train"), (class, "train")])
            .chain(["x", "y"].into_iter().flat_map(|class| [(class, "val"), (class, "test")]))
            .collect();
        let set = table(&rows);
        for seed in 0..5 {
            let found = Division::new(&set, &UnseenClasses::Default, seed).unwrap();
            assert_eq!(names(&set, found.classes.unseen()), "x y");
            assert_eq!(names(&set, found.classes.known()), "a b c d e f");
            assert!(!found.drawn && found.warnings.is_empty(), "{:?}", found.warnings);
            assert_eq!(found.parts.iter().filter(|part| **part == SplitPart::Train).count(), 12);
        }
        let said = Division::new(&set, &UnseenClasses::Count(3), 0).unwrap_err().to_string();
        assert!(
            said.contains("is 3; expected no number")
                && said.contains("2 without")
                && said.contains("\"x\", \"y\""),
            "{said}"
        );
        let closed = Division::new(&set, &UnseenClasses::None, 0).unwrap();
        assert_eq!((closed.classes.known().len(), closed.classes.is_closed()), (6, true));
        assert!(closed.warnings[0].contains("2 classes have no training sample"), "{:?}", closed.warnings);
        assert!(closed.parts[12..].iter().all(|part| *part == SplitPart::Out));
        let named = Division::new(&set, &UnseenClasses::Named(vec!["x".into(), "a".into()]), 0).unwrap();
        assert_eq!(
            (names(&set, named.classes.known()), names(&set, named.classes.unseen())),
            ("b c d e f".to_owned(), "a x".to_owned())
        );
        assert_eq!(named.parts[0], SplitPart::Out, "a training sample of an unseen class");
        assert!(
            named.warnings[0].contains("1 class has no training sample")
                && named.warnings[0].ends_with(": \"y\".")
        );
    }

    #[test]
    fn other_data_gets_drawn_unseen_classes() {
        let set = table(&both(&["a", "b", "c", "d", "e", "f", "g"]));
        let seen: std::collections::BTreeSet<String> = (0..9)
            .map(|seed| {
                let found = Division::new(&set, &UnseenClasses::Default, seed).unwrap();
                assert!(found.drawn && found.classes.unseen().len() == 3 && found.classes.known().len() == 4);
                names(&set, found.classes.unseen())
            })
            .collect();
        assert!(seen.len() > 3, "{seen:?}");
        // A single class without training samples does not define the unseen classes, but it is one of them.
        let mut rows = both(&["a", "b", "c", "d", "e", "f", "g"]);
        rows.extend([("h", "test"), ("h", "test")]);
        let set = table(&rows);
        for seed in 0..9 {
            let found = Division::new(&set, &UnseenClasses::Default, seed).unwrap();
            assert!(found.drawn && names(&set, found.classes.unseen()).ends_with('h'));
            assert_eq!(found.classes.unseen().len(), 3);
            assert!(found.warnings.iter().any(|text| text.contains("The class h has no training sample")));
        }
        assert_eq!(Division::new(&set, &UnseenClasses::Count(2), 0).unwrap().classes.unseen().len(), 2);
        assert!(Division::new(&set, &UnseenClasses::Count(7), 0).is_err());
    }

    #[test]
    fn a_fifth_of_the_classes_and_at_least_three() {
        for (classes, expected) in [(4, 2), (5, 3), (10, 3), (17, 3), (18, 4), (100, 20), (1000, 200)] {
            assert_eq!(default_count(classes), expected, "{classes}");
        }
    }

    #[test]
    fn names_that_differ_in_case_and_classes_in_one_part_are_reported() {
        let rows: Vec<(&str, &str)> = ["Cat", "dog", "bird", "fish", "cow"]
            .into_iter()
            .map(|class| (class, "train"))
            .chain(["cat", "Dog", "bird", "fish", "cow"].into_iter().map(|class| (class, "test")))
            .chain(["ant", "bee", "fly"].into_iter().flat_map(|class| [(class, "train"), (class, "test")]))
            .collect();
        let set = table(&rows);
        let found = Division::new(&set, &UnseenClasses::None, 0).unwrap();
        assert_eq!(names(&set, found.classes.known()), "Cat ant bee bird cow dog fish fly");
        let all = found.warnings.join("\n");
        for expected in [
            "different classes: \"Cat\", \"cat\"",
            "different classes: \"Dog\", \"dog\"",
            "2 only in `test`: \"Dog\", \"cat\"",
            "2 only in `train`: \"Cat\", \"dog\"",
            "left out: \"Dog\", \"cat\"",
        ] {
            assert!(all.contains(expected), "{expected}: {all}");
        }
    }

    /// A table without marks: rows with the same value are duplicates.
    fn unmarked(rows: &[(&str, u32)]) -> SampleSet {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let lines = rows.iter().map(|(class, value)| format!("{class},{value}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        put(&path, format!("label,x\n{lines}").as_bytes());
        SampleSet::open(&path, None, &OpenOptions::default()).unwrap()
    }

    #[test]
    fn duplicates_are_on_one_side_of_a_drawn_split() {
        let classes = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let rows: Vec<(&str, u32)> = (0..8_u32)
            .flat_map(|class| (0..16).map(move |row| (classes[class as usize], 1 + class * 4 + row / 4)))
            .collect();
        let set = unmarked(&rows);
        for seed in 0..5 {
            let found = Division::new(&set, &UnseenClasses::Default, seed).unwrap();
            let mut sides = std::collections::BTreeMap::<u32, std::collections::BTreeSet<&str>>::new();
            for ((_, value), part) in rows.iter().zip(&found.parts) {
                sides.entry(*value).or_default().insert(part.name());
            }
            assert!(sides.values().all(|sides| sides.len() == 1), "{sides:?}");
            assert_eq!(found.parts.iter().filter(|part| **part == SplitPart::Test).count(), 5 * 4 + 3 * 16);
            assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        }
    }

    #[test]
    fn duplicates_of_unseen_classes_are_not_trained_on() {
        // One value occurs in every class.
        let rows: Vec<(&str, u32)> = (0..6_u32)
            .flat_map(|class| {
                let name = ["a", "b", "c", "d", "e", "f"][class as usize];
                (0..5).map(move |row| (name, if row == 0 { 1 } else { 2 + class * 5 + row }))
            })
            .collect();
        let set = unmarked(&rows);
        let found = Division::new(&set, &UnseenClasses::Default, 3).unwrap();
        let of = |part| {
            let shared =
                rows.iter().zip(&found.parts).filter(|((_, value), found)| *value == 1 && **found == part);
            shared.count()
        };
        assert_eq!((of(SplitPart::Train), of(SplitPart::Test), of(SplitPart::Out)), (0, 3, 3));
        assert!(
            found.warnings[0].starts_with("Left out 3 of the vectors of known classes"),
            "{:?}",
            found.warnings
        );
    }

    #[test]
    fn duplicates_across_given_parts_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let mut text = "id,label,split,x\n".to_owned();
        for (row, (class, part, value)) in [
            ("a", "train", 1),
            ("a", "test", 1),
            ("a", "test", 1),
            ("a", "test", 2),
            ("b", "train", 3),
            ("b", "test", 3),
        ]
        .iter()
        .enumerate()
        {
            writeln!(text, "r{row},{class},{part},{value}").unwrap();
        }
        put(&path, text.as_bytes());
        let set = SampleSet::open(&path, None, &OpenOptions::default()).unwrap();
        let found = Division::new(&set, &UnseenClasses::None, 0).unwrap();
        let said = &found.warnings[0];
        assert!(said.starts_with("3 of 4 held-out vectors are duplicates of training vectors"), "{said}");
        assert!(said.contains("r1 = r0"), "{said}");
    }

    #[test]
    fn a_split_file_with_one_class_of_held_out_samples_leaves_it_out() {
        let set = table(&both(&["a", "b", "c"]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.csv");
        let parts = ["train", "test", "train", "train", "test", "train", "test", "test", "test"];
        let lines = parts.iter().enumerate().map(|(row, part)| format!("r{row},{part}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        put(&path, format!("sample,part\n{lines}").as_bytes());
        let found = Division::by_file(&set, &path).unwrap();
        assert!(found.classes.is_closed() && names(&set, found.classes.known()) == "a b");
        assert!(found.parts[6..].iter().all(|part| *part == SplitPart::Out));
        assert!(found.warnings[0].ends_with("left out: \"c\"."), "{:?}", found.warnings);
    }
}
