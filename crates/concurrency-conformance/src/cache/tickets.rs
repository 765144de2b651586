//! Tickets: one loader at a time, and none that puts back what somebody removed meanwhile.

use std::{sync::Arc, time::Duration};

use concurrency_core::{Bytes, Cache, Error, Expiry, Lookup, Ticket, Ttl, clock::BootInstant};

use super::fixture::{
    Cx, HOUR, assert_holds, assert_loading, assert_missing, fill, outlive, put, refused, reserve, short_ttl, shown,
};

pub(super) async fn a_stored_value_is_a_hit(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    put(&*cache, "k", "v").await;
    for client in [&cache, &other] {
        let lookup = client.get_or_reserve("k", HOUR).await;
        assert!(matches!(&lookup, Ok(Lookup::Hit(value)) if value == "v"), "{}", shown(&lookup));
    }
}

pub(super) async fn one_caller_gets_the_ticket(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let ticket = reserve(&*cache, "k", HOUR).await;
    assert_eq!(&*ticket.key, "k", "the key of the ticket");
    for client in [&cache, &other, &cache] {
        assert_loading(&**client, "k", "while another ticket stands").await;
    }
    assert_missing(&*cache, "k", "while it is only reserved").await;
    let second = reserve(&*other, "l", HOUR).await;
    assert_ne!(ticket.token, second.token, "two tickets");
    assert_loading(&*cache, "l", "another key, reserved by another client").await;
}

pub(super) async fn a_reserved_key_holds_nothing(cx: Cx) {
    let cache = cx.open().await;
    let _ticket = reserve(&*cache, "k", HOUR).await;
    assert_missing(&*cache, "k", "reserved").await;
    assert!(matches!(cache.remove("k").await, Ok(false)), "a reservation counted as a value");
    let _ticket = reserve(&*cache, "k", HOUR).await;
    assert_eq!(cache.remove_many(&["k"]).await.ok(), Some(0), "a reservation counted as a value");
}

pub(super) async fn a_fill_sets_the_value_once(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let ticket = reserve(&*cache, "k", HOUR).await;
    assert!(fill(&*cache, ticket.clone(), "first").await, "fill with a standing ticket");
    assert_holds(&*other, "k", "first", "after the fill").await;
    let lookup = other.get_or_reserve("k", HOUR).await;
    assert!(matches!(&lookup, Ok(Lookup::Hit(value)) if value == "first"), "{}", shown(&lookup));
    assert!(!fill(&*cache, ticket.clone(), "second").await, "a ticket that was used");
    assert_holds(&*other, "k", "first", "after a second fill").await;
    cache.remove("k").await.expect("remove");
    assert!(!fill(&*cache, ticket, "third").await, "a ticket that was used, after a removal");
    assert_missing(&*other, "k", "after a third fill").await;
}

/// A ticket may be used by another client than the one that got it: it is known to the server.
pub(super) async fn a_ticket_is_known_to_the_server(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let ticket = reserve(&*cache, "k", HOUR).await;
    assert!(fill(&*other, ticket, "v").await, "fill at another client");
    assert_holds(&*cache, "k", "v", "after the fill").await;
}

pub(super) async fn a_reservation_ends_after_its_hold(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let hold = short_ttl(&cache.capabilities());
    let before = BootInstant::now();
    let slow = reserve(&*cache, "k", hold).await;
    if let Ok(Lookup::Reserved(_)) = other.get_or_reserve("k", hold).await {
        let passed = BootInstant::now().since(before);
        assert!(passed >= hold, "another ticket {passed:?} after a reservation for {hold:?}");
    }
    outlive(&cx, &*cache, hold * 2).await;
    let ticket = reserve(&*other, "k", HOUR).await;
    assert_ne!(slow.token, ticket.token, "the ticket of the next one");
    assert!(!fill(&*cache, slow, "slow").await, "a ticket after its hold, another one given");
    assert_missing(&*cache, "k", "after a late fill").await;
    assert_loading(&*cache, "k", "after a late fill").await;
    assert!(fill(&*other, ticket, "v").await, "the ticket that stands");
    assert_holds(&*cache, "k", "v", "after its fill").await;
}

