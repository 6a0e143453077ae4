//! A set of labelled vectors: ready-made embeddings.

use std::path::Path;
use std::sync::Arc;

use widemargin_tables::{
    About, ChosenColumns, ColumnPattern, GroupColumns, LabelColumn, ModelMark, OpenTable, Problem, Rows,
    mixed_columns, model_of,
};

use crate::catalogue::{Cameras, Groups, sorted_names};
use crate::copies::copies;
use crate::decode::ContentDigest;
use crate::digest::digest_of_values;
use crate::hold_out::{self, Drawing};
use crate::parallel::map_positions;
use crate::part::{PartsFrom, part_named, settle};
use crate::sources::near_columns::{camera_sentence, near_names};
use crate::sources::path_parts::in_ids;
use crate::sources::table::{open_table, require_no_weights};
use crate::{Catalogue, Error, ImageShape, Labelled, Normalisation, Part, Result};

/// Rows that a thread reads at a time while it checks a table.
const CHECKED_AT_ONCE: usize = 1024;

/// Largest mean square of a row. Sums of squares of larger values overflow in training.
const MOST_SQUARE: f32 = 1e30;

/// How held-out samples are drawn from a table without a column `split`.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorOptions {
    /// Share of the samples to hold out, above 0 and below 1: per class, or in whole groups if the table has a column `group`.
    pub hold_out: f64,
    /// Seed for drawing them.
    pub seed: u64,
    /// The columns of a table that are the vectors; `None` for all with a name like the others.
    pub columns: Option<ColumnPattern>,
    /// The column of the labels; `None` for `label`.
    pub label_column: Option<String>,
    /// The order of these columns, such as that of a model, for a table that has just these columns; `None` for their order in the table.
    pub order: Option<Vec<String>>,
    /// Whether only rows of different cameras are compared in an evaluation; the table must then have a column `camera`.
    pub across_cameras: bool,
    /// A camera whose rows are not trained on, and are compared with those of all others only. Implies `across_cameras`.
    pub held_out_camera: Option<String>,
}

impl Default for VectorOptions {
    /// Holds out a fifth of each class.
    fn default() -> Self {
        Self {
            hold_out: 0.2,
            seed: 0,
            columns: None,
            label_column: None,
            order: None,
            across_cameras: false,
            held_out_camera: None,
        }
    }
}

impl VectorOptions {
    fn uses_cameras(&self) -> bool {
        self.across_cameras || self.held_out_camera.is_some()
    }

    fn validate(&self) -> Result<()> {
        if !(self.hold_out > 0.0 && self.hold_out < 1.0) {
            return Err(Error::setting("hold-out", &self.hold_out, "a share above 0 and below 1"));
        }
        Ok(())
    }
}

/// Labelled vectors `[rows, dim]`, in memory or in their file.
///
/// Sample `n` is row `n` of the table.
#[derive(Debug)]
pub struct VectorSet {
    catalogue: Catalogue,
    rows: Rows,
    parts_from: PartsFrom,
    /// Names of the columns, if they have names.
    columns: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    /// The model that made the vectors, if the table states it.
    made_by: Option<ModelMark>,
    /// Mean square of each row.
    squares: Vec<f32>,
    /// Digest of each row.
    digests: Vec<u64>,
}

impl Labelled for VectorSet {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl VectorSet {
    /// Opens a table of embeddings that contains labels, or whose labels are in the file `labels`.
    ///
    /// The rows of `.npy` and `.safetensors` stay in the file, so the set takes a few bytes per row. Every row is read once to check it.
    /// Classes are sorted by number if all labels are whole numbers, else by name. The only row of a class is never held out.
    ///
    /// # Errors
    /// [`Error::Table`], which names the file and the row, for a file that cannot be read, missing labels, a row that is all zeros or not
    /// finite, or a word in the column `split` that is not a part; [`Error::OnlyOneClass`]; [`Error::Setting`] for a share out of range.
    pub fn open(path: impl AsRef<Path>, labels: Option<&Path>, options: VectorOptions) -> Result<Self> {
        let path = path.as_ref();
        options.validate()?;
        require_no_weights(path, labels)?;
        let chosen =
            ChosenColumns { embedding: options.columns.clone(), label: options.label_column.clone() };
        let table = open_table(path, labels, &chosen)?;
        let has = [table.about.splits.is_some(), table.about.groups.is_some()];
        let mut notes = near_names(path, labels, table.columns.as_deref().unwrap_or_default(), has);
        notes.extend(in_ids(&table.about));
        if table.about.cameras.is_some() && !options.uses_cameras() {
            notes.push(camera_sentence());
        }
        let named = table.columns.as_deref().filter(|_| options.columns.is_none());
        notes.extend(named.and_then(|names| mixed_columns(path, names)));
        let joined = table.notes.clone();
        let mut set = Self::from_table(table, options)?;
        set.catalogue.warnings.extend(joined.into_iter().chain(notes));
        Ok(set)
    }

