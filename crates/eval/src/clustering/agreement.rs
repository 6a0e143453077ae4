//! Agreement of two groupings of the same rows: NMI, AMI, ARI and purity.
//!
//! All follow from the contingency table `n_ij` of rows in class `i` and cluster `j`, with sums `a_i` and `b_j` and `n` rows in
//! total. How the groups are numbered has no effect. With entropies `H` in nats and mutual
//! information `I = sum n_ij / n ln(n n_ij / (a_i b_j))`:
//!
//! - NMI `= I / ((H(a) + H(b)) / 2)`;
//! - AMI `= (I - E[I]) / ((H(a) + H(b)) / 2 - E[I])`, with `E` over random groupings of the same sizes (Vinh, Epps and Bailey
//!   2010, eq. 24a for the expectation);
//! - ARI `= (sum C(n_ij, 2) - e) / ((sum C(a_i, 2) + sum C(b_j, 2)) / 2 - e)`,
//!   `e = sum C(a_i, 2) sum C(b_j, 2) / C(n, 2)` (Hubert and Arabie 1985);
//! - purity `= sum over j of max over i of n_ij, over n`. It rises with the number of clusters and is 1 if every row is its own cluster.
//!
//! NMI, AMI and ARI equal `normalized_mutual_info_score`, `adjusted_mutual_info_score` and `adjusted_rand_score` of scikit-learn with
//! their default arithmetic mean.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};

/// Agreement of clusters with classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Number of classes.
    pub classes: usize,
    /// Number of clusters.
    pub clusters: usize,
    /// Normalised mutual information, in [0, 1].
    pub nmi: f64,
    /// Adjusted mutual information: 1 for equal groupings, 0 on average for random ones; may be negative.
    pub ami: f64,
    /// Adjusted Rand index: 1 for equal groupings, 0 on average for random ones; at least -0.5.
    pub ari: f64,
    /// Share of rows whose class is the most frequent in their cluster, in (0, 1].
    pub purity: f64,
}

/// Compares `clusters` with the true `classes`; both have one entry per row.
///
/// Equal groupings score 1 in every measure, also if all rows are in one group or each row is its own group. Memory is
/// proportional to the number of rows; the time for AMI is about `rows` times the number of distinct group sizes.
///
/// # Errors
/// [`Error::Labellings`] if the lists differ in length or are empty.
pub fn agreement(classes: &[u32], clusters: &[u32]) -> Result<Agreement> {
    if classes.len() != clusters.len() || classes.is_empty() {
        return Err(Error::Labellings { left: classes.len(), right: clusters.len() });
    }
    let table = Table::new(classes, clusters);
    let rows = classes.len() as f64;
    let mut most: HashMap<u32, u64> = HashMap::new();
    for (&(_, cluster), &count) in &table.both {
        let most = most.entry(cluster).or_default();
        *most = count.max(*most);
    }
    let (nmi, ami) = table.information();
    Ok(Agreement {
        classes: table.classes.len(),
        clusters: table.clusters.len(),
        nmi,
        ami,
        ari: table.rand_index(),
        purity: most.values().sum::<u64>() as f64 / rows,
    })
}

/// The contingency table. The maps are ordered, so that sums have a fixed order.
struct Table {
    rows: u64,
    classes: BTreeMap<u32, u64>,
    clusters: BTreeMap<u32, u64>,
    both: BTreeMap<(u32, u32), u64>,
}

impl Table {
    fn new(classes: &[u32], clusters: &[u32]) -> Self {
        let mut table = Self {
            rows: classes.len() as u64,
            classes: BTreeMap::new(),
            clusters: BTreeMap::new(),
            both: BTreeMap::new(),
        };
        for (&class, &cluster) in classes.iter().zip(clusters) {
            *table.classes.entry(class).or_default() += 1;
            *table.clusters.entry(cluster).or_default() += 1;
            *table.both.entry((class, cluster)).or_default() += 1;
        }
        table
    }

    /// NMI and AMI.
    fn information(&self) -> (f64, f64) {
        // Equal groupings: every cell is all of its class and all of its cluster.
        if self.both.len() == self.classes.len() && self.both.len() == self.clusters.len() {
            return (1.0, 1.0);
        }
        let n = self.rows as f64;
        let entropy = |counts: &BTreeMap<u32, u64>| -> f64 {
            counts.values().map(|&count| count as f64 / n).map(|share| -share * share.ln()).sum()
        };
        let mean = f64::midpoint(entropy(&self.classes), entropy(&self.clusters));
        let mutual: f64 = self
            .both
            .iter()
            .map(|((class, cluster), &count)| {
                let count = count as f64;
                let (a, b) = (self.classes[class] as f64, self.clusters[cluster] as f64);
                count / n * (n * count / (a * b)).ln()
            })
            .sum();
        // One group against several: the information is zero up to rounding.
        if self.classes.len() == 1 || self.clusters.len() == 1 {
            return (0.0, 0.0);
        }
        let expected = self.expected_information();
        (mutual.max(0.0) / mean, (mutual - expected) / (mean - expected))
    }

