//! The module as part of a model.

use super::*;
use crate::parameters::{self, host_values};
use widemargin_objective::Parameters;

const LABELS: [u32; 5] = [0, 3, 1, 1, 2];

fn filled(rows: usize, columns: usize, seed: u32, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..(rows * columns) as u32)
        .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) % 2003) as f32 / 1001.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

fn module(name: &str, device: &Device) -> Loss {
    let objective = AnyObjective::from_name(name, &Parameters::new(), 4).expect("default parameters");
    Loss::new(objective, 4, 3, 1, device).expect("four classes")
}

#[test]
fn a_learnt_scale_is_a_parameter_and_gets_its_gradient() {
    let device = Device::flex().autodiff();
    let module = module("normface", &device);
    assert_eq!(module.num_params(), 13, "four centres of dimension three, and a scale");
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
    for name in AnyObjective::names() {
        let module = module(name, &device);
        let value = module.forward(features.clone(), &LABELS).expect(name);
        assert!(host_values(value.inner())[0].is_finite(), "{name}");
        let step = module.state().map(|state| state.step);
        assert!(step.is_none_or(|step| step == 1), "{name}");
        assert!(module.forward(features.clone(), &[0, 1]).is_err(), "{name}");
        let broken = features.clone() / 0.0;
        assert!(module.forward(broken, &LABELS).is_err(), "{name}");
        if step.is_some() {
            let error = module.forward(features.clone(), &[0, 4, 1, 1, 2]).expect_err(name).to_string();
            assert!(error.contains('4') && error.contains('1'), "{name}: {error}");
        }
        assert_eq!(module.state().map(|state| state.step), step, "{name}: a rejected batch changes no state");
    }
}
