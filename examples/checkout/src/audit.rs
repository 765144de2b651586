//! What was stored, judged.
//!
//! [`Stored::read`] collects the bytes through a client of its own, and [`judge`] is a function of them and of the ledger's
//! records, and of nothing else: no counter of an instance and no answer that a client remembers can make it content.

mod answers;
mod judge;

use std::collections::BTreeMap;

use concurrency_core::{
    Backend, Codec, EventStore, KeyVersion, ListQuery, Lock, Position, Recorded, Result, StateStore,
};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{answers::answers, judge::judge};
use crate::{
    model::{self, Order, Receipt, Stock},
    totals::{self, TotalsBySku},
};

/// All that the backend holds of a shop.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The answers by idempotency key.
    pub answers: BTreeMap<String, Receipt>,
    /// The orders by number.
    pub orders: BTreeMap<String, Order>,
    /// Which orders are on the settlement's list.
    pub open: Vec<String>,
    /// The stock by product.
    pub stocks: BTreeMap<String, Stock>,
    /// The rows of the projection.
    pub totals: TotalsBySku,
    /// All events, in the global order.
    pub events: Vec<Recorded>,
    /// How many locks were looked at.
    pub locks: usize,
    /// The names of those that somebody holds.
    pub held: Vec<String>,
    /// Keys that no instance writes.
    pub strange: Vec<String>,
}

/// The verdict on a shop.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// Orders accepted.
    pub orders: u64,
    /// Charges made.
    pub charges: u64,
    /// Pieces sold that were not there any more, and orders beyond the first of a key.
    pub sold_twice: u64,
    /// Charges that the ledger refused, because another holder had taken over.
    pub refused: u64,
    /// Orders that one holder charged and a later one found charged: the first did not live to save it.
    pub found: u64,
    /// What was looked at, and what is wrong with it.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.sold_twice == 0 && self.findings.iter().all(|finding| finding.wrong.is_empty())
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Which.
    pub what: &'static str,
    /// What is so where nothing is wrong.
    pub holds: String,
    /// Everything that is wrong with it.
    pub wrong: Vec<String>,
}

impl Stored {
    /// Reads all of it. The shop should be at rest.
    ///
    /// # Errors
    /// Those of the backend; `Decode` for bytes that no instance wrote.
    pub async fn read(backend: &dyn Backend) -> Result<Self> {
        let mut stored = Self::default();
        stored.read_states(&*backend.state_store(model::NAMESPACE)?).await?;
        stored.read_totals(&*backend.state_store(model::TOTALS)?).await?;
        stored.events = all_events(&*backend.event_store(model::NAMESPACE)?).await?;
        let mut names: Vec<String> = stored.orders.keys().map(|order| model::order_lock(order)).collect();
        names.push(model::SETTLEMENT_LOCK.to_owned());
        stored.look_for_holders(&*backend.lock(model::NAMESPACE)?, &names).await?;
        stored.look_for_holders(&*backend.lock(model::TOTALS)?, &[totals::NAME.to_owned()]).await?;
        Ok(stored)
    }

    async fn read_states(&mut self, store: &dyn StateStore) -> Result<()> {
        for (key, bytes) in all_states(store).await? {
            match key.split_once('/') {
                Some(("key", name)) => drop(self.answers.insert(name.to_owned(), decode(&bytes)?)),
                Some(("order", name)) => drop(self.orders.insert(name.to_owned(), decode(&bytes)?)),
                Some(("stock", name)) => drop(self.stocks.insert(name.to_owned(), decode(&bytes)?)),
                Some(("open", name)) => self.open.push(name.to_owned()),
                _ => self.strange.push(key),
            }
        }
        Ok(())
    }

    async fn read_totals(&mut self, store: &dyn StateStore) -> Result<()> {
        for (key, bytes) in all_states(store).await? {
            if let Some(sku) = key.strip_prefix(&totals::row_key("")) {
                self.totals.insert(sku.to_owned(), decode(&bytes)?);
            }
        }
        Ok(())
    }

    async fn look_for_holders(&mut self, lock: &dyn Lock, names: &[String]) -> Result<()> {
        for name in names {
            self.locks += 1;
            if let Some(held) = lock.holder(name).await? {
                self.held.push(format!("{name} is held under token {}", held.token));
            }
        }
        Ok(())
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    Codec::default().decode(bytes)
}

async fn all_states(store: &dyn StateStore) -> Result<Vec<(String, concurrency_core::Bytes)>> {
    let mut states = Vec::new();
    let mut query = ListQuery::all();
    loop {
        let page = store.list(query.limit(ListQuery::MAX_LIMIT)).await?;
        let keys: Vec<&str> = page.keys.iter().map(|listed: &KeyVersion| listed.key.as_str()).collect();
        for (key, state) in keys.iter().zip(store.load_many(&keys).await?) {
            states.extend(state.map(|state| ((*key).to_owned(), state.value)));
        }
        match page.next {
            Some(next) => query = ListQuery::all().after(next),
            None => return Ok(states),
        }
    }
}

async fn all_events(store: &dyn EventStore) -> Result<Vec<Recorded>> {
    let (mut events, mut after) = (Vec::new(), Position::START);
    loop {
        let batch = store.read_all(after, 1000).await?;
        if batch.events.is_empty() {
            return Ok(events);
        }
        events.extend(batch.events);
        after = batch.next;
    }
}
