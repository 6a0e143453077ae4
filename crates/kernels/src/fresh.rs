//! Vectors that are written once, without being cleared first.
//!
//! The outputs of a layer can be hundreds of megabytes. Clearing them on one thread costs about as much as a pass of batch
//! normalisation.

use std::mem::MaybeUninit;

/// A vector of `length` values.
///
/// # Safety
/// `write` writes every value.
pub(crate) unsafe fn written(length: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    let places = &mut values.spare_capacity_mut()[..length];
    if cfg!(debug_assertions) {
        // A value that is not written shows in tests.
        places.fill(MaybeUninit::new(f32::NAN));
    }
    write(places);
    // SAFETY: the capacity is at least `length`, and the caller promises that all values are written.
    unsafe { values.set_len(length) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_that_were_written() {
        for length in [0, 1, 65] {
            // SAFETY: every value is written.
            let values = unsafe {
                written(length, |places| {
                    for (at, place) in places.iter_mut().enumerate() {
                        place.write(at as f32);
                    }
                })
            };
            assert_eq!(values, (0..length).map(|at| at as f32).collect::<Vec<_>>());
        }
    }
}
