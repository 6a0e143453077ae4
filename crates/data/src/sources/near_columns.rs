//! Columns that look like `split` or `group` but have another name, so that they are not used.

use std::path::Path;

use widemargin_tables::{column_names, echo, names_path};

use crate::part::part_named;
use crate::sources::listing::Extras;

/// Other words that data sets use for parts, besides those that are read.
const NEARLY_PARTS: [&str; 14] = [
    "holdout",
    "hold-out",
    "hold_out",
    "heldout",
    "held-out",
    "held_out",
    "eval",
    "evaluation",
    "query",
    "gallery",
    "unseen",
    "seen",
    "public",
    "private",
];
/// Names of columns that say yes or no for a part, in words without signs.
const NEARLY_SPLIT: [&str; 12] = [
    "istrain",
    "istraining",
    "istest",
    "isval",
    "isvalid",
    "isvalidation",
    "train",
    "training",
    "test",
    "val",
    "valid",
    "validation",
];
/// Other names that data sets use for the column `group`.
const NEARLY_GROUP: [&str; 6] = ["groups", "group_id", "groupid", "group_name", "groupname", "grp"];

/// A sentence for each column that looks like `split` or `group`; `has` says whether the data has these two columns.
pub(crate) fn near_columns(extras: &Extras, has: [bool; 2]) -> Vec<String> {
    let mut sentences = Vec::new();
    for (at, name) in extras.names.iter().enumerate() {
        let words = || extras.rows.iter().map(|row| row[at].trim()).filter(|word| !word.is_empty());
        let is_part = |word: &str| part_named(word).is_some();
        let nearly = |word: &str| NEARLY_PARTS.iter().any(|nearly| word.eq_ignore_ascii_case(nearly));
        let plain: String =
            name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
        let is_truth = |word: &str| {
            matches!(word.to_ascii_lowercase().as_str(), "0" | "1" | "true" | "false" | "yes" | "no")
        };
        let splits = words().any(is_part) && words().all(|word| is_part(word) || nearly(word))
            || NEARLY_SPLIT.contains(&plain.as_str()) && words().next().is_some() && words().all(is_truth);
        let groups = NEARLY_GROUP.iter().any(|nearly| name.trim().eq_ignore_ascii_case(nearly));
        if splits && !has[0] {
            sentences.push(format!(
                "The column `{name}` seems to say what is for training, but it is not used; to use it, name it `split` and write train or test."
            ));
        } else if groups && !has[1] {
            sentences.push(format!(
                "The column `{name}` is not used; if it says which samples must stay together, name it `group`."
            ));
        }
    }
    sentences
}

/// Other names that tables use for the column `split`, besides [`NEARLY_SPLIT`].
const NEARLY_SPLIT_TOO: [&str; 6] = ["part", "parts", "splits", "subset", "partition", "splitname"];

/// A sentence for each column of a table, or of the files with names of its rows, that has nearly the name of `split` or `group` and is not
/// used; `has` says whether the data has these two columns, and `used` are the columns of the vectors.
pub(crate) fn near_names(path: &Path, labels: Option<&Path>, used: &[String], has: [bool; 2]) -> Vec<String> {
    let names = names_path(path);
    let files = [Some(path), Some(names.as_path()), labels];
    let mut columns: Vec<String> = files.into_iter().flatten().flat_map(column_names).collect();
    columns.sort();
    columns.dedup();
    columns.retain(|column| !used.contains(column));
    let sentence = |column: String| {
        let plain: String = column.chars().filter(char::is_ascii_alphabetic).collect();
        let is = |nearly: &[&str]| nearly.iter().any(|nearly| plain.eq_ignore_ascii_case(nearly));
        let name = if !has[0] && (is(&NEARLY_SPLIT) || is(&NEARLY_SPLIT_TOO)) {
            "split"
        } else if !has[1] && NEARLY_GROUP.iter().any(|nearly| column.trim().eq_ignore_ascii_case(nearly)) {
            "group"
        } else {
            return None;
        };
        Some(format!(
            "The column `{}` is not used; if it is the column `{name}`, give it this name.",
            echo(&column)
        ))
    };
    columns.into_iter().filter_map(sentence).collect()
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
        let mut subset = extras(&["subset"], &["train"]);
        subset.rows[1] = vec!["Holdout".to_owned()];
        assert_eq!(near_columns(&subset, [false, false]).len(), 1);
    }

    #[test]
    fn columns_of_names_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.npy");
        crate::testing::put(folder.path().join("e.names.csv"), b"label,part,group_id,shop\na,test,1,x\n");
        let labels = folder.path().join("labels.csv");
        crate::testing::put(&labels, b"label,Is_Test\na,1\n");
        let found = near_names(&path, Some(&labels), &[], [false, false]);
        assert!(
            found.len() == 3 && found[1].contains("`group_id`") && found[2].contains("`part`"),
            "{found:?}"
        );
        let used = ["part".to_owned()];
        assert_eq!(near_names(&path, None, &used, [false, true]).len(), 0);
    }
}
