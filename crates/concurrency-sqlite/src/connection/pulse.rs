//! That somebody has committed, in this process or another: what waiters wake by.
//!
//! SQLite tells a connection by `PRAGMA data_version` whether others have changed the file; a look costs 3 microseconds. One
//! thread looks, every 1 to 10 ms, and only while somebody waits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{Shared, open, reader::Reader, spawn};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

pub(super) struct Pulse {
    shared: Arc<Shared>,
    beat: Arc<Beat>,
}

struct Beat {
    sender: watch::Sender<()>,
    /// Whether the thread runs.
    runs: Mutex<bool>,
}

/// Commits of anybody, as hints: several may come as one, and one may be about something else.
#[derive(Debug)]
pub(crate) struct Commits {
    receiver: watch::Receiver<()>,
}

impl Commits {
    /// Returns after a commit since the last call, or since this was made; and when the client is closed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) {
        if self.receiver.changed().await.is_err() {
            // Nobody will ever say anything again.
            std::future::pending::<()>().await;
        }
    }
}

impl Pulse {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, beat: Arc::new(Beat { sender: watch::Sender::new(()), runs: Mutex::new(false) }) }
    }

    pub(super) fn subscribe(&self) -> Commits {
        let mut runs = self.beat.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut commits = Commits { receiver: self.beat.sender.subscribe() };
        if !*runs {
            let (shared, beat) = (Arc::clone(&self.shared), Arc::clone(&self.beat));
            *runs = spawn("sqlite-pulse", move || watch(&shared, &beat)).is_ok();
            // What was committed before the thread looked for the first time would otherwise go unnoticed.
            commits.receiver.mark_changed();
        }
        commits
    }

    /// Wakes all, so that they find the client closed.
    pub(super) fn end(&self) {
        self.beat.sender.send_replace(());
    }
}

fn watch(shared: &Shared, beat: &Beat) {
    let (mut connection, mut seen, mut pause) = (None, None, SHORTEST);
    loop {
        {
            let mut runs = beat.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if beat.sender.receiver_count() == 0 || shared.check_open().is_err() {
                *runs = false;
                return;
            }
        }
        let version = look(shared, &mut connection);
        if version.is_none() || version != seen {
            seen = version;
            beat.sender.send_replace(());
            pause = SHORTEST;
        }
        std::thread::sleep(if version.is_none() { LONGEST } else { pause });
        pause = (pause + pause / 4).min(LONGEST);
    }
}

/// `None` where the file cannot be looked at: whoever waits looks for itself then.
fn look(shared: &Shared, connection: &mut Option<Reader>) -> Option<i64> {
    let opened = match connection.take() {
        Some(opened) => opened,
        None => open::reader(shared).ok()?,
    };
    let version = opened.prepare_cached("PRAGMA data_version").and_then(|mut ask| ask.query_row((), |row| row.get(0)));
    let version = version.ok()?;
    *connection = Some(opened);
    Some(version)
}
