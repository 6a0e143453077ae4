//! Shards on disk: a file each, so that every rank writes its own.
//!
//! `head-K-of-N` is a container ([`widemargin_durable`]) of kind `head-shard`, version 1. Its payload is safetensors: the
//! tensors, and under `shard` of its metadata the rest of the [`ShardState`] as JSON, with tensors that have no values. It is
//! replaced whole or not at all, and every flipped bit is found on reading. The files of different ranks appear one by one,
//! though: write the shards of each checkpoint into a folder of its own. Files of different steps in one folder are refused.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use widemargin_durable::{Error as DurableError, read_sealed, write_sealed};

use super::{ShardState, ShardedHead, agree, join_shards, split_shards};
use crate::{Communicator, Error, HeadTensor};

/// What the container says is in it.
const KIND: &str = "head-shard";

/// Version of what is described at the top of this file.
const VERSION: u32 = 1;

/// Where the metadata of the tensors keeps the rest of the state.
const METADATA: &str = "shard";

/// What keeps shards from being written or read. Beside [`Error`], because a reason of the operating system can be neither
/// copied nor compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardFileError {
    /// A file that cannot be written or read, is not a shard, or is damaged.
    #[error(transparent)]
    File(#[from] DurableError),

    /// A folder that cannot be listed.
    #[error("{folder}: cannot list it")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// A whole container whose content is no state of a shard.
    #[error("{path}: not the state of a shard: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file whose name says another shard than its content.
    #[error("{path}: holds shard {shard} of {shards}; was it renamed?")]
    Renamed {
        /// The file.
        path: PathBuf,
        /// The shard in it.
        shard: usize,
        /// Shards of its head.
        shards: usize,
    },

    /// A folder without shards.
    #[error("{folder}: no shards of a head; expected files named head-0-of-N and on")]
    NoShards {
        /// The folder.
        folder: PathBuf,
    },

    /// A folder with shards of heads that were cut differently.
    #[error("{folder}: shards of heads of {found:?} shards; expected those of one, so remove the others")]
    SeveralHeads {
        /// The folder.
        folder: PathBuf,
        /// Numbers of shards found.
        found: Vec<usize>,
    },

    /// A shard without its file.
    #[error("{path}: missing; the other shards of its head are there")]
    Missing {
        /// The file.
        path: PathBuf,
    },

    /// Shards that do not make a head.
    #[error("{folder}: the shards do not fit together")]
    Shards {
        /// The folder.
        folder: PathBuf,
        /// Which, and why.
        source: Error,
    },

    /// A head that could not be restored from good files, or on another rank.
    #[error(transparent)]
    Head(#[from] Error),
}

/// The name of a shard's file.
fn file_name(shard: usize, shards: usize) -> String {
    format!("head-{shard}-of-{shards}")
}

/// Writes a shard into a folder that exists, as `head-K-of-N`, and returns the path. A file of that name is replaced when the
/// new one is whole on the disk.
///
/// # Errors
/// [`ShardFileError::File`]; [`ShardFileError::Content`] for a tensor that does not have as many values as its shape says. The
/// old file is untouched then.
pub fn save_shard(folder: impl AsRef<Path>, state: &ShardState) -> Result<PathBuf, ShardFileError> {
    let path = folder.as_ref().join(file_name(state.shard, state.shards));
    let payload = pack(state).map_err(|reason| ShardFileError::Content { path: path.clone(), reason })?;
    write_sealed(&path, KIND, VERSION, &payload)?;
    Ok(path)
}

/// Reads a file of [`save_shard`].
///
/// # Errors
/// [`ShardFileError::File`] for a file that is missing, no shard, of a later version or damaged; [`ShardFileError::Content`];
/// [`ShardFileError::Renamed`].
pub fn load_shard(path: impl AsRef<Path>) -> Result<ShardState, ShardFileError> {
    let path = path.as_ref();
    let (_, payload) = read_sealed(path, KIND, VERSION)?;
    let content = |reason| ShardFileError::Content { path: path.to_path_buf(), reason };
    let state = unpack(&payload).map_err(content)?;
    let (shard, shards) = (state.shard, state.shards);
    if path.file_name().is_none_or(|name| name != file_name(shard, shards).as_str()) {
        return Err(ShardFileError::Renamed { path: path.to_path_buf(), shard, shards });
    }
    Ok(state)
}

/// Reads all shards in a folder, in their order; other files in it do not matter.
///
/// # Errors
/// Those of [`load_shard`]; [`ShardFileError::Folder`], [`ShardFileError::NoShards`], [`ShardFileError::SeveralHeads`],
/// [`ShardFileError::Missing`].
pub fn load_shards(folder: impl AsRef<Path>) -> Result<Vec<ShardState>, ShardFileError> {
    paths(folder.as_ref())?.iter().map(load_shard).collect()
}

impl<C: Communicator> ShardedHead<C> {
    /// Writes the shard of this rank into a folder that exists on its machine; see [`save_shard`]. Not collective: the head is on
    /// the disk when every rank has returned.
    ///
    /// # Errors
    /// See [`save_shard`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<PathBuf, ShardFileError> {
        save_shard(folder, &self.state())
    }

    /// The shard of this rank of the head whose shards are in a folder, however many there are: with as many as ranks each reads
    /// its own, otherwise each reads all of them and keeps its part. Collective, two gathers.
    ///
    /// Every rank must see all files. Where each sees its own only, take [`load_shard`] and [`ShardedHead::from_state`].
    ///
    /// # Errors
    /// Those of [`load_shards`]; [`ShardFileError::Shards`] for files that are not of one head at one step; those of
    /// [`ShardedHead::from_state`], among them [`Error::RankFailed`] if another rank could not read.
    pub fn load(communicator: C, folder: impl AsRef<Path>) -> Result<Self, ShardFileError> {
        let found = Self::load_part(&communicator, folder.as_ref());
        // the others must learn of it, and this rank must say why
        let refused = Error::RankFailed { rank: communicator.rank() };
        let agreed = agree(&communicator, found.as_ref().map(|_| ()).map_err(|_| refused), &[]);
        let state = found?;
        agreed?;
        Ok(Self::from_state(communicator, state)?)
    }

    fn load_part(communicator: &C, folder: &Path) -> Result<ShardState, ShardFileError> {
        let (rank, size) = (communicator.rank(), communicator.size());
        let missing = Error::MissingShard { shard: rank, shards: size };
        let paths = paths(folder)?;
        if paths.len() == size {
            return paths.get(rank).map_or(Err(missing.into()), load_shard);
        }
        let states = paths.iter().map(load_shard).collect::<Result<Vec<_>, _>>()?;
        let shards = |source| ShardFileError::Shards { folder: folder.to_path_buf(), source };
        let whole = join_shards(states).map_err(shards)?;
        Ok(split_shards(&whole, size)?.into_iter().nth(rank).ok_or(missing)?)
    }
}

