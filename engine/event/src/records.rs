//! The event records, byte by byte. The table in docs/FORMATS.md §4 is the same in one view.
//!
//! ```text
//! offset  0      1        2      3      4              8
//!         +------+--------+------+------+--------------+-----------------
//!         | type | words  | a    | b    | subject      | the rest
//!         +------+--------+------+------+--------------+-----------------
//! ```

use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderId, Price, Qty, Rate, Sequence, SymbolId, TimestampNs, TradeId,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First 8 bytes of every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EventHeader {
    /// [`Record::KIND`].
    pub kind: u8,
    /// Length of the record in units of 8 bytes.
    pub words: u8,
    /// First small field; see the record.
    pub a: u8,
    /// Second small field; see the record.
    pub b: u8,
    /// Account, symbol or other object; see the record.
    pub subject: u32,
}

/// A struct that is a whole record of one type.
pub trait Record: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Number of its type.
    const KIND: u8;

    /// A header for this record.
    #[inline]
    fn header(a: u8, b: u8, subject: u32) -> EventHeader {
        EventHeader { kind: Self::KIND, words: (size_of::<Self>() / 8) as u8, a, b, subject }
    }
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $bytes:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
            #[repr(C)]
            pub struct $name {
                /// Type, length, small fields, subject.
                pub header: EventHeader,
                $($(#[$field_doc])* pub $field: $type,)*
            }

            const _: () = assert!(size_of::<$name>() == $bytes && $bytes % 8 == 0 && $bytes / 8 < 256);

            impl Record for $name {
                const KIND: u8 = $kind;
            }
        )+

        /// Any event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($name),)+
        }

        impl Event {
            /// The event in one whole record; `None` if the type is not known or the length is not its own.
            #[inline]
            pub fn read(record: &[u8]) -> Option<Self> {
                match *record.first()? {
                    $($kind => Some(Self::$name($name::read_from_bytes(record).ok()?)),)+
                    _ => None,
                }
            }

            /// Its bytes.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Self::$name(record) => record.as_bytes(),)+
                }
            }

            /// Its name as the documents spell it.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }
        }

        $(
            impl From<$name> for Event {
                fn from(record: $name) -> Self {
                    Self::$name(record)
                }
            }
        )+
    };
}

