//! A request to the writer: run once, answered once, whether or not anybody still waits for it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Error, Outcome, Result,
    clock::{self, BootInstant},
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Shared;
use crate::error::without_effect;

/// How a request is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Survives a loss of power: `synchronous=FULL`.
    Durable,
    /// May be lost with the power, though not with the process: `synchronous=NORMAL`, if all of its batch may.
    Relaxed,
    /// As durable, in a transaction of its own on a connection of its own: for SQL that is not ours.
    Alone,
}

/// What the writer's thread receives.
pub(super) enum Message {
    Request(Request),
    /// Finish what came before, and end.
    End(oneshot::Sender<()>),
}

pub(super) struct Request {
    pub(super) job: Box<dyn Job>,
    pub(super) kind: Kind,
    pub(super) deadline: BootInstant,
    pub(super) limit: Duration,
}

/// What is to be done, whatever its types.
pub(super) trait Job: Send {
    /// False where its caller has given up: then it must not run.
    fn start(&self) -> bool;
    /// Does it, inside a transaction.
    fn run(&mut self, connection: &mut Connection) -> Ran;
    /// Tells the caller what came of it; of a failure of the whole transaction, if there was one.
    fn answer(self: Box<Self>, failure: Option<&Error>);
}

/// How the work of a request ended.
#[derive(Debug)]
pub(super) enum Ran {
    /// What it wrote is to be kept.
    Keep,
    /// What it wrote is to be undone; with the error of SQLite, if that is why.
    Undo(Option<Error>),
}

/// What came of the work.
pub(super) enum Reply<R> {
    Done(R),
    Panicked(Box<dyn Any + Send>),
}

/// A request, and what waits for its answer.
pub(super) fn request<T, E, W>(
    kind: Kind,
    limit: Duration,
    driver: fn(&E) -> Option<Error>,
    work: W,
) -> (Request, Pending<Result<T, E>>)
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    W: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let claim = Arc::new(Claim::default());
    let deadline = BootInstant::now().after(limit);
    let job = Box::new(Task { work: Some(work), done: None, reply, claim: Arc::clone(&claim), driver });
    (Request { job, kind, deadline, limit }, Pending { answer, claim, deadline, limit })
}

struct Task<T, E, W> {
    work: Option<W>,
    done: Option<Reply<Result<T, E>>>,
    reply: oneshot::Sender<Reply<Result<T, E>>>,
    claim: Arc<Claim>,
    driver: fn(&E) -> Option<Error>,
}

impl<T, E, W> Job for Task<T, E, W>
where
    T: Send,
    E: From<Error> + Send,
    W: FnOnce(&mut Connection) -> Result<T, E> + Send,
{
    fn start(&self) -> bool {
        self.claim.start()
    }

    fn run(&mut self, connection: &mut Connection) -> Ran {
        let work = self.work.take().expect("a request runs once");
        // Whatever the work left half done is rolled back, and nothing else of the connection can be.
        let (ran, reply) = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(Ok(done)) => (Ran::Keep, Reply::Done(Ok(done))),
            Ok(Err(error)) => (Ran::Undo((self.driver)(&error)), Reply::Done(Err(error))),
            Err(panic) => (Ran::Undo(None), Reply::Panicked(panic)),
        };
        self.done = Some(reply);
        ran
    }

    fn answer(self: Box<Self>, failure: Option<&Error>) {
        let reply = match (self.done, failure) {
            (Some(done), None) => done,
            (Some(Reply::Panicked(panic)), Some(_)) => Reply::Panicked(panic),
            (Some(Reply::Done(Ok(_))), Some(failure)) => Reply::Done(Err(E::from(failure.clone()))),
            // It wrote nothing; but what it was refused for may have been written by a request that failed with it.
            (Some(Reply::Done(Err(_))) | None, Some(failure)) => Reply::Done(Err(E::from(without_effect(failure)))),
            // Dropping it without an answer says that it never ran.
            (None, None) => return,
        };
        // Nobody listens where the caller has gone away.
        drop(self.reply.send(reply));
    }
}

/// Who decides on a request that has not begun: the writer, by starting it; or its caller, by giving up.
#[derive(Debug, Default)]
struct Claim(AtomicU8);

impl Claim {
    const OPEN: u8 = 0;
    const STARTED: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn take(&self, by: u8) -> bool {
        self.0.compare_exchange(Self::OPEN, by, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn start(&self) -> bool {
        self.take(Self::STARTED)
    }

    /// True if the request has not begun, and now never will.
    fn give_up(&self) -> bool {
        self.take(Self::GIVEN_UP)
    }
}

/// An answer to come.
pub(super) struct Pending<R> {
    answer: oneshot::Receiver<Reply<R>>,
    claim: Arc<Claim>,
    deadline: BootInstant,
    limit: Duration,
}

impl<R> Pending<R> {
    /// What the work returned, or why there is no answer.
    pub(super) async fn answer(mut self, shared: &Shared) -> Result<Reply<R>> {
        let unknown = Outcome::Unknown { settled: false };
        let answer = tokio::select! {
            biased;
            answer = &mut self.answer => answer,
            () = clock::sleep_until(self.deadline) => {
                if self.claim.give_up() {
                    return Err(shared.late(self.limit));
                }
                return self.answer.try_recv().map_err(|_| Error::Timeout { after: self.limit, outcome: unknown });
            }
        };
        // The writer's thread has ended: in good order, or by a panic while this was under way.
        answer
            .map_err(|_| if self.claim.give_up() { Error::Closed } else { Error::backend(unknown, "the writer ended") })
    }
}

/// Its turn has not come.
pub(super) fn timeout(limit: Duration) -> Error {
    Error::Timeout { after: limit, outcome: Outcome::NotApplied }
}
