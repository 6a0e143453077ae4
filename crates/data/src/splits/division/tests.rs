//! Tests of how sets are divided.

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
        .chain(["x", "y"].into_iter().flat_map(|class| [(class, "test"), (class, "test")]))
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
    let set = table(&[&rows[..], &[("a", "test")]].concat());
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
        r#"different classes: "Cat" = "cat", "Dog" = "dog"."#,
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
        let [said] = &found.warnings[..] else { panic!("{:?}", found.warnings) };
        assert!(
            said.starts_with("36 of 48 vectors of the evaluation set are duplicates of others in it"),
            "{said}"
        );
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
        found.warnings[1].starts_with("Left out 3 of the vectors of known classes"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn a_class_that_loses_its_training_samples_is_not_known() {
    // The samples of c are those of x, which is unseen.
    let rows: Vec<(&str, u32)> = ["a", "b", "c", "x", "y"]
        .into_iter()
        .zip([10, 20, 30, 30, 40])
        .flat_map(|(class, first)| (0..5).map(move |row| (class, first + row)))
        .collect();
    let set = unmarked(&rows);
    let chosen = |names: &[&str]| UnseenClasses::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let found = Division::new(&set, &chosen(&["x", "y"]), 0).unwrap();
    assert_eq!(
        (names(&set, found.classes.known()), names(&set, found.classes.unseen())),
        ("a b".to_owned(), "x y".to_owned())
    );
    assert!(found.parts[10..15].iter().all(|part| *part == SplitPart::Out));
    let said = found.warnings.join("\n");
    assert!(
        said.contains("classes that would be known, because 1 class has no training vectors: \"c\"."),
        "{said}"
    );
    let error = Division::new(&set, &chosen(&["x", "y", "b"]), 0).unwrap_err().to_string();
    assert!(
        error.contains("known classes is 1; expected at least 2; 1 class has no training vectors: \"c\""),
        "{error}"
    );
}

#[test]
fn an_unseen_class_has_a_held_out_sample() {
    let mut rows = both(&["a", "b", "c", "d"]);
    rows.extend(["e", "f", "g"].into_iter().flat_map(|class| [(class, "train"), (class, "train")]));
    let set = table(&rows);
    for seed in 0..9 {
        let found = Division::new(&set, &UnseenClasses::Default, seed).unwrap();
        let unseen = names(&set, found.classes.unseen());
        assert!(unseen.len() == 5 && !unseen.contains(['e', 'f', 'g']), "{unseen}");
    }
    let error = Division::new(&set, &UnseenClasses::Count(5), 0).unwrap_err().to_string();
    assert!(error.contains("is 5; expected at most 4, because 3 classes have no held-out sample"), "{error}");
    let named = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Division::new(&set, &UnseenClasses::Named(names), 0)
    };
    let found = named(&["a", "b", "e"]).unwrap();
    assert_eq!(names(&set, found.classes.unseen()), "a b");
    assert_eq!(names(&set, found.classes.known()), "c d f g");
    let said = found.warnings.join("\n");
    assert!(said.contains("would be unseen, because 1 class has no held-out vectors: \"e\"."), "{said}");
    let error = named(&["a", "e"]).unwrap_err().to_string();
    assert!(error.contains("unseen classes is 1; expected at least 2; 1 class has"), "{error}");
}

#[test]
fn groups_do_not_change_a_number_of_unseen_classes_and_what_they_leave_out_is_counted() {
    // One group for each class: a held-out class has no training sample.
    let classes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let rows: Vec<[&str; 3]> = classes.into_iter().flat_map(|class| [[class, "", class]; 4]).collect();
    let set = grouped(&rows);
    let held_out: std::collections::BTreeSet<u32> = set
        .labels()
        .iter()
        .enumerate()
        .filter(|(sample, _)| set.part(*sample) == Part::Test)
        .map(|(_, class)| *class)
        .collect();
    assert!(held_out.len() >= 2, "a fifth of 12 groups");
    let error = Division::new(&set, &UnseenClasses::Count(held_out.len() - 1), 0).unwrap_err().to_string();
    assert!(error.contains(&format!("expected at least {}, because", held_out.len())), "{error}");
    // Two groups in each class: held-out groups are of some classes only, and the unseen ones are among these.
    let half = |class: &'static str| {
        let other: &'static str = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"]
            [classes.iter().position(|name| *name == class).unwrap_or(0)];
        [[class, "", class], [class, "", class], [class, "", other], [class, "", other]]
    };
    let rows: Vec<[&str; 3]> = classes.into_iter().flat_map(half).collect();
    let set = grouped(&rows);
    for seed in 0..5 {
        let found = Division::new(&set, &UnseenClasses::Count(2), seed).unwrap();
        for class in found.classes.unseen() {
            let mut samples = set.labels().iter().zip(&found.parts);
            assert!(samples.any(|(of, part)| of == class && *part == SplitPart::Test));
        }
        let said = found.warnings.join("\n");
        assert!(!said.contains("Left out") && said.contains("4 of 12 genuine pairs"), "{said}");
        let evaluated = set
            .labels()
            .iter()
            .zip(&found.parts)
            .filter(|(class, part)| found.classes.is_unseen(**class) && **part == SplitPart::Test);
        assert_eq!(evaluated.count(), 8, "whole groups of unseen classes");
    }
}

