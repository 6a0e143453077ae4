//! Reads files of embeddings for evaluation, and puts file names and class names into errors.

use super::selection::{EvaluatedPart, Selection, leave_out, select};
use crate::arguments::{ColumnArguments, heading};
use crate::calibration::{ScoredBy, Templates, model_file};
use crate::embed::{mark_of, require_same_flip};
use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use widemargin_embedder::{Fingerprint, MODEL_FILE, UNAVERAGED_FILE};
use widemargin_eval::files;
use widemargin_eval::templates::{self, TemplateMean};
use widemargin_eval::{Embeddings, Error};
use widemargin_tables::{
    ChosenColumns, ClassNames, EmbeddingTable, Error as FileError, Keys, LabelColumn, MAY_BE_TWO, ModelMark,
    NamedRows, Problem, RowNames, column_names, echo, echo_list, first_names, is_missing, look_alike,
    may_be_no_class, misspelled, mixed_columns, open_chosen, several_fields, unsorted_columns,
};

/// The evaluated set.
#[derive(Args)]
pub(crate) struct SetArguments {
    /// Embeddings, one per row: .npy, .npz, .safetensors, .csv, and .parquet, .arrow or .feather if the program was built with them
    #[arg(value_name = "EMBEDDINGS")]
    pub(crate) embeddings: PathBuf,
    /// Labels, if neither the file nor NAME.names.csv contains them: .csv or .parquet with a column `label`, joined by `id` if the
    /// embeddings have ids; .npy, or text with one label per line
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArguments,
    /// Evaluate only rows of one part of this split file, such as split.csv of a run; its samples are the ids of the embeddings
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    pub(crate) split: Option<PathBuf>,
    /// The part of --split [default: test]
    #[arg(help_heading = heading::INPUT, long, value_enum, requires = "split")]
    part: Option<EvaluatedPart>,
    /// Leave out the rows with this label in all files of the command, such as -1 for the junk of Market-1501; may be repeated
    #[arg(help_heading = heading::INPUT, long, value_name = "LABEL", allow_hyphen_values = true)]
    ignore: Vec<String>,
}

/// What all files of embeddings of a command share: the numbers of the classes, the columns, and the model that made them.
#[derive(Default)]
pub(crate) struct Shared {
    classes: ClassNames,
    /// The columns of the embedding and of the labels.
    chosen: ChosenColumns,
    /// The names of the columns, and the first file that has names.
    columns: Option<(Vec<String>, PathBuf)>,
    /// The first file whose columns have no names.
    unnamed: Option<PathBuf>,
    /// The model, and the first file that states it.
    mark: Option<(ModelMark, PathBuf)>,
    /// The first file that does not state its model.
    unmarked: Option<PathBuf>,
    /// Sentences on the files, for the warnings of the next set.
    notes: Vec<String>,
    /// Labels whose rows are left out, and how many rows were.
    ignored: Vec<(String, usize)>,
    /// Whether rows of a file were added or replaced after `embed` wrote it, perhaps by those of another model.
    has_other_rows: bool,
}

impl std::ops::Deref for Shared {
    type Target = ClassNames;

    fn deref(&self) -> &ClassNames {
        &self.classes
    }
}

