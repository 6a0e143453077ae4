#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod about;
#[cfg(feature = "parquet")]
mod columns;
mod error;
#[cfg(feature = "parquet")]
mod moments;
mod names;
mod npy;
mod numbers;
mod pair;
mod pairs;
#[cfg(feature = "parquet")]
mod plausible;
mod read;
mod rows;
mod scores;
mod table;
mod tensors;
mod text;
mod text_table;
mod texts;
mod trials;
mod write;

pub use about::{About, AboutColumn};
pub use error::{Error, Problem, Result};
pub use names::{NamedRows, RowNames, names_path};
pub use npy::npy_header;
pub use pair::{Pair, PairFile};
pub use pairs::read_pairs;
pub use read::{open, open_labelled, open_npy, read_embeddings, read_labels, read_npy_f64};
pub use rows::Rows;
pub use scores::{ScoreFile, read_scores};
pub use table::{ClassNames, ENDINGS, EmbeddingTable, OpenTable, is_table};
pub use text_table::TextTable;
pub use texts::{is_manifest, read_texts};
pub use trials::is_score_file;
pub use write::{Format, write_table};

#[cfg(test)]
mod tests;
