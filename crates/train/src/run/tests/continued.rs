//! Runs that continue another one with other classes.

use super::*;
use crate::config::HeadModeName;
use widemargin_data::{SplitPart, VectorOptions, VectorSet};
use widemargin_head::StoragePrecision;

const DIM: usize = 6;

/// Twelve vectors around a direction of their own for each class; the vectors of a class do not depend on its name.
fn set(classes: &[(u64, &str)]) -> SampleSet {
    let (mut values, mut names) = (Vec::new(), Vec::new());
    for (number, name) in classes {
        let mut random = Stream::new(*number, Purpose::Test, 0, 0);
        let centre: Vec<f32> = (0..DIM).map(|_| random.between(-1.0, 1.0)).collect();
        for _ in 0..12 {
            values.extend(centre.iter().map(|value| value + random.between(-0.3_f32, 0.3)));
            names.push((*name).to_owned());
        }
    }
    let options = VectorOptions::default();
    VectorSet::from_rows("vectors", values, DIM, names, options).expect("a set").into()
}

const OLD: [(u64, &str); 9] =
    [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"), (5, "f"), (6, "g"), (7, "h"), (8, "i")];

fn first() -> Config {
    let mut config = Config::default();
    config.model.backbone = BackboneName::Mlp;
    config.model.hidden = vec![10];
    config.model.embedding = 5;
    config.sampler.batch = 8;
    config.training.epochs = 2;
    config.training.keep_checkpoints = 9;
    config.data.unseen_classes = vec!["b".to_owned(), "h".to_owned()];
    config.schedule.margin_warm_up_epochs = 1.0;
    config
}

/// Trains the run that is continued: all of `OLD` but `b` and `h`, which are unseen.
fn trained(config: &Config, folder: &Path) -> Prepared {
    let prepared = Prepared::from_set(set(&OLD), config).expect("prepared");
    fit(config, &prepared, folder).expect("a run");
    prepared
}

/// Without `d`, with `f` in the other case, and with three new classes among the others.
fn other() -> SampleSet {
    let mut classes = OLD.to_vec();
    classes.remove(3);
    classes[4].1 = "F";
    classes.extend([(20, "aa"), (21, "hh"), (22, "z")]);
    classes.sort_by_key(|(_, name)| *name);
    set(&classes)
}

fn next(run: &Path) -> Config {
    let mut config = Config::after(run).expect("a run");
    config.resolve_weights().expect("fits");
    config
}

fn started(config: &Config, set: SampleSet) -> Result<(Trainer, Prepared, String), Error> {
    let prepared = Prepared::from_set(set, config)?;
    let mut trainer = Trainer::new(config, &prepared)?;
    let messages = trainer.load_weights(config, &prepared)?.join("\n");
    Ok((trainer, prepared, messages))
}

#[test]
fn kept_classes_keep_their_centres_and_new_ones_start_at_their_mean() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = parent.path().join("first");
    let before = trained(&first(), &run);
    let config = next(&run);
    assert_eq!((config.optimiser.learning_rate, config.schedule.margin_warm_up_epochs), (0.01, 0.0));
    let (trainer, prepared, said) = started(&config, other()).expect("continued");
    for part in [
        "after step 16:",
        "6 classes kept, 3 new (aa, hh, z), whose centres start at their mean embedding, 1 dropped (d)",
        "\"f\" as \"F\"",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let earlier = reopen(&run).expect("finished").trainer;
    let old: Vec<&str> = before.known_classes();
    for (label, name) in prepared.known_classes().into_iter().enumerate() {
        let centre = trainer.head().class_head().expect("centres").centre(label);
        if let Some(before) = old.iter().position(|old| old.eq_ignore_ascii_case(name)) {
            assert_eq!(centre, earlier.head().class_head().expect("centres").centre(before), "{name}");
            continue;
        }
        let labels = prepared.training.labels.iter();
        let own = prepared.training.samples.iter().zip(labels).filter(|(_, found)| **found == label as u32);
        let own: Vec<u32> = own.map(|(sample, _)| *sample).collect();
        let mut mean = [0.0_f32; 5];
        for embedding in trainer.embed(&prepared, &own).expect("embedded").chunks_mut(5) {
            widemargin_objective::normalise(embedding);
            mean.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += *value);
        }
        let [mut mean, mut centre] = [mean.to_vec(), centre];
        widemargin_objective::normalise(&mut mean);
        widemargin_objective::normalise(&mut centre);
        let cosine = widemargin_objective::dot(&mean, &centre);
        // sums of ten unit vectors in f32
        assert!(cosine > 1.0 - 1e-5, "{name}: {cosine}");
    }
    fit(&config, &prepared, parent.path().join("next")).expect("a run");
    let parts = |folder: &Path, step: u64| {
        let checkpoint = folder.join(format!("checkpoints/step-{step:010}"));
        ["model", "optimiser"]
            .map(|part| widemargin_durable::read_file(checkpoint.join(part), u64::MAX).expect("there"))
    };
    assert!(parts(&parent.path().join("next"), 0) == parts(&run, 16), "backbone and its optimisers");
}

