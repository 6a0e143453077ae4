//! Kernels on slices as operations of Burn's automatic differentiation on the CPU.

use burn::backend::BackendTypes;
use burn::tensor::{DType, Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor};
use std::fmt::Debug;

type Tracked = Autodiff<Flex, NoCheckpointing>;
type TrackedTensor = <Tracked as BackendTypes>::FloatTensorPrimitive;

/// An `f32` tensor on the CPU, with or without a node in the autodiff graph.
#[derive(Debug, Clone)]
pub(super) struct CpuTensor {
    values: FlexTensor,
    tracked: Option<TrackedTensor>,
}

impl CpuTensor {
    /// `None` for a tensor on another device or with a different type than `f32`.
    pub(super) fn new<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        if tensor.is_autodiff() {
            let tracked = tensor.try_into_primitive::<Tracked>().ok()?;
            let values = tracked.primitive().to_contiguous();
            Some(Self { values, tracked: Some(tracked) })
        } else {
            let values = tensor.try_into_primitive::<Flex>().ok()?.to_contiguous();
            Some(Self { values, tracked: None })
        }
    }

    /// The values in row-major order.
    pub(super) fn slice(&self) -> &[f32] {
        slice(&self.values)
    }

    /// The values, for the backward pass; they share memory with the tensor.
    pub(super) fn values(&self) -> FlexTensor {
        self.values.clone()
    }
}

/// The values of a contiguous `f32` tensor.
pub(super) fn slice(values: &FlexTensor) -> &[f32] {
    values.as_slice::<f32>().expect("CpuTensor holds contiguous f32 values")
}

/// A tensor of values in row-major order.
pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

/// The state that an operation saves in its forward pass, from which it computes the gradients of its `N` inputs.
pub(super) trait Saved<const N: usize>: Clone + Debug + Send + 'static {
    /// Gradients of the inputs. Those that are not `expected` may be `None`. `output_gradient` is contiguous.
    fn gradients(&self, output_gradient: &FlexTensor, expected: [bool; N]) -> [Option<FlexTensor>; N];
}

/// Records `output` in the autodiff graph as computed from `inputs`. Without tracked inputs it is a plain tensor.
pub(super) fn record<const D: usize, const N: usize, S: Saved<N>>(
    inputs: [&CpuTensor; N],
    output: FlexTensor,
    saved: S,
) -> Tensor<D> {
    if inputs.iter().all(|input| input.tracked.is_none()) {
        return Tensor::from_primitive::<Flex>(output);
    }
    let inputs =
        inputs.map(|input| input.tracked.clone().unwrap_or_else(|| TrackedTensor::new(input.values.clone())));
    let step = Step { saved: std::marker::PhantomData::<S> };
    let nodes = inputs.each_ref().map(TrackedTensor::node);
    let output = match step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Tensor::from_primitive::<Tracked>(output)
}

#[derive(Debug)]
struct Step<S> {
    saved: std::marker::PhantomData<S>,
}

impl<const N: usize, S: Saved<N>> Backward<Flex, N> for Step<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let expected = ops.parents.each_ref().map(Option::is_some);
        let found = ops.state.gradients(&output_gradient, expected);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
