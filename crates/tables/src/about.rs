//! What a file says of its rows beside the numbers.

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

/// Where the columns with a meaning are among all columns of a table.
pub(super) struct Columns([Option<usize>; 5]);

impl Columns {
    pub(super) fn find(names: &[String]) -> Self {
        Self(RESERVED.map(|wanted| names.iter().position(|name| name.eq_ignore_ascii_case(wanted))))
    }

    /// The other columns, in order.
    pub(super) fn numbers(&self, count: usize) -> Vec<usize> {
        (0..count).filter(|at| !self.0.contains(&Some(*at))).collect()
    }

    /// Empty lists for the columns that are there.
    pub(super) fn about(&self) -> About {
        let [labels, ids, cameras, splits, groups] = self.0;
        let texts = |at: Option<usize>| at.map(|_| Vec::new());
        About {
            labels: texts(labels),
            ids: texts(ids),
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
        let [labels, ids, cameras, splits, groups] = self.0;
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
}
