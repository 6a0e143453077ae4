//! The classes of the images in tar shards: from `.cls`, from a key of the `.json`, or from `.txt`.
//!
//! `.cls` and `.json` must agree. If only some images have a `.cls`, the others get the class that has their `.json` elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use widemargin_tables::first_names;

use crate::sources::listing::{FoundImage, Labels};
use crate::words::plural;
use crate::{Error, Result};

/// Most classes that an error names.
const NAMED_CLASSES: usize = 5;

/// What gives an image its class, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Cls,
    /// The key of the object.
    Json(JsonKey),
    Txt,
}

/// A key of a `.json` that gives the class, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JsonKey {
    Label,
    Class,
    Cls,
}

impl JsonKey {
    pub(super) const ALL: [Self; 3] = [Self::Label, Self::Class, Self::Cls];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Class => "class",
            Self::Cls => "cls",
        }
    }
}

impl Field {
    /// The field in words.
    fn name(self) -> String {
        match self {
            Self::Cls => "the .cls".to_owned(),
            Self::Json(key) => format!("`{}` of the .json", key.name()),
            Self::Txt => "the .txt".to_owned(),
        }
    }
}

/// What the files say about the class of each image.
#[derive(Default)]
pub(super) struct ImageClasses {
    /// The class and the file that gives it.
    of: Vec<Option<(Field, String)>>,
    /// Classes that `.cls` and `.json` give to the same image, as its number and the class of the `.json`.
    twice: Vec<(usize, String)>,
}

impl ImageClasses {
    /// Adds the next image, with its `.cls`, the class in its `.json` and its `.txt`. Returns the text if it is not the class.
    pub(super) fn add(
        &mut self,
        cls: Option<String>,
        json: Option<(JsonKey, String)>,
        text: Option<String>,
    ) -> Option<String> {
        let filled = |class: Option<(Field, String)>| class.filter(|(_, class)| !class.is_empty());
        let cls = filled(cls.map(|class| (Field::Cls, class)));
        let json = filled(json.map(|(key, class)| (Field::Json(key), class)));
        if let (Some(_), Some((_, other))) = (&cls, &json) {
            self.twice.push((self.of.len(), other.clone()));
        }
        let known = cls.or(json);
        let (class, left) = match (known, text) {
            (None, text) => (filled(text.map(|text| (Field::Txt, text))), None),
            (Some(class), text) => (Some(class), text),
        };
        self.of.push(class);
        left
    }

    /// Whether a file gives a class to the image with this number.
    pub(super) fn has(&self, at: usize) -> bool {
        self.of[at].is_some()
    }

