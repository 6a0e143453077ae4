//! Features of real images in two and three dimensions, trained with several objectives: the data of chapter 10.
//!
//! The page must open at once, so `widemargin explain --train` trains the models in advance. The result is
//! `data/features.json`, which also records the program's version and the settings. The file keeps only directions, as
//! integers in thousandths: finer than a screen can show, and half the size of decimals.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The features that ship with the crate.
const SHIPPED: &str = include_str!("../data/features.json");
/// Stored integer for the coordinate 1.
const UNITS: f64 = 1000.0;

/// Trained features of several runs on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedFeatures {
    /// The command that trained the models.
    pub command: String,
    /// Version of the program.
    pub version: String,
    /// Name of the data set.
    pub data: String,
    /// The settings that all runs share, in words.
    pub training: String,
    /// All classes: the known classes, then the unseen ones.
    pub classes: Vec<FeatureClass>,
    /// The runs.
    pub runs: Vec<FeatureRun>,
}

/// A class of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureClass {
    /// Name of the class.
    pub name: String,
    /// Whether the class was held out from training.
    pub unseen: bool,
}

/// One training run: an objective and an embedding dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRun {
    /// Embedding dimension: 2 or 3.
    pub dim: usize,
    /// Name of the objective.
    pub objective: String,
    /// Scale of the objective, if it has one.
    pub scale: Option<f64>,
    /// Margin of the objective, if it has one.
    pub margin: Option<f64>,
    /// Classification accuracy on the test images of the known classes.
    pub accuracy: f64,
    /// Mean norm of the features of the known classes.
    pub feature_norm: f64,
    /// Mean norm of the class centres.
    pub centre_norm: f64,
    /// Features of test images, one list per class: the coordinates of unit vectors in thousandths, row after row.
    pub points: Vec<Vec<i16>>,
    /// Centres of the known classes in the same form.
    pub centres: Vec<i16>,
}

impl TrainedFeatures {
    /// The features that ship with the program.
    ///
    /// # Errors
    /// The errors of [`TrainedFeatures::parse`]; a test checks that the shipped file is valid.
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(SHIPPED)
    }

    /// Parses and checks the output of [`TrainedFeatures::to_json`].
    ///
    /// # Errors
    /// [`Error::Features`] if the JSON has another form or the sizes of its parts do not match.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let found: Self = serde_json::from_str(json).map_err(|error| Error::Features(error.to_string()))?;
        found.check().map_err(Error::Features)?;
        Ok(found)
    }

    fn check(&self) -> Result<(), String> {
        let known = self.classes.iter().filter(|class| !class.unseen).count();
        if known < 2 || self.classes.iter().take(known).any(|class| class.unseen) {
            return Err(format!(
                "found {known} known classes; expected at least 2, listed before the unseen ones"
            ));
        }
        for run in &self.runs {
            let name = format!("run {} in {} dimensions", run.objective, run.dim);
            if !matches!(run.dim, 2 | 3) {
                return Err(format!("{name}: expected 2 or 3 dimensions"));
            }
            if run.centres.len() != known * run.dim {
                return Err(format!(
                    "{name}: found {} coordinates of centres, expected {known} x {}",
                    run.centres.len(),
                    run.dim
                ));
            }
            if run.points.len() != self.classes.len() {
                return Err(format!(
                    "{name}: found points of {} classes, expected {}",
                    run.points.len(),
                    self.classes.len()
                ));
            }
            let whole = |values: &Vec<i16>| !values.is_empty() && values.len().is_multiple_of(run.dim);
            if let Some(class) = run.points.iter().position(|values| !whole(values)) {
                return Err(format!(
                    "{name}: class {class} has {} coordinates; expected a multiple of {}, at least one row",
                    run.points[class].len(),
                    run.dim
                ));
            }
        }
        Ok(())
    }

    /// The features as JSON, with the points of one class per line.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\n");
        for (name, value) in [
            ("command", json_of(&self.command)),
            ("version", json_of(&self.version)),
            ("data", json_of(&self.data)),
            ("training", json_of(&self.training)),
            ("classes", json_of(&self.classes)),
        ] {
            for part in ["\"", name, "\": ", &value, ",\n"] {
                json.push_str(part);
            }
        }
        json.push_str("\"runs\": [");
        for (nth, run) in self.runs.iter().enumerate() {
            json.push_str(if nth == 0 { "\n" } else { ",\n" });
            json.push_str(&json_of(run).replace("[[", "[\n[").replace("],[", "],\n[").replace("]]", "]\n]"));
        }
        json.push_str("\n]\n}\n");
        json
    }
}

