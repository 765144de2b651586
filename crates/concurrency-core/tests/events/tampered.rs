//! A store that does what a server may do now and then.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use concurrency_core::{
    AppendOptions, Appended, Batch, Error, EventCapabilities, EventId, EventStore, NewEvent, Outcome, Position,
    ReadQuery, Result, Snapshot, StreamSlice,
};

/// Memory, tampered with.
#[derive(Debug)]
pub(crate) struct Tampered {
    pub(crate) inner: Arc<dyn EventStore>,
    /// Wake-ups are lost.
    pub(crate) deaf: AtomicBool,
    /// Pages have one event.
    pub(crate) short_pages: AtomicBool,
    /// Events have other ids than they had: another history under the same positions.
    pub(crate) other_history: AtomicBool,
    /// After so many reads of all streams that is so, and one event more is there; zero for never.
    pub(crate) replaced_after: AtomicUsize,
    /// So many reads fail.
    pub(crate) failing_reads: AtomicUsize,
    /// So many appends are applied, and their answers lost.
    pub(crate) lost_answers: AtomicUsize,
    /// How often `append` was called.
    pub(crate) appends: AtomicUsize,
}

impl Tampered {
    pub(crate) fn new(inner: Arc<dyn EventStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            deaf: AtomicBool::new(false),
            short_pages: AtomicBool::new(false),
            other_history: AtomicBool::new(false),
            replaced_after: AtomicUsize::new(0),
            failing_reads: AtomicUsize::new(0),
            lost_answers: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
        })
    }

    fn fail_read(&self) -> Result<()> {
        let take = |left: usize| left.checked_sub(1);
        match self.failing_reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(Error::Unavailable { outcome: Outcome::NotApplied, source: None }),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl EventStore for Tampered {
    fn capabilities(&self) -> EventCapabilities {
        self.inner.capabilities()
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let appended = self.inner.append(stream, events, options).await;
        let take = |left: usize| left.checked_sub(1);
        match self.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(Error::Unavailable { outcome: Outcome::Unknown { settled: false }, source: None }),
            Err(_) => appended,
        }
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.fail_read()?;
        self.inner.read(stream, query).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.fail_read()?;
        let limit = if self.short_pages.load(Ordering::SeqCst) { 1 } else { limit };
        let mut batch = self.inner.read_all(after, limit).await?;
        if self.other_history.load(Ordering::SeqCst) {
            batch.events.iter_mut().for_each(|event| event.id = EventId::mint());
        }
        let take = |left: usize| left.checked_sub(1);
        if self.replaced_after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) == Ok(1) {
            self.other_history.store(true, Ordering::SeqCst);
            self.inner.append("s", vec![NewEvent::new("e", "of the other")], AppendOptions::new()).await?;
        }
        Ok(batch)
    }

    async fn changed(&self, after: Position) -> Result<()> {
        if self.deaf.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.inner.changed(after).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.inner.load_snapshot(stream).await
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.inner.save_snapshot(stream, snapshot).await
    }

    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        self.inner.truncate_before(stream, version).await
    }
}
