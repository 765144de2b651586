//! Loads: the values, and the server's time by which they are judged, in one request.

use concurrency_core::{Result, State};
use redis::{Pipeline, Value};

use super::{MAX_BATCH_KEYS, RedisState};
use crate::{connection::Deadline, error, stored};

impl RedisState {
    pub(super) async fn read(&self, key: &str, deadline: Deadline) -> Result<Option<State>> {
        let mut reads = Pipeline::with_capacity(2);
        reads.cmd("GET").arg(self.space.keys.value(key));
        reads.cmd("TIME");
        let answers = self.client.read_many(&reads, deadline).await?;
        let [value, time] = <[Value; 2]>::try_from(answers).map_err(|_| error::not_understood())?;
        state(value, milliseconds(&time)?)
    }

    /// Split where there are many; each part is one snapshot.
    pub(super) async fn read_many(&self, keys: &[&str], deadline: Deadline) -> Result<Vec<Option<State>>> {
        let mut states = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_BATCH_KEYS) {
            states.extend(self.read_batch(keys, deadline).await?);
        }
        Ok(states)
    }

    async fn read_batch(&self, keys: &[&str], deadline: Deadline) -> Result<Vec<Option<State>>> {
        let names: Vec<String> = keys.iter().map(|key| self.space.keys.value(key)).collect();
        let mut reads = Pipeline::with_capacity(3);
        reads.cmd("MGET").arg(&names);
        // MGET answers nothing for a key of another type, as if it were missing; this counts it.
        reads.cmd("EXISTS").arg(&names);
        reads.cmd("TIME");
        let answers = self.client.read_many(&reads, deadline).await?;
        let Ok([Value::Array(values), Value::Int(existing), time]) = <[Value; 3]>::try_from(answers) else {
            return Err(error::not_understood());
        };
        let present = values.iter().filter(|value| !matches!(value, Value::Nil)).count();
        let now = milliseconds(&time)?;
        if values.len() != keys.len() {
            return Err(error::not_understood());
        }
        if i64::try_from(present) != Ok(existing) {
            self.check_types(&names, deadline).await?;
        }
        values.into_iter().map(|value| state(value, now)).collect()
    }

    /// # Errors
    /// `Decode` where a name is of another type.
    async fn check_types(&self, names: &[String], deadline: Deadline) -> Result<()> {
        let mut reads = Pipeline::with_capacity(names.len());
        for name in names {
            reads.cmd("GETRANGE").arg(name).arg(0).arg(0);
        }
        self.client.read_many(&reads, deadline).await.map(drop)
    }
}

fn state(value: Value, now: u64) -> Result<Option<State>> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(stored) => stored::state(stored, now),
        _ => Err(error::not_understood()),
    }
}

/// What `TIME` answers, in milliseconds.
fn milliseconds(time: &Value) -> Result<u64> {
    let number = |value: &Value| match value {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let milliseconds = match time {
        Value::Array(parts) => match &parts[..] {
            [seconds, micros] => number(seconds).zip(number(micros)).map(|(s, us)| s * 1000 + us / 1000),
            _ => None,
        },
        _ => None,
    };
    milliseconds.ok_or_else(error::not_understood)
}
