//! Every register type against plain floats, and the choice of the instruction set.

use std::io::Write;

use super::*;

/// Every operation against its scalar equivalent, on values of both signs, zeros and a `NaN`.
///
/// # Safety
/// The instruction set of `L` must be available.
unsafe fn check<L: Lanes>() {
    let a: Vec<f32> = (0..=L::COUNT).map(|at| ((at * 7) % 11) as f32 - 4.5).collect();
    let b: Vec<f32> = (0..=L::COUNT).map(|at| ((at * 5) % 13) as f32 - 6.0).collect();
    let c: Vec<f32> = (0..=L::COUNT).map(|at| (at % 3) as f32 - 1.0).collect();
    let integers: Vec<i32> = (0..=L::COUNT).map(|at| at as i32 * 1000 - 2500).collect();
    // Start at the second value, so that nothing is aligned.
    let (a, b, c, integers) = (&a[1..], &b[1..], &c[1..], &integers[1..]);
    let stored = |lanes: L| {
        let mut room = vec![7.0; L::COUNT + 2];
        // SAFETY: there is room for `COUNT` values from the second on.
        unsafe { lanes.store(room.as_mut_ptr().add(1)) };
        assert_eq!((room[0], room[L::COUNT + 1]), (7.0, 7.0), "a store writes nothing outside its lanes");
        room[1..=L::COUNT].to_vec()
    };
    let each = |of: &dyn Fn(usize) -> f32| (0..L::COUNT).map(of).collect::<Vec<_>>();
    // SAFETY: every slice has `COUNT` values.
    unsafe {
        let (x, y, z) = (L::load(a.as_ptr()), L::load(b.as_ptr()), L::load(c.as_ptr()));
        assert_eq!(stored(x), a);
        assert_eq!(stored(L::zero()), each(&|_| 0.0));
        assert_eq!(stored(L::splat(2.5)), each(&|_| 2.5));
        assert_eq!(stored(x.multiply_add(y, z)), each(&|at| a[at] * b[at] + c[at]));
        assert_eq!(stored(x.plus(y)), each(&|at| a[at] + b[at]));
        assert_eq!(stored(x.minus(y)), each(&|at| a[at] - b[at]));
        assert_eq!(stored(x.times(y)), each(&|at| a[at] * b[at]));
        assert_eq!(stored(x.largest(y)), each(&|at| a[at].max(b[at])));
        assert_eq!(stored(x.smallest(y)), each(&|at| a[at].min(b[at])));
        assert_eq!(stored(L::splat(f32::NAN).largest(y)), b);
        assert_eq!(stored(L::splat(f32::NAN).smallest(y)), b);
        assert_eq!(stored(x.where_above(y, z)), each(&|at| if b[at] > c[at] { a[at] } else { 0.0 }));
        assert_eq!(stored(x.where_above(L::splat(f32::NAN), z)), each(&|_| 0.0));
        assert_eq!(stored(L::from_integers(integers.as_ptr())), each(&|at| integers[at] as f32));
        for at in 0..L::COUNT {
            let mut higher = a.to_vec();
            higher[at] += 0.5;
            assert!(L::load(higher.as_ptr()).any_above(x), "lane {at}");
            assert!(!x.any_above(L::load(higher.as_ptr())), "lane {at}");
        }
        assert!(!L::splat(f32::NAN).any_above(x));
        let pair = f32::from_bits(0x3F80_4010);
        assert_eq!(stored(L::splat(pair).first_of_pair()), each(&|_| 2.25));
        assert_eq!(stored(L::splat(pair).second_of_pair()), each(&|_| 1.0));
        // Halves and small integers: the sum is exact in any order.
        assert_eq!(x.sum(), a.iter().sum::<f32>());
        for power in [-3, 0, 5] {
            let found = L::splat(1.5).times_power_of_two(L::splat(12_582_912.0 + power as f32));
            assert_eq!(stored(found), each(&|_| 1.5 * 2.0_f32.powi(power)));
        }
    }
}

#[test]
fn a_block_is_turned() {
    for set in InstructionSet::available() {
        let from: Vec<f32> = (0..8 * 11).map(|at| at as f32).collect();
        let mut to = vec![-1.0; 8 * 13 + 3];
        let (source, target) = (from.as_ptr(), to.as_mut_ptr());
        dispatch!(set, L => fn(source: *const f32, target: *mut f32) {
            // SAFETY: eight rows of eight values, 11 apart in `from` and 13 in `to`; the features are those of `L`.
            unsafe { L::turn_block(source.add(3), 11, target.add(3), 13) }
        });
        for (at, value) in to.iter().enumerate() {
            let inside = at.checked_sub(3).map(|at| (at / 13, at % 13)).filter(|(_, row)| *row < 8);
            let expected = inside.map_or(-1.0, |(column, row)| (row * 11 + column + 3) as f32);
            assert_eq!(*value, expected, "{set} {at}");
        }
    }
}

#[test]
fn every_register_does_what_plain_floats_do() {
    for set in InstructionSet::available() {
        dispatch!(set, L => fn() {
            // SAFETY: the features are those of `L`.
            unsafe { check::<L>() }
        });
    }
}

/// Written to standard error directly: the test harness hides what passing tests print.
#[test]
fn the_tested_and_the_missing_instruction_sets_are_reported() {
    let names = |available: bool| {
        let sets = InstructionSet::ALL.into_iter().filter(|set| set.is_available() == available);
        sets.map(|set| set.to_string()).collect::<Vec<_>>().join(", ")
    };
    let report = format!("\nkernels: tested with {}; this machine lacks {}\n", names(true), names(false));
    #[expect(
        clippy::disallowed_methods,
        reason = "past the test harness, which shows the output of failed tests only"
    )]
    std::io::stderr().write_all(report.as_bytes()).expect("standard error is open");
}

#[test]
fn the_detected_set_is_available() {
    assert!(detected().is_available());
}

#[test]
fn the_fastest_available_set_is_the_default() {
    assert_eq!(choose(""), Ok(InstructionSet::available().last().expect("portable at least")));
}

#[test]
fn a_set_can_be_requested_by_name_if_the_processor_has_it() {
    for set in InstructionSet::ALL {
        let expected =
            if set.is_available() { Ok(set) } else { Err(Error::UnavailableInstructionSet { found: set }) };
        assert_eq!(choose(&set.to_string()), expected);
    }
}

/// AVX2 and NEON are never on one machine.
#[test]
fn a_set_that_the_processor_lacks_is_an_error() {
    let lacking = if InstructionSet::Neon.is_available() { "avx2" } else { "neon" };
    let message = choose(lacking).expect_err("another architecture's set").to_string();
    let start =
        format!("WIDEMARGIN_INSTRUCTION_SET={lacking}: this processor does not have it; use portable");
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn an_unknown_set_is_an_error_that_names_the_known_ones() {
    for unknown in ["sse9", "AVX2", "avx2 ", "0"] {
        let message = choose(unknown).expect_err("an unknown set").to_string();
        let start = format!("WIDEMARGIN_INSTRUCTION_SET={unknown}: unknown instruction set; use portable");
        assert!(message.starts_with(&start), "{message}");
        assert!(InstructionSet::available().all(|set| message.contains(&set.to_string())), "{message}");
    }
}
