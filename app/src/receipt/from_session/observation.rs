//! How complete the receipt is, and why not.

use super::findings::blind_spots;
use crate::{
    facts::{self, FamilyFacts, OutcomeStatus, RunFacts},
    receipt::schema::{
        Backpressure, BlindSpot, Completeness, Family, Gap, GapKind, Limit, Milliseconds, Observation, Probe,
    },
    session::{Findings, Origin, RULES, Session},
};

/// The observation section.
pub(super) fn observation(session: &Session, facts: &RunFacts, found: &Findings) -> Observation {
    let seen = &facts.observation;
    let mut limits: Vec<Limit> = limits(session, &seen.limits);
    limits.push(Limit { list: "findings".into(), total: found.tally.seen, kept: found.tally.kept });
    let reasons = reasons(session, facts, &limits);
    let delays = seen.backpressure;
    Observation {
        completeness: completeness(&reasons),
        reasons,
        probes: seen.probes.iter().map(probe).collect(),
        families: seen.families.iter().map(family).collect(),
        backpressure: Backpressure {
            waits: delays.waits,
            waited_ms: Milliseconds(delays.waited_ns),
            freezes: delays.freezes,
            frozen_ms: Milliseconds(delays.frozen_ns),
        },
        limits,
        blind_spots: seen
            .blind_spots
            .iter()
            .map(|spot| BlindSpot { code: spot.code.to_string(), detail: spot.detail.clone() })
            .chain(blind_spots(found))
            .chain(left_running(session, facts))
            .collect(),
    }
}

/// Of a command that is left alone while it runs there is no finding that it left something running.
fn left_running(session: &Session, facts: &RunFacts) -> Option<BlindSpot> {
    let gaps = &facts.observation.gaps;
    let is_over = gaps.iter().all(|gap| gap.code != "unfinished");
    let was_left = facts.execution.outcome.status == OutcomeStatus::Interrupted && is_over;
    let (code, detail) =
        RULES.iter().filter_map(|rule| rule.blind_spot).find(|(code, _)| *code == "left_running")?;
    (was_left && session.root_is_alive()).then(|| BlindSpot { code: code.into(), detail: detail.into() })
}

/// Lossy wins over partial: it is the worse of the two.
fn completeness(reasons: &[Gap]) -> Completeness {
    if reasons.iter().any(|gap| gap.kind == GapKind::Loss) {
        Completeness::Lossy
    } else if reasons.is_empty() {
        Completeness::Complete
    } else {
        Completeness::Partial
    }
}

fn limits(session: &Session, observed: &[facts::LimitFacts]) -> Vec<Limit> {
    let own = session.limits().into_iter().map(|limit| Limit {
        list: limit.list.into(),
        total: limit.tally.seen,
        kept: limit.tally.kept,
    });
    let observed =
        observed.iter().map(|limit| Limit { list: limit.list.clone(), total: limit.total, kept: limit.kept });
    own.chain(observed).collect()
}

/// What the observer reported, and what follows from its numbers and from the session.
fn reasons(session: &Session, facts: &RunFacts, limits: &[Limit]) -> Vec<Gap> {
    let mut reasons: Vec<Gap> = facts.observation.gaps.iter().map(reported).collect();
    let reported = |code: &str| facts.observation.gaps.iter().any(|gap| gap.code == code);
    for family in &facts.observation.families {
        reasons.extend(mismatch(family));
        if !reported("records_dropped") {
            reasons.extend(dropped(family));
        }
    }
    for limit in limits.iter().filter(|limit| limit.total > limit.kept) {
        let Limit { list, total, kept } = limit;
        reasons.push(loss("list_capped", format!("{list}: {kept} of {total} were kept")));
    }
    reasons.extend(damage(session));
    reasons.extend(outcome(facts.execution.outcome.status).filter(|gap| !reported(&gap.code)));
    reasons
}

fn reported(gap: &facts::Gap) -> Gap {
    let kind = match gap.kind {
        facts::GapKind::Loss => GapKind::Loss,
        facts::GapKind::Partial => GapKind::Partial,
    };
    Gap { code: gap.code.to_string(), kind, detail: gap.detail.clone() }
}

fn loss(code: &str, detail: String) -> Gap {
    Gap { code: code.into(), kind: GapKind::Loss, detail }
}

fn mismatch(family: &FamilyFacts) -> Option<Gap> {
    let FamilyFacts { name, emitted, received, dropped, .. } = family;
    if received.checked_add(*dropped) == Some(*emitted) {
        return None;
    }
    let detail =
        format!("{name}: {emitted} records were emitted, but {received} received and {dropped} dropped");
    Some(loss("accounting_mismatch", detail))
}

fn dropped(family: &FamilyFacts) -> Option<Gap> {
    let FamilyFacts { name, dropped, recovered, .. } = family;
    if dropped <= recovered {
        return None;
    }
    Some(loss(
        "records_dropped",
        format!("{name}: {dropped} records found no room, {recovered} were recovered"),
    ))
}

/// What the session shows to be missing: so should a reason above, but the receipt does not rely on it.
fn damage(session: &Session) -> impl Iterator<Item = Gap> {
    let unannounced =
        session.processes().filter(|(_, process)| process.origin == Origin::Unannounced).count();
    let endless = session
        .processes()
        .filter(|(_, process)| process.ended.is_none() && !session.is_still_running(process))
        .count();
    let impossible = session.impossible_parents();
    let unannounced = (unannounced > 0).then(|| {
        loss("process_unannounced", format!("the creation of {unannounced} processes was not recorded"))
    });
    let endless = (endless > 0)
        .then(|| loss("process_end_missing", format!("the end of {endless} processes was not recorded")));
    let impossible = (impossible > 0).then(|| {
        loss("impossible_parent", format!("{impossible} processes have a parent that is not older"))
    });
    let accesses = session.unannounced_accesses();
    let accesses = (accesses > 0).then(|| {
        loss("access_unannounced", format!("which file it was is not known of {accesses} uses of files"))
    });
    unannounced.into_iter().chain(endless).chain(impossible).chain(accesses)
}

fn outcome(status: OutcomeStatus) -> Option<Gap> {
    let (code, detail) = match status {
        OutcomeStatus::Interrupted => ("interrupted", "observation ended before the command did"),
        OutcomeStatus::ObserverFailed => ("observer_failed", "glasshouse failed; see the outcome"),
        _ => return None,
    };
    Some(Gap { code: code.into(), kind: GapKind::Partial, detail: detail.into() })
}

fn probe(probe: &facts::ProbeFacts) -> Probe {
    Probe {
        name: probe.name.clone(),
        kind: probe.kind.clone(),
        attached: probe.attached,
        reason: probe.reason.clone(),
    }
}

fn family(family: &FamilyFacts) -> Family {
    Family {
        name: family.name.clone(),
        emitted: family.emitted,
        received: family.received,
        dropped: family.dropped,
        recovered: family.recovered,
    }
}
