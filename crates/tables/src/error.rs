//! The error type of this crate: a problem and the file that has it.

use std::path::Path;

use super::column_names::plain;
use super::echo::{echo, echo_list};

/// A result whose error is this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem and the file that has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    /// The file.
    pub path: Box<Path>,
    /// The problem. It is part of the message, so it is not a source.
    pub problem: Problem,
}

/// Why a file could not be used. Rows count from zero, lines of text files from one, as in editors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(String),
    /// The extension of the file name is not known.
    #[error(
        "unknown file extension \"{}\"; expected .npy, .npz, .safetensors, .csv, .parquet, .arrow or .feather",
        echo(found)
    )]
    Ending {
        /// The extension found.
        found: String,
    },
    /// The extension of a file to write is not that of a format that is written.
    #[error("unknown file extension \"{}\"; expected .npy, .safetensors, .csv or .parquet", echo(found))]
    OutputEnding {
        /// The extension found.
        found: String,
    },
    /// The extension of a file of labels or other names is one of a format that is not read.
    #[error(
        "found {what}s in a file with the extension \"{}\"; expected .csv, .tsv, .parquet, .arrow, .feather, .npy, or text with one {what} per line{}",
        echo(found),
        in_archive(found, &format!("the {what}s"))
    )]
    NamesEnding {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// The extension found.
        found: String,
    },
    /// Every line of a text with one name per line seems to have several fields.
    #[error(
        "line 1 is \"{}\", and every line is like {like}; expected one {what} per line. Give only the {what} per \
         line, or a .csv with the columns `id` and `{what}`. If a whole line is a {what}, put every line in double quotes",
        echo(found)
    )]
    SeveralFields {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// What the lines look like, in words.
        like: String,
        /// The first line.
        found: String,
    },
    /// Lines of a text with one name per line end or begin with a separator.
    #[error(
        "{} of {} lines {side} with {separator}, such as \"{}\"; expected one {what} per line, without separators. Remove them; if they belong to \
         the {what}s, put every line in double quotes",
        rows[0],
        rows[1],
        echo(found)
    )]
    SeparatorAtEnd {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// `end` or `begin`.
        side: &'static str,
        /// The separator, in words.
        separator: &'static str,
        /// How many lines have one, of how many.
        rows: [usize; 2],
        /// The first of them.
        found: String,
    },
    /// The first line of a text with one name per line is the name of a column.
    #[error(
        "line 1 is \"{}\", which seems to name a column, so all {what}s after it would be moved by one row; expected one {what} per line. Remove \
         the line, or call the file .csv. If it is a {what}, put it in double quotes",
        echo(found)
    )]
    Heading {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// The first line.
        found: String,
    },
    /// A column of image files instead of embeddings.
    #[error(
        "the column `{}` has image files (their bytes, or `bytes` and `path` as the library `datasets` of Hugging Face writes them); expected numbers, or \
         names of image files in a column `path`. Images inside a .parquet are not read: save each to a file and give the folder, with a \
         sub-folder per class, or a manifest with the columns `path` and `label`. If other columns are an embedding, choose them with \
         --columns",
        echo(column)
    )]
    ImageColumn {
        /// The column.
        column: String,
    },
    /// A table whose ids only count its rows, and names whose ids are others.
    #[error(
        "nothing joins it to {table}: its column `{}` (such as \"{}\") has none of the ids there, which only count the rows from 0, as an \
         index of pandas does. Give both files a column `{}` with the same entries; or, if the rows of both are in the same order, \
         remove `{}` from this file",
        echo(column),
        echo(found),
        echo(column),
        echo(column)
    )]
    NothingShared {
        /// The column of ids.
        column: Box<str>,
        /// Its first entry.
        found: Box<str>,
        /// The table.
        table: Box<str>,
    },
    /// Parquet files need the feature `parquet`.
    #[error(
        "this program was built without support for .parquet, .arrow and .feather; build it with the feature `parquet`"
    )]
    NoParquet,
    /// The file is not valid in its format.
    #[error("is not a valid {format} file: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The reason, in words.
        reason: String,
    },
    /// The values are of a type that is not supported.
    #[error("{} has values of type {}; expected {expected}", echo(what), echo(found))]
    NumberType {
        /// What was read, in words.
        what: String,
        /// The type found.
        found: String,
        /// The types supported, in words.
        expected: &'static str,
    },
    /// The array has another shape.
    #[error("{} has the shape {found:?}; expected {expected}", echo(what))]
    Shape {
        /// What was read, in words.
        what: String,
        /// The shape found.
        found: Vec<usize>,
        /// The expected content, in words.
        expected: &'static str,
    },
    /// A column is missing.
    #[error(
        "has no column `{column}`; its columns are {} (the first line of a .csv names the columns)",
        echo_list(found)
    )]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The columns of the file.
        found: Vec<String>,
    },
    /// Two columns have one name, so it is not clear which of them is meant.
    #[error("has two columns `{}`; rename or remove one of them", echo(column))]
    RepeatedColumn {
        /// Their name.
        column: String,
    },
    /// The column that was chosen for the labels does not exist.
    #[error("--label-column: has no column `{}`; {}", echo(column), columns_found(found))]
    NoLabelColumn {
        /// The column.
        column: String,
        /// The columns of the file; none if they have no names.
        found: Vec<String>,
    },
    /// The column that was chosen for the embedding does not exist.
    #[error("--embedding-column: has no column `{}`; {}", echo(column), columns_found(found))]
    NoEmbeddingColumn {
        /// The column.
        column: String,
        /// The columns that can be chosen; none if they have no names.
        found: Vec<String>,
    },
    /// Several arrays of a file may be meant, or none is the embedding.
    #[error("{}; its arrays are {}. Choose one with {flag}", which(what, candidates), echo_list(found))]
    WhichArray {
        /// `embedding`, `labels` or `ids`.
        what: &'static str,
        /// Names of the arrays that may be it.
        candidates: Vec<String>,
        /// The flag that chooses one, or what else to do.
        flag: &'static str,
        /// The arrays, with their shapes.
        found: Vec<String>,
    },
    /// A part of a pattern of columns matches none.
    #[error("no column matches `{}`; its columns are {}", echo(pattern), echo_list(found))]
    NoSuchColumns {
        /// The part of the pattern.
        pattern: String,
        /// The columns that can be selected.
        found: Vec<String>,
    },
    /// A pattern of columns excludes every column that it names.
    #[error(
        "--columns '{}' selects no column: what `!` excludes is left out, whatever the other items",
        echo(pattern)
    )]
    AllExcluded {
        /// The pattern.
        pattern: String,
    },
    /// Columns were chosen in a file whose values have no column names.
    #[error(
        "its values have no column names; --columns applies to .csv, .parquet, .arrow and .feather files"
    )]
    NoColumnNames,
    /// Columns whose names are not like those of the other columns.
    #[error(
        "the columns `{}` do not fit the others, `{}` to `{}`; {advice}",
        echo_list(columns),
        echo(&others[0]),
        echo(&others[1])
    )]
    OddColumns {
        /// The columns that do not fit.
        columns: Vec<String>,
        /// The first and the last of the other columns.
        others: Box<[String; 2]>,
        /// What to do.
        advice: String,
    },
    /// A column that is probably a row number or id.
    #[error(
        "the column `{}` looks like a row number or id, not like a value of the embedding; {advice}",
        echo(column)
    )]
    IndexColumn {
        /// The column.
        column: String,
        /// What to do.
        advice: String,
    },
    /// A column that is probably a label or part.
    #[error(
        "the column `{}` looks like {meaning}, not like a value of the embedding; {advice}",
        echo(column)
    )]
    LabelColumn {
        /// The column.
        column: String,
        /// What it is, in words.
        meaning: &'static str,
        /// What to do.
        advice: String,
    },
    /// A column of sample weights, which are not supported.
    #[error(
        "the column `{}` looks like the weight of a sample, and sample weights are not supported; {advice}",
        echo(column)
    )]
    SampleWeights {
        /// The column.
        column: String,
        /// What to do.
        advice: String,
    },
    /// The columns of the embedding are not those of another file or of a model.
    #[error(
        "the columns of the embedding are not those of {of}: {}; use tables with the same columns, or choose them with --columns",
        difference(missing, unexpected)
    )]
    OtherColumns {
        /// The file or model with the expected columns.
        of: String,
        /// Expected columns that the file does not have.
        missing: Vec<String>,
        /// Columns of the file that are not expected.
        unexpected: Vec<String>,
    },
    /// A column of lists is next to numeric columns that could be the embedding as well.
    #[error(
        "has a column `{}` of lists and also the numeric columns `{}`; choose with --columns which of them are the embedding",
        echo(list),
        echo_list(numbers)
    )]
    ListAndNumbers {
        /// The column of lists.
        list: String,
        /// The numeric columns.
        numbers: Vec<String>,
    },
    /// A column of lists is next to other columns, and its name does not say that it is the embedding.
    #[error(
        "the column `{list}` holds lists; if it is the embedding, use --columns '{list}'",
        list = echo(list)
    )]
    ListColumn {
        /// The column of lists.
        list: String,
    },
    /// No column holds embeddings.
    #[error(
        "has no columns of embeddings; expected columns besides `label`, `id`, `camera`, `split` and `group`"
    )]
    NoEmbeddingColumns,
    /// The first line of a text table is a row of numbers instead of column names.
    #[error("the first line is a row of numbers ({}, ...); expected the names of the columns", echo(found))]
    NoHeading {
        /// The first numbers.
        found: String,
    },
    /// The first line of a text table seems to be a row, so nothing names its columns.
    #[error(
        "has no header: the first line ({}, ...) seems to be a row; expected the names of the columns there, such as label,x0,x1",
        echo(found)
    )]
    NoNames {
        /// The first fields.
        found: String,
    },
    /// A column of text has values that cannot be written as text.
    #[error("column `{}` holds {found}; expected texts or numbers", echo(column))]
    NoTexts {
        /// The column.
        column: String,
        /// The content found, in words.
        found: &'static str,
    },
    /// The pages are compressed with a codec that is not supported.
    #[error(
        "column `{}` is compressed with {found}, which is not supported; write the file with {known}",
        echo(column)
    )]
    Codec {
        /// The column.
        column: String,
        /// The codec.
        found: String,
        /// The supported codecs, in words.
        known: &'static str,
    },
    /// A field of a text table has an unexpected value.
    #[error("line {line}, column `{}` holds \"{}\"; expected {expected}", echo(column), echo(found))]
    Field {
        /// The line, from one.
        line: u64,
        /// The column.
        column: String,
        /// The text found.
        found: String,
        /// The expected content, in words.
        expected: &'static str,
    },
    /// A cell has an unexpected value, or a list has another length.
    #[error("row {row} of column `{}` holds {}; expected {expected}", echo(column), echo(found))]
    Cell {
        /// The row, from zero.
        row: usize,
        /// The column.
        column: String,
        /// The value found, in words.
        found: String,
        /// The expected content, in words.
        expected: String,
    },
    /// Values of 64 bits whose differences from row to row are lost in 32 bits.
    #[error(
        "32-bit floats, which this command computes with, lose {lost:.0} % of the differences between the rows (column {column} has the mean {mean:.3e} and the deviation {deviation:.1e}); subtract the mean of each column before saving"
    )]
    Rounded {
        /// The column that loses most, from zero.
        column: usize,
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
        /// Share of the standard deviation of all columns that is lost, in percent.
        lost: f64,
    },
    /// The file has no rows.
    #[error("has no rows")]
    Empty,
    /// A text file has no content, or only comments.
    #[error("is empty")]
    NoContent,
    /// The header of a table has one column that seems to be several.
    #[error(
        "the columns are {}. They seem to be separated by {separator}; separate them by commas",
        echo(columns)
    )]
    Separator {
        /// The separator, in words.
        separator: &'static str,
        /// The header.
        columns: String,
    },
    /// The values do not fit into memory.
    #[error(
        "needs {needed} MiB of memory, but {available} MiB are available; use a smaller file, or a .npy or .safetensors file, which training and `embed` read row by row"
    )]
    Memory {
        /// Memory for the values, in MiB.
        needed: u64,
        /// Available memory, in MiB.
        available: u64,
    },
    /// The number of labels or other names differs from the number of rows.
    #[error("{found} {what}s for {rows} embeddings{hint}; give one {what} per embedding")]
    NameCount {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Names found.
        found: usize,
        /// Where one may be missing, in words, or nothing.
        hint: Box<str>,
    },
    /// Labels are required, but the file has none and no file of labels was given.
    #[error("has no labels; give a file of labels, one per row")]
    NoLabels,
    /// A row has an empty label where every row needs one.
    #[error(
        "row {row}{} has {}",
        id.as_ref().map(|id| format!(" (id \"{}\")", echo(id))).unwrap_or_default(),
        missing(found)
    )]
    EmptyLabel {
        /// The row, from zero.
        row: usize,
        /// A word for a missing value, or nothing.
        found: String,
        /// Its id, if rows have ids.
        id: Option<String>,
    },
    /// The labels, cameras or other names in a table and those given for it differ.
    #[error(
        "{place} has the {what} \"{}\", but {table} contains the {what} \"{}\" for the same row ({} of {} rows differ); remove one of the two",
        echo(&names[0]),
        echo(&names[1]),
        rows[0],
        rows[1]
    )]
    TwoNames {
        /// The column.
        what: &'static str,
        /// The line or row in this file.
        place: String,
        /// The table.
        table: String,
        /// The name in this file and that in the table.
        names: Box<[String; 2]>,
        /// How many rows differ, of how many.
        rows: [usize; 2],
    },
    /// Two columns of a file of names both have the ids of the table, but in different orders.
    #[error(
        "{} and {} both have the ids of {table}, in different orders; remove or rename the one that is not meant",
        column_of_ids(&columns[0]),
        column_of_ids(&columns[1])
    )]
    TwoIdColumns {
        /// The columns.
        columns: Box<[String; 2]>,
        /// The table.
        table: String,
    },
    /// A column of a file of names may give the order of its rows.
    #[error(
        "{} has all numbers from {first} to {last}, in another order. If they are the row numbers of {table}, name the column `row`; if the rows of both files are in the same order, remove it or add a column `row` that counts from {first}",
        column_of_ids(column)
    )]
    RowNumbers {
        /// The column.
        column: String,
        /// The least number, 0 or 1.
        first: usize,
        /// The largest number.
        last: usize,
        /// The table.
        table: String,
    },
    /// A column of a file of names shows that its rows are in another order than those of the table.
    #[error(
        "{place} has \"{}\" in {}, but {table} has \"{}\" there for the same row, so the rows are not in the same order. Give both files a column `id`; or if the column means something else in one of them, rename or remove it",
        echo(&texts[0]),
        column_of_ids(column),
        echo(&texts[1])
    )]
    OtherRows {
        /// The line or row in this file.
        place: String,
        /// The column.
        column: Box<str>,
        /// The table.
        table: String,
        /// The text in this file and that in the table.
        texts: Box<[String; 2]>,
    },
    /// Both files name their rows, in other forms and in another order.
    #[error(
        "{place} has \"{}\" in {}, but {table} has \"{}\" in {} for the same row, so the rows are not in the same order, and they cannot be joined by names in different forms. Write the names in the same form in both files; or, if the columns mean different things, remove one",
        echo(&texts[0]),
        columns[0],
        echo(&texts[1]),
        columns[1]
    )]
    OtherNames {
        /// The line or row in this file.
        place: String,
        /// The column in this file and that in the table, as in a sentence.
        columns: Box<[String; 2]>,
        /// The text in this file and that in the table.
        texts: Box<[String; 2]>,
        /// The table.
        table: String,
    },
    /// The names in a list of pairs have two meanings.
    #[error(
        "the names of the pairs are row numbers of {table} and also numbers in its column `{}`. If they are those of the column, call it `id` in {table}; if they are row numbers, remove it there",
        echo(column)
    )]
    RowsOrNames {
        /// The column.
        column: String,
        /// The table.
        table: String,
    },
    /// A column of row numbers lacks some, or has some twice.
    #[error(
        "the column `{}` should have each row number of {table} once, from {first} to {last}, but {wrong}. Correct it, or rename it if it means something else",
        echo(column)
    )]
    WrongRowNumbers {
        /// The column.
        column: String,
        /// The least number.
        first: usize,
        /// The largest number.
        last: usize,
        /// The first fault, as a part of a sentence.
        wrong: String,
        /// The table.
        table: String,
    },
    /// A file of names has ids that the table does not have.
    #[error(
        "{place} has the id \"{}\", which {table} does not have (ids without a row there: {count}){hint}; {}",
        echo(id),
        same_ids(column)
    )]
    IdNotInTable {
        /// The line or row of the first such id.
        place: Box<str>,
        /// The first such id.
        id: Box<str>,
        /// The column of the ids.
        column: Box<str>,
        /// The number of such ids.
        count: usize,
        /// The table.
        table: Box<str>,
        /// An id of the table that is spelled in another way, in words, or nothing.
        hint: Box<str>,
    },
    /// A file of names lacks ids of the table.
    #[error(
        "has no row for the id \"{}\" of {table} (missing ids: {count}){hint}; {}",
        echo(id),
        same_ids(column)
    )]
    IdMissing {
        /// The first id without a name.
        id: Box<str>,
        /// The column of the ids.
        column: Box<str>,
        /// The number of such ids.
        count: usize,
        /// The table.
        table: Box<str>,
        /// An id of this file that is spelled in another way, in words, or nothing.
        hint: Box<str>,
    },
    /// Two rows have one id.
    #[error(
        "rows {first} and {second} have the same id \"{}\"{}; ids must be unique",
        echo(id),
        if is_id(column) { String::new() } else { format!(" in {}", column_of_ids(column)) }
    )]
    RepeatedId {
        /// The id.
        id: String,
        /// The column of the ids.
        column: Box<str>,
        /// The earlier row.
        first: usize,
        /// The later row.
        second: usize,
    },
    /// A pair has an id or row number that does not exist.
    #[error("{place} is \"{}\"; expected {known}", echo(id))]
    UnknownId {
        /// The line or row, and the column.
        place: String,
        /// The id found.
        id: String,
        /// The expected ids, in words.
        known: String,
    },
    /// A line of a list of pairs has an unexpected form.
    #[error("line {line} is \"{}\"; expected {expected}", echo(found))]
    Trial {
        /// The line, from one.
        line: u64,
        /// The line.
        found: String,
        /// The expected form, in words.
        expected: String,
    },
    /// The score of a pair cannot be used.
    #[error("{place} has the score {found:?}; expected {expected}")]
    Score {
        /// The line or row.
        place: String,
        /// The score.
        found: f64,
        /// The expected value, in words.
        expected: String,
    },
    /// A pair is listed as of one class and as of two.
    #[error(
        "{place} contradicts {first}: one says that \"{}\" and \"{}\" are of the same class, the other that they are not",
        echo(&pair[0]),
        echo(&pair[1])
    )]
    ContradictoryPair {
        /// The line or row.
        place: String,
        /// Where the pair was listed before.
        first: String,
        /// The names of the pair.
        pair: Box<[String; 2]>,
    },
    /// A score is of a pair that the list of pairs does not have.
    #[error(
        "{place} has a score of \"{}\" and \"{}\", a pair that {list} does not have; both files must have the same pairs",
        echo(&pair[0]),
        echo(&pair[1])
    )]
    PairNotInList {
        /// The line or row.
        place: String,
        /// The names of the pair.
        pair: Box<[String; 2]>,
        /// The list of pairs.
        list: String,
    },
    /// A pair has two scores.
    #[error(
        "{place} has another score of \"{}\" and \"{}\"; give one score per pair, whatever the order of its names",
        echo(&pair[0]),
        echo(&pair[1])
    )]
    RepeatedScore {
        /// The line or row.
        place: String,
        /// The names of the pair.
        pair: Box<[String; 2]>,
    },
    /// A pair of a list has no score.
    #[error(
        "has no score of \"{}\" and \"{}\", a pair of {list} (missing scores: {count}); both files must have the same pairs",
        echo(&pair[0]),
        echo(&pair[1])
    )]
    PairWithoutScore {
        /// The names of the first such pair.
        pair: Box<[String; 2]>,
        /// The number of such pairs.
        count: usize,
        /// The list of pairs.
        list: String,
    },
    /// The embeddings are not valid.
    #[error("{problem}{}", id.as_ref().map(|id| format!(" (the row's id is \"{}\")", echo(id))).unwrap_or_default())]
    Embeddings {
        /// The problem, in words.
        problem: String,
        /// The id of the row, if rows have ids and a single row has the problem.
        id: Option<String>,
    },
}

