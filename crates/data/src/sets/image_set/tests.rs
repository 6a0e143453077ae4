//! Sets from every kind of source, and every kind of bad folder.

use super::*;
use crate::testing::{clothing, gzip, idx_bytes, image, put};
use crate::{FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER, NamedSet};
use image::ImageFormat::{Jpeg, Png, WebP};
use std::path::Path;

fn options() -> OpenOptions {
    OpenOptions { channels: 3, height: 8, width: 8, ..OpenOptions::default() }
}

/// An image folder with `count` images in each of the classes `a` and `b`.
fn image_folder(count: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        put(folder.path().join(format!("a/{number:03}.png")), &image(Png, 8, 8, [number, 100, 0]));
        put(folder.path().join(format!("b/{number:03}.webp")), &image(WebP, 16, 16, [number, 0, 200]));
    }
    folder
}

/// A folder of IDX files with six training and four test images of 2 x 2.
fn idx_folder(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    put(at("train-images-idx3-ubyte"), &idx_bytes(&[6, 2, 2], &(0..24).collect::<Vec<u8>>()));
    put(at("train-labels-idx1-ubyte.gz"), &gzip(&idx_bytes(&[6], &[3, 5, 3, 5, 3, 5])));
    put(at("t10k-images.idx3-ubyte"), &idx_bytes(&[4, 2, 2], &(100..116).collect::<Vec<u8>>()));
    put(at("t10k-labels-idx1-ubyte"), &idx_bytes(&[4], &[5, 3, 5, 3]));
    change(folder.path());
    folder
}

fn opened(folder: &tempfile::TempDir) -> Result<ImageSet> {
    ImageSet::open(folder.path(), &options())
}

#[test]
fn images_in_memory_become_a_set() {
    let options = OpenOptions { channels: 1, height: 1, width: 2, hold_out: 0.25, ..OpenOptions::default() };
    let pixels: Vec<u8> = (0..16).collect();
    let classes = ["b", "a", "b", "a", "b", "a", "b", "a"];
    let set = ImageSet::from_pixels("pairs", &pixels, &classes, &options).unwrap();
    assert_eq!(
        (set.name(), set.len(), set.class_names()),
        ("pairs", 8, &["a".to_owned(), "b".to_owned()][..])
    );
    assert_eq!((set.samples(Part::Train).len(), set.samples(Part::Test)), (6, vec![6, 7]));
    assert!(!set.parts_are_given() && set.is_in_memory());
    for sample in 0..8 {
        let found = set.read(sample).unwrap();
        let image = usize::from(found[0]) / 2;
        assert_eq!(found, pixels[2 * image..][..2]);
        assert_eq!(set.class_names()[set.labels()[sample] as usize], classes[image]);
    }
    let failed =
        |pixels: &[u8], classes: &[&str]| ImageSet::from_pixels("x", pixels, classes, &options).unwrap_err();
    assert!(matches!(failed(&[], &[]), Error::NoSamples { .. }));
    assert!(matches!(failed(&[0; 5], &["a", "b"]), Error::Length { found: 5, expected: 4, .. }));
    assert!(matches!(failed(&[0; 4], &["a", "a"]), Error::OnlyOneClass { .. }));
}

#[test]
fn images_of_a_function_are_those_in_memory() {
    let options = OpenOptions { channels: 1, height: 8, width: 8, ..OpenOptions::default() };
    let image = |at: usize| -> Vec<u8> { (0..64).map(|pixel| (pixel * (at / 2 + 3) % 251) as u8).collect() };
    let classes: Vec<String> = (0..40).map(|at| format!("c{}", at / 2 % 5)).collect();
    let pixels: Vec<u8> = (0..40).flat_map(image).collect();
    let held = ImageSet::from_pixels("drawn", &pixels, &classes, &options).unwrap();
    let made =
        ImageSet::from_function("drawn", &classes, &options, move |at| Ok::<_, String>(image(at))).unwrap();
    assert_eq!((held.labels(), held.copies()), (made.labels(), made.copies()));
    assert!(!made.is_in_memory());
    for sample in 0..40 {
        assert_eq!(held.read(sample).unwrap(), made.read(sample).unwrap());
        assert_eq!(
            (held.digest(sample), held.sample_id(sample)),
            (made.digest(sample), made.sample_id(sample))
        );
        assert_eq!(held.part(sample), made.part(sample));
    }
    let mean = |set: &ImageSet| set.mean_and_deviation(&[0, 5, 9]).unwrap();
    assert_eq!(mean(&held), mean(&made));
    let failed = |make: fn(usize) -> std::result::Result<Vec<u8>, String>| {
        ImageSet::from_function("drawn", &classes, &options, make).unwrap_err().to_string()
    };
    assert_eq!(failed(|_| Err("no camera".to_owned())), "drawn: image 0: no camera");
    assert!(
        failed(|at| Ok(vec![0; 64 + at / 39]))
            .contains("image 39: the function returned 65 bytes, expected 64")
    );
    let none: [&str; 0] = [];
    let empty = ImageSet::from_function("drawn", &none, &options, |_| Err("never asked")).unwrap_err();
    assert!(matches!(empty, Error::NoSamples { .. }));
}

