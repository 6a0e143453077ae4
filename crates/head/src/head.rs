//! The head itself: class centres, their objective and their optimiser.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use widemargin_objective::{ClassObjective, Diagnostics, MatRef, norm, normalise};

use crate::error::within;
use crate::forward::CentreGradient;
use crate::screened::{Screen, Screened};
use crate::storage::{Storage, mixed};
use crate::tile::{Centres, Spare};
use crate::{
    Error, HeadConfig, HeadEvaluation, HeadForward, HeadMode, Optimiser, OptimiserConfig, PendingUpdate,
};
use crate::{dense, sampled};

/// Class centres that are trained with an objective.
///
/// Dense: every class is scored exactly in every step. Memory beside the centres: the optimiser's, of their size, and scores: at most
/// 256 MiB, or a quarter of what the centres take in `f32` where that is more.
#[derive(Clone, Debug)]
pub struct Head {
    pub(crate) classes: usize,
    pub(crate) dim: usize,
    pub(crate) objective: ClassObjective,
    pub(crate) config: HeadConfig,
    pub(crate) centres: Storage,
    pub(crate) optimiser: Optimiser,
    /// Of what the objective learns beside the centres; of no values where it learns nothing.
    pub(crate) learnt_optimiser: Optimiser,
    /// What a screened head has beside all this.
    pub(crate) screen: Option<Screen>,
    /// Buffers for the next step.
    pub(crate) spare: Spare,
}

/// What [`Head::step`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadStep {
    /// Mean loss of the batch before the step.
    pub loss: f64,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
    /// Euclidean norm of the gradient of the class centres.
    pub centre_gradient_norm: f64,
}

impl Head {
    /// A head with fresh class centres from the configuration's seed: random unit directions for cosine objectives, normal
    /// with standard deviation `1 / sqrt(dim)` for dot products.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] without a class or dimension, with more classes than labels can name (`u32`), or for a
    /// setting out of its range.
    pub fn new(
        classes: usize,
        dim: usize,
        objective: impl Into<ClassObjective>,
        config: HeadConfig,
    ) -> Result<Self, Error> {
        let objective = objective.into();
        let len = check_size(classes, objective.sub_centres(), dim)?;
        config.check()?;
        let centres = Storage::new(first_centres(0, len, dim, &objective, config.seed), config.centres);
        let screen = config
            .mode
            .threshold(&objective, classes)?
            .map(|threshold| Screen::fresh(centres.view(), dim, threshold, config.optimiser));
        Ok(Self {
            classes,
            dim,
            learnt_optimiser: Optimiser::new(
                undecayed(config.optimiser),
                usize::from(objective.learnt().is_some()),
            )?,
            objective,
            config,
            centres,
            optimiser: Optimiser::new(config.optimiser, len)?,
            screen,
            spare: Spare::default(),
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Dimensions of features and class centres.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The objective, with the margin that is in force now.
    pub fn objective(&self) -> &ClassObjective {
        &self.objective
    }

    /// The settings.
    pub fn config(&self) -> &HeadConfig {
        &self.config
    }

    /// Updates applied so far.
    pub fn steps(&self) -> u64 {
        self.optimiser.steps()
    }

    /// Class centres of each class.
    pub fn sub_centres(&self) -> usize {
        self.objective.sub_centres()
    }

    /// The class centres as they are kept, `[classes * sub_centres, dim]`, row-major, those of a class one after the other; not of
    /// length one, also for cosine objectives. Those of a screened head may be some steps behind: see
    /// [`Head::settled_centres`]. A copy where they are not kept as `f32`.
    pub fn centres(&self) -> Cow<'_, [f32]> {
        self.centres.view().wide()
    }

    /// A row of the class centres at its true place, as long as it is kept.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn centre(&self, row: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.dim];
        self.scored().row(row, &mut out);
        out
    }

    /// A copy of the class centres where each row is at its true place: what [`Head::centres`] are for a head that is not
    /// screened.
    pub fn settled_centres(&self) -> Vec<f32> {
        let mut out = self.centres().into_owned();
        if self.is_screened() {
            let centres = self.scored();
            out.par_chunks_mut(self.dim).enumerate().for_each(|(row, out)| centres.row(row, out));
        }
        out
    }

    /// Whether classes are screened, be it by [`HeadMode::Auto`](crate::HeadMode::Auto).
    pub fn is_screened(&self) -> bool {
        self.screen.is_some()
    }

    /// The gradient of a pending update as a matrix, `[classes * sub_centres, dim]`, also where the head holds it by its
    /// entries; zero in rows without any.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient(&self, pending: &PendingUpdate) -> Result<Vec<f32>, Error> {
        self.check_pending(pending)?;
        Ok(match &pending.gradient {
            CentreGradient::Dense(gradient) => gradient.whole(&self.scored()),
            CentreGradient::Drawn(drawn) => {
                let mut out = vec![0.0; self.centres.len()];
                for (&row, values) in drawn.rows.iter().zip(drawn.values.chunks(self.dim)) {
                    out[row as usize * self.dim..][..self.dim].copy_from_slice(values);
                }
                out
            }
            CentreGradient::Rows(rows) => {
                let centres = self.scored();
                rows.whole(|row| {
                    let mut values = vec![0.0; self.dim];
                    centres.row(row, &mut values);
                    values
                })
            }
        })
    }

