//! Typed states over a store that takes its time, refuses and loses replies.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    Bytes, Current, Error, FencingToken, Memory, Outcome, Save, StateCapabilities, Ttl,
    clock::{self, BootInstant},
};

const MINUTE: Duration = Duration::from_secs(60);
const UNKNOWN: Outcome = Outcome::Unknown { settled: false };

/// A `Memory` over a slow network, whose saves fail as told.
#[derive(Debug)]
struct Remote {
    store: Arc<dyn StateStore>,
    fails: Mutex<Option<Error>>,
    saves: AtomicU32,
}

impl Remote {
    fn new() -> Arc<Self> {
        let store = Memory::new().state_store("s").unwrap();
        Arc::new(Self { store, fails: Mutex::default(), saves: AtomicU32::new(0) })
    }

    async fn travel(&self) {
        tokio::time::sleep(crate::random::up_to(Duration::from_millis(2))).await;
    }
}

#[async_trait]
impl StateStore for Remote {
    fn capabilities(&self) -> StateCapabilities {
        self.store.capabilities()
    }
    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.travel().await;
        self.store.load(key).await
    }
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        self.travel().await;
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        self.store.save(key, value, options).await
    }
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.travel().await;
        self.store.delete(key, options).await
    }
}

async fn increments(counter: TypedState<u64>, times: u64) {
    for _ in 0..times {
        counter.update("k", |n| n.unwrap_or(0) + 1).await.unwrap();
    }
}

// T-6, T-40
#[tokio::test(start_paused = true)]
async fn updates_of_one_view_queue_and_lose_nothing() {
    let _time = clock::simulate(1);
    let counter = TypedState::<u64>::new(Remote::new()).with_deadline(MINUTE);
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(increments(counter.clone(), 20))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counter.load("k").await.unwrap().unwrap().value, 160);
    assert_eq!(counter.counts(), StateCounts { loads: 161, saves: 160, ..StateCounts::default() });
    assert_eq!(counter.shared.queue.len(), 0);
}

