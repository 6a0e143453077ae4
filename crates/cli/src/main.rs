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
mod decision;
mod embed;
mod eval;
mod explain;
mod export;
mod interrupt;
mod loaded;
mod loss;
mod manual;
mod nearest;
mod progress;
mod run;
mod say;
mod suggest;
mod sweep;
mod train;

use anyhow::anyhow;
use clap::error::ErrorKind;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use say::{results, say};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use widemargin_report::terminal::visible;

/// Train and evaluate embeddings with margin losses
#[derive(Parser)]
#[command(name = PROGRAM, version, about, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    terminal: TerminalArguments,
    #[command(subcommand)]
    command: Command,
}

/// The name of the program, which is not that of its package.
const PROGRAM: &str = "widemargin";

const EXAMPLES: &str = "Examples:
  widemargin train --data images/ --out runs/mine
  widemargin compare --model runs/mine a.png b.png
  widemargin train --help

With -v, --version also prints the instruction sets in use.";

/// What is printed besides results.
#[derive(Args)]
#[command(next_help_heading = "Terminal")]
struct TerminalArguments {
    /// Print results, warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print the version, the instruction sets, the time and the peak memory
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Print help without colours, as with the environment variable NO_COLOR
    #[arg(long, global = true)]
    no_color: bool,
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
    Compare(compare::CompareArguments),
    /// Export a trained model to ONNX
    Export(export::ExportArguments),
    /// Find an image's nearest neighbours in a file of embeddings
    Nearest(nearest::NearestArguments),
    /// Evaluate embeddings from any program
    #[command(
        subcommand,
        after_help = "Examples:\n  widemargin eval all embeddings.npy --labels labels.csv\n  widemargin eval verification --help"
    )]
    Eval(eval::EvalCommand),
    /// Recommend a scale and a margin for a number of classes
    Suggest(suggest::SuggestArguments),
    /// Compute losses and gradients; list or check the objectives
    Loss(loss::LossArguments),
    /// Write the derivation from the hinge to AM-Softmax as an interactive page
    Explain(explain::ExplainArguments),
    /// Create, inspect and split data sets
    #[command(
        subcommand,
        after_help = "Examples:\n  widemargin data info images/\n  widemargin data split --help"
    )]
    Data(data::DataCommand),
    /// Benchmark the head and training on this machine
    #[command(
        subcommand,
        after_help = "Examples:\n  widemargin bench train --backbone resnet18 --size 112 --batch 32\n  widemargin bench head --help"
    )]
    Bench(bench::BenchCommand),
    /// Print a script that completes commands and flags in a shell
    #[command(
        after_help = "Example, for bash:\n  widemargin completions bash > ~/.local/share/bash-completion/completions/widemargin"
    )]
    Completions(manual::CompletionsArguments),
    /// Print a manual page
    #[command(after_help = "Example:\n  widemargin man train | man -l -")]
    Man(manual::ManArguments),
}

fn main() -> ExitCode {
    widemargin_kernels::pages::keep_freed_pages();
    let code = ended();
    say::finish();
    code
}

/// Runs the command of the arguments.
fn ended() -> ExitCode {
    let started = Instant::now();
    let arguments = match parsed(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return without_command(&error),
    };
    let TerminalArguments { quiet, verbose, no_color: _ } = arguments.terminal;
    say::set_quiet(quiet);
    if verbose {
        say!("{PROGRAM} {}; {}", env!("CARGO_PKG_VERSION"), instruction_sets());
    }
    // What was written is only there once it has left the buffer.
    let done = prepared().and_then(|()| run(arguments.command)).and_then(|code| {
        results().flush()?;
        Ok(code)
    });
    if verbose {
        let memory = bench::peak_memory()
            .map_or_else(String::new, |peak| format!(", at most {peak:.0} MiB of memory"));
        say!("{:.1} s{memory}", started.elapsed().as_secs_f64());
    }
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
        Command::Completions(arguments) => manual::completions(&arguments, Arguments::command()),
        Command::Man(arguments) => manual::page(&arguments, Arguments::command()),
    }
}

