//! The family of losses and its axes: score, margin, pool and link.

mod axes;
mod competitors;
mod custom;
mod margin;
mod objective;
mod points;
mod presets;
mod share;

pub use axes::{Link, Pool, Score};
pub use competitors::Competitors;
pub use custom::CustomMargin;
pub use margin::Margin;
pub use objective::{Objective, ObjectiveBuilder};
pub use points::PointMargin;
