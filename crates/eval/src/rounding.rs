//! The number type that the values of a set were rounded to, and whether a row can be another row before it was rounded.

/// Number types that are coarser than `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coarse {
    /// `bfloat16`.
    Brain,
    /// `float16`.
    Half,
    /// Codes of 8 bits.
    Codes,
}

/// The largest value of codes of 8 bits, with or without sign: from the first to the second. Smaller numbers may be counts.
const CODES: [f32; 2] = [64.0, 255.0];
/// What a value of a unit row changes by, at most, if it was computed again before it was rounded.
const RECOMPUTED: f64 = 2e-6;

/// The number type of a set, and the length of each row in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rounding {
    kind: Coarse,
    lengths: Vec<f64>,
}

/// A unit row, with the number type and the length that it had in its file if that is coarse.
#[derive(Clone, Copy)]
pub(crate) struct RoundedRow<'a> {
    pub(crate) unit: &'a [f32],
    pub(crate) rounding: Option<(Coarse, f64)>,
}

impl Coarse {
    /// The coarsest type that has all these values.
    fn of(data: &[f32]) -> Option<Self> {
        let largest = || data.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        if !data.iter().all(|value| is_brain(*value)) {
            data.iter().all(|value| is_half(*value)).then_some(Self::Half)
        } else if data.iter().all(|value| value.fract() == 0.0) && (CODES[0]..=CODES[1]).contains(&largest())
        {
            Some(Self::Codes)
        } else {
            Some(Self::Brain)
        }
    }

    /// The most that rounding to this type changes a number by; `value` is the rounded number.
    fn half_step(self, value: f64) -> f64 {
        let power = || f64::from_bits(value.to_bits() & 0x7ff0_0000_0000_0000);
        match self {
            Self::Brain => power() / 256.0,
            Self::Half => (power() / 2048.0).max(1.0 / 33_554_432.0),
            Self::Codes => 0.5,
        }
    }

    /// A number of this type that is known up to the rounding of `f32`.
    fn nearest(self, value: f64) -> f64 {
        let keep = |bits: u32| {
            let rest = 52 - bits;
            f64::from_bits((value.to_bits() + (1 << (rest - 1))) >> rest << rest)
        };
        match self {
            Self::Brain => keep(7),
            Self::Half => keep(10),
            Self::Codes => value.round(),
        }
    }
}

impl Rounding {
    /// The rounding of rows of these values, if they are all of a coarse type.
    pub(crate) fn of(data: &[f32], dim: usize) -> Option<Self> {
        let kind = Coarse::of(data)?;
        let length = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        Some(Self { kind, lengths: data.chunks_exact(dim).map(length).collect() })
    }

    /// The rows in another order.
    pub(crate) fn reordered(&self, order: &[usize]) -> Self {
        Self { kind: self.kind, lengths: order.iter().map(|row| self.lengths[*row]).collect() }
    }

    pub(crate) fn kind(&self) -> Coarse {
        self.kind
    }

    /// The number type, and the length of a row, which must exist.
    pub(crate) fn row(&self, row: usize) -> (Coarse, f64) {
        (self.kind, self.lengths[row])
    }

    /// The most that rounding moves a unit row by.
    pub(crate) fn reach(&self, dim: usize) -> f64 {
        match self.kind {
            Coarse::Brain => 1.0 / 256.0,
            Coarse::Half => 1.0 / 2048.0,
            Coarse::Codes => {
                let shortest = self.lengths.iter().copied().fold(f64::INFINITY, f64::min);
                0.5 * (dim as f64).sqrt() / shortest
            }
        }
    }
}

