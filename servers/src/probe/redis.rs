//! Redis and whatever speaks its protocol.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::{Identity, Probe};

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LONGEST: u64 = 1 << 20;

/// Asks with PING and INFO. A server that wants a password which the URL does not have serves, and does not say who it
/// is.
pub(crate) fn redis(url: &str) -> Probe {
    let Some(target) = Target::parse(url) else { return Probe::Not("its URL is not one of Redis".to_owned()) };
    match ask(&target) {
        Ok(identity) => Probe::Serves(identity),
        Err(error) => Probe::Not(error.to_string()),
    }
}

/// What stands in a URL.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    is_tls: bool,
    credentials: Option<(String, String)>,
    address: String,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (credentials, host) = authority.rsplit_once('@').map_or((None, authority), |(c, host)| (Some(c), host));
        let credentials = credentials.map(|both| {
            let (user, password) = both.split_once(':').unwrap_or((both, ""));
            (decoded(if user.is_empty() { "default" } else { user }), decoded(password))
        });
        // The colons of an address in brackets are its own.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port { host.to_owned() } else { format!("{host}:6379") };
        Some(Self { is_tls, credentials, address })
    }
}

/// With `%40` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let code = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ask(target: &Target) -> io::Result<Identity> {
    let address = target.address.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("its name leads nowhere"))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    if target.is_tls {
        // Whoever wants to know more has to bring certificates.
        return Ok(Identity::default());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(stream);
    if let Some((user, password)) = &target.credentials {
        call(&mut stream, &["AUTH", user, password])?;
    }
    match call(&mut stream, &["PING"]) {
        Ok(_) => {}
        Err(error) if error.to_string().starts_with("NOAUTH") => return Ok(Identity::default()),
        Err(error) => return Err(error),
    }
    // Whoever is not allowed to ask is served all the same.
    let info = call(&mut stream, &["INFO", "server"]).unwrap_or_default();
    let field = |name: &str| {
        info.lines().find_map(|line| Some(line.split_once(':').filter(|(n, _)| *n == name)?.1.trim().to_owned()))
    };
    // Valkey says which Redis it stands for, too.
    let version = field("valkey_version").or_else(|| field("redis_version"));
    Ok(Identity { version, process: field("process_id").and_then(|id| id.parse().ok()) })
}

/// The answer, or its text as an error where it is one.
fn call(stream: &mut BufReader<TcpStream>, words: &[&str]) -> io::Result<String> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    stream.by_ref().take(LONGEST).read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+", text)) => Ok(text.to_owned()),
        Some(("-", text)) => Err(io::Error::other(text.to_owned())),
        Some(("$", length)) => {
            let length = length.parse::<u64>().ok().filter(|length| *length <= LONGEST);
            let length = length.ok_or_else(|| io::Error::other("what answers is not Redis"))?;
            let mut text = Vec::new();
            stream.by_ref().take(length + 2).read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        _ => Err(io::Error::other("what answers is not Redis")),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parsed = |url| Target::parse(url).map(|t| (t.is_tls, t.credentials, t.address));
        assert_eq!(parsed("redis://h"), Some((false, None, "h:6379".into())));
        assert_eq!(parsed("redis://[::1]/0"), Some((false, None, "[::1]:6379".into())));
        let both = Some(("u".to_owned(), "p@:/%".to_owned()));
        assert_eq!(parsed("rediss://u:p%40%3a%2F%@h:1/2?x=y"), Some((true, both, "h:1".into())));
        assert_eq!(parsed("redis://:p@h:1"), Some((false, Some(("default".into(), "p".into())), "h:1".into())));
        assert_eq!(parsed("http://h"), None);
    }

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
