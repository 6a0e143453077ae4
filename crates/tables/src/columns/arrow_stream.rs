//! The messages of Arrow's stream format, and checks of the sizes that they claim.
//!
//! A message is a marker, the length of its metadata, the metadata and a body. The crates of Arrow allocate memory for a compressed buffer as its
//! first eight bytes claim, and for rows of a type without values as a message claims.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use arrow_ipc::{CompressionType, Message, RecordBatch};

use super::super::error::{Error, Problem, Result};
use super::super::plausible::{Claims, MOST_RATIO, MOST_RATIO_ZSTD, SMALL_PAGE, VALUES_PER_BYTE};
use super::super::rows::read_exact_at;

/// How a file in the file format begins and ends. It begins with two more zeros.
const MAGIC: &[u8] = b"ARROW1";
/// How a file of Feather version 1 begins.
const FEATHER_1: &[u8] = b"FEA1";
/// The marker before the length of a message; files of old versions have none.
const MARKER: [u8; 4] = [0xff; 4];
/// Longest metadata of a message.
const MOST_METADATA: u64 = 1 << 28;

/// The bytes of the messages, and the number of rows.
pub(super) struct Stream {
    pub(super) range: Range<usize>,
    pub(super) rows: u64,
}

/// The metadata of the first message, which must be the schema.
pub(super) fn schema_message(
    file: &File,
    path: &Path,
    malformed: impl Fn(String) -> Error,
) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| Problem::Read(error.to_string()).at(path);
    let length = file.metadata().map_err(unreadable)?.len();
    let mut start = vec![0; length.min(16) as usize];
    read_exact_at(file, &mut start, 0).map_err(unreadable)?;
    if start.starts_with(FEATHER_1) {
        let reason = "it is of Feather version 1, which is not read; write it with version 2, as pandas and pyarrow do by default";
        return Err(malformed(reason.to_owned()));
    }
    let at = if start.starts_with(MAGIC) { 8 } else { 0 };
    let (marked, size) = header(&start, at).ok_or_else(|| malformed(NO_SCHEMA.to_owned()))?;
    let at = (at + if marked { 8 } else { 4 }) as u64;
    let size = u64::from(size);
    if size == 0 || at + size > length || size > MOST_METADATA {
        return Err(malformed(NO_SCHEMA.to_owned()));
    }
    let mut bytes = vec![0; size as usize];
    read_exact_at(file, &mut bytes, at).map_err(unreadable)?;
    Ok(bytes)
}

const NO_SCHEMA: &str = "it does not begin with a schema, as files and streams of Arrow IPC do";

/// Whether a message begins with a marker, and the length of its metadata.
fn header(bytes: &[u8], at: usize) -> Option<(bool, u32)> {
    let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at.checked_add(4)?)?.try_into().ok() };
    let first = word(at)?;
    if first == MARKER {
        Some((true, u32::from_le_bytes(word(at + 4)?)))
    } else {
        Some((false, u32::from_le_bytes(first)))
    }
}

/// Finds the messages, and compares what they claim with the size of the file. The error is the reason.
pub(super) fn checked(bytes: &[u8]) -> Result<Stream, String> {
    let (start, end, batches) = if bytes.starts_with(MAGIC) {
        let (end, batches) = footer(bytes)?;
        (8, end, Some(batches))
    } else {
        (0, bytes.len(), None)
    };
    let (mut at, mut found, mut is_ended, mut claims) = (start, 0, false, Claimed::new(bytes.len() as u64));
    while at < end {
        let (marked, size) = header(&bytes[..end], at).ok_or("it ends within a message")?;
        at += if marked { 8 } else { 4 };
        if size == 0 {
            is_ended = true;
            break;
        }
        let metadata = part(bytes, at, u64::from(size), end).ok_or("it ends within a message")?;
        at = metadata.end;
        let message = arrow_ipc::root_as_message(&bytes[metadata]).map_err(|error| error.to_string())?;
        let length = u64::try_from(message.bodyLength()).map_err(|_| "a message claims a negative length")?;
        let body = part(bytes, at, length, end).ok_or("it ends within a message")?;
        at = body.end;
        found += usize::from(message.header_as_record_batch().is_some());
        claims.add(message, &bytes[body])?;
    }
    // A file has an index instead; nothing else would show that a stream is cut between two messages, or is two streams.
    if batches.is_none() && !is_ended {
        return Err("it ends without the marker at the end of a stream, so rows may be missing; write it again, or in the file format of Arrow IPC".to_owned());
    }
    if bytes[at..end].iter().any(|byte| *byte != 0) {
        return Err(format!("it has {} bytes behind its last record batch", end - at));
    }
    if let Some(batches) = batches.filter(|batches| *batches != found) {
        return Err(format!("its index lists {batches} record batches, but it has {found}"));
    }
    Ok(Stream { range: start..at, rows: claims.rows_of_batches })
}

