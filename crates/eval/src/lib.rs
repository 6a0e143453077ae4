//! Verification and retrieval on plain matrices of embeddings.
//!
//! Metric learning is judged by what its embeddings can do with classes that training never saw. This crate asks two
//! questions first and three more around them:
//!
//! - [`verification`]: given two images, are they of the same class? (ROC, AUC, EER, TAR at FAR.)
//! - [`retrieval`]: given one image, are its nearest neighbours of the same class? (recall at k, R-precision, MAP@R.)
//! - [`clustering`]: do the embeddings fall into groups by themselves, and are these the classes?
//! - [`geometry`]: how tight and how far apart are the classes, and how much of the space do they use?
//! - [`verification::calibration`]: what does a cosine mean, and which threshold is worth using?
//!
//! It knows embeddings and labels, and nothing of networks or training: a row-major `f32` slice goes in, numbers come out,
//! so that embeddings computed by any other program can be judged in the same way; [`files`] reads what they saved. Every comparison is by
//! cosine; [`Embeddings::new`] normalises the rows itself.
//!
//! Results are exact (no binning of scores, but for [`verification::streaming`]) and do not depend on the number of threads.
//!
//! ```
//! use widemargin_eval::{Embeddings, retrieval, verification};
//!
//! // Two classes in the plane, three samples each.
//! let data = [1.0, 0.0, 0.9, 0.1, 0.8, 0.3, 0.0, 1.0, 0.1, 0.9, 0.2, 0.7];
//! let embeddings = Embeddings::new(&data, 6, 2, &[7, 7, 7, 9, 9, 9])?;
//!
//! let verification = verification::all_pairs(&embeddings, &verification::VerificationOptions::default())?;
//! assert_eq!((verification.genuine, verification.impostor), (6, 9));
//! assert_eq!(verification.tar_at_far(1e-1), 1.0);
//!
//! let retrieval = retrieval::evaluate(&embeddings, &[1, 5])?;
//! assert_eq!(retrieval.recall_at[&1], 1.0);
//! # Ok::<(), widemargin_eval::Error>(())
//! ```
#![forbid(unsafe_code)]

mod embeddings;
mod error;
mod similarity;

pub mod clustering;
pub mod files;
pub mod geometry;
pub mod retrieval;
pub mod suspects;
pub mod templates;
pub mod verification;

pub use embeddings::Embeddings;
pub use error::{Error, Result};
