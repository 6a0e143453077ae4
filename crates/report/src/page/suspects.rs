//! The page of likely mislabelled images: each with a typical image of its label and one of the class it resembles.

use super::document::{Document, document};
use super::markup::{self, Section};
use crate::text::{add, count, escape, fixed};
use crate::thumbnail::Image;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SuspectsInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading.
    pub lead: String,
    /// The number of samples compared, of those closer to another class, and of those shown.
    pub counts: [u64; 3],
    /// Notes on how reliable the list is, as whole sentences.
    pub notes: Vec<String>,
    /// The samples, most likely mislabelled first.
    pub rows: Vec<SuspectRow>,
}

/// A sample with its label and the nearest other class. Samples that are not images have no images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SuspectRow {
    /// Name of the sample.
    pub name: String,
    /// The sample.
    pub image: Option<Image>,
    /// The labelled class, a typical image of it, and the cosine with its centre.
    pub label: (String, Option<Image>, f64),
    /// The same for the nearest other class.
    pub other: (String, Option<Image>, f64),
}

/// The whole page.
pub fn suspects(input: &SuspectsInput) -> String {
    let [all, nearer, shown] = input.counts;
    let mut body = markup::paragraph(&format!(
        "{} samples were compared with the centres of all classes. {} are closer to another class than to their labelled class. The \
         table shows the {} with the largest difference. Not all of them are mistakes: check each image.",
        count(all),
        count(nearer),
        count(shown)
    ));
    body.push_str(&markup::notes(&input.notes));
    if input.rows.is_empty() {
        body.push_str("<p class=\"no-data\">no data</p>\n");
    } else {
        body.push_str(
            "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">rank</th><th scope=\"col\">sample</th>\
             <th scope=\"col\">labelled</th><th scope=\"col\">nearest other class</th><th scope=\"col\">difference</th></tr></thead>\n<tbody>\n",
        );
        for (at, row) in input.rows.iter().enumerate() {
            add(&mut body, format_args!("<tr><th scope=\"row\">{}</th><td>", at + 1));
            thumb(&mut body, row.image.as_ref(), &row.name);
            add(&mut body, format_args!("{}</td>", escape(&row.name)));
            for (name, image, cosine) in [&row.label, &row.other] {
                body.push_str("<td>");
                thumb(&mut body, image.as_ref(), &format!("a typical {name}"));
                add(&mut body, format_args!("{}<br>cosine {}</td>", escape(name), fixed(*cosine, 3)));
            }
            add(&mut body, format_args!("<td>{}</td></tr>\n", fixed(row.other.2 - row.label.2, 3)));
        }
        body.push_str("</tbody></table></div>\n");
    }
    let sections = [Section { id: "suspects", heading: "Likely mislabelled images", body }];
    document(&Document { title: &input.title, lead: &input.lead, sections: &sections, ..Document::default() })
}

fn thumb(html: &mut String, image: Option<&Image>, name: &str) {
    if let Some(image) = image {
        add(
            html,
            format_args!("<img class=\"thumb\" src=\"{}\" alt=\"{}\">", image.data_uri(), escape(name)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_and_escaped() {
        let image = Image::new(1, 1, 1, &[9]).unwrap();
        let row = SuspectRow {
            name: "<script>alert(1)</script>.png".to_owned(),
            image: Some(image.clone()),
            label: ("bag".to_owned(), Some(image), 0.12),
            other: ("\" onload=\"x".to_owned(), None, 0.9),
        };
        let input = SuspectsInput {
            title: "Suspects".to_owned(),
            counts: [70_000, 12, 1],
            notes: vec!["One & two.".to_owned()],
            rows: vec![row],
            ..SuspectsInput::default()
        };
        let html = suspects(&input);
        assert!(!html.contains("<script") && !html.contains("\" onload=\"x"));
        assert_eq!(html.matches("class=\"thumb\"").count(), 2, "none where there is no image");
        assert!(html.contains("70\u{202f}000 samples") && html.contains("12 are closer to another class"));
        assert!(
            html.contains("cosine 0.120")
                && html.contains("<td>0.780</td>")
                && html.contains("One &amp; two.")
        );
        assert!(suspects(&SuspectsInput::default()).contains("no data"));
    }
}
