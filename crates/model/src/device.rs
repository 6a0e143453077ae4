//! Devices by name.

#[cfg(feature = "wgpu")]
mod wgpu;

use crate::Error;
use burn::tensor::{Device, FloatDType};

/// The names that [`by_name`] accepts in this build.
pub fn names() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    if cfg!(feature = "wgpu") {
        names.push("wgpu");
    }
    names
}

/// The device `name`: `cpu`, or `wgpu` in a build with that feature.
///
/// # Errors
/// [`Error::UnknownDevice`] for any other name; it lists the known names and the missing feature. [`Error::NoAdapter`] if `wgpu`
/// finds nothing to compute on.
pub fn by_name(name: &str) -> Result<Device, Error> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(wgpu::running()?.device.clone()),
        _ => Err(unknown(name)),
    }
}

/// The device `name` for messages and reports: `cpu`, or `wgpu` with its adapter and graphics API, as in `wgpu: llvmpipe, vulkan,
/// software`.
///
/// # Errors
/// As [`by_name`].
pub fn description(name: &str) -> Result<String, Error> {
    match name {
        "cpu" => Ok(name.to_owned()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(format!("{name}: {}", wgpu::running()?.adapter())),
        _ => Err(unknown(name)),
    }
}

/// Whether the device `name` is a graphics API that computes on the CPU, which is slower than the device `cpu`.
///
/// # Errors
/// As [`by_name`].
pub fn is_software_adapter(name: &str) -> Result<bool, Error> {
    match name {
        "cpu" => Ok(false),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(wgpu::running()?.is_software()),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    // `cuda:0` is PyTorch's spelling.
    let kind = name.split(':').next().unwrap_or_default().to_lowercase();
    Error::UnknownDevice {
        name: name.to_owned(),
        reason: if name == "wgpu" {
            "needs a build with `--features wgpu`".to_owned()
        } else if ["cuda", "gpu", "mps", "metal", "vulkan", "rocm", "hip"].contains(&kind.as_str()) {
            "is unknown; a GPU is the device `wgpu`, in a build with `--features wgpu`".to_owned()
        } else {
            "is unknown".to_owned()
        },
        known: names().join(", "),
    }
}

/// Whether the device `name` is the CPU, on which the kernels of this project compute.
pub fn is_cpu(name: &str) -> bool {
    name == "cpu"
}

/// The type of activations in mixed precision on the device `name`: `f16`, or `bf16` if the device lacks `f16`.
///
/// # Errors
/// [`Error::NoHalfPrecision`] if the device does not support half precision. The CPU counts as such a device: Burn's `f16` there
/// converts every value and is many times slower. Its mixed precision is that of the products of a training pass
/// ([`Pass::Training`](crate::Pass::Training)).
pub fn half_precision(name: &str, device: &Device) -> Result<FloatDType, Error> {
    let found = [FloatDType::F16, FloatDType::BF16].into_iter().find(|dtype| device.supports_dtype(*dtype));
    match found {
        Some(dtype) if !is_cpu(name) => Ok(dtype),
        _ => Err(Error::NoHalfPrecision { name: name.to_owned() }),
    }
}
