//! Servers in containers: where an engine answers, and wherever `CONCURRENCY_REQUIRE` wants one.
#![cfg(feature = "containers")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use servers::{Data, Kind, Server, Setup, Via, for_test};

/// Says something in one line, and returns what the server says in one line.
fn ask(url: &str, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{line}\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn contained(kind: Kind, setup: &Setup) -> Option<Server> {
    for_test(kind, Some(Via::Containers), setup)
}

/// What the engine publishes of the container that serves at this URL.
fn published(url: &str) -> String {
    let port = url.rsplit_once(':').expect("a URL of ours has a port").1;
    let listed = Command::new("docker")
        .args(["ps", "--all", "--filter", &format!("publish={port}"), "--format", "{{.Ports}}"])
        .output();
    String::from_utf8(listed.expect("the engine answered before").stdout).expect("ports are text").trim().to_owned()
}

#[test]
fn each_kind_answers_on_loopback_alone_and_is_removed() {
    for kind in Kind::ALL {
        let Some(server) = contained(*kind, &Setup::new().option("maxmemory", ["20mb"])) else { continue };
        let version = server.version().expect("it says its version").to_owned();
        assert!(server.to_string().starts_with(&format!("{kind} {version} (container, ")), "{server}");
        assert_eq!(ask(server.url(), "SET k v").unwrap(), "+OK");
        let url = server.url().to_owned();
        assert!(published(&url).starts_with("127.0.0.1:"), "{}", published(&url));
        assert!(!server.log().is_empty());
        server.stop().unwrap();
        assert_eq!(published(&url), "", "it is removed");
    }
}

#[test]
fn a_restart_finds_the_data_or_does_not() {
    let Some(mut server) = contained(Kind::Redis, &Setup::new().durable()) else { return };
    let url = server.url().to_owned();
    assert_eq!(ask(&url, "SET k v").unwrap(), "+OK");
    server.kill().unwrap();
    server.kill().unwrap();
    assert!(ask(&url, "PING").is_err(), "it is dead");
    server.restart(Data::Kept).unwrap();
    assert_eq!(ask(&url, "EXISTS k").unwrap(), ":1");
    server.freeze().unwrap();
    server.thaw().unwrap();
    server.restart(Data::Lost).unwrap();
    assert_eq!((ask(&url, "EXISTS k").unwrap().as_str(), server.url()), (":0", &*url));
}

#[test]
fn it_may_be_started_and_dropped_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = runtime.block_on(async { contained(Kind::Redis, &Setup::new()) });
    let Some(server) = server else { return };
    let url = server.url().to_owned();
    runtime.block_on(async { drop(server) });
    assert_eq!(published(&url), "", "it is removed");
}
