//! Tar files of samples, as WebDataset writes them: the files of a sample are next to each other and share a key.
//!
//! ```text
//! train-000.tar
//!   00017.jpg      key `00017`: the path up to the first dot of the file name
//!   00017.cls      the class, as a number or a name
//!   00017.json     or an object with `label` (or `class`, or `cls`); also `split` and `group`; other plain values become columns
//!   00017.txt      or text: the class if neither of the others gives it, else a column
//! ```
//!
//! Opening reads only the headers and the text files; an image is read from its place in the shard when it is needed. That does not work with
//! compressed shards, which are rejected. If a sample has several images, the first one counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::file_names::{is_hidden, is_image_ending, text_of};
use crate::part::part_named;
use crate::place::ImagePlace;
use crate::sources::listing::{Extras, FoundImage, Labels, Listing};
use crate::sources::shard_files::shard_files;
use crate::sources::skipped::SkippedFiles;
use crate::sources::source::SourceKind;
use crate::{BadImage, Error, Part, Result};

/// Largest `.cls`, `.txt` or `.json` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 20;
/// Bytes per block. A header is one block; the content of a file is padded to whole blocks.
const BLOCK: u64 = 512;
/// Empty blocks that mark the end of an archive.
const END_BLOCKS: u64 = 2;

