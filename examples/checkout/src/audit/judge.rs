//! The questions of the audit, one function each.

use std::collections::{BTreeMap, BTreeSet};

use concurrency_core::{Codec, FencingToken, Recorded};

use super::{Audit, Finding, Stored};
use crate::{
    ledger::Record,
    model::{Order, OrderEvent, Status, order_stream},
    totals::{Total, TotalsBySku, count},
    words::grouped,
};

/// Judges what was stored, and what the ledger recorded.
#[must_use]
pub fn judge(stored: &Stored, records: &[Record]) -> Audit {
    let (stock, oversold) = stock(stored);
    let (keys, doubled) = keys(stored);
    let refused = records.iter().filter(|record| !record.taken && record.amount.is_some());
    Audit {
        orders: stored.orders.len() as u64,
        charges: records.iter().filter(|record| record.taken && record.amount.is_some()).count() as u64,
        sold_twice: oversold + doubled,
        refused: refused.count() as u64,
        found: found(records),
        findings: vec![
            charged(stored, records),
            holders(records),
            fence(records),
            stock,
            keys,
            settled(stored),
            events(stored),
            projection(stored),
            locks(stored),
        ],
    }
}

/// Orders that one holder charged, and that a later one found charged.
fn found(records: &[Record]) -> u64 {
    let mut charged: BTreeMap<&str, FencingToken> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for record in records.iter().filter(|record| record.taken) {
        match (record.amount, charged.get(&*record.order)) {
            (Some(_), None) => drop(charged.insert(&record.order, record.token)),
            (None, Some(token)) if record.token > *token => drop(found.insert(&record.order)),
            _ => {}
        }
    }
    found.len() as u64
}

/// A token is given to one holder, and a holder charges an order once: two charges under one token are two holders.
fn holders(records: &[Record]) -> Finding {
    let mut charges: BTreeMap<(&str, FencingToken), u64> = BTreeMap::new();
    for record in records.iter().filter(|record| record.taken && record.amount.is_some()) {
        *charges.entry((&record.order, record.token)).or_default() += 1;
    }
    let several = charges.iter().filter(|(_, times)| **times > 1);
    let tell = |((order, token), times): (&(&str, FencingToken), &u64)| {
        format!("order {order}: the lock let {times} charge under one token, {token}")
    };
    let wrong = several.map(tell).collect();
    let holds = format!("{} fencing tokens charged, each for one holder only", grouped(charges.len()));
    Finding { what: "lock", holds, wrong }
}

/// The ledger took nothing under a token below the highest that it had seen for the order.
fn fence(records: &[Record]) -> Finding {
    let mut marks: BTreeMap<&str, FencingToken> = BTreeMap::new();
    let (mut wrong, mut refused) = (Vec::new(), 0_u64);
    for record in records {
        let mark = marks.entry(&record.order).or_insert(record.token);
        let (stale, call) = (record.token < *mark, if record.amount.is_some() { "charge" } else { "reading" });
        match (stale, record.taken) {
            (true, true) => {
                wrong.push(format!(
                    "order {}: a {call} under token {} was taken after {mark}",
                    record.order, record.token
                ));
            }
            (false, false) => {
                wrong.push(format!(
                    "order {}: a {call} under token {} was refused after {mark}",
                    record.order, record.token
                ));
            }
            (true, false) => refused += 1,
            (false, true) => {}
        }
        *mark = (*mark).max(record.token);
    }
    let holds = format!("no order's tokens went back at the ledger, {} late calls were refused", grouped(refused));
    Finding { what: "fence", holds, wrong }
}

fn charged(stored: &Stored, records: &[Record]) -> Finding {
    let mut by_order: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.taken) {
        if let Some(amount) = record.amount {
            by_order.entry(&record.order).or_default().push(amount);
        }
    }
    let mut wrong = Vec::new();
    for (id, Order { receipt, .. }) in &stored.orders {
        if receipt.amount != receipt.unit_price * u64::from(receipt.quantity) {
            wrong.push(format!(
                "order {id}: {} pieces at {} are not {}",
                receipt.quantity, receipt.unit_price, receipt.amount
            ));
        }
        match by_order.remove(id.as_str()).as_deref() {
            Some([amount]) if *amount == receipt.amount => {}
            Some([amount]) => wrong.push(format!("order {id}: charged {amount} instead of {}", receipt.amount)),
            Some(several) => wrong.push(format!("order {id}: charged {} times", several.len())),
            None => wrong.push(format!("order {id}: not charged")),
        }
    }
    wrong.extend(by_order.keys().map(|id| format!("order {id}: charged, and does not exist")));
    let holds = format!("{} orders charged exactly once, with the right amount", grouped(stored.orders.len()));
    Finding { what: "charges", holds, wrong }
}

/// What is wrong with the stock, and how many pieces were sold that had gone already.
fn stock(stored: &Stored) -> (Finding, u64) {
    let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
    for Order { receipt, .. } in stored.orders.values() {
        *sold.entry(&receipt.sku).or_default() += u64::from(receipt.quantity);
    }
    let (mut wrong, mut oversold, mut pieces) = (Vec::new(), 0, 0);
    for (sku, stock) in &stored.stocks {
        let sold = sold.remove(sku.as_str()).unwrap_or_default();
        pieces += sold;
        oversold += (stock.left + sold).saturating_sub(stock.initial);
        if stock.left + sold != stock.initial {
            wrong.push(format!("{sku}: {} at first, but {} left and {sold} sold", stock.initial, stock.left));
        }
    }
    wrong.extend(sold.iter().map(|(sku, sold)| format!("{sku}: {sold} sold, and never stocked")));
    oversold += sold.values().sum::<u64>();
    let holds = format!("{} products: initial = left + sold, {} pieces", stored.stocks.len(), grouped(pieces));
    (Finding { what: "stock", holds, wrong }, oversold)
}

