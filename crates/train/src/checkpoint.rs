//! Checkpoints: folders that are written atomically.
//!
//! `checkpoints/step-0000001234/` holds one sealed file per part of the state (model, head, optimiser, progress, and in a run that averages its
//! weights, average). A folder
//! appears by one rename after every file in it was written and synced, so a process that dies at any moment leaves either the
//! old or the new set of checkpoints. Every file has a version and a checksum. A damaged checkpoint is skipped in favour of the
//! one before it, with a warning, and does not count among those kept. A checkpoint of a later release is not damaged: it is an
//! error that says so.

use crate::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use widemargin_durable::{
    Error as DurableError, FolderWriter, create_folders, read_sealed, remove_stale_scratch, seal,
};

/// Kind of every file of a checkpoint.
const KIND: &str = "checkpoint";
/// The version this program writes, and the newest it reads.
const VERSION: u32 = 1;
/// The parts of a checkpoint.
const PARTS: [&str; 4] = ["model", "head", "optimiser", "progress"];
/// The part of a run that averages its weights.
pub(crate) const AVERAGE: &str = "average";

/// The parts of a checkpoint by name, as bytes.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// A checkpoint that was read without errors.
#[derive(Debug)]
pub struct LoadedCheckpoint {
    /// Steps done.
    pub step: u64,
    /// Its folder.
    pub folder: PathBuf,
    /// Its parts.
    pub parts: Parts,
    /// Newer checkpoints that were skipped, each with the reason.
    pub warnings: Vec<String>,
}

fn folder_of(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

fn folder_of_step(run: &Path, step: u64) -> PathBuf {
    folder_of(run).join(format!("step-{step:010}"))
}

/// Saves a checkpoint of `step` in the run folder `run`. An intact checkpoint of the same step is kept, a damaged one is replaced.
///
/// # Errors
/// The errors of writing; [`DurableError::NewerVersion`] if a later release wrote a checkpoint of that step. On error the older
/// checkpoints are unchanged.
pub fn save(run: &Path, step: u64, parts: &Parts) -> Result<PathBuf, Error> {
    let folder = folder_of(run);
    create_folders(&folder)?;
    let target = folder_of_step(run, step);
    if target.exists() {
        match load(&target) {
            Ok(_) => return Ok(target),
            Err(Error::Durable(error @ DurableError::NewerVersion { .. })) => return Err(error.into()),
            Err(_) => std::fs::remove_dir_all(&target).map_err(|error| Error::BadFile {
                path: target.clone(),
                reason: format!("cannot be replaced: {error}"),
            })?,
        }
    }
    let write = || {
        let writer = FolderWriter::create(&target)?;
        for (name, bytes) in parts {
            writer.write(name, &seal(KIND, VERSION, bytes))?;
        }
        writer.commit()
    };
    match write() {
        // The lock of the run folder excludes this, except on file systems without locks.
        Err(DurableError::Exists { .. }) => Err(Error::RunInUse(run.to_owned())),
        written => Ok(written.map(|()| target)?),
    }
}

/// The steps and folders of all checkpoints of a run, intact or not, oldest first.
fn steps(run: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let folder = folder_of(run);
    let unreadable = |error: std::io::Error| Error::BadFile {
        path: folder.clone(),
        reason: format!("cannot be listed: {error}"),
    };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix("step-")?.parse().ok());
        found.extend(step.map(|step| (step, entry.path())));
    }
    found.sort();
    Ok(found)
}

fn load(folder: &Path) -> Result<Parts, Error> {
    let mut parts = Parts::new();
    for name in PARTS {
        let (_version, bytes) = read_sealed(folder.join(name), KIND, VERSION)?;
        parts.insert(name.to_owned(), bytes);
    }
    if folder.join(AVERAGE).exists() {
        let (_version, bytes) = read_sealed(folder.join(AVERAGE), KIND, VERSION)?;
        parts.insert(AVERAGE.to_owned(), bytes);
    }
    Ok(parts)
}

/// The error with its chain of causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", with_causes(source)))
}

/// Whether a run has a checkpoint, intact or not.
///
/// # Errors
/// [`Error::BadFile`] if the folder of the checkpoints cannot be listed.
pub fn exists(run: &Path) -> Result<bool, Error> {
    Ok(!steps(run)?.is_empty())
}

