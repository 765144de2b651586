//! Steps that somebody left undone, and holders that were overtaken.

use std::time::Duration;

use checkout::{
    error::CheckoutError,
    ledger::{Ledger, LedgerError},
    model::{self, Order, Status},
};
use concurrency_core::{
    Claim, Error, FencingToken, Lease, Lock, SaveOptions, StateStore, TypedState,
    clock::{self, BootInstant, simulate},
};

use crate::shop::{PATIENCE, Shop, wanted};

/// Takes an order's lock as an instance does that will be frozen: nobody renews it.
async fn take(shop: &Shop, order: &str) -> Lease {
    let lock = shop.memory.another_client().lock(model::NAMESPACE).unwrap();
    let claim = Claim::new(&model::order_lock(order), Duration::from_secs(2)).unwrap();
    lock.try_acquire(&claim).await.unwrap().expect("nobody has it")
}

async fn placed(shop: &Shop) -> String {
    shop.instance().place("k", &wanted("tea", 2)).await.unwrap().receipt.order
}

#[tokio::test]
async fn a_placed_order_is_charged_by_whoever_looks_at_it() {
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    assert!(shop.charges().is_empty());
    let other = shop.instance();
    for _ in 0..2 {
        assert_eq!(other.advance(&order, Status::Charged, PATIENCE).await.unwrap().status, Status::Charged);
    }
    assert_eq!(shop.charges(), [900]);
}

#[tokio::test]
async fn a_charge_that_its_record_does_not_know_is_found_and_not_made_again() {
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    let lease = take(&shop, &order).await;
    shop.books.charge(&order, lease.fencing_token(), 900).await.unwrap();
    let lock = shop.memory.lock(model::NAMESPACE).unwrap();
    lock.release(lease.claim(), Some(lease.fencing_token())).await.unwrap();

    let other = shop.instance();
    assert_eq!(other.advance(&order, Status::Charged, PATIENCE).await.unwrap().status, Status::Charged);
    let counts = other.counters().counts();
    assert_eq!((counts.charged, counts.found_charged, shop.charges().len()), (0, 1, 1));
}

#[tokio::test]
async fn the_settlement_finishes_what_is_merely_placed_and_finds_nothing_the_second_time() {
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    let instance = shop.instance();
    assert_eq!(instance.settle_all().await.unwrap(), Some(1));
    assert_eq!(instance.order(&order).await.unwrap().status, Status::Settled);
    assert_eq!(instance.settle_all().await.unwrap(), Some(0));
    shop.totals().catch_up().await.unwrap();
    let audit = shop.audit().await;
    assert!(audit.is_clean(), "{audit:?}");
}

#[tokio::test]
async fn an_event_that_was_appended_before_the_crash_is_not_appended_again() {
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    let instance = shop.instance();
    instance.advance(&order, Status::Charged, PATIENCE).await.unwrap();
    // As if the instance had died after the event and before the record: the record goes back.
    let orders: TypedState<Order> = TypedState::new(shop.memory.state_store(model::NAMESPACE).unwrap());
    let mut record = orders.load(&model::order_key(&order)).await.unwrap().unwrap().value;
    record.status = Status::Placed;
    orders.save(&model::order_key(&order), &record, SaveOptions::new()).await.unwrap();

    assert_eq!(shop.instance().settle_all().await.unwrap(), Some(1));
    shop.totals().catch_up().await.unwrap();
    let audit = shop.audit().await;
    assert!(audit.is_clean(), "{audit:?}");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_leaves_orders_that_somebody_is_at_and_is_skipped_where_it_runs() {
    let _simulation = simulate(1);
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    let _lease = take(&shop, &order).await;
    assert_eq!(shop.instance().settle_all().await.unwrap(), Some(0), "somebody is at the order");

    let lock = shop.memory.lock(model::NAMESPACE).unwrap();
    let claim = Claim::new(model::SETTLEMENT_LOCK, Duration::from_secs(2)).unwrap();
    lock.try_acquire(&claim).await.unwrap().expect("nobody settles");
    let instance = shop.instance();
    assert_eq!(instance.settle_all().await.unwrap(), None);
    assert_eq!(instance.counters().counts().settlements_skipped, 1);
    clock::sleep_until(BootInstant::now().after(Duration::from_secs(3))).await;
    assert_eq!(instance.settle_all().await.unwrap(), Some(1), "both leases have run out");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_frozen_between_reading_and_charging_is_refused() {
    let _simulation = simulate(1);
    let shop = Shop::open().await;
    let order = placed(&shop).await;
    let frozen = take(&shop, &order).await;
    assert!(shop.books.read(&order, frozen.fencing_token()).await.unwrap().is_empty(), "so it would charge");

    let other = shop.instance();
    let overtaken = other.advance(&order, Status::Charged, Duration::ZERO).await.unwrap_err();
    assert!(overtaken.is_overtaken(), "{overtaken}");
    // The lease runs out, and the other takes over.
    assert_eq!(other.advance(&order, Status::Charged, PATIENCE).await.unwrap().status, Status::Charged);

    let late = shop.books.charge(&order, frozen.fencing_token(), 900).await.unwrap_err();
    let LedgerError::Stale { seen, given } = late else { panic!("{late}") };
    assert!(given < seen);
    assert_eq!((shop.charges().len(), shop.books.summary().refused), (1, 1));
    record_refuses(&shop, &order, frozen.fencing_token()).await;
}

/// The order's record refuses the overtaken holder, whatever it expects to find.
async fn record_refuses(shop: &Shop, order: &str, token: FencingToken) {
    let states = shop.memory.state_store(model::NAMESPACE).unwrap();
    let refused = states.save(&model::order_key(order), "{}".into(), SaveOptions::new().fenced_by(token)).await;
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_order_that_is_not_there_cannot_be_brought_on() {
    let shop = Shop::open().await;
    let nothing = shop.instance().advance(&"0".repeat(32), Status::Settled, PATIENCE).await;
    assert!(matches!(nothing, Err(CheckoutError::NoSuchOrder)));
}
