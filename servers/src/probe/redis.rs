//! Redis and whatever speaks its protocol.

use std::io;

use super::{Identity, Probe};
use crate::resp::{Connection, Target};

/// Asks with PING and INFO. A server that wants a password which the URL does not have serves, and does not say who it
/// is.
pub(crate) fn redis(url: &str) -> Probe {
    let Some(target) = Target::parse(url) else { return Probe::Not("its URL is not one of Redis".to_owned()) };
    match ask(&target) {
        Ok(identity) => Probe::Serves(identity),
        Err(error) => Probe::Not(error.to_string()),
    }
}

fn ask(target: &Target) -> io::Result<Identity> {
    if target.is_tls {
        // Whoever wants to know more has to bring certificates.
        return target.reach().map(|_| Identity::default());
    }
    let mut connection = Connection::open(target)?;
    match connection.call(&["PING"]) {
        Ok(_) => {}
        Err(error) if error.to_string().starts_with("NOAUTH") => return Ok(Identity::default()),
        Err(error) => return Err(error),
    }
    // Whoever is not allowed to ask is served all the same.
    let info = connection.call(&["INFO", "server"]).map(|info| info.text()).unwrap_or_default();
    let field = |name: &str| {
        info.lines().find_map(|line| Some(line.split_once(':').filter(|(n, _)| *n == name)?.1.trim().to_owned()))
    };
    // Valkey says which Redis it stands for, too.
    let version = field("valkey_version").or_else(|| field("redis_version"));
    Ok(Identity { version, process: field("process_id").and_then(|id| id.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers one client with these lines, whatever it says.
    fn answering(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            for answer in answers {
                // A request: how many words, then two lines a word.
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let words: usize = line.trim_start_matches('*').trim().parse().unwrap();
                for _ in 0..2 * words {
                    stream.read_line(&mut line).unwrap();
                }
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        format!("redis://{address}")
    }

    #[test]
    fn the_version_is_the_servers_own() {
        let url = answering(&["+PONG\r\n", "$38\r\nredis_version:7.2.4\r\nprocess_id:17\r\nx:y\r\n"]);
        assert_eq!(redis(&url), Probe::Serves(Identity { version: Some("7.2.4".into()), process: Some(17) }));
        let url = answering(&["+PONG\r\n", "$43\r\nredis_version:7.2.4\r\nvalkey_version:9.1.0\r\n\r\n"]);
        assert_eq!(redis(&url), Probe::Serves(Identity { version: Some("9.1.0".into()), process: None }));
    }

    #[test]
    fn who_wants_a_password_serves_and_who_loads_does_not() {
        let url = answering(&["-NOAUTH Authentication required.\r\n"]);
        assert_eq!(redis(&url), Probe::Serves(Identity::default()));
        let url = answering(&["-LOADING Redis is loading the dataset in memory\r\n"]);
        assert_eq!(redis(&url), Probe::Not("LOADING Redis is loading the dataset in memory".into()));
        let url = answering(&["HTTP/1.1 400 Bad Request\r\n"]);
        assert_eq!(redis(&url), Probe::Not("what answers is not Redis".into()));
    }
}
