//! Chooses the arrays of a file with named arrays: the embeddings, the labels, ids and so on.

use super::error::Problem;
use super::pattern::{ChosenColumns, ColumnPattern, is_sample_weight};

/// What is known of an array before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArrayInfo {
    pub(super) name: String,
    /// The length of each side.
    pub(super) shape: Vec<usize>,
    pub(super) is_float: bool,
}

impl ArrayInfo {
    /// Whether it can be the embeddings.
    fn is_matrix(&self) -> bool {
        self.shape.len() == 2 && self.is_float
    }

    /// Whether it has one value per row of a table.
    pub(super) fn is_column(&self) -> bool {
        matches!(self.shape.as_slice(), [_] | [_, 1])
    }

    /// The name and shape, for errors.
    fn in_words(&self) -> String {
        format!("{} {:?}", self.name, self.shape)
    }

    fn is_called(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

/// The names of the embeddings and of other arrays that a format knows.
pub(super) struct ArrayNames {
    /// The first of these that exists is the embeddings, whatever else there is.
    pub(super) preferred: &'static [&'static str],
    /// One of these is the embeddings; several are ambiguous.
    pub(super) embeddings: &'static [&'static str],
    /// As the columns of other formats, and in the plural, in the order of `About`: labels, ids, cameras, splits, groups.
    pub(super) about: [&'static [&'static str]; 5],
}

/// Tensors of a `.safetensors`.
pub(super) const TENSORS: ArrayNames =
    ArrayNames { preferred: &["embeddings"], embeddings: &[], about: ABOUT };

/// Arrays of a `.npz`, by the names that people use.
pub(super) const ARCHIVE: ArrayNames = ArrayNames {
    preferred: &[],
    embeddings: &["embeddings", "embedding", "features", "feature", "vectors", "x"],
    about: [&["labels", "label", "y", "targets", "target"], ABOUT[1], ABOUT[2], ABOUT[3], ABOUT[4]],
};

const ABOUT: [&[&str]; 5] = [
    &["labels", "label"],
    &["ids", "id"],
    &["cameras", "camera"],
    &["splits", "split"],
    &["groups", "group"],
];

/// Positions of the arrays.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) embeddings: usize,
    /// Labels, ids, cameras, splits and groups.
    pub(super) about: [Option<usize>; 5],
    /// All others.
    pub(super) others: Vec<usize>,
}

const EMBEDDING_FLAG: &str = "--embedding-column NAME";

/// Chooses by name. Names that could mean several arrays are an error.
pub(super) fn choose(
    arrays: &[ArrayInfo],
    names: &ArrayNames,
    chosen: &ChosenColumns,
) -> Result<Chosen, Problem> {
    let position = |wanted: &str| arrays.iter().position(|array| array.name == wanted);
    let all_names = || arrays.iter().map(|array| array.name.clone()).collect::<Vec<String>>();
    let mut about = [None; 5];
    if let Some(label) = &chosen.label {
        let missing = || Problem::NoLabelColumn { column: label.clone(), found: all_names() };
        about[0] = Some(position(label).ok_or_else(missing)?);
    }
    let embeddings = match chosen.embedding.as_ref().and_then(ColumnPattern::name) {
        Some(name) => position(name)
            .ok_or_else(|| Problem::NoEmbeddingColumn { column: name.to_owned(), found: all_names() })?,
        None => embeddings(arrays, names, about[0])?,
    };
    let flags = ["--label-column NAME", ELSE, ELSE, ELSE, ELSE];
    for (nth, what) in ["labels", "ids", "cameras", "splits", "groups"].into_iter().enumerate() {
        let free = |at: &usize| *at != embeddings && !about.contains(&Some(*at));
        let found: Vec<usize> =
            (0..arrays.len()).filter(|at| free(at) && arrays[*at].is_called(names.about[nth])).collect();
        match found.as_slice() {
            _ if nth == 0 && chosen.label.is_some() => {}
            [] => {}
            [only] => about[nth] = Some(*only),
            several => return Err(which(arrays, what, several, flags[nth])),
        }
    }
    let is_other = |at: &usize| *at != embeddings && !about.contains(&Some(*at));
    let others: Vec<usize> = (0..arrays.len()).filter(is_other).collect();
    let weight =
        others.iter().map(|at| &arrays[*at]).find(|array| is_sample_weight(&array.name) && array.is_column());
    if let Some(weight) = weight {
        let advice = "remove the array, or rename it".to_owned();
        return Err(Problem::SampleWeights { column: weight.name.clone(), advice });
    }
    Ok(Chosen { embeddings, about, others })
}

