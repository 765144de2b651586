//! The calls of the scripts of a cache.

use concurrency_core::{Ttl, random};
use redis::Cmd;

use crate::{
    key::CacheKeys,
    script::{self, Script},
};

/// The most clients that may wait for one reservation to be woken; further ones look again by themselves.
const MOST_WAITING: usize = 1000;

/// Makes the calls of one namespace.
pub(super) struct Calls<'a> {
    pub(super) keys: &'a CacheKeys,
    /// What the channel of every client begins with, and this client's own part of it.
    pub(super) inbox: (&'a str, &'a str),
}

impl Calls<'_> {
    pub(super) fn set(&self, key: &str, value: &[u8], ttl: Option<Ttl>) -> Cmd {
        let mut call = self.call(&script::SET, key, true);
        call.arg(value);
        lifetime(&mut call, ttl);
        call
    }

    pub(super) fn fill(&self, key: &str, value: &[u8], ttl: Option<Ttl>, ticket: [u8; 16]) -> Cmd {
        let mut call = self.call(&script::FILL, key, false);
        call.arg(value);
        lifetime(&mut call, ttl);
        call.arg(&ticket[..]);
        call
    }

    /// Whatever there is.
    pub(super) fn remove(&self, key: &str) -> Cmd {
        self.call(&script::REMOVE, key, false)
    }

    /// The reservation of one of these tickets, and nothing else.
    pub(super) fn give_back(&self, key: &str, tickets: &[[u8; 16]]) -> Cmd {
        let mut call = self.call(&script::REMOVE, key, false);
        for ticket in tickets {
            call.arg(&ticket[..]);
        }
        call
    }

    /// Under the first of these tickets; the others are those of copies that were sent before.
    pub(super) fn reserve(&self, key: &str, tickets: &[[u8; 16]], hold: Ttl) -> Cmd {
        let mut call = self.call(&script::RESERVE, key, true);
        call.arg(hold.as_millis());
        for ticket in tickets {
            call.arg(&ticket[..]);
        }
        call
    }

    pub(super) fn watch(&self, key: &str) -> Cmd {
        let mut call = self.call(&script::WATCH, key, false);
        call.arg(self.inbox.1).arg(MOST_WAITING);
        call
    }

    pub(super) fn remaining(&self, key: &str) -> Cmd {
        self.call(&script::REMAINING, key, false)
    }

    pub(super) fn sweep(&self, names: &[Vec<u8>]) -> Cmd {
        let generation = self.keys.generation();
        let mut call = script::SWEEP.call(names.len() + usize::from(generation.is_some()));
        for name in names {
            call.arg(&name[..]);
        }
        match generation {
            Some(generation) => call.arg(generation).arg("g"),
            None => call.arg("a"),
        };
        call.arg(self.inbox.0);
        call
    }

    /// Names, a generation to create if `creates`, and where clients are told.
    fn call(&self, script: &Script, key: &str, creates: bool) -> Cmd {
        let generation = self.keys.generation();
        let mut call = script.call(1 + usize::from(generation.is_some()));
        call.arg(self.keys.entry(key));
        if let Some(generation) = generation {
            call.arg(generation);
        }
        match generation {
            // A fresh one for each request: one that was sent before might come late, and revive what it was cleared for.
            Some(_) if creates => call.arg(&random::bytes()[..]),
            _ => call.arg(""),
        };
        call.arg(self.inbox.0);
        call
    }
}

fn lifetime(call: &mut Cmd, ttl: Option<Ttl>) {
    match ttl {
        Some(ttl) => call.arg(ttl.as_millis()),
        None => call.arg(""),
    };
}
