//! `widemargin loss`: value and gradients of an objective on given numbers, and `loss check`: this program against another
//! framework's reference values.

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_objective::reference::ReferenceFile;
use widemargin_objective::{AnyObjective, MatRef, Real, Reduction};

/// Relative error that `check` lets pass in `f64` and `f32`.
const TOLERANCE: [f64; 2] = [1e-9, 1e-4];

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LossArguments {
    #[command(subcommand)]
    command: Option<LossCommand>,
    #[command(flatten)]
    evaluate: EvaluateArguments,
}

#[derive(Subcommand)]
enum LossCommand {
    /// Compare with the reference values of another framework; exit status 1 if a case is out, 2 if one is unknown.
    Check(CheckArguments),
}

#[derive(Args)]
struct CheckArguments {
    /// Files of reference values: features, weights, labels, and cases with loss and gradients
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Largest relative error that passes [default: 1e-9 in f64, 1e-4 in f32]
    #[arg(long)]
    tolerance: Option<f64>,
    /// Numbers to compute with
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
    /// Objective: am-softmax, arcface, triplet-margin, ...
    #[arg(long, value_name = "NAME", default_value = "am-softmax")]
    objective: String,
    /// Its parameters as a JSON object, such as '{"scale": 64, "margin": 0.4}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    parameters: String,
    /// JSON object with features, weights (class centres or proxies) and labels
    #[arg(value_name = "FILE", required_unless_present = "features", conflicts_with_all = ["features", "weights", "labels"])]
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
    /// How the losses of samples become one number: mean, sum or none
    #[arg(long, value_enum, default_value_t = Reduce::Mean)]
    reduction: Reduce,
    /// Numbers to compute with
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
    match &arguments.command {
        Some(LossCommand::Check(check)) => run_check(check),
        None => run_evaluate(&arguments.evaluate),
    }
}

fn run_check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let default = match arguments.precision {
        Precision::F64 => TOLERANCE[0],
        Precision::F32 => TOLERANCE[1],
    };
    let tolerance = arguments.tolerance.unwrap_or(default);
    ensure!(tolerance >= 0.0, "--tolerance: found {tolerance}, expected a number, 0 or above");
    let mut out = std::io::stdout().lock();
    let (mut passed, mut outside, mut unknown) = (0, 0, 0);
    for path in &arguments.files {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let file = ReferenceFile::parse(&text).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", path.display())?;
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
                        errors.grad_weights.max(errors.grad_learnt),
                    )?;
                    if within && errors.largest() > tolerance {
                        write!(out, " (the reference is good for {:.1e})", case.reference_error())?;
                    }
                    if errors.undefined > 0 {
                        write!(out, " ({} values of the reference are no numbers)", errors.undefined)?;
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

/// What an objective is evaluated on.
#[derive(Deserialize)]
struct Input {
    features: Vec<Vec<f64>>,
    #[serde(default)]
    weights: Option<Vec<Vec<f64>>>,
    labels: Vec<u32>,
}

fn run_evaluate(arguments: &EvaluateArguments) -> anyhow::Result<ExitCode> {
    let input = match (&arguments.input, &arguments.features, &arguments.labels) {
        (Some(path), ..) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| path.display().to_string())?
        }
        (None, Some(features), Some(labels)) => Input {
            features: npy_matrix(features)?,
            weights: arguments.weights.as_deref().map(npy_matrix).transpose()?,
            labels: npy_labels(labels)?,
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
        Precision::F64 => evaluate::<f64>(&arguments.objective, &parameters, &input, reduction)?,
        Precision::F32 => evaluate::<f32>(&arguments.objective, &parameters, &input, reduction)?,
    };
    writeln!(std::io::stdout().lock(), "{result}")?;
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
            bail!("row {row} of {what} has {} numbers, expected {dim}", rows[row].len());
        }
        Ok(rows.concat().into_iter().map(T::from_f64).collect())
    };
    let features = flat("features", &input.features)?;
    let weights = input.weights.as_deref().map(|rows| flat("weights", rows)).transpose()?;
    let rows = input.weights.as_ref().map_or(0, Vec::len);
    let classes = |each: usize| {
        if rows > 0 { rows / each } else { input.labels.iter().max().map_or(1, |label| *label as usize + 1) }
    };
    let mut objective = AnyObjective::from_name(name, parameters, classes(1).max(1))?;
    if let Some(each) = objective.weights_per_class().filter(|each| *each > 1) {
        objective = AnyObjective::from_name(name, parameters, classes(each).max(1))?;
    }
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
        "loss": number(&found.loss),
        "grad_features": matrix(&found.grad_features),
    });
    if !found.losses.is_empty() {
        result["losses"] = found.losses.iter().map(number).collect();
    }
    if let Some(gradient) = &found.grad_weights {
        result["grad_weights"] = json!(matrix(gradient));
    }
    if let Some((name, gradient)) = found.grad_learnt {
        result["grad_learnt"] = json!({ name: gradient });
    }
    if let Some(diagnostics) = found.diagnostics {
        result["diagnostics"] = serde_json::to_value(diagnostics)?;
    }
    if let Some(warning) = found.warning {
        eprintln!("warning: {warning}");
        result["warning"] = warning.into();
    }
    Ok(result)
}

fn npy<T: npyz::Deserialize>(path: &Path, what: &str) -> anyhow::Result<Option<(Vec<T>, Vec<u64>)>> {
    let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let file = npyz::NpyFile::new(std::io::BufReader::new(file))
        .with_context(|| format!("{}: expected an .npy file of {what}", path.display()))?;
    ensure!(file.order() == npyz::Order::C, "{}: expected row-major values", path.display());
    let shape = file.shape().to_vec();
    match file.try_data::<T>() {
        Err(_) => Ok(None),
        Ok(data) => {
            let values = data.collect::<Result<_, _>>().with_context(|| path.display().to_string())?;
            Ok(Some((values, shape)))
        }
    }
}

fn npy_matrix(path: &Path) -> anyhow::Result<Vec<Vec<f64>>> {
    let (values, shape) = match npy::<f64>(path, "numbers")? {
        Some(found) => found,
        None => match npy::<f32>(path, "numbers")? {
            Some((values, shape)) => (values.into_iter().map(f64::from).collect(), shape),
            None => bail!("{}: expected numbers of 32 or 64 bits", path.display()),
        },
    };
    let &[rows, columns] = shape.as_slice() else {
        bail!("{}: found shape {shape:?}, expected two dimensions", path.display());
    };
    ensure!(columns > 0, "{}: found {rows} rows of no number", path.display());
    Ok(values.chunks(columns as usize).map(<[f64]>::to_vec).collect())
}

fn npy_labels(path: &Path) -> anyhow::Result<Vec<u32>> {
    let values: Vec<i64> = match npy::<i64>(path, "labels")? {
        Some((values, _)) => values,
        None => match npy::<i32>(path, "labels")? {
            Some((values, _)) => values.into_iter().map(i64::from).collect(),
            None => match npy::<u32>(path, "labels")? {
                Some((values, _)) => values.into_iter().map(i64::from).collect(),
                None => bail!("{}: expected whole numbers of 32 or 64 bits", path.display()),
            },
        },
    };
    let label = |(row, value): (usize, &i64)| {
        u32::try_from(*value).map_err(|_| {
            anyhow::anyhow!("{}: row {row}: found label {value}, expected 0 to 2^32 - 1", path.display())
        })
    };
    values.iter().enumerate().map(label).collect()
}
