//! Frames of random streams, and a plain second reading of who hears what of them.

#![allow(dead_code, reason = "each test uses a part")]

use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, ORIGIN_BYTES, Origin, events};
use ringbook_oracle::generate::Generator;
use ringbook_report::{FrameParts, KEY_STREAMS, View, reports, streams};
use ringbook_wire::message::{Continue, Genesis, Header, Message, MessageType};
use ringbook_wire::report::{self, LAST, Place, ReportType};
use ringbook_wire::{AccountId, EndReason, KeyId, Sequence, SessionId, Term, TimestampNs};
use zerocopy::{FromBytes, IntoBytes};

/// A frame.
pub struct Recorded {
    pub sequence: u64,
    pub time: u64,
    pub command: Vec<u8>,
    pub events: Vec<u8>,
}

impl Recorded {
    pub fn parts(&self) -> FrameParts<'_> {
        FrameParts {
            sequence: Sequence(self.sequence),
            time: TimestampNs(self.time),
            term: Term(3),
            command: &self.command,
            events: &self.events,
        }
    }

    pub fn reports(&self, view: &View) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let count = reports(&self.parts(), view, &mut |report| out.push(report.to_vec())).unwrap();
        assert_eq!(count as usize, out.len());
        out
    }
}

/// A stream of frames of spot.
pub fn record(seed: u64, commands: usize) -> Vec<Recorded> {
    record_from(Generator::new(seed), commands)
}

/// A stream of frames with small event bounds, so that long work goes on in CONTINUEs.
pub fn record_from(mut generator: Generator, commands: usize) -> Vec<Recorded> {
    let mut engine = Engine::new();
    let mut frames: Vec<Recorded> = Vec::new();
    let mut buffer = vec![0; 8_192];
    let mut execute = |engine: &mut Engine, clock: u64, origin: Origin, message: &[u8]| {
        let mut command = origin.as_bytes().to_vec();
        // The generator numbers nothing; a request number must come back.
        command.extend_from_slice(message);
        if origin.session.0 != 0 {
            command[20..24].copy_from_slice(&7_u32.to_le_bytes());
        }
        let time = clock.max(engine.time().0);
        let sequence = engine.sequence().0 + 1;
        let written = engine.apply(Sequence(sequence), TimestampNs(time), &command, &mut buffer).unwrap();
        frames.push(Recorded { sequence, time, command, events: buffer[..written].to_vec() });
        events(&buffer[..written]).map(Result::unwrap).collect::<Vec<Event>>()
    };
    let genesis = Genesis { max_event_bytes: 4_096, ..generator.genesis() };
    execute(&mut engine, 1, Origin::INTERNAL, genesis.as_bytes());
    for _ in 0..commands {
        let command = generator.next_command();
        let mut seen = execute(&mut engine, command.time_ns, command.origin, &command.message);
        while engine.pending() != Pending::Nothing {
            let due = engine.continuation().unwrap();
            let message = Continue { of: due.of, ..Continue::new(due.request) };
            seen.extend(execute(&mut engine, 0, due.origin, message.as_bytes()));
        }
        generator.observe(&seen);
    }
    frames
}

pub fn view(key: u32, first: u32, last: u32) -> View {
    let key = KeyId(key);
    View {
        first_account: AccountId(first),
        last_account: AccountId(last),
        own_only: false,
        key,
        session: SessionId::new(key, 1),
    }
}

pub fn place(report: &[u8]) -> (Header, Place) {
    let (header, rest) = Header::read_from_prefix(report).unwrap();
    (header, Place::read_from_prefix(rest).unwrap().0)
}

/// The account that a report is about, if it has one.
fn account(report: &[u8]) -> Option<u32> {
    let kind = ReportType::from_code(report[2]).unwrap();
    let of_nobody = [ReportType::Status, ReportType::Config, ReportType::Mark, ReportType::Funded, ReportType::Settled];
    (!of_nobody.contains(&kind)).then(|| u32::from_le_bytes(report[32..36].try_into().unwrap()))
}

