//! The samples on a page, each once.

use std::collections::BTreeMap;
use widemargin_data::Labelled;
use widemargin_report::Image;
use widemargin_report::page::{ShownPair, ShownSample};
use widemargin_train::Prepared;

/// Longest side of an image on the page, in pixels: sharp at the size of a thumbnail, and a thousand of them have a few megabytes.
const SIDE: u32 = 80;

/// The samples that the page shows so far.
pub(in crate::run) struct Samples<'a> {
    prepared: &'a Prepared,
    /// Where a row of the evaluation set is in `shown`.
    places: BTreeMap<usize, usize>,
    shown: Vec<ShownSample>,
}

impl<'a> Samples<'a> {
    pub(in crate::run) fn new(prepared: &'a Prepared) -> Self {
        Self { prepared, places: BTreeMap::new(), shown: Vec::new() }
    }

    /// The position on the page of a row of the evaluation set, which is added if it is not there.
    pub(super) fn show(&mut self, row: usize) -> anyhow::Result<usize> {
        if let Some(place) = self.places.get(&row) {
            return Ok(*place);
        }
        let set = &self.prepared.set;
        let sample = self.prepared.evaluation_samples()[row] as usize;
        let image = match set.images() {
            Some(images) => {
                let shape = images.shape();
                let pixels = images.read(sample)?;
                Some(Image::thumbnail(shape.channels, shape.height, shape.width, &pixels, SIDE)?)
            }
            None => None,
        };
        let class = self.class(set.labels()[sample]);
        self.shown.push(ShownSample { name: set.sample_id(sample), class, image });
        self.places.insert(row, self.shown.len() - 1);
        Ok(self.shown.len() - 1)
    }

    /// A pair of rows with their cosine.
    pub(super) fn pair(&mut self, first: usize, second: usize, cosine: f64) -> anyhow::Result<ShownPair> {
        Ok(ShownPair { first: self.show(first)?, second: self.show(second)?, cosine })
    }

    /// The name of a class.
    pub(super) fn class(&self, class: u32) -> String {
        self.prepared.set.class_names()[class as usize].clone()
    }

    pub(in crate::run) fn into_shown(self) -> Vec<ShownSample> {
        self.shown
    }
}
