//! The parts of tar shards: from the names of the shards, from their folders, or from the folders inside them.
//!
//! ```text
//! train-000.tar test-000.tar          a word of the name; words that all names have say nothing
//! train/000.tar test/000.tar          or a folder, below the folder that has all shards
//! 000.tar: train/1.jpg, test/2.jpg    or a folder inside the shards
//! ```
//!
//! A sample with a part of its own keeps it. If some places name a part, each must: the others could be a part in another word, as in
//! `train-000.tar eval-000.tar`, and test samples would be trained on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::file_names::text_of;
use crate::part::{has_both, part_hinted, part_in_words, part_named, words_of};
use crate::place::ImagePlace;
use crate::sources::listing::FoundImage;
use crate::sources::shard_files::common_folder;
use crate::words::plural;
use crate::{Error, Part, Result};

/// Gives a part to samples that have none of their own, and returns what the user must know about it, in sentences.
pub(crate) fn give_parts(found: &mut [FoundImage], shards: &[PathBuf], path: &Path) -> Result<Vec<String>> {
    let by_shard = parts_of_shards(shards);
    let shard_of = |found: &FoundImage| match found.place {
        ImagePlace::Inside { shard, .. } => Some(shard),
        ImagePlace::File(_) => None,
    };
    let inside: Vec<Option<Part>> = found.iter().map(part_inside).collect();
    // A word that all shards have says nothing about the folders inside them.
    let all_alike = by_shard.iter().all(|part| *part == by_shard[0]);
    let use_inside = all_alike && inside.iter().any(Option::is_some);
    let places: Vec<Option<Part>> = if use_inside {
        inside.clone()
    } else {
        found.iter().map(|found| by_shard[shard_of(found)?]).collect()
    };
    let outcome = |(found, place): (&FoundImage, &Option<Part>)| found.part.or(*place);
    let position = |wanted: &dyn Fn(Option<Part>) -> bool| {
        found.iter().zip(&places).position(|(found, place)| found.part.is_none() && wanted(*place))
    };
    let named = position(&|place| place.is_some_and(Part::is_held_out))
        .or_else(|| position(&|place| place.is_some()));
    if let (Some(unnamed), Some(named)) = (position(&|place| place.is_none()), named) {
        let part = places[named].map_or("", Part::name);
        let reason = if use_inside {
            mixed_folders(&found[named].id, part, &found[unnamed].id)
        } else {
            mixed_shards(shards, &by_shard, part, shard_of(&found[unnamed]), shard_of(&found[named]))
        };
        return Err(Error::BadShard { path: path.to_path_buf(), reason });
    }
    if named.is_none() && found.iter().all(|found| found.part.is_none()) {
        require_no_hints(shards, path)?;
    }
    // All shards of one part are data to split, unless samples say their parts themselves.
    if !has_both(found.iter().zip(&places).map(outcome)) && found.iter().all(|found| found.part.is_none()) {
        return Ok(Vec::new());
    }
    let against_shard = if use_inside { None } else { against_shards(found, &places, &inside) };
    let (mut other, mut first) = (0, None);
    for (found, place) in found.iter_mut().zip(places) {
        match (found.part, place) {
            (None, place) => found.part = place,
            (Some(own), Some(place)) if own != place => {
                other += 1;
                first.get_or_insert(format!("{} is `{}`", found.id, own.name()));
            }
            _ => {}
        }
    }
    let contradicted = first.map(|first| {
        format!(
            "The `split` of {} contradicts the name of its shard or folder; `split` is used. The first: {first}.",
            plural(other, "image", "images")
        )
    });
    Ok(contradicted.into_iter().chain(against_shard).chain(unmarked(found)).collect())
}

/// A sentence about samples without a part, if others have one.
fn unmarked(found: &[FoundImage]) -> Option<String> {
    let marked = |of: fn(&Part) -> bool| found.iter().any(|found| found.part.as_ref().is_some_and(of));
    let unmarked = || found.iter().filter(|found| found.part.is_none());
    let first = unmarked().next().filter(|_| marked(|_| true))?;
    let outcome = if marked(|part| part.is_held_out()) {
        "they are in the part `train`"
    } else {
        "because none is marked as test, the marks are ignored and parts are drawn"
    };
    Some(format!(
        "{} of {} images have no `split`, although others have one; {outcome}. The first is {}.",
        unmarked().count(),
        found.len(),
        first.id
    ))
}

/// A sentence about samples whose folder inside the shard names another part than the shard.
fn against_shards(found: &[FoundImage], places: &[Option<Part>], inside: &[Option<Part>]) -> Option<String> {
    let against = |at: &usize| {
        found[*at].part.is_none()
            && inside[*at].is_some()
            && places[*at].is_some_and(|part| inside[*at] != Some(part))
    };
    let mut against = (0..found.len()).filter(against);
    let first = against.next()?;
    Some(format!(
        "The folders of {} inside the shards contradict the names of the shards; the names of the shards are used. The first is {}.",
        plural(against.count() + 1, "image", "images"),
        found[first].id
    ))
}

/// Why samples cannot be used of which only some are in a folder of a part.
fn mixed_folders(named: &str, part: &str, unnamed: &str) -> String {
    format!(
        "{named} is in a folder of the part `{part}`, but {unnamed} is in no folder of a part; put each sample into a folder `train` or \
         `test`, or give each a `split` in its .json; if that folder is a class, rename it"
    )
}

