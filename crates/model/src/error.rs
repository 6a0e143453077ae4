//! What can go wrong with a model.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No backbone has this name.
    #[error("there is no backbone '{name}'; known are {known}")]
    UnknownBackbone {
        /// The name that was given.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// A backbone cannot be built as configured.
    #[error("backbone {backbone}: {what} is {found}, expected {expected}")]
    BadConfiguration {
        /// The backbone's name.
        backbone: &'static str,
        /// The setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A stored parameter does not fit this backbone.
    #[error("parameter '{name}': found {found}, expected {expected}")]
    BadParameter {
        /// Name of the parameter.
        name: String,
        /// What the file has.
        found: String,
        /// What the backbone needs.
        expected: String,
    },
    /// A file of weights that cannot be read or does not fit the backbone.
    #[error("{}: {reason}", path.display())]
    BadWeights {
        /// The file.
        path: std::path::PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// The named device is not there.
    #[error("device '{name}' {reason}; this program can use: {known}")]
    UnknownDevice {
        /// The name that was given.
        name: String,
        /// Why it cannot be used.
        reason: String,
        /// What can be used.
        known: String,
    },
    /// Mixed precision was asked of a device that computes in `f32` only.
    #[error("device '{name}' has no fast arithmetic of half precision; expected precision = \"full\" there")]
    NoHalfPrecision {
        /// The device's name.
        name: String,
    },
    /// The objective.
    #[error(transparent)]
    Objective(#[from] widemargin_objective::Error),
    /// The class centres.
    #[error(transparent)]
    Head(#[from] widemargin_head::Error),
}
