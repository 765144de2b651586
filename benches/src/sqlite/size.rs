//! With a lot in the file: what an operation takes beside the same with little in another, and what memory it costs.
//!
//! Each subject has a process of its own, so that its memory is that of the backend alone.

use std::{ffi::OsStr, path::Path, sync::Arc, time::Duration};

use benches::{backends, pairs};
use concurrency_core::{EventStore, Lease, ListQuery, Lock, Position, ReadQuery, StateStore};
use tokio::runtime::Runtime;

use super::{
    fill,
    operation::{Doing, Kind},
    ours::Ours,
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    names::Names,
    part::{Process, say},
    resident::resident,
    turn::{Operation, Work},
};

const LITTLE: usize = 1000;
const A_LOT: usize = 1_000_000;
/// So many leases are a lot.
const LEASES: usize = 100_000;
/// Events of a stream.
const IN_A_STREAM: usize = 10;
/// Keys or events of a page.
const PAGE: usize = 100;
const LITTLE_FILE: &str = "little.db";
const A_LOT_FILE: &str = "a-lot.db";
/// How many turns there are, and how long one is.
const ROUNDS: usize = 25;
const TURN: Duration = Duration::from_millis(100);

/// What there is a lot of.
struct Subject {
    part: &'static str,
    name: &'static str,
    /// What is done, in the order in which the process says how long it took.
    operations: &'static [&'static str],
    /// The most MiB that the process may have more at its end than before it opened the files.
    most: f64,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        part: "size-keys",
        name: "10^6 keys",
        operations: &["load", "load with mmap_size", "save", "list 100"],
        most: 64.0,
    },
    Subject {
        part: "size-events",
        name: "10^6 events",
        operations: &["append", "read 10 of a stream", "read 100 of all"],
        most: 64.0,
    },
    Subject {
        part: "size-leases",
        name: "10^5 held leases",
        operations: &["acquire and release", "renew"],
        most: 128.0,
    },
];

impl Subject {
    fn time(&self, operation: &str) -> String {
        format!("size: {operation}, {} / 10^3", self.name)
    }

    fn memory(&self) -> String {
        format!("size: MiB of memory, {}", self.name)
    }
}

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    for subject in SUBJECTS {
        let names = subject.operations.iter().map(|operation| (subject.time(operation), Target::AtMost(2.0)));
        let names: Vec<_> = names.chain([(subject.memory(), Target::AtMost(subject.most))]).collect();
        if !names.iter().any(|(name, _)| wanted(name)) {
            continue;
        }
        let folder = backends::folder();
        let mut process = Process::start(subject.part, folder.path().as_os_str()).expect("it starts");
        for (name, target) in names {
            let said = process.hear();
            let parsed = said.as_ref().and_then(|said| said.split_once(' '));
            let value = parsed.and_then(|(value, _)| value.parse().ok()).unwrap_or(f64::INFINITY);
            let raw = parsed.map_or("the process did not say it", |(_, raw)| raw).to_owned();
            if wanted(&name) {
                report(Figure { name, value, target, raw });
            }
        }
    }
}

/// Both files, and the memory before they were opened.
struct Both {
    runtime: Runtime,
    before: usize,
    little: Ours,
    a_lot: Ours,
}

impl Both {
    fn open(folder: &Path) -> Self {
        let runtime = backends::runtime();
        let before = resident();
        let open = |name| runtime.block_on(Ours::open(&folder.join(name))).expect("it opens");
        Self { little: open(LITTLE_FILE), a_lot: open(A_LOT_FILE), before, runtime }
    }

    /// Says how many times as long it takes one task where there is a lot.
    fn compare<O: Operation>(&self, [few, many]: [(O, Names); 2]) {
        let both = [few, many].map(|(operation, names)| (operation, Work { names, tasks: 1, lasts: TURN }));
        let times = pairs::rounds(vec!["10^3", "a lot"], ROUNDS, |which, round| {
            let (operation, work) = &both[which];
            work.turn(&self.runtime, operation, round).nanos()
        });
        let (few, many) = (times.raw("10^3"), times.raw("a lot"));
        say(format_args!("{} {many}, {few}", times.ratio("10^3", "a lot")));
    }

    /// As [`compare`](Self::compare), what every contender can do.
    fn compare_kind(&self, kind: Kind, [few, many]: [Names; 2]) {
        self.compare([(Doing(kind, self.little.clone()), few), (Doing(kind, self.a_lot.clone()), many)]);
    }

