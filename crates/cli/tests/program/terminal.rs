//! Output that cannot be written, names that try to control the terminal, and limits of the system.
#![cfg(unix)]

use super::{SMALL, Workplace, endless, image_folder, signal, success};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs the program behind a line of shell, in which `"$@"` is the program with its arguments.
fn shell(place: &Workplace, line: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command
        .current_dir(place.path())
        .args(["-c", line, "sh", env!("CARGO_BIN_EXE_widemargin")])
        .args(arguments);
    command.output().expect("the shell starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait_for(path: &Path, bytes: u64) {
    let start = Instant::now();
    while std::fs::metadata(path).map_or(0, |file| file.len()) < bytes {
        assert!(start.elapsed() < Duration::from_mins(2), "{} does not grow", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_failing_standard_error_does_not_end_a_run() {
    let place = Workplace::new();
    for (line, out) in
        [("exec \"$@\" 2>/dev/full", "full"), ("exec \"$@\" 2>&-", "closed"), ("exec \"$@\" 2>log", "file")]
    {
        // The limit of --max-bad is not reached, and a message is due.
        success(&shell(&place, line, &["train", "--config", "small.toml", "--out", out]));
        assert!(place.exists(&format!("{out}/report.json")), "{line}");
    }
}

#[test]
fn a_signal_saves_the_run_also_if_nobody_reads_standard_error() {
    let place = Workplace::new();
    for (out, full) in [("gone", false), ("full", true)] {
        let line = if full { "exec \"$@\" 2>/dev/full" } else { "exec \"$@\"" };
        let mut command = Command::new("sh");
        command.current_dir(place.path()).args(["-c", line, "sh", env!("CARGO_BIN_EXE_widemargin")]);
        command.args(["train", "--config", "endless.toml", "--out", out]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the shell starts");
        drop(child.stderr.take());
        wait_for(&place.path().join(out).join("metrics.jsonl"), 2_000);
        signal(&child, "TERM");
        assert_eq!(child.wait().expect("it ends").code(), Some(143), "{out}");
        let saved = std::fs::read_dir(place.path().join(out).join("checkpoints")).expect("there").count();
        assert!(saved >= 1, "{out}");
    }
    assert!(endless().contains("100000"), "the run does not end by itself");
}

/// A pipe that is full, and stays so: nobody reads its end.
fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut filling = writer.try_clone().expect("a second end");
    // It ends when the reader is dropped.
    std::thread::spawn(move || while filling.write_all(&[b'x'; 4096]).is_ok() {});
    (reader, writer)
}

#[test]
fn a_standard_error_that_is_never_read_neither_stops_a_run_nor_its_signals() {
    let place = Workplace::new();
    let (_unread, full) = full_pipe();
    let mut command = place.command(&["train", "--config", "small.toml", "--out", "run"]);
    let output = command.stderr(full.try_clone().expect("a copy")).output().expect("the program starts");
    assert!(output.status.success(), "{:?}", output.status);
    assert!(place.exists("run/report.html"));

    let mut command = place.command(&["train", "--config", "endless.toml", "--out", "stopped"]);
    let mut child = command.stdout(Stdio::null()).stderr(full).spawn().expect("the program starts");
    wait_for(&place.path().join("stopped/metrics.jsonl"), 2_000);
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert!(super::walk(&place.path().join("stopped/checkpoints")).len() >= 4, "it saved");
}

#[test]
fn a_signal_ends_a_program_whose_results_are_never_read() {
    let place = Workplace::new();
    let (_unread, full) = full_pipe();
    success(&place.run(&["train", "--config", "small.toml", "--out", "run"]));
    place.write("rows.csv", b"label,x,y\na,1,2\na,2,1\nb,3,1\nb,5,1\n");
    let (image, index) = ("images/class-0/00.png", "embedded.npy");
    image_folder(&place, "images", 1, 1);
    for (arguments, last) in [
        (&["train", "--config", "small.toml", "--out", "next"][..], "next/report.html"),
        (&["embed", "--model", "run", image, "-o", index], index),
        (&["eval", "retrieval", "rows.csv"], "rows.csv"),
    ] {
        let mut command = place.command(arguments);
        command.stdout(full.try_clone().expect("a copy")).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        wait_for(&place.path().join(last), 1);
        // It goes on to its results, which it cannot write.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            let ended = child.try_wait().expect("asked");
            assert!(ended.is_none(), "{arguments:?}: its results are not read, but {ended:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(&child, "TERM");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(143), "{arguments:?}: {status:?}");
    }
}

#[test]
fn lost_results_are_an_error_and_a_reader_that_stops_reading_is_not() {
    let place = Workplace::new();
    for arguments in [
        &["suggest", "--classes", "100", "--dim", "64"][..],
        &["suggest", "--classes", "100", "--dim", "64", "--json"],
        &["loss", "--list"],
        &["--help"],
        &["train", "--help"],
        &["--version"],
    ] {
        let output = shell(&place, "exec \"$@\" >/dev/full", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("standard output"), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).lines().count() == 1, "{arguments:?}: {}", stderr(&output));

        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_stops_reading_costs_no_file() {
    let place = Workplace::new();
    place.write("rows.csv", b"label,x,y\na,1,2\na,2,1\nb,3,1\nb,5,1\n");
    for (arguments, last) in [
        (&["eval", "retrieval", "rows.csv", "--figures", "figures"][..], "figures/evaluation.html"),
        (&["explain", "-o", "pages"], "pages/index.zh.html"),
    ] {
        let mut command = place.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        success(&child.wait_with_output().expect("it ends"));
        assert!(place.exists(last), "{arguments:?}");
    }
}

#[test]
fn an_output_is_never_written_over_something_else() {
    let place = Workplace::new();
    let row = |at: usize| format!("{at},{},{},{}\n", at % 2, at % 5 + at % 2 * 3, at % 3 + 1);
    let rows: String = (0..16).map(row).collect();
    place.write("rows.csv", format!("id,label,x,y\n{rows}").as_bytes());
    place.write(
        "vectors.toml",
        b"[model]\nbackbone = \"linear\"\nembedding = 2\n[sampler]\nbatch = 3\n[training]\nepochs = 1\n",
    );
    let train =
        ["train", "--data", "rows.csv", "--closed-set", "--hold-out", "50%", "--config", "vectors.toml"];
    success(&place.run(&[&train[..], &["--out", "run"]].concat()));
    // A link to a file that does not exist yet is a name in use.
    for (name, arguments) in [
        ("out.npy", &["embed", "--model", "run", "rows.csv", "-o", "out.npy"][..]),
        ("model.onnx", &["export", "--model", "run", "-o", "model.onnx"]),
        ("split.csv", &["data", "split", "rows.csv", "--by", "sample", "--out", "split.csv"]),
    ] {
        let link = place.path().join(name);
        std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
        place.refused(arguments, &[name, "already exists"]);
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink() && !place.exists("elsewhere"));
    }
    image_folder(&place, "images", 2, 2);
    for (name, arguments) in [
        ("page/index.html", &["explain", "-o", "page", "--lang", "en"][..]),
        ("info.html", &["data", "info", "images", "--out", "info.html"]),
    ] {
        place.write(name, b"my own page");
        place.refused(arguments, &[name, "already exists and is not"]);
        assert_eq!(std::fs::read(place.path().join(name)).expect("there"), b"my own page");
        std::fs::remove_file(place.path().join(name)).expect("there");
        for _ in 0..2 {
            success(&place.run(arguments));
        }
    }
}

/// The program must not print any of these: they could move the cursor, hide text or start a line that looks like a message.
fn assert_harmless(output: &Output, what: &[&str]) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        let found = text
            .chars()
            .find(|found| (found.is_control() && !"\n\t".contains(*found)) || *found == '\u{202e}');
        assert_eq!(found, None, "{what:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{what:?}: {text}");
    }
}

#[test]
fn control_characters_in_names_never_reach_the_terminal() {
    let place = Workplace::new();
    let evil = "\u{1b}[31m\u{7}\r\nFORGED\u{9b}0m\u{202e}";
    for (class, name) in
        [format!("a{evil}"), "b".to_owned(), format!("c{evil}"), "d".to_owned()].iter().enumerate()
    {
        image_folder(&place, "images", 1, 8);
        std::fs::rename(place.path().join("images/class-0"), place.path().join("images").join(name))
            .expect("renamed");
        place.write(&format!("images/{name}/bad{evil}.png"), &[class as u8]);
    }
    let missing = format!("none{evil}");
    let wrong = format!("--none{evil}");
    place.write(
        "data.csv",
        format!(
            "id,label,e0,e1\n\"x{evil}\",\"l{evil}\",1,0\ny,m,0,1\nz,m,0,2\n\"w{evil}\",\"l{evil}\",1,2\n"
        )
        .as_bytes(),
    );
    place.write("bad.toml", format!("[data]\n\"{}\" = 1\n", "k\\u001b\\rFORGED").as_bytes());
    for arguments in [
        &["data", "info", "images"][..],
        &["data", "info", "images", "--json"],
        &["data", "info", &missing],
        &["data", "split", "images", "--by", "class", "--out", "split.csv"],
        &[
            "train",
            "--data",
            "images",
            "--unseen",
            "2",
            "--max-bad",
            "50%",
            "--epochs",
            "1",
            "--backbone",
            "mlp",
            "--out",
            &missing,
        ],
        &["train", "--data", &missing],
        &["train", "--config", "bad.toml"],
        &["train", "--objective", &missing],
        &["train", "--compare", &missing],
        &["train", &wrong],
        &["eval", "retrieval", "data.csv"],
        &["eval", "verification", &missing],
        &["nearest", "--embeddings", "data.csv", "--row", &format!("x{evil}"), "-k", "2"],
        &["nearest", "--embeddings", "data.csv", "--row", &format!("x{evil}"), "-k", "2", "--json"],
        &["nearest", "--embeddings", "data.csv", "--row", &missing],
        &["loss", "--list", &missing],
        &["export", &missing, "-o", "model.onnx"],
        &["compare", "--model", &missing, "a", "b"],
    ] {
        assert_harmless(&place.run(arguments), arguments);
    }
}

#[test]
fn the_limit_on_file_sizes_is_an_error() {
    let place = Workplace::new();
    let output =
        shell(&place, "ulimit -f 8; exec \"$@\"", &["train", "--config", "small.toml", "--out", "run"]);
    assert_eq!(output.status.code(), Some(2), "{:?}: {}", output.status, stderr(&output));
    assert!(stderr(&output).contains("limit on file sizes"), "{}", stderr(&output));
    assert!(SMALL.contains("limit = 420"), "more than 4 KiB are written");
}

#[test]
fn threads_that_cannot_be_started_are_an_error() {
    let place = Workplace::new();
    // More memory for each stack than any machine has: no thread can be started.
    let mut command = place.command(&["train", "--config", "small.toml", "--out", "run"]);
    let output =
        command.env("RUST_MIN_STACK", (1u64 << 50).to_string()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("threads for the computation cannot be started"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn leftovers_of_a_killed_process_are_removed_by_the_next_file_written_there() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 5);
    let leftovers = ["splits/.split.csv.partial-1-0", "splits/.glyphs.partial-77-3/a.png"];
    for name in leftovers {
        place.write(name, b"half");
    }
    place.write("splits/.mine", b"kept");
    success(&place.run(&["data", "split", "images", "--by", "class", "--out", "splits/split.csv"]));
    for name in leftovers {
        assert!(!place.exists(name), "{name}");
    }
    assert!(place.exists("splits/.mine") && place.exists("splits/split.csv"));
}

#[test]
fn a_value_from_a_flag_is_reported_by_the_flag() {
    let place = Workplace::new();
    for (flag, value, key) in [
        ("--epochs", "0", "training.epochs"),
        ("--unseen", "1", "data.unseen"),
        ("--embedding", "0", "model.embedding"),
        ("--batch", "1", "sampler.batch"),
        ("--learning-rate", "0", "optimiser.learning_rate"),
        ("--scale", "-1", "objective.scale"),
        ("--margin", "-7", "objective.margin"),
        ("--loader-threads", "65", "training.loader_threads"),
        ("--hold-out", "0", "data.hold_out"),
        ("--objective", "no-such-loss", "objective.name"),
    ] {
        place.refused(&["train", "--config", "small.toml", flag, value], &[&format!("{flag} ({key}): ")]);
    }
    place.refused(
        &["sweep", "--config", "small.toml", "--epochs", "0", "--margin", "0.1,0.2"],
        &["--epochs (training.epochs): "],
    );
    // A value of the file is reported by its key alone.
    place.write("bad.toml", b"[training]\nepochs = 0\n");
    let said =
        place.refused(&["train", "--config", "bad.toml", "--seed", "1"], &["training.epochs: found 0"]);
    assert!(!said.contains("--"), "{said}");
}

/// What a command that succeeds prints.
fn printed(place: &Workplace, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    success(&output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_version_is_that_of_the_program_with_the_instruction_sets_on_request() {
    let place = Workplace::new();
    let printed = |arguments: &[&str]| printed(&place, arguments);
    let version = format!("widemargin {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(printed(&["--version"]), version);
    let long = printed(&["--version", "-v"]);
    assert!(long.starts_with(&version) && long.contains("instruction set"), "{long}");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let place = Workplace::new();
    let printed = |arguments: &[&str]| printed(&place, arguments);
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for part in ["widemargin", "retrieval", "iresnet50", "class-balanced", "proxy-anchor"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    let page = printed(&["man", "eval", "retrieval"]);
    assert!(
        page.starts_with(".ie") && page.contains("\\-\\-labels") && page.contains("widemargin"),
        "{page}"
    );
    place.refused(&["man", "evil"], &["found evil", "eval"]);
}

/// The commands that the help of a command lists.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // Further lines of a description are indented more.
    let named = lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn the_help_of_every_command_has_examples_and_its_version_is_that_of_the_program() {
    let place = Workplace::new();
    let printed = |arguments: &[&str]| printed(&place, arguments);
    let top = printed(&["--help"]);
    let mut count = 0;
    for command in commands(&top) {
        let help = printed(&[command, "--help"]);
        let inner = commands(&help);
        for path in inner.iter().map(|inner| vec![command, inner]).chain([vec![command]]) {
            let help = printed(&[&path[..], &["--help"]].concat());
            assert!(help.contains("Example"), "{path:?}: {help}");
            let expected = format!("widemargin {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!(printed(&[&path[..], &["--version"]].concat()), expected, "{path:?}");
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
    // Long lists of flags are in groups.
    let help = printed(&["eval", "verification", "--help"]);
    for heading in ["Arguments:", "Input:", "Pairs:", "Measures:", "Output:", "Terminal:"] {
        assert!(help.lines().any(|line| line == heading), "{heading}: {help}");
    }
}

#[test]
fn arguments_that_other_programs_call_otherwise_are_explained() {
    let place = Workplace::new();
    place
        .refused(&["train", "images"], &["unexpected argument 'images'", "give the data with --data images"]);
    for (flag, value, range) in [
        ("--minutes", "-3", "above 0"),
        ("--evaluate-every", "-1", "at least 0"),
        ("--max-bad", "-0.1", "from 0 to 1"),
    ] {
        place.refused(&["train", flag, value], &[flag, value, range]);
    }
    place.refused(&["train", "--keep", "last"], &["--keep: has no effect without --evaluate-every"]);
    place.refused(&["train", "--epochs", "ten"], &["'ten'", "--epochs", "expected a whole number"]);
    place.refused(&["train", "--learning-rate", "fast"], &["'fast'", "expected a number"]);
    let said = place.refused(&["train", "--height", "64"], &["--size HEIGHTxWIDTH"]);
    assert!(!said.contains("--weights <"), "{said}");
}

#[test]
fn quiet_prints_results_and_warnings_only_and_verbose_more() {
    let place = Workplace::new();
    let said = |flag: &str, out: &str| {
        let output = place.run(&[flag, "train", "--config", "small.toml", "--out", out]);
        success(&output);
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (results, messages) = said("-q", "quiet");
    assert!(results.contains("recall") && results.contains("at 1"), "{results}");
    assert!(messages.lines().all(|line| line.starts_with("warning: ")), "{messages}");
    let (_, messages) = said("-v", "loud");
    assert!(messages.contains("instruction set") && messages.contains("of memory"), "{messages}");
}
