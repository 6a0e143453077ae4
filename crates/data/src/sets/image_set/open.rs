//! Opens an [`ImageSet`] from IDX files, whose pixels are used as they are, or from a [`Listing`], whose images are decoded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use widemargin_tables::combined_labels;

use super::options::OpenOptions;
use super::{ImageSet, PixelStore};
use crate::bad_image::require_few_bad;
use crate::catalogue::{Cameras, Groups, named};
use crate::copies::{copies, renumbered};
use crate::decode::{self, ContentDigest, Target};
use crate::digest::digest;
use crate::file_names::{ending, name_of};
use crate::hold_out::{self, Drawing};
use crate::parallel::map_positions;
use crate::part::{PartsFrom, settle};
use crate::pixel_facts::PixelFacts;
use crate::place::ImagePlace;
use crate::sets::named::{FASHION_MNIST_CLASSES, FASHION_MNIST_FIRST};
use crate::sources::folder_options::ClassFolder;
use crate::sources::idx::{self, IdxFiles, IdxPart};
use crate::sources::idx_classes::class_names;
use crate::sources::listing::{FoundImage, Listing};
use crate::sources::near_columns::{camera_sentence, is_camera};
use crate::sources::source::{Source, SourceKind};
use crate::words::plural;
use crate::{BadImage, Catalogue, Error, Part, Result};

/// Most classes of IDX files that are named by their numbers.
const MAX_NUMBERED: u32 = 1 << 24;
/// File with one class name per line, next to IDX files.
const CLASS_FILE: &str = "classes.txt";
/// What to do if the folders in the only class folder are the classes.
const DEEPEST: &str = "; if the folders in it are the classes, use --class-folder deepest";

