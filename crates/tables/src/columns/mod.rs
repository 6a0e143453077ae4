//! Files with typed columns: `.parquet`, `.arrow` and `.feather`. Only built with the feature `parquet`.
//!
//! [`column_file`] is what all formats have in common. Embeddings ([`vectors`]) and tables of text ([`texts`]) are read through it, so that the
//! rules are those of every format.

mod arrow_cells;
mod arrow_file;
mod arrow_stream;
mod budget;
mod cells;
mod column_file;
mod images;
mod opened;
mod pandas;
mod parquet_file;
mod texts;
mod vectors;

#[cfg(test)]
mod tests;

pub(super) use opened::{chosen_texts, image_column, names, open, texts, texts_with_index};
pub(super) use parquet_file::write;
