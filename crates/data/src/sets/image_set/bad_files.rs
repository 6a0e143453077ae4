//! Image files that are known to cause trouble in other programs. `docs/src/formats/inputs.md` says how each is handled.

use std::collections::BTreeMap;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use widemargin_tables::ChosenColumns;

use super::*;
use crate::testing::{icc_profile, image, png_chunk, put};
use crate::{Census, DataInfo, FolderOptions, ImageProperties, Preprocessing};

const RED: [u8; 3] = [200, 40, 10];
const BLUE: [u8; 3] = [10, 40, 200];

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Width 6 and height 4; the left half has one colour, the right half another.
fn halves() -> DynamicImage {
    RgbImage::from_fn(6, 4, |x, _| Rgb(if x < 3 { RED } else { BLUE })).into()
}

fn plain(colour: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(6, 4, Rgb(colour)).into()
}

/// A TIFF header with one entry: rotate by 90 degrees (orientation 6).
fn turned() -> Vec<u8> {
    [&b"II*\0\x08\0\0\0\x01\0"[..], &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0], &[0; 4]].concat()
}

/// The chunks of a PNG, with kind and data.
fn png_chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let (mut at, mut chunks) = (8, Vec::new());
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        chunks.push((bytes[at + 4..at + 8].try_into().unwrap(), bytes[at + 8..at + 8 + length].to_vec()));
        at += 12 + length;
    }
    chunks
}

fn png_of(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let chunks = chunks.iter().flat_map(|(kind, data)| png_chunk(*kind, data));
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(chunks).collect()
}

/// A PNG with more chunks after its header.
fn png_with(bytes: &[u8], more: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut chunks = png_chunks(bytes);
    chunks.splice(1..1, more.iter().cloned());
    png_of(&chunks)
}

/// A PNG with one more chunk after its pixels.
fn png_before_end(bytes: &[u8], chunk: ([u8; 4], Vec<u8>)) -> Vec<u8> {
    let mut chunks = png_chunks(bytes);
    chunks.insert(chunks.len() - 1, chunk);
    png_of(&chunks)
}

/// An animated GIF: red, then blue.
fn animated_gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for colour in [RED, BLUE] {
        encoder.encode_frame(image::Frame::new(plain(colour).to_rgba8())).unwrap();
    }
    drop(encoder);
    bytes
}

/// An animated PNG: red, then blue.
fn animated_png() -> Vec<u8> {
    let (first, second) = (encoded(&plain(RED), ImageFormat::Png), encoded(&plain(BLUE), ImageFormat::Png));
    let control = |sequence: u32| {
        [sequence, 6, 4, 0, 0]
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .chain([0, 1, 0, 10, 0, 0])
            .collect::<Vec<u8>>()
    };
    let mut chunks =
        png_chunks(&png_with(&first, &[(*b"acTL", vec![0, 0, 0, 2, 0, 0, 0, 0]), (*b"fcTL", control(0))]));
    let pixels: Vec<u8> = png_chunks(&second)
        .into_iter()
        .filter(|(kind, _)| kind == b"IDAT")
        .flat_map(|(_, data)| data)
        .collect();
    let end = chunks.pop().unwrap();
    chunks.extend([(*b"fcTL", control(1)), (*b"fdAT", [vec![0, 0, 0, 2], pixels].concat()), end]);
    png_of(&chunks)
}

fn riff_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&kind[..], &(data.len() as u32).to_le_bytes(), data, &padding].concat()
}

