//! The record of a run's data, made of the prepared data and read back.

use crate::Error;
use crate::config::Config;
use crate::fine_tuning;
use crate::prepare::{Prepared, SPLIT_FILE, open};
use crate::record::Record;
use std::path::Path;
use widemargin_data::{Labelled, SplitFile};

impl Record {
    /// The record of a prepared set.
    pub fn of(prepared: &Prepared) -> Self {
        let set = &prepared.set;
        Self {
            data: set.name().to_owned(),
            class_names: set.class_names().to_vec(),
            split: prepared.split.clone(),
            unseen_drawn: prepared.unseen_drawn,
            warnings: prepared.warnings.clone(),
            normalisation: prepared.normalisation.clone(),
            shape: set.shape(),
            columns: set.columns().map(<[String]>::to_vec),
            counts: prepared.training_counts(),
            names: (0..set.len()).map(|sample| set.sample_id(sample)).collect(),
            labels: set.labels().to_vec(),
            parts: prepared.parts.clone(),
            digests: (0..set.len()).map(|sample| set.digest(sample)).collect(),
            own_parts: Some((0..set.len()).map(|sample| set.part(sample)).collect()),
            trained_before: prepared.trained_before.clone(),
        }
    }

    /// Checks that `prepared` is the same data with the same split and normalisation.
    ///
    /// # Errors
    /// [`Error::DataChanged`], which names the changes.
    pub fn require_same(&self, prepared: &Prepared) -> Result<(), Error> {
        self.require_same_samples(&prepared.set)?;
        let what = if let Err(reason) = self.require_same_parts(&prepared.parts) {
            reason
        } else if self.split != prepared.split {
            "other classes are unseen".to_owned()
        } else if self.counts != prepared.training_counts() {
            "other samples are trained on".to_owned()
        } else if self.normalisation != prepared.normalisation {
            "the normalisation is another".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::DataChanged { data: prepared.set.name().to_owned(), changes: what })
    }
}

impl Prepared {
    /// Writes the split and the [`Record`] of this data into `folder`; returns the checksum of the record.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write_record(&self, folder: &Path) -> Result<u32, Error> {
        self.split_file().write(folder.join(SPLIT_FILE))?;
        Record::of(self).write(folder)
    }

    /// Opens the data of `config` again, with the split and normalisation that [`write_record`](Self::write_record) wrote into `folder`.
    ///
    /// # Errors
    /// [`Error::DataChanged`] if the data or the file of the split has changed since, by name; those of reading.
    pub fn of_record(config: &Config, folder: &Path) -> Result<Self, Error> {
        let (record, _) = Record::read(folder)?;
        let preprocessing = fine_tuning::preprocessing_of_run(config)?;
        let set = open(&config.data, preprocessing, record.columns()).map_err(changed_folders)?;
        record.require_same_samples(&set)?;
        let path = folder.join(SPLIT_FILE);
        let parts = SplitFile::read(&path)?.parts_of(&set, &path)?;
        record.require_same_parts(&parts).map_err(|reason| Error::BadFile { path, reason })?;
        let normalisation = Some(record.normalisation().clone());
        let mut prepared = Self::of_division(set, config, record.division(), normalisation)?;
        record.require_same(&prepared)?;
        record.warnings().clone_into(&mut prepared.warnings);
        record.trained_before.clone_into(&mut prepared.trained_before);
        if let Some(classes) = &mut prepared.classes {
            record.data.clone_into(&mut classes.data);
        }
        Ok(prepared)
    }
}

/// Errors of data that a run has read before. Their advice is to choose another setting, which a run that resumes cannot do.
fn changed_folders(error: Error) -> Error {
    use widemargin_data::Error as Data;
    let (path, changes) = match error {
        Error::Data(Data::MixedFolders { path, parts, others, .. }) => (
            path,
            format!("it now has folders that are named like parts ({parts}) next to others ({others})"),
        ),
        Error::Data(Data::UnclearParts { path, found, .. }) => (path, format!("now {found}")),
        Error::Data(Data::PartInOneFolder { path, part, folder, .. }) => {
            (path, format!("now all images of the part `{part}` are in the folder `{folder}`"))
        }
        Error::Data(Data::NoPartFolders { path }) => (path, "it has no part folders any more".to_owned()),
        Error::Data(Data::TooManyBad { path, bad, files, first, .. }) => {
            (path, format!("{bad} of {files} images cannot be used: {first}"))
        }
        other => return other,
    };
    Error::DataChanged { data: path.display().to_string(), changes }
}
