//! Embeds images with an exported model and tract, without any code of widemargin.
//!
//!     widemargin export --model runs/fashion -o fashion.onnx
//!     embed_with_tract fashion.onnx a.png b.png
//!
//! Prints one line per image: its name and the cosine with the first image.

use image::DynamicImage;
use image::imageops::FilterType;
use tract_onnx::prelude::*;

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("expected MODEL.onnx IMAGE...")?;

    // The metadata of the file describes the preprocessing that is not in the graph.
    let about = tract_onnx::onnx().proto_model_for_path(&file)?;
    let about = about.metadata_props.iter().find(|entry| entry.key == "widemargin");
    let about: serde_json::Value =
        serde_json::from_str(&about.ok_or("the file has no widemargin metadata")?.value)?;
    if about["input"]["resize"] != "stretch" {
        return Err("the model was trained on padded or cropped images; this example only stretches".into());
    }
    let side = |name: &str| about["input"][name].as_u64().ok_or("the model does not take images");
    let (channels, height, width) = (side("channels")?, side("height")?, side("width")?);

    let model = tract_onnx::onnx().model_for_path(&file)?.into_optimized()?.into_runnable()?;
    let mut first: Option<Vec<f32>> = None;
    for path in arguments {
        // Opaque images of 8 bits. Others first need the steps that `background` and `depth` in the metadata describe.
        let image = image::open(&path)?;
        let image: DynamicImage =
            if channels == 1 { image.to_luma8().into() } else { image.to_rgb8().into() };
        let image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
        let pixels = image.into_bytes();
        // [height, width, channels] to [1, channels, height, width], values from 0 to 255
        let [channels, height, width] = [channels, height, width].map(|length| length as usize);
        let input = tract_ndarray::Array4::from_shape_fn((1, channels, height, width), |(_, c, y, x)| {
            f32::from(pixels[(y * width + x) * channels + c])
        });
        let output = model.run(tvec!(Tensor::from(input).into()))?;
        let embedding: Vec<f32> = output[0].to_plain_array_view::<f32>()?.iter().copied().collect();
        let first = first.get_or_insert_with(|| embedding.clone());
        let cosine: f32 = first.iter().zip(&embedding).map(|(a, b)| a * b).sum();
        println!("{path}\t{cosine:.5}");
    }
    Ok(())
}
