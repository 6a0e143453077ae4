//! The plan of a sweep, fixed at its start and saved as `sweep.toml`: the configuration that all runs share, the lists of values, and the epochs
//! of each round.
//!
//! Everything follows from the plan: the runs in their order, their names and configurations, and the rounds of successive halving. A resumed
//! sweep compares the plan with the results in the folder to find what is left.

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};
use widemargin_objective::CatalogueEntry;
use widemargin_train::Config;

/// Most runs of a sweep, and most seeds of an objective; more are likely a typing error.
const MOST_RUNS: usize = 10_000;
const MOST_SEEDS: u64 = 1000;

/// Keys outside `[data]` that decide the split or the normalisation, which all runs share.
const OF_DATA: [&str; 7] = [
    "training.limit",
    "training.evaluate_every",
    "model.weights",
    "model.from",
    "model.mean",
    "model.deviation",
    "model.weights_classes",
];

/// The measure that runs are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RankBy {
    /// Share of images whose nearest neighbour has the same class
    #[value(name = "recall-at-1")]
    #[serde(rename = "recall-at-1")]
    RecallAt1,
    /// Mean average precision at R
    MapAtR,
    /// True accept rate (TAR) at a false accept rate (FAR) of 1e-3
    Tar,
    /// Equal error rate; smaller is better
    Eer,
    /// Accuracy on test images of known classes
    Accuracy,
}

/// A key of the configuration and its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Axis {
    /// `section.key`.
    pub(crate) key: String,
    pub(crate) values: Vec<Value>,
}

/// Successive halving (Jamieson and Talwalkar, 2016): after each round the better runs continue, with more epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Halving {
    /// Keep one run in so many; the epochs grow by the same factor.
    pub(crate) keep_one_in: usize,
    /// Epochs of the first round.
    pub(crate) first_epochs: usize,
}

/// The whole plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Whether it is a comparison of objectives (`train --compare`): the only axis is the objective, and each objective is trained
    /// without a scale or margin that it does not have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) comparison: bool,
    /// Runs of each objective of a comparison, with consecutive seeds from that of the configuration on.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) seeds: u64,
    pub(crate) by: RankBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) halving: Option<Halving>,
    pub(crate) grid: Vec<Axis>,
    /// What all runs share.
    pub(crate) base: Config,
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires a reference")]
fn is_one(seeds: &u64) -> bool {
    *seeds == 1
}

/// One run of the grid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// `01-margin-0.2-scale-16`: the name of its folder.
    pub(crate) name: String,
    /// The values of the axes, in their order.
    pub(crate) values: Vec<Value>,
    pub(crate) config: Config,
}

/// The lists of a grid file, written as `section.key = [values]` or as TOML tables.
pub(crate) fn read_grid(path: &Path) -> anyhow::Result<Vec<Axis>> {
    let text =
        widemargin_durable::read_text(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    // Only the message: the error itself has several lines.
    let table: Table = toml::from_str(&text)
        .map_err(|error| anyhow!("{}: not valid TOML: {}", path.display(), error.message()))?;
    let mut axes = Vec::new();
    flatten(&table, "", &mut axes).with_context(|| path.display().to_string())?;
    Ok(axes)
}

fn flatten(table: &Table, above: &str, axes: &mut Vec<Axis>) -> anyhow::Result<()> {
    for (key, value) in table {
        let key = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Table(inner) => flatten(inner, &key, axes)?,
            Value::Array(values) => axes.push(Axis { key, values: values.clone() }),
            other => bail!("{key}: found {other}, expected a list of values, such as [{other}]"),
        }
    }
    Ok(())
}

