//! Decides which samples are in which batch of an epoch, as a pure function of labels, seed and epoch.
//!
//! There is no state between epochs, so a run can resume from the numbers of epoch and batch.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use widemargin_chance::{Purpose, Stream};

/// How the samples of an epoch are divided into batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields, tag = "name")]
pub enum Sampler {
    /// Every sample once, in order: for evaluation.
    Sequential {
        /// Samples per batch; the last may be smaller.
        batch: usize,
    },
    /// Every sample once, in random order.
    Shuffled {
        /// Samples per batch.
        batch: usize,
        /// Whether to drop a last batch that is not full.
        drop_last: bool,
    },
    /// Every sample once, in an order that reads few places of a file at a time: the samples are cut into blocks of neighbours, the blocks
    /// are shuffled, and then the samples of each `blocks_together` blocks. With at most `blocks_together` blocks, this shuffles all
    /// samples.
    ShuffledBlocks {
        /// Samples per batch.
        batch: usize,
        /// Whether to drop a last batch that is not full.
        drop_last: bool,
        /// Samples per block; the last may be smaller.
        block: usize,
        /// Number of blocks whose samples are shuffled together.
        blocks_together: usize,
    },
    /// P x K: `classes_per_batch` different classes, `samples_per_class` samples of each, class by class.
    ///
    /// Classes are drawn in random order, and each once before any is drawn again; no class occurs twice in a batch. The same holds for the
    /// samples of a class over an epoch. A class with fewer than `samples_per_class` samples contributes each of them once, and the rest is
    /// drawn with replacement.
    ClassBalanced {
        /// P, at most the number of classes.
        classes_per_batch: usize,
        /// K.
        samples_per_class: usize,
        /// Batches per epoch; 0 for as many full batches as the samples make, at least one.
        batches: usize,
    },
    /// Full batches, in which the class of each sample is drawn with a probability proportional to `n^power`, where `n` is its number of
    /// samples. A power of 1 keeps the frequencies, 0.5 uses their square roots (Mahajan et al., *Exploring the Limits of Weakly Supervised
    /// Pretraining*, 2018, section 2.2), and 0 makes all classes equally likely.
    ///
    /// An epoch has as many full batches as its samples make, at least one. The samples of a class are drawn in random order, each once
    /// before any is drawn again.
    ByFrequency {
        /// Samples per batch.
        batch: usize,
        /// In `[0, 1]`.
        power: f64,
    },
}

/// The error for fewer samples than a batch, if a batch that is not full is dropped.
const UNFILLED: Error = Error::NoSamples {
    purpose: "fill one batch, and a batch that is not full is dropped; choose a smaller batch",
};

impl Sampler {
    /// Samples per full batch.
    pub fn batch_size(&self) -> usize {
        match *self {
            Self::Sequential { batch }
            | Self::Shuffled { batch, .. }
            | Self::ShuffledBlocks { batch, .. }
            | Self::ByFrequency { batch, .. } => batch,
            Self::ClassBalanced { classes_per_batch, samples_per_class, .. } => {
                classes_per_batch.saturating_mul(samples_per_class)
            }
        }
    }

    /// Number of batches per epoch for this many samples; 0 only for settings that [`epoch_batches`](Self::epoch_batches) rejects.
    pub fn batches_per_epoch(&self, samples: usize) -> usize {
        let size = self.batch_size().max(1);
        match *self {
            Self::Shuffled { drop_last: true, .. } | Self::ShuffledBlocks { drop_last: true, .. } => {
                samples / size
            }
            Self::Sequential { .. } | Self::Shuffled { .. } | Self::ShuffledBlocks { .. } => {
                samples.div_ceil(size)
            }
            Self::ClassBalanced { batches: 0, .. } | Self::ByFrequency { .. } => (samples / size).max(1),
            Self::ClassBalanced { batches, .. } => batches,
        }
    }