impl Shared {
    /// Reads a file of embeddings with the names next to it, and the labels of another file, if one is given. Its columns get the order of the
    /// other files.
    pub(crate) fn table(&mut self, path: &Path, labels: Option<&Path>) -> anyhow::Result<EmbeddingTable> {
        let mut table = open_chosen(path, labels, &self.chosen)?;
        self.notes.append(&mut table.notes);
        match (&self.columns, &table.columns) {
            (Some((expected, of)), _) => table.match_columns(expected, &of.display().to_string())?,
            (None, Some(names)) => self.columns = Some((names.clone(), path.to_owned())),
            (None, None) => {}
        }
        let named = table.columns.as_deref().filter(|_| self.chosen.embedding.is_none());
        self.notes.extend(named.and_then(|names| mixed_columns(path, names)));
        if table.columns.is_none() {
            self.unnamed.get_or_insert_with(|| path.to_owned());
        }
        // Said once: when the second of both is read.
        if let (Some((names, of)), Some(unnamed)) = (&self.columns, &self.unnamed)
            && (of == path || unnamed == path)
        {
            self.notes.extend(unsorted_columns((Some(names), &of.display()), (None, &unnamed.display())));
        }
        let mark = mark_of(path, table.mark.take())?;
        if let Some(mark) = &mark {
            let (first, of) = self.mark.get_or_insert_with(|| (mark.clone(), path.to_owned()));
            ensure!(
                first.is_same_model(mark),
                "{}: made by a different model than {}; embeddings of two models cannot be compared",
                path.display(),
                of.display()
            );
            require_same_flip(&path.display(), mark.flip, &of.display(), first.flip)?;
        } else {
            self.unmarked.get_or_insert_with(|| path.to_owned());
        }
        // Said once: when the second of both is read.
        if let (Some((_, of)), Some(unmarked)) = (&self.mark, &self.unmarked)
            && (of == path || unmarked == path)
        {
            self.notes.push(format!(
                "{} does not state which model made it, but {} does; unless it was the same, the cosines have no meaning.",
                unmarked.display(),
                of.display()
            ));
        }
        let table = table.read()?;
        self.has_other_rows |= mark.as_ref().is_some_and(|mark| mark.is_altered);
        if let Some(ModelMark { rows, .. }) = mark.filter(|mark| table.rows as u64 > mark.rows) {
            self.has_other_rows = true;
            self.notes.push(format!(
                "{} has {} rows, but `embed` wrote {rows}: rows were added, perhaps of another model.",
                path.display(),
                table.rows
            ));
        }
        Ok(table)
    }

    /// The model of all files that were read; `None` if one of them does not state it.
    pub(crate) fn model(&self) -> Option<ScoredBy> {
        let known = self.unmarked.is_none() && !self.has_other_rows;
        let mark = self.mark.as_ref().filter(|_| known).map(|(mark, _)| mark);
        mark.map(|mark| ((mark.model_bytes, mark.model_checksum), mark.flip))
    }

    /// Sentences on the files that were read since the last call.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Labelled rows of a table that was read, or of a selection of its rows.
    fn labelled(
        &mut self,
        mut table: EmbeddingTable,
        labels: Option<&Path>,
        selection: Option<Selection>,
    ) -> anyhow::Result<LabelledRows> {
        let mut notes = self.take_notes();
        notes.extend(unused_parts(&table).filter(|_| selection.is_none()));
        let selection = leave_out(&mut table, &mut self.ignored, selection)?;
        notes.extend(label_column(&table, self.chosen.embedding.is_some())?);
        let LabelledRows { table, mut set } = LabelledRows::new(table, labels, &mut self.classes, notes)?;
        let mark = self.mark.as_ref().map(|(mark, _)| mark);
        set.notes.extend(mark.and_then(|mark| trained_classes(mark, &set, &self.classes)));
        Ok(LabelledRows { table, set: LabelledEmbeddings { selection, ..set } })
    }

    /// Rejects a label of --ignore that no file has.
    pub(crate) fn require_ignored(&self) -> anyhow::Result<()> {
        let Some((name, _)) = self.ignored.iter().find(|(_, rows)| *rows == 0) else { return Ok(()) };
        let known = || self.classes.names().iter().map(String::as_str);
        let near = misspelled([name.as_str()], known());
        let hint = near
            .first()
            .map(|(_, other, how)| format!(", but \"{}\" differs from it only {how}", echo(other)));
        bail!("--ignore: no row has the label \"{}\"{}", echo(name), hint.unwrap_or_default())
    }
}

impl SetArguments {
    /// Whether the columns of the embedding are chosen.
    pub(crate) fn has_columns(&self) -> bool {
        self.columns.embedding().is_some()
    }

