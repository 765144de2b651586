//! What the server tells unasked: one connection of the client, whatever waits on it.
//!
//! Every client has an inbox, a channel whose name only it tells: a script that wakes somebody publishes there. The first byte of
//! a message is a mark that says for which component it is. What concerns many clients goes to a channel that each of them
//! subscribes to while it listens.
//!
//! A push may be lost with the connection. So everybody who waits looks again after a gap, when all channels are subscribed
//! anew, and never relies on a push alone.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concurrency_core::{Error, Outcome, Result, random};
use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::sync::watch;

use super::{
    deadline::Deadline,
    link::{Connected, Link, Opener},
    target::OnPush,
};
use crate::{error, key};

/// What comes to the inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Push<'p> {
    /// A message, without its mark.
    Message(&'p [u8]),
    /// Messages may have been lost; from now on they come again.
    Gap,
}

/// Takes what comes to the inbox under its mark. It runs on the connection's task and must not block; what it holds must not
/// hold the client, or neither would ever end.
pub(crate) type Handler = Arc<dyn Fn(Push<'_>) + Send + Sync>;

/// A channel that only one client subscribes to.
#[derive(Clone)]
pub(super) struct Inbox {
    channel: String,
    /// So many bytes of it are the same for all clients.
    prefix: usize,
}

impl Inbox {
    /// A new one.
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = key::inboxes(prefix);
        let own = key::inbox_of(u128::from_be_bytes(random::bytes()));
        Self { channel: [&*prefix, &own].concat(), prefix: prefix.len() }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
}

/// The connection of pushes.
pub(crate) struct Pushes {
    link: Link,
    routes: Arc<Routes>,
}

impl fmt::Debug for Pushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushes").finish_non_exhaustive()
    }
}

impl Pushes {
    /// Opens the connection and subscribes to the inbox.
    ///
    /// # Errors
    /// Those of opening; `Unauthorized` where the login may not subscribe.
    pub(super) async fn start(opener: Opener, inbox: Inbox) -> Result<Arc<Self>> {
        let routes = Arc::new(Routes { inbox, handlers: Mutex::default(), channels: Mutex::default() });
        let link = Link::start(Opener { routes: Some(Arc::clone(&routes)), ..opener }).await?;
        Ok(Arc::new(Self { link, routes }))
    }

    /// Where scripts reach this client.
    pub(crate) fn inbox(&self) -> &str {
        &self.routes.inbox.channel
    }

    /// The same in two parts: what the channels of all clients begin with, and 32 characters that only this client has.
    pub(crate) fn inbox_parts(&self) -> (&str, &str) {
        self.inbox().split_at(self.routes.inbox.prefix)
    }

    /// Hands what comes to the inbox under `mark` to `handler` from now on.
    pub(crate) fn on(&self, mark: u8, handler: Handler) {
        lock(&self.routes.handlers).push((mark, handler));
    }

    /// Returns once the inbox is subscribed: what is published from then on comes, or a gap does. The number is that of the
    /// connection, and differs after a gap.
    ///
    /// # Errors
    /// At the deadline why there is no connection, `NotApplied`; at once what trying again cannot mend; `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn ready(&self, deadline: Deadline) -> Result<u64> {
        Ok(self.link.connected(deadline).await?.generation)
    }

    /// Subscribes to a channel that other clients may listen to as well. What is published after this has returned is heard.
    ///
    /// # Errors
    /// As [`ready`](Self::ready); `Unauthorized`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves at most a subscription that nobody listens to, until the next one of that channel ends.
    pub(crate) async fn listen(self: &Arc<Self>, channel: &str, deadline: Deadline) -> Result<Listener> {
        let heard = self.routes.channel(channel);
        let subscribed = Arc::new(Subscribed { channel: channel.into(), pushes: Arc::clone(self) });
        let listener = Listener { heard, subscribed };
        loop {
            let connected = self.link.connected(deadline).await?;
            if self.routes.is_confirmed(channel, connected.generation) {
                return Ok(listener);
            }
            let subscribing = self.subscribe(&connected, channel);
            match tokio::time::timeout(deadline.at.remaining(), subscribing).await {
                Ok(Ok(())) => return Ok(listener),
                Ok(Err(error)) if !error::may_pass(&error) => return Err(error),
                Ok(Err(_)) => connected.suspect(),
                Err(_) => return Err(error::timeout(deadline.limit, Outcome::NotApplied)),
            }
        }
    }

    async fn subscribe(&self, connected: &Connected, channel: &str) -> Result<()> {
        let _turn = connected.subscribing.lock().await;
        let subscribed = connected.subscribe(channel).await;
        subscribed.map_err(|error| error::of_driver(&error, Outcome::NotApplied))?;
        self.routes.confirm(channel, connected.generation);
        Ok(())
    }

    /// Ends the subscription of a channel that nobody listens to any more.
    async fn unsubscribe(&self, channel: &str) {
        let Some(connected) = self.link.current() else { return };
        // In turn with those who subscribe, so that the later of the two is the later on the server.
        let _turn = connected.subscribing.lock().await;
        if self.routes.forget(channel) {
            // Where the connection is gone, so is the subscription.
            drop(connected.unsubscribe(channel).await);
        }
    }

    pub(super) fn close(&self) {
        self.link.close();
    }
}

