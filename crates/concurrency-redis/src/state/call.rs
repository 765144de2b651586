//! The calls of the scripts: names, conditions and values as they expect them.

use concurrency_core::{
    DeleteParts, Expires, FencingToken, Precondition, Result, Save, SaveParts, Ttl, Version, Write,
};
use redis::Cmd;

use super::Sending;
use crate::{key::StateKeys, script, stored};

/// Makes the calls of one namespace.
pub(super) struct Calls<'a> {
    pub(super) keys: &'a StateKeys,
    /// How long a fencing mark is kept.
    pub(super) kept: Ttl,
}

impl Calls<'_> {
    pub(super) fn save(&self, Sending { key, value, version, parts }: &Sending<'_>) -> Cmd {
        let SaveParts { precondition, expires, fenced_by } = *parts;
        let mut call = script::SAVE.call(2 + usize::from(fenced_by.is_some()));
        call.arg(self.keys.index()).arg(self.keys.value(key));
        if fenced_by.is_some() {
            call.arg(self.keys.mark(key));
        }
        call.arg(key).arg(&stored::prefix(*version)[..]).arg(*value);
        lifetime(&mut call, expires);
        condition(&mut call, precondition);
        fence(&mut call, fenced_by);
        call.arg(self.kept.as_millis());
        call
    }

    pub(super) fn delete(&self, key: &str, parts: &DeleteParts) -> Cmd {
        let DeleteParts { precondition, fenced_by } = *parts;
        let mut call = script::DELETE.call(2 + usize::from(fenced_by.is_some()));
        call.arg(self.keys.index()).arg(self.keys.value(key));
        if fenced_by.is_some() {
            call.arg(self.keys.mark(key));
        }
        call.arg(key);
        condition(&mut call, precondition);
        fence(&mut call, fenced_by);
        call.arg(self.kept.as_millis());
        call
    }

    /// # Errors
    /// `InvalidArgument` for an option out of bounds.
    pub(super) fn commit(&self, writes: &[Write], version: Version) -> Result<Cmd> {
        let mut names = vec![self.keys.index().to_owned()];
        for write in writes {
            names.push(self.keys.value(write.key()));
            if token(write)?.is_some() {
                names.push(self.keys.mark(write.key()));
            }
        }
        let mut call = script::COMMIT.call(names.len());
        for name in names {
            call.arg(name);
        }
        call.arg(&stored::prefix(version)[..]).arg(self.kept.as_millis());
        for write in writes {
            step(&mut call, write)?;
        }
        Ok(call)
    }

    pub(super) fn fence(&self, keys: &[&str], token: FencingToken) -> Cmd {
        let mut call = script::FENCE.call(keys.len());
        for key in keys {
            call.arg(self.keys.mark(key));
        }
        call.arg(token.0).arg(self.kept.as_millis());
        call
    }
}

/// The six arguments of one write of a commit.
fn step(call: &mut Cmd, write: &Write) -> Result<()> {
    match write {
        Write::Save(Save { key, value, options }) => {
            let SaveParts { precondition, expires, fenced_by } = options.into_parts()?;
            call.arg("s").arg(key);
            condition(call, precondition);
            fence(call, fenced_by);
            lifetime(call, expires);
            call.arg(&value[..]);
        }
        Write::Delete { key, options } => {
            let DeleteParts { precondition, fenced_by } = options.into_parts()?;
            call.arg("d").arg(key);
            condition(call, precondition);
            fence(call, fenced_by);
            call.arg("").arg("");
        }
        Write::Check { key, precondition } => {
            call.arg("c").arg(key);
            condition(call, *precondition);
            call.arg("").arg("").arg("");
        }
    }
    Ok(())
}

/// The fencing token of a write.
///
/// # Errors
/// `InvalidArgument` for an option out of bounds.
pub(super) fn token(write: &Write) -> Result<Option<FencingToken>> {
    Ok(match write {
        Write::Save(Save { options, .. }) => options.into_parts()?.fenced_by,
        Write::Delete { options, .. } => options.into_parts()?.fenced_by,
        Write::Check { .. } => None,
    })
}

/// Whether it writes a key under its version, so that a repeat of the whole tells.
pub(super) fn is_under_version(write: &Write) -> bool {
    let precondition = match write {
        Write::Save(Save { options, .. }) => options.precondition(),
        Write::Delete { options, .. } => options.precondition(),
        Write::Check { .. } => return false,
    };
    matches!(precondition, Precondition::Match(_))
}

fn condition(call: &mut Cmd, precondition: Precondition) {
    match precondition {
        Precondition::Any => call.arg("a"),
        Precondition::Absent => call.arg("n"),
        Precondition::Present => call.arg("p"),
        Precondition::Match(version) => call.arg(&version.to_bytes()[..]),
    };
}

fn fence(call: &mut Cmd, token: Option<FencingToken>) {
    match token {
        Some(FencingToken(token)) => call.arg(token),
        None => call.arg(""),
    };
}

fn lifetime(call: &mut Cmd, expires: Expires) {
    match expires {
        Expires::Never => call.arg(""),
        Expires::Keep => call.arg("k"),
        Expires::After(ttl) => call.arg(ttl.as_millis()),
    };
}
