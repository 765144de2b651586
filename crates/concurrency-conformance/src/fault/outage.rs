//! Servers that are lost under load, and others that take their place.
//!
//! A failover may take back what was acknowledged, as far as the backend declares that. [`Load`] is tasks on all four components,
//! which know what they were told; [`fall`] lets one [`Blow`] fall on the [`Servers`] under them, sees to it that all go on afterwards, and
//! says in a [`Round`] how long nothing was had, and what was lost. Whatever else happens is a violation:
//!
//! - A state or a cache entry that nobody wrote, or whose write was refused; one that is older than what was acknowledged, where the
//!   backend declares that nothing is lost. What one failover took may come back with the next.
//! - A token that is not above those that were given out before; a holder that is taken for a later one by what it writes to.
//! - An event that is delivered out of order; one that was delivered and is lost, and nobody is told; a position that goes back, where the
//!   backend declares that the log does not.
//! - A call that ends otherwise than with an answer, `Unavailable` or `Timeout`; a task that does not go on.

mod load;
mod lock;
mod log;
mod progress;
mod values;

use std::{fmt, time::Duration};

pub use self::load::Load;

/// So many turns of each task have to succeed before and after a blow.
const TURNS: usize = 5;
/// How long a second holder is waited for, where there should be one.
const SECOND_HOLDER: Duration = Duration::from_secs(60);

/// What befalls servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blow {
    /// For people; one word or a few.
    pub name: &'static str,
    /// What is acknowledged once it is prepared is gone when it has fallen. Where nothing is, it has shown nothing.
    pub takes_back: bool,
}

/// Servers that can be struck. Steps block until they are done, which takes seconds: outside of the tasks of a runtime.
pub trait Servers {
    /// What can befall them, by turns.
    fn blows(&self) -> &'static [Blow];

    /// All works, and goes on to work: what has to be so before the blow.
    ///
    /// # Errors
    /// Why it does not come about, here and below.
    fn prepare(&mut self, blow: &Blow) -> Result<(), String>;

    /// The blow. Another server has taken the place of the one that it hit when this returns.
    ///
    /// # Errors
    /// As above.
    fn strike(&mut self, blow: &Blow) -> Result<(), String>;

    /// Whatever is not as it was is that again.
    ///
    /// # Errors
    /// As above.
    fn mend(&mut self, blow: &Blow) -> Result<(), String>;
}

/// What the tasks on one component saw while a blow fell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `state`, `cache`, `lock`, `append` or `follow`.
    pub what: &'static str,
    /// The longest time in which one of them had no success.
    pub without: Duration,
    /// Turns without an answer.
    pub unanswered: usize,
    /// What was acknowledged and is gone: values, events or leases.
    pub lost: usize,
}

/// What a blow came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Which one.
    pub blow: Blow,
    /// Of each component that the backend has.
    pub seen: Vec<Seen>,
    /// Whether the follower of the log had seen an event that is lost; it was told, then.
    pub told: bool,
    /// Leases that were granted while another one of the name was still good.
    pub held_twice: usize,
    /// Writes of holders that were refused by what they wrote to, because a later holder had written.
    pub caught: usize,
    /// Appends whose position was not above all that were acknowledged before they were called: a lost log may be followed by one that
    /// begins below it.
    pub went_back: usize,
}

impl Round {
    /// Why it has shown nothing, if it has not.
    #[must_use]
    pub fn proves_nothing(&self) -> Option<&'static str> {
        let lost = |what| self.seen.iter().any(|seen| seen.what == what && seen.lost > 0);
        let has = |what| self.seen.iter().any(|seen| seen.what == what);
        match self.blow.takes_back {
            true if has("state") && !lost("state") => Some("no acknowledged write was lost"),
            true if has("append") && !(lost("append") && self.told) => Some("no event was lost that was seen"),
            true if has("lock") && self.caught == 0 => Some("no token caught a second holder"),
            _ if self.seen.iter().all(|seen| seen.without < Duration::from_millis(1)) => Some("nobody noticed"),
            _ => None,
        }
    }
}

/// A line.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.blow.name)?;
        for Seen { what, without, unanswered, lost } in &self.seen {
            write!(f, " {what} {} ms without, {unanswered} unanswered, {lost} lost;", without.as_millis())?;
        }
        let told = if self.told { "told of the loss" } else { "nothing lost that was seen" };
        let Self { held_twice, caught, went_back, .. } = self;
        write!(f, " follower {told}; held twice {held_twice}, caught {caught}, positions back {went_back}")
    }
}

/// Lets a blow fall while all work.
///
/// # Errors
/// What was violated, or why it did not come about.
pub async fn fall(servers: &mut dyn Servers, blow: Blow, load: &mut Load) -> Result<Round, String> {
    load.goes_on(TURNS).await?;
    load.begin_round();
    servers.prepare(&blow)?;
    if blow.takes_back {
        // What is acknowledged from here on is lost: the lease that is held on among it, and events that were seen.
        load.hold_on().await?;
        load.goes_on(TURNS).await?;
        load.until_delivered().await?;
    }
    servers.strike(&blow)?;
    load.goes_on(TURNS).await?;
    if blow.takes_back {
        load.second_holder(SECOND_HOLDER).await?;
    }
    servers.mend(&blow)?;
    if blow.takes_back {
        load.let_go().await?;
    }
    load.goes_on(TURNS).await?;
    load.end_round(blow).await
}
