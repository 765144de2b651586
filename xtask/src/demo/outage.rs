//! The run's own server, and the time for which it was away.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    count, grouped,
    world::{State, World},
};

/// The server that a run has started for itself, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// Like `redis 7.0.15 (local, /usr/bin/redis-server)`.
    pub(super) name: String,
    pub(super) address: String,
    /// `Serving`, `Dead` or, while it comes back, `Starting`.
    pub(super) state: State,
    /// When it is started again.
    pub(super) back_at: Option<Duration>,
}

/// When the server was killed, when it was back, and what the instances did meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    from: Duration,
    until: Option<Duration>,
    /// The processes of the instances when it was killed: how many each had had before.
    lives: BTreeMap<u32, u32>,
    /// How many of them lived on until it was back.
    lived: u64,
    /// Orders answered, as the customers said first after the kill: up to then they may speak of the time before.
    before: Option<u64>,
    /// Orders answered when it was back.
    done: u64,
    /// How long after its return the next order was answered.
    next: Option<Duration>,
}

impl World {
    /// Its own server was killed.
    pub(super) fn server_died(&mut self, back_at: Duration) {
        if let Some(own) = &mut self.own {
            own.state = State::Dead;
            own.back_at = Some(back_at);
        }
        let lives = self.cards.iter().map(|(number, card)| (*number, card.life)).collect();
        self.outage = Some(Outage { from: self.now, until: None, lives, lived: 0, before: None, done: 0, next: None });
    }

    /// It serves again.
    pub(super) fn server_returned(&mut self) {
        if let Some(own) = &mut self.own {
            own.state = State::Serving;
            own.back_at = None;
        }
        let (cards, now, done) = (&self.cards, self.now, self.done);
        let lives = |(number, life): &(&u32, &u32)| {
            cards.get(number).is_some_and(|card| card.life == **life && card.state != State::Dead)
        };
        if let Some(outage) = &mut self.outage {
            outage.lived = outage.lives.iter().filter(lives).count() as u64;
            outage.until = Some(now);
            outage.done = done;
            self.evidence.restarts += 1;
        }
    }

    /// The customers say how many orders were answered.
    pub(super) fn answered(&mut self, done: u64) {
        self.done = done;
        let Some(outage) = &mut self.outage else { return };
        outage.before.get_or_insert(done);
        if let Some(until) = outage.until.filter(|_| done > outage.done && outage.next.is_none()) {
            outage.next = Some(self.now.saturating_sub(until));
        }
    }
}

impl Outage {
    /// How long the server was away; `None` while it is.
    pub(super) fn length(&self) -> Option<Duration> {
        Some(self.until?.saturating_sub(self.from))
    }

    /// Orders answered while it was away.
    fn meanwhile(&self) -> u64 {
        self.before.map_or(0, |before| self.done.saturating_sub(before))
    }

    /// For people, in two lines where there is as much to say; the second begins with `indent`.
    pub(super) fn text(&self, indent: &str) -> String {
        let killed = format!("killed at {:.1} s", self.from.as_secs_f64());
        let Some(length) = self.length() else { return format!("{killed}, and never back") };
        let next = match self.next {
            Some(next) => format!("the next {:.1} s after its return", next.as_secs_f64()),
            None => "none after its return".to_owned(),
        };
        format!(
            "{killed}, back after {:.1} s with its data\n{indent}meanwhile {} of {} lived on, {} answered; {next}",
            length.as_secs_f64(),
            grouped(self.lived),
            count(self.lives.len() as u64, "instance"),
            count(self.meanwhile(), "order"),
        )
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "from": self.from.as_secs_f64(),
            "seconds": self.length().map(|length| length.as_secs_f64()),
            "instances": self.lives.len(),
            "instances_lived_on": self.lived,
            "orders_answered_meanwhile": self.meanwhile(),
            "next_order_after_seconds": self.next.map(|next| next.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::world::Card, *};

    fn world() -> World {
        let mut world = World::new(100, None);
        let address = "redis://127.0.0.1:1".to_owned();
        world.own = Some(Own { name: "redis 7".to_owned(), address, state: State::Serving, back_at: None });
        for number in 1..=3 {
            let (address, counts) = (String::new(), Value::Null);
            let card = Card { state: State::Serving, life: 4, process: number, address, counts, restart_at: None };
            world.cards.insert(number, card);
        }
        world
    }

    #[test]
    fn what_happened_while_the_server_was_away_is_counted() {
        let mut world = world();
        world.answered(50);
        assert_eq!(world.outage, None);
        world.now = Duration::from_millis(12_300);
        world.server_died(Duration::from_secs(14));
        assert_eq!(world.own.as_ref().map(|own| own.state), Some(State::Dead));
        assert!(world.outage.as_ref().is_some_and(|outage| outage.text("").ends_with("and never back")));
        // The first word may be of what was answered before.
        world.answered(52);
        world.answered(53);
        world.died(3);
        world.now = Duration::from_millis(14_400);
        world.server_returned();
        assert_eq!((world.evidence.restarts, world.own.as_ref().map(|own| own.state)), (1, Some(State::Serving)));
        world.answered(53);
        world.now = Duration::from_millis(14_700);
        world.answered(54);
        world.now = Duration::from_secs(20);
        world.answered(90);
        let outage = world.outage.unwrap();
        assert_eq!(
            outage.text("- "),
            "killed at 12.3 s, back after 2.1 s with its data\n- meanwhile 2 of 3 instances lived on, 1 order answered; \
             the next 0.3 s after its return"
        );
        let json = outage.json();
        assert_eq!((&json["instances_lived_on"], &json["orders_answered_meanwhile"]), (&json!(2), &json!(1)));
    }
}
