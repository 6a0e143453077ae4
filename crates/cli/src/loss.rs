//! `widemargin loss`: the value and gradients of an objective, the list of objectives, and `loss check`, which compares this
//! program with the reference values of another framework.

use crate::say::{results, say, shown, wrapped};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_objective::reference::ReferenceFile;
use widemargin_objective::{
    AnyEvaluation, AnyObjective, CatalogueEntry, MatRef, ObjectiveKind, ObjectiveParameter, Real, Reduction,
    catalogue, family,
};

/// Largest relative error that `check` accepts in `f64` and `f32`.
const TOLERANCE: [f64; 2] = [1e-9, 1e-4];

/// Columns of the names in the list.
const NAMES: usize = 22;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  widemargin loss --list\n  widemargin loss --list arcface\n  widemargin loss --objective arcface --features f.npy --weights w.npy --labels y.npy"
)]
pub(crate) struct LossArguments {
    #[command(subcommand)]
    command: Option<LossCommand>,
    #[command(flatten)]
    evaluate: EvaluateArguments,
}

#[derive(Subcommand)]
enum LossCommand {
    /// Check losses and gradients against reference values of another framework
    #[command(
        after_help = "Exit status: 0 agreement, 1 a case differs, 2 error or unknown objective.\n\nExample:\n  widemargin loss check cases.json"
    )]
    Check(CheckArguments),
}

#[derive(Args)]
struct CheckArguments {
    /// Files of reference values: features, weights, labels, and cases with loss and gradients
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Maximum relative error [default: 1e-9 in f64, 1e-4 in f32]
    #[arg(long)]
    tolerance: Option<f64>,
    /// Floating-point type of the computation
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    F32,
    F64,
}

#[derive(Args)]
struct EvaluateArguments {
    /// List all objectives, or show the parameters of one
    #[arg(long, value_name = "NAME", num_args = 0..=1, exclusive = false,
        conflicts_with_all = ["input", "features", "weights", "labels", "objective", "parameters", "reduction", "precision"])]
    #[expect(clippy::option_option, reason = "absent, without a value, with a value")]
    list: Option<Option<String>>,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
    json: bool,
    /// Objective: am-softmax, arcface, triplet-margin, ... (--list shows all)
    #[arg(long, value_name = "NAME", default_value = "am-softmax")]
    objective: String,
    /// Parameters as a JSON object, such as '{"scale": 64, "margin": 0.4}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    parameters: String,
    /// JSON object with features, weights (class centres or proxies) and labels
    #[arg(value_name = "FILE", required_unless_present_any = ["features", "list"],
        conflicts_with_all = ["features", "weights", "labels"])]
    input: Option<PathBuf>,
    /// Features as an .npy file, `[batch, dim]`
    #[arg(long, value_name = "NPY", requires = "labels")]
    features: Option<PathBuf>,
    /// Class centres or proxies as an .npy file, `[classes, dim]`
    #[arg(long, value_name = "NPY")]
    weights: Option<PathBuf>,
    /// Labels as an .npy file of whole numbers, `[batch]`
    #[arg(long, value_name = "NPY")]
    labels: Option<PathBuf>,
    /// Reduction of the per-sample losses; objectives on pairs have their own and accept only mean
    #[arg(long, value_enum, default_value_t = Reduce::Mean)]
    reduction: Reduce,
    /// Floating-point type of the computation
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reduce {
    Mean,
    Sum,
    None,
}

pub(crate) fn run(arguments: &LossArguments) -> anyhow::Result<ExitCode> {
    match (&arguments.command, &arguments.evaluate.list) {
        (Some(LossCommand::Check(check)), _) => run_check(check),
        (None, Some(name)) => run_list(name.as_deref(), arguments.evaluate.json),
        (None, None) => run_evaluate(&arguments.evaluate),
    }
}

