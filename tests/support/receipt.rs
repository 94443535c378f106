//! A receipt, read the way any consumer would: as JSON, without glasshouse's own types.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use serde_json::Value;

/// A receipt.
pub(crate) struct Receipt {
    /// All of it.
    pub(crate) value: Value,
}

impl Receipt {
    /// Reads one and checks everything that must hold for every receipt, whatever was watched.
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let value = serde_json::from_slice(bytes).unwrap_or_else(|error| {
            panic!("the receipt is no JSON: {error}: {}", String::from_utf8_lossy(bytes))
        });
        let receipt = Self { value };
        receipt.check_sound();
        receipt
    }

    /// What a JSON pointer leads to; null where there is nothing.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A text.
    #[track_caller]
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("{pointer} is {}", self.at(pointer)))
    }

    /// Every process.
    pub(crate) fn processes(&self) -> Vec<Process<'_>> {
        list(self.at("/processes")).iter().map(Process).collect()
    }

    /// The command itself.
    #[track_caller]
    pub(crate) fn root(&self) -> Process<'_> {
        let id = self.at("/execution/root_process").as_u64().expect("execution.root_process is an id");
        self.with_id(id)
    }

    /// The process with this id.
    #[track_caller]
    pub(crate) fn with_id(&self, id: u64) -> Process<'_> {
        self.processes()
            .into_iter()
            .find(|process| process.id() == id)
            .unwrap_or_else(|| panic!("no process {id}"))
    }

    /// The only process with this pid, as its own innermost pid namespace counts.
    #[track_caller]
    pub(crate) fn with_pid(&self, pid: u64) -> Process<'_> {
        let found = self.all_with_pid(pid);
        assert_eq!(found.len(), 1, "processes with pid {pid}; there are {:?}", self.processes());
        found[0]
    }

    /// All processes that had this pid.
    pub(crate) fn all_with_pid(&self, pid: u64) -> Vec<Process<'_>> {
        self.processes().into_iter().filter(|process| process.namespace_pid() == pid).collect()
    }

    /// The children that the receipt gives a process.
    pub(crate) fn children(&self, parent: Process<'_>) -> Vec<Process<'_>> {
        self.processes().into_iter().filter(|process| process.parent_id() == Some(parent.id())).collect()
    }

    /// All executions, process by process.
    pub(crate) fn executions(&self) -> Vec<Execution<'_>> {
        self.processes().iter().flat_map(Process::executions).collect()
    }

    /// How often all processes together made a system call.
    pub(crate) fn calls(&self, name: &str) -> u64 {
        self.at("/syscalls/by_name").get(name).map_or(0, |count| count.as_u64().expect("a count"))
    }

    /// `(name, errno, count)` of what one process was denied.
    pub(crate) fn denied_to(&self, process: Process<'_>) -> BTreeSet<(String, String, u64)> {
        list(self.at("/syscalls/denied"))
            .iter()
            .filter(|denied| denied["process"].as_u64() == Some(process.id()))
            .map(|denied| (string(&denied["name"]), string(&denied["errno"]), number(&denied["count"])))
            .collect()
    }

    /// Codes of what is missing.
    pub(crate) fn reasons(&self) -> Vec<String> {
        list(self.at("/observation/reasons")).iter().map(|reason| string(&reason["code"])).collect()
    }

    /// Nothing is missing.
    #[track_caller]
    pub(crate) fn expect_complete(&self) {
        assert_eq!(self.text("/observation/completeness"), "complete", "{}", self.at("/observation/reasons"));
    }

    /// Checks the outcome.
    #[track_caller]
    pub(crate) fn expect_outcome(&self, status: &str, exit_code: Option<i64>, signal: Option<i64>) {
        let outcome = self.at("/execution/outcome");
        assert_eq!(outcome["status"], status, "{outcome}");
        assert_eq!(outcome["exit_code"].as_i64(), exit_code, "{outcome}");
        assert_eq!(outcome["signal"].as_i64(), signal, "{outcome}");
    }

    #[track_caller]
    fn check_sound(&self) {
        assert_eq!(self.text("/schema_version"), "1.0");
        assert_eq!(self.text("/receipt_id").len(), 36, "a UUID");
        assert_eq!(self.text("/tool/name"), "glasshouse");
        for family in list(self.at("/observation/families")) {
            let sum = number(&family["received"]) + number(&family["dropped"]);
            assert_eq!(number(&family["emitted"]), sum, "the loss equation: {family}");
        }
        let kinds: BTreeSet<_> =
            list(self.at("/observation/reasons")).iter().map(|reason| string(&reason["kind"])).collect();
        let completeness = match (kinds.contains("loss"), kinds.is_empty()) {
            (true, _) => "lossy",
            (false, true) => "complete",
            (false, false) => "partial",
        };
        assert_eq!(
            self.text("/observation/completeness"),
            completeness,
            "{}",
            self.at("/observation/reasons")
        );
        self.check_processes();
        self.check_counts();
        self.check_files();
        self.check_network();
    }

    #[track_caller]
    fn check_processes(&self) {
        let processes = self.processes();
        let mut order = Vec::new();
        for (index, process) in processes.iter().enumerate() {
            assert_eq!(process.id(), index as u64 + 1, "ids count from 1: {process:?}");
            order.push((process.text("/started_at"), process.pid()));
            match process.parent_id() {
                Some(parent) => assert!(parent < process.id(), "a parent comes first: {process:?}"),
                None => {
                    assert!(process.0["parent_id_reason"].is_string(), "why it has no parent: {process:?}")
                }
            }
            if let Some(creator) = process.0["created_by"].as_u64() {
                assert!(creator < process.id(), "a creator comes first: {process:?}");
            }
            check_time(process.text("/started_at"));
            if process.0["ended_at"].is_null() {
                assert!(process.0["ended_at_reason"].is_string(), "why it has no end: {process:?}");
                assert!(process.0["exit"].is_null(), "{process:?}");
            } else {
                check_time(process.text("/ended_at"));
                assert!(process.text("/started_at") <= process.text("/ended_at"), "{process:?}");
                assert!(!process.0["exit"].is_null(), "{process:?}");
                let exit = &process.0["exit"];
                assert!(exit["code"].is_null() != exit["signal"].is_null(), "a code or a signal: {exit}");
            }
            for execution in process.executions() {
                check_time(execution.0["at"].as_str().expect("executions[].at"));
            }
        }
        assert!(order.is_sorted(), "processes are in the order in which they started: {order:?}");
        if self.at("/execution/root_process").is_u64() {
            assert_eq!(self.root().id(), 1, "the command is the first process");
        }
    }

    #[track_caller]
    fn check_counts(&self) {
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        for process in self.processes() {
            let counts = process.calls_by_name();
            let total: u64 = counts.values().sum();
            assert_eq!(
                number(process.at("/syscalls/total")),
                total,
                "syscalls.total is the sum: {process:?}"
            );
            for (name, count) in counts {
                *sum.entry(name).or_default() += count;
            }
        }
        assert_eq!(counts(self.at("/syscalls/by_name")), sum, "the totals are the sums of the processes");
        assert_eq!(number(self.at("/syscalls/total")), sum.values().sum::<u64>());
        let names: Vec<_> = object_keys(self.at("/syscalls/by_name"));
        assert!(names.is_sorted(), "by_name is sorted: {names:?}");
        for denied in list(self.at("/syscalls/denied")) {
            let process = self.with_id(number(&denied["process"]));
            let calls = process.calls(denied["name"].as_str().expect("denied[].name"));
            assert!(calls >= number(&denied["count"]), "{denied} of only {calls} calls");
        }
    }
}

