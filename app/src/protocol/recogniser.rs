//! What one connection turned out to be.

use super::{
    Progress, banner,
    dns::{self, Message},
    http::{self, Request},
    stream::{self, Beginning},
    tls::{self, ClientHello},
};

/// How far into each direction of a connection with a name server is looked, in bytes: the length of one longest message,
/// or of some thousand usual ones.
pub const MAX_DNS_BYTES: usize = 64 * 1024;
/// Messages of a connection that are held until they are taken.
pub const MAX_DNS_MESSAGES: usize = 128;
/// Packets of a direction that are looked at. Each has all parsers look again; a hello that needs a tenth as many is long.
const MAX_PACKETS: usize = 64;
/// The same with a name server, where each message is read once.
const MAX_DNS_PACKETS: usize = 1024;
/// Packets that a direction may begin with before it is given up where its start is not known: they may have come in
/// another order.
const PATIENCE: usize = 3;

/// An end of a connection, as the one that sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Who opened the connection.
    Client,
    Server,
}

impl Sender {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        }
    }
}

/// What was recognised of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognised {
    pub tls: Option<ClientHello>,
    /// The first request. If it asks a proxy for a tunnel, there can be a hello as well: it is for the host behind.
    pub http: Option<Request>,
    pub ssh: Ssh,
    pub smtp: Option<Smtp>,
    /// In each direction in the order of the stream. See [`Recogniser::take_dns`].
    pub dns: Vec<(Sender, Message)>,
    /// Messages that found no room in `dns`.
    pub dns_left_out: u64,
    /// Which end spoke as clients do, where that was not known before.
    pub client: Option<Sender>,
}

/// The identifications of both ends, without the end of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    pub client: Option<Vec<u8>>,
    pub server: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smtp {
    /// The first line of the server's greeting, without its code.
    pub greeting: Option<Vec<u8>>,
    /// The name that the client introduces itself by.
    pub helo: Option<Vec<u8>>,
}

/// What is seen of one connection, until it says what it is or cannot be any of what is known.
///
/// It holds [`stream::MAX_BYTES`] of each direction at most, or [`MAX_DNS_BYTES`] of one with a name server.
#[derive(Clone, Debug)]
pub struct Recogniser {
    roles_known: bool,
    recognised: Recognised,
    /// A greeting that may be FTP's as well, until one of both says that it is SMTP's.
    greeting: Option<Vec<u8>>,
    client: Option<Direction>,
    server: Option<Direction>,
}

/// What is looked at of one direction. There is none any more when it is done.
#[derive(Clone, Debug)]
struct Direction {
    beginning: Beginning,
    packets: usize,
    /// Whether it may be a stream of DNS messages.
    dns: bool,
    /// Whether messages were found in it, so that it is nothing else.
    dns_found: bool,
    /// Whether the head of a request for a tunnel is behind, so that only a hello can follow.
    in_tunnel: bool,
}

impl Direction {
    fn new(is_dns_port: bool) -> Self {
        Self {
            beginning: Beginning::new(if is_dns_port { MAX_DNS_BYTES } else { stream::MAX_BYTES }),
            packets: 0,
            dns: is_dns_port,
            dns_found: false,
            in_tunnel: false,
        }
    }

    /// Whether no more can be seen of what is looked at now.
    fn is_at_end(&self) -> bool {
        let (bytes, packets) = match (self.dns, self.dns_found) {
            (true, true) => (MAX_DNS_BYTES, MAX_DNS_PACKETS),
            (true, false) => (MAX_DNS_BYTES, MAX_PACKETS),
            (false, _) => (stream::MAX_BYTES, MAX_PACKETS),
        };
        self.beginning.is_full()
            || self.beginning.ends_at_cut()
            || self.beginning.prefix().len() >= bytes
            || self.packets >= packets
    }
}

/// What looking at a direction comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It may become something yet.
    Open,
    /// It is nothing that is known here.
    Nothing,
    /// It is known.
    Known,
    /// It is known, and the other direction says nothing more.
    Settled,
}

impl Recogniser {
    /// Of a connection of which it is known who opened it.
    pub fn new(is_dns_port: bool) -> Self {
        Self {
            roles_known: true,
            recognised: Recognised::default(),
            greeting: None,
            client: Some(Direction::new(is_dns_port)),
            server: Some(Direction::new(is_dns_port)),
        }
    }

