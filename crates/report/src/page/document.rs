//! The frame of every page: head, style, navigation, sections, stored images and script.

use super::gallery::Gallery;
use super::input::ShownSample;
use super::markup::Section;
use crate::text::{add, escape};

/// Colours are variables that the figures use too. Dark mode and print override them. Only warnings have the colours of a warning.
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page consists of.
#[derive(Default)]
pub(super) struct Document<'a> {
    pub(super) title: &'a str,
    pub(super) lead: &'a str,
    pub(super) sections: &'a [Section],
    /// The samples that the sections show by their positions.
    pub(super) samples: &'a [ShownSample],
    /// Whose the samples are; may be empty.
    pub(super) credits: &'a str,
}

/// The whole page.
pub(super) fn document(page: &Document<'_>) -> String {
    let title = escape(page.title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"generator\" content=\"widemargin\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    );
    if !page.lead.is_empty() {
        add(&mut html, format_args!("<p class=\"lead\">{}</p>\n", escape(page.lead)));
    }
    html.push_str("<nav aria-label=\"Sections\">");
    for section in page.sections {
        add(&mut html, format_args!("<a href=\"#{}\">{}</a> ", section.id, section.heading));
    }
    html.push_str("</nav>\n</header>\n<main>\n");
    for section in page.sections {
        add(
            &mut html,
            format_args!(
                "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{}</h2>\n{}</section>\n",
                section.heading,
                section.body,
                id = section.id
            ),
        );
    }
    html.push_str("</main>\n");
    if !page.credits.is_empty() {
        add(&mut html, format_args!("<footer><p class=\"credits\">{}</p></footer>\n", escape(page.credits)));
    }
    // Below the text, which then appears before a megabyte of images has been read.
    html.push_str(&Gallery(page.samples).store());
    if page.sections.iter().any(|section| section.body.contains("<figure class=\"chart\">")) {
        add(&mut html, format_args!("<script>\n{SCRIPT}</script>\n"));
    }
    html.push_str("</body>\n</html>\n");
    html
}
