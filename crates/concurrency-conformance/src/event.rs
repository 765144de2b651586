//! The cases of `EventStore`.

mod first;

suite! { $ EventStore, event, event_store;
    first {
        opens 1 ["G-1"];
    }
}