    /// The flags that choose columns, and whether they are given.
    pub(crate) fn column_flags(&self) -> [(&'static str, bool); 3] {
        self.columns.given()
    }

    /// The flags that choose rows by their label or part, and whether they are given: they need labels.
    pub(crate) fn choices(&self) -> [(&'static str, bool); 2] {
        [("--ignore", !self.ignore.is_empty()), ("--part", self.part.is_some())]
    }

    /// For reading this set and the other files of the command.
    pub(crate) fn shared(&self) -> Shared {
        // A label may be given twice.
        let mut seen = HashSet::new();
        let different = self.ignore.iter().filter(|label| seen.insert(*label));
        let ignored = different.map(|label| (label.clone(), 0)).collect();
        Shared { chosen: self.columns.chosen(), ignored, ..Shared::default() }
    }

    /// Reads the labelled embeddings. The classes of several files share one numbering.
    pub(crate) fn labelled(&self, shared: &mut Shared) -> anyhow::Result<LabelledEmbeddings> {
        Ok(self.rows(shared)?.set)
    }

    /// As [`labelled`](Self::labelled), with the values of the file, for templates.
    pub(crate) fn rows(&self, shared: &mut Shared) -> anyhow::Result<LabelledRows> {
        let labels = self.labels.as_deref();
        let mut table = shared.table(&self.embeddings, labels)?;
        let selection = match &self.split {
            Some(split) => {
                let note = shared.mark.as_ref().and_then(|(mark, _)| of_another_run(split, mark));
                shared.notes.extend(note);
                table.about.all_labels(&table.path).map_err(|error| without_labels(error, labels))?;
                Some(select(&mut table, split, self.part.unwrap_or(EvaluatedPart::Test))?)
            }
            None => None,
        };
        shared.labelled(table, labels, selection)
    }
}

/// Labelled embeddings with the cameras, parts, ids and groups of their rows.
pub(crate) struct LabelledEmbeddings {
    pub(crate) path: PathBuf,
    /// The file of labels, if one was given.
    labels_from: Option<PathBuf>,
    pub(crate) embeddings: Embeddings,
    pub(crate) cameras: Option<Vec<String>>,
    splits: Option<Vec<String>>,
    pub(crate) ids: Option<Vec<String>>,
    /// Other columns of the file that may tell its rows apart: of all rows.
    keys: Keys,
    pub(crate) groups: Option<Vec<String>>,
    /// The rows of the file, unless it is all of them.
    pub(crate) selection: Option<Selection>,
    /// Sentences on the file and its class names, for warnings.
    pub(crate) notes: Vec<String>,
}

impl LabelledEmbeddings {
    /// A summary for the first line of a report.
    pub(crate) fn in_words(&self) -> String {
        let mut labels = self.embeddings.labels().to_vec();
        labels.sort_unstable();
        labels.dedup();
        let (rows, dim) = (self.embeddings.rows(), self.embeddings.dim());
        let (path, classes) = (self.path.display(), labels.len());
        let part = self.selection.as_ref().map(|selection| format!(", {}", selection.name));
        format!("{path}{}: {rows} embeddings of {classes} classes, dimension {dim}", part.unwrap_or_default())
    }

    /// The end of a sentence on the set: whether only rows of different cameras are compared.
    pub(crate) fn compared_in_words(&self) -> &'static str {
        if self.embeddings.cameras().is_some() {
            "; only rows of different cameras are compared."
        } else {
            "."
        }
    }

    /// The id of an embedding, or the number of its row.
    pub(crate) fn name(&self, row: usize) -> String {
        match &self.ids {
            Some(ids) => format!("{:?}", ids[row]),
            None => format!("row {}", self.row_of_file(row)),
        }
    }

    /// Other columns of the file that may tell the embeddings apart.
    pub(crate) fn keys(&self) -> Keys {
        self.selection
            .as_ref()
            .map_or_else(|| self.keys.clone(), |selection| self.keys.of_rows(&selection.rows))
    }

    /// The row of the file that an embedding came from.
    pub(crate) fn row_of_file(&self, row: usize) -> usize {
        self.selection.as_ref().map_or(row, |selection| selection.rows[row])
    }
}

/// Reads labelled embeddings. The classes of several files share one numbering.
pub(crate) fn labelled(
    path: &Path,
    labels: Option<&Path>,
    shared: &mut Shared,
) -> anyhow::Result<LabelledEmbeddings> {
    Ok(rows(path, labels, shared)?.set)
}

/// As [`labelled`], with the values of the file, for templates.
pub(crate) fn rows(path: &Path, labels: Option<&Path>, shared: &mut Shared) -> anyhow::Result<LabelledRows> {
    let table = shared.table(path, labels)?;
    shared.labelled(table, labels, None)
}

/// Labelled embeddings and the values of their file.
pub(crate) struct LabelledRows {
    table: EmbeddingTable,
    pub(crate) set: LabelledEmbeddings,
}

impl LabelledRows {
    fn new(
        mut table: EmbeddingTable,
        labels: Option<&Path>,
        classes: &mut ClassNames,
        mut notes: Vec<String>,
    ) -> anyhow::Result<Self> {
        let of_others = classes.names().len();
        let embeddings = files::labelled(&table, classes).map_err(|error| without_labels(error, labels))?;
        notes.extend(spellings(&table.path, classes, of_others)?);
        notes.extend(perhaps_no_class(&table.path, classes, embeddings.labels()));
        let (path, about, keys) = (table.path.clone(), &mut table.about, std::mem::take(&mut table.keys));
        let set = LabelledEmbeddings {
            path,
            labels_from: labels.map(Path::to_owned),
            embeddings,
            cameras: about.cameras.take(),
            splits: about.splits.take(),
            ids: about.ids.take(),
            keys,
            groups: about.groups.take(),
            selection: None,
            notes,
        };
        Ok(Self { table, set })
    }

