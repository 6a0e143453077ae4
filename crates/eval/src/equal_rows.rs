//! Which rows show the same sample by their values: the one place that decides it.
//!
//! The values of one sample differ a little from file to file: an embedding depends on the batch that it was computed in, another
//! program normalises with its own rounding, and a file may hold `float16` or four decimals. So rows count as equal up to a
//! distance, which depends on the rows: it is the first of [`DISTANCES`] that tells samples apart. The distances of copies end far
//! below those of different samples, so a distance is rejected if more than 1 % of the rows have another row at one to four times
//! that distance, or are in a group with more than four variants. Where even the narrowest distance is rejected, as in crowded sets,
//! only rows with equal bits are equal.
//!
//! Between two sets, single rows can still be told to be copies where the widest distance is rejected, and rows of a file that was rounded to
//! `bfloat16` or codes of 8 bits, which is further than any of these distances: see [`EqualRows::between`].

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::rounding::Coarse;

/// Euclidean distances of unit rows, from wide to narrow:
/// - 9.8e-4: the rounding of `float16` is at most 4.9e-4, that of four decimals less than 6.6e-4 at dimension 512;
/// - 1.5e-5: an image embedded alone and in a batch, which differ by up to 1.5e-6 with `small-cnn`;
/// - 2.4e-7: normalised in `float32` once more.
pub(crate) const DISTANCES: [f64; 3] = [1.0 / 1024.0, 1.0 / 65_536.0, 1.0 / 4_194_304.0];
/// A distance is rejected if rows are between it and this many times it.
const GAP: f64 = 4.0;
/// The most different rows of a group; more are samples that the distance does not tell apart.
const MOST_VARIANTS: usize = 4;
/// The share of rows that may be in the gap or in a larger group: one of this many.
const LEAST_ROWS_PER_LOOSE: usize = 100;
/// Directions that rows are projected on, to find near rows.
const DIRECTIONS: usize = 6;
/// Width of the cells of projections, in units of the distance that is searched.
const CELL: f64 = 4.0;
/// The fewest clear pairs that show that two sets have samples in common.
const LEAST_CLEAR: usize = 8;
/// Candidates compared per row before a distance is rejected.
const CANDIDATES: usize = 1024;
/// Rows that two files may have rounded from the same row are no copies if others are so with a rounding this many times as large.
const ROUNDING_GAP: f64 = 3.0;
/// From this dimension on, a single row without others in the gap is no coincidence.
const TELLING_DIM: usize = 8;
/// The error of a projection, in standard deviations at most: errors of rounding add up as random numbers do.
const DEVIATIONS: f64 = 6.0;
/// The widest error of rows that is searched.
const WIDEST_ROUNDING: f64 = 0.05;
/// What rounding to `f32` changes a unit row by, at most: the projections are those of the rounded rows.
const ROUNDED: f64 = 6e-8;

/// The rows of one or more sets of the same dimension in groups of equal rows.
pub(crate) struct EqualRows {
    /// For each row, the first row of its group; the sets are counted through.
    pub(crate) first: Vec<usize>,
    /// The distance up to which rows were equal; 0 if only rows with equal bits were.
    pub(crate) distance: f64,
}

impl EqualRows {
    /// Takes time in proportion to the size of the sets.
    pub(crate) fn of(sets: &[&Embeddings]) -> Self {
        Rows::new(sets).groups()
    }

    /// The rows of two sets in groups; also the rows of the first set that may have a copy in the second, but are in no group with it.
    ///
    /// If the widest distance is rejected, a row and its nearest row of the other set are a clear pair if each is the nearest of the other, within
    /// that distance, and all further rows of both sets are at least [`GAP`] times as far from both. Between sets of different samples, such pairs
    /// are few: in dense sets few near rows are in one, and in sparse sets the rows in the gap are at least three times as many as those below it.
    /// So if at least half of the near rows are in clear pairs, and no more rows are in the gap, the sets have samples in common. Then clear pairs
    /// are equal, and so are rows that are each other's nearest at a distance that is usual for clear pairs.
    ///
    /// If the values of a set are all of a coarse number type, the rows that are still without a copy are compared by that: two rows are a pair if
    /// some row becomes both of them by rounding. Here too, most pairs must be clear, which is that neither row is in another pair, even with a
    /// rounding of [`ROUNDING_GAP`] times the size.
    pub(crate) fn between(left: &Embeddings, right: &Embeddings) -> (Self, Vec<usize>) {
        let rows = Rows::new(&[left, right]);
        let mut found = rows.groups();
        let mut undecided = if found.distance < DISTANCES[0] {
            rows.join_sides(&mut found.first, left.rows())
        } else {
            Vec::new()
        };
        if let Some(reach) = rounding_reach(left, right) {
            rows.join_rounded(&mut found.first, left.rows(), reach, &mut undecided);
        }
        (found, undecided)
    }
}

