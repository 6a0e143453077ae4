//! One sample against all classes, one tile of classes at a time: the mathematics of the whole family.
//!
//! With many classes a training head never holds all scores of a batch, so the row is computed in two passes over tiles of
//! classes of any size. The target's similarity is computed first (one dot product):
//!
//! 1. [`Objective::row_pass`], then [`RowPass::observe`] for each tile, then [`RowPass::finish`]: loss and diagnostics;
//! 2. [`RowOutcome::gradient`] for each tile turns its similarities into derivatives of the loss.
//!
//! *Similarity* is the plain dot product or cosine, before scale and margin. The computation works on the leads
//! `d_i = scale (similarity_i - similarity_y) + margin`. Differences come first, so a constant added to all scores cancels,
//! and the largest lead is subtracted, so no exponential overflows. The loss is `log1p(sum_i e^{d_i})`, never `-log p_y`: at
//! large scales the smallest possible loss is far below the epsilon of `f32`.

mod nearest;
mod part;

use nearest::{Nearest, NearestOf};

use crate::family::{Competitors, Link, Margin, Objective, Pool, Score};
use crate::numeric::softplus;
use crate::real::Real;

/// The first pass over the classes for one sample.
#[derive(Clone, Debug)]
pub struct RowPass<T> {
    leads: Leads<T>,
    pool: Pool,
    link: Link,
    smoothing: f64,
    finite: bool,
    outranked: bool,
    /// Largest lead after the rule for non-targets, and its class.
    hardest: T,
    hardest_class: usize,
    /// Largest lead of a plain similarity, and that similarity.
    hardest_plain: T,
    nearest_similarity: T,
    /// Log-sum-exp: `sum e^{a_i}` and `sum a_i e^{a_i}` with `a_i = (d_i - hardest) / T`.
    exponentials: f64,
    moment: f64,
    /// Sum of hinges: `sum max(d_i, 0)` and how many are above 0.
    hinges: f64,
    violators: usize,
    /// For label smoothing: the sum of all leads and how many there are.
    lead_sum: f64,
    observed: usize,
    nearest: Option<Nearest<T>>,
}

/// Sums over the non-targets of one sample, computed by the caller for [`RowPass::observe_summed`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SummedCompetitors<T> {
    /// The largest similarity and its class.
    pub largest: T,
    /// See `largest`.
    pub largest_class: usize,
    /// Subtracted from the similarities: exponents are `a_i = scale / temperature (similarity_i - centre)`.
    pub centre: T,
    /// `sum e^{a_i}`.
    pub sum: f64,
    /// `sum a_i e^{a_i}`.
    pub moment: f64,
    /// How many there are.
    pub count: usize,
}

/// Loss and diagnostics of one sample, and the values that the second pass needs.
#[derive(Clone, Copy, Debug)]
pub struct RowOutcome<T> {
    /// The loss; `NaN` if a similarity was not finite or the scores exceed the range of floating point.
    pub loss: T,
    /// `pool_{i != y}(score_i) - (score_y - margin)`, before the link; minus infinity with a single class.
    pub pooled_lead: T,
    /// `-d loss / d score_y`, which is the sum of all `d loss / d score_i`; `1 - p_y` for a softmax without label smoothing.
    pub push: T,
    /// `exp` of the entropy of the non-targets' shares of the push; 0 with a single class.
    pub effective_competitors: T,
    /// The target's similarity, without scale and margin.
    pub target_similarity: T,
    /// Whether the target leads every non-target by the margin.
    pub margin_met: bool,
    /// Whether the target has the largest plain similarity; among equals the lowest class wins.
    pub correct: bool,
    /// `d loss / d scale` of a scale that multiplies every score, for objectives that learn it; with a log-sum-exp pool.
    pub scale_slope: T,
    /// `d loss / d length` of the target's score at a fixed direction, without the part through its similarity. 0 unless an
    /// angular margin is used with scores that have a length (see [`Objective::row_pass_at`]).
    pub length_slope: T,
    leads: Leads<T>,
    pool: Pool,
    hardest: T,
    hardest_class: usize,
    nearest_similarity: T,
    exponentials: f64,
    /// The part of the push shared by the exponentials, and what label smoothing subtracts per class.
    shared: T,
    smoothed: T,
    nearest: Option<NearestOf<T>>,
}

