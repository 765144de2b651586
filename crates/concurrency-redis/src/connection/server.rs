//! What a server says of itself when a connection is made.

use concurrency_core::{Error, Outcome, Result, Survives};
use redis::{Pipeline, Value, aio::MultiplexedConnection};

use crate::error;

/// The oldest version that will do: `SET` with `PXAT` is as old as this.
const OLDEST: (u32, u32) = (6, 2);

/// What matters of a server. What it does not let us read is the weakest that it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// What acknowledged writes survive.
    pub(crate) survives: Survives,
    /// What it may drop when its memory is full.
    pub(crate) eviction: Eviction,
}

impl Server {
    /// Another one takes its place when it crashes, whatever it had written down: what it acknowledged and had not sent there
    /// yet is gone.
    pub(super) fn may_fail_over(&mut self) {
        self.survives = self.survives.min(Survives::Process);
    }
}

/// What a server may drop when its memory is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// Nothing: it refuses writes instead.
    Never,
    /// What has a lifetime.
    Passing,
    /// Anything; or it does not say.
    Anything,
}

/// Chooses the database, asks the server what it is, and proves that it runs scripts, and that they may tell this client things.
///
/// # Errors
/// `Unavailable` for one that is loading or read-only; `Incompatible` for one that is too old or a node of a cluster;
/// `Unauthorized` for a login that may not run scripts; `InvalidArgument` for a database that it has not.
pub(super) async fn ask(connection: &mut MultiplexedConnection, db: u16, inbox: &str) -> Result<Server> {
    let mut questions = Pipeline::new();
    questions.cmd("SELECT").arg(db);
    questions.cmd("PING");
    questions.cmd("EVAL").arg("redis.call('PUBLISH', ARGV[1], '') return redis.call('TIME')").arg(0).arg(inbox);
    questions.cmd("HELLO");
    questions.cmd("INFO");
    questions.cmd("CONFIG").arg("GET").arg("appendfsync");
    questions.cmd("CONFIG").arg("GET").arg("no-appendfsync-on-rewrite");
    let answers = connection.send_packed_commands(&questions, 0, questions.len()).await;
    let answers = answers.map_err(|error| error::of_driver(&error, Outcome::NotApplied))?;
    let Ok([select, ping, script, hello, info, fsync, no_fsync]) = <[Value; 7]>::try_from(answers) else {
        return Err(error::not_redis());
    };
    let facts = Facts { hello: pairs(&hello), info: text(&info) };
    facts.check()?;
    for must in [select, ping] {
        answered(&must)?;
    }
    answered(&script).map_err(|refused| match refused {
        Error::Unauthorized { .. } => Error::Unauthorized { what: "running a script" },
        refused => refused,
    })?;
    let always = value(&pairs(&fsync), "appendfsync") == Some("always");
    let always = always && value(&pairs(&no_fsync), "no-appendfsync-on-rewrite") == Some("no");
    Ok(Server { survives: facts.survives(always), eviction: facts.eviction() })
}

/// Whether the server says of itself that it is a primary, in its answer to `HELLO`; one that does not say is taken for one.
///
/// # Errors
/// `Unavailable` for a replica.
pub(super) fn check_role(hello: &Value) -> Result<()> {
    answered(hello)?;
    is_primary(value(&pairs(hello), "role"))
}

fn is_primary(role: Option<&str>) -> Result<()> {
    match role {
        Some(role) if role != "master" => Err(error::unavailable(Outcome::NotApplied)),
        _ => Ok(()),
    }
}

fn answered(value: &Value) -> Result<()> {
    match value {
        Value::ServerError(refused) => Err(error::of_server(refused)),
        _ => Ok(()),
    }
}

struct Facts<'a> {
    hello: Vec<(&'a str, &'a str)>,
    info: &'a str,
}

impl Facts<'_> {
    /// A line of `INFO`.
    fn line(&self, name: &str) -> Option<&str> {
        self.info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    fn check(&self) -> Result<()> {
        let version = value(&self.hello, "version").or_else(|| self.line("redis_version"));
        let numbers: Option<Vec<u32>> =
            version.map(|version| version.split('.').map_while(|n| n.parse().ok()).collect());
        if let (Some(version), Some([major, minor, ..])) = (version, numbers.as_deref())
            && (*major, *minor) < OLDEST
        {
            return Err(error::too_old(version));
        }
        match value(&self.hello, "mode").or_else(|| self.line("redis_mode")) {
            None | Some("standalone") => {}
            Some("sentinel") => return Err(error::a_sentinel()),
            Some(_) => return Err(error::cluster()),
        }
        is_primary(value(&self.hello, "role").or_else(|| self.line("role")))
    }

    /// `always`: it synchronises its log before it answers, also while it rewrites it.
    fn survives(&self, always: bool) -> Survives {
        let logs = self.line("aof_enabled") == Some("1");
        match self.eviction() {
            Eviction::Anything => Survives::Nothing,
            _ if logs && always => Survives::Crash,
            _ => Survives::Process,
        }
    }

    fn eviction(&self) -> Eviction {
        match self.line("maxmemory_policy") {
            Some("noeviction") => Eviction::Never,
            Some(policy) if policy.starts_with("volatile-") => Eviction::Passing,
            _ => Eviction::Anything,
        }
    }
}

fn value<'a>(pairs: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}

fn pairs(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(key, value)| (text(key), text(value))).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &str) -> Facts<'_> {
        Facts { hello: Vec::new(), info }
    }

    #[test]
    fn what_cannot_be_read_is_the_weakest() {
        assert_eq!(facts("").eviction(), Eviction::Anything);
        assert_eq!(facts("").survives(true), Survives::Nothing);
        let careful = "aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(facts(careful).survives(true), Survives::Crash);
        assert_eq!(facts(careful).survives(false), Survives::Process);
        assert_eq!(facts("maxmemory_policy:noeviction\n").survives(true), Survives::Process);
        assert_eq!(facts("maxmemory_policy:volatile-lru\n").eviction(), Eviction::Passing);
        assert_eq!(facts("maxmemory_policy:allkeys-lru\n").eviction(), Eviction::Anything);
    }

    #[test]
    fn a_server_that_cannot_do_it_is_refused() {
        assert!(facts("redis_version:6.2.0\nredis_mode:standalone\nrole:master").check().is_ok());
        assert!(facts("").check().is_ok());
        let old = facts("redis_version:6.0.16\nrole:master").check();
        assert!(matches!(old, Err(Error::Incompatible { .. })), "{old:?}");
        for mode in ["cluster", "sentinel"] {
            let info = format!("redis_mode:{mode}");
            assert!(matches!(facts(&info).check(), Err(Error::Incompatible { .. })), "{mode}");
        }
        assert!(matches!(facts("role:slave").check(), Err(Error::Unavailable { .. })));
    }
}
