//! `.safetensors`: named tensors after a checked header.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::numbers::{Kind, floats, integers};
use super::{EmbeddingTable, FileError, FileProblem, FileResult};

pub(super) fn embeddings(bytes: &[u8], path: &Path) -> FileResult<EmbeddingTable> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        FileProblem::Malformed { format: ".safetensors", reason: error.to_string() }.at(path)
    })?;
    let tensors = file.tensors();
    let named = |name: &str| tensors.iter().find(|(found, _)| found == name).map(|(_, tensor)| tensor);
    let matrix = |tensor: &TensorView<'_>| tensor.shape().len() == 2 && float_kind(tensor.dtype()).is_some();
    let mut matrices = tensors.iter().filter(|(_, tensor)| matrix(tensor)).map(|(_, tensor)| tensor);
    let ((Some(tensor), _, _) | (None, Some(tensor), None)) =
        (named("embeddings"), matrices.next(), matrices.next())
    else {
        let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        return Err(FileProblem::WhichTensor { found: names.join(", ") }.at(path));
    };
    let what = || "the tensor of embeddings".to_owned();
    let &[rows, dim] = tensor.shape() else {
        let found = tensor.shape().to_vec();
        return Err(FileProblem::Shape { what: what(), found, wanted: "a matrix [rows, dimension]" }.at(path));
    };
    let data =
        float_kind(tensor.dtype()).and_then(|kind| floats(tensor.data(), kind, false)).ok_or_else(|| {
            let found = format!("{:?}", tensor.dtype());
            FileProblem::NumberType { what: what(), found, wanted: "F16, BF16, F32 or F64" }.at(path)
        })?;
    let list = |name| named(name).map(|tensor| whole_numbers(tensor, name, rows, path)).transpose();
    let text = |numbers: Vec<i128>| numbers.iter().map(ToString::to_string).collect();
    let cameras = list("cameras")?.map(|numbers| cameras(&numbers, path)).transpose()?;
    Ok(EmbeddingTable {
        path: path.to_owned(),
        data,
        rows,
        dim,
        labels: list("labels")?.map(text),
        ids: list("ids")?.map(text),
        cameras,
    })
}

fn cameras(numbers: &[i128], path: &Path) -> Result<Vec<u32>, FileError> {
    let number = |(row, &number): (usize, &i128)| {
        u32::try_from(number).map_err(|_| {
            let (column, found) = ("cameras".to_owned(), number.to_string());
            FileProblem::Cell { row, column, found, wanted: "a number from 0 to 4294967295".to_owned() }
                .at(path)
        })
    };
    numbers.iter().enumerate().map(number).collect()
}

fn whole_numbers(tensor: &TensorView<'_>, name: &str, rows: usize, path: &Path) -> FileResult<Vec<i128>> {
    let what = || format!("the tensor `{name}`");
    if tensor.shape() != [rows] {
        let found = tensor.shape().to_vec();
        return Err(
            FileProblem::Shape { what: what(), found, wanted: "one number a row of embeddings" }.at(path)
        );
    }
    let kind = match tensor.dtype() {
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
    kind.and_then(|kind| integers(tensor.data(), kind, false)).ok_or_else(|| {
        let found = format!("{:?}", tensor.dtype());
        FileProblem::NumberType { what: what(), found, wanted: "whole numbers" }.at(path)
    })
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
