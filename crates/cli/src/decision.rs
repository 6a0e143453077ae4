//! A decision by a threshold on cosines, and how it is said: what `compare` answers for a pair and `nearest` for a query.

use crate::calibration::{Rates, SavedCalibration};
use anyhow::ensure;

/// A search says so if more than this share of the queries of unknown classes may be accepted.
const OFTEN: f64 = 0.05;

/// A threshold and how far a score is above it.
pub(crate) struct Decision {
    pub(crate) threshold: f64,
    pub(crate) chosen_for: Option<String>,
    /// What the threshold does with the pairs of the calibration.
    pub(crate) rates: Option<Rates>,
    /// The prior for which the probability at the threshold is 50 %, and the slope of the log-odds.
    pub(crate) odds: Option<(f64, f64)>,
}

impl Decision {
    /// The probability of a score. It follows from the distance to the threshold, so that it never contradicts the decision.
    pub(crate) fn probability(&self, similarity: f64) -> Option<f64> {
        self.odds.map(|(_, slope)| 1.0 / (1.0 + (-slope * (similarity - self.threshold)).exp()))
    }

    /// A threshold that the user gave.
    pub(crate) fn given(threshold: f64) -> anyhow::Result<Self> {
        ensure!(
            (-1.0..=1.0).contains(&threshold),
            "--threshold: found {threshold}, expected a cosine from -1 to 1"
        );
        Ok(Self::plain(threshold))
    }

    /// A threshold of which nothing else is known.
    pub(crate) fn plain(threshold: f64) -> Self {
        Self { threshold, chosen_for: None, rates: None, odds: None }
    }

    /// The threshold, if cosines lie on both sides of it.
    pub(crate) fn cosine(&self) -> Option<f64> {
        Some(self.threshold).filter(|threshold| (-1.0..=1.0).contains(threshold))
    }

    /// The threshold of a calibration. It is the best one for the share of pairs that makes its probability 50 %.
    pub(crate) fn of_calibration(saved: &SavedCalibration) -> Self {
        let line = saved.calibration;
        Self {
            threshold: saved.threshold,
            chosen_for: Some(saved.chosen_for.to_string()),
            rates: saved.rates,
            odds: Some((1.0 / (1.0 + line.log_likelihood_ratio(saved.threshold).exp()), line.slope())),
        }
    }

    /// The answer with what it rests on, such as `different (0.43 < 0.51; FAR 0.1 %, TAR 94.6 %)`.
    pub(crate) fn line(&self, similarity: f64) -> String {
        let word = if similarity >= self.threshold { "same" } else { "different" };
        format!("{word} ({})", self.reason(similarity))
    }

    /// What an answer rests on.
    pub(crate) fn reason(&self, similarity: f64) -> String {
        let same = similarity >= self.threshold;
        let (cosine, threshold) = told_apart(similarity, self.threshold);
        let compared = match (self.cosine().is_some(), same) {
            // Equal numbers have equal digits.
            (true, true) => format!("{cosine} >= {threshold}"),
            (true, false) => format!("{cosine} < {threshold}"),
            (false, true) => format!("{cosine}; every cosine is enough"),
            (false, false) => format!("{cosine}; no cosine is enough"),
        };
        let of = match (self.rates, &self.chosen_for) {
            (Some(Rates { far, tar }), _) => {
                format!("; FAR {} %, TAR {} %", significant(100.0 * far), significant(100.0 * tar))
            }
            (None, Some(chosen)) => format!("; chosen for {chosen}"),
            (None, None) => String::new(),
        };
        format!("{compared}{of}")
    }

    /// A sentence if a search among so many `rows` often finds one of another class by chance.
    pub(crate) fn by_chance(&self, rows: usize) -> Option<String> {
        let far = self.rates?.far;
        let any = -((rows as f64) * (-far).ln_1p()).exp_m1();
        (any > OFTEN).then(|| {
            format!(
                "The threshold accepts {} % of the pairs of different classes. Among {rows} rows, up to {} % of the queries whose class is not in the file find \
                 one that it accepts. `eval identification` measures this and names thresholds for a search (--threshold).",
                significant(100.0 * far),
                significant(100.0 * any)
            )
        })
    }

    /// A sentence if the answer is the same for every cosine.
    pub(crate) fn in_any_case(&self) -> Option<String> {
        let (answer, which, cosine) = if self.threshold > 1.0 {
            ("different", "highest", 1.0)
        } else if self.threshold < -1.0 {
            ("same", "lowest", -1.0)
        } else {
            return None;
        };
        let chosen = self.chosen_for.as_ref().map(|chosen| format!(" for {chosen}")).unwrap_or_default();
        let probability = self.probability(cosine).map(|probability| {
            format!(
                "; the {which} cosine, {cosine}, has a probability of {} %",
                significant(100.0 * probability)
            )
        });
        Some(format!(
            "The answer{chosen} is {answer:?} for every cosine from -1 to 1{}.",
            probability.unwrap_or_default()
        ))
    }
}

