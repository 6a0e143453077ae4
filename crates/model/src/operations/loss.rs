//! A loss computed outside the graph, with hand-written gradients, as one operation of the graph.

use super::custom::{self, CpuTensor, Saved, slice, tensor};
use crate::parameters::host_values;
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;
use std::sync::Arc;

/// The value of a loss and its gradient with respect to each input, row-major, on the host.
pub(crate) struct LossOfValues<const N: usize> {
    pub(crate) value: f32,
    pub(crate) gradients: [Vec<f32>; N],
}

/// Computes a loss from the values of `inputs` with `compute`, as a tensor of shape `[1]` in the autodiff graph.
///
/// On the CPU it is one node with a hand-written backward pass. On other devices the values are copied to the host once,
/// and the result is the loss plus the sum of `(x - stop(x)) * gradient`, which has the right gradient by construction.
pub(crate) fn loss<const N: usize, E>(
    inputs: [Tensor<2>; N],
    compute: impl FnOnce([&[f32]; N]) -> Result<LossOfValues<N>, E>,
) -> Result<Tensor<1>, E> {
    let shapes = inputs.each_ref().map(|input| input.dims().to_vec());
    let cpu = inputs.each_ref().map(|input| CpuTensor::new(input.clone()));
    if cpu.iter().all(Option::is_some) {
        let cpu = cpu.map(|tensor| tensor.expect("all inputs are on the CPU"));
        let LossOfValues { value, gradients } = compute(cpu.each_ref().map(CpuTensor::slice))?;
        let mut gradients = gradients.map(Arc::<[f32]>::from).into_iter().zip(shapes);
        let saved =
            SavedLoss(std::array::from_fn::<_, N, _>(|_| gradients.next().expect("N gradients and shapes")));
        return Ok(custom::record(cpu.each_ref(), tensor(vec![value], &[1]), saved));
    }
    let values = inputs.each_ref().map(|input| host_values(input.clone()));
    let LossOfValues { value, gradients } = compute(values.each_ref().map(Vec::as_slice))?;
    let device = inputs[0].device();
    let mut loss = Tensor::<1>::from_data(TensorData::new(vec![value], [1]), &device);
    for ((input, gradient), shape) in inputs.into_iter().zip(gradients).zip(shapes) {
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient, shape), &device);
        loss = loss + ((input.clone() - input.detach()) * gradient).sum();
    }
    Ok(loss)
}

#[derive(Clone, Debug)]
struct SavedLoss<const N: usize>([(Arc<[f32]>, Vec<usize>); N]);

impl<const N: usize> Saved<N> for SavedLoss<N> {
    fn gradients(&self, output_gradient: &FlexTensor, expected: [bool; N]) -> [Option<FlexTensor>; N] {
        let factor = slice(output_gradient)[0];
        std::array::from_fn(|at| {
            let (gradient, shape) = &self.0[at];
            expected[at].then(|| tensor(gradient.iter().map(|value| value * factor).collect(), shape))
        })
    }
}
