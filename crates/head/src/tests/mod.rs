//! The head compared with the plain reference in f64, and its guarantees about threads, state and errors.

mod auto;
mod classes;
mod communicator;
mod half;
mod inherit;
mod modes;
mod products;
mod promises;
mod reference;
mod sampled;
mod screened;
mod sharded;

use crate::{Error, MatRef, Objective};
use widemargin_chance::{Purpose, Stream};
use widemargin_objective::{ClassObjective, Link, Margin, Parameters, Pool, Score, parameters};

/// Every tolerance of these tests, with its reason.
pub(crate) mod tolerance {
    /// Losses and gradients in f32 against f64, relative to the largest entry: a rounding of 6e-8 in a cosine times a scale
    /// of 64 is 4e-6, relative, in a probability; the rest is room for sums over batch and classes.
    pub(crate) const F32: f64 = 1e-4;
    /// A hundred optimiser steps in f32 against f64, relative to the largest value: at most 100 roundings of 6e-8.
    pub(crate) const HUNDRED_STEPS: f64 = 1e-5;
    /// Several shards against one head, both in f32, relative to the largest entry: another order of the same sums, so a few
    /// roundings of 6e-8.
    pub(crate) const SHARDS: f64 = 1e-6;
    /// A loss with factors in bfloat16 against f32: a cosine of 64 dimensions is off by about 2^-9 / 8, times a scale of 64, and
    /// averages over the batch.
    pub(crate) const BF16_LOSS: f64 = 0.01;
    /// Gradients with factors in bfloat16 against f32, relative, in norm: a probability follows its score, so up to 64 * 2^-9 / 8,
    /// and 2^-9 for each rounded factor.
    pub(crate) const BF16_GRADIENTS: f64 = 0.02;
}

/// Pseudo-random values in `[-1, 1)`.
pub(crate) fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Stream::new(seed, Purpose::Test, 0, 0);
    (0..count).map(|_| random.between(-1.0, 1.0)).collect()
}

/// Compares errors with all their fields. Only tests compare errors.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

pub(crate) fn labels(count: usize, classes: usize, seed: u64) -> Vec<u32> {
    values(count, seed)
        .iter()
        .map(|value| ((value + 1.0) / 2.0 * classes as f32) as u32 % classes as u32)
        .collect()
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

pub(crate) fn view<T>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, rows, cols).expect("sizes of the test")
}

/// The base of every named objective, and objectives without a name that use combinations no named one has.
pub(crate) fn points() -> Vec<Objective> {
    let named = |name: &str| {
        let built = ClassObjective::from_name(name, &Parameters::new(), 10).expect("defaults are in range");
        built.base().clone()
    };
    let cosine = || Objective::family().score(Score::cosine(10.0));
    let custom = Margin::custom("am", |cosine| cosine - 0.2, |_| 1.0).expect("the right derivative");
    let composed = [
        Objective::family().pool(Pool::log_sum_exp_at(0.5)).link(Link::softplus_at(0.5)),
        Objective::family().margin(Margin::additive(0.5)).pool(Pool::max()).link(Link::hinge()),
        cosine().margin(custom),
        cosine().margin(Margin::additive_cosine(0.2)).pool(Pool::hinge_sum()).link(Link::hinge()),
        cosine().pool(Pool::log_sum_exp_at(2.0)).link(Link::softplus_at(0.5)),
        cosine().margin(Margin::AdditiveAngle { margin: 0.5, easy_margin: true, detach_margin: false }),
    ];
    let composed = composed.into_iter().map(|builder| builder.build().expect("in range"));
    ClassObjective::names().take(11).map(named).chain(composed).collect()
}

/// Every named objective on class centres, and variants with parameters that differ from the defaults.
pub(crate) fn class_objectives(classes: usize) -> Vec<ClassObjective> {
    let with = |name: &str, parameters: Parameters| {
        ClassObjective::from_name(name, &parameters, classes).expect("in range")
    };
    let margins: Vec<f64> = (0..classes).map(|class| 0.1 + 0.3 * class as f64 / classes as f64).collect();
    let mut all: Vec<ClassObjective> =
        ClassObjective::names().map(|name| with(name, Parameters::new())).collect();
    all.extend([
        with("am-softmax", parameters([("class_margins", margins.into())])),
        with("softmax", parameters([("sub_centres", 2.into()), ("label_smoothing", 0.1.into())])),
        with("magface", parameters([("norms", vec![0.5, 3.0].into())])),
        with("sphereface2", parameters([("sub_centres", 2.into())])),
        with("inter-top-k", parameters([("count", 2.into())])),
    ]);
    all
}
