//! The report of a run as one self-contained HTML page.
//!
//! Written for an engineer who trains a network but does not live among error rates: every figure stands beside a
//! sentence that says how to read it, and the page ends with the words explained. With one objective it is the report of
//! a run; with several, trained from one seed, it is their comparison, with all of them in every figure.
//!
//! [`evaluation`] is the page of an evaluation of embeddings: numbers and figures, without a run behind them; [`suspects()`] that of likely
//! wrong labels.
//!
//! The page needs neither script nor network, follows the reader's light or dark setting, fits a phone and prints.

mod evaluation;
mod input;
mod markup;
mod sections;
mod style;
mod summary;
mod suspects;

pub use evaluation::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
pub use input::{
    Curves, Features, Histograms, ObjectiveReport, ReportInput, RetrievalNumbers, VerificationNumbers,
};
pub use suspects::{SuspectRow, SuspectsInput, suspects};

use crate::neighbours;
use crate::text::{add, escape};
use markup::Section;

/// The whole page.
///
/// Sections without anything to show are left out; numbers that are missing or not finite are shown as a dash.
pub fn render(input: &ReportInput) -> String {
    let sections: Vec<Section> = [
        summary::section(input),
        sections::verification(input),
        sections::retrieval(input),
        sections::neighbour_rows(input),
        sections::features(input),
        sections::training(input),
        sections::configuration(input),
        Some(sections::words()),
    ]
    .into_iter()
    .flatten()
    .collect();

    document(&input.title, &input.lead, &sections)
}

/// A whole page of sections.
fn document(title: &str, lead: &str, sections: &[Section]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{}{}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n",
        style::STYLE,
        neighbours::STYLE
    );
    if !lead.is_empty() {
        add(&mut html, format_args!("<p class=\"lead\">{}</p>\n", escape(lead)));
    }
    html.push_str("<nav aria-label=\"Sections\">");
    for section in sections {
        add(&mut html, format_args!("<a href=\"#{}\">{}</a> ", section.id, section.heading));
    }
    html.push_str("</nav>\n</header>\n<main>\n");
    for section in sections {
        add(
            &mut html,
            format_args!(
                "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{}</h2>\n{}</section>\n",
                section.heading,
                section.body,
                id = section.id
            ),
        );
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

#[cfg(test)]
mod tests;
