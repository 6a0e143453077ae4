//! Pieces of HTML that the sections share.

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
    format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escape(caption))
}

/// Figures, side by side if there is room.
pub(super) fn grid(figures: &[String]) -> String {
    format!("<div class=\"grid\">\n{}</div>\n", figures.concat())
}

/// Notes; nothing if there are none.
pub(super) fn notes(notes: &[String]) -> String {
    list("", notes)
}

/// Warnings under a heading; nothing if there are none.
pub(super) fn warnings(warnings: &[String]) -> String {
    list("<li class=\"heading\">Warnings</li>", warnings)
}

fn list(heading: &str, notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut html = format!("<ul class=\"notes\">{heading}");
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
