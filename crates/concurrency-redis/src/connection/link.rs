//! One connection that is kept up.
//!
//! A task opens it, and opens it again when it is lost or no longer answers: at once, then with pauses that grow to a second.
//! A call that finds no connection wakes the task, so that it never waits for a pause that began before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Error, Outcome, Result,
    clock::{self, BootInstant},
    random,
};
use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, JoinHandle},
};

use super::{
    deadline::Deadline,
    gathering::Crowd,
    pushes::Routes,
    server::{self, Server},
    target::{Dialled, Target},
};
use crate::{config::Place, error};

/// The pause after the first attempt in vain, and the shortest between two attempts; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a connection on which nothing is asked is tried.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A connection on which a request that may not be repeated is sent has answered within this time, or is asked first.
const FRESH: Duration = Duration::from_secs(1);

/// How a connection is opened, and what it is for.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) target: Arc<Target>,
    /// The channel of the client.
    pub(super) inbox: Arc<str>,
    /// Where pushes go; `None` for the connection of commands.
    pub(super) routes: Option<Arc<Routes>>,
    /// How long an attempt may take.
    pub(super) limit: Duration,
}

/// A connection that is kept up until this is dropped.
pub(super) struct Link {
    shared: Arc<Shared>,
    keeper: AbortHandle,
    server: Option<Server>,
}

struct Shared {
    status: watch::Sender<Status>,
    /// A call wants a connection.
    wanted: Notify,
    /// Somebody has accepted the connection that is being opened.
    accepted: AtomicBool,
}

enum Status {
    Up(Arc<Connected>),
    /// It was lost, and no attempt at another one has ended yet.
    Lost,
    /// Why the last attempt failed.
    Down(Error),
    Closed,
}

impl Link {
    /// Opens the connection, and keeps it up from then on.
    ///
    /// # Errors
    /// Those of opening it; nothing is kept up then.
    pub(super) async fn start(opener: Opener) -> Result<Self> {
        let (status, _) = watch::channel(Status::Lost);
        let shared = Arc::new(Shared { status, wanted: Notify::new(), accepted: AtomicBool::new(false) });
        let first = shared.open(&opener, 1).await?;
        shared.status.send_replace(Status::Up(Arc::clone(&first.connected)));
        let server = first.connected.server.clone();
        let keeper = tokio::spawn(keep(Arc::clone(&shared), opener, first)).abort_handle();
        Ok(Self { shared, keeper, server })
    }

