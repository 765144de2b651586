//! What the page is told, a few times a second.

use serde_json::{Value, json};

use super::{
    count, grouped,
    incident::token,
    world::{Card, Phase, State, World, number},
};

/// One line that says how the run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) text: String,
    /// `None` while nothing is known.
    pub(super) good: Option<bool>,
    pub(super) note: String,
}

/// From what was stored and from the ledger alone: as the onlooker saw them last, and in the end as the auditor did.
pub(super) fn headline(world: &World) -> Headline {
    let line = |orders: u64, charges: u64, twice: u64| {
        format!("{}, {}, {} sold twice", count(orders, "order"), count(charges, "charge"), grouped(twice))
    };
    if let Some(audit) = &world.audit {
        let [orders, charges, twice] = ["orders", "charges", "sold_twice"].map(|name| number(&audit[name]));
        let stored = "as the audit found it in what was stored";
        let (good, note) = match &world.verdict {
            Some((good, verdict)) => (*good, format!("{verdict}, {stored}")),
            None => (Some(twice == 0 && orders == charges), stored.to_owned()),
        };
        return Headline { text: line(orders, charges, twice), good, note };
    }
    if world.seen.is_none() {
        let text = match world.phase {
            Phase::Building => "Building the service, about a minute the first time",
            _ => "Opening the shop",
        };
        return Headline { text: text.to_owned(), good: None, note: String::new() };
    }
    let [orders, charges, beyond] = ["orders", "charges", "beyond"].map(|name| world.saw(name));
    let (oversold, under_way) = (world.saw("oversold"), orders.saturating_sub(charges - beyond.min(charges)));
    let mut note = match under_way {
        0 => "every order is charged".to_owned(),
        _ => format!("{} being charged", count(under_way, "order")),
    };
    if beyond > 0 {
        note = format!("{} charged more than once", count(beyond, "order"));
    }
    if oversold > 0 {
        note = format!("{} sold that had gone already", count(oversold, "piece"));
    }
    Headline { text: line(orders, charges, oversold), good: Some(beyond == 0 && oversold == 0), note }
}

/// All that the page shows.
pub(super) fn snapshot(world: &World) -> String {
    let headline = headline(world);
    let (hits, loads) = world.cached();
    let row = |(what, have, need): (&str, u64, u64)| json!({ "what": what, "have": have, "need": need });
    let evidence: Vec<_> = world.evidence.table().into_iter().map(row).collect();
    json!({
        "phase": phase(world),
        "over": world.phase == Phase::Over,
        "elapsed": world.now.as_secs_f64(),
        "wanted": world.wanted,
        "done": world.done,
        "broken": world.broken,
        "headline": { "text": headline.text, "good": headline.good, "note": headline.note },
        "blind": world.blind,
        "server": world.own.as_ref().map(|own| json!({
            "name": own.name,
            "address": own.address,
            "state": state_name(own.state),
            "back_in": own.back_at.map(|at| at.saturating_sub(world.now).as_secs_f64()),
        })),
        "instances": world.cards.iter().map(|(number, card)| shown(world, *number, card)).collect::<Vec<_>>(),
        "states": {
            "placed": world.saw("placed"),
            "charged": world.saw("charged"),
            "settled": world.saw("settled"),
        },
        "cache": { "hits": hits, "loads": loads },
        "locks": locks(world),
        "tail": world.seen.as_ref().map_or(&Value::Null, |seen| &seen["tail"]),
        "incidents": world.incidents.iter().map(super::incident::Incident::json).collect::<Vec<_>>(),
        "evidence": evidence,
        "report": world.report,
    })
    .to_string()
}

fn phase(world: &World) -> &'static str {
    match world.phase {
        Phase::Building => "building",
        Phase::Opening => "opening",
        Phase::Ordering => "customers are ordering",
        Phase::Finishing => "finishing what was begun",
        Phase::Judging => "the audit reads what was stored",
        Phase::Over => "over",
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Serving => "serving",
        State::Frozen => "frozen",
        State::Dead => "dead",
    }
}

