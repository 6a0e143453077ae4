//! Gives randomly mutated files to every reader: no panic, no hang, bounded memory.
//!
//! The mutations of small valid files flip bits, replace numbers by extreme ones, and cut, repeat or splice pieces. If a format has checksums,
//! most mutations repair them, so that the code after the check is reached. Everything depends on a seed; a failure reports the reader and the
//! number of the file.
//!
//! `cargo test` runs 200 files per reader. `WIDEMARGIN_MUTATIONS=20000` runs that many and then also fails for a file that takes longer than a
//! second. `WIDEMARGIN_MUTATIONS=1 WIDEMARGIN_MUTATIONS_FIRST=1234` runs one file alone. Results: `docs/src/formats/inputs.md`.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![expect(clippy::disallowed_methods, reason = "bad files are written on purpose")]
#![expect(clippy::print_stderr, reason = "a failure reports its reader and file")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use widemargin::data::{
    Census, FolderOptions, ImageSet, ImageShape, Listing, OpenOptions, Preprocessing, Source, SplitFile,
    VectorOptions, VectorSet, read_image,
};
use widemargin::embedder::{Description, Model, Takes};
use widemargin::head::{Head, HeadConfig, load_shard, save_shard, split_shards};
use widemargin::model::{Backbone, BackboneConfig, BackboneName, parameters};
use widemargin_chance::{Purpose, Stream};
use widemargin_tables::{ChosenColumns, read_embeddings, read_labels, read_pairs, read_texts};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Default number of files per reader.
const QUICK: u64 = 200;
const SEED: u64 = 6;
/// Longest time per file in a full run.
const LONGEST: Duration = Duration::from_secs(1);
/// Time after which a file counts as hanging and the process is aborted.
const HANG: Duration = Duration::from_mins(2);
/// Most memory of a reader, in bytes, and of a reader of images. Images may have up to 512 MiB of pixels, which are copied to 8-bit colour
/// and again while they are rotated.
const MOST: usize = 64 << 20;
const MOST_IMAGE: usize = 1600 << 20;

/// One reader runs at a time, so that its memory can be measured.
static ALONE: Mutex<()> = Mutex::new(());

/// Repairs the checksums of a mutated file.
type Mend = fn(&mut [u8]);

struct Reader {
    name: &'static str,
    /// Valid files with their names.
    files: Vec<(&'static str, Vec<u8>)>,
    mend: Option<Mend>,
    most: usize,
}

impl Reader {
    fn new(name: &'static str, files: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self { name, files, mend: None, most: MOST }
    }

    /// Gives every mutated file to `read`, which may return an error but must not panic, hang or use too much memory.
    fn run(self, folder: &Path, read: impl Fn(&Path)) {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let full = number("WIDEMARGIN_MUTATIONS");
        let (count, first) = (full.unwrap_or(QUICK), number("WIDEMARGIN_MUTATIONS_FIRST").unwrap_or(0));
        for (name, bytes) in &self.files {
            std::fs::write(folder.join(name), bytes).expect("room on the disk");
            read(&folder.join(name));
        }
        // Decoders may panic, which the readers catch; do not print every panic.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let now = AtomicU64::new(first);
        let (mut failures, mut slowest, mut largest) = (Vec::new(), (Duration::ZERO, 0), (0, 0));
        std::thread::scope(|scope| {
            let (ended, ends) = std::sync::mpsc::channel::<()>();
            let (now, name) = (&now, self.name);
            scope.spawn(move || {
                let mut before = u64::MAX;
                while ends.recv_timeout(HANG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    let at = now.load(Ordering::Relaxed);
                    if at == before {
                        eprintln!("{name}: file {at} of seed {SEED} hangs");
                        std::process::abort();
                    }
                    before = at;
                }
            });
            for file in first..first + count {
                now.store(file, Ordering::Relaxed);
                let (name, bytes) = self.mutated(file);
                let path = folder.join(name);
                std::fs::write(&path, &bytes).expect("room on the disk");
                MEMORY.reset_peak_usage();
                let (before, start) = (MEMORY.current_usage(), Instant::now());
                let panicked = catch_unwind(AssertUnwindSafe(|| read(&path))).is_err();
                let (time, memory) = (start.elapsed(), MEMORY.peak_usage().saturating_sub(before));
                slowest = slowest.max((time, file));
                largest = largest.max((memory, file));
                let slow = full.is_some() && time > LONGEST;
                if panicked || slow || memory > self.most {
                    let what = if panicked {
                        "panicked"
                    } else if slow {
                        "slow"
                    } else {
                        "too much memory"
                    };
                    failures.push(format!("file {file} ({name}): {what}, {time:?}, {memory} bytes"));
                }
                // Restore the valid file for the next mutation.
                let (_, good) = self.files.iter().find(|(found, _)| *found == name).expect("its own");
                std::fs::write(&path, good).expect("room on the disk");
            }
            drop(ended);
        });
        std::panic::set_hook(hook);
        eprintln!(
            "{}: {count} files; slowest {:.1} ms (file {}), most memory {:.2} MiB (file {})",
            self.name,
            slowest.0.as_secs_f64() * 1e3,
            slowest.1,
            largest.0 as f64 / f64::from(1 << 20),
            largest.1
        );
        assert!(
            failures.is_empty(),
            "{}, seed {SEED}: {} failed, the first: {}",
            self.name,
            failures.len(),
            failures[0]
        );
    }

