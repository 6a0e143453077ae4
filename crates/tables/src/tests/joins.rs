//! Files of names that are joined to tables: by ids, by shared columns, by row numbers and by position.

use super::*;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn names_next_to_a_table_are_found_and_joined() {
    let folder = Folder::new();
    let matrix = std::fs::read(fixture("f4.npy")).unwrap();
    let path = folder.file("f.v1.npy", &matrix);
    assert_eq!(open(&path).unwrap().about, About::default());
    let names = folder.file("f.v1.names.csv", "id,label,camera,note\np,a,north,x\nq,,south,y\nr,b,north,z\n");
    assert_eq!(names_path(&path), names);
    let about = read_embeddings(&path).unwrap().about;
    assert_eq!(about.ids.as_deref().unwrap(), ["p", "q", "r"]);
    assert_eq!(about.cameras.as_deref().unwrap(), ["north", "south", "north"]);
    assert_eq!(about.labels.as_deref().unwrap(), ["a", "", "b"]);
    let said = about.all_labels(&path).unwrap_err().to_string();
    assert!(said.contains("row 1 (id \"q\") has no label"), "{said}");
    // Labels by id, in any order, replace those of the names; further columns are used if the table lacks them.
    let given = folder.file("given.csv", "label,group,id\nz,g,r\nx,h,p\ny,g,q\n");
    let about = open_labelled(&path, Some(&given)).unwrap().about;
    assert_eq!(
        (about.labels.unwrap(), about.groups.unwrap()),
        (owned(&["x", "y", "z"]), owned(&["h", "g", "g"]))
    );
    assert_eq!(about.cameras.unwrap()[1], "south");
    let by_name = folder.file("by-name.csv", "note,filename,label\np,r,z\nx,p,x\ny,q,y\n");
    assert_eq!(open_labelled(&path, Some(&by_name)).unwrap().about.labels.unwrap(), ["x", "y", "z"]);
    // The ids of a table without names are those of its labels.
    let bare = folder.file("bare.npy", &matrix);
    assert_eq!(open_labelled(&bare, Some(&given)).unwrap().about.ids.unwrap(), ["r", "p", "q"]);

    for (text, expected) in [
        ("id,label\np,a\nq,b\n", "has no row for the id \"r\" of"),
        ("id,label\np,a\nq,b\nr,b\nzz,b\n", "line 5 has the id \"zz\", which"),
        ("id,label\np,a\nq,b\np,b\n", "rows 0 and 2 have the same id \"p\""),
        ("path,label\n1.png,a\n2.png,b\n3.png,b\n", "line 2 has the id \"1.png\", which"),
        ("filename,label\nr,a\nq,b\nzz,b\n", "line 4 has the id \"zz\", which"),
        ("id,label\np,a\nq,b\nr,\n", "line 4, column `label` holds \"\""),
    ] {
        let given = folder.file("given.csv", text);
        let said = open_labelled(&path, Some(&given)).unwrap_err().to_string();
        assert!(said.contains("given.csv: ") && said.contains(expected), "{said}");
    }
    let given = folder.file("given.csv", "id,label\np,a\nq,b\np,b\n");
    let said = open_labelled(&bare, Some(&given)).unwrap_err().to_string();
    assert!(said.contains("given.csv: rows 0 and 2 have the same id"), "{said}");
    folder.file("f.v1.names.csv", "id,label\np,a\nq,b\n");
    let said = open(&path).unwrap_err().to_string();
    assert!(said.contains("f.v1.names.csv: 2 names for 3 embeddings"), "{said}");
    // Paths are ids too, a column of other texts must have the ids, and numbers give the order of rows without ids.
    folder.file("f.v1.names.csv", "path,label\np,a\nq,b\nr,c\n");
    let given = folder.file("given.csv", "path,label\nr,z\np,x\nq,y\n");
    let about = open_labelled(&path, Some(&given)).unwrap().about;
    assert_eq!(
        (about.ids.unwrap(), about.labels.unwrap()),
        (owned(&["p", "q", "r"]), owned(&["x", "y", "z"]))
    );
    let given = folder.file("given.csv", "filename,label\nimg/r,z\nimg/p,x\nimg/q,y\n");
    let said = open_labelled(&path, Some(&given)).unwrap_err().to_string();
    assert!(said.contains("line 2 has the id \"img/r\", which"), "{said}");
    let given = folder.file("given.csv", "row,label\n2,z\n0,x\n1,y\n");
    let table = open_labelled(&bare, Some(&given)).unwrap();
    assert_eq!(table.about.labels.unwrap(), ["x", "y", "z"]);
    assert!(table.notes[0].contains("by the row numbers in the column `row`"), "{:?}", table.notes);
    // A .csv contains its own names.
    folder.file("t.names.csv", "id\nother\n");
    assert_eq!(open(&folder.file("t.csv", "id,x\np,1\n")).unwrap().about.ids.unwrap(), ["p"]);
}

