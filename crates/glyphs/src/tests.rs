//! Sets drawn with the fonts in `fixtures/`; the script there describes them.
#![expect(clippy::disallowed_methods, reason = "the tests read their own files, and damage fonts on purpose")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use widemargin_data::{ImageSet, Labelled, OpenOptions};

use widemargin_chance::{Purpose, Stream};

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

/// Twelve characters with all fonts in `fixtures/`.
fn settings() -> GlyphSettings {
    GlyphSettings {
        fonts: vec![FIXTURES.into()],
        classes: 12,
        unseen: 4,
        least: 2,
        ..GlyphSettings::default()
    }
}

fn drawn(settings: &GlyphSettings) -> GlyphSet {
    GlyphSet::draw(settings, &|_, _, _| {}).unwrap()
}

fn only(fonts: &[&str]) -> GlyphSettings {
    GlyphSettings { fonts: fonts.iter().map(|name| fixture(name)).collect(), ..settings() }
}

/// Every file below a folder, with its bytes.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            (entry.path().strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn collections_and_instances_are_faces() {
    let set = drawn(&settings());
    let faces: Vec<String> = set
        .faces()
        .iter()
        .map(|face| {
            format!("{} {} {:?} {} {}", face.file, face.index, face.instance, face.family, face.style)
        })
        .collect();
    assert_eq!(
        faces,
        [
            "bold.ttf 0 None Fixture Bold",
            "plain.ttf 0 None Fixture Regular",
            "round.otf 0 None Fixture Round Regular",
            "twins.ttc 0 None Fixture Twin Regular",
            "twins.ttc 1 None Fixture Slanted Regular",
            "variable.ttf 0 Some(0) Fixture Variable Thin",
            "variable.ttf 0 Some(1) Fixture Variable Heavy",
        ]
    );
    assert!(set.skipped().is_empty());
}

#[test]
fn the_same_drawing_counts_once() {
    // The first face of the collection has the outlines of plain.ttf in other units.
    let set = drawn(&settings());
    let a = set.classes().iter().position(|class| class.character == 'A').unwrap();
    assert_eq!(set.classes()[a].drawings, 6);
    let faces: Vec<usize> =
        set.samples().iter().filter(|sample| sample.class == a).map(|sample| sample.face).collect();
    assert_eq!(faces, [0, 1, 2, 4, 5, 6]);
    // Two copies of a file count once.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("plain.ttf"), folder.path().join("another name.ttf")).unwrap();
    let settings = GlyphSettings { fonts: vec![FIXTURES.into(), folder.path().into()], ..settings() };
    assert_eq!(drawn(&settings).faces().len(), 7);
}

#[test]
fn a_missing_character_gives_no_sample_and_no_box() {
    let letters = GlyphSettings { classes: 16, ..settings() };
    let set = drawn(&letters);
    // Q is empty, R has no glyph, S is drawn as the box of missing characters, the Greek A is the Latin one.
    let characters: String = set.classes().iter().map(|class| class.character).collect();
    assert_eq!(characters, "ABCDEFGHIJKLMNOP");
    let drawings =
        |character| set.classes().iter().find(|class| class.character == character).unwrap().drawings;
    assert_eq!((drawings('O'), drawings('P')), (6, 5), "round.otf lacks P");

    let error = GlyphSet::draw(&GlyphSettings { classes: 17, ..letters }, &|_, _, _| {}).unwrap_err();
    assert!(
        matches!(error, Error::TooFewCovered { covered: 16, expected: 17, least: 2, faces: 7 }),
        "{error}"
    );
    // Three faces have each letter; two of them draw it the same.
    let few = GlyphSettings { least: 3, ..only(&["plain.ttf", "twins.ttc"]) };
    let error = GlyphSet::draw(&few, &|_, _, _| {}).unwrap_err();
    assert!(
        matches!(error, Error::TooFewCharacters { found: 0, expected: 12, least: 3, faces: 3 }),
        "{error}"
    );
}

