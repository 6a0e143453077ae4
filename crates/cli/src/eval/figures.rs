//! The figures of each evaluation, drawn by `widemargin_report`.

use super::output::{Figure, score as written};
use widemargin_eval::geometry::Geometry;
use widemargin_eval::retrieval::{Confusions, Identification, Ranking};
use widemargin_eval::verification::{Histogram, Verification};
use widemargin_report::figure::{
    CONFUSION_CLASSES, ConfusionMatrix, HistogramPair, HistogramPanel, LineChart, RateCurve, RateFigure,
    RatePoint, Series, ValueScale, confusion, det, histogram_pair, identification, line_chart, roc,
};
use widemargin_tables::ClassNames;

/// ROC, DET, and the histograms of scores with the threshold at EER.
pub(super) fn verification(found: &Verification, score: &str) -> Vec<Figure> {
    let curve = || RateCurve {
        name: String::new(),
        points: found.roc.iter().map(|point| RatePoint { far: point.far, tar: point.tar }).collect(),
    };
    let rates = |title: &str, description: String| RateFigure {
        title: title.to_owned(),
        description,
        curves: vec![curve()],
    };
    let auc = format!("True accept rate over false accept rate; the area below is {:.4}.", found.auc);
    let eer =
        format!("False reject rate over false accept rate; they are equal at {:.2} %.", 100.0 * found.eer);
    vec![
        Figure {
            name: "roc",
            svg: roc(&rates("ROC: genuine pairs accepted", auc)),
            caption: "Share of genuine pairs accepted (up) for each share of impostor pairs accepted (across). The dotted \
                      line is guessing.",
        },
        Figure {
            name: "det",
            svg: det(&rates("DET: both errors", eer)),
            caption: "Both error rates on normal-deviate axes; the curve meets the dotted diagonal at the equal error \
                      rate.",
        },
        histograms(found, score, found.eer_threshold, "threshold at EER"),
    ]
}

/// The CMC curve of identities, and with unknown probes detection and identification over false alarms.
pub(super) fn identified(found: &Identification) -> Vec<Figure> {
    let closed = &found.closed_set;
    let cmc = line_chart(&LineChart {
        title: "Closed set: CMC".to_owned(),
        description: format!(
            "Share of probes whose class is among the k nearest enrolled ones; {:.4} at 1.",
            found.rank_1
        ),
        x_label: "rank (k)".to_owned(),
        y_label: "rank-k rate".to_owned(),
        scale: ValueScale::FromZero,
        series: vec![Series {
            name: String::new(),
            points: closed.cmc.iter().map(|&(k, share)| (k as f64, share)).collect(),
        }],
    });
    let mut figures = vec![Figure {
        name: "cmc",
        svg: cmc,
        caption: "Share of probes of enrolled classes (up) whose class is among the k nearest enrolled classes (across).",
    }];
    if found.unknown > 0 {
        figures.push(open_set(found));
    }
    figures
}

/// Detection and identification over false alarms.
fn open_set(found: &Identification) -> Figure {
    let points = found.curve().iter().map(|line| RatePoint { far: line.far, tar: line.dir }).collect();
    let svg = identification(&RateFigure {
        title: "Open set: probes identified correctly".to_owned(),
        description: format!(
            "Detection and identification rate over false alarm rate; without a threshold it is {:.4}.",
            found.rank_1
        ),
        curves: vec![RateCurve { name: String::new(), points }],
    });
    Figure {
        name: "identification",
        svg,
        caption: "Share of enrolled probes identified correctly (up) for each share of unknown probes accepted (across). \
                  The curve ends at rank-1.",
    }
}

/// The histograms of scores with a chosen threshold.
pub(super) fn calibration(found: &Verification, score: &str, threshold: f64) -> Vec<Figure> {
    vec![histograms(found, score, threshold, "chosen threshold")]
}

