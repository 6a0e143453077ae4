//! `eval retrieval`: are the nearest neighbours of the same class?

use super::copies::{SelfArguments, SelfMatches, crowded, repeated};
use super::figures;
use super::input::{self, AcrossCameras, CameraFile, LabelledEmbeddings, SetArguments, both, explained};
use super::output::{Findings, OutputArguments, percent, table};
use crate::arguments::{heading, without_effect};
use crate::progress;
use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use widemargin::RECALL_AT;
use widemargin_eval::Error;
use widemargin_eval::retrieval::{self, Confusions, Gallery, Ranking};
use widemargin_report::page::EvaluationTable;
use widemargin_tables::ClassNames;

/// Ranks of the CMC curve.
const CMC: [usize; 14] = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100];
/// Most confusions listed in JSON with --figures, unless --confusions says how many.
const LISTED: usize = 100;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval retrieval embeddings.npy\n  widemargin eval retrieval images.npy --split runs/mine/split.csv"
)]
pub(crate) struct RetrievalArguments {
    #[command(flatten)]
    set: SetArguments,
    /// Search in this file [default: among all other embeddings]
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE")]
    gallery: Option<PathBuf>,
    /// Labels of the gallery, if the file does not contain them
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE", requires = "gallery")]
    gallery_labels: Option<PathBuf>,
    /// Ignore gallery rows with the query's class and camera, as in re-identification; requires a column `camera` or --cameras
    #[arg(help_heading = heading::GALLERY, long)]
    exclude_same_camera: bool,
    /// Cameras of the queries, if the file does not contain them: .csv or .parquet with a column `camera`, joined by `id` if the embeddings
    /// have ids; .npy, or text with one camera per line
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE", requires = "exclude_same_camera")]
    cameras: Option<PathBuf>,
    /// Cameras of the gallery, as --cameras
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE", requires_all = ["exclude_same_camera", "gallery"])]
    gallery_cameras: Option<PathBuf>,
    #[command(flatten)]
    across: AcrossCameras,
    #[command(flatten)]
    itself: SelfArguments,
    #[command(flatten)]
    measures: RankingArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// What to report about rankings; the default is that of the command.
#[derive(Args, Default)]
pub(super) struct RankingArguments {
    /// Values of k for recall and nDCG at k [default: 1,5,10, up to the size of the gallery]
    #[arg(help_heading = heading::MEASURES, long, value_name = "NUMBERS", value_delimiter = ',')]
    k: Vec<usize>,
    /// Number of the most frequent confusions of nearest neighbours to list
    #[arg(help_heading = heading::MEASURES, long, value_name = "NUMBER", default_value_t = 0)]
    confusions: usize,
}

/// Queries, and what they search.
pub(super) struct Search<'a> {
    queries: &'a LabelledEmbeddings,
    classes: &'a ClassNames,
    /// `None`: the other queries.
    gallery: Option<&'a LabelledEmbeddings>,
    /// The samples of the gallery that are queries.
    matches: Option<SelfMatches>,
    /// Cameras of the queries and of what they search.
    cameras: Option<(Vec<u32>, Vec<u32>)>,
    /// Sentences on the cameras.
    notes: Vec<String>,
}

impl<'a> Search<'a> {
    /// Each embedding of a set searches the others.
    pub(super) fn within(queries: &'a LabelledEmbeddings, classes: &'a ClassNames) -> Self {
        Self { queries, classes, gallery: None, matches: None, cameras: None, notes: Vec::new() }
    }
}

