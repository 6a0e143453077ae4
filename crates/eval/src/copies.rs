//! Rows of two sets that show the same sample. Found in the gallery, a query's own copy would always be the nearest row.
//!
//! Two rows are copies of each other if they have the same id, or if all their values are equal up to the differences that one sample
//! has between files ([`equal_rows`](crate::equal_rows)). Ids count only if they name samples in both sets: if one id has two different
//! labels, or the ids of both sets are the numbers of their rows from 0 or 1, the sets number their rows independently, and no id is used.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::equal_rows::EqualRows;
use crate::near_copies::NearCopies;

/// The group of a row that has no copy in the other set.
const NONE: usize = usize::MAX;

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
    /// Whether the ids of both sets only number the rows from 0 or 1. If so, no id was used.
    pub row_numbers: bool,
    /// Rows of the first set with a copy of another class in the second.
    pub contradictory: usize,
    /// A row of the first set, and its copy of another class in the second, if there is one.
    #[serde(skip)]
    pub first_contradiction: Option<(usize, usize)>,
    /// The distance of unit rows up to which their values count as equal; 0 if only those with equal bits do.
    pub distance: f64,
    /// Rows of the first set that are as near to a row of the second as a rounded copy, but do not count as one, because different samples are
    /// as near.
    pub undecided: usize,
    /// Further rows of the first set that look like copies of a row of the second, and were not left out.
    pub near: Option<NearCopies>,
    #[serde(skip)]
    sides: [Side; 2],
}

/// The groups of the rows of one set; rows of the same group are copies.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    by_value: Vec<usize>,
    by_id: Vec<usize>,
}

