//! Likely mislabelled samples: those closer to the centre of another class than to the centre of their labelled class.
//!
//! A network trained on data with some wrong labels mostly learns the correct ones, because they are the majority. So a
//! mislabelled sample is far from the centre of its labelled class and close to the centre of its true class. Samples are ranked
//! by the lead of the nearest other class, `cos_other - cos_label`, between -2 and 2. It is positive if another class is nearer.

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::{retrieval, score, similarity};

/// A sample, its label, and the nearest other class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suspect {
    /// Row of the sample.
    pub row: usize,
    /// Its label.
    pub label: u32,
    /// Cosine with the centre of the labelled class, in [-1, 1].
    pub label_cosine: f64,
    /// The nearest other class.
    pub other: u32,
    /// Cosine with the centre of the other class, in [-1, 1].
    pub other_cosine: f64,
}

impl Suspect {
    /// How much nearer the other class is, in cosine; negative if the labelled class is nearest.
    pub fn lead(&self) -> f64 {
        self.other_cosine - self.label_cosine
    }
}

/// All samples, most likely mislabelled first: by falling [`Suspect::lead`], then by row. `centres` has one row per class, with
/// the class as its label.
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::OneClass`] if there is only one centre; [`Error::UnknownClass`] for a sample of a class without a
/// centre.
pub fn suspects(samples: &Embeddings, centres: &Embeddings) -> Result<Vec<Suspect>> {
    samples.require_same_dim(centres)?;
    if let [class] = centres.labels() {
        return Err(Error::OneClass { class: *class, rows: 1 });
    }
    let row_of: std::collections::HashMap<u32, usize> =
        centres.labels().iter().enumerate().map(|(row, label)| (*label, row)).collect();
    let nearest = retrieval::search(samples, centres, 2)?;
    let mut found = Vec::with_capacity(samples.rows());
    for (row, &label) in samples.labels().iter().enumerate() {
        let labelled = *row_of.get(&label).ok_or(Error::UnknownClass { row, class: label })?;
        let pair = nearest.of(row).expect("two neighbours of every sample");
        let other = if pair[0].index == labelled { pair[1] } else { pair[0] };
        found.push(Suspect {
            row,
            label,
            label_cosine: score::cosine(similarity::score(samples, row, centres, labelled)),
            other: centres.labels()[other.index],
            other_cosine: other.cosine,
        });
    }
    found.sort_by(|a, b| b.lead().total_cmp(&a.lead()).then(a.row.cmp(&b.row)));
    Ok(found)
}

/// The dominant centre of each class, `[classes, dim]`: the one that is nearest for most samples of the class, and the first if
/// several are.
///
/// `centres` has `each` centres per class, `[classes * each, dim]`, grouped by class. Mislabelled samples gather around the other
/// centres (Deng et al., *Sub-center ArcFace*, 2020, section 3.3). Labels are class indices.
///
/// # Errors
/// [`Error::Shape`] if the centres do not form a whole number of classes, [`Error::UnknownClass`] for a label outside them.
pub fn dominant_centres(samples: &Embeddings, centres: &[f32], each: usize) -> Result<Vec<f32>> {
    let dim = samples.dim();
    let classes = centres.len() / (each * dim).max(1);
    if classes == 0 || centres.len() != classes * each * dim {
        return Err(Error::Shape { rows: classes * each, dim, found: centres.len() });
    }
    let mut counts = vec![0_usize; classes * each];
    for (row, &label) in samples.labels().iter().enumerate() {
        if label as usize >= classes {
            return Err(Error::UnknownClass { row, class: label });
        }
        let sample = samples.unit_row(row).expect("a row");
        let cosine = |centre: &[f32]| {
            let product =
                |a: &[f32]| a.iter().zip(centre).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            product(sample) / product(centre).sqrt().max(f64::MIN_POSITIVE)
        };
        let own = centres[label as usize * each * dim..][..each * dim].chunks(dim).map(cosine);
        let best =
            own.enumerate().fold(
                (0, f64::NEG_INFINITY),
                |best, (at, cosine)| {
                    if cosine > best.1 { (at, cosine) } else { best }
                },
            );
        counts[label as usize * each + best.0] += 1;
    }
    let chosen = counts.chunks(each).enumerate().flat_map(|(class, counts)| {
        let most = counts.iter().copied().max().unwrap_or(0);
        let at = counts.iter().position(|count| *count == most).unwrap_or(0);
        &centres[(class * each + at) * dim..][..dim]
    });
    Ok(chosen.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_label_comes_first_with_its_true_class() {
        let centres = Embeddings::new(&[1.0, 0.0, 0.0, 1.0, -2.0, 0.0], 3, 2, &[4, 7, 9]).unwrap();
        // the third is labelled 4 and lies at the centre of class 7
        let data = [0.9, 0.1, 0.2, 0.8, 0.0, 3.0, -1.0, 0.5];
        let samples = Embeddings::new(&data, 4, 2, &[4, 7, 4, 9]).unwrap();
        let found = suspects(&samples, &centres).unwrap();
        assert_eq!(found.iter().map(|suspect| suspect.row).collect::<Vec<_>>(), [2, 3, 1, 0]);
        assert_eq!((found[0].label, found[0].other), (4, 7));
        assert_eq!((found[0].label_cosine, found[0].other_cosine), (0.0, 1.0));
        assert!(found[1..].iter().all(|suspect| suspect.lead() < 0.0), "{found:?}");
        assert_eq!(found[3].other, 7, "not the labelled class");
    }

    #[test]
    fn the_centre_with_most_samples_is_the_dominant_one() {
        // two centres per class: class 0 at 0 and 90 degrees, class 1 at 180 and 270, of different lengths
        let centres = [1.0, 0.0, 0.0, 9.0, -1.0, 0.0, 0.0, -0.1];
        let data = [1.0, 0.1, 0.1, 1.0, -0.1, 1.0, -1.0, 0.0, -1.0, 0.2, 0.1, -1.0];
        let samples = Embeddings::new(&data, 6, 2, &[0, 0, 0, 1, 1, 1]).unwrap();
        assert_eq!(dominant_centres(&samples, &centres, 2).unwrap(), [0.0, 9.0, -1.0, 0.0]);
        assert!(matches!(dominant_centres(&samples, &centres[..6], 2), Err(Error::Shape { .. })));
        let beyond = Embeddings::new(&[1.0, 0.0], 1, 2, &[2]).unwrap();
        assert!(matches!(
            dominant_centres(&beyond, &centres, 2),
            Err(Error::UnknownClass { row: 0, class: 2 })
        ));
    }

    #[test]
    fn classes_without_a_centre_and_single_centres_are_errors() {
        let one = Embeddings::new(&[1.0, 0.0], 1, 2, &[0]).unwrap();
        assert!(matches!(suspects(&one, &one), Err(Error::OneClass { .. })));
        let two = Embeddings::new(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[1, 2]).unwrap();
        assert!(matches!(suspects(&one, &two), Err(Error::UnknownClass { row: 0, class: 0 })));
        let wide = Embeddings::new(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 2, 3, &[0, 1]).unwrap();
        assert!(matches!(suspects(&one, &wide), Err(Error::Dimensions { .. })));
    }
}
