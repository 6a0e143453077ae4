//! This crate's operations compared with Burn's: values and every gradient.

use super::batch_norm::composed;
use super::{
    BatchNormParameters, PoolWindow, add, add_rectified, batch_statistics, convolution, max_pool, normalise,
    product,
};
use crate::parameters::host_values;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, FloatDType, Tensor, TensorData, activation};
use widemargin_head::ProductPrecision::{Bf16, F32};

/// For sums of a few hundred products in f32.
const TOLERANCE: f32 = 2e-4;

fn filled<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count)
        .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) % 2003) as f32 / 1001.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn assert_close<const D: usize>(what: &str, a: Tensor<D>, b: Tensor<D>) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let (a, b) = (host_values(a), host_values(b));
    for (at, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= TOLERANCE * (1.0 + b.abs()), "{what} at {at}: {a}, Burn has {b}");
    }
}

/// The value of `of` on fresh leaves, and the gradient of each leaf for a fixed output gradient.
fn differentiate<const D: usize, const E: usize, const F: usize>(
    x: &Tensor<D>,
    w: &Tensor<E>,
    of: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<F>,
) -> (Tensor<F>, Tensor<D>, Tensor<E>) {
    let (x, w) = (x.clone().require_grad(), w.clone().require_grad());
    let y = of(x.clone(), w.clone());
    let gradient = filled(y.dims(), 77, &y.device());
    let gradients = (y.clone() * gradient).sum().backward();
    (y.inner(), x.grad(&gradients).expect("x is tracked"), w.grad(&gradients).expect("w is tracked"))
}

#[test]
fn convolution_equals_burns() {
    let device = Device::flex().autodiff();
    for (b, c, h, w, o, k, stride, padding) in [
        (2, 1, 28, 28, 8, 3, 1, 1),
        (3, 5, 7, 9, 4, 3, 2, 1),
        (1, 4, 6, 6, 7, 1, 2, 0),
        (2, 2, 5, 3, 1, 3, 1, 0),
        (2, 3, 33, 20, 6, 7, 2, 3),
        (1, 2, 2, 1, 3, 7, 2, 3),
    ] {
        let x = filled([b, c, h, w], 1, &device);
        let weights = filled([o, c, k, k], 2, &device);
        let ours = differentiate(&x, &weights, |x, w| convolution(x, w, stride, padding, F32));
        let burns = differentiate(&x, &weights, |x, w| {
            let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
            conv2d(x, w, None, options)
        });
        assert_close("output", ours.0, burns.0);
        assert_close("input gradient", ours.1, burns.1);
        assert_close("weight gradient", ours.2, burns.2);
    }
}

/// Values and gradients are near those in f32: bfloat16 rounds each factor by 2^-9 of it at most, each product by 2^-8. A sum of values of
/// both signs can be smaller than its terms, so twice as much is allowed.
#[test]
fn products_in_bfloat16_are_near_f32() {
    fn assert_near<const D: usize>(what: &str, found: Tensor<D>, expected: Tensor<D>) {
        assert_eq!(found.dims(), expected.dims(), "{what}");
        let (found, expected) = (host_values(found), host_values(expected));
        let length: f32 = expected.iter().map(|value| value * value).sum::<f32>().sqrt();
        let error: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        assert!(error <= 2.0_f32.powi(-7) * length, "{what}: {error} of {length}");
        assert!(error > 0.0, "{what}: the factors were not rounded");
    }
    let device = Device::flex().autodiff();
    let (x, w) = (filled([3, 10, 7, 9], 1, &device), filled([4, 10, 3, 3], 2, &device));
    let of = |precision| differentiate(&x, &w, |x, w| convolution(x, w, 2, 1, precision));
    let (rounded, full) = (of(Bf16), of(F32));
    assert_near("convolution", rounded.0, full.0);
    assert_near("input gradient of a convolution", rounded.1, full.1);
    assert_near("weight gradient of a convolution", rounded.2, full.2);
    let (x, w) = (filled([5, 70], 1, &device), filled([70, 33], 2, &device));
    let of = |precision| differentiate(&x, &w, |x, w| product(x, w, precision));
    let (rounded, full) = (of(Bf16), of(F32));
    assert_near("product", rounded.0, full.0);
    assert_near("input gradient of a product", rounded.1, full.1);
    assert_near("weight gradient of a product", rounded.2, full.2);
}

