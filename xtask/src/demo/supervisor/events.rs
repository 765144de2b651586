//! What the supervisor does about what happens.

use std::time::Duration;

use serde_json::Value;

use super::{Stopped, Supervisor};
use crate::demo::{
    aims::{Action, At, Fault, Instances},
    incident::{Kind, from_to, short, token},
    process::{Button, Event, Who},
    world::{State, number},
};

/// How long the button freezes.
const BY_HAND: Duration = Duration::from_secs(5);
/// How soon that is tried again, where it has caught the file.
const AGAIN: Duration = Duration::from_millis(250);
/// The numbers of questions by hand begin here, so that they are not taken for those of the aims.
const QUESTIONS: u64 = 1 << 32;

impl Supervisor {
    pub(super) fn handle(&mut self, event: Event) -> Result<(), Stopped> {
        self.look_at_the_clock();
        match event {
            Event::Said { who, life, line } => {
                // The last words of a process that was replaced meanwhile.
                if self.processes.get(&who).is_some_and(|process| process.life == life) {
                    self.said(who, line);
                }
                Ok(())
            }
            Event::Ended { who, life } => match self.processes.get(&who) {
                Some(process) if process.life == life => self.ended(who),
                _ => Ok(()),
            },
            Event::Pressed { instance, button } => {
                self.pressed(instance, button);
                Ok(())
            }
            Event::Returned { server, came } => self.returned(*server, came),
        }
    }

    fn said(&mut self, who: Who, line: Value) {
        let what = line["say"].as_str().unwrap_or_default().to_owned();
        match (who, &*what) {
            (Who::Ledger, "ready") => self.ledger = line["address"].as_str().map(str::to_owned),
            (Who::Ledger, what @ ("charged" | "refused" | "raised")) => self.ledger_said(what, &line),
            (Who::Onlooker, "blind") => self.world.blind = line["why"].as_str().map(str::to_owned),
            (Who::Onlooker, "seen") => {
                self.world.blind = None;
                self.world.seen = Some(line);
            }
            (Who::Customers, "ordering") => {
                self.world.answered(number(&line["done"]));
                self.world.evidence.overlapping = number(&line["overlapping"]);
            }
            (Who::Customers, "ordered") => {
                self.world.answered(number(&line["accepted"]));
                self.world.evidence.overlapping = number(&line["overlapping"]);
                self.ordered = Some(line);
            }
            (Who::Auditor, "audit") => self.world.audit = Some(line["audit"].clone()),
            (Who::Opener, "connected") => self.place.is_used(),
            (Who::Opener, "lacks") => self.lacks = line["what"].as_str().map(str::to_owned),
            (Who::Instance(instance), what) => self.instance_said(instance, what, line),
            (who, "ready" | "open") => drop(self.ready.insert(who)),
            _ => {}
        }
    }

