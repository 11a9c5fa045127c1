//! Messages from clients, which are also the commands in the journal, to the letter (docs/PROTOCOL.md §4–§6).
//!
//! Each struct is a whole message, header included, in the order and at the offsets of the document. Numbers of codes
//! (side, type, …) are raw bytes here: whoever acts on a message asks for the code and refuses a byte that names
//! nothing. Reserved bytes are zero; [`crate::codec::check`] refuses others.
//!
//! Invariants: no padding, no implicit bytes (zerocopy derives prove it); a type's length never changes.

use crate::{
    AccountId, Amount, AssetId, ClientOrderId, KeyId, OrderId, Price, Qty, Rate, Sequence, SessionId, SymbolId, Term,
    TimestampNs, TradeId,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Version in every header.
pub const VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Longest message in either direction.
pub const MAX_MESSAGE_BYTES: usize = 512;

/// First 8 bytes of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Bytes of the whole message, header included.
    pub length: u16,
    /// What it is: [`MessageType`] or [`crate::report::ReportType`].
    pub kind: u8,
    /// [`VERSION`].
    pub version: u8,
    /// Chosen by the client and echoed in what answers the message; 0 in everything unsolicited.
    pub request: u32,
}

/// A struct that is a whole message of one type.
pub trait Message: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Number of its type.
    const KIND: u8;

    /// The header.
    fn header(&self) -> &Header;

    /// The header, to be changed.
    fn header_mut(&mut self) -> &mut Header;

    /// Header of this message with a request number.
    fn header_for(request: u32) -> Header {
        Header { length: size_of::<Self>() as u16, kind: Self::KIND, version: VERSION, request }
    }

    /// A message with its header and zeros.
    fn new(request: u32) -> Self {
        let mut message = Self::new_zeroed();
        *message.header_mut() = Self::header_for(request);
        message
    }

    /// Reads a message of this type; `None` if length or type are not its own.
    fn read(bytes: &[u8]) -> Option<Self> {
        let message = Self::read_from_bytes(bytes).ok()?;
        (message.header().kind == Self::KIND && usize::from(message.header().length) == size_of::<Self>())
            .then_some(message)
    }
}

