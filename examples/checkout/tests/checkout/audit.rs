//! Everything that the audit must find, planted in a shop in which nothing is wrong.

use std::time::Duration;

use checkout::{
    audit::{Audit, judge},
    ledger::{Ledger, Record},
    model::{self, Order, Receipt, Status, Stock},
    totals::{Total, row_key},
};
use concurrency_core::{
    AppendOptions, Claim, EventStore, FencingToken, Lock, NewEvent, SaveOptions, StateStore, TypedState,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::shop::Shop;

/// Which findings are not content.
fn wrong(audit: &Audit) -> Vec<&'static str> {
    let wrong = audit.findings.iter().filter(|finding| !finding.wrong.is_empty());
    wrong.map(|finding| finding.what).collect()
}

fn told<'a>(audit: &'a Audit, what: &str) -> &'a [String] {
    &audit.findings.iter().find(|finding| finding.what == what).unwrap().wrong
}

/// Changes a stored value behind everybody's back.
async fn tamper<T>(shop: &Shop, namespace: &str, key: &str, change: impl FnOnce(&mut T))
where
    T: Serialize + DeserializeOwned + Send + Sync,
{
    let values: TypedState<T> = TypedState::new(shop.memory.state_store(namespace).unwrap());
    let mut value = values.load(key).await.unwrap().unwrap().value;
    change(&mut value);
    values.save(key, &value, SaveOptions::new()).await.unwrap();
}

#[tokio::test]
async fn nothing_is_wrong_with_a_shop_at_rest() {
    let shop = Shop::open().await;
    shop.sell().await;
    let audit = shop.audit().await;
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!((audit.orders, audit.charges, audit.sold_twice), (4, 4, 0));
}

#[tokio::test]
async fn charges_that_are_doubled_missing_wrong_or_of_nobody() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let stored = shop.stored().await;
    let records = shop.books.records();
    let mut without = records.clone();
    without.retain(|record| record.order != orders[1]);
    assert_eq!(told(&judge(&stored, &without), "charges"), [format!("order {}: not charged", orders[1])]);
    let mut less = records;
    less.iter_mut().find_map(|record| record.amount.as_mut()).map(|amount| *amount -= 1).unwrap();
    assert_eq!(told(&judge(&stored, &less), "charges"), [format!("order {}: charged 899 instead of 900", orders[0])]);

    shop.books.charge(&orders[0], FencingToken::MAX, 900).await.unwrap();
    shop.books.charge("nobody", FencingToken(1), 1).await.unwrap();
    let audit = shop.audit().await;
    assert_eq!(wrong(&audit), ["charges"], "a later holder that charges again is no fault of lock or fence");
    let expected =
        [format!("order {}: charged 2 times", orders[0]), "order nobody: charged, and does not exist".to_owned()];
    assert_eq!(told(&audit, "charges"), expected);
}

#[tokio::test]
async fn a_token_that_two_charged_under() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let stored = shop.stored().await;
    let mut records = shop.books.records();
    let charge = records.iter().find(|record| record.order == orders[0] && record.amount.is_some()).unwrap().clone();
    records.push(charge.clone());
    let audit = judge(&stored, &records);
    assert_eq!(wrong(&audit), ["charges", "lock"]);
    assert!(told(&audit, "lock")[0].ends_with(&format!("let 2 charge under one token, {}", charge.token)), "{audit:?}");
}

#[tokio::test]
async fn a_late_call_that_was_taken_and_one_in_time_that_was_refused() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let stored = shop.stored().await;
    let mut records = shop.books.records();
    let charge = records.iter().find(|record| record.order == orders[0] && record.amount.is_some()).unwrap().clone();
    let over = FencingToken(charge.token.0 + 1);
    // A take-over that finds the charge, and the late charge of whoever was overtaken: refused, as it should be.
    records.push(Record { token: over, amount: None, ..charge.clone() });
    let late = FencingToken(charge.token.0 - 1);
    records.push(Record { token: late, taken: false, ..charge.clone() });
    let audit = judge(&stored, &records);
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!((audit.found, audit.refused), (1, 1));

    records.last_mut().unwrap().taken = true;
    let audit = judge(&stored, &records);
    assert_eq!(wrong(&audit), ["charges", "fence"]);
    let expected = format!("order {}: a charge under token {late} was taken after {over}", orders[0]);
    assert_eq!(told(&audit, "fence"), [expected]);

    *records.last_mut().unwrap() = Record { token: over, taken: false, ..charge };
    assert_eq!(wrong(&judge(&stored, &records)), ["fence"]);
}

#[tokio::test]
async fn a_piece_lost_and_a_piece_sold_twice() {
    let shop = Shop::open().await;
    shop.sell().await;
    tamper::<Stock>(&shop, model::NAMESPACE, &model::stock_key("tea"), |stock| stock.left -= 1).await;
    let audit = shop.audit().await;
    assert_eq!(wrong(&audit), ["stock"]);
    assert_eq!(told(&audit, "stock"), ["tea: 10 at first, but 4 left and 5 sold"]);
    assert_eq!(audit.sold_twice, 0);

    tamper::<Stock>(&shop, model::NAMESPACE, &model::stock_key("tea"), |stock| stock.left += 2).await;
    let audit = shop.audit().await;
    assert_eq!((wrong(&audit), audit.sold_twice), (vec!["stock"], 1));
}

