//! The scripts of the backend, as they stand there: what those who do without it send by hand.

use std::sync::LazyLock;

use redis::{Cmd, cmd};

macro_rules! script {
    ($(#[$doc:meta])* $name:ident = $($file:literal)+) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                $(include_str!(concat!("../../../crates/concurrency-redis/src/script/", $file)), "\n"),+
            ))
        });
    };
}

script! {
    /// Sets an entry of a cache.
    SET = "set_plain.lua" "entry.lua" "set.lua"
}
script! {
    /// Saves a value of a state.
    SAVE = "value.lua" "save.lua"
}
script! {
    /// Appends events to a stream.
    APPEND = "event.lua" "event_append.lua"
}

/// A script that the server knows: the backend has filled what is there with the same text.
pub(super) struct Script {
    hash: String,
}

impl Script {
    fn new(text: &str) -> Self {
        Self { hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// A call of it, with so many keys; keys and arguments follow.
    pub(super) fn call(&self, keys: usize) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(&self.hash).arg(keys);
        call
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn they_are_made_as_those_of_the_backend() {
        let [ours, theirs] =
            [include_str!("scripts.rs"), include_str!("../../../crates/concurrency-redis/src/script.rs")];
        let recipe = |line: &&str| line.trim_start().starts_with(char::is_uppercase) && line.contains(".lua\"");
        let recipes: Vec<_> = ours.lines().filter(recipe).collect();
        assert_eq!(recipes.len(), 3);
        recipes.iter().for_each(|recipe| assert!(theirs.lines().any(|line| line == *recipe), "{recipe}"));
    }
}
