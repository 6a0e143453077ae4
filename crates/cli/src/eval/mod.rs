//! `widemargin eval`: evaluates labelled embeddings, computed by any program.
//!
//! Each subcommand reads its files ([`input`]), calls one function of `widemargin_eval`, and passes the results to [`output`], which prints a
//! table or JSON and draws figures on request.

mod calibrate;
mod clustering;
mod figures;
mod geometry;
mod identification;
mod input;
mod output;
mod pairs;
mod retrieval;
mod verification;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum EvalCommand {
    /// Verify pairs: are they of the same class? ROC, AUC, EER, TAR at FAR, costs
    Verification(Box<verification::VerificationArguments>),
    /// Retrieve: are the nearest neighbours of the same class? Recall at k, MAP@R, mAP, nDCG
    Retrieval(retrieval::RetrievalArguments),
    /// Identify probes that may be unknown: rank-1, detection and identification rate
    Identification(identification::IdentificationArguments),
    /// Cluster the embeddings and compare with the classes: NMI, AMI, ARI, purity
    Clustering(clustering::ClusteringArguments),
    /// Measure spread and separation of the classes, and how much of the space is used
    Geometry(geometry::GeometryArguments),
    /// Choose a threshold and fit probabilities, as a file for `eval verification` and `compare`
    Calibrate(Box<calibrate::CalibrateArguments>),
}

pub(crate) fn run(command: &EvalCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvalCommand::Verification(arguments) => verification::run(arguments),
        EvalCommand::Retrieval(arguments) => retrieval::run(arguments),
        EvalCommand::Identification(arguments) => identification::run(arguments),
        EvalCommand::Clustering(arguments) => clustering::run(arguments),
        EvalCommand::Geometry(arguments) => geometry::run(arguments),
        EvalCommand::Calibrate(arguments) => calibrate::run(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}
