//! Samples on the page: each image is stored once, and every place that shows it refers to it.

use super::input::ShownSample;
use crate::text::{add, escape};

/// Images of at most this many pixels are enlarged without smoothing, so that their pixels can be seen.
const PIXELS: u32 = 48;

/// Samples that are shown by their positions. A position without a sample is left out.
#[derive(Clone, Copy)]
pub(super) struct Gallery<'a>(pub(super) &'a [ShownSample]);

/// How a sample is related to the others of its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Relation {
    /// A query, or a sample of a pair.
    Plain,
    /// Of the same class.
    Same,
    /// Of another class.
    Other,
}

impl Gallery<'_> {
    /// The images, which are not visible where they are stored.
    pub(super) fn store(self) -> String {
        let images =
            self.0.iter().enumerate().filter_map(|(nth, sample)| Some((nth, sample.image.as_ref()?)));
        let mut html = String::new();
        for (nth, image) in images {
            let (width, height) = (image.width(), image.height());
            let style = if width.max(height) <= PIXELS { " style=\"image-rendering:pixelated\"" } else { "" };
            add(
                &mut html,
                format_args!(
                    "<symbol id=\"s{nth}\" viewBox=\"0 0 {width} {height}\"><image width=\"{width}\" height=\"{height}\" \
                     href=\"{}\"{style}/></symbol>\n",
                    image.data_uri()
                ),
            );
        }
        if html.is_empty() {
            return html;
        }
        format!("<svg class=\"store\" aria-hidden=\"true\">\n{html}</svg>\n")
    }

    /// Whether both samples exist and are of one class.
    pub(super) fn same_class(self, a: usize, b: usize) -> bool {
        match (self.0.get(a), self.0.get(b)) {
            (Some(a), Some(b)) => a.class == b.class,
            _ => false,
        }
    }

    /// A sample with its class and a note below it.
    pub(super) fn tile(self, nth: usize, relation: Relation, note: &str) -> String {
        let Some(sample) = self.0.get(nth) else { return String::new() };
        let (kind, spoken) = match relation {
            Relation::Plain => ("", ""),
            Relation::Same => (" right", ", same class"),
            Relation::Other => (" wrong", ", other class"),
        };
        let (class, name, note) = (escape(&sample.class), escape(&sample.name), escape(note));
        let (picture, reference) = match sample.image {
            Some(_) => (
                format!(
                    "<svg class=\"picture\" role=\"img\" aria-label=\"{class}, {name}{spoken}\"><use href=\"#s{nth}\"/></svg>"
                ),
                format!(" data-sample=\"{nth}\""),
            ),
            None => (format!("<span class=\"picture text\">{name}</span>"), String::new()),
        };
        let note_line = if note.is_empty() { String::new() } else { format!("<b>{note}</b>") };
        format!(
            "<figure class=\"tile wm-tip{kind}\"{reference} title=\"{class}&#10;{name}{}\">{picture}<figcaption><span>{class}</span>{note_line}\
             </figcaption></figure>\n",
            if note.is_empty() { String::new() } else { format!("&#10;{note}") }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thumbnail::Image;

    fn samples() -> Vec<ShownSample> {
        let image = Image::new(1, 2, 3, &[9; 6]).unwrap();
        let sample = |name: &str, image| ShownSample { name: name.into(), class: "<b>".into(), image };
        vec![sample("test/1", Some(image.clone())), sample("row \"2\"", None), sample("test/3", Some(image))]
    }

    #[test]
    fn images_are_stored_once_and_tiles_refer_to_them() {
        let samples = samples();
        let gallery = Gallery(&samples);
        let store = gallery.store();
        crate::figure::tests::elements(&store);
        assert_eq!(store.matches("<symbol id=").count(), 2);
        assert!(store.contains("<symbol id=\"s2\" viewBox=\"0 0 3 2\">"));
        let tile = gallery.tile(2, Relation::Same, "✓ 0.912");
        crate::figure::tests::elements(&tile);
        assert!(
            tile.contains("<use href=\"#s2\"/>")
                && tile.contains("tile wm-tip right")
                && !tile.contains("data:")
        );
        assert!(tile.contains("title=\"&lt;b&gt;&#10;test/3&#10;✓ 0.912\""), "{tile}");
        assert!(Gallery(&samples[1..2]).store().is_empty());
    }

    #[test]
    fn a_sample_without_an_image_is_its_name() {
        let samples = samples();
        let tile = Gallery(&samples).tile(1, Relation::Other, "");
        crate::figure::tests::elements(&tile);
        assert!(tile.contains("<span class=\"picture text\">row &quot;2&quot;</span>"), "{tile}");
        assert!(!tile.contains("<use") && !tile.contains("<b>") && tile.contains("wrong"));
        assert!(Gallery(&samples).tile(3, Relation::Plain, "").is_empty(), "no such sample");
    }

    #[test]
    fn classes_are_compared_only_if_both_exist() {
        let mut samples = samples();
        samples[2].class = "other".into();
        let gallery = Gallery(&samples);
        assert!(gallery.same_class(0, 1) && !gallery.same_class(0, 2) && !gallery.same_class(0, 9));
    }
}
