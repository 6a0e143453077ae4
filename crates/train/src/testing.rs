//! What the tests of several modules need.

use std::path::PathBuf;

/// A few images of Fashion-MNIST: 60 training and 20 test images of 1 x 28 x 28 of each of ten classes.
pub(crate) fn clothing() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/fashion-mnist-few").into()
}
