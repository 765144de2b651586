//! Who takes the money: a system of its own, with records of its own, reached only through [`Ledger`].

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{FencingToken, clock};
use serde::{Deserialize, Serialize};

/// A ledger, as the service sees it. Both calls raise the order's mark to the token, and refuse a lower one: from then on a
/// holder that was paused and overtaken can neither charge nor believe what it reads.
#[async_trait]
pub trait Ledger: Debug + Send + Sync + 'static {
    /// What was charged for an order so far.
    ///
    /// # Errors
    /// `Stale` for a token below the order's mark; `Unavailable` where no answer came.
    async fn read(&self, order: &str, token: FencingToken) -> Result<Vec<Charge>, LedgerError>;

    /// After `Ok` the order was charged this amount once more: the ledger charges as often as it is told to.
    ///
    /// # Errors
    /// `Stale` for a token below the order's mark, and nothing is charged; `Unavailable` where no answer came, and nobody
    /// knows but the ledger.
    async fn charge(&self, order: &str, token: FencingToken, amount: u64) -> Result<(), LedgerError>;
}

/// Why the ledger did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// A later holder of the order's lock was here.
    #[error("the ledger has seen token {seen}, and was given {given}")]
    Stale {
        /// The order's mark.
        seen: FencingToken,
        /// The token of the call.
        given: FencingToken,
    },
    /// No answer.
    #[error("the ledger gives no answer")]
    Unavailable,
}

/// One charge, as the ledger recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Whose.
    pub order: String,
    /// Under which token.
    pub token: FencingToken,
    /// In cents.
    pub amount: u64,
}

/// A ledger in this process. Each call takes a while, as over a network.
#[derive(Debug, Default)]
pub struct Books {
    pages: Mutex<Pages>,
    takes: Duration,
}

#[derive(Debug, Default)]
struct Pages {
    charges: Vec<Charge>,
    by_order: HashMap<String, Vec<usize>>,
    marks: HashMap<String, FencingToken>,
    refused: u64,
}

impl Books {
    /// Empty books, whose every call takes `takes`.
    #[must_use]
    pub fn new(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// All charges, in the order in which they were made.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.pages().charges.clone()
    }

    /// How many calls came under a token that had been overtaken.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.pages().refused
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn travel(&self) {
        if !self.takes.is_zero() {
            clock::sleep_until(clock::BootInstant::now().after(self.takes / 2)).await;
        }
    }
}

impl Pages {
    fn raise(&mut self, order: &str, token: FencingToken) -> Result<(), LedgerError> {
        let mark = self.marks.entry(order.to_owned()).or_insert(token);
        if token < *mark {
            self.refused += 1;
            return Err(LedgerError::Stale { seen: *mark, given: token });
        }
        *mark = token;
        Ok(())
    }
}

#[async_trait]
impl Ledger for Books {
    async fn read(&self, order: &str, token: FencingToken) -> Result<Vec<Charge>, LedgerError> {
        self.travel().await;
        let read = {
            let mut pages = self.pages();
            pages.raise(order, token).map(|()| {
                let charges = pages.by_order.get(order).map(Vec::as_slice).unwrap_or_default();
                charges.iter().map(|index| pages.charges[*index].clone()).collect()
            })
        };
        self.travel().await;
        read
    }

    async fn charge(&self, order: &str, token: FencingToken, amount: u64) -> Result<(), LedgerError> {
        self.travel().await;
        let charged = {
            let mut pages = self.pages();
            pages.raise(order, token).map(|()| {
                let index = pages.charges.len();
                pages.charges.push(Charge { order: order.to_owned(), token, amount });
                pages.by_order.entry(order.to_owned()).or_default().push(index);
            })
        };
        self.travel().await;
        charged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_raises_the_mark_and_a_lower_token_is_refused() {
        let books = Books::default();
        assert!(books.read("7", FencingToken(2)).await.unwrap().is_empty());
        let stale = books.charge("7", FencingToken(1), 900).await.unwrap_err();
        assert!(matches!(stale, LedgerError::Stale { seen: FencingToken(2), given: FencingToken(1) }), "{stale}");
        assert!(books.read("7", FencingToken(1)).await.is_err());
        assert!(books.charges().is_empty());
        assert_eq!(books.refused(), 2);
        assert!(books.charge("8", FencingToken(1), 900).await.is_ok(), "another order has a mark of its own");
    }

    #[tokio::test]
    async fn it_charges_as_often_as_it_is_told_to() {
        let books = Books::default();
        books.charge("7", FencingToken(1), 900).await.unwrap();
        books.charge("7", FencingToken(1), 900).await.unwrap();
        assert_eq!(books.read("7", FencingToken(1)).await.unwrap().len(), 2);
        assert_eq!(books.charges().len(), 2);
    }
}
