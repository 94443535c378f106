//! Rules about unix sockets: services that do what they are told.

use std::sync::Arc;

use super::{
    Fact, Found, Hit, Rule, Session,
    Severity::{self, High, Low, Medium},
    rules::*,
};

/// `EPERM` and `EACCES` of `asm-generic/errno-base.h`.
const REFUSALS: [i32; 2] = [1, 13];

pub(super) fn look(session: &Session, found: &mut Found) {
    for asked in session.network.asked_services() {
        // Names as programs know them, of whatever root and mount namespace.
        let name =
            asked.name.strip_prefix(b"/var").filter(|rest| rest.starts_with(b"/run/")).unwrap_or(asked.name);
        let Some((rule, done)) = judge(name) else { continue };
        let severity = match asked.errno {
            None => done,
            Some(errno) if REFUSALS.contains(&errno) => done.min(Medium),
            // Nobody was there to talk to.
            Some(_) => Low,
        };
        found.add(Hit {
            rule,
            severity,
            process: asked.process,
            fact: Fact::Socket(Arc::from(asked.name)),
            errno: asked.errno,
            at: asked.first_at,
            count: asked.count,
        });
    }
}

fn judge(name: &[u8]) -> Option<(&'static Rule, Severity)> {
    const CONTAINERS: [&[u8]; 6] = [
        b"/docker.sock",
        b"/containerd.sock",
        b"/podman.sock",
        b"/crio.sock",
        b"/libvirt-sock",
        b"/lxd/unix.socket",
    ];
    const BUSES: [&[u8]; 2] = [b"/run/dbus/system_bus_socket", b"/run/systemd/private"];
    let of_user = name.strip_prefix(b"/run/user/");
    let at_bus = of_user.is_some_and(|rest| rest.ends_with(b"/bus") || rest.ends_with(b"/systemd/private"));
    if CONTAINERS.iter().any(|end| name.ends_with(end)) {
        Some((&CONTAINER_DAEMON, High))
    } else if at_bus || BUSES.contains(&name) {
        Some((&MESSAGE_BUS, Low))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_by_their_sockets() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(judge(name.as_bytes()).map(|(rule, _)| rule.id), expected, "{name}");
        };
        check("/run/docker.sock", Some("container_daemon"));
        check("/run/user/1000/podman/podman.sock", Some("container_daemon"));
        check("/run/dbus/system_bus_socket", Some("message_bus"));
        check("/run/user/1000/bus", Some("message_bus"));
        check("/tmp/bus", None);
        check("/run/nscd/socket", None);
    }
}
