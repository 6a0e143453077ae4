//! Axes: from values to positions, with round tick labels.
//!
//! An axis has a range, maps a value to a position in [0, 1], and has as many ticks as fit. Labels never overlap, because the
//! number of ticks follows from the width of the labels.

use crate::text;

/// Larger values are not drawn, so that differences cannot overflow.
const LARGEST: f64 = 1e300;

/// Font size of tick labels.
pub(super) const TICK_SIZE: f64 = 12.0;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    Log,
    /// The normal quantile: a normally distributed score gives a straight line.
    Probit,
}

/// A range with its scale and ticks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// What limits the number of ticks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Room {
    /// Horizontal axis: labels side by side in this many pixels.
    Across(f64),
    /// Vertical axis: labels above each other in this many pixels.
    Up(f64),
}

impl Room {
    fn holds(self, labels: &[(f64, String)], place: impl Fn(f64) -> f64) -> bool {
        let fits = |two: &[(f64, String)]| {
            let apart = (place(two[1].0) - place(two[0].0)).abs();
            match self {
                Self::Across(pixels) => {
                    let widths = text::width(&two[0].1, TICK_SIZE) + text::width(&two[1].1, TICK_SIZE);
                    apart * pixels >= widths / 2.0 + 10.0
                }
                Self::Up(pixels) => apart * pixels >= 1.7 * TICK_SIZE,
            }
        };
        labels.windows(2).all(fits)
    }
}

/// Whether a value can be drawn.
pub(super) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// The smallest and largest value that can be drawn, or `None` if there is none.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|&value| drawable(value)).fold(None, |range, value| {
        Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

impl Axis {
    /// An axis over a range; `round` widens it to the next ticks.
    pub(super) fn linear((low, high): (f64, f64), round: bool, room: Room) -> Self {
        // If all values are (almost) equal, widen the range.
        let least = (low.abs().max(high.abs()) * 1e-6).max(1e-12);
        let (low, high) = if high - low < least {
            let air = if low == 0.0 && high == 0.0 { 1.0 } else { low.abs().max(high.abs()) * 0.1 };
            (low - air, high + air)
        } else {
            (low, high)
        };
        let mut axis = Self { scale: Scale::Linear, low, high, ticks: Vec::new() };
        let most = if matches!(room, Room::Up(_)) { 6 } else { 8 };
        for at_most in (2..=most).rev() {
            let step = round_step((high - low) / f64::from(at_most));
            if round {
                axis.low = (low / step + 1e-9).floor() * step;
                axis.high = (high / step - 1e-9).ceil() * step;
            }
            let first = (axis.low / step - 1e-6).ceil();
            let last = (axis.high / step + 1e-6).floor();
            let count = (last - first).clamp(0.0, 20.0) as usize + 1;
            let values: Vec<f64> = (0..count).map(|nth| (first + nth as f64) * step).collect();
            axis.ticks = labelled(&values, step);
            if room.holds(&axis.ticks, |value| axis.place(value)) {
                break;
            }
        }
        axis
    }

    /// A logarithmic axis over whole decades around a positive range.
    pub(super) fn log((low, high): (f64, f64), room: Room) -> Self {
        let (low, high) = (low.max(1e-300), high.max(1e-300));
        let first = (low.log10() + 1e-9).floor();
        let last = ((high.log10() - 1e-9).ceil()).max(first + 1.0);
        let mut axis =
            Self { scale: Scale::Log, low: 10_f64.powf(first), high: 10_f64.powf(last), ticks: Vec::new() };
        for every in 1..=((last - first) as i32) {
            // Count decades from the top, where FAR is 1.
            let exponents = (first as i32..=last as i32).filter(|e| (last as i32 - e) % every == 0);
            let label = |exponent: i32| if exponent == 0 { "1".to_owned() } else { format!("1e{exponent}") };
            axis.ticks = exponents.map(|exponent| (10_f64.powi(exponent), label(exponent))).collect();
            if room.holds(&axis.ticks, |value| axis.place(value)) {
                break;
            }
        }
        axis
    }

    /// A probit axis for rates in (0, 1), labelled in percent.
    pub(super) fn probit((low, high): (f64, f64), room: Room) -> Self {
        const RATES: [f64; 19] = [
            1e-6, 1e-5, 1e-4, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99,
            0.999, 0.9999,
        ];
        let (low, high) = (low.clamp(1e-7, 0.4), high.clamp(0.5, 1.0 - 1e-7));
        let mut axis = Self { scale: Scale::Probit, low, high, ticks: Vec::new() };
        for rate in RATES.into_iter().filter(|rate| (low..=high).contains(rate)) {
            axis.ticks.push((rate, format!("{} %", trimmed(rate * 100.0, 4))));
            if !room.holds(&axis.ticks, |value| axis.place(value)) {
                axis.ticks.pop();
            }
        }
        axis
    }

