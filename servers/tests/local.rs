//! Server programs of this machine: where it has one, and wherever `CONCURRENCY_REQUIRE` wants one.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use servers::{Corner, Data, Kind, NOT_RUN, REQUIRE, Server, Setup, Shared, VIA, Via, for_test};

/// Says something in one line, and returns what the server says in one line.
fn ask(url: &str, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{line}\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn redis(setup: &Setup) -> Option<Server> {
    for_test(Kind::Redis, Some(Via::Local), setup)
}

/// Looks until it is so, for ten seconds at most.
fn becomes(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not within ten seconds: {what}");
}

#[test]
fn a_server_answers_on_loopback_and_says_its_version() {
    let Some(server) = redis(&Setup::new().option("maxmemory", ["20mb"])) else { return };
    assert!(server.url().starts_with("redis://127.0.0.1:"), "{}", server.url());
    assert!(server.version().is_some_and(|version| version.split('.').count() == 3), "{server}");
    assert!(server.to_string().contains("(local, /"), "{server}");
    assert_eq!(ask(server.url(), "SET k v").unwrap(), "+OK");
    assert!(server.log().contains("Ready to accept connections"), "{}", server.log());
    let url = server.url().to_owned();
    server.stop().unwrap();
    assert!(ask(&url, "PING").is_err(), "it has ended");
}

#[test]
fn a_restart_finds_the_data_or_does_not() {
    let Some(mut server) = redis(&Setup::new().durable()) else { return };
    let url = server.url().to_owned();
    assert_eq!(ask(&url, "SET k v").unwrap(), "+OK");
    server.kill().unwrap();
    server.kill().unwrap();
    assert!(ask(&url, "PING").is_err(), "it is dead");
    server.restart(Data::Kept).unwrap();
    assert_eq!(ask(&url, "EXISTS k").unwrap(), ":1");
    server.restart(Data::Lost).unwrap();
    assert_eq!((ask(&url, "EXISTS k").unwrap().as_str(), server.url()), (":0", &*url));
}

#[test]
fn a_frozen_server_answers_when_it_goes_on() {
    let Some(mut server) = redis(&Setup::new()) else { return };
    server.freeze().unwrap();
    let mut stream = TcpStream::connect(server.url().trim_start_matches("redis://")).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 7]).is_err(), "nobody answers");
    server.thaw().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn a_password_keeps_the_probe_out_and_the_server_serves() {
    let Some(server) = redis(&Setup::new().option("requirepass", ["secret"])) else { return };
    assert_eq!(server.version(), None);
    assert!(ask(server.url(), "PING").unwrap().starts_with("-NOAUTH"));
}

#[test]
fn each_server_has_a_port_and_a_folder_of_its_own() {
    let (Some(one), Some(other)) = (redis(&Setup::new()), redis(&Setup::new())) else { return };
    assert_ne!(one.url(), other.url());
    let [folder, another] = [&one, &other].map(|server| folder_of(server.url()).unwrap());
    assert_ne!(folder, another);
    one.stop().unwrap();
    assert!(!std::path::Path::new(&folder).exists() && std::path::Path::new(&another).exists());
    assert_eq!(ask(other.url(), "PING").unwrap(), "+PONG");
}

#[test]
fn a_port_that_somebody_else_has_stays_with_them() {
    let Some(theirs) = redis(&Setup::new()) else { return };
    assert_eq!(ask(theirs.url(), "SET k v").unwrap(), "+OK");
    let port = theirs.url().rsplit_once(':').expect("a URL of ours has a port").1;
    let why = Server::start(Kind::Redis, Some(Via::Local), &Setup::new().option("port", [port])).unwrap_err();
    assert!(why.to_string().contains("Address already in use"), "{why}");
    assert_eq!(ask(theirs.url(), "EXISTS k").unwrap(), ":1");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    if redis(&Setup::new()).is_none() {
        return;
    }
    let wrong = Setup::new().option("no-such-option", ["1"]);
    let why = Server::start(Kind::Redis, Some(Via::Local), &wrong).unwrap_err().to_string();
    assert!(why.contains("ended with") && why.contains("no-such-option"), "{why}");
}