// T-6, T-7, T-8
#[tokio::test(start_paused = true)]
async fn updates_of_separate_views_repeat_and_lose_nothing() {
    let _time = clock::simulate(1);
    let remote = Remote::new();
    let views: Vec<_> =
        (0..4).map(|_| TypedState::<u64>::new(Arc::clone(&remote) as _).with_deadline(MINUTE)).collect();
    let tasks: Vec<_> = views.iter().map(|view| tokio::spawn(increments(view.clone(), 20))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(views[0].load("k").await.unwrap().unwrap().value, 80);
    assert!(views.iter().map(|view| view.counts().conflicts).sum::<u64>() > 0, "nothing was contended");
}

// T-7
#[tokio::test(start_paused = true)]
async fn conflicts_are_repeated_until_the_deadline() {
    let _time = clock::simulate(1);
    let remote = Remote::new();
    *remote.fails.lock().unwrap() = Some(Error::conflict("k", Current::Unknown));
    let counter = TypedState::<u64>::new(Arc::clone(&remote) as _).with_deadline(Duration::from_secs(2));
    let (start, mut runs) = (BootInstant::now(), 0);
    let refused = counter.update("k", |_| {
        runs += 1;
        runs
    });
    assert!(refused.await.unwrap_err().is_conflict());
    let took = BootInstant::now().since(start);
    assert!(took > Duration::from_millis(1900) && took < Duration::from_millis(2010), "{took:?}");
    assert!(runs > 10 && runs == counter.counts().conflicts, "{runs}");
}

// T-11
#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_goes_to_the_caller() {
    let _time = clock::simulate(1);
    let remote = Remote::new();
    *remote.fails.lock().unwrap() = Some(Error::Timeout { after: MINUTE, outcome: UNKNOWN });
    let counter = TypedState::<u64>::new(Arc::clone(&remote) as _);
    let mut runs = 0;
    let lost = counter.update("k", |_| {
        runs += 1;
        runs
    });
    assert_eq!(lost.await.unwrap_err().outcome(), UNKNOWN);
    assert_eq!((runs, remote.saves.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_queue_counts_to_the_deadline() {
    let _time = clock::simulate(1);
    let counter = TypedState::<u64>::new(Remote::new()).with_deadline(Duration::from_secs(1));
    let turn = counter.shared.queue.wait("k", BootInstant::now()).await.unwrap();
    let refused = counter.update("k", |_| panic!("it has no turn")).await.unwrap_err();
    assert!(matches!(refused, Error::Timeout { outcome: Outcome::NotApplied, .. }), "{refused}");
    counter.update("other", |_| 1).await.unwrap();
    drop(turn);
    counter.update("k", |_| 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panicking_closure_leaves_nothing_locked() {
    let _time = clock::simulate(1);
    let counter = TypedState::<u64>::new(Remote::new());
    let view = counter.clone();
    let panicked = tokio::spawn(async move { view.update("k", |_| panic!("on purpose")).await }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(counter.shared.queue.len(), 0);
    assert_eq!(counter.update("k", |n| n.map_or(1, |_| 0)).await.unwrap().value, 1);
}

// T-10
#[tokio::test(start_paused = true)]
async fn the_lifetime_stays_unless_told_otherwise() {
    let _time = clock::simulate(1);
    let memory = Memory::new();
    let counter = TypedState::<u64>::new(memory.state_store("s").unwrap());
    counter.save("k", &1, SaveOptions::new().with_ttl(MINUTE)).await.unwrap();
    memory.clock().advance(MINUTE / 2);
    assert_eq!(counter.update("k", |n| n.unwrap() + 1).await.unwrap().expires_in, Some(MINUTE / 2));
    assert_eq!(counter.load("k").await.unwrap().unwrap().expires_in, Some(MINUTE / 2));
    let set = |options| counter.try_update("k", options, |n| Ok::<_, Error>(n.unwrap() + 1));
    assert_eq!(set(UpdateOptions::new().with_ttl(2 * MINUTE)).await.unwrap().expires_in, Some(2 * MINUTE));
    assert_eq!(counter.load("k").await.unwrap().unwrap().expires_in, Some(2 * MINUTE));
    assert_eq!(set(UpdateOptions::new().permanent()).await.unwrap().expires_in, None);
    assert_eq!(counter.load("k").await.unwrap().unwrap().expires_in, None);
    assert!(matches!(set(UpdateOptions::new().with_ttl(2 * Ttl::MAX)).await, Err(Error::InvalidArgument { .. })));
}

// T-9
#[tokio::test(start_paused = true)]
async fn a_closure_saves_deletes_or_keeps() {
    let counter = TypedState::<u64>::new(Memory::new().state_store("s").unwrap());
    let version = counter.save("k", &1, SaveOptions::new()).await.unwrap();
    let next = |next: Next<u64>| counter.update_with("k", UpdateOptions::new(), move |_| Ok::<_, Error>(next.clone()));
    assert_eq!(next(Next::Keep).await.unwrap(), Updated::Kept);
    assert_eq!(counter.load("k").await.unwrap().unwrap().version, version);
    assert_eq!(next(Next::Delete).await.unwrap(), Updated::Deleted);
    assert_eq!(next(Next::Delete).await.unwrap(), Updated::Deleted);
    assert!(counter.load("k").await.unwrap().is_none());
    assert_eq!(next(Next::Save(7)).await.unwrap().saved().unwrap().value, 7);
    assert_eq!(counter.counts(), StateCounts { loads: 6, saves: 2, deletes: 1, conflicts: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_fence_write_nothing() {
    let counter = TypedState::<u64>::new(Memory::new().state_store("s").unwrap());
    let fenced = |token| UpdateOptions::new().fenced_by(FencingToken(token));
    counter.try_update("k", fenced(2), |_| Ok::<_, Error>(1)).await.unwrap();
    let late = counter.try_update("k", fenced(1), |_| Ok::<_, Error>(2)).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    let refused = counter.try_update("k", fenced(3), |_| Err(Error::unsupported("this"))).await;
    assert!(matches!(refused, Err(Error::Unsupported { what: "this" })));
    assert_eq!(counter.load("k").await.unwrap().unwrap().value, 1);
}

// T-3, T-4, T-5
#[tokio::test(start_paused = true)]
async fn bytes_that_cannot_be_read_stay_and_what_cannot_be_written_is_not_sent() {
    let remote = Remote::new();
    let version = remote.store.save("k", "hunter2".into(), SaveOptions::new()).await.unwrap();
    let counter = TypedState::<u64>::new(Arc::clone(&remote) as _);
    let unread = counter.update("k", |_| 1).await.unwrap_err();
    assert!(matches!(unread, Error::Decode { .. }) && !format!("{unread} {unread:?}").contains("hunter2"));
    assert!(matches!(counter.load_many(&["no", "k"]).await, Err(Error::Decode { .. })));
    assert_eq!(remote.store.load("k").await.unwrap().unwrap().version, version);

    let pairs = TypedState::<std::collections::BTreeMap<(u8, u8), u8>>::new(Arc::clone(&remote) as _);
    let unwritable = [((1, 2), 3)].into();
    assert!(matches!(pairs.save("p", &unwritable, SaveOptions::new()).await, Err(Error::Encode { .. })));
    assert!(matches!(pairs.write("p", &unwritable, SaveOptions::new()), Err(Error::Encode { .. })));
    assert_eq!(remote.saves.load(Ordering::Relaxed), 0);
}

// T-1
#[tokio::test(start_paused = true)]
async fn values_are_json_unless_another_codec_is_chosen() {
    let numbers = TypedState::<Option<u64>>::new(Memory::new().state_store("s").unwrap());
    numbers.save("k", &Some(7), SaveOptions::new()).await.unwrap();
    assert_eq!(&*numbers.store().load("k").await.unwrap().unwrap().value, b"7");
    #[cfg(feature = "messagepack")]
    {
        let packed = numbers.clone().with_codec(Codec::MessagePack);
        packed.save("p", &None, SaveOptions::new()).await.unwrap();
        assert_eq!(&*numbers.store().load("p").await.unwrap().unwrap().value, [0xc0]);
    }
}

// T-12
#[tokio::test(start_paused = true)]
async fn views_of_one_store_share_a_commit() {
    let memory = Memory::new();
    let numbers = TypedState::<u64>::new(memory.state_store("s").unwrap());
    let names = TypedState::<String>::new(memory.state_store("s").unwrap());
    let writes = vec![
        numbers.write("n", &7, SaveOptions::new().if_absent()).unwrap(),
        names.write("s", &"seven".into(), SaveOptions::new().if_absent()).unwrap(),
    ];
    let version = numbers.store().commit(writes).await.unwrap();
    let (n, s) = (numbers.load("n").await.unwrap().unwrap(), names.load("s").await.unwrap().unwrap());
    assert_eq!((n.value, s.value.as_str(), n.version, s.version), (7, "seven", version, version));
    assert_eq!(numbers.list(ListQuery::all()).await.unwrap().keys.len(), 2);
}

/// A transaction is, for the typed layer, a store behind `&mut self`.
struct Open(Arc<dyn StateStore>);

#[async_trait]
impl StateTransaction for Open {
    async fn load(&mut self, key: &str) -> Result<Option<State>> {
        self.0.load(key).await
    }
    async fn load_many(&mut self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.0.load_many(keys).await
    }
    async fn save(&mut self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.0.save(key, value, options).await
    }
    async fn save_many(&mut self, saves: Vec<Save>) -> Vec<Result<Version>> {
        self.0.save_many(saves).await
    }
    async fn delete(&mut self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.0.delete(key, options).await
    }
    async fn delete_many(&mut self, keys: &[&str]) -> Result<u64> {
        self.0.delete_many(keys).await
    }
    async fn commit(&mut self, writes: Vec<Write>) -> Result<Version> {
        self.0.commit(writes).await
    }
    async fn list(&mut self, query: ListQuery) -> Result<KeyPage> {
        self.0.list(query).await
    }
    async fn fence(&mut self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.0.fence(keys, token).await
    }
}

#[tokio::test]
async fn a_view_works_inside_a_transaction() {
    let store: Arc<dyn StateStore> = Memory::new().state_store("s").unwrap();
    let counter = TypedState::<u64>::new(Arc::clone(&store));
    let mut open = Open(store);
    let mut inside = counter.within(&mut open);
    let version = inside.save("k", &7, SaveOptions::new().if_absent()).await.unwrap();
    assert_eq!(inside.load("k").await.unwrap().unwrap(), State::new(7, version, None));
    assert_eq!(inside.load_many(&["no", "k"]).await.unwrap()[1].as_ref().unwrap().value, 7);
    assert!(inside.delete("k", DeleteOptions::new().if_version(version)).await.unwrap());
}
