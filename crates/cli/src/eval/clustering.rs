//! `eval clustering`: do clusters of the embeddings match the classes?

use super::copies::{contradictory_labels, crowded};
use super::input::{self, LabelledEmbeddings, SetArguments, explained};
use super::output::{Findings, OutputArguments, number, table};
use crate::arguments::{FileKind, heading, output_file, without_effect};
use crate::progress;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use widemargin_eval::clustering::{self, KMeansOptions, Linkage};
use widemargin_tables::{ClassNames, write_row};

const ASSIGNMENTS: FileKind = FileKind { name: "a file of assignments", mark: "label,cluster" };

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval clustering embeddings.npy\n  widemargin eval clustering embeddings.npy --method agglomerative --cosine 0.5"
)]
pub(crate) struct ClusteringArguments {
    #[command(flatten)]
    set: SetArguments,
    #[command(flatten)]
    method: MethodArguments,
    /// Write the cluster of each embedding to this CSV file: row, id if known, label, cluster (empty for noise)
    #[arg(help_heading = heading::OUTPUT, long, value_name = "FILE", value_parser = output_file(ASSIGNMENTS))]
    assignments: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// How to cluster.
#[derive(Args, Default)]
pub(super) struct MethodArguments {
    /// Clustering method
    #[arg(help_heading = heading::METHOD, long, value_enum, default_value_t = Method::KMeans)]
    method: Method,
    /// k-means: number of clusters [default: the number of classes]
    #[arg(help_heading = heading::METHOD, long, value_name = "NUMBER")]
    clusters: Option<usize>,
    /// k-means: number of initialisations; the best result is kept [default: 5]
    #[arg(help_heading = heading::METHOD, long, value_name = "NUMBER")]
    starts: Option<usize>,
    /// k-means: maximum number of iterations per initialisation [default: 300]
    #[arg(help_heading = heading::METHOD, long, value_name = "NUMBER")]
    steps: Option<usize>,
    /// k-means: seed of the initialisations [default: 0]
    #[arg(help_heading = heading::METHOD, long)]
    seed: Option<u64>,
    /// dbscan: minimum cosine of two neighbours; agglomerative: minimum cosine to merge two clusters
    #[arg(help_heading = heading::METHOD, long, value_name = "COSINE", required_if_eq_any = [("method", "dbscan"), ("method", "agglomerative")], allow_negative_numbers = true)]
    cosine: Option<f64>,
    /// dbscan: minimum number of neighbours of a core point, including itself [default: 5]
    #[arg(help_heading = heading::METHOD, long, value_name = "NUMBER")]
    least: Option<usize>,
    /// agglomerative: distance between two clusters [default: average]
    #[arg(help_heading = heading::METHOD, long, value_enum)]
    linkage: Option<LinkageName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Method {
    /// k-means on the unit sphere, for a known number of clusters
    #[default]
    KMeans,
    /// Clusters of dense regions; points in sparse regions are noise
    Dbscan,
    /// Merge the two nearest clusters while their cosine is at least --cosine
    Agglomerative,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LinkageName {
    /// Distance between their nearest embeddings
    Single,
    /// Distance between their farthest embeddings
    Complete,
    /// Mean distance between their embeddings
    Average,
}

impl MethodArguments {
    /// The method of the command without flags, but for the seed.
    pub(super) fn with_seed(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::default() }
    }

    /// Rejects the flags of the other methods.
    fn require_own_flags(&self) -> anyhow::Result<()> {
        let k_means = [
            ("--clusters", self.clusters.is_some()),
            ("--starts", self.starts.is_some()),
            ("--steps", self.steps.is_some()),
            ("--seed", self.seed.is_some()),
        ];
        let least = [("--least", self.least.is_some())];
        let linkage = [("--linkage", self.linkage.is_some())];
        let cosine = [("--cosine", self.cosine.is_some())];
        let (name, others) = match self.method {
            Method::KMeans => ("k-means", [&cosine[..], &least, &linkage].concat()),
            Method::Dbscan => ("dbscan", [&k_means[..], &linkage].concat()),
            Method::Agglomerative => ("agglomerative", [&k_means[..], &least].concat()),
        };
        without_effect(&others, &format!("with --method {name}"))
    }
}

pub(crate) fn run(arguments: &ClusteringArguments) -> anyhow::Result<()> {
    arguments.method.require_own_flags()?;
    let mut classes = arguments.set.shared();
    let set = arguments.set.labelled(&mut classes)?;
    classes.require_ignored()?;
    input::require_two_classes(&[&set], &classes)?;
    let (found, clusters) = findings(&set, &classes, &arguments.method)?;
    if let Some(path) = &arguments.assignments {
        write_assignments(path, &set, &classes, &clusters)?;
    }
    found.show(&arguments.output)
}

/// The results, and the cluster of each embedding; `None` is noise.
pub(super) fn findings(
    set: &LabelledEmbeddings,
    classes: &ClassNames,
    arguments: &MethodArguments,
) -> anyhow::Result<(Findings, Vec<Option<u32>>)> {
    let embeddings = &set.embeddings;
    let blame = |error| explained(error, classes, &set.path.display());
    let cosine = arguments.cosine.unwrap_or_default();
    let waiting = progress::waiting("clustering");
    let mut warnings = set.notes.clone();
    warnings.extend(crowded(&set.path.display(), embeddings));
    warnings.extend(contradictory_labels(set, classes));
    warnings.extend(input::all_different(set));
    let mut noise = None;
    let (how, clusters) = match arguments.method {
        Method::KMeans => {
            let clusters = arguments.clusters.unwrap_or(classes.names().len());
            let options = KMeansOptions {
                steps: arguments.steps.unwrap_or(300),
                starts: arguments.starts.unwrap_or(5),
                seed: arguments.seed.unwrap_or(0),
            };
            let found = clustering::k_means(embeddings, clusters, &options).map_err(blame)?;
            if !found.converged {
                warnings
                    .push(format!("k-means did not converge in {} steps; try more --steps.", found.steps));
            }
            (
                format!("k-means on the unit sphere, mean cosine with the centre {:.4}", found.mean_cosine),
                found.clusters,
            )
        }
        Method::Dbscan => {
            let least = arguments.least.unwrap_or(5);
            let found = clustering::dbscan(embeddings, cosine, least).map_err(blame)?;
            noise = Some(found.iter().filter(|cluster| cluster.is_none()).count());
            // Noise is one group, as in scikit-learn's scores.
            let clusters = found.into_iter().map(|cluster| cluster.map_or(0, |number| number + 1)).collect();
            (format!("DBSCAN at cosine {cosine}, {least} neighbours"), clusters)
        }
        Method::Agglomerative => {
            let (linkage, name) = match arguments.linkage.unwrap_or(LinkageName::Average) {
                LinkageName::Single => (Linkage::Single, "single"),
                LinkageName::Complete => (Linkage::Complete, "complete"),
                LinkageName::Average => (Linkage::Average, "average"),
            };
            let clusters = clustering::agglomerative(embeddings, linkage, cosine).map_err(blame)?;
            (format!("agglomerative, {name} linkage down to cosine {cosine}"), clusters)
        }
    };
    let agreement = clustering::agreement(embeddings.labels(), &clusters).map_err(blame)?;
    drop(waiting);
    let without_noise = agreement.clusters - usize::from(noise.is_some_and(|rows| rows > 0));
    let clustered = embeddings.rows() - noise.unwrap_or(0);
    warnings.extend(without_information(without_noise, [clustered, embeddings.rows()]));
    let mut rows = vec![
        ["classes".to_owned(), agreement.classes.to_string()],
        ["clusters".to_owned(), without_noise.to_string()],
    ];
    if let Some(noise) = noise {
        rows.push(["noise (one group in the scores)".to_owned(), noise.to_string()]);
    }
    let scores = [
        ("NMI", agreement.nmi),
        ("AMI", agreement.ami),
        ("ARI", agreement.ari),
        ("purity", agreement.purity),
    ]
    .map(|(name, value)| [name.to_owned(), number(value)]);
    rows.extend(scores.iter().cloned());
    let summary = [vec![["clusters".to_owned(), without_noise.to_string()]], scores.to_vec()].concat();
    let lead = format!("{}; {how}.", set.in_words());
    let json = json!({
        "compared": lead,
        "clusters": without_noise,
        "noise": noise,
        "agreement": agreement,
        "crowding": embeddings.crowding(),
        "warnings": warnings,
    });
    let tables = vec![table("", ["measure", "value"], rows)];
    // With noise, group 0 is noise.
    let clusters = clusters.iter().map(|cluster| cluster.checked_sub(u32::from(noise.is_some()))).collect();
    let found = Findings { title: "Clustering", lead, tables, warnings, figures: Vec::new(), json, summary };
    Ok((found, clusters))
}

/// A sentence on clusters that say nothing of the classes. `clustered` are the rows that are not noise, of all `rows`.
fn without_information(clusters: usize, [clustered, rows]: [usize; 2]) -> Option<String> {
    match clusters {
        0 => Some("All embeddings are noise: lower --cosine or --least.".to_owned()),
        1 if clustered < rows => Some(format!(
            "All {clustered} embeddings that are not noise are in one cluster, which says nothing of their classes."
        )),
        1 => Some("All embeddings are in one cluster, which says nothing of the classes.".to_owned()),
        _ if clusters == rows => {
            Some("Each embedding is a cluster of its own, so the purity is 1 with any labels.".to_owned())
        }
        _ => None,
    }
}

/// Writes `row,id,label,cluster` with clusters numbered from 0; none for noise.
fn write_assignments(
    path: &Path,
    set: &LabelledEmbeddings,
    classes: &ClassNames,
    clusters: &[Option<u32>],
) -> anyhow::Result<()> {
    let mut table = Vec::new();
    let ids = set.ids.as_deref();
    write_row(&mut table, ["row"].into_iter().chain(ids.map(|_| "id")).chain(["label", "cluster"]))?;
    for (row, (&label, cluster)) in set.embeddings.labels().iter().zip(clusters).enumerate() {
        let cluster = cluster.map_or_else(String::new, |number| number.to_string());
        let id = ids.map(|ids| ids[row].clone());
        let label = classes.names()[label as usize].clone();
        let row = set.row_of_file(row).to_string();
        write_row(&mut table, [row].into_iter().chain(id).chain([label, cluster]))?;
    }
    widemargin_durable::write_atomic(path, &table)
        .with_context(|| format!("--assignments {}", path.display()))
}