#[test]
fn the_split_of_the_earlier_run_is_kept() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = parent.path().join("first");
    let before = trained(&first(), &run);
    let config = next(&run);
    let prepared = Prepared::from_set(other(), &config).expect("prepared");
    let unseen: Vec<&str> = prepared
        .split
        .unseen()
        .iter()
        .map(|class| prepared.set.class_names()[*class as usize].as_str())
        .collect();
    assert_eq!(unseen, ["b", "h"], "no new class is held out");
    let known =
        |prepared: &Prepared, at: usize| prepared.split.known_label(prepared.set.labels()[at]).is_some();
    let mut compared = [0, 0];
    for at in (0..prepared.set.len()).filter(|at| known(&prepared, *at)) {
        let same = (0..before.set.len()).find(|old| before.set.digest(*old) == prepared.set.digest(at));
        if let Some(old) = same.filter(|old| known(&before, *old)) {
            assert_eq!(prepared.parts[at], before.parts[old]);
            compared[usize::from(prepared.parts[at] == SplitPart::Test)] += 1;
        }
    }
    assert!(compared[0] > 40 && compared[1] > 10, "{compared:?}");
    assert!(!prepared.warnings.iter().any(|text| text.contains("too good")), "{:?}", prepared.warnings);
    // Where the user decides, what the run has seen is named.
    let mut config = config;
    config.data.unseen_classes = vec!["c".to_owned(), "z".to_owned()];
    let said = Prepared::from_set(other(), &config).expect("prepared").warnings.join("\n");
    assert!(said.contains("trained on 1 of the 2 unseen classes") && said.contains(": c."), "{said}");
    assert!(said.contains("of the 24 vectors of unseen classes, so the results are too good"), "{said}");
}

#[test]
fn a_continued_run_resumes_without_the_earlier_one() {
    let parent = tempfile::tempdir().expect("a folder");
    let run_of = parent.path().join("first");
    trained(&first(), &run_of);
    let config = next(&run_of);
    let prepared = Prepared::from_set(other(), &config).expect("prepared");
    let expected = whole(&config, &prepared, &parent.path().join("straight"));
    let folder = parent.path().join("stopped");
    let stop = Cell::new(false);
    run(&config, &prepared, &folder, RunStart::New, &mut StopAt(4, &stop), &|| stop.get());
    std::fs::remove_dir_all(&run_of).expect("gone");
    let resumed = config_of(&folder);
    assert_eq!(resumed, config);
    run(&resumed, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false);
    assert!(weights(&folder) == expected);
}

/// A run that continues one that continued another has its classes and samples too, and its rate is not lowered again.
#[test]
fn what_was_seen_is_passed_on() {
    let parent = tempfile::tempdir().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| parent.path().join(name));
    trained(&first(), &one);
    let config = next(&one);
    fit(&config, &Prepared::from_set(other(), &config).expect("prepared"), &two).expect("a run");
    let config = next(&two);
    assert_eq!(config.optimiser.learning_rate, 0.01);
    let listed = config.model.weights_classes.as_ref().expect("stored");
    assert!(listed.trained.contains(&"d".to_owned()) && listed.trained.contains(&"z".to_owned()));
    assert_eq!(listed.unseen, ["b", "h"]);
    let prepared = Prepared::from_set(set(&OLD), &config).expect("prepared");
    let seen = prepared.trained_before.as_ref().expect("known");
    // Nine or ten of twelve samples of each of ten classes.
    assert!((88..=110).contains(&seen.len()), "{}", seen.len());
}

#[test]
fn every_kind_of_head_continues() {
    type Change = fn(&mut Config);
    let kinds: [(&str, Change); 9] = [
        ("curricularface", |_| {}),
        ("adacos-dynamic", |_| {}),
        ("am-softmax", |c| c.objective.margin_by_count = Some(0.25)),
        ("am-softmax", |c| c.objective.parameters.insert("sub_centres".into(), 3.into()).map_or((), drop)),
        ("am-softmax", |c| (c.head.mode, c.head.rate) = (HeadModeName::Sampled, 0.5)),
        ("am-softmax", |c| {
            c.head.mode = HeadModeName::Screened;
            (c.head.centres, c.head.optimiser_state) = (StoragePrecision::Bf16, StoragePrecision::Bf16);
        }),
        ("softmax", |c| c.optimiser.name = OptimiserName::AdamW),
        ("proxy-anchor", |_| {}),
        ("contrastive", |c| c.objective.memory = 20),
    ];
    for (name, change) in kinds {
        let parent = tempfile::tempdir().expect("a folder");
        let run = parent.path().join("first");
        let mut config = first();
        config.objective.name = name.to_owned();
        change(&mut config);
        trained(&config, &run);
        let config = next(&run);
        let (_, prepared, said) = started(&config, other()).expect(name);
        assert!(said.contains("6 classes kept, 3 new"), "{name}: {said}");
        assert_eq!(said.contains("start at their mean"), name != "contrastive", "{name}: {said}");
        fit(&config, &prepared, parent.path().join("next")).expect(name);
    }
}