/// Two numbers with two decimals, or as many as it takes to tell them apart.
fn told_apart(a: f64, b: f64) -> (String, String) {
    let with = |digits: usize| (format!("{a:.digits$}"), format!("{b:.digits$}"));
    (2..17).map(with).find(|(a, b)| a != b).unwrap_or_else(|| with(2))
}

/// A share in percent, or another number from 0, with three significant digits.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if (99.99..=100.0).contains(&value) {
        // Rounded down, so that 100 means all.
        return format!("{}", (value * 1e4).floor() / 1e4);
    }
    if (1e-3..99.99).contains(&value) {
        let digits = (2 - value.log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    format!("{value:.2e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_never_contradicts_the_decision() {
        for slope in [0.1, 20.0, 1e5] {
            let decision =
                Decision { threshold: 0.7, chosen_for: None, rates: None, odds: Some((0.01, slope)) };
            for similarity in [-1.0, 0.2, 0.699_999, 0.7_f64.next_down(), 0.7, 0.700_001, 1.0] {
                let probability = decision.probability(similarity).unwrap();
                assert!(similarity < 0.7 || probability >= 0.5, "{slope} {similarity}: {probability}");
                assert!(similarity >= 0.7 || probability <= 0.5, "{slope} {similarity}: {probability}");
            }
        }
    }

    #[test]
    fn a_search_among_many_rows_accepts_by_chance() {
        let of = |far| Decision {
            threshold: 0.5,
            chosen_for: None,
            rates: Some(Rates { far, tar: 0.9 }),
            odds: None,
        };
        assert_eq!([of(1e-3).by_chance(50), of(0.0).by_chance(1_000_000)], [None, None]);
        let said = of(1e-3).by_chance(1000).unwrap();
        // 1 - 0.999^1000
        assert!(said.contains("accepts 0.1 % of") && said.contains("up to 63.2 % of the queries"), "{said}");
        assert!(of(1.0).by_chance(9).unwrap().contains("up to 100 %"));
    }

    #[test]
    fn a_threshold_that_no_cosine_reaches_is_reported() {
        let of = |threshold| Decision {
            threshold,
            chosen_for: Some("a probability of 50 %".to_owned()),
            rates: None,
            odds: Some((0.001, 0.7)),
        };
        assert_eq!([of(0.5), of(1.0), of(-1.0)].map(|decision| decision.in_any_case()), [None, None, None]);
        assert_eq!(
            of(10.18).in_any_case().unwrap(),
            "The answer for a probability of 50 % is \"different\" for every cosine from -1 to 1; the highest cosine, 1, has a probability of 0.162 %."
        );
        let always = of(-3.0).in_any_case().unwrap();
        assert!(always.contains("\"same\"") && always.contains("lowest cosine, -1"), "{always}");
    }

    #[test]
    fn the_answer_is_one_line() {
        let rates = Some(Rates { far: 0.000_998, tar: 0.046 });
        let of = |threshold, rates, chosen_for: Option<&str>| Decision {
            threshold,
            chosen_for: chosen_for.map(str::to_owned),
            rates,
            odds: None,
        };
        for (decision, similarity, expected) in [
            (
                of(0.51, rates, Some("FAR at most 1e-3")),
                0.43,
                "different (0.43 < 0.51; FAR 0.0998 %, TAR 4.6 %)",
            ),
            (
                of(0.51, None, Some("FAR at most 1e-3")),
                0.51,
                "same (0.51 >= 0.51; chosen for FAR at most 1e-3)",
            ),
            (of(0.51, None, None), 0.5101, "same (0.5101 >= 0.5100)"),
            (of(1.5, rates, None), 1.0, "different (1.00; no cosine is enough; FAR 0.0998 %, TAR 4.6 %)"),
        ] {
            assert_eq!(decision.line(similarity), expected);
        }
    }

    #[test]
    fn numbers_have_the_digits_that_tell_them_apart() {
        let of = |a: f64, b: f64| -> [String; 2] { told_apart(a, b).into() };
        assert_eq!(of(0.5, 0.75), ["0.50", "0.75"]);
        assert_eq!(of(0.8, 0.8), ["0.80", "0.80"]);
        assert_eq!(of(0.503, 0.499), ["0.503", "0.499"]);
        assert_eq!(of(1.0, 0.999_999_2), ["1.000000", "0.999999"]);
        assert_eq!(of(1.0, 1.0_f64.next_up()), ["1.0000000000000000", "1.0000000000000002"]);
    }

    #[test]
    fn shares_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (100.0, "100"),
            (99.999_99, "99.9999"),
            (50.0, "50"),
            (0.1, "0.1"),
            (0.012_345, "0.0123"),
            (12.34, "12.3"),
            (3e-7, "3.00e-7"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
