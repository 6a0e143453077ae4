//! Draws the held-out samples of data that does not mark them.

use std::collections::BTreeMap;

use widemargin_chance::{Purpose, Stream};

/// The drawings that `train` uses, for evaluation and for validation, and the one that `data split` uses: different streams of random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drawing {
    Train = 0,
    SplitFile = 2,
    Validation = 3,
}

/// Holds out a share of each class: at least one sample and not all; none of a class with a single sample.
///
/// `classes` are the classes of the samples; a sample without one is not held out. Samples with the same content, listed in `copies`, stay
/// together and count for the class of the first.
pub(crate) fn by_class(
    classes: impl Iterator<Item = Option<u32>>,
    copies: &[Vec<u32>],
    share: f64,
    (seed, drawing): (u64, Drawing),
) -> Vec<bool> {
    let classes: Vec<Option<u32>> = classes.collect();
    let drawable = |sample: &u32| classes[*sample as usize].is_some();
    // The first sample represents its copies.
    let (mut follows, mut members) = (vec![false; classes.len()], BTreeMap::<u32, Vec<u32>>::new());
    for group in copies {
        let group: Vec<u32> = group.iter().copied().filter(drawable).collect();
        for copy in group.iter().skip(1) {
            follows[*copy as usize] = true;
        }
        if let Some(first) = group.first().copied() {
            members.insert(first, group);
        }
    }
    let mut leaders = BTreeMap::<u32, Vec<u32>>::new();
    for (sample, class) in (0..).zip(&classes) {
        if let Some(class) = class.filter(|_| !follows[sample as usize]) {
            leaders.entry(class).or_default().push(sample);
        }
    }
    let mut test = vec![false; classes.len()];
    for (class, mut leaders) in leaders {
        Stream::new(seed, Purpose::HoldOut, u64::from(class), drawing as u64).shuffle(&mut leaders);
        let size = |leader: &u32| members.get(leader).map_or(1, Vec::len);
        let all: usize = leaders.iter().map(size).sum();
        let goal = (all as f64 * share).round().max(1.0) as usize;
        let mut taken = 0;
        for leader in leaders.iter().take(leaders.len().saturating_sub(1)) {
            if taken >= goal {
                break;
            }
            taken += size(leader);
            match members.get(leader) {
                Some(copies) => copies.iter().for_each(|copy| test[*copy as usize] = true),
                None => test[*leader as usize] = true,
            }
        }
    }
    test
}

/// Difference from the share to hold out that is reported.
const FAR_OFF: f64 = 0.05;

/// Factor between the share to hold out and that held out that is reported, however small the difference.
const FAR_OFF_FACTOR: f64 = 2.0;

/// Why a share of each class cannot always be met.
const WHOLE_SAMPLES: &str =
    "each class holds out a whole number of them: at least one, but not all, and not the only one";

/// A sentence without a full stop, if the share `found` of the `unit` was held out and not about `expected`, because of `why`.
pub fn share_far_off(found: f64, expected: f64, unit: &str, why: &str) -> Option<String> {
    let far = (found - expected).abs() > FAR_OFF
        || found > FAR_OFF_FACTOR * expected
        || expected > FAR_OFF_FACTOR * found;
    far.then(|| {
        format!(
            "{} of the {unit} are held out instead of {}, because {why}",
            percent(found),
            percent(expected)
        )
    })
}

/// A share in percent, with a decimal if it is small.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let tenths = format!("{percent:.1}");
    if percent < 9.5 && !tenths.ends_with(".0") { format!("{tenths} %") } else { format!("{percent:.0} %") }
}

/// A sentence without a full stop, if the held-out part is much larger or smaller than `share` of the samples of all classes: because
/// duplicates stay together, or because classes are small. `unit` is what the samples are called.
pub fn class_share_far_off(
    test: &[bool],
    labels: &[u32],
    has_copies: bool,
    (share, unit): (f64, &str),
) -> Option<String> {
    let mut counts = BTreeMap::<u32, usize>::new();
    for label in labels {
        *counts.entry(*label).or_default() += 1;
    }
    let of_class = |count: &usize| match *count {
        1 => 0,
        count => ((count as f64 * share).round() as usize).clamp(1, count - 1),
    };
    let without_copies = counts.values().map(of_class).sum::<usize>() as f64 / labels.len() as f64;
    let found = share_of(test);
    let by_copies = has_copies
        && share_far_off(found, without_copies, unit, "").is_some()
        // The small classes alone may explain more of the difference.
        && (found - without_copies).abs() >= (without_copies - share).abs();
    share_far_off(found, share, unit, if by_copies { "duplicates are kept together" } else { WHOLE_SAMPLES })
}