#[test]
fn groups_of_known_and_unseen_classes_stay_in_the_part_that_was_drawn() {
    let rows: Vec<[&str; 3]> = ["a", "b", "c", "d", "e", "f"]
        .into_iter()
        .flat_map(|class| ["g", "h", "i", "j", "k"].map(|group| [class, "", group]))
        .collect();
    let set = grouped(&rows);
    let found = Division::new(&set, &UnseenClasses::Count(2), 1).unwrap();
    let said = found.warnings.join("\n");
    assert!(
        said.contains("Left out 8 of 10 vectors of unseen classes, because their groups, which also have")
            && !said.contains("genuine pairs"),
        "{said}"
    );
}

#[test]
fn a_group_without_a_name_is_reported() {
    let set = grouped(&[["a", "", "none"], ["b", "", "none"], ["a", "", "g"], ["b", "", "g"]]);
    let said = Division::new(&set, &UnseenClasses::None, 0).unwrap().warnings.join("\n");
    assert!(said.contains("may mean no group are groups like the others: \"none\"."), "{said}");
}

#[test]
fn duplicates_of_several_classes_are_named() {
    let rows: Vec<(&str, u32)> = (0..8_u32)
        .flat_map(|class| {
            let name = ["a", "b", "c", "d", "e", "f", "g", "h"][class as usize];
            (0..9).map(move |row| (name, if row < 2 { 1 + class / 2 } else { 10 + class * 9 + row }))
        })
        .collect();
    let found = Division::new(&unmarked(&rows), &UnseenClasses::None, 0).unwrap();
    let said = found.warnings.iter().find(|text| text.contains("different classes")).unwrap();
    assert!(said.starts_with("4 groups of duplicate vectors have different classes, so at least one label is wrong in each: row 0 = row 1 = row 9 = ... (\"a\", \"b\"); "), "{said}");
    assert!(said.ends_with("; and 1 more."), "{said}");
}

