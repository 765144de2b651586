//! The cases of `Cache`.

mod first;
mod histories;

suite! { $ Cache, cache, cache;
    first {
        opens 1 ["G-1"];
    }
    histories {
        reads_are_never_stale 4 ["C-1", "C-8", "C-9", "C-11", "C-12", "C-13", "G-24"];
        tickets_are_linearizable 4 ["C-15", "C-16", "C-18", "C-19", "C-20", "C-21", "C-22", "C-23"] if |d| d.tickets;
    }
}
