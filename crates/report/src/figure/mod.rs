//! One function a figure: a plain struct of data in, a complete SVG document out.
//!
//! A figure stands alone (on white, readable in any viewer) and inside a page: all colours are CSS variables with a
//! fallback, so that a page may turn them for dark screens by setting `--wm-paper`, `--wm-ink` and the rest. Every
//! figure has `role="img"`, a title and a description for readers who do not see it.
//!
//! Colours are those of Okabe and Ito, which differ for all common kinds of colour blindness; lines differ in their
//! dashes and points in their shape as well. Points that are not finite are left out. A figure without any data says so.

mod axis;
mod bars;
mod canvas;
mod confusion;
mod features;
mod histogram;
mod lines;
mod rates;
mod style;

pub use bars::{BarSeries, Bars, bars};
pub use confusion::{CONFUSION_CLASSES, ConfusionMatrix, confusion};
pub use features::{ClassFeatures, FeatureFigure, FeaturePanel, feature_circle, feature_sphere};
pub use histogram::{HistogramPair, HistogramPanel, histogram_pair};
pub use lines::{LineChart, Series, ValueScale, line_chart};
pub use rates::{RateCurve, RateFigure, RatePoint, det, identification, roc};

#[cfg(test)]
pub(crate) mod tests;
