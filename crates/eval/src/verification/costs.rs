//! What errors cost: detection cost functions and the log-likelihood-ratio cost.
//!
//! A decision has two costs: rejecting a genuine pair (a miss) and accepting an impostor pair (a false accept). The prior is the
//! share of genuine pairs in use. The detection cost of a threshold is
//! `DCF(t) = prior * miss * FRR(t) + (1 - prior) * false_accept * FAR(t)`; normalised by the cost of
//! the better of "accept all" and "reject all" it is 1 for a useless system (NIST speaker recognition evaluation plans; Brümmer
//! and du Preez, *Application-independent evaluation of speaker detection*, 2006, sections 2 and 3). The minimum over thresholds
//! measures the scores alone; the actual cost includes the choice of the threshold; `Cllr` covers all thresholds at once.

use serde::{Deserialize, Serialize};

use super::calibration::{LogisticCalibration, softplus};
use super::measures::Verification;
use super::scores::{Accepted, SortedScores};
use crate::error::{Error, Result};

/// A prior and the costs of the two errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Costs {
    prior: f64,
    miss: f64,
    false_accept: f64,
}

/// The fields of a file, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    prior: f64,
    miss: f64,
    false_accept: f64,
}

impl TryFrom<Fields> for Costs {
    type Error = Error;

    fn try_from(fields: Fields) -> Result<Self> {
        Self::new(fields.prior, fields.miss, fields.false_accept)
    }
}

/// The detection cost of one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DetectionCost {
    /// The threshold; scores at or above it are accepted.
    pub threshold: f64,
    /// False accept rate at the threshold, in [0, 1].
    pub far: f64,
    /// False reject rate at the threshold, in [0, 1].
    pub frr: f64,
    /// `prior * miss * frr + (1 - prior) * false_accept * far`.
    pub cost: f64,
    /// `cost` over `min(prior * miss, (1 - prior) * false_accept)`. The minimum over thresholds is at most 1; a badly
    /// chosen threshold can cost more.
    pub normalised: f64,
}

impl Costs {
    /// `prior` is the share of genuine pairs, in (0, 1); `miss` and `false_accept` are the positive costs of one error.
    ///
    /// # Errors
    /// [`Error::Option`] naming the value outside its range.
    pub fn new(prior: f64, miss: f64, false_accept: f64) -> Result<Self> {
        if !(prior > 0.0 && prior < 1.0) {
            return Err(Error::Option {
                name: "prior",
                value: prior,
                expected: "between 0 and 1, both excluded",
            });
        }
        for (name, value) in [("miss", miss), ("false_accept", false_accept)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Option { name, value, expected: "positive and finite" });
            }
        }
        Ok(Self { prior, miss, false_accept })
    }

    /// The share of genuine pairs.
    pub fn prior(&self) -> f64 {
        self.prior
    }

    /// The cost of rejecting a genuine pair.
    pub fn miss(&self) -> f64 {
        self.miss
    }

    /// The cost of accepting an impostor pair.
    pub fn false_accept(&self) -> f64 {
        self.false_accept
    }

    /// The log-likelihood ratio above which accepting costs less than rejecting:
    /// `ln((1 - prior) * false_accept / (prior * miss))`.
    pub fn bayes_threshold(&self) -> f64 {
        ((1.0 - self.prior) * self.false_accept / (self.prior * self.miss)).ln()
    }

    fn of(&self, threshold: f64, far: f64, frr: f64) -> DetectionCost {
        let (for_miss, for_accept) = (self.prior * self.miss, (1.0 - self.prior) * self.false_accept);
        let cost = for_miss * frr + for_accept * far;
        DetectionCost { threshold, far, frr, cost, normalised: cost / for_miss.min(for_accept) }
    }

    fn at(&self, scores: &SortedScores, accepted: Accepted) -> DetectionCost {
        let genuine = scores.genuine().len();
        let far = accepted.impostor as f64 / scores.impostor().len() as f64;
        let frr = (genuine - accepted.genuine) as f64 / genuine as f64;
        self.of(accepted.threshold, far, frr)
    }
}

impl Verification {
    /// The smallest detection cost over all thresholds; among equal costs the highest threshold.
    pub fn min_dcf(&self, costs: &Costs) -> DetectionCost {
        let mut best = costs.at(&self.scores, self.scores.accept_nothing());
        for step in self.scores.steps() {
            let now = costs.at(&self.scores, step);
            if now.cost < best.cost {
                best = now;
            }
        }
        best
    }

    /// The detection cost of a threshold; a NaN threshold accepts nothing.
    pub fn dcf_at_threshold(&self, costs: &Costs, threshold: f64) -> DetectionCost {
        costs.at(&self.scores, self.scores.accepted_at(threshold))
    }

    /// The actual detection cost: the cost of the threshold that a calibration gives, where its log-likelihood ratio is
    /// [`Costs::bayes_threshold`]. That threshold is optimal if the calibration is exact.
    ///
    /// For scores that already are log-likelihood ratios, use [`LogisticCalibration::identity`].
    pub fn actual_dcf(&self, costs: &Costs, calibration: &LogisticCalibration) -> DetectionCost {
        self.dcf_at_threshold(costs, calibration.threshold(costs.bayes_threshold()))
    }