fn histograms(found: &Verification, score: &str, threshold: f64, label: &str) -> Figure {
    let (genuine, impostor) = (&found.genuine_histogram, &found.impostor_histogram);
    let svg = histogram_pair(&HistogramPair {
        title: "Scores of genuine and impostor pairs".to_owned(),
        description: format!(
            "Histograms of the {score} of genuine and impostor pairs; {label} {}.",
            written(threshold)
        ),
        threshold_label: label.to_owned(),
        score_label: format!("{score} of the pair"),
        panels: vec![panel(genuine, impostor, Some(threshold))],
    });
    Figure {
        name: "scores",
        svg,
        caption: "The less the two histograms overlap, the better. Genuine pairs left of the dashed line are rejected, \
                  impostor pairs right of it accepted.",
    }
}

fn panel(genuine: &Histogram, impostor: &Histogram, threshold: Option<f64>) -> HistogramPanel {
    HistogramPanel {
        name: String::new(),
        low: genuine.low,
        high: genuine.high,
        genuine: genuine.counts.clone(),
        impostor: impostor.counts.clone(),
        threshold,
    }
}

/// CMC and precision at recall.
pub(super) fn ranking(found: &Ranking) -> Vec<Figure> {
    let chart = |title: &str, description: String, x_label: &str, y_label: &str, points| {
        line_chart(&LineChart {
            title: title.to_owned(),
            description,
            x_label: x_label.to_owned(),
            y_label: y_label.to_owned(),
            scale: ValueScale::FromZero,
            series: vec![Series { name: String::new(), points }],
        })
    };
    // The curve is flat once all queries have a hit.
    let all = found.recall_at.iter().find(|&(_, &recall)| recall >= 1.0).map_or(usize::MAX, |(&k, _)| k);
    let cmc: Vec<(f64, f64)> =
        found.recall_at.range(..=all.max(10)).map(|(&k, &recall)| (k as f64, recall)).collect();
    let first =
        format!("The share of queries with a hit among the k nearest; {:.4} at 1.", found.precision_at_1);
    let mean = format!(
        "Interpolated precision over recall, averaged over queries; mean average precision {:.4}.",
        found.mean_average_precision
    );
    vec![
        Figure {
            name: "cmc",
            svg: chart("CMC: recall at k", first, "neighbours (k)", "recall at k", cmc),
            caption: "Share of queries with a neighbour of their class among the k nearest.",
        },
        Figure {
            name: "precision-at-recall",
            svg: chart("Precision at recall", mean, "recall", "precision", found.precision_at_recall.clone()),
            caption: "Share of correct neighbours (precision) when the list is long enough to contain a share of all correct ones (recall).",
        },
    ]
}

/// Confusions of nearest neighbours, for the classes with the most errors.
pub(super) fn confusions(found: &Confusions, classes: &ClassNames) -> Figure {
    let shown = found.most_confused(CONFUSION_CLASSES);
    let svg = confusion(&ConfusionMatrix {
        title: "Confusion of nearest neighbours".to_owned(),
        description: format!(
            "The class of the nearest neighbour for each class of query; the {} most confused of {} classes.",
            shown.classes.len(),
            classes.names().len()
        ),
        classes: shown.classes.iter().map(|&class| classes.names()[class as usize].clone()).collect(),
        counts: shown.counts,
        totals: shown.totals,
    });
    Figure {
        name: "confusion",
        svg,
        caption: "Each row is a class of queries. Orange cells are confusions: the darker, the more frequent.",
    }
}

/// Cosines within and between classes.
pub(super) fn geometry(found: &Geometry) -> Figure {
    let (within, between) = (&found.within.histogram, &found.between.histogram);
    let svg = histogram_pair(&HistogramPair {
        title: "Cosines within and between classes".to_owned(),
        description: format!(
            "Histograms of cosines: within classes around {:.3}, between classes around {:.3}.",
            found.within.mean, found.between.mean
        ),
        panels: vec![panel(within, between, None)],
        ..HistogramPair::default()
    });
    Figure {
        name: "cosines",
        svg,
        caption: "Genuine pairs are within a class, impostor pairs between two classes. Compact classes have genuine \
                  cosines far right; well separated classes have impostor cosines around or left of zero.",
    }
}
