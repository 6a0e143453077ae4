//! Verification: are two samples of the same class?
//!
//! A pair of embeddings of one class is *genuine*; a pair of two classes is an *impostor* pair. A threshold `t` accepts a pair
//! if its cosine is at least `t`. Two error rates follow: the false accept rate (FAR, the share of impostor pairs accepted) and
//! the false reject rate (`1 - TAR`, the share of genuine pairs rejected). Raising `t` lowers one and raises the other.
//!
//! Pairs come from one labelled set ([`all_pairs`], [`balanced_pairs`]), from a list ([`pair_list`]), from two sets
//! ([`enrol_probe`]) or as scores computed elsewhere ([`from_cosines`], [`from_scores`]). [`cohort`] normalises scores with a
//! cohort. Scores are sorted, not binned: every result is exact for the pairs compared, and memory is 4 bytes per cosine. Only
//! [`streaming`] bins scores, for more pairs than fit in memory, and reports the width of its bins.
//!
//! Rates are computed within each kind of pair, so they do not depend on how many pairs of each kind there are. [`costs`] weighs
//! the errors, [`calibration`] turns scores into probabilities, [`folds`] chooses thresholds by cross-validation, and
//! [`bootstrap`] gives confidence intervals.

pub mod bootstrap;
pub mod calibration;
pub mod cohort;
pub mod costs;
pub mod folds;
mod histogram;
mod identity;
mod list;
mod measures;
mod pairs;
mod scores;
mod sets;
pub mod streaming;

pub use histogram::Histogram;
pub(crate) use histogram::histogram_of_cosines;
pub use identity::IdentityPair;
pub use measures::{
    ROC_POINTS, TABLE_FAR, TABULATED_FAR, TarAtFar, Verification, from_cosines, from_pairs, from_scores,
};
pub(crate) use pairs::compare as compare_pairs;
pub use pairs::{VerificationOptions, all_pairs, balanced_pairs, identity_pairs};
pub(crate) use scores::accepts_within;
pub use scores::{BestAccuracy, OperatingPoint};
pub use sets::{enrol_probe, identity_pairs_between, pair_list, pair_scores, pairs_of_equal_rows};
pub use widemargin_tables::Pair;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
