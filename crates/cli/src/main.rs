//! The program `widemargin`: one module per subcommand.
//!
//! Results go to standard output, progress and errors to standard error. Exit status: 0 done, 1 the answer is no, 2 an error, 130 and 143
//! stopped by SIGINT and SIGTERM after saving a checkpoint.
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
mod loss;
mod nearest;
mod progress;
mod run;
mod suggest;
mod sweep;
mod train;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Train and evaluate embeddings with margin losses
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an embedding and evaluate it on unseen classes
    Train(Box<train::TrainArguments>),
    /// Train over a grid of settings or by successive halving; rank the runs
    Sweep(Box<sweep::SweepArguments>),
    /// Embed images or the rows of a table with a trained model
    Embed(embed::EmbedArguments),
    /// Compare two images with a trained model
    #[command(after_help = "Exit status: 0 same, 1 different, 2 error.")]
    Compare(compare::CompareArguments),
    /// Export a trained model to ONNX
    Export(export::ExportArguments),
    /// Find an image's nearest neighbours in a file of embeddings
    Nearest(nearest::NearestArguments),
    /// Evaluate embeddings from any program
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Recommend a scale and a margin for a number of classes
    Suggest(suggest::SuggestArguments),
    /// Compute losses and gradients; list or check the objectives
    Loss(loss::LossArguments),
    /// Write the derivation from the hinge to AM-Softmax as an interactive page
    Explain(explain::ExplainArguments),
    /// Create, inspect and split data sets
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Benchmark the head and training on this machine
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
        // A closed pipe (`| head`) is not an error.
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
