//! Where prices come from: a system that is deliberately slow, which is why its answers are cached.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use concurrency_core::clock::{self, BootInstant};
use serde::{Deserialize, Serialize};

/// A product, as the catalogue knows it and as `GET /products/{sku}` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its number.
    pub sku: String,
    /// What people call it.
    pub name: String,
    /// In cents.
    pub price: u64,
}

/// Nobody has heard of this product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such product")]
pub struct NoSuchProduct;

/// The catalogue: a few products, and a while until it answers.
#[derive(Debug)]
pub struct Catalogue {
    products: Vec<(Product, AtomicU64)>,
    takes: Duration,
}

impl Catalogue {
    /// A catalogue of these products (number, name, price in cents) that takes `takes` for each answer.
    #[must_use]
    pub fn new(products: &[(&str, &str, u64)], takes: Duration) -> Self {
        let product = |&(sku, name, price): &(&str, &str, u64)| {
            (Product { sku: sku.to_owned(), name: name.to_owned(), price }, AtomicU64::new(0))
        };
        Self { products: products.iter().map(product).collect(), takes }
    }

    /// A product.
    ///
    /// # Errors
    /// `NoSuchProduct`, after as long.
    pub async fn find(&self, sku: &str) -> Result<Product, NoSuchProduct> {
        clock::sleep_until(BootInstant::now().after(self.takes)).await;
        let (product, asked) = self.products.iter().find(|(product, _)| product.sku == sku).ok_or(NoSuchProduct)?;
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(product.clone())
    }

    /// Each product's number, and how often it was asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, u64)> {
        self.products.iter().map(|(product, asked)| (product.sku.clone(), asked.load(Ordering::Relaxed))).collect()
    }
}
