//! The server's end: carries requests out on a backend of this process.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    AppendOptions, Appended, Backend, Batch, Bytes, Claim, Current, DeleteOptions, Error, EventStore, ExpectedVersion,
    FencingToken, Held, Lease, Lock, NewEvent, Owner, Position, Precondition, ReadQuery, Released, Result, SaveOptions,
    State, StateStore, StreamSlice, Ttl, Version,
    clock::{self, BootInstant},
};
use tokio::sync::Notify;

/// What a client asks. A copy of it is the same request.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Load { key: String },
    Save { key: String, value: Bytes, version: Version, options: SaveOptions },
    Delete { key: String, options: DeleteOptions },
    Fence { keys: Vec<String>, token: FencingToken },
    Acquire { name: String, owner: Owner, ttl: Ttl },
    Renew { name: String, owner: Owner, ttl: Ttl, token: FencingToken },
    Release { name: String, owner: Owner, ttl: Ttl, token: Option<FencingToken> },
    Holder { name: String },
    Append { stream: String, events: Vec<NewEvent>, options: AppendOptions },
    Read { stream: String, query: ReadQuery },
    ReadAll { after: Position, limit: usize },
}

impl Request {
    /// Whether a second copy does no harm, whatever the first was answered. An append that was refused for standing too low a
    /// stream is accepted later; its library knows of the copies that it has sent, and of no others.
    pub(super) fn may_be_doubled(&self) -> bool {
        match self {
            Self::Save { options, .. } => matches!(options.precondition(), Precondition::Match(_)),
            Self::Delete { options, .. } => matches!(options.precondition(), Precondition::Match(_)),
            Self::Append { options, .. } => {
                matches!(options.unchecked().0, ExpectedVersion::Any | ExpectedVersion::NoStream)
            }
            _ => true,
        }
    }
}

/// What it says.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Loaded(Result<Option<State>>),
    Saved(Result<()>),
    Deleted(Result<bool>),
    Raised(Result<()>),
    Acquired(Result<Option<FencingToken>>),
    Renewed(Result<bool>),
    Released(Result<Released>),
    Holder(Result<Option<Held>>),
    Appended(Result<Appended>),
    Slice(Result<StreamSlice>),
    Batch(Result<Batch>),
}

/// The server of a history.
pub(super) struct Server {
    backend: Arc<dyn Backend>,
    spaces: Mutex<HashMap<String, Arc<Space>>>,
    /// How often it has crashed.
    life: AtomicU64,
    crashed: Notify,
    /// When it goes on.
    frozen_until: Mutex<BootInstant>,
    /// When it is back.
    down_until: Mutex<BootInstant>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

/// One namespace.
struct Space {
    state: Option<Arc<dyn StateStore>>,
    lock: Option<Arc<dyn Lock>>,
    events: Option<Arc<dyn EventStore>>,
    names: Mutex<Names>,
}

/// The backend mints versions of its own; these are the clients' names of them.
#[derive(Default)]
struct Names {
    given: HashMap<Version, Version>,
    stored: HashMap<Version, Version>,
}

impl Server {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self {
            backend,
            spaces: Mutex::default(),
            life: AtomicU64::new(0),
            crashed: Notify::new(),
            frozen_until: Mutex::new(BootInstant::now()),
            down_until: Mutex::new(BootInstant::now()),
        })
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Says nothing for so long.
    pub(super) fn freeze(&self, length: Duration) {
        put_off(&self.frozen_until, length);
    }

    /// Ends, and is back after so long: what was under way to it or from it is gone, what it has carried out is kept.
    pub(super) fn crash(&self, length: Duration) {
        put_off(&self.down_until, length);
        self.life.fetch_add(1, Ordering::AcqRel);
        self.crashed.notify_waiters();
    }

    /// How often it has crashed.
    pub(super) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    /// Returns when this life of it is over.
    pub(super) async fn ends(&self, life: u64) {
        loop {
            let crashed = self.crashed.notified();
            tokio::pin!(crashed);
            crashed.as_mut().enable();
            if self.life() != life {
                return;
            }
            crashed.await;
        }
    }

    /// Returns when it takes connections.
    pub(super) async fn is_back(&self) {
        passes(&self.down_until).await;
    }

    /// Carries a request out that was sent in this life of it; `None` if that is over.
    pub(super) async fn carry_out(&self, namespace: &str, request: Request, life: u64) -> Option<Reply> {
        passes(&self.frozen_until).await;
        if self.life() != life {
            return None;
        }
        let space = self.space(namespace);
        Some(space.answer(request).await)
    }

