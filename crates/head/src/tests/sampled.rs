//! The sampled mode: it equals the dense head over the drawn classes, and rows that are not drawn stay unchanged.

use widemargin_objective::{Objective, parameters};

use super::{labels, values, view};
use crate::{Error, Head, HeadConfig, HeadMode, OptimiserConfig};

fn head(classes: usize, mode: HeadMode, optimiser: OptimiserConfig) -> Head {
    let objective = Objective::am_softmax(20.0, 0.2).expect("in range");
    Head::new(classes, 8, objective, HeadConfig { optimiser, mode, ..Default::default() }).expect("in range")
}

#[test]
fn a_rate_of_one_is_the_dense_head() {
    let sgd = OptimiserConfig::sgd(0.9, 5e-4);
    let (mut dense, mut sampled) =
        (head(50, HeadMode::Dense, sgd), head(50, HeadMode::Sampled { rate: 1.0 }, sgd));
    for step in 0..10 {
        let (x, y) = (values(12 * 8, step), labels(12, 50, step));
        let expected = dense.step(view(&x, 12, 8), &y, 0.1).expect("finite");
        assert_eq!(sampled.step(view(&x, 12, 8), &y, 0.1).expect("finite"), expected);
    }
    assert_eq!(dense.centres(), sampled.centres());
}

#[test]
fn only_drawn_rows_move_and_they_move_as_in_a_head_of_the_drawn_classes() {
    for optimiser in [OptimiserConfig::sgd(0.9, 0.01), OptimiserConfig::adam_w(0.1)] {
        let mut sampled = head(400, HeadMode::Sampled { rate: 0.1 }, optimiser);
        for step in 0..5 {
            let (x, y) = (values(6 * 8, step), labels(6, 400, step));
            let before = sampled.centres().to_vec();
            let found = sampled.forward(view(&x, 6, 8), &y).expect("finite");
            let gradient = sampled.gradient(&found.pending).expect("of this step");
            let norm = gradient.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            assert!((norm / sampled.gradient_norm(&found.pending).expect("of this step") - 1.0).abs() < 1e-5);
            sampled.apply(found.pending, 0.1, 1.0).expect("in range");
            let moved: Vec<usize> = (0..400)
                .filter(|&row| sampled.centres()[row * 8..(row + 1) * 8] != before[row * 8..(row + 1) * 8])
                .collect();
            assert_eq!(moved.len(), 40, "a tenth of 400 classes");
            assert!(y.iter().all(|&label| moved.contains(&(label as usize))));
            for row in (0..400).filter(|row| !moved.contains(row)) {
                assert!(gradient[row * 8..(row + 1) * 8].iter().all(|&value| value == 0.0));
            }
        }
        let state = sampled.state();
        let mut again = Head::from_state(state).expect("its own state");
        let (x, y) = (values(6 * 8, 9), labels(6, 400, 9));
        let expected = sampled.step(view(&x, 6, 8), &y, 0.1).expect("finite");
        assert_eq!(
            again.step(view(&x, 6, 8), &y, 0.1).expect("finite"),
            expected,
            "the same draw after a restart"
        );
    }
}

#[test]
fn rates_out_of_range_are_rejected() {
    for rate in [0.0, -0.5, 1.5, f64::NAN] {
        let config = HeadConfig { mode: HeadMode::Sampled { rate }, ..Default::default() };
        let error = Head::new(10, 4, Objective::am_softmax(30.0, 0.35).expect("in range"), config);
        assert!(matches!(error, Err(Error::OutOfRange { setting: "rate", .. })), "{rate}");
    }
    let mut sampled = head(10, HeadMode::Sampled { rate: 0.5 }, OptimiserConfig::default());
    let x = values(2 * 8, 1);
    assert!(matches!(sampled.step(view(&x, 2, 8), &[3, 10], 0.1), Err(Error::Label { row: 1, .. })));
}

