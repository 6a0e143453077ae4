//! Labels that contradict the folders of their images: a manifest, or a label file in a shard, whose rows moved against its paths.
//!
//! The folders of one level are the classes if at least half of the labels are names of such folders. The level with the most agreement counts;
//! with full agreement on some level, other levels are something else.

use std::collections::{HashMap, HashSet};

use widemargin_tables::{appearance, echo};

use crate::sources::path_parts::{Sample, folders_of};
use crate::words::plural;

/// How many levels of folders are compared, from the file upwards.
const LEVELS: usize = 4;

/// How labels and the folders of one level agree.
#[derive(Default)]
struct Agreement<'a> {
    same: usize,
    other: usize,
    /// The first sample in the folder of another class, with this folder.
    first: Option<(Sample<'a>, &'a str)>,
    /// Classes that are names of folders.
    shared: HashSet<usize>,
}

/// A sentence on labelled samples in class folders of other labels.
pub(crate) fn contradictions(samples: &[Sample<'_>]) -> Option<String> {
    let mut forms = Forms::default();
    let classes: HashSet<usize> =
        samples.iter().filter_map(|sample| Some(forms.number(sample.class?))).collect();
    let agreements: Vec<Agreement<'_>> =
        (0..LEVELS).map(|level| agreement(samples, level, &classes, &mut forms)).collect();
    if agreements.iter().any(|found| found.same == samples.len()) {
        return None;
    }
    let are_classes =
        |found: &&Agreement<'_>| found.shared.len() > 1 && 2 * found.shared.len() >= classes.len();
    // Of equal levels, the one next to the files.
    let found = agreements.iter().filter(are_classes).rev().max_by_key(|found| found.same)?;
    let (first, folder) = found.first.as_ref()?;
    Some(format!(
        "{} in the class folder of another label: {} has the label \"{}\" and is in the folder \"{}\". The labels are used; if the folders are the \
         classes, correct the labels.",
        plural(found.other, "image is", "images are"),
        echo(&first.path.display().to_string()),
        echo(first.class.unwrap_or_default()),
        echo(folder)
    ))
}

fn agreement<'a>(
    samples: &[Sample<'a>],
    level: usize,
    classes: &HashSet<usize>,
    forms: &mut Forms<'a>,
) -> Agreement<'a> {
    let mut found = Agreement::default();
    for sample in samples {
        let folder = folders_of(sample.path).nth_back(level);
        let (Some(folder), Some(class)) = (folder.and_then(|name| name.to_str()), sample.class) else {
            continue;
        };
        let [of_folder, of_class] = [folder, class].map(|name| forms.number(name));
        if of_folder == of_class {
            found.same += 1;
        } else if classes.contains(&of_folder) {
            found.other += 1;
            found.first.get_or_insert((*sample, folder));
        } else {
            continue;
        }
        found.shared.insert(of_folder);
    }
    found
}

/// A number for each name; the same one for names that look the same.
#[derive(Default)]
struct Forms<'a> {
    of_names: HashMap<&'a str, usize>,
    of_forms: HashMap<String, usize>,
}

impl<'a> Forms<'a> {
    fn number(&mut self, name: &'a str) -> usize {
        let next = self.of_forms.len();
        let of_forms = &mut self.of_forms;
        *self.of_names.entry(name).or_insert_with(|| *of_forms.entry(appearance(name)).or_insert(next))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn said(rows: &[(&'static str, &'static str)]) -> Option<String> {
        let sample = |(path, class): &(&'static str, &'static str)| Sample {
            path: Path::new(*path),
            class: Some(class),
        };
        contradictions(&rows.iter().map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn labels_of_other_class_folders_are_reported() {
        let found = said(&[("d/a/1.png", "a"), ("d/a/2.png", "b"), ("d/b/1.png", "b"), ("d/b/2.png", "a")]);
        let start = "2 images are in the class folder of another label: d/a/2.png has the label \"b\" and is in the folder \"a\".";
        assert!(found.as_ref().unwrap().starts_with(start), "{found:?}");
        // One row of many, another spelling, and folders between.
        assert!(said(&[("A/x/1.png", "a"), ("b/x/1.png", "b"), ("b/y/2.png", "a")]).is_some());
        // All labels moved.
        assert!(said(&[("a/1.png", "b"), ("b/1.png", "c"), ("c/1.png", "a")]).is_some());
        for rows in [
            &[("a/1.png", "a"), ("b/1.png", "b")][..],
            // The folders are other things: another level has the classes, or no level.
            &[("a/b/1.png", "b"), ("b/a/1.png", "a")],
            &[("x/1.png", "a"), ("y/1.png", "b"), ("a/2.png", "c"), ("z/3.png", "d")],
            &[("x/1.png", "a"), ("x/2.png", "b")],
            &[],
        ] {
            assert_eq!(said(rows), None, "{rows:?}");
        }
    }
}
