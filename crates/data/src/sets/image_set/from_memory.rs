//! Builds an [`ImageSet`] from pixels that are already in memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::{ImageSet, OpenOptions, PixelStore};
use crate::catalogue::sorted_names;
use crate::copies::{copies, renumbered};
use crate::decode::ContentDigest;
use crate::hold_out::{self, Drawing};
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
        options.validate()?;
        let shape = options.shape();
        let values = shape.values();
        if classes.is_empty() {
            return Err(Error::NoSamples { purpose: "build a set from" });
        }
        if pixels.len() != classes.len() * values {
            let (found, expected) = (pixels.len(), classes.len() * values);
            return Err(Error::Length { what: "values of the images", found, expected });
        }
        let class_names = sorted_names(classes, false);
        let label = |class: &str| class_names.partition_point(|name| name.as_str() < class) as u32;
        let labels: Vec<u32> = classes.iter().map(|class| label(class.as_ref())).collect();
        let image = |at: usize| &pixels[at * values..][..values];
        let copies = copies((0..labels.len()).map(|at| ContentDigest::of([image(at)])));
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
                unusable: Vec::new(),
                far_off,
            },
            shape,
            preprocessing: None,
            endings: BTreeMap::new(),
            store: PixelStore::Block(
                order.iter().flat_map(|image| &pixels[image * values..][..values]).copied().collect(),
            ),
            parts_from: PartsFrom::Drawing,
            files: Vec::new(),
            digests: Vec::new(),
            shards: Vec::new(),
            bad: Vec::new(),
            undecoded: HashMap::new(),
            ignored: 0,
        };
        set.checked(Path::new(name))
    }
}
