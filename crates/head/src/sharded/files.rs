//! Shards on disk: one file per shard, so that every rank writes its own.
//!
//! `head-K-of-N` is a container ([`widemargin_durable`]) of kind `head-shard`, version 1. Its payload is safetensors: the
//! tensors, and in the metadata under `shard` the rest of the [`ShardState`] as JSON, in which the tensors have no values. A file
//! is replaced atomically, and reading detects every flipped bit. The files of different ranks appear one by one, so write the
//! shards of each checkpoint to a new folder. Files of different steps in one folder are rejected.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use widemargin_durable::{read_sealed, write_sealed};

use super::agreement::agree;
use super::head::ShardedHead;
use super::state::{ShardState, join_shards, split_shards};
use crate::communicator::Communicator;
use crate::error::Error;
use crate::state::HeadTensor;

/// Kind of the container.
const KIND: &str = "head-shard";

/// Version of the format described at the top of this file.
const VERSION: u32 = 1;

/// Key of the rest of the state in the metadata of the tensors.
const METADATA: &str = "shard";

/// The name of a shard's file.
fn file_name(shard: usize, shards: usize) -> String {
    format!("head-{shard}-of-{shards}")
}

/// Writes a shard to an existing folder as `head-K-of-N`; returns the path. A file of that name is replaced once the new one is
/// complete on disk.
///
/// # Errors
/// [`Error::File`]; [`Error::FileContent`] for a tensor whose number of values contradicts its shape. On error the old file is
/// unchanged.
pub fn save_shard(folder: impl AsRef<Path>, state: &ShardState) -> Result<PathBuf, Error> {
    let path = folder.as_ref().join(file_name(state.shard, state.shards));
    let payload = pack(state).map_err(|reason| Error::FileContent { path: path.clone(), reason })?;
    write_sealed(&path, KIND, VERSION, &payload)?;
    Ok(path)
}

/// Reads a file of [`save_shard`].
///
/// # Errors
/// [`Error::File`] for a file that is missing, no shard, of a later version or damaged; [`Error::FileContent`];
/// [`Error::RenamedFile`].
pub fn load_shard(path: impl AsRef<Path>) -> Result<ShardState, Error> {
    let path = path.as_ref();
    let (_, payload) = read_sealed(path, KIND, VERSION)?;
    let content = |reason| Error::FileContent { path: path.to_path_buf(), reason };
    let state = unpack(&payload).map_err(content)?;
    let (shard, shards) = (state.shard, state.shards);
    if path.file_name().is_none_or(|name| name != file_name(shard, shards).as_str()) {
        return Err(Error::RenamedFile { path: path.to_path_buf(), shard, shards });
    }
    Ok(state)
}

/// Reads all shards in a folder, in order; ignores other files.
///
/// # Errors
/// The errors of [`load_shard`]; [`Error::Folder`], [`Error::NoShardFiles`], [`Error::SeveralHeads`],
/// [`Error::MissingFile`].
pub fn load_shards(folder: impl AsRef<Path>) -> Result<Vec<ShardState>, Error> {
    paths(folder.as_ref())?.iter().map(load_shard).collect()
}

impl<C: Communicator> ShardedHead<C> {
    /// Writes the shard of this rank to an existing folder on its machine; see [`save_shard`]. Not collective: the head is complete
    /// on disk once every rank has returned.
    ///
    /// # Errors
    /// See [`save_shard`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<PathBuf, Error> {
        save_shard(folder, &self.state())
    }

    /// Loads the shard of this rank from a folder with the shards of a head. If there are as many shards as ranks, each rank reads
    /// its own; otherwise each reads all of them and keeps its part. Collective, two gathers.
    ///
    /// Every rank must see all files. If each sees only its own, use [`load_shard`] and [`ShardedHead::from_state`].
    ///
    /// # Errors
    /// The errors of [`load_shards`]; [`Error::ShardFolder`] for files that are not those of one head at one step; those of
    /// [`ShardedHead::from_state`], and [`Error::RankFailed`] if another rank could not read its file.
    pub fn load(communicator: C, folder: impl AsRef<Path>) -> Result<Self, Error> {
        let found = Self::load_part(&communicator, folder.as_ref());
        // the others must learn of a failure, and this rank returns the reason
        let refused = Error::RankFailed { rank: communicator.rank() };
        let agreed = agree(&communicator, found.as_ref().map(|_| ()).map_err(|_| refused), &[]);
        let state = found?;
        agreed?;
        Self::from_state(communicator, state)
    }

    fn load_part(communicator: &C, folder: &Path) -> Result<ShardState, Error> {
        let (rank, size) = (communicator.rank(), communicator.size());
        let missing = Error::MissingShard { shard: rank, shards: size };
        let paths = paths(folder)?;
        if paths.len() == size {
            return paths.get(rank).map_or(Err(missing), load_shard);
        }
        let states = paths.iter().map(load_shard).collect::<Result<Vec<_>, _>>()?;
        let shards = |source| Error::ShardFolder { folder: folder.to_path_buf(), source: Box::new(source) };
        let whole = join_shards(states).map_err(shards)?;
        split_shards(&whole, size)?.into_iter().nth(rank).ok_or(missing)
    }
}

/// The files of the shards in a folder, in order.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Folder { folder: folder.to_path_buf(), source };
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
        [] => Err(Error::NoShardFiles { folder }),
        [shards] => {
            // file names are unique, so the first mismatch is the first missing shard
            let missing = (0..shards).find(|&shard| found.get(shard) != Some(&(shard, shards)));
            match missing {
                Some(shard) => Err(Error::MissingFile { path: folder.join(file_name(shard, shards)) }),
                None => Ok((0..shards).map(|shard| folder.join(file_name(shard, shards))).collect()),
            }
        }
        _ => Err(Error::SeveralHeads { folder, found: heads }),
    }
}

/// The shard and the number of shards in a file's name.
fn numbers(name: &str) -> Option<(usize, usize)> {
    let (shard, shards) = name.strip_prefix("head-")?.split_once("-of-")?;
    let (shard, shards) = (shard.parse().ok()?, shards.parse().ok()?);
    // only the canonical spelling, and only an existing shard
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
        return Err(format!("its metadata does not name the tensor `{name}`"));
    }
    for HeadTensor { name, shape, values } in &mut state.part.tensors {
        let view = file.tensor(name).map_err(|error| format!("tensor `{name}`: {error}"))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (dtype, found) = (view.dtype(), view.shape());
            return Err(format!(
                "tensor `{name}` is {dtype:?} of shape {found:?}, expected F32 of shape {shape:?}"
            ));
        }
        let (bytes, _) = view.data().as_chunks::<4>();
        *values = bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    }
    Ok(state)
}
