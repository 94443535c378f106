//! What the interface waits for. What is not there is waited for without end.

use std::{
    future::{pending, poll_fn},
    os::fd::AsFd as _,
    pin::Pin,
    time::Instant,
};

use crossterm::event::{Event as Input, EventStream};
use futures_core::Stream as _;
use tokio::signal::unix::Signal as SignalStream;

use crate::launch::{Pty, readable, writable};

pub(super) async fn next_input(input: &mut Option<EventStream>) -> Option<Input> {
    let Some(stream) = input else { return pending().await };
    match poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await {
        Some(Ok(event)) => Some(event),
        // There is no keyboard any more.
        Some(Err(_)) | None => {
            *input = None;
            None
        }
    }
}

pub(super) async fn stopped(stops: &mut Option<SignalStream>) {
    let told = match stops {
        Some(stops) => stops.recv().await,
        None => None,
    };
    if told.is_none() {
        pending().await
    }
}

pub(super) async fn can_read(pty: Option<&Pty>) {
    let watched = pty.and_then(|pty| readable(pty.as_fd()).ok());
    match watched {
        Some(watched) => drop(watched.readable().await),
        None => pending().await,
    }
}

pub(super) async fn can_write(pty: Option<&Pty>) {
    let watched = pty.and_then(|pty| writable(pty.as_fd()).ok());
    match watched {
        Some(watched) => drop(watched.writable().await),
        None => pending().await,
    }
}

pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
