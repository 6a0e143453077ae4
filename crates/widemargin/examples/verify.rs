//! Verification: are two samples of the same class? Choose a threshold on labelled pairs, and turn a cosine into a probability.
//! The embeddings are made up; yours would come from `Model::embed` or a file.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use widemargin::chance::{Purpose, Stream};
use widemargin::eval::Embeddings;
use widemargin::eval::verification::calibration::{self, CalibrationOptions};
use widemargin::eval::verification::{self, VerificationOptions};

const DIM: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // All pairs of 50 classes with 10 samples each: 2,250 genuine and 122,500 impostor pairs.
    let development = embeddings(0..50)?;
    let found = verification::all_pairs(&development, &VerificationOptions::default())?;
    println!("equal error rate {:.2} %, AUC {:.4}", 100.0 * found.eer, found.auc);

    // The threshold that accepts at most one impostor pair in a thousand.
    let point = found.operating_point_at_far(1e-3).expect("a rate between 0 and 1");
    println!(
        "threshold {:.4} for FAR 1e-3: accepts {:.2} % of genuine pairs",
        point.threshold,
        100.0 * point.tar
    );

    // A calibration turns a cosine into the probability that the pair is genuine, given how common genuine pairs are.
    let calibration = calibration::fit(&found, &CalibrationOptions::default())?;

    // Does the threshold hold on classes that it was not chosen on?
    let test = embeddings(50..80)?;
    let held = verification::all_pairs(&test, &VerificationOptions::default())?;
    let held = held.operating_point_at_threshold(point.threshold);
    println!("on other classes: FAR {:.1e}, TAR {:.2} %", held.far, 100.0 * held.tar);

    for (a, b) in [(0, 1), (0, 10)] {
        let cosine = test.cosine(a, b).expect("rows of the set");
        let answer = if cosine >= point.threshold { "same" } else { "different" };
        let probability = 100.0 * calibration.probability(cosine, 0.5);
        println!(
            "samples {a} and {b}: cosine {cosine:.3}, {answer}, probability of the same class {probability:.1} %"
        );
    }
    Ok(())
}

/// Ten samples of each class: a random centre plus noise.
fn embeddings(classes: std::ops::Range<u64>) -> widemargin::eval::Result<Embeddings> {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for class in classes {
        let mut random = Stream::new(1, Purpose::Test, class, 0);
        let centre: Vec<f32> = (0..DIM).map(|_| random.normal() as f32).collect();
        for _ in 0..10 {
            values.extend(centre.iter().map(|value| value + 0.8 * random.normal() as f32));
            labels.push(class as u32);
        }
    }
    Embeddings::new(&values, labels.len(), DIM, &labels)
}
