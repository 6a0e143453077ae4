//! Tests of the mathematics as a whole: the facts of the derivation as properties, gradients compared with finite differences,
//! and reference values of other frameworks.

mod book;
mod edges;
mod facts;
mod golden;
mod gradients;
mod variants;

use crate::{ClassObjective, Link, Margin, MatRef, Objective, Parameters, Pool, Score};

/// Every tolerance of these tests, with its reason.
pub(crate) mod tolerance {
    /// Golden values in f64: about 1e-16 of rounding per operation, some thousand operations, times scales up to 64; PyTorch
    /// rounds as much.
    pub(crate) const GOLDEN_F64: f64 = 1e-9;
    /// Golden values in f32: a cosine's rounding of 6e-8 times a scale of 64 is 4e-6 in a logit and as much, relative, in
    /// a probability; the rest is room for sums over the batch.
    pub(crate) const GOLDEN_F32: f64 = 1e-4;
    /// Identities in f64 that hold to rounding, for scores up to about 100.
    pub(crate) const ROUNDING: f64 = 1e-12;
    /// Central differences of fourth order with a step of 5e-5: truncation is `h^4 / 30` = 2e-19 times a fifth derivative,
    /// which grows as the scale to the fifth (1e9 for 64); rounding is 1e-16 * loss / h, 1e-10 for a loss of 50.
    pub(crate) const DIFFERENCES: f64 = 1e-6;
}

/// Central differences of a loss: of fourth order where it is smooth, and over a step of 1e-6 where the wider stencil meets a
/// kink (a hinge, a maximum, the end of a branch of the angle). At a kink the two orders disagree.
pub(crate) fn differences(input: &[f64], mut loss: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 5e-5;
    const NARROW: f64 = 1e-6;
    let mut input = input.to_vec();
    (0..input.len())
        .map(|at| {
            let here = input[at];
            let mut slope = |step: f64| {
                input[at] = here + step;
                let above = loss(&input);
                input[at] = here - step;
                let below = loss(&input);
                input[at] = here;
                (above - below) / (2.0 * step)
            };
            let (near, far, narrow) = (slope(STEP), slope(2.0 * STEP), slope(NARROW));
            let smooth = (4.0 * near - far) / 3.0;
            // one is exact up to rounding, the other up to truncation; if they differ by more, the loss is not smooth here
            if (smooth - narrow).abs() > 1e-4 * (1.0 + narrow.abs()) { narrow } else { smooth }
        })
        .collect()
}

/// Entries within `tolerance` relative to the largest, or to 1 if the largest is smaller.
pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let largest = expected.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * largest, "{what}, entry {at}: {found} against {expected}");
    }
}

/// Pseudo-random numbers, the same in every run.
pub(crate) fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0xD1B5_4A32_D192_ED03);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect()
}

pub(crate) fn view<T>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, rows, cols).expect("sizes of the test")
}

/// AM-Softmax's margin as a custom one.
pub(crate) fn custom_am(margin: f64) -> Margin {
    Margin::custom("am", move |cosine| cosine - margin, |_| 1.0).expect("the right derivative")
}

/// Every named point of the family with parameters that exercise it, both branches of the angle margin, and some
/// compositions without a name.
pub(crate) fn points() -> Vec<Objective> {
    let named = |name, scale: Option<f64>, margin: Option<f64>, temperature: Option<f64>| {
        let given = [("scale", scale), ("margin", margin), ("temperature", temperature)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let objective = ClassObjective::from_name(name, &given.collect::<Parameters>(), 10);
        objective.expect("in range").base().clone()
    };
    let mut all = vec![
        named("hinge-sum", None, None, None),
        named("hinge-sum-margin", None, Some(0.5), None),
        named("hinge-max", None, None, None),
        named("hinge-max", None, Some(0.5), None),
        named("lse-hinge", None, None, None),
        named("lse-hinge", None, Some(0.5), None),
        named("softplus-lse", None, Some(0.5), None),
        named("softmax", None, None, None),
        named("softmax", None, None, Some(2.0)),
        named("tempered-softmax", None, None, Some(0.5)),
        named("normalized-softmax", Some(10.0), None, None),
        named("am-softmax", None, None, None),
        named("cosface", None, None, None),
        named("arcface", Some(30.0), Some(0.5), None),
        named("arcface", Some(10.0), Some(1.4), None),
    ];
    let cosine = || Objective::family().score(Score::cosine(8.0));
    let composed = [
        cosine().margin(Margin::AdditiveAngle { margin: 0.5, easy_margin: true, detach_margin: false }),
        cosine().margin(Margin::additive_cosine(0.2)).pool(Pool::hinge_sum()).link(Link::hinge()),
        cosine().margin(Margin::additive_cosine(0.2)).pool(Pool::max()).link(Link::softplus_at(0.5)),
        cosine().margin(custom_am(0.3)),
        cosine().pool(Pool::log_sum_exp_at(2.0)).link(Link::softplus_at(0.25)),
    ];
    all.extend(composed.map(|builder| builder.build().expect("in range")));
    all
}
