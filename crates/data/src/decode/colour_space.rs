//! The colour space that a file says its pixels are in, from its ICC profile, the chunks of a PNG or the EXIF data of a camera.
//!
//! Pixels are read as sRGB whatever the file says: the model sees numbers, and data sets rarely mix spaces. Where a file says otherwise, the user
//! must know, because the same colours have other numbers in it.

use image::ImageFormat;

use super::metadata::{has_inks, is_adobe_camera, jpeg_channels, png_chunk, tiff_profile};

/// The red, green and blue primaries of colour spaces as X, Y and Z under D50, as ICC profiles have them. The first is sRGB.
const PRIMARIES: [(&str, [[f64; 3]; 3]); 5] = [
    ("sRGB", [[0.436, 0.222, 0.014], [0.385, 0.717, 0.097], [0.143, 0.061, 0.714]]),
    (ADOBE, [[0.610, 0.311, 0.019], [0.205, 0.626, 0.061], [0.149, 0.063, 0.745]]),
    ("Display P3", [[0.515, 0.241, -0.001], [0.292, 0.692, 0.042], [0.157, 0.067, 0.784]]),
    ("ProPhoto RGB", [[0.798, 0.288, 0.0], [0.135, 0.712, 0.0], [0.031, 0.0, 0.825]]),
    ("Rec. 2020", [[0.673, 0.279, -0.002], [0.166, 0.675, 0.030], [0.125, 0.046, 0.797]]),
];
/// Largest difference of a primary of the same space: programs round and adapt them differently. Those of two spaces differ by 0.08 and more.
const SAME: f64 = 0.03;

/// Exponents that are close to the curve of sRGB, which is near 2.2. At the ends, a middle grey differs by 11 of 255.
const USUAL_GAMMA: std::ops::RangeInclusive<f64> = 2.0..=2.4;

const ADOBE: &str = "Adobe RGB";
const OTHER_RGB: &str = "another RGB space";
const OTHER_GAMMA: &str = "another gamma";
const CMYK: &str = "CMYK";

/// The colour space of a file, if it is not sRGB; `profile` is its ICC profile.
pub(super) fn colour_space(
    bytes: &[u8],
    format: ImageFormat,
    profile: Option<&[u8]>,
) -> Option<&'static str> {
    if jpeg_channels(bytes) == Some(4) || (format == ImageFormat::Tiff && has_inks(bytes)) {
        return Some(CMYK);
    }
    if profile.is_none() && is_adobe_camera(bytes) {
        return Some(ADOBE);
    }
    // The decoder of TIFF gives no profile.
    let profile = profile.or_else(|| tiff_profile(bytes).filter(|_| format == ImageFormat::Tiff));
    if format == ImageFormat::Png {
        if let Some(code) = png_chunk(bytes, *b"cICP") {
            return of_code(code);
        }
        if profile.is_none() && png_chunk(bytes, *b"sRGB").is_none() {
            let gamma = png_chunk(bytes, *b"gAMA").and_then(|chunk| chunk.first_chunk::<4>());
            let exponent = 100_000.0 / f64::from(u32::from_be_bytes(*gamma?));
            return (!USUAL_GAMMA.contains(&exponent)).then_some(OTHER_GAMMA);
        }
    }
    of_profile(profile?)
}

/// The space of the code points of ITU-T H.273: primaries and transfer.
fn of_code(code: &[u8]) -> Option<&'static str> {
    match code {
        // BT.709, with the curve of television or of sRGB.
        [1, 1 | 6 | 13 | 14 | 15, ..] => None,
        [12, 13, ..] => Some("Display P3"),
        [9, ..] => Some("Rec. 2020"),
        _ => Some(OTHER_RGB),
    }
}

