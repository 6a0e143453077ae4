//! Columns of tables: matched by name, chosen by pattern, and the model that made them.

use super::evaluation::{found, npy};
use super::{Workplace, success};
use std::fmt::Write;

/// 40 rows of 8 classes in 4 dimensions, with the named columns in the order of `columns`.
fn table(columns: &[&str]) -> String {
    let mut text = format!("label,{}\n", columns.join(","));
    for row in 0..40_u32 {
        let value = |name: &&str| match name.strip_prefix('e').and_then(|at| at.parse::<u32>().ok()) {
            Some(at) => {
                let class = (row / 5 * 7 + at * 3) % 8;
                format!("{:.3}", f64::from(class) - 3.5 + f64::from((row * 13 + at * 5) % 11) / 9.0)
            }
            None => (row * 7).to_string(),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        writeln!(text, "c{},{}", row / 5, values.join(",")).expect("text");
    }
    text
}

fn place() -> Workplace {
    let place = Workplace::new();
    for (name, columns) in [
        ("t.csv", &["e0", "e1", "e2", "e3"][..]),
        ("other-order.csv", &["e2", "e0", "e3", "e1"]),
        ("with-age.csv", &["age", "e0", "e1", "e2", "e3"]),
        ("with-index.csv", &["e0", "e1", "index", "e2", "e3"]),
        ("three.csv", &["e0", "e1", "e2"]),
    ] {
        place.write(name, table(columns).as_bytes());
    }
    place.write(
        "renamed.csv",
        table(&["e0", "e1", "e2", "e3"]).replace('e', "f").replace("labfl", "label").as_bytes(),
    );
    place
}

#[test]
fn evaluation_matches_columns_by_name() {
    let place = place();
    let keep = ["retrieval", "t.csv", "--gallery"];
    let expected = found(&place, &[&keep[..], &["t.csv"]].concat())["retrieval"].clone();
    let with = |arguments: &[&str]| found(&place, &[&keep[..], arguments].concat())["retrieval"].clone();
    assert_eq!(with(&["other-order.csv"]), expected);
    let columns = ["--columns", "e*"];
    assert_eq!(with(&[&["with-age.csv"][..], &columns].concat()), expected);
    let refused = |gallery: &str, fragments: &[&str]| {
        place.refused(&["eval", "retrieval", "t.csv", "--gallery", gallery], fragments);
    };
    refused("renamed.csv", &["renamed.csv: the columns of the embedding are not those of t.csv", "found f0"]);
    refused("three.csv", &["three.csv", "e3 are missing"]);
    refused("with-age.csv", &["with-age.csv", "`age` do not fit the others, `e0` to `e3`", "--columns 'e*'"]);
    refused("with-index.csv", &["with-index.csv", "`index` looks like a row number"]);
    place.refused(
        &["eval", "identification", "renamed.csv", "--gallery", "t.csv"],
        &["renamed.csv", "not those of t.csv"],
    );
    place.refused(
        &["eval", "verification", "t.csv", "--probe", "renamed.csv"],
        &["renamed.csv", "not those of t.csv"],
    );
    place.refused(&["eval", "geometry", "t.csv", "--columns", "x*"], &["t.csv: no column matches `x*`"]);
    place.refused(
        &["eval", "geometry", "t.csv", "--columns", ""],
        &["--columns", "expected names of columns"],
    );
}

#[test]
fn a_model_of_vectors_knows_its_columns() {
    let place = place();
    let train =
        ["train", "--unseen", "3", "--embedding", "4", "--epochs", "1", "--out", "run", "--config", "v.toml"];
    place.write("v.toml", b"[model]\nbackbone = \"linear\"\n[sampler]\nbatch = 8\n");
    place.refused(&[&train[..], &["--data", "with-age.csv"]].concat(), &["`age` do not fit the others"]);
    success(&place.run(&[&train[..], &["--data", "with-age.csv", "--columns", "!age"]].concat()));
    let embed = |input: &str, out: &str| place.run(&["embed", "--model", "run", input, "-o", out]);
    success(&embed("t.csv", "a.npy"));
    success(&embed("other-order.csv", "b.npy"));
    let bytes = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    assert_eq!(bytes("a.npy"), bytes("b.npy"));
    for (input, fragments) in [
        (
            "renamed.csv",
            &["renamed.csv: the columns of the embedding are not those of the model", "found f0"][..],
        ),
        ("with-age.csv", &["`age` do not fit the others"]),
        ("three.csv", &["three.csv: the columns of the embedding are not those of the model", "missing"]),
    ] {
        place.refused(&["embed", "--model", "run", input, "-o", "c.npy"], fragments);
    }
    success(&place.run(&["embed", "--model", "run", "with-age.csv", "--columns", "e*", "-o", "d.npy"]));
    assert_eq!(bytes("a.npy"), bytes("d.npy"));
    let nearest = ["nearest", "--model", "run", "--embeddings", "a.npy", "-k", "1", "--json"];
    let near = |query: &str| place.run(&[&nearest[..], &[query]].concat());
    let (first, second) = (near("t.csv"), near("other-order.csv"));
    success(&first);
    let answer = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).replace("other-order.csv", "t.csv")
    };
    assert_eq!(answer(&first), answer(&second));
    place.refused(&[&nearest[..], &["renamed.csv"]].concat(), &["renamed.csv", "not those of the model"]);
    // Training that starts from these weights.
    let tuned = |data: &str, out: &str| {
        let output = place.run(&["train", "--data", data, "--config", "w.toml", "--out", out]);
        success(&output);
        success(&place.run(&["embed", "--model", out, "t.csv", "-o", &format!("{out}.npy")]));
        bytes(&format!("{out}.npy"))
    };
    place.write("w.toml", b"[data]\nunseen = 3\n[model]\nbackbone = \"linear\"\nembedding = 4\nweights = \"run/model.safetensors\"\n[sampler]\nbatch = 8\n[training]\nepochs = 1\n");
    assert_eq!(tuned("t.csv", "tuned"), tuned("other-order.csv", "other-tuned"));
    success(&place.run(&["train", "--resume", "other-tuned", "--epochs", "2"]));
    place.refused(
        &["train", "--data", "renamed.csv", "--config", "w.toml", "--out", "no"],
        &["model.weights", "was trained on the columns e0, e1, e2, e3", "f0"],
    );
    // Samples to check against the run.
    let suspects = |data: &str| {
        let output = place.run(&["data", "suspects", "--run", "tuned", "--data", data, "--json"]);
        success(&output);
        String::from_utf8_lossy(&output.stdout).replace("other-order", "t")
    };
    assert_eq!(suspects("t.csv"), suspects("other-order.csv"));
    place
        .refused(&["data", "suspects", "--run", "tuned", "--data", "renamed.csv"], &["found the columns f0"]);
}

