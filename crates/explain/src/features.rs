//! Trained features in two and three dimensions: what training made of real pictures, as data that ships with the page.
//!
//! The page must open at once, so the runs behind its last figure are made beforehand by `widemargin explain --train` and
//! kept as `data/features.json` with the program's version and the settings that made them. Only directions are kept, as
//! whole thousandths: that is finer than a screen shows and half the size of decimals.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The runs that come with the crate.
const SHIPPED: &str = include_str!("../data/features.json");
/// Units of a stored coordinate in one.
const UNITS: f64 = 1000.0;

/// Trained features of several runs on the same pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The command that made this.
    pub command: String,
    /// Version of the program that ran it.
    pub version: String,
    /// The data set.
    pub data: String,
    /// What all runs had in common, in words.
    pub training: String,
    /// All classes; those trained on come first.
    pub classes: Vec<FeatureClass>,
    /// The runs.
    pub runs: Vec<FeatureRun>,
}

/// A class of the pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureClass {
    /// Its name.
    pub name: String,
    /// Whether it was kept from training.
    pub unseen: bool,
}

/// One objective in one dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRun {
    /// Numbers in an embedding: 2 or 3.
    pub dim: usize,
    /// Name of the objective.
    pub objective: String,
    /// Its scale, where it has one.
    pub scale: Option<f64>,
    /// Its margin, where it has one.
    pub margin: Option<f64>,
    /// Share of all test pictures of known classes that are put into their class.
    pub accuracy: f64,
    /// Mean length of the features of known classes.
    pub feature_norm: f64,
    /// Mean length of the class centres.
    pub centre_norm: f64,
    /// Directions of test pictures, class by class, one after the other: thousandths of unit vectors.
    pub points: Vec<Vec<i16>>,
    /// Directions of the class centres of the known classes, one after the other.
    pub centres: Vec<i16>,
}

impl Features {
    /// The runs that come with the program.
    ///
    /// # Errors
    /// Those of [`Features::parse`]; a test holds that the shipped file has none.
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(SHIPPED)
    }

    /// Reads and checks what [`Features::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Features`] if it is no JSON of this form or its parts do not fit together.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let found: Self = serde_json::from_str(json).map_err(|error| Error::Features(error.to_string()))?;
        found.check().map_err(Error::Features)?;
        Ok(found)
    }

    fn check(&self) -> Result<(), String> {
        let known = self.classes.iter().filter(|class| !class.unseen).count();
        if known < 2 || self.classes.iter().take(known).any(|class| class.unseen) {
            return Err(format!("found {known} known classes, expected 2 or more, before the unseen ones"));
        }
        for run in &self.runs {
            let name = format!("run {} in {} dimensions", run.objective, run.dim);
            if !matches!(run.dim, 2 | 3) {
                return Err(format!("{name}: expected 2 or 3 dimensions"));
            }
            if run.centres.len() != known * run.dim {
                return Err(format!(
                    "{name}: {} numbers of centres, expected {known} x {}",
                    run.centres.len(),
                    run.dim
                ));
            }
            if run.points.len() != self.classes.len() {
                return Err(format!(
                    "{name}: points of {} classes, expected {}",
                    run.points.len(),
                    self.classes.len()
                ));
            }
            let whole = |values: &Vec<i16>| !values.is_empty() && values.len().is_multiple_of(run.dim);
            if let Some(class) = run.points.iter().position(|values| !whole(values)) {
                return Err(format!("{name}: class {class} has {} numbers", run.points[class].len()));
            }
        }
        Ok(())
    }

    /// As JSON, a class of points a line.
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
    /// Unit vectors of any rows of numbers, as they are stored; rows without a direction are left out.
    pub fn directions(dim: usize, values: &[f32]) -> Vec<i16> {
        let unit = |row: &[f32]| {
            let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let unit = row.iter().map(move |value| (f64::from(*value) / norm * UNITS).round() as i16);
            (norm.is_finite() && norm > 0.0).then(|| unit.collect::<Vec<i16>>())
        };
        values.chunks_exact(dim).filter_map(unit).flatten().collect()
    }

    /// Stored directions as numbers again.
    pub fn rows<const DIM: usize>(values: &[i16]) -> Vec<[f64; DIM]> {
        values.chunks_exact(DIM).map(|row| std::array::from_fn(|axis| f64::from(row[axis]) / UNITS)).collect()
    }
}

/// JSON of what always has one: texts, numbers and lists of them.
fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_features_are_whole_and_keep_their_form() {
        let shipped = Features::shipped().expect("the shipped file is good");
        assert_eq!(Features::parse(&shipped.to_json()).expect("reads what it wrote"), shipped);
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
    fn directions_are_unit_vectors_and_rows_without_one_are_left_out() {
        let stored = FeatureRun::directions(2, &[3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0, -2.0, 0.0]);
        assert_eq!(stored, [600, 800, -1000, 0]);
        assert_eq!(FeatureRun::rows::<2>(&stored), [[0.6, 0.8], [-1.0, 0.0]]);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_by_name() {
        let good = Features::shipped().expect("the shipped file is good");
        let wrong = |change: &dyn Fn(&mut Features), fragment: &str| {
            let mut features = good.clone();
            change(&mut features);
            let error = Features::parse(&features.to_json()).expect_err(fragment).to_string();
            assert!(error.contains(fragment), "expected '{fragment}' in: {error}");
        };
        wrong(&|f| f.runs[0].dim = 4, "expected 2 or 3 dimensions");
        wrong(&|f| f.runs[0].centres.truncate(3), "numbers of centres");
        wrong(&|f| f.runs[1].points.truncate(9), "points of 9 classes, expected 10");
        wrong(&|f| f.runs[2].points[3].clear(), "class 3 has 0 numbers");
        wrong(&|f| f.classes[0].unseen = true, "known classes");
        assert!(Features::parse("{}").is_err());
    }
}
