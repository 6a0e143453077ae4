//! The page of a run: which samples it shows, for images, tables and comparisons.

use super::{CLOTHING, SMALL, Workplace, image_folder, success};
use std::fmt::Write;

/// The page of a run with these arguments.
fn page(place: &Workplace, arguments: &[&str], out: &str, threads: &str) -> String {
    let mut command = place.command(&[&["train", "--out", out][..], arguments].concat());
    success(&command.env("RAYON_NUM_THREADS", threads).output().expect("the program starts"));
    std::fs::read_to_string(place.path().join(out).join("report.html")).expect("a page")
}

/// The page without the content of its images, in which any letters occur.
pub(super) fn without_images(page: &str) -> String {
    let mut parts = page.split("data:image/");
    let first = parts.next().unwrap_or_default();
    let rests = parts.map(|part| part.split_once('"').map_or("", |(_, rest)| rest));
    std::iter::once(first).chain(rests).collect()
}

/// A section of the page.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    rest.split("</section>").next().unwrap_or_default()
}

fn count(page: &str, what: &str) -> usize {
    page.matches(what).count()
}

/// What each sample that the section shows refers to.
fn references(section: &str) -> Vec<&str> {
    section.split("<use href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect()
}

#[test]
fn images_are_shown_as_neighbours_confusions_pairs_and_on_maps_and_stored_once() {
    let place = Workplace::new();
    image_folder(&place, "images", 8, 12);
    let config = SMALL.replace(CLOTHING, "height = 8\nwidth = 8\nchannels = 1");
    place.write("folder.toml", config.as_bytes());
    let arguments = ["--data", "images", "--config", "folder.toml", "--unseen", "3", "--evaluate-every", "1"];
    let html = page(&place, &arguments, "run", "1");
    let order: Vec<&str> =
        html.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
    let expected = [
        "results",
        "training",
        "verification",
        "retrieval",
        "confusions",
        "neighbours",
        "embeddings",
        "configuration",
        "glossary",
    ];
    assert_eq!(order, expected);
    assert!(section(&html, "training").contains("Validation MAP@R"), "evaluations are among the curves");

    // A dozen queries, each with neighbours.
    let neighbours = section(&html, "neighbours");
    for heading in ["Hardest queries", "Typical queries", "Random queries"] {
        assert!(neighbours.contains(heading), "{heading}");
    }
    assert_eq!(count(neighbours, "class=\"query\""), 12);
    assert_eq!(references(neighbours).len(), 12 * 7);

    // Every sample of the evaluation set is on both maps, with its name.
    let embeddings = section(&html, "embeddings");
    assert!(embeddings.contains("All 36 samples") && embeddings.contains("Map: t-SNE"), "{embeddings}");
    assert_eq!(count(embeddings, "data-sample="), 72);
    assert!(embeddings.contains("/05.png</title>"), "the names of samples");
    let confusions = section(&html, "confusions");
    assert!(
        confusions.contains("Worst genuine pairs") && count(confusions, "class=\"pair\"") >= 4,
        "{confusions}"
    );

    let stored = count(&html, "<symbol id=");
    assert_eq!((stored, count(&html, "data:image/")), (36, 36));
    for reference in [neighbours, confusions].into_iter().flat_map(references) {
        assert!(html.contains(&format!("<symbol id=\"{reference}\"")), "{reference}");
    }
    assert_eq!((count(&html, "<script"), count(&html, "<figure class=\"chart\">")), (1, 16));
    assert!(!without_images(&html).contains("NaN"));

    // The same settings give the same samples and maps, with any number of threads.
    let again = page(&place, &arguments, "again", "3");
    for id in ["confusions", "neighbours", "embeddings"] {
        assert!(section(&html, id) == section(&again, id), "{id}");
    }
}

#[test]
fn a_table_has_the_same_sections_with_the_names_of_its_rows() {
    let place = Workplace::new();
    let mut text = String::from("id,label,a,b,c,d\n");
    for row in 0..240 {
        let (class, turn) = (row % 12, f64::from(row) * 2.399_963);
        let angle = f64::from(class) / 12.0 * std::f64::consts::TAU;
        writeln!(text, "r{row},class {class},{},{},{},{}", angle.cos(), angle.sin(), turn.cos(), turn.sin())
            .expect("a text");
    }
    place.write("vectors.csv", text.as_bytes());
    let html = page(
        &place,
        &["--data", "vectors.csv", "--unseen", "4", "--embedding", "3", "--epochs", "3"],
        "run",
        "2",
    );
    assert_eq!((count(&html, "data:image/"), count(&html, "<use ")), (0, 0));
    let neighbours = section(&html, "neighbours");
    assert_eq!(count(neighbours, "class=\"query\""), 12);
    assert!(neighbours.contains("<span class=\"picture text\">"), "names instead of images");
    let embeddings = section(&html, "embeddings");
    assert!(embeddings.contains("All 80 samples") && embeddings.contains("Map: principal components"));
    assert!(embeddings.contains("unit sphere"), "dimension 3");
    let named = |row: usize| {
        embeddings.contains(&format!("<title>class {}\n", row % 12)) && html.contains(&format!("r{row}"))
    };
    assert!((0..240).any(named), "names of rows and classes");
    assert!(section(&html, "confusions").contains("Worst impostor pairs"));
}

#[test]
fn a_comparison_has_each_of_them_per_objective_with_the_same_samples() {
    let place = Workplace::new();
    place.write("emoji.toml", SMALL.replace(CLOTHING, "set = \"emoji\"").as_bytes());
    let html = page(&place, &["--config", "emoji.toml", "--compare", "softmax,am-softmax"], "all", "2");
    let vendors = "Only samples of different cameras are compared: ";
    assert!(
        html.contains(vendors)
            && html.contains("95 % intervals in percent, from drawing the 357 classes again")
    );
    let embeddings = section(&html, "embeddings");
    for name in ["softmax", "am-softmax"] {
        for id in ["confusions", "neighbours"] {
            assert!(section(&html, id).contains(&format!("<h3>{name}</h3>")), "{id}: {name}");
        }
        assert!(embeddings.contains(&format!("<title>{name}: Map: principal components</title>")), "{name}");
    }
    assert_eq!(count(section(&html, "neighbours"), "class=\"query\""), 24);
    // The points of all maps are the same samples, and the page has no more than those and the others that it shows.
    assert!(embeddings.contains("samples, chosen at random"), "{}", &embeddings[..600]);
    assert!(count(&html, "<symbol id=") < 600 + 250 && html.len() < 3_000_000, "{} bytes", html.len());
}
