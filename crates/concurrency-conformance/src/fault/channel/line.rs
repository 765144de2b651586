//! A client's connection: requests and replies, and what a plan does to them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use concurrency_core::{
    Capabilities, Error, Outcome, Result,
    clock::{self, BootInstant},
    random,
};
use tokio::sync::oneshot;

use super::server::{Reply, Request, Server};
use crate::fault::{Fault, Kind, Place, Strikes};

/// What a call may take, its repeats included.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(240);
/// A request that may be repeated waits this part of it for an answer: longer than the shortest lease.
const PATIENCE: u32 = 2;
/// A message is under way for 1 ms and up to so much more.
const SPREAD: Duration = Duration::from_millis(3);
/// Pause before a repeat.
const PAUSE: Duration = Duration::from_millis(2);

const UNKNOWN: Outcome = Outcome::Unknown { settled: false };

/// Whether the library may send a request again when no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second copy could undo what somebody else wrote in between.
    Never,
    /// It does no harm, or its answer tells.
    UntilAnswered,
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// Copies before this one got no answer, and may have been carried out or may yet be.
    pub(super) repeated: bool,
}

/// When a call has to be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(BootInstant);

impl Deadline {
    /// One operation timeout from now.
    pub(super) fn start() -> Self {
        Self(BootInstant::now().after(OPERATION_TIMEOUT))
    }
}

/// A client's end of a connection, which is made anew when it is lost or gives no answer.
pub(super) struct Line {
    client: u32,
    server: Arc<Server>,
    strikes: Strikes,
    ends: Mutex<Ends>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("client", &self.client).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Ends {
    /// Which connection it is on.
    connection: u64,
    /// What the server says does not come through on it.
    is_deaf: bool,
    /// Nothing passes on it before.
    stopped_until: BootInstant,
    /// Who waits for the reply to which request.
    waiting: BTreeMap<u64, oneshot::Sender<Reply>>,
    last_number: u64,
}

/// How one copy of a request ended.
enum Ended {
    Answered(Reply),
    /// The connection ended.
    Lost,
    /// Nothing came in the time given.
    Silent,
}

/// A request on its way.
struct Sent {
    namespace: String,
    request: Request,
    number: u64,
    connection: u64,
    /// In which of the server's lives it was sent.
    life: u64,
}

impl Line {
    pub(super) fn new(client: u32, server: Arc<Server>, strikes: Strikes) -> Arc<Self> {
        let ends = Ends {
            connection: 0,
            is_deaf: false,
            stopped_until: BootInstant::now(),
            waiting: BTreeMap::new(),
            last_number: 0,
        };
        Arc::new(Self { client, server, strikes, ends: Mutex::new(ends) })
    }

    pub(super) fn declared(&self) -> Capabilities {
        self.server.backend().capabilities()
    }

    /// Sends a request until it is answered, or once. Before each copy `sending` is called.
    ///
    /// # Errors
    /// `Timeout` and `Unavailable`: `NotApplied` where no copy left, otherwise unknown.
    pub(super) async fn call(
        self: &Arc<Self>,
        namespace: &str,
        request: &Request,
        repeat: Repeat,
        deadline: Deadline,
        mut sending: impl FnMut() + Send,
    ) -> Result<Answer> {
        let mut repeated = false;
        loop {
            let outcome = if repeated { UNKNOWN } else { Outcome::NotApplied };
            if !reaches(self.server.is_back(), deadline.0).await {
                return Err(Error::Unavailable { outcome, source: None });
            }
            sending();
            let patience = match repeat {
                Repeat::Never => OPERATION_TIMEOUT,
                Repeat::UntilAnswered => OPERATION_TIMEOUT / PATIENCE,
            };
            let until = deadline.0.min(BootInstant::now().after(patience));
            let failure = match self.send(namespace, request, until).await {
                Ended::Answered(reply) => return Ok(Answer { reply, repeated }),
                Ended::Lost => Error::Unavailable { outcome: UNKNOWN, source: None },
                Ended::Silent => Error::Timeout { after: OPERATION_TIMEOUT, outcome: UNKNOWN },
            };
            self.reconnect();
            repeated = true;
            let again = BootInstant::now().after(PAUSE);
            if repeat == Repeat::Never || again >= deadline.0 {
                return Err(failure);
            }
            clock::sleep_until(again).await;
        }
    }

    /// One copy.
    async fn send(self: &Arc<Self>, namespace: &str, request: &Request, until: BootInstant) -> Ended {
        let (answer, answered) = oneshot::channel();
        let sent = {
            let mut ends = self.enter();
            ends.last_number += 1;
            let number = ends.last_number;
            ends.waiting.insert(number, answer);
            let (connection, life) = (ends.connection, self.server.life());
            Sent { namespace: namespace.to_owned(), request: request.clone(), number, connection, life }
        };
        let (life, number) = (sent.life, sent.number);
        let fault = self.strikes.request(self.client, request.may_be_doubled());
        tokio::spawn(Arc::clone(self).carry(sent, fault));
        let ended = tokio::select! {
            biased;
            answer = answered => answer.map_or(Ended::Lost, Ended::Answered),
            () = self.server.ends(life) => Ended::Lost,
            () = clock::sleep_until(until) => Ended::Silent,
        };
        self.enter().waiting.remove(&number);
        ended
    }

