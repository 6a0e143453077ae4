//! Values of arguments that several commands share: how they are parsed and checked.

use anyhow::bail;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use widemargin_data::{ClassFolder, PartFolders};
use widemargin_durable::{check_file, check_folder, read_file};
use widemargin_tables::{ChosenColumns, ColumnPattern};

/// Headings of the options of commands that train.
pub(crate) mod heading {
    pub(crate) const DATA: &str = "Data";
    pub(crate) const RUN: &str = "Run";
    pub(crate) const OBJECTIVE: &str = "Objective";
    pub(crate) const MODEL: &str = "Model";
    pub(crate) const BATCHES: &str = "Batches";
    pub(crate) const TRAINING: &str = "Training";
    pub(crate) const VALIDATION: &str = "Evaluation during training";
    pub(crate) const GRID: &str = "Values to try";
    pub(crate) const HALVING: &str = "Successive halving";
    pub(crate) const INPUT: &str = "Input";
    pub(crate) const GALLERY: &str = "Gallery";
    pub(crate) const PAIRS: &str = "Pairs";
    pub(crate) const METHOD: &str = "Method";
    pub(crate) const MEASURES: &str = "Measures";
    pub(crate) const DECISION: &str = "Decision";
    pub(crate) const OUTPUT: &str = "Output";
}

/// A share, as in `0.1%` or `0.001`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, factor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    match number.trim().parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&(value * factor)) => Ok(value * factor),
        _ => Err("expected a share from 0 to 1, such as 0.2, or a percentage, such as 20%".to_owned()),
    }
}

/// A value of an enum, by the name it has in a configuration file.
pub(crate) fn one_of<Name: DeserializeOwned>(text: &str) -> Result<Name, String> {
    Name::deserialize(StrDeserializer::<WordError>::new(text)).map_err(|error| {
        let said = error.to_string();
        said.split_once("expected ").map_or_else(|| said.clone(), |(_, names)| format!("expected {names}"))
    })
}

/// The names of an enum in a configuration file.
pub(crate) fn names_of<Name: DeserializeOwned>() -> Vec<String> {
    // The error for a word that is no name lists them in backquotes.
    let said = one_of::<Name>("").err().unwrap_or_default();
    said.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Rejects the first of these flags that was given, because it has no effect with `others`.
pub(crate) fn without_effect(flags: &[(&str, bool)], others: &str) -> anyhow::Result<()> {
    let given = flags.iter().find(|(_, given)| *given);
    given.map_or(Ok(()), |(flag, _)| bail!("{flag}: has no effect {others}; remove {flag}"))
}

/// The columns of a table of embeddings.
#[derive(Args, Default)]
pub(crate) struct ColumnArguments {
    /// Columns of the embedding in a .csv, .parquet, .arrow or .feather, such as 'e*' or '!age' [default: all; a name unlike the others is an
    /// error]
    #[arg(help_heading = heading::INPUT, long, value_name = "PATTERN")]
    columns: Option<ColumnPattern>,
    /// Column of lists with the embedding, or array of a .npz or .safetensors [default: that of a usual name, such as `embedding`]
    #[arg(help_heading = heading::INPUT, long, value_name = "NAME", conflicts_with = "columns")]
    embedding_column: Option<String>,
    /// Column of the labels, in the file of --labels or else in the table [default: label]
    #[arg(help_heading = heading::INPUT, long, value_name = "NAME")]
    label_column: Option<String>,
}

impl ColumnArguments {
    /// The columns of the embedding, if they are chosen.
    pub(crate) fn embedding(&self) -> Option<ColumnPattern> {
        self.embedding_column.as_deref().map(ColumnPattern::exactly).or_else(|| self.columns.clone())
    }

    pub(crate) fn chosen(&self) -> ChosenColumns {
        ChosenColumns { embedding: self.embedding(), label: self.label_column.clone() }
    }

    /// The flags, and whether they are given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--columns", self.columns.is_some()),
            ("--embedding-column", self.embedding_column.is_some()),
            ("--label-column", self.label_column.is_some()),
        ]
    }
}

/// `28` or `112x96`.
pub(crate) fn size(text: &str) -> Result<[usize; 2], String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    match (height.parse(), width.parse()) {
        (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok([height, width]),
        _ => Err("expected a height, or a height and a width, such as 112 or 112x96".to_owned()),
    }
}

/// A kind of file that may replace an older one of its kind.
#[derive(Clone, Copy)]
pub(crate) struct FileKind {
    /// Its name with an article.
    pub(crate) name: &'static str,
    /// A text in every file of the kind.
    pub(crate) mark: &'static str,
}

/// A file to write, checked before the work whose results go there. It must not be one of the files that the command reads, and replaces only
/// files of its kind.
pub(crate) fn output_file(kind: FileKind) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| {
        if is_named_twice(&path) {
            return Err("this file is also an input, which would be lost; choose another name".to_owned());
        }
        require_replaceable(&path, kind)?;
        checked(check_file(&path), path)
    })
}

/// Rejects an existing file of another kind, which would be lost. An empty one may be replaced.
pub(crate) fn require_replaceable(path: &Path, kind: FileKind) -> Result<(), String> {
    let Ok(bytes) = read_file(path, u64::MAX) else { return Ok(()) };
    let ours = bytes.is_empty() || bytes.windows(kind.mark.len()).any(|text| text == kind.mark.as_bytes());
    let message = || {
        format!(
            "{}: already exists and is not {}, and would be lost; choose another name or remove it",
            path.display(),
            kind.name
        )
    };
    if ours { Ok(()) } else { Err(message()) }
}

/// Whether several arguments of the program name this existing file.
fn is_named_twice(path: &Path) -> bool {
    let Ok(file) = path.canonicalize() else { return false };
    let names = |argument: &OsString| {
        let text = argument.to_string_lossy();
        let value = text.split_once('=').map(|(_, value)| Path::new(value).canonicalize());
        [Some(Path::new(argument).canonicalize()), value]
            .into_iter()
            .flatten()
            .flatten()
            .any(|named| named == file)
    };
    std::env::args_os().skip(1).filter(names).count() > 1
}

/// As [`output_file`] for a folder, which may exist.
pub(crate) fn output_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| checked(check_folder(path.join("any")), path))
}

/// The path, or the error with its causes.
fn checked(found: widemargin_durable::Result<()>, path: PathBuf) -> Result<PathBuf, String> {
    found.map(|()| path).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// `top` or `deepest`.
pub(crate) fn class_folder(text: &str) -> Result<ClassFolder, String> {
    one_of(text)
}

/// `auto`, `none` or `only`.
pub(crate) fn part_folders(text: &str) -> Result<PartFolders, String> {
    one_of(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_train::config::{PrecisionName, SamplerName};

    #[test]
    fn names_are_those_of_the_configuration() {
        assert_eq!(names_of::<PrecisionName>(), ["full", "mixed"]);
        assert_eq!(names_of::<SamplerName>(), ["shuffled", "class-balanced", "by-frequency"]);
        assert_eq!(one_of("class-balanced"), Ok(SamplerName::ClassBalanced));
        assert_eq!(one_of("mixed"), Ok(PrecisionName::Mixed));
        assert_eq!(one_of("deepest"), Ok(ClassFolder::Deepest));
        assert_eq!(one_of::<PrecisionName>("half"), Err("expected `full` or `mixed`".to_owned()));
        let said = one_of::<SamplerName>("by-chance").unwrap_err();
        assert_eq!(said, "expected one of `shuffled`, `class-balanced`, `by-frequency`");
    }
}
