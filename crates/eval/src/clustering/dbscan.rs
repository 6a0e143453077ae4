//! DBSCAN: clusters are regions with a high density of embeddings; the remaining embeddings are noise.
//!
//! Two rows are neighbours if their cosine is at least `cosine`; a row is a neighbour of itself. A row with at least `least`
//! neighbours is a *core* row. Neighbouring core rows share a cluster. A row that is not a core joins the cluster of a
//! neighbouring core, or is noise if there is none (Ester, Kriegel, Sander and Xu 1996). A row next to several clusters joins the
//! one with the lowest number. Clusters are numbered in order of their first core. scikit-learn's
//! `DBSCAN(metric="cosine", eps=1 - cosine)` does the same.

use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity::{self, QUERIES};

/// Clusters by density. The result has one entry per row: its cluster, or `None` for noise.
///
/// Memory is 8 bytes per pair of neighbours.
///
/// # Errors
/// [`Error::Option`] unless `cosine` is in [-1, 1] and `least` is at least 1.
pub fn dbscan(embeddings: &Embeddings, cosine: f64, least: usize) -> Result<Vec<Option<u32>>> {
    if !(-1.0..=1.0).contains(&cosine) {
        return Err(Error::Option { name: "cosine", value: cosine, expected: "between -1 and 1" });
    }
    if least == 0 {
        return Err(Error::Option { name: "least", value: 0.0, expected: "at least 1" });
    }
    let neighbours = neighbours(embeddings, cosine);
    let core = |row: usize| neighbours[row].len() >= least;
    let mut clusters: Vec<Option<u32>> = vec![None; embeddings.rows()];
    let mut next = 0;
    for first in 0..embeddings.rows() {
        if clusters[first].is_some() || !core(first) {
            continue;
        }
        clusters[first] = Some(next);
        let mut open = vec![first];
        while let Some(row) = open.pop() {
            for &other in &neighbours[row] {
                let other = other as usize;
                if clusters[other].is_none() {
                    clusters[other] = Some(next);
                    if core(other) {
                        open.push(other);
                    }
                }
            }
        }
        next += 1;
    }
    Ok(clusters)
}

/// The neighbours of each row, including itself.
fn neighbours(embeddings: &Embeddings, cosine: f64) -> Vec<Vec<u32>> {
    let rows = embeddings.rows();
    let blocks: Vec<Vec<Vec<u32>>> = (0..rows.div_ceil(QUERIES))
        .into_par_iter()
        .map_init(Vec::new, |scratch, nth| {
            let queries = nth * QUERIES..((nth + 1) * QUERIES).min(rows);
            similarity::block(embeddings, queries.clone(), embeddings, 0..rows, scratch);
            queries
                .zip(scratch.chunks_exact(rows))
                .map(|(query, scores)| {
                    // In spite of rounding, a row is a neighbour of itself.
                    let near =
                        |&(row, &found): &(usize, &f32)| score::cosine(found) >= cosine || row == query;
                    scores.iter().enumerate().filter(near).map(|(row, _)| row as u32).collect()
                })
                .collect()
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scikit_learn_agrees() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/clustering.json")).unwrap();
        let case = &reference["by_cosine"];
        let data: Vec<f32> =
            case["data"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let rows = data.len() / 4;
        let set = Embeddings::new(&data, rows, 4, &vec![0; rows]).unwrap();
        for run in case["dbscan"].as_array().unwrap() {
            let cosine = run["cosine"].as_f64().unwrap();
            let found = dbscan(&set, cosine, run["least"].as_u64().unwrap() as usize).unwrap();
            let expected: Vec<Option<u32>> = run["clusters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| u32::try_from(v.as_i64().unwrap()).ok())
                .collect();
            assert_eq!(found, expected, "cosine {cosine}");
        }
    }

    #[test]
    fn a_case_by_hand() {
        let wheel = |angles: &[f32]| {
            let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
            Embeddings::new(&data, angles.len(), 2, &vec![0; angles.len()]).unwrap()
        };
        // A chain of three steps of 0.1, its end a border row; a lone row; a pair too small for a cluster.
        let set = wheel(&[1.0, 0.0, 0.1, 0.2, 2.0, 2.05]);
        let found = dbscan(&set, 0.11_f64.cos(), 3).unwrap();
        assert_eq!(found, [None, Some(0), Some(0), Some(0), None, None]);
        assert_eq!(dbscan(&set, 0.11_f64.cos(), 1).unwrap(), [0, 1, 1, 1, 2, 2].map(Some));
        assert_eq!(dbscan(&set, 1.0, 1).unwrap(), [0, 1, 2, 3, 4, 5].map(Some));
        assert!(matches!(dbscan(&set, 1.5, 1), Err(Error::Option { name: "cosine", .. })));
        assert!(matches!(dbscan(&set, f64::NAN, 1), Err(Error::Option { name: "cosine", .. })));
        assert!(matches!(dbscan(&set, 0.5, 0), Err(Error::Option { name: "least", .. })));
    }
}
