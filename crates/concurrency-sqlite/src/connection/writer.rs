//! The thread that writes.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    time::Duration,
};

use concurrency_core::{Error, Outcome, Result, clock::BootInstant};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Shared, busy, open,
    request::{Job, Kind, Message, Ran, Request, timeout},
    sweep::Sweeper,
};
use crate::error::{Fault, commit_error, is_busy, sql_error, unavailable};

/// The most requests in one transaction.
const MOST_REQUESTS: usize = 256;
/// A transaction that took this long is committed before the rest of its batch, so that other processes get their turn.
const LONGEST: Duration = Duration::from_millis(10);
/// How much longer than its callers it waits for somebody else's lock.
const GRACE: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    ours: Option<Opened>,
    /// For SQL that is not ours: whatever it leaves behind on its connection does not reach us.
    theirs: Option<Opened>,
    sweeper: Sweeper,
}

/// A connection, and how it commits.
struct Opened {
    connection: Connection,
    durable: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, messages: mpsc::Receiver<Message>) -> Self {
        Self { shared, messages, ours: None, theirs: None, sweeper: Sweeper::new() }
    }

    /// Opens the file, says how that went, and then serves until the client is closed or dropped.
    pub(super) fn run(mut self, deadline: BootInstant, opened: oneshot::Sender<Result<()>>) {
        let blocked = Arc::clone(&self.shared.blocked);
        let first = busy::until(deadline, &blocked, || open::first(&self.shared.file, deadline));
        let answer = first.map(|connection| self.ours = Some(Opened { connection, durable: true }));
        let is_open = answer.is_ok();
        if opened.send(answer).is_ok() && is_open {
            self.serve();
        }
    }

    fn serve(mut self) {
        let mut queue = VecDeque::new();
        loop {
            let mut next = match self.messages.recv_timeout(self.sweeper.pause()) {
                Ok(message) => Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let mut end = None;
            while let Some(message) = next.take() {
                match message {
                    Message::Request(request) => queue.push_back(request),
                    Message::End(ended) => end = Some(ended),
                }
                if end.is_none() && queue.len() < MOST_REQUESTS {
                    next = self.messages.try_recv().ok();
                }
            }
            while !queue.is_empty() {
                self.transaction(&mut queue);
            }
            if let Some(ended) = end {
                // Connections and requests that came too late go first, so that whoever closes finds everything closed.
                drop(self);
                // Nobody listens where whoever closed has gone away.
                let (Ok(()) | Err(())) = ended.send(());
                return;
            }
            self.sweep();
        }
    }

    /// Serves the first requests of the queue, as many as may share a transaction.
    fn transaction(&mut self, queue: &mut VecDeque<Request>) {
        let alone = queue.front().is_some_and(|request| request.kind == Kind::Alone);
        let together = |request: &&Request| request.kind != Kind::Alone;
        let size = if alone { 1 } else { queue.iter().take_while(together).count() };
        let batch = || queue.iter().take(size);
        let durable = batch().any(|request| request.kind != Kind::Relaxed);
        let deadline = batch().map(|request| request.deadline).max().unwrap_or(BootInstant::NEVER);
        let connection = match self.begin(alone, durable, deadline) {
            Ok(connection) => connection,
            Err(failure) => {
                queue.drain(..size).for_each(|request| request.job.answer(Some(&failure)));
                return;
            }
        };
        let (begun, mut ran, mut end) = (BootInstant::now(), Vec::with_capacity(size), Ok(Ran::Keep));
        for _ in 0..size {
            if end.is_err() || BootInstant::now().since(begun) > LONGEST {
                // What is left in the queue has a transaction of its own.
                break;
            }
            let Some(mut job) = queue.pop_front().and_then(taken) else { continue };
            end = run(connection, &mut *job, size > 1);
            ran.push(job);
        }
        let ended = match end {
            Ok(Ran::Undo(_)) if size == 1 => rollback(connection),
            Ok(_) => commit(connection),
            Err(failure) => rollback(connection).and(Err(failure)),
        };
        let failure = ended.err();
        let is_sound = connection.is_autocommit()
            && failure.as_ref().is_none_or(|failure| failure.outcome() == Outcome::NotApplied);
        if !is_sound {
            self.forget(alone);
        }
        ran.into_iter().for_each(|job| job.answer(failure.as_ref()));
    }

    /// A connection with an open transaction that holds the file's one right to write.
    fn begin(&mut self, alone: bool, durable: bool, deadline: BootInstant) -> Result<&mut Connection> {
        self.shared.file.check()?;
        let place = if alone { &mut self.theirs } else { &mut self.ours };
        let kept = place.take();
        // Callers go first, so that they find this thread still waiting and know why they had no turn.
        let (opened, begun) = busy::until(deadline.after(GRACE), &self.shared.blocked, || {
            let mut opened = match kept {
                Some(opened) => opened,
                None => Opened { connection: open::writer(&self.shared.file)?, durable: true },
            };
            let begun = opened.begin(durable);
            Ok::<_, Error>((opened, begun))
        })?;
        match begun {
            Ok(()) => Ok(&mut place.insert(opened).connection),
            Err(error) if is_busy(&error) => {
                *place = Some(opened);
                Err(unavailable())
            }
            // The next transaction begins on a fresh connection.
            Err(error) => Err(sql_error(error)),
        }
    }

    /// A connection that is not known to be in order.
    fn forget(&mut self, alone: bool) {
        *if alone { &mut self.theirs } else { &mut self.ours } = None;
    }

    fn sweep(&mut self) {
        if !self.sweeper.is_due() {
            return;
        }
        self.sweeper.postpone();
        let Some(opened) = self.ours.as_mut() else { return };
        // The garbage stays for the next time; whatever is wrong, requests will meet it and say so.
        if let Err(error) = opened.relax().and_then(|()| self.sweeper.sweep(&opened.connection)) {
            tracing::debug!(target: "concurrency::sqlite", error = %Error::from(error), "sqlite.sweep.failed");
            self.ours = None;
        }
    }
}

