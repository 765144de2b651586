use super::*;

const LEASE: Duration = Duration::from_secs(2);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn three(projects: Option<u32>) -> Instances {
    Instances { serving: vec![1, 2, 3], all: 3, projects }
}

fn at(instance: u32, token: u64) -> At {
    At { instance, order: "7".to_owned(), token }
}

/// Aims of which the first, a kill, is over at second 2.
fn after_the_first() -> Aims {
    let mut aims = Aims::new(LEASE, Duration::ZERO);
    assert_eq!(aims.tick(seconds(1.5), &three(Some(2))), [Action::Arm(2, Fault::Kill)]);
    assert_eq!(aims.reached(at(2, 41), seconds(2.0), &three(Some(2))), [Action::Kill(2)]);
    assert_eq!(aims.ended(2, seconds(2.0)), [Action::Killed(at(2, 41))]);
    aims
}

/// Aims at which instance 3 is frozen since second 4.
fn frozen() -> Aims {
    let mut aims = after_the_first();
    assert_eq!(aims.tick(seconds(4.0), &three(Some(1))), [Action::Arm(3, Fault::Freeze)]);
    let frozen = aims.reached(at(3, 41), seconds(4.0), &three(Some(1)));
    assert_eq!(frozen, [Action::Freeze(3), Action::Probe(1, 1)]);
    aims
}

#[test]
fn the_first_kill_waits_for_whoever_keeps_the_projection_and_for_all_to_serve() {
    let mut aims = Aims::new(LEASE, Duration::ZERO);
    assert_eq!(aims.tick(seconds(0.9), &three(Some(2))), []);
    assert_eq!(aims.tick(seconds(1.1), &three(None)), []);
    let two = Instances { serving: vec![1, 2], ..three(Some(2)) };
    assert_eq!(aims.tick(seconds(1.2), &two), []);
    assert_eq!(aims.tick(seconds(1.3), &three(Some(2))), [Action::Arm(2, Fault::Kill)]);
    assert_eq!(aims.reached(at(1, 41), seconds(1.4), &three(Some(2))), [], "nobody has aimed at that one");
}

#[test]
fn a_kill_that_came_too_late_does_not_count_and_is_repeated() {
    let mut aims = Aims::new(LEASE, Duration::ZERO);
    aims.tick(seconds(1.5), &three(Some(2)));
    aims.reached(at(2, 41), seconds(2.0), &three(Some(2)));
    aims.passed(2);
    assert_eq!(aims.ended(2, seconds(2.0)), []);
    assert_eq!(aims.tick(seconds(3.0), &three(Some(1))), [Action::Arm(1, Fault::Kill)]);
}

#[test]
fn a_frozen_instance_goes_on_when_another_has_charged_and_its_charge_is_refused() {
    let mut aims = frozen();
    assert_eq!(aims.probed(1, true, seconds(4.1)), [Action::Frozen(at(3, 41))]);
    assert_eq!(aims.charged("8", 7, 1, seconds(4.2)), [], "that is another order");
    assert_eq!(aims.tick(seconds(5.0), &three(Some(1))), []);
    assert_eq!(aims.charged("7", 42, 1, seconds(6.1)), [Action::Thaw(3), Action::GoesOn(at(3, 41))]);
    assert_eq!(aims.refused("7", 40, seconds(6.2)), [], "that was somebody else's");
    assert_eq!(aims.refused("7", 41, seconds(6.2)), [Action::Refused(at(3, 41))]);
    assert!(aims.close());
}

#[test]
fn a_late_charge_that_is_taken_is_told() {
    let mut aims = frozen();
    aims.probed(1, true, seconds(4.1));
    aims.charged("7", 42, 1, seconds(6.1));
    assert_eq!(aims.charged("7", 41, 3, seconds(6.2)), [Action::Taken(at(3, 41))]);
}

#[test]
fn a_freeze_that_holds_the_file_is_taken_back() {
    let mut aims = frozen();
    assert_eq!(aims.probed(1, false, seconds(4.4)), [Action::Thaw(3), Action::Missed(3)]);
    assert_eq!(aims.tick(seconds(5.0), &three(Some(1))), [Action::Arm(1, Fault::Freeze)], "again, with the next");

    let mut aims = frozen();
    assert_eq!(aims.tick(seconds(4.5), &three(Some(1))), []);
    let no_answer = aims.tick(seconds(4.7), &three(Some(1)));
    assert_eq!(no_answer, [Action::Thaw(3), Action::Missed(3)]);
}

#[test]
fn nobody_is_left_frozen() {
    let mut aims = frozen();
    aims.probed(1, true, seconds(4.1));
    assert_eq!(aims.tick(seconds(60.0), &three(Some(1))), [Action::Thaw(3), Action::Alone(at(3, 41))]);

    // Once the customers have gone, nothing new begins, and what was begun comes to its end.
    let mut aims = frozen();
    aims.probed(1, true, seconds(4.1));
    assert!(!aims.close());
    assert_eq!(aims.charged("7", 42, 1, seconds(6.1)), [Action::Thaw(3), Action::GoesOn(at(3, 41))]);
    assert_eq!(aims.refused("7", 41, seconds(6.2)), [Action::Refused(at(3, 41))]);
    assert!(aims.close());
    assert_eq!(aims.tick(seconds(60.0), &three(Some(1))), []);
}

#[test]
fn what_nobody_comes_to_is_given_up() {
    let mut aims = Aims::new(LEASE, Duration::ZERO);
    aims.tick(seconds(1.5), &three(Some(2)));
    assert_eq!(aims.tick(seconds(9.0), &three(Some(2))), [Action::Disarm(2)]);
    assert_eq!(aims.ended(2, seconds(9.1)), []);

    let mut aims = frozen();
    aims.probed(1, true, seconds(4.1));
    assert_eq!(aims.ended(3, seconds(5.0)), [], "somebody has killed it on the page");
    assert!(aims.close());
}