fn webp_of(flags: u8, chunks: &[u8]) -> Vec<u8> {
    // Width 6 and height 4, each minus one.
    let header = riff_chunk(*b"VP8X", &[flags, 0, 0, 0, 5, 0, 0, 3, 0, 0]);
    let body = [&b"WEBP"[..], &header, chunks].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// An animated WebP: red, then blue.
fn animated_webp() -> Vec<u8> {
    let frame = |colour| {
        let still = encoded(&plain(colour), ImageFormat::WebP);
        riff_chunk(
            *b"ANMF",
            &[&[0, 0, 0, 0, 0, 0, 5, 0, 0, 3, 0, 0, 100, 0, 0, 0][..], &still[12..]].concat(),
        )
    };
    let background = riff_chunk(*b"ANIM", &[0; 6]);
    webp_of(2, &[background, frame(RED), frame(BLUE)].concat())
}

/// A TIFF whose red is half transparent, with its colours stored multiplied by the opacity.
fn associated_tiff() -> Vec<u8> {
    const ENTRIES: u16 = 10;
    let pixels = [RED[0] / 2, RED[1] / 2, RED[2] / 2, 128].repeat(24);
    let directory = 8 + 2 + 12 * u32::from(ENTRIES) + 4;
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let entries = [
        entry(256, 3, 1, 6),
        entry(257, 3, 1, 4),
        entry(258, 3, 4, directory),
        entry(259, 3, 1, 1),
        entry(262, 3, 1, 2),
        entry(273, 4, 1, directory + 8),
        entry(277, 3, 1, 4),
        entry(278, 3, 1, 4),
        entry(279, 4, 1, pixels.len() as u32),
        // ExtraSamples: 2 is plain transparency, 1 is the other.
        entry(338, 3, 1, 1),
    ];
    let bits = [8, 0].repeat(4);
    [&b"II*\0\x08\0\0\0"[..], &ENTRIES.to_le_bytes(), &entries.concat(), &[0; 4], &bits, &pixels].concat()
}

/// A TIFF with offsets of 64 bits.
fn big_tiff() -> Vec<u8> {
    const ENTRIES: u64 = 9;
    let pixels = RED.repeat(24);
    let start = 16 + 8 + 20 * ENTRIES + 8;
    let entry = |tag: u16, kind: u16, count: u64, value: [u8; 8]| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat()
    };
    let number = |tag: u16, value: u64| entry(tag, 16, 1, value.to_le_bytes());
    let entries = [
        number(256, 6),
        number(257, 4),
        entry(258, 3, 3, [8, 0, 8, 0, 8, 0, 0, 0]),
        number(259, 1),
        number(262, 2),
        number(273, start),
        number(277, 3),
        number(278, 4),
        number(279, pixels.len() as u64),
    ];
    let header = [&b"II+\0\x08\0\0\0"[..], &16_u64.to_le_bytes(), &ENTRIES.to_le_bytes()].concat();
    [&header[..], &entries.concat(), &[0; 8], &pixels].concat()
}

