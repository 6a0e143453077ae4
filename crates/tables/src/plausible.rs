//! Checks sizes that a `.parquet` file claims, before memory is allocated for them.
//!
//! The `parquet` crate allocates memory for the number of children of a schema element, and for the size of a page, as claimed by the
//! file. Both are stored in Thrift's compact protocol, which is parsed here: a byte per field with its type and the difference of its
//! number to the previous one, and integers in groups of seven bits. What cannot be parsed is left for the crate to reject.

use parquet::basic::Compression;

/// Largest compression ratio: deflate reaches 1,032, snappy and LZ4 far less.
pub(super) const MOST_RATIO: u64 = 1100;
/// Largest compression ratio of zstd, whose shortest block of 4 bytes expands to 128 KiB.
pub(super) const MOST_RATIO_ZSTD: u64 = 1 << 15;
/// Pages up to this size, in bytes, are always accepted.
pub(super) const SMALL_PAGE: u64 = 1 << 16;
/// Largest depth of nested structs; parquet uses only a few levels.
const DEEPEST: usize = 32;

/// Most values of a file, per byte. Vectors of a few ones and many zeros have a few hundred.
pub(super) const VALUES_PER_BYTE: u64 = 1024;
/// Most fields of a table of text, per byte. In memory, a field takes at least 24 bytes.
pub(super) const FIELDS_PER_BYTE: u64 = 256;
/// Number of values that is always accepted.
const FEW_VALUES: u64 = 1 << 18;

/// Adds up what the parts of a file claim to contain. A run of equal values takes a few bytes, whatever its length, so a small file can claim
/// any number of them.
pub(super) struct Claims {
    what: &'static str,
    found: u64,
    length: u64,
    most: u64,
}

impl Claims {
    /// Nothing yet; at most `per_byte` of `what` per byte of a file of `length` bytes will be accepted.
    pub(super) fn new(what: &'static str, per_byte: u64, length: u64) -> Self {
        Self { what, found: 0, length, most: FEW_VALUES.max(length.saturating_mul(per_byte)) }
    }

    pub(super) fn add(&mut self, count: i64) -> Result<(), String> {
        let Self { what, length, most, .. } = *self;
        let count = u64::try_from(count).map_err(|_| format!("it claims {count} {what}"))?;
        self.found = self.found.saturating_add(count);
        if self.found > most {
            let found = self.found;
            return Err(format!("it claims {found} {what} in {length} bytes; at most {most} are read"));
        }
        Ok(())
    }
}

/// Checks that no element of the schema claims more children than there are elements. `footer` is the part before the last 8 bytes.
pub(super) fn schema(footer: &[u8]) -> Result<(), String> {
    let mut elements = 0_u64;
    let mut most = 0_i64;
    let mut walk = Walk { bytes: footer, at: 0 };
    // Field 2 of the metadata is the list of elements, field 5 of an element the number of its children.
    let walked = walk.fields(0, &mut |walk, id, kind| {
        if (id, kind) != (2, LIST) {
            return walk.skip(kind, 1);
        }
        let (count, kind) = walk.list()?;
        for _ in 0..count {
            if kind != STRUCT {
                return None;
            }
            elements += 1;
            walk.fields(1, &mut |walk, id, kind| match (id, kind) {
                (5, I32) => {
                    most = most.max(walk.zigzag()?);
                    Some(())
                }
                _ => walk.skip(kind, 2),
            })?;
        }
        Some(())
    });
    match walked {
        Some(()) if u64::try_from(most).is_ok_and(|most| most > elements) => {
            Err(format!("an element of the schema claims {most} children, but there are {elements} elements"))
        }
        _ => Ok(()),
    }
}

/// The largest compression ratio of a codec.
pub(super) fn most_ratio(codec: Compression) -> u64 {
    if matches!(codec, Compression::ZSTD(_)) { MOST_RATIO_ZSTD } else { MOST_RATIO }
}

/// Checks that no page of a column chunk claims to be larger than `ratio` times its compressed size. Returns the number of values that the pages
/// claim.
pub(super) fn pages(chunk: &[u8], ratio: u64) -> Result<i64, String> {
    let mut walk = Walk { bytes: chunk, at: 0 };
    let mut values = 0_i64;
    while walk.at < chunk.len() {
        let (mut unpacked, mut packed) = (0, 0);
        // Fields 2 and 3 of the header: the uncompressed and the compressed size of the page.
        let walked = walk.fields(0, &mut |walk, id, kind| match (id, kind) {
            (2, I32) => walk.zigzag().map(|size| unpacked = size),
            (3, I32) => walk.zigzag().map(|size| packed = size),
            // The header of a data page, of version 1 or 2; its field 1 is the number of values.
            (5 | 8, STRUCT) => walk.fields(1, &mut |walk, id, kind| match (id, kind) {
                (1, I32) => walk.zigzag().map(|count| values = values.saturating_add(count.max(0))),
                _ => walk.skip(kind, 2),
            }),
            _ => walk.skip(kind, 1),
        });
        let (Some(()), Ok(unpacked), Ok(packed)) = (walked, u64::try_from(unpacked), u64::try_from(packed))
        else {
            return Ok(values);
        };
        let here = packed.min((chunk.len() - walk.at) as u64);
        if unpacked > SMALL_PAGE.max(here.saturating_mul(ratio)) {
            return Err(format!("a page of {here} bytes claims an uncompressed size of {unpacked}"));
        }
        walk.at = walk.at.saturating_add(packed as usize);
    }
    Ok(values)
}

