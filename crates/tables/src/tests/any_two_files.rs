//! Every pair of a column of a table and a column of its labels: labels that end at the wrong rows are never without a word.

use super::*;

/// Samples of a data set, numbered as they were collected.
const SAMPLES: usize = 24;

/// What a column says of the sample with this number, which is at this place in its file.
type Says = fn(usize, usize) -> String;

/// A column: what it says, and how files call it. Columns of the same fact say the same of a sample, in some form.
struct Column {
    fact: &'static str,
    headers: &'static [&'static str],
    says: Says,
}

/// A number without a pattern, different for every sample.
fn scattered(sample: usize) -> usize {
    10_000 + sample * 7919 % 997
}

const COLUMNS: &[Column] = &[
    Column {
        fact: "name",
        headers: &["id", "path", "filename", "image", "name", ""],
        says: |sample, _| format!("im/{:04}.jpg", scattered(sample)),
    },
    Column {
        fact: "name",
        headers: &["id", "path", "filename", "image", "file"],
        says: |sample, _| format!("{:04}.jpg", scattered(sample)),
    },
    Column {
        fact: "name",
        headers: &["id", "image", "sample"],
        says: |sample, _| format!("/data/im/{:04}.png", scattered(sample)),
    },
    Column {
        fact: "name",
        headers: &["id", "image_id", "uid", ""],
        says: |sample, _| format!("{}", scattered(sample)),
    },
    Column {
        fact: "name",
        headers: &["id", "image_id", "uid"],
        says: |sample, _| format!("{:08}", scattered(sample)),
    },
    Column {
        fact: "name",
        headers: &["id", "image_id", "uid", ""],
        says: |sample, _| format!("{}.0", scattered(sample)),
    },
    Column {
        fact: "number",
        headers: &["id", "row", "index", "image_id", "", "Unnamed: 0", "order"],
        says: |sample, _| format!("{sample}"),
    },
    Column {
        fact: "number",
        headers: &["id", "row", "index", "", "order"],
        says: |sample, _| format!("{}", sample + 1),
    },
    Column {
        fact: "number",
        headers: &["id", "index", "image"],
        says: |sample, _| format!("img_{sample:03}"),
    },
    Column {
        fact: "place",
        headers: &["id", "row", "index", "image_id", "", "order"],
        says: |_, place| format!("{place}"),
    },
    Column { fact: "place", headers: &["id", "row", "index"], says: |_, place| format!("row {place}") },
    Column {
        fact: "part",
        headers: &["", "index", "frame", "id"],
        says: |sample, _| format!("{}", sample % 12),
    },
    Column { fact: "camera", headers: &["camera", "cam"], says: |sample, _| format!("c{}", sample * 5 % 7) },
    Column {
        fact: "session",
        headers: &["group", "session"],
        says: |sample, _| format!("{}", sample * 3 % 8),
    },
    Column { fact: "time", headers: &["ts", "time"], says: |sample, _| format!("{}.25", 5000 + sample * 3) },
    Column {
        fact: "date",
        headers: &["date", "time"],
        says: |sample, _| format!("2026-01-{:02} 10:00", sample + 1),
    },
];

/// A column of a file under one of its names.
type Named = (&'static str, &'static str, Says);

fn named_columns() -> impl Iterator<Item = Named> + Clone {
    COLUMNS.iter().flat_map(|column| column.headers.iter().map(|header| (column.fact, *header, column.says)))
}

/// A file with one column and others, of samples in an order.
fn text(column: Named, order: &[usize], others: &str, of: impl Fn(usize) -> String) -> String {
    let rows = order
        .iter()
        .enumerate()
        .map(|(place, sample)| format!("{},{}\n", (column.2)(*sample, place), of(*sample)));
    format!("{},{others}\n", column.1) + &rows.collect::<String>()
}

fn label(sample: usize) -> String {
    format!("k{}", sample / 4)
}

fn vector(sample: usize) -> String {
    format!("{}.5,{}.125", scattered(sample), sample * 3)
}

/// Samples as they were collected, in which those of a class are adjacent; in another order; and dealt to the classes in turn.
fn orders() -> [Vec<usize>; 3] {
    let samples = 0..SAMPLES;
    [
        samples.clone().collect(),
        samples.clone().map(|at| (at * 7 + 5) % SAMPLES).collect(),
        samples.map(|at| (at % 4) * 6 + at / 4).collect(),
    ]
}

/// A table with one column besides its values, and the labels of its samples with one: joined, and whether the labels are right.
fn join(
    folder: &Folder,
    [own, given]: [Named; 2],
    [rows, lines]: [&[usize]; 2],
) -> Result<(OpenTable, bool)> {
    let table = folder.file("t.csv", text(own, rows, "x0,x1", vector));
    let labels = folder.file("l.csv", text(given, lines, "label", label));
    let found = open_columns(&table, Some(&labels), Some(&"x*".parse().unwrap()))?;
    let expected: Vec<String> = rows.iter().map(|sample| label(*sample)).collect();
    let is_right = found.about.labels.as_ref() == Some(&expected);
    Ok((found, is_right))
}

#[test]
fn labels_at_the_wrong_rows_are_never_without_a_word() {
    let folder = Folder::new();
    let orders = orders();
    let [mut errors, mut said, mut right] = [0; 3];
    let columns: Vec<Named> = named_columns().collect();
    for (nth, (own, given)) in
        columns.iter().flat_map(|own| columns.iter().map(move |given| (own, given))).enumerate()
    {
        // One pair of orders for each pair of columns: all of them would take a minute.
        let (rows, lines) = [(0, 1), (1, 0), (1, 2)][(nth + nth / columns.len()) % 3];
        match join(&folder, [*own, *given], [&orders[rows], &orders[lines]]) {
            Err(_) => errors += 1,
            Ok((_, true)) => right += 1,
            Ok((found, false)) => {
                let columns = [own, given].map(|column| (column.1, (column.2)(5, 1)));
                assert!(!found.notes.is_empty(), "{columns:?}");
                said += 1;
            }
        }
    }
    // Every kind of answer occurs: the test would also pass if nothing could be read.
    assert!(errors > 300 && said > 300 && right > 100, "{errors} {said} {right}");
}

#[test]
fn the_same_column_in_the_same_order_is_no_error() {
    let folder = Folder::new();
    for order in orders() {
        // Ids that repeat are an error.
        for column in named_columns().filter(|column| (column.0, column.1) != ("part", "id")) {
            let (_, is_right) = join(&folder, [column; 2], [&order; 2]).unwrap_or_else(|error| {
                panic!("{}: {} and so on: {error}", column.1, (column.2)(order[0], 0))
            });
            assert!(is_right, "{}: {}", column.1, (column.2)(order[0], 0));
        }
    }
}
