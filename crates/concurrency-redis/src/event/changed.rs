//! Waiting for something new.

use std::time::Duration;

use concurrency_core::{Error, Position, Result, random};
use redis::{Pipeline, Value};

use super::{RedisEvents, stored};
use crate::{connection::Listener, error};

/// Who waits looks for itself after so long, at the latest: a push that is lost costs no more.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl RedisEvents {
    /// Returns when something was appended, or may have been; at once where there is something behind the position.
    pub(super) async fn wait_for_news(&self, after: Position) -> Result<()> {
        // It hears from now on, before the log is looked at, so that no append is missed in between.
        let mut news = self.news().await?;
        while !self.is_more(after).await? {
            tokio::select! {
                // Without another look: reading tells.
                () = news.heard() => return Ok(()),
                () = self.client.closed() => return Err(Error::Closed),
                () = tokio::time::sleep(LOOK_AGAIN / 2 + random::up_to(LOOK_AGAIN / 2)) => {}
            }
        }
        Ok(())
    }

    async fn news(&self) -> Result<Listener> {
        let listen = || self.client.pushes().listen(self.space.keys.news(), self.deadline());
        Ok(self.space.news.get_or_try_init(listen).await?.another())
    }

    pub(super) async fn is_more(&self, after: Position) -> Result<bool> {
        let mut reads = Pipeline::with_capacity(2);
        reads.cmd("GET").arg(self.space.keys.counters());
        // Without the log they tell of one that is lost.
        reads.cmd("EXISTS").arg(self.space.keys.log());
        match &self.client.read_many(&reads, self.deadline()).await?[..] {
            [Value::BulkString(counters), Value::Int(exists)] => {
                Ok(*exists == 1 && u128::from(stored::last_position(counters)?) > after.to_u128())
            }
            [Value::Nil, Value::Int(_)] => Ok(false),
            _ => Err(error::not_understood()),
        }
    }
}