#[test]
fn too_many_classes_are_rejected_before_anything_is_drawn() {
    let drawing = Mutex::new(false);
    let rejected = |settings: &GlyphSettings| {
        let progress = |stage, _, _| *drawing.lock().unwrap() |= stage != Stage::Fonts;
        let error = GlyphSet::draw(settings, &progress).unwrap_err();
        assert!(!*drawing.lock().unwrap(), "{error}");
        error
    };
    let listed = Characters::Listed(('A'..='P').collect());
    let error = rejected(&GlyphSettings { characters: listed, classes: 17, ..settings() });
    let expected = "classes: found 17, expected at most 16, the number of characters to choose from";
    assert_eq!(error.to_string(), expected);
    let error = rejected(&GlyphSettings { classes: 1_000_000, ..settings() });
    assert!(matches!(error, Error::Setting { name: "classes", .. }), "{error}");
    // There are so many characters, but not in the fonts of the tests.
    let error = rejected(&GlyphSettings { classes: 1000, ..settings() });
    assert!(
        matches!(error, Error::TooFewCovered { covered: 16..100, expected: 1000, least: 2, faces: 7 }),
        "{error}"
    );
}

#[test]
fn known_and_unseen_parts_and_counts_hold() {
    let set = drawn(&GlyphSettings { distortions: 3, ..settings() });
    let unseen: Vec<&GlyphClass> = set.classes().iter().filter(|class| class.unseen).collect();
    assert_eq!((set.classes().len(), unseen.len()), (12, 4));
    assert!(unseen.iter().all(|class| (class.train, class.test) == (0, 3 * class.drawings)), "{unseen:?}");
    for (number, class) in set.classes().iter().enumerate().filter(|(_, class)| !class.unseen) {
        assert_eq!((class.train, class.test), (15, 3), "{class:?}");
        // Copies of one drawing are never on both sides.
        for sample in set.samples().iter().filter(|sample| sample.class == number) {
            let mut twins =
                set.samples().iter().filter(|other| other.class == number && other.face == sample.face);
            assert!(twins.all(|other| other.part == sample.part));
        }
    }
    let most = drawn(&GlyphSettings { most: 3, ..settings() });
    assert!(most.classes().iter().all(|class| class.train + class.test == 3 && class.drawings >= 5));
}

#[test]
fn distortions_differ_are_recorded_and_keep_the_ink_inside() {
    let set = drawn(&GlyphSettings { distortions: 20, size: 24, ..settings() });
    let mut images: Vec<&[u8]> = set.samples().iter().map(|sample| &sample.pixels[..]).collect();
    let all = images.len();
    images.sort_unstable();
    images.dedup();
    assert!(images.len() > all * 99 / 100, "{} of {all}", images.len());
    assert!(set.samples().iter().all(|sample| sample.pixels.len() == 24 * 24));
    assert!(set.samples().iter().all(|sample| sample.pixels.iter().any(|value| *value > 200)));
    assert!(set.samples().iter().all(|sample| sample.distortion != Distortion::NONE));

    let plain = drawn(&GlyphSettings { distortions: 0, ..settings() });
    assert!(plain.samples().iter().all(|sample| sample.distortion == Distortion::NONE && sample.copy == 0));
    // The border is empty: no drawing is cut off.
    let edge = |pixels: &[u8]| {
        (0..32).any(|i| [i, 31 * 32 + i, 32 * i, 32 * i + 31].iter().any(|at| pixels[*at] > 0))
    };
    assert!(!plain.samples().iter().any(|sample| edge(&sample.pixels)));
}

#[test]
fn strokes_get_wider_and_thinner() {
    let mut pen_weights = Vec::new();
    let set = drawn(&GlyphSettings { distortions: 30, ..only(&["plain.ttf", "bold.ttf"]) });
    for sample in set.samples().iter().filter(|sample| sample.class == 0 && sample.face == 1) {
        let Distortion { weight, scale, .. } = sample.distortion;
        let ink: f64 = sample.pixels.iter().map(|value| f64::from(*value)).sum();
        pen_weights.push((weight, ink / f64::from(scale * scale)));
    }
    pen_weights.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mean = |part: &[(f32, f64)]| part.iter().map(|(_, ink)| ink).sum::<f64>() / part.len() as f64;
    assert!(mean(&pen_weights[20..]) > 1.15 * mean(&pen_weights[..10]), "{pen_weights:?}");
}

