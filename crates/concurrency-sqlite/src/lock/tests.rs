//! What the suite cannot bring about: reboots, dead processes, records that are long out of use, and who is woken when.

use std::time::Duration;

use concurrency_core::{Claim, Error, FencingToken, Lock, Owner, Released, clock::BootInstant, desk::Look};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    sweep,
    table::{self, Grant, Handed, Moment, Table, Turn},
};
use crate::{Sqlite, SqliteConfig};

const TTL: Duration = Duration::from_secs(3);
const SECOND: i64 = 1_000_000_000;
/// A boot, and the one after it.
const BOOT: [u8; 16] = [1; 16];
const REBOOTED: [u8; 16] = [2; 16];
/// Two clients.
const US: [u8; 16] = [3; 16];
const THEM: [u8; 16] = [4; 16];

fn memory() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../schema/lock.sql")).unwrap();
    connection
}

fn at(connection: &Connection, boot: [u8; 16], seconds: i64) -> Table<'_> {
    Table::new(connection, "n", Moment { boot, nanos: seconds * SECOND })
}

fn claim() -> Claim {
    Claim::new("k", TTL).unwrap()
}

fn granted(turn: Turn) -> Grant {
    match turn {
        Turn::Granted(grant) => grant,
        Turn::Wait(_) => panic!("in line, not granted"),
    }
}

fn waits(turn: Turn) -> Duration {
    match turn {
        Turn::Wait(wait) => wait,
        Turn::Granted(grant) => panic!("granted: {grant:?}"),
    }
}

#[test]
fn after_a_reboot_every_lease_is_over() {
    let connection = memory();
    let before = claim();
    let first = at(&connection, BOOT, 1000).try_acquire(&before).unwrap().unwrap();
    assert_eq!(at(&connection, BOOT, 1002).try_acquire(&claim()).unwrap(), None);
    // The clock began anew: what was to end at 1003 s would hold for a quarter of an hour.
    let rebooted = at(&connection, REBOOTED, 5);
    assert!(!rebooted.renew(&before, first.token).unwrap(), "a lease of another boot was renewed");
    assert_eq!(rebooted.release("k", before.owner(), Some(first.token)).unwrap(), Released::NotHeld);
    let second = rebooted.try_acquire(&claim()).unwrap().expect("the name is free after a reboot");
    assert!(second.token > first.token && second.is_new);
    assert_eq!(at(&connection, REBOOTED, 7).try_acquire(&claim()).unwrap(), None);
}

#[test]
fn after_a_reboot_nobody_waits() {
    let connection = memory();
    at(&connection, BOOT, 1000).try_acquire(&claim()).unwrap().unwrap();
    waits(at(&connection, BOOT, 1000).wait(&claim(), THEM).unwrap());
    let rebooted = at(&connection, REBOOTED, 1);
    granted(rebooted.wait(&claim(), US).unwrap());
    assert_eq!(rebooted.hand_over("k").unwrap(), None);
}

#[test]
fn the_wall_clock_decides_nothing() {
    let connection = memory();
    let held = at(&connection, BOOT, 1000).try_acquire(&claim()).unwrap().unwrap();
    // As if it had been granted years ago, or in years to come.
    for used in [0_i64, 1 << 50] {
        connection.execute("UPDATE concurrency_locks SET used = ?1", [used]).unwrap();
        sweep::sweep(&connection, Moment { boot: BOOT, nanos: 1002 * SECOND }).unwrap();
        assert_eq!(at(&connection, BOOT, 1002).try_acquire(&claim()).unwrap(), None, "{held:?}");
    }
    assert!(at(&connection, BOOT, 1003).try_acquire(&claim()).unwrap().is_some());
}

#[test]
fn the_place_of_a_dead_process_counts_for_two_refreshes() {
    let connection = memory();
    let holder = claim();
    at(&connection, BOOT, 100).try_acquire(&holder).unwrap().unwrap();
    // Of a process that is killed just then; TTL 3 s, so it would refresh its place every second.
    waits(at(&connection, BOOT, 100).wait(&claim(), THEM).unwrap());
    waits(at(&connection, BOOT, 101).wait(&claim(), US).unwrap());
    let (owner, released) = (holder.owner(), at(&connection, BOOT, 101));
    assert_eq!(released.release("k", owner, None).unwrap(), Released::Ours);
    assert_eq!(released.try_acquire(&claim()).unwrap(), None, "somebody waits");
    // Nobody hands over here: the name is free, and the dead one stands first as long as it counts.
    let mine = claim();
    assert_eq!(waits(released.wait(&mine, US).unwrap()), Duration::from_secs(1));
    granted(at(&connection, BOOT, 102).wait(&mine, US).unwrap());
}

