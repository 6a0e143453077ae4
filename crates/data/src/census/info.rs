//! Facts about a data set: what is in it, and what the user should know before training on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use widemargin_tables::may_be_no_class;

use crate::census::duplicates::{DuplicateGroup, Duplicates};
use crate::census::{Census, CensusSample};
use crate::counterparts::counterparts;
use crate::look_alike::{escaped, look_alikes};
use crate::pixel_facts::PixelFacts;
use crate::sources::skipped::SkippedFiles;
use crate::sources::source::SourceKind;
use crate::{BadImage, Part, Preprocessing};

/// Facts about a data set, as `widemargin data info` reports them.
#[derive(Debug, Clone, Serialize)]
pub struct DataInfo {
    /// The path that was given.
    pub path: PathBuf,
    /// The kind of data in words, as [`SourceKind::name`] has it.
    pub kind: &'static str,
    /// What a sample is called: `images` or `rows`.
    pub unit: &'static str,
    /// Number of usable samples.
    pub samples: usize,
    /// Samples without a class.
    pub without_class: usize,
    /// Number of classes.
    pub classes: usize,
    /// Samples in the parts `train` and `test`, and in `validation` if there are any, if the data marks parts.
    pub parts: Option<BTreeMap<&'static str, usize>>,
    /// Number of groups, if the data has groups.
    pub groups: Option<usize>,
    /// Spread of the samples per class; `None` without classes.
    pub samples_per_class: Option<Spread>,
    /// Classes with a single sample.
    pub classes_of_one_sample: usize,
    /// How many classes have how many samples.
    pub histogram: Vec<HistogramBin>,
    /// The dimension of the rows of a table, or channels, height and width of IDX images.
    pub shape: Option<Vec<usize>>,
    /// Width of the image files.
    pub width: Option<Spread>,
    /// Height of the image files.
    pub height: Option<Spread>,
    /// Image files per format, such as `PNG`.
    pub formats: BTreeMap<&'static str, usize>,
    /// Image files per colour mode.
    pub modes: BTreeMap<&'static str, usize>,
    /// Image files with several frames, of which the first is read.
    pub animated: usize,
    /// Images and rows that cannot be used.
    pub bad: Vec<BadImage>,
    /// Shards that cannot be read to their end.
    pub broken_shards: Vec<BadImage>,
    /// Shards without the end-of-archive marker.
    pub shards_without_end: Vec<PathBuf>,
    /// Folders and links that were skipped; `left_alone` in JSON.
    #[serde(rename = "left_alone")]
    pub skipped: Vec<BadImage>,
    /// Files and class folders that are not read, by name and count.
    pub skipped_files: SkippedFiles,
    /// What may be understood otherwise than the user meant, as whole sentences.
    pub notes: Vec<String>,
    /// Number of files and folders that are neither images nor classes.
    pub ignored: usize,
    /// Columns of a manifest, or keys of the JSON in shards, that training does not use.
    pub other_columns: Vec<String>,
    /// The columns of a table that are the vectors, if they have names.
    pub columns: Option<Vec<String>>,
    /// What is lost when 16-bit images become 8-bit colours, if it is much.
    pub small_range: Option<String>,
    /// Images that have one colour only, or nearly so, because of their transparency.
    pub hidden: Vec<String>,
    /// Groups with samples in both parts, if the data marks its parts.
    pub groups_across_parts: Vec<String>,
    /// Samples with the same content.
    pub duplicates: Duplicates,
    /// Each class with its number of samples.
    pub per_class: Vec<ClassCount>,
    /// What deserves attention, the most serious first.
    pub warnings: Vec<Warning>,
}

/// Smallest, median and largest of some counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: u64,
    /// The median; of an even number of counts, the upper one.
    pub median: u64,
    /// The largest.
    pub max: u64,
}

/// A class and how many samples it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Name of the class.
    pub class: String,
    /// All its samples.
    pub samples: usize,
    /// Those in the part `train`, if the data marks parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<usize>,
    /// Those in the part `test`, if the data marks parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
}

