//! Several shards compared with one head: loss, gradients, steps and errors. States and files: [`states`].

mod states;

use std::time::Duration;

use super::communicator::on_ranks;
use super::tolerance::SHARDS;
use super::{class_objectives, labels, points, values, view};
use crate::{
    Communicator, Error, Head, HeadConfig, HeadForward, HeadMode, HeadState, NewClasses, Objective,
    OptimiserConfig, PendingUpdate, ShardState, ShardedHead, Solo, ThreadGroup, ThreadRank, join_shards,
    load_shard, load_shards, save_shard, split_shards,
};
use widemargin_objective::{ClassObjective, Link, Parameters, Pool, Score};

fn am_softmax() -> Objective {
    Objective::am_softmax(30.0, 0.35).expect("in range")
}

fn config(optimiser: OptimiserConfig) -> HeadConfig {
    HeadConfig { optimiser, mode: HeadMode::Dense, tile_classes: 4, seed: 5, ..HeadConfig::default() }
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(*value).abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - f64::from(*expected)).abs();
        assert!(
            error <= SHARDS * largest,
            "{what}, entry {at}: {found} against {expected}, {:e} of the largest",
            error / largest
        );
    }
}

fn assert_near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= SHARDS * expected.abs(), "{what}: {found} against {expected}");
}

/// The results of one step that are compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Step {
    loss: f64,
    losses: Vec<f32>,
    grad_features: Vec<f32>,
    /// Of all ranks, concatenated.
    grad_centres: Vec<f32>,
    norm: f64,
    learnt: Option<f32>,
    figures: [f64; 5],
    centres: Vec<f32>,
    predicted: Vec<u32>,
}

/// The gradient of the centres of a head or of a shard.
trait Pull {
    fn pull(&self, pending: &PendingUpdate) -> (Vec<f32>, f64);
}

impl Pull for Head {
    fn pull(&self, pending: &PendingUpdate) -> (Vec<f32>, f64) {
        let norm = self.gradient_norm(pending).expect("of this step");
        (self.gradient(pending).expect("of this step"), norm)
    }
}

impl<C: Communicator> Pull for ShardedHead<C> {
    fn pull(&self, pending: &PendingUpdate) -> (Vec<f32>, f64) {
        let norm = self.gradient_norm(pending).expect("of this step");
        (self.gradient(pending).expect("of this step"), norm)
    }
}

impl Step {
    fn of(head: &impl Pull, found: &HeadForward) -> Self {
        let (grad_centres, norm) = head.pull(&found.pending);
        let d = found.diagnostics;
        Self {
            loss: found.loss,
            losses: found.losses.clone(),
            grad_features: found.grad_features.clone(),
            grad_centres,
            norm,
            learnt: found.pending.learnt_gradient(),
            figures: [d.mean_push, d.effective_competitors, d.mean_target_cosine, d.margin_met, d.accuracy],
            ..Self::default()
        }
    }

    /// Values that every rank has must be the same bits; values of its own classes are concatenated.
    fn joined(ranks: Vec<Self>) -> Self {
        let mut ranks = ranks.into_iter();
        let mut all = ranks.next().expect("a rank");
        for rank in ranks {
            all.grad_centres.extend(&rank.grad_centres);
            all.centres.extend(&rank.centres);
            let shared =
                Self { grad_centres: all.grad_centres.clone(), centres: all.centres.clone(), ..rank };
            assert_eq!(all, shared, "every rank has the same values");
        }
        all
    }

