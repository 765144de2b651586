//! Forgetting the append ids of events that were truncated, when their time is over.
//!
//! A stream that was truncated is noted in a sorted set, with the time when the last of its ids is due. Whoever truncates
//! anything looks there afterwards: so nothing stays for ever, although nobody may touch that stream again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::UNIX_EPOCH,
};

use concurrency_core::{Result, clock};
use redis::{Value, cmd};

use super::RedisEvents;
use crate::error;

/// So many streams at a time.
const PAGE: usize = 16;
/// At most so many pages after one truncation.
const MOST_PAGES: usize = 16;

/// Whether it is under way.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    under_way: AtomicBool,
}

impl RedisEvents {
    /// On a task of its own.
    pub(super) fn forget_what_is_due(&self) {
        if self.space.forgetting.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            // What failed is done the next time.
            drop(store.forget().await);
            store.space.forgetting.under_way.store(false, Ordering::Release);
        });
    }

    async fn forget(&self) -> Result<()> {
        for _ in 0..MOST_PAGES {
            let streams = self.due().await?;
            let is_last = streams.len() < PAGE;
            for stream in streams {
                // Of what is not due, whatever this clock says, the script forgets nothing.
                self.shorten(&stream, 0, self.deadline()).await?;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Streams with something to forget, as far as the clock of this machine tells.
    async fn due(&self) -> Result<Vec<String>> {
        let now = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(self.space.keys.to_forget()).arg("-inf").arg(now.to_string()).arg("LIMIT").arg(0).arg(PAGE);
        let Value::Array(streams) = self.client.read(&range, self.deadline()).await? else {
            return Err(error::not_understood());
        };
        let stream = |stream| match stream {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| crate::stored::foreign()),
            _ => Err(error::not_understood()),
        };
        streams.into_iter().map(stream).collect()
    }
}
