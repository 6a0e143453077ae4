//! What goes wrong: which classes are taken for which, and the pairs on which verification fails first.

use super::gallery::{Gallery, Relation};
use super::input::{ConfusionResults, ObjectiveReport, ReportInput, ShownPair, WorstPairs};
use super::markup::{self, Section};
use crate::figure::{self, ConfusionMatrix};
use crate::text::{self, add, escape};

pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let shown = |o: &&ObjectiveReport| o.confusions.is_some() || o.worst_pairs.is_some();
    let shown: Vec<&ObjectiveReport> = input.objectives.iter().filter(shown).collect();
    if shown.is_empty() {
        return None;
    }
    let gallery = Gallery(&input.samples);
    let mut body = markup::paragraph(
        "A class is taken for another if the nearest neighbour of a sample is of the other class. Look for a reason in the images: \
         classes that look alike, wrong labels, a crop that hides what matters.",
    );
    for objective in shown {
        body.push_str(&markup::objective_heading(input, objective));
        if let Some(confusions) = &objective.confusions {
            body.push_str(&markup::sides(&[matrix(confusions), frequent(gallery, confusions)]));
        }
        if let Some(worst) = &objective.worst_pairs {
            body.push_str(&worst_pairs(gallery, worst));
        }
    }
    Some(Section { id: "confusions", heading: "Confusions", body })
}

fn matrix(found: &ConfusionResults) -> String {
    let classes = found.classes.len().min(figure::CONFUSION_CLASSES);
    let which = if found.all_classes > classes {
        format!("the {classes} most confused of {} classes", found.all_classes)
    } else {
        "all classes".to_owned()
    };
    let svg = figure::confusion(&ConfusionMatrix {
        title: "Confusion of nearest neighbours".to_owned(),
        description: format!(
            "The class of the nearest neighbour for each class of query, {which}. The list of confusions has the largest values."
        ),
        classes: found.classes.clone(),
        counts: found.counts.clone(),
        totals: found.totals.clone(),
    });
    let caption = format!(
        "Each row is a class of queries. The darker a cell, the more of them have their nearest neighbour in the class of the column. The \
         matrix has {which}."
    );
    markup::figure(&svg, &caption)
}

fn frequent(gallery: Gallery<'_>, found: &ConfusionResults) -> String {
    if found.most_frequent.is_empty() {
        return markup::paragraph(
            "No class is taken for another: each nearest neighbour is of the class of its query.",
        );
    }
    let mut html = String::from("<h3>Most frequent confusions</h3>\n<ul class=\"confused\">\n");
    for confusion in &found.most_frequent {
        let share =
            if confusion.total > 0 { confusion.queries as f64 / confusion.total as f64 } else { f64::NAN };
        add(
            &mut html,
            format_args!(
                "<li><p><b>{}</b> taken for <b>{}</b>: {} of {} queries ({})</p>\n",
                escape(&confusion.class),
                escape(&confusion.found),
                text::count(confusion.queries),
                text::count(confusion.total),
                text::percent(share, 1)
            ),
        );
        html.push_str(&pairs(gallery, &confusion.examples));
        html.push_str("</li>\n");
    }
    html.push_str("</ul>\n");
    html
}

fn worst_pairs(gallery: Gallery<'_>, worst: &WorstPairs) -> String {
    let [compared, all] = worst.compared;
    let among = if compared < all {
        format!("among {} of the {} samples, chosen at random", text::count(compared), text::count(all))
    } else {
        format!("among all {} samples", text::count(all))
    };
    let mut parts = Vec::new();
    for (heading, what, shown) in [
        ("Worst genuine pairs", "Pairs of the same class with the smallest cosines", &worst.genuine),
        ("Worst impostor pairs", "Pairs of different classes with the largest cosines", &worst.impostor),
    ] {
        let mut html = format!("<h3>{heading}</h3>\n");
        html.push_str(&markup::paragraph(&format!("{what}, {among}. Each sample is in one pair at most.")));
        html.push_str(&pairs(gallery, shown));
        parts.push(html);
    }
    markup::sides(&parts)
}

/// Pairs of samples with their cosines.
fn pairs(gallery: Gallery<'_>, pairs: &[ShownPair]) -> String {
    let mut html = String::from("<div class=\"pairs\">\n");
    for pair in pairs {
        let relation =
            if gallery.same_class(pair.first, pair.second) { Relation::Same } else { Relation::Other };
        let [first, second] = [pair.first, pair.second].map(|nth| gallery.tile(nth, relation, ""));
        let cosine = text::fixed(pair.cosine, 3);
        add(&mut html, format_args!("<div class=\"pair\">{first}{second}<p>cosine {cosine}</p></div>\n"));
    }
    html.push_str("</div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::super::input::{FrequentConfusion, ShownSample};
    use super::*;

    fn report(confusions: ConfusionResults, compared: [u64; 2]) -> ReportInput {
        let sample = |class: &str| ShownSample { name: "n".into(), class: class.into(), image: None };
        let pair = |second| ShownPair { first: 0, second, cosine: 0.25 };
        let worst = WorstPairs { genuine: vec![pair(1)], impostor: vec![pair(2)], compared };
        ReportInput {
            samples: ["<b>shirt", "<b>shirt", "coat"].map(sample).to_vec(),
            objectives: vec![ObjectiveReport {
                confusions: Some(confusions),
                worst_pairs: Some(worst),
                ..ObjectiveReport::default()
            }],
            ..ReportInput::default()
        }
    }

    fn confused() -> ConfusionResults {
        ConfusionResults {
            classes: vec!["<b>shirt".into(), "coat".into()],
            counts: vec![vec![88, 12], vec![0, 5]],
            totals: vec![100, 5],
            all_classes: 40,
            most_frequent: vec![FrequentConfusion {
                class: "<b>shirt".into(),
                found: "coat".into(),
                queries: 12,
                total: 100,
                examples: vec![ShownPair { first: 1, second: 2, cosine: 0.5 }],
            }],
        }
    }

    #[test]
    fn confusions_have_their_share_and_examples() {
        let body = section(&report(confused(), [3, 3])).unwrap().body;
        crate::figure::tests::elements(&body);
        assert!(
            body.contains("<b>&lt;b&gt;shirt</b> taken for <b>coat</b>: 12 of 100 queries (12.0\u{a0}%)"),
            "{body}"
        );
        assert!(body.contains("the 2 most confused of 40 classes") && body.contains("<p>cosine 0.500</p>"));
        assert_eq!(body.matches("class=\"pair\"").count(), 3);
        assert_eq!((body.matches("wm-tip right").count(), body.matches("wm-tip wrong").count()), (2, 4));
        assert!(body.contains("among all 3 samples"));
    }

    #[test]
    fn a_part_of_the_samples_and_a_perfect_model_are_described() {
        let body = section(&report(ConfusionResults::default(), [3000, 70_000])).unwrap().body;
        assert!(body.contains("among 3000 of the 70\u{202f}000 samples, chosen at random"), "{body}");
        assert!(body.contains("No class is taken for another") && body.contains(">no data</text>"));
        assert!(section(&ReportInput::default()).is_none());
    }
}