    /// The position of a value: 0 is the low end, 1 the high end. Values outside the range lie outside [0, 1]; values below the
    /// domain of the scale lie at its edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let across = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.low * 1e-3).log10(),
            Scale::Probit => normal_quantile(value.clamp(1e-9, 1.0 - 1e-9)),
        };
        let (low, high) = (across(self.low), across(self.high));
        ((across(value) - low) / (high - low)).clamp(-10.0, 10.0)
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let factor = steps.into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

/// Labels with as many decimals as the step needs, and a power of ten for very large or small values.
fn labelled(values: &[f64], step: f64) -> Vec<(f64, String)> {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let exponent = if largest > 0.0 { (largest.log10() + 1e-9).floor() as i32 } else { 0 };
    let (power, unit) = match exponent {
        -3..=3 => (0, String::new()),
        4..=5 => (3, "k".to_owned()),
        6..=8 => (6, "M".to_owned()),
        _ => (exponent, format!("e{exponent}")),
    };
    let scaled_step = step / 10_f64.powi(power);
    let decimals = (-(scaled_step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
    let label = |value: f64| {
        let number = value / 10_f64.powi(power);
        if number.abs() < scaled_step * 1e-6 { "0".to_owned() } else { format!("{number:.decimals$}{unit}") }
    };
    values.iter().map(|&value| (value, label(value))).collect()
}

/// A value with at most the given number of decimals, without trailing zeros.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The quantile of the standard normal distribution for `p` in (0, 1).
///
/// Peter Acklam's rational approximation (2003), relative error below 1.2e-9: far below a pixel.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis::linear((0.0, 1.0), true, Room::Up(200.0));
        assert_eq!(labels(&axis), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let axis = Axis::linear((0.0, 38_000.0), false, Room::Across(400.0));
        assert_eq!(labels(&axis)[..3], ["0", "5k", "10k"]);
        let axis = Axis::linear((0.0, 4e-4), true, Room::Up(150.0));
        assert_eq!(labels(&axis), ["0", "1e-4", "2e-4", "3e-4", "4e-4"]);
        let axis = Axis::log((3e-5, 1.0), Room::Across(400.0));
        assert_eq!(labels(&axis), ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1"]);
    }

    #[test]
    fn odd_ranges_have_an_axis() {
        let ranges =
            [(5.0, 5.0), (0.0, 0.0), (-1e300, 1e300), (1.0, 1.0 + 1e-15), (-3.0, -2.9), (1e-200, 2e-200)];
        for range in ranges {
            for round in [false, true] {
                let axis = Axis::linear(range, round, Room::Up(200.0));
                assert!(!axis.ticks.is_empty() && axis.ticks.len() < 12, "{range:?} {:?}", axis.ticks);
                let place = axis.place(range.0);
                assert!((-1e-6..=1.0).contains(&place), "{range:?}: {place}");
            }
        }
        let axis = Axis::log((1e-300, 1e300), Room::Across(100.0));
        assert!(axis.ticks.len() >= 2);
    }

    #[test]
    fn labels_never_overlap() {
        for pixels in [40.0, 90.0, 170.0, 400.0] {
            for high in [0.07, 0.9, 1.0, 30.0, 123_456.0] {
                let axis = Axis::linear((0.0, high), false, Room::Across(pixels));
                for two in axis.ticks.windows(2) {
                    let apart = (axis.place(two[1].0) - axis.place(two[0].0)) * pixels;
                    let needed =
                        text::width(&two[0].1, TICK_SIZE) / 2.0 + text::width(&two[1].1, TICK_SIZE) / 2.0;
                    assert!(apart > needed || axis.ticks.len() <= 3, "{pixels} {high}: {:?}", axis.ticks);
                }
            }
        }
    }

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        // Values of the standard normal table.
        for (p, z) in
            [(0.5, 0.0), (0.841_344_746, 1.0), (0.975, 1.959_964), (0.001, -3.090_232), (1e-6, -4.753_424)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-5, "{p}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_have_no_range() {
        assert_eq!(range([f64::NAN, f64::INFINITY, 1e301]), None);
        assert_eq!(range([2.0, f64::NAN, -1.0]), Some((-1.0, 2.0)));
    }
}