#[tokio::test]
async fn two_orders_of_one_key_and_an_answer_that_is_not_the_order() {
    let shop = Shop::open().await;
    shop.sell().await;
    tamper::<Receipt>(&shop, model::NAMESPACE, &model::answer_key("key-0"), |answer| answer.amount += 1).await;
    assert_eq!(wrong(&shop.audit().await), ["keys"]);
    tamper::<Receipt>(&shop, model::NAMESPACE, &model::answer_key("key-0"), |answer| answer.amount -= 1).await;

    let mut stored = shop.stored().await;
    let mut order = stored.orders.values().next().unwrap().clone();
    order.receipt.order = "second".to_owned();
    stored.orders.insert("second".to_owned(), order);
    let audit = judge(&stored, &shop.books.records());
    assert!(told(&audit, "keys")[0].ends_with("2 orders"), "{audit:?}");
    assert!(audit.sold_twice >= 1);
    assert_eq!(told(&audit, "charges"), ["order second: not charged"]);
}

#[tokio::test]
async fn orders_that_are_not_settled_and_work_that_is_left() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let states = shop.memory.state_store(model::NAMESPACE).unwrap();
    states.save(&model::open_key(&orders[2]), "".into(), SaveOptions::new()).await.unwrap();
    assert_eq!(wrong(&shop.audit().await), ["settled"]);
    tamper::<Order>(&shop, model::NAMESPACE, &model::order_key(&orders[2]), |order| order.status = Status::Charged)
        .await;
    let audit = shop.audit().await;
    assert_eq!(wrong(&audit), ["settled", "events", "projection"]);
    assert_eq!(told(&audit, "settled").len(), 2);
    assert_eq!(told(&audit, "events"), [format!("order {}: OrderSettled, which the order does not know", orders[2])]);
}

#[tokio::test]
async fn events_that_are_missing_doubled_or_of_nobody() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let mut stored = shop.stored().await;
    let charged = |event: &concurrency_core::Recorded| {
        *event.stream == *model::order_stream(&orders[0]) && *event.event_type == *Status::Charged.event_type()
    };
    stored.events.retain(|event| !charged(event));
    let audit = judge(&stored, &shop.books.records());
    assert_eq!(told(&audit, "events"), [format!("order {}: OrderCharged is missing", orders[0])]);
    assert_eq!(wrong(&audit), ["events", "projection"], "nor is its amount in the replay");

    // The same step under another append id, as a careless program would append it.
    let events = shop.memory.event_store(model::NAMESPACE).unwrap();
    let settled = shop.stored().await.events.into_iter().rfind(|event| *event.event_type == *"OrderSettled").unwrap();
    let again = NewEvent::new(&*settled.event_type, settled.data.clone());
    events.append(&settled.stream, vec![again.clone()], AppendOptions::new()).await.unwrap();
    events.append("order/nobody", vec![again], AppendOptions::new()).await.unwrap();
    let audit = shop.audit().await;
    assert_eq!(told(&audit, "events").len(), 2, "{audit:?}");
    assert!(told(&audit, "events")[0].ends_with("OrderSettled 2 times"));
    assert_eq!(told(&audit, "events")[1], "stream order/nobody belongs to no order");
}

#[tokio::test]
async fn a_projection_that_is_skewed() {
    let shop = Shop::open().await;
    shop.sell().await;
    tamper::<Total>(&shop, model::TOTALS, &row_key("mug"), |total| total.orders += 1).await;
    let audit = shop.audit().await;
    assert_eq!(wrong(&audit), ["projection"]);
    assert!(told(&audit, "projection")[0].starts_with("mug: the projection has 2 orders"), "{audit:?}");
}

#[tokio::test]
async fn a_lock_that_is_left_over() {
    let shop = Shop::open().await;
    let orders = shop.sell().await;
    let lock = shop.memory.lock(model::NAMESPACE).unwrap();
    let claim = Claim::new(&model::order_lock(&orders[3]), Duration::from_secs(60)).unwrap();
    lock.try_acquire(&claim).await.unwrap().expect("nobody has it");
    let audit = shop.audit().await;
    assert_eq!(wrong(&audit), ["locks"]);
    assert!(told(&audit, "locks")[0].starts_with(&format!("order/{} is held", orders[3])));
}

#[tokio::test]
async fn a_key_that_no_instance_writes() {
    let shop = Shop::open().await;
    shop.sell().await;
    let states = shop.memory.state_store(model::NAMESPACE).unwrap();
    states.save("graffiti", "x".into(), SaveOptions::new()).await.unwrap();
    let audit = shop.audit().await;
    assert_eq!(told(&audit, "keys"), ["graffiti: written by no instance"]);
}
