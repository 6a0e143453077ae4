//! Which labels are likely wrong: samples that lie nearer to another class than to their own.
//!
//! A network that was trained on some wrong labels mostly learns the right ones: a wrong label pulls one sample against many. So a sample
//! with a wrong label lies far from the centre of the class that it is said to be of, and near to that of the class that it is of. What is
//! ranked by is the lead of the nearest other class, `cos_other - cos_own`: -2 to 2, above 0 where another class is nearer.

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::{retrieval, similarity};

/// A sample with what speaks against its label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suspect {
    /// Its row.
    pub row: usize,
    /// The class that it is said to be of.
    pub label: u32,
    /// Cosine with that class's centre, in [-1, 1].
    pub own_cosine: f32,
    /// The nearest other class.
    pub other: u32,
    /// Cosine with that class's centre, in [-1, 1].
    pub other_cosine: f32,
}

impl Suspect {
    /// How much nearer the other class is, in cosine; below 0 where the own class is nearest.
    pub fn lead(&self) -> f32 {
        self.other_cosine - self.own_cosine
    }
}

/// All samples, the most suspect first: by falling [`Suspect::lead`], then by row. `centres` has one row a class, its label.
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::OneClass`] with a single centre; [`Error::UnknownClass`] for a sample of a class without a centre.
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
        let own = *row_of.get(&label).ok_or(Error::UnknownClass { row, class: label })?;
        let pair = nearest.of(row).expect("two neighbours of every sample");
        let other = if pair[0].index == own { pair[1] } else { pair[0] };
        let rows = (samples.unit_row(row).expect("a row"), centres.unit_row(own).expect("a centre"));
        found.push(Suspect {
            row,
            label,
            own_cosine: similarity::cosine(rows.0, rows.1),
            other: centres.labels()[other.index],
            other_cosine: other.cosine,
        });
    }
    found.sort_by(|a, b| b.lead().total_cmp(&a.lead()).then(a.row.cmp(&b.row)));
    Ok(found)
}

/// Of `each` centres a class, `[classes * each, dim]`, those of a class one after the other, the one that most samples of the class are
/// nearest to, `[classes, dim]`; the first of equals. What is wrongly labelled gathers around the others (Deng et al., *Sub-center ArcFace*,
/// 2020, section 3.3). Labels are numbers of classes.
///
/// # Errors
/// [`Error::Shape`] if the centres are no whole number of classes, [`Error::UnknownClass`] for a label beyond them.
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
    fn a_wrong_label_comes_first_with_the_class_that_it_is_of() {
        let centres = Embeddings::new(&[1.0, 0.0, 0.0, 1.0, -2.0, 0.0], 3, 2, &[4, 7, 9]).unwrap();
        // the third is said to be of class 4 and lies at the centre of class 7
        let data = [0.9, 0.1, 0.2, 0.8, 0.0, 3.0, -1.0, 0.5];
        let samples = Embeddings::new(&data, 4, 2, &[4, 7, 4, 9]).unwrap();
        let found = suspects(&samples, &centres).unwrap();
        assert_eq!(found.iter().map(|suspect| suspect.row).collect::<Vec<_>>(), [2, 3, 1, 0]);
        assert_eq!((found[0].label, found[0].other), (4, 7));
        assert_eq!((found[0].own_cosine, found[0].other_cosine), (0.0, 1.0));
        assert!(found[1..].iter().all(|suspect| suspect.lead() < 0.0), "{found:?}");
        assert_eq!(found[3].other, 7, "not the own class");
    }

    #[test]
    fn the_centre_with_most_samples_is_the_dominant_one() {
        // two centres a class: class 0 at 0 and 90 degrees, class 1 at 180 and 270, of different lengths
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
    fn classes_without_a_centre_and_single_centres_are_refused() {
        let one = Embeddings::new(&[1.0, 0.0], 1, 2, &[0]).unwrap();
        assert!(matches!(suspects(&one, &one), Err(Error::OneClass { .. })));
        let two = Embeddings::new(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[1, 2]).unwrap();
        assert!(matches!(suspects(&one, &two), Err(Error::UnknownClass { row: 0, class: 0 })));
        let wide = Embeddings::new(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 2, 3, &[0, 1]).unwrap();
        assert!(matches!(suspects(&one, &wide), Err(Error::Dimensions { .. })));
    }
}
