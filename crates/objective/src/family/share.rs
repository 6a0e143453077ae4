//! A part of a margin, for a warm-up.

/// Value and derivative at a similarity of a margin of which a share is applied: between those of no margin and those of the full margin.
pub(super) fn share_of(similarity: f64, share: f64, (value, slope): (f64, f64)) -> (f64, f64) {
    if share == 1.0 {
        return (value, slope);
    }
    (similarity + share * (value - similarity), 1.0 + share * (slope - 1.0))
}
