//! Converts the steps of a backbone to the nodes of a graph.
//!
//! ```text
//! input -> Div 255 -> Sub mean -> Div deviation -> the backbone's steps
//!       -> Abs -> ReduceMax -> Max 1 -> Div -> ReduceL2 -> Max 1e-12 -> Div -> embeddings
//! ```
//!
//! With flip averaging, the steps run on the mirrored input too, with the same weights, and the two results are added before the first `Abs`.
//!
//! Only images are divided by 255. Embeddings with values above 1 are divided by their largest one first, so that no square exceeds
//! the range of `f32`. An embedding of zeros has no direction and stays zero.

use crate::messages::{
    Attribute, Dimension, Extent, FLOAT, Graph, INT64, Node, Shape, Tensor, TensorType, Type, ValueInfo,
};
use crate::metadata::Output;
use std::collections::HashMap;
use widemargin_embedder::{Description, Takes};
use widemargin_model::steps::{Operation, Step, Values};

/// Name of the first dimension, whose length is free.
const BATCH: &str = "batch";

/// The smallest norm that an embedding is divided by.
const LEAST_NORM: f32 = 1e-12;

/// The graph under construction.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
}

impl Builder {
    /// Adds a node with one output and returns the output's name. Its constants are named after it.
    fn node(
        &mut self,
        kind: &str,
        inputs: &[&str],
        constants: Vec<(&str, Values)>,
        attributes: Vec<Attribute>,
    ) -> String {
        let name = format!("{kind}_{}", self.nodes.len());
        let mut input: Vec<String> = inputs.iter().map(|&name| name.to_owned()).collect();
        for (what, values) in constants {
            let name = format!("{name}.{what}");
            self.tensors.push(tensor(&name, &values));
            input.push(name);
        }
        let (op_type, output) = (kind.to_owned(), vec![name.clone()]);
        self.nodes.push(Node { input, output, name: name.clone(), op_type, attribute: attributes });
        name
    }

