//! `.safetensors`: a header and named tensors.

use std::fs::File;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::about::About;
use super::error::{Problem, Result};
use super::mark::{KEY, ModelMark};
use super::numbers::{Kind, integers};
use super::rows::{Layout, Rows, read_exact_at};
use super::table::OpenTable;

/// Longest header that the format allows, in bytes.
const MOST_HEADER: u64 = 100_000_000;

/// A file whose header has been read.
struct Tensors<'a> {
    file: File,
    path: &'a Path,
    /// The position of the first byte after the header.
    start: u64,
    metadata: Metadata,
}

/// The rows, which stay in the file, and the labels, ids and cameras.
pub(super) fn open(file: File, path: &Path) -> Result<OpenTable> {
    let file = Tensors::open(file, path)?;
    let named = |name: &str| file.metadata.info(name);
    let all = file.metadata.tensors();
    let matrix = |tensor: &&TensorInfo| tensor.shape.len() == 2 && float_kind(tensor.dtype).is_some();
    let mut matrices = all.values().copied().filter(matrix);
    let ((Some(tensor), _, _) | (None, Some(tensor), None)) =
        (named("embeddings"), matrices.next(), matrices.next())
    else {
        let mut found: Vec<String> = all.keys().cloned().collect();
        found.sort_unstable();
        return Err(Problem::WhichTensor { found }.at(path));
    };
    let what = || "the tensor of embeddings".to_owned();
    let &[rows, dim] = tensor.shape.as_slice() else {
        let found = tensor.shape.clone();
        return Err(Problem::Shape { what: what(), found, expected: "a matrix [rows, dimension]" }.at(path));
    };
    let kind = float_kind(tensor.dtype).ok_or_else(|| {
        let found = format!("{:?}", tensor.dtype);
        Problem::NumberType { what: what(), found, expected: "F16, BF16, F32 or F64" }.at(path)
    })?;
    let list = |name| named(name).map(|tensor| file.whole_numbers(tensor, name, rows)).transpose();
    let text = |numbers: Vec<i128>| numbers.iter().map(ToString::to_string).collect();
    let about = About {
        labels: list("labels")?.map(text),
        ids: list("ids")?.map(text),
        cameras: list("cameras")?.map(text),
        splits: None,
        groups: list("groups")?.map(text),
    };
    let offset = file.start + tensor.data_offsets.0 as u64;
    let layout = Layout { offset, kind, big: false, rows, dim };
    let mark = file.metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let mark = mark.map(|text| ModelMark::from_text(text)).transpose();
    let mark = mark.map_err(|reason| Problem::Malformed { format: ".safetensors", reason }.at(path))?;
    Ok(OpenTable { mark, ..OpenTable::new(Rows::in_file(path, file.file, layout), about) })
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
