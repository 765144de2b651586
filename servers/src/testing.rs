//! Servers for tests, which have no command line and cannot say that they were not run.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    thread,
};

use crate::{Kind, Server, Setup, Unavailable, Via};

/// Names the kinds whose tests have to run, with commas between them, or `all`.
pub const REQUIRE: &str = "CONCURRENCY_REQUIRE";

/// Names the file in which tests that were not run are counted: a line each, with the kind, the name of the test and the reason,
/// and tabs between them.
pub const NOT_RUN: &str = "CONCURRENCY_NOT_RUN";

/// A server for the test that calls this; `None` where none can be had, and none has to be. The test ends then at once, and what it
/// was to show is NOT RUN: said on standard error, and counted where `cargo xtask test` asks for it (in [`NOT_RUN`]).
///
/// # Panics
/// If there is none and the environment requires one (in [`REQUIRE`]).
#[must_use]
pub fn for_test(kind: Kind, via: Option<Via>, setup: &Setup) -> Option<Server> {
    let why = match Server::start(kind, via, setup) {
        Ok(server) => return Some(server),
        Err(why) => why,
    };
    assert!(!is_required(kind, &env::var(REQUIRE).unwrap_or_default()), "{kind} is required: {why}");
    eprintln!("NOT RUN {kind}: {why}");
    if let Some(file) = env::var_os(NOT_RUN).filter(|file| !file.is_empty()) {
        let mut file = OpenOptions::new().create(true).append(true).open(file);
        let counted = file.as_mut().map_err(|error| io::Error::other(error.to_string()));
        let counted = counted.and_then(|file| file.write_all(line(kind, &test(), &why).as_bytes()));
        counted.expect("what is not run can be counted");
    }
    None
}

fn is_required(kind: Kind, names: &str) -> bool {
    names.split(',').any(|name| name == "all" || name == kind.name())
}

/// The name of the test, after which libtest names its thread.
fn test() -> String {
    thread::current().name().unwrap_or("a test").to_owned()
}

fn line(kind: Kind, test: &str, why: &Unavailable) -> String {
    format!("{kind}\t{test}\t{}\n", why.to_string().replace(['\t', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_named_or_all() {
        assert!(is_required(Kind::Redis, "valkey,redis") && is_required(Kind::Redis, "all"));
        assert!(!is_required(Kind::Redis, "valkey") && !is_required(Kind::Redis, ""));
    }

    #[test]
    fn what_is_not_run_is_one_line() {
        let why = Unavailable::new("no\nprogram");
        assert_eq!(line(Kind::Redis, "a::b", &why), "redis\ta::b\tno program\n");
    }
}
