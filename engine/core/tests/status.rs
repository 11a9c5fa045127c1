//! DOMAIN §2: the table of statuses, cell by cell, and every change of status.
//!
//! The columns of marks, liquidation and funding belong to perpetual contracts, which are not built. A CLOSED symbol has
//! open orders only while they are ending in parts; what they may still do is a test of its own.

mod common;

use common::Venue;
use ringbook_core::{MIN_EVENT_BYTES, Pending};
use ringbook_event::{Event, Origin};
use ringbook_oracle::scenario::{Desk, Outcome, budget, fok, genesis, gtd, iceberg, ioc, limit, market, stop};
use ringbook_wire::message::{
    Amend, Cancel, CancelAll, Continue, Genesis, Message, NewOrder, SessionDown, SetKey, Tick,
};
use ringbook_wire::{
    AccountId, ClientOrderId, EndReason, KeyId, OrderId, OrderState, Price, Qty, RejectCode, Role, SessionId, Side,
    SymbolId, SymbolStatus, TriggerDirection, order_flags,
};

const OWN: u32 = 100;
const OTHER: u32 = 101;
const KEY: KeyId = KeyId(1);
const HOUR: u64 = 3_600_000_000_000;
/// More orders than end in one command of [`MIN_EVENT_BYTES`].
const MANY: i64 = 60;

/// A row of the table.
struct Row {
    /// Which of [`orders`] it takes, from the first on.
    new: usize,
    amend: bool,
    /// "–" in CLOSED: nothing is left to cancel or to expire.
    cancel: bool,
    /// Matching and triggers.
    matching: bool,
    expiry: bool,
}

/// All kinds of new orders, those first that PRE_OPEN takes.
const ORDERS: usize = 12;
const LIMIT_THAT_RESTS: usize = 4;

/// The table. A new status does not compile without its row.
#[rustfmt::skip]
const fn row(status: SymbolStatus) -> Row {
    match status {
        SymbolStatus::PreOpen    => Row { new: LIMIT_THAT_RESTS, amend: true,  cancel: true,  matching: false, expiry: true },
        SymbolStatus::Trading    => Row { new: ORDERS,           amend: true,  cancel: true,  matching: true,  expiry: true },
        SymbolStatus::Halted     => Row { new: 0,                amend: false, cancel: true,  matching: false, expiry: true },
        SymbolStatus::CancelOnly => Row { new: 0,                amend: false, cancel: true,  matching: false, expiry: true },
        SymbolStatus::Closed     => Row { new: 0,                amend: false, cancel: false, matching: false, expiry: false },
    }
}

/// Every combination of type and time in force that DOMAIN §4.1 lists for spot; none of them trades at 100 / 200.
fn orders(symbol: u32, now: u64) -> [NewOrder; ORDERS] {
    let (buy, rises) = (Side::Buy, TriggerDirection::RisesTo);
    let bid = limit(OWN, symbol, buy, 90, 5);
    [
        bid,
        gtd(bid, now + HOUR),
        NewOrder { flags: order_flags::POST_ONLY, ..bid },
        iceberg(bid, 2),
        ioc(OWN, symbol, buy, 90, 5),
        fok(OWN, symbol, buy, 90, 5),
        market(OWN, symbol, buy, 5),
        budget(OWN, symbol, 5_000),
        stop(bid, rises, 300),
        stop(ioc(OWN, symbol, buy, 90, 5), rises, 300),
        stop(market(OWN, symbol, Side::Sell, 5), rises, 300),
        stop(budget(OWN, symbol, 5_000), rises, 300),
    ]
}

/// A symbol with a resting order, a waiting one, both GTD and of a session.
struct Stage<'a> {
    desk: Desk<'a>,
    symbol: u32,
    rests: OrderId,
    waits: OrderId,
}

impl<'a> Stage<'a> {
    fn new(venue: &'a mut Venue) -> Self {
        let mut desk = Desk::new(venue);
        let symbol = desk.symbol(|_| {});
        desk.rich(&[OWN, OTHER]);
        let (first_account, last_account) = (AccountId(OWN), AccountId(OWN));
        desk.send(&SetKey { key: KEY, role: Role::Trade.code(), first_account, last_account, ..SetKey::new(0) });
        let bid = gtd(limit(OWN, symbol, Side::Buy, 100, 10), desk.now + HOUR);
        let mut place = |order: NewOrder| {
            let order = desk.complete(NewOrder { flags: order_flags::CANCEL_ON_DISCONNECT, ..order });
            desk.send_as(Origin::session(SessionId::new(KEY, 1)), &order).accepted().0
        };
        let rests = place(bid);
        let waits = place(stop(bid, TriggerDirection::FallsTo, 150));
        Self { desk, symbol, rests, waits }
    }

