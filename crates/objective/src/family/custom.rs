//! A user-defined margin, given as two functions.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::share::share_of;
use crate::error::{Error, Result};

/// A function of the target's similarity.
type OfSimilarity = dyn Fn(f64) -> f64 + Send + Sync;

/// Step of the central differences to each side.
const STEP: f64 = 1e-5;
/// Largest difference accepted between a derivative and the central difference, relative to 1 + the derivative. The
/// truncation error of the differences is below 1e-5 for `cos(t + m)`, which is steepest at the ends.
const TOLERANCE: f64 = 1e-4;
/// Points of the check, evenly spaced in `(-1, 1)`.
const POINTS: u32 = 401;

/// A margin given by its value and derivative, made by [`Margin::custom`](super::Margin::custom).
///
/// Two are equal if they are clones of one another with the same share: functions cannot be compared.
#[derive(Clone)]
pub struct CustomMargin {
    name: Arc<str>,
    value: Arc<OfSimilarity>,
    derivative: Arc<OfSimilarity>,
    /// The share of the margin that is applied, 0 to 1.
    share: f64,
}

impl CustomMargin {
    pub(super) fn new(
        name: &str,
        value: impl Fn(f64) -> f64 + Send + Sync + 'static,
        derivative: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        let margin =
            Self { name: name.into(), value: Arc::new(value), derivative: Arc::new(derivative), share: 1.0 };
        if cfg!(debug_assertions) {
            margin.check_derivative()?;
        }
        Ok(margin)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The share of the margin that is applied, 0 to 1.
    pub fn share(&self) -> f64 {
        self.share
    }

    pub(super) fn at_share(&self, share: f64) -> Self {
        Self { share, ..self.clone() }
    }

    /// Value and derivative at a similarity, interpolated between no margin and the full margin by the share.
    pub(super) fn at(&self, similarity: f64) -> (f64, f64) {
        share_of(similarity, self.share, ((self.value)(similarity), (self.derivative)(similarity)))
    }

    /// Compares the derivative with central differences. Kinks, where the derivative jumps, are left out.
    fn check_derivative(&self) -> Result<()> {
        for point in 1..POINTS {
            let cosine = -1.0 + 2.0 * f64::from(point) / f64::from(POINTS);
            let found = (self.derivative)(cosine);
            let [below, above] = [cosine - STEP, cosine + STEP];
            let expected = ((self.value)(above) - (self.value)(below)) / (2.0 * STEP);
            let kink =
                ((self.derivative)(above) - (self.derivative)(below)).abs() > 1e-2 * (1.0 + found.abs());
            let close = (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs());
            // a NaN is never close, and never a kink
            if !close && !kink {
                return Err(Error::CustomMarginDerivative {
                    name: self.name.to_string(),
                    cosine,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

impl PartialEq for CustomMargin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
            && Arc::ptr_eq(&self.derivative, &other.derivative)
            && self.share == other.share
    }
}

impl fmt::Debug for CustomMargin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomMargin")
            .field("name", &self.name)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

impl Serialize for CustomMargin {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format_args!(
            "the custom margin `{}` is Rust code and cannot be saved; build the objective again and restore its state",
            self.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Margin, Objective, Score};
    use super::*;

    #[test]
    fn a_wrong_derivative_is_rejected_in_debug_builds() {
        if !cfg!(debug_assertions) {
            return;
        }
        let error =
            Margin::custom("cubic", |c| c * c * c - 0.3, |c| 2.0 * c * c).expect_err("3 c^2 is right");
        assert!(matches!(&error, Error::CustomMarginDerivative { name, .. } if name == "cubic"), "{error}");
        assert!(error.to_string().contains("central differences"), "{error}");
        assert!(Margin::custom("not a number", |_| f64::NAN, |_| 0.0).is_err());
        assert!(Margin::custom("constant", |c| c - 0.3, |_| f64::NAN).is_err());
    }

    #[test]
    fn kinks_and_steep_ends_are_accepted() {
        Margin::custom("hinge", |c| c.min(0.2) - 0.1, |c| f64::from(u8::from(c < 0.2)))
            .expect("a kink at 0.2");
        let angle = |c: f64| (c.acos() + 0.5).cos();
        let slope = |c: f64| (c.acos() + 0.5).sin() / (1.0 - c * c).sqrt();
        Margin::custom("angle", angle, slope).expect("the derivative of cos(t + 0.5)");
    }

    #[test]
    fn a_custom_margin_equals_its_clones_and_cannot_be_saved() {
        let margin = Margin::custom("am", |c| c - 0.35, |_| 1.0).expect("the right derivative");
        assert_eq!(margin, margin.clone());
        assert_ne!(margin, margin.with_share(0.5));
        assert_ne!(margin, Margin::custom("am", |c| c - 0.35, |_| 1.0).expect("the same functions again"));
        let objective =
            Objective::family().score(Score::cosine(30.0)).margin(margin).build().expect("in range");
        let error = serde_json::to_string(&objective).expect_err("code").to_string();
        assert!(error.contains("custom margin `am`") && error.contains("cannot be saved"), "{error}");
    }
}