/// Turns a similarity into a lead over the target.
#[derive(Clone, Copy, Debug)]
struct Leads<T> {
    label: usize,
    scale: T,
    /// The target's similarity without the margin.
    plain: T,
    /// The target's similarity under the margin, and its derivative with respect to the plain one.
    target: T,
    slope: T,
    /// `d target / d length` at a fixed direction, without the part through the similarity.
    radial: T,
    /// A margin in score.
    offset: T,
    competitors: Competitors,
}

impl<T: Real> Leads<T> {
    fn plain_of(&self, similarity: T) -> T {
        self.scale * (similarity - self.target) + self.offset
    }

    /// Whether non-targets are unchanged.
    fn is_softmax(&self) -> bool {
        self.competitors == Competitors::Unchanged
    }

    /// The lead after the rule for non-targets, and the derivative of its similarity; `None` if the class leaves the sum.
    fn of(&self, similarity: T) -> Option<(T, T)> {
        if self.is_softmax() {
            return Some((self.plain_of(similarity), T::one()));
        }
        let (value, slope) = self.competitors.of(similarity.into(), self.target.into())?;
        Some((self.plain_of(T::from_f64(value)), T::from_f64(slope)))
    }
}

impl Objective {
    /// Whether this is a softmax: a log-sum-exp over unchanged non-targets without label smoothing, with any margin on the
    /// target. Such an objective can be finished from sums over the non-targets ([`RowPass::observe_summed`]).
    pub fn is_softmax(&self) -> bool {
        matches!(self.pool, Pool::LogSumExp { .. })
            && self.competitors == Competitors::Unchanged
            && self.smoothing == 0.0
    }

    /// The factor on similarities in the exponents of the pool, `scale / temperature`; `None` without exponents.
    pub fn sharpness(&self) -> Option<f64> {
        match self.pool {
            Pool::LogSumExp { temperature } => Some(self.score.scale() / temperature),
            _ => None,
        }
    }

    /// Starts the first pass for a sample of class `label`, given its similarity with the target's centre.
    pub fn row_pass<T: Real>(&self, label: usize, target_similarity: T) -> RowPass<T> {
        self.row_pass_at(label, target_similarity, T::one())
    }

    /// [`Objective::row_pass`] for similarities that have a length: `target_similarity = length * cos`, with `length` `|x|`
    /// for projections ([`Score::Projection`](crate::Score::Projection)), `|x| |w_y|` for dot products and 1 for cosines. An
    /// angular margin changes the cosine and keeps the length. With length 0 the cosine is 0. A custom margin on dot
    /// products changes the dot product itself.
    pub fn row_pass_at<T: Real>(&self, label: usize, target_similarity: T, length: T) -> RowPass<T> {
        let plain: f64 = target_similarity.into();
        let length: f64 = length.into();
        let of_score = matches!((&self.margin, self.score), (Margin::Custom(_), Score::Dot { .. }));
        let cosine = match length {
            _ if of_score => plain,
            length if length > 0.0 => plain / length,
            _ => 0.0,
        };
        let under = self.margin.of_cosine(cosine, T::SINE_SQUARED_FLOOR);
        let (target, radial) = match self.margin {
            Margin::None | Margin::Additive(_) => (plain, 0.0),
            _ if of_score => (under.value, 0.0),
            _ if length == 1.0 => (under.value, 0.0),
            _ => (length * under.value, under.value - under.slope * cosine),
        };
        let offset = if let Margin::Additive(margin) = self.margin { margin } else { 0.0 };
        let nearest = match self.competitors {
            Competitors::TopK { count, .. } => Some(Nearest::new(count)),
            _ => None,
        };
        RowPass {
            leads: Leads {
                label,
                scale: T::from_f64(self.score.scale()),
                plain: target_similarity,
                target: T::from_f64(target),
                slope: T::from_f64(under.slope),
                radial: T::from_f64(radial),
                offset: T::from_f64(offset),
                competitors: self.competitors,
            },
            pool: self.pool,
            link: self.link,
            smoothing: self.smoothing,
            finite: target_similarity.is_finite(),
            outranked: false,
            hardest: T::neg_infinity(),
            hardest_class: usize::MAX,
            hardest_plain: T::neg_infinity(),
            nearest_similarity: T::neg_infinity(),
            exponentials: 0.0,
            moment: 0.0,
            hinges: 0.0,
            violators: 0,
            lead_sum: 0.0,
            observed: 0,
            nearest,
        }
    }