/// Which reports a view gets, written down again as plainly as possible: types and accounts.
fn expected(frame: &Recorded, view: &View) -> Vec<(u8, Option<u32>)> {
    let origin = Origin::read_from_prefix(&frame.command).unwrap().0;
    let own = origin.key == view.key && origin.key.0 != 0;
    if view.own_only && !own {
        return Vec::new();
    }
    let mut out = Vec::new();
    let held = |account: u32| (view.first_account.0..=view.last_account.0).contains(&account);
    for event in events(&frame.events) {
        let event = event.unwrap();
        let (kind, accounts, sender): (u8, Vec<u32>, bool) = match &event {
            Event::Trade(e) => (164, vec![e.taker_account.0, e.maker_account.0], false),
            Event::Busted(e) => (177, vec![e.buyer.0, e.seller.0], false),
            Event::Prevented(e) => (165, vec![e.taker_account.0, e.maker_account.0], false),
            Event::Rejected(e) => (162, vec![e.header.subject], e.header.b == 1 || e.header.a >= 80),
            Event::Handled(e) if e.header.a != MessageType::CancelAll as u8 => continue,
            Event::Handled(e) => (174, vec![e.header.subject], true),
            Event::Status(_) | Event::Config(_) | Event::Mark(_) | Event::Funded(_) | Event::Settled(_) => {
                (event.as_bytes()[0] + 160, vec![0], true)
            }
            other => {
                let bytes = other.as_bytes();
                (bytes[0] + 160, vec![u32::from_le_bytes(bytes[4..8].try_into().unwrap())], false)
            }
        };
        for account in accounts {
            if if sender { own } else { held(account) } {
                let has_account = ![171, 172, 179, 180, 187].contains(&kind);
                out.push((kind, has_account.then_some(account)));
            }
        }
    }
    out
}

fn check_places(frame: &Recorded, view: &View, origin: &Origin, heard: &[Vec<u8>]) {
    let mut expires = frame.command[ORIGIN_BYTES + 2] != MessageType::Tick as u8;
    for (index, report) in heard.iter().enumerate() {
        let (header, place) = place(report);
        let answered = origin.session == view.session;
        assert_eq!(usize::from(header.length), report.len());
        assert_eq!(ReportType::from_code(header.kind).unwrap().bytes(), report.len());
        // Orders that expire with a command do not answer it; they come first.
        let reason = match ReportType::from_code(header.kind).unwrap() {
            ReportType::Expired => report::Expired::read(report).unwrap().reason,
            ReportType::Done => report::Done::read(report).unwrap().reason,
            _ => 0,
        };
        expires = expires && reason == EndReason::Time.code();
        assert_eq!(header.request, if answered && !expires { 7 } else { 0 });
        let last = if index + 1 == heard.len() { LAST } else { 0 };
        let expected = Place {
            sequence: Sequence(frame.sequence),
            time: TimestampNs(frame.time),
            term: Term(3),
            index: index as u16,
            flags: last,
        };
        assert_eq!(place, expected);
    }
}

/// Holds the reports of many views of a stream to the second reading, and to its streams. Counts the reports by type; yields
/// how often a view heard both sides of a trade.
pub fn check_views(seed: u64, frames: &[Recorded], kinds: &mut [usize; 256]) -> usize {
    let mut both_sides = 0;
    for frame in frames {
        let origin = Origin::read_from_prefix(&frame.command).unwrap().0;
        let mut streams_of = Vec::new();
        streams(&frame.command, &frame.events, &mut streams_of);
        let accounts = &streams_of[..streams_of.iter().position(|&s| s >= KEY_STREAMS).unwrap_or(streams_of.len())];
        assert!(accounts.is_sorted_by(|a, b| a < b), "{streams_of:?}");
        assert_eq!(streams_of.len() - accounts.len(), usize::from(origin.key.0 != 0));
        for key in 1..9 {
            for (first, last) in [(0, u32::MAX), (16, 1_000_000), (100 + key, 100 + key), (2, 2), (5, 4)] {
                for own_only in [false, true] {
                    let view = View { own_only, ..view(key, first, last) };
                    let heard = frame.reports(&view);
                    let told: Vec<_> = heard.iter().map(|report| (report[2], account(report))).collect();
                    assert_eq!(told, expected(frame, &view), "seed {seed} sequence {}", frame.sequence);
                    check_places(frame, &view, &origin, &heard);
                    // A resume finds the frame.
                    let found = accounts.iter().any(|&a| view.holds(AccountId(a as u32)))
                        || streams_of.contains(&(KEY_STREAMS + u64::from(key)));
                    assert!(heard.is_empty() || found);
                    for report in &heard {
                        kinds[usize::from(report[2])] += 1;
                    }
                    let same_trade = |w: &&[Vec<u8>]| w[0][2] == 164 && w[1][2] == 164 && w[0][48..56] == w[1][48..56];
                    both_sides += heard.windows(2).filter(same_trade).count();
                }
            }
        }
    }
    both_sides
}
