//! The error type of the crate.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No backbone has this name.
    #[error("unknown backbone '{name}'; expected one of {known}")]
    UnknownBackbone {
        /// The given name.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// A setting of a backbone is out of range.
    #[error("backbone {backbone}: {what} is {found}, expected {expected}")]
    BadConfiguration {
        /// The backbone's name.
        backbone: &'static str,
        /// The setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// The expected range.
        expected: String,
    },
    /// A stored parameter does not fit the module.
    #[error("parameter '{name}': found {found}, expected {expected}")]
    BadParameter {
        /// Name of the parameter.
        name: String,
        /// The stored parameter.
        found: String,
        /// What the module needs.
        expected: String,
    },
    /// A weights file cannot be read or does not fit the backbone.
    #[error("{}: {reason}", path.display())]
    BadWeights {
        /// The file.
        path: std::path::PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// The device does not exist in this build.
    #[error("device '{name}' {reason}; available devices: {known}")]
    UnknownDevice {
        /// The name that was given.
        name: String,
        /// Why it cannot be used.
        reason: String,
        /// The available devices, separated by commas.
        known: String,
    },
    /// The device `wgpu` has no adapter, or its adapter cannot be used.
    #[error(
        "device 'wgpu': no adapter of Vulkan, Metal or DX12 could be started ({reason}); install the driver of the graphics card (on \
         Debian, mesa-vulkan-drivers, which also has a software adapter), or use the device cpu"
    )]
    NoAdapter {
        /// What the graphics APIs reported.
        reason: String,
    },
    /// Mixed precision was requested on a device that computes in `f32` only.
    #[error("device '{name}' does not support half precision; use precision = \"full\"")]
    NoHalfPrecision {
        /// The device's name.
        name: String,
    },
    /// The objective rejected its settings or a batch.
    #[error(transparent)]
    Objective(#[from] widemargin_objective::Error),
    /// The head rejected a batch.
    #[error(transparent)]
    Head(#[from] widemargin_head::Error),
}
