//! The second half of the forward pass: the kept classes are thinned out and scored exactly.

use rayon::prelude::*;
use widemargin_kernels::screening::PANEL;
use widemargin_kernels::sieve::Kept;
use widemargin_kernels::vector::{add_scaled, dot};

use super::screen::ROWS_AHEAD;
use super::several::panels_of_chunk;
use super::sift::{Draw, Frame, Sifted, Sums, phase};
use crate::batch::Batch;
use crate::centres::Centres;
use crate::gradient::{ChunkEntries, Entry, Touched};
use crate::tile::length;

/// The exact scores of a group of chunks.
pub(super) struct Group {
    pub(super) chunks: Vec<ChunkEntries>,
    pub(super) sums: Vec<Sums>,
    /// `sum weight u` of each sample.
    pub(super) pulls: Vec<f32>,
}

/// Thins out the kept classes and scores them exactly.
pub(super) fn rescore(
    centres: &Centres<'_>,
    batch: &Batch,
    frames: &[Frame],
    sifted: Vec<Sifted>,
    seed: u64,
) -> Vec<Group> {
    let starts: Vec<usize> = sifted
        .iter()
        .scan(0, |next, sifted| {
            *next += sifted.chunks.len();
            Some(*next - sifted.chunks.len())
        })
        .collect();
    let group = |(sifted, start): (Sifted, usize)| {
        let mut sums = vec![Sums::default(); frames.len()];
        let mut pulls = vec![0.0; batch.units.len()];
        let chunks = sifted.chunks.into_iter().enumerate().map(|(at, mut kept)| {
            thin(&mut kept, frames, seed, start + at);
            rescore_chunk(centres, start + at, batch, frames, &kept, &mut sums, &mut pulls)
        });
        let chunks = chunks.collect();
        Group { chunks, sums, pulls }
    };
    sifted.into_par_iter().zip(starts).map(group).collect()
}

/// Thins out entries below the step: an entry stays with probability `stands_for / step` and then stands for the step.
fn thin(kept: &mut Vec<Kept>, frames: &[Frame], seed: u64, chunk: usize) {
    let mut phases: Vec<f32> =
        (0..frames.len()).map(|sample| phase(seed, chunk, sample, Draw::Thinning)).collect();
    kept.retain_mut(|kept| {
        let (step, phase) = (frames[kept.sample as usize].step as f32, &mut phases[kept.sample as usize]);
        if kept.stands_for >= step {
            return true;
        }
        *phase += kept.stands_for / step;
        let stays = *phase >= 1.0;
        if stays {
            *phase -= 1.0;
            kept.stands_for = step;
        }
        stays
    });
}

/// Scores the kept classes of a chunk exactly, class by class.
fn rescore_chunk(
    centres: &Centres<'_>,
    chunk: usize,
    batch: &Batch,
    frames: &[Frame],
    kept: &[Kept],
    sums: &mut [Sums],
    pulls: &mut [f32],
) -> ChunkEntries {
    let (dim, per_class) = (batch.dim, centres.per_class);
    let classes = panels_of_chunk(per_class) * PANEL / per_class;
    let first = chunk * classes;
    let (order, ends) = by_class(kept, classes, |kept| kept.class as usize / per_class - first);
    let mut out = ChunkEntries { rows: Vec::new(), entries: Vec::with_capacity(kept.len()) };
    // a class's rows as stored, their lengths, and the reciprocals of these
    let (mut rows, mut norms, mut inverses) =
        (vec![0.0; per_class * dim], vec![0.0; per_class], vec![0.0; per_class]);
    // the entries of each of a class's rows
    let mut of_rows = vec![Vec::new(); per_class];
    let touched: Vec<usize> = (0..classes).filter(|&at| ends[at] < ends[at + 1]).collect();
    for (turn, &at) in touched.iter().enumerate() {
        if let Some(&soon) = touched.get(turn + ROWS_AHEAD) {
            (0..per_class).for_each(|number| centres.prefetch((first + soon) * per_class + number));
        }
        let class = first + at;
        for (number, row) in rows.chunks_exact_mut(dim).enumerate() {
            centres.row(class * per_class + number, row);
            norms[number] = length(row);
            inverses[number] = if norms[number] > 0.0 { norms[number].recip() } else { 0.0 };
        }
        for &place in &order[ends[at] as usize..ends[at + 1] as usize] {
            let Kept { sample, exponential, stands_for, .. } = kept[place as usize];
            let (frame, sums) = (&frames[sample as usize], &mut sums[sample as usize]);
            let at = sample as usize * dim;
            let (mut cosine, mut nearest) = (f32::NEG_INFINITY, 0);
            for (number, row) in rows.chunks_exact(dim).enumerate() {
                let here = dot(row, &batch.units[at..at + dim]) * inverses[number];
                if here > cosine {
                    (cosine, nearest) = (here, number);
                }
            }
            let exponent = frame.sharpness * (f64::from(cosine) - frame.centre);
            let weight = f64::from(stands_for) * (exponent.exp() / f64::from(exponential));
            sums.change += weight - f64::from(stands_for);
            sums.seen += f64::from(exponential);
            sums.certain += u32::from(stands_for == exponential);
            sums.moment += weight * exponent;
            if cosine > sums.nearest.0 {
                sums.nearest = (cosine, class as u32);
            }
            let row = &rows[nearest * dim..(nearest + 1) * dim];
            add_scaled(&mut pulls[at..at + dim], weight as f32 * inverses[nearest], row);
            of_rows[nearest].push(Entry { sample, weight: weight as f32, cosine });
        }
        for (number, entries) in of_rows.iter_mut().enumerate().filter(|(_, entries)| !entries.is_empty()) {
            out.entries.append(entries);
            let (row, end) = ((class * per_class + number) as u32, out.entries.len() as u32);
            out.rows.push(Touched { row, norm: norms[number], end });
        }
    }
    out
}

/// Sorts by class, stably: the positions of the kept entries in order, and where each class's entries start and end.
fn by_class(kept: &[Kept], classes: usize, class_of: impl Fn(&Kept) -> usize) -> (Vec<u32>, Vec<u32>) {
    let mut ends = vec![0_u32; classes + 1];
    for kept in kept {
        ends[class_of(kept) + 1] += 1;
    }
    (0..classes).for_each(|at| ends[at + 1] += ends[at]);
    let mut next: Vec<u32> = ends[..classes].to_vec();
    let mut order = vec![0_u32; kept.len()];
    for (at, kept) in kept.iter().enumerate() {
        let place = &mut next[class_of(kept)];
        order[*place as usize] = at as u32;
        *place += 1;
    }
    (order, ends)
}
