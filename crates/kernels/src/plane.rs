//! The loops of batch normalisation over one plane (the values of one channel in one sample).
//!
//! Plain Rust with fixed-width blocks, compiled once for each instruction set: the compiler vectorises it as well as hand-written
//! registers would, and it is bound by memory anyway. On aarch64 the baseline has NEON, and there is nothing to choose.

#[cfg(target_arch = "x86_64")]
use crate::simd::{InstructionSet, detected};

/// `affine = scale * value + offset`, and `slope * affine` where that is not positive; `centre` is the channel's mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) scale: f32,
    pub(crate) offset: f32,
    pub(crate) slope: f32,
    pub(crate) centre: f32,
}

/// Partial sums are this many lanes wide, so that registers of any width may be used.
const LANES: usize = 16;
type Block = [f32; LANES];

/// Compiles `$body` for each instruction set and calls the one of this processor.
macro_rules! for_each_instruction_set {
    ($(#[$doc:meta])* $name:ident = $body:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $kind),*) $(-> $result)? {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx512f")]
                fn avx512($($argument: $kind),*) $(-> $result)? {
                    $body($($argument),*)
                }
                // SAFETY: the instruction set was detected on this processor.
                match detected() {
                    InstructionSet::Avx2 => return unsafe { avx2($($argument),*) },
                    InstructionSet::Avx512 => return unsafe { avx512($($argument),*) },
                    InstructionSet::Portable | InstructionSet::Neon => {}
                }
            }
            $body($($argument),*)
        }
    };
}

for_each_instruction_set!(
    /// The plane's mean and its sum of squared distances from that mean.
    moments = moments_body(plane: &[f32]) -> (f64, f64)
);
for_each_instruction_set!(
    /// Applies `line` to every value.
    forward = forward_body(line: Line, input: &[f32], output: &mut [f32])
);
for_each_instruction_set!(
    /// Sums over the plane: the gradient of the affine value, the same times the distance from the centre, the gradient of the slope.
    sums = sums_body(line: Line, input: &[f32], gradient: &[f32]) -> [f64; 3]
);
for_each_instruction_set!(
    /// The gradient of the input, less what runs through mean (`shares.0`) and deviation (`shares.1`).
    backward = backward_body(line: Line, shares: (f32, f32), input: &[f32], gradient: &[f32], out: &mut [f32])
);

fn total(lanes: &Block) -> f64 {
    lanes.iter().map(|v| f64::from(*v)).sum()
}

#[inline(always)]
fn moments_body(plane: &[f32]) -> (f64, f64) {
    let (blocks, rest) = plane.as_chunks::<LANES>();
    let mut sum = [0.0f32; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sum[lane] += block[lane];
        }
    }
    for (sum, value) in sum.iter_mut().zip(rest) {
        *sum += value;
    }
    let mean = (total(&sum) / plane.len() as f64) as f32;
    let (mut drift, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    for block in blocks {
        for lane in 0..LANES {
            let distance = block[lane] - mean;
            drift[lane] += distance;
            squares[lane] += distance * distance;
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        let distance = value - mean;
        drift[lane] += distance;
        squares[lane] += distance * distance;
    }
    let correction = total(&drift) / plane.len() as f64;
    (f64::from(mean) + correction, total(&squares) - total(&drift) * correction)
}

#[inline(always)]
fn forward_body(line: Line, input: &[f32], output: &mut [f32]) {
    for (output, input) in output.iter_mut().zip(input) {
        let affine = input * line.scale + line.offset;
        *output = if affine > 0.0 { affine } else { line.slope * affine };
    }
}

/// The three terms of [`sums`] for one value.
#[inline(always)]
fn terms(line: Line, input: f32, gradient: f32) -> [f32; 3] {
    let affine = input * line.scale + line.offset;
    let inner = if affine > 0.0 { gradient } else { line.slope * gradient };
    let negative = if affine > 0.0 { 0.0 } else { affine };
    [inner, inner * (input - line.centre), gradient * negative]
}

#[inline(always)]
fn sums_body(line: Line, input: &[f32], gradient: &[f32]) -> [f64; 3] {
    let (input_blocks, input_rest) = input.as_chunks::<LANES>();
    let (gradient_blocks, gradient_rest) = gradient.as_chunks::<LANES>();
    let (mut inner, mut along, mut slope) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    for (input, gradient) in input_blocks.iter().zip(gradient_blocks) {
        for lane in 0..LANES {
            let [a, b, c] = terms(line, input[lane], gradient[lane]);
            inner[lane] += a;
            along[lane] += b;
            slope[lane] += c;
        }
    }
    for (lane, (input, gradient)) in input_rest.iter().zip(gradient_rest).enumerate() {
        let [a, b, c] = terms(line, *input, *gradient);
        inner[lane] += a;
        along[lane] += b;
        slope[lane] += c;
    }
    [total(&inner), total(&along), total(&slope)]
}

#[inline(always)]
fn backward_body(line: Line, shares: (f32, f32), input: &[f32], gradient: &[f32], out: &mut [f32]) {
    let (common, along) = shares;
    for ((out, input), gradient) in out.iter_mut().zip(input).zip(gradient) {
        let inner = if input * line.scale + line.offset > 0.0 { *gradient } else { line.slope * gradient };
        *out = line.scale * (inner - common - along * (input - line.centre));
    }
}
