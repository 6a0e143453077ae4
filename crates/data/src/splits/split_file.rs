//! Split files: which samples are trained on, held out or left out.
//!
//! ```text
//! # widemargin split 1
//! # crc32 5b3c8b2f
//! # images: by group, share 0.2, seed 3
//! # contents c7c2f3c736bb9b118428c01e
//! sample,part
//! mug/a.jpg,train
//! mug/b.jpg,test
//! kettle/1.webp,out
//! ```
//!
//! A `.csv` with one row per sample of a set, by name. Classes without a sample in `train` are unseen. Lines that begin with `#` before the
//! header are comments; the first line of a file that this program wrote gives the version of the format, the second a checksum of the whole text. Every sample of
//! the set must be listed, so a truncated file is detected. The lines `# contents` are optional; see [`contents`](super::contents).

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use widemargin_durable::{TextState, UNKNOWN_CHECKSUM, seal_text, text_state, write_atomic, write_new};
use widemargin_tables::{Problem, read_text, read_texts, without_decimals, write_row};

use crate::part::{part_named, settle};
use crate::splits::contents::{Changes, changes};
use crate::splits::open_set::OpenSetSplit;
use crate::{Error, Labelled, Part, Result, SampleSet};

/// Start of the first line, before the version.
const HEADING: &str = "widemargin split";
/// Most characters of the line of the checksum that an error shows.
const LONGEST_MARK: usize = 40;
const VERSION: u32 = 1;

/// What a sample is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitPart {
    /// Trained on.
    Train,
    /// Held out for the final evaluation. If no sample of its class is trained on, the class is unseen.
    Test,
    /// Held out for evaluations during training.
    Validation,
    /// Left out: neither trained nor evaluated on.
    Out,
}

impl SplitPart {
    /// The word in the file: `train`, `test`, `validation` or `out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Validation => "validation",
            Self::Out => "out",
        }
    }
}

impl From<Part> for SplitPart {
    fn from(part: Part) -> Self {
        match part {
            Part::Train => Self::Train,
            Part::Test => Self::Test,
            Part::Validation => Self::Validation,
        }
    }
}

/// What each sample of a set is used for, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFile {
    about: String,
    samples: Vec<(String, SplitPart)>,
    /// The checksum of the content of each sample; empty if they are not known.
    contents: Vec<u32>,
    /// If the samples are known by their row numbers: a checksum of their classes, in order.
    rows: Option<u32>,
    /// The column `label` of a file of another program; empty if there is none.
    labels: Vec<String>,
}

/// Start of the lines with the checksums of the contents, in the order of the samples. They are no column, so that programs that read two columns
/// read these files.
const CONTENTS: &str = "# contents ";
/// Checksums per line.
const PER_LINE: usize = 16;
/// Digits of a checksum.
const DIGITS: usize = 8;
/// Lines before those with checksums: the heading, the checksum of the file, and its origin, which can be any text.
const FIRST_LINES: usize = 3;

/// Start of the line with the checksum of the rows.
const ROWS: &str = "# rows ";

/// Whether samples are known by their row numbers only: names such as `row 7` or `7`, in ascending order, as an index of pandas has them. With
/// the rows in another order, the numbers would mean other samples.
fn are_row_numbers<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let number = |name: &str| name.strip_prefix("row ").unwrap_or(name).parse::<u64>().ok();
    let mut last = None;
    let mut ascend = names.map(|name| number(name).is_some_and(|number| last.replace(number) < Some(number)));
    ascend.all(|ascends| ascends)
}

/// A checksum of the classes of samples, in order.
fn sum_of<'a>(classes: impl Iterator<Item = &'a str>) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for class in classes {
        sum.update(class.as_bytes());
        sum.update(&[0]);
    }
    sum.finalize()
}

impl SplitFile {
    /// A split of these samples; `about` is a comment about its origin, in one line.
    pub fn new(about: impl Into<String>, samples: impl IntoIterator<Item = (String, SplitPart)>) -> Self {
        let samples = samples.into_iter().collect();
        Self { about: about.into(), samples, contents: Vec::new(), rows: None, labels: Vec::new() }
    }

