//! Fashion-MNIST: the part that is built into the program, and the full set if it is installed.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::Result;
use crate::sources::idx::{self, IdxPart};

/// Where the Debian package `dataset-fashion-mnist` installs the full set.
pub const FASHION_MNIST_FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// The classes of Fashion-MNIST, in the order of their labels.
pub const FASHION_MNIST_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../../data/fashion-mnist-part/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../../data/fashion-mnist-part/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../../data/fashion-mnist-part/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../../data/fashion-mnist-part/t10k-labels-idx1-ubyte.gz");

/// The training and test part of the embedded set.
pub(crate) fn parts() -> Result<[IdxPart; 2]> {
    let read = |name: &str, images: &[u8], labels: &[u8]| {
        let (image_path, label_path) = (format!("embedded {name} images"), format!("embedded {name} labels"));
        let (image_path, label_path) = (Path::new(&image_path), Path::new(&label_path));
        idx::part(
            (image_path, idx::parse(image_path, images, u64::MAX - 1)?),
            (label_path, idx::parse(label_path, labels, u64::MAX - 1)?),
        )
    };
    Ok([read("training", TRAIN_IMAGES, TRAIN_LABELS)?, read("test", TEST_IMAGES, TEST_LABELS)?])
}

/// Whether a set of IDX files is Fashion-MNIST, recognised by its first training image. The embedded part is the start of the full set.
pub(crate) fn is_fashion_mnist(train: &IdxPart) -> bool {
    const HEADER: usize = 16;
    let values = train.shape.values();
    if (train.shape.height, train.shape.width) != (28, 28) || train.pixels.len() < values {
        return false;
    }
    let mut start = vec![0; HEADER + values];
    MultiGzDecoder::new(TRAIN_IMAGES).read_exact(&mut start).is_ok()
        && start[HEADER..] == train.pixels[..values]
}
