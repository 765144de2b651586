//! Messages that cannot matter any more: they are dropped at once, so that two states that differ in nothing else are one.

use super::{
    IGNORED, Lock, clause,
    state::{Answer, Client, Does, Request, State},
};

impl Lock {
    /// After each step.
    pub(crate) fn drops_idle(&self, state: &mut State) {
        let State { answers, requests, clients, record, now, losses, .. } = state;
        answers.retain(|answer| {
            let client = &clients[usize::from(answer.to())];
            let keeps = self.may_matter(client, *answer, *now);
            if !keeps && matches!(answer, Answer::Granted { .. }) && client.dead {
                self.sights.see(IGNORED);
            }
            keeps
        });
        // Tokens rise: what compares one that is not the last will never find it again.
        let compares = *losses == 0 && self.clauses.keep(clause::L_16) && self.clauses.keep(clause::L_17);
        requests.retain(|request| match *request {
            Request::Renew { token, .. } | Request::Renewing { token, .. } => {
                !compares || (token == record.last && record.held.is_some())
            }
            _ => true,
        });
    }

    fn may_matter(&self, client: &Client, answer: Answer, now: u8) -> bool {
        match answer {
            Answer::Granted { owner, place, token, sent } => {
                let is_current = client.nth == owner.nth && client.place == place && !client.dead;
                let gains = match client.does {
                    Does::Asks { .. } => true,
                    Does::Holds { token: mine, until } => mine == token && until > now && sent + self.scope.ttl > until,
                    Does::Nothing | Does::GivesBack { .. } => false,
                };
                (is_current && gains) || !self.clauses.keep(clause::L_9) || !self.clauses.keep(clause::L_28)
            }
            Answer::Renewed { owner, token, .. } => match client.does {
                Does::Holds { token: mine, until } => {
                    mine == token && client.nth == owner.nth && (until > now || !self.clauses.keep(clause::L_34))
                }
                _ => false,
            },
            Answer::Released { owner, .. } => {
                matches!(client.does, Does::GivesBack { token: Some(_), .. }) && client.nth == owner.nth
            }
            Answer::Wait { owner, sent, at } => {
                let waits = matches!(client.does, Does::Asks { .. });
                waits && client.nth == owner.nth && client.seen < Some((sent, at))
            }
            Answer::Offer { .. } => true,
        }
    }
}