/// Hears that something was published at a channel, until it is dropped.
pub(crate) struct Listener {
    // Dropped before the subscription, which looks whether anybody hears.
    heard: watch::Receiver<u64>,
    subscribed: Arc<Subscribed>,
}

/// A channel that somebody listens to; the subscription ends with the last of them.
struct Subscribed {
    channel: Box<str>,
    pushes: Arc<Pushes>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("channel", &self.subscribed.channel).finish_non_exhaustive()
    }
}

impl Listener {
    /// Returns when something was published since this was asked last, or may have been.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call returns at once.
    pub(crate) async fn heard(&mut self) {
        if self.heard.changed().await.is_err() {
            // Only while the client is being dropped.
            std::future::pending::<()>().await;
        }
    }

    /// Another one of the same channel, which hears what comes from now on. The server is not asked.
    pub(crate) fn another(&self) -> Self {
        let mut heard = self.heard.clone();
        heard.mark_unchanged();
        Self { heard, subscribed: Arc::clone(&self.subscribed) }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (pushes, channel) = (Arc::clone(&self.pushes), self.channel.clone());
            runtime.spawn(async move { pushes.unsubscribe(&channel).await });
        }
    }
}

/// Who gets what.
pub(super) struct Routes {
    inbox: Inbox,
    handlers: Mutex<Vec<(u8, Handler)>>,
    channels: Mutex<HashMap<Box<str>, Channel>>,
}

/// A channel that somebody listens to.
struct Channel {
    /// Counts what was heard.
    heard: watch::Sender<u64>,
    /// The connection on which the server has confirmed the subscription; 0 for none.
    confirmed_on: u64,
}

impl Routes {
    /// What the driver calls.
    pub(super) fn on_push(self: &Arc<Self>) -> OnPush {
        let routes = Arc::clone(self);
        Arc::new(move |push| routes.take(&push))
    }

    fn take(&self, push: &PushInfo) {
        let (PushKind::Message, [Value::BulkString(channel), Value::BulkString(message)]) =
            (&push.kind, &push.data[..])
        else {
            return;
        };
        if channel == self.inbox.channel.as_bytes() {
            let Some((mark, message)) = message.split_first() else { return };
            for handler in self.handlers(Some(*mark)) {
                handler(Push::Message(message));
            }
        } else if let Ok(channel) = std::str::from_utf8(channel)
            && let Some(channel) = lock(&self.channels).get(channel)
        {
            channel.heard.send_modify(|heard| *heard += 1);
        }
    }

    fn handlers(&self, mark: Option<u8>) -> Vec<Handler> {
        let handlers = lock(&self.handlers);
        let wanted = handlers.iter().filter(|(of, _)| mark.is_none_or(|mark| mark == *of));
        wanted.map(|(_, handler)| Arc::clone(handler)).collect()
    }

    /// Everybody looks again.
    pub(super) fn gap(&self) {
        for handler in self.handlers(None) {
            handler(Push::Gap);
        }
        for channel in lock(&self.channels).values() {
            channel.heard.send_modify(|heard| *heard += 1);
        }
    }

    /// Subscribes a new connection to all that is listened to.
    ///
    /// # Errors
    /// Those of the driver; `Unauthorized`.
    pub(super) async fn subscribe_all(&self, connection: &mut MultiplexedConnection, generation: u64) -> Result<()> {
        let mut channels: Vec<Box<str>> = vec![self.inbox.channel.as_str().into()];
        channels.extend(lock(&self.channels).keys().cloned());
        let names: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
        let subscribed = connection.subscribe(&names[..]).await;
        subscribed.map_err(|error| match error::of_driver(&error, Outcome::NotApplied) {
            Error::Unauthorized { .. } => Error::Unauthorized { what: "subscribing to a channel" },
            error => error,
        })?;
        for channel in names {
            self.confirm(channel, generation);
        }
        Ok(())
    }

    fn channel(&self, name: &str) -> watch::Receiver<u64> {
        let mut channels = lock(&self.channels);
        let new = || Channel { heard: watch::Sender::new(0), confirmed_on: 0 };
        channels.entry(name.into()).or_insert_with(new).heard.subscribe()
    }

    fn is_confirmed(&self, name: &str, generation: u64) -> bool {
        lock(&self.channels).get(name).is_some_and(|channel| channel.confirmed_on == generation)
    }

    fn confirm(&self, name: &str, generation: u64) {
        if let Some(channel) = lock(&self.channels).get_mut(name) {
            channel.confirmed_on = generation;
        }
    }

    /// False where somebody listens.
    fn forget(&self, name: &str) -> bool {
        let mut channels = lock(&self.channels);
        let unheard = channels.get(name).is_some_and(|channel| channel.heard.receiver_count() == 0);
        if unheard {
            channels.remove(name);
        }
        unheard
    }
}

/// Nothing between the first and the last change of these maps panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
