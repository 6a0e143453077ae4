//! What the pixels of a data set's files have in common, and what to know about it before training.

use std::collections::BTreeMap;

use crate::decode::ImageProperties;
use crate::words::plural;
use crate::{Background, Preprocessing};

/// The used share of the range below which 16-bit images get a warning: fewer than 64 of 256 levels remain.
const SMALL: u32 = 4;
/// Fewer images than one in so many with a small range are not reported: they may be dark images of a set that uses its range.
const FEW: usize = 20;

/// Facts about the pixels of image files.
#[derive(Debug)]
pub struct PixelFacts {
    background: Background,
    /// Number of images of 16 bits.
    deep: usize,
    /// Number of those that use little of the range, with the smallest and largest of their values, without a few bright pixels.
    small: usize,
    range: (u16, u16),
    /// The first that uses little of the range, and the first that uses more.
    first: [Option<String>; 2],
    /// Largest value that is not clipped.
    largest: u16,
    /// Images with larger values, and the first.
    clipped: Vec<String>,
    /// Number of images with transparent pixels.
    transparent: usize,
    /// Those that have one colour only once they are blended, or nearly so.
    hidden: Vec<String>,
    /// Those whose transparency is ignored.
    ignored: Vec<String>,
    /// Images of other colour spaces than sRGB, by the space; and the first of all.
    spaces: BTreeMap<&'static str, usize>,
    first_of_space: Option<String>,
    /// Images with several frames or pages.
    animated: Vec<String>,
}

impl PixelFacts {
    /// No facts yet, about images that are read this way.
    pub fn new(preprocessing: Preprocessing) -> Self {
        Self {
            background: preprocessing.background,
            deep: 0,
            small: 0,
            range: (u16::MAX, 0),
            first: [None, None],
            largest: preprocessing.largest(),
            clipped: Vec::new(),
            transparent: 0,
            hidden: Vec::new(),
            ignored: Vec::new(),
            spaces: BTreeMap::new(),
            first_of_space: None,
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
            let most = properties.deep_most.unwrap_or(high);
            let is_small = self.is_small(low, most);
            if is_small {
                self.small += 1;
                self.range = (self.range.0.min(low), self.range.1.max(most));
            }
            self.first[usize::from(!is_small)].get_or_insert_with(|| name.to_owned());
            if high > self.largest {
                self.clipped.push(name.to_owned());
            }
        }
        if properties.animated {
            self.animated.push(name.to_owned());
        }
        self.transparent += usize::from(properties.transparent);
        if properties.transparent && self.background == Background::None {
            self.ignored.push(name.to_owned());
        }
        if properties.hidden {
            self.hidden.push(name.to_owned());
        }
        if let Some(space) = properties.colour_space {
            *self.spaces.entry(space).or_default() += 1;
            self.first_of_space.get_or_insert_with(|| name.to_owned());
        }
    }

    /// Whether so few levels remain of values in this range that it is worth a warning.
    fn is_small(&self, low: u16, high: u16) -> bool {
        let levels = u32::from(self.largest) + 1;
        let used = u32::from(high.saturating_sub(low)) + 1;
        used <= levels / SMALL && levels > 256 / SMALL
    }

    /// How much of their range the 16-bit images use, if it is little for many of them; with what to do. Each image counts by itself: one
    /// that uses more does not hide the others.
    pub(crate) fn small_range(&self) -> Option<String> {
        if self.small == 0 || self.small * FEW < self.deep {
            return None;
        }
        let (low, high) = self.range;
        let levels = u32::from(self.largest) + 1;
        let kept = ((u32::from(high.saturating_sub(low)) + 1) * 256 / levels).max(1);
        let bits = (16 - high.leading_zeros()).max(1);
        let hint = if bits < 16 - self.largest.leading_zeros() {
            format!("set `depth = {bits}` in [data]")
        } else {
            "stretch their values first".to_owned()
        };
        let which = match (self.small, self.deep) {
            (1, 1) => "The image".to_owned(),
            (small, deep) if small == deep => format!("The {deep} images"),
            (small, deep) => format!("{small} of {deep} images"),
        };
        let [small, wide] = &self.first;
        let hint = match wide {
            Some(wide) => format!(
                "{} of 16 bits {} more, the first is {wide}, so several ranges are mixed, which a model can tell apart: bring all images to \
                 one range; or, if those are errors, {hint}",
                plural(self.deep - self.small, "other image", "other images"),
                if self.deep - self.small == 1 { "uses" } else { "use" },
            ),
            None => hint,
        };
        Some(format!(
            "{which} of 16 bits {} values from {low} to {high} only, of which {} remain{} after the conversion to 8 bits{}; {hint}.",
            if self.small == 1 { "has" } else { "have" },
            plural(kept as usize, "level", "levels"),
            if kept == 1 { "s" } else { "" },
            small
                .as_ref()
                .filter(|_| wide.is_some())
                .map_or_else(String::new, |first| format!(", the first is {first}")),
        ))
    }