/// How many classes have between `from` and `to` samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistogramBin {
    /// Fewest samples.
    pub from: u64,
    /// Most samples.
    pub to: u64,
    /// Number of classes.
    pub classes: usize,
}

/// Something that deserves attention, and how often it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// How many files, samples, groups of duplicates or classes it concerns; at least 1.
    pub count: usize,
}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// Shards that cannot be read to their end; training rejects them.
    BrokenShards,
    /// Images or rows that cannot be used.
    BadSamples,
    /// Shards without the end-of-archive marker: complete as some programs write them, or cut between two files.
    ShardsWithoutEnd,
    /// Links that were skipped.
    Skipped,
    /// Files with endings that are not read.
    SkippedEndings,
    /// Class folders without a file that is read.
    EmptyFolders,
    /// Folders that other programs created.
    FoldersOfPrograms,
    /// What may be understood otherwise than the user meant.
    Notes,
    /// 16-bit images that use little of their range.
    SmallRange,
    /// Images that have one colour only, or nearly so, because of their transparency.
    Hidden,
    /// Class names that look the same but are different texts.
    SimilarNames,
    /// Classes whose name may mean no class, such as `nan` and `unknown`.
    MissingLabels,
    /// Groups in both parts, although the samples of a group belong together.
    GroupsAcrossParts,
    /// Classes in one part only, although most are in both.
    OnePartClasses,
    /// Duplicates in the parts `train` and `test`: held-out data leaks into training.
    DuplicatesAcrossParts,
    /// Duplicates with different classes: at least one label is wrong.
    ConflictingDuplicates,
    /// All other duplicates.
    OtherDuplicates,
    /// Classes with a single sample.
    SingleSampleClasses,
    /// Classes without a usable sample; training does not count them.
    EmptyClasses,
}

impl WarningKind {
    /// Every kind, the most serious first.
    const ALL: [Self; 19] = [
        Self::BrokenShards,
        Self::BadSamples,
        Self::ShardsWithoutEnd,
        Self::Skipped,
        Self::SkippedEndings,
        Self::EmptyFolders,
        Self::FoldersOfPrograms,
        Self::Notes,
        Self::SmallRange,
        Self::Hidden,
        Self::SimilarNames,
        Self::MissingLabels,
        Self::GroupsAcrossParts,
        Self::OnePartClasses,
        Self::DuplicatesAcrossParts,
        Self::ConflictingDuplicates,
        Self::OtherDuplicates,
        Self::SingleSampleClasses,
        Self::EmptyClasses,
    ];
}

