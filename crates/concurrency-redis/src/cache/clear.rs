//! Clearing a namespace, and removing what was cleared.

use concurrency_core::{Result, random};
use redis::{Value, cmd};

use super::{RedisCache, entry};
use crate::{
    connection::{Deadline, Repeat},
    error, script,
};

/// So many names the server looks through for one answer.
const STRIDE: usize = 1000;

impl RedisCache {
    pub(super) async fn clear_all(&self, deadline: Deadline) -> Result<()> {
        let Some(generation) = self.space.keys.generation() else { return self.sweep(deadline).await };
        let set = || {
            let mut set = cmd("SET");
            // A fresh one for each copy: what a late one clears must not come back with it.
            set.arg(generation).arg(entry::generation(random::bytes()));
            set
        };
        self.client.send_anew(set, deadline).await?;
        let cache = self.clone();
        // What fails here is left for the next one, or lapses.
        tokio::spawn(async move { drop(cache.sweep_slowly().await) });
        Ok(())
    }

    /// Removes all entries; or, where there are generations, those of older ones. Every name that stands from the first answer to
    /// the last is looked at.
    async fn sweep(&self, deadline: Deadline) -> Result<()> {
        let mut cursor = b"0".to_vec();
        loop {
            cursor = self.sweep_some(&cursor, deadline).await?;
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    /// As [`sweep`](Self::sweep), however long it takes.
    async fn sweep_slowly(&self) -> Result<()> {
        let mut cursor = b"0".to_vec();
        loop {
            cursor = self.sweep_some(&cursor, self.deadline()).await?;
            if cursor == b"0" {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// How many reservations of this namespace stand, of all clients: for those who look for leaks.
    ///
    /// # Errors
    /// Those of reading.
    #[doc(hidden)]
    pub async fn reserved(&self) -> Result<usize> {
        let (mut cursor, mut reserved) = (b"0".to_vec(), 0);
        loop {
            let names;
            (cursor, names) = self.scan(&cursor, self.deadline()).await?;
            for name in names {
                let mut kind = cmd("GETRANGE");
                let kind = self.client.read(kind.arg(name).arg(2).arg(2), self.deadline()).await?;
                reserved += usize::from(kind == Value::BulkString(b"r".to_vec()));
            }
            if cursor == b"0" {
                return Ok(reserved);
            }
        }
    }

    /// Answers where to go on.
    async fn sweep_some(&self, cursor: &[u8], deadline: Deadline) -> Result<Vec<u8>> {
        let (next, names) = self.scan(cursor, deadline).await?;
        // The server may answer with more than it was asked for.
        for names in names.chunks(STRIDE) {
            let call = self.calls().sweep(names);
            self.client.call(&script::SWEEP, &call, Repeat::UntilAnswered, deadline).await?;
        }
        Ok(next)
    }

    /// Where to go on, and some names of entries.
    async fn scan(&self, cursor: &[u8], deadline: Deadline) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(self.space.keys.pattern()).arg("COUNT").arg(STRIDE);
        let Value::Array(found) = self.client.read(&scan, deadline).await? else { return Err(error::not_understood()) };
        let Ok([Value::BulkString(next), Value::Array(names)]) = <[Value; 2]>::try_from(found) else {
            return Err(error::not_understood());
        };
        let name = |name| match name {
            Value::BulkString(name) => Ok(name),
            _ => Err(error::not_understood()),
        };
        Ok((next, names.into_iter().map(name).collect::<Result<_>>()?))
    }
}
