//! Devices by name, chosen at run time.

use crate::Error;
use burn::tensor::Device;

/// The names that [`by_name`] takes in this build.
pub fn names() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    if cfg!(feature = "wgpu") {
        names.push("wgpu");
    }
    names
}

/// The device called `name`: `cpu`, or `wgpu` in a build with that feature.
///
/// # Errors
/// [`Error::UnknownDevice`] for any other name, saying which there are and which feature is missing.
pub fn by_name(name: &str) -> Result<Device, Error> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        _ => Err(Error::UnknownDevice {
            name: name.to_owned(),
            reason: if name == "wgpu" {
                "needs a build with `--features wgpu`".to_owned()
            } else {
                "is not known".to_owned()
            },
            known: names().join(", "),
        }),
    }
}
