//! What the server, the network and the driver say, as the error that the contract names for its cause.
//!
//! Of a server's error only its code is kept: the text may quote names and values. The driver's own texts are fixed, and of
//! those only the kind is kept, too.

use std::{io, time::Duration};

use concurrency_core::{Error, Outcome, Source};
use redis::{ErrorKind, RedisError, ServerError};
use tokio_rustls::rustls;

use crate::connection::Eviction;

/// The effect may have happened, or may still.
pub(crate) const UNKNOWN: Outcome = Outcome::Unknown { settled: false };
/// The effect may have happened, and cannot any more.
pub(crate) const SETTLED: Outcome = Outcome::Unknown { settled: true };

/// No answer within the time given.
pub(crate) fn timeout(after: Duration, outcome: Outcome) -> Error {
    Error::Timeout { after, outcome }
}

/// There is no connection, or it was lost.
pub(crate) fn unavailable(outcome: Outcome) -> Error {
    Error::Unavailable { outcome, source: None }
}

/// The same error for a call that changes nothing.
pub(crate) fn without_effect(error: Error) -> Error {
    with_outcome(error, Outcome::NotApplied)
}

/// The same error where an earlier copy of the request may have had its effect. Variants that say that nothing was applied become
/// `Backend`.
pub(crate) fn with_outcome(error: Error, outcome: Outcome) -> Error {
    match error {
        Error::Timeout { after, .. } => Error::Timeout { after, outcome },
        Error::Unavailable { source, .. } => Error::Unavailable { outcome, source },
        Error::Backend { source, .. } => Error::Backend { outcome, source },
        error if outcome == Outcome::NotApplied || error.outcome() != Outcome::NotApplied => error,
        error => Error::backend(outcome, error.to_string()),
    }
}

/// Whether trying to connect again may help.
pub(crate) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Timeout { .. } | Error::Unavailable { .. } | Error::Exhausted { .. } | Error::Backend { .. })
}

/// Why a socket could not be opened.
pub(crate) fn of_socket(error: &io::Error) -> Error {
    Error::Unavailable { outcome: Outcome::NotApplied, source: Some(Source::new(error.kind().to_string())) }
}

/// Why TLS could not be agreed on, from what the handshake ended with.
pub(crate) fn of_handshake(error: &io::Error) -> Error {
    let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            // A plain server takes the greeting for a command that it does not know, and hangs up.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => no_tls("a server that hangs up"),
            _ => of_socket(error),
        };
    };
    match reason {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Error::Unauthorized { what: "the server's certificate" }
        }
        rustls::Error::InvalidMessage(_) => no_tls("a plain connection"),
        rustls::Error::AlertReceived(_) => no_tls("a server that refuses"),
        _ => no_tls("another TLS"),
    }
}

/// It was asked to speak TLS, and does not.
pub(crate) fn no_tls(found: &str) -> Error {
    Error::Incompatible { what: "transport", found: found.into(), wanted: "TLS 1.2 or newer".into() }
}

/// It speaks TLS, and was not asked to.
pub(crate) fn wants_tls() -> Error {
    Error::Incompatible { what: "transport", found: "TLS".into(), wanted: "a plain connection".into() }
}

/// It answers, and not as Redis does.
pub(crate) fn not_redis() -> Error {
    Error::Incompatible { what: "server", found: "another kind".into(), wanted: "Redis or Valkey".into() }
}

/// It is of the right kind and cannot do what we need.
pub(crate) fn too_old(found: &str) -> Error {
    Error::Incompatible { what: "server", found: found.into(), wanted: "version 6.2 or newer".into() }
}

/// An answer that none of our requests gets.
pub(crate) fn not_understood() -> Error {
    Error::backend(UNKNOWN, "the answer was not understood")
}

/// What ended a connection, or kept it from being one, as the driver tells it; with what that means for what was under way.
pub(crate) fn of_driver(error: &RedisError, outcome: Outcome) -> Error {
    match error.kind() {
        ErrorKind::AuthenticationFailed => Error::Unauthorized { what: "login" },
        ErrorKind::RESP3NotSupported => too_old("one without RESP3"),
        ErrorKind::Parse if outcome == Outcome::NotApplied => not_redis(),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            of_code(error.code().unwrap_or_default(), error.detail().unwrap_or_default(), outcome)
        }
        ErrorKind::Io | ErrorKind::Parse => unavailable(outcome),
        kind => Error::backend(outcome, format!("{kind:?}")),
    }
}

/// What the server answers to one request: it changed nothing.
pub(crate) fn of_server(error: &ServerError) -> Error {
    of_code(error.code(), error.details().unwrap_or_default(), Outcome::NotApplied)
}

/// Whether the server does not know a script by its hash, and so has not run it.
pub(crate) fn is_unknown_script(error: &ServerError) -> bool {
    error.code() == "NOSCRIPT"
}

/// Whether the server has become one that cannot serve us: another connection may lead to another.
pub(crate) fn is_demoted(error: &ServerError) -> bool {
    matches!(cause(error.code(), error.details().unwrap_or_default()), "READONLY" | "MASTERDOWN" | "LOADING")
}

