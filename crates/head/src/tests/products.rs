//! Products in bfloat16 against products in f32.

use super::{class_objectives, labels, tolerance, values, view};
use crate::{Head, HeadConfig, HeadMode, ProductPrecision};
use widemargin_objective::{ClassObjective, MatRef, Objective};

fn head(
    objective: impl Into<ClassObjective>,
    classes: usize,
    dim: usize,
    products: ProductPrecision,
) -> Head {
    let config = HeadConfig { mode: HeadMode::Dense, products, seed: 3, ..HeadConfig::default() };
    Head::new(classes, dim, objective, config).expect("in range")
}

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = square(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    (difference / square(&mut expected.iter().map(|&value| f64::from(value))).max(f64::MIN_POSITIVE)).sqrt()
}

#[test]
fn every_objective_has_nearly_the_gradients_of_f32() {
    let (batch, classes, dim) = (40, 300, 64);
    let (x, y) = (values(batch * dim, 1), labels(batch, classes, 2));
    for objective in class_objectives(classes) {
        let run = |products| {
            let mut head = head(objective.clone(), classes, dim, products);
            let before = head.centres().into_owned();
            let step = head.step(view(&x, batch, dim), &y, 0.1).expect("finite inputs");
            let moved: Vec<f32> =
                head.centres().iter().zip(&before).map(|(after, before)| after - before).collect();
            (step.loss, step.grad_features, moved)
        };
        let (loss, grad_features, moved) = run(ProductPrecision::F32);
        let (mixed_loss, mixed_grad_features, mixed_moved) = run(ProductPrecision::Bf16);
        assert!(
            (mixed_loss / loss - 1.0).abs() < tolerance::BF16_LOSS,
            "{objective}: loss {mixed_loss}, {loss}"
        );
        for (name, found, expected) in
            [("features", &mixed_grad_features, &grad_features), ("centres", &mixed_moved, &moved)]
        {
            let error = relative_error(found, expected);
            assert!(error < tolerance::BF16_GRADIENTS, "{objective}: {name} {error}");
            assert!(error > 0.0, "{objective}: {name} were computed in bfloat16");
        }
    }
}

#[test]
fn evaluation_and_prediction_stay_in_f32() {
    let (batch, classes, dim) = (30, 200, 32);
    let (x, y) = (values(batch * dim, 1), labels(batch, classes, 2));
    let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
    let heads = [ProductPrecision::F32, ProductPrecision::Bf16]
        .map(|products| head(objective.clone(), classes, dim, products));
    let x: MatRef<'_> = view(&x, batch, dim);
    let [wide, narrow] = heads.each_ref().map(|head| {
        let found = head.evaluate(x, &y).expect("finite inputs");
        (found.losses, head.scores(x).expect("finite inputs"), head.predict(x).expect("finite inputs"))
    });
    assert_eq!(wide, narrow);
}

#[test]
fn the_bits_do_not_depend_on_threads_and_training_ends_as_in_f32() {
    let (batch, classes, dim) = (64, 300, 32);
    let (x, y) = (values(batch * dim, 1), labels(batch, classes, 2));
    let train = |products, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        pool.install(|| {
            let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
            let mut head = head(objective, classes, dim, products);
            let losses: Vec<f64> = (0..60)
                .map(|_| head.step(view(&x, batch, dim), &y, 0.1).expect("finite inputs").loss)
                .collect();
            (losses[0], losses[59], head.centres().iter().map(|value| value.to_bits()).collect::<Vec<_>>())
        })
    };
    let (first, wide, _) = train(ProductPrecision::F32, 2);
    let (_, narrow, centres) = train(ProductPrecision::Bf16, 1);
    assert!(wide < 0.5 * first, "the loss falls: {first} {wide}");
    assert!((narrow - wide).abs() < tolerance::BF16_LOSS * wide.max(1.0), "{narrow} {wide}");
    for threads in [2, 5] {
        assert!(train(ProductPrecision::Bf16, threads).2 == centres, "{threads} threads");
    }
}
