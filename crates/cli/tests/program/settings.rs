//! Settings and columns that were once ignored without a word.

use super::{Workplace, success};
use std::fmt::Write;

/// Ten classes, `20` to `29`, of eight rows each, with these columns of values.
fn table(columns: &[&str]) -> String {
    let mut text = format!("label,{}\n", columns.join(","));
    for row in 0..80_usize {
        let value = |at: usize| {
            let class = (row / 8 * (at + 2) * 7 % 10) as f64 - 4.5;
            format!("{:.3}", class + ((row * 13 + at * 5) % 11) as f64 / 9.0)
        };
        let values: Vec<String> = (0..columns.len()).map(value).collect();
        writeln!(text, "{},{}", 20 + row / 8, values.join(",")).expect("text");
    }
    text
}

/// A folder with a table `t.csv` of dimension 6.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("t.csv", table(&["e0", "e1", "e2", "e3", "e4", "e5"]).as_bytes());
    place
}

/// A configuration of a run on `t.csv`, with these further sections. A table needs no backbone.
const SHORT: &str = "[data]\npath = \"t.csv\"\nunseen_classes = [\"20\", \"21\"]\n[model]\nembedding = 4\n[training]\nepochs = 2\n";

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_class_to_ignore_is_named() {
    let place = place();
    let trained = |objective: &str, out: &str| {
        let text = format!("{SHORT}[sampler]\nbatch = 16\n[objective]\n{objective}\n");
        place.write("c.toml", text.as_bytes());
        let output = place.run(&["train", "--config", "c.toml", "--out", out]);
        success(&output);
        let model = std::fs::read(place.path().join(out).join("model.safetensors")).expect("a model");
        (model, stderr(&output))
    };
    let (number, said) = trained("ignore_label = 25", "number");
    assert!(said.contains("training samples of 25 have loss 0 (objective.ignore_label)"), "{said}");
    assert!(said.contains("vectors: the columns e0 to e5"), "{said}");
    let (text, _) = trained("ignore_label = \"25\"", "text");
    let (all, said) = trained("", "all");
    assert!(number == text && number != all && !said.contains("loss 0"));
    success(&place.run(&["train", "--resume", "number", "--epochs", "3"]));
    for (objective, fragments) in [
        ("ignore_label = 3", &["objective.ignore_label", "found \"3\"", "known classes: 22, 23, 24"][..]),
        ("ignore_label = 20", &["found \"20\", expected one of the known classes: 22"]),
        (
            "class_margins = [0.1, 0.2, 0.3]",
            &["objective.class_margins: found 3 class margins; expected 8, one per known class: 22, 23"],
        ),
    ] {
        let text = format!("{SHORT}[sampler]\nbatch = 16\n[objective]\n{objective}\n");
        place.write("c.toml", text.as_bytes());
        place.refused(&["train", "--config", "c.toml", "--out", "no"], fragments);
        assert!(!place.exists("no"));
    }
}

#[test]
fn flags_count_before_the_configuration_is_checked() {
    let place = place();
    // am-softmax has no `easy_margin`.
    let text = format!("{SHORT}[sampler]\nbatch = 16\n[objective]\neasy_margin = true\n");
    place.write("c.toml", text.as_bytes());
    place.refused(
        &["train", "--config", "c.toml", "--out", "no"],
        &["c.toml, line 11: objective.easy_margin"],
    );
    success(&place.run(&["train", "--config", "c.toml", "--objective", "arcface", "--out", "run"]));
    place.refused(
        &["train", "--config", "c.toml", "--objective", "arcfase", "--out", "no"],
        &["--objective (objective.name)", "arcface"],
    );
    // A backbone of images, and a flag that replaces it.
    place.write("cnn.toml", b"[model]\nbackbone = \"small-cnn\"\nembedding = 4\n[sampler]\nbatch = 16\n");
    place.refused(&["train", "--config", "cnn.toml", "--data", "t.csv", "--out", "no"], &["model.backbone"]);
    let arguments =
        ["train", "--config", "cnn.toml", "--data", "t.csv", "--backbone", "linear", "--epochs", "1"];
    success(&place.run(&[&arguments[..], &["--out", "linear"]].concat()));
}

#[test]
fn a_sweep_checks_all_runs_before_the_first_and_reports_values_without_effect() {
    let place = place();
    place.write("c.toml", format!("{SHORT}[sampler]\nbatch = 16\n").as_bytes());
    let sweep = ["sweep", "--config", "c.toml", "--grid", "g.toml", "--out", "sweep"];
    for (grid, fragments) in [
        ("model.backbone = [\"linear\", \"identity\"]", &["02-backbone-identity"][..]),
        (
            "sampler.name = [\"shuffled\", \"class-balanced\"]",
            &["02-name-class-balanced", "fewer than one batch of 112"],
        ),
        ("objective.ignore_label = [25, 99]", &["found \"99\""]),
    ] {
        place.write("g.toml", grid.as_bytes());
        place.refused(&sweep, fragments);
        assert!(!place.exists("sweep"), "{grid}");
    }
    let balanced = "[sampler]\nname = \"class-balanced\"\nclasses_per_batch = 4\nsamples_per_class = 4\n";
    place.write("c.toml", format!("{SHORT}{balanced}").as_bytes());
    place.write("g.toml", b"sampler.batch = [16, 64]");
    let output = place.run(&sweep);
    success(&output);
    assert!(stderr(&output).contains("sampler.batch: no effect"), "{}", stderr(&output));
}

