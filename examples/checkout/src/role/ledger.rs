//! The ledger.

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use concurrency_core::clock::{self, BootInstant};
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc};

use super::{
    Arguments,
    say::{hear, say},
};
use crate::{
    broken::Break,
    ledger::{LedgerFile, router},
};

/// How often it says what it has done so far.
const EVERY: Duration = Duration::from_millis(200);

/// Serves a ledger until it is told to stop.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let path = arguments.text("file")?;
    let any_token = arguments.option::<Break>("break")? == Some(Break::Fence);
    let ledger = LedgerFile::open(Path::new(path), any_token);
    let ledger = Arc::new(ledger.map_err(|why| format!("the ledger's file {path} cannot be had: {why}"))?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(|why| format!("no port of 127.0.0.1 can be had: {why}"))?;
    let address = listener.local_addr().map_err(|why| format!("no address: {why}"))?;
    let mut heard = hear();
    let (tell, mut notices) = mpsc::unbounded_channel();
    let serving = axum::serve(listener, router(Arc::clone(&ledger), tell));
    let serving = tokio::spawn(async move { serving.await });
    say(&json!({ "say": "ready", "address": address }));
    loop {
        let next = BootInstant::now().after(EVERY);
        tokio::select! {
            Some(notice) = notices.recv() => say(&notice),
            Some(line) = heard.recv() => if line == "stop" { break },
            () = clock::sleep_until(next) => {}
        }
        say(&json!({ "say": "summary", "summary": ledger.summary() }));
    }
    serving.abort();
    Ok(())
}