fn of_code(code: &str, text: &str, outcome: Outcome) -> Error {
    let code = cause(code, text);
    let source = || Some(Source::new(code));
    match code {
        // A script that a server does not know is sent in full, unless there was no time left for that.
        "LOADING" | "READONLY" | "MASTERDOWN" | "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" | "NOREPLICAS" | "SHUTDOWN"
        | "NOSCRIPT" => Error::Unavailable { outcome, source: source() },
        "MISCONF" => Error::Exhausted { what: "disk", source: source() },
        "OOM" => Error::Exhausted { what: "memory", source: source() },
        "MAXCLIENTS" => Error::Exhausted { what: "connections", source: source() },
        "WRONGPASS" | "NOAUTH" => Error::Unauthorized { what: "login" },
        "NOPERM" => Error::Unauthorized { what: "a command, a key or a channel" },
        "DENIED" => Error::Unauthorized { what: "a connection from here" },
        "WRONGTYPE" => Error::Decode { what: "a stored value", why: "the key is of another type".into() },
        "UNKNOWN" => too_old("one that lacks a command"),
        "DB" => Error::invalid("db", "the server has no database of this number"),
        "MOVED" | "ASK" | "CROSSSLOT" => cluster(),
        // A code of its own; what is none may be anything, and quote anything.
        code if is_code(code) => Error::backend(outcome, code),
        _ => Error::backend(outcome, "an error without a code"),
    }
}

fn is_code(word: &str) -> bool {
    word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// It may drop live leases when its memory is full.
pub(crate) fn evicts(eviction: Eviction) -> Error {
    let found = match eviction {
        Eviction::Never => "noeviction",
        Eviction::Passing => "one that drops what has a lifetime",
        Eviction::Anything => "one that drops anything, or that cannot be read",
    };
    Error::Incompatible {
        what: "maxmemory-policy",
        found: found.into(),
        wanted: "noeviction, or allow_eviction".into(),
    }
}

/// A node of a cluster.
pub(crate) fn cluster() -> Error {
    Error::Incompatible { what: "server", found: "a node of a cluster".into(), wanted: "a standalone server".into() }
}

/// A sentinel, which knows where a server is and holds no data.
pub(crate) fn a_sentinel() -> Error {
    let wanted = "a server; a sentinel stands in a URL of redis+sentinel".into();
    Error::Incompatible { what: "server", found: "a sentinel".into(), wanted }
}

/// It was asked as a sentinel, and is none.
pub(crate) fn no_sentinel() -> Error {
    Error::Incompatible { what: "sentinel", found: "another kind of server".into(), wanted: "a sentinel".into() }
}

/// Nobody knows where the primary is.
pub(crate) fn no_sentinel_answers() -> Error {
    let source = Some(Source::new("no sentinel answers"));
    Error::Unavailable { outcome: Outcome::NotApplied, source }
}

/// What a sentinel answers to the question where the primary is.
pub(crate) fn of_sentinel(error: &ServerError) -> Error {
    match cause(error.code(), error.details().unwrap_or_default()) {
        "UNKNOWN" => no_sentinel(),
        _ => of_server(error),
    }
}

/// The code that tells what happened. Redis 6.2 wraps what failed inside a script into `ERR`, and some causes have only a text.
fn cause<'e>(code: &'e str, text: &str) -> &'e str {
    if code != "ERR" {
        return code;
    }
    const INSIDE: [&str; 6] = ["OOM", "WRONGTYPE", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM"];
    let inside = |code: &&&str| text.contains(&format!(": -{code} ")) || text.contains(&format!(": {code} "));
    if let Some(code) = INSIDE.iter().find(inside) {
        return code;
    }
    match text {
        text if text.starts_with("max number of clients") => "MAXCLIENTS",
        // There is a code for this only outside of scripts. Redis 7.0 says the one, newer ones and Valkey the other.
        text if text.contains("The user executing the script can't") => "NOPERM",
        text if text.starts_with("ACL failure in script") => "NOPERM",
        text if text.starts_with("unknown command") => "UNKNOWN",
        text if text.starts_with("DB index is out of range") => "DB",
        text if text.starts_with("Errors trying to SHUTDOWN") => "SHUTDOWN",
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(line: &str) -> Error {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        match value {
            redis::Value::ServerError(error) => of_server(&error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cause_has_the_error_of_the_contract() {
        for loading in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write",
            "BUSY Redis is busy",
            "NOSCRIPT No matching script. Please use EVAL.",
        ] {
            assert!(matches!(server(loading), Error::Unavailable { outcome: Outcome::NotApplied, .. }), "{loading}");
        }
        let old = "ERR Error running script (call to f_12): @user_script:7: -OOM command not allowed when used memory";
        for full in ["OOM command not allowed when used memory > 'maxmemory'.", old] {
            assert!(matches!(server(full), Error::Exhausted { what: "memory", .. }), "{full}");
        }
        assert!(matches!(server("ERR max number of clients reached"), Error::Exhausted { what: "connections", .. }));
        let inside =
            "ERR The user executing the script can't publish to the channel mentioned in the command script: 0bb8";
        for refused in
            [inside, "NOPERM this user has no permissions", "NOAUTH Authentication required.", "WRONGPASS invalid"]
        {
            assert!(matches!(server(refused), Error::Unauthorized { .. }), "{refused}");
        }
        assert!(matches!(server("WRONGTYPE Operation against a key"), Error::Decode { .. }));
        assert!(matches!(server("ERR unknown command `HELLO`"), Error::Incompatible { .. }));
    }

    #[test]
    fn no_text_of_a_server_shows() {
        let error = server("ERR something about a secret value");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        let error = server("secret");
        assert!(
            matches!(error, Error::Backend { .. }) && !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }

    #[test]
    fn an_error_after_a_lost_reply_never_says_that_nothing_was_applied() {
        for line in ["OOM command not allowed", "NOPERM no", "READONLY no", "WRONGTYPE no"] {
            assert_eq!(with_outcome(server(line), UNKNOWN).outcome(), UNKNOWN, "{line}");
        }
    }
}
