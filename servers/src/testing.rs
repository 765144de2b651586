//! Servers for tests, which have no command line and cannot say that they were not run.

use std::{env, fs::OpenOptions, io::Write, sync::OnceLock, thread};

use crate::{Kind, Sentinels, Server, Setup, Unavailable, Via};

/// Names the kinds whose tests have to run, with commas between them, or `all`. With a way before the name, as in
/// `local:redis`, only tests that go this way, or any.
pub const REQUIRE: &str = "CONCURRENCY_REQUIRE";

/// Names the file in which tests that were not run are counted: a line each, with the kind, the name of the test and
/// the reason, and tabs between them.
pub const NOT_RUN: &str = "CONCURRENCY_NOT_RUN";

/// A server for the test that calls this; `None` where none can be had, and none has to be. The test ends then at once,
/// and what it was to show is NOT RUN: said on standard error, and counted where `cargo xtask test` asks for it (in
/// [`NOT_RUN`]).
///
/// # Panics
/// If there is none and the environment requires one (in [`REQUIRE`]).
#[must_use]
pub fn for_test(kind: Kind, via: Option<Via>, setup: &Setup) -> Option<Server> {
    Server::start(kind, via, setup).map_err(|why| not_run(kind, via, &why)).ok()
}

/// As [`for_test`], a set of servers with sentinels; it is required where its kind is.
///
/// # Panics
/// As there.
#[must_use]
pub fn sentinels_for_test(kind: Kind, via: Option<Via>, setup: &Setup) -> Option<Sentinels> {
    Sentinels::start(kind, via, setup).map_err(|why| not_run(kind, via, &why)).ok()
}

/// One server for all tests of a program, as a static: started when the first of them asks for it, ended with the
/// process.
#[derive(Debug)]
pub struct Shared {
    kind: Kind,
    setup: Setup,
    server: OnceLock<Result<Server, Unavailable>>,
}

impl Shared {
    /// One of this kind, as [`Server::start`] has it without a way of the caller's.
    #[must_use]
    pub const fn new(kind: Kind, setup: Setup) -> Self {
        Self { kind, setup, server: OnceLock::new() }
    }

    /// The server, for the test that calls this; as [`for_test`] where there is none.
    ///
    /// # Panics
    /// If there is none and the environment requires one (in [`REQUIRE`]).
    pub fn get(&self) -> Option<&Server> {
        let server = self.server.get_or_init(|| Server::start(self.kind, None, &self.setup));
        server.as_ref().map_err(|why| not_run(self.kind, None, why)).ok()
    }
}

/// Says so, and counts it.
fn not_run(kind: Kind, via: Option<Via>, why: &Unavailable) {
    let ways = Via::ways(via).unwrap_or_default();
    assert!(!is_required(kind, &ways, &env::var(REQUIRE).unwrap_or_default()), "{kind} is required: {why}");
    eprintln!("NOT RUN {kind}: {why}");
    let Some(path) = env::var_os(NOT_RUN).filter(|path| !path.is_empty()) else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    // In one piece, since other tests write to it, too.
    let counted = file.and_then(|mut file| file.write_all(line(kind, &test(), why).as_bytes()));
    counted.expect("what is not run can be counted");
}

/// Whether one of the names is that of the kind, or of all; with a way before it only for whoever goes that way, too.
fn is_required(kind: Kind, ways: &[Via], names: &str) -> bool {
    names.split(',').any(|entry| {
        let (way, name) = entry.split_once(':').map_or((None, entry), |(way, name)| (way.parse().ok(), name));
        let is_on_its_way = way.is_none_or(|way| ways.contains(&way));
        is_on_its_way && (name == "all" || name == kind.name())
    })
}

/// The name of the test, after which libtest names its thread, behind that of its program.
fn test() -> String {
    let program = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let program = program.as_deref().unwrap_or_default();
    // Cargo adds a hash.
    let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
    format!("{program}::{}", thread::current().name().unwrap_or("a test"))
}

fn line(kind: Kind, test: &str, why: &Unavailable) -> String {
    format!("{kind}\t{test}\t{}\n", why.to_string().replace(['\t', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_named_or_all() {
        let local = |names| is_required(Kind::Redis, &[Via::Local], names);
        assert!(local("valkey,redis") && local("all") && local("local:redis") && local("valkey,local:all"));
        assert!(!local("valkey") && !local("") && !local("containers:redis"));
        let any = |names| is_required(Kind::Redis, &[Via::Containers, Via::Local], names);
        assert!(any("redis") && any("containers:redis") && !any("containers:valkey") && !any("url:redis"));
    }

    #[test]
    fn what_is_not_run_is_one_line() {
        let why = Unavailable::new("no\nprogram");
        assert_eq!(line(Kind::Redis, "a::b", &why), "redis\ta::b\tno program\n");
    }
}
