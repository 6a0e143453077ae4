//! Compares the book's page of objectives with the catalogue.

use crate::{CatalogueEntry, catalogue};

const PAGE: &str = include_str!("../../../../docs/src/mathematics/objectives.md");

/// Parameters that the page lists once for all objectives on class centres.
const SHARED: [(&str, &str); 4] =
    [("sub_centres", "1"), ("ignore_label", "none"), ("label_smoothing", "0"), ("class_margins", "none")];

fn own_parameters(entry: &CatalogueEntry) -> String {
    let own = entry.parameters.iter().map(|parameter| (parameter.name, parameter.default_in_words()));
    let own = own.filter(|(name, default)| !SHARED.contains(&(*name, default.as_str())));
    own.map(|(name, default)| format!("`{name}` ({default})")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_has_one_row_per_objective_with_its_defaults() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect())
        .collect();
    for entry in catalogue() {
        let name = format!("`{}`", entry.name);
        let of_name: Vec<_> = rows.iter().filter(|row| row[0] == name).collect();
        assert_eq!(of_name.len(), 1, "rows of {name}");
        assert_eq!(of_name[0][2], own_parameters(entry), "parameters of {name}");
    }
    assert_eq!(rows.len(), catalogue().len(), "a row without an objective");
    for (name, default) in SHARED {
        assert!(PAGE.contains(&format!("- `{name}` ({default})")), "{name}");
    }
}