    /// The name and the bytes of a mutated file.
    fn mutated(&self, file: u64) -> (&'static str, Vec<u8>) {
        let kind =
            self.name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Stream::new(SEED, Purpose::Test, kind, file);
        let (name, good) = &self.files[random.below(self.files.len())];
        let (_, other) = &self.files[random.below(self.files.len())];
        let mut bytes = good.clone();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, other, &mut random);
        }
        if let Some(mend) = self.mend
            && random.below(4) > 0
        {
            mend(&mut bytes);
        }
        (name, bytes)
    }
}

/// Integers at which readers tend to fail.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x3fff,
    0x7fff,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX >> 1,
    u64::MAX,
];

/// Numbers in text at which readers tend to fail.
const TEXTS: [&str; 16] = [
    "",
    "-1",
    "0",
    "99999999999999999999999",
    "4294967296",
    "1e999",
    "NaN",
    "\"",
    ",",
    "\n",
    "\r",
    "\0",
    "[[[[[[[[",
    "{",
    "\u{202e}é",
    "../..",
];

/// Changes the bytes in one random way.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Stream) {
    if bytes.is_empty() {
        bytes.extend(other);
        return;
    }
    let at = random.below(bytes.len());
    let piece = 1 + random.below((bytes.len() - at).min(64));
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => {
            let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
            let number = NUMBERS[random.below(NUMBERS.len())];
            let little = number.to_le_bytes();
            let big = (number << (64 - 8 * width as u32)).to_be_bytes();
            let digits = if random.below(2) == 0 { &little[..width] } else { &big[..width] };
            bytes[at..at + width].copy_from_slice(digits);
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + piece)),
        5 => {
            let copy = bytes[at..at + piece].to_vec();
            let times = 1 + random.below(8);
            bytes.splice(at..at, copy.repeat(times));
        }
        6 => {
            let from = random.below(other.len().max(1));
            bytes.truncate(at);
            bytes.extend(other.get(from..).unwrap_or_default());
        }
        7 => {
            let text = TEXTS[random.below(TEXTS.len())];
            bytes.splice(at..at, text.bytes());
        }
        _ => {
            // Replace a run of digits by another number.
            let Some(start) = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else { return };
            let end = (start..bytes.len()).find(|at| !bytes[*at].is_ascii_digit()).unwrap_or(bytes.len());
            let text = TEXTS[random.below(TEXTS.len())];
            bytes.splice(start..end, text.bytes());
        }
    }
}

/// Repairs the checksums of the chunks of a PNG.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while at + 12 <= bytes.len() {
        let length = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let Some(end) = at
            .checked_add(8)
            .and_then(|start| start.checked_add(length))
            .filter(|end| end + 4 <= bytes.len())
        else {
            return;
        };
        let sum = crc32fast::hash(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

/// Repairs the checksums of the headers of a tar file, at every block; blocks of content change too, which does not matter.
fn mend_tar(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Repairs the length and both checksums of a container.
fn mend_container(bytes: &mut [u8]) {
    if bytes.len() < 48 {
        return;
    }
    let length = (bytes.len() - 48) as u64;
    bytes[32..40].copy_from_slice(&length.to_le_bytes());
    let payload = crc32fast::hash(&bytes[48..]);
    bytes[40..44].copy_from_slice(&payload.to_le_bytes());
    let header = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&header.to_le_bytes());
}

/// Repairs the header length of a safetensors file, so that longer JSON is read.
fn mend_safetensors(bytes: &mut [u8]) {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'}').filter(|end| *end >= 8) else { return };
    let length = (end - 7) as u64;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
}