impl RoundedRow<'_> {
    /// The range that a value was in before it was rounded: its middle and half its width, which `times` widens.
    fn range(&self, at: usize, times: f64) -> (f64, f64) {
        let unit = f64::from(self.unit[at]);
        match self.rounding {
            Some((kind, length)) => {
                let value = kind.nearest(unit * length);
                (value, times * kind.half_step(value) + RECOMPUTED * length)
            }
            None => (unit, RECOMPUTED),
        }
    }

    /// Whether both rows can be the same row in different lengths, each rounded to its type. `times` widens the rounding.
    pub(crate) fn may_equal(&self, other: &Self, times: f64) -> bool {
        // The factors from this row to the other that all values allow.
        let (mut least, mut most) = (0.0_f64, f64::INFINITY);
        for at in 0..self.unit.len() {
            let ((mut x, x_width), (mut y, y_width)) = (self.range(at, times), other.range(at, times));
            if x < 0.0 {
                (x, y) = (-x, -y);
            }
            let (x_least, x_most) = (x - x_width, x + x_width);
            let (y_least, y_most) = (y - y_width, y + y_width);
            if x_least > 0.0 {
                least = least.max(y_least / x_most);
                most = most.min(y_most / x_least);
            } else if y_least > 0.0 {
                least = least.max(y_least / x_most);
            } else if y_most < 0.0 {
                least = least.max(y_most / x_least);
            }
            if least > most || most <= 0.0 {
                return false;
            }
        }
        true
    }
}

fn is_brain(value: f32) -> bool {
    value.to_bits().trailing_zeros() >= 16
}

fn is_half(value: f32) -> bool {
    let size = value.abs();
    let step = if size < 1.0 / 16_384.0 { 1.0 / 16_777_216.0 } else { 0.0 };
    size == 0.0
        || (size <= 65_504.0
            && if step > 0.0 { (size / step).fract() == 0.0 } else { value.to_bits().trailing_zeros() >= 13 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_type_of_all_values_is_found() {
        for (values, expected) in [
            (vec![0.1, 1.0], None),
            (vec![0.0, -1.0, 3.0], Some(Coarse::Brain)),
            (vec![1.0, 1.0 + 1.0 / 128.0], Some(Coarse::Brain)),
            (vec![1.0, 1.0 + 1.0 / 1024.0, 2.0_f32.powi(-24)], Some(Coarse::Half)),
            (vec![1.0, 1.0 + 1.0 / 2048.0], None),
            (vec![1.0 + 1.0 / 1024.0, 2.0_f32.powi(-25)], None),
            (vec![1.0 + 1.0 / 1024.0, 70_000.0], None),
            (vec![-127.0, 3.0, 0.0], Some(Coarse::Codes)),
            (vec![256.0, 3.0, 0.0], Some(Coarse::Brain)),
        ] {
            assert_eq!(Coarse::of(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_rounded_row_may_equal_its_original_and_no_other() {
        let unit = |values: &[f64]| -> Vec<f32> {
            let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            values.iter().map(|value| (value / length) as f32).collect()
        };
        let original: Vec<f64> = (0..24).map(|at: i32| (f64::from(at * at + 1) * 0.37).sin() * 3.0).collect();
        let fine = unit(&original);
        let rounded = |kind: Coarse, scale: f64| {
            let values: Vec<f32> = original.iter().map(|value| kind.nearest(value * scale) as f32).collect();
            (
                Rounding::of(&values, 24).unwrap(),
                unit(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()),
            )
        };
        let exact = RoundedRow { unit: &fine, rounding: None };
        let mut other = fine.clone();
        other[5] = -other[5];
        other[7] *= 1.02;
        let other = RoundedRow { unit: &other, rounding: None };
        for (kind, scale) in
            [(Coarse::Brain, 1.0), (Coarse::Brain, 0.07), (Coarse::Half, 0.01), (Coarse::Codes, 42.0)]
        {
            let (rounding, values) = rounded(kind, scale);
            assert_eq!(rounding.kind(), kind);
            let row = RoundedRow { unit: &values, rounding: Some(rounding.row(0)) };
            for (a, b) in [(&row, &exact), (&exact, &row)] {
                assert!(a.may_equal(b, 1.0), "{kind:?} {scale}");
            }
            for (a, b) in [(&row, &other), (&other, &row)] {
                assert!(!a.may_equal(b, 1.0), "{kind:?} {scale}");
            }
        }
    }
}