#[test]
fn an_index_of_pandas_joins_only_where_it_is_the_same() {
    let folder = Folder::new();
    let table = |first: &str| {
        folder.file(
            "t.csv",
            format!("{first}x,y\n{}", if first == "id," { "p,1,2\nq,3,4\n" } else { "0,1,2\n1,3,4\n" }),
        )
    };
    let labels = |text: &str| folder.file("l.csv", text);
    let of = |table: &Path, labels: &Path| {
        open_labelled(table, Some(labels)).map(|table| table.about.labels.unwrap())
    };
    let by_index = table(",");
    assert_eq!(of(&by_index, &labels(",label\n1,b\n0,a\n")).unwrap(), ["a", "b"]);
    // Numbers of another meaning are no index.
    assert_eq!(of(&by_index, &labels("rank,label\n1,a\n0,b\n")).unwrap(), ["a", "b"]);
    let by_id = table("id,");
    // The index only counts: the rows are in order.
    assert_eq!(of(&by_id, &labels(",label\n0,a\n1,b\n")).unwrap(), ["a", "b"]);
    let said = of(&by_id, &labels(",label\n1,b\n0,a\n")).unwrap_err().to_string();
    assert!(said.contains("line 2 has the id \"1\", which"), "{said}");
}

#[test]
fn ids_that_are_not_found_or_are_ambiguous_say_why() {
    let folder = Folder::new();
    let table = folder.file("t.csv", "id,camera,x,y\n3,c1,1,2\n10,c2,3,4\n7,c1,5,6\n");
    for (text, expected) in [
        ("id,label\n03,a\n10,b\n7,c\n", "(\"3\" differs from \"03\" only in the form of a number)"),
        ("id,camera,label\n3,c1,a\n10,c9,b\n7,c1,c\n", "line 3 has the camera \"c9\", but"),
        (
            "id,path,label\n3,7,a\n10,10,b\n7,3,c\n",
            "the column `id` and the column `path` both have the ids of",
        ),
    ] {
        let said = open_labelled(&table, Some(&folder.file("l.csv", text))).unwrap_err().to_string();
        assert!(said.contains("l.csv: ") && said.contains(expected), "{said}");
    }
    let accents = folder.file("a.csv", "id,x\nZo\u{eb},1\nAda,2\n");
    let labels = folder.file("l.csv", "id,label\nAda,a\nZoe\u{308},b\n");
    let said = open_labelled(&accents, Some(&labels)).unwrap_err().to_string();
    assert!(said.contains("only in Unicode form"), "{said}");
    let pairs = folder.file("p.csv", "a,b,same\n3,10.0,1\n");
    let said = read_pairs(&pairs, &read_embeddings(&table).unwrap()).unwrap_err().to_string();
    assert!(said.contains("(\"10\" differs from \"10.0\" only in the form of a number)"), "{said}");
    // Numbers of rows in two columns, in different orders.
    let matrix = folder.file("m.npy", std::fs::read(fixture("f4.npy")).unwrap());
    let twice = folder.file("l.csv", "row,row_id,label\n2,1,a\n0,2,b\n1,0,c\n");
    let said = open_labelled(&matrix, Some(&twice)).unwrap_err().to_string();
    assert!(said.contains("the column `row` and the column `row_id` both have the ids of"), "{said}");
    let index = folder.file("l.csv", ",id,label\n7,3,a\n10,10,b\n3,7,c\n");
    let said = open_labelled(&table, Some(&index)).unwrap_err().to_string();
    assert!(
        said.contains("the column `id` and the index of pandas (the column without a name) both"),
        "{said}"
    );
    // A column of whole numbers with gaps, as programs write it.
    let decimals = folder.file("l.csv", "id,label\n10.0,1.0\n3.0,2.0\n7.0,1.0\n");
    let table = open_labelled(&table, Some(&decimals)).unwrap();
    assert_eq!(table.about.labels.unwrap(), ["2", "1", "1"]);
    assert_eq!(read_labels(&folder.file("l.csv", "label\n1.0\n1.1\n")).unwrap(), ["1.0", "1.1"]);
    let said = open_labelled(&matrix, Some(&folder.file("h.csv", "cat\ndog\ncat\n"))).unwrap_err();
    assert!(said.to_string().contains("the first line of a .csv names the columns"), "{said}");
}

