//! Who takes the money: a system of its own, with records of its own, reached only through [`Ledger`].
//!
//! [`Books`] is one in this process, for tests and for the demo on memory. [`LedgerFile`] keeps its records in a file, is
//! served over HTTP by [`router`] in a process of its own, and is reached by [`RemoteLedger`].

mod books;
mod file;
mod record;
mod remote;
mod server;

use std::fmt::Debug;

use async_trait::async_trait;
use concurrency_core::FencingToken;
use serde::{Deserialize, Serialize};

pub use self::{
    books::Books,
    file::{Broken, LedgerFile},
    record::{Raised, Record, Summary, Taken},
    remote::RemoteLedger,
    server::{Notice, router},
};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Under which token.
    pub token: FencingToken,
    /// In cents.
    pub amount: u64,
}
