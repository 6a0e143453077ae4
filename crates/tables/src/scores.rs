//! Scores of pairs that another program computed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::error::{Problem, Result};
use super::text_table::Place;
use super::trials::{self, Wanted};

/// Scores of pairs, and which pairs are of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreFile {
    /// The scores, in the order of the file; of at most 3.4e38, so that sums and products of a few of them are finite.
    pub scores: Vec<f64>,
    /// Whether each pair is of one class.
    pub same: Vec<bool>,
    /// The fold of each pair, if the file has folds.
    pub folds: Option<Vec<usize>>,
    /// Pairs that are probably mistakes, if the file names the pairs.
    pub doubtful: DoubtfulPairs,
}

/// Pairs that are probably mistakes. For each kind: how many scores there are of such pairs, and the names of the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DoubtfulPairs {
    /// Given both as of the same class and as of different classes: a score of a pair that an earlier row says the opposite of.
    pub contradictory: Option<(usize, [String; 2])>,
    /// Given again, with the same truth.
    pub repeated: Option<(usize, [String; 2])>,
    /// A sample with itself.
    pub itself: Option<(usize, [String; 2])>,
}

/// Finds [`DoubtfulPairs`] row by row. Pairs are known by a hash, so that large files need little memory.
#[derive(Default)]
struct Doubts {
    /// Whether a pair was given as of different classes, and as of the same class.
    seen: HashMap<u64, [bool; 2]>,
    found: DoubtfulPairs,
}

impl Doubts {
    fn add(&mut self, pair: [&str; 2], same: bool) {
        let count = |kind: &mut Option<(usize, [String; 2])>| {
            kind.get_or_insert_with(|| (0, pair.map(str::to_owned))).0 += 1;
        };
        if pair[0] == pair[1] {
            count(&mut self.found.itself);
        }
        let mut sorted = pair;
        sorted.sort_unstable();
        let mut hasher = DefaultHasher::new();
        sorted.hash(&mut hasher);
        let seen = self.seen.entry(hasher.finish()).or_default();
        if seen[usize::from(!same)] {
            count(&mut self.found.contradictory);
        } else if seen[usize::from(same)] {
            count(&mut self.found.repeated);
        }
        seen[usize::from(same)] = true;
    }
}

/// Reads scores: a `.csv` or `.parquet` with the columns `score` and `same`, and optionally `a`, `b` and `fold`, or a list such as
/// `1 a.wav b.wav 0.71`, `a.wav b.wav target 0.71` or `0.71 1`.
///
/// With `keys`, the file has the columns `a`, `b` and `score`, and `keys` is a list of pairs that says which are of one class. Both are joined by
/// the two names of a pair, in either order, and must have the same pairs.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`]: for instance a score that is not a finite number, or a pair that one of the files does
/// not have.
pub fn read_scores(path: &Path, keys: Option<&Path>) -> Result<ScoreFile> {
    let mut keys = keys.map(Keys::read).transpose()?;
    let (mut scores, mut same, mut folds) = (Vec::new(), Vec::new(), Vec::new());
    let mut doubts = Doubts::default();
    let wanted = Wanted { pair: keys.is_some(), same: keys.is_none(), score: true };
    trials::each(path, wanted, |trial| {
        let score = trial.score.unwrap_or(f64::NAN);
        if !(score as f32).is_finite() {
            let expected = "a finite number of at most 3.4e38".to_owned();
            return Err(Problem::Score { place: trial.place.to_string(), found: score, expected }.at(path));
        }
        scores.push(score);
        let pair = || [trial.a.unwrap_or_default(), trial.b.unwrap_or_default()];
        same.push(match &mut keys {
            Some(keys) => keys.take(pair(), (trial.place, trial.same), path)?,
            None => trial.same == Some(true),
        });
        if let (Some(a), Some(b), Some(same)) = (trial.a, trial.b, same.last()) {
            doubts.add([a, b], *same);
        }
        folds.extend(trial.fold);
        Ok(())
    })?;
    if let Some(keys) = keys {
        keys.require_all_taken(path)?;
    }
    let folds = (!folds.is_empty()).then_some(folds);
    Ok(ScoreFile { scores, same, folds, doubtful: doubts.found })
}

/// Which pairs are of one class, by their names.
struct Keys<'a> {
    path: &'a Path,
    /// The truth of a pair, where it is, and whether it has a score.
    pairs: HashMap<[String; 2], (bool, Place, bool)>,
}

impl<'a> Keys<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let mut pairs: HashMap<[String; 2], (bool, Place, bool)> = HashMap::new();
        trials::each(path, Wanted { pair: true, same: true, score: false }, |trial| {
            let pair = ordered([trial.a.unwrap_or_default(), trial.b.unwrap_or_default()]);
            let same = trial.same == Some(true);
            let first = *pairs.entry(pair.clone()).or_insert((same, trial.place, false));
            if first.0 == same {
                return Ok(());
            }
            let (place, first) = (trial.place.to_string(), first.1.to_string());
            Err(Problem::ContradictoryPair { place, first, pair: Box::new(pair) }.at(path))
        })?;
        Ok(Self { path, pairs })
    }

    fn take(&mut self, pair: [&str; 2], (place, said): (Place, Option<bool>), path: &Path) -> Result<bool> {
        let pair = ordered(pair);
        match self.pairs.get_mut(&pair) {
            Some((same, first, _)) if said.is_some_and(|said| said != *same) => {
                let first = format!("{first} of {}", self.path.display());
                let place = place.to_string();
                Err(Problem::ContradictoryPair { place, first, pair: Box::new(pair) }.at(path))
            }
            Some((_, _, true)) => {
                let place = place.to_string();
                Err(Problem::RepeatedScore { place, pair: Box::new(pair) }.at(path))
            }
            Some((same, _, taken)) => {
                *taken = true;
                Ok(*same)
            }
            None => {
                let (place, list) = (place.to_string(), self.path.display().to_string());
                Err(Problem::PairNotInList { place, pair: Box::new(pair), list }.at(path))
            }
        }
    }

    fn require_all_taken(&self, path: &Path) -> Result<()> {
        let missing = || self.pairs.iter().filter(|(_, (_, _, taken))| !taken).map(|(pair, _)| pair);
        match missing().min() {
            None => Ok(()),
            Some(pair) => {
                let (pair, list) = (Box::new(pair.clone()), self.path.display().to_string());
                Err(Problem::PairWithoutScore { pair, count: missing().count(), list }.at(path))
            }
        }
    }
}

/// The names of a pair in a fixed order: a score does not depend on it.
fn ordered(mut pair: [&str; 2]) -> [String; 2] {
    pair.sort_unstable();
    pair.map(str::to_owned)
}
