//! Images with their nearest neighbours.
//!
//! Each row shows a query and its neighbours, nearest first. Neighbours of the same class and of other classes differ in colour,
//! border style and a mark. Images are embedded, so the page needs no other files.

use base64::Engine;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::error::{Error, Result};
use crate::text::{add, escape, fixed};

/// An image to show: checked and encoded as a PNG data URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    data_uri: String,
}

impl Image {
    /// Encodes `pixels`, bytes of shape `[channels, height, width]`, with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
    ///
    /// # Errors
    /// [`Error::ImageShape`] if the bytes do not match the shape, [`Error::ImageEncoding`] if the PNG encoder fails.
    pub fn new(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Result<Self> {
        let wrong_shape = || Error::ImageShape { channels, height, width, found: pixels.len() };
        let colour = match channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            4 => ExtendedColorType::Rgba8,
            _ => return Err(wrong_shape()),
        };
        let plane = height.checked_mul(width).filter(|&plane| plane > 0).ok_or_else(wrong_shape)?;
        if plane.checked_mul(channels) != Some(pixels.len()) {
            return Err(wrong_shape());
        }
        let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(wrong_shape());
        };
        // PNG stores the channels of a pixel together.
        let interleaved: Vec<u8> = (0..plane)
            .flat_map(|at| (0..channels).map(move |channel| pixels[channel * plane + at]))
            .collect();
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&interleaved, columns, rows, colour)
            .map_err(|source| Error::ImageEncoding { height, width, source })?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(png);
        Ok(Self { data_uri: format!("data:image/png;base64,{encoded}") })
    }

    /// The image as a `data:` URI.
    pub fn data_uri(&self) -> &str {
        &self.data_uri
    }
}

/// A neighbour of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundNeighbour {
    /// The image of the neighbour.
    pub image: Image,
    /// Name of its class.
    pub class: String,
    /// Its cosine with the query.
    pub cosine: f64,
    /// Whether its class is that of the query.
    pub same_class: bool,
}

/// A query and its neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourRow {
    /// The image of the query.
    pub query: Image,
    /// Name of its class.
    pub query_class: String,
    /// Its neighbours, nearest first.
    pub neighbours: Vec<FoundNeighbour>,
}

/// The rows as HTML, for a page with [`STYLE`].
pub fn rows(rows: &[NeighbourRow]) -> String {
    if rows.is_empty() {
        return "<p class=\"no-data\">no data</p>\n".to_owned();
    }
    let mut html = String::from("<div class=\"neighbours\">\n");
    for row in rows {
        html.push_str("<div class=\"neighbour-row\">\n");
        cell(&mut html, "query", &row.query, &row.query_class, "query", "query");
        for neighbour in &row.neighbours {
            let (kind, mark, verdict) = if neighbour.same_class {
                ("right", "✓", "same class")
            } else {
                ("wrong", "✗", "other class")
            };
            let note = format!("{mark} {}", fixed(neighbour.cosine, 3));
            cell(&mut html, kind, &neighbour.image, &neighbour.class, &note, verdict);
        }
        html.push_str("</div>\n");
    }
    html.push_str("</div>\n");
    html
}

fn cell(html: &mut String, kind: &str, image: &Image, class: &str, note: &str, verdict: &str) {
    let class = escape(class);
    let figure = format_args!(
        "<figure class=\"neighbour {kind}\"><img src=\"{}\" alt=\"{class}, {verdict}\"><figcaption><span \
         title=\"{class}\">{class}</span><b>{}</b></figcaption></figure>\n",
        image.data_uri,
        escape(note)
    );
    add(html, figure);
}

/// Style sheet of the rows; the colours are those of the figures.
pub const STYLE: &str = r"
.neighbours{overflow-x:auto}
.neighbour-row{display:flex;gap:.5rem;padding:.45rem 0;border-bottom:1px solid var(--wm-grid,#dfe3e8);width:max-content;min-width:100%;break-inside:avoid}
.neighbour-row:last-child{border-bottom:0}
.neighbour{margin:0;width:4.9rem;flex:none;font-size:.78rem;line-height:1.3}
.neighbour img{display:block;width:4.9rem;height:4.9rem;object-fit:contain;image-rendering:pixelated;border:3px solid var(--wm-muted,#596273);border-radius:6px;background:#000;box-sizing:border-box}
.neighbour.query{margin-right:.7rem}
.neighbour.right img{border-color:var(--wm-2,#009E73)}
.neighbour.wrong img{border-color:var(--wm-3,#D55E00);border-style:dashed}
.neighbour figcaption{margin:.2rem 0 0;text-align:center;color:inherit}
.neighbour span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.neighbour b{font-weight:500;color:var(--wm-muted,#596273);font-variant-numeric:tabular-nums}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_image_can_be_decoded() {
        // Red, green / blue, white; channel by channel.
        let pixels = [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255];
        let image = Image::new(3, 2, 2, &pixels).unwrap();
        let encoded = image.data_uri().strip_prefix("data:image/png;base64,").unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        let decoded = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (2, 2));
        assert_eq!(decoded.into_raw(), [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
        assert!(Image::new(1, 28, 28, &[7; 784]).is_ok());
        assert!(Image::new(4, 1, 1, &[7; 4]).is_ok());
    }

    #[test]
    fn wrong_shapes_are_errors() {
        for (channels, height, width, bytes) in
            [(2, 2, 2, 8), (3, 2, 2, 11), (1, 0, 2, 0), (1, 2, 0, 0), (0, 1, 1, 0), (3, usize::MAX, 2, 6)]
        {
            let error = Image::new(channels, height, width, &vec![0; bytes]).unwrap_err();
            assert!(matches!(error, Error::ImageShape { found, .. } if found == bytes), "{error}");
        }
    }

    #[test]
    fn right_and_wrong_differ_and_names_are_escaped() {
        let image = Image::new(1, 1, 1, &[9]).unwrap();
        let neighbour = |class: &str, cosine, same_class| FoundNeighbour {
            image: image.clone(),
            class: class.to_owned(),
            cosine,
            same_class,
        };
        let row = NeighbourRow {
            query: image.clone(),
            query_class: "<script>alert(1)</script>".to_owned(),
            neighbours: vec![neighbour("bag", 0.91234, true), neighbour("\" onload=\"x", f64::NAN, false)],
        };
        let html = rows(&[row]);
        assert!(!html.contains("<script") && !html.contains("\" onload=\"x"));
        assert!(html.contains("&lt;script&gt;"));
        assert_eq!(
            (html.matches("neighbour right").count(), html.matches("neighbour wrong").count()),
            (1, 1)
        );
        assert!(html.contains("✓ 0.912") && html.contains("✗ –") && !html.contains("NaN"));
        assert!(rows(&[]).contains("no data"));
    }
}
