//! The page as a whole: well-formed, self-contained, escaped, right in what it marks.

use super::*;
use crate::figure::{ClassFeatures, RatePoint};
use crate::thumbnail::Image;

fn objective(name: &str, eer: f64) -> ObjectiveReport {
    let curve: Vec<(f64, f64)> = (0..20).map(|step| (f64::from(step), 1.0 / f64::from(step + 1))).collect();
    let pair = ShownPair { first: 0, second: 1, cosine: 0.8 };
    ObjectiveReport {
        name: name.into(),
        untrained: None,
        seconds: Some(100.0 * eer),
        samples_per_second: Some(1234.5),
        known_accuracy: Some(0.9),
        verification: Some(VerificationResults {
            genuine: 1000,
            impostor: 20_000,
            auc: 1.0 - eer / 2.0,
            eer,
            eer_threshold: 0.41,
            tar_at_far: vec![("1e-1".into(), 1.0 - eer), ("1e-3".into(), 0.5 - eer)],
        }),
        retrieval: Some(RetrievalResults {
            queries: 300,
            recall_at: vec![(1, 1.0 - eer), (5, 0.99)],
            r_precision: 0.7,
            map_at_r: 0.6,
            mean_average_precision: Some(0.65),
        }),
        curves: Curves {
            loss: curve.clone(),
            learning_rate: curve.clone(),
            accuracy: curve.clone(),
            target_cosine: curve.clone(),
            push: curve.clone(),
            effective_competitors: curve.clone(),
            margin_met: curve.clone(),
            validation_map_at_r: curve.clone(),
            validation_recall_at_1: curve,
        },
        histograms: Some(Histograms {
            low: -1.0,
            high: 1.0,
            genuine: vec![0, 1, 5],
            impostor: vec![4, 2, 0],
        }),
        roc: [(0.0, 0.0), (0.1, 0.8), (1.0, 1.0)].map(|(far, tar)| RatePoint { far, tar }).to_vec(),
        confusions: Some(ConfusionResults {
            classes: vec!["bag".into(), "boot".into()],
            counts: vec![vec![9, 1], vec![0, 10]],
            totals: vec![10, 10],
            all_classes: 2,
            most_frequent: vec![FrequentConfusion {
                class: "bag".into(),
                found: "boot".into(),
                queries: 1,
                total: 10,
                examples: vec![pair],
            }],
        }),
        worst_pairs: Some(WorstPairs { genuine: vec![], impostor: vec![pair], compared: [2, 2] }),
        neighbours: vec![QueryGroup {
            heading: "Hardest queries".into(),
            chosen: "The hardest ones.".into(),
            rows: vec![NeighbourRow { query: 0, neighbours: vec![(1, 0.8)] }],
        }],
        maps: vec![EmbeddingMap {
            projection: Projection::Principal([0.5, 0.25]),
            points: vec![(0, [0.0, 0.1]), (1, [0.2, 0.3])],
            samples: 2,
        }],
        drawable: Some(DrawableEmbeddings::Circle(vec![ClassFeatures {
            name: "bag".into(),
            points: vec![[1.0, 0.5]],
            centre: Some([1.0, 0.0]),
        }])),
    }
}

fn report(objectives: Vec<ObjectiveReport>) -> ReportInput {
    let sample = |name: &str, class: &str| ShownSample {
        name: name.into(),
        class: class.into(),
        image: Some(Image::new(1, 2, 2, &[0, 80, 160, 255]).unwrap()),
    };
    ReportInput {
        samples: vec![sample("test/0", "bag"), sample("test/1", "boot")],
        title: "Fashion".into(),
        lead: "A lead.".into(),
        evaluated_on: "3 unseen classes".into(),
        configuration: vec![("head.margin".into(), "0.35".into())],
        warnings: vec!["Few pairs.".into()],
        notes: vec!["Two images were skipped.".into()],
        credits: "Drawings by A & B.".into(),
        objectives,
    }
}

/// The page, with plain spaces.
fn shown(input: &ReportInput) -> String {
    render(input).replace('\u{a0}', " ")
}

/// The text of the body cells of the first table, row by row, `*` before what is bold.
fn first_table(html: &str) -> Vec<Vec<String>> {
    let table = html.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    let cell = |cell: &str| {
        cell.split_once('>').unwrap().1.split("</t").next().unwrap().replace("<b>", "*").replace("</b>", "")
    };
    table.split("<tr>").skip(1).map(|row| row.split("<t").skip(1).map(cell).collect()).collect()
}

