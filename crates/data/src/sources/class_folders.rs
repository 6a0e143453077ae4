//! What is inside the class folders of an image folder, and what it says against the way in which they are read.
//!
//! If class folders are nested, the inner folders could be the classes, kinds of images such as masks, or just sessions. Only the user knows, so
//! a line says how they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use widemargin_tables::first_names;

use crate::file_names::text_of;
use crate::words::plural;

/// How many names of folders a sentence gives.
const NAMED: usize = 5;

/// The class folders by name; class folders of several parts with one name are one.
#[derive(Default)]
pub(crate) struct ClassFolders(BTreeMap<String, Inside>);

/// What is in a class folder.
#[derive(Default)]
struct Inside {
    has_images: bool,
    /// Folders directly in it with images at any depth.
    children: BTreeSet<String>,
    /// Folders at any depth that have images directly in them, as paths below the class folder.
    with_images: BTreeSet<String>,
}

impl Inside {
    /// In how many folders its images are, itself included.
    fn places(&self) -> usize {
        self.with_images.len() + usize::from(self.has_images)
    }
}

impl ClassFolders {
    /// Adds an image by its path in the folder that has the class folders.
    pub(crate) fn add(&mut self, image: &Path) {
        let mut folders = image.parent().unwrap_or(Path::new("")).iter();
        let Some(class) = folders.next() else { return };
        let inside = self.0.entry(text_of(class.as_ref())).or_default();
        let below = folders.as_path();
        match below.iter().next() {
            Some(child) => {
                inside.children.insert(text_of(child.as_ref()));
                inside.with_images.insert(text_of(below));
            }
            None => inside.has_images = true,
        }
    }

    /// A sentence for classes that are the top folders.
    pub(crate) fn as_top(&self) -> Option<String> {
        self.repeated().or_else(|| self.beside_images()).or_else(|| self.below())
    }

    /// Names that most of all class folders have in one of their sets.
    fn in_most<'a>(
        &'a self,
        names: impl Iterator<Item = &'a BTreeSet<String>>,
    ) -> Option<(&'a str, Vec<String>)> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for name in names.flatten() {
            *counts.entry(name).or_default() += 1;
        }
        let most = (self.0.len() / 2 + 1).max(2);
        counts.retain(|_, count| *count >= most);
        let first = *counts.keys().next()?;
        Some((first, counts.into_keys().map(str::to_owned).collect()))
    }

    /// A sentence about several folders that most class folders have: they could be kinds of images, such as masks, or classes of several folds.
    fn repeated(&self) -> Option<String> {
        let sets: [fn(&Inside) -> &BTreeSet<String>; 2] =
            [|inside| &inside.children, |inside| &inside.with_images];
        let mut in_most = sets.iter().filter_map(|set| self.in_most(self.0.values().map(set)));
        let (_, repeated) = in_most.find(|(_, names)| names.len() > 1)?;
        Some(format!(
            "Most class folders have the same {} folders ({}); all images in them are images of the class folder above. If the inner folders are the \
             classes, list the images in a manifest with a column `label`.",
            repeated.len(),
            quoted(&repeated)
        ))
    }

    /// A sentence about a folder that most class folders have next to images of their own: it could have copies of them.
    fn beside_images(&self) -> Option<String> {
        let with_images = self.0.values().filter(|inside| inside.has_images);
        let (name, _) = self.in_most(with_images.map(|inside| &inside.children))?;
        Some(format!(
            "Most class folders have images and a folder `{name}` with images; all of them are samples of the class. If those in `{name}` are \
             copies, such as thumbnails or augmented images, move them away: they make the results better than they should be."
        ))
    }

    /// A sentence about class folders whose images are in several folders: those could be the classes, even if it is one class folder of many.
    fn below(&self) -> Option<String> {
        let several = || self.0.iter().filter(|(_, inside)| inside.places() > 1);
        let (class, most) = several().rev().max_by_key(|(_, inside)| inside.places())?;
        let own = most.has_images.then(|| "itself".to_owned());
        let names = most.with_images.iter().map(|name| format!("`{name}`"));
        Some(format!(
            "{} of {} {} images in several folders; all of them are images of the class folder. The most are in `{class}`, {} ({}). If the inner \
             folders are the classes, use --class-folder deepest.",
            several().count(),
            plural(self.0.len(), "class folder", "class folders"),
            if several().count() == 1 { "has" } else { "have" },
            most.places(),
            first_names(own.into_iter().chain(names).collect::<Vec<_>>(), NAMED)
        ))
    }
}

