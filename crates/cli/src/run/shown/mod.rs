//! The samples of the evaluation set that a page shows: nearest neighbours, confusions, the worst pairs and maps.
//!
//! All of them are chosen by the measures and the seed of the run, so that the same run has the same page.

mod choice;
mod confused;
mod maps;
mod queries;
mod samples;

pub(super) use choice::Chosen;
pub(super) use confused::{confusions, worst_pairs};
pub(super) use maps::maps;
pub(super) use queries::queries;
pub(super) use samples::Samples;