    /// With the digests of the contents of the samples, in order; see [`SampleSet::digest`].
    #[must_use]
    pub fn of_contents(mut self, digests: impl Iterator<Item = u64>) -> Self {
        self.contents = digests.map(content_of).collect();
        self
    }

    /// With the classes of the samples, in order. If the samples have only row numbers for names, the file stores a checksum of them, and a set
    /// whose samples have other classes is refused.
    #[must_use]
    pub fn of_classes<'a>(mut self, classes: impl Iterator<Item = &'a str>) -> Self {
        let names = self.samples.iter().map(|(name, _)| name.as_str());
        self.rows = are_row_numbers(names).then(|| sum_of(classes));
        self
    }

    /// Checks that the samples, if they are known by their row numbers, have the classes they had when the file was written. `class_of` gives the
    /// class of a sample; samples without one are not checked.
    ///
    /// # Errors
    /// [`Error::SplitRows`], which names `path`.
    pub fn require_rows<'a>(&self, path: &Path, class_of: impl Fn(&str) -> Option<&'a str>) -> Result<()> {
        let Some(rows) = self.rows else { return Ok(()) };
        let classes: Option<Vec<&str>> = self.samples.iter().map(|(name, _)| class_of(name)).collect();
        if classes.is_some_and(|classes| sum_of(classes.into_iter()) != rows) {
            return Err(Error::SplitRows { path: path.to_path_buf() });
        }
        Ok(())
    }

    /// Checks that the labels of the file, if it has any, are those of the data. A label that is no class of the data counts if at least half of the
    /// labels agree; the others may be something else. `class_of` gives the class of a sample; samples without one are not checked.
    ///
    /// # Errors
    /// [`Error::SplitLabels`] with the first sample.
    pub fn require_labels<'a>(
        &self,
        path: &Path,
        class_of: impl Fn(&str) -> Option<&'a str>,
        is_class: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let rows = self.samples.iter().zip(&self.labels).filter(|(_, label)| !label.is_empty());
        let rows: Vec<(&str, &str, &str)> = rows
            .filter_map(|((sample, _), label)| {
                Some((sample.as_str(), label.as_str(), class_of(sample)?.trim()))
            })
            .collect();
        let differs = |row: &&(&str, &str, &str)| row.1 != row.2;
        let are_classes = 2 * rows.iter().filter(differs).count() <= rows.len();
        let wrong = rows.iter().filter(differs).filter(|row| are_classes || is_class(row.1));
        let Some((sample, label, class)) = wrong.clone().next() else { return Ok(()) };
        Err(Error::SplitLabels {
            path: path.to_path_buf(),
            count: wrong.count(),
            sample: (*sample).into(),
            label: (*label).into(),
            class: (*class).into(),
        })
    }

    /// The samples with their parts, in order.
    pub fn samples(&self) -> &[(String, SplitPart)] {
        &self.samples
    }

    /// Number of samples in a part.
    pub fn count(&self, part: SplitPart) -> usize {
        self.samples.iter().filter(|(_, found)| *found == part).count()
    }

    /// The text of the file, with a place for the checksum.
    fn text(&self) -> String {
        let about = self.about.replace(['\n', '\r'], " ");
        let start = format!("# {HEADING} {VERSION}\n# crc32 {UNKNOWN_CHECKSUM}\n# {about}\n");
        let rows = self.rows.map_or_else(String::new, |rows| format!("{ROWS}{rows:08x}\n"));
        let contents = self.contents.chunks(PER_LINE).map(|line| {
            let line: Vec<String> = line.iter().map(|content| format!("{content:08x}")).collect();
            format!("{CONTENTS}{}\n", line.concat())
        });
        let mut text = (start + &rows + &contents.collect::<String>()).into_bytes();
        let rows = self.samples.iter().map(|(sample, part)| [sample.as_str(), part.name()]);
        for row in [["sample", "part"]].into_iter().chain(rows) {
            write_row(&mut text, row).expect("memory takes everything");
        }
        String::from_utf8(text).expect("names and words are text")
    }

    /// Writes the file atomically, replacing an existing one.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(write_atomic(path, seal_text(&self.text()).as_bytes())?)
    }

    /// Writes the file atomically. It must not exist yet; one that appears in the meantime stays as it is.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_new(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(write_new(path, seal_text(&self.text()).as_bytes())?)
    }

    /// Reads a file from [`write`](Self::write), or any `.csv` or `.parquet` with the columns `sample` and `part`. Words such as `val` mean
    /// `validation`, or `test` in a file without `test`.
    ///
    /// # Errors
    /// [`Error::Table`] with the file and the line; [`Error::NewerSplit`]; [`Error::ChangedSplit`] if a file of this program does not fit its
    /// checksum.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        check_version(path)?;
        // The table reader reports a file that is not text with a better reason.
        let text = read_text(path).unwrap_or_default();
        check_content(&text, path)?;
        let table = read_texts(path)?;
        let wrong = |problem: Problem| Error::from(problem.at(path));
        let column = |column: &'static str| table.required(column).map_err(wrong);
        let (at_sample, at_part) = (column("sample")?, column("part")?);
        let mut names: Vec<String> = table.rows.iter().map(|fields| fields[at_sample].clone()).collect();
        without_decimals(&mut names);
        let mut seen = HashMap::new();
        let mut parts = Vec::with_capacity(table.rows.len());
        for (row, (fields, sample)) in table.rows.iter().zip(&names).enumerate() {
            let word = fields[at_part].as_str();
            parts.push(match part_named(word) {
                Some(part) => Some(part),
                None if word.eq_ignore_ascii_case("out") => None,
                None => return Err(wrong(table.wrong(row, at_part, "train, test, validation or out"))),
            });
            if let Some(first) = seen.insert(sample.as_str(), row) {
                return Err(wrong(Problem::RepeatedId {
                    id: sample.clone(),
                    column: "sample".into(),
                    first,
                    second: row,
                }));
            }
        }
        settle(parts.iter_mut().flatten());
        let parts = parts.into_iter().map(|part| part.map_or(SplitPart::Out, SplitPart::from));
        let samples: Vec<(String, SplitPart)> = names.iter().cloned().zip(parts).collect();
        if samples.is_empty() {
            return Err(wrong(Problem::Empty));
        }
        let about = path.display().to_string();
        let mut labels: Vec<String> = table
            .column("label")
            .map(|at| table.rows.iter().map(|fields| fields[at].trim().to_owned()).collect())
            .unwrap_or_default();
        without_decimals(&mut labels);
        let contents = stored_contents(&text).filter(|contents| contents.len() == samples.len());
        let contents = contents.unwrap_or_default();
        Ok(Self { about, samples, contents, rows: stored_rows(&text), labels })
    }

    /// The part of each sample of `set`, in its order.
    ///
    /// # Errors
    /// [`Error::SplitMisfit`], which names `path`, if the file does not list a sample of the set, or lists more samples that are not in the set
    /// than were left out of the set as bad; [`Error::SplitRows`], [`Error::SplitLabels`] and
    /// [`Error::SplitContents`] if names mean other samples than they did.
    pub fn parts_of(&self, set: &SampleSet, path: &Path) -> Result<Vec<SplitPart>> {
        let mut parts: HashMap<&str, SplitPart> =
            self.samples.iter().map(|(sample, part)| (sample.as_str(), *part)).collect();
        let misfit = |problem: &'static str, count: usize, first: String| Error::SplitMisfit {
            path: path.to_path_buf(),
            problem,
            count,
            first,
        };
        let found: Vec<Option<SplitPart>> =
            (0..set.len()).map(|sample| parts.remove(set.sample_id(sample).as_str())).collect();
        if self.rows.is_some() || !self.labels.is_empty() {
            let class = |class: &u32| set.class_names()[*class as usize].as_str();
            let names = (0..set.len()).map(|sample| set.sample_id(sample));
            let classes: HashMap<String, &str> = names.zip(set.labels().iter().map(class)).collect();
            let class_of = |name: &str| classes.get(name).copied();
            self.require_rows(path, class_of)?;
            self.require_labels(path, class_of, |label| set.class_names().iter().any(|name| name == label))?;
        }
        if let Some(first) = found.iter().position(Option::is_none) {
            let count = found.iter().filter(|part| part.is_none()).count();
            return Err(misfit("does not list samples of the data", count, set.sample_id(first)));
        }
        let mut more: Vec<&str> = parts.into_keys().collect();
        more.sort_unstable();
        // Images that became unusable later are still listed in the file.
        if let Some(first) = more.first().filter(|_| more.len() > set.bad().len()) {
            return Err(misfit("lists samples that are not in the data", more.len(), (*first).to_owned()));
        }
        let moved = self.changes(set).moved;
        if let Some((now, then)) = moved.first() {
            let described = |at: usize| {
                let (name, part) = &self.samples[at];
                format!("{name:?} (`{}`)", part.name())
            };
            return Err(Error::SplitContents {
                path: path.to_path_buf(),
                count: moved.len(),
                now: described(*now).into(),
                then: described(*then).into(),
            });
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// The contents of the samples that are other ones than when the file was written.
    fn changes(&self, set: &SampleSet) -> Changes {
        if self.contents.is_empty() {
            return Changes::default();
        }
        let found: HashMap<String, u32> =
            (0..set.len()).map(|sample| (set.sample_id(sample), content_of(set.digest(sample)))).collect();
        let found: Vec<Option<u32>> = self.samples.iter().map(|(name, _)| found.get(name).copied()).collect();
        let parts: Vec<SplitPart> = self.samples.iter().map(|(_, part)| *part).collect();
        changes(&parts, &self.contents, &found)
    }

    /// A sentence about samples with other content, if they are known by their row numbers only: their order cannot be checked.
    pub(crate) fn other_rows(&self, set: &SampleSet, path: &Path) -> Option<String> {
        let changed = self.changes(set).changed;
        (changed > 0 && are_row_numbers(self.samples.iter().map(|(name, _)| name.as_str()))).then(|| {
            format!(
                "{changed} of {} rows have other content than when {} was written. It names them by their row numbers, so they must be in the \
                 same order.",
                self.samples.len(),
                path.display()
            )
        })
    }
}

