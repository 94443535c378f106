//! `glasshouse receipt`: makes the receipt of a run from its events.

use std::{
    fs::File,
    io::{BufReader, Write as _},
};

use crate::{
    cli::ReceiptArgs,
    launch::{EXIT_FAILED, identity::Caller, quoted},
    options::ReceiptDestination,
    receipt::{from_session, write::ReceiptTarget},
    recording::rebuild,
    runner::say,
    summary,
};

/// Runs the subcommand; returns the exit code.
pub fn run(args: ReceiptArgs) -> u8 {
    match make(args) {
        Ok(()) => 0,
        Err(error) => {
            say(&error);
            EXIT_FAILED
        }
    }
}

fn make(args: ReceiptArgs) -> Result<(), String> {
    let named = quoted(&args.events);
    let file = File::open(&args.events).map_err(|error| format!("cannot read {named}: {error}"))?;
    let target = match ReceiptDestination::try_from(args.receipt).map_err(|error| error.to_string())? {
        ReceiptDestination::Stdout => ReceiptTarget::stdout(),
        ReceiptDestination::File(path) => ReceiptTarget::open(&path).map_err(|error| error.to_string())?,
    };
    let rebuilt = rebuild(BufReader::new(file)).map_err(|error| format!("{named}: {error}"))?;
    if let Some(cut) = &rebuilt.cut {
        say(&format!("{named}: {cut}; the receipt has what happened before"));
    }
    let remains = rebuilt.session.remains();
    let receipt = from_session(&rebuilt.session, remains, rebuilt.facts, &rebuilt.options);
    let written =
        target.commit(&receipt, Some(Caller::current().owner())).map_err(|error| error.to_string())?;
    if let Some(message) = written.displaced() {
        say(&message);
    }
    if !args.quiet {
        let mut text = Vec::new();
        // Writing to memory does not fail, and the receipt is in place.
        drop(summary::write(&mut text, &receipt, Some(&written)));
        drop(std::io::stderr().lock().write_all(&text));
    }
    Ok(())
}
