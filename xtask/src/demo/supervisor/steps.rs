//! A run from its beginning to its end.

use std::time::Duration;

use super::{Stopped, Supervisor};
use crate::demo::{
    aims::Aims,
    process::{Process, Who},
    world::{Card, Phase, State},
};

/// How long a process may take until it is ready.
const READY: Duration = Duration::from_secs(20);
/// How long nothing may move before a run is given up.
const STILL: Duration = Duration::from_secs(60);
/// How long the instances may take to finish what the customers left.
const DRAIN: Duration = Duration::from_secs(60);
/// The least that customers wait for an answer; half a lease unless that is shorter.
const IMPATIENCE: Duration = Duration::from_millis(400);
/// How long an instance may take to stop.
const STOPPING: Duration = Duration::from_secs(10);

impl Supervisor {
    /// All of it; the exit code.
    pub(super) fn steps(&mut self) -> Result<u8, Stopped> {
        self.phase(Phase::Opening);
        self.open()?;
        self.phase(Phase::Ordering);
        self.order()?;
        self.phase(Phase::Finishing);
        let begun = self.clock.elapsed();
        self.finish()?;
        let finishing = self.clock.elapsed() - begun;
        self.close()?;
        self.phase(Phase::Judging);
        self.judge()?;
        self.report(finishing)
    }

    fn start(&mut self, who: Who, life: u32, arguments: &[(&str, String)]) -> Result<(), Stopped> {
        let mut words: Vec<String> = Vec::new();
        for (name, value) in arguments {
            words.extend([format!("--{name}"), value.clone()]);
        }
        let process = Process::start(&self.service, who, life, &words, &self.sender)?;
        self.processes.insert(who, process);
        Ok(())
    }

    /// Starts a process of an instance; the port is that of the one before.
    pub(super) fn start_instance(&mut self, number: u32) -> Result<(), Stopped> {
        let who = Who::Instance(number);
        let (life, port) = match self.world.cards.get(&number) {
            Some(card) => (card.life + 1, card.address.rsplit(':').next().unwrap_or("0").to_owned()),
            None => (0, "0".to_owned()),
        };
        let ledger = self.ledger.clone().unwrap_or_default();
        let mut arguments = vec![
            ("url", self.place.url().to_owned()),
            ("ledger", ledger),
            ("number", number.to_string()),
            ("port", port),
            ("lease-ms", self.options.lease.as_millis().to_string()),
        ];
        if let Some(part) = self.options.part.filter(|part| part.name != "fence") {
            arguments.push(("break", part.name.to_owned()));
        }
        self.start(who, life, &arguments)?;
        let process = self.processes.get(&who).map_or(0, Process::id);
        let address = self.world.cards.get(&number).map(|card| card.address.clone()).unwrap_or_default();
        let (state, counts) = (State::Starting, serde_json::Value::Null);
        self.world.cards.insert(number, Card { state, life, process, address, counts, restart_at: None });
        Ok(())
    }

    fn open(&mut self) -> Result<(), Stopped> {
        let mut arguments = vec![("file", self.folder.file("ledger.jsonl"))];
        arguments
            .extend(self.options.part.filter(|part| part.name == "fence").map(|part| ("break", part.name.to_owned())));
        self.start(Who::Ledger, 0, &arguments)?;
        if !self.until(READY, |run| run.ledger.is_some())? {
            return Err("the ledger does not answer".to_owned().into());
        }
        let orders = self.options.orders.to_string();
        self.start(Who::Opener, 0, &[("url", self.place.url().to_owned()), ("orders", orders)])?;
        if !self.until(READY, |run| !run.processes.contains_key(&Who::Opener))? {
            return Err("the backend does not answer".to_owned().into());
        }
        if let Some(what) = self.lacks.take() {
            return Err(Stopped::Lacks(what));
        }
        for number in 1..=self.options.instances {
            self.start_instance(number)?;
        }
        let all = self.options.instances as usize;
        if !self.until(READY, |run| run.world.in_state(State::Serving).len() == all)? {
            return Err("the instances do not get ready".to_owned().into());
        }
        Ok(())
    }

    fn order(&mut self) -> Result<(), Stopped> {
        let ledger = self.ledger.clone().unwrap_or_default();
        self.start(Who::Onlooker, 0, &[("url", self.place.url().to_owned()), ("ledger", ledger)])?;
        let addresses: Vec<_> = self.world.cards.values().map(|card| card.address.clone()).collect();
        let arguments = [
            ("addresses", addresses.join(",")),
            ("answers", self.folder.file("answers.jsonl")),
            ("orders", self.options.orders.to_string()),
            ("pace", self.options.pace.to_string()),
            ("clients", self.options.clients.to_string()),
            ("seed", self.seed.to_string()),
            ("patience-ms", (self.options.lease / 2).max(IMPATIENCE).as_millis().to_string()),
        ];
        self.start(Who::Customers, 0, &arguments)?;
        self.aims = Some(Aims::new(self.options.lease, self.clock.elapsed()));
        loop {
            let done = self.world.done;
            let moved = self.until(STILL, |run| run.world.done > done || run.ordered.is_some())?;
            if self.ordered.is_some() {
                return Ok(());
            }
            if !moved {
                return Err(format!("no order was answered for {} s", STILL.as_secs()).into());
            }
        }
    }

    /// Ends the faults, and waits until nothing is left to do.
    fn finish(&mut self) -> Result<(), Stopped> {
        let all = self.options.instances as usize;
        let quiet = |run: &mut Self| {
            let rests = run.aims.as_mut().is_none_or(Aims::close);
            rests
                && run.server_serves()
                && run.by_hand.is_empty()
                && run.again.is_empty()
                && run.world.in_state(State::Serving).len() == all
        };
        if !self.until(READY + self.options.lease * 5, quiet)? {
            self.world.wrong.push("not all instances served again in the end".to_owned());
        }
        // What the onlooker saw before now may be old.
        self.world.seen = None;
        if !self.until(DRAIN, |run| run.world.is_drained())? {
            self.world.wrong.push(format!("work was left after {} s", DRAIN.as_secs()));
        }
        Ok(())
    }

    /// Stops all processes.
    fn close(&mut self) -> Result<(), Stopped> {
        self.closing = true;
        for number in 1..=self.options.instances {
            self.doomed.insert(number);
        }
        for process in self.processes.values_mut() {
            // One that has died needs no telling.
            process.tell("stop");
        }
        if !self.until(STOPPING, |run| run.processes.is_empty())? {
            let left: Vec<_> = self.processes.keys().map(ToString::to_string).collect();
            self.world.wrong.push(format!("did not stop: {}", left.join(", ")));
            self.processes.clear();
        }
        // Nobody looks at the locks any more, and the page shows only what somebody has seen.
        if let Some(locks) = self.world.seen.as_mut().and_then(|seen| seen.get_mut("locks")) {
            *locks = serde_json::Value::Null;
        }
        // Leases of those that were killed run out by themselves.
        let over = self.last_fault + self.options.lease + Duration::from_millis(300);
        let left = over.saturating_sub(self.clock.elapsed());
        self.until(left, |_| false)?;
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Stopped> {
        let arguments = [
            ("url", self.place.url().to_owned()),
            ("ledger", self.folder.file("ledger.jsonl")),
            ("answers", self.folder.file("answers.jsonl")),
        ];
        self.start(Who::Auditor, 0, &arguments)?;
        if !self.until(STILL, |run| !run.processes.contains_key(&Who::Auditor))? || self.world.audit.is_none() {
            return Err("the audit did not come to an end".to_owned().into());
        }
        Ok(())
    }
}