/// A PNG whose ICC profile says that its colours are Display P3.
fn wide_png() -> Vec<u8> {
    use image::ImageEncoder;
    let primaries = [[0.515, 0.241, -0.001], [0.292, 0.692, 0.042], [0.157, 0.067, 0.784]];
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(icc_profile(*b"RGB ", primaries, 2.2)).unwrap();
    encoder.write_image(plain(RED).as_bytes(), 6, 4, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// An 8 x 8 JPEG with four channels, inverted as Adobe writes them: the first 191, the others 128.
fn cmyk_jpeg() -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0\xff\xdb\0\x43\0".to_vec();
    bytes.extend([8; 64]);
    bytes.extend(b"\xff\xc0\0\x14\x08\0\x08\0\x08\x04\x01\x11\0\x02\x11\0\x03\x11\0\x04\x11\0");
    // Huffman codes: category 0 is `0`, category 6 is `10`; the end of a block is `0`.
    bytes.extend(b"\xff\xc4\0\x15\0\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06");
    bytes.extend(b"\xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(b"\xff\xda\0\x0e\x04\x01\0\x02\0\x03\0\x04\0\0\x3f\0\xbf\x01\xff\xd9");
    bytes
}

/// A PNG whose header states a wrong size, with the right checksum.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut chunks = png_chunks(&encoded(&plain(RED), ImageFormat::Png));
    chunks[0].1[..8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
    png_of(&chunks)
}

/// Usable files: name, bytes, and the expected upper left pixel at 6 x 4 (4 x 6 for rotated ones).
fn good() -> Vec<(&'static str, Vec<u8>, [u8; 3])> {
    let jpeg = encoded(&halves(), ImageFormat::Jpeg);
    let exif = [b"Exif\0\0".to_vec(), turned()].concat();
    let exif_jpeg =
        [&jpeg[..2], &[0xff, 0xe1], &((exif.len() + 2) as u16).to_be_bytes(), &exif, &jpeg[2..]].concat();
    let png = encoded(&halves(), ImageFormat::Png);
    let still = encoded(&halves(), ImageFormat::WebP);
    let exif_webp = webp_of(8, &[still[12..].to_vec(), riff_chunk(*b"EXIF", &turned())].concat());
    let deep = image::ImageBuffer::from_pixel(6, 4, Rgb([200_u16 * 256 + 77, 40 << 8, 10 << 8]));
    let grey = halves().to_luma8();
    let level = grey.get_pixel(0, 0).0[0];
    let mut alpha = plain(RED).to_rgba8();
    alpha.pixels_mut().for_each(|pixel| pixel.0[3] = 0);
    vec![
        ("a_jpeg.png", encoded(&plain(RED), ImageFormat::Jpeg), RED),
        ("a_png.jpg", encoded(&plain(RED), ImageFormat::Png), RED),
        ("alpha.png", encoded(&alpha.clone().into(), ImageFormat::Png), [255; 3]),
        ("alpha.webp", encoded(&alpha.into(), ImageFormat::WebP), [255; 3]),
        ("animated.gif", animated_gif(), RED),
        ("animated.png", animated_png(), RED),
        ("animated.webp", animated_webp(), RED),
        // Half red and half white.
        ("associated.tif", associated_tiff(), [228, 148, 133]),
        ("big.tif", big_tiff(), RED),
        ("bmp.bmp", encoded(&halves(), ImageFormat::Bmp), RED),
        ("cmyk.jpg", cmyk_jpeg(), [96, 64, 64]),
        ("deep.png", encoded(&DynamicImage::ImageRgb16(deep), ImageFormat::Png), RED),
        ("grey.jpg", encoded(&grey.clone().into(), ImageFormat::Jpeg), [level; 3]),
        ("grey.png", encoded(&grey.into(), ImageFormat::Png), [level; 3]),
        ("gif.png", encoded(&halves(), ImageFormat::Gif), RED),
        ("jfif.jfif", jpeg.clone(), RED),
        ("more.png", [png.clone(), b"what somebody appended".to_vec()].concat(), RED),
        ("pnm.ppm", b"P3 6 4 255\n".iter().chain(b"200 40 10 ".repeat(24).iter()).copied().collect(), RED),
        ("qoi.qoi", encoded(&halves(), ImageFormat::Qoi), RED),
        ("tiff.tif", encoded(&halves(), ImageFormat::Tiff), RED),
        ("turned.jpg", exif_jpeg, RED),
        ("wide.png", wide_png(), RED),
        ("turned_late.png", png_before_end(&png, (*b"eXIf", turned())), RED),
        ("turned_prefix.png", png_with(&png, &[(*b"eXIf", exif.clone())]), RED),
        (
            "turned_prefix.webp",
            webp_of(8, &[still[12..].to_vec(), riff_chunk(*b"EXIF", &exif)].concat()),
            RED,
        ),
        ("turned.png", png_with(&png, &[(*b"eXIf", turned())]), RED),
        ("turned.webp", exif_webp, RED),
    ]
}

/// Unusable files: name, bytes, and a fragment of the reason.
fn bad() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let jpeg = encoded(&halves(), ImageFormat::Jpeg);
    let (png, webp) = (image(ImageFormat::Png, 40, 30, RED), image(ImageFormat::WebP, 40, 30, RED));
    let of = |format| image(format, 40, 30, RED);
    let (bmp, gif, qoi, tiff) =
        (of(ImageFormat::Bmp), of(ImageFormat::Gif), of(ImageFormat::Qoi), of(ImageFormat::Tiff));
    let mut flipped = encoded(&halves(), ImageFormat::Png);
    flipped[20] ^= 1;
    vec![
        ("cut.jpg", jpeg[..jpeg.len() - 2].to_vec(), "truncated JPEG"),
        ("cut.png", png[..png.len() / 2].to_vec(), ""),
        ("cut.webp", webp[..webp.len() / 2].to_vec(), ""),
        ("cut.bmp", bmp[..bmp.len() / 2].to_vec(), ""),
        ("cut.gif", gif[..gif.len() / 2].to_vec(), ""),
        ("cut.ppm", b"P6 40 30 255\n0123456789".to_vec(), ""),
        ("cut.qoi", qoi[..qoi.len() / 2].to_vec(), ""),
        ("cut.tif", tiff[..tiff.len() / 2].to_vec(), ""),
        ("empty.png", Vec::new(), "not a PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI file"),
        ("flipped.png", flipped, "CRC"),
        (
            "float.tif",
            encoded(&DynamicImage::ImageRgb32F(halves().to_rgb32f()), ImageFormat::Tiff),
            "floating",
        ),
        ("huge.png", claiming(30_000, 30_000), "more than the limit"),
        ("large.png", claiming(19_000, 19_000), "more than the limit"),
        (
            "icon.png",
            b"\0\0\x01\0\x01\0".to_vec(),
            "not a PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI file but Ico",
        ),
        ("text.png", b"<html>404</html>".to_vec(), "not a PNG, JPEG, WebP"),
        ("zero.png", claiming(0, 4), ""),
    ]
}

#[test]
fn usable_files_are_read_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, colour) in good() {
        let path = folder.path().join(name);
        put(&path, &bytes);
        let turned = name.starts_with("turned");
        let (height, width) = if turned { (6, 4) } else { (4, 6) };
        let shape = ImageShape { channels: 3, height, width };
        let pixels = crate::read_image(&path, shape, &Preprocessing::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let at = |row: usize, column: usize| {
            [0, 1, 2].map(|channel| pixels[(channel * height + row) * width + column])
        };
        let near = |found: [u8; 3], expected: [u8; 3]| {
            found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 12)
        };
        assert!(near(at(0, 0), colour), "{name}: found {:?}, expected {colour:?}", at(0, 0));
        if turned {
            // The left half is now the top.
            assert!(near(at(0, 3), RED) && near(at(5, 0), BLUE), "{name}: {pixels:?}");
        }
    }
}