    /// Builds a set from rows in memory: `values` `[rows, dim]`, row-major, and the name of each row's class.
    ///
    /// # Errors
    /// [`Error::Length`] if `values` does not have `dim` numbers per class name, and those of [`open`](Self::open).
    pub fn from_rows(
        name: &str,
        values: Vec<f32>,
        dim: usize,
        classes: Vec<String>,
        options: VectorOptions,
    ) -> Result<Self> {
        options.validate()?;
        if values.len() != classes.len() * dim {
            let (found, expected) = (values.len(), classes.len() * dim);
            return Err(Error::Length { what: "values of the rows", found, expected });
        }
        let rows = Rows::in_memory(Path::new(name), classes.len(), dim, values);
        Self::from_table(OpenTable::new(rows, About { labels: Some(classes), ..About::default() }), options)
    }

    fn from_table(table: OpenTable, options: VectorOptions) -> Result<Self> {
        let mut table = table;
        if let Some(order) = &options.order {
            table.reorder_columns(order)?;
        }
        let OpenTable { rows, about, columns, mark, .. } = table;
        let path = rows.path().to_owned();
        let made_by = model_of(&path, mark);
        let labels = about.all_labels(&path)?.to_vec();
        let About { ids, splits, groups, cameras, .. } = about;
        if options.uses_cameras() && cameras.is_none() {
            return Err(Error::NoCameras { path });
        }
        let held_out = options.held_out_camera.as_deref();
        let cameras = cameras
            .filter(|_| options.uses_cameras())
            .map(|of| Cameras::new(of.iter().map(String::as_str), held_out, &path.display().to_string()))
            .transpose()?;
        let unusable = |problem: String| Problem::Embeddings { problem, id: None }.at(&path);
        if rows.rows() == 0 || rows.dim() == 0 {
            return Err(Problem::Empty.at(&path).into());
        }
        if u32::try_from(rows.rows()).is_err() {
            return Err(unusable(format!("{} rows; at most {} can be used", rows.rows(), u32::MAX)).into());
        }
        let class_names = sorted_names(&labels, true);
        if let [class] = class_names.as_slice() {
            return Err(Error::OnlyOneClass { path, class: class.clone(), advice: "" });
        }
        let numbers: std::collections::HashMap<&str, u32> =
            (0..).zip(&class_names).map(|(n, name)| (name.as_str(), n)).collect();
        let labels: Vec<u32> = labels.iter().map(|label| numbers[label.as_str()]).collect();
        rows.require_float32()?;
        let names = |label: u32| class_names[label as usize].as_str();
        let mut warnings = Vec::new();
        warnings.extend(label_column(
            &rows,
            labels.iter().map(|label| names(*label)),
            columns.as_deref(),
            options.columns.is_some(),
        )?);
        warnings.extend(group_columns(&rows, &labels, columns.as_deref())?);
        let checked = checked(&rows, ids.as_deref(), columns.as_deref())?;
        let (squares, digests) = checked.iter().map(|(square, digest, _)| (*square, *digest)).unzip();
        let contents: Vec<ContentDigest> = checked.into_iter().map(|(.., content)| content).collect();
        let copies = copies(contents.into_iter());
        let mut far_off = None;
        let parts = match (&splits, &groups) {
            (Some(splits), _) => parts(splits, &path)?,
            (None, groups) => {
                let drawing = (options.seed, Drawing::Train);
                let classes = || labels.iter().copied().map(Some);
                let set = (options.hold_out, "vectors");
                let test = if let Some(groups) = groups {
                    let joined = hold_out::joined(groups, &copies);
                    let test = hold_out::by_group(&joined, options.hold_out, options.seed);
                    far_off = hold_out::far_off_by_groups(&test, set);
                    test
                } else {
                    let test = hold_out::by_class(classes(), &copies, options.hold_out, drawing);
                    far_off = hold_out::far_off_by_class(&test, &labels, &copies, set);
                    test
                };
                test.into_iter().map(|test| if test { Part::Test } else { Part::Train }).collect()
            }
        };
        let parts_from = match (&splits, &groups) {
            (Some(_), _) => PartsFrom::Marks,
            (None, Some(_)) => PartsFrom::Groups,
            (None, None) => PartsFrom::Drawing,
        };
        let name =
            path.file_stem().map_or_else(|| "table".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let groups = groups.map(|groups| Groups::new(groups.iter().map(String::as_str)));
        let catalogue = Catalogue {
            name,
            class_names,
            labels,
            parts,
            copies,
            warnings,
            groups,
            cameras,
            usual_unseen: None,
            credits: None,
            unusable: Vec::new(),
            far_off,
        };
        Ok(Self { catalogue, rows, parts_from, columns, ids, made_by, squares, digests })
    }

    /// Dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.rows.dim()
    }

