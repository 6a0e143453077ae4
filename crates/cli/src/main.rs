//! The program `widemargin`: one module per subcommand.
//!
//! Results go to standard output, progress and errors to standard error, both through [`say`]. Exit status: 0 done, 1 the answer is no, 2 an
//! error, 130 and 143 stopped by SIGINT and SIGTERM after saving a checkpoint.
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
mod loaded;
mod loss;
mod nearest;
mod progress;
mod run;
mod say;
mod suggest;
mod sweep;
mod train;

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use say::{results, say};
use std::io::Write;
use std::process::ExitCode;
use widemargin_report::terminal::visible;

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
    let code = ended();
    say::finish();
    code
}

/// Runs the command of the arguments.
fn ended() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return without_command(&error),
    };
    // What was written is only there once it has left the buffer.
    let done = prepared().and_then(|()| run(command)).and_then(|code| {
        results().flush()?;
        Ok(code)
    });
    done.unwrap_or_else(|error| {
        if say::reader_is_gone(&error) {
            return ExitCode::SUCCESS;
        }
        say!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Train(arguments) => train::run(&arguments),
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
    }
}

/// Prints the help, the version, or what is wrong with the arguments.
fn without_command(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // An argument may contain control characters: the shell may have made it from the name of a file. The second attempt fails in the
        // same way with harmless arguments.
        let shown = std::env::args_os().map(|argument| visible(&argument.to_string_lossy()).into_owned());
        let shown = Arguments::try_parse_from(shown).err();
        say::block(&shown.as_ref().unwrap_or(error).render().to_string());
    } else if let Err(lost) = error.print().and_then(|()| results().flush())
        && lost.kind() != std::io::ErrorKind::BrokenPipe
    {
        say!("error: standard output: {lost}");
        return ExitCode::from(2);
    }
    ExitCode::from(error.exit_code() as u8)
}

/// What every command needs of the machine: an instruction set, threads, and errors instead of signals.
fn prepared() -> anyhow::Result<()> {
    widemargin_kernels::try_detected()?;
    interrupt::report_large_files()?;
    // Started here, because rayon panics if it cannot start its threads when they are first needed.
    rayon::ThreadPoolBuilder::new().build_global().map_err(|error| {
        anyhow!(
            "the threads for the computation cannot be started: {error}; raise the limit on processes or memory (ulimit -u, ulimit -v), or set \
RAYON_NUM_THREADS to fewer threads"
        )
    })
}
