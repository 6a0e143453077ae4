//! Adding classes to a trained head, and dropping some.

use widemargin_objective::{MatRef, NORM_FLOOR, norm, normalise};

use crate::error::Error;
use crate::head::Head;
use crate::inherit::mean_length;
use crate::initial::{added_directions, check_size};
use crate::state::{HeadState, RATES};
use crate::storage::CENTRES;

/// Where the centres of new classes come from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum NewClasses<'a> {
    /// This many classes, in random directions.
    Random {
        /// Number of classes.
        count: usize,
        /// Seed of the directions.
        seed: u64,
    },
    /// The mean of each class's unit embeddings. `labels` numbers the new classes from 0, one label per row of `embeddings`; every
    /// class up to the largest label needs a row.
    MeansOf {
        /// `[samples, dim]`.
        embeddings: MatRef<'a>,
        /// One label per sample.
        labels: &'a [u32],
        /// Seed of the random directions of a class's other centres, if it has several.
        seed: u64,
    },
}

impl Head {
    /// Adds classes after the last; returns the number of the first new class.
    ///
    /// New centres have the mean length of the others, and the optimiser's memory of them is zero. A scale that follows from the
    /// number of classes (AdaCos) does not change. Nor does the mode, whatever [`HeadMode::Auto`](crate::HeadMode::Auto) would choose
    /// for the new number. A dense or screened head corrects the bias of AdamW by its own number of steps: after many steps, the
    /// first step of a new class is `(1 - beta1) / sqrt(1 - beta2)` times as long as usual, 3.2 times by default.
    ///
    /// # Errors
    /// [`Error::ClassMarginsFixed`] if the objective has one margin per class; embeddings of a different dimension or not finite;
    /// [`Error::LabelCount`]; [`Error::EmptyClass`] for a class whose embeddings are missing or cancel; more classes than labels
    /// can name. On error the head is unchanged.
    pub fn add_classes(&mut self, new: NewClasses<'_>) -> Result<u32, Error> {
        self.check_margins()?;
        let (dim, per_class) = (self.dim(), self.sub_centres());
        let (count, seed) = match new {
            NewClasses::Random { count, seed } => (count, seed),
            NewClasses::MeansOf { labels, seed, .. } => {
                (labels.iter().max().map_or(0, |label| *label as usize + 1), seed)
            }
        };
        check_size(self.classes().saturating_add(count), per_class, dim)?;
        if let NewClasses::MeansOf { embeddings, labels, .. } = new {
            self.check_embeddings(embeddings, labels)?;
            check_all_occur(labels, count)?;
        }
        let mut centres = added_directions(self.classes() * per_class, count * per_class * dim, dim, seed);
        if let NewClasses::MeansOf { embeddings, labels, .. } = new {
            for (class, mean) in means(embeddings, labels, count).into_iter().enumerate() {
                let mean = mean.ok_or(Error::EmptyClass { class })?;
                centres[class * per_class * dim..][..dim].copy_from_slice(&mean);
            }
        }
        let length = mean_length(&self.centres(), dim);
        for value in &mut centres {
            *value *= length;
        }

        let first = self.classes() as u32;
        let mut state = self.state();
        state.classes += count;
        for tensor in state.tensors.iter_mut().filter(|tensor| tensor.name != RATES) {
            if tensor.name == CENTRES {
                tensor.values.extend_from_slice(&centres);
            } else {
                let added = tensor.shape[1] * count * per_class;
                tensor.values.resize(tensor.values.len() + added, 0.0);
            }
            tensor.shape[0] += count * per_class;
        }
        *self = Self::from_state(state)?;
        Ok(first)
    }

    /// Drops classes and renumbers the others without gaps. Returns the new number of each old class, `None` for a dropped one.
    ///
    /// # Errors
    /// [`Error::ClassMarginsFixed`] if the objective has one margin per class; [`Error::Label`] for a class that does not exist,
    /// with its position in `classes` as the row; [`Error::OutOfRange`] if no class would be left. On error the head is unchanged.
    pub fn drop_classes(&mut self, classes: &[u32]) -> Result<Vec<Option<u32>>, Error> {
        self.check_margins()?;
        let mut stays = vec![true; self.classes()];
        for (row, &class) in classes.iter().enumerate() {
            let stays = stays.get_mut(class as usize);
            *stays.ok_or(Error::Label { row, found: class, classes: self.classes() })? = false;
        }
        let mut next = 0;
        let numbers: Vec<Option<u32>> = stays
            .iter()
            .map(|&stays| {
                next += u32::from(stays);
                stays.then(|| next - 1)
            })
            .collect();
        if next == 0 {
            let expected = "fewer than all classes";
            return Err(Error::OutOfRange {
                setting: "classes to drop",
                found: classes.len() as f64,
                expected,
            });
        }
        let per_class = self.sub_centres();
        let mut state = HeadState { classes: next as usize, ..self.state() };
        for tensor in state.tensors.iter_mut().filter(|tensor| tensor.name != RATES) {
            let cols = tensor.shape[1];
            let kept = tensor.values.chunks(cols * per_class).zip(&stays).filter(|(_, stays)| **stays);
            tensor.values = kept.flat_map(|(rows, _)| rows.to_vec()).collect();
            tensor.shape[0] = next as usize * per_class;
        }
        *self = Self::from_state(state)?;
        Ok(numbers)
    }

    fn check_margins(&self) -> Result<(), Error> {
        if self.objective().has_class_margins() { Err(Error::ClassMarginsFixed) } else { Ok(()) }
    }

    fn check_embeddings(&self, embeddings: MatRef<'_>, labels: &[u32]) -> Result<(), Error> {
        self.scored().check_features(embeddings)?;
        if labels.len() != embeddings.rows() {
            return Err(Error::LabelCount { found: labels.len(), expected: embeddings.rows() });
        }
        Ok(())
    }
}

/// Checks that every class below `count` has a label, before memory for all of them is allocated.
fn check_all_occur(labels: &[u32], count: usize) -> Result<(), Error> {
    let mut found = labels.to_vec();
    found.sort_unstable();
    found.dedup();
    // sorted and unique labels are their own positions up to the first gap
    match (0..count).find(|&class| found.get(class).is_none_or(|&label| label as usize != class)) {
        Some(class) => Err(Error::EmptyClass { class }),
        None => Ok(()),
    }
}

/// Unit means of each class's unit embeddings; `None` if a class has none or they cancel.
fn means(embeddings: MatRef<'_>, labels: &[u32], count: usize) -> Vec<Option<Vec<f32>>> {
    let mut sums = vec![vec![0.0_f64; embeddings.cols()]; count];
    for (row, &label) in labels.iter().enumerate() {
        let mut unit = embeddings.row(row).to_vec();
        normalise(&mut unit);
        sums[label as usize].iter_mut().zip(&unit).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let unit = |mut sum: Vec<f64>| {
        if norm(&sum) < NORM_FLOOR {
            return None;
        }
        normalise(&mut sum);
        Some(sum.iter().map(|&value| value as f32).collect())
    };
    sums.into_iter().map(unit).collect()
}
