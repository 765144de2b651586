//! What the scripts answered, as the contract sees it; of a repeat, what that says of the copies before it.

use concurrency_core::{Current, DeleteParts, Error, FencingToken, Result, Version, Write};
use redis::Value;

use super::Sending;
use crate::{connection::Answer, error, stored};

/// Why a script refused. The numbers stand in `script/value.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Conflict(Current),
    Fenced(FencingToken),
    Foreign,
    Newer(u8),
}

impl Refusal {
    fn of(code: &Value, detail: Option<&Value>) -> Result<Self> {
        match (code, detail) {
            (Value::Int(1), Some(Value::BulkString(version))) => Ok(Self::Conflict(match &version[..] {
                [] => Current::Absent,
                version => {
                    Current::Version(Version::from_bytes(version.try_into().map_err(|_| error::not_understood())?))
                }
            })),
            (Value::Int(2), Some(Value::BulkString(seen))) => {
                let seen = std::str::from_utf8(seen).ok().and_then(|seen| seen.parse().ok());
                Ok(Self::Fenced(FencingToken(seen.ok_or_else(error::not_understood)?)))
            }
            (Value::Int(3), _) => Ok(Self::Foreign),
            (Value::Int(4), Some(Value::Int(format))) => Ok(Self::Newer(u8::try_from(*format).unwrap_or(u8::MAX))),
            _ => Err(error::not_understood()),
        }
    }

    fn error(self, key: &str, token: Option<FencingToken>) -> Error {
        match self {
            Self::Conflict(current) => Error::conflict(key, current),
            Self::Fenced(seen) => Error::fenced(key, seen, token.unwrap_or(FencingToken(0))),
            Self::Foreign => stored::foreign(),
            Self::Newer(format) => stored::newer_format(format),
        }
    }
}

/// What a script that writes one thing said.
fn reply(value: &Value) -> Result<Result<i64, Refusal>> {
    match value {
        Value::Int(done) => Ok(Ok(*done)),
        Value::Array(refused) if !refused.is_empty() => Refusal::of(&refused[0], refused.get(1)).map(Err),
        _ => Err(error::not_understood()),
    }
}

/// A refusal of a repeat: under its version a request cannot take effect any more once that version is gone, and before that
/// something else was in the way.
fn of_repeat(refusal: Refusal, gone: bool) -> Error {
    match refusal {
        // The first copy may have been applied before the mark rose.
        Refusal::Fenced(_) => error::unavailable(error::SETTLED),
        Refusal::Conflict(_) if gone => error::unavailable(error::SETTLED),
        Refusal::Conflict(_) | Refusal::Foreign | Refusal::Newer(_) => error::unavailable(error::UNKNOWN),
    }
}

impl Sending<'_> {
    /// `earlier`: a copy was sent before those that this answer counts.
    pub(super) fn judge(&self, said: Result<Answer>, earlier: bool) -> Result<Version> {
        let Answer { value, repeated } = match said {
            Ok(said) => said,
            Err(error) if earlier => return Err(error::with_outcome(error, error::UNKNOWN)),
            Err(error) => return Err(error),
        };
        match reply(&value)? {
            Ok(_) => Ok(self.version),
            Err(refusal) if !repeated && !earlier => Err(refusal.error(self.key, self.parts.fenced_by)),
            Err(Refusal::Conflict(Current::Version(ours))) if ours == self.version => Ok(self.version),
            // The precondition is `Match`, so that a conflict says that the version is gone.
            Err(refusal) => Err(of_repeat(refusal, true)),
        }
    }
}

/// Whether there was a live value.
pub(super) fn deleted(key: &str, parts: &DeleteParts, said: &Answer) -> Result<bool> {
    match reply(&said.value)? {
        Ok(live) => Ok(live == 1),
        Err(refusal) if said.repeated => Err(of_repeat(refusal, true)),
        Err(refusal) => Err(refusal.error(key, parts.fenced_by)),
    }
}

pub(super) fn committed(writes: &[Write], version: Version, said: &Answer) -> Result<Version> {
    let (code, detail, place, traces) = match &said.value {
        Value::Int(_) => return Ok(version),
        Value::Array(refused) => match &refused[..] {
            [code, detail, Value::Int(place), Value::Int(traces)] => (code, detail, *place, *traces),
            _ => return Err(error::not_understood()),
        },
        _ => return Err(error::not_understood()),
    };
    let refusal = Refusal::of(code, Some(detail))?;
    let write = nth(place).and_then(|place| writes.get(place)).ok_or_else(error::not_understood)?;
    match (said.repeated, traces) {
        (false, _) => Err(refusal.error(write.key(), super::call::token(write)?)),
        (true, 2) if matches!(refusal, Refusal::Conflict(_)) => Ok(version),
        (true, traces) => Err(of_repeat(refusal, traces == 1)),
    }
}

