//! From a batch to one point per sample.

use widemargin_chance::{Purpose, Stream};

use super::by_count::margin_of;
use super::objective::{ClassObjective, Rule};
use super::point::{Binary, Point};
use super::state::ClassState;
use crate::bounds;
use crate::error::Result;
use crate::family::{Competitors, Margin, Objective};

/// Facts about a batch that some rules need before its scores are pooled: one value per sample that is not ignored.
#[derive(Clone, Copy, Debug)]
pub struct BatchFacts<'a> {
    /// Labels.
    pub labels: &'a [u32],
    /// Norms of the features before normalisation.
    pub feature_norms: &'a [f64],
    /// Cosines with the target's centre, without a margin.
    pub target_cosines: &'a [f64],
    /// `log sum_{i != y} e^{s cos_i}` at the scale `s` of [`ClassObjective::wants_partitions`]; only needed if that is `Some`.
    pub log_partitions: Option<&'a [f64]>,
}

/// One point per sample, and the state after the batch.
#[derive(Clone, Debug)]
pub struct BatchPoints {
    uniform: Option<Point>,
    points: Vec<Point>,
    norm_terms: Vec<NormTerm>,
    next_state: ClassState,
}

/// Bounds of a dynamic scale. Cosines differ by at most 2, so below 1 even a perfect sample has a loss of `ln(1 + e^-2)`; above
/// 1000 only the hardest non-target is left in `f32`.
const DYNAMIC_SCALES: [f64; 2] = [1.0, 1000.0];

/// The term of the loss that depends on the norm of a feature (MagFace).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NormTerm {
    /// Added to the sample's loss.
    pub loss: f64,
    /// Its derivative with respect to the norm.
    pub slope: f64,
    /// `d margin / d norm`.
    pub margin_by_norm: f64,
    /// Derivative of the target's cosine under the margin with respect to the margin.
    pub margin_slope: f64,
}

impl NormTerm {
    /// `d loss / d norm` of the sample; `push` and `scale` are those of its point.
    pub fn norm_slope(&self, push: f64, scale: f64) -> f64 {
        self.slope - push * scale * self.margin_slope * self.margin_by_norm
    }
}

impl BatchPoints {
    /// The point of a sample.
    pub fn point(&self, sample: usize) -> &Point {
        self.uniform.as_ref().unwrap_or_else(|| &self.points[sample])
    }

    /// The norm term of a sample; `None` for most objectives.
    pub fn norm_term(&self, sample: usize) -> Option<&NormTerm> {
        self.norm_terms.get(sample)
    }

    /// The state after this batch, for [`ClassObjective::commit`].
    pub fn next_state(&self) -> ClassState {
        self.next_state
    }
}

impl ClassObjective {
    /// The scale at which [`BatchFacts::log_partitions`] must be given, if it is needed.
    pub fn wants_partitions(&self) -> Option<f64> {
        (self.rule == Rule::DynamicScale).then_some(self.state.scale)
    }

