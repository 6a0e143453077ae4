//! The settings of a run: those it started with, and those in force.
//!
//! The file `settings` of the run folder is what counts. `config.toml` is for readers and for `--config`; a run whose `config.toml` was edited
//! is refused. Only [`Change`] changes the settings of a run: more epochs, and the place of the data.

use crate::Error;
use crate::config::Config;
use crate::record::checksum;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use widemargin_durable::{
    TextState, UNKNOWN_CHECKSUM, read_sealed, seal_text, text_state, write_atomic, write_sealed,
};
use widemargin_embedder::Fingerprint;

/// The file of a run folder with its configuration, for readers.
pub(super) const CONFIGURATION: &str = "config.toml";

/// The file of a run folder with its settings, and the kind of its container.
const SETTINGS: &str = "settings";
const VERSION: u32 = 1;

/// Start of the first line of `config.toml`, before the checksum of the text.
const MARK: &str = "# crc32 ";

/// A change of the settings of a run that resumes. Every other setting stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Train to this many epochs, at least as many as before.
    pub epochs: Option<usize>,
    /// The data is now at this path.
    pub data: Option<PathBuf>,
    /// The labels of a table are now in this file.
    pub labels: Option<PathBuf>,
}

/// The model of a finished run that was extended: it stays until the added epochs are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierModel {
    /// Epochs of its training.
    pub epochs: usize,
    /// Length of its file.
    bytes: usize,
    /// CRC-32 of its file.
    checksum: u32,
}

impl EarlierModel {
    fn is(&self, model: Fingerprint) -> bool {
        (self.bytes, self.checksum) == (model.bytes, model.checksum)
    }
}

/// The content of the file: configurations as TOML.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// As the run started; never changes.
    started: String,
    /// In force.
    config: String,
    /// In force before the last change. `config.toml` may still have it, if the program ended between the two files.
    before: Option<String>,
    /// The epochs of the run as it was planned, then those of each extension.
    epochs: Vec<usize>,
    /// The model in the folder, if it is that of fewer epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<EarlierModel>,
}

impl Stored {
    fn read(path: &Path) -> Result<Self, Error> {
        let (_version, bytes) = read_sealed(path, SETTINGS, VERSION)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::BadFile { path: path.to_owned(), reason: error.to_string() })
    }
}

/// Epochs of the run in `folder` and its model, if the run was extended and `model`, the model in the folder, is still that of fewer epochs.
/// `None` if the folder has no settings.
///
/// # Errors
/// [`Error::Durable`] and [`Error::BadFile`] for damaged settings.
pub fn earlier_model(folder: &Path, model: Fingerprint) -> Result<Option<(usize, EarlierModel)>, Error> {
    let path = folder.join(SETTINGS);
    if !path.exists() {
        return Ok(None);
    }
    let stored = Stored::read(&path)?;
    let earlier = stored.model.filter(|earlier| earlier.is(model));
    Ok(stored.epochs.last().copied().zip(earlier))
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    stored: Stored,
    config: Config,
    /// Whether the files have older settings.
    changed: bool,
}

impl Settings {
    /// The settings of a new run.
    pub(crate) fn new(config: &Config) -> Self {
        let text = config.to_toml();
        let epochs = vec![config.training.epochs];
        let stored = Stored { started: text.clone(), config: text, before: None, epochs, model: None };
        Self { stored, config: config.clone(), changed: true }
    }

    /// Reads the settings of the run in `folder` and compares `config.toml` with them.
    ///
    /// # Errors
    /// [`Error::Durable`] for a file that is missing or damaged; [`Error::SettingsChanged`], which names the keys, if `config.toml` was edited.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(SETTINGS);
        let bad = |reason: String| Error::BadFile { path: path.clone(), reason };
        let stored = Stored::read(&path)?;
        let config = Config::from_toml(&path, &stored.config)?;
        let rising = stored.epochs.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || stored.epochs.last() != Some(&config.training.epochs) {
            return Err(bad(format!(
                "epochs {:?}, expected rising ones up to {}",
                stored.epochs, config.training.epochs
            )));
        }
        let written = configuration(folder)?;
        let mut settings = Self { stored, config, changed: false };
        let differences = written.differences(&settings.config);
        if differences.is_empty() {
            return Ok(settings);
        }
        if let Some(before) = &settings.stored.before
            && written.differences(&Config::from_toml(&path, before)?).is_empty()
        {
            settings.changed = true;
            return Ok(settings);
        }
        Err(Error::SettingsChanged { place: folder.join(CONFIGURATION).display().to_string(), differences })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The epochs of the run as planned, then those of each extension; the last is that of the configuration.
    pub(crate) fn epochs(&self) -> &[usize] {
        &self.stored.epochs
    }