/// The arguments. `--no-color` already applies to what is wrong with the others.
fn parsed(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let plain = arguments.iter().any(|argument| argument == "--no-color");
    let colours = if plain { ColorChoice::Never } else { ColorChoice::Auto };
    let found = adjusted(Arguments::command()).color(colours).try_get_matches_from(&arguments)?;
    Arguments::from_arg_matches(&found)
}

/// A command whose flags may have negative numbers, so that the error for `--minutes -3` is about the range, and which has the version of the program.
fn adjusted(command: clap::Command) -> clap::Command {
    let with_numbers = |argument: clap::Arg| {
        let takes_value = !argument.is_positional() && argument.get_action().takes_values();
        if takes_value { argument.allow_negative_numbers(true) } else { argument }
    };
    command.display_name(PROGRAM).mut_args(with_numbers).mut_subcommands(adjusted)
}

/// The instruction sets in use.
fn instruction_sets() -> String {
    let found =
        widemargin_kernels::try_detected().map_or_else(|error| error.to_string(), |set| set.to_string());
    let bfloat16 = if widemargin_kernels::mixed::is_fast() { ", with products in bfloat16" } else { "" };
    format!(
        "instruction set {found}{bfloat16}, {} threads",
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}

/// Prints the help, the version, or what is wrong with the arguments.
fn without_command(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // An argument may contain control characters: the shell may have made it from the name of a file. The second attempt fails in the
        // same way with harmless arguments.
        let shown =
            std::env::args_os().map(|argument| visible(&argument.to_string_lossy()).into_owned().into());
        let shown = parsed(shown).err();
        say::block(&plainer(&shown.as_ref().unwrap_or(error).render().to_string()));
    } else if let Err(lost) = error.print().and_then(|()| results().flush())
        && lost.kind() != std::io::ErrorKind::BrokenPipe
    {
        say!("error: standard output: {lost}");
        return ExitCode::from(2);
    }
    if error.kind() == ErrorKind::DisplayVersion
        && std::env::args_os().any(|argument| argument == "-v" || argument == "--verbose")
    {
        // Lost text of a version is not worth an error.
        let _ = writeln!(results(), "{}", instruction_sets());
    }
    ExitCode::from(error.exit_code() as u8)
}

/// What is wrong with an argument, in the words of the other messages: what was expected, and the flag for what other programs call otherwise.
fn plainer(message: &str) -> String {
    let mut text = message.to_owned();
    for (said, plain) in [
        ("invalid digit found in string", "expected a whole number of at least 0"),
        ("cannot parse integer from empty string", "expected a whole number of at least 0"),
        ("invalid float literal", "expected a number"),
        ("cannot parse float from empty string", "expected a number"),
    ] {
        text = text.replace(said, plain);
    }
    for (unknown, advice) in [
        ("--height", "--size HEIGHTxWIDTH sets the size to which images are resized"),
        ("--width", "--size HEIGHTxWIDTH sets the size to which images are resized"),
        (
            "--channels",
            "channels are chosen for the data; data.channels of a configuration (--config) sets them",
        ),
        ("--gpu", "--device wgpu trains on a GPU, in a build with the feature `wgpu`"),
    ] {
        if text.starts_with(&format!("error: unexpected argument '{unknown}' found")) {
            text = format!("error: unexpected argument '{unknown}' found\n\n  tip: {advice}\n");
        }
    }
    let trains =
        ["train", "sweep"].iter().any(|command| text.contains(&format!("Usage: {PROGRAM} {command} ")));
    if let Some((path, _)) =
        text.strip_prefix("error: unexpected argument '").and_then(|rest| rest.split_once('\''))
        && trains
        && !path.starts_with('-')
    {
        text =
            format!("error: unexpected argument '{path}' found\n\n  tip: give the data with --data {path}\n");
    }
    text
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
