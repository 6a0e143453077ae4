//! The checksum of a model file, inside its metadata.
//!
//! It is the CRC-32 (IEEE) of the text of the metadata, with eight zeros in place of the checksum, followed by the tensors in the order of
//! their names: name, a zero byte, type, shape as 64-bit little-endian integers, bytes. It depends on the content and not on the layout of
//! the file, so a program that copies metadata and tensors keeps it valid.

use safetensors::tensor::{SafeTensors, TensorView};

/// What precedes the eight hexadecimal digits in the text of the metadata.
const FIELD: &str = "\"crc32\":\"";
/// The digits before the checksum is known.
pub const UNKNOWN: &str = "00000000";

/// Puts the checksum of `text` and the tensors in place of [`UNKNOWN`] in the field `crc32` of `text`.
///
/// # Panics
/// If the text has no such field.
pub(crate) fn sealed<'a>(text: &str, tensors: impl Iterator<Item = (&'a str, &'a TensorView<'a>)>) -> String {
    let digits = digits(text).filter(|(_, found)| *found == UNKNOWN);
    let (at, _) = digits.expect("the caller leaves room for the checksum");
    let found = checksum(text, at, tensors);
    format!("{}{found:08x}{}", &text[..at], &text[at + UNKNOWN.len()..])
}

/// Compares the checksum in `text`, the metadata of `file`, with the content. A text without a checksum passes: the field is optional.
///
/// # Errors
/// A sentence, if the content has changed since the checksum was computed.
pub fn check(text: &str, file: &SafeTensors<'_>) -> Result<(), String> {
    let Some((at, stored)) = digits(text) else {
        return if text.contains("crc32") { Err(damaged("unreadable")) } else { Ok(()) };
    };
    let mut tensors = file.tensors();
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    let found = checksum(text, at, tensors.iter().map(|(name, view)| (name.as_str(), view)));
    if format!("{found:08x}") == stored { Ok(()) } else { Err(damaged(stored)) }
}

fn damaged(stored: &str) -> String {
    format!(
        "damaged, or changed by another program: the content does not fit its checksum ({stored}); use an intact copy, or remove the field `crc32` \
from the metadata if the change is on purpose"
    )
}

/// Position and text of the digits of the checksum.
fn digits(text: &str) -> Option<(usize, &str)> {
    let at = text.find(FIELD)? + FIELD.len();
    let digits = text.get(at..at + UNKNOWN.len())?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some((at, digits))
}

fn checksum<'a>(
    text: &str,
    digits: usize,
    tensors: impl Iterator<Item = (&'a str, &'a TensorView<'a>)>,
) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for piece in [&text[..digits], UNKNOWN, &text[digits + UNKNOWN.len()..]] {
        crc.update(piece.as_bytes());
    }
    for (name, view) in tensors {
        crc.update(name.as_bytes());
        crc.update(&[0]);
        crc.update(format!("{:?}", view.dtype()).as_bytes());
        for size in view.shape() {
            crc.update(&(*size as u64).to_le_bytes());
        }
        crc.update(view.data());
    }
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::Dtype;
    use std::collections::HashMap;

    const METADATA_KEY: &str = "widemargin";

    fn text_of(bytes: &[u8]) -> Result<(String, SafeTensors<'_>), String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY)).cloned();
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        Ok((text.ok_or("no metadata")?, file))
    }

    fn checked(bytes: &[u8]) -> Result<(), String> {
        let (text, file) = text_of(bytes)?;
        check(&text, &file)
    }

    fn file() -> Vec<u8> {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (first, second) = (bytes(&[2.0]), bytes(&[0.5, -1.0, 3.0, 1e-20, 0.0, 7.0]));
        let views = [("a", vec![1], &first), ("b", vec![2, 3], &second)].map(|(name, shape, bytes)| {
            (name, TensorView::new(Dtype::F32, shape, bytes).expect("shape and length match"))
        });
        let text = format!("{{\"version\":1,\"crc32\":\"{UNKNOWN}\",\"objective\":\"s = 30\"}}");
        let text = sealed(&text, views.iter().map(|(name, view)| (*name, view)));
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
        safetensors::serialize(views, Some(metadata)).expect("two tensors")
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_changes_nothing() {
        let good = file();
        checked(&good).expect("intact");
        let content = |bytes: &[u8]| {
            let file = SafeTensors::deserialize(bytes).ok()?;
            let mut tensors: Vec<_> = file
                .tensors()
                .into_iter()
                .map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
                .collect();
            tensors.sort();
            Some(tensors)
        };
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if checked(&bad).is_ok() {
                assert_eq!(content(&bad), content(&good), "bit {bit}");
            }
        }
    }

    #[test]
    fn another_layout_passes_and_a_missing_checksum_too() {
        let good = file();
        let (text, file) = text_of(&good).expect("intact");
        let metadata =
            HashMap::from([(METADATA_KEY.to_owned(), text.clone()), ("by".to_owned(), "another".to_owned())]);
        let again = safetensors::serialize(file.tensors(), Some(metadata)).expect("the same tensors");
        assert_ne!(again, good);
        checked(&again).expect("the same content");
        check("{\"version\":1}", &file).expect("a file without a checksum");
        let error = check(&text.replace("s = 30", "s = 31"), &file).expect_err("another objective");
        assert!(error.contains("damaged") && error.contains("crc32"), "{error}");
        assert!(check("{\"crc32\": 5}", &file).is_err());
    }
}