/// Why shards cannot be used of which only some name a part.
fn mixed_shards(
    shards: &[PathBuf],
    by_shard: &[Option<Part>],
    part: &str,
    unnamed: Option<usize>,
    named: Option<usize>,
) -> String {
    let shard = |at: Option<usize>| at.map_or_else(String::new, |at| text_of(&shards[at]));
    let without = by_shard.iter().filter(|part| part.is_none()).count();
    format!(
        "{} is named like the part `{part}`, but {without} of {} name no part, the first is {}; give each name one of the words train and \
         test, or choose the shards with a pattern",
        shard(named),
        plural(shards.len(), "shard", "shards"),
        shard(unnamed)
    )
}

/// Rejects shards whose names hint at both parts with words that are not read, such as `trn` and `tst`: their split would be ignored.
fn require_no_hints(shards: &[PathBuf], path: &Path) -> Result<()> {
    let above = common_folder(shards);
    let words =
        |shard: &PathBuf| shard.file_stem().map(|stem| words_of(&text_of(stem.as_ref()))).unwrap_or_default();
    let mut said_by_all = shards.first().map(words).unwrap_or_default();
    for shard in shards {
        said_by_all.retain(|word| words(shard).contains(word));
    }
    let hint = |shard: &PathBuf| {
        let own: Vec<String> = words(shard).into_iter().filter(|word| !said_by_all.contains(word)).collect();
        let folders = shard.parent().and_then(|folder| folder.strip_prefix(&above).ok()).into_iter();
        let folders = folders.flat_map(Path::iter).map(|name| text_of(name.as_ref()));
        part_hinted(&own.join(" ")).or_else(|| folders.rev().find_map(|name| part_hinted(&name)))
    };
    let of =
        |held_out| shards.iter().find(|shard| hint(shard).is_some_and(|part| part.is_held_out() == held_out));
    let (Some(train), Some(test)) = (of(false), of(true)) else { return Ok(()) };
    Err(Error::BadShard {
        path: path.to_path_buf(),
        reason: format!(
            "{} and {} seem to be of the parts train and test; give each name one of the words train and test, or choose the shards with a \
             pattern",
            text_of(train),
            text_of(test)
        ),
    })
}

/// The part that the name of each shard or its folders say.
fn parts_of_shards(shards: &[PathBuf]) -> Vec<Option<Part>> {
    let above = common_folder(shards);
    let stems: Vec<BTreeSet<String>> = shards
        .iter()
        .map(|shard| shard.file_stem().map(|stem| words_of(&text_of(stem.as_ref()))).unwrap_or_default())
        .collect();
    let said_by_all = |word: &String| stems.len() > 1 && stems.iter().all(|stem| stem.contains(word));
    let part = |(shard, stem): (&PathBuf, &BTreeSet<String>)| {
        let folder = shard.parent().unwrap_or(Path::new(""));
        let folders = folder.strip_prefix(&above).unwrap_or(folder).components().rev();
        let folders = folders.map(|folder| words_of(&text_of(folder.as_os_str().as_ref())));
        let own = stem.iter().filter(|word| !said_by_all(word)).cloned().collect();
        std::iter::once(own).chain(folders).find_map(|words| part_in_words(&words))
    };
    shards.iter().zip(&stems).map(part).collect()
}

/// The part of the innermost folder inside a shard that is named like one.
fn part_inside(found: &FoundImage) -> Option<Part> {
    let ImagePlace::Inside { name, .. } = &found.place else { return None };
    let (folders, _) = name.rsplit_once('/')?;
    folders.rsplit('/').find_map(part_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_folders_say_the_part() {
        use Part::{Test, Train, Validation};
        let of = |shards: &[&str]| parts_of_shards(&shards.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(of(&["a/train-0.tar", "a/TEST_0.tar"]), [Some(Train), Some(Test)]);
        assert_eq!(
            of(&["cars-train-0.tar", "cars-val-0.tar", "cars.tar"]),
            [Some(Train), Some(Validation), None]
        );
        assert_eq!(
            of(&["test/train/0.tar", "test/val/0.tar"]),
            [Some(Train), Some(Validation)],
            "`test` has all of them"
        );
        assert_eq!(of(&["d/train/x/0.tar", "d/test/x/0.tar", "d/0.tar"]), [Some(Train), Some(Test), None]);
        assert_eq!(
            of(&["dev-kit-train-0.tar", "dev-kit-test-0.tar"]),
            [Some(Train), Some(Test)],
            "all are `dev`"
        );
        assert_eq!(of(&["train-test.tar", "latest.tar"]), [None, None]);
        assert_eq!(of(&["trainset-0.tar", "carsTest-0.tar"]), [Some(Train), Some(Test)]);
    }

    #[test]
    fn other_words_for_the_parts_are_refused() {
        let of = |shards: &[&str]| {
            let shards: Vec<PathBuf> = shards.iter().map(PathBuf::from).collect();
            require_no_hints(&shards, Path::new("d")).err().map(|error| error.to_string())
        };
        let said = of(&["d/car-trn-000.tar", "d/car-trn-001.tar", "d/car-tst-000.tar"]).unwrap();
        assert!(
            said.contains("car-trn-000.tar and d/car-tst-000.tar seem to be of the parts train and test"),
            "{said}"
        );
        assert!(of(&["d/seen/0.tar", "d/unseen/0.tar"]).is_some());
        assert_eq!(of(&["d/query-0.tar", "d/gallery-0.tar", "d/cars-0.tar"]), None);
    }
}
