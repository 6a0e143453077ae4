//! Checkpoints: folders that are there whole or not at all.
//!
//! `checkpoints/step-0000001234/` holds one sealed file for each part of the state (model, head, optimiser, progress). A folder appears
//! by one rename after every file in it has been written and synced, so whenever the process dies, what a reader finds is the
//! old set of checkpoints or the new one. Every file carries version and checksum; a damaged checkpoint is passed over for
//! the one before it, with a warning.

use crate::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use widemargin_durable::{FolderWriter, create_folders, read_sealed, remove_stale_scratch, seal};

/// Kind written into every file of a checkpoint.
const KIND: &str = "checkpoint";
/// Newest version of the files that this program reads and the one it writes.
const VERSION: u32 = 1;
/// The parts of a checkpoint.
const PARTS: [&str; 4] = ["model", "head", "optimiser", "progress"];

/// The parts of a checkpoint by name, as bytes.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// A checkpoint that was read and found whole.
#[derive(Debug)]
pub struct LoadedCheckpoint {
    /// Steps done.
    pub step: u64,
    /// Where it lies.
    pub folder: PathBuf,
    /// Its parts.
    pub parts: Parts,
    /// Newer checkpoints that were passed over, each with the reason.
    pub warnings: Vec<String>,
}

fn folder_of(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// Saves a checkpoint of `step` below the run folder `run`; one of the same step that is there already stays.
///
/// # Errors
/// Those of writing; nothing is then left but the older checkpoints.
pub fn save(run: &Path, step: u64, parts: &Parts) -> Result<PathBuf, Error> {
    let folder = folder_of(run);
    create_folders(&folder)?;
    let target = folder.join(format!("step-{step:010}"));
    if target.exists() && load(&target).is_ok() {
        return Ok(target);
    }
    if target.exists() {
        // Damaged, or it would have loaded: make room for the good one.
        std::fs::remove_dir_all(&target)
            .map_err(|error| Error::BadFile { path: target.clone(), reason: format!("cannot be replaced: {error}") })?;
    }
    let writer = FolderWriter::create(&target)?;
    for (name, bytes) in parts {
        writer.write(name, &seal(KIND, VERSION, bytes))?;
    }
    writer.commit()?;
    Ok(target)
}

/// The steps of all checkpoints below `run`, oldest first, whole or not.
fn steps(run: &Path) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(folder_of(run)).into_iter().flatten().flatten();
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let step = name.to_str()?.strip_prefix("step-")?.parse().ok()?;
            Some((step, entry.path()))
        })
        .collect();
    found.sort();
    found
}

fn load(folder: &Path) -> Result<Parts, Error> {
    let mut parts = Parts::new();
    for name in PARTS {
        let (_version, bytes) = read_sealed(folder.join(name), KIND, VERSION)?;
        parts.insert(name.to_owned(), bytes);
    }
    Ok(parts)
}

/// The newest checkpoint below `run` that is whole.
///
/// # Errors
/// [`Error::NoCheckpoint`] if there is none, with the reason why each was refused.
pub fn newest(run: &Path) -> Result<LoadedCheckpoint, Error> {
    let mut warnings = Vec::new();
    for (step, folder) in steps(run).into_iter().rev() {
        match load(&folder) {
            Ok(parts) => return Ok(LoadedCheckpoint { step, folder, parts, warnings }),
            Err(error) => warnings.push(error.to_string()),
        }
    }
    let reason = if warnings.is_empty() { "there is none".to_owned() } else { warnings.join("; ") };
    Err(Error::NoCheckpoint { folder: folder_of(run), reason })
}

/// Removes all but the newest `keep` checkpoints and what killed processes left of unfinished ones.
///
/// # Errors
/// If a folder cannot be removed.
pub fn prune(run: &Path, keep: usize) -> Result<(), Error> {
    remove_stale_scratch(folder_of(run))?;
    let found = steps(run);
    for (_, folder) in found.iter().rev().skip(keep.max(1)) {
        std::fs::remove_dir_all(folder)
            .map_err(|error| Error::BadFile { path: folder.clone(), reason: format!("cannot be removed: {error}") })?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests damage files on purpose")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parts(fill: u8) -> Parts {
        PARTS.iter().map(|name| ((*name).to_owned(), vec![fill; 5000])).collect()
    }

    #[test]
    fn the_newest_whole_one_is_loaded_and_damage_is_told() {
        let run = tempfile::tempdir().expect("a folder");
        assert!(matches!(newest(run.path()), Err(Error::NoCheckpoint { .. })));
        for step in [5, 10, 15] {
            save(run.path(), step, &parts(step as u8)).expect("saved");
        }
        let found = newest(run.path()).expect("whole");
        assert_eq!((found.step, found.parts["head"][0]), (15, 15));
        let file = found.folder.join("optimiser");
        let mut bytes = std::fs::read(&file).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).expect("flipped one bit");
        let found = newest(run.path()).expect("the one before");
        assert_eq!(found.step, 10);
        assert!(found.warnings[0].contains("optimiser"), "{:?}", found.warnings);
        save(run.path(), 15, &parts(15)).expect("a damaged one is replaced");
        assert_eq!(newest(run.path()).expect("whole").step, 15);
        prune(run.path(), 2).expect("pruned");
        assert_eq!(steps(run.path()).iter().map(|s| s.0).collect::<Vec<_>>(), [10, 15]);
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let run = tempfile::tempdir().expect("a folder");
        let folder = save(run.path(), 1, &parts(1)).expect("saved");
        std::fs::write(folder.join("model"), seal(KIND, VERSION + 1, b"later")).expect("written");
        let error = newest(run.path()).expect_err("a later version").to_string();
        assert!(error.contains("model") && error.contains('2'), "{error}");
    }

    /// The child of [`killed_at_any_moment_one_checkpoint_loads`]: saves until it is killed.
    #[test]
    fn child_that_saves_for_ever() {
        let Some(run) = std::env::var_os("WIDEMARGIN_TEST_SAVE_FOR_EVER") else { return };
        for step in 1.. {
            save(Path::new(&run), step, &parts(step as u8)).expect("saved");
            prune(Path::new(&run), 2).expect("pruned");
        }
    }

    #[test]
    fn killed_at_any_moment_one_checkpoint_loads() {
        let run = tempfile::tempdir().expect("a folder");
        save(run.path(), 0, &parts(0)).expect("saved");
        let mut last = 0;
        for round in 0..20u64 {
            let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "checkpoint::tests::child_that_saves_for_ever", "--nocapture"])
                .env("WIDEMARGIN_TEST_SAVE_FOR_EVER", run.path())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("the child starts");
            // Moments spread over several saves of a few milliseconds each.
            std::thread::sleep(Duration::from_millis(15 + round * 7 % 60));
            child.kill().expect("SIGKILL");
            child.wait().expect("gone");
            let found = newest(run.path()).expect("old or new, never neither");
            assert!(found.parts.values().all(|bytes| *bytes == vec![found.step as u8; 5000]), "one checkpoint's parts");
            last = last.max(found.step);
            std::fs::remove_dir_all(folder_of(run.path())).expect("start over");
            save(run.path(), 0, &parts(0)).expect("saved");
        }
        assert!(last > 0, "the child did save");
    }
}
