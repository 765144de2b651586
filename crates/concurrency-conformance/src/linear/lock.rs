//! A mutex with leases and fencing tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Model, Window};

/// One lock name. All times are nanoseconds of the boot clock that the history was recorded by.
#[derive(Debug)]
pub struct LockModel;

/// What is asked of a lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockCall {
    /// `try_acquire`.
    TryAcquire {
        /// The claim's owner.
        owner: u64,
        /// The claim's TTL.
        ttl: u64,
        /// How much longer the server may keep it: its granularity.
        slack: u64,
    },
    /// `acquire`, which waits.
    Acquire {
        /// The claim's owner.
        owner: u64,
        /// The claim's TTL.
        ttl: u64,
        /// How much longer the server may keep it: its granularity.
        slack: u64,
    },
    /// `renew`.
    Renew {
        /// The lease's owner.
        owner: u64,
        /// The lease's token.
        token: u64,
        /// The claim's TTL.
        ttl: u64,
        /// How much longer the server may keep it: its granularity.
        slack: u64,
        /// The lease's local deadline before.
        deadline: u64,
    },
    /// `release`.
    Release {
        /// The claim's owner.
        owner: u64,
        /// The token of the grant, if one was seen.
        token: Option<u64>,
    },
    /// `holder`.
    Holder,
}

/// What a lock answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockAnswer {
    /// A lease.
    Granted {
        /// Whose: where an acquire had to give its claim up, not the one that asked.
        owner: u64,
        /// Its fencing token.
        token: u64,
        /// Its local deadline.
        deadline: u64,
    },
    /// Somebody else holds it, or waits for it; or the acquire's time was up.
    Held,
    /// The lease goes on.
    Renewed {
        /// Its local deadline.
        deadline: u64,
    },
    /// `LeaseLost`.
    Lost,
    /// `Released::Ours`.
    Ours,
    /// `Released::NotHeld`.
    NotHeld,
    /// `Released::HeldByOther`.
    HeldByOther,
    /// The token of the live lease, if there is one.
    Holder {
        /// Its fencing token.
        token: Option<u64>,
    },
}

/// Who holds a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockState {
    /// Not earlier than this.
    now: u64,
    /// The highest token seen.
    last: u64,
    lease: Option<Live>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Live {
    owner: u64,
    /// Not known where the grant's answer was lost.
    token: Option<u64>,
    /// It ends between these two: the instants of grant and renewal are known only as stretches of time.
    ends: (u64, u64),
}

impl fmt::Display for LockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lease {
            None => write!(f, "no lease after token {}", self.last),
            Some(Live { owner, token: Some(token), .. }) => {
                write!(f, "owner {owner}'s lease of token {token}")
            }
            Some(Live { owner, token: None, .. }) => write!(f, "owner {owner}'s lease of a token that nobody saw"),
        }
    }
}

/// No owner's number.
const NOBODY: u64 = u64::MAX;

/// For how long a request asks.
#[derive(Clone, Copy)]
struct Span {
    ttl: u64,
    slack: u64,
}

impl Span {
    /// Where a lease taken in `window` ends, given that its holder believed in it until `deadline`.
    fn ends(self, window: Window, deadline: u64) -> (u64, u64) {
        let earliest = window.from.saturating_add(self.ttl).max(deadline);
        (earliest, window.until.saturating_add(self.ttl).saturating_add(self.slack).max(earliest))
    }
}

impl Live {
    fn may_live(&self, window: Window) -> bool {
        window.from < self.ends.1
    }

    fn may_have_ended(&self, window: Window) -> bool {
        window.until >= self.ends.0
    }

    fn is(&self, owner: u64, token: Option<u64>) -> bool {
        self.owner == owner && (self.token.is_none() || token.is_none() || self.token == token)
    }
}

impl LockState {
    /// The same at a later time.
    fn at(&self, window: Window) -> Self {
        Self { now: window.from, ..self.clone() }
    }