#[test]
fn row_numbers_of_any_name_give_the_order_or_are_refused() {
    let folder = Folder::new();
    let count = 9;
    let shuffled = |row: usize| row * 4 % count;
    let values: Vec<u8> = (0..count).flat_map(|row| (row as f32).to_le_bytes()).collect();
    let matrix = folder.file("m.npy", [npy_header(count, 1), values].concat());
    let labelled = |header: &str, first: usize| {
        let line = |row: usize| format!("{},c{}\n", shuffled(row) + first, shuffled(row));
        let text = format!("{header},label\n{}", (0..count).map(line).collect::<String>());
        folder.file("l.csv", text)
    };
    let labels = |table: &Path, names: &Path| {
        open_labelled(table, Some(names)).map(|table| table.about.labels.unwrap()).map_err(|e| e.to_string())
    };
    let expected: Vec<String> = (0..count).map(|row| format!("c{row}")).collect();
    for name in ["row", "Row_ID", "rowid", "row number"] {
        for first in [0, 1] {
            assert_eq!(labels(&matrix, &labelled(name, first)).unwrap(), expected, "{name} from {first}");
        }
    }
    // These could also number something else in the order of the rows, as the index of a data frame that was shuffled before.
    for (name, first) in [
        ("ID", 0),
        ("idx", 0),
        ("image_id", 1),
        ("", 0),
        ("Unnamed: 0", 0),
        ("n", 0),
        ("number", 1),
        ("rank", 0),
    ] {
        let said = labels(&matrix, &labelled(name, first)).unwrap_err();
        let range = format!("has all numbers from {first} to {}", first + count - 1);
        assert!(said.contains(&range) && said.contains("name the column `row`"), "{said}");
    }
    // An index of pandas that only counts is no id.
    let line = |row: usize| format!("{row},0.5,{row}.5\n");
    let text = format!(",x0,x1\n{}", (0..count).map(line).collect::<String>());
    let counted = folder.file("counted.csv", text);
    assert_eq!(labels(&counted, &labelled("row", 0)).unwrap(), expected);
    assert!(labels(&counted, &labelled("image_id", 0)).is_err());
    assert!(labels(&counted, &labelled("rank", 0)).is_err());
    // Numbers in order, numbers that are not all different, and a column that counts next to others.
    let with = |header: &str, line: &dyn Fn(usize) -> String| {
        folder.file("l.csv", format!("{header},label\n{}", (0..count).map(line).collect::<String>()))
    };
    let plain = with("n", &|row| format!("{row},c{row}\n"));
    assert_eq!(labels(&matrix, &plain).unwrap(), expected);
    let repeated = with("n", &|row| format!("{},c{row}\n", row * 3 % count));
    assert_eq!(labels(&matrix, &repeated).unwrap(), expected);
    let counts = with("row,rank", &|row| format!("{row},{},c{row}\n", shuffled(row)));
    assert_eq!(labels(&matrix, &counts).unwrap(), expected);
    let written = with("id", &|row| format!("row {},c{}\n", shuffled(row), shuffled(row)));
    assert_eq!(labels(&matrix, &written).unwrap(), expected);
    // One wrong number, and numbers from 2.
    for (wrong, expected) in [
        ("8", "from 0 to 8, but line 9 repeats \"8\""),
        ("", "from 0 to 8, but line 9 has \"\""),
        ("9", "from 0 to 8, but line 9 has \"9\""),
    ] {
        let one = with("row", &|row| match shuffled(row) {
            1 => format!("{wrong},c1\n"),
            number => format!("{number},c{number}\n"),
        });
        let said = labels(&matrix, &one).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    let shifted = with("row", &|row| format!("{},c{row}\n", shuffled(row) + 2));
    assert!(labels(&matrix, &shifted).unwrap_err().contains("each row number of"));
    let of_a_grid = with("row,column", &|row| format!("{},{},c{row}\n", row / 3, row % 3));
    assert!(labels(&matrix, &of_a_grid).is_ok());
    let two = with("id,image_id", &|row| format!("{row},{},c{row}\n", shuffled(row)));
    let said = labels(&matrix, &two).unwrap_err();
    assert!(said.contains("the column `id` and the column `image_id` both have the ids of"), "{said}");
}

#[test]
fn numbers_next_to_a_matrix_are_its_ids_only_if_embed_wrote_them() {
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    folder.file("f.names.csv", "id,label\n2,a\n0,b\n1,c\n");
    let said = open(&matrix).unwrap_err().to_string();
    assert!(said.contains("f.names.csv: the column `id` has all numbers from 0 to 2, in another"), "{said}");
    folder.file("f.npy.about.json", "{}");
    let about = open(&matrix).unwrap().about;
    assert_eq!(
        (about.ids.unwrap(), about.labels.unwrap()),
        (owned(&["2", "0", "1"]), owned(&["a", "b", "c"]))
    );
}

#[test]
fn labels_given_twice_must_be_the_same() {
    let folder = Folder::new();
    let table = folder.file("t.csv", "id,label,x\np,a,1\nq,b,2\n");
    let same = folder.file("same.csv", "id,label\nq,b\np,a\n");
    assert_eq!(open_labelled(&table, Some(&same)).unwrap().about.labels.unwrap(), ["a", "b"]);
    let other = folder.file("other.csv", "id,label\nq,b\np,c\n");
    let said = open_labelled(&table, Some(&other)).unwrap_err().to_string();
    assert!(said.contains("other.csv: line 3 has the label \"c\", but"), "{said}");
    assert!(said.contains("contains the label \"a\" for the same row (1 of 2 rows differ)"), "{said}");
}

/// A table without ids, with the columns `x0` and `x1` of the embedding and others that are left out, and labels for it: joined, or an error.
fn with_keys(table: &str, labels: &str) -> Result<(Vec<String>, OpenTable), String> {
    let folder = Folder::new();
    let lines = table
        .lines()
        .enumerate()
        .map(|(at, line)| if at == 0 { format!("{line},x0,x1\n") } else { format!("{line},{at}.5,0.25\n") });
    let table = folder.file("t.csv", lines.collect::<String>());
    let labels = folder.file("l.csv", labels);
    let found = open_columns(&table, Some(&labels), Some(&"x*".parse().unwrap()));
    let found = found.map_err(|error| error.to_string().replace(&*folder.0.path().to_string_lossy(), ""))?;
    Ok((found.about.labels.clone().unwrap(), found))
}

#[test]
fn a_shared_column_of_any_name_joins_two_files() {
    let names =
        ["filename", "image", "file", "key", "uuid", "idx", "row_id", "image_id", "path", "sample", "nr"];
    for name in names {
        for [p, q, r] in [["p.jpg", "q.jpg", "r.jpg"], ["17", "4", "25"]] {
            let table = format!("{name}\n{p}\n{q}\n{r}\n");
            let labels = format!("label,{}\nb,{q}\nc,{r}\na,{p}\n", name.to_uppercase());
            let (found, table) = with_keys(&table, &labels).unwrap();
            assert_eq!(found, ["a", "b", "c"], "{name}");
            assert_eq!(table.about.ids.unwrap(), [p, q, r], "{name}");
            assert!(table.notes[0].contains("the rows are joined by the column"), "{:?}", table.notes);
        }
    }
    // The same texts in columns of two names, and numbers as pandas writes them in a column with gaps.
    let (found, table) = with_keys("image\np.jpg\nq.jpg\n", "filename,label\nq.jpg,b\np.jpg,a\n").unwrap();
    assert_eq!(found, ["a", "b"]);
    assert!(
        table.notes[0].contains("`filename`, which has the texts of the column `image`"),
        "{:?}",
        table.notes
    );
    assert_eq!(with_keys("nr\n17\n4\n", "nr,label\n4.0,b\n17.0,a\n").unwrap().0, ["a", "b"]);
    for (table, labels, expected) in [
        (
            "name\np\nq\n",
            "name,label\nq,b\nz,a\n",
            "l.csv: line 3 has the id \"z\", which /t.csv does not have",
        ),
        ("name\np\nq\n", "name,label\nq,b\n", "l.csv: has no row for the id \"p\""),
        (
            "name\np\nq\n",
            "name,label\nq,b\nq,a\n",
            "l.csv: rows 0 and 1 have the same id \"q\" in the column `name`",
        ),
        (
            "name\np\np\n",
            "name,label\nq,b\np,a\n",
            "t.csv: rows 0 and 1 have the same id \"p\" in the column `name`",
        ),
        ("name\np\nq\n", "name,label\nP,b\nq,a\n", "they are joined by the column `name`, so both files"),
        (
            "a,b\np,s\nq,t\n",
            "a,b,label\np,t,b\nq,s,a\n",
            "the column `a` and the column `b` both have the ids of",
        ),
        (
            "age\n3\n3\n4\n",
            "age,label\n4,c\n3,a\n3,b\n",
            "l.csv: line 2 has \"4\" in the column `age`, but /t.csv has \"3\" there",
        ),
        // Measurements and dates do not join rows, but show their order.
        (
            "ts\n1700000000.25\n1700000000.5\n",
            "ts,label\n1700000000.5,b\n1700000000.25,a\n",
            "l.csv: line 2 has \"1700000000.5\" in the column `ts`, but /t.csv has \"1700000000.25\" there",
        ),
        (
            "day\n2026-11-25\n2026-11-26\n2026-11-26\n",
            "day,label\n2026-11-26T00:00:00,b\n2026-11-25T00:00:00,a\n2026-11-26T00:00:00,b\n",
            "l.csv: line 2 has \"2026-11-26T00:00:00\" in the column `day`, but /t.csv has \"2026-11-25\" there",
        ),
        // Row numbers that were given to the rows in two orders.
        (
            "nr,age\n0,3\n1,4\n2,4\n3,5\n",
            "nr,age,label\n1,3,a\n0,4,b\n3,4,b\n2,5,c\n",
            "in the column `age`, but /t.csv has",
        ),
    ] {
        let said = with_keys(table, labels).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    // Nothing to join by: other measurements, the same texts in the same order, and words of another meaning.
    for (table, labels) in [
        ("height\n1.5\n2.5\n", "height,label\n3.5,a\n1.25,b\n"),
        ("height\n1.5\n2.5\n", "height,label\n1.50,a\n2.5,b\n"),
        ("age\n3\n3\n", "age,label\n3,a\n3,b\n"),
        ("kind\nx\nx\n", "kind,label\ny,a\ny,b\n"),
    ] {
        let (found, table) = with_keys(table, labels).unwrap();
        assert_eq!(found, ["a", "b"], "{labels}");
        assert!(
            table.notes.len() == 1 && table.notes[0].contains("by position: no column of both"),
            "{labels}"
        );
    }
}

#[test]
fn names_that_look_like_numbers_join_two_files() {
    let mixed = "sku\na1\n1000777\nb2\n";
    assert_eq!(with_keys(mixed, "item,label\nb2,c\na1,a\n1000777,b\n").unwrap().0, ["a", "b", "c"]);
    // The same whole numbers, if they are not those of rows.
    let numbers = "image_id\n605\n17\n90\n";
    assert_eq!(with_keys(numbers, "id,label\n17,b\n90,c\n605,a\n").unwrap().0, ["a", "b", "c"]);
}

#[test]
fn names_in_another_form_show_the_order() {
    for (table, labels) in [
        ("filename\nf012.png\nf7.png\n", "image,label\nf7,b\nf012,a\n"),
        ("path\nim/p.jpg\nim/q.jpg\n", "filename,label\nq.jpg,b\np.jpg,a\n"),
        ("id\n012.png\n007.png\n", "image,label\n7,b\n12,a\n"),
        ("file\nIM\\P.JPG\nIM\\Q.JPG\n", "image,label\nim/q.jpg,b\nim/p.jpg,a\n"),
        ("image_id\n605\n17\n", "file,label\n000000000017.jpg,b\n000000000605.jpg,a\n"),
    ] {
        let said = with_keys(table, labels).unwrap_err();
        assert!(
            said.contains("so the rows are not in the same order") && said.contains("line 2 has"),
            "{said}"
        );
    }
    // In the same order they agree.
    let (found, table) = with_keys("filename\nf012.png\nf7.png\n", "image,label\nf012,a\nf7,b\n").unwrap();
    assert_eq!(found, ["a", "b"]);
    assert!(
        table.notes[0].ends_with("by position: both have the same names in the same order."),
        "{:?}",
        table.notes
    );
    // Row numbers next to other ids give the order, or may.
    let (found, table) = with_keys("id\np.jpg\nq.jpg\n", "row,label\n1,b\n0,a\n").unwrap();
    assert!(
        found == ["a", "b"] && table.notes[0].contains("by the row numbers in the column `row`"),
        "{found:?}"
    );
    let said = with_keys("id\np.jpg\nq.jpg\n", "image_id,label\n1,b\n0,a\n").unwrap_err();
    assert!(said.contains("has all numbers from 0 to 1, in another order"), "{said}");
    // Names of other things, and numbers that are not those of the rows.
    for (table, labels, expected) in [
        ("name\np\nq\n", "word,label\nq1,a\nq2,b\n", "(\"q1\") and the column `name` there (\"p\")"),
        ("kind\nx\nx\n", ",label\n7,a\n3,b\n", "the numbers in the index of pandas"),
        ("id\np.jpg\nq.jpg\n", "frame,label\n1007,a\n1003,b\n", "the numbers in the column `frame`"),
        ("id\n0\n1\n", "filename,label\nq.jpg,a\np.jpg,b\n", "the column `filename` has other names"),
    ] {
        let (found, table) = with_keys(table, labels).unwrap();
        assert_eq!(found, ["a", "b"]);
        assert!(
            table.notes[0].contains("by position") && table.notes[0].contains(expected),
            "{:?}",
            table.notes
        );
    }
}

#[test]
fn a_column_that_counts_rows_joins_only_if_no_other_does() {
    // The index was reset after the rows of the labels were sorted.
    let (found, _) = with_keys(",name\n0,p\n1,q\n2,r\n", ",name,label\n0,r,c\n1,q,b\n2,p,a\n").unwrap();
    assert_eq!(found, ["a", "b", "c"]);
    // It was not, and is next to ids that the labels do not have.
    for index in ["", "Unnamed: 0"] {
        let table = format!("{index},id\n2,r\n0,p\n1,q\n");
        let (found, table) = with_keys(&table, ",label\n0,a\n1,b\n2,c\n").unwrap();
        assert_eq!(found, ["c", "a", "b"]);
        assert!(table.notes[0].contains("the index of pandas"), "{:?}", table.notes);
    }
    let said = with_keys(",id\n7,r\n5,p\n", ",label\n5,a\n8,b\n").unwrap_err();
    assert!(said.contains("line 3 has the id \"8\", which"), "{said}");
    // Both only count: the rows are in order.
    assert_eq!(with_keys(",id\n0,r\n1,p\n", ",label\n0,a\n1,b\n").unwrap().0, ["a", "b"]);
}

#[test]
fn names_next_to_a_matrix_have_shared_columns_too() {
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    folder.file("f.names.csv", "filename\np\nq\nr\n");
    let labels = folder.file("l.csv", "filename,label\nr,c\np,a\nq,b\n");
    assert_eq!(open_labelled(&matrix, Some(&labels)).unwrap().about.labels.unwrap(), ["a", "b", "c"]);
}

#[test]
fn two_columns_with_the_ids_are_refused_unless_one_is_called_id() {
    let folder = Folder::new();
    let table = folder.file("t.csv", "id,x\np,1\nq,2\nr,3\n");
    let with = |header: &str| {
        let labels = folder.file("l.csv", format!("{header},label\np,q,a\nq,r,b\nr,p,c\n"));
        open_labelled(&table, Some(&labels)).map(|table| table.about.labels.unwrap())
    };
    for (one, other) in [("filename", "other"), ("path", "image"), ("image", "path")] {
        let said = with(&format!("{one},{other}")).unwrap_err().to_string();
        assert!(said.contains(&format!("`{one}`")) && said.contains(&format!("`{other}`")), "{said}");
    }
    assert_eq!(with("id,duplicate_of").unwrap(), ["a", "b", "c"]);
    // A column that only has some of the ids is not one of them.
    let labels = folder.file("l.csv", "nearest,filename,label\nq,r,c\nq,p,a\np,q,b\n");
    assert_eq!(open_labelled(&table, Some(&labels)).unwrap().about.labels.unwrap(), ["a", "b", "c"]);
    let ages = folder.file("l.csv", "age,label\np,a\nq,b\np,c\n");
    let said = open_labelled(&table, Some(&ages)).unwrap_err().to_string();
    assert!(said.contains("the same id \"p\" in the column `age`"), "{said}");
}

#[test]
fn row_numbers_without_a_partner_are_reported() {
    let folder = Folder::new();
    let table = folder.file("t.csv", "id,x\n2,1\n0,2\n1,3\n");
    let labels = folder.file("l.txt", "a\nb\nc\n");
    let found = open_labelled(&table, Some(&labels)).unwrap();
    assert_eq!(found.about.labels.unwrap(), ["a", "b", "c"]);
    assert!(found.notes[0].contains("the column `id` there has all row numbers in another order"));
    let table = folder.file("t.csv", "id,x\n7,1\n0,2\n1,3\n");
    let found = open_labelled(&table, Some(&labels)).unwrap();
    assert!(
        found.notes.len() == 1 && found.notes[0].contains("by position: no column of both"),
        "{:?}",
        found.notes
    );
}

#[test]
fn a_repeated_index_of_pandas_shows_the_order() {
    // As after pd.concat of two tables.
    let own = ["0", "1", "2", "0", "1", "2"];
    let table = |name: &str| format!("{name}\n{}\n", own.join("\n"));
    let labels = |name: &str, index: &[&str]| {
        let lines: Vec<String> = index.iter().map(|index| format!("{index},c{index}")).collect();
        format!("{name},label\n{}\n", lines.join("\n"))
    };
    for (one, other) in [("", ""), ("Unnamed: 0", ""), ("", "Unnamed: 0")] {
        let said = with_keys(&table(one), &labels(other, &["2", "1", "0", "0", "1", "2"])).unwrap_err();
        assert!(
            said.contains("line 2 has \"2\" in the index of pandas (the column without a name), but /t.csv has \"0\" there"),
            "{said}"
        );
        let (found, joined) = with_keys(&table(one), &labels(other, &own)).unwrap();
        assert_eq!((found[2].as_str(), joined.about.ids), ("c2", None));
    }
    // The index of one file was reset.
    assert!(with_keys(&table(""), &labels("", &["0", "1", "2", "3", "4", "5"])).is_ok());
    let (_, table) = with_keys(&table(""), &labels("", &["7", "8", "9", "11", "12", "13"])).unwrap();
    assert!(table.notes[0].contains("by position: the numbers in the index of pandas"), "{:?}", table.notes);
    // Names next to a matrix.
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    folder.file("f.names.csv", ",camera\n0,x\n0,x\n1,x\n");
    let labels = folder.file("l.csv", ",label\n0,a\n1,b\n0,a\n");
    let said = open_labelled(&matrix, Some(&labels)).unwrap_err().to_string();
    assert!(said.contains("line 3 has \"1\" in the index of pandas"), "{said}");
}

#[test]
fn labels_that_replace_others_are_counted() {
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    folder.file("f.names.csv", "id,label\np,a\nq,b\nr,b\n");
    let notes = |text: &str| open_labelled(&matrix, Some(&folder.file("l.csv", text))).unwrap().notes;
    let found = notes("id,label\nr,b\nq,c\np,d\n");
    let expected = "f.names.csv; 2 of 3 differ, the first in line 4 (\"d\", there \"a\").";
    assert!(found.len() == 1 && found[0].contains("l.csv: its labels are used instead of"), "{found:?}");
    assert!(found[0].ends_with(expected), "{found:?}");
    assert!(notes("id,label\nr,b\nq,b\np,a\n").is_empty());
}

#[test]
fn a_label_file_without_an_entry_says_where() {
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    for (name, text, expected) in [
        ("l.csv", "label\na\n\nb\n", "l.csv: 2 labels for 3 embeddings (line 3 is blank); give one label"),
        ("l.csv", "label\na\nb\n", "l.csv: 2 labels for 3 embeddings; give one label"),
        ("l.csv", "label\na\nb\n\nc\nd\n", "l.csv: 4 labels for 3 embeddings; give one label"),
        ("l.txt", "label\na\nb\n", "l.txt: line 1 is \"label\", which seems to name a column"),
        ("l.txt", "label\na\nb\nc\n", "l.txt: line 1 is \"label\", which seems to name a column"),
        ("l.txt", "species\n1\n2\n", "l.txt: line 1 is \"species\", which seems to name a column"),
    ] {
        let said = open_labelled(&matrix, Some(&folder.file(name, text))).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    let quoted = folder.file("l.txt", "\"label\"\na\nb\n");
    assert_eq!(open_labelled(&matrix, Some(&quoted)).unwrap().about.labels.unwrap(), ["label", "a", "b"]);
}

#[test]
fn labels_of_several_fields_are_reported() {
    let folder = Folder::new();
    let matrix = folder.file("f.npy", std::fs::read(fixture("f4.npy")).unwrap());
    let open = |name: &str, text: &str| open_labelled(&matrix, Some(&folder.file(name, text)));
    let said = open("l.txt", "k3\tc1\nk3\tc2\nk4\tc1\n").unwrap_err().to_string();
    assert!(said.contains("line 1 is \"k3\\tc1\", and every line is like 2 columns between tabs"), "{said}");
    for (name, text) in [("l.txt", "k3 c1\nk3 c2\nk4 c1\n"), ("l.csv", "label\nk3 c1\nk3 c2\nk4 c1\n")] {
        let notes = open(name, text).unwrap().notes;
        assert!(notes[0].contains("each combination is read as a class (3 classes)"), "{notes:?}");
    }
}

/// Labels that are not in a `.csv` are found next to it, as for a `.npy`.
#[test]
fn names_next_to_a_text_table_are_joined() {
    let folder = Folder::new();
    let path = folder.file("t.csv", "id,x0,x1\na,1,2\nb,3,4.5\n");
    folder.file("t.names.csv", "id,label,camera\nb,dog,1\na,cat,0\n");
    let table = open(&path).unwrap();
    assert_eq!(table.about.labels.unwrap(), ["cat", "dog"]);
    assert_eq!(table.about.cameras.unwrap(), ["0", "1"]);
    // A table with labels has its own names, and a file without labels may be that of another table.
    let path = folder.file("u.csv", "id,label,x0,x1\na,cat,1,2\nb,dog,3,4.5\n");
    folder.file("u.names.csv", "id,label,camera\nb,dog,1\nother,bird,0\n");
    let about = open(&path).unwrap().about;
    assert_eq!((about.labels.unwrap(), about.cameras), (owned(&["cat", "dog"]), None));
    // Other labels of it can be chosen.
    folder.file("u.names.csv", "id,kind\nb,pet\na,wild\n");
    let chosen = ChosenColumns { embedding: None, label: Some("kind".to_owned()) };
    assert_eq!(open_chosen(&path, None, &chosen).unwrap().about.labels.unwrap(), ["wild", "pet"]);
    // Labels that do not fit are an error: without them, nothing would say that the table has none.
    folder.file("t.names.csv", "label\ncat\ndog\ncow\n");
    let said = open(&folder.file("t.csv", "id,x0,x1\na,1,2\nb,3,4.5\n")).unwrap_err().to_string();
    assert!(said.contains("t.names.csv: 3 names for 2 embeddings"), "{said}");
}
