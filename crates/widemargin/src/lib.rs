//! Metric learning with margin softmax: the crates of the project under one name.
//!
//! | module | what is in it |
//! |---|---|
//! | [`objective`] | what is optimised: the family from the hinge to AM-Softmax |
//! | [`head`] | class centres and their optimiser |
//! | [`data`] | labelled images, splits, samplers, augmentation, loading |
//! | [`glyphs`] | characters drawn with installed fonts: many real classes |
//! | [`model`] | backbones as Burn modules |
//! | [`embedder`] | a trained model in use: images to embeddings |
//! | [`onnx`] | a trained model as an ONNX file |
//! | [`train`] | the training loop with checkpoints and exact resume |
//! | [`eval`] | verification, retrieval, clustering, calibration and geometry on embeddings |
//! | [`report`] | figures and pages |
#![forbid(unsafe_code)]

pub use widemargin_data as data;
pub use widemargin_embedder as embedder;
pub use widemargin_eval as eval;
pub use widemargin_glyphs as glyphs;
pub use widemargin_head as head;
pub use widemargin_model as model;
pub use widemargin_objective as objective;
pub use widemargin_onnx as onnx;
pub use widemargin_report as report;
pub use widemargin_train as train;
