//! Pieces of HTML that the sections share.

use super::input::{ObjectiveReport, ReportInput};
use crate::text::{add, escape};

/// One section of the page. Heading and id are constants, so they need no escaping.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) heading: &'static str,
    pub(super) body: String,
}

/// A paragraph of plain text.
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A figure with its caption.
pub(super) fn figure(svg: &str, caption: &str) -> String {
    format!("<figure class=\"chart\">\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escape(caption))
}

/// Figures, side by side if there is room.
pub(super) fn grid(figures: &[String]) -> String {
    format!("<div class=\"grid\">\n{}</div>\n", figures.concat())
}

/// As [`grid`], for many small figures.
pub(super) fn dense_grid(figures: &[String]) -> String {
    format!("<div class=\"grid dense\">\n{}</div>\n", figures.concat())
}

/// Parts of any kind that share the width, if there is room.
pub(super) fn sides(parts: &[String]) -> String {
    let part = |part: &String| format!("<div>\n{part}</div>\n");
    format!("<div class=\"sides\">\n{}</div>\n", parts.iter().map(part).collect::<String>())
}

/// The name of an objective above its part of a section; nothing if the page has only one.
pub(super) fn objective_heading(input: &ReportInput, objective: &ObjectiveReport) -> String {
    if input.objectives.len() < 2 {
        return String::new();
    }
    format!("<h3>{}</h3>\n", escape(&objective.name))
}

/// Remarks on the results, in a neutral colour; nothing if there are none.
pub(super) fn notes(notes: &[String]) -> String {
    list("<ul class=\"notes\">", notes)
}

/// What makes the results doubtful, in the colour of a warning; nothing if there is nothing.
pub(super) fn warnings(warnings: &[String]) -> String {
    list("<ul class=\"warnings\"><li class=\"heading\">Warnings</li>", warnings)
}

fn list(start: &str, notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut html = start.to_owned();
    for note in notes {
        add(&mut html, format_args!("<li>{}</li>", escape(note)));
    }
    html.push_str("</ul>\n");
    html
}

/// A table with row headings in the first column. Cells are escaped; marked cells are bold.
pub(super) struct DataTable {
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<(String, bool)>>,
    /// Whether all columns except the first are numbers.
    pub(super) numbers: bool,
}

impl DataTable {
    pub(super) fn html(&self) -> String {
        let class = if self.numbers { " class=\"numbers\"" } else { "" };
        let mut html = format!("<div class=\"wide\"><table{class}>\n<thead><tr>");
        for heading in &self.headings {
            add(&mut html, format_args!("<th scope=\"col\">{}</th>", escape(heading)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (position, (cell, bold)) in row.iter().enumerate() {
                let cell = escape(cell);
                match (position, bold) {
                    (0, _) => add(&mut html, format_args!("<th scope=\"row\">{cell}</th>")),
                    (_, true) => add(&mut html, format_args!("<td><b>{cell}</b></td>")),
                    (_, false) => add(&mut html, format_args!("<td>{cell}</td>")),
                }
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}
