//! Rows of two sets that show the same sample. Found in the gallery, a query's own copy would always be the nearest row.
//!
//! Two rows are copies of each other if they have the same id, or if all their values are equal after normalising: bit for bit, or
//! up to the rounding of `f32` (2.5e-7) unless cosines are crowded. So a file of normalised rows has the same samples as the original.
//! Ids count only if they name samples in both sets: if one id has two different labels, or the ids of both sets are the numbers of
//! their rows, the sets number their rows independently, and no id is used.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use serde::Serialize;

use crate::embeddings::Embeddings;

/// Largest difference of two values of unit rows that are equal but for rounding.
const ROUNDING: f32 = 2.5e-7;
/// Steps per 1 of the grids that [`hashes`] rounds to.
const GRID: f32 = 512.0;

/// The group of a row that has no copy in the other set.
const NONE: u32 = u32::MAX;

/// Which rows of two sets are copies of each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copies {
    /// Rows of the first set with a copy in the second.
    pub queries: usize,
    /// Rows of the second set with a copy in the first.
    pub gallery: usize,
    /// Pairs of copies.
    pub pairs: u64,
    /// Pairs with the same id.
    pub pairs_by_id: u64,
    /// Pairs of equal rows.
    pub pairs_by_value: u64,
    /// Ids that occur in both sets with different labels. If there are any, no id was used.
    pub conflicting_ids: usize,
    /// Whether the ids of both sets only number the rows from 0. If so, no id was used.
    pub row_numbers: bool,
    #[serde(skip)]
    sides: [Side; 2],
}

/// The groups of the rows of one set; rows of the same group are copies.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    by_value: Vec<u32>,
    by_id: Vec<u32>,
}

impl Side {
    fn of(&self, row: usize) -> (u32, u32) {
        (self.by_value[row], self.by_id[row])
    }

    fn has(&self, row: usize) -> bool {
        self.of(row) != (NONE, NONE)
    }

    fn count(&self) -> usize {
        (0..self.by_value.len()).filter(|&row| self.has(row)).count()
    }
}

/// The group of a row of one side, if it is in one.
type GroupOf<'a> = &'a dyn Fn(&Side, usize) -> Option<(u32, u32)>;

impl Copies {
    /// Compares all rows of two sets, and their ids if both have ids (one per row). Sets of different dimensions have no equal rows.
    /// Takes time in proportion to the size of the sets.
    pub fn between(queries: &Embeddings, gallery: &Embeddings, ids: Option<(&[String], &[String])>) -> Self {
        let (by_value, others_by_value) = groups_of_equal_rows(queries, gallery);
        let none = || (vec![NONE; queries.rows()], vec![NONE; gallery.rows()]);
        let (mut conflicting_ids, mut row_numbers, mut by_id) = (0, false, none());
        if let Some((left, right)) = ids {
            conflicting_ids = conflicts((left, queries.labels()), (right, gallery.labels()));
            row_numbers = are_row_numbers(left) && are_row_numbers(right);
            if conflicting_ids == 0 && !row_numbers {
                by_id = groups_of_ids(left, right);
            }
        }
        let sides = [Side { by_value, by_id: by_id.0 }, Side { by_value: others_by_value, by_id: by_id.1 }];
        let pairs_by = |group: GroupOf<'_>| -> u64 {
            let mut counts: HashMap<(u32, u32), [u64; 2]> = HashMap::new();
            for (nth, side) in sides.iter().enumerate() {
                for key in (0..side.by_id.len()).filter_map(|row| group(side, row)) {
                    counts.entry(key).or_default()[nth] += 1;
                }
            }
            counts.values().map(|[left, right]| left * right).sum()
        };
        let pairs_by_value =
            pairs_by(&|side, row| (side.by_value[row] != NONE).then_some((side.by_value[row], 0)));
        let pairs_by_id = pairs_by(&|side, row| (side.by_id[row] != NONE).then_some((side.by_id[row], 0)));
        let by_both = pairs_by(&|side, row| {
            let (value, id) = side.of(row);
            (value != NONE && id != NONE).then_some((value, id))
        });
        Self {
            queries: sides[0].count(),
            gallery: sides[1].count(),
            pairs: pairs_by_value + pairs_by_id - by_both,
            pairs_by_id,
            pairs_by_value,
            conflicting_ids,
            row_numbers,
            sides,
        }
    }

    /// Whether a row of the first set and a row of the second, which must exist, are copies of each other.
    pub fn same(&self, query: usize, row: usize) -> bool {
        let ((value, id), (other_value, other_id)) = (self.sides[0].of(query), self.sides[1].of(row));
        (value == other_value && value != NONE) || (id == other_id && id != NONE)
    }

    /// Whether a row of the first set, which must exist, has a copy in the second.
    pub fn has(&self, query: usize) -> bool {
        self.sides[0].has(query)
    }

    /// Rows of the second set that have no copy in the first, in order.
    pub fn gallery_without(&self) -> Vec<usize> {
        (0..self.sides[1].by_id.len()).filter(|&row| !self.sides[1].has(row)).collect()
    }

    /// The same with both sets exchanged.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let [queries, gallery] = self.sides.clone();
        Self { queries: self.gallery, gallery: self.queries, sides: [gallery, queries], ..self.clone() }
    }

    /// Whether any rows are copies.
    pub fn any(&self) -> bool {
        self.queries > 0
    }
}

