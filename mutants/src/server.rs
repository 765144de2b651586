//! A [`Memory`] of which one component is a mutant.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use concurrency_core::{
    Backend, Cache, Capabilities, EventStore, Lock, Memory, MemoryConfig, Namespace, Result, StateStore,
    clock::Clock,
    memory::{NamespaceConfig, Session},
};

use crate::Connect;

/// The mutated data of one namespace.
pub(crate) struct Opened<C: ?Sized> {
    pub(crate) open: Box<dyn Fn(Session) -> Arc<C> + Send + Sync>,
    pub(crate) close: Box<dyn Fn(&Session) + Send + Sync>,
}

type Create<C> = fn(NamespaceConfig, Clock) -> Opened<C>;

/// Which component is made wrong, and how.
#[derive(Default)]
pub(crate) struct Wrong {
    pub(crate) state: Option<Create<dyn StateStore>>,
    pub(crate) cache: Option<Create<dyn Cache>>,
    pub(crate) lock: Option<Create<dyn Lock>>,
    pub(crate) event: Option<Create<dyn EventStore>>,
}

type Spaces<C> = Mutex<HashMap<String, Opened<C>>>;

pub(crate) struct Server {
    wrong: Wrong,
    memory: Memory,
    states: Spaces<dyn StateStore>,
    caches: Spaces<dyn Cache>,
    locks: Spaces<dyn Lock>,
    events: Spaces<dyn EventStore>,
}

impl Server {
    pub(crate) fn start(break_it: impl FnOnce(&mut Wrong)) -> Connect {
        let mut wrong = Wrong::default();
        break_it(&mut wrong);
        let server = Arc::new(Self {
            wrong,
            memory: Memory::new(),
            states: Spaces::default(),
            caches: Spaces::default(),
            locks: Spaces::default(),
            events: Spaces::default(),
        });
        Arc::new(move || {
            let memory = server.memory.another_client();
            Arc::new(Client { server: Arc::clone(&server), memory, session: Session::default() })
        })
    }
}

struct Client {
    server: Arc<Server>,
    memory: Memory,
    session: Session,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutant(..)")
    }
}

impl Client {
    fn open<C: ?Sized>(
        &self,
        namespace: &str,
        spaces: &Spaces<C>,
        create: Option<Create<C>>,
        sound: impl FnOnce() -> Result<Arc<C>>,
    ) -> Result<Arc<C>> {
        let Some(create) = create else { return sound() };
        self.session.check_open()?;
        Namespace::new(namespace)?;
        let mut spaces = spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let config = MemoryConfig::default().of(namespace);
        let space = spaces.entry(namespace.to_owned()).or_insert_with(|| create(config, self.memory.clock().clone()));
        Ok((space.open)(self.session.clone()))
    }
}

#[async_trait]
impl Backend for Client {
    fn name(&self) -> &'static str {
        "mutant"
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.session.check_open()
    }

    async fn close(&self) {
        self.memory.close().await;
        if self.session.close() {
            for space in self.server.locks.lock().unwrap_or_else(PoisonError::into_inner).values() {
                (space.close)(&self.session);
            }
        }
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        let sound = || Backend::state_store(&self.memory, namespace);
        self.open(namespace, &self.server.states, self.server.wrong.state, sound)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        let sound = || Backend::cache(&self.memory, namespace);
        self.open(namespace, &self.server.caches, self.server.wrong.cache, sound)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        let sound = || Backend::lock(&self.memory, namespace);
        self.open(namespace, &self.server.locks, self.server.wrong.lock, sound)
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        let sound = || Backend::event_store(&self.memory, namespace);
        self.open(namespace, &self.server.events, self.server.wrong.event, sound)
    }
}