    fn space(&self, namespace: &str) -> Arc<Space> {
        let mut spaces = locked(&self.spaces);
        let open = || {
            Arc::new(Space {
                state: self.backend.state_store(namespace).ok(),
                lock: self.backend.lock(namespace).ok(),
                events: self.backend.event_store(namespace).ok(),
                names: Mutex::default(),
            })
        };
        Arc::clone(spaces.entry(namespace.to_owned()).or_insert_with(open))
    }
}

impl Space {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Load { key } => Reply::Loaded(self.load(&key).await),
            Request::Save { key, value, version, options } => {
                Reply::Saved(self.save(&key, value, version, options).await)
            }
            Request::Delete { key, options } => Reply::Deleted(self.delete(&key, options).await),
            Request::Fence { keys, token } => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                Reply::Raised(self.state().fence(&keys, token).await)
            }
            Request::Acquire { name, owner, ttl } => Reply::Acquired(self.acquire(&name, owner, ttl).await),
            Request::Renew { name, owner, ttl, token } => Reply::Renewed(self.renew(&name, owner, ttl, token).await),
            Request::Release { name, owner, ttl, token } => Reply::Released(match claim(&name, owner, ttl) {
                Ok(claim) => self.lock().release(&claim, token).await,
                Err(error) => Err(error),
            }),
            Request::Holder { name } => Reply::Holder(self.lock().holder(&name).await),
            Request::Append { stream, events, options } => {
                Reply::Appended(self.events().append(&stream, events, options).await)
            }
            Request::Read { stream, query } => Reply::Slice(self.events().read(&stream, query).await),
            Request::ReadAll { after, limit } => Reply::Batch(self.events().read_all(after, limit).await),
        }
    }

    fn state(&self) -> &dyn StateStore {
        &**self.state.as_ref().expect("no client has what the backend does not declare")
    }

    fn lock(&self) -> &dyn Lock {
        &**self.lock.as_ref().expect("no client has what the backend does not declare")
    }

    fn events(&self) -> &dyn EventStore {
        &**self.events.as_ref().expect("no client has what the backend does not declare")
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        let found = self.state().load(key).await?;
        Ok(found.map(|state| State::new(state.value, self.given(state.version), state.expires_in)))
    }

    /// The version is the client's, as the contract has it: a copy of the request stores the same.
    async fn save(&self, key: &str, value: Bytes, version: Version, options: SaveOptions) -> Result<()> {
        let options = options.when(self.stored(options.precondition()));
        let stored = self.state().save(key, value, options).await.map_err(|error| self.renamed(error))?;
        let mut names = locked(&self.names);
        names.given.insert(stored, version);
        names.stored.insert(version, stored);
        Ok(())
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        let options = options.when(self.stored(options.precondition()));
        self.state().delete(key, options).await.map_err(|error| self.renamed(error))
    }

    async fn acquire(&self, name: &str, owner: Owner, ttl: Ttl) -> Result<Option<FencingToken>> {
        let lease = self.lock().try_acquire(&claim(name, owner, ttl)?).await?;
        Ok(lease.map(|lease| lease.fencing_token()))
    }

    async fn renew(&self, name: &str, owner: Owner, ttl: Ttl, token: FencingToken) -> Result<bool> {
        // The server judges by its own expiry alone; the local deadline is the client's.
        let lease = Lease::granted_elsewhere(claim(name, owner, ttl)?, token, Duration::MAX);
        match self.lock().renew(&lease).await {
            Ok(_) => Ok(true),
            Err(Error::LeaseLost { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn given(&self, stored: Version) -> Version {
        locked(&self.names).given.get(&stored).copied().unwrap_or(stored)
    }

    fn stored(&self, precondition: Precondition) -> Precondition {
        match precondition {
            // What was never stored matches nothing.
            Precondition::Match(given) => {
                Precondition::Match(locked(&self.names).stored.get(&given).copied().unwrap_or(given))
            }
            other => other,
        }
    }

    fn renamed(&self, error: Error) -> Error {
        match error {
            Error::Conflict { key, current: Current::Version(stored) } => {
                Error::Conflict { key, current: Current::Version(self.given(stored)) }
            }
            other => other,
        }
    }
}

/// A claim as it came by message: whether another copy of it is dead is not known here.
fn claim(name: &str, owner: Owner, ttl: Ttl) -> Result<Claim> {
    Claim::made_elsewhere(name, owner, ttl.as_duration())
}

fn put_off(until: &Mutex<BootInstant>, length: Duration) {
    let mut until = locked(until);
    *until = until.max(BootInstant::now().after(length));
}

/// Returns when the instant, which may be put off meanwhile, has passed.
async fn passes(until: &Mutex<BootInstant>) {
    loop {
        let until = *locked(until);
        if until.has_passed() {
            return;
        }
        clock::sleep_until(until).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
