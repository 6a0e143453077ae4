//! The device `wgpu` against the CPU: outputs, gradients and training.

use super::*;
use std::process::Command;
use widemargin_chance::{Purpose, Stream};
use widemargin_data::{ImageSet, OpenOptions};
use widemargin_model::BackboneName;

/// Steps of the training that is compared.
const STEPS: usize = 20;

/// Its learning rate. Training amplifies rounding: at a rate of 0.01, changing the initial weights of `small-cnn` by 1e-6 of their size
/// changes a loss within 20 steps by 18 %.
const RATE: f64 = 1e-4;

/// The change of each initial weight in the control, relative to its size: about what the roundings of a deep network in f32 add up to.
const CHANGE: f64 = 1e-6;

/// Bound of each difference between the devices, as a multiple of what [`CHANGE`] does on the CPU alone.
const MARGIN: f64 = 4.0;

/// Whether there is an adapter. `WIDEMARGIN_WGPU=required` makes a missing one a failure.
fn adapter() -> bool {
    match device::description("wgpu") {
        Ok(description) => {
            println!("{description}");
            true
        }
        Err(error) => {
            let required = std::env::var_os("WIDEMARGIN_WGPU").is_some_and(|value| value == "required");
            assert!(!required, "WIDEMARGIN_WGPU=required, but {error}");
            println!("did not run: {error}");
            false
        }
    }
}

/// Noise around one mean image per class, neither square nor a power of two in size.
fn noise(channels: usize, height: usize, width: usize) -> ImageSet {
    let options = OpenOptions { channels, height, width, ..OpenOptions::default() };
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for class in 0..8 {
        for image in 0..12 {
            let mut mean = Stream::new(1, Purpose::Test, class, 0);
            let mut own = Stream::new(1, Purpose::Test, class, 1 + image);
            for _ in 0..channels * height * width {
                pixels.push((128.0 + 40.0 * mean.normal() + 30.0 * own.normal()) as u8);
            }
            classes.push(class.to_string());
        }
    }
    ImageSet::from_pixels("noise", &pixels, &classes, &options).expect("valid options")
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

fn difference(found: &[f32], expected: &[f32]) -> Vec<f32> {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| found - expected).collect()
}

/// The largest distance of two vectors, relative to the expected one. Vectors much shorter than the longest one (the gradient of a bias
/// before a batch normalisation is rounding) are compared with a hundredth of the longest.
fn largest_difference<'a>(named: impl IntoIterator<Item = (&'a str, Vec<f32>, Vec<f32>)>) -> (f64, &'a str) {
    let named: Vec<_> = named.into_iter().collect();
    let longest = named.iter().map(|(_, _, expected)| norm(expected)).fold(0.0, f64::max);
    assert!(longest > 0.0);
    let relative = named.iter().map(|(name, found, expected)| {
        (norm(&difference(found, expected)) / norm(expected).max(0.01 * longest), *name)
    });
    relative.max_by(|a, b| a.0.total_cmp(&b.0)).expect("at least one")
}

/// What one device computes.
struct Computed {
    /// In inference, and in training.
    embeddings: [Vec<f32>; 2],
    gradients: Vec<Vec<f32>>,
    losses: Vec<f64>,
    before: Vec<Parameter>,
    after: Vec<Parameter>,
}

fn compute(config: &Config, prepared: &Prepared, device: &str, change: f64) -> Computed {
    let mut config = config.clone();
    config.training.device = device.to_owned();
    let mut trainer = Trainer::new(&config, prepared).expect("a valid configuration");
    if change > 0.0 {
        let mut weights = parameters::parameters(&trainer.backbone);
        let mut noise = Stream::new(3, Purpose::Test, 0, 0);
        for value in weights.iter_mut().flat_map(|weights| &mut weights.values) {
            *value = (f64::from(*value) * (1.0 + change * noise.normal())) as f32;
        }
        trainer.backbone =
            parameters::with_parameters(trainer.backbone.clone(), &weights).expect("the same shapes");
    }
    let before = parameters::parameters(&trainer.backbone);
    let mut batches =
        prepared.loader(&config, (0, 0)).expect("batches").map(|batch| batch.expect("in memory"));

    let batch = batches.next().expect("a first one");
    let count = batch.labels.len();
    let pixels = |device: &Device| trainer.tensor(batch.pixels.clone(), count, device);
    let (inner, tracked) = (trainer.device.clone().inner(), &trainer.device);
    let inference = trainer.backbone.valid().forward(pixels(&inner), Pass::Inference);
    let pass = Pass::Training { seed: 5, products: trainer.products };
    let embeddings = trainer.backbone.forward(pixels(tracked), pass);
    let in_training = parameters::host_values(embeddings.clone().inner());
    let mut direction = Stream::new(2, Purpose::Test, 0, 0);
    let direction: Vec<f32> = in_training.iter().map(|_| direction.normal() as f32).collect();
    let gradients = trainer.gradients(embeddings, &direction, &before);

    let losses = batches.take(STEPS).enumerate().map(|(step, batch)| {
        trainer.step(vec![batch], step as u64, RATE, 1.0, |id| id.to_string()).expect("finite").loss
    });
    let losses = losses.collect();
    let after = parameters::parameters(&trainer.backbone);
    Computed {
        embeddings: [parameters::host_values(inference), in_training],
        gradients,
        losses,
        before,
        after,
    }
}

