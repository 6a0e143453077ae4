//! The page of an evaluation: what must be kept in mind, tables, figures.

use super::document;
use super::markup::{self, DataTable, Section};
use crate::text::{add, escape};

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading: which files, how many embeddings; may be empty.
    pub lead: String,
    /// What the reader must know to trust the numbers, whole sentences.
    pub notes: Vec<String>,
    /// The numbers.
    pub tables: Vec<EvaluationTable>,
    /// The figures.
    pub figures: Vec<EvaluationFigure>,
}

/// A table whose first column names its rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationTable {
    /// What stands above it; may be empty.
    pub heading: String,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// The cells, a row each.
    pub rows: Vec<Vec<String>>,
}

/// A figure with how to read it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationFigure {
    /// The figure, as made by [`figure`](crate::figure).
    pub svg: String,
    /// A sentence or two below it.
    pub caption: String,
}

/// The whole page; sections without anything to show are left out.
pub fn evaluation(input: &EvaluationInput) -> String {
    let mut sections = Vec::new();
    if !input.tables.is_empty() || !input.notes.is_empty() {
        let mut body = String::new();
        for table in &input.tables {
            if !table.heading.is_empty() {
                add(&mut body, format_args!("<h3>{}</h3>\n", escape(&table.heading)));
            }
            let cells = |row: &Vec<String>| row.iter().map(|cell| (cell.clone(), false)).collect();
            let rows = table.rows.iter().map(cells).collect();
            body.push_str(&DataTable { headings: table.columns.clone(), rows, numbers: true }.html());
        }
        body.push_str(&markup::notes(&input.notes));
        sections.push(Section { id: "numbers", heading: "Numbers", body });
    }
    if !input.figures.is_empty() {
        let figures: Vec<String> =
            input.figures.iter().map(|figure| markup::figure(&figure.svg, &figure.caption)).collect();
        sections.push(Section { id: "figures", heading: "Figures", body: markup::grid(&figures) });
    }
    document(&input.title, &input.lead, &sections)
}
