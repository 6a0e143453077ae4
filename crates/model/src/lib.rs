//! Backbones as Burn modules, and the fast operations below them.
//!
//! This is where Burn begins: the crates below work on slices. A [`Backbone`] turns a batch of images into a batch of
//! embeddings; its parameters go out and come in as plain named vectors ([`parameters`]), so that optimisers,
//! checkpoints and exports need not know Burn.
//!
//! On the CPU the convolutions, normalisations and poolings are this project's kernels, put into Burn's automatic
//! differentiation as custom operations ([`operations`]); on any other device the same calls go to Burn's own.
#![forbid(unsafe_code)]

mod backbones;
pub mod device;
mod error;
pub mod layers;
pub mod objectives;
pub mod operations;
pub mod parameters;
pub mod steps;
pub mod tensors;
mod walk;
pub mod weights;

pub use backbones::{Backbone, BackboneConfig, BackboneName};
pub use error::Error;
pub use layers::Pass;
pub use widemargin_data::ImageShape;
