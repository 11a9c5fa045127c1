//! Commands and events field by field, for `ringbook journal dump` and `tail`.
//!
//! Which fields a record has is said once, where it is defined; what its `Debug` says is read back here, so that no field
//! can be forgotten. Codes get the names of the documents.
//!
//! Invariant: reading never fails; what cannot be understood is shown as its text or its bytes.

use crate::output::hex;
use ringbook_event::Event;
use ringbook_wire::message::{
    Amend, BustTrade, Cancel, CancelAll, Continue, Deposit, Genesis, Message, MessageType, NewOrder, Quarantine,
    SessionDown, SetAccount, SetAsset, SetFees, SetKey, SetStatus, SetSymbol, Tick, Withdraw,
};
use ringbook_wire::{
    EndReason, FeeModel, OrderState, OrderType, RejectCode, Role, Side, StpMode, SymbolKind, SymbolStatus, TimeInForce,
    TriggerDirection, TriggerSource,
};
use serde_json::{Map, Value, json};

/// A record: its name as the documents spell it, and its fields in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub name: String,
    pub fields: Vec<(String, Value)>,
}

impl Record {
    /// The command in a message.
    pub fn command(message: &[u8]) -> Self {
        let kind = message.get(2).copied().and_then(MessageType::from_code);
        macro_rules! debug {
            ($($kind:ident)*) => {
                match kind {
                    $(Some(MessageType::$kind) => $kind::read(message).map(|message| format!("{message:?}")),)*
                    _ => None,
                }
            };
        }
        let text = debug!(NewOrder Cancel Amend CancelAll Deposit Withdraw SetAsset SetSymbol SetAccount SetStatus SetKey
            SetFees BustTrade Genesis Continue SessionDown Tick Quarantine);
        let name = kind.map_or("UNKNOWN".to_owned(), |kind| spelled(kind.name()));
        let fields = match text {
            Some(text) => fields_of(&text),
            None => vec![("bytes".to_owned(), json!(hex(message)))],
        };
        Self { name, fields }
    }

    /// An event: the small fields of its header by their meaning (docs/FORMATS.md §4), then its own.
    pub fn event(event: &Event) -> Self {
        let bytes = event.as_bytes();
        let (a, b) = (bytes[2], bytes[3]);
        let subject = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let name = spelled(event.name());
        let [first, second, whose] = match event {
            Event::Accepted(_) | Event::Triggered(_) => ["side", "order_type", "account"],
            Event::Rejected(_) => ["command", "private", "account"],
            Event::Replayed(_) => ["state", "command", "account"],
            Event::Trade(_) => ["taker_side", "role", "symbol"],
            Event::Prevented(_) => ["stp", "", "symbol"],
            Event::Amended(_) => ["amend_reason", "kept_place", "account"],
            Event::Canceled(_) | Event::Expired(_) => ["reason", "", "account"],
            Event::Done(_) => ["state", "reason", "account"],
            Event::Balance(_) => ["wallet", "", "account"],
            Event::Status(_) => ["status", "before", "symbol"],
            Event::Config(_) => ["command", "", "object"],
            Event::Transfer(_) => ["direction", "replayed", "account"],
            Event::Handled(_) => ["command", "more", "account"],
            Event::Refreshed(_) => ["side", "", "account"],
            Event::Busted(_) => ["", "", "symbol"],
        };
        let mut fields = vec![(whose.to_owned(), json!(subject))];
        for (name, value) in [(first, a), (second, b)] {
            if !name.is_empty() {
                fields.push((name.to_owned(), code(name, u64::from(value)).unwrap_or(json!(value))));
            }
        }
        fields.extend(fields_of(&format!("{event:?}")));
        Self { name, fields }
    }

    /// `{"type": …, fields}`.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), json!(self.name));
        object.extend(self.fields.iter().cloned());
        Value::Object(object)
    }
}

impl std::fmt::Display for Record {
    /// One line; fields that are zero are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in self.fields.iter().filter(|(_, value)| *value != json!(0)) {
            match value.as_str() {
                Some(text) => write!(f, " {name}={text}")?,
                None => write!(f, " {name}={value}")?,
            }
        }
        Ok(())
    }
}

