//! Placing orders.

use checkout::{
    error::CheckoutError,
    model::{self, Stock},
};
use concurrency_core::{SaveOptions, TypedState};
use tokio::task::JoinSet;

use crate::shop::{Shop, wanted};

#[tokio::test]
async fn a_repeated_key_gets_the_same_answer_at_any_instance() {
    let shop = Shop::open().await;
    let first = shop.instance().place("k", &wanted("tea", 2)).await.unwrap();
    assert!(!first.repeated);
    assert_eq!(first.receipt.amount, 900);
    for instance in [shop.instance(), shop.instance()] {
        let again = instance.place("k", &wanted("tea", 2)).await.unwrap();
        assert!(again.repeated);
        assert_eq!(again.receipt, first.receipt);
    }
    let stored = shop.stored().await;
    assert_eq!(stored.orders.len(), 1);
    assert_eq!(stored.stocks["tea"], Stock { initial: 10, left: 8 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_one_key_at_once_make_one_order() {
    let shop = Shop::open().await;
    let mut requests = JoinSet::new();
    for _ in 0..16 {
        let instance = shop.instance();
        requests.spawn(async move { instance.place("k", &wanted("tea", 1)).await.unwrap() });
    }
    let answers = requests.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(answers.iter().all(|answer| answer.receipt == answers[0].receipt));
    assert_eq!(shop.stored().await.stocks["tea"].left, 9);
}

#[tokio::test]
async fn another_order_under_the_same_key_is_refused() {
    let shop = Shop::open().await;
    shop.instance().place("k", &wanted("tea", 2)).await.unwrap();
    for other in [wanted("tea", 3), wanted("mug", 2)] {
        let refused = shop.instance().place("k", &other).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::KeyReused), "{refused}");
        assert_eq!(refused.status(), 422);
    }
    assert_eq!(shop.stored().await.orders.len(), 1);
}

#[tokio::test]
async fn what_is_out_of_stock_leaves_no_trace_and_the_key_may_be_used_again() {
    let shop = Shop::open().await;
    let refused = shop.instance().place("k", &wanted("tea", 11)).await.unwrap_err();
    assert!(matches!(refused, CheckoutError::OutOfStock), "{refused}");
    let stored = shop.stored().await;
    assert!(stored.orders.is_empty() && stored.answers.is_empty() && stored.open.is_empty());
    assert_eq!(stored.stocks["tea"].left, 10);

    let shelves: TypedState<Stock> = TypedState::new(shop.memory.state_store(model::NAMESPACE).unwrap());
    let delivered = Stock { initial: 20, left: 20 };
    shelves.save(&model::stock_key("tea"), &delivered, SaveOptions::new().if_present()).await.unwrap();
    let accepted = shop.instance().place("k", &wanted("tea", 11)).await.unwrap();
    assert!(!accepted.repeated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_the_last_pieces_so_many_get_them_as_there_are() {
    let shop = Shop::open().await;
    let mut requests = JoinSet::new();
    for number in 0..30 {
        let instance = shop.instance();
        requests.spawn(async move { instance.place(&format!("k{number}"), &wanted("mug", 1)).await });
    }
    let answers = requests.join_all().await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(CheckoutError::OutOfStock))).count();
    assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), refused), (10, 20));
    assert_eq!(shop.stored().await.stocks["mug"].left, 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let shop = Shop::open().await;
    let instance = shop.instance();
    for key in ["", "two words", "tab\there", "naïve", &"k".repeat(201)] {
        let refused = instance.place(key, &wanted("tea", 1)).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::BadKey), "{key:?}: {refused}");
    }
    for quantity in [0, 101] {
        let refused = instance.place("k", &wanted("tea", quantity)).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::BadOrder(_)), "{quantity}: {refused}");
    }
    for sku in ["", "coffee", &"x".repeat(65)] {
        let refused = instance.place("k", &wanted(sku, 1)).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::NoSuchProduct), "{sku:?}: {refused}");
    }
    for id in ["", "7", "../stock/tea", &"g".repeat(32), &"0".repeat(32)] {
        assert!(matches!(instance.order(id).await, Err(CheckoutError::NoSuchOrder)), "{id:?}");
    }
    assert!(instance.place(&"k".repeat(200), &wanted("tea", 1)).await.is_ok());
    assert_eq!(shop.stored().await.orders.len(), 1);
}

#[tokio::test]
async fn a_product_is_loaded_once_for_all_instances() {
    let shop = Shop::open().await;
    for instance in [shop.instance(), shop.instance(), shop.instance()] {
        assert_eq!(instance.product("tea").await.unwrap().price, 450);
    }
    assert_eq!(shop.catalogue.asked()[0], ("tea".to_owned(), 1));
}