    fn ledger_said(&mut self, what: &str, line: &Value) {
        let now = self.world.now;
        let (order, of) = (line["order"].as_str().unwrap_or_default(), number(&line["token"]));
        let by = u32::try_from(number(&line["by"])).unwrap_or_default();
        let Some(aims) = &mut self.aims else { return };
        let actions = match what {
            "charged" => aims.charged(order, of, by, now),
            "refused" if line["charge"] == Value::Bool(true) => {
                let text = format!(
                    "the ledger refused instance {by}'s late charge of order {}: token {}, it has seen {}",
                    short(order),
                    token(of),
                    token(number(&line["seen"]))
                );
                let actions = aims.refused(order, of, now);
                self.world.mark(Kind::Refused, by, text);
                actions
            }
            "raised" => {
                let change = from_to(number(&line["from"]), number(&line["to"]));
                let text = format!("instance {by} took order {} over: {change}", short(order));
                self.world.mark(Kind::TookOver, by, text);
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.act(actions);
    }

    fn instance_said(&mut self, instance: u32, what: &str, line: Value) {
        let (now, instances) = (self.world.now, self.instances());
        if let ("reached", Some(order)) = (what, line["order"].as_str()) {
            // It may be frozen before it tells its grants.
            self.world.granted(&format!("order/{order}"), number(&line["token"]), instance);
        }
        let actions = match (what, &mut self.aims) {
            ("ready", _) => {
                if let Some(card) = self.world.cards.get_mut(&instance) {
                    card.state = State::Serving;
                    card.address = line["address"].as_str().unwrap_or_default().to_owned();
                    if card.life > 0 {
                        self.world.mark(Kind::Started, instance, format!("instance {instance} serves again"));
                    }
                }
                return;
            }
            ("counts", _) => return self.world.counts(instance, line),
            ("reached", Some(aims)) => {
                let order = line["order"].as_str().unwrap_or_default().to_owned();
                aims.reached(At { instance, order, token: number(&line["token"]) }, now, &instances)
            }
            ("passed", Some(aims)) => {
                aims.passed(instance);
                return;
            }
            ("probed", Some(aims)) => {
                let asked = line["number"].as_str().and_then(|number| number.parse().ok()).unwrap_or_default();
                let written = line["written"] == Value::Bool(true);
                if asked > QUESTIONS {
                    return self.answered_by_hand(asked, written);
                }
                aims.probed(asked, written, now)
            }
            _ => return,
        };
        self.act(actions);
    }

    pub(super) fn instances(&self) -> Instances {
        Instances {
            serving: self.world.in_state(State::Serving),
            all: self.options.instances as usize,
            projects: self.world.projects(),
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Arm(instance, Fault::Kill) => self.tell(instance, "arm save"),
                Action::Arm(instance, Fault::Freeze) => self.tell(instance, "arm charge"),
                Action::Disarm(instance) => self.tell(instance, "arm nothing"),
                Action::Kill(instance) => self.kill(instance),
                Action::Freeze(instance) => self.freeze(instance),
                Action::Thaw(instance) => self.thaw(instance),
                Action::Probe(instance, number) => self.tell(instance, &format!("probe {number}")),
                Action::Killed(at) => {
                    self.world.evidence.kills += 1;
                    let of = token(at.token);
                    let text = format!(
                        "instance {} killed: it had charged order {} under token {of}, and not saved that",
                        at.instance,
                        short(&at.order)
                    );
                    self.world.mark(Kind::Killed, at.instance, text);
                }
                Action::Frozen(at) => {
                    let text = format!(
                        "instance {} frozen: it was about to charge order {} under token {}",
                        at.instance,
                        short(&at.order),
                        token(at.token)
                    );
                    self.world.mark(Kind::Frozen, at.instance, text);
                }
                Action::Missed(instance) => {
                    let text = format!("instance {instance} goes on at once: frozen, it kept others from writing");
                    self.world.mark(Kind::Thawed, instance, text);
                }
                Action::GoesOn(at) => {
                    let text = format!("instance {} goes on, and charges what another has charged", at.instance);
                    self.world.mark(Kind::Thawed, at.instance, text);
                }
                Action::Alone(at) => {
                    let text = format!("instance {} goes on: nobody took order {} over", at.instance, short(&at.order));
                    self.world.mark(Kind::Thawed, at.instance, text);
                }
                Action::Refused(_) => self.world.evidence.late += 1,
                Action::Taken(at) => {
                    let text = format!(
                        "the ledger TOOK instance {}'s late charge of order {} under token {}",
                        at.instance,
                        short(&at.order),
                        token(at.token)
                    );
                    self.world.mark(Kind::Wrong, at.instance, text);
                }
            }
        }
    }

    fn tell(&mut self, instance: u32, line: &str) {
        if let Some(process) = self.processes.get_mut(&Who::Instance(instance)) {
            // One that has just died is heard of by its end.
            process.tell(line);
        }
    }

    fn kill(&mut self, instance: u32) {
        self.doomed.insert(instance);
        if let Some(process) = self.processes.get_mut(&Who::Instance(instance)) {
            process.kill();
        }
    }

    fn freeze(&mut self, instance: u32) {
        let frozen = self.processes.get(&Who::Instance(instance)).is_some_and(|process| process.freeze());
        if let Some(card) = self.world.cards.get_mut(&instance).filter(|_| frozen) {
            card.state = State::Frozen;
        }
    }

    fn thaw(&mut self, instance: u32) {
        if let Some(process) = self.processes.get(&Who::Instance(instance)) {
            process.thaw();
        }
        self.last_fault = self.clock.elapsed();
        if let Some(card) = self.world.cards.get_mut(&instance).filter(|card| card.state == State::Frozen) {
            card.state = State::Serving;
        }
    }

    fn ended(&mut self, who: Who) -> Result<(), Stopped> {
        let Some(mut process) = self.processes.remove(&who) else { return Ok(()) };
        let Who::Instance(instance) = who else {
            let served = match who {
                Who::Customers => self.ordered.is_some(),
                Who::Ledger | Who::Onlooker => self.closing,
                Who::Opener => self.ready.contains(&who) || self.lacks.is_some(),
                Who::Auditor | Who::Instance(_) => self.world.audit.is_some(),
            };
            // What a process that fails has to say, it has said on the standard error.
            return if served { Ok(()) } else { Err(format!("{who} failed: {}", process.wait()).into()) };
        };
        let now = self.world.now;
        self.last_fault = now;
        self.by_hand.remove(&instance);
        self.again.remove(&instance);
        self.world.died(instance);
        let actions = self.aims.as_mut().map(|aims| aims.ended(instance, now)).unwrap_or_default();
        self.act(actions);
        if !self.doomed.remove(&instance) {
            let text = format!("instance {instance} ended by itself: {}", process.wait());
            self.world.mark(Kind::Wrong, instance, text.clone());
            if self.world.cards.get(&instance).is_some_and(|card| card.address.is_empty()) {
                return Err(text.into());
            }
            self.world.wrong.push(text);
        }
        if let Some(card) = self.world.cards.get_mut(&instance).filter(|_| !self.closing) {
            card.restart_at.get_or_insert(now + self.options.lease);
        }
        Ok(())
    }

    fn pressed(&mut self, instance: u32, button: Button) {
        let now = self.world.now;
        let Some(card) = self.world.cards.get_mut(&instance).filter(|_| !self.closing) else { return };
        match (button, card.state) {
            (Button::Kill, State::Serving | State::Frozen) => {
                self.kill(instance);
                self.world.mark(Kind::Killed, instance, format!("instance {instance} killed by hand"));
            }
            (Button::Restart, State::Dead) => card.restart_at = Some(now),
            (Button::Restart, State::Serving | State::Frozen) => {
                card.restart_at = Some(now);
                self.kill(instance);
                self.world.mark(Kind::Killed, instance, format!("instance {instance} killed and restarted by hand"));
            }
            (Button::Freeze, State::Serving) => self.freeze_by_hand(instance, now + BY_HAND),
            _ => {}
        }
    }

    fn freeze_by_hand(&mut self, instance: u32, until: Duration) {
        self.freeze(instance);
        self.questions += 1;
        let number = QUESTIONS + self.questions;
        self.by_hand.insert(instance, (until, number));
        if let Some(other) = self.world.in_state(State::Serving).first() {
            self.tell(*other, &format!("probe {number}"));
        }
        self.world.mark(Kind::Frozen, instance, format!("instance {instance} frozen by hand"));
    }

    /// Whether the backend can be written while an instance is frozen by hand; if it cannot, that is taken back, and soon done
    /// again.
    fn answered_by_hand(&mut self, asked: u64, written: bool) {
        let about = self.by_hand.iter().find(|(_, (_, number))| *number == asked);
        // While the server is away nobody can write, frozen or not.
        let held = !written && self.server_serves();
        if let Some((instance, until)) = about.map(|(instance, (until, _))| (*instance, *until)).filter(|_| held) {
            self.by_hand.remove(&instance);
            self.again.insert(instance, (self.world.now + AGAIN, until));
            self.thaw(instance);
            self.act(vec![Action::Missed(instance)]);
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self) -> Result<(), Stopped> {
        let now = self.world.now;
        let thawed: Vec<u32> =
            self.by_hand.iter().filter(|(_, (until, _))| now >= *until).map(|(instance, _)| *instance).collect();
        for instance in thawed {
            self.by_hand.remove(&instance);
            self.thaw(instance);
            self.world.mark(Kind::Thawed, instance, format!("instance {instance} goes on"));
        }
        let again: Vec<_> =
            self.again.iter().filter(|(_, (from, _))| now >= *from).map(|(n, (_, until))| (*n, *until)).collect();
        for (instance, until) in again {
            self.again.remove(&instance);
            let serves = self.world.cards.get(&instance).is_some_and(|card| card.state == State::Serving);
            if serves && now < until && !self.closing {
                self.freeze_by_hand(instance, until);
            }
        }
        let due = |card: &crate::demo::world::Card| {
            card.state == State::Dead && card.restart_at.is_some_and(|restart_at| now >= restart_at)
        };
        let dead: Vec<u32> = self.world.cards.iter().filter(|(_, card)| due(card)).map(|(number, _)| *number).collect();
        let others_wait = self.look_after_the_server()?;
        if !self.closing && self.server_serves() {
            for number in dead {
                self.start_instance(number)?;
            }
        }
        let instances = self.instances();
        let aims = self.aims.as_mut().filter(|_| !others_wait);
        let actions = aims.map(|aims| aims.tick(now, &instances)).unwrap_or_default();
        self.act(actions);
        Ok(())
    }
}
