//! What the scripts answered, as the contract sees it; of a repeat, what that says of the copies before it.

use concurrency_core::{
    AppendParts, Appended, Batch, Current, Error, ExpectedVersion, FencingToken, Position, Result, StreamSlice,
};
use redis::Value;

use super::stored::Reader;
use crate::{connection::Answer, error, stored};

/// Why a script refused. The numbers stand in `script/event.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// With the version of the stream; zero for none.
    Conflict(u64),
    Fenced(FencingToken),
    Foreign,
    Newer(u8),
    Reused,
    /// The log has not what a stream says that it has.
    Lost,
}

impl Refusal {
    fn error(self, stream: &str, token: Option<FencingToken>) -> Error {
        match self {
            Self::Conflict(0) => Error::conflict(stream, Current::Absent),
            Self::Conflict(version) => Error::conflict(stream, Current::Stream(version)),
            Self::Fenced(seen) => Error::fenced(stream, seen, token.unwrap_or(FencingToken(0))),
            Self::Foreign => stored::foreign(),
            Self::Newer(format) => stored::newer_format(format),
            Self::Reused => Error::AppendIdReused { stream: stream.into() },
            Self::Lost => Error::Decode { what: "a stored event", why: "the log does not hold it".into() },
        }
    }
}

/// What stands behind the first number of an answer, or why the script refused.
fn parts(value: Value) -> Result<Result<Vec<Value>, Refusal>> {
    let Value::Array(mut values) = value else { return Err(error::not_understood()) };
    let refusal = match &values[..] {
        [Value::Int(0), ..] => {
            values.remove(0);
            return Ok(Ok(values));
        }
        [Value::Int(1), version] => Refusal::Conflict(number(version)?),
        [Value::Int(2), seen] => Refusal::Fenced(FencingToken(number(seen)?)),
        [Value::Int(3)] => Refusal::Foreign,
        [Value::Int(4), format] => Refusal::Newer(u8::try_from(number(format)?).unwrap_or(u8::MAX)),
        [Value::Int(5)] => Refusal::Reused,
        [Value::Int(6)] => Refusal::Lost,
        _ => return Err(error::not_understood()),
    };
    Ok(Err(refusal))
}

fn number(value: &Value) -> Result<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| error::not_understood()),
        _ => Err(error::not_understood()),
    }
}

fn position(value: &Value) -> Result<Position> {
    Ok(Position::from_u128(number(value)?.into()))
}

pub(super) fn appended(stream: &str, asked: &AppendParts, said: Answer) -> Result<Appended> {
    let refusal = match parts(said.value)? {
        Ok(values) => {
            let [first, last, at] = &values[..] else { return Err(error::not_understood()) };
            return Ok(Appended { first: number(first)?, last: number(last)?, position: position(at)? });
        }
        Err(refusal) => refusal,
    };
    // An earlier copy that was carried out would be known by its id. What is left to ask is whether it still can be.
    let may_yet = match refusal {
        Refusal::Conflict(version) => match asked.expected {
            ExpectedVersion::Exact(wanted) => wanted > version,
            ExpectedVersion::Exists => true,
            ExpectedVersion::Any | ExpectedVersion::NoStream => false,
        },
        Refusal::Fenced(_) | Refusal::Reused => false,
        Refusal::Foreign | Refusal::Newer(_) | Refusal::Lost => true,
    };
    if said.repeated && may_yet {
        return Err(error::unavailable(error::UNKNOWN));
    }
    Err(refusal.error(stream, asked.fenced_by))
}

pub(super) fn slice(said: Answer) -> Result<StreamSlice> {
    let values = parts(said.value)?.map_err(|refusal| refusal.error("", None))?;
    let Some(([first, last], events)) = split(values) else { return Err(error::not_understood()) };
    Ok(StreamSlice { events: self::events(events)?, first: number(&first)?, last: number(&last)? })
}

