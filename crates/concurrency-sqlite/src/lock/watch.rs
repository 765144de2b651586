//! What other processes hand over to those who wait here: one task for each client, while somebody waits.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use concurrency_core::clock::{self, BootInstant};
use tokio::runtime::Handle;

use super::{desk::Desk, table};
use crate::connection::Commits;

/// How long it goes on when nobody waits any more: whoever has waited often waits again soon.
const LINGERS: Duration = Duration::from_millis(100);
/// How long a look at the file may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Starts it.
pub(super) fn start(desk: &Arc<Desk>, runtime: &Handle) {
    // From now on no commit goes unnoticed.
    let commits = desk.database.commits();
    let watch = Watch { desk: Arc::downgrade(desk), ended: false };
    drop(runtime.spawn(watch.run(commits)));
}

struct Watch {
    desk: Weak<Desk>,
    ended: bool,
}

impl Watch {
    async fn run(mut self, mut commits: Commits) {
        let mut idle_since = None;
        loop {
            let has_news = tokio::select! {
                () = commits.next() => true,
                () = clock::sleep_until(BootInstant::now().after(LINGERS)) => false,
            };
            let Some(desk) = self.desk.upgrade() else { return };
            if desk.is_closed() {
                return;
            }
            if desk.has_waiters() {
                idle_since = None;
                if has_news {
                    ring(&desk).await;
                }
                continue;
            }
            let since = *idle_since.get_or_insert_with(BootInstant::now);
            if since.after(LINGERS).has_passed() && desk.may_stop_watching() {
                self.ended = true;
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended
            && let Some(desk) = self.desk.upgrade()
        {
            desk.is_unwatched();
        }
    }
}

/// Wakes those whom the file calls holders and who do not know it yet.
async fn ring(desk: &Desk) {
    let boot = desk.boot;
    let handed = desk.database.read_little(LIMIT, move |connection| table::handed(connection, boot)).await;
    // Where the file cannot be read, waiters find out when they look by themselves.
    for (namespace, key, owner) in handed.into_iter().flatten() {
        desk.ring(&namespace, &key, owner);
    }
}