#[test]
fn the_columns_of_the_vectors_are_printed() {
    let place = place();
    place.write("cells.csv", table(&["UMAP_1", "UMAP_2", "nCount_RNA", "percent.mt", "S.Score"]).as_bytes());
    let info = |arguments: &[&str]| {
        let output = place.run(&[&["data", "info", "cells.csv"], arguments].concat());
        success(&output);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = info(&[]);
    assert!(said.contains("vectors: the columns UMAP_1, UMAP_2, nCount_RNA, percent.mt, S.Score"), "{said}");
    assert!(
        said.contains("and also nCount_RNA, percent.mt, S.Score") && said.contains("--columns 'UMAP_*'"),
        "{said}"
    );
    let said = info(&["--columns", "UMAP_*"]);
    assert!(said.contains("vectors: the columns UMAP_1, UMAP_2\n") && !said.contains("and also"), "{said}");
    let train = ["train", "--data", "cells.csv", "--embedding", "4", "--batch", "16", "--epochs", "1"];
    let output = place.run(&[&train[..], &["--out", "run"]].concat());
    success(&output);
    assert!(stderr(&output).contains("warning: ") && stderr(&output).contains("and also nCount_RNA"));
}

/// A `.safetensors` with the rows of [`table`] and lists of whole numbers.
fn tensors(lists: &[(&str, &dyn Fn(usize) -> usize)]) -> Vec<u8> {
    let values: Vec<f32> = table(&["a", "b", "c", "d"])
        .lines()
        .skip(1)
        .flat_map(|line| {
            line.split(',').skip(1).map(|value| value.parse().expect("a number")).collect::<Vec<f32>>()
        })
        .collect();
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut header =
        format!(r#"{{"embeddings":{{"dtype":"F32","shape":[80,4],"data_offsets":[0,{}]}}"#, bytes.len());
    for (name, number) in lists {
        let start = bytes.len();
        bytes.extend((0..80).flat_map(|row| (number(row) as i64).to_le_bytes()));
        let end = bytes.len();
        write!(header, r#","{name}":{{"dtype":"I64","shape":[80],"data_offsets":[{start},{end}]}}"#)
            .expect("text");
    }
    header.push('}');
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes].concat()
}

#[test]
fn tensors_of_safetensors_are_used_refused_or_named() {
    let place = Workplace::new();
    let (label, group, part) = (|row| row / 8, |row| row / 2, |row| row % 2);
    place.write("a.safetensors", &tensors(&[("labels", &label), ("group", &group), ("fold", &part)]));
    let output = place.run(&["data", "info", "a.safetensors"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("groups: 40") && said.contains("are not used: fold."), "{said}");
    let train = ["train", "--embedding", "4", "--batch", "16", "--epochs", "1", "--out", "run", "--data"];
    let output = place.run(&[&train[..], &["a.safetensors"]].concat());
    success(&output);
    assert!(stderr(&output).contains("are not used: fold."), "{}", stderr(&output));
    place.write("b.safetensors", &tensors(&[("labels", &label), ("split", &part)]));
    place.write("c.safetensors", &tensors(&[("labels", &label), ("weights", &part)]));
    let train = [&train[..8], &["no", "--data"]].concat();
    place.refused(&[&train[..], &["b.safetensors"]].concat(), &["split", "train or test", "NAME.names.csv"]);
    place.refused(
        &[&train[..], &["c.safetensors"]].concat(),
        &["`weights` looks like the weight of a sample"],
    );
}

/// A margin of 0.35 in cosine is not one of 0.35 radians.
#[test]
fn a_margin_of_a_file_is_refused_for_an_objective_with_another_unit() {
    let place = place();
    place.write("m.toml", format!("{SHORT}[objective]\nname = \"am-softmax\"\nmargin = 0.35\n").as_bytes());
    let train = ["train", "--config", "m.toml", "--print-config"];
    place.refused(
        &[&train[..], &["--objective", "arcface"]].concat(),
        &["m.toml, with --objective arcface", "found 0.35 for `am-softmax`", "radians", "--margin"],
    );
    for fits in [&["--objective", "arcface", "--margin", "0.5"][..], &["--objective", "cosface"], &[]] {
        success(&place.run(&[&train[..], fits].concat()));
    }
    let sweep = ["sweep", "--config", "m.toml", "--objective", "arcface", "--out", "swept"];
    place.refused(&sweep, &["m.toml, with --objective arcface", "radians"]);
    success(&place.run(&[&sweep[..], &["--margin", "0.3,0.5"]].concat()));
}
