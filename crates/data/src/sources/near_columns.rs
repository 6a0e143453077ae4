//! Columns that look like `split` or `group` but have another name, or like weights of samples, so that they are not used.

use std::collections::BTreeSet;
use std::path::Path;

use widemargin_tables::{column_names, distinct_fields, echo, names_path};

use crate::part::{has_both, letters, part_hinted, part_in_name, part_named, words_of};
use crate::sources::listing::Extras;

/// Other names of the column `split`.
const NEARLY_SPLIT: [&str; 14] = [
    "part",
    "parts",
    "splits",
    "subset",
    "subsets",
    "partition",
    "partitions",
    "splitname",
    "splitid",
    "splitset",
    "partitionid",
    "evaluationstatus",
    "evalpartition",
    "datasplit",
];
/// Other names that data sets use for the column `group`.
const NEARLY_GROUP: [&str; 6] = ["groups", "group_id", "groupid", "group_name", "groupname", "grp"];

/// Words in names of columns that look like weights of samples. A column that is named as nothing but that is rejected in training.
const WEIGHTS: [&str; 6] = ["weight", "weights", "weighting", "weightings", "importance", "importances"];

/// A column with more different fields does not say what is for training.
const MOST_WORDS: usize = 64;

/// The column of cameras, which training uses only if it is told to.
const CAMERA: &str = "camera";

/// Whether a column is that of the cameras.
pub(crate) fn is_camera(column: &str) -> bool {
    column.trim().eq_ignore_ascii_case(CAMERA)
}

/// A sentence for data with a column of cameras that is not used.
pub(crate) fn camera_sentence() -> String {
    format!(
        "The column `{CAMERA}` is not used: pairs of one camera count like the others. With --across-cameras (data.across_cameras), only samples of \
         different cameras are compared."
    )
}

/// A sentence for each column that looks like `split`, `group` or weights; `has` says whether the data has the first two.
pub(crate) fn near_columns(extras: &Extras, has: [bool; 2]) -> Vec<String> {
    let fields = |at: usize| extras.rows.iter().map(|row| row[at].trim().to_owned()).collect();
    let sentence = |(at, name): (usize, &String)| {
        split_sentence(name, &fields(at), has)
            .or_else(|| group_sentence(name, has))
            .or_else(|| weight_sentence(name))
    };
    extras.names.iter().enumerate().filter_map(sentence).collect()
}

/// As [`near_columns`], for the columns of a table and of the files with names of its rows; `used` are the columns of the vectors.
pub(crate) fn near_names(path: &Path, labels: Option<&Path>, used: &[String], has: [bool; 2]) -> Vec<String> {
    let beside = names_path(path);
    let mut sentences = Vec::new();
    for file in [Some(path), Some(beside.as_path()), labels].into_iter().flatten() {
        let is_used = |name: &str| is_known(name) || used.iter().any(|used| used == name);
        for (name, fields) in distinct_fields(file, MOST_WORDS, |name| !is_used(name)) {
            sentences.extend(split_sentence(&name, &fields, has));
        }
        let names = column_names(file);
        let sentence = |name: &String| group_sentence(name, has).or_else(|| weight_sentence(name));
        sentences.extend(names.iter().filter(|name| !is_used(name)).filter_map(sentence));
    }
    let mut seen = BTreeSet::new();
    sentences.retain(|sentence| seen.insert(sentence.clone()));
    sentences
}

