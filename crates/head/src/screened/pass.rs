//! The forward pass of a screened head: sift all classes, rescore the kept ones, finish the losses and gradients.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, Precision, Probes};
use widemargin_kernels::vector::add_scaled;
use widemargin_objective::{BatchFacts, ClassObjective, MatRef, PointOutcome, PointPass, SummedCompetitors};

use super::rescore::{Group, rescore};
use super::screen::Screen;
use super::several::panels_of_chunk;
use super::sift::{Frame, Selection, Sifter, Sums};
use crate::batch::{Active, Batch, Targets};
use crate::centres::Centres;
use crate::error::Error;
use crate::forward::{HeadEvaluation, HeadForward, PendingUpdate, Screening, add_norm_losses, through_norms};
use crate::gradient::{CentreGradient, RowGradient, TargetEntry};
use crate::storage::CENTRES;

/// Loss, diagnostics and both gradients. `seed` is that of this step's random phases.
pub(crate) fn forward(
    centres: &Centres<'_>,
    screen: &Screen,
    objective: &ClassObjective,
    features: MatRef<'_>,
    labels: &[u32],
    seed: u64,
    step: u64,
) -> Result<HeadForward, Error> {
    centres.check(features, labels, objective.ignore_label())?;
    if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
        let (features, labels) = (active.features()?, &active.labels);
        let found = forward(centres, screen, objective, features, labels, seed, step)?;
        return Ok(found.with_ignored(&active));
    }
    if let Some(row) = screen.spoilt {
        return Err(Error::NonFiniteTensor { name: CENTRES.to_owned(), row });
    }
    let batch = Batch::new(features, objective.score());
    let targets = centres.targets(&batch, features, labels);
    let points = objective.points(&BatchFacts {
        labels,
        feature_norms: &targets.feature_norms,
        target_cosines: &targets.cosines,
        log_partitions: None,
    })?;
    let probes = Probes::new(&batch.units, batch.dim, Precision::Seven);
    let sifter = Sifter {
        panels: &screen.panels,
        threshold: screen.threshold,
        classes: centres.classes(),
        per_class: centres.per_class,
        seed,
    };
    let Selection { frames, sifted, mut sums } = sifter.keep(&points, &probes, labels, &targets.cosines)?;
    let groups = rescore(centres, &batch, &frames, sifted, seed);
    for group in &groups {
        sums.iter_mut().zip(&group.sums).for_each(|(sums, group)| sums.add(group));
    }

    let mut outcomes: Vec<PointOutcome<f32>> = (0..labels.len())
        .map(|sample| {
            let (frame, sums) = (&frames[sample], &sums[sample]);
            let point = points.point(sample);
            let mut pass: PointPass<f32> =
                point.row_pass_at(labels[sample] as usize, targets.similarities[sample], 1.0);
            let (largest, class) = sums.largest();
            pass.observe_summed(&SummedCompetitors {
                largest,
                largest_class: class as usize,
                centre: frame.centre as f32,
                sum: sums.partition(),
                moment: sums.moment,
                count: if class == u32::MAX { 0 } else { centres.classes() - 1 },
            });
            pass.finish()
        })
        .collect();
    add_norm_losses(&mut outcomes, &points, labels)?;
    let HeadEvaluation { loss, losses, diagnostics } = HeadEvaluation::new(&outcomes, &targets);
    let left_out = left_out(&sums);
    let (rows, mut grad_features) = gradients(centres, &batch, &outcomes, &targets, &frames, groups);
    through_norms(&mut grad_features, &batch, &targets, &points, &outcomes, features, labels)?;
    let learnt = objective.learnt().map(|_| {
        let sum: f64 = outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope)).sum();
        (sum / labels.len().max(1) as f64) as f32
    });
    let entries = labels.len() as f64 * centres.classes() as f64;
    let screening =
        Screening { kept: if entries > 0.0 { rows.kept() as f64 / entries } else { 0.0 }, left_out };
    let pending = PendingUpdate {
        gradient: CentreGradient::Rows(Box::new(rows)),
        step,
        learnt,
        next_state: points.next_state(),
    };
    Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: Some(screening), pending })
}

/// Share of the non-target sum without an exact score, the mean over the batch.
fn left_out(sums: &[Sums]) -> f64 {
    let left_out = sums.iter().map(|sums| {
        let all = sums.screened_sum;
        if all > 0.0 { (all - sums.seen).max(0.0) / all } else { 0.0 }
    });
    left_out.sum::<f64>() / sums.len().max(1) as f64
}

/// The gradients of the centres and of the unit features (`[batch, dim]`), from the exact scores.
fn gradients(
    centres: &Centres<'_>,
    batch: &Batch,
    outcomes: &[PointOutcome<f32>],
    targets: &Targets,
    frames: &[Frame],
    groups: Vec<Group>,
) -> (RowGradient, Vec<f32>) {
    let dim = batch.dim;
    let mean = 1.0 / outcomes.len().max(1) as f32;
    let shares: Vec<f32> = outcomes
        .iter()
        .zip(frames)
        .map(|(outcome, frame)| mean * outcome.competitor_share(frame.centre as f32).unwrap_or_default())
        .collect();
    let slopes: Vec<f32> =
        outcomes.iter().map(|outcome| mean * outcome.target_slope().unwrap_or_default()).collect();
    let mut grad_units = vec![0.0; batch.rows * dim];
    grad_units.par_chunks_mut(dim).enumerate().for_each(|(sample, gradient)| {
        for group in &groups {
            add_scaled(gradient, shares[sample], &group.pulls[sample * dim..(sample + 1) * dim]);
        }
        let mut unit = vec![0.0; dim];
        centres.unit(targets.rows[sample], &mut unit);
        add_scaled(gradient, slopes[sample], &unit);
    });
    let mut target_entries: Vec<TargetEntry> = (0..outcomes.len())
        .map(|sample| TargetEntry {
            row: targets.rows[sample] as u32,
            sample: sample as u32,
            slope: slopes[sample],
            cosine: targets.similarities[sample],
            norm: targets.centre_norms[sample] as f32,
        })
        .collect();
    target_entries.sort_by_key(|target| target.row);
    let rows = RowGradient {
        total: centres.classes() * centres.per_class,
        chunk: panels_of_chunk(centres.per_class) * PANEL,
        dim,
        sharpness: frames.iter().map(|frame| frame.sharpness).fold(0.0, f64::max),
        units: batch.units.clone(),
        shares,
        targets: target_entries,
        chunks: groups.into_iter().flat_map(|group| group.chunks).collect(),
    };
    (rows, grad_units)
}
