//! A comparison with several seeds: the mean and spread of every measure, and the differences between objectives seed by seed.
//!
//! Two runs with the same seed begin with the same weights and see the samples in the same order, so their difference varies less than the
//! difference of two means. It is called better or worse only if its 95 % interval (Student's t over the seeds) does not contain zero.

use super::evaluated::RunReport;
use super::measures::Measures;
use serde::Serialize;
use std::fmt::Write as _;
use widemargin_report::table::{Column, Table};

/// Quantiles 0.975 of Student's t for 1 to 30 degrees of freedom; for more, the normal quantile is near enough to say so little.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const NORMAL: f64 = 1.96;

/// Objectives side by side in one table: more do not fit a terminal of 80 columns.
const SIDE_BY_SIDE: usize = 3;

/// The measures of all seeds of all objectives.
#[derive(Debug, Serialize)]
pub(crate) struct Seeds {
    /// In the order of the runs.
    #[serde(rename = "seeds")]
    all: Vec<u64>,
    objectives: Vec<Objective>,
    /// Each objective after the first, against the first.
    differences: Vec<Differences>,
}

#[derive(Debug, Serialize)]
struct Objective {
    #[serde(rename = "objective")]
    name: String,
    measures: Vec<Statistics>,
    /// Before training, with the same seeds.
    untrained: Vec<Statistics>,
}

/// A measure over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Statistics {
    measure: String,
    mean: f64,
    /// Standard deviation over the seeds, with `N - 1`.
    deviation: f64,
    /// In the order of the seeds.
    values: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Differences {
    objective: String,
    against: String,
    measures: Vec<Difference>,
}

/// The difference of two objectives in a measure, seed by seed.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    measure: String,
    mean: f64,
    deviation: f64,
    /// The 95 % interval of the mean.
    interval: [f64; 2],
    finding: Finding,
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Finding {
    Better,
    Worse,
    /// The interval contains zero.
    Unclear,
}

/// A measure: its name, its value, and whether more is better.
type Named = (String, f64, bool);

fn named(measures: &Measures) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    all.extend(measures.accuracy().map(|accuracy| ("known accuracy".to_owned(), accuracy, true)));
    all.push(("EER".to_owned(), measures.eer(), false));
    all.push(("AUC".to_owned(), measures.auc(), true));
    all.extend(measures.all_tar().map(|(far, tar)| (format!("TAR at FAR {far}"), tar, true)));
    let mut recall: Vec<(usize, f64)> = measures.all_recall().collect();
    recall.sort_unstable_by_key(|(k, _)| *k);
    all.extend(recall.into_iter().map(|(k, recall)| (format!("recall at {k}"), recall, true)));
    all.push(("R-precision".to_owned(), measures.r_precision(), true));
    all.push(("MAP@R".to_owned(), measures.map_at_r(), true));
    all.extend(measures.mean_average_precision().map(|map| ("mAP".to_owned(), map, true)));
    all
}

/// Mean and standard deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 })
}

/// The measures that every seed has.
fn statistics(seeds: &[Measures]) -> Vec<Statistics> {
    let all: Vec<Vec<Named>> = seeds.iter().map(named).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let of = |name: &str| -> Option<Vec<f64>> {
        let value = |of_seed: &Vec<Named>| {
            of_seed.iter().find(|(found, ..)| found == name).map(|(_, value, _)| *value)
        };
        all.iter().map(value).collect()
    };
    first
        .iter()
        .filter_map(|(name, ..)| {
            let values = of(name)?;
            let (mean, deviation) = mean_and_deviation(&values);
            Some(Statistics { measure: name.clone(), mean, deviation, values })
        })
        .collect()
}

fn difference(own: &Statistics, first: &Statistics, more_is_better: bool) -> Difference {
    let differences: Vec<f64> =
        own.values.iter().zip(&first.values).map(|(own, first)| own - first).collect();
    let (mean, deviation) = mean_and_deviation(&differences);
    let count = differences.len();
    let t = T.get(count.saturating_sub(2)).copied().unwrap_or(NORMAL);
    // Without a spread, one seed says nothing.
    let half = if count < 2 { f64::INFINITY } else { t * deviation / (count as f64).sqrt() };
    let interval = [mean - half, mean + half];
    let finding = match (interval[0] > 0.0, interval[1] < 0.0) {
        (false, false) => Finding::Unclear,
        (above, _) if above == more_is_better => Finding::Better,
        _ => Finding::Worse,
    };
    Difference { measure: own.measure.clone(), mean, deviation, interval, finding }
}

