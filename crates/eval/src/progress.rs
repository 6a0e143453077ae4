//! Reports of progress.

/// Called with the work done so far and the work in all (queries or pairs). Called from any thread.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);