    /// One template per class, of the rows `kept`.
    pub(crate) fn templates(
        self,
        templates: Templates,
        kept: &[usize],
        classes: &ClassNames,
    ) -> anyhow::Result<LabelledEmbeddings> {
        let mean = match templates {
            Templates::Mean => TemplateMean::BeforeNormalising,
            Templates::MeanDirection => TemplateMean::AfterNormalising,
        };
        let (dim, of) = (self.table.dim, self.set.embeddings.labels());
        let chosen = |values: &Vec<f32>| -> Vec<f32> {
            kept.iter().flat_map(|row| &values[row * dim..][..dim]).copied().collect()
        };
        let (data, rests) = (chosen(&self.table.data), self.table.rests.as_ref().map(chosen));
        let labels: Vec<u32> = kept.iter().map(|row| of[*row]).collect();
        let embeddings = templates::build_precise(&data, rests.as_deref(), kept.len(), dim, &labels, mean)
            .map_err(|error| explained(error, classes, &self.set.path.display()))?;
        Ok(LabelledEmbeddings {
            embeddings,
            cameras: None,
            splits: None,
            ids: None,
            groups: None,
            ..self.set
        })
    }
}

fn without_labels(error: FileError, labels: Option<&Path>) -> anyhow::Error {
    if labels.is_some() || !matches!(error.problem, Problem::NoLabels) {
        return error.into();
    }
    let names = match RowNames::beside(&error.path) {
        Ok(Some(names)) => format!(", and {} has no column `label`", names.path().display()),
        _ => String::new(),
    };
    anyhow!(
        "{}: has no labels{names}; give a file of labels with --labels (--probe-labels, --gallery-labels), or the column that has them with --label-column",
        error.path.display()
    )
}

/// Class names of a file that differ only in spelling from one another, or from the first `of_others`, those of other files, as sentences. An
/// error if a class of another file is written as another number, with other leading zeros or in another Unicode form: all its pairs would be
/// impostors. Names that differ in other ways can be two classes.
fn spellings(path: &Path, classes: &ClassNames, of_others: usize) -> anyhow::Result<Vec<String>> {
    let (others, own) = classes.names().split_at(of_others);
    let (others, own) = (|| others.iter().map(String::as_str), || own.iter().map(String::as_str));
    let (path, mut sentences) = (path.display(), Vec::new());
    for (name, other, how) in misspelled(own(), others()) {
        let [name, other] = [echo(name), echo(other)];
        let sentence =
            format!("{path}: the class \"{name}\" differs from \"{other}\" of another file only {how}");
        ensure!(MAY_BE_TWO.contains(&how), "{sentence}; write both in the same way");
        sentences.push(format!("{sentence}; they are two classes."));
    }
    sentences.extend(look_alike(own()).map(|(a, b, how)| {
        format!(
            "{path}: the classes \"{}\" and \"{}\" differ only {how}; they are two classes.",
            echo(a),
            echo(b)
        )
    }));
    Ok(sentences)
}

/// A sentence for each class of a file whose name may mean that a sample has no class.
fn perhaps_no_class(path: &Path, classes: &ClassNames, labels: &[u32]) -> Vec<String> {
    let words = (0_u32..).zip(classes.names()).filter(|(_, name)| may_be_no_class(name));
    let counted = words.map(|(class, name)| (name, labels.iter().filter(|label| **label == class).count()));
    counted
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| {
            let (path, name) = (path.display(), echo(name));
            let protocol = if name == "-1" { ", as the protocol of Market-1501 does with its junk" } else { "" };
            format!(
                "{path}: {count} embeddings have the label \"{name}\", which may mean that they have no class; they are evaluated as one class. \
                 --ignore '{name}' leaves them out{protocol}."
            )
        })
        .collect()
}

