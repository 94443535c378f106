//! Connections, listeners, questions and other sockets.

use super::{
    super::{
        App, World, describe,
        network::{Entry, Row, rows},
    },
    Line, at, heading, said, whom,
};
use crate::{
    event::ProcessKey,
    names,
    session::Connection,
    tui::text::{clean_observed, count, lasted},
};

/// What a process did in the network.
pub(super) fn of_process(app: &App, key: ProcessKey, lines: &mut Vec<Line>) {
    let Some(view) = &app.connections else { return };
    let own: Vec<_> = rows(view).filter(|row| row.processes(view).contains(&key)).collect();
    if !own.is_empty() {
        lines.push(heading(&format!("network, {} in all", count(own.len() as u64))));
    }
    for row in own {
        let Some(entry) = row.entry(view) else { continue };
        let name = match entry {
            Entry::Connection(one) => describe::result(one.result),
            Entry::Listener(_) => "listens",
            Entry::Question(_) => "asked",
            Entry::Failure(_) => "failed",
            Entry::Unix(_) => "unix",
        };
        lines.push(said(&format!("  {name}"), describe::entry(entry, app.theme.signs)));
    }
}

/// All that is known of a row of the network.
pub(super) fn row(app: &App, world: World<'_>, row: Row) -> Option<Vec<Line>> {
    let view = app.connections.as_ref()?;
    let session = world.session;
    let mut lines = match row.entry(view)? {
        Entry::Connection(one) => connection(world, one),
        Entry::Listener(one) => {
            vec![
                said("listener", describe::listener(one)),
                said("accepted", count(one.accepted)),
                said("backlog", one.backlog.map_or_else(|| "none".into(), |backlog| backlog.to_string())),
                said("since", at(world, one.at)),
                said("closed", one.closed_at.map_or_else(|| "no".into(), |closed| at(world, closed))),
            ]
        }
        Entry::Question(one) => {
            let mut lines = vec![
                said("question", describe::question(one, app.theme.signs)),
                said("server", one.server.map_or_else(|| "unknown".into(), describe::endpoint)),
                said("transport", format!("{:?}", one.transport).to_lowercase()),
                said("sent", format!("{} times", one.count)),
            ];
            for answer in &one.answers {
                let value = match &answer.value {
                    crate::session::DnsValue::Address(address) => address.to_string(),
                    crate::session::DnsValue::Name(name) => clean_observed(name),
                    _ => format!("record of type {}", answer.kind),
                };
                lines.push(said(
                    &format!("  {}", clean_observed(&answer.name)),
                    format!("{value}, for {} s", answer.ttl),
                ));
            }
            lines
        }
        Entry::Failure(one) => {
            vec![
                said("failed", describe::socket_failure(one)),
                said("error", names::errno(one.errno)),
                said("times", count(one.count)),
                said("first", at(world, one.first_at)),
                said("last", at(world, one.last_at)),
            ]
        }
        Entry::Unix(one) => {
            let mut lines = vec![said("socket", describe::unix(one))];
            if let Some(peer) = one.peer {
                lines.push(said("peer", whom(session, peer)));
            } else if let Some(pid) = one.peer_pid {
                lines.push(said("peer", format!("pid {pid}, which is not observed")));
            }
            for (operation, times) in &one.operations {
                lines.push(said(&format!("  {}", format!("{operation:?}").to_lowercase()), count(*times)));
            }
            lines.push(said("bytes sent", count(one.bytes_sent)));
            lines.push(said("bytes received", count(one.bytes_received)));
            lines
        }
    };
    let users = row.processes(view);
    lines.push(heading("processes"));
    lines.extend(users.iter().map(|key| said("", whom(session, *key))));
    Some(lines)
}

fn connection(world: World<'_>, one: &Connection) -> Vec<Line> {
    let end = |end: Option<crate::event::Endpoint>| end.map_or_else(|| "unknown".into(), describe::endpoint);
    let mut lines = vec![
        said("peer", describe::peer(one)),
        said("protocol", describe::protocol(one)),
        said("local", end(one.local)),
        said("remote", end(one.remote)),
        said("result", describe::result(one.result)),
    ];
    if let Some(errno) = one.error {
        lines.push(said("error", names::errno(errno)));
    }
    if let Some((_, source)) = &one.hostname {
        lines.push(said("name is from", format!("{source:?}").to_lowercase()));
    }
    lines.push(said("opened", at(world, one.opened_at)));
    if let Some(established) = one.established_at {
        lines.push(said(
            "established",
            format!("{} later", lasted(established.saturating_sub(one.opened_at))),
        ));
    }
    lines.push(said("closed", one.closed_at.map_or_else(|| "not by now".into(), |closed| at(world, closed))));
    let totals = &one.totals;
    lines.push(said(
        "sent",
        format!("{} bytes, {} packets", count(totals.bytes_sent), count(totals.packets_sent)),
    ));
    lines.push(said(
        "received",
        format!("{} bytes, {} packets", count(totals.bytes_received), count(totals.packets_received)),
    ));
    if let Some(told) = one.told.as_deref() {
        if let Some(tls) = &told.tls {
            lines.push(heading("TLS"));
            lines.push(said("  server name", tls.sni.as_ref().map_or_else(|| "none".into(), clean_observed)));
            let alpn: Vec<_> = tls.alpn.iter().map(clean_observed).collect();
            lines.push(said("  protocols", alpn.join(", ")));
            if let Some(ja4) = &tls.ja4 {
                lines.push(said("  JA4", clean_observed(ja4)));
            }
        }
        if let Some(http) = &told.http {
            lines.push(heading("HTTP"));
            let target = http.target.as_ref().map(clean_observed).unwrap_or_default();
            lines.push(said("  request", format!("{} {target}", clean_observed(&http.method))));
            lines.push(said("  host", http.host.as_ref().map_or_else(|| "none".into(), clean_observed)));
        }
        if let Some(ssh) = &told.ssh {
            lines.push(heading("SSH"));
            lines
                .push(said("  client", ssh.client.as_ref().map_or_else(|| "unknown".into(), clean_observed)));
            lines
                .push(said("  server", ssh.server.as_ref().map_or_else(|| "unknown".into(), clean_observed)));
        }
    }
    lines
}
