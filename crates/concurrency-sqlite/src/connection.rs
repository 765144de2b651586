//! The file and the connections to it.
//!
//! One thread writes: it takes what has queued meanwhile, runs each request in a savepoint of one transaction, commits once and
//! answers. A few threads read; small reads run on the calling thread. A request belongs to its thread: a caller that goes away
//! leaves nothing open.

mod busy;
mod file;
mod inline;
mod open;
mod pulse;
mod reader;
mod readers;
mod request;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use concurrency_core::{Error, Result, clock::BootInstant};
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::{
    file::File,
    inline::Inline,
    pulse::Pulse,
    reader::Places,
    readers::Readers,
    request::{Message, Pending, Reply},
    writer::Writer,
};
pub(crate) use self::{pulse::Commits, request::Kind};
use crate::{
    SqliteConfig,
    error::{Fault, panicked},
};

/// One client of one file. Clones are the same client.
#[derive(Clone)]
pub(crate) struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    writer: mpsc::Sender<Message>,
    readers: Readers,
    inline: Inline,
    pulse: Pulse,
}

/// What the threads of a client have in common.
struct Shared {
    file: File,
    closed: AtomicBool,
    /// How many of the threads wait for somebody else's lock on the file.
    blocked: Arc<AtomicUsize>,
    readers: Places,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("file", &self.inner.shared.file).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the file, creates it where that is wanted, and brings its tables up to this version. The configuration was
    /// checked.
    ///
    /// # Errors
    /// `InvalidArgument` for a path that cannot be one; `Unavailable` where somebody holds the file for longer than `limit`, and
    /// where it cannot be written; `Incompatible` for a file of another kind or of a newer version, and for a file system where
    /// processes cannot share it; `Unauthorized`; `Exhausted`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing open; the file may have been created.
    pub(crate) async fn open(config: &SqliteConfig, limit: Duration) -> Result<Self> {
        let blocked = Arc::new(AtomicUsize::new(0));
        let shared =
            Shared { file: File::of(config)?, closed: AtomicBool::new(false), blocked, readers: Places::default() };
        let shared = Arc::new(shared);
        let deadline = BootInstant::now().after(limit);
        let (writer, messages) = mpsc::channel();
        let (opened, is_open) = oneshot::channel();
        let thread = Writer::new(Arc::clone(&shared), messages);
        spawn("sqlite-writer", move || thread.run(deadline, opened))?;
        is_open.await.unwrap_or_else(|_| Err(panicked()))?;
        let readers = Readers::start(&shared, config.reader_threads.unwrap_or(2))?;
        let pulse = Pulse::new(Arc::clone(&shared));
        Ok(Self { inner: Arc::new(Inner { shared, writer, readers, inline: Inline::default(), pulse }) })
    }

    /// # Errors
    /// `Closed` after [`close`](Self::close).
    pub(crate) fn check_open(&self) -> Result<()> {
        self.inner.shared.check_open()
    }

    /// Runs `work` on the writer's thread inside a transaction, which is committed with whatever else was waiting. `work` either
    /// returns `Ok`, and then everything it wrote is there when this returns `Ok`; or an error, and nothing of it is.
    ///
    /// # Errors
    /// That of `work`; `Timeout` or `Unavailable`, `NotApplied`, if its turn did not come within `limit` (it is not run then); the
    /// failure of the commit, with its outcome; `Timeout` with an unknown effect if it was under way at `limit`.
    ///
    /// # Cancel safety
    /// Once polled, `work` runs even if the future is dropped.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        kind: Kind,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        match self.send(kind, limit, Fault::driver, |connection| work(connection))?.answer(&self.inner.shared).await? {
            Reply::Done(done) => done.map_err(Error::from),
            Reply::Panicked(_) => Err(panicked()),
        }
    }

    /// As [`write`](Self::write), in a transaction of its own on a connection for such, with an error type of the caller's.
    ///
    /// # Panics
    /// If `work` does: everything it wrote was rolled back then.
    pub(crate) async fn write_alone<T, E>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.send(Kind::Alone, limit, |_| None, work)?.answer(&self.inner.shared).await? {
            Reply::Done(done) => done,
            Reply::Panicked(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// As [`write`](Self::write), where nobody waits for the answer: it may be called anywhere, and `work` runs unless its turn does
    /// not come within `limit`, or the client is closed. What it returns is dropped after the commit.
    pub(crate) fn post<T: Send + 'static>(
        &self,
        kind: Kind,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) {
        drop(self.send(kind, limit, Fault::driver, |connection| work(connection)));
    }

    fn send<T, E>(
        &self,
        kind: Kind,
        limit: Duration,
        driver: fn(&E) -> Option<Error>,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<Pending<Result<T, E>>>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.check_open()?;
        let (request, pending) = request::request(kind, limit, driver, work);
        self.inner.writer.send(Message::Request(request)).map_err(|_| Error::Closed)?;
        Ok(pending)
    }

    /// Runs `work` on a reader's thread; everything it reads is one snapshot.
    ///
    /// # Errors
    /// That of `work`; `Timeout` or `Unavailable` if it has not ended within `limit`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.check_open()?;
        self.inner.readers.read(&self.inner.shared, limit, work).await
    }

    /// Runs `work` at once on the calling thread; several times faster than a reader's thread, so for single statements that read
    /// little. `None` where no connection is free or somebody holds the file: ask a reader then.
    pub(crate) fn read_now<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Option<Result<T>> {
        if let Err(closed) = self.check_open() {
            return Some(Err(closed));
        }
        self.inner.inline.read(&self.inner.shared, work)
    }

    /// Runs `work` as [`read_now`](Self::read_now) does, or on a reader's thread where that is not possible.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn read_little<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        match self.read_now(&work) {
            Some(read) => read,
            None => self.read(limit, work).await,
        }
    }

    /// Whether the file can be read, and is still the one that was opened.
    pub(crate) async fn health(&self, limit: Duration) -> Result<()> {
        self.check_open()?;
        self.inner.shared.file.check()?;
        self.read(limit, |connection| Ok(connection.pragma_query_value(None, "schema_version", |_| Ok(()))?)).await
    }

    /// Whether `other` is the same client.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Wakes after commits of anybody, this client included: a hint to look again.
    pub(crate) fn commits(&self) -> Commits {
        self.inner.pulse.subscribe()
    }

    /// Finishes what was sent before, then ends threads and connections. Closing twice is fine.
    pub(crate) async fn close(&self) {
        self.inner.shared.closed.store(true, Ordering::Release);
        self.inner.readers.end();
        self.inner.pulse.end();
        self.inner.inline.close();
        // The last connection puts what is in the log into the file, and two that close at the same time are both not the last.
        self.inner.shared.readers.empty().await;
        let (ended, has_ended) = oneshot::channel();
        if self.inner.writer.send(Message::End(ended)).is_ok() {
            // An error says that it had ended before.
            drop(has_ended.await);
        }
    }
}

impl Drop for Inner {
    /// The writer and the readers end when nobody can ask them any more; the pulse looks here.
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
    }
}

impl Shared {
    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Why a request got no answer before its deadline, and did nothing.
    fn late(&self, limit: Duration) -> Error {
        if self.blocked.load(Ordering::Acquire) > 0 { crate::error::unavailable() } else { request::timeout(limit) }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|_| Error::Exhausted { what: "threads", source: None })
}
