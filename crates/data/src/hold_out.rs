//! Draws the held-out samples of data that does not mark them.

use widemargin_chance::{Purpose, Stream};

/// Holds out a share of each class: at least one sample and not all; none of a class with a single sample.
pub(crate) fn by_class(labels: &[u32], classes: usize, share: f64, seed: u64) -> Vec<bool> {
    let mut by_class = vec![Vec::new(); classes];
    for (sample, label) in labels.iter().enumerate() {
        by_class[*label as usize].push(sample);
    }
    let mut test = vec![false; labels.len()];
    for (class, samples) in by_class.iter_mut().enumerate().filter(|(_, samples)| samples.len() > 1) {
        let count = (samples.len() as f64 * share).round() as usize;
        Stream::new(seed, Purpose::HoldOut, class as u64, 0).shuffle(samples);
        for sample in &samples[..count.clamp(1, samples.len() - 1)] {
            test[*sample] = true;
        }
    }
    test
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
    let mut sizes = std::collections::BTreeMap::<&str, usize>::new();
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
            let test = by_class(&labels, sizes.len(), share, seed);
            for (class, size) in sizes.iter().enumerate() {
                let held = labels.iter().zip(&test).filter(|(label, test)| **label as usize == class && **test).count();
                let expected = (*size as f64 * share).round() as usize;
                prop_assert_eq!(held, if *size == 1 { 0 } else { expected.clamp(1, size - 1) });
            }
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
}