/// Lists the images of a shard, a pattern of shards or a folder of shards, by shard name and then by place in the shard.
///
/// The readable samples of a damaged shard are kept, and the shard is listed in `broken`. A missing shard is an error.
pub(crate) fn list(path: &Path) -> Result<Listing> {
    let shards = shard_files(path)?;
    let missing: Vec<&PathBuf> = shards.iter().filter(|shard| !shard.exists()).collect();
    if let Some(first) = missing.first() {
        let reason = format!("no such file; {} of {} shards are missing", missing.len(), shards.len());
        return Err(Error::BadShard { path: (*first).clone(), reason });
    }
    let mut reading = Reading::default();
    for (number, shard) in shards.iter().enumerate() {
        if let Err(reason) = reading.shard(number, shard) {
            reading.broken.push(BadImage { path: shard.clone(), reason });
        }
    }
    reading.require_sorted(path)?;
    let mut seen = BTreeSet::new();
    if let Some(found) = reading.found.iter().find(|found| !seen.insert(found.id.as_str())) {
        let reason = format!(
            "a second sample has the key {:?}; give the samples of a shard different keys, and the shards different names",
            found.id
        );
        return Err(Error::BadShard { path: path.to_path_buf(), reason });
    }
    drop(seen);
    give_parts_by_name(&mut reading.found, &shards);
    let names: BTreeSet<String> = reading.extras.iter().flat_map(|row| row.keys().cloned()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let row = |mut row: BTreeMap<String, String>| {
        names.iter().map(|name| row.remove(name).unwrap_or_default()).collect()
    };
    let rows = if names.is_empty() { Vec::new() } else { reading.extras.into_iter().map(row).collect() };
    let mut listing = Listing::new(path, SourceKind::Shards, reading.found, reading.labels);
    listing.extras = Extras { names, rows, left_out: Vec::new() };
    (listing.bad, listing.broken, listing.ignored) = (reading.bad, reading.broken, reading.ignored);
    (listing.unended, listing.skipped_files) = (reading.unended, reading.skipped);
    listing.shards = shards;
    Ok(listing)
}

/// Takes the parts from the names of the shards, which begin with `train` or with `test` or `val`.
///
/// Only if every name gives a part, both parts occur, and no sample has a part of its own.
fn give_parts_by_name(found: &mut [FoundImage], shards: &[PathBuf]) {
    let part = |shard: &PathBuf| {
        let name = shard.file_stem()?.to_str()?.to_ascii_lowercase();
        part_named(name.split(|c: char| !c.is_ascii_alphabetic()).next()?)
    };
    let parts: Vec<Option<Part>> = shards.iter().map(part).collect();
    let both = [Part::Train, Part::Test].iter().all(|part| parts.contains(&Some(*part)));
    if !both || parts.contains(&None) || found.iter().any(|found| found.part.is_some()) {
        return;
    }
    for found in found {
        if let ImagePlace::Inside { shard, .. } = found.place {
            found.part = parts[shard];
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    found: Vec<FoundImage>,
    labels: Labels,
    /// Extra columns of each image.
    extras: Vec<BTreeMap<String, String>>,
    bad: Vec<BadImage>,
    broken: Vec<BadImage>,
    unended: Vec<PathBuf>,
    skipped: SkippedFiles,
    ignored: usize,
    /// Keys of labels without an image next to them, with their shard.
    orphans: BTreeSet<String>,
}

/// The files of one key.
#[derive(Default)]
struct Sample {
    key: String,
    image: Option<(String, u64, u64)>,
    class: Option<String>,
    text: Option<String>,
    json: Option<serde_json::Map<String, serde_json::Value>>,
    /// A file that cannot be used, and the reason.
    wrong: Option<(String, String)>,
}

impl Reading {
    /// Rejects shards in which images and their labels exist but are not next to each other, as in a tar file in the order of a folder.
    fn require_sorted(&self, path: &Path) -> Result<()> {
        let apart =
            self.found.iter().filter(|found| found.class.is_none() && self.orphans.contains(&found.id));
        let (mut apart, of) = (apart.peekable(), self.found.len());
        let Some(first) = apart.peek().map(|found| found.id.clone()) else { return Ok(()) };
        let reason = format!(
            "not sorted: the labels of {} of {of} images exist but do not follow their images, the first is {first}; write the files of a \
             sample one after the other, as `tar --sort=name` does",
            apart.count()
        );
        Err(Error::BadShard { path: path.to_path_buf(), reason })
    }

    /// Reads the headers of a shard. The error is the reason why it cannot be read to its end.
    fn shard(&mut self, number: usize, path: &Path) -> std::result::Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot be read: {error}");
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err("cannot be read: not a file".to_owned());
        }
        let mut file = widemargin_durable::open_file(path).map_err(failed)?;
        let mut start = [0; 2];
        if file.read_exact(&mut start).is_err() {
            return Err(format!("{} bytes: not a tar file", metadata.len()));
        }
        if start == [0x1f, 0x8b] {
            return Err(
                "compressed with gzip, so single samples cannot be read; unpack it with gunzip".to_owned()
            );
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let shard = path.file_stem().map(|name| text_of(name.as_ref())).unwrap_or_default();
        let mut sample = Sample::default();
        let read =
            self.entries(&mut tar::Archive::new(file), metadata.len(), (number, path, &shard), &mut sample);
        self.end(sample, (number, path, &shard));
        read
    }

    fn entries(
        &mut self,
        archive: &mut tar::Archive<File>,
        length: u64,
        place: (usize, &Path, &str),
        sample: &mut Sample,
    ) -> std::result::Result<(), String> {
        let damaged = |last: &str, error: std::io::Error| {
            let after = if last.is_empty() { String::new() } else { format!(" after {last}") };
            format!("damaged{after}: {error}")
        };
        let (mut last, mut end) = (String::new(), 0);
        for entry in archive.entries_with_seek().map_err(|error| damaged("", error))? {
            let mut entry = entry.map_err(|error| damaged(&last, error))?;
            let name = text_of(path_of_bytes(&entry.path_bytes()).as_ref());
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(format!("ends within {name}, which has {size} bytes"));
            }
            end = (offset + size).next_multiple_of(BLOCK);
            last.clone_from(&name);
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            let Some((key, ending)) = parts_of(&name).filter(|_| kind.is_file()) else {
                self.ignored += 1;
                if kind.is_file() && !is_hidden(name.as_ref()) {
                    self.skipped.add_file(name.as_ref());
                }
                continue;
            };
            if key != sample.key {
                let new = Sample { key: key.to_owned(), ..Sample::default() };
                self.end(std::mem::replace(sample, new), place);
            }
            if is_image_ending(&ending) {
                if sample.image.is_some() {
                    self.ignored += 1;
                } else {
                    sample.image = Some((name, offset, size));
                }
            } else if ["cls", "txt", "json"].contains(&ending.as_str()) {
                if size > MOST_TEXT {
                    sample.wrong =
                        Some((name, format!("{size} bytes of text; at most {MOST_TEXT} are read")));
                    continue;
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(|error| damaged(&last, error))?;
                if let Err(reason) = sample.add(&ending, &bytes) {
                    sample.wrong = Some((name, reason));
                }
            } else {
                self.ignored += 1;
                self.skipped.add_file(name.as_ref());
            }
        }
        // Not an error, since some writers omit the marker; but a shard cut between two entries looks the same.
        if length < end.saturating_add(END_BLOCKS * BLOCK) {
            self.unended.push(place.1.to_path_buf());
        }
        Ok(())
    }

    /// Adds a sample once all its files have been read.
    fn end(&mut self, sample: Sample, (number, path, shard): (usize, &Path, &str)) {
        let Sample { key, image, class, text, json, wrong } = sample;
        if let Some((name, reason)) = wrong {
            self.bad.push(BadImage { path: path.join(name), reason });
            return;
        }
        let Some((name, offset, length)) = image else {
            if class.is_some() || text.is_some() || json.is_some() {
                self.orphans.insert(format!("{shard}/{key}"));
            }
            self.ignored +=
                usize::from(class.is_some()) + usize::from(text.is_some()) + usize::from(json.is_some());
            return;
        };
        let mut columns: BTreeMap<String, String> = BTreeMap::new();
        let (mut part, mut group, mut from_json) = (None, None, None);
        let mut json = json.unwrap_or_default();
        if let Some(key) =
            ["label", "class", "cls"].iter().find(|key| json.get(**key).and_then(plain).is_some())
        {
            from_json = json.remove(*key).as_ref().and_then(plain);
        }
        for (key, value) in json {
            let Some(value) = plain(&value) else { continue };
            match key.as_str() {
                "split" if part_named(&value).is_some() => part = part_named(&value),
                "split" => {
                    let reason = format!("split is {value:?}; expected train or test (or val)");
                    self.bad.push(BadImage { path: path.join(name), reason });
                    return;
                }
                "group" => group = Some(value.into_boxed_str()),
                _ => drop(columns.insert(key, value)),
            }
        }
        let known = class.or(from_json).filter(|class| !class.is_empty());
        let class = match (known, text) {
            (None, text) => text.filter(|text| !text.is_empty()),
            (Some(class), None) => Some(class),
            (Some(class), Some(text)) => {
                columns.insert("txt".to_owned(), text);
                Some(class)
            }
        };
        let place = ImagePlace::Inside { shard: number, name: name.into_boxed_str(), offset, length };
        let class = class.map(|class| self.labels.number(&class));
        self.found.push(FoundImage { id: format!("{shard}/{key}"), place, class, part, group });
        self.extras.push(columns);
    }
}

impl Sample {
    /// Adds a text file; the error is the reason why it cannot be used.
    fn add(&mut self, ending: &str, bytes: &[u8]) -> std::result::Result<(), String> {
        let text = || {
            let text = widemargin_durable::text(bytes.to_vec()).map_err(|error| error.to_string())?;
            Ok::<_, String>(text.trim().to_owned())
        };
        match ending {
            "cls" => self.class = Some(text()?),
            "txt" => self.text = Some(text()?),
            _ => match serde_json::from_str(&text()?) {
                Ok(serde_json::Value::Object(object)) => self.json = Some(object),
                Ok(_) => return Err("JSON, but not an object".to_owned()),
                Err(error) => return Err(format!("not JSON: {error}")),
            },
        }
        Ok(())
    }
}

/// The key and the lower-case ending of a file name; `None` for hidden files and names without an ending.
fn parts_of(name: &str) -> Option<(&str, String)> {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let dot = name[last..].find('.').filter(|at| *at > 0)? + last;
    Some((&name[..dot], name[dot + 1..].to_ascii_lowercase()))
}

/// A string, number or boolean as text; `None` for null, lists and objects.
fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(unix)]
fn path_of_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of_bytes(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{put, tar_of};

    fn described(listing: &Listing) -> Vec<String> {
        (0..listing.len())
            .map(|at| format!("{} {}", listing.id(at), listing.label(at).unwrap_or("-")))
            .collect()
    }

    #[test]
    fn an_unsorted_tar_is_reported_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        for label in ["cls", "json", "txt"] {
            let names = [format!("1.{label}"), format!("2.{label}")];
            let text: &[u8] = b"{\"label\": 1}";
            put(&path, &tar_of(&[("1.png", b"x"), ("2.png", b"x"), (&names[0], text), (&names[1], text)]));
            let said = list(&path).unwrap_err().to_string();
            // The last image is followed by a label, which is not its own.
            assert!(
                said.contains("not sorted: the labels of 2 of 2 images") && said.contains("s/1"),
                "{said}"
            );
        }
        put(&path, &tar_of(&[("1.png", b"x"), ("2.png", b"x"), ("3.cls", b"a"), ("4.heic", b"x")]));
        let listing = list(&path).unwrap();
        assert!(!listing.has_labels(), "a label without an image is not out of order");
        assert_eq!(listing.skipped_files.endings[".heic"].count, 1);
    }

    #[test]
    fn the_conventions_of_webdataset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s-0.tar");
        let files: [(&str, &[u8]); 16] = [
            ("./a/1.jpg", b"one"),
            ("./a/1.cls", b"10\n"),
            (
                "a/2.json",
                br#"{"label": 9, "class": "x", "split": "val", "group": "g", "size": 4, "more": [1]}"#,
            ),
            ("a/2.PNG", b"two"),
            ("a/2.txt", b"a caption"),
            ("3.webp", b"three"),
            ("3.txt", b" 9 "),
            ("3.seg.png", b"not it"),
            ("3.jpg", b"a second image"),
            ("4.cls", b"1"),
            ("5.png", b"five"),
            (".hidden.png", b""),
            ("README", b""),
            ("6.png", b"six"),
            ("6.json", b"[]"),
            ("7.jpeg", b"seven"),
        ];
        put(&path, &tar_of(&files));
        let listing = list(&path).unwrap();
        assert_eq!(described(&listing), ["s-0/a/1 10", "s-0/a/2 9", "s-0/3 9", "s-0/5 -", "s-0/7 -"]);
        assert_eq!(listing.class_names(), ["9", "10"]);
        assert_eq!(listing.read(1).unwrap(), b"two");
        assert_eq!(listing.path(2), path.join("3.webp"));
        assert_eq!(listing.extra_columns(), ["split", "group", "class", "size", "txt"]);
        assert_eq!(listing.extra_fields(1), ["test", "g", "x", "4", "a caption"]);
        assert_eq!(listing.extra_fields(0), ["", "", "", "", ""]);
        assert_eq!(listing.bad.iter().map(|bad| bad.path.clone()).collect::<Vec<_>>(), [path.join("6.json")]);
        // 3.seg.png, 3.jpg, 4.cls, .hidden.png, README
        assert_eq!(listing.ignored, 5);
    }

    #[test]
    fn patterns_folders_and_parts_from_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train-00", "train-01", "test-00"] {
            put(folder.path().join(format!("{name}.tar")), &tar_of(&[("1.png", b"x"), ("1.cls", b"c")]));
        }
        let ids = |pattern: &str| described(&list(&folder.path().join(pattern)).unwrap());
        assert_eq!(ids("train-{00..01}.tar"), ["train-00/1 c", "train-01/1 c"]);
        assert_eq!(ids("t*-0?.tar").len(), 3);
        assert_eq!(ids("{test,train}-00.tar"), ["test-00/1 c", "train-00/1 c"]);
        let all = list(folder.path()).unwrap();
        assert_eq!(
            all.found.iter().map(|found| found.part.unwrap()).collect::<Vec<_>>(),
            [Part::Test, Part::Train, Part::Train]
        );
        assert!(!list(&folder.path().join("train-*.tar")).unwrap().has_parts());
        for (pattern, expected) in [
            ("none-*.tar", "no file matches"),
            ("x-{1..}.tar", "two whole numbers"),
            ("x-{2..1}.tar", "smaller number first"),
            ("x-{1.tar", "not closed"),
            ("{1..999999}{1..999999}.tar", "more than"),
        ] {
            let said = list(&folder.path().join(pattern)).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
        let said = list(&folder.path().join("train-{00..03}.tar")).unwrap_err().to_string();
        assert!(said.contains("train-02.tar: no such file; 2 of 4 shards are missing"), "{said}");
    }

    #[test]
    fn the_readable_samples_of_damaged_shards_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        let whole = tar_of(&[("1.png", &[1; 700]), ("1.cls", b"a"), ("2.png", &[2; 700]), ("2.cls", b"b")]);
        let broken = |bytes: &[u8]| {
            put(&path, bytes);
            let listing = list(&path).unwrap();
            let ended = listing.unended.is_empty();
            assert!(ended || listing.unended == [path.clone()]);
            (listing.len(), listing.broken.first().map(|bad| bad.reason.clone()), ended)
        };
        assert_eq!(broken(&whole), (2, None, true));
        for cut in [1, 512, 1024] {
            let (count, reason, ended) = broken(&whole[..whole.len() - cut]);
            assert_eq!((count, reason), (2, None), "the end marker may be missing");
            assert!(!ended, "and this is reported");
        }
        let (count, reason, ended) = broken(&whole[..512 + 1024 + 1024]);
        assert_eq!((count, reason, ended), (1, None, false), "cut between two samples");
        let (count, reason, _) = broken(&whole[..512 + 1024 + 1024 + 512 + 100]);
        assert_eq!((count, reason.unwrap()), (1, "ends within 2.png, which has 700 bytes".to_owned()));
        let mut flipped = whole.clone();
        flipped[512 + 1024 + 1024 + 3] ^= 1;
        let (count, reason, _) = broken(&flipped);
        assert!(count == 1 && reason.unwrap().starts_with("damaged after 1.cls"));
        assert!(broken(b"\x1f\x8b\x08").1.unwrap().contains("gzip"));
        assert!(broken(b"").1.unwrap().contains("0 bytes"));
        assert!(broken(&[7; 600]).1.is_some());
        put(&path, &tar_of(&[("1.png", b"x"), ("2.png", b"x"), ("1.png", b"x")]));
        assert!(list(&path).unwrap_err().to_string().contains("a second sample has the key \"s/1\""));
    }
}
