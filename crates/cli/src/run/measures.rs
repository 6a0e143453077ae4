//! The measures of a model before and after training, and what training gained.

use super::accuracy::AccuracyBy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use widemargin::Evaluation;

/// The measures of one model, in the layout of `report.json`. As a gain: the differences, such that positive is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measures {
    /// On unseen classes; absent for a closed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<Separation>,
    known: KnownMeasures,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KnownMeasures {
    /// Share of the test samples of known classes assigned to their class; absent if there are none.
    accuracy: Option<f64>,
    /// What assigned them; absent if there are none, and for a gain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy_by: Option<AccuracyBy>,
    /// On test samples of known classes, for a closed set.
    #[serde(flatten)]
    separation: Option<Separation>,
}

/// How well the embeddings separate the classes of the evaluation set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Separation {
    verification: Verification,
    retrieval: Retrieval,
    /// Absent for so many samples that it is not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean_average_precision: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Verification {
    auc: f64,
    eer: f64,
    tar_at_far: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Retrieval {
    recall_at: BTreeMap<String, f64>,
    r_precision: f64,
    map_at_r: f64,
}

impl Measures {
    /// The measures of an evaluation; `closed` if its samples are of known classes.
    pub(crate) fn new(
        (accuracy, by): (Option<f64>, AccuracyBy),
        evaluation: &Evaluation,
        closed: bool,
    ) -> Self {
        let (v, r) = (&evaluation.verification, &evaluation.retrieval);
        let separation = Separation {
            verification: Verification {
                auc: v.auc,
                eer: v.eer,
                tar_at_far: v.tar_at_far.iter().map(|(far, tar)| ((*far).to_owned(), *tar)).collect(),
            },
            retrieval: Retrieval {
                recall_at: r.recall_at.iter().map(|(k, recall)| (k.to_string(), *recall)).collect(),
                r_precision: r.r_precision,
                map_at_r: r.map_at_r,
            },
            mean_average_precision: evaluation.mean_average_precision,
        };
        let (unseen, of_known) = if closed { (None, Some(separation)) } else { (Some(separation), None) };
        let accuracy_by = accuracy.map(|_| by);
        Self { unseen, known: KnownMeasures { accuracy, accuracy_by, separation: of_known } }
    }

    /// What a model with these measures gains over `base`: differences in the same layout, such that positive is better. For the EER, that
    /// is how much lower it is.
    pub(crate) fn gain_over(&self, base: &Self) -> Self {
        let separation = |own: &Option<Separation>, base: &Option<Separation>| {
            Some(own.as_ref()?.gain_over(base.as_ref()?))
        };
        Self {
            unseen: separation(&self.unseen, &base.unseen),
            known: KnownMeasures {
                // Only the same measure can be compared.
                accuracy: (self.known.accuracy.zip(base.known.accuracy))
                    .filter(|_| self.known.accuracy_by == base.known.accuracy_by)
                    .map(|(own, base)| own - base),
                accuracy_by: None,
                separation: separation(&self.known.separation, &base.known.separation),
            },
        }
    }

    /// Accuracy on test samples of known classes.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        self.known.accuracy
    }

    fn separation(&self) -> Option<&Separation> {
        self.unseen.as_ref().or(self.known.separation.as_ref())
    }

    fn of(&self, value: impl Fn(&Separation) -> Option<f64>) -> f64 {
        self.separation().and_then(value).unwrap_or(f64::NAN)
    }

    pub(crate) fn eer(&self) -> f64 {
        self.of(|s| Some(s.verification.eer))
    }

    pub(crate) fn auc(&self) -> f64 {
        self.of(|s| Some(s.verification.auc))
    }

    /// TAR at the FAR with this key, such as `1e-2`.
    pub(crate) fn tar_at_far(&self, far: &str) -> f64 {
        self.of(|s| s.verification.tar_at_far.get(far).copied())
    }

    pub(crate) fn recall_at_1(&self) -> f64 {
        self.of(|s| s.retrieval.recall_at.get("1").copied())
    }

    pub(crate) fn map_at_r(&self) -> f64 {
        self.of(|s| Some(s.retrieval.map_at_r))
    }

    /// Mean average precision over the whole ranking.
    pub(crate) fn mean_average_precision(&self) -> Option<f64> {
        self.separation()?.mean_average_precision
    }

    pub(crate) fn r_precision(&self) -> f64 {
        self.of(|s| Some(s.retrieval.r_precision))
    }

    /// TAR by the key of its FAR.
    pub(crate) fn all_tar(&self) -> impl Iterator<Item = (&String, f64)> {
        let all = self.separation().into_iter().flat_map(|s| &s.verification.tar_at_far);
        all.map(|(far, tar)| (far, *tar))
    }

    /// Recall by k.
    pub(crate) fn all_recall(&self) -> impl Iterator<Item = (usize, f64)> {
        let all = self.separation().into_iter().flat_map(|s| &s.retrieval.recall_at);
        all.filter_map(|(k, recall)| Some((k.parse().ok()?, *recall)))
    }
}

