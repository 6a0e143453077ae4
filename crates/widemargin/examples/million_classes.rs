//! Step the class-centre head alone, as a training loop of another framework would:
//! `cargo run --release -p widemargin --example million_classes -- 1000000`. The default is 20,000 classes.
//! Class centres and the optimiser's momentum take 8 bytes per value: 1 GB for a million classes of dimension 128.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::time::Instant;
use widemargin::chance::{Purpose, Stream};
use widemargin::head::{Head, HeadConfig, HeadMode, MatRef};
use widemargin::objective::Objective;

const DIM: usize = 128;
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let classes = std::env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    // Scores every class with 7-bit codes, computes exactly and updates only the classes that matter.
    let config = HeadConfig { mode: HeadMode::Screened { threshold: None }, ..HeadConfig::default() };
    let mut head = Head::new(classes, DIM, Objective::am_softmax(64.0, 0.35)?, config)?;

    let mut random = Stream::new(1, Purpose::Test, 0, 0);
    for step in 1..=5 {
        // A backbone would compute these features [batch, dim]; here they are random.
        let features: Vec<f32> = (0..BATCH * DIM).map(|_| random.normal() as f32).collect();
        let labels: Vec<u32> = (0..BATCH).map(|_| random.below(classes) as u32).collect();

        let start = Instant::now();
        let found = head.forward(MatRef::new(&features, BATCH, DIM)?, &labels)?;
        // found.grad_features goes back into the backbone
        let kept = found.screening.map_or(1.0, |screening| screening.kept);
        let loss = found.loss;
        head.apply(found.pending, 0.1, 1.0)?;
        println!(
            "step {step}: loss {loss:.3}, {:.2} % of the scores exact, {:.1} ms",
            100.0 * kept,
            1e3 * start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