/// The space of an ICC profile; `None` for sRGB, and for a profile that is cut.
fn of_profile(profile: &[u8]) -> Option<&'static str> {
    match profile.get(16..20)? {
        b"RGB " => {}
        b"GRAY" => return has_other_gamma(profile, *b"kTRC").then_some(OTHER_GAMMA),
        b"CMYK" => return Some(CMYK),
        _ => return Some("a space that is not RGB"),
    }
    let primaries = [*b"rXYZ", *b"gXYZ", *b"bXYZ"].map(|tag| xyz(profile, tag));
    let [Some(red), Some(green), Some(blue)] = primaries else {
        // A profile of tables says its space in its description only, in one byte per letter or in two.
        let says = |name: &[u8]| profile.windows(name.len()).any(|window| window == name);
        return (!says(b"sRGB") && !says(b"s\0R\0G\0B")).then_some(OTHER_RGB);
    };
    let found = [red, green, blue];
    let is = |known: &[[f64; 3]; 3]| {
        found.iter().flatten().zip(known.iter().flatten()).all(|(found, known)| (found - known).abs() <= SAME)
    };
    match PRIMARIES.iter().position(|(_, known)| is(known)) {
        Some(0) => has_other_gamma(profile, *b"rTRC").then_some(OTHER_GAMMA),
        Some(known) => Some(PRIMARIES[known].0),
        None => Some(OTHER_RGB),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number in units of 1/65536.
fn fixed(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from(number(bytes, at)?.cast_signed()) / 65_536.0)
}

/// The content of a tag of a profile, from its type on.
fn tag(profile: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    const TABLE: usize = 128;
    const ENTRY: usize = 12;
    let count = number(profile, TABLE)? as usize;
    // A damaged profile can claim any number of tags.
    let mut entries = profile.get(TABLE + 4..)?.chunks_exact(ENTRY).take(count);
    let entry = entries.find(|entry| entry.starts_with(&name))?;
    profile.get(number(entry, 4)? as usize..)
}

fn xyz(profile: &[u8], name: [u8; 4]) -> Option<[f64; 3]> {
    let content = tag(profile, name)?;
    Some([fixed(content, 8)?, fixed(content, 12)?, fixed(content, 16)?])
}

