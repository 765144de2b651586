//! The demo on Redis: on a server that others use, too, and on one of its own that it kills.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::PoisonError,
    time::Duration,
};

use servers::{Kind, Server, Setup, Via};

use super::{Run, TURN};

/// A server whose every answer is on the disk; `None` where none can be had.
pub(super) fn server() -> Option<Server> {
    servers::for_test(Kind::Redis, None, &Setup::new().durable())
}

/// Says something in one line, and returns what the server says in one line; nothing where none serves.
pub(super) fn ask(url: &str, line: &str) -> Option<String> {
    let mut stream = TcpStream::connect(url.split("://").nth(1)?).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "{line}\r\n").ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    Some(answer.trim_end().to_owned())
}

#[test]
fn runs_on_a_server_that_others_use_find_what_is_wrong_and_leave_nothing_there() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = server() else { return };
    assert_eq!(ask(server.url(), "SET concurrency:sv:{checkout}:theirs 1").as_deref(), Some("+OK"));
    let run = Run::at(server.url(), &["--orders", "600", "--pace", "100"]);
    assert_eq!(run.code(), Some(0), "{}", run.told());
    assert_eq!((run.report["orders"].as_u64(), run.report["charges"].as_u64()), (Some(600), Some(600)));
    assert_eq!(ask(server.url(), "DBSIZE").as_deref(), Some(":1"), "{}", run.told());
    let parts = [("lock", "lock"), ("stock", "stock"), ("events", "projection"), ("fence", "fence")];
    for (part, line) in parts {
        let run = Run::at(server.url(), &["--orders", "200", "--pace", "60", "--break", part]);
        assert_eq!(run.code(), Some(1), "--break {part}: {}", run.told());
        assert!(run.wrong().contains(&line), "--break {part}: {}", run.told());
        assert!(run.told().contains(&format!("\n{line:<11} WRONG: ")), "{}", run.told());
        assert_eq!(ask(server.url(), "DBSIZE").as_deref(), Some(":1"), "{}", run.told());
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_loses_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if servers::for_test(Kind::Redis, Some(Via::Local), &Setup::new()).is_none() {
        return;
    }
    let run = Run::on(["--own-server", "redis"], &["--orders", "600", "--pace", "100"]);
    assert_eq!(run.code(), Some(0), "{}", run.told());
    assert_eq!((run.report["orders"].as_u64(), run.report["charges"].as_u64()), (Some(600), Some(600)));
    let away = &run.report["server_away"];
    assert!(away["seconds"].as_f64() >= Some(0.5), "a lease at least: {away}");
    assert_eq!((&away["instances"], &away["instances_lived_on"]), (&3.into(), &3.into()), "{away}");
    assert!(away["next_order_after_seconds"].is_number(), "{away}");
    assert!(run.report["options"]["own_server"].as_str().is_some_and(|name| name.starts_with("redis ")));
    let incidents = run.report["incidents"].as_array().unwrap().iter();
    let of_server: Vec<_> = incidents.filter(|one| one["instance"].is_null()).map(|one| &one["kind"]).collect();
    assert_eq!(of_server, ["killed", "started"], "{}", run.told());
    assert!(run.told().contains("\nserver      redis "), "{}", run.told());
}

#[test]
fn a_server_that_does_not_let_in_is_said_in_words_without_the_password() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let closed_door = Setup::new().option("requirepass", ["secret"]);
    let Some(server) = servers::for_test(Kind::Redis, None, &closed_door) else { return };
    let address = server.url().trim_start_matches("redis://");
    let closed = servers::free_port().unwrap();
    for url in [
        format!("redis://:wr0ng@{address}"),
        format!("redis://{address}"),
        format!("redis://:wr0ng@127.0.0.1:{closed}"),
        format!("redis://{address}?colour=wr0ng"),
    ] {
        let run = Run::at(&url, &[]);
        assert_eq!(run.code(), Some(2), "{}", run.told());
        assert!(run.told().contains("the backend cannot be opened: ") && run.told().contains("nothing was judged"));
        assert!(!run.told().contains("left over") && !run.told().contains("wr0ng"), "{}", run.told());
    }
}
