//! A connection that reads, and when the last of a client's is closed.

use std::ops::Deref;

use rusqlite::Connection;
use tokio::sync::watch;

/// A connection that reads.
pub(super) struct Reader {
    // Closed before its place is given back.
    connection: Connection,
    _place: Place,
}

/// Held by a reader, and by whoever is about to open one.
pub(super) type Place = watch::Receiver<()>;

/// Of all readers of a client.
#[derive(Default)]
pub(super) struct Places(watch::Sender<()>);

impl Reader {
    pub(super) fn new(connection: Connection, place: Place) -> Self {
        Self { connection, _place: place }
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Places {
    pub(super) fn take(&self) -> Place {
        self.0.subscribe()
    }

    /// Returns when no reader is open.
    pub(super) async fn empty(&self) {
        self.0.closed().await;
    }
}
