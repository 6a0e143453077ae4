//! Renders emoji of several vendors for the built-in data set.
//!
//!     render-emoji PACKAGES OUT
//!
//! PACKAGES has the unpacked npm packages `@iconify-json/...`, one folder each, with the names in [`VENDORS`]. Writes one sheet per vendor,
//! `OUT/VENDOR.webp` (lossless), and `OUT/emoji.csv`, which has a line per class: its code points, its name, and which vendors drew it. The drawing of
//! line n is cell n of each sheet, counted along the rows.

mod classes;
mod copies;
mod drawing;

use anyhow::{Context, Result, ensure};
use classes::Package;
use drawing::{Drawing, SIDE};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The sets, and which vendor drew each: sets of one family are the same drawings in other styles.
const VENDORS: [&str; 9] = [
    "emojione",
    "emojione-monotone",
    "fluent-emoji",
    "fluent-emoji-flat",
    "fluent-emoji-high-contrast",
    "fxemoji",
    "noto",
    "noto-v1",
    "twemoji",
];

/// A class has drawings of at least so many vendors.
const LEAST: usize = 5;

/// Cells per row of a sheet.
const COLUMNS: usize = 40;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [packages, out] = &arguments[..] else { anyhow::bail!("usage: render-emoji PACKAGES OUT") };
    let packages: Vec<Package> =
        VENDORS.iter().map(|vendor| Package::read(&Path::new(packages).join(vendor))).collect::<Result<_>>()?;
    let found = classes::joined(&packages);
    println!("{} code points with drawings", found.len());

    // Class, vendor -> drawing.
    let mut drawings: Vec<BTreeMap<usize, Drawing>> = found
        .par_iter()
        .map(|class| {
            class.icons.iter().filter_map(|(vendor, icon)| Some((*vendor, drawing::render(&packages[*vendor], icon)?))).collect()
        })
        .collect();
    let wanted: usize = found.iter().map(|class| class.icons.len()).sum();
    let rendered: usize = drawings.iter().map(BTreeMap::len).sum();
    println!("{rendered} of {wanted} drawings rendered");

    copies::remove(&found, &mut drawings, VENDORS.len());
    let kept: Vec<usize> = (0..found.len()).filter(|class| drawings[*class].len() >= LEAST).collect();
    let count: usize = kept.iter().map(|class| drawings[*class].len()).sum();
    println!("{} classes with at least {LEAST} drawings: {count} drawings", kept.len());

    let out = Path::new(out);
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut text = format!("code,name,{}\n", VENDORS.join(","));
    for class in &kept {
        let has = (0..VENDORS.len()).map(|vendor| if drawings[*class].contains_key(&vendor) { "1" } else { "0" });
        writeln!(text, "{},{},{}", found[*class].code, found[*class].name, has.collect::<Vec<_>>().join(","))?;
    }
    std::fs::write(out.join("emoji.csv"), text)?;
    for (vendor, name) in VENDORS.iter().enumerate() {
        let rows = kept.len().div_ceil(COLUMNS);
        let mut sheet = vec![255; rows * SIDE * COLUMNS * SIDE * 3];
        for (cell, class) in kept.iter().enumerate() {
            if let Some(drawing) = drawings[*class].get(&vendor) {
                drawing.paste(&mut sheet, COLUMNS, cell);
            }
        }
        let (width, height) = ((COLUMNS * SIDE) as u32, (rows * SIDE) as u32);
        let encoded = webp::Encoder::from_rgb(&sheet, width, height).encode_simple(true, 100.0);
        let encoded = encoded.map_err(|error| anyhow::anyhow!("{name}: {error:?}"))?;
        ensure!(!encoded.is_empty(), "{name}: nothing encoded");
        std::fs::write(out.join(format!("{name}.webp")), &*encoded)?;
        println!("{name}.webp: {} bytes", encoded.len());
    }
    Ok(())
}
