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
//! Links are followed to files before them in the shard. Archives joined with `cat` are read to the end. The module
//! [`shard_classes`](super::shard_classes) finds the classes, and [`shard_parts`](super::shard_parts) the parts.
//!
//! Opening reads only the headers and the text files; an image is read from its place in the shard when it is needed. That does not work with
//! compressed shards, which are rejected. If a sample has several images, the first one counts. Two files with labels of one key must agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::file_names::{is_hidden, is_image_ending, text_of};
use crate::part::part_named;
use crate::place::ImagePlace;
use crate::sources::listing::{Extras, FoundImage, Labels, Listing};
use crate::sources::near_columns::near_columns;
use crate::sources::shard_classes::{ImageClasses, JsonKey};
use crate::sources::shard_files::{shard_files, shard_names};
use crate::sources::shard_parts::give_parts;
use crate::sources::skipped::{FileCount, SkippedFiles};
use crate::sources::source::SourceKind;
use crate::words::plural;
use crate::{BadImage, Error, Result};
use widemargin_tables::echo;

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
    let (shards, others) = shard_files(path)?;
    let missing: Vec<&PathBuf> = shards.iter().filter(|shard| !shard.exists()).collect();
    if let Some(first) = missing.first() {
        let reason = format!("no such file; {} of {} shards are missing", missing.len(), shards.len());
        return Err(Error::BadShard { path: (*first).clone(), reason });
    }
    let mut reading = Reading::default();
    reading.ignored += others.len();
    let names = shard_names(&shards);
    for (number, (path, name)) in shards.iter().zip(&names).enumerate() {
        if let Err(reason) = reading.shard(&Shard { number, path, name }) {
            reading.broken.push(BadImage { path: path.clone(), reason });
        }
    }
    reading.require_sorted(path)?;
    let labels = reading.classes.give(&mut reading.found, path)?;
    if reading.found.is_empty() && reading.bad.is_empty() && reading.dotted.count > 0 {
        return Err(Error::BadShard {
            path: path.to_path_buf(),
            reason: format!("no images: {}", reading.dots()),
        });
    }
    let mut seen = BTreeSet::new();
    if let Some(found) = reading.found.iter().find(|found| !seen.insert(found.id.as_str())) {
        let reason = format!(
            "a second sample has the key {:?}; give the samples of a shard different keys, and the shards different names",
            found.id
        );
        return Err(Error::BadShard { path: path.to_path_buf(), reason });
    }
    drop(seen);
    reading.leave_out_contradictions(&labels, &shards);
    let mut notes = give_parts(&mut reading.found, &shards, path)?;
    notes.extend(reading.notes());
    if let Some(first) = others.first() {
        let first = text_of(first.strip_prefix(path).unwrap_or(first));
        let count = plural(others.len(), "file", "files");
        notes.push(format!(
            "Skipped {count} next to the shards, because the names do not end in .tar; the first is {first}."
        ));
    }
    let names: BTreeSet<String> = reading.extras.iter().flat_map(|row| row.keys().cloned()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let row = |mut row: BTreeMap<String, String>| {
        names.iter().map(|name| row.remove(name).unwrap_or_default()).collect()
    };
    let rows = if names.is_empty() { Vec::new() } else { reading.extras.into_iter().map(row).collect() };
    let mut listing = Listing::new(path, SourceKind::Shards, reading.found, labels);
    listing.extras = Extras { names, rows, left_out: Vec::new() };
    (listing.bad, listing.broken, listing.ignored) = (reading.bad, reading.broken, reading.ignored);
    (listing.unended, listing.skipped_files) = (reading.unended, reading.skipped);
    listing.shards = shards;
    notes.extend(near_columns(&listing.extras, [listing.has_parts(), listing.has_groups()]));
    listing.notes = notes;
    Ok(listing)
}