/// A sentence if no two embeddings of an evaluated set have the same label.
pub(crate) fn all_different(set: &LabelledEmbeddings) -> Option<String> {
    let labels = set.embeddings.labels();
    let classes: HashSet<u32> = labels.iter().copied().collect();
    (classes.len() == labels.len()).then(|| {
        format!(
            "{}: all {} embeddings have different labels, so the results say nothing of the classes; check that the labels are classes and not names of \
             samples.",
            set.path.display(),
            labels.len()
        )
    })
}

/// A sentence if the split is that of a run with another model than the embeddings: its parts are not those that their model was trained on.
fn of_another_run(split: &Path, mark: &ModelMark) -> Option<String> {
    let model = split.with_file_name(MODEL_FILE);
    let is_maker =
        |file| Some(model_file(Fingerprint::read(file).ok()?) == (mark.model_bytes, mark.model_checksum));
    let is_own = is_maker(&model)? || is_maker(&split.with_file_name(UNAVERAGED_FILE)) == Some(true);
    (!is_own).then(|| {
        format!(
            "--split: {} is next to {}, but another model made the embeddings: if its run had another split, it was trained on rows that are evaluated.",
            split.display(),
            model.display()
        )
    })
}

/// A sentence on classes of a set that the model of its embeddings was trained on.
fn trained_classes(mark: &ModelMark, set: &LabelledEmbeddings, classes: &ClassNames) -> Option<String> {
    let labels: BTreeSet<u32> = set.embeddings.labels().iter().copied().collect();
    let names = labels.iter().map(|label| classes.names()[*label as usize].as_str());
    let found = mark.trained_on(names);
    (!found.is_empty()).then(|| {
        format!(
            "{}: the model that made the embeddings was trained on {} of the {} classes ({}), so results on these say little about new classes.",
            set.path.display(),
            found.len(),
            labels.len(),
            first_names(found.iter().map(|name| echo(name)), TRAINED_NAMED)
        )
    })
}

/// Classes of training that a warning names.
const TRAINED_NAMED: usize = 3;

/// A sentence on a column `split` of a table that is evaluated whole.
fn unused_parts(table: &EmbeddingTable) -> Option<String> {
    let splits = table.about.splits.as_ref()?;
    let others = splits.iter().filter(|part| **part != splits[0]).count();
    (others > 0).then(|| {
        format!(
            "{}: the rows of all parts in the column `split` are evaluated ({} rows of \"{}\", {others} of others); to evaluate one part, give --split FILE, \
             or a file of its rows only.",
            table.path.display(),
            splits.len() - others,
            echo(&splits[0])
        )
    })
}

/// Finds a column of the embedding that is the label of its rows, or another that is no value. An error that names a label if it has a name; a
/// sentence if it has none or was chosen with --columns.
pub(crate) fn label_column(table: &EmbeddingTable, chosen: bool) -> anyhow::Result<Option<String>> {
    let mut found = LabelColumn::new(table.dim);
    for (row, values) in table.data.chunks_exact(table.dim.max(1)).enumerate() {
        let label = table.about.labels.as_ref().map_or("", |labels| &labels[row]);
        found.add(values, label);
        if found.is_settled() {
            break;
        }
    }
    Ok(found.warning(&table.path, table.columns.as_deref(), chosen)?)
}

