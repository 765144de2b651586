//! The server of the run's own: killed once in the middle of the run, and started again with its data.

use std::{thread, time::Duration};

use servers::{Data, Kind, Server, Setup, Via};

use super::{Stopped, Supervisor};
use crate::{
    Problem,
    demo::{
        aims::Aims,
        incident::Kind as Mark,
        outage,
        process::Event,
        world::{Phase, State},
    },
};

/// The longest that it is away; a lease, unless that is longer.
const AWAY: Duration = Duration::from_secs(5);

/// The server, and what has become of it.
#[derive(Debug)]
pub(super) struct Own {
    kind: Kind,
    /// `None` while it is being started again.
    server: Option<Server>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Away { back_at: Duration },
    Returning,
    After,
}

impl Own {
    /// Starts a program of this machine whose every answer is on the disk.
    pub(super) fn start(kind: Kind) -> Result<Self, Problem> {
        let server = Server::start(kind, Some(Via::Local), &Setup::new().durable());
        let server = server.map_err(|why| format!("--own-server {kind}: {why}"))?;
        Ok(Self { kind, server: Some(server), stage: Stage::Before })
    }

    /// Where it answers, before and after.
    pub(super) fn url(&self) -> String {
        self.server.as_ref().map(|server| server.url().to_owned()).unwrap_or_default()
    }

    /// As the page shows it.
    pub(super) fn shown(&self) -> Option<outage::Own> {
        let server = self.server.as_ref()?;
        let (name, address) = (server.to_string(), server.url().to_owned());
        Some(outage::Own { name, address, state: State::Serving, back_at: None })
    }
}

impl Supervisor {
    /// Whether the backend can be reached, as far as the supervisor has a hand in that.
    pub(super) fn server_serves(&self) -> bool {
        self.own.as_ref().is_none_or(|own| matches!(own.stage, Stage::Before | Stage::After))
    }

    /// Kills the server when half of the orders are answered, and starts it again a lease later. Whether other faults
    /// have to wait: they are aimed at instances whose backend answers, and all of these are to see the server die.
    pub(super) fn look_after_the_server(&mut self) -> Result<bool, Stopped> {
        let now = self.world.now;
        let all = self.options.instances as usize;
        let is_due = self.world.phase == Phase::Ordering && self.world.done * 2 >= self.world.wanted;
        let rests = self.aims.as_ref().is_some_and(Aims::is_resting);
        let quiet = rests && self.by_hand.is_empty() && self.again.is_empty();
        let serve = self.world.in_state(State::Serving).len() == all;
        let away = self.options.lease.min(AWAY);
        let Some(own) = &mut self.own else { return Ok(false) };
        match own.stage {
            Stage::Before if is_due && quiet && serve => {
                let Some(server) = &mut own.server else { return Ok(false) };
                server.kill().map_err(|why| why.to_string())?;
                own.stage = Stage::Away { back_at: now + away };
                let text = format!("{} killed; it comes back with its data", own.kind);
                self.world.server_died(now + away);
                self.world.mark_server(Mark::Killed, text);
                Ok(true)
            }
            Stage::Before => Ok(is_due && rests),
            Stage::Away { back_at } if now >= back_at => {
                own.stage = Stage::Returning;
                if let Some(mut server) = own.server.take() {
                    let sender = self.sender.clone();
                    // It takes as long as its data are; meanwhile there are others to hear.
                    thread::spawn(move || {
                        let came = server.restart(Data::Kept).map_err(|why| why.to_string());
                        // If nobody listens any more, the server ends with this.
                        sender.send(Event::Returned { server: Box::new(server), came }).ok();
                    });
                }
                Ok(true)
            }
            Stage::Away { .. } | Stage::Returning => Ok(true),
            Stage::After => Ok(false),
        }
    }

    /// The server serves again, or cannot.
    pub(super) fn returned(&mut self, server: Server, came: Result<(), String>) -> Result<(), Stopped> {
        let now = self.world.now;
        let Some(own) = &mut self.own else { return Ok(()) };
        own.server = Some(server);
        own.stage = Stage::After;
        came.map_err(|why| format!("{} does not come back: {why}", own.kind))?;
        let kind = own.kind;
        self.last_fault = now;
        self.world.server_returned();
        let away = self.world.outage.as_ref().and_then(outage::Outage::length).unwrap_or_default();
        self.world.mark_server(Mark::Started, format!("{kind} serves again, after {:.1} s", away.as_secs_f64()));
        Ok(())
    }
}