impl DataInfo {
    /// Collects the facts about the samples of `census`.
    pub fn of(census: &Census) -> Self {
        let samples = &census.samples;
        let part_of = |sample: &CensusSample, part| sample.part == Some(part);
        let with_parts = samples.iter().any(|sample| sample.part.is_some());
        let count = |of: &dyn Fn(&CensusSample) -> bool| samples.iter().filter(|sample| of(sample)).count();
        let parts = with_parts.then(|| {
            let counted = Part::ALL.map(|part| (part.name(), count(&|sample| part_of(sample, part))));
            // Few data sets have a validation part.
            let validation = Part::Validation.name();
            counted.into_iter().filter(|(name, count)| *name != validation || *count > 0).collect()
        });
        let mut counts = vec![[0_usize; 3]; census.class_names.len()];
        for sample in samples {
            if let Some(class) = sample.class {
                let counts = &mut counts[class as usize];
                counts[0] += 1;
                counts[1] += usize::from(part_of(sample, Part::Train));
                counts[2] += usize::from(part_of(sample, Part::Test));
            }
        }
        let per_class =
            counts.iter().zip(&census.class_names).map(|([all, train, test], class)| ClassCount {
                class: class.clone(),
                samples: *all,
                train: with_parts.then_some(*train),
                test: with_parts.then_some(*test),
            });
        let mut groups: Vec<&str> = samples.iter().filter_map(|sample| sample.group.as_deref()).collect();
        groups.sort_unstable();
        groups.dedup();
        let all_properties = || samples.iter().filter_map(|sample| sample.properties);
        let (mut formats, mut modes) = (BTreeMap::new(), BTreeMap::new());
        for properties in all_properties() {
            *formats.entry(properties.format).or_default() += 1;
            *modes.entry(properties.mode).or_default() += 1;
        }
        let properties = samples.iter().filter_map(|sample| Some((sample.id.clone(), sample.properties?)));
        let pixels = PixelFacts::of(&properties.collect::<Vec<_>>(), Preprocessing::default());
        let mut info = Self {
            path: census.path.clone(),
            kind: census.source.name(),
            unit: census.source.unit(),
            samples: samples.len(),
            without_class: count(&|sample| sample.class.is_none()),
            classes: census.class_names.len(),
            parts,
            groups: (!groups.is_empty()).then_some(groups.len()),
            samples_per_class: Spread::of(counts.iter().map(|[all, ..]| *all as u64)),
            classes_of_one_sample: counts.iter().filter(|[all, ..]| *all == 1).count(),
            histogram: histogram(counts.iter().map(|[all, ..]| *all as u64)),
            shape: census.shape.map(|shape| match census.source {
                SourceKind::Table => vec![shape.values()],
                _ => vec![shape.channels, shape.height, shape.width],
            }),
            width: Spread::of(all_properties().map(|properties| u64::from(properties.width))),
            height: Spread::of(all_properties().map(|properties| u64::from(properties.height))),
            formats,
            modes,
            animated: all_properties().filter(|properties| properties.animated).count(),
            bad: census.bad.clone(),
            broken_shards: census.broken.clone(),
            shards_without_end: census.unended.clone(),
            skipped: census.skipped.clone(),
            skipped_files: census.skipped_files.clone(),
            notes: census.notes.iter().cloned().chain(pixels.other_spaces()).collect(),
            ignored: census.ignored,
            other_columns: census.other_columns.clone(),
            columns: census.columns.clone(),
            small_range: pixels.small_range(),
            hidden: pixels.hidden().to_vec(),
            groups_across_parts: groups_across_parts(samples),
            duplicates: Duplicates::find(census),
            per_class: per_class.collect(),
            warnings: Vec::new(),
        };
        info.notes.extend(info.counterparts());
        let warnings = WarningKind::ALL.map(|kind| Warning { kind, count: info.details(kind).len() });
        info.warnings = warnings.into_iter().filter(|warning| warning.count > 0).collect();
        info
    }

    /// What a warning is about, one line each: a file with the reason, the names of duplicates, or a class.
    pub fn details(&self, kind: WarningKind) -> Vec<String> {
        let bad = |bad: &[BadImage]| {
            bad.iter().map(|bad| format!("{}: {}", bad.path.display(), bad.reason)).collect()
        };
        let duplicates = |chosen: &dyn Fn(&DuplicateGroup) -> bool| -> Vec<String> {
            let groups = self.duplicates.groups.iter().filter(|group| chosen(group));
            groups.map(|group| group.samples.join(" = ")).collect()
        };
        let classes_with = |samples: usize| {
            let classes = self.per_class.iter().filter(|class| class.samples == samples);
            classes.map(|class| class.class.clone()).collect()
        };
        match kind {
            WarningKind::BrokenShards => bad(&self.broken_shards),
            WarningKind::BadSamples => bad(&self.bad),
            WarningKind::ShardsWithoutEnd => {
                self.shards_without_end.iter().map(|shard| shard.display().to_string()).collect()
            }
            WarningKind::Skipped => bad(&self.skipped),
            WarningKind::SkippedEndings => self.skipped_files.ending_lines(),
            WarningKind::EmptyFolders => self.skipped_files.folder_lines(),
            WarningKind::FoldersOfPrograms => self.skipped_files.program_lines(),
            WarningKind::Notes => self.notes.clone(),
            WarningKind::SmallRange => self.small_range.iter().cloned().collect(),
            WarningKind::Hidden => self.hidden.clone(),
            WarningKind::SimilarNames => {
                let names: Vec<String> = self.per_class.iter().map(|class| class.class.clone()).collect();
                look_alikes(&names).into_iter().map(|names| escaped(&names, " = ")).collect()
            }
            WarningKind::MissingLabels => {
                let doubtful = self.per_class.iter().filter(|class| may_be_no_class(&class.class));
                doubtful.map(|class| format!("{} ({} samples)", class.class, class.samples)).collect()
            }
            WarningKind::GroupsAcrossParts => self.groups_across_parts.clone(),
            WarningKind::OnePartClasses => self.in_one_part(),
            WarningKind::DuplicatesAcrossParts => duplicates(&|group| group.across_parts),
            WarningKind::ConflictingDuplicates => {
                let groups = self.duplicates.groups.iter().filter(|group| group.conflicting);
                groups
                    .map(|group| format!("{} ({})", group.samples.join(" = "), group.classes.join(", ")))
                    .collect()
            }
            WarningKind::OtherDuplicates => duplicates(&|group| !group.across_parts && !group.conflicting),
            WarningKind::SingleSampleClasses => classes_with(1),
            WarningKind::EmptyClasses => classes_with(0),
        }
    }
}

