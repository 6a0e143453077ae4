//! Font files on the machine, and the faces in them.
//!
//! A file may hold several faces: a collection (`.ttc`) one after the other, a variable font one an instance that its
//! maker named. They are put in an order that does not depend on the folders they lie in. Only what is told of a face
//! stays in memory; the bytes of all installed fonts can be gigabytes, so they are read again for each use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use skrifa::instance::{Location, Size};
use skrifa::raw::FileRef;
use skrifa::string::StringId;
use skrifa::{FontRef, MetadataProvider};
use walkdir::WalkDir;

use crate::outline::OpenFace;
use crate::{Error, Result};

/// Largest font file that is read. The largest in use are below 100 MB.
const MAX_BYTES: u64 = 256 << 20;
/// Most instances that are taken of a variable font.
const MAX_INSTANCES: usize = 64;

/// A font file that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedFont {
    /// Name of the file.
    pub file: String,
    /// Where it is; not in the manifest, which would differ between machines.
    #[serde(skip)]
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// One face that can draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Face {
    /// Name of its file.
    pub file: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Place in the file, from 0.
    pub index: usize,
    /// For a variable font: which of its named instances, from 0.
    pub instance: Option<usize>,
    /// Family, as the font says.
    pub family: String,
    /// Style, as the font says: `Bold Italic`.
    pub style: String,
    #[serde(skip)]
    path: PathBuf,
    /// Stands for file, index and instance where chance is looked up.
    #[serde(skip)]
    key: u64,
}

impl Face {
    /// Stands for the face, whatever else is installed.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Fonts {
    pub(crate) faces: Vec<Face>,
    pub(crate) skipped: Vec<SkippedFont>,
    /// In how many faces each character is, by falling number and rising character.
    pub(crate) covered: Vec<(char, usize)>,
}

/// Where the system keeps fonts.
fn usual_places() -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let below_home = |places: &[&str]| -> Vec<PathBuf> {
        home.iter().flat_map(|home| places.iter().map(|place| home.join(place))).collect()
    };
    if cfg!(windows) {
        let mut places = vec![PathBuf::from(r"C:\Windows\Fonts")];
        places.extend(below_home(&[r"AppData\Local\Microsoft\Windows\Fonts"]));
        places
    } else if cfg!(target_os = "macos") {
        let mut places = ["/System/Library/Fonts", "/Library/Fonts"].map(PathBuf::from).to_vec();
        places.extend(below_home(&["Library/Fonts"]));
        places
    } else {
        let mut places = ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from).to_vec();
        places.extend(below_home(&[".local/share/fonts", ".fonts"]));
        places
    }
}

/// Finds the faces in `places`, or where the system keeps fonts if there are none, and counts their characters.
///
/// A file that lies in several places counts once. `advance` is told files done and files in all.
pub(crate) fn find(
    places: &[PathBuf],
    expected: impl Fn(char) -> bool + Sync,
    advance: &(dyn Fn(u64, u64) + Sync),
) -> Result<Fonts> {
    if let Some(missing) = places.iter().find(|place| !place.exists()) {
        return Err(Error::MissingFonts { path: missing.clone() });
    }
    let looked = if places.is_empty() { usual_places() } else { places.to_vec() };
    let mut paths = Vec::new();
    for place in looked.iter().filter(|place| place.exists()) {
        font_files(place, &mut paths)?;
    }
    // The same file by way of a link, or of two folders one in the other.
    paths.sort();
    paths.dedup();

    let done = std::sync::atomic::AtomicU64::new(0);
    let scanned: Vec<_> = paths
        .par_iter()
        .map(|path| {
            let found = scan(path, &expected);
            advance(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), paths.len() as u64);
            found
        })
        .collect();
    // By name and content, so that the order does not depend on where the files lie; twins of a file fall out.
    let mut by_name = BTreeMap::new();
    let mut skipped = Vec::new();
    for (path, found) in paths.iter().zip(scanned) {
        let file = file_name(path);
        match found {
            Ok(found) => {
                by_name.insert((found.sha256.clone(), file), found);
            }
            Err(reason) => skipped.push(SkippedFont { file, path: path.clone(), reason }),
        }
    }
    let mut files: Vec<_> = by_name.into_iter().collect();
    files.dedup_by(|((this, _), _), ((other, _), _)| this == other);
    files.sort_by(|((sha, name), _), ((other_sha, other_name), _)| (name, sha).cmp(&(other_name, other_sha)));
    skipped.sort_by(|one, other| (&one.file, &one.path).cmp(&(&other.file, &other.path)));

    let mut counts = BTreeMap::new();
    let mut faces = Vec::new();
    for (_, file) in files {
        for (face, characters) in file.faces {
            for character in characters {
                *counts.entry(character).or_insert(0) += 1;
            }
            faces.push(face);
        }
    }
    if faces.is_empty() {
        return Err(Error::NoFonts { looked, skipped: skipped.len() });
    }
    let mut covered: Vec<(char, usize)> = counts.into_iter().collect();
    covered.sort_by_key(|(character, count)| (std::cmp::Reverse(*count), *character));
    Ok(Fonts { faces, skipped, covered })
}

