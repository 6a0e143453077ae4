//! PyTorch weights compared with PyTorch's output, and files that do not fit.

use std::io::Write;

use super::*;
use crate::{BackboneConfig, ImageShape, Pass};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::serialize;

/// The output of `fixtures/make_embeddings.py`: PyTorch's embeddings for the weights and images of [`values`].
const FIXTURE: &str = include_str!("../../fixtures/embeddings.csv");

/// Its output with `--names`: one line per network, `name,tensors,values,hash of names and shapes`.
const NAMES: &str = include_str!("../../fixtures/names.csv");

const NETWORKS: [BackboneName; 6] = [
    BackboneName::Iresnet18,
    BackboneName::Iresnet34,
    BackboneName::Iresnet50,
    BackboneName::Resnet18,
    BackboneName::Resnet34,
    BackboneName::Resnet50,
];

/// Networks with 43 to 106 million parameters each.
const DEEP: [BackboneName; 4] =
    [BackboneName::Iresnet100, BackboneName::Iresnet200, BackboneName::Resnet101, BackboneName::Resnet152];

/// Relative to the largest value, for two implementations of 18 to 200 layers in `f32`.
const TOLERANCE: f32 = 1e-4;

/// Shape of the fixture's images, and the embedding dimension.
const SHAPE: [usize; 4] = [2, 3, 40, 33];
const EMBEDDING: usize = 8;

/// 64-bit FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A value in -1..1 that depends only on the name's hash and the position, as in the script of the fixture.
fn value(hash: u64, at: usize) -> f32 {
    let mut z = hash.wrapping_add((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn values(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let hash = fnv(name);
    (0..count).map(move |at| value(hash, at))
}

/// The weights of the fixture for PyTorch's name and shape.
fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let field = name.rsplit('.').next().unwrap_or(name);
    match (field, shape.len()) {
        _ if name == FIXED => vec![1.0; count],
        ("running_var", _) => values(name, count).map(|value| 1.0 + 0.5 * value).collect(),
        ("weight", 1) if name.contains("prelu") => {
            values(name, count).map(|value| 0.25 + 0.125 * value).collect()
        }
        ("weight", 1) => values(name, count).map(|value| 1.0 + 0.25 * value).collect(),
        ("weight", _) => {
            let inputs: usize = shape[1..].iter().product();
            let bound = (3.0 / inputs as f64).sqrt() as f32;
            values(name, count).map(|value| bound * value).collect()
        }
        _ => values(name, count).map(|value| 0.125 * value).collect(),
    }
}

fn config(name: BackboneName) -> BackboneConfig {
    let input = ImageShape { channels: SHAPE[1], height: SHAPE[2], width: SHAPE[3] };
    BackboneConfig { name, input, embedding: EMBEDDING, dropout: 0.1, hidden: Vec::new() }
}

fn backbone(config: &BackboneConfig) -> Backbone {
    Backbone::new(config, 1, &Device::flex()).expect("valid")
}

/// Names, shapes and values in PyTorch's layout.
type File = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Names and shapes of PyTorch's `state_dict` for such a backbone.
fn usual_shapes(config: &BackboneConfig) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::new();
    let empty = Backbone::empty(config, &Device::flex()).expect("valid");
    for parameter in parameters::parameters(&empty) {
        let name = usual_name(config.name, &parameter.name).expect("a network with usual names");
        let shape = file_shape(&parameter.shape, true);
        assert!(shapes.insert(name, shape).is_none(), "{} has a unique name", parameter.name);
    }
    if config.name.is_iresnet() {
        shapes.insert(FIXED.to_owned(), vec![config.embedding]);
    }
    shapes
}

/// PyTorch's `state_dict` for such a backbone.
fn usual_file(config: &BackboneConfig) -> File {
    let shapes = usual_shapes(config).into_iter();
    shapes.map(|(name, shape)| (name.clone(), (shape.clone(), weights(&name, &shape)))).collect()
}

fn bytes_of(file: &File, dtype: Dtype) -> Vec<u8> {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, (shape, values)) in file {
        let bytes = match dtype {
            Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Dtype::F64 => values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
        };
        tensors.push((name.clone(), dtype, shape.clone(), bytes));
        if let Some(layer) = name.strip_suffix("running_mean") {
            tensors.push((format!("{layer}{COUNT}"), Dtype::I64, vec![], 7i64.to_le_bytes().to_vec()));
        }
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).expect("as long as its shape"))
    });
    serialize(views, None).expect("serialises")
}

fn fitted(file: &File, config: &BackboneConfig) -> Result<(Backbone, Option<String>), String> {
    let weights = Weights::parse(Path::new("w.safetensors"), &bytes_of(file, Dtype::F32))?;
    weights.into_backbone(config.name, backbone(config)).map_err(|error| error.to_string())
}

