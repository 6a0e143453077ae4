//! Chooses the characters that become classes, and the drawings of each.
//!
//! Characters that more faces have come first. Installed fonts contain many copies: the same face under two names, or a
//! family per country with mostly the same characters. So every face that has a character draws it without distortion, and
//! only different drawings count.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;

use crate::face::OpenFace;
use crate::fonts::{Fonts, each_face};
use crate::settings::GlyphSettings;
use crate::{Error, Result};
use widemargin_chance::{Purpose, Stream};

/// Characters drawn at a time; this limits the memory for their plain drawings to about 200 MB.
const CHUNK: usize = 1024;
/// Two drawings count as the same if their pixels differ by less than this fraction of the ink: one in 50. The same outline
/// in other units differs by rounding, by about 1 in 1000; adjacent weights of a family differ by more than 30 in 1000.
const SAME: u64 = 50;

/// A character that becomes a class.
#[derive(Debug, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) character: char,
    /// Number of different drawings.
    pub(crate) drawings: usize,
    /// Positions of the faces whose drawings are used, ascending.
    pub(crate) faces: Vec<usize>,
}

/// The drawings of one character.
struct Candidate {
    character: char,
    /// Different plain drawings: face, ink and pixels.
    distinct: Vec<(usize, u64, Vec<u8>)>,
    /// Face and hash of every drawing.
    hashes: Vec<(usize, u64)>,
}

impl Candidate {
    fn take(&mut self, position: usize, face: &OpenFace<'_>) {
        let Some((_, plain)) = face.outline(self.character) else { return };
        let mut hasher = DefaultHasher::new();
        plain.hash(&mut hasher);
        self.hashes.push((position, hasher.finish()));
        let ink = plain.iter().map(|value| u64::from(*value)).sum();
        if !self.distinct.iter().any(|(_, other_ink, other)| same((&plain, ink), (other, *other_ink))) {
            self.distinct.push((position, ink, plain));
        }
    }
}

/// Whether two drawings are the same up to rounding.
fn same((one, ink): (&[u8], u64), (other, other_ink): (&[u8], u64)) -> bool {
    let most = ink.max(other_ink) / SAME;
    // The difference of the sums is a lower bound of the sum of differences, which avoids most comparisons.
    ink.abs_diff(other_ink) <= most
        && one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>() as u64
            <= most
}

/// The first `settings.classes` characters that have enough different drawings and do not look like an earlier one.
pub(crate) fn choose(
    settings: &GlyphSettings,
    fonts: &Fonts,
    advance: &dyn Fn(u64, u64),
) -> Result<Vec<Chosen>> {
    let covered = fonts.covered.iter().filter(|(_, faces)| *faces >= settings.least);
    let candidates: Vec<char> = covered.map(|(character, _)| *character).collect();
    let faces = fonts.faces.len();
    // Report too few characters before drawing any.
    if candidates.len() < settings.classes {
        let (covered, expected, least) = (candidates.len(), settings.classes, settings.least);
        return Err(Error::TooFewCovered { covered, expected, least, faces });
    }
    let mut chosen = Vec::new();
    let mut drawn_as: HashMap<(usize, u64), usize> = HashMap::new();
    for (round, characters) in candidates.chunks(CHUNK).enumerate() {
        let mut drawn: Vec<Candidate> = characters
            .iter()
            .map(|character| Candidate { character: *character, distinct: Vec::new(), hashes: Vec::new() })
            .collect();
        each_face(&fonts.faces, |position, face| {
            drawn.par_iter_mut().for_each(|candidate| candidate.take(position, face));
            let rounds = settings.classes.div_ceil(CHUNK).max(round + 1);
            advance((round * faces + position + 1) as u64, (rounds * faces) as u64);
        })?;
        for candidate in drawn {
            if candidate.distinct.len() < settings.least || looks_like_another(&candidate, &drawn_as) {
                continue;
            }
            for key in &candidate.hashes {
                drawn_as.entry(*key).or_insert(chosen.len());
            }
            let drawings = candidate.distinct.len();
            let mut taken: Vec<usize> = candidate.distinct.into_iter().map(|(face, ..)| face).collect();
            if taken.len() > settings.most {
                let code = u64::from(u32::from(candidate.character));
                Stream::new(settings.seed, Purpose::GlyphSelection, code, 0).shuffle(&mut taken);
                taken.truncate(settings.most);
                taken.sort_unstable();
            }
            chosen.push(Chosen { character: candidate.character, drawings, faces: taken });
            if chosen.len() == settings.classes {
                chosen.sort_unstable_by_key(|chosen| chosen.character);
                return Ok(chosen);
            }
        }
    }
    Err(Error::TooFewCharacters {
        found: chosen.len(),
        expected: settings.classes,
        least: settings.least,
        faces,
    })
}

/// Whether most faces draw the candidate exactly as they draw one character chosen earlier.
fn looks_like_another(candidate: &Candidate, drawn_as: &HashMap<(usize, u64), usize>) -> bool {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for key in &candidate.hashes {
        if let Some(class) = drawn_as.get(key) {
            *counts.entry(*class).or_default() += 1;
        }
    }
    counts.values().any(|count| 2 * count > candidate.hashes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_alike_is_not_a_separate_class() {
        // The Greek capital alpha, and how three faces drew the Latin letter (class 0) and another (class 1).
        let drawn_as = HashMap::from([((0, 70), 0), ((1, 71), 0), ((2, 72), 1)]);
        let alike = |hashes: &[(usize, u64)]| {
            let candidate = Candidate { character: '\u{391}', distinct: Vec::new(), hashes: hashes.to_vec() };
            looks_like_another(&candidate, &drawn_as)
        };
        assert!(alike(&[(0, 70), (1, 71), (2, 50)]), "two of three faces draw it as the Latin letter");
        assert!(!alike(&[(0, 70), (1, 51)]), "one of two");
        assert!(!alike(&[(0, 70), (2, 72)]), "once as each of two classes");
    }

    #[test]
    fn rounding_does_not_count_as_a_difference_and_a_stroke_does() {
        let drawing: Vec<u8> = (0..1024).map(|i| if i % 32 < 8 { 255 } else { 0 }).collect();
        let compared = |other: &[u8]| {
            let ink = |pixels: &[u8]| pixels.iter().map(|value| u64::from(*value)).sum();
            same((&drawing, ink(&drawing)), (other, ink(other)))
        };
        assert!(compared(&drawing));
        let rounded: Vec<u8> = drawing.iter().map(|value| value.saturating_sub(1)).collect();
        assert!(compared(&rounded));
        let moved: Vec<u8> = (0..1024).map(|i| if (1..9).contains(&(i % 32)) { 255 } else { 0 }).collect();
        assert!(!compared(&moved));
        let mut stroke = drawing.clone();
        stroke[20 * 32 + 10..20 * 32 + 24].fill(255);
        assert!(!compared(&stroke));
    }
}
