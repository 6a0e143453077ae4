use std::fmt::Write;

use super::*;
use crate::splits::division::UnseenClasses;
use crate::splits::split_file::SplitFile;
use crate::splits::split_file::SplitPart::{Out, Test, Train, Validation};
use crate::{VectorOptions, VectorSet};

fn set(rows: &[(&str, &str)]) -> SampleSet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let mut text = "label,split,x,y\n".to_owned();
    for (at, (class, part)) in (1..).zip(rows) {
        writeln!(text, "{class},{part},{at},{}", at * at).unwrap();
    }
    crate::testing::put(&path, text.as_bytes());
    VectorSet::open(&path, None, VectorOptions::default()).unwrap().into()
}

/// So many rows per class, without parts.
fn unmarked(classes: u32, each: u32) -> SampleSet {
    let labels: Vec<String> = (0..classes * each).map(|row| format!("{:02}", row % classes)).collect();
    let values = (1..=labels.len() * 2).map(|at| (at * at % 97 + 1) as f32 + at as f32 / 512.0).collect();
    VectorSet::from_rows("rows", values, 2, labels, VectorOptions::default()).unwrap().into()
}

fn draw(share: f64) -> ValidationDraw<'static> {
    ValidationDraw { share, seed: 1, by_file: false, kept: &[] }
}

fn of_class(set: &SampleSet, found: &Division, name: &str) -> Vec<SplitPart> {
    let rows = set.labels().iter().zip(&found.parts);
    rows.filter(|(class, _)| set.class_names()[**class as usize] == name).map(|(_, part)| *part).collect()
}

#[test]
fn whole_classes_are_drawn_that_are_neither_known_nor_unseen() {
    let set = unmarked(20, 4);
    let before = Division::new(&set, &UnseenClasses::Default, 1).unwrap();
    let found = before.clone().with_validation(&set, draw(0.25)).unwrap();
    assert_eq!(found.classes.unseen(), before.classes.unseen(), "the final evaluation is the same");
    assert_eq!((before.classes.known().len(), found.classes.known().len()), (16, 12));
    let mut classes: Vec<u32> =
        found.validation().iter().map(|sample| set.labels()[*sample as usize]).collect();
    assert_eq!(classes.len(), 16, "all samples of four classes");
    classes.dedup();
    assert!(classes.iter().all(|class| !found.classes.is_unseen(*class)));
    assert!(classes.iter().all(|class| found.classes.known_label(*class).is_none()));
    assert!(found.warnings.iter().any(|text| text.contains("only 4 validation classes")));
    let again = before.clone().with_validation(&set, draw(0.25)).unwrap();
    assert_eq!(again.parts, found.parts);
    let other = before.clone().with_validation(&set, ValidationDraw { seed: 2, ..draw(0.25) }).unwrap();
    assert_ne!(other.parts, found.parts);
    let again = found.clone().with_validation(&set, draw(0.9)).unwrap();
    assert_eq!(again.parts, found.parts, "a part that is there is kept");
    let kept: Vec<u32> = classes.clone();
    let without = before.with_validation(&set, ValidationDraw { kept: &kept, ..draw(0.25) }).unwrap();
    assert!(without.validation().iter().all(|sample| !kept.contains(&set.labels()[*sample as usize])));
}

#[test]
fn too_few_known_classes_are_refused_and_two_remain_on_each_side() {
    let set = unmarked(7, 4);
    let of = |unseen| Division::new(&set, &UnseenClasses::Count(unseen), 1).unwrap();
    let found = of(3).with_validation(&set, draw(0.1)).unwrap();
    assert_eq!((found.classes.known().len(), found.validation().len()), (2, 8));
    let said = of(4).with_validation(&set, draw(0.1)).unwrap_err().to_string();
    assert!(said.contains("the number of known classes is 3; expected at least 4"), "{said}");
}

