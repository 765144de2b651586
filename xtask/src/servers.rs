//! Which servers a task is to run on, how they are had, and what is installed for that.

use servers::{Engine, Kind, Via};

use crate::{
    Problem, debian,
    engine::{self, Daemon},
    images,
};

/// What `--backend` and `--require` may name beside single servers.
const MORE: &[&str] = &["memory", "sqlite", "redis-sentinel"];

/// What the caller asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `--via`, in order.
    vias: Vec<Via>,
    /// `--require`, in order: a name, and the way that it is required by, if only by one.
    require: Vec<(Option<Via>, String)>,
}

impl Wanted {
    /// Takes a `--via`.
    pub(crate) fn via(&mut self, via: &str) -> Result<(), Problem> {
        let via = via.parse().map_err(|why| format!("--via: {why}"))?;
        if !self.vias.contains(&via) {
            self.vias.push(via);
        }
        Ok(())
    }

    /// Takes a `--require`: `NAME`, or `WAY:NAME`.
    pub(crate) fn require(&mut self, entry: &str) -> Result<(), Problem> {
        let (way, name) = entry.split_once(':').map_or((None, entry), |(way, name)| (Some(way), name));
        let way = way.map(str::parse).transpose().map_err(|why| format!("--require {entry}: {why}"))?;
        if name != "all" && !known().any(|known| known == name) {
            let known: Vec<_> = known().collect();
            return Err(format!("--require {name}: this version knows {}, and all", known.join(", ")));
        }
        self.require.push((way, name.to_owned()));
        Ok(())
    }

    /// What is required by a way that nobody goes could never be had.
    ///
    /// # Errors
    /// If there is such a thing.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        for (way, name) in &self.require {
            if let Some(way) = way.filter(|way| !self.vias.contains(way)) {
                return Err(format!("--require {way}:{name} needs --via {way}"));
            }
        }
        Ok(())
    }

    /// The arguments for `conformance`, once for each way. Backends without a server run the first time only.
    pub(crate) fn runs(&self) -> Vec<Vec<String>> {
        if self.vias.is_empty() {
            return vec![self.required_by(None)];
        }
        let mut runs = Vec::new();
        for via in &self.vias {
            let mut arguments = vec!["--via".to_owned(), via.to_string()];
            if !runs.is_empty() {
                let servers = Kind::ALL.iter().flat_map(|kind| ["--backend".to_owned(), kind.to_string()]);
                arguments.extend(servers);
            }
            arguments.extend(self.required_by(Some(*via)));
            runs.push(arguments);
        }
        runs
    }

    fn required_by(&self, via: Option<Via>) -> Vec<String> {
        let mine = self.require.iter().filter(|(way, _)| way.is_none() || *way == via);
        mine.flat_map(|(_, name)| ["--require".to_owned(), name.clone()]).collect()
    }

    /// What tests are told by their environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let entry = |(way, name): &(Option<Via>, String)| way.map_or(name.clone(), |way| format!("{way}:{name}"));
        let require: Vec<_> = self.require.iter().map(entry).collect();
        let via = self.vias.first().map(|via| (servers::VIA, via.to_string()));
        via.into_iter().chain([(servers::REQUIRE, require.join(","))]).collect()
    }

    /// Whether servers may be had this way.
    fn goes(&self, via: Via) -> bool {
        self.vias.is_empty() || self.vias.contains(&via)
    }
}

/// All that can be named.
fn known() -> impl Iterator<Item = &'static str> {
    MORE.iter().copied().chain(Kind::ALL.iter().map(|kind| kind.name()))
}

/// Installs what is missing for the ways that are wanted, and says what it could not. The engine that it had to start,
/// if any, is stopped with the result.
pub(crate) fn install(wanted: &Wanted) -> Option<Daemon> {
    let say = |what: Result<(), Problem>| what.unwrap_or_else(|why| println!("   not installed: {why}"));
    if wanted.goes(Via::Local) {
        let missing = Kind::ALL.iter().filter(|kind| !kind.is_installed());
        let packages: Vec<_> = missing.filter_map(|kind| kind.debian_package()).collect();
        if !packages.is_empty() {
            say(debian::install(&packages));
        }
    }
    if !wanted.goes(Via::Containers) {
        return None;
    }
    match engine::ensure(true) {
        Ok(daemon) => {
            let missing: Vec<_> = Kind::ALL.iter().copied().filter(|kind| Engine::image(*kind).is_err()).collect();
            say(images::build(&images::Options::missing(missing)));
            daemon
        }
        Err(why) => {
            say(Err(why));
            None
        }
    }
}

/// Where containers are asked for by name and the engine of this machine is not running: runs it meanwhile. Whoever
/// needs it says why it is not there.
pub(crate) fn engine_for(arguments: &[impl AsRef<std::ffi::OsStr>]) -> Option<Daemon> {
    let named = arguments.windows(2).any(|pair| pair[0].as_ref() == "--via" && pair[1].as_ref() == "containers");
    let named = named || arguments.iter().any(|argument| argument.as_ref() == "--via=containers");
    if named { engine::ensure(false).ok().flatten() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(vias: &[&str], require: &[&str]) -> Result<Wanted, Problem> {
        let mut wanted = Wanted::default();
        vias.iter().try_for_each(|via| wanted.via(via))?;
        require.iter().try_for_each(|name| wanted.require(name))?;
        wanted.check().map(|()| wanted)
    }

    #[test]
    fn only_what_exists_can_be_required() {
        assert_eq!(wanted(&[], &["memory", "all"]).unwrap().runs(), [["--require", "memory", "--require", "all"]]);
        assert!(wanted(&[], &["etcd"]).unwrap_err().contains("memory, sqlite, redis"));
        assert!(wanted(&["telepathy"], &[]).is_err() && wanted(&[], &["telepathy:redis"]).is_err());
        assert!(wanted(&["local"], &["containers:redis"]).unwrap_err().contains("needs --via containers"));
    }

    #[test]
    fn every_way_is_a_run_and_what_needs_no_server_runs_once() {
        let wanted =
            wanted(&["local", "containers", "local"], &["sqlite", "local:redis", "containers:valkey"]).unwrap();
        let runs: Vec<_> = wanted.runs().iter().map(|run| run.join(" ")).collect();
        assert_eq!(
            runs,
            [
                "--via local --require sqlite --require redis",
                "--via containers --backend redis --backend valkey --require sqlite --require valkey"
            ]
        );
        let told = wanted.environment();
        assert_eq!(
            told,
            [
                ("CONCURRENCY_VIA", "local".to_owned()),
                ("CONCURRENCY_REQUIRE", "sqlite,local:redis,containers:valkey".to_owned())
            ]
        );
    }

    #[test]
    fn no_engine_is_started_that_nobody_asked_for() {
        assert!(engine_for(&["--backend", "redis"]).is_none() && engine_for(&["--via", "local"]).is_none());
    }
}
