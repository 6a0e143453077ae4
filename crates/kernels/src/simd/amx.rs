//! The tile registers of AMX: whether this process may use them, and their shapes.
//!
//! Intel server processors since 2023 have eight registers of 16 rows of 64 bytes, and instructions that multiply two of them and
//! add the product to a third: `tdpbusd` for bytes, `tdpbf16ps` for pairs in bfloat16. A process must request the registers from Linux
//! once.
//!
//! Stable Rust has no intrinsics for these instructions, so they are inline assembly. The compiler does not know the registers: code
//! between [`Configured::new`] and the end of that value may call anything, because nothing else uses them.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Rows of a tile register.
pub(crate) const ROWS: usize = 16;
/// Bytes of a row.
pub(crate) const ROW_BYTES: usize = 64;

/// What tile registers can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    Bytes,
    Bfloat16,
}

impl Contents {
    /// Whether this process may multiply such tiles. Checked once.
    pub(crate) fn is_available(self) -> bool {
        static FOUND: OnceLock<u32> = OnceLock::new();
        let found = *FOUND.get_or_init(|| if may_use_tiles() { features() } else { 0 });
        found & self.feature() != 0
    }

    /// Its bit in leaf 7 of `cpuid`.
    fn feature(self) -> u32 {
        match self {
            Self::Bytes => 1 << 25,
            Self::Bfloat16 => 1 << 22,
        }
    }
}

/// Register `edx` of leaf 7 of `cpuid`.
fn features() -> u32 {
    if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).edx }
}

/// Whether the processor has tiles, the system saves them, and this process may use them.
fn may_use_tiles() -> bool {
    const TILES: u32 = 1 << 24;
    const TILE_STATES: u64 = 1 << 17 | 1 << 18;
    if !cfg!(target_os = "linux") || !is_x86_feature_detected!("avx512vnni") || features() & TILES == 0 {
        return false;
    }
    // SAFETY: there is AVX-512, and such a processor has `xgetbv`, enabled by the system.
    let enabled = unsafe { saved_states() };
    enabled & TILE_STATES == TILE_STATES && permitted()
}

/// # Safety
/// The processor must have `xsave`, enabled by the system.
#[target_feature(enable = "xsave")]
unsafe fn saved_states() -> u64 {
    // SAFETY: as the caller promises.
    unsafe { _xgetbv(0) }
}

/// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`: returns 0 if the process may use the tile registers.
fn permitted() -> bool {
    let result: isize;
    // SAFETY: a system call that accesses no memory of this process and preserves all registers but the listed ones.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") 158_isize => result,
            in("rdi") 0x1023,
            in("rsi") 18,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// The operand of `ldtilecfg`: the shapes of eight registers.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

impl Shapes {
    /// All eight with [`ROWS`] rows of [`ROW_BYTES`].
    fn full() -> Self {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for register in 0..8 {
            bytes[16 + 2 * register] = ROW_BYTES as u8;
            bytes[48 + register] = ROWS as u8;
        }
        Self(bytes)
    }
}

/// The tile registers of this thread, all of full size, as long as this value lives.
pub(crate) struct Configured(PhantomData<*mut ()>);

impl Configured {
    /// # Panics
    /// If this process may not use tiles with such contents.
    pub(crate) fn new(contents: Contents) -> Self {
        assert!(contents.is_available(), "this processor lacks AMX for {contents:?}");
        let shapes = Shapes::full();
        // SAFETY: there is AMX, and `shapes` is a valid configuration of 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack)) };
        Self(PhantomData)
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: there is AMX; this returns the registers to the state that is free to save.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