impl ImageSet {
    /// Opens IDX files (compressed or not, named like those of MNIST), an image folder, a manifest, or WebDataset shards; see [`Source`].
    ///
    /// Images are PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI. They are rotated as their metadata requires, converted to 8-bit colours and to
    /// the channels of `options`, and resized to its height and width. Every image is decoded once; those that fail are left out and listed by [`bad`](Self::bad). The pixels stay in
    /// memory if all of them fit into `memory_limit`. If not, images are decoded again whenever they are read, and the set takes a few
    /// hundred bytes per image.
    ///
    /// Classes of IDX files take their names from a file `classes.txt` (one name per line) in the same folder. Without it, Fashion-MNIST has
    /// its known names, and other classes are named by their numbers. Classes without samples are dropped.
    ///
    /// # Errors
    /// [`Error`] has a variant for each kind of bad data.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        options.validate()?;
        Self::from_source(&Source::detect(path)?, options)
    }

    /// As [`open`](Self::open), for a source whose kind is already known.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_source(source: &Source, options: &OpenOptions) -> Result<Self> {
        options.validate()?;
        let path = source.path();
        options.folders.require_for(source.kind(), &path.display().to_string())?;
        match (source.kind(), source.idx_files()) {
            (_, Some(_)) if options.uses_cameras() => Err(Error::NoCameras { path: path.to_path_buf() }),
            (_, Some(files)) => Self::open_idx(path, files, options.memory_limit),
            (SourceKind::Folder | SourceKind::Manifest | SourceKind::Shards, _) => {
                Self::from_listing(Listing::open(source, options.folders)?, options)
            }
            (SourceKind::Image, _) => Err(Error::UnknownFormat { path: path.to_path_buf() }),
            (SourceKind::Table | SourceKind::Idx, _) => Err(Error::NotImages { path: path.to_path_buf() }),
        }
    }

    fn open_idx(folder: &Path, files: &IdxFiles, limit: u64) -> Result<Self> {
        let [train_images, train_labels, test_images, test_labels] = files;
        let part = |images: &Path, labels: &Path, limit: u64| {
            idx::part((images, idx::read(images, limit)?), (labels, idx::read(labels, limit)?))
        };
        let train = part(train_images, train_labels, limit)?;
        let test = part(test_images, test_labels, limit.saturating_sub(train.pixels.len() as u64))?;
        if test.shape != train.shape {
            let (found, expected) = (test.shape, train.shape);
            return Err(Error::ShapesDiffer { path: test_images.clone(), found, expected });
        }
        let class_file = folder.join(CLASS_FILE);
        let labels = || train.labels.iter().chain(&test.labels).copied();
        let names = if class_file.exists() {
            class_names(&class_file, labels())?
        } else if is_fashion_mnist(&train) {
            fashion_classes()
        } else {
            let largest = labels().filter(|label| *label < MAX_NUMBERED).max().unwrap_or(0);
            (0..=largest).map(|label| label.to_string()).collect()
        };
        let mut set = Self::from_idx(&name_of(folder), folder, [train, test], &names)?;
        set.catalogue.warnings = idx::notes(folder, files);
        let combined = combined_labels(names.iter().map(String::as_str));
        set.catalogue.warnings.extend(combined.map(|found| format!("{}: {found}.", class_file.display())));
        Ok(set)
    }

    fn from_idx(name: &str, origin: &Path, parts: [IdxPart; 2], names: &[String]) -> Result<Self> {
        let mut used = vec![false; names.len()];
        for part in &parts {
            for (sample, label) in part.labels.iter().enumerate() {
                let slot = used.get_mut(*label as usize).ok_or_else(|| Error::LabelOutOfRange {
                    path: part.label_path.clone(),
                    sample,
                    found: *label,
                    classes: names.len(),
                })?;
                *slot = true;
            }
        }
        let present: Vec<usize> = (0..names.len()).filter(|class| used[*class]).collect();
        let class_of = |label: u32| present.partition_point(|class| *class < label as usize) as u32;
        let [train, test] = parts;
        let labels: Vec<u32> =
            train.labels.iter().chain(&test.labels).map(|label| class_of(*label)).collect();
        let mut part_of = vec![Part::Train; train.labels.len()];
        part_of.resize(labels.len(), Part::Test);
        let mut pixels = train.pixels;
        pixels.extend(test.pixels);
        let values = train.shape.values();
        let digests =
            map_positions(0, labels.len(), |at| ContentDigest::of([&pixels[at * values..][..values]]));
        let set = Self {
            catalogue: Catalogue {
                name: name.to_owned(),
                class_names: present.into_iter().map(|class| names[class].clone()).collect(),
                labels,
                parts: part_of,
                copies: copies(digests.into_iter()),
                warnings: Vec::new(),
                groups: None,
                cameras: None,
                usual_unseen: None,
                credits: None,
                unusable: Vec::new(),
                far_off: None,
            },
            shape: train.shape,
            preprocessing: None,
            endings: BTreeMap::new(),
            store: PixelStore::Block(pixels),
            parts_from: PartsFrom::Marks,
            files: Vec::new(),
            digests: Vec::new(),
            shards: Vec::new(),
            bad: Vec::new(),
            undecoded: HashMap::new(),
            ignored: 0,
        };
        set.checked(origin)
    }

    fn from_listing(mut listing: Listing, options: &OpenOptions) -> Result<Self> {
        listing.require_no_weights()?;
        let root = listing.path.clone();
        let unlabelled = listing.found.iter().filter(|found| found.class.is_none()).count();
        if unlabelled == listing.len() && listing.kind() == SourceKind::Folder {
            let mut skipped = String::new();
            let tars = listing.skipped_files.endings.contains_key(".tar").then(|| {
                format!(
                    "For shards in sub-folders, give a pattern such as {}",
                    root.join("*/*.tar").display()
                )
            });
            for sentence in listing.skipped_files.sentences().into_iter().chain(tars) {
                skipped.push_str(". ");
                skipped.push_str(sentence.trim_end_matches('.'));
            }
            return Err(Error::EmptyFolder { path: root, loose: unlabelled, skipped });
        }
        if listing.kind() == SourceKind::Folder {
            // An image outside the class folders is not a sample.
            listing.leave_out_loose();
        } else if let Some(first) = listing.found.iter().find(|found| found.class.is_none()) {
            let (first, of) = (first.id.clone(), listing.len());
            let expected = match listing.kind() {
                SourceKind::Manifest => "a column `label`",
                _ => "each image a .cls, a .json with a label, or a .txt",
            };
            return Err(Error::NoLabels { path: root, count: unlabelled, of, first, expected });
        } else if listing.is_empty() {
            return Err(listing.no_images());
        }
        if let [class] = listing.class_names() {
            let advice =
                if options.folders.class_folder == ClassFolder::Top && has_folders_in(&listing, class) {
                    DEEPEST
                } else {
                    ""
                };
            return Err(Error::OnlyOneClass { path: root, class: class.clone(), advice });
        }
        let target = Target { shape: options.shape(), preprocessing: options.preprocessing };
        let shape = target.shape;
        let files = listing.len() + listing.bad.len();
        let total = (listing.len() as u64).saturating_mul(shape.values() as u64);
        let keep = total <= options.memory_limit;
        let decoded = map_positions(options.threads, listing.len(), |image| {
            let bytes = listing.read_found(&listing.found[image])?;
            let (pixels, properties, content) = decode::decode_examined(&bytes, &target)?;
            Ok::<_, String>((keep.then(|| pixels.into_boxed_slice()), properties, content, digest(&bytes)))
        });
        let (mut good, mut bad) = (Vec::with_capacity(files), std::mem::take(&mut listing.bad));
        let (mut properties_of, mut contents) = (Vec::with_capacity(files), Vec::with_capacity(files));
        let (mut digest_of, mut undecoded) = (Vec::with_capacity(files), HashMap::new());
        for (image, outcome) in decoded.into_iter().enumerate() {
            match outcome {
                Ok((pixels, properties, content, digest)) => {
                    good.push((image, pixels));
                    properties_of.push((listing.id(image).to_owned(), properties));
                    contents.push(content);
                    digest_of.push(digest);
                }
                Err(reason) => {
                    undecoded.insert(listing.id(image).to_owned(), bad.len());
                    bad.push(BadImage { path: listing.path(image), reason });
                }
            }
        }
        require_few_bad(&root, &bad, files, options.max_bad)?;
        if let (true, Some(BadImage { path, reason })) = (good.is_empty(), bad.first()) {
            let first = format!("{}: {reason}", path.display());
            return Err(Error::NothingUsable { path: root, count: bad.len(), first });
        }
        let mut labels: Vec<u32> = good.iter().filter_map(|(image, _)| listing.found[*image].class).collect();
        let class_names = with_samples(listing.class_names(), &mut labels);
        let copies = copies(contents.into_iter());
        let Parts { of_images: parts, from: parts_from, far_off } =
            parts(&listing, &labels, &good, (&copies, options))?;
        let mut warnings = listing.sentences();
        let camera = listing.extras.names.iter().position(|name| is_camera(name));
        if options.uses_cameras() && camera.is_none() {
            return Err(Error::NoCameras { path: root });
        }
        warnings.extend(camera.filter(|_| !options.uses_cameras()).map(|_| camera_sentence()));
        let (mut unusable, sentence) = without_samples(listing.class_names(), &class_names);
        let empty = listing.skipped_files.empty_folders.iter();
        unusable.extend(empty.filter_map(|empty| empty.folder.rsplit('/').next().map(str::to_owned)));
        warnings.extend(sentence);
        warnings.extend(PixelFacts::of(&properties_of, target.preprocessing).sentences());
        // Training samples first.
        let mut order: Vec<usize> = (0..good.len()).collect();
        order.sort_by_key(|at| parts[*at].is_held_out());
        let groups = listing
            .has_groups()
            .then(|| Groups::new(order.iter().map(|at| group_of(&listing.found[good[*at].0]))));
        let cameras = camera.filter(|_| options.uses_cameras()).map(|column| {
            let of = order.iter().map(|at| listing.extras.rows[good[*at].0][column].as_str());
            Cameras::new(of, options.held_out_camera.as_deref(), &root.display().to_string())
        });
        let cameras = cameras.transpose()?;
        let (mut places, mut images) = (Vec::with_capacity(good.len()), Vec::new());
        let (mut place_of, mut endings) = (vec![0; order.len()], BTreeMap::new());
        for (place, at) in (0..).zip(&order) {
            place_of[*at] = place;
            let (image, pixels) = &mut good[*at];
            *endings.entry(ending(&listing.path(*image))).or_default() += 1;
            let found = &mut listing.found[*image];
            let nothing = ImagePlace::File(PathBuf::new());
            places.push((std::mem::take(&mut found.id), std::mem::replace(&mut found.place, nothing)));
            images.extend(pixels.take());
        }
        let set = Self {
            catalogue: Catalogue {
                name: listing.name.clone(),
                class_names,
                labels: order.iter().map(|at| labels[*at]).collect(),
                parts: order.iter().map(|at| parts[*at]).collect(),
                copies: renumbered(&copies, &place_of),
                warnings,
                groups,
                cameras,
                usual_unseen: None,
                credits: None,
                unusable,
                far_off,
            },
            shape,
            preprocessing: Some(options.preprocessing),
            endings,
            store: if keep { PixelStore::Decoded(images) } else { PixelStore::Files },
            parts_from,
            files: places,
            digests: order.iter().map(|at| digest_of[*at]).collect(),
            shards: listing.shards,
            bad,
            undecoded,
            ignored: listing.ignored,
        };
        set.checked(&root)
    }
}

