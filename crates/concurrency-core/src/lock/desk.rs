//! For backends with a server: what the locks of one client have in common, whatever the server is.
//!
//! A client keeps those who wait in [`Lines`], one line for each name in order of arrival, and of each line only the first asks
//! the server ([`Queue::ask`]). There clients stand in line, so that a client costs the server one place for each name, however
//! many wait in it. [`wait_in_line`] is [`Lock::acquire`](crate::Lock::acquire) over that: it sleeps until a bell rings, or it is
//! time to look. And [`Granted`] remembers what was granted through the client, for closing it.
//!
//! What remains for a backend is the step on the server that takes the name, or stands in line for it, or refreshes its place;
//! and to ring the bell of whoever was handed the name.

mod granted;
mod line;
mod waiting;

use std::time::Duration;

use tokio::sync::oneshot;

pub use self::{
    granted::{Grant, Granted},
    line::{Lines, Standing, Waiter, refresh_every},
    waiting::{Queue, wait_in_line},
};
use crate::FencingToken;

/// The longest that a hand-over lasts unless its receiver extends it.
pub const HAND_OVER: Duration = Duration::from_secs(2);

/// What a name looks like to somebody who wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It holds the name.
    Ours,
    /// Another holds it, or waits in line for it.
    Taken,
    /// Nobody does.
    Free,
}

/// What came of asking for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The name is the claim's for its full TTL from now on.
    Granted(FencingToken),
    /// In line; whatever may change by itself has changed when this has passed.
    Wait(Duration),
}

/// The end of a request that nobody has to wait for.
#[derive(Debug)]
pub struct Ended(oneshot::Receiver<()>);

/// Ends it when dropped.
#[derive(Debug)]
pub struct UnderWay(#[expect(dead_code, reason = "nothing is ever sent; dropping it is the news")] oneshot::Sender<()>);

impl Ended {
    /// With what ends it.
    #[must_use]
    pub fn new() -> (UnderWay, Self) {
        let (under_way, ended) = oneshot::channel();
        (UnderWay(under_way), Self(ended))
    }

    /// Returns when the request has taken effect, or has failed.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the request.
    pub async fn wait(self) {
        drop(self.0.await);
    }
}
