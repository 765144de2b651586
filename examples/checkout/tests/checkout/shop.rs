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
use concurrency_core::{Backend, Memory};

pub struct Shop {
    pub memory: Memory,
    pub books: Arc<Books>,
    pub catalogue: Arc<Catalogue>,
}

/// How long the tests wait for an order's lock.
pub const PATIENCE: Duration = Duration::from_secs(5);

pub fn wanted(sku: &str, quantity: u32) -> NewOrder {
    NewOrder { sku: sku.to_owned(), quantity }
}

impl Shop {
    /// Ten of each product on the shelves.
    pub async fn open() -> Self {
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
    pub fn instance(&self) -> Arc<Checkout> {
        self.instance_over(Arc::new(self.memory.another_client()))
    }

    pub fn instance_over(&self, backend: Arc<dyn Backend>) -> Arc<Checkout> {
        let ledger = Arc::clone(&self.books) as Arc<_>;
        Arc::new(Checkout::new(backend, ledger, Arc::clone(&self.catalogue)).unwrap())
    }

    pub fn totals(&self) -> Totals {
        Totals::new(&self.memory.another_client()).unwrap()
    }

    /// Some orders, brought to their end, and counted.
    pub async fn sell(&self) -> Vec<String> {
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

    pub async fn stored(&self) -> Stored {
        Stored::read(&self.memory.another_client()).await.unwrap()
    }

    pub async fn audit(&self) -> Audit {
        judge(&self.stored().await, &self.books.charges())
    }
}