    /// The mean of `I` over all groupings with the same sizes, where each cell has a hypergeometric distribution.
    fn expected_information(&self) -> f64 {
        let n = self.rows;
        let log_factorial = log_factorials(n as usize);
        // Equal sizes give equal terms, so compute each once.
        let sizes = |counts: &BTreeMap<u32, u64>| {
            let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
            for &size in counts.values() {
                *sizes.entry(size).or_default() += 1;
            }
            sizes.into_iter().collect::<Vec<_>>()
        };
        let (of_classes, of_clusters) = (sizes(&self.classes), sizes(&self.clusters));
        let parts: Vec<f64> = of_classes
            .par_iter()
            .map(|&(a, times_a)| {
                let mut sum = 0.0;
                for &(b, times_b) in &of_clusters {
                    let f = |count: u64| log_factorial[count as usize];
                    let fixed = f(a) + f(b) + f(n - a) + f(n - b) - f(n);
                    let mut mean = 0.0;
                    for count in (a + b).saturating_sub(n).max(1)..=a.min(b) {
                        let chance =
                            (fixed - f(count) - f(a - count) - f(b - count) - f(n + count - a - b)).exp();
                        let (c, n) = (count as f64, n as f64);
                        mean += chance * c / n * (n * c / (a as f64 * b as f64)).ln();
                    }
                    sum += mean * (times_a * times_b) as f64;
                }
                sum
            })
            .collect();
        parts.iter().sum()
    }

    fn rand_index(&self) -> f64 {
        let pairs = |counts: &mut dyn Iterator<Item = &u64>| -> u128 {
            counts.map(|&count| u128::from(count) * u128::from(count.saturating_sub(1)) / 2).sum()
        };
        let both = pairs(&mut self.both.values());
        let (a, b) = (pairs(&mut self.classes.values()), pairs(&mut self.clusters.values()));
        if both == a && both == b {
            return 1.0;
        }
        let all = u128::from(self.rows) * u128::from(self.rows - 1) / 2;
        let expected = a as f64 * b as f64 / all as f64;
        (both as f64 - expected) / (f64::midpoint(a as f64, b as f64) - expected)
    }
}

/// `ln(k!)` for `k` in `0..=most`, by compensated summation.
fn log_factorials(most: usize) -> Vec<f64> {
    let mut table = Vec::with_capacity(most + 1);
    let (mut sum, mut rest) = (0.0_f64, 0.0_f64);
    table.push(0.0);
    for k in 1..=most {
        let term = (k as f64).ln() + rest;
        let next = sum + term;
        rest = term - (next - sum);
        sum = next;
        table.push(sum);
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scikit_learn_agrees() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/clustering.json")).unwrap();
        let cases = reference["agreement"].as_array().unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let list = |key: &str| -> Vec<u32> {
                case[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
            };
            let found = agreement(&list("classes"), &list("clusters")).unwrap();
            for (key, value) in
                [("nmi", found.nmi), ("ami", found.ami), ("ari", found.ari), ("purity", found.purity)]
            {
                let expected = case[key].as_f64().unwrap();
                assert!((value - expected).abs() < 1e-9, "{key}: {value} {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn names_and_order_do_not_matter(labels in prop::collection::vec((0_u32..5, 0_u32..4), 1..60), turn: u32) {
            let (classes, clusters): (Vec<u32>, Vec<u32>) = labels.iter().copied().unzip();
            let found = agreement(&classes, &clusters).unwrap();
            let renamed: Vec<u32> = clusters.iter().map(|c| c.wrapping_mul(7).wrapping_add(turn)).collect();
            let other = agreement(&classes, &renamed).unwrap();
            let swapped = agreement(&clusters, &classes).unwrap();
            for (a, b, c) in [(found.nmi, other.nmi, swapped.nmi), (found.ami, other.ami, swapped.ami), (found.ari, other.ari, swapped.ari)] {
                prop_assert!((a - b).abs() < 1e-9 && (a - c).abs() < 1e-9, "{:?}", found);
            }
            prop_assert!((0.0..=1.0 + 1e-12).contains(&found.nmi) && found.ami <= 1.0 + 1e-9 && found.ari <= 1.0);
            prop_assert_eq!(agreement(&classes, &classes).unwrap().ami, 1.0);
        }
    }

    #[test]
    fn groupings_must_match() {
        assert_eq!(agreement(&[1, 2], &[1]).unwrap_err(), Error::Labellings { left: 2, right: 1 });
        assert_eq!(agreement(&[], &[]).unwrap_err(), Error::Labellings { left: 0, right: 0 });
    }
}
