//! A ledger whose records stand in a file: one JSON object a line, only ever appended to, on the disk before the answer.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use concurrency_core::FencingToken;
use tokio::sync::oneshot;

use super::{LedgerError, Record, Summary, Taken, record::Accounts};

/// How many records go to the disk together, at most.
const TOGETHER: usize = 256;

/// Accounts, and the thread that writes what was decided.
///
/// A call is answered after its record is on the disk, and records stand in the order in which they were decided: so what was
/// answered follows from what is on the disk, whenever the process dies. When the disk refuses, the ledger answers nobody any
/// more.
#[derive(Debug)]
pub struct LedgerFile {
    pages: Mutex<Pages>,
    any_token: bool,
}

struct Pages {
    accounts: Accounts,
    writer: mpsc::Sender<Line>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("summary", &self.accounts.summary).finish_non_exhaustive()
    }
}

struct Line {
    text: Vec<u8>,
    written: oneshot::Sender<()>,
}

/// A line that is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no record of a ledger")]
pub struct Broken(pub usize);

impl LedgerFile {
    /// Opens the file, or creates it, and takes in what stands there. A last line without an end was never answered, and is
    /// cut off. With `any_token` it refuses no token, as a ledger that does not know what they are for.
    ///
    /// # Errors
    /// Where it cannot be read or written; `InvalidData`, as [`Broken`], where it is not a ledger's.
    pub fn open(path: &Path, any_token: bool) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut accounts = Accounts::default();
        let records = parse(&bytes[..whole])?;
        if !is_begun(&bytes[whole..]) {
            return Err(broken(records.len() + 1));
        }
        for record in &records {
            accounts.take_in(record);
        }
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        let (writer, lines) = mpsc::channel();
        thread::Builder::new().name("ledger".to_owned()).spawn(move || write(file, &lines))?;
        Ok(Self { pages: Mutex::new(Pages { accounts, writer }), any_token })
    }

    /// The records in a file, for whoever judges them. A last line without an end was never answered, and does not count.
    ///
    /// # Errors
    /// Where it cannot be read; `InvalidData`, as [`Broken`], where it is not a ledger's.
    pub fn read(path: &Path) -> io::Result<Vec<Record>> {
        let mut bytes = std::fs::read(path)?;
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        parse(&bytes)
    }

    /// Decides a call, and answers once its record is on the disk.
    ///
    /// # Errors
    /// `Stale` for a token below the order's mark; `Unavailable` where the record could not be written.
    ///
    /// # Cancel safety
    /// The call was decided all the same.
    pub async fn call(&self, order: &str, token: FencingToken, amount: Option<u64>) -> Result<Taken, LedgerError> {
        let (written, wait) = oneshot::channel();
        let decided = {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            let (record, decided) = pages.accounts.decide(order, token, amount, self.any_token);
            let mut text = serde_json::to_vec(&record).expect("a record is JSON");
            text.push(b'\n');
            // Under the mutex, so that the file has the order of the decisions.
            pages.writer.send(Line { text, written }).map_err(|_| LedgerError::Unavailable)?;
            decided
        };
        wait.await.map_err(|_| LedgerError::Unavailable)?;
        decided
    }

    /// What was done so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).accounts.summary
    }
}

fn parse(bytes: &[u8]) -> io::Result<Vec<Record>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate();
    lines.map(|(index, line)| serde_json::from_slice(line).map_err(|_| broken(index + 1))).collect()
}

/// Whether this is how a record begins, so that cutting it off destroys nothing that somebody else wrote.
fn is_begun(tail: &[u8]) -> bool {
    const BEGINNING: &[u8] = br#"{"order":"#;
    let length = tail.len().min(BEGINNING.len());
    tail[..length] == BEGINNING[..length]
}

fn broken(line: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Broken(line))
}

/// Writes what has queued with one look at the disk for all, until nobody can send any more or the disk refuses.
fn write(mut file: File, lines: &mpsc::Receiver<Line>) {
    while let Ok(first) = lines.recv() {
        let together: Vec<Line> = [first].into_iter().chain(lines.try_iter().take(TOGETHER - 1)).collect();
        let text: Vec<u8> = together.iter().flat_map(|line| &line.text).copied().collect();
        if let Err(why) = file.write_all(&text).and_then(|()| file.sync_data()) {
            // Nobody knows what is on the disk now: whoever waits, and whoever comes later, gets no answer.
            eprintln!("ledger: its file cannot be written any more: {why}");
            return;
        }
        for line in together {
            // Whoever does not wait any more needs no answer.
            line.written.send(()).ok();
        }
    }
}
