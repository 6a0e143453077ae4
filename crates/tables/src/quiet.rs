//! Panics of other crates on invalid files: caught, and not printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; `None` if it panics. A panic in it is not printed; panics elsewhere are, as before.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(before);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught() {
        assert_eq!(catch_panic(|| 1), Some(1));
        assert_eq!(
            catch_panic(|| -> i32 { catch_panic(|| -> i32 { panic!("inner") }).unwrap_or(2) }),
            Some(2)
        );
        assert_eq!(catch_panic(|| -> i32 { panic!("outer") }), None);
        assert!(!QUIET.get());
    }
}
