//! The program `widemargin`: one file a subcommand, all of them thin.
//!
//! Data goes to standard output, progress and errors to standard error. Exit status: 0 done, 1 the answer is no, 2 an error,
//! 130 and 143 stopped by SIGINT and SIGTERM behind a saved checkpoint.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod calibration;
mod compare;
mod data;
mod embed;
mod eval;
mod explain;
mod export;
mod interrupt;
mod judge;
mod loss;
mod nearest;
mod page;
mod progress;
mod suggest;
mod sweep;
mod train;
mod verdict;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Metric learning with margin softmax: learn embeddings, judge them on classes never seen.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an embedding and judge it on classes that it never saw.
    Train(Box<train::TrainArguments>),
    /// Train with many settings, over a grid or by successive halving, and rank them; goes on where it was stopped.
    Sweep(Box<sweep::SweepArguments>),
    /// Embeddings of images or of a table by a trained model, as one file; goes on where it was stopped.
    Embed(embed::EmbedArguments),
    /// Are these two the same? Similarity, probability and answer of a trained model; exit status 0 same, 1 different.
    Compare(compare::CompareArguments),
    /// A trained model as an ONNX file, for other programs and languages.
    Export(export::ExportArguments),
    /// What lies nearest to an image in a file of embeddings.
    Nearest(nearest::NearestArguments),
    /// Judge embeddings that any program computed.
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Recommend scale and margin for a number of classes, with the bounds they come from.
    Suggest(suggest::SuggestArguments),
    /// Value and gradients of an objective on given numbers, or a check against reference values.
    Loss(loss::LossArguments),
    /// Write the derivation from the hinge to AM-Softmax as a page with live figures.
    Explain(explain::ExplainArguments),
    /// Make data sets, look into them, divide them.
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Measure how long things take on this machine.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

fn main() -> ExitCode {
    widemargin_kernels::pages::keep_freed_pages();
    let command = Arguments::parse().command;
    if let Err(error) = widemargin_kernels::try_detected() {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let done = match command {
        Command::Train(arguments) => train::run(*arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Embed(arguments) => embed::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Nearest(arguments) => nearest::run(&arguments),
        Command::Eval(command) => eval::run(&command),
        Command::Suggest(arguments) => suggest::run(&arguments),
        Command::Loss(arguments) => loss::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Data(command) => data::run(&command),
        Command::Bench(command) => bench::run(&command),
    };
    done.unwrap_or_else(|error| {
        // A reader that has gone away (`| head`) is not an error.
        let broken_pipe = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
        if broken_pipe {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
