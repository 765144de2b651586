//! A primary, its replicas, and the sentinels that make one of those the primary when it is gone.

mod file;

use std::{env, fmt, time::Duration};

use crate::{
    Data, Kind, Setup, Unavailable, Via,
    local::Role,
    program::Program,
    resp::{Answer, Connection, Target},
    server::{not_ours, patiently},
};

pub(crate) use self::file::arguments;
#[cfg(feature = "containers")]
pub(crate) use self::file::configuration;

const REPLICAS: usize = 2;
const SENTINELS: usize = 3;
/// So many sentinels have to agree that a primary is gone.
const QUORUM: usize = 2;
/// A server that does not answer for so many milliseconds is taken for gone: none that is merely busy.
const DOWN_AFTER: u32 = 30_000;
/// As little as that where the test is about servers that are gone; for each sentinel another time. Those who notice at once vote
/// for themselves, and then nobody is elected for six seconds, or one after the other, and two failovers cross each other.
const SOON: [u32; SENTINELS] = [1000, 1300, 1600];
/// How long it may take until they have agreed: several elections may come to nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a failover may take, in milliseconds; twice this passes before the same one is tried again.
const FAILOVER_TIMEOUT: u32 = 3000;
/// How often sentinels look and tell each other, and how long they do nothing after they have stood still themselves, in
/// milliseconds: so that what takes ten seconds elsewhere takes one. A server that does not know the command (those before 7.0)
/// keeps to its own. How often they ping stays as it is: five times that is how old news of a replica may be that is to be chosen.
const PERIODS: &[&str] =
    &["SENTINEL", "DEBUG", "INFO-PERIOD", "500", "PUBLISH-PERIOD", "200", "ASK-PERIOD", "100", "TILT-PERIOD", "1000"];

/// One primary, two replicas and three sentinels: programs of this machine or containers on free ports of it, which end with this. A
/// set [by URL](Via::Url) is somebody else's, and is left as it is.
pub struct Sentinels {
    kind: Kind,
    url: String,
    version: Option<String>,
    /// Empty where they are somebody else's.
    servers: Vec<Program>,
    sentinels: Vec<Program>,
}

impl Sentinels {
    /// What the sentinels call the primary.
    pub const NAME: &'static str = "main";

    /// A set that is whole when this returns: every sentinel knows both replicas and the other sentinels. The setup is that
    /// of the servers. A server is taken for gone after 30 seconds, unless the set is told to [be
    /// impatient](Self::be_impatient). Without `via` as [`Server::start`](crate::Server::start); containers share the network
    /// of this machine.
    ///
    /// # Errors
    /// Why there is none, and how to get it.
    pub fn start(kind: Kind, via: Option<Via>, setup: &Setup) -> Result<Self, Unavailable> {
        let mut refused: Option<Unavailable> = None;
        for way in Via::ways(via)? {
            let set = match way {
                Via::Local | Via::Containers => Self::by(kind, way, setup),
                Via::Url => Self::elsewhere(kind),
            };
            match set {
                Ok(set) => return Ok(set),
                Err(why) => refused = Some(refused.map_or(why.clone(), |before| before.and(why))),
            }
        }
        Err(refused.unwrap_or_else(|| Unavailable::new("there is no way to it")))
    }

    fn by(kind: Kind, via: Via, setup: &Setup) -> Result<Self, Unavailable> {
        // A replica gets its primary's data at once, and not after a pause in which others might want them, too.
        let setup = setup.clone().option("repl-diskless-sync-delay", ["0"]);
        let (primary, identity) = Program::start(kind, via, Role::Server(setup.clone()))?;
        let port = primary.port();
        let mut servers = vec![primary];
        let setup = setup.option("replicaof", ["127.0.0.1", &port.to_string()]);
        for _ in 0..REPLICAS {
            servers.push(Program::start(kind, via, Role::Server(setup.clone()))?.0);
        }
        let mut set = Self { kind, url: String::new(), version: identity.version, servers, sentinels: Vec::new() };
        // What a sentinel sees when it looks first, it knows at once.
        set.becomes("both replicas follow", |set| set.is_followed(&set.servers[0]))?;
        let name = Self::NAME;
        let lines = format!(
            "sentinel monitor {name} 127.0.0.1 {port} {QUORUM}\nsentinel down-after-milliseconds {name} {DOWN_AFTER}\n\
             sentinel failover-timeout {name} {FAILOVER_TIMEOUT}\nsentinel parallel-syncs {name} {REPLICAS}\n"
        );
        for _ in 0..SENTINELS {
            let (sentinel, _) = Program::start(kind, via, Role::Sentinel(lines.clone()))?;
            set.sentinels.push(sentinel);
        }
        let places: Vec<_> = set.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
        set.url = format!("{}+sentinel://{}/{name}", kind.row().scheme, places.join(","));
        set.hurry();
        set.until_whole()?;
        Ok(set)
    }