/// The shard that is being read.
struct Shard<'a> {
    number: usize,
    path: &'a Path,
    /// What the names of its samples begin with.
    name: &'a str,
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    found: Vec<FoundImage>,
    classes: ImageClasses,
    /// Extra columns of each image.
    extras: Vec<BTreeMap<String, String>>,
    bad: Vec<BadImage>,
    broken: Vec<BadImage>,
    unended: Vec<PathBuf>,
    /// Shards with more files after an end-of-archive marker.
    joined: Vec<PathBuf>,
    /// Shards with other bytes after it.
    trailing: Vec<PathBuf>,
    skipped: SkippedFiles,
    ignored: usize,
    /// Keys of labels without an image next to them, with their shard.
    orphans: BTreeSet<String>,
    /// Images of samples that have one before them.
    further: FileCount,
    /// Files with an ending of an image after another dot, of samples without an image.
    dotted: FileCount,
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
    /// Images besides the first.
    further: FileCount,
    /// Files with an ending of an image after another dot, as `a.seg.png`.
    dotted: FileCount,
}

impl Reading {
    /// Rejects shards in which images and their labels exist but are not next to each other, as in a tar file in the order of a folder.
    fn require_sorted(&self, path: &Path) -> Result<()> {
        let without = (0..self.found.len()).filter(|at| !self.classes.has(*at)).map(|at| &self.found[at]);
        let apart = without.filter(|found| self.orphans.contains(&found.id));
        let (mut apart, of) = (apart.peekable(), self.found.len());
        let Some(first) = apart.peek().map(|found| found.id.clone()) else { return Ok(()) };
        let reason = format!(
            "not sorted: the labels of {} of {of} images exist but do not follow their images, the first is {first}; write the files of a \
             sample one after the other, as `tar --sort=name` does",
            apart.count()
        );
        Err(Error::BadShard { path: path.to_path_buf(), reason })
    }

    /// Leaves out images whose `.cls` and `.json` give different classes.
    fn leave_out_contradictions(&mut self, labels: &Labels, shards: &[PathBuf]) {
        let wrong = self.classes.contradictions(&self.found, labels);
        for (at, reason) in &wrong {
            self.bad.push(BadImage { path: self.found[*at].place.path(shards), reason: reason.clone() });
        }
        let keeps = |at: usize| !wrong.contains_key(&at);
        let mut at = 0..;
        self.found.retain(|_| at.next().is_none_or(keeps));
        let mut at = 0..;
        self.extras.retain(|_| at.next().is_none_or(keeps));
    }

    /// What the user must know about the archives, in sentences.
    fn notes(&self) -> Vec<String> {
        let sentence = |shards: &[PathBuf], what: &str| {
            let first = shards.first()?;
            let has = if shards.len() == 1 { "has" } else { "have" };
            let count = plural(shards.len(), "shard", "shards");
            Some(format!("{count} {has} {what}; the first is {}.", text_of(first)))
        };
        let joined = "files after an end-of-archive marker, as archives that were joined with `cat` have, and they are read too";
        let trailing =
            "bytes after the end-of-archive marker that are no files of an archive and are not read";
        let further = (self.further.count > 0).then(|| {
            let count = plural(self.further.count, "image", "images");
            format!(
                "Skipped {count} of samples that have an image before; a sample is all files of one key, and its first image counts. The first \
                 skipped is {}.",
                self.further.first
            )
        });
        let dotted = (self.dotted.count > 0).then(|| {
            let count = plural(self.dotted.count, "image", "images");
            format!("Skipped {count}: {}.", self.dots())
        });
        let archives = [sentence(&self.joined, joined), sentence(&self.trailing, trailing)];
        archives.into_iter().chain([further, dotted]).flatten().collect()
    }

    /// Why a file whose name has several dots is not read as an image.
    fn dots(&self) -> String {
        let first = &self.dotted.first;
        let (key, ending) = parts_of(first).unwrap_or((first.as_str(), String::new()));
        format!(
            "the key of a sample ends at the first dot of the file name, so {} has the key {} and the ending {}; write the names without \
             other dots",
            echo(first),
            echo(key),
            echo(&ending)
        )
    }

