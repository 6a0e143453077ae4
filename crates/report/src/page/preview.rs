//! The page of augmented images: each sample as the model reads it, and as training changes it.

use super::document::{Document, document};
use super::markup::{self, Section};
use crate::text::{add, escape};
use crate::thumbnail::Image;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PreviewInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading.
    pub lead: String,
    /// What is worth knowing about the settings, as whole sentences.
    pub notes: Vec<String>,
    /// The settings, as in a configuration file.
    pub settings: String,
    /// The samples.
    pub samples: Vec<PreviewSample>,
}

/// A sample and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewSample {
    /// Name of the sample, such as its file.
    pub name: String,
    /// Name of its class.
    pub class: String,
    /// The image as the model reads it.
    pub image: Image,
    /// Augmented versions of it.
    pub augmented: Vec<Image>,
}

/// The whole page.
pub fn preview(input: &PreviewInput) -> String {
    let mut settings = markup::notes(&input.notes);
    add(&mut settings, format_args!("<pre class=\"wide\"><code>{}</code></pre>\n", escape(&input.settings)));
    let mut body = markup::paragraph(
        "The first image of each row, with a frame, is what the model reads in an evaluation: resized, without a change. The others are \
         what it might read in training. In a good setting each of them still clearly belongs to its class.",
    );
    if input.samples.is_empty() {
        body.push_str("<p class=\"no-data\">no data</p>\n");
    }
    for sample in &input.samples {
        let (class, name) = (escape(&sample.class), escape(&sample.name));
        add(
            &mut body,
            format_args!("<h3>{class}</h3>\n<p class=\"file\">{name}</p>\n<div class=\"versions\">"),
        );
        let image = |html: &mut String, kind: &str, image: &Image, text: &str| {
            add(html, format_args!("<img class=\"{kind}\" src=\"{}\" alt=\"{text}\">", image.data_uri()));
        };
        image(&mut body, "version plain", &sample.image, &format!("{name}, unchanged"));
        for (version, at) in sample.augmented.iter().zip(1..) {
            image(&mut body, "version", version, &format!("{name}, version {at}"));
        }
        body.push_str("</div>\n");
    }
    let sections = [
        Section { id: "settings", heading: "Settings", body: settings },
        Section { id: "samples", heading: "Samples", body },
    ];
    document(&Document { title: &input.title, lead: &input.lead, sections: &sections, ..Document::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_versions_and_text_is_escaped() {
        let image = |value: u8| Image::new(1, 1, 1, &[value]).unwrap();
        let sample = PreviewSample {
            name: "<b>/\"1\".png".to_owned(),
            class: "<script>".to_owned(),
            image: image(1),
            augmented: (2..10).map(image).collect(),
        };
        let input = PreviewInput {
            title: "Augmented <images>".to_owned(),
            settings: "[augment]\nrotate = 15 # <i>".to_owned(),
            notes: vec!["hue: no effect".to_owned()],
            samples: vec![sample.clone(), sample],
            ..PreviewInput::default()
        };
        let html = preview(&input);
        assert_eq!(html.matches("<img class=\"version\"").count(), 16);
        assert_eq!(html.matches("<img class=\"version plain\"").count(), 2);
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"));
        assert!(html.contains("<code>[augment]\nrotate = 15 # &lt;i&gt;</code>"));
        assert!(html.contains("hue: no effect") && html.contains("<h3>&lt;script&gt;</h3>"));
        assert!(preview(&PreviewInput::default()).contains("no data"));
    }
}
