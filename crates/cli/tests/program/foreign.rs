//! Data as other programs and data sets arrange it, which is not read: errors that say what was found and what to do.

use super::evaluation::npy;
use super::{Workplace, image_folder, png, success};

/// A file with fixed content that pyarrow or pandas wrote.
pub(super) fn fixture(place: &Workplace, name: &str) {
    let path = format!("{}/../tables/fixtures/files/{name}", env!("CARGO_MANIFEST_DIR"));
    place.write(name, &std::fs::read(path).expect("there"));
}

#[test]
fn a_part_of_which_the_labels_are_in_a_text_file_is_refused() {
    let place = Workplace::new();
    for class in 0..3 {
        for number in 0..4 {
            let name = format!("n0{class}");
            place.write(&format!("tiny/train/{name}/images/{name}_{number}.png"), &png(class, number));
        }
        place.write(&format!("tiny/val/images/val_{class}.png"), &png(class, 9));
    }
    place.write("tiny/val/val_annotations.txt", b"val_0.png\tn00\t0\t0\t7\t7\n");
    let expected = [
        "tiny: found 3 images of the part `val` in the one folder `val/images`",
        "expected a folder per class, as in `train`, which has 3 of them",
        "Their labels seem to be in val/val_annotations.txt, which is not read",
        "a manifest with the columns `path`, `label` and `split`",
    ];
    place.refused(&["train", "--data", "tiny", "--out", "run"], &expected);
    place.refused(&["data", "split", "tiny", "--by", "class", "-o", "split.csv"], &expected);
    assert!(!place.exists("run") && !place.exists("split.csv"));
    let output = place.run(&["data", "info", "tiny"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(expected[0]) && said.contains("as with --parts only"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("15 images in 4 classes"));
}

#[test]
fn images_in_a_parquet_are_no_embeddings() {
    let place = Workplace::new();
    fixture(&place, "images.parquet");
    let expected = [
        "images.parquet: the column `image` has image files (their bytes, or `bytes` and `path`",
        "expected numbers, or names of image files in a column `path`",
        "save each to a file and give the folder",
    ];
    for command in [
        &["eval", "retrieval", "images.parquet"][..],
        &["eval", "verification", "images.parquet", "--columns", "image"],
        &["train", "--data", "images.parquet", "--out", "run"],
        &["data", "info", "images.parquet"],
        &["nearest", "--embeddings", "images.parquet", "--row", "0"],
    ] {
        place.refused(command, &expected);
    }
    assert!(!place.exists("run"));
    fixture(&place, "image_bytes.parquet");
    let bytes = ["image_bytes.parquet: the column `photo` has image files (their bytes", "a column `path`"];
    for command in [
        &["eval", "retrieval", "image_bytes.parquet"][..],
        &["train", "--data", "image_bytes.parquet", "--out", "run"],
        &["data", "info", "image_bytes.parquet"],
    ] {
        place.refused(command, &bytes);
    }
    // Also where images are expected.
    success(&place.run(&["train", "--config", "small.toml", "--epochs", "1", "--out", "run"]));
    place.refused(&["embed", "--model", "run", "images.parquet", "-o", "e.npy"], &expected);
    image_folder(&place, "images", 1, 2);
    success(&place.run(&["embed", "--model", "run", "images", "-o", "e.npy"]));
    let nearest = ["nearest", "--model", "run", "--embeddings", "e.npy", "-k", "1", "images.parquet"];
    place.refused(&nearest, &expected);
}

#[test]
fn archives_of_arrays_are_tables_and_no_files_of_labels() {
    let place = Workplace::new();
    place.write("e.npz", b"PK\x03\x04\x2d\x00\x00\x00\x00\x00\xff\xfe");
    place.write("e.npy", &npy("<f4", "2, 2", &[0; 16]));
    place.write("l.txt", b"a\na\n");
    for command in [
        &["eval", "retrieval", "e.npz", "--labels", "l.txt"][..],
        &["train", "--data", "e.npz", "--labels", "l.txt", "--out", "run"],
        &["data", "info", "e.npz", "--labels", "l.txt"],
    ] {
        place.refused(command, &["e.npz: is not a valid .npz file: it does not end like a zip archive"]);
    }
    let labels = [
        "e.npz: found labels in a file with the extension \"npz\"; expected .csv",
        "save the labels alone with",
    ];
    place.refused(&["eval", "retrieval", "e.npy", "--labels", "e.npz"], &labels);
    place.refused(&["train", "--data", "e.npy", "--labels", "e.npz", "--out", "run"], &labels);
    place.write("l.pkl", b"\x80\x04]\x94.");
    place.refused(
        &["eval", "retrieval", "e.npy", "--labels", "l.pkl"],
        &["l.pkl: found labels", "\"pkl\"", "or text"],
    );
}

#[test]
fn labels_with_names_are_not_joined_to_an_index_of_pandas() {
    let place = Workplace::new();
    fixture(&place, "default_index.parquet");
    for name in ["path", "id"] {
        place.write("l.csv", format!("{name},label\nim/b.jpg,x\nim/a.jpg,x\nim/c.jpg,y\n").as_bytes());
        let expected = [
            "l.csv: nothing joins it to ",
            &format!(
                "default_index.parquet: its column `{name}` (such as \"im/b.jpg\") has none of the ids there"
            ),
            "an index of pandas",
            &format!("Give both files a column `{name}`"),
        ];
        for command in [&["eval", "retrieval"][..], &["train", "--out", "run", "--data"], &["data", "info"]] {
            place.refused(&[command, &["default_index.parquet", "--labels", "l.csv"]].concat(), &expected);
        }
    }
    // Without the names, the rows are in the same order.
    place.write("l.csv", b"label\nx\nx\ny\n");
    success(&place.run(&["eval", "retrieval", "default_index.parquet", "--labels", "l.csv"]));
}
