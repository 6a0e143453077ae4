//! Whether training worked, in one sentence with what to try: the last line of a run, a warning in its report and in its calibration.

use super::measures::Measures;
use super::untrained::Untrained;
use widemargin_train::log::Metrics;

/// An equal error rate from which a model is hardly better than guessing, which has 50 %.
const NEAR_GUESSING: f64 = 0.35;

/// Training gained little if it removed less than this share of the errors of the untrained model, in recall at 1 and in the EER.
const SMALL_GAIN: f64 = 0.1;

/// An accuracy on the training batches below which the model has not learned them, and one above which it has nothing left to learn.
const NOT_LEARNED: f64 = 0.5;
const LEARNED: f64 = 0.95;

/// Share of the steps, at the end, over which the accuracy of the batches is averaged.
const LAST: usize = 20;

/// A sentence if training did not work: the model guesses, or is hardly better than before training. `metrics` are those of its steps.
pub(super) fn verdict(
    trained: &Measures,
    untrained: Option<&Untrained>,
    metrics: &[Metrics],
) -> Option<String> {
    let guesses = trained.eer() >= NEAR_GUESSING;
    let baseline = untrained.filter(|base| base.is_random());
    let gained_little = baseline.is_some_and(|base| {
        let (before, gain) = (&base.measures, trained.gain_over(&base.measures));
        let errors = 1.0 - before.recall_at_1();
        gain.eer() < SMALL_GAIN * before.eer() && gain.recall_at_1() < SMALL_GAIN * errors
    });
    let found = match (guesses, gained_little) {
        (false, false) => return None,
        (true, _) => {
            format!(
                "the model is hardly better than guessing (EER {:.1} %; guessing has 50 %)",
                100.0 * trained.eer()
            )
        }
        (false, true) => "training gained little over the untrained model".to_owned(),
    };
    Some(format!("Do not use this model: {found}. {}", advice(metrics)))
}

/// What to try, by how well the model knows its training samples.
fn advice(metrics: &[Metrics]) -> String {
    let last = &metrics[metrics.len() - metrics.len().div_ceil(LAST).min(metrics.len())..];
    let known = last.iter().map(|step| step.accuracy).filter(|accuracy| accuracy.is_finite());
    let (sum, count) = known.fold((0.0, 0), |(sum, count), accuracy| (sum + accuracy, count + 1));
    let accuracy = (count > 0).then(|| sum / f64::from(count));
    match accuracy {
        Some(accuracy) if accuracy < NOT_LEARNED => format!(
            "It has not learned its training samples either ({:.1} % of the last batches right): train longer (--minutes or --epochs), with a \
             lower learning rate (--learning-rate), or with larger images (--size).",
            100.0 * accuracy
        ),
        Some(accuracy) if accuracy > LEARNED => format!(
            "It knows its training samples ({:.1} % of the last batches right), but not other classes: use more classes or more samples, stronger \
             augmentation ([augment]), or a smaller margin.",
            100.0 * accuracy
        ),
        _ => "Train longer (--minutes or --epochs), use more classes or more samples, or look for wrong labels (widemargin data suspects)."
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::measures::tests::measures;

    fn steps(accuracy: f64) -> Vec<Metrics> {
        let metrics = Metrics {
            step: 1,
            epoch: 1,
            loss: 1.0,
            learning_rate: 0.1,
            margin: 0.0,
            accuracy,
            target_cosine: 0.5,
            push: 0.5,
            effective_competitors: 1.0,
            margin_met: 0.5,
            gradient_norm: 1.0,
            samples_per_second: 1.0,
        };
        // Only the last twentieth counts: three of these 43.
        let mut all = vec![Metrics { accuracy: 0.0, ..metrics.clone() }; 40];
        all.extend(vec![metrics; 3]);
        all
    }

    #[test]
    fn a_model_that_guesses_or_gained_little_is_not_recommended() {
        let base = Untrained::of_random_weights(measures(0.4, 0.6, 0.5, 0.2));
        let said =
            |eer, recall, accuracy| verdict(&measures(eer, 0.9, recall, 0.5), Some(&base), &steps(accuracy));
        assert_eq!(said(0.1, 0.9, 0.9), None);
        // Better in one measure only.
        assert_eq!(said(0.3, 0.5, 0.9), None);
        let guessing = said(0.46, 0.9, 0.046).expect("a sentence");
        assert!(
            guessing.contains("EER 46.0 %") && guessing.contains("4.6 % of the last batches"),
            "{guessing}"
        );
        let little = verdict(
            &measures(0.3, 0.9, 0.9, 0.5),
            Some(&Untrained::of_random_weights(measures(0.31, 0.9, 0.9, 0.5))),
            &steps(0.99),
        );
        let little = little.expect("a sentence");
        assert!(little.contains("gained little") && little.contains("99.0 %"), "{little}");
        let plain = verdict(&measures(0.46, 0.9, 0.9, 0.5), None, &[]).expect("a sentence");
        assert!(plain.contains("Train longer"), "{plain}");
        assert_eq!(verdict(&measures(0.1, 0.9, 0.9, 0.5), None, &[]), None);
    }
}