    /// Reads the headers of a shard. The error is the reason why it cannot be read to its end.
    fn shard(&mut self, shard: &Shard<'_>) -> std::result::Result<(), String> {
        let path = shard.path;
        let failed = |error: std::io::Error| format!("cannot be read: {error}");
        let mut file = widemargin_durable::open_file(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
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
        let mut sample = Sample::default();
        let mut archive = tar::Archive::new(file);
        // Archives that were joined with `cat` have an end marker between them.
        archive.set_ignore_zeros(true);
        let read = self.entries(&mut archive, metadata.len(), shard, &mut sample);
        self.end(sample, shard);
        read
    }

    fn entries(
        &mut self,
        archive: &mut tar::Archive<File>,
        length: u64,
        shard: &Shard<'_>,
        sample: &mut Sample,
    ) -> std::result::Result<(), String> {
        let damaged = |last: &str, error: std::io::Error| {
            let after = if last.is_empty() { String::new() } else { format!(" after {last}") };
            format!("damaged{after}: {error}")
        };
        let (mut last, mut end) = (String::new(), 0);
        let mut members = Members { path: shard.path, places: HashMap::new() };
        for entry in archive.entries_with_seek().map_err(|error| damaged("", error))? {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(_) if end > 0 && members.is_empty_block(end) => {
                    self.trailing.push(shard.path.to_path_buf());
                    break;
                }
                Err(error) => return Err(damaged(&last, error)),
            };
            let name = plain_name(&text_of(path_of_bytes(&entry.path_bytes()).as_ref()));
            let header = entry.header();
            let (kind, offset) = (header.entry_type(), entry.raw_file_position());
            let size = if kind.is_gnu_sparse() { header.entry_size().unwrap_or(0) } else { entry.size() };
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(format!("ends within {name}, which has {size} bytes"));
            }
            if end > 0
                && entry.raw_header_position() > end
                && members.is_empty_block(end)
                && self.joined.last().map(PathBuf::as_path) != Some(shard.path)
            {
                self.joined.push(shard.path.to_path_buf());
            }
            end = (offset + size).next_multiple_of(BLOCK);
            last.clone_from(&name);
            if kind.is_dir() {
                continue;
            }
            let is_file = kind.is_file() || kind.is_contiguous();
            let is_link = kind.is_hard_link() || kind.is_symlink();
            let content = if is_file {
                members.places.insert(name.clone(), (offset, size));
                Ok((offset, size))
            } else if is_link {
                let target = entry
                    .link_name_bytes()
                    .map(|target| text_of(path_of_bytes(&target).as_ref()))
                    .unwrap_or_default();
                members.target(&name, &target, kind.is_symlink())
            } else {
                Err("not stored as a plain file: a sparse file, a device or a pipe".to_owned())
            };
            let Some((key, ending)) = parts_of(&name) else {
                self.ignored += 1;
                if (is_file || is_link) && !is_hidden(name.as_ref()) {
                    self.skipped.add_file(name.as_ref());
                }
                continue;
            };
            if key != sample.key {
                let new = Sample { key: key.to_owned(), ..Sample::default() };
                self.end(std::mem::replace(sample, new), shard);
            }
            let is_text = ["cls", "txt", "json"].contains(&ending.as_str());
            if !is_text && !is_image_ending(&ending) {
                self.ignored += 1;
                if ending.rsplit_once('.').is_some_and(|(_, last)| is_image_ending(last)) {
                    sample.dotted.add(&name);
                }
                self.skipped.add_file(name.as_ref());
                continue;
            }
            let (offset, size) = match content {
                Ok(place) => place,
                Err(reason) => {
                    sample.wrong = Some((name, reason));
                    continue;
                }
            };
            if !is_text {
                if sample.image.is_some() {
                    self.ignored += 1;
                    sample.further.add(&name);
                } else {
                    sample.image = Some((name, offset, size));
                }
                continue;
            }
            if size > MOST_TEXT {
                sample.wrong = Some((name, format!("{size} bytes of text; at most {MOST_TEXT} are read")));
                continue;
            }
            let mut bytes = Vec::new();
            if is_link {
                bytes = members.read(offset, size).map_err(|error| damaged(&last, error))?;
            } else {
                entry.read_to_end(&mut bytes).map_err(|error| damaged(&last, error))?;
            }
            if let Err(reason) = sample.add(&ending, &bytes) {
                sample.wrong = Some((name, reason));
            }
        }
        // Not an error, since some writers omit the marker; but a shard cut between two entries looks the same.
        if length < end.saturating_add(END_BLOCKS * BLOCK) {
            self.unended.push(shard.path.to_path_buf());
        }
        Ok(())
    }

    /// Adds a sample once all its files have been read.
    fn end(&mut self, sample: Sample, shard: &Shard<'_>) {
        let Shard { number, path, name: shard } = *shard;
        let Sample { key, image, class, text, json, wrong, further, dotted } = sample;
        self.further.extend(&further);
        if image.is_none() {
            self.dotted.extend(&dotted);
        }
        if let Some((name, reason)) = wrong {
            self.bad.push(BadImage { path: path.join(name), reason });
            return;
        }
        let Some((image, offset, length)) = image else {
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
        let named = |json: &serde_json::Map<String, serde_json::Value>, name: &str| -> Option<String> {
            json.keys().find(|key: &&String| key.eq_ignore_ascii_case(name)).cloned()
        };
        // A list of labels is no class, and must not make the text of a caption the class.
        for name in ["label", "split", "group"] {
            let value = named(&json, name).and_then(|key| json.get(&key));
            if let Some(value) = value.filter(|value| value.is_array() || value.is_object()) {
                let reason = format!("{name} is {}; expected text or a number", echo(&value.to_string()));
                self.bad.push(BadImage { path: path.join(&image), reason });
                return;
            }
        }
        // Names in upper and lower case mean the same key.
        for name in ["label", "split", "group"] {
            let mut same = json.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            let first = same.next();
            if let Some(((one, a), (other, b))) = first.zip(same.next()).filter(|((_, a), (_, b))| a != b) {
                let reason =
                    format!("{one} is {} and {other} is {}", echo(&a.to_string()), echo(&b.to_string()));
                self.bad.push(BadImage { path: path.join(&image), reason });
                return;
            }
        }
        for json_key in JsonKey::ALL {
            let key = named(&json, json_key.name()).filter(|key| json.get(key).and_then(plain).is_some());
            if let Some(key) = key {
                from_json = json.remove(&key).as_ref().and_then(plain).map(|class| (json_key, class));
                break;
            }
        }
        for (key, value) in json {
            let Some(value) = plain(&value) else { continue };
            match key.to_ascii_lowercase().as_str() {
                "split" if part_named(&value).is_some() => part = part_named(&value),
                "split" => {
                    let reason = format!("split is {value:?}; expected train or test (or val)");
                    self.bad.push(BadImage { path: path.join(image), reason });
                    return;
                }
                "group" => group = Some(value.into_boxed_str()),
                _ => drop(columns.insert(key, value)),
            }
        }
        if let Some(text) = self.classes.add(class, from_json, text) {
            columns.insert("txt".to_owned(), text);
        }
        let place = ImagePlace::Inside { shard: number, name: image.into_boxed_str(), offset, length };
        self.found.push(FoundImage { id: format!("{shard}/{key}"), place, class: None, part, group });
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
        let agree = match ending {
            "cls" => set_once(&mut self.class, text()?),
            "txt" => set_once(&mut self.text, text()?),
            _ => match serde_json::from_str(&text()?) {
                Ok(serde_json::Value::Object(object)) => set_once(&mut self.json, object),
                Ok(_) => return Err("JSON, but not an object".to_owned()),
                Err(error) => return Err(format!("not JSON: {error}")),
            },
        };
        if !agree {
            return Err(format!(
                "a second .{ending} of the key {:?}, with other content than the first; give each sample a key of its own",
                self.key
            ));
        }
        Ok(())
    }
}

