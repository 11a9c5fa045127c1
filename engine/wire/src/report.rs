//! Messages from the server (docs/PROTOCOL.md §3, §7, §8).
//!
//! Session messages (128–159) belong to a connection. Reports (160–191) belong to the total order: each carries term
//! and sequence of the command that caused it and its place among the reports of that command *to this session*, so
//! that a client which comes back can say exactly what it has.
//!
//! Invariant: a report names its receiver's own side only; nothing of the counterparty but price and quantity.

use crate::message::messages;
use crate::{
    AccountId, Amount, AssetId, ClientOrderId, OrderId, Price, Qty, Rate, Sequence, SymbolId, Term, TimestampNs,
    TradeId,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where a report stands in the total order; follows the header, at offset 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    /// Sequence of the command.
    pub sequence: Sequence,
    /// Engine time of the command.
    pub time: TimestampNs,
    /// Writer's term.
    pub term: Term,
    /// Number of this report among those of the sequence to this session, from 0.
    pub index: u16,
    /// Bit 0: the last report of this sequence to this session.
    pub flags: u16,
}

/// [`Place::flags`]: the last report of its sequence to this session.
pub const LAST: u16 = 1;
/// First number of a report; a report's number is this plus the number of the event it derives from.
pub const FIRST_REPORT: u8 = 160;

