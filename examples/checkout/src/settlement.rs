//! The job that settles: on every instance, at one of them at a time.

use std::{sync::Arc, time::Duration};

use concurrency_core::{ListQuery, LockOptions};
use tokio::task::JoinSet;

use crate::{
    error::CheckoutError,
    model::{self, Status},
    service::Checkout,
};

/// How many orders are settled at once.
const AT_ONCE: usize = 16;

impl Checkout {
    /// Brings every open order to its end; `None` where another instance is at it. An order at which somebody is working
    /// now is left for the next time. Answers how many were settled.
    ///
    /// # Errors
    /// Those of the backend; what was settled stays settled.
    ///
    /// # Cancel safety
    /// What was begun is finished by the next settlement.
    pub async fn settle_all(self: &Arc<Self>) -> Result<Option<u64>, CheckoutError> {
        let options = LockOptions::new().with_ttl(self.lease);
        // The settlement's own token fences nothing: each order is brought on under its own lock.
        let settled = self.locks.run_or_skip(model::SETTLEMENT_LOCK, options, |_| self.settle_open()).await?;
        let counter = if settled.is_some() { &self.counters.settlements } else { &self.counters.settlements_skipped };
        counter.add(1);
        Ok(settled)
    }

    async fn settle_open(self: &Arc<Self>) -> Result<u64, CheckoutError> {
        let mut settled = 0;
        let mut query = ListQuery::prefix(model::open_key(""));
        loop {
            let page = self.states.list(query.limit(ListQuery::MAX_LIMIT)).await?;
            let mut working = JoinSet::new();
            for open in page.keys {
                let Some(id) = open.key.strip_prefix("open/").map(str::to_owned) else { continue };
                if working.len() >= AT_ONCE {
                    settled += joined(working.join_next().await)?;
                }
                let checkout = Arc::clone(self);
                working.spawn(async move { checkout.advance(&id, Status::Settled, Duration::ZERO).await });
            }
            while !working.is_empty() {
                settled += joined(working.join_next().await)?;
            }
            match page.next {
                Some(next) => query = ListQuery::prefix(model::open_key("")).after(next),
                None => return Ok(settled),
            }
        }
    }
}

type Joined = Option<Result<Result<model::Order, CheckoutError>, tokio::task::JoinError>>;

/// One more settled, or none where somebody else is at the order.
fn joined(joined: Joined) -> Result<u64, CheckoutError> {
    match joined {
        Some(Ok(Ok(_))) => Ok(1),
        Some(Ok(Err(error))) if !error.is_overtaken() => Err(error),
        Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        _ => Ok(0),
    }
}
