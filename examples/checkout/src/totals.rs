//! Totals by product, computed from the events: a projection whose rows and checkpoint are committed together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Checkpoint, Codec, EventStore, FencingToken, LockOptions, Locks, Position, Recorded, SaveOptions, State,
    StateStore, TypedState,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::CheckoutError,
    model::{self, OrderEvent, Status},
};

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
pub fn count(totals: &mut TotalsBySku, event: &Recorded) -> Result<(), CheckoutError> {
    let Some(step) = Status::of_event(&event.event_type) else { return Ok(()) };
    let what: OrderEvent = Codec::default().decode(&event.data)?;
    totals.entry(what.sku.clone()).or_default().apply(step, &what);
    Ok(())
}

/// The lock under which one instance at a time keeps the totals.
pub const TOTALS_LOCK: &str = "totals";
/// Where it is stored how far the totals reach.
pub const CHECKPOINT: &str = "checkpoint";
const LOCK_TTL: Duration = Duration::from_secs(2);
/// How many events are counted in one commit.
const BATCH: usize = 256;

/// Where the totals of a product are stored.
#[must_use]
pub fn row_key(sku: &str) -> String {
    format!("row/{sku}")
}

/// Keeps the totals up to date.
#[derive(Debug)]
pub struct Totals {
    events: Arc<dyn EventStore>,
    store: Arc<dyn StateStore>,
    rows: TypedState<Total>,
    checkpoints: TypedState<Checkpoint>,
    locks: Locks,
}

impl Totals {
    /// Over the events of this backend.
    ///
    /// # Errors
    /// `Unsupported` where the backend lacks a component.
    pub fn new(backend: &dyn Backend) -> Result<Self, CheckoutError> {
        let store = backend.state_store(model::TOTALS)?;
        Ok(Self {
            events: backend.event_store(model::NAMESPACE)?,
            rows: TypedState::new(Arc::clone(&store)),
            checkpoints: TypedState::new(Arc::clone(&store)),
            locks: Locks::new(backend.lock(model::TOTALS)?),
            store,
        })
    }

    /// Counts all events that are there; `None` where another instance is at it. Answers how many were counted.
    ///
    /// # Errors
    /// Those of the backend; what was committed stays counted.
    ///
    /// # Cancel safety
    /// A batch was committed or not, its checkpoint with it.
    pub async fn catch_up(&self) -> Result<Option<u64>, CheckoutError> {
        let options = LockOptions::new().with_ttl(LOCK_TTL);
        self.locks.run_or_skip(TOTALS_LOCK, options, |token| self.count_all(token)).await
    }

    async fn count_all(&self, token: FencingToken) -> Result<u64, CheckoutError> {
        let mut counted = 0;
        let mut checkpoint = self.checkpoints.load(CHECKPOINT).await?;
        loop {
            let after = checkpoint.as_ref().map_or(Position::START, |checkpoint| checkpoint.value.position);
            let batch = self.events.read_all(after, BATCH).await?;
            let Some(last) = batch.events.last() else { return Ok(counted) };
            let saved = self.commit(&batch.events, last.checkpoint(), checkpoint.as_ref(), token).await?;
            checkpoint = Some(saved);
            counted += batch.events.len() as u64;
        }
    }

    async fn commit(
        &self,
        events: &[Recorded],
        reached: Checkpoint,
        before: Option<&State<Checkpoint>>,
        token: FencingToken,
    ) -> Result<State<Checkpoint>, CheckoutError> {
        let mut news = TotalsBySku::new();
        for event in events {
            count(&mut news, event)?;
        }
        let keys: Vec<String> = news.keys().map(|sku| row_key(sku)).collect();
        let rows = self.rows.load_many(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut writes = Vec::with_capacity(keys.len() + 1);
        for ((key, row), new) in keys.into_iter().zip(rows).zip(news.values()) {
            let options = condition(row.as_ref()).fenced_by(token);
            writes.push(self.rows.write(key, &row.map_or_else(Total::default, |row| row.value).plus(*new), options)?);
        }
        writes.push(self.checkpoints.write(CHECKPOINT, &reached, condition(before).fenced_by(token))?);
        let version = self.store.commit(writes).await?;
        Ok(State::new(reached, version, None))
    }
}

/// Only over what was read.
fn condition<T>(read: Option<&State<T>>) -> SaveOptions {
    read.map_or(SaveOptions::new().if_absent(), |state| SaveOptions::new().if_version(state.version))
}

impl Total {
    /// Both together.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            orders: self.orders + more.orders,
            pieces: self.pieces + more.pieces,
            revenue: self.revenue + more.revenue,
            settled: self.settled + more.settled,
        }
    }
}
