//! The demo as somebody at a terminal has it: stopped in the middle, kept, and refused in words.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::PoisonError,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
#[cfg(feature = "redis")]
use servers::{Kind, Setup, Via};

#[cfg(feature = "redis")]
use super::redis::ask;
use super::{Run, TURN, is_whole, scratch, supervisor};

/// A run that goes on. Dropping it ends it.
struct Going {
    demo: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where its temporary files are.
    folder: PathBuf,
    port: u16,
}

impl Going {
    fn start(arguments: &[&str]) -> Self {
        let folder = scratch();
        let mut demo = Command::new(supervisor());
        demo.args(["demo", "--service", env!("CARGO_BIN_EXE_checkout"), "--lease-ms", "500"]).args(arguments);
        let mut demo = demo.env("TMPDIR", &folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let port = first.strip_prefix("the page of this run: http://127.0.0.1:").unwrap();
        let port = port.trim_end_matches('/').parse().unwrap();
        Self { demo, lines, folder, port }
    }

    fn ask(&self, what: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        write!(stream, "{what} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", self.port).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// What the page shows.
    fn state(&self) -> Value {
        serde_json::from_str(&self.ask("GET /state")).unwrap()
    }

    /// The processes of this run but the supervisor: whether they are stopped. All of them are told of a file in the folder.
    fn processes(&self) -> Vec<bool> {
        let told = self.folder.display().to_string();
        let of_this_run = |process: &PathBuf| {
            fs::read(process.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&told))
        };
        let is_stopped = |process: PathBuf| {
            let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        all.filter(of_this_run).map(is_stopped).collect()
    }

    /// Ctrl-C; the exit code.
    fn interrupt(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.demo), Signal::INT).unwrap();
        let mut ended = None;
        wait_for("the end", || {
            ended = self.demo.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }

    /// The line that says what it keeps, which is its last.
    fn kept(&mut self) -> String {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines.find(|line| line.starts_with("kept: ")).expect("it says what it has kept")
    }

    /// What is left of its temporary files: the names in their folder, sorted.
    fn left(&self) -> Vec<String> {
        let folders = fs::read_dir(&self.folder).unwrap().flatten();
        let names = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
        let mut names: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        self.demo.kill().ok();
        self.demo.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Asks again and again, for at most half a minute.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if there() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

#[test]
fn ctrl_c_in_the_middle_ends_all_processes_the_frozen_ones_as_well() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_whole() {
        return;
    }
    let mut run = Going::start(&["--orders", "100000", "--pace", "100"]);
    wait_for("an order", || run.state()["done"].as_u64() > Some(0));
    wait_for("a frozen instance", || {
        let state = run.state();
        let mut instances = state["instances"].as_array().unwrap().iter();
        if let Some(serving) = instances.find(|instance| instance["state"] == "serving") {
            run.ask(&format!("POST /instances/{}/freeze", serving["number"]));
        }
        run.processes().contains(&true)
    });
    // Two instances at least, beside the ledger, the onlooker and the customers.
    assert!(run.processes().len() >= 5, "{:?}", run.processes());
    assert_eq!(run.interrupt(), Some(130));
    assert_eq!(run.processes(), [false; 0]);
    assert_eq!(run.left(), [""; 0]);
}

#[test]
fn the_buttons_kill_and_restart_an_instance_and_nothing_is_lost() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_whole() {
        return;
    }
    let mut run = Going::start(&["--orders", "300", "--pace", "40"]);
    let instance = |state: &Value| state["instances"][0].clone();
    wait_for("the first instance", || instance(&run.state())["state"] == "serving");
    for button in ["kill", "restart"] {
        let life = instance(&run.state())["life"].as_u64().unwrap();
        run.ask(&format!("POST /instances/1/{button}"));
        wait_for("another life", || {
            let now = instance(&run.state());
            now["state"] == "serving" && now["life"].as_u64() > Some(life)
        });
    }
    let told = run.state()["incidents"].to_string();
    assert!(told.contains("instance 1 killed by hand") && told.contains("killed and restarted by hand"), "{told}");
    let report: Vec<_> = run.lines.by_ref().map_while(Result::ok).collect();
    assert!(report.iter().any(|line| line == "300 orders, 300 charges, 0 sold twice"), "{report:#?}");
    let ended = run.demo.wait().unwrap().code();
    assert!(ended == Some(0) || report.iter().any(|line| line.starts_with("proved nothing")), "{report:#?}");
}

#[test]
fn a_run_that_is_kept_leaves_its_files_and_its_page_until_ctrl_c() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_whole() {
        return;
    }
    let mut run = Going::start(&["--orders", "3", "--pace", "1000", "--clients", "1", "--keep"]);
    let kept = run.kept();
    assert!(kept.contains(&run.folder.display().to_string()) && kept.contains("until Ctrl-C"), "{kept}");
    let state = run.state();
    assert!(state["over"] == true && state["headline"]["text"] == "3 orders, 3 charges, 0 sold twice", "{state:#}");
    assert_eq!(run.processes(), [false; 0], "all but the page have ended");
    assert_eq!(run.interrupt(), Some(2), "three orders prove nothing");
    assert_eq!(run.left(), ["answers.jsonl", "ledger.jsonl", "shop.db"]);
}

#[cfg(feature = "redis")]
#[test]
fn what_stands_on_a_server_is_removed_after_ctrl_c_and_stays_where_it_is_kept() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = super::redis::server() else { return };
    let names = || ask(server.url(), "DBSIZE").and_then(|size| size.strip_prefix(':')?.parse::<u64>().ok());
    let mut run = Going::start(&["--url", server.url(), "--orders", "100000", "--pace", "100"]);
    wait_for("an order", || run.state()["done"].as_u64() > Some(0));
    assert!(names() > Some(10), "{:?}", names());
    assert_eq!(run.interrupt(), Some(130));
    assert_eq!(names(), Some(0));
    let few = ["--orders", "3", "--pace", "1000", "--clients", "1", "--keep"];
    let mut run = Going::start(&[&["--url", server.url()], &few[..]].concat());
    let kept = run.kept();
    assert!(kept.contains("kept: what begins with concurrency:demo-") && kept.contains(server.url()), "{kept}");
    assert_eq!(run.interrupt(), Some(2), "three orders prove nothing");
    assert!(names() > Some(10), "{:?}", names());
}

