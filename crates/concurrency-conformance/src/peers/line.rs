//! The connection to a process of the crew: requests there, answers back, many at a time.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use concurrency_core::{Bytes, Error, Outcome, Result};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use super::wire::{self, Refusal, Request, What};

/// One end of a connection, for whoever calls.
pub(super) struct Line {
    writer: Mutex<TcpStream>,
    /// Who waits for the answer to which request; `None` once the process is gone.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Bytes>>>>,
    next: AtomicU64,
    used: AtomicBool,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> io::Result<Arc<Self>> {
        stream.set_nodelay(true)?;
        let mut reader = stream.try_clone()?;
        let line = Arc::new(Self {
            writer: Mutex::new(stream),
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(0),
            used: AtomicBool::new(false),
        });
        let listening = Arc::clone(&line);
        std::thread::Builder::new().name("crew".into()).spawn(move || {
            while let Ok((id, answer)) = receive::<(u64, Bytes)>(&mut reader) {
                let waiting = listening.waiting().as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(waiting) = waiting {
                    listening.used.store(true, Ordering::Relaxed);
                    // Whoever dropped its future has also said that it wants no answer.
                    drop(waiting.send(answer));
                }
            }
            drop(listening.waiting().take());
        })?;
        Ok(line)
    }

    /// Whether a call was answered since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Asks, and waits for the answer. Dropping the future drops the call there, too.
    pub(super) async fn ask<T: DeserializeOwned>(self: &Arc<Self>, client: u64, what: What) -> Result<T> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match self.waiting().as_mut() {
            Some(waiting) => drop(waiting.insert(id, answer)),
            None => return Err(gone(Outcome::NotApplied)),
        }
        let mut call = Call { line: self, client, id, under_way: true };
        self.send(&Request { id, client, what });
        let answer = answered.await.map_err(|_| gone(Outcome::Unknown { settled: false }));
        call.under_way = false;
        wire::decode::<Result<T, Refusal>>(&answer?)?.map_err(Error::from)
    }

    /// Says something that has no answer.
    pub(super) fn tell(&self, client: u64, what: What) {
        self.send(&Request { id: self.next.fetch_add(1, Ordering::Relaxed), client, what });
    }

    fn send(&self, request: &Request) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that is gone is noticed by whoever listens.
        drop(send(&mut *writer, request));
    }

    pub(super) fn hang_up(&self) {
        // It may have been gone already.
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both));
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Bytes>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way; when it is dropped, nobody wants its answer.
struct Call<'l> {
    line: &'l Line,
    client: u64,
    id: u64,
    under_way: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.under_way {
            if let Some(waiting) = self.line.waiting().as_mut() {
                waiting.remove(&self.id);
            }
            self.line.tell(self.client, What::Cancel(self.id));
        }
    }
}

fn gone(outcome: Outcome) -> Error {
    Error::Unavailable { outcome, source: None }
}

/// A message, behind its length.
pub(super) fn send(writer: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = wire::encode(message);
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    writer.write_all(&[&len.to_le_bytes()[..], &bytes].concat())
}

/// The next message; an error at the end of the connection.
pub(super) fn receive<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    reader.read_exact(&mut len)?;
    let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
    reader.read_exact(&mut bytes)?;
    wire::decode(&bytes).map_err(io::Error::other)
}