    /// Free now, where that is possible: nobody holds it, or the lease may have ended.
    fn free(&self, window: Window) -> Option<Self> {
        match &self.lease {
            None => Some(self.at(window)),
            Some(lease) if lease.may_have_ended(window) => {
                Some(Self { now: window.from.max(lease.ends.0), last: self.last, lease: None })
            }
            Some(_) => None,
        }
    }

    /// After a fresh grant.
    fn grant(&self, owner: u64, token: u64, span: Span, deadline: u64, window: Window) -> Option<Self> {
        let free = self.free(window)?;
        let window = Window { from: free.now, ..window };
        let lease = Live { owner, token: Some(token), ends: span.ends(window, deadline) };
        (token > self.last).then_some(Self { now: free.now, last: token, lease: Some(lease) })
    }

    /// After a grant whose answer was lost: it may be given back at any time, or run its course.
    fn grant_unseen(&self, owner: u64, span: Span, window: Window) -> Option<Self> {
        let free = self.free(window)?;
        let ends = (free.now, window.until.saturating_add(span.ttl).saturating_add(span.slack));
        Some(Self { lease: Some(Live { owner, token: None, ends }), ..free })
    }

    /// After a repeated acquire of a lease that lives, whose answer was lost: nobody counts on what it adds.
    fn extend_unseen(&self, owner: u64, span: Span, window: Window) -> Option<Self> {
        let lease = self.lease.as_ref().filter(|lease| lease.owner == owner && lease.may_live(window))?;
        let latest = window.until.saturating_add(span.ttl).saturating_add(span.slack);
        let lease = Live { ends: (lease.ends.0, lease.ends.1.max(latest)), ..lease.clone() };
        Some(Self { now: window.from, last: self.last, lease: Some(lease) })
    }

    /// After a renewal, or a repeated acquire, of a lease that lives.
    fn extend(&self, owner: u64, token: u64, span: Span, deadline: u64, window: Window) -> Option<Self> {
        let lease = self.lease.as_ref().filter(|lease| lease.is(owner, Some(token)) && lease.may_live(window))?;
        let known = lease.token.is_some();
        if !known && token <= self.last {
            return None;
        }
        let (earliest, latest) = span.ends(window, deadline);
        let ends = (lease.ends.0.max(earliest), lease.ends.1.max(latest));
        let lease = Live { owner, token: Some(token), ends };
        Some(Self { now: window.from, last: self.last.max(token), lease: Some(lease) })
    }

    fn release(&self, owner: u64, token: Option<u64>, window: Window) -> Option<Self> {
        let lease = self.lease.as_ref()?;
        let ours = lease.is(owner, token) && lease.may_live(window);
        ours.then(|| Self { lease: None, ..self.at(window) })
    }

    /// Unchanged, where somebody but `owner` under `token` may hold it: as the history says, or for a moment somebody in the
    /// queue who gives it up again, because its time is over.
    fn held_by_other(&self, owner: u64, token: Option<u64>, window: Window) -> Option<Self> {
        if window.contended && self.free(window).is_some() {
            return Some(self.at(window));
        }
        let lease = self.lease.as_ref()?;
        let other = lease.owner != owner || (token.is_some() && lease.token != token);
        (other && lease.may_live(window)).then(|| self.at(window))
    }
}

/// The steps of a call that asks for the name, and was answered after `took`.
fn ask(
    state: &LockState,
    owner: u64,
    span: Span,
    answer: Option<&LockAnswer>,
    window: Window,
    took: u64,
) -> Vec<LockState> {
    match answer {
        Some(&LockAnswer::Granted { owner, token, deadline }) => {
            let repeated = state.extend(owner, token, span, deadline, window);
            repeated.into_iter().chain(state.grant(owner, token, span, deadline, window)).collect()
        }
        Some(LockAnswer::Held) => {
            // A grant whose answer comes past its own local deadline is given back and counts as not granted.
            let margin = 10_000_000 + span.ttl / 100;
            let late = took >= span.ttl.saturating_sub(margin);
            let excused = late.then(|| state.at(window));
            let given_back = late.then(|| state.grant_unseen(owner, span, window)).flatten();
            let refused = excused.or_else(|| state.held_by_other(owner, None, window));
            refused.into_iter().chain(given_back).collect()
        }
        None => {
            let repeated = state.extend_unseen(owner, span, window);
            repeated.into_iter().chain(state.grant_unseen(owner, span, window)).collect()
        }
        Some(_) => Vec::new(),
    }
}

