//! The report of a run as one self-contained HTML page.
//!
//! The page is for engineers who train a network but do not work with error rates every day: each figure has a caption that
//! explains how to read it, and the page ends with a glossary. With one objective it is the report of a run. With several
//! objectives it is a comparison, with all of them in every figure.
//!
//! [`evaluation`] is the page of an evaluation of embeddings: tables and figures without a training run. [`suspects()`] is the page
//! of likely mislabelled images, [`preview()`] that of augmented images.
//!
//! The page needs no network. It follows the reader's light or dark setting, uses the width of the window, fits a phone and can be
//! printed. A small script in the page shows values at the pointer and saves figures; without it, the page is complete.

mod confusions;
mod document;
mod embeddings;
mod evaluation;
mod gallery;
mod input;
mod markup;
mod neighbours;
mod preview;
mod reference;
mod summary;
mod suspects;
mod training;
mod verification;

pub use evaluation::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
pub use input::{
    ConfusionResults, Curves, DrawableEmbeddings, EmbeddingMap, FrequentConfusion, Histograms, NeighbourRow,
    ObjectiveReport, Projection, QueryGroup, ReportInput, RetrievalResults, ShownPair, ShownSample,
    VerificationResults, WorstPairs,
};
pub use preview::{PreviewInput, PreviewSample, preview};
pub use suspects::{SuspectRow, SuspectsInput, suspects};

use document::{Document, document};
use markup::Section;

/// The whole page.
///
/// Sections without content are left out. Values that are missing or not finite are shown as a dash.
pub fn render(input: &ReportInput) -> String {
    let sections: Vec<Section> = [
        summary::section(input),
        training::section(input),
        verification::verification(input),
        verification::retrieval(input),
        confusions::section(input),
        neighbours::section(input),
        embeddings::section(input),
        reference::configuration(input),
        Some(reference::glossary()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let ReportInput { title, lead, samples, credits, .. } = input;
    document(&Document { title, lead, sections: &sections, samples, credits })
}

#[cfg(test)]
mod tests;