/// A model file with spaces in place of its checksum, which is optional.
fn without_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let (field, digits) = (br#"\"crc32\":\""#, 8);
    let at = bytes.windows(field.len()).position(|found| found == field).expect("a checksum");
    // with the quote and the comma after the digits
    bytes[at..at + field.len() + digits + 3].fill(b' ');
    bytes
}

fn images() -> Vec<(&'static str, Vec<u8>)> {
    let colour = image::RgbImage::from_fn(13, 9, |x, y| image::Rgb([(x * 20) as u8, (y * 25) as u8, 7]));
    let colour = image::DynamicImage::from(colour);
    let encoded = |image: &image::DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    };
    vec![
        ("rgb.png", encoded(&colour, image::ImageFormat::Png)),
        ("alpha.png", encoded(&image::DynamicImage::from(colour.to_rgba8()), image::ImageFormat::Png)),
        ("deep.png", encoded(&image::DynamicImage::from(colour.to_luma16()), image::ImageFormat::Png)),
        ("rgb.jpg", encoded(&colour, image::ImageFormat::Jpeg)),
        ("grey.jpg", encoded(&image::DynamicImage::from(colour.to_luma8()), image::ImageFormat::Jpeg)),
        ("rgb.webp", encoded(&colour, image::ImageFormat::WebP)),
        ("rgb.bmp", encoded(&colour, image::ImageFormat::Bmp)),
        ("alpha.bmp", encoded(&image::DynamicImage::from(colour.to_rgba8()), image::ImageFormat::Bmp)),
        ("rgb.tif", encoded(&colour, image::ImageFormat::Tiff)),
        ("deep.tif", encoded(&image::DynamicImage::from(colour.to_luma16()), image::ImageFormat::Tiff)),
        ("rgb.gif", encoded(&colour, image::ImageFormat::Gif)),
        ("rgb.ppm", encoded(&colour, image::ImageFormat::Pnm)),
        ("alpha.qoi", encoded(&image::DynamicImage::from(colour.to_rgba8()), image::ImageFormat::Qoi)),
        ("alpha.webp", encoded(&image::DynamicImage::from(colour.to_rgba8()), image::ImageFormat::WebP)),
    ]
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tables/fixtures/files");
    std::fs::read(folder.join(name)).expect("a file of the repository")
}

