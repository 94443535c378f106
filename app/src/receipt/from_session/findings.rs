//! Findings, in the receipt.

use super::{calls::Builder, network::id};
use crate::{
    receipt::schema::{self, BlindSpot, Evidence, Severity},
    session::{self, Fact, Finding, Findings},
};

/// The list.
pub(super) fn findings(builder: &mut Builder<'_, '_>, found: &Findings) -> Vec<schema::Finding> {
    (0..).zip(&found.list).map(|(index, one)| builder.finding(index, one)).collect()
}

/// What such a run may have done unseen.
pub(super) fn blind_spots(found: &Findings) -> Vec<BlindSpot> {
    let mut spots: Vec<BlindSpot> = Vec::new();
    for one in found.list.iter().filter(|one| one.succeeded) {
        if let Some((code, detail)) = one.rule.blind_spot
            && spots.iter().all(|known| known.code != code)
        {
            spots.push(BlindSpot { code: code.into(), detail: detail.into() });
        }
    }
    spots.sort_by(|one, other| one.code.cmp(&other.code));
    spots
}

impl Builder<'_, '_> {
    fn finding(&mut self, index: usize, one: &Finding) -> schema::Finding {
        let (process, process_reason) = self.process(one.process);
        let evidence = (0..).zip(&one.evidence).map(|(at, fact)| self.evidence(index, at, fact)).collect();
        schema::Finding {
            rule: one.rule.id,
            title: one.rule.title,
            severity: match one.severity {
                session::Severity::Info => Severity::Info,
                session::Severity::Low => Severity::Low,
                session::Severity::Medium => Severity::Medium,
                session::Severity::High => Severity::High,
            },
            attack: one.rule.attack,
            process,
            process_reason,
            evidence,
            first_at: self.clock.timestamp(one.first_at),
            count: one.count,
        }
    }

    fn evidence(&mut self, finding: usize, at: usize, one: &session::Evidence) -> Evidence {
        let pointer = |field: &str| format!("/findings/{finding}/evidence/{at}/{field}");
        let mut told =
            Evidence { errno: one.errno.map(|errno| self.texts.errno(errno)), ..Evidence::default() };
        match &one.fact {
            Fact::Path(path) => told.path = Some(self.texts.redacted(path, || pointer("path"))),
            Fact::Socket(name) => told.socket = Some(self.texts.redacted(name, || pointer("socket"))),
            Fact::Name(name) => told.name = Some(self.texts.redacted(name, || pointer("name"))),
            Fact::Call(position) => told.call = Some(id(*position)),
            Fact::Process(process) => told.process = self.id_of(*process),
        }
        told
    }
}