    /// The checksum of the configuration with which the run started.
    pub(crate) fn checksum(&self) -> u32 {
        checksum(self.stored.started.as_bytes())
    }

    /// Checks that `config` is the configuration in force.
    pub(crate) fn require(&self, config: &Config) -> Result<(), Error> {
        let mut differences = config.differences(&self.config);
        // The record of the run decides the use of each sample, wherever the split file is.
        differences.retain(|difference| difference.key != "data.split");
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::SettingsChanged { place: "the configuration".to_owned(), differences })
    }

    /// Epochs of the model in the folder, if they are fewer than those of the run.
    pub(crate) fn earlier_epochs(&self) -> Option<usize> {
        self.stored.model.map(|model| model.epochs)
    }

    /// Notes that the model in the folder is that of all epochs.
    pub(crate) fn model_is_complete(&mut self) {
        self.changed |= self.stored.model.take().is_some();
    }

    /// Changes the settings; [`write`](Self::write) stores them. `model` is the model in the folder, if there is one.
    ///
    /// # Errors
    /// [`Error::BadValue`] for fewer epochs than before.
    pub(crate) fn change(&mut self, change: &Change, model: Option<Fingerprint>) -> Result<(), Error> {
        let mut config = self.config.clone();
        config.training.epochs = change.epochs.unwrap_or(config.training.epochs);
        if let Some(data) = &change.data {
            config.data.path = Some(data.clone());
        }
        if let Some(labels) = &change.labels {
            config.data.labels = Some(labels.clone());
        }
        config.check()?;
        let (found, planned) = (config.training.epochs, self.config.training.epochs);
        if found < planned {
            let message = format!("found {found}, expected at least {planned}, the epochs of the run");
            return Err(Error::BadValue { key: "training.epochs".to_owned(), message });
        }
        if config == self.config {
            return Ok(());
        }
        if found > planned {
            self.stored.epochs.push(found);
            // The model of a run that was extended before and did not end is of the epochs before that.
            let known = self.stored.model.filter(|known| model.is_some_and(|model| known.is(model)));
            let of = |model: Fingerprint| EarlierModel {
                epochs: planned,
                bytes: model.bytes,
                checksum: model.checksum,
            };
            self.stored.model = known.or_else(|| model.map(of));
        }
        self.stored.before = Some(std::mem::replace(&mut self.stored.config, config.to_toml()));
        self.config = config;
        self.changed = true;
        Ok(())
    }

    /// Writes the settings and `config.toml`, if they have changed.
    pub(crate) fn write(&mut self, folder: &Path) -> Result<(), Error> {
        if !self.changed {
            return Ok(());
        }
        let mut text = format!("{MARK}{UNKNOWN_CHECKSUM}\n");
        if let [planned, extended @ ..] = self.stored.epochs.as_slice()
            && !extended.is_empty()
        {
            let extended: Vec<String> = extended.iter().map(ToString::to_string).collect();
            let _ =
                writeln!(text, "# Planned for {planned} epochs, extended to {}.", extended.join(", then "));
        }
        text.push_str(&self.stored.config);
        let text = seal_text(&text);
        let bytes = serde_json::to_vec_pretty(&self.stored).expect("plain data always has a JSON form");
        let configuration = || write_atomic(folder.join(CONFIGURATION), text.as_bytes());
        // A new run can be started again from `config.toml` alone, so that comes first. In a run that is extended the settings come first:
        // they accept the configuration from before, which the next start brings up to date.
        if folder.join(SETTINGS).exists() {
            write_sealed(folder.join(SETTINGS), SETTINGS, VERSION, &bytes)?;
            configuration()?;
        } else {
            configuration()?;
            write_sealed(folder.join(SETTINGS), SETTINGS, VERSION, &bytes)?;
        }
        self.changed = false;
        Ok(())
    }
}

/// Whether `text` is a `config.toml` of a run that was changed after the run wrote it, by an editor or by damage.
pub fn is_changed(text: &str) -> bool {
    let changed = |text: &str| text_state(text) == TextState::Changed;
    // Other line ends, which some editors write, change nothing.
    text.starts_with(MARK) && changed(text) && changed(&text.replace("\r\n", "\n"))
}

