//! Clustering: do the embeddings fall into groups by themselves, and are these the classes?
//!
//! Three ways to make groups, all by cosine: [`k_means()`] where the number of groups is known, [`dbscan()`] and
//! [`agglomerative()`] where it is not. [`agreement()`] compares any two groupings of the same rows.

mod agglomerative;
mod agreement;
mod dbscan;
mod k_means;

pub use agglomerative::{Linkage, MAX_ROWS, agglomerative};
pub use agreement::{Agreement, agreement};
pub use dbscan::dbscan;
pub use k_means::{KMeans, KMeansOptions, k_means, k_means_from};
