//! What the scripts answered. The numbers stand in `script/lock.lua`.

use std::time::Duration;

use concurrency_core::{Error, FencingToken, Held, Owner, Released, Result, desk::Look};
use redis::Value;

use super::call::Place;
use crate::{error, stored};

/// What came of asking for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquired {
    Granted {
        token: FencingToken,
        /// It is the grant of this wait or attempt; the owner did not hold the name before.
        is_new: bool,
    },
    /// In line; whatever may change by itself has changed when this has passed.
    Wait(Duration),
    /// Held by another or waited for; or not handed over.
    None,
}

impl Acquired {
    /// # Errors
    /// What the script refused.
    pub(super) fn read(value: &Value) -> Result<Self> {
        match items(value)? {
            [Value::Int(0), Value::Int(token), Value::Int(is_new)] => {
                Ok(Self::Granted { token: fencing_token(*token)?, is_new: *is_new == 1 })
            }
            [Value::Int(1), Value::Int(wait)] => Ok(Self::Wait(duration(*wait))),
            [Value::Int(2)] => Ok(Self::None),
            refusal => Err(refused(refusal)),
        }
    }
}

/// What a name looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) held: Option<Held>,
    /// To whoever asked as an owner.
    pub(super) looks: Look,
}

impl Found {
    /// # Errors
    /// What the script refused.
    pub(super) fn read(value: &Value) -> Result<Self> {
        match items(value)? {
            [Value::Int(token), Value::Int(left), Value::BulkString(looks)] => {
                let held = Held { token: fencing_token(*token)?, remaining: duration(*left) };
                let looks = match &looks[..] {
                    b"o" => Look::Ours,
                    b"t" => Look::Taken,
                    b"f" => Look::Free,
                    _ => return Err(error::not_understood()),
                };
                Ok(Self { held: Some(held).filter(|held| !held.remaining.is_zero()), looks })
            }
            refusal => Err(refused(refusal)),
        }
    }
}

/// A waiter that the name was handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) owner: Owner,
    pub(super) place: Place,
}

impl Handed {
    /// From the first 32 bytes; and those behind them.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (owner, rest) = bytes.split_first_chunk()?;
        let (place, rest) = rest.split_first_chunk()?;
        Some((Self { owner: Owner::from_bytes(*owner), place: *place }, rest))
    }
}

/// What a release found, and a waiter of this client that the name was handed to.
///
/// # Errors
/// What the script refused.
pub(super) fn released(value: &Value) -> Result<(Released, Option<Handed>)> {
    match items(value)? {
        [Value::BulkString(found), Value::BulkString(to)] => {
            let released = match &found[..] {
                b"o" => Released::Ours,
                b"n" => Released::NotHeld,
                b"h" => Released::HeldByOther,
                _ => return Err(error::not_understood()),
            };
            Ok((released, handed(to)?))
        }
        refusal => Err(refused(refusal)),
    }
}

/// A waiter of this client that the name was handed to by one who left, and how long the name is held otherwise.
///
/// # Errors
/// What the script refused.
pub(super) fn left(value: &Value) -> Result<(Option<Handed>, Duration)> {
    match items(value)? {
        [Value::BulkString(to), Value::Int(held_for)] => Ok((handed(to)?, duration(*held_for))),
        refusal => Err(refused(refusal)),
    }
}

/// What became of a renewal.
///
/// # Errors
/// `LeaseLost`; what the script refused.
pub(super) fn renewed(answer: u8, key: &str) -> Result<()> {
    match answer {
        0 => Err(Error::lease_lost(key)),
        1 => Ok(()),
        255 => Err(stored::foreign()),
        newer => Err(stored::newer_format(newer)),
    }
}

fn items(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(error::not_understood()),
    }
}

fn refused(refusal: &[Value]) -> Error {
    match refusal {
        [Value::Int(3)] => stored::foreign(),
        [Value::Int(4), Value::Int(format)] => stored::newer_format(u8::try_from(*format).unwrap_or(u8::MAX)),
        [Value::Int(5)] => Error::Exhausted { what: "fencing tokens", source: None },
        _ => error::not_understood(),
    }
}

fn handed(bytes: &[u8]) -> Result<Option<Handed>> {
    match Handed::read(bytes) {
        Some((handed, [])) => Ok(Some(handed)),
        None if bytes.is_empty() => Ok(None),
        _ => Err(error::not_understood()),
    }
}

fn fencing_token(token: i64) -> Result<FencingToken> {
    let token = u64::try_from(token).ok().and_then(|token| FencingToken(token).checked().ok());
    token.ok_or_else(error::not_understood)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_never_called_a_grant() {
        let numbers = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
        assert_eq!(
            Acquired::read(&numbers(&[0, 7, 1])).unwrap(),
            Acquired::Granted { token: FencingToken(7), is_new: true }
        );
        for bad in [&[0, -1, 1][..], &[0, 1 << 53, 1], &[0, 7], &[9], &[]] {
            let error = Acquired::read(&numbers(bad)).unwrap_err();
            assert_eq!(error.outcome(), error::UNKNOWN, "{bad:?}");
        }
        assert!(matches!(Acquired::read(&numbers(&[3])), Err(Error::Decode { .. })));
        assert!(matches!(Acquired::read(&numbers(&[4, 2])), Err(Error::Incompatible { .. })));
        assert!(matches!(Acquired::read(&numbers(&[5])), Err(Error::Exhausted { what: "fencing tokens", .. })));
    }
}