/// Equal rows within one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// Rows that equal another row.
    pub rows: usize,
    /// Groups of equal rows.
    pub groups: usize,
    /// Groups with rows of several classes.
    pub groups_of_several_classes: usize,
}

impl Repeated {
    /// Counts the rows of a set whose values all equal those of another row after normalising; `None` if there are none.
    pub fn of(set: &Embeddings) -> Option<Self> {
        let mut first = EqualRows::new(set);
        let mut members: HashMap<u32, (usize, HashSet<u32>)> = HashMap::new();
        for row in 0..set.rows() {
            let group = first.group(row);
            let (count, labels) = members.entry(group).or_default();
            *count += 1;
            labels.insert(set.labels()[row]);
        }
        let several = || members.values().filter(|(count, _)| *count > 1);
        let found = Self {
            rows: several().map(|(count, _)| count).sum(),
            groups: several().count(),
            groups_of_several_classes: several().filter(|(_, labels)| labels.len() > 1).count(),
        };
        (found.rows > 0).then_some(found)
    }
}

/// The distinct rows of a set, by hashes of their values.
struct EqualRows<'a> {
    set: &'a Embeddings,
    exact: bool,
    hashes: Vec<[u64; 2]>,
    /// The first row of each distinct value with this hash.
    first: HashMap<u64, Vec<u32>>,
}

impl<'a> EqualRows<'a> {
    fn new(set: &'a Embeddings) -> Self {
        let exact = set.crowding().is_some();
        Self { set, exact, hashes: hashes(set, exact), first: HashMap::new() }
    }

    /// The group of a row of the set: the first row given to this function that equals it.
    fn group(&mut self, row: usize) -> u32 {
        if let Some(first) = self.find(self.set, row, self.hashes[row]) {
            return first;
        }
        for hash in self.hashes[row] {
            self.first.entry(hash).or_default().push(row as u32);
        }
        row as u32
    }

    /// The group of a row of a set.
    fn find(&self, other: &Embeddings, row: usize, hashes: [u64; 2]) -> Option<u32> {
        let mut rows = hashes.iter().filter_map(|hash| self.first.get(hash)).flatten();
        rows.find(|&&first| equal((self.set, first as usize), (other, row), self.exact)).copied()
    }
}

fn equal((a, row_a): (&Embeddings, usize), (b, row_b): (&Embeddings, usize), exact: bool) -> bool {
    if !exact {
        return a.row(row_a).iter().zip(b.row(row_b)).all(|(x, y)| (x - y).abs() <= ROUNDING);
    }
    let rests = match (a.rest(row_a), b.rest(row_b)) {
        (Some(x), Some(y)) => x == y,
        _ => true,
    };
    a.row(row_a) == b.row(row_b) && rests
}