/// The file of --cameras or --gallery-cameras, and the classes of the labels.
pub(crate) struct CameraFile<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) flag: &'static str,
    pub(crate) classes: &'a ClassNames,
}

/// Cameras of a set by number, from the given file or from the set's own file. All sets of a command share the numbers in `known`. Sentences
/// on how the file was joined are added to `notes`.
pub(crate) fn cameras(
    set: &LabelledEmbeddings,
    file: &CameraFile<'_>,
    known: &mut ClassNames,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<u32>> {
    let names: Vec<String> = match file.path {
        Some(path) => given_cameras(set, path, file.classes, notes).with_context(|| file.flag.to_owned())?,
        None => set.cameras.clone().with_context(|| {
            format!(
                "{}: has no cameras; give a file with a column `camera` with {}",
                set.path.display(),
                file.flag
            )
        })?,
    };
    numbered(set, &names, "--exclude-same-camera", known)
}

/// Flag of the commands that compare the rows of one set.
#[derive(Args, Default)]
pub(crate) struct AcrossCameras {
    /// Compare only rows of different cameras; requires a column `camera`
    #[arg(help_heading = heading::INPUT, long)]
    across_cameras: bool,
}

impl AcrossCameras {
    pub(crate) fn is_given(&self) -> bool {
        self.across_cameras
    }

    /// The set, of which only rows of different cameras are compared if the flag is given.
    pub(crate) fn apply(&self, mut set: LabelledEmbeddings) -> anyhow::Result<LabelledEmbeddings> {
        if self.across_cameras {
            let names = set.cameras.clone().with_context(|| {
                format!("--across-cameras: {}: has no column `camera`", set.path.display())
            })?;
            let cameras = numbered(&set, &names, "--across-cameras", &mut ClassNames::new())?;
            set.embeddings = set.embeddings.across_cameras(cameras)?;
        }
        Ok(set)
    }
}

/// The numbers of the cameras with these names.
fn numbered(
    set: &LabelledEmbeddings,
    names: &[String],
    flag: &str,
    known: &mut ClassNames,
) -> anyhow::Result<Vec<u32>> {
    if let Some(row) = names.iter().position(|name| is_missing(name)) {
        bail!(
            "{}: row {row} has the camera \"{}\", expected a name; every row needs one",
            set.path.display(),
            echo(&names[row])
        );
    }
    // Two names of one camera would count as two, and its rows would be compared.
    if let Some((a, b, how)) = look_alike(names.iter().map(String::as_str)) {
        bail!(
            "{flag}: {}: the cameras \"{}\" and \"{}\" differ only {how}; write both in the same way",
            set.path.display(),
            echo(a),
            echo(b)
        );
    }
    Ok(names.iter().map(|name| known.number(name)).collect())
}

/// Cameras of a set in a file of their own. Rejects other labels, parts or groups there than those of the set.
fn given_cameras(
    set: &LabelledEmbeddings,
    path: &Path,
    classes: &ClassNames,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<String>> {
    let (rows, ids) = match &set.selection {
        Some(selection) => (selection.of, selection.ids.as_deref()),
        None => (set.embeddings.rows(), set.ids.as_deref()),
    };
    let rows = NamedRows { path: &set.path, rows, ids, keys: &set.keys };
    let names = RowNames::read(path, "camera")?.in_order_of(rows)?;
    notes.extend_from_slice(names.notes());
    let given = names.required("camera")?;
    let labels = set.embeddings.labels().iter().map(|label| classes.names()[*label as usize].as_str());
    let columns: [(&str, Option<Vec<&str>>); 4] = [
        ("label", Some(labels.collect())),
        ("split", set.splits.as_deref().map(strs)),
        ("group", set.groups.as_deref().map(strs)),
        ("camera", set.cameras.as_deref().map(strs)),
    ];
    for (column, own) in columns.iter().filter_map(|(column, own)| Some((*column, own.as_ref()?))) {
        let own = own.iter().enumerate().map(|(row, text)| (set.row_of_file(row), *text));
        let has_column = |file: &&Path| {
            column == "label" || column_names(file).iter().any(|name| name.eq_ignore_ascii_case(column))
        };
        match set.labels_from.as_deref().filter(has_column) {
            None if column == "camera" => notes.extend(names.replaced(column, own, &set.path)),
            source => names.require_same(column, own, source.unwrap_or(&set.path))?,
        }
    }
    Ok((0..set.embeddings.rows()).map(|row| given[set.row_of_file(row)].clone()).collect())
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Rejects cameras of the gallery that differ only in spelling from cameras of the queries, because rows of the same camera would not be excluded.
/// A sentence if no camera is in both. The cameras of the queries are the first `of_queries` of `known`, those of the gallery are `used`.
pub(crate) fn compared_cameras(
    known: &ClassNames,
    of_queries: usize,
    used: &[u32],
) -> anyhow::Result<Option<String>> {
    let (queries, only_gallery) = known.names().split_at(of_queries);
    let names = |names: &[String]| -> Vec<String> { names.iter().map(|name| echo(name)).collect() };
    let alike = misspelled(only_gallery.iter().map(String::as_str), queries.iter().map(String::as_str));
    if let Some((name, other, how)) = alike.first() {
        bail!(
            "--exclude-same-camera: the camera \"{}\" of the gallery differs from \"{}\" of the queries only {how}; write both in the same way",
            echo(name),
            echo(other)
        );
    }
    let shared = used.iter().any(|camera| (*camera as usize) < of_queries);
    Ok((!shared).then(|| {
        format!(
            "--exclude-same-camera excludes nothing: the cameras of the queries ({}) and of the gallery ({}) have no name in common.",
            echo_list(&names(queries)),
            echo_list(&names(only_gallery))
        )
    }))
}

/// Rejects sets that together have a single class.
pub(crate) fn require_two_classes(sets: &[&LabelledEmbeddings], classes: &ClassNames) -> anyhow::Result<()> {
    if let [only] = classes.names() {
        let paths: Vec<String> = sets.iter().map(|set| set.path.display().to_string()).collect();
        let rows: usize = sets.iter().map(|set| set.embeddings.rows()).sum();
        bail!(
            "{}: all {rows} embeddings are of class {only:?}; need at least 2 classes",
            paths.join(" and ")
        );
    }
    Ok(())
}

/// An error of the library with the file or flag at fault, and with class names instead of numbers.
pub(crate) fn explained(error: Error, classes: &ClassNames, place: &dyn std::fmt::Display) -> anyhow::Error {
    let name = |class: u32| classes.names().get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    match error {
        Error::OneClass { class, rows } => {
            let name = name(class);
            anyhow!("{place}: all {rows} embeddings are of class {name:?}; need at least 2 classes")
        }
        Error::ZeroMean { class, rows } => {
            let name = name(class);
            anyhow!(
                "{place}: the mean of the {rows} embeddings of class {name:?} is zero and has no direction"
            )
        }
        // Two spellings of each class leave no genuine pair.
        Error::NoAnswers { .. }
        | Error::MissingProbes { .. }
        | Error::NoGenuinePairs { .. }
        | Error::MissingScores { .. } => anyhow!("{place}: {error}{}", alike(classes)),
        error => anyhow!("{place}: {error}"),
    }
}

/// For errors: labels that look like several columns, or two classes that differ only in spelling, in words; empty if there are none.
pub(crate) fn alike(classes: &ClassNames) -> String {
    if let Some(found) = several_fields(classes.names().iter().map(String::as_str)) {
        return format!(" ({found})");
    }
    look_alike(classes.names().iter().map(String::as_str)).map_or_else(String::new, |(a, b, how)| {
        format!(" (the classes \"{}\" and \"{}\" differ only {how})", echo(a), echo(b))
    })
}

/// The names of two compared files.
pub(crate) fn both(a: &Path, b: &Path) -> String {
    format!("{} and {}", a.display(), b.display())
}
