//! Which fault comes next, and when. Faults are aimed: each waits until an instance has said that it is where a fault hurts.
//!
//! A function of what the processes say and of the time that it is told; it starts, stops and reads nothing itself.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// How long an armed point is waited at for somebody to come.
const ARMED: Duration = Duration::from_secs(4);
/// How long after a freeze an answer to the question may take, whether the backend can be written.
const PROBE: Duration = Duration::from_millis(600);
/// How soon it is tried again after a freeze that caught the file.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a late charge may take after its instance goes on.
const LATE: Duration = Duration::from_secs(6);

/// What is done to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `SIGKILL` between charge and save.
    Kill,
    /// `SIGSTOP` between read and charge, until another has charged.
    Freeze,
}

/// The faults of a run, again and again. The first kill hits whoever keeps the projection.
const PLAN: [Fault; 2] = [Fault::Kill, Fault::Freeze];

/// What the supervisor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Tell an instance to stay at the point of this fault and to say so.
    Arm(u32, Fault),
    /// It need not any more.
    Disarm(u32),
    Kill(u32),
    Freeze(u32),
    Thaw(u32),
    /// Ask an instance to write something, under this number.
    Probe(u32, u64),
    /// An instance was killed between charge and save.
    Killed(At),
    /// An instance is frozen between read and charge, and the backend can be written.
    Frozen(At),
    /// A freeze was taken back, because it held the backend's file.
    Missed(u32),
    /// A frozen instance goes on, because another has charged its order.
    GoesOn(At),
    /// Nobody took over from a frozen instance.
    Alone(At),
    /// The late charge of a frozen instance was refused.
    Refused(At),
    /// The late charge of a frozen instance was taken.
    Taken(At),
}

/// Who was at which order, under which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub(super) instance: u32,
    pub(super) order: String,
    pub(super) token: u64,
}

/// The instances, as far as faults are concerned.
#[derive(Debug, Clone, Default)]
pub(super) struct Instances {
    /// Those that serve now.
    pub(super) serving: Vec<u32>,
    /// How many there are to be.
    pub(super) all: usize,
    /// Who keeps the projection.
    pub(super) projects: Option<u32>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing until then.
    Resting { until: Duration },
    /// Somebody is to come to the point.
    Armed { fault: Fault, instance: u32, until: Duration },
    /// Killed; unless it had gone on by then.
    Dying { at: At, passed: bool },
    /// Frozen. `written` once it is known that the backend can be written.
    Frozen { at: At, written: bool, probe: u64, answer_by: Duration, until: Duration },
    /// Going on: its charge is on its way.
    Late { at: At, until: Duration },
}

/// The plan, and where it stands.
#[derive(Debug)]
pub(super) struct Aims {
    stage: Stage,
    next: usize,
    target: u32,
    probes: u64,
    /// Between two faults.
    gap: Duration,
    /// How long a frozen instance is waited for: others must be able to take over.
    patience: Duration,
    /// No new faults.
    closing: bool,
}

impl Aims {
    /// Faults with such a lease, from a while after `now` on.
    pub(super) fn new(lease: Duration, now: Duration) -> Self {
        Self {
            stage: Stage::Resting { until: now + lease / 2 },
            next: 0,
            target: 0,
            probes: 0,
            gap: lease * 3 / 4,
            patience: lease * 4 + Duration::from_secs(4),
            closing: false,
        }
    }

    /// No new faults from now on; true once none is under way.
    pub(super) fn close(&mut self) -> bool {
        self.closing = true;
        self.is_resting()
    }

