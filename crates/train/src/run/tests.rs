//! Small runs on the built-in images: repeated, stopped and resumed, and failing.

mod continued;
mod validation;

use super::*;
use crate::config::{OptimiserName, PrecisionName};
use crate::log;
use std::cell::Cell;
use widemargin_chance::{Purpose, Stream};
use widemargin_model::BackboneName;

fn small() -> Config {
    let mut config = Config::default();
    config.data.path = Some(crate::testing::clothing());
    config.model.backbone = BackboneName::Mlp;
    config.model.hidden = vec![24];
    config.model.embedding = 8;
    config.model.dropout = 0.1;
    config.sampler.batch = 20;
    config.training.epochs = 2;
    config.training.limit = 210;
    config.training.checkpoint_every = 3;
    config.schedule.margin_warm_up_epochs = 1.0;
    config.optimiser.clip_norm = 5.0;
    config
}

fn run(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    start: RunStart,
    observer: &mut dyn Observer,
    stop: &dyn Fn() -> bool,
) -> Ending {
    train(config, prepared, folder, start, observer, stop).expect("a run")
}

fn whole(config: &Config, prepared: &Prepared, folder: &Path) -> Vec<u8> {
    fit(config, prepared, folder).expect("a run");
    weights(folder)
}

/// The tensors of the last checkpoint, as bytes.
fn weights(folder: &Path) -> Vec<u8> {
    let found = checkpoint::newest(folder).expect("a checkpoint");
    ["model", "head", "optimiser", checkpoint::AVERAGE]
        .iter()
        .flat_map(|part| found.parts.get(*part).cloned().unwrap_or_default())
        .collect()
}

/// Stops the run after a given step.
struct StopAt<'a>(u64, &'a Cell<bool>);

impl Observer for StopAt<'_> {
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn step(&mut self, metrics: &Metrics) {
        if metrics.step == self.0 {
            self.1.set(true);
        }
    }
    fn message(&mut self, _: &str) {}
    fn end(&mut self) {}
}

/// The configuration of a run that is resumed.
fn config_of(folder: &Path) -> Config {
    RunFolder::resume(folder).expect("a run").config().expect("its configuration").clone()
}

#[test]
fn a_run_repeats_to_the_bit_for_any_number_of_loader_threads() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let first = whole(&config, &prepared, &parent.path().join("a"));
    for threads in [0, 3] {
        config.training.loader_threads = threads;
        assert!(
            first == whole(&config, &prepared, &parent.path().join(format!("{threads}"))),
            "{threads} threads"
        );
    }
    config.training.seed = 2;
    assert!(first != whole(&config, &prepared, &parent.path().join("b")), "another seed is another run");
}

#[test]
fn a_run_stopped_anywhere_and_resumed_ends_with_the_same_bits() {
    let parent = tempfile::tempdir().expect("a folder");
    for (optimiser, precision) in [
        (OptimiserName::Sgd, PrecisionName::Full),
        (OptimiserName::AdamW, PrecisionName::Full),
        (OptimiserName::Sgd, PrecisionName::Mixed),
    ] {
        let mut config = small();
        config.optimiser.name = optimiser;
        config.training.precision = precision;
        if precision == PrecisionName::Mixed {
            config.model.backbone = BackboneName::SmallCnn;
        }
        let prepared = Prepared::new(&config).expect("built in");
        let straight = parent.path().join(format!("{optimiser:?}-{precision:?}"));
        let expected = whole(&config, &prepared, &straight);
        let history = log::history(&straight).expect("a log");
        // five of the nineteen points between its steps, different in every run of this test; a failure reports its point
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let mut cuts: Vec<u64> = (1..20).collect();
        Stream::new(now.subsec_nanos().into(), Purpose::Test, 0, 0).shuffle(&mut cuts);
        for cut in cuts.into_iter().take(5) {
            let folder = parent.path().join(format!("{optimiser:?}-{precision:?}-{cut}"));
            let stop = Cell::new(false);
            let ending =
                run(&config, &prepared, &folder, RunStart::New, &mut StopAt(cut, &stop), &|| stop.get());
            assert!(matches!(ending, Ending::Stopped { step } if step == cut), "{ending:?}");
            let resumed = config_of(&folder);
            assert_eq!(resumed, config);
            run(&resumed, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false);
            assert!(weights(&folder) == expected, "cut at {cut}");
            let timeless = |mut m: Metrics| {
                m.samples_per_second = 0.0;
                m
            };
            let got: Vec<_> = log::history(&folder).expect("a log").into_iter().map(timeless).collect();
            assert_eq!(got, history.iter().cloned().map(timeless).collect::<Vec<_>>(), "cut at {cut}");
        }
    }
}

