//! Checked embeddings from the tables that [`widemargin_tables`] reads.

use widemargin_tables::{ClassNames, EmbeddingTable, Problem, Result};

use crate::{Crowding, Embeddings, Error};

/// The rows of a table as unit rows, with a number for each label.
///
/// # Errors
/// [`Problem::NoLabels`] and [`Problem::EmptyLabel`] unless every row has a label; [`Problem::Embeddings`] with the error of [`Embeddings::new`] and the id
/// of the row, if rows have ids.
pub fn labelled(table: &EmbeddingTable, classes: &mut ClassNames) -> Result<Embeddings> {
    let labels = table.about.all_labels(&table.path)?;
    let numbers: Vec<u32> = labels.iter().map(|label| classes.number(label)).collect();
    with_labels(table, &numbers)
}

/// The rows of a table as unit rows, all of class 0: for uses without labels, such as a cohort or a list of pairs.
///
/// # Errors
/// [`Problem::Embeddings`].
pub fn unlabelled(table: &EmbeddingTable) -> Result<Embeddings> {
    with_labels(table, &vec![0; table.rows])
}

fn with_labels(table: &EmbeddingTable, labels: &[u32]) -> Result<Embeddings> {
    let set = Embeddings::precise(&table.data, table.rests.as_deref(), table.rows, table.dim, labels);
    let set = set.map_err(|problem| {
        let row = match problem {
            Error::NonFinite { row, .. } | Error::ZeroRow { row } => Some(row),
            _ => None,
        };
        let id = row.and_then(|row| table.about.ids.as_ref()?.get(row).cloned());
        Problem::Embeddings { problem: problem.to_string(), id }.at(&table.path)
    })?;
    match set.crowding().filter(Crowding::is_beyond_float64) {
        Some(crowding) => {
            let problem = format!(
                "nearly all cosines are within {:.0e} of 1 (typically), which even 64-bit floats do not separate; subtract the mean of each column before \
                 saving",
                crowding.distance
            );
            Err(Problem::Embeddings { problem, id: None }.at(&table.path))
        }
        None => Ok(set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_tables::{About, Keys};

    fn table(data: &[f32], about: About) -> EmbeddingTable {
        EmbeddingTable {
            path: "rows.csv".into(),
            data: data.to_vec(),
            rests: None,
            rows: data.len() / 2,
            dim: 2,
            about,
            columns: None,
            mark: None,
            keys: Keys::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn labels_are_numbered_in_order() {
        let labels = Some(vec!["b".to_owned(), "cat".to_owned()]);
        let mut classes = ClassNames::new();
        assert_eq!(classes.number("cat"), 0);
        let about = About { labels, ..About::default() };
        assert_eq!(labelled(&table(&[1.0; 4], about), &mut classes).unwrap().labels(), [1, 0]);
        let without = labelled(&table(&[1.0; 4], About::default()), &mut classes).unwrap_err();
        assert_eq!(without.problem, Problem::NoLabels);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn values_of_64_bits_are_used_or_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offset.csv");
        // Rows of two classes at 0 and at 90 degrees around the mean, in 64 bits.
        let text = |offset: f64| {
            let rows = (0..40).map(|row| {
                let (x, y) = if row % 2 == 0 { (1.0, 0.0) } else { (-0.5, 0.9) };
                let z = 0.2 * (f64::from(row) * 0.7).sin();
                format!("c{},{},{},{}\n", row % 2, offset + x + z, offset + y, offset - z)
            });
            std::iter::once("label,x,y,z\n".to_owned()).chain(rows).collect::<String>()
        };
        let read = |offset: f64| {
            std::fs::write(&path, text(offset)).unwrap();
            labelled(&widemargin_tables::read_embeddings(&path).unwrap(), &mut ClassNames::new())
        };
        for offset in [0.0, 1e6] {
            let set = read(offset).unwrap();
            for (a, b) in [(0, 2), (3, 5), (10, 20)] {
                assert!(set.cosine(a, b) > set.cosine(a, 1 + b), "{offset}: rows {a} and {b}");
            }
        }
        let said = read(1e8).unwrap_err().to_string();
        assert!(said.contains("offset.csv") && said.contains("subtract the mean of each column"), "{said}");
    }

    #[test]
    fn errors_of_rows_name_the_file_and_the_id() {
        let ids = Some(vec!["fine".to_owned(), "odd".to_owned()]);
        let about = About { ids, ..About::default() };
        for (row, expected) in [
            ([0.0, 0.0], "row 1 is all zeros; its cosines are undefined (the row's id is \"odd\")"),
            ([0.0, f32::NAN], "row 1 has NaN in column 1"),
        ] {
            let data = [1.0, 2.0, row[0], row[1]];
            let error = unlabelled(&table(&data, about.clone())).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("rows.csv"), "{error}");
        }
    }
}