    /// Both passes over a whole row: `similarities[i]` is the plain dot product or cosine with class `i`, and becomes
    /// `d loss / d similarity_i`.
    ///
    /// With a single class the loss and its gradient are 0.
    ///
    /// # Panics
    /// If `label >= similarities.len()`.
    pub fn row<T: Real>(&self, similarities: &mut [T], label: usize) -> RowOutcome<T> {
        self.row_at(similarities, label, T::one())
    }

    /// [`Objective::row`] for similarities that have a length (see [`Objective::row_pass_at`]).
    ///
    /// # Panics
    /// If `label >= similarities.len()`.
    pub fn row_at<T: Real>(&self, similarities: &mut [T], label: usize, length: T) -> RowOutcome<T> {
        let mut pass = self.row_pass_at(label, similarities[label], length);
        pass.observe(0, similarities);
        let outcome = pass.finish();
        outcome.gradient(0, similarities);
        outcome
    }
}

impl<T: Real> RowPass<T> {
    /// Adds the similarities with classes `first_class`, `first_class + 1`, ...; the target's is skipped.
    ///
    /// Tiles must come in the order of their classes, each class once.
    pub fn observe(&mut self, first_class: usize, similarities: &[T]) {
        let at = self.leads.label.wrapping_sub(first_class);
        if at < similarities.len() {
            self.competitors(first_class, &similarities[..at]);
            self.competitors(first_class + at + 1, &similarities[at + 1..]);
        } else {
            self.competitors(first_class, similarities);
        }
    }

    /// Adds the non-targets as sums; the target must not be among them, and no other call may add any.
    ///
    /// # Panics
    /// If the objective is not a softmax ([`Objective::is_softmax`]): other rules need every similarity.
    pub fn observe_summed(&mut self, summed: &SummedCompetitors<T>) {
        let Pool::LogSumExp { temperature } = self.pool else {
            panic!("sums need a log-sum-exp pool");
        };
        assert!(self.leads.is_softmax() && self.smoothing == 0.0, "sums need unchanged non-targets");
        if summed.count == 0 {
            return;
        }
        let slope = self.leads.scale / T::from_f64(temperature);
        let lead = self.leads.plain_of(summed.largest);
        self.finite &= summed.sum.is_finite() && lead.is_finite();
        self.outranked |= if summed.largest_class < self.leads.label {
            summed.largest >= self.leads.plain
        } else {
            summed.largest > self.leads.plain
        };
        self.observed += summed.count;
        (self.nearest_similarity, self.hardest, self.hardest_plain) = (summed.largest, lead, lead);
        self.hardest_class = summed.largest_class;
        (self.exponentials, self.moment) = (summed.sum, summed.moment);
        self.shift((slope * (summed.centre - summed.largest)).into());
    }

