//! IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, the size of each dimension (big-endian), data.
//!
//! Images are bytes (type 8). Labels are bytes or, for more than 256 classes, signed integers of two or four bytes (types 11 and 12). The
//! header gives the length of the data, so no more than that is held in memory, even if a compressed file expands to more.

use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Error, ImageShape, Result};

/// The data of an IDX file and the sizes of its `N` dimensions.
pub(crate) struct Idx<const N: usize> {
    pub(crate) lengths: [usize; N],
    /// Bytes per value: 1, or with one dimension also 2 or 4, big-endian.
    pub(crate) width: usize,
    pub(crate) bytes: Vec<u8>,
}

/// Reads an IDX file with at most `limit` bytes of data, compressed with gzip or not.
pub(crate) fn read<const N: usize>(path: &Path, limit: u64) -> Result<Idx<N>> {
    let file = widemargin_durable::open_file(path).map_err(|error| Error::read(path, error))?;
    parse(path, BufReader::new(file), limit)
}

/// As [`read`], from any reader; errors name `path`.
pub(crate) fn parse<const N: usize>(path: &Path, mut source: impl Read, limit: u64) -> Result<Idx<N>> {
    let mut start = Vec::with_capacity(2);
    source.by_ref().take(2).read_to_end(&mut start).map_err(|error| Error::read(path, error))?;
    let compressed = start == [0x1f, 0x8b];
    let whole = Cursor::new(start).chain(source);
    if compressed {
        let failed = |source| Error::Decompress { path: path.to_path_buf(), source };
        parse_plain(path, MultiGzDecoder::new(whole), limit, failed)
    } else {
        parse_plain(path, whole, limit, |error| Error::read(path, error))
    }
}

fn parse_plain<const N: usize>(
    path: &Path,
    mut source: impl Read,
    limit: u64,
    failed: impl Fn(io::Error) -> Error,
) -> Result<Idx<N>> {
    let truncated =
        |found: u64, expected: u64| Error::Truncated { path: path.to_path_buf(), found, expected };
    let header_bytes = 4 + 4 * N as u64;
    let header = read_at_most(&mut source, header_bytes, &failed)?;

    let expected = [0, 0, 8, N as u8];
    let magic = header.first_chunk::<4>().copied().unwrap_or_default();
    let width = match magic {
        [0, 0, 11, 1] if N == 1 => 2,
        [0, 0, 12, 1] if N == 1 => 4,
        _ => 1,
    };
    if header.len() >= 4 && magic != expected && width == 1 {
        return Err(Error::WrongMagic {
            path: path.to_path_buf(),
            found: magic,
            expected,
            dimensions: N as u8,
        });
    }
    if (header.len() as u64) < header_bytes {
        return Err(truncated(header.len() as u64, header_bytes));
    }
    let mut lengths = [0; N];
    for (length, bytes) in lengths.iter_mut().zip(header[4..].chunks_exact(4)) {
        *length = bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    }
    let data_bytes =
        lengths.iter().try_fold(width as u64, |product, length| product.checked_mul(*length as u64));
    let data_bytes = match data_bytes {
        Some(bytes) if bytes <= limit => bytes,
        other => {
            let found = other.unwrap_or(u64::MAX);
            return Err(Error::TooLarge { path: path.to_path_buf(), found, limit });
        }
    };
    let bytes = read_at_most(&mut source, data_bytes + 1, &failed)?;
    match (bytes.len() as u64).cmp(&data_bytes) {
        std::cmp::Ordering::Less => {
            Err(truncated(header_bytes + bytes.len() as u64, header_bytes + data_bytes))
        }
        std::cmp::Ordering::Greater => {
            Err(Error::TooLong { path: path.to_path_buf(), expected: header_bytes + data_bytes })
        }
        std::cmp::Ordering::Equal => Ok(Idx { lengths, width, bytes }),
    }
}

/// Reads up to `count` bytes; fewer if the stream, compressed or not, ends early.
fn read_at_most(source: &mut impl Read, count: u64, failed: impl Fn(io::Error) -> Error) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match source.take(count).read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(failed(error)),
        _ => Ok(bytes),
    }
}

/// The images and labels of one part.
pub(crate) struct IdxPart {
    pub(crate) shape: ImageShape,
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u32>,
    pub(crate) label_path: PathBuf,
}