    /// The input with its columns in reverse order.
    fn mirrored(&mut self, images: &str, width: usize) -> String {
        let name = format!("mirrored_{}.columns", self.nodes.len());
        let columns = (0..width as i64).rev().flat_map(i64::to_le_bytes).collect();
        self.tensors.push(Tensor {
            dims: vec![width as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data: columns,
        });
        self.node("Gather", &[images, &name], vec![], vec![Attribute::of_int("axis", 3)])
    }

    /// Adds the nodes from the position `first` on a second time, with the same constants and the input `other` instead of `input`. Returns what
    /// `result` is called there.
    fn again(&mut self, first: usize, (input, other): (&str, &str), result: &str) -> String {
        let mut renamed = HashMap::from([(input.to_owned(), other.to_owned())]);
        for at in first..self.nodes.len() {
            let mut node = self.nodes[at].clone();
            for name in &mut node.input {
                if let Some(other) = renamed.get(name) {
                    name.clone_from(other);
                }
            }
            for name in node.output.iter_mut().chain([&mut node.name]) {
                let other = format!("{name}.mirrored");
                renamed.insert(std::mem::replace(name, other.clone()), other);
            }
            self.nodes.push(node);
        }
        renamed.remove(result).unwrap_or_else(|| result.to_owned())
    }

    fn step(&mut self, operation: &Operation, inputs: &[&str]) -> String {
        match operation {
            Operation::Convolution { weight, stride, padding } => {
                let (rows, columns) = (weight.shape[2], weight.shape[3]);
                let attributes = vec![
                    Attribute::of_ints("kernel_shape", [rows, columns]),
                    Attribute::of_ints("strides", [*stride; 2]),
                    Attribute::of_ints("pads", [*padding; 4]),
                ];
                self.node("Conv", inputs, vec![("weight", weight.clone())], attributes)
            }
            Operation::BatchNorm { mean, variance, weight, bias, epsilon } => {
                let constant =
                    |value: f32| Values { shape: mean.shape.clone(), values: vec![value; mean.values.len()] };
                let constants = vec![
                    ("weight", weight.clone().unwrap_or_else(|| constant(1.0))),
                    ("bias", bias.clone().unwrap_or_else(|| constant(0.0))),
                    ("mean", mean.clone()),
                    ("variance", variance.clone()),
                ];
                let epsilon = Attribute::of_float("epsilon", *epsilon);
                self.node("BatchNormalization", inputs, constants, vec![epsilon])
            }
            Operation::Prelu { slope, rank } => {
                // one value per channel, with a dimension of 1 for each following dimension
                let mut slope = slope.clone();
                slope.shape.extend(vec![1; rank - 2]);
                self.node("PRelu", inputs, vec![("slope", slope)], vec![])
            }
            Operation::Rectifier => self.node("Relu", inputs, vec![], vec![]),
            Operation::MaxPool(window) => {
                let attributes = vec![
                    Attribute::of_ints("kernel_shape", [window.size; 2]),
                    Attribute::of_ints("strides", [window.stride; 2]),
                    Attribute::of_ints("pads", [window.padding; 4]),
                ];
                self.node("MaxPool", inputs, vec![], attributes)
            }
            Operation::Add => self.node("Add", inputs, vec![], vec![]),
            Operation::MeanOfPositions => {
                let means = self.node("GlobalAveragePool", inputs, vec![], vec![]);
                self.node("Flatten", &[&means], vec![], vec![Attribute::of_int("axis", 1)])
            }
            Operation::Flatten => self.node("Flatten", inputs, vec![], vec![Attribute::of_int("axis", 1)]),
            Operation::FullyConnected { weight, bias } => {
                self.node("Gemm", inputs, vec![("weight", weight.clone()), ("bias", bias.clone())], vec![])
            }
        }
    }
}

fn tensor(name: &str, values: &Values) -> Tensor {
    Tensor {
        dims: values.shape.iter().map(|length| *length as i64).collect(),
        data_type: FLOAT,
        name: name.to_owned(),
        raw_data: values.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn value_info(name: &str, shape: &[usize]) -> ValueInfo {
    let fixed = shape.iter().map(|length| Extent::Fixed(*length as i64));
    let dims = std::iter::once(Extent::Named(BATCH.to_owned())).chain(fixed);
    let dim = dims.map(|extent| Dimension { extent: Some(extent) }).collect();
    let tensor_type = TensorType { elem_type: FLOAT, shape: Some(Shape { dim }) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor_type: Some(tensor_type) }) }
}

/// The graph of a model, with the names of its input and output.
pub(crate) fn build(description: &Description, steps: &[Step], input: &str, output: &Output) -> Graph {
    let mut builder = Builder::default();
    let shape = description.shape();
    let images = description.takes == Takes::Images;
    let scalar = |value: f32| Values { shape: vec![1], values: vec![value] };
    // images have one mean per channel, vectors have one for all dimensions
    let by_channel = |values: &[f32]| Values {
        shape: if images { vec![1, values.len(), 1, 1] } else { vec![values.len()] },
        values: values.to_vec(),
    };
    let mut value = input.to_owned();
    if images {
        value = builder.node("Div", &[&value], vec![("most", scalar(255.0))], vec![]);
    }
    let normalisation = &description.normalisation;
    value = builder.node("Sub", &[&value], vec![("mean", by_channel(&normalisation.mean))], vec![]);
    let deviation = by_channel(&normalisation.deviation);
    value = builder.node("Div", &[&value], vec![("deviation", deviation)], vec![]);

    let mirrored = (output.flip && images).then(|| builder.mirrored(&value, shape.width));
    let (first, start) = (builder.nodes.len(), value.clone());
    let mut values = vec![value];
    for step in steps {
        let inputs: Vec<String> = step.inputs.iter().map(|at| values[*at].clone()).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        values.push(builder.step(&step.operation, &inputs));
    }

    let mut embedding = values.pop().unwrap_or_default();
    if let Some(mirrored) = mirrored {
        let other = builder.again(first, (&start, &mirrored), &embedding);
        embedding = builder.node("Add", &[&embedding, &other], vec![], vec![]);
    }
    let by_row = || vec![Attribute::of_ints("axes", [1]), Attribute::of_int("keepdims", 1)];
    let sizes = builder.node("Abs", &[&embedding], vec![], vec![]);
    let largest = builder.node("ReduceMax", &[&sizes], vec![], by_row());
    let largest = builder.node("Max", &[&largest], vec![("least", scalar(1.0))], vec![]);
    let embedding = builder.node("Div", &[&embedding, &largest], vec![], vec![]);
    let norm = builder.node("ReduceL2", &[&embedding], vec![], by_row());
    let norm = builder.node("Max", &[&norm], vec![("least", scalar(LEAST_NORM))], vec![]);
    builder.node("Div", &[&embedding, &norm], vec![], vec![]);
    if let Some(last) = builder.nodes.last_mut() {
        last.output = vec![output.name.clone()];
    }

    let sides = if images { vec![shape.channels, shape.height, shape.width] } else { vec![shape.values()] };
    Graph {
        node: builder.nodes,
        name: description.backbone.name.to_string(),
        initializer: builder.tensors,
        input: vec![value_info(input, &sides)],
        output: vec![value_info(&output.name, &[description.backbone.embedding])],
    }
}
