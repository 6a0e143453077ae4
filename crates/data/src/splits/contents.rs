//! Whether a split still means the samples it was made for, by their contents.
//!
//! Names do not say everything: rows that are known by their numbers can be in another order, and files can be numbered anew. A split file
//! therefore has a checksum of each sample. A sample with new content is no error, since images are stored anew and embeddings computed anew.
//! A sample with the content that another name had, in another part, is: by its name it is trained on, and by its content held out.

use std::collections::HashMap;

/// Checksums have 32 bits, so that some fit by chance. Fewer than so many times their expected number are not reported.
const BY_CHANCE: f64 = 10.0;

/// What became of the contents of the samples of a split.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Number of samples with other content.
    pub(crate) changed: usize,
    /// Samples with the content that another one had, in another part; and that other one.
    pub(crate) moved: Vec<(usize, usize)>,
}

/// Where a content was.
struct Places<Part> {
    parts: Vec<Part>,
    /// The first sample that does not have it any more.
    left: Option<usize>,
}

/// Compares the contents of samples with these `parts`: as they were `listed`, and as they are `found` now; `None` is not known.
pub(crate) fn changes<Part: Copy + PartialEq>(
    parts: &[Part],
    listed: &[u32],
    found: &[Option<u32>],
) -> Changes {
    let mut places = HashMap::<u32, Places<Part>>::new();
    for (at, (listed, found)) in listed.iter().zip(found).enumerate() {
        let place = places.entry(*listed).or_insert_with(|| Places { parts: Vec::new(), left: None });
        if !place.parts.contains(&parts[at]) {
            place.parts.push(parts[at]);
        }
        if *found != Some(*listed) {
            place.left.get_or_insert(at);
        }
    }
    let mut changes = Changes::default();
    for (at, (listed, found)) in listed.iter().zip(found).enumerate() {
        let Some(found) = found else { continue };
        if listed == found {
            continue;
        }
        changes.changed += 1;
        // A content that is also where it was is a new duplicate.
        if let Some(Places { parts: were, left: Some(left) }) = places.get(found)
            && !were.contains(&parts[at])
        {
            changes.moved.push((at, *left));
        }
    }
    let chance = changes.changed as f64 * places.len() as f64 / 2_f64.powi(32);
    if changes.moved.len() as f64 <= BY_CHANCE * chance {
        changes.moved.clear();
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(now: [u32; 4]) -> Changes {
        let known = |contents: [u32; 4]| contents.map(|content| (content > 0).then_some(content));
        changes(&["train", "train", "test", "out"], &[11, 12, 13, 14], &known(now))
    }

    #[test]
    fn contents_that_moved_to_another_part_are_found() {
        assert_eq!(found([11, 12, 13, 14]), Changes::default());
        assert_eq!(found([12, 11, 13, 14]), Changes { changed: 2, moved: Vec::new() }, "in one part");
        assert_eq!(found([13, 12, 11, 14]), Changes { changed: 2, moved: vec![(0, 2), (2, 0)] });
        assert_eq!(found([14, 12, 13, 0]), Changes { changed: 1, moved: vec![(0, 3)] }, "the last is gone");
        assert_eq!(found([21, 22, 23, 24]), Changes { changed: 4, moved: Vec::new() }, "computed anew");
        assert_eq!(found([13, 12, 13, 14]), Changes { changed: 1, moved: Vec::new() }, "a duplicate");
    }
}
