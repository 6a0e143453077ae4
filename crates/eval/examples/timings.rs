//! Times the expensive functions on files that other tools can read too. `benches/peers/eval.sh` calls it.
//!
//!     timings retrieval ROWS.npy LABELS.npy      precision at 1, R-precision, MAP@R of a set against itself
//!     timings search ROWS.npy K                  the K nearest neighbours of each row
//!     timings streaming ROWS.npy LABELS.npy      all pairs by streaming histograms
//!     timings scores GENUINE.npy IMPOSTOR.npy    AUC and TAR at FAR of matrices with one column of scores
//!
//! Prints one JSON object: the time without reading files, the peak memory of the process, and results to check that the tools
//! agree. Set the number of threads with `RAYON_NUM_THREADS`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use widemargin_eval::files;
use widemargin_eval::{Embeddings, retrieval, verification};
use widemargin_tables::{ClassNames, OpenTable, open, open_labelled, read_embeddings};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, first, second] = arguments.as_slice() else {
        return Err("expected: timings retrieval|search|streaming|scores FILE FILE-or-K".into());
    };
    let table = open(Path::new(first))?;
    let (seconds, figures) = match task.as_str() {
        "retrieval" => {
            let set = labelled(table, second)?;
            let start = Instant::now();
            let found = retrieval::evaluate(&set, &[1])?;
            (start.elapsed(), vec![found.precision_at_1, found.r_precision, found.map_at_r])
        }
        "search" => {
            let set = files::unlabelled(&table.read()?)?;
            let start = Instant::now();
            let found = retrieval::search(&set, &set, second.parse()?)?;
            let seconds = start.elapsed();
            let sum: f64 =
                (0..found.queries()).filter_map(|query| found.of(query)?.last()).map(|n| n.cosine).sum();
            (seconds, vec![sum / found.queries() as f64])
        }
        "streaming" => {
            let set = labelled(table, second)?;
            let start = Instant::now();
            let found = verification::streaming::all_pairs(
                &set,
                &verification::streaming::StreamingOptions::default(),
                &|_, _| (),
            )?;
            (start.elapsed(), vec![found.auc, found.eer, found.tar_at_far(1e-3)])
        }
        "scores" => {
            let wide = |data: Vec<f32>| data.into_iter().map(f64::from).collect();
            let (genuine, impostor) = (table.rows.into_data()?, read_embeddings(Path::new(second))?.data);
            let start = Instant::now();
            let found = verification::from_cosines(wide(genuine), wide(impostor))?;
            (start.elapsed(), vec![found.auc, found.tar_at_far(1e-3), found.tar_at_far(1e-6)])
        }
        other => {
            return Err(
                format!("unknown task {other:?}; expected retrieval, search, streaming or scores").into()
            );
        }
    };
    let figures = serde_json::to_string(&figures)?;
    let line = format!(
        "{{\"seconds\": {:.3}, \"peak_rss_mib\": {}, \"figures\": {figures}}}\n",
        seconds.as_secs_f64(),
        peak_mib().map_or("null".to_owned(), |mib| mib.to_string()),
    );
    #[expect(clippy::disallowed_methods, reason = "an example prints its results")]
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes())?;
    Ok(())
}

fn labelled(table: OpenTable, labels: &str) -> Result<Embeddings, Box<dyn Error>> {
    let table = open_labelled(table.rows.path(), Some(Path::new(labels)))?;
    Ok(files::labelled(&table.read()?, &mut ClassNames::new())?)
}

/// The peak memory of this process, if the system reports it.
#[expect(clippy::disallowed_methods, reason = "a file of the system")]
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
