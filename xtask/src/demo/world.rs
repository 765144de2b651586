//! What the supervisor knows of the run: what processes have said, and what was done to them.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;

use super::{
    incident::{Incident, Kind, from_to},
    outage::{Outage, Own},
};

/// How many grants are remembered, to tell who holds a lock.
const GRANTS: usize = 20_000;

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Building,
    Opening,
    Ordering,
    Finishing,
    Judging,
    Over,
}

/// An instance, as its card shows it.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) state: State,
    /// How many of its processes there were before this one.
    pub(super) life: u32,
    pub(super) process: u32,
    pub(super) address: String,
    /// Its last word about what it has done.
    pub(super) counts: Value,
    /// When its next process is started.
    pub(super) restart_at: Option<Duration>,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Serving,
    Frozen,
    Dead,
}

/// What a run must have shown to prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence {
    /// Kills between charge and save.
    pub(super) kills: u64,
    /// Late charges of frozen instances that the ledger refused.
    pub(super) late: u64,
    /// Repeats that were under way together with the first.
    pub(super) overlapping: u64,
    /// Times that another process took the projection over and went on with it.
    pub(super) resumed: u64,
    /// Times that the run's own server was killed and came back.
    pub(super) restarts: u64,
    /// How many of these are needed: one where the run has a server of its own.
    pub(super) restarts_needed: u64,
}

impl Evidence {
    /// What, how much there is of it, and how much is needed.
    pub(super) fn table(&self) -> Vec<(&'static str, u64, u64)> {
        let mut table = vec![
            ("kill between charge and save", self.kills, 1),
            ("late charge refused", self.late, 1),
            ("overlapping repeat", self.overlapping, 10),
            ("projection taken over", self.resumed, 1),
        ];
        if self.restarts_needed > 0 {
            table.push(("server restart", self.restarts, self.restarts_needed));
        }
        table
    }
}

/// Who keeps the projection.
#[derive(Debug, Clone, Copy)]
struct Keeper {
    instance: u32,
    life: u32,
    token: u64,
    /// What it had counted when it was first seen with the lock, and what it has now.
    from: u64,
    counted: u64,
    /// The token of the process before, until this one has gone on from there.
    after: Option<u64>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) phase: Phase,
    pub(super) wanted: u64,
    pub(super) broken: Option<&'static str>,
    pub(super) cards: BTreeMap<u32, Card>,
    /// What the onlooker saw last.
    pub(super) seen: Option<Value>,
    /// The server that the run has started for itself.
    pub(super) own: Option<Own>,
    /// When that was away.
    pub(super) outage: Option<Outage>,
    /// Why the onlooker sees nothing now.
    pub(super) blind: Option<String>,
    pub(super) done: u64,
    pub(super) incidents: Vec<Incident>,
    pub(super) evidence: Evidence,
    /// Who was granted which lock under which token.
    pub(super) grants: HashMap<(String, u64), u32>,
    /// Cache hits and loads of processes that have died.
    pub(super) cached_before: (u64, u64),
    /// What went wrong that only the supervisor knows.
    pub(super) wrong: Vec<String>,
    /// What the auditor said.
    pub(super) audit: Option<Value>,
    /// What the run has shown in the end, and whether that is good; `None` where it has shown nothing.
    pub(super) verdict: Option<(Option<bool>, String)>,
    /// The report, once there is one.
    pub(super) report: Option<String>,
    keeper: Option<Keeper>,
}

impl World {
    pub(super) fn new(wanted: u64, broken: Option<&'static str>) -> Self {
        Self {
            now: Duration::ZERO,
            phase: Phase::Building,
            wanted,
            broken,
            cards: BTreeMap::new(),
            seen: None,
            own: None,
            outage: None,
            blind: None,
            done: 0,
            incidents: Vec::new(),
            evidence: Evidence::default(),
            grants: HashMap::new(),
            cached_before: (0, 0),
            wrong: Vec::new(),
            audit: None,
            verdict: None,
            report: None,
            keeper: None,
        }
    }

    /// Puts a mark on the time line.
    pub(super) fn mark(&mut self, kind: Kind, instance: u32, text: impl Into<String>) {
        self.mark_at(kind, Some(instance), text.into());
    }