/// Whether a column of a table is used for what its name says.
fn is_known(name: &str) -> bool {
    ["label", "id", "split", "group", CAMERA].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A sentence on a column whose fields say what is for training, if there is no column `split`: words for parts, or the numbers and truth values
/// for them in a column with a fitting name.
fn split_sentence(name: &str, fields: &BTreeSet<String>, has: [bool; 2]) -> Option<String> {
    let words = || fields.iter().map(String::as_str).filter(|word| !word.is_empty());
    let is_part = |word: &str| part_named(word).is_some();
    let is_truth = |word: &str| {
        matches!(
            word.to_ascii_lowercase().as_str(),
            "0" | "1" | "0.0" | "1.0" | "true" | "false" | "yes" | "no" | "y" | "n" | "t" | "f"
        )
    };
    // Numbers of the parts, as in CelebA: 0, 1 and 2.
    let is_number = |word: &str| matches!(word, "0" | "1" | "2" | "3" | "2.0" | "3.0");
    let named = NEARLY_SPLIT.contains(&letters(name).as_str());
    let splits = words().next().is_some()
        && (words().all(|word| part_in_name(word).is_some())
            && (named || words().any(is_part) || has_both(words().map(part_in_name)))
            || part_hinted(name).is_some() && words().all(is_truth)
            || named && words().count() > 1 && words().all(|word| is_number(word) || is_truth(word)));
    (splits && !has[0]).then(|| {
        format!(
            "The column `{}` seems to say what is for training, but it is not used; to use it, name it `split` and write train or test.",
            echo(name)
        )
    })
}

/// A sentence on a column with nearly the name of `group`, if there is no such column.
fn group_sentence(name: &str, has: [bool; 2]) -> Option<String> {
    let groups = NEARLY_GROUP.iter().any(|nearly| name.trim().eq_ignore_ascii_case(nearly));
    (groups && !has[1]).then(|| {
        format!(
            "The column `{}` is not used; if it says which samples must stay together, name it `group`.",
            echo(name)
        )
    })
}

/// A sentence on a column whose name has a word for weights.
fn weight_sentence(name: &str) -> Option<String> {
    let words = words_of(name);
    WEIGHTS
        .iter()
        .any(|weight| words.contains(*weight))
        .then(|| format!("The column `{}` is not used: training has no weights of samples.", echo(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_recognised_by_their_words_and_names() {
        let extras = |names: &[&str], row: &[&str]| Extras {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            rows: vec![row.iter().map(|field| (*field).to_owned()).collect(); 2],
            left_out: Vec::new(),
        };
        let found = near_columns(&extras(&["part", "Groups", "shop"], &["Test", "g1", "x"]), [false, false]);
        assert!(
            found[0].contains("`part` seems to say what is for training")
                && found[1].contains("`Groups` is not used"),
            "{found:?}"
        );
        assert_eq!(found.len(), 2);
        assert!(near_columns(&extras(&["part", "Groups"], &["test", "g"]), [true, true]).is_empty());
        assert!(near_columns(&extras(&["part", "use"], &["7", ""]), [false, false]).is_empty());
        let found =
            near_columns(&extras(&["is_test", "Valid", "train"], &["1", "False", "7"]), [false, false]);
        assert!(found.len() == 2 && found[1].contains("`Valid`"), "{found:?}");
        // CUB-200, CelebA and others.
        let column = |name: &str, values: &[&str]| Extras {
            names: vec![name.to_owned()],
            rows: values.iter().map(|value| vec![(*value).to_owned()]).collect(),
            left_out: Vec::new(),
        };
        for (name, values) in [
            ("is_training_image", &["1", "0"][..]),
            ("isTestSet", &["False", "True"]),
            ("used_for_training", &["yes", "no"]),
            ("TRAIN", &["1", "0"]),
            ("is_holdout", &["1", "0"]),
            ("hold_out", &["0", "1"]),
            ("splits", &["0", "1"]),
            ("partition", &["0", "1", "2"]),
            ("is_test", &["0.0", "1.0"]),
            ("folder", &["train2017", "val2017"]),
            ("subset", &["train", "testing"]),
            ("evaluation_status", &["train", "query", "gallery"]),
            ("subset", &["seen", "unseen"]),
            ("use", &["train", "Held-Out"]),
            ("Usage", &["Training", "PublicTest", "PrivateTest"]),
            ("phase", &["tr", "te"]),
            ("dataset", &["A_train", "A_test", "B_train"]),
            ("which", &["trainset", "testset"]),
        ] {
            let found = near_columns(&column(name, values), [false, false]);
            assert!(found.len() == 1 && found[0].contains(&format!("`{name}` seems")), "{name} {found:?}");
        }
        for (name, values) in [
            ("train_speed", &["1", "0"][..]),
            ("test_passed", &["true", "false"]),
            ("part", &["7", "8"]),
            ("partition", &["0", "0"]),
            ("access", &["public", "private"]),
            ("is_blurred", &["0", "1"]),
            ("language", &["te", "te"]),
            ("place", &["train station", "crossing"]),
        ] {
            assert!(near_columns(&column(name, values), [false, false]).is_empty(), "{name}");
        }
        for name in ["sampling_weight", "Importance", "lossWeight", "weight"] {
            let found = near_columns(&column(name, &["0.5", "2"]), [false, false]);
            assert_eq!(
                found,
                [format!("The column `{name}` is not used: training has no weights of samples.")]
            );
        }
        assert!(near_columns(&column("weighted_by", &["x"]), [false, false]).is_empty());
        let mut subset = extras(&["subset"], &["train"]);
        subset.rows[1] = vec!["Holdout".to_owned()];
        assert_eq!(near_columns(&subset, [false, false]).len(), 1);
    }

    #[test]
    fn columns_of_names_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.npy");
        crate::testing::put(
            folder.path().join("e.names.csv"),
            b"label,part,group_id,shop,sampling_weight\na,test,1,x,0.5\n",
        );
        let labels = folder.path().join("labels.csv");
        crate::testing::put(&labels, b"label,Is_Test\na,1\n");
        let found = near_names(&path, Some(&labels), &[], [false, false]);
        assert!(
            found.len() == 4
                && found[0].contains("`part` seems to say")
                && found[1].contains("`group_id`")
                && found[2].contains("`sampling_weight`")
                && found[3].contains("`Is_Test` seems to say"),
            "{found:?}"
        );
        // The fields decide, whatever the name is.
        crate::testing::put(&labels, b"label,Usage,phase,part\na,Training,tr,7\nb,PublicTest,te,8\n");
        let found = near_names(&folder.path().join("f.npy"), Some(&labels), &[], [false, false]);
        assert!(
            found.len() == 2 && found[0].contains("`Usage`") && found[1].contains("`phase`"),
            "{found:?}"
        );
        let used = ["part", "sampling_weight"].map(str::to_owned);
        assert_eq!(near_names(&path, None, &used, [false, true]).len(), 0);
    }
}