    /// Resolves a batch: one point per sample.
    ///
    /// # Errors
    /// If a setting computed from the batch is outside its range, such as a dynamic scale that is not finite.
    pub fn points(&self, facts: &BatchFacts<'_>) -> Result<BatchPoints> {
        let base = self.base.with_margin_share(self.margin_share);
        let mut next = ClassState { step: self.state.step + 1, ..self.state };
        let mut points = Vec::new();
        let mut norm_terms = Vec::new();
        let uniform = match self.rule {
            Rule::Fixed => Some(Point::Family(base)),
            Rule::Curricular { momentum } => {
                if !facts.target_cosines.is_empty() {
                    let mean = mean(facts.target_cosines).clamp(-1.0, 1.0);
                    next.running_target += momentum * (mean - next.running_target);
                }
                let competitors = Competitors::Curricular { running_target: next.running_target };
                Some(Point::Family(Objective { competitors, ..base }))
            }
            Rule::AdaFace { margin, concentration, momentum } => {
                // the authors' code clamps norms in the same way
                let norms: Vec<f64> =
                    facts.feature_norms.iter().map(|norm| norm.clamp(1e-3, 100.0)).collect();
                if norms.len() > 1 {
                    next.norm_mean += momentum * (mean(&norms) - next.norm_mean);
                    next.norm_deviation += momentum * (deviation(&norms) - next.norm_deviation);
                }
                let margin = margin * self.margin_share;
                points = norms
                    .iter()
                    .map(|norm| {
                        let quality = concentration * (norm - next.norm_mean) / (next.norm_deviation + 1e-3);
                        let quality = quality.clamp(-1.0, 1.0);
                        let turned =
                            Margin::Turned { angle: -margin * quality, cosine: margin + margin * quality };
                        Point::Family(Objective { margin: turned, ..base })
                    })
                    .collect();
                None
            }
            Rule::MagFace { norms: [low, high], margins: [least, most], weight } => {
                for (&norm, &cosine) in facts.feature_norms.iter().zip(facts.target_cosines) {
                    let length = norm.clamp(low, high);
                    let inside = if (low..=high).contains(&norm) { 1.0 } else { 0.0 };
                    let by_norm = self.margin_share * (most - least) / (high - low);
                    let margin = self.margin_share * least + by_norm * (length - low);
                    norm_terms.push(NormTerm {
                        loss: weight * (length / (high * high) + 1.0 / length),
                        slope: inside * weight * (1.0 / (high * high) - 1.0 / (length * length)),
                        margin_by_norm: inside * by_norm,
                        margin_slope: angle_margin_slope(margin, cosine),
                    });
                    points.push(Point::Family(Objective { margin: Margin::additive_angle(margin), ..base }));
                }
                None
            }
            Rule::Elastic { deviation, seed } => {
                let mut random = Stream::new(seed, Purpose::MarginDraw, self.state.step, 0);
                let bounds = match base.margin {
                    Margin::AdditiveCosine(_) => bounds::COSINE_MARGIN,
                    _ => bounds::ANGLE_MARGIN,
                };
                let amount = base.margin.amount();
                points = facts
                    .labels
                    .iter()
                    .map(|&label| {
                        let amount = match &self.class_margins {
                            Some(margins) => self.margin_share * margin_of(margins, label)?,
                            None => amount,
                        };
                        let drawn = amount + self.margin_share * deviation * random.normal();
                        let drawn = drawn.clamp(bounds.low, bounds.high);
                        let margin = match base.margin {
                            Margin::AdditiveCosine(_) => Margin::AdditiveCosine(drawn),
                            _ => Margin::additive_angle(drawn),
                        };
                        Ok(Point::Family(Objective { margin, ..base }))
                    })
                    .collect::<Result<_>>()?;
                None
            }
            Rule::DynamicScale => {
                if let Some(partitions) = facts.log_partitions.filter(|partitions| !partitions.is_empty()) {
                    next.scale = dynamic_scale(partitions, facts.target_cosines);
                    next.validate()?;
                }
                Some(Point::Family(base.with_scale(next.scale)?))
            }
            Rule::LearntScale => Some(Point::Family(base.with_scale(self.state.scale)?)),
            Rule::Binary { balance, exponent } => Some(Point::Binary(Binary {
                balance,
                scale: base.score.scale(),
                margin: base.margin.amount(),
                exponent,
                bias: self.state.bias,
            })),
        };
        if let (Some(margins), Some(Point::Family(base))) = (&self.class_margins, &uniform) {
            points = facts
                .labels
                .iter()
                .map(|&label| {
                    let margin = margin_of(margins, label)?;
                    Ok(Point::Family(base.with_margin(margin * self.margin_share)?))
                })
                .collect::<Result<_>>()?;
            return Ok(BatchPoints { uniform: None, points, norm_terms, next_state: next });
        }
        Ok(BatchPoints { uniform, points, norm_terms, next_state: next })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With `count - 1` in the denominator, as in `torch.std`.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// `d value / d margin` of [`Margin::AdditiveAngle`].
fn angle_margin_slope(margin: f64, cosine: f64) -> f64 {
    let cosine = cosine.clamp(-1.0, 1.0);
    if cosine < -margin.cos() {
        return -(margin.sin() + margin * margin.cos());
    }
    -(cosine * margin.sin() + (1.0 - cosine * cosine).max(0.0).sqrt() * margin.cos())
}

/// AdaCos's rule ([`adacos_dynamic_scale`](crate::suggest::adacos_dynamic_scale)) without overflow, with the lower median as in
/// `torch.median`. With few classes that are all far away the batch average can be below 1 and its logarithm negative, so
/// the scale is clamped to [`DYNAMIC_SCALES`].
fn dynamic_scale(log_partitions: &[f64], target_cosines: &[f64]) -> f64 {
    let largest = log_partitions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_partitions.iter().map(|value| (value - largest).exp()).sum();
    let log_average = largest + (sum / log_partitions.len() as f64).ln();
    let mut angles: Vec<f64> = target_cosines.iter().map(|cosine| cosine.clamp(-1.0, 1.0).acos()).collect();
    angles.sort_by(f64::total_cmp);
    let median = angles[(angles.len() - 1) / 2];
    let scale = log_average / median.min(std::f64::consts::FRAC_PI_4).cos();
    scale.clamp(DYNAMIC_SCALES[0], DYNAMIC_SCALES[1])
}