    /// Gives the images their classes. These come from one field: that with the highest precedence. An image without this field has its class in another
    /// one, perhaps as a name where the others have numbers. Then its class is the one that images with both fields have.
    ///
    /// Rejects images for which no image tells. Without any image with both fields, classes of both fields are the same if their texts are, and
    /// others are new classes if both fields have numbers or both have names.
    pub(super) fn give(&self, found: &mut [FoundImage], path: &Path) -> Result<Labels> {
        let mut labels = Labels::default();
        let Some(usual) = self.of.iter().flatten().map(|(field, _)| *field).min() else { return Ok(labels) };
        let usual_class =
            |at: usize| self.of[at].as_ref().filter(|(field, _)| *field == usual).map(|(_, class)| class);
        let names: BTreeSet<&String> = (0..self.of.len()).filter_map(usual_class).collect();
        let given = self.of.iter().flatten().filter(|(field, _)| *field != Field::Txt);
        let given: BTreeSet<&String> = given.map(|(_, class)| class).collect();
        let is_number = |name: &str| name.parse::<i64>().is_ok();
        let have_numbers = names.iter().all(|name| is_number(name));
        // The class of the `.cls` for each class of a `.json`; `None` if it has several.
        let mut translations = BTreeMap::<&String, Option<&String>>::new();
        let pairs = self.twice.iter().filter_map(|(at, other)| Some((other, usual_class(*at)?)));
        let has_translations = !self.twice.is_empty() && pairs.clone().all(|(other, class)| other != class);
        let mut counts = BTreeMap::<&String, BTreeMap<&String, usize>>::new();
        for (other, class) in pairs.filter(|_| has_translations) {
            *counts.entry(class).or_default().entry(other).or_default() += 1;
        }
        for (&class, others) in &counts {
            let Some((&other, _)) = others.iter().max_by_key(|(_, count)| **count) else { continue };
            translations.entry(other).and_modify(|known| *known = None).or_insert(Some(class));
        }
        let same_class = |field: Field, name: &String| -> Option<String> {
            if let Some(class) = translations.get(name) {
                return class.cloned();
            }
            let is_class = match field {
                Field::Txt if has_translations => names.contains(name),
                // A caption is no new class.
                Field::Txt => given.contains(name),
                _ => !has_translations && (names.contains(name) || is_number(name) == have_numbers),
            };
            is_class.then(|| name.clone())
        };
        let (mut numbered, mut unknown) = (Vec::with_capacity(self.of.len()), Vec::new());
        for (at, class) in self.of.iter().enumerate() {
            let Some((field, name)) = class else {
                numbered.push(None);
                continue;
            };
            let class = if *field == usual { Some(name.clone()) } else { same_class(*field, name) };
            if class.is_none() {
                unknown.push((at, *field, name));
            }
            numbered.push(class);
        }
        if let Some((at, field, name)) = unknown.first() {
            let unknown_names: BTreeSet<&&String> = unknown.iter().map(|(.., name)| name).collect();
            let reason = format!(
                "{} of {} have no class in {} as the others have, but in {}: {} (the first is {}, with {name:?}); which class of {} that is cannot be \
                 found: {}. Give all images their class in one field",
                unknown.len(),
                plural(found.len(), "image", "images"),
                usual.name(),
                field.name(),
                first_names(unknown_names.iter().map(|name| format!("{name:?}")), NAMED_CLASSES),
                found[*at].id,
                usual.name(),
                first_names(names.iter().map(|name| format!("{name:?}")), NAMED_CLASSES),
            );
            return Err(Error::BadShard { path: path.to_path_buf(), reason });
        }
        for (found, class) in found.iter_mut().zip(numbered) {
            found.class = class.map(|class| labels.number(&class));
        }
        Ok(labels)
    }