/// As [`class_share_far_off`], as a whole sentence.
pub(crate) fn far_off_by_class(
    test: &[bool],
    labels: &[u32],
    copies: &[Vec<u32>],
    set: (f64, &str),
) -> Option<String> {
    class_share_far_off(test, labels, !copies.is_empty(), set).map(|sentence| sentence + ".")
}

/// A sentence, if groups that stay together make the held-out part much larger or smaller than `share`.
pub(crate) fn far_off_by_groups(test: &[bool], (share, unit): (f64, &str)) -> Option<String> {
    share_far_off(share_of(test), share, unit, "each group is kept together").map(|sentence| sentence + ".")
}

fn share_of(test: &[bool]) -> f64 {
    test.iter().filter(|test| **test).count() as f64 / test.len() as f64
}

/// The group of each sample, with groups joined that share samples with the same content: a joined group has the name of its first.
pub(crate) fn joined(groups: &[String], copies: &[Vec<u32>]) -> Vec<String> {
    let mut numbers = BTreeMap::new();
    let mut names: Vec<&str> = Vec::new();
    let units: Vec<usize> = groups
        .iter()
        .map(|group| {
            *numbers.entry(group).or_insert_with(|| {
                names.push(group);
                names.len() - 1
            })
        })
        .collect();
    let mut parent: Vec<usize> = (0..names.len()).collect();
    for group in copies {
        let mut members = group.iter().map(|copy| units[*copy as usize]);
        let Some(first) = members.next() else { continue };
        let first = root(&mut parent, first);
        for other in members {
            let other = root(&mut parent, other);
            parent[other] = first;
        }
    }
    units.iter().map(|unit| names[root(&mut parent, *unit)].to_owned()).collect()
}

/// The representative of the units joined with `unit`.
fn root(parent: &mut [usize], mut unit: usize) -> usize {
    while parent[unit] != unit {
        parent[unit] = parent[parent[unit]];
        unit = parent[unit];
    }
    unit
}

