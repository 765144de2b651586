//! The threads that read: what is long, and what has to wait.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use concurrency_core::{
    Result,
    clock::{self, BootInstant},
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Shared, busy, open, reader::Reader, spawn};
use crate::error::{Fault, is_busy, panicked, unavailable};

pub(super) struct Readers {
    jobs: mpsc::Sender<Option<Reading>>,
    threads: usize,
}

/// Reads on the connection, or says why there is none; false where the connection is not to be used again.
type Job = Box<dyn FnOnce(Result<&Connection>) -> bool + Send>;

struct Reading {
    job: Job,
    deadline: BootInstant,
}

impl Readers {
    pub(super) fn start(shared: &Arc<Shared>, threads: usize) -> Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (shared, queue) = (Arc::clone(shared), Arc::clone(&queue));
            spawn("sqlite-reader", move || serve(&shared, &queue))?;
        }
        Ok(Self { jobs, threads })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        shared: &Shared,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let deadline = BootInstant::now().after(limit);
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if reply.is_closed() {
                return true;
            }
            let read = connection.and_then(|connection| {
                let read = catch_unwind(AssertUnwindSafe(|| snapshot(connection, work)));
                read.unwrap_or_else(|_| Err(panicked().into())).map_err(|fault| match fault {
                    Fault::Driver(error) if is_busy(&error) => unavailable(),
                    fault => fault.into(),
                })
            });
            let is_sound = read.is_ok();
            // Nobody listens where the caller has gone away.
            drop(reply.send(read));
            is_sound
        });
        if self.jobs.send(Some(Reading { job, deadline })).is_err() {
            return Err(concurrency_core::Error::Closed);
        }
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or(Err(concurrency_core::Error::Closed)),
            () = clock::sleep_until(deadline) => Err(shared.late(limit)),
        }
    }

    /// Each thread ends after what was asked before.
    pub(super) fn end(&self) {
        for _ in 0..self.threads {
            // They have ended where nobody receives it.
            drop(self.jobs.send(None));
        }
    }
}

fn serve(shared: &Arc<Shared>, queue: &Mutex<mpsc::Receiver<Option<Reading>>>) {
    let mut connection: Option<Reader> = None;
    loop {
        let message = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Some(Reading { job, deadline })) = message else { return };
        let is_sound = busy::until(deadline, &shared.blocked, || match opened(shared, &mut connection) {
            Ok(connection) => job(Ok(connection)),
            Err(error) => job(Err(error)),
        });
        if !is_sound {
            connection = None;
        }
    }
}

fn opened<'c>(shared: &Shared, connection: &'c mut Option<Reader>) -> Result<&'c Connection> {
    shared.file.check_now_and_then()?;
    let opened = match connection.take() {
        Some(opened) => opened,
        None => open::reader(shared)?,
    };
    Ok(connection.insert(opened))
}

/// One state of the file for all that `work` reads.
fn snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    connection.prepare_cached("BEGIN")?.execute(())?;
    let read = work(connection)?;
    connection.prepare_cached("COMMIT")?.execute(())?;
    Ok(read)
}