    /// Adds what a copy of this pass has observed of later classes. So several threads can each process a part of the classes; the
    /// copy must be made before this pass observed anything.
    pub fn merge(&mut self, later: Self) {
        self.finite &= later.finite;
        self.outranked |= later.outranked;
        self.observed += later.observed;
        self.lead_sum += later.lead_sum;
        self.hinges += later.hinges;
        self.violators += later.violators;
        self.hardest_plain = self.hardest_plain.max(later.hardest_plain);
        if let (Some(nearest), Some(others)) = (&mut self.nearest, &later.nearest) {
            nearest.merge(others);
        }
        // exponents are relative to the hardest; for a softmax the difference of similarities is more accurate
        let apart: f64 = match self.pool {
            _ if later.hardest_class == usize::MAX || self.hardest_class == usize::MAX => 0.0,
            Pool::LogSumExp { temperature } if self.leads.is_softmax() && self.smoothing == 0.0 => {
                let slope = self.leads.scale / T::from_f64(temperature);
                (slope * (later.nearest_similarity - self.nearest_similarity)).into()
            }
            Pool::LogSumExp { temperature } => {
                let apart: f64 = (later.hardest - self.hardest).into();
                apart / temperature
            }
            Pool::HingeSum | Pool::Max => 0.0,
        };
        let mut theirs = (later.exponentials, later.moment);
        if later.hardest > self.hardest {
            self.shift(-apart);
            (self.hardest, self.hardest_class) = (later.hardest, later.hardest_class);
            self.nearest_similarity = later.nearest_similarity;
        } else {
            theirs = shifted(theirs.0, theirs.1, apart);
        }
        self.exponentials += theirs.0;
        self.moment += theirs.1;
    }

    fn competitors(&mut self, first_class: usize, similarities: &[T]) {
        match self.pool {
            Pool::LogSumExp { temperature } if self.leads.is_softmax() && self.smoothing == 0.0 => {
                self.softmax(first_class, similarities, self.leads.scale / T::from_f64(temperature));
            }
            _ => self.any_competitors(first_class, similarities),
        }
    }

    /// The plain softmax, in which every lead is linear in the similarity: the exponents are `slope (similarity - largest)`,
    /// computed for a whole row at once.
    fn softmax(&mut self, first_class: usize, similarities: &[T], slope: T) {
        let leads = self.leads;
        let (largest, finite) = T::largest(similarities);
        if similarities.is_empty() {
            return;
        }
        let lead = leads.plain_of(largest);
        self.finite &= finite && lead.is_finite();
        // among equals the lowest class wins
        self.outranked |=
            if first_class < leads.label { largest >= leads.plain } else { largest > leads.plain };
        self.observed += similarities.len();
        if largest > self.nearest_similarity {
            if self.exponentials > 0.0 {
                self.shift((slope * (self.nearest_similarity - largest)).into());
            }
            let at = similarities.iter().position(|&similarity| similarity == largest);
            self.hardest_class = first_class + at.unwrap_or_default();
            (self.nearest_similarity, self.hardest, self.hardest_plain) = (largest, lead, lead);
        }
        let (sum, moment) = T::exponential_sums(similarities, slope, self.nearest_similarity);
        self.exponentials += sum;
        self.moment += moment;
    }

    fn any_competitors(&mut self, first_class: usize, similarities: &[T]) {
        let leads = self.leads;
        let mut hardest = self.hardest;
        for (at, &similarity) in similarities.iter().enumerate() {
            let plain = leads.plain_of(similarity);
            self.finite &= plain.is_finite();
            self.hardest_plain = self.hardest_plain.max(plain);
            if let Some((lead, _)) = leads.of(similarity).filter(|(lead, _)| *lead > hardest) {
                hardest = lead;
                self.hardest_class = first_class + at;
            }
            // among equals the lowest class wins
            let outranked =
                if first_class < leads.label { similarity >= leads.plain } else { similarity > leads.plain };
            self.outranked |= outranked;
        }
        self.observed += similarities.len();
        if self.smoothing > 0.0 {
            self.lead_sum +=
                similarities.iter().map(|&similarity| leads.plain_of(similarity).into()).sum::<f64>();
        }
        if let Some(nearest) = &mut self.nearest {
            nearest.observe(first_class, similarities);
        }
        match self.pool {
            Pool::Max => {}
            Pool::HingeSum => {
                for lead in similarities.iter().map(|&similarity| leads.plain_of(similarity)) {
                    if lead > T::zero() {
                        self.hinges += lead.into();
                        self.violators += 1;
                    }
                }
            }
            Pool::LogSumExp { temperature } => {
                let temperature = T::from_f64(temperature);
                if hardest > self.hardest && self.exponentials > 0.0 {
                    let shift: f64 = ((self.hardest - hardest) / temperature).into();
                    self.shift(shift);
                }
                for (lead, _) in similarities.iter().filter_map(|&similarity| leads.of(similarity)) {
                    let exponent = (lead - hardest) / temperature;
                    let exponential: f64 = exponent.exp().into();
                    if exponential > 0.0 {
                        self.exponentials += exponential;
                        self.moment += exponential * exponent.into();
                    }
                }
            }
        }
        self.hardest = hardest;
    }