/// The range of `length` bytes from `at` on, if it ends before `end`.
fn part(bytes: &[u8], at: usize, length: u64, end: usize) -> Option<Range<usize>> {
    let to = at.checked_add(usize::try_from(length).ok()?)?;
    (to <= end.min(bytes.len())).then_some(at..to)
}

/// Where the messages of the file format end, and the number of record batches in the index behind them.
fn footer(bytes: &[u8]) -> Result<(usize, usize), String> {
    let cut = || {
        "it does not end like a file of Arrow IPC; the program that wrote it may have been stopped".to_owned()
    };
    let rest = bytes.strip_suffix(MAGIC).filter(|rest| rest.len() > 8 + 4).ok_or_else(cut)?;
    let (rest, length) = rest.split_last_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest
        .len()
        .checked_sub(length)
        .filter(|start| *start >= 8)
        .ok_or_else(|| format!("its index claims {length} bytes in a file of {}", bytes.len()))?;
    let footer = arrow_ipc::root_as_footer(&rest[start..]).map_err(|error| error.to_string())?;
    Ok((start, footer.recordBatches().map_or(0, |batches| batches.len())))
}

/// What messages claim.
struct Claimed {
    rows: Claims,
    values: Claims,
    bytes: Claims,
    rows_of_batches: u64,
}

impl Claimed {
    fn new(length: u64) -> Self {
        Self {
            rows: Claims::new("rows", VALUES_PER_BYTE, length),
            values: Claims::new("values", VALUES_PER_BYTE, length),
            bytes: Claims::new("bytes", 8 * VALUES_PER_BYTE, length),
            rows_of_batches: 0,
        }
    }

    fn add(&mut self, message: Message<'_>, body: &[u8]) -> Result<(), String> {
        if let Some(batch) = message.header_as_record_batch() {
            self.rows.add(batch.length())?;
            self.rows_of_batches += batch.length().unsigned_abs();
            self.add_batch(batch, body)?;
        }
        match message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()) {
            Some(batch) => self.add_batch(batch, body),
            None => Ok(()),
        }
    }

    fn add_batch(&mut self, batch: RecordBatch<'_>, body: &[u8]) -> Result<(), String> {
        for node in batch.nodes().iter().flatten() {
            self.values.add(node.length())?;
        }
        let codec = batch.compression().map(|compression| compression.codec());
        for buffer in batch.buffers().iter().flatten() {
            let place = usize::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
            let range = place.and_then(|(at, length)| part(body, at, length, body.len()));
            let range = range.ok_or_else(|| {
                format!(
                    "a buffer claims {} bytes at {} of a message of {}",
                    buffer.length(),
                    buffer.offset(),
                    body.len()
                )
            })?;
            let Some(codec) = codec.filter(|_| !range.is_empty()) else { continue };
            let packed = range.len() as u64;
            let (claimed, _) =
                body[range].split_first_chunk::<8>().ok_or("a compressed buffer has no length")?;
            // -1: the buffer is not compressed.
            let claimed = u64::try_from(i64::from_le_bytes(*claimed)).unwrap_or(0);
            let ratio = if codec == CompressionType::ZSTD { MOST_RATIO_ZSTD } else { MOST_RATIO };
            if claimed > SMALL_PAGE.max(packed.saturating_mul(ratio)) {
                return Err(format!("a buffer of {packed} bytes claims an uncompressed size of {claimed}"));
            }
            self.bytes.add(i64::try_from(claimed).unwrap_or(i64::MAX))?;
        }
        Ok(())
    }
}