impl FeatureRun {
    /// Normalises rows of `dim` values and converts them to the stored form. Rows that are zero or not finite are skipped.
    pub fn directions(dim: usize, values: &[f32]) -> Vec<i16> {
        let unit = |row: &[f32]| {
            let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let unit = row.iter().map(move |value| (f64::from(*value) / norm * UNITS).round() as i16);
            (norm.is_finite() && norm > 0.0).then(|| unit.collect::<Vec<i16>>())
        };
        values.chunks_exact(dim).filter_map(unit).flatten().collect()
    }

    /// The unit vectors of a stored list.
    pub fn rows<const DIM: usize>(values: &[i16]) -> Vec<[f64; DIM]> {
        values.chunks_exact(DIM).map(|row| std::array::from_fn(|axis| f64::from(row[axis]) / UNITS)).collect()
    }
}

/// JSON of strings, numbers and lists of them, which cannot fail.
fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_features_are_valid_and_survive_a_round_trip() {
        let shipped = TrainedFeatures::shipped().expect("the shipped file is valid");
        assert_eq!(TrainedFeatures::parse(&shipped.to_json()).expect("parses its own output"), shipped);
        let runs: Vec<_> =
            shipped.runs.iter().map(|run| (run.dim, run.objective.as_str(), run.margin)).collect();
        let expected: Vec<_> = [2, 3]
            .into_iter()
            .flat_map(|dim| {
                [
                    (dim, "softmax", None),
                    (dim, "normalized-softmax", None),
                    (dim, "am-softmax", Some(0.2)),
                    (dim, "am-softmax", Some(0.35)),
                    (dim, "am-softmax", Some(0.5)),
                ]
            })
            .collect();
        assert_eq!(runs, expected);
        assert_eq!(shipped.command, "widemargin explain --train");
    }

    #[test]
    fn directions_are_unit_vectors_and_rows_without_a_direction_are_skipped() {
        let stored = FeatureRun::directions(2, &[3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0, -2.0, 0.0]);
        assert_eq!(stored, [600, 800, -1000, 0]);
        assert_eq!(FeatureRun::rows::<2>(&stored), [[0.6, 0.8], [-1.0, 0.0]]);
    }

    #[test]
    fn an_error_names_the_part_that_does_not_match() {
        let good = TrainedFeatures::shipped().expect("the shipped file is valid");
        let wrong = |change: &dyn Fn(&mut TrainedFeatures), fragment: &str| {
            let mut features = good.clone();
            change(&mut features);
            let error = TrainedFeatures::parse(&features.to_json()).expect_err(fragment).to_string();
            assert!(error.contains(fragment), "expected '{fragment}' in: {error}");
        };
        wrong(&|f| f.runs[0].dim = 4, "expected 2 or 3 dimensions");
        wrong(&|f| f.runs[0].centres.truncate(3), "coordinates of centres");
        wrong(&|f| f.runs[1].points.truncate(9), "points of 9 classes, expected 10");
        wrong(&|f| f.runs[2].points[3].clear(), "class 3 has 0 coordinates");
        wrong(&|f| f.classes[0].unseen = true, "known classes");
        assert!(TrainedFeatures::parse("{}").is_err());
    }
}
