//! The head: class centres with their objective and their optimiser.

use std::borrow::Cow;

use rayon::prelude::*;
use widemargin_chance::{Purpose, Stream, number};
use widemargin_objective::{ClassObjective, Diagnostics, MatRef};

use crate::auto::HeadSize;
use crate::centre_optimiser::CentreOptimiser;
use crate::centres::Centres;
use crate::config::{HeadConfig, HeadMode};
use crate::error::{Error, within};
use crate::forward::{HeadEvaluation, HeadForward, PendingUpdate, with_learnt};
use crate::gradient::CentreGradient;
use crate::initial::{check_size, initial_rows};
use crate::optimiser::Optimiser;
use crate::screened::Screen;
use crate::storage::{Noise, Storage};
use crate::tile::Spare;
use crate::{dense, sampled, screened};

/// Class centres that are trained with an objective.
///
/// Memory besides the centres: the optimiser's, one or two values per value of the centres; in the dense mode the kept scores,
/// at most 256 MiB or a quarter of the centres' size in `f32`; in the screened mode one byte per value.
#[derive(Clone, Debug)]
pub struct Head {
    pub(crate) classes: usize,
    pub(crate) dim: usize,
    pub(crate) objective: ClassObjective,
    pub(crate) config: HeadConfig,
    pub(crate) centres: Storage,
    pub(crate) optimiser: CentreOptimiser,
    /// The optimiser of the value that the objective learns besides the centres; empty if it learns none.
    pub(crate) learnt_optimiser: Optimiser,
    /// The additional state of a screened head.
    pub(crate) screen: Option<Screen>,
    /// Steps of each row, for a sampled head whose optimiser depends on them; otherwise empty.
    pub(crate) own_steps: Vec<u32>,
    /// Buffers for the next step.
    pub(crate) spare: Spare,
}

/// Result of [`Head::step`].
#[derive(Clone, Debug, PartialEq)]
pub struct HeadStep {
    /// Mean loss of the batch before the step.
    pub loss: f64,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Diagnostics of the batch.
    pub diagnostics: Diagnostics,
    /// Euclidean norm of the gradient of the class centres and of the value that the objective learns besides them.
    pub centre_gradient_norm: f64,
}

impl Head {
    /// Creates a head with initial class centres from the configuration's seed: random unit directions for cosine objectives,
    /// normal values with standard deviation `1 / sqrt(dim)` for dot products.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for 0 classes or dimensions, for more classes than labels can name (`u32`), or for a setting
    /// outside its range; [`Error::NotScreenable`] if the screened mode was chosen and the objective cannot be screened.
    pub fn new(
        classes: usize,
        dim: usize,
        objective: impl Into<ClassObjective>,
        config: HeadConfig,
    ) -> Result<Self, Error> {
        let objective = objective.into();
        let len = check_size(classes, objective.sub_centres(), dim)?;
        config.check()?;
        let size = HeadSize { classes, dim, batch: HeadMode::TYPICAL_BATCH };
        let config = HeadConfig { mode: config.resolved_mode(&objective, size), ..config };
        let centres = Storage::new(
            initial_rows(0, len, dim, objective.score().normalises_centres(), config.seed),
            config.centres,
        );
        let screen = screened::threshold(&config, &objective)?
            .map(|threshold| Screen::fresh(centres.view(), dim, threshold, config.optimiser, false));
        Ok(Self {
            classes,
            dim,
            learnt_optimiser: Optimiser::new(
                config.optimiser.without_decay(),
                usize::from(objective.learnt().is_some()),
            )?,
            objective,
            config,
            centres,
            optimiser: CentreOptimiser::new(config.optimiser, len, config.optimiser_state),
            own_steps: if config.counts_steps() { vec![0; len / dim] } else { Vec::new() },
            screen,
            spare: Spare::default(),
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Dimension of features and class centres.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The objective with its current margin.
    pub fn objective(&self) -> &ClassObjective {
        &self.objective
    }

    /// The settings; the mode is resolved.
    pub fn config(&self) -> &HeadConfig {
        &self.config
    }

    /// Updates applied so far.
    pub fn steps(&self) -> u64 {
        self.optimiser.steps()
    }

    /// Class centres per class.
    pub fn sub_centres(&self) -> usize {
        self.objective.sub_centres()
    }

    /// The class centres as stored, `[classes * sub_centres, dim]`, row-major, the centres of a class next to each other. They are
    /// not normalised, even for cosine objectives. In a screened head some have deferred updates: see
    /// [`Head::settled_centres`]. A copy if they are not stored as `f32`.
    pub fn centres(&self) -> Cow<'_, [f32]> {
        self.centres.view().wide()
    }

    /// A row of the class centres with all deferred updates applied, not normalised.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn centre(&self, row: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.dim];
        self.scored().row(row, &mut out);
        out
    }

    /// A copy of the class centres with all deferred updates applied: equal to [`Head::centres`] unless the head is screened.
    pub fn settled_centres(&self) -> Vec<f32> {
        let mut out = self.centres().into_owned();
        if self.is_screened() {
            let centres = self.scored();
            out.par_chunks_mut(self.dim).enumerate().for_each(|(row, out)| centres.row(row, out));
        }
        out
    }

    /// Whether the head is screened.
    pub fn is_screened(&self) -> bool {
        self.screen.is_some()
    }

    /// The gradient of a pending update as a matrix, `[classes * sub_centres, dim]`; zero in rows that the update does not touch.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient(&self, pending: &PendingUpdate) -> Result<Vec<f32>, Error> {
        self.check_pending(pending)?;
        Ok(pending.gradient.whole(&self.scored()))
    }

