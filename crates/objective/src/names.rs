//! Finding a name among those that are known.

/// The known name behind what was written (any case, spaces or underscores for hyphens, other spellings), or else the nearest known
/// name, if one is near.
pub(crate) fn find(
    found: &str,
    names: &[&'static str],
    aliases: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Result<&'static str, Option<&'static str>> {
    let spelt = found.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let all: Vec<(&str, &'static str)> = names.iter().map(|name| (*name, *name)).chain(aliases).collect();
    if let Some((_, name)) = all.iter().find(|(spelling, _)| *spelling == spelt) {
        return Ok(name);
    }
    let nearest = all
        .into_iter()
        .map(|(spelling, name)| (strsim::damerau_levenshtein(&spelt, spelling), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4));
    Err(nearest.map(|(_, name)| name))
}
