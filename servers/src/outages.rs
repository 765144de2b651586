//! What can befall sets of servers, for those who work on them meanwhile.

use concurrency_conformance::fault::outage::{Blow, Servers};

use crate::{Data, Sentinels, Unavailable};

/// An administrator makes another server the primary.
const TOLD: Blow = Blow { name: "told", takes_back: false };
/// The primary is killed.
const KILLED: Blow = Blow { name: "killed", takes_back: false };
/// It is killed after its replicas got nothing from it any more.
const CUT_OFF: Blow = Blow { name: "cut off and killed", takes_back: true };
/// It stands still for as long as it takes to make another one the primary, and goes on then as if nothing had happened.
const FROZEN: Blow = Blow { name: "frozen", takes_back: false };

/// A set with sentinels, whose primary is struck.
#[derive(Debug)]
pub struct SentinelOutages {
    set: Sentinels,
    /// The primary that the last blow is for.
    primary: usize,
}

impl SentinelOutages {
    /// Of a set that is whole.
    #[must_use]
    pub const fn new(set: Sentinels) -> Self {
        Self { set, primary: 0 }
    }

    /// The set.
    #[must_use]
    pub const fn set(&self) -> &Sentinels {
        &self.set
    }

    fn try_prepare(&mut self, blow: Blow) -> Result<(), Unavailable> {
        self.primary = self.set.primary()?;
        if blow == CUT_OFF { self.set.cut_off_replicas(self.primary) } else { Ok(()) }
    }

    fn try_strike(&mut self, blow: Blow) -> Result<(), Unavailable> {
        let Self { set, primary } = self;
        if blow == TOLD {
            return set.fail_over();
        }
        if blow == FROZEN {
            set.set_frozen(*primary, true)?;
            set.until_replaced(*primary)?;
            return set.set_frozen(*primary, false);
        }
        set.kill(*primary)?;
        set.until_replaced(*primary)
    }

    fn try_mend(&mut self, blow: Blow) -> Result<(), Unavailable> {
        if blow == KILLED || blow == CUT_OFF {
            self.set.restart(self.primary, Data::Kept)?;
        }
        self.set.until_whole()
    }
}

impl Servers for SentinelOutages {
    fn blows(&self) -> &'static [Blow] {
        &[TOLD, KILLED, CUT_OFF, FROZEN]
    }

    fn prepare(&mut self, blow: &Blow) -> Result<(), String> {
        self.try_prepare(*blow).map_err(|why| why.to_string())
    }

    fn strike(&mut self, blow: &Blow) -> Result<(), String> {
        self.try_strike(*blow).map_err(|why| why.to_string())
    }

    fn mend(&mut self, blow: &Blow) -> Result<(), String> {
        self.try_mend(*blow).map_err(|why| why.to_string())
    }
}