pub(super) fn raised(keys: &[&str], token: FencingToken, said: &Answer) -> Result<()> {
    let (code, detail, place) = match &said.value {
        Value::Int(_) => return Ok(()),
        Value::Array(refused) => match &refused[..] {
            [code, detail, Value::Int(place)] => (code, detail, *place),
            _ => return Err(error::not_understood()),
        },
        _ => return Err(error::not_understood()),
    };
    let refusal = Refusal::of(code, Some(detail))?;
    let key = nth(place).and_then(|place| keys.get(place)).ok_or_else(error::not_understood)?;
    // An earlier copy may have raised the marks before somebody else raised this one further.
    Err(if said.repeated { of_repeat(refusal, true) } else { refusal.error(key, Some(token)) })
}

/// The scripts count from 1.
fn nth(place: i64) -> Option<usize> {
    usize::try_from(place).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use concurrency_core::{Bytes, Outcome, Save, SaveOptions};

    use super::*;

    fn refused(values: &[Value], repeated: bool) -> Answer {
        Answer { value: Value::Array(values.to_vec()), repeated }
    }

    fn conflict(version: Option<Version>) -> [Value; 2] {
        [Value::Int(1), Value::BulkString(version.map(|v| v.to_bytes().to_vec()).unwrap_or_default())]
    }

    fn sending(options: SaveOptions) -> Sending<'static> {
        Sending { key: "k", value: b"", version: Version::mint(), parts: options.into_parts().unwrap() }
    }

    // The rules of a repeat: G-58, G-59, G-63 of docs/contract.md.
    #[test]
    fn a_repeat_is_told_from_a_conflict() {
        let save = sending(SaveOptions::new().if_version(Version::mint()));
        let first = save.judge(Ok(refused(&conflict(None), false)), false);
        assert!(matches!(first, Err(Error::Conflict { current: Current::Absent, .. })));
        let ours = save.judge(Ok(refused(&conflict(Some(save.version)), true)), false);
        assert_eq!(ours.unwrap(), save.version);
        for other in [None, Some(Version::mint())] {
            for (repeated, earlier) in [(true, false), (false, true)] {
                let lost = save.judge(Ok(refused(&conflict(other), repeated)), earlier).unwrap_err();
                assert_eq!(lost.outcome(), Outcome::Unknown { settled: true }, "{other:?}");
            }
        }
        let fenced = [Value::Int(2), Value::BulkString(b"9".to_vec())];
        let lost = save.judge(Ok(refused(&fenced, true)), false).unwrap_err();
        assert_eq!(lost.outcome(), Outcome::Unknown { settled: true });
        let first = save.judge(Ok(refused(&fenced, false)), false).unwrap_err();
        assert!(matches!(first, Error::Fenced { seen: FencingToken(9), .. }));
    }

    // G-58, G-59, G-62
    #[test]
    fn a_repeated_commit_looks_for_its_own_traces() {
        let version = Version::mint();
        let options = SaveOptions::new().if_version(Version::mint());
        let writes = [Write::Save(Save { key: "k".to_owned(), value: Bytes::new(), options })];
        let answer = |traces: i64, repeated| {
            let [code, detail] = conflict(None);
            committed(&writes, version, &refused(&[code, detail, Value::Int(1), Value::Int(traces)], repeated))
        };
        assert!(answer(1, false).unwrap_err().is_conflict());
        assert_eq!(answer(2, true).unwrap(), version);
        assert_eq!(answer(1, true).unwrap_err().outcome(), Outcome::Unknown { settled: true });
        assert_eq!(answer(0, true).unwrap_err().outcome(), Outcome::Unknown { settled: false });
    }

    #[test]
    fn what_is_not_understood_is_never_called_done() {
        for value in [Value::Nil, Value::Array(Vec::new()), Value::Array(vec![Value::Int(9)]), Value::Okay] {
            let save = sending(SaveOptions::new());
            let said = save.judge(Ok(Answer { value, repeated: false }), false).unwrap_err();
            assert_eq!(said.outcome(), Outcome::Unknown { settled: false });
        }
    }
}