/// The configuration in `config.toml` of the run in `folder`. [`RunFolder::resume`](super::RunFolder::resume) also checks that it was not edited.
///
/// # Errors
/// [`Error::BadFile`] if it cannot be read, and those of [`Config::from_toml`].
pub fn configuration(folder: &Path) -> Result<Config, Error> {
    let path = folder.join(CONFIGURATION);
    let text = widemargin_durable::read_text(&path).map_err(|error| Error::BadFile {
        path: path.clone(),
        reason: format!("cannot be read: {error}; is this a run folder?"),
    })?;
    Config::from_toml(&path, &text)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests edit files on purpose")]
mod tests {
    use super::*;

    fn written(folder: &Path) -> Settings {
        let mut settings = Settings::new(&Config::default());
        settings.write(folder).expect("written");
        settings
    }

    #[test]
    fn settings_read_back_and_only_epochs_and_the_place_of_the_data_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let started = written(folder.path());
        let mut settings = Settings::read(folder.path()).expect("its own");
        assert_eq!((settings.config(), settings.epochs()), (&Config::default(), &[3][..]));
        let change = Change { epochs: Some(5), data: Some("moved".into()), labels: None };
        settings.change(&change, None).expect("allowed");
        settings.write(folder.path()).expect("written");
        settings.change(&Change { epochs: Some(9), ..Change::default() }, None).expect("allowed");
        settings.write(folder.path()).expect("written");
        let again = Settings::read(folder.path()).expect("its own");
        assert_eq!(again.epochs(), [3, 5, 9]);
        assert_eq!(again.config().data.path.as_deref(), Some(Path::new("moved")));
        assert_eq!(again.checksum(), started.checksum(), "of the start");
        let text = std::fs::read_to_string(folder.path().join(CONFIGURATION)).expect("there");
        assert!(text.contains("\n# Planned for 3 epochs, extended to 5, then 9.\n"), "{text}");
        assert!(!is_changed(&text) && !is_changed(&text.replace('\n', "\r\n")));
        assert!(is_changed(&text.replace("seed = 1\n", "seed = 3\n")), "{text}");
        let error = settings
            .change(&Change { epochs: Some(8), ..Change::default() }, None)
            .expect_err("fewer")
            .to_string();
        assert!(error.contains("training.epochs: found 8, expected at least 9"), "{error}");
        let expected = Config { data: again.config().data.clone(), ..Config::default() };
        assert_eq!(again.config().differences(&expected).len(), 1, "nothing but the epochs");
    }

    #[test]
    fn a_model_of_fewer_epochs_is_known_until_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = written(folder.path());
        let [model, other] = [7, 8].map(|checksum| Fingerprint { bytes: 100, checksum });
        let earlier = |model| {
            let found = earlier_model(folder.path(), model).expect("readable");
            found.map(|(epochs, earlier)| (epochs, earlier.epochs))
        };
        assert_eq!(earlier(model), None);
        // Extended twice before the added epochs were done.
        for epochs in [5, 9] {
            settings
                .change(&Change { epochs: Some(epochs), ..Change::default() }, Some(model))
                .expect("allowed");
            settings.write(folder.path()).expect("written");
            assert_eq!((earlier(model), earlier(other)), (Some((epochs, 3)), None));
        }
        settings.model_is_complete();
        settings.write(folder.path()).expect("written");
        assert_eq!(earlier(model), None, "also if training has changed nothing");
        settings.change(&Change { epochs: Some(10), ..Change::default() }, Some(other)).expect("allowed");
        settings.write(folder.path()).expect("written");
        assert_eq!(earlier(other), Some((10, 9)));
        assert_eq!(earlier_model(&folder.path().join("none"), model).expect("no settings"), None);
    }

    #[test]
    fn an_edited_configuration_is_refused_by_key() {
        let folder = tempfile::tempdir().expect("a folder");
        written(folder.path());
        let path = folder.path().join(CONFIGURATION);
        let text = std::fs::read_to_string(&path).expect("there");
        std::fs::write(&path, text.replace("seed = 1\n", "seed = 2\n").replace("batch = 128", "batch = 64"))
            .expect("edited");
        let error = Settings::read(folder.path()).expect_err("edited").to_string();
        for part in
            ["config.toml", "sampler.batch: found 64, expected 128", "training.seed: found 2, expected 1"]
        {
            assert!(error.contains(part), "{error}");
        }
        std::fs::write(&path, format!("# a remark\n{text}")).expect("edited");
        Settings::read(folder.path()).expect("a comment changes nothing");
    }

    #[test]
    fn a_change_that_reached_one_of_the_two_files_is_completed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = written(folder.path());
        let path = folder.path().join(CONFIGURATION);
        let old = std::fs::read(&path).expect("there");
        settings.change(&Change { epochs: Some(5), ..Change::default() }, None).expect("allowed");
        settings.write(folder.path()).expect("written");
        let new = std::fs::read(&path).expect("there");
        std::fs::write(&path, old).expect("as if the program had ended in between");
        let mut settings = Settings::read(folder.path()).expect("completed");
        assert_eq!(settings.epochs(), [3, 5]);
        settings.write(folder.path()).expect("written");
        assert!(std::fs::read(&path).expect("there") == new);
    }
}
