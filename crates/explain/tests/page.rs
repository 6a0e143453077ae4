//! Tests of the whole page: it needs no network, is small, and the book has its current version.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]

use std::path::Path;

use widemargin_explain::{Language, TrainedFeatures, page};

fn rendered(language: Language) -> String {
    let features = TrainedFeatures::shipped().expect("the shipped features are valid");
    page::render(language, &Language::ALL, &features).expect("the page renders")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a file of the repository")]
fn the_pages_in_the_book_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/explain");
    for language in Language::ALL {
        let path = folder.join(language.file_name());
        let found =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            found == rendered(language),
            "{} is out of date; run: cargo run -- explain -o docs/src/explain",
            path.display()
        );
    }
}

#[test]
fn pages_load_nothing_from_a_network() {
    for language in Language::ALL {
        let html = rendered(language);
        assert!(html.len() < 5_000_000, "{} bytes", html.len());
        for address in ["src=\"", "url(", "@import", "fetch(", "XMLHttpRequest", "import("] {
            assert!(!html.contains(address), "{address}");
        }
        for part in html.split("href=\"").skip(1) {
            let target = part.split('"').next().unwrap_or_default();
            let inside = target.starts_with('#')
                || target == "data:,"
                || Language::ALL.iter().any(|l| l.file_name() == target);
            assert!(inside, "{target}");
            if let Some(id) = target.strip_prefix('#') {
                assert!(html.contains(&format!("id=\"{id}\"")), "no element with the id {id}");
            }
        }
        // the only address on the page is the SVG namespace
        for part in html.split("http").skip(1) {
            assert!(part.starts_with("://www.w3.org/2000/svg"), "http{}", &part[..40.min(part.len())]);
        }
    }
}

#[test]
fn every_live_figure_has_a_static_one_and_a_single_page_has_no_language_link() {
    let html = rendered(Language::English);
    let live = html.matches("data-figure=\"").count();
    assert_eq!(live, 14);
    assert_eq!(html.matches("<div class=\"plain\">\n<svg").count(), live);
    let features = TrainedFeatures::shipped().expect("the shipped features are valid");
    let alone = page::render(Language::Chinese, &[Language::Chinese], &features).expect("the page renders");
    assert!(alone.contains("<html lang=\"zh-Hans\">") && !alone.contains("data-language=\"index"));
}
