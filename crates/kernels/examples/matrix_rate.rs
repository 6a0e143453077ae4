//! Billions of operations a second of the three matrix products of a head, for a look at what a machine can do.
//!
//! `cargo run --release -p widemargin-kernels --example matrix_rate [-- BATCH CLASSES DIM]`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;

use rayon::prelude::*;
use widemargin_kernels::matrix::{MatRef, Threads, Write, matmul, matmul_transposed_a, matmul_transposed_b};
use widemargin_kernels::mixed::{self, Left, Right};
use widemargin_kernels::screening::{PANEL, Panels, Precision, Probes};

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().expect("a size")).collect();
    let [batch, classes, dim] =
        if let [batch, classes, dim] = sizes[..] { [batch, classes, dim] } else { [512, 10_000, 512] };
    let values = |count: usize| (0..count).map(|at| (at % 251) as f32 / 251.0 - 0.5).collect::<Vec<f32>>();
    let (features, centres, mut scores) =
        (values(batch * dim), values(classes * dim), vec![0.0; batch * classes]);
    let (mut grad_features, mut grad_centres) = (vec![0.0; batch * dim], vec![0.0; classes * dim]);
    let x = MatRef::new(&features, batch, dim).expect("sized so");
    let w = MatRef::new(&centres, classes, dim).expect("sized so");
    let operations = 2.0 * (batch * classes * dim) as f64;
    let rate = |name: &str, run: &mut dyn FnMut()| {
        run();
        let mut seconds: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        println!("{name:16} {:8.2} ms {:8.1} GFLOP/s", seconds[3] * 1e3, operations / seconds[3] / 1e9);
    };
    rate("scores", &mut || matmul_transposed_b(&mut scores, x, w, Write::Replace, Threads::Rayon));
    // One tile of classes at a time, as a head does.
    let mut left = Left::default();
    left.store(x);
    let per_tile = 256.min(classes);
    let mut tiles = vec![0.0; classes.next_multiple_of(per_tile) * batch];
    rate("scores, bfloat16", &mut || {
        tiles.par_chunks_mut(per_tile * batch).enumerate().for_each_init(
            Right::default,
            |right, (tile, out)| {
                let classes = w.slice_rows(tile * per_tile..classes.min((tile + 1) * per_tile));
                right.store_transposed(classes);
                mixed::product(&mut out[..batch * classes.rows()], &left, right, Write::Replace);
            },
        );
    });
    let s = values(batch * classes);
    let s = MatRef::new(&s, batch, classes).expect("sized so");
    rate("grad features", &mut || matmul(&mut grad_features, s, w, Write::Replace, Threads::Rayon));
    let mut panels = Panels::zeros(classes, dim, Precision::Seven);
    for (mut panel, rows) in panels.iter_mut().zip(centres.chunks(PANEL * dim)) {
        rows.chunks(dim).enumerate().for_each(|(place, row)| panel.set(place, row, 1.0));
    }
    let probes = Probes::new(&features, dim, Precision::Seven);
    rate("scores, 7 bits", &mut || {
        (0..panels.count()).into_par_iter().step_by(32).for_each_init(Vec::new, |out, first| {
            let range = first..panels.count().min(first + 32);
            out.resize(range.len() * PANEL * batch.next_multiple_of(4), 0);
            panels.score(range, &probes, out);
        });
    });
    rate("grad centres", &mut || {
        matmul_transposed_a(&mut grad_centres, s, x, Write::Replace, Threads::Rayon);
    });
}
