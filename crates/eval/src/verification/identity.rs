//! A scored pair of which both identities are known.

/// A score and the classes of both rows of its pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IdentityPair {
    /// The score; higher means more similar.
    pub score: f64,
    /// Whether the pair is genuine.
    pub same: bool,
    /// The classes of both rows.
    pub identities: (u32, u32),
}
