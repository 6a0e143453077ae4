//! `widemargin export`: writes a trained model as an ONNX file.

use crate::calibration::SavedCalibration;
use crate::loaded;
use crate::say::{results, say, shown};
use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_durable::check_file;
use widemargin_onnx::{Calibration, Input, Metadata};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin export --model runs/mine -o mine.onnx\n  widemargin export --model runs/mine --flip -o flipped.onnx --json"
)]
pub(crate) struct ExportArguments {
    /// Trained model: the folder of a finished run, or a model.safetensors
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// ONNX file to write; its name must end in .onnx
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Calibration file to store in the model [default: calibration.json of the run, if it has one]
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Average the embeddings of each image and its mirror image in the graph, which then takes twice as long
    #[arg(long)]
    flip: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    bytes: usize,
    metadata: Metadata,
}

pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<ExitCode> {
    let file = &arguments.out;
    let ending = file.extension().is_some_and(|ending| ending == "onnx");
    ensure!(ending, "--out: found {}, expected a name that ends in .onnx", file.display());
    ensure!(
        std::fs::symlink_metadata(file).is_err(),
        "{}: already exists; choose another name with --out",
        file.display()
    );
    check_file(file)?;
    let (model, unfinished) = loaded::load(&arguments.model, arguments.flip)?;
    if let Some(warning) = unfinished {
        say!("warning: {warning}");
    }
    let saved = SavedCalibration::of_model(&model, &arguments.model, arguments.calibration.as_deref())?;
    if let Some(templates) = saved.as_ref().and_then(|saved| saved.templates) {
        bail!(
            "--calibration: a calibration of templates (--templates {templates}), expected one of single embeddings, which the exported model computes"
        );
    }
    for warning in saved.iter().flat_map(|saved| &saved.warnings) {
        say!("warning: calibration: {warning}");
    }
    let fits = saved.as_ref().is_none_or(|saved| saved.fits(&model));
    ensure!(
        fits || arguments.calibration.is_none(),
        "--calibration: found one of embeddings that were made {} --flip, expected one of those that the exported model computes: embed with the same \
         flags, and calibrate with `eval calibrate`",
        if arguments.flip { "without" } else { "with" }
    );
    // A threshold of other embeddings would be used by programs that cannot know that it does not hold.
    let calibration = saved.filter(|_| fits).map(|saved| Calibration {
        threshold: saved.threshold,
        slope: saved.calibration.slope(),
        offset: saved.calibration.offset(),
        warnings: saved.warnings,
    });
    let bytes = widemargin_onnx::write(file, &model, calibration.clone())?;
    let metadata = widemargin_onnx::metadata(&model, calibration.clone());
    let mut out = results();
    if arguments.json {
        let written = Written { file: file.clone(), bytes, metadata };
        writeln!(out, "{}", serde_json::to_string(&written).context("writing the summary")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}: {}, {:.1} MB", shown(file), metadata.backbone, bytes as f64 / 1e6)?;
    match &metadata.input {
        Input::Images { name, channels, height, width, colour, .. } => writeln!(
            out,
            "input {name}: [batch, {channels}, {height}, {width}], {colour} values from 0 to 255, resized to this shape"
        )?,
        Input::Vectors { name, dimension, .. } => {
            writeln!(out, "input {name}: [batch, {dimension}], not normalised")?;
        }
    }
    let output = &metadata.output;
    let flip = if output.flip { ", averaged over the image and its mirror image" } else { "" };
    writeln!(out, "output {}: [batch, {}], each row of length one{flip}", output.name, output.dimension)?;
    match calibration {
        Some(found) => writeln!(out, "same if cosine >= {:.4}", found.threshold)?,
        None if !fits => writeln!(
            out,
            "the calibration of the run is not one of such embeddings, so the file contains no threshold; to add one: embed --flip, eval calibrate, and \
             export --calibration"
        )?,
        None => writeln!(out, "the model has no calibration.json, so the file contains no threshold")?,
    }
    Ok(ExitCode::SUCCESS)
}