pub(super) async fn a_fill_after_its_hold_is_refused(cx: Cx) {
    let cache = cx.open().await;
    let hold = short_ttl(&cache.capabilities());
    let slow = reserve(&*cache, "k", hold).await;
    outlive(&cx, &*cache, hold).await;
    assert!(!fill(&*cache, slow, "slow").await, "a ticket after its hold");
    assert_missing(&*cache, "k", "after a late fill").await;
}

pub(super) async fn a_fill_after_a_removal_is_refused(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    for round in 0..4 {
        let ticket = reserve(&*cache, "k", HOUR).await;
        let remover = [&cache, &other][round % 2];
        if round < 2 {
            assert!(matches!(remover.remove("k").await, Ok(false)), "remove of a reserved key");
        } else {
            assert_eq!(remover.remove_many(&["l", "k"]).await.ok(), Some(0), "remove_many of a reserved key");
        }
        assert!(!fill(&*cache, ticket, "old").await, "fill after a removal");
        assert_missing(&*cache, "k", "after a refused fill").await;
    }
    // The removal did not only end the old one: it left room for the next.
    let next = reserve(&*other, "k", HOUR).await;
    assert!(fill(&*other, next, "new").await, "a ticket given after the removal");
    assert_holds(&*cache, "k", "new", "after its fill").await;
}

pub(super) async fn a_fill_after_a_clear_is_refused(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    for clearer in [&cache, &other] {
        cache.clear().await.expect("clear");
        let mut tickets = Vec::new();
        for key in ["a", "b", "c", "d", "e"] {
            tickets.push(reserve(&*cache, key, HOUR).await);
        }
        clearer.clear().await.expect("clear");
        for ticket in tickets {
            let key = ticket.key.clone();
            assert!(!fill(&*cache, ticket, "old").await, "fill of {key:?} after a clear");
            assert_missing(&*cache, &key, "after a refused fill").await;
        }
        let next = reserve(&*cache, "a", HOUR).await;
        assert!(fill(&*cache, next, "new").await, "a ticket given after the clear");
    }
}

pub(super) async fn a_clear_elsewhere_leaves_a_ticket(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    let ticket = reserve(&*here, "k", HOUR).await;
    there.clear().await.expect("clear");
    assert_loading(&*here, "k", "after a clear of another namespace").await;
    assert!(fill(&*here, ticket, "v").await, "fill after a clear of another namespace");
}

pub(super) async fn a_fill_after_a_set_is_refused(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    for round in 0..4 {
        let ticket = reserve(&*cache, "k", HOUR).await;
        let writer = [&cache, &other][round % 2];
        if round < 2 {
            put(&**writer, "k", "newer").await;
        } else {
            let answers = writer.set_many(vec![("k".into(), Bytes::from("newer"))], Expiry::Never).await;
            assert!(answers[0].is_ok(), "set_many: {}", shown(&answers[0]));
        }
        assert!(!fill(&*cache, ticket.clone(), "older").await, "fill after a set");
        assert_holds(&*cache, "k", "newer", "after a refused fill").await;
        // Also where the newer value is gone again.
        assert!(matches!(cache.remove("k").await, Ok(true)), "remove");
        assert!(!fill(&*cache, ticket, "older").await, "fill after a set and a removal");
        assert_missing(&*cache, "k", "after a refused fill").await;
    }
}

pub(super) async fn writes_of_other_keys_leave_a_ticket(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let ticket = reserve(&*cache, "k", HOUR).await;
    for key in ["K", "k ", "l", "kk"] {
        put(&*other, key, "v").await;
        assert!(matches!(other.remove(key).await, Ok(true)), "remove of {key:?}");
    }
    for i in 0..200 {
        put(&*other, &format!("set{i}"), "v").await;
        let _other = reserve(&*other, &format!("reserved{i}"), HOUR).await;
    }
    assert_loading(&*other, "k", "after writes of other keys").await;
    assert!(fill(&*cache, ticket, "v").await, "fill after writes of other keys");
}