/// The configuration with another objective, without a scale, margin or margins by count that it does not have. Also these: key, and key with
/// value.
fn with_objective(config: &Config, name: &str) -> anyhow::Result<(Config, Vec<(&'static str, String)>)> {
    let mut config = config.clone();
    name.clone_into(&mut config.objective.name);
    let left_out = config.objective.without_foreign();
    config.check().with_context(|| format!("--compare {name}"))?;
    Ok((config, left_out))
}

impl Plan {
    /// The plan of a comparison of `objectives`, each with so many seeds.
    pub(super) fn of_objectives(base: Config, objectives: &[String], seeds: u64) -> Self {
        let values = objectives.iter().cloned().map(Value::String).collect();
        let grid = vec![Axis { key: "objective.name".to_owned(), values }];
        Self { comparison: true, seeds, by: RankBy::MapAtR, halving: None, grid, base }
    }

    /// The settings that some objectives of a comparison do not have and are trained without, as sentences.
    ///
    /// # Errors
    /// If none of them has a setting.
    pub(super) fn left_out(&self) -> anyhow::Result<Vec<String>> {
        let mut sentences = Vec::new();
        let names: Vec<&str> =
            self.grid.iter().flat_map(|axis| &axis.values).filter_map(Value::as_str).collect();
        let mut lacking: Vec<(&str, String, Vec<&str>)> = Vec::new();
        for name in names.iter().copied() {
            for (key, setting) in with_objective(&self.base, name)?.1 {
                match lacking.iter_mut().find(|(found, ..)| *found == key) {
                    Some((.., of)) => of.push(name),
                    None => lacking.push((key, setting, vec![name])),
                }
            }
        }
        for (key, setting, of) in lacking {
            if of.len() == names.len() {
                let message =
                    format!("found {setting}, but {} have no such setting; leave it out", names.join(", "));
                bail!(widemargin_train::Error::BadValue { key: format!("objective.{key}"), message });
            }
            let verb = if of.len() == 1 { "has" } else { "have" };
            sentences
                .push(format!("{setting} does not apply to {}, which {verb} no such setting", of.join(", ")));
        }
        Ok(sentences)
    }

    /// Checks the plan and gives its runs: every combination of the values, the last axis changing fastest.
    pub(crate) fn candidates(&self) -> anyhow::Result<Vec<Candidate>> {
        ensure!(!self.grid.is_empty(), "nothing to sweep: give --margin, --scale, --learning-rate or --grid");
        if let Some(Halving { keep_one_in, first_epochs }) = self.halving {
            ensure!(keep_one_in >= 2, "--halving: found {keep_one_in}, expected at least 2");
            let epochs = self.base.training.epochs;
            ensure!(
                (1..=epochs).contains(&first_epochs),
                "--first-epochs: found {first_epochs}, expected 1 to {epochs}, the epochs of a complete run"
            );
        }
        let mut combinations: Vec<Vec<Value>> = vec![Vec::new()];
        for (at, Axis { key, values }) in self.grid.iter().enumerate() {
            ensure!(!values.is_empty(), "{key}: the list is empty; give at least one value");
            let of_data = key.starts_with("data.") || OF_DATA.contains(&key.as_str());
            ensure!(
                !of_data,
                "{key}: all runs of a sweep use the same data and normalisation; remove this key from the grid"
            );
            ensure!(
                self.grid[..at].iter().all(|other| other.key != *key),
                "{key}: given twice; remove one of them"
            );
            let twice = values
                .iter()
                .enumerate()
                .find(|(at, value)| values[..*at].iter().any(|before| same(key, before, value)));
            if let Some((_, value)) = twice {
                bail!("{key}: {value} is given twice; remove one of them");
            }
            ensure!(
                self.halving.is_none() || key != "training.epochs",
                "{key}: successive halving chooses the epochs; remove one of the two"
            );
            combinations = combinations
                .iter()
                .flat_map(|before| {
                    values.iter().map(|value| [&before[..], std::slice::from_ref(value)].concat())
                })
                .collect();
            ensure!(
                combinations.len() <= MOST_RUNS,
                "the grid has more than {MOST_RUNS} runs; give shorter lists"
            );
        }
        let width = combinations.len().to_string().len().max(2);
        let (first, seeds) = (self.base.training.seed, self.seeds);
        let last = first.checked_add(seeds.saturating_sub(1));
        ensure!(
            (1..=MOST_SEEDS).contains(&seeds) && last.is_some(),
            "--seeds: found {seeds} from seed {first} on, expected 1 to {MOST_SEEDS} seeds"
        );
        combinations
            .into_iter()
            .zip(1..)
            .flat_map(|(values, number)| (0..seeds).map(move |seed| (values.clone(), number, first + seed)))
            .map(|(values, number, seed)| {
                let mut config = self.config(&values)?;
                if self.comparison {
                    config.training.seed = seed;
                }
                let parts: Vec<String> = self
                    .grid
                    .iter()
                    .zip(&values)
                    .map(|(axis, value)| safe(&format!("{}-{}", axis.short(), plain(value))))
                    .collect();
                let name = match (self.comparison, seeds) {
                    (true, 1) => config.objective.name.clone(),
                    (true, _) => format!("{}-seed-{seed}", config.objective.name),
                    (false, _) => format!("{number:0width$}-{}", parts.join("-")),
                };
                Ok(Candidate { name, values, config })
            })
            .collect()
    }

    fn config(&self, values: &[Value]) -> anyhow::Result<Config> {
        if let (true, [Value::String(objective)]) = (self.comparison, values) {
            return Ok(with_objective(&self.base, objective)?.0);
        }
        let mut table: Table = toml::from_str(&self.base.to_toml()).context("the configuration as TOML")?;
        for (Axis { key, .. }, value) in self.grid.iter().zip(values) {
            let mut place = &mut table;
            let mut parts = key.split('.').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    place.insert(part.to_owned(), value.clone());
                    break;
                }
                let inner = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
                place = inner
                    .as_table_mut()
                    .with_context(|| format!("{key}: {part} is not a section of the configuration"))?;
            }
        }
        let text = toml::to_string(&table).context("a run's configuration as TOML")?;
        let settings: Vec<String> =
            self.grid.iter().zip(values).map(|(axis, value)| format!("{} = {value}", axis.key)).collect();
        let config: Config = toml::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{}: {}", settings.join(", "), error.message()))?;
        config.check().with_context(|| settings.join(", "))?;
        Ok(config)
    }

    /// Epochs at the end of each round, up to those of a complete run. Without halving, one round in which each run has its own epochs.
    pub(crate) fn rounds(&self) -> Vec<usize> {
        let whole = self.base.training.epochs;
        let Some(Halving { keep_one_in, first_epochs }) = self.halving else { return vec![usize::MAX] };
        let rising =
            std::iter::successors(Some(first_epochs), |epochs| Some(epochs.saturating_mul(keep_one_in)));
        rising.take_while(|epochs| *epochs < whole).chain([whole]).collect()
    }

    /// How many of `runs` continue in the next round.
    pub(crate) fn kept(&self, runs: usize) -> usize {
        self.halving.map_or(runs, |halving| runs.div_ceil(halving.keep_one_in).max(1))
    }
}

