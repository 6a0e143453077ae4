//! Which classes are confused: the class of each query against the class of its nearest neighbour.

use std::collections::BTreeMap;

use serde::Serialize;

use super::neighbour::Neighbour;
use super::ranking::Gallery;
use super::search::{search, search_within};

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
/// Those of [`search()`].
pub fn nearest_rows(queries: &Embeddings, gallery: Gallery<'_>) -> Result<Vec<Option<Neighbour>>> {
    let (set, excluded, k) = match gallery {
        Gallery::Others => {
            let found = search_within(queries, 1)?;
            return Ok((0..queries.rows()).map(|query| found.of(query).map(|found| found[0])).collect());
        }
        Gallery::Separate(set) => (set, None, 1),
        Gallery::Cameras { gallery, query_cameras, gallery_cameras } => {
            let mut same: BTreeMap<(u32, u32), usize> = BTreeMap::new();
            for key in gallery.labels().iter().copied().zip(gallery_cameras.iter().copied()) {
                *same.entry(key).or_default() += 1;
            }
            let keys: Vec<(u32, u32)> =
                queries.labels().iter().copied().zip(query_cameras.iter().copied()).collect();
            // One neighbour more than can be excluded is enough.
            let most = keys.iter().filter_map(|key| same.get(key)).max().copied().unwrap_or(0);
            (gallery, Some((keys, gallery_cameras)), (most + 1).min(gallery.rows()))
        }
    };
    let found = search(queries, set, k)?;
    let counts = |query: usize, row: usize| {
        excluded.as_ref().is_none_or(|(keys, cameras)| keys[query] != (set.labels()[row], cameras[row]))
    };
    let nearest = |query: usize| found.of(query)?.iter().find(|found| counts(query, found.index)).copied();
    Ok((0..queries.rows()).map(nearest).collect())
}

/// Counts the classes of queries by the classes of their nearest neighbours.
///
/// # Errors
/// Those of [`nearest_rows`].
pub fn confusions(queries: &Embeddings, gallery: Gallery<'_>) -> Result<Confusions> {
    let set = match gallery {
        Gallery::Others => queries,
        Gallery::Separate(gallery) | Gallery::Cameras { gallery, .. } => gallery,
    };
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
        let found = confusions(&set, Gallery::Others).unwrap();
        assert_eq!(found.entries, [entry(1, 1, 2), entry(1, 2, 1), entry(2, 1, 2)]);
        assert_eq!(found.wrong(), [entry(2, 1, 2), entry(1, 2, 1)]);
        assert_eq!(found.without, 0);
    }

    #[test]
    fn the_same_class_and_camera_is_excluded() {
        let (queries, gallery) = (wheel(&[0.0, 0.0], &[1, 2]), wheel(&[0.05, 0.1, 0.3], &[1, 2, 1]));
        let cameras =
            |gallery_cameras| Gallery::Cameras { gallery: &gallery, query_cameras: &[7, 7], gallery_cameras };
        let rows = |gallery| -> Vec<Option<usize>> {
            let found = nearest_rows(&queries, gallery).unwrap();
            found.into_iter().map(|found| found.map(|found| found.index)).collect()
        };
        assert_eq!(rows(Gallery::Separate(&gallery)), [Some(0), Some(0)]);
        assert_eq!(rows(cameras(&[7, 8, 8])), [Some(1), Some(0)]);
        assert_eq!(rows(cameras(&[7, 7, 7])), [Some(1), Some(0)]);
        let alone = wheel(&[0.2], &[1]);
        let all = Gallery::Cameras { gallery: &alone, query_cameras: &[7, 7], gallery_cameras: &[7] };
        assert_eq!(rows(all), [None, Some(0)]);
        assert_eq!(confusions(&queries, all).unwrap().without, 1);
    }
}