#[test]
fn settings_that_contradict_the_earlier_run_are_refused_by_key() {
    type Change = fn(&mut Config);
    let parent = tempfile::tempdir().expect("a folder");
    let run = parent.path().join("first");
    trained(&first(), &run);
    let changes: [(&str, Change); 9] = [
        ("model.backbone", |c| c.model.backbone = BackboneName::Linear),
        ("model.embedding", |c| c.model.embedding = 7),
        ("model.hidden", |c| c.model.hidden = vec![11]),
        ("model.weights", |c| c.model.weights = Some("model.safetensors".into())),
        ("model.mean", |c| (c.model.mean, c.model.deviation) = (vec![0.0], vec![9.0])),
        ("data.depth", |c| c.data.depth = Some(12)),
        ("optimiser.name", |c| c.optimiser.name = OptimiserName::AdamW),
        ("optimiser.momentum", |c| c.optimiser.momentum = 0.0),
        ("objective.name", |c| c.objective.name = "triplet-margin".to_owned()),
    ];
    for (key, change) in changes {
        let mut config = Config::after(&run).expect("a run");
        change(&mut config);
        let error = config.resolve_weights().expect_err(key);
        let text = error.to_string();
        let key = if key == "model.mean" { "model.deviation" } else { key };
        assert!(matches!(&error, Error::BadValue { key: found, .. } if found == key), "{key}: {text}");
        assert!(text.contains("first") && text.contains("expected"), "{text}");
    }
    // Its own settings, read from its configuration again, are accepted.
    let again = next(&run);
    assert_eq!(next(&run), again);
    let mut resolved = again.clone();
    resolved.resolve_weights().expect("nothing new");
    assert_eq!(resolved, again);

    let config = next(&run);
    let refused = |set: SampleSet| started(&config, set).expect_err("refused").to_string();
    let said = refused(set(&[(30, "m"), (31, "n"), (32, "o"), (33, "p"), (34, "q"), (35, "r")]));
    assert!(said.starts_with("model.from: none of the 3 known classes of vectors"), "{said}");
    let wide = VectorSet::from_rows(
        "wide",
        vec![1.0; 7 * 8],
        7,
        (0..8).map(|row| format!("{}", row % 4)).collect(),
        VectorOptions::default(),
    );
    let said = refused(wide.expect("a set").into());
    assert!(said.contains("trained on vectors of 1 x 1 x 6; the data has vectors of 1 x 1 x 7"), "{said}");
    let images = Prepared::new(&small()).expect("built in").set;
    let said = refused(images);
    assert!(said.contains("was trained on vectors; the data has images"), "{said}");
    let missing = Config::after(&parent.path().join("none")).expect_err("no run").to_string();
    assert!(missing.contains("is this a run folder?"), "{missing}");
}

#[test]
fn margins_per_class_belong_to_the_classes_they_were_given_for() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = parent.path().join("first");
    let mut config = first();
    config.objective.parameters.insert("class_margins".into(), vec![0.1; 7].into());
    trained(&config, &run);
    let mut classes = OLD.to_vec();
    classes[3] = (20, "new");
    let error = started(&next(&run), set(&classes)).expect_err("other classes").to_string();
    assert!(error.starts_with("objective.class_margins: found those of the run"), "{error}");
    started(&next(&run), set(&OLD)).expect("the same classes");
}

/// A run that evaluates during training and averages its weights continues from the model that it gives, with its validation classes.
#[test]
fn the_model_that_a_run_gives_and_its_validation_classes_are_kept() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = parent.path().join("first");
    let mut config = first();
    config.training.average = 0.9;
    (config.training.evaluate_every, config.training.epochs) = (1, 3);
    let before = trained(&config, &run);
    let mut classes = OLD.to_vec();
    classes.extend([(20, "aa"), (21, "hh"), (22, "z")]);
    let config = next(&run);
    let (trainer, prepared, _) = started(&config, set(&classes)).expect("continued");
    let validation = |prepared: &Prepared| -> Vec<String> {
        let labels = prepared.validation.iter().map(|sample| prepared.set.labels()[*sample as usize]);
        let mut names: Vec<String> =
            labels.map(|class| prepared.set.class_names()[class as usize].clone()).collect();
        names.dedup();
        names
    };
    assert_eq!(validation(&prepared), validation(&before));
    assert_eq!(validation(&before).len(), 3);
    let known = prepared.known_classes();
    assert!(["aa", "hh", "z"].iter().all(|name| known.contains(name)), "{known:?}");
    let earlier = reopen(&run).expect("finished").trainer.result_parameters();
    for (now, before) in trainer.result_parameters().iter().zip(&earlier) {
        assert_eq!(now.values, before.values, "{}", now.name);
    }
    fit(&config, &prepared, parent.path().join("next")).expect("a run");
}
