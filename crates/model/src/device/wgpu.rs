//! The device `wgpu`: the default adapter of Vulkan, Metal or DX12.

use crate::Error;
use burn::tensor::wgpu::WgpuInitError;
use burn::tensor::wgpu::wgpu::{AdapterInfo, DeviceType};
use burn::tensor::{Device, DeviceKind};
use std::sync::OnceLock;

/// A device that runs, with the adapter that it computes on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) device: Device,
    /// `None` if the process started the device with Burn before; Burn does not name its adapter then.
    adapter: Option<AdapterInfo>,
}

impl Running {
    /// Adapter, graphics API, and `software` for an adapter that computes on the CPU.
    pub(super) fn adapter(&self) -> String {
        let Some(adapter) = &self.adapter else { return "adapter unknown".to_owned() };
        let software = if self.is_software() { ", software" } else { "" };
        format!("{}, {}{software}", adapter.name, adapter.backend)
    }

    pub(super) fn is_software(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.device_type == DeviceType::Cpu)
    }
}

/// The device, which the first call starts. Burn's `Device::wgpu` would start it in the first operation, and panic without an
/// adapter.
///
/// # Errors
/// [`Error::NoAdapter`] if it cannot be started. Later calls return the same error.
pub(super) fn running() -> Result<&'static Running, Error> {
    static RUNNING: OnceLock<Result<Running, String>> = OnceLock::new();
    RUNNING.get_or_init(start).as_ref().map_err(|reason| Error::NoAdapter { reason: reason.clone() })
}

fn start() -> Result<Running, String> {
    match Device::wgpu_options().init_with_setup() {
        Ok((device, setup)) => Ok(Running { device, adapter: Some(setup.adapter.get_info()) }),
        // the adapter was found, and the program had started it
        Err(WgpuInitError::Registration { .. }) => {
            Ok(Running { device: Device::wgpu(DeviceKind::DefaultDevice), adapter: None })
        }
        Err(error) => Err(error.to_string()),
    }
}
