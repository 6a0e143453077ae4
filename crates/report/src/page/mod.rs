//! The report of a run as one self-contained HTML page.
//!
//! The page is for engineers who train a network but do not work with error rates every day: each figure has a caption that
//! explains how to read it, and the page ends with a glossary. With one objective it is the report of a run. With several
//! objectives it is a comparison, with all of them in every figure.
//!
//! [`evaluation`] is the page of an evaluation of embeddings: tables and figures without a training run. [`suspects()`] is the page
//! of likely mislabelled images, [`preview()`] that of augmented images.
//!
//! The page needs no script and no network. It follows the reader's light or dark setting, fits a phone and can be printed.

mod evaluation;
mod input;
mod markup;
mod preview;
mod sections;
mod style;
mod summary;
mod suspects;

pub use evaluation::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
pub use input::{
    Curves, DrawableEmbeddings, Histograms, ObjectiveReport, ReportInput, RetrievalResults,
    VerificationResults,
};
pub use preview::{PreviewInput, PreviewSample, preview};
pub use suspects::{SuspectRow, SuspectsInput, suspects};

use crate::neighbours;
use crate::text::{add, escape};
use markup::Section;

/// The whole page.
///
/// Sections without content are left out. Values that are missing or not finite are shown as a dash.
pub fn render(input: &ReportInput) -> String {
    let sections: Vec<Section> = [
        summary::section(input),
        sections::verification(input),
        sections::retrieval(input),
        sections::neighbour_rows(input),
        sections::drawable(input),
        sections::training(input),
        sections::configuration(input),
        Some(sections::glossary()),
    ]
    .into_iter()
    .flatten()
    .collect();

    document(&input.title, &input.lead, &sections)
}

/// A page of sections.
fn document(title: &str, lead: &str, sections: &[Section]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"generator\" content=\"widemargin\">\n\
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