    /// The log-likelihood-ratio cost in bits,
    /// `Cllr = (mean over genuine of log2(1 + e^-l) + mean over impostors of log2(1 + e^l)) / 2`, with `l` the
    /// log-likelihood ratio that the calibration gives a score (Brümmer and du Preez 2006, eq. 36).
    ///
    /// 0 is perfect, 1 is the cost of the uninformative `l = 0`, and a badly calibrated system can cost more.
    pub fn cllr(&self, calibration: &LogisticCalibration) -> f64 {
        let [genuine] = self.scores.genuine().sum(|s| [softplus(-calibration.log_likelihood_ratio(s))]);
        let [impostor] = self.scores.impostor().sum(|s| [softplus(calibration.log_likelihood_ratio(s))]);
        let mean = genuine / self.genuine as f64 + impostor / self.impostor as f64;
        mean / (2.0 * std::f64::consts::LN_2)
    }

    /// The smallest `Cllr` that any rising function of the score can reach: what is left with perfect calibration.
    ///
    /// The function is found exactly by pooling adjacent violators (Brümmer and du Preez 2006, section 6).
    pub fn minimum_cllr(&self) -> f64 {
        // Groups of scores with their numbers of genuine and impostor pairs, in order of falling score. The share of genuine
        // pairs, weighted as if both kinds were equally frequent, must not rise.
        let (genuine, impostor) = (self.scores.genuine().len(), self.scores.impostor().len());
        let mut groups: Vec<(u64, u64)> = Vec::new();
        let mut before = (0, 0);
        for step in self.scores.steps() {
            let mut group = ((step.genuine - before.0) as u64, (step.impostor - before.1) as u64);
            before = (step.genuine, step.impostor);
            if group == (0, 0) {
                continue;
            }
            while let Some(&(g, i)) = groups.last() {
                if u128::from(group.0) * u128::from(i) < u128::from(g) * u128::from(group.1) {
                    break;
                }
                groups.pop();
                group = (group.0 + g, group.1 + i);
            }
            groups.push(group);
        }
        let mut sum = 0.0;
        for (g, i) in groups {
            let (of_genuine, of_impostor) = (g as f64 / genuine as f64, i as f64 / impostor as f64);
            // Groups of only one kind cost nothing.
            if g > 0 && i > 0 {
                sum += of_genuine * (of_impostor / of_genuine).ln_1p()
                    + of_impostor * (of_genuine / of_impostor).ln_1p();
            }
        }
        sum / (2.0 * std::f64::consts::LN_2)
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_scores;
    use super::*;

    #[test]
    fn a_case_by_hand() {
        // Falling: 3 g, 2 g, 1 i, 0 g, -1 i, -2 i.
        let found = from_scores(vec![3.0, 2.0, 0.0], vec![1.0, -1.0, -2.0]).unwrap();
        let even = Costs::new(0.5, 1.0, 1.0).unwrap();
        assert_eq!(even.bayes_threshold(), 0.0);
        let least = found.min_dcf(&even);
        // One error out of three pairs of a kind: at threshold 2 a miss, at 0 a false accept. The higher is reported.
        assert!((least.cost - 1.0 / 6.0).abs() < 1e-15 && (least.normalised - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!((least.threshold, least.far), (2.0, 0.0));
        let actual = found.actual_dcf(&even, &LogisticCalibration::identity());
        assert_eq!((actual.threshold, actual.frr), (0.0, 0.0));
        assert!((actual.far - 1.0 / 3.0).abs() < 1e-15);
        // If false accepts are expensive, the threshold moves above the single impostor pair.
        let expensive = Costs::new(0.01, 1.0, 1.0).unwrap();
        assert_eq!(found.min_dcf(&expensive).threshold, 2.0);
        assert!((found.dcf_at_threshold(&expensive, -9.0).normalised - 99.0).abs() < 1e-9);
        // Groups: (g g) (i g) (i i). Only the middle group costs: 1/3 of each kind at even odds, one bit each.
        assert!((found.minimum_cllr() - 1.0 / 3.0).abs() < 1e-15);
        assert!(found.cllr(&LogisticCalibration::identity()) > found.minimum_cllr());
    }

    #[test]
    fn useless_and_perfect_scores() {
        let useless = from_scores(vec![0.0; 3], vec![0.0; 4]).unwrap();
        let identity = LogisticCalibration::identity();
        assert_eq!((useless.cllr(&identity), useless.minimum_cllr()), (1.0, 1.0));
        assert_eq!(useless.min_dcf(&Costs::new(0.1, 1.0, 1.0).unwrap()).normalised, 1.0);
        let perfect = from_scores(vec![800.0; 3], vec![-800.0; 4]).unwrap();
        assert_eq!((perfect.cllr(&identity), perfect.minimum_cllr()), (0.0, 0.0));
        assert_eq!(softplus(1000.0), 1000.0);
    }

    #[test]
    fn costs_outside_their_range_are_errors() {
        for (prior, miss, accept, name) in [
            (0.0, 1.0, 1.0, "prior"),
            (1.0, 1.0, 1.0, "prior"),
            (f64::NAN, 1.0, 1.0, "prior"),
            (0.5, 0.0, 1.0, "miss"),
            (0.5, 1.0, f64::INFINITY, "false_accept"),
        ] {
            let json = serde_json::json!({ "prior": prior, "miss": miss, "false_accept": accept });
            assert!(serde_json::from_value::<Costs>(json).is_err());
            let error = Costs::new(prior, miss, accept).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
