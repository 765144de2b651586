//! What can only be heard where something fails: of renewals, releases, snapshots and projections.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{clock::BootInstant, *};

use super::{Copies, Heard, Last, SECRET, Said};

/// A component whose next calls of some methods fail as a driver does that quotes a value.
#[derive(Debug)]
struct Failing<C: ?Sized> {
    inner: Arc<C>,
    next: AtomicUsize,
}

impl<C: ?Sized> Failing<C> {
    fn new(inner: Arc<C>) -> Arc<Self> {
        Arc::new(Self { inner, next: AtomicUsize::new(0) })
    }

    /// So many of the calls to come fail.
    fn fail(&self, calls: usize) {
        self.next.store(calls, Ordering::SeqCst);
    }

    fn attempt(&self) -> Result<()> {
        let take = |left: usize| left.checked_sub(1);
        match self.next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(Error::backend(Outcome::Unknown { settled: false }, SECRET)),
            Err(_) => Ok(()),
        }
    }
}

/// Renewals and releases fail.
#[async_trait]
impl Lock for Failing<dyn Lock> {
    fn capabilities(&self) -> LockCapabilities {
        self.inner.capabilities()
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.inner.try_acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.attempt()?;
        self.inner.renew(lease).await
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.attempt()?;
        self.inner.release(claim, token).await
    }
}

/// Saving a snapshot fails.
#[async_trait]
impl EventStore for Failing<dyn EventStore> {
    fn capabilities(&self) -> EventCapabilities {
        self.inner.capabilities()
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.inner.append(stream, events, options).await
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.inner.read(stream, query).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.inner.read_all(after, limit).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.inner.load_snapshot(stream).await
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.attempt()?;
        self.inner.save_snapshot(stream, snapshot).await
    }
}

/// Commits fail.
#[async_trait]
impl StateStore for Failing<dyn StateStore> {
    fn capabilities(&self) -> StateCapabilities {
        self.inner.capabilities()
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.inner.load(key).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.inner.save(key, value, options).await
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.inner.delete(key, options).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.attempt()?;
        self.inner.commit(writes).await
    }
}

/// A renewal that fails and is repeated, and a release that fails and is not.
pub(super) async fn locks(memory: &Memory, heard: &Heard) {
    let lock = Failing::<dyn Lock>::new(memory.lock("failing").unwrap());
    let locks = Locks::new(lock.clone());
    let renewed = locks.acquire("renewed", LockOptions::new().with_ttl(MIN_LOCK_TTL)).await.unwrap();
    lock.fail(1);
    let deadline = BootInstant::now().after(Duration::from_secs(10));
    while !heard.has(observe::LOCK_RENEWAL_FAILED) {
        assert!(!deadline.has_passed(), "no renewal failed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(renewed);
    let kept = locks.acquire("kept", LockOptions::new().without_renewal()).await.unwrap();
    lock.fail(1);
    let refused = kept.release().await;
    assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
}

/// A snapshot that cannot be saved, and a projection whose commit fails and whose lock cannot be released.
pub(super) async fn events(memory: &Memory) {
    let store = Failing::<dyn EventStore>::new(memory.event_store("failing").unwrap());
    let last = Repository::<Last>::new(store.clone()).with_snapshot_every(1);
    store.fail(1);
    let decided = last.execute("s", |_| Ok::<_, Error>(vec![Said(SECRET.to_owned())])).await;
    assert_eq!(decided.unwrap().version, 1, "a snapshot only saves time");

    let rows = Failing::<dyn StateStore>::new(memory.state_store("failing-rows").unwrap());
    let lock = Failing::<dyn Lock>::new(memory.lock("failing-projections").unwrap());
    let projector = Projector::new(Copies, store, rows.clone(), Locks::new(lock.clone())).unwrap();
    let projector = projector.with_lock_options(LockOptions::new().without_renewal());
    rows.fail(1);
    lock.fail(1);
    projector.catch_up().await.unwrap();
    assert_eq!((projector.counts().events, projector.counts().restarts), (1, 1));
}
