//! How classes are divided among shards.

use std::ops::Range;

use crate::config::{HeadConfig, HeadMode};
use crate::error::{Error, within};

/// The classes of a shard: contiguous, in the order of the shards, and equally many up to one.
pub(super) fn classes_of(shard: usize, shards: usize, classes: usize) -> Range<usize> {
    let (least, more) = (classes / shards, classes % shards);
    let first = shard * least + shard.min(more);
    first..first + least + usize::from(shard < more)
}

/// Checks that every shard has a class.
pub(super) fn check_shards(shards: usize, classes: usize) -> Result<(), Error> {
    let most = 1.0..=classes as f64;
    within(most, "number of shards", shards as f64, "from 1 to the number of classes")
}

/// The configuration of a sharded head: dense.
pub(super) fn dense(config: HeadConfig) -> Result<HeadConfig, Error> {
    match config.mode {
        HeadMode::Sampled { rate } if rate < 1.0 => Err(Error::NotShardable { mode: "sampled" }),
        HeadMode::Screened { threshold } if threshold != Some(0.0) => {
            Err(Error::NotShardable { mode: "screened" })
        }
        _ => Ok(HeadConfig { mode: HeadMode::Dense, ..config }),
    }
}
