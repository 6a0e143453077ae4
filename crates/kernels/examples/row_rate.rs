//! Billions of bytes a second of rows that are read, and read and written, in order and here and there: what bounds the part of a
//! screened step that touches rows.
//!
//! `cargo run --release -p widemargin-kernels --example row_rate [-- ROWS DIM]`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;

use rayon::prelude::*;
use widemargin_kernels::vector::{MomentumStep, dot, prefetch};

/// Rows of one task.
const CHUNK: usize = 1024;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().expect("a size")).collect();
    let [rows, dim] = if let [rows, dim] = sizes[..] { [rows, dim] } else { [1_000_000, 512] };
    let make = |value: f32| {
        let mut values = vec![0.0_f32; rows * dim];
        values.par_chunks_mut(CHUNK * dim).for_each(|values| values.fill(value));
        values
    };
    let (mut values, mut velocity) = (make(0.5), make(1e-3));
    let step =
        MomentumStep { motion: [[1.0, 0.0], [0.0, 1.0]], pull: 1e-3, own: 5e-4, momentum: 0.9, rate: 1e-3 };
    let pull = vec![0.1; dim];
    for (name, every) in [("in order", 1), ("every fourth on average", 4)] {
        // at random, but the same rows each time
        let touched: Vec<Vec<usize>> = (0..rows.div_ceil(CHUNK))
            .map(|chunk| {
                let hash = |row: usize| (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                (0..CHUNK.min(rows - chunk * CHUNK))
                    .filter(|place| hash(chunk * CHUNK + place).is_multiple_of(every))
                    .collect()
            })
            .collect();
        let bytes = touched.iter().map(Vec::len).sum::<usize>() * dim * size_of::<f32>();
        let rate = |name: &str, times: usize, run: &mut dyn FnMut()| {
            run();
            let mut seconds: Vec<f64> = (0..7)
                .map(|_| {
                    let start = Instant::now();
                    run();
                    start.elapsed().as_secs_f64()
                })
                .collect();
            seconds.sort_by(f64::total_cmp);
            println!("{name:48} {:6.1} GB/s", (bytes * times) as f64 / seconds[3] / 1e9);
        };
        rate(&format!("read, {name}"), 1, &mut || {
            let sum = touched.par_iter().zip(values.par_chunks(CHUNK * dim)).map(|(touched, values)| {
                let mut sum = 0.0;
                for (turn, place) in touched.iter().enumerate() {
                    if let Some(soon) = touched.get(turn + 2) {
                        prefetch(&values[soon * dim..(soon + 1) * dim]);
                    }
                    sum += dot(&values[place * dim..(place + 1) * dim], &pull);
                }
                sum
            });
            assert!(sum.sum::<f32>().is_finite());
        });
        rate(&format!("two arrays read and written, {name}"), 4, &mut || {
            let parts = values.par_chunks_mut(CHUNK * dim).zip(velocity.par_chunks_mut(CHUNK * dim));
            touched.par_iter().zip(parts).for_each(|(touched, (values, velocity))| {
                for (turn, place) in touched.iter().enumerate() {
                    if let Some(soon) = touched.get(turn + 2) {
                        prefetch(&values[soon * dim..(soon + 1) * dim]);
                        prefetch(&velocity[soon * dim..(soon + 1) * dim]);
                    }
                    let row = place * dim..(place + 1) * dim;
                    step.apply(&mut values[row.clone()], &mut velocity[row], &pull);
                }
            });
        });
    }
}