#[test]
fn a_server_ends_with_the_test_that_panics() {
    let Some(server) = redis(&Setup::new()) else { return };
    let url = server.url().to_owned();
    let panicked = thread::spawn(move || {
        let _held = server;
        panic!("as a failing test would");
    });
    assert!(panicked.join().is_err());
    assert!(ask(&url, "PING").is_err(), "it has ended");
}

/// Tells [`a_process_that_is_killed_leaves_nothing_behind`]'s process to be one.
const HOLDS_A_SERVER: &str = "CONCURRENCY_TEST_HOLDS_A_SERVER";

/// Not a test by itself: what the processes of the tests below do.
#[test]
fn holds_a_server() {
    if env::var_os(HOLDS_A_SERVER).is_none() {
        return;
    }
    let server = Server::start(Kind::Redis, Some(Via::Local), &Setup::new()).unwrap();
    println!("\nholds {} in {}", server.url(), folder_of(server.url()).unwrap());
    // Until it is killed, or told to leave with everything still alive.
    drop(std::io::stdin().read_line(&mut String::new()));
    std::process::exit(0);
}

/// Where it keeps its data.
fn folder_of(url: &str) -> Option<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).ok()?;
    stream.write_all(b"CONFIG GET dir\r\n").ok()?;
    BufReader::new(stream).lines().nth(4)?.ok()
}

/// This program again, as the test of this name, with this in its environment.
fn again(test: &str, (variable, value): (&str, &str)) -> Command {
    // Whoever was started in the background by a shell ignores Ctrl-C, and so would its children.
    let mut command = Command::new("/usr/bin/env"); // By its path: a test may take away PATH.
    command.arg("--default-signal=INT").arg(env::current_exe().expect("this program has a name"));
    command.args(["--exact", test, "--nocapture"]).env(variable, value);
    command
}

/// A process that holds a server; its URL and folder.
fn holder() -> (Child, String, String) {
    let mut command = again("holds_a_server", (HOLDS_A_SERVER, "1"));
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let output = child.stdout.take().expect("it was asked for");
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let said = lines.filter_map(|line| line.strip_prefix("holds ").map(str::to_owned)).next().expect("it holds one");
    let (url, folder) = said.split_once(" in ").expect("as it was written");
    (child, url.to_owned(), folder.to_owned())
}

#[test]
fn a_process_that_is_killed_leaves_nothing_behind() {
    if redis(&Setup::new()).is_none() {
        return;
    }
    let (mut child, url, folder) = holder();
    assert_eq!(ask(&url, "PING").unwrap(), "+PONG");
    child.kill().unwrap();
    child.wait().unwrap();
    becomes("the server ends", || ask(&url, "PING").is_err());
    becomes("its folder is gone", || !std::path::Path::new(&folder).exists());
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    if redis(&Setup::new()).is_none() {
        return;
    }
    let (mut child, url, folder) = holder();
    // As a terminal does it: to the process and all that are in its group.
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    becomes("the server ends", || ask(&url, "PING").is_err());
    becomes("its folder is gone", || !std::path::Path::new(&folder).exists());
}