impl Opened {
    fn begin(&mut self, durable: bool) -> rusqlite::Result<()> {
        self.set_durable(durable)?;
        execute(&self.connection, "BEGIN IMMEDIATE")
    }

    fn relax(&mut self) -> Result<(), Fault> {
        Ok(self.set_durable(false)?)
    }

    /// A commit that is not synchronised is made durable by the next one that is, or by a checkpoint.
    fn set_durable(&mut self, durable: bool) -> rusqlite::Result<()> {
        if self.durable != durable {
            self.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
            self.durable = durable;
        }
        Ok(())
    }
}

/// The job of a request whose caller still wants it, and in time.
fn taken(request: Request) -> Option<Box<dyn Job>> {
    let Request { job, deadline, limit, .. } = request;
    if !job.start() {
        return None;
    }
    if deadline.has_passed() {
        job.answer(Some(&timeout(limit)));
        return None;
    }
    Some(job)
}

/// Runs one request; in a savepoint, if others share the transaction. An error is one of the whole transaction.
fn run(connection: &mut Connection, job: &mut dyn Job, shares: bool) -> Result<Ran> {
    if !shares {
        let ran = job.run(connection);
        return if connection.is_autocommit() { Err(ended_inside(ran)) } else { Ok(ran) };
    }
    execute(connection, "SAVEPOINT request").map_err(sql_error)?;
    let ran = job.run(connection);
    if connection.is_autocommit() {
        return Err(ended_inside(ran));
    }
    if matches!(ran, Ran::Undo(_)) {
        execute(connection, "ROLLBACK TO request").map_err(sql_error)?;
    }
    execute(connection, "RELEASE request").map_err(sql_error)?;
    Ok(ran)
}

/// The transaction is over before its end: SQLite rolled it back, or the caller's own SQL ended it.
fn ended_inside(ran: Ran) -> Error {
    match ran {
        Ran::Undo(Some(error)) => error,
        Ran::Undo(None) | Ran::Keep => {
            let unknown = Outcome::Unknown { settled: true };
            Error::backend(unknown, "the transaction was ended from inside")
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(())?;
    Ok(())
}

fn commit(connection: &Connection) -> Result<()> {
    execute(connection, "COMMIT").map_err(|error| {
        let error = commit_error(error);
        // What it says has happened already; a connection that is not in order afterwards is not used again.
        drop(rollback(connection));
        error
    })
}

fn rollback(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    execute(connection, "ROLLBACK").map_err(sql_error)
}