    /// Euclidean norm of the gradient of a pending update, for clipping: of the class centres and of the value that the objective
    /// learns besides them. Computing it costs about a third of a step.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient_norm(&self, pending: &PendingUpdate) -> Result<f64, Error> {
        Ok(pending.with_learnt(self.centres_norm(pending)?))
    }

    /// Euclidean norm of the gradient of the class centres alone.
    pub(crate) fn centres_norm(&self, pending: &PendingUpdate) -> Result<f64, Error> {
        self.check_pending(pending)?;
        Ok(pending.gradient.norm(&self.scored()))
    }

    /// Applies a share of the objective's margin, 0 to 1. A margin warm-up calls it before each step.
    pub fn set_margin_share(&mut self, share: f64) {
        self.objective.set_margin_share(share);
    }

    /// Loss and gradients of a batch; the head does not change.
    ///
    /// Shapes: `features` `[batch, dim]`, one label per sample. An empty batch has loss 0 and gradient 0.
    ///
    /// # Errors
    /// Shapes or labels that do not fit; a feature, loss or gradient that is not finite, with the row of the batch (or the class,
    /// for the gradient of the centres).
    pub fn forward(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadForward, Error> {
        let centres = self.scored();
        let step = self.steps();
        let seed = self.config.seed;
        match (&self.screen, self.config.mode) {
            (Some(screen), _) => {
                let seed = number(seed, Purpose::ScreenedTail, step, 0);
                screened::forward(&centres, screen, &self.objective, features, labels, seed, step)
            }
            (None, HeadMode::Sampled { rate }) if rate < 1.0 => {
                let random = Stream::new(seed, Purpose::SampledClasses, step, 0);
                sampled::forward(&centres, &self.objective, rate, features, labels, random, step)
            }
            _ => dense::forward(&centres, &self.objective, features, labels, step),
        }
    }

    /// Applies a pending update to the class centres: one optimiser step with `clip_factor` times its gradient.
    ///
    /// A clip factor of 1 means no clipping; to clip to norm `n` use `min(1, n / total norm)`.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update that was not computed at this head's present step; [`Error::OutOfRange`] for a
    /// learning rate or clip factor that is negative or not finite. On error the head is unchanged.
    pub fn apply(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        self.apply_to_centres(pending, learning_rate, clip_factor).map(|_| ())
    }

    /// [`Head::apply`] without clipping; also returns the norm of the gradient ([`Head::gradient_norm`]), which a dense or
    /// screened head computes in the same pass at no extra cost.
    ///
    /// # Errors
    /// The errors of [`Head::apply`]. On error the head is unchanged.
    pub fn apply_and_measure(&mut self, pending: PendingUpdate, learning_rate: f64) -> Result<f64, Error> {
        let learnt = pending.learnt;
        Ok(with_learnt(self.apply_and_measure_centres(pending, learning_rate)?, learnt))
    }

    /// [`Head::apply_and_measure`] with the norm of the class centres' gradient alone.
    pub(crate) fn apply_and_measure_centres(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
    ) -> Result<f64, Error> {
        let known = match &pending.gradient {
            CentreGradient::Drawn(_) => Some(self.centres_norm(&pending)?),
            CentreGradient::Dense(_) | CentreGradient::Rows(_) => None,
        };
        let computed = self.apply_to_centres(pending, learning_rate, 1.0)?;
        Ok(known.or(computed).unwrap_or_default())
    }

    /// [`Head::apply`]; also returns the norm of the centres' gradient if the step computes it.
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
        let (before, optimiser_before) = (*self.objective.state(), self.learnt_optimiser.clone());
        self.objective.commit(next_state)?;
        if let (Some(gradient), Some((_, value))) = (learnt, self.objective.learnt()) {
            let mut values = [value as f32];
            self.learnt_optimiser.step(&mut values, &[gradient], learning_rate, clip_factor);
            if let Err(error) = self.objective.set_learnt(values[0].into()) {
                self.learnt_optimiser = optimiser_before;
                self.objective.commit(before)?;
                return Err(error.into());
            }
        }
        let noise = Noise::of_step(self.config.seed, self.steps());
        let (shape, rates) = (self.scored().into(), [learning_rate, clip_factor]);
        let (optimiser, centres) = (&mut self.optimiser, &mut self.centres);
        let norm = match (gradient, &mut self.screen) {
            (CentreGradient::Dense(gradient), None) => {
                let norm = gradient.step(shape, centres, optimiser, rates, noise);
                self.spare.put(gradient.into_buffers());
                Some(norm)
            }
            (CentreGradient::Drawn(drawn), None) => {
                drawn.step(optimiser, centres, &mut self.own_steps, rates, noise);
                None
            }
            (CentreGradient::Rows(rows), Some(screen)) => {
                // a learnt scale may have grown in this step
                let sharpness = rows.sharpness.max(self.objective.sharpness().unwrap_or_default());
                Some(screened::step(screen, optimiser, centres, &rows, rates, sharpness, noise))
            }
            _ => unreachable!("check_pending compares the kinds"),
        };
        Ok(norm)
    }

    /// Checks that a pending update was computed by this head at its present step.
    fn check_pending(&self, pending: &PendingUpdate) -> Result<(), Error> {
        let (values, screened) = (pending.gradient.len(), pending.gradient.is_screened());
        if pending.step == self.steps() && values == self.centres.len() && screened == self.is_screened() {
            return Ok(());
        }
        Err(Error::StaleUpdate {
            found: pending.step,
            expected: self.steps(),
            found_values: values,
            expected_values: self.centres.len(),
        })
    }

    /// [`Head::forward`] and [`Head::apply`] in one call, without clipping.
    ///
    /// # Errors
    /// The errors of the two. On error the head is unchanged.
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
        dense::evaluate(&self.scored(), &self.objective, features, labels)
    }

    /// Similarities with every class, without scale and margin: cosines or dot products, `[batch, classes]`.
    ///
    /// # Errors
    /// Features of a different dimension, or not finite.
    pub fn scores(&self, features: MatRef<'_>) -> Result<Vec<f32>, Error> {
        self.scored().similarities(features)
    }

    /// The class with the largest score for each sample; the lowest class of a tie.
    ///
    /// # Errors
    /// Features of a different dimension, or not finite.
    pub fn predict(&self, features: MatRef<'_>) -> Result<Vec<u32>, Error> {
        self.scored().nearest(features)
    }

    pub(crate) fn scored(&self) -> Centres<'_> {
        Centres {
            values: self.centres.view(),
            dim: self.dim,
            score: self.objective.score(),
            per_class: self.objective.sub_centres(),
            tile_classes: self.config.tile_classes,
            kept_scores: self.config.kept_scores(self.centres.len()),
            products: self.config.products,
            spare: &self.spare,
            deferred: self.screen.as_ref().map(|screen| (&screen.lazy, &self.optimiser)),
        }
    }
}
