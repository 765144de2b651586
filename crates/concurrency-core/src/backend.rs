//! One connected technology, and how an address becomes one.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{Boxed, Cache, Capabilities, Error, EventStore, Lock, Result, StateStore};

/// One connected technology.
///
/// All I/O that setting up needs happens when it connects; components are then free to take, as many as there are
/// namespaces, and share its connections. Two components of one namespace see the same data; two namespaces never do, nor
/// do a state, a cache entry, a lock and a stream of one name.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// `"memory"`, `"redis"`, `"postgres"`, ..
    fn name(&self) -> &'static str;

    /// What each component promises; `None` for those that do not exist.
    fn capabilities(&self) -> Capabilities;

    /// Whether the server answers now.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Unauthorized`, `Incompatible`; `Closed` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    async fn health(&self) -> Result<()>;

    /// Releases held locks, except those that were left to run out, and ends background tasks and connections. Later calls
    /// give `Closed`. Closing twice is fine.
    ///
    /// # Cancel safety
    /// When the future is dropped, later calls give `Closed` or not yet; what is still held lapses. Calling it again is fine.
    async fn close(&self);

    /// The state store of a namespace.
    ///
    /// # Errors
    /// `InvalidArgument` for a bad namespace; `Closed`; `Unsupported` where `capabilities().state` is `None`.
    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        let _ = namespace;
        Err(Error::unsupported("state store"))
    }

    /// The cache of a namespace.
    ///
    /// # Errors
    /// `InvalidArgument` for a bad namespace; `Closed`; `Unsupported` where `capabilities().cache` is `None`.
    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        let _ = namespace;
        Err(Error::unsupported("cache"))
    }

    /// The locks of a namespace.
    ///
    /// # Errors
    /// `InvalidArgument` for a bad namespace; `Closed`; `Unsupported` where `capabilities().lock` is `None`; `Incompatible`
    /// where the server's policies do not keep leases.
    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        let _ = namespace;
        Err(Error::unsupported("lock"))
    }

    /// The event store of a namespace.
    ///
    /// # Errors
    /// `InvalidArgument` for a bad namespace; `Closed`; `Unsupported` where `capabilities().events` is `None`.
    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        let _ = namespace;
        Err(Error::unsupported("event store"))
    }
}

macro_rules! pointer {
    ($ptr:ident) => {
        impl<B: Backend + ?Sized> Backend for $ptr<B> {
            fn name(&self) -> &'static str {
                (**self).name()
            }
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            forward!(health() -> Result<()>);
            forward!(close() -> ());
            fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
                (**self).state_store(namespace)
            }
            fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
                (**self).cache(namespace)
            }
            fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
                (**self).lock(namespace)
            }
            fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
                (**self).event_store(namespace)
            }
        }
    };
}
pointer!(Arc);
pointer!(Box);

/// How a URL becomes a backend; each backend exports one constant.
#[derive(Debug, Clone, Copy)]
pub struct Connector {
    /// `&["redis", "rediss", "valkey"]`
    pub schemes: &'static [&'static str],
    /// Connects, proves that it can talk, prepares.
    pub connect: Connecting,
}

/// From a URL to a backend that has proved that it can talk.
pub type Connecting = for<'u> fn(&'u str) -> Boxed<'u, Result<Arc<dyn Backend>>>;

/// Connects by the URL's scheme.
///
/// # Errors
/// `InvalidArgument` for a scheme that no connector has, and those of connecting.
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
pub async fn connect(url: &str, connectors: &[Connector]) -> Result<Arc<dyn Backend>> {
    let (scheme, _) = url.split_once(':').ok_or_else(|| Error::invalid("URL", "it has no scheme"))?;
    let known = |connector: &&Connector| connector.schemes.contains(&scheme);
    let connector = connectors.iter().find(known).ok_or_else(|| Error::invalid("URL", "no backend has its scheme"))?;
    (connector.connect)(url).await
}
