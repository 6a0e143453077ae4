//! Constructors of the points of the family that have names.

use super::axes::{Link, Pool, Score};
use super::competitors::Competitors;
use super::margin::Margin;
use super::objective::Objective;
use crate::error::Result;

impl Objective {
    fn plain(pool: Pool, link: Link) -> Self {
        Self {
            score: Score::dot(),
            margin: Margin::None,
            competitors: Competitors::Unchanged,
            pool,
            link,
            smoothing: 0.0,
        }
    }

    /// `sum_{i != y} max(z_i - z_y, 0)` on dot products: no gradient once the target leads.
    pub fn hinge_sum() -> Self {
        Self::plain(Pool::HingeSum, Link::Hinge)
    }

    /// `sum_{i != y} max(z_i - z_y + m, 0)` on dot products.
    ///
    /// # Errors
    /// If the margin is outside `[0, 1e6]`.
    pub fn hinge_sum_margin(margin: f64) -> Result<Self> {
        Self::family().margin(Margin::Additive(margin)).pool(Pool::HingeSum).link(Link::Hinge).build()
    }

    /// `max(max_{i != y} z_i - z_y, 0)` on dot products: only the hardest non-target pushes.
    pub fn hinge_max() -> Self {
        Self::plain(Pool::Max, Link::Hinge)
    }

    /// `max(LSE_{i != y} z_i - z_y, 0)` on dot products: the inner maximum smoothed.
    pub fn lse_hinge() -> Self {
        Self::plain(Pool::log_sum_exp(), Link::Hinge)
    }

    /// `softplus(LSE_{i != y} z_i - z_y) = -log softmax_y(z)` on dot products: softmax cross-entropy.
    pub fn softmax() -> Self {
        Self::plain(Pool::log_sum_exp(), Link::softplus())
    }

    /// `T softplus(LSE_{i != y}(z_i / T) - z_y / T)` on dot products; `T -> 0` is [`Objective::hinge_max`].
    ///
    /// # Errors
    /// If the temperature is outside `[1e-6, 1e6]`.
    pub fn tempered_softmax(temperature: f64) -> Result<Self> {
        Self::family().pool(Pool::LogSumExp { temperature }).link(Link::Softplus { temperature }).build()
    }

    /// Softmax cross-entropy on `s cos(theta_i)`: the network cannot change the range of its scores.
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]`.
    pub fn normalized_softmax(scale: f64) -> Result<Self> {
        Self::family().score(Score::cosine(scale)).build()
    }

    /// `-log( e^{s(cos_y - m)} / ( e^{s(cos_y - m)} + sum_{i != y} e^{s cos_i} ) )` (Wang et al., *Additive Margin
    /// Softmax for Face Verification*, 2018, eq. 6).
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]` or the margin outside `[0, 2]`.
    pub fn am_softmax(scale: f64, margin: f64) -> Result<Self> {
        Self::family().score(Score::cosine(scale)).margin(Margin::AdditiveCosine(margin)).build()
    }

    /// Softmax cross-entropy with the target at `s cos(theta_y + m)`, `m` in radians (Deng et al., *ArcFace*, 2019,
    /// eq. 3); for the continuation see [`Margin::AdditiveAngle`].
    ///
    /// # Errors
    /// If the scale is outside `[1e-6, 1e6]` or the margin outside `[0, pi/2]`.
    pub fn arcface(scale: f64, margin: f64) -> Result<Self> {
        Self::family().score(Score::cosine(scale)).margin(Margin::additive_angle(margin)).build()
    }
}