    /// The same in a status, entered from TRADING.
    fn in_status(venue: &'a mut Venue, status: SymbolStatus) -> Self {
        let mut stage = Self::new(venue);
        let entered = stage.desk.status(stage.symbol, status);
        assert_eq!(entered.names()[0], "Status");
        stage
    }
}

fn fresh() -> Venue {
    Venue::with(&genesis())
}

/// 106 or not.
#[track_caller]
fn taken(outcome: &Outcome, expected: bool, first: &str) {
    if expected {
        assert_eq!(outcome.names()[0], first, "{outcome:?}");
    } else {
        outcome.refused(RejectCode::SymbolStatus);
    }
}

#[test]
fn domain_2_new() {
    for &status in SymbolStatus::ALL {
        for kind in 0..ORDERS {
            let mut venue = fresh();
            let Stage { mut desk, symbol, .. } = Stage::in_status(&mut venue, status);
            let order = orders(symbol, desk.now)[kind];
            taken(&desk.place(order), kind < row(status).new, "Accepted");
        }
    }
}

#[test]
fn domain_2_amend() {
    for &status in SymbolStatus::ALL.iter().filter(|&&status| status != SymbolStatus::Closed) {
        let amendments = [(99, 0, 0), (0, 9, 0), (0, 11, 0)].map(|change| (true, change));
        let waiting = [(99, 0, 0), (0, 9, 0), (0, 0, 140)].map(|change| (false, change));
        for (of_resting, (price, quantity, trigger)) in amendments.into_iter().chain(waiting) {
            let mut venue = fresh();
            let Stage { mut desk, rests, waits, .. } = Stage::in_status(&mut venue, status);
            let (account, order) = (AccountId(OWN), if of_resting { rests } else { waits });
            let (price, quantity, trigger) = (Price(price), Qty(quantity), Price(trigger));
            let amended = desk.send(&Amend { account, order, price, quantity, trigger, ..Amend::new(0) });
            taken(&amended, row(status).amend, "Amended");
        }
    }
}

#[test]
fn domain_2_cancel() {
    let account = AccountId(OWN);
    for &status in SymbolStatus::ALL {
        let mut venue = fresh();
        let Stage { mut desk, rests, waits, .. } = Stage::in_status(&mut venue, status);
        for order in [rests, waits] {
            let cancel = Cancel { account, order, ..Cancel::new(0) };
            let expected: &[&str] = if row(status).cancel { &["Canceled", "Done"] } else { &["Replayed"] };
            assert_eq!(desk.send(&cancel).names(), expected, "{status}");
        }
        let all = CancelAll { account, ..CancelAll::new(0) };
        let session = SessionDown { session: SessionId::new(KEY, 1), ..SessionDown::new(0) };
        for mass in [true, false] {
            let mut venue = fresh();
            let mut stage = Stage::in_status(&mut venue, status);
            let seen = if mass { stage.desk.send(&all) } else { stage.desk.send(&session) };
            let canceled = seen.names().iter().filter(|&&name| name == "Canceled").count();
            assert_eq!(canceled, if row(status).cancel { 2 } else { 0 }, "{status}");
        }
    }
}

/// A book that crosses, and a stop order whose condition the uncross makes hold; the symbol is in PRE_OPEN.
fn crossed(venue: &mut Venue) -> (Desk<'_>, u32, OrderId) {
    let Stage { mut desk, symbol, waits, .. } = Stage::in_status(venue, SymbolStatus::PreOpen);
    for (side, price) in [(Side::Buy, 110), (Side::Sell, 110)] {
        let placed = desk.place(limit(OTHER, symbol, side, price, 4));
        assert_eq!(placed.names(), ["Accepted"], "PRE_OPEN matches nothing");
    }
    (desk, symbol, waits)
}