impl Seeds {
    /// The runs of a comparison: those of one objective after another, each with the same seeds. `None` with one seed.
    pub(crate) fn of<'a>(runs: impl Iterator<Item = &'a RunReport>) -> Option<Self> {
        let runs: Vec<&RunReport> = runs.collect();
        let first = runs.first()?;
        let count = runs.iter().take_while(|run| run.objective == first.objective).count();
        if count < 2 {
            return None;
        }
        let of = |runs: &[&RunReport]| {
            let measures: Vec<Measures> = runs.iter().map(|run| run.measures()).collect();
            let untrained: Option<Vec<Measures>> =
                runs.iter().map(|run| Some(run.untrained.as_ref()?.measures.clone())).collect();
            (runs[0].objective.clone(), measures, untrained.unwrap_or_default())
        };
        let all = runs.chunks_exact(count).map(of).collect();
        Some(Self::new(runs[..count].iter().map(|run| run.seed).collect(), all))
    }

    fn new(seeds: Vec<u64>, all: Vec<(String, Vec<Measures>, Vec<Measures>)>) -> Self {
        let better: Vec<Named> =
            all.first().and_then(|(_, measures, _)| measures.first()).map(named).unwrap_or_default();
        let objectives: Vec<Objective> = all
            .into_iter()
            .map(|(name, measures, untrained)| Objective {
                name,
                measures: statistics(&measures),
                untrained: statistics(&untrained),
            })
            .collect();
        let differences = objectives.split_first().map_or_else(Vec::new, |(first, others)| {
            let against = |other: &Objective| {
                let pair = |own: &Statistics| {
                    let base = first.measures.iter().find(|base| base.measure == own.measure)?;
                    let more = better.iter().find(|(name, ..)| *name == own.measure)?.2;
                    Some(difference(own, base, more))
                };
                Differences {
                    objective: other.name.clone(),
                    against: first.name.clone(),
                    measures: other.measures.iter().filter_map(pair).collect(),
                }
            };
            others.iter().map(against).collect()
        });
        Self { all: seeds, objectives, differences }
    }

    /// The tables for a terminal: means and spreads, then the differences.
    pub(crate) fn tables(&self) -> String {
        let mut text = format!(
            "Mean and standard deviation over {} seeds ({}), in percent except for AUC.\n\n",
            self.all.len(),
            self.all.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
        );
        for some in self.objectives.chunks(SIDE_BY_SIDE) {
            text += &means(some);
            text.push('\n');
        }
        for differences in &self.differences {
            let Differences { objective, against, .. } = differences;
            let _ = writeln!(text, "{objective} against {against}, seed by seed:\n\n{}", differences.table());
        }
        text
    }

    /// One sentence per objective after the first, which names only the differences that are larger than their spread; then, if there are any, how
    /// many are expected by chance.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.differences.iter().map(|differences| differences.sentence(self.all.len())).collect();
        let compared: usize = self.differences.iter().map(|differences| differences.measures.len()).sum();
        let found = self.differences.iter().flat_map(|differences| &differences.measures);
        if found.filter(|found| found.finding != Finding::Unclear).count() > 0 {
            all.push(format!(
                "Of the {compared} intervals, one in 20 is expected to miss zero by chance: trust a difference that several measures show."
            ));
        }
        all
    }
}

/// In percent with two decimals, except for AUC.
fn shown(measure: &str, value: f64) -> String {
    if measure == "AUC" { format!("{value:.4}") } else { format!("{:.2}", 100.0 * value) }
}

fn signed(measure: &str, value: f64) -> String {
    let text = shown(measure, value);
    if value >= 0.0 { format!("+{text}") } else { text }
}

fn means(objectives: &[Objective]) -> String {
    let name = |objective: &Objective| Column::right(objective.name.clone());
    let mut columns = vec![Column::left("measure")];
    let untrained = objectives.first().is_some_and(|first| !first.untrained.is_empty());
    columns.extend(untrained.then(|| Column::right("untrained")));
    columns.extend(objectives.iter().map(name));
    let mut table = Table::new(columns);
    let cell = |all: &[Statistics], measure: &str| {
        all.iter().find(|found| found.measure == measure).map_or_else(
            || "-".to_owned(),
            |found| format!("{} ± {}", shown(measure, found.mean), shown(measure, found.deviation)),
        )
    };
    let Some(first) = objectives.first() else { return String::new() };
    for Statistics { measure, .. } in &first.measures {
        let mut cells = vec![measure.clone()];
        cells.extend(untrained.then(|| cell(&first.untrained, measure)));
        cells.extend(objectives.iter().map(|objective| cell(&objective.measures, measure)));
        table.row(cells);
    }
    table.render()
}

