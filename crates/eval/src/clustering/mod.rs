//! Clustering: do the embeddings form groups, and do the groups match the classes?
//!
//! There are three methods, all by cosine: [`k_means()`] for a known number of clusters, [`dbscan()`] and [`agglomerative()`] for
//! an unknown number. [`agreement()`] compares clusters with classes.

mod agglomerative;
mod agreement;
mod dbscan;
mod k_means;

pub use agglomerative::{Linkage, MAX_ROWS, agglomerative};
pub use agreement::{Agreement, agreement};
pub use dbscan::dbscan;
pub use k_means::{KMeans, KMeansOptions, k_means, k_means_from};