/// A table with groups, whose last column is a number.
fn grouped(rows: &[[&str; 3]]) -> SampleSet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let lines = rows
        .iter()
        .zip(1..)
        .map(|([class, split, group], value)| format!("{class},{split},{group},{value}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    let header = if rows[0][1].is_empty() { "label,unnamed,group,x" } else { "label,split,group,x" };
    let text = format!("{header}\n{lines}").replace(",unnamed", "");
    let text = if rows[0][1].is_empty() { text.replace(",,", ",") } else { text };
    put(&path, text.as_bytes());
    SampleSet::open(&path, None, &OpenOptions::default()).unwrap()
}

#[test]
fn groups_that_leak_or_cannot_be_held_out_are_reported() {
    let given = [["a", "train", "g1"], ["a", "test", "g1"], ["b", "train", "g2"], ["b", "test", "g3"]];
    let found = Division::new(&grouped(&given), &UnseenClasses::None, 0).unwrap();
    assert!(
        found
            .warnings
            .iter()
            .any(|text| text.starts_with("1 of 3 groups have both") && text.ends_with("\"g1\".")),
        "{:?}",
        found.warnings
    );
    let one = grouped(&[["a", "", "g"], ["b", "", "g"], ["a", "", "g"], ["b", "", "g"]]);
    let said = Division::new(&one, &UnseenClasses::None, 0).unwrap_err().to_string();
    assert!(said.contains("t: nothing can be held out, because there is only one group"), "{said}");
    let two = grouped(&[["a", "", "g"], ["b", "", "g"], ["a", "", "G"], ["b", "", "G"]]);
    let found = Division::new(&two, &UnseenClasses::None, 0).unwrap();
    assert!(
        found
            .warnings
            .iter()
            .any(|text| text
                .contains("50 % of the vectors are held out instead of 20 %, because each group")),
        "{:?}",
        found.warnings
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|text| text.contains("Names of groups that look the same") && text.contains(r#""g" = "G""#)),
        "{:?}",
        found.warnings
    );
}

#[test]
fn a_name_in_another_case_is_reported() {
    let set = table(&both(&["Cat", "dog", "bird", "fish"]));
    let named = |names: &[&str]| UnseenClasses::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let found = Division::new(&set, &named(&["CAT", " dog"]), 0).unwrap();
    let said = "Unseen classes in another case than in the data: \"CAT\" is read as \"Cat\".";
    assert_eq!(found.warnings[0], said);
    let exact = Division::new(&set, &named(&["Cat", "dog"]), 0).unwrap();
    assert!(!exact.warnings.iter().any(|warning| warning.contains("another case")), "{:?}", exact.warnings);
}

#[test]
fn a_class_without_a_usable_image_cannot_be_unseen() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b", "c", "d"] {
        for (number, colour) in (0_u8..60).zip([class.as_bytes()[0]; 60]) {
            let image = crate::testing::image(image::ImageFormat::Png, 3, 2, [number, colour, 0]);
            put(folder.path().join(format!("{class}/{number}.png")), &image);
        }
    }
    put(folder.path().join("bad/1.png"), b"no image");
    put(folder.path().join("empty/1.heic"), b"");
    let options = OpenOptions { height: 2, width: 3, ..OpenOptions::default() };
    let set = SampleSet::open(folder.path(), None, &options).unwrap();
    for class in ["bad", "Empty"] {
        let unseen = UnseenClasses::Named(vec!["a".to_owned(), class.to_owned()]);
        let said = Division::new(&set, &unseen, 0).unwrap_err().to_string();
        assert!(said.contains(&format!("the class {class:?} of the data has no usable image")), "{said}");
    }
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

#[test]
fn training_samples_of_classes_that_were_drawn_as_unseen_are_counted() {
    let classes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let set = table(&both(&classes));
    let found = Division::new(&set, &UnseenClasses::Default, 0).unwrap();
    assert_eq!(found.classes.unseen().len(), 3);
    let said = "Left out 6 of 20 vectors that the data marks as `train`, because their 3 classes were drawn as unseen ones. To train on all \
                classes and evaluate on the part `test`, use --closed-set.";
    assert!(found.warnings.iter().any(|warning| warning == said), "{:?}", found.warnings);
    let named = Division::new(&set, &UnseenClasses::Named(vec!["a".into(), "b".into()]), 0).unwrap();
    assert!(
        named.warnings.iter().any(|warning| warning.contains("Left out 4 of 20 vectors")),
        "{:?}",
        named.warnings
    );
    let closed = Division::new(&set, &UnseenClasses::None, 0).unwrap();
    assert!(!closed.warnings.iter().any(|warning| warning.contains("Left out")), "{:?}", closed.warnings);
}

#[test]
fn a_class_name_with_a_comma_that_two_unseen_classes_make_is_told() {
    let names = ["red", "blue", "red, blue", "c", "d"];
    let rows: Vec<(&str, &str)> = both(&names);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut text = "label,x\n".to_owned();
    for (row, (class, _)) in rows.iter().enumerate() {
        writeln!(text, "\"{class}\",{}", row + 1).unwrap();
    }
    put(&path, text.as_bytes());
    let set = SampleSet::open(&path, None, &OpenOptions::default()).unwrap();
    let told = |chosen: &[&str]| {
        let chosen = chosen.iter().map(|name| (*name).to_owned()).collect();
        let found = Division::new(&set, &UnseenClasses::Named(chosen), 0).unwrap();
        found.warnings.iter().any(|warning| warning.contains("\"red, blue\" is read as several classes"))
    };
    assert!(told(&["red", " blue"]));
    assert!(!told(&["red", "c"]) && !told(&["red, blue", "c"]));
}

#[test]
fn test_classes_with_the_names_of_training_classes_and_an_addition_are_reported() {
    let classes = ["owl", "gull", "tern"].map(|class| [format!("{class}_train"), format!("{class}_test")]);
    let rows = classes.iter().flat_map(|[train, test]| {
        [
            (train.as_str(), "train"),
            (train.as_str(), "train"),
            (test.as_str(), "test"),
            (test.as_str(), "test"),
        ]
    });
    let set = table(&rows.collect::<Vec<_>>());
    let found = Division::new(&set, &UnseenClasses::Default, 0).unwrap();
    assert_eq!(found.classes.unseen().len(), 3);
    assert!(
        found.warnings[0].contains("3 of 3 classes of `test` have the name of a class of `train`"),
        "{found:?}"
    );
}