    /// Puts one on the lane of the run's own server.
    pub(super) fn mark_server(&mut self, kind: Kind, text: impl Into<String>) {
        self.mark_at(kind, None, text.into());
    }

    fn mark_at(&mut self, kind: Kind, instance: Option<u32>, text: String) {
        eprintln!("{:6.1} s  {text}", self.now.as_secs_f64());
        self.incidents.push(Incident { at: self.now, kind, instance, text });
    }

    /// The instances in this state.
    pub(super) fn in_state(&self, state: State) -> Vec<u32> {
        self.cards.iter().filter(|(_, card)| card.state == state).map(|(number, _)| *number).collect()
    }

    /// Who keeps the projection now, as far as is known.
    pub(super) fn projects(&self) -> Option<u32> {
        let keeper = self.keeper?;
        let card = self.cards.get(&keeper.instance)?;
        (card.life == keeper.life && card.counts["projects"] == keeper.token).then_some(keeper.instance)
    }

    /// An instance tells what it has done.
    pub(super) fn counts(&mut self, instance: u32, line: Value) {
        let Some(card) = self.cards.get_mut(&instance) else { return };
        let life = card.life;
        let (projects, counted) = (line["projects"].as_u64(), number(&line["projected"]));
        let grants = line["granted"].as_array().cloned().unwrap_or_default();
        card.counts = line;
        for grant in &grants {
            if let (Some(name), Some(token)) = (grant[0].as_str(), grant[1].as_u64()) {
                self.granted(name, token, instance);
            }
        }
        if let Some(token) = projects {
            self.keeps_projection(instance, life, token, counted);
        }
    }

    fn keeps_projection(&mut self, instance: u32, life: u32, token: u64, counted: u64) {
        let fresh = |after| Keeper { instance, life, token, from: counted, counted, after };
        let Some(keeper) = &mut self.keeper else {
            self.keeper = Some(fresh(None));
            return;
        };
        if (keeper.instance, keeper.life) != (instance, life) {
            // An older word of a process that has lost it meanwhile counts for nothing.
            if token > keeper.token {
                // There is something to go on with only where somebody had counted before.
                let after = (keeper.counted > 0).then_some(keeper.token).or(keeper.after);
                *keeper = fresh(after);
            }
            return;
        }
        keeper.token = token;
        keeper.counted = counted;
        if counted > keeper.from
            && let Some(before) = keeper.after.take()
        {
            self.evidence.resumed += 1;
            let text = format!("instance {instance} goes on with the projection: {}", from_to(before, token));
            self.mark(Kind::TookOver, instance, text);
        }
    }

    /// A process of an instance has ended.
    pub(super) fn died(&mut self, instance: u32) {
        let Some(card) = self.cards.get_mut(&instance) else { return };
        card.state = State::Dead;
        self.cached_before.0 += number(&card.counts["hits"]);
        self.cached_before.1 += number(&card.counts["loads"]);
        // What it had done stays on its card; it holds nothing and keeps nothing any more.
        for gone in ["hits", "loads", "holds", "projects"] {
            if let Some(value) = card.counts.get_mut(gone) {
                *value = Value::Null;
            }
        }
    }

    /// An instance was granted a lock under this token.
    pub(super) fn granted(&mut self, name: &str, token: u64, instance: u32) {
        if self.grants.len() > GRANTS {
            self.grants.clear();
        }
        self.grants.insert((name.to_owned(), token), instance);
    }

    /// Hits and loads of the cache, of all processes.
    pub(super) fn cached(&self) -> (u64, u64) {
        let sum = |name: &str| self.cards.values().map(|card| number(&card.counts[name])).sum::<u64>();
        (self.cached_before.0 + sum("hits"), self.cached_before.1 + sum("loads"))
    }

    /// A number that the onlooker saw.
    pub(super) fn saw(&self, name: &str) -> u64 {
        self.seen.as_ref().map_or(0, |seen| number(&seen[name]))
    }

    /// Whether the onlooker saw that nothing is left to do.
    pub(super) fn is_drained(&self) -> bool {
        self.blind.is_none()
            && self.seen.as_ref().is_some_and(|seen| seen["open"] == 0 && seen["behind"] == Value::Bool(false))
    }
}

/// What is no number counts as none.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
