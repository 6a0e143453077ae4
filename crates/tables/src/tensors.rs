//! `.safetensors`: a header and named tensors.

use std::fs::File;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::about::About;
use super::arrays::{ArrayInfo, Chosen, TENSORS, choose};
use super::echo::{echo, first_names};
use super::error::{Problem, Result};
use super::mark::{KEY, ModelMark};
use super::numbers::{Kind, integers};
use super::pattern::ChosenColumns;
use super::rows::{Layout, Rows, read_exact_at};
use super::table::OpenTable;

/// Longest header that the format allows, in bytes.
const MOST_HEADER: u64 = 100_000_000;

/// Most unused tensors that a sentence names.
const MOST_NAMED: usize = 10;

/// A file whose header has been read.
struct Tensors<'a> {
    file: File,
    path: &'a Path,
    /// The position of the first byte after the header.
    start: u64,
    metadata: Metadata,
}

/// The rows, which stay in the file, and the labels, ids, cameras, parts and groups.
pub(super) fn open(file: File, path: &Path, chosen: &ChosenColumns) -> Result<OpenTable> {
    let file = Tensors::open(file, path)?;
    let all = file.metadata.tensors();
    let mut arrays: Vec<ArrayInfo> = all
        .iter()
        .map(|(name, tensor)| ArrayInfo {
            name: name.clone(),
            shape: tensor.shape.clone(),
            is_float: float_kind(tensor.dtype).is_some(),
        })
        .collect();
    arrays.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let Chosen { embeddings, about, others } =
        choose(&arrays, &TENSORS, chosen).map_err(|problem| problem.at(path))?;
    let tensor = all[&arrays[embeddings].name];
    let what = || "the tensor of embeddings".to_owned();
    let &[rows, dim] = tensor.shape.as_slice() else {
        let found = tensor.shape.clone();
        return Err(Problem::Shape { what: what(), found, expected: "a matrix [rows, dimension]" }.at(path));
    };
    let kind = float_kind(tensor.dtype).ok_or_else(|| {
        let found = format!("{:?}", tensor.dtype);
        Problem::NumberType { what: what(), found, expected: "F16, BF16, F32 or F64" }.at(path)
    })?;
    let list = |at: Option<usize>| -> Result<Option<Vec<String>>> {
        let Some(array) = at.map(|at| &arrays[at]) else { return Ok(None) };
        let numbers = file.whole_numbers(all[&array.name], &array.name, rows)?;
        Ok(Some(numbers.iter().map(ToString::to_string).collect()))
    };
    let [labels, ids, cameras, splits, groups] = about;
    let about = About {
        labels: list(labels)?,
        ids: list(ids)?,
        cameras: list(cameras)?,
        splits: list(splits)?,
        groups: list(groups)?,
    };
    let unused = (!others.is_empty()).then(|| {
        format!(
            "{}: the tensors other than the embeddings, labels, ids, cameras, splits and groups are not used: {}.",
            path.display(),
            first_names(others.iter().map(|at| echo(&arrays[*at].name)), MOST_NAMED)
        )
    });
    let offset = file.start + tensor.data_offsets.0 as u64;
    let layout = Layout { offset, kind, big: false, rows, dim };
    let mark = file.metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let mark = mark.map(|text| ModelMark::from_text(text)).transpose();
    let mark = mark.map_err(|reason| Problem::Malformed { format: ".safetensors", reason }.at(path))?;
    let notes = unused.into_iter().collect();
    Ok(OpenTable { mark, notes, ..OpenTable::new(Rows::in_file(path, file.file, layout), about) })
}

impl<'a> Tensors<'a> {
    /// Reads the header with the checks of the `safetensors` crate, and rejects a file that does not end with the last tensor.
    fn open(file: File, path: &'a Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| Problem::Read(error.to_string()).at(path);
        let malformed = |reason: String| Problem::Malformed { format: ".safetensors", reason }.at(path);
        let length = file.metadata().map_err(unreadable)?.len();
        let mut count = [0; 8];
        if length < 8 {
            return Err(malformed("it ends within its header".to_owned()));
        }
        read_exact_at(&file, &mut count, 0).map_err(unreadable)?;
        let count = u64::from_le_bytes(count);
        if count > MOST_HEADER.min(length - 8) {
            return Err(malformed(format!("the header claims {count} bytes in a file of {length}")));
        }
        let mut header = vec![0; count as usize];
        read_exact_at(&file, &mut header, 8).map_err(unreadable)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| malformed(format!("its header: {error}")))?;
        let end = metadata.tensors().values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0);
        if 8 + count + end as u64 != length {
            let expected = 8 + count + end as u64;
            return Err(malformed(format!("the file has {length} bytes, but its tensors end at {expected}")));
        }
        Ok(Self { file, path, start: 8 + count, metadata })
    }

    fn bytes(&self, tensor: &TensorInfo) -> Result<Vec<u8>> {
        let (from, to) = tensor.data_offsets;
        let mut bytes = vec![0; to - from];
        read_exact_at(&self.file, &mut bytes, self.start + from as u64)
            .map_err(|error| Problem::Read(error.to_string()).at(self.path))?;
        Ok(bytes)
    }

    fn whole_numbers(&self, tensor: &TensorInfo, name: &str, rows: usize) -> Result<Vec<i128>> {
        let (what, path) = (|| format!("the tensor `{name}`"), self.path);
        if tensor.shape != [rows] {
            let found = tensor.shape.clone();
            return Err(
                Problem::Shape { what: what(), found, expected: "one value per row of embeddings" }.at(path)
            );
        }
        let kind = match tensor.dtype {
            Dtype::U8 => Some(Kind::Unsigned(1)),
            Dtype::U16 => Some(Kind::Unsigned(2)),
            Dtype::U32 => Some(Kind::Unsigned(4)),
            Dtype::U64 => Some(Kind::Unsigned(8)),
            Dtype::I8 => Some(Kind::Signed(1)),
            Dtype::I16 => Some(Kind::Signed(2)),
            Dtype::I32 => Some(Kind::Signed(4)),
            Dtype::I64 => Some(Kind::Signed(8)),
            _ => None,
        };
        let kind = kind.ok_or_else(|| {
            let found = format!("{:?}", tensor.dtype);
            Problem::NumberType { what: what(), found, expected: "whole numbers" }.at(path)
        })?;
        Ok(integers(&self.bytes(tensor)?, kind, false).expect("an integer type"))
    }
}

fn float_kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::Brain),
        Dtype::F32 => Some(Kind::Single),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}
