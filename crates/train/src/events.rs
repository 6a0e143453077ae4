//! TensorBoard event files: our own small writer.
//!
//! A file is a row of records, each `length (8 bytes) | masked CRC-32C of the length | data | masked CRC-32C of the data`, little endian;
//! the data is a protocol buffer `Event { wall_time = 1 (double), step = 2 (varint), file_version = 3 (string) | summary = 5 }`, a summary
//! being repeated `Value { tag = 1 (string), simple_value = 2 (float) }` in field 1. Source: TensorFlow's `record_writer.cc`,
//! `event.proto` and `summary.proto`.

/// The first record of a file; TensorBoard needs it to know the format.
pub fn header(wall_time: f64) -> Vec<u8> {
    let mut event = wall_time_field(wall_time);
    field_bytes(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// One record with the scalars of a step.
pub fn scalars(wall_time: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
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

/// TensorFlow rotates and offsets the checksum, so that a record which holds a record does not look like one.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `tensorboard` 2.21 writes for the same two events (`fixtures/make_events.py`).
    const WRITTEN_BY_PYTHON: &[u8] = include_bytes!("../fixtures/events.bin");

    #[test]
    fn the_bytes_are_those_of_tensorboards_own_writer() {
        let mut ours = header(1_700_000_000.25);
        ours.extend(scalars(1_700_000_001.5, 300, &[("train/loss", 2.5), ("train/accuracy", 0.125)]));
        assert_eq!(ours, WRITTEN_BY_PYTHON);
    }
}
