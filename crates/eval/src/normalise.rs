//! From values to unit rows. A fixed sample of pairs shows whether `f32` separates their cosines; if not, the rows keep what `f32`
//! rounds off. The sample depends on the values of the rows and not on their order, so that no cosine depends on the order.

use rayon::prelude::*;

use crate::crowding::Crowding;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::rounding::Rounding;
use crate::similarity::product_error;

/// Distances from 1 below this are crowded: rounding in `f32` changes them by about 1 %.
const CLOSE: f64 = 1.0 / 65536.0;
/// Rows at a distance below this are equal but for the rounding of `f64`.
const EQUAL: f64 = 1e-30;
/// The least share of close pairs that makes a set crowded.
const LEAST_SHARE: f64 = 0.01;
/// Rows of the sample, and the rows each of them is compared with.
const SAMPLE: (usize, usize) = (16, 256);
/// Below this number of rows, all pairs are compared.
const FEW: usize = 64;

impl Embeddings {
    /// Copies and normalises `data`, a row-major matrix `[rows, dim]`, with `labels` `[rows]`.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::TooManyRows`], [`Error::Shape`] and [`Error::LabelCount`] if the sizes do not match;
    /// [`Error::NonFinite`] and [`Error::ZeroRow`] for the first row whose direction is undefined.
    pub fn new(data: &[f32], rows: usize, dim: usize, labels: &[u32]) -> Result<Self> {
        Self::precise(data, None, rows, dim, labels)
    }

    /// As [`new`](Self::new), from values of 64 bits: each is the sum of a value of `data` and one of `rests`. The rests matter where cosines
    /// are so crowded that `f32` cannot separate them; the rows are then normalised in `f64`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn precise(
        data: &[f32],
        rests: Option<&[f32]>,
        rows: usize,
        dim: usize,
        labels: &[u32],
    ) -> Result<Self> {
        if rows == 0 || dim == 0 {
            return Err(Error::Empty { rows, dim });
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::TooManyRows { rows });
        }
        if rows.checked_mul(dim) != Some(data.len()) {
            return Err(Error::Shape { rows, dim, found: data.len() });
        }
        if let Some(rests) = rests.filter(|rests| rests.len() != data.len()) {
            return Err(Error::Shape { rows, dim, found: rests.len() });
        }
        if labels.len() != rows {
            return Err(Error::LabelCount { rows, found: labels.len() });
        }
        let values = Values { data, rests, dim };
        let mut unit_rows = Vec::with_capacity(data.len());
        for (row, values) in data.chunks_exact(dim).enumerate() {
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::NonFinite { row, column, value: values[column] });
            }
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if norm == 0.0 {
                return Err(Error::ZeroRow { row });
            }
            unit_rows.extend(values.iter().map(|&value| (f64::from(value) / norm) as f32));
        }
        let set = Self::of_parts(unit_rows, dim, labels.to_vec());
        let exact = rests.is_none_or(|rests| rests.iter().all(|rest| *rest == 0.0));
        let rounding = Rounding::of(data, dim).filter(|_| exact);
        let crowding = values.crowding(rows);
        if crowding.is_none() {
            return Ok(set.with_squares(values.squares()).with_rounding(rounding));
        }
        let (mut unit_rows, mut rests) = (set.into_unit_rows(), Vec::with_capacity(data.len()));
        for (row, unit_row) in unit_rows.chunks_exact_mut(dim).enumerate() {
            for (unit, value) in unit_row.iter_mut().zip(values.unit_row(row)) {
                *unit = value as f32;
                rests.push((value - f64::from(*unit)) as f32);
            }
        }
        let set = Self::of_parts(unit_rows, dim, labels.to_vec()).with_rests(rests);
        Ok(set.with_crowding(crowding).with_rounding(rounding))
    }
}

/// Values that are not normalised.
struct Values<'a> {
    data: &'a [f32],
    rests: Option<&'a [f32]>,
    dim: usize,
}

