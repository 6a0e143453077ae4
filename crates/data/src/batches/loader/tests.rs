//! The same batches with any number of threads and from any start; errors at the right batch; threads that end.

use super::*;
use crate::testing::{clothing, image, put};
use crate::{ImageSet, OpenOptions, OpenSetSplit, Part};

const AUGMENT: Augment = Augment { erase: 0.3, flip: true, pad_and_crop: 2, ..Augment::NONE };

fn data(count: usize) -> TrainingSamples {
    let set = clothing();
    let split = OpenSetSplit::by_seed(set.class_names(), 3, 1).unwrap();
    let mut data = TrainingSamples::known(&set, &split, &set.samples(Part::Train));
    data.samples.truncate(count);
    data.labels.truncate(count);
    data
}

fn settings(sampler: Sampler, threads: usize) -> LoaderSettings {
    LoaderSettings {
        augment: AUGMENT,
        epochs: 3,
        threads,
        ahead: 4,
        ..LoaderSettings::new(sampler, Normalisation::half(1), 11)
    }
}

fn loaded(settings: LoaderSettings) -> Vec<TrainingBatch> {
    Loader::new(clothing(), data(100), settings).unwrap().collect::<Result<_>>().unwrap()
}

fn samplers() -> [Sampler; 3] {
    [
        Sampler::Shuffled { batch: 16, drop_last: false },
        Sampler::Sequential { batch: 33 },
        Sampler::ClassBalanced { classes_per_batch: 4, samples_per_class: 3, batches: 0 },
    ]
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for sampler in samplers() {
        let alone = loaded(settings(sampler, 0));
        assert_eq!(alone.len(), 3 * sampler.batches_per_epoch(100));
        for threads in [1, 3] {
            assert!(loaded(settings(sampler, threads)) == alone, "{sampler:?}, {threads} threads");
        }
    }
}

#[test]
fn a_later_start_gives_the_rest_of_the_batches() {
    for sampler in samplers() {
        let whole = loaded(settings(sampler, 0));
        let steps = sampler.batches_per_epoch(100) as u64;
        for (epoch, step) in [(0, 1), (1, 0), (1, steps), (2, steps - 1), (2, steps), (3, 0)] {
            let tail = loaded(LoaderSettings { start: (epoch, step), ..settings(sampler, 2) });
            assert!(tail == whole[(epoch * steps + step) as usize..], "{sampler:?} from {epoch}, {step}");
        }
    }
}

#[test]
fn batches_contain_the_samples_they_list() {
    let (set, data) = (SampleSet::from(clothing()), data(100));
    let plain = LoaderSettings { augment: Augment::NONE, ..settings(samplers()[0], 2) };
    let mut seen = Vec::new();
    for batch in loaded(plain.clone()) {
        assert_eq!(batch.pixels, set.read_batch(&batch.sample_ids, &plain.normalisation).unwrap());
        for (sample, label) in batch.sample_ids.iter().zip(&batch.labels) {
            let position = data.samples.iter().position(|known| known == sample).unwrap();
            assert_eq!(data.labels[position], *label);
        }
        if batch.epoch == 0 {
            seen.extend(batch.sample_ids);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, data.samples);
}

#[test]
fn augmentation_differs_between_epochs_and_places() {
    let batches = loaded(settings(Sampler::Sequential { batch: 100 }, 0));
    assert_eq!(batches[0].sample_ids, batches[1].sample_ids);
    assert_ne!(batches[0].pixels, batches[1].pixels);
    let same = TrainingSamples { samples: vec![0; 40], labels: vec![0; 40] };
    let one = Loader::new(clothing(), same, settings(Sampler::Sequential { batch: 10 }, 0)).unwrap();
    let images: Vec<Vec<f32>> = one
        .take(4)
        .flat_map(|batch| batch.unwrap().pixels.chunks(784).map(<[f32]>::to_vec).collect::<Vec<_>>())
        .collect();
    let different = images.iter().filter(|pixels| **pixels != images[0]).count();
    assert!(different > 30, "{different}");
}

#[test]
fn an_unreadable_sample_is_an_error_at_its_batch_and_ends_the_iterator() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for number in 0..10 {
            let bytes = image(image::ImageFormat::Png, 4, 4, [number, 0, 0]);
            put(folder.path().join(format!("{class}/{number}.png")), &bytes);
        }
    }
    let options = OpenOptions { channels: 1, height: 4, width: 4, memory_limit: 0, ..OpenOptions::default() };
    let set = ImageSet::open(folder.path(), &options).unwrap().shared();
    put(folder.path().join(set.sample_id(7)), b"damaged meanwhile");
    for threads in [0, 1, 3] {
        let data = TrainingSamples { samples: (0..16).collect(), labels: vec![0; 16] };
        let sequential = LoaderSettings {
            threads,
            augment: Augment::NONE,
            ..settings(Sampler::Sequential { batch: 3 }, 0)
        };
        let mut loader = Loader::new(Arc::clone(&set), data, sequential).unwrap();
        assert!(loader.next().unwrap().is_ok() && loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err();
        assert!(
            matches!(&error, Error::Sample { epoch: 0, step: 2, id, .. } if *id == set.sample_id(7)),
            "{error}"
        );
        assert!(loader.next().is_none());
    }
}

