//! Manifests: a `.csv` or `.parquet` with one row per image.
//!
//! | column | meaning |
//! |---|---|
//! | `path` | the image file, absolute or relative to the folder of the manifest |
//! | `label` | its class |
//! | `split` | its part: `train` or `test` (or `val`) |
//! | `group` | images that belong together, such as the shots of one session; without `split`, whole groups are held out |
//! | `id` | its name, instead of the path |
//! | others | kept as text and written next to the embeddings; columns that are not text (lists, bytes) are dropped and reported |
//!
//! Only `path` is required; training also requires `label`. If a column `label`, `split` or `group` exists, no row may leave it empty.

use std::collections::HashMap;
use std::path::Path;

use widemargin_tables::{Problem, read_texts};

use crate::part::part_named;
use crate::place::ImagePlace;
use crate::sources::listing::{Extras, FoundImage, Labels, Listing};
use crate::sources::near_columns::near_columns;
use crate::sources::source::SourceKind;
use crate::{Error, Result};

/// Columns with a meaning, apart from `path`.
const RESERVED: [&str; 4] = ["label", "split", "group", "id"];

/// Lists the images of a manifest, in its order. Missing files are found when they are read.
pub(crate) fn list(path: &Path) -> Result<Listing> {
    let mut table = read_texts(path)?;
    let wrong = |problem: Problem| Error::from(problem.at(path));
    let has_meaning =
        |name: &str| ["path"].iter().chain(&RESERVED).any(|known| name.eq_ignore_ascii_case(known));
    if let Some((column, found)) = table.left_out().iter().find(|(name, _)| has_meaning(name)) {
        return Err(wrong(Problem::NoTexts { column: column.clone(), found }));
    }
    let at_path = table.required("path").map_err(wrong)?;
    if table.rows.is_empty() {
        return Err(wrong(Problem::Empty));
    }
    let [label, split, group, id] = RESERVED.map(|name| table.column(name));
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut found, mut labels) = (Vec::with_capacity(table.rows.len()), Labels::default());
    for (row, fields) in table.rows.iter().enumerate() {
        let filled = |at: usize, expected: &'static str| {
            if fields[at].is_empty() {
                Err(wrong(table.wrong(row, at, expected)))
            } else {
                Ok(fields[at].as_str())
            }
        };
        let place = ImagePlace::File(folder.join(filled(at_path, "the path of an image")?));
        let class =
            label.map(|at| Ok::<_, Error>(labels.number(filled(at, "the name of a class")?))).transpose()?;
        let part = |at: usize| {
            const EXPECTED: &str = "train or test (or val)";
            part_named(filled(at, EXPECTED)?).ok_or_else(|| wrong(table.wrong(row, at, EXPECTED)))
        };
        let part = split.map(part).transpose()?;
        let group = group.map(|at| filled(at, "the name of a group").map(Box::from)).transpose()?;
        let id = filled(id.unwrap_or(at_path), "a name")?.to_owned();
        found.push(FoundImage { id, place, class, part, group });
    }
    let mut seen = HashMap::new();
    for (second, found) in found.iter().enumerate() {
        if let Some(first) = seen.insert(found.id.as_str(), second) {
            return Err(wrong(Problem::RepeatedId {
                id: found.id.clone(),
                column: "id".into(),
                first,
                second,
            }));
        }
    }
    let is_extra = |at: usize| {
        let reserved = [label, split, group, id].contains(&Some(at));
        !(reserved || (at == at_path && id.is_none()))
    };
    let kept: Vec<usize> = (0..table.columns.len()).filter(|at| is_extra(*at)).collect();
    let names: Vec<String> = kept.iter().map(|at| std::mem::take(&mut table.columns[*at])).collect();
    let mut take = |row: &mut Vec<String>| kept.iter().map(|at| std::mem::take(&mut row[*at])).collect();
    let rows = if names.is_empty() { Vec::new() } else { table.rows.iter_mut().map(&mut take).collect() };
    let mut listing = Listing::new(path, SourceKind::Manifest, found, labels);
    listing.extras = Extras { names, rows, left_out: table.left_out().to_vec() };
    listing.notes = near_columns(&listing.extras, [split.is_some(), group.is_some()]);
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use crate::testing::put;

    fn listed(text: &str) -> Result<Listing> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        put(&path, text.as_bytes());
        list(&path)
    }

    #[test]
    fn columns_are_found_by_name_and_others_kept() {
        let listing =
            listed("shop,Label,path,split,group\nx,10,a/1.png,train,s1\n,9,\"b,2.jpg\",VAL,s2\n").unwrap();
        assert_eq!(listing.class_names(), ["9", "10"], "sorted by number");
        assert_eq!((listing.id(1), listing.label(0), listing.label(1)), ("b,2.jpg", Some("10"), Some("9")));
        assert_eq!(listing.found[1].part, Some(Part::Validation));
        assert_eq!(listing.extra_columns(), ["split", "group", "shop"]);
        assert_eq!(listing.extra_fields(0), ["train", "s1", "x"]);
        assert_eq!(listing.extra_fields(1), ["validation", "s2", ""]);
        assert!(listing.path(0).ends_with("a/1.png") && listing.name() == "list");
        let named = listed("id,path\nfirst,/x/1.png\n").unwrap();
        assert_eq!((named.id(0), named.path(0)), ("first", "/x/1.png".into()));
        assert_eq!((named.extra_columns(), named.extra_fields(0)), (vec!["path"], vec!["/x/1.png"]));
        assert!(!named.has_labels());
    }

    #[test]
    fn a_column_of_sample_weights_is_rejected_in_training() {
        let listing = listed("path,label,Weight\na.png,x,0.5\n").unwrap();
        assert_eq!(listing.extra_columns(), ["Weight"], "embed keeps it");
        let said = listing.require_no_weights().unwrap_err().to_string();
        assert!(said.contains("`Weight` looks like the weight of a sample"), "{said}");
        assert!(listed("path,label,size\na.png,x,0.5\n").unwrap().require_no_weights().is_ok());
    }

    #[test]
    fn errors_name_the_row_and_column() {
        for (text, expected) in [
            ("file,label\na,b\n", "no column `path`"),
            ("path,label\n", "has no rows"),
            ("path,label\na.png,\n", "line 2, column `label` holds \"\""),
            ("path,label\n,a\n", "column `path` holds \"\""),
            ("path,split\na.png,both\n", "holds \"both\"; expected train or test"),
            ("path\na.png\nb.png\na.png\n", "rows 0 and 2 have the same id \"a.png\""),
            ("path,label\na.png\n", "not a valid .csv file"),
        ] {
            let said = listed(text).unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("list.csv"), "{said}");
        }
    }
}
