//! What a receipt says of calls that matter by themselves, and of findings.

use serde_json::Value;

use super::receipt::{Receipt, bytes, list, number};

/// An entry of `findings`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a>(pub(crate) &'a Value);

impl<'a> Finding<'a> {
    pub(crate) fn rule(&self) -> &'a str {
        self.0["rule"].as_str().expect("a rule")
    }

    pub(crate) fn severity(&self) -> &'a str {
        self.0["severity"].as_str().expect("a severity")
    }

    /// How often.
    pub(crate) fn count(&self) -> u64 {
        number(&self.0["count"])
    }

    /// Texts of the evidence under one name: paths, sockets, names.
    pub(crate) fn evidence(&self, field: &str) -> Vec<String> {
        let told = list(&self.0["evidence"]).iter().filter(|one| one.get(field).is_some());
        told.map(|one| String::from_utf8(bytes(&one[field])).expect("text")).collect()
    }
}

impl Receipt {
    /// All of them.
    pub(crate) fn findings(&self) -> Vec<Finding<'_>> {
        list(self.at("/findings")).iter().map(Finding).collect()
    }

    /// The worst finding of a rule, which must be of this severity.
    #[track_caller]
    pub(crate) fn expect_finding(&self, rule: &str, severity: &str) -> Finding<'_> {
        let found = self.findings().into_iter().find(|finding| finding.rule() == rule);
        let found = found.unwrap_or_else(|| panic!("no {rule} in {:#?}", self.findings()));
        assert_eq!(found.severity(), severity, "{found:#?}");
        found
    }

    /// `syscalls.notable` of one call.
    pub(crate) fn notable(&self, call: &str) -> Vec<&Value> {
        list(self.at("/syscalls/notable")).iter().filter(|entry| entry["call"] == call).collect()
    }

    /// Whether there is a blind spot of this code.
    pub(crate) fn has_blind_spot(&self, code: &str) -> bool {
        list(self.at("/observation/blind_spots")).iter().any(|spot| spot["code"] == code)
    }

    /// How often calls of this sort were made, whatever became of them.
    pub(crate) fn notable_count(&self, call: &str) -> u64 {
        self.notable(call).iter().map(|entry| number(&entry["count"])).sum()
    }
}
