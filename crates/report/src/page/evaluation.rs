//! The page of an evaluation: tables, notes and figures.

use super::document::{Document, document};
use super::markup::{self, DataTable, Section};
use crate::text::{add, escape};

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading: which files, how many embeddings; may be empty.
    pub lead: String,
    /// What makes the results less reliable, as whole sentences.
    pub warnings: Vec<String>,
    /// Other remarks, as whole sentences.
    pub notes: Vec<String>,
    /// The tables of results.
    pub tables: Vec<EvaluationTable>,
    /// The figures.
    pub figures: Vec<EvaluationFigure>,
}

/// A table with row headings in the first column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationTable {
    /// Heading above the table; may be empty.
    pub heading: String,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// The rows of cells.
    pub rows: Vec<Vec<String>>,
}

/// A figure with a caption.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationFigure {
    /// The figure, from [`figure`](crate::figure).
    pub svg: String,
    /// A sentence or two that explain how to read it.
    pub caption: String,
}

/// The whole page; sections without content are left out.
pub fn evaluation(input: &EvaluationInput) -> String {
    let mut sections = Vec::new();
    let remarks = markup::warnings(&input.warnings) + &markup::notes(&input.notes);
    if !input.tables.is_empty() || !remarks.is_empty() {
        let mut body = String::new();
        for table in &input.tables {
            if !table.heading.is_empty() {
                add(&mut body, format_args!("<h3>{}</h3>\n", escape(&table.heading)));
            }
            let cells = |row: &Vec<String>| row.iter().map(|cell| (cell.clone(), false)).collect();
            let rows = table.rows.iter().map(cells).collect();
            body.push_str(&DataTable { headings: table.columns.clone(), rows, numbers: true }.html());
        }
        body.push_str(&remarks);
        sections.push(Section { id: "results", heading: "Results", body });
    }
    if !input.figures.is_empty() {
        let figures: Vec<String> =
            input.figures.iter().map(|figure| markup::figure(&figure.svg, &figure.caption)).collect();
        sections.push(Section { id: "figures", heading: "Figures", body: markup::grid(&figures) });
    }
    document(&Document { title: &input.title, lead: &input.lead, sections: &sections, ..Document::default() })
}