#[test]
fn a_hand_over_to_a_dead_process_lapses() {
    let connection = memory();
    let (holder, dead) = (Claim::new("k", TTL).unwrap(), Claim::new("k", TTL * 10).unwrap());
    let first = at(&connection, BOOT, 100).try_acquire(&holder).unwrap().unwrap();
    waits(at(&connection, BOOT, 100).wait(&dead, THEM).unwrap());
    let table = at(&connection, BOOT, 101);
    assert_eq!(table.release("k", holder.owner(), None).unwrap(), Released::Ours);
    assert_eq!(table.hand_over("k").unwrap(), Some(Handed { client: THEM, owner: dead.owner() }));
    // Two seconds, whatever its TTL.
    let mine = claim();
    waits(at(&connection, BOOT, 102).wait(&mine, US).unwrap());
    let second = granted(at(&connection, BOOT, 103).wait(&mine, US).unwrap());
    assert!(second.token.0 >= first.token.0 + 2, "a hand-over has a token of its own");
    // The dead one was not dead: it has lost what it was handed, and says so to nobody else's harm.
    waits(at(&connection, BOOT, 103).wait(&dead, THEM).unwrap());
    assert!(at(&connection, BOOT, 104).renew(&mine, second.token).unwrap());
}

#[test]
fn a_client_has_one_place_which_its_waiters_pass_on() {
    let connection = memory();
    let holder = claim();
    at(&connection, BOOT, 100).try_acquire(&holder).unwrap().unwrap();
    let table = at(&connection, BOOT, 101);
    waits(table.wait(&claim(), US).unwrap());
    waits(table.wait(&claim(), THEM).unwrap());
    // The first of us leaves, and the next of us stands where it stood.
    let next = claim();
    table.stand("k", &next, US).unwrap();
    assert_eq!(table.release("k", holder.owner(), None).unwrap(), Released::Ours);
    assert_eq!(table.hand_over("k").unwrap(), Some(Handed { client: US, owner: next.owner() }));
    assert_eq!(granted(table.wait(&next, US).unwrap()).token, FencingToken(granted_token(&connection)));
    let places: i64 =
        connection.query_row("SELECT count(*) FROM concurrency_lock_queue", (), |row| row.get(0)).unwrap();
    assert_eq!(places, 1, "of the other client");
}

fn granted_token(connection: &Connection) -> u64 {
    connection.query_row("SELECT token FROM concurrency_locks", (), |row| row.get(0)).unwrap()
}

#[test]
fn what_a_waiter_leaves_behind_is_given_back_and_nothing_else() {
    let connection = memory();
    let table = at(&connection, BOOT, 100);
    let (mine, other) = (claim(), claim());
    let token = granted(table.wait(&mine, US).unwrap()).token;
    // Another owner, another grant: neither is taken away.
    table.give_up("k", other.owner(), Some(token)).unwrap();
    table.give_up("k", mine.owner(), Some(FencingToken(token.0 - 1))).unwrap();
    table.give_up("k", mine.owner(), None).unwrap();
    assert!(table.renew(&mine, token).unwrap());
    table.give_up("k", mine.owner(), Some(token)).unwrap();
    assert!(table.try_acquire(&other).unwrap().is_some());
}

#[test]
fn tokens_rise_although_the_record_was_removed() {
    let connection = memory();
    let holder = claim();
    at(&connection, BOOT, 100).try_acquire(&holder).unwrap().unwrap();
    let table = at(&connection, BOOT, 101);
    table.release("k", holder.owner(), None).unwrap();
    let now = Moment { boot: BOOT, nanos: 101 * SECOND };
    let records = || -> i64 {
        sweep::sweep(&connection, now).unwrap();
        connection.query_row("SELECT count(*) FROM concurrency_locks", (), |row| row.get(0)).unwrap()
    };
    assert_eq!(records(), 1, "used just now");
    // As if all of it had happened so much earlier, the token included.
    let age = "UPDATE concurrency_locks SET used = used - ?1, token = token - 1000 * ?1";
    let six_days = 6 * 86_400_000_i64;
    connection.execute(age, [six_days]).unwrap();
    assert_eq!(records(), 1, "six days ago");
    connection.execute(age, [six_days]).unwrap();
    let last = granted_token(&connection);
    assert_eq!(records(), 0, "twelve days ago");
    assert!(table.try_acquire(&claim()).unwrap().unwrap().token.0 > last);
}

#[test]
fn a_clock_that_was_set_back_takes_no_token_back() {
    let connection = memory();
    let holder = claim();
    let table = at(&connection, BOOT, 100);
    table.try_acquire(&holder).unwrap().unwrap();
    // Given out by a clock that was years ahead.
    let ahead = 1_u64 << 52;
    connection.execute("UPDATE concurrency_locks SET token = ?1", [ahead.cast_signed()]).unwrap();
    table.release("k", holder.owner(), None).unwrap();
    assert_eq!(table.try_acquire(&claim()).unwrap().unwrap().token, FencingToken(ahead + 1));
    // The last one there is.
    connection.execute("UPDATE concurrency_locks SET token = ?1", [FencingToken::MAX.0.cast_signed()]).unwrap();
    let none_left = at(&connection, REBOOTED, 1).try_acquire(&claim()).map_err(Error::from);
    assert!(matches!(none_left, Err(Error::Exhausted { what: "fencing tokens", .. })), "{none_left:?}");
}

