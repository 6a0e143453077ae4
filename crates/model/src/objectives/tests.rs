//! The modules against the same losses composed of Burn's own operations, and as parts of a model.

use super::*;
use crate::parameters::{self, host_values};
use burn::tensor::activation::log_softmax;
use widemargin_objective::ClassParameters;
use widemargin_objective::pairs::PairParameters;

/// Two f32 computations with scales up to 30.
const TOLERANCE: f32 = 3e-4;

const LABELS: [u32; 5] = [0, 3, 1, 1, 2];

fn filled(rows: usize, columns: usize, seed: u32, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..(rows * columns) as u32)
        .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) % 2003) as f32 / 1001.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

fn assert_close(what: &str, found: Tensor<2>, wanted: Tensor<2>) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let (found, wanted) = (host_values(found), host_values(wanted));
    let largest = wanted.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= TOLERANCE * largest, "{what}: {found}, composed {wanted}");
    }
}

fn units(x: Tensor<2>) -> Tensor<2> {
    let norms = x.clone().powi_scalar(2).sum_dim(1).sqrt();
    x / norms
}

/// 1 where row and class belong together.
fn one_hot(classes: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0f32; LABELS.len() * classes];
    LABELS.iter().enumerate().for_each(|(row, label)| values[row * classes + *label as usize] = 1.0);
    Tensor::from_data(TensorData::new(values, [LABELS.len(), classes]), device)
}

fn cross_entropy(logits: Tensor<2>, classes: usize) -> Tensor<1> {
    let own = one_hot(classes, &logits.device());
    -(log_softmax(logits, 1) * own).sum() / LABELS.len() as f32
}

/// `loss` against `composed`: value, and gradients of features and of every parameter.
fn check(
    name: &str,
    device: &Device,
    features: &Tensor<2>,
    module: &impl Module,
    forward: impl Fn(Tensor<2>) -> Tensor<1>,
    weights: Tensor<2>,
    composed: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
) {
    let ours_input = features.clone().require_grad();
    let ours = forward(ours_input.clone());
    let (x, w) = (features.clone().require_grad(), weights.require_grad());
    let theirs = composed(x.clone(), w.clone());
    let as_matrix = |value: Tensor<1>| value.inner().reshape([1, 1]);
    assert_close(name, as_matrix(ours.clone()), as_matrix(theirs.clone()));
    // A factor behind the loss must reach every gradient.
    let mut found = (ours * 3.0).backward();
    let wanted = (theirs * 3.0).backward();
    let gradient = ours_input.grad(&found).expect("tracked");
    assert_close(&format!("{name}: features"), gradient, x.grad(&wanted).expect("tracked"));
    if let Some(of_weights) = w.grad(&wanted) {
        let parameters = parameters::gradients(module, &mut found);
        let shape = of_weights.dims();
        let first = parameters.first().expect("the weights are the first parameter").clone();
        let first = Tensor::<2>::from_data(TensorData::new(first, shape), &device.clone().inner());
        assert_close(&format!("{name}: weights"), first, of_weights);
    }
}

/// A loss of features and weights in Burn's own operations.
type Composed<'a> = Box<dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + 'a>;

#[test]
fn losses_on_class_centres_equal_the_composed_ones() {
    let device = Device::flex().autodiff();
    let features = filled(5, 3, 1, &device);
    let cosines = |x: Tensor<2>, w: Tensor<2>| units(x).matmul(units(w).transpose());
    let own = one_hot(4, &device);
    let margin = own.clone() * 0.35;
    let cases: Vec<(&str, Composed<'_>)> = vec![
        ("softmax", Box::new(|x, w| cross_entropy(x.matmul(w.transpose()), 4))),
        ("normalized-softmax", Box::new(|x, w| cross_entropy(cosines(x, w) * 30.0, 4))),
        ("am-softmax", Box::new(|x, w| cross_entropy((cosines(x, w) - margin.clone()) * 30.0, 4))),
        (
            "arcface",
            // cos(t + m) = cos t cos m - sin t sin m, where t + m stays below pi
            Box::new(|x, w| {
                let cosine = cosines(x, w);
                let sine = (cosine.clone().powi_scalar(2).neg() + 1.0).sqrt();
                let turned = cosine.clone() * 0.5f32.cos() - sine * 0.5f32.sin();
                cross_entropy((cosine.clone() + (turned - cosine) * own.clone()) * 20.0, 4)
            }),
        ),
        ("normface", Box::new(|x, w| cross_entropy(cosines(x, w) * 10.0, 4))),
    ];
    for (name, composed) in cases {
        let scale = (name == "arcface").then_some(20.0);
        let parameters = ClassParameters { scale, ..ClassParameters::default() };
        let objective = ClassObjective::from_name(name, &parameters, 4).expect("in range");
        let module = ClassLoss::new(objective, 4, 3, 1, &device).expect("four classes");
        let weights = module.centres().detach();
        check(
            name,
            &device,
            &features,
            &module,
            |x| module.forward(x, &LABELS).expect("finite"),
            weights,
            composed,
        );
    }
}

