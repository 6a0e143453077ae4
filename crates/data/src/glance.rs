//! A look at some images of a source, before a size is chosen for all of them.

use std::path::Path;

use crate::census::info::Spread;
use crate::parallel::map_positions;
use crate::sources::folder_options::FolderOptions;
use crate::sources::listing::Listing;
use crate::sources::source::{Source, SourceKind};
use crate::{ImageShape, Preprocessing, Result};

/// Most images that are decoded: enough for a median, and a second of work at most.
const LOOKED_AT: usize = 256;

/// Shape at which colours are judged.
const SMALL: ImageShape = ImageShape { channels: 3, height: 24, width: 24 };

/// A pixel has a colour if its channels differ by more than this: JPEG gives grey images differences of a few levels.
const COLOUR: u8 = 24;

/// An image has colours if one pixel in so many has one.
const COLOURED_PIXELS: usize = 50;

/// What some images of a source look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// Number of images of the source, damaged ones included.
    pub images: usize,
    /// Number of images that were decoded; at least 1.
    pub looked_at: usize,
    /// Their widths in pixels.
    pub width: Spread,
    /// Their heights in pixels.
    pub height: Spread,
    /// The median of their height divided by their width.
    pub ratio: f64,
    /// Number of those with colours; the others are grey, whatever the mode of their files.
    pub coloured: usize,
}

impl Glance {
    /// Looks at up to 256 images at `path`, spread evenly over the source. `None` for IDX files and tables, whose samples have one shape, and if
    /// no image can be decoded, which the reader of the set reports.
    ///
    /// # Errors
    /// Those of listing the source.
    pub fn at(
        path: impl AsRef<Path>,
        folders: FolderOptions,
        preprocessing: &Preprocessing,
    ) -> Result<Option<Self>> {
        let source = Source::detect(path)?;
        if matches!(source.kind(), SourceKind::Idx | SourceKind::Table) {
            return Ok(None);
        }
        let listing = Listing::open(&source, folders)?;
        let count = listing.len().min(LOOKED_AT);
        let looks = map_positions(0, count, |at| {
            // Spread evenly: images of one class are next to each other.
            let (pixels, properties) =
                listing.decode(at * listing.len() / count, SMALL, preprocessing).ok()?;
            Some((u64::from(properties.width), u64::from(properties.height), is_coloured(&pixels)))
        });
        let looks: Vec<(u64, u64, bool)> = looks.into_iter().flatten().collect();
        let spreads =
            Spread::of(looks.iter().map(|look| look.0)).zip(Spread::of(looks.iter().map(|look| look.1)));
        let Some((width, height)) = spreads else { return Ok(None) };
        let mut ratios: Vec<f64> =
            looks.iter().map(|(width, height, _)| *height as f64 / *width as f64).collect();
        ratios.sort_by(f64::total_cmp);
        Ok(Some(Self {
            images: listing.len(),
            looked_at: looks.len(),
            width,
            height,
            ratio: ratios[ratios.len() / 2],
            coloured: looks.iter().filter(|look| look.2).count(),
        }))
    }
}

/// Whether an image of three planes has colours.
fn is_coloured(pixels: &[u8]) -> bool {
    let plane = SMALL.plane();
    let (red, rest) = pixels.split_at(plane);
    let (green, blue) = rest.split_at(plane);
    let coloured = red.iter().zip(green).zip(blue).filter(|((red, green), blue)| {
        let (red, green, blue) = (**red, **green, **blue);
        red.max(green).max(blue) - red.min(green).min(blue) > COLOUR
    });
    coloured.count() * COLOURED_PIXELS >= plane
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    #[test]
    fn sizes_and_colours_are_those_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).expect("created");
        }
        let at = |name: &str| folder.path().join(name);
        GrayImage::from_fn(20, 40, |x, _| Luma([x as u8 * 9])).save(at("a/grey.png")).expect("written");
        // Grey, although its file has three channels.
        RgbImage::from_fn(30, 60, |x, _| Rgb([x as u8 * 4; 3])).save(at("a/three.png")).expect("written");
        RgbImage::from_fn(90, 90, |x, _| Rgb([x as u8, 200, 30])).save(at("b/colour.png")).expect("written");
        crate::testing::put(at("b/broken.png"), b"no image");
        let look = || Glance::at(folder.path(), FolderOptions::default(), &Preprocessing::default());
        let found = look().expect("listed").expect("images");
        assert_eq!((found.images, found.looked_at, found.coloured), (4, 3, 1));
        assert_eq!((found.width.min, found.width.median, found.width.max), (20, 30, 90));
        assert_eq!(found.height.median, 60);
        assert!((found.ratio - 2.0).abs() < 1e-9, "{}", found.ratio);
        for name in ["a/grey.png", "a/three.png", "b/colour.png"] {
            std::fs::remove_file(at(name)).expect("removed");
        }
        assert_eq!(look().expect("listed"), None);
    }
}
