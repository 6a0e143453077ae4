//! Image folders as users have them: parts and classes, formats, transparency, 16 bits, duplicates. Nothing is left out or misread in silence.

use super::{Workplace, json, png, success};
use std::collections::BTreeSet;
use std::io::Cursor;
use std::process::Output;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 3\n[model]\nbackbone = \"linear\"\nembedding = 4\n[augment]\nflip = false\npad_and_crop = 0\n[training]\nepochs = 1\n[sampler]\nbatch = 4\n";

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    place
}

fn train(place: &Workplace, data: &str, more: &[&str], out: &str) -> Output {
    let run = ["train", "--config", "tiny.toml", "--data", data, "--out", out];
    place.run(&[&run[..], more].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn info(place: &Workplace, data: &str, more: &[&str]) -> serde_json::Value {
    let output = place.run(&[&["data", "info", data, "--json"], more].concat());
    success(&output);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

/// The rows of a run's `split.csv`: sample and part.
fn split(place: &Workplace, run: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(place.path().join(run).join("split.csv")).expect("there");
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    let rows = rows.filter_map(|line| line.rsplit_once(','));
    rows.map(|(sample, part)| (sample.to_owned(), part.to_owned())).collect()
}

fn unseen(place: &Workplace, run: &str) -> BTreeSet<String> {
    let report = json(&place.path().join(run).join("report.json"));
    let classes = report["unseen"]["classes"].as_array().expect("a list").clone();
    classes.iter().filter_map(|class| class.as_str()).map(str::to_owned).collect()
}

#[test]
fn classes_of_the_test_part_only_are_the_unseen_classes() {
    let place = place();
    for class in 0..4 {
        for number in 0..4 {
            place.write(&format!("d/train/a{class}/{number}.png"), &png(class, number));
            place.write(&format!("d/test/b{class}/{number}.png"), &png(10 + class, number));
        }
    }
    let expected: BTreeSet<String> = (0..4).map(|class| format!("b{class}")).collect();
    for seed in ["1", "3"] {
        place.write("tiny.toml", TINY.replace("[data]", &format!("[data]\nsplit_seed = {seed}")).as_bytes());
        let output = train(&place, "d", &[], seed);
        success(&output);
        assert!(stderr(&output).contains("training on 16 of 4 known classes"), "{}", stderr(&output));
        assert_eq!(unseen(&place, seed), expected);
        let trained = split(&place, seed).iter().filter(|(_, part)| part == "train").count();
        assert_eq!(trained, 16);
    }
    let drawn = train(&place, "d", &["--unseen", "2"], "no");
    assert!(stderr(&drawn).contains("expected no number: the data defines"), "{}", stderr(&drawn));
    let closed = train(&place, "d", &["--closed-set"], "no");
    assert!(stderr(&closed).contains("0 images in the evaluation set"), "{}", stderr(&closed));

    // The same as a manifest, also with a validation part, whose images of unseen classes are left out, and as shards named by part.
    let mut list = "path,label,split\n".to_owned();
    for class in 0..4 {
        for number in 0..4 {
            list.push_str(&format!("d/train/a{class}/{number}.png,a{class},train\n"));
            let part = if number < 2 { "val" } else { "test" };
            list.push_str(&format!("d/test/b{class}/{number}.png,b{class},{part}\n"));
        }
    }
    place.write("list.csv", list.as_bytes());
    for (name, prefix, first) in [("train-0", "a", 0), ("test-0", "b", 10)] {
        let mut builder = tar::Builder::new(Vec::new());
        for class in 0..4 {
            for number in 0..4 {
                let label = format!("{prefix}{class}");
                for (ending, bytes) in [("png", png(first + class, number)), ("cls", label.into_bytes())] {
                    let mut header = tar::Header::new_gnu();
                    header.set_size(bytes.len() as u64);
                    header.set_mode(0o644);
                    let name = format!("{class}{number}.{ending}");
                    builder.append_data(&mut header, name, bytes.as_slice()).expect("in memory");
                }
            }
        }
        place.write(&format!("shards/{name}.tar"), &builder.into_inner().expect("in memory"));
    }
    for data in ["list.csv", "shards"] {
        success(&train(&place, data, &[], &format!("run-{data}")));
        assert_eq!(unseen(&place, &format!("run-{data}")), expected, "{data}");
    }
}

#[test]
fn names_that_differ_in_case_are_reported_and_never_known_without_training_images() {
    let place = place();
    for (part, names) in
        [("train", ["Cat", "dog", "bird", "fish", "cow"]), ("test", ["cat", "Dog", "bird", "fish", "cow"])]
    {
        for (class, name) in (0..).zip(names) {
            for number in 0..4 {
                let number = if part == "test" { 100 + number } else { number };
                place.write(&format!("d/{part}/{name}/{number}.png"), &png(class, number));
            }
        }
    }
    let output = train(&place, "d", &["--closed-set"], "run");
    success(&output);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output));
    let evaluated = out.lines().next().unwrap_or_default();
    assert!(evaluated.contains("all of them trained on: bird, cow, fish"), "{out}");
    for expected in [
        r#"Class names that look the same are different classes: "Cat" = "cat", "Dog" = "dog"."#,
        "their samples are left out: \"Dog\", \"cat\"",
        "of 5 known classes",
    ] {
        assert!(err.contains(expected), "{expected}: {err}");
    }
    let warnings = info(&place, "d", &[])["warnings"].clone();
    let kinds: Vec<&str> =
        warnings.as_array().expect("a list").iter().filter_map(|warning| warning["kind"].as_str()).collect();
    assert_eq!(kinds, ["similar-names"], "three of seven classes are in both parts");
}

#[test]
fn part_folders_next_to_class_folders_are_explained_and_resolved() {
    let place = place();
    for (class, name) in (0..).zip(["bike", "bus", "car", "plane", "ship", "train"]) {
        for number in 0..4 {
            place.write(&format!("d/{name}/s{}/{number}.png", number % 2), &png(class, number));
        }
    }
    let expected = ["`train`", "5 other folders with 20 images", "`bike`", "--parts none", "--parts only"];
    // `data info` describes such a folder and repeats what `train` says.
    let output = place.run(&["data", "info", "d"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(expected.iter().all(|words| said.contains(words)) && said.contains("warning"), "{said}");
    assert_eq!(info(&place, "d", &[])["classes"], 6);
    place.refused(&["train", "--config", "tiny.toml", "--data", "d", "--out", "run"], &expected);
    place.refused(&["data", "split", "d", "--by", "sample", "-o", "s.csv"], &expected);
    let found = info(&place, "d", &["--parts", "none"]);
    assert_eq!((&found["classes"], &found["samples"], &found["parts"]), (&6.into(), &24.into(), &().into()));
    success(&train(&place, "d", &["--parts", "none"], "run"));
    let config = std::fs::read_to_string(place.path().join("run/config.toml")).expect("there");
    assert!(config.contains("parts = \"none\""), "{config}");
    place.refused(&["embed", "--model", "run", "d", "-o", "d.npy"], &expected);
    success(&place.run(&["embed", "--model", "run", "d", "--parts", "none", "-o", "d.npy"]));
    let names = std::fs::read_to_string(place.path().join("d.names.csv")).expect("there");
    assert!(names.contains("train/s0/0.png,train\n"), "{names}");
    let only = info(&place, "d", &["--parts", "only"]);
    assert_eq!((&only["classes"], &only["samples"]), (&2.into(), &4.into()));
    assert_eq!(only["skipped_files"]["outside"]["count"], 20);
    place.refused(&["data", "info", "tiny.toml", "--parts", "some"], &["`auto`, `none`, `only`"]);

    // Parts without class folders.
    place.write("flat/train/1.png", &png(0, 0));
    place.write("flat/test/1.png", &png(1, 0));
    let parts = ["no class folders in them (`test`, `train`)", "manifest", "--parts none"];
    place.refused(&["embed", "--model", "run", "flat", "-o", "f.npy"], &parts);
    place.refused(&["data", "split", "flat", "--by", "sample", "-o", "s.csv"], &parts);
    let output = place.run(&["data", "info", "flat"]);
    success(&output);
    assert!(parts.iter().all(|words| stderr(&output).contains(words)), "{}", stderr(&output));
    // Class folders in them are not denied.
    for part in ["query", "gallery"] {
        place.write(&format!("reid/{part}/s0/1.png"), &png(0, 0));
    }
    let expected =
        ["and no other folders (`gallery`, `query`)", "with the class folders in them", "--parts none"];
    for command in
        [&["embed", "--model", "run", "-o", "f.npy", "reid"][..], &["train", "--out", "no", "--data", "reid"]]
    {
        place.refused(command, &expected);
    }
}

#[test]
fn every_format_is_read_and_every_other_file_is_counted() {
    let place = place();
    let formats = [
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::Gif, "gif"),
        (ImageFormat::Tiff, "TIF"),
        (ImageFormat::Pnm, "ppm"),
        (ImageFormat::Qoi, "qoi"),
        (ImageFormat::Jpeg, "jfif"),
        (ImageFormat::WebP, "webp"),
    ];
    for (class, (format, ending)) in (0..).zip(formats) {
        for number in 0..4 {
            let colour = Rgb([class * 30, number * 60, 99]);
            let image = DynamicImage::from(RgbImage::from_pixel(8, 8, colour));
            place.write(&format!("d/of-{ending}/{number}.{ending}"), &encoded(&image, format));
        }
    }
    place.write("d/of-bmp/notes.txt", b"x");
    place.write("d/raw/1.heic", b"x");
    place.write("d/raw/deep/2.HEIC", b"x");
    place.write("d/loose.png", &png(0, 0));
    place.write("d/of-bmp/@eaDir/1.bmp/SYNOPHOTO_THUMB_M.png", &png(0, 0));
    place.write("d/__MACOSX/of-bmp/1.png", &png(0, 0));
    std::fs::create_dir(place.path().join("d/empty")).expect("a folder");
    let output = train(&place, "d", &[], "run");
    success(&output);
    let said = stderr(&output);
    for expected in [
        "files: 4 .bmp, 4 .gif, 4 .jfif, 4 .ppm, 4 .qoi, 4 .tif, 4 .webp",
        "Skipped 3 files with endings that are not read: .heic (2), .txt (1); the first is of-bmp/notes.txt.",
        "Skipped 2 class folders without a file that can be read: empty (0 files), raw (2 files).",
        "Skipped folders that other programs created: @eaDir (1 folder), the first is of-bmp/@eaDir, __MACOSX (1 folder)",
        "Skipped 1 image outside the class folders; the first is loose.png.",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let found = info(&place, "d", &[]);
    assert_eq!((&found["classes"], &found["samples"]), (&7.into(), &28.into()));
    assert_eq!(found["formats"]["BMP"], 4);
    assert_eq!(found["skipped_files"]["endings"][".heic"]["count"], 2);
    assert_eq!(found["skipped_files"]["empty_folders"][1]["folder"], "raw");
    assert_eq!(found["skipped_files"]["of_programs"]["@eaDir"]["count"], 1);
    let text = place.run(&["data", "info", "d"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains(".heic (2 files), the first is raw/1.heic") && text.contains("  raw (2 files)"),
        "{text}"
    );
    let embedded = place.run(&["embed", "--model", "run", "d", "-o", "d.npy"]);
    success(&embedded);
    assert!(stderr(&embedded).contains(".heic (2)"), "{}", stderr(&embedded));
    place.write("d/of-qoi/3.heic", b"x");
    place.write("d/of-qoi/deep/4.png", &png(0, 0));
    let sides = ["d/of-qoi", "d/of-TIF"];
    let output = place.run(&[&["compare", "--model", "run", "--threshold", "0.5"][..], &sides].concat());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains(".heic (1); the first is d/of-qoi/3.heic"), "{said}");
    assert!(said.contains("Skipped 1 sub-folder of d/of-qoi; the first is d/of-qoi/deep."), "{said}");
    let nearest = ["nearest", "--model", "run", "--embeddings", "d.npy", "-k", "1", "d/of-qoi"];
    let output = place.run(&nearest);
    success(&output);
    let said = stderr(&output);
    assert!(said.contains(".heic (1)") && !said.contains("sub-folder"), "{said}");
}

#[test]
fn transparent_images_are_blended_with_the_background_of_the_model() {
    let place = place();
    // Black ink, all of it in the transparency.
    let ink = |class: u8, number: u8| {
        let alpha = move |x: u32, y: u32| {
            let on = [0, 3].contains(&((x + u32::from(class)) % 7)) && y != u32::from(number);
            if on { 255 } else { 0 }
        };
        RgbaImage::from_fn(8, 8, |x, y| Rgba([0, 0, 0, alpha(x, y)]))
    };
    for class in 0..6 {
        for number in 0..8 {
            let bytes = encoded(&ink(class, number).into(), ImageFormat::Png);
            place.write(&format!("d/s{class}/{number}.png"), &bytes);
        }
    }
    assert_eq!(info(&place, "d", &[])["warnings"].as_array().map(Vec::len), Some(0));
    success(&train(&place, "d", &["--closed-set"], "white"));
    place.write("tiny.toml", TINY.replace("[data]", "[data]\nbackground = \"#808080\"").as_bytes());
    success(&train(&place, "d", &["--closed-set"], "grey"));
    // A model embeds a transparent image like the opaque image that shows the same on its background.
    for (model, ground) in [("white", 255), ("grey", 128)] {
        let opaque = RgbImage::from_fn(8, 8, |x, y| {
            Rgb(if ink(1, 2).get_pixel(x, y).0[3] == 255 { [0; 3] } else { [ground; 3] })
        });
        place.write("both/a.png", &encoded(&ink(1, 2).into(), ImageFormat::Png));
        place.write("both/b.png", &encoded(&opaque.into(), ImageFormat::Bmp));
        let out = format!("{model}.npy");
        success(&place.run(&["embed", "--model", model, "both", "-o", &out]));
        let bytes = std::fs::read(place.path().join(&out)).expect("there");
        let rows = &bytes[bytes.len() - 32..];
        assert!(rows[..16] == rows[16..], "{model}");
    }
    let same =
        place.run(&["compare", "--model", "grey", "--threshold", "0.9999", "both/a.png", "both/b.png"]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    // White ink vanishes on white, and nearly white ink almost.
    for class in 0..4 {
        for number in 0..8 {
            let mut image = ink(class, number);
            let white = 255 - 2 * class;
            image.pixels_mut().for_each(|pixel| (pixel.0[0], pixel.0[1], pixel.0[2]) = (white, white, white));
            place.write(&format!("w/s{class}/{number}.png"), &encoded(&image.into(), ImageFormat::Png));
        }
    }
    place.write("tiny.toml", TINY.as_bytes());
    let said = stderr(&train(&place, "w", &["--closed-set"], "lost"));
    assert!(
        said.contains(
            "On the background white, 32 of 32 images with transparency have one colour only, or nearly so"
        ),
        "{said}"
    );
    assert_eq!(info(&place, "w", &[])["warnings"][0]["kind"], "hidden");
    place.write("tiny.toml", TINY.replace("[data]", "[data]\nbackground = \"red\"").as_bytes());
    let said = stderr(&train(&place, "w", &[], "no"));
    assert!(said.contains("background") && said.contains("expected white, black, none"), "{said}");
}

#[test]
fn a_run_reads_image_files_like_the_weights_that_it_starts_from() {
    let place = place();
    for class in 0..4_u8 {
        for number in 0..8_u8 {
            let pixel = |x: u32, y: u32| {
                let value = (x as u8 * (class + 1)).wrapping_mul(17) ^ (y as u8 * number);
                Rgba([value, value / 2, 255 - value, if y < 4 { 0 } else { 255 }])
            };
            let bytes = encoded(&RgbaImage::from_fn(8, 8, pixel).into(), ImageFormat::Png);
            place.write(&format!("d/c{class}/{number}.png"), &bytes);
        }
    }
    let settings = |data: &str| {
        place.write("tiny.toml", TINY.replace("[data]", &format!("[data]\n{data}")).as_bytes());
    };
    let stored = |run: &str| {
        let text = std::fs::read_to_string(place.path().join(run).join("config.toml")).expect("there");
        let lines = text.lines().filter(|line| line.starts_with("background") || line.starts_with("depth"));
        lines.collect::<Vec<_>>().join(", ")
    };
    settings("background = \"black\"\ndepth = 12");
    success(&train(&place, "d", &["--closed-set"], "first"));
    let weights = ["--closed-set", "--weights", "first/model.safetensors"];
    settings("");
    let output = train(&place, "d", &weights, "second");
    success(&output);
    let said = stderr(&output);
    assert!(said.contains("reading image files as for the weights: background black, depth 12"), "{said}");
    assert_eq!(stored("second"), "background = \"black\", depth = 12");
    success(&place.run(&["train", "--resume", "second"]));
    // A setting of the user holds, with a warning.
    settings("background = \"white\"");
    let output = train(&place, "d", &weights, "third");
    success(&output);
    let said = stderr(&output);
    assert!(
        said.contains("warning: data.background is white, but ") && said.contains("with black"),
        "{said}"
    );
    assert!(!said.contains("data.depth is"), "{said}");
    assert_eq!(stored("third"), "background = \"white\", depth = 12");
}

#[test]
fn images_of_16_bits_are_scaled_by_their_depth() {
    let place = place();
    for class in 0..4_u16 {
        for number in 0..8_u16 {
            let pixel = |x: u32, y: u32| Luma([(x as u16 * 13 + y as u16 * (number + 1) + 3 * class) % 100]);
            let image = DynamicImage::ImageLuma16(ImageBuffer::from_fn(8, 8, pixel));
            place.write(&format!("d/c{class}/{number}.png"), &encoded(&image, ImageFormat::Png));
        }
    }
    let found = info(&place, "d", &[]);
    assert_eq!(found["warnings"][0]["kind"], "small-range");
    assert_eq!(found["duplicates"]["copies"], 0, "equal in the upper 8 bits only");
    let said = stderr(&train(&place, "d", &["--closed-set"], "dark"));
    assert!(
        said.contains("of 16 bits have values from 0 to 99 only") && said.contains("`depth = 7`"),
        "{said}"
    );
    place.write("tiny.toml", TINY.replace("[data]", "[data]\ndepth = 7").as_bytes());
    let output = train(&place, "d", &["--closed-set"], "bright");
    success(&output);
    assert!(!stderr(&output).contains("16 bits"), "{}", stderr(&output));
    // The model stores the depth: 8-bit images with the scaled values have the same embeddings.
    let scaled = |x: u32, y: u32| Luma([((x * 13 + y * 2 + 3) % 100 * 255 + 63).div_euclid(127) as u8]);
    let scaled = GrayImage::from_fn(8, 8, scaled);
    place.write("both/a.png", &std::fs::read(place.path().join("d/c1/1.png")).expect("there"));
    place.write("both/b.png", &encoded(&scaled.into(), ImageFormat::Png));
    success(&place.run(&["embed", "--model", "bright", "both", "-o", "both.npy"]));
    let bytes = std::fs::read(place.path().join("both.npy")).expect("there");
    let rows = &bytes[bytes.len() - 32..];
    assert!(rows[..16] == rows[16..]);
    // A model of full 16 bits sees next to nothing of such images.
    place.write("tiny.toml", TINY.as_bytes());
    for class in 0..4 {
        for number in 0..8 {
            place.write(&format!("e/c{class}/{number}.png"), &png(class, number));
        }
    }
    success(&train(&place, "e", &["--closed-set"], "eight"));
    let embedded = place.run(&["embed", "--model", "eight", "d", "-o", "dark.npy"]);
    success(&embedded);
    let said = stderr(&embedded);
    assert!(said.contains("warning: The 32 images of 16 bits have values from 0 to 99 only"), "{said}");
    // The commands that read few images say so too.
    let compared = ["compare", "--model", "eight", "--threshold", "0.5", "--json", "d/c1", "d/c2"];
    let output = place.run(&compared);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    assert!(
        stderr(&output).contains("The 16 images of 16 bits have values from 0 to"),
        "{}",
        stderr(&output)
    );
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(answer["warnings"].to_string().contains("of 16 bits"), "{answer}");
    success(&place.run(&["embed", "--model", "eight", "e", "-o", "e.npy"]));
    let nearest = ["nearest", "--model", "eight", "--embeddings", "e.npy", "-k", "1"];
    let output = place.run(&[&nearest[..], &["d/c1/1.png", "d/c2/1.png"]].concat());
    success(&output);
    assert!(stderr(&output).contains("The 2 images of 16 bits have values from 0 to"), "{}", stderr(&output));
}

#[test]
fn parts_in_other_places_and_shards_without_a_part_are_refused() {
    let place = place();
    for class in 0..5 {
        for number in 0..12 {
            let part = if number < 8 { "train" } else { "test" };
            place.write(&format!("d/c{class}/{part}/{number}.png"), &png(class, number));
            place.write(&format!("w/images/{part}/c{class}/{number}.png"), &png(class, number));
        }
    }
    place.write("d/c0/notes.txt", b"not an image");
    for (data, advice) in [("d", "column `split`"), ("w", "w/images. If their names")] {
        for more in [&[][..], &["--class-folder", "deepest"]] {
            let run = ["train", "--config", "tiny.toml", "--data", data, "--out", "no"];
            place.refused(
                &[&run[..], more].concat(),
                &["named like parts below the first level", advice, "--parts none"],
            );
        }
        let described = place.run(&["data", "info", data]);
        success(&described);
        assert!(stderr(&described).contains("`train` rejects this folder"), "{}", stderr(&described));
    }
    success(&train(&place, "w/images", &["--closed-set"], "parts"));
    success(&train(&place, "d", &["--closed-set", "--parts", "none"], "none"));
    let divided =
        place.run(&["data", "split", "d", "--parts", "none", "--by", "sample", "--out", "split.csv"]);
    success(&divided);
    assert!(
        stderr(&divided).contains("note: Skipped 1 file with endings that are not read: .txt (1)"),
        "{}",
        stderr(&divided)
    );
}

#[test]
fn copies_stay_on_one_side_and_those_across_given_parts_are_counted() {
    let place = place();
    for class in 0..6 {
        for number in 0..16 {
            place.write(&format!("d/c{class}/{number:02}.png"), &png(class, number / 4));
        }
    }
    let output = train(&place, "d", &[], "run");
    success(&output);
    let said = stderr(&output);
    assert!(!said.contains("duplicates of training"), "{said}");
    assert!(said.contains("36 of 48 images of the evaluation set are duplicates of others in it"), "{said}");
    let mut sides = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
    for (sample, part) in split(&place, "run") {
        let number: u32 = sample[3..5].parse().expect("a number");
        sides.entry(format!("{} {}", &sample[..2], number / 4)).or_default().insert(part);
    }
    assert!(sides.len() == 24 && sides.values().all(|sides| sides.len() == 1), "{sides:?}");
    for class in 0..4 {
        for number in 0..4 {
            let part = if number < 3 { "train" } else { "test" };
            let number = if class < 2 && number == 3 { 0 } else { number };
            place.write(&format!("p/{part}/c{class}/{number}.png"), &png(class, number));
            place.write(&format!("p/test/c{class}/{}.png", 50 + number), &png(class, 50 + number));
        }
    }
    let said = stderr(&train(&place, "p", &["--closed-set"], "parts"));
    assert!(said.contains("2 of 18 held-out images are duplicates of training images"), "{said}");
}

#[test]
fn a_folder_next_to_the_images_of_most_classes_is_named() {
    let place = Workplace::new();
    for class in 0..5 {
        for image in 0..3 {
            place.write(&format!("d/c{class}/{image}.png"), &png(class, image));
            place.write(&format!("d/c{class}/thumbs/{image}.png"), &png(class, image + 3));
            place.write(&format!("only/c{class}/images/{image}.png"), &png(class, image));
        }
    }
    let notes = |data: &str| info(&place, data, &[])["notes"].to_string();
    assert!(notes("d").contains("Most class folders have images and a folder `thumbs`"), "{}", notes("d"));
    assert_eq!(notes("only"), "[]", "a folder without images next to it");
}

#[test]
fn a_preview_shows_samples_with_augmented_versions() {
    let place = place();
    for class in 0..5 {
        for number in 0..6 {
            let image = RgbImage::from_fn(12, 9, |x, y| Rgb([20 * x as u8, 25 * y as u8, 60 * class]));
            place.write(
                &format!("d/class & {class}/{number}.png"),
                &encoded(&DynamicImage::ImageRgb8(image), ImageFormat::Png),
            );
        }
    }
    let changed = TINY.replace(
        "[augment]\n",
        "[augment]\nrotate = 20\nhue = { range = 0.1, probability = 0.5 }\njpeg = [40, 90]\n",
    );
    place.write("changed.toml", changed.as_bytes());
    let preview = |config: &str, out: &str, more: &[&str]| {
        let command = ["data", "preview", "d", "--config", config, "-o", out];
        let output = place.run(&[&command[..], more].concat());
        success(&output);
        (std::fs::read_to_string(place.path().join(out)).expect("a page"), stderr(&output))
    };
    let (page, said) = preview("changed.toml", "a.html", &[]);
    assert_eq!(page.matches("class=\"version plain\"").count(), 12);
    assert_eq!(page.matches("class=\"version\"").count(), 96);
    assert!(page.contains("<h3>class &amp; 1</h3>") && page.contains("rotate = 20"), "settings and classes");
    assert!(
        page.contains("3 x 8 x 8") && page.contains("probability = 0.5"),
        "the size, and the whole setting"
    );
    assert!(!page.contains("http"), "nothing is loaded");
    assert_eq!(said, "");
    assert_eq!(preview("changed.toml", "b.html", &[]).0, page, "the same seed");
    assert_ne!(preview("changed.toml", "b.html", &["--seed", "2"]).0, page);
    let (page, said) = preview("tiny.toml", "b.html", &["--count", "2"]);
    assert_eq!(page.matches("class=\"version\"").count(), 16);
    assert!(said.contains("No augmentation is set"), "{said}");
    // Without a file, what `train` chooses for these images.
    success(&place.run(&["data", "preview", "d"]));
    let page = std::fs::read_to_string(place.path().join("preview.html")).expect("a page");
    success(&place.run(&["data", "preview", "emoji", "--count", "1", "-o", "emoji.html"]));
    let emoji = std::fs::read_to_string(place.path().join("emoji.html")).expect("a page");
    assert!(emoji.contains("emoji") && emoji.matches("data:image/").count() > 8);
    let chosen = place.run(&["train", "--data", "d", "--print-config"]);
    success(&chosen);
    let chosen: toml::Table = toml::from_str(&String::from_utf8_lossy(&chosen.stdout)).expect("TOML");
    let of = |section: &str, key: &str| chosen[section][key].to_string();
    assert_eq!(of("augment", "flip"), "false");
    for key in ["flip", "pad_and_crop"] {
        assert!(page.contains(&format!("{key} = {}", of("augment", key))), "{key}: {chosen}");
    }
    let shape = ["channels", "height", "width"].map(|key| of("data", key)).join(" x ");
    assert!(page.contains(&format!("read as {shape}")), "{shape}");

    place.write("wrong.toml", b"[augment]\n\nblur = [3, 1]\n");
    place.write("t.csv", b"label,a,b\nx,1,2\ny,3,4\n");
    for (arguments, expected) in [
        (
            &["d", "--config", "wrong.toml"][..],
            "wrong.toml, line 3: augment.blur: found [3, 1], expected two numbers",
        ),
        (&["d", "--count", "0"], "--count: found 0, expected 1 to 200"),
        (&["t.csv"], "a table of embeddings, expected images"),
        (&["d", "-o", "tiny.toml"], "already exists and is not a page"),
        (&["none"], "none"),
    ] {
        let output = place.run(&[&["data", "preview"], arguments].concat());
        assert!(!output.status.success() && stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn augmentation_is_reproducible_and_colours_of_grey_images_give_a_warning() {
    let place = place();
    for class in 0..6 {
        for number in 0..6 {
            place.write(&format!("d/{class}/{number}.png"), &png(class, number));
        }
    }
    let all = "[augment]\nresized_crop = 0.5\nrotate = 20\nscale = 0.1\nshear = 5\nbrightness = 0.3\ncontrast = 0.3\nblur = 1\n\
               noise = 0.05\njpeg = { range = 40, probability = 0.5 }\nflip_vertical = true\n";
    let run = |name: &str, more: &str, threads: &str| {
        place.write("tiny.toml", TINY.replace("[augment]\n", &format!("{all}{more}")).as_bytes());
        let output = train(&place, "d", &["--loader-threads", threads], name);
        success(&output);
        let model = std::fs::read(place.path().join(name).join("model.safetensors")).expect("a model");
        (model, stderr(&output))
    };
    let (model, said) = run("one", "", "1");
    assert!(!said.contains("augment"), "{said}");
    assert!(model == run("none", "", "0").0, "threads do not change the result");
    let (other, said) = run("colours", "saturation = 0.5\ngrey = 0.2\n", "1");
    assert!(said.contains("augment.saturation, augment.grey: no effect on grey images"), "{said}");
    assert!(model != other, "the changes after them have other random numbers");
    // The run stores what it used.
    let config = std::fs::read_to_string(place.path().join("colours/config.toml")).expect("there");
    assert!(config.contains("saturation = 0.5") && config.contains("probability = 0.5"), "{config}");
}

#[test]
fn the_model_stores_how_images_get_their_size() {
    let place = place();
    // Wide images with a coloured middle, and the same middle alone and between margins.
    let middle = |class: u32, number: u32, x: u32, y: u32| {
        let value = (x * (3 + class) * 9 + y * 11 + number * 7) % 200;
        Rgb([value as u8, (value / 2) as u8, (40 * class) as u8])
    };
    let save = |name: &str, image: RgbImage| {
        place.write(name, &encoded(&DynamicImage::ImageRgb8(image), ImageFormat::Png));
    };
    for class in 0..6 {
        for number in 0..4 {
            let inside = |x: u32, y: u32| middle(class, number, x, y);
            save(&format!("d/{class}/{number}.png"), RgbImage::from_fn(8, 8, inside));
        }
    }
    let part = RgbImage::from_fn(8, 8, |x, y| middle(1, 1, x, y));
    save("part.png", part.clone());
    save("wide.png", RgbImage::from_fn(16, 8, |x, y| *part.get_pixel(x.saturating_sub(4).min(7), y)));
    let narrow = RgbImage::from_fn(4, 8, |x, y| *part.get_pixel(x + 2, y));
    save("narrow.png", narrow.clone());
    let green = Rgb([0, 128, 0]);
    let between = |x: u32, y: u32| if (2..6).contains(&x) { *narrow.get_pixel(x - 2, y) } else { green };
    save("margins.png", RgbImage::from_fn(8, 8, between));
    place.write("tiny.toml", TINY.replace("[data]", "[data]\nbackground = \"#008000\"").as_bytes());

    let cosine = |run: &str, one: &str, other: &str| {
        let output = place.run(&["compare", "--model", run, one, other, "--json"]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["similarity"].as_f64().expect("a cosine")
    };
    for (mode, one, other) in [("crop", "wide.png", "part.png"), ("pad", "narrow.png", "margins.png")] {
        success(&train(&place, "d", &["--resize", mode], mode));
        let config = std::fs::read_to_string(place.path().join(mode).join("config.toml")).expect("there");
        assert!(config.contains(&format!("resize = \"{mode}\"")), "{config}");
        assert!((cosine(mode, one, other) - 1.0).abs() < 1e-6, "{mode}: the same pixels");
        // The metadata of the exported model states it.
        success(&place.run(&["export", "--model", mode, "-o", &format!("{mode}.onnx")]));
        let file = std::fs::read(place.path().join(format!("{mode}.onnx"))).expect("there");
        let stated = format!("\"resize\":\"{mode}\"");
        assert!(file.windows(stated.len()).any(|text| text == stated.as_bytes()));
        success(&place.run(&["train", "--resume", mode, "--epochs", "2"]));
    }
    success(&train(&place, "d", &[], "stretch"));
    assert!(cosine("stretch", "wide.png", "part.png") < 0.9999);
    let model = std::fs::read(place.path().join("stretch/model.safetensors")).expect("there");
    assert!(!model.windows(8).any(|text| text == b"\"resize\""), "as models of earlier versions");

    // Weights say how images are read, unless a flag does.
    let tuned = train(&place, "d", &["--weights", "crop/model.safetensors"], "tuned");
    success(&tuned);
    assert!(
        stderr(&tuned).contains("reading image files as for the weights: depth 16, resize crop"),
        "{}",
        stderr(&tuned)
    );
    assert!((cosine("tuned", "wide.png", "part.png") - 1.0).abs() < 1e-6);
    let other = train(&place, "d", &["--weights", "crop/model.safetensors", "--resize", "pad"], "other");
    success(&other);
    let said = stderr(&other);
    assert!(
        said.contains("warning: data.resize is pad, but") && said.contains("was trained with crop"),
        "{said}"
    );
    assert!(said.contains("as for the weights: depth 16\n"), "what they decide: {said}");
    let wrong = train(&place, "d", &["--resize", "fit"], "wrong");
    assert!(stderr(&wrong).contains("expected one of `stretch`, `pad`, `crop`"), "{}", stderr(&wrong));
}
