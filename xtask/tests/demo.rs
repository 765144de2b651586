//! The demo's supervisor as somebody at a terminal sees it, with a service that does little.
#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use servers::{Kind, Setup, Via};

/// A folder with a service in it, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    /// The service is this script of the shell.
    fn new(name: &str, service: &str) -> Self {
        let folder = env::temp_dir().join(format!("demo-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("service");
        fs::write(&path, format!("#!/bin/sh\n{service}")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        Self(folder)
    }

    fn demo(&self) -> Command {
        self.demo_on(["--url", "sqlite:never.db"])
    }

    fn demo_on(&self, backend: [&str; 2]) -> Command {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_xtask"));
        demo.arg("demo").args(backend).arg("--service").arg(self.0.join("service"));
        // Its own temporary files go where this test can see what is left over.
        demo.env("TMPDIR", &self.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        demo
    }

    fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder").flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("concurrency-"))
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asks again and again, for at most ten seconds.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if there() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let scratch = Scratch::new("missing", "");
    fs::remove_file(scratch.0.join("service")).expect("it was there");
    let output = scratch.demo().output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("--service") && errors(&output).contains("No such file"), "{}", errors(&output));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let scratch = Scratch::new("port", "");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let output = scratch.demo().args(["--port", &port.to_string()]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains(&format!("port {port} of 127.0.0.1 cannot be had")), "{}", errors(&output));
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_begins() {
    let scratch = Scratch::new("json", "");
    let report = scratch.0.join("missing/report.json");
    let output = scratch.demo().arg("--json").arg(&report).output().expect("it starts");
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    let cannot = format!("{} cannot be written: No such file", report.display());
    assert!(errors(&output).contains(&cannot), "{}", errors(&output));
    // Where nothing temporary can be kept.
    let nowhere = scratch.0.join("nowhere");
    let output = scratch.demo().env("TMPDIR", &nowhere).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let cannot = format!("no folder can be made in {}: No such file", nowhere.display());
    assert!(errors(&output).contains(&cannot), "{}", errors(&output));
}

#[test]
fn a_server_that_cannot_be_started_is_named_with_the_way_to_get_it() {
    let scratch = Scratch::new("no-server", "");
    let demo = || scratch.demo_on(["--own-server", "redis"]);
    let output = demo().env("PATH", "/no/such/folder").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    for words in ["--own-server redis: no program redis-server on this machine", "apt-get install redis-server"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(scratch.left_over(), [""; 0]);
    let output = demo().args(["--url", "redis://localhost"]).output().expect("it starts");
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    assert!(errors(&output).contains("and --url names one that is there"), "{}", errors(&output));
    let output = scratch.demo_on(["--own-server", "etcd"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("etcd is none of redis, valkey"), "{}", errors(&output));
}

#[test]
fn a_process_that_fails_ends_the_run_and_is_named() {
    let scratch = Scratch::new("fails", "echo 'the disk is full' >&2; exit 3");
    let output = scratch.demo().output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(said.contains("the disk is full") && said.contains("the ledger failed: exit status: 3"), "{said}");
    assert!(said.contains("nothing was judged"), "{said}");
    assert_eq!(scratch.left_over(), [""; 0]);
}

/// A ledger that is ready and waits, and a shop that takes for ever to open; both leave their numbers behind.
const WAITS: &str = r#"
cd "$(dirname "$0")"
[ "$1" = ledger ] && echo '{"say":"ready","address":"127.0.0.1:9"}'
echo "$@" > "$1.arguments"
echo $$ > "$1.id"
read line
"#;

fn waiting(scratch: &Scratch, mut demo: Command) -> (Child, Vec<Pid>) {
    let mut demo = demo.spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("the page of this run: http://127.0.0.1:"), "{line}");
    let id = |role: &str| {
        let path = scratch.0.join(format!("{role}.id"));
        wait_for(role, || fs::read_to_string(&path).is_ok_and(|id| id.ends_with('\n')));
        let id = fs::read_to_string(path).expect("it is there").trim().parse().expect("a number");
        Pid::from_raw(id).expect("not zero")
    };
    let processes = vec![id("ledger"), id("open")];
    (demo, processes)
}

fn signal(demo: &Child, signal: Signal) {
    kill_process(Pid::from_child(demo), signal).expect("it runs");
}

#[test]
fn ctrl_c_ends_everything_and_leaves_nothing() {
    let scratch = Scratch::new("ctrl-c", WAITS);
    let (mut demo, processes) = waiting(&scratch, scratch.demo());
    signal(&demo, Signal::INT);
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));
    let mut said = String::new();
    demo.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("stopped; nothing was judged"), "{said}");
    for process in processes {
        assert!(test_kill_process(process).is_err(), "it has ended");
    }
    assert_eq!(scratch.left_over(), [""; 0]);
}

#[test]
fn nothing_outlives_a_supervisor_that_is_killed() {
    let scratch = Scratch::new("killed", WAITS);
    let (mut demo, processes) = waiting(&scratch, scratch.demo());
    assert_eq!(scratch.left_over().len(), 1, "its folder");
    demo.kill().expect("it runs");
    demo.wait().expect("it ends");
    for process in processes {
        wait_for("their end", || is_gone(process));
    }
    wait_for("the end of its folder", || scratch.left_over().is_empty());
}

/// Where the server of this run's own answers.
fn own_server(scratch: &Scratch) -> String {
    let told = fs::read_to_string(scratch.0.join("open.arguments")).expect("it was told where");
    let url = told.split_whitespace().find_map(|word| word.strip_prefix("redis://127.0.0.1:"));
    format!("127.0.0.1:{}", url.expect("a port of this machine"))
}

#[test]
fn a_server_of_its_own_ends_with_the_supervisor_however_that_ends() {
    if servers::for_test(Kind::Redis, Some(Via::Local), &Setup::new()).is_none() {
        return;
    }
    for how in [Signal::INT, Signal::KILL] {
        let scratch = Scratch::new(&format!("own-{}", how.as_raw()), WAITS);
        let (mut demo, _) = waiting(&scratch, scratch.demo_on(["--own-server", "redis"]));
        let address = own_server(&scratch);
        assert!(TcpStream::connect(&address).is_ok(), "it answers");
        assert_eq!(scratch.left_over().len(), 2, "the folders of the run and of its server");
        signal(&demo, how);
        demo.wait().expect("it ends");
        wait_for("the end of the server", || TcpStream::connect(&address).is_err());
        wait_for("the end of its folders", || scratch.left_over().is_empty());
    }
}

/// Ended, whether or not somebody has collected it yet.
fn is_gone(process: Pid) -> bool {
    let stat = Path::new("/proc").join(process.as_raw_nonzero().to_string()).join("stat");
    let zombie =
        fs::read_to_string(stat).is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')));
    zombie || test_kill_process(process).is_err()
}

/// It is the first thing that somebody builds: what tests and measures is not in its way.
#[test]
fn the_demo_compiles_nothing_that_only_tests_or_measures() {
    let mut tree = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tree.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = tree.args(["--package", "checkout", "--package", "xtask"]).output().expect("cargo starts");
    assert!(output.status.success(), "{}", errors(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    let compiled: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(["checkout", "concurrency-sqlite", "libsqlite3-sys", "xtask"].iter().all(|name| compiled.contains(name)));
    let ours = ["concurrency-conformance", "benches", "suite", "mutants", "concurrency-redis"];
    // And no driver of a server that nobody has asked for.
    let others = [
        "redis",
        "tokio-rustls",
        "criterion",
        "moka",
        "amalgam-cache",
        "sqlx",
        "proptest",
        "testcontainers",
        "allocation-counter",
    ];
    for name in ours.into_iter().chain(others) {
        assert!(!compiled.contains(&name), "{name} is compiled for the demo");
    }
    // A debug build of SQLite would make the demo several times slower.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let manifest = fs::read_to_string(workspace).expect("the workspace has a manifest");
    assert!(manifest.contains("[profile.dev.package.libsqlite3-sys]\nopt-level = 3\n"), "{manifest}");
}