records! {
    /// An order was accepted. a: side; b: order type; subject: account. Everything else of the order is in the
    /// command of the same frame.
    Accepted = 1, 48 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// [`ringbook_wire::StpMode`] in force (the symbol's default filled in).
        stp: u8,
        /// Zero.
        reserved: [u8; 3],
        /// Limit; for a market order its protection price, 0 if there was nothing to trade with.
        price: Price,
        /// Total quantity.
        quantity: Qty,
        /// Held for it, in base units for sells and quote units for buys.
        hold: Amount,
    }
    /// A command was refused. a: message type; b: 1 if only the sender may hear of it (the account is not its own or
    /// does not exist); subject: account of the command.
    Rejected = 2, 32 {
        /// [`ringbook_wire::RejectCode`].
        code: u16,
        /// Zero.
        reserved: [u8; 6],
        /// Client's id of the order, or 0.
        client_id: ClientOrderId,
    }
    /// A known request again: its outcome. a: [`ringbook_wire::OrderState`]; b: message type; subject: account.
    Replayed = 3, 80 {
        /// Order, or 0 if it was refused.
        order: OrderId,
        /// Sequence of the original acceptance or refusal, or of the end if the order has ended.
        sequence: Sequence,
        /// [`ringbook_wire::RejectCode`] of the outcome, or 0.
        code: u16,
        /// [`ringbook_wire::EndReason`], or 0.
        reason: u8,
        /// Zero.
        reserved: [u8; 5],
        /// Traded.
        filled: Qty,
        /// Still open.
        remaining: Qty,
        /// Value traded.
        cost: Amount,
        /// Client's id.
        client_id: ClientOrderId,
        /// Fees.
        fee: Amount,
    }
    /// A match. a: taker's side; b: role (1 taker and maker, 2 uncross); subject: symbol.
    Trade = 4, 120 {
        /// Its number.
        trade: TradeId,
        /// The maker's price.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Taker's order.
        taker_order: OrderId,
        /// Maker's order.
        maker_order: OrderId,
        /// Taker's account.
        taker_account: AccountId,
        /// Maker's account.
        maker_account: AccountId,
        /// Taker's fee in quote units.
        taker_fee: Amount,
        /// Maker's fee in quote units; negative is a rebate.
        maker_fee: Amount,
        /// Left of the taker.
        taker_remaining: Qty,
        /// Left of the maker.
        maker_remaining: Qty,
        /// Traded of the taker in all.
        taker_filled: Qty,
        /// Traded of the maker in all.
        maker_filled: Qty,
        /// Value traded of the taker in all.
        taker_cost: Amount,
        /// Value traded of the maker in all.
        maker_cost: Amount,
    }
    /// Self-trade prevention acted. a: STP mode; b: 0; subject: symbol.
    Prevented = 5, 64 {
        /// Taker's order.
        taker_order: OrderId,
        /// Maker's order.
        maker_order: OrderId,
        /// Lots that the taker loses without a trade.
        taker_quantity: Qty,
        /// Lots that the maker loses without a trade.
        maker_quantity: Qty,
        /// Left of the taker.
        taker_remaining: Qty,
        /// Left of the maker.
        maker_remaining: Qty,
        /// Taker's account.
        taker_account: AccountId,
        /// Maker's account.
        maker_account: AccountId,
    }
    /// An order was amended or trimmed. a: reason (1 user, 2 trim); b: 1 if it kept its place; subject: account.
    Amended = 6, 72 {
        /// Its number.
        order: OrderId,
        /// Limit now.
        price: Price,
        /// Total quantity now (`orig`).
        quantity: Qty,
        /// Open quantity now.
        remaining: Qty,
        /// Held now.
        hold: Amount,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Lots cut so far.
        cut: Qty,
        /// Trigger now; 0 if it waits for none.
        trigger: Price,
    }
    /// An order was cancelled. a: [`ringbook_wire::EndReason`]; b: 0; subject: account.
    Canceled = 7, 32 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// What was open.
        remaining: Qty,
    }
    /// An order was ended by a rule. a: [`ringbook_wire::EndReason`]; b: 0; subject: account.
    Expired = 8, 32 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// [`ringbook_wire::RejectCode`] of a failed trigger, or 0.
        code: u16,
        /// Zero.
        reserved: u16,
        /// What was open.
        remaining: Qty,
    }
    /// An order's end. a: [`ringbook_wire::OrderState`]; b: [`ringbook_wire::EndReason`] or 0; subject: account.
    Done = 9, 96 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Traded.
        filled: Qty,
        /// Value traded.
        cost: Amount,
        /// Fees.
        fee: Amount,
        /// Hold that came back at the end.
        returned: Amount,
        /// What was open when it ended.
        remaining: Qty,
        /// Lots lost to prevention.
        prevented: Qty,
        /// Lots cut by amendments and trims.
        cut: Qty,
        /// Client's id.
        client_id: ClientOrderId,
    }
    /// A balance after the command. a: [`ringbook_wire::Wallet`]; b: 0; subject: account.
    Balance = 10, 32 {
        /// Asset.
        asset: AssetId,
        /// Zero.
        reserved: u32,
        /// Free, of the futures wallet all of it; negative for the exchange's own accounts, and in futures wallets that back cross
        /// positions.
        available: Amount,
        /// Held by open orders.
        held: Amount,
    }
    /// A symbol's status changed. a: status; b: status before; subject: symbol, 0 for the whole exchange.
    Status = 11, 16 {
        /// Zero.
        reserved: u64,
    }
    /// Configuration changed. a: message type of the command; b: 1 if the engine changed it itself (reduce-only mode); subject:
    /// object's id.
    Config = 12, 16 {
        /// Zero.
        reserved: u64,
    }
    /// Money came, went or moved. a: 1 deposit, 2 withdraw, 3 to the futures wallet, 4 to the spot wallet, 5 to an isolated
    /// position, 6 from it; b: 1 if it repeats a known outcome; subject: account.
    Transfer = 13, 40 {
        /// Asset; the perpetual's id for kinds 5 and 6.
        asset: AssetId,
        /// [`ringbook_wire::RejectCode`] of a repeated outcome, or 0.
        code: u16,
        /// Zero.
        reserved: u16,
        /// Its number.
        adjustment: u64,
        /// Amount; negative for a withdrawal only.
        amount: Amount,
        /// Operator's reference.
        reference: u64,
    }
    /// A command of Ringbook's own, a mass command or a part of longer work ran. a: message type, in a CONTINUE that of
    /// the command it continues; b: 1 if more is left for CONTINUE; subject: account or 0.
    Handled = 14, 32 {
        /// Orders that this part ended.
        count: u32,
        /// Zero.
        reserved: u32,
        /// In a CONTINUE the sequence of the command that it continues; else the session of SESSION_DOWN; else 0.
        argument: u64,
        /// Zero.
        reserved2: u64,
    }
    /// A stop order's condition was met, and now it runs. a: side; b: [`ringbook_wire::OrderType`] as which it runs
    /// (LIMIT or MARKET); subject: account.
    Triggered = 15, 32 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Its limit, or the protection price of this moment; 0 if there was nothing to trade with.
        price: Price,
    }
    /// The shown part of an iceberg was used up, and a new one joined the end of its queue. a: side; b: 0; subject:
    /// account.
    Refreshed = 16, 40 {
        /// Its number.
        order: OrderId,
        /// Symbol.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Lots shown now.
        shown: Qty,
        /// Open lots, shown and hidden.
        remaining: Qty,
    }
    /// A trade was taken back: its money went back, its orders are as they were. a: 0; b: 0; subject: symbol.
    Busted = 17, 72 {
        /// Its number.
        trade: TradeId,
        /// Its price.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Buyer's order.
        buy_order: OrderId,
        /// Seller's order.
        sell_order: OrderId,
        /// Who bought, and now gives the lots back.
        buyer: AccountId,
        /// Who sold, and now pays back.
        seller: AccountId,
        /// Fee that goes back to the buyer, in quote units; negative is a rebate that the buyer gives back.
        buyer_fee: Amount,
        /// Fee that goes back to the seller.
        seller_fee: Amount,
    }
    /// A position after the command. a: [`ringbook_wire::MarginMode`]; b: 0; subject: account.
    Position = 18, 40 {
        /// Perpetual.
        symbol: SymbolId,
        /// Leverage.
        leverage: u32,
        /// Lots; negative is short.
        quantity: Qty,
        /// Signed value paid for them.
        cost: Amount,
        /// Its own margin, if isolated.
        margin: Amount,
    }
    /// A mark price was accepted. a: 0; b: 0 within the limit, 1 forced, 2 confirmed by a run; subject: symbol.
    Mark = 19, 24 {
        /// The mark.
        price: Price,
        /// The feed's clock.
        feed_time: TimestampNs,
    }
    /// Funding begins. a: 0; b: 0; subject: symbol.
    Funded = 20, 32 {
        /// Its number.
        index: u64,
        /// Rate after the cap.
        rate: Rate,
        /// Mark that it is computed with.
        mark: Price,
    }
    /// A funding payment. a: [`ringbook_wire::MarginMode`]; b: 0; subject: account.
    Funding = 21, 32 {
        /// Perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// The position's lots; negative is short.
        quantity: Qty,
        /// What it pays; negative: receives.
        payment: Amount,
    }
    /// A stage of a liquidation begins. a: [`ringbook_wire::MarginMode`]; b: tier, from 1; subject: account.
    Liquidation = 22, 72 {
        /// Perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Its order; 0 if the symbol does not trade.
        order: OrderId,
        /// Lots to be closed.
        quantity: Qty,
        /// The position's lots; negative is short.
        position: Qty,
        /// Limit of the order.
        price: Price,
        /// Bankruptcy price.
        bankruptcy: Price,
        /// Mark.
        mark: Price,
        /// Equity of the bucket.
        equity: Amount,
    }
    /// The insurance fund takes a position over. a: [`ringbook_wire::MarginMode`] of the customer; b: 0; subject: account.
    Takeover = 23, 48 {
        /// Perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// The position's lots; negative is short.
        quantity: Qty,
        /// Bankruptcy price, at which all of them are closed.
        price: Price,
        /// What the customer realised.
        pnl: Amount,
        /// Lots that the fund takes; the others go to auto-deleveraging.
        fund: Qty,
    }
    /// A position was closed by auto-deleveraging. a: [`ringbook_wire::MarginMode`]; b: 0; subject: account.
    Adl = 24, 40 {
        /// Perpetual.
        symbol: SymbolId,
        /// Whose position was taken over; INSURANCE for the fund's own.
        of: AccountId,
        /// Lots closed.
        quantity: Qty,
        /// At which price.
        price: Price,
        /// What it realised.
        pnl: Amount,
    }
    /// Money of the insurance fund. a: [`ringbook_wire::FundReason`]; b: 0; subject: account.
    Fund = 25, 32 {
        /// Perpetual.
        symbol: SymbolId,
        /// Settlement asset.
        asset: AssetId,
        /// Into the fund; negative: out of it.
        amount: Amount,
        /// Lots that the fund keeps beyond its capacity (UNCOVERED), else 0.
        quantity: Qty,
    }
    /// A position became smaller by a trade or a settlement. a: 1 taker, 2 maker, 3 uncross, 4 settlement; b: 0; subject:
    /// account.
    Realized = 26, 48 {
        /// Perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Trade; 0 of a settlement.
        trade: TradeId,
        /// Order; 0 of a settlement.
        order: OrderId,
        /// Lots closed.
        quantity: Qty,
        /// Profit; negative is a loss.
        pnl: Amount,
    }
    /// A perpetual is settled at a price. a: 0; b: 0; subject: symbol.
    Settled = 27, 16 {
        /// The price.
        price: Price,
    }
}
