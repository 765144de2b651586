//! What the demo says in the end, to people and as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::{driver::Tally, options::Options, shop::WAY};
use crate::{audit::Audit, counters::Counts, words::grouped};

/// How many repeats must have overlapped, and how many commits must have been refused, for the run to prove anything.
const ENOUGH: u64 = 10;

/// What was counted beside the audit.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) counts: Counts,
    pub(super) projected: u64,
    pub(super) commits: u64,
    pub(super) reads: BTreeMap<String, u64>,
    pub(super) loads: BTreeMap<String, u64>,
    pub(super) stale_charges: u64,
    pub(super) drove: Duration,
    pub(super) drain: Duration,
}

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong, and enough was tried.
    Clean,
    /// So many things are wrong.
    Discrepancies(usize),
    /// Nothing is wrong, and too little was tried; of what.
    ProvedNothing(String),
}

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What it has shown.
    pub verdict: Verdict,
    /// What was asked for.
    pub options: Options,
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Until the jobs had finished what was left, in seconds.
    pub drain_seconds: f64,
    /// Orders accepted in a second.
    pub orders_per_second: f64,
    /// Half of the orders were answered within this many milliseconds.
    pub median_ms: f64,
    /// 99 of 100 orders were answered within this many milliseconds.
    pub slow_ms: f64,
    /// Requests refused because the product was out of stock.
    pub out_of_stock: u64,
    /// Orders answered before they were charged.
    pub charged_later: u64,
    /// Requests sent again because no useful answer came.
    pub sent_again: u64,
    /// Orders sent twice, to two instances.
    pub repeats: u64,
    /// Those of them that were under way at the same time.
    pub overlapping: u64,
    /// Products fetched by clients.
    pub product_requests: u64,
    /// How often each product was found in the cache, and how often it was loaded from the catalogue.
    pub cache: BTreeMap<String, Cached>,
    /// Charges that the ledger refused because the order's lock had gone to somebody else.
    pub stale_charges: u64,
    /// Events that the projection has counted.
    pub projected: u64,
    /// In so many commits.
    pub projection_commits: u64,
    /// What the instances counted, together.
    pub counts: Counts,
    /// The audit of what was stored.
    pub audit: Audit,
}

/// How the cache did for one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cached {
    /// Found.
    pub hits: u64,
    /// Loaded.
    pub loads: u64,
}

impl Report {
    pub(super) fn new(options: &Options, tally: &Tally, evidence: &Evidence, audit: Audit) -> Self {
        let mut took = tally.took.clone();
        took.sort_unstable();
        let seconds = evidence.drove.as_secs_f64();
        let cached = |(sku, reads): (&String, &u64)| {
            let loads = evidence.loads.get(sku).copied().unwrap_or_default();
            (sku.clone(), Cached { hits: reads.saturating_sub(loads), loads })
        };
        Self {
            verdict: verdict(tally, &evidence.counts, &audit),
            options: options.clone(),
            seconds,
            drain_seconds: evidence.drain.as_secs_f64(),
            orders_per_second: tally.accepted.len() as f64 / seconds.max(f64::EPSILON),
            median_ms: part(&took, 50),
            slow_ms: part(&took, 99),
            out_of_stock: tally.refused,
            charged_later: tally.later,
            sent_again: tally.again,
            repeats: tally.repeats,
            overlapping: tally.overlapping,
            product_requests: tally.products,
            cache: evidence.reads.iter().map(cached).collect(),
            stale_charges: evidence.stale_charges,
            projected: evidence.projected,
            projection_commits: evidence.commits,
            counts: evidence.counts,
            audit,
        }
    }

    /// The exit code: 0, 1 for discrepancies, 2 where nothing was proved.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Clean => 0,
            Verdict::Discrepancies(_) => 1,
            Verdict::ProvedNothing(_) => 2,
        }
    }
}