/// What is wrong with the idempotency keys, and how many orders there are beyond the first of a key.
fn keys(stored: &Stored) -> (Finding, u64) {
    let mut by_key: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in stored.orders.values() {
        by_key.entry(&order.key).or_default().push(order);
    }
    let (mut wrong, mut doubled) = (Vec::new(), 0);
    for (key, orders) in &by_key {
        doubled += orders.len() as u64 - 1;
        match (orders.as_slice(), stored.answers.get(*key)) {
            ([order], Some(answer)) if order.receipt == *answer => {}
            ([order], Some(_)) => wrong.push(format!("key {key}: its answer is not order {}", order.receipt.order)),
            ([order], None) => wrong.push(format!("key {key} of order {}: no answer", order.receipt.order)),
            (several, _) => wrong.push(format!("key {key}: {} orders", several.len())),
        }
    }
    let unanswered = stored.answers.keys().filter(|key| !by_key.contains_key(key.as_str()));
    wrong.extend(unanswered.map(|key| format!("key {key}: an answer without its order")));
    wrong.extend(stored.strange.iter().map(|key| format!("{key}: written by no instance")));
    let holds = format!("{} idempotency keys, each with one order and its answer", grouped(by_key.len()));
    (Finding { what: "keys", holds, wrong }, doubled)
}

fn settled(stored: &Stored) -> Finding {
    let unsettled = stored.orders.iter().filter(|(_, order)| order.status != Status::Settled);
    let mut wrong: Vec<_> = unsettled.map(|(id, order)| format!("order {id} is {:?}", order.status)).collect();
    wrong.extend(stored.open.iter().map(|id| format!("order {id} is still on the list of work")));
    let holds = format!("{} orders settled, the list of work is empty", grouped(stored.orders.len()));
    Finding { what: "settled", holds, wrong }
}

fn events(stored: &Stored) -> Finding {
    let mut by_stream: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
    for event in &stored.events {
        by_stream.entry(&event.stream).or_default().push(event);
    }
    let mut wrong = Vec::new();
    for (id, order) in &stored.orders {
        let found = by_stream.remove(order_stream(id).as_str()).unwrap_or_default();
        for step in Status::ALL.into_iter().filter(|step| *step <= order.status) {
            let of_step: Vec<_> = found.iter().filter(|event| *event.event_type == *step.event_type()).collect();
            match of_step.as_slice() {
                [event] if event.version != step.version() => {
                    wrong.push(format!("order {id}: {} is event {}", step.event_type(), event.version));
                }
                [event] if !tells(event, order) => {
                    wrong.push(format!("order {id}: {} tells otherwise", step.event_type()));
                }
                [_] => {}
                [] => wrong.push(format!("order {id}: {} is missing", step.event_type())),
                several => wrong.push(format!("order {id}: {} {} times", step.event_type(), several.len())),
            }
        }
        let beyond =
            found.iter().filter(|event| Status::of_event(&event.event_type).is_none_or(|step| step > order.status));
        wrong.extend(beyond.map(|event| format!("order {id}: {}, which the order does not know", event.event_type)));
    }
    wrong.extend(by_stream.keys().map(|stream| format!("stream {stream} belongs to no order")));
    let holds = format!("{} events: each step of each order, once, in order", grouped(stored.events.len()));
    Finding { what: "events", holds, wrong }
}

fn tells(event: &Recorded, order: &Order) -> bool {
    Codec::default().decode::<OrderEvent>(&event.data).is_ok_and(|told| told == OrderEvent::of(&order.receipt))
}

fn projection(stored: &Stored) -> Finding {
    let (mut replay, mut states, mut wrong) = (TotalsBySku::new(), TotalsBySku::new(), Vec::new());
    for event in &stored.events {
        if count(&mut replay, event).is_err() {
            wrong.push(format!("event {} cannot be read", event.position));
        }
    }
    for Order { receipt, status, .. } in stored.orders.values() {
        let total = states.entry(receipt.sku.clone()).or_default();
        for step in Status::ALL.into_iter().filter(|step| step <= status) {
            total.apply(step, &OrderEvent::of(receipt));
        }
    }
    let products: BTreeSet<&String> = [&stored.totals, &replay, &states].into_iter().flat_map(BTreeMap::keys).collect();
    for sku in products {
        let of = |totals: &TotalsBySku| totals.get(sku).copied().unwrap_or_default();
        let (row, replayed, stored) = (of(&stored.totals), of(&replay), of(&states));
        if row != replayed {
            wrong.push(format!("{sku}: the projection has {}, a replay {}", told(row), told(replayed)));
        }
        if replayed != stored {
            wrong.push(format!("{sku}: a replay has {}, the orders {}", told(replayed), told(stored)));
        }
    }
    let revenue = replay.values().map(|total| total.revenue).sum::<u64>();
    let holds = format!(
        "totals of {} products equal a replay and the orders, revenue {}.{:02}",
        stored.totals.len(),
        grouped(revenue / 100),
        revenue % 100
    );
    Finding { what: "projection", holds, wrong }
}

fn told(total: Total) -> String {
    let Total { orders, pieces, revenue, settled } = total;
    format!("{orders} orders of {pieces} pieces, {settled} settled, revenue {revenue}")
}

fn locks(stored: &Stored) -> Finding {
    let holds = format!("{} names, none held", grouped(stored.locks));
    Finding { what: "locks", holds, wrong: stored.held.clone() }
}