fn embed(backbone: &Backbone) -> Vec<f32> {
    // The name must be the one in the script of the fixture.
    let images: Vec<f32> = values("pictures", SHAPE.iter().product()).collect();
    let images = Tensor::from_data(TensorData::new(images, SHAPE), &Device::flex());
    parameters::host_values(backbone.forward(images, Pass::Inference))
}

/// Compares each network's embeddings with PyTorch's in the fixture.
fn compare_with_pytorch(networks: &[BackboneName]) {
    let mut checked = 0;
    for &name in networks {
        let config = config(name);
        let (backbone, left_out) = fitted(&usual_file(&config), &config).expect("fits");
        assert_eq!(left_out, None);
        let found = embed(&backbone);
        let rows = FIXTURE.lines().filter_map(|line| line.strip_prefix(&format!("{name},")));
        let expected: Vec<f32> =
            rows.flat_map(|row| row.split(',').map(|text| text.parse().expect("a number"))).collect();
        assert_eq!(expected.len(), SHAPE[0] * EMBEDDING, "{name} is in the fixture");
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= TOLERANCE * largest,
                "{name}: {found}, PyTorch has {expected}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, networks.len() * SHAPE[0] * EMBEDDING);
}

#[test]
fn every_network_gives_the_output_of_pytorch() {
    compare_with_pytorch(&NETWORKS);
}

/// Needs 20 seconds and 2 GB, so it runs only where `WIDEMARGIN_DEEP_NETWORKS` is set, as `.ci/run` does.
#[test]
fn deep_networks_give_the_output_of_pytorch() {
    if std::env::var_os("WIDEMARGIN_DEEP_NETWORKS").is_none() {
        let said =
            "not run: the weights of the deepest networks, because WIDEMARGIN_DEEP_NETWORKS is not set";
        #[expect(
            clippy::disallowed_methods,
            reason = "past the test harness, which shows the output of failed tests only"
        )]
        writeln!(std::io::stderr(), "{said}").expect("standard error takes text");
        return;
    }
    compare_with_pytorch(&DEEP);
}

#[test]
fn every_network_has_the_names_and_shapes_of_pytorch() {
    let mut checked = 0;
    for name in NETWORKS.into_iter().chain(DEEP) {
        let shapes = usual_shapes(&config(name));
        let count: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
        let lines = shapes.iter().map(|(name, shape)| {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("{name} {}\n", shape.join("x"))
        });
        let list = lines.collect::<Vec<String>>().concat();
        let found = format!("{name},{},{count},{:016x}", shapes.len(), fnv(&list));
        assert!(NAMES.lines().any(|line| line == found), "{found}; expected as in names.csv, from:\n{list}");
        checked += 1;
    }
    assert_eq!((checked, NAMES.lines().count()), (10, 10));
}

/// The smallest normal `f16`, rounded up.
const LEAST_NORMAL: f32 = 6.2e-5;

#[test]
fn other_number_types_are_read() {
    let config = config(BackboneName::Resnet18);
    let file = usual_file(&config);
    let exact = fitted(&file, &config).expect("fits").0;
    for (dtype, step) in [(Dtype::F64, 0.0), (Dtype::F16, 2.0_f32.powi(-11)), (Dtype::BF16, 2.0_f32.powi(-8))]
    {
        let read = Weights::parse(Path::new("w"), &bytes_of(&file, dtype)).expect("read");
        let (read, _) = read.into_backbone(config.name, backbone(&config)).expect("fits");
        for (a, b) in parameters::parameters(&exact).iter().zip(parameters::parameters(&read)) {
            let near = a
                .values
                .iter()
                .zip(&b.values)
                .all(|(a, b)| (a - b).abs() <= step * a.abs().max(LEAST_NORMAL));
            assert!(near, "{dtype:?}: {}", a.name);
        }
    }
}

#[test]
fn a_last_layer_of_another_size_is_not_loaded_but_reported() {
    for (name, said) in [
        (
            BackboneName::Resnet50,
            "fc.weight is [1000, 2048], expected [8, 2048], fc.bias is [1000], expected [8]",
        ),
        (BackboneName::Iresnet18, "fc.weight is [1000, 4608], expected [8, 4608]"),
    ] {
        let config = config(name);
        let file = usual_file(&BackboneConfig { embedding: 1000, ..config.clone() });
        let (found, left_out) = fitted(&file, &config).expect("fits but for the last layer");
        let left_out = left_out.expect("said");
        assert!(left_out.contains("keeps its random weights") && left_out.contains(said), "{left_out}");
        let (whole, _) = fitted(&usual_file(&config), &config).expect("fits");
        let parts = [&found, &whole, &backbone(&config)].map(parameters::parameters);
        for (at, parameter) in parts[0].iter().enumerate() {
            let expected = if is_last(&parameter.name) { &parts[2][at] } else { &parts[1][at] };
            assert_eq!(parameter, expected);
        }
    }
    // Images of a different size change only the last layer of an iresnet.
    let config = config(BackboneName::Iresnet18);
    let larger = ImageShape { channels: 3, height: 64, width: 64 };
    let file = usual_file(&BackboneConfig { input: larger, ..config.clone() });
    assert!(fitted(&file, &config).expect("fits").1.expect("said").contains("fc.weight"));
}

