//! Tables of text from files with typed columns.

use super::super::error::Result;
use super::super::plausible::{Claims, FIELDS_PER_BYTE};
use super::super::text_table::TextTable;
use super::budget::{TextBudget, file_length};
use super::column_file::ColumnFile;
use super::pandas::PandasIndex;

/// The columns whose names are `wanted` and whose values can be written as text.
pub(super) fn texts(file: &dyn ColumnFile, wanted: &dyn Fn(&str) -> bool) -> Result<TextTable> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (at, column) in file.columns().iter().enumerate().filter(|(_, column)| wanted(&column.name)) {
        match column.kind.without_text() {
            // Columns that are left out are not read: lists can be long, and some types make a reader panic.
            None => kept.push(at),
            Some(why) => left_out.push((column.name.clone(), why)),
        }
    }
    if kept.is_empty() {
        return Ok(TextTable { columns: Vec::new(), rows: Vec::new(), lines: None, left_out });
    }
    let implausible = |reason: String| file.problem(reason).at(file.path());
    let mut fields = Claims::new("fields", FIELDS_PER_BYTE, file_length(file)?);
    let claimed = file.rows()?.saturating_mul(kept.len() as u64);
    fields.add(i64::try_from(claimed).unwrap_or(i64::MAX)).map_err(implausible)?;
    let mut budget = TextBudget::new(file)?;
    let mut columns: Vec<String> = kept.iter().map(|at| file.columns()[*at].name.clone()).collect();
    let (mut rows, mut not_texts) = (Vec::new(), vec![false; columns.len()]);
    file.each_row(&kept, &mut |cells| {
        let written = |(at, text): (usize, Option<String>)| {
            text.unwrap_or_else(|| {
                not_texts[at] = true;
                String::new()
            })
        };
        let row: Vec<String> = cells.iter().map(super::cells::Cell::text).enumerate().map(written).collect();
        budget.take(row.iter().map(String::len).sum())?;
        rows.push(row);
        Ok(true)
    })?;
    for at in (0..columns.len()).rev().filter(|at| not_texts[*at]) {
        left_out.push((columns.remove(at), "bytes that are not text"));
        for row in &mut rows {
            row.remove(at);
        }
    }
    Ok(TextTable { columns, rows, lines: None, left_out })
}

/// As [`texts`], with the index that pandas has recorded as a first column without a name, as in a `.csv`. An index with a name is a column already.
pub(super) fn texts_with_index(file: &dyn ColumnFile) -> Result<TextTable> {
    let mut table = texts(file, &|_| true)?;
    if let Some(at) = table.columns.iter().position(|name| name == "__index_level_0__") {
        table.columns[at].clear();
        table.columns[..=at].rotate_right(1);
        table.rows.iter_mut().for_each(|row| row[..=at].rotate_right(1));
    } else if let Some(numbers) = PandasIndex::of(file).numbers(table.rows.len()) {
        table.columns.insert(0, String::new());
        table.rows.iter_mut().zip(numbers).for_each(|(row, number)| row.insert(0, number));
    }
    Ok(table)
}
