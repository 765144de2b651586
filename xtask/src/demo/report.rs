//! What the demo says in the end, to people and as JSON.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{
    count, grouped,
    options::{Options, PARTS},
    place::without_login,
    snapshot::headline,
    world::{World, number},
};

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is wrong, and enough was tried.
    Clean,
    /// So many things are wrong.
    Discrepancies(u64),
    /// Nothing is wrong, and too little was tried; of what.
    ProvedNothing(String),
}

/// All that the report is made of.
#[derive(Debug)]
pub(super) struct Report<'r> {
    pub(super) options: &'r Options,
    pub(super) world: &'r World,
    pub(super) seed: u64,
    /// What the customers said in the end.
    pub(super) ordered: &'r Value,
    /// From the last answer until nothing was left to do.
    pub(super) finishing: Duration,
}

impl Report<'_> {
    /// What the run has shown.
    pub(super) fn verdict(&self) -> Verdict {
        let wrong: usize = self.findings().iter().map(|(_, _, wrong)| wrong.len()).sum();
        if wrong > 0 {
            return Verdict::Discrepancies(wrong as u64);
        }
        let few = self.world.evidence.table().into_iter().filter(|(_, have, need)| have < need);
        let few: Vec<_> = few.map(|(what, have, need)| format!("{} of at least {need}", count(have, what))).collect();
        if few.is_empty() { Verdict::Clean } else { Verdict::ProvedNothing(few.join(", ")) }
    }

    /// 0, 1 for discrepancies, 2 where nothing was proved.
    pub(super) fn exit_code(&self) -> u8 {
        match self.verdict() {
            Verdict::Clean => 0,
            Verdict::Discrepancies(_) => 1,
            Verdict::ProvedNothing(_) => 2,
        }
    }

    /// What was looked at, what is so where nothing is wrong, and what is wrong with it.
    fn findings(&self) -> Vec<(String, String, Vec<String>)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let audit = self.world.audit.as_ref().unwrap_or(&Value::Null);
        let mut findings: Vec<_> = audit["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|finding| (text(&finding["what"]), text(&finding["holds"]), texts(&finding["wrong"])))
            .collect();
        if findings.is_empty() {
            findings.push(("audit".to_owned(), String::new(), vec!["the auditor said nothing".to_owned()]));
        }
        let mut wrong = self.world.wrong.clone();
        wrong.extend(texts(&self.ordered["wrong"]));
        let holds = "no process failed, and no two answers contradict each other";
        findings.push(("run".to_owned(), holds.to_owned(), wrong));
        findings
    }

    /// For people: at most 25 lines.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        self.write(&mut text).expect("a string takes everything");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (world, ordered) = (self.world, self.ordered);
        let said = |name: &str| number(&ordered[name]);
        writeln!(text, "{}\n", headline(world).text)?;
        let evidence = world.evidence;
        writeln!(
            text,
            "faults      {} between charge and save; {} refused by the ledger; projection taken over {}",
            count(evidence.kills, "kill"),
            count(evidence.late, "late charge"),
            count(evidence.resumed, "time"),
        )?;
        writeln!(
            text,
            "repeats     {} at another instance, {} of them overlapping with the first; {} sent again",
            grouped(said("repeats")),
            grouped(said("overlapping")),
            grouped(said("again"))
        )?;
        let seconds = ordered["seconds"].as_f64().unwrap_or_default();
        let rate = number(&ordered["accepted"]) as f64 / seconds.max(f64::EPSILON);
        writeln!(
            text,
            "time        {seconds:.1} s, {rate:.0} orders/s by {} at {}; then {:.1} s to finish (seed {})",
            count(self.options.clients, "customer"),
            count(self.options.instances.into(), "instance"),
            self.finishing.as_secs_f64(),
            self.seed
        )?;
        if let Some((own, outage)) = world.own.as_ref().zip(world.outage.as_ref()) {
            let name = own.name.split(" (").next().unwrap_or(&own.name);
            writeln!(text, "server      {name} {}", outage.text("            "))?;
        }
        let [median, slow] = ["median_ms", "slow_ms"].map(|name| ordered[name].as_f64().unwrap_or_default());
        let (hits, loads) = world.cached();
        writeln!(
            text,
            "answers     half within {median:.0} ms, 99 of 100 within {slow:.0} ms; cache: {}, {}\n",
            count(hits, "hit"),
            count(loads, "load")
        )?;
        for (what, holds, wrong) in self.findings() {
            match wrong.split_first() {
                None => writeln!(text, "{what:<11} {holds}: ok")?,
                Some((first, [])) => writeln!(text, "{what:<11} WRONG: {first}")?,
                Some((first, more)) => {
                    writeln!(text, "{what:<11} WRONG: {first}; and {} more", grouped(more.len() as u64))?;
                }
            }
        }
        let hint = match self.verdict() {
            Verdict::ProvedNothing(_) => "; more --orders or a higher --pace may help",
            Verdict::Clean | Verdict::Discrepancies(_) => "",
        };
        writeln!(text, "\n{}{hint}", self.verdict())?;
        if let Some(part) = self.options.part {
            writeln!(text, "broken on purpose: {}", part.means)?;
        }
        let next = self.proposed();
        write!(text, "would the audit notice if {}? cargo xtask demo --break {}", next.means, next.name)
    }

    /// The part to break next.
    fn proposed(&self) -> super::options::Part {
        let broken = self.options.part.and_then(|part| PARTS.iter().position(|known| *known == part));
        PARTS[broken.map_or(0, |index| index + 1) % PARTS.len()]
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let (verdict, detail) = match self.verdict() {
            Verdict::Clean => ("clean", Value::Null),
            Verdict::Discrepancies(wrong) => ("discrepancies", json!(wrong)),
            Verdict::ProvedNothing(few) => ("proved_nothing", json!(few)),
        };
        let findings = self.findings();
        let finding = |(what, holds, wrong): &(String, String, Vec<String>)| json!({ "what": what, "holds": holds, "wrong": wrong });
        let evidence = self.world.evidence;
        let audit = self.world.audit.as_ref().unwrap_or(&Value::Null);
        json!({
            "verdict": verdict,
            "detail": detail,
            "orders": audit["orders"],
            "charges": audit["charges"],
            "sold_twice": audit["sold_twice"],
            "evidence": {
                "kills_between_charge_and_save": evidence.kills,
                "late_charges_refused": evidence.late,
                "overlapping_repeats": evidence.overlapping,
                "projections_taken_over": evidence.resumed,
                "server_restarts": evidence.restarts,
                "late_charges_refused_in_the_ledgers_file": audit["refused"],
                "charges_found_by_a_later_holder": audit["found"],
            },
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
            "incidents": self.world.incidents.iter().map(super::incident::Incident::json).collect::<Vec<_>>(),
            "server_away": self.world.outage.as_ref().map(super::outage::Outage::json),
            "customers": self.ordered,
            "options": {
                "url": self.options.url.as_deref().map(without_login),
                "own_server": self.world.own.as_ref().map(|own| &own.name),
                "instances": self.options.instances,
                "orders": self.options.orders,
                "pace": self.options.pace,
                "clients": self.options.clients,
                "lease_ms": u64::try_from(self.options.lease.as_millis()).unwrap_or(u64::MAX),
                "seed": self.seed,
                "break": self.options.part.map(|part| part.name),
            },
            "finishing_seconds": self.finishing.as_secs_f64(),
        })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clean => f.write_str("no discrepancy"),
            Self::Discrepancies(1) => f.write_str("1 discrepancy"),
            Self::Discrepancies(wrong) => write!(f, "{} discrepancies", grouped(*wrong)),
            Self::ProvedNothing(few) => write!(f, "proved nothing: {few}"),
        }
    }
}

