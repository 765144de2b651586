//! Every public async method, polled k times and dropped. To come.

use std::process::ExitCode;

use super::{NOTHING, Options};

/// Says that it is not there yet.
pub(super) fn run(_: &Options) -> ExitCode {
    eprintln!("error: --drops is not there yet");
    ExitCode::from(NOTHING)
}
