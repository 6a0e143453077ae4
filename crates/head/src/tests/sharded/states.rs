//! States of shards and their files, which any number of ranks can load.
#![expect(clippy::disallowed_methods, reason = "a file is damaged on purpose")]

use super::*;
use std::fs;
use std::path::Path;

/// Three steps on three shards, then three on another number: the same as six steps on one.
#[test]
fn shards_saved_by_three_ranks_continue_on_any_number_of_ranks() {
    for optimiser in [OptimiserConfig::sgd(0.9, 5e-4), OptimiserConfig::adam_w(0.01)] {
        for name in ["am-softmax", "normface", "adaface", "sub-centre"] {
            let default = Parameters::new();
            let objective = ClassObjective::from_name(name, &default, 11).expect("in range");
            let task = Task { config: config(optimiser), steps: 6, ..Task::new(objective, 11) };
            let folder = tempfile::tempdir().expect("a folder");
            on_ranks(3, |rank| {
                let head = ShardedHead::new(rank, 11, task.dim, task.objective.clone(), task.config);
                let mut head = head.expect("in range");
                Task { steps: 3, ..task.clone() }.go_on(&mut head, 0);
                let path = head.save(folder.path()).expect("room on the disk");
                assert_eq!(load_shard(path).expect("just written"), head.state(), "to the bit");
            });
            for shards in [1, 2, 3, 4] {
                let ranks = on_ranks(shards, |rank| {
                    let mut head = ShardedHead::load(rank, folder.path()).expect("just written");
                    assert_eq!(head.steps(), 3);
                    task.go_on(&mut head, 3)
                });
                for (step, expected) in task.one_head()[3..].iter().enumerate() {
                    let found = Step::joined(ranks.iter().map(|rank| rank[step].clone()).collect());
                    found.assert_close(expected, &format!("{name} on {shards} shards, {step} steps after"));
                }
            }
        }
    }
}

fn states_of(shards: usize) -> (Task, Vec<ShardState>) {
    let task = Task { steps: 2, ..Task::new(am_softmax(), 8) };
    let states = on_ranks(shards, |rank| {
        let mut head = ShardedHead::new(rank, 8, task.dim, am_softmax(), task.config).expect("in range");
        task.go_on(&mut head, 0);
        head.state()
    });
    (task, states)
}

#[test]
fn states_join_and_split_to_the_bit() {
    let (task, states) = states_of(3);
    let mut shuffled = states.clone();
    shuffled.rotate_left(1);
    let whole = join_shards(shuffled).expect("all three");
    assert_eq!(split_shards(&whole, 3).expect("a good state"), states);
    let head = Head::from_state(whole.clone()).expect("a good state");
    assert_close(&head.centres(), &task.one_head()[1].centres, "centres");
    for shards in 1..=8 {
        assert_eq!(join_shards(split_shards(&whole, shards).expect("in range")).expect("all"), whole);
    }
    let text = serde_json::to_string(&states[1]).expect("plain data");
    assert_eq!(serde_json::from_str::<ShardState>(&text).expect("just written"), states[1]);
    assert!(matches!(split_shards(&whole, 9), Err(Error::OutOfRange { setting: "number of shards", .. })));
    assert!(matches!(split_shards(&whole, 0), Err(Error::OutOfRange { setting: "number of shards", .. })));
    let screened = HeadConfig { mode: HeadMode::screened(), ..task.config };
    let screened = Head::new(8, task.dim, am_softmax(), screened).expect("in range").state();
    assert_eq!(split_shards(&screened, 2), Err(Error::NotShardable { mode: "screened" }));
}

#[test]
fn classes_are_added_and_dropped_in_the_joined_state() {
    let (task, states) = states_of(3);
    let mut head = Head::from_state(join_shards(states).expect("all three")).expect("a good state");
    head.add_classes(NewClasses::Random { count: 2, seed: 1 }).expect("in range");
    head.drop_classes(&[0, 5]).expect("there");
    let states = split_shards(&head.state(), 3).expect("dense");
    let (features, _) = task.batch_of(7);
    let features = view(&features, task.batch, task.dim);
    let labels = [0, 1, 2, 7, 6, 5, 4];
    let expected = Step::of(&head, &head.forward(features, &labels).expect("finite"));
    let found = on_ranks(3, |rank| {
        let state = states[rank.rank()].clone();
        let head = ShardedHead::from_state(rank, state).expect("a good state");
        Step::of(&head, &head.forward(features, &labels).expect("finite"))
    });
    Step::joined(found).assert_close(&expected, "after adding and dropping classes");
}