#[test]
fn losses_on_pairs_and_proxies_equal_the_composed_ones() {
    let device = Device::flex().autodiff();
    let features = filled(5, 3, 7, &device);
    let make = |name: &str| {
        let objective = PairObjective::from_name(name, &PairParameters::new()).expect("defaults");
        PairLoss::new(objective, 4, 3, 1, &device).expect("four classes")
    };
    // Proxy-NCA: softmax over minus the squared distances of unit vectors.
    let module = make("proxy-nca");
    let weights = module.proxies.as_ref().expect("it has proxies").val().detach();
    let forward = |x| module.forward(x, &LABELS).expect("finite");
    check("proxy-nca", &device, &features, &module, forward, weights, |x, w| {
        let cosine = units(x).matmul(units(w).transpose());
        cross_entropy(cosine * 2.0 - 2.0, 4)
    });
    // Supervised contrastive: only samples 2 and 3 have a positive, each other.
    let module = make("supcon");
    let forward = |x| module.forward(x, &LABELS).expect("finite");
    check("supcon", &device, &features, &module, forward, filled(1, 1, 1, &device), |x, _| {
        let x = units(x);
        let scores = x.clone().matmul(x.transpose()) / 0.1;
        // out of the softmax: each sample itself
        let itself = Tensor::<2>::eye(5, &scores.device()) * 1e4;
        let log_shares = log_softmax(scores - itself, 1);
        let at = |row: usize, column: usize| log_shares.clone().slice([row..row + 1, column..column + 1]);
        (at(2, 3) + at(3, 2)).sum() / -2.0
    });
}

#[test]
fn a_learnt_scale_is_a_parameter_and_gets_its_gradient() {
    let device = Device::flex().autodiff();
    let objective = ClassObjective::from_name("normface", &ClassParameters::default(), 4).expect("in range");
    let module = ClassLoss::new(objective, 4, 3, 1, &device).expect("four classes");
    assert_eq!(module.num_params(), 13, "twelve numbers of centres and a scale");
    let features = filled(5, 3, 1, &device);
    let mut gradients = module.forward(features.clone(), &LABELS).expect("finite").backward();
    let slope = parameters::gradients(&module, &mut gradients)[1][0];
    let value = |scale: f32| {
        let mut all = parameters::parameters(&module);
        all[1].values[0] = scale;
        let moved = parameters::with_parameters(module.clone(), &all).expect("the same parameters");
        host_values(moved.forward(features.clone(), &LABELS).expect("finite").inner())[0]
    };
    let difference = (value(10.1) - value(9.9)) / 0.2;
    assert!((slope - difference).abs() < 0.02 * difference.abs().max(0.1), "{slope} {difference}");
}

#[test]
fn every_objective_is_a_module_and_bad_batches_are_errors() {
    let device = Device::flex().autodiff();
    let features = filled(5, 3, 1, &device);
    for name in ClassObjective::names() {
        let objective = ClassObjective::from_name(name, &ClassParameters::default(), 4).expect("in range");
        let module = ClassLoss::new(objective, 4, 3, 1, &device).expect("four classes");
        let value = module.forward(features.clone(), &LABELS).expect(name);
        assert!(host_values(value.inner())[0].is_finite(), "{name}");
        assert_eq!(module.state().step, 1, "{name}");
        let error = module.forward(features.clone(), &[0, 4, 1, 1, 2]).expect_err(name).to_string();
        assert!(error.contains('4') && error.contains('1'), "{name}: {error}");
        assert_eq!(module.state().step, 1, "{name}: a refused batch leaves no trace");
    }
    for name in PairObjective::names() {
        let objective = PairObjective::from_name(name, &PairParameters::new()).expect("defaults");
        let module = PairLoss::new(objective, 4, 3, 1, &device).expect("four classes");
        let value = module.forward(features.clone(), &LABELS).expect(name);
        assert!(host_values(value.inner())[0].is_finite(), "{name}");
        assert!(module.forward(features.clone(), &[0, 1]).is_err(), "{name}");
        let broken = features.clone() / 0.0;
        assert!(module.forward(broken, &LABELS).is_err(), "{name}");
    }
}