    /// Names of the columns of the vectors, if the table has them.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// The model that made the vectors, if `embed` wrote the table.
    pub fn made_by(&self) -> Option<&ModelMark> {
        self.made_by.as_ref()
    }

    /// Shape of a row as input of a backbone: `1 x 1 x dim`.
    pub fn shape(&self) -> ImageShape {
        ImageShape { channels: 1, height: 1, width: self.rows.dim() }
    }

    /// Whether the table has a column `split` or `group`.
    ///
    /// If not, parts were drawn, and every sample of an unseen class can be used for evaluation, regardless of its part.
    pub fn parts_are_given(&self) -> bool {
        self.parts_from != PartsFrom::Drawing
    }

    /// Whether the table has a column `split`.
    pub fn parts_are_marked(&self) -> bool {
        self.parts_from == PartsFrom::Marks
    }

    /// Name of a sample: its id, or its row as in `row 7`.
    pub fn sample_id(&self, sample: usize) -> String {
        let id = self.ids.as_ref().and_then(|ids| ids.get(sample));
        id.map_or_else(|| format!("row {sample}"), Clone::clone)
    }

    /// A digest of a row's values; see [`SampleSet::digest`](crate::SampleSet::digest).
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Labelled::len).
    pub fn digest(&self, sample: usize) -> u64 {
        self.digests[sample]
    }

    /// Whether all rows are in memory, so that reading needs no file access.
    pub fn is_in_memory(&self) -> bool {
        !self.rows.is_in_file()
    }

    /// Reads a sample as it is in the table, `[dim]`.
    ///
    /// # Errors
    /// [`Error::NoSuchSample`]; [`Error::Length`] if `out` does not have the length of a row; [`Error::Table`] if the
    /// file can no longer be read.
    pub fn read_into(&self, sample: usize, out: &mut [f32]) -> Result<()> {
        self.read_with(sample, &mut Vec::new(), out)
    }

    /// As [`read_into`](Self::read_into), with a working buffer `bytes` that several reads can share.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn read_with(&self, sample: usize, bytes: &mut Vec<u8>, out: &mut [f32]) -> Result<()> {
        if out.len() != self.dim() {
            return Err(Error::Length { what: "values of a row", found: out.len(), expected: self.dim() });
        }
        if sample >= self.len() {
            return Err(Error::NoSuchSample { sample, count: self.len() });
        }
        Ok(self.rows.read_with(sample, bytes, out)?)
    }

    /// The normalisation that scales `samples` to a root mean square of 1. Its mean is 0, which keeps the directions of the vectors; its
    /// deviation is their root mean square.
    ///
    /// # Errors
    /// [`Error::NoSamples`], [`Error::NoSuchSample`].
    pub fn scale(&self, samples: &[u32]) -> Result<Normalisation> {
        if samples.is_empty() {
            return Err(Error::NoSamples { purpose: "take the mean of" });
        }
        let mut sum = 0.0;
        for sample in samples {
            let sample = *sample as usize;
            let square = self.squares.get(sample);
            sum += f64::from(*square.ok_or(Error::NoSuchSample { sample, count: self.len() })?);
        }
        let deviation = (sum / samples.len() as f64).sqrt() as f32;
        Ok(Normalisation { mean: vec![0.0], deviation: vec![deviation.max(f32::MIN_POSITIVE)] })
    }

    /// The set in an [`Arc`], as the loader requires.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

