//! What is broken on purpose is broken in the way that it says, and in no other.

use std::sync::Arc;

use checkout::{
    broken::{Break, Broken},
    model::{self, Status},
    totals::{self, Totals},
};
use concurrency_core::{Backend, Claim, Error, Lock, Precondition, SaveOptions, StateStore, Write, clock::simulate};

use crate::shop::{PATIENCE, Shop, wanted};

fn broken(shop: &Shop, part: Break) -> Arc<dyn Backend> {
    Arc::new(Broken::new(Arc::new(shop.memory.another_client()), part))
}

#[test]
fn every_part_has_a_name_of_its_own() {
    for part in Break::ALL {
        assert_eq!(part.to_string().parse(), Ok(part));
    }
    assert!("clock".parse::<Break>().is_err());
}

#[tokio::test]
async fn a_generous_lock_grants_everybody_the_same_token() {
    let shop = Shop::open().await;
    let lock = broken(&shop, Break::Lock).lock(model::NAMESPACE).unwrap();
    let claim = || Claim::new("order/7", PATIENCE).unwrap();
    let (one, two) = (lock.try_acquire(&claim()).await.unwrap(), lock.try_acquire(&claim()).await.unwrap());
    assert_eq!(one.unwrap().fencing_token(), two.unwrap().fencing_token());
    let honest = broken(&shop, Break::Stock).lock(model::NAMESPACE).unwrap();
    assert!(honest.try_acquire(&claim()).await.unwrap().is_some());
    assert!(honest.try_acquire(&claim()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_careless_store_lifts_the_precondition_of_stocks_alone() {
    let shop = Shop::open().await;
    let store = broken(&shop, Break::Stock).state_store(model::NAMESPACE).unwrap();
    let absent = |key: &str| vec![Write::save(key, "{}", SaveOptions::new().when(Precondition::Absent))];
    assert!(store.commit(absent(&model::stock_key("tea"))).await.is_ok(), "it is there, and it is overwritten");
    store.commit(absent("order/7")).await.unwrap();
    assert!(matches!(store.commit(absent("order/7")).await, Err(Error::Conflict { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_projection_that_forgets_its_checkpoint_counts_twice() {
    let _simulation = simulate(1);
    let shop = Shop::open().await;
    shop.sell().await;
    assert!(shop.audit().await.is_clean());
    Totals::projector(&*broken(&shop, Break::Events)).unwrap().catch_up().await.unwrap();
    let audit = shop.audit().await;
    let wrong: Vec<_> = audit.findings.iter().filter(|finding| !finding.wrong.is_empty()).collect();
    assert_eq!(wrong.iter().map(|finding| finding.what).collect::<Vec<_>>(), ["projection"]);
    let store = shop.memory.state_store(model::TOTALS).unwrap();
    assert!(store.load(totals::NAME).await.unwrap().is_some(), "it has remembered the new one");
}

#[tokio::test]
async fn what_was_forgotten_stays_so_until_something_is_counted_again() {
    let shop = Shop::open().await;
    shop.sell().await;
    let store = broken(&shop, Break::Events).state_store(model::TOTALS).unwrap();
    let counted = || Write::save(totals::NAME, "{}", SaveOptions::new());
    for _ in 0..2 {
        assert!(store.load(totals::NAME).await.unwrap().is_none());
        let absent = Write::save(totals::row_key("tea"), "{}", SaveOptions::new().when(Precondition::Absent));
        let refused = store.commit(vec![counted(), absent]).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    }
    store.commit(vec![counted()]).await.unwrap();
    assert!(store.load(totals::NAME).await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_else_is_broken_with_the_ledger() {
    let shop = Shop::open().await;
    let instance = shop.instance_over(broken(&shop, Break::Fence));
    let order = instance.place("k", &wanted("tea", 1)).await.unwrap().receipt.order;
    assert_eq!(instance.advance(&order, Status::Settled, PATIENCE).await.unwrap().status, Status::Settled);
}
