//! Files that seem to be made from other images of the data: `7_mask.png` next to `7.png`, `7.depth.png` next to `7.color.png`, `7_flip.png`. All
//! of them are read as samples, so that a mask trains as an image of its class, and a flipped copy of a held-out image is trained on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use widemargin_tables::first_names;

use crate::file_names::text_of;
use crate::sources::skipped::FileCount;

/// An addition that fewer of all images have is not reported: one in ten.
const ONE_IN: usize = 10;
/// How many additions a sentence names.
const NAMED: usize = 6;

/// Words for images that are made from others. Next to a file of the same name with another addition, such a file needs no plain one.
const DERIVED: [&str; 31] = [
    "mask",
    "masks",
    "depth",
    "seg",
    "segm",
    "segmentation",
    "label",
    "labels",
    "gt",
    "groundtruth",
    "flip",
    "flipped",
    "mirror",
    "rot",
    "rotated",
    "aug",
    "augmented",
    "edge",
    "edges",
    "normal",
    "normals",
    "disparity",
    "alpha",
    "matte",
    "thumb",
    "thumbnail",
    "heatmap",
    "saliency",
    "annotation",
    "annotated",
    "overlay",
];
/// Words for views of an object or numbers of images, which are samples like the others.
const VIEWS: [&str; 18] = [
    "cam", "camera", "view", "frame", "img", "image", "photo", "shot", "left", "right", "front", "back",
    "rear", "side", "top", "bottom", "page", "part",
];

/// A sentence on images whose names are those of other images with an addition.
pub(crate) fn derived(paths: &[&Path]) -> Option<String> {
    let mut folders = BTreeMap::<&Path, BTreeSet<String>>::new();
    for path in paths {
        let Some(stem) = path.file_stem() else { continue };
        let folder = path.parent().unwrap_or(Path::new(""));
        folders.entry(folder).or_default().insert(text_of(stem.as_ref()));
    }
    let mut found = BTreeMap::<String, FileCount>::new();
    for (folder, stems) in &folders {
        let names: HashSet<&str> = stems.iter().map(String::as_str).collect();
        let mut before = HashMap::<&str, HashSet<&str>>::new();
        for (start, addition) in names.iter().filter_map(|name| split_at_last(name)) {
            before.entry(start).or_default().insert(addition);
        }
        for name in stems {
            let has_others = |start: &str| before.get(start).is_some_and(|additions| additions.len() > 1);
            if let Some(addition) = addition(name, &names, has_others) {
                found.entry(addition).or_default().add(&text_of(&folder.join(name)));
            }
        }
    }
    found.retain(|_, files| ONE_IN * files.count >= paths.len());
    let count: usize = found.values().map(|files| files.count).sum();
    let first = &found.values().next()?.first;
    let additions = found.iter().map(|(addition, files)| format!("`{addition}` ({})", files.count));
    Some(format!(
        "The names of {count} of {} images are those of other images with an addition: {}; the first is {}. All of them are read as samples. If they \
         are masks or copies, move them away, or keep copies together with a manifest that has a column `group`.",
        paths.len(),
        first_names(additions, NAMED),
        first
    ))
}

/// What is added to the name of another image, before or after it.
fn addition(name: &str, names: &HashSet<&str>, has_others: impl Fn(&str) -> bool) -> Option<String> {
    let is_between = |letter: char| !letter.is_alphanumeric();
    for (at, _) in name.match_indices(is_between).filter(|(at, _)| *at > 0) {
        let (start, end) = name.split_at(at);
        if names.contains(start) && says_something(end) {
            return Some(end.to_owned());
        }
    }
    for (at, between) in name.rmatch_indices(is_between) {
        let (start, end) = name.split_at(at + between.len());
        if names.contains(end) && says_something(start) {
            return Some(start.to_owned());
        }
    }
    let (start, end) = split_at_last(name)?;
    let word = letters_of(end);
    (DERIVED.contains(&word.as_str()) && has_others(start)).then(|| end.to_owned())
}

/// A name before and from the last sign between words.
fn split_at_last(name: &str) -> Option<(&str, &str)> {
    let (at, _) = name.rmatch_indices(|letter: char| !letter.is_alphanumeric()).next()?;
    (at > 0).then(|| name.split_at(at))
}

/// Whether an addition has a word, and not only a number, a letter or a view.
fn says_something(addition: &str) -> bool {
    let letters = letters_of(addition);
    letters.chars().count() > 1 && !VIEWS.contains(&letters.as_str())
}

fn letters_of(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(paths: &[&str]) -> Option<String> {
        derived(&paths.iter().map(Path::new).collect::<Vec<_>>())
    }

    #[test]
    fn names_of_other_images_with_an_addition_are_reported() {
        let found = said(&["c/x (1).png", "c/x (1)_mask.png", "c/x (2).png", "c/x (2)_mask.png"]).unwrap();
        let start = "The names of 2 of 4 images are those of other images with an addition: `_mask` (2); the first is c/x (1)_mask.";
        assert!(found.starts_with(start), "{found}");
        let found = said(&["c/1.png", "c/1_flip.png", "c/1_rot90.png", "d/2.jpg", "d/2_flip.png"]).unwrap();
        assert!(found.contains("`_flip` (2), `_rot90` (1)"), "{found}");
        for paths in [
            &["c/f0.color.png", "c/f0.depth.png"][..],
            &["c/1.png", "c/mask_1.png"],
            &["c/IMG 1.png", "c/IMG 1 - Copy.png"],
        ] {
            assert!(said(paths).is_some(), "{paths:?}");
        }
        for paths in [
            &["c/img1.png", "c/img1_2.png", "c/img12.png"][..],
            &["c/1.png", "c/1_c.png", "c/1_cam2.png", "c/1-left.png"],
            &["c/1.png", "c/cam1_1.png", "c/a_1.png"],
            &["c/1_left.png", "c/1_right.png", "c/2_color.png", "c/2_grey.png"],
            &["c/1.png", "d/1_mask.png"],
            &["c/mask.png", "c/label_1.png", "c/depth.png"],
            &["c/1.png", "c/1.jpg"],
        ] {
            assert_eq!(said(paths), None, "{paths:?}");
        }
        let mut many: Vec<String> = (0..20).map(|number| format!("c/{number}.png")).collect();
        many.push("c/1_mask.png".to_owned());
        assert_eq!(said(&many.iter().map(String::as_str).collect::<Vec<_>>()), None);
    }
}
