//! The rule of the mode `auto` against the measurements from which it was chosen.

use widemargin_objective::ClassObjective;

use crate::auto::is_faster;
use crate::{HeadConfig, HeadMode, HeadSize, Objective, OptimiserConfig, ProductPrecision};

/// Milliseconds of processor time per step, as `cargo run --release -p widemargin-head --example mode_speed` prints them; the machine is
/// described in `docs/src/benchmarks/head.md`.
const MEASURED: &str = include_str!("mode_speed.csv");

/// The chosen mode takes at most this many times as long as the other one, everywhere.
const MOST: f64 = 1.3;

/// The same where it is near: all but one in fifty sizes.
const USUAL: f64 = 1.1;

#[test]
fn the_chosen_mode_was_measured_to_be_the_faster_one() {
    let (mut decisions, mut worse) = (0, Vec::new());
    let mut chosen = [0; 2];
    for line in MEASURED.lines().skip(1) {
        let values: Vec<f64> = line.split(',').map(|value| value.parse().expect("a number")).collect();
        let [scale, classes, dim, batch, dense, half, _, screened] = values[..] else {
            panic!("{line}: expected eight values");
        };
        let size = HeadSize { classes: classes as usize, dim: dim as usize, batch: batch as usize };
        for (products, dense) in [(ProductPrecision::F32, dense), (ProductPrecision::Bf16, half)] {
            let is_screened = is_faster(scale, products, true, size);
            let cost = if is_screened { screened / dense } else { dense / screened };
            assert!(cost < MOST, "{products:?} {line}: {cost}");
            if cost > USUAL {
                worse.push((products, line, cost));
            }
            decisions += 1;
            chosen[usize::from(is_screened)] += 1;
        }
    }
    assert!(50 * worse.len() <= decisions, "{worse:?} of {decisions}");
    assert!(
        chosen.iter().all(|&count| count > 10),
        "{chosen:?}: the sizes must be on both sides of the limit"
    );
}

#[test]
fn products_in_bfloat16_count_only_where_the_processor_multiplies_them() {
    let size = HeadSize { classes: 10_000, dim: 256, batch: 128 };
    let of = |products, half| is_faster(45.0, products, half, size);
    assert!(of(ProductPrecision::F32, true) && of(ProductPrecision::F32, false));
    assert!(of(ProductPrecision::Bf16, false), "as with f32");
    assert!(!of(ProductPrecision::Bf16, true));
}

#[test]
fn auto_depends_on_objective_optimiser_and_size() {
    let large = HeadSize { classes: 100_000, dim: 512, batch: 128 };
    let config = |optimiser| HeadConfig { optimiser, ..Default::default() };
    let (sgd, adam_w) = (config(OptimiserConfig::default()), config(OptimiserConfig::adam_w(0.01)));
    let screens = |config: HeadConfig, objective: &ClassObjective, size| {
        config.resolved_mode(objective, size) == HeadMode::screened()
    };
    let of_scale = |scale| ClassObjective::from(Objective::am_softmax(scale, 0.35).expect("in range"));
    let (margin, steep) = (of_scale(30.0), of_scale(64.0));
    assert!(screens(sgd, &margin, large));
    assert!(!screens(sgd, &of_scale(29.9), large), "no class stands out");
    assert!(!screens(adam_w, &margin, large), "less accurate under AdamW");
    assert!(!screens(sgd, &Objective::softmax().into(), large), "dot products cannot be screened");
    for (objective, classes, dim, batch) in [
        (&steep, 5000, 64, 32),
        (&steep, 5000, 512, 512),
        (&margin, 51_782, 64, usize::MAX),
        (&margin, 32_364, 256, 128),
    ] {
        let size = HeadSize { classes, dim, batch };
        assert!(screens(sgd, objective, size), "{objective}: {size:?}");
        assert!(
            !screens(sgd, objective, HeadSize { classes: classes - 20, ..size }),
            "{objective}: {size:?}"
        );
        assert!(!screens(sgd, objective, HeadSize { dim: 63, ..size }));
    }
    for chosen in [HeadMode::Dense, HeadMode::screened(), HeadMode::Sampled { rate: 0.1 }] {
        let few = HeadSize { classes: 2, dim: 2, batch: 1 };
        let config = HeadConfig { mode: chosen, ..sgd };
        assert_eq!(config.resolved_mode(&margin, few), chosen, "what the user chose stays");
    }
}