#[test]
fn a_diverging_run_stops_before_the_update_and_keeps_its_checkpoint() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let mut config = small();
    config.model.backbone = BackboneName::Linear;
    config.objective.name = "softmax".to_owned();
    config.optimiser.learning_rate = 1e30;
    config.schedule.warm_up_epochs = 0.0;
    config.optimiser.clip_norm = 0.0;
    let prepared = Prepared::new(&config).expect("built in");
    let error =
        train(&config, &prepared, &folder, RunStart::New, &mut Silent, &|| false).expect_err("diverges");
    let Error::Diverged { step, samples, .. } = &error else { panic!("{error}") };
    assert!(*step >= 2 && samples.len() == 20, "{error}");
    let said = error.to_string();
    assert!(said.starts_with(&format!("the run diverged at step {step}: ")), "{said}");
    assert!(said.contains("train/") && said.contains("Try a lower learning rate"), "{said}");
    assert!(checkpoint::newest(&folder).expect("the last good one").step < *step);
}

/// One step, whose update makes the weights so large that only the embeddings computed with them show it.
#[test]
fn a_run_whose_last_update_diverges_keeps_the_checkpoint_before_it_and_writes_no_model() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = small();
    config.model.backbone = BackboneName::Linear;
    config.schedule.warm_up_epochs = 0.0;
    config.schedule.margin_warm_up_epochs = 0.0;
    config.optimiser.clip_norm = 0.0;
    config.training.epochs = 1;
    config.training.limit = 28;
    config.training.checkpoint_every = 1;
    for (learning_rate, what) in [(1e25, "an embedding has the norm"), (1e38, "not finite")] {
        config.optimiser.learning_rate = learning_rate;
        let prepared = Prepared::new(&config).expect("built in");
        let folder = parent.path().join(format!("{learning_rate:e}"));
        let error = fit(&config, &prepared, &folder).expect_err("diverges");
        let said = error.to_string();
        assert!(said.starts_with("the run diverged at step 1: ") && said.contains(what), "{said}");
        assert_eq!(error.divergence().as_deref(), said.split(". Try").next(), "{said}");
        assert_eq!(checkpoint::newest(&folder).expect("the last good one").step, 0);
        assert!(!folder.join(MODEL_FILE).exists());
    }
}

/// Counts its calls.
#[derive(Default)]
struct Initialised(usize);

impl Observer for Initialised {
    fn initialised(&mut self, _: &Trainer) -> Result<(), Error> {
        self.0 += 1;
        Ok(())
    }
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn step(&mut self, _: &Metrics) {
        assert_eq!(self.0, 1, "before the first step");
    }
    fn message(&mut self, _: &str) {}
    fn end(&mut self) {}
}

#[test]
fn an_observer_sees_the_initial_weights_of_a_new_run_once() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let mut config = small();
    config.training.epochs = 1;
    let prepared = Prepared::new(&config).expect("built in");
    let mut observer = Initialised::default();
    run(&config, &prepared, &folder, RunStart::New, &mut observer, &|| false);
    run(&config, &prepared, &folder, RunStart::Resume, &mut observer, &|| false);
    assert_eq!(observer.0, 1);
}

#[test]
fn few_unseen_classes_give_a_warning() {
    let mut config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let warning = prepared.warnings.iter().find(|warning| warning.contains("only 3 unseen classes"));
    assert!(
        warning.is_some_and(|warning| warning.contains("which classes were drawn")),
        "{:?}",
        prepared.warnings
    );
    config.data.closed_set = true;
    let closed = Prepared::new(&config).expect("built in").warnings;
    assert!(!closed.iter().any(|warning| warning.contains("unseen classes")), "{closed:?}");
}

#[test]
fn existing_folders_are_not_overwritten_and_missing_ones_are_not_created() {
    let parent = tempfile::tempdir().expect("a folder");
    let config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let go = |folder: &Path, start| train(&config, &prepared, folder, start, &mut Silent, &|| false);
    assert!(matches!(go(parent.path(), RunStart::New), Err(Error::RunFolderExists(_))));
    let error = go(parent.path(), RunStart::Resume).expect_err("no configuration").to_string();
    assert!(error.contains("is this a run folder?"), "{error}");
    assert!(std::fs::read_dir(parent.path()).expect("a list").next().is_none(), "nothing is created");
}

