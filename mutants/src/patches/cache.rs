//! Wrong in-memory components: cache.

use super::Patch;

pub(super) const PATCHES: &[Patch] = &[
    // Tickets.
    wrong(
        "takes_a_lifetime_without_declaring_any",
        &["G-88", "G-44"],
        "            max_ttl: Some(Ttl::MAX),",
        "            max_ttl: None,",
    ),
    wrong(
        "takes_a_longer_lifetime_than_it_declares",
        &["G-88"],
        "            max_ttl: Some(Ttl::MAX),",
        "            max_ttl: Some(Duration::from_secs(86_400)),",
    ),
    wrong(
        "fills_after_a_removal",
        &["C-20"],
        "(removed, stripe.remove(key)) // a remove ends the reservation",
        "(removed, { let _ = &mut stripe; None::<Reservation> })",
    ),
    wrong(
        "fills_after_a_set",
        &["C-22"],
        "stripe.remove(key) // a set ends the reservation",
        "{ let _ = &mut stripe; None::<Reservation> }",
    ),
    wrong(
        "fills_after_a_clear",
        &["C-21"],
        "stripes.iter_mut().map(|stripe| stripe.take()).collect(); // a clear ends all reservations",
        "{ let _ = &mut stripes; Vec::<Reservation>::new() };",
    ),
    wrong(
        "gives_two_tickets_at_once",
        &["C-16"],
        "if stripe.get(key).is_some_and(|standing| self.stands(standing)) {",
        "if false {",
    ),
    wrong(
        "keeps_a_reservation_for_ever",
        &["C-17"],
        "!self.clock.has_reached(reservation.until)",
        "{ let _ = reservation; true }",
    ),
    wrong("fills_after_its_hold", &["C-17"], "if !self.stands(standing) {", "if false {"),
    wrong(
        "fills_without_a_reservation",
        &["C-18", "C-40"],
        "let Some(standing) = stripe.get(&ticket.key) else { return Ok(false) };",
        "let Some(standing) = stripe.get(&ticket.key) else { self.engine.insert(&ticket.key, entry); return Ok(true) };",
    ),
    wrong("fills_with_any_ticket", &["C-23", "C-40"], "if standing.token != ticket.token {", "if false {"),
    wrong(
        "compares_half_of_a_ticket",
        &["C-40"],
        "if standing.token != ticket.token {",
        "if standing.token[..8] != ticket.token[..8] {",
    ),
    wrong(
        "says_that_it_filled",
        &["C-19"],
        "let Some(standing) = stripe.get(&ticket.key) else { return Ok(false) };",
        "let Some(standing) = stripe.get(&ticket.key) else { return Ok(true) };",
    ),
    wrong(
        "takes_a_ticket_twice",
        &["C-18"],
        "stripe.remove(&ticket.key) // a fill ends its reservation",
        "None::<Reservation>",
    ),
    wrong(
        "ends_the_tickets_of_other_keys",
        &["C-16", "C-18"],
        "stripe.remove(key) // a set ends the reservation",
        "stripe.take()",
    ),
    wrong(
        "hides_a_value_from_loaders",
        &["C-15"],
        "// Without the lock first: nearly all are hits.
        if let Some(entry) = self.get(key) {
            return Lookup::Hit(entry.value);
        }",
        "if self.get(key).is_some() {
            return Lookup::Loading;
        }",
    ),
    wrong(
        "fills_for_ever",
        &["C-6"],
        "let entry = self.entry(value, ttl);
        let _ended = {
            let mut stripe = self.stripe(&ticket.key);",
        "let entry = self.entry(value, None);
        let _ended = {
            let mut stripe = self.stripe(&ticket.key);",
    ),
    wrong(
        "takes_any_hold",
        &["C-39"],
        "let hold = Ttl::new(hold).map_err(|_| Error::invalid(\"hold\", \"more than zero, at most ten years\"))?;",
        "let hold = Ttl::new(hold.clamp(Duration::from_secs(1), Ttl::MAX)).expect(\"clamped\");",
    ),
    wrong(
        "waits_for_a_reservation_that_has_ended",
        &["C-25"],
        "let (ended, until) = match self.space.stripe(key).get(key) {
            Some(standing) => (standing.ended(), standing.until),
            None => return Ok(()),
        };",
        "let standing = self.space.stripe(key).get(key).map(|standing| (standing.ended(), standing.until));
        let Some((ended, until)) = standing else { return std::future::pending().await };",
    ),
    // Two steps where the contract has one.
    wrong(
        "looks_before_it_reserves",
        &["C-16"],
        "if stripe.get(key).is_some_and(|standing| self.stands(standing)) {",
        "let loading = stripe.get(key).is_some_and(|standing| self.stands(standing));
        drop(stripe);
        std::thread::sleep(Duration::from_micros(50));
        let mut stripe = self.stripe(key);
        if loading {",
    ),
    wrong(
        "looks_before_it_fills",
        &["C-18"],
        "self.engine.insert(&ticket.key, entry);
            stripe.remove(&ticket.key) // a fill ends its reservation",
        "drop(stripe);
            std::thread::sleep(Duration::from_micros(50));
            self.engine.insert(&ticket.key, entry);
            let ended = self.stripe(&ticket.key).remove(&ticket.key);
            ended",
    ),
    // Lifetimes.
    wrong("expires_a_tenth_early", &["G-19", "C-35"], AFTER_TTL, "self.clock.now().after(ttl.as_duration() * 9 / 10)"),
    wrong(
        "expires_a_millisecond_early",
        &["G-19"],
        AFTER_TTL,
        "self.clock.now().after(ttl.as_duration() - Duration::from_millis(1))",
    ),
    wrong(
        "expires_two_milliseconds_late",
        &["G-20"],
        AFTER_TTL,
        "self.clock.now().after(ttl.as_duration() + Duration::from_millis(2))",
    ),
    wrong("never_expires", &["G-20", "C-35"], AFTER_TTL, "{ let _ = ttl; BootInstant::NEVER }"),
    wrong("shows_what_has_nothing_left", &["G-21"], "(!remains.is_zero()).then_some(", "true.then_some("),
    wrong(
        "has_a_default_that_it_does_not_declare",
        &["C-6"],
        "default_ttl: config.cache_default_ttl,",
        "default_ttl: Ttl::new(Duration::from_millis(500)).ok(),",
    ),
    wrong(
        "ignores_the_default_that_it_declares",
        &["C-6", "C-36"],
        "default_ttl: config.cache_default_ttl.map(Ttl::as_duration),",
        "default_ttl: Some(Duration::from_secs(60)),",
    ),
    wrong(
        "keeps_the_old_lifetime",
        &["C-6", "C-35"],
        "let entry = self.entry(value, ttl);
        let _ended = {
            let mut stripe = self.stripe(key);",
        "let mut entry = self.entry(value, ttl);
        let _ended = {
            let mut stripe = self.stripe(key);
            if let Some(old) = self.engine.peek(key) { entry.deadline = old.deadline; }",
    ),
    wrong(
        "tells_a_lifetime_that_does_not_shrink",
        &["C-3"],
        "let remains = entry.deadline.since(self.space.clock.now());",
        "let remains = if entry.deadline > self.space.clock.now() { Duration::from_secs(3600) } else { Duration::ZERO };",
    ),
    wrong(
        "takes_any_lifetime",
        &["G-16"],
        SET_TTL,
        "fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl).unwrap_or(None);
        check_size(value.len(), self.capabilities.max_value)?;",
    ),
    wrong(
        "sweeps_what_is_alive",
        &["G-25"],
        "self.engine.retain(|entry| entry.deadline > now);",
        "self.engine.retain(|entry| entry.deadline <= now);",
    ),
    wrong(
        "shows_expired_values_in_bulk",
        &["G-24"],
        ".filter(|entry| entry.deadline > now)",
        ".filter(|_| { let _ = now; true })",
    ),
    wrong(
        "contains_what_has_expired",
        &["G-24"],
        "self.space.engine.peek(key).is_some_and(|entry| self.space.is_live(&entry))",
        "self.space.engine.peek(key).is_some()",
    ),
    wrong(
        "counts_what_has_expired_as_removed",
        &["C-8", "G-24"],
        "removed.is_some_and(|entry| self.is_live(&entry))",
        "removed.is_some()",
    ),
    // Reads and writes.
    wrong(
        "keeps_the_first_value",
        &["C-11"],
        "self.engine.insert(key, entry);
            stripe.remove(key)",
        "if self.get(key).is_none() { self.engine.insert(key, entry); }
            stripe.remove(key)",
    ),
    wrong(
        "removes_nothing",
        &["C-12"],
        "let removed = self.engine.remove(key);",
        "let removed = self.engine.peek(key);",
    ),
    wrong("clears_nothing", &["C-9", "C-13"], "self.engine.clear();", ""),
    wrong(
        "answers_many_backwards",
        &["C-2"],
        "Ok(keys.iter().map(live).collect())",
        "Ok(keys.iter().rev().map(live).collect())",
    ),
    wrong(
        "leaves_misses_out",
        &["C-2"],
        "Ok(keys.iter().map(live).collect())",
        "Ok(keys.iter().map(live).filter(Option::is_some).collect())",
    ),
    wrong(
        "stops_a_batch_at_its_first_error",
        &["C-7", "C-38"],
        EACH,
        "Ok(()) => {
                let mut failed = None;
                each.map(|(key, value)| match &failed {
                    Some(error) => Err(Error::clone(error)),
                    None => self.space.set(&key, value, expiry).inspect_err(|error| failed = Some(error.clone())),
                })
                .collect()
            }",
    ),
    wrong(
        "answers_a_batch_backwards",
        &["C-7"],
        EACH,
        "Ok(()) => {
                let mut answers: Vec<_> = each.map(|(key, value)| self.space.set(&key, value, expiry)).collect();
                answers.reverse();
                answers
            }",
    ),
    wrong(
        "sets_half_of_a_batch",
        &["C-7"],
        EACH,
        "Ok(()) => each.enumerate().map(|(i, (key, value))| if i < 64 { self.space.set(&key, value, expiry) } else { Ok(()) }).collect(),",
    ),
    wrong(
        "sets_many_for_ever",
        &["C-6", "C-7"],
        EACH,
        "Ok(()) => each.map(|(key, value)| { expiry.resolve(None)?; self.space.set(&key, value, Expiry::Never) }).collect(),",
    ),
    wrong(
        "takes_a_repeated_key",
        &["C-37"],
        "self.session.check_open().and_then(|()| check_set_batch(&entries));",
        "self.session.check_open();",
    ),
    wrong(
        "removes_a_repeated_key",
        &["C-37"],
        "check_distinct_keys(keys.iter().copied())?;",
        "check_keys(keys.iter().copied())?;",
    ),
    wrong(
        "answers_what_another_asked",
        &["G-29"],
        "async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.get_now(key)
    }",
        // As a connection whose replies go to whoever asks next.
        "async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        thread_local! {
            static REPLIES: std::cell::RefCell<std::collections::VecDeque<Result<Option<Bytes>>>> = Default::default();
        }
        let reply = self.get_now(key);
        REPLIES.with_borrow_mut(|replies| replies.push_back(reply));
        tokio::task::yield_now().await;
        REPLIES.with_borrow_mut(|replies| replies.pop_front()).unwrap_or(Ok(None))
    }",
    ),
    // Refusals.
    wrong(
        "takes_any_key",
        &["G-6"],
        "check_key(key)?;
        Ok(self.space.get(key)",
        "Ok(self.space.get(key)",
    ),
    wrong(
        "takes_any_size",
        &["G-13"],
        SET_TTL,
        "fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl)?;",
    ),
    wrong(
        "loses_the_old_value_to_a_larger_one",
        &["G-14"],
        SET_TTL,
        "fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl)?;
        check_size(value.len(), self.capabilities.max_value).inspect_err(|_| drop(self.engine.remove(key)))?;",
    ),
    wrong(
        "checks_the_size_first",
        &["G-15"],
        SET_TTL,
        "fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_size(value.len(), self.capabilities.max_value)?;
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl)?;",
    ),
    wrong(
        "works_after_close",
        &["G-75"],
        "self.session.check_open()?;
        check_key(key)?;
        Ok(self.space.get(key)",
        "check_key(key)?;
        Ok(self.space.get(key)",
    ),
];

const AFTER_TTL: &str = "self.clock.now().after(ttl.as_duration())";

const SET_TTL: &str = "fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl)?;
        check_size(value.len(), self.capabilities.max_value)?;";

const EACH: &str = "Ok(()) => each.map(|(key, value)| self.space.set(&key, value, expiry)).collect(),";

const fn wrong(
    name: &'static str,
    sentences: &'static [&'static str],
    find: &'static str,
    replace: &'static str,
) -> Patch {
    Patch { name, sentences, file: "cache.rs", find, replace }
}