#[test]
fn names_that_do_not_fit_are_listed() {
    let config = config(BackboneName::Iresnet18);
    let good = usual_file(&config);
    let rejected = |change: &dyn Fn(&mut File)| {
        let mut file = good.clone();
        change(&mut file);
        fitted(&file, &config).expect_err("does not fit")
    };
    let error = rejected(&|file| {
        file.retain(|name, _| !name.starts_with("layer3"));
        file.insert("layer5.0.conv1.weight".to_owned(), (vec![1], vec![0.0]));
        file.insert("conv1.weight".to_owned(), (vec![64, 3, 7, 7], vec![0.0; 64 * 147]));
    });
    for part in [
        "w.safetensors: does not fit iresnet18: missing layer3.0.bn1.weight, layer3.0.bn1.bias, ",
        " more; unknown layer5.0.conv1.weight; ",
        "of another shape conv1.weight is [64, 3, 7, 7], expected [64, 3, 3, 3]",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = rejected(&|file| drop(file.remove("fc.bias")));
    assert!(error.ends_with("missing fc.bias"), "{error}");
    let error = rejected(&|file| file.get_mut(FIXED).expect("there").1[3] = 2.0);
    assert!(error.contains("features.weight, value 3"), "{error}");
    let error = rejected(&|file| file.get_mut("bn1.bias").expect("there").1[3] = f32::NAN);
    assert!(error.contains("'bn1.bias', value 3: found NaN"), "{error}");
    let linear = BackboneConfig { name: BackboneName::Linear, ..config.clone() };
    let error = fitted(&good, &linear).expect_err("no usual names");
    assert!(error.contains("model.safetensors"), "{error}");
}

#[test]
fn a_pickle_is_recognised_and_damage_is_an_error() {
    let parse = |bytes: &[u8]| Weights::parse(Path::new("w"), bytes).map(|_| ());
    for start in [&b"PK\x03\x04rest"[..], &[0x80, 0x02, b'}']] {
        let error = parse(start).expect_err("never read");
        assert!(error.contains("pickle") && error.contains("save_file"), "{error}");
    }
    let whole = tensors_of_one();
    parse(&whole).expect("good");
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "{length}");
    }
    let missing = Weights::read("there/is/none.safetensors").expect_err("no file").to_string();
    assert!(missing.starts_with("there/is/none.safetensors: cannot be read"), "{missing}");
}

fn tensors_of_one() -> Vec<u8> {
    bytes_of(&File::from([("a".to_owned(), (vec![2], vec![1.0, 2.0]))]), Dtype::F32)
}

#[test]
fn a_model_of_this_program_is_loaded_by_its_own_names() {
    for name in [BackboneName::SmallCnn, BackboneName::Resnet18] {
        let config = config(name);
        let trained = Backbone::new(&config, 9, &Device::flex()).expect("valid");
        let trained_parameters = parameters::parameters(&trained);
        let tensors = crate::tensors::of_parameters(&trained_parameters);
        let bytes = crate::tensors::pack_sealed(&tensors, METADATA_KEY, "{\"crc32\":\"00000000\"}");
        let weights = Weights::parse(Path::new("model.safetensors"), &bytes).expect("read");
        assert_eq!(weights.names(), Names::Own);
        let (found, left_out) = weights.clone().into_backbone(name, backbone(&config)).expect("fits");
        assert_eq!((parameters::parameters(&found), left_out), (trained_parameters, None));
        let other = BackboneConfig { embedding: 3, ..config.clone() };
        let (_, left_out) = weights.into_backbone(name, backbone(&other)).expect("but for the last layer");
        assert!(left_out.expect("said").contains("embedding.weight"));
    }
}

#[test]
fn beginnings_match_whole_words() {
    let begins = |beginning, own| {
        begins(beginning, BackboneName::Iresnet50, own)
            && begins(beginning, BackboneName::Iresnet50, &format!("ImprovedResidual.{own}"))
    };
    assert!(begins("layer2", "blocks.3.first.weight") && begins("layer2.0", "blocks.3.first.weight"));
    assert!(begins("blocks.3", "blocks.3.first.weight") && begins("conv1", "stem.weight"));
    assert!(!begins("layer2.0", "blocks.13.first.weight") && !begins("blocks.1", "blocks.13.first.weight"));
    assert!(!begins("conv", "stem.weight") && !begins("", "stem.weight"));
    assert!(begins("layer1.0.prelu", "blocks.0.middle_normalisation.slope"));
    assert!(super::begins(
        "Residual.blocks",
        BackboneName::Resnet18,
        "Residual.blocks.0.convolution.1.weight"
    ));
}