impl Values<'_> {
    /// The squared length of each row, if all values are whole numbers so small that the dot product of two rows follows from their cosine in
    /// `f32` by rounding.
    fn squares(&self) -> Option<Vec<f64>> {
        let is_whole = |value: &f32| value.fract() == 0.0;
        if !self.data.iter().all(is_whole)
            || self.rests.is_some_and(|rests| rests.iter().any(|rest| *rest != 0.0))
        {
            return None;
        }
        let square = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let squares: Vec<f64> = self.data.chunks_exact(self.dim).map(square).collect();
        let largest = squares.iter().copied().fold(0.0, f64::max);
        (largest * f64::from(product_error(self.dim)) < 0.25).then_some(squares)
    }

    /// A row of length 1.
    fn unit_row(&self, row: usize) -> Vec<f64> {
        let place = row * self.dim..(row + 1) * self.dim;
        let mut values: Vec<f64> = self.data[place.clone()].iter().copied().map(f64::from).collect();
        if let Some(rests) = self.rests {
            values.iter_mut().zip(&rests[place]).for_each(|(value, rest)| *value += f64::from(*rest));
        }
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        for value in &mut values {
            *value /= norm;
        }
        values
    }

    /// The crowding of the set, if there is any. Equal rows are left out: they are not separate in any precision.
    fn crowding(&self, rows: usize) -> Option<Crowding> {
        let sample: Vec<Vec<f64>> = self.sample(rows).into_iter().map(|row| self.unit_row(row)).collect();
        let queries = if sample.len() < FEW { sample.len() } else { SAMPLE.0 };
        let (mut pairs, mut close) = (0_usize, Vec::new());
        for (a, row) in sample[..queries].iter().enumerate() {
            for (_, other) in sample.iter().enumerate().filter(|(b, _)| *b != a) {
                let distance = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / 2.0;
                pairs += usize::from(distance > EQUAL);
                if distance > EQUAL && distance < CLOSE {
                    close.push(distance);
                }
            }
        }
        let share = close.len() as f64 / pairs.max(1) as f64;
        if share < LEAST_SHARE {
            return None;
        }
        close.sort_unstable_by(f64::total_cmp);
        Some(Crowding { share, distance: close[close.len() / 2], float64: self.rests.is_some() })
    }

    /// Different rows with the lowest hashes of their values: in effect a random sample, and the same one in any order of the rows.
    fn sample(&self, rows: usize) -> Vec<usize> {
        let mix = |hash: u64, value: &f32| {
            // adding zero turns -0 into 0
            let mixed = (hash ^ u64::from((value + 0.0).to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ (mixed >> 29)
        };
        let hash = |row: usize| {
            let place = row * self.dim..(row + 1) * self.dim;
            let hash = self.data[place.clone()].iter().fold(0, mix);
            self.rests.map_or(hash, |rests| rests[place].iter().fold(hash, mix))
        };
        let mut hashed: Vec<(u64, usize)> = (0..rows).into_par_iter().map(|row| (hash(row), row)).collect();
        hashed.sort_unstable();
        hashed.dedup_by_key(|&mut (hash, _)| hash);
        hashed.into_iter().take(SAMPLE.1).map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(offset: f32) -> Embeddings {
        let data: Vec<f32> =
            (0..200 * 8).map(|at| offset + ((at * at + 3 * at) as f32 * 0.37).sin()).collect();
        Embeddings::new(&data, 200, 8, &[0; 200]).unwrap()
    }

    #[test]
    fn a_large_mean_is_crowded_and_an_ordinary_set_is_not() {
        assert_eq!(shifted(0.0).crowding(), None);
        assert_eq!(shifted(20.0).crowding(), None);
        let found = shifted(1e4).crowding().unwrap();
        assert!(found.share > 0.99 && (1e-10..1e-7).contains(&found.distance), "{found:?}");
        assert!(!found.is_beyond_float32() && shifted(1e6).crowding().unwrap().is_beyond_float32());
        // equal rows are no crowd
        let equal = Embeddings::new(&[0.3; 40], 20, 2, &[0; 20]).unwrap();
        assert_eq!(equal.crowding(), None);
    }

    #[test]
    fn the_order_of_rows_does_not_decide_whether_they_are_crowded() {
        let close = |nth: usize| [1.0, 1e-4 * (nth % 7) as f32];
        // Few close rows among many others, so that a sample by position would find them in some orders only.
        let rows: Vec<[f32; 2]> = (0..600)
            .map(|nth| {
                if nth % 9 == 0 {
                    close(nth)
                } else {
                    let angle = nth as f32 * 0.01;
                    [angle.sin(), angle.cos()]
                }
            })
            .collect();
        for count in [20, 63, 64, 65, 256, 257, 600] {
            let of = |order: &dyn Fn(usize) -> usize| {
                let data: Vec<f32> = (0..count).flat_map(|nth| rows[order(nth)]).collect();
                Embeddings::new(&data, count, 2, &vec![0; count]).unwrap()
            };
            let found = of(&|nth| nth);
            assert_eq!(found.crowding().is_some(), found.rest(0).is_some());
            for turn in 1..20 {
                assert_eq!(of(&|nth| (nth + turn * count / 20) % count).crowding(), found.crowding());
            }
            assert_eq!(of(&|nth| count - 1 - nth).crowding(), found.crowding());
        }
    }

    #[test]
    fn values_of_64_bits_are_normalised_in_f64() {
        let dim = 8;
        let value = |at: usize| 3e5 + ((at * at + 3 * at) as f64 * 0.37).sin();
        let (data, rests): (Vec<f32>, Vec<f32>) = (0..60 * dim)
            .map(|at| (value(at) as f32, (value(at) - f64::from(value(at) as f32)) as f32))
            .unzip();
        let set = Embeddings::precise(&data, Some(&rests), 60, dim, &[0; 60]).unwrap();
        let crowding = set.crowding().unwrap();
        assert!(crowding.float64 && !crowding.is_beyond_float32() && !crowding.is_beyond_float64());
        // A shift changes distances only by their scale, so they must follow those of the values.
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for (a, b) in (1..60).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let values = |row: usize| (row * dim..(row + 1) * dim).map(value);
            let mean = values(a).zip(values(b)).map(|(x, y)| x - y).sum::<f64>() / dim as f64;
            let squares = values(a).zip(values(b)).map(|(x, y)| (x - y - mean).powi(2)).sum::<f64>();
            let ratio = (1.0 - set.cosine(a, b).unwrap()) / squares;
            (least, most) = (least.min(ratio), most.max(ratio));
        }
        assert!(most / least < 1.02, "{least} {most}");
        let far: Vec<f32> = (0..60 * dim).map(|at| if at % 9 == 0 { 1e8 + 8.0 } else { 1e8 }).collect();
        let far = Embeddings::new(&far, 60, dim, &[0; 60]).unwrap();
        assert!(far.crowding().unwrap().is_beyond_float64());
        assert!(Embeddings::precise(&data, Some(&rests[1..]), 60, dim, &[0; 60]).is_err());
    }

    #[test]
    fn cosines_of_a_crowded_set_are_those_of_its_values_in_f64() {
        let dim = 8;
        for offset in [0.0_f32, 30.0, 1e3, 1e5] {
            let data: Vec<f32> =
                (0..40 * dim).map(|at| offset + ((at * at + 3 * at) as f32 * 0.37).sin()).collect();
            let set = Embeddings::new(&data, 40, dim, &[0; 40]).unwrap();
            let unit = |row: usize| -> Vec<f64> {
                let values: Vec<f64> = data[row * dim..][..dim].iter().map(|&v| f64::from(v)).collect();
                let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
                values.iter().map(|v| v / norm).collect()
            };
            for a in 0..40 {
                for b in 0..a {
                    let squares = unit(a).iter().zip(unit(b)).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
                    let (expected, found) = (squares / 2.0, 1.0 - set.cosine(a, b).unwrap());
                    // 1e-16 is the resolution of the cosine in f64
                    let allowed = if expected < 9e-4 { expected * 1e-4 + 2e-16 } else { 1e-6 };
                    assert!((found - expected).abs() <= allowed, "{offset}: {found} {expected}");
                }
            }
        }
    }
}
