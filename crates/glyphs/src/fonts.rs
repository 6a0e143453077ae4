//! The font files of the machine and their faces.
//!
//! A file can have several faces: a collection (`.ttc`) contains them one after another, and a variable font has one face
//! per named instance. Their order does not depend on the folders of the files. Only the description of a face stays in
//! memory. The files themselves, which can be gigabytes, are read again for each use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use skrifa::instance::Location;
use skrifa::raw::FileRef;
use skrifa::string::StringId;
use skrifa::{FontRef, MetadataProvider};
use walkdir::WalkDir;

use crate::face::OpenFace;
use crate::{Error, Result};

/// Largest font file that is read. The largest in use are below 100 MB.
const MAX_BYTES: u64 = 256 << 20;
/// Largest number of instances used of a variable font.
const MAX_INSTANCES: usize = 64;

/// A font file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedFont {
    /// Name of the file.
    pub file: String,
    /// Its path. Not in the manifest, which would then differ between machines.
    #[serde(skip)]
    pub path: PathBuf,
    /// Why it could not be used.
    pub reason: String,
}

/// A usable face.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Face {
    /// Name of its file.
    pub file: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Position in the file, from 0.
    pub index: usize,
    /// Position of the named instance, from 0, for a variable font.
    pub instance: Option<usize>,
    /// The font's family name.
    pub family: String,
    /// The font's style name: `Bold Italic`.
    pub style: String,
    #[serde(skip)]
    path: PathBuf,
    /// Identifies file, index and instance in random streams.
    #[serde(skip)]
    key: u64,
}

impl Face {
    /// Identifies the face in random streams, whatever else is installed.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

/// The faces that were found.
#[derive(Debug)]
pub(crate) struct Fonts {
    pub(crate) faces: Vec<Face>,
    pub(crate) skipped: Vec<SkippedFont>,
    /// Each character with the number of faces that have it, in descending order of that number, then ascending by character.
    pub(crate) covered: Vec<(char, usize)>,
}

/// The folders in which the system keeps fonts.
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

/// Finds the faces in `places`, or in the system's font folders if there are none, and counts their characters.
///
/// Copies of a file count once. `advance` receives the number of files read and of all files.
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
    // A file can be found twice, by a link or by nested folders.
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
    // By name and content, so that the order does not depend on the folders; copies are dropped.
    let mut by_name = BTreeMap::new();
    let mut skipped = Vec::new();
    for (path, found) in paths.iter().zip(scanned) {
        let file = file_name(path);
        match found {
            Ok(found) => {
                by_name.insert((found.sha256.clone(), file), found);
            }
            Err(Fault::Font(reason)) => skipped.push(SkippedFont { file, path: path.clone(), reason }),
            Err(Fault::System(source)) => return Err(Error::Read { path: path.clone(), source }),
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

/// Appends the font files at and below `place` to `paths`, as paths without links.
fn font_files(place: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in WalkDir::new(place).follow_links(true) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(place).to_path_buf();
                match error.into_io_error() {
                    Some(source) if is_exhausted(&source) => return Err(Error::Read { path, source }),
                    // Unreadable folders and broken or circular links are common among fonts.
                    _ => continue,
                }
            }
        };
        // A file given by the user counts as a font whatever its name; in a folder the extension decides.
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

/// A usable font file.
struct Scanned {
    sha256: String,
    /// Its faces, each with its characters.
    faces: Vec<(Face, Vec<char>)>,
}

/// Why a file gives no faces.
enum Fault {
    /// It is not a usable font; other fonts are.
    Font(String),
    /// The system has no file handles or memory left. A set without this font would silently be another set.
    System(std::io::Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Font(reason)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        if is_exhausted(&error) {
            Self::System(error)
        } else {
            Self::Font(format!("cannot be read: {error}"))
        }
    }
}

/// Whether the process or the system has too many open files (`ENFILE`, `EMFILE`), or no memory.
fn is_exhausted(error: &std::io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
        || error.kind() == std::io::ErrorKind::OutOfMemory
}

/// Reads a file; the error is the reason why it cannot be used.
fn scan(path: &Path, expected: impl Fn(char) -> bool) -> std::result::Result<Scanned, Fault> {
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
        return Err(Fault::Font("no outlines of the requested characters".to_owned()));
    }
    Ok(Scanned { sha256, faces })
}

fn read(path: &Path) -> std::result::Result<Vec<u8>, Fault> {
    Ok(widemargin_durable::read_file(path, MAX_BYTES)?)
}

fn open(bytes: &[u8]) -> std::result::Result<Vec<FontRef<'_>>, String> {
    let fonts = FileRef::new(bytes).map_err(|error| format!("not a font: {error}"))?.fonts();
    fonts.collect::<std::result::Result<_, _>>().map_err(|error| format!("damaged: {error}"))
}

/// Opens each face in order and calls `work` with its position and the open face. Each file is read once.
///
/// # Errors
/// [`Error::Read`] if a file was removed or changed.
pub(crate) fn each_face(faces: &[Face], mut work: impl FnMut(usize, &OpenFace<'_>)) -> Result<()> {
    let mut position = 0;
    for of_a_file in faces.chunk_by(|one, other| one.path == other.path) {
        let path = &of_a_file[0].path;
        let failed = |source| Error::Read { path: path.clone(), source };
        let changed = |reason: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        let bytes = read(path).map_err(|fault| match fault {
            Fault::Font(reason) => changed(reason),
            Fault::System(source) => failed(source),
        })?;
        let fonts = open(&bytes).map_err(changed)?;
        for face in of_a_file {
            let gone = || changed("the file changed during drawing".to_owned());
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
