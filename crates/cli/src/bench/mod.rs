//! `widemargin bench`: measures training and the head on this machine.

mod head;
mod memory;

use crate::say::results;
use anyhow::Context;
use clap::{Args, Subcommand};
use memory::peak_memory;
use std::io::Write;
use std::process::ExitCode;
use widemargin_model::BackboneName;
use widemargin_train::{Config, Prepared, step_seconds};

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Benchmark whole training steps: loading, forward, head, backward, update
    Train(BenchTrain),
    /// Benchmark the class-centre head alone: scores, gradients, update of the centres
    Head(head::BenchHead),
}

#[derive(Args)]
pub(crate) struct BenchTrain {
    /// Backbone, as in `train`
    #[arg(long, default_value = "small-cnn")]
    backbone: BackboneName,
    /// Images per batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Measured steps
    #[arg(long, default_value_t = 60)]
    steps: usize,
    /// Steps before the first measured one
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Print one JSON object instead of a line of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &BenchCommand) -> anyhow::Result<ExitCode> {
    let arguments = match command {
        BenchCommand::Train(arguments) => arguments,
        BenchCommand::Head(arguments) => return head::run(arguments),
    };
    anyhow::ensure!(arguments.steps > 0, "--steps: found 0, expected at least 1");
    let mut config = Config::default();
    config.data.built_in = true;
    config.data.closed_set = true;
    config.model.backbone = arguments.backbone;
    config.sampler.batch = arguments.batch;
    config.check()?;
    let prepared = Prepared::new(&config)?;
    let mut seconds = step_seconds(&config, &prepared, arguments.warm_up, arguments.steps)?;
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1e3 * seconds[((seconds.len() - 1) as f64 * share).round() as usize];
    let median = at(0.5);
    let samples_per_second = arguments.batch as f64 / median * 1e3;
    let mut out = results();
    if arguments.json {
        let figures = serde_json::json!({
            "ms_per_step": { "median": median, "p10": at(0.1), "p90": at(0.9) },
            "samples_per_second": samples_per_second,
            "peak_rss_mib": peak_memory().unwrap_or(f64::NAN),
            "backbone": arguments.backbone.as_str(),
            "batch": arguments.batch,
            "steps": arguments.steps,
            "instruction_set": format!("{:?}", widemargin_kernels::detected()),
            "version": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{figures}").context("writing the results")?;
    } else {
        writeln!(
            out,
            "{}: {median:.1} ms per step of {} images (10 % to 90 %: {:.1} to {:.1}), {samples_per_second:.0} images per second",
            arguments.backbone,
            arguments.batch,
            at(0.1),
            at(0.9)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