impl Axis {
    /// The key without its section.
    pub(crate) fn short(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }
}

/// Whether two values mean the same, as 1 and 1.0 do.
fn same(key: &str, one: &Value, other: &Value) -> bool {
    match (one, other) {
        // Objectives have several spellings.
        (Value::String(one), Value::String(other)) if key == "objective.name" => {
            let name = |spelling: &str| CatalogueEntry::find(spelling).map(|entry| entry.name);
            one == other || name(one).is_ok_and(|found| name(other) == Ok(found))
        }
        (Value::Integer(whole), Value::Float(number)) | (Value::Float(number), Value::Integer(whole)) => {
            *whole as f64 == *number
        }
        _ => one == other,
    }
}

/// A value without quotes and without a trailing `.0`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let text = other.to_string();
            text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
        }
    }
}

fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(grid: Vec<Axis>, halving: Option<Halving>) -> Plan {
        let mut base = Config::default();
        base.training.epochs = 8;
        Plan { comparison: false, seeds: 1, by: RankBy::MapAtR, halving, grid, base }
    }

    fn axis(key: &str, values: &[f64]) -> Axis {
        Axis { key: key.to_owned(), values: values.iter().copied().map(Value::Float).collect() }
    }

    #[test]
    fn every_combination_is_a_run_with_its_own_configuration() {
        let grid = vec![axis("objective.margin", &[0.2, 0.35]), axis("objective.scale", &[16.0, 30.0, 64.0])];
        let plan = plan(grid, None);
        let found = plan.candidates().expect("in range");
        let names: Vec<&str> = found.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names[0], "01-margin-0.2-scale-16");
        assert_eq!((names.len(), names[5]), (6, "06-margin-0.35-scale-64"));
        let parameters = &found[4].config.objective.parameters;
        assert_eq!((parameters["margin"].as_f64(), parameters["scale"].as_f64()), (Some(0.35), Some(30.0)));
        assert_eq!(found[4].config.training, plan.base.training);
        // the plan is the same when it is read again
        let text = toml::to_string(&plan).expect("TOML");
        assert_eq!(toml::from_str::<Plan>(&text).expect("its own"), plan);
    }

    #[test]
    fn a_comparison_names_the_settings_that_do_not_apply() {
        let plan = |names: &[&str], set: &[(&str, f64)]| {
            let mut base = Config::default();
            for (key, value) in set {
                base.objective.parameters.insert((*key).to_owned(), (*value).into());
            }
            Plan::of_objectives(base, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), 1)
        };
        let both = plan(&["arcface", "softmax"], &[("margin", 0.2)]);
        assert_eq!(
            both.left_out().expect("one has it"),
            ["margin = 0.2 does not apply to softmax, which has no such setting"]
        );
        let seeded = Plan { seeds: 2, ..both.clone() };
        let names: Vec<String> =
            seeded.candidates().expect("in range").into_iter().map(|run| run.name).collect();
        assert_eq!(names, ["arcface-seed-1", "arcface-seed-2", "softmax-seed-1", "softmax-seed-2"]);
        let text = toml::to_string(&seeded).expect("TOML");
        assert_eq!(toml::from_str::<Plan>(&text).expect("its own"), seeded);
        for seeds in [0, 1001] {
            assert!(Plan { seeds, ..both.clone() }.candidates().is_err(), "{seeds}");
        }
        let runs = both.candidates().expect("in range");
        assert!(runs[0].config.objective.parameters.contains_key("margin"));
        assert!(runs[1].config.objective.parameters.is_empty());
        let none = plan(&["softmax", "normalized-softmax"], &[("margin", 0.2)]).left_out();
        let error = format!("{:#}", none.expect_err("none has it"));
        assert!(
            error.contains("objective.margin: found margin = 0.2, but softmax, normalized-softmax have no"),
            "{error}"
        );
        // A value out of range was once left out as well.
        let wrong = plan(&["arcface", "softmax"], &[("margin", 7.0)]).candidates();
        let error = format!("{:#}", wrong.expect_err("out of range"));
        assert!(error.contains("--compare arcface") && error.contains("objective.margin"), "{error}");
        assert!(plan(&["arcface", "softmax"], &[("concentration", 0.5)]).candidates().is_err());
    }

    #[test]
    fn rounds_grow_to_the_complete_run_and_keep_fewer_runs() {
        let halving = |keep_one_in, first_epochs| Some(Halving { keep_one_in, first_epochs });
        let of = |halving| plan(vec![axis("objective.margin", &[0.1])], halving);
        assert_eq!(of(halving(2, 1)).rounds(), [1, 2, 4, 8]);
        assert_eq!(of(halving(3, 1)).rounds(), [1, 3, 8]);
        assert_eq!(of(halving(2, 8)).rounds(), [8]);
        assert_eq!([1, 2, 3, 9].map(|runs| of(halving(2, 1)).kept(runs)), [1, 1, 2, 5]);
        assert_eq!(of(None).kept(9), 9);
    }

    #[test]
    fn impossible_plans_are_rejected() {
        let values = vec![Value::Integer(1), Value::Integer(2), Value::Float(2.0)];
        let spellings = ["am-softmax", "arcface", "AM_Softmax"].map(|name| Value::String(name.to_owned()));
        let spellings = Axis { key: "objective.name".to_owned(), values: spellings.to_vec() };
        let mixed = Axis { key: "training.epochs".to_owned(), values };
        for (grid, halving, expected) in [
            (vec![], None, "nothing to sweep"),
            (vec![axis("objective.margin", &[])], None, "the list is empty"),
            (vec![axis("data.unseen", &[3.0])], None, "use the same data"),
            (vec![axis("model.mean", &[0.5])], None, "the same data and normalisation"),
            (vec![axis("objective.margin", &[0.1]), axis("objective.margin", &[0.2])], None, "given twice"),
            (vec![axis("objective.margin", &[0.1, 0.2, 0.1])], None, "objective.margin: 0.1 is given twice"),
            (vec![mixed], None, "training.epochs: 2.0 is given twice"),
            (vec![spellings], None, "objective.name: \"AM_Softmax\" is given twice"),
            (vec![axis("objective.margin", &[0.1, 7.0])], None, "objective.margin = 7"),
            (vec![axis("objective.margn", &[0.1])], None, "no parameter `margn`"),
            (vec![axis("training.epochs.x", &[1.0])], None, "epochs is not a section"),
            (
                vec![axis("objective.margin", &[0.1])],
                Some(Halving { keep_one_in: 1, first_epochs: 1 }),
                "--halving",
            ),
            (
                vec![axis("objective.margin", &[0.1])],
                Some(Halving { keep_one_in: 2, first_epochs: 9 }),
                "--first-epochs",
            ),
            (
                vec![axis("training.epochs", &[1.0])],
                Some(Halving { keep_one_in: 2, first_epochs: 1 }),
                "chooses the epochs",
            ),
        ] {
            let error = format!("{:#}", plan(grid, halving).candidates().expect_err(expected));
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn grid_files_may_use_dotted_keys_or_tables() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("grid.toml");
        widemargin_durable::write_atomic(&path, b"objective.margin = [0.2, 0.35]\n[optimiser]\nlearning_rate = [0.1]\nname = [\"sgd\", \"adamw\"]\n")
            .expect("written");
        let keys: Vec<String> = read_grid(&path).expect("lists").into_iter().map(|axis| axis.key).collect();
        assert_eq!(keys, ["objective.margin", "optimiser.learning_rate", "optimiser.name"]);
        widemargin_durable::write_atomic(&path, b"objective.margin = 0.2\n").expect("written");
        let error = format!("{:#}", read_grid(&path).expect_err("no list"));
        assert!(error.contains("objective.margin: found 0.2, expected a list"), "{error}");
    }
}