/// A process of a receipt.
#[derive(Clone, Copy)]
pub(crate) struct Process<'a>(pub(crate) &'a Value);

impl std::fmt::Debug for Process<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ProcessSummary { id, pid, parent, name } = self.summary();
        let paths: Vec<_> =
            self.executions().iter().map(|execution| execution.0["path"].to_string()).collect();
        write!(formatter, "#{id} pid {pid} of #{parent:?} {name} {paths:?} exit {}", self.0["exit"])
    }
}

struct ProcessSummary<'a> {
    id: u64,
    pid: u64,
    parent: Option<u64>,
    name: &'a Value,
}

impl<'a> Process<'a> {
    fn summary(&self) -> ProcessSummary<'a> {
        ProcessSummary { id: self.id(), pid: self.pid(), parent: self.parent_id(), name: &self.0["name"] }
    }

    pub(crate) fn at(&self, pointer: &str) -> &'a Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    #[track_caller]
    pub(crate) fn text(&self, pointer: &str) -> &'a str {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("{pointer} is {} in {self:?}", self.at(pointer)))
    }

    pub(crate) fn id(&self) -> u64 {
        number(&self.0["id"])
    }

    /// As the initial pid namespace counts.
    pub(crate) fn pid(&self) -> u64 {
        number(&self.0["pid"])
    }

    /// As the process itself sees it.
    pub(crate) fn namespace_pid(&self) -> u64 {
        number(&self.0["namespace_pid"])
    }

    pub(crate) fn parent_id(&self) -> Option<u64> {
        self.0["parent_id"].as_u64()
    }

    pub(crate) fn created_by(&self) -> Option<u64> {
        self.0["created_by"].as_u64()
    }

    pub(crate) fn executions(&self) -> Vec<Execution<'a>> {
        list(&self.0["executions"]).iter().map(Execution).collect()
    }

    /// The only execution.
    #[track_caller]
    pub(crate) fn execution(&self) -> Execution<'a> {
        let executions = self.executions();
        assert_eq!(executions.len(), 1, "executions of {self:?}");
        executions[0]
    }

    /// `(file name, errno, count)` of the execs that failed, in the order of the receipt.
    pub(crate) fn failed_executions(&self) -> Vec<(String, String, u64)> {
        list(&self.0["failed_executions"])
            .iter()
            .map(|failed| (string(&failed["filename"]), string(&failed["errno"]), number(&failed["count"])))
            .collect()
    }

    pub(crate) fn exit_code(&self) -> Option<i64> {
        self.0["exit"]["code"].as_i64()
    }

    pub(crate) fn exit_signal(&self) -> Option<i64> {
        self.0["exit"]["signal"].as_i64()
    }

    pub(crate) fn calls(&self, name: &str) -> u64 {
        self.at("/syscalls/by_name").get(name).map_or(0, number)
    }

    pub(crate) fn calls_by_name(&self) -> BTreeMap<String, u64> {
        counts(self.at("/syscalls/by_name"))
    }
}

