//! A plain list with append ids.

use std::collections::HashMap;

use fastrand::Rng;

use super::Reference;
use crate::linear::{EventAnswer, EventCall, EventModel, Expect};

#[derive(Default)]
pub(super) struct World {
    streams: HashMap<usize, Stream>,
    /// The last version that a client saw.
    seen: HashMap<(u32, usize), u64>,
    /// Appends under an id, to be repeated.
    repeatable: HashMap<(u32, usize), EventCall>,
    numbers: u64,
}

#[derive(Default)]
struct Stream {
    events: Vec<u64>,
    ids: HashMap<u64, (u64, u64)>,
    mark: u64,
}

impl Reference for World {
    type Model = EventModel;
    const PACE: u64 = 2_000;

    fn choose(&mut self, rng: &mut Rng, client: u32, key: usize) -> EventCall {
        let seen = self.seen.get(&(client, key)).copied().unwrap_or(0);
        if rng.u8(..10) < 4 {
            return EventCall::Read { from: seen.saturating_sub(rng.u64(..5)).max(1), limit: rng.u64(1..=20) };
        }
        if let Some(again) = self.repeatable.remove(&(client, key)).filter(|_| rng.bool()) {
            return again;
        }
        let events: Vec<u64> = (0..rng.u64(1..=3)).map(|event| self.numbers + 1 + event).collect();
        self.numbers += 3;
        let expected = match rng.u8(..8) {
            0..5 => Expect::Exact(seen),
            5 => Expect::NoStream,
            6 => Expect::Exists,
            _ => Expect::Any,
        };
        let mark = self.streams.get(&key).map_or(0, |stream| stream.mark);
        let fence = (rng.u8(..10) == 0).then(|| (mark + rng.u64(..4)).saturating_sub(1));
        let id = (rng.u8(..5) == 0).then_some(self.numbers);
        let call = EventCall::Append { events, expected, id, fence };
        if id.is_some() {
            self.repeatable.insert((client, key), call.clone());
        }
        call
    }

    fn apply(&mut self, key: usize, call: &EventCall, _: u64, _: u64) -> Option<EventAnswer> {
        let stream = self.streams.entry(key).or_default();
        let last = stream.events.len() as u64;
        Some(match call {
            EventCall::Read { from, limit } => {
                let events = stream.events.iter().skip(*from as usize - 1).take(*limit as usize);
                EventAnswer::Slice { events: events.copied().collect(), last }
            }
            EventCall::Append { events, expected, id, fence } => {
                if let Some(&(first, last)) = id.and_then(|id| stream.ids.get(&id)) {
                    return Some(EventAnswer::Appended { first, last });
                }
                if fence.is_some_and(|token| token < stream.mark) {
                    return Some(EventAnswer::Fenced { seen: stream.mark });
                }
                let holds = match *expected {
                    Expect::Any => true,
                    Expect::NoStream => last == 0,
                    Expect::Exists => last > 0,
                    Expect::Exact(version) => last == version,
                };
                if !holds {
                    return Some(EventAnswer::Conflict);
                }
                stream.events.extend(events);
                stream.mark = fence.unwrap_or(stream.mark);
                let (first, last) = (last + 1, stream.events.len() as u64);
                stream.ids.extend(id.map(|id| (id, (first, last))));
                EventAnswer::Appended { first, last }
            }
        })
    }

    fn learn(&mut self, client: u32, key: usize, _: &EventCall, answer: &EventAnswer) {
        if let EventAnswer::Appended { last, .. } | EventAnswer::Slice { last, .. } = answer {
            self.seen.insert((client, key), *last);
        }
    }
}