impl Verdict {
    /// Whether it is good news; `None` where it is none.
    pub(super) const fn is_good(&self) -> Option<bool> {
        match self {
            Self::Clean => Some(true),
            Self::Discrepancies(_) => Some(false),
            Self::ProvedNothing(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            outage::Own,
            world::{Evidence, State},
        },
        *,
    };

    fn world(wrong: &[&str]) -> World {
        let mut world = World::new(100, None);
        let names =
            ["charges", "lock", "fence", "stock", "keys", "settled", "events", "projection", "locks", "answers"];
        let finding = |what: &&str| json!({ "what": what, "holds": "it holds", "wrong": [] });
        let mut findings: Vec<_> = names.iter().map(finding).collect();
        findings[0]["wrong"] = json!(wrong);
        world.audit = Some(json!({ "orders": 100, "charges": 100, "sold_twice": 0, "findings": findings }));
        world.evidence = Evidence { kills: 1, late: 1, overlapping: 10, resumed: 1, ..Evidence::default() };
        world
    }

    fn report<'r>(options: &'r Options, world: &'r World) -> Report<'r> {
        Report { options, world, seed: 7, ordered: &Value::Null, finishing: Duration::ZERO }
    }

    #[test]
    fn a_clean_run_ends_with_a_command_to_try_and_fits_a_screen() {
        let (options, world) = (Options::default(), world(&[]));
        let report = report(&options, &world);
        assert_eq!((report.verdict(), report.exit_code()), (Verdict::Clean, 0));
        let text = report.text();
        assert!(text.starts_with("100 orders, 100 charges, 0 sold twice\n"), "{text}");
        assert!(text.lines().last().unwrap().ends_with("cargo xtask demo --break fence"), "{text}");
        assert!(text.lines().count() <= 25, "{} lines", text.lines().count());
        assert_eq!(report.json()["verdict"], "clean");
    }

    #[test]
    fn a_discrepancy_stands_in_its_own_line() {
        let (mut options, world) = (Options::default(), world(&["order 7: charged 2 times", "order 8: not charged"]));
        options.part = Some(PARTS[0]);
        let report = report(&options, &world);
        assert_eq!((report.verdict(), report.exit_code()), (Verdict::Discrepancies(2), 1));
        let text = report.text();
        assert!(text.contains("\ncharges     WRONG: order 7: charged 2 times; and 1 more\n"), "{text}");
        assert!(text.contains("\n2 discrepancies\n") && text.ends_with("--break lock"), "{text}");
        assert!(text.lines().count() <= 25, "{} lines", text.lines().count());
    }

    #[test]
    fn what_was_not_tried_proves_nothing() {
        let options = Options::default();
        for (index, what) in ["kill", "late charge", "overlapping repeat", "projection"].iter().enumerate() {
            let mut world = world(&[]);
            let evidence = &mut world.evidence;
            *[&mut evidence.kills, &mut evidence.late, &mut evidence.overlapping, &mut evidence.resumed][index] -= 1;
            let report = report(&options, &world);
            assert!(matches!(report.verdict(), Verdict::ProvedNothing(few) if few.contains(what)));
            assert_eq!(report.exit_code(), 2);
        }
    }

    #[test]
    fn a_server_of_its_own_must_have_been_killed_and_be_back() {
        let (options, mut world) = (Options::default(), world(&[]));
        world.evidence.restarts_needed = 1;
        let name = "redis 7.0.15 (local, /usr/bin/redis-server)".to_owned();
        world.own = Some(Own { name, address: String::new(), state: State::Serving, back_at: None });
        let report = |world: &World| report(&options, world).text();
        assert!(report(&world).contains("proved nothing: 0 server restarts of at least 1"));
        world.server_died(Duration::ZERO);
        world.now = Duration::from_secs(2);
        world.server_returned();
        let text = report(&world);
        assert!(
            text.contains(
                "\nserver      redis 7.0.15 killed at 0.0 s, back after 2.0 s with its data\n            meanwhile "
            ),
            "{text}"
        );
        assert!(text.contains("\nno discrepancy\n") && text.lines().count() <= 25, "{text}");
    }

    #[test]
    fn a_password_is_in_no_report() {
        let options = Options { url: Some("redis://:secret@h:1/0".to_owned()), ..Options::default() };
        let world = world(&[]);
        let json = report(&options, &world).json();
        assert_eq!(json["options"]["url"], "redis://h:1/0");
    }

    #[test]
    fn what_only_the_supervisor_knows_counts_as_well() {
        let (options, mut world) = (Options::default(), world(&[]));
        world.wrong.push("instance 2 ended by itself".to_owned());
        assert_eq!(report(&options, &world).exit_code(), 1);
        world.wrong.clear();
        world.audit = None;
        assert_eq!(report(&options, &world).exit_code(), 1, "no audit is no success");
    }
}
