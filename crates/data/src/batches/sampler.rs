//! Which samples stand in which batch of an epoch: a pure function of labels, seed and epoch.
//!
//! Nothing is remembered between epochs, so a run resumes from the numbers of epoch and batch alone.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use widemargin_chance::{Purpose, Stream};

/// How the samples of an epoch are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields, tag = "name")]
pub enum Sampler {
    /// Every sample once, in order: for evaluation.
    Sequential {
        /// Samples in a batch; the last may be smaller.
        batch: usize,
    },
    /// Every sample once, in random order.
    Shuffled {
        /// Samples in a batch.
        batch: usize,
        /// Whether a last batch that is not full is left out.
        drop_last: bool,
    },
    /// Every sample once, in random order within a reach: the samples are cut into blocks of neighbours, the blocks come in random order,
    /// and the samples of `blocks_together` blocks at a time are shuffled. For tables in files: what is read at a time lies in
    /// few places. With no more blocks than are taken together it is a shuffle of all.
    ShuffledBlocks {
        /// Samples in a batch.
        batch: usize,
        /// Whether a last batch that is not full is left out.
        drop_last: bool,
        /// Samples in a block; the last may be smaller.
        block: usize,
        /// Blocks whose samples are shuffled together.
        blocks_together: usize,
    },
    /// P x K: `classes_per_batch` different classes, `samples_per_class` samples of each, class by class.
    ///
    /// Classes come round in random order, each once before any comes again (no class twice in a batch). So do the
    /// samples of a class over the batches of an epoch. A class with fewer than `samples_per_class` samples gives each
    /// of them once and is drawn from again, with replacement, for the shortfall only.
    ClassBalanced {
        /// P, at most the number of classes.
        classes_per_batch: usize,
        /// K.
        samples_per_class: usize,
        /// Batches in an epoch; 0 for as many full ones as there are samples, at least one.
        batches: usize,
    },
    /// Full batches of samples whose classes are drawn with a chance in proportion to `n^power`, `n` their number of samples: 1 as they
    /// are, 0.5 by the square root (Mahajan et al., *Exploring the Limits of Weakly Supervised Pretraining*, 2018, section 2.2), 0 all
    /// classes alike, which is a sample by the inverse of its class's frequency.
    ///
    /// An epoch has as many batches as fit its samples, at least one. The samples of a class come round in random order, each once
    /// before any comes again.
    ByFrequency {
        /// Samples in a batch.
        batch: usize,
        /// In `[0, 1]`.
        power: f64,
    },
}

/// Fewer samples than a batch, where a batch that is not full is left out.
const UNFILLED: Error = Error::NoSamples { purpose: "fill a single batch, and unfilled ones are dropped" };

impl Sampler {
    /// Samples in a full batch.
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

    /// Number of batches in every epoch over so many samples; 0 only for settings that
    /// [`epoch_batches`](Self::epoch_batches) refuses.
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
    /// The result depends on nothing but the arguments and stays the same between releases.
    ///
    /// # Errors
    /// [`Error::NoSamples`] if `labels` is empty or everything would be dropped as an unfilled batch,
    /// [`Error::Setting`] for a batch of 0 or more classes in a batch than there are.
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
                    let expected = format!("at most {}, the number of classes", classes.len());
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

/// The positions of each label that occurs, by ascending label.
fn classes_of(labels: &[u32]) -> Vec<Deck> {
    let mut by_label: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
    for (position, label) in labels.iter().enumerate() {
        by_label.entry(*label).or_default().push(position as u32);
    }
    by_label.into_values().map(Deck::new).collect()
}

/// Cards dealt from a shuffled stack, which is shuffled anew when it is used up.
struct Deck {
    cards: Vec<u32>,
    stack: Vec<u32>,
}

impl Deck {
    fn new(cards: Vec<u32>) -> Self {
        Self { cards, stack: Vec::new() }
    }

    /// `count` cards, all different as long as there are so many, then each with replacement.
    fn draw(&mut self, count: usize, random: &mut Stream) -> Vec<u32> {
        let distinct = count.min(self.cards.len());
        let mut hand = Vec::with_capacity(count);
        while hand.len() < distinct {
            if self.stack.is_empty() {
                // A card already in the hand goes to the bottom: it comes up last, after all others.
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
    fn bad_settings_are_refused() {
        let shuffled = |batch, drop_last| Sampler::Shuffled { batch, drop_last };
        assert!(matches!(shuffled(4, false).epoch_batches(&[], 0, 0), Err(Error::NoSamples { .. })));
        assert!(matches!(shuffled(0, false).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(shuffled(4, true).epoch_batches(&[1, 2, 3], 0, 0), Err(Error::NoSamples { .. })));
        assert!(matches!(balanced(3, 2, 1).epoch_batches(&[1, 1, 2], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(balanced(0, 2, 1).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
        assert!(matches!(balanced(1, 0, 1).epoch_batches(&[1], 0, 0), Err(Error::Setting { .. })));
    }

    #[test]
    fn blocks_are_shuffled_within_reach_and_every_sample_comes_once() {
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
            // every stretch of blocks taken together holds whole blocks
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
    fn classes_come_by_the_power_of_their_frequency() {
        // 16 samples of class 0 to one of class 1: drawn 16 : 1, 4 : 1 and 1 : 1
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
            // five standard errors of 6,800 draws
            assert!(
                (share - expected).abs() < 5.0 * (expected * (1.0 - expected) / 6800.0_f64).sqrt(),
                "{power}: {share}"
            );
            assert_eq!(seen.len(), labels.len(), "every sample has its turn");
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
        // fewer samples than a batch still make one
        let sampler = Sampler::ByFrequency { batch: 8, power: 0.5 };
        assert_eq!(sampler.epoch_batches(&[4, 4, 9], 0, 0).unwrap()[0].len(), 8);
    }

    #[test]
    fn sequential_is_in_order() {
        let batches = Sampler::Sequential { batch: 2 }.epoch_batches(&[9; 5], 1, 1).unwrap();
        assert_eq!(batches, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn written_as_configuration() {
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
    fn small_classes_give_every_sample_before_any_twice() {
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
        fn balanced_batches_keep_their_laws(
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
            // Classes come round evenly.
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
