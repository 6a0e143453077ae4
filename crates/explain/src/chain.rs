//! The members of the chain, trained on the same images: the data of chapter 11.
//!
//! `benches/evidence.py chain` trains them and writes `data/chain.json`.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::texts::{Texts, add};

/// The curves that ship with the crate.
const SHIPPED: &str = include_str!("../data/chain.json");

/// The questions of the chapter, each with the runs that answer it.
pub(crate) const QUESTIONS: [(&str, &[&str]); 5] = [
    ("explosion", &["hinge-sum", "hinge-sum-slow", "hinge-sum-margin-slow", "softmax"]),
    ("smoothing", &["hinge-max", "lse-hinge", "softmax"]),
    ("temperature", &["tempered-cold", "softmax", "tempered-hot"]),
    ("scale", &["normalized-2", "normalized-20", "normalized-200"]),
    ("margin", &["softmax", "normalized-20", "am-softmax"]),
];

/// Curves of several runs on the same images.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainedChain {
    /// The command that wrote the file.
    pub(crate) command: String,
    /// Version of the program.
    pub(crate) version: String,
    /// Recall at 1 on the unseen classes before training, in percent.
    pub(crate) untrained: f64,
    /// The runs.
    pub(crate) runs: Vec<ChainRun>,
}

/// An objective: means over several seeds, one value per epoch.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainRun {
    /// Name of the run.
    pub(crate) name: String,
    objective: String,
    margin: Option<f64>,
    scale: Option<f64>,
    temperature: Option<f64>,
    learning_rate: Option<f64>,
    /// Number of seeds.
    pub(crate) seeds: usize,
    /// Recall at 1 on validation classes, in percent.
    pub(crate) recall: Vec<f64>,
    /// Median over the steps of the norm of the gradient.
    pub(crate) gradient: Vec<f64>,
    /// Share of the training samples whose own centre has the highest score, in percent.
    pub(crate) accuracy: Vec<f64>,
    /// Recall at 1 on the unseen classes after training, in percent.
    pub(crate) unseen: f64,
}

impl TrainedChain {
    /// The curves that ship with the program.
    pub(crate) fn shipped() -> Result<Self, Error> {
        let found: Self = serde_json::from_str(SHIPPED).map_err(|error| Error::Chain(error.to_string()))?;
        for (question, names) in QUESTIONS {
            for name in names {
                let run =
                    found.run(name).ok_or_else(|| Error::Chain(format!("{question}: no run {name}")))?;
                let epochs = [run.recall.len(), run.gradient.len(), run.accuracy.len()];
                if epochs != [found.epochs(); 3] || found.epochs() == 0 {
                    let expected = found.epochs();
                    return Err(Error::Chain(format!(
                        "{name}: curves of {epochs:?} epochs, expected {expected}"
                    )));
                }
            }
        }
        Ok(found)
    }

    /// The run of this name.
    pub(crate) fn run(&self, name: &str) -> Option<&ChainRun> {
        self.runs.iter().find(|run| run.name == name)
    }

    /// Epochs of every run.
    fn epochs(&self) -> usize {
        self.runs.first().map_or(0, |run| run.recall.len())
    }

    /// What the script of the page needs, with the names of the runs in one language.
    pub(crate) fn for_page(&self, texts: &Texts) -> Result<impl Serialize, Error> {
        let curves = |run| Curves::of(run, texts);
        let questions = QUESTIONS.iter().map(|(id, names)| {
            let runs = names.iter().filter_map(|name| self.run(name)).map(curves);
            Ok(Question { id, runs: runs.collect::<Result<_, Error>>()? })
        });
        Ok(Page {
            command: &self.command,
            version: &self.version,
            seeds: self.runs.iter().map(|run| run.seeds).min().unwrap_or_default(),
            epochs: self.epochs(),
            untrained: self.untrained,
            questions: questions.collect::<Result<_, Error>>()?,
        })
    }
}

/// What the script of the page needs.
#[derive(Serialize)]
struct Page<'a> {
    command: &'a str,
    version: &'a str,
    seeds: usize,
    epochs: usize,
    untrained: f64,
    questions: Vec<Question<'a>>,
}

#[derive(Serialize)]
struct Question<'a> {
    id: &'static str,
    runs: Vec<Curves<'a>>,
}

#[derive(Serialize)]
struct Curves<'a> {
    name: &'a str,
    title: String,
    recall: &'a [f64],
    gradient: &'a [f64],
    accuracy: f64,
    unseen: f64,
}

impl<'a> Curves<'a> {
    fn of(run: &'a ChainRun, texts: &Texts) -> Result<Self, Error> {
        Ok(Self {
            name: &run.name,
            title: run.title(texts)?,
            recall: &run.recall,
            gradient: &run.gradient,
            accuracy: run.accuracy.last().copied().unwrap_or_default(),
            unseen: run.unseen,
        })
    }
}

impl ChainRun {
    /// The objective in words, with what was set.
    pub(crate) fn title(&self, texts: &Texts) -> Result<String, Error> {
        // The temperature is named below.
        let objective = self.objective.trim_start_matches("tempered-");
        let mut title = texts.raw(&format!("live.common.{objective}"))?.to_owned();
        for (symbol, value) in [("T", self.temperature), ("s", self.scale), ("m", self.margin)] {
            if let Some(value) = value {
                add(&mut title, format_args!(", {symbol} = {value}"));
            }
        }
        if let Some(rate) = self.learning_rate {
            title.push_str(&texts.raw("live.trained.rate")?.replace("{rate}", &rate.to_string()));
        }
        Ok(title)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    #[test]
    fn every_run_of_the_shipped_chain_answers_a_question_and_has_a_name_of_its_own() {
        let chain = TrainedChain::shipped().expect("the shipped file is valid");
        for language in Language::ALL {
            let texts = Texts::of(language).expect("the texts parse");
            let titles: std::collections::BTreeSet<String> =
                chain.runs.iter().map(|run| run.title(&texts).expect("every objective has a name")).collect();
            assert_eq!(titles.len(), chain.runs.len(), "{titles:?}");
        }
        for run in &chain.runs {
            assert!(QUESTIONS.iter().any(|(_, names)| names.contains(&run.name.as_str())), "{}", run.name);
            assert!(run.recall.iter().chain(&run.accuracy).all(|share| (0.0..=100.0).contains(share)));
            assert!(run.gradient.iter().all(|norm| *norm > 0.0), "{}", run.name);
        }
    }
}
