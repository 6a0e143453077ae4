//! Scores computed in the tile registers of AMX: 32 samples with 32 classes at a time.
//!
//! Intel server processors since 2023 multiply 16 rows of 64 bytes by 16 columns in one instruction, `tdpbusd`, with
//! unsigned and signed bytes and 32-bit sums as in VNNI. The panels of classes already have the layout of the second
//! factor. The first factor is 64 bytes of each of 16 rows. [`Probes`](super::Probes) store the samples in such tiles as
//! well, because reading strided rows from the second-level cache takes twice as long as multiplying them. 32 samples stay
//! in the first-level cache for all panels.
//!
//! Stable Rust has no intrinsics for these instructions, so they are inline assembly in one block: the compiler does not
//! know the tile registers and must not interleave other code. A process must request their use from Linux once. If Linux
//! declines, and for samples that do not fill a tile, other kernels are used.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::OnceLock;

use super::{PANEL, TILE_DEPTH as DEPTH, TILE_ROWS as ROWS};

/// Samples that are scored together.
const SAMPLES: usize = 2 * ROWS;
/// Bytes of a row of a tile of scores, and of classes.
const STRIDE: usize = PANEL * 4;

/// Whether the processor has AMX and the system permits this process to use it. Checked once.
pub(super) fn is_available() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        cfg!(target_os = "linux") && is_x86_feature_detected!("avx512vnni") && has_tiles() && permitted()
    })
}

/// Whether leaf 7 of `cpuid` reports tiles and int8 products, and the system saves the tile registers.
fn has_tiles() -> bool {
    const TILES_AND_BYTES: u32 = 1 << 24 | 1 << 25;
    const TILE_STATES: u64 = 1 << 17 | 1 << 18;
    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & TILES_AND_BYTES != TILES_AND_BYTES {
        return false;
    }
    // SAFETY: `is_available` has found AVX-512, and such a processor has `xgetbv`, enabled by the system.
    let enabled = unsafe { saved_states() };
    enabled & TILE_STATES == TILE_STATES
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
    /// All eight with 16 rows of 64 bytes.
    fn full() -> Self {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for register in 0..8 {
            bytes[16 + 2 * register] = STRIDE as u8;
            bytes[48 + register] = ROWS as u8;
        }
        Self(bytes)
    }
}

/// The operands of [`score`].
pub(super) struct Tiles<'a> {
    /// `[panel][depth / 4][PANEL][4]`.
    pub(super) values: &'a [i8],
    /// `[panel][PANEL]`: subtracted from the scores of each class.
    pub(super) sums: &'a [i32],
    /// `[block of ROWS samples][depth / DEPTH][ROWS][DEPTH]`.
    pub(super) samples: &'a [u8],
    /// Codes per row, a multiple of [`DEPTH`].
    pub(super) depth: usize,
    /// `[panel][stride][PANEL]`.
    pub(super) out: &'a mut [i32],
    /// Samples per panel of `out`; at least the number of samples.
    pub(super) stride: usize,
}

