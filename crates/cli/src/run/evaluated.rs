//! A trained run with its evaluation: accuracy on known classes, verification and retrieval on unseen ones.

use super::accuracy::AccuracyBy;
use super::measures::Measures;
use super::untrained::Untrained;
use super::validated::ValidationReport;
use super::verdict::verdict;
use serde::Serialize;
use std::path::Path;
use widemargin::{Evaluation, EvaluationIntervals};
use widemargin_model::device;
use widemargin_train::log::{self, Metrics};
use widemargin_train::{Config, Prepared, Trainer, ValidationOutcome};

/// A warning of a run whose model could not be evaluated before training.
const NO_BASELINE: &str = "The model was not evaluated before training, so these results cannot be compared with an untrained model.";

/// A warning of a run that trains class centres only.
const NOTHING_TRAINED: &str = "The backbone has no trained parameters: its embeddings are the same before and after training, and so \
are the measures on the evaluation set.";

/// One objective's part of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    /// Name of the objective.
    pub(crate) objective: String,
    /// The objective with its parameters.
    pub(crate) formula: String,
    #[serde(flatten)]
    results: Results,
    /// The model before training; absent if it could not be evaluated.
    pub(crate) untrained: Option<Untrained>,
    /// What training gained over it, such that positive is better.
    pub(crate) gain: Option<Measures>,
    /// 95 % intervals of the measures, from drawing the classes again; absent for few classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) intervals: Option<EvaluationIntervals>,
    /// The evaluations during training; absent if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) validation: Option<ValidationReport>,
    /// What a reader of the results must know, as whole sentences.
    pub(crate) warnings: Vec<String>,
    /// A sentence if the model should not be used, with what to try; it is one of the warnings, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<String>,
    /// Seconds of training.
    pub(crate) seconds: f64,
    /// Training samples per second.
    pub(crate) samples_per_second: f64,
    /// Seed of the run.
    pub(crate) seed: u64,
    /// Device of the run, with its adapter if it has one.
    pub(crate) device: String,
    /// Size of the margin, in the objective's own unit.
    #[serde(skip)]
    pub(crate) margin: f64,
}

/// What the run was evaluated on.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Results {
    /// Some classes were held out.
    Open {
        /// Verification and retrieval on classes that training never saw.
        unseen: Evaluation,
        known: Known,
    },
    /// All classes were trained on.
    Closed { known: ClosedSet },
}

/// Results on test samples of known classes.
#[derive(Debug, Serialize)]
struct Known {
    /// Share of the samples assigned to their class; absent if there are none.
    accuracy: Option<f64>,
    /// What assigned them.
    accuracy_by: AccuracyBy,
    /// How many there are.
    samples: usize,
}

/// Results on test samples of a closed set.
#[derive(Debug, Serialize)]
struct ClosedSet {
    accuracy: Option<f64>,
    accuracy_by: AccuracyBy,
    #[serde(flatten)]
    evaluation: Evaluation,
}

/// A run's report with what its page shows in addition.
pub(crate) struct EvaluatedRun {
    pub(crate) report: RunReport,
    /// The log of its training steps.
    pub(crate) metrics: Vec<Metrics>,
    /// Embeddings of known test samples, for the figure of dimension 2 or 3.
    pub(crate) known_embeddings: Vec<f32>,
    /// One class centre per known class; empty for objectives without centres.
    pub(crate) centres: Vec<f32>,
}

impl EvaluatedRun {
    /// Evaluates the run in `folder` that ended with `trainer` after so many seconds, at so many training samples per second, and with this outcome of
    /// its evaluations during training.
    pub(crate) fn new(
        (config, outcome): (&Config, Option<ValidationOutcome>),
        prepared: &Prepared,
        folder: &Path,
        (trainer, seconds, samples_per_second): (&Trainer, f64, f64),
        accuracy_by: AccuracyBy,
    ) -> anyhow::Result<Self> {
        let accuracy = accuracy_by.trained(trainer, prepared)?;
        let evaluation = widemargin::evaluate(&trainer.model(prepared)?, prepared)?;
        let dim = evaluation.embeddings.dim();
        let intervals = evaluation.intervals()?;
        let measures = Measures::new((accuracy, accuracy_by), &evaluation, prepared.split.is_closed());
        let untrained = Untrained::read(folder)?;
        let gain = untrained.as_ref().map(|base| measures.gain_over(&base.measures));
        let mut warnings = prepared.warnings.clone();
        warnings.extend(evaluation.verification.warnings.iter().cloned());
        match &untrained {
            None => warnings.push(NO_BASELINE.to_owned()),
            Some(_) if !trainer.trains_backbone() => warnings.push(NOTHING_TRAINED.to_owned()),
            Some(base) => warnings.extend(base.not_beaten_by(&config.objective.name, &measures)),
        }
        let metrics = log::history(folder)?;
        let verdict = verdict(&measures, untrained.as_ref(), &metrics).filter(|_| trainer.trains_backbone());
        warnings.extend(verdict.clone());
        let known_embeddings =
            if matches!(dim, 2 | 3) { trainer.embed(prepared, &prepared.known.samples)? } else { Vec::new() };
        let results = if prepared.split.is_closed() {
            Results::Closed { known: ClosedSet { accuracy, accuracy_by, evaluation } }
        } else {
            Results::Open {
                unseen: evaluation,
                known: Known { accuracy, accuracy_by, samples: prepared.known.samples.len() },
            }
        };
        let history = log::validations(folder)?;
        let validation =
            outcome.map(|outcome| ValidationReport::new(config, prepared.validation.len(), outcome, history));
        Ok(Self {
            report: RunReport {
                objective: config.objective.name.clone(),
                formula: trainer.head().formula(),
                results,
                untrained,
                gain,
                intervals,
                validation,
                warnings,
                verdict,
                seconds,
                samples_per_second,
                seed: config.training.seed,
                device: device::description(&config.training.device)?,
                margin: trainer.head().margin_in_force(),
            },
            metrics,
            known_embeddings,
            centres: trainer.head().class_head().map_or_else(Vec::new, |head| {
                // the first sub-centre of each class
                let per_class = head.sub_centres();
                let (centres, dim) = (head.settled_centres(), head.dim());
                centres.chunks(dim).step_by(per_class).flatten().copied().collect()
            }),
        })
    }
}

impl RunReport {
    /// Adds a warning for the reader, unless it is there already.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The measures of the trained model.
    pub(crate) fn measures(&self) -> Measures {
        Measures::new((self.known_accuracy(), self.accuracy_by()), self.evaluation(), self.is_closed())
    }

    /// Verification and retrieval: on unseen classes, or on test samples of a closed set.
    pub(crate) fn evaluation(&self) -> &Evaluation {
        match &self.results {
            Results::Open { unseen, .. } => unseen,
            Results::Closed { known } => &known.evaluation,
        }
    }

    /// Accuracy on test samples of known classes.
    pub(crate) fn known_accuracy(&self) -> Option<f64> {
        match &self.results {
            Results::Open { known, .. } => known.accuracy,
            Results::Closed { known } => known.accuracy,
        }
    }

    /// What assigned the test samples of known classes to a class.
    pub(crate) fn accuracy_by(&self) -> AccuracyBy {
        match &self.results {
            Results::Open { known, .. } => known.accuracy_by,
            Results::Closed { known } => known.accuracy_by,
        }
    }

    /// Whether all classes were trained on.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.results, Results::Closed { .. })
    }
}
