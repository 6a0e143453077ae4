//! Compares the written bytes with TensorBoard's own, and decodes them with a second decoder that shares no code with the writer.

use super::*;
use proptest::prelude::*;

/// What Python's `tensorboard` 2.21 writes for the same two events (`fixtures/make_events.py`).
const WRITTEN_BY_PYTHON: &[u8] = include_bytes!("../../fixtures/events.bin");

/// An event as the second decoder sees it.
#[derive(Debug, Default, PartialEq)]
struct Event {
    wall_time: f64,
    step: u64,
    file_version: String,
    values: Vec<(String, f32)>,
}

/// CRC-32C bit by bit, from its polynomial (reflected: 0x82F63B78), with TensorFlow's mask.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field of a protocol buffer: a number in its wire type's bits, or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn number(bytes: &mut &[u8]) -> u64 {
    let length = bytes.iter().position(|byte| *byte < 128).expect("an end of the number") + 1;
    let (digits, rest) = bytes.split_at(length);
    *bytes = rest;
    digits.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 127))
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, Field::Number(number(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => number(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (field, rest) = bytes.split_at(length);
        bytes = rest;
        found.push((key >> 3, Field::Bytes(field)));
    }
    found
}

fn event(bytes: &[u8]) -> Event {
    let mut event = Event::default();
    for field in fields(bytes) {
        match field {
            (1, Field::Bytes(time)) => {
                event.wall_time = f64::from_le_bytes(time.try_into().expect("8 bytes"));
            }
            (2, Field::Number(step)) => event.step = step,
            (3, Field::Bytes(text)) => event.file_version = String::from_utf8(text.to_vec()).expect("a text"),
            (5, Field::Bytes(summary)) => event.values = fields(summary).into_iter().map(value).collect(),
            (other, _) => panic!("field {other} of an event"),
        }
    }
    event
}

fn value((field, entry): (u64, Field<'_>)) -> (String, f32) {
    let Field::Bytes(entry) = entry else { panic!("a value is a message") };
    assert_eq!(field, 1);
    match fields(entry).as_slice() {
        [(1, Field::Bytes(tag)), (2, Field::Bytes(number))] => {
            let tag = String::from_utf8(tag.to_vec()).expect("a text");
            (tag, f32::from_le_bytes((*number).try_into().expect("4 bytes")))
        }
        _ => panic!("a value is a tag and a number"),
    }
}

fn decode(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let sum = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        assert_eq!(sum(8), checksum(&bytes[..8]), "the length");
        assert_eq!(sum(12 + length), checksum(&bytes[12..12 + length]), "the data");
        events.push(event(&bytes[12..12 + length]));
        bytes = &bytes[16 + length..];
    }
    events
}

/// A file of events with increasing steps, and where each record ends.
fn file(steps: &[u64]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header(1.5);
    let mut ends = vec![bytes.len()];
    for step in steps {
        bytes.extend(scalars(2.5, *step, &[("train/loss", 0.5)]));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

#[test]
fn the_bytes_are_those_of_tensorboards_own_writer() {
    let mut ours = header(1_700_000_000.25);
    ours.extend(scalars(1_700_000_001.5, 300, &[("train/loss", 2.5), ("train/accuracy", 0.125)]));
    assert_eq!(ours, WRITTEN_BY_PYTHON);
}

#[test]
fn the_second_decoder_reads_tensorboards_bytes() {
    let first =
        Event { wall_time: 1_700_000_000.25, file_version: "brain.Event:2".into(), ..Event::default() };
    let values = vec![("train/loss".into(), 2.5), ("train/accuracy".into(), 0.125)];
    let second = Event { wall_time: 1_700_000_001.5, step: 300, values, ..Event::default() };
    assert_eq!(decode(WRITTEN_BY_PYTHON), [first, second]);
}

#[test]
fn zeros_after_a_power_failure_are_not_records() {
    let (mut bytes, ends) = file(&[1, 2]);
    bytes.extend([0; 64]);
    assert_eq!(length_up_to(&bytes, 9), ends[2]);
    assert_eq!(length_up_to(&[0; 64], 9), 0);
    assert_eq!(length_up_to(&[0xff; 64], 9), 0);
}

proptest! {
    #[test]
    fn written_events_are_decoded(
        wall_time in 0.0..4e9f64,
        step: u64,
        numbers in proptest::collection::vec((".{0,200}", -1e30..1e30f64), 0..6),
    ) {
        let values: Vec<(&str, f64)> = numbers.iter().map(|(tag, number)| (tag.as_str(), *number)).collect();
        let mut bytes = header(wall_time);
        bytes.extend(scalars(wall_time, step, &values));
        let values = numbers.iter().map(|(tag, number)| (tag.clone(), *number as f32)).collect();
        let expected = Event { wall_time, step, values, ..Event::default() };
        prop_assert_eq!(&decode(&bytes)[1], &expected);
    }

    #[test]
    fn truncating_keeps_whole_records_up_to_the_step(
        gaps in proptest::collection::vec(1..1000u64, 0..8),
        (at, aside) in (0..8usize, 0..3u64),
        cut in 0..2000usize,
        flipped: Option<prop::sample::Index>,
    ) {
        let steps: Vec<u64> = gaps.iter().scan(0, |sum, gap| { *sum += gap; Some(*sum) }).collect();
        // At a step of the file, or next to one.
        let step = steps.get(at).map_or(0, |step| (step + aside).saturating_sub(1));
        let (mut bytes, ends) = file(&steps);
        bytes.truncate(cut);
        let mut whole = bytes.len();
        if let Some(at) = flipped.filter(|_| !bytes.is_empty()).map(|index| index.index(bytes.len())) {
            bytes[at] ^= 0x40;
            whole = at;
        }
        let kept = 1 + steps.iter().filter(|found| **found <= step).count();
        let expected = ends[..kept].iter().copied().filter(|end| *end <= whole).max().unwrap_or(0);
        prop_assert_eq!(length_up_to(&bytes, step), expected);
    }
}
