//! What a case is handed.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::{Backend, Result, clock};

use crate::{
    Component,
    harness::Connect,
    history::History,
    linear::{self, Judged, Model},
};

/// What a case is handed: components in a namespace of its own, the passing of time, and randomness from a seed.
pub struct Context<C: Component + ?Sized> {
    connect: Connect<C>,
    first: tokio::sync::OnceCell<Client<C>>,
    namespace: String,
    seed: u64,
    rng: Mutex<fastrand::Rng>,
    slack: Duration,
    processes: usize,
    histories: Option<Histories>,
}

/// Takes the lines of recorded histories, as many as one case recorded at a time.
pub type Histories = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl<C: Component + ?Sized> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl<C: Component + ?Sized> Context<C> {
    pub(crate) fn new(
        connect: Connect<C>,
        seed: u64,
        slack: Duration,
        processes: usize,
        histories: Option<Histories>,
    ) -> Self {
        let unique = u128::from_be_bytes(concurrency_core::random::bytes());
        Self {
            connect,
            first: tokio::sync::OnceCell::new(),
            namespace: format!("case-{unique:032x}"),
            seed,
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            slack,
            processes,
            histories,
        }
    }

    /// The component, in the case's own namespace, as the first client has it. The same client at every call.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn open(&self) -> Arc<C> {
        self.client().await.open(&self.namespace).expect("the component opens")
    }

    /// The component, in the case's own namespace, through a client of its own: as another process sees the same data.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn other_client(&self) -> Arc<C> {
        self.new_client().await.open(&self.namespace).expect("the component opens")
    }

    /// The component through so many clients, the first one among them, or one for each process if there are more of those.
    ///
    /// # Panics
    /// If one cannot be had.
    pub async fn clients(&self, at_least: usize) -> Vec<Arc<C>> {
        let mut clients = vec![self.open().await];
        while clients.len() < at_least.max(self.processes) {
            clients.push(self.other_client().await);
        }
        clients
    }

    /// The component of the first client in another namespace of this case, told apart by `suffix` (at most 20 characters).
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn other_namespace(&self, suffix: &str) -> Arc<C> {
        self.client().await.open(&format!("{}-{suffix}", self.namespace)).expect("the component opens")
    }

    /// The first client.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn client(&self) -> &Client<C> {
        self.first.get_or_init(|| self.new_client()).await
    }

    /// A client of its own: another connection to the same data.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn new_client(&self) -> Client<C> {
        (self.connect)().await.expect("the client connects")
    }

    /// The name of the case's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Lets time pass, on the server and here: at once under virtual time.
    pub async fn sleep(&self, duration: Duration) {
        // In steps, because the timers of tokio reach little more than two years.
        let end = clock::BootInstant::now().after(duration);
        while !end.has_passed() {
            clock::sleep_until(end.min(clock::BootInstant::now().after(Duration::from_secs(86_400 * 365)))).await;
        }
    }

    /// By how much what happens "at once" or "at" a moment may be late: 2 ms under virtual time, half a second otherwise.
    #[must_use]
    pub const fn slack(&self) -> Duration {
        self.slack
    }

    /// Asks again and again, every 5 ms, until the answer is `Some`.
    ///
    /// # Panics
    /// If that has not come within `within`.
    pub async fn eventually<T>(&self, what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = clock::BootInstant::now().after(within);
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(!deadline.has_passed(), "{what}: not within {within:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Judges what was recorded, after handing it to whoever collects histories.
    ///
    /// # Panics
    /// If it is not linearizable, with the operation that fits nowhere.
    pub fn judge<M: Model>(&self, case: &str, history: &History<M>) -> Judged {
        if let Some(histories) = &self.histories {
            let mut lines = Vec::new();
            let name = format!("{}::{case}, seed {}, {}", C::KIND, self.seed, self.namespace);
            history.write(&name, &mut lines).expect("memory takes all");
            histories(&lines);
        }
        linear::check(history).unwrap_or_else(|rejected| panic!("{rejected}"))
    }

    /// Where the case's randomness comes from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator that continues where the last one branched off.
    pub fn rng(&self) -> fastrand::Rng {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

/// A connection to the data that is under test.
pub struct Client<C: Component + ?Sized> {
    source: Source<C>,
}

/// A component in a namespace.
pub(crate) type OpenComponent<C> = dyn Fn(&str) -> Result<Arc<C>> + Send + Sync;

pub(crate) enum Source<C: Component + ?Sized> {
    Backend(Arc<dyn Backend>),
    Component(Arc<OpenComponent<C>>),
}

impl<C: Component + ?Sized> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl<C: Component + ?Sized> Client<C> {
    pub(crate) const fn new(source: Source<C>) -> Self {
        Self { source }
    }

    /// The component in a namespace.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn open(&self, namespace: &str) -> Result<Arc<C>> {
        match &self.source {
            Source::Backend(backend) => C::of(&**backend, namespace),
            Source::Component(open) => open(namespace),
        }
    }

    /// The backend behind it. Cases that use it are listed with `if |d| d.backend`.
    ///
    /// # Panics
    /// If the harness has a single component only.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        match &self.source {
            Source::Backend(backend) => backend,
            Source::Component(_) => panic!("cases that use the backend are listed with `if |d| d.backend`"),
        }
    }

    /// Whether there is a backend behind it.
    #[must_use]
    pub const fn has_backend(&self) -> bool {
        matches!(self.source, Source::Backend(_))
    }
}