/// Sentences for classes that are the paths of the deepest folders: those with the same last name, which could be one class, and those inside
/// another one.
pub(crate) fn as_deepest(classes: &[String]) -> Vec<String> {
    let mut of_name = BTreeMap::<&str, Vec<String>>::new();
    for class in classes {
        of_name.entry(class.rsplit('/').next().unwrap_or(class)).or_default().push(class.clone());
    }
    of_name.retain(|_, classes| classes.len() > 1);
    let repeated = of_name.values().next().map(|first| {
        format!(
            "{} with the same name in several places are different classes, the first are {}.",
            plural(of_name.values().map(Vec::len).sum(), "folder", "folders"),
            quoted(first)
        )
    });
    let names: BTreeSet<&str> = classes.iter().map(String::as_str).collect();
    let above = |class: &str| {
        let mut ends = class.rmatch_indices('/').map(|(end, _)| &class[..end]);
        ends.find(|above| names.contains(above)).map(str::to_owned)
    };
    let inner: Vec<(&str, String)> = names.iter().filter_map(|class| Some((*class, above(class)?))).collect();
    let inside = inner.first().map(|(class, above)| {
        format!(
            "{} with images of its own, and both are different classes, such as `{class}` and `{above}`. If the inner folders are not classes, move \
             their images, or leave out --class-folder deepest.",
            plural(inner.len(), "class folder is inside another one", "class folders are inside another one")
        )
    });
    repeated.into_iter().chain(inside).collect()
}

/// The first names in quotes.
pub(crate) fn quoted(names: &[String]) -> String {
    first_names(names.iter().map(|name| format!("`{name}`")), NAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(files: &[&str]) -> Option<String> {
        let mut folders = ClassFolders::default();
        for file in files {
            folders.add(Path::new(file));
        }
        folders.as_top()
    }

    #[test]
    fn folders_inside_class_folders_are_reported() {
        let found = |files: &[&str]| top(files).unwrap();
        let masks = ["a/images/1.png", "a/masks/1.png", "b/images/1.png", "b/masks/1.png", "c/1.png"];
        assert!(found(&masks).starts_with("Most class folders have the same 2 folders (`images`, `masks`)"));
        assert!(
            found(&["fold1/cat/1.png", "fold1/dog/1.png", "fold2/cat/2.png", "fold2/dog/2.png"])
                .contains("(`cat`, `dog`)")
        );
        // One folder in between.
        let domains =
            ["x/images/cup/1.png", "x/images/pen/1.png", "y/images/cup/1.png", "y/images/pen/1.png"];
        assert!(found(&domains).contains("2 folders (`images/cup`, `images/pen`)"));
        let said = found(&["a/images/x/1.png", "a/images/y/1.png", "b/images/z/1.png"]);
        assert!(said.starts_with("1 of 2 class folders has images in several folders"), "{said}");
        let said = found(&["a/x/1.png", "a/y/1.png", "b/x/1.png", "b/z/1.png", "c/w/1.png"]);
        let expected = "2 of 3 class folders have images in several folders; all of them are images of the class folder. The most are in `a`, 2 (`x`, `y`). If";
        assert!(said.starts_with(expected), "{said}");
        // One batch of many classes, and a folder next to images.
        assert!(
            found(&["p1/1.png", "p2/1.png", "p3/1.png", "new/p4/1.png", "new/p5/1.png"]).contains("`new`")
        );
        assert!(found(&["a/1.png", "a/x/1.png", "b/1.png"]).contains("in `a`, 2 (itself, `x`)"));
        let copies = ["a/1.png", "a/thumbs/1.png", "b/1.png", "b/thumbs/1.png"];
        assert!(found(&copies).starts_with("Most class folders have images and a folder `thumbs`"));
        assert_eq!(top(&["a/1.png", "b/1.png"]), None);
        assert_eq!(top(&["a/x/1.png", "b/y/1.png"]), None);
    }

    #[test]
    fn classes_inside_others_and_of_one_name_are_reported() {
        let said = |classes: &[&str]| {
            as_deepest(&classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>())
        };
        let found = said(&["flipped/c0", "original/c0", "original/c1"]);
        assert!(
            found[0].starts_with("2 folders with the same name in several places are different classes")
                && found[0].ends_with("`flipped/c0`, `original/c0`."),
            "{found:?}"
        );
        let found = said(&["c0", "c0/rejected", "c1", "c1/x/y", "c10"]);
        assert!(found.len() == 1 && found[0].contains("2 class folders are inside another one"), "{found:?}");
        assert!(found[0].contains("such as `c0/rejected` and `c0`"), "{found:?}");
        assert!(said(&["a/b", "a/c", "d"]).is_empty());
    }
}
