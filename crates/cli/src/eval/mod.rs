//! `widemargin eval`: evaluates labelled embeddings, computed by any program.
//!
//! Each subcommand reads its files ([`input`]), calls one function of `widemargin_eval`, and passes the results to [`output`], which prints a
//! table or JSON and draws figures on request.

mod all;
mod calibrate;
mod clustering;
mod copies;
mod figures;
mod geometry;
mod identification;
mod input;
mod output;
mod pairs;
mod retrieval;
mod scores;
mod selection;
mod verification;

pub(crate) use copies::{copies, crowded, near_copies, respelled};
pub(crate) use output::score;

use crate::interrupt::{self, EndsAtOnce};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum EvalCommand {
    /// Evaluate verification, retrieval, clustering and geometry of the same rows, as one summary or page
    All(all::AllArguments),
    /// Evaluate verification: ROC, AUC, EER, TAR at FAR, detection costs
    Verification(Box<verification::VerificationArguments>),
    /// Evaluate scores that another program computed: AUC, EER, TAR at FAR, detection costs, Cllr, calibration
    Scores(Box<scores::ScoresArguments>),
    /// Evaluate retrieval: recall at k, MAP@R, mAP, nDCG
    Retrieval(retrieval::RetrievalArguments),
    /// Evaluate identification: rank-k of enrolled classes, DIR at FAR with unknown probes
    Identification(identification::IdentificationArguments),
    /// Evaluate clustering: NMI, AMI, ARI, purity
    Clustering(clustering::ClusteringArguments),
    /// Measure spread and separation of the classes, and effective rank
    Geometry(geometry::GeometryArguments),
    /// Choose a threshold, fit probabilities, and save the calibration
    Calibrate(Box<calibrate::CalibrateArguments>),
}

pub(crate) fn run(command: &EvalCommand) -> anyhow::Result<ExitCode> {
    let _signals = EndsAtOnce::saying("stopped before the evaluation was finished".to_owned());
    interrupt::listen()?;
    match command {
        EvalCommand::All(arguments) => all::run(arguments),
        EvalCommand::Verification(arguments) => verification::run(arguments),
        EvalCommand::Scores(arguments) => scores::run(arguments),
        EvalCommand::Retrieval(arguments) => retrieval::run(arguments),
        EvalCommand::Identification(arguments) => identification::run(arguments),
        EvalCommand::Clustering(arguments) => clustering::run(arguments),
        EvalCommand::Geometry(arguments) => geometry::run(arguments),
        EvalCommand::Calibrate(arguments) => calibrate::run(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}