    /// Whether no fault is under way.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self.stage, Stage::Resting { .. })
    }

    fn rest(&mut self, now: Duration) {
        self.stage = Stage::Resting { until: now + self.gap };
        self.next += 1;
    }

    /// The same fault, soon.
    fn again(&mut self, now: Duration) {
        self.stage = Stage::Resting { until: now + AGAIN };
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Duration, instances: &Instances) -> Vec<Action> {
        match &self.stage {
            Stage::Resting { until } if now >= *until && !self.closing => self.arm(now, instances),
            Stage::Armed { instance, until, .. } if now >= *until || self.closing => {
                let instance = *instance;
                self.again(now);
                vec![Action::Disarm(instance)]
            }
            Stage::Frozen { at, written: false, answer_by, .. } if now >= *answer_by => {
                let instance = at.instance;
                self.again(now);
                vec![Action::Thaw(instance), Action::Missed(instance)]
            }
            Stage::Frozen { at, until, .. } if now >= *until => {
                let at = at.clone();
                self.again(now);
                vec![Action::Thaw(at.instance), Action::Alone(at)]
            }
            Stage::Late { until, .. } if now >= *until => {
                self.again(now);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn arm(&mut self, now: Duration, instances: &Instances) -> Vec<Action> {
        // All of them must be up: with one dead and one frozen there may be nobody left to take over.
        if instances.serving.len() < instances.all.max(2) {
            return Vec::new();
        }
        let fault = PLAN[self.next % PLAN.len()];
        let instance = match (fault, instances.projects) {
            (Fault::Kill, Some(instance)) if instances.serving.contains(&instance) => instance,
            (Fault::Kill, _) if self.next == 0 => return Vec::new(),
            _ => {
                let after = instances.serving.iter().find(|instance| **instance > self.target);
                *after.unwrap_or(&instances.serving[0])
            }
        };
        self.target = instance;
        self.stage = Stage::Armed { fault, instance, until: now + ARMED };
        vec![Action::Arm(instance, fault)]
    }

    /// An instance stays at the point that it was told.
    pub(super) fn reached(&mut self, at: At, now: Duration, instances: &Instances) -> Vec<Action> {
        let Stage::Armed { fault, instance, .. } = self.stage else { return Vec::new() };
        if instance != at.instance {
            return Vec::new();
        }
        if fault == Fault::Kill {
            self.stage = Stage::Dying { at, passed: false };
            return vec![Action::Kill(instance)];
        }
        let Some(other) = instances.serving.iter().find(|other| **other != instance) else {
            self.again(now);
            return Vec::new();
        };
        self.probes += 1;
        let (probe, answer_by, until) = (self.probes, now + PROBE, now + self.patience);
        self.stage = Stage::Frozen { at, written: false, probe, answer_by, until };
        vec![Action::Freeze(instance), Action::Probe(*other, probe)]
    }

    /// An instance has left the point where it stayed.
    pub(super) fn passed(&mut self, instance: u32) {
        if let Stage::Dying { at, passed } = &mut self.stage
            && at.instance == instance
        {
            *passed = true;
        }
    }

    /// An instance has died; all that it said before was told.
    pub(super) fn ended(&mut self, instance: u32, now: Duration) -> Vec<Action> {
        let stage = std::mem::replace(&mut self.stage, Stage::Resting { until: now });
        match stage {
            Stage::Dying { at, passed } if at.instance == instance => {
                if passed {
                    self.again(now);
                    return Vec::new();
                }
                self.rest(now);
                vec![Action::Killed(at)]
            }
            Stage::Armed { instance: of, .. } if of == instance => {
                self.again(now);
                Vec::new()
            }
            Stage::Frozen { at, .. } | Stage::Late { at, .. } if at.instance == instance => {
                self.again(now);
                Vec::new()
            }
            other => {
                self.stage = other;
                Vec::new()
            }
        }
    }

    /// An instance was asked to write, and could or could not.
    pub(super) fn probed(&mut self, number: u64, written: bool, now: Duration) -> Vec<Action> {
        let Stage::Frozen { at, written: known, probe, .. } = &mut self.stage else { return Vec::new() };
        if *probe != number || *known {
            return Vec::new();
        }
        if written {
            *known = true;
            return vec![Action::Frozen(at.clone())];
        }
        let instance = at.instance;
        self.again(now);
        vec![Action::Thaw(instance), Action::Missed(instance)]
    }

    /// The ledger has charged an order.
    pub(super) fn charged(&mut self, order: &str, token: u64, by: u32, now: Duration) -> Vec<Action> {
        match &self.stage {
            Stage::Frozen { at, .. } if at.order == order && at.instance != by => {
                let at = at.clone();
                self.stage = Stage::Late { at: at.clone(), until: now + LATE };
                vec![Action::Thaw(at.instance), Action::GoesOn(at)]
            }
            Stage::Late { at, .. } if at.order == order && at.instance == by && at.token == token => {
                let at = at.clone();
                self.rest(now);
                vec![Action::Taken(at)]
            }
            _ => Vec::new(),
        }
    }

    /// The ledger has refused to charge an order.
    pub(super) fn refused(&mut self, order: &str, token: u64, now: Duration) -> Vec<Action> {
        match &self.stage {
            Stage::Late { at, .. } if at.order == order && at.token == token => {
                let at = at.clone();
                self.rest(now);
                vec![Action::Refused(at)]
            }
            _ => Vec::new(),
        }
    }
}