/// Scores every sample with every class.
///
/// # Panics
/// If there is no AMX, or the lengths do not match.
pub(super) fn score(tiles: Tiles<'_>) {
    let Tiles { values, sums, samples, depth, out, stride } = tiles;
    assert!(is_available(), "this processor lacks AMX");
    assert!(depth > 0 && depth.is_multiple_of(DEPTH), "rows of {depth}");
    let (panels, rows) = (sums.len() / PANEL, samples.len() / depth);
    assert!(sums.len() == panels * PANEL && values.len() == panels * PANEL * depth, "{panels} panels");
    assert!(samples.len() == rows * depth && rows.is_multiple_of(ROWS) && rows <= stride, "{rows} samples");
    assert_eq!(out.len(), panels * stride * PANEL, "room for every score");
    let shapes = Shapes::full();
    // SAFETY: there is AMX, and `shapes` is a valid configuration of 64 bytes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack)) };
    // The initial value of every register of scores. Computed before the loop: tiles load ten times as slowly from memory
    // that was just written.
    let last = &sums[(panels.max(1) - 1) * PANEL..];
    let starts: Vec<i32> = sums.iter().chain(last).map(|sum| -sum).collect();
    let mut spare = [0_i32; 2 * SAMPLES * PANEL];
    for first in (0..rows).step_by(SAMPLES) {
        // With an odd number of blocks or panels, the last one is scored twice.
        let blocks =
            [first, (first + ROWS).min(rows - ROWS)].map(|row| &samples[row * depth..][..ROWS * depth]);
        for panel in (0..panels).step_by(2) {
            let pair = [panel, (panel + 1).min(panels - 1)];
            let start = starts[panel * PANEL..].first_chunk().expect("the last panel is there twice");
            let classes = pair.map(|panel| &values[panel * PANEL * depth..][..PANEL * depth]);
            if pair[0] != pair[1] && first + SAMPLES <= rows {
                let (near, far) = out[panel * stride * PANEL..].split_at_mut(stride * PANEL);
                let near = &mut near[first * PANEL..][..SAMPLES * PANEL];
                four(start, classes, blocks, depth, [near, &mut far[first * PANEL..][..SAMPLES * PANEL]]);
                continue;
            }
            let (near, far) = spare.split_at_mut(SAMPLES * PANEL);
            four(start, classes, blocks, depth, [near, far]);
            let count = SAMPLES.min(rows - first) * PANEL;
            for (panel, scores) in pair.into_iter().zip(spare.chunks_exact(SAMPLES * PANEL)) {
                out[(panel * stride + first) * PANEL..][..count].copy_from_slice(&scores[..count]);
            }
        }
    }
    // SAFETY: there is AMX; this returns the registers to the state that is free to save.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Prefetches the 16 rows of a tile of classes two turns ahead from the second-level cache. Past the end it is a harmless
/// hint.
macro_rules! ahead {
    ($panel:literal) => {
        concat!(
            ahead!(@ $panel, 0 64 128 192 256 320 384 448 512 576 640 704 768 832 896 960)
        )
    };
    (@ $panel:literal, $($offset:literal)*) => {
        concat!($("prefetcht0 [{", $panel, "} + 2048 + ", $offset, "]\n"),*)
    };
}

/// Two blocks of samples with two panels: four registers of scores, each initialised to `start`.
fn four(
    start: &[i32; 2 * PANEL],
    classes: [&[i8]; 2],
    blocks: [&[u8]; 2],
    depth: usize,
    out: [&mut [i32]; 2],
) {
    let turns = depth / DEPTH;
    assert!(turns > 0 && classes.iter().all(|panel| panel.len() == turns * DEPTH * PANEL));
    assert!(blocks.iter().all(|block| block.len() == ROWS * depth));
    assert!(out.iter().all(|out| out.len() == SAMPLES * PANEL));
    let [near, far] = out;
    // SAFETY: each turn reads ROWS * DEPTH bytes of each block and DEPTH * PANEL bytes of each panel, 1024 in both cases.
    // Blocks and panels hold exactly `turns` of these, as asserted. The registers are written to SAMPLES rows of STRIDE
    // bytes of each `out`. `score`, the only caller, has configured the tiles, and no other code uses them.
    unsafe {
        asm!(
            // A stride of 0 between rows: the same start for every sample.
            "xor {step:e}, {step:e}",
            "tileloadd tmm0, [{start} + {step}*1]",
            "tileloadd tmm1, [{start} + {step}*1 + 64]",
            "tileloadd tmm2, [{start} + {step}*1]",
            "tileloadd tmm3, [{start} + {step}*1 + 64]",
            "mov {step:e}, 64",
            "2:",
            "tileloadd tmm4, [{x0} + {step}*1]",
            "tileloadd tmm6, [{w0} + {step}*1]",
            "tileloadd tmm7, [{w1} + {step}*1]",
            "tileloadd tmm5, [{x1} + {step}*1]",
            ahead!("w0"),
            "tdpbusd tmm0, tmm4, tmm6",
            "tdpbusd tmm1, tmm4, tmm7",
            ahead!("w1"),
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbusd tmm3, tmm5, tmm7",
            "add {x0}, 1024",
            "add {x1}, 1024",
            "add {w0}, 1024",
            "add {w1}, 1024",
            "dec {turns}",
            "jnz 2b",
            "tilestored [{near} + {step}*1], tmm0",
            "tilestored [{far} + {step}*1], tmm1",
            "tilestored [{near} + {step}*1 + 1024], tmm2",
            "tilestored [{far} + {step}*1 + 1024], tmm3",
            start = in(reg) start.as_ptr(),
            step = out(reg) _,
            x0 = inout(reg) blocks[0].as_ptr() => _,
            x1 = inout(reg) blocks[1].as_ptr() => _,
            w0 = inout(reg) classes[0].as_ptr() => _,
            w1 = inout(reg) classes[1].as_ptr() => _,
            turns = inout(reg) turns => _,
            near = in(reg) near.as_mut_ptr(),
            far = in(reg) far.as_mut_ptr(),
            options(nostack),
        );
    }
}
