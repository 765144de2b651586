//! The connections of a client: one for commands, one for what the server tells unasked.
//!
//! The driver multiplexes: commands of many tasks are on their way at once on one connection, and a dropped call leaves nothing
//! behind but an answer that nobody takes. It repeats nothing on its own; what is repeated is decided here.

mod deadline;
mod gathering;
mod link;
mod pushes;
mod request;
mod sentinel;
mod server;
mod target;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Error, Outcome, Result, retry::Backoff};
use redis::{Cmd, Pipeline, Value};
use tokio::sync::watch;

pub(crate) use self::{
    deadline::Deadline,
    pushes::{Listener, Push, Pushes},
    request::Repeat,
    server::{Eviction, Server},
};
use self::{
    link::{Link, Opener},
    pushes::Inbox,
    request::{Answers, Request, Said},
    target::Target,
};
use crate::{config::RedisConfig, error, script::Script};

/// A client of one server. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Link,
    pushes: Arc<Pushes>,
    /// What the server said of itself when this client was opened.
    server: Server,
    closed: watch::Sender<bool>,
    /// The same, for hot paths.
    is_closed: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.inner.server).finish_non_exhaustive()
    }
}

/// What a script answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    /// Copies before the one that was answered may have been carried out.
    pub(crate) repeated: bool,
}

impl Client {
    /// Opens the connections, and proves that the server can do what we need. The configuration was checked.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Unauthorized`, `Incompatible`, `Exhausted`, all `NotApplied`; `InvalidArgument`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing open.
    pub(crate) async fn open(config: &RedisConfig, limit: Duration) -> Result<Self> {
        let target = Arc::new(Target::new(config).await?);
        let inbox = Inbox::new(config.prefix());
        let opener = Opener { target, inbox: inbox.channel().into(), routes: None, limit };
        let commands = Link::start(opener.clone()).await?;
        let pushes = Pushes::start(opener, inbox).await?;
        let server = commands.server().expect("the connection of commands was asked").clone();
        Ok(Self {
            inner: Arc::new(Inner {
                commands,
                pushes,
                server,
                closed: watch::Sender::new(false),
                is_closed: AtomicBool::new(false),
            }),
        })
    }

    /// # Errors
    /// `Closed` after [`close`](Self::close).
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.inner.is_closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Returns when this client is closed.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn closed(&self) {
        // The sender is this client's own.
        drop(self.inner.closed.subscribe().wait_for(|closed| *closed).await);
    }

    /// What the server said of itself when this client was opened.
    pub(crate) fn server(&self) -> &Server {
        &self.inner.server
    }

    /// The connection of pushes.
    pub(crate) fn pushes(&self) -> &Arc<Pushes> {
        &self.inner.pushes
    }

    /// The answer to a command that changes nothing.
    ///
    /// # Errors
    /// What the server refuses; why there was no answer, `NotApplied`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn read(&self, command: &Cmd, deadline: Deadline) -> Result<Value> {
        let said = self.read_request(Request::One(command, None), deadline).await?;
        accepted(said.last().ok_or_else(error::not_understood)?, false)
    }

    /// The answers to commands that change nothing, sent as one.
    ///
    /// # Errors
    /// What the server refuses, the first of several; why there was no answer, `NotApplied`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn read_many(&self, commands: &Pipeline, deadline: Deadline) -> Result<Vec<Value>> {
        let said = self.read_request(Request::Many(commands, None), deadline).await?;
        said.all().into_iter().map(|value| accepted(value, false)).collect()
    }

    async fn read_request(&self, request: Request<'_>, deadline: Deadline) -> Result<Said> {
        self.check_open()?;
        let sent = request.send(&self.inner.commands, Repeat::UntilAnswered, deadline).await;
        Ok(sent.map_err(error::without_effect)?.said)
    }

    /// The answer of a script.
    ///
    /// # Errors
    /// What the server refuses; why there was no answer, with its outcome: `NotApplied` only where no copy was sent.
    ///
    /// # Cancel safety
    /// A copy that was sent may be carried out, and none is sent any more.
    pub(crate) async fn call(
        &self,
        script: &'static Script,
        call: &Cmd,
        repeat: Repeat,
        deadline: Deadline,
    ) -> Result<Answer> {
        self.check_open()?;
        let sent = Request::One(call, Some(script)).send(&self.inner.commands, repeat, deadline).await?;
        let Answers { said, repeated } = sent;
        let value = accepted(said.last().ok_or_else(error::not_understood)?, repeated)?;
        Ok(Answer { value, repeated })
    }

    /// The answers of several calls of one script, sent as one; each is carried out on its own.
    ///
    /// # Errors
    /// For all of them why there was no answer, as [`call`](Self::call); for each what the server refuses.
    ///
    /// # Cancel safety
    /// As there.
    pub(crate) async fn call_many(
        &self,
        script: &'static Script,
        calls: &Pipeline,
        repeat: Repeat,
        deadline: Deadline,
    ) -> Result<Vec<Result<Answer>>> {
        self.check_open()?;
        let sent = Request::Many(calls, Some(script)).send(&self.inner.commands, repeat, deadline).await?;
        let Answers { said, repeated } = sent;
        let answer = |value| accepted(value, repeated).map(|value| Answer { value, repeated });
        Ok(said.all().into_iter().map(answer).collect())
    }

    /// The answer to a script of which each copy is made anew, because a late one must not be the same as an earlier one.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// As there.
    pub(crate) async fn call_anew(
        &self,
        script: &'static Script,
        mut call: impl FnMut() -> Cmd,
        deadline: Deadline,
    ) -> Result<Answer> {
        self.check_open()?;
        let (mut repeated, mut backoff) = (false, Backoff::new());
        loop {
            let call = call();
            let sent = Request::One(&call, Some(script)).send(&self.inner.commands, Repeat::Anew, deadline).await;
            let lost = match sent {
                Ok(Answers { said, .. }) => {
                    let value = accepted(said.last().ok_or_else(error::not_understood)?, repeated)?;
                    return Ok(Answer { value, repeated });
                }
                Err(lost) => lost,
            };
            if lost.outcome() == Outcome::NotApplied {
                return Err(if repeated { error::with_outcome(lost, error::UNKNOWN) } else { lost });
            }
            repeated = true;
            if deadline.has_passed() || !backoff.sleep_before(deadline.at).await {
                return Err(lost);
            }
        }
    }

    /// Whether the server answers, on both connections.
    pub(crate) async fn health(&self, deadline: Deadline) -> Result<()> {
        self.read(&redis::cmd("PING"), deadline).await?;
        self.inner.pushes.ready(deadline).await.map(drop)
    }

    /// Ends both connections, once what is under way on them has ended. Closing twice is fine.
    pub(crate) fn close(&self) {
        self.inner.is_closed.store(true, Ordering::Release);
        self.inner.closed.send_replace(true);
        self.inner.pushes.close();
        self.inner.commands.close();
    }
}

/// What the server did not refuse.
fn accepted(value: Value, repeated: bool) -> Result<Value> {
    match value {
        Value::ServerError(refused) if repeated => Err(error::with_outcome(error::of_server(&refused), error::UNKNOWN)),
        Value::ServerError(refused) => Err(error::of_server(&refused)),
        value => Ok(value),
    }
}
