//! Adding and dropping classes in every mode.

use widemargin_objective::{ClassObjective, Parameters, parameters};

use super::{labels, values, view};
use crate::{Error, Head, HeadConfig, HeadMode, NewClasses, OptimiserConfig};

fn trained(mode: HeadMode, optimiser: OptimiserConfig, sub_centres: usize) -> Head {
    let parameters = parameters([("sub_centres", sub_centres.into())]);
    let objective = ClassObjective::from_name("am-softmax", &parameters, 60).expect("in range");
    let config = HeadConfig { optimiser, mode, ..Default::default() };
    let mut head = Head::new(60, 8, objective, config).expect("in range");
    for step in 0..5 {
        let (x, y) = (values(9 * 8, step), labels(9, 60, step));
        head.step(view(&x, 9, 8), &y, 0.1).expect("finite");
    }
    head
}

fn heads() -> Vec<Head> {
    vec![
        trained(HeadMode::Dense, OptimiserConfig::sgd(0.9, 1e-3), 1),
        trained(HeadMode::Dense, OptimiserConfig::adam_w(0.01), 3),
        trained(HeadMode::Sampled { rate: 0.5 }, OptimiserConfig::sgd(0.9, 1e-3), 2),
        trained(HeadMode::Screened { threshold: Some(0.05) }, OptimiserConfig::sgd(0.9, 1e-3), 1),
        trained(HeadMode::Screened { threshold: Some(0.05) }, OptimiserConfig::adam_w(0.01), 1),
        trained(HeadMode::Screened { threshold: Some(0.05) }, OptimiserConfig::sgd(0.9, 1e-3), 3),
    ]
}

#[test]
fn added_classes_start_at_their_means_and_the_others_stay() {
    for mut head in heads() {
        let each = head.sub_centres();
        let before = head.settled_centres();
        let x =
            [3.0_f32, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let embeddings = view(&x[..16], 2, 8);
        let first =
            head.add_classes(NewClasses::MeansOf { embeddings, labels: &[1, 0], seed: 3 }).expect("two");
        assert_eq!((first, head.classes()), (60, 62));
        assert_eq!(head.settled_centres()[..before.len()], before[..], "the others are unchanged");
        // the embeddings are assigned to the classes added from them
        let predicted = head.predict(embeddings).expect("finite");
        assert_eq!(predicted, [61, 60], "{each} centres per class");
        assert_eq!(head.add_classes(NewClasses::Random { count: 3, seed: 1 }).expect("three"), 62);
        let (x, y) = (values(9 * 8, 7), [64, 63, 62, 61, 60, 0, 1, 2, 3]);
        let found = head.step(view(&x, 9, 8), &y, 0.1).expect("training continues");
        assert!(found.loss.is_finite());
    }
}

#[test]
fn dropped_classes_leave_the_others_as_they_were() {
    for mut head in heads() {
        let (each, before) = (head.sub_centres(), head.settled_centres());
        let numbers = head.drop_classes(&[0, 59, 7, 7]).expect("they are there");
        assert_eq!(head.classes(), 57);
        assert_eq!((numbers[0], numbers[1], numbers[7], numbers[8]), (None, Some(0), None, Some(6)));
        let after = head.settled_centres();
        for (old, new) in numbers.iter().enumerate().filter_map(|(old, new)| Some((old, (*new)? as usize))) {
            let size = each * 8;
            assert_eq!(after[new * size..][..size], before[old * size..][..size]);
        }
        let (x, y) = (values(9 * 8, 7), labels(9, 57, 7));
        assert!(head.step(view(&x, 9, 8), &y, 0.1).expect("training continues").loss.is_finite());
    }
}

#[test]
fn rejected_changes_are_reported_and_change_nothing() {
    let mut head = trained(HeadMode::Dense, OptimiserConfig::default(), 1);
    let state = head.state();
    let x = values(4 * 8, 1);
    let means = |labels| NewClasses::MeansOf { embeddings: view(&x, 4, 8), labels, seed: 0 };
    assert!(matches!(head.add_classes(means(&[0, 0, 2, 2])), Err(Error::EmptyClass { class: 1 })));
    assert!(matches!(head.add_classes(means(&[0])), Err(Error::LabelCount { found: 1, expected: 4 })));
    // reported before memory for four billion centres is allocated
    assert!(matches!(
        head.add_classes(means(&[0, 1, u32::MAX - 100, 2])),
        Err(Error::EmptyClass { class: 3 })
    ));
    let all = NewClasses::Random { count: usize::MAX, seed: 0 };
    assert!(matches!(head.add_classes(all), Err(Error::OutOfRange { .. })));
    let narrow = NewClasses::MeansOf { embeddings: view(&x, 8, 4), labels: &[0; 8], seed: 0 };
    assert!(matches!(head.add_classes(narrow), Err(Error::Dimension { found: 4, expected: 8 })));
    assert!(matches!(head.drop_classes(&[1, 60]), Err(Error::Label { row: 1, found: 60, .. })));
    let all: Vec<u32> = (0..60).collect();
    assert!(matches!(head.drop_classes(&all), Err(Error::OutOfRange { .. })));
    assert_eq!(head.state(), state);
    let objective = ClassObjective::from_name("am-softmax", &Parameters::new(), 2).expect("defaults");
    let objective = objective.with_class_margins(&[0.1, 0.2]).expect("two");
    let mut fixed = Head::new(2, 4, objective, HeadConfig::default()).expect("in range");
    assert!(matches!(fixed.drop_classes(&[0]), Err(Error::ClassMarginsFixed)));
}
