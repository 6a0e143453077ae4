//! No split leaks, whatever unit is held out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::decode::ContentDigest;
use crate::{SkippedFiles, SourceKind};

/// (class, group, file, content) of each sample.
fn census(samples: &[(u32, u32, u32, u32)]) -> Census {
    let classes = samples.iter().map(|sample| sample.0 + 1).max().unwrap_or(0);
    let counted = |(number, &(class, group, file, content)): (usize, &(u32, u32, u32, u32))| CensusSample {
        id: format!("s{number}"),
        class: Some(class),
        part: None,
        group: Some(format!("g{group}").into()),
        file,
        content: ContentDigest::of([&content.to_le_bytes()[..]]),
        digest: u64::from(content),
        properties: None,
    };
    Census {
        source: SourceKind::Folder,
        name: "test".to_owned(),
        path: PathBuf::from("test"),
        class_names: (0..classes).map(|class| format!("c{class}")).collect(),
        samples: samples.iter().enumerate().map(counted).collect(),
        files: (0..100).map(|file| format!("f{file}")).collect(),
        shape: None,
        bad: Vec::new(),
        broken: Vec::new(),
        unended: Vec::new(),
        skipped: Vec::new(),
        skipped_files: SkippedFiles::default(),
        notes: Vec::new(),
        ignored: 0,
        other_columns: Vec::new(),
        columns: None,
    }
}

fn options(by: DivideBy, seed: u64) -> DivideOptions {
    DivideOptions { by, share: 0.3, hold_out: 0.2, seed }
}

/// Checks that no name is on both sides; `name` gives the name of each sample.
fn assert_apart<Name: Ord + std::fmt::Debug>(split: &SplitFile, name: impl Fn(usize) -> Name) {
    let side = |expected| -> BTreeSet<Name> {
        let parts = split.samples().iter().enumerate();
        parts.filter(|(_, (_, part))| *part == expected).map(|(sample, _)| name(sample)).collect()
    };
    let (train, test) = (side(SplitPart::Train), side(SplitPart::Test));
    let both: Vec<&Name> = train.intersection(&test).collect();
    assert!(both.is_empty(), "on both sides: {both:?}");
}

proptest! {
    #[test]
    fn nothing_is_on_both_sides(
        samples in prop::collection::vec((0u32..6, 0u32..9, 0u32..5, 0u32..40), 12..80),
        seed: u64,
    ) {
        let mut samples = samples;
        // Every class occurs.
        samples.extend((0..6).map(|class| (class, class, class % 5, 100 + class)));
        let census = census(&samples);
        for by in [DivideBy::Class, DivideBy::Sample, DivideBy::Group, DivideBy::File] {
            let split = match divide(&census, &options(by, seed)) {
                Ok(split) => split,
                // Also splits that no model could be trained and evaluated with.
                Err(
                    Error::Undividable { .. }
                    | Error::TooFewClasses { .. }
                    | Error::NothingToCompare { .. },
                ) => continue,
                Err(other) => panic!("{other}"),
            };
            prop_assert_eq!(split.samples().len(), samples.len());
            assert_apart(&split, |sample| samples[sample].3);
            match by {
                DivideBy::Group => assert_apart(&split, |sample| samples[sample].1),
                DivideBy::File => assert_apart(&split, |sample| samples[sample].2),
                _ => {}
            }
            if by != DivideBy::Class {
                prop_assert_eq!(split.count(SplitPart::Out), 0);
            }
            let again = divide(&census, &options(by, seed)).unwrap();
            prop_assert_eq!(again, split);
        }
    }
}

#[test]
fn classes_are_held_out_whole_and_their_duplicates_left_out() {
    // Ten classes of ten; the first of each class is the same image.
    let samples: Vec<(u32, u32, u32, u32)> =
        (0..100).map(|sample| (sample / 10, 0, 0, if sample % 10 == 0 { 0 } else { sample })).collect();
    let split = divide(&census(&samples), &options(DivideBy::Class, 1)).unwrap();
    let mut parts: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
    for ((class, ..), (_, part)) in samples.iter().zip(split.samples()) {
        *parts.entry(*class).or_default().entry(part.name()).or_default() += 1;
    }
    let unseen: Vec<_> = parts.values().filter(|parts| !parts.contains_key("train")).collect();
    assert_eq!(unseen.len(), 3);
    assert!(unseen.iter().all(|parts| parts["test"] == 10));
    for known in parts.values().filter(|parts| parts.contains_key("train")) {
        assert_eq!(known["out"], 1, "the duplicate of an image of an unseen class: {known:?}");
        assert!(known["test"] >= 1, "{known:?}");
    }
    let seeds: BTreeSet<Vec<&str>> = (0..10)
        .map(|seed| divide(&census(&samples), &options(DivideBy::Class, seed)).unwrap())
        .map(|split| split.samples().iter().map(|(_, part)| part.name()).collect())
        .collect();
    assert!(seeds.len() > 5);
    let whole = DivideOptions { hold_out: 0.0, ..options(DivideBy::Class, 1) };
    assert_eq!(divide(&census(&samples), &whole).unwrap().count(SplitPart::Test), 30);
}

#[test]
fn a_share_of_each_class_and_never_all() {
    let samples: Vec<(u32, u32, u32, u32)> =
        (0..31).map(|sample| (u32::from(sample > 19) + u32::from(sample == 30), 0, 0, sample)).collect();
    let split = divide(&census(&samples), &options(DivideBy::Sample, 7)).unwrap();
    let tests = |class| {
        let of = samples.iter().zip(split.samples()).filter(|((found, ..), _)| *found == class);
        of.filter(|(_, (_, part))| *part == SplitPart::Test).count()
    };
    assert_eq!([0, 1, 2].map(tests), [6, 3, 0]);
}