    fn assert_close(&self, expected: &Self, what: &str) {
        assert_near(self.loss, expected.loss, &format!("{what}: loss"));
        assert_close(&self.losses, &expected.losses, &format!("{what}: losses"));
        assert_close(
            &self.grad_features,
            &expected.grad_features,
            &format!("{what}: gradient of the features"),
        );
        assert_close(&self.grad_centres, &expected.grad_centres, &format!("{what}: gradient of the centres"));
        assert_near(self.norm, expected.norm, &format!("{what}: norm"));
        assert_eq!(self.learnt.is_some(), expected.learnt.is_some(), "{what}");
        if let (Some(found), Some(expected)) = (self.learnt, expected.learnt) {
            assert!(
                (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3),
                "{what}: {found} {expected}"
            );
        }
        for (found, expected) in self.figures.iter().zip(expected.figures) {
            assert!(
                (found - expected).abs() <= SHARDS * expected.abs().max(1.0),
                "{what}: {found} {expected}"
            );
        }
        assert_close(&self.centres, &expected.centres, &format!("{what}: centres"));
        assert_eq!(self.predicted, expected.predicted, "{what}");
    }
}

/// Some steps on changing batches.
#[derive(Clone, Debug)]
struct Task {
    objective: ClassObjective,
    config: HeadConfig,
    batch: usize,
    classes: usize,
    dim: usize,
    /// Labels are among the first classes, this many.
    labelled: usize,
    steps: u64,
}

impl Task {
    fn new(objective: impl Into<ClassObjective>, classes: usize) -> Self {
        let objective = objective.into();
        let config = config(OptimiserConfig::sgd(0.9, 5e-4));
        Self { objective, config, batch: 7, classes, dim: 6, labelled: classes, steps: 1 }
    }

    fn batch_of(&self, step: u64) -> (Vec<f32>, Vec<u32>) {
        let labels = labels(self.batch, self.labelled, 100 + step);
        (values(self.batch * self.dim, 200 + step), labels)
    }

    fn one_head(&self) -> Vec<Step> {
        let mut head =
            Head::new(self.classes, self.dim, self.objective.clone(), self.config).expect("in range");
        (0..self.steps)
            .map(|step| {
                let (features, labels) = self.batch_of(step);
                let features = view(&features, self.batch, self.dim);
                let predicted = head.predict(features).expect("finite");
                let found = head.forward(features, &labels).expect("finite");
                let mut out = Step { predicted, ..Step::of(&head, &found) };
                head.apply(found.pending, 0.05, 0.5).expect("fresh");
                out.centres = head.centres().to_vec();
                out
            })
            .collect()
    }

    fn sharded(&self, shards: usize) -> Vec<Step> {
        let ranks = on_ranks(shards, |rank| {
            let head = ShardedHead::new(rank, self.classes, self.dim, self.objective.clone(), self.config);
            self.go_on(&mut head.expect("in range"), 0)
        });
        let steps = 0..self.steps as usize;
        steps.map(|step| Step::joined(ranks.iter().map(|rank| rank[step].clone()).collect())).collect()
    }

    fn go_on<C: Communicator>(&self, head: &mut ShardedHead<C>, first: u64) -> Vec<Step> {
        (first..self.steps)
            .map(|step| {
                let (features, labels) = self.batch_of(step);
                let features = view(&features, self.batch, self.dim);
                let predicted = head.predict(features).expect("finite");
                let found = head.forward(features, &labels).expect("finite");
                let evaluated = head.evaluate(features, &labels).expect("finite");
                assert_eq!((evaluated.loss, &evaluated.losses), (found.loss, &found.losses));
                assert_eq!(evaluated.diagnostics, found.diagnostics);
                let mut out = Step { predicted, ..Step::of(head, &found) };
                head.apply(found.pending, 0.05, 0.5).expect("fresh");
                out.centres = head.centres().to_vec();
                out
            })
            .collect()
    }

    fn check(&self, shards: usize) {
        for (step, (found, expected)) in self.sharded(shards).iter().zip(self.one_head()).enumerate() {
            let what =
                format!("{}; {} classes on {shards} shards, step {step}", self.objective, self.classes);
            found.assert_close(&expected, &what);
        }
    }
}