#[test]
fn a_closed_set_draws_samples_of_every_class() {
    let set = unmarked(5, 6);
    let before = Division::new(&set, &UnseenClasses::None, 1).unwrap();
    let found = before.clone().with_validation(&set, draw(0.1)).unwrap();
    assert_eq!(found.classes, before.classes);
    assert_eq!(found.validation().len(), 10, "at least two of the training samples of a class");
    for (before, after) in before.parts.iter().zip(&found.parts) {
        assert!(before == after || (*before, *after) == (SplitPart::Train, SplitPart::Validation));
    }
    for (count, share) in [(3, None), (4, Some(0.5)), (10, Some(0.2)), (40, Some(0.1))] {
        assert_eq!(share_of_class(count, 0.1), share, "{count}");
    }
    let said = before.clone().require_validation(&set).unwrap_err().to_string();
    assert!(
        said.contains("the validation part is 0 of 0 classes; expected two vectors of one class"),
        "{said}"
    );
}

#[test]
fn a_validation_part_of_the_data_is_used_except_for_unseen_classes() {
    let mut rows = Vec::new();
    for class in ["a", "b", "c"] {
        rows.extend([(class, "train"), (class, "train"), (class, "val"), (class, "test")]);
    }
    for class in ["v", "w"] {
        rows.extend([(class, "Validation"), (class, "dev")]);
    }
    for class in ["x", "y"] {
        rows.extend([(class, "test"), (class, "test"), (class, "valid")]);
    }
    let set = set(&rows);
    let found = Division::new(&set, &UnseenClasses::Default, 1).unwrap();
    assert_eq!((found.classes.known().len(), found.classes.unseen().len(), found.drawn), (3, 2, false));
    assert_eq!(of_class(&set, &found, "a"), [Train, Train, Validation, Test]);
    assert_eq!(of_class(&set, &found, "v"), [Validation, Validation]);
    let mut unseen = of_class(&set, &found, "x");
    unseen.sort_by_key(|part| part.name());
    assert_eq!(unseen, [Out, Test, Test]);
    let said = found.warnings.join(" ");
    assert!(
        said.contains("Left out 2 of 9 vectors in the part `validation`, because their classes are unseen"),
        "{said}"
    );
    assert!(!said.contains("no training sample"), "{said}");
    found.require_validation(&set).unwrap();
    // The same from a split file of these parts.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("split.csv");
    let named = (0..set.len()).map(|sample| (set.sample_id(sample), found.parts[sample]));
    SplitFile::new("", named).write(&path).unwrap();
    let by_file = Division::by_file(&set, &path).unwrap();
    assert_eq!((&by_file.classes, &by_file.parts), (&found.classes, &found.parts));
    // A class of the training part has its marked test samples left out if it is drawn.
    let plain: Vec<(&str, &str)> =
        rows.into_iter().filter(|(_, part)| ["train", "test"].contains(part)).collect();
    let more = ["d", "e"].into_iter().flat_map(|class| [(class, "train"), (class, "train"), (class, "test")]);
    let set = self::set(&plain.into_iter().chain(more).collect::<Vec<_>>());
    let drawn = Division::new(&set, &UnseenClasses::Default, 1).unwrap();
    let drawn = drawn.with_validation(&set, draw(0.1)).unwrap();
    assert_eq!((drawn.classes.known().len(), drawn.validation().len()), (2, 6), "only training samples");
}

#[test]
fn without_a_test_part_val_is_the_test_part() {
    let rows: Vec<(&str, &str)> =
        ["a", "b", "c", "d"].into_iter().flat_map(|class| [(class, "train"), (class, "val")]).collect();
    let found = Division::new(&set(&rows), &UnseenClasses::None, 1).unwrap();
    assert_eq!(found.parts.iter().filter(|part| **part == SplitPart::Test).count(), 4);
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = folder.path().join("split.csv");
        crate::testing::put(&path, text.as_bytes());
        let file = SplitFile::read(&path).unwrap();
        file.samples().iter().map(|(_, part)| part.name()).collect::<Vec<_>>()
    };
    assert_eq!(read("sample,part\na,train\nb,val\nc,out\n"), ["train", "test", "out"]);
    assert_eq!(read("sample,part\na,train\nb,val\nc,test\n"), ["train", "validation", "test"]);
}