#[test]
fn a_process_that_leaves_without_a_word_leaves_nothing_behind() {
    if redis(&Setup::new()).is_none() {
        return;
    }
    let (mut child, url, folder) = holder();
    writeln!(child.stdin.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    becomes("the server ends", || ask(&url, "PING").is_err());
    becomes("its folder is gone", || !std::path::Path::new(&folder).exists());
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    let Some(theirs) = redis(&Setup::new()) else { return };
    let mut command = again("asks_for_a_server_by_url", (BY_URL, "1"));
    let output = command.env(Kind::Redis.url_variable(), theirs.url()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ask(theirs.url(), "PING").unwrap(), "+PONG");
}

#[test]
fn a_corner_is_cleared_and_nothing_else() {
    let Some(server) = redis(&Setup::new().option("requirepass", ["p@ss"])) else { return };
    let address = server.url().trim_start_matches("redis://");
    let mut stream = TcpStream::connect(address).unwrap();
    let url = format!("redis://:p%40ss@{address}/3");
    let (mine, theirs) = (Corner::new(&url, "test").unwrap(), Corner::new(&url, "test").unwrap());
    let mut lines = String::from("AUTH p@ss\r\nSELECT 3\r\nSET other 1\r\n");
    for number in 0..2500 {
        lines.push_str(&format!("SET {}:{number} 1\r\n", mine.prefix()));
    }
    lines.push_str(&format!("SET {}x 1\r\nSET {}:1 1\r\nECHO done\r\n", mine.prefix(), theirs.prefix()));
    stream.write_all(lines.as_bytes()).unwrap();
    let answers = BufReader::new(&stream).lines().map_while(Result::ok);
    assert_eq!(answers.take_while(|line| line != "done").filter(|line| line == "+OK").count(), 2505);
    assert_eq!(mine.clear(), Ok(2500));
    assert_eq!(mine.clear(), Ok(0));
    stream.write_all(b"DBSIZE\r\n").unwrap();
    let mut left = String::new();
    BufReader::new(&stream).read_line(&mut left).unwrap();
    assert_eq!(left, ":3\r\n");
    server.stop().unwrap();
    let why = theirs.clear().unwrap_err().to_string();
    assert!(why.contains(theirs.prefix()) && !why.contains("ss@"), "{why}");
}

/// Tells [`what_is_somebody_elses_is_left_alone`]'s process to be one.
const BY_URL: &str = "CONCURRENCY_TEST_BY_URL";

/// Not a test by itself.
#[test]
fn asks_for_a_server_by_url() {
    if env::var_os(BY_URL).is_none() {
        return;
    }
    let mut server = Server::start(Kind::Redis, Some(Via::Url), &Setup::new()).unwrap();
    assert!(server.version().is_some() && server.to_string().contains("(by CONCURRENCY_REDIS_URL)"), "{server}");
    assert!(!format!("{server:?}").contains("127.0.0.1"), "a URL may hold a password");
    for refused in [server.kill(), server.restart(Data::Lost), server.freeze(), server.thaw()] {
        assert!(refused.unwrap_err().to_string().contains("somebody else's"));
    }
    server.stop().unwrap();
}

static SHARED: Shared = Shared::new(Kind::Redis, Setup::new());

#[test]
fn a_shared_server_is_one_for_all() {
    let (Some(one), Some(other)) = (SHARED.get(), SHARED.get()) else { return };
    assert_eq!(one.url(), other.url());
}

/// Without any program, and so without a server.
fn without_programs(require: &str, count: &std::path::Path) -> std::process::Output {
    let mut command = again("a_shared_server_is_one_for_all", (VIA, "local"));
    command.env("PATH", "/no/such/folder").env(REQUIRE, require).env(NOT_RUN, count).output().expect("it starts")
}

#[test]
fn what_is_not_run_is_counted_and_fails_where_it_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("not run");
    let output = without_programs("valkey", &count);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("NOT RUN redis"), "{output:?}");
    let counted = std::fs::read_to_string(&count).unwrap();
    let fields: Vec<_> = counted.lines().next().unwrap().split('\t').collect();
    assert_eq!(fields[..2], ["redis", "local::a_shared_server_is_one_for_all"]);
    assert!(fields[2].contains("no program redis-server"), "{counted}");
    let output = without_programs("containers:valkey,local:redis", &count);
    assert!(!output.status.success(), "{output:?}");
}
