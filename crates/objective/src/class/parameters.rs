//! What a named objective against class centres can be given.

use serde::{Deserialize, Serialize};

/// Where the margin of an objective about competitors applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetMargin {
    /// In cosine, as AM-Softmax.
    Am,
    /// In angle, as ArcFace.
    Arc,
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// Parameters of a named objective; what is absent takes the objective's own default. Which objective takes which is
        /// told by [`ClassObjective::from_name`](crate::ClassObjective::from_name).
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ClassParameters {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$kind>,
            )*
        }

        impl ClassParameters {
            /// Names of those that are given.
            pub fn given(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name.is_some() { names.push(stringify!($name)); })*
                names
            }
        }
    };
}

parameters! {
    /// Factor `s` on the cosine.
    scale: f64,
    /// Amount of the margin, in the objective's unit (score, cosine, radians, a multiple of the angle).
    margin: f64,
    /// Temperature, above 0.
    temperature: f64,
    /// ArcFace: leave the target alone beyond a right angle.
    easy_margin: bool,
    /// Margins in angle: take the margin as a constant in the gradient.
    detach_margin: bool,
    /// Combined margin: factor `m1` on the angle.
    angle_multiplier: f64,
    /// Combined margin: `m2` in radians.
    angle_margin: f64,
    /// Combined margin: `m3` in cosine.
    cosine_margin: f64,
    /// SphereFace, large-margin softmax: `lambda` of `(lambda cos t + psi) / (1 + lambda)`; 0 is the full margin.
    lambda: f64,
    /// Class centres a class.
    sub_centres: usize,
    /// Share of the newest batch in a running statistic.
    momentum: f64,
    /// MV-Softmax: `v`.
    emphasis: f64,
    /// MV-Softmax and the inter-class filter: the target's margin.
    target: TargetMargin,
    /// AdaFace: `h`, how many deviations of the norm make the full quality.
    concentration: f64,
    /// ElasticFace: deviation of the margin.
    deviation: f64,
    /// ElasticFace: seed of the draws.
    seed: u64,
    /// Inter-top-k: how many competitors.
    count: usize,
    /// Inter-top-k: what they are raised by.
    competitor_margin: f64,
    /// Inter-class filter: cosine above which a competitor is left out.
    bound: f64,
    /// MagFace: norms between which the margin rises.
    norms: [f64; 2],
    /// MagFace: margins in radians at those norms.
    margins: [f64; 2],
    /// MagFace: weight of the term that keeps norms large.
    norm_weight: f64,
    /// SphereFace2: `lambda`, weight of the target's classification against the others'.
    balance: f64,
    /// SphereFace2: `t`.
    exponent: f64,
    /// Share of each label that is spread over all classes.
    label_smoothing: f64,
    /// Label whose samples take no part.
    ignore_label: u32,
    /// A margin for each class.
    class_margins: Vec<f64>,
}