#[test]
fn every_objective_equals_one_head_on_any_number_of_shards() {
    for classes in [4, 11] {
        let all = points().into_iter().map(ClassObjective::from).chain(class_objectives(classes));
        for objective in all {
            for shards in [1, 2, 3, 4] {
                Task::new(objective.clone(), classes).check(shards);
            }
        }
    }
}

#[test]
fn steps_of_both_optimisers_equal_one_head() {
    for optimiser in [OptimiserConfig::sgd(0.9, 5e-4), OptimiserConfig::adam_w(0.01)] {
        let names = ["am-softmax", "normface", "adaface", "magface", "curricularface", "adacos-dynamic"];
        for name in names {
            let default = Parameters::new();
            let objective = ClassObjective::from_name(name, &default, 10).expect("in range");
            for shards in [2, 3, 4] {
                let task = Task::new(objective.clone(), 10);
                Task { config: config(optimiser), steps: 6, ..task }.check(shards);
            }
        }
    }
}

#[test]
fn shards_without_targets_and_shards_of_one_class() {
    for shards in [2, 3, 4] {
        // all labels are of the first rank's classes
        Task { labelled: 2, steps: 3, ..Task::new(am_softmax(), 11) }.check(shards);
        // as many classes as shards, the smallest number of classes
        Task { steps: 3, ..Task::new(am_softmax(), shards) }.check(shards);
        // a batch larger than the classes
        Task { batch: 40, ..Task::new(am_softmax(), 5) }.check(shards);
    }
    // one class has loss 0
    let one = Task::new(am_softmax(), 1);
    assert_eq!(one.sharded(1)[0].loss, 0.0);
}

#[test]
fn larger_sizes_equal_one_head() {
    for objective in
        [Objective::am_softmax(64.0, 0.35), Ok(Objective::softmax()), Objective::arcface(64.0, 0.5)]
    {
        let task = Task::new(objective.expect("in range"), 1003);
        let task = Task {
            config: HeadConfig { tile_classes: 128, ..task.config },
            batch: 33,
            dim: 64,
            steps: 3,
            ..task
        };
        for shards in [2, 3, 4] {
            task.check(shards);
        }
    }
}

#[test]
fn one_shard_is_the_head_to_the_bit() {
    for objective in [ClassObjective::from(am_softmax()), Objective::softmax().into()] {
        let task = Task { steps: 3, ..Task::new(objective, 11) };
        assert_eq!(task.sharded(1), task.one_head());
        let mut head = ShardedHead::new(Solo, 11, 6, task.objective.clone(), task.config).expect("in range");
        assert_eq!(task.go_on(&mut head, 0), task.one_head());
    }
}

#[test]
fn zero_vectors_empty_batches_and_ignored_labels_are_those_of_one_head() {
    let (classes, dim) = (7, 4);
    let objective = ClassObjective::from(am_softmax()).with_ignore_label(Some(99));
    let head =
        Head::new(classes, dim, objective.clone(), config(OptimiserConfig::default())).expect("in range");
    let mut features = values(5 * dim, 1);
    features[dim..2 * dim].fill(0.0);
    for labels in [vec![6, 0, 99, 3, 99], vec![99; 5], vec![]] {
        let features = view(&features[..labels.len() * dim], labels.len(), dim);
        let expected = head.forward(features, &labels).expect("finite");
        let found = on_ranks(3, |rank| {
            let config = config(OptimiserConfig::default());
            let head = ShardedHead::new(rank, classes, dim, objective.clone(), config).expect("in range");
            Step::of(&head, &head.forward(features, &labels).expect("finite"))
        });
        let (found, expected) = (Step::joined(found), Step::of(&head, &expected));
        found.assert_close(&expected, &format!("{labels:?}"));
        if labels.len() > 2 {
            assert!(found.grad_features[2 * dim..3 * dim].iter().all(|&value| value == 0.0), "ignored");
            assert!(found.grad_features[dim..2 * dim].iter().all(|&value| value == 0.0), "no direction");
        }
    }
}

