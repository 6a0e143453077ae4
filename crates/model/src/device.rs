//! Devices by name, chosen at run time.

use crate::Error;
use burn::tensor::{Device, FloatDType};

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

/// The type that mixed precision computes in on the device called `name`: `f16` or, failing that, `bf16`.
///
/// # Errors
/// [`Error::NoHalfPrecision`] where the device has no arithmetic of half precision. The CPU counts as having none: its kernels
/// are `f32`, and what Burn does in `f16` there converts every number and is many times slower.
pub fn half_precision(name: &str, device: &Device) -> Result<FloatDType, Error> {
    let found = [FloatDType::F16, FloatDType::BF16].into_iter().find(|dtype| device.supports_dtype(*dtype));
    match found {
        Some(dtype) if name != "cpu" => Ok(dtype),
        _ => Err(Error::NoHalfPrecision { name: name.to_owned() }),
    }
}