#[test]
fn domain_2_matching_and_triggers() {
    for &status in SymbolStatus::ALL {
        let mut venue = fresh();
        let (mut desk, symbol, waits) = crossed(&mut venue);
        let entered = desk.status(symbol, status);
        let matching = row(status).matching;
        assert_eq!(entered.fills(), if matching { vec![(110, 4)] } else { vec![] }, "{status}");
        // It buys at 100: it runs and rests.
        assert_eq!(entered.triggered(), if matching { vec![(waits, 100)] } else { vec![] }, "{status}");
        // Nor does anything that comes later, where it may come at all.
        for order in orders(symbol, desk.now) {
            let placed = desk.place(order);
            assert!(matching || placed.fills().is_empty() && placed.triggered().is_empty(), "{status}");
        }
    }
    // An amendment that crosses does not match in PRE_OPEN, and does in TRADING.
    for status in [SymbolStatus::PreOpen, SymbolStatus::Trading] {
        let mut venue = fresh();
        let Stage { mut desk, symbol, rests, .. } = Stage::in_status(&mut venue, status);
        desk.place(limit(OTHER, symbol, Side::Sell, 200, 1)).accepted();
        assert_eq!(desk.amend(OWN, rests, 200, 0).fills().len(), usize::from(row(status).matching), "{status}");
    }
}

#[test]
fn domain_2_expiry() {
    for &status in SymbolStatus::ALL {
        for by_tick in [true, false] {
            let mut venue = fresh();
            let Stage { mut desk, rests, waits, .. } = Stage::in_status(&mut venue, status);
            desk.now += 2 * HOUR;
            let seen = if by_tick { desk.send(&Tick::new(0)) } else { desk.deposit(OWN, 1, 1) };
            let time = EndReason::Time.code();
            let expected = if row(status).expiry { vec![(rests, time, 0), (waits, time, 0)] } else { vec![] };
            assert_eq!(seen.expired(), expected, "{status}");
        }
    }
}

/// Every change of status: what it says, and what it does before anything else may come.
#[test]
fn domain_2_every_change() {
    let mut changes = 0;
    for &from in SymbolStatus::ALL {
        for &to in SymbolStatus::ALL {
            let mut venue = fresh();
            let (mut desk, symbol, waits) = crossed(&mut venue);
            let before = desk.status(symbol, from);
            let seen = desk.status(symbol, to);
            changes += 1;
            if from == SymbolStatus::Closed {
                seen.refused(RejectCode::BadConfig);
                assert_eq!(before.expired().len(), 4);
                continue;
            }
            let Some(Event::Status(first)) = seen.0.first() else { panic!("{from} to {to}: {seen:?}") };
            assert_eq!((first.header.a, first.header.b, first.header.subject), (to.code(), from.code(), symbol));
            let was_uncrossed = from == SymbolStatus::Trading;
            let names = seen.names();
            match to {
                SymbolStatus::Trading if !was_uncrossed => {
                    // The uncross before the work loop.
                    assert_eq!(names, ["Status", "Trade", "Done", "Done", "Triggered"], "{from}");
                    assert_eq!(seen.triggered(), [(waits, 100)]);
                }
                SymbolStatus::Closed => {
                    let open = if was_uncrossed { 2 } else { 4 };
                    let ends = (0..open).flat_map(|_| ["Expired", "Done"]);
                    assert_eq!(names, ["Status"].into_iter().chain(ends).chain(["Handled"]).collect::<Vec<_>>());
                    let status = EndReason::Status.code();
                    assert!(seen.expired().iter().all(|&(order, reason, _)| {
                        let end = seen.done(order).expect("it ended");
                        reason == status && (end.header.a, end.header.b) == (OrderState::Expired.code(), status)
                    }));
                }
                _ => assert_eq!(names, ["Status"], "{from} to {to}"),
            }
            venue.engine.check_invariants().unwrap();
        }
    }
    assert_eq!(changes, 25);
}

