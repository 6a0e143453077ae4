//! Labels, ids and other columns of a file of embeddings.

use std::path::Path;

use super::error::{Problem, Result};
use super::keys::{Keys, repeated};
use super::numbers::Precise;
use super::pattern::{ColumnPattern, advice, counting_column, require_alike};
use super::spelling::{is_missing, without_decimals};

/// Names of columns that are not part of the embedding.
const RESERVED: [&str; 5] = ["label", "id", "camera", "split", "group"];

/// Whether a column of this name has a meaning.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// Labels, ids and other columns of a file, each with one entry per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Names of classes.
    pub labels: Option<Vec<String>>,
    /// Names of rows, unique.
    pub ids: Option<Vec<String>>,
    /// Names of cameras, for retrieval that excludes matches of the same camera.
    pub cameras: Option<Vec<String>>,
    /// `train` or `test`, as in the file.
    pub splits: Option<Vec<String>>,
    /// Samples that a split must keep together, such as the photos of one session.
    pub groups: Option<Vec<String>>,
}

/// A column of [`About`], for writing.
#[derive(Debug, Clone, Copy)]
pub struct AboutColumn<'a> {
    /// Name of the column in a table.
    pub name: &'static str,
    pub(super) texts: &'a [String],
}

impl About {
    /// The columns that exist, in the order in which they are written.
    pub fn columns(&self) -> Vec<AboutColumn<'_>> {
        let columns = [
            ("id", &self.ids),
            ("label", &self.labels),
            ("camera", &self.cameras),
            ("split", &self.splits),
            ("group", &self.groups),
        ];
        let found = columns.into_iter().filter_map(|(name, list)| Some((name, list.as_deref()?)));
        found.map(|(name, texts)| AboutColumn { name, texts }).collect()
    }

    /// The labels, where every row must have one. `path` is what errors call the table.
    ///
    /// # Errors
    /// [`Problem::NoLabels`]; [`Problem::EmptyLabel`] for the first row without a label, or with a word for a missing value, such as `nan`.
    pub fn all_labels(&self, path: &Path) -> Result<&[String]> {
        let labels = self.labels.as_deref().ok_or_else(|| Problem::NoLabels.at(path))?;
        match labels.iter().position(|label| is_missing(label)) {
            Some(row) => {
                let id = self.ids.as_ref().map(|ids| ids[row].clone());
                Err(Problem::EmptyLabel { row, id, found: labels[row].trim().to_owned() }.at(path))
            }
            None => Ok(labels),
        }
    }
}

impl<'a> AboutColumn<'a> {
    /// The text of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn text(&self, row: usize) -> &'a str {
        &self.texts[row]
    }

    /// Whether a row is empty, such as the label of an image without a class.
    pub fn has_gaps(&self) -> bool {
        self.texts.iter().any(|text| text.trim().is_empty())
    }
}

/// The columns of the embedding.
pub(super) struct Values {
    /// Their positions.
    pub(super) columns: Vec<usize>,
    /// Whether they were chosen, so that none of them is there by mistake.
    chosen: bool,
}

impl Values {
    /// Their names.
    pub(super) fn names(&self, all: &[String]) -> Vec<String> {
        self.columns.iter().map(|at| all[*at].clone()).collect()
    }

    /// Rejects a column whose values number the rows, unless it was chosen.
    pub(super) fn require_no_counting(&self, all: &[String], data: &Precise) -> Result<(), Problem> {
        let found = if self.chosen { None } else { counting_column(data, self.columns.len()) };
        let Some(at) = found else { return Ok(()) };
        let names: Vec<&str> = self.columns.iter().map(|at| all[*at].as_str()).collect();
        Err(Problem::IndexColumn { column: names[at].to_owned(), advice: advice(&[names[at]], &names, None) })
    }
}

/// The positions of the reserved columns in a table.
pub(super) struct Columns {
    reserved: [Option<usize>; 5],
    /// Columns that pandas writes for its index.
    indices: Vec<usize>,
    /// A column `label` that is not used, because another column has the labels.
    replaced: Option<usize>,
}

