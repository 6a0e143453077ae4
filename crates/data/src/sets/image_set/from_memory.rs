//! Builds an [`ImageSet`] without files: from pixels that are already in memory, or from a function that makes them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ImageSet, Made, OpenOptions, PixelStore};
use crate::catalogue::sorted_names;
use crate::copies::{copies, renumbered};
use crate::decode::ContentDigest;
use crate::digest::digest;
use crate::hold_out::{self, Drawing};
use crate::parallel::map_positions;
use crate::part::PartsFrom;
use crate::{Catalogue, Error, Part, Result};

impl ImageSet {
    /// Builds a set from images in memory: `pixels` `[images, channels, height, width]` of the shape in `options`, and the name of
    /// each image's class.
    ///
    /// `options.hold_out` and `options.seed` choose the test images, as for an image folder; the other options do not apply.
    /// Training images are numbered first; within each part the order stays the same.
    ///
    /// # Errors
    /// [`Error::NoSamples`] for no images; [`Error::Length`] if `pixels` does not have the length that shape and classes give;
    /// [`Error::OnlyOneClass`]; [`Error::Setting`] for options out of range.
    pub fn from_pixels(
        name: &str,
        pixels: &[u8],
        classes: &[impl AsRef<str>],
        options: &OpenOptions,
    ) -> Result<Self> {
        Self::from_pixels_in_order(name, pixels, classes, options).map(|(set, _)| set)
    }

    /// As [`from_pixels`](Self::from_pixels), and for each sample, which of the images it is.
    pub(crate) fn from_pixels_in_order(
        name: &str,
        pixels: &[u8],
        classes: &[impl AsRef<str>],
        options: &OpenOptions,
    ) -> Result<(Self, Vec<usize>)> {
        options.validate()?;
        require_images(classes)?;
        let values = options.shape().values();
        if pixels.len() != classes.len() * values {
            let (found, expected) = (pixels.len(), classes.len() * values);
            return Err(Error::Length { what: "values of the images", found, expected });
        }
        let contents = pixels.chunks_exact(values).map(|image| ContentDigest::of([image]));
        let (set, order) = Self::without_files(name, classes, options, contents);
        let pixels = order.iter().flat_map(|image| &pixels[image * values..][..values]).copied().collect();
        Ok((Self { store: PixelStore::Block(pixels), ..set }.checked(Path::new(name))?, order))
    }

    /// Builds a set from a function: `make(i)` returns the bytes of image `i`, `[channels, height, width]` of the shape in `options`, or says why it
    /// cannot; `classes` has the name of each image's class.
    ///
    /// Every image is made once here, to find identical ones, and then whenever a batch has it, on several threads at once; nothing is kept. The
    /// function must return the same bytes each time. Options and order are those of [`from_pixels`](Self::from_pixels).
    ///
    /// ```
    /// use widemargin_data::{ImageSet, Labelled, OpenOptions};
    ///
    /// let options = OpenOptions { channels: 1, height: 8, width: 8, ..OpenOptions::default() };
    /// let classes: Vec<String> = (0..20).map(|image| format!("class {}", image % 4)).collect();
    /// let set = ImageSet::from_function("drawn", &classes, &options, |image| {
    ///     Ok::<_, std::io::Error>((0..64).map(|at| (at * (image + 1)) as u8).collect())
    /// })?;
    /// assert_eq!((set.len(), set.class_names().len()), (20, 4));
    /// # Ok::<(), widemargin_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadImage`] for an image that cannot be made or has another number of bytes; otherwise those of [`from_pixels`](Self::from_pixels).
    pub fn from_function<Failure: Display>(
        name: &str,
        classes: &[impl AsRef<str>],
        options: &OpenOptions,
        make: impl Fn(usize) -> std::result::Result<Vec<u8>, Failure> + Send + Sync + 'static,
    ) -> Result<Self> {
        options.validate()?;
        require_images(classes)?;
        let values = options.shape().values();
        let of_set = name.to_owned();
        let made = move |image: usize| {
            let wrong = |reason: String| Error::BadImage {
                path: PathBuf::from(format!("{of_set}: image {image}")),
                reason,
            };
            let pixels = make(image).map_err(|failure| wrong(failure.to_string()))?;
            if pixels.len() != values {
                return Err(wrong(format!(
                    "the function returned {} bytes, expected {values}",
                    pixels.len()
                )));
            }
            Ok(pixels)
        };
        let all = map_positions(0, classes.len(), |image| {
            let pixels = made(image)?;
            Ok((ContentDigest::of([&pixels[..]]), digest(&pixels)))
        });
        let (contents, digests): (Vec<_>, Vec<u64>) =
            all.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (set, order) = Self::without_files(name, classes, options, contents.into_iter());
        let digests = order.iter().map(|image| digests[*image]).collect();
        let store = PixelStore::Made(Made { make: Arc::new(made), order });
        Self { store, digests, ..set }.checked(Path::new(name))
    }

    /// A set of images with these classes and contents, without pixels; and for each of its samples, which of the images it is.
    fn without_files(
        name: &str,
        classes: &[impl AsRef<str>],
        options: &OpenOptions,
        contents: impl Iterator<Item = ContentDigest>,
    ) -> (Self, Vec<usize>) {
        let class_names = sorted_names(classes, false);
        let label = |class: &str| class_names.partition_point(|name| name.as_str() < class) as u32;
        let labels: Vec<u32> = classes.iter().map(|class| label(class.as_ref())).collect();
        let copies = copies(contents);
        let classes = labels.iter().copied().map(Some);
        let test = hold_out::by_class(classes, &copies, options.hold_out, (options.seed, Drawing::Train));
        let far_off = hold_out::far_off_by_class(&test, &labels, &copies, (options.hold_out, "images"));
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|image| test[*image]);
        let mut place = vec![0; order.len()];
        for (at, image) in (0..).zip(&order) {
            place[*image] = at;
        }
        let part = |image: &usize| if test[*image] { Part::Test } else { Part::Train };
        let set = Self {
            catalogue: Catalogue {
                name: name.to_owned(),
                labels: order.iter().map(|image| labels[*image]).collect(),
                parts: order.iter().map(part).collect(),
                class_names,
                copies: renumbered(&copies, &place),
                warnings: Vec::new(),
                groups: None,
                cameras: None,
                usual_unseen: None,
                credits: None,
                unusable: Vec::new(),
                far_off,
            },
            shape: options.shape(),
            preprocessing: None,
            endings: BTreeMap::new(),
            store: PixelStore::Block(Vec::new()),
            parts_from: PartsFrom::Drawing,
            files: Vec::new(),
            digests: Vec::new(),
            shards: Vec::new(),
            bad: Vec::new(),
            undecoded: HashMap::new(),
            ignored: 0,
        };
        (set, order)
    }
}

fn require_images(classes: &[impl AsRef<str>]) -> Result<()> {
    if classes.is_empty() { Err(Error::NoSamples { purpose: "build a set from" }) } else { Ok(()) }
}
