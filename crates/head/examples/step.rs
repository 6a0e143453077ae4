//! Rates.
#![allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::time::Instant;
use widemargin_head::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (c, b, d): (usize, usize, usize) = (a[1].parse().unwrap(), a[2].parse().unwrap(), 512);
    let mode = match a[3].as_str() {
        "dense" => HeadMode::Dense,
        t => HeadMode::Screened { threshold: t.parse().unwrap() },
    };
    let trained = a[4] == "trained";
    let scale: f64 = a.get(5).map_or(64.0, |s| s.parse().unwrap());
    let objective = Objective::am_softmax(scale, 0.35).unwrap();
    let start = Instant::now();
    let mut head = Head::new(
        c,
        d,
        objective,
        HeadConfig { mode, optimiser: OptimiserConfig::sgd(0.9, 5e-4), ..Default::default() },
    )
    .unwrap();
    eprintln!("made in {:.2}", start.elapsed().as_secs_f64());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut normal = move || {
        let mut s = 0.0f32;
        for _ in 0..4 {
            s += rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
        }
        s * 1.732
    };
    let mut rng2 = ChaCha8Rng::seed_from_u64(8);
    let mut times = Vec::new();
    for step in 0..9 {
        let labels: Vec<u32> = (0..b).map(|_| rng2.next_u32() % c as u32).collect();
        let mut x: Vec<f32> = (0..b * d).map(|_| normal()).collect();
        if trained {
            for (x, &l) in x.chunks_mut(d).zip(&labels) {
                let n = x.iter().map(|v| v * v).sum::<f32>().sqrt();
                let w = head.centres().row(l as usize);
                let wn = w.iter().map(|v| v * v).sum::<f32>().sqrt();
                x.iter_mut().zip(w).for_each(|(x, w)| *x = 0.7 * w / wn + 0.51f32.sqrt() * *x / n);
            }
        }
        let t = Instant::now();
        let f = head.forward(MatRef::new(&x, b, d).unwrap(), &labels).unwrap();
        let t1 = t.elapsed().as_secs_f64();
        if step == 8 {
            eprintln!("loss {} push {} screening {:?}", f.loss, f.diagnostics.mean_push, f.screening);
        }
        head.apply(f.pending, 0.1, 1.0).unwrap();
        times.push((t.elapsed().as_secs_f64(), t1));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("C {c} B {b} {:?} {}: {:.4} s (forward {:.4})", a[3], a[4], times[4].0, times[4].1);
}
