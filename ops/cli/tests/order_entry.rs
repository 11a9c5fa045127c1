//! Order entry against a real server: what a session may rely on (docs/PROTOCOL.md §2, §3), and what a bad peer gets.

mod common;
#[path = "order_entry/operator.rs"]
mod operator;

use common::{LogonAs, Server, Wire, anonymous, is_report, order, place, resume, text};
use ringbook_wire::codec::header;
use ringbook_wire::message::{Cancel, Deposit, Heartbeat, Logout, Message, SetKey, StateRequest, Tick, logon_flags};
use ringbook_wire::report::{
    Accepted, Busy, Canceled, Error, LoggedOut, LogonAccepted, Rejected, ReportType, StateBegin, StateEnd,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, BusyReason, ClientOrderId, EndReason, KeyId, Role, SessionError, Side, order_flags,
};
use zerocopy::IntoBytes;

fn session(session: u32) -> LogonAs {
    LogonAs { session, ..LogonAs::default() }
}

fn error_code(message: &[u8]) -> SessionError {
    let error = Error::read(message).unwrap_or_else(|| panic!("not an ERROR: {:?}", header(message)));
    assert!(error.text_length > 10, "an error has words");
    SessionError::from_code(error.code).expect("a code that is documented")
}

/// Each of these ends its own connection with an ERROR that says what was wrong; a neighbour trades on.
#[test]
fn bad_peers_get_an_error_and_harm_nobody() {
    let server = Server::start("bad-peers", "[limits]\nlogon_ms = 700\n");
    let trade = server.key("trade.key");
    let (mut neighbour, _) = Wire::open(&server.order_entry, &trade, session(99));
    let before_logon: &[(&str, Vec<u8>, SessionError)] = &[
        ("length 4", vec![4, 0, 3, 1, 0, 0, 0, 0], SessionError::BadLength),
        ("length 65,528", vec![0xF8, 0xFF, 3, 1, 0, 0, 0, 0], SessionError::BadLength),
        ("length 9", vec![9, 0, 3, 1, 0, 0, 0, 0, 0], SessionError::BadLength),
        ("version 9", vec![8, 0, 3, 9, 0, 0, 0, 0], SessionError::BadVersion),
        ("type 200", vec![8, 0, 200, 1, 0, 0, 0, 0], SessionError::BadType),
        ("a LOGON of 16 bytes", vec![16, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SessionError::BadLength),
        ("an order before logon", order(1, 100, 1, Side::Buy, 1, 1).as_bytes().to_vec(), SessionError::NotLoggedOn),
        ("a heartbeat before logon", Heartbeat::new(0).as_bytes().to_vec(), SessionError::NotLoggedOn),
        ("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), SessionError::BadLength),
        ("silence", Vec::new(), SessionError::Timeout),
    ];
    for (number, (what, bytes, expected)) in before_logon.iter().enumerate() {
        let mut peer = Wire::connect(&server.order_entry);
        peer.receive().expect("CHALLENGE");
        peer.send_bytes(bytes);
        let answer = peer.receive().unwrap_or_else(|| panic!("{what}: closed without a word"));
        assert_eq!(error_code(&answer), *expected, "{what}: {}", text(&answer));
        assert!(peer.receive().is_none(), "{what}: the connection ends");
        neighbour.send(&order(number as u32 + 1, 100, number as u128 + 1, Side::Buy, 10, 1));
        neighbour.expect(ReportType::Accepted);
    }
    // A message that is cut off by the end of the connection is nothing.
    let mut cut = Wire::connect(&server.order_entry);
    cut.receive().unwrap();
    cut.send_bytes(&[128, 0, 1, 1, 0, 0]);
    drop(cut);
    // Behind a good logon: Ringbook's own commands and a second logon.
    for (what, bytes, expected) in [
        ("TICK", Tick::new(1).as_bytes().to_vec(), SessionError::BadType),
        (
            "a second LOGON",
            common::Wire::connect(&server.order_entry).logon(&trade, session(5)).as_bytes().to_vec(),
            SessionError::NotLoggedOn,
        ),
    ] {
        let (mut peer, _) = Wire::open(&server.order_entry, &trade, session(5));
        peer.send_bytes(&bytes);
        let answer = peer.receive().unwrap();
        assert_eq!(error_code(&answer), expected, "{what}");
    }
    neighbour.send(&order(100, 100, 1_000, Side::Buy, 10, 1));
    neighbour.expect(ReportType::Accepted);
}

#[test]
fn only_the_right_signature_of_a_known_key_logs_on() {
    let server = Server::start("credentials", "");
    let trade = server.key("trade.key");
    let refused = |change: &dyn Fn(&mut ringbook_wire::message::Logon), expected| {
        let mut peer = Wire::connect(&server.order_entry);
        let mut logon = peer.logon(&trade, session(1));
        change(&mut logon);
        peer.send(&logon);
        let answer = peer.receive().unwrap();
        assert_eq!(error_code(&answer), expected, "{}", text(&answer));
    };
    refused(&|logon| logon.signature[7] ^= 1, SessionError::BadCredentials);
    refused(&|logon| logon.session = 2, SessionError::BadCredentials);
    refused(&|logon| logon.key = KeyId(77), SessionError::BadCredentials);
    refused(&|logon| logon.key = KeyId(1), SessionError::BadCredentials);
    refused(&|logon| logon.heartbeat_ms = 1, SessionError::BadField);
    // A signature is for one challenge.
    let mut first = Wire::connect(&server.order_entry);
    let logon = first.logon(&trade, session(1));
    let mut second = Wire::connect(&server.order_entry);
    second.receive().unwrap();
    second.send(&logon);
    assert_eq!(error_code(&second.receive().unwrap()), SessionError::BadCredentials);
}

/// A client that was away gets exactly what a witness saw, whatever happened meanwhile, also across `kill -9`.
#[test]
fn resume_gives_exactly_what_was_missed() {
    let mut server = Server::start("resume", "");
    let (trade, readonly) = (server.key("trade.key"), server.key("readonly.key"));
    let (mut client, accepted) = Wire::open(&server.order_entry, &trade, session(1));
    client.send(&order(1, 100, 1, Side::Sell, 500, 10));
    let first = place(&client.expect(ReportType::Accepted));
    let (mut witness, _) = Wire::open(&server.order_entry, &readonly, resume(1, (0, 0, 0)));
    let (genesis, _) = witness.history();
    assert!(genesis.iter().all(|report| place(report).sequence.0 <= first.sequence.0));
    // The client is away after the first report of its first order; others trade with it, and the server dies.
    drop(client);
    let (mut other, _) = Wire::open(&server.order_entry, &trade, session(2));
    for number in 0..40u32 {
        other.send(&order(number, 101, 100 + u128::from(number), Side::Buy, 500, 1));
    }
    let mut last = 0;
    for _ in 0..40 {
        last = place(&other.expect(ReportType::Accepted)).sequence.0;
    }
    let mut seen = witness.reports_to(last);
    server.kill_and_restart();
    let token = (accepted.term.0, first.sequence.0, 1);
    let (mut client, again) = Wire::open(&server.order_entry, &trade, resume(1, token));
    assert_eq!(again.journal, accepted.journal);
    let (missed, resumed) = client.history();
    assert!(resumed.sequence.0 >= last);
    let mut expected: Vec<Vec<u8>> = genesis.iter().map(|report| anonymous(report)).collect();
    expected.extend(seen.drain(..).map(|report| anonymous(&report)));
    expected.retain(|report| {
        let place = place(report);
        (place.sequence.0, place.index) > (first.sequence.0, 0)
    });
    let missed: Vec<Vec<u8>> = missed.iter().map(|report| anonymous(report)).collect();
    assert_eq!(missed.len(), expected.len());
    assert!(missed == expected, "the history is what the witness saw, byte for byte");
    // Live goes on where history ended.
    client.send(&order(9, 100, 2, Side::Buy, 1, 1));
    assert!(place(&client.expect(ReportType::Accepted)).sequence.0 > resumed.sequence.0);
    // A repetition of an order is answered with its outcome.
    let mut again = order(10, 100, 2, Side::Buy, 1, 1);
    again.send_time = common::now();
    client.send(&again);
    let rejected = Rejected::read(&client.expect(ReportType::Rejected)).unwrap();
    assert_eq!(rejected.code, 209, "another send time is another payload");
}

#[test]
fn tokens_that_cannot_be_are_refused() {
    let server = Server::start("tokens", "");
    let trade = server.key("trade.key");
    let (_, accepted) = Wire::open(&server.order_entry, &trade, session(1));
    let check = |how: LogonAs, expected| {
        let (mut peer, answer) = Wire::log_on(&server.order_entry, &trade, how);
        let answer = if LogonAccepted::read(&answer).is_some() { peer.receive().unwrap() } else { answer };
        assert_eq!(error_code(&answer), expected, "{}", text(&answer));
    };
    check(resume(2, (accepted.term.0, accepted.sequence.0 + 1_000, 0)), SessionError::BadToken);
    check(resume(2, (accepted.term.0 + 1, accepted.sequence.0, 0)), SessionError::BadToken);
    check(LogonAs { journal: [7; 16], ..resume(2, (accepted.term.0, 1, 0)) }, SessionError::BadToken);
    // What the server itself called a token is one.
    let whole = resume(2, (accepted.term.0, accepted.sequence.0, u16::MAX));
    let (mut peer, _) = Wire::open(&server.order_entry, &trade, LogonAs { journal: accepted.journal, ..whole });
    assert!(peer.history().0.is_empty());
}

#[test]
fn flagged_orders_end_with_their_session_but_not_with_a_logout() {
    let server = Server::start("grace", "");
    let (trade, readonly) = (server.key("trade.key"), server.key("readonly.key"));
    let (mut witness, _) = Wire::open(&server.order_entry, &readonly, session(1));
    let flagged = |request, id| {
        let mut order = order(request, 100, id, Side::Buy, 7, 1);
        order.flags = order_flags::CANCEL_ON_DISCONNECT;
        order
    };
    // A clean logout keeps the order.
    let (mut polite, _) = Wire::open(&server.order_entry, &trade, LogonAs { grace_ms: 50, ..session(1) });
    polite.send(&flagged(1, 1));
    polite.expect(ReportType::Accepted);
    polite.send(&Logout::new(2));
    LoggedOut::read(&polite.expect(ReportType::LoggedOut)).unwrap();
    assert!(polite.receive().is_none());
    // A lost connection ends it after the grace period, and orders without the flag stay.
    let (mut lost, _) = Wire::open(&server.order_entry, &trade, LogonAs { grace_ms: 200, ..session(2) });
    lost.send(&flagged(1, 2));
    let doomed = Accepted::read(&lost.expect(ReportType::Accepted)).unwrap().order;
    lost.send(&order(2, 100, 3, Side::Buy, 7, 1));
    lost.expect(ReportType::Accepted);
    drop(lost);
    let canceled = Canceled::read(&witness.expect(ReportType::Canceled)).unwrap();
    assert_eq!((canceled.order, canceled.reason), (doomed, EndReason::Session.code()));
    // A session that comes back in time keeps its orders.
    let (mut quick, _) = Wire::open(&server.order_entry, &trade, LogonAs { grace_ms: 400, ..session(3) });
    quick.send(&flagged(1, 4));
    quick.expect(ReportType::Accepted);
    drop(quick);
    let (mut quick, _) = Wire::open(&server.order_entry, &trade, LogonAs { grace_ms: 400, ..session(3) });
    std::thread::sleep(std::time::Duration::from_millis(600));
    quick.send(&Cancel { account: AccountId(100), client_id: ClientOrderId::from(4), ..Cancel::new(9) });
    let canceled = Canceled::read(&quick.expect(ReportType::Canceled)).unwrap();
    assert_eq!(canceled.reason, EndReason::User.code());
}

#[test]
fn the_same_session_again_replaces_the_older_connection() {
    let server = Server::start("replaced", "");
    let trade = server.key("trade.key");
    let (mut older, _) = Wire::open(&server.order_entry, &trade, session(1));
    let (mut newer, _) = Wire::open(&server.order_entry, &trade, session(1));
    assert_eq!(error_code(&older.receive().unwrap()), SessionError::Replaced);
    assert!(older.receive().is_none());
    newer.send(&order(1, 100, 1, Side::Buy, 7, 1));
    newer.expect(ReportType::Accepted);
}

#[test]
fn keys_act_within_role_and_range_and_end_when_revoked() {
    let server = Server::start("keys", "");
    let busy = |answer: Vec<u8>| Busy::read(&answer).map(|busy| BusyReason::from_code(busy.reason).unwrap());
    let (mut reader, _) = Wire::open(&server.order_entry, &server.key("readonly.key"), session(1));
    reader.send(&order(1, 100, 1, Side::Buy, 7, 1));
    assert_eq!(busy(reader.expect(ReportType::Busy)), Some(BusyReason::NotEntitled));
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    let deposit =
        Deposit { account: AccountId(100), asset: AssetId(1), adjustment: 9, amount: Amount(1), ..Deposit::new(2) };
    trader.send(&deposit);
    assert_eq!(busy(trader.expect(ReportType::Busy)), Some(BusyReason::NotEntitled));
    trader.send(&order(3, 1, 1, Side::Buy, 7, 1));
    assert_eq!(busy(trader.expect(ReportType::Busy)), Some(BusyReason::NotEntitled), "FEES is not a customer");
    // An account in the range that does not exist is the engine's to refuse.
    trader.send(&order(4, 4_000_000, 1, Side::Buy, 7, 1));
    assert_eq!(Rejected::read(&trader.expect(ReportType::Rejected)).unwrap().code, 102);
    let (mut admin, _) = Wire::open(&server.order_entry, &server.key("admin.key"), session(1));
    let revoke = SetKey {
        key: KeyId(3),
        role: Role::Trade.code(),
        revoked: 1,
        first_account: AccountId(16),
        last_account: AccountId(u32::MAX),
        ..SetKey::new(1)
    };
    admin.send(&revoke);
    admin.expect(ReportType::Config);
    assert_eq!(error_code(&trader.receive().unwrap()), SessionError::BadCredentials);
    let (_, answer) = Wire::log_on(&server.order_entry, &server.key("trade.key"), session(1));
    assert_eq!(error_code(&answer), SessionError::BadCredentials);
}

#[test]
fn states_are_whole_and_private() {
    let server = Server::start("state", "");
    let (mut trader, accepted) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    trader.send(&order(1, 100, 1, Side::Buy, 7, 3));
    let sequence = place(&trader.expect(ReportType::Accepted)).sequence;
    trader.send(&StateRequest { account: AccountId(100), ..StateRequest::new(2) });
    let begin = StateBegin::read(&trader.expect(ReportType::StateBegin)).unwrap();
    assert!(begin.sequence >= sequence && begin.sequence >= accepted.sequence);
    assert_eq!((begin.exists, begin.adjustment, begin.header.request), (1, 4, 2));
    let end = StateEnd::read(&trader.expect(ReportType::StateEnd)).unwrap();
    assert_eq!((end.balances, end.orders), (4, 1));
    for (account, request) in [(1, 3), (4_000_000, 4)] {
        trader.send(&StateRequest { account: AccountId(account), ..StateRequest::new(request) });
        let begin = StateBegin::read(&trader.expect(ReportType::StateBegin)).unwrap();
        assert_eq!((begin.exists, begin.adjustment), (0, 0), "account {account}");
        let end = StateEnd::read(&trader.expect(ReportType::StateEnd)).unwrap();
        assert_eq!((end.balances, end.orders), (0, 0));
    }
}

#[test]
fn limits_answer_busy_and_nothing_is_executed() {
    let server = Server::start("limits", "[limits]\nrate_per_s = 50\nconnections = 3\n");
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    for number in 0..80 {
        trader.send(&order(number, 100, u128::from(number) + 1, Side::Buy, 7, 1));
    }
    let (mut accepted, mut busy) = (0, 0);
    while accepted + busy < 80 {
        let message = trader.receive().unwrap();
        if Accepted::read(&message).is_some() {
            accepted += 1;
        } else if let Some(message) = Busy::read(&message) {
            assert_eq!(message.reason, BusyReason::RateLimit.code());
            busy += 1;
        }
    }
    assert!((50..=70).contains(&accepted), "{accepted} accepted of a burst of 80 at 50 per second");
    let _second = Wire::connect(&server.order_entry);
    let _third = Wire::connect(&server.order_entry);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let mut fourth = Wire::connect(&server.order_entry);
    fourth.receive().expect("CHALLENGE");
    assert_eq!(error_code(&fourth.receive().unwrap()), SessionError::TooManyConnections);
}

/// A client that does not read is let go; it comes back and has everything.
#[test]
fn a_slow_reader_is_let_go_and_can_resume() {
    let server = Server::start("slow", "[limits]\noutput_mib = 1\n");
    let (trade, readonly) = (server.key("trade.key"), server.key("readonly.key"));
    let (mut sleeper, accepted) = Wire::open(&server.order_entry, &readonly, session(1));
    let (mut trader, _) = Wire::open(&server.order_entry, &trade, session(1));
    let mut last = 0;
    for round in 0..120u32 {
        let orders: Vec<_> = (0..500u32)
            .map(|number| {
                let id = u128::from(round * 500 + number) + 1;
                let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
                let mut order = order(number, 100 + number % 2, id, side, 5_000, 1);
                order.stp = ringbook_wire::StpMode::None.code();
                order
            })
            .collect();
        orders.iter().for_each(|order| trader.send(order));
        let mut accepted = 0;
        while accepted < 500 {
            let message = trader.receive().expect("the trader reads and stays");
            if let Some(busy) = Busy::read(&message) {
                // Not executed: the same order again, as a client does.
                std::thread::sleep(std::time::Duration::from_millis(u64::from(busy.retry_ms)));
                trader.send(&orders[busy.header.request as usize]);
            } else if Accepted::read(&message).is_some() {
                (accepted, last) = (accepted + 1, place(&message).sequence.0);
            } else {
                let kind = header(&message).kind;
                assert!(kind != ReportType::Rejected as u8 && kind != ReportType::Error as u8, "{}", text(&message));
            }
        }
    }
    // Everything the socket still holds, then the end.
    let mut reports = Vec::new();
    while let Some(message) = sleeper.receive() {
        if is_report(&message) {
            reports.push(message);
        }
    }
    let reached = reports.last().map(|report| place(report)).expect("some reports came");
    assert!(reached.sequence.0 < last, "the sleeper was let go before the end");
    let token = (accepted.term.0, reached.sequence.0, reached.index + 1);
    let (mut awake, _) = Wire::open(&server.order_entry, &readonly, resume(1, token));
    reports.extend(awake.history().0);
    let mut before = (accepted.sequence.0, u16::MAX);
    for report in &reports {
        let place = place(report);
        let follows = place.sequence.0 == before.0 && place.index == before.1.wrapping_add(1)
            || place.sequence.0 > before.0 && place.index == 0;
        assert!(follows, "{place:?} after {before:?}");
        before = (place.sequence.0, place.index);
    }
    assert!(before.0 >= last);
}

#[test]
fn a_drained_server_has_answered_everything_and_exits_0() {
    let mut server = Server::start("drain", "");
    let (mut trader, _) = Wire::open(
        &server.order_entry,
        &server.key("trade.key"),
        LogonAs { flags: logon_flags::OWN_ONLY, ..session(1) },
    );
    for number in 0..200 {
        trader.send(&order(number, 100, u128::from(number) + 1, Side::Buy, 7, 1));
    }
    trader.expect(ReportType::Accepted);
    let reader = std::thread::spawn(move || {
        let (mut answers, mut goodbye) = (1, None);
        while let Some(message) = trader.receive() {
            if Accepted::read(&message).is_some() || Busy::read(&message).is_some() {
                answers += 1;
            } else if let Some(error) = Error::read(&message) {
                goodbye = Some(error.code);
            }
        }
        (answers, goodbye)
    });
    assert!(server.stop(), "exit code 0");
    assert_eq!(reader.join().unwrap(), (200, Some(SessionError::ShuttingDown.code())));
    let (out, code) = server.ringbook(&["verify", "--from-genesis", "--json"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("\"snapshots_checked\":1"), "{out}");
}