/// What to do about several arrays for which there is no flag.
const ELSE: &str = "another name for all but one of them";

/// The array of embeddings by its name, or the only matrix of floats.
fn embeddings(arrays: &[ArrayInfo], names: &ArrayNames, label: Option<usize>) -> Result<usize, Problem> {
    let of = |wanted: &dyn Fn(&ArrayInfo) -> bool| -> Vec<usize> {
        (0..arrays.len()).filter(|at| Some(*at) != label && wanted(&arrays[*at])).collect()
    };
    let preferred = names.preferred.iter().find_map(|name| of(&|array| array.name == *name).first().copied());
    if let Some(at) = preferred {
        return Ok(at);
    }
    let named = of(&|array| array.is_called(names.embeddings));
    let matrices = of(&ArrayInfo::is_matrix);
    match (named.as_slice(), matrices.as_slice()) {
        ([only], _) | ([], [only]) => Ok(*only),
        ([], candidates) => Err(which(arrays, "embeddings", candidates, EMBEDDING_FLAG)),
        (several, _) => Err(which(arrays, "embeddings", several, EMBEDDING_FLAG)),
    }
}

fn which(arrays: &[ArrayInfo], what: &'static str, candidates: &[usize], flag: &'static str) -> Problem {
    Problem::WhichArray {
        what,
        candidates: candidates.iter().map(|at| arrays[*at].name.clone()).collect(),
        flag,
        found: arrays.iter().map(ArrayInfo::in_words).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(name: &str, shape: &[usize], is_float: bool) -> ArrayInfo {
        ArrayInfo { name: name.to_owned(), shape: shape.to_vec(), is_float }
    }

    fn chosen(names: &[&str], flags: [Option<&str>; 2]) -> Result<[Option<String>; 3], String> {
        let arrays: Vec<ArrayInfo> = names
            .iter()
            .map(|name| match name.strip_prefix('m') {
                Some(name) => array(name, &[3, 4], true),
                None => array(name, &[3], false),
            })
            .collect();
        let flags = ChosenColumns {
            embedding: flags[0].map(ColumnPattern::exactly),
            label: flags[1].map(str::to_owned),
        };
        let found = choose(&arrays, &ARCHIVE, &flags).map_err(|problem| problem.to_string())?;
        let name = |at: usize| arrays[at].name.clone();
        Ok([Some(name(found.embeddings)), found.about[0].map(name), found.about[1].map(name)])
    }

    #[test]
    fn arrays_are_found_by_the_names_that_people_use() {
        for (names, expected) in [
            (&["membeddings", "labels", "ids"][..], ["embeddings", "labels", "ids"]),
            (&["mX", "y", "extra"], ["X", "y", ""]),
            (&["mfeatures", "mother", "Label", "ID"], ["features", "Label", "ID"]),
            (&["marr_0"], ["arr_0", "", ""]),
            (&["mwhatever", "target"], ["whatever", "target", ""]),
        ] {
            let expected = expected.map(|name| (!name.is_empty()).then(|| name.to_owned()));
            assert_eq!(chosen(names, [None, None]), Ok(expected), "{names:?}");
        }
        let found = chosen(&["ma", "mb", "labels", "y", "z"], [Some("b"), Some("z")]);
        assert_eq!(found, Ok([Some("b".to_owned()), Some("z".to_owned()), None]));
    }

    #[test]
    fn ambiguous_names_are_errors_that_list_the_arrays() {
        for (names, flags, expected) in [
            (
                &["membeddings", "mx"][..],
                [None, None],
                "several arrays may be the embeddings: embeddings, x; its arrays are embeddings [3, 4], x [3, 4]. Choose one with --embedding-column NAME",
            ),
            (&["ma", "mb"], [None, None], "several arrays may be the embeddings: a, b"),
            (&["labels"], [None, None], "no array is clearly the embeddings; its arrays are labels [3]"),
            (
                &["mx", "labels", "y"],
                [None, None],
                "several arrays may be the labels: labels, y; its arrays are x [3, 4], labels [3], y [3]. Choose one with --label-column NAME",
            ),
            (&["mx", "id", "ids"], [None, None], "several arrays may be the ids: id, ids"),
            (
                &["mx", "y"],
                [None, Some("species")],
                "--label-column: has no column `species`; its columns are x, y",
            ),
            (&["mx", "y"], [Some("e"), None], "--embedding-column: has no column `e`; its columns are x, y"),
            (&["mx", "sample_weight"], [None, None], "`sample_weight` looks like the weight of a sample"),
        ] {
            let said = chosen(names, flags).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