/// The largest relative differences from `expected`, each with its name: of the embeddings in inference and in training, of the gradient
/// of any parameter, of the loss of any of [`STEPS`] steps, and of what these steps added to any parameter or buffer.
fn differences<'a>(found: &Computed, expected: &'a Computed) -> [(&'static str, f64, &'a str); 4] {
    assert_eq!([expected.losses.len(), found.losses.len()], [STEPS; 2]);
    let pairs = |found: &[Vec<f32>], expected: &[Vec<f32>]| {
        found.iter().cloned().zip(expected.iter().cloned()).collect::<Vec<_>>()
    };
    let of_passes = ["inference", "training"].into_iter().zip(pairs(&found.embeddings, &expected.embeddings));
    let (embeddings, pass) =
        largest_difference(of_passes.map(|(name, (found, expected))| (name, found, expected)));

    let learnt = expected.before.iter().filter(|parameter| parameter.role != Role::Buffer);
    let learnt = learnt.map(|parameter| parameter.name.as_str());
    assert_eq!([expected.gradients.len(), found.gradients.len()], [learnt.clone().count(); 2]);
    let of_parameters = learnt.zip(pairs(&found.gradients, &expected.gradients));
    let (gradients, parameter) =
        largest_difference(of_parameters.map(|(name, (found, expected))| (name, found, expected)));

    let losses = found.losses.iter().zip(&expected.losses);
    let losses = losses.map(|(found, expected)| (found - expected).abs() / expected).fold(0.0, f64::max);

    let moved = |computed: &Computed, index: usize| {
        difference(&computed.after[index].values, &computed.before[index].values)
    };
    let movements = expected.before.iter().enumerate();
    let (movements, moving) =
        largest_difference(movements.map(|(i, of)| (of.name.as_str(), moved(found, i), moved(expected, i))));
    [
        ("embeddings", embeddings, pass),
        ("gradients", gradients, parameter),
        ("losses", losses, "steps"),
        ("movements", movements, moving),
    ]
}

/// Compares the devices on small images of `channels` colours.
fn compare(backbone: BackboneName, channels: usize) {
    if !adapter() {
        return;
    }
    let mut config = small();
    config.model.backbone = backbone;
    config.model.dropout = if backbone == BackboneName::Iresnet18 { 0.2 } else { 0.0 };
    config.sampler.batch = 8;
    config.training.limit = 0;
    config.training.epochs = 10;
    config.data.unseen = Some(3);
    let prepared = Prepared::from_set(noise(channels, 22, 18), &config).expect("a valid configuration");
    let cpu = compute(&config, &prepared, "cpu", 0.0);
    let control = differences(&compute(&config, &prepared, "cpu", CHANGE), &cpu);
    let wgpu = compute(&config, &prepared, "wgpu", 0.0);
    assert_eq!(cpu.before, wgpu.before, "both start from the same weights");
    println!("losses from {} to {}", cpu.losses[0], cpu.losses[STEPS - 1]);
    let found = differences(&wgpu, &cpu);
    println!("wgpu {found:?}\ncontrol {control:?}");
    for ((what, found, name), (_, control, _)) in found.into_iter().zip(control) {
        assert!(found <= MARGIN * control, "{what} of {name}: {found}, control {control}");
    }
}

#[test]
fn small_cnn_computes_and_trains_as_on_the_cpu() {
    compare(BackboneName::SmallCnn, 1);
}

#[test]
fn iresnet18_computes_and_trains_as_on_the_cpu() {
    compare(BackboneName::Iresnet18, 3);
}

/// Tells the test below that it runs in a process of its own.
const CHILD: &str = "WIDEMARGIN_TEST_WITHOUT_ADAPTER";

/// With the name of an adapter that does not exist, a machine with adapters is one without. The name is read from the environment, so
/// the test runs again in another process.
#[test]
fn a_missing_adapter_is_an_error() {
    if std::env::var_os(CHILD).is_some() {
        let mut config = small();
        config.training.device = "wgpu".to_owned();
        let error = config.check_device().expect_err("no adapter").to_string();
        assert!(error.starts_with("training.device: device 'wgpu': no adapter of Vulkan"), "{error}");
        assert!(error.contains("use the device cpu"), "{error}");
        let prepared = Prepared::new(&config).expect("built in");
        assert!(Trainer::new(&config, &prepared).is_err(), "the error stays");
        return;
    }
    let name = "trainer::tests::wgpu::a_missing_adapter_is_an_error";
    let program = std::env::current_exe().expect("the program of this test");
    let child = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("CUBECL_WGPU_DEFAULT_DEVICE", "DiscreteGpu(99)")
        .output()
        .expect("starts");
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{child:?}");
}
