//! Divides a set into samples to train on and samples to evaluate on: which classes are known, which are unseen, which are neither.
//!
//! A known class has at least one training sample, and an unseen class at least one held-out sample. If the data marks its parts and some classes occur only in the test part, these are the
//! unseen classes, as in CUB-200, Stanford Online Products or Market-1501. Unseen classes are drawn only if the data does not define them.

use std::path::Path;

use widemargin_tables::first_names;

use crate::catalogue::named;
use crate::counterparts::counterparts;
use crate::look_alike::{escaped, look_alikes, no_classes};
use crate::splits::duplicates::{conflict_warning, leak_warning, leave_out_copies, repeated_warning};
use crate::splits::groups::{DrawnGroups, group_warnings, left_out_with_groups};
use crate::splits::open_set::{OpenSetSplit, joined_by_comma};
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

/// Which classes are to be unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnseenClasses {
    /// Those that the data defines; if it defines none, as many as the set says ([`Labelled::usual_unseen`]), or else 20 % of the classes, at least 3.
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
    /// class is in the evaluation set, unless its group was drawn into the training part and has samples of known classes. A class without training samples that is not unseen is left out, with a warning, and so is an unseen
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
        let drawn_groups = DrawnGroups::of(set);
        let of_one_class = drawn_groups.as_ref().map(|groups| groups.of_one_class(set.labels()));
        let (mut trained, mut evaluable) = (vec![false; names.len()], vec![false; names.len()]);
        let mut validated = vec![false; names.len()];
        for (sample, class) in set.labels().iter().enumerate() {
            validated[*class as usize] |= set.part(sample) == Part::Validation;
            let is_trained = set.part(sample) == Part::Train;
            trained[*class as usize] |= is_trained;
            // A group of unseen classes only can be evaluated, whatever part was drawn for it.
            let is_free = of_one_class.as_ref().map_or(!set.parts_are_given(), |of_one| of_one[sample]);
            evaluable[*class as usize] |= set.part(sample) == Part::Test || is_free;
        }
        // A class in the validation part only is neither known nor unseen.
        let is_untrained = |class: &u32| {
            let class = *class as usize;
            !trained[class] && (evaluable[class] || !validated[class])
        };
        let untrained: Vec<u32> = (0..names.len() as u32).filter(is_untrained).collect();
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
                warnings.extend(joined_by_comma(names, chosen).map(|name| {
                    format!(
                        "Names of unseen classes are separated by commas, so {name:?} is read as several classes. To name this class, list the \
                         names in the configuration (data.unseen_classes)."
                    )
                }));
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
                OpenSetSplit::drawn(
                    &trained,
                    &evaluable,
                    set.usual_unseen().unwrap_or_else(|| {
                        default_count(names.len() - only_validated(&trained, &evaluable, &validated))
                    }),
                    seed,
                )?
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
        let of_unseen =
            drawn_groups.map(|groups| groups.all(|sample| classes.is_unseen(set.labels()[sample])));
        let part = |(sample, class): (usize, &u32)| {
            let is_free = || of_unseen.as_ref().map_or(!set.parts_are_given(), |of_unseen| of_unseen[sample]);
            if classes.known_label(*class).is_some() {
                set.part(sample).into()
            } else if set.part(sample) == Part::Validation {
                if classes.is_unseen(*class) { SplitPart::Out } else { SplitPart::Validation }
            } else if !classes.is_unseen(*class) || (set.part(sample) == Part::Train && !is_free()) {
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
        } else {
            left_out.extend(left_out_of_train(set, &classes, &parts, drawn));
        }
        left_out.extend(left_out_of_validation(set, &parts));
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
        let file = SplitFile::read(path)?;
        let mut parts = file.parts_of(set, path)?;
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
            let of_unseen = classes.is_unseen(*class) && *part == SplitPart::Validation;
            if of_unseen || left_out.contains(class) && *part == SplitPart::Test {
                *part = SplitPart::Out;
            }
        }
        let mut warnings = warnings_about_classes(set, None);
        warnings.extend(file.other_rows(set, path));
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

/// A sentence on the samples that the data marks for training but that are not trained on, because their classes are unseen.
fn left_out_of_train(
    set: &SampleSet,
    classes: &OpenSetSplit,
    parts: &[SplitPart],
    drawn: bool,
) -> Option<String> {
    let marked = |sample: &usize| set.part(*sample) == Part::Train;
    let unseen =
        |sample: &usize| parts[*sample] == SplitPart::Out && classes.is_unseen(set.labels()[*sample]);
    let all = (0..set.len()).filter(marked).count();
    let left_out = (0..set.len()).filter(marked).filter(unseen).count();
    let reason = if drawn { "were drawn as unseen ones" } else { "were named as unseen ones" };
    (left_out > 0).then(|| {
        format!(
            "Left out {left_out} of {all} {} that the data marks as `train`, because their {} classes {reason}. To train on all classes and \
             evaluate on the part `test`, use --closed-set.",
            set.kind(),
            classes.unseen().len()
        )
    })
}

/// How many classes occur in the validation part only.
fn only_validated(trained: &[bool], evaluable: &[bool], validated: &[bool]) -> usize {
    let uses = trained.iter().zip(evaluable).zip(validated);
    uses.filter(|((trained, evaluable), validated)| !**trained && !**evaluable && **validated).count()
}

/// A sentence on the samples of the validation part that are left out, because their classes are unseen.
fn left_out_of_validation(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let marked = (0..set.len()).filter(|sample| set.part(*sample) == Part::Validation);
    let left_out = marked.clone().filter(|sample| parts[*sample] == SplitPart::Out).count();
    (left_out > 0).then(|| {
        format!(
            "Left out {left_out} of {} {} in the part `validation`, because their classes are unseen: a model must not be chosen on the classes on \
             which it is evaluated at the end.",
            marked.count(),
            set.kind()
        )
    })
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
    let duplicates =
        [leak_warning(set, parts), conflict_warning(set, parts), repeated_warning(set, classes, parts)];
    duplicates.into_iter().flatten().chain(group_warnings(set, classes, parts)).collect()
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
    let only = |here: &[bool], there: &[bool]| -> Vec<&str> {
        let uses = here.iter().zip(there).zip(names);
        uses.filter(|((here, there), _)| **here && !**there).map(|(_, name)| name.as_str()).collect()
    };
    warnings.extend(counterparts(&only(trained, &tested), &only(&tested, trained), both));
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
mod tests;