#[test]
fn idx_files_of_fashion_mnist_are_recognised() {
    let set = clothing();
    assert_eq!((set.len(), set.name()), (800, "fashion-mnist-few"));
    assert_eq!(set.shape(), ImageShape { channels: 1, height: 28, width: 28 });
    assert_eq!(set.class_names(), FASHION_MNIST_CLASSES);
    for (part, expected) in [(Part::Train, 60), (Part::Test, 20)] {
        for class in 0..10 {
            let count =
                set.samples(part).iter().filter(|sample| set.labels()[**sample as usize] == class).count();
            assert_eq!(count, expected);
        }
    }
    assert_eq!(set.sample_id(599), "train/599");
    assert_eq!(set.sample_id(600), "test/0");
    // The first training sample of Fashion-MNIST is an ankle boot.
    assert_eq!(set.labels()[0], 9);
    let normalisation = set.mean_and_deviation(&set.samples(Part::Train)).unwrap();
    // The full set has 0.2860 and 0.3530.
    assert!((normalisation.mean[0] - 0.286).abs() < 0.02, "{normalisation:?}");
    assert!((normalisation.deviation[0] - 0.353).abs() < 0.02, "{normalisation:?}");
}

#[test]
fn the_full_set_is_opened_by_its_name_if_installed() {
    match NamedSet::FashionMnist.open(&OpenOptions::default()) {
        Ok(set) => {
            assert_eq!((set.len(), set.name()), (70_000, "fashion-mnist"));
            assert_eq!(set.class_names(), FASHION_MNIST_CLASSES);
            assert_eq!(set.read(0).unwrap(), clothing().read(0).unwrap());
        }
        Err(error) => {
            assert!(!Path::new(FASHION_MNIST_FOLDER).exists());
            assert!(error.to_string().contains("install Debian's package dataset-fashion-mnist"), "{error}");
        }
    }
}

#[test]
fn idx_files_with_all_their_names() {
    let folder = idx_folder(|_| {});
    let set = opened(&folder).unwrap();
    assert_eq!(set.class_names(), ["3", "5"]);
    assert_eq!(set.labels(), [0, 1, 0, 1, 0, 1, 1, 0, 1, 0]);
    assert_eq!(set.read(1).unwrap(), [4, 5, 6, 7]);
    assert_eq!(set.read(9).unwrap(), [112, 113, 114, 115]);
    assert_eq!(set.samples(Part::Test), [6, 7, 8, 9]);
    assert!(matches!(set.read(10), Err(Error::NoSuchSample { sample: 10, count: 10 })));
    assert!(matches!(set.read_into(0, &mut [0; 3]), Err(Error::Length { .. })));
}

#[test]
fn class_names_from_a_file_bound_the_labels() {
    let named = |names: &'static str| idx_folder(|folder| put(folder.join("classes.txt"), names.as_bytes()));
    let set = opened(&named("zero\none\ntwo\nthree\nfour\nfive\n")).unwrap();
    assert_eq!(set.class_names(), ["three", "five"]);
    let error = opened(&named("zero\none\ntwo\nthree\n")).unwrap_err();
    assert!(matches!(error, Error::LabelOutOfRange { sample: 1, found: 5, classes: 4, .. }), "{error}");
    let said = opened(&named("zero\none\ntwo\nthree\none\nfive\n")).unwrap_err().to_string();
    assert!(said.contains("classes.txt: lines 2 and 5 have the same class name \"one\""), "{said}");
}

#[test]
fn bad_idx_folders() {
    let missing = idx_folder(|folder| std::fs::remove_file(folder.join("t10k-labels-idx1-ubyte")).unwrap());
    assert!(
        matches!(opened(&missing), Err(Error::MissingFile { name, .. }) if name == "t10k-labels-idx1-ubyte")
    );
    let shape =
        idx_folder(|folder| put(folder.join("t10k-images.idx3-ubyte"), &idx_bytes(&[4, 2, 3], &[0; 24])));
    assert!(matches!(opened(&shape), Err(Error::ShapesDiffer { .. })));
    let count = idx_folder(|folder| put(folder.join("t10k-labels-idx1-ubyte"), &idx_bytes(&[3], &[5, 3, 5])));
    assert!(matches!(opened(&count), Err(Error::CountsDiffer { image_count: 4, label_count: 3, .. })));
    let swapped =
        idx_folder(|folder| put(folder.join("t10k-labels-idx1-ubyte"), &idx_bytes(&[1, 2, 2], &[0; 4])));
    assert!(matches!(opened(&swapped), Err(Error::WrongMagic { .. })));
    let one = idx_folder(|folder| {
        put(folder.join("train-labels-idx1-ubyte.gz"), &gzip(&idx_bytes(&[6], &[1; 6])));
        put(folder.join("t10k-labels-idx1-ubyte"), &idx_bytes(&[4], &[1; 4]));
    });
    assert!(matches!(opened(&one), Err(Error::OnlyOneClass { class, .. }) if class == "1"));
    let limited = ImageSet::open(idx_folder(|_| {}).path(), &OpenOptions { memory_limit: 30, ..options() });
    assert!(matches!(limited, Err(Error::TooLarge { found: 16, limit: 6, .. })));
}

