#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod backbones;
pub mod checksum;
pub mod device;
mod error;
mod inference;
pub mod layers;
pub mod objectives;
pub mod operations;
pub mod parameters;
pub mod steps;
pub mod tensors;
mod traversal;
pub mod weights;

pub use backbones::{Backbone, BackboneConfig, BackboneName};
pub use error::Error;
pub use inference::Inference;
pub use layers::Pass;
/// The type of [`BackboneConfig::input`].
pub use widemargin_data::ImageShape;
/// The precision of products on the CPU.
pub use widemargin_head::ProductPrecision;
