//! The parameters of a module and their gradients as named vectors.

use crate::Error;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use std::collections::BTreeMap;

/// The role of a stored vector in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a linear layer or convolution: weight decay applies.
    Weight,
    /// Biases, slopes, weights of batch normalisations: learnt without weight decay.
    Undecayed,
    /// Running statistics: not learnt.
    Buffer,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Path of the field, for example `small_cnn.convolution.0.weight`.
    pub name: String,
    /// Shape, in row-major order.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
    /// Role in training.
    pub role: Role,
}

/// The values of a float tensor on any device and of any precision, as `f32` in row-major order.
pub fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as::<f32>().expect("every float type converts to f32")
}

fn role(name: &str, rank: usize) -> Role {
    let field = name.rsplit('.').next().unwrap_or(name);
    match field {
        "running_mean" | "running_variance" => Role::Buffer,
        _ if rank >= 2 => Role::Weight,
        _ => Role::Undecayed,
    }
}

/// Every parameter and buffer of `module`, in the order of its fields.
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut collector = Collector { path: Vec::new(), found: Vec::new() };
    module.visit(&mut collector);
    collector.found
}

struct Collector {
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let (name, shape) = (self.path.join("."), value.dims().to_vec());
        let values = host_values(value);
        self.found.push(Parameter { role: role(&name, shape.len()), name, shape, values });
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// The gradient of every learnt parameter, in the order of [`parameters`] without buffers. Parameters that the loss does not
/// depend on get zeros.
pub fn gradients<M: Module>(module: &M, gradients: &mut Gradients) -> Vec<Vec<f32>> {
    let mut taker = GradientTaker { path: Vec::new(), gradients, found: Vec::new() };
    module.visit(&mut taker);
    taker.found
}

struct GradientTaker<'a> {
    path: Vec<String>,
    gradients: &'a mut Gradients,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor for GradientTaker<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if role(&self.path.join("."), D) == Role::Buffer {
            return;
        }
        let value = param.val();
        let gradient = value.grad_remove(self.gradients);
        self.found.push(match gradient {
            Some(gradient) => host_values(gradient),
            None => vec![0.0; value.shape().num_elements()],
        });
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// Loads the values of `stored` into `module`, by name.
///
/// # Errors
/// [`Error::BadParameter`] if a parameter is missing, has another shape, or does not belong to the module.
pub fn with_parameters<M: Module>(module: M, stored: &[Parameter]) -> Result<M, Error> {
    let wrong = |name: &str, found: String, expected: String| Error::BadParameter {
        name: name.to_owned(),
        found,
        expected,
    };
    let by_name: BTreeMap<&str, &Parameter> = stored.iter().map(|p| (p.name.as_str(), p)).collect();
    let expected = parameters(&module);
    for parameter in &expected {
        match by_name.get(parameter.name.as_str()) {
            None => {
                return Err(wrong(
                    &parameter.name,
                    "nothing".to_owned(),
                    format!("shape {:?}", parameter.shape),
                ));
            }
            Some(found) if found.shape != parameter.shape => {
                let (found, shape) =
                    (format!("shape {:?}", found.shape), format!("shape {:?}", parameter.shape));
                return Err(wrong(&parameter.name, found, shape));
            }
            Some(_) => {}
        }
    }
    if let Some(extra) = stored.iter().find(|p| expected.iter().all(|w| w.name != p.name)) {
        return Err(wrong(&extra.name, format!("shape {:?}", extra.shape), "no such parameter".to_owned()));
    }
    Ok(module.map(&mut Loader { path: Vec::new(), by_name }))
}

struct Loader<'a> {
    path: Vec<String>,
    by_name: BTreeMap<&'a str, &'a Parameter>,
}

impl ModuleMapper for Loader<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(stored) = self.by_name.get(name.as_str()) else { return param };
        param.map(|old| {
            let data = TensorData::new(stored.values.clone(), stored.shape.clone());
            let new = Tensor::from_data(data, &old.device());
            // Buffers and frozen parameters have no gradient.
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// Freezes the parameters for whose names `frozen` returns true: they get no gradient. A batch normalisation with a frozen
/// running mean normalises with its running statistics in training too and does not update them. The backward pass stops at
/// the first learnt parameter.
pub fn freeze<M: Module>(module: M, frozen: &dyn Fn(&str) -> bool) -> M {
    module.map(&mut Freezer { path: Vec::new(), frozen })
}

struct Freezer<'a> {
    path: Vec<String>,
    frozen: &'a dyn Fn(&str) -> bool,
}

impl ModuleMapper for Freezer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        if role(&name, D) != Role::Buffer && (self.frozen)(&name) {
            param.set_require_grad(false)
        } else {
            param
        }
    }

    /// The flag of a batch normalisation, a sibling of its running statistics.
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let Some((_, above)) = self.path.split_last() else { return flag };
        let sibling = [above, &["running_mean".to_owned()]].concat().join(".");
        let value = (self.frozen)(&sibling);
        flag.with_value(value)
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