#[test]
fn parts_of_a_batch_equal_the_whole() {
    let task = Task::new(am_softmax(), 11);
    let (features, labels) = task.batch_of(0);
    let expected = &task.one_head()[0];
    // ranks with 3, none and 4 samples
    let starts = [0, 3, 3, 7];
    let found = on_ranks(3, |rank| {
        let (start, end) = (starts[rank.rank()], starts[rank.rank() + 1]);
        let head = ShardedHead::new(rank, 11, task.dim, am_softmax(), task.config).expect("in range");
        let part = view(&features[start * task.dim..end * task.dim], end - start, task.dim);
        Step::of(&head, &head.forward_part(part, &labels[start..end]).expect("finite"))
    });
    let concat =
        |of: fn(&Step) -> &Vec<f32>| found.iter().flat_map(|step| of(step).clone()).collect::<Vec<_>>();
    assert_close(&concat(|step| &step.losses), &expected.losses, "losses");
    assert_close(&concat(|step| &step.grad_features), &expected.grad_features, "gradient of the features");
    assert_close(&concat(|step| &step.grad_centres), &expected.grad_centres, "gradient of the centres");
    for step in &found {
        assert_near(step.loss, expected.loss, "the loss of the whole batch");
    }
}

#[test]
fn margins_warm_up_on_all_ranks_or_none() {
    let task = Task::new(am_softmax(), 5);
    let (features, labels) = task.batch_of(0);
    let run = |shares: [f64; 2]| {
        on_ranks(2, |rank| {
            let share = shares[rank.rank()];
            let mut head = ShardedHead::new(rank, 5, task.dim, am_softmax(), task.config).expect("in range");
            head.set_margin_share(share);
            head.forward(view(&features, task.batch, task.dim), &labels).map(|found| found.loss)
        })
    };
    let mut head = Head::new(5, task.dim, am_softmax(), task.config).expect("in range");
    head.set_margin_share(0.5);
    let expected = head.forward(view(&features, task.batch, task.dim), &labels).expect("finite").loss;
    assert_near(run([0.5, 0.5]).remove(0).expect("the same"), expected, "half the margin");
    for (own, found) in run([0.5, 0.6]).into_iter().enumerate() {
        assert_eq!(found, Err(Error::RanksDiffer { what: "margin", rank: 1 - own, own }));
    }
}

/// Turns a valid batch into an invalid one.
type Change = dyn Fn(&mut Vec<f32>, &mut Vec<u32>) + Sync;

