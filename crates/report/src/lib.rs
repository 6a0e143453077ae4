#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod text;

pub mod figure;
pub mod neighbours;
pub mod page;
pub mod table;
pub mod terminal;

pub use error::{Error, Result};
