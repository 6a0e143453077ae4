//! The page as a whole: both languages are good HTML without a network, small, and the same as the ones in the book.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]

use std::path::Path;

use widemargin_explain::{Features, Language, page};

fn rendered(language: Language) -> String {
    let features = Features::shipped().expect("the shipped features are good");
    page::render(language, &Language::ALL, &features).expect("the page can be written")
}

#[test]
fn the_book_has_the_pages_that_the_program_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/explain");
    for language in Language::ALL {
        let path = folder.join(language.file_name());
        let found =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            found == rendered(language),
            "{} is not what the program writes; run: cargo run -- explain -o docs/src/explain",
            path.display()
        );
    }
}

#[test]
fn pages_need_nothing_from_outside() {
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
                assert!(html.contains(&format!("id=\"{id}\"")), "no place for #{id}");
            }
        }
        // the only addresses that are named are those of the language of drawings
        for part in html.split("http").skip(1) {
            assert!(part.starts_with("://www.w3.org/2000/svg"), "http{}", &part[..40.min(part.len())]);
        }
    }
}

#[test]
fn every_live_figure_has_a_plain_one_and_a_page_alone_has_no_link() {
    let html = rendered(Language::English);
    let live = html.matches("data-figure=\"").count();
    assert_eq!(live, 13);
    assert_eq!(html.matches("<div class=\"plain\">\n<svg").count(), live);
    let features = Features::shipped().expect("the shipped features are good");
    let alone =
        page::render(Language::Chinese, &[Language::Chinese], &features).expect("the page can be written");
    assert!(alone.contains("<html lang=\"zh-Hans\">") && !alone.contains("data-language=\"index"));
}
