//! `widemargin completions` and `widemargin man`: what clap generates from the definition of the commands.

use crate::arguments::names_of;
use crate::say::results;
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command};
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;
use widemargin_data::{ClassFolder, PartFolders, ResizeMode};
use widemargin_model::BackboneName;
use widemargin_objective::catalogue;
use widemargin_train::config::{KeptModel, PrecisionName, SamplerName};

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct ManArguments {
    /// The command, such as `train` or `eval retrieval` [default: the program]
    command: Vec<String>,
}

pub(crate) fn completions(
    arguments: &CompletionsArguments,
    mut program: Command,
) -> anyhow::Result<ExitCode> {
    program = with_values(program);
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    results().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The command with the values that flags accept by name, so that a shell completes them too. clap keeps names for as long as the program runs.
fn with_values(command: Command) -> Command {
    let with = |argument: Arg| match names(argument.get_id().as_str()) {
        Some(names) if argument.get_action().takes_values() => {
            argument.value_parser(PossibleValuesParser::new(names.into_iter().map(|name| &*name.leak())))
        }
        _ => argument,
    };
    command.mut_args(with).mut_subcommands(with_values)
}

/// The values of a flag that accepts names.
fn names(flag: &str) -> Option<Vec<String>> {
    Some(match flag {
        "objective" | "compare" => catalogue().iter().map(|entry| entry.name.to_owned()).collect(),
        "backbone" => BackboneName::ALL.iter().map(ToString::to_string).collect(),
        "sampler" => names_of::<SamplerName>(),
        "precision" => names_of::<PrecisionName>(),
        "keep" => names_of::<KeptModel>(),
        "resize" => names_of::<ResizeMode>(),
        "class_folder" => names_of::<ClassFolder>(),
        "parts" => names_of::<PartFolders>(),
        _ => return None,
    })
}

pub(crate) fn page(arguments: &ManArguments, mut program: Command) -> anyhow::Result<ExitCode> {
    // Gives the commands their full names and the global flags.
    program.build();
    let mut command = &program;
    for name in &arguments.command {
        let Some(found) = command.find_subcommand(name) else {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            bail!("man: found {name}, expected a command of {}: {}", command.get_name(), known.join(", "));
        };
        command = found;
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text).context("making the manual page")?;
    results().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
