//! Search: the nearest neighbours of a query in a gallery, and who a probe is, if it is anyone in the gallery.
//! The embeddings are made up; yours would come from `Model::embed` or a file.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use widemargin::chance::{Purpose, Stream};
use widemargin::eval::{Embeddings, retrieval};

const DIM: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A gallery of 200 people with 5 images each; probes of 100 of them and of 100 unknown ones.
    let gallery = embeddings(0..200, 0..5)?;
    let probes = embeddings(100..300, 5..6)?;

    // Exact search, best first.
    let neighbours = retrieval::search(&probes, &gallery, 3)?;
    for probe in [0, 150] {
        println!("probe {probe}, person {}:", probes.labels()[probe]);
        for neighbour in neighbours.of(probe).unwrap_or_default() {
            let person = gallery.labels()[neighbour.index];
            println!("  row {:4}, person {person:3}, cosine {:.3}", neighbour.index, neighbour.cosine);
        }
    }

    // Open-set identification: accept the nearest person only above a threshold.
    let found = retrieval::identify(&gallery, &probes, None)?;
    println!("rank-1 {:.2} % of the {} known probes", 100.0 * found.rank_1, found.known);
    let line = found.dir_at_far(1e-2).expect("a rate between 0 and 1");
    println!(
        "threshold {:.3}: {:.2} % of the known probes named correctly, {} of {} unknown ones accepted",
        line.threshold,
        100.0 * line.dir,
        line.false_alarms,
        found.unknown
    );
    Ok(())
}

/// Images of people: a random centre per person plus noise per image.
fn embeddings(
    people: std::ops::Range<u64>,
    images: std::ops::Range<u64>,
) -> widemargin::eval::Result<Embeddings> {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for person in people {
        let mut random = Stream::new(1, Purpose::Test, person, 0);
        let centre: Vec<f32> = (0..DIM).map(|_| random.normal() as f32).collect();
        for image in images.clone() {
            let mut random = Stream::new(2, Purpose::Test, person, image);
            values.extend(centre.iter().map(|value| value + 0.8 * random.normal() as f32));
            labels.push(person as u32);
        }
    }
    Embeddings::new(&values, labels.len(), DIM, &labels)
}