impl Problem {
    /// The error for a file with this problem.
    pub fn at(self, path: &Path) -> Error {
        Error { path: path.into(), problem: self }
    }
}

/// Whether a column is called `id`.
fn is_id(column: &str) -> bool {
    column.eq_ignore_ascii_case("id")
}

/// What is expected of the ids of two files, and where they are, in words.
fn same_ids(column: &str) -> String {
    if is_id(column) {
        "both files must have the same ids".to_owned()
    } else {
        format!("they are joined by {}, so both files must have the same ids", column_of_ids(column))
    }
}

/// A column of a file of names, in words.
pub(super) fn column_of_ids(name: &str) -> String {
    if plain(name).is_empty() {
        "the index of pandas (the column without a name)".to_owned()
    } else {
        format!("the column `{}`", echo(name))
    }
}

/// The columns of a file, in words.
fn columns_found(found: &[String]) -> String {
    if found.is_empty() {
        "its columns have no names".to_owned()
    } else {
        format!("its columns are {}", echo_list(found))
    }
}

/// Which arrays may be meant, in words.
fn which(what: &str, candidates: &[String]) -> String {
    if candidates.is_empty() {
        format!("no array is clearly the {what}")
    } else {
        format!("several arrays may be the {what}: {}", echo_list(candidates))
    }
}

/// Advice for an archive of arrays of numpy.
fn in_archive(ending: &str, what: &str) -> String {
    match ending {
        "npz" => format!(
            ". A .npz is an archive of arrays: save {what} alone with numpy.save, which writes a .npy"
        ),
        _ => String::new(),
    }
}

/// What a row has in place of a label, in words.
fn missing(found: &str) -> String {
    if found.is_empty() {
        "no label".to_owned()
    } else {
        format!(
            "the label \"{}\", a word for a missing value; give the row a label or remove it, or rename the class",
            echo(found)
        )
    }
}

/// Which columns are missing and which are not expected, in words.
fn difference(missing: &[String], unexpected: &[String]) -> String {
    match (missing.is_empty(), unexpected.is_empty()) {
        (true, _) => format!("found also {}", echo_list(unexpected)),
        (false, true) => format!("{} are missing", echo_list(missing)),
        (false, false) => format!("found {}, expected {}", echo_list(unexpected), echo_list(missing)),
    }
}
