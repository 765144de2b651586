//! From a plan that fails to the shortest one that still does.

use super::Plan;

/// The shortest plan found that still fails: with fewer faults, fewer clients and fewer turns. `fails` is asked at most `most`
/// times; where time is real it should try a plan more than once.
///
/// Faults go in halves first, then one by one; clients from the last on, with their faults; turns by halves.
#[must_use]
pub fn shrink(plan: &Plan, most: usize, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let (mut best, mut asked) = (plan.clone(), 0);
    let mut try_it = |smaller: Plan, best: &mut Plan| {
        asked += 1;
        let is_better = asked <= most && fails(&smaller);
        if is_better {
            *best = smaller;
        }
        is_better
    };
    let mut share = best.faults.len();
    while share > 0 {
        let mut from = 0;
        while from < best.faults.len() {
            let mut smaller = best.clone();
            smaller.faults.drain(from..(from + share).min(best.faults.len()));
            if !try_it(smaller, &mut best) {
                from += share;
            }
        }
        share /= 2;
    }
    while best.clients > 1 {
        let mut smaller = best.clone();
        smaller.clients -= 1;
        smaller.faults.retain(|fault| fault.client < smaller.clients);
        if !try_it(smaller, &mut best) {
            break;
        }
    }
    let mut step = best.turns / 2;
    while step > 0 {
        let mut smaller = best.clone();
        smaller.turns -= step;
        if smaller.turns == 0 || !try_it(smaller, &mut best) {
            step /= 2;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Kind, Subject};

    #[test]
    fn what_does_not_matter_goes() {
        let plan = Plan::draw(Subject::State, 3, Kind::ALL);
        let culprits = [plan.faults[2], plan.faults[5]];
        let fails = |plan: &Plan| plan.turns >= 7 && culprits.iter().all(|fault| plan.faults.contains(fault));
        let shortest = shrink(&plan, 1000, fails);
        assert_eq!(shortest.faults, culprits);
        assert_eq!(shortest.turns, 7);
        assert!(shortest.clients <= plan.clients);
        assert_eq!(shrink(&plan, 0, |_| true), plan, "nothing was asked");
        assert_eq!(shrink(&plan, 1000, |_| false), plan);
    }
}
