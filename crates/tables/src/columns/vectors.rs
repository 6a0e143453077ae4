//! Tables of embeddings from files with typed columns: the same columns as a `.csv`, or a column `embedding` of lists.
//!
//! Rows are read one by one, so memory is a part of the file and the matrix.

use super::super::about::{Columns, require_different};
use super::super::error::{Error, Problem, Result};
use super::super::mark::{self, ModelMark};
use super::super::memory;
use super::super::numbers::{Precise, RANGE, out_of_range};
use super::super::pattern::{ChosenColumns, is_sample_weight, most_alike};
use super::super::rows::Rows;
use super::super::table::OpenTable;
use super::budget::TextBudget;
use super::cells::Cell;
use super::column_file::{ColumnFile, Kind};
use super::images::has_images;
use super::pandas::PandasIndex;

/// The place of an unexpected value, for errors.
struct Wrong<'a> {
    file: &'a dyn ColumnFile,
    row: usize,
}

impl Wrong<'_> {
    fn cell(&self, at: usize, found: impl ToString, expected: impl Into<String>) -> Error {
        self.column(self.file.columns()[at].name.clone(), found, expected)
    }

    fn column(&self, column: String, found: impl ToString, expected: impl Into<String>) -> Error {
        let (found, expected) = (found.to_string(), expected.into());
        Problem::Cell { row: self.row, column, found, expected }.at(self.file.path())
    }
}

/// The columns of the embedding: one of lists, or several of numbers.
enum Embedding {
    List(usize),
    Numbers(super::super::about::Values),
}

impl Embedding {
    fn columns(&self) -> &[usize] {
        match self {
            Self::List(at) => std::slice::from_ref(at),
            Self::Numbers(values) => &values.columns,
        }
    }

    /// The name of a value, for errors.
    fn name(&self, nth: usize, names: &[String]) -> String {
        match self {
            Self::List(at) => format!("{}[{nth}]", names[*at]),
            Self::Numbers(values) => names[values.columns[nth]].clone(),
        }
    }
}

pub(super) fn open(file: &dyn ColumnFile, chosen: &ChosenColumns) -> Result<OpenTable> {
    let path = file.path();
    let at_path = |problem: Problem| problem.at(path);
    let names = file.names();
    require_different(names.iter()).map_err(at_path)?;
    let index = PandasIndex::of(file);
    let columns = Columns::find(&names, &index.columns, chosen.label.as_deref()).map_err(at_path)?;
    let embedding = embedding(file, &names, &columns, chosen).map_err(at_path)?;
    let width = embedding.columns().len() * 2 * size_of::<f32>() + size_of::<String>();
    memory::require(file.rows()?.into(), width as u128, path)?;
    let mut texts = TextBudget::new(file)?;
    // Lists and groups that are neither the embedding nor should be names are not read.
    let mut is_unknown = vec![false; names.len()];
    columns.others(names.len()).for_each(|at| is_unknown[at] = true);
    let is_read = |at: &usize| {
        let is_text = file.columns()[*at].kind.without_text().is_none();
        is_text || !is_unknown[*at] || embedding.columns().contains(at)
    };
    let read: Vec<usize> = (0..names.len()).filter(is_read).collect();
    let mut place = vec![None; names.len()];
    read.iter().enumerate().for_each(|(nth, at)| place[*at] = Some(nth));
    let (mut data, mut rows, mut dim) = (Precise::default(), 0, 0);
    let (mut about, mut row) = (columns.about(), Vec::new());
    let mut keys = columns.keys(&names, embedding.columns());
    file.each_row(&read, &mut |cells| {
        let wrong = Wrong { file, row: rows };
        let cell = |at: usize| place[at].map_or(&Cell::Null, |nth| &cells[nth]);
        row.clear();
        match &embedding {
            Embedding::List(at) => {
                let Cell::List(found) = cell(*at) else {
                    return Err(wrong.cell(*at, cell(*at), "a list of numbers"));
                };
                for value in found {
                    row.push(value.number().ok_or_else(|| wrong.cell(*at, value, "a number"))?);
                }
            }
            Embedding::Numbers(values) => {
                for &at in &values.columns {
                    row.push(cell(at).number().ok_or_else(|| wrong.cell(at, cell(at), "a number"))?);
                }
            }
        }
        if let Some((nth, value)) = out_of_range(&row) {
            return Err(wrong.column(embedding.name(nth, &names), value, RANGE));
        }
        if rows == 0 {
            dim = row.len();
        }
        if row.len() != dim || dim == 0 {
            let expected = if dim == 0 { "at least one".to_owned() } else { format!("{dim} as in row 0") };
            let found = format!("{} values", row.len());
            return Err(wrong.cell(embedding.columns()[0], found, expected));
        }
        for value in &row {
            data.push(*value);
        }
        columns.add(&mut about, |at| {
            let name = cell(at).name().ok_or_else(|| wrong.cell(at, cell(at), "a name"))?;
            texts.take(name.len())?;
            Ok::<_, Error>(name)
        })?;
        keys.add(|at| {
            let text = place[at].and_then(|nth| cells[nth].text());
            texts.take(text.as_ref().map_or(0, String::len))?;
            Ok::<_, Error>(text)
        })?;
        rows += 1;
        Ok(true)
    })?;
    if let Some(numbers) = index.numbers(rows) {
        match &about.ids {
            None => about.ids = Some(numbers),
            Some(_) => keys.push("", numbers),
        }
    }
    columns.finish(&mut about, &mut keys, &names);
    keys.finish();
    if rows == 0 {
        return Err(Problem::Empty.at(path));
    }
    let columns = match &embedding {
        Embedding::List(_) => None,
        Embedding::Numbers(values) => {
            values.require_no_counting(&names, &data).map_err(at_path)?;
            Some(values.names(&names))
        }
    };
    let mark = file.metadata(mark::KEY).map(ModelMark::from_text).transpose();
    let mark = mark.map_err(|reason| file.problem(reason).at(path))?;
    Ok(OpenTable { columns, mark, keys, ..OpenTable::new(Rows::precise(path, rows, dim, data), about) })
}

