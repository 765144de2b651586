//! The table of patches: mistakes that show only where requests and replies are lost, late or doubled.

use crate::patch::Patch;

/// All patches of the lossy channel, with what its clients work on.
pub const PATCHES: [(&str, Patch); 15] = [
    (
        "state",
        Patch {
            name: "retries_a_write_blindly",
            sentences: &["G-55", "G-64"],
            file: "channel/state.rs",
            find: "Precondition::Any | Precondition::Absent | Precondition::Present => Repeat::Never,",
            replace: "Precondition::Any | Precondition::Absent | Precondition::Present => Repeat::UntilAnswered,",
        },
    ),
    (
        "state",
        Patch {
            name: "reports_a_conflict_after_a_lost_reply",
            sentences: &["G-46", "G-59"],
            file: "channel/state.rs",
            find: "Error::Conflict { .. } | Error::Fenced { .. } if repeated => unavailable(true),",
            replace: "Error::Fenced { .. } if repeated => unavailable(true),",
        },
    ),
    (
        "state",
        Patch {
            name: "takes_anybodys_value_for_its_own",
            sentences: &["G-65"],
            file: "channel/state.rs",
            find: "Ok(Some(state)) if state.version == version => Ok(version),",
            replace: "Ok(Some(state)) => Ok(state.version),",
        },
    ),
    (
        "state",
        Patch {
            name: "calls_settled_what_may_still_come",
            sentences: &["G-50", "G-65"],
            file: "channel/state.rs",
            find: "_ => Err(lost),",
            replace: "_ => Err(unavailable(true)),",
        },
    ),
    (
        "state",
        Patch {
            name: "treats_a_timeout_as_not_applied",
            sentences: &["G-36", "G-49"],
            file: "channel/line.rs",
            find: "Ended::Silent => Error::Timeout { after: OPERATION_TIMEOUT, outcome: UNKNOWN },",
            replace: "Ended::Silent => Error::Timeout { after: OPERATION_TIMEOUT, outcome },",
        },
    ),
    (
        "state",
        Patch {
            name: "treats_a_lost_connection_as_not_applied",
            sentences: &["G-35", "G-49"],
            file: "channel/line.rs",
            find: "Ended::Lost => Error::Unavailable { outcome: UNKNOWN, source: None },",
            replace: "Ended::Lost => Error::Unavailable { outcome, source: None },",
        },
    ),
    (
        "state",
        // As where replies are matched to calls by their order, and a call that was given up is not counted.
        Patch {
            name: "serves_a_reply_to_another_caller",
            sentences: &["G-29"],
            file: "channel/line.rs",
            find: "let comes_through = ends.connection == sent.connection && !ends.is_deaf;
        let caller = ends.waiting.remove(&sent.number).filter(|_| comes_through);",
            replace: "let caller = ends.waiting.pop_first().map(|(_, caller)| caller);",
        },
    ),
    (
        "state",
        Patch {
            name: "comes_back_without_its_last_writes",
            sentences: &["S-67"],
            file: "channel/server.rs",
            find: "let space = self.space(namespace);",
            replace: "let space = self.space(&format!(\"{namespace}-{life}\"));",
        },
    ),
    (
        "state",
        Patch {
            name: "forgets_its_fencing_marks_on_restart",
            sentences: &["S-52", "S-53"],
            file: "channel/server.rs",
            find: "let space = self.space(namespace);",
            replace: "let named = |life: u64| format!(\"{namespace}-{life}\");
        let has = |life: &u64| locked(&self.spaces).contains_key(&named(*life));
        let before = if has(&life) { None } else { (0..life).rev().find(has) };
        let space = self.space(&named(life));
        if let Some(before) = before.map(|life| self.space(&named(life))) {
            let keys = before.state().list(concurrency_core::ListQuery::all()).await.expect(\"memory lists\").keys;
            for concurrency_core::KeyVersion { key, version: stored, .. } in keys {
                let value = before.state().load(&key).await.expect(\"memory loads\").expect(\"it was listed\").value;
                space.save(&key, value, before.given(stored), SaveOptions::new()).await.expect(\"memory saves\");
            }
        }",
        },
    ),
    (
        "lock",
        Patch {
            name: "counts_the_deadline_from_the_reply",
            sentences: &["L-28", "L-31"],
            file: "channel/lock.rs",
            find: "let lease = attempt.granted(token);",
            replace: "let lease = claim.attempt().granted(token);",
        },
    ),
    (
        "lock",
        Patch {
            name: "delivers_a_grant_past_its_deadline",
            sentences: &["L-32"],
            file: "channel/lock.rs",
            find: "let lease = attempt.granted(token);",
            replace: "let now = concurrency_core::clock::BootInstant::now().since_boot();
        let lease = attempt.granted(token).or_else(|| Some(Lease::granted_elsewhere(claim.clone(), token, now)));",
        },
    ),
    (
        "lock",
        Patch {
            name: "believes_a_lease_after_its_deadline",
            sentences: &["L-34"],
            file: "channel/lock.rs",
            find: "Reply::Renewed(Ok(true)) => renewal.confirmed(),",
            replace: "Reply::Renewed(Ok(true)) => renewal.confirmed().or_else(|_| {
                let soon = concurrency_core::clock::BootInstant::now().since_boot() + std::time::Duration::from_millis(20);
                Ok(Lease::granted_elsewhere(claim.clone(), token, soon))
            }),",
        },
    ),
    (
        "lock",
        Patch {
            name: "begins_its_tokens_anew_after_a_crash",
            sentences: &["L-25"],
            file: "channel/server.rs",
            find: "let space = self.space(namespace);",
            replace: "let space = self.space(&format!(\"{namespace}-{life}\"));",
        },
    ),
    (
        "event",
        Patch {
            name: "repeats_an_append_under_another_id",
            sentences: &["E-14"],
            file: "channel/event.rs",
            find: "let options = options.with_append_id(id.unwrap_or_else(AppendId::mint));",
            replace: "let _ = id;",
        },
    ),
    (
        "event",
        Patch {
            name: "reports_a_conflict_that_a_late_copy_may_undo",
            sentences: &["E-14", "G-49"],
            file: "channel/event.rs",
            find: "if repeated && may_yet_hold(expected, current) =>",
            replace: "if repeated && may_yet_hold(expected, current) && false =>",
        },
    ),
];