/// Loads the newest intact checkpoint of a run.
///
/// # Errors
/// [`Error::NoCheckpoint`] if there is none, with the reason why each was rejected; [`Error::Durable`] with
/// [`DurableError::NewerVersion`] if a later release wrote the newest readable one, because resuming from an older one would
/// silently discard its steps.
pub fn newest(run: &Path) -> Result<LoadedCheckpoint, Error> {
    let mut warnings = Vec::new();
    for (step, folder) in steps(run)?.into_iter().rev() {
        match load(&folder) {
            Ok(parts) => return Ok(LoadedCheckpoint { step, folder, parts, warnings }),
            Err(Error::Durable(error @ DurableError::NewerVersion { .. })) => return Err(error.into()),
            Err(error) => warnings.push(with_causes(&error)),
        }
    }
    let reason = if warnings.is_empty() { "there is none".to_owned() } else { warnings.join("; ") };
    Err(Error::NoCheckpoint { folder: folder_of(run), reason })
}

/// Loads the checkpoint of `step` of a run.
///
/// # Errors
/// The errors of reading its files; a checkpoint that is missing is one of them.
pub fn at(run: &Path, step: u64) -> Result<LoadedCheckpoint, Error> {
    let folder = folder_of_step(run, step);
    let parts = load(&folder)?;
    Ok(LoadedCheckpoint { step, folder, parts, warnings: Vec::new() })
}