#[test]
fn image_folders_hold_out_a_share_of_each_class() {
    let folder = image_folder(10);
    let set = opened(&folder).unwrap();
    assert_eq!((set.len(), set.class_names()), (20, &["a".to_owned(), "b".to_owned()][..]));
    for class in 0..2 {
        let test =
            set.samples(Part::Test).into_iter().filter(|sample| set.labels()[*sample as usize] == class);
        assert_eq!(test.count(), 2);
    }
    assert_eq!(set.samples(Part::Train), (0..16).collect::<Vec<u32>>());
    // Name, label and pixels stay together: the red value is the number in the file name.
    for sample in 0..20 {
        let id = set.sample_id(sample);
        let number: u8 = id[2..5].parse().unwrap();
        assert_eq!(id.starts_with('a'), set.labels()[sample] == 0);
        assert_eq!(set.read(sample).unwrap()[7], number, "{id}");
    }
    let ids = |seed| {
        let set = ImageSet::open(folder.path(), &OpenOptions { seed, ..options() }).unwrap();
        set.samples(Part::Test).iter().map(|sample| set.sample_id(*sample as usize)).collect::<Vec<_>>()
    };
    assert_eq!(ids(0), ids(0));
    assert!((1..5).any(|seed| ids(seed) != ids(0)));
}

#[test]
fn threads_and_memory_do_not_change_the_result() {
    let folder = image_folder(20);
    let one = ImageSet::open(folder.path(), &OpenOptions { threads: 1, ..options() }).unwrap();
    let many =
        ImageSet::open(folder.path(), &OpenOptions { threads: 3, memory_limit: 0, ..options() }).unwrap();
    assert!(one.is_in_memory() && !many.is_in_memory());
    for sample in 0..one.len() {
        assert_eq!(one.sample_id(sample), many.sample_id(sample));
        assert_eq!(one.read(sample).unwrap(), many.read(sample).unwrap());
    }
    let all: Vec<u32> = (0..40).collect();
    let backwards: Vec<u32> = (0..40).rev().collect();
    assert_eq!(one.mean_and_deviation(&all).unwrap(), many.mean_and_deviation(&backwards).unwrap());
    assert!(matches!(one.mean_and_deviation(&[]), Err(Error::NoSamples { .. })));
}

#[test]
fn bad_images_are_listed_and_limited() {
    let folder = image_folder(10);
    put(folder.path().join("a/cut.jpg"), &image(Jpeg, 30, 30, [9, 9, 9])[..200]);
    put(folder.path().join("b/text.png"), b"not an image");
    put(folder.path().join("b/text.txt"), b"ignored");
    let lenient = OpenOptions { max_bad: 0.1, ..options() };
    let set = ImageSet::open(folder.path(), &lenient).unwrap();
    assert_eq!((set.len(), set.ignored()), (20, 1));
    let listed: Vec<_> =
        set.bad().iter().map(|bad| bad.path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
    assert_eq!(listed, [Path::new("a/cut.jpg"), Path::new("b/text.png")]);

    let error = opened(&folder).unwrap_err();
    assert!(matches!(error, Error::TooManyBad { bad: 2, files: 22, .. }), "{error}");
    assert!(error.to_string().contains("a/cut.jpg: truncated JPEG"), "{error}");
}

#[test]
fn bad_image_folders() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(opened(&empty), Err(Error::EmptyFolder { loose: 0, .. })));
    let missing = ImageSet::open(empty.path().join("none"), &options());
    assert!(matches!(missing, Err(Error::NotFound { .. })));
    put(empty.path().join("file"), b"");
    let file = ImageSet::open(empty.path().join("file"), &options());
    assert!(matches!(file, Err(Error::UnknownFormat { .. })));
    put(empty.path().join("a/1.png"), &image(Png, 8, 8, [1, 2, 3]));
    put(empty.path().join("a/2.png"), &image(Png, 8, 8, [1, 2, 3]));
    assert!(matches!(opened(&empty), Err(Error::OnlyOneClass { class, .. }) if class == "a"));
}