/// The files of the shards in a folder, in their order.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, ShardFileError> {
    let failed = |source| ShardFileError::Folder { folder: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(numbers));
    }
    found.sort_unstable_by_key(|&(shard, shards)| (shards, shard));
    let mut heads: Vec<usize> = found.iter().map(|&(_, shards)| shards).collect();
    heads.dedup();
    let folder = folder.to_path_buf();
    match *heads {
        [] => Err(ShardFileError::NoShards { folder }),
        [shards] => {
            // names, and none twice: the first place where they part is the first that is missing
            let missing = (0..shards).find(|&shard| found.get(shard) != Some(&(shard, shards)));
            match missing {
                Some(shard) => Err(ShardFileError::Missing { path: folder.join(file_name(shard, shards)) }),
                None => Ok((0..shards).map(|shard| folder.join(file_name(shard, shards))).collect()),
            }
        }
        _ => Err(ShardFileError::SeveralHeads { folder, found: heads }),
    }
}

/// Shard and number of shards in a file's name.
fn numbers(name: &str) -> Option<(usize, usize)> {
    let (shard, shards) = name.strip_prefix("head-")?.split_once("-of-")?;
    let (shard, shards) = (shard.parse().ok()?, shards.parse().ok()?);
    // one spelling a number, and no number that is none of a shard
    (shard < shards && name == file_name(shard, shards)).then_some((shard, shards))
}

fn pack(state: &ShardState) -> Result<Vec<u8>, String> {
    let mut rest = state.clone();
    for tensor in &mut rest.part.tensors {
        tensor.values = Vec::new();
    }
    let rest = serde_json::to_string(&rest).map_err(|error| error.to_string())?;
    let bytes: Vec<(&HeadTensor, Vec<u8>)> = state
        .part
        .tensors
        .iter()
        .map(|tensor| (tensor, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.to_vec(), bytes);
        let view = view.map_err(|error| format!("tensor `{}`: {error}", tensor.name))?;
        Ok((tensor.name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, String>>()?;
    let metadata = HashMap::from([(METADATA.to_owned(), rest)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
}

fn unpack(payload: &[u8]) -> Result<ShardState, String> {
    let not_safetensors = |error| format!("not safetensors: {error}");
    let file = SafeTensors::deserialize(payload).map_err(not_safetensors)?;
    let (_, metadata) = SafeTensors::read_metadata(payload).map_err(not_safetensors)?;
    let rest = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
    let rest = rest.ok_or_else(|| format!("its metadata has no `{METADATA}`"))?;
    let mut state: ShardState = serde_json::from_str(rest).map_err(|error| error.to_string())?;
    if let Some(name) =
        file.names().into_iter().find(|name| state.part.tensors.iter().all(|t| t.name != *name))
    {
        return Err(format!("a tensor `{name}` that its metadata does not name"));
    }
    for HeadTensor { name, shape, values } in &mut state.part.tensors {
        let view = file.tensor(name).map_err(|error| format!("tensor `{name}`: {error}"))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (dtype, found) = (view.dtype(), view.shape());
            return Err(format!(
                "tensor `{name}` is {dtype:?} of shape {found:?}, expected F32 of {shape:?}"
            ));
        }
        let (bytes, _) = view.data().as_chunks::<4>();
        *values = bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    }
    Ok(state)
}
