//! A slice that is divided among tasks in another way than into chunks.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A slice that several tasks write, each to its own places.
pub(super) struct SharedOutput<'a> {
    start: *mut f32,
    length: usize,
    slice: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: every access is through a method whose caller promises that no two threads write the same place.
unsafe impl Sync for SharedOutput<'_> {}

impl<'a> SharedOutput<'a> {
    pub(super) fn new(slice: &'a mut [MaybeUninit<f32>]) -> Self {
        Self { start: slice.as_mut_ptr().cast(), length: slice.len(), slice: PhantomData }
    }

    /// Adjacent places.
    ///
    /// # Safety
    /// No other thread uses these places in the lifetime of the slice.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that there is one reference to each place")]
    pub(super) unsafe fn places(&self, first: usize, length: usize) -> &mut [MaybeUninit<f32>] {
        assert!(first + length <= self.length, "output out of range");
        // SAFETY: within the slice, by the assertion; not used by another thread, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first).cast(), length) }
    }

    /// Writes `values` to every `step`-th place from `first` on.
    ///
    /// # Safety
    /// No other thread writes these places in the lifetime of `self`.
    pub(super) unsafe fn write(&self, first: usize, step: usize, values: &[f32]) {
        let Some(last) = values.len().checked_sub(1) else { return };
        assert!(first + last * step < self.length, "output out of range");
        // SAFETY: within the slice, by the assertion; not written by another thread, as the caller promises.
        unsafe {
            let to = self.start.add(first);
            if step == 1 {
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
            } else {
                for (at, value) in values.iter().enumerate() {
                    *to.add(at * step) = *value;
                }
            }
        }
    }

    /// The place `at`, for the caller to write.
    ///
    /// # Safety
    /// There are at least `at` places.
    pub(super) unsafe fn at(&self, at: usize) -> *mut f32 {
        debug_assert!(at <= self.length, "output out of range");
        // SAFETY: as the caller promises.
        unsafe { self.start.add(at) }
    }
}
