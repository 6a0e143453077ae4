//! Runs that are evaluated while they are trained.

use super::*;
use crate::config::KeptModel;
use widemargin_data::SplitPart;

/// Ten steps per epoch, with a rate at which the evaluations rise and fall.
fn validated() -> Config {
    let mut config = small();
    config.training.evaluate_every = 1;
    config.training.epochs = 5;
    config.training.keep_checkpoints = 1;
    config.optimiser.learning_rate = 0.4;
    config
}

fn ended(ending: Ending) -> (Vec<u32>, u64, ValidationOutcome) {
    let Ending::Finished { trainer, step, validation, .. } = ending else { panic!("{ending:?}") };
    let all = trainer.result_parameters();
    let bits = all.iter().flat_map(|parameter| &parameter.values).map(|value| value.to_bits());
    (bits.collect(), step, validation.expect("evaluated"))
}

fn fresh(config: &Config, prepared: &Prepared, folder: &Path) -> (Vec<u32>, u64, ValidationOutcome) {
    ended(run(config, prepared, folder, RunStart::New, &mut Silent, &|| false))
}

#[test]
fn the_model_is_that_of_the_best_epoch_and_a_resumed_run_decides_the_same() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = validated();
    // All that a step can have: each resumes exactly.
    (config.training.average, config.training.accumulate, config.sampler.batch) = (0.9, 2, 10);
    let prepared = Prepared::new(&config).expect("built in");
    assert_eq!((prepared.split.known().len(), prepared.validation.len()), (4, 3 * 60));
    let straight = parent.path().join("straight");
    let (bits, step, outcome) = fresh(&config, &prepared, &straight);
    let log = log::validations(&straight).expect("a log");
    assert_eq!((step, log.iter().map(|found| found.epoch).collect::<Vec<_>>()), (50, vec![1, 2, 3, 4, 5]));
    let largest = log.iter().map(|found| found.map_at_r).fold(0.0, f64::max);
    let first = log.iter().find(|found| found.map_at_r == largest).expect("one");
    assert_eq!((outcome.best, outcome.model, outcome.ended_early), (*first, Some(*first), None));
    assert!(log.iter().any(|found| found.map_at_r != largest), "they differ");
    // The trainer has the weights of that epoch, and measures the same again.
    let reopened = reopen(&straight).expect("a run");
    assert_eq!(reopened.step, first.step);
    let mut again = Validation::new(&config, &prepared, 10, &[5], Found::default());
    let (found, _) = again.evaluate(&reopened.trainer, first.step).expect("readable");
    assert_eq!(found, Some(*first));
    for cut in [7, 10, 33, 41] {
        let folder = parent.path().join(format!("{cut}"));
        let stop = Cell::new(false);
        run(&config, &prepared, &folder, RunStart::New, &mut StopAt(cut, &stop), &|| stop.get());
        let prepared = RunFolder::resume(&folder).expect("a run").prepared().expect("the same data");
        let resumed = ended(run(&config, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false));
        assert!(resumed == (bits.clone(), step, outcome), "cut at {cut}");
        assert_eq!(log::validations(&folder).expect("a log"), log, "cut at {cut}");
        assert!(weights(&folder) == weights(&straight), "cut at {cut}");
    }
    let mut last = config.clone();
    last.training.keep = KeptModel::Last;
    let (of_last, _, outcome) = fresh(&last, &prepared, &parent.path().join("last"));
    assert_eq!((outcome.best, outcome.model.map(|model| model.epoch)), (*first, Some(5)));
    assert_eq!(of_last == bits, first.epoch == 5);
}

#[test]
fn a_run_without_progress_ends_early_and_goes_on_with_more_epochs() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut config = validated();
    config.model.backbone = BackboneName::Linear;
    config.model.dropout = 0.0;
    config.optimiser.learning_rate = f64::MIN_POSITIVE;
    config.training.patience = 2;
    let prepared = Prepared::new(&config).expect("built in");
    let folder = parent.path().join("run");
    let (_, step, outcome) = fresh(&config, &prepared, &folder);
    assert_eq!(
        (step, outcome.best.epoch, outcome.ended_early),
        (30, 1, Some(2)),
        "equal ones are not better"
    );
    let again = ended(run(&config, &prepared, &folder, RunStart::Resume, &mut Silent, &|| false));
    assert_eq!(again.1, 30, "it has ended");
    let mut run = RunFolder::resume(&folder).expect("a run");
    run.change(&Change { epochs: Some(9), ..Change::default() }).expect("longer");
    let longer = run.config().expect("its configuration").clone();
    let never = || false;
    let ending = train_until(&longer, &prepared, &mut run, 9, &mut Silent, &never).expect("a run");
    let (_, step, outcome) = ended(ending);
    assert_eq!((step, outcome.best.epoch, outcome.ended_early), (50, 1, Some(2)), "the patience began again");
}

#[test]
fn without_evaluations_the_split_is_that_of_before() {
    let (mut config, plain) = (validated(), small());
    let drawn = Prepared::new(&config).expect("built in");
    let without = Prepared::new(&plain).expect("built in");
    assert_eq!(drawn.split.unseen(), without.split.unseen());
    assert_eq!(drawn.unseen, without.unseen, "the final evaluation is on the same samples");
    assert!(without.validation.is_empty() && !without.parts.contains(&SplitPart::Validation));
    config.data.closed_set = true;
    let closed = Prepared::new(&config).expect("built in");
    assert_eq!((closed.split.known().len(), closed.validation.len()), (10, 10 * 6), "a tenth of each class");
    let leaks = closed.validation.iter().any(|sample| closed.training.samples.contains(sample));
    assert!(!leaks && closed.known.samples.len() == 200);
    config.training.patience = 1;
    config.training.evaluate_every = 0;
    assert!(config.warnings().iter().any(|text| text.starts_with("training.patience: no effect")));
}