/// Defines messages of fixed length: the struct, its number, its pinned size and a lookup of length by number.
macro_rules! messages {
    ($enum:ident { $($(#[$doc:meta])* $name:ident = $kind:literal, $bytes:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+ }) => {
        /// Numbers of the message types of this direction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $($(#[$doc])* $name = $kind,)+
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The type with this number.
            #[inline]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($kind => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Bytes of the whole message.
            #[inline]
            pub const fn bytes(self) -> usize {
                match self {
                    $(Self::$name => $bytes,)+
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
            #[repr(C)]
            pub struct $name {
                /// Length, type, version, request.
                pub header: $crate::message::Header,
                $($(#[$field_doc])* pub $field: $type,)*
            }

            const _: () = assert!(size_of::<$name>() == $bytes && $bytes % 8 == 0 && $bytes <= $crate::message::MAX_MESSAGE_BYTES);

            impl $crate::message::Message for $name {
                const KIND: u8 = $kind;
                fn header(&self) -> &$crate::message::Header {
                    &self.header
                }
                fn header_mut(&mut self) -> &mut $crate::message::Header {
                    &mut self.header
                }
            }
        )+
    };
}
pub(crate) use messages;

messages! { MessageType {
    /// Logs on (PROTOCOL §3).
    Logon = 1, 128 {
        /// The key that signs.
        key: KeyId,
        /// Number of the session among those of the key, chosen by the client.
        session: u32,
        /// Resume token: last sequence of which a report was received; 0 is "from the beginning".
        sequence: Sequence,
        /// Resume token: the term of that report.
        term: Term,
        /// Resume token: how many reports of that sequence were received; 65,535: all of them.
        index: u16,
        /// Bits of [`logon_flags`].
        flags: u16,
        /// Heartbeat interval in both directions, 100–60,000 ms.
        heartbeat_ms: u32,
        /// Grace period before cancel-on-disconnect acts, 0–3,600,000 ms.
        grace_ms: u32,
        /// Resume token: identity of the journal as LOGON_ACCEPTED gave it; all zero: not checked.
        journal: [u8; 16],
        /// Zero.
        reserved: u64,
        /// Ed25519 signature over the 16 bytes `RINGBOOK-LOGON-1`, the challenge's nonce and bytes 8..64 of this message.
        signature: [u8; 64],
    }
    /// Ends the session; cancel-on-disconnect does not act.
    Logout = 2, 8 {}
    /// Says "still here".
    Heartbeat = 3, 8 {}
    /// Asks for an account's state at a sequence (PROTOCOL §6).
    StateRequest = 4, 16 {
        /// Whose state.
        account: AccountId,
        /// Zero.
        reserved: u32,
    }
    /// Enters an order (DOMAIN §4.1).
    NewOrder = 64, 96 {
        /// Client's id, unique per account; not 0.
        client_id: ClientOrderId,
        /// For whom.
        account: AccountId,
        /// What to trade.
        symbol: SymbolId,
        /// Limit in ticks; 0 for market orders.
        price: Price,
        /// Lots; 0 with a budget or close-position.
        quantity: Qty,
        /// Quote budget of a market buy, fee included; else 0.
        budget: Amount,
        /// Trigger price in ticks; else 0.
        trigger: Price,
        /// Lots shown; 0 shows all.
        display: Qty,
        /// Expiry of GTD; else 0.
        expire_at: TimestampNs,
        /// Client's clock when the order was made; part of the identity of the request.
        send_time: TimestampNs,
        /// [`crate::Side`].
        side: u8,
        /// [`crate::OrderType`].
        order_type: u8,
        /// [`crate::TimeInForce`].
        time_in_force: u8,
        /// [`crate::StpMode`].
        stp: u8,
        /// Bits of [`crate::order_flags`].
        flags: u16,
        /// 0 none, 1 RISES_TO, 2 FALLS_TO.
        trigger_direction: u8,
        /// 0 none, 1 LAST, 2 MARK.
        trigger_source: u8,
    }
    /// Cancels an order, named by order id or, if that is 0, by client id.
    Cancel = 65, 40 {
        /// Whose order.
        account: AccountId,
        /// Zero.
        reserved: u32,
        /// Engine's id or 0.
        order: OrderId,
        /// Client's id or 0.
        client_id: ClientOrderId,
    }
    /// Amends price and/or total quantity, keeping the id (DOMAIN §4.1).
    Amend = 66, 64 {
        /// Whose order.
        account: AccountId,
        /// Zero.
        reserved: u32,
        /// Engine's id or 0.
        order: OrderId,
        /// Client's id or 0.
        client_id: ClientOrderId,
        /// New limit; 0 leaves it.
        price: Price,
        /// New total quantity (filled part included); 0 leaves it.
        quantity: Qty,
        /// New trigger; 0 leaves it.
        trigger: Price,
    }
    /// Cancels an account's orders.
    CancelAll = 67, 24 {
        /// Whose orders.
        account: AccountId,
        /// Only this symbol; 0 for all.
        symbol: SymbolId,
        /// Only this side; 0 for both.
        side: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Sets an account's margin mode and leverage in a perpetual (DOMAIN §6.1).
    SetLeverage = 68, 24 {
        /// Whose.
        account: AccountId,
        /// In which perpetual.
        symbol: SymbolId,
        /// From 1 to the symbol's maximum.
        leverage: u32,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// Credits an account (DOMAIN §3.2).
    Deposit = 72, 40 {
        /// Whom.
        account: AccountId,
        /// What.
        asset: AssetId,
        /// Must be above the account's last one.
        adjustment: u64,
        /// At least 1.
        amount: Amount,
        /// The operator's own reference; kept, not interpreted.
        reference: u64,
    }
    /// Debits an account (DOMAIN §3.2).
    Withdraw = 73, 40 {
        /// Whom.
        account: AccountId,
        /// What.
        asset: AssetId,
        /// Must be above the account's last one.
        adjustment: u64,
        /// At least 1.
        amount: Amount,
        /// The operator's own reference; kept, not interpreted.
        reference: u64,
    }
    /// Moves money between an account's spot wallet and its futures wallet (DOMAIN §3.2).
    Transfer = 74, 48 {
        /// Whose.
        account: AccountId,
        /// What.
        asset: AssetId,
        /// Must be above the account's last one.
        adjustment: u64,
        /// At least 1.
        amount: Amount,
        /// The operator's own reference; kept, not interpreted.
        reference: u64,
        /// 1 to the futures wallet, 2 to the spot wallet.
        direction: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Moves money between an account's futures wallet and an isolated position (DOMAIN §6.3).
    AdjustMargin = 75, 48 {
        /// Whose.
        account: AccountId,
        /// Perpetual of the position.
        symbol: SymbolId,
        /// Must be above the account's last one.
        adjustment: u64,
        /// At least 1.
        amount: Amount,
        /// The operator's own reference; kept, not interpreted.
        reference: u64,
        /// 1 to the position, 2 to the futures wallet.
        direction: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Creates an asset; again with the same fields: no effect.
    SetAsset = 80, 32 {
        /// Its id, from 1.
        asset: AssetId,
        /// Decimal places, 0–12.
        scale: u8,
        /// Zero.
        reserved: [u8; 3],
        /// Its name in ASCII, zero-padded.
        name: [u8; 16],
    }
    /// Creates a symbol, or changes its limits and rates (DOMAIN §1, §2).
    SetSymbol = 81, 192 {
        /// Its id, from 1.
        symbol: SymbolId,
        /// Base asset.
        base: AssetId,
        /// Quote asset.
        quote: AssetId,
        /// Fee group.
        fee_group: u16,
        /// [`crate::SymbolKind`].
        kind: u8,
        /// [`crate::FeeModel`].
        fee_model: u8,
        /// Its name in ASCII, zero-padded.
        name: [u8; 24],
        /// Base units in a lot.
        base_lot: Amount,
        /// Quote units in one tick × one lot (`K`).
        quote_per_tick_lot: Amount,
        /// Lowest price.
        min_price: Price,
        /// Highest price.
        max_price: Price,
        /// Smallest quantity.
        min_quantity: Qty,
        /// Largest quantity.
        max_quantity: Qty,
        /// Largest market quantity.
        max_market_quantity: Qty,
        /// Smallest value; 0 for none.
        min_notional: Amount,
        /// Largest value; 0 for none.
        max_notional: Amount,
        /// Price band; 0 for none.
        band: Rate,
        /// Protection of market orders.
        slip: Rate,
        /// Taker fee.
        taker: Rate,
        /// Maker fee; negative is a rebate.
        maker: Rate,
        /// Open orders per account.
        max_open_orders: u32,
        /// Trigger orders per account.
        max_trigger_orders: u32,
        /// Default [`crate::StpMode`], not 0.
        stp: u8,
        /// [`crate::SymbolStatus`] at creation.
        status: u8,
        /// Zero.
        reserved: [u8; 6],
        /// Zero; for later.
        reserved2: [u64; 3],
    }
    /// Creates an account, or changes it.
    SetAccount = 82, 24 {
        /// Its id, from 16.
        account: AccountId,
        /// STP group; 0 for none.
        group: u32,
        /// 1 suspends.
        suspended: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Changes a symbol's status (DOMAIN §2), or that of the whole exchange: TRADING or CANCEL_ONLY (maintenance).
    SetStatus = 83, 16 {
        /// Which; 0 is the whole exchange.
        symbol: SymbolId,
        /// [`crate::SymbolStatus`].
        status: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// Creates, changes or revokes a key.
    SetKey = 84, 64 {
        /// Its id, from 1.
        key: KeyId,
        /// [`crate::Role`].
        role: u8,
        /// 1 revokes.
        revoked: u8,
        /// Zero.
        reserved: [u8; 2],
        /// First account that it may act for.
        first_account: AccountId,
        /// Last account that it may act for.
        last_account: AccountId,
        /// Zero.
        reserved2: u64,
        /// Ed25519 public key.
        public_key: [u8; 32],
    }
    /// Sets, changes or removes an account's own fee rates for a fee group of symbols (DOMAIN §1).
    SetFees = 85, 32 {
        /// Whose, from 16.
        account: AccountId,
        /// Of which symbols: their fee group.
        fee_group: u16,
        /// 1 removes: the symbols' rates hold again.
        removed: u8,
        /// Zero.
        reserved: u8,
        /// Taker fee.
        taker: Rate,
        /// Maker fee; negative is a rebate.
        maker: Rate,
    }
    /// Takes a trade back: the operator's correction. It carries the trade as its TRADE event has it.
    BustTrade = 86, 88 {
        /// Its number.
        trade: TradeId,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Price in ticks.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Who bought.
        buyer: AccountId,
        /// Who sold.
        seller: AccountId,
        /// Buyer's order.
        buy_order: OrderId,
        /// Seller's order.
        sell_order: OrderId,
        /// Fee that the buyer paid, in quote units; negative was a rebate.
        buyer_fee: Amount,
        /// Fee that the seller paid.
        seller_fee: Amount,
        /// Sequence of the command that made the trade, by which its event is found.
        sequence: Sequence,
    }
    /// Creates a perpetual, or changes its limits, rates and tiers (DOMAIN §2). The first fields are those of SET_SYMBOL.
    SetPerpetual = 87, 480 {
        /// Its id, from 1.
        symbol: SymbolId,
        /// What it is a contract on.
        base: AssetId,
        /// Settlement asset: prices, fees, margin.
        quote: AssetId,
        /// Fee group.
        fee_group: u16,
        /// [`crate::SymbolKind`]: perpetual.
        kind: u8,
        /// [`crate::FeeModel`]: rate.
        fee_model: u8,
        /// Its name in ASCII, zero-padded.
        name: [u8; 24],
        /// Base units that a lot stands for.
        base_lot: Amount,
        /// Settlement units in one tick × one lot (`K`).
        quote_per_tick_lot: Amount,
        /// Lowest price, also of marks.
        min_price: Price,
        /// Highest price, also of marks.
        max_price: Price,
        /// Smallest quantity.
        min_quantity: Qty,
        /// Largest quantity.
        max_quantity: Qty,
        /// Largest market quantity.
        max_market_quantity: Qty,
        /// Smallest value; 0 for none.
        min_notional: Amount,
        /// Largest value; 0 for none.
        max_notional: Amount,
        /// Price band around the mark; 0 for none.
        band: Rate,
        /// Protection of market orders.
        slip: Rate,
        /// Taker fee.
        taker: Rate,
        /// Maker fee; negative is a rebate.
        maker: Rate,
        /// Open orders per account.
        max_open_orders: u32,
        /// Trigger orders per account.
        max_trigger_orders: u32,
        /// Default [`crate::StpMode`], not 0.
        stp: u8,
        /// [`crate::SymbolStatus`] at creation.
        status: u8,
        /// Zero.
        reserved: [u8; 6],
        /// Largest position of an account, and largest open interest.
        max_position: Qty,
        /// How long a mark is fresh, in nanoseconds.
        mark_max_age: u64,
        /// How far a mark may move at once; 0 for no limit.
        mark_jump: Rate,
        /// Time between two fundings, in nanoseconds.
        funding_interval: u64,
        /// Largest funding rate in absolute value.
        funding_cap: Rate,
        /// Liquidation fee.
        liquidation_fee: Rate,
        /// Notional that the insurance fund may hold, as a multiple of its cash; 100 % is 1.
        fund_multiple: Rate,
        /// Highest leverage.
        max_leverage: u32,
        /// Offers after the first of a run of jumps that confirm it.
        mark_confirmations: u16,
        /// 1: only orders that do not increase exposure.
        reduce_only: u8,
        /// Tiers in use, 1–8.
        tiers: u8,
        /// Largest notional of each tier; 0 in unused ones, as in the next three.
        tier_cap: [Amount; 8],
        /// Maintenance margin rate of each tier.
        tier_rate: [Rate; 8],
        /// Maintenance amount of each tier.
        tier_amount: [Amount; 8],
        /// Highest leverage of each tier.
        tier_leverage: [u32; 8],
        /// Zero; for later.
        reserved2: [u64; 3],
    }
    /// Sets or removes an account's position limit in a perpetual (DOMAIN, scope).
    SetPositionLimit = 88, 24 {
        /// Whose, from 16.
        account: AccountId,
        /// In which perpetual.
        symbol: SymbolId,
        /// Lots; 0 removes it.
        limit: Qty,
    }
    /// Offers a mark price (DOMAIN §6.4).
    Mark = 96, 32 {
        /// Of which perpetual.
        symbol: SymbolId,
        /// 1: accepted however far it jumps; the operator's.
        force: u8,
        /// Zero.
        reserved: [u8; 3],
        /// The price.
        price: Price,
        /// The feed's clock; rises with every offer.
        feed_time: TimestampNs,
    }
    /// Pays funding (DOMAIN §6.8).
    Funding = 97, 32 {
        /// In which perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Rate; positive: longs pay shorts.
        rate: Rate,
        /// Its number: the last one's plus 1.
        index: u64,
    }
    /// Closes a perpetual at one price (DOMAIN §2).
    SettleSymbol = 98, 24 {
        /// Which.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// The price.
        price: Price,
    }
    /// First command of a journal; Ringbook's own, refused from clients.
    Genesis = 112, 64 {
        /// Seed of the engine's hash tables, so that ids cannot be chosen to collide.
        seed: [u64; 2],
        /// Rule book's version.
        rules: u32,
        /// Shard.
        shard: u32,
        /// Entries of the dedupe ring.
        dedupe_capacity: u32,
        /// Bound of the events of one command.
        max_event_bytes: u32,
        /// Bound of open orders of the shard.
        max_orders: u32,
        /// Zero.
        reserved: [u32; 5],
    }
    /// Goes on with pending work; Ringbook's own. Origin and request number are those of the command it continues.
    Continue = 113, 16 {
        /// Sequence of the command that it continues.
        of: Sequence,
    }
    /// A session's grace period has ended: cancels its flagged orders; Ringbook's own.
    SessionDown = 114, 16 {
        /// Which.
        session: SessionId,
    }
    /// Only lets time pass; Ringbook's own.
    Tick = 115, 8 {}
    /// A command that crashed the engine once is set aside; Ringbook's own.
    Quarantine = 116, 56 {
        /// Account of the order; 0 if it was none.
        account: AccountId,
        /// [`MessageType`] of the command.
        kind: u8,
        /// Zero.
        reserved: [u8; 3],
        /// Client's id of the order.
        client_id: ClientOrderId,
        /// Symbol that the command concerned; 0 if it was none.
        symbol: SymbolId,
        /// 1: the symbol becomes HALTED (second crash on it, or one in the middle of a match).
        halt: u32,
        /// The order's send time.
        send_time: TimestampNs,
        /// Adjustment number of a DEPOSIT, WITHDRAW, TRANSFER or ADJUST_MARGIN, else 0.
        adjustment: u64,
    }
} }

/// Tiers of a perpetual at most.
pub const MAX_TIERS: usize = 8;

impl SetPerpetual {
    /// The part that SET_SYMBOL has, too.
    pub fn common(&self) -> SetSymbol {
        let mut common = SetSymbol::new(self.header.request);
        let shared = core::mem::offset_of!(SetPerpetual, max_position);
        common.as_mut_bytes()[HEADER_BYTES..shared].copy_from_slice(&self.as_bytes()[HEADER_BYTES..shared]);
        common
    }
}

const _: () = assert!(core::mem::offset_of!(SetPerpetual, max_position) == core::mem::offset_of!(SetSymbol, reserved2));

/// What a LOGON's signature begins with.
pub const LOGON_CONTEXT: &[u8; 16] = b"RINGBOOK-LOGON-1";

/// Bits of [`Logon::flags`].
pub mod logon_flags {
    /// Send everything since the token (else: live only, from now).
    pub const RESUME: u16 = 1;
    /// Send reports of this key's own commands only.
    pub const OWN_ONLY: u16 = 2;
    /// All that are defined.
    pub const ALL: u16 = RESUME | OWN_ONLY;
}

impl MessageType {
    /// First number of a command, that is, of a message that goes into the journal.
    pub const FIRST_COMMAND: u8 = 64;
    /// First number of Ringbook's own commands.
    pub const FIRST_INTERNAL: u8 = 112;

    /// Whether it is a command that a client may send.
    #[inline]
    pub const fn is_client_command(self) -> bool {
        self as u8 >= Self::FIRST_COMMAND && (self as u8) < Self::FIRST_INTERNAL
    }
}

impl Logon {
    /// The bytes that are signed.
    pub fn signed_bytes(&self, nonce: &[u8; 32]) -> [u8; 104] {
        let mut out = [0; 104];
        out[..16].copy_from_slice(LOGON_CONTEXT);
        out[16..48].copy_from_slice(nonce);
        out[48..].copy_from_slice(&self.as_bytes()[8..64]);
        out
    }
}

/// A name in a fixed field: the bytes before the first zero, if they are printable ASCII without spaces and the rest
/// is zero.
pub fn name_of(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    let (name, rest) = field.split_at(end);
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic) && rest.iter().all(|&b| b == 0))
        .then(|| core::str::from_utf8(name).expect("ASCII"))
}

/// Writes a name into a fixed field; `None` if it is empty, too long or not printable ASCII.
pub fn name_field<const N: usize>(name: &str) -> Option<[u8; N]> {
    let mut field = [0; N];
    field.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    name_of(&field)?;
    Some(field)
}