#[test]
fn sums_equal_burns() {
    let device = Device::flex().autodiff();
    for dims in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 40, 17, 19]] {
        let (x, y) = (filled(dims, 1, &device), filled(dims, 2, &device));
        let pairs = [
            (differentiate(&x, &y, add), differentiate(&x, &y, |x, y| x + y)),
            (differentiate(&x, &y, add_rectified), differentiate(&x, &y, |x, y| activation::relu(x + y))),
            // One tensor on both sides gets both gradients.
            (
                differentiate(&x, &y, |x, y| add_rectified(add(x.clone(), x.clone()), add(x, y))),
                differentiate(&x, &y, |x, y| activation::relu(x.clone() + x.clone() + (x + y))),
            ),
        ];
        for (ours, burns) in pairs {
            assert_close("output", ours.0, burns.0);
            assert_close("gradient of one", ours.1, burns.1);
            assert_close("gradient of the other", ours.2, burns.2);
        }
    }
}

#[test]
fn pooling_equals_burns() {
    let device = Device::flex().autodiff();
    let x = filled([2, 3, 9, 8], 5, &device);
    let none = filled([1], 1, &device);
    for window in [PoolWindow::disjoint(2), PoolWindow { size: 3, stride: 2, padding: 1 }] {
        let PoolWindow { size, stride, padding } = window;
        let ours = differentiate(&x, &none, |x, n| max_pool(x, window) * n.reshape([1, 1, 1, 1]));
        let burns = differentiate(&x, &none, |x, n| {
            let options = MaxPoolOptions::new([size, size]).with_stride([stride, stride]);
            max_pool2d(x, options.with_padding([padding, padding])) * n.reshape([1, 1, 1, 1])
        });
        assert_close("output", ours.0, burns.0);
        assert_close("gradient", ours.1, burns.1);
    }
}

#[test]
fn normalisation_equals_the_composed_one() {
    let device = Device::flex().autodiff();
    let x = filled([4, 3, 5, 2], 9, &device);
    let lines = filled([3, 3], 3, &device);
    for of_batch in [true, false] {
        let (mean, variance) =
            if of_batch { batch_statistics(&x) } else { (vec![0.1, -0.2, 0.3], vec![0.5, 1.0, 2.0]) };
        let parameters = |l: Tensor<2>| {
            let row = |at: usize| Some(l.clone().slice([at..at + 1, 0..3]).reshape([3]));
            BatchNormParameters { weight: row(0), bias: row(1), slope: row(2) }
        };
        let ours =
            differentiate(&x, &lines, |x, l| normalise(x, &mean, &variance, 1e-5, &parameters(l), of_batch));
        let burns =
            differentiate(&x, &lines, |x, l| composed(x, &mean, &variance, 1e-5, &parameters(l), of_batch));
        assert_close("output", ours.0, burns.0);
        assert_close("input gradient", ours.1, burns.1);
        assert_close("parameter gradients", ours.2, burns.2);
    }
}

/// The operations in half precision, as on a device with fast half precision. The CPU can run them slowly.
#[test]
fn half_precision_follows_the_input() {
    /// `f16` rounds by 5e-4; sums of 45 products and the division by the deviation add to that.
    const HALF_TOLERANCE: f32 = 2e-2;
    let device = Device::flex().autodiff();
    let x = filled([2, 5, 7, 9], 1, &device);
    let weights = filled([4, 5, 3, 3], 2, &device);
    let network = |x: Tensor<4>, w: Tensor<4>| {
        let y = convolution(x, w, 1, 1, F32);
        let (mean, variance) = batch_statistics(&y);
        max_pool(
            normalise(y, &mean, &variance, 1e-5, &BatchNormParameters::default(), true),
            PoolWindow::disjoint(2),
        )
    };
    let full = differentiate(&x, &weights, network);
    let half = differentiate(&x, &weights, |x, w| {
        let y = network(x.cast(FloatDType::F16), w);
        assert_eq!(FloatDType::from(y.dtype()), FloatDType::F16, "the type of the input is kept");
        super::cast(y, FloatDType::F32)
    });
    assert_ne!(host_values(full.0.clone()), host_values(half.0.clone()), "half precision was used");
    for (what, full, half) in [
        ("output", host_values(full.0), host_values(half.0)),
        ("input gradient", host_values(full.1), host_values(half.1)),
        ("weight gradient", host_values(full.2), host_values(half.2)),
    ] {
        let length: f32 = full.iter().map(|value| value * value).sum::<f32>().sqrt();
        let error: f32 = full.iter().zip(&half).map(|(f, h)| (f - h) * (f - h)).sum::<f32>().sqrt();
        assert!(error <= HALF_TOLERANCE * length, "{what}: {error} of {length}");
    }
}

#[test]
fn untracked_tensors_stay_untracked() {
    let device = Device::flex();
    let y = convolution(filled([1, 1, 4, 4], 1, &device), filled([1, 1, 3, 3], 2, &device), 1, 1, F32);
    assert!(!y.is_autodiff());
    assert!(!max_pool(y, PoolWindow::disjoint(2)).is_autodiff());
}
