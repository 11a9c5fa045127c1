//! The client against a server that is scripted: logon, resume in the middle of a sequence, BUSY, broken connections.
//!
//! The server of a test is a closure for each connection, in order. It checks the logon's signature as the real one
//! does, so a client that passes here signs the right bytes.

use ed25519_dalek::{Signature, VerifyingKey};
use ringbook_client::{Client, ClientError, Connection, Key, Options, Report, ResumeToken, Session, order};
use ringbook_wire::message::{Amend, Cancel, Header, Logon, Message, NewOrder, logon_flags};
use ringbook_wire::report::{
    Accepted, Balance, Busy, Challenge, Error, LAST, LogonAccepted, Place, Replayed, Resumed, StateBalance, StateBegin,
    StateEnd, StatePosition,
};
use ringbook_wire::{
    Amount, AssetId, KeyId, OrderId, Qty, Role, Sequence, SessionError, Side, SymbolId, Term, Wallet, codec,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

const NONCE: [u8; 32] = [7; 32];

/// The server's end of one connection.
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    fn message(&mut self) -> Vec<u8> {
        loop {
            if let Some(message) = codec::next_message(&self.input).unwrap().map(<[u8]>::to_vec) {
                self.input.drain(..message.len());
                if message[2] == 3 {
                    continue;
                }
                return message;
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the client closed");
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    fn expect<M: Message>(&mut self) -> M {
        let message = self.message();
        M::read(&message).unwrap_or_else(|| panic!("got type {}", message[2]))
    }

    fn send<M: Message>(&mut self, message: M) {
        let mut bytes = Vec::new();
        codec::write(&mut bytes, &message);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Takes the logon, checks the signature, accepts at a sequence.
    fn log_on(&mut self, public: [u8; 32], at: u64) -> Logon {
        self.send(Challenge { nonce: NONCE, protocol: 1, ..Challenge::new(0) });
        let logon: Logon = self.expect();
        VerifyingKey::from_bytes(&public)
            .unwrap()
            .verify_strict(&logon.signed_bytes(&NONCE), &Signature::from_bytes(&logon.signature))
            .expect("the signature is right");
        self.send(LogonAccepted {
            term: Term(1),
            sequence: Sequence(at),
            resume: u8::from(logon.flags & logon_flags::RESUME != 0),
            heartbeat_ms: logon.heartbeat_ms,
            max_outstanding: 100,
            ..LogonAccepted::new(0)
        });
        logon
    }

    fn balance(&mut self, sequence: u64, index: u16, last: bool, request: u32) {
        self.send(Balance { place: place(sequence, index, last), ..Balance::new(request) });
    }

    fn accepted(&mut self, order: &NewOrder, sequence: u64, last: bool) {
        self.send(Accepted {
            place: place(sequence, 0, last),
            order: OrderId(sequence),
            client_id: order.client_id,
            ..Accepted::new(order.header.request)
        });
    }
}

fn place(sequence: u64, index: u16, last: bool) -> Place {
    Place { sequence: Sequence(sequence), term: Term(1), index, flags: if last { LAST } else { 0 }, ..Place::default() }
}

type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// Serves one connection for each script; each ends with its script.
fn serve(scripts: Vec<Script>) -> (Options, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            script(&mut Peer { stream, input: Vec::new() });
        }
    });
    let options = Options { request_timeout: Duration::from_secs(10), ..Options::new(address) };
    (options, server)
}

fn trade_key() -> (Key, [u8; 32]) {
    let key = Key::generate(KeyId(3), Role::Trade).unwrap();
    let public = key.public();
    (key, public)
}

fn buy() -> NewOrder {
    order::limit(16, 1, Side::Buy, 100, 5)
}

/// Requests are told apart by their bodies; the number is not part of it.
fn same_body(a: &NewOrder, b: &NewOrder) -> bool {
    NewOrder { header: Header::default(), ..*a } == NewOrder { header: Header::default(), ..*b }
}

#[test]
fn an_order_is_answered_with_all_reports_of_its_sequence() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![Box::new(move |peer| {
        let logon = peer.log_on(public, 10);
        assert_eq!((logon.key, logon.session, logon.flags), (KeyId(3), 1, 0));
        peer.balance(10, 0, true, 0); // before the logon: not asked for
        let order: NewOrder = peer.expect();
        peer.balance(11, 0, true, 0); // somebody else's command
        peer.accepted(&order, 12, false);
        peer.balance(12, 1, true, 0);
    })]);
    let mut client = Client::connect(options, key).unwrap();
    let answer = client.new_order(buy()).unwrap();
    assert_eq!((answer.sequence(), answer.reports.len(), answer.order()), (12, 2, Some(OrderId(12))));
    assert!(matches!(answer.result(), Ok(Report::Accepted(_))));
    let other = client.next_report(Duration::ZERO).unwrap().unwrap();
    assert_eq!(other.place().sequence.0, 11);
    assert_eq!(client.token(), Some(ResumeToken { term: 1, sequence: 12, index: 2 }));
    server.join().unwrap();
}

