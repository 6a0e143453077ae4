//! Sums of two tensors, with an optional rectifier after them: the end of a residual block.

use super::custom::{self, CpuTensor, Saved, slice, tensor};
use burn::tensor::{Tensor, activation};
use burn_flex::FlexTensor;
use widemargin_kernels::elementwise;

/// `one + other`, of tensors with the same shape.
///
/// # Panics
/// If the shapes differ.
pub fn add(one: Tensor<4>, other: Tensor<4>) -> Tensor<4> {
    let Some([cpu, cpu_other]) = on_cpu(&one, &other) else { return one + other };
    let output = elementwise::sum(cpu.slice(), cpu_other.slice());
    custom::record([&cpu, &cpu_other], tensor(output, &one.dims()), SavedSum)
}

/// `max(one + other, 0)`, of tensors with the same shape.
///
/// # Panics
/// If the shapes differ.
pub fn add_rectified(one: Tensor<4>, other: Tensor<4>) -> Tensor<4> {
    let Some([cpu, cpu_other]) = on_cpu(&one, &other) else { return activation::relu(one + other) };
    let output = elementwise::rectified_sum(cpu.slice(), cpu_other.slice());
    let output = tensor(output, &one.dims());
    let saved = SavedRectified { output: output.clone(), dims: one.dims() };
    custom::record([&cpu, &cpu_other], output, saved)
}

fn on_cpu(one: &Tensor<4>, other: &Tensor<4>) -> Option<[CpuTensor; 2]> {
    assert_eq!(one.dims(), other.dims(), "the operands of a sum must have the same shape");
    Some([CpuTensor::new(one.clone())?, CpuTensor::new(other.clone())?])
}

#[derive(Clone, Debug)]
struct SavedSum;

impl Saved<2> for SavedSum {
    fn gradients(&self, output_gradient: &FlexTensor, _expected: [bool; 2]) -> [Option<FlexTensor>; 2] {
        // Both share the memory of the output gradient.
        [Some(output_gradient.clone()), Some(output_gradient.clone())]
    }
}

#[derive(Clone, Debug)]
struct SavedRectified {
    output: FlexTensor,
    dims: [usize; 4],
}

impl Saved<2> for SavedRectified {
    fn gradients(&self, output_gradient: &FlexTensor, _expected: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let gradient = elementwise::rectified_gradient(slice(&self.output), slice(output_gradient));
        let gradient = tensor(gradient, &self.dims);
        [Some(gradient.clone()), Some(gradient)]
    }
}