#[test]
fn equal_settings_give_equal_bytes_in_any_folder() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = place.path().join("fonts/deep");
    std::fs::create_dir_all(&elsewhere).unwrap();
    for name in ["bold.ttf", "plain.ttf", "round.otf", "twins.ttc", "variable.ttf"] {
        std::fs::copy(fixture(name), elsewhere.join(name)).unwrap();
    }
    for format in [SetFormat::Folders, SetFormat::Idx] {
        let written = |name: &str, settings: &GlyphSettings, threads: usize| {
            let folder = place.path().join(format!("{name}-{format:?}"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| drawn(settings).write(&folder, format, &|_, _, _| {})).unwrap();
            content(&folder)
        };
        let first = written("first", &settings(), 1);
        let moved = GlyphSettings { fonts: vec![place.path().join("fonts")], ..settings() };
        assert!(first == written("moved", &moved, 3));
        let other = GlyphSettings { seed: 2, ..settings() };
        assert!(first != written("other", &other, 1));
    }
}

#[test]
fn another_font_changes_no_sample() {
    let pixels_of_bold = |settings: &GlyphSettings| -> Vec<(char, Vec<u8>)> {
        let set = drawn(settings);
        let bold = set.faces().iter().position(|face| face.file == "bold.ttf").unwrap();
        let samples = set.samples().iter().filter(|sample| sample.face == bold);
        samples.map(|sample| (set.classes()[sample.class].character, sample.pixels.clone())).collect()
    };
    let few = GlyphSettings { classes: 15, ..only(&["bold.ttf", "plain.ttf"]) };
    let more = GlyphSettings { classes: 15, ..only(&["bold.ttf", "plain.ttf", "round.otf"]) };
    assert_eq!(pixels_of_bold(&few), pixels_of_bold(&more));
}

#[test]
fn training_reads_both_formats_alike() {
    let place = tempfile::tempdir().unwrap();
    let set = drawn(&settings());
    let options = OpenOptions { channels: 1, height: 32, width: 32, ..OpenOptions::default() };
    for format in [SetFormat::Folders, SetFormat::Idx] {
        let folder = place.path().join(format!("{format:?}"));
        set.write(&folder, format, &|_, _, _| {}).unwrap();
        let read = ImageSet::open(&folder, &options).unwrap();
        assert_eq!(read.len(), set.samples().len());
        let names: Vec<&str> = set.classes().iter().map(|class| class.name.as_str()).collect();
        assert_eq!(read.class_names(), names);
        assert!(read.bad().is_empty());
        for part in [SetPart::Train, SetPart::Test] {
            let expected = set.samples().iter().filter(|sample| sample.part == part);
            let of_part = match part {
                SetPart::Train => widemargin_data::Part::Train,
                SetPart::Test => widemargin_data::Part::Test,
            };
            let found = read.samples(of_part);
            for (sample, expected) in found.iter().zip(expected) {
                assert_eq!(read.labels()[*sample as usize] as usize, expected.class);
                assert_eq!(read.read(*sample as usize).unwrap(), expected.pixels);
            }
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["classes"].as_array().unwrap().len(), 12);
        assert_eq!(manifest["classes"][0]["character"], "A");
        assert_eq!(manifest["known"], 8);
        assert_eq!(manifest["faces"].as_array().unwrap().len(), 7);
        let table = std::fs::read_to_string(folder.join("samples.csv")).unwrap();
        assert_eq!(table.lines().count(), 1 + set.samples().len());
    }
}

#[test]
fn files_that_are_not_fonts_are_reported() {
    let place = tempfile::tempdir().unwrap();
    let empty = GlyphSettings { fonts: vec![place.path().into()], ..settings() };
    let error = GlyphSet::draw(&empty, &|_, _, _| {}).unwrap_err();
    assert!(matches!(error, Error::NoFonts { skipped: 0, .. }));
    let text = error.to_string();
    assert!(text.contains(&place.path().display().to_string()) && text.contains("fonts-noto-cjk"), "{text}");

    let missing = GlyphSettings { fonts: vec![place.path().join("none")], ..settings() };
    assert!(matches!(GlyphSet::draw(&missing, &|_, _, _| {}), Err(Error::MissingFonts { .. })));

    // Damaged in every way: empty, text, cut anywhere.
    let whole = std::fs::read(fixture("plain.ttf")).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path().join(name), bytes).unwrap();
    };
    put("empty.ttf", b"");
    put("text.otf", b"just text");
    put("readme.txt", b"not looked at");
    for length in (1..whole.len()).step_by(53) {
        put(&format!("cut-{length:04}.ttf"), &whole[..length]);
    }
    let both = GlyphSettings { fonts: vec![place.path().into(), FIXTURES.into()], ..settings() };
    let set = drawn(&both);
    assert!(set.skipped().iter().any(|skipped| skipped.file == "empty.ttf"));
    assert!(set.skipped().iter().any(|skipped| skipped.file == "text.otf" && !skipped.reason.is_empty()));
    assert!(!set.skipped().iter().any(|skipped| skipped.file == "readme.txt"));
}

