//! Reads on the calling thread. A point read takes some 4 microseconds there, and 12 to 30 by way of another thread.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use concurrency_core::Result;
use rusqlite::Connection;

use super::{Shared, open, reader::Reader};
use crate::error::{Fault, is_busy};

/// The most connections for it: as many threads can read so at once.
const MOST: usize = 4;

#[derive(Default)]
pub(super) struct Inline {
    free: Mutex<Vec<Reader>>,
    opened: AtomicUsize,
    closed: AtomicBool,
}

impl Inline {
    pub(super) fn read<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Option<Result<T>> {
        if let Err(gone) = shared.file.check_now_and_then() {
            return Some(Err(gone));
        }
        let mut borrowed = match self.borrow(shared)? {
            Ok(borrowed) => borrowed,
            Err(error) => return Some(Err(error)),
        };
        let connection = borrowed.connection.as_ref().expect("it is taken by nobody else");
        match work(connection) {
            Ok(read) => Some(Ok(read)),
            // No thread waits here that others need: a reader's does.
            Err(Fault::Driver(error)) if is_busy(&error) => None,
            Err(fault) => {
                borrowed.connection = None;
                Some(Err(fault.into()))
            }
        }
    }

    fn borrow(&self, shared: &Shared) -> Option<Result<Borrowed<'_>>> {
        if let Some(connection) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Some(Ok(Borrowed { from: self, connection: Some(connection) }));
        }
        let another = |opened: usize| (opened < MOST).then_some(opened + 1);
        self.opened.fetch_update(Ordering::AcqRel, Ordering::Acquire, another).ok()?;
        let mut borrowed = Borrowed { from: self, connection: None };
        borrowed.connection = match open::reader(shared) {
            Ok(connection) => Some(connection),
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(borrowed))
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection that goes back when this is dropped; without one, its place does.
struct Borrowed<'i> {
    from: &'i Inline,
    connection: Option<Reader>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let mut free = self.from.free.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock, so that nothing goes back after the pool was emptied.
        let keep = !self.from.closed.load(Ordering::Acquire) && !std::thread::panicking();
        match self.connection.take().filter(|_| keep) {
            Some(connection) => free.push(connection),
            None => drop(self.from.opened.fetch_sub(1, Ordering::AcqRel)),
        }
    }
}