#[test]
fn busy_is_waited_for_and_the_same_message_is_sent_again() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![Box::new(move |peer| {
        peer.log_on(public, 10);
        let first: NewOrder = peer.expect();
        peer.send(Busy { reason: 1, kind: 64, retry_ms: 1, ..Busy::new(first.header.request) });
        let second: NewOrder = peer.expect();
        assert_eq!(first, second);
        peer.accepted(&second, 11, true);
    })]);
    assert_eq!(Client::connect(options, key).unwrap().new_order(buy()).unwrap().sequence(), 11);
    server.join().unwrap();
}

#[test]
fn an_answer_cut_in_the_middle_is_completed_by_the_history_without_a_second_request() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![
        Box::new(move |peer| {
            peer.log_on(public, 10);
            let order: NewOrder = peer.expect();
            peer.accepted(&order, 12, false);
        }),
        Box::new(move |peer| {
            let logon = peer.log_on(public, 20);
            assert_eq!((logon.sequence.0, logon.term.0, logon.index), (12, 1, 1));
            assert_eq!(logon.flags & logon_flags::RESUME, logon_flags::RESUME);
            peer.balance(12, 1, true, 0);
            peer.send(Resumed { sequence: Sequence(20), ..Resumed::new(0) });
        }),
    ]);
    let answer = Client::connect(options, key).unwrap().new_order(buy()).unwrap();
    assert_eq!((answer.sequence(), answer.reports.len()), (12, 2));
    server.join().unwrap();
}

#[test]
fn an_order_that_the_history_does_not_know_is_sent_again_with_the_same_body() {
    let (key, public) = trade_key();
    let order = buy();
    let (options, server) = serve(vec![
        Box::new(move |peer| {
            peer.log_on(public, 10);
            assert!(same_body(&peer.expect::<NewOrder>(), &order));
        }),
        Box::new(move |peer| {
            peer.log_on(public, 20);
            peer.balance(15, 0, true, 0);
            peer.send(Resumed { sequence: Sequence(20), ..Resumed::new(0) });
            let again: NewOrder = peer.expect();
            assert!(same_body(&again, &order));
            peer.send(Replayed { place: place(21, 0, true), order: OrderId(4), ..Replayed::new(again.header.request) });
        }),
    ]);
    let mut client = Client::connect(options, key).unwrap();
    let answer = client.new_order(order).unwrap();
    assert_eq!((answer.sequence(), answer.order()), (21, Some(OrderId(4))));
    assert_eq!(client.next_report(Duration::ZERO).unwrap().unwrap().place().sequence.0, 15);
    server.join().unwrap();
}

/// Repeating an amendment could lose the order's place a second time, so the caller must look first.
#[test]
fn an_amendment_without_answer_is_not_repeated() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![
        Box::new(move |peer| {
            peer.log_on(public, 10);
            let _: Amend = peer.expect();
        }),
        Box::new(move |peer| {
            peer.log_on(public, 10);
            peer.send(Resumed { sequence: Sequence(10), ..Resumed::new(0) });
            let _: Cancel = peer.expect();
        }),
        Box::new(move |peer| {
            peer.log_on(public, 10);
            peer.send(Resumed { sequence: Sequence(10), ..Resumed::new(0) });
            let cancel: Cancel = peer.expect();
            peer.balance(11, 0, true, cancel.header.request);
        }),
    ]);
    let mut client = Client::connect(options, key).unwrap();
    let error = client.amend(16, OrderId(5), None, Some(3)).unwrap_err();
    assert!(matches!(error, ClientError::Unknown { request: "Amend" }), "{error}");
    // A cancel, in contrast, is repeated over another broken connection.
    assert_eq!(client.cancel(16, OrderId(5)).unwrap().sequence(), 11);
    server.join().unwrap();
}

