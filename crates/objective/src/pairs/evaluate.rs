//! The evaluation of an objective on pairs: checks, pairs, matrix, objective, gradient.

use widemargin_kernels::matrix::MatRef;

use super::distance::{Matrix, Measure};
use super::miners::Miner;
use super::objectives::{Contrastive, PairObjective};
use super::reference::{PairReference, check_finite, check_reference, check_rows};
use super::rows::Pass;
use super::tuples::{Own, Pairing, Tuples};
use super::units::Units;
use crate::error::{Error, Result};
use crate::real::Real;

/// Options of [`PairObjective::evaluate`]. By default all pairs of the batch are compared.
#[derive(Clone, Copy, Debug)]
pub struct PairOptions<'a, T> {
    /// Use only these pairs or triplets.
    pub tuples: Option<&'a Tuples>,
    /// Use only the pairs or triplets that this miner finds.
    pub miner: Option<&'a Miner>,
    /// The step, for miners that draw at random: the same seed and step give the same tuples.
    pub draw: u64,
    /// Compare the batch with these embeddings instead of itself.
    pub reference: Option<PairReference<'a, T>>,
}

impl<T> Default for PairOptions<'_, T> {
    fn default() -> Self {
        Self { tuples: None, miner: None, draw: 0, reference: None }
    }
}

/// How much of a batch was used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairCounts {
    /// Positive pairs; for proxies, samples with the proxies of their class.
    pub positive_pairs: u64,
    /// Negative pairs.
    pub negative_pairs: u64,
    /// Triplets formed by these pairs.
    pub triplets: u64,
    /// Terms of the objective: pairs, triplets, anchors or proxies, depending on its formula.
    pub terms: f64,
    /// Terms above zero: those with a gradient. Some objectives average over these only.
    pub active: f64,
}

impl PairCounts {
    /// Share of the terms above zero; 0 without terms.
    pub fn active_share(&self) -> f64 {
        if self.terms > 0.0 { self.active / self.terms } else { 0.0 }
    }
}

/// Why a batch has no gradient. Its loss and all gradients are 0 by definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairWarning {
    /// There was nothing to compare: no pairs, or (as in pytorch-metric-learning) at most one of each kind.
    NoPairs,
    /// No positive pair: every sample is the only one of its class. Put several samples per class into a batch.
    NoPositives,
    /// No negative pair: all samples are of one class. Put several classes into a batch.
    NoNegatives,
    /// No anchor has both a positive and a negative.
    NoTriplets,
}

impl std::fmt::Display for PairWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoPairs => "the batch has no pairs to compare; its loss is 0",
            Self::NoPositives => {
                "the batch has no positive pair, so its loss is 0; put several samples per class into a batch"
            }
            Self::NoNegatives => {
                "the batch has no negative pair, so its loss is 0; put several classes into a batch"
            }
            Self::NoTriplets => {
                "no sample of the batch has both a positive and a negative, so its loss is 0; put several classes, and \
                 several samples of each, into a batch"
            }
        })
    }
}

/// Loss, gradients and counts of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct PairEvaluation<T> {
    /// The loss, reduced as in the objective's formula.
    pub loss: T,
    /// Gradient with respect to the embeddings: `[batch, dim]`, row-major.
    pub grad_embeddings: Vec<T>,
    /// Gradient with respect to the proxies, shaped like them; `None` for objectives without proxies.
    pub grad_proxies: Option<Vec<T>>,
    /// How much of the batch was used.
    pub counts: PairCounts,
    /// Set if the batch had nothing that the objective could use.
    pub warning: Option<PairWarning>,
}

