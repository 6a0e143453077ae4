//! The screened mode: every class is scored, few are updated.
//!
//! 1. Every class is scored in 7-bit integers ([`widemargin_kernels::screening`]) from a copy of the unit class centres that
//!    takes one byte per value. These scores give the exponentials of the softmax and their sum.
//! 2. A few non-target classes are kept per sample ([`widemargin_kernels::sieve`]): all whose share of the non-target sum is
//!    above the threshold `tau`, and of the others about one per `tau` of the sum, which then stands for `tau`. The tail is not
//!    dropped: each of its entries is tiny, but all pull the same way, and without them the centres drift towards the mean
//!    feature. Until the sum is known, an estimate from a few panels is used, which is rather too low than too high; classes kept
//!    in excess are thinned out afterwards.
//! 3. The kept classes are scored exactly. A sampled entry stands for `tau` times the ratio of its exact to its screened
//!    exponential, and the same ratio corrects the sum of all exponentials. The means of both over the draws are exact. The gradient
//!    is their quotient, a self-normalised estimate: asymptotically unbiased, as more classes are kept. The example `estimate_bias`
//!    measures the bias.
//! 4. Gradient and optimiser touch the kept rows only. The updates of the others are deferred ([`crate::lazy`]).
//!
//! With several centres per class the nearest one counts ([`several`]): by the screened scores in the sum, by the exact scores
//! among the kept classes.
//!
//! Classes are processed in chunks, each with its own random phase, so that chunks are independent: the result does not depend
//! on the number of threads.

mod pass;
mod rescore;
mod screen;
mod several;
mod sift;
mod threshold;
mod update;

pub(crate) use pass::forward;
pub(crate) use screen::Screen;
pub(crate) use threshold::{check_objective, threshold};
pub(crate) use update::step;