    fn elsewhere(kind: Kind) -> Result<Self, Unavailable> {
        let variable = Self::url_variable(kind);
        let url = env::var(&variable).ok().filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| Unavailable::new(format!("{variable} is not set")))?;
        Ok(Self { kind, url, version: None, servers: Vec::new(), sentinels: Vec::new() })
    }

    /// The environment variable that names a set for `--via url`.
    #[must_use]
    pub fn url_variable(kind: Kind) -> String {
        format!("CONCURRENCY_{}_SENTINEL_URL", kind.name().to_ascii_uppercase())
    }

    /// Where the sentinels answer, like `redis+sentinel://127.0.0.1:40001,127.0.0.1:40002/main`: the same whatever happens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server of this number answers, like `redis://127.0.0.1:40001`. They are numbered from 0, the first primary.
    ///
    /// # Panics
    /// If there is no such server.
    #[must_use]
    pub fn server_url(&self, server: usize) -> String {
        self.servers[server].url()
    }

    /// The number of the server that the sentinels call the primary, as soon as all that run agree on one.
    ///
    /// # Errors
    /// If they are somebody else's, or do not come to agree.
    pub fn primary(&self) -> Result<usize, Unavailable> {
        if self.servers.is_empty() {
            return Err(not_ours());
        }
        let agreed = patiently(PATIENCE, || self.agreed());
        agreed.ok_or_else(|| self.failed("the sentinels do not agree on a primary"))
    }

    /// The server that all sentinels that answer call the primary.
    fn agreed(&self) -> Option<usize> {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME];
        let named = self.sentinels.iter().filter_map(|one| self.ask(&one.url(), &question).ok());
        let mut named = named.map(|answer| match answer {
            Answer::Many(parts) => parts.last().and_then(|port| port.text().parse().ok()),
            _ => None,
        });
        let first: u16 = named.next()??;
        if named.any(|port| port != Some(first)) {
            return None;
        }
        self.servers.iter().position(|server| server.port() == first)
    }

    /// Makes a replica the primary, as an administrator would, and returns when all sentinels call it so.
    ///
    /// # Errors
    /// If they are somebody else's, or it does not come about.
    pub fn fail_over(&mut self) -> Result<(), Unavailable> {
        let before = self.primary()?;
        let words = ["SENTINEL", "FAILOVER", Self::NAME];
        // Refused while another one is under way, or no replica will do yet.
        self.becomes("a failover begins", |set| set.ask(&set.sentinels[0].url(), &words).is_ok())?;
        self.becomes("another server is the primary", |set| set.calls_another_primary(before))
    }

    /// Whether all sentinels that answer call another server than this one the primary.
    fn calls_another_primary(&self, before: usize) -> bool {
        self.agreed().is_some_and(|now| now != before)
    }

    /// Waits until every sentinel sees a primary, both replicas in step with it and the other sentinels, so that all can
    /// happen again.
    ///
    /// # Errors
    /// If that does not come about.
    pub fn until_whole(&self) -> Result<(), Unavailable> {
        self.becomes("the set is whole", Self::is_whole)
    }

    fn is_whole(&self) -> bool {
        let sees_all = |one: &Program| {
            let master = fields(self.ask(&one.url(), &["SENTINEL", "MASTER", Self::NAME]).ok());
            let has = |name: &str, value: &str| master.iter().any(|(n, v)| n == name && v == value);
            let replicas = match self.ask(&one.url(), &["SENTINEL", "REPLICAS", Self::NAME]) {
                Ok(Answer::Many(replicas)) => replicas,
                _ => return false,
            };
            let in_step = replicas.into_iter().map(|replica| fields(Some(replica))).filter(|replica| {
                let has = |name: &str, value: &str| replica.iter().any(|(n, v)| n == name && v == value);
                has("flags", "slave") && has("master-link-status", "ok")
            });
            has("flags", "master")
                && has("num-other-sentinels", &(SENTINELS - 1).to_string())
                && in_step.count() == REPLICAS
        };
        let Some(primary) = self.agreed() else { return false };
        // What the servers say themselves is newer than what the sentinels last heard.
        self.is_followed(&self.servers[primary]) && self.sentinels.iter().all(sees_all)
    }

    /// Both replicas have all that this server had written when it was asked.
    fn is_followed(&self, primary: &Program) -> bool {
        // A connection waits for what had been written when it said something last: a new one for nothing. And a replica that
        // has just loaded its primary's data counts before anything else is sent to it, which is when it first says where it is:
        // within a second.
        let ask = |target: &Target| {
            let mut server = Connection::open(target)?;
            server.call(&["PING"])?;
            server.call(&["WAIT", &REPLICAS.to_string(), "200"])
        };
        Target::parse(&primary.url()).and_then(|target| ask(&target).ok()) == Some(number(REPLICAS))
    }

    /// From now on replicas of this server get nothing from it, although it serves, and acknowledges what nobody else has: as
    /// where the network between them is cut. Until it is restarted.
    ///
    /// # Errors
    /// If it does not answer.
    ///
    /// # Panics
    /// If there is no such server.
    pub fn cut_off_replicas(&self, server: usize) -> Result<(), Unavailable> {
        let url = self.servers[server].url();
        for words in [&["ACL", "SETUSER", "default", "-psync", "-sync"][..], &["CLIENT", "KILL", "TYPE", "replica"]] {
            self.ask(&url, words).map_err(|why| self.failed(&why))?;
        }
        Ok(())
    }

    /// Kills a server, as a crash would. Nothing happens if it does not run.
    ///
    /// # Errors
    /// If the system refuses.
    ///
    /// # Panics
    /// If there is no such server, as where they are somebody else's.
    pub fn kill(&mut self, server: usize) -> Result<(), Unavailable> {
        self.servers[server].kill()
    }

    /// Starts a server again where it was; kills it first if it runs. One that was the primary takes itself for that until
    /// the sentinels tell it otherwise.
    ///
    /// # Errors
    /// If it does not start.
    ///
    /// # Panics
    /// As [`kill`](Self::kill).
    pub fn restart(&mut self, server: usize, data: Data) -> Result<(), Unavailable> {
        self.servers[server].restart(data)
    }

    /// Stops a server in its tracks (`SIGSTOP`), or lets it go on.
    ///
    /// # Errors
    /// If it does not run.
    ///
    /// # Panics
    /// As [`kill`](Self::kill).
    pub fn set_frozen(&self, server: usize, frozen: bool) -> Result<(), Unavailable> {
        self.servers[server].freeze(frozen)
    }

    /// From now on a server that does not answer for one to two seconds is taken for gone, when two sentinels say so. One that is
    /// merely busy may be, too.
    ///
    /// # Errors
    /// If they are somebody else's, or do not answer.
    pub fn be_impatient(&self) -> Result<(), Unavailable> {
        self.take_for_gone_after(SOON)
    }

    /// For each sentinel, in milliseconds.
    fn take_for_gone_after(&self, times: [u32; SENTINELS]) -> Result<(), Unavailable> {
        let tell = |set: &Self, one: &Program, after: u32| {
            let words = ["SENTINEL", "SET", Self::NAME, "DOWN-AFTER-MILLISECONDS", &after.to_string()];
            set.ask(&one.url(), &words).is_ok()
        };
        self.becomes("they are told", |set| set.sentinels.iter().zip(times).all(|(one, after)| tell(set, one, after)))
    }

    /// Waits until the sentinels call another server the primary than this one, which is gone. They are
    /// [impatient](Self::be_impatient) no longer than that, so that a busy machine does not fail over again.
    ///
    /// # Errors
    /// If that does not come about.
    pub fn until_replaced(&self, server: usize) -> Result<(), Unavailable> {
        // For so many seconds a replica may have been cut off that is chosen: ten times what the most impatient one waits.
        let mut room = 0;
        self.becomes("another server is the primary", |set| {
            let cut_off = set.cut_off(server);
            if cut_off.saturating_mul(2) >= room {
                let times = SOON.map(|soon| soon.saturating_add(cut_off.saturating_mul(200)));
                room = if set.take_for_gone_after(times).is_ok() { times[0] / 100 } else { 0 };
            }
            set.calls_another_primary(server)
        })?;
        self.take_for_gone_after([DOWN_AFTER; SENTINELS])
    }

    /// For how many seconds a replica has heard nothing of its primary, which is gone; none where all are in step.
    fn cut_off(&self, gone: usize) -> u32 {
        let others = self.servers.iter().enumerate().filter(|(number, _)| *number != gone);
        let said =
            others.filter_map(|(_, one)| self.ask(&one.url(), &["INFO", "replication"]).ok()).map(|info| info.text());
        let line = |said: String| {
            let since = said.lines().find_map(|line| line.strip_prefix("master_link_down_since_seconds:"));
            since.and_then(|seconds| seconds.trim().parse().ok())
        };
        said.filter_map(line).max().unwrap_or_default()
    }

    /// Kills all sentinels.
    ///
    /// # Errors
    /// If they are somebody else's, or the system refuses.
    pub fn kill_sentinels(&mut self) -> Result<(), Unavailable> {
        if self.sentinels.is_empty() {
            return Err(not_ours());
        }
        self.sentinels.iter_mut().try_for_each(Program::kill)
    }

    /// Starts all sentinels again, with what they knew.
    ///
    /// # Errors
    /// If they are somebody else's, or one does not start.
    pub fn restart_sentinels(&mut self) -> Result<(), Unavailable> {
        if self.sentinels.is_empty() {
            return Err(not_ours());
        }
        self.sentinels.iter_mut().try_for_each(|one| one.restart(Data::Kept))?;
        self.hurry();
        Ok(())
    }

    /// Has the sentinels look more often; one that cannot looks as often as it does.
    fn hurry(&self) {
        for one in &self.sentinels {
            drop(self.ask(&one.url(), PERIODS));
        }
    }

    /// The answer to a command, or why there is none.
    fn ask(&self, url: &str, words: &[&str]) -> Result<Answer, String> {
        let target = Target::parse(url).ok_or("its URL is not one of Redis")?;
        Connection::open(&target).and_then(|mut server| server.call(words)).map_err(|error| error.to_string())
    }

    fn becomes(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Result<(), Unavailable> {
        if self.servers.is_empty() {
            return Err(not_ours());
        }
        let seen = patiently(PATIENCE, || is_so(self).then_some(()));
        seen.ok_or_else(|| self.failed(&format!("not within {PATIENCE:?}: {what}")))
    }

    fn failed(&self, why: &str) -> Unavailable {
        Unavailable::new(format!("{}-sentinel: {why}", self.kind))
    }
}

/// What ran, for people: `redis-sentinel 7.0.15 (local, 3 servers and 3 sentinels)`.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-sentinel {} ", self.kind, self.version.as_deref().unwrap_or("of an unknown version"))?;
        match (self.servers.len(), self.sentinels.len()) {
            (0, 0) => write!(f, "(by {})", Self::url_variable(self.kind)),
            (servers, sentinels) => {
                let place = self.servers[0].place();
                write!(f, "({place}, {servers} servers and {sentinels} sentinels)")
            }
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinels").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn number(number: usize) -> Answer {
    Answer::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An answer of names and values by turns.
fn fields(answer: Option<Answer>) -> Vec<(String, String)> {
    let Some(Answer::Many(words)) = answer else { return Vec::new() };
    let words: Vec<_> = words.iter().map(Answer::text).collect();
    words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}
