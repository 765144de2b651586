//! Totals by product, computed from the events: a projection, so that they are exact whatever instance dies or is paused
//! while it counts.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Backend, Codec, LockOptions, Locks, Projection, Projector, Recorded, Result as StoreResult, Rows,
};
use serde::{Deserialize, Serialize};

use crate::model::{self, OrderEvent, Status};

/// The totals of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Total {
    /// Orders placed.
    pub orders: u64,
    /// Pieces in them.
    pub pieces: u64,
    /// What was charged, in cents.
    pub revenue: u64,
    /// Orders settled.
    pub settled: u64,
}

impl Total {
    /// Counts what happened.
    pub fn apply(&mut self, step: Status, event: &OrderEvent) {
        match step {
            Status::Placed => {
                self.orders += 1;
                self.pieces += u64::from(event.quantity);
            }
            Status::Charged => self.revenue += event.amount,
            Status::Settled => self.settled += 1,
        }
    }
}

/// Totals by product.
pub type TotalsBySku = BTreeMap<String, Total>;

/// Counts one event in; those of other kinds are none of its business.
///
/// # Errors
/// `Decode` where the event cannot be read.
pub fn count(totals: &mut TotalsBySku, event: &Recorded) -> StoreResult<()> {
    let Some(step) = Status::of_event(&event.event_type) else { return Ok(()) };
    let what: OrderEvent = Codec::default().decode(&event.data)?;
    totals.entry(what.sku.clone()).or_default().apply(step, &what);
    Ok(())
}

/// The name of the projection, of its lock and of its checkpoint.
pub const NAME: &str = "totals";
/// How long a crashed instance keeps the others from counting.
const LOCK_TTL: Duration = Duration::from_secs(2);

/// Where the totals of a product are stored.
#[must_use]
pub fn row_key(sku: &str) -> String {
    format!("{NAME}/{sku}")
}

/// How the totals follow from the events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals;

#[async_trait]
impl Projection for Totals {
    fn name(&self) -> &str {
        NAME
    }

    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> StoreResult<()> {
        let Some(step) = Status::of_event(&event.event_type) else { return Ok(()) };
        let what: OrderEvent = rows.decode(event)?;
        let counted = |total: Option<Total>| {
            let mut total = total.unwrap_or_default();
            total.apply(step, &what);
            total
        };
        rows.update(&what.sku, counted).await
    }
}

impl Totals {
    /// What keeps the totals of a shop: on one instance at a time, and the next one takes over.
    ///
    /// # Errors
    /// `Unsupported` where the backend lacks a component.
    pub fn projector(backend: &dyn Backend) -> StoreResult<Projector> {
        let locks = Locks::new(backend.lock(model::TOTALS)?);
        let (events, rows) = (backend.event_store(model::NAMESPACE)?, backend.state_store(model::TOTALS)?);
        Ok(Projector::new(Self, events, rows, locks)?.with_lock_options(LockOptions::new().with_ttl(LOCK_TTL)))
    }
}