impl Differences {
    fn table(&self) -> String {
        let mut table = Table::new([
            Column::left("measure"),
            Column::right("difference"),
            Column::right("95 % interval"),
            Column::left("finding"),
        ]);
        for Difference { measure, mean, interval: [low, high], finding, .. } in &self.measures {
            let word = match finding {
                Finding::Better => "better",
                Finding::Worse => "worse",
                Finding::Unclear => "within the spread",
            };
            let interval = format!("{} to {}", signed(measure, *low), signed(measure, *high));
            table.row([measure.clone(), signed(measure, *mean), interval, word.to_owned()]);
        }
        table.render()
    }

    fn sentence(&self, seeds: usize) -> String {
        let with = |finding: Finding| -> Vec<String> {
            let of = self.measures.iter().filter(|found| found.finding == finding);
            of.map(|found| {
                let unit = if found.measure == "AUC" { "" } else { " points" };
                format!("{} ({}{unit})", found.measure, signed(&found.measure, found.mean))
            })
            .collect()
        };
        let parts: Vec<String> = [(Finding::Better, "better"), (Finding::Worse, "worse")]
            .into_iter()
            .map(|(finding, word)| (word, with(finding)))
            .filter(|(_, found)| !found.is_empty())
            .map(|(word, found)| format!("{word} in {}", found.join(", ")))
            .collect();
        let what = if parts.is_empty() {
            "no measure differs by more than its spread".to_owned()
        } else {
            format!("{}; the other measures are within the spread", parts.join("; "))
        };
        format!("{} against {} over {seeds} seeds: {what}.", self.objective, self.against)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::measures::tests::measures;

    #[test]
    fn a_difference_within_its_spread_is_not_called_better() {
        // EER, AUC, recall at 1, MAP@R.
        let first = vec![
            measures(0.10, 0.90, 0.80, 0.50),
            measures(0.12, 0.88, 0.78, 0.48),
            measures(0.11, 0.9, 0.79, 0.49),
        ];
        // A lower EER by 2 points with each seed; recall higher on average, but not with every seed.
        let other = vec![
            measures(0.08, 0.90, 0.83, 0.50),
            measures(0.10, 0.89, 0.77, 0.48),
            measures(0.0901, 0.9, 0.8, 0.49),
        ];
        let seeds = Seeds::new(
            vec![1, 2, 3],
            vec![("a".to_owned(), first.clone(), Vec::new()), ("b".to_owned(), other, first)],
        );
        let found = |name: &str| {
            let of = &seeds.differences[0].measures;
            of.iter().find(|found| found.measure == name).expect("a measure")
        };
        let eer = found("EER");
        assert!((eer.mean + 0.019_967).abs() < 1e-5 && eer.finding == Finding::Better, "{eer:?}");
        // Mean 1 point, deviation 2 points, t 4.303: 1 +- 5 points.
        let recall = found("recall at 1");
        assert_eq!(recall.finding, Finding::Unclear);
        assert!((recall.mean - 0.01).abs() < 1e-9, "{recall:?}");
        assert!((recall.interval[1] - (0.01 + 4.303 * recall.deviation / 3.0_f64.sqrt())).abs() < 1e-12);
        let said = &seeds.sentences()[0];
        assert!(said.starts_with("b against a over 3 seeds: better in EER (-2.00 points)"), "{said}");
        assert!(said.ends_with("the other measures are within the spread."), "{said}");
        assert!(seeds.sentences()[1].starts_with("Of the 8 intervals"), "{:?}", seeds.sentences());
        let tables = seeds.tables();
        assert!(
            tables.contains("within the spread") && tables.lines().all(|line| line.chars().count() <= 80),
            "{tables}"
        );
        assert!(tables.contains("11.00 ± 1.00"), "{tables}");
    }

    #[test]
    fn equal_results_are_no_finding() {
        let same = vec![measures(0.1, 0.9, 0.8, 0.5); 2];
        let seeds = Seeds::new(
            vec![1, 2],
            vec![("a".to_owned(), same.clone(), vec![]), ("b".to_owned(), same, vec![])],
        );
        assert!(seeds.differences[0].measures.iter().all(|found| found.finding == Finding::Unclear));
        assert_eq!(
            seeds.sentences(),
            ["b against a over 2 seeds: no measure differs by more than its spread."]
        );
    }

    #[test]
    fn deviations_and_quantiles() {
        let (mean, deviation) = mean_and_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((mean - 5.0).abs() < 1e-15 && (deviation - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert!(T.windows(2).all(|pair| pair[1] < pair[0]) && T[29] > NORMAL);
    }
}
