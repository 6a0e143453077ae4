//! `widemargin bench`: measures training, embedding and the head on this machine.

mod embed;
mod head;
mod memory;
mod train;

use clap::Subcommand;
pub(crate) use memory::peak_memory;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Benchmark whole training steps: loading, forward, head, backward, update
    Train(train::BenchTrain),
    /// Benchmark embedding with a model of random weights
    Embed(embed::BenchEmbed),
    /// Benchmark the class-centre head alone: scores, gradients, update of the centres
    Head(head::BenchHead),
}

pub(crate) fn run(command: &BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Train(arguments) => train::run(arguments),
        BenchCommand::Embed(arguments) => embed::run(arguments),
        BenchCommand::Head(arguments) => head::run(arguments),
    }
}