#[test]
fn damaged_fonts_are_used_or_skipped() {
    let fonts = ["plain.ttf", "round.otf", "twins.ttc", "variable.ttf"]
        .map(|name| std::fs::read(fixture(name)).unwrap());
    for round in 0..6 {
        let place = tempfile::tempdir().unwrap();
        for (number, whole) in fonts.iter().enumerate() {
            for copy in 0..40 {
                let mut random = Stream::new(round, Purpose::GlyphDistortion, number as u64, copy);
                let mut bytes = whole.clone();
                for _ in 0..=random.below(8) {
                    let at = random.below(bytes.len());
                    bytes[at] = random.bits() as u8;
                }
                std::fs::write(place.path().join(format!("{number}-{copy}.ttf")), bytes).unwrap();
            }
        }
        let settings = GlyphSettings { fonts: vec![place.path().into(), FIXTURES.into()], ..settings() };
        assert_eq!(drawn(&settings).classes().len(), 12);
    }
}

#[test]
fn an_existing_target_is_rejected_unless_it_is_empty() {
    let place = tempfile::tempdir().unwrap();
    let set = drawn(&settings());
    let write = |folder: &Path| set.write(folder, SetFormat::Idx, &|_, _, _| {});
    write(place.path()).unwrap();
    assert!(matches!(write(place.path()), Err(Error::Taken { .. })));
    let file = place.path().join("manifest.json");
    assert!(matches!(GlyphSet::check_place(&file), Err(Error::Taken { path }) if path == file));
}

#[test]
fn impossible_settings_are_rejected() {
    let bad = [
        GlyphSettings { classes: 3, ..settings() },
        GlyphSettings { unseen: 1, ..settings() },
        GlyphSettings { unseen: 11, ..settings() },
        GlyphSettings { least: 1, ..settings() },
        GlyphSettings { least: 9, most: 8, ..settings() },
        GlyphSettings { size: 7, ..settings() },
        GlyphSettings { size: 513, ..settings() },
        GlyphSettings { hold_out: 0.0, ..settings() },
        GlyphSettings { hold_out: f64::NAN, ..settings() },
        GlyphSettings { distortions: 1001, ..settings() },
    ];
    for settings in bad {
        assert!(
            matches!(GlyphSet::draw(&settings, &|_, _, _| {}), Err(Error::Setting { .. })),
            "{settings:?}"
        );
    }
    let set = drawn(&GlyphSettings { unseen: 0, ..settings() });
    assert!(set.classes().iter().all(|class| !class.unseen && class.train > 0));
}

#[test]
fn progress_reaches_the_end_of_each_stage() {
    let place = tempfile::tempdir().unwrap();
    let last = Mutex::new(Vec::<(Stage, u64, u64)>::new());
    let progress = |stage: Stage, done: u64, all: u64| {
        let mut last = last.lock().unwrap();
        match last.iter_mut().find(|(known, ..)| *known == stage) {
            Some(entry) => *entry = (stage, done.max(entry.1), all),
            None => last.push((stage, done, all)),
        }
    };
    let set = GlyphSet::draw(&settings(), &progress).unwrap();
    set.write(place.path().join("set"), SetFormat::Folders, &progress).unwrap();
    let samples = set.samples().len() as u64;
    assert_eq!(
        *last.lock().unwrap(),
        [
            (Stage::Fonts, 5, 5),
            (Stage::Choosing, 7, 7),
            (Stage::Drawing, 7, 7),
            (Stage::Writing, samples, samples)
        ]
    );
}
