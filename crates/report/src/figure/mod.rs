//! Figures: one function per figure takes a plain struct of data and returns a complete SVG document.
//!
//! A figure works on its own (on white, in any viewer) and inside a page: all colours are CSS variables with a fallback, and a
//! page can change them for dark mode by setting `--wm-paper`, `--wm-ink` and others. Every figure has `role="img"`, a title and a
//! description as a text alternative.
//!
//! Colours are those of Okabe and Ito, which can be distinguished with all common kinds of colour blindness. Lines also differ in
//! their dashes, and points in their shape. Points that are not finite are left out. A figure without data shows "no data".
//!
//! Values appear where the pointer is: browsers show them even in a saved file.

mod axis;
mod bars;
mod canvas;
mod confusion;
mod features;
mod histogram;
mod lines;
mod map;
mod rates;
mod style;
mod tips;

pub use bars::{BarSeries, Bars, bars};
pub use confusion::{CONFUSION_CLASSES, ConfusionMatrix, confusion};
pub use features::{ClassFeatures, FeatureFigure, FeaturePanel, feature_circle, feature_sphere};
pub use histogram::{HistogramPair, HistogramPanel, histogram_pair};
pub use lines::{LineChart, Series, ValueScale, line_chart};
pub use map::{MapFigure, MapPoint, embedding_map};
pub use rates::{RateCurve, RateFigure, RatePoint, det, identification, roc};
pub use tips::without_tips;

#[cfg(test)]
pub(crate) mod tests;
