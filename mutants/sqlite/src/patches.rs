//! The table of patches: mistakes that show where processes meet.

use crate::patch::Patch;

/// All patches of the SQLite backend, with the component that they break.
pub const PATCHES: [(&str, Patch); 3] = [
    (
        "lock",
        // As where time is counted from the start of the process, and the processes of a service start within an hour.
        Patch {
            name: "judges_leases_by_a_clock_of_its_process",
            sentences: &["L-11", "G-22"],
            file: "lock/table.rs",
            find: "Self { boot, nanos: nanos(BootInstant::now().since_boot()) }",
            replace: "static STARTED: std::sync::OnceLock<Duration> = std::sync::OnceLock::new();
        let started = STARTED.get_or_init(|| concurrency_core::random::up_to(Duration::from_secs(3600)));
        Self { boot, nanos: nanos(BootInstant::now().since_boot() + *started) }",
        },
    ),
    (
        "lock",
        // Whoever waits behind that place in another process is passed over for the dead.
        Patch {
            name: "leaves_its_place_in_line_when_it_ends",
            sentences: &["G-28", "L-45"],
            file: "lock/desk.rs",
            find: "desk.next_stands(table, namespace, key, None)?;",
            replace: "",
        },
    ),
    (
        "state",
        // As where a statement is given a connection of the pool instead of the transaction.
        Patch {
            name: "compares_versions_before_the_transaction",
            sentences: &["S-17", "S-18"],
            file: "state.rs",
            find: "let (key, version) = (key.to_owned(), Version::mint());
        self.space.write(",
            replace: "let found = self.load(key).await?.map(|state| state.version);
        parts.precondition.check(key, found)?;
        let parts = concurrency_core::SaveParts { precondition: concurrency_core::Precondition::Any, ..parts };
        let (key, version) = (key.to_owned(), Version::mint());
        self.space.write(",
        },
    ),
];
