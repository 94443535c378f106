//! From the records of a recording to a receipt, without a kernel.

use glasshouse::{
    disclosure::Disclosure,
    event::{Event, EventKind, Exec},
    facts::{CommandFacts, ExecutionFacts, Outcome, RunFacts, UserFacts},
    observe::replay::{Recording, RecordingHeader},
    receipt::{ReceiptOptions, from_session},
    session::Session,
};

#[path = "run_facts.rs"]
mod run_facts;

/// The receipt that a recording gives, as it is written.
pub(crate) fn receipt_of(recording: Recording<'_>) -> Vec<u8> {
    let replayed = recording.replay();
    let mut session = Session::new();
    let mut facts = facts(&recording.header, &replayed.events);
    let mut disclosure = Disclosure::default();
    facts.command = disclosure.command(facts.command);
    for event in &disclosure.pass_all(replayed.events) {
        session.apply(event);
    }
    session.observation_ended(&[]);
    let receipt = from_session(&session, session.remains(), facts, &ReceiptOptions::default());
    let mut json = Vec::new();
    receipt.write_json(&mut json).unwrap();
    json
}

/// What a recording does not have: of the command, what its exec tells; of the rest, nothing.
fn facts(header: &RecordingHeader, events: &[Event]) -> RunFacts {
    let root = events.iter().find_map(|event| match &event.kind {
        EventKind::Exec(exec) if exec.is_root => Some((event, &**exec)),
        _ => None,
    });
    let exit = events.iter().find_map(|event| match &event.kind {
        EventKind::Exit(exit) if root.is_some_and(|(root, _)| root.process == event.process) => {
            Some((event, exit))
        }
        _ => None,
    });
    let strings =
        |of: fn(&Exec) -> Option<Vec<Vec<u8>>>| root.and_then(|(_, exec)| of(exec)).unwrap_or_default();
    let known = run_facts::facts();
    RunFacts {
        command: CommandFacts {
            argv: strings(|exec| exec.argv.value().cloned()),
            cwd: root.and_then(|(_, exec)| exec.cwd.path.value().cloned()).unwrap_or_default(),
            user: UserFacts {
                uid: root.map_or(0, |(_, exec)| exec.credentials.uid),
                gid: root.map_or(0, |(_, exec)| exec.credentials.gid),
                name: None,
            },
            executable: root.and_then(|(_, exec)| exec.image.path.path.value().cloned()),
            environment: strings(|exec| exec.environment.value().map(|strings| strings.to_vec())),
        },
        execution: ExecutionFacts {
            root_pid: root.map(|(event, _)| event.process.tgid),
            started_at: root.map_or(0, |(event, _)| event.at),
            finished_at: exit.map_or(0, |(event, _)| event.at),
            outcome: Outcome {
                exit_code: exit.and_then(|(_, exit)| exit.code.map(i32::from)),
                ..known.execution.outcome.clone()
            },
            ..known.execution
        },
        boot_to_unix_ns: header.boot_to_unix_ns,
        ..known
    }
}
