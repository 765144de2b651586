//! Asking sentinels where the primary is.
//!
//! What they say may be old: a server that they name is connected to and asked whether it is a primary, and they are asked
//! again where it is not. Nothing is remembered but who answered last.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use concurrency_core::{Error, Outcome, Result};
use redis::{ProtocolVersion, RedisConnectionInfo, Value};

use super::target::Dialler;
use crate::{
    config::{Place, SentinelConfig},
    error,
};

/// Those that are asked, one after the other.
pub(super) struct Sentinels {
    places: Vec<Place>,
    primary: String,
    login: RedisConnectionInfo,
    /// The one that answered last, and is asked first.
    first: AtomicUsize,
}

impl Sentinels {
    pub(super) fn new(config: SentinelConfig) -> Self {
        // The older protocol, which needs no greeting: nothing is pushed here.
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        if let Some(password) = &config.password {
            login = login.set_password(password);
        }
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        Self { places: config.places, primary: config.primary, login, first: AtomicUsize::new(0) }
    }

    /// Where the first one that answers says that the primary is. Each is given an equal part of `limit`.
    ///
    /// # Errors
    /// `InvalidArgument` where those that answer know no such primary; else what trying again cannot mend, if one says so:
    /// `Unauthorized`, `Incompatible`; else `Unavailable`.
    pub(super) async fn primary(&self, dialler: &Dialler, limit: Duration) -> Result<Place> {
        let (count, first) = (self.places.len(), self.first.load(Ordering::Relaxed));
        let each = limit / u32::try_from(count).unwrap_or(u32::MAX);
        let mut why = error::no_sentinel_answers();
        for index in (0..count).map(|turn| (first + turn) % count) {
            let asked = tokio::time::timeout(each, self.ask(dialler, &self.places[index], each)).await;
            match asked {
                Ok(Ok(Some(place))) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(place);
                }
                Ok(Ok(None)) => why = Error::invalid("primary", "no sentinel knows a primary of this name"),
                Ok(Err(error)) if !error::may_pass(&error) && error::may_pass(&why) => why = error,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(why)
    }

    /// What one says: where the primary is, or that it knows none.
    async fn ask(&self, dialler: &Dialler, place: &Place, limit: Duration) -> Result<Option<Place>> {
        let of_sentinel = |error| match error {
            Error::Unauthorized { what: "login" } => Error::Unauthorized { what: "login at a sentinel" },
            error => error,
        };
        let dialled = dialler.dial(place, &self.login, limit, None, &AtomicBool::new(false)).await;
        let mut dialled = dialled.map_err(of_sentinel)?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary);
        let answer = dialled.ask(&question).await;
        let answer = answer.map_err(|error| of_sentinel(error::of_driver(&error, Outcome::NotApplied)))?;
        match answer {
            Value::Nil => Ok(None),
            Value::ServerError(refused) => Err(of_sentinel(error::of_sentinel(&refused))),
            answer => place_of(&answer).map(Some).ok_or_else(error::no_sentinel),
        }
    }
}

/// An address and a port, as texts.
fn place_of(answer: &Value) -> Option<Place> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(host), Value::BulkString(port)] = &parts[..] else { return None };
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Place { host: String::from_utf8(host.clone()).ok()?, port })
}
