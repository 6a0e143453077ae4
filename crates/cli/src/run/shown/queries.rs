//! A dozen queries with their nearest neighbours: the hardest, typical ones and random ones.

use super::choice::Chosen;
use super::samples::Samples;
use std::collections::{BTreeMap, BTreeSet};
use widemargin_eval::Embeddings;
use widemargin_eval::extremes::Extremes;
use widemargin_eval::retrieval;
use widemargin_report::page::{NeighbourRow, QueryGroup};

/// Queries per group.
const QUERIES: usize = 4;
/// Neighbours per query.
const NEIGHBOURS: usize = 6;

/// The groups of queries; groups without a query are left out.
pub(in crate::run) fn queries(
    embeddings: &Embeddings,
    chosen: &Chosen,
    extremes: &[Extremes],
    samples: &mut Samples<'_>,
) -> anyhow::Result<Vec<QueryGroup>> {
    let mut leads: Vec<(usize, f64)> =
        extremes.iter().filter_map(|found| Some((found.row, found.lead()?))).collect();
    leads.sort_by(|a, b| a.1.total_cmp(&b.1));
    let rows = |leads: &[(usize, f64)]| leads.iter().map(|(row, _)| *row).collect::<Vec<usize>>();
    let hardest = rows(&leads);
    if let Some(&(_, median)) = leads.get(leads.len() / 2) {
        leads.sort_by(|a, b| (a.1 - median).abs().total_cmp(&(b.1 - median).abs()));
    }
    let mut picker = Picker::new(embeddings.labels());
    let groups = [
        (
            "Hardest queries",
            "The nearest sample of the class is least ahead of the nearest one of another class, or most behind it.",
            picker.pick(&hardest),
        ),
        (
            "Typical queries",
            "By the same measure, half of all queries are harder than these and half are easier.",
            picker.pick(&rows(&leads)),
        ),
        ("Random queries", "Drawn at random with the seed of the run.", picker.pick(chosen.order())),
    ];
    let mut shown = Vec::new();
    for (heading, reason, queries) in groups {
        let rows = queries
            .into_iter()
            .map(|query| row(embeddings, query, samples))
            .collect::<anyhow::Result<Vec<NeighbourRow>>>()?;
        if !rows.is_empty() {
            shown.push(QueryGroup { heading: heading.to_owned(), chosen: reason.to_owned(), rows });
        }
    }
    Ok(shown)
}

fn row(embeddings: &Embeddings, query: usize, samples: &mut Samples<'_>) -> anyhow::Result<NeighbourRow> {
    let found = retrieval::nearest(embeddings, query, NEIGHBOURS)?;
    let neighbours = found
        .into_iter()
        .map(|neighbour| Ok((samples.show(neighbour.index)?, neighbour.cosine)))
        .collect::<anyhow::Result<_>>()?;
    Ok(NeighbourRow { query: samples.show(query)?, neighbours })
}

/// Picks queries of many classes, each once.
struct Picker<'a> {
    labels: &'a [u32],
    /// Most queries of one class in a group.
    per_class: usize,
    picked: BTreeSet<usize>,
}

impl<'a> Picker<'a> {
    fn new(labels: &'a [u32]) -> Self {
        let classes = labels.iter().collect::<BTreeSet<_>>().len();
        Self { labels, per_class: QUERIES.div_ceil(classes.max(1)), picked: BTreeSet::new() }
    }

    /// The first rows that are not picked yet, with no more of a class than it may have.
    fn pick(&mut self, rows: &[usize]) -> Vec<usize> {
        let mut of_class: BTreeMap<u32, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for &row in rows {
            let count = of_class.entry(self.labels[row]).or_default();
            if found.len() < QUERIES && *count < self.per_class && self.picked.insert(row) {
                *count += 1;
                found.push(row);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_share_no_query_and_have_many_classes() {
        let labels = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3];
        let mut picker = Picker::new(&labels);
        let rows: Vec<usize> = (0..10).collect();
        assert_eq!(picker.pick(&rows), [0, 4, 6, 8]);
        assert_eq!(picker.pick(&rows), [1, 5, 7, 9]);
        assert_eq!(picker.pick(&rows), [2]);
        let mut two = Picker::new(&[0, 0, 0, 0, 1]);
        assert_eq!(two.pick(&[0, 1, 2, 3, 4]), [0, 1, 4], "two of each of two classes");
    }
}