messages! { ReportType {
    /// First message of a connection.
    Challenge = 128, 64 {
        /// To be signed.
        nonce: [u8; 32],
        /// Server's clock.
        server_time: TimestampNs,
        /// Shard.
        shard: u32,
        /// Highest protocol version spoken.
        protocol: u32,
        /// Zero.
        reserved: u64,
    }
    /// The session is open.
    LogonAccepted = 129, 72 {
        /// Current term.
        term: Term,
        /// First account of the key.
        first_account: AccountId,
        /// Last account of the key.
        last_account: AccountId,
        /// [`crate::Role`].
        role: u8,
        /// 0 live only, 1 resumed: everything since the token follows, then RESUMED.
        resume: u8,
        /// Zero.
        reserved: [u8; 2],
        /// Committed sequence at this moment: what has happened up to here is history.
        sequence: Sequence,
        /// Heartbeat interval that the server uses.
        heartbeat_ms: u32,
        /// Requests that may be unanswered.
        max_outstanding: u32,
        /// Commands per second that the key may send; 0 is unlimited.
        rate_limit: u32,
        /// Zero.
        reserved2: u32,
        /// The journal's identity.
        journal: [u8; 16],
        /// Zero.
        reserved3: u64,
    }
    /// The history that the token asked for is complete; what follows is live.
    Resumed = 130, 24 {
        /// Last sequence of the history.
        sequence: Sequence,
        /// Its term.
        term: Term,
        /// Zero.
        reserved: u32,
    }
    /// Says "still here"; with the committed sequence.
    ServerHeartbeat = 131, 32 {
        /// Everything up to this sequence has been sent.
        sequence: Sequence,
        /// Its term.
        term: Term,
        /// Zero.
        reserved: u32,
        /// Server's clock.
        server_time: TimestampNs,
    }
    /// The command with this request number was not taken and not executed.
    Busy = 132, 16 {
        /// [`crate::BusyReason`].
        reason: u8,
        /// Type of the message that was not taken.
        kind: u8,
        /// Zero.
        reserved: u16,
        /// After how many milliseconds to try again.
        retry_ms: u32,
    }
    /// What was wrong; the server closes the connection after it.
    Error = 133, 136 {
        /// [`crate::SessionError`].
        code: u8,
        /// Type of the offending message; 0 if none.
        kind: u8,
        /// Length of the text.
        text_length: u16,
        /// Zero.
        reserved: u32,
        /// What happened and what to do, in UTF-8, zero-padded.
        text: [u8; 120],
    }
    /// Answer to LOGOUT; the server closes the connection after it.
    LoggedOut = 134, 24 {
        /// Everything up to this sequence has been sent.
        sequence: Sequence,
        /// Its term.
        term: Term,
        /// Zero.
        reserved: u32,
    }
    /// Begins an account's state.
    StateBegin = 135, 48 {
        /// The state is the one after exactly this sequence.
        sequence: Sequence,
        /// Its engine time.
        time: TimestampNs,
        /// Its term.
        term: Term,
        /// Whose state.
        account: AccountId,
        /// 1 if the account exists and the key may see it.
        exists: u8,
        /// Zero.
        reserved: [u8; 7],
        /// Last adjustment number of the account.
        adjustment: u64,
    }
    /// A balance in a state.
    StateBalance = 136, 40 {
        /// Whose.
        account: AccountId,
        /// What.
        asset: AssetId,
        /// [`crate::Wallet`].
        wallet: u8,
        /// Zero.
        reserved: [u8; 7],
        /// Free; of a futures wallet all of it.
        available: Amount,
        /// Held by open orders; of a futures wallet 0.
        held: Amount,
    }
    /// An open order in a state, by rising order id.
    StateOrder = 137, 160 {
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Client's id.
        client_id: ClientOrderId,
        /// Limit in ticks.
        price: Price,
        /// Total quantity: what was ordered less what was cut.
        quantity: Qty,
        /// Still open.
        remaining: Qty,
        /// Traded.
        filled: Qty,
        /// Value traded, in quote units.
        cost: Amount,
        /// Fees so far.
        fee: Amount,
        /// Held for it; on a perpetual its reserve.
        hold: Amount,
        /// Client's send time.
        send_time: TimestampNs,
        /// [`crate::Side`].
        side: u8,
        /// [`crate::OrderType`].
        order_type: u8,
        /// [`crate::TimeInForce`].
        time_in_force: u8,
        /// [`crate::StpMode`] in force.
        stp: u8,
        /// Bits of [`crate::order_flags`].
        flags: u16,
        /// [`crate::OrderState`].
        state: u8,
        /// Zero.
        reserved: u8,
        /// Lots lost to prevention.
        prevented: Qty,
        /// Lots cut by amendments and trims.
        cut: Qty,
        /// Trigger in ticks; 0 if it waits for none.
        trigger: Price,
        /// Lots shown at most; 0 shows all.
        display: Qty,
        /// Expiry of GTD; else 0.
        expire_at: TimestampNs,
        /// 0 none, 1 RISES_TO, 2 FALLS_TO.
        trigger_direction: u8,
        /// 0 none, 1 LAST, 2 MARK.
        trigger_source: u8,
        /// Zero.
        reserved2: [u8; 6],
    }
    /// Ends a state.
    StateEnd = 138, 32 {
        /// The same sequence as in STATE_BEGIN.
        sequence: Sequence,
        /// Balances sent.
        balances: u32,
        /// Orders sent.
        orders: u32,
        /// Positions sent.
        positions: u32,
        /// Zero.
        reserved: u32,
    }
    /// A position in a state, by rising symbol: every perpetual with lots, margin or a leverage of the account's own.
    StatePosition = 139, 48 {
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Lots; negative is short.
        quantity: Qty,
        /// Signed value paid for them.
        cost: Amount,
        /// Its own margin, if isolated.
        margin: Amount,
        /// Leverage.
        leverage: u32,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// An order was accepted.
    Accepted = 161, 104 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Client's id.
        client_id: ClientOrderId,
        /// Limit, or the protection price of a market order.
        price: Price,
        /// Total quantity.
        quantity: Qty,
        /// Held for it; on a perpetual its reserve.
        hold: Amount,
        /// Client's send time.
        send_time: TimestampNs,
        /// [`crate::Side`].
        side: u8,
        /// [`crate::OrderType`].
        order_type: u8,
        /// [`crate::TimeInForce`].
        time_in_force: u8,
        /// [`crate::StpMode`] in force.
        stp: u8,
        /// Bits of [`crate::order_flags`].
        flags: u16,
        /// Zero.
        reserved: u16,
    }
    /// A command was refused; nothing changed.
    Rejected = 162, 64 {
        /// Place in the total order.
        place: Place,
        /// Account that the command named.
        account: AccountId,
        /// [`crate::RejectCode`].
        code: u16,
        /// [`crate::message::MessageType`] of the command.
        kind: u8,
        /// Zero.
        reserved: u8,
        /// Client's id, 0 if the command has none.
        client_id: ClientOrderId,
        /// Engine's id that the command named, or 0; of a money command its adjustment number.
        order: OrderId,
    }
    /// The request was known already: its outcome again, nothing changed (DOMAIN §4.1).
    Replayed = 163, 112 {
        /// Place in the total order (of the repetition).
        place: Place,
        /// Whose.
        account: AccountId,
        /// [`crate::RejectCode`] of the outcome, or 0.
        code: u16,
        /// [`crate::OrderState`].
        state: u8,
        /// [`crate::EndReason`], or 0.
        reason: u8,
        /// Engine's id, or 0.
        order: OrderId,
        /// Client's id.
        client_id: ClientOrderId,
        /// Sequence of the original outcome.
        original: Sequence,
        /// Traded.
        filled: Qty,
        /// Still open.
        remaining: Qty,
        /// Value traded.
        cost: Amount,
        /// Fees.
        fee: Amount,
        /// [`crate::message::MessageType`] of the command.
        kind: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A fill of one of the receiver's orders.
    Trade = 164, 112 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id of the receiver's order.
        order: OrderId,
        /// Trade's number, the same for both sides.
        trade: TradeId,
        /// Price.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Fee in quote units; negative is a rebate.
        fee: Amount,
        /// Left of the order.
        remaining: Qty,
        /// Traded of the order in all.
        filled: Qty,
        /// Value traded of the order in all.
        cost: Amount,
        /// [`crate::Side`] of the order.
        side: u8,
        /// [`crate::Liquidity`].
        liquidity: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// Self-trade prevention acted on one of the receiver's orders.
    Prevented = 165, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Lots that it lost; 0 if only the other side lost some.
        quantity: Qty,
        /// Left of it.
        remaining: Qty,
        /// [`crate::StpMode`] that acted.
        stp: u8,
        /// [`crate::Liquidity`] of the order.
        liquidity: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// An order was amended.
    Amended = 166, 96 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Limit now.
        price: Price,
        /// Total quantity now: what was ordered less what was cut.
        quantity: Qty,
        /// Open quantity now.
        remaining: Qty,
        /// Held now; on a perpetual its reserve.
        hold: Amount,
        /// Trigger now; 0 if it waits for none.
        trigger: Price,
        /// 1 user, 2 trim.
        reason: u8,
        /// 1 if it kept its place in the queue.
        kept_priority: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// An order was cancelled.
    Canceled = 167, 64 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// What was open.
        remaining: Qty,
        /// [`crate::EndReason`].
        reason: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// An order was ended by a rule.
    Expired = 168, 64 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// What was open.
        remaining: Qty,
        /// [`crate::EndReason`].
        reason: u8,
        /// Zero.
        reserved: u8,
        /// [`crate::RejectCode`] of a failed trigger, or 0.
        code: u16,
        /// Zero.
        reserved2: u32,
    }
    /// An order's final state.
    Done = 169, 128 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Client's id.
        client_id: ClientOrderId,
        /// Traded.
        filled: Qty,
        /// Value traded.
        cost: Amount,
        /// Fees.
        fee: Amount,
        /// Hold that came back.
        returned: Amount,
        /// What was open when it ended.
        remaining: Qty,
        /// Lots lost to prevention.
        prevented: Qty,
        /// Lots cut by amendments and trims.
        cut: Qty,
        /// [`crate::OrderState`], final.
        state: u8,
        /// [`crate::EndReason`], or 0 for FILLED.
        reason: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// A balance after the command.
    Balance = 170, 64 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// What.
        asset: AssetId,
        /// Free; of a futures wallet all of it.
        available: Amount,
        /// Held by open orders; of a futures wallet 0.
        held: Amount,
        /// [`crate::Wallet`].
        wallet: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A symbol's status changed (to the key that did it).
    Status = 171, 40 {
        /// Place in the total order.
        place: Place,
        /// Which; 0 is the whole exchange.
        symbol: SymbolId,
        /// [`crate::SymbolStatus`].
        status: u8,
        /// The one before.
        before: u8,
        /// Zero.
        reserved: u16,
    }
    /// Configuration changed (to the key that did it).
    Config = 172, 48 {
        /// Place in the total order.
        place: Place,
        /// Id of what was changed.
        object: u64,
        /// [`crate::message::MessageType`] of the command.
        kind: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Money came, went or moved, or had done so before.
    Transfer = 173, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// What; the perpetual's id for kinds 5 and 6.
        asset: AssetId,
        /// Its adjustment number.
        adjustment: u64,
        /// Amount; negative for a withdrawal only.
        amount: Amount,
        /// The operator's reference.
        reference: u64,
        /// 1 if this repeats an earlier outcome.
        replayed: u8,
        /// 1 deposit, 2 withdraw, 3 to the futures wallet, 4 to the spot wallet, 5 to an isolated position, 6 from it.
        kind: u8,
        /// [`crate::RejectCode`] of the earlier outcome, or 0.
        code: u16,
        /// Zero.
        reserved2: u32,
    }
    /// A mass command was executed (to the key that sent it).
    MassDone = 174, 56 {
        /// Place in the total order.
        place: Place,
        /// Account of the command.
        account: AccountId,
        /// Orders ended by this part.
        count: u32,
        /// [`crate::message::MessageType`] of the command.
        kind: u8,
        /// 1 if more is left and follows.
        more: u8,
        /// Zero.
        reserved: [u8; 14],
    }
    /// A stop order's condition was met, and now it runs.
    Triggered = 175, 64 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Its limit, or the protection price of this moment; 0 if there was nothing to trade with.
        price: Price,
        /// [`crate::Side`].
        side: u8,
        /// [`crate::OrderType`] as which it runs.
        order_type: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// The shown part of an iceberg was used up, and a new one joined the end of its queue.
    Refreshed = 176, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id.
        order: OrderId,
        /// Lots shown now.
        shown: Qty,
        /// Open lots, shown and hidden.
        remaining: Qty,
        /// [`crate::Side`].
        side: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// The operator took back a trade of one of the receiver's orders; the order is as it was, its money went back.
    Busted = 177, 88 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Symbol.
        symbol: SymbolId,
        /// Engine's id of the receiver's order.
        order: OrderId,
        /// Trade's number.
        trade: TradeId,
        /// Its price.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Fee that came back, in quote units; negative is a rebate that went back.
        fee: Amount,
        /// [`crate::Side`] of the order.
        side: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A position after the command.
    Position = 178, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Lots; negative is short.
        quantity: Qty,
        /// Signed value paid for them.
        cost: Amount,
        /// Its own margin, if isolated.
        margin: Amount,
        /// Leverage.
        leverage: u32,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// A mark price was accepted (to the key that sent it).
    Mark = 179, 56 {
        /// Place in the total order.
        place: Place,
        /// Perpetual.
        symbol: SymbolId,
        /// 0 within the limit, 1 forced, 2 confirmed by a run.
        how: u8,
        /// Zero.
        reserved: [u8; 3],
        /// The mark.
        price: Price,
        /// The feed's clock.
        feed_time: TimestampNs,
    }
    /// Funding begins (to the key that sent it).
    Funded = 180, 64 {
        /// Place in the total order.
        place: Place,
        /// Perpetual.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// Its number.
        number: u64,
        /// Rate after the cap.
        rate: Rate,
        /// Mark that it is computed with.
        mark: Price,
    }
    /// A funding payment.
    Funding = 181, 64 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// The position's lots; negative is short.
        quantity: Qty,
        /// What it paid; negative: received.
        payment: Amount,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A stage of a liquidation begins.
    Liquidation = 182, 104 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Engine's id of its order; 0 if the symbol does not trade.
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
        /// [`crate::MarginMode`].
        mode: u8,
        /// Tier, from 1.
        tier: u8,
        /// Zero.
        reserved: [u8; 6],
    }
    /// The rest of a liquidated position was taken over.
    Takeover = 183, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// The position's lots; negative is short.
        quantity: Qty,
        /// Bankruptcy price, at which all of them were closed.
        price: Price,
        /// What was realised.
        pnl: Amount,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A position was closed by auto-deleveraging.
    Adl = 184, 72 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Lots closed.
        quantity: Qty,
        /// At which price.
        price: Price,
        /// What it realised.
        pnl: Amount,
        /// [`crate::MarginMode`].
        mode: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// Money between the account and the insurance fund.
    Fund = 185, 56 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Into the fund; negative: out of it.
        amount: Amount,
        /// Settlement asset.
        asset: AssetId,
        /// [`crate::FundReason`].
        reason: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// A position became smaller by a trade or a settlement.
    Realized = 186, 80 {
        /// Place in the total order.
        place: Place,
        /// Whose.
        account: AccountId,
        /// Perpetual.
        symbol: SymbolId,
        /// Trade; 0 of a settlement.
        trade: TradeId,
        /// Engine's id of the order; 0 of a settlement.
        order: OrderId,
        /// Lots closed.
        quantity: Qty,
        /// Profit; negative is a loss.
        pnl: Amount,
        /// 1 taker, 2 maker, 3 uncross, 4 settlement.
        role: u8,
        /// Zero.
        reserved: [u8; 7],
    }
    /// A perpetual is settled at a price (to the key that did it).
    Settled = 187, 48 {
        /// Place in the total order.
        place: Place,
        /// Which.
        symbol: SymbolId,
        /// Zero.
        reserved: u32,
        /// The price.
        price: Price,
    }
} }