impl DataInfo {
    /// A sentence on classes that are in each part under another name.
    fn counterparts(&self) -> Option<String> {
        let is_in = |count: Option<usize>| count.unwrap_or(0) > 0;
        let in_parts = |train: bool, test: bool| -> Vec<&str> {
            let classes = self.per_class.iter();
            let classes = classes.filter(|class| [is_in(class.train), is_in(class.test)] == [train, test]);
            classes.map(|class| class.class.as_str()).collect()
        };
        counterparts(&in_parts(true, false), &in_parts(false, true), in_parts(true, true).len())
    }

    /// Classes in one part only, if most are in both.
    fn in_one_part(&self) -> Vec<String> {
        let parts = |class: &ClassCount| [class.train.unwrap_or(0) > 0, class.test.unwrap_or(0) > 0];
        let both = self.per_class.iter().filter(|class| parts(class) == [true, true]).count();
        if both * 2 <= self.per_class.len() {
            return Vec::new();
        }
        let line = |class: &ClassCount| match parts(class) {
            [true, false] => Some(format!("{} only in train", class.class)),
            [false, true] => Some(format!("{} only in test", class.class)),
            _ => None,
        };
        self.per_class.iter().filter_map(line).collect()
    }
}

/// Groups with samples in both parts.
fn groups_across_parts(samples: &[CensusSample]) -> Vec<String> {
    let mut sides = BTreeMap::<&str, [bool; 2]>::new();
    for sample in samples {
        if let (Some(group), Some(part)) = (sample.group.as_deref(), sample.part) {
            sides.entry(group).or_default()[usize::from(part.is_held_out())] = true;
        }
    }
    sides.into_iter().filter(|(_, sides)| *sides == [true, true]).map(|(group, _)| group.to_owned()).collect()
}

impl Spread {
    /// The spread of `values`; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self { min, median: values[values.len() / 2], max })
    }
}

impl std::fmt::Display for Spread {
    /// As in "8 to 9 (median 8)", or one number if all are equal.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { min, median, max } = self;
        if min == max {
            write!(formatter, "{min}")
        } else {
            write!(formatter, "{min} to {max} (median {median})")
        }
    }
}

impl HistogramBin {
    /// The range in words, as in "4 to 7", or one number.
    pub fn range(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{} to {}", self.from, self.to) }
    }
}

