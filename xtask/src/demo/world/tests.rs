use serde_json::json;

use super::*;

fn world() -> World {
    let mut world = World::new(100, None);
    for number in 1..=3 {
        let (address, counts) = (format!("127.0.0.1:{number}"), Value::Null);
        let card = Card { state: State::Serving, life: 0, process: number, address, counts, restart_at: None };
        world.cards.insert(number, card);
    }
    world
}

fn keeps(token: u64, counted: u64) -> Value {
    json!({ "projects": token, "projected": counted, "hits": 7, "loads": 1, "granted": [["totals", token]] })
}

#[test]
fn a_projection_is_taken_over_when_another_process_has_gone_on_with_it() {
    let mut world = world();
    world.counts(1, keeps(41, 10));
    world.counts(2, json!({ "projects": null, "projected": 0 }));
    assert_eq!((world.projects(), world.evidence.resumed), (Some(1), 0));
    world.died(1);
    assert_eq!(world.projects(), None, "nobody knows yet");
    world.counts(2, keeps(42, 0));
    assert_eq!((world.projects(), world.evidence.resumed), (Some(2), 0), "it has the lock, and has not gone on");
    world.counts(2, keeps(42, 3));
    assert_eq!(world.evidence.resumed, 1);
    assert!(world.incidents[0].text.ends_with("token 41 to 42"), "{:?}", world.incidents);
    world.counts(2, keeps(42, 9));
    assert_eq!(world.evidence.resumed, 1, "once");

    // The next process of the same instance is another process.
    world.cards.get_mut(&2).unwrap().life = 1;
    world.counts(2, keeps(43, 0));
    world.counts(2, keeps(43, 1));
    assert_eq!(world.evidence.resumed, 2);
}

#[test]
fn nothing_is_resumed_where_nothing_was_begun() {
    let mut world = world();
    world.counts(1, keeps(41, 0));
    world.counts(2, keeps(42, 0));
    world.counts(2, keeps(42, 5));
    assert_eq!(world.evidence.resumed, 0);
    world.counts(1, keeps(41, 0));
    assert_eq!(world.projects(), Some(2), "an old word of instance 1 changes nothing");
}

#[test]
fn what_the_dead_have_counted_is_kept() {
    let mut world = world();
    world.counts(1, keeps(41, 10));
    world.died(1);
    world.counts(2, keeps(42, 0));
    assert_eq!(world.cached(), (14, 2));
    assert_eq!(world.grants[&("totals".to_owned(), 41)], 1);
}

#[test]
fn nothing_is_drained_that_nobody_sees() {
    let mut world = world();
    assert!(!world.is_drained());
    world.seen = Some(json!({ "open": 0, "behind": false }));
    assert!(world.is_drained());
    world.blind = Some("locked".to_owned());
    assert!(!world.is_drained());
    world.blind = None;
    for not_yet in [json!({ "open": 1, "behind": false }), json!({ "open": 0, "behind": true })] {
        world.seen = Some(not_yet);
        assert!(!world.is_drained());
    }
}
