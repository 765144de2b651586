//! Who does how much, and what goes wrong meanwhile: drawn from a seed, written as a line of text.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use fastrand::Rng;

/// What the clients of a history work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A state store: registers with compare-and-swap and fencing marks.
    State,
    /// Locks: leases and fencing tokens.
    Lock,
    /// An event store: streams, append ids and the global order.
    Events,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The connection ends, and both sides see it.
    Cut,
    /// This request, or its reply, is late.
    Delay,
    /// The connection stays, and nothing that the server says comes through any more.
    HalfOpen,
    /// No bytes pass for a while in either direction; then all go on.
    Stop,
    /// The client's connection ends, and the request arrives later all the same: after its own repeat, after the writes of
    /// others.
    Hold,
    /// The request arrives now and once more later. Only requests are struck of which a second copy does no harm.
    Duplicate,
    /// The server stands still for a while.
    Freeze,
    /// The server ends and is back after a while, with all that it had answered.
    Crash,
}

/// At what point of a request and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before all of the request has passed: the server cannot have carried it out.
    BeforeRequest,
    /// When the request has passed, and nothing of its reply.
    Between,
    /// When a part of the reply has passed.
    DuringReply,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What it is called in a plan's text.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|one| one.word() == word);
                found.copied().ok_or_else(|| format!("{word:?} is none of {:?}", Self::ALL))
            }
        }
    };
}
words!(Subject { State = "state", Lock = "lock", Events = "event" });
words!(Kind {
    Cut = "cut", Delay = "delay", HalfOpen = "half", Stop = "stop", Hold = "hold", Duplicate = "double",
    Freeze = "freeze", Crash = "crash"
});
words!(Place { BeforeRequest = "before", Between = "between", DuringReply = "reply" });

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Whose request is struck; a client's number.
    pub client: u32,
    /// Which of its requests: the first is 0. Only those sent during an operation count.
    pub request: u32,
    /// What happens.
    pub kind: Kind,
    /// At what point.
    pub place: Place,
    /// Behind so many bytes of the request or of the reply, modulo its length; messages are not cut into bytes.
    pub byte: u16,
    /// How long it lasts, or how late it is.
    pub length: Duration,
}

/// A history to be run, and what goes wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the clients work on.
    pub subject: Subject,
    /// Where the clients' choices come from.
    pub seed: u64,
    /// How many clients there are.
    pub clients: u32,
    /// How many operations each of them makes.
    pub turns: u32,
    /// At most one for each request of a client.
    pub faults: Vec<Fault>,
}

/// A client's requests are struck with a distance of one to this many.
const APART: u32 = 12;

impl Plan {
    /// The plan of a seed: 4 to 6 clients with 52 turns each, and a fault for about every sixth request.
    #[must_use]
    pub fn draw(subject: Subject, seed: u64, kinds: &[Kind]) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x9e37_79b9_7f4a_7c15);
        let (clients, turns) = (rng.u32(4..=6), 52);
        let mut faults = Vec::new();
        for client in 0..clients {
            let mut request = rng.u32(0..APART);
            while request < turns {
                faults.push(fault(client, request, kinds[rng.usize(..kinds.len())], &mut rng));
                // Now and then the repeat is struck as well.
                request += if rng.u8(..4) == 0 { 1 } else { rng.u32(1..=APART) };
            }
        }
        Self { subject, seed, clients, turns, faults }
    }

    /// The faults by client and request.
    pub(super) fn by_request(&self) -> BTreeMap<(u32, u32), Fault> {
        self.faults.iter().map(|fault| ((fault.client, fault.request), *fault)).collect()
    }
}

fn fault(client: u32, request: u32, kind: Kind, rng: &mut Rng) -> Fault {
    let place = match kind {
        // What has passed is not held back any more.
        Kind::Hold => Place::BeforeRequest,
        _ => match rng.u8(..8) {
            0..2 => Place::BeforeRequest,
            2..6 => Place::Between,
            _ => Place::DuringReply,
        },
    };
    // Within a call's time, about as long as that, and far beyond it; what strikes all clients at once is over soon.
    let millis = match rng.u8(..4) {
        _ if matches!(kind, Kind::Freeze | Kind::Crash) => rng.u64(10..120),
        0 => rng.u64(2..30),
        1 | 2 => rng.u64(30..250),
        _ => rng.u64(250..1000),
    };
    Fault { client, request, kind, place, byte: rng.u16(..512), length: Duration::from_millis(millis) }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, request, kind, place, byte, length } = self;
        write!(f, "{client}.{request}.{}.{}.{byte}.{}", kind.word(), place.word(), length.as_millis())
    }
}

/// `state:7:4:52:0.3.cut.between.17.40,2.11.hold.before.0.400`: subject, seed, clients, turns, and the faults, each as client,
/// request, kind, place, byte and milliseconds.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}:", self.subject.word(), self.seed, self.clients, self.turns)?;
        for (place, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let &[subject, seed, clients, turns, faults] = &parts[..] else {
            return Err(format!("{text:?} is not subject:seed:clients:turns:faults"));
        };
        let faults = faults.split(',').filter(|fault| !fault.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
        let (seed, clients, turns) = (number(seed)?, number(clients)?, number(turns)?);
        Ok(Self { subject: subject.parse()?, seed, clients, turns, faults })
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let &[client, request, kind, place, byte, millis] = &parts[..] else {
            return Err(format!("{text:?} is not client.request.kind.place.byte.milliseconds"));
        };
        let length = Duration::from_millis(number(millis)?);
        let (client, request, byte) = (number(client)?, number(request)?, number(byte)?);
        Ok(Self { client, request, kind: kind.parse()?, place: place.parse()?, byte, length })
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_its_text_gives_it_again() {
        for seed in 0..50 {
            let plan = Plan::draw(Subject::Lock, seed, Kind::ALL);
            assert_eq!(plan, Plan::draw(Subject::Lock, seed, Kind::ALL));
            assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan);
            assert_eq!(plan.by_request().len(), plan.faults.len(), "one for each request at most");
        }
        assert_ne!(Plan::draw(Subject::State, 1, Kind::ALL), Plan::draw(Subject::State, 2, Kind::ALL));
        let none = Plan { faults: Vec::new(), ..Plan::draw(Subject::Events, 1, Kind::ALL) };
        assert_eq!(none.to_string().parse::<Plan>().unwrap(), none);
        for wrong in ["", "state:1:2:3", "state:1:2:3:0.1.cut.between", "state:1:2:x:", "state:1:2:3:0.1.cat.reply.1.1"]
        {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }
}