#[test]
fn embeddings_state_the_model_that_made_them() {
    let place = place();
    place.write("v.toml", b"[model]\nbackbone = \"linear\"\nembedding = 4\n[data]\nunseen = 3\n[sampler]\nbatch = 8\n[training]\nepochs = 1\n");
    for (run, seed) in [("one", "1"), ("two", "2")] {
        success(
            &place.run(&["train", "--data", "t.csv", "--config", "v.toml", "--seed", seed, "--out", run]),
        );
        for ending in ["npy", "csv", "parquet", "safetensors"] {
            success(&place.run(&["embed", "--model", run, "t.csv", "-o", &format!("{run}.{ending}")]));
            if ending == "npy" || ending == "safetensors" {
                // Both would have the same file of names.
                std::fs::rename(
                    place.path().join(format!("{run}.names.csv")),
                    place.path().join("names.csv"),
                )
                .expect("moved");
            }
        }
    }
    // Ids that only number the rows do not find the query itself.
    let rows = std::fs::read_to_string(place.path().join("t.csv")).expect("there");
    let numbered = rows.lines().enumerate().map(|(at, row)| match at {
        0 => format!("id,{row}\n"),
        _ => format!("{},{row}\n", at - 1),
    });
    place.write("numbered.csv", numbered.collect::<String>().as_bytes());
    success(&place.run(&["embed", "--model", "one", "numbered.csv", "-o", "numbered.npy"]));
    let ask =
        ["nearest", "numbered.csv", "-k", "1", "--model", "one", "--embeddings", "numbered.npy", "--json"];
    let output = place.run(&ask);
    success(&output);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        answer["warnings"].to_string().contains("only number their rows from 0"),
        "{}",
        answer["warnings"]
    );
    let nearest = ["nearest", "t.csv", "-k", "1", "--model", "one", "--embeddings"];
    let said = |name: &str| {
        let output = place.run(&[&nearest[..], &[name]].concat());
        success(&output);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for ending in ["parquet", "safetensors"] {
        for run in ["one", "two"] {
            let copy = format!("copy-of-{run}.{ending}");
            std::fs::copy(place.path().join(format!("{run}.{ending}")), place.path().join(&copy))
                .expect("copied");
        }
        let own = said(&format!("copy-of-one.{ending}"));
        assert!(!own.contains("model"), "{ending}: {own}");
        let other = format!("copy-of-two.{ending}");
        place.refused(&[&nearest[..], &[&other]].concat(), &[&other, "made by a different model than one"]);
        let gallery = format!("one.{ending}");
        place.refused(
            &[
                "eval",
                "retrieval",
                &other,
                "--labels",
                "t.csv",
                "--gallery",
                &gallery,
                "--gallery-labels",
                "t.csv",
            ],
            &[&gallery, "made by a different model than copy-of-two"],
        );
    }
    for ending in ["npy", "csv"] {
        let (own, copy) = (format!("one.{ending}"), format!("copy.{ending}"));
        assert!(!said(&own).contains("model"), "{ending}");
        std::fs::copy(place.path().join(&own), place.path().join(&copy)).expect("copied");
        let warning = said(&copy);
        assert!(warning.contains("does not state which model made it"), "{warning}");
        // The rates of the calibration are those of pairs of its own model.
        let answered = |gallery: &str| {
            let output = place.run(&[&nearest[..], &[gallery]].concat());
            success(&output);
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(answered(&own).contains("TAR") && !answered(&copy).contains("TAR"), "{ending}");
        place.refused(&[&nearest[..], &[&format!("two.{ending}")]].concat(), &["made by a different model"]);
        let eval = |gallery: &str| {
            let files = [
                "copy-of-one.parquet",
                "--labels",
                "t.csv",
                "--gallery",
                gallery,
                "--gallery-labels",
                "t.csv",
            ];
            found(&place, &[&["retrieval"], &files[..]].concat())["warnings"].to_string()
        };
        let said = eval(&copy);
        assert!(said.contains(&format!("{copy} does not state which model made it, but")), "{said}");
        assert!(!eval(&own).contains("does not state which model"), "{ending}");
    }
}

#[test]
fn a_file_that_changed_since_embed_wrote_it_is_refused() {
    let place = place();
    place.write("v.toml", b"[model]\nbackbone = \"linear\"\nembedding = 4\n[data]\nunseen = 3\n[sampler]\nbatch = 8\n[training]\nepochs = 1\n");
    success(&place.run(&["train", "--data", "t.csv", "--config", "v.toml", "--out", "run"]));
    for ending in ["npy", "parquet", "csv"] {
        let name = format!("v.{ending}");
        success(&place.run(&["embed", "--model", "run", "t.csv", "-o", &name]));
        let eval = ["eval", "retrieval", name.as_str()];
        success(&place.run(&eval));
        let names = ["v.names.csv"].into_iter().filter(|_| ending == "npy");
        for changed in [name.as_str()].into_iter().chain(names) {
            let path = place.path().join(changed);
            let bytes = std::fs::read(&path).expect("there");
            let mut flipped = bytes.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            std::fs::write(&path, flipped).expect("written");
            place.refused(&eval, &[changed]);
            place.refused(&["nearest", "--embeddings", &name, "--row", "0", "-k", "1"], &[changed]);
            std::fs::write(&path, bytes).expect("written");
        }
        success(&place.run(&eval));
        std::fs::remove_file(place.path().join("v.names.csv")).ok();
    }
}

/// The same rows of twelve columns in `sorted.csv`, in `as-texts.csv`, whose columns are in the order of their names as texts, and in `m.npy`, whose
/// columns have no names.
fn write_in_two_orders(
    place: &Workplace,
    rows: usize,
    value: &dyn Fn(usize, usize) -> f32,
    label: &dyn Fn(usize) -> String,
) {
    for (name, order) in [
        ("sorted.csv", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("as-texts.csv", [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        let header: Vec<String> = order.iter().map(|at| format!("e{at}")).collect();
        let line = |row: usize| {
            let values: Vec<String> = order.iter().map(|at| value(row, *at).to_string()).collect();
            format!("{},{}\n", label(row), values.join(","))
        };
        let text = format!("label,{}\n{}", header.join(","), (0..rows).map(line).collect::<String>());
        place.write(name, text.as_bytes());
    }
    let values = (0..rows).flat_map(|row| (0..12).map(move |at| value(row, at)));
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    place.write("m.npy", &npy("<f4", &format!("{rows}, 12"), &bytes));
    let labels: String = (0..rows).map(|row| format!("{}\n", label(row))).collect();
    place.write("m.names.csv", format!("label\n{labels}").as_bytes());
}

#[test]
fn columns_that_are_not_in_the_order_of_their_numbers_are_named_next_to_a_matrix() {
    let place = Workplace::new();
    let value = |row: usize, at: usize| ((row % 3 * 5 + at * 7 + row) % 11) as f32 - 4.25;
    write_in_two_orders(&place, 9, &value, &|row| format!("c{}", row % 3));
    for (queries, gallery, expected) in [
        ("as-texts.csv", "m.npy", true),
        ("m.npy", "as-texts.csv", true),
        ("sorted.csv", "m.npy", false),
        ("as-texts.csv", "sorted.csv", false),
    ] {
        let found = found(&place, &["retrieval", queries, "--gallery", gallery, "--keep-self"]);
        let said = found["warnings"].to_string();
        let named = said.contains(
            "as-texts.csv: the columns are not in the order of their numbers (`e11` is before `e2`)",
        );
        assert_eq!(named, expected, "{queries} {gallery}: {said}");
    }
}

#[test]
fn columns_that_are_not_in_the_order_of_their_numbers_are_named_next_to_a_model_without_names() {
    let place = Workplace::new();
    let value = |row: usize, at: usize| (((row * 12 + at) * (row + at + 3)) as f32 * 0.37).sin();
    let label = |row: usize| format!("c{}", row % 6);
    write_in_two_orders(&place, 48, &value, &label);

    let train = |data: &str, out: &str, more: &[&str]| {
        let train = ["train", "--data", data, "--unseen", "2", "--batch", "8", "--epochs", "1"];
        let output = place.run(&[&train[..], &["--embedding", "11", "--out", out], more].concat());
        success(&output);
        String::from_utf8_lossy(&output.stderr).replace('\n', " ")
    };
    let said = |arguments: &[&str]| {
        let output = place.run(arguments);
        success(&output);
        String::from_utf8_lossy(&output.stderr).replace('\n', " ")
    };
    let words = "the columns are not in the order of their numbers (`e11` is before `e2`)";
    train("as-texts.csv", "texts", &[]);
    train("m.npy", "matrix", &[]);
    let mut outputs = 0;
    for (model, data, expected) in [
        ("texts", "m.npy", true),
        ("texts", "as-texts.csv", false),
        ("texts", "sorted.csv", false),
        ("matrix", "as-texts.csv", true),
        ("matrix", "sorted.csv", false),
        ("matrix", "m.npy", false),
    ] {
        outputs += 1;
        let out = format!("{outputs}.csv");
        let embedded = said(&["embed", "--model", model, data, "-o", &out]);
        assert_eq!(embedded.contains(words), expected, "embed {model} {data}: {embedded}");
        let nearest = said(&["nearest", "--model", model, "--embeddings", &out, data, "-k", "1"]);
        assert_eq!(nearest.contains(words), expected, "nearest {model} {data}: {nearest}");
        let weights = format!("{model}/model.safetensors");
        let trained = train(data, &format!("again-{outputs}"), &["--weights", &weights]);
        assert_eq!(trained.contains(words), expected, "train {model} {data}: {trained}");
        let suspects =
            said(&["data", "suspects", "--run", model, "--data", data, "--out", &format!("s{outputs}")]);
        assert_eq!(suspects.contains(words), expected, "suspects {model} {data}: {suspects}");
    }

    // Another program sorts the columns that `embed` wrote: x0, x1, x10, x2.
    let written = std::fs::read_to_string(place.path().join("2.csv")).expect("there");
    let header: Vec<&str> = written.lines().next().unwrap_or_default().split(',').collect();
    let mut order: Vec<usize> = (0..header.len()).collect();
    order.sort_by_key(|at| header[*at]);
    let sorted = |from: &str, to: &str| {
        let line = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            order.iter().map(|at| fields[*at]).collect::<Vec<_>>().join(",") + "\n"
        };
        written.lines().map(line).collect::<String>().replace(from, to)
    };
    place.write("own.csv", sorted("x", "x").as_bytes());
    place.write("other.csv", sorted("x", "y").as_bytes());
    let nearest = |file: &str| {
        let output = place.run(&[
            "nearest",
            "--model",
            "texts",
            "--embeddings",
            file,
            "as-texts.csv",
            "-k",
            "3",
            "--json",
        ]);
        success(&output);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (found["queries"].clone(), found["warnings"].to_string())
    };
    let (expected, _) = nearest("2.csv");
    let (found, warnings) = nearest("own.csv");
    assert_eq!(found, expected);
    assert!(!warnings.contains("order of their numbers"), "{warnings}");
    let (_, warnings) = nearest("other.csv");
    assert!(warnings.contains("other.csv: the columns are not in the order of their numbers"), "{warnings}");
}

#[test]
fn a_column_of_words_for_parts_is_named_wherever_it_is() {
    let place = place();
    let rows: Vec<String> = table(&["e0", "e1", "e2", "e3"]).lines().skip(1).map(str::to_owned).collect();
    let part = |row: usize| if row.is_multiple_of(5) { "PublicTest" } else { "Training" };
    let with_part: String =
        rows.iter().enumerate().map(|(row, line)| format!("{line},{}\n", part(row))).collect();
    place.write("parts.csv", format!("label,e0,e1,e2,e3,Usage\n{with_part}").as_bytes());
    let labels: String = rows
        .iter()
        .enumerate()
        .map(|(row, line)| format!("{},{}\n", line.split(',').next().unwrap_or_default(), part(row)))
        .collect();
    place.write("labels.csv", format!("label,phase\n{labels}").as_bytes());
    place.write(
        "rows.csv",
        format!(
            "e0,e1,e2,e3\n{}",
            rows.iter()
                .map(|line| format!("{}\n", line.split_once(',').map_or("", |both| both.1)))
                .collect::<String>()
        )
        .as_bytes(),
    );
    for (column, arguments) in [
        ("Usage", &["--data", "parts.csv", "--columns", "e*"][..]),
        ("phase", &["--data", "rows.csv", "--labels", "labels.csv"]),
    ] {
        let train = ["train", "--unseen", "2", "--batch", "8", "--epochs", "1", "--out", column];
        let output = place.run(&[&train[..], arguments].concat());
        success(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!("The column `{column}` seems to say what is for training");
        assert!(said.contains(&expected), "{column}: {said}");
        let info = place.run(&[&["data", "info"], &arguments[1..]].concat());
        success(&info);
        let info = String::from_utf8_lossy(&info.stdout).replace('\n', " ");
        assert!(info.contains(&format!("`{column}`")), "{info}");
    }
}

#[test]
fn classes_that_the_model_of_embeddings_was_trained_on_are_named() {
    let place = place();
    place.write("v.toml", b"[model]\nbackbone = \"linear\"\n[sampler]\nbatch = 8\n[training]\nepochs = 1\n");
    let train = ["train", "--config", "v.toml", "--embedding", "4", "--data"];
    let stderr = |arguments: &[&str]| {
        let output = place.run(&[&train[..], arguments].concat());
        success(&output);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let trained_on = "The model that made the embeddings was trained on";
    stderr(&["t.csv", "--closed-set", "--hold-out", "0.4", "--out", "all"]);
    stderr(&["t.csv", "--unseen-classes", "c1,c2,c3", "--out", "some"]);
    for ending in ["npy", "parquet", "safetensors", "csv"] {
        let (all, some) = (format!("all-{ending}.{ending}"), format!("some-{ending}.{ending}"));
        for (model, out) in [("all", &all), ("some", &some)] {
            success(&place.run(&["embed", "--model", model, "t.csv", "--out", out]));
        }
        if ending == "parquet" {
            // The file states it itself, too.
            std::fs::remove_file(place.path().join("all-parquet.parquet.about.json")).expect("there");
        }
        let said = stderr(&[&all, "--out", &format!("of-all-{ending}")]);
        assert!(
            said.contains(&format!("{trained_on} 3 of the 3 unseen classes (data t)")),
            "{ending}: {said}"
        );
        let eval = place.run(&["eval", "retrieval", &some]);
        success(&eval);
        let eval = String::from_utf8_lossy(&eval.stderr).into_owned();
        assert!(eval.contains("was trained on 5 of the 8 classes (c0, c4, c5"), "{ending}: {eval}");
        // Classes that were unseen stay unseen.
        let said = stderr(&[&some, "--out", &format!("of-some-{ending}")]);
        assert!(!said.contains(trained_on), "{ending}: {said}");
        let report = super::json(&place.path().join(format!("of-some-{ending}/report.json")));
        assert_eq!(report["unseen"]["classes"], serde_json::json!(["c1", "c2", "c3"]), "{ending}");
        let info = place.run(&["data", "info", &some]);
        success(&info);
        let info = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(info.contains(&format!("{trained_on} 5 of the 8 classes (data t)")), "{ending}: {info}");
    }
    // What the model of the embeddings was trained on goes on to the model that is trained on them.
    let report = super::json(&place.path().join("of-all-csv/report.json"));
    let unseen = report["unseen"]["classes"].as_array().expect("names");
    let unseen: Vec<&str> = unseen.iter().filter_map(serde_json::Value::as_str).collect();
    let weights = ["--weights", "of-all-csv/model.safetensors", "--unseen-classes", &unseen.join(",")];
    let said = stderr(&[&["all-csv.csv", "--out", "next"], &weights[..]].concat());
    assert!(said.contains("The loaded weights were trained on 3 of the 3 unseen classes"), "{said}");
}

#[test]
fn a_column_that_identifies_groups_is_named_with_the_columns_that_leave_it_out() {
    let place = place();
    let mut text = String::from("label,radius,texture,patient\n");
    for row in 0..120_u32 {
        let wave = |by: f64| (f64::from(row) * by).cos();
        writeln!(text, "c{},{},{},{}", row / 20, wave(0.7), wave(1.9), row / 5 * 7 + 3).expect("text");
    }
    place.write("p.csv", text.as_bytes());
    let train = ["train", "--data", "p.csv", "--batch", "8", "--epochs", "1", "--unseen", "2"];
    let said = |more: &[&str]| {
        let output = place.run(&[&train[..], more].concat());
        success(&output);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let all = said(&["--out", "all"]);
    assert!(
        all.contains("`patient` has whole numbers, several per class")
            && all.contains("--columns '!patient'"),
        "{all}"
    );
    let without = said(&["--out", "without", "--columns", "!patient"]);
    assert!(!without.contains("has whole numbers"), "{without}");
}

#[test]
fn whole_numbers_among_numbered_columns_are_named() {
    let place = Workplace::new();
    let line = |row: u32| {
        let value = |at: u32| f64::from((row * 7 + at * 5) % 13) / 13.0 - 0.4;
        format!("k{},{},{},{},{}\n", row / 4, 20 + row * 5 % 11, value(0), value(1), value(2))
    };
    let rows: String = (0..24).map(line).collect();
    place.write("t.csv", format!("label,0,1,2,3\n{rows}").as_bytes());
    let warnings = |arguments: &[&str]| found(&place, arguments)["warnings"].to_string();
    let said = warnings(&["retrieval", "t.csv"]);
    assert!(
        said.contains("t.csv: only whole numbers are in the column `0`") && said.contains("--columns '!0'"),
        "{said}"
    );
    assert!(!warnings(&["retrieval", "t.csv", "--columns", "!0"]).contains("whole numbers"));
    place.write("pairs.csv", b"a,b,same\n0,1,1\n0,8,0\n4,5,1\n3,3,1\n");
    let said = warnings(&["verification", "t.csv", "--pairs", "pairs.csv"]);
    assert!(said.contains("only whole numbers are in the column `0`"), "{said}");
    assert!(
        said.contains("1 pairs of pairs.csv compare an embedding with itself (1) or with an equal one (0)"),
        "{said}"
    );
    let output = place.run(&["train", "--data", "t.csv", "--epochs", "1", "--batch", "8", "--out", "run"]);
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("only whole numbers are in the column `0`"));
    // Words among numbers are other columns, however few numbers there are.
    place.write("t.csv", format!("label,age,0,year,1\n{rows}").as_bytes());
    let expected =
        ["t.csv: the columns `age, year` do not fit the others, `0` to `1`", "--columns '!age,!year'"];
    place.refused(&["eval", "retrieval", "t.csv"], &expected);
    // Measurements with few numbered columns among them.
    place.write(
        "t.csv",
        format!("label,height,UMAP_1,UMAP_2,width,depth\n{}", rows.replace('\n', ",1.5\n")).as_bytes(),
    );
    assert!(
        warnings(&["retrieval", "t.csv"]).contains("the vectors have the columns UMAP_1, UMAP_2 and also")
    );
}