    /// Of a connection that was there before: each end may be the client, and the senders only tell them apart.
    pub fn without_roles(is_dns_port: bool) -> Self {
        Self { roles_known: false, ..Self::new(is_dns_port) }
    }

    /// States the sequence number of the first byte that an end sends, the one after that of its SYN. Without it the
    /// lowest of the first packets is taken for the first.
    pub fn starts_at(&mut self, sender: Sender, sequence: u32) {
        if let Some(direction) = self.direction(sender) {
            direction.beginning.starts_at(sequence);
        }
    }

    /// Takes what was seen of a packet's payload: `bytes` of `total`, which is more if the packet was cut.
    pub fn feed(&mut self, sender: Sender, sequence: u32, bytes: &[u8], total: usize) {
        // Packets without payload are sent from before the stream as well.
        if bytes.is_empty() && total == 0 {
            return;
        }
        let Some(mut direction) = self.direction(sender).take() else { return };
        let before = direction.beginning.prefix().len();
        direction.beginning.take(sequence, bytes, total);
        direction.packets += 1;
        let changed = direction.beginning.prefix().len() != before || !direction.beginning.start_known();
        let mut look = if changed { self.look(sender, &mut direction) } else { Look::Open };
        while look == Look::Open && direction.is_at_end() {
            look = self.look_a_last_time(sender, &mut direction);
        }
        // Where the start is not known, what came first may not be what is first.
        let early =
            !direction.beginning.start_known() && direction.packets < PATIENCE && !direction.is_at_end();
        match look {
            Look::Settled => *self.direction(sender.other()) = None,
            Look::Known => {}
            Look::Nothing if !early => {}
            Look::Open | Look::Nothing => *self.direction(sender) = Some(direction),
        }
    }

    /// Whether nothing more of what an end sends is looked at.
    pub fn is_done_with(&self, sender: Sender) -> bool {
        match sender {
            Sender::Client => self.client.is_none(),
            Sender::Server => self.server.is_none(),
        }
    }

    /// Whether nothing more of the connection is looked at.
    pub fn is_done(&self) -> bool {
        self.client.is_none() && self.server.is_none()
    }

    pub fn recognised(&self) -> &Recognised {
        &self.recognised
    }

    /// The messages since the last time.
    pub fn take_dns(&mut self) -> Vec<(Sender, Message)> {
        std::mem::take(&mut self.recognised.dns)
    }

    pub fn into_recognised(self) -> Recognised {
        self.recognised
    }

