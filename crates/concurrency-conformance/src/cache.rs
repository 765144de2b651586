//! The cases of `Cache`.

mod first;

suite! { $ Cache, cache, cache;
    first {
        opens 1 ["G-1"];
    }
}
