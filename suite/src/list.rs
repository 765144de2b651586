//! What there is: every case and every mutant with the sentences that it names, for tools.

use std::process::ExitCode;

use serde_json::json;

/// Prints it as JSON.
pub(crate) fn run() -> ExitCode {
    let mutants: Vec<_> = mutants::all()
        .iter()
        .map(|mutant| json!({"name": mutant.name, "kind": mutant.kind, "sentences": mutant.sentences}))
        .collect();
    let backends: Vec<_> = crate::backends::ALL.iter().map(|target| target.name).collect();
    println!("{:#}", json!({"backends": backends, "cases": crate::kinds::all(), "mutants": mutants}));
    ExitCode::SUCCESS
}
