//! A running server.

use std::{env, fmt, thread, time::Duration};

#[cfg(feature = "containers")]
use crate::container::Container;
use crate::{
    Kind, Setup, Unavailable, Via,
    local::{Local, Role},
    probe::{Identity, Probe},
};

/// How long a server may take to start, or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// What a restart finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// What the server had written.
    Kept,
    /// Nothing.
    Lost,
}

/// A server that runs for whoever holds this; it ends, and its data with it, when this is dropped. One [by
/// URL](Via::Url) is somebody else's, and is left as it is.
pub struct Server {
    kind: Kind,
    via: Via,
    url: String,
    version: Option<String>,
    place: Place,
}

/// Where it runs.
enum Place {
    Local(Local),
    #[cfg(feature = "containers")]
    Container(Box<Container>),
    Elsewhere,
}

impl Server {
    /// A server of this kind, which answers when this returns. Without `via`: the way that the environment names in
    /// [`VIA`](crate::VIA), else a container where an engine answers, else a program of this machine.
    ///
    /// Of a server by URL the setup is whatever it is.
    ///
    /// # Errors
    /// Why there is none, and how to get it.
    pub fn start(kind: Kind, via: Option<Via>, setup: &Setup) -> Result<Self, Unavailable> {
        let mut refused: Option<Unavailable> = None;
        for way in Via::ways(via)? {
            match Self::by(kind, way, setup) {
                Ok(server) => return Ok(server),
                Err(why) => refused = Some(refused.map_or(why.clone(), |before| before.and(why))),
            }
        }
        Err(refused.unwrap_or_else(|| Unavailable::new("there is no way to it")))
    }

    fn by(kind: Kind, via: Via, setup: &Setup) -> Result<Self, Unavailable> {
        let (place, url, identity) = match via {
            Via::Local => {
                let (local, identity) = Local::start(kind, Role::Server(setup.clone()))?;
                let url = local.url();
                (Place::Local(local), url, identity)
            }
            Via::Containers => Self::contained(kind, setup)?,
            Via::Url => elsewhere(kind)?,
        };
        Ok(Self { kind, via, url, version: identity.version, place })
    }

    #[cfg(feature = "containers")]
    fn contained(kind: Kind, setup: &Setup) -> Result<(Place, String, Identity), Unavailable> {
        let (container, identity) = Container::start(kind, setup)?;
        let url = container.url();
        Ok((Place::Container(Box::new(container)), url, identity))
    }

    #[cfg(not(feature = "containers"))]
    fn contained(_: Kind, _: &Setup) -> Result<(Place, String, Identity), Unavailable> {
        Err(no_containers())
    }

    /// What kind it is of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How it was had.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.via
    }

    /// Where it answers, like `redis://127.0.0.1:40001`: the same after a restart. It may hold a password if it came by
    /// URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its own version, like `7.0.15`; `None` where it does not tell without a password or a certificate.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What it has said so far; empty for one by URL.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.place {
            Place::Local(local) => local.log(),
            #[cfg(feature = "containers")]
            Place::Container(container) => container.log(),
            Place::Elsewhere => String::new(),
        }
    }

    /// Ends it in its own way, as an administrator would.
    ///
    /// # Errors
    /// If the system refuses; it is killed then. One by URL is left as it is, without an error.
    pub fn stop(self) -> Result<(), Unavailable> {
        match self.place {
            Place::Local(local) => local.stop(),
            #[cfg(feature = "containers")]
            Place::Container(container) => container.stop(),
            Place::Elsewhere => Ok(()),
        }
    }

    /// Kills it, as a crash would. Nothing happens if it does not run.
    ///
    /// # Errors
    /// If it is somebody else's, or the system refuses.
    pub fn kill(&mut self) -> Result<(), Unavailable> {
        match &mut self.place {
            Place::Local(local) => local.kill(),
            #[cfg(feature = "containers")]
            Place::Container(container) => container.kill(),
            Place::Elsewhere => Err(not_ours()),
        }
    }

    /// Starts it again at the same URL, and returns when it answers; kills it first if it runs. What it finds of its
    /// data is what its [`Setup`] had it write.
    ///
    /// # Errors
    /// If it is somebody else's, or does not start.
    pub fn restart(&mut self, data: Data) -> Result<(), Unavailable> {
        match &mut self.place {
            Place::Local(local) => local.restart(data).map(drop),
            #[cfg(feature = "containers")]
            Place::Container(container) => container.restart(data).map(drop),
            Place::Elsewhere => Err(not_ours()),
        }
    }

    /// Stops it in its tracks (`SIGSTOP`): connections stay, and nothing answers.
    ///
    /// # Errors
    /// If it is somebody else's, or does not run.
    pub fn freeze(&mut self) -> Result<(), Unavailable> {
        self.set_frozen(true)
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    /// If it is somebody else's, or does not run.
    pub fn thaw(&mut self) -> Result<(), Unavailable> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), Unavailable> {
        match &self.place {
            Place::Local(local) => local.freeze(frozen),
            #[cfg(feature = "containers")]
            Place::Container(container) => container.freeze(frozen),
            Place::Elsewhere => Err(not_ours()),
        }
    }
}

/// What ran, for people: `redis 7.0.15 (local, /usr/bin/redis-server)`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.kind, self.version().unwrap_or("of an unknown version"))?;
        match &self.place {
            Place::Local(local) => write!(f, "(local, {})", local.program().display()),
            #[cfg(feature = "containers")]
            Place::Container(container) => write!(f, "(container, {})", container.image()),
            Place::Elsewhere => write!(f, "(by {})", self.kind.url_variable()),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("kind", &self.kind).field("via", &self.via).finish_non_exhaustive()
    }
}

#[cfg(not(feature = "containers"))]
pub(crate) fn no_containers() -> Unavailable {
    let missing = Unavailable::new("this program was built without containers");
    missing.or("its package `servers` has the feature `containers`")
}

pub(crate) fn not_ours() -> Unavailable {
    Unavailable::new("it is somebody else's, and is left alone").or("--via local, or containers")
}

/// The server that the environment names.
fn elsewhere(kind: Kind) -> Result<(Place, String, Identity), Unavailable> {
    let variable = kind.url_variable();
    let url = env::var(&variable).ok().filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| Unavailable::new(format!("{variable} is not set")))?;
    match (kind.row().probe)(&url) {
        Probe::Serves(identity) => Ok((Place::Elsewhere, url, identity)),
        Probe::Not(why) => Err(Unavailable::new(format!("the server that {variable} names does not serve: {why}"))),
    }
}

/// What `look` comes to see, unless it takes longer than about so long.
pub(crate) fn patiently<T>(at_most: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let looks = at_most.as_millis() / PAUSE.as_millis();
    for _ in 0..looks {
        if let Some(seen) = look() {
            return Some(seen);
        }
        thread::sleep(PAUSE);
    }
    look()
}
