//! Embeddings in the plane, to look at.
//!
//! [`principal()`] is linear: distances in it are never larger than those of the embeddings, and the share of variance states how much
//! of them it shows. [`neighbour_map`] (t-SNE) keeps near rows near instead and shows groups that overlap in the principal axes, but
//! its distances between groups mean little.

mod principal;
mod tsne;

pub use principal::{Principal, principal};
pub use tsne::neighbour_map;