    /// The connection, as soon as there is one.
    ///
    /// # Errors
    /// At the deadline why there is none, `NotApplied`; at once what trying again cannot mend; `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(super) async fn connected(&self, deadline: Deadline) -> Result<Arc<Connected>> {
        if let Some(connected) = self.current() {
            return Ok(connected);
        }
        let mut status = self.shared.status.subscribe();
        status.mark_unchanged();
        self.shared.wanted.notify_one();
        // Of the last attempt before this call, and of the last one that has ended since.
        let (mut before, mut since) = (error::unavailable(Outcome::NotApplied), None);
        let mut waits = false;
        loop {
            match &*status.borrow_and_update() {
                Status::Up(connected) if connected.is_up() => return Ok(Arc::clone(connected)),
                Status::Up(_) | Status::Lost => {}
                Status::Down(error) if waits && !error::may_pass(error) => return Err(error.clone()),
                Status::Down(error) if waits => since = Some(error.clone()),
                Status::Down(error) => before = error.clone(),
                Status::Closed => return Err(Error::Closed),
            }
            tokio::select! {
                changed = status.changed() => changed.map_err(|_| Error::Closed)?,
                () = clock::sleep_until(deadline.at) => {
                    let is_opening = self.shared.accepted.load(Ordering::Acquire);
                    let has_tried = since.is_some();
                    return Err(match since.unwrap_or(before) {
                        Error::Timeout { .. } => error::timeout(deadline.limit, Outcome::NotApplied),
                        // Where an attempt has told why, another one that is under way tells no more.
                        _ if is_opening && !has_tried => error::timeout(deadline.limit, Outcome::NotApplied),
                        why => why,
                    });
                }
            }
            waits = true;
        }
    }

    /// The connection, if there is one now.
    pub(super) fn current(&self) -> Option<Arc<Connected>> {
        match &*self.shared.status.borrow() {
            Status::Up(connected) if connected.is_up() => Some(Arc::clone(connected)),
            _ => None,
        }
    }

    /// What the server said when it was asked first; of the connection of commands.
    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Ends it for good.
    pub(super) fn close(&self) {
        self.shared.status.send_replace(Status::Closed);
        self.keeper.abort();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection, and what runs it.
struct Opened {
    connected: Arc<Connected>,
    driver: JoinHandle<()>,
    /// Where it leads.
    place: Place,
}

impl Shared {
    async fn open(&self, opener: &Opener, generation: u64) -> Result<Opened> {
        self.accepted.store(false, Ordering::Release);
        let Opener { target, inbox, routes, limit } = opener;
        let opening = async {
            let on_push = routes.as_ref().map(|routes| routes.on_push());
            let dialled = target.open(*limit, on_push, &self.accepted).await?;
            let Dialled { mut connection, driver, crowd, place } = dialled;
            let driver = tokio::spawn(driver);
            // From here on dropping it ends the driver.
            let guard = EndOnDrop(driver.abort_handle());
            let server = match routes {
                None => {
                    let mut server = server::ask(&mut connection, target.db, inbox).await?;
                    if target.fails_over() {
                        server.may_fail_over();
                    }
                    target.is_at(place.clone());
                    Some(server)
                }
                Some(routes) => {
                    routes.subscribe_all(&mut connection, generation).await?;
                    None
                }
            };
            let connected = Connected::new(connection, crowd, generation, server, guard);
            Ok(Opened { connected: Arc::new(connected), driver, place })
        };
        let opened = tokio::time::timeout(*limit, opening).await;
        self.accepted.store(false, Ordering::Release);
        opened.unwrap_or_else(|_| Err(error::timeout(*limit, Outcome::NotApplied)))
    }
}

async fn keep(shared: Arc<Shared>, opener: Opener, mut opened: Opened) {
    let mut commands = opener.target.follow();
    loop {
        let Opened { connected, driver, place } = &mut opened;
        tokio::select! {
            _ = driver => {}
            () = connected.suspected.notified() => {}
            () = connected.has_fallen_silent(opener.limit), if opener.routes.is_some() => {}
            () = go_elsewhere(&mut commands, place), if opener.routes.is_some() => {}
        }
        let generation = connected.generation + 1;
        shared.status.send_replace(Status::Lost);
        // Who waits for an answer on the old one holds it.
        drop(opened);
        opened = reopen(&shared, &opener, generation).await;
        shared.status.send_replace(Status::Up(Arc::clone(&opened.connected)));
        if let Some(routes) = &opener.routes {
            routes.gap();
        }
    }
}

/// Returns when commands go to another place than this, once for each such place: where sentinels do not agree, the two stay
/// where they are.
async fn go_elsewhere(commands: &mut watch::Receiver<Option<Place>>, place: &Place) {
    while commands.changed().await.is_ok() {
        if commands.borrow_and_update().as_ref().is_some_and(|now| now != place) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

async fn reopen(shared: &Shared, opener: &Opener, generation: u64) -> Opened {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match shared.open(opener, generation).await {
            Ok(opened) => return opened,
            Err(error) => drop(shared.status.send_replace(Status::Down(error))),
        }
        // However many calls want a connection, the server is not tried more often than this.
        tokio::time::sleep(SHORTEST_PAUSE / 2 + random::up_to(SHORTEST_PAUSE / 2)).await;
        tokio::select! {
            () = tokio::time::sleep(pause / 2 + random::up_to(pause / 2)) => pause = LONGEST_PAUSE.min(pause * 2),
            () = shared.wanted.notified() => pause = SHORTEST_PAUSE,
        }
    }
}

/// Ends a task.
struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that was up when it was handed out. It ends when nobody needs it any more.
pub(crate) struct Connected {
    connection: MultiplexedConnection,
    crowd: Crowd,
    /// Counts the connections of a link, from 1.
    pub(super) generation: u64,
    /// What the server said; for the connection of commands.
    pub(super) server: Option<Server>,
    driver: EndOnDrop,
    is_suspect: AtomicBool,
    suspected: Notify,
    /// Whose turn it is to change its subscriptions.
    pub(super) subscribing: tokio::sync::Mutex<()>,
    /// When it answered last, in nanoseconds of the boot clock.
    answered: AtomicU64,
}

impl Connected {
    fn new(
        connection: MultiplexedConnection,
        crowd: Crowd,
        generation: u64,
        server: Option<Server>,
        driver: EndOnDrop,
    ) -> Self {
        let answered = AtomicU64::new(nanos(BootInstant::now()));
        let (is_suspect, suspected) = (AtomicBool::new(false), Notify::new());
        let subscribing = tokio::sync::Mutex::new(());
        Self { connection, crowd, generation, server, driver, is_suspect, suspected, subscribing, answered }
    }

    fn is_up(&self) -> bool {
        !self.is_suspect.load(Ordering::Acquire) && !self.driver.0.is_finished()
    }

    /// Asks for another one to be opened in its place: nobody gets this one from now on. Whoever waits for an answer on it goes
    /// on waiting.
    pub(super) fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Release);
        self.suspected.notify_one();
    }

    /// Whether it answered anything since then.
    pub(super) fn has_answered_since(&self, then: BootInstant) -> bool {
        self.answered.load(Ordering::Acquire) >= nanos(then)
    }

    /// Whether it has answered within the last second.
    pub(super) fn is_fresh(&self) -> bool {
        self.has_answered_since(BootInstant::now().before(FRESH))
    }

    pub(super) async fn one(&self, command: &Cmd) -> RedisResult<Value> {
        let _under_way = self.crowd.join();
        self.noted(self.connection.clone().send_packed_command(command).await)
    }

    pub(super) async fn many(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let _under_way = self.crowd.join();
        self.noted(self.connection.clone().send_packed_commands(commands, 0, commands.len()).await)
    }

    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<()> {
        self.noted(self.connection.clone().subscribe(channel).await)
    }

    pub(super) async fn unsubscribe(&self, channel: &str) -> RedisResult<()> {
        self.noted(self.connection.clone().unsubscribe(channel).await)
    }

    fn noted<T>(&self, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.is_ok() {
            self.answered.fetch_max(nanos(BootInstant::now()), Ordering::AcqRel);
        }
        answer
    }

    /// Returns when it does not answer within `limit`. A push would never come then, and nothing else would tell.
    async fn has_fallen_silent(&self, limit: Duration) {
        let ping = redis::cmd("PING");
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if !matches!(tokio::time::timeout(limit, self.one(&ping)).await, Ok(Ok(_))) {
                return;
            }
        }
    }
}

fn nanos(instant: BootInstant) -> u64 {
    u64::try_from(instant.since_boot().as_nanos()).unwrap_or(u64::MAX)
}