    fn direction(&mut self, sender: Sender) -> &mut Option<Direction> {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    fn look(&mut self, sender: Sender, direction: &mut Direction) -> Look {
        let may_be_client = !self.roles_known || sender == Sender::Client;
        let may_be_server = !self.roles_known || sender == Sender::Server;
        let mut open = false;
        if !direction.dns_found {
            if may_be_client {
                match self.look_at_client(sender, direction) {
                    Look::Open => open = true,
                    Look::Nothing => {}
                    known @ (Look::Known | Look::Settled) => return known,
                }
            }
            let stream = direction.beginning.prefix();
            if !direction.in_tunnel {
                match banner::ssh(stream, may_be_server) {
                    Progress::Found(line) => {
                        match sender {
                            Sender::Client => self.recognised.ssh.client = Some(line),
                            Sender::Server => self.recognised.ssh.server = Some(line),
                        }
                        return Look::Known;
                    }
                    Progress::NeedsMore => open = true,
                    Progress::No => {}
                }
            }
            if may_be_server && !direction.in_tunnel {
                match banner::smtp_greeting(stream) {
                    Progress::Found(line) => {
                        self.greet(sender, line);
                        return Look::Known;
                    }
                    Progress::NeedsMore => open = true,
                    Progress::No => {}
                }
            }
        }
        if direction.dns {
            match self.look_at_dns(sender, direction) {
                Look::Open => open = true,
                Look::Nothing => direction.dns = false,
                Look::Known | Look::Settled => {}
            }
        }
        if open { Look::Open } else { Look::Nothing }
    }

    /// What only clients say.
    fn look_at_client(&mut self, sender: Sender, direction: &mut Direction) -> Look {
        let mut open = false;
        if !direction.in_tunnel {
            match http::request(direction.beginning.prefix()) {
                Progress::Found(request) => {
                    let tunnel = request.tunnel;
                    self.spoke_as_client(sender);
                    self.recognised.http = Some(request);
                    let Some(start) = tunnel else { return Look::Settled };
                    direction.beginning.skip(start);
                    direction.in_tunnel = true;
                    direction.dns = false;
                    *self.direction(sender.other()) = None;
                }
                Progress::NeedsMore => open = true,
                Progress::No => {}
            }
        }
        let stream = direction.beginning.prefix();
        match tls::client_hello(stream) {
            Progress::Found(hello) => {
                self.spoke_as_client(sender);
                self.recognised.tls = Some(hello);
                return Look::Settled;
            }
            Progress::NeedsMore => open = true,
            Progress::No => {}
        }
        if !direction.in_tunnel {
            match banner::smtp_helo(stream) {
                Progress::Found(name) => {
                    self.spoke_as_client(sender);
                    let smtp = self.recognised.smtp.get_or_insert_default();
                    smtp.helo = Some(name);
                    smtp.greeting = smtp.greeting.take().or(self.greeting.take());
                    // The greeting can be seen after its answer.
                    return if smtp.greeting.is_some() { Look::Settled } else { Look::Known };
                }
                Progress::NeedsMore => open = true,
                Progress::No => {}
            }
        }
        if open { Look::Open } else { Look::Nothing }
    }

    fn greet(&mut self, sender: Sender, line: Vec<u8>) {
        let says_so = line.windows(4).any(|window| window.eq_ignore_ascii_case(b"SMTP"));
        if says_so || self.recognised.smtp.is_some() {
            self.spoke_as_client(sender.other());
            self.recognised.smtp.get_or_insert_default().greeting = Some(line);
        } else {
            self.greeting = Some(line);
        }
    }

    fn look_at_dns(&mut self, sender: Sender, direction: &mut Direction) -> Look {
        let mut rest = direction.beginning.prefix();
        let mut read = 0;
        while let Some((message, behind)) = dns::split(rest) {
            read += rest.len() - behind.len();
            rest = behind;
            // Behind a message, what is none is passed over; a stream that begins so is of something else.
            match dns::parse(message) {
                Ok(message) if direction.dns_found || says_something(&message) => {
                    direction.dns_found = true;
                    self.keep_message(sender, message);
                }
                _ if direction.dns_found => {}
                _ => return Look::Nothing,
            }
        }
        if read > 0 {
            direction.beginning.skip(read);
        }
        Look::Open
    }

    fn keep_message(&mut self, sender: Sender, message: Message) {
        if self.recognised.dns.len() < MAX_DNS_MESSAGES {
            self.recognised.dns.push((sender, message));
        } else {
            self.recognised.dns_left_out += 1;
        }
    }

    /// Takes what can be said where no more can be seen.
    fn look_a_last_time(&mut self, sender: Sender, direction: &mut Direction) -> Look {
        let stream = direction.beginning.prefix();
        if (!self.roles_known || sender == Sender::Client) && !direction.dns_found {
            let request = http::unfinished(stream).filter(|_| !direction.in_tunnel);
            let hello = tls::unfinished(stream);
            if request.is_some() || hello.is_some() {
                self.spoke_as_client(sender);
                self.recognised.http = request.or(self.recognised.http.take());
                self.recognised.tls = hello;
                return Look::Settled;
            }
        }
        // The length promises more than there is; the question is at the beginning, and behind the message is the next.
        let Some((length, message)) = stream.split_first_chunk::<2>().filter(|_| direction.dns) else {
            return Look::Nothing;
        };
        if let Ok(message) = dns::parse(message)
            && says_something(&message)
        {
            direction.dns_found = true;
            self.keep_message(sender, message);
        }
        if !direction.dns_found || direction.packets >= MAX_DNS_PACKETS {
            return Look::Nothing;
        }
        direction.beginning.skip(2 + usize::from(u16::from_be_bytes(*length)));
        self.look_at_dns(sender, direction)
    }

    fn spoke_as_client(&mut self, sender: Sender) {
        if !self.roles_known {
            self.recognised.client = Some(sender);
        }
    }
}

fn says_something(message: &Message) -> bool {
    !message.questions.is_empty() || !message.answers.is_empty()
}