fn shown(world: &World, number: u32, card: &Card) -> Value {
    let counts = &card.counts["counts"];
    json!({
        "number": number,
        "state": state_name(card.state),
        "process": card.process,
        "life": card.life + 1,
        "address": card.address,
        "restarts_in": card.restart_at.map(|at| at.saturating_sub(world.now).as_secs_f64()),
        "placed": counts["placed"],
        "charged": counts["charged"],
        "found": counts["found_charged"],
        "settled": counts["settled"],
        "hits": card.counts["hits"],
        "loads": card.counts["loads"],
        "holds": card.counts["holds"],
        "projects": world.projects() == Some(number),
    })
}

fn locks(world: &World) -> Vec<Value> {
    let locks = world.seen.as_ref().and_then(|seen| seen["locks"].as_array()).into_iter().flatten();
    let told = |lock: &Value| {
        let (name, of) = (lock[0].as_str().unwrap_or_default(), super::world::number(&lock[1]));
        let holder = world.grants.get(&(name.to_owned(), of));
        let state = holder.and_then(|number| world.cards.get(number)).map(|card| card.state);
        json!({
            "name": name,
            "token": token(of),
            "holder": holder,
            "frozen": state == Some(State::Frozen),
            "dead": state == Some(State::Dead),
            "remaining": lock[2],
        })
    };
    locks.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(orders: u64, charges: u64, beyond: u64, oversold: u64) -> World {
        let mut world = World::new(100, None);
        world.seen =
            Some(json!({ "orders": orders, "charges": charges, "beyond": beyond, "oversold": oversold, "locks": [] }));
        world
    }

    #[test]
    fn the_headline_says_what_is_stored_and_no_more() {
        assert_eq!(headline(&World::new(1, None)).good, None);
        let line = headline(&seen(1284, 1281, 0, 0));
        assert_eq!(line.text, "1,284 orders, 1,281 charges, 0 sold twice");
        assert_eq!((line.good, &*line.note), (Some(true), "3 orders being charged"));
        let line = headline(&seen(1284, 1284, 0, 0));
        assert_eq!((line.good, &*line.note), (Some(true), "every order is charged"));
        let line = headline(&seen(10, 11, 1, 0));
        assert_eq!((line.good, &*line.note), (Some(false), "1 order charged more than once"));
        let line = headline(&seen(10, 10, 0, 2));
        assert_eq!(line.text, "10 orders, 10 charges, 2 sold twice");
        assert_eq!(line.good, Some(false));
    }

    #[test]
    fn in_the_end_the_headline_is_the_audits() {
        let mut world = seen(10, 10, 0, 0);
        world.audit = Some(json!({ "orders": 10, "charges": 11, "sold_twice": 0 }));
        let line = headline(&world);
        assert_eq!((&*line.text, line.good), ("10 orders, 11 charges, 0 sold twice", Some(false)));
        // Nor is it content where the numbers agree and something else does not.
        world.audit = Some(json!({ "orders": 10, "charges": 10, "sold_twice": 0 }));
        world.verdict = Some((Some(false), "8 discrepancies".to_owned()));
        let line = headline(&world);
        assert_eq!(line.good, Some(false));
        assert!(line.note.starts_with("8 discrepancies, "), "{}", line.note);
    }

    #[test]
    fn a_lock_names_whoever_was_granted_it() {
        let mut world = seen(1, 1, 0, 0);
        world.seen = Some(json!({ "locks": [["order/7", 42, 900], ["settlement", 7, 100]] }));
        world.grants.insert(("order/7".to_owned(), 42), 3);
        let shown: Value = serde_json::from_str(&snapshot(&world)).unwrap();
        assert_eq!((&shown["locks"][0]["holder"], &shown["locks"][1]["holder"]), (&json!(3), &Value::Null));
    }
}
