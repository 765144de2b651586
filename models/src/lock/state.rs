//! What there is: the record and the queue on the server, the clients, and what is under way between them.

use std::fmt;

use crate::Bag;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The tick.
    pub(crate) now: u8,
    /// What the server knows of the name.
    pub(crate) record: Record,
    /// Who waits there, in order.
    pub(crate) queue: Vec<Place>,
    /// By number.
    pub(crate) clients: Vec<Client>,
    /// On their way to the server.
    pub(crate) requests: Bag<Request>,
    /// On their way to clients.
    pub(crate) answers: Bag<Answer>,
    /// The highest token that was ever given: nobody in the model looks at it but the judge.
    pub(crate) highest: u8,
    /// How often the server lost its data.
    pub(crate) losses: u8,
    /// How many clients died.
    pub(crate) deaths: u8,
    /// What should never have happened.
    pub(crate) wrong: Option<Wrong>,
}

/// The record of the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Record {
    /// The last token.
    pub(crate) last: u8,
    /// Who has it, perhaps no longer.
    pub(crate) held: Option<Held>,
}

/// A grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    /// Whose.
    pub(crate) owner: Owner,
    /// The attempt or the wait that it was granted to.
    pub(crate) place: u8,
    /// From then on it is nobody's.
    pub(crate) expires: u8,
    /// By a hand-over that was not taken up.
    pub(crate) handed: bool,
}

/// A client's wait, in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Who waits.
    pub(crate) owner: Owner,
    /// Which of its waits.
    pub(crate) place: u8,
    /// Until when it counts.
    pub(crate) till: u8,
}

/// What a claim is made under: the client, and how many claims it made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// Its number.
    pub(crate) client: u8,
    /// Of the claim.
    pub(crate) nth: u8,
}

/// A client, and what it has used up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// Not dead.
    pub(crate) alive: bool,
    /// Which claim it uses.
    pub(crate) nth: u8,
    /// A release of that claim was sent.
    pub(crate) dead: bool,
    /// The answer "ours" was given to a release of that claim.
    pub(crate) freed: bool,
    /// What it is at.
    pub(crate) does: Does,
    /// Its last attempt or wait.
    pub(crate) place: u8,
    /// So many requests for the name.
    pub(crate) asks: u8,
    /// So many renewals.
    pub(crate) renewals: u8,
    /// So many releases.
    pub(crate) releases: u8,
    /// So many waits that were dropped.
    pub(crate) drops: u8,
    /// When the last answered refresh was sent, and the server's time in its answer; where that is used.
    pub(crate) seen: Option<(u8, u8)>,
}

/// What a client is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    /// It wants nothing.
    Nothing,
    /// It has asked and may ask again.
    Asks {
        /// The token of a hand-over that it heard of, where that is believed.
        offered: Option<u8>,
    },
    /// It was granted the name, and works until its local deadline; then the lease is lost.
    Holds {
        /// Of the grant.
        token: u8,
        /// The local deadline.
        until: u8,
    },
    /// It has sent releases, and nothing tells yet what they found.
    GivesBack {
        /// Of the lease; nothing where no grant was seen.
        token: Option<u8>,
        /// The local deadline of the lease.
        until: u8,
        /// So many copies.
        copies: u8,
    },
}

/// On its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    /// For the name.
    Ask { owner: Owner, place: u8, sent: u8 },
    /// For more time.
    Renew { owner: Owner, token: u8, sent: u8 },
    /// A renewal that has arrived and read the clock, and waits for the row.
    Renewing { owner: Owner, token: u8, sent: u8, read: u8 },
    /// The claim holds nothing any more.
    Release { owner: Owner, token: Option<u8> },
    /// The wait is over without a grant; or nobody waits for what was handed to it, under this token.
    Leave { owner: Owner, place: u8, handed: Option<u8> },
}

/// On its way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// The name is yours.
    Granted { owner: Owner, place: u8, token: u8, sent: u8 },
    /// Wait, says the server at this time; only where clients count from that.
    Wait { owner: Owner, sent: u8, at: u8 },
    /// The lease has more time.
    Renewed { owner: Owner, token: u8, sent: u8 },
    /// What a release found.
    Released { owner: Owner, ours: bool },
    /// A hand-over, at the client's inbox.
    Offer { owner: Owner, place: u8, token: u8, expires: u8 },
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Time passes.
    Tick,
    /// A client asks for the name, or asks again.
    Ask(u8),
    /// A holder sends a renewal.
    Renew(u8),
    /// A client sends a release, or sends it again.
    Release(u8),
    /// The future that waits is dropped.
    Drop(u8),
    /// A client is gone.
    Die(u8),
    /// The server comes back empty.
    Lose,
    /// At the server.
    Arrives(Request),
    /// At a client.
    Hears(Answer),
}

/// What should never have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wrong {
    /// A grant whose token is not above all before.
    Token,
    /// A grant past somebody who waits.
    PastAWaiter,
    /// Told of a grant while somebody else works.
    LateGrant,
    /// A lost lease is believed again.
    Revived,
    /// A renewal was confirmed for a lease that was over.
    RenewedNothing,
    /// A renewal moved the expiry of somebody else.
    RenewedAnothers,
    /// A release said Ok for a lease that was lost before.
    FalseOk,
    /// A release said lost for a lease that it freed in time.
    FalseLoss,
    /// A free name is refused to a waiter with nobody live before it.
    Refused,
    /// A hand-over that nobody waits for stays.
    Kept,
}

impl State {
    pub(crate) fn new(clients: u8) -> Self {
        let client = Client {
            alive: true,
            nth: 0,
            dead: false,
            freed: false,
            does: Does::Nothing,
            place: 0,
            asks: 0,
            renewals: 0,
            releases: 0,
            drops: 0,
            seen: None,
        };
        Self {
            now: 0,
            record: Record::default(),
            queue: Vec::new(),
            clients: vec![client; usize::from(clients)],
            requests: Bag::default(),
            answers: Bag::default(),
            highest: 0,
            losses: 0,
            deaths: 0,
            wrong: None,
        }
    }

    /// The lease of now.
    pub(crate) fn live(&self) -> Option<Held> {
        self.record.held.filter(|held| held.expires > self.now)
    }

    pub(crate) fn of(&mut self, owner: Owner) -> &mut Client {
        &mut self.clients[usize::from(owner.client)]
    }

    /// Those who work under a lease, with its token.
    pub(crate) fn working(&self) -> impl Iterator<Item = (u8, u8)> {
        (0..).zip(&self.clients).filter_map(|(number, client)| match client.does {
            Does::Holds { token, until } if client.alive && until > self.now => Some((number, token)),
            _ => None,
        })
    }

    /// The first wrong is the one that counts.
    pub(crate) fn wrong(&mut self, what: Wrong) {
        self.wrong = self.wrong.or(Some(what));
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", name(self.client), self.nth + 1)
    }
}

/// A client's name: A, B, C.
pub(crate) fn name(client: u8) -> char {
    char::from(b'A' + client)
}