#[test]
fn dropping_a_loader_ends_its_threads() {
    let set = clothing();
    let endless = LoaderSettings { epochs: u64::MAX, ..settings(samplers()[0], 3) };
    for taken in [0, 1, 5] {
        let mut loader = Loader::new(Arc::clone(&set), data(100), endless.clone()).unwrap();
        for _ in 0..taken {
            loader.next().unwrap().unwrap();
        }
        let maker = Arc::downgrade(&loader.maker);
        drop(loader);
        // Every thread held a reference.
        assert!(maker.upgrade().is_none());
    }
}

#[test]
fn workers_stay_within_their_bound() {
    let bounded = LoaderSettings { ahead: 2, epochs: 100, ..settings(samplers()[0], 3) };
    let mut loader = Loader::new(clothing(), data(100), bounded).unwrap();
    for _ in 0..50 {
        loader.next().unwrap().unwrap();
        let state = loader.shelf.lock();
        assert!(state.claimed <= state.taken + 2, "{} {}", state.claimed, state.taken);
    }
}

#[test]
fn bad_settings_are_rejected() {
    let good = settings(samplers()[0], 1);
    let rejected = |data: TrainingSamples, settings: LoaderSettings| {
        Loader::new(clothing(), data, settings).err().unwrap()
    };
    let short = TrainingSamples { samples: vec![1, 2], labels: vec![0] };
    assert!(matches!(rejected(short, good.clone()), Error::Length { found: 1, expected: 2, .. }));
    let beyond = TrainingSamples { samples: vec![800], labels: vec![0] };
    assert!(matches!(rejected(beyond, good.clone()), Error::NoSuchSample { sample: 800, .. }));
    assert!(matches!(rejected(TrainingSamples::default(), good.clone()), Error::NoSamples { .. }));
    let late = LoaderSettings { start: (0, 8), ..good.clone() };
    assert!(matches!(rejected(data(100), late), Error::Setting { name: "first step", .. }));
    let none_ahead = LoaderSettings { ahead: 0, ..good.clone() };
    assert!(matches!(rejected(data(100), none_ahead), Error::Setting { .. }));
    let wide = LoaderSettings { augment: Augment { pad_and_crop: 29, ..AUGMENT }, ..good.clone() };
    assert!(matches!(rejected(data(100), wide), Error::Setting { .. }));
    let colour = LoaderSettings { normalisation: Normalisation::half(3), ..good };
    assert!(matches!(rejected(data(100), colour), Error::Length { .. }));
}

#[test]
fn evaluation_is_in_order_and_stops_at_an_error() {
    let (set, normalisation) = (SampleSet::from(clothing()), Normalisation::half(1));
    let samples = [5, 3, 3, 700, 1];
    let batches: Vec<EvaluationBatch> =
        evaluation_batches(&set, &samples, 2, &normalisation).unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(batches.iter().map(|batch| batch.sample_ids.len()).collect::<Vec<_>>(), [2, 2, 1]);
    let joined: Vec<f32> = batches.iter().flat_map(|batch| batch.pixels.clone()).collect();
    assert_eq!(joined, set.read_batch(&samples, &normalisation).unwrap());
    let broken: Vec<_> = evaluation_batches(&set, &[1, 99_999, 2], 1, &normalisation).unwrap().collect();
    assert!(matches!(broken.as_slice(), [Ok(_), Err(Error::NoSuchSample { .. })]));
}
