//! What a call through `Arc<dyn _>` allocates: the box of its future, once.

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use concurrency_core::{
    Backend, Bytes, Cache, Claim, DeleteOptions, EventStore, Expiry, Lock, Memory, Null, Position, ReadQuery,
    SaveOptions, StateStore,
};

/// What making the future allocates, before anybody polls it. A second box round it would count.
fn making<F: Future>(make: impl Fn() -> F) -> AllocationInfo {
    drop(make());
    measure(|| drop(make()))
}

fn assert_one_box<F: Future>(what: &str, make: impl Fn() -> F) {
    let allocated = making(make);
    assert_eq!((allocated.count_total, allocated.count_current), (1, 0), "{what}: {allocated:?}");
}

/// One of each.
type Components = (Arc<dyn StateStore>, Arc<dyn Cache>, Arc<dyn Lock>, Arc<dyn EventStore>);

fn components(backend: &dyn Backend) -> Components {
    let state = backend.state_store("a").expect("a state store");
    let cache = backend.cache("a").expect("a cache");
    (state, cache, backend.lock("a").expect("locks"), backend.event_store("a").expect("an event store"))
}

/// Asks what it is given by value, so that methods are those of the pointer, and not of what it points to.
fn each_call_boxes_once<S: StateStore, C: Cache, L: Lock, E: EventStore>(state: S, cache: C, lock: L, events: E) {
    assert_one_box("load", || state.load("k"));
    assert_one_box("save", || state.save("k", Bytes::new(), SaveOptions::new()));
    assert_one_box("delete", || state.delete("k", DeleteOptions::new()));
    assert_one_box("get", || cache.get("k"));
    assert_one_box("set", || cache.set("k", Bytes::new(), Expiry::Never));
    assert_one_box("remove", || cache.remove("k"));
    let claim = Claim::new("k", std::time::Duration::from_secs(1)).expect("a good claim");
    assert_one_box("try_acquire", || lock.try_acquire(&claim));
    assert_one_box("acquire", || lock.acquire(&claim, std::time::Duration::ZERO));
    assert_one_box("holder", || lock.holder("k"));
    assert_one_box("read", || events.read("s", ReadQuery::forwards(1)));
    assert_one_box("read_all", || events.read_all(Position::START, 1));
    assert_one_box("load_snapshot", || events.load_snapshot("s"));
}

#[test]
fn a_call_through_a_pointer_boxes_once() {
    let (state, cache, lock, events) = components(&Memory::new());
    each_call_boxes_once(state, cache, lock, events);
    let (state, cache, lock, events) = components(&Null::new());
    each_call_boxes_once(state, cache, lock, events);
    // A pointer to a pointer costs no more.
    let (state, cache, lock, events) = components(&Memory::new());
    each_call_boxes_once(Box::new(state), Box::new(cache), Box::new(lock), Box::new(events));
}

#[test]
fn a_hit_allocates_nothing_but_that_box() {
    let cache: Arc<dyn Cache> = Memory::new().cache("a").expect("a cache");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(cache.set("k", Bytes::from_static(b"value"), Expiry::Never)).expect("set");
    let got = measure(|| drop(runtime.block_on(cache.get("k"))));
    assert_eq!(got.count_total, 1, "{got:?}");
}