#[test]
fn states_that_do_not_fit_together_are_rejected_and_named() {
    let (_, states) = states_of(3);
    let join = |change: &dyn Fn(&mut Vec<ShardState>)| {
        let mut states = states.clone();
        change(&mut states);
        join_shards(states).expect_err("changed")
    };
    assert_eq!(join(&Vec::clear), Error::MissingShard { shard: 0, shards: 1 });
    for shard in 0..3 {
        let found = join(&|states| drop(states.remove(shard)));
        assert_eq!(found, Error::MissingShard { shard, shards: 3 });
    }
    assert_eq!(join(&|states| states.push(states[1].clone())), Error::DuplicateShard { shard: 1 });
    let differs = |what, change: &dyn Fn(&mut ShardState)| {
        let found = join(&|states| change(&mut states[1]));
        assert!(
            matches!(found, Error::ShardsDiffer { shard: 1, what: found, .. } if found == what),
            "{what}: {found}"
        );
        found.to_string()
    };
    differs("number of shards", &|state| state.shards = 4);
    differs("number of all classes", &|state| state.all_classes = 9);
    let overlap = differs("classes", &|state| state.first_class = 2);
    assert_eq!(overlap, "shard 1 has classes 2..5; expected 3..6");
    differs("dimension", &|state| state.part.dim = 7);
    assert_eq!(
        differs("number of steps", &|state| state.part.steps = 9),
        "shard 1 has number of steps 9; expected 2"
    );
    differs("configuration", &|state| state.part.config.seed = 9);
    differs("objective", &|state| state.part.objective.set_margin_share(0.5));
    differs("memory of the learnt value", &|state| state.part.learnt_memory.push(1.0));
    differs("tensors", &|state| drop(state.part.tensors.pop()));
    let short = join(&|states| states[1].part.tensors[0].values.truncate(17));
    assert!(matches!(short, Error::TensorShape { values: 17, expected: [3, 6], .. }), "{short}");
    // a shard number beyond the number of shards
    let outside = join(&|states| states[2].shard = 3);
    assert!(matches!(outside, Error::ShardsDiffer { shard: 3, what: "number", .. }), "{outside}");

    let from = |rank: usize, change: &(dyn Fn(&mut ShardState) + Sync)| {
        let found = on_ranks(3, |own| {
            let mut state = states[own.rank()].clone();
            if own.rank() == rank {
                change(&mut state);
            }
            ShardedHead::from_state(own, state).map(|head| head.steps())
        });
        assert!(found.iter().all(Result::is_err), "{found:?}");
        found
    };
    let other = from(2, &|state| *state = states[0].clone());
    assert_eq!(other[2], Err(Error::OtherShard { shard: 0, shards: 3, rank: 2, size: 3 }));
    assert_eq!(other[0], Err(Error::RankFailed { rank: 2 }));
    let behind = from(1, &|state| state.part.steps = 1);
    assert_eq!(behind[0], Err(Error::RanksDiffer { what: "number of steps", rank: 1, own: 0 }));
    let broken = from(0, &|state| state.part.tensors[0].values[0] = f32::NAN);
    assert!(matches!(&broken[0], Err(Error::NonFiniteTensor { row: 0, .. })), "{broken:?}");
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a folder of the test");
}

#[test]
fn files_that_are_missing_or_damaged_are_rejected_and_named() {
    let (_, states) = states_of(3);
    let fresh = || {
        let folder = tempfile::tempdir().expect("a folder");
        for state in &states {
            save_shard(folder.path(), state).expect("room on the disk");
        }
        overwrite(&folder.path().join("notes.txt"), b"other files do not matter");
        folder
    };
    let folder = fresh();
    assert_eq!(load_shards(folder.path()).expect("just written"), states);
    let path = |shard: usize| folder.path().join(format!("head-{shard}-of-3"));
    let good = fs::read(path(1)).expect("just written");

    // every kind of damage is reported by name
    let mut flipped = good.clone();
    flipped[good.len() - 5] ^= 8;
    for (bytes, expected) in [
        (&flipped[..], "damaged"),
        (&good[..good.len() - 1], "truncated"),
        (&good[..20], "truncated"),
        (&b""[..], "truncated"),
        (&b"PK\x03\x04 not ours"[..], "not a file of this program"),
        (&widemargin_durable::seal("checkpoint", 1, b"{}"), "contains a \"checkpoint\""),
        (&widemargin_durable::seal("head-shard", 2, b"{}"), "version 2"),
        (&widemargin_durable::seal("head-shard", 1, b"{}"), "not safetensors"),
    ] {
        overwrite(&path(1), bytes);
        let error = load_shards(folder.path()).expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("head-1-of-3"), "{error}");
    }
    overwrite(&path(1), &good);
    assert_eq!(load_shards(folder.path()).expect("whole again"), states);

    // a file with another's name, a missing one, heads with different numbers of shards, an empty folder
    overwrite(&path(2), &good);
    let error = load_shards(folder.path()).expect_err("renamed");
    assert!(matches!(error, Error::RenamedFile { shard: 1, shards: 3, .. }), "{error}");
    fs::remove_file(path(2)).expect("there");
    let error = load_shards(folder.path()).expect_err("missing");
    assert!(matches!(&error, Error::MissingFile { path: found } if *found == path(2)), "{error}");
    let folder = fresh();
    save_shard(
        folder.path(),
        &split_shards(&join_shards(states.clone()).expect("all"), 2).expect("in range")[0],
    )
    .expect("room");
    let error = load_shards(folder.path()).expect_err("two heads");
    assert!(matches!(&error, Error::SeveralHeads { found, .. } if *found == [2, 3]), "{error}");
    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(load_shards(empty.path()), Err(Error::NoShardFiles { .. })));
    assert!(matches!(load_shards(empty.path().join("none")), Err(Error::Folder { .. })));
    assert!(matches!(save_shard(empty.path().join("none"), &states[0]), Err(Error::File(_))));
    let mut wrong = states[0].clone();
    wrong.part.tensors[0].values.pop();
    assert!(matches!(save_shard(empty.path(), &wrong), Err(Error::FileContent { .. })));
}