#[test]
fn the_page_is_complete_and_loads_nothing() {
    let html = shown(&report(vec![objective("am-softmax", 0.1), objective("softmax", 0.2)]));
    let elements = crate::figure::tests::elements(&html);
    for forbidden in ["link", "iframe", "object"] {
        assert!(!elements.iter().any(|element| element == forbidden), "{forbidden}");
    }
    let without_namespace = html.replace("\"http://www.w3.org/2000/svg\"", "");
    for forbidden in ["http", "url(", "@import", "src=\"/", "NaN"] {
        assert!(!without_namespace.contains(forbidden), "{forbidden}");
    }
    // Nine curves, histograms, ROC, DET, bars and circle, which all objectives share; and a matrix and a map of each.
    assert_eq!(html.matches("<figure class=\"chart\">").count(), 18);
    assert_eq!(
        (html.matches("<script>").count(), html.matches("data:image/").count()),
        (1, 2),
        "stored once"
    );
    // Each link has a target, and ids are unique.
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for (nth, id) in ids.iter().enumerate() {
        assert!(!ids[..nth].contains(id), "{id} twice");
    }
    let links: Vec<&str> =
        html.split("<a href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(
        links,
        [
            "results",
            "training",
            "verification",
            "retrieval",
            "confusions",
            "neighbours",
            "embeddings",
            "configuration",
            "glossary"
        ]
    );
    let images = html.split("<use href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert!(links.into_iter().chain(images).all(|link| ids.contains(&link)));
}

#[test]
fn the_best_of_each_measure_is_bold() {
    let mut third = objective("third", 0.15);
    third.verification = None;
    let html = shown(&report(vec![objective("am-softmax", 0.1), objective("softmax", 0.2), third]));
    let expected = [
        ["Accuracy, known classes ↑", "90.00 %", "90.00 %", "90.00 %"],
        ["EER ↓", "*10.00 %", "20.00 %", "–"],
        ["AUC ↑", "*0.9500", "0.9000", "–"],
        ["TAR at FAR 1e-1 ↑", "*90.00 %", "80.00 %", "–"],
        ["TAR at FAR 1e-3 ↑", "*40.00 %", "30.00 %", "–"],
        ["Recall at 1 ↑", "*90.00 %", "80.00 %", "85.00 %"],
        ["Recall at 5 ↑", "99.00 %", "99.00 %", "99.00 %"],
        ["R-precision ↑", "70.00 %", "70.00 %", "70.00 %"],
        ["MAP@R ↑", "60.00 %", "60.00 %", "60.00 %"],
        ["mAP ↑", "65.00 %", "65.00 %", "65.00 %"],
        ["Training time", "10.0 s", "20.0 s", "15.0 s"],
        ["Samples per second", "1235", "1235", "1235"],
    ];
    assert_eq!(first_table(&html), expected);
}

#[test]
fn one_objective_is_described_in_words_and_nothing_is_bold() {
    let html = shown(&report(vec![objective("am-softmax", 0.1)]));
    assert!(html.contains("With a threshold of 0.410 on the cosine, 10.0 %"));
    assert!(html.contains("The most frequent confusion: bag taken for boot (1 of 10 queries)."));
    assert!(!html.contains("<td><b>") && !html.contains("Objective ↑"));
    assert!(html.contains("Few pairs.") && html.contains("Two images were skipped."));
    assert!(html.contains("<footer><p class=\"credits\">Drawings by A &amp; B.</p></footer>"));
}

#[test]
fn the_untrained_baseline_is_next_to_the_trained_model_with_the_gain() {
    let base = ObjectiveReport { seconds: None, samples_per_second: None, ..objective("untrained", 0.2) };
    let mut trained = objective("am-softmax", 0.3);
    trained.untrained = Some(Box::new(base.clone()));
    let html = shown(&report(vec![trained.clone()]));
    for row in [
        ["EER ↓", "20.00 %", "30.00 %", "-10.00 pp"],
        ["AUC ↑", "0.9000", "0.8500", "-0.0500"],
        ["Recall at 5 ↑", "99.00 %", "99.00 %", "+0.00 pp"],
        ["Training time", "–", "30.0 s", "–"],
    ] {
        assert!(
            first_table(&html).contains(&row.map(str::to_owned).to_vec()),
            "{row:?}: {:?}",
            first_table(&html)
        );
    }
    assert!(html.contains("<th scope=\"col\">untrained</th><th scope=\"col\">trained</th>"));
    assert!(
        html.contains("accepted (EER; untrained: 20.0 %)")
            && html.contains("(recall at 1; untrained: 80.0 %)")
    );
    // In a comparison, objectives with the same baseline share a column, and it is never the best.
    let mut other = objective("softmax", 0.25);
    other.untrained = Some(Box::new(base));
    let html = shown(&report(vec![trained, other]));
    assert_eq!(first_table(&html)[1], ["EER ↓", "30.00 %", "*25.00 %", "20.00 %"]);
    assert_eq!(html.matches("<th scope=\"col\">untrained</th>").count(), 1);
}

#[test]
fn the_better_objective_is_named_and_so_is_a_tie() {
    let compare = |a, b| shown(&report(vec![objective("left", a), objective("right", b)]));
    assert!(
        compare(0.2, 0.1)
            .contains("right has the lowest equal error rate (10.00 %), followed by left (20.00 %)")
    );
    assert!(compare(0.1, 0.1).contains("left and right both have the lowest equal error rate (10.00 %)"));
}

#[test]
fn everything_from_outside_is_escaped() {
    let evil = "<script>alert('x')</script>";
    let mut bad = objective(evil, 0.1);
    bad.neighbours[0].heading = evil.into();
    bad.neighbours[0].chosen = evil.into();
    if let Some(confusions) = &mut bad.confusions {
        confusions.classes[0] = evil.into();
        confusions.most_frequent[0].class = evil.into();
        confusions.most_frequent[0].found = evil.into();
    }
    if let Some(DrawableEmbeddings::Circle(classes)) = &mut bad.drawable {
        classes[0].name = evil.into();
    }
    if let Some(verification) = &mut bad.verification {
        verification.tar_at_far[0].0 = evil.into();
    }
    let input = ReportInput {
        samples: vec![ShownSample { name: evil.into(), class: evil.into(), image: None }; 2],
        title: evil.into(),
        lead: evil.into(),
        evaluated_on: evil.into(),
        configuration: vec![(evil.into(), evil.into())],
        warnings: vec![evil.into()],
        notes: vec![evil.into()],
        credits: evil.into(),
        objectives: vec![bad, objective("other", 0.2)],
    };
    let html = shown(&input);
    assert_eq!(html.matches("<script").count(), 1, "that of the page");
    assert!(html.matches("&lt;script&gt;").count() > 40);
    crate::figure::tests::elements(&html);
}

#[test]
fn an_evaluation_escapes_its_tables_and_figures() {
    let evil = "<script>alert(1)</script>".to_owned();
    let page = evaluation(&EvaluationInput {
        title: evil.clone(),
        lead: evil.clone(),
        warnings: vec![evil.clone()],
        notes: vec![evil.clone()],
        tables: vec![EvaluationTable {
            heading: evil.clone(),
            columns: vec![evil.clone(), "AUC".into()],
            rows: vec![vec![evil.clone(), "0.9".into()]],
        }],
        figures: vec![EvaluationFigure { svg: "<svg></svg>".into(), caption: evil.clone() }],
    });
    crate::figure::tests::elements(&page);
    assert_eq!(
        (page.matches("<script").count(), page.matches("<script>\n").count()),
        (1, 1),
        "that of the page"
    );
    assert_eq!(page.matches("&lt;script&gt;").count(), 9);
    assert!(page.contains(&format!("<ul class=\"notes\"><li>{}</li></ul>", crate::text::escape(&evil))));
    assert!(page.contains("<td>0.9</td>") && page.contains("<svg></svg>"));
    let empty = evaluation(&EvaluationInput::default());
    assert!(
        !empty.contains("id=\"results\"") && !empty.contains("id=\"figures\"") && !empty.contains("<script")
    );
}

#[test]
fn what_is_missing_is_left_out() {
    let empty = shown(&ReportInput::default());
    assert!(empty.contains("id=\"glossary\"") && !empty.contains("id=\"results\""));
    let bare = ObjectiveReport { name: "bare".into(), ..ObjectiveReport::default() };
    let html = shown(&report(vec![bare.clone(), bare]));
    for section in ["training", "verification", "retrieval", "confusions", "neighbours", "embeddings"] {
        assert!(!html.contains(&format!("id=\"{section}\"")), "{section}");
    }
    let mut broken = objective("broken", f64::NAN);
    broken.samples_per_second = Some(f64::INFINITY);
    let html = shown(&report(vec![broken, objective("fine", 0.1)]));
    assert!(!html.contains("NaN") && !html.contains("inf "));
    assert_eq!(first_table(&html)[1], ["EER ↓", "–", "*10.00 %"]);
}
