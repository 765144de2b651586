//! A writing thread by hand: it commits what has queued meanwhile in one transaction, as the backend does, and waits for others
//! as SQLite does. So the one difference is who waits how.

use std::{path::Path, sync::mpsc, thread};

use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::sync::oneshot;

use super::by_hand;
use crate::turn::Operation;

/// The most writes in one transaction, as in the backend.
const MOST: usize = 256;

/// Saves values by the thread, which ends with the last of its clones.
#[derive(Clone)]
pub(super) struct Batches(mpsc::Sender<Save>);

/// The key, and where to say that it is committed.
type Save = (String, oneshot::Sender<()>);

impl Batches {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut connection = by_hand::open(path)?;
        let (sender, saves) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(first) = saves.recv() {
                let batch: Vec<Save> = [first].into_iter().chain(saves.try_iter().take(MOST - 1)).collect();
                commit(&mut connection, &batch).expect("SQLite does it");
                // Nobody listens where a task has gone away.
                batch.into_iter().for_each(|(_, saved)| saved.send(()).unwrap_or_default());
            }
        });
        Ok(Self(sender))
    }
}

fn commit(connection: &mut Connection, batch: &[Save]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (key, _) in batch {
        by_hand::save(&transaction, key)?;
    }
    transaction.commit()
}

impl Operation for Batches {
    async fn once(&self, name: &str) {
        let (sender, saved) = oneshot::channel();
        self.0.send((name.to_owned(), sender)).expect("the thread runs");
        saved.await.expect("the thread runs");
    }
}
