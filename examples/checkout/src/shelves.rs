//! What the demo's shop sells, and how much of it there is.

use std::time::Duration;

use concurrency_core::{Backend, ListQuery, Position, SaveOptions, TypedState};

use crate::{
    catalogue::Catalogue,
    model::{self, Stock},
};

/// A product of the demo: number, name, price in cents, and how many of 100 orders want it.
pub(crate) const PRODUCTS: [(&str, &str, u64, u32); 8] = [
    ("espresso", "Espresso, 250 g", 890, 40),
    ("oolong", "Oolong tea, 100 g", 1250, 20),
    ("biscuits", "Almond biscuits", 430, 14),
    ("mug", "Mug, blue", 1190, 9),
    ("kettle", "Kettle, 1.7 l", 4900, 6),
    ("grinder", "Hand grinder", 7450, 5),
    ("scales", "Scales, 0.1 g", 2990, 4),
    ("gramophone", "Gramophone, used", 32_000, 2),
];

/// The product of which there are too few.
const SCARCE: &str = "gramophone";
/// How long the catalogue takes for an answer.
const CATALOGUE_TAKES: Duration = Duration::from_millis(150);

/// The catalogue of these products.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(&PRODUCTS.map(|(sku, name, price, _)| (sku, name, price)), CATALOGUE_TAKES)
}

/// Fills the shelves for so many orders, in a backend that holds no shop yet.
///
/// # Errors
/// In words: where there is a shop already, and what the backend says.
pub(crate) async fn fill(backend: &dyn Backend, orders: usize) -> Result<(), String> {
    let said = |error: concurrency_core::Error| error.to_string();
    let store = backend.state_store(model::NAMESPACE).map_err(said)?;
    let events = backend.event_store(model::NAMESPACE).map_err(said)?;
    let states = store.list(ListQuery::all().limit(1)).await.map_err(said)?;
    let batch = events.read_all(Position::START, 1).await.map_err(said)?;
    if !(states.keys.is_empty() && batch.events.is_empty()) {
        return Err("there is a shop from an earlier run already: name another place, or remove it".to_owned());
    }
    let stocks: TypedState<Stock> = TypedState::new(store);
    for (sku, ..) in PRODUCTS {
        let pieces = if sku == SCARCE { orders / 100 + 1 } else { orders * 5 } as u64;
        let stock = Stock { initial: pieces, left: pieces };
        stocks.save(&model::stock_key(sku), &stock, SaveOptions::new().if_absent()).await.map_err(said)?;
    }
    Ok(())
}
