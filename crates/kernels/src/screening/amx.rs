//! Scores computed in the tile registers of AMX: 32 samples with 32 classes at a time.
//!
//! `tdpbusd` multiplies 16 rows of 64 bytes by 16 columns, with unsigned and signed bytes and 32-bit sums as in VNNI
//! ([`crate::simd::amx`]). The panels of classes already have the layout of the second
//! factor. The first factor is 64 bytes of each of 16 rows. [`Probes`](super::Probes) store the samples in such tiles as
//! well, because reading strided rows from the second-level cache takes twice as long as multiplying them. 32 samples stay
//! in the first-level cache for all panels.
//!
//! If Linux declines the use of AMX, and for samples that do not fill a tile, other kernels are used.

use std::arch::asm;

use super::tile::{PANEL, TILE_DEPTH as DEPTH, TILE_ROWS as ROWS};
use crate::simd::amx::{self, Configured, Contents};

const _: () = assert!(ROWS == amx::ROWS && DEPTH == amx::ROW_BYTES, "a tile of samples fills a register");

/// Samples that are scored together.
const SAMPLES: usize = 2 * ROWS;

/// Whether this process may use AMX for bytes.
pub(super) fn is_available() -> bool {
    Contents::Bytes.is_available()
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
    assert!(depth > 0 && depth.is_multiple_of(DEPTH), "rows of {depth}");
    let (panels, rows) = (sums.len() / PANEL, samples.len() / depth);
    assert!(sums.len() == panels * PANEL && values.len() == panels * PANEL * depth, "{panels} panels");
    assert!(samples.len() == rows * depth && rows.is_multiple_of(ROWS) && rows <= stride, "{rows} samples");
    assert_eq!(out.len(), panels * stride * PANEL, "room for every score");
    let _registers = Configured::new(Contents::Bytes);
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
    // Blocks and panels hold exactly `turns` of these, as asserted. The registers are written to SAMPLES rows of 64
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