#[test]
fn dead_places_and_lapsed_hand_overs_are_swept() {
    let connection = memory();
    let holder = claim();
    at(&connection, BOOT, 100).try_acquire(&holder).unwrap().unwrap();
    let table = at(&connection, BOOT, 101);
    waits(table.wait(&claim(), THEM).unwrap());
    table.release("k", holder.owner(), None).unwrap();
    assert!(table.hand_over("k").unwrap().is_some());
    waits(table.wait(&claim(), US).unwrap());
    let count = |of: &str| connection.query_row(of, (), |row| row.get::<_, i64>(0)).unwrap();
    let (places, handed) =
        ("SELECT count(*) FROM concurrency_lock_queue", "SELECT count(*) FROM concurrency_locks WHERE handed = 1");
    sweep::sweep(&connection, Moment { boot: BOOT, nanos: 102 * SECOND }).unwrap();
    assert_eq!((count(places), count(handed)), (1, 1));
    sweep::sweep(&connection, Moment { boot: BOOT, nanos: 104 * SECOND }).unwrap();
    assert_eq!((count(places), count(handed)), (0, 0));
}

async fn open(folder: &TempDir) -> Sqlite {
    Sqlite::connect(SqliteConfig::new(folder.path().join("test.db"))).await.unwrap()
}

/// Nobody looks before a refresh of two seconds and more, so whoever is granted sooner was woken.
#[tokio::test(flavor = "multi_thread")]
async fn another_client_is_woken_by_a_hand_over() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (open(&folder).await, open(&folder).await);
    let (here, there) = (here.lock("n").unwrap(), there.lock("n").unwrap());
    let long = || Claim::new("k", Duration::from_secs(60)).unwrap();
    let mut lease = here.acquire(&long(), TTL).await.unwrap();
    for turn in 0..10 {
        let (from, to) = if turn % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let waiter = tokio::spawn({
            let to = std::sync::Arc::clone(to);
            async move { to.acquire(&long(), Duration::from_secs(20)).await }
        });
        let until = BootInstant::now().after(Duration::from_secs(10));
        while from.held_and_waiting().await.unwrap().1 == 0 {
            assert!(!until.has_passed(), "nobody stands in line");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let asked = BootInstant::now();
        assert_eq!(from.release(lease.claim(), Some(lease.fencing_token())).await.unwrap(), Released::Ours);
        lease = waiter.await.unwrap().unwrap();
        assert!(BootInstant::now().since(asked) < Duration::from_millis(900), "it was not woken");
    }
}

/// Whatever is dropped, and whenever, nothing is left of it in the file or here.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_waiters_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(&folder).await;
    let lock = sqlite.lock("n").unwrap();
    let holder = Claim::new("k", Duration::from_secs(60)).unwrap();
    let lease = lock.acquire(&holder, TTL).await.unwrap();
    let wait = || {
        let lock = std::sync::Arc::clone(&lock);
        tokio::spawn(async move { lock.acquire(&Claim::new("k", TTL).unwrap(), Duration::from_secs(60)).await })
    };
    let waiters: Vec<_> = (0..20).map(|_| wait()).collect();
    let all = BootInstant::now().after(Duration::from_secs(10));
    while lock.held_and_waiting().await.unwrap() != (1, 1, 20) {
        assert!(!all.has_passed(), "{:?}", lock.held_and_waiting().await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (some, rest) = waiters.split_at(10);
    some.iter().for_each(tokio::task::JoinHandle::abort);
    lock.release(&holder, Some(lease.fencing_token())).await.unwrap();
    rest.iter().for_each(tokio::task::JoinHandle::abort);
    let soon = BootInstant::now().after(Duration::from_secs(1));
    while lock.held_and_waiting().await.unwrap() != (0, 0, 0) {
        assert!(!soon.has_passed(), "{:?}", lock.held_and_waiting().await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn without_a_boot_id_there_is_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(&folder).await;
    assert!(super::Desk::new(sqlite.database.clone(), None).is_none());
    let sqlite = Sqlite { locks: None, ..sqlite };
    assert!(matches!(sqlite.lock("n"), Err(Error::Unsupported { .. })));
    assert!(concurrency_core::Backend::capabilities(&sqlite).lock.is_none());
}

#[test]
fn a_look_tells_ours_from_theirs_and_from_free() {
    let connection = memory();
    let now = Moment::now(BOOT);
    let table = Table::new(&connection, "n", now);
    let look = |owner: Owner, besides| table::look(&connection, "n", "k", owner, besides, BOOT).unwrap();
    let (mine, other) = (Claim::new("k", TTL * 20).unwrap(), Claim::new("k", TTL * 20).unwrap());
    assert_eq!(look(mine.owner(), None), Look::Free);
    granted(table.wait(&mine, US).unwrap());
    assert_eq!(look(mine.owner(), None), Look::Ours);
    assert_eq!(look(other.owner(), None), Look::Taken);
    waits(table.wait(&other, THEM).unwrap());
    table.release("k", mine.owner(), None).unwrap();
    assert_eq!(look(mine.owner(), None), Look::Taken, "somebody waits");
    assert_eq!(look(mine.owner(), Some(THEM)), Look::Free);
    assert_eq!(table::look(&connection, "n", "k", mine.owner(), None, REBOOTED).unwrap(), Look::Free);
}
