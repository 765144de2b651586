//! What is stored: orders, stock and the answers given under idempotency keys.

use concurrency_core::AppendId;
use serde::{Deserialize, Serialize};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Which product.
    pub sku: String,
    /// How many, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
}

/// The most pieces in one order.
pub const MAX_QUANTITY: u32 = 100;

/// The longest idempotency key, in bytes.
pub const MAX_KEY: usize = 200;

/// How far an order has come. Each step is taken once, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted: the pieces are taken from the stock.
    Placed,
    /// The ledger holds the charge.
    Charged,
    /// The settlement has seen the charge; nothing is left to do.
    Settled,
}

/// An order as it is stored under [`order_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What was promised to the client; it never changes.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The idempotency key that it was placed under.
    pub key: String,
    /// How far it has come.
    pub status: Status,
}

/// What a client is answered, stored under [`answer_key`] too, so that a repeated request gets the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order: String,
    /// Which product.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// The price of one when the order was accepted, in cents.
    pub unit_price: u64,
    /// What is charged, in cents.
    pub amount: u64,
}

impl Receipt {
    /// Whether `wanted` is what this receipt answers.
    #[must_use]
    pub fn answers(&self, wanted: &NewOrder) -> bool {
        self.sku == wanted.sku && self.quantity == wanted.quantity
    }
}

/// The stock of one product, stored under [`stock_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// What there was before the first sale.
    pub initial: u64,
    /// What is left.
    pub left: u64,
}

/// What happened to an order: one event a step, in its stream [`order_stream`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// The product.
    pub sku: String,
    /// How many pieces.
    pub quantity: u32,
    /// The amount in cents.
    pub amount: u64,
}

impl OrderEvent {
    /// The event of a step: its content depends on nothing but the receipt, so that whoever repeats the step appends the
    /// same bytes.
    #[must_use]
    pub fn of(receipt: &Receipt) -> Self {
        Self { sku: receipt.sku.clone(), quantity: receipt.quantity, amount: receipt.amount }
    }
}

impl Status {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Placed, Self::Charged, Self::Settled];

    /// The type of the event of this step.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Placed => "OrderPlaced",
            Self::Charged => "OrderCharged",
            Self::Settled => "OrderSettled",
        }
    }

    /// The step of an event type.
    #[must_use]
    pub fn of_event(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.event_type() == event_type)
    }

    /// The version that the event of this step has in its stream.
    #[must_use]
    pub const fn version(self) -> u64 {
        match self {
            Self::Placed => 1,
            Self::Charged => 2,
            Self::Settled => 3,
        }
    }

    /// The append id of this step of an order, the same for everybody who takes the step.
    #[must_use]
    pub fn append_id(self, order: &str) -> AppendId {
        AppendId::named(&format!("order {order}: {}", self.event_type()))
    }
}

/// The namespace of states, locks and events.
pub const NAMESPACE: &str = "checkout";
/// The namespace of the cached products.
pub const PRODUCTS: &str = "products";
/// The namespace of the totals that are computed from the events.
pub const TOTALS: &str = "checkout-totals";
/// The lock under which one instance at a time settles.
pub const SETTLEMENT_LOCK: &str = "settlement";

/// Where the answer under an idempotency key is stored.
#[must_use]
pub fn answer_key(key: &str) -> String {
    format!("key/{key}")
}

/// Where an order is stored.
#[must_use]
pub fn order_key(order: &str) -> String {
    format!("order/{order}")
}

/// What says that an order is not settled yet: the settlement's list of work, kept in the same commits as the orders.
#[must_use]
pub fn open_key(order: &str) -> String {
    format!("open/{order}")
}

/// Where the stock of a product is stored.
#[must_use]
pub fn stock_key(sku: &str) -> String {
    format!("stock/{sku}")
}

/// The stream of an order's events.
#[must_use]
pub fn order_stream(order: &str) -> String {
    format!("order/{order}")
}

/// The lock under which an order is charged and settled. All fencing tokens of an order's record, of its stream and of its
/// account at the ledger come from this one name.
#[must_use]
pub fn order_lock(order: &str) -> String {
    format!("order/{order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_events_and_versions_agree() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(Status::of_event(status.event_type()), Some(status));
            assert_eq!(status.version(), index as u64 + 1);
            assert_eq!(status.append_id("7"), status.append_id("7"));
            assert_ne!(status.append_id("7"), status.append_id("8"));
        }
        assert_eq!(Status::of_event("OrderLost"), None);
    }

    #[test]
    fn an_order_is_stored_flat() {
        let receipt = Receipt { order: "7".into(), sku: "tea".into(), quantity: 2, unit_price: 450, amount: 900 };
        let order = Order { receipt, key: "k".into(), status: Status::Placed };
        let json = serde_json::to_string(&order).unwrap();
        assert!(json.contains(r#""order":"7""#) && json.contains(r#""status":"placed""#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
    }
}
