//! Sets of servers with sentinels.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use servers::{Data, Kind, Sentinels, Setup, Via, sentinels_for_test};

/// Says something in one line, and returns what the server says in one line.
fn ask(url: &str, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{line}\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn ask_primary(set: &Sentinels, line: &str) -> String {
    ask(&set.server_url(set.primary().expect("they agree")), line).expect("it answers")
}

#[test]
fn a_replica_becomes_the_primary_when_it_is_told_to_or_the_primary_is_gone() {
    let Some(mut set) = sentinels_for_test(Kind::Redis, Some(Via::Local), &Setup::new().durable()) else { return };
    assert!(set.url().starts_with("redis+sentinel://127.0.0.1:") && set.url().ends_with("/main"), "{}", set.url());
    assert_eq!(set.primary(), Ok(0));
    assert_eq!(ask_primary(&set, "SET told 1"), "+OK");
    set.until_whole().unwrap();
    set.fail_over().unwrap();
    let second = set.primary().unwrap();
    assert_ne!(second, 0);
    assert_eq!(ask_primary(&set, "EXISTS told"), ":1");
    set.until_whole().unwrap();
    assert!(ask(&set.server_url(0), "SET x 1").unwrap().starts_with("-READONLY"));

    set.cut_off_replicas(second).unwrap();
    assert_eq!(ask_primary(&set, "SET lost 1"), "+OK");
    set.kill(second).unwrap();
    set.until_replaced(second).unwrap();
    assert_eq!((ask_primary(&set, "EXISTS told"), ask_primary(&set, "EXISTS lost")), (":1".into(), ":0".into()));
    set.restart(second, Data::Kept).unwrap();
    set.until_whole().unwrap();
    assert_eq!(ask(&set.server_url(second), "EXISTS lost").unwrap(), ":0", "it follows the new one");
}

#[cfg(feature = "containers")]
#[test]
fn in_containers_they_reach_each_other_where_clients_reach_them() {
    let Some(mut set) = sentinels_for_test(Kind::Valkey, Some(Via::Containers), &Setup::new().durable()) else {
        return;
    };
    assert!(set.to_string().contains("containers of "), "{set}");
    assert_eq!(ask_primary(&set, "SET kept 1"), "+OK");
    set.until_whole().unwrap();
    set.kill(0).unwrap();
    set.until_replaced(0).unwrap();
    assert_eq!(ask_primary(&set, "EXISTS kept"), ":1");
    set.restart(0, Data::Kept).unwrap();
    set.until_whole().unwrap();
    let second = set.primary().unwrap();
    set.set_frozen(second, true).unwrap();
    set.until_replaced(second).unwrap();
    set.set_frozen(second, false).unwrap();
    set.until_whole().unwrap();
    set.kill_sentinels().unwrap();
    set.restart_sentinels().unwrap();
    set.until_whole().unwrap();
    assert_ne!(set.primary(), Ok(second));
}

#[test]
fn sentinels_that_were_killed_know_what_they_knew() {
    let Some(mut set) = sentinels_for_test(Kind::Redis, Some(Via::Local), &Setup::new()) else { return };
    let url = set.url().to_owned();
    set.kill_sentinels().unwrap();
    assert_eq!(ask(&set.server_url(0), "PING").unwrap(), "+PONG");
    set.restart_sentinels().unwrap();
    set.until_whole().unwrap();
    assert_eq!((set.url(), set.primary()), (&*url, Ok(0)));
}
