//! TensorBoard event files: a small writer, and a reader for truncating them.
//!
//! A file is a sequence of records, each `length (8 bytes) | masked CRC-32C of the length | data | masked CRC-32C of the
//! data`, little endian; the data is a protocol buffer `Event { wall_time = 1 (double), step = 2 (varint),
//! file_version = 3 (string) | summary = 5 }`, a summary being repeated `Value { tag = 1 (string), simple_value = 2
//! (float) }` in field 1. Source: TensorFlow's `record_writer.cc`, `event.proto` and `summary.proto`.

/// The first record of a file, by which TensorBoard recognises the format.
pub(crate) fn header(wall_time: f64) -> Vec<u8> {
    let mut event = wall_time_field(wall_time);
    field_bytes(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// One record with the scalars of a step.
pub(crate) fn scalars(wall_time: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut entry = Vec::new();
        field_bytes(&mut entry, 1, tag.as_bytes());
        entry.push(2 << 3 | 5);
        entry.extend((*value as f32).to_le_bytes());
        field_bytes(&mut summary, 1, &entry);
    }
    let mut event = wall_time_field(wall_time);
    event.push(2 << 3);
    varint(&mut event, step);
    field_bytes(&mut event, 5, &summary);
    record(&event)
}

fn wall_time_field(wall_time: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(wall_time.to_le_bytes());
    event
}

fn field_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked(data).to_le_bytes());
    out
}

/// TensorFlow's masked checksum: rotated and offset, so that a record inside a record is not mistaken for one.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Length of the longest prefix of an event file that holds complete, undamaged records up to `step`.
pub(crate) fn length_up_to(bytes: &[u8], step: u64) -> usize {
    let mut rest = bytes;
    while let Some((data, next)) = next_record(rest) {
        if step_of(data).is_some_and(|found| found > step) {
            break;
        }
        rest = next;
    }
    bytes.len() - rest.len()
}

/// The data of the first record, and the bytes after it; `None` if the record is truncated or damaged.
///
/// The checksums are verified, because a power failure may leave zeros in the file, and zeros parse as a length.
fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_sum, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*length_sum) != masked(length) {
        return None;
    }
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (data_sum, rest) = rest.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*data_sum) == masked(data)).then_some((data, rest))
}

/// The step of an event that this writer wrote, after the nine bytes of the wall time, if it has one.
fn step_of(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..).filter(|rest| rest.first() == Some(&(2 << 3)))?;
    let (mut value, mut shift) = (0u64, 0);
    for byte in rest.iter().skip(1).take(10) {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
