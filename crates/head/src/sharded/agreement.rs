//! Comparison of what the ranks of a sharded head must have in common.
//!
//! Ranks that see the same values make the same decisions. If one rank alone fails (its batch is bad, its gradient is not finite,
//! its file is damaged), it notifies the others, so that all return an error from the same call and none waits in the next.

use widemargin_objective::MatRef;

use crate::communicator::Communicator;
use crate::error::Error;

/// The name and fingerprint of a value that every rank has a copy of.
pub(super) type Fact = (&'static str, u64);

/// Fails on every rank if one rank has failed or has a different fact. Collective, one gather.
///
/// Each rank must pass the same facts in the same order. A rank that has failed may pass any values: the failure counts.
pub(super) fn agree<T>(
    communicator: &impl Communicator,
    own: Result<T, Error>,
    facts: &[Fact],
) -> Result<T, Error> {
    // `f64` holds half words exactly
    let halves = |value: u64| [(value >> 32) as f64, (value & 0xFFFF_FFFF) as f64];
    let mut message = vec![f64::from(u8::from(own.is_ok()))];
    message.extend(facts.iter().flat_map(|(_, value)| halves(*value)));
    let all = communicator.all_gather_f64(&message)?;
    let own = own?;
    let differ = |rank: usize, what| Error::RanksDiffer { what, rank, own: communicator.rank() };
    for (rank, theirs) in all.iter().enumerate() {
        if theirs.first() == Some(&0.0) {
            return Err(Error::RankFailed { rank });
        }
        if theirs.len() != message.len() {
            return Err(differ(rank, "place in the program"));
        }
        let same = theirs[1..].chunks(2).zip(message[1..].chunks(2)).map(|(theirs, mine)| theirs == mine);
        if let Some((_, (what, _))) = same.zip(facts).find(|(same, _)| !same) {
            return Err(differ(rank, what));
        }
    }
    Ok(own)
}

/// A hash of the words: FNV-1a, one word at a time.
pub(super) fn fingerprint(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xCBF2_9CE4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01B3))
}

/// The fingerprint of a text.
pub(super) fn of_text(text: &str) -> u64 {
    fingerprint(text.bytes().map(u64::from))
}

/// The fingerprint of a batch.
pub(super) fn of_batch(features: MatRef<'_>, labels: &[u32]) -> u64 {
    let sizes = [features.rows() as u64, features.cols() as u64];
    let values = features.data().iter().map(|value| u64::from(value.to_bits()));
    fingerprint(sizes.into_iter().chain(labels.iter().map(|label| u64::from(*label))).chain(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_every_value_and_its_position() {
        let print =
            |data: &[f32], labels: &[u32]| of_batch(MatRef::new(data, 2, 2).expect("four values"), labels);
        let first = print(&[1.0, 2.0, 3.0, 4.0], &[0, 1]);
        assert_eq!(first, print(&[1.0, 2.0, 3.0, 4.0], &[0, 1]));
        for (data, labels) in [
            ([1.0, 2.0, 3.0, 5.0], [0, 1]),
            ([2.0, 1.0, 3.0, 4.0], [0, 1]),
            ([1.0, 2.0, 3.0, 4.0], [1, 0]),
            ([-1.0, 2.0, 3.0, 4.0], [0, 1]),
        ] {
            assert_ne!(first, print(&data, &labels), "{data:?} {labels:?}");
        }
    }
}
