//! `widemargin bench head`: the class-centre head alone, at any number of classes.

use super::memory::peak_memory;
use crate::say::results;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use widemargin_chance::{Purpose, Stream};
use widemargin_head::{
    Head, HeadConfig, HeadMode, MatRef, OptimiserConfig, ProductPrecision, StoragePrecision,
};
use widemargin_kernels::matrix::{Threads, Write as Put, matmul_transposed_b};
use widemargin_objective::{ClassObjective, EvaluateOptions, parameters};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin bench head\n  widemargin bench head --classes 100000 --dim 512"
)]
pub(crate) struct BenchHead {
    /// Number of classes
    #[arg(long, default_value_t = 100_000)]
    classes: usize,
    /// Samples per batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Dimension of features and class centres
    #[arg(long, default_value_t = 512)]
    dim: usize,
    /// Class scoring: all exactly, a random share, or all screened with 7-bit codes
    #[arg(long, value_enum, default_value_t = Mode::Screened)]
    mode: Mode,
    /// Screened: always keep classes with this share of the softmax sum over non-target classes [default: chosen per sample]
    #[arg(long)]
    threshold: Option<f64>,
    /// Screened: error budget of the gradients, from 0.005 to 0.2, if the threshold is chosen per sample [default: 0.02]
    #[arg(long, value_name = "SHARE")]
    screened_error: Option<f64>,
    /// Sampled: share of the classes that are scored [default: 0.1]
    #[arg(long)]
    rate: Option<f64>,
    /// Sub-centres per class; the score is that of the nearest one
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    sub_centres: usize,
    /// Precision of the stored class centres
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    centres: Precision,
    /// Precision of the stored momentum
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    optimiser_state: Precision,
    /// Dense and sampled: precision of the factors of matrix products; mixed is bfloat16 with sums in f32
    #[arg(long, value_enum, default_value_t = Products::Full)]
    precision: Products,
    /// Dense and sampled: MiB of scores kept between the two passes [default: 256, or a quarter of the centres]
    #[arg(long, value_name = "MIB")]
    kept_scores_mib: Option<usize>,
    /// Features: random, as at the start of training, or at a cosine of 0.7 with the centre of their class
    #[arg(long, value_enum, default_value_t = Regime::Random)]
    regime: Regime,
    /// Scale of AM-Softmax
    #[arg(long, default_value_t = 64.0)]
    scale: f64,
    /// Margin of AM-Softmax
    #[arg(long, default_value_t = 0.35)]
    margin: f64,
    /// Measured steps, after two warm-up steps
    #[arg(long, default_value_t = 7)]
    steps: usize,
    /// Dense and screened: check the gradients of a few samples of the last batch against an exact f64 computation
    #[arg(long)]
    check: bool,
    /// Print one JSON object instead of lines of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Mode {
    Dense,
    Sampled,
    Screened,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Precision {
    F32,
    Bf16,
}

impl From<Precision> for StoragePrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Products {
    Full,
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Regime {
    Random,
    Trained,
}

/// Cosine of a feature with the centre of its class in the trained regime.
const TRAINED_COSINE: f32 = 0.7;

/// Share of the classes that the mode `sampled` scores by default.
const DEFAULT_RATE: f64 = 0.1;

/// Samples whose gradients are checked in `f64`.
const CHECKED_SAMPLES: usize = 8;

pub(crate) fn run(arguments: &BenchHead) -> anyhow::Result<ExitCode> {
    ensure!(arguments.steps > 0, "--steps: found 0, expected at least 1");
    ensure!(arguments.batch > 0, "--batch: found 0, expected at least 1");
    check_flags(arguments)?;
    let mode = match arguments.mode {
        Mode::Dense => HeadMode::Dense,
        Mode::Sampled => HeadMode::Sampled { rate: arguments.rate.unwrap_or(DEFAULT_RATE) },
        Mode::Screened => HeadMode::Screened { threshold: arguments.threshold },
    };
    let parameters = parameters([
        ("scale", arguments.scale.into()),
        ("margin", arguments.margin.into()),
        ("sub_centres", arguments.sub_centres.into()),
    ]);
    let objective = ClassObjective::from_name("am-softmax", &parameters, arguments.classes)?;
    let optimiser = OptimiserConfig::sgd(0.9, 5e-4);
    let usual = HeadConfig::default();
    let screened_error = arguments.screened_error.unwrap_or(usual.screened_error);
    let config = HeadConfig {
        optimiser,
        mode,
        centres: arguments.centres.into(),
        optimiser_state: arguments.optimiser_state.into(),
        screened_error,
        products: match arguments.precision {
            Products::Full => ProductPrecision::F32,
            Products::Mixed => ProductPrecision::Bf16,
        },
        kept_scores_mib: arguments.kept_scores_mib,
        ..usual
    };
    let (batch, dim) = (arguments.batch, arguments.dim);
    let mut head = Head::new(arguments.classes, dim, objective.clone(), config)?;
    let mut random = Stream::new(1, Purpose::Benchmark, 0, 0);
    let (mut seconds, mut kept, mut left_out) = (Vec::new(), 0.0, 0.0);
    let mut errors = None;
    for step in 0..arguments.steps + 2 {
        let labels: Vec<u32> = (0..batch).map(|_| random.below(arguments.classes) as u32).collect();
        let features = features(&head, &labels, arguments.regime, &mut random);
        let features = MatRef::new(&features, batch, dim)?;
        if arguments.check && step == arguments.steps + 1 {
            errors = Some(gradient_errors(&head, &objective, features, &labels)?);
        }
        let start = Instant::now();
        let found = head.forward(features, &labels)?;
        let screening = found.screening;
        head.apply(found.pending, 0.1, 1.0)?;
        if step >= 2 {
            seconds.push(start.elapsed().as_secs_f64());
        }
        if let Some(screening) = screening {
            (kept, left_out) = (screening.kept, screening.left_out);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let peak = peak_memory().unwrap_or(f64::NAN) * 1024.0 * 1024.0;
    let rate = matrix_rate(batch, dim);
    let mut out = results();
    if arguments.json {
        let figures = serde_json::json!({
            "seconds": median,
            "fastest": seconds[0],
            "slowest": seconds[seconds.len() - 1],
            "peak_bytes": peak,
            "kept": kept,
            "left_out": left_out,
            "features_error": errors.map(|errors| errors[0]),
            "centres_error": errors.map(|errors| errors[1]),
            "matrix_gflops": rate,
            "mode": format!("{:?}", arguments.mode).to_lowercase(),
            "regime": format!("{:?}", arguments.regime).to_lowercase(),
            "classes": arguments.classes,
            "sub_centres": arguments.sub_centres,
            "centres": format!("{:?}", arguments.centres).to_lowercase(),
            "optimiser_state": format!("{:?}", arguments.optimiser_state).to_lowercase(),
            "screened_error": (head.is_screened() && arguments.threshold.is_none()).then_some(screened_error),
            "scale": arguments.scale,
            "margin": arguments.margin,
            "precision": format!("{:?}", arguments.precision).to_lowercase(),
            "batch": batch,
            "dim": dim,
            "threads": rayon::current_num_threads(),
            "instruction_set": format!("{:?}", widemargin_kernels::detected()),
            "version": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{figures}").context("writing the results")?;
    } else {
        writeln!(
            out,
            "{} classes, batch {batch}, dimension {dim}: {:.4} s per step ({:.4} to {:.4}), peak memory {:.0} MiB",
            arguments.classes,
            median,
            seconds[0],
            seconds[seconds.len() - 1],
            peak / 1024.0 / 1024.0
        )?;
        if head.is_screened() {
            writeln!(
                out,
                "computed {:.3} % of the scores exactly; 7-bit codes account for {:.1} % of the softmax sum",
                100.0 * kept,
                100.0 * left_out
            )?;
        }
        if let Some([of_features, of_centres]) = errors {
            writeln!(
                out,
                "relative error of the gradients: features {:.2} %, centres {:.2} %",
                100.0 * of_features,
                100.0 * of_centres
            )?;
        }
        writeln!(out, "f32 matrix product on this machine: {rate:.0} GFLOP/s")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Rejects flags that the mode ignores.
fn check_flags(arguments: &BenchHead) -> anyhow::Result<()> {
    let BenchHead { mode, threshold, screened_error, rate, kept_scores_mib, check, precision, .. } =
        *arguments;
    // a threshold of 0 is the dense head
    let screens = mode == Mode::Screened && threshold != Some(0.0);
    let flags = [
        ("--threshold", threshold.is_some(), mode == Mode::Screened, "screened"),
        ("--screened-error", screened_error.is_some(), mode == Mode::Screened, "screened"),
        ("--rate", rate.is_some(), mode == Mode::Sampled, "sampled"),
        ("--kept-scores-mib", kept_scores_mib.is_some(), !screens, "dense or sampled"),
        ("--precision mixed", precision == Products::Mixed, !screens, "dense or sampled"),
        ("--check", check, mode != Mode::Sampled, "dense or screened"),
    ];
    ensure!(
        threshold.is_none() || screened_error.is_none(),
        "--screened-error has no effect with --threshold; leave out one of them"
    );
    for (flag, given, used, modes) in flags {
        let name = format!("{mode:?}").to_lowercase();
        ensure!(!given || used, "{flag} has no effect with --mode {name}; remove it, or use --mode {modes}");
    }
    Ok(())
}

/// A batch of unit features: random directions, or directions at a cosine of 0.7 with the centres of their classes.
fn features(head: &Head, labels: &[u32], regime: Regime, random: &mut Stream) -> Vec<f32> {
    let dim = head.dim();
    let mut out = Vec::with_capacity(labels.len() * dim);
    for &label in labels {
        let mut row: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
        let length = widemargin_objective::normalise(&mut row);
        debug_assert!(length > 0.0);
        if regime == Regime::Trained {
            let mut centre = head.centre(label as usize * head.sub_centres());
            widemargin_objective::normalise(&mut centre);
            let rest = (1.0 - TRAINED_COSINE * TRAINED_COSINE).sqrt();
            row.iter_mut().zip(&centre).for_each(|(x, w)| *x = TRAINED_COSINE * w + rest * *x);
        }
        out.extend(row);
    }
    out
}

/// Relative errors of the gradients of features and centres, in norm, against `f64` on a batch of a few samples.
fn gradient_errors(
    head: &Head,
    objective: &ClassObjective,
    features: MatRef<'_>,
    labels: &[u32],
) -> anyhow::Result<[f64; 2]> {
    let count = CHECKED_SAMPLES.min(labels.len());
    let (features, labels) = (features.slice_rows(0..count), &labels[..count]);
    let found = head.forward(features, labels)?;
    let (dim, rows) = (head.dim(), head.classes() * head.sub_centres());
    let centres: Vec<f64> = head.settled_centres().iter().map(|&value| f64::from(value)).collect();
    let wide: Vec<f64> = features.data().iter().map(|&value| f64::from(value)).collect();
    let (wide, centres) = (MatRef::new(&wide, count, dim)?, MatRef::new(&centres, rows, dim)?);
    let expected = objective.evaluate(wide, centres, labels, &EvaluateOptions::default())?;
    let error = |found: &[f32], expected: &[f64]| {
        let (mut difference, mut size) = (0.0, 0.0);
        for (found, expected) in found.iter().zip(expected) {
            difference += (f64::from(*found) - expected).powi(2);
            size += expected * expected;
        }
        (difference / size).sqrt()
    };
    let rows = head.gradient(&found.pending)?;
    Ok([error(&found.grad_features, &expected.grad_features), error(&rows, &expected.grad_centres)])
}

/// GFLOP/s of an `f32` matrix product on this machine: the batch times 8192 classes.
fn matrix_rate(batch: usize, dim: usize) -> f64 {
    const CLASSES: usize = 8192;
    let row = |count: usize| (0..count).map(|at| (at % 251) as f32 / 251.0 - 0.5).collect::<Vec<f32>>();
    let (x, w, mut out) = (row(batch * dim), row(CLASSES * dim), vec![0.0; batch * CLASSES]);
    let view = |values, rows| MatRef::new(values, rows, dim).expect("the slices have these lengths");
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        matmul_transposed_b(&mut out, view(&x, batch), view(&w, CLASSES), Put::Replace, Threads::Rayon);
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (batch * dim * CLASSES) as f64 / best / 1e9
}