/// The parts in a column `split`.
fn parts(splits: &[String], path: &Path) -> Result<Vec<Part>> {
    let part = |(row, word): (usize, &String)| {
        part_named(word).ok_or_else(|| {
            let (column, found) = ("split".to_owned(), format!("{word:?}"));
            let mut expected = "train or test (or val)".to_owned();
            if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors")) {
                expected.push_str(
                    "; the tensor `split` cannot have words: remove it, and add a column `split` to NAME.names.csv",
                );
            }
            Problem::Cell { row, column, found, expected }.at(path)
        })
    };
    let mut parts = splits.iter().enumerate().map(part).collect::<std::result::Result<Vec<Part>, _>>()?;
    settle(parts.iter_mut());
    for (expected, name) in [(Part::Train, "train"), (Part::Test, "test")] {
        if !parts.contains(&expected) {
            let problem = format!("its column `split` has no row with `{name}`");
            return Err(Problem::Embeddings { problem, id: None }.at(path).into());
        }
    }
    Ok(parts)
}

/// A sentence on a column of the rows that is their label; an error if it has a name and was not chosen.
fn label_column<'a>(
    rows: &Rows,
    labels: impl Iterator<Item = &'a str>,
    columns: Option<&[String]>,
    chosen: bool,
) -> Result<Option<String>> {
    let mut found = LabelColumn::new(rows.dim());
    let mut values = vec![0.0; rows.dim()];
    for (row, label) in labels.enumerate() {
        rows.read_into(row, &mut values)?;
        found.add(&values, label);
        if found.is_settled() {
            break;
        }
    }
    Ok(found.warning(rows.path(), columns, chosen)?)
}

/// A sentence on columns of the rows that name groups.
fn group_columns(rows: &Rows, labels: &[u32], columns: Option<&[String]>) -> Result<Option<String>> {
    let mut found = GroupColumns::new(rows.dim());
    let mut values = vec![0.0; rows.dim()];
    for (row, label) in labels.iter().enumerate() {
        rows.read_into(row, &mut values)?;
        found.add(&values, *label);
        if found.is_settled() {
            break;
        }
    }
    Ok(found.warning(rows.path(), columns))
}

