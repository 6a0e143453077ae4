//! Data as other programs and data sets arrange it, which is not read: errors that say what was found and what to do.

use super::{Workplace, png, success};

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