    /// A connection of its own for what comes next; nothing that the last one still brings reaches anybody.
    fn reconnect(&self) {
        let mut ends = self.enter();
        ends.connection += 1;
        ends.is_deaf = false;
        ends.stopped_until = BootInstant::now();
    }

    /// A request to the server, and its reply back, unless something happens to them.
    async fn carry(self: Arc<Self>, sent: Sent, fault: Option<Fault>) {
        self.pass(&sent).await;
        let Some(fault) = fault else {
            let reply = self.server.carry_out(&sent.namespace, sent.request.clone(), sent.life).await;
            return self.back(&sent, reply).await;
        };
        let before = fault.place == Place::BeforeRequest;
        if before && !self.strike_before(&sent, fault).await {
            return;
        }
        let reply = self.server.carry_out(&sent.namespace, sent.request.clone(), sent.life).await;
        if !before && !self.strike_after(&sent, fault).await {
            return;
        }
        self.back(&sent, reply).await;
        if fault.kind == Kind::Duplicate {
            clock::sleep_until(BootInstant::now().after(fault.length)).await;
            drop(self.server.carry_out(&sent.namespace, sent.request, sent.life).await);
        }
    }

    /// Before the server has it; whether it goes on to the server.
    async fn strike_before(&self, sent: &Sent, fault: Fault) -> bool {
        let Fault { kind, length, .. } = fault;
        let later = BootInstant::now().after(length);
        match kind {
            Kind::Cut => {
                self.lose(sent);
                false
            }
            Kind::HalfOpen => {
                self.deafen(sent);
                false
            }
            Kind::Hold => {
                self.lose(sent);
                clock::sleep_until(later).await;
                drop(self.server.carry_out(&sent.namespace, sent.request.clone(), sent.life).await);
                false
            }
            Kind::Crash => {
                self.server.crash(length);
                false
            }
            Kind::Freeze => {
                self.server.freeze(length);
                true
            }
            Kind::Stop => {
                self.stop(sent, later);
                clock::sleep_until(later).await;
                true
            }
            Kind::Delay => {
                clock::sleep_until(later).await;
                true
            }
            Kind::Duplicate => true,
        }
    }

    /// After the server has carried it out; whether its reply goes on.
    async fn strike_after(&self, sent: &Sent, fault: Fault) -> bool {
        let Fault { kind, length, .. } = fault;
        let later = BootInstant::now().after(length);
        match kind {
            Kind::Cut | Kind::Hold => {
                self.lose(sent);
                false
            }
            Kind::HalfOpen => {
                self.deafen(sent);
                false
            }
            Kind::Crash => {
                self.server.crash(length);
                false
            }
            Kind::Freeze => {
                self.server.freeze(length);
                clock::sleep_until(later).await;
                true
            }
            Kind::Stop => {
                self.stop(sent, later);
                clock::sleep_until(later).await;
                true
            }
            Kind::Delay => {
                clock::sleep_until(later).await;
                true
            }
            Kind::Duplicate => true,
        }
    }

    /// A message is under way, in one direction.
    async fn pass(&self, sent: &Sent) {
        clock::sleep_until(BootInstant::now().after(Duration::from_millis(1) + random::up_to(SPREAD))).await;
        let stopped_until = {
            let ends = self.enter();
            if ends.connection == sent.connection { ends.stopped_until } else { BootInstant::now() }
        };
        clock::sleep_until(stopped_until).await;
    }

    async fn back(&self, sent: &Sent, reply: Option<Reply>) {
        // The server of a life that is over says nothing.
        let Some(reply) = reply else { return };
        self.pass(sent).await;
        if self.server.life() == sent.life {
            self.deliver(sent, reply);
        }
    }

    /// To who waits for it, unless the connection was given up.
    fn deliver(&self, sent: &Sent, reply: Reply) {
        let mut ends = self.enter();
        let comes_through = ends.connection == sent.connection && !ends.is_deaf;
        let caller = ends.waiting.remove(&sent.number).filter(|_| comes_through);
        if let Some(caller) = caller {
            // Dropped meanwhile, as its future was.
            drop(caller.send(reply));
        }
    }

    /// The connection ends: whoever waits learns that.
    fn lose(&self, sent: &Sent) {
        self.enter().waiting.remove(&sent.number);
    }

    fn deafen(&self, sent: &Sent) {
        let mut ends = self.enter();
        if ends.connection == sent.connection {
            ends.is_deaf = true;
        }
    }

    fn stop(&self, sent: &Sent, until: BootInstant) {
        let mut ends = self.enter();
        if ends.connection == sent.connection {
            ends.stopped_until = until;
        }
    }

    fn enter(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this comes about before the deadline.
async fn reaches(what: impl Future<Output = ()>, deadline: BootInstant) -> bool {
    tokio::select! {
        biased;
        () = what => true,
        () = clock::sleep_until(deadline) => false,
    }
}

/// For an answer of another kind than was asked for.
pub(super) fn not_understood() -> Error {
    Error::backend(UNKNOWN, "a reply of another kind")
}

/// The same error, with this outcome.
pub(super) fn unavailable(settled: bool) -> Error {
    Error::Unavailable { outcome: Outcome::Unknown { settled }, source: None }
}
