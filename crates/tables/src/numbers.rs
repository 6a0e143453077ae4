//! Decodes the floats and integers of array files.

/// Values of `N` bytes each; `big` is for big-endian values.
fn each<const N: usize, T>(bytes: &[u8], big: bool, of: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |chunk| {
        let mut bytes = *chunk;
        if big {
            bytes.reverse();
        }
        of(bytes)
    })
}

/// The type of the values in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Half,
    Brain,
    Single,
    Double,
    Signed(usize),
    Unsigned(usize),
}

impl Kind {
    /// Whether the type is a float.
    pub(super) fn is_float(self) -> bool {
        !matches!(self, Self::Signed(_) | Self::Unsigned(_))
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Half | Self::Brain => 2,
            Self::Single => 4,
            Self::Double => 8,
            Self::Signed(bytes) | Self::Unsigned(bytes) => bytes,
        }
    }
}

/// The values that are accepted, in words for errors.
pub(super) const RANGE: &str = "values that f32 can hold, so none above 3.4e38, and in each row one above 1.2e-38 or only zeros; scale the embeddings";

/// The first value of a row that `f32` would turn into an infinity, or the largest if all would become zeros or lose digits.
pub(super) fn out_of_range(row: &[f64]) -> Option<(usize, f64)> {
    if let Some(at) = row.iter().position(|value| value.is_finite() && (*value as f32).is_infinite()) {
        return Some((at, row[at]));
    }
    let largest = row.iter().copied().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    largest.filter(|(_, value)| *value != 0.0 && value.abs() < f64::from(f32::MIN_POSITIVE))
}

/// A value as `f32`, and what that rounds off, so that both together are the value with 48 bits.
pub(super) fn split(value: f64) -> (f32, f32) {
    let rounded = value as f32;
    let rest = (value - f64::from(rounded)) as f32;
    (rounded, if rest.is_finite() { rest } else { 0.0 })
}

/// Values that were read as `f64`, each split into an `f32` and what that rounds off.
#[derive(Debug, Default)]
pub(super) struct Precise {
    data: Vec<f32>,
    /// Empty while every value is an `f32`, as in a table that was written from `f32`.
    rests: Vec<f32>,
}

impl Precise {
    pub(super) fn push(&mut self, value: f64) {
        self.push_split(split(value));
    }

    /// Adds a value that is written as `text`. If its `f64` is halfway between two values of `f32`, the text decides between them.
    pub(super) fn push_text(&mut self, value: f64, text: &str) {
        const LOST: u64 = (1 << 29) - 1;
        let nearest = if value.to_bits() & LOST == 1 << 28 { text.parse::<f32>().ok() } else { None };
        self.push_split(match nearest {
            Some(nearest) => (nearest, (value - f64::from(nearest)) as f32),
            None => split(value),
        });
    }

    fn push_split(&mut self, (rounded, rest): (f32, f32)) {
        if rest != 0.0 || !self.rests.is_empty() {
            self.rests.resize(self.data.len(), 0.0);
            self.rests.push(rest);
        }
        self.data.push(rounded);
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    pub(super) fn value(&self, at: usize) -> f64 {
        f64::from(self.data[at]) + self.rests.get(at).copied().map_or(0.0, f64::from)
    }

    /// The values, and what `f32` rounded off, unless that is nothing.
    pub(super) fn into_parts(self) -> (Vec<f32>, Option<Vec<f32>>) {
        let rests = (!self.rests.is_empty()).then_some(self.rests);
        (self.data, rests)
    }
}

/// Values of any type as `f32`, as many as `out` has room for.
pub(super) fn floats_into(bytes: &[u8], kind: Kind, big: bool, out: &mut [f32]) {
    fn fill(out: &mut [f32], values: impl Iterator<Item = f32>) {
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
    }
    match kind {
        Kind::Half => fill(out, each(bytes, big, |b| half(u16::from_le_bytes(b)))),
        Kind::Brain => {
            fill(out, each(bytes, big, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)));
        }
        Kind::Single => fill(out, each(bytes, big, f32::from_le_bytes)),
        Kind::Double => fill(out, each(bytes, big, |b| f64::from_le_bytes(b) as f32)),
        Kind::Signed(_) | Kind::Unsigned(_) => {
            fill(out, integers(bytes, kind, big).into_iter().flatten().map(|value| value as f32));
        }
    }
}