pub(crate) fn run(arguments: &RetrievalArguments) -> anyhow::Result<()> {
    let keeps = arguments.itself.keeps() && arguments.gallery.is_none();
    without_effect(&[("--keep-self", keeps)], "without --gallery: a row is never compared with itself")?;
    let across = arguments.across.is_given();
    without_effect(
        &[("--across-cameras", across && arguments.gallery.is_some())],
        "with --gallery: it is for the rows of one file",
    )?;
    without_effect(
        &[("--exclude-same-camera", across && arguments.exclude_same_camera)],
        "with --across-cameras, which excludes more",
    )?;
    let mut classes = arguments.set.shared();
    let queries = arguments.across.apply(arguments.set.labelled(&mut classes)?)?;
    let gallery = match &arguments.gallery {
        Some(path) => Some(input::labelled(path, arguments.gallery_labels.as_deref(), &mut classes)?),
        None => None,
    };
    classes.require_ignored()?;
    let sets: Vec<&LabelledEmbeddings> = std::iter::once(&queries).chain(&gallery).collect();
    input::require_two_classes(&sets, &classes)?;
    let mut camera_notes = Vec::new();
    let cameras = if arguments.exclude_same_camera {
        let mut known = ClassNames::new();
        let file = |path, flag| CameraFile { path, flag, classes: &classes };
        let given = file(arguments.cameras.as_deref(), "--cameras");
        let of_queries = input::cameras(&queries, &given, &mut known, &mut camera_notes)?;
        let of_gallery = if let Some(set) = &gallery {
            let count = known.names().len();
            let given = file(arguments.gallery_cameras.as_deref(), "--gallery-cameras");
            let found = input::cameras(set, &given, &mut known, &mut camera_notes)?;
            camera_notes.extend(input::compared_cameras(&known, count, &found)?);
            found
        } else {
            camera_notes.extend(nothing_excluded(&queries, &of_queries));
            of_queries.clone()
        };
        Some((of_queries, of_gallery))
    } else {
        None
    };
    let names = ["queries", "in the gallery"];
    let matches =
        gallery.as_ref().map(|set| SelfMatches::between(&queries, set, names, &arguments.itself, &classes));
    let search = Search {
        queries: &queries,
        classes: &classes,
        gallery: gallery.as_ref(),
        matches,
        cameras,
        notes: camera_notes,
    };
    findings(&search, &arguments.measures, arguments.output.draws())?.show(&arguments.output)
}

pub(super) fn findings(
    search: &Search<'_>,
    arguments: &RankingArguments,
    draws: bool,
) -> anyhow::Result<Findings> {
    let Search { queries, classes, gallery, matches, cameras, notes } = search;
    let searched = gallery.unwrap_or(queries);
    let mut view = match (cameras, gallery) {
        (None, None) => Gallery::others(),
        _ => Gallery::separate(&searched.embeddings),
    };
    if let Some((of_queries, of_gallery)) = cameras {
        view = view.with_cameras(of_queries, of_gallery);
    }
    if let Some(copies) = matches.as_ref().and_then(SelfMatches::excluded) {
        view = view.without(copies);
    }
    let place = match gallery {
        Some(set) => both(&queries.path, &set.path),
        None => queries.path.display().to_string(),
    };
    let blame = |error: Error| match error {
        Error::ZeroK | Error::KTooLarge { .. } => explained(error, classes, &format!("--k: {place}")),
        Error::NoAnswers { queries }
            if matches.as_ref().is_some_and(|matches| matches.excluded().is_some()) =>
        {
            anyhow!(
                "{place}: no other embedding of its class is in the gallery for any of the {queries} queries, once self-matches are excluded; \
             --keep-self keeps them{}",
                input::alike(classes)
            )
        }
        Error::NoAnswers { queries } if cameras.is_some() => anyhow!(
            "{place}: --exclude-same-camera leaves no embedding of its class for any of the {queries} queries: none has one of another camera{}",
            input::alike(classes)
        ),
        error => explained(error, classes, &place),
    };

    let findable = searched.embeddings.rows() - usize::from(gallery.is_none() && cameras.is_none());
    let within = |ks: &[usize]| -> Vec<usize> { ks.iter().copied().filter(|&k| k <= findable).collect() };
    let asked = if arguments.k.is_empty() { within(&RECALL_AT) } else { arguments.k.clone() };
    let mut ks: BTreeSet<usize> = asked.iter().copied().collect();
    ks.extend(within(&CMC));
    let ks: Vec<usize> = ks.into_iter().collect();
    let bar = progress::counted("queries", queries.embeddings.rows() as u64);
    let advance = progress::advancing(&bar);
    let found = retrieval::rank_with_progress(&queries.embeddings, view, &ks, &advance).map_err(blame)?;
    bar.finish_and_clear();
    let confusions = if draws || arguments.confusions > 0 {
        let _waiting = progress::waiting("nearest neighbours");
        Some(retrieval::confusions(&queries.embeddings, view).map_err(blame)?)
    } else {
        None
    };

    let mut lead = queries.in_words();
    if let Some(set) = gallery {
        lead = format!("{lead}; searching {}", set.in_words());
    }
    lead.push_str(match cameras {
        Some(_) => "; rows with the same class and camera are ignored.",
        None => queries.compared_in_words(),
    });
    let mut warnings = matches.as_ref().map(SelfMatches::warnings).unwrap_or_default();
    warnings.extend(notes.iter().cloned());
    let (repeats, repeated) = if gallery.is_none() { repeated(queries, classes) } else { (None, Vec::new()) };
    warnings.extend(repeated);
    let sets = std::iter::once(queries).chain(gallery);
    warnings.extend(sets.filter_map(|set| crowded(&set.path.display(), &set.embeddings)));
    if found.excluded_queries > 0 {
        let others = if gallery.is_some() {
            "have no other embedding of their class in the gallery"
        } else {
            "are the only ones of their class that can be compared"
        };
        warnings.push(format!("{} embeddings {others} and are not used as queries.", found.excluded_queries));
    }
    let most = if arguments.confusions > 0 { arguments.confusions } else { LISTED };
    let json = json!({
        "compared": lead,
        "k": asked,
        "retrieval": found,
        "self_matches": matches.as_ref().map(SelfMatches::json),
        "repeated": repeats,
        "crowding": searched.embeddings.crowding(),
        "confusions": confusions.as_ref().map(|found| listed(found, classes, most)),
        "warnings": warnings,
    });
    let mut tables = vec![main_table(&found, &asked, matches.as_ref())];
    if let Some(found) = confusions.as_ref().filter(|_| arguments.confusions > 0) {
        tables.push(confusion_table(found, classes, arguments.confusions));
    }
    let mut drawn = Vec::new();
    if draws {
        drawn = figures::ranking(&found);
        drawn.extend(confusions.as_ref().map(|found| figures::confusions(found, classes)));
    }
    let summary = vec![
        ["queries".to_owned(), found.queries.to_string()],
        ["recall at 1".to_owned(), percent(found.precision_at_1)],
        ["MAP@R".to_owned(), percent(found.map_at_r)],
        ["mAP".to_owned(), percent(found.mean_average_precision)],
    ];
    Ok(Findings { title: "Retrieval", lead, tables, warnings, figures: drawn, json, summary })
}

