//! Numbers with nouns in messages.

/// A number with a noun: `1 class`, `2 classes`.
pub fn plural(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
