//! Reports of random streams: who hears what, in which order, and that a resume finds it.

use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, Handled, ORIGIN_BYTES, Origin, Record, events};
use ringbook_oracle::generate::Generator;
use ringbook_report::{FrameParts, KEY_STREAMS, View, reports, streams};
use ringbook_wire::message::{Continue, Genesis, Header, Message, MessageType};
use ringbook_wire::report::{self, LAST, Place, ReportType};
use ringbook_wire::{AccountId, EndReason, KeyId, Sequence, SessionId, Term, TimestampNs};
use zerocopy::{FromBytes, IntoBytes};

struct Recorded {
    sequence: u64,
    time: u64,
    command: Vec<u8>,
    events: Vec<u8>,
}

impl Recorded {
    fn parts(&self) -> FrameParts<'_> {
        FrameParts {
            sequence: Sequence(self.sequence),
            time: TimestampNs(self.time),
            term: Term(3),
            command: &self.command,
            events: &self.events,
        }
    }

    fn reports(&self, view: &View) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let count = reports(&self.parts(), view, &mut |report| out.push(report.to_vec())).unwrap();
        assert_eq!(count as usize, out.len());
        out
    }
}

/// A stream of frames with small event bounds, so that long work goes on in CONTINUEs.
fn record(seed: u64, commands: usize) -> Vec<Recorded> {
    let mut generator = Generator::new(seed);
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

fn view(key: u32, first: u32, last: u32) -> View {
    let key = KeyId(key);
    View {
        first_account: AccountId(first),
        last_account: AccountId(last),
        own_only: false,
        key,
        session: SessionId::new(key, 1),
    }
}

fn place(report: &[u8]) -> (Header, Place) {
    let (header, rest) = Header::read_from_prefix(report).unwrap();
    (header, Place::read_from_prefix(rest).unwrap().0)
}

/// The account that a report is about, if it has one.
fn account(report: &[u8]) -> Option<u32> {
    let kind = ReportType::from_code(report[2]).unwrap();
    (!matches!(kind, ReportType::Status | ReportType::Config))
        .then(|| u32::from_le_bytes(report[32..36].try_into().unwrap()))
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
            Event::Rejected(e) => (162, vec![e.header.subject], e.header.b == 1 || (80..=86).contains(&e.header.a)),
            Event::Handled(e) if e.header.a != MessageType::CancelAll as u8 => continue,
            Event::Handled(e) => (174, vec![e.header.subject], true),
            Event::Status(_) | Event::Config(_) => (event.as_bytes()[0] + 160, vec![0], true),
            other => {
                let bytes = other.as_bytes();
                (bytes[0] + 160, vec![u32::from_le_bytes(bytes[4..8].try_into().unwrap())], false)
            }
        };
        for account in accounts {
            if if sender { own } else { held(account) } {
                let has_account = kind != 171 && kind != 172;
                out.push((kind, has_account.then_some(account)));
            }
        }
    }
    out
}

#[test]
fn views_hear_what_is_theirs_in_order() {
    let (mut kinds, mut both_sides) = ([0; 256], 0);
    for seed in 0..15 {
        let frames = record(seed, 600);
        let keys: Vec<u32> = (1..9).collect();
        for frame in &frames {
            let origin = Origin::read_from_prefix(&frame.command).unwrap().0;
            let mut streams_of = Vec::new();
            streams(&frame.command, &frame.events, &mut streams_of);
            let accounts = &streams_of[..streams_of.iter().position(|&s| s >= KEY_STREAMS).unwrap_or(streams_of.len())];
            assert!(accounts.is_sorted_by(|a, b| a < b), "{streams_of:?}");
            assert_eq!(streams_of.len() - accounts.len(), usize::from(origin.key.0 != 0));
            for &key in &keys {
                for (first, last) in [(0, u32::MAX), (16, 1_000_000), (100 + key, 100 + key), (5, 4)] {
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
                        let same_trade =
                            |w: &&[Vec<u8>]| w[0][2] == 164 && w[1][2] == 164 && w[0][48..56] == w[1][48..56];
                        both_sides += heard.windows(2).filter(same_trade).count();
                    }
                }
            }
        }
    }
    let never: Vec<_> = (161..=177).filter(|&kind: &usize| kinds[kind] == 0).collect();
    assert!(never.is_empty(), "reports {never:?} never came");
    assert!(both_sides > 0);
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

