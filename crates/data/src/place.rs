//! Where the bytes of an image are: in a file of its own, or inside a tar file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use widemargin_durable::open_file;

use crate::memory::{FILES, Share};

/// Largest image file that is read, and most bytes of its decoded pixels.
pub(crate) const MAX_BYTES: u64 = 512 << 20;

/// The content of an image file, with the memory that it takes.
pub(crate) struct FileBytes {
    bytes: Vec<u8>,
    _share: Share<'static>,
}

impl FileBytes {
    /// The content alone.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImagePlace {
    /// A file of its own.
    File(PathBuf),
    /// An entry of a tar file: the index of the shard, and the entry's name, first byte and length.
    Inside { shard: usize, name: Box<str>, offset: u64, length: u64 },
}

impl ImagePlace {
    /// The file, or the place in a tar file as if that were a folder.
    pub(crate) fn path(&self, shards: &[PathBuf]) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Inside { shard, name, .. } => shards[*shard].join(&**name),
        }
    }

    /// The path of a file, or the name in its tar file.
    pub(crate) fn inner(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Inside { name, .. } => Path::new(&**name),
        }
    }

    /// The bytes; the error is the reason, without the path.
    pub(crate) fn read(&self, shards: &[PathBuf]) -> Result<FileBytes, String> {
        match self {
            Self::File(path) => read_file(path),
            Self::Inside { shard, offset, length, .. } => {
                let mut file = open_file(&shards[*shard]).map_err(failed)?;
                file.seek(SeekFrom::Start(*offset)).map_err(failed)?;
                let bytes = read_at_most(file.take(*length), *length)?;
                if (bytes.len() as u64) < *length {
                    return Err(format!("the shard ends within it: {} of {length} bytes", bytes.len()));
                }
                Ok(bytes)
            }
        }
    }
}

/// The bytes of a file; the error is the reason, without the path.
pub(crate) fn read_file(path: &Path) -> Result<FileBytes, String> {
    let file = open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    read_at_most(file, length)
}

fn read_at_most(source: impl Read, length: u64) -> Result<FileBytes, String> {
    if length > MAX_BYTES {
        return Err(format!("{length} bytes; at most {MAX_BYTES} are read"));
    }
    let share = FILES.take(length);
    let mut bytes = Vec::with_capacity(length as usize);
    source.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(FileBytes { bytes, _share: share })
}

/// A failed read, in words.
#[expect(clippy::needless_pass_by_value, reason = "used with `map_err`")]
fn failed(error: std::io::Error) -> String {
    format!("cannot be read: {error}")
}