pub(super) async fn a_forged_ticket_fills_nothing(cx: Cx) {
    let cache = cx.open().await;
    let forged = |key: &str, token| Ticket { key: key.into(), token };
    for token in [[0; 16], [255; 16], concurrency_core::random::bytes()] {
        assert!(!fill(&*cache, forged("k", token), "forged").await, "a forged ticket of a key without one");
    }
    let ticket = reserve(&*cache, "k", HOUR).await;
    let of_another = reserve(&*cache, "l", HOUR).await;
    let mut near_miss = ticket.token;
    near_miss[15] ^= 1;
    let mut first_byte = ticket.token;
    first_byte[0] ^= 0x80;
    for token in [[0; 16], near_miss, first_byte, of_another.token] {
        assert!(!fill(&*cache, forged("k", token), "forged").await, "a forged ticket beside the one that stands");
        assert_missing(&*cache, "k", "after a forged ticket").await;
        assert_loading(&*cache, "k", "after a forged ticket").await;
    }
    assert!(fill(&*cache, ticket.clone(), "v").await, "the ticket that stands");
    put(&*cache, "m", "old").await;
    assert!(!fill(&*cache, forged("m", ticket.token), "forged").await, "a forged ticket of a key with a value");
    assert_holds(&*cache, "m", "old", "after a forged ticket").await;
}

pub(super) async fn a_bad_hold_is_refused(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "there", "v").await;
    for bad in [Duration::ZERO, Ttl::MAX + Duration::from_nanos(1), Duration::MAX] {
        refused!(cache.get_or_reserve("k", bad).await, Error::InvalidArgument { .. }, "a hold of {bad:?}");
        refused!(
            cache.get_or_reserve("there", bad).await,
            Error::InvalidArgument { .. },
            "a hold of {bad:?}, on a hit"
        );
    }
    let _ticket = reserve(&*cache, "k", Ttl::MAX).await;
}

pub(super) async fn waiting_ends_with_the_reservation(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    for end in 0..4 {
        let ticket = reserve(&*cache, "k", HOUR).await;
        let waiter = tokio::spawn(wait_for_value_or_ticket(Arc::clone(&other)));
        tokio::task::yield_now().await;
        let wanted = match end {
            0 => {
                assert!(fill(&*cache, ticket, "v").await, "fill");
                "hit"
            }
            1 => {
                put(&*cache, "k", "v").await;
                "hit"
            }
            2 => {
                cache.remove("k").await.expect("remove");
                "ticket"
            }
            _ => {
                cache.clear().await.expect("clear");
                "ticket"
            }
        };
        let got =
            tokio::time::timeout(Duration::from_secs(10), waiter).await.expect("a waiter of a reservation that ended");
        assert_eq!(got.expect("the waiter ends"), wanted, "end {end}");
        cache.clear().await.expect("clear");
    }
    // Without a reservation there is nothing to wait for.
    let waited = tokio::time::timeout(Duration::from_secs(10), cache.filled("none")).await;
    assert!(matches!(waited, Ok(Ok(()))), "filled of a key that nobody reserved: {waited:?}");
}

/// As a loader does it: `filled` is a hint, so the question is asked again.
async fn wait_for_value_or_ticket(cache: Arc<dyn Cache>) -> &'static str {
    loop {
        match cache.get_or_reserve("k", HOUR).await.expect("get_or_reserve") {
            Lookup::Hit(_) => return "hit",
            Lookup::Reserved(_) => return "ticket",
            Lookup::Loading => cache.filled("k").await.expect("filled"),
        }
    }
}

pub(super) async fn waiting_ends_when_a_reservation_lapses(cx: Cx) {
    let (cache, other) = (cx.open().await, cx.other_client().await);
    let hold = short_ttl(&cache.capabilities());
    let _lost = reserve(&*cache, "k", hold).await;
    let waiting = wait_for_value_or_ticket(other);
    let patience = super::fixture::longest(&cache.capabilities(), hold) + Duration::from_secs(5);
    let got = tokio::time::timeout(patience, waiting).await;
    assert_eq!(got.ok(), Some("ticket"), "after a reservation lapsed");
}

pub(super) async fn tickets_are_refused_where_they_are_not_declared(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "there", "v").await;
    for key in ["there", "none"] {
        refused!(cache.get_or_reserve(key, HOUR).await, Error::Unsupported { .. }, "get_or_reserve");
        let forged = Ticket { key: key.into(), token: [7; 16] };
        refused!(cache.fill(forged, "forged".into(), Expiry::Never).await, Error::Unsupported { .. }, "fill");
    }
    assert_holds(&*cache, "there", "v", "after the refusals").await;
    assert_missing(&*cache, "none", "after the refusals").await;
}
