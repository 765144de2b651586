//! Whoever looks on: a client of its own that only reads, so that the page shows what is stored and not what instances believe.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use concurrency::{
    Backend, Codec, Error, EventStore, ListQuery, Lock, Position, Projector, Recorded, Result as StoreResult,
    StateStore,
    clock::{self, BootInstant},
};
use serde_json::{Value, json};

use super::{
    Arguments, connect,
    say::{hear, say},
};
use crate::{
    ledger::{RemoteLedger, Summary},
    model::{self, OrderEvent, Status, Stock},
    shelves::PRODUCTS,
    totals::{self, Totals},
};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(200);
/// How many events it tells, the last ones.
const TAIL: usize = 12;
/// How many orders' locks it looks at.
const LOCKS: usize = 12;
/// How many events it reads at once.
const BATCH: usize = 500;

/// Says what is stored, again and again.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let said = |why: Error| why.to_string();
    let ledger = RemoteLedger::new(arguments.value::<SocketAddr>("ledger")?, 0);
    let backend = connect(&arguments).await?;
    let mut onlooker = Onlooker::new(&*backend).map_err(said)?;
    let mut heard = hear();
    say(&json!({ "say": "ready" }));
    loop {
        // The ledger first: an order has its first event before its charge, so the charges of now are not more than the orders
        // that are seen afterwards, unless something was charged twice.
        match ledger.summary().await {
            Err(why) => say(&json!({ "say": "blind", "why": why.to_string() })),
            Ok(summary) => match onlooker.look().await {
                Ok(()) => say(&onlooker.told(summary)),
                Err(why) => say(&json!({ "say": "blind", "why": why.to_string() })),
            },
        }
        let next = BootInstant::now().after(EVERY);
        tokio::select! {
            Some(line) = heard.recv() => if line == "stop" { break },
            () = clock::sleep_until(next) => {}
        }
    }
    backend.close().await;
    Ok(())
}

struct Onlooker {
    states: Arc<dyn StateStore>,
    events: Arc<dyn EventStore>,
    locks: Arc<dyn Lock>,
    totals_locks: Arc<dyn Lock>,
    totals: Projector,
    read_up_to: Position,
    orders: HashMap<String, Status>,
    sold: BTreeMap<String, u64>,
    tail: VecDeque<Value>,
    oversold: u64,
    open: usize,
    behind: bool,
    held: Vec<(String, u64, u64)>,
}

impl Onlooker {
    fn new(backend: &dyn Backend) -> StoreResult<Self> {
        Ok(Self {
            states: backend.state_store(model::NAMESPACE)?,
            events: backend.event_store(model::NAMESPACE)?,
            locks: backend.lock(model::NAMESPACE)?,
            totals_locks: backend.lock(model::TOTALS)?,
            totals: Totals::projector(backend)?,
            read_up_to: Position::START,
            orders: HashMap::new(),
            sold: BTreeMap::new(),
            tail: VecDeque::new(),
            oversold: 0,
            open: 0,
            behind: true,
            held: Vec::new(),
        })
    }

    async fn look(&mut self) -> StoreResult<()> {
        self.read_events().await?;
        // After the events: what they say was sold had left the shelves before, so shelves that hold more than they should were
        // oversold.
        self.look_at_shelves().await?;
        let open = self.states.list(ListQuery::prefix(model::open_key("")).limit(ListQuery::MAX_LIMIT)).await?;
        self.open = open.keys.len();
        let reached = self.totals.checkpoint().await?.map_or(Position::START, |checkpoint| checkpoint.position);
        self.behind = !self.events.read_all(reached, 1).await?.events.is_empty();
        self.held.clear();
        self.look_at_lock(false, model::SETTLEMENT_LOCK).await?;
        self.look_at_lock(true, totals::NAME).await?;
        for open in open.keys.iter().take(LOCKS) {
            let order = open.key.trim_start_matches(&model::open_key("")).to_owned();
            self.look_at_lock(false, &model::order_lock(&order)).await?;
        }
        Ok(())
    }

    async fn read_events(&mut self) -> StoreResult<()> {
        loop {
            let batch = self.events.read_all(self.read_up_to, BATCH).await?;
            if batch.events.is_empty() {
                return Ok(());
            }
            for event in &batch.events {
                self.see(event)?;
            }
            self.read_up_to = batch.next;
        }
    }

    fn see(&mut self, event: &Recorded) -> StoreResult<()> {
        let Some(status) = Status::of_event(&event.event_type) else { return Ok(()) };
        let what: OrderEvent = Codec::default().decode(&event.data)?;
        let order = event.stream.trim_start_matches(&model::order_stream("")).to_owned();
        if status == Status::Placed && !self.orders.contains_key(&order) {
            *self.sold.entry(what.sku.clone()).or_default() += u64::from(what.quantity);
        }
        self.tail.push_front(json!({
            "position": event.position.to_string(),
            "order": order,
            "type": &*event.event_type,
            "what": format!("{} {}", what.quantity, what.sku),
            "amount": what.amount,
        }));
        self.tail.truncate(TAIL);
        self.orders.insert(order, status);
        Ok(())
    }

    async fn look_at_shelves(&mut self) -> StoreResult<()> {
        let keys = PRODUCTS.map(|(sku, ..)| model::stock_key(sku));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.oversold = 0;
        for ((sku, ..), state) in PRODUCTS.iter().zip(self.states.load_many(&keys).await?) {
            let Some(state) = state else { continue };
            let stock: Stock = Codec::default().decode(&state.value)?;
            let sold = self.sold.get(*sku).copied().unwrap_or_default();
            self.oversold += (sold + stock.left).saturating_sub(stock.initial);
        }
        Ok(())
    }

    async fn look_at_lock(&mut self, of_totals: bool, name: &str) -> StoreResult<()> {
        let lock = if of_totals { &self.totals_locks } else { &self.locks };
        if !lock.capabilities().inspection {
            return Ok(());
        }
        if let Some(held) = lock.holder(name).await? {
            let remaining = u64::try_from(held.remaining.as_millis()).unwrap_or(u64::MAX);
            self.held.push((name.to_owned(), held.token.0, remaining));
        }
        Ok(())
    }

    fn told(&self, summary: Summary) -> Value {
        let count = |wanted| self.orders.values().filter(|status| **status == wanted).count();
        json!({
            "say": "seen",
            "orders": self.orders.len(),
            "placed": count(Status::Placed),
            "charged": count(Status::Charged),
            "settled": count(Status::Settled),
            "charges": summary.charges,
            "beyond": summary.beyond,
            "refused": summary.refused,
            "oversold": self.oversold,
            "open": self.open,
            "behind": self.behind,
            "locks": self.held,
            "tail": self.tail,
        })
    }
}
