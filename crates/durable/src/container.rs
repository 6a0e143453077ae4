//! A common frame for our binary formats, with kind, version, length and checksums.
//!
//! Little-endian, 48 bytes before the payload (a multiple of 16, so that a payload of floats stays aligned in a
//! mapped or aligned buffer):
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | magic `89 57 4d 52 47 0d 0a 1a`: a byte above 127, `WMRG`, both line endings, end-of-file; a transfer as text damages it |
//! | 8 | 4 | version of this frame, 1 |
//! | 12 | 4 | version of the payload's format |
//! | 16 | 16 | kind of payload, ASCII, padded with zeros |
//! | 32 | 8 | length of the payload |
//! | 40 | 4 | CRC-32 (IEEE) of the payload |
//! | 44 | 4 | CRC-32 (IEEE) of bytes 0 to 43 |
//! | 48 | | the payload, and nothing after it |
//!
//! CRC-32 detects every flipped bit and every burst of up to 32 bits. It does not protect against forgery.

use std::path::Path;

use crate::read::read_file;
use crate::{Error, Result, write_atomic};

const MAGIC: [u8; 8] = *b"\x89WMRG\r\n\x1a";
const FRAME_VERSION: u32 = 1;
const KIND_BYTES: usize = 16;
const CRC_OFFSET: usize = 44;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 48;

/// Adds the frame to `payload`.
///
/// `kind` names the format (`"checkpoint"`, `"gallery"`), `version` its version.
///
/// # Panics
/// If `kind` is empty, longer than 16 bytes or not printable ASCII: it is a constant of the program.
pub fn seal(kind: &str, version: u32, payload: &[u8]) -> Vec<u8> {
    assert!(
        (1..=KIND_BYTES).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_graphic()),
        "kind {kind:?} is not 1 to {KIND_BYTES} printable ASCII characters"
    );
    let mut kind_field = [0; KIND_BYTES];
    kind_field[..kind.len()].copy_from_slice(kind.as_bytes());

    let mut sealed = Vec::with_capacity(HEADER_BYTES + payload.len());
    sealed.extend(MAGIC);
    sealed.extend(FRAME_VERSION.to_le_bytes());
    sealed.extend(version.to_le_bytes());
    sealed.extend(kind_field);
    sealed.extend((payload.len() as u64).to_le_bytes());
    sealed.extend(crc32fast::hash(payload).to_le_bytes());
    let header_crc = crc32fast::hash(&sealed);
    sealed.extend(header_crc.to_le_bytes());
    debug_assert_eq!(sealed.len(), HEADER_BYTES);
    sealed.extend(payload);
    sealed
}

/// Checks and removes the frame. Returns the payload and its version, which is at most `newest_version`.
///
/// `path` is used in errors only.
///
/// # Errors
/// In this order: [`Error::NotOurs`], [`Error::Truncated`], [`Error::Damaged`]
/// (header), [`Error::NewerVersion`] of the frame, [`Error::OtherKind`],
/// [`Error::NewerVersion`], [`Error::Truncated`] or [`Error::TrailingBytes`] of the payload,
/// [`Error::Damaged`] (payload).
pub fn open<'a>(
    path: impl AsRef<Path>,
    bytes: &'a [u8],
    kind: &str,
    newest_version: u32,
) -> Result<(u32, &'a [u8])> {
    let path = path.as_ref().to_path_buf();
    let start = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(start) {
        return Err(Error::NotOurs { path, found: start.to_vec() });
    }
    let found = bytes.len() as u64;
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Error::Truncated { path, found, expected: HEADER_BYTES as u64 });
    };
    let word = |offset: usize| u32::from_le_bytes(field(header, offset));

    let header_crc = crc32fast::hash(&header[..CRC_OFFSET]);
    if header_crc != word(CRC_OFFSET) {
        return Err(Error::Damaged { path, part: "header", found: header_crc, expected: word(CRC_OFFSET) });
    }
    if word(8) > FRAME_VERSION {
        let (kind, newest) = ("container".to_owned(), FRAME_VERSION);
        return Err(Error::NewerVersion { path, kind, found: word(8), newest });
    }
    let kind_field: [u8; KIND_BYTES] = field(header, 16);
    let found_kind = String::from_utf8_lossy(&kind_field).trim_end_matches('\0').to_owned();
    if found_kind != kind {
        return Err(Error::OtherKind { path, found: found_kind, expected: kind.to_owned() });
    }
    let version = word(12);
    if version > newest_version {
        return Err(Error::NewerVersion { path, kind: found_kind, found: version, newest: newest_version });
    }
    let length = u64::from_le_bytes(field(header, 32));
    let payload_found = payload.len() as u64;
    if payload_found < length {
        let expected = length.saturating_add(HEADER_BYTES as u64);
        return Err(Error::Truncated { path, found, expected });
    }
    if payload_found > length {
        return Err(Error::TrailingBytes { path, extra: payload_found - length });
    }
    let payload_crc = crc32fast::hash(payload);
    if payload_crc != word(40) {
        return Err(Error::Damaged { path, part: "payload", found: payload_crc, expected: word(40) });
    }
    Ok((version, payload))
}

