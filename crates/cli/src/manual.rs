//! `widemargin completions` and `widemargin man`: what clap generates from the definition of the commands.

use crate::say::results;
use anyhow::{Context, bail};
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

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
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    results().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
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