    /// The batches of an epoch, as positions in `labels`.
    ///
    /// The result depends only on the arguments and stays the same between releases.
    ///
    /// # Errors
    /// [`Error::NoSamples`] if `labels` is empty or does not fill the only batch; [`Error::Setting`] for a batch size of 0, or for more
    /// classes per batch than there are.
    pub fn epoch_batches(&self, labels: &[u32], seed: u64, epoch: u64) -> Result<Vec<Vec<u32>>> {
        if labels.is_empty() {
            return Err(Error::NoSamples { purpose: "make batches of" });
        }
        if self.batch_size() == 0 {
            return Err(Error::setting("batch size", &0, "at least 1"));
        }
        let mut random = Stream::new(seed, Purpose::Sampler, epoch, 0);
        let count = self.batches_per_epoch(labels.len());
        match *self {
            Self::Sequential { batch } => {
                let order: Vec<u32> = (0..labels.len() as u32).collect();
                Ok(order.chunks(batch).map(<[u32]>::to_vec).collect())
            }
            Self::Shuffled { batch, .. } => {
                if count == 0 {
                    return Err(UNFILLED);
                }
                let mut order: Vec<u32> = (0..labels.len() as u32).collect();
                random.shuffle(&mut order);
                Ok(order.chunks(batch).take(count).map(<[u32]>::to_vec).collect())
            }
            Self::ShuffledBlocks { batch, block, blocks_together, .. } => {
                for (name, found) in [("block", block), ("blocks-together", blocks_together)] {
                    if found == 0 {
                        return Err(Error::setting(name, &0, "at least 1"));
                    }
                }
                if count == 0 {
                    return Err(UNFILLED);
                }
                let all: Vec<u32> = (0..labels.len() as u32).collect();
                let mut blocks: Vec<&[u32]> = all.chunks(block).collect();
                random.shuffle(&mut blocks);
                let mut order = Vec::with_capacity(all.len());
                for together in blocks.chunks(blocks_together) {
                    let mut together = together.concat();
                    random.shuffle(&mut together);
                    order.extend(together);
                }
                Ok(order.chunks(batch).take(count).map(<[u32]>::to_vec).collect())
            }
            Self::ClassBalanced { classes_per_batch, samples_per_class, .. } => {
                let mut classes = classes_of(labels);
                if classes_per_batch > classes.len() {
                    let expected = format!("at most {}, the number of training classes", classes.len());
                    return Err(Error::setting("classes-per-batch", &classes_per_batch, expected));
                }
                let mut turns = Deck::new((0..classes.len() as u32).collect());
                let mut batch = || {
                    let chosen = turns.draw(classes_per_batch, &mut random);
                    let samples = chosen
                        .iter()
                        .map(|class| classes[*class as usize].draw(samples_per_class, &mut random));
                    samples.collect::<Vec<_>>().concat()
                };
                Ok((0..count).map(|_| batch()).collect())
            }
            Self::ByFrequency { batch, power } => {
                if !(0.0..=1.0).contains(&power) {
                    return Err(Error::setting("power", &power, "0 to 1"));
                }
                let mut classes = classes_of(labels);
                let ends: Vec<f64> = classes
                    .iter()
                    .scan(0.0, |end, class| {
                        *end += (class.cards.len() as f64).powf(power);
                        Some(*end)
                    })
                    .collect();
                let all = ends[ends.len() - 1];
                let mut sample = || {
                    let place = random.unit_f64() * all;
                    let class = ends.partition_point(|end| *end <= place).min(ends.len() - 1);
                    classes[class].draw(1, &mut random)[0]
                };
                Ok((0..count).map(|_| (0..batch).map(|_| sample()).collect()).collect())
            }
        }
    }
}

/// The positions of each label, by ascending label.
fn classes_of(labels: &[u32]) -> Vec<Deck> {
    let mut by_label: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
    for (position, label) in labels.iter().enumerate() {
        by_label.entry(*label).or_default().push(position as u32);
    }
    by_label.into_values().map(Deck::new).collect()
}

/// Cards dealt from a shuffled stack, which is shuffled again when it is empty.
struct Deck {
    cards: Vec<u32>,
    stack: Vec<u32>,
}

impl Deck {
    fn new(cards: Vec<u32>) -> Self {
        Self { cards, stack: Vec::new() }
    }