const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A position in the bytes of Thrift's compact protocol.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The length and element type of a list; the elements follow.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((count, head & 15))
    }

    /// Calls `visit` with the number and type of each field of a struct; it must skip the value.
    fn fields(
        &mut self,
        depth: usize,
        visit: &mut dyn FnMut(&mut Self, i64, u8) -> Option<()>,
    ) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.zigzag()?,
                distance => id.checked_add(i64::from(distance))?,
            };
            visit(self, id, head & 15)?;
        }
    }

    /// Skips a value; boolean fields have no value.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.step(8),
            8 => self.varint().and_then(|length| self.step(length)),
            LIST | 10 => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    // Booleans in lists have one byte each.
                    if kind <= 2 { self.step(1)? } else { self.skip(kind, depth + 1)? }
                }
                Some(())
            }
            STRUCT => self.fields(depth, &mut |walk, _, kind| walk.skip(kind, depth + 1)),
            _ => None,
        }
    }

    fn step(&mut self, length: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        self.at = end;
        (end <= self.bytes.len()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: i64) -> Vec<u8> {
        let mut value = ((value << 1) ^ (value >> 63)) as u64;
        let mut bytes = Vec::new();
        while value > 127 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    #[test]
    fn more_children_than_elements_are_an_error() {
        // Version (field 1), then a list of two elements: a name (field 4) and its children (field 5).
        let footer = |children: i64| {
            let element = |children: &[u8]| [&[0x48, 1, b'x'][..], children, &[0]].concat();
            let children = [&[0x15][..], &number(children)].concat();
            [&[0x15, 2, 0x19, 0x2c][..], &element(&children), &element(&[]), &[0]].concat()
        };
        assert!(schema(&footer(1)).is_ok() && schema(&footer(2)).is_ok());
        assert!(schema(&footer(3)).unwrap_err().contains("claims 3 children, but there are 2 elements"));
        assert!(schema(&footer(i64::from(i32::MAX))).is_err());
        let whole = footer(9);
        for length in 0..whole.len() {
            assert!(schema(&whole[..length]).is_ok(), "truncated footers are left to the crate");
        }
    }

    #[test]
    fn pages_claim_values_and_claims_are_bounded() {
        // A page of 3 bytes whose header of a data page (field 5) claims `count` values.
        let page = |field: u8, count: i64| {
            [
                &[0x15, 0, 0x15, 6, 0x15, 6, (field - 3) << 4 | STRUCT, 0x15][..],
                &number(count),
                &[0, 0, 7, 7, 7],
            ]
            .concat()
        };
        let pages = |chunk: &[u8]| pages(chunk, MOST_RATIO).unwrap();
        assert_eq!(pages(&[page(5, 100_000_000), page(8, 2)].concat()), 100_000_002);
        assert_eq!((pages(&page(7, 9)), pages(&page(5, -9)), pages(b"")), (0, 0, 0));
        let mut claims = Claims::new("rows", 10, 100_000);
        assert!(claims.add(999_999).is_ok() && claims.add(1).is_ok());
        let said = claims.add(1).unwrap_err();
        assert_eq!(said, "it claims 1000001 rows in 100000 bytes; at most 1000000 are read");
        assert_eq!(Claims::new("rows", 1, 1).add(-1).unwrap_err(), "it claims -1 rows");
    }

    #[test]
    fn pages_larger_than_the_compression_ratio_are_an_error() {
        let page = |unpacked: i64, packed: i64, bytes: usize| {
            [&[0x15, 0, 0x15][..], &number(unpacked), &[0x15], &number(packed), &[0], &vec![7; bytes]]
                .concat()
        };
        let plain = |chunk: &[u8]| pages(chunk, most_ratio(Compression::SNAPPY));
        assert!(plain(&[page(400, 10, 10), page(65_536, 3, 3)].concat()).is_ok());
        let second = [page(400, 10, 10), page(1 << 30, 10, 10)].concat();
        assert!(
            plain(&second)
                .unwrap_err()
                .contains("a page of 10 bytes claims an uncompressed size of 1073741824")
        );
        assert!(
            plain(&page(1 << 30, 1 << 30, 10)).is_err(),
            "the size of the chunk counts, not the claim of the page"
        );
        assert!(plain(&page(-5, 10, 10)).is_ok() && plain(b"\xff\xff\xff").is_ok() && plain(b"").is_ok());
        // zstd compresses a MiB of equal values to about 50 bytes, the other codecs do not
        let zstd = most_ratio(Compression::ZSTD(parquet::basic::ZstdLevel::default()));
        let mebibyte = page(1 << 20, 50, 50);
        assert!(pages(&mebibyte, zstd).is_ok() && plain(&mebibyte).is_err());
        assert!(pages(&page(1 << 30, 50, 50), zstd).is_err());
    }
}
