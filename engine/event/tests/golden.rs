//! The bytes of every event record, pinned, and their table in docs/FORMATS.md §4 held to the code.
//!
//! ```text
//!  records() ─ one of each type ─► as_bytes ◄─compare─ GOLDEN        docs/FORMATS.md: number, name, bytes, fields
//! ```
//!
//! Invariants: there is a record of each type here (a new variant of [`Event`] does not compile without one); every field
//! that is not reserved has a value of its own, not 0; a record's meaning never changes, so neither do these bytes.

use ringbook_event::{
    Accepted, Adl, Amended, Balance, Busted, Canceled, Config, Done, Event, Expired, Fund, Funded, Funding, Handled,
    Liquidation, Mark, Position, Prevented, Realized, Record, Refreshed, Rejected, Replayed, Settled, Status, Takeover,
    Trade, Transfer, Triggered, events,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderId, Price, Qty, Rate, Sequence, SymbolId, TimestampNs, TradeId,
};

/// Number, name and bytes of a record's type, from the code. The match has no catch-all on purpose.
fn type_of(event: &Event) -> (u8, &'static str, usize) {
    macro_rules! types {
        ($($name:ident)+) => {
            match event {
                $(Event::$name(_) => ($name::KIND, event.name(), size_of::<$name>()),)+
            }
        };
    }
    types!(Accepted Rejected Replayed Trade Prevented Amended Canceled Expired Done Balance Status Config Transfer Handled
        Triggered Refreshed Busted Position Mark Funded Funding Liquidation Takeover Adl Fund Realized Settled)
}

/// A word of 8 bytes with a value for each number.
fn word(number: u8) -> i64 {
    i64::from_le_bytes([number, 2, 3, 4, 5, 6, 7, 8])
}

fn id(number: u8) -> u64 {
    u64::from_le_bytes([number, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18])
}

fn half(number: u8) -> u32 {
    u32::from_le_bytes([number, 0x22, 0x23, 0x24])
}

fn client_id() -> ClientOrderId {
    ClientOrderId([0x3837_3635_3433_3231, 0x4847_4645_4443_4241])
}

