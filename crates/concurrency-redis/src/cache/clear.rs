//! Clearing a namespace, and removing what was cleared.

use concurrency_core::{Result, random};
use redis::{Value, cmd};

use super::RedisCache;
use crate::{
    connection::{Deadline, Repeat},
    scan, script,
};

impl RedisCache {
    pub(super) async fn clear_all(&self, deadline: Deadline) -> Result<()> {
        let Some(generation) = self.space.keys.generation() else { return self.sweep(deadline).await };
        let clear = || {
            let mut call = script::CLEAR.call(1);
            // Fresh ones for each copy: what a late one clears must not come back with it.
            call.arg(generation).arg(&random::bytes()[..]);
            call
        };
        let said = self.client.call_anew(&script::CLEAR, clear, deadline).await?;
        super::did(said.value)?;
        let cache = self.clone();
        // What fails here is left for the next one, or lapses.
        tokio::spawn(async move { drop(cache.sweep_slowly().await) });
        Ok(())
    }

    /// Removes all entries; or, where there are generations, those of older ones. Every name that stands from the first answer to
    /// the last is looked at.
    async fn sweep(&self, deadline: Deadline) -> Result<()> {
        let mut cursor = scan::START.to_vec();
        loop {
            cursor = self.sweep_some(&cursor, deadline).await?;
            if cursor == scan::START {
                return Ok(());
            }
        }
    }

    /// As [`sweep`](Self::sweep), however long it takes.
    async fn sweep_slowly(&self) -> Result<()> {
        let mut cursor = scan::START.to_vec();
        loop {
            cursor = self.sweep_some(&cursor, self.deadline()).await?;
            if cursor == scan::START {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Answers where to go on.
    async fn sweep_some(&self, cursor: &[u8], deadline: Deadline) -> Result<Vec<u8>> {
        let (next, names) = scan::some(&self.client, &self.space.keys.pattern(), cursor, deadline).await?;
        // The server may answer with more than it was asked for.
        for names in names.chunks(scan::STRIDE) {
            let call = self.calls().sweep(names);
            self.client.call(&script::SWEEP, &call, Repeat::UntilAnswered, deadline).await?;
        }
        Ok(next)
    }

    /// How many reservations of this namespace stand, of all clients: for those who look for leaks.
    ///
    /// # Errors
    /// Those of reading.
    #[doc(hidden)]
    pub async fn reserved(&self) -> Result<usize> {
        let mut reserved = 0;
        for name in scan::all(&self.client, &self.space.keys.pattern(), self.deadline()).await? {
            let mut kind = cmd("GETRANGE");
            let kind = self.client.read(kind.arg(name).arg(2).arg(2), self.deadline()).await?;
            reserved += usize::from(kind == Value::BulkString(b"r".to_vec()));
        }
        Ok(reserved)
    }
}