impl PairObjective {
    /// Loss and gradients of a batch.
    ///
    /// Shapes: `embeddings` `[batch, dim]`; `proxies` `[classes * proxies_per_class, dim]` for objectives that have them
    /// (see [`PairObjective::proxies_per_class`]), else `None`; one label per row. Without proxies a label can be any number;
    /// with proxies it must be below `classes`.
    ///
    /// All objectives normalise embeddings (and proxies) first; the gradient is with respect to the given vectors. A vector
    /// whose norm is below [`NORM_FLOOR`](crate::NORM_FLOOR) gets a zero gradient. A batch without the pairs that the objective
    /// needs, such as an empty one, has loss 0, zero gradients, and a [`PairWarning`] that says what is missing. The result does
    /// not depend on the number of threads.
    ///
    /// # Errors
    /// Settings outside their range, shapes and labels that do not fit, `NaN` or infinity in an input, tuples that contradict
    /// the labels, options that the objective does not support, or a result beyond the range of `T`.
    pub fn evaluate<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        proxies: Option<MatRef<'_, T>>,
        labels: &[u32],
        options: &PairOptions<'_, T>,
    ) -> Result<PairEvaluation<T>> {
        self.validate()?;
        check_rows("embeddings", "labels", embeddings, labels)?;
        self.check_options(proxies.is_some(), options)?;
        if let Some(reference) = &options.reference {
            check_reference(embeddings, labels, reference)?;
        }
        let mined;
        let tuples = match (options.tuples, options.miner) {
            (Some(tuples), _) => {
                let (other, itself) = options.reference.map_or((labels, true), |r| (r.labels, false));
                tuples.check(labels, other, itself)?;
                Some(tuples)
            }
            (None, Some(miner)) => {
                mined = miner.mine_with(embeddings, labels, options.reference.as_ref(), options.draw)?;
                Some(&mined)
            }
            (None, None) => None,
        };
        let evaluation = match proxies {
            Some(proxies) => self.with_proxies(embeddings, proxies, labels, tuples)?,
            None => self.with_pairs(embeddings, labels, tuples, options.reference.as_ref()),
        };
        for (what, values) in [
            ("loss", std::slice::from_ref(&evaluation.loss)),
            ("gradient of the embeddings", &evaluation.grad_embeddings),
            ("gradient of the proxies", evaluation.grad_proxies.as_deref().unwrap_or(&[])),
        ] {
            if values.iter().any(|value| !value.is_finite()) {
                return Err(Error::NonFiniteResult { what });
            }
        }
        Ok(evaluation)
    }

    fn check_options<T>(&self, proxies: bool, options: &PairOptions<'_, T>) -> Result<()> {
        let refuse =
            |what, reason| Err(Error::Unsupported { objective: self.name().to_owned(), what, reason });
        match (self.proxies_per_class().is_some(), proxies) {
            (true, false) => return Err(Error::NoWeights { objective: self.name().to_owned() }),
            (false, true) => return refuse("proxies", "it has none; leave them out"),
            _ => {}
        }
        let tuples = options.tuples.is_some() || options.miner.is_some();
        if tuples && !self.takes_tuples() {
            return refuse("tuples or a miner", "it weights all pairs of the batch itself");
        }
        if options.tuples.is_some() && options.miner.is_some() {
            return refuse("tuples and a miner at once", "give either tuples or a miner");
        }
        if options.reference.is_some() {
            if !self.takes_references() {
                return refuse("references", "it is defined only on the batch and its proxies");
            }
            if matches!(self, Self::TripletMargin(of) if of.swap) {
                return refuse("references with `swap`", "it needs the distance between two references");
            }
        }
        Ok(())
    }

    fn with_pairs<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        labels: &[u32],
        tuples: Option<&Tuples>,
        reference: Option<&PairReference<'_, T>>,
    ) -> PairEvaluation<T> {
        let other = reference.map_or(labels, |reference| reference.labels);
        let own = match reference {
            None => Own::Same,
            Some(reference) => reference.own_rows.map_or(Own::Nowhere, Own::At),
        };
        // FastAP ranks the whole batch; tuples only weight the anchors
        let weights = match (self, tuples) {
            (Self::FastAp(_), Some(tuples)) => Some(tuples.weights(labels.len(), false)),
            _ => None,
        };
        let pairing = match tuples {
            Some(tuples) if weights.is_none() => Pairing::listed(tuples, labels.len(), self.counts_once()),
            _ => Pairing::labels(labels, other, own),
        };
        let mut counts = count(&pairing);
        if let Some(warning) = self.missing(&pairing) {
            return PairEvaluation {
                loss: T::zero(),
                grad_embeddings: vec![T::zero(); embeddings.data().len()],
                grad_proxies: None,
                counts,
                warning: Some(warning),
            };
        }
        let measure = self.measure();
        let centre = measure == Measure::SignalToNoise;
        let queries = Units::new(embeddings, centre);
        let references = reference.map(|reference| Units::new(reference.embeddings, centre));
        let (loss, gradient, terms, active) = if let Self::Angular(of) = self {
            let outcome = of.evaluate(queries, references, &pairing, labels, other);
            (outcome.loss, outcome.gradient, outcome.terms, outcome.active)
        } else {
            let matrix = Matrix::new(measure, queries, references);
            let pass = self.pass(&matrix, &pairing, weights.as_deref());
            let (gradient, _) = matrix.backward(pass.slopes, pass.scale, false);
            (pass.loss, gradient, pass.terms, pass.active)
        };
        (counts.terms, counts.active) = (terms, active);
        PairEvaluation {
            loss: T::from_f64(loss),
            grad_embeddings: gradient,
            grad_proxies: None,
            counts,
            warning: None,
        }
    }

    fn with_proxies<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        proxies: MatRef<'_, T>,
        labels: &[u32],
        tuples: Option<&Tuples>,
    ) -> Result<PairEvaluation<T>> {
        let per_class = self.proxies_per_class().unwrap_or(1);
        let rows = proxies.rows();
        if rows % per_class != 0 {
            let expected = per_class * rows.div_ceil(per_class);
            return Err(Error::Count { what: "proxies", found: rows, expected });
        }
        let classes = rows / per_class;
        check_finite("proxies", proxies)?;
        if proxies.cols() != embeddings.cols() {
            let (features, found) = (embeddings.cols(), proxies.cols());
            return Err(Error::Dimension { what: "proxies", features, found });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(Error::Label { row, found: labels[row], classes });
        }
        let weights = tuples.map(|tuples| tuples.weights(labels.len(), matches!(self, Self::ProxyNca(_))));
        let weights = weights.as_deref();
        let of_proxies: Vec<u32> = (0..rows).map(|row| (row / per_class) as u32).collect();
        let pairing = Pairing::labels(labels, &of_proxies, Own::Nowhere);
        let mut counts = count(&pairing);
        if labels.is_empty() {
            return Ok(PairEvaluation {
                loss: T::zero(),
                grad_embeddings: Vec::new(),
                grad_proxies: Some(vec![T::zero(); proxies.data().len()]),
                counts,
                warning: Some(PairWarning::NoPairs),
            });
        }
        let (queries, references) = (Units::new(embeddings, false), Units::new(proxies, false));
        let (pass, grad_embeddings, grad_proxies): (Pass<T>, _, _) = if let Self::ProxyAnchor(of) = self {
            // the proxies are the anchors, so they are the rows
            let pairing = Pairing::labels(&of_proxies, labels, Own::Nowhere);
            let present = labels.iter().collect::<std::collections::HashSet<_>>().len();
            let matrix = Matrix::new(Measure::Cosine, references, Some(queries));
            let mut pass = of.pass(&matrix, &pairing, weights, present);
            let slopes = std::mem::take(&mut pass.slopes);
            let (grad_proxies, grad_embeddings) = matrix.backward(slopes, pass.scale, true);
            (pass, grad_embeddings.unwrap_or_default(), grad_proxies)
        } else {
            let matrix = Matrix::new(self.measure(), queries, Some(references));
            let mut pass = match self {
                Self::SoftTriple(of) => of.pass(&matrix, &pairing, labels, weights),
                Self::ProxyNca(of) => of.pass(&matrix, labels, weights),
                _ => self.pass(&matrix, &pairing, weights),
            };
            let slopes = std::mem::take(&mut pass.slopes);
            let (grad_embeddings, grad_proxies) = matrix.backward(slopes, pass.scale, true);
            (pass, grad_embeddings, grad_proxies.unwrap_or_default())
        };
        (counts.terms, counts.active) = (pass.terms, pass.active);
        Ok(PairEvaluation {
            loss: T::from_f64(pass.loss),
            grad_embeddings,
            grad_proxies: Some(grad_proxies),
            counts,
            warning: None,
        })
    }

    fn measure(&self) -> Measure {
        match self {
            Self::Contrastive(_)
            | Self::TripletMargin(_)
            | Self::LiftedStructure(_)
            | Self::RankedList(_) => Measure::Euclidean,
            Self::FastAp(_) | Self::ProxyNca(_) => Measure::SquaredEuclidean,
            Self::SignalToNoiseRatioContrastive(_) => Measure::SignalToNoise,
            _ => Measure::Cosine,
        }
    }

    /// Objectives on all pairs of an anchor at once count repeated pairs once.
    fn counts_once(&self) -> bool {
        matches!(
            self,
            Self::Circle(_) | Self::MultiSimilarity(_) | Self::Supcon(_) | Self::LiftedStructure(_)
        )
    }

    fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>, weights: Option<&[f64]>) -> Pass<T> {
        match self {
            Self::Contrastive(of) => of.pass(matrix, pairing),
            Self::SignalToNoiseRatioContrastive(of) => Contrastive::from(*of).pass(matrix, pairing),
            Self::TripletMargin(of) => of.pass(matrix, pairing),
            Self::Circle(of) => of.pass(matrix, pairing),
            Self::MultiSimilarity(of) => of.pass(matrix, pairing),
            Self::NtXent(of) => of.pass(matrix, pairing),
            Self::Supcon(of) => of.pass(matrix, pairing),
            Self::LiftedStructure(of) => of.pass(matrix, pairing),
            Self::TupletMargin(of) => of.pass(matrix, pairing),
            Self::IntraPairVariance(of) => of.pass(matrix, pairing),
            Self::FastAp(of) => of.pass(matrix, pairing, weights),
            Self::RankedList(of) => of.pass(matrix, pairing),
            Self::Angular(_) | Self::ProxyNca(_) | Self::ProxyAnchor(_) | Self::SoftTriple(_) => {
                unreachable!("the callers evaluate these, since they need more than the matrix")
            }
        }
    }

    /// The kind of pair that the objective needs and the batch lacks.
    fn missing(&self, pairing: &Pairing<'_>) -> Option<PairWarning> {
        let [positives, negatives, triplets, _] = pairing.counts();
        let either = match self {
            Self::FastAp(_) => positives > 0,
            // pytorch-metric-learning treats lists of one pair each as empty
            Self::TripletMargin(_) | Self::Angular(_) | Self::RankedList(_) => positives + negatives > 0,
            _ => positives > 1 || negatives > 1,
        };
        if !either {
            let alone = matches!(self, Self::FastAp(_)) && negatives > 0;
            return Some(if alone { PairWarning::NoPositives } else { PairWarning::NoPairs });
        }
        let both = matches!(
            self,
            Self::TripletMargin(_)
                | Self::Circle(_)
                | Self::NtXent(_)
                | Self::Supcon(_)
                | Self::Angular(_)
                | Self::TupletMargin(_)
        );
        if !both {
            return None;
        }
        match (positives, negatives, triplets) {
            (0, ..) => Some(PairWarning::NoPositives),
            (_, 0, _) => Some(PairWarning::NoNegatives),
            (_, _, 0) if matches!(self, Self::TripletMargin(_) | Self::Circle(_)) => {
                Some(PairWarning::NoTriplets)
            }
            _ => None,
        }
    }
}

fn count(pairing: &Pairing<'_>) -> PairCounts {
    let [positive_pairs, negative_pairs, triplets, _] = pairing.counts();
    PairCounts { positive_pairs, negative_pairs, triplets, ..PairCounts::default() }
}
