//! Orders that are held at the points where a fault does the most harm.

use std::{sync::Arc, time::Duration};

use checkout::{
    ledger::Ledger,
    model::Status,
    points::{Point, PointNotice, Points},
    service::Checkout,
};
use concurrency_core::{
    Memory,
    clock::{self, BootInstant, simulate},
};
use tokio::sync::mpsc;

use crate::shop::{PATIENCE, Shop, wanted};

fn aimed(shop: &Shop, memory: &Memory) -> (Arc<Points>, mpsc::UnboundedReceiver<PointNotice>, Arc<Checkout>) {
    let (tell, notices) = mpsc::unbounded_channel();
    let points = Arc::new(Points::telling(tell));
    let ledger = Arc::clone(&shop.books) as Arc<dyn Ledger>;
    let checkout = Checkout::new(Arc::new(memory.another_client()), ledger, Arc::clone(&shop.catalogue)).unwrap();
    (Arc::clone(&points), notices, Arc::new(checkout.with_points(points)))
}

#[tokio::test(start_paused = true)]
async fn an_armed_point_holds_one_order_and_says_so() {
    let _simulation = simulate(1);
    let shop = Shop::open().await;
    let (points, mut notices, instance) = aimed(&shop, &shop.memory);
    points.arm(Some(Point::Save));
    let orders = [("a", "tea"), ("b", "mug")].map(|(key, sku)| {
        let instance = Arc::clone(&instance);
        tokio::spawn(async move {
            let id = instance.place(key, &wanted(sku, 1)).await.unwrap().receipt.order;
            instance.advance(&id, Status::Charged, PATIENCE).await.unwrap()
        })
    });
    let Some(PointNotice::Reached { point: Point::Save, order, .. }) = notices.recv().await else { panic!("nobody") };
    assert_eq!(instance.order(&order).await.unwrap().status, Status::Placed, "charged, and not saved yet");
    assert!(shop.books.records().iter().any(|record| record.order == order && record.amount.is_some()));
    assert_eq!(notices.recv().await, Some(PointNotice::Passed { point: Point::Save, order }));
    for order in orders {
        assert_eq!(order.await.unwrap().status, Status::Charged);
    }
    assert!(notices.try_recv().is_err(), "the other order was not held");
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_was_decided_is_sent_although_its_work_was_dropped() {
    let _simulation = simulate(1);
    let shop = Shop::open().await;
    let (points, mut notices, instance) = aimed(&shop, &shop.memory);
    points.arm(Some(Point::Charge));
    let id = instance.place("k", &wanted("tea", 2)).await.unwrap().receipt.order;
    let work = {
        let (instance, id) = (Arc::clone(&instance), id.clone());
        tokio::spawn(async move { instance.advance(&id, Status::Charged, PATIENCE).await })
    };
    let Some(PointNotice::Reached { point: Point::Charge, .. }) = notices.recv().await else { panic!("nobody") };
    work.abort();
    assert!(work.await.unwrap_err().is_cancelled());
    assert!(shop.charges().is_empty());
    // Another takes over, reads, and charges; the charge that was on its way comes too late.
    let other = shop.instance().advance(&id, Status::Charged, PATIENCE).await.unwrap();
    assert_eq!(other.status, Status::Charged);
    clock::sleep_until(BootInstant::now().after(Duration::from_secs(2))).await;
    assert_eq!((shop.charges(), shop.books.summary().refused), (vec![900], 1));
}