    /// Euclidean norm of the whole gradient of a pending update, for clipping. It is worked out by this call, which costs about a third
    /// of a step.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient_norm(&self, pending: &PendingUpdate) -> Result<f64, Error> {
        self.check_pending(pending)?;
        Ok(match &pending.gradient {
            CentreGradient::Dense(gradient) => gradient.norm(&self.scored()),
            CentreGradient::Rows(rows) => rows.norm(),
            CentreGradient::Drawn(drawn) => norm(&drawn.values),
        })
    }

    /// Puts a share of the objective's margin in force, 0 to 1; what a margin warm-up calls before each step.
    pub fn set_margin_share(&mut self, share: f64) {
        self.objective.set_margin_share(share);
    }

    /// Loss and gradients of a batch; the head does not change.
    ///
    /// Shapes: `features` `[batch, dim]`, one label a sample. An empty batch has loss 0 and no gradient.
    ///
    /// # Errors
    /// Shapes or labels that do not fit; features, a loss or a gradient that is not finite, naming the row of the batch
    /// (or, for the centres' gradient, the class).
    pub fn forward(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadForward, Error> {
        let centres = self.scored();
        let step = self.steps();
        // another number for each step, far from those of other seeds
        let seed = self.config.seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(step);
        match (&self.screen, self.config.mode) {
            (Some(screen), _) => {
                Screened { centres, screen, seed }.forward(&self.objective, features, labels, step)
            }
            (None, HeadMode::Sampled { rate }) if rate < 1.0 => {
                sampled::forward(&centres, &self.objective, rate, features, labels, seed, step)
            }
            _ => centres.forward(&self.objective, features, labels, step),
        }
    }

    /// Moves the class centres by a pending update: the optimiser sees `clip_factor` times its gradient.
    ///
    /// A clip factor of 1 clips nothing; a clip to norm `n` is `min(1, n / total norm)`.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update that was not computed at this head's present step, and
    /// [`Error::OutOfRange`] for a learning rate or clip factor that is negative or not finite. Nothing has moved then.
    pub fn apply(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        self.apply_to_centres(pending, learning_rate, clip_factor).map(|_| ())
    }

    /// [`Head::apply`] without clipping, and the norm of the gradient ([`Head::gradient_norm`]): at no cost for a dense or screened head,
    /// whose step meets it on its way.
    ///
    /// # Errors
    /// Those of [`Head::apply`]. Nothing has moved then.
    pub fn apply_and_measure(&mut self, pending: PendingUpdate, learning_rate: f64) -> Result<f64, Error> {
        let known = match &pending.gradient {
            CentreGradient::Drawn(_) => Some(self.gradient_norm(&pending)?),
            CentreGradient::Dense(_) | CentreGradient::Rows(_) => None,
        };
        let met = self.apply_to_centres(pending, learning_rate, 1.0)?;
        Ok(known.or(met).unwrap_or_default())
    }

    /// [`Head::apply`], and the gradient's norm where the step meets it.
    fn apply_to_centres(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<Option<f64>, Error> {
        let finite = 0.0..=f64::from(f32::MAX);
        within(finite.clone(), "learning rate", learning_rate, "a finite number, 0 or above")?;
        within(finite, "clip factor", clip_factor, "a finite number, 0 or above")?;
        self.check_pending(&pending)?;
        let PendingUpdate { gradient, learnt, next_state, .. } = pending;
        self.objective.commit(next_state)?;
        if let (Some(gradient), Some((_, value))) = (learnt, self.objective.learnt()) {
            let mut values = [value as f32];
            self.learnt_optimiser.step(&mut values, &[gradient], learning_rate, clip_factor);
            self.objective.set_learnt(values[0].into())?;
        }
        let noise = mixed(self.config.seed ^ mixed(self.steps()));
        let (shape, rates) = (self.scored().into(), [learning_rate, clip_factor]);
        let (optimiser, centres) = (&mut self.optimiser, &mut self.centres);
        let met = match (gradient, &mut self.screen) {
            (CentreGradient::Dense(gradient), None) => {
                let norm = dense::step(&gradient, shape, centres, optimiser, rates, noise);
                self.spare.put(gradient.into_buffers());
                Some(norm)
            }
            (CentreGradient::Drawn(drawn), None) => {
                sampled::step(optimiser, centres, &drawn, rates, noise);
                None
            }
            (CentreGradient::Rows(rows), Some(screen)) => {
                let sharpness = self.objective.score().scale();
                Some(screen.step(optimiser, centres, &rows, rates, sharpness, noise))
            }
            _ => unreachable!("check_pending compares the kinds"),
        };
        Ok(met)
    }

    /// Whether a pending update is one of this head at its present step.
    fn check_pending(&self, pending: &PendingUpdate) -> Result<(), Error> {
        let (values, rows) = match &pending.gradient {
            CentreGradient::Dense(gradient) => (gradient.values, false),
            CentreGradient::Rows(rows) => (rows.total * rows.dim, true),
            CentreGradient::Drawn(drawn) => (drawn.all_values, false),
        };
        if pending.step == self.steps() && values == self.centres.len() && rows == self.is_screened() {
            return Ok(());
        }
        Err(Error::StaleUpdate {
            found: pending.step,
            expected: self.steps(),
            found_values: values,
            expected_values: self.centres.len(),
        })
    }

    /// [`Head::forward`] and [`Head::apply`] in one, without clipping.
    ///
    /// # Errors
    /// Those of the two; nothing has moved then.
    pub fn step(
        &mut self,
        features: MatRef<'_>,
        labels: &[u32],
        learning_rate: f64,
    ) -> Result<HeadStep, Error> {
        let HeadForward { loss, grad_features, diagnostics, pending, .. } = self.forward(features, labels)?;
        let centre_gradient_norm = self.apply_and_measure(pending, learning_rate)?;
        Ok(HeadStep { loss, grad_features, diagnostics, centre_gradient_norm })
    }

    /// Loss and diagnostics of a batch, without gradients; the head does not change.
    ///
    /// # Errors
    /// As for [`Head::forward`].
    pub fn evaluate(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadEvaluation, Error> {
        self.scored().evaluate(&self.objective, features, labels)
    }

    /// Plain similarities with every class, without scale and margin: cosines or dot products, `[batch, classes]`.
    ///
    /// Holds all of them, and for cosines a copy of the class centres.
    ///
    /// # Errors
    /// Features of another dimension, or not finite.
    pub fn scores(&self, features: MatRef<'_>) -> Result<Vec<f32>, Error> {
        self.scored().similarities(features)
    }

    /// The class with the largest score for each sample; the lowest of equals.
    ///
    /// # Errors
    /// Features of another dimension, or not finite.
    pub fn predict(&self, features: MatRef<'_>) -> Result<Vec<u32>, Error> {
        self.scored().nearest(features)
    }

    pub(crate) fn scored(&self) -> Centres<'_> {
        Centres {
            values: self.centres.view(),
            dim: self.dim,
            score: self.objective.score(),
            each: self.objective.sub_centres(),
            tile_classes: self.config.tile_classes,
            kept_scores: self.config.kept_scores(self.centres.len()),
            spare: &self.spare,
            behind: self.screen.as_ref().map(|screen| (&screen.lazy, &self.optimiser)),
        }
    }
}

/// The same rule without weight decay: a learnt scale or bias is no weight.
pub(crate) fn undecayed(config: OptimiserConfig) -> OptimiserConfig {
    match config {
        OptimiserConfig::Sgd { momentum, .. } => OptimiserConfig::Sgd { momentum, weight_decay: 0.0 },
        OptimiserConfig::AdamW { beta1, beta2, epsilon, .. } => {
            OptimiserConfig::AdamW { beta1, beta2, epsilon, weight_decay: 0.0 }
        }
    }
}

/// Number of values in the class centres, if a head can have that many classes, centres a class and dimensions.
pub(crate) fn check_size(classes: usize, each: usize, dim: usize) -> Result<usize, Error> {
    within(1.0..=f64::from(u32::MAX), "number of classes", classes as f64, "1 to 2^32 - 1")?;
    within(1.0..=f64::from(u32::MAX), "dimension", dim as f64, "1 to 2^32 - 1")?;
    // an edited state can hold what no constructor makes
    within(1.0..=1000.0, "sub-centres", each as f64, "1 to 1000 centres a class")?;
    classes.checked_mul(dim).and_then(|len| len.checked_mul(each)).ok_or(Error::OutOfRange {
        setting: "number of classes",
        found: classes as f64,
        expected: "few enough for all class centres to be addressed",
    })
}

/// Values of fresh class centres, from place `first` on, the start of a row: random unit directions, or normal values where the
/// score does not normalise them.
pub(crate) fn first_centres(
    first: usize,
    count: usize,
    dim: usize,
    objective: &ClassObjective,
    seed: u64,
) -> Vec<f32> {
    let mut centres = normal_values_from(first, count, (dim as f64).sqrt().recip(), seed);
    if objective.score().normalises_centres() {
        centres.par_chunks_mut(dim).for_each(|centre| {
            normalise(centre);
        });
    }
    centres
}

/// Normal values by the method of Box and Muller, from 53-bit uniform numbers of ChaCha8, which are the same everywhere.
pub(crate) fn normal_values(count: usize, deviation: f64, seed: u64) -> Vec<f32> {
    normal_values_from(0, count, deviation, seed)
}

/// `count` of the values of [`normal_values`] from place `first` on, without working out those before.
fn normal_values_from(first: usize, count: usize, deviation: f64, seed: u64) -> Vec<f32> {
    /// Values of a task, an even number.
    const CHUNK: usize = 1 << 14;
    let skipped = first % 2;
    let mut values = vec![0.0; count + skipped];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(at, values)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // two values take two numbers of 64 bits, each two of the generator's words
        rng.set_word_pos(2 * (first - skipped + at * CHUNK) as u128);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        for pair in values.chunks_mut(2) {
            // 1 - u is never 0
            let radius = deviation * (-2.0 * (1.0 - uniform()).ln()).sqrt();
            let (sine, cosine) = (std::f64::consts::TAU * uniform()).sin_cos();
            let drawn = [(radius * cosine) as f32, (radius * sine) as f32];
            pair.iter_mut().zip(drawn).for_each(|(value, drawn)| *value = drawn);
        }
    });
    values.drain(..skipped);
    values
}