    /// Adds `shift` to every exponent.
    fn shift(&mut self, shift: f64) {
        (self.exponentials, self.moment) = shifted(self.exponentials, self.moment, shift);
    }

    /// Raises the nearest non-targets by their margin, once all classes have been observed.
    fn raise_nearest(&mut self, temperature: f64) -> Option<NearestOf<T>> {
        let (Competitors::TopK { margin, .. }, Some(nearest)) = (self.leads.competitors, self.nearest.take())
        else {
            return None;
        };
        let raised = nearest.of(T::from_f64(margin))?;
        let (mut own, mut own_moment) = (0.0, 0.0);
        for similarity in nearest.similarities() {
            let exponent: f64 = (self.leads.plain_of(similarity) - self.hardest).into() / temperature;
            own += exponent.exp();
            own_moment += exponent * exponent.exp();
        }
        // The hardest is among them: relative to it, these stay unchanged and all others decrease.
        let rise = self.leads.scale.into() * margin;
        self.exponentials = (self.exponentials - own).max(0.0);
        self.moment = (self.moment - own_moment).min(0.0);
        self.shift(-rise / temperature);
        self.exponentials += own;
        self.moment += own_moment;
        self.hardest = self.hardest + T::from_f64(rise);
        Some(raised)
    }

    /// Loss, push and diagnostics. Every class must have been observed.
    pub fn finish(mut self) -> RowOutcome<T> {
        let nearest = match self.pool {
            Pool::LogSumExp { temperature } => self.raise_nearest(temperature),
            _ => None,
        };
        let (pooled_lead, competitors, mean_lead) = match self.pool {
            Pool::HingeSum => (self.hinges, self.violators as f64, 0.0),
            Pool::Max => (
                self.hardest.into(),
                if self.hardest_class == usize::MAX { 0.0 } else { 1.0 },
                self.hardest.into(),
            ),
            Pool::LogSumExp { .. } if self.exponentials == 0.0 => (f64::NEG_INFINITY, 0.0, 0.0),
            Pool::LogSumExp { temperature } => {
                let log_sum = self.exponentials.ln();
                let mean = self.moment / self.exponentials;
                let hardest: f64 = self.hardest.into();
                (hardest + temperature * log_sum, (log_sum - mean).exp(), hardest + temperature * mean)
            }
        };
        let (mut loss, slope) = match self.link {
            Link::Hinge => (pooled_lead.max(0.0), f64::from(u8::from(pooled_lead > 0.0))),
            Link::Softplus { temperature } => softplus(pooled_lead, temperature),
        };
        // A sum of hinges has the slope of the link times the number of its terms above zero.
        let mut push = if self.pool == Pool::HingeSum { slope * competitors } else { slope };
        let shared = slope;
        let mut scaled_slope = slope * mean_lead;
        let mut smoothed = 0.0;
        if self.smoothing > 0.0 {
            smoothed = self.smoothing / (self.observed + 1) as f64;
            loss -= smoothed * self.lead_sum;
            push -= smoothed * self.observed as f64;
            scaled_slope -= smoothed * self.lead_sum;
        }
        let scale: f64 = self.leads.scale.into();
        let loss = T::from_f64(loss);
        RowOutcome {
            loss: if self.finite && loss.is_finite() { loss } else { T::nan() },
            pooled_lead: T::from_f64(pooled_lead),
            push: T::from_f64(push),
            effective_competitors: T::from_f64(competitors),
            target_similarity: self.leads.plain,
            margin_met: self.hardest_plain <= T::zero(),
            correct: !self.outranked,
            scale_slope: T::from_f64(scaled_slope / scale),
            length_slope: T::from_f64(-push * scale * self.leads.radial.into()),
            leads: self.leads,
            pool: self.pool,
            hardest: self.hardest,
            hardest_class: self.hardest_class,
            nearest_similarity: self.nearest_similarity,
            exponentials: self.exponentials,
            shared: T::from_f64(shared),
            smoothed: T::from_f64(smoothed),
            nearest,
        }
    }
}

