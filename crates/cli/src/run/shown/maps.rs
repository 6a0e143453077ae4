//! Maps of the embeddings of the evaluation set.

use super::choice::Chosen;
use super::samples::Samples;
use widemargin_eval::Embeddings;
use widemargin_eval::projection::{neighbour_map, principal};
use widemargin_report::page::{EmbeddingMap, Projection};

/// The principal components, and t-SNE if there are enough rows; nothing for embeddings of dimension 1.
pub(in crate::run) fn maps(
    embeddings: &Embeddings,
    chosen: &Chosen,
    samples: &mut Samples<'_>,
) -> anyhow::Result<Vec<EmbeddingMap>> {
    if embeddings.dim() < 2 {
        return Ok(Vec::new());
    }
    let rows = chosen.on_map();
    let shown = embeddings.of_rows(&rows)?;
    let linear = principal(&shown);
    let neighbours = neighbour_map(&shown, &linear.points)?;
    let mut map = |projection, points: Vec<[f64; 2]>| -> anyhow::Result<EmbeddingMap> {
        let points = rows.iter().zip(points).map(|(row, at)| Ok((samples.show(*row)?, at)));
        Ok(EmbeddingMap {
            projection,
            points: points.collect::<anyhow::Result<_>>()?,
            samples: chosen.order().len() as u64,
        })
    };
    let mut maps = vec![map(Projection::Principal(linear.shares), linear.points)?];
    if let Some(points) = neighbours {
        maps.push(map(Projection::Neighbours, points)?);
    }
    Ok(maps)
}