fn verdict(tally: &Tally, counts: &Counts, audit: &Audit) -> Verdict {
    let wrong: usize = audit.findings.iter().map(|finding| finding.wrong.len()).sum();
    if !audit.is_clean() {
        return Verdict::Discrepancies(wrong);
    }
    let met = [("overlapping repeats", tally.overlapping), ("conflicts on a stock", counts.stock_conflicts)];
    let missing = met.iter().filter(|(_, times)| *times < ENOUGH).map(|(what, times)| format!("{times} {what}"));
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { Verdict::Clean } else { Verdict::ProvedNothing(missing.join(" and ")) }
}

/// The value below which so many of 100 lie, in milliseconds.
fn part(sorted_micros: &[u64], of_100: usize) -> f64 {
    let index = sorted_micros.len() * of_100 / 100;
    sorted_micros.get(index).map_or(0.0, |micros| *micros as f64 / 1000.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (audit, counts, options) = (&self.audit, &self.counts, &self.options);
        let [orders, charges, twice] = [audit.orders, audit.charges, audit.sold_twice].map(grouped);
        writeln!(f, "{orders} orders, {charges} charges, {twice} sold twice\n")?;
        writeln!(
            f,
            "time        {:.1} s, {:.0} orders/s by {} clients at {} instances; then {:.1} s to finish (seed {})",
            self.seconds, self.orders_per_second, options.clients, options.instances, self.drain_seconds, options.seed
        )?;
        writeln!(
            f,
            "latency     half within {:.0} ms, 99 of 100 within {:.0} ms; the backend is up to {} ms away, there and back",
            self.median_ms,
            self.slow_ms,
            2 * WAY.as_millis()
        )?;
        let [repeats, overlapping] = [self.repeats, self.overlapping].map(grouped);
        writeln!(f, "repeats     {repeats} at another instance, {overlapping} of them overlapping with the first")?;
        let [stock, key] = [counts.stock_conflicts, counts.key_conflicts].map(grouped);
        writeln!(f, "conflicts   {stock} on a stock, tried again; {key} on a key, answered as the first")?;
        writeln!(
            f,
            "refused     {} out of stock; {} sent again",
            grouped(self.out_of_stock),
            grouped(self.sent_again)
        )?;
        let cache: Vec<_> =
            self.cache.iter().map(|(sku, c)| format!("{sku} {}/{}", grouped(c.hits), c.loads)).collect();
        let (most, rest) = cache.split_at(cache.len() / 2);
        writeln!(f, "cache       hits/loads of {},\n            {}", most.join(", "), rest.join(", "))?;
        let [charged, found, overtaken] = [counts.charged, counts.found_charged, counts.overtaken].map(grouped);
        writeln!(f, "charging    {charged} charged, {found} found charged, {overtaken} left to whoever was at it")?;
        let [runs, skipped] = [counts.settlements, counts.settlements_skipped].map(grouped);
        writeln!(f, "settlement  {runs} runs, {skipped} skipped because another instance was at it")?;
        let [projected, commits] = [self.projected, self.projection_commits].map(grouped);
        writeln!(f, "totals      {projected} events counted in {commits} commits, by one instance at a time\n")?;
        for finding in &audit.findings {
            match finding.wrong.split_first() {
                None => writeln!(f, "{:<11} {}: ok", finding.what, finding.holds)?,
                Some((first, [])) => writeln!(f, "{:<11} WRONG: {first}", finding.what)?,
                Some((first, more)) => {
                    writeln!(f, "{:<11} WRONG: {first}; and {} more", finding.what, grouped(more.len()))?;
                }
            }
        }
        match &self.verdict {
            Verdict::Clean => write!(f, "\nno discrepancy"),
            Verdict::Discrepancies(1) => write!(f, "\n1 discrepancy"),
            Verdict::Discrepancies(wrong) => write!(f, "\n{} discrepancies", grouped(*wrong)),
            Verdict::ProvedNothing(few) => {
                write!(
                    f,
                    "\nproved nothing: only {few}, at least {ENOUGH} are needed; more --orders or a higher --pace help"
                )
            }
        }
    }
}
