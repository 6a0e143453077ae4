//! The ranges of scales, margins and other settings, each stated once.

use std::f64::consts::FRAC_PI_2;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};

/// A closed range of numbers with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// The smallest value accepted.
    pub low: f64,
    /// The largest value accepted.
    pub high: f64,
    /// The quantity, such as "a margin in cosine".
    pub unit: &'static str,
}

impl Bounds {
    pub(crate) const fn new(low: f64, high: f64, unit: &'static str) -> Self {
        Self { low, high, unit }
    }

    /// Whether the value is in the range; false for `NaN`.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Rejects a value outside the range.
    pub(crate) fn check(&self, setting: &'static str, found: f64) -> Result<()> {
        if self.contains(found) {
            return Ok(());
        }
        Err(Error::OutOfRange { setting, found, expected: self.to_string() })
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, remark) = self.unit.split_once(" (").unwrap_or((self.unit, ""));
        write!(f, "{unit} from {} to {}", short(self.low), short(self.high))?;
        if remark.is_empty() { Ok(()) } else { write!(f, " ({remark}") }
    }
}

/// A number with at most five digits after the point: pi/2 is 1.5708. Large and small numbers are in powers of ten.
pub(crate) fn short(value: f64) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e12;
    if value != 0.0 && !whole && !(1e-4..1e6).contains(&value.abs()) {
        return format!("{value:e}");
    }
    let rounded = if whole { value } else { (value * 1e5).round() / 1e5 };
    format!("{rounded}")
}

/// Scales and temperatures. Outside this range `f32` cannot hold the exponents.
pub(crate) const POSITIVE: Bounds = Bounds::new(1e-6, 1e6, "a number");
/// Margins on a dot-product score.
pub(crate) const SCORE_MARGIN: Bounds = Bounds::new(0.0, 1e6, "a margin in score");
/// Margins on a cosine.
pub(crate) const COSINE_MARGIN: Bounds = Bounds::new(0.0, 2.0, "a margin in cosine (typically 0.2 to 0.45)");
/// Margins on an angle.
pub(crate) const ANGLE_MARGIN: Bounds = Bounds::new(0.0, FRAC_PI_2, "an angle in radians (not degrees)");
/// Integer factors on an angle.
pub(crate) const ANGLE_MULTIPLE: Bounds = Bounds::new(1.0, 8.0, "a whole multiple of the angle");
/// Factors on an angle.
pub(crate) const ANGLE_FACTOR: Bounds = Bounds::new(1.0, 8.0, "a factor on the angle");
/// Shares of a whole.
pub(crate) const SHARE: Bounds = Bounds::new(0.0, 1.0, "a share");
/// Powers of a class's number of samples.
pub(crate) const POWER: Bounds = Bounds::new(0.0, 1.0, "a power (typically 0.25)");
/// Cosines.
pub(crate) const COSINE: Bounds = Bounds::new(-1.0, 1.0, "a cosine");
/// MV-Softmax's emphasis.
pub(crate) const EMPHASIS: Bounds = Bounds::new(0.0, 10.0, "a number (typically 0.1 to 0.3)");
/// How many non-targets inter-top-k raises, and how many centres a class has.
pub(crate) const COUNT: Bounds = Bounds::new(1.0, 1000.0, "a whole number");
/// Label smoothing.
pub(crate) const SMOOTHING: Bounds = Bounds::new(0.0, 0.999, "a share");
/// Anything finite that is added to a distance or a cosine.
pub(crate) const OFFSET: Bounds = Bounds::new(-1e3, 1e3, "a number");
/// Anything that training computes and that must stay finite.
pub(crate) const FINITE: Bounds = Bounds::new(-1e30, 1e30, "a finite number");
/// Norms of features.
pub(crate) const NORM: Bounds = Bounds::new(0.0, 1e30, "a finite number");
/// The learnt bias of binary classifications.
pub(crate) const BIAS: Bounds = Bounds::new(-1e6, 1e6, "a number");
/// Labels.
pub(crate) const LABEL: Bounds = Bounds::new(0.0, 4_294_967_295.0, "a label");
/// Numbers of classes.
pub(crate) const CLASSES: Bounds = Bounds::new(1.0, 4_294_967_295.0, "a whole number");
/// Seeds of random numbers. JSON readers keep whole numbers up to 2^53 exactly.
pub(crate) const SEED: Bounds = Bounds::new(0.0, 9_007_199_254_740_992.0, "a whole number");

/// Rejects a multiple of the angle that is not an integer or not in [`ANGLE_MULTIPLE`].
pub(crate) fn check_angle_multiple(found: f64) -> Result<()> {
    if found.fract() == 0.0 && ANGLE_MULTIPLE.contains(found) {
        return Ok(());
    }
    Err(Error::OutOfRange { setting: "margin", found, expected: ANGLE_MULTIPLE.to_string() })
}

/// Rejects two norms that are not in increasing order.
pub(crate) fn check_rising_norms([low, high]: [f64; 2]) -> Result<()> {
    if high - low >= 1e-6 {
        return Ok(());
    }
    Err(Error::OutOfRange { setting: "norms", found: high, expected: format!("an upper norm above {low}") })
}
