//! The service as its clients see it.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use checkout::{
    client::{Answer, Client},
    instance::Instance,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::shop::{Shop, wanted};

async fn serve(shop: &Shop) -> (Instance, Client) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let instance = Instance::start(shop.instance(), shop.totals(), listener).unwrap();
    let client = Client::new(instance.address());
    (instance, client)
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn an_order_and_its_repeats() {
    let shop = Shop::open().await;
    let (one, mut client) = serve(&shop).await;
    let (two, mut elsewhere) = serve(&shop).await;
    let first = client.order("k", &wanted("tea", 2)).await.unwrap();
    assert_eq!(first.status, 201);
    let id = json(&first)["order"].as_str().unwrap().to_owned();
    assert_eq!(json(&first), json!({"order": id, "sku": "tea", "quantity": 2, "unit_price": 450, "amount": 900}));
    assert_eq!(elsewhere.order("k", &wanted("tea", 2)).await.unwrap(), first);
    assert_eq!(elsewhere.order("k", &wanted("tea", 3)).await.unwrap().status, 422);
    assert_eq!(client.order("l", &wanted("tea", 9)).await.unwrap().status, 409);

    let seen = elsewhere.get(&format!("/orders/{id}")).await.unwrap();
    assert_eq!((seen.status.as_u16(), &json(&seen)["amount"]), (200, &json!(900)));
    assert_ne!(json(&seen)["status"], "placed");
    assert_eq!(client.get("/orders/7").await.unwrap().status, 404);
    assert_eq!(json(&client.get("/products/mug").await.unwrap())["price"], 1190);
    assert_eq!(client.get("/products/coffee").await.unwrap().status, 404);
    assert_eq!(client.get("/healthz").await.unwrap().status, 200);
    one.stop().await;
    two.stop().await;
    assert!(client.get("/healthz").await.is_err());
}

#[tokio::test]
async fn looking_at_an_order_finishes_it() {
    let shop = Shop::open().await;
    let placed = shop.instance().place("k", &wanted("tea", 2)).await.unwrap();
    let (instance, mut client) = serve(&shop).await;
    let seen = client.get(&format!("/orders/{}", placed.receipt.order)).await.unwrap();
    assert_ne!(json(&seen)["status"], "placed", "{seen:?}");
    assert_eq!(shop.charges().len(), 1);
    instance.stop().await;
}

/// Sends a request as it is, and gives the status line and the body.
async fn raw(instance: &Instance, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(instance.address()).await.unwrap();
    let request = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn requests_that_are_refused() {
    let shop = Shop::open().await;
    let (instance, _) = serve(&shop).await;
    const TYPE: &str = "content-type: application/json";
    let post = |more: &str| format!("POST /orders HTTP/1.1\r\n{TYPE}{more}");
    let key = "\r\nidempotency-key: k";
    let good = r#"{"sku": "tea", "quantity": 1}"#;
    let secret = r#"{"sku": "hunter2", "quantity": "many"}"#;
    for (head, body, status) in [
        (post(""), good, "400"),
        (post("\r\nidempotency-key: two words"), good, "400"),
        (post(&format!("{key}{key}")), good, "400"),
        (post(key), "", "400"),
        (post(key), "{", "400"),
        (post(key), secret, "400"),
        (post(key), r#"{"sku": "tea", "quantity": 0}"#, "400"),
        (post(key), r#"{"sku": "tea", "quantity": 1, "price": 0}"#, "400"),
        (post(key), r#"{"sku": "coffee", "quantity": 1}"#, "404"),
        ("GET /orders/a/b HTTP/1.1".to_owned(), "", "404"),
        ("DELETE /orders HTTP/1.1".to_owned(), "", "405"),
    ] {
        let (answered, text) = raw(&instance, &head, body).await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {status}")), "{head} {body}: {answered}");
        assert!(!text.contains("hunter2"), "a value is quoted: {text}");
    }
    assert!(shop.stored().await.orders.is_empty());
    let (first, _) = raw(&instance, &post(key), good).await;
    let (again, _) = raw(&instance, &post(key), good).await;
    assert!(!first.contains("idempotent-replayed") && again.contains("idempotent-replayed: true"), "{again}");
    instance.stop().await;
}

#[tokio::test]
async fn an_instance_whose_backend_is_gone_says_so() {
    let shop = Shop::open().await;
    let memory = shop.memory.another_client();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let checkout = shop.instance_over(Arc::new(memory.clone()));
    let instance = Instance::start(checkout, shop.totals(), listener).unwrap();
    let mut client = Client::new(instance.address());
    concurrency_core::Backend::close(&memory).await;
    assert_eq!(client.get("/healthz").await.unwrap().status, 503);
    let refused = client.order("k", &wanted("tea", 1)).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.body), (503, Bytes::from(r#"{"error":"closed"}"#)));
    instance.stop().await;
}