#[test]
fn unusable_files_are_rejected_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in bad() {
        let path = folder.path().join(name);
        put(&path, &bytes);
        let shape = ImageShape { channels: 3, height: 4, width: 6 };
        let said = crate::read_image(&path, shape, &Preprocessing::default()).expect_err(name).to_string();
        assert!(said.contains(expected) && said.contains(name), "{said}");
    }
}

#[test]
fn a_folder_with_all_of_them_skips_counts_and_lists() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, bytes, _) in good() {
        put(root.join("a").join(name), &bytes);
    }
    for (name, bytes, _) in bad() {
        put(root.join("a").join(name), &bytes);
    }
    put(root.join("a/movie.mp4"), b"not read");
    put(root.join("a/folder.png/inside.png"), &encoded(&plain([1, 2, 3]), ImageFormat::Png));
    for (number, colour) in [[9, 9, 9], [99, 9, 9]].into_iter().enumerate() {
        put(root.join(format!("b/{number}.png")), &encoded(&plain(colour), ImageFormat::Png));
    }
    let mut listed: Vec<String> = bad().into_iter().map(|(name, ..)| format!("a/{name}")).collect();
    #[cfg(unix)]
    {
        use std::os::unix::{ffi::OsStrExt, fs::symlink};
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
        put(root.join("b").join(name), &encoded(&plain([3, 2, 1]), ImageFormat::Png));
        symlink(root.join("nothing"), root.join("a/dangling.png")).unwrap();
        symlink(root.join("a/itself.png"), root.join("a/itself.png")).unwrap();
        symlink(root, root.join("a/loop")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join("a/pipe.png")).status().unwrap();
        assert!(made.success(), "a pipe");
        listed.extend(["a/dangling.png", "a/itself.png", "a/pipe.png"].map(str::to_owned));
    }
    listed.sort();

    let options = OpenOptions { height: 4, width: 6, max_bad: 0.5, ..OpenOptions::default() };
    let set = ImageSet::open(root, &options).unwrap();
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let mut found: Vec<String> = set.bad().iter().map(|bad| name(&bad.path)).collect();
    found.sort();
    assert_eq!(found, listed);
    assert!(set.bad().iter().all(|bad| !bad.reason.is_empty()));
    let ids: Vec<String> = (0..set.len()).map(|sample| set.sample_id(sample)).collect();
    assert!(ids.contains(&"a/folder.png/inside.png".to_owned()), "{ids:?}");
    assert!(!cfg!(unix) || ids.contains(&"b/caf\\xe9.png".to_owned()), "{ids:?}");
    assert_eq!(set.len(), good().len() + 3 + usize::from(cfg!(unix)));
    let rejected = ImageSet::open(root, &OpenOptions { max_bad: 0.1, ..options }).unwrap_err();
    assert!(matches!(rejected, Error::TooManyBad { .. }), "{rejected}");

    // The census finds the same bad images, gives the properties of the others, and does not follow link loops.
    let census =
        Census::take(root, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {}).unwrap();
    let mut counted: Vec<String> = census.bad.iter().map(|bad| name(&bad.path)).collect();
    counted.sort();
    assert_eq!(counted, listed);
    assert_eq!(census.samples.len(), set.len());
    assert_eq!(census.skipped.len(), usize::from(cfg!(unix)));
    let properties: BTreeMap<&str, ImageProperties> =
        census.samples.iter().map(|sample| (sample.id.as_str(), sample.properties.unwrap())).collect();
    let of = |name: &str| properties[format!("a/{name}").as_str()];
    assert_eq!((of("cmyk.jpg").mode, of("cmyk.jpg").format), ("CMYK", "JPEG"));
    assert_eq!(
        (of("cmyk.jpg").colour_space, of("wide.png").colour_space),
        (Some("CMYK"), Some("Display P3"))
    );
    assert_eq!(of("turned.jpg").colour_space, None);
    let spaces = "The colours of 2 images are read as sRGB, but their files say otherwise: CMYK (1), Display P3 (1); the first is a/cmyk.jpg.";
    assert!(set.warnings().iter().any(|said| said.starts_with(spaces)), "{:?}", set.warnings());
    assert!(DataInfo::of(&census).notes.iter().any(|said| said.starts_with(spaces)));
    assert_eq!((of("a_jpeg.png").format, of("deep.png").mode), ("JPEG", "16-bit RGB"));
    assert_eq!((of("grey.png").mode, of("alpha.webp").mode), ("grey", "RGB and alpha"));
    assert_eq!((of("turned.jpg").width, of("turned.jpg").height), (4, 6));
    let animated: Vec<&str> =
        properties.iter().filter(|(_, properties)| properties.animated).map(|(name, _)| *name).collect();
    assert_eq!(animated, ["a/animated.gif", "a/animated.png", "a/animated.webp"]);
    assert_eq!(census.skipped_files.ending_lines(), [".mp4 (1 file), the first is a/movie.mp4"]);
    assert!(set.warnings()[0].contains(".mp4 (1)"), "{:?}", set.warnings());
}
