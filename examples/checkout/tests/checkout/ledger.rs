//! The ledger as a process has it: its file, and its calls over HTTP.

use std::{
    fs,
    io::Write as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use checkout::ledger::{Ledger, LedgerError, LedgerFile, Notice, RemoteLedger, Summary, router};
use concurrency_core::{FencingToken, Version};
use tokio::{net::TcpListener, sync::mpsc};

const fn token(number: u64) -> FencingToken {
    FencingToken(number)
}

/// A file that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("ledger-{}", Version::mint())))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash_and_half_a_line_is_not() {
    let file = Scratch::new();
    let ledger = LedgerFile::open(file.path(), false).unwrap();
    ledger.call("7", token(2), None).await.unwrap();
    ledger.call("7", token(2), Some(900)).await.unwrap();
    assert!(ledger.call("7", token(1), Some(900)).await.is_err());
    drop(ledger);
    fs::OpenOptions::new().append(true).open(file.path()).unwrap().write_all(br#"{"order":"7","tok"#).unwrap();
    assert_eq!(LedgerFile::read(file.path()).unwrap().len(), 3);

    let ledger = LedgerFile::open(file.path(), false).unwrap();
    assert_eq!(ledger.summary(), Summary { charges: 1, beyond: 0, refused: 1 });
    let stale = ledger.call("7", token(1), None).await.unwrap_err();
    assert!(matches!(stale, LedgerError::Stale { seen: FencingToken(2), .. }), "the mark survives: {stale}");
    assert_eq!(ledger.call("7", token(3), None).await.unwrap().before.len(), 1);
    let records = LedgerFile::read(file.path()).unwrap();
    assert_eq!(records.iter().map(|record| record.taken).collect::<Vec<_>>(), [true, true, false, false, true]);
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_alone() {
    let file = Scratch::new();
    for list in ["shopping list\nmilk\n", "milk"] {
        fs::write(file.path(), list).unwrap();
        let refused = LedgerFile::open(file.path(), false).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), "line 1 is no record of a ledger");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), list);
    }
}

#[tokio::test]
async fn over_http_it_is_the_same_ledger() {
    let file = Scratch::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let ledger = Arc::new(LedgerFile::open(file.path(), false).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router(ledger, tell)).await });
    let (one, two) = (RemoteLedger::new(address, 1), RemoteLedger::new(address, 2));
    assert!(one.read("7", token(41)).await.unwrap().is_empty());
    assert!(two.read("7", token(42)).await.unwrap().is_empty());
    two.charge("7", token(42), 900).await.unwrap();
    let late = one.charge("7", token(41), 900).await.unwrap_err();
    assert!(matches!(late, LedgerError::Stale { seen: FencingToken(42), given: FencingToken(41) }), "{late}");
    assert_eq!(one.summary().await.unwrap(), Summary { charges: 1, beyond: 0, refused: 1 });
    let order = || "7".to_owned();
    let expected = [
        Notice::Raised { order: order(), from: token(41), to: token(42), by: 2 },
        Notice::Charged { order: order(), token: token(42), by: 2 },
        Notice::Refused { order: order(), token: token(41), seen: token(42), charge: true, by: 1 },
    ];
    for notice in expected {
        assert_eq!(told.recv().await.unwrap(), notice);
    }
    serving.abort();
    assert!(matches!(serving.await, Err(ended) if ended.is_cancelled()));
    drop((one, two));
    let gone = RemoteLedger::new(address, 3).read("7", token(43)).await.unwrap_err();
    assert!(matches!(gone, LedgerError::Unavailable), "{gone}");
}