/// The checksum of a content; the upper half of the digest is its length.
fn content_of(digest: u64) -> u32 {
    digest as u32
}

/// The checksum of the rows in the comments of a file.
fn stored_rows(text: &str) -> Option<u32> {
    let mut comments = text.lines().take_while(|line| line.starts_with('#'));
    comments.find_map(|line| u32::from_str_radix(line.strip_prefix(ROWS)?.trim(), 16).ok())
}

/// The checksums of the contents in the comments of a file that nobody has edited: in another order, they would be those of other samples.
fn stored_contents(text: &str) -> Option<Vec<u32>> {
    let is_sealed = |text: &str| text_state(text) == TextState::Intact;
    if !is_sealed(text) && !is_sealed(&text.replace("\r\n", "\n")) {
        return None;
    }
    let comments = text.lines().skip(FIRST_LINES).take_while(|line| line.starts_with('#'));
    let digits = comments.filter_map(|line| line.strip_prefix(CONTENTS)).flat_map(|line| {
        let line = line.trim();
        (0..line.len()).step_by(DIGITS).map(move |at| line.get(at..at + DIGITS))
    });
    digits.map(|digits| u32::from_str_radix(digits?, 16).ok()).collect()
}

/// Rejects a file of this program that does not fit its checksum, which is optional. Other files have none.
fn check_content(text: &str, path: &Path) -> Result<()> {
    let is_ours = text.strip_prefix("# ").is_some_and(|text| text.starts_with(HEADING));
    // Other line ends and a byte order mark, which some editors write, change nothing.
    let changed = |text: &str| text_state(text) == TextState::Changed;
    if is_ours && changed(text) && changed(&text.replace("\r\n", "\n")) {
        let mark = text.lines().enumerate().find(|(_, line)| line.contains("crc32"));
        let (line, mark) = mark.unwrap_or_default();
        let (line, mark) = (line + 1, mark.chars().take(LONGEST_MARK).collect());
        return Err(Error::ChangedSplit { line, mark, path: path.to_path_buf() });
    }
    Ok(())
}