/// Floats of any kind as `f64`.
pub(super) fn doubles(bytes: &[u8], kind: Kind, big: bool) -> Vec<f64> {
    if kind == Kind::Double {
        return each(bytes, big, f64::from_le_bytes).collect();
    }
    let mut singles = vec![0.0; bytes.len() / kind.bytes()];
    floats_into(bytes, kind, big, &mut singles);
    singles.into_iter().map(f64::from).collect()
}

/// Integers of any width; `None` for floats.
pub(super) fn integers(bytes: &[u8], kind: Kind, big: bool) -> Option<Vec<i128>> {
    Some(match kind {
        Kind::Signed(1) => each(bytes, big, |b| i128::from(i8::from_le_bytes(b))).collect(),
        Kind::Signed(2) => each(bytes, big, |b| i128::from(i16::from_le_bytes(b))).collect(),
        Kind::Signed(4) => each(bytes, big, |b| i128::from(i32::from_le_bytes(b))).collect(),
        Kind::Signed(8) => each(bytes, big, |b| i128::from(i64::from_le_bytes(b))).collect(),
        Kind::Unsigned(1) => each(bytes, big, |b| i128::from(u8::from_le_bytes(b))).collect(),
        Kind::Unsigned(2) => each(bytes, big, |b| i128::from(u16::from_le_bytes(b))).collect(),
        Kind::Unsigned(4) => each(bytes, big, |b| i128::from(u32::from_le_bytes(b))).collect(),
        Kind::Unsigned(8) => each(bytes, big, |b| i128::from(u64::from_le_bytes(b))).collect(),
        _ => return None,
    })
}

/// An IEEE half-precision float: 1 sign bit, 5 exponent bits, 10 fraction bits.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_f32_rounds_off_is_kept() {
        let mut values = Precise::default();
        let given = [0.5, 1e8 + 0.3, f64::NAN, f64::INFINITY, -1.0 / 3.0, 0.0];
        for value in given {
            values.push(value);
        }
        for (at, value) in given.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            assert!((values.value(at) - value).abs() <= value.abs() * 4e-15, "{value}");
        }
        assert!(values.value(2).is_nan() && values.value(3) == f64::INFINITY);
        assert_eq!(values.into_parts().1.unwrap().len(), given.len());
        let mut values = Precise::default();
        for text in ["7.038531e-26", "0.1", "16777217"] {
            values.push_text(text.parse().unwrap(), text);
        }
        assert_eq!(values.into_parts().0, [7.038_531e-26, 0.1, 16_777_216.0]);
        let mut values = Precise::default();
        for value in [0.5, 3.0] {
            values.push(value);
        }
        assert_eq!((values.len(), values.into_parts()), (2, (vec![0.5, 3.0], None)));
    }

    #[test]
    fn half_precision_follows_the_standard() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x8000, 0.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn big_endian_values_are_read() {
        let one = |bytes: &[u8], kind, big| {
            let mut out = [0.0];
            floats_into(bytes, kind, big, &mut out);
            out[0]
        };
        assert_eq!(one(&[0x3f, 0x80, 0, 0], Kind::Single, true), 1.0);
        assert_eq!(one(&[0x80, 0x3f], Kind::Brain, false), 1.0);
        assert_eq!(one(&[0xff, 0xfe], Kind::Signed(2), true), -2.0);
        assert_eq!(integers(&[0xff, 0xfe], Kind::Signed(2), true), Some(vec![-2]));
        assert_eq!(integers(&[0xff; 8], Kind::Unsigned(8), false), Some(vec![i128::from(u64::MAX)]));
        assert_eq!(integers(&[0; 4], Kind::Single, false), None);
    }
}