/// The label to ignore may equal the number that a class has among the drawn ones.
#[test]
fn ignored_samples_have_no_effect_whatever_classes_are_drawn() {
    let (x, y) = (values(12 * 8, 1), labels(12, 400, 1));
    for ignored in [0, 1, 2, 3, 399, u32::MAX] {
        let objective = Objective::am_softmax(20.0, 0.2).expect("in range");
        let objective = widemargin_objective::ClassObjective::from(objective);
        let config = HeadConfig { mode: HeadMode::Sampled { rate: 0.02 }, ..Default::default() };
        let all = Head::new(400, 8, objective.clone(), config).expect("in range");
        let some = Head::new(400, 8, objective.with_ignore_label(Some(ignored)), config).expect("in range");
        let mut with_ignored = y.clone();
        with_ignored.push(ignored);
        let longer = [x.clone(), vec![0.5; 8]].concat();
        let expected = all.forward(view(&x, 12, 8), &y).expect("finite");
        let found = some.forward(view(&longer, 13, 8), &with_ignored).expect("finite");
        assert!(!y.contains(&ignored), "{ignored}: the samples that count have other labels");
        assert_eq!((found.loss, &found.losses[..12]), (expected.loss, &expected.losses[..]), "{ignored}");
        assert_eq!(found.grad_features[..96], expected.grad_features[..], "{ignored}");
        assert!(found.grad_features[96..].iter().all(|&value| value == 0.0), "{ignored}");
    }
}

/// Margins by class in every mode: each sample has the margin of its target class, whatever number the class has among the drawn ones.
#[test]
fn margins_by_count_are_those_of_the_classes_in_every_mode() {
    let (classes, batch, dim) = (400, 12, 8);
    let (x, y) = (values(batch * dim, 1), labels(batch, classes, 1));
    let counts: Vec<u64> = (0..classes as u64).map(|class| 1 + class * class % 97).collect();
    for name in ["am-softmax", "arcface", "sub-centre"] {
        let parameters = parameters([("scale", 16.0.into())]);
        let objective = widemargin_objective::ClassObjective::from_name(name, &parameters, classes);
        let objective = objective.expect("in range").with_margins_by_count(&counts, 0.25).expect("plain");
        let of = |mode| {
            let config = HeadConfig { mode, ..Default::default() };
            Head::new(classes, dim, objective.clone(), config).expect("in range")
        };
        let dense = of(HeadMode::Dense).forward(view(&x, batch, dim), &y).expect("finite");
        // with all classes drawn or kept, the modes equal the dense one
        for mode in [HeadMode::Sampled { rate: 1.0 }, HeadMode::Screened { threshold: Some(1e-9) }] {
            let found = of(mode).forward(view(&x, batch, dim), &y).expect("finite");
            assert!(
                (found.loss - dense.loss).abs() < 1e-4 * dense.loss,
                "{name} {mode:?}: {} {}",
                found.loss,
                dense.loss
            );
        }
        // with some drawn, the loss is that of these classes alone, in f64
        let sampled = of(HeadMode::Sampled { rate: 0.05 });
        let found = sampled.forward(view(&x, batch, dim), &y).expect("finite");
        let crate::gradient::CentreGradient::Drawn(drawn) = &found.pending.gradient else { panic!("drawn") };
        let each = objective.sub_centres();
        let own: Vec<u32> = drawn.rows.iter().step_by(each).map(|row| row / each as u32).collect();
        let all = sampled.centres();
        let centres: Vec<f64> = drawn
            .rows
            .iter()
            .flat_map(|row| all[*row as usize * dim..][..dim].iter().map(|v| f64::from(*v)))
            .collect();
        let renamed: Vec<u32> =
            y.iter().map(|label| own.partition_point(|class| class < label) as u32).collect();
        let wide = super::wide(&x);
        let expected = objective.of_classes(&own).expect("there").evaluate(
            view(&wide, batch, dim),
            view(&centres, own.len() * each, dim),
            &renamed,
            &widemargin_objective::EvaluateOptions::default(),
        );
        let expected = expected.expect("finite");
        assert!(
            (found.loss - expected.loss).abs() < 1e-4 * expected.loss,
            "{name}: {} {}",
            found.loss,
            expected.loss
        );
        for (found, expected) in found.grad_features.iter().zip(&expected.grad_features) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-4 * expected.abs().max(1e-2),
                "{name}: {found} {expected}"
            );
        }
    }
}
