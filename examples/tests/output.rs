//! Runs every example, which asserts its own outcome, and compares what it prints with the expected file.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

macro_rules! examples {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            prints_what_is_expected(stringify!($name), env!(concat!("CARGO_BIN_EXE_", stringify!($name))));
        })*

        /// What stands in the list above.
        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}
examples!(account acquire_work_release conflict fenced_write own_backend skip_if_taken slow_source);

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn prints_what_is_expected(name: &str, program: &str) {
    let output = Command::new(program).output().expect("the example starts");
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed: {errors}\n{printed}");
    let expected =
        fs::read_to_string(here().join("expected").join(format!("{name}.txt"))).expect("it has an expected file");
    assert_eq!(printed, expected, "{name}");
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