/// Rejects a file in a newer version of the format.
fn check_version(path: &Path) -> Result<()> {
    use std::io::{BufRead, BufReader, Read};
    let Ok(file) = widemargin_durable::open_file(path) else { return Ok(()) };
    let mut line = String::new();
    // The table reader reports a file that is not text with a better reason.
    let _ = BufReader::new(file.take(256)).read_line(&mut line);
    let version = line
        .trim_start_matches('\u{feff}')
        .strip_prefix("# ")
        .and_then(|line| line.strip_prefix(HEADING))
        .map(str::trim);
    match version.and_then(|version| version.parse::<u32>().ok()) {
        Some(found) if found > VERSION => {
            Err(Error::NewerSplit { path: path.to_path_buf(), found, newest: VERSION })
        }
        _ => Ok(()),
    }
}

impl OpenSetSplit {
    /// Classes with training samples are known; classes with held-out samples and no training samples are unseen. With fewer than two unseen
    /// classes, the known classes form a closed set.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] with fewer than two known classes.
    pub fn by_parts(set: &impl Labelled, parts: &[SplitPart]) -> Result<Self> {
        Self::of_parts(set.class_names().len(), set.labels().iter().zip(parts))
    }

    /// As [`by_parts`](Self::by_parts), from the class and part of each sample.
    pub(crate) fn of_parts<'a>(
        classes: usize,
        samples: impl IntoIterator<Item = (&'a u32, &'a SplitPart)>,
    ) -> Result<Self> {
        let (mut trained, mut held_out) = (vec![false; classes], vec![false; classes]);
        for (class, part) in samples {
            trained[*class as usize] |= *part == SplitPart::Train;
            held_out[*class as usize] |= *part == SplitPart::Test;
        }
        let classes_with = |property: &dyn Fn(usize) -> bool| -> Vec<u32> {
            (0..classes).filter(|class| property(*class)).map(|class| class as u32).collect()
        };
        let known = classes_with(&|class| trained[class]);
        let unseen = classes_with(&|class| held_out[class] && !trained[class]);
        Self::of_classes(classes, known, unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    fn read(text: &str) -> Result<SplitFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        put(&path, text.as_bytes());
        SplitFile::read(&path)
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        let samples =
            [("a,\"b\".png", SplitPart::Train), ("#x\ny.png", SplitPart::Test), ("z", SplitPart::Out)];
        let split = SplitFile::new("a set\nof images", samples.map(|(name, part)| (name.to_owned(), part)));
        split.write(&path).unwrap();
        let text = widemargin_durable::read_text(&path).unwrap();
        assert!(text.starts_with("# widemargin split 1\n# crc32 "), "{text}");
        assert!(text.contains("\n# a set of images\nsample,part\n"), "{text}");
        assert_eq!(SplitFile::read(&path).unwrap().samples(), split.samples());
        assert_eq!(split.count(SplitPart::Out), 1);
        // A file that another process wrote in the meantime is kept.
        assert!(matches!(SplitFile::new("", []).write_new(&path), Err(Error::Write(_))));
        assert_eq!(SplitFile::read(&path).unwrap().samples(), split.samples());
    }

    proptest::proptest! {
        #[test]
        fn any_name_reads_back(names in proptest::collection::btree_set(
            proptest::prop_oneof![proptest::arbitrary::any::<String>(), "[ \t#;,\"\r\n\u{feff}a☂]{0,5}"],
            1..20,
        )) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("split.csv");
            let parts = [SplitPart::Train, SplitPart::Test, SplitPart::Out];
            let samples = names.into_iter().zip(parts.into_iter().cycle());
            let split = SplitFile::new("#\u{1f600}\r\n,", samples);
            split.write(&path).unwrap();
            let read = SplitFile::read(&path).unwrap();
            proptest::prop_assert_eq!(read.samples(), split.samples());
        }
    }

    #[test]
    fn a_changed_file_is_rejected_unless_its_checksum_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        let samples = [("a", SplitPart::Train), ("b", SplitPart::Test)];
        SplitFile::new("crc32 12345678", samples.map(|(name, part)| (name.to_owned(), part)))
            .write(&path)
            .unwrap();
        let text = widemargin_durable::read_text(&path).unwrap();
        let edited = text.replace("b,test", "b,train");
        let said = read(&edited).unwrap_err().to_string();
        assert!(said.contains("split.csv") && said.contains("checksum"), "{said}");
        let without: String =
            edited.split_inclusive('\n').filter(|line| !line.starts_with("# crc32")).collect();
        assert_eq!(read(&without).unwrap().count(SplitPart::Train), 2);
        // A file of another program may have any names.
        assert_eq!(read("sample,part\ncrc32 12345678,test\n").unwrap().count(SplitPart::Test), 1);
    }

    #[test]
    fn files_of_other_programs_are_read_and_bad_ones_rejected() {
        let split = read("part,sample,note\nVAL,a,x\nTrain,b,\nout,c,\n").unwrap();
        assert_eq!(
            split.samples().iter().map(|(_, part)| part.name()).collect::<Vec<_>>(),
            ["test", "train", "out"]
        );
        for (text, expected) in [
            ("sample\na\n", "no column `part`"),
            (
                "sample,part\na,both\n",
                "line 2, column `part` holds \"both\"; expected train, test, validation or out",
            ),
            ("sample,part\na,test\na,test\n", "rows 0 and 1 have the same id"),
            ("sample,part\n", "has no rows"),
            ("# widemargin split 2\nsample,part\na,test\n", "version 2"),
            ("sample,part\na\n", "not a valid .csv"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("split.csv"), "{said}");
        }
    }

    #[test]
    fn labels_that_contradict_the_data_are_refused_by_name() {
        let checked = |text: &str| {
            let classes = [("a/1", "a"), ("a/2", "a"), ("b/1", "b"), ("b/2", "b")];
            let class_of =
                |sample: &str| classes.iter().find(|(name, _)| *name == sample).map(|(_, class)| *class);
            let is_class = |label: &str| classes.iter().any(|(_, class)| *class == label);
            read(text).unwrap().require_labels(Path::new("s.csv"), class_of, is_class)
        };
        let said = checked("sample,label,part\na/1,a,train\na/2,b,train\nb/1,b,test\nb/2,a,test\n")
            .unwrap_err()
            .to_string();
        let start = "s.csv: 2 samples have another label in this file than in the data: the first is \"a/2\" with the label \"b\", and its class in the \
                     data is \"a\"";
        assert!(said.starts_with(start), "{said}");
        // The class was renamed in the data.
        assert!(checked("sample,label,part\na/1,a,train\na/2,a,test\nb/1,c,test\n").is_err());
        for text in [
            "sample,label,part\na/1,a,train\na/2,,test\nb/1,b,test\n",
            "sample,label,part\na/1,animal,train\nb/1,animal,test\n",
            "sample,label,part\na/1,0,train\nb/1,1,test\n",
            "sample,part\na/1,train\n",
        ] {
            assert!(checked(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn contents_that_moved_to_another_part_are_refused_by_name() {
        let (set, path) = (SampleSet::from(crate::testing::clothing()), Path::new("s.csv"));
        let names: Vec<String> = (0..set.len()).map(|sample| set.sample_id(sample)).collect();
        let digests: Vec<u64> = (0..set.len()).map(|sample| set.digest(sample)).collect();
        let parts: Vec<SplitPart> = (0..set.len()).map(|sample| set.part(sample).into()).collect();
        let of = |digests: &[u64]| {
            let named = names.iter().cloned().zip(parts.iter().copied());
            SplitFile::new("", named).of_contents(digests.iter().copied())
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.csv");
        of(&digests).write(&file).unwrap();
        let read = SplitFile::read(&file).unwrap();
        assert_eq!(read.contents, of(&digests).contents);
        // Two columns, as other programs expect. The order of an edited file may be another one.
        let text = widemargin_durable::read_text(&file).unwrap();
        assert!(
            text.lines().any(|line| line == format!("{},{}", names[0], parts[0].name())),
            "{}",
            &text[..300]
        );
        let edited: String = text.split_inclusive('\n').filter(|line| !line.starts_with("# crc32")).collect();
        crate::testing::put(&file, edited.as_bytes());
        assert!(SplitFile::read(&file).unwrap().contents.is_empty());
        assert_eq!(read.parts_of(&set, path).unwrap(), parts);
        // The first test sample changed places with a training sample of its class.
        let test = parts.iter().position(|part| *part == SplitPart::Test).unwrap();
        let train = (0..test).find(|at| set.labels()[*at] == set.labels()[test]).unwrap();
        let mut moved = digests.clone();
        moved.swap(train, test);
        let said = of(&moved).parts_of(&set, path).unwrap_err().to_string();
        let first = format!(
            "s.csv: 2 samples have the content that another sample in another part had when this file was written: the first is {:?} (`train`), \
             which has the content of {:?} (`test`)",
            names[train], names[test]
        );
        assert!(said.starts_with(&first) && said.contains("remove the line `# crc32`"), "{said}");
        // Every image was stored anew: names that are not row numbers say enough.
        let other: Vec<u64> = digests.iter().map(|digest| digest ^ 0x5555).collect();
        assert_eq!(of(&other).parts_of(&set, path).unwrap(), parts);
        assert_eq!(of(&other).other_rows(&set, path), None);
    }

    #[test]
    fn a_split_must_match_the_set_and_decides_which_classes_are_unseen() {
        let set = SampleSet::from(crate::testing::clothing());
        // Classes 0 and 1 are held out, class 2 is left out.
        let part = |sample: usize| match set.labels()[sample] {
            0 | 1 => SplitPart::Test,
            2 => SplitPart::Out,
            _ => set.part(sample).into(),
        };
        let named: Vec<(String, SplitPart)> =
            (0..set.len()).map(|sample| (set.sample_id(sample), part(sample))).collect();
        let split = SplitFile::new("", named.clone());
        let parts = split.parts_of(&set, Path::new("s.csv")).unwrap();
        let open = OpenSetSplit::by_parts(&set, &parts).unwrap();
        assert_eq!((open.unseen(), open.known()), (&[0, 1][..], &[3, 4, 5, 6, 7, 8, 9][..]));
        let short = SplitFile::new("", named[3..].to_vec()).parts_of(&set, Path::new("s.csv"));
        let said = short.unwrap_err().to_string();
        assert!(
            said.contains("does not list") && said.contains(": 3,") && said.contains("train/0"),
            "{said}"
        );
        let long = [named, vec![("more".to_owned(), SplitPart::Test)]].concat();
        let said = SplitFile::new("", long).parts_of(&set, Path::new("s.csv")).unwrap_err().to_string();
        assert!(said.contains("not in the data") && said.contains("more"), "{said}");
        let all_known: Vec<SplitPart> = (0..set.len()).map(|sample| set.part(sample).into()).collect();
        assert!(OpenSetSplit::by_parts(&set, &all_known).unwrap().is_closed());
        assert!(OpenSetSplit::by_parts(&set, &vec![SplitPart::Test; set.len()]).is_err());
    }
}