/// Removes all checkpoints older than the newest `keep` (at least 1) *intact* ones, except that of the step `kept`, and unfinished checkpoints of
/// killed processes.
///
/// Each checkpoint that is kept is read to verify that it is intact: a damaged one with a high step, which [`newest`] skips, must
/// not displace the intact one from which the run resumed.
///
/// # Errors
/// If the folder cannot be listed or an old checkpoint cannot be removed.
pub fn prune(run: &Path, keep: usize, kept: Option<u64>) -> Result<(), Error> {
    remove_stale_scratch(folder_of(run))?;
    let mut intact = 0;
    for (step, folder) in steps(run)?.into_iter().rev() {
        if intact < keep.max(1) {
            intact += usize::from(load(&folder).is_ok());
            continue;
        }
        if kept == Some(step) {
            continue;
        }
        std::fs::remove_dir_all(&folder).map_err(|error| Error::BadFile {
            path: folder,
            reason: format!("cannot be removed: {error}"),
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests damage files on purpose")]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// Large enough that a save takes a while, so that kills fall into it.
    const PART_BYTES: usize = 1 << 16;

    fn parts(fill: u8) -> Parts {
        PARTS.iter().map(|name| ((*name).to_owned(), vec![fill; PART_BYTES])).collect()
    }

    fn steps_of(run: &Path) -> Vec<u64> {
        steps(run).expect("a list").into_iter().map(|(step, _)| step).collect()
    }

    fn flip_one_bit(file: &Path) {
        let mut bytes = std::fs::read(file).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).expect("flipped one bit");
    }

    #[test]
    fn the_newest_intact_checkpoint_is_loaded_and_damage_is_reported() {
        let run = tempfile::tempdir().expect("a folder");
        assert!(matches!(newest(run.path()), Err(Error::NoCheckpoint { .. })));
        for step in [5, 10, 15] {
            save(run.path(), step, &parts(step as u8)).expect("saved");
        }
        let found = newest(run.path()).expect("whole");
        assert_eq!((found.step, found.parts["head"][0]), (15, 15));
        flip_one_bit(&found.folder.join("optimiser"));
        let found = newest(run.path()).expect("the one before");
        assert_eq!(found.step, 10);
        assert!(found.warnings[0].contains("optimiser"), "{:?}", found.warnings);
        save(run.path(), 15, &parts(15)).expect("a damaged one is replaced");
        assert_eq!(newest(run.path()).expect("whole").step, 15);
        prune(run.path(), 2, None).expect("pruned");
        assert_eq!(steps_of(run.path()), [10, 15]);
    }

    #[test]
    fn a_missing_part_is_damage_and_all_damaged_is_an_error_that_names_each() {
        let run = tempfile::tempdir().expect("a folder");
        let first = save(run.path(), 1, &parts(1)).expect("saved");
        let second = save(run.path(), 2, &parts(2)).expect("saved");
        std::fs::remove_file(second.join("head")).expect("removed");
        assert_eq!(newest(run.path()).expect("the one before").step, 1);
        std::fs::write(first.join("progress"), b"").expect("emptied");
        let error = newest(run.path()).expect_err("none is whole");
        let text = error.to_string();
        assert!(matches!(error, Error::NoCheckpoint { .. }));
        assert!(text.contains("step-0000000002/head") && text.contains("step-0000000001/progress"), "{text}");
        assert!(text.contains("No such file"), "the reason of the operating system: {text}");
    }

    #[test]
    fn a_damaged_checkpoint_never_displaces_an_intact_one() {
        let run = tempfile::tempdir().expect("a folder");
        for step in [5, 10, 15] {
            save(run.path(), step, &parts(step as u8)).expect("saved");
        }
        for step in ["step-0000000015", "step-0000000010"] {
            flip_one_bit(&folder_of(run.path()).join(step).join("model"));
        }
        // resumed after step 5, stopped at 7
        save(run.path(), 7, &parts(7)).expect("saved");
        prune(run.path(), 1, None).expect("pruned");
        assert_eq!(newest(run.path()).expect("the good one").step, 7);
        assert_eq!(steps_of(run.path()), [7, 10, 15], "older than the one kept: removed");
        save(run.path(), 20, &parts(20)).expect("saved");
        prune(run.path(), 1, None).expect("pruned");
        assert_eq!(steps_of(run.path()), [20]);
        for step in [25, 30, 35] {
            save(run.path(), step, &parts(step as u8)).expect("saved");
        }
        prune(run.path(), 2, Some(25)).expect("pruned");
        assert_eq!(steps_of(run.path()), [25, 30, 35], "the one that is kept");
        assert_eq!(at(run.path(), 25).expect("intact").parts["head"][0], 25);
        assert!(at(run.path(), 20).is_err());
    }

    #[test]
    fn a_checkpoint_of_a_later_release_is_an_error_and_not_skipped() {
        let run = tempfile::tempdir().expect("a folder");
        save(run.path(), 1, &parts(1)).expect("saved");
        let folder = save(run.path(), 2, &parts(2)).expect("saved");
        std::fs::write(folder.join("model"), seal(KIND, VERSION + 1, b"later")).expect("written");
        let error = newest(run.path()).expect_err("a later version");
        assert!(matches!(error, Error::Durable(DurableError::NewerVersion { .. })), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("model") && text.contains("version 2") && text.contains("newer release"),
            "{text}"
        );
        prune(run.path(), 1, None).expect("pruned");
        assert_eq!(steps_of(run.path()), [1, 2], "nor does it make room for itself");
    }

    /// Passes the run folder to [`child_that_saves_until_killed`].
    const RUN_OF_CHILD: &str = "WIDEMARGIN_TEST_RUN_OF_CHILD";

    /// The child of [`killed_at_any_moment_one_checkpoint_loads`]; on its own it does nothing.
    #[test]
    fn child_that_saves_until_killed() {
        let Some(run) = std::env::var_os(RUN_OF_CHILD) else { return };
        let run = Path::new(&run);
        let first = newest(run).expect("the parent saved one").step + 1;
        // finite, in case the parent is gone
        for step in first..first + 2_000 {
            save(run, step, &parts(step as u8)).expect("saved");
            prune(run, 2, None).expect("pruned");
        }
    }

    /// Kills its process when dropped, also if the test fails.
    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Number of half-written checkpoints.
    fn unfinished(run: &Path) -> usize {
        let entries = std::fs::read_dir(folder_of(run)).expect("a list");
        let names = entries.flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with('.')).count()
    }

    /// Half of the kills fall into a save, at growing distances from its start; the others fall after one, while old checkpoints are
    /// removed or the next save starts.
    #[test]
    fn killed_at_any_moment_one_checkpoint_loads() {
        let run = tempfile::tempdir().expect("a folder");
        save(run.path(), 0, &parts(0)).expect("saved");
        let last = || steps_of(run.path()).pop().expect("one is always there");
        let mut half_written = 0;
        for round in 0..20u64 {
            let before = last();
            let child = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "checkpoint::tests::child_that_saves_until_killed"])
                .env(RUN_OF_CHILD, run.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the child starts");
            let child = Killed(child);
            let started = Instant::now();
            let in_a_save = round % 2 == 0;
            while if in_a_save { unfinished(run.path()) == 0 } else { last() == before } {
                assert!(started.elapsed() < Duration::from_mins(1), "the child never saved");
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(Duration::from_micros(if in_a_save { round * 400 } else { round * 2_000 }));
            let seen = last();
            drop(child);

            let found = newest(run.path()).expect("old or new, never neither");
            assert!(found.step >= seen, "step {seen} was there, now {} is the newest", found.step);
            assert!(found.warnings.is_empty(), "no half checkpoint has a name: {:?}", found.warnings);
            let whole = found.parts.values().all(|bytes| *bytes == vec![found.step as u8; PART_BYTES]);
            assert!(whole, "the parts of one checkpoint");
            half_written += unfinished(run.path());
            prune(run.path(), 2, None).expect("pruned");
            assert_eq!(unfinished(run.path()), 0, "what the killed one left is gone");
            assert_eq!(newest(run.path()).expect("still there").step, found.step);
        }
        assert!(half_written > 0, "no kill of 20 fell into a save");
    }
}
