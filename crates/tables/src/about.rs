//! What a file says of its rows beside the numbers.

use std::borrow::Cow;
use std::collections::HashSet;

/// Columns that are not numbers of an embedding, and what they are for.
const RESERVED: [&str; 5] = ["label", "id", "camera", "split", "group"];

/// One list a column that the file has, one entry a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Names of classes.
    pub labels: Option<Vec<String>>,
    /// Names of rows, all different.
    pub ids: Option<Vec<String>>,
    /// Cameras, for retrieval that leaves out matches of the same camera.
    pub cameras: Option<Vec<u32>>,
    /// `train` or `test`, as written.
    pub splits: Option<Vec<String>>,
    /// What belongs together and must not be parted by a split, such as the shots of one session.
    pub groups: Option<Vec<String>>,
}

/// A column of [`About`] as it is written.
#[derive(Debug, Clone, Copy)]
pub struct AboutColumn<'a> {
    /// Its name in a table.
    pub name: &'static str,
    pub(super) fields: Fields<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fields<'a> {
    Texts(&'a [String]),
    Numbers(&'a [u32]),
}

impl About {
    /// The columns that are there, in the order in which they are written.
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
    /// What it holds in a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn text(&self, row: usize) -> Cow<'a, str> {
        match self.fields {
            Fields::Texts(list) => Cow::Borrowed(&list[row]),
            Fields::Numbers(list) => Cow::Owned(list[row].to_string()),
        }
    }

    /// Whether it says nothing in some row, as the labels of a set do that has images of no class.
    pub fn has_gaps(&self) -> bool {
        match self.fields {
            Fields::Texts(list) => list.iter().any(|text| text.trim().is_empty()),
            Fields::Numbers(_) => false,
        }
    }
}

/// Where the columns with a meaning are among all columns of a table.
pub(super) struct Columns {
    reserved: [Option<usize>; 5],
    /// Columns that pandas makes of the names of its rows.
    indices: Vec<usize>,
}

impl Columns {
    pub(super) fn find(names: &[String]) -> Self {
        let find = |expected: &str| names.iter().position(|name| name.eq_ignore_ascii_case(expected));
        // pandas writes an index before the other columns, without a name; read and written again it is `Unnamed: 0`. In `.parquet` it
        // has a name of its own.
        let unnamed = |name: &&String| name.is_empty() || name.starts_with("Unnamed: 0");
        let leading = names.iter().take_while(unnamed).count();
        let index = |at: &usize| *at < leading || names[*at] == "__index_level_0__";
        Self { reserved: RESERVED.map(find), indices: (0..names.len()).filter(index).collect() }
    }

    /// The other columns, in order.
    pub(super) fn numbers(&self, count: usize) -> Vec<usize> {
        (0..count).filter(|at| !self.reserved.contains(&Some(*at)) && !self.indices.contains(at)).collect()
    }

    /// The index that stands for ids where there are none.
    fn index(&self) -> Option<usize> {
        let [_, ids, ..] = self.reserved;
        if ids.is_none() { self.indices.first().copied() } else { None }
    }

    /// Empty lists for the columns that are there.
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

    /// Adds a row to the lists; `text` gives what a column holds, or why that is no name, and `wrong` says that a number is no number.
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

    /// Looks at the lists when all rows are there: an index is no promise of names that differ, and stands for ids only if they do.
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
