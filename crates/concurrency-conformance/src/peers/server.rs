//! A process of a crew: makes calls for the one that started it.

use std::{
    collections::HashMap,
    env,
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concurrency_core::{Backend, Boxed, Bytes, Cache, Error, EventStore, Lock, Result, StateStore};
use serde::Serialize;
use tokio::{runtime::Runtime, task::AbortHandle};

use crate::Component;

use super::{
    REPORT_TO, cache, event,
    line::{receive, send},
    lock, state,
    wire::{self, Refusal, Request, What},
};

/// If this process was started by a [`Crew`](super::Crew): makes the calls that it is asked for until the crew is dismissed,
/// each client with a backend from `connect`, and answers true. Otherwise answers false at once.
///
/// # Panics
/// If the one that started it cannot be reached.
pub fn serve<F, B>(connect: F) -> bool
where
    F: Fn(String) -> B + Send + Sync + 'static,
    B: Future<Output = Result<Arc<dyn Backend>>> + Send + 'static,
{
    let Ok(address) = env::var(REPORT_TO) else { return false };
    let mut stream = TcpStream::connect(address).expect("whoever started this process listens");
    stream.set_nodelay(true).expect("the connection is open");
    let writer = stream.try_clone().expect("the connection is open");
    let server = Arc::new(Server {
        connect: Box::new(move |url| Box::pin(connect(url))),
        writer: Mutex::new(writer),
        clients: Mutex::default(),
        calls: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    // An error is the end of the connection.
    while let Ok(request) = receive::<Request>(&mut stream) {
        server.take(&runtime, request);
    }
    runtime.shutdown_background();
    true
}

/// From an address to a backend.
type Connect = dyn Fn(String) -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync;

struct Server {
    connect: Box<Connect>,
    writer: Mutex<TcpStream>,
    clients: Mutex<HashMap<u64, Arc<Client>>>,
    /// Those under way, and what drops them.
    calls: Mutex<HashMap<u64, AbortHandle>>,
}

/// A backend, and what was opened of it: once, since a component may remember what went through it.
struct Client {
    backend: Arc<dyn Backend>,
    claims: lock::Claims,
    states: Opened<dyn StateStore>,
    caches: Opened<dyn Cache>,
    locks: Opened<dyn Lock>,
    events: Opened<dyn EventStore>,
}

impl Client {
    fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            claims: lock::Claims::default(),
            states: Opened::default(),
            caches: Opened::default(),
            locks: Opened::default(),
            events: Opened::default(),
        }
    }
}

/// Components of one kind, by namespace.
struct Opened<C: ?Sized>(Mutex<HashMap<String, Arc<C>>>);

impl<C: ?Sized> Default for Opened<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: Component + ?Sized> Opened<C> {
    fn get(&self, backend: &dyn Backend, namespace: &str) -> Result<Arc<C>> {
        let mut opened = lock_of(&self.0);
        if let Some(component) = opened.get(namespace) {
            return Ok(Arc::clone(component));
        }
        let component = C::of(backend, namespace)?;
        opened.insert(namespace.to_owned(), Arc::clone(&component));
        Ok(component)
    }
}

impl Server {
    fn take(self: &Arc<Self>, runtime: &Runtime, Request { id, client, what }: Request) {
        match what {
            What::Cancel(id) => {
                if let Some(call) = lock_of(&self.calls).remove(&id) {
                    call.abort();
                }
            }
            What::Forget => drop(lock_of(&self.clients).remove(&client)),
            what => {
                let server = Arc::clone(self);
                // Held until it is noted, so that it cannot end before.
                let mut calls = lock_of(&self.calls);
                let call = runtime.spawn(async move {
                    let answer = server.answer(client, what).await;
                    lock_of(&server.calls).remove(&id);
                    // An error is the end of the connection.
                    drop(send(&mut *lock_of(&server.writer), &(id, answer)));
                });
                calls.insert(id, call.abort_handle());
            }
        }
    }

    async fn answer(&self, number: u64, what: What) -> Bytes {
        if let What::Connect { url } = what {
            let connected = (self.connect)(url).await.map(|backend| {
                lock_of(&self.clients).insert(number, Arc::new(Client::new(backend)));
            });
            return encoded(connected);
        }
        let client = lock_of(&self.clients).get(&number).cloned();
        let Some(client) = client else {
            return encoded::<()>(Err(Error::Closed));
        };
        let backend = &*client.backend;
        let refused = |error| encoded::<()>(Err(error));
        match what {
            What::Health => encoded(backend.health().await),
            What::Close => {
                backend.close().await;
                encoded(Ok(()))
            }
            What::State { namespace, call } => match client.states.get(backend, &namespace) {
                Ok(store) => state::answer(store, call).await,
                Err(error) => refused(error),
            },
            What::Cache { namespace, call } => match client.caches.get(backend, &namespace) {
                Ok(cache) => cache::answer(cache, call).await,
                Err(error) => refused(error),
            },
            What::Lock { namespace, call } => match client.locks.get(backend, &namespace) {
                Ok(lock) => lock::answer(lock, call, &client.claims).await,
                Err(error) => refused(error),
            },
            What::Event { namespace, call } => match client.events.get(backend, &namespace) {
                Ok(store) => event::answer(store, call).await,
                Err(error) => refused(error),
            },
            What::Connect { .. } | What::Forget | What::Cancel(_) => unreachable!("taken care of above"),
        }
    }
}

/// An answer, as the one who asked reads it.
pub(super) fn encoded<T: Serialize>(answer: Result<T>) -> Bytes {
    wire::encode(&answer.map_err(Refusal::from)).into()
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