/// Holds out whole groups whose samples come close to a share of all: at least one group and not all.
///
/// Goes through the groups in random order and holds out each one that does not exceed the share. Then adds one more group if that comes
/// closer to the share.
pub(crate) fn by_group(groups: &[String], share: f64, seed: u64) -> Vec<bool> {
    if share > 0.5 {
        // The smaller side is the one that can be approximated well.
        return by_group(groups, 1.0 - share, seed).into_iter().map(|test| !test).collect();
    }
    let mut sizes = BTreeMap::<&str, usize>::new();
    for group in groups {
        *sizes.entry(group).or_default() += 1;
    }
    if sizes.len() < 2 {
        return vec![false; groups.len()];
    }
    let mut order: Vec<&str> = sizes.keys().copied().collect();
    Stream::new(seed, Purpose::HoldOut, 0, 1).shuffle(&mut order);
    let goal = groups.len() as f64 * share;
    let (mut held, mut count) = (std::collections::BTreeSet::new(), 0);
    for group in &order {
        if (count + sizes[group]) as f64 <= goal && held.len() + 1 < order.len() {
            held.insert(*group);
            count += sizes[group];
        }
    }
    let distance = |count: usize| (count as f64 - goal).abs();
    let rest = order.iter().filter(|group| !held.contains(*group));
    let nearest =
        rest.min_by(|a, b| distance(count + sizes[*a]).total_cmp(&distance(count + sizes[*b]))).copied();
    if let Some(group) = nearest.filter(|_| held.len() + 1 < order.len())
        && (held.is_empty() || distance(count + sizes[group]) < distance(count))
    {
        held.insert(group);
    }
    groups.iter().map(|group| held.contains(group.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_class_keeps_samples_on_both_sides(sizes in prop::collection::vec(1usize..9, 1..9), share in 0.01f64..0.99, seed: u64) {
            let labels: Vec<u32> = sizes.iter().enumerate().flat_map(|(class, size)| vec![class as u32; *size]).collect();
            let test = by_class(labels.iter().copied().map(Some), &[], share, (seed, Drawing::Train));
            for (class, size) in sizes.iter().enumerate() {
                let held = labels.iter().zip(&test).filter(|(label, test)| **label as usize == class && **test).count();
                let expected = (*size as f64 * share).round() as usize;
                prop_assert_eq!(held, if *size == 1 { 0 } else { expected.clamp(1, size - 1) });
            }
        }

        #[test]
        fn copies_stay_on_one_side(sizes in prop::collection::vec(1usize..9, 1..9), every in 1u32..5, share in 0.01f64..0.99, seed: u64) {
            let labels: Vec<u32> = sizes.iter().enumerate().flat_map(|(class, size)| vec![class as u32; *size]).collect();
            let mut copies = std::collections::BTreeMap::<u32, Vec<u32>>::new();
            for sample in 0..labels.len() as u32 {
                copies.entry(sample / every).or_default().push(sample);
            }
            let copies: Vec<Vec<u32>> = copies.into_values().collect();
            let test = by_class(labels.iter().copied().map(Some), &copies, share, (seed, Drawing::Train));
            for group in &copies {
                prop_assert!(group.iter().all(|copy| test[*copy as usize] == test[group[0] as usize]));
            }
            prop_assert!(test.contains(&false));
        }

        #[test]
        fn no_group_is_split(sizes in prop::collection::vec(1usize..9, 2..9), share in 0.01f64..0.99, seed: u64) {
            let groups: Vec<String> = sizes.iter().enumerate().flat_map(|(group, size)| vec![group.to_string(); *size]).collect();
            let test = by_group(&groups, share, seed);
            for (one, held) in groups.iter().zip(&test) {
                prop_assert!(groups.iter().zip(&test).all(|(other, side)| one != other || held == side));
            }
            let held = test.iter().filter(|test| **test).count();
            prop_assert!(held >= 1 && held < groups.len());
            // The error is less than one group, and a group has up to 8 samples.
            prop_assert!((held as f64 - groups.len() as f64 * share).abs() <= 8.0);
        }
    }

    #[test]
    fn whole_groups_come_as_close_to_the_share_as_they_can() {
        let groups = |sizes: &[usize]| -> Vec<String> {
            sizes.iter().enumerate().flat_map(|(group, size)| vec![group.to_string(); *size]).collect()
        };
        let held = |sizes: &[usize], share: f64, seed: u64| {
            by_group(&groups(sizes), share, seed).into_iter().filter(|test| *test).count()
        };
        for seed in 0..20 {
            // Two groups of 72 and 24, like the parts of IDX files.
            assert_eq!([0.2, 0.4, 0.6, 0.8].map(|share| held(&[72, 24], share, seed)), [24, 24, 72, 72]);
            assert_eq!(held(&[90, 1, 2, 3, 4], 0.1, seed), 10, "all but the large group");
            assert_eq!(held(&[1; 10], 0.3, seed), 3);
            assert_eq!(held(&[5], 0.3, seed), 0, "the only group stays");
        }
    }

    #[test]
    fn a_share_far_from_the_one_that_was_set_is_reported() {
        let labels = [0; 10];
        let test = |held: usize| (0..10).map(|sample| sample < held).collect::<Vec<bool>>();
        let by_copies = |held| far_off_by_class(&test(held), &labels, &[vec![0, 1, 2, 3]], (0.2, "images"));
        assert_eq!(
            by_copies(4).unwrap(),
            "40 % of the images are held out instead of 20 %, because duplicates are kept together."
        );
        assert_eq!(by_copies(2), None);
        assert!(far_off_by_groups(&test(5), (0.2, "vectors")).unwrap().contains("50 % of the vectors"));
        assert!(
            far_off_by_groups(&test(1), (0.004, "vectors"))
                .unwrap()
                .contains("10 % of the vectors are held out instead of 0.4 %")
        );
    }

    #[test]
    fn small_classes_are_the_reason_of_a_share_far_from_the_one_that_was_set() {
        let of_classes = |size: usize, count: usize, share: f64, copies: &[Vec<u32>]| {
            let labels: Vec<u32> = (0..(size * count) as u32).map(|sample| sample / size as u32).collect();
            let test = by_class(labels.iter().copied().map(Some), copies, share, (0, Drawing::Train));
            far_off_by_class(&test, &labels, copies, (share, "images"))
        };
        let said = of_classes(2, 20, 0.2, &[]).unwrap();
        assert!(
            said.starts_with("50 % of the images are held out instead of 20 %, because each class"),
            "{said}"
        );
        assert!(
            of_classes(6, 12, 0.01, &[])
                .unwrap()
                .starts_with("17 % of the images are held out instead of 1 %")
        );
        // Less than the difference that counts otherwise, but a multiple.
        assert!(of_classes(40, 3, 0.01, &[]).unwrap().starts_with("2.5 % of"));
        // Duplicates of one class change little.
        assert!(of_classes(2, 20, 0.2, &[vec![0, 1]]).unwrap().contains("because each class"));
        assert_eq!(of_classes(5, 20, 0.2, &[]), None);
        assert_eq!(of_classes(12, 6, 0.2, &[]), None);
    }

    #[test]
    fn groups_that_share_copies_are_joined() {
        let groups = ["b", "a", "c", "a", "d", "e"].map(str::to_owned);
        assert_eq!(joined(&groups, &[]), groups);
        assert_eq!(joined(&groups, &[vec![1, 2], vec![2, 4], vec![5]]), ["b", "a", "a", "a", "a", "e"]);
    }
}
