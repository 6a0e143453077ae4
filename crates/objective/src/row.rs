//! One sample against all classes: the mathematics of the whole family, a stretch of classes at a time.
//!
//! A training head never holds all scores of a batch when classes are many, so the row is computed in two passes over
//! any cutting of the classes into tiles. The target's similarity is known first (one dot product):
//!
//! 1. [`Objective::row_pass`], then [`RowPass::observe`] for each tile, then [`RowPass::finish`]: loss and diagnostics;
//! 2. [`RowOutcome::gradient`] for each tile turns its similarities into derivatives of the loss.
//!
//! *Similarity* is the plain dot product or cosine, before scale and margin. Inside, everything is written on the leads
//! `d_i = scale (similarity_i - similarity_y) + margin`: differences come first, so a constant added to all scores
//! cancels, and with the largest lead subtracted no exponential overflows. The loss is `log1p(sum_i e^{d_i})`, never
//! `-log p_y`: at large scales its floor lies far below the epsilon of `f32`.

use crate::{Link, Margin, Objective, Pool, Real};

/// `1 - cos^2` is kept above this in the derivative of an angle, which is infinite at `cos = +-1`.
const SINE_SQUARED_FLOOR: f64 = 1e-9;

/// The first pass over the classes for one sample.
#[derive(Clone, Copy, Debug)]
pub struct RowPass<T> {
    leads: Leads<T>,
    pool: Pool,
    link: Link,
    finite: bool,
    outranked: bool,
    hardest: T,
    hardest_class: usize,
    /// Log-sum-exp: `sum e^{a_i}` and `sum a_i e^{a_i}` with `a_i = (d_i - hardest) / T`.
    exponentials: f64,
    moment: f64,
    /// Sum of hinges: `sum max(d_i, 0)` and how many are above 0.
    hinges: f64,
    violators: usize,
}

/// What one sample's row comes to; also what the second pass needs.
#[derive(Clone, Copy, Debug)]
pub struct RowOutcome<T> {
    /// The loss; `NaN` if any similarity was not finite or the scores exceed the range of numbers.
    pub loss: T,
    /// `pool_{i != y}(score_i) - (score_y - margin)`, before the link; minus infinity with a single class.
    pub pooled_lead: T,
    /// `-d loss / d score_y`, which is the sum of all `d loss / d score_i`; `1 - p_y` for a softmax.
    pub push: T,
    /// `exp` of the entropy of the competitors' shares of the push; 0 if there is no competitor.
    pub effective_competitors: T,
    /// The target's similarity, without scale and margin.
    pub target_similarity: T,
    /// Whether every competitor's score is at most the target's less the margin.
    pub margin_met: bool,
    /// Whether the target has the largest plain similarity; of equals the lowest class wins.
    pub correct: bool,
    leads: Leads<T>,
    pool: Pool,
    hardest: T,
    hardest_class: usize,
    exponentials: f64,
}

/// Everything that turns a similarity into a lead over the target.
#[derive(Clone, Copy, Debug)]
struct Leads<T> {
    label: usize,
    scale: T,
    /// The target's similarity without the margin.
    plain: T,
    /// The target's similarity under a margin in cosine or angle, and its derivative by the plain one.
    target: T,
    slope: T,
    /// A margin in score.
    offset: T,
}

impl<T: Real> Leads<T> {
    fn of(&self, similarity: T) -> T {
        self.scale * (similarity - self.target) + self.offset
    }
}

impl Objective {
    /// Starts the first pass for a sample of class `label` whose similarity with its own class centre is known.
    pub fn row_pass<T: Real>(&self, label: usize, target_similarity: T) -> RowPass<T> {
        let (target, slope) = target_under_margin(self.margin, target_similarity);
        let offset = if let Margin::Additive(margin) = self.margin { margin } else { 0.0 };
        RowPass {
            leads: Leads {
                label,
                scale: T::from_f64(self.score.scale()),
                plain: target_similarity,
                target,
                slope,
                offset: T::from_f64(offset),
            },
            pool: self.pool,
            link: self.link,
            finite: target_similarity.is_finite(),
            outranked: false,
            hardest: T::neg_infinity(),
            hardest_class: usize::MAX,
            exponentials: 0.0,
            moment: 0.0,
            hinges: 0.0,
            violators: 0,
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
        let mut pass = self.row_pass(label, similarities[label]);
        pass.observe(0, similarities);
        let outcome = pass.finish();
        outcome.gradient(0, similarities);
        outcome
    }
}

/// The target's similarity under the margin and the derivative of that by the plain similarity.
fn target_under_margin<T: Real>(margin: Margin, similarity: T) -> (T, T) {
    let (one, zero) = (T::one(), T::zero());
    match margin {
        Margin::None | Margin::Additive(_) => (similarity, one),
        Margin::AdditiveCosine(margin) => (similarity - T::from_f64(margin), one),
        Margin::AdditiveAngle { margin, easy_margin } => {
            let (sin_m, cos_m) = (T::from_f64(margin.sin()), T::from_f64(margin.cos()));
            let cosine = similarity.max(-one).min(one);
            if easy_margin && cosine <= zero {
                return (similarity, one);
            }
            // theta > pi - m
            if !easy_margin && cosine < -cos_m {
                return (similarity - T::from_f64(margin) * sin_m, one);
            }
            let sine_squared = (one - cosine) * (one + cosine);
            let sine = sine_squared.max(T::from_f64(SINE_SQUARED_FLOOR)).sqrt();
            (cosine * cos_m - sine_squared.sqrt() * sin_m, cos_m + cosine * sin_m / sine)
        }
    }
}

impl<T: Real> RowPass<T> {
    /// Takes in the similarities with classes `first_class`, `first_class + 1`, ...; the target's own is skipped.
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

