//! The program as somebody at a terminal, or a script, sees it. (`cargo xtask` builds the program by building this test, so that
//! it shares everything below it with the tests of the workspace.)

use std::process::{Command, Output};

use servers::{Kind, Setup, Via};

fn suite(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_suite")).args(arguments).output().expect("the program starts")
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_run_ends_with_its_sum() {
    let output = suite(&["conformance", "--backend", "memory", "--case", "state::values", "--require", "all"]);
    assert!(output.status.success(), "{output:?}");
    assert!(last_line(&output).ends_with(" passed, 0 failed"), "{output:?}");
}

#[test]
fn what_is_told_has_the_order_of_the_list_and_is_of_what_was_asked_for() {
    let report = std::env::temp_dir().join(format!("suite-order-{}.json", std::process::id()));
    let report_at = report.to_str().expect("a path of plain letters");
    let output = suite(&["conformance", "--backend", "memory", "--level", "1", "--report", report_at]);
    let told = std::fs::read(&report).expect("the report is there");
    drop(std::fs::remove_file(&report));
    let names = |json: &[u8], list: &str| {
        let json: serde_json::Value = serde_json::from_slice(json).expect("it is JSON");
        let entries = if list.is_empty() { &json } else { &json[list] };
        let entries = entries.as_array().expect("a list").iter().filter(|entry| entry["level"] == 1);
        let name = |entry: &serde_json::Value| ["kind", "group", "name"].map(|part| entry[part].to_string()).join("::");
        entries.map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&told, ""), names(&suite(&["conformance", "--list"]).stdout, "cases"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\nmemory: ") && !text.contains("sqlite"), "{text}");
}

#[test]
fn a_run_goes_on_for_as_long_as_it_is_told() {
    let one = ["conformance", "--backend", "memory", "--case", "state::values::an_empty_value_is_present"];
    let passed = |more: &[&str]| {
        let last = last_line(&suite(&[&one[..], more].concat()));
        last.split(' ').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or_else(|| panic!("{last}"))
    };
    assert_eq!(passed(&["--for", "0s"]), 1, "at least one");
    assert!(passed(&["--for", "300ms"]) > 3, "one seed after the other");
    assert_eq!(passed(&["--for", "1h", "--rounds", "2"]), 2, "at most so many");
}

#[test]
fn clients_can_be_in_processes_of_their_own() {
    let over_two = ["conformance", "--processes", "2", "--case", "state::races::one_of_many_creates"];
    let output = suite(&[&over_two[..], &["--backend", "sqlite", "--require", "all"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2 of 2 processes took part"), "{output:?}");
    let output = suite(&[&over_two[..], &["--backend", "memory", "--require", "all"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("NOT RUN memory: one process alone sees it"), "{output:?}");
}

#[test]
fn nothing_run_is_no_success() {
    assert!(!suite(&["conformance", "--case", "no such case"]).status.success());
}

#[test]
fn a_backend_that_is_not_there_is_not_run_and_fails_where_it_is_required() {
    let memory_and_etcd = ["conformance", "--backend", "memory", "--backend", "etcd", "--case", "state::values"];
    let output = suite(&memory_and_etcd);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("NOT RUN etcd"), "{output:?}");
    assert!(last_line(&output).ends_with(" passed, 0 failed, 1 skipped"), "{output:?}");
    assert!(!suite(&[&memory_and_etcd[..], &["--require", "etcd"]].concat()).status.success());
    assert!(!suite(&[&memory_and_etcd[..], &["--require", "all"]].concat()).status.success());
}

#[test]
fn a_server_that_cannot_be_had_is_not_run_with_the_reason() {
    let by_url = ["conformance", "--backend", "redis", "--via", "url", "--case", "state::values"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_suite"));
    let output = command.args(by_url).env_remove("CONCURRENCY_REDIS_URL").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("NOT RUN redis: CONCURRENCY_REDIS_URL is not set"), "{output:?}");
    let torture = suite(&["torture", "--backend", "redis", "--via", "url"]);
    assert_eq!(torture.status.code(), Some(2), "{torture:?}");
}

#[test]
fn a_run_has_one_server_that_may_be_somebody_elses() {
    let Some(theirs) = servers::for_test(Kind::Redis, Some(Via::Local), &Setup::new()) else { return };
    let values = ["conformance", "--backend", "redis", "--require", "all", "--case", "state::values"];
    let output = suite(&[&values[..], &["--via", "local"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(&format!("{theirs}: ")), "{theirs}: {output:?}");
    let over_two =
        ["conformance", "--backend", "redis", "--via", "url", "--processes", "2", "--case", "one_of_many_creates"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_suite"));
    let output = command.args(over_two).env(Kind::Redis.url_variable(), theirs.url()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2 of 2 processes took part"), "{output:?}");
    assert!(!text.contains(theirs.url()), "a URL may hold a password: {text}");
}

#[test]
fn what_is_dropped_on_a_server_leaves_nothing_there() {
    let Some(theirs) = servers::for_test(Kind::Redis, Some(Via::Local), &Setup::new()) else { return };
    let drops = ["torture", "--backend", "redis", "--via", "url", "--drops", "--rounds", "2"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_suite"));
    let output = command.args(drops).env(Kind::Redis.url_variable(), theirs.url()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(", connections 0\n") && last_line(&output) == "leaks 0", "{output:?}");
}

#[test]
fn the_list_names_cases_and_mutants() {
    let output = suite(&["conformance", "--list"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    for kind in ["cases", "mutants"] {
        let entries = list[kind].as_array().expect("a list");
        assert!(!entries.is_empty() && entries.iter().all(|entry| entry["sentences"][0].is_string()), "{kind}");
    }
}

#[test]
fn mutants_are_hunted_at_the_levels_asked_for() {
    let at = |level| {
        let output = suite(&[
            "conformance",
            "--mutants",
            "--mutant",
            "accepts_a_lower_token",
            "--rounds",
            "1",
            "--level",
            level,
        ]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(at("1").contains("1 of 1 seeds, by fences::"), "{}", at("1"));
    assert!(at("2").contains("1 of 1 seeds, by races::"), "{}", at("2"));
    let none = suite(&["conformance", "--mutants", "--mutant", "takes_any_namespace", "--rounds", "1", "--level", "4"]);
    assert!(!none.status.success(), "nothing hunted is no success: {none:?}");
    assert!(String::from_utf8_lossy(&none.stdout).contains("not hunted: 1 mutants"), "{none:?}");
}

#[test]
fn mutants_of_sqlite_are_hunted_over_processes() {
    let leaves = ["conformance", "--mutants", "--mutant", "leaves_its_place_in_line_when_it_ends", "--rounds", "1"];
    let output = suite(&leaves);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && last_line(&output) == "2 passed, 0 failed", "{output:?}");
    assert!(text.contains("1 of 1 seeds, by race::who_ends_waiting_holds_up_nobody; SQLite, 4 processes"), "{text}");
    assert!(text.contains("true SQLite, 4 processes: passed 1 of 1 seeds"), "{text}");
    let none = suite(&[&leaves[..], &["--level", "1"]].concat());
    assert!(!none.status.success(), "clients meet at levels 2 and 4 only: {none:?}");
}

#[test]
fn wrong_arguments_are_told_apart_from_failures() {
    for wrong in [&["conformance", "--nonsense"][..], &["conformance", "--level", "6"], &["torture", "--nonsense"]] {
        let output = suite(wrong);
        assert!(!output.status.success() && output.status.code() != Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage"), "{output:?}");
    }
}
