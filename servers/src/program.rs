//! A program of a set of servers, wherever it runs: the others reach it where clients do, at a port of this machine alone.

#[cfg(feature = "containers")]
use crate::container::Container;
use crate::{
    Data, Kind, Unavailable, Via,
    local::{Local, Role},
    probe::Identity,
    server::not_ours,
};

/// A program that runs, or did.
#[derive(Debug)]
pub(crate) enum Program {
    Local(Local),
    #[cfg(feature = "containers")]
    Container(Box<Container>),
}

impl Program {
    /// Starts one on a free port.
    pub(crate) fn start(kind: Kind, via: Via, role: Role) -> Result<(Self, Identity), Unavailable> {
        match via {
            Via::Local => Local::start(kind, role).map(|(local, identity)| (Self::Local(local), identity)),
            Via::Containers => Self::contained(kind, role),
            Via::Url => Err(not_ours()),
        }
    }

    #[cfg(feature = "containers")]
    fn contained(kind: Kind, role: Role) -> Result<(Self, Identity), Unavailable> {
        let (container, identity) = Container::start_beside_others(kind, role)?;
        Ok((Self::Container(Box::new(container)), identity))
    }

    #[cfg(not(feature = "containers"))]
    fn contained(_: Kind, _: Role) -> Result<(Self, Identity), Unavailable> {
        Err(crate::server::no_containers())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Local(local) => local.url(),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.url(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Local(local) => local.port(),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.port(),
        }
    }

    /// Where it runs, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Local(_) => "local".to_owned(),
            #[cfg(feature = "containers")]
            Self::Container(container) => format!("containers of {}", container.image()),
        }
    }

    /// Kills it; nothing happens if it has ended already.
    pub(crate) fn kill(&mut self) -> Result<(), Unavailable> {
        match self {
            Self::Local(local) => local.kill(),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.kill(),
        }
    }

    /// Starts it again at its port; kills it first if it runs.
    pub(crate) fn restart(&mut self, data: Data) -> Result<(), Unavailable> {
        match self {
            Self::Local(local) => local.restart(data).map(drop),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.restart(data).map(drop),
        }
    }

    /// Stops it in its tracks, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), Unavailable> {
        match self {
            Self::Local(local) => local.freeze(frozen),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.freeze(frozen),
        }
    }
}