/// `sum e^a` and `sum a e^a` with `shift` added to every exponent.
fn shifted(sum: f64, moment: f64, shift: f64) -> (f64, f64) {
    let factor = shift.exp();
    if factor > 0.0 { (sum * factor, (moment + shift * sum) * factor) } else { (0.0, 0.0) }
}

impl<T: Real> RowOutcome<T> {
    /// The non-target with the largest score; `None` with a single class.
    pub fn hardest_competitor(&self) -> Option<usize> {
        (self.hardest_class != usize::MAX).then_some(self.hardest_class)
    }

    /// `d loss / d similarity_y`, scale included.
    pub fn target_slope(&self) -> T {
        -self.push * self.leads.scale * self.leads.slope
    }

    /// The factor on a non-target's exponential that gives `d loss / d similarity`, with exponents relative to the similarity
    /// `centre`: `push scale / sum_i e^{a_i}`. Without label smoothing.
    pub fn competitor_share(&self, centre: T) -> T {
        let Pool::LogSumExp { temperature } = self.pool else { return T::zero() };
        if self.exponentials == 0.0 {
            return T::zero();
        }
        let slope: f64 = self.leads.scale.into() / temperature;
        let shift = slope * (centre - self.nearest_similarity).into();
        T::from_f64(self.shared.into() * self.leads.scale.into() * shift.exp() / self.exponentials)
    }

    /// The second pass: `similarities` with classes `first_class`, `first_class + 1`, ... become
    /// `d loss / d similarity`, scale included.
    ///
    /// They must be the values that [`RowPass::observe`] saw. The entry of the target is
    /// `-push * scale * d(target under the margin) / d similarity_y`.
    pub fn gradient(&self, first_class: usize, similarities: &mut [T]) {
        let Leads { label, scale, slope, .. } = self.leads;
        let push = self.push * scale;
        match self.pool {
            Pool::HingeSum => {
                for value in similarities.iter_mut() {
                    *value = if self.leads.plain_of(*value) > T::zero() { scale } else { T::zero() };
                }
            }
            Pool::Max => {
                similarities.fill(T::zero());
                let at = self.hardest_class.wrapping_sub(first_class);
                if let Some(value) = similarities.get_mut(at) {
                    *value = push;
                }
            }
            Pool::LogSumExp { temperature } => {
                let temperature = T::from_f64(temperature);
                let smoothed = self.smoothed * scale;
                // the non-targets share the push before label smoothing
                let competitors = self.shared * scale;
                // at least 1, from the hardest non-target; with a single class the push is 0
                let share = competitors * T::from_f64(1.0 / self.exponentials.max(1.0));
                if self.leads.is_softmax() && smoothed == T::zero() {
                    T::weigh(similarities, scale / temperature, self.nearest_similarity, share);
                    if let Some(value) = similarities.get_mut(label.wrapping_sub(first_class)) {
                        *value = -push * slope;
                    }
                    return;
                }
                for (at, value) in similarities.iter_mut().enumerate() {
                    let raised = self
                        .nearest
                        .as_ref()
                        .map_or(T::zero(), |nearest| nearest.rise(first_class + at, *value) * scale);
                    *value = self.leads.of(*value).map_or(T::zero(), |(lead, slope)| {
                        share * slope * ((lead + raised - self.hardest) / temperature).exp()
                    }) - smoothed;
                }
            }
        }
        if let Some(value) = similarities.get_mut(label.wrapping_sub(first_class)) {
            *value = -push * slope;
        }
    }
}
