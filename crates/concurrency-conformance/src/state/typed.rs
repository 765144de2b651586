//! `TypedState` and its codec over the store under test.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concurrency_core::{
    Codec, DeleteOptions, Error, FencingToken, Next, StateStore, TypedState, UpdateOptions, Updated, clock::BootInstant,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, RuntimeFlavor};

use super::fixture::{
    Cx, HOUR, PLAIN, assert_expires_in, assert_holds, assert_missing, assert_permanent, put, refused, short_ttl,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    lines: Vec<(String, u32)>,
    paid: Option<bool>,
    total: f64,
}

fn orders() -> [Order; 3] {
    let lines = vec![("naïve 😀 \u{0} \"quoted\"".to_owned(), u32::MAX), (String::new(), 0)];
    [
        Order { id: "7".to_owned(), lines, paid: Some(true), total: 12.5 },
        Order { id: String::new(), lines: Vec::new(), paid: None, total: -0.0 },
        Order { id: "x".repeat(2000), lines: Vec::new(), paid: Some(false), total: f64::MAX },
    ]
}

pub(super) async fn values_are_stored_as_json(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<(String, Option<u8>)>::new(Arc::clone(&store));
    typed.save("k", &("a".to_owned(), None), PLAIN).await.expect("save");
    assert_holds(&*store, "k", r#"["a",null]"#, None, "a typed value, as bytes").await;
    put(&*store, "k", r#" ["b", 7] "#).await;
    let read = typed.load("k").await.expect("load of JSON that another program wrote").expect("it is there");
    assert_eq!(read.value, ("b".to_owned(), Some(7)));
}

pub(super) async fn what_is_saved_is_loaded(cx: Cx) {
    let typed = TypedState::<Order>::new(cx.open().await).with_codec(Codec::Json);
    assert!(typed.load("missing").await.expect("load").is_none());
    for order in orders() {
        let version = typed.save("k", &order, PLAIN).await.expect("save");
        let state = typed.load("k").await.expect("load").expect("it is there");
        assert_eq!((state.value, state.version), (order.clone(), version));
        let many = typed.load_many(&["missing", "k", "k"]).await.expect("load_many");
        assert!(many[0].is_none());
        assert!(many[1..].iter().all(|state| state.as_ref().is_some_and(|state| state.value == order)), "{many:?}");
    }
    assert!(typed.delete("k", DeleteOptions::new()).await.expect("delete"));
    assert!(typed.load("k").await.expect("load").is_none());
}

pub(super) async fn undecodable_bytes_are_an_error_and_stay(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<Order>::new(Arc::clone(&store));
    for bytes in ["", "{", "null", "\"hunter2\"", "{\"id\":\"hunter2\"}", "[1,2,3]", "\u{0}"] {
        let version = put(&*store, "k", bytes).await;
        refused!(typed.load("k").await, Error::Decode { .. }, "load of {bytes:?}");
        refused!(typed.load_many(&["missing", "k"]).await, Error::Decode { .. }, "load_many of {bytes:?}");
        let mut runs = 0;
        let update = typed.update("k", |_| {
            runs += 1;
            orders()[0].clone()
        });
        refused!(update.await, Error::Decode { .. }, "update of {bytes:?}");
        assert_eq!(runs, 0, "the closure ran on a value that nobody could read");
        assert_holds(&*store, "k", bytes, Some(version), "after it could not be read").await;
    }
}

pub(super) async fn unencodable_values_are_not_sent(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<BTreeMap<(u8, u8), String>>::new(Arc::clone(&store));
    // JSON has text as names, and nothing else.
    let value = || BTreeMap::from([((1, 2), "hunter2".to_owned())]);
    refused!(typed.save("k", &value(), PLAIN).await, Error::Encode { .. }, "save");
    refused!(typed.update("k", |_| value()).await, Error::Encode { .. }, "update");
    refused!(typed.write("k", &value(), PLAIN), Error::Encode { .. }, "a write for a commit");
    assert_missing(&*store, "k", "after it could not be written").await;
}

pub(super) async fn codec_errors_quote_no_value(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "{\"id\":\"hunter2\",\"lines\":\"hunter2\"}").await;
    put(&*store, "text", "\"hunter2\"").await;
    let mut errors = vec![
        TypedState::<Order>::new(Arc::clone(&store)).load("k").await.map(drop),
        TypedState::<u64>::new(Arc::clone(&store)).load("text").await.map(drop),
        TypedState::<u64>::new(Arc::clone(&store)).update("text", |_| 1).await.map(drop),
    ];
    let unwritable = TypedState::<BTreeMap<(u8, String), u8>>::new(Arc::clone(&store));
    let value = BTreeMap::from([((1, "hunter2".to_owned()), 1)]);
    errors.push(unwritable.save("k", &value, PLAIN).await.map(drop));
    for error in errors {
        let error = error.expect_err("none of these can be read or written");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "a value shows in {text}");
        assert!(text.len() > 20, "it says where: {text}");
    }
}