/// `NewOrder` as NEW_ORDER.
fn spelled(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// The name of a code in the field of this name.
fn code(field: &str, value: u64) -> Option<Value> {
    let byte = u8::try_from(value).ok();
    macro_rules! name {
        ($codes:ty) => {
            byte.and_then(<$codes>::from_code).map(|code| json!(code.name()))
        };
    }
    match field {
        "side" | "taker_side" => name!(Side),
        "order_type" => name!(OrderType),
        "time_in_force" => name!(TimeInForce),
        "stp" => name!(StpMode),
        "status" | "before" => name!(SymbolStatus),
        "state" => name!(OrderState),
        "reason" => name!(EndReason),
        "role" if value > 2 => None,
        "fee_model" => name!(FeeModel),
        "trigger_direction" => name!(TriggerDirection),
        "trigger_source" => name!(TriggerSource),
        "command" => byte.and_then(MessageType::from_code).map(|kind| json!(spelled(kind.name()))),
        "code" => u16::try_from(value).ok().and_then(RejectCode::from_code).map(|code| json!(code.name())),
        "amend_reason" => [(1, "USER"), (2, "TRIM")].iter().find(|(at, _)| *at == value).map(|(_, name)| json!(name)),
        "direction" => {
            [(1, "DEPOSIT"), (2, "WITHDRAW")].iter().find(|(at, _)| *at == value).map(|(_, name)| json!(name))
        }
        _ => None,
    }
}

/// The fields of a struct from its `Debug`; headers and reserved bytes are left out.
fn fields_of(debug: &str) -> Vec<(String, Value)> {
    let mut text = Text { rest: debug };
    let mut found = text.value();
    // An event is a struct within its variant.
    while let Parsed::Tuple(_, mut inner) = found {
        match inner.pop() {
            Some(value) => found = value,
            None => return Vec::new(),
        }
    }
    let Parsed::Struct(owner, fields) = found else {
        return vec![("text".to_owned(), json!(debug))];
    };
    let shown = fields.into_iter().filter(|(name, _)| name != "header" && !name.starts_with("reserved"));
    shown.map(|(name, value)| (name.clone(), meaning(&owner, &name, value))).collect()
}

/// A field's value with the names of codes, names as text, client ids as decimal text, keys in hexadecimal.
fn meaning(owner: &str, field: &str, value: Parsed) -> Value {
    match value {
        Parsed::Number(number) => {
            let plain = number.parse::<u64>().ok();
            let named = match (owner, field) {
                // Numbers that have these names and are of another kind.
                ("SetKey", "role") => plain.and_then(|n| Role::from_code(n as u8)).map(|role| json!(role.name())),
                ("SetSymbol", "kind") => {
                    plain.and_then(|n| SymbolKind::from_code(n as u8)).map(|kind| json!(kind.name()))
                }
                (_, "role") => None,
                ("Quarantine", "kind") => plain.and_then(|n| code("command", n)),
                _ => plain.and_then(|n| code(field, n)),
            };
            named.or_else(|| serde_json::from_str(&number).ok()).unwrap_or(Value::String(number))
        }
        Parsed::Tuple(name, inner) if name == "ClientOrderId" => {
            let words: Vec<u64> = inner.first().map(Parsed::numbers).unwrap_or_default();
            let word = |at: usize| u128::from(words.get(at).copied().unwrap_or(0));
            // Decimal text, as in rows and in HTTP answers.
            if word(0) | word(1) == 0 { json!(0) } else { json!((word(1) << 64 | word(0)).to_string()) }
        }
        Parsed::Tuple(_, mut inner) if inner.len() == 1 => {
            inner.pop().map_or(Value::Null, |inner| meaning(owner, field, inner))
        }
        Parsed::List(_) if ["name", "public_key"].contains(&field) => {
            let bytes: Vec<u8> = value.numbers().into_iter().map(|byte| byte as u8).collect();
            if field == "name" {
                json!(String::from_utf8_lossy(&bytes).trim_end_matches('\0'))
            } else {
                json!(hex(&bytes))
            }
        }
        Parsed::List(inner) | Parsed::Tuple(_, inner) => {
            inner.into_iter().map(|inner| meaning(owner, field, inner)).collect()
        }
        Parsed::Struct(name, fields) => {
            fields.into_iter().map(|(field, value)| (field.clone(), meaning(&name, &field, value))).collect()
        }
    }
}

/// What `Debug` writes for records: structs, tuples, lists and numbers.
#[derive(Debug)]
enum Parsed {
    Struct(String, Vec<(String, Parsed)>),
    Tuple(String, Vec<Parsed>),
    List(Vec<Parsed>),
    /// A number, or any other word.
    Number(String),
}

impl Parsed {
    fn numbers(&self) -> Vec<u64> {
        match self {
            Self::List(list) => list.iter().flat_map(Self::numbers).collect(),
            Self::Number(number) => number.parse().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

struct Text<'a> {
    rest: &'a str,
}

impl Text<'_> {
    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end =
            self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    /// Takes this character, if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn list(&mut self, end: char) -> Vec<Parsed> {
        let mut list = Vec::new();
        while !self.take(end) && !self.rest.is_empty() {
            list.push(self.value());
            if !self.take(',') && !self.rest.starts_with(end) {
                // Not of our making: what was understood stands.
                self.rest = "";
            }
        }
        list
    }

    fn value(&mut self) -> Parsed {
        let word = self.word();
        if self.take('[') {
            Parsed::List(self.list(']'))
        } else if self.take('(') {
            Parsed::Tuple(word, self.list(')'))
        } else if self.take('{') {
            let mut fields = Vec::new();
            while !self.take('}') && !self.rest.is_empty() {
                let name = self.word();
                if !self.take(':') {
                    self.rest = "";
                    break;
                }
                fields.push((name, self.value()));
                self.take(',');
            }
            Parsed::Struct(word, fields)
        } else {
            Parsed::Number(word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_event::{Record as _, Rejected, Trade};
    use ringbook_wire::message::name_field;
    use ringbook_wire::{AccountId, ClientOrderId, KeyId, Price, Qty, Rate, SymbolId};
    use zerocopy::{FromZeros, IntoBytes};

    #[test]
    fn commands_are_shown_by_name_and_field() {
        let order = NewOrder {
            client_id: ClientOrderId::from((1u128 << 64) + 5),
            account: AccountId(100),
            symbol: SymbolId(1),
            price: Price(6_000_000),
            quantity: Qty(5),
            side: Side::Sell.code(),
            order_type: OrderType::Limit.code(),
            time_in_force: TimeInForce::Gtc.code(),
            stp: StpMode::CancelTaker.code(),
            ..NewOrder::new(7)
        };
        let shown = Record::command(order.as_bytes());
        assert_eq!(
            shown.to_string(),
            "NEW_ORDER client_id=18446744073709551621 account=100 symbol=1 price=6000000 quantity=5 side=SELL \
             order_type=LIMIT time_in_force=GTC stp=CANCEL_TAKER"
        );
        let json = shown.json();
        assert_eq!((&json["type"], &json["side"], &json["budget"]), (&json!("NEW_ORDER"), &json!("SELL"), &json!(0)));
        let check = |message: &[u8], expected: &str| assert_eq!(Record::command(message).to_string(), expected);
        let key = SetKey { key: KeyId(9), role: 1, last_account: AccountId(5), public_key: [1; 32], ..SetKey::new(1) };
        check(
            key.as_bytes(),
            &format!("SET_KEY key=9 role={} last_account=5 public_key={}", Role::Trade.name(), "01".repeat(32)),
        );
        let fees = SetFees { account: AccountId(9), maker: Rate(-5), ..SetFees::new(1) };
        check(fees.as_bytes(), "SET_FEES account=9 maker=-5");
        let symbol = SetSymbol { name: name_field("A-B").unwrap(), kind: 1, ..SetSymbol::new(1) };
        check(symbol.as_bytes(), "SET_SYMBOL kind=SPOT name=A-B stp=DEFAULT");
        check(Tick::new(0).as_bytes(), "TICK");
        check(&[9, 9], "UNKNOWN bytes=0909");
    }

    #[test]
    fn events_say_what_their_header_means() {
        let mut rejected = Rejected::new_zeroed();
        rejected.header = Rejected::header(64, 1, 100);
        rejected.code = 105;
        let shown = Record::event(&rejected.into());
        assert!(shown.to_string().starts_with("REJECTED account=100 command=NEW_ORDER private=1 code=UNKNOWN_SYMBOL"));
        let mut trade = Trade::new_zeroed();
        trade.header = Trade::header(2, 1, 7);
        trade.price = Price(10);
        trade.maker_fee = ringbook_wire::Amount(-3);
        let shown = Record::event(&trade.into()).to_string();
        assert_eq!(shown, "TRADE symbol=7 taker_side=SELL role=1 price=10 maker_fee=-3");
    }

    /// Every command has its own fields: a new one that is forgotten above would show bytes.
    #[test]
    fn every_command_is_known() {
        for &kind in MessageType::ALL {
            let mut bytes = vec![0; kind.bytes()];
            bytes[..2].copy_from_slice(&(kind.bytes() as u16).to_le_bytes());
            bytes[2] = kind as u8;
            bytes[3] = 1;
            let session = (kind as u8) < 64;
            assert_eq!(Record::command(&bytes).to_string().contains("bytes="), session, "{}", kind.name());
        }
    }
}
