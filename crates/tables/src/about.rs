//! Labels, ids and other columns of a file of embeddings.

use std::collections::HashSet;
use std::path::Path;

use super::error::{Problem, Result};

/// Names of columns that are not part of the embedding.
const RESERVED: [&str; 5] = ["label", "id", "camera", "split", "group"];

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
    /// [`Problem::NoLabels`]; [`Problem::EmptyLabel`] for the first row without a label.
    pub fn all_labels(&self, path: &Path) -> Result<&[String]> {
        let labels = self.labels.as_deref().ok_or_else(|| Problem::NoLabels.at(path))?;
        match labels.iter().position(|label| label.trim().is_empty()) {
            Some(row) => {
                let id = self.ids.as_ref().map(|ids| ids[row].clone());
                Err(Problem::EmptyLabel { row, id }.at(path))
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

/// The positions of the reserved columns in a table.
pub(super) struct Columns {
    reserved: [Option<usize>; 5],
    /// Columns that pandas writes for its index.
    indices: Vec<usize>,
}

impl Columns {
    pub(super) fn find(names: &[String]) -> Self {
        let find = |expected: &str| names.iter().position(|name| name.eq_ignore_ascii_case(expected));
        // pandas writes its index as the first column, without a name; if the file is read and written again, it is called
        // `Unnamed: 0`. In `.parquet` it has a special name.
        let unnamed = |name: &&String| name.is_empty() || name.starts_with("Unnamed: 0");
        let leading = names.iter().take_while(unnamed).count();
        let index = |at: &usize| *at < leading || names[*at] == "__index_level_0__";
        Self { reserved: RESERVED.map(find), indices: (0..names.len()).filter(index).collect() }
    }

    /// The columns of the embedding, in order.
    pub(super) fn numbers(&self, count: usize) -> Vec<usize> {
        (0..count).filter(|at| !self.reserved.contains(&Some(*at)) && !self.indices.contains(at)).collect()
    }

    /// The index column, which is used for ids if there is no column `id`.
    fn index(&self) -> Option<usize> {
        let [_, ids, ..] = self.reserved;
        if ids.is_none() { self.indices.first().copied() } else { None }
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

    /// Called after the last row. An index is used for ids only if its entries are unique.
    pub(super) fn finish(&self, about: &mut About) {
        if self.index().is_none() {
            return;
        }
        let differ = |ids: &Vec<String>| {
            let mut seen = HashSet::new();
            ids.iter().all(|id| !id.is_empty() && seen.insert(id.as_str()))
        };
        if !about.ids.as_ref().is_some_and(differ) {
            about.ids = None;
        }
    }
}