/// The `N` bytes of the header at `offset`, both constants of this file.
fn field<const N: usize>(header: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[offset..offset + N]);
    bytes
}

/// Seals `payload` and writes it with [`write_atomic`].
///
/// # Errors
/// As [`write_atomic`].
///
/// # Panics
/// As [`seal`].
pub fn write_sealed(path: impl AsRef<Path>, kind: &str, version: u32, payload: &[u8]) -> Result<()> {
    write_atomic(path, &seal(kind, version, payload))
}

/// Reads a file written by [`write_sealed`]. Returns the version and the payload.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, and those of [`open`].
pub fn read_sealed(path: impl AsRef<Path>, kind: &str, newest_version: u32) -> Result<(u32, Vec<u8>)> {
    let path = path.as_ref();
    let mut bytes = read_file(path, u64::MAX).map_err(|error| Error::io("read it", path, error))?;
    let (version, _) = open(path, &bytes, kind, newest_version)?;
    bytes.drain(..HEADER_BYTES);
    Ok((version, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reopened(bytes: &[u8]) -> Result<(u32, &[u8])> {
        open("file", bytes, "checkpoint", 3)
    }

    /// A header with changed fields and a valid checksum.
    fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = seal("checkpoint", 3, b"payload");
        change(&mut bytes);
        let crc = crc32fast::hash(&bytes[..CRC_OFFSET]);
        bytes[CRC_OFFSET..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn layout_is_as_documented() {
        let sealed = seal("checkpoint", 7, b"abc");
        assert_eq!(sealed[..16], *b"\x89WMRG\r\n\x1a\x01\0\0\0\x07\0\0\0");
        assert_eq!(sealed[16..40], *b"checkpoint\0\0\0\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(sealed[40..44], 0x3524_41c2_u32.to_le_bytes(), "CRC-32 of abc");
        assert_eq!(sealed[48..], *b"abc");
    }

    #[test]
    fn each_kind_of_bad_file_has_its_error() {
        assert!(
            matches!(reopened(b"PK\x03\x04 something else"), Err(Error::NotOurs { found, .. }) if found.len() == 8)
        );
        assert!(matches!(reopened(b""), Err(Error::Truncated { found: 0, expected: 48, .. })));
        let other = seal("gallery", 1, b"");
        assert!(matches!(reopened(&other), Err(Error::OtherKind { found, .. }) if found == "gallery"));
        let newer = seal("checkpoint", 4, b"");
        assert!(matches!(reopened(&newer), Err(Error::NewerVersion { found: 4, newest: 3, .. })));
        let newer_frame = forged(|bytes| bytes[8] = 2);
        assert!(
            matches!(reopened(&newer_frame), Err(Error::NewerVersion { kind, found: 2, .. }) if kind == "container")
        );
        let mut longer = seal("checkpoint", 3, b"payload");
        longer.extend(b"xx");
        assert!(matches!(reopened(&longer), Err(Error::TrailingBytes { extra: 2, .. })));
        let huge = forged(|bytes| bytes[32..40].fill(0xff));
        assert!(matches!(reopened(&huge), Err(Error::Truncated { expected: u64::MAX, .. })));
        let mut flipped = seal("checkpoint", 3, b"payload");
        flipped[50] ^= 4;
        assert!(matches!(reopened(&flipped), Err(Error::Damaged { part: "payload", .. })));
        flipped[13] ^= 4;
        assert!(matches!(reopened(&flipped), Err(Error::Damaged { part: "header", .. })));
    }

    #[test]
    fn older_versions_open_and_say_so() {
        assert_eq!(reopened(&seal("checkpoint", 1, b"old")).unwrap(), (1, &b"old"[..]));
    }

    #[test]
    fn through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_sealed(&path, "state", 2, b"content").unwrap();
        assert_eq!(read_sealed(&path, "state", 2).unwrap(), (2, b"content".to_vec()));
        let error = read_sealed(&path, "state", 1).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert!(matches!(read_sealed(folder.path().join("none"), "state", 1), Err(Error::Io { .. })));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(payload in proptest::collection::vec(any::<u8>(), 0..300), version in 0u32..=3) {
            let sealed = seal("checkpoint", version, &payload);
            prop_assert_eq!(reopened(&sealed).unwrap(), (version, &payload[..]));
        }

        #[test]
        fn every_flipped_bit_is_detected(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut sealed = seal("checkpoint", 3, &payload);
            for bit in 0..sealed.len() * 8 {
                sealed[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(reopened(&sealed).is_err(), "bit {}", bit);
                sealed[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert!(reopened(&sealed).is_ok());
        }

        #[test]
        fn every_shorter_file_is_truncated(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let sealed = seal("checkpoint", 3, &payload);
            for length in 0..sealed.len() {
                prop_assert!(matches!(reopened(&sealed[..length]), Err(Error::Truncated { .. })), "{}", length);
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(reopened(&bytes).is_err());
        }
    }
}
