//! The parameters of a module and their gradients as named vectors.

use crate::Error;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use std::collections::{BTreeMap, BTreeSet};

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
    replace_parameters(module, stored.to_vec())
}

/// As [`with_parameters`], without a copy of the values.
///
/// # Errors
/// As [`with_parameters`].
pub fn replace_parameters<M: Module>(module: M, stored: Vec<Parameter>) -> Result<M, Error> {
    let wrong = |name: &str, found: String, expected: String| Error::BadParameter {
        name: name.to_owned(),
        found,
        expected,
    };
    let by_name: BTreeMap<&str, &Parameter> = stored.iter().map(|p| (p.name.as_str(), p)).collect();
    let mut shapes = ShapeCollector::default();
    module.visit(&mut shapes);
    for (name, expected) in &shapes.found {
        match by_name.get(name.as_str()) {
            None => {
                return Err(wrong(name, "nothing".to_owned(), format!("shape {expected:?}")));
            }
            Some(found) if found.shape != *expected => {
                return Err(wrong(name, format!("shape {:?}", found.shape), format!("shape {expected:?}")));
            }
            Some(_) => {}
        }
    }
    let expected: BTreeSet<&str> = shapes.found.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(extra) = stored.iter().find(|p| !expected.contains(p.name.as_str())) {
        return Err(wrong(&extra.name, format!("shape {:?}", extra.shape), "no such parameter".to_owned()));
    }
    let by_name = stored.into_iter().map(|p| (p.name, (p.values, p.shape))).collect();
    Ok(module.map(&mut Loader { path: Vec::new(), by_name }))
}

/// Name and shape of every parameter and buffer, in the order of the fields.
#[derive(Default)]
struct ShapeCollector {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for ShapeCollector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((self.path.join("."), param.val().dims().to_vec()));
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

struct Loader {
    path: Vec<String>,
    by_name: BTreeMap<String, (Vec<f32>, Vec<usize>)>,
}

impl ModuleMapper for Loader {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((values, shape)) = self.by_name.remove(self.path.join(".").as_str()) else { return param };
        param.map(|old| {
            let new = Tensor::from_data(TensorData::new(values, shape), &old.device());
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

/// The sum of the squares of all values, in `f64`; the same for any number of threads.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    widemargin_kernels::elementwise::sum_of_squares(values)
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
