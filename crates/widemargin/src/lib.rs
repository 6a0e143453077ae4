#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "train")]
mod error;
#[cfg(feature = "train")]
mod evaluation;
pub mod prelude;

#[cfg(feature = "train")]
pub use error::{Error, Result};
#[cfg(feature = "train")]
pub use evaluation::{
    Evaluation, EvaluationIntervals, INTERVAL_PAIRS, MOST_RANKED, RECALL_AT, evaluate, evaluate_samples,
    evaluate_untrained,
};
pub use widemargin_chance as chance;
pub use widemargin_data as data;
pub use widemargin_durable as durable;
#[cfg(feature = "train")]
pub use widemargin_embedder as embedder;
pub use widemargin_eval as eval;
#[cfg(feature = "glyphs")]
pub use widemargin_glyphs as glyphs;
pub use widemargin_head as head;
#[cfg(feature = "train")]
pub use widemargin_model as model;
pub use widemargin_objective as objective;
#[cfg(feature = "train")]
pub use widemargin_onnx as onnx;
#[cfg(feature = "report")]
pub use widemargin_report as report;
pub use widemargin_tables as tables;
#[cfg(feature = "train")]
pub use widemargin_train as train;

/// The Rust code of the project's README, so that it compiles with the rest.
#[cfg(all(doctest, feature = "train"))]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_rust_code_of_the_readme_is_the_training_example() {
        let readme = include_str!("../../../README.md");
        let start = readme.find("```rust").expect("the README has Rust code");
        let block = readme[start..].split("```").nth(1).expect("split in front of the fence");
        let (_, code) = block.split_once('\n').expect("a line after the fence");
        // The README leaves out the attribute that only this workspace's lints need.
        let example =
            include_str!("../examples/train.rs").lines().filter(|line| !line.starts_with("#![allow"));
        assert!(code.lines().eq(example));
    }
}
