//! The choice of the instruction set, and [`dispatch!`](dispatch), through which every kernel follows it.
//!
//! A kernel is written once, as an `#[inline(always)]` function over a register type [`Lanes`]. `dispatch!` compiles it
//! for each instruction set and calls the version for the set in use.

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
pub(crate) mod lanes;
mod set;
#[cfg(test)]
mod tests;
pub(crate) mod turn;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;

pub(crate) use lanes::Lanes;
pub use set::InstructionSet;

use crate::error::Error;

/// The environment variable that overrides the choice of the instruction set.
const VARIABLE: &str = "WIDEMARGIN_INSTRUCTION_SET";

/// The instruction set in use: the fastest that this processor has, or the one named by the environment variable
/// `WIDEMARGIN_INSTRUCTION_SET` (`portable`, `neon`, `avx2`, `avx512` or `amx`), to compare results or to isolate a fault.
///
/// Chosen once per process. An empty variable counts as unset.
///
/// # Panics
/// If the variable holds anything else, or names a set that this processor lacks. A program can report that properly by
/// calling [`try_detected`] when it starts.
pub fn detected() -> InstructionSet {
    static CHOSEN: OnceLock<InstructionSet> = OnceLock::new();
    *CHOSEN.get_or_init(|| try_detected().unwrap_or_else(|error| panic!("{error}")))
}

/// The choice that [`detected`] makes, as a result.
///
/// # Errors
/// [`Error::UnknownInstructionSet`] or [`Error::UnavailableInstructionSet`] if the environment variable
/// `WIDEMARGIN_INSTRUCTION_SET` cannot be followed.
pub fn try_detected() -> Result<InstructionSet, Error> {
    choose(&std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy())
}

/// The set named `requested`, or the fastest one if that is empty.
fn choose(requested: &str) -> Result<InstructionSet, Error> {
    if requested.is_empty() {
        return Ok(InstructionSet::available().last().unwrap_or(InstructionSet::Portable));
    }
    let set = InstructionSet::ALL.into_iter().find(|set| set.to_string() == requested);
    let set = set.ok_or_else(|| Error::UnknownInstructionSet { found: requested.to_owned() })?;
    if set.is_available() { Ok(set) } else { Err(Error::UnavailableInstructionSet { found: set }) }
}

/// Compiles a kernel for each instruction set and calls the version for one of them.
///
/// ```text
/// dispatch!(set, L => fn(a: &[f32], b: &[f32]) -> f32 { dot_lanes::<L>(a, b) })
/// ```
///
/// The block becomes one function per set, with that set's target features, in which `L` names the set's register type.
/// What it calls must be `#[inline(always)]` to be compiled with those features. The parameters name local variables,
/// which are passed on; types are spelled out because a function cannot capture them. Generic parameters go in square
/// brackets: `fn[F: Fn(f32)](each: F) { ... }`. Plain Rust that needs no register type omits `L =>`.
///
/// `set` must be available: either [`detected`], or in tests one of [`InstructionSet::available`].
macro_rules! dispatch {
    ($set:expr, fn $($rest:tt)*) => {
        $crate::simd::dispatch!($set, NoRegisters => fn $($rest)*)
    };
    ($set:expr, $lanes:ident => fn $([$($generic:tt)*])? ($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {{
        let set: $crate::simd::InstructionSet = $set;
        debug_assert!(set.is_available(), "this processor does not have {set}");
        match set {
            #[cfg(target_arch = "x86_64")]
            $crate::simd::InstructionSet::Avx512 | $crate::simd::InstructionSet::Amx => {
                #[target_feature(enable = "avx512f")]
                fn version $(<$($generic)*>)? ($($argument: $kind),*) $(-> $result)? {
                    #[allow(dead_code, reason = "plain Rust does not name its registers")]
                    type $lanes = $crate::simd::x86::Avx512;
                    $body
                }
                // SAFETY: the processor has AVX-512, as the caller of the macro promises and debug builds check.
                unsafe { version($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            $crate::simd::InstructionSet::Avx2 => {
                #[target_feature(enable = "avx2,fma")]
                fn version $(<$($generic)*>)? ($($argument: $kind),*) $(-> $result)? {
                    #[allow(dead_code, reason = "plain Rust does not name its registers")]
                    type $lanes = $crate::simd::x86::Avx2;
                    $body
                }
                // SAFETY: the processor has AVX2 and FMA, as above.
                unsafe { version($($argument),*) }
            }
            // NEON belongs to the baseline of aarch64 and needs no `target_feature`.
            #[cfg(target_arch = "aarch64")]
            $crate::simd::InstructionSet::Neon => {
                fn version $(<$($generic)*>)? ($($argument: $kind),*) $(-> $result)? {
                    #[allow(dead_code, reason = "plain Rust does not name its registers")]
                    type $lanes = $crate::simd::aarch64::Neon;
                    $body
                }
                version($($argument),*)
            }
            _ => {
                fn version $(<$($generic)*>)? ($($argument: $kind),*) $(-> $result)? {
                    #[allow(dead_code, reason = "plain Rust does not name its registers")]
                    type $lanes = $crate::simd::lanes::Plain;
                    $body
                }
                version($($argument),*)
            }
        }
    }};
}
pub(crate) use dispatch;
