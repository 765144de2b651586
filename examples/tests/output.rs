//! Runs every example, which asserts its own outcome, and compares what it prints with the expected file: in memory, and with
//! the feature `redis` (`--all-features`) on Redis as well.

use std::{collections::BTreeSet, fs, path::Path, process::Command};
#[cfg(feature = "redis")]
use std::{
    io::{Read, Write},
    net::TcpStream,
};

macro_rules! examples {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            prints_what_is_expected(stringify!($name), env!(concat!("CARGO_BIN_EXE_", stringify!($name))), None);
        })*

        /// Each of them on a server that others use, too.
        #[cfg(feature = "redis")]
        mod redis {
            $(#[test]
            fn $name() {
                let Some(server) = super::SERVER.get() else { return };
                let program = env!(concat!("CARGO_BIN_EXE_", stringify!($name)));
                super::prints_what_is_expected(stringify!($name), program, Some(server.url()));
            })*
        }

        /// What stands in the list above.
        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}
examples!(account acquire_work_release conflict fenced_write own_backend skip_if_taken slow_source);

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[cfg(feature = "redis")]
static SERVER: servers::Shared = servers::Shared::new(servers::Kind::Redis, servers::Setup::new());

fn prints_what_is_expected(name: &str, program: &str, url: Option<&str>) {
    let output = Command::new(program).args(url).output().expect("the example starts");
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed: {errors}\n{printed}");
    let expected =
        fs::read_to_string(here().join("expected").join(format!("{name}.txt"))).expect("it has an expected file");
    assert_eq!((&*printed, &*errors), (&*expected, ""), "{name}");
}

#[cfg(feature = "redis")]
#[test]
fn an_example_leaves_nothing_on_a_server() {
    let Some(server) = servers::for_test(servers::Kind::Redis, None, &servers::Setup::new()) else { return };
    // The second time as well: whoever writes only what is not there yet would notice what the first had left.
    for _ in 0..2 {
        prints_what_is_expected("conflict", env!("CARGO_BIN_EXE_conflict"), Some(server.url()));
    }
    let mut stream = TcpStream::connect(server.url().trim_start_matches("redis://")).expect("it serves");
    stream.write_all(b"DBSIZE\r\n").expect("it hears");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b":0\r\n");
}

#[test]
fn every_example_is_listed_and_fits_a_screen() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(here().join("src/bin")).expect("the examples are there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        let lines = fs::read_to_string(&path).expect("it can be read").lines().count();
        assert!(lines <= 60, "{name}: {lines} lines");
        found.insert(name);
    }
    assert_eq!(found, LISTED.iter().map(|name| (*name).to_owned()).collect());
}
