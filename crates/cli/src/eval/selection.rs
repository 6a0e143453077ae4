//! Selects the rows of a set that belong to one part of a split file, and leaves out those with ignored labels.
//!
//! The classes are divided as `train --split` does: a class with a row in `train` is known, a class with rows in `test` only is unseen. With fewer
//! than two unseen classes the set is closed, and the known classes are evaluated.

use anyhow::{Context, ensure};
use clap::ValueEnum;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use widemargin_data::{SplitFile, SplitPart};
use widemargin_tables::{EmbeddingTable, RowNames, echo};

/// A part of a split file, to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvaluatedPart {
    /// The evaluation set of the run: rows of unseen classes, or held-out rows of known classes if none is unseen
    Test,
    /// Held-out rows of known classes
    HeldOut,
    /// Rows of the validation part
    Validation,
    /// Rows that the run was trained on
    Train,
}

/// The rows of a table that were selected.
pub(crate) struct Selection {
    /// Their positions in the table, in ascending order.
    pub(crate) rows: Vec<usize>,
    /// Number of rows of the table.
    pub(crate) of: usize,
    /// Ids of all rows of the table, if it has ids.
    pub(crate) ids: Option<Vec<String>>,
    /// The selection in words.
    pub(crate) name: String,
}

/// Keeps the rows of a part. The samples of the split file are the ids of the rows; `row 7` is a row of a table without ids.
pub(crate) fn select(
    table: &mut EmbeddingTable,
    split: &Path,
    part: EvaluatedPart,
) -> anyhow::Result<Selection> {
    let labels = table.about.all_labels(&table.path)?;
    let parts = parts(table, labels, split)?;
    let classes_in = |part: SplitPart| -> HashSet<&str> {
        labels.iter().zip(&parts).filter(|(_, of)| **of == part).map(|(label, _)| label.as_str()).collect()
    };
    let (known, held_out) = (classes_in(SplitPart::Train), classes_in(SplitPart::Test));
    let closed = held_out.difference(&known).count() < 2;
    let is_wanted = |row: &usize| match part {
        EvaluatedPart::Test => {
            parts[*row] == SplitPart::Test && known.contains(labels[*row].as_str()) == closed
        }
        EvaluatedPart::HeldOut => parts[*row] == SplitPart::Test && known.contains(labels[*row].as_str()),
        EvaluatedPart::Validation => parts[*row] == SplitPart::Validation,
        EvaluatedPart::Train => parts[*row] == SplitPart::Train,
    };
    let rows: Vec<usize> = (0..table.rows).filter(is_wanted).collect();
    let name = part.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    ensure!(
        !rows.is_empty(),
        "--part {name}: no row of {} is in this part of {}",
        table.path.display(),
        split.display()
    );
    let selection = Selection {
        of: table.rows,
        ids: table.about.ids.clone(),
        name: format!("part {name} of {}", split.display()),
        rows,
    };
    keep(table, &selection.rows);
    Ok(selection)
}

/// The part of each row.
fn parts(table: &EmbeddingTable, labels: &[String], path: &Path) -> anyhow::Result<Vec<SplitPart>> {
    let file = SplitFile::read(path)?;
    let numbered = |row: usize| format!("row {row}");
    // `embed` gives the rows of a table without ids their numbers as ids.
    let counts = |ids: &Vec<String>| ids.iter().enumerate().all(|(row, id)| *id == row.to_string());
    let by_number = file.samples().iter().all(|(sample, _)| sample.starts_with("row "));
    let ids = match &table.about.ids {
        Some(ids) if !(by_number && counts(ids)) => ids.clone(),
        _ => (0..table.rows).map(numbered).collect(),
    };
    let samples = RowNames::read(path, "part")?.in_order_of_ids("sample", &ids, &table.path)?;
    let classes: HashMap<&str, &str> =
        ids.iter().map(String::as_str).zip(labels.iter().map(String::as_str)).collect();
    file.require_rows(path, |sample| classes.get(sample).copied())?;
    let names: HashSet<&str> = labels.iter().map(String::as_str).collect();
    file.require_labels(path, |sample| classes.get(sample).copied(), |label| names.contains(label))?;
    let parts: HashMap<&str, SplitPart> =
        file.samples().iter().map(|(sample, part)| (sample.as_str(), *part)).collect();
    let part = |sample: &String| {
        parts
            .get(sample.as_str())
            .copied()
            .with_context(|| format!("{}: has no part for the sample \"{}\"", path.display(), echo(sample)))
    };
    samples.required("sample")?.iter().map(part).collect()
}

/// Leaves out the rows with an ignored label and counts them in `ignored`. The selection, which may be one already, then has the other rows.
pub(crate) fn leave_out(
    table: &mut EmbeddingTable,
    ignored: &mut [(String, usize)],
    selection: Option<Selection>,
) -> anyhow::Result<Option<Selection>> {
    let Some(labels) = table.about.labels.as_ref().filter(|_| !ignored.is_empty()) else {
        return Ok(selection);
    };
    let mut without = Vec::new();
    for (name, found) in ignored.iter_mut() {
        let rows = labels.iter().filter(|label| *label == name).count();
        *found += rows;
        if rows > 0 {
            let what = if rows == 1 { "row" } else { "rows" };
            without.push(format!("{rows} {what} with the label \"{}\"", echo(name)));
        }
    }
    if without.is_empty() {
        return Ok(selection);
    }
    let is_ignored = |row: &usize| ignored.iter().any(|(name, _)| *name == labels[*row]);
    let kept: Vec<usize> = (0..table.rows).filter(|row| !is_ignored(row)).collect();
    ensure!(!kept.is_empty(), "--ignore: no row of {} has another label", table.path.display());
    let without = format!("without {}", without.join(" and "));
    let selection = match selection {
        Some(Selection { rows, of, ids, name }) => Selection {
            rows: kept.iter().map(|row| rows[*row]).collect(),
            name: format!("{name}, {without}"),
            of,
            ids,
        },
        None => Selection { of: table.rows, ids: table.about.ids.clone(), name: without, rows: kept.clone() },
    };
    keep(table, &kept);
    Ok(Some(selection))
}

/// Removes all other rows.
fn keep(table: &mut EmbeddingTable, rows: &[usize]) {
    let dim = table.dim;
    for values in std::iter::once(&mut table.data).chain(&mut table.rests) {
        *values = rows.iter().flat_map(|row| &values[row * dim..][..dim]).copied().collect();
    }
    let about = &mut table.about;
    let columns =
        [&mut about.ids, &mut about.labels, &mut about.cameras, &mut about.splits, &mut about.groups];
    for column in columns.into_iter().flatten() {
        *column = rows.iter().map(|row| std::mem::take(&mut column[*row])).collect();
    }
    table.rows = rows.len();
}
