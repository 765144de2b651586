//! A shop for one test: three products, as many instances as wanted.

use std::{sync::Arc, time::Duration};

use checkout::{
    audit::{Audit, Stored, judge},
    catalogue::Catalogue,
    ledger::Books,
    model::{NewOrder, Status},
    service::Checkout,
    totals::Totals,
};
use concurrency_core::{Backend, Memory, Projector};

pub(crate) struct Shop {
    pub(crate) memory: Memory,
    pub(crate) books: Arc<Books>,
    pub(crate) catalogue: Arc<Catalogue>,
}

/// How long the tests wait for an order's lock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn wanted(sku: &str, quantity: u32) -> NewOrder {
    NewOrder { sku: sku.to_owned(), quantity }
}

impl Shop {
    /// Ten of each product on the shelves.
    pub(crate) async fn open() -> Self {
        let products = [("tea", "Tea", 450), ("mug", "Mug", 1190), ("kettle", "Kettle", 4900)];
        let shop = Self {
            memory: Memory::new(),
            books: Arc::new(Books::default()),
            catalogue: Arc::new(Catalogue::new(&products, Duration::ZERO)),
        };
        for (sku, ..) in products {
            shop.instance().stock(sku, 10).await.unwrap();
        }
        shop
    }

    /// An instance with a client of its own.
    pub(crate) fn instance(&self) -> Arc<Checkout> {
        self.instance_over(Arc::new(self.memory.another_client()))
    }

    pub(crate) fn instance_over(&self, backend: Arc<dyn Backend>) -> Arc<Checkout> {
        let ledger = Arc::clone(&self.books) as Arc<_>;
        Arc::new(Checkout::new(backend, ledger, Arc::clone(&self.catalogue)).unwrap())
    }

    pub(crate) fn totals(&self) -> Projector {
        Totals::projector(&self.memory.another_client()).unwrap()
    }

    /// Some orders, brought to their end, and counted.
    pub(crate) async fn sell(&self) -> Vec<String> {
        let (one, other) = (self.instance(), self.instance());
        let mut orders = Vec::new();
        for (number, (sku, quantity)) in [("tea", 2), ("mug", 1), ("tea", 3), ("kettle", 4)].into_iter().enumerate() {
            let placed = one.place(&format!("key-{number}"), &wanted(sku, quantity)).await.unwrap();
            other.advance(&placed.receipt.order, Status::Charged, PATIENCE).await.unwrap();
            orders.push(placed.receipt.order);
        }
        assert_eq!(one.settle_all().await.unwrap(), Some(4));
        self.totals().catch_up().await.unwrap();
        orders
    }

    pub(crate) async fn stored(&self) -> Stored {
        Stored::read(&self.memory.another_client()).await.unwrap()
    }

    /// The amounts charged.
    pub(crate) fn charges(&self) -> Vec<u64> {
        self.books.records().iter().filter(|record| record.taken).filter_map(|record| record.amount).collect()
    }

    pub(crate) async fn audit(&self) -> Audit {
        judge(&self.stored().await, &self.books.records())
    }
}
