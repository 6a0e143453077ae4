#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod about;
mod archive;
mod arrays;
mod column_names;
#[cfg(feature = "parquet")]
mod columns;
mod combined;
mod csv_table;
mod echo;
mod error;
mod fields;
mod group_column;
mod joining;
mod keys;
mod label_column;
mod mark;
mod memory;
#[cfg(feature = "parquet")]
mod moments;
mod names;
mod npy;
mod npz;
mod numbers;
mod other_names;
mod pair;
mod pairs;
mod pattern;
#[cfg(feature = "parquet")]
mod plausible;
mod precision;
mod quiet;
mod read;
mod row_numbers;
mod rows;
mod scores;
mod shared;
mod spelling;
mod table;
mod tensors;
mod text;
mod text_table;
mod texts;
mod trials;
mod write;

pub use about::{About, AboutColumn};
pub use combined::combined_labels;
pub use echo::{echo, echo_list, first_names};
pub use error::{Error, Problem, Result};
pub use fields::several_fields;
pub use group_column::GroupColumns;
pub use keys::{Keys, SharedKey};
pub use label_column::LabelColumn;
pub use mark::{ModelMark, TrainingClasses, made_by_path, model_of};
pub use names::{NamedRows, RowNames, is_heading, names_path};
pub use npy::npy_header;
pub use pair::{Pair, PairFile};
pub use pairs::read_pairs;
pub use pattern::{
    ChosenColumns, ColumnPattern, columns_in_words, is_sample_weight, mixed_columns, unsorted_columns,
};
pub use quiet::catch_panic;
pub use read::{
    open, open_chosen, open_columns, open_labelled, open_npy, read_embeddings, read_labels, read_npy_f64,
};
pub use rows::Rows;
pub use scores::{DoubtfulPairs, ScoreFile, read_scores};
pub use spelling::{
    MAY_BE_TWO, appearance, common_form, is_missing, look_alike, may_be_no_class, misspelled, spelling,
    without_decimals,
};
pub use table::{ClassNames, ENDINGS, EmbeddingTable, OpenTable, can_choose, has_column_names, is_table};
pub use text::{read_lines, read_text, write_row};
pub use text_table::TextTable;
pub use texts::{column_names, distinct_fields, is_manifest, read_texts, require_no_images};
pub use trials::is_score_file;
pub use write::{Format, embedding_columns, write_table};

#[cfg(test)]
mod tests;