/// Whether the folders of a class have several folders with images in them.
fn has_folders_in(listing: &Listing, class: &str) -> bool {
    let inside = |found: &FoundImage| {
        let path = Path::new(&found.id);
        let mut folders = path.parent()?.iter().skip_while(|folder| *folder != class);
        folders.next()?;
        folders.next().map(std::ffi::OsStr::to_owned)
    };
    listing.found.iter().filter_map(inside).collect::<BTreeSet<_>>().len() > 1
}

/// Whether a set of IDX files is Fashion-MNIST, recognised by its first training image.
fn is_fashion_mnist(train: &IdxPart) -> bool {
    train.pixels.get(..train.shape.values()).is_some_and(|first| digest(first) == FASHION_MNIST_FIRST)
}

fn fashion_classes() -> Vec<String> {
    FASHION_MNIST_CLASSES.map(str::to_owned).to_vec()
}

/// The names of the classes that occur in `labels`, and renumbers `labels` accordingly: a class without usable images is dropped.
fn with_samples(names: &[String], labels: &mut [u32]) -> Vec<String> {
    let mut used = vec![false; names.len()];
    for label in labels.iter() {
        used[*label as usize] = true;
    }
    let present: Vec<u32> = (0..names.len() as u32).filter(|class| used[*class as usize]).collect();
    for label in labels {
        *label = present.partition_point(|class| class < label) as u32;
    }
    present.into_iter().map(|class| names[class as usize].clone()).collect()
}

