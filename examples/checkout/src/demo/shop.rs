//! The shop of the demo: its shelves, its instances, its ledger.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, EventStore, ListQuery, Memory, Position, StateStore,
    clock::{self, BootInstant},
};
use tokio::net::TcpListener;

use super::options::Options;
use crate::{
    audit::{self, Audit, Stored},
    catalogue::Catalogue,
    distance::Distant,
    instance::Instance,
    ledger::Books,
    model,
    service::Checkout,
    shelves,
    totals::Totals,
};

/// How far away the backend is: each way takes up to so long.
pub(super) const WAY: Duration = Duration::from_millis(1);
const LEDGER_TAKES: Duration = Duration::from_millis(2);
/// How long the jobs may take to finish what the clients left.
const DRAIN: Duration = Duration::from_secs(60);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Shop {
    memory: Memory,
    pub(super) books: Arc<Books>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) instances: Vec<Instance>,
}

impl Shop {
    /// Starts the instances, and fills the shelves.
    pub(super) async fn open(options: &Options) -> Result<Self, String> {
        let mut shop = Self {
            memory: Memory::new(),
            books: Arc::new(Books::new(LEDGER_TAKES)),
            catalogue: Arc::new(shelves::catalogue()),
            instances: Vec::new(),
        };
        for number in 0..options.instances {
            // `Options` has checked that there are so many ports.
            let port = options.port.map_or(0, |first| first + number as u16);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let listener = listener.map_err(|why| format!("port {port} of 127.0.0.1 cannot be had: {why}"))?;
            shop.instances.push(shop.instance(listener).map_err(|why| format!("instance {number}: {why}"))?);
        }
        shelves::fill(&shop.memory, options.orders).await.map_err(|why| format!("the shelves: {why}"))?;
        Ok(shop)
    }

    fn instance(&self, listener: TcpListener) -> Result<Instance, Box<dyn std::error::Error>> {
        let backend: Arc<dyn Backend> = Arc::new(Distant::new(self.memory.another_client(), WAY));
        let totals = Totals::projector(&*backend)?;
        let checkout = Checkout::new(backend, Arc::clone(&self.books) as Arc<_>, Arc::clone(&self.catalogue))?;
        Ok(Instance::start(Arc::new(checkout), totals, listener)?)
    }

    /// Waits until the jobs of the instances have finished all orders and counted all events; false if they do not.
    pub(super) async fn drain(&self) -> Result<bool, String> {
        let deadline = BootInstant::now().after(DRAIN);
        while !self.is_drained().await.map_err(|why| format!("the drain: {why}"))? {
            if deadline.has_passed() {
                return Ok(false);
            }
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(20))).await;
        }
        Ok(true)
    }

    async fn is_drained(&self) -> concurrency_core::Result<bool> {
        let open = ListQuery::prefix(model::open_key("")).limit(1);
        if !self.memory.state_store(model::NAMESPACE)?.list(open).await?.keys.is_empty() {
            return Ok(false);
        }
        let reached = Totals::projector(&self.memory)?.checkpoint().await?;
        let reached = reached.map_or(Position::START, |checkpoint| checkpoint.position);
        Ok(self.memory.event_store(model::NAMESPACE)?.read_all(reached, 1).await?.events.is_empty())
    }

    /// Stops the instances. What they stored stays.
    pub(super) async fn close(&mut self) {
        for instance in self.instances.drain(..) {
            instance.stop().await;
        }
    }

    /// Judges what was stored, through a client that took no part.
    pub(super) async fn audit(&self) -> Result<(Stored, Audit), String> {
        let stored = Stored::read(&self.memory.another_client()).await;
        let stored = stored.map_err(|why| format!("what was stored cannot be read: {why}"))?;
        let audit = audit::judge(&stored, &self.books.records());
        Ok((stored, audit))
    }
}
