//! Embeddings, labels and pairs from files.
//!
//! | file | embeddings | labels, ids, cameras, splits, groups inside |
//! |---|---|---|
//! | `.npy` | a matrix `[rows, dim]` of 2, 4 or 8 byte floats | none |
//! | `.safetensors` | the tensor `embeddings`, or the only matrix of floats | whole-number tensors `labels`, `ids`, `cameras`, `groups` |
//! | `.csv` | every other column, in order | the columns `label`, `id`, `camera`, `split`, `group` |
//! | `.parquet` (feature `parquet`) | a column `embedding` of lists, or every other column | as `.csv` |
//!
//! Labels may instead lie beside, in a `.npy` of whole numbers or text, a `.csv` with a column `label`, or a text file with
//! one label a line ([`read_labels`]). Labels are kept as text and numbered by [`ClassNames`], so that several files can
//! share one numbering. Every error names the file, and the row where there is one.
//!
//! What pandas makes of the names of its rows, an unnamed first column, is no number: it is taken for ids where there are none and its
//! entries differ.
//!
//! [`write_table`] writes any of them, a block of rows at a time.
//!
//! [`open`] leaves the numbers of `.npy` and `.safetensors` in the file, to be read row by row; the others are read whole.
//! [`read_embeddings`] reads everything: memory is the matrix. [`read_texts`] reads tables of another kind, all of whose fields are text.
#![forbid(unsafe_code)]

mod about;
#[cfg(feature = "parquet")]
mod columns;
mod error;
#[cfg(feature = "parquet")]
mod moments;
mod npy;
mod numbers;
mod pair;
mod pairs;
#[cfg(feature = "parquet")]
mod plausible;
mod read;
mod rows;
mod table;
mod tensors;
mod text;
mod text_table;
mod texts;
mod write;

pub use about::{About, AboutColumn};
pub use error::{Error, Problem, Result};
pub use npy::npy_header;
pub use pair::{Pair, PairFile};
pub use pairs::read_pairs;
pub use read::{open, open_npy, read_embeddings, read_labels};
pub use rows::Rows;
pub use table::{ClassNames, ENDINGS, EmbeddingTable, OpenTable, is_table};
pub use text_table::TextTable;
pub use texts::{is_manifest, read_texts};
pub use write::{Format, write_table};

#[cfg(test)]
mod tests;