/// Whether a curve is a power far from that of sRGB. A curve of points is taken for a usual one.
fn has_other_gamma(profile: &[u8], name: [u8; 4]) -> bool {
    let exponent = || {
        let curve = tag(profile, name)?;
        match (curve.get(..4)?, number(curve, 8)?) {
            (b"curv", 0) => Some(1.0),
            (b"curv", 1) => Some(f64::from(number(curve, 12)? >> 16) / 256.0),
            (b"para", _) => fixed(curve, 12),
            _ => None,
        }
    };
    exponent().is_some_and(|exponent: f64| !USUAL_GAMMA.contains(&exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{icc_profile, image, png_with_chunk};

    fn of(space: [u8; 4], primaries: [[f64; 3]; 3], gamma: f64) -> Option<&'static str> {
        of_profile(&icc_profile(space, primaries, gamma))
    }

    #[test]
    fn profiles_are_recognised_by_primaries_and_gamma() {
        for (name, primaries) in PRIMARIES {
            assert_eq!(of(*b"RGB ", primaries, 2.2), Some(name).filter(|name| *name != "sRGB"));
        }
        assert_eq!(of(*b"RGB ", PRIMARIES[0].1, 1.0), Some(OTHER_GAMMA));
        assert_eq!(of(*b"RGB ", [[0.3; 3]; 3], 2.2), Some(OTHER_RGB));
        assert_eq!(of(*b"GRAY", PRIMARIES[1].1, 2.2), None);
        assert_eq!(of(*b"CMYK", PRIMARIES[0].1, 2.2), Some(CMYK));
        assert_eq!(of(*b"GRAY", PRIMARIES[1].1, 1.75), Some(OTHER_GAMMA));
        assert_eq!(of(*b"RGB ", PRIMARIES[0].1, 1.8), Some(OTHER_GAMMA));
        // Cut anywhere, it is no sRGB but also no panic.
        let whole = icc_profile(*b"RGB ", PRIMARIES[1].1, 2.2);
        for length in 0..whole.len() {
            let _ = of_profile(&whole[..length]);
        }
        let table = [&[0; 16][..], b"RGB ", &[0; 112], b"s\0R\0G\0B\0"].concat();
        assert_eq!(of_profile(&table), None);
    }

    #[test]
    fn chunks_of_a_png_count() {
        let png = image(ImageFormat::Png, 4, 4, [1, 2, 3]);
        let with = |kind: [u8; 4], data: &[u8]| {
            colour_space(&png_with_chunk(&png, kind, data), ImageFormat::Png, None)
        };
        assert_eq!(with(*b"gAMA", &45_455_u32.to_be_bytes()), None);
        assert_eq!(with(*b"gAMA", &100_000_u32.to_be_bytes()), Some(OTHER_GAMMA));
        assert_eq!(with(*b"gAMA", &[0; 4]), Some(OTHER_GAMMA));
        assert_eq!(with(*b"cICP", &[1, 13, 0, 1]), None);
        assert_eq!(with(*b"cICP", &[12, 13, 0, 1]), Some("Display P3"));
        assert_eq!(with(*b"cICP", &[9, 16, 0, 1]), Some("Rec. 2020"));
        assert_eq!(colour_space(&png, ImageFormat::Png, None), None);
    }

    /// A directory of a TIFF with little-endian entries: tag, type, count, value.
    fn directory(entries: &[[u32; 4]]) -> Vec<u8> {
        let mut bytes = (entries.len() as u16).to_le_bytes().to_vec();
        for [tag, kind, count, value] in entries {
            bytes.extend((*tag as u16).to_le_bytes());
            bytes.extend((*kind as u16).to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 4]);
        bytes
    }

    const LITTLE: [u8; 8] = *b"II*\0\x08\0\0\0";

    #[test]
    fn profiles_and_inks_of_a_tiff_count() {
        let of = |bytes: &[u8]| colour_space(bytes, ImageFormat::Tiff, None);
        for (name, primaries) in PRIMARIES {
            let profile = icc_profile(*b"RGB ", primaries, 2.2);
            let entries = directory(&[[262, 3, 1, 2], [34_675, 7, profile.len() as u32, 8 + 30]]);
            let tiff = [&LITTLE[..], &entries, &profile].concat();
            assert_eq!(of(&tiff), Some(name).filter(|name| *name != "sRGB"));
            // Cut anywhere, it is no panic.
            for length in 0..tiff.len() {
                let _ = of(&tiff[..length]);
            }
        }
        let inks = |photometric: u32| of(&[&LITTLE[..], &directory(&[[262, 3, 1, photometric]])].concat());
        assert_eq!((inks(5), inks(2)), (Some(CMYK), None));
    }

    #[test]
    fn a_camera_says_adobe_rgb_in_exif_data() {
        let of = |space: u32, index: &[u8; 4]| {
            let exif = [
                &LITTLE[..],
                &directory(&[[0x8769, 4, 1, 26]]),
                &directory(&[[0xa001, 3, 1, space], [0xa005, 4, 1, 56]]),
                &directory(&[[1, 2, 4, u32::from_le_bytes(*index)]]),
            ]
            .concat();
            let segment = [&b"Exif\0\0"[..], &exif].concat();
            let length = (segment.len() as u16 + 2).to_be_bytes();
            [&b"\xff\xd8\xff\xe0\0\x04ab\xff\xe1"[..], &length, &segment, b"\xff\xd9"].concat()
        };
        let found = |bytes: &[u8]| colour_space(bytes, ImageFormat::Jpeg, None);
        let adobe = of(65_535, b"R03\0");
        assert_eq!(found(&adobe), Some(ADOBE));
        assert_eq!((found(&of(1, b"R98\0")), found(&of(65_535, b"R98\0"))), (None, None));
        for length in 0..adobe.len() {
            let _ = found(&adobe[..length]);
        }
    }
}