/// The first writes that get through between load and save belong to somebody else.
pub(super) async fn update_starts_again_from_what_is_there(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<Vec<u64>>::new(Arc::clone(&store)).with_deadline(HOUR);
    typed.save("k", &vec![], PLAIN).await.expect("save");
    for interference in [0_u64, 1, 3] {
        let (mut runs, mut seen) = (0, Vec::new());
        let updated = typed.update("k", |value| {
            runs += 1;
            let mut value = value.expect("it is there");
            seen.push(value.len());
            if runs <= interference {
                interfere(&store);
            }
            value.push(runs);
            value
        });
        let updated = updated.await.expect("update");
        assert_eq!(runs, interference + 1, "the closure runs once more for each conflict");
        assert!(seen.is_sorted_by(|a, b| a < b), "each run is given what is there then: {seen:?}");
        let state = typed.load("k").await.expect("load").expect("it is there");
        assert_eq!((state.value, state.version), (updated.value, updated.version));
    }
    let all = typed.load("k").await.expect("load").expect("it is there").value;
    assert_eq!(all, [1, 0, 2, 0, 0, 0, 4], "what the updates (1, 2, 4) and the others (0) added");
}

/// Somebody else adds an element, from within a closure: on another thread, because a runtime cannot wait inside itself.
fn interfere(store: &Arc<dyn StateStore>) {
    let intruder = TypedState::<Vec<u64>>::new(Arc::clone(store));
    let add = async move {
        let mut state = intruder.load("k").await.expect("load").expect("it is there");
        state.value.push(0);
        intruder.save("k", &state.value, PLAIN).await.expect("save")
    };
    let ours = tokio::runtime::Handle::current();
    let work = move || match ours.runtime_flavor() {
        // Under virtual time the only thread waits for this one; a store in this process answers without it.
        RuntimeFlavor::CurrentThread => Builder::new_current_thread().build().expect("a runtime starts").block_on(add),
        _ => ours.block_on(add),
    };
    let _version = std::thread::spawn(work).join().expect("the other write succeeds");
}

pub(super) async fn update_saves_deletes_or_keeps(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<u64>::new(Arc::clone(&store));
    let update = async |next: Next<u64>| {
        typed.update_with("k", UpdateOptions::new(), |_| Ok::<_, Error>(next.clone())).await.expect("update_with")
    };
    assert_eq!(update(Next::Keep).await, Updated::Kept);
    assert_missing(&*store, "k", "after a missing key was kept").await;
    let saved = update(Next::Save(7)).await.saved().expect("it was saved");
    assert_holds(&*store, "k", "7", Some(saved.version), "after an update that saves").await;
    assert_eq!(update(Next::Keep).await, Updated::Kept);
    assert_holds(&*store, "k", "7", Some(saved.version), "after an update that keeps").await;
    assert_eq!(update(Next::Delete).await, Updated::Deleted);
    assert_missing(&*store, "k", "after an update that deletes").await;
    assert_eq!(update(Next::Delete).await, Updated::Deleted);
}

pub(super) async fn update_may_refuse_and_be_fenced(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<u64>::new(Arc::clone(&store));
    let version = typed.save("k", &1, PLAIN).await.expect("save");
    let answer = typed.try_update("k", UpdateOptions::new(), |_| Err(Error::unsupported("what was asked"))).await;
    refused!(answer, Error::Unsupported { what: "what was asked" }, "the closure's own error");
    assert_holds(&*store, "k", "1", Some(version), "after the closure refused").await;
    if store.capabilities().fencing {
        let fenced = |token| UpdateOptions::new().fenced_by(FencingToken(token));
        typed.try_update("k", fenced(7), |n| Ok::<_, Error>(n.unwrap_or(0) + 1)).await.expect("a fenced update");
        let late = typed.try_update("k", fenced(6), |n| Ok::<_, Error>(n.unwrap_or(0) + 1)).await;
        refused!(late, Error::Fenced { .. }, "an update of an earlier holder");
        let late = typed.update_with("k", fenced(6), |_| Ok::<_, Error>(Next::Delete)).await;
        refused!(late, Error::Fenced { .. }, "a delete of an earlier holder");
        assert_holds(&*store, "k", "2", None, "after a late update").await;
    }
}