/// Puts the font files at and below `place` behind `paths`, without links in their names.
fn font_files(place: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in WalkDir::new(place).follow_links(true) {
        // Folders that may not be read, and links that lead nowhere or in circles, are common beside fonts.
        let Ok(entry) = entry else { continue };
        // A file that was named is taken for a font whatever its name; below a folder the name tells.
        if entry.file_type().is_file() && (entry.depth() == 0 || is_font(entry.path())) {
            let path = entry.path();
            let real =
                path.canonicalize().map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
            paths.push(real);
        }
    }
    Ok(())
}

fn is_font(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["ttf", "otf", "ttc", "otc"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A font file that can be used.
struct Scanned {
    sha256: String,
    /// Each with its characters.
    faces: Vec<(Face, Vec<char>)>,
}

/// Looks into a file; the error is the reason why it is of no use.
fn scan(path: &Path, expected: impl Fn(char) -> bool) -> std::result::Result<Scanned, String> {
    let bytes = read(path)?;
    let digest = Sha256::digest(&bytes);
    let sha256 = digest.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"));
    let start = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let mut faces = Vec::new();
    for (index, font) in open(&bytes)?.into_iter().enumerate() {
        let Some(open) = OpenFace::new(&font, Location::default()) else { continue };
        let characters: Vec<char> = open.characters().filter(|character| expected(*character)).collect();
        if characters.is_empty() {
            continue;
        }
        let name = |id: StringId| {
            font.localized_strings(id).english_or_first().map(|name| name.to_string()).unwrap_or_default()
        };
        let face = |instance: Option<usize>, style: String| Face {
            file: file_name(path),
            sha256: sha256.clone(),
            index,
            instance,
            family: name(StringId::FAMILY_NAME),
            style,
            path: path.to_path_buf(),
            key: start ^ (index as u64) << 32 ^ instance.map_or(0, |instance| instance as u64 + 1),
        };
        let instances = font.named_instances();
        if instances.is_empty() {
            faces.push((face(None, name(StringId::SUBFAMILY_NAME)), characters));
            continue;
        }
        for (number, instance) in instances.iter().take(MAX_INSTANCES).enumerate() {
            faces.push((face(Some(number), name(instance.subfamily_name_id())), characters.clone()));
        }
    }
    if faces.is_empty() {
        return Err("no outlines of the expected characters".to_owned());
    }
    Ok(Scanned { sha256, faces })
}

fn read(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(format!("{length} bytes; at most {MAX_BYTES} are read"));
    }
    std::fs::read(path).map_err(failed)
}

fn open(bytes: &[u8]) -> std::result::Result<Vec<FontRef<'_>>, String> {
    let fonts = FileRef::new(bytes).map_err(|error| format!("not a font: {error}"))?.fonts();
    fonts.collect::<std::result::Result<_, _>>().map_err(|error| format!("damaged: {error}"))
}

/// Calls `work` for each face in order, with its position, opened. Each file is read once.
///
/// # Errors
/// [`Error::Read`] if a file that was there is not what it was.
pub(crate) fn each_face(faces: &[Face], mut work: impl FnMut(usize, &OpenFace<'_>)) -> Result<()> {
    let mut position = 0;
    for of_a_file in faces.chunk_by(|one, other| one.path == other.path) {
        let path = &of_a_file[0].path;
        let changed = |reason: String| Error::Read {
            path: path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
        };
        let bytes = read(path).map_err(changed)?;
        let fonts = open(&bytes).map_err(changed)?;
        for face in of_a_file {
            let gone = || changed("the file changed while it was drawn with".to_owned());
            let font = fonts.get(face.index).ok_or_else(gone)?;
            let location = match face.instance {
                Some(number) => font.named_instances().get(number).ok_or_else(gone)?.location(),
                None => Location::default(),
            };
            work(position, &OpenFace::new(font, location).ok_or_else(gone)?);
            position += 1;
        }
    }
    Ok(())
}

/// Units to an em, if the font says so.
pub(crate) fn units_per_em(font: &FontRef<'_>) -> Option<f32> {
    let units = font.metrics(Size::unscaled(), &Location::default()).units_per_em;
    (units > 0).then_some(f32::from(units))
}
