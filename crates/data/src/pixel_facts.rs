//! What the pixels of a data set's files have in common, and what to know about it before training.

use crate::decode::ImageProperties;
use crate::words::plural;
use crate::{Background, Preprocessing};

/// The used share of the range below which 16-bit images get a warning: fewer than 64 of 256 levels remain.
const SMALL: u32 = 4;

/// Facts about the pixels of image files.
#[derive(Debug)]
pub struct PixelFacts {
    background: Background,
    /// Number of images of 16 bits, and the smallest and largest of their values.
    deep: usize,
    range: (u16, u16),
    /// Largest value that is not clipped.
    largest: u16,
    /// Images with larger values, and the first.
    clipped: Vec<String>,
    /// Images that have one colour only once they are blended.
    hidden: Vec<String>,
    /// Images with transparent pixels whose transparency is ignored.
    ignored: Vec<String>,
    /// Images with several frames or pages.
    animated: Vec<String>,
}

impl PixelFacts {
    /// No facts yet, about images that are read this way.
    pub fn new(preprocessing: Preprocessing) -> Self {
        Self {
            background: preprocessing.background,
            deep: 0,
            range: (u16::MAX, 0),
            largest: preprocessing.largest(),
            clipped: Vec::new(),
            hidden: Vec::new(),
            ignored: Vec::new(),
            animated: Vec::new(),
        }
    }

    /// Facts about images with these names and properties.
    pub(crate) fn of(images: &[(String, ImageProperties)], preprocessing: Preprocessing) -> Self {
        let mut facts = Self::new(preprocessing);
        for (name, properties) in images {
            facts.add(name, properties);
        }
        facts
    }

    /// Adds an image.
    pub fn add(&mut self, name: &str, properties: &ImageProperties) {
        if let Some((low, high)) = properties.deep_range {
            self.deep += 1;
            self.range = (self.range.0.min(low), self.range.1.max(high));
            if high > self.largest {
                self.clipped.push(name.to_owned());
            }
        }
        if properties.animated {
            self.animated.push(name.to_owned());
        }
        if properties.transparent && self.background == Background::None {
            self.ignored.push(name.to_owned());
        } else if properties.hidden {
            self.hidden.push(name.to_owned());
        }
    }

    /// How much of their range the 16-bit images use, if it is little; with what to do.
    pub(crate) fn small_range(&self) -> Option<String> {
        let (low, high) = self.range;
        let levels = u32::from(self.largest) + 1;
        let used = u32::from(high.saturating_sub(low)) + 1;
        if self.deep == 0 || used > levels / SMALL || levels <= 256 / SMALL {
            return None;
        }
        let kept = (used * 256 / levels).max(1);
        let bits = (16 - high.leading_zeros()).max(1);
        let hint = if bits < 16 - self.largest.leading_zeros() {
            format!("set `depth = {bits}` in [data]")
        } else {
            "stretch their values first".to_owned()
        };
        Some(format!(
            "The {} of 16 bits {} values from {low} to {high} only, of which {} remain{} after the conversion to 8 bits; {hint}.",
            if self.deep == 1 { "image".to_owned() } else { format!("{} images", self.deep) },
            if self.deep == 1 { "has" } else { "have" },
            plural(kept as usize, "level", "levels"),
            if kept == 1 { "s" } else { "" }
        ))
    }

    /// Names of images that have one colour only once they are blended with the background.
    pub(crate) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// Everything to know, as sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.small_range().into_iter().collect();
        if let Some(first) = self.clipped.first() {
            sentences.push(format!(
                "Values above {} are clipped in {} of 16 bits, the first is {first}: `depth` is too small.",
                self.largest,
                plural(self.clipped.len(), "image", "images")
            ));
        }
        if let Some(first) = self.hidden.first() {
            sentences.push(format!(
                "On the background {}, {} with transparency {} one colour only, the first is {first}; choose another `background` in [data].",
                self.background,
                plural(self.hidden.len(), "image", "images"),
                if self.hidden.len() == 1 { "has" } else { "have" },
            ));
        }
        if let Some(first) = self.ignored.first() {
            sentences.push(format!(
                "The transparency of {} is ignored, the first is {first}: `background` is none.",
                plural(self.ignored.len(), "image", "images")
            ));
        }
        if let Some(first) = self.animated.first() {
            sentences.push(format!(
                "Only the first frame or page is read of {} with several, the first is {first}.",
                plural(self.animated.len(), "image", "images")
            ));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(deep_range: Option<(u16, u16)>, transparent: bool, hidden: bool) -> (String, ImageProperties) {
        let properties = ImageProperties {
            format: "PNG",
            mode: "16-bit grey",
            animated: false,
            width: 4,
            height: 4,
            deep_range,
            transparent,
            hidden,
        };
        ("a/1.png".to_owned(), properties)
    }

    fn said(images: &[(String, ImageProperties)], background: &str, depth: u8) -> Vec<String> {
        PixelFacts::of(images, Preprocessing { background: background.parse().unwrap(), depth }).sentences()
    }

    #[test]
    fn low_values_of_16_bits_are_reported_with_the_depth_that_fits() {
        let low = [image(Some((0, 103)), false, false), image(Some((2, 90)), false, false)];
        assert_eq!(
            said(&low, "white", 16),
            [
                "The 2 images of 16 bits have values from 0 to 103 only, of which 1 level remains after the conversion to 8 bits; set \
              `depth = 7` in [data]."
            ]
        );
        assert!(said(&low, "white", 7).is_empty());
        let clipped = said(&low, "white", 6).join(" ");
        assert!(
            clipped.contains("Values above 63 are clipped in 2 images of 16 bits, the first is a/1.png"),
            "{clipped}"
        );
        assert!(
            said(&[image(Some((0, 40_000)), false, false), image(None, false, false)], "white", 16)
                .is_empty()
        );
        let high = said(&[image(Some((60_000, 60_900)), false, false)], "white", 16).join(" ");
        assert!(high.contains("from 60000 to 60900 only") && high.contains("stretch"), "{high}");
        let twelve = said(&[image(Some((0, 4_095)), false, false)], "white", 16).join(" ");
        assert!(twelve.contains("16 levels") && twelve.contains("depth = 12"), "{twelve}");
    }

    #[test]
    fn further_frames_are_reported() {
        let (name, properties) = image(None, false, false);
        let found = said(&[(name, ImageProperties { animated: true, ..properties })], "white", 16);
        assert_eq!(
            found,
            ["Only the first frame or page is read of 1 image with several, the first is a/1.png."]
        );
    }

    #[test]
    fn images_that_vanish_on_the_background_are_reported() {
        let images = [image(None, true, true), image(None, true, false)];
        let found = said(&images, "white", 16).join(" ");
        assert!(
            found.starts_with("On the background white, 1 image with transparency has one colour only"),
            "{found}"
        );
        assert!(said(&images, "none", 16)[0].starts_with("The transparency of 2 images is ignored"));
        assert!(said(&images[1..], "black", 16).is_empty());
    }
}