#[test]
fn a_bad_batch_of_one_rank_is_rejected_by_all() {
    let task = Task::new(am_softmax(), 6);
    let (features, labels) = task.batch_of(0);
    let run = |change: &Change| {
        on_ranks(3, |rank| {
            let (mut features, mut labels) = (features.clone(), labels.clone());
            if rank.rank() == 1 {
                change(&mut features, &mut labels);
            }
            let head = ShardedHead::new(rank, 6, task.dim, am_softmax(), task.config).expect("in range");
            let rows = features.len() / task.dim;
            let found = head.forward(view(&features, rows, task.dim), &labels).map(|found| found.loss);
            if !matches!(found, Err(Error::RanksDiffer { .. })) {
                // the same if each rank has a part of the batch
                let part = head.forward_part(view(&features, rows, task.dim), &labels);
                assert_eq!(part.map(|part| part.loss), found);
            }
            // the group is still in step: a good batch is accepted
            let (features, labels) = task.batch_of(1);
            head.forward(view(&features, task.batch, task.dim), &labels).expect("a good batch");
            found
        })
    };
    let bad: [(&Change, Error); 4] = [
        (&|_, labels| labels[4] = 6, Error::Label { row: 4, found: 6, classes: 6 }),
        (&|_, labels| labels.truncate(6), Error::LabelCount { found: 6, expected: 7 }),
        (
            &|features, _| features[8] = f32::INFINITY,
            Error::NonFiniteFeature { row: 1, column: 2, found: f32::INFINITY },
        ),
        (&|features, _| features[8] += 0.5, Error::RanksDiffer { what: "batch", rank: 0, own: 1 }),
    ];
    for (change, expected) in bad {
        let found = run(change);
        assert_eq!(found[1].as_ref(), Err(&expected));
        for own in [0, 2] {
            let others = match expected {
                Error::RanksDiffer { what, .. } => Error::RanksDiffer { what, rank: 1, own },
                _ => Error::RankFailed { rank: 1 },
            };
            assert_eq!(found[own], Err(others), "{expected}");
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_on_one_rank_is_an_error_on_all() {
    // both samples pull at the last class with 60 times their length; the other classes share the push
    let (classes, dim) = (4, 3);
    let objective = Objective::family()
        .score(Score::scaled_dot(60.0))
        .pool(Pool::log_sum_exp())
        .link(Link::softplus())
        .build()
        .expect("in range");
    let head = Head::new(classes, dim, objective, config(OptimiserConfig::sgd(0.0, 0.0))).expect("in range");
    let mut state = head.state();
    state.tensors[0].values.fill(0.0);
    state.tensors[0].values[3 * dim..].fill(-1e-37);
    let features = [1e37_f32; 6];
    let states = split_shards(&state, 2).expect("a good state");
    let found = on_ranks(2, |rank| {
        let state = states[rank.rank()].clone();
        let head = ShardedHead::from_state(rank, state).expect("finite");
        head.forward(view(&features, 2, dim), &[3, 3]).map(|found| found.loss)
    });
    let expected = || Err(Error::NonFiniteCentreGradient { class: 3 });
    assert_eq!(found, [expected(), expected()]);
    let one = Head::from_state(state).expect("finite").forward(view(&features, 2, dim), &[3, 3]);
    assert_eq!(one.map(|found| found.loss), expected());

    // dot products beyond the range of f32: the loss itself is not finite
    let mut state =
        Head::new(classes, dim, Objective::softmax(), HeadConfig::default()).expect("in range").state();
    state.tensors[0].values.fill(10.0);
    let states = split_shards(&state, 2).expect("a good state");
    let features = [3e38_f32; 6];
    let found = on_ranks(2, |rank| {
        let head = ShardedHead::from_state(&rank, states[rank.rank()].clone()).expect("finite");
        head.forward(view(&features, 2, dim), &[0, 3]).map(|found| found.loss)
    });
    assert!(matches!(found[0], Err(Error::NonFiniteLoss { .. })), "{found:?}");
    assert_eq!(found[0], found[1]);
}

#[test]
fn heads_that_do_not_fit_are_rejected() {
    let new = |shards, classes, config: HeadConfig| {
        let found = on_ranks(shards, |rank| {
            ShardedHead::new(rank, classes, 3, am_softmax(), config).map(|head| head.own_classes())
        });
        assert!(found.iter().all(|other| other.is_err() == found[0].is_err()), "{found:?}");
        found
    };
    let dense = config(OptimiserConfig::default());
    assert_eq!(new(3, 8, dense), [Ok(0..3), Ok(3..6), Ok(6..8)]);
    let out_of_range = |result: &Result<std::ops::Range<usize>, Error>, name: &str| matches!(result, Err(Error::OutOfRange { setting, .. }) if *setting == name);
    assert!(out_of_range(&new(4, 3, dense)[2], "number of shards"));
    assert!(out_of_range(&new(2, 0, dense)[0], "number of classes"));
    assert!(out_of_range(&new(2, 4, HeadConfig { tile_classes: 0, ..dense })[0], "tile_classes"));
    for (mode, name) in [(HeadMode::screened(), "screened"), (HeadMode::Sampled { rate: 0.5 }, "sampled")] {
        let found = new(2, 4, HeadConfig { mode, ..dense });
        assert_eq!(
            found,
            [const { Err(()) }; 2].map(|_: Result<(), ()>| Err(Error::NotShardable { mode: name }))
        );
    }
    // `auto` of many classes would be screened; shards are dense
    let auto = HeadConfig { mode: HeadMode::Auto, ..dense };
    let steep = Objective::am_softmax(64.0, 0.35).expect("in range");
    assert!(Head::new(10_000, 64, steep.clone(), auto).expect("in range").is_screened());
    let head = ShardedHead::new(Solo, 10_000, 64, steep, auto).expect("in range");
    assert_eq!(head.config().mode, HeadMode::Dense);
    // ranks of different heads
    let found = on_ranks(2, |rank| {
        let dim = 3 + rank.rank();
        ShardedHead::new(rank, 4, dim, am_softmax(), dense).map(|head| head.dim())
    });
    assert_eq!(found[0], Err(Error::RanksDiffer { what: "dimension", rank: 1, own: 0 }));
    assert_eq!(found[1], Err(Error::RanksDiffer { what: "dimension", rank: 0, own: 1 }));
}

#[test]
fn a_pending_update_is_valid_for_one_step() {
    let task = Task::new(am_softmax(), 5);
    let (features, labels) = task.batch_of(0);
    on_ranks(2, |rank| {
        let mut head = ShardedHead::new(rank, 5, task.dim, am_softmax(), task.config).expect("in range");
        let forward = |head: &ShardedHead<ThreadRank>| {
            head.forward(view(&features, task.batch, task.dim), &labels).expect("finite").pending
        };
        let (first, second) = (forward(&head), forward(&head));
        head.apply(first, 0.1, 1.0).expect("fresh");
        assert!(matches!(
            head.apply(second, 0.1, 1.0),
            Err(Error::StaleUpdate { found: 0, expected: 1, .. })
        ));
        let before = head.centres().to_vec();
        let pending = forward(&head);
        assert!(matches!(head.apply(pending, f64::NAN, 1.0), Err(Error::OutOfRange { .. })));
        assert_eq!(head.centres(), before);
    });
}

#[test]
fn a_panic_in_the_middle_of_training_ends_all_ranks() {
    let task = Task::new(am_softmax(), 6);
    let found: Vec<_> = std::thread::scope(|scope| {
        let task = &task;
        let threads: Vec<_> = ThreadGroup::with_timeout(Duration::from_mins(1))
            .ranks(3)
            .into_iter()
            .map(|rank| {
                scope.spawn(move || {
                    let own = rank.rank();
                    let mut head = ShardedHead::new(rank, 6, task.dim, am_softmax(), task.config)?;
                    for step in 0..5 {
                        if (own, step) == (2, 3) {
                            std::panic::resume_unwind(Box::new("a rank fails"));
                        }
                        let (features, labels) = task.batch_of(step);
                        head.step(view(&features, task.batch, task.dim), &labels, 0.1)?;
                    }
                    Ok(head.steps())
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let gone = || Err(Error::RankGone { rank: 2 });
    assert_eq!(found, [gone(), gone()]);
}

/// A communicator as another crate would implement it; its errors are passed on unchanged.
#[derive(Debug)]
struct Unplugged;

impl Communicator for Unplugged {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        2
    }

    fn all_reduce_sum_f32(&self, _: &mut [f32]) -> Result<(), Error> {
        Err(Error::Transport("no cable".to_owned()))
    }

    fn all_reduce_sum_f64(&self, _: &mut [f64]) -> Result<(), Error> {
        Err(Error::Transport("no cable".to_owned()))
    }

    fn all_gather_f32(&self, _: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        Err(Error::Transport("no cable".to_owned()))
    }

    fn all_gather_f64(&self, _: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        Err(Error::Transport("no cable".to_owned()))
    }
}

#[test]
fn the_error_of_a_transport_is_passed_on() {
    let found = ShardedHead::new(&Unplugged, 4, 3, am_softmax(), HeadConfig::default());
    assert_eq!(found.expect_err("no cable").to_string(), "no cable");
}