fn fixtures(names: &[&'static str]) -> Vec<(&'static str, Vec<u8>)> {
    names.iter().map(|name| (*name, fixture(name))).collect()
}

fn text(name: &'static str, text: &str) -> (&'static str, Vec<u8>) {
    (name, text.as_bytes().to_vec())
}

fn shape() -> ImageShape {
    ImageShape { channels: 3, height: 8, width: 8 }
}

fn small() -> OpenOptions {
    OpenOptions {
        height: 8,
        width: 8,
        max_bad: 1.0,
        memory_limit: 1 << 20,
        threads: 1,
        ..OpenOptions::default()
    }
}

/// Takes a census, like `data info`.
fn count(path: &Path) {
    let _ = Census::take(path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {});
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_path_buf();
    (folder, path)
}

#[test]
fn image_files() {
    let (_folder, path) = folder();
    let all = images();
    let png: Vec<_> = all.iter().filter(|(name, _)| name.ends_with("png")).cloned().collect();
    let read = |path: &Path| {
        let _ = read_image(path, shape(), &Preprocessing::default());
        count(path);
    };
    Reader { mend: Some(mend_png), most: MOST_IMAGE, ..Reader::new("PNG", png) }.run(&path, read);
    for (name, ending) in [
        ("JPEG", "jpg"),
        ("WebP", "webp"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
        ("GIF", "gif"),
        ("PNM", "ppm"),
        ("QOI", "qoi"),
    ] {
        let files = all.iter().filter(|(name, _)| name.ends_with(ending)).cloned().collect();
        Reader { most: MOST_IMAGE, ..Reader::new(name, files) }.run(&path, read);
    }
}

#[test]
fn idx_files() {
    let idx = |lengths: &[u32], data: &[u8]| {
        let head = [0, 0, 8, lengths.len() as u8].into_iter();
        let lengths = lengths.iter().flat_map(|length| length.to_be_bytes());
        head.chain(lengths).chain(data.iter().copied()).collect::<Vec<u8>>()
    };
    let images = idx(&[4, 3, 2], &(0..24).collect::<Vec<u8>>());
    let labels = idx(&[4], &[0, 1, 0, 1]);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &labels).expect("in memory");
    let (_folder, path) = folder();
    let files = vec![
        ("train-images-idx3-ubyte", images.clone()),
        ("train-labels-idx1-ubyte", labels),
        ("t10k-images-idx3-ubyte", images),
        ("t10k-labels-idx1-ubyte.gz", packer.finish().expect("in memory")),
        ("classes.txt", b"zero\none\n".to_vec()),
    ];
    // All four files must exist before the first one is read.
    for (name, bytes) in &files {
        std::fs::write(path.join(name), bytes).expect("room on the disk");
    }
    Reader::new("IDX", files).run(&path, |file| {
        let _ = ImageSet::open(file.parent().expect("a folder"), &small());
    });
}

#[test]
fn tables_of_embeddings() {
    let (_folder, path) = folder();
    let read = |path: &Path| {
        let _ = read_embeddings(path);
        let _ = read_labels(path);
        let _ = VectorSet::open(path, None, VectorOptions::default());
        count(path);
    };
    let npy = fixtures(&[
        "f2.npy",
        "f4_big.npy",
        "f8_columns.npy",
        "out_of_range.npy",
        "labels_text.npy",
        "labels_i8.npy",
    ]);
    Reader::new("npy", npy).run(&path, read);
    let npz = fixtures(&["stored.npz", "deflated.npz", "big.npz", "columns.npz", "keys.npz"]);
    Reader::new("npz", npz).run(&path, read);
    let header = r#"{"embeddings":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"labels":{"dtype":"I64","shape":[2],"data_offsets":[24,40]}}"#;
    let data: Vec<u8> = (0..40).collect();
    let tensors = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    let files = vec![("t.safetensors", tensors)];
    Reader { mend: Some(mend_safetensors), ..Reader::new("safetensors", files) }.run(&path, read);
    let csv = "id,label,camera,split,x,y\nr0,a,0,train,1.5,-2\n\"r,1\",b,1,test,3e2,4\nr2,a,0,train,1,0\nr3,b,1,test,0,1\n";
    Reader::new("csv", vec![text("t.csv", csv)]).run(&path, read);
    let parquet = fixtures(&[
        "list.parquet",
        "columns.parquet",
        "missing.parquet",
        "pairs.parquet",
        "zstd.parquet",
        "kinds.parquet",
        "named_index.parquet",
        "images.parquet",
        "image_bytes.parquet",
        "many_rows.parquet",
    ]);
    Reader::new("parquet", parquet).run(&path, |path| {
        read(path);
        let _ = read_texts(path);
    });
    let arrow = fixtures(&[
        "list.arrow",
        "fixed.arrow",
        "stream.arrow",
        "missing.arrow",
        "kinds.arrow",
        "index.arrow",
        "images.arrow",
        "image_bytes.arrow",
        "list.feather",
        "columns.feather",
    ]);
    Reader::new("arrow", arrow).run(&path, |path| {
        read(path);
        let _ = read_texts(path);
    });
}

#[test]
fn lists_of_pairs() {
    let (_folder, path) = folder();
    std::fs::write(path.join("table.npy"), fixture("f4.npy")).expect("room on the disk");
    let table = read_embeddings(&path.join("table.npy")).expect("a good file");
    let files = vec![text("pairs.csv", "a,b,same,fold\n0,1,1,0\n1,2,no,1\n")];
    Reader::new("pairs", files).run(&path, |path| {
        let _ = read_pairs(path, &table);
    });
}

#[test]
fn manifests() {
    let (_folder, path) = folder();
    for (name, bytes) in images() {
        std::fs::write(path.join(name), bytes).expect("room on the disk");
    }
    let manifest = "path,label,split,group,note\nrgb.png,a,train,g,x\nrgb.jpg,b,test,h,\"y,\nz\"\nalpha.png,a,train,g,\nrgb.webp,b,val,h,\n";
    Reader::new("manifest", vec![text("manifest.csv", manifest)]).run(&path, |path| {
        let _ = ImageSet::open(path, &small());
        count(path);
    });
}

#[test]
fn tar_shards() {
    let (_folder, path) = folder();
    let images = images();
    let long = format!("{}/{}", "a".repeat(90), "b".repeat(90));
    let shard = |gnu: bool| {
        let mut builder = tar::Builder::new(Vec::new());
        for (number, (name, bytes)) in images.iter().enumerate().take(4) {
            let key = if number == 2 { long.clone() } else { format!("{number:03}") };
            let ending = name.rsplit_once('.').map_or("png", |(_, ending)| ending);
            let json = format!("{{\"label\": {number}, \"split\": \"train\", \"note\": [1]}}").into_bytes();
            for (name, bytes) in [(format!("{key}.{ending}"), bytes), (format!("{key}.json"), &json)] {
                let mut header = if gnu { tar::Header::new_gnu() } else { tar::Header::new_ustar() };
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                builder.append_data(&mut header, name, bytes.as_slice()).expect("in memory");
            }
        }
        builder.into_inner().expect("in memory")
    };
    let files = vec![("gnu.tar", shard(true)), ("ustar.tar", shard(false))];
    let reader = Reader { mend: Some(mend_tar), most: MOST_IMAGE, ..Reader::new("tar", files) };
    reader.run(&path, |path| {
        let _ = ImageSet::open(path, &small());
        if let Ok(listing) =
            Source::detect(path).and_then(|source| Listing::open(&source, FolderOptions::default()))
        {
            for image in 0..listing.len() {
                let _ = listing.decode(image, shape(), &Preprocessing::default());
            }
        }
        count(path);
    });
}

#[test]
fn model_files() {
    let (_folder, path) = folder();
    let model = |name: BackboneName| {
        let input = ImageShape { channels: 1, height: 4, width: 4 };
        let embedding = if name == BackboneName::Identity { 16 } else { 3 };
        let backbone = BackboneConfig { name, input, embedding, dropout: 0.0, hidden: vec![5] };
        let device = widemargin::model::device::by_name("cpu").expect("a processor");
        let numbers = parameters::parameters(&Backbone::new(&backbone, 1, &device).expect("a backbone"));
        let normalisation = widemargin::data::Normalisation { mean: vec![0.5], deviation: vec![0.5] };
        let description = Description {
            backbone,
            takes: Takes::Images,
            normalisation,
            preprocessing: None,
            objective: "am-softmax".to_owned(),
            classes: None,
            trained_samples: None,
            columns: None,
        };
        let file = path.join("model.safetensors");
        Model::write(&file, &description, &numbers).expect("room on the disk");
        std::fs::read(file).expect("just written")
    };
    // Without the checksum, which would reject every mutation before anything else is read.
    let open = |name| without_checksum(model(name));
    let files = vec![
        ("linear.safetensors", open(BackboneName::Linear)),
        ("mlp.safetensors", open(BackboneName::Mlp)),
        ("identity.safetensors", open(BackboneName::Identity)),
        ("sealed.safetensors", model(BackboneName::Linear)),
    ];
    Reader { mend: Some(mend_safetensors), ..Reader::new("model", files) }.run(&path, |path| {
        if let Ok(model) = Model::load(path) {
            let _ = model.embed_pixels(&vec![9; model.description().shape().values()]);
        }
    });
}

#[test]
fn split_files() {
    let (_folder, path) = folder();
    let split = "# widemargin split 1\n# a set\nsample,part\na/1.png,train\n\"b,2.png\",test\nc,out\n";
    Reader::new("split", vec![text("split.csv", split)]).run(&path, |path| {
        let _ = SplitFile::read(path);
    });
}

#[test]
fn shards_of_heads() {
    let (_folder, path) = folder();
    let objective = widemargin::objective::Objective::am_softmax(30.0, 0.3).expect("in range");
    let head = Head::new(6, 4, objective, HeadConfig::default()).expect("a head");
    let states = split_shards(&head.state(), 2).expect("two shards");
    let file = save_shard(&path, &states[0]).expect("room on the disk");
    let files = vec![("head-0-of-2", std::fs::read(file).expect("just written"))];
    Reader { mend: Some(mend_container), ..Reader::new("head shard", files) }.run(&path, |path| {
        let _ = load_shard(path);
    });
}

#[test]
fn containers_and_configurations() {
    let (_folder, path) = folder();
    let files = vec![("container", widemargin_durable::seal("checkpoint", 1, b"a payload of some bytes"))];
    Reader { mend: Some(mend_container), ..Reader::new("container", files) }.run(&path, |path| {
        let _ = widemargin_durable::read_sealed(path, "checkpoint", 1);
    });
    let toml = widemargin::train::Config::default().to_toml();
    Reader::new("configuration", vec![text("run.toml", &toml)]).run(&path, |path| {
        if let Ok(text) = std::fs::read_to_string(path) {
            let _ = widemargin::train::Config::from_toml(path, &text);
        }
    });
}