#[test]
fn the_only_sample_of_a_class_is_trained_on() {
    let folder = image_folder(10);
    put(folder.path().join("alone/1.png"), &image(Png, 8, 8, [1, 2, 3]));
    for seed in 0..5 {
        let set = ImageSet::open(folder.path(), &OpenOptions { seed, ..options() }).unwrap();
        assert_eq!(set.class_names(), ["a", "alone", "b"]);
        let alone = set.labels().iter().position(|label| *label == 1).unwrap();
        assert_eq!((set.sample_id(alone).as_str(), set.part(alone)), ("alone/1.png", Part::Train));
        assert_eq!(set.samples(Part::Test).len(), 4);
    }
    // Parts that the data marks are kept.
    let single =
        idx_folder(|folder| put(folder.join("t10k-labels-idx1-ubyte"), &idx_bytes(&[4], &[5, 3, 7, 3])));
    let set = opened(&single).unwrap();
    assert_eq!((set.class_names().len(), set.labels()[8], set.part(8)), (3, 2, Part::Test));
}

#[test]
fn a_class_without_usable_images_is_dropped() {
    let folder = image_folder(2);
    put(folder.path().join("aa/1.png"), b"broken");
    put(folder.path().join("aa/2.png"), b"broken");
    let lenient = OpenOptions { max_bad: 1.0, ..options() };
    let set = ImageSet::open(folder.path(), &lenient).unwrap();
    assert_eq!(set.class_names(), ["a", "b"]);
    let of_b = (0..set.len()).filter(|sample| set.sample_id(*sample).starts_with('b'));
    assert!(of_b.into_iter().all(|sample| set.labels()[sample] == 1));
    assert_eq!(set.bad().len(), 2);
    for name in ["a/000.png", "a/001.png", "b/000.webp", "b/001.webp"] {
        put(folder.path().join(name), b"broken");
    }
    let error = ImageSet::open(folder.path(), &lenient).unwrap_err();
    assert!(matches!(error, Error::NothingUsable { count: 6, .. }), "{error}");
    assert!(error.to_string().contains("a/000.png: "), "{error}");
}

#[test]
fn a_file_that_becomes_unusable_later_is_an_error_when_read() {
    let folder = image_folder(4);
    let set = ImageSet::open(folder.path(), &OpenOptions { memory_limit: 0, ..options() }).unwrap();
    put(folder.path().join(set.sample_id(1)), b"overwritten");
    assert!(matches!(set.read(1), Err(Error::BadImage { .. })));
    assert!(set.read(0).is_ok());
}

#[test]
fn settings_out_of_range() {
    let rejected = |options: OpenOptions| matches!(options.validate(), Err(Error::Setting { .. }));
    assert!(rejected(OpenOptions { channels: 2, ..options() }));
    assert!(rejected(OpenOptions { height: 0, ..options() }));
    assert!(rejected(OpenOptions { width: 20_001, ..options() }));
    assert!(rejected(OpenOptions { max_bad: f64::NAN, ..options() }));
    assert!(rejected(OpenOptions { hold_out: 0.0, ..options() }));
    assert!(!rejected(OpenOptions::default()));
}

#[test]
fn a_batch_is_its_images_normalised() {
    let set = clothing();
    let (batches, normalisation) = (crate::SampleSet::from(clothing()), Normalisation::half(1));
    let batch = batches.read_batch(&[3, 0], &normalisation).unwrap();
    let mut one = vec![0.0; 784];
    normalisation.apply(&set.read(0).unwrap(), set.shape(), &mut one).unwrap();
    assert_eq!(batch[784..], one);
    assert!(matches!(batches.read_batch(&[0], &Normalisation::half(3)), Err(Error::Length { .. })));
    assert!(matches!(batches.read_batch(&[800], &normalisation), Err(Error::NoSuchSample { .. })));
}

#[test]
fn errors_about_unusual_layouts_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (part, class) in [("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")] {
        put(folder.path().join(format!("nest/{part}/images/{class}/1.png")), b"x");
    }
    let said = |name: &str| {
        ImageSet::open(folder.path().join(name), &OpenOptions::default()).unwrap_err().to_string()
    };
    let nested = said("nest");
    assert!(
        nested.contains("only one class (images)") && nested.contains("--class-folder deepest"),
        "{nested}"
    );
    put(folder.path().join("one/a/1.png"), b"x");
    assert!(said("one").ends_with("expected at least 2"), "{}", said("one"));
    let shard = crate::testing::tar_of(&[("1.png", b"x"), ("1.json", br#"{"label": 1, "split": 0}"#)]);
    put(folder.path().join("split.tar"), &shard);
    let split = said("split.tar");
    assert!(
        split.contains("no usable sample") && split.contains("split is \"0\"; expected train"),
        "{split}"
    );
}