    /// Draws `count` cards: different ones as long as there are any, then more with replacement.
    fn draw(&mut self, count: usize, random: &mut Stream) -> Vec<u32> {
        let distinct = count.min(self.cards.len());
        let mut hand = Vec::with_capacity(count);
        while hand.len() < distinct {
            if self.stack.is_empty() {
                // A card that is already in the hand goes to the bottom of the stack, so it is drawn last.
                let mut fresh = self.cards.clone();
                random.shuffle(&mut fresh);
                let (held, free): (Vec<u32>, Vec<u32>) =
                    fresh.into_iter().partition(|card| hand.contains(card));
                self.stack = [held, free].concat();
            }
            hand.extend(self.stack.pop());
        }
        hand.extend((distinct..count).map(|_| self.cards[random.below(self.cards.len())]));
        hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn balanced(classes_per_batch: usize, samples_per_class: usize, batches: usize) -> Sampler {
        Sampler::ClassBalanced { classes_per_batch, samples_per_class, batches }
    }

    #[test]
    fn bad_settings_are_rejected() {
        let shuffled = |batch, drop_last| Sampler::Shuffled { batch, drop_last };
        assert!(matches!(shuffled(4, false).epoch_batches(&[], 0, 0), Err(Error::NoSamples { .. })));
        assert!(matches!(shuffled(0, false).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(shuffled(4, true).epoch_batches(&[1, 2, 3], 0, 0), Err(Error::NoSamples { .. })));
        assert!(matches!(balanced(3, 2, 1).epoch_batches(&[1, 1, 2], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(balanced(0, 2, 1).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(balanced(1, 0, 1).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
    }

    #[test]
    fn blocks_are_shuffled_together_and_every_sample_occurs_once() {
        let sampler = |block, blocks_together| Sampler::ShuffledBlocks {
            batch: 7,
            drop_last: false,
            block,
            blocks_together,
        };
        let order = |sampler: Sampler, epoch| sampler.epoch_batches(&[0; 100], 3, epoch).unwrap().concat();
        for (block, together) in [(10, 2), (7, 3), (100, 1), (1, 1000), (30, 2)] {
            let order = order(sampler(block, together), 0);
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 100);
            // The samples shuffled together are those of whole blocks.
            let blocks = |stretch: &[u32]| {
                stretch.iter().map(|at| *at as usize / block).collect::<BTreeSet<_>>().len()
            };
            if 100 % block == 0 {
                assert!(order.chunks(block * together).all(|stretch| blocks(stretch) <= together));
            }
        }
        assert_ne!(order(sampler(10, 2), 0), order(sampler(10, 2), 1));
        assert_ne!(
            order(sampler(10, 1), 0)[..10],
            (0..10).collect::<Vec<u32>>(),
            "shuffled within a block too"
        );
        for bad in [sampler(0, 1), sampler(1, 0)] {
            assert!(matches!(bad.epoch_batches(&[0; 9], 0, 0), Err(Error::Setting { .. })));
        }
        let few = Sampler::ShuffledBlocks { batch: 10, drop_last: true, block: 2, blocks_together: 1 };
        assert!(matches!(few.epoch_batches(&[0; 9], 0, 0), Err(Error::NoSamples { .. })));
    }

    #[test]
    fn classes_are_drawn_by_the_power_of_their_frequency() {
        // Class 0 has 16 times the samples of class 1: drawn 16 : 1, 4 : 1 and 1 : 1.
        let labels: Vec<u32> = (0..170).map(|position| u32::from(position % 17 == 16)).collect();
        for (power, expected) in [(1.0, 1.0 / 17.0), (0.5, 1.0 / 5.0), (0.0, 0.5)] {
            let sampler = Sampler::ByFrequency { batch: 10, power };
            let (mut rare, mut all) = (0, 0);
            let mut seen = BTreeSet::new();
            for epoch in 0..40 {
                let batches = sampler.epoch_batches(&labels, 3, epoch).unwrap();
                assert_eq!(batches.len(), sampler.batches_per_epoch(labels.len()));
                assert!(batches.iter().all(|batch| batch.len() == 10));
                for position in batches.concat() {
                    rare += usize::from(labels[position as usize] == 1);
                    all += 1;
                    seen.insert(position);
                }
            }
            let share = rare as f64 / all as f64;
            // Five standard errors of 6,800 draws.
            assert!(
                (share - expected).abs() < 5.0 * (expected * (1.0 - expected) / 6800.0_f64).sqrt(),
                "{power}: {share}"
            );
            assert_eq!(seen.len(), labels.len(), "every sample is drawn");
            assert_eq!(
                sampler.epoch_batches(&labels, 3, 7).unwrap(),
                sampler.epoch_batches(&labels, 3, 7).unwrap()
            );
            assert_ne!(
                sampler.epoch_batches(&labels, 3, 7).unwrap(),
                sampler.epoch_batches(&labels, 3, 8).unwrap()
            );
        }
        for bad in [-0.5, 1.5, f64::NAN] {
            let sampler = Sampler::ByFrequency { batch: 1, power: bad };
            assert!(matches!(sampler.epoch_batches(&labels, 0, 0), Err(Error::Setting { .. })));
        }
        // Fewer samples than a batch still make one batch.
        let sampler = Sampler::ByFrequency { batch: 8, power: 0.5 };
        assert_eq!(sampler.epoch_batches(&[4, 4, 9], 0, 0).unwrap()[0].len(), 8);
    }

    #[test]
    fn sequential_is_in_order() {
        let batches = Sampler::Sequential { batch: 2 }.epoch_batches(&[9; 5], 1, 1).unwrap();
        assert_eq!(batches, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn serialised_as_in_a_configuration() {
        #[derive(Serialize, Deserialize)]
        struct Config {
            sampler: Sampler,
        }
        let json = serde_json::to_string(&balanced(8, 4, 0)).unwrap();
        assert_eq!(
            json,
            r#"{"name":"class-balanced","classes-per-batch":8,"samples-per-class":4,"batches":0}"#
        );
        assert_eq!(serde_json::from_str::<Sampler>(&json).unwrap(), balanced(8, 4, 0));
        assert!(serde_json::from_str::<Config>(r#"{"sampler":{"name":"shuffled","batch":1}}"#).is_err());
    }

    #[test]
    fn small_classes_contribute_every_sample_before_any_twice() {
        // Class 0 has two samples, class 1 has six, K is 4.
        let labels = [0, 0, 1, 1, 1, 1, 1, 1];
        for batch in balanced(2, 4, 50).epoch_batches(&labels, 3, 0).unwrap() {
            let of = |class: u32| {
                batch
                    .iter()
                    .copied()
                    .filter(|position| labels[*position as usize] == class)
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(0).len(), 4);
            assert_eq!(of(0).into_iter().collect::<BTreeSet<_>>().len(), 2);
            assert_eq!(of(1).into_iter().collect::<BTreeSet<_>>().len(), 4);
        }
    }

    proptest! {
        #[test]
        fn shuffled_is_a_permutation(count in 1usize..200, batch in 1usize..50, seed: u64, epoch in 0u64..5) {
            let sampler = Sampler::Shuffled { batch, drop_last: false };
            let batches = sampler.epoch_batches(&vec![0; count], seed, epoch).unwrap();
            prop_assert_eq!(batches.len(), sampler.batches_per_epoch(count));
            prop_assert!(batches[..batches.len() - 1].iter().all(|positions| positions.len() == batch));
            let mut all = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..count as u32).collect::<Vec<_>>());
        }

        #[test]
        fn dropping_the_last_leaves_full_batches(count in 1usize..200, batch in 1usize..50, seed: u64) {
            let sampler = Sampler::Shuffled { batch, drop_last: true };
            match sampler.epoch_batches(&vec![0; count], seed, 0) {
                Ok(batches) => {
                    prop_assert_eq!(batches.len(), count / batch);
                    prop_assert!(batches.iter().all(|positions| positions.len() == batch));
                    let whole = Sampler::Shuffled { batch, drop_last: false }.epoch_batches(&vec![0; count], seed, 0).unwrap();
                    prop_assert_eq!(&whole[..batches.len()], &batches[..]);
                }
                Err(_) => prop_assert!(count < batch),
            }
        }

        #[test]
        fn properties_of_balanced_batches(
            labels in proptest::collection::vec(0u32..12, 1..150),
            per_class in 1usize..6,
            share in 0.0f64..1.0,
            batches in 0usize..10,
            seed: u64,
        ) {
            let present: BTreeSet<u32> = labels.iter().copied().collect();
            let classes = 1 + ((present.len() - 1) as f64 * share) as usize;
            let sampler = balanced(classes, per_class, batches);
            let found = sampler.epoch_batches(&labels, seed, 0).unwrap();
            prop_assert_eq!(found.len(), sampler.batches_per_epoch(labels.len()));
            let mut class_uses = std::collections::BTreeMap::<u32, usize>::new();
            for positions in &found {
                prop_assert_eq!(positions.len(), classes * per_class);
                let mut seen = BTreeSet::new();
                for group in positions.chunks(per_class) {
                    let class = labels[group[0] as usize];
                    prop_assert!(seen.insert(class), "class {} twice", class);
                    prop_assert!(group.iter().all(|position| labels[*position as usize] == class));
                    let size = labels.iter().filter(|label| **label == class).count();
                    let distinct = group.iter().collect::<BTreeSet<_>>().len();
                    prop_assert_eq!(distinct, size.min(per_class));
                    *class_uses.entry(class).or_default() += 1;
                }
            }
            // Classes are drawn equally often.
            let uses: Vec<usize> = present.iter().map(|class| class_uses.get(class).copied().unwrap_or(0)).collect();
            prop_assert!(uses.iter().max().unwrap() - uses.iter().min().unwrap() <= 1, "{:?}", uses);
            prop_assert_eq!(&found, &sampler.epoch_batches(&labels, seed, 0).unwrap());
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let labels: Vec<u32> = (0..100).map(|position| position % 10).collect();
        for sampler in [Sampler::Shuffled { batch: 10, drop_last: false }, balanced(5, 2, 0)] {
            let epoch = |seed, epoch| sampler.epoch_batches(&labels, seed, epoch).unwrap();
            assert_ne!(epoch(1, 0), epoch(1, 1));
            assert_ne!(epoch(1, 0), epoch(2, 0));
        }
    }
}