#[test]
fn a_run_in_parts_ends_with_the_bits_of_an_uninterrupted_one_and_can_be_reopened() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = small();
    config.training.epochs = 3;
    let prepared = Prepared::new(&config).expect("built in");
    let expected = whole(&config, &prepared, &parent.path().join("whole"));
    let folder = parent.path().join("parts");
    let part = |start, epochs| {
        let mut run = RunFolder::at(&folder, start).expect("a run folder");
        train_until(&config, &prepared, &mut run, epochs, &mut Silent, &|| false).expect("a part")
    };
    assert!(matches!(part(RunStart::New, 1), Ending::Paused { .. }));
    let steps = log::history(&folder).expect("a log").len();
    assert!(matches!(part(RunStart::Resume, 1), Ending::Paused { .. }), "done already");
    assert_eq!(log::history(&folder).expect("a log").len(), steps);
    let reopened = reopen(&folder).expect("a checkpoint");
    assert_eq!(reopened.step as usize, steps);
    assert_eq!(reopened.config, config);
    assert!(matches!(part(RunStart::Resume, 2), Ending::Paused { .. }));
    let same = reopened.prepared().expect("the same data");
    assert_eq!((&same.parts, &same.normalisation), (&prepared.parts, &prepared.normalisation));
    let Ending::Finished { trainer, .. } = part(RunStart::Resume, 9) else { panic!("all epochs are done") };
    assert!(weights(&folder) == expected);
    assert!(!folder.join(MODEL_FILE).exists(), "the caller writes the model after its evaluation");
    let again = reopen(&folder).expect("a checkpoint").trainer;
    let samples = &prepared.unseen[..5];
    assert_eq!(
        again.embed(&prepared, samples).expect("read"),
        trainer.embed(&prepared, samples).expect("read")
    );
}

#[test]
fn too_large_a_batch_is_rejected() {
    let mut config = small();
    config.sampler.batch = 4000;
    assert!(Prepared::new(&config).expect_err("too large").to_string().contains("choose a smaller batch"));
}

/// Each is also resumed in the middle, so that statistics, memories and proxies must be in the checkpoint.
#[test]
fn every_objective_trains_by_its_name_and_resumes_to_the_same_bits() {
    let parent = tempfile::tempdir().expect("a folder");
    let base = {
        let mut config = small();
        config.model.hidden = vec![8];
        config.training.epochs = 1;
        config.training.limit = 140;
        config.training.checkpoint_every = 2;
        config.sampler.name = crate::config::SamplerName::ClassBalanced;
        config.sampler.classes_per_batch = 4;
        config.sampler.samples_per_class = 4;
        config.optimiser.learning_rate = 0.01;
        config
    };
    let prepared = Prepared::new(&base).expect("built in");
    let mut configs: Vec<Config> = Vec::new();
    for name in widemargin_objective::AnyObjective::names() {
        let mut config = base.clone();
        config.objective.name = name.to_owned();
        configs.push(config);
    }
    let mut mined = base.clone();
    mined.objective.name = "triplet-margin".to_owned();
    mined.objective.miner = Some("distance-weighted".to_owned());
    configs.push(mined);
    let mut remembered = base.clone();
    remembered.objective.name = "contrastive".to_owned();
    remembered.objective.memory = 40;
    configs.push(remembered);
    let mut by_count = base.clone();
    by_count.objective.margin_by_count = Some(0.25);
    by_count.sampler.name = crate::config::SamplerName::ByFrequency;
    by_count.sampler.batch = 16;
    configs.push(by_count);
    for (at, config) in configs.iter().enumerate() {
        let name = &config.objective.name;
        let straight = parent.path().join(format!("{at}"));
        let expected = whole(config, &prepared, &straight);
        let folder = parent.path().join(format!("{at}-cut"));
        let stop = Cell::new(false);
        let ending = run(config, &prepared, &folder, RunStart::New, &mut StopAt(3, &stop), &|| stop.get());
        assert!(matches!(ending, Ending::Stopped { step: 3, .. }), "{name}: {ending:?}");
        let Ending::Finished { trainer, .. } =
            run(config, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false)
        else {
            panic!("{name} did not finish");
        };
        assert!(weights(&folder) == expected, "{name}");
        let accuracy = trainer.known_accuracy(&prepared).expect("read").expect("known images");
        assert!((0.0..=1.0).contains(&accuracy), "{name}: {accuracy}");
        let losses: Vec<f64> = log::history(&folder).expect("a log").iter().map(|m| m.loss).collect();
        assert!(losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?}");
    }
}