    /// Loads by other clients of the same files, which map them into memory.
    fn compare_loads_of_mapped(&self, folder: &Path, names: [Names; 2]) {
        let open = |name| self.runtime.block_on(Ours::open_mapped(&folder.join(name))).expect("it opens");
        let clients = [LITTLE_FILE, A_LOT_FILE].map(open);
        let [few, many] = std::array::from_fn(|i| (Doing(Kind::Load, clients[i].clone()), names[i]));
        self.compare([few, many]);
        for client in clients {
            self.runtime.block_on(client.close());
        }
    }

    fn say_memory(&self, beside: &str) {
        let (before, now) = (self.before, resident());
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        say(format_args!("{} from {:.1} to {:.1} MiB{beside}", mib(now.saturating_sub(before)), mib(before), mib(now)));
    }
}

/// The process of that subject.
pub(super) fn keys(folder: &OsStr) {
    let both = Both::open(Path::new(folder));
    let names @ [few, many] = [LITTLE, A_LOT].map(Names::users);
    fill::keys(&both.runtime, &both.little, few);
    fill::keys(&both.runtime, &both.a_lot, many);
    both.compare_kind(Kind::Load, names);
    both.compare_loads_of_mapped(Path::new(folder), names);
    both.compare_kind(Kind::Save, names);
    let list = |ours: &Ours, Names { count, .. }: Names| (List(Arc::clone(&ours.state)), Names::users(count - PAGE));
    both.compare([list(&both.little, few), list(&both.a_lot, many)]);
    both.say_memory("");
}

/// The process of that subject.
pub(super) fn events(folder: &OsStr) {
    let both = Both::open(Path::new(folder));
    let names @ [few, many] = [LITTLE, A_LOT].map(|events| Names::users(events / IN_A_STREAM));
    fill::events(&both.runtime, &both.little, few, IN_A_STREAM);
    fill::events(&both.runtime, &both.a_lot, many, IN_A_STREAM);
    both.compare_kind(Kind::Append, names);
    let read = |ours: &Ours, names| (Read(Arc::clone(&ours.events)), names);
    both.compare([read(&both.little, few), read(&both.a_lot, many)]);
    let read_all = |ours: &Ours, last| (ReadAll(Arc::clone(&ours.events)), Names::numbers(last - PAGE));
    both.compare([read_all(&both.little, LITTLE), read_all(&both.a_lot, A_LOT)]);
    both.say_memory("");
}

/// The process of that subject.
pub(super) fn leases(folder: &OsStr) {
    let both = Both::open(Path::new(folder));
    let few = fill::leases(&both.runtime, &both.little, Names::users(LITTLE));
    let many = fill::leases(&both.runtime, &both.a_lot, Names::users(LEASES));
    let free = Names { prefix: "free:", count: LITTLE };
    both.compare_kind(Kind::Lock, [free, free]);
    let renew = |ours: &Ours, held: Arc<[Lease]>| {
        let names = Names::numbers(held.len());
        (Renew(Arc::clone(&ours.lock), held), names)
    };
    both.compare([renew(&both.little, few), renew(&both.a_lot, many)]);
    both.say_memory(", the leases themselves among them");
}

/// A page of keys from one on.
#[derive(Clone)]
struct List(Arc<dyn StateStore>);

impl Operation for List {
    async fn once(&self, name: &str) {
        let query = ListQuery::prefix("user:").after(name).limit(PAGE);
        assert_eq!(self.0.list(query).await.expect("listed").keys.len(), PAGE);
    }
}

/// The last events of a stream.
#[derive(Clone)]
struct Read(Arc<dyn EventStore>);

impl Operation for Read {
    async fn once(&self, name: &str) {
        let slice = self.0.read(name, ReadQuery::backwards(u64::MAX).limit(10)).await.expect("read");
        assert_eq!(slice.events.len(), 10);
    }
}

/// A page of all events, behind a position.
#[derive(Clone)]
struct ReadAll(Arc<dyn EventStore>);

impl Operation for ReadAll {
    async fn once(&self, name: &str) {
        let after = Position::from_u128(name.parse().expect("a position"));
        assert_eq!(self.0.read_all(after, PAGE).await.expect("read").events.len(), PAGE);
    }
}

/// A lease, by its index.
#[derive(Clone)]
struct Renew(Arc<dyn Lock>, Arc<[Lease]>);

impl Operation for Renew {
    async fn once(&self, name: &str) {
        let index: usize = name.parse().expect("an index");
        self.0.renew(&self.1[index]).await.expect("it is held");
    }
}
