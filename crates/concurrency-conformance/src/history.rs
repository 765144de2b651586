//! Histories: who called what when, and what the answer was.
//!
//! A [`Recorder`] notes every operation of concurrent clients; [`linear::check`](crate::linear::check) judges what it noted.
//! A history is written as JSON lines, one operation a line, so that other checkers can judge it, too. Values, versions and
//! owners are small integers in it: what is written down identifies them and gives nothing away.
//!
//! ```json
//! {"history":"registers","kind":"state","client":2,"key":"k3","invoked":61022,"returned":61913,
//!  "call":{"save":{"value":17,"when":{"match":9},"fence":null}},"answer":{"ok":{"saved":{"version":10}}}}
//! ```

mod cache;
mod event;
mod lock;
mod state;

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    io::{self, BufRead, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use concurrency_core::{Error, Outcome, clock::BootInstant};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{cache::RecordedCache, event::RecordedEvents, lock::RecordedLock, state::RecordedState};
use crate::linear::Model;

/// One call of one client and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation<C, A> {
    /// Who called.
    pub client: u32,
    /// The key, lock name or stream: histories are judged for each of them apart.
    pub key: Box<str>,
    /// When it was called, in nanoseconds of the boot clock.
    pub invoked: u64,
    /// When the answer was there; `None` where the client dropped the call or never got an answer.
    pub returned: Option<u64>,
    /// What was asked.
    pub call: C,
    /// What was answered.
    pub answer: Answer<A>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<A> {
    /// With an answer that says something about what is stored: refusals of the contract (a conflict) are answers, too.
    Ok(A),
    /// With an error, and certainly without effect.
    NotApplied {
        /// The error's text.
        error: Box<str>,
    },
    /// With an error that leaves open whether it had its effect.
    Unknown {
        /// The error's text.
        error: Box<str>,
        /// `true`: it happened before the answer, or never will. `false`: it may still happen at any later time.
        settled: bool,
    },
}

impl<A> Answer<A> {
    /// Of an error that says nothing about what is stored.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        let text = error.to_string().into();
        match error.outcome() {
            Outcome::NotApplied => Self::NotApplied { error: text },
            Outcome::Unknown { settled } => Self::Unknown { error: text, settled },
        }
    }
}

/// An operation of the kind that `M` judges.
pub type OperationOf<M> = Operation<<M as Model>::Call, <M as Model>::Answer>;

/// Operations on one component, in any order.
#[derive(Debug)]
pub struct History<M: Model> {
    /// All operations.
    pub operations: Vec<OperationOf<M>>,
}

impl<M: Model> Clone for History<M> {
    fn clone(&self) -> Self {
        Self { operations: self.operations.clone() }
    }
}

impl<M: Model> Default for History<M> {
    fn default() -> Self {
        Self { operations: Vec::new() }
    }
}

/// One line of a file of histories.
#[derive(Serialize, Deserialize)]
struct Line<O> {
    history: Box<str>,
    kind: Box<str>,
    #[serde(flatten)]
    operation: O,
}

impl<M: Model> History<M> {
    /// Writes it as JSON lines, each with the history's name and kind.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        for operation in &self.operations {
            serde_json::to_writer(&mut *out, &Line { history: name.into(), kind: M::KIND.into(), operation })?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads the histories of this kind, by name, and passes over lines of other kinds.
    ///
    /// # Errors
    /// Those of `lines`; `InvalidData` for a line that is not an operation.
    pub fn read(lines: impl BufRead) -> io::Result<BTreeMap<Box<str>, Self>> {
        let mut histories = BTreeMap::<Box<str>, Self>::new();
        for line in lines.lines() {
            let line: Line<serde_json::Value> = serde_json::from_str(&line?)?;
            if *line.kind == *M::KIND {
                let operation = serde_json::from_value(line.operation)?;
                histories.entry(line.history).or_default().operations.push(operation);
            }
        }
        Ok(histories)
    }
}

/// Notes operations of concurrent clients. Clones note into the same history.
#[derive(Debug)]
pub struct Recorder<M: Model> {
    noted: Arc<Noted<M>>,
}

#[derive(Debug)]
struct Noted<M: Model> {
    operations: Mutex<Vec<OperationOf<M>>>,
    /// When the last operation on each key ended. Locked under the lock of the operations only.
    ended: Mutex<HashMap<Box<str>, u64>>,
    met: AtomicU64,
}

impl<M: Model> Clone for Recorder<M> {
    fn clone(&self) -> Self {
        Self { noted: Arc::clone(&self.noted) }
    }
}

