//! Small files in every format, for the tests.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::{ImageSet, OpenOptions};

/// An IDX file.
pub(crate) fn idx_bytes(lengths: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, lengths.len() as u8];
    bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// Compresses with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A tar file with these entries.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Set directly, so that a name that begins with `./` stays as it is.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Writes a file and the folders above it.
#[expect(clippy::disallowed_methods, reason = "test files need not survive a crash")]
pub(crate) fn put(path: impl AsRef<Path>, bytes: &[u8]) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// An encoded image of one colour with a darker left column.
pub(crate) fn image(format: image::ImageFormat, width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(width, height, |column, _| {
        image::Rgb(if column == 0 { colour.map(|value| value / 2) } else { colour })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A chunk of a PNG, with its checksum.
pub(crate) fn png_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(&kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], &kind, data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG with one more chunk after its header.
pub(crate) fn png_with_chunk(png: &[u8], kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    const HEADER: usize = 8 + 25;
    [&png[..HEADER], &png_chunk(kind, data), &png[HEADER..]].concat()
}

/// An ICC profile of this colour space, with the X, Y and Z of its primaries and the exponent of its curves.
pub(crate) fn icc_profile(space: [u8; 4], primaries: [[f64; 3]; 3], gamma: f64) -> Vec<u8> {
    let fixed = |value: &f64| ((value * 65_536.0).round() as i32).to_be_bytes();
    let mut tags: Vec<([u8; 4], Vec<u8>)> = [*b"rXYZ", *b"gXYZ", *b"bXYZ"]
        .into_iter()
        .zip(primaries)
        .map(|(name, xyz)| {
            (name, [&b"XYZ \0\0\0\0"[..], &xyz.iter().flat_map(fixed).collect::<Vec<u8>>()].concat())
        })
        .collect();
    let curve = [&b"curv\0\0\0\0\0\0\0\x01"[..], &((gamma * 256.0) as u16).to_be_bytes(), &[0; 2]].concat();
    tags.extend([(*b"rTRC", curve.clone()), (*b"kTRC", curve)]);
    let (mut table, mut contents) = ((tags.len() as u32).to_be_bytes().to_vec(), Vec::new());
    let start = 128 + 4 + 12 * tags.len();
    for (name, content) in &tags {
        table.extend(name);
        table.extend(((start + contents.len()) as u32).to_be_bytes());
        table.extend((content.len() as u32).to_be_bytes());
        contents.extend(content);
    }
    [&[0; 16][..], &space, b"XYZ ", &[0; 12], b"acsp", &[0; 88], &table, &contents].concat()
}

/// A few images of Fashion-MNIST, read once for all tests: 60 training and 20 test images of each class.
pub(crate) fn clothing() -> Arc<ImageSet> {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/fashion-mnist-few");
    static SET: LazyLock<Arc<ImageSet>> =
        LazyLock::new(|| ImageSet::open(FOLDER, &OpenOptions::default()).unwrap().shared());
    Arc::clone(&SET)
}
