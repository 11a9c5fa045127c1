//! A message with its fields, and its text: hexadecimal bytes under comments that name every field and its value.
//!
//! ```text
//!  # 65 CANCEL, 40 bytes
//!  # offset 8, u32: account = 1001          numbers decimal, u128 and bytes hexadecimal
//!  2800410107…                              16 bytes a line
//! ```
//!
//! Invariant: a vector's bytes come from the struct itself; the comments only describe them.

use ringbook_wire::report::Place;
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, KeyId, OrderId, Price, Qty, Rate, Sequence, SessionId, SymbolId, Term,
    TimestampNs, TradeId,
};
use std::fmt::Write;

/// A field of a vector.
pub struct Field {
    pub name: &'static str,
    /// As in docs/PROTOCOL.md.
    pub kind: String,
    pub value: String,
    pub offset: usize,
    pub bytes: usize,
    /// A [`Place`]: one field in the document, six here.
    pub of_place: bool,
}

type ReadsBack = Box<dyn Fn(&[u8]) -> bool>;

/// See the module.
pub struct Vector {
    pub kind: u8,
    pub name: String,
    pub request: u32,
    pub fields: Vec<Field>,
    pub bytes: Vec<u8>,
    /// Whether some bytes read back as this message.
    pub reads_back: ReadsBack,
}

impl Vector {
    pub fn file(&self) -> String {
        format!("{:03}_{}.hex", self.kind, self.name)
    }

    pub fn text(&self) -> String {
        let mut text = format!("# {} {}, {} bytes\n", self.kind, self.name, self.bytes.len());
        writeln!(text, "# offset 4, u32: request = {}", self.request).unwrap();
        for field in &self.fields {
            writeln!(text, "# offset {}, {}: {} = {}", field.offset, field.kind, field.name, field.value).unwrap();
        }
        text + &data(&self.bytes)
    }

    /// Ringbook's own commands are not for clients; the document may leave them out.
    pub fn is_internal(&self) -> bool {
        (112..128).contains(&self.kind)
    }

    /// Offset, name and kind as the document has them.
    pub fn documented_fields(&self) -> Vec<(usize, String, String)> {
        let mut fields = Vec::new();
        if self.fields.iter().any(|field| field.of_place) {
            fields.push((8, "place".to_string(), "place".to_string()));
        }
        let own = self.fields.iter().filter(|field| !field.of_place);
        fields.extend(own.map(|field| {
            let kind = field.kind.split(' ').next().unwrap_or_default().to_string();
            (field.offset, field.name.to_string(), kind)
        }));
        fields
    }
}

/// How a field's type is called and its value written.
pub trait Show {
    fn kind() -> String;
    fn show(&self) -> String;

    /// The fields that this one is made of.
    fn fields(&self, name: &'static str, offset: usize) -> Vec<Field>
    where
        Self: Sized,
    {
        let (kind, value, bytes) = (Self::kind(), self.show(), size_of::<Self>());
        vec![Field { name, kind, value, offset, bytes, of_place: false }]
    }
}

macro_rules! show {
    ($($kind:literal: $($type:ident)+;)+) => {
        $($(
            impl Show for $type {
                fn kind() -> String {
                    $kind.to_string()
                }
                fn show(&self) -> String {
                    self.to_string()
                }
            }
        )+)+
    };
}

show! {
    "u8": u8;
    "u16": u16;
    "u32": u32 AccountId AssetId SymbolId KeyId Term;
    "u64": u64 OrderId TradeId SessionId Sequence;
    "i64": Price Qty Amount Rate;
}

impl Show for TimestampNs {
    fn kind() -> String {
        "u64".to_string()
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Show for ClientOrderId {
    fn kind() -> String {
        "u128".to_string()
    }
    fn show(&self) -> String {
        format!("0x{:032x}", u128::from(*self))
    }
}

impl<const N: usize> Show for [u8; N] {
    fn kind() -> String {
        format!("{N} bytes")
    }
    fn show(&self) -> String {
        hex(self)
    }
}

impl<const N: usize> Show for [u64; N] {
    fn kind() -> String {
        format!("{N} × u64")
    }
    fn show(&self) -> String {
        self.map(|word| word.to_string()).join(" ")
    }
}

impl<const N: usize> Show for [u32; N] {
    fn kind() -> String {
        format!("{N} × u32")
    }
    fn show(&self) -> String {
        self.map(|word| word.to_string()).join(" ")
    }
}

macro_rules! show_list {
    ($($type:ident)+) => {
        $(
            impl<const N: usize> Show for [$type; N] {
                fn kind() -> String {
                    format!("{N} × i64")
                }
                fn show(&self) -> String {
                    self.map(|number| number.to_string()).join(" ")
                }
            }
        )+
    };
}

show_list! { Amount Rate }

impl Show for Place {
    fn kind() -> String {
        "place".to_string()
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
    fn fields(&self, _: &'static str, offset: usize) -> Vec<Field> {
        let parts = [
            self.sequence.fields("place.sequence", offset),
            self.time.fields("place.time", offset + 8),
            self.term.fields("place.term", offset + 16),
            self.index.fields("place.index", offset + 20),
            self.flags.fields("place.flags", offset + 22),
        ];
        parts.into_iter().flatten().map(|field| Field { of_place: true, ..field }).collect()
    }
}

/// A vector of a message, all fields named: `vector!(1, Cancel { account: AccountId(1), … })`.
macro_rules! vector {
    ($request:literal, $type:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        use ringbook_wire::message::Message as _;
        let message = $type { header: $type::header_for($request), $($field: $value,)* };
        #[allow(unused_mut, reason = "messages without fields")]
        let mut fields = Vec::new();
        $(fields.extend($crate::vector::Show::fields(
            &message.$field,
            stringify!($field),
            core::mem::offset_of!($type, $field),
        ));)*
        $crate::vector::Vector {
            kind: $type::KIND,
            name: $crate::vector::spelled(stringify!($type)),
            request: $request,
            fields,
            bytes: zerocopy::IntoBytes::as_bytes(&message).to_vec(),
            reads_back: Box::new(move |bytes| $type::read(bytes) == Some(message)),
        }
    }};
}
pub(crate) use vector;

/// `NewOrder` as the documents spell it: `NEW_ORDER`.
pub fn spelled(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The bytes, 16 a line.
pub fn data(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|line| hex(line) + "\n").collect()
}

/// The bytes of a file's text.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.chars().map(|digit| digit.to_digit(16).expect("hexadecimal digits")))
        .collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