impl<M: Model> Default for Recorder<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Model> Recorder<M> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            noted: Arc::new(Noted { operations: Mutex::default(), ended: Mutex::default(), met: AtomicU64::new(0) }),
        }
    }

    /// Begins an operation: look at the clock, then send. Dropped before [`Open::end`], it is noted as an operation that
    /// may have had its effect, and may still have it.
    pub fn begin(&self, client: u32, key: &str, call: M::Call) -> Open<M> {
        let operation = Operation {
            client,
            key: key.into(),
            invoked: now(),
            returned: None,
            call,
            answer: Answer::Unknown { error: "dropped".into(), settled: false },
        };
        Open { recorder: self.clone(), operation: Some(operation) }
    }

    /// How many operations were under way together with one on the same key that ended before them.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.noted.met.load(Ordering::Relaxed)
    }

    /// What was noted so far.
    #[must_use]
    pub fn history(&self) -> History<M> {
        History { operations: self.lock().clone() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<OperationOf<M>>> {
        self.noted.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, operation: OperationOf<M>) {
        let end = operation.returned.unwrap_or_else(now);
        let mut operations = self.lock();
        let mut ended = self.noted.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let last = ended.entry(operation.key.clone()).or_default();
        if *last >= operation.invoked {
            self.noted.met.fetch_add(1, Ordering::Relaxed);
        }
        *last = end.max(*last);
        operations.push(operation);
    }
}

/// An operation under way.
#[derive(Debug)]
#[must_use]
pub struct Open<M: Model> {
    recorder: Recorder<M>,
    operation: Option<OperationOf<M>>,
}

impl<M: Model> Open<M> {
    /// Notes its answer, at this time.
    pub fn end(self, answer: Answer<M::Answer>) {
        let call = self.operation.as_ref().expect("it has not ended").call.clone();
        self.end_as(call, answer);
    }

    /// Notes its answer, or the error that says nothing about what is stored, at this time.
    pub fn close(self, answer: Result<M::Answer, Error>) -> Answer<M::Answer> {
        let answer = answer.map_or_else(|error| Answer::failed(&error), Answer::Ok);
        self.end(answer.clone());
        answer
    }

    /// Notes nothing: it was not called.
    pub fn withdraw(mut self) {
        self.operation = None;
    }

    /// Notes it as another call than it began as: as what its answer says that it came to.
    pub fn end_as(mut self, call: M::Call, answer: Answer<M::Answer>) {
        let mut operation = self.operation.take().expect("an operation ends once");
        operation.returned = Some(now());
        operation.call = call;
        operation.answer = answer;
        self.recorder.note(operation);
    }
}

impl<M: Model> Drop for Open<M> {
    fn drop(&mut self) {
        if let Some(operation) = self.operation.take() {
            self.recorder.note(operation);
        }
    }
}

/// Nanoseconds of the boot clock.
#[must_use]
pub fn now() -> u64 {
    nanos(BootInstant::now().since_boot())
}

/// Nanoseconds; what is longer than 584 years is cut to that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Small integers in place of tokens: 1, 2, 3 in the order in which they are first seen. Clones share the numbers.
#[derive(Debug)]
pub struct Numbers<T>(Arc<Mutex<Numbered<T>>>);

#[derive(Debug)]
struct Numbered<T> {
    numbers: HashMap<T, u64>,
    tokens: Vec<T>,
}

impl<T> Clone for Numbers<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Numbered { numbers: HashMap::new(), tokens: Vec::new() })))
    }
}

impl<T: Eq + Hash + Clone> Numbers<T> {
    /// The number of `token`.
    #[must_use]
    pub fn of(&self, token: T) -> u64 {
        let mut numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbered.numbers.get(&token) {
            return *number;
        }
        numbered.tokens.push(token.clone());
        let number = numbered.tokens.len() as u64;
        numbered.numbers.insert(token, number);
        number
    }

    /// The token of a number that was given.
    #[must_use]
    pub fn token(&self, number: u64) -> Option<T> {
        let numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        numbered.tokens.get(index).cloned()
    }
}

/// A value of a history as the bytes that are stored, and back.
fn bytes_of(value: u64) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

/// What was written by [`bytes_of`]; anything else is a value that nobody wrote.
fn value_of(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(u64::MAX, u64::from_be_bytes)
}

/// What calls and answers of histories are.
pub trait Word: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static {}
impl<T: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static> Word for T {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{StateAnswer, StateCall, StateModel};

    #[test]
    fn a_history_survives_its_lines() {
        let recorder = Recorder::<StateModel>::new();
        recorder.begin(1, "k", StateCall::Load).end(Answer::Ok(StateAnswer::Found(None)));
        recorder.begin(2, "k", StateCall::Load).end(Answer::failed(&Error::Closed));
        drop(recorder.begin(3, "k", StateCall::Load));
        let history = recorder.history();
        let mut file = Vec::new();
        history.write("one", &mut file).unwrap();
        file.extend(br#"{"history":"two","kind":"lock","anything":1}"#);
        let read = History::<StateModel>::read(&file[..]).unwrap();
        assert_eq!(read["one"].operations, history.operations);
        assert_eq!(read.len(), 1);
        assert_eq!(history.operations[2].returned, None);
        assert!(History::<StateModel>::read(&b"{}"[..]).is_err());
    }

    #[test]
    fn numbers_stay() {
        let numbers = Numbers::default();
        assert_eq!((numbers.of("x"), numbers.of("y"), numbers.clone().of("x")), (1, 2, 1));
        assert_eq!((numbers.token(2), numbers.token(0), numbers.token(3)), (Some("y"), None, None));
    }
}
