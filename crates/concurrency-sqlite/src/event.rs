//! Events in the file.
//!
//! The order of events is that of commits, since one process writes at a time: positions are numbers of a counter in the same
//! transaction, which a refusal or a rollback leaves as it was. What was acknowledged was synchronised before, and nobody sees
//! an event sooner than that, so that the log does not rewind.

mod read;
mod table;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    AppendOptions, Appended, Batch, Error, EventCapabilities, EventStore, NewEvent, Position, ReadQuery, Result,
    Snapshot, StreamSlice, Survives, append_content, check_append, check_key, check_limit, check_size,
};
use tokio::sync::Notify;

use self::table::Table;
pub use self::transaction::SqliteEventsTransaction;
use crate::{
    config::NamespaceConfig,
    error::Fault,
    space::{Space, View},
};

/// The most events of one append.
const MAX_BATCH_EVENTS: usize = 1000;

/// The event streams of one namespace.
#[derive(Debug, Clone)]
pub struct SqliteEvents {
    space: Space,
    /// Appends of this client, to all of its namespaces.
    appended: Arc<Notify>,
}

fn tables(view: View<'_>) -> Result<Table<'_>, Fault> {
    Table::new(view.connection, view.namespace, view.config.fence_retention)
}

impl SqliteEvents {
    pub(crate) fn new(space: Space, appended: Arc<Notify>) -> Self {
        Self { space, appended }
    }

    /// What a store under this configuration promises.
    pub(crate) fn capabilities_under(config: &NamespaceConfig) -> EventCapabilities {
        EventCapabilities {
            survives: Survives::Crash,
            // `synchronous=FULL`: the log of the file is on the disk before an append is answered, or read by anybody.
            log_may_rewind: false,
            fencing: true,
            snapshots: true,
            truncate: true,
            notifies: true,
            max_event: config.max_value,
            max_batch_events: MAX_BATCH_EVENTS,
            max_batch_bytes: config.max_value.saturating_mul(4),
        }
    }
}

#[async_trait]
impl EventStore for SqliteEvents {
    fn capabilities(&self) -> EventCapabilities {
        Self::capabilities_under(self.space.config())
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.space.check_open()?;
        check_key(stream)?;
        let parts = options.into_parts()?;
        check_append(stream, &events, &self.capabilities())?;
        // Here, and not on the one thread that writes.
        let (stream, content) = (stream.to_owned(), append_content(&events));
        let appended = self.space.write(move |view| tables(view)?.append(&stream, &events, content, parts)).await?;
        self.appended.notify_waiters();
        Ok(appended)
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.space.check_open()?;
        check_key(stream)?;
        let (stream, parts) = (stream.to_owned(), query.into_parts()?);
        self.space.read(move |view| read::stream(view, &stream, parts)).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.space.check_open()?;
        let limit = check_limit(limit)?;
        self.space.read(move |view| read::all(view, after, limit)).await
    }

    async fn changed(&self, after: Position) -> Result<()> {
        self.space.check_open()?;
        let mut commits = self.space.commits();
        loop {
            let appended = self.appended.notified();
            tokio::pin!(appended);
            // Registered before the log is looked at, so that no append is missed in between.
            appended.as_mut().enable();
            if self.space.read_little(move |view| read::is_more(view, after)).await? {
                return Ok(());
            }
            tokio::select! {
                () = appended => {}
                // Of other processes; of this one where a call was dropped, or a transaction of the caller's own appended; and
                // the end of the client.
                () = commits.next() => {}
            }
        }
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.space.check_open()?;
        check_key(stream)?;
        let stream = stream.to_owned();
        self.space.read(move |view| tables(view)?.load_snapshot(&stream)).await
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.space.check_open()?;
        check_key(stream)?;
        if snapshot.version == 0 {
            return Err(Error::invalid("snapshot", "its version is 1 or more"));
        }
        check_size(snapshot.data.len(), self.space.config().max_value)?;
        let stream = stream.to_owned();
        self.space.write(move |view| tables(view)?.save_snapshot(&stream, &snapshot)).await
    }

    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        self.space.check_open()?;
        check_key(stream)?;
        let stream = stream.to_owned();
        self.space.write(move |view| tables(view)?.truncate_before(&stream, version)).await
    }
}
