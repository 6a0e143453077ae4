//! Heads that continue others with more, fewer and reordered classes.

use widemargin_objective::{AnyObjective, ClassObjective, Parameters, norm, parameters};

use super::{labels, values, view};
use crate::{
    ClassOrigin, Error, Head, HeadConfig, HeadMode, HeadState, OptimiserConfig, StoragePrecision,
    TrainingHead,
};

const DIM: usize = 8;

fn head(name: &str, classes: usize, sub_centres: usize, config: HeadConfig) -> Head {
    let chosen = match sub_centres {
        1 => Parameters::new(),
        count => parameters([("sub_centres", count.into())]),
    };
    let objective = ClassObjective::from_name(name, &chosen, classes).expect("in range");
    Head::new(classes, DIM, objective, config).expect("in range")
}

fn train(head: &mut Head, first: u64) -> f64 {
    let classes = head.classes();
    let mut loss = 0.0;
    for step in first..first + 5 {
        let (x, y) = (values(9 * DIM, step), labels(9, classes, step));
        loss = head.step(view(&x, 9, DIM), &y, 0.1).expect("finite").loss;
    }
    loss
}

fn tensor(state: &HeadState, name: &str) -> Vec<f32> {
    state.tensors.iter().find(|tensor| tensor.name == name).expect(name).values.clone()
}

fn configs() -> Vec<(HeadConfig, usize)> {
    let (sgd, adam_w) = (OptimiserConfig::sgd(0.9, 1e-3), OptimiserConfig::adam_w(0.01));
    let screened = HeadMode::Screened { threshold: Some(0.05) };
    let of = |mode, optimiser| HeadConfig { optimiser, mode, ..Default::default() };
    let half = StoragePrecision::Bf16;
    vec![
        (of(HeadMode::Dense, sgd), 1),
        (of(HeadMode::Dense, adam_w), 3),
        (of(HeadMode::Sampled { rate: 0.5 }, sgd), 2),
        (of(HeadMode::Sampled { rate: 0.5 }, adam_w), 1),
        (of(screened, sgd), 1),
        (of(screened, adam_w), 2),
        (HeadConfig { centres: half, optimiser_state: half, ..of(HeadMode::Dense, sgd) }, 1),
    ]
}

#[test]
fn kept_rows_keep_their_centres_and_memory_and_new_ones_point_where_they_should() {
    for (config, each) in configs() {
        let mut earlier = head("am-softmax", 30, each, config);
        train(&mut earlier, 0);
        let (state, settled) = (earlier.state(), earlier.settled_centres());
        // Reversed, without class 29, with a new class in front and two at the end.
        let direction = values(DIM, 77);
        let mut origins = vec![ClassOrigin::Direction(direction.clone())];
        origins.extend((0..29).rev().map(ClassOrigin::Kept));
        origins.extend([ClassOrigin::Random, ClassOrigin::Direction(vec![3.0; DIM])]);
        let mut next = head("am-softmax", 32, each, HeadConfig { seed: 5, ..config });
        next.inherit(earlier, &origins).expect("as many centres per class");
        assert_eq!((next.steps(), next.config().mode), (5, config.mode));
        let (size, found) = (each * DIM, next.state());
        for name in config.optimiser.memory_names() {
            let (before, after) = (tensor(&state, name), tensor(&found, name));
            assert!(before.iter().any(|value| *value != 0.0));
            for class in 0..29 {
                assert_eq!(after[(29 - class) * size..][..size], before[class * size..][..size], "{name}");
            }
            assert!(after[..size].iter().chain(&after[30 * size..]).all(|value| *value == 0.0));
        }
        let after = next.settled_centres();
        for class in 0..29 {
            assert_eq!(after[(29 - class) * size..][..size], settled[class * size..][..size]);
        }
        let x = [direction, vec![0.5; DIM]].concat();
        let predicted = next.predict(view(&x, 2, DIM)).expect("finite");
        assert_eq!(predicted, [0, 31], "{each} centres per class");
        let mean = tensor(&state, "centres").chunks(DIM).map(norm).sum::<f64>() / (30.0 * each as f64);
        for row in after.chunks(DIM).take(each).chain(after[30 * size..].chunks(DIM)) {
            // bfloat16 has 8 bits, and f32 sums of 8 squares
            assert!((norm(row) - mean).abs() < 0.01 * mean, "{} {mean}", norm(row));
        }
        assert!(train(&mut next, 20).is_finite());
    }
}

/// With the same classes, the next step is that of the earlier head, to the bit.
#[test]
fn the_same_classes_continue_to_the_same_bits() {
    let names = [
        "am-softmax",
        "curricularface",
        "adaface",
        "sphereface2",
        "elasticface-arc",
        "adacos-dynamic",
        "normface",
    ];
    for (config, each) in configs() {
        for name in names.into_iter().filter(|_| each == 1) {
            let optimiser = config.optimiser;
            let mode =
                if matches!(config.mode, HeadMode::Screened { .. }) { HeadMode::Dense } else { config.mode };
            let mut earlier = head(name, 30, 1, HeadConfig { optimiser, mode, ..config });
            train(&mut earlier, 0);
            let mut next = head(name, 30, 1, *earlier.config());
            let origins: Vec<ClassOrigin> = (0..30).map(ClassOrigin::Kept).collect();
            next.inherit(earlier.clone(), &origins).expect("the same");
            assert!(next.state() == earlier.state(), "{name}");
            assert_eq!(train(&mut next, 9).to_bits(), train(&mut earlier, 9).to_bits(), "{name}");
        }
    }
}

