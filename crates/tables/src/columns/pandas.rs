//! The index that pandas records in the metadata of a file.

use super::column_file::ColumnFile;

/// The index of a data frame.
#[derive(Default)]
pub(super) struct PandasIndex {
    /// Names of stored columns.
    pub(super) columns: Vec<String>,
    /// The start, stop and step of an index of numbers that is not stored.
    range: Option<[i64; 3]>,
}

impl PandasIndex {
    pub(super) fn of(file: &dyn ColumnFile) -> Self {
        #[derive(serde::Deserialize)]
        struct Pandas {
            /// Names, and objects for indices that are not stored.
            index_columns: Vec<serde_json::Value>,
        }
        let recorded = file.metadata("pandas").and_then(|text| serde_json::from_str::<Pandas>(text).ok());
        let all = recorded.map(|pandas| pandas.index_columns).unwrap_or_default();
        let columns = all.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let range = match all.as_slice() {
            [one] if one["kind"] == "range" => {
                let number = |key: &str| one[key].as_i64();
                number("start").zip(number("stop")).zip(number("step")).map(|((a, b), c)| [a, b, c])
            }
            _ => None,
        };
        Self { columns, range }
    }

    /// The numbers of an index that is not stored, as pandas would write them to a `.csv`. If they do not fit the number of rows, another program
    /// has changed the table, and pandas does not use them either.
    pub(super) fn numbers(&self, rows: usize) -> Option<Vec<String>> {
        let [start, stop, step] = self.range.map(|range| range.map(i128::from))?;
        let count = i128::try_from(rows).ok().filter(|count| *count > 0)?;
        let last = start + (count - 1) * step;
        let fits = (step > 0 && last < stop && last + step >= stop)
            || (step < 0 && last > stop && last + step <= stop);
        fits.then(|| (0..count).map(|row| (start + row * step).to_string()).collect())
    }
}