/// One record of each type, by number.
fn records() -> Vec<Event> {
    let (qty, amount) = (|number| Qty(word(number)), |number| Amount(word(number)));
    vec![
        Accepted {
            header: Accepted::header(0xa1, 0xb1, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            stp: 3,
            reserved: [0; 3],
            price: Price(word(4)),
            quantity: qty(5),
            hold: amount(6),
        }
        .into(),
        Rejected {
            header: Rejected::header(0xa2, 0xb2, 0xc1c2_c3c4),
            code: 0x0102,
            reserved: [0; 6],
            client_id: client_id(),
        }
        .into(),
        Replayed {
            header: Replayed::header(0xa3, 0xb3, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            sequence: Sequence(id(2)),
            code: 0x0304,
            reason: 5,
            reserved: [0; 5],
            filled: qty(6),
            remaining: qty(7),
            cost: amount(8),
            client_id: client_id(),
            fee: Amount(-word(9)),
        }
        .into(),
        Trade {
            header: Trade::header(0xa4, 0xb4, 0xc1c2_c3c4),
            trade: TradeId(id(1)),
            price: Price(word(2)),
            quantity: qty(3),
            taker_order: OrderId(id(4)),
            maker_order: OrderId(id(5)),
            taker_account: AccountId(half(6)),
            maker_account: AccountId(half(7)),
            taker_fee: amount(8),
            maker_fee: Amount(-word(9)),
            taker_remaining: qty(10),
            maker_remaining: qty(11),
            taker_filled: qty(12),
            maker_filled: qty(13),
            taker_cost: amount(14),
            maker_cost: amount(15),
        }
        .into(),
        Prevented {
            header: Prevented::header(0xa5, 0xb5, 0xc1c2_c3c4),
            taker_order: OrderId(id(1)),
            maker_order: OrderId(id(2)),
            taker_quantity: qty(3),
            maker_quantity: qty(4),
            taker_remaining: qty(5),
            maker_remaining: qty(6),
            taker_account: AccountId(half(7)),
            maker_account: AccountId(half(8)),
        }
        .into(),
        Amended {
            header: Amended::header(0xa6, 0xb6, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            price: Price(word(2)),
            quantity: qty(3),
            remaining: qty(4),
            hold: amount(5),
            symbol: SymbolId(half(6)),
            reserved: 0,
            cut: qty(7),
            trigger: Price(word(8)),
        }
        .into(),
        Canceled {
            header: Canceled::header(0xa7, 0xb7, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            reserved: 0,
            remaining: qty(3),
        }
        .into(),
        Expired {
            header: Expired::header(0xa8, 0xb8, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            code: 0x0304,
            reserved: 0,
            remaining: qty(5),
        }
        .into(),
        Done {
            header: Done::header(0xa9, 0xb9, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            reserved: 0,
            filled: qty(3),
            cost: amount(4),
            fee: Amount(-word(5)),
            returned: amount(6),
            remaining: qty(7),
            prevented: qty(8),
            cut: qty(9),
            client_id: client_id(),
        }
        .into(),
        Balance {
            header: Balance::header(0xaa, 0xba, 0xc1c2_c3c4),
            asset: AssetId(half(1)),
            reserved: 0,
            available: Amount(-word(2)),
            held: amount(3),
        }
        .into(),
        Status { header: Status::header(0xab, 0xbb, 0xc1c2_c3c4), reserved: 0 }.into(),
        Config { header: Config::header(0xac, 0xbc, 0xc1c2_c3c4), reserved: 0 }.into(),
        Transfer {
            header: Transfer::header(0xad, 0xbd, 0xc1c2_c3c4),
            asset: AssetId(half(1)),
            code: 0x0203,
            reserved: 0,
            adjustment: id(4),
            amount: Amount(-word(5)),
            reference: id(6),
        }
        .into(),
        Handled {
            header: Handled::header(0xae, 0xbe, 0xc1c2_c3c4),
            count: half(1),
            reserved: 0,
            argument: id(2),
            reserved2: 0,
        }
        .into(),
        Triggered {
            header: Triggered::header(0xaf, 0xbf, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            reserved: 0,
            price: Price(word(3)),
        }
        .into(),
        Refreshed {
            header: Refreshed::header(0xa0, 0xb0, 0xc1c2_c3c4),
            order: OrderId(id(1)),
            symbol: SymbolId(half(2)),
            reserved: 0,
            shown: qty(3),
            remaining: qty(4),
        }
        .into(),
        Busted {
            header: Busted::header(0xa1, 0xb1, 0xc1c2_c3c4),
            trade: TradeId(id(1)),
            price: Price(word(2)),
            quantity: qty(3),
            buy_order: OrderId(id(4)),
            sell_order: OrderId(id(5)),
            buyer: AccountId(half(6)),
            seller: AccountId(half(7)),
            buyer_fee: amount(8),
            seller_fee: Amount(-word(9)),
        }
        .into(),
        Position {
            header: Position::header(0xa2, 0xb2, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            leverage: half(2),
            quantity: Qty(-word(3)),
            cost: Amount(-word(4)),
            margin: amount(5),
        }
        .into(),
        Mark { header: Mark::header(0xa3, 0xb3, 0xc1c2_c3c4), price: Price(word(1)), feed_time: TimestampNs(id(2)) }
            .into(),
        Funded {
            header: Funded::header(0xa4, 0xb4, 0xc1c2_c3c4),
            index: id(1),
            rate: Rate(-word(2)),
            mark: Price(word(3)),
        }
        .into(),
        Funding {
            header: Funding::header(0xa5, 0xb5, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            reserved: 0,
            quantity: Qty(-word(2)),
            payment: Amount(-word(3)),
        }
        .into(),
        Liquidation {
            header: Liquidation::header(0xa6, 0xb6, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            reserved: 0,
            order: OrderId(id(2)),
            quantity: qty(3),
            position: Qty(-word(4)),
            price: Price(word(5)),
            bankruptcy: Price(word(6)),
            mark: Price(word(7)),
            equity: Amount(-word(8)),
        }
        .into(),
        Takeover {
            header: Takeover::header(0xa7, 0xb7, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            reserved: 0,
            quantity: Qty(-word(2)),
            price: Price(word(3)),
            pnl: Amount(-word(4)),
            fund: qty(5),
        }
        .into(),
        Adl {
            header: Adl::header(0xa8, 0xb8, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            of: AccountId(half(2)),
            quantity: qty(3),
            price: Price(word(4)),
            pnl: Amount(-word(5)),
        }
        .into(),
        Fund {
            header: Fund::header(0xa9, 0xb9, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            asset: AssetId(half(2)),
            amount: Amount(-word(3)),
            quantity: qty(4),
        }
        .into(),
        Realized {
            header: Realized::header(0xaa, 0xba, 0xc1c2_c3c4),
            symbol: SymbolId(half(1)),
            reserved: 0,
            trade: TradeId(id(2)),
            order: OrderId(id(3)),
            quantity: qty(4),
            pnl: Amount(-word(5)),
        }
        .into(),
        Settled { header: Settled::header(0xab, 0xbb, 0xc1c2_c3c4), price: Price(word(1)) }.into(),
    ]
}

/// The bytes, 8 of them between spaces, by number.
const GOLDEN: [&str; 27] = [
    "0106a1b1c4c3c2c1 0112131415161718 0222232403000000 0402030405060708 0502030405060708 0602030405060708",
    "0204a2b2c4c3c2c1 0201000000000000 3132333435363738 4142434445464748",
    "030aa3b3c4c3c2c1 0112131415161718 0212131415161718 0403050000000000 0602030405060708 0702030405060708 0802030405060708 3132333435363738 4142434445464748 f7fdfcfbfaf9f8f7",
    "040fa4b4c4c3c2c1 0112131415161718 0202030405060708 0302030405060708 0412131415161718 0512131415161718 0622232407222324 0802030405060708 f7fdfcfbfaf9f8f7 0a02030405060708 0b02030405060708 0c02030405060708 0d02030405060708 0e02030405060708 0f02030405060708",
    "0508a5b5c4c3c2c1 0112131415161718 0212131415161718 0302030405060708 0402030405060708 0502030405060708 0602030405060708 0722232408222324",
    "0609a6b6c4c3c2c1 0112131415161718 0202030405060708 0302030405060708 0402030405060708 0502030405060708 0622232400000000 0702030405060708 0802030405060708",
    "0704a7b7c4c3c2c1 0112131415161718 0222232400000000 0302030405060708",
    "0804a8b8c4c3c2c1 0112131415161718 0222232404030000 0502030405060708",
    "090ca9b9c4c3c2c1 0112131415161718 0222232400000000 0302030405060708 0402030405060708 fbfdfcfbfaf9f8f7 0602030405060708 0702030405060708 0802030405060708 0902030405060708 3132333435363738 4142434445464748",
    "0a04aabac4c3c2c1 0122232400000000 fefdfcfbfaf9f8f7 0302030405060708",
    "0b02abbbc4c3c2c1 0000000000000000",
    "0c02acbcc4c3c2c1 0000000000000000",
    "0d05adbdc4c3c2c1 0122232403020000 0412131415161718 fbfdfcfbfaf9f8f7 0612131415161718",
    "0e04aebec4c3c2c1 0122232400000000 0212131415161718 0000000000000000",
    "0f04afbfc4c3c2c1 0112131415161718 0222232400000000 0302030405060708",
    "1005a0b0c4c3c2c1 0112131415161718 0222232400000000 0302030405060708 0402030405060708",
    "1109a1b1c4c3c2c1 0112131415161718 0202030405060708 0302030405060708 0412131415161718 0512131415161718 0622232407222324 0802030405060708 f7fdfcfbfaf9f8f7",
    "1205a2b2c4c3c2c1 0122232402222324 fdfdfcfbfaf9f8f7 fcfdfcfbfaf9f8f7 0502030405060708",
    "1303a3b3c4c3c2c1 0102030405060708 0212131415161718",
    "1404a4b4c4c3c2c1 0112131415161718 fefdfcfbfaf9f8f7 0302030405060708",
    "1504a5b5c4c3c2c1 0122232400000000 fefdfcfbfaf9f8f7 fdfdfcfbfaf9f8f7",
    "1609a6b6c4c3c2c1 0122232400000000 0212131415161718 0302030405060708 fcfdfcfbfaf9f8f7 0502030405060708 0602030405060708 0702030405060708 f8fdfcfbfaf9f8f7",
    "1706a7b7c4c3c2c1 0122232400000000 fefdfcfbfaf9f8f7 0302030405060708 fcfdfcfbfaf9f8f7 0502030405060708",
    "1805a8b8c4c3c2c1 0122232402222324 0302030405060708 0402030405060708 fbfdfcfbfaf9f8f7",
    "1904a9b9c4c3c2c1 0122232402222324 fdfdfcfbfaf9f8f7 0402030405060708",
    "1a06aabac4c3c2c1 0122232400000000 0212131415161718 0312131415161718 0402030405060708 fbfdfcfbfaf9f8f7",
    "1b02abbbc4c3c2c1 0102030405060708",
];

fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(8).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_record_has_its_golden_bytes_and_reads_back() {
    let records = records();
    assert_eq!(records.len(), GOLDEN.len());
    for (record, golden) in records.iter().zip(GOLDEN) {
        let (kind, name, bytes) = type_of(record);
        assert_eq!(hex(record.as_bytes()), golden, "{name}");
        assert_eq!((record.as_bytes()[0], usize::from(record.as_bytes()[1]) * 8), (kind, bytes), "{name}");
        assert_eq!(Event::read(record.as_bytes()), Some(*record), "{name}");
        assert_eq!(Event::read(&record.as_bytes()[..bytes - 8]), None, "{name}");
    }
    let all: Vec<u8> = records.iter().flat_map(|record| record.as_bytes().to_vec()).collect();
    assert_eq!(events(&all).collect::<Result<Vec<_>, _>>(), Ok(records));
}

/// Every number from 1 on that the code reads is here, and no other.
#[test]
fn the_list_of_records_is_complete() {
    let numbers: Vec<u8> = records().iter().map(|record| type_of(record).0).collect();
    let known = |kind: &u8| {
        let mut bytes = vec![0; 8 * 255];
        bytes[0] = *kind;
        (1..=255).any(|words| {
            bytes[1] = words;
            Event::read(&bytes[..usize::from(words) * 8]).is_some()
        })
    };
    assert_eq!(numbers, (0..=255).filter(known).collect::<Vec<u8>>());
    assert_eq!(numbers, (1..=27).collect::<Vec<u8>>());
}

/// Bytes of a field as the table's last column writes it: `price i64`, `3 zeros`, `reserved u32`.
fn field_bytes(field: &str) -> usize {
    match field.rsplit(' ').next() {
        Some("u8") => 1,
        Some("u16") => 2,
        Some("u32") => 4,
        Some("u64" | "i64") => 8,
        Some("u128") => 16,
        Some("zeros") => field.split(' ').next().and_then(|count| count.parse().ok()).expect("a number of zeros"),
        _ => panic!("docs/FORMATS.md: a field without a type: {field:?}"),
    }
}

fn spelled(name: &str) -> String {
    name.to_ascii_uppercase()
}

#[test]
fn the_table_of_the_document_agrees_with_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FORMATS.md");
    let document = std::fs::read_to_string(path).unwrap();
    let section = document.split("\n## ").find(|section| section.starts_with("4. Events")).expect("§4 Events");
    let rows: Vec<Vec<&str>> = section
        .lines()
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() == 7 && cells[0].parse::<u8>().is_ok())
        .collect();
    let records = records();
    assert_eq!(rows.len(), records.len(), "one row for each record");
    for (row, record) in rows.iter().zip(&records) {
        let (kind, name, bytes) = type_of(record);
        assert_eq!(row[..3], [kind.to_string(), spelled(name), bytes.to_string()], "number, name, bytes");
        let fields: usize = row[6].split(", ").map(field_bytes).sum();
        assert_eq!(8 + fields, bytes, "{name}: the fields of the document do not fill the record");
        // What the document calls reserved or zeros is zero in the record, and nothing else is.
        let mut at = 8;
        for field in row[6].split(", ") {
            let end = at + field_bytes(field);
            let zero = record.as_bytes()[at..end].iter().all(|&byte| byte == 0);
            assert_eq!(zero, field.contains("reserved") || field.contains("zeros"), "{name}: {field} at offset {at}");
            at = end;
        }
    }
}
