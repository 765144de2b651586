//! A stream: an append-only list with expected versions, append ids and a fencing mark.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Model, Window};

/// One stream of an event store. Truncation is not part of it.
#[derive(Debug)]
pub struct EventModel;

/// What is asked of an event store about one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventCall {
    /// `append`.
    Append {
        /// One number an event, unique in the history but for repeats under one append id.
        events: Vec<u64>,
        /// The expected version.
        expected: Expect,
        /// The append id, where it is used for more than one append.
        id: Option<u64>,
        /// The fencing token.
        fence: Option<u64>,
    },
    /// `read`, forwards.
    Read {
        /// The first version wanted; 1 or more.
        from: u64,
        /// At most so many.
        limit: u64,
    },
}

/// An expected version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Anything.
    Any,
    /// Never appended to.
    NoStream,
    /// At least one event.
    Exists,
    /// The last event has this number.
    Exact(u64),
}

/// What an event store answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAnswer {
    /// The versions of the first and the last event.
    Appended {
        /// Of the first.
        first: u64,
        /// Of the last.
        last: u64,
    },
    /// The expected version was refused.
    Conflict,
    /// The append id was used before with other events.
    Reused,
    /// The fencing token was refused.
    Fenced {
        /// The mark.
        seen: u64,
    },
    /// A stretch of the stream.
    Slice {
        /// The numbers of the events, from the version asked for.
        events: Vec<u64>,
        /// The stream's version.
        last: u64,
    },
}

/// A stream. Shares what was there before an append with the states before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventState {
    log: Log,
    mark: u64,
}

#[derive(Debug, Clone)]
struct Log(Option<Arc<Appended>>);

#[derive(Debug)]
struct Appended {
    events: Vec<u64>,
    id: Option<u64>,
    /// The version of the last of its events.
    last: u64,
    /// Of all events so far, with their append ids: two logs of one digest are taken for equal. 128 bits of FNV-1a.
    digest: u128,
    before: Log,
}

impl Appended {
    fn first(&self) -> u64 {
        self.last + 1 - self.events.len() as u64
    }

    fn answer(&self) -> EventAnswer {
        EventAnswer::Appended { first: self.first(), last: self.last }
    }
}

impl Log {
    fn last(&self) -> u64 {
        self.0.as_ref().map_or(0, |append| append.last)
    }

    fn digest(&self) -> u128 {
        self.0.as_ref().map_or(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |append| append.digest)
    }

    fn appends(&self) -> impl Iterator<Item = &Arc<Appended>> {
        std::iter::successors(self.0.as_ref(), |append| append.before.0.as_ref())
    }

    fn append(&self, events: &[u64], id: Option<u64>) -> Self {
        let words = events.iter().copied().chain([u64::MAX, id.map_or(0, |id| id.wrapping_add(1))]);
        let digest = words.fold(self.digest(), |digest, word| {
            (digest ^ u128::from(word)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        let last = self.last() + events.len() as u64;
        Self(Some(Arc::new(Appended { events: events.to_vec(), id, last, digest, before: self.clone() })))
    }

    /// The events from version `from`, at most `limit`, are exactly these.
    fn shows(&self, from: u64, limit: u64, events: &[u64]) -> bool {
        let end = self.last().min(from.saturating_add(limit).saturating_sub(1));
        if events.len() as u64 != (end + 1).saturating_sub(from) {
            return false;
        }
        for append in self.appends() {
            let first = append.first();
            let (low, high) = (first.max(from), append.last.min(end));
            if low <= high {
                let stored = &append.events[(low - first) as usize..=(high - first) as usize];
                if stored != &events[(low - from) as usize..=(high - from) as usize] {
                    return false;
                }
            }
            if first <= from {
                break;
            }
        }
        true
    }
}

impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        self.last() == other.last() && self.digest() == other.digest()
    }
}

impl Eq for Log {}

impl Hash for EventState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.log.digest(), self.mark).hash(hasher);
    }
}

impl Drop for Appended {
    /// One after the other: the drop of a long chain would overflow the stack.
    fn drop(&mut self) {
        let mut before = self.before.0.take();
        while let Some(mut append) = before.and_then(Arc::into_inner) {
            before = append.before.0.take();
        }
    }
}

impl fmt::Display for EventState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.log.0.as_ref() {
            None => f.write_str("no events")?,
            Some(append) => write!(f, "{} events, the newest of them {:?}", append.last, append.events)?,
        }
        if self.mark > 0 { write!(f, ", under mark {}", self.mark) } else { Ok(()) }
    }
}

/// An append, as it was asked for.
struct Wanted<'a> {
    events: &'a [u64],
    expected: Expect,
    id: Option<u64>,
    fence: Option<u64>,
}

impl EventState {
    fn holds(&self, expected: Expect) -> bool {
        match expected {
            Expect::Any => true,
            Expect::NoStream => self.log.last() == 0,
            Expect::Exists => self.log.last() > 0,
            Expect::Exact(version) => self.log.last() == version,
        }
    }

    fn passes(&self, fence: Option<u64>) -> bool {
        fence.is_none_or(|token| token >= self.mark)
    }

    /// The append that was made under this id.
    fn known(&self, id: Option<u64>) -> Option<&Arc<Appended>> {
        id.and_then(|id| self.log.appends().find(|append| append.id == Some(id)))
    }

    /// In the order of the contract: append id, fence, expected version.
    fn append(&self, wanted: &Wanted<'_>, answer: Option<&EventAnswer>) -> Option<Self> {
        let same = |holds: bool| holds.then(|| self.clone());
        if let Some(known) = self.known(wanted.id) {
            let equal = known.events == wanted.events;
            return match answer {
                None => same(equal),
                Some(EventAnswer::Reused) => same(!equal),
                Some(told @ EventAnswer::Appended { .. }) => same(equal && *told == known.answer()),
                Some(_) => None,
            };
        }
        match answer {
            Some(&EventAnswer::Fenced { seen }) => same(!self.passes(wanted.fence) && seen == self.mark),
            Some(EventAnswer::Conflict) => same(self.passes(wanted.fence) && !self.holds(wanted.expected)),
            Some(EventAnswer::Appended { .. }) | None => {
                let log = self.log.append(wanted.events, wanted.id);
                let accepted = self.passes(wanted.fence) && self.holds(wanted.expected);
                let told = answer.is_none_or(|answer| {
                    *answer == EventAnswer::Appended { first: self.log.last() + 1, last: log.last() }
                });
                (accepted && told).then(|| Self { log, mark: wanted.fence.unwrap_or(self.mark) })
            }
            Some(_) => None,
        }
    }
}

impl Model for EventModel {
    const KIND: &'static str = "events";
    type Call = EventCall;
    type Answer = EventAnswer;
    type State = EventState;

    fn start() -> EventState {
        EventState { log: Log(None), mark: 0 }
    }

    fn step(state: &EventState, call: &EventCall, answer: Option<&EventAnswer>, _: Window) -> Vec<EventState> {
        let next = match (call, answer) {
            (EventCall::Append { events, expected, id, fence }, answer) => {
                let wanted = Wanted { events, expected: *expected, id: *id, fence: *fence };
                state.append(&wanted, answer)
            }
            (EventCall::Read { from, limit }, Some(EventAnswer::Slice { events, last })) => {
                let shown = *last == state.log.last() && state.log.shows(*from, *limit, events);
                shown.then(|| state.clone())
            }
            (EventCall::Read { .. }, _) => None,
        };
        next.into_iter().collect()
    }
}
