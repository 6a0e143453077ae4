#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod text;
mod thumbnail;

pub mod figure;
pub mod page;
pub mod table;
pub mod terminal;

pub use error::{Error, Result};
pub use thumbnail::Image;
