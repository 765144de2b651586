//! As much of the protocol of Redis as this package needs: words there, an answer back.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LONGEST: u64 = 1 << 20;
/// The schemes of its URLs.
pub(crate) const SCHEMES: &[&str] = &["redis", "rediss", "valkey", "valkeys"];

/// What stands in a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) is_tls: bool,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) address: String,
    /// The number of the database, as it stands there; empty for the first.
    pub(crate) db: String,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        let rest = rest.split(['?', '#']).next()?;
        let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host) = authority.rsplit_once('@').map_or((None, authority), |(c, host)| (Some(c), host));
        let credentials = credentials.map(|both| {
            let (user, password) = both.split_once(':').unwrap_or((both, ""));
            (decoded(if user.is_empty() { "default" } else { user }), decoded(password))
        });
        // The colons of an address in brackets are its own.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port { host.to_owned() } else { format!("{host}:6379") };
        let is_tls = matches!(scheme, "rediss" | "valkeys");
        Some(Self { is_tls, credentials, address, db: db.to_owned() })
    }

    /// A connection on which nothing was said yet.
    pub(crate) fn reach(&self) -> io::Result<TcpStream> {
        let address = self.address.to_socket_addrs()?.next();
        let address = address.ok_or_else(|| io::Error::other("its name leads nowhere"))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// With `%40` and the like as what they stand for.
pub(crate) fn decoded(text: &str) -> String {
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

/// An answer that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Text(Vec<u8>),
    Number(i64),
    Many(Vec<Answer>),
    Nothing,
}

impl Answer {
    /// As text; empty where it is none.
    pub(crate) fn text(&self) -> String {
        if let Self::Text(text) = self { String::from_utf8_lossy(text).into_owned() } else { String::new() }
    }
}

/// A connection, without TLS.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Logs in where the target says how, and asks for nothing yet.
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        let mut connection = Self(BufReader::new(target.reach()?));
        if let Some((user, password)) = &target.credentials {
            connection.call(&["AUTH", user, password])?;
        }
        Ok(connection)
    }

    /// The answer, or its text as an error where it is one.
    pub(crate) fn call(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<Answer> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.0.by_ref().take(LONGEST).read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+", text)) => Ok(Answer::Text(text.as_bytes().to_owned())),
            Some(("-", text)) => Err(io::Error::other(text.to_owned())),
            Some((":", number)) => number.parse().map(Answer::Number).map_err(|_| strange()),
            Some(("$" | "*", "-1")) => Ok(Answer::Nothing),
            Some(("$", length)) => {
                let mut text = vec![0; size(length)?];
                self.0.read_exact(&mut text)?;
                self.0.read_exact(&mut [0; 2])?;
                Ok(Answer::Text(text))
            }
            Some(("*", length)) => {
                (0..size(length)?).map(|_| self.answer()).collect::<io::Result<_>>().map(Answer::Many)
            }
            _ => Err(strange()),
        }
    }
}

fn size(length: &str) -> io::Result<usize> {
    length.parse().ok().filter(|length| *length <= LONGEST as usize).ok_or_else(strange)
}

fn strange() -> io::Error {
    io::Error::other("what answers is not Redis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parsed = |url| Target::parse(url).map(|t| (t.is_tls, t.credentials, t.address, t.db));
        assert_eq!(parsed("redis://h"), Some((false, None, "h:6379".into(), String::new())));
        assert_eq!(parsed("redis://[::1]/0"), Some((false, None, "[::1]:6379".into(), "0".into())));
        let both = Some(("u".to_owned(), "p@:/%".to_owned()));
        assert_eq!(parsed("rediss://u:p%40%3a%2F%@h:1/2?x=y"), Some((true, both, "h:1".into(), "2".into())));
        let login = Some(("default".into(), "p".into()));
        assert_eq!(parsed("valkey://:p@h:1"), Some((false, login, "h:1".into(), String::new())));
        assert!(parsed("valkeys://h").is_some_and(|(is_tls, ..)| is_tls));
        assert_eq!(parsed("http://h"), None);
    }
}
