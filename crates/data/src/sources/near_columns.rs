//! Columns that look like `split` or `group` but have another name, so that they are not used.

use crate::part::part_named;
use crate::sources::listing::Extras;

/// Other names that data sets use for the column `group`.
const NEARLY_GROUP: [&str; 6] = ["groups", "group_id", "groupid", "group_name", "groupname", "grp"];

/// A sentence for each column that looks like `split` or `group`; `has` says whether the data has these two columns.
pub(crate) fn near_columns(extras: &Extras, has: [bool; 2]) -> Vec<String> {
    let mut sentences = Vec::new();
    for (at, name) in extras.names.iter().enumerate() {
        let mut words =
            extras.rows.iter().map(|row| row[at].trim()).filter(|word| !word.is_empty()).peekable();
        let splits = words.peek().is_some() && words.all(|word| part_named(word).is_some());
        let groups = NEARLY_GROUP.iter().any(|nearly| name.trim().eq_ignore_ascii_case(nearly));
        if splits && !has[0] {
            sentences.push(format!(
                "The column `{name}` holds parts (train or test) but is not used; to use it, name it `split`."
            ));
        } else if groups && !has[1] {
            sentences.push(format!(
                "The column `{name}` is not used; if it says which samples must stay together, name it `group`."
            ));
        }
    }
    sentences
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
            found[0].contains("`part` holds parts") && found[1].contains("`Groups` is not used"),
            "{found:?}"
        );
        assert_eq!(found.len(), 2);
        assert!(near_columns(&extras(&["part", "Groups"], &["test", "g"]), [true, true]).is_empty());
        assert!(near_columns(&extras(&["part", "use"], &["7", ""]), [false, false]).is_empty());
    }
}
