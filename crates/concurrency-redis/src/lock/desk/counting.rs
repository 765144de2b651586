//! What there is of locks on the server: for those who look for leaks.

use concurrency_core::Result;
use redis::{Value, cmd};

use super::{Desk, Room};
use crate::{
    connection::{Deadline, Repeat},
    error, key, scan,
};

impl Desk {
    /// How many names are held, and how many places there are in their queues, of all clients.
    ///
    /// # Errors
    /// Those of reading.
    pub(in crate::lock) async fn held_and_queued(&self, room: &Room) -> Result<(usize, usize)> {
        let deadline = Deadline::after(room.limit);
        let [records, queues] = room.keys.patterns();
        let (mut held, mut queued) = (0, 0);
        for record in scan::all(&self.client, &records, deadline).await? {
            let Some((_, name)) = key::lock_of(&self.prefix, &record) else { continue };
            let found = self.find(room, &self.calls(room).holder(name), Repeat::UntilAnswered).await?;
            held += usize::from(found.held.is_some());
        }
        for queue in scan::all(&self.client, &queues, deadline).await? {
            match self.client.read(cmd("ZCARD").arg(queue), deadline).await? {
                Value::Int(places) => queued += usize::try_from(places).unwrap_or_default(),
                _ => return Err(error::not_understood()),
            }
        }
        Ok((held, queued))
    }
}