    fn competitors(&mut self, first_class: usize, similarities: &[T]) {
        let leads = self.leads;
        let mut hardest = self.hardest;
        for (at, &similarity) in similarities.iter().enumerate() {
            let lead = leads.of(similarity);
            self.finite &= lead.is_finite();
            if lead > hardest {
                hardest = lead;
                self.hardest_class = first_class + at;
            }
            // of equals the lowest class is the answer
            let outranked =
                if first_class < leads.label { similarity >= leads.plain } else { similarity > leads.plain };
            self.outranked |= outranked;
        }
        match self.pool {
            Pool::Max => {}
            Pool::HingeSum => {
                for lead in similarities.iter().map(|&similarity| leads.of(similarity)) {
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
                    let factor = shift.exp();
                    if factor > 0.0 {
                        self.moment = (self.moment + shift * self.exponentials) * factor;
                        self.exponentials *= factor;
                    } else {
                        (self.moment, self.exponentials) = (0.0, 0.0);
                    }
                }
                for &similarity in similarities {
                    let exponent = (leads.of(similarity) - hardest) / temperature;
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

    /// Loss, push and diagnostics, once every class has been observed.
    pub fn finish(self) -> RowOutcome<T> {
        let (pooled_lead, competitors) = match self.pool {
            Pool::HingeSum => (self.hinges, self.violators as f64),
            Pool::Max => (self.hardest.into(), if self.hardest_class == usize::MAX { 0.0 } else { 1.0 }),
            Pool::LogSumExp { .. } if self.exponentials == 0.0 => (f64::NEG_INFINITY, 0.0),
            Pool::LogSumExp { temperature } => {
                let log_sum = self.exponentials.ln();
                let entropy = log_sum - self.moment / self.exponentials;
                (self.hardest.into() + temperature * log_sum, entropy.exp())
            }
        };
        let (loss, slope) = match self.link {
            Link::Hinge => (pooled_lead.max(0.0), f64::from(u8::from(pooled_lead > 0.0))),
            Link::Softplus { temperature } => softplus(pooled_lead, temperature),
        };
        // A sum of hinges has the slope of the link times the number of its terms above zero.
        let push = if self.pool == Pool::HingeSum { slope * competitors } else { slope };
        let loss = T::from_f64(loss);
        RowOutcome {
            loss: if self.finite && loss.is_finite() { loss } else { T::nan() },
            pooled_lead: T::from_f64(pooled_lead),
            push: T::from_f64(push),
            effective_competitors: T::from_f64(competitors),
            target_similarity: self.leads.plain,
            margin_met: self.hardest <= T::zero(),
            correct: !self.outranked,
            leads: self.leads,
            pool: self.pool,
            hardest: self.hardest,
            hardest_class: self.hardest_class,
            exponentials: self.exponentials,
        }
    }
}

/// `T log(1 + e^{u / T})` and its derivative, without overflow on either side.
pub(crate) fn softplus(u: f64, temperature: f64) -> (f64, f64) {
    let small = (-u.abs() / temperature).exp();
    let loss = u.max(0.0) + temperature * small.ln_1p();
    let slope = if u > 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    (loss, slope)
}

impl<T: Real> RowOutcome<T> {
    /// The class whose score is the largest among the competitors; `None` with a single class.
    pub fn hardest_competitor(&self) -> Option<usize> {
        (self.hardest_class != usize::MAX).then_some(self.hardest_class)
    }

    /// The second pass: `similarities` with classes `first_class`, `first_class + 1`, ... become
    /// `d loss / d similarity`, scale included.
    ///
    /// They must be the very values that [`RowPass::observe`] saw. The entry of the target is
    /// `-push * scale * d(target under the margin) / d similarity_y`.
    pub fn gradient(&self, first_class: usize, similarities: &mut [T]) {
        let Leads { label, scale, slope, .. } = self.leads;
        let push = self.push * scale;
        match self.pool {
            Pool::HingeSum => {
                for value in similarities.iter_mut() {
                    *value = if self.leads.of(*value) > T::zero() { scale } else { T::zero() };
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
                // at least 1, the hardest competitor's own; with a single class there is none, and the push is 0
                let share = push * T::from_f64(1.0 / self.exponentials.max(1.0));
                for value in similarities.iter_mut() {
                    *value = share * ((self.leads.of(*value) - self.hardest) / temperature).exp();
                }
            }
        }
        if let Some(value) = similarities.get_mut(label.wrapping_sub(first_class)) {
            *value = -push * slope;
        }
    }
}