/// EVENTS "Configuration": maintenance of the whole exchange. Nothing trades; cancels, deposits, expiry and statuses but
/// TRADING go on; afterwards everything is as it was.
#[test]
fn events_maintenance() {
    let enter = |venue: &mut Venue| {
        let mut desk = Desk::new(venue);
        assert_eq!(desk.status(0, SymbolStatus::CancelOnly).names(), ["Status"]);
    };
    let account = AccountId(OWN);
    for kind in 0..ORDERS {
        let mut venue = fresh();
        Stage::new(&mut venue);
        enter(&mut venue);
        let mut desk = Desk::new(&mut venue);
        let order = orders(1, desk.now)[kind];
        let order = NewOrder { client_id: ClientOrderId([99, 0]), ..order };
        desk.place(order).refused(RejectCode::Maintenance);
    }
    let mut venue = fresh();
    let Stage { mut desk, symbol, rests, waits } = Stage::new(&mut venue);
    desk.status(0, SymbolStatus::CancelOnly);
    for order in [rests, waits] {
        desk.amend(OWN, order, 0, 9).refused(RejectCode::Maintenance);
    }
    desk.status(symbol, SymbolStatus::Trading).refused(RejectCode::Maintenance);
    for &status in SymbolStatus::ALL {
        let exchange = matches!(status, SymbolStatus::Trading | SymbolStatus::CancelOnly);
        if !exchange {
            desk.status(0, status).refused(RejectCode::BadConfig);
        }
    }
    desk.withdraw(OWN, 1, 1).refused(RejectCode::Maintenance);
    assert_eq!(desk.deposit(OWN, 1, 1).names(), ["Transfer"]);
    assert_eq!(desk.send(&Cancel { account, order: waits, ..Cancel::new(0) }).names(), ["Canceled", "Done"]);
    for status in [SymbolStatus::PreOpen, SymbolStatus::Halted, SymbolStatus::CancelOnly] {
        assert_eq!(desk.status(symbol, status).names(), ["Status"]);
    }
    assert_eq!(desk.status(0, SymbolStatus::Trading).names(), ["Status"], "the symbol keeps its own");
    desk.place(limit(OWN, symbol, Side::Buy, 90, 1)).refused(RejectCode::SymbolStatus);
    desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(desk.amend(OWN, rests, 0, 9).names(), ["Amended"]);
    desk.status(0, SymbolStatus::CancelOnly);
    desk.now += 2 * HOUR;
    assert_eq!(desk.send(&Tick::new(0)).expired(), [(rests, EndReason::Time.code(), 0)]);
    venue.engine.check_invariants().unwrap();
}

/// While orders end in parts, CLOSED lets them end, by the close or otherwise, and do nothing else.
#[test]
fn domain_2_closing_in_parts() {
    let ask_for = |what: &dyn Fn(&mut Desk<'_>, OrderId) -> Outcome| {
        let mut venue = Venue::with(&Genesis { max_event_bytes: MIN_EVENT_BYTES, ..genesis() });
        let Stage { mut desk, symbol, waits, .. } = Stage::new(&mut venue);
        for step in 0..MANY {
            desk.place(limit(OTHER, symbol, Side::Buy, 200 - step, 1)).accepted();
        }
        // Waiting orders end last.
        desk.status(symbol, SymbolStatus::Closed);
        let seen = what(&mut desk, waits);
        assert_eq!(venue.engine.pending(), Pending::Interruptible);
        let mut desk = Desk::new(&mut venue);
        for _ in 0..5 {
            desk.send(&Continue::new(0));
        }
        assert_eq!((venue.engine.pending(), venue.engine.open_order_count()), (Pending::Nothing, 0));
        venue.engine.check_invariants().unwrap();
        seen
    };
    let account = AccountId(OWN);
    let mass = EndReason::Mass.code();
    let user = ask_for(&|desk, waits| desk.send(&Cancel { account, order: waits, ..Cancel::new(0) }));
    assert_eq!(user.names(), ["Canceled", "Done"]);
    ask_for(&|desk, waits| desk.amend_trigger(OWN, waits, 140)).refused(RejectCode::SymbolStatus);
    ask_for(&|desk, _| desk.place(limit(OWN, 1, Side::Buy, 90, 1))).refused(RejectCode::SymbolStatus);
    ask_for(&|desk, _| desk.status(1, SymbolStatus::Trading)).refused(RejectCode::BadConfig);
    let all = ask_for(&|desk, _| desk.send(&CancelAll { account, symbol: SymbolId(1), ..CancelAll::new(0) }));
    let reasons: Vec<u8> =
        all.0.iter().filter_map(|e| if let Event::Canceled(e) = e { Some(e.header.a) } else { None }).collect();
    assert_eq!(reasons, [mass, mass]);
    // GTD orders expire in every status, as long as there are any.
    let tick = ask_for(&|desk, _| {
        desk.now += 2 * HOUR;
        desk.send(&Tick::new(0))
    });
    assert_eq!(tick.expired().len(), 2);
    assert!(tick.expired().iter().all(|&(_, reason, _)| reason == EndReason::Time.code()));
}