/// Sets a value that has none; false if it has another.
fn set_once<Value: PartialEq>(slot: &mut Option<Value>, value: Value) -> bool {
    if let Some(first) = slot {
        *first == value
    } else {
        *slot = Some(value);
        true
    }
}

/// The files of a shard so far, to which links can point.
struct Members<'a> {
    path: &'a Path,
    /// First byte and length of each file, by its name.
    places: HashMap<String, (u64, u64)>,
}

impl Members<'_> {
    /// The place of the file that a link points to; the error is the reason why there is none.
    fn target(&self, link: &str, target: &str, symbolic: bool) -> std::result::Result<(u64, u64), String> {
        // A hard link has the path in the archive, a symbolic one the path from its own folder.
        let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
        let from = if symbolic { format!("{folder}/{target}") } else { target.to_owned() };
        let place =
            if symbolic && target.starts_with('/') { None } else { self.places.get(&plain_name(&from)) };
        place.copied().ok_or_else(|| {
            format!("a link to {}, which is not before it in the shard; write the files themselves (tar --dereference --hard-dereference)", echo(target))
        })
    }

    fn read(&self, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let mut file = widemargin_durable::open_file(self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the block at `offset` is one of an end marker.
    fn is_empty_block(&self, offset: u64) -> bool {
        self.read(offset, BLOCK)
            .is_ok_and(|block| block.len() as u64 == BLOCK && block.iter().all(|byte| *byte == 0))
    }
}

/// A path in an archive without `.` and `..`.
fn plain_name(path: &str) -> String {
    if !path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
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
    use crate::Part;
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
        assert_eq!(listing.extra_fields(1), ["validation", "g", "x", "4", "a caption"]);
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
    fn a_test_shard_is_never_trained_on_because_of_other_shards() {
        let folder = tempfile::tempdir().unwrap();
        let shard = |name: &str, json: &str| {
            let files: [(&str, &[u8]); 3] = [("1.png", b"x"), ("1.cls", b"c"), ("1.json", json.as_bytes())];
            put(folder.path().join(name), &tar_of(&files));
        };
        let parts = |pattern: &str| {
            let listing = list(&folder.path().join(pattern)).unwrap();
            let part = |found: &FoundImage| format!("{} {}", found.id, found.part.map_or("-", Part::name));
            (listing.found.iter().map(part).collect::<Vec<_>>(), listing.notes)
        };
        // The same file names in a folder per part.
        shard("T/train/000.tar", "{}");
        shard("T/test/000.tar", "{}");
        assert_eq!(parts("T/*/*.tar").0, ["test/000/1 test", "train/000/1 train"]);
        // A `split` of one sample does not cancel the parts of the others.
        shard("S/train-0.tar", r#"{"Split": "val"}"#);
        shard("S/my-test-0.tar", "{}");
        let (found, notes) = parts("S");
        assert_eq!(found, ["my-test-0/1 test", "train-0/1 validation"]);
        assert!(
            notes[0].starts_with("The `split` of 1 image contradicts the name of its shard"),
            "{notes:?}"
        );
        shard("S/more.tar", "{}");
        let said = list(&folder.path().join("S")).unwrap_err().to_string();
        assert!(
            said.contains("my-test-0.tar is named like the part `test`, but 1 of 3 shards name no part"),
            "{said}"
        );
        // Without a test part there is nothing to keep apart.
        assert_eq!(parts("S/{train-0,more}.tar").0, ["more/1 -", "train-0/1 validation"]);
        assert!(parts("S/{train-0,more}.tar").1[1].contains("1 of 2 images have no `split`"));
        // The others may be the test part in another word.
        shard("E/train-000.tar", "{}");
        shard("E/eval-000.tar", "{}");
        shard("F/train/000.tar", "{}");
        shard("F/eval/000.tar", "{}");
        for (pattern, named, unnamed) in [
            ("E", "train-000.tar is named like the part `train`", "the first is "),
            ("F/*/*.tar", "train/000.tar is named like the part `train`", "eval/000.tar"),
        ] {
            let said = list(&folder.path().join(pattern)).unwrap_err().to_string();
            assert!(said.contains(named) && said.contains(unnamed) && said.contains("eval"), "{said}");
        }
        // Folders inside a shard.
        let inside: [(&str, &[u8]); 4] =
            [("train/1.png", b"x"), ("train/1.cls", b"c"), ("test/2.png", b"x"), ("test/2.cls", b"c")];
        put(folder.path().join("I/0.tar"), &tar_of(&inside));
        assert_eq!(parts("I").0, ["0/train/1 train", "0/test/2 test"]);
        put(folder.path().join("I/1.tar"), &tar_of(&[("3.png", b"x")]));
        let said = list(&folder.path().join("I")).unwrap_err().to_string();
        assert!(
            said.contains("0/test/2 is in a folder of the part `test`, but 1/3 is in no folder"),
            "{said}"
        );
        let place = |name: &str, folders: [&str; 2]| {
            let names = folders.map(|folder| format!("{folder}1.png"));
            put(folder.path().join(name), &tar_of(&[(&names[0], b"x"), (&names[1], b"y")]));
        };
        for other in ["holdout/", ""] {
            place("J/0.tar", ["train/", other]);
            let said = list(&folder.path().join("J")).unwrap_err().to_string();
            let expected =
                format!("0/train/1 is in a folder of the part `train`, but 0/{other}1 is in no folder");
            assert!(said.contains(&expected), "{said}");
        }
        // The word of the only shard does not hide the folders in it; different words of shards do, with a sentence.
        place("K/dev.tar", ["train/", "test/"]);
        assert_eq!(parts("K").0, ["dev/train/1 train", "dev/test/1 test"]);
        place("L/train.tar", ["train/", "val/"]);
        shard("L/test.tar", "{}");
        let (found, notes) = parts("L");
        assert_eq!(found, ["test/1 test", "train/train/1 train", "train/val/1 train"]);
        assert!(notes[0].starts_with("The folders of 1 image inside the shards contradict"), "{notes:?}");
    }

    /// A header of a link.
    fn link(kind: tar::EntryType, name: &str, target: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_path(name).unwrap();
        header.set_link_name(target).unwrap();
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    #[test]
    fn links_are_followed_or_counted() {
        use tar::EntryType::{Link, Symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        let start = tar_of(&[("a/1.png", b"one"), ("a/1.cls", b"c")]);
        let links = [
            link(Link, "a/2.png", "a/1.png"),
            link(Link, "a/2.cls", "a/1.cls"),
            link(Symlink, "b/3.png", "../a/./1.png"),
            link(Symlink, "b/3.cls", "../a/1.cls"),
            link(Symlink, "b/4.png", "/somewhere/1.png"),
            link(Link, "b/5.png", "none.png"),
            link(Symlink, "b/latest", "3.png"),
        ];
        put(&path, &[&start[..start.len() - 1024], &links.concat(), &[0; 1024]].concat());
        let listing = list(&path).unwrap();
        assert_eq!(described(&listing), ["s/a/1 c", "s/a/2 c", "s/b/3 c"]);
        assert!((0..3).all(|image| listing.read(image).unwrap() == b"one"));
        let bad: Vec<String> = listing.bad.iter().map(|bad| bad.reason.clone()).collect();
        assert!(
            bad.len() == 2 && bad[0].starts_with("a link to /somewhere/1.png, which is not before it"),
            "{bad:?}"
        );
        assert_eq!((listing.ignored, listing.skipped_files.endings[""].count), (1, 1));
    }

    #[test]
    fn archives_joined_with_cat_are_read_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        let one = tar_of(&[("1.png", &[1; 700]), ("1.cls", b"a")]);
        let two = tar_of(&[("2.png", &[2; 700]), ("2.cls", b"b")]);
        put(&path, &[&one[..], &two, &two[..0]].concat());
        let listing = list(&path).unwrap();
        assert_eq!(described(&listing), ["s/1 a", "s/2 b"]);
        assert!(
            listing.notes[0].starts_with("1 shard has files after an end-of-archive marker"),
            "{:?}",
            listing.notes
        );
        assert!(listing.broken.is_empty() && listing.unended.is_empty());
        // Not an archive after the marker.
        put(&path, &[&one[..], b"-----BEGIN SIGNATURE-----", &[7; 600]].concat());
        let listing = list(&path).unwrap();
        assert_eq!((listing.len(), listing.broken.len()), (1, 0));
        assert!(listing.notes[0].contains("bytes after the end-of-archive marker"), "{:?}", listing.notes);
        // The second archive is damaged.
        let mut damaged = [&one[..], &two].concat();
        damaged[one.len() + 512 + 1024 + 3] ^= 1;
        put(&path, &damaged);
        assert!(list(&path).unwrap().broken[0].reason.starts_with("damaged after 2.png"));
    }

    #[test]
    fn a_list_of_labels_is_no_class() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        put(&path, &tar_of(&[("0.png", b"x"), ("0.cls", b"0"), ("0.json", br#"{"label": [1, 2]}"#)]));
        assert_eq!(list(&path).unwrap().bad[0].reason, "label is [1,2]; expected text or a number");
        // A contradiction is left out with its columns.
        let files: [(&str, &[u8]); 6] = [
            ("0.png", b"x"),
            ("0.cls", b"a"),
            ("0.json", br#"{"label": "b", "size": 1}"#),
            ("1.png", b"x"),
            ("1.cls", b"a"),
            ("1.json", br#"{"label": "a", "size": 2}"#),
        ];
        put(&path, &tar_of(&files));
        let listing = list(&path).unwrap();
        assert_eq!((described(&listing), listing.extra_fields(0)), (vec!["s/1 a".to_owned()], vec!["2"]));
        assert_eq!(listing.bad.len(), 1);
    }

    #[test]
    fn a_key_has_one_label_and_one_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        for (ending, one, other) in
            [("cls", "a", "b"), ("txt", "a", "b"), ("json", r#"{"label": 1}"#, r#"{"label": 2}"#)]
        {
            let name = format!("1.{ending}");
            let listed = |second: &str| {
                let files: [(&str, &[u8]); 3] =
                    [("1.png", b"x"), (&name, one.as_bytes()), (&name, second.as_bytes())];
                put(&path, &tar_of(&files));
                let listing = list(&path).unwrap();
                (listing.len(), listing.bad.iter().map(|bad| bad.reason.clone()).collect::<Vec<_>>())
            };
            let (count, bad) = listed(other);
            assert_eq!((count, bad.len()), (0, 1), "{ending}");
            assert!(bad[0].starts_with(&format!("a second .{ending} of the key \"1\"")), "{bad:?}");
            assert_eq!(listed(one), (1, Vec::new()), "{ending}");
        }
        put(&path, &tar_of(&[("1.png", b"x"), ("1.jpg", b"y"), ("1.cls", b"a")]));
        let notes = list(&path).unwrap().notes;
        assert!(notes[0].starts_with("Skipped 1 image of samples that have an image before"), "{notes:?}");
    }

    #[test]
    fn names_with_several_dots_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tar");
        let dotted: [(&str, &[u8]); 2] = [("IMG_2020.00.1.png", b"x"), ("IMG_2020.00.1.cls", b"a")];
        put(&path, &tar_of(&dotted));
        let said = list(&path).unwrap_err().to_string();
        assert!(
            said.contains("first dot of the file name, so IMG_2020.00.1.png has the key IMG_2020 and the ending 00.1.png"),
            "{said}"
        );
        // A further image of a sample that has one is a convention.
        put(&path, &tar_of(&[("1.png", b"x"), ("1.seg.png", b"y"), dotted[0]]));
        let notes = list(&path).unwrap().notes;
        assert!(
            notes.len() == 1 && notes[0].starts_with("Skipped 1 image: the key of a sample"),
            "{notes:?}"
        );
    }

    #[test]
    fn other_files_next_to_the_shards_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path().join("a.tar"), &tar_of(&[("1.png", b"x")]));
        put(folder.path().join("b.tar.gz"), b"x");
        put(folder.path().join("2.png"), b"x");
        let listing = list(folder.path()).unwrap();
        assert_eq!(listing.ignored, 2);
        assert_eq!(
            listing.notes,
            ["Skipped 2 files next to the shards, because the names do not end in .tar; the first is 2.png."]
        );
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
