//! Finding a name among the known ones.

/// The known name that `found` means, or else the nearest known name if one is near.
///
/// `known` has every accepted spelling with the name it stands for. Case does not matter, and spaces and underscores
/// count as hyphens.
pub(crate) fn find(
    found: &str,
    known: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Result<&'static str, Option<&'static str>> {
    let spelt = spelling(found.trim());
    let mut nearest: Option<(usize, &'static str)> = None;
    for (spelling_of, name) in known {
        let known = spelling(spelling_of);
        if known == spelt {
            return Ok(name);
        }
        let distance = strsim::damerau_levenshtein(&spelt, &known);
        if distance <= 2.max(name.len() / 4) && nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, name));
        }
    }
    Err(nearest.map(|(_, name)| name))
}

fn spelling(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', ' '], "-")
}
