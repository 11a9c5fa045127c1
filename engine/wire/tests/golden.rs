//! The bytes of every message, pinned: each is built with distinct values in all its fields, compared with its file in
//! `engine/wire/golden/` byte for byte, and read back.
//!
//! ```text
//!  golden/client.rs, golden/server.rs ─► Vector ─► text of the file ◄─compare─ golden/064_NEW_ORDER.hex
//! ```
//!
//! Invariants: there is one file for each message type and no other; a field that is not reserved is never 0 in it, and
//! equals no other field of its width (but small codes, which have few values); the tables of docs/PROTOCOL.md name the
//! same fields at the same offsets.
//!
//! `RINGBOOK_BLESS=1` writes the files anew. A published message never changes, so a difference here is a mistake.

#[path = "golden/client.rs"]
mod client;
#[path = "golden/server.rs"]
mod server;
#[path = "golden/vector.rs"]
mod vector;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use ringbook_wire::codec;
use ringbook_wire::message::{Logon, Message, MessageType, logon_flags};
use ringbook_wire::report::ReportType;
use ringbook_wire::{KeyId, Sequence, Term};
use std::collections::BTreeSet;
use std::path::PathBuf;
use vector::{Vector, hex, unhex};
use zerocopy::IntoBytes;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn vectors() -> Vec<Vector> {
    let mut vectors = client::vectors();
    vectors.extend(server::vectors());
    vectors
}

/// Compares a file with what it must say, or writes it.
fn check_file(name: &str, text: &str) {
    let path = folder().join(name);
    if std::env::var_os("RINGBOOK_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(kept, text, "{name} differs; a published message never changes");
}

#[test]
fn every_message_has_its_golden_bytes_and_reads_back() {
    for vector in vectors() {
        check_file(&vector.file(), &vector.text());
        // From the file, as another language would do it.
        let kept = std::fs::read_to_string(folder().join(vector.file())).unwrap();
        let bytes = unhex(&kept);
        assert_eq!(bytes, vector.bytes, "{}", vector.name);
        let mut stream = bytes.clone();
        stream.extend_from_slice(&[1, 2, 3]);
        assert_eq!(codec::next_message(&stream), Ok(Some(&bytes[..])), "{}", vector.name);
        assert_eq!(codec::next_message(&stream[..bytes.len() - 1]), Ok(None), "{}", vector.name);
        assert!((vector.reads_back)(&bytes), "{}: read back it is another message", vector.name);
        let header = codec::header(&bytes);
        assert_eq!((header.kind, usize::from(header.length)), (vector.kind, bytes.len()));
        let for_clients = MessageType::from_code(vector.kind)
            .filter(|kind| vector.kind < MessageType::FIRST_COMMAND || kind.is_client_command());
        assert_eq!(codec::check(&bytes).ok(), for_clients, "{}", vector.name);
    }
}

#[test]
fn the_list_of_messages_is_complete() {
    let vectors = vectors();
    let numbers: Vec<u8> = vectors.iter().map(|vector| vector.kind).collect();
    let client = MessageType::ALL.iter().map(|&kind| kind as u8);
    let all: Vec<u8> = client.chain(ReportType::ALL.iter().map(|&kind| kind as u8)).collect();
    assert_eq!(numbers, all, "one vector for each type, by number");
    for vector in &vectors {
        let of_client = MessageType::from_code(vector.kind).map(|kind| (kind.name(), kind.bytes()));
        let of_server = ReportType::from_code(vector.kind).map(|kind| (kind.name(), kind.bytes()));
        let (name, bytes) = of_client.xor(of_server).expect("of exactly one direction");
        assert_eq!((vector::spelled(name), bytes), (vector.name.clone(), vector.bytes.len()));
    }
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".hex"))
        .collect();
    let mut expected: BTreeSet<String> = vectors.iter().map(Vector::file).collect();
    expected.insert(SIGNED.to_string());
    assert_eq!(files, expected, "files without a message, or messages without a file");
}