pub(super) fn batch(after: Position, said: Answer) -> Result<Batch> {
    let values = parts(said.value)?.map_err(|refusal| refusal.error("", None))?;
    let Some(([last, truncated, is_all], events)) = split(values) else { return Err(error::not_understood()) };
    let events = self::events(events)?;
    let next = match events.last() {
        Some(event) if number(&is_all)? == 0 => event.position,
        // Whatever comes, comes behind the last position that was ever given.
        _ => after.max(position(&last)?),
    };
    let truncated = Some(position(&truncated)?).filter(|truncated| *truncated > after);
    Ok(Batch { events, next, truncated })
}

/// Whether there is more to remove.
pub(super) fn truncated(said: Answer) -> Result<bool> {
    let values = parts(said.value)?.map_err(|refusal| refusal.error("", None))?;
    match &values[..] {
        [more] => Ok(number(more)? == 1),
        _ => Err(error::not_understood()),
    }
}

pub(super) fn saved(said: Answer) -> Result<()> {
    parts(said.value)?.map(drop).map_err(|refusal| refusal.error("", None))
}

fn split<const N: usize>(mut values: Vec<Value>) -> Option<([Value; N], Vec<Value>)> {
    let events = if values.len() >= N { values.split_off(N) } else { return None };
    Some((values.try_into().ok()?, events))
}

fn events(values: Vec<Value>) -> Result<Vec<concurrency_core::Recorded>> {
    let mut reader = Reader::default();
    let event = |value| match value {
        Value::BulkString(stored) => reader.event(stored),
        _ => Err(error::not_understood()),
    };
    values.into_iter().map(event).collect()
}

#[cfg(test)]
mod tests {
    use concurrency_core::{AppendOptions, Outcome};

    use super::*;

    fn judge(expected: ExpectedVersion, values: &[i64], repeated: bool) -> Result<Appended> {
        let asked = AppendOptions::new().expecting(expected).fenced_by(FencingToken(4)).into_parts().unwrap();
        let value = Value::Array(values.iter().map(|number| Value::Int(*number)).collect());
        appended("s", &asked, Answer { value, repeated })
    }

    // E-14: what the answer to a repeat says of the copies before it.
    #[test]
    fn a_refused_repeat_says_whether_an_earlier_copy_may_still_be_carried_out() {
        use ExpectedVersion::{Exact, Exists, NoStream};
        for (expected, version, may_yet) in
            [(NoStream, 3, false), (Exact(2), 3, false), (Exact(5), 3, true), (Exact(1), 0, true), (Exists, 0, true)]
        {
            let first = judge(expected, &[1, version], false).unwrap_err();
            assert!(first.is_conflict() && first.outcome() == Outcome::NotApplied, "{expected:?}: {first:?}");
            let repeat = judge(expected, &[1, version], true).unwrap_err();
            assert_eq!(repeat.is_conflict(), !may_yet, "{expected:?} at {version}: {repeat:?}");
            let outcome = if may_yet { error::UNKNOWN } else { Outcome::NotApplied };
            assert_eq!(repeat.outcome(), outcome, "{expected:?} at {version}");
        }
        for repeated in [false, true] {
            assert!(matches!(judge(NoStream, &[2, 9], repeated), Err(Error::Fenced { seen: FencingToken(9), .. })));
            assert!(matches!(judge(NoStream, &[5], repeated), Err(Error::AppendIdReused { .. })));
            assert_eq!(judge(NoStream, &[0, 1, 2, 77], repeated).unwrap().position.to_u128(), 77);
        }
        assert!(matches!(judge(NoStream, &[3], false), Err(Error::Decode { .. })));
        assert_eq!(judge(NoStream, &[3], true).unwrap_err().outcome(), error::UNKNOWN);
    }

    #[test]
    fn what_is_not_understood_is_never_called_done() {
        for values in [&[][..], &[9], &[0], &[0, 1], &[0, -1, 2, 3]] {
            let said = judge(ExpectedVersion::Any, values, false).unwrap_err();
            assert_eq!(said.outcome(), error::UNKNOWN, "{values:?}");
        }
    }
}
