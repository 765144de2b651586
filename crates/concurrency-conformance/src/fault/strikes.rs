//! A plan while it is carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concurrency_core::Outcome;

use super::{Fault, Kind, Place, Plan, Tally};

/// A plan while it is carried out, and what it has hit. Clones are the same.
#[derive(Debug, Clone)]
pub struct Strikes {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    due: BTreeMap<(u32, u32), Fault>,
    /// How many requests each client has sent.
    sent: BTreeMap<u32, u32>,
    /// The operation that a client has under way.
    under_way: BTreeMap<u32, UnderWay>,
    over: Vec<Operation>,
}

/// An operation that is under way.
#[derive(Debug, Default)]
struct UnderWay {
    requests: usize,
    hits: Vec<(Kind, Place)>,
}

/// An operation that is over.
#[derive(Debug)]
struct Operation {
    hits: Vec<(Kind, Place)>,
    ended: Ended,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// What the error of a write says of its effect; `None` for an answer, and for a read, which has none.
    pub outcome: Option<Outcome>,
    /// What others see if it took effect, unique in the history: a value, an owner, an event's number. `None` for a read.
    pub mark: Option<u64>,
}

impl Strikes {
    /// Before the first request.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let shared =
            Shared { due: plan.by_request(), sent: BTreeMap::new(), under_way: BTreeMap::new(), over: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// This client begins an operation; it has one under way at a time.
    pub fn begin(&self, client: u32) {
        self.enter().under_way.insert(client, UnderWay::default());
    }

    /// That operation is over; how many copies of its request may have taken effect, or may yet, besides the one that its
    /// answer is about.
    pub fn end(&self, client: u32, ended: Ended) -> usize {
        let mut shared = self.enter();
        let UnderWay { requests, hits } = shared.under_way.remove(&client).unwrap_or_default();
        let doubled = hits.iter().filter(|(kind, _)| *kind == Kind::Duplicate).count();
        let copies = (requests + doubled).saturating_sub(1 + hits.iter().filter(|hit| never_arrives(**hit)).count());
        shared.over.push(Operation { hits, ended });
        copies
    }

    /// Whether this client has an operation under way.
    #[must_use]
    pub fn is_under_way(&self, client: u32) -> bool {
        self.enter().under_way.contains_key(&client)
    }

    /// This client sends a request: what is to happen to it. One that is sent outside of any operation is neither counted nor
    /// struck, and one of which a second copy does harm (`may_be_doubled`) is never doubled.
    #[must_use]
    pub fn request(&self, client: u32, may_be_doubled: bool) -> Option<Fault> {
        let mut shared = self.enter();
        shared.under_way.get_mut(&client)?.requests += 1;
        let sent = shared.sent.entry(client).or_default();
        let request = *sent;
        *sent += 1;
        let fault = shared.due.remove(&(client, request)).filter(|f| may_be_doubled || f.kind != Kind::Duplicate)?;
        shared.under_way.get_mut(&client)?.hits.push((fault.kind, fault.place));
        Some(fault)
    }

    /// What was hit, in a history of so many clients and keys in which others were shown these marks.
    #[must_use]
    pub fn tally(&self, clients: u32, keys: usize, shown: &BTreeSet<u64>) -> Tally {
        let shared = self.enter();
        let mut tally = Tally { histories: 1, operations: shared.over.len() as u64, ..Tally::default() };
        for Operation { hits, ended } in &shared.over {
            let unknown = match ended.outcome {
                Some(Outcome::Unknown { settled }) => {
                    *(if settled { &mut tally.settled } else { &mut tally.unsettled }) += 1;
                    true
                }
                Some(Outcome::NotApplied) => {
                    tally.not_applied += 1;
                    false
                }
                None => false,
            };
            let is_shown = unknown && ended.mark.is_some_and(|mark| shown.contains(&mark));
            for hit in hits {
                *tally.hits.entry(*hit).or_default() += 1;
                tally.hits_unknown += u64::from(unknown);
                tally.hits_shown += u64::from(is_shown);
            }
        }
        let kinds = tally.hits.keys().map(|(kind, _)| *kind).collect::<BTreeSet<_>>().len();
        let enough = clients >= 4 && shared.over.len() >= 200 && keys >= 8 && kinds >= 3;
        tally.thin = u64::from(!enough);
        tally
    }

    fn enter(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server never sees the request that was struck so.
const fn never_arrives((kind, place): (Kind, Place)) -> bool {
    matches!((kind, place), (Kind::Cut | Kind::HalfOpen | Kind::Crash, Place::BeforeRequest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::Subject;

    fn plan() -> Plan {
        let fault = |request, kind| Fault {
            client: 1,
            request,
            kind,
            place: Place::Between,
            byte: 0,
            length: Duration::from_millis(1),
        };
        let faults = vec![fault(1, Kind::Cut), fault(2, Kind::Duplicate), fault(3, Kind::Duplicate)];
        Plan { subject: Subject::State, seed: 1, clients: 4, turns: 50, faults }
    }

    #[test]
    fn only_what_is_under_way_is_struck_and_counted() {
        let strikes = Strikes::new(&plan());
        assert_eq!(strikes.request(1, true), None, "nothing is under way");
        strikes.begin(1);
        assert_eq!(strikes.request(2, true), None, "another's");
        assert_eq!(strikes.request(1, true), None, "its first");
        assert_eq!(strikes.request(1, false).map(|fault| fault.kind), Some(Kind::Cut));
        assert_eq!(strikes.request(1, false), None, "what may not be repeated is not doubled");
        let unknown = Some(Outcome::Unknown { settled: false });
        assert_eq!(strikes.end(1, Ended { outcome: unknown, mark: Some(7) }), 2, "two besides the first");
        strikes.begin(1);
        assert_eq!(strikes.request(1, true).map(|fault| fault.kind), Some(Kind::Duplicate));
        assert_eq!(strikes.end(1, Ended { outcome: None, mark: None }), 1, "the double");
        strikes.begin(1);
        assert_eq!(strikes.end(1, Ended { outcome: Some(Outcome::NotApplied), mark: None }), 0);
        let tally = strikes.tally(4, 8, &BTreeSet::from([7]));
        assert_eq!((tally.operations, tally.hits_in_all(), tally.hits_unknown, tally.hits_shown), (3, 2, 1, 1));
        assert_eq!((tally.unsettled, tally.settled, tally.not_applied, tally.thin), (1, 0, 1, 1));
    }
}