#[test]
fn a_rank_that_cannot_load_is_an_error_on_all() {
    let (_, states) = states_of(3);
    let folder = tempfile::tempdir().expect("a folder");
    let paths: Vec<_> =
        states.iter().map(|state| save_shard(folder.path(), state).expect("room on the disk")).collect();
    let mut bytes = fs::read(&paths[1]).expect("just written");
    bytes[100] ^= 1;
    overwrite(&paths[1], &bytes);
    let load =
        |shards| on_ranks(shards, |rank| ShardedHead::load(rank, folder.path()).map(|head| head.steps()));
    // each reads its own
    let found = load(3);
    assert!(matches!(&found[1], Err(Error::File(_))), "{found:?}");
    for rank in [0, 2] {
        assert!(matches!(&found[rank], Err(Error::RankFailed { rank: 1 })), "{found:?}");
    }
    // each reads all
    assert!(load(2).iter().all(|found| matches!(found, Err(Error::File(_)))));
    // a shard of another step: with as many ranks as shards each rank reads only its own, and the ranks compare
    let mut late = states[1].clone();
    late.part.steps += 1;
    save_shard(folder.path(), &late).expect("room on the disk");
    let found = load(3);
    let differs = |rank, own| Error::RanksDiffer { what: "number of steps", rank, own };
    assert!(matches!(&found[0], Err(error) if *error == differs(1, 0)), "{found:?}");
    assert!(
        matches!(&load(2)[0], Err(Error::ShardFolder { source, .. }) if source.to_string().contains("shard 1"))
    );
    // more ranks than classes
    save_shard(folder.path(), &states[1]).expect("room on the disk");
    assert!(
        load(9)
            .iter()
            .all(|found| matches!(found, Err(Error::OutOfRange { setting: "number of shards", .. })))
    );
}

/// A head's statistics have long decimals; their text must give back each bit.
#[test]
fn the_state_of_the_objective_survives_its_file() {
    let objective = ClassObjective::from_name("adaface", &Parameters::new(), 4).expect("in range");
    let mut head =
        ShardedHead::new(Solo, 4, 5, objective, config(OptimiserConfig::default())).expect("in range");
    let folder = tempfile::tempdir().expect("a folder");
    for step in 0..200 {
        head.step(view(&values(3 * 5, step), 3, 5), &labels(3, 4, step), 0.1).expect("finite");
        let restored = ShardedHead::load(Solo, {
            head.save(folder.path()).expect("room on the disk");
            folder.path()
        });
        assert_eq!(restored.expect("just written").objective(), head.objective(), "step {step}");
    }
}

/// Splits the state of a plain head whose mode is `auto`.
#[test]
fn the_state_of_a_trained_head_becomes_shards() {
    let mut head = Head::new(9, 4, am_softmax(), HeadConfig::default()).expect("in range");
    head.step(view(&values(8, 1), 2, 4), &[1, 8], 0.1).expect("finite");
    let state: HeadState = head.state();
    let states = split_shards(&state, 2).expect("dense in fact");
    let found = on_ranks(2, |rank| {
        let state = states[rank.rank()].clone();
        let mut head = ShardedHead::from_state(rank, state).expect("a good state");
        head.step(view(&values(8, 2), 2, 4), &[0, 7], 0.1).expect("finite");
        head.centres().to_vec()
    });
    head.step(view(&values(8, 2), 2, 4), &[0, 7], 0.1).expect("finite");
    assert_close(&found.concat(), &head.centres(), "centres");
}