/// An execution of a receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execution<'a>(pub(crate) &'a Value);

impl<'a> Execution<'a> {
    /// The path, complete and UTF-8.
    #[track_caller]
    pub(crate) fn path(&self) -> &'a str {
        self.0["path"].as_str().unwrap_or_else(|| panic!("path is {}", self.0["path"]))
    }

    /// The file name as given, complete.
    #[track_caller]
    pub(crate) fn filename(&self) -> Vec<u8> {
        bytes(&self.0["filename"])
    }

    /// The arguments, complete.
    #[track_caller]
    pub(crate) fn argv(&self) -> Vec<Vec<u8>> {
        list(&self.0["argv"]).iter().map(bytes).collect()
    }

    /// The arguments as text.
    #[track_caller]
    pub(crate) fn argv_text(&self) -> Vec<String> {
        self.argv().into_iter().map(|argument| String::from_utf8(argument).expect("UTF-8")).collect()
    }

    /// The variables with this name.
    pub(crate) fn variables(&self, name: &str) -> Vec<&'a Value> {
        list(&self.0["environment"]).iter().filter(|variable| variable["name"] == name).collect()
    }

    /// The hash is that of these bytes, or the receipt says why there is none.
    #[track_caller]
    pub(crate) fn expect_sha256_or_reason(&self, content: &[u8]) {
        match self.0["sha256"].as_str() {
            Some(hash) => assert_eq!(hash, super::sha256(content), "{}", self.0["path"]),
            None => assert!(self.0["sha256_reason"].is_string(), "why there is no hash: {}", self.0),
        }
    }

    /// The hash is that of these bytes.
    #[track_caller]
    pub(crate) fn expect_sha256(&self, content: &[u8]) {
        assert_eq!(self.0["sha256"].as_str(), Some(super::sha256(content).as_str()), "{}", self.0);
        assert_eq!(self.0["size_bytes"].as_u64(), Some(content.len() as u64), "{}", self.0);
    }
}

/// The exact bytes of a text that is complete.
#[track_caller]
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(object) if object.contains_key("base64") => base64::engine::general_purpose::STANDARD
            .decode(object["base64"].as_str().expect("base64 is a string"))
            .expect("base64"),
        other => panic!("not a complete text: {other}"),
    }
}

/// The elements of a list that is complete.
#[track_caller]
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

#[track_caller]
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

fn string(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn counts(value: &Value) -> BTreeMap<String, u64> {
    value.as_object().expect("by_name").iter().map(|(name, count)| (name.clone(), number(count))).collect()
}

fn object_keys(value: &Value) -> Vec<&String> {
    value.as_object().expect("an object").keys().collect()
}

/// RFC 3339, UTC, nine digits of the second: such texts sort like the times they are.
#[track_caller]
fn check_time(text: &str) {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000000Z", "{text}");
}