/// A sentence if no two rows of a set have the same class and camera, so that none is excluded.
fn nothing_excluded(set: &LabelledEmbeddings, cameras: &[u32]) -> Option<String> {
    let mut seen = HashSet::new();
    let any = set.embeddings.labels().iter().zip(cameras).any(|both| !seen.insert(both));
    (!any).then(|| {
        format!(
            "--exclude-same-camera excludes nothing: no two rows of {} have the same class and camera.",
            set.path.display()
        )
    })
}

fn main_table(found: &Ranking, ks: &[usize], matches: Option<&SelfMatches>) -> EvaluationTable {
    let mut rows = vec![["queries".to_owned(), found.queries.to_string()]];
    rows.extend(matches.and_then(SelfMatches::row));
    let mut row = |name: String, value: f64| rows.push([name, percent(value)]);
    let ks: BTreeSet<usize> = ks.iter().copied().collect();
    for k in &ks {
        row(format!("recall at {k}"), found.recall_at[k]);
    }
    row("precision at 1".to_owned(), found.precision_at_1);
    row("R-precision".to_owned(), found.r_precision);
    row("MAP@R".to_owned(), found.map_at_r);
    row("mAP".to_owned(), found.mean_average_precision);
    row("nDCG".to_owned(), found.ndcg);
    for k in &ks {
        row(format!("nDCG at {k}"), found.ndcg_at[k]);
    }
    table("", ["measure", "mean over queries"], rows)
}

fn listed(found: &Confusions, classes: &ClassNames, most: usize) -> Vec<serde_json::Value> {
    let name = |class: u32| &classes.names()[class as usize];
    let entry = |entry: &retrieval::Confusion| json!({ "class": name(entry.class), "found": name(entry.found), "queries": entry.queries });
    found.wrong().iter().take(most).map(entry).collect()
}

fn confusion_table(found: &Confusions, classes: &ClassNames, most: usize) -> EvaluationTable {
    let name = |class: u32| classes.names()[class as usize].clone();
    let row =
        |entry: &retrieval::Confusion| [name(entry.class), name(entry.found), entry.queries.to_string()];
    let rows = found.wrong().iter().take(most).map(row).collect();
    table("Most frequent confusions", ["class", "nearest neighbour", "queries"], rows)
}
