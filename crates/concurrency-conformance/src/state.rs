//! The cases of `StateStore`.

mod first;

suite! { $ StateStore, state, state_store;
    first {
        opens 1 ["G-1"];
    }
}