impl Side {
    fn of(&self, row: usize) -> (usize, usize) {
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
type GroupOf<'a> = &'a dyn Fn(&Side, usize) -> Option<(usize, usize)>;

impl Copies {
    /// Compares all rows of two sets, and their ids if both have ids (one per row). Sets of different dimensions have no equal rows.
    /// Takes time in proportion to the size of the sets.
    pub fn between(queries: &Embeddings, gallery: &Embeddings, ids: Option<(&[String], &[String])>) -> Self {
        Self::by_names(queries, gallery, ids.as_slice()).0
    }

    /// As [`between`](Self::between), with several names that the rows of both sets have (one per row), such as ids and the names of files. Uses the
    /// first of them that name samples in both sets, some of which are the same, and returns which. If there are none, those that would have been
    /// used if no name had two labels, or the first.
    pub fn by_names(
        queries: &Embeddings,
        gallery: &Embeddings,
        names: &[(&[String], &[String])],
    ) -> (Self, Option<usize>) {
        let labels = (queries.labels(), gallery.labels());
        let count = |(left, right): (&[String], &[String])| are_row_numbers(left) && are_row_numbers(right);
        let have_same = |(left, right): (&[String], &[String])| {
            let left: HashSet<&str> = left.iter().map(String::as_str).collect();
            right.iter().any(|name| left.contains(name.as_str()))
        };
        let are_shared = |at: &usize| !count(names[*at]) && have_same(names[*at]);
        let agree = |at: &usize| conflicts((names[*at].0, labels.0), (names[*at].1, labels.1)) == 0;
        let shared: Vec<usize> = (0..names.len()).filter(are_shared).collect();
        let used = shared.iter().find(|at| agree(at)).or(shared.first()).copied();
        let used = used.or((!names.is_empty()).then_some(0));
        (Self::with_ids(queries, gallery, used.map(|at| names[at])), used)
    }

    fn with_ids(queries: &Embeddings, gallery: &Embeddings, ids: Option<(&[String], &[String])>) -> Self {
        let EqualGroups { queries: by_value, gallery: others_by_value, distance, undecided } =
            groups_of_equal_rows(queries, gallery);
        let none = || (vec![NONE; queries.rows()], vec![NONE; gallery.rows()]);
        let (mut conflicting_ids, mut row_numbers, mut by_id) = (0, false, none());
        if let Some((left, right)) = ids {
            conflicting_ids = conflicts((left, queries.labels()), (right, gallery.labels()));
            row_numbers = are_row_numbers(left) && are_row_numbers(right);
            if conflicting_ids == 0 && !row_numbers {
                by_id = groups_of_ids(left, right);
            }
        }
        let undecided = undecided.into_iter().filter(|row| by_id.0[*row] == NONE).count();
        let sides = [Side { by_value, by_id: by_id.0 }, Side { by_value: others_by_value, by_id: by_id.1 }];
        let pairs_by = |group: GroupOf<'_>| -> u64 {
            let mut counts: HashMap<(usize, usize), [u64; 2]> = HashMap::new();
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
        let contradictions = contradictions(&sides, queries.labels(), gallery.labels());
        let near = NearCopies::of(queries, gallery, |query| sides[0].has(query));
        Self {
            queries: sides[0].count(),
            gallery: sides[1].count(),
            pairs: pairs_by_value + pairs_by_id - by_both,
            pairs_by_id,
            pairs_by_value,
            conflicting_ids,
            row_numbers,
            contradictory: contradictions.len(),
            first_contradiction: contradictions.first().copied(),
            distance,
            undecided,
            near,
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
        let first_contradiction = self.first_contradiction.map(|(query, row)| (row, query));
        let (from, to) = (self.gallery, self.queries);
        let near = self.near.map(|near| NearCopies { first: (near.first.1, near.first.0), ..near });
        Self {
            queries: from,
            gallery: to,
            first_contradiction,
            near,
            sides: [gallery, queries],
            ..self.clone()
        }
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
    /// The first two equal rows of different classes, if there are any.
    #[serde(skip)]
    pub first_contradiction: Option<(usize, usize)>,
}

impl Repeated {
    /// Counts the rows of a set that equal another row, as two rows of [`Copies`] do; `None` if there are none.
    pub fn of(set: &Embeddings) -> Option<Self> {
        let labels = set.labels();
        let mut members: HashMap<usize, (usize, bool)> = HashMap::new();
        let mut first_contradiction = None;
        for (row, first) in EqualRows::of(&[set]).first.into_iter().enumerate() {
            let (count, of_several) = members.entry(first).or_default();
            *count += 1;
            if labels[first] != labels[row] {
                *of_several = true;
                first_contradiction = first_contradiction.or(Some((first, row)));
            }
        }
        let several = || members.values().filter(|(count, _)| *count > 1);
        let found = Self {
            rows: several().map(|(count, _)| count).sum(),
            groups: several().count(),
            groups_of_several_classes: several().filter(|(_, of_several)| *of_several).count(),
            first_contradiction,
        };
        (found.rows > 0).then_some(found)
    }
}

/// The groups of both sides, the distance up to which rows are equal, and the queries of which it is not known.
struct EqualGroups {
    queries: Vec<usize>,
    gallery: Vec<usize>,
    distance: f64,
    undecided: Vec<usize>,
}

fn groups_of_equal_rows(queries: &Embeddings, gallery: &Embeddings) -> EqualGroups {
    if queries.dim() != gallery.dim() {
        let (queries, gallery) = (vec![NONE; queries.rows()], vec![NONE; gallery.rows()]);
        return EqualGroups { queries, gallery, distance: 0.0, undecided: Vec::new() };
    }
    let (EqualRows { first: mut left, distance }, undecided) = EqualRows::between(queries, gallery);
    let mut right = left.split_off(queries.rows());
    let other = right.clone();
    keep_shared(&mut right, &left);
    keep_shared(&mut left, &other);
    EqualGroups { queries: left, gallery: right, distance, undecided }
}

/// Each row of the first side that has a copy of another class, with the first such copy.
fn contradictions(sides: &[Side; 2], labels: &[u32], others: &[u32]) -> Vec<(usize, usize)> {
    let mut found: Vec<Option<usize>> = vec![None; labels.len()];
    let groups: [fn(&Side) -> &[usize]; 2] = [|side| &side.by_value, |side| &side.by_id];
    for group in groups {
        // Rows of the second side by group, the first of each class.
        let mut rows: HashMap<usize, Vec<usize>> = HashMap::new();
        for (row, key) in group(&sides[1]).iter().enumerate().filter(|(_, key)| **key != NONE) {
            let known = rows.entry(*key).or_default();
            if known.len() < 2 && known.iter().all(|other| others[*other] != others[row]) {
                known.push(row);
            }
        }
        for (query, key) in group(&sides[0]).iter().enumerate().filter(|(_, key)| **key != NONE) {
            let mut of_group = rows.get(key).into_iter().flatten().copied();
            let other = of_group.find(|row| others[*row] != labels[query]);
            found[query] = found[query].or(other);
        }
    }
    found.into_iter().enumerate().filter_map(|(query, row)| Some((query, row?))).collect()
}

fn groups_of_ids(left: &[String], right: &[String]) -> (Vec<usize>, Vec<usize>) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<usize> =
        left.iter().enumerate().map(|(row, id)| *first.entry(id.as_str()).or_insert(row)).collect();
    let others: Vec<usize> = right.iter().map(|id| first.get(id.as_str()).copied().unwrap_or(NONE)).collect();
    keep_shared(&mut groups, &others);
    (groups, others)
}

/// Whether ids are the numbers from 0 or from 1, in order.
fn are_row_numbers(ids: &[String]) -> bool {
    (0..=1_usize).any(|start| (start..).zip(ids).all(|(number, id)| id.parse() == Ok(number)))
}

/// Removes the groups that the other set does not have.
fn keep_shared(groups: &mut [usize], others: &[usize]) {
    let shared: HashSet<usize> = others.iter().copied().collect();
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

    /// Ordinary rows, of 3 times unit length about.
    fn ordinary(rows: usize, dim: usize) -> Vec<f32> {
        (0..rows * dim).map(|at| 3.0 * ((at * at + 5 * at) as f32 * 0.37).sin()).collect()
    }

    fn of(data: &[f32], dim: usize) -> Embeddings {
        let rows = data.len() / dim;
        Embeddings::new(data, rows, dim, &vec![0; rows]).unwrap()
    }

    fn normalised_in_f32(data: &[f32], dim: usize) -> Vec<f32> {
        let unit = |row: &[f32]| {
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter().map(|v| v / norm).collect::<Vec<f32>>()
        };
        data.chunks(dim).flat_map(unit).collect()
    }

    fn in_float16(value: f32) -> f32 {
        f32::from_bits((value.to_bits() + 0x1000) & !0x1fff)
    }

    #[test]
    fn a_rounded_or_recomputed_file_has_the_same_samples() {
        let dim = 64;
        let data = ordinary(300, dim);
        let set = of(&data, dim);
        let unit = normalised_in_f32(&data, dim);
        // What another batch changes, many times what was measured.
        let noise = |at: usize| 1e-6 * ((at * 7) as f32).sin();
        let variants: [(&str, Vec<f32>); 5] = [
            ("normalised", unit.clone()),
            ("another batch", unit.iter().enumerate().map(|(at, v)| v + noise(at)).collect()),
            ("float16", data.iter().copied().map(in_float16).collect()),
            ("normalised and float16", unit.iter().copied().map(in_float16).collect()),
            ("four decimals", unit.iter().map(|v| (v * 1e4).round() / 1e4).collect()),
        ];
        for (name, values) in variants {
            let other = of(&values, dim);
            assert_ne!(set.unit_rows(), other.unit_rows(), "{name}");
            for (a, b) in [(&set, &other), (&other, &set)] {
                let found = Copies::between(a, b, None);
                assert_eq!((found.queries, found.gallery, found.pairs), (300, 300, 300), "{name}");
                assert!((0..300).all(|row| found.same(row, row)), "{name}");
            }
            // one query alone, as of `nearest`
            let alone = of(&values[7 * dim..8 * dim], dim);
            let found = Copies::between(&alone, &set, None);
            assert!(found.same(0, 7) && found.gallery == 1, "{name}: {found:?}");
            let repeated = Repeated::of(&of(&[&data[..], &values[..]].concat(), dim)).unwrap();
            assert_eq!((repeated.rows, repeated.groups), (600, 300), "{name}");
        }
    }

    fn in_bfloat16(value: f32) -> f32 {
        f32::from_bits((value.to_bits() + 0x7fff + (value.to_bits() >> 16 & 1)) & !0xffff)
    }

    fn in_codes(values: &[f32]) -> Vec<f32> {
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        values.iter().map(|value| (value / largest * 127.0).round()).collect()
    }

    /// Different numbers from -1 to 1 in each place.
    fn uniform(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
        let of = |at: u64| {
            let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ (mixed >> 32)) >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..(rows * dim) as u64).map(of).collect()
    }

    #[test]
    fn copies_are_found_in_a_file_that_was_rounded_to_8_bits() {
        let rows = 600;
        for dim in [8, 32, 128, 512] {
            let data = uniform(rows, dim, 1);
            let (set, unit) = (of(&data, dim), normalised_in_f32(&data, dim));
            let brain = |values: &[f32]| values.iter().copied().map(in_bfloat16).collect::<Vec<f32>>();
            let again: Vec<f32> =
                unit.iter().enumerate().map(|(at, v)| v + 1e-7 * ((at * 7) as f32).sin()).collect();
            let sets: [(&str, Vec<f32>); 5] = [
                ("bfloat16", brain(&data)),
                ("normalised", brain(&unit)),
                ("recomputed", brain(&again)),
                ("codes", in_codes(&unit)),
                ("codes per row", unit.chunks(dim).flat_map(in_codes).collect()),
            ];
            let rounded_before = of(&sets[0].1, dim);
            for (name, values) in &sets {
                let other = of(values, dim);
                let mut compared = vec![(&set, &other), (&other, &set)];
                if *name == "normalised" {
                    compared.push((&rounded_before, &other));
                }
                for (a, b) in compared {
                    let found = Copies::between(a, b, None);
                    assert_eq!(
                        (found.queries, found.pairs, found.undecided),
                        (rows, rows as u64, 0),
                        "{dim} {name}"
                    );
                    assert!((0..rows).all(|row| found.same(row, row)), "{dim} {name}");
                }
                // Few copies, and one alone as of `nearest`.
                for count in [1, 5] {
                    let some = of(&values[7 * dim..(7 + count) * dim], dim);
                    let found = Copies::between(&some, &set, None);
                    assert!(found.same(0, 7) && found.pairs == count as u64, "{dim} {name}: {found:?}");
                }
                // Other samples.
                let found = Copies::between(&other, &of(&uniform(rows, dim, 99), dim), None);
                assert_eq!((found.pairs, found.undecided), (0, 0), "{dim} {name}");
            }
        }
    }

    #[test]
    fn rounded_rows_of_a_dense_set_are_no_copies() {
        for (dim, rows) in [(2, 4_000), (3, 20_000), (3, 200_000)] {
            let values = uniform(rows, dim, 1);
            let rounded: Vec<f32> =
                uniform(rows, dim, 0x5555_1234_5678).into_iter().map(in_bfloat16).collect();
            let found = Copies::between(&of(&rounded, dim), &of(&values, dim), None);
            assert!(found.pairs < 10, "{dim}: {} pairs, {}", found.pairs, found.undecided);
            assert!(found.undecided > 50, "{dim}: {}", found.undecided);
        }
    }

    #[test]
    fn near_rows_of_a_dense_set_are_no_copies() {
        // A circle, on which different rows are as near as the rounding of float16.
        let circle = |count: usize, turn: f64| -> Vec<f32> {
            let angle = |nth: usize| (nth as f64 + turn) * std::f64::consts::TAU / count as f64;
            (0..count).flat_map(|nth| [angle(nth).cos() as f32, angle(nth).sin() as f32]).collect()
        };
        for count in [5_000, 20_000] {
            let set = of(&circle(count, 0.0), 2);
            let between = of(&circle(count, 0.3), 2);
            let found = Copies::between(&between, &set, None);
            assert_eq!((found.pairs, found.undecided), (0, count), "{count}: {}", found.distance);
            assert_eq!(Repeated::of(&set), None, "{count}");
            let found = Copies::between(&set, &set, None);
            assert_eq!((found.pairs, found.queries), (count as u64, count), "{count}");
        }
    }

    #[test]
    fn rounded_copies_are_found_where_some_rows_have_near_neighbours() {
        let (rows, dim) = (600, 64);
        let mut unit = normalised_in_f32(&ordinary(rows, dim), dim);
        // Each of the first rows has a neighbour, as the frames of a video: too many for the widest distance.
        for (frame, distance) in (0..60).zip([2e-3_f32, 7e-4].into_iter().cycle()) {
            let from = unit[frame * dim..][..dim].to_vec();
            for (at, value) in from.iter().enumerate() {
                let sign = if at % 2 == 0 { 1.0 } else { -1.0 };
                unit[(frame + 60) * dim + at] = value + sign * distance / (dim as f32).sqrt();
            }
        }
        let set = of(&unit, dim);
        let rounded: [Vec<f32>; 2] = [
            unit.iter().copied().map(in_float16).collect(),
            unit.iter().map(|v| (v * 1e4).round() / 1e4).collect(),
        ];
        for values in rounded {
            let other = of(&values, dim);
            for (a, b) in [(&set, &other), (&other, &set)] {
                let found = Copies::between(a, b, None);
                assert!(found.distance < 9e-4);
                assert_eq!((found.queries, found.pairs, found.undecided), (rows, rows as u64, 0));
                assert!((0..rows).all(|row| found.same(row, row)));
            }
            // Few copies in a set of other samples.
            let some = Copies::between(&of(&values[40 * dim..200 * dim], dim), &set, None);
            assert_eq!((some.pairs, some.undecided), (160, 0));
        }
    }

    #[test]
    fn near_rows_at_random_are_no_copies() {
        for (dim, rows) in [(2, 4_000), (3, 20_000)] {
            let values = |seed: u64| -> Vec<f32> {
                let uniform = |at: u64| {
                    let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
                    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    ((mixed ^ (mixed >> 32)) >> 40) as f32 / 8_388_608.0 - 1.0
                };
                (0..(rows * dim) as u64).map(uniform).collect()
            };
            let found = Copies::between(&of(&values(1), dim), &of(&values(0x5555_1234_5678), dim), None);
            // A few rows of a circle are equal up to the rounding of float32.
            assert!(found.pairs < 10, "{dim}: {found:?}");
            assert!(found.undecided > 50, "{dim}: {found:?}");
        }
    }

    #[test]
    fn copies_of_crowded_rows_are_found_as_far_as_their_distances_allow() {
        let dim = 32;
        for (offset, distance) in [(1e3_f32, 1.0 / 65_536.0), (3e5, 1.0 / 4_194_304.0), (3e7, 0.0)] {
            let data: Vec<f32> = ordinary(400, dim).iter().map(|v| v + offset).collect();
            let set = of(&data, dim);
            assert!(set.crowding().is_some());
            let found = Copies::between(&set, &of(&data, dim), None);
            assert_eq!((found.pairs, found.distance), (400, distance), "{offset}");
            assert_eq!(Repeated::of(&set), None, "{offset}");
            if distance > 0.0 {
                let again = of(&normalised_in_f32(&data, dim), dim);
                assert_eq!(Copies::between(&set, &again, None).pairs, 400, "{offset}");
                assert_eq!(Copies::between(&again, &set, None).pairs, 400, "{offset}");
            }
        }
    }

    #[test]
    fn a_small_set_of_near_rows_is_not_one_sample() {
        let near: Vec<[f32; 2]> = (0..6).map(|nth| [1.0, 1e-4 * nth as f32]).collect();
        let set = set(&near, &[1; 6]);
        assert_eq!(Repeated::of(&set), None);
        assert_eq!(Copies::between(&set, &set, None).pairs, 6);
    }

    #[test]
    fn copies_of_another_class_are_counted() {
        let queries = set(&[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], &[1, 2, 3]);
        let gallery = set(&[[0.8, 0.6], [0.0, 2.0], [0.0, 1.0], [3.0, 4.0]], &[1, 2, 5, 4]);
        let found = Copies::between(&queries, &gallery, None);
        assert_eq!((found.contradictory, found.first_contradiction), (2, Some((1, 2))));
        assert_eq!(found.swapped().first_contradiction, Some((2, 1)));
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
    fn the_first_names_of_the_same_samples_are_used() {
        let queries = set(&[[1.0, 0.0], [0.6, 0.8]], &[1, 2]);
        let gallery = set(&[[0.9, 0.1], [0.7, 0.8]], &[1, 3]);
        let [numbers, other, a, b, swapped] =
            [["0", "1"], ["x", "y"], ["a", "b"], ["a", "c"], ["d", "a"]].map(|names| ids(&names));
        let pair = |left, right| -> (&[String], &[String]) { (left, right) };
        let used = |names: &[(&[String], &[String])]| {
            let (found, used) = Copies::by_names(&queries, &gallery, names);
            (used, found.pairs_by_id, found.conflicting_ids, found.row_numbers)
        };
        let fits = pair(&a, &b);
        assert_eq!(used(&[fits]), (Some(0), 1, 0, false));
        for unfit in [pair(&numbers, &numbers), pair(&a, &other), pair(&a, &swapped)] {
            assert_eq!(used(&[unfit, fits]), (Some(1), 1, 0, false));
        }
        assert_eq!(used(&[pair(&a, &other), pair(&a, &swapped)]), (Some(1), 0, 1, false));
        assert!(used(&[pair(&numbers, &numbers), pair(&a, &other)]).3);
        assert_eq!(used(&[]), (None, 0, 0, false));
    }

    #[test]
    fn row_numbers_name_no_samples() {
        let queries = set(&[[1.0, 0.0], [0.6, 0.8]], &[1, 2]);
        let gallery = set(&[[0.9, 0.1], [0.7, 0.8]], &[1, 2]);
        let numbers = ids(&["0", "1"]);
        let found = Copies::between(&queries, &gallery, Some((&numbers, &numbers)));
        assert!(found.row_numbers && !found.any() && found.conflicting_ids == 0);
        let from_one = ids(&["1", "2"]);
        for (left, right) in [(&from_one, &from_one), (&numbers, &from_one)] {
            assert!(Copies::between(&queries, &gallery, Some((left, right))).row_numbers);
        }
        let later = ids(&["2", "3"]);
        assert!(!Copies::between(&queries, &gallery, Some((&later, &later))).row_numbers);
        let others = ids(&["1", "0"]);
        let found = Copies::between(&queries, &gallery, Some((&numbers, &others)));
        assert_eq!((found.row_numbers, found.conflicting_ids), (false, 2));
    }

    #[test]
    fn repeated_rows_are_counted_with_their_classes() {
        assert_eq!(Repeated::of(&set(&[[1.0, 0.0], [0.0, 1.0]], &[1, 1])), None);
        let rows = [[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [4.0, -0.0]];
        let found = Repeated::of(&set(&rows, &[1, 2, 1, 3, 1, 1])).unwrap();
        assert_eq!(
            found,
            Repeated { rows: 5, groups: 2, groups_of_several_classes: 1, first_contradiction: Some((1, 3)) }
        );
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
