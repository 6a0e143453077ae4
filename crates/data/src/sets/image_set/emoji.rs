//! The built-in set: emoji, each drawn in up to nine styles by five vendors.
//!
//! A class is an emoji, a sample is its drawing in one style, and the camera of a sample is the vendor who drew it. The sheets are made by
//! `data/emoji/render`; `data/emoji/README.md` has the origin and the licence of each style.

use std::path::PathBuf;

use image::{ImageFormat, RgbImage};

use crate::catalogue::Cameras;
use crate::parallel::map_positions;
use crate::place::ImagePlace;
use crate::{ImageSet, Labelled, OpenOptions, Result};

/// Height and width of a drawing, and of a cell of a sheet.
const SIDE: usize = 32;
/// Cells per row of a sheet.
const COLUMNS: usize = 40;
/// Whose the drawings are.
const CREDITS: &str = "Drawings: Fluent Emoji by Microsoft (MIT), Noto Emoji by Google (Apache 2.0), Firefox OS Emoji by Mozilla (Apache 2.0), \
    Twemoji by Twitter and other contributors (CC BY 4.0), EmojiOne and EmojiTwo by their contributors (CC BY 4.0); made smaller. Sources and licences: \
    data/emoji/README.md of widemargin.";

/// One in so many classes is unseen in evaluations.
const UNSEEN: usize = 4;
/// Columns of the list before those of the styles: code points and name.
const BEFORE_STYLES: usize = 2;

/// One line per class, in the order of the cells: its code points, its name, and 1 for each style that has it.
static LIST: &str = include_str!("../../../../../data/emoji/emoji.csv");

/// A set of drawings in one style.
struct Style {
    name: &'static str,
    vendor: &'static str,
    sheet: &'static [u8],
}

macro_rules! style {
    ($name:literal, $vendor:literal) => {
        Style {
            name: $name,
            vendor: $vendor,
            sheet: include_bytes!(concat!("../../../../../data/emoji/", $name, ".webp")),
        }
    };
}

/// The styles, in the order of the columns of the list.
static STYLES: [Style; 9] = [
    style!("emojione", "emojione"),
    style!("emojione-monotone", "emojione"),
    style!("fluent-emoji", "microsoft"),
    style!("fluent-emoji-flat", "microsoft"),
    style!("fluent-emoji-high-contrast", "microsoft"),
    style!("fxemoji", "mozilla"),
    style!("noto", "google"),
    style!("noto-v1", "google"),
    style!("twemoji", "twitter"),
];

/// A drawing: its class, by name, and its style.
type Drawing = (&'static str, &'static Style);

impl ImageSet {
    /// The data set that is built into the program: 1,429 emoji with 5 to 9 drawings each, 3 x 32 x 32 pixels on white.
    ///
    /// A class is an emoji. A quarter of them are unseen in evaluations by default. Its drawings are in nine styles by five vendors, and only drawings of different vendors are compared in an evaluation, as with
    /// [`OpenOptions::across_cameras`]. Of the options, `hold_out`, `seed` and `held_out_camera` apply.
    ///
    /// # Errors
    /// [`Error::UnknownCamera`](crate::Error::UnknownCamera) if the camera to hold out is not one of the vendors `emojione`, `google`, `microsoft`, `mozilla` and `twitter`.
    pub fn emoji(options: &OpenOptions) -> Result<Self> {
        let sheets = map_positions(0, STYLES.len(), |style| {
            image::load_from_memory_with_format(STYLES[style].sheet, ImageFormat::WebP)
                .expect("the sheets are checked by a test")
                .into_rgb8()
        });
        let (mut drawings, mut pixels): (Vec<Drawing>, Vec<u8>) = (Vec::new(), Vec::new());
        for (cell, line) in LIST.lines().skip(1).enumerate() {
            let fields: Vec<&str> = line.split(',').collect();
            for ((style, sheet), has) in STYLES.iter().zip(&sheets).zip(&fields[BEFORE_STYLES..]) {
                if *has == "1" {
                    drawings.push((fields[1], style));
                    append_cell(&mut pixels, sheet, cell);
                }
            }
        }
        let classes: Vec<&str> = drawings.iter().map(|(class, _)| *class).collect();
        let options = OpenOptions { channels: 3, height: SIDE, width: SIDE, ..options.clone() };
        let (mut set, order) = Self::from_pixels_in_order("emoji", &pixels, &classes, &options)?;
        let drawings = || order.iter().map(|image| drawings[*image]);
        let vendors = drawings().map(|(_, style)| style.vendor);
        set.catalogue.cameras = Some(Cameras::new(vendors, options.held_out_camera.as_deref(), "emoji")?);
        set.catalogue.usual_unseen = Some(set.class_names().len() / UNSEEN);
        set.catalogue.credits = Some(CREDITS);
        set.files = drawings()
            .map(|(class, style)| (format!("{class}/{}.png", style.name), ImagePlace::File(PathBuf::new())))
            .collect();
        Ok(set)
    }
}

/// Appends the pixels of a cell as `[channels, height, width]`.
fn append_cell(pixels: &mut Vec<u8>, sheet: &RgbImage, cell: usize) {
    let (top, left) = ((cell / COLUMNS * SIDE) as u32, (cell % COLUMNS * SIDE) as u32);
    for channel in 0..3 {
        for y in 0..SIDE as u32 {
            pixels.extend((0..SIDE as u32).map(|x| sheet.get_pixel(left + x, top + y)[channel]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_emoji_has_drawings_of_several_vendors_and_none_is_blank() {
        let header = LIST.lines().next().expect("a header");
        let styles: Vec<&str> = header.split(',').skip(BEFORE_STYLES).collect();
        assert_eq!(styles, STYLES.each_ref().map(|style| style.name));
        let set = ImageSet::emoji(&OpenOptions::default()).expect("the built-in set");
        assert_eq!((set.len(), set.class_names().len()), (10_845, 1_429));
        assert_eq!((set.shape().channels, set.shape().height, set.shape().width), (3, 32, 32));
        let cameras = set.cameras().expect("vendors");
        assert_eq!(set.camera_names().iter().collect::<BTreeSet<_>>().len(), 5);
        let mut of_class: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for sample in 0..set.len() {
            of_class.entry(set.labels()[sample]).or_default().insert(cameras[sample]);
            let pixels = set.read(sample).expect("in memory");
            assert!(pixels.iter().any(|value| *value != pixels[0]), "{} is blank", set.sample_id(sample));
            let name = set.sample_id(sample);
            let class = &set.class_names()[set.labels()[sample] as usize];
            assert!(name.starts_with(&format!("{class}/")), "{name}");
            assert!(names.insert(name), "a drawing twice");
        }
        assert!(of_class.values().all(|vendors| vendors.len() >= 2), "a class of a single vendor");
        // A known drawing: the heart of Noto is red in the middle and white in the corner.
        let heart =
            (0..set.len()).find(|sample| set.sample_id(*sample) == "red-heart/noto.png").expect("a heart");
        let pixels = set.read(heart).expect("in memory");
        let at = |channel: usize, y: usize, x: usize| pixels[channel * SIDE * SIDE + y * SIDE + x];
        assert_eq!([at(0, 0, 0), at(1, 0, 0), at(2, 0, 0)], [255; 3]);
        assert!(at(0, 14, 16) > 150 && at(1, 14, 16) < 100 && at(2, 14, 16) < 100);
    }
}