/// The mean square of each row, its digest, and a digest that finds equal rows. Rows of zeros and values that are not finite are errors.
fn checked(
    rows: &Rows,
    ids: Option<&[String]>,
    columns: Option<&[String]>,
) -> Result<Vec<(f32, u64, ContentDigest)>> {
    let bad = |row: usize, problem: String| {
        let id = ids.and_then(|ids| ids.get(row).cloned());
        Error::from(Problem::Embeddings { problem, id }.at(rows.path()))
    };
    let column_name = |at: usize| {
        columns.map_or_else(|| at.to_string(), |names| format!("`{}`", widemargin_tables::echo(&names[at])))
    };
    let part = |part: usize| {
        let first = part * CHECKED_AT_ONCE;
        let count = CHECKED_AT_ONCE.min(rows.rows() - first);
        let mut values = vec![0.0; count * rows.dim()];
        rows.read_into(first, &mut values)?;
        let (mut found, mut bytes) = (Vec::with_capacity(count), Vec::new());
        for (row, values) in (first..).zip(values.chunks_exact(rows.dim())) {
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                let (value, column) = (values[column], column_name(column));
                return Err(bad(
                    row,
                    format!("row {row} has {value} in column {column}; every value must be finite"),
                ));
            }
            let square =
                values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / rows.dim() as f64;
            if square == 0.0 {
                return Err(bad(row, format!("row {row} is all zeros; it has no direction")));
            }
            if square > f64::from(MOST_SQUARE) {
                let largest = |(_, a): &(usize, &f32), (_, b): &(usize, &f32)| a.abs().total_cmp(&b.abs());
                let (column, value) = values.iter().enumerate().max_by(largest).unwrap_or((0, &0.0));
                let column = column_name(column);
                return Err(bad(
                    row,
                    format!(
                        "row {row} has {value:e} in column {column}, expected at most {:e}; scale the values",
                        MOST_SQUARE.sqrt()
                    ),
                ));
            }
            let content = ContentDigest::of_row(values, &mut bytes);
            found.push((square as f32, digest_of_values(values), content));
        }
        Ok(found)
    };
    let parts = map_positions(0, rows.rows().div_ceil(CHECKED_AT_ONCE), part);
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: VectorOptions = VectorOptions {
        hold_out: 0.25,
        seed: 1,
        columns: None,
        label_column: None,
        order: None,
        across_cameras: false,
        held_out_camera: None,
    };

    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn open(text: &str) -> Result<VectorSet> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.csv");
        std::fs::write(&path, text).unwrap();
        VectorSet::open(&path, None, OPTIONS)
    }

    #[test]
    fn classes_are_sorted_and_rows_keep_their_order() {
        let set = open("id,label,x,y\na,10,3,4\nb,9,1,0\nc,10,0,2\nd,9,5,5\ne,8,1,1\n").unwrap();
        assert_eq!(set.class_names(), ["8", "9", "10"]);
        assert_eq!(set.labels(), [2, 1, 2, 1, 0]);
        assert_eq!((set.len(), set.dim(), set.name()), (5, 2, "vectors"));
        assert_eq!((set.sample_id(3), set.sample_id(9)), ("d".to_owned(), "row 9".to_owned()));
        assert_eq!(set.part(4), Part::Train, "the only row of a class is never held out");
        assert_eq!((0..5).filter(|row| set.part(*row) == Part::Test).count(), 2);
        let mut row = [0.0; 2];
        set.read_into(0, &mut row).unwrap();
        assert_eq!(row, [3.0, 4.0]);
        let scale = set.scale(&[0, 1]).unwrap();
        assert_eq!((scale.mean, scale.deviation), (vec![0.0], vec![(26.0_f32 / 4.0).sqrt()]));
        assert!(matches!(set.read_into(5, &mut row), Err(Error::NoSuchSample { .. })));
        assert!(matches!(set.read_into(0, &mut []), Err(Error::Length { .. })));
        assert!(matches!(set.scale(&[]), Err(Error::NoSamples { .. })));
        assert_eq!(set.digest(0), crate::digest::digest_of_values(&[3.0, 4.0]));
        let names = open("label,x\nb,1\nB,2\n9,3\n10,4\n").unwrap();
        assert_eq!(names.class_names(), ["10", "9", "B", "b"], "sorted by name if one is not a number");
    }

    #[test]
    fn cameras_are_used_if_they_are_asked_for_and_one_can_be_held_out() {
        const TEXT: &str = "label,camera,x\na,c1,1\na,c2,2\nb,c1,3\nb,c3,4\n";
        let with = |text: &str, across_cameras: bool, held_out: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors.csv");
            crate::testing::put(&path, text.as_bytes());
            let held_out_camera = held_out.map(str::to_owned);
            VectorSet::open(&path, None, VectorOptions { across_cameras, held_out_camera, ..OPTIONS })
        };
        let ignored = with(TEXT, false, None).unwrap();
        assert_eq!((ignored.cameras(), ignored.camera_names().len()), (None, 0));
        assert!(ignored.warnings().iter().any(|text| text.contains("The column `camera` is not used")));
        let across = with(TEXT, true, None).unwrap();
        assert_eq!(
            (across.cameras(), across.camera_names()),
            (Some(&[0, 1, 0, 2][..]), &["c1".to_owned(), "c2".into(), "c3".into()][..])
        );
        assert!(across.warnings().is_empty(), "{:?}", across.warnings());
        assert!((0..4).all(|row| !across.is_of_held_out_camera(row)));
        let held = with(TEXT, false, Some("c2")).unwrap();
        assert_eq!(
            (held.cameras(), held.camera_names()),
            (Some(&[1, 0, 1, 1][..]), &["c2".to_owned(), "not c2".into()][..])
        );
        assert_eq!([0, 1, 2, 3].map(|row| held.is_of_held_out_camera(row)), [false, true, false, false]);
        let said = |text: &str, held_out| with(text, true, held_out).unwrap_err().to_string();
        assert!(
            said(TEXT, Some("c4")).contains("no camera is called \"c4\"; expected one of c1, c2, c3"),
            "{}",
            said(TEXT, Some("c4"))
        );
        assert!(said("label,x\na,1\nb,2\n", None).contains("has no column `camera`"));
        assert!(said(&TEXT.replace("c3", ""), None).contains("camera"));
        assert!(said(&TEXT.replace("c3", "C1"), None).contains("differ only"));
    }

    #[test]
    fn the_columns_split_and_group_decide_the_parts() {
        let set = open("split,label,x\nTrain,a,1\nval,a,2\ntest,b,3\n").unwrap();
        assert_eq!([0, 1, 2].map(|row| set.part(row)), [Part::Train, Part::Validation, Part::Test]);
        let set = open("split,label,x\nTrain,a,1\nval,a,2\nval,b,3\n").unwrap();
        assert_eq!(set.part(1), Part::Test, "without a test part");
        let set = open("group,label,x\ng,a,1\ng,b,2\nh,a,3\nh,b,4\n").unwrap();
        let parts = [0, 1, 2, 3].map(|row| set.part(row));
        assert!(parts[0] == parts[1] && parts[2] == parts[3] && parts[0] != parts[2], "{parts:?}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn columns_get_the_order_of_a_model_if_they_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.csv");
        std::fs::write(&path, "label,y,x\na,1,2\nb,3,4\na,5,6\n").unwrap();
        let open = |order: &str| {
            let order = Some(order.split(' ').map(str::to_owned).collect());
            let set = VectorSet::open(&path, None, VectorOptions { order, ..OPTIONS }).unwrap();
            let mut row = [0.0; 2];
            set.read_into(0, &mut row).unwrap();
            (set.columns().unwrap().join(" "), row, set.digest(0))
        };
        let (names, row, digest) = open("x y");
        assert_eq!((names.as_str(), row), ("x y", [2.0, 1.0]));
        assert_eq!(digest, crate::digest::digest_of_values(&[2.0, 1.0]));
        for other in ["x z", "x", "y x"] {
            let (names, row, _) = open(other);
            assert_eq!((names.as_str(), row), ("y x", [1.0, 2.0]), "{other}");
        }
    }

    #[test]
    fn values_whose_differences_f32_loses_are_rejected() {
        let text = |offset: f64| {
            let rows = (0..20).map(|row| {
                let z = (f64::from(row) * 0.7).sin();
                format!("{},{},{}\n", row % 2, offset + z, offset - 2.0 * z)
            });
            std::iter::once("label,x,y\n".to_owned()).chain(rows).collect::<String>()
        };
        assert!(open(&text(1e4)).is_ok());
        let said = open(&text(1e8)).unwrap_err().to_string();
        assert!(said.contains("vectors.csv") && said.contains("subtract the mean of each column"), "{said}");
    }

    #[test]
    fn errors_name_file_and_row() {
        for (text, expected) in [
            ("x,y\n1,2\n", "has no labels"),
            ("x,label\n1,a\n2,a\n", "only one class (a)"),
            ("x,label\n1,a\n0,b\n", "row 1 is all zeros"),
            (
                "id,x,label\np,1,a\nq,inf,b\n",
                "row 1 has inf in column `x`; every value must be finite (the row's id is \"q\")",
            ),
            ("x,y,label\n1,1,a\n2,-1e20,b\n", "row 1 has -1e20 in column `y`, expected at most 1e15; scale"),
            ("x,label,split\n1,a,train\n2,b,both\n", "row 1 of column `split` holds \"both\""),
            ("x,label,split\n1,a,train\n2,b,train\n", "no row with `test`"),
        ] {
            let error = open(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("vectors.csv"), "{error}");
        }
        let options = VectorOptions { hold_out: 1.0, ..VectorOptions::default() };
        assert!(matches!(VectorSet::open("x.csv", None, options), Err(Error::Setting { .. })));
    }
}
