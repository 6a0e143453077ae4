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

/// A part of the table of confusions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusedClasses {
    /// The classes, in rising order.
    pub classes: Vec<u32>,
    /// For each class of queries, the number of nearest neighbours in each of these classes.
    pub counts: Vec<Vec<u64>>,
    /// The number of all queries of each class, with those whose nearest neighbour is of a class that is not here.
    pub totals: Vec<u64>,
}

impl Confusions {
    /// Counts the classes of queries, with these labels, by the classes of their nearest rows, which are rows of `labels_of_gallery`.
    ///
    /// # Panics
    /// If a nearest row is not less than the number of `labels_of_gallery`.
    pub fn count(labels: &[u32], nearest: &[Option<Neighbour>], labels_of_gallery: &[u32]) -> Self {
        let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let mut without = 0;
        for (&class, found) in labels.iter().zip(nearest) {
            match found {
                Some(found) => *counts.entry((class, labels_of_gallery[found.index])).or_default() += 1,
                None => without += 1,
            }
        }
        let entry = |((class, found), queries)| Confusion { class, found, queries };
        Self { entries: counts.into_iter().map(entry).collect(), without }
    }

    /// At most this many classes with the most confusions, as queries or found, with their part of the table.
    pub fn most_confused(&self, most: usize) -> ConfusedClasses {
        let (mut totals, mut wrong) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
        for entry in &self.entries {
            *totals.entry(entry.class).or_default() += entry.queries;
            for class in [entry.class, entry.found] {
                *wrong.entry(class).or_default() +=
                    if entry.class == entry.found { 0 } else { entry.queries };
            }
        }
        let mut classes: Vec<u32> = wrong.keys().copied().collect();
        classes.sort_by_key(|class| std::cmp::Reverse(wrong[class]));
        classes.truncate(most);
        classes.sort_unstable();
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for entry in &self.entries {
            let place = |class: u32| classes.binary_search(&class).ok();
            if let (Some(row), Some(column)) = (place(entry.class), place(entry.found)) {
                counts[row][column] = entry.queries;
            }
        }
        let totals = classes.iter().map(|class| totals.get(class).copied().unwrap_or(0)).collect();
        ConfusedClasses { classes, counts, totals }
    }

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
    let nearest = nearest_rows(queries, gallery)?;
    Ok(Confusions::count(queries.labels(), &nearest, gallery.set(queries).labels()))
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
    fn the_most_confused_classes_come_with_all_their_queries() {
        let entries = vec![entry(1, 1, 50), entry(2, 2, 5), entry(2, 9, 3), entry(4, 4, 7), entry(4, 2, 1)];
        let found = Confusions { entries, without: 0 }.most_confused(2);
        assert_eq!((found.classes, found.totals), (vec![2, 9], vec![8, 0]));
        assert_eq!(found.counts, [[5, 3], [0, 0]]);
        assert!(Confusions { entries: vec![], without: 1 }.most_confused(5).classes.is_empty());
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
