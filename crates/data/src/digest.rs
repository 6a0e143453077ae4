//! Digests of samples, by which a resumed run notices data that changed.

/// The digest of the bytes of a sample: their CRC-32 (IEEE) in the low 32 bits, their number modulo 2^32 in the high ones.
///
/// It notices accidental changes. It does not protect against forgery.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    ((bytes.len() as u64) << 32) | u64::from(crc32fast::hash(bytes))
}

/// As [`digest`], of the little-endian bytes of `values`.
pub(crate) fn digest_of_values(values: &[f32]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    ((size_of_val(values) as u64) << 32) | u64::from(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_length_and_checksum() {
        assert_eq!(digest(b"abc"), (3 << 32) | 0x3524_41c2);
        assert_ne!(digest(b"abc"), digest(b"abd"));
        let values = [1.0_f32, -0.0, 3.5];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(digest_of_values(&values), digest(&bytes));
        assert_ne!(digest_of_values(&[0.0]), digest_of_values(&[-0.0]));
    }
}