    /// A sentence about images of other colour spaces than sRGB.
    pub(crate) fn other_spaces(&self) -> Option<String> {
        let first = self.first_of_space.as_ref()?;
        let all: usize = self.spaces.values().sum();
        let spaces = self.spaces.iter().map(|(space, count)| format!("{space} ({count})"));
        Some(format!(
            "The colours of {} are read as sRGB, but {}: {}; the first is {first}. Equal colours have other values there, so convert them to sRGB, \
             above all if other images are sRGB.",
            plural(all, "image", "images"),
            if all == 1 { "its file says otherwise" } else { "their files say otherwise" },
            spaces.collect::<Vec<_>>().join(", ")
        ))
    }

    /// Names of images that have one colour only once they are blended with the background, or nearly so.
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
                "On the background {}, {} of {} with transparency {} one colour only, or nearly so, the first is {first}; choose another `background` \
                 in [data].",
                self.background,
                self.hidden.len(),
                plural(self.transparent, "image", "images"),
                if self.hidden.len() == 1 { "has" } else { "have" },
            ));
        }
        if let Some(first) = self.ignored.first() {
            sentences.push(format!(
                "The transparency of {} is ignored, the first is {first}: `background` is none.",
                plural(self.ignored.len(), "image", "images")
            ));
        }
        sentences.extend(self.other_spaces());
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
            deep_most: deep_range.map(|(_, high)| high),
            transparent,
            hidden,
            colour_space: None,
        };
        ("a/1.png".to_owned(), properties)
    }

    fn said(images: &[(String, ImageProperties)], background: &str, depth: u8) -> Vec<String> {
        PixelFacts::of(
            images,
            Preprocessing { background: background.parse().unwrap(), depth, ..Preprocessing::default() },
        )
        .sentences()
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
    fn images_of_a_small_range_are_reported_whatever_the_others_use() {
        let low = || image(Some((0, 4_095)), false, false);
        let wide = || image(Some((0, 65_535)), false, false);
        let mixed = |low_images: usize, wide_images: usize| {
            let low = std::iter::repeat_with(low).take(low_images);
            said(&low.chain(std::iter::repeat_with(wide).take(wide_images)).collect::<Vec<_>>(), "white", 16)
                .join(" ")
        };
        let found = mixed(95, 1);
        assert!(
            found.starts_with(
                "95 of 96 images of 16 bits have values from 0 to 4095 only, of which 16 levels remain"
            ) && found.contains("1 other image of 16 bits uses more")
                && found.contains("depth = 12"),
            "{found}"
        );
        assert!(mixed(48, 48).contains("several ranges are mixed"), "{}", mixed(48, 48));
        assert_eq!(mixed(4, 96), "", "a few dark images");
        // One bright pixel in each image.
        let bright = ImageProperties { deep_range: Some((0, 65_535)), ..low().1 };
        let found = said(&[("a.png".to_owned(), bright)], "white", 16).join(" ");
        assert!(found.starts_with("The image of 16 bits has values from 0 to 4095 only"), "{found}");
    }

    #[test]
    fn other_colour_spaces_are_counted() {
        let of = |colour_space| {
            ("a.png".to_owned(), ImageProperties { colour_space, ..image(None, false, false).1 })
        };
        let images = [of(None), of(Some("CMYK")), of(Some("Adobe RGB")), of(Some("CMYK"))];
        let found = said(&images, "white", 16).join(" ");
        assert!(
            found.starts_with("The colours of 3 images are read as sRGB, but their files say otherwise: Adobe RGB (1), CMYK (2); the first is a.png."),
            "{found}"
        );
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
            found.starts_with(
                "On the background white, 1 of 2 images with transparency has one colour only, or nearly so"
            ),
            "{found}"
        );
        let found = said(&images, "none", 16);
        assert!(
            found[0].starts_with("On the background none, 1 of 2 images")
                && found[1].starts_with("The transparency of 2 images is ignored"),
            "{found:?}"
        );
        assert!(said(&images[1..], "black", 16).is_empty());
    }
}
