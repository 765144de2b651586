//! What there is: every case and every mutant with the sentences that it names, for tools.

use std::process::ExitCode;

use serde_json::json;

/// Prints it as JSON.
pub(crate) fn run() -> ExitCode {
    let mutant = |name, kind, sentences: &[&str]| json!({"name": name, "kind": kind, "sentences": sentences});
    let in_memory = mutants::all().into_iter().map(|m| mutant(m.name, m.kind, m.sentences));
    let of_sqlite = mutants_sqlite::all().into_iter().map(|m| mutant(m.name, m.kind, m.sentences));
    let under_fire = mutants_faults::all().into_iter().map(|m| mutant(m.name, m.kind, m.sentences));
    let mutants: Vec<_> = in_memory.chain(of_sqlite).chain(under_fire).collect();
    let backends: Vec<_> = crate::backends::ALL.iter().map(|target| target.name).collect();
    println!("{:#}", json!({"backends": backends, "cases": crate::kinds::all(), "mutants": mutants}));
    ExitCode::SUCCESS
}