#[test]
fn the_mode_and_the_margins_are_those_of_the_new_head() {
    let screened = HeadMode::Screened { threshold: Some(0.05) };
    let mut earlier = head("am-softmax", 30, 1, HeadConfig { mode: screened, ..Default::default() });
    train(&mut earlier, 0);
    let settled = earlier.settled_centres();
    let margins = parameters([("class_margins", vec![0.1, 0.2, 0.3].into())]);
    let objective = ClassObjective::from_name("am-softmax", &margins, 3).expect("three");
    let config = HeadConfig { mode: HeadMode::Dense, ..Default::default() };
    let mut next = Head::new(3, DIM, objective, config).expect("in range");
    next.inherit(earlier, &[4, 2, 9].map(ClassOrigin::Kept)).expect("there");
    assert!(!next.is_screened());
    assert_eq!(next.objective().class_margins(), Some(&[0.1, 0.2, 0.3][..]));
    for (row, class) in next.centres().chunks(DIM).zip([4, 2, 9]) {
        assert_eq!(row, &settled[class * DIM..][..DIM]);
    }
}

#[test]
fn what_cannot_be_continued_is_refused_and_changes_nothing() {
    let new = || head("am-softmax", 2, 1, HeadConfig::default());
    let before = new().state();
    let kept = [ClassOrigin::Kept(0), ClassOrigin::Kept(1)];
    let refused = |earlier: Head, origins: &[ClassOrigin]| {
        let mut next = new();
        let error = next.inherit(earlier, origins).expect_err("refused");
        assert!(next.state() == before);
        error
    };
    assert_eq!(
        refused(new(), &[ClassOrigin::Kept(0), ClassOrigin::Kept(2)]),
        Error::Label { row: 1, found: 2, classes: 2 }
    );
    let short = ClassOrigin::Direction(vec![1.0; 7]);
    assert_eq!(refused(new(), &[ClassOrigin::Random, short]), Error::Dimension { found: 7, expected: DIM });
    for direction in [vec![0.0; DIM], vec![f32::NAN; DIM]] {
        let error = refused(new(), &[ClassOrigin::Kept(0), ClassOrigin::Direction(direction)]);
        assert_eq!(error, Error::EmptyClass { class: 1 });
    }
    assert!(matches!(refused(new(), &kept[..1]), Error::OutOfRange { setting: "number of origins", .. }));
    let sub_centres = head("am-softmax", 2, 3, HeadConfig::default());
    assert!(matches!(refused(sub_centres, &kept), Error::OutOfRange { .. }));
    let adam_w = HeadConfig { optimiser: OptimiserConfig::adam_w(0.01), ..Default::default() };
    assert!(matches!(refused(head("am-softmax", 2, 1, adam_w), &kept), Error::MissingTensor { .. }));
    let objective = ClassObjective::from_name("am-softmax", &Parameters::new(), 2).expect("defaults");
    let narrow = Head::new(2, 4, objective, HeadConfig::default()).expect("in range");
    assert_eq!(refused(narrow, &kept), Error::OtherHead { found: [2, 4], expected: [2, DIM] });
}

#[test]
fn proxies_are_kept_like_centres_and_a_memory_starts_empty() {
    let new = |name: &str, classes, memory| {
        let objective =
            AnyObjective::from_name(name, &serde_json::Map::default(), classes).expect("defaults");
        TrainingHead::new(classes, DIM, objective, HeadConfig::default(), None, memory).expect("in range")
    };
    let step = |head: &mut TrainingHead, seed| {
        let (x, y) = (values(9 * DIM, seed), labels(9, head.classes(), seed));
        let found = head.forward(view(&x, 9, DIM), &y).expect("finite");
        head.apply(found.pending, 0.1, 1.0).expect("in range");
    };
    let origins = [ClassOrigin::Kept(3), ClassOrigin::Direction(vec![1.0; DIM]), ClassOrigin::Kept(0)];
    for (name, memory) in [("proxy-anchor", 0), ("soft-triple", 0), ("contrastive", 30)] {
        let mut earlier = new(name, 4, memory);
        (0..3).for_each(|at| step(&mut earlier, at));
        let mut before = earlier.state();
        let mut next = new(name, 3, memory);
        let each = next.rows_per_class();
        assert_eq!(each > 0, name != "contrastive");
        next.inherit(earlier, &origins).expect("the same objective");
        let mut state = next.state();
        for (before, after) in before.tensors_mut().iter().zip(state.tensors_mut()) {
            let size = each * DIM;
            assert_eq!(before.values[3 * size..][..size], after.values[..size], "{name} {}", after.name);
            assert_eq!(before.values[..size], after.values[2 * size..], "{name} {}", after.name);
        }
        step(&mut next, 9);
        let mut other = new("am-softmax", 3, 0);
        assert!(matches!(other.inherit(next, &origins), Err(Error::OtherKind { .. })));
    }
}