#[test]
fn the_share_is_that_of_the_held_out_samples_for_every_unit() {
    // Two files of 72 and 24 samples, with eight groups of twelve and eight classes spread evenly.
    let samples: Vec<(u32, u32, u32, u32)> =
        (0..96).map(|sample| (sample % 8, sample / 12, u32::from(sample >= 72), sample)).collect();
    let held_out = |by, share, seed| {
        let options = DivideOptions { by, share, hold_out: 0.0, seed };
        divide(&census(&samples), &options).unwrap().count(SplitPart::Test)
    };
    for seed in 0..20 {
        for (by, share, expected) in [
            (DivideBy::File, 0.2, 24),
            (DivideBy::File, 0.4, 24),
            (DivideBy::File, 0.8, 72),
            (DivideBy::Group, 0.2, 24),
            (DivideBy::Group, 0.75, 72),
            (DivideBy::Class, 0.25, 24),
            (DivideBy::Class, 0.75, 72),
            (DivideBy::Sample, 0.25, 24),
            (DivideBy::Sample, 0.75, 72),
        ] {
            assert_eq!(held_out(by, share, seed), expected, "{by:?} {share} {seed}");
        }
    }
}

#[test]
fn single_samples_are_trained_on_and_empty_classes_ignored() {
    // Four classes of ten samples, twenty of one, and between them a class without samples.
    let single = |class| (class, class, 0, 1000 + class);
    let samples: Vec<(u32, u32, u32, u32)> =
        (0..40).map(|sample| (sample / 10, 0, 0, sample)).chain((5..25).map(single)).collect();
    let of_single =
        |split: &SplitFile, part| split.samples()[40..].iter().filter(|(_, found)| *found == part).count();
    let split = divide(&census(&samples), &options(DivideBy::Sample, 3)).unwrap();
    assert_eq!(of_single(&split, SplitPart::Train), 20);
    let known = |seed| {
        let split = divide(&census(&samples), &options(DivideBy::Class, seed))?;
        let parts: Vec<SplitPart> = split.samples().iter().map(|(_, part)| *part).collect();
        let labels: Vec<u32> = samples.iter().map(|sample| sample.0).collect();
        let split = OpenSetSplit::of_parts(25, labels.iter().zip(&parts)).unwrap();
        Ok::<_, Error>((split.known().len(), split.unseen().len()))
    };
    // 7 of the 24 classes are unseen, if at least one of these has two samples.
    let drawn: Vec<_> = (0..40).map(known).collect();
    assert!(drawn.iter().all(|drawn| matches!(drawn, Ok((17, 7)) | Err(Error::NothingToCompare { .. }))));
    assert!(drawn.iter().any(Result::is_ok) && drawn.iter().any(Result::is_err));
}

#[test]
fn a_split_that_cannot_be_trained_or_evaluated_is_rejected() {
    // One image per class is held out.
    let pairs: Vec<(u32, u32, u32, u32)> = (0..12).map(|sample| (sample / 2, 0, 0, sample)).collect();
    let error = divide(&census(&pairs), &options(DivideBy::Sample, 0)).unwrap_err();
    assert!(matches!(error, Error::NothingToCompare { samples: 6, classes: 6, .. }), "{error}");
    assert!(error.to_string().contains(": the evaluation set has 6 samples"), "{error}");
    // Two folders of one class each: one class is not enough to train on.
    let folders: Vec<(u32, u32, u32, u32)> =
        (0..12).map(|sample| (sample / 6, 0, sample / 6, sample)).collect();
    let error = divide(&census(&folders), &options(DivideBy::File, 0)).unwrap_err();
    assert!(matches!(error, Error::TooFewClasses { known: 1, .. }), "{error}");
}

#[test]
fn sets_that_cannot_be_split_are_rejected() {
    let one_group: Vec<(u32, u32, u32, u32)> = (0..9).map(|sample| (sample % 3, 0, sample, sample)).collect();
    let rejected = |census: &Census, by| divide(census, &options(by, 0)).unwrap_err().to_string();
    assert!(rejected(&census(&one_group), DivideBy::Group).contains("only one group"));
    let chain: Vec<(u32, u32, u32, u32)> = (0..9).map(|sample| (sample % 3, sample, sample, 5)).collect();
    assert!(rejected(&census(&chain), DivideBy::File).contains("duplicates connect"));
    let mut ungrouped = census(&one_group);
    ungrouped.samples[4].group = None;
    assert!(rejected(&ungrouped, DivideBy::Group).contains("data with groups"));
    ungrouped.samples[2].class = None;
    assert!(rejected(&ungrouped, DivideBy::File).contains("1 of 9 samples has no class, the first is s2"));
    let few: Vec<(u32, u32, u32, u32)> = (0..9).map(|sample| (sample % 3, 0, 0, sample)).collect();
    assert!(matches!(divide(&census(&few), &options(DivideBy::Class, 0)), Err(Error::TooFewClasses { .. })));
    for (share, hold_out) in [(0.0, 0.2), (1.0, 0.2), (f64::NAN, 0.2), (0.2, 1.0), (0.2, -0.1)] {
        let options = DivideOptions { share, hold_out, ..options(DivideBy::Sample, 0) };
        assert!(matches!(divide(&census(&few), &options), Err(Error::Setting { .. })));
    }
}
