//! Value and gradients of every objective at realistic sizes.
//!
//! `cargo bench -p widemargin-head --bench objectives [-- NAME]`; `benches/peers/compare_objectives.sh` compares it with
//! pytorch-metric-learning. Class objectives: batch 512, dimension 512, 10,000 class centres. Pair objectives: batch 512,
//! dimension 512, 128 classes with four samples each. Proxies: one (soft-triple: two) for each of 10,000 classes.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use widemargin_chance::{Purpose, Stream};
use widemargin_head::class_loss;
use widemargin_objective::pairs::{PairObjective, PairOptions};
use widemargin_objective::{ClassObjective, MatRef, Parameters, parameters};

const BATCH: usize = 512;
const DIM: usize = 512;
const CLASSES: usize = 10_000;
const SAMPLES_PER_CLASS: usize = 4;

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Stream::new(seed, Purpose::Benchmark, 0, 0);
    (0..count.div_ceil(2)).flat_map(|_| random.normal_pair()).map(|value| value as f32).take(count).collect()
}

/// Ten samples of one run each: a single run is long enough.
fn settle(group: &mut BenchmarkGroup<'_, WallTime>) {
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
}

fn class_objectives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classes");
    settle(&mut group);
    let features = values(BATCH * DIM, 1);
    let features = MatRef::new(&features, BATCH, DIM).expect("sized so");
    let labels: Vec<u32> = (0..BATCH).map(|sample| (sample * 7919 % CLASSES) as u32).collect();
    for name in ClassObjective::names() {
        let objective = ClassObjective::from_name(name, &Parameters::new(), CLASSES).expect("defaults");
        let rows = CLASSES * objective.sub_centres();
        let centres = values(rows * DIM, 2);
        let centres = MatRef::new(&centres, rows, DIM).expect("sized so");
        group.bench_function(name, |bencher| {
            bencher.iter(|| class_loss(&objective, centres, features, &labels).expect("finite"));
        });
    }
    group.finish();
}

fn pair_objectives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pairs");
    settle(&mut group);
    let features = values(BATCH * DIM, 1);
    let features = MatRef::new(&features, BATCH, DIM).expect("sized so");
    for name in PairObjective::names() {
        let parameters = match name {
            "soft-triple" => parameters([("centers_per_class", 2.into())]),
            _ => Parameters::new(),
        };
        let objective = PairObjective::from_name(name, &parameters).expect("in range");
        let rows = objective.proxies_per_class().map_or(0, |each| each * CLASSES);
        let proxies = values(rows * DIM, 2);
        let proxies = (rows > 0).then(|| MatRef::new(&proxies, rows, DIM).expect("sized so"));
        let label =
            |sample: usize| if rows > 0 { sample * 7919 % CLASSES } else { sample / SAMPLES_PER_CLASS };
        let labels: Vec<u32> = (0..BATCH).map(|sample| label(sample) as u32).collect();
        let options = PairOptions::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| objective.evaluate(features, proxies, &labels, &options).expect("finite"));
        });
    }
    group.finish();
}

criterion_group!(benches, class_objectives, pair_objectives);
criterion_main!(benches);
