//! The auditor: a process that took no part, and sees nothing but what was stored.

use std::{fs, path::Path};

use serde_json::json;

use super::{Arguments, connect, say::say};
use crate::{
    audit::{Stored, answers, judge},
    ledger::LedgerFile,
    model::Receipt,
};

/// Judges what the backend and the ledger's file hold, and compares it with what customers were told.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let backend = connect(&arguments).await?;
    let stored = Stored::read(&*backend).await.map_err(|why| format!("what was stored cannot be read: {why}"))?;
    let (ledger, told) = (arguments.text("ledger")?, arguments.text("answers")?);
    let records = LedgerFile::read(Path::new(ledger)).map_err(|why| format!("the ledger's file {ledger}: {why}"))?;
    let mut audit = judge(&stored, &records);
    let receipts = fs::read(told).map_err(|why| format!("{told}: {why}"))?;
    let lines = receipts.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let accepted: Result<Vec<Receipt>, _> = lines.map(serde_json::from_slice).collect();
    let accepted = accepted.map_err(|why| format!("{told}: {why}"))?;
    audit.findings.push(answers(&stored, &accepted, Vec::new()));
    backend.close().await;
    say(&json!({ "say": "audit", "audit": audit }));
    Ok(())
}