/// The two sides of a trade see their own numbers, and the same price, quantity and trade.
#[test]
fn both_sides_of_a_trade_see_their_own() {
    let mut checked = 0;
    for frame in record(3, 600) {
        let heard = frame.reports(&view(9, 0, u32::MAX));
        let trades: Vec<_> = heard.iter().filter_map(|bytes| report::Trade::read(bytes)).collect();
        let recorded = events(&frame.events).filter_map(|event| match event.unwrap() {
            Event::Trade(trade) => Some(trade),
            _ => None,
        });
        for (pair, event) in trades.chunks(2).zip(recorded) {
            let [taker, maker] = pair else { panic!("a trade has two sides") };
            let expected = if event.header.b == 2 { (3, 3) } else { (1, 2) };
            assert_eq!((taker.liquidity, maker.liquidity), expected);
            assert_eq!((taker.side, maker.side), (event.header.a, 3 - event.header.a));
            assert_eq!((taker.order, maker.order), (event.taker_order, event.maker_order));
            assert_eq!((taker.fee, maker.fee), (event.taker_fee, event.maker_fee));
            assert_eq!((taker.cost, maker.cost), (event.taker_cost, event.maker_cost));
            assert_eq!((taker.filled, maker.filled), (event.taker_filled, event.maker_filled));
            assert_eq!((taker.remaining, maker.remaining), (event.taker_remaining, event.maker_remaining));
            for side in pair {
                assert_eq!((side.trade, side.price, side.quantity), (event.trade, event.price, event.quantity));
            }
            checked += 1;
        }
    }
    assert!(checked > 10);
}

#[test]
fn an_amended_order_shows_what_was_ordered_less_what_was_cut() {
    let (mut cut, mut named) = (0, 0);
    for seed in 0..10 {
        for frame in record(seed, 600) {
            let heard = frame.reports(&view(9, 0, u32::MAX));
            for event in events(&frame.events) {
                if let Event::Amended(e) = event.unwrap() {
                    let report = heard.iter().find_map(|bytes| report::Amended::read(bytes)).unwrap();
                    assert_eq!(report.quantity.0, e.quantity.0 - e.cut.0);
                    cut += usize::from(e.cut.0 > 0);
                }
            }
            for report in heard.iter().filter_map(|bytes| report::Rejected::read(bytes)) {
                named += usize::from(report.order.0 != 0);
                if report.order.0 != 0 {
                    assert!([65, 66, 72, 73].contains(&report.kind));
                }
            }
        }
    }
    assert!(cut > 0 && named > 0);
}

/// Which HANDLED is reported, and to whom: only that of a CANCEL_ALL, also in its CONTINUEs, to the key that sent it.
#[test]
fn only_the_sender_of_a_mass_cancel_hears_that_it_was_handled() {
    let session = SessionId::new(KeyId(2), 1);
    let message = Continue { of: Sequence(5), ..Continue::new(77) };
    let command = [Origin::session(session).as_bytes(), message.as_bytes()].concat();
    let cases = [
        (MessageType::CancelAll, 1),
        (MessageType::NewOrder, 0),
        (MessageType::Amend, 0),
        (MessageType::SessionDown, 0),
    ];
    for (kind, expected) in cases {
        let header = Handled::header(kind as u8, 1, 40);
        let handled = Handled { header, count: 9, reserved: 0, argument: 5, reserved2: 0 };
        let frame = Recorded { sequence: 8, time: 4, command: command.clone(), events: handled.as_bytes().to_vec() };
        let heard = frame.reports(&view(2, 16, 16));
        assert_eq!(heard.len(), expected, "{kind:?}");
        assert!(frame.reports(&view(3, 0, u32::MAX)).is_empty(), "{kind:?}: not the key that sent it");
        for report in heard.iter().filter_map(|bytes| report::MassDone::read(bytes)) {
            assert_eq!((report.account.0, report.count, report.kind, report.more), (40, 9, 67, 1));
            assert_eq!((report.header.request, report.place.flags), (77, LAST));
        }
        // Another session of the same key hears it too, without the number.
        let other = View { session: SessionId::new(KeyId(2), 9), ..view(2, 16, 16) };
        assert!(frame.reports(&other).iter().all(|report| place(report).0.request == 0));
    }
}

#[test]
fn bytes_that_are_not_ringbooks_are_errors() {
    let frame = &record(1, 50)[30];
    let wide = view(1, 0, u32::MAX);
    let mut parts = frame.parts();
    parts.command = &parts.command[..10];
    assert!(reports(&parts, &wide, &mut |_| {}).is_err());
    let mut parts = frame.parts();
    parts.events = &parts.events[..parts.events.len() - 4];
    assert!(reports(&parts, &wide, &mut |_| {}).is_err());
    let mut out = vec![1, 2];
    streams(&frame.command[..3], &[9; 12], &mut out);
    assert_eq!(out, [1, 2], "an index goes on");
}