/// Combines images and labels.
pub(crate) fn part(
    (image_path, images): (&Path, Idx<3>),
    (label_path, labels): (&Path, Idx<1>),
) -> Result<IdxPart> {
    let [count, height, width] = images.lengths;
    if count == 0 || height == 0 || width == 0 {
        return Err(Error::NoPixels { path: image_path.to_path_buf(), count, height, width });
    }
    if labels.lengths[0] != count {
        return Err(Error::CountsDiffer {
            images: image_path.to_path_buf(),
            image_count: count,
            labels: label_path.to_path_buf(),
            label_count: labels.lengths[0],
        });
    }
    let shape = ImageShape { channels: 1, height, width };
    // A negative number becomes one that no class has.
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
    let labels = labels.bytes.chunks_exact(labels.width).map(number).collect();
    Ok(IdxPart { shape, pixels: images.bytes, labels, label_path: label_path.to_path_buf() })
}

/// The files of a data set: training images and labels, test images and labels.
pub(crate) type IdxFiles = [PathBuf; 4];

/// The four files of a data set in a folder; `None` if none of them is there.
pub(crate) fn find(folder: &Path) -> Result<Option<IdxFiles>> {
    const NAMES: [(&str, &str); 4] = [
        ("train-images", "idx3"),
        ("train-labels", "idx1"),
        ("t10k-images", "idx3"),
        ("t10k-labels", "idx1"),
    ];
    let found = NAMES.map(|(name, dimensions)| {
        ["-", "."]
            .into_iter()
            .flat_map(|joint| {
                ["", ".gz"].map(|end| folder.join(format!("{name}{joint}{dimensions}-ubyte{end}")))
            })
            .find(|path| path.is_file())
    });
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut paths = [const { PathBuf::new() }; 4];
    for ((slot, path), (name, dimensions)) in paths.iter_mut().zip(found).zip(NAMES) {
        let name = format!("{name}-{dimensions}-ubyte");
        *slot = path.ok_or_else(|| Error::MissingFile { folder: folder.to_path_buf(), name })?;
    }
    Ok(Some(paths))
}

