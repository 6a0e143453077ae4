//! Queries with their nearest neighbours.

use super::gallery::{Gallery, Relation};
use super::input::{NeighbourRow, ObjectiveReport, QueryGroup, ReportInput};
use super::markup::{self, Section};
use crate::text::{self, escape};

pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let shown: Vec<&ObjectiveReport> = input.objectives.iter().filter(|o| !o.neighbours.is_empty()).collect();
    if shown.is_empty() {
        return None;
    }
    let mut body = markup::paragraph(
        "Each row shows a query on the left, then its nearest neighbours with their cosines. ✓ and a solid green border: the same \
         class. ✗ and a dashed orange border: another class.",
    );
    for objective in shown {
        body.push_str(&markup::objective_heading(input, objective));
        let part = |group: &QueryGroup| {
            let rows: String = group.rows.iter().map(|row| query(Gallery(&input.samples), row)).collect();
            format!("<h3>{}</h3>\n{}{rows}", escape(&group.heading), markup::paragraph(&group.chosen))
        };
        let parts: Vec<String> = objective.neighbours.iter().map(part).collect();
        body.push_str(&markup::sides(&parts));
    }
    Some(Section { id: "neighbours", heading: "Nearest neighbours", body })
}

fn query(gallery: Gallery<'_>, row: &NeighbourRow) -> String {
    let mut html = format!(
        "<div class=\"query\">{}<div class=\"tiles\">\n",
        gallery.tile(row.query, Relation::Plain, "query")
    );
    for &(neighbour, cosine) in &row.neighbours {
        let (relation, mark) = if gallery.same_class(row.query, neighbour) {
            (Relation::Same, "✓")
        } else {
            (Relation::Other, "✗")
        };
        html.push_str(&gallery.tile(neighbour, relation, &format!("{mark} {}", text::fixed(cosine, 3))));
    }
    html.push_str("</div></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::super::input::ShownSample;
    use super::*;

    #[test]
    fn right_and_wrong_differ_and_names_are_escaped() {
        let sample = |class: &str| ShownSample { name: "n".into(), class: class.into(), image: None };
        let row = NeighbourRow { query: 0, neighbours: vec![(1, 0.91234), (2, f64::NAN)] };
        let group = QueryGroup { heading: "Hardest <i>".into(), chosen: "Chosen.".into(), rows: vec![row] };
        let input = ReportInput {
            samples: vec![sample("<script>"), sample("<script>"), sample("\" onload=\"x")],
            objectives: vec![ObjectiveReport { neighbours: vec![group], ..ObjectiveReport::default() }],
            ..ReportInput::default()
        };
        let body = section(&input).unwrap().body;
        crate::figure::tests::elements(&body);
        assert!(!body.contains("<script") && !body.contains("\" onload=\"x") && !body.contains("<i>"));
        assert_eq!(
            (body.matches("tile wm-tip right").count(), body.matches("tile wm-tip wrong").count()),
            (1, 1)
        );
        assert!(body.contains("<b>✓ 0.912</b>") && body.contains("<b>✗ –</b>") && !body.contains("NaN"));
        assert!(section(&ReportInput::default()).is_none());
    }
}
