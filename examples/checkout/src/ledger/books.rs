//! A ledger in this process.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{FencingToken, clock};

use super::{Charge, Ledger, LedgerError, Record, Summary, Taken, record::Accounts};

/// A ledger in this process. Each call takes a while, as over a network.
#[derive(Debug, Default)]
pub struct Books {
    pages: Mutex<Pages>,
    takes: Duration,
}

#[derive(Debug, Default)]
struct Pages {
    accounts: Accounts,
    records: Vec<Record>,
}

impl Books {
    /// Empty books, whose every call takes `takes`.
    #[must_use]
    pub fn new(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// All calls, in the order in which they were decided.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.pages().records.clone()
    }

    /// What was done so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.pages().accounts.summary
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn travel(&self) {
        if !self.takes.is_zero() {
            clock::sleep_until(clock::BootInstant::now().after(self.takes / 2)).await;
        }
    }

    async fn call(&self, order: &str, token: FencingToken, amount: Option<u64>) -> Result<Taken, LedgerError> {
        self.travel().await;
        let decided = {
            let mut pages = self.pages();
            let (record, decided) = pages.accounts.decide(order, token, amount, false);
            pages.records.push(record);
            decided
        };
        self.travel().await;
        decided
    }
}

#[async_trait]
impl Ledger for Books {
    async fn read(&self, order: &str, token: FencingToken) -> Result<Vec<Charge>, LedgerError> {
        Ok(self.call(order, token, None).await?.before)
    }

    async fn charge(&self, order: &str, token: FencingToken, amount: u64) -> Result<(), LedgerError> {
        self.call(order, token, Some(amount)).await.map(drop)
    }
}