/// Two hashes of the values of each row, rounded to two grids unless `exact`: values that differ by rounding may lie on both sides of an
/// edge of one grid, but hardly of both.
fn hashes(set: &Embeddings, exact: bool) -> Vec<[u64; 2]> {
    let hash = |row: &[f32], offset: f32| {
        row.iter().fold(0_u64, |hash, value| {
            // adding zero turns -0 into 0
            let value = if exact { value + 0.0 } else { (value * GRID + offset).floor() };
            (hash.rotate_left(5) ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    };
    let both = |row: &[f32]| [hash(row, 0.3), hash(row, 0.8)];
    set.unit_rows().par_chunks_exact(set.dim()).map(both).collect()
}

fn groups_of_equal_rows(queries: &Embeddings, gallery: &Embeddings) -> (Vec<u32>, Vec<u32>) {
    if queries.dim() != gallery.dim() {
        return (vec![NONE; queries.rows()], vec![NONE; gallery.rows()]);
    }
    let mut rows = EqualRows::new(queries);
    let mut left: Vec<u32> = (0..queries.rows()).map(|row| rows.group(row)).collect();
    let others = hashes(gallery, rows.exact);
    let right: Vec<u32> =
        (0..gallery.rows()).map(|row| rows.find(gallery, row, others[row]).unwrap_or(NONE)).collect();
    keep_shared(&mut left, &right);
    (left, right)
}

fn groups_of_ids(left: &[String], right: &[String]) -> (Vec<u32>, Vec<u32>) {
    let mut first: HashMap<&str, u32> = HashMap::new();
    let mut groups: Vec<u32> =
        left.iter().zip(0..).map(|(id, row)| *first.entry(id.as_str()).or_insert(row)).collect();
    let others: Vec<u32> = right.iter().map(|id| first.get(id.as_str()).copied().unwrap_or(NONE)).collect();
    keep_shared(&mut groups, &others);
    (groups, others)
}

/// Whether ids are the numbers from 0, in order.
fn are_row_numbers(ids: &[String]) -> bool {
    (0_usize..).zip(ids).all(|(row, id)| id.parse() == Ok(row))
}

/// Removes the groups that the other set does not have.
fn keep_shared(groups: &mut [u32], others: &[u32]) {
    let shared: HashSet<u32> = others.iter().copied().collect();
    for group in groups.iter_mut().filter(|group| !shared.contains(group)) {
        *group = NONE;
    }
}

/// How many ids occur in both sets with different labels.
fn conflicts(left: (&[String], &[u32]), right: (&[String], &[u32])) -> usize {
    let labels: HashMap<&str, u32> = left.0.iter().map(String::as_str).zip(left.1.iter().copied()).collect();
    let differs = |(id, label): &(&String, &u32)| labels.get(id.as_str()).is_some_and(|of| of != *label);
    right.0.iter().zip(right.1).filter(differs).map(|(id, _)| id.as_str()).collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(rows: &[[f32; 2]], labels: &[u32]) -> Embeddings {
        Embeddings::new(rows.as_flattened(), rows.len(), 2, labels).unwrap()
    }

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn equal_rows_and_equal_ids_are_copies() {
        let queries = set(&[[1.0, 0.0], [0.6, 0.8], [-0.0, 1.0]], &[1, 1, 2]);
        // twice the first row, one that was scaled by two, and a row of another value with a known id
        let gallery = set(&[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.5, -0.5]], &[1, 2, 2, 1]);
        let found = Copies::between(&queries, &gallery, None);
        assert_eq!((found.queries, found.gallery, found.pairs), (2, 3, 3));
        assert!(found.same(0, 0) && found.same(0, 1) && found.same(2, 2) && !found.same(1, 3));
        assert!(found.has(0) && !found.has(1));
        assert_eq!(found.gallery_without(), [3]);
        let swapped = found.swapped();
        assert!(swapped.same(1, 0) && !swapped.same(0, 1) && swapped.has(2) && !swapped.has(3));
        assert_eq!((swapped.queries, swapped.gallery, swapped.swapped()), (3, 2, found));
        let (left, right) = (ids(&["a", "b", "c"]), ids(&["a", "x", "y", "b"]));
        let found = Copies::between(&queries, &gallery, Some((&left, &right)));
        assert!(found.same(1, 3) && found.same(0, 1));
        assert_eq!((found.pairs, found.pairs_by_id, found.pairs_by_value), (4, 2, 3));
        assert_eq!(found.conflicting_ids, 0);
    }

    #[test]
    fn normalised_rows_are_copies_of_the_original() {
        let data: Vec<f32> = (0..300 * 24).map(|at| 3.0 * ((at * at + 5 * at) as f32 * 0.37).sin()).collect();
        let set = Embeddings::new(&data, 300, 24, &[0; 300]).unwrap();
        // Normalised by another program in f32, with its own rounding.
        let again: Vec<f32> = data
            .chunks(24)
            .flat_map(|row| {
                let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                row.iter().map(move |v| v / norm)
            })
            .collect();
        let again = Embeddings::new(&again, 300, 24, &[0; 300]).unwrap();
        assert_ne!(set.unit_rows(), again.unit_rows());
        let found = Copies::between(&set, &again, None);
        assert_eq!((found.queries, found.pairs), (300, 300));
        assert!((0..300).all(|row| found.same(row, row)));
    }

    #[test]
    fn ids_with_two_labels_name_no_samples() {
        let queries = set(&[[1.0, 0.0], [0.6, 0.8]], &[1, 2]);
        let gallery = set(&[[0.9, 0.1], [0.7, 0.8]], &[1, 3]);
        let numbers = ids(&["0", "1"]);
        let found = Copies::between(&queries, &gallery, Some((&numbers, &numbers)));
        assert_eq!((found.conflicting_ids, found.pairs), (1, 0));
        assert!(!found.any());
    }

    #[test]
    fn row_numbers_name_no_samples() {
        let queries = set(&[[1.0, 0.0], [0.6, 0.8]], &[1, 2]);
        let gallery = set(&[[0.9, 0.1], [0.7, 0.8]], &[1, 2]);
        let numbers = ids(&["0", "1"]);
        let found = Copies::between(&queries, &gallery, Some((&numbers, &numbers)));
        assert!(found.row_numbers && !found.any() && found.conflicting_ids == 0);
        let others = ids(&["1", "0"]);
        let found = Copies::between(&queries, &gallery, Some((&numbers, &others)));
        assert_eq!((found.row_numbers, found.conflicting_ids), (false, 2));
    }

    #[test]
    fn repeated_rows_are_counted_with_their_classes() {
        assert_eq!(Repeated::of(&set(&[[1.0, 0.0], [0.0, 1.0]], &[1, 1])), None);
        let rows = [[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [4.0, -0.0]];
        let found = Repeated::of(&set(&rows, &[1, 2, 1, 3, 1, 1])).unwrap();
        assert_eq!(found, Repeated { rows: 5, groups: 2, groups_of_several_classes: 1 });
    }

    proptest! {
        #[test]
        fn copies_equal_comparing_every_pair(
            values in prop::collection::vec(-2_i8..=2, 60), names in prop::collection::vec(0_u8..12, 30),
        ) {
            let rows: Vec<[f32; 2]> =
                values.chunks(2).map(|v| [f32::from(v[0]) + 0.125, f32::from(v[1])]).collect();
            let names: Vec<String> = names.iter().map(u8::to_string).collect();
            let (queries, gallery) = (set(&rows[..12], &[0; 12]), set(&rows[12..], &[0; 18]));
            let found = Copies::between(&queries, &gallery, Some((&names[..12], &names[12..])));
            let mut pairs = 0;
            for query in 0..12 {
                let mut any = false;
                for row in 0..18 {
                    let same = queries.row(query) == gallery.row(row) || names[query] == names[12 + row];
                    prop_assert_eq!(found.same(query, row), same);
                    pairs += u64::from(same);
                    any |= same;
                }
                prop_assert_eq!(found.has(query), any);
            }
            prop_assert_eq!(found.pairs, pairs);
        }
    }
}
