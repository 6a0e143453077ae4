//! `widemargin data emoji`: writes the built-in data set as image files, for other programs and for `embed`.

use crate::say::results;
use anyhow::Context;
use clap::Args;
use image::{ExtendedColorType, ImageFormat};
use rayon::prelude::*;
use std::fmt::Write as _;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{ImageSet, Labelled, OpenOptions};
use widemargin_durable::FolderWriter;

/// Origin and licences of the drawings, which travel with them.
const LICENCES: &str = include_str!("../../../../data/emoji/README.md");

/// Images that are encoded between two writes.
const CHUNK: usize = 512;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin data emoji -o emoji\n  widemargin train --data emoji/emoji.csv --across-cameras --unseen 357"
)]
pub(crate) struct EmojiArguments {
    /// Folder for the data set; must not exist
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &EmojiArguments) -> anyhow::Result<ExitCode> {
    let writer = FolderWriter::create(&arguments.out)?;
    let set = ImageSet::emoji(&OpenOptions::default())?;
    // In the order of the names, so that the files do not depend on which samples would be held out.
    let mut samples: Vec<usize> = (0..set.len()).collect();
    samples.sort_by_key(|sample| set.sample_id(*sample));
    let mut list = "path,label,camera\n".to_owned();
    for part in samples.chunks(CHUNK) {
        let encoded: Vec<Vec<u8>> =
            part.par_iter().map(|sample| png(&set, *sample)).collect::<anyhow::Result<_>>()?;
        for (sample, bytes) in part.iter().zip(encoded) {
            let path = set.sample_id(*sample);
            let class = &set.class_names()[set.labels()[*sample] as usize];
            let camera = set.cameras().map_or("", |cameras| &set.camera_names()[cameras[*sample] as usize]);
            writeln!(list, "{path},{class},{camera}")?;
            writer.write_below(&path, &bytes)?;
        }
    }
    writer.write("emoji.csv", list.as_bytes())?;
    writer.write("README.md", LICENCES.as_bytes())?;
    writer.commit()?;
    writeln!(
        results(),
        "{}: {} drawings of {} emoji, listed in emoji.csv; README.md has their origin and licences",
        arguments.out.display(),
        set.len(),
        set.class_names().len()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A sample as a PNG file.
fn png(set: &ImageSet, sample: usize) -> anyhow::Result<Vec<u8>> {
    let (shape, pixels) = (set.shape(), set.read(sample)?);
    let interleaved: Vec<u8> = (0..shape.plane())
        .flat_map(|at| (0..shape.channels).map(move |channel| channel * shape.plane() + at))
        .map(|at| pixels[at])
        .collect();
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (shape.width as u32, shape.height as u32);
    image::write_buffer_with_format(
        &mut bytes,
        &interleaved,
        width,
        height,
        ExtendedColorType::Rgb8,
        ImageFormat::Png,
    )
    .with_context(|| set.sample_id(sample))?;
    Ok(bytes.into_inner())
}
