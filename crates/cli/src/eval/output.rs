//! Prints the results of a subcommand, as tables or JSON, and writes figures to files.

use crate::arguments::{FileKind, heading, output_folder, require_replaceable};
use crate::say::{results, say, wrapped};
use anyhow::{Context, Error};
use clap::Args;
use clap::builder::TypedValueParser;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use widemargin_report::page::{self, EvaluationFigure, EvaluationInput, EvaluationTable};
use widemargin_report::table::{Column, Table};
use widemargin_report::terminal::visible;

#[derive(Args)]
pub(crate) struct OutputArguments {
    /// Print one JSON object instead of tables
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,
    /// Write figures to this folder, each as SVG and all of them as evaluation.html
    #[arg(help_heading = heading::OUTPUT, long, value_name = "FOLDER", value_parser = figures_folder())]
    figures: Option<PathBuf>,
}

/// The page of all figures, and marks of the files that an evaluation writes: others are not replaced.
const PAGE: &str = "evaluation.html";
const PAGES: FileKind = FileKind { name: "a page of `eval`", mark: "content=\"widemargin\"" };
const FIGURES: FileKind =
    FileKind { name: "a figure of `eval`", mark: "font-family=\"system-ui, 'Segoe UI', Roboto" };

/// A folder of figures, whose page may be replaced.
fn figures_folder() -> impl TypedValueParser<Value = PathBuf> {
    output_folder().try_map(|folder| require_replaceable(&folder.join(PAGE), PAGES).map(|()| folder))
}

impl OutputArguments {
    /// Whether to draw figures.
    pub(crate) fn draws(&self) -> bool {
        self.figures.is_some()
    }
}

/// A figure and the name of its file.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) svg: String,
    pub(crate) caption: &'static str,
}

/// All results of a subcommand.
#[derive(Default)]
pub(crate) struct Findings {
    /// Heading of the page of figures.
    pub(crate) title: &'static str,
    /// What was evaluated.
    pub(crate) lead: String,
    pub(crate) tables: Vec<EvaluationTable>,
    /// Cautions, as complete sentences.
    pub(crate) warnings: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    /// All results as JSON.
    pub(crate) json: Value,
    /// The most important results with their names, for the summary of `eval all`.
    pub(crate) summary: Vec<[String; 2]>,
}

/// A table; its first column names the rows.
pub(crate) fn table<const N: usize>(
    heading: &str,
    columns: [&str; N],
    rows: Vec<[String; N]>,
) -> EvaluationTable {
    EvaluationTable {
        heading: heading.to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.into_iter().map(|row| row.to_vec()).collect(),
    }
}

/// A share in [0, 1] as percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Least size of a number that is printed with an exponent.
const HUGE: f64 = 1e10;

/// A number of about one, with an exponent if it is huge.
pub(crate) fn number(value: f64) -> String {
    if value.abs() >= HUGE { format!("{value:.8e}") } else { format!("{value:.4}") }
}

/// A number of any size: at least four digits of it, except of zero.
pub(crate) fn quantity(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 1e-4 => format!("{value:.4e}"),
        size if size > 0.0 && size < 1e-2 => format!("{value:.7}"),
        _ => number(value),
    }
}

/// A number; a small one with an exponent, because it would be printed as 0.
pub(crate) fn small(value: f64) -> String {
    if value != 0.0 && value.abs() < 5e-4 { format!("{value:.3e}") } else { number(value) }
}

/// A score or a threshold on scores; a cosine near 1 by its distance from 1.
pub(crate) fn score(value: f64) -> String {
    let distance = (1.0 - value).abs();
    if distance == 0.0 || distance >= 5e-4 {
        quantity(value)
    } else {
        format!("1 {} {distance:.3e}", if value < 1.0 { '-' } else { '+' })
    }
}