impl Model for LockModel {
    const KIND: &'static str = "lock";
    type Call = LockCall;
    type Answer = LockAnswer;
    type State = LockState;

    fn start() -> LockState {
        LockState { now: 0, last: 0, lease: None }
    }

    fn queues(call: &LockCall) -> bool {
        matches!(call, LockCall::Acquire { .. })
    }

    fn step(state: &LockState, call: &LockCall, answer: Option<&LockAnswer>, window: Window) -> Vec<LockState> {
        // From its call, whenever it took effect.
        let took = window.returned.saturating_sub(window.from);
        let window = Window { from: window.from.max(state.now), ..window };
        if window.from > window.until {
            return Vec::new();
        }
        let one = |state: Option<LockState>| state.into_iter().collect::<Vec<_>>();
        match *call {
            LockCall::TryAcquire { owner, ttl, slack } | LockCall::Acquire { owner, ttl, slack } => {
                ask(state, owner, Span { ttl, slack }, answer, window, took)
            }
            LockCall::Renew { owner, token, ttl, slack, deadline } => {
                let span = Span { ttl, slack };
                match answer {
                    Some(LockAnswer::Renewed { deadline }) => one(state.extend(owner, token, span, *deadline, window)),
                    Some(LockAnswer::Lost) => {
                        // Past its local deadline a lease is lost for good, whatever the server did with the renewal.
                        let late = window.returned >= deadline;
                        let refused = state.free(window).or_else(|| state.held_by_other(owner, Some(token), window));
                        let unheard = late.then(|| state.extend(owner, token, span, 0, window)).flatten();
                        let unasked = late.then(|| state.at(window));
                        refused.into_iter().chain(unasked).chain(unheard).collect()
                    }
                    None => one(state.extend(owner, token, span, 0, window)),
                    Some(_) => Vec::new(),
                }
            }
            LockCall::Release { owner, token } => one(match answer {
                Some(LockAnswer::Ours) | None => state.release(owner, token, window),
                Some(LockAnswer::NotHeld) => state.free(window),
                Some(LockAnswer::HeldByOther) => state.held_by_other(owner, token, window),
                Some(_) => None,
            }),
            LockCall::Holder => match answer {
                Some(LockAnswer::Holder { token: None }) => one(state.free(window)),
                Some(&LockAnswer::Holder { token: Some(token) }) => state.shown(token, window),
                _ => Vec::new(),
            },
        }
    }
}

impl LockState {
    /// After an inspection that showed this token.
    fn shown(&self, token: u64, window: Window) -> Vec<Self> {
        let known = self.lease.as_ref().filter(|lease| lease.is(lease.owner, Some(token)) && lease.may_live(window));
        let named = known.filter(|lease| lease.token.is_some() || token > self.last).map(|lease| {
            let lease = Live { token: Some(token), ..lease.clone() };
            Self { now: window.from, last: self.last.max(token), lease: Some(lease) }
        });
        // Handed to somebody in the queue whose time is over, who gives it up at any time: no answer names this token.
        let handed = if window.contended && token > self.last { self.free(window) } else { None };
        let passing = handed.map(|free| {
            let lease = Live { owner: NOBODY, token: Some(token), ends: (free.now, u64::MAX) };
            Self { last: token, lease: Some(lease), ..free }
        });
        named.into_iter().chain(passing).collect()
    }
}
