//! Softplus and log-sum-exp without overflow.

/// `T log(1 + e^{u / T})` and its derivative with respect to `u`.
pub(crate) fn softplus(u: f64, temperature: f64) -> (f64, f64) {
    let small = (-u.abs() / temperature).exp();
    let value = u.max(0.0) + temperature * small.ln_1p();
    let slope = if u > 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    (value, slope)
}

/// `ln sum_i times_i e^{x_i}`, with 1 added to the sum if `add_one`. The list becomes the derivative with respect to each
/// `x_i` (softmax weights).
///
/// An empty list gives 0, with or without the 1. The maximum is subtracted first, so that nothing overflows. With the 1, a
/// small sum goes through `ln_1p` and keeps its digits.
pub(crate) fn log_sum_exp(list: &mut [f64], times: impl Fn(usize) -> f64, add_one: bool) -> f64 {
    if list.is_empty() {
        return 0.0;
    }
    let start = if add_one { 0.0 } else { f64::NEG_INFINITY };
    let largest = list.iter().copied().fold(start, f64::max);
    let mut sum = 0.0;
    for (at, value) in list.iter_mut().enumerate() {
        *value = times(at) * (*value - largest).exp();
        sum += *value;
    }
    let (total, log) = if !add_one {
        (sum, largest + sum.ln())
    } else if largest == 0.0 {
        (1.0 + sum, sum.ln_1p())
    } else {
        let total = sum + (-largest).exp();
        (total, largest + total.ln())
    };
    for value in list.iter_mut() {
        *value /= total;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_is_safe_and_keeps_small_sums() {
        let mut list = [1e4, 1e4 + 1.0];
        let found = log_sum_exp(&mut list, |_| 1.0, false);
        assert!((found - (1e4 + 1.0 + (-1.0_f64).exp().ln_1p())).abs() < 1e-11);
        assert!((list[0] + list[1] - 1.0).abs() < 1e-15);
        let mut list = [-40.0];
        assert!((log_sum_exp(&mut list, |_| 2.0, true) / (2.0 * (-40.0_f64).exp()) - 1.0).abs() < 1e-15);
        let mut list = [3.0_f64, -1.0];
        let expected = (1.0 + 3.0_f64.exp() + 2.0 * (-1.0_f64).exp()).ln();
        assert!((log_sum_exp(&mut list, |at| 1.0 + at as f64, true) - expected).abs() < 1e-15);
        assert_eq!(log_sum_exp(&mut [], |_| 1.0, false), 0.0);
    }

    #[test]
    fn softplus_is_accurate_at_both_ends() {
        assert_eq!(softplus(1e4, 1.0), (1e4, 1.0));
        assert_eq!(softplus(-1e4, 1.0), (0.0, 0.0));
        let (value, slope) = softplus(0.0, 1.0);
        assert!((value - 2.0_f64.ln()).abs() < 1e-15 && slope == 0.5);
    }
}
