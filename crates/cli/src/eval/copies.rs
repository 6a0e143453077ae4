//! Samples that a comparison would find twice: self-matches between two sets, and repeated embeddings within one. Also the warning
//! about cosines too close for `f32`.

use super::input::{LabelledEmbeddings, LabelledRows};
use crate::arguments::heading;
use crate::calibration::Templates;
use anyhow::ensure;
use clap::Args;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use widemargin_data::pairs_within_groups;
use widemargin_eval::{Copies, Crowding, Embeddings, NearCopies, Repeated};
use widemargin_tables::{ClassNames, Keys, SharedKey, common_form, echo};

#[derive(Args)]
pub(crate) struct SelfArguments {
    /// Also compare a sample with itself: rows of both files with the same id or with equal embeddings
    #[arg(help_heading = heading::PAIRS, long)]
    keep_self: bool,
}

impl SelfArguments {
    pub(crate) fn keeps(&self) -> bool {
        self.keep_self
    }
}

/// The self-matches between two sets.
pub(crate) struct SelfMatches {
    copies: Copies,
    kept: bool,
    /// Whether they were left out of templates, so that no pairs of them are left.
    in_templates: bool,
    /// The column that was compared instead of ids.
    column: Option<String>,
    /// The names of both sides, for sentences.
    names: [&'static str; 2],
    /// Sentences on both files and their class names.
    notes: Vec<String>,
}

/// Reads enrolled embeddings, or one template per class of the rows that are not probes as well.
pub(crate) fn enrolled(
    rows: LabelledRows,
    templates: Option<Templates>,
    probes: &LabelledEmbeddings,
    arguments: &SelfArguments,
    classes: &ClassNames,
) -> anyhow::Result<(LabelledEmbeddings, SelfMatches)> {
    let mut matches = SelfMatches::between(probes, &rows.set, ["probes", "enrolled"], arguments, classes);
    let Some(templates) = templates else { return Ok((rows.set, matches)) };
    matches.in_templates = true;
    let all = rows.set.embeddings.rows();
    let kept = if matches.kept { (0..all).collect() } else { matches.copies.gallery_without() };
    ensure!(
        !kept.is_empty(),
        "{}: all {all} embeddings are also probes of {}, so none are left for templates; enrol other samples, or give --keep-self",
        rows.set.path.display(),
        probes.path.display()
    );
    Ok((rows.templates(templates, &kept, classes)?, matches))
}

impl SelfMatches {
    /// Finds the rows of two sets that are the same sample.
    pub(crate) fn between(
        queries: &LabelledEmbeddings,
        gallery: &LabelledEmbeddings,
        names: [&'static str; 2],
        arguments: &SelfArguments,
        classes: &ClassNames,
    ) -> Self {
        let label = |(set, row): (&LabelledEmbeddings, usize)| {
            classes.names()[set.embeddings.labels()[row] as usize].clone()
        };
        let ids = queries.ids.as_deref().zip(gallery.ids.as_deref());
        let sets = [&queries.embeddings, &gallery.embeddings];
        let (copies, column) = copies(sets, ids, [&queries.keys(), &gallery.keys()], true);
        let mut notes: Vec<String> =
            [queries, gallery].into_iter().flat_map(|set| set.notes.clone()).collect();
        notes.extend([queries, gallery].into_iter().filter_map(|set| contradictory_labels(set, classes)));
        notes.dedup();
        let respelled = ids.and_then(|(ids, known)| respelled(ids, known, names[0], &gallery.path));
        notes.extend(respelled.filter(|_| !arguments.keep_self));
        notes.extend(copies.first_contradiction.map(|(query, row)| {
            let name = names[0];
            format!(
                "{} {name} have another label than the same sample in {}, so one of both labels is wrong. The first is {} with the label {:?}, {} \
                 with the label {:?}.",
                copies.contradictory,
                gallery.path.display(),
                queries.name(query),
                label((queries, query)),
                gallery.name(row),
                label((gallery, row))
            )
        }));
        if let Some(near) = copies.near.filter(|_| !arguments.keep_self) {
            let (query, row) = near.first;
            notes.push(near_copies(near, names[0], [&queries.name(query), &gallery.name(row)]));
        }
        Self { copies, column, kept: arguments.keep_self, in_templates: false, names, notes }
    }

    /// The copies to exclude; none with `--keep-self` or if there are none.
    pub(crate) fn excluded(&self) -> Option<&Copies> {
        (self.copies.any() && !self.kept && !self.in_templates).then_some(&self.copies)
    }

    /// Whether pairs were left out.
    pub(crate) fn left_out(&self) -> bool {
        self.copies.any() && !self.kept
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let Copies { queries, pairs_by_id, pairs_by_value, conflicting_ids, row_numbers, undecided, .. } =
            self.copies;
        let [name, others] = self.names;
        let id = self.column.as_ref().map_or_else(|| "id".to_owned(), |column| format!("`{}`", echo(column)));
        let mut warnings = self.notes.clone();
        if queries > 0 {
            let done = if self.kept && pairs_by_value == 0 {
                format!(
                    "their embeddings differ, so the same {id} may name two samples; if they are the same, the results are too good"
                )
            } else if self.kept {
                "each finds itself, which makes the results too good; leave out --keep-self".to_owned()
            } else if pairs_by_value == 0 && !self.in_templates {
                format!(
                    "they were not compared with themselves; their embeddings differ, so if the same {id} names two samples, --keep-self compares them"
                )
            } else if self.in_templates {
                "their enrolled embeddings are not in the templates; --keep-self keeps them".to_owned()
            } else {
                "they were not compared with themselves; --keep-self compares them".to_owned()
            };
            warnings.push(format!(
                "{queries} {name} are also {others} ({pairs_by_id} pairs with the same {id}, {pairs_by_value} with equal embeddings): {done}."
            ));
        }
        if undecided > 0 && !self.kept {
            warnings.push(format!(
                "{undecided} {name} are as near to embeddings {} as a rounded copy, but different samples are as near, so it is not known whether \
                 they are the same sample; they were compared, which makes the results too good if they are. Ids in both files tell, or files \
                 that are not rounded.",
                if others == "enrolled" { "that are enrolled" } else { others }
            ));
        }
        if row_numbers && conflicting_ids == 0 {
            warnings.push(
                "The ids of both files only number their rows from 0 or 1, so they were not used to find self-matches; only equal embeddings were.".to_owned(),
            );
        }
        if conflicting_ids > 0 {
            let (texts, column) = match &self.column {
                Some(_) => (format!("texts of the column {id}"), "it does not identify samples and was"),
                None => ("ids".to_owned(), "ids do not identify samples and were"),
            };
            warnings.push(format!(
                "{conflicting_ids} {texts} occur in both files with different labels, so {column} not used to find self-matches; only equal embeddings \
                 were."
            ));
        }
        warnings
    }

    /// The pairs left out, for a table of results; none if there are no self-matches.
    pub(crate) fn row(&self) -> Option<[String; 2]> {
        let what = if self.kept { "self-matches, kept" } else { "self-matches, left out" };
        self.copies.any().then(|| [what.to_owned(), self.copies.pairs.to_string()])
    }

    pub(crate) fn json(&self) -> Value {
        let mut value = json!(self.copies);
        value["excluded"] = json!(self.left_out());
        value
    }
}

/// A sentence on queries that look like copies; `first` are the names of the first of them and of its copy.
pub(crate) fn near_copies(near: NearCopies, queries: &str, first: [&str; 2]) -> String {
    let NearCopies { tried, found, .. } = near;
    format!(
        "{found} of {tried} {queries} that were tried are at least 16 times as near to one embedding as to the others near them, like copies that were \
         computed, rounded or stored in another way. The first is {}, next to {}. They were compared: if they are the same samples, the results \
         are too good. The same ids in both files tell.",
        first[0], first[1]
    )
}

/// The copies of two sets, and the column that names their samples, if it is another one than the ids. `by_labels` says whether the labels of the
/// sets are classes.
pub(crate) fn copies(
    [queries, gallery]: [&Embeddings; 2],
    ids: Option<(&[String], &[String])>,
    keys: [&Keys; 2],
    by_labels: bool,
) -> (Copies, Option<String>) {
    // A column of other names, such as `name`, names the classes if there is one sample per class.
    let all_different = |set: &Embeddings| set.labels().iter().collect::<HashSet<_>>().len() == set.rows();
    let may_name_classes = !by_labels || (all_different(queries) && all_different(gallery));
    let keys: Vec<SharedKey<'_>> = keys[0]
        .shared(keys[1])
        .into_iter()
        .filter(|key| key.of_samples || (key.is_text && !may_name_classes))
        .collect();
    let names: Vec<(&[String], &[String])> =
        ids.into_iter().chain(keys.iter().map(|key| (key.texts[0], key.texts[1]))).collect();
    let (found, used) = Copies::by_names(queries, gallery, &names);
    let key = used.and_then(|used| keys.get(used.checked_sub(usize::from(ids.is_some()))?));
    (found, key.map(|key| key.name.to_owned()))
}

/// A sentence on ids of queries that are among those of `file` only in another spelling, such as `1000` and `01000`, or with `\` for `/`. Such ids
/// may name the same samples, which then find themselves. `name` is that of the queries.
pub(crate) fn respelled(queries: &[String], gallery: &[String], name: &str, file: &Path) -> Option<String> {
    let form = |id: &str| common_form(id.replace('\\', "/").trim_start_matches("./"));
    let equal: HashSet<&str> = gallery.iter().map(String::as_str).collect();
    let alike: HashMap<String, &str> = gallery.iter().map(|id| (form(id), id.as_str())).collect();
    let missing = queries.iter().filter(|id| !equal.contains(id.as_str()));
    let found: Vec<[&str; 2]> =
        missing.filter_map(|id| Some([id.as_str(), *alike.get(&form(id))?])).collect();
    let [id, other] = found.first()?;
    Some(format!(
        "{} {name} have an id that differs only in spelling from one of {} (the first is \"{}\", there \"{}\"), which was not used to find \
         self-matches. If they are the same samples, write their ids in the same way.",
        found.len(),
        file.display(),
        echo(id),
        echo(other)
    ))
}

/// Rows of a set that find each other too easily, as sentences: those that occur twice, and those of one group.
pub(crate) fn repeated(set: &LabelledEmbeddings, classes: &ClassNames) -> (Option<Repeated>, Vec<String>) {
    let (found, path) = (Repeated::of(&set.embeddings), set.path.display());
    let mut warnings = set.notes.clone();
    if let Some(Repeated { rows, groups, .. }) = &found {
        warnings.push(format!(
            "{path}: {rows} embeddings equal another one ({groups} groups): copies of a sample find each other; remove copies for a fair \
             result."
        ));
    }
    warnings.extend(found.and_then(|found| contradiction(found, set, classes)));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for id in set.ids.iter().flatten() {
        *counts.entry(id.as_str()).or_default() += 1;
    }
    let several: usize = counts.values().filter(|count| **count > 1).sum();
    if several > 0 {
        warnings.push(format!(
            "{path}: {several} rows share their id with another row: one sample may be compared with itself."
        ));
    }
    if let Some(groups) = &set.groups {
        let samples = set.embeddings.labels().iter().copied().zip(groups);
        warnings.extend(pairs_within_groups(samples).map(|sentence| format!("{path}: {sentence}")));
    }
    (found, warnings)
}

/// A sentence on equal embeddings of a set with different labels.
pub(crate) fn contradictory_labels(set: &LabelledEmbeddings, classes: &ClassNames) -> Option<String> {
    contradiction(Repeated::of(&set.embeddings)?, set, classes)
}

fn contradiction(found: Repeated, set: &LabelledEmbeddings, classes: &ClassNames) -> Option<String> {
    let (a, b) = found.first_contradiction?;
    let label = |row: usize| &classes.names()[set.embeddings.labels()[row] as usize];
    Some(format!(
        "{}: equal embeddings have different labels ({} groups), so at least one label of each group is wrong. The first is {} with the label {:?} \
         and {} with the label {:?}.",
        set.path.display(),
        found.groups_of_several_classes,
        set.name(a),
        label(a),
        set.name(b),
        label(b)
    ))
}

/// A sentence on cosines that `f32` could not separate.
pub(crate) fn crowded(path: &dyn std::fmt::Display, set: &Embeddings) -> Option<String> {
    let crowding = set.crowding()?;
    let Crowding { share, distance, .. } = crowding;
    let coarse = if crowding.is_beyond_float32() {
        " The rounding of the values themselves to float32 is as large: subtract the mean before saving in float32."
    } else {
        ""
    };
    Some(format!(
        "{path}: {:.0} % of the cosines are within 1.5e-5 of 1 (typically 1 - {distance:.1e}), which the precision of float32 does not separate; they \
         were computed in float64. Embeddings with a large mean are compared better after subtracting it.{coarse}",
        100.0 * share
    ))
}
