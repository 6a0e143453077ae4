//! Drawings as pixels.

use crate::classes::Package;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::panic::catch_unwind;

/// Height and width of a drawing.
pub const SIDE: usize = 32;

/// The renderer draws at so many times the side; the mean of the pixels is smoother than its own edges.
const FINER: usize = 4;

/// Red, green and blue of `SIDE` x `SIDE` pixels on a white ground.
#[derive(Clone, PartialEq, Eq)]
pub struct Drawing(Vec<u8>);

impl Drawing {
    /// Mean distance of the values.
    pub fn distance(&self, other: &Self) -> f64 {
        let sum: u64 = self.0.iter().zip(&other.0).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / self.0.len() as f64
    }

    /// Copies it to a cell of a sheet with so many cells per row.
    pub fn paste(&self, sheet: &mut [u8], columns: usize, cell: usize) {
        let (row, column) = (cell / columns * SIDE, cell % columns * SIDE);
        for (line, values) in self.0.chunks_exact(SIDE * 3).enumerate() {
            let start = ((row + line) * columns * SIDE + column) * 3;
            sheet[start..start + SIDE * 3].copy_from_slice(values);
        }
    }
}

/// An icon of a package; `None` if it cannot be drawn, or is blank.
pub fn render(package: &Package, name: &str) -> Option<Drawing> {
    let content = &package.content;
    let icon = &content["icons"][name];
    let body = icon["body"].as_str()?;
    let length = |key: &str, usual: f64| icon[key].as_f64().or_else(|| content[key].as_f64()).unwrap_or(usual);
    let (left, top, width, height) = (length("left", 0.0), length("top", 0.0), length("width", 16.0), length("height", 16.0));
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"{left} {top} {width} {height}\" \
         width=\"{width}\" height=\"{height}\">{body}</svg>"
    );
    // A drawing that the renderer cannot draw is left out.
    let pixmap = catch_unwind(|| {
        let tree = Tree::from_str(&svg, &Options::default()).ok()?;
        let side = (SIDE * FINER) as u32;
        let mut pixmap = Pixmap::new(side, side)?;
        pixmap.fill(Color::WHITE);
        let scale = side as f32 / tree.size().width().max(tree.size().height());
        let shift = |length: f32| (side as f32 - length * scale) / 2.0;
        let transform = Transform::from_scale(scale, scale).post_translate(shift(tree.size().width()), shift(tree.size().height()));
        resvg::render(&tree, transform, &mut pixmap.as_mut());
        Some(pixmap)
    });
    let pixmap = pixmap.ok().flatten()?;
    let pixels = pixmap.pixels();
    let mut values = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let mut sums = [0_usize; 3];
            for at in 0..FINER * FINER {
                let pixel = pixels[(y * FINER + at / FINER) * SIDE * FINER + x * FINER + at % FINER];
                let colours = [pixel.red(), pixel.green(), pixel.blue()];
                sums.iter_mut().zip(colours).for_each(|(sum, colour)| *sum += usize::from(colour));
            }
            values.extend(sums.map(|sum| ((sum + FINER * FINER / 2) / (FINER * FINER)) as u8));
        }
    }
    let is_blank = values.iter().all(|value| *value == values[0]);
    (!is_blank).then_some(Drawing(values))
}
