//! The embeddings themselves: on a map, and on the circle or the sphere if they have two or three dimensions.

use super::input::{DrawableEmbeddings, EmbeddingMap, ObjectiveReport, Projection, ReportInput, ShownSample};
use super::markup::{self, Section};
use crate::figure::{self, FeatureFigure, FeaturePanel, MapFigure, MapPoint};
use crate::text;

pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let mut figures: Vec<String> = input
        .objectives
        .iter()
        .flat_map(|objective| objective.maps.iter().map(|map| drawn_map(input, objective, map)))
        .collect();
    let introduction = if figures.is_empty() {
        String::new()
    } else {
        markup::paragraph(
            "Each point is a sample of the evaluation set, in the colour and shape of its class. Points of a class should form a group \
             of their own. Point at one for its name and image; the other classes fade.",
        )
    };
    figures.extend(drawable(input));
    let body = introduction + &markup::grid(&figures);
    (!figures.is_empty()).then_some(Section { id: "embeddings", heading: "Embeddings", body })
}

fn drawn_map(input: &ReportInput, objective: &ObjectiveReport, map: &EmbeddingMap) -> String {
    let samples: Vec<(usize, &ShownSample, [f64; 2])> =
        map.points.iter().filter_map(|&(nth, at)| Some((nth, input.samples.get(nth)?, at))).collect();
    let mut classes: Vec<&str> = samples.iter().map(|(_, sample, _)| sample.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let point = |&(nth, sample, at): &(usize, &ShownSample, [f64; 2])| MapPoint {
        at,
        class: classes.binary_search(&sample.class.as_str()).unwrap_or(0),
        text: format!("{}\n{}", sample.class, sample.name),
        sample: sample.image.as_ref().map(|_| nth),
    };
    let points = samples.iter().map(point).collect();
    let (name, labels, caption) = in_words(map.projection);
    let shown = samples.len() as u64;
    let which = if shown < map.samples {
        format!("{} of {} samples, chosen at random", text::count(shown), text::count(map.samples))
    } else {
        format!("All {} samples", text::count(shown))
    };
    let title =
        if input.objectives.len() > 1 { format!("{}: {name}", objective.name) } else { name.to_owned() };
    let svg = figure::embedding_map(&MapFigure {
        title,
        description: format!("{which}; {} classes. {caption}", classes.len()),
        labels,
        classes: classes.iter().map(|&class| class.to_owned()).collect(),
        points,
    });
    markup::figure(&svg, &format!("{which}. {caption}"))
}

/// Title, labels of the axes and explanation of a projection.
fn in_words(projection: Projection) -> (&'static str, [String; 2], String) {
    match projection {
        Projection::Principal(shares) => {
            let [first, second] = shares.map(|share| text::percent(share, 0));
            let both = text::percent(shares[0] + shares[1], 0);
            (
                "Map: principal components",
                [format!("first component ({first} of the variance)"), format!("second component ({second})")],
                format!(
                    "The two directions in which these embeddings vary most hold {both} of their variance. Classes that overlap here may \
                     be apart in the other directions."
                ),
            )
        }
        Projection::Neighbours => (
            "Map: t-SNE",
            [String::new(), String::new()],
            "t-SNE keeps near neighbours near. Distances between groups and the sizes of groups have no meaning.".to_owned(),
        ),
    }
}

/// Embeddings of dimension 2 or 3, all objectives in one figure.
fn drawable(input: &ReportInput) -> Vec<String> {
    let (mut circles, mut spheres) = (Vec::new(), Vec::new());
    for objective in &input.objectives {
        let name = objective.name.clone();
        match &objective.drawable {
            Some(DrawableEmbeddings::Circle(classes)) => {
                circles.push(FeaturePanel { name, classes: classes.clone() });
            }
            Some(DrawableEmbeddings::Sphere(classes)) => {
                spheres.push(FeaturePanel { name, classes: classes.clone() });
            }
            None => {}
        }
    }
    let mut figures = Vec::new();
    let caption = "Each point is the direction of an embedding, each arrow the centre of a class. A margin pulls the points of a class \
                   together and leaves gaps between classes.";
    if !circles.is_empty() {
        let svg = figure::feature_circle(&FeatureFigure {
            title: "Embeddings on the unit circle".to_owned(),
            description: "Directions of 2-D embeddings by class, with class centres as arrows.".to_owned(),
            panels: circles,
        });
        let more = format!(
            "{caption} Points are shifted slightly inwards or outwards so that they do not hide each other."
        );
        figures.push(markup::figure(&svg, &more));
    }
    if !spheres.is_empty() {
        let svg = figure::feature_sphere(&FeatureFigure {
            title: "Embeddings on the unit sphere".to_owned(),
            description: "Directions of 3-D embeddings by class, with class centres as arrows.".to_owned(),
            panels: spheres,
        });
        figures.push(markup::figure(&svg, &format!("{caption} The far side is faded.")));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thumbnail::Image;

    #[test]
    fn a_map_has_a_point_per_sample_with_its_class() {
        let image = Image::new(1, 1, 1, &[9]).unwrap();
        let sample = |class: &str, image| ShownSample { name: "<n>".into(), class: class.into(), image };
        let map = |projection| EmbeddingMap {
            projection,
            points: vec![(0, [0.0, 0.1]), (1, [1.0, 0.5]), (2, [0.5, 0.2]), (9, [0.0, 0.0])],
            samples: 12_000,
        };
        let input = ReportInput {
            samples: vec![sample("cat", Some(image)), sample("bag", None), sample("cat", None)],
            objectives: vec![ObjectiveReport {
                maps: vec![map(Projection::Principal([0.5, 0.25])), map(Projection::Neighbours)],
                ..ObjectiveReport::default()
            }],
            ..ReportInput::default()
        };
        let body = section(&input).unwrap().body;
        crate::figure::tests::elements(&body);
        assert_eq!(body.matches("<title>cat\n&lt;n&gt;</title>").count(), 4);
        assert_eq!(body.matches("data-sample=\"0\"").count(), 2);
        assert_eq!(body.matches("data-sample").count(), 2, "only samples with images");
        assert!(body.contains("3 of 12\u{202f}000 samples, chosen at random; 2 classes"), "{body}");
        assert!(body.contains("hold 75\u{a0}% of their variance") && body.contains("Map: t-SNE"));
        assert!(section(&ReportInput::default()).is_none());
    }
}
