//! What clients were told, against what was stored: the one finding that does not come from the stored bytes alone.

use super::{Finding, Stored};
use crate::{model::Receipt, words::grouped};

/// Compares the orders that clients were told are accepted with those that are stored. `wrong` is what the clients themselves
/// found wrong.
#[must_use]
pub fn answers(stored: &Stored, accepted: &[Receipt], mut wrong: Vec<String>) -> Finding {
    for receipt in accepted {
        match stored.orders.get(&receipt.order) {
            Some(order) if order.receipt == *receipt => {}
            Some(_) => wrong.push(format!("order {}: stored otherwise than answered", receipt.order)),
            None => wrong.push(format!("order {}: accepted, and lost", receipt.order)),
        }
    }
    if accepted.len() != stored.orders.len() {
        wrong.push(format!("{} orders were accepted, {} are stored", accepted.len(), stored.orders.len()));
    }
    let holds = format!("{} orders are stored as their clients were answered", grouped(accepted.len()));
    Finding { what: "answers", holds, wrong }
}