impl Columns {
    /// Finds them among the names of all columns; `pandas` are the names of index columns that the file states. `label` is the name of the column
    /// of labels, if it is another than `label`.
    pub(super) fn find(names: &[String], pandas: &[String], label: Option<&str>) -> Result<Self, Problem> {
        let mut reserved = [None; 5];
        for (place, expected) in reserved.iter_mut().zip(RESERVED) {
            let mut found = (0..names.len()).filter(|at| names[*at].eq_ignore_ascii_case(expected));
            *place = found.next();
            if found.next().is_some() {
                return Err(Problem::RepeatedColumn { column: expected.to_owned() });
            }
        }
        let mut replaced = None;
        if let Some(label) = label {
            let missing = || Problem::NoLabelColumn { column: label.to_owned(), found: names.to_vec() };
            let at = names.iter().position(|name| name == label).ok_or_else(missing)?;
            replaced = reserved[0].filter(|before| *before != at);
            for other in &mut reserved {
                *other = other.filter(|other| *other != at);
            }
            reserved[0] = Some(at);
        }
        // pandas writes its index to a `.csv` as the first column, without a name; if the file is read and written again, it is called
        // `Unnamed: 0`. A `.parquet` states the names.
        let unnamed = |name: &&String| name.is_empty() || name.starts_with("Unnamed: 0");
        let leading = names.iter().take_while(unnamed).count();
        let index =
            |at: &usize| *at < leading || names[*at] == "__index_level_0__" || pandas.contains(&names[*at]);
        let is_known = |at: &usize| reserved.contains(&Some(*at)) || replaced == Some(*at);
        let indices = (0..names.len()).filter(|at| !is_known(at) && index(at)).collect();
        Ok(Self { reserved, indices, replaced })
    }

    /// The columns of the embedding, in order: those that `pattern` selects, else all, which must then have similar names.
    pub(super) fn values(
        &self,
        names: &[String],
        pattern: Option<&ColumnPattern>,
    ) -> Result<Values, Problem> {
        let all: Vec<usize> = self.others(names.len()).collect();
        let columns = if let Some(pattern) = pattern {
            pattern.select(names, &all)?
        } else {
            require_alike(&all.iter().map(|at| names[*at].as_str()).collect::<Vec<&str>>())?;
            all
        };
        if columns.is_empty() {
            return Err(Problem::NoEmbeddingColumns);
        }
        Ok(Values { columns, chosen: pattern.is_some() })
    }

    /// The positions of the columns that are neither reserved nor an index.
    pub(super) fn others(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(|at| {
            !self.reserved.contains(&Some(*at)) && !self.indices.contains(at) && self.replaced != Some(*at)
        })
    }

    /// The index column, which is used for ids if there is no column `id`.
    fn index(&self) -> Option<usize> {
        let [_, ids, ..] = self.reserved;
        if ids.is_none() { self.indices.first().copied() } else { None }
    }

    /// Empty lists for the columns that are neither `values` nor in [`About`].
    pub(super) fn keys(&self, names: &[String], values: &[usize]) -> Keys {
        let is_known = |at: &usize| {
            self.reserved.contains(&Some(*at))
                || self.replaced == Some(*at)
                || self.index() == Some(*at)
                || values.contains(at)
        };
        Keys::at((0..names.len()).filter(|at| !is_known(at)), names)
    }

    /// Empty lists for the columns that exist.
    pub(super) fn about(&self) -> About {
        let [labels, ids, cameras, splits, groups] = self.reserved;
        let texts = |at: Option<usize>| at.map(|_| Vec::new());
        About {
            labels: texts(labels),
            ids: texts(ids.or(self.index())),
            cameras: texts(cameras),
            splits: texts(splits),
            groups: texts(groups),
        }
    }

    /// Adds a row to the lists. `text` returns the text of a column or an error.
    pub(super) fn add<E>(
        &self,
        about: &mut About,
        mut text: impl FnMut(usize) -> Result<String, E>,
    ) -> Result<(), E> {
        let [labels, ids, cameras, splits, groups] = self.reserved;
        if let (Some(at), Some(list)) = (self.index(), &mut about.ids) {
            list.push(text(at).unwrap_or_default());
        }
        let texts = [
            (labels, &mut about.labels),
            (ids, &mut about.ids),
            (cameras, &mut about.cameras),
            (splits, &mut about.splits),
            (groups, &mut about.groups),
        ];
        for (at, list) in texts {
            if let (Some(at), Some(list)) = (at, list) {
                list.push(text(at)?);
            }
        }
        Ok(())
    }

    /// Called after the last row. An index is used for ids only if its entries are unique; otherwise it still shows if rows are in another order.
    pub(super) fn finish(&self, about: &mut About, keys: &mut Keys, names: &[String]) {
        let columns =
            [&mut about.labels, &mut about.ids, &mut about.cameras, &mut about.splits, &mut about.groups];
        columns.into_iter().flatten().for_each(|texts| without_decimals(texts));
        let Some(index) = self.index() else { return };
        let differ = |ids: &Vec<String>| {
            repeated(ids.iter().map(String::as_str)).is_none() && !ids.iter().any(String::is_empty)
        };
        if !about.ids.as_ref().is_some_and(differ) {
            keys.push(&names[index], about.ids.take().unwrap_or_default());
        }
    }
}

/// Rejects two columns of one name: it would not be clear which of them is meant.
pub(super) fn require_different<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), Problem> {
    let mut sorted: Vec<&String> = names.collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Problem::RepeatedColumn { column: pair[0].clone() }),
        None => Ok(()),
    }
}