#[cfg(feature = "redis")]
#[test]
fn a_server_of_its_own_that_is_kept_answers_until_ctrl_c() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if servers::for_test(Kind::Redis, Some(Via::Local), &Setup::new()).is_none() {
        return;
    }
    let few = ["--orders", "3", "--pace", "1000", "--clients", "1", "--keep"];
    let mut run = Going::start(&[&["--own-server", "redis"], &few[..]].concat());
    let kept = run.kept();
    let url = kept.strip_prefix("kept: ").and_then(|rest| rest.split(',').next()).expect("its URL").to_owned();
    let server = run.state()["server"].clone();
    assert!(server["address"] == *url && server["state"] == "serving", "{server}");
    assert_eq!(ask(&url, "PING").as_deref(), Some("+PONG"));
    assert_eq!(run.interrupt(), Some(2), "three orders prove nothing");
    assert_eq!(ask(&url, "PING"), None);
    assert_eq!(run.left(), ["answers.jsonl", "ledger.jsonl"]);
}

#[test]
fn a_backend_that_cannot_be_had_is_said_in_words() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = scratch();
    let no_database = folder.join("notes.txt");
    fs::write(&no_database, "x".repeat(1000)).unwrap();
    for (url, why) in [
        (format!("sqlite:{}", folder.display()), "it is a directory, not a file"),
        (format!("sqlite:{}/missing/shop.db", folder.display()), "the directory of the file does not exist"),
        (format!("sqlite:{}", no_database.display()), "no SQLite database"),
        (format!("sqlite:{}/shop.db?colour=red", folder.display()), "colour"),
        ("carrier-pigeon:home".to_owned(), "no backend has its scheme"),
    ] {
        let run = Run::at(&url, &[]);
        assert_eq!(run.code(), Some(2), "{}", run.told());
        for words in ["the backend cannot be opened: ", why, "the shop's opening failed", "nothing was judged"] {
            assert!(run.told().contains(words), "{words}: {}", run.told());
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}
