//! The k largest similarities of a row that is observed in tiles.

use crate::real::Real;

/// The largest similarities so far with their classes, largest first; among equals the lowest class comes first.
#[derive(Clone, Debug)]
pub(crate) struct Nearest<T> {
    count: usize,
    found: Vec<(T, usize)>,
}

/// The set of these classes, represented by the last one in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NearestOf<T> {
    least: T,
    least_class: usize,
    rise: T,
}

impl<T: Real> Nearest<T> {
    /// Keeps `count`, or all if there are fewer.
    pub(crate) fn new(count: usize) -> Self {
        Self { count, found: Vec::with_capacity(count + 1) }
    }

    /// Adds classes `first_class`, `first_class + 1`, ...; tiles must come in the order of their classes.
    pub(crate) fn observe(&mut self, first_class: usize, similarities: &[T]) {
        for (at, &similarity) in similarities.iter().enumerate() {
            let full = self.found.len() == self.count;
            if full && self.found.last().is_none_or(|(least, _)| similarity <= *least) {
                continue;
            }
            let place = self.found.partition_point(|(kept, _)| *kept >= similarity);
            self.found.insert(place, (similarity, first_class + at));
            self.found.truncate(self.count);
        }
    }

    /// Adds the results of another for later classes.
    pub(crate) fn merge(&mut self, later: &Self) {
        for &(similarity, class) in &later.found {
            self.observe(class, &[similarity]);
        }
    }

    /// The largest number kept.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The similarities kept and their classes, in order.
    pub(crate) fn found(&self) -> &[(T, usize)] {
        &self.found
    }

    /// The similarities, largest first.
    pub(crate) fn similarities(&self) -> impl Iterator<Item = T> + '_ {
        self.found.iter().map(|(similarity, _)| *similarity)
    }

    /// A rule that raises these classes by `rise`; `None` if there are none.
    pub(crate) fn of(&self, rise: T) -> Option<NearestOf<T>> {
        self.found.last().map(|&(least, least_class)| NearestOf { least, least_class, rise })
    }
}

impl<T: Real> NearestOf<T> {
    /// The amount by which a class's similarity is raised.
    pub(crate) fn rise(&self, class: usize, similarity: T) -> T {
        let among = similarity > self.least || (similarity == self.least && class <= self.least_class);
        if among { self.rise } else { T::zero() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_for_any_tile_sizes() {
        let row = [0.3, 0.9, 0.1, 0.9, 0.5, 0.9, -0.2, 0.5];
        for cut in 0..=row.len() {
            let mut nearest = Nearest::new(4);
            nearest.observe(0, &row[..cut]);
            nearest.observe(cut, &row[cut..]);
            assert_eq!(nearest.similarities().collect::<Vec<f64>>(), [0.9, 0.9, 0.9, 0.5]);
            let [mut merged, mut later] = [(); 2].map(|()| Nearest::new(4));
            merged.observe(0, &row[..cut]);
            later.observe(cut, &row[cut..]);
            merged.merge(&later);
            assert_eq!(merged.found, nearest.found);
            let rule = nearest.of(1.0).expect("some");
            let raised: Vec<usize> = (0..8).filter(|&class| rule.rise(class, row[class]) > 0.0).collect();
            assert_eq!(raised, [1, 3, 4, 5], "of the two 0.5 the first");
        }
        assert!(Nearest::<f32>::new(3).of(1.0).is_none());
    }
}