impl Separation {
    fn gain_over(&self, base: &Self) -> Self {
        let each = |own: &BTreeMap<String, f64>, base: &BTreeMap<String, f64>| {
            own.iter().filter_map(|(key, value)| Some((key.clone(), value - base.get(key)?))).collect()
        };
        let ((v, r), (base_v, base_r)) =
            ((&self.verification, &self.retrieval), (&base.verification, &base.retrieval));
        Self {
            verification: Verification {
                auc: v.auc - base_v.auc,
                eer: base_v.eer - v.eer,
                tar_at_far: each(&v.tar_at_far, &base_v.tar_at_far),
            },
            retrieval: Retrieval {
                recall_at: each(&r.recall_at, &base_r.recall_at),
                r_precision: r.r_precision - base_r.r_precision,
                map_at_r: r.map_at_r - base_r.map_at_r,
            },
            mean_average_precision: (self.mean_average_precision.zip(base.mean_average_precision))
                .map(|(own, base)| own - base),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Measures with these values.
    pub(crate) fn measures(eer: f64, auc: f64, recall: f64, map_at_r: f64) -> Measures {
        let tar_at_far = [("1e-2".to_owned(), 0.5)].into();
        let verification = Verification { auc, eer, tar_at_far };
        let recall_at = [("1".to_owned(), recall), ("10".to_owned(), 1.0)].into();
        let retrieval = Retrieval { recall_at, r_precision: map_at_r, map_at_r };
        let separation = Some(Separation { verification, retrieval, mean_average_precision: None });
        let (accuracy, accuracy_by) = (Some(0.5), Some(AccuracyBy::Means));
        Measures { unseen: separation, known: KnownMeasures { accuracy, accuracy_by, separation: None } }
    }

    #[test]
    fn a_gain_is_positive_where_training_made_the_measure_better() {
        let (trained, untrained) = (measures(0.1, 0.9, 0.8, 0.5), measures(0.3, 0.7, 0.9, 0.4));
        let gain = trained.gain_over(&untrained);
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        near(gain.eer(), 0.2);
        near(gain.auc(), 0.2);
        near(gain.recall_at_1(), -0.1);
        near(gain.map_at_r(), 0.1);
        assert_eq!((gain.accuracy(), gain.tar_at_far("1e-2")), (Some(0.0), 0.0));
        let mut by_centres = trained.clone();
        by_centres.known.accuracy_by = Some(AccuracyBy::Centres);
        assert_eq!(by_centres.gain_over(&untrained).accuracy(), None, "another measure");
    }

    #[test]
    fn measures_read_back_to_the_bit_for_open_and_closed_sets() {
        let open = measures(0.1 + 0.2, 1.0 / 3.0, 0.8, 2.0 / 3.0);
        let closed = Measures {
            unseen: None,
            known: KnownMeasures { accuracy: None, accuracy_by: None, separation: open.unseen.clone() },
        };
        for measures in [open, closed] {
            let text = serde_json::to_string(&measures).expect("JSON");
            assert_eq!(serde_json::from_str::<Measures>(&text).expect("its own"), measures, "{text}");
        }
    }
}
