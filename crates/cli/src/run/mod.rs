//! A training run as `train` and `sweep` share it: its flags, its data, its training with evaluation, and its reports.

mod accuracy;
mod arguments;
mod closing;
mod conclusions;
mod evaluated;
mod measures;
mod page;
mod seeds;
mod session;
mod shown;
mod untrained;
mod validated;
mod verdict;

pub(crate) use accuracy::AccuracyBy;
pub(crate) use arguments::{RunArguments, absolute, given, named_set, naming_flag};
pub(crate) use closing::{closing_notes, closing_table, evaluated_on};
pub(crate) use conclusions::{ONE_SEED, conclusions};
pub(crate) use evaluated::{EvaluatedRun, RunReport};
pub(crate) use measures::Measures;
pub(crate) use page::write_reports;
pub(crate) use seeds::Seeds;
pub(crate) use session::{Ended, Session, choose_before_opening, free_folder, set_only_dimension};