/// Values that could be taken for each other would hide exchanged fields.
#[test]
fn fields_have_values_of_their_own() {
    for vector in vectors() {
        for (at, field) in vector.fields.iter().enumerate() {
            let bytes = &vector.bytes[field.offset..field.offset + field.bytes];
            let reserved = field.name.starts_with("reserved");
            assert_eq!(bytes.iter().all(|&byte| byte == 0), reserved, "{} {}", vector.name, field.name);
            for other in vector.fields[..at].iter().filter(|other| other.bytes == field.bytes && !reserved) {
                let same = &vector.bytes[other.offset..other.offset + other.bytes] == bytes;
                let small = field.bytes == 1 && other.offset + 1 != field.offset;
                assert!(!same || small, "{}: {} and {} are the same", vector.name, other.name, field.name);
            }
        }
        let end = vector.fields.last().map_or(8, |field| field.offset + field.bytes);
        assert_eq!(end, vector.bytes.len(), "{}: fields to the end", vector.name);
    }
}

/// `| 24 | account | u32 | For whom. |` under `#### 64 NEW_ORDER, 96 bytes`.
#[test]
fn the_protocol_document_names_the_same_fields_at_the_same_places() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut sections = Vec::new();
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("#### ") {
            sections.push((title.to_string(), Vec::new()));
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ([_, offset, name, kind, ..], Some(section)) = (&cells[..], sections.last_mut())
            && let Ok(offset) = offset.parse::<usize>()
        {
            section.1.push((offset, (*name).to_string(), kind.split(' ').next().unwrap_or_default().to_string()));
        }
        if line.starts_with("## ") && line.contains("Codes") {
            break;
        }
    }
    let mut documented = 0;
    for vector in vectors() {
        let title = format!("{} {}, {} bytes", vector.kind, vector.name, vector.bytes.len());
        let Some((_, fields)) = sections.iter().find(|(found, _)| *found == title) else {
            assert!(vector.is_internal(), "docs/PROTOCOL.md has no section {title:?}");
            continue;
        };
        documented += 1;
        let expected: Vec<_> = vector.documented_fields();
        assert_eq!(*fields, expected, "{title}");
    }
    assert!(documented >= sections.len(), "docs/PROTOCOL.md describes messages that are not in the code: {sections:?}");
}

/// Name of the signed LOGON's file.
const SIGNED: &str = "001_LOGON_signed.hex";

/// A LOGON whose signature another language can make and check.
#[test]
fn a_signed_logon_verifies() {
    let seed: [u8; 32] = std::array::from_fn(|at| 0x20 + at as u8);
    let nonce: [u8; 32] = std::array::from_fn(|at| 0xc0 - at as u8);
    let key = SigningKey::from_bytes(&seed);
    let mut logon = Logon {
        key: KeyId(11),
        session: 12,
        sequence: Sequence(1_300),
        term: Term(14),
        index: 15,
        flags: logon_flags::RESUME,
        heartbeat_ms: 1_000,
        grace_ms: 18_000,
        journal: std::array::from_fn(|at| 0xa0 + at as u8),
        ..Logon::new(10)
    };
    let signed = logon.signed_bytes(&nonce);
    logon.signature = key.sign(&signed).to_bytes();
    let mut text = format!("# 1 LOGON, 128 bytes, signed\n# seed = {}\n# public = {}\n", hex(&seed), {
        hex(key.verifying_key().as_bytes())
    });
    text += &format!("# nonce = {}\n# signed = {}\n", hex(&nonce), hex(&signed));
    text += &format!("# signature = {}\n", hex(&logon.signature));
    text += &vector::data(logon.as_bytes());
    check_file(SIGNED, &text);

    let kept = Logon::read(&unhex(&std::fs::read_to_string(folder().join(SIGNED)).unwrap())).unwrap();
    let signature = Signature::from_bytes(&kept.signature);
    assert!(key.verifying_key().verify(&kept.signed_bytes(&nonce), &signature).is_ok());
    let other = Logon { session: kept.session + 1, ..kept };
    assert!(key.verifying_key().verify(&other.signed_bytes(&nonce), &signature).is_err());
}
