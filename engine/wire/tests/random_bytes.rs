//! Bytes from anybody: the codec never panics, whatever arrives and wherever it is cut.
//!
//! Invariants checked: [`codec::next_message`] yields a whole message, or nothing yet, or an error; what it yields has
//! the length that its header says; [`codec::check`] accepts exactly the types of clients at their lengths, and reading
//! a message as any type never panics.

use ringbook_wire::codec::{self, FrameError, MessageError};
use ringbook_wire::message::{
    HEADER_BYTES, Logon, MAX_MESSAGE_BYTES, Message, MessageType, NewOrder, VERSION, name_of,
};
use ringbook_wire::report::{Place, ReportType, StateOrder};

/// splitmix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }
}

/// What a stream came to.
#[derive(Debug, Default)]
struct Met {
    messages: u64,
    waits: u64,
    bad_lengths: u64,
    bad_versions: u64,
    good: u64,
    bad_types: u64,
    wrong_lengths: u64,
}

/// Random bytes, of which a part looks like headers.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..random.below(700)).map(|_| random.bits() as u8).collect();
    let mut at = 0;
    while random.below(8) != 0 && at + HEADER_BYTES <= bytes.len() {
        let kind = random.bits() as u8;
        let own = MessageType::from_code(kind).map_or(random.below(66) * 8, MessageType::bytes);
        let length = if random.below(4) == 0 { random.below(530) } else { own };
        bytes[at..at + 2].copy_from_slice(&(length as u16).to_le_bytes());
        bytes[at + 2] = kind;
        bytes[at + 3] = if random.below(20) == 0 { random.bits() as u8 } else { VERSION };
        at += length.max(1);
    }
    bytes
}

#[test]
fn random_streams_never_panic() {
    let mut random = Random(1);
    let mut met = Met::default();
    for _ in 0..200_000 {
        let bytes = stream(&mut random);
        let mut rest = &bytes[..bytes.len() - random.below(bytes.len().min(20) + 1)];
        loop {
            match codec::next_message(rest) {
                Ok(Some(message)) => {
                    met.messages += 1;
                    look_at(message, &mut met);
                    rest = &rest[message.len()..];
                }
                Ok(None) => {
                    met.waits += 1;
                    assert!(rest.len() < MAX_MESSAGE_BYTES);
                    break;
                }
                Err(FrameError::BadLength(length)) => {
                    met.bad_lengths += 1;
                    assert!(!(8..=512).contains(&length) || length % 8 != 0);
                    break;
                }
                Err(FrameError::BadVersion(version)) => {
                    met.bad_versions += 1;
                    assert_ne!(version, VERSION);
                    break;
                }
            }
        }
    }
    println!("{met:?}");
    let Met { messages, waits, bad_lengths, bad_versions, good, bad_types, wrong_lengths } = met;
    let counts = [messages, waits, bad_lengths, bad_versions, good, bad_types, wrong_lengths];
    assert!(counts.iter().all(|&count| count > 200), "the streams have lost their teeth: {counts:?}");
}

fn look_at(message: &[u8], met: &mut Met) {
    let header = codec::header(message);
    assert_eq!(usize::from(header.length), message.len());
    match codec::check(message) {
        Ok(kind) => {
            met.good += 1;
            assert_eq!((kind as u8, kind.bytes()), (header.kind, message.len()));
            assert!(kind.is_client_command() || header.kind < MessageType::FIRST_COMMAND);
            assert!(header.kind < MessageType::FIRST_INTERNAL, "Ringbook's own commands are refused from clients");
        }
        Err(MessageError::BadType(kind)) => {
            met.bad_types += 1;
            assert_eq!(kind, header.kind);
        }
        Err(MessageError::WrongLength { kind, length, expected }) => {
            met.wrong_lengths += 1;
            assert_eq!((kind, length), (header.kind, header.length));
            assert_ne!(length, expected);
        }
    }
    // As types that they are not: refused, never a panic.
    let own = |kind: u8, bytes: usize| header.kind == kind && message.len() == bytes;
    assert_eq!(Logon::read(message).is_some(), own(Logon::KIND, 128));
    assert_eq!(NewOrder::read(message).is_some(), own(NewOrder::KIND, 96));
    assert_eq!(StateOrder::read(message).is_some(), own(StateOrder::KIND, 160));
    let _ = name_of(&message[HEADER_BYTES..]);
}

/// Every prefix of every message is "not whole yet", and never anything else.
#[test]
fn truncated_messages_wait() {
    let sizes = MessageType::ALL.iter().map(|&kind| (kind as u8, kind.bytes()));
    let reports = ReportType::ALL.iter().map(|&kind| (kind as u8, kind.bytes()));
    for (kind, bytes) in sizes.chain(reports) {
        let mut message = vec![0xff; bytes];
        message[..2].copy_from_slice(&(bytes as u16).to_le_bytes());
        (message[2], message[3]) = (kind, VERSION);
        for cut in 0..bytes {
            assert_eq!(codec::next_message(&message[..cut]), Ok(None), "type {kind}, {cut} of {bytes} bytes");
        }
        assert_eq!(codec::next_message(&message), Ok(Some(&message[..])));
    }
    assert_eq!(size_of::<Place>(), 24);
}
