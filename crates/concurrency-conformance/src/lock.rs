//! The cases of `Lock`.

mod first;

suite! { $ Lock, lock, lock;
    first {
        opens 1 ["G-1"];
    }
}
