//! Divides a set into samples to train on and samples to evaluate on: which classes are known, which are unseen, which are neither.
//!
//! A known class has at least one training sample, and an unseen class at least one held-out sample. If the data marks its parts and some classes occur only in the test part, these are the
//! unseen classes, as in CUB-200, Stanford Online Products or Market-1501. Unseen classes are drawn only if the data does not define them.

use std::path::Path;

use widemargin_tables::first_names;

use crate::catalogue::named;
use crate::look_alike::{escaped, look_alikes, no_classes};
use crate::splits::open_set::OpenSetSplit;
use crate::splits::split_file::{SplitFile, SplitPart};
use crate::words::plural;
use crate::{Error, Labelled, Part, Result, SampleSet};

/// Share of the classes that are unseen by default, and the fewest.
const SHARE: f64 = 0.2;
const FEWEST: usize = 3;
/// Fewest classes on either side of a split.
const LEAST: usize = 2;

/// What errors call the setting.
const NUMBER_UNSEEN: &str = "the number of unseen classes";

/// How many groups of names that look the same a sentence has.
const GROUPS_NAMED: usize = 10;

/// How many groups of duplicates, and how many samples of each, a sentence has.
const CONFLICTS_NAMED: usize = 3;
const COPIES_NAMED: usize = 3;

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
    /// class is in the evaluation set. A class without training samples that is not unseen is left out, with a warning, and so is an unseen
    /// class without held-out samples.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] unless at least 2 classes are known and, except in a closed set, at least 2 unseen; [`Error::UnknownClass`]
    /// for a name that is not a class; [`Error::Setting`] for a count although the data defines its unseen classes, for one that the parts of
    /// the data do not allow, and for too few classes with samples for their use.
    pub fn new(set: &SampleSet, unseen: &UnseenClasses, seed: u64) -> Result<Self> {
        Self::divided(set, unseen, seed).map_err(|error| error.of_data(set.name()))
    }

    fn divided(set: &SampleSet, unseen: &UnseenClasses, seed: u64) -> Result<Self> {
        let names = set.class_names();
        let (mut trained, mut evaluable) = (vec![false; names.len()], vec![false; names.len()]);
        for (sample, class) in set.labels().iter().enumerate() {
            let is_trained = set.part(sample) == Part::Train;
            trained[*class as usize] |= is_trained;
            evaluable[*class as usize] |= !is_trained || !set.parts_are_given();
        }
        let untrained: Vec<u32> = classes_where(&trained, |trained| !trained);
        let only_evaluable: Vec<u32> =
            untrained.iter().copied().filter(|class| evaluable[*class as usize]).collect();
        let defined = set.parts_are_marked() && only_evaluable.len() >= LEAST;
        let (mut drawn, mut warnings) = (false, Vec::new());
        if set.parts_are_given() && !(0..set.len()).any(|sample| set.part(sample) == Part::Test) {
            return Err(Error::OneGroup { data: set.name().to_owned() });
        }
        let unseen: Vec<u32> = match unseen {
            UnseenClasses::None => Vec::new(),
            UnseenClasses::Numbered(chosen) => chosen.clone(),
            UnseenClasses::Named(chosen) => {
                require_usable(set, chosen)?;
                warnings.extend(in_other_case(names, chosen)?);
                OpenSetSplit::by_names(names, chosen)?.unseen().to_vec()
            }
            UnseenClasses::Count(count) if defined => {
                let expected = format!(
                    "no number: the data defines the unseen classes, the {} without a training sample ({})",
                    only_evaluable.len(),
                    named(&only_evaluable, names)
                );
                return Err(Error::setting(NUMBER_UNSEEN, count, expected));
            }
            UnseenClasses::Default if defined => only_evaluable.clone(),
            UnseenClasses::Default => {
                drawn = true;
                OpenSetSplit::drawn(&trained, &evaluable, default_count(names.len()), seed)?
            }
            UnseenClasses::Count(count) => {
                drawn = true;
                require_possible(*count, &only_evaluable, &evaluable, names)?;
                OpenSetSplit::drawn(&trained, &evaluable, *count, seed)?
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
        warnings.extend(warnings_about_classes(set, set.parts_are_marked().then_some(&trained)));
        warnings.extend(set.catalogue().far_off.clone());
        if let [class] = untrained.as_slice()
            && drawn
        {
            let class = &names[*class as usize];
            warnings
                .push(format!("The class {class} has no training sample; it is one of the unseen classes."));
        }
        warnings.extend(left_out_warning(&left_out, names));
        let mut left_out = Vec::new();
        if !set.parts_are_given() {
            left_out.extend(leave_out_copies(set, &classes, &mut parts));
        } else if !set.parts_are_marked() {
            left_out.extend(left_out_with_groups(set, &classes, &parts));
        }
        let (classes, without_samples) = with_samples(set, classes, &mut parts, &left_out)?;
        warnings.extend(left_out);
        warnings.extend(without_samples);
        warnings.extend(warnings_about_samples(set, &classes, &parts));
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
        warnings.extend(warnings_about_samples(set, &classes, &parts));
        Ok(Self { classes, parts, drawn: false, warnings })
    }
}

/// The default number of unseen classes: 20 %, at least 3, but two known classes remain.
fn default_count(classes: usize) -> usize {
    let share = (classes as f64 * SHARE).round() as usize;
    share.max(FEWEST).min(classes.saturating_sub(LEAST))
}

/// Rejects a number of unseen classes that the parts of the data do not allow. A class of `untrained` cannot be known, and a class that is not
/// `evaluable` cannot be unseen.
fn require_possible(count: usize, untrained: &[u32], evaluable: &[bool], names: &[String]) -> Result<()> {
    let possible = evaluable.iter().filter(|evaluable| **evaluable).count();
    let expected = if count < untrained.len() {
        format!(
            "at least {}, because {} no training sample: {}",
            untrained.len(),
            plural(untrained.len(), "class has", "classes have"),
            named(untrained, names)
        )
    } else if count > possible && possible < names.len() {
        let without = classes_where(evaluable, |evaluable| !evaluable);
        format!(
            "at most {possible}, because {} no held-out sample: {}",
            plural(without.len(), "class has", "classes have"),
            named(&without, names)
        )
    } else {
        return Ok(());
    };
    Err(Error::setting(NUMBER_UNSEEN, &count, expected))
}

/// The classes without those that have no sample for their use: known ones without a training sample, such as after duplicates were left out,
/// and unseen ones without a held-out sample. Their samples are left out; with sentences that name them. `left_out`: sentences about what
/// was left out before, for the error if too few classes remain.
fn with_samples(
    set: &SampleSet,
    classes: OpenSetSplit,
    parts: &mut [SplitPart],
    left_out: &[String],
) -> Result<(OpenSetSplit, Vec<String>)> {
    let names = set.class_names();
    let used = |part: SplitPart| {
        let mut used = vec![false; names.len()];
        for (class, found) in set.labels().iter().zip(parts.iter()) {
            used[*class as usize] |= *found == part;
        }
        used
    };
    let (trained, held_out) = (used(SplitPart::Train), used(SplitPart::Test));
    let divided = |classes: &[u32], used: &[bool]| -> (Vec<u32>, Vec<u32>) {
        classes.iter().partition(|class| used[**class as usize])
    };
    let (known, unknown) = divided(classes.known(), &trained);
    let (unseen, unevaluated) = divided(classes.unseen(), &held_out);
    let mut warnings = Vec::new();
    for (dropped, left, use_of, side, least) in [
        (&unknown, &known, "training", "known", LEAST),
        (&unevaluated, &unseen, "held-out", "unseen", if classes.is_closed() { 0 } else { LEAST }),
    ] {
        if dropped.is_empty() {
            continue;
        }
        let dropped = format!(
            "{} no {use_of} {}: {}",
            plural(dropped.len(), "class has", "classes have"),
            set.kind(),
            named(dropped, names)
        );
        if left.len() < least {
            let what = if side == "known" { "the number of known classes" } else { NUMBER_UNSEEN };
            let reasons = [&[dropped][..], left_out].concat().join(". ");
            return Err(Error::setting(what, &left.len(), format!("at least {least}; {reasons}")));
        }
        warnings.push(format!("Left out classes that would be {side}, because {dropped}."));
    }
    if warnings.is_empty() {
        return Ok((classes, warnings));
    }
    for (class, part) in set.labels().iter().zip(parts) {
        if unknown.binary_search(class).is_ok() || unevaluated.binary_search(class).is_ok() {
            *part = SplitPart::Out;
        }
    }
    Ok((OpenSetSplit::of_classes(names.len(), known, unseen)?, warnings))
}

/// A sentence about samples of unseen classes that are left out because their group is in the training part.
fn left_out_with_groups(set: &SampleSet, classes: &OpenSetSplit, parts: &[SplitPart]) -> Option<String> {
    let of_unseen = set.labels().iter().zip(parts).filter(|(class, _)| classes.is_unseen(**class));
    let (mut all, mut left_out) = (0, 0);
    for (_, part) in of_unseen {
        all += 1;
        left_out += usize::from(*part == SplitPart::Out);
    }
    (left_out > 0).then(|| {
        format!(
            "Left out {left_out} of {all} {} of unseen classes, because their groups were drawn into the training part.",
            set.kind()
        )
    })
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

/// Rejects names of classes that the data has, but without a usable sample.
fn require_usable(set: &SampleSet, chosen: &[String]) -> Result<()> {
    let catalogue = set.catalogue();
    let unusable = |name: &&String| {
        let is = |other: &String| other.trim().eq_ignore_ascii_case(name.trim());
        catalogue.unusable.iter().any(is) && !catalogue.class_names.iter().any(is)
    };
    chosen.iter().find(unusable).map_or(Ok(()), |name| Err(Error::UnusableClass { name: name.clone() }))
}

/// A sentence about names of unseen classes that are written in another case than in the data.
fn in_other_case(names: &[String], chosen: &[String]) -> Result<Option<String>> {
    let mut other = Vec::new();
    for name in chosen {
        let found = &names[OpenSetSplit::class_named(names, name)? as usize];
        if found.trim() != name.trim() {
            other.push(format!("{name:?} is read as {found:?}"));
        }
    }
    let sentence =
        || format!("Unseen classes in another case than in the data: {}.", first_names(&other, GROUPS_NAMED));
    Ok((!other.is_empty()).then(sentence))
}

/// Everything to know about duplicates and groups once each sample has its use, as sentences.
fn warnings_about_samples(set: &SampleSet, classes: &OpenSetSplit, parts: &[SplitPart]) -> Vec<String> {
    let groups = group_warning(set, parts);
    [leak_warning(set, parts), conflict_warning(set, parts), repeated_warning(set, classes, parts), groups]
        .into_iter()
        .flatten()
        .collect()
}

/// A sentence about duplicates of different classes among the samples that are used.
fn conflict_warning(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let mut conflicts = Vec::new();
    for copies in set.copies() {
        let used: Vec<u32> =
            copies.iter().copied().filter(|copy| parts[*copy as usize] != SplitPart::Out).collect();
        let mut classes: Vec<u32> = used.iter().map(|copy| set.labels()[*copy as usize]).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() > 1 {
            conflicts.push((used, classes));
        }
    }
    let line = |(samples, classes): &(Vec<u32>, Vec<u32>)| {
        let names = samples.iter().take(COPIES_NAMED).map(|sample| set.sample_id(*sample as usize));
        let more = if samples.len() > COPIES_NAMED { " = ..." } else { "" };
        format!("{}{more} ({})", names.collect::<Vec<_>>().join(" = "), named(classes, set.class_names()))
    };
    let first = conflicts.iter().take(CONFLICTS_NAMED).map(line).collect::<Vec<_>>();
    let more = conflicts.len().saturating_sub(CONFLICTS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!conflicts.is_empty()).then(|| {
        format!(
            "{} of duplicate {} {} different classes, so at least one label is wrong in each: {}{more}.",
            plural(conflicts.len(), "group", "groups"),
            set.kind(),
            if conflicts.len() == 1 { "has" } else { "have" },
            first.join("; ")
        )
    })
}

/// A sentence about duplicates within the evaluation set, which are easily found.
fn repeated_warning(set: &SampleSet, classes: &OpenSetSplit, parts: &[SplitPart]) -> Option<String> {
    let evaluated = |sample: u32| {
        parts[sample as usize] == SplitPart::Test && classes.is_evaluated(set.labels()[sample as usize])
    };
    let (mut repeated, mut first) = (0, None);
    for copies in set.copies() {
        let copies: Vec<u32> = copies.iter().copied().filter(|copy| evaluated(*copy)).collect();
        if let [original, copy, ..] = copies[..] {
            repeated += copies.len() - 1;
            first.get_or_insert((original, copy));
        }
    }
    let (original, copy) = first?;
    let (unit, of) = (set.kind(), (0..set.len() as u32).filter(|sample| evaluated(*sample)).count());
    Some(format!(
        "{repeated} of {of} {unit} of the evaluation set are duplicates of others in it, which makes the results better than they should be; \
         the first is {} = {}.",
        set.sample_id(copy as usize),
        set.sample_id(original as usize)
    ))
}

/// A sentence about groups with training samples and held-out ones, and about names of groups that look the same.
fn group_warning(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let groups = set.catalogue().groups.as_ref()?;
    let mut sides = vec![[false; 2]; groups.names.len()];
    for (group, part) in groups.of.iter().zip(parts) {
        let sides = &mut sides[*group as usize];
        sides[0] |= *part == SplitPart::Train;
        sides[1] |= *part == SplitPart::Test;
    }
    let divided = groups.names.iter().zip(&sides).filter(|(_, sides)| sides[0] && sides[1]);
    let divided: Vec<String> = divided.map(|(name, _)| format!("{name:?}")).collect();
    if !divided.is_empty() {
        return Some(format!(
            "{} of {} groups have both training samples and held-out ones, although the samples of a group belong together: {}.",
            divided.len(),
            groups.names.len(),
            first_names(&divided, GROUPS_NAMED)
        ));
    }
    let alike: Vec<String> = look_alikes(&groups.names).iter().map(|names| escaped(names, " = ")).collect();
    (!alike.is_empty()).then(|| {
        format!(
            "Names of groups that look the same are different groups: {}.",
            first_names(alike, GROUPS_NAMED)
        )
    })
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
    let alike: Vec<String> = look_alikes(names).iter().map(|names| escaped(names, " = ")).collect();
    let mut warnings = Vec::new();
    if !alike.is_empty() {
        let alike = first_names(alike, GROUPS_NAMED);
        warnings.push(format!("Class names that look the same are different classes: {alike}."));
    }
    let doubtful = no_classes(names);
    if !doubtful.is_empty() {
        let doubtful = first_names(doubtful.iter().map(|name| format!("{name:?}")), GROUPS_NAMED);
        warnings
            .push(format!("Classes whose name may mean no class are classes like the others: {doubtful}."));
    }
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
        let chosen =
            |names: &[&str]| UnseenClasses::Named(names.iter().map(|name| (*name).to_owned()).collect());
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
        assert!(
            error.contains("is 5; expected at most 4, because 3 classes have no held-out sample"),
            "{error}"
        );
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
        let error =
            Division::new(&set, &UnseenClasses::Count(held_out.len() - 1), 0).unwrap_err().to_string();
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
            assert!(
                said.contains("Left out 4 of 8 vectors of unseen classes, because their groups"),
                "{said}"
            );
        }
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
                .any(|text| text.contains("Names of groups that look the same")
                    && text.contains(r#""g" = "G""#)),
            "{:?}",
            found.warnings
        );
    }

    #[test]
    fn a_name_in_another_case_is_reported() {
        let set = table(&both(&["Cat", "dog", "bird", "fish"]));
        let named =
            |names: &[&str]| UnseenClasses::Named(names.iter().map(|name| (*name).to_owned()).collect());
        let found = Division::new(&set, &named(&["CAT", " dog"]), 0).unwrap();
        assert_eq!(
            found.warnings,
            ["Unseen classes in another case than in the data: \"CAT\" is read as \"Cat\"."]
        );
        assert!(Division::new(&set, &named(&["Cat", "dog"]), 0).unwrap().warnings.is_empty());
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
}