/// A column of lists, `embedding` or the one that was chosen; else columns of numbers.
fn embedding(
    file: &dyn ColumnFile,
    names: &[String],
    columns: &Columns,
    chosen: &ChosenColumns,
) -> Result<Embedding, Problem> {
    let is_list = |at: &usize| matches!(file.columns()[*at].kind, Kind::List | Kind::Group { .. });
    let named = names.iter().position(|name| name.eq_ignore_ascii_case("embedding")).filter(is_list);
    if let (Some(at), None) = (named, &chosen.embedding) {
        require_alone(file, at, names, columns)?;
        return Ok(Embedding::List(at));
    }
    let values = columns.values(names, chosen.embedding.as_ref());
    let candidates = match (&values, &chosen.embedding) {
        (Ok(values), _) => values.columns.clone(),
        (Err(_), None) => columns.others(names.len()).collect(),
        (Err(_), Some(_)) => Vec::new(),
    };
    if let Some(at) = candidates.into_iter().find(|at| has_images(file, *at)) {
        return Err(Problem::ImageColumn { column: names[at].clone() });
    }
    let values = values?;
    match values.columns.as_slice() {
        [at] if is_list(at) => Ok(Embedding::List(*at)),
        several => match several.iter().find(|at| is_list(at)) {
            Some(at) => Err(Problem::ListColumn { list: names[*at].clone() }),
            None => Ok(Embedding::Numbers(values)),
        },
    }
}

/// Rejects numeric columns next to the lists of embeddings that could be the embedding as well, and sample weights. Other numbers, such as an age,
/// are not part of the embedding.
fn require_alone(
    file: &dyn ColumnFile,
    list: usize,
    names: &[String],
    columns: &Columns,
) -> Result<(), Problem> {
    let others: Vec<usize> = columns.others(names.len()).filter(|at| *at != list).collect();
    if let Some(weight) = others.iter().map(|at| &names[*at]).find(|name| is_sample_weight(name)) {
        let advice = "rename it, or choose the column of lists with --columns".to_owned();
        return Err(Problem::SampleWeights { column: weight.clone(), advice });
    }
    let floats = others.iter().filter(|at| file.columns()[**at].kind == Kind::Float);
    let numbers: Vec<&str> = floats.map(|at| names[*at].as_str()).collect();
    match most_alike(&numbers) {
        found if found.len() > 1 => {
            let numbers = found.into_iter().map(str::to_owned).collect();
            Err(Problem::ListAndNumbers { list: names[list].clone(), numbers })
        }
        _ => Ok(()),
    }
}
