//! `widemargin eval`: embeddings that any program computed, judged by their labels.
//!
//! Each subcommand reads its files ([`input`]), asks one question of `widemargin_eval`, and hands numbers and figures to
//! [`output`], which prints a table or JSON and draws on request.

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
    /// Are these two of one class? ROC, AUC, EER, TAR at FAR, costs.
    Verification(Box<verification::VerificationArguments>),
    /// Are the nearest neighbours of the same class? Recall at k, MAP@R, mAP, nDCG.
    Retrieval(retrieval::RetrievalArguments),
    /// Who is it, if anyone enrolled? Rank-1 and detection and identification rate.
    Identification(identification::IdentificationArguments),
    /// Do the embeddings fall into groups that are the classes? NMI, AMI, ARI, purity.
    Clustering(clustering::ClusteringArguments),
    /// How tight and how far apart are the classes, and how much of the space is used?
    Geometry(geometry::GeometryArguments),
    /// Choose a threshold and turn scores into probabilities; the result is a file for `eval verification`.
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
