//! Samples with the same content.

use crate::decode::ContentDigest;

/// The groups of samples with the same content, sorted by their first samples; each in ascending order.
pub(crate) fn copies(contents: impl Iterator<Item = ContentDigest>) -> Vec<Vec<u32>> {
    let mut order: Vec<(ContentDigest, u32)> = contents.zip(0..).collect();
    order.sort_unstable();
    let groups = order.chunk_by(|one, next| one.0 == next.0).filter(|group| group.len() > 1);
    let mut groups: Vec<Vec<u32>> =
        groups.map(|group| group.iter().map(|(_, sample)| *sample).collect()).collect();
    groups.sort_unstable();
    groups
}

/// The groups with other numbers: sample `n` becomes `place[n]`.
pub(crate) fn renumbered(copies: &[Vec<u32>], place: &[u32]) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = copies
        .iter()
        .map(|group| {
            let mut group: Vec<u32> = group.iter().map(|sample| place[*sample as usize]).collect();
            group.sort_unstable();
            group
        })
        .collect();
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_their_samples() {
        let contents = [3_u8, 1, 3, 2, 1, 3].map(|content| ContentDigest::of([&[content][..]]));
        let found = copies(contents.into_iter());
        assert_eq!(found, [vec![0, 2, 5], vec![1, 4]]);
        assert_eq!(renumbered(&found, &[5, 4, 3, 2, 1, 0]), [vec![0, 3, 5], vec![1, 4]]);
    }
}
