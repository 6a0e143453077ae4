//! The forward pass of a shard.
//!
//! It communicates, in this order: one gather in which the ranks agree on the batch; a sum of three values per sample, which
//! describe the targets; for a scale that follows the batch, a gather of the parts of its partition sums; a gather of the parts
//! of the loss, 12 values per sample and rank (7 for binary classification, more for rules on the nearest non-target classes); a
//! sum of the features' gradient; and a gather of one value that says whether the centres' gradient is finite.

use widemargin_objective::{Error as ObjectiveError, MatRef, PointOutcome, PointPass, norm};

use super::agreement::{agree, fingerprint, of_batch};
use super::head::ShardedHead;
use crate::batch::{Active, Batch, Targets, check_labels};
use crate::centres::Centres;
use crate::communicator::Communicator;
use crate::dense::FirstPass;
use crate::error::Error;
use crate::forward::{HeadEvaluation, HeadForward, PendingUpdate, through_norms};
use crate::gradient::{CentreGradient, DenseGradient};
use crate::tile::Scored;

impl<C: Communicator> ShardedHead<C> {
    /// Loss and gradients of a batch that every rank has; the head does not change. Collective: three gathers and two sums, and
    /// one more gather for a scale that follows the batch.
    ///
    /// The result is that of [`Head::forward`](crate::Head::forward), the same on every rank, except for the pending update: its
    /// gradient is that of the classes of this rank, `[own classes * sub_centres, dim]`.
    ///
    /// # Errors
    /// The errors of [`Head::forward`](crate::Head::forward); [`Error::RanksDiffer`] if the ranks have different batches, steps or
    /// margins; [`Error::RankFailed`] if another rank rejected its batch; those of the [`Communicator`].
    pub fn forward(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadForward, Error> {
        self.agree_on_batch(features, labels)?;
        match Active::of(features, labels, self.objective().ignore_label()) {
            Some(active) => Ok(self.gradients(active.features()?, &active.labels)?.with_ignored(&active)),
            None => self.gradients(features, labels),
        }
    }

    /// Loss and gradients of a batch that is divided among the ranks, for example if the backbone is replicated and each rank
    /// embeds different samples. The parts are gathered in the order of the ranks, and the whole goes through
    /// [`ShardedHead::forward`]. Parts may differ in size and be empty. Collective: three more gathers.
    ///
    /// `losses` and `grad_features` are those of this rank's samples. The loss is the mean over the whole batch, and gradients are
    /// those of this mean.
    ///
    /// # Errors
    /// The errors of [`ShardedHead::forward`]. Their rows count from the first row of this rank's part if that part alone is at fault,
    /// otherwise from the first row of the whole batch.
    pub fn forward_part(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadForward, Error> {
        agree(&self.communicator, self.check(features, labels), &[])?;
        let all_features = self.communicator.all_gather_f32(features.data())?;
        let wide: Vec<f64> = labels.iter().map(|&label| f64::from(label)).collect();
        let all_labels = self.communicator.all_gather_f64(&wide)?;
        let before: usize = all_labels.iter().take(self.communicator.rank()).map(Vec::len).sum();
        let all_labels: Vec<u32> = all_labels.concat().into_iter().map(|label| label as u32).collect();
        let all_features = all_features.concat();
        let whole = MatRef::new(&all_features, all_labels.len(), features.cols());
        let found = self.forward(whole.map_err(ObjectiveError::from)?, &all_labels)?;
        let (own, dim) = (before..before + labels.len(), features.cols());
        Ok(HeadForward {
            losses: found.losses[own.clone()].to_vec(),
            grad_features: found.grad_features[own.start * dim..own.end * dim].to_vec(),
            ..found
        })
    }

    /// Loss and diagnostics of a batch that every rank has, without gradients; the head does not change. Collective: two gathers and
    /// one sum, and one more gather for a scale that follows the batch.
    ///
    /// # Errors
    /// The errors of [`ShardedHead::forward`].
    pub fn evaluate(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadEvaluation, Error> {
        self.agree_on_batch(features, labels)?;
        let summary = |features, labels: &[u32]| {
            let batch = Batch::new(features, self.objective().score());
            let (FirstPass { outcomes, targets, .. }, _) = self.first_pass(&batch, features, labels, 0)?;
            Ok(HeadEvaluation::new(&outcomes, &targets))
        };
        match Active::of(features, labels, self.objective().ignore_label()) {
            None => summary(features, labels),
            Some(active) => {
                let mut found = summary(active.features()?, &active.labels)?;
                found.losses = active.spread(&found.losses, 1);
                Ok(found)
            }
        }
    }

    /// The class with the largest score for each sample of a batch that every rank has; the lowest class of a tie. Collective: two
    /// gathers.
    ///
    /// # Errors
    /// Features of a different dimension, or not finite; [`Error::RanksDiffer`], [`Error::RankFailed`], those of the
    /// [`Communicator`].
    pub fn predict(&self, features: MatRef<'_>) -> Result<Vec<u32>, Error> {
        let centres = self.local.scored();
        let facts = [("batch", of_batch(features, &[])), ("number of steps", self.steps())];
        agree(&self.communicator, centres.check_features(features), &facts)?;
        let batch = Batch::new(features, self.objective().score());
        let own_first = self.own.start;
        let best: Vec<f64> = centres
            .largest(&batch)
            .into_iter()
            .flat_map(|(similarity, class)| [f64::from(similarity), (own_first + class as usize) as f64])
            .collect();
        let all = self.gathered(&best)?;
        let spoilt = |row: &usize| all.iter().any(|best| best[2 * row].is_nan());
        if let Some(row) = (0..batch.rows).find(spoilt) {
            return Err(Error::NonFiniteScore { row });
        }
        let largest = |sample: usize| {
            let each = all.iter().map(|best| (best[2 * sample], best[2 * sample + 1] as u32));
            // strictly larger: the earlier ranks have the lower classes
            each.reduce(|best, next| if next.0 > best.0 { next } else { best }).map_or(0, |best| best.1)
        };
        Ok((0..batch.rows).map(largest).collect())
    }

    /// Fails if a rank rejects its batch, or if the batches differ.
    fn agree_on_batch(&self, features: MatRef<'_>, labels: &[u32]) -> Result<(), Error> {
        let objective = self.objective();
        let state = objective.state();
        let numbers = [state.running_target, state.norm_mean, state.norm_deviation, state.scale, state.bias];
        let facts = [
            ("batch", of_batch(features, labels)),
            ("number of steps", self.steps()),
            ("margin", objective.margin_in_force().to_bits()),
            ("state of the objective", fingerprint(numbers.into_iter().map(f64::to_bits))),
        ];
        agree(&self.communicator, self.check(features, labels), &facts)
    }

    fn check(&self, features: MatRef<'_>, labels: &[u32]) -> Result<(), Error> {
        self.local.scored().check_features(features)?;
        check_labels(labels, features.rows(), self.classes, self.objective().ignore_label())
    }

    /// Gathers equally many values from every rank.
    fn gathered(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let all = self.communicator.all_gather_f64(values)?;
        match all.iter().position(|theirs| theirs.len() != values.len()) {
            Some(rank) => {
                let (what, own) = ("place in the program", self.communicator.rank());
                Err(Error::RanksDiffer { what, rank, own })
            }
            None => Ok(all),
        }
    }

    /// The targets of the samples, each from the rank that holds the class; and for each sample whether that is this rank.
    fn targets(
        &self,
        centres: &Centres<'_>,
        features: MatRef<'_>,
        labels: &[u32],
    ) -> Result<(Targets, Vec<bool>), Error> {
        let own: Vec<bool> = labels.iter().map(|&label| self.own.contains(&(label as usize))).collect();
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| own[row]).collect();
        let values: Vec<f32> = rows.iter().flat_map(|&row| features.row(row).iter().copied()).collect();
        let own_labels: Vec<u32> = rows.iter().map(|&row| labels[row] - self.own.start as u32).collect();
        let own_features = MatRef::new(&values, rows.len(), features.cols()).map_err(ObjectiveError::from)?;
        let found = centres.targets(&Batch::new(own_features, centres.score), own_features, &own_labels);

        let mut shared = vec![0.0; 3 * labels.len()];
        let mut targets = Targets {
            similarities: Vec::new(),
            cosines: Vec::new(),
            lengths: Vec::new(),
            feature_norms: (0..labels.len()).map(|row| norm(features.row(row))).collect(),
            centre_norms: vec![1.0; labels.len()],
            rows: vec![0; labels.len()],
        };
        for (at, &row) in rows.iter().enumerate() {
            let [similarity, length] = [found.similarities[at], found.lengths[at]].map(f64::from);
            shared[3 * row..3 * row + 3].copy_from_slice(&[similarity, found.cosines[at], length]);
            (targets.centre_norms[row], targets.rows[row]) = (found.centre_norms[at], found.rows[at]);
        }
        // all ranks but one add zeros
        self.communicator.all_reduce_sum_f64(&mut shared)?;
        targets.similarities = shared.chunks(3).map(|shared| shared[0] as f32).collect();
        targets.cosines = shared.chunks(3).map(|shared| shared[1]).collect();
        targets.lengths = shared.chunks(3).map(|shared| shared[2] as f32).collect();
        Ok((targets, own))
    }

    /// Runs the passes over the classes of this rank, and merges the results of all ranks.
    fn outcomes(
        &self,
        centres: &Centres<'_>,
        batch: &Batch,
        fresh: Vec<PointPass<f32>>,
        keep: usize,
    ) -> Result<(Vec<PointOutcome<f32>>, Vec<Scored>), Error> {
        let own_first = self.own.start;
        let observe = |pass: &mut PointPass<f32>, first_class: usize, similarities: &[f32]| {
            pass.observe(own_first + first_class, similarities);
        };
        let (passes, scored) = centres.sweep(batch, &fresh, keep, observe, PointPass::merge);
        let mut parts = Vec::new();
        for pass in &passes {
            pass.write_part(&mut parts);
        }
        let all = self.gathered(&parts)?;
        let finished = |(sample, mut pass): (usize, PointPass<f32>)| {
            let len = pass.part_len();
            for parts in &all {
                pass.observe_part(&parts[sample * len..(sample + 1) * len]);
            }
            pass.finish()
        };
        Ok((fresh.into_iter().enumerate().map(finished).collect(), scored))
    }

    /// Loss and diagnostics of each sample; and for each sample whether this rank holds its class.
    fn first_pass(
        &self,
        batch: &Batch,
        features: MatRef<'_>,
        labels: &[u32],
        keep: usize,
    ) -> Result<(FirstPass, Vec<bool>), Error> {
        let centres = self.local.scored();
        let (targets, own) = self.targets(&centres, features, labels)?;
        let over_all = |fresh, keep| self.outcomes(&centres, batch, fresh, keep);
        Ok((FirstPass::new(self.objective(), labels, targets, keep, over_all)?, own))
    }

    /// Loss, diagnostics and both gradients of a batch without ignored samples.
    fn gradients(&self, features: MatRef<'_>, labels: &[u32]) -> Result<HeadForward, Error> {
        let centres = self.local.scored();
        let batch = Batch::new(features, centres.score).for_products(centres.products);
        let (FirstPass { outcomes, points, targets, scored }, own) =
            self.first_pass(&batch, features, labels, centres.kept_scores)?;
        let HeadEvaluation { loss, losses, diagnostics } = HeadEvaluation::new(&outcomes, &targets);

        let (mut gradient, mut grad_features) =
            DenseGradient::new(&centres, batch, outcomes, scored, self.own.start);
        // the gradient through a centre's length belongs to the rank that holds it
        gradient.along_lengths(&centres, &targets, &mut grad_features, |row| own[row]);
        self.communicator.all_reduce_sum_f32(&mut grad_features)?;
        self.agree_on_gradient(gradient.check(&centres))?;
        let DenseGradient { batch, outcomes, .. } = &gradient;
        through_norms(&mut grad_features, batch, &targets, &points, outcomes, features, labels)?;
        let learnt = self.objective().learnt().map(|_| gradient.learnt_slope());
        let pending = PendingUpdate {
            gradient: CentreGradient::Dense(Box::new(gradient)),
            step: self.steps(),
            learnt,
            next_state: points.next_state(),
        };
        Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: None, pending })
    }

    /// Fails on every rank if the gradient of the centres is not finite on one.
    fn agree_on_gradient(&self, found: Result<(), Error>) -> Result<(), Error> {
        /// Means that the gradient is finite.
        const FINITE: f64 = -1.0;
        let wrong = match found {
            Ok(()) => FINITE,
            Err(Error::NonFiniteCentreGradient { class }) => class as f64,
            Err(other) => return Err(other),
        };
        match self.gathered(&[wrong])?.iter().find(|found| found[0] != FINITE) {
            Some(found) => Err(Error::NonFiniteCentreGradient { class: found[0] as usize }),
            None => Ok(()),
        }
    }

    /// Euclidean norm of the gradient of all centres, from that of this rank's.
    pub(super) fn norm_of_all(&self, own: f64) -> Result<f64, Error> {
        Ok(norm(&self.gathered(&[own])?.concat()))
    }
}