/// How many classes have 1 sample, 2 to 3, 4 to 7, and so on, from the smallest range that occurs to the largest.
fn histogram(counts: impl Iterator<Item = u64>) -> Vec<HistogramBin> {
    let mut bins: BTreeMap<u32, usize> = BTreeMap::new();
    for count in counts {
        *bins.entry(count.checked_ilog2().map_or(0, |log| log + 1)).or_default() += 1;
    }
    let (Some(first), Some(last)) = (bins.keys().next().copied(), bins.keys().last().copied()) else {
        return Vec::new();
    };
    let bin = |number: u32| {
        let (from, to) = if number == 0 { (0, 0) } else { (1 << (number - 1), (1_u64 << number) - 1) };
        HistogramBin { from, to, classes: bins.get(&number).copied().unwrap_or(0) }
    };
    (first..=last).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FolderOptions;
    use crate::testing::put;
    use widemargin_tables::ChosenColumns;

    #[test]
    fn bins_double_and_none_is_left_out() {
        let bins = histogram([1, 2, 3, 3, 9].into_iter());
        let found: Vec<(String, usize)> = bins.iter().map(|bin| (bin.range(), bin.classes)).collect();
        let expected = [("1", 1), ("2 to 3", 3), ("4 to 7", 0), ("8 to 15", 1)];
        assert_eq!(found, expected.map(|(range, classes)| (range.to_owned(), classes)));
        assert_eq!(histogram([0, 0].into_iter()).len(), 1);
        assert!(histogram([].into_iter()).is_empty());
        assert_eq!(Spread::of([5, 1, 9, 7]), Some(Spread { min: 1, median: 7, max: 9 }));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([5, 1, 9, 7]).unwrap().to_string(), "1 to 9 (median 7)");
    }

    #[test]
    fn similar_names_and_classes_in_one_part_are_warnings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let rows = ["Cat,train", "cat,test", "a,train", "a,test", "b,train", "b,test", "c,train", "c,test"];
        let lines = rows.iter().zip(1..).map(|(row, value)| format!("{row},{value}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        put(&path, format!("label,split,x\n{lines}").as_bytes());
        let info = DataInfo::of(
            &Census::take(&path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {})
                .unwrap(),
        );
        assert_eq!(info.details(WarningKind::SimilarNames), ["\"Cat\" = \"cat\""]);
        assert_eq!(info.details(WarningKind::OnePartClasses), ["Cat only in train", "cat only in test"]);
    }

    #[test]
    fn classes_of_the_parts_with_other_names_are_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        put(&path, b"label,split,x\na_train,train,1\na_test,test,2\nb_train,train,3\nb_test,test,4\n");
        let info = DataInfo::of(
            &Census::take(&path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {})
                .unwrap(),
        );
        assert!(info.details(WarningKind::Notes)[0].contains("2 of 2 classes of `test`"));
    }

    #[test]
    fn groups_in_both_parts_and_missing_labels_are_warnings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        put(&path, b"label,split,group,x\na,train,g,1\na,test,g,2\nnan,train,h,3\nb,test,i,4\n");
        let info = DataInfo::of(
            &Census::take(&path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {})
                .unwrap(),
        );
        assert_eq!(info.details(WarningKind::GroupsAcrossParts), ["g"]);
        assert_eq!(info.details(WarningKind::MissingLabels), ["nan (1 samples)"]);
    }

    #[test]
    fn warnings_come_with_their_details() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        put(
            &path,
            b"id,label,split,x\na,1,train,1\nb,1,test,1\nc,2,train,2\nd,3,train,2\ne,1,train,0\nf,4,train,9\n",
        );
        let info = DataInfo::of(
            &Census::take(&path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {})
                .unwrap(),
        );
        assert_eq!((info.kind, info.unit, info.samples), ("table of embeddings", "rows", 5));
        assert_eq!(info.parts.as_ref().unwrap()["test"], 1);
        let kinds: Vec<(WarningKind, usize)> =
            info.warnings.iter().map(|warning| (warning.kind, warning.count)).collect();
        let expected = [
            (WarningKind::BadSamples, 1),
            (WarningKind::DuplicatesAcrossParts, 1),
            (WarningKind::ConflictingDuplicates, 1),
            (WarningKind::SingleSampleClasses, 3),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(info.details(WarningKind::DuplicatesAcrossParts), ["a = b"]);
        assert_eq!(info.details(WarningKind::ConflictingDuplicates), ["c = d (2, 3)"]);
        assert!(info.details(WarningKind::EmptyClasses).is_empty());
    }
}
