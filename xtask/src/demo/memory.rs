//! The demo on memory: one process, and so nothing that could be killed or frozen.

use std::process::ExitCode;

use super::{options::Options, process::service};
use crate::Problem;

/// Has the service run it, and ends as it does.
pub(super) fn run(options: &Options) -> Result<ExitCode, Problem> {
    let mut command = std::process::Command::new(service(options)?);
    command.arg("memory");
    command.args(["--orders", &options.orders.to_string(), "--clients", &options.clients.to_string()]);
    command.args(["--instances", &options.instances.to_string(), "--pace", &options.pace.to_string()]);
    let port = Some(options.port.into()).filter(|port| options.is_memory() && *port > 0);
    for (name, value) in [("--seed", options.seed), ("--port", port)] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
    if let Some(file) = &options.json {
        command.arg("--json").arg(file);
    }
    let status = command.status().map_err(|error| format!("the service cannot be started: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(2), ExitCode::from))
}