pub(super) async fn update_keeps_the_lifetime_unless_told_otherwise(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<u64>::new(Arc::clone(&store));
    let saved = BootInstant::now();
    typed.save("k", &0, PLAIN.with_ttl(HOUR)).await.expect("save");
    cx.sleep(short_ttl(&*store)).await;
    typed.update("k", |n| n.unwrap_or(0) + 1).await.expect("update");
    assert_expires_in(&*store, "k", HOUR, saved, "after an update").await;
    let left = typed.load("k").await.expect("load").expect("it lives").expires_in.expect("it expires");
    assert!(left < HOUR + store.capabilities().ttl_granularity - short_ttl(&*store) / 2, "it began anew: {left:?}");
    let set = async |options| {
        typed.try_update("k", options, |n| Ok::<_, Error>(n.unwrap_or(0) + 1)).await.expect("try_update")
    };
    let saved = BootInstant::now();
    set(UpdateOptions::new().with_ttl(HOUR * 5)).await;
    assert_expires_in(&*store, "k", HOUR * 5, saved, "after an update with a TTL").await;
    set(UpdateOptions::new().permanent()).await;
    assert_permanent(&*store, "k", "after an update that makes permanent").await;
    set(UpdateOptions::new()).await;
    assert_permanent(&*store, "k", "after an update of what is permanent").await;
}

/// A conflict that never ends: each run of the closure is followed by somebody else's write.
pub(super) async fn update_ends_at_its_deadline(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<Vec<u64>>::new(Arc::clone(&store)).with_deadline(Duration::from_millis(300));
    typed.save("k", &vec![], PLAIN).await.expect("save");
    let (start, mut runs) = (BootInstant::now(), 0);
    let refused = typed.update("k", |value| {
        runs += 1;
        interfere(&store);
        value.unwrap_or_default()
    });
    refused!(refused.await, Error::Conflict { .. }, "an update that is always refused");
    let took = BootInstant::now().since(start);
    assert!(took < Duration::from_secs(10), "it went on for {took:?} with a deadline of 300 ms");
    assert!(runs > 1, "it gave up after one conflict");
    assert_eq!(typed.counts().conflicts, runs, "each conflict is counted");
}

pub(super) async fn a_panicking_closure_leaves_nothing_locked(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<u64>::new(Arc::clone(&store));
    let version = typed.save("k", &1, PLAIN).await.expect("save");
    let view = typed.clone();
    let panicked = tokio::spawn(async move { view.update("k", |_| panic!("on purpose")).await }).await;
    assert!(panicked.is_err_and(|error| error.is_panic()), "the panic is the caller's");
    assert_holds(&*store, "k", "1", Some(version), "after the closure panicked").await;
    let updated = typed.update("k", |n| n.unwrap_or(0) + 1).await.expect("an update after the panic");
    assert_eq!(updated.value, 2);
}

pub(super) async fn views_of_one_store_share_a_commit(cx: Cx) {
    let store = cx.open().await;
    let (numbers, names) = (TypedState::<u64>::new(Arc::clone(&store)), TypedState::<String>::new(Arc::clone(&store)));
    let writes = || {
        vec![
            numbers.write("n", &7, PLAIN.if_absent()).expect("a number is JSON"),
            names.write("s", &"seven".to_owned(), PLAIN.if_absent()).expect("text is JSON"),
        ]
    };
    let version = store.commit(writes()).await.expect("commit");
    let (n, s) = (numbers.load("n").await.expect("load"), names.load("s").await.expect("load"));
    assert_eq!(n.map(|state| (state.value, state.version)), Some((7, version)));
    assert_eq!(s.map(|state| (state.value, state.version)), Some(("seven".to_owned(), version)));
    refused!(store.commit(writes()).await, Error::Conflict { .. }, "the same commit again");
}

pub(super) async fn a_view_counts_what_it_does(cx: Cx) {
    let store = cx.open().await;
    let typed = TypedState::<u64>::new(Arc::clone(&store));
    let clone = typed.clone();
    typed.save("k", &1, PLAIN).await.expect("save");
    refused!(clone.save("k", &1, PLAIN.if_absent()).await, Error::Conflict { .. }, "Absent over a live key");
    clone.update("k", |n| n.unwrap_or(0) + 1).await.expect("update");
    let _many = typed.load_many(&["k", "l"]).await.expect("load_many");
    assert!(clone.delete("k", DeleteOptions::new()).await.expect("delete"));
    let counts = typed.counts();
    assert_eq!((counts.loads, counts.saves, counts.deletes, counts.conflicts), (3, 2, 1, 1), "{counts:?}");
    assert_eq!(counts, clone.counts(), "clones count together");
}