/// The neighbours of a row that has no equal row in the other set.
struct Neighbours {
    /// The nearest such row of the other set, and its distance, if that is at most the widest.
    nearest: Option<(f64, usize)>,
    /// The distance of the nearest further row of both sets; infinite if it is far, 0 if too many rows are near.
    next: f64,
    /// Whether such a row of the other set is between the widest distance and [`GAP`] times that.
    in_gap: bool,
}

/// The rows of all sets, one after the other.
struct Rows<'a> {
    places: Vec<(&'a Embeddings, usize)>,
    /// Whether all sets have what `f32` rounded off, so that it counts.
    precise: bool,
    projections: Vec<[f64; DIRECTIONS]>,
    first_identical: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn new(sets: &[&'a Embeddings]) -> Self {
        let places: Vec<_> = sets.iter().flat_map(|set| (0..set.rows()).map(|row| (*set, row))).collect();
        let dim = sets.first().map_or(0, |set| set.dim());
        let scale = 1.0 / (dim as f64).sqrt();
        let project = |&(set, row): &(&Embeddings, usize)| {
            let mut sums = [0.0; DIRECTIONS];
            for (column, value) in set.row(row).iter().enumerate() {
                // Directions of arbitrary but fixed signs.
                let signs = mixed(column as u64 + 1) >> 32;
                for (nth, sum) in sums.iter_mut().enumerate() {
                    let value = f64::from(*value);
                    *sum += if signs >> nth & 1 == 0 { value } else { -value };
                }
            }
            sums.map(|sum| sum * scale)
        };
        let projections = places.par_iter().map(project).collect();
        let precise = sets.iter().all(|set| set.rows() == 0 || set.rest(0).is_some());
        let first_identical = identical(&places, precise);
        Self { places, precise, projections, first_identical }
    }

    fn groups(&self) -> EqualRows {
        for distance in DISTANCES {
            if let Some(first) = self.within(distance) {
                return EqualRows { first, distance };
            }
        }
        EqualRows { first: self.first_identical.clone(), distance: 0.0 }
    }

    /// Joins groups of the first `of_left` rows with groups of the others, if rounding explains their difference. `reach` is what it changes
    /// a projection by. Updates the near rows of the first side that were not joined.
    fn join_rounded(&self, first: &mut [usize], of_left: usize, reach: f64, undecided: &mut Vec<usize>) {
        let mut in_sides = vec![[false; 2]; first.len()];
        for (row, &group) in first.iter().enumerate() {
            in_sides[group][usize::from(row >= of_left)] = true;
        }
        let open = (0..first.len()).filter(|row| first[*row] == *row && in_sides[*row] != [true, true]);
        let (left, right): (Vec<usize>, Vec<usize>) = open.partition(|row| *row < of_left);
        let mut cells: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut probes = Vec::new();
        for &row in &right {
            cells.entry(self.cells_near(row, reach, &mut probes)).or_default().push(row);
        }
        // For each row of the first side, the others that it pairs with, and whether with the rounding of its size; and whether it has
        // too many candidates.
        let pairs: Vec<(Vec<(usize, bool)>, bool)> = left
            .par_iter()
            .map(|&row| {
                let mut probes = Vec::new();
                self.cells_near(row, reach, &mut probes);
                let mut near = probes.iter().filter_map(|cell| cells.get(cell)).flatten();
                let candidates = near.by_ref().take(CANDIDATES);
                let found = candidates.filter_map(|&other| {
                    let is_near = self.may_be_within(row, other, reach);
                    let is_pair = is_near && self.may_be_rounded(row, other, ROUNDING_GAP);
                    is_pair.then(|| (other, self.may_be_rounded(row, other, 1.0)))
                });
                let found = found.collect();
                (found, near.next().is_some())
            })
            .collect();
        // How often each row of the second side is in a pair: with the rounding of its size, and with a larger one.
        let mut counts: HashMap<usize, [usize; 2]> = HashMap::new();
        for &(other, fits) in pairs.iter().flat_map(|(pairs, _)| pairs) {
            let count = counts.entry(other).or_default();
            count[0] += usize::from(fits);
            count[1] += 1;
        }
        let (mut near, mut in_gap, mut clear, mut joined) = (HashSet::new(), 0, 0, HashMap::new());
        for (&row, (pairs, is_cut)) in left.iter().zip(&pairs) {
            in_gap += usize::from(*is_cut || pairs.iter().any(|(_, fits)| !fits));
            let mut fitting = pairs.iter().filter(|(_, fits)| *fits).map(|(other, _)| *other);
            let Some(other) = fitting.next() else { continue };
            near.insert(row);
            if !*is_cut && fitting.next().is_none() && counts[&other][0] == 1 {
                clear += usize::from(pairs.len() == 1 && counts[&other][1] == 1);
                joined.insert(other, row);
            }
        }
        let least = if self.places[0].0.dim() < TELLING_DIM { LEAST_CLEAR } else { 1 };
        if clear >= least.max(in_gap) && 2 * clear >= near.len() {
            for group in &mut first[of_left..] {
                *group = joined.get(group).copied().unwrap_or(*group);
            }
            let joined: HashSet<usize> = joined.into_values().collect();
            near.retain(|row| !joined.contains(row));
            undecided.retain(|row| !joined.contains(&first[*row]));
        }
        undecided.extend((0..of_left).filter(|row| near.contains(&first[*row])));
        undecided.sort_unstable();
        undecided.dedup();
    }

    fn may_be_rounded(&self, a: usize, b: usize, times: f64) -> bool {
        let ((set_a, row_a), (set_b, row_b)) = (self.places[a], self.places[b]);
        set_a.rounded_row(row_a).may_equal(&set_b.rounded_row(row_b), times)
    }

    /// Joins groups of the first `of_left` rows with groups of the others; returns the near rows of the first side that were not joined.
    fn join_sides(&self, first: &mut [usize], of_left: usize) -> Vec<usize> {
        let mut in_sides = vec![[false; 2]; first.len()];
        for (row, &group) in first.iter().enumerate() {
            in_sides[group][usize::from(row >= of_left)] = true;
        }
        let is_open = |row: usize| in_sides[row] != [true, true];
        let net_reach = GAP * DISTANCES[0] + 2.0 * ROUNDED;
        let mut cells: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut probes = Vec::new();
        let groups: Vec<usize> = (0..first.len()).filter(|row| first[*row] == *row).collect();
        for &row in &groups {
            cells.entry(self.cells_near(row, net_reach, &mut probes)).or_default().push(row);
        }
        let partner = |row: usize, other: usize| is_open(other) && (row < of_left) != (other < of_left);
        let open: Vec<usize> = groups.into_iter().filter(|row| is_open(*row)).collect();
        let found: HashMap<usize, Neighbours> = open
            .par_iter()
            .map(|&row| (row, self.neighbours(row, &cells, &|other| partner(row, other))))
            .collect();

        // Rows of the first side that are the nearest of their nearest row, with that row and the distances of both and of further rows.
        let (mut near, mut in_gap, mut mutual) = (HashSet::new(), 0, Vec::new());
        for &row in open.iter().filter(|row| **row < of_left) {
            in_gap += usize::from(found[&row].in_gap);
            let Some((distance, other)) = found[&row].nearest else { continue };
            near.insert(row);
            if found[&other].nearest.is_some_and(|(_, back)| back == row) {
                mutual.push((row, other, distance, found[&row].next.min(found[&other].next)));
            }
        }
        let is_clear = |distance: f64, next: f64| next >= GAP * distance && next > 0.0;
        let mut clear: Vec<f64> =
            mutual.iter().filter(|(_, _, d, next)| is_clear(*d, *next)).map(|pair| pair.2).collect();
        clear.sort_unstable_by(f64::total_cmp);
        if clear.len() >= LEAST_CLEAR.max(in_gap) && 2 * clear.len() >= near.len() {
            // The roundings of rows of one file differ little in length.
            let usual = 1.25 * clear[clear.len() * 19 / 20];
            let joins =
                |distance: f64, next: f64| is_clear(distance, next) || (distance <= usual && distance < next);
            let joined: HashMap<usize, usize> = mutual
                .iter()
                .filter(|(_, _, d, next)| joins(*d, *next))
                .map(|pair| (pair.1, pair.0))
                .collect();
            for group in &mut first[of_left..] {
                *group = joined.get(group).copied().unwrap_or(*group);
            }
            for row in joined.values() {
                near.remove(row);
            }
        }
        (0..of_left).filter(|row| near.contains(&first[*row])).collect()
    }

    /// The neighbours of a row; `is_partner` says which rows may be its nearest.
    fn neighbours(
        &self,
        row: usize,
        cells: &HashMap<u64, Vec<usize>>,
        is_partner: &(dyn Fn(usize) -> bool + Sync),
    ) -> Neighbours {
        let reach = GAP * DISTANCES[0];
        let net_reach = reach + 2.0 * ROUNDED;
        let mut probes = Vec::new();
        self.cells_near(row, net_reach, &mut probes);
        let (mut nearest, mut next): (Option<(f64, usize)>, f64) = (None, f64::INFINITY);
        let mut in_gap = false;
        let others =
            probes.iter().filter_map(|cell| cells.get(cell)).flatten().filter(|other| **other != row);
        for (compared, &other) in others.enumerate() {
            if compared == CANDIDATES {
                (next, in_gap) = (0.0, true);
                break;
            }
            if !self.may_be_within(row, other, net_reach) {
                continue;
            }
            let Some(found) = self.distance_within(row, other, reach) else { continue };
            let is_partner = is_partner(other);
            in_gap |= is_partner && found > DISTANCES[0];
            if found <= DISTANCES[0] && is_partner && nearest.is_none_or(|(least, _)| found < least) {
                next = next.min(nearest.map_or(f64::INFINITY, |(before, _)| before));
                nearest = Some((found, other));
            } else {
                next = next.min(found);
            }
        }
        Neighbours { nearest, next, in_gap }
    }

    /// Groups of rows within a distance, or `None` if it does not tell samples apart.
    fn within(&self, distance: f64) -> Option<Vec<usize>> {
        let reach = GAP * distance;
        let net_reach = reach + 2.0 * ROUNDED;
        let allowed = self.places.len() / LEAST_ROWS_PER_LOOSE;
        let mut cells: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut first: Vec<usize> = Vec::with_capacity(self.places.len());
        let (mut loose, mut compared) = (0, 0);
        let mut variants: HashMap<usize, usize> = HashMap::new();
        let mut probes = Vec::new();
        for row in 0..self.places.len() {
            let identical = self.first_identical[row];
            if identical < row {
                first.push(first[identical]);
                continue;
            }
            let own = self.cells_near(row, net_reach, &mut probes);
            let mut nearest: Option<(f64, usize)> = None;
            let mut is_loose = false;
            for &other in probes.iter().filter_map(|cell| cells.get(cell)).flatten() {
                compared += 1;
                if !self.may_be_within(row, other, net_reach) {
                    continue;
                }
                let Some(found) = self.distance_within(row, other, reach) else { continue };
                if found > distance {
                    is_loose = true;
                } else if nearest.is_none_or(|(least, _)| found < least) {
                    nearest = Some((found, other));
                }
            }
            if let Some((_, other)) = nearest {
                first.push(other);
                let count = variants.entry(other).or_insert(1);
                *count += 1;
                is_loose |= *count > MOST_VARIANTS;
            } else {
                cells.entry(own).or_default().push(row);
                first.push(row);
            }
            loose += usize::from(is_loose);
            if loose > allowed || compared > CANDIDATES * self.places.len() {
                return None;
            }
        }
        Some(first)
    }

    /// Fills `probes` with the cells that have all rows within `reach` of a row; returns its own cell.
    fn cells_near(&self, row: usize, reach: f64, probes: &mut Vec<u64>) -> u64 {
        let width = CELL * reach;
        let mut own = 0;
        probes.clear();
        probes.push(0);
        for value in self.projections[row] {
            let cell = (value / width).floor();
            let here = (cell as i64) as u64;
            let neighbour = if value - cell * width <= reach {
                Some(here.wrapping_sub(1))
            } else if (cell + 1.0) * width - value <= reach {
                Some(here.wrapping_add(1))
            } else {
                None
            };
            let count = probes.len();
            if let Some(neighbour) = neighbour {
                for at in 0..count {
                    probes.push(mixed(probes[at] ^ neighbour));
                }
            }
            for key in &mut probes[..count] {
                *key = mixed(*key ^ here);
            }
            own = mixed(own ^ here);
        }
        own
    }

    fn may_be_within(&self, a: usize, b: usize, reach: f64) -> bool {
        self.projections[a].iter().zip(&self.projections[b]).all(|(x, y)| (x - y).abs() <= reach)
    }

    /// The distance of two rows, if it is at most `reach`.
    fn distance_within(&self, a: usize, b: usize, reach: f64) -> Option<f64> {
        let ((set_a, row_a), (set_b, row_b)) = (self.places[a], self.places[b]);
        let rests = set_a.rest(row_a).zip(set_b.rest(row_b)).filter(|_| self.precise);
        let mut sum = 0.0_f64;
        for (at, (x, y)) in set_a.row(row_a).iter().zip(set_b.row(row_b)).enumerate() {
            let rest = rests.map_or(0.0, |(p, q)| f64::from(p[at]) - f64::from(q[at]));
            sum += (f64::from(*x) - f64::from(*y) + rest).powi(2);
            if at % 16 == 15 && sum > reach * reach {
                return None;
            }
        }
        (sum <= reach * reach).then(|| sum.sqrt())
    }
}

/// What the rounding of two sets changes a projection of their rows by, at most; `None` if it tells nothing.
fn rounding_reach(left: &Embeddings, right: &Embeddings) -> Option<f64> {
    let of = |set: &Embeddings| set.rounding().map(|rounding| (rounding.kind(), rounding.reach(set.dim())));
    let reach = match (of(left), of(right)) {
        (None, None) | (Some((Coarse::Codes, _)), Some((Coarse::Codes, _))) => return None,
        (left, right) => left.map_or(0.0, |(_, reach)| reach) + right.map_or(0.0, |(_, reach)| reach),
    };
    let of_projection = reach * (DEVIATIONS / (left.dim() as f64).sqrt()).min(1.0);
    Some(of_projection.min(WIDEST_ROUNDING) + 2.0 * ROUNDED)
}

/// The first row with the same bits, for each row.
fn identical(places: &[(&Embeddings, usize)], precise: bool) -> Vec<usize> {
    let rest = |row: usize| {
        let (set, row) = places[row];
        set.rest(row).filter(|_| precise).unwrap_or_default()
    };
    let unit = |row: usize| places[row].0.row(places[row].1);
    let hash = |row: usize| {
        // Adding zero turns -0 into 0.
        let values = unit(row).iter().chain(rest(row));
        values.fold(0, |hash, value| mixed(hash ^ u64::from((value + 0.0).to_bits())))
    };
    let hashes: Vec<u64> = (0..places.len()).into_par_iter().map(hash).collect();
    let same = |a: usize, b: usize| unit(a) == unit(b) && rest(a) == rest(b);
    let mut found: HashMap<u64, Vec<usize>> = HashMap::with_capacity(places.len());
    let mut first_of = |row: usize| {
        let rows = found.entry(hashes[row]).or_default();
        let first = rows.iter().copied().find(|&first| same(first, row));
        first.unwrap_or_else(|| {
            rows.push(row);
            row
        })
    };
    (0..places.len()).map(&mut first_of).collect()
}

fn mixed(value: u64) -> u64 {
    let product = (value ^ (value >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product ^ (product >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