    /// The images whose `.cls` and `.json` give different classes, with the reasons.
    ///
    /// One may have numbers where the other has names. So the class of the `.json` is compared with the one that most images of the same
    /// `.cls` have, unless some images have the same text in both files.
    pub(super) fn contradictions(&self, found: &[FoundImage], labels: &Labels) -> BTreeMap<usize, String> {
        let class_of =
            |found: &FoundImage| found.class.map_or("", |class| labels.names()[class as usize].as_str());
        let same_names = self.twice.iter().any(|(at, other)| class_of(&found[*at]) == other);
        let mut counts = BTreeMap::<&str, BTreeMap<&str, usize>>::new();
        for (at, other) in &self.twice {
            *counts.entry(class_of(&found[*at])).or_default().entry(other).or_default() += 1;
        }
        let expected = |class: &str| {
            let most = counts.get(class)?.iter().max_by_key(|(_, count)| **count)?;
            Some(if same_names { class.to_owned() } else { (*most.0).to_owned() })
        };
        let mut wrong = BTreeMap::new();
        for (at, other) in &self.twice {
            let class = class_of(&found[*at]);
            if let Some(expected) = expected(class).filter(|expected| expected != other) {
                let as_others = if same_names {
                    String::new()
                } else {
                    format!(" (it is {expected:?} for other images of this .cls)")
                };
                let reason = format!(
                    "the .cls says class {class:?}, the .json says {other:?}{as_others}; make them agree"
                );
                wrong.insert(*at, reason);
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::ImagePlace;

    /// The `.cls`, the class in the `.json` and the `.txt` of an image.
    type Given = (Option<&'static str>, Option<(JsonKey, &'static str)>, Option<&'static str>);

    fn given_to(samples: &[Given]) -> Result<(ImageClasses, Vec<FoundImage>, Labels)> {
        let mut classes = ImageClasses::default();
        for (cls, json, text) in samples {
            classes.add(
                cls.map(str::to_owned),
                json.map(|(key, class)| (key, class.to_owned())),
                text.map(str::to_owned),
            );
        }
        let image = |at: usize| FoundImage {
            id: format!("s/{at}"),
            place: ImagePlace::File(format!("{at}.png").into()),
            class: None,
            part: None,
            group: None,
        };
        let mut found: Vec<FoundImage> = (0..samples.len()).map(image).collect();
        let labels = classes.give(&mut found, Path::new("s.tar"))?;
        Ok((classes, found, labels))
    }

    fn described(found: &[FoundImage], labels: &Labels) -> Vec<String> {
        let class =
            |found: &FoundImage| found.class.map_or("-", |class| &labels.names()[class as usize]).to_owned();
        found.iter().map(|found| format!("{} {}", found.id, class(found))).collect()
    }

    #[test]
    fn classes_that_cls_and_json_give_must_agree() {
        let listed = |samples: &[(&'static str, &'static str)]| {
            let given: Vec<Given> =
                samples.iter().map(|(cls, json)| (Some(*cls), Some((JsonKey::Label, *json)), None)).collect();
            let (classes, found, labels) = given_to(&given).unwrap();
            let bad: Vec<String> = classes.contradictions(&found, &labels).into_values().collect();
            (described(&found, &labels), bad)
        };
        let (found, bad) = listed(&[("3", "3"), ("cat", "cat"), ("cat", "dog")]);
        assert_eq!((found.len(), bad.len()), (3, 1));
        assert!(bad[0].starts_with("the .cls says class \"cat\", the .json says \"dog\"; make"), "{bad:?}");
        // Numbers in one file and names in the other.
        let (found, bad) = listed(&[("0", "cat"), ("0", "cat"), ("0", "dog"), ("1", "dog")]);
        assert_eq!((found[3].as_str(), bad.len()), ("s/3 1", 1));
        assert!(bad[0].contains("(it is \"cat\" for other images of this .cls)"), "{bad:?}");
    }

    #[test]
    fn an_image_without_the_field_of_the_others_gets_their_class() {
        let listed = |samples: &[Given]| {
            given_to(samples).map(|(_, found, labels)| (described(&found, &labels), labels.names().to_vec()))
        };
        let json = |class| (None, Some((JsonKey::Label, class)), None);
        let cls = |class| (Some(class), None, None);
        let both = |class, other| (Some(class), Some((JsonKey::Label, other)), None);
        let (cat, dog, zero, one) = (json("cat"), json("dog"), cls("0"), cls("1"));
        // Other images tell which number a name has; no name becomes a class of its own.
        let (found, names) = listed(&[both("0", "cat"), both("1", "dog"), cat, zero, dog]).unwrap();
        assert_eq!(found, ["s/0 0", "s/1 1", "s/2 0", "s/3 0", "s/4 1"]);
        assert_eq!(names, ["0", "1"]);
        let refused = |samples: &[Given]| listed(samples).unwrap_err().to_string();
        // `dog` has no number, no image has both, two numbers have one name, and a caption is no class.
        for samples in
            [[both("0", "cat"), one, dog], [zero, one, dog], [both("0", "dog"), both("1", "dog"), dog]]
        {
            let said = refused(&samples);
            let expected = "1 of 3 images have no class in the .cls as the others have, but in `label` of the .json: \"dog\" (the first is s/2";
            assert!(said.contains(expected) && said.contains("cannot be found: \"0\""), "{said}");
        }
        let said = refused(&[cat, (None, None, Some("a dog"))]);
        assert!(said.contains("but in the .txt: \"a dog\""), "{said}");
        let said = refused(&[cat, (None, Some((JsonKey::Class, "3")), None)]);
        assert!(
            said.contains("in `label` of the .json") && said.contains("but in `class` of the .json"),
            "{said}"
        );
        // The same kind of names in both fields.
        let (found, _) = listed(&[cls("cat"), cat, dog]).unwrap();
        assert_eq!(found, ["s/0 cat", "s/1 cat", "s/2 dog"]);
        let (found, _) = listed(&[zero, json("1"), (None, None, Some("0"))]).unwrap();
        assert_eq!(found, ["s/0 0", "s/1 1", "s/2 0"]);
        let (found, _) = listed(&[both("cat", "cat"), cat, dog]).unwrap();
        assert_eq!(found, ["s/0 cat", "s/1 cat", "s/2 dog"]);
    }
}