#[test]
fn a_state_is_put_together_and_reports_between_are_kept() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![Box::new(move |peer| {
        peer.log_on(public, 10);
        let request = codec::header(&peer.message()).request;
        peer.send(StateBegin { sequence: Sequence(10), exists: 1, ..StateBegin::new(request) });
        peer.balance(11, 0, true, 0);
        for (wallet, available, held) in [(Wallet::Spot, 50, 7), (Wallet::Futures, -3, 0)] {
            peer.send(StateBalance {
                asset: AssetId(2),
                available: Amount(available),
                held: Amount(held),
                wallet: wallet.code(),
                ..StateBalance::new(request)
            });
        }
        peer.send(StatePosition { symbol: SymbolId(7), quantity: Qty(-4), ..StatePosition::new(request) });
        peer.send(StateEnd { sequence: Sequence(10), balances: 2, positions: 1, ..StateEnd::new(request) });
    })]);
    let mut client = Client::connect(options, key).unwrap();
    let state = client.state(16).unwrap();
    assert!(state.exists());
    assert_eq!((state.balance(2), state.balance(3), state.orders.len()), ((50, 7), (0, 0), 0));
    assert_eq!((state.futures(2), state.futures(3)), (-3, 0));
    assert_eq!(state.position(7).map(|position| position.quantity.0), Some(-4));
    assert_eq!(client.next_report(Duration::ZERO).unwrap().unwrap().place().sequence.0, 11);
    server.join().unwrap();
}

#[test]
fn refusals_and_gaps_are_told_and_not_retried() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![
        Box::new(move |peer| {
            peer.send(Challenge::new(0));
            let _: Logon = peer.expect();
            let mut text = [0; 120];
            text[..7].copy_from_slice(b"no such");
            peer.send(Error { code: SessionError::BadCredentials.code(), text_length: 7, text, ..Error::new(0) });
        }),
        Box::new(move |peer| {
            peer.log_on(public, 10);
            let _: NewOrder = peer.expect();
            peer.balance(12, 1, true, 0);
        }),
    ]);
    let error = Client::connect(options.clone(), key.clone()).unwrap_err();
    assert!(error.to_string().contains("BAD_CREDENTIALS: no such"), "{error}");
    let error = Client::connect(options, key).unwrap().new_order(buy()).unwrap_err();
    assert!(matches!(error, ClientError::Continuity(_)), "{error}");
    server.join().unwrap();
}

#[test]
fn nobody_listening_is_an_error_with_address_and_remedy() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = Client::connect(Options::new(&address), trade_key().0).unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("ringbook serve"), "{error}");
}

#[test]
fn the_low_level_connection_pipelines_and_keeps_the_order() {
    let (key, public) = trade_key();
    let (options, server) = serve(vec![Box::new(move |peer| {
        peer.log_on(public, 10);
        for sequence in 11..111 {
            let order: NewOrder = peer.expect();
            peer.accepted(&order, sequence, true);
        }
    })]);
    let mut session = Session::new();
    let mut connection = Connection::open(&options, &key, &mut session).unwrap();
    for request in 1..=100 {
        connection.queue(&NewOrder { header: NewOrder::header_for(request), ..buy() });
    }
    connection.flush().unwrap();
    connection.set_read_timeout(Duration::from_secs(10)).unwrap();
    let mut got = 0;
    while got < 100 {
        connection.receive().unwrap();
        while let Some(message) = connection.next_message().unwrap() {
            got += 1;
            let report = session.on_message(message).unwrap().report().unwrap();
            assert_eq!((report.request(), report.place().sequence.0), (got, u64::from(got) + 10));
        }
    }
    server.join().unwrap();
}