/// Fine-tuning with some parameters frozen and others slow; stopped, and resumed after the weights file was deleted.
#[test]
fn a_fine_tuned_run_resumes_to_the_same_bits_without_its_weights() {
    let parent = tempfile::tempdir().expect("a folder");
    let first = small();
    let prepared = Prepared::new(&first).expect("built in");
    let pretrained = parent.path().join("pretrained");
    whole(&first, &prepared, &pretrained);
    let begun = parameters_of(&pretrained);

    let mut config = small();
    config.model.weights = Some(pretrained.join(MODEL_FILE));
    config.model.freeze = vec!["hidden".to_owned()];
    config.model.embedding = 5;
    config.optimiser.backbone_factor = 0.25;
    config.optimiser.factors = [("embedding".to_owned(), 2.0)].into();
    config.training.seed = 3;
    let message = config.resolve_weights().expect("readable").join("\n");
    assert!(message.contains("as the weights were trained"), "{message}");
    assert_eq!(config.model.mean, prepared.normalisation.mean);
    let prepared = Prepared::new(&config).expect("built in");
    let expected = whole(&config, &prepared, &parent.path().join("straight"));

    let folder = parent.path().join("stopped");
    let stop = Cell::new(false);
    let mut messages = Messages(Vec::new(), &stop);
    run(&config, &prepared, &folder, RunStart::New, &mut messages, &|| stop.get());
    assert!(messages.0[0].contains("embedding.weight is [24, 8], expected [24, 5]"), "{:?}", messages.0);
    std::fs::remove_dir_all(&pretrained).expect("gone");
    let resumed = config_of(&folder);
    assert_eq!(resumed, config);
    let prepared = RunFolder::resume(&folder).expect("a run").prepared().expect("built in");
    run(&resumed, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false);
    assert!(weights(&folder) == expected);

    let trained = parameters_of(&folder);
    for (name, pretrained) in &begun {
        let kept = name.contains("hidden");
        assert_eq!(trained[name] == *pretrained, kept, "{name}");
    }
}

/// The backbone's parameters in the newest checkpoint.
fn parameters_of(folder: &Path) -> widemargin_model::tensors::Tensors {
    let found = checkpoint::newest(folder).expect("a checkpoint");
    widemargin_model::tensors::unpack(&found.parts["model"]).expect("tensors")
}

/// Collects the messages, and stops after step 7.
struct Messages<'a>(Vec<String>, &'a Cell<bool>);

impl Observer for Messages<'_> {
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn step(&mut self, metrics: &Metrics) {
        if metrics.step == 7 {
            self.1.set(true);
        }
    }
    fn message(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn end(&mut self) {}
}

/// Extends the run in `folder` to `epochs` and trains until `stop` is set, or to the end.
fn extended(folder: &Path, epochs: usize, observer: &mut dyn Observer, stop: &dyn Fn() -> bool) -> Ending {
    let mut run = RunFolder::resume(folder).expect("a run");
    run.change(&Change { epochs: Some(epochs), ..Change::default() }).expect("more epochs");
    let (config, prepared) = (run.config().expect("resumed").clone(), run.prepared().expect("the same data"));
    assert_eq!(config.training.epochs, epochs);
    train_until(&config, &prepared, &mut run, epochs, observer, stop).expect("a run")
}

#[test]
fn an_extended_run_with_a_constant_rate_equals_one_that_was_planned_longer() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = small();
    config.schedule.name = crate::config::ScheduleName::Step;
    config.schedule.milestones = vec![1.5, 2.5];
    let prepared = Prepared::new(&config).expect("built in");
    let longer = Config {
        training: crate::config::TrainingConfig { epochs: 3, ..config.training.clone() },
        ..config.clone()
    };
    let expected = whole(&longer, &prepared, &parent.path().join("longer"));
    let folder = parent.path().join("run");
    whole(&config, &prepared, &folder);
    assert!(matches!(extended(&folder, 3, &mut Silent, &|| false), Ending::Finished { .. }));
    assert!(weights(&folder) == expected);
}

