//! Which classes are confused: the class of each query against the class of its nearest neighbour.

use std::collections::BTreeMap;

use serde::Serialize;

use super::neighbour::Neighbour;
use super::ranking::Gallery;
use super::search::{search_counting, search_within};

use crate::embeddings::Embeddings;
use crate::error::Result;

/// How many queries of one class had their nearest neighbour in a given class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The class of the queries.
    pub class: u32,
    /// The class of their nearest neighbours.
    pub found: u32,
    /// Number of such queries.
    pub queries: u64,
}

/// The table of query classes against classes of nearest neighbours, without its zeros.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusions {
    /// Ordered by class, then by class found.
    pub entries: Vec<Confusion>,
    /// Queries without a neighbour, because every gallery row was excluded.
    pub without: u64,
}

impl Confusions {
    /// Entries of two different classes, most frequent first; equally frequent entries are ordered by class.
    pub fn wrong(&self) -> Vec<Confusion> {
        let mut wrong: Vec<Confusion> =
            self.entries.iter().copied().filter(|entry| entry.class != entry.found).collect();
        wrong.sort_by_key(|entry| std::cmp::Reverse(entry.queries));
        wrong
    }
}

/// The nearest gallery row of each query (the first of equally near rows), or `None` if every gallery row is excluded.
///
/// # Errors
/// Those of [`search()`](super::search()).
pub fn nearest_rows(queries: &Embeddings, gallery: Gallery<'_>) -> Result<Vec<Option<Neighbour>>> {
    let found = match gallery.separate_set() {
        None if queries.rows() == 1 => return Ok(vec![None]),
        None => search_within(queries, 1)?,
        Some(set) => search_counting(queries, set, 1, |query, row| gallery.counts(queries, query, row))?,
    };
    Ok((0..queries.rows()).map(|query| found.of(query)?.first().copied()).collect())
}

/// Counts the classes of queries by the classes of their nearest neighbours.
///
/// # Errors
/// Those of [`nearest_rows`].
pub fn confusions(queries: &Embeddings, gallery: Gallery<'_>) -> Result<Confusions> {
    let set = gallery.set(queries);
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut without = 0;
    for (&class, found) in queries.labels().iter().zip(nearest_rows(queries, gallery)?) {
        match found {
            Some(found) => *counts.entry((class, set.labels()[found.index])).or_default() += 1,
            None => without += 1,
        }
    }
    let entry = |((class, found), queries)| Confusion { class, found, queries };
    Ok(Confusions { entries: counts.into_iter().map(entry).collect(), without })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copies::Copies;

    fn wheel(angles: &[f32], labels: &[u32]) -> Embeddings {
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        Embeddings::new(&data, labels.len(), 2, labels).unwrap()
    }

    fn entry(class: u32, found: u32, queries: u64) -> Confusion {
        Confusion { class, found, queries }
    }

    #[test]
    fn neighbours_are_counted_by_class() {
        // 0.0 and 0.1 find each other, 0.25 finds 0.1, 1.0 and 1.2 find each other.
        let set = wheel(&[0.0, 0.1, 0.25, 1.0, 1.2], &[1, 1, 2, 2, 1]);
        let found = confusions(&set, Gallery::others()).unwrap();
        assert_eq!(found.entries, [entry(1, 1, 2), entry(1, 2, 1), entry(2, 1, 2)]);
        assert_eq!(found.wrong(), [entry(2, 1, 2), entry(1, 2, 1)]);
        assert_eq!(found.without, 0);
    }

    #[test]
    fn the_same_class_and_camera_is_excluded() {
        let (queries, gallery) = (wheel(&[0.0, 0.0], &[1, 2]), wheel(&[0.05, 0.1, 0.3], &[1, 2, 1]));
        let cameras = |gallery_cameras| Gallery::separate(&gallery).with_cameras(&[7, 7], gallery_cameras);
        let rows = |gallery| -> Vec<Option<usize>> {
            let found = nearest_rows(&queries, gallery).unwrap();
            found.into_iter().map(|found| found.map(|found| found.index)).collect()
        };
        assert_eq!(rows(Gallery::separate(&gallery)), [Some(0), Some(0)]);
        assert_eq!(rows(cameras(&[7, 8, 8])), [Some(1), Some(0)]);
        assert_eq!(rows(cameras(&[7, 7, 7])), [Some(1), Some(0)]);
        let alone = wheel(&[0.2], &[1]);
        let all = Gallery::separate(&alone).with_cameras(&[7, 7], &[7]);
        assert_eq!(rows(all), [None, Some(0)]);
        assert_eq!(confusions(&queries, all).unwrap().without, 1);
        let copies = Copies::between(&queries, &queries, None);
        assert_eq!(rows(Gallery::separate(&queries).without(&copies)), [None, None]);
    }
}
