//! Labels, ids and other columns of a file of embeddings.

use std::borrow::Cow;
use std::collections::HashSet;

/// Names of columns that are not part of the embedding.
const RESERVED: [&str; 5] = ["label", "id", "camera", "split", "group"];

/// Labels, ids and other columns of a file, each with one entry per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Names of classes.
    pub labels: Option<Vec<String>>,
    /// Names of rows, unique.
    pub ids: Option<Vec<String>>,
    /// Camera numbers, for retrieval that excludes matches of the same camera.
    pub cameras: Option<Vec<u32>>,
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
    pub(super) fields: Fields<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fields<'a> {
    Texts(&'a [String]),
    Numbers(&'a [u32]),
}

impl About {
    /// The columns that exist, in the order in which they are written.
    pub fn columns(&self) -> Vec<AboutColumn<'_>> {
        fn texts<'a>(name: &'static str, list: Option<&'a Vec<String>>) -> Option<AboutColumn<'a>> {
            list.map(|list| AboutColumn { name, fields: Fields::Texts(list) })
        }
        let cameras = self.cameras.as_deref();
        let cameras = cameras.map(|list| AboutColumn { name: "camera", fields: Fields::Numbers(list) });
        let (ids, labels) = (texts("id", self.ids.as_ref()), texts("label", self.labels.as_ref()));
        let (splits, groups) = (texts("split", self.splits.as_ref()), texts("group", self.groups.as_ref()));
        [ids, labels, cameras, splits, groups].into_iter().flatten().collect()
    }
}

impl<'a> AboutColumn<'a> {
    /// The text of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn text(&self, row: usize) -> Cow<'a, str> {
        match self.fields {
            Fields::Texts(list) => Cow::Borrowed(&list[row]),
            Fields::Numbers(list) => Cow::Owned(list[row].to_string()),
        }
    }

    /// Whether a row is empty, such as the label of an image without a class.
    pub fn has_gaps(&self) -> bool {
        match self.fields {
            Fields::Texts(list) => list.iter().any(|text| text.trim().is_empty()),
            Fields::Numbers(_) => false,
        }
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
            cameras: cameras.map(|_| Vec::new()),
            splits: texts(splits),
            groups: texts(groups),
        }
    }

    /// Adds a row to the lists. `text` returns the text of a column or an error; `wrong` is the error for a column that is not a
    /// number.
    pub(super) fn add<E>(
        &self,
        about: &mut About,
        mut text: impl FnMut(usize) -> Result<String, E>,
        wrong: impl Fn(usize) -> E,
    ) -> Result<(), E> {
        let [labels, ids, cameras, splits, groups] = self.reserved;
        if let (Some(at), Some(list)) = (self.index(), &mut about.ids) {
            list.push(text(at).unwrap_or_default());
        }
        let texts = [
            (labels, &mut about.labels),
            (ids, &mut about.ids),
            (splits, &mut about.splits),
            (groups, &mut about.groups),
        ];
        for (at, list) in texts {
            if let (Some(at), Some(list)) = (at, list) {
                list.push(text(at)?);
            }
        }
        if let (Some(at), Some(list)) = (cameras, &mut about.cameras) {
            list.push(text(at)?.parse().map_err(|_| wrong(at))?);
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