#[test]
fn an_extended_run_stopped_and_resumed_ends_with_the_same_bits() {
    let parent = tempfile::tempdir().expect("a folder");
    let config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let (straight, folder) = (parent.path().join("straight"), parent.path().join("stopped"));
    let never = || false;
    let short = whole(&config, &prepared, &straight);
    extended(&straight, 4, &mut Silent, &never);
    let expected = weights(&straight);
    assert!(expected != short, "the added epochs train");
    let rates: Vec<f64> = log::history(&straight).expect("a log").iter().map(|m| m.learning_rate).collect();
    assert_eq!(rates.len(), 40);
    assert!(rates[20] > 10.0 * rates[19], "half of a longer cosine: {rates:?}");

    // Stopped before the planned end, extended, stopped again in the added epochs, and resumed without a change.
    let stop = Cell::new(false);
    run(&config, &prepared, &folder, RunStart::New, &mut StopAt(13, &stop), &|| stop.get());
    let stop = Cell::new(false);
    let ending = extended(&folder, 4, &mut StopAt(29, &stop), &|| stop.get());
    assert!(matches!(ending, Ending::Stopped { step: 29, .. }), "{ending:?}");
    let again = config_of(&folder);
    run(&again, &prepared, &folder, RunStart::Resume, &mut Silent, &never);
    assert!(weights(&folder) == expected);

    let mut fewer = RunFolder::resume(&folder).expect("a run");
    let error =
        fewer.change(&Change { epochs: Some(3), ..Change::default() }).expect_err("fewer").to_string();
    assert!(error.contains("training.epochs: found 3, expected at least 4"), "{error}");
}

#[test]
fn other_settings_or_data_than_those_of_the_run_are_refused() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let expected = whole(&config, &prepared, &folder);
    let refused = |config: &Config, prepared: &Prepared, part: &str| {
        let error = train(config, prepared, &folder, RunStart::Resume, &mut Silent, &|| false);
        let error = error.expect_err(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    let mut other = config.clone();
    other.optimiser.momentum = 0.5;
    refused(&other, &prepared, "optimiser.momentum: found 0.5, expected 0.9");
    other = config.clone();
    other.data.split_seed = 2;
    let drawn = Prepared::new(&other).expect("built in");
    refused(&config, &drawn, "the data has changed since the run started");
    assert!(weights(&folder) == expected, "nothing was written");

    let copy = parent.path().join("copy");
    let mut other = config.clone();
    other.training.seed = 2;
    whole(&other, &prepared, &copy);
    for file in ["settings", "config.toml"] {
        std::fs::copy(folder.join(file), copy.join(file)).expect("copied");
    }
    let error = reopen(&copy).expect_err("the checkpoint is of another run").to_string();
    assert!(error.contains("belongs to another run than the file `settings`"), "{error}");
}

#[test]
fn a_run_without_a_checkpoint_starts_again_and_one_that_lost_them_does_not() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let config = small();
    let prepared = Prepared::new(&config).expect("built in");
    let expected = whole(&config, &prepared, &folder);
    std::fs::remove_dir_all(folder.join("checkpoints")).expect("removed");
    let error = RunFolder::resume(&folder).expect_err("its checkpoints are gone").to_string();
    assert!(error.contains("there is a log of steps"), "{error}");
    // What a process leaves that is killed at any moment before its first checkpoint.
    for kept in [5, 4, 3, 2, 1] {
        let run = parent.path().join(format!("{kept}"));
        std::fs::create_dir(&run).expect("a folder");
        for file in ["config.toml", "settings", "split.csv", "samples", ".lock"].iter().take(kept) {
            let empty = *file == ".lock";
            let bytes = if empty {
                Vec::new()
            } else {
                widemargin_durable::read_file(folder.join(file), u64::MAX).expect("there")
            };
            widemargin_durable::write_atomic(run.join(file), &bytes).expect("written");
        }
        let mut found = RunFolder::resume(&run).expect("a run without checkpoint");
        let (config, prepared) =
            (found.config().expect("its own").clone(), found.prepared().expect("built in"));
        let mut messages = Messages(Vec::new(), &Cell::new(false));
        train_until(&config, &prepared, &mut found, 2, &mut messages, &|| false).expect("trained");
        assert!(messages.0[0].contains("before its first checkpoint"), "{:?}", messages.0);
        assert!(weights(&run) == expected, "{kept}");
    }
}

#[test]
fn one_process_at_a_time_trains_a_run() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let config = small();
    let prepared = Prepared::new(&config).expect("built in");
    whole(&config, &prepared, &folder);
    let held = RunFolder::resume(&folder).expect("a run");
    let error = RunFolder::resume(&folder).expect_err("in use");
    assert!(matches!(error, Error::RunInUse(_)), "{error}");
    assert!(!error.to_string().contains("remove"), "{error}");
    reopen(&folder).expect("reading is allowed");
    drop(held);
    assert!(!folder.join(".lock").exists());
    // Two new runs at the same moment.
    let both = parent.path().join("both");
    let (mut first, mut second) =
        (RunFolder::create(&both).expect("free"), RunFolder::create(&both).expect("free"));
    first.begin(&config, &prepared).expect("the first");
    assert!(matches!(second.begin(&config, &prepared), Err(Error::RunInUse(_))));
    drop(first);
    assert!(matches!(second.begin(&config, &prepared), Err(Error::RunFolderExists(_))));
}