/// Classes that were found but have no usable image, and a sentence about them.
fn without_samples(found: &[String], used: &[String]) -> (Vec<String>, Option<String>) {
    let used: BTreeSet<&String> = used.iter().collect();
    let missing = |name: &u32| !used.contains(&found[*name as usize]);
    let missing: Vec<u32> = (0..found.len() as u32).filter(missing).collect();
    let names = missing.iter().map(|class| found[*class as usize].clone()).collect();
    let sentence = (!missing.is_empty()).then(|| {
        format!(
            "Skipped {} without a usable image: {}.",
            plural(missing.len(), "class", "classes"),
            named(&missing, found)
        )
    });
    (names, sentence)
}

/// The group of an image; one without a group is a group of its own.
fn group_of(found: &FoundImage) -> &str {
    found.group.as_deref().unwrap_or(&found.id)
}

/// The part of each good image.
struct Parts {
    of_images: Vec<Part>,
    from: PartsFrom,
    /// A sentence, if the share of drawn parts is far from the one that was set.
    far_off: Option<String>,
}

/// The part of each good image, and where the parts come from.
fn parts(
    listing: &Listing,
    labels: &[u32],
    good: &[(usize, Option<Box<[u8]>>)],
    (copies, options): (&[Vec<u32>], &OpenOptions),
) -> Result<Parts> {
    let found = || good.iter().map(|(image, _)| &listing.found[*image]);
    if found().any(|found| found.part.is_some_and(Part::is_held_out)) {
        // If some are marked as held out, all others are `train`.
        let mut parts: Vec<Part> = found().map(|found| found.part.unwrap_or(Part::Train)).collect();
        if parts.iter().all(|part| part.is_held_out()) {
            return Err(Error::NothingToTrainOn { path: listing.path.clone() });
        }
        settle(parts.iter_mut());
        return Ok(Parts { of_images: parts, from: PartsFrom::Marks, far_off: None });
    }
    let set = (options.hold_out, "images");
    let (test, from, far_off) = if listing.has_groups() {
        let groups: Vec<String> = found().map(|found| group_of(found).to_owned()).collect();
        let test = hold_out::by_group(&hold_out::joined(&groups, copies), options.hold_out, options.seed);
        let far_off = hold_out::far_off_by_groups(&test, set);
        (test, PartsFrom::Groups, far_off)
    } else {
        let classes = labels.iter().copied().map(Some);
        let test = hold_out::by_class(classes, copies, options.hold_out, (options.seed, Drawing::Train));
        let far_off = hold_out::far_off_by_class(&test, labels, copies, set);
        (test, PartsFrom::Drawing, far_off)
    };
    let parts = test.into_iter().map(|test| if test { Part::Test } else { Part::Train }).collect();
    Ok(Parts { of_images: parts, from, far_off })
}
