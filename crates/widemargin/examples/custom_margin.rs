//! An objective with a margin of your own. This one is large for samples far from their class centre and vanishes at the centre:
//! psi(c) = c - m (1 - c)^2 / 4 for the target's cosine c, with the derivative psi'(c) = 1 + m (1 - c) / 2.
//! A debug build checks the derivative against central differences.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use widemargin::chance::{Purpose, Stream};
use widemargin::head::{Head, HeadConfig, MatRef};
use widemargin::objective::{Link, Margin, Objective, Pool, Score};

const CLASSES: usize = 20;
const DIM: usize = 16;
const BATCH: usize = 64;
const M: f64 = 0.5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let margin =
        Margin::custom("fading", |c| c - M * (1.0 - c).powi(2) / 4.0, |c| 1.0 + M * (1.0 - c) / 2.0)?;
    let objective = Objective::family()
        .score(Score::cosine(16.0))
        .margin(margin)
        .pool(Pool::log_sum_exp())
        .link(Link::softplus())
        .build()?;
    println!("{objective}");

    // The head holds the class centres and moves them; a backbone would compute the features and receive `grad_features`.
    let mut head = Head::new(CLASSES, DIM, objective, HeadConfig::default())?;
    for step in 0..=200 {
        let mut random = Stream::new(1, Purpose::Test, step, 0);
        let labels: Vec<u32> = (0..BATCH).map(|_| random.below(CLASSES) as u32).collect();
        let features: Vec<f32> = labels.iter().flat_map(|label| feature(*label, &mut random)).collect();
        let found = head.step(MatRef::new(&features, BATCH, DIM)?, &labels, 0.1)?;
        if step % 50 == 0 {
            println!("step {step:3}: loss {:.4}, accuracy {:.3}", found.loss, found.diagnostics.accuracy);
        }
    }
    Ok(())
}

/// A feature of a class: a random direction per class plus noise.
fn feature(label: u32, noise: &mut Stream) -> Vec<f32> {
    let mut centre = Stream::new(2, Purpose::Test, u64::from(label), 0);
    (0..DIM).map(|_| (centre.normal() + 0.5 * noise.normal()) as f32).collect()
}