fn run_check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let default = match arguments.precision {
        Precision::F64 => TOLERANCE[0],
        Precision::F32 => TOLERANCE[1],
    };
    let tolerance = arguments.tolerance.unwrap_or(default);
    ensure!(tolerance >= 0.0, "--tolerance: found {tolerance}, expected a number, 0 or above");
    let mut out = results();
    let (mut passed, mut outside, mut unknown) = (0, 0, 0);
    for path in &arguments.files {
        let text = widemargin_durable::read_text(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let file = ReferenceFile::parse(&text).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", shown(path))?;
        for case in file.cases() {
            let compared = match arguments.precision {
                Precision::F64 => file.compare::<f64>(case),
                Precision::F32 => file.compare::<f32>(case),
            };
            let name = format!("{} {}", case.name(), Value::Object(case.parameters()));
            match compared {
                Err(error) => {
                    unknown += 1;
                    writeln!(out, "unknown  {name}: {error}")?;
                }
                Ok(errors) => {
                    // a NaN is never within
                    let within = errors.largest() <= tolerance.max(case.reference_error());
                    if within {
                        passed += 1;
                    } else {
                        outside += 1;
                    }
                    write!(
                        out,
                        "{}  {name}: loss {:.1e}, features {:.1e}, weights {:.1e}",
                        if within { "ok     " } else { "OUT    " },
                        errors.loss,
                        errors.grad_features,
                        errors.grad_parameters(),
                    )?;
                    if let Some(error) = errors.next_state {
                        write!(out, ", state {error:.1e}")?;
                    }
                    if within && errors.largest() > tolerance {
                        write!(
                            out,
                            " (the reference itself has an error of {:.1e})",
                            case.reference_error()
                        )?;
                    }
                    if errors.undefined > 0 {
                        write!(out, " ({} values of the reference are NaN or infinite)", errors.undefined)?;
                    }
                    writeln!(out)?;
                }
            }
        }
    }
    writeln!(out, "{passed} within {tolerance:e}, {outside} out, {unknown} unknown")?;
    Ok(match (outside, unknown) {
        (_, 1..) => ExitCode::from(2),
        (1.., 0) => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

fn run_list(name: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let text = match (name, json) {
        (Some(name), false) => details(CatalogueEntry::find(name)?),
        (Some(name), true) => serde_json::to_string_pretty(CatalogueEntry::find(name)?)? + "\n",
        (None, false) => list(),
        (None, true) => serde_json::to_string_pretty(catalogue())? + "\n",
    };
    write!(results(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// All objectives with their own parameters and defaults.
fn list() -> String {
    let mut text = String::new();
    let shared = shared_parameters();
    for (kind, title) in [
        (ObjectiveKind::ClassCentres, "Against class centres"),
        (ObjectiveKind::Proxies, "Against proxies"),
        (ObjectiveKind::Pairs, "On pairs and triplets"),
    ] {
        let _ = writeln!(text, "{title}: name, parameters (default)");
        for entry in catalogue().iter().filter(|entry| entry.kind == kind) {
            let own = entry.parameters.iter().filter(|own| !shared.contains(own));
            let words: Vec<String> =
                own.map(|own| format!("{} ({})", own.name, own.default_in_words())).collect();
            let name = format!("  {:<NAMES$}", entry.name);
            text.push_str(&wrapped(&name, &words.join(", "), NAMES + 2));
        }
        text.push('\n');
    }
    let names: Vec<&str> = shared.iter().map(|parameter| parameter.name).collect();
    text.push_str(&wrapped(
        "",
        &format!("Objectives against class centres also have {}.", names.join(", ")),
        0,
    ));
    let entry = family();
    let words = format!("`{}` composes any other combination of score, margin, pool and link.", entry.name);
    text.push_str(&wrapped("", &words, 0));
    text.push_str("`widemargin loss --list NAME` shows ranges, aliases and source of one.\n");
    text
}

/// Parameters that most objectives against class centres have alike.
fn shared_parameters() -> Vec<&'static ObjectiveParameter> {
    let of_classes = || catalogue().iter().filter(|entry| entry.kind == ObjectiveKind::ClassCentres);
    let everywhere =
        |parameter: &ObjectiveParameter| of_classes().filter(|e| e.parameters.contains(parameter)).count();
    let all = of_classes().count();
    let first = of_classes().next().into_iter().flat_map(|entry| &entry.parameters);
    first.filter(|parameter| everywhere(parameter) + 1 >= all).collect()
}

/// One objective with all its parameters.
fn details(entry: &CatalogueEntry) -> String {
    let kind = match entry.kind {
        ObjectiveKind::ClassCentres => "against class centres",
        ObjectiveKind::Proxies => "against proxies",
        ObjectiveKind::Pairs => "on pairs and triplets",
    };
    let mut text = format!("{}, {kind}\n", entry.name);
    if !entry.aliases.is_empty() {
        text.push_str(&wrapped("  also   ", &entry.aliases.join(", "), 9));
    }
    text.push_str(&wrapped("  source ", entry.source, 9));
    for parameter in &entry.parameters {
        let _ = writeln!(text, "\n  {} = {}", parameter.name, parameter.default_in_words());
        text.push_str(&wrapped("      ", parameter.meaning, 6));
        text.push_str(&wrapped("      ", &parameter.domain.to_string(), 6));
    }
    text
}

/// What an objective is evaluated on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    features: Vec<Vec<f64>>,
    #[serde(default)]
    weights: Option<Vec<Vec<f64>>>,
    labels: Vec<u32>,
}

fn run_evaluate(arguments: &EvaluateArguments) -> anyhow::Result<ExitCode> {
    let input = match (&arguments.input, &arguments.features, &arguments.labels) {
        (Some(path), ..) => {
            let text = widemargin_durable::read_text(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            serde_json::from_str(&text).with_context(|| path.display().to_string())?
        }
        (None, Some(features), Some(labels)) => Input {
            features: npy_matrix(features)?,
            weights: arguments.weights.as_deref().map(npy_matrix).transpose()?,
            labels: labels_of(labels)?,
        },
        _ => bail!("expected a JSON file, or --features and --labels"),
    };
    let parameters: Map<String, Value> = serde_json::from_str(&arguments.parameters)
        .with_context(|| format!("--parameters: expected a JSON object, found {}", arguments.parameters))?;
    let reduction = match arguments.reduction {
        Reduce::Mean => Reduction::Mean,
        Reduce::Sum => Reduction::Sum,
        Reduce::None => Reduction::None,
    };
    let result = match arguments.precision {
        Precision::F64 => evaluate::<f64>(&arguments.objective, &parameters, &input, reduction),
        Precision::F32 => evaluate::<f32>(&arguments.objective, &parameters, &input, reduction),
    };
    let result = match &arguments.input {
        Some(path) => result.with_context(|| path.display().to_string())?,
        None => result?,
    };
    writeln!(results(), "{result}")?;
    Ok(ExitCode::SUCCESS)
}

fn evaluate<T: Real>(
    name: &str,
    parameters: &Map<String, Value>,
    input: &Input,
    reduction: Reduction,
) -> anyhow::Result<Value> {
    let dim = input.features.first().map_or(0, Vec::len);
    let flat = |what: &str, rows: &[Vec<f64>]| -> anyhow::Result<Vec<T>> {
        if let Some(row) = rows.iter().position(|row| row.len() != dim) {
            bail!("row {row} of {what} has {} values, expected {dim}", rows[row].len());
        }
        Ok(rows.concat().into_iter().map(T::from_f64).collect())
    };
    let features = flat("features", &input.features)?;
    let weights = input.weights.as_deref().map(|rows| flat("weights", rows)).transpose()?;
    let rows = input.weights.as_ref().map_or(0, Vec::len);
    let classes = |each: usize| {
        if rows > 0 { rows / each } else { input.labels.iter().max().map_or(1, |label| *label as usize + 1) }
    };
    // Margins per class fit only the right number of classes, which depends on the centres per class.
    let mut for_one = parameters.clone();
    for_one.remove("class_margins");
    let each = AnyObjective::from_name(name, &for_one, 1)?.weights_per_class().unwrap_or(1);
    ensure!(
        rows.is_multiple_of(each),
        "weights: found {rows} rows, expected a multiple of {each}, the centres per class of {name}"
    );
    let objective = AnyObjective::from_name(name, parameters, classes(each).max(1))?;
    let weights = weights.as_ref().map(|values| MatRef::new(values, rows, dim)).transpose()?;
    let features = MatRef::new(&features, input.features.len(), dim)?;
    let found = objective.evaluate(features, weights, &input.labels, reduction)?;
    let number = |value: &T| -> f64 { (*value).into() };
    let matrix = |values: &[T]| -> Vec<Vec<f64>> {
        values.chunks(dim.max(1)).map(|row| row.iter().map(number).collect()).collect()
    };
    let formula = match &objective {
        AnyObjective::Classes(objective) => objective.to_string(),
        AnyObjective::Pairs(objective) => serde_json::to_string(objective)?,
    };
    let mut result = json!({
        "objective": objective.name(),
        "formula": formula,
        "loss": number(&found.loss()),
        "grad_features": matrix(found.grad_features()),
    });
    if let Some(gradient) = found.grad_weights() {
        result["grad_weights"] = json!(matrix(gradient));
    }
    match found {
        AnyEvaluation::Classes(found) => {
            result["losses"] = found.losses.iter().map(number).collect();
            if let Some((name, gradient)) = found.grad_learnt {
                result["grad_learnt"] = json!({ name: gradient });
            }
            result["diagnostics"] = serde_json::to_value(found.diagnostics)?;
        }
        AnyEvaluation::Pairs(found) => {
            if let Some(warning) = found.warning {
                say!("warning: {warning}");
                result["warning"] = warning.to_string().into();
            }
        }
    }
    Ok(result)
}

fn npy_matrix(path: &Path) -> anyhow::Result<Vec<Vec<f64>>> {
    let (values, [rows, columns]) = widemargin_tables::read_npy_f64(path)?;
    ensure!(columns > 0, "{}: found {rows} rows of dimension 0, expected at least 1", path.display());
    Ok(values.chunks(columns).map(<[f64]>::to_vec).collect())
}

fn labels_of(path: &Path) -> anyhow::Result<Vec<u32>> {
    let label = |(row, text): (usize, String)| {
        text.parse().ok().with_context(|| {
            format!("{}: row {row}: found label {text}, expected 0 to 2^32 - 1", path.display())
        })
    };
    widemargin_tables::read_labels(path)?.into_iter().enumerate().map(label).collect()
}