/// What else is in the folder of IDX files that could be meant, as sentences: other forms of the files that are read, and folders.
pub(crate) fn notes(folder: &Path, files: &IdxFiles) -> Vec<String> {
    let mut notes = Vec::new();
    for path in files {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let plain = name.trim_end_matches(".gz");
        let forms = [plain.to_owned(), plain.replace("-idx", ".idx"), plain.replace(".idx", "-idx")];
        let mut others: Vec<String> =
            forms.iter().flat_map(|form| [form.clone(), format!("{form}.gz")]).collect();
        others.sort();
        others.dedup();
        others.retain(|other| other != name && folder.join(other).is_file());
        if !others.is_empty() {
            notes.push(format!("{name} is read, and not {} next to it.", others.join(", ")));
        }
    }
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders =
        folders.filter(|entry| entry.path().is_dir() && !crate::file_names::is_hidden(&entry.path()));
    let count = folders.count();
    if count > 0 {
        notes.push(format!(
            "The IDX files are read, and not the {} next to them.",
            crate::words::plural(count, "folder", "folders")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gzip, idx_bytes};

    const LIMIT: u64 = 1 << 20;

    fn parsed<const N: usize>(bytes: &[u8]) -> Result<Idx<N>> {
        parse(Path::new("file"), bytes, LIMIT)
    }

    #[test]
    fn plain_and_compressed_are_the_same() {
        let bytes = idx_bytes(&[2, 3, 4], &(0..24).collect::<Vec<u8>>());
        for input in [bytes.clone(), gzip(&bytes)] {
            let idx = parsed::<3>(&input).unwrap();
            assert_eq!(idx.lengths, [2, 3, 4]);
            assert_eq!(idx.bytes, (0..24).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn each_kind_of_bad_file_has_its_error() {
        let good = idx_bytes(&[2, 3, 4], &[7; 24]);
        assert!(matches!(
            parsed::<1>(&good),
            Err(Error::WrongMagic { found: [0, 0, 8, 3], dimensions: 1, .. })
        ));
        assert!(matches!(parsed::<3>(b"\x89PNG\r\n"), Err(Error::WrongMagic { .. })));
        for length in 0..good.len() {
            let expected = if length < 16 { 16 } else { 40 };
            let error = parsed::<3>(&good[..length]).err().unwrap();
            let Error::Truncated { found, expected: stated, .. } = error else { panic!("{length}: {error}") };
            assert_eq!((found, stated), (length as u64, expected));
        }
        let mut longer = good.clone();
        longer.push(0);
        assert!(matches!(parsed::<3>(&longer), Err(Error::TooLong { expected: 40, .. })));
        let huge = idx_bytes(&[u32::MAX, u32::MAX, u32::MAX], &[]);
        assert!(matches!(parsed::<3>(&huge), Err(Error::TooLarge { found: u64::MAX, limit: LIMIT, .. })));
    }

    #[test]
    fn what_else_is_in_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
            crate::testing::put(folder.path().join(format!("{name}-ubyte")), b"");
        }
        let found = || notes(folder.path(), &find(folder.path()).unwrap().unwrap());
        assert!(found().is_empty());
        crate::testing::put(folder.path().join("train-images-idx3-ubyte.gz"), b"");
        crate::testing::put(folder.path().join("cats/1.png"), b"");
        let said = found();
        assert_eq!(
            said[0],
            "train-images-idx3-ubyte is read, and not train-images-idx3-ubyte.gz next to it."
        );
        assert_eq!(said[1], "The IDX files are read, and not the 1 folder next to them.");
    }

    #[test]
    fn damaged_and_cut_gzip() {
        let packed =
            gzip(&idx_bytes(&[2, 3, 4], &(0..24u8).map(|value| value.wrapping_mul(37)).collect::<Vec<u8>>()));
        assert!(matches!(parsed::<3>(&packed[..packed.len() - 12]), Err(Error::Truncated { .. })));
        let mut damaged = packed.clone();
        let checksum = damaged.len() - 6;
        damaged[checksum] ^= 1;
        assert!(matches!(parsed::<3>(&damaged), Err(Error::Decompress { .. })));
    }

    #[test]
    fn expanding_gzip_stops_at_the_length_in_the_header() {
        // 64 MB of zeros after a header for 24 bytes.
        let mut bytes = idx_bytes(&[2, 3, 4], &[]);
        bytes.resize(64 << 20, 0);
        assert!(matches!(parsed::<3>(&gzip(&bytes)), Err(Error::TooLong { .. })));
    }

    #[test]
    fn labels_may_be_wider_than_a_byte() {
        let images = || parsed::<3>(&idx_bytes(&[2, 1, 1], &[1, 2])).unwrap();
        for (kind, data, expected) in [
            (8, vec![7, 255], [7, 255]),
            (11, vec![1, 0, 0, 3], [256, 3]),
            (12, vec![0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff], [65_536, u32::MAX]),
        ] {
            let mut bytes = idx_bytes(&[2], &data);
            bytes[2] = kind;
            let labels = parsed::<1>(&bytes).unwrap();
            let part = part((Path::new("images"), images()), (Path::new("labels"), labels)).unwrap();
            assert_eq!(part.labels, expected);
            assert!(matches!(parsed::<1>(&bytes[..bytes.len() - 1]), Err(Error::Truncated { .. })));
        }
        // Not images, and no other types.
        for kind in [9, 11, 12, 13, 14] {
            let mut bytes = idx_bytes(&[2, 1, 1], &[1, 2]);
            bytes[2] = kind;
            assert!(matches!(parsed::<3>(&bytes), Err(Error::WrongMagic { .. })), "{kind}");
        }
        let mut bytes = idx_bytes(&[1], &[1, 2]);
        bytes[2] = 9;
        assert!(matches!(parsed::<1>(&bytes), Err(Error::WrongMagic { .. })));
    }

    #[test]
    fn counts_must_agree() {
        let images = || parsed::<3>(&idx_bytes(&[2, 1, 1], &[1, 2])).unwrap();
        let labels = |count: u32| parsed::<1>(&idx_bytes(&[count], &vec![0; count as usize])).unwrap();
        let (image_path, label_path) = (Path::new("images"), Path::new("labels"));
        assert!(part((image_path, images()), (label_path, labels(2))).is_ok());
        assert!(matches!(
            part((image_path, images()), (label_path, labels(3))),
            Err(Error::CountsDiffer { image_count: 2, label_count: 3, .. })
        ));
        let empty = parsed::<3>(&idx_bytes(&[0, 28, 28], &[])).unwrap();
        assert!(matches!(part((image_path, empty), (label_path, labels(0))), Err(Error::NoPixels { .. })));
    }
}
