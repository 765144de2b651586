//! No stale reads: what was acknowledged to one client is what all clients see.

use std::sync::Arc;

use concurrency_core::{Bytes, Cache, Expiry};

use super::fixture::{Cx, assert_holds, assert_missing, put, shown};

async fn clients(cx: &Cx) -> [Arc<dyn Cache>; 3] {
    [cx.open().await, cx.other_client().await, cx.other_client().await]
}

pub(super) async fn after_a_set_no_client_gets_an_older_value(cx: Cx) {
    let clients = clients(&cx).await;
    for round in 0..30 {
        let value = format!("value {round}");
        let writer = &clients[round % 3];
        if round % 2 == 0 {
            put(&**writer, "k", &value).await;
        } else {
            let answers = writer.set_many(vec![("k".into(), Bytes::from(value.clone()))], Expiry::Never).await;
            assert!(answers[0].is_ok(), "set_many: {}", shown(&answers[0]));
        }
        for (i, client) in clients.iter().enumerate() {
            assert_holds(&**client, "k", &value, &format!("at client {i} after a set at client {}", round % 3)).await;
        }
    }
}

pub(super) async fn after_a_removal_no_client_gets_the_old_value(cx: Cx) {
    let clients = clients(&cx).await;
    for round in 0..30 {
        let (writer, remover) = (&clients[round % 3], &clients[(round + 1) % 3]);
        put(&**writer, "k", "old").await;
        for client in &clients {
            assert_holds(&**client, "k", "old", "before its removal").await;
        }
        if round % 2 == 0 {
            assert!(matches!(remover.remove("k").await, Ok(true)), "remove");
        } else {
            assert_eq!(remover.remove_many(&["k", "none"]).await.ok(), Some(1), "remove_many");
        }
        for (i, client) in clients.iter().enumerate() {
            assert_missing(&**client, "k", &format!("at client {i} after a removal elsewhere")).await;
        }
    }
}

pub(super) async fn after_a_clear_no_client_gets_an_old_value(cx: Cx) {
    let clients = clients(&cx).await;
    for round in 0..30 {
        let keys = ["a", "b", "c"];
        for (key, writer) in keys.iter().zip(&clients) {
            put(&**writer, key, &format!("{key} {round}")).await;
        }
        // All have looked, so that whoever remembers something remembers it now.
        for client in &clients {
            for key in keys {
                assert_holds(&**client, key, &format!("{key} {round}"), "before the clear").await;
            }
        }
        clients[round % 3].clear().await.expect("clear");
        for (i, client) in clients.iter().enumerate() {
            for key in keys {
                assert_missing(&**client, key, &format!("at client {i} after a clear elsewhere")).await;
            }
        }
    }
}

/// A cleared value stays away, however often the namespace is cleared and filled again.
pub(super) async fn no_clear_revives_what_an_earlier_one_removed(cx: Cx) {
    let [here, there, _] = clients(&cx).await;
    for round in 0..30 {
        put(&*here, &format!("k{round}"), "old").await;
        if round % 3 == 0 {
            here.clear().await.expect("clear");
        }
        there.clear().await.expect("clear");
        put(&*there, "last", "v").await;
        for earlier in 0..=round {
            let key = format!("k{earlier}");
            let value = here.get(&key).await;
            assert!(matches!(value, Ok(None)), "{key} is back after {round} clears: {}", shown(&value));
        }
        assert_holds(&*here, "last", "v", "set after the last clear").await;
    }
}

/// Each answer belongs to its question, also if many are under way at once.
pub(super) async fn every_caller_gets_its_own_answer(cx: Cx) {
    let cache = cx.open().await;
    let names: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
    for (i, key) in names.iter().enumerate() {
        put(&*cache, key, &format!("value {i}")).await;
    }
    for _ in 0..10 {
        let mut calls = tokio::task::JoinSet::new();
        for (i, key) in names.iter().cloned().enumerate() {
            let cache = Arc::clone(&cache);
            calls.spawn(async move {
                let one = cache.get(&key).await;
                let two = cache.get_many(&["none", &key]).await;
                (i, one, two)
            });
        }
        while let Some(call) = calls.join_next().await {
            let (i, one, two) = call.expect("a call ends");
            let wanted = Some(Bytes::from(format!("value {i}")));
            assert_eq!(one.ok(), Some(wanted.clone()), "get of k{i} among others");
            assert_eq!(two.ok(), Some(vec![None, wanted]), "get_many of k{i} among others");
        }
    }
}
