//! How fast bytes go through the rows on the screen.
//!
//! The session has totals and no past. What is remembered here is what the totals of the rows on the screen were a moment
//! ago, and nothing of any other row: it costs the same however many files there are.

use super::{App, Pane, World, network::Kind};
use crate::{event::BootNs, maps::HashMap, session::FileRowId};

/// A rate is over at least this time, ns, and over less than twice as much.
const SPAN: BootNs = 1_000_000_000;

/// What has a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flowing {
    /// A row of files.
    File(FileRowId),
    /// A row of the network: its kind, and when it began.
    Network(Kind, BootNs),
}

/// Bytes of both ways: read and written, or sent and received.
pub type Bytes = [u64; 2];

/// The rates of what is on the screen.
#[derive(Clone, Debug, Default)]
pub struct Rates(HashMap<Flowing, Meter>);

#[derive(Clone, Copy, Debug)]
struct Meter {
    total: Bytes,
    /// Number of the span of time that has begun, and what went through in it and in the one before.
    span: u64,
    current: Bytes,
    before: Bytes,
    looked_at: BootNs,
}

impl Rates {
    /// Bytes a second over the last second or two.
    pub fn of(&self, what: Flowing) -> Bytes {
        let Some(meter) = self.0.get(&what) else { return [0; 2] };
        let time = SPAN + meter.looked_at % SPAN;
        std::array::from_fn(|way| {
            let bytes = u128::from(meter.before[way]) + u128::from(meter.current[way]);
            u64::try_from(bytes * u128::from(SPAN) / u128::from(time)).unwrap_or(u64::MAX)
        })
    }

    /// Notes the total of something that is known since `first_at`.
    fn look(&mut self, what: Flowing, first_at: BootNs, total: Bytes, now: BootNs) {
        let span = now / SPAN;
        let meter = self.0.entry(what).or_insert_with(|| Meter {
            // Of what is new all that went through did so just now.
            total: if first_at + SPAN > now { [0; 2] } else { total },
            span,
            current: [0; 2],
            before: [0; 2],
            looked_at: now,
        });
        if meter.span != span {
            meter.before = if meter.span + 1 == span { meter.current } else { [0; 2] };
            (meter.current, meter.span) = ([0; 2], span);
        }
        let flown = |way: usize| total[way].saturating_sub(meter.total[way]);
        meter.current = std::array::from_fn(|way| meter.current[way] + flown(way));
        (meter.total, meter.looked_at) = (total, now);
    }

    /// Forgets what was not looked at just now.
    fn forget_others(&mut self, now: BootNs) {
        self.0.retain(|_, meter| meter.looked_at == now);
    }
}

impl App {
    /// Looks how much has gone through the rows on the screen; to be done before they are drawn. `height` says how many
    /// rows of a pane are on it, if it is there at all.
    pub fn measure(&mut self, world: World<'_>, height: impl Fn(Pane) -> Option<usize>) {
        let now = world.progress.now;
        if world.progress.stage.is_over() {
            self.rates = Rates::default();
            return;
        }
        if let Some(height) = height(Pane::Files) {
            let files = world.session.file_rows();
            for id in self.files.on_screen(height) {
                let Some(row) = files.get(*id) else { continue };
                let (read, written) = row.bytes();
                self.rates.look(Flowing::File(*id), row.first_at, [read, written], now);
            }
        }
        if let (Some(height), Some(view)) = (height(Pane::Network), &self.connections) {
            for row in self.network.on_screen(height) {
                let (sent, received) = row.bytes(view);
                self.rates.look(Flowing::Network(row.kind, row.at), row.at, [sent, received], now);
            }
        }
        self.rates.forget_others(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Flowing = Flowing::File(FileRowId::Use(1));

    #[test]
    fn a_steady_flow_has_its_rate_and_a_quiet_one_none() {
        let mut rates = Rates::default();
        let (start, tick) = (50 * SPAN, SPAN / 10);
        // It was there long before it was looked at: what went through before is of no account.
        for number in 0..=25 {
            rates.look(FILE, 0, [1_000_000 + 100 * number, 0], start + number * tick);
        }
        let [read, written] = rates.of(FILE);
        assert!((900..1_100).contains(&read) && written == 0, "{read} {written}");
        for number in 26..=45 {
            rates.look(FILE, 0, [1_002_500, 0], start + number * tick);
        }
        assert_eq!(rates.of(FILE), [0, 0]);
    }

    #[test]
    fn what_is_new_flows_from_its_beginning() {
        let mut rates = Rates::default();
        rates.look(FILE, 50 * SPAN, [0, 3_000], 50 * SPAN + SPAN / 2);
        assert_eq!(rates.of(FILE), [0, 2_000]);
        // Nobody looked for a while: how fast it was is not known.
        rates.look(FILE, 50 * SPAN, [0, 3_000], 58 * SPAN);
        assert_eq!(rates.of(FILE), [0, 0]);
    }

    #[test]
    fn only_what_is_looked_at_is_remembered() {
        let mut rates = Rates::default();
        rates.look(FILE, 0, [1, 1], 50 * SPAN);
        rates.look(Flowing::Network(Kind::Connection, 3), 0, [1, 1], 50 * SPAN + 1);
        rates.forget_others(50 * SPAN + 1);
        assert_eq!(rates.0.len(), 1);
    }
}