impl Findings {
    /// Prints the results and warnings, and draws the figures.
    pub(crate) fn show(self, arguments: &OutputArguments) -> anyhow::Result<()> {
        self.publish(arguments)?;
        let mut out = results();
        if arguments.json {
            writeln!(out, "{}", self.json)?;
        } else {
            writeln!(out, "{}", visible(&self.lead))?;
            for table in &self.tables {
                writeln!(out)?;
                if !table.heading.is_empty() {
                    writeln!(out, "{}", visible(&table.heading))?;
                }
                write!(out, "{}", rendered(table, 1))?;
            }
        }
        Ok(())
    }

    /// As [`show`](Self::show), but prints one table instead of all tables, whose first two columns are names.
    pub(crate) fn show_summary(
        self,
        arguments: &OutputArguments,
        summary: &EvaluationTable,
    ) -> anyhow::Result<()> {
        self.publish(arguments)?;
        let mut out = results();
        if arguments.json {
            writeln!(out, "{}", self.json)?;
        } else {
            write!(out, "{}\n{}", wrapped("", &visible(&self.lead), 2), rendered(summary, 2))?;
        }
        Ok(())
    }

    /// Says the warnings and draws the figures, before the results: a reader of them that stops reading ends the program.
    fn publish(&self, arguments: &OutputArguments) -> anyhow::Result<()> {
        for warning in &self.warnings {
            say!("warning: {warning}");
        }
        arguments.figures.as_ref().map_or(Ok(()), |folder| self.draw(folder))
    }

    fn draw(&self, folder: &std::path::Path) -> anyhow::Result<()> {
        let writing = || format!("--figures {}", folder.display());
        widemargin_durable::create_folders(folder).with_context(writing)?;
        // Before any file is written.
        for Figure { name, .. } in &self.figures {
            require_replaceable(&folder.join(format!("{name}.svg")), FIGURES)
                .map_err(Error::msg)
                .context("--figures")?;
        }
        let mut figures = Vec::new();
        for Figure { name, svg, caption } in &self.figures {
            let file = folder.join(format!("{name}.svg"));
            widemargin_durable::write_atomic(file, svg.as_bytes()).with_context(writing)?;
            figures.push(EvaluationFigure { svg: svg.clone(), caption: (*caption).to_owned() });
        }
        let page = page::evaluation(&EvaluationInput {
            title: self.title.to_owned(),
            lead: self.lead.clone(),
            warnings: self.warnings.clone(),
            notes: Vec::new(),
            tables: self.tables.clone(),
            figures,
        });
        let file = folder.join(PAGE);
        widemargin_durable::write_atomic(&file, page.as_bytes()).with_context(writing)?;
        say!("figures: {}", file.display());
        Ok(())
    }
}

/// The table as text; the first `names` columns are names, and the others numbers.
fn rendered(table: &EvaluationTable, names: usize) -> String {
    let column = |(nth, heading): (usize, &String)| {
        if nth < names { Column::left(heading.as_str()) } else { Column::right(heading.as_str()) }
    };
    let mut text = Table::new(table.columns.iter().enumerate().map(column));
    for row in &table.rows {
        text.row(row.iter().map(String::as_str));
    }
    text.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_any_size_have_digits_that_tell() {
        for (value, expected) in [
            (0.0, "0.0000"),
            (-0.25, "-0.2500"),
            (0.98765, "0.9877"),
            (0.001_234_56, "0.0012346"),
            (-1.234_56e-6, "-1.2346e-6"),
            (1.5e-200, "1.5000e-200"),
            (1.0 - 3e-9, "1 - 3.000e-9"),
            (1.0 + 3e-9, "1 + 3.000e-9"),
            (1.0, "1.0000"),
            (1_000_000.807_5, "1000000.8075"),
            (1.483_438_872e50, "1.48343887e50"),
        ] {
            assert_eq!(score(value), expected);
        }
        assert_eq!((number(1e-9), quantity(1e-9)), ("0.0000".to_owned(), "1.0000e-9".to_owned()));
    }
}
