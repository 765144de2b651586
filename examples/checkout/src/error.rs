//! Why a request was not answered as asked.

use concurrency_core::Error;

use crate::{catalogue::NoSuchProduct, ledger::LedgerError};

/// Why a request was not answered as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckoutError {
    /// No idempotency key, or not one.
    #[error("the header Idempotency-Key must have 1 to 200 visible ASCII characters")]
    BadKey,
    /// The order makes no sense.
    #[error("{0}")]
    BadOrder(&'static str),
    /// Nobody has heard of this product.
    #[error("no such product")]
    NoSuchProduct,
    /// Nobody has heard of this order.
    #[error("no such order")]
    NoSuchOrder,
    /// The idempotency key was used with another order.
    #[error("this Idempotency-Key was used for another order")]
    KeyReused,
    /// Fewer pieces are left than were asked for. Nothing was stored: the same key may be used again.
    #[error("out of stock")]
    OutOfStock,
    /// Others changed the stock first, again and again, until the deadline. Nothing was stored.
    #[error("too many orders for this product at once; try again with the same Idempotency-Key")]
    Busy,
    /// The ledger did not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The backend did not do it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl CheckoutError {
    /// Whether it says that somebody else has taken over, or still is at, the work on an order. Whoever sees it looks at
    /// the order again and otherwise leaves it alone.
    #[must_use]
    pub const fn is_overtaken(&self) -> bool {
        matches!(
            self,
            Self::Ledger(LedgerError::Stale { .. })
                | Self::Store(
                    Error::LeaseLost { .. } | Error::Fenced { .. } | Error::Conflict { .. } | Error::LockTimeout { .. }
                )
        )
    }

    /// What a failed look-up of a product means.
    #[must_use]
    pub fn of_product(error: Error) -> Self {
        if error.load_error::<NoSuchProduct>().is_some() { Self::NoSuchProduct } else { Self::Store(error) }
    }
}
