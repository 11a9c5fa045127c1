//! Vectors of the messages that the server sends.
//!
//! Invariant: literals only, so that nothing in the code under test decides what the golden bytes are.

use crate::vector::{Vector, vector};
use ringbook_wire::message::MessageType;
use ringbook_wire::report::{
    Accepted, Adl, Amended, Balance, Busted, Busy, Canceled, Challenge, Config, Done, Error, Expired, Fund, Funded,
    Funding, LAST, Liquidation, LoggedOut, LogonAccepted, Mark, MassDone, Place, Position, Prevented, Realized,
    Refreshed, Rejected, Replayed, Resumed, ServerHeartbeat, Settled, StateBalance, StateBegin, StateEnd, StateOrder,
    StatePosition, Status, Takeover, Trade, Transfer, Triggered,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, BusyReason, ClientOrderId, EndReason, FundReason, Liquidity, MarginMode, OrderId,
    OrderState, OrderType, Price, Qty, Rate, RejectCode, Role, Sequence, SessionError, Side, StpMode, SymbolId,
    SymbolStatus, Term, TimeInForce, TimestampNs, TradeId, TriggerDirection, TriggerSource, order_flags,
};

/// Bytes that rise from a first one.
fn pattern<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

/// A place in the total order for the report of this type.
fn place(kind: u8) -> Place {
    let kind = u64::from(kind);
    Place {
        sequence: Sequence(0x0708_090a_0b0c_0000 + kind),
        time: TimestampNs(1_600_000_000_000_000_000 + kind),
        term: Term(0x0d0e_0f00 + kind as u32),
        index: 0x1011,
        flags: LAST,
    }
}

/// A text, zero-padded.
fn text<const N: usize>(words: &str) -> [u8; N] {
    let mut field = [0; N];
    field[..words.len()].copy_from_slice(words.as_bytes());
    field
}

/// By number.
pub fn vectors() -> Vec<Vector> {
    vec![
        vector!(
            7128,
            Challenge {
                nonce: pattern(16),
                server_time: TimestampNs(1700000000123584002),
                shard: 0x01020b89,
                protocol: 0x01020b8c,
                reserved: 0,
            }
        ),
        vector!(
            7129,
            LogonAccepted {
                term: Term(129013),
                first_account: AccountId(1129026),
                last_account: AccountId(1129039),
                role: Role::ReadOnly.code(),
                resume: 1,
                reserved: [0; 2],
                sequence: Sequence(0x21222324252636d0),
                heartbeat_ms: 0x01020ba9,
                max_outstanding: 0x01020bac,
                rate_limit: 0x01020baf,
                reserved2: 0,
                journal: pattern(193),
                reserved3: 0,
            }
        ),
        vector!(7130, Resumed { sequence: Sequence(0x21222324252636c5), term: Term(130026), reserved: 0 }),
        vector!(
            7131,
            ServerHeartbeat {
                sequence: Sequence(0x21222324252636e4),
                term: Term(131026),
                reserved: 0,
                server_time: TimestampNs(1700000000123587004),
            }
        ),
        vector!(
            7132,
            Busy {
                reason: BusyReason::Outstanding.code(),
                kind: MessageType::Amend as u8,
                reserved: 0,
                retry_ms: 0x01020bd0,
            }
        ),
        vector!(
            7133,
            Error {
                code: SessionError::HistoryGone.code(),
                kind: MessageType::Logon as u8,
                text_length: 47,
                reserved: 0,
                text: text("sequence 12 is no longer kept; log on for state"),
            }
        ),
        vector!(7134, LoggedOut { sequence: Sequence(0x2122232425263741), term: Term(134026), reserved: 0 }),
        vector!(
            7135,
            StateBegin {
                sequence: Sequence(0x2122232425263760),
                time: TimestampNs(1700000000123591002),
                term: Term(135039),
                account: AccountId(1135052),
                exists: 1,
                reserved: [0; 7],
                adjustment: 0x1112131415162cc2,
            }
        ),
        vector!(
            7136,
            StateBalance {
                account: AccountId(1136013),
                asset: AssetId(136026),
                wallet: 1,
                reserved: [0; 7],
                available: Amount(-0x01020304050688bf),
                held: Amount(0x01020304050688ca),
            }
        ),
        vector!(
            7137,
            StateOrder {
                account: AccountId(1137013),
                symbol: SymbolId(137026),
                order: OrderId(0x21222324252637ac),
                client_id: ClientOrderId([0x3132333435363700 + 4, 0x4142434445464700 + 4]),
                price: Price(0x01020304050689c0),
                quantity: Qty(0x01020304050689cb),
                remaining: Qty(0x01020304050689d6),
                filled: Qty(0x01020304050689e1),
                cost: Amount(0x01020304050689ec),
                fee: Amount(-0x01020304050689f7),
                hold: Amount(0x0102030405068a02),
                send_time: TimestampNs(1700000000123593012),
                side: Side::Sell.code(),
                order_type: OrderType::Limit.code(),
                time_in_force: TimeInForce::Gtd.code(),
                stp: StpMode::Decrement.code(),
                flags: order_flags::POST_ONLY | order_flags::CANCEL_ON_DISCONNECT,
                state: OrderState::PartiallyFilled.code(),
                reserved: 0,
                prevented: Qty(0x0102030405068a65),
                cut: Qty(0x0102030405068a70),
                trigger: Price(0x0102030405068a7b),
                display: Qty(0x0102030405068a86),
                expire_at: TimestampNs(1700000000123593123),
                trigger_direction: TriggerDirection::FallsTo.code(),
                trigger_source: TriggerSource::Last.code(),
                reserved2: [0; 6],
            }
        ),
        vector!(
            7138,
            StateEnd {
                sequence: Sequence(0x21222324252637bd),
                balances: 0x01020c30,
                orders: 0x01020c33,
                positions: 0x01020c36,
                reserved: 0,
            }
        ),
        vector!(
            7139,
            StatePosition {
                account: AccountId(1139013),
                symbol: SymbolId(139026),
                quantity: Qty(-0x0102030405068bc2),
                cost: Amount(-0x0102030405068bcd),
                margin: Amount(0x0102030405068bd8),
                leverage: 0x01020c4f,
                mode: MarginMode::Isolated.code(),
                reserved: [0; 3],
            }
        ),
        vector!(
            7161,
            Accepted {
                place: place(161),
                account: AccountId(1161026),
                symbol: SymbolId(161039),
                order: OrderId(0x2122232425263a9b),
                client_id: ClientOrderId([0x3132333435363700 + 5, 0x4142434445464700 + 5]),
                price: Price(0x010203040506a1e3),
                quantity: Qty(0x010203040506a1ee),
                hold: Amount(0x010203040506a1f9),
                send_time: TimestampNs(1700000000123617009),
                side: Side::Sell.code(),
                order_type: OrderType::Limit.code(),
                time_in_force: TimeInForce::Fok.code(),
                stp: StpMode::CancelMaker.code(),
                flags: order_flags::ALL,
                reserved: 0,
            }
        ),
        vector!(
            7162,
            Rejected {
                place: place(162),
                account: AccountId(1162026),
                code: RejectCode::InsufficientBalance.code(),
                kind: MessageType::NewOrder as u8,
                reserved: 0,
                client_id: ClientOrderId([0x3132333435363700 + 6, 0x4142434445464700 + 6]),
                order: OrderId(0x2122232425263acf),
            }
        ),
        vector!(
            7163,
            Replayed {
                place: place(163),
                account: AccountId(1163026),
                code: RejectCode::PriceBand.code(),
                state: OrderState::Canceled.code(),
                reason: EndReason::Mass.code(),
                order: OrderId(0x2122232425263ae7),
                client_id: ClientOrderId([0x3132333435363700 + 7, 0x4142434445464700 + 7]),
                original: Sequence(0x2122232425263af5),
                filled: Qty(0x010203040506a406),
                remaining: Qty(0x010203040506a411),
                cost: Amount(0x010203040506a41c),
                fee: Amount(-0x010203040506a427),
                kind: MessageType::NewOrder as u8,
                reserved: [0; 7],
            }
        ),
        vector!(
            7164,
            Trade {
                place: place(164),
                account: AccountId(1164026),
                symbol: SymbolId(164039),
                order: OrderId(0x2122232425263af8),
                trade: TradeId(0x2122232425263aff),
                price: Price(0x010203040506a4e6),
                quantity: Qty(0x010203040506a4f1),
                fee: Amount(-0x010203040506a4fc),
                remaining: Qty(0x010203040506a507),
                filled: Qty(0x010203040506a512),
                cost: Amount(0x010203040506a51d),
                side: Side::Buy.code(),
                liquidity: Liquidity::Maker.code(),
                reserved: [0; 6],
            }
        ),
        vector!(
            7165,
            Prevented {
                place: place(165),
                account: AccountId(1165026),
                symbol: SymbolId(165039),
                order: OrderId(0x2122232425263b17),
                quantity: Qty(0x010203040506a5dc),
                remaining: Qty(0x010203040506a5e7),
                stp: StpMode::CancelBoth.code(),
                liquidity: Liquidity::Maker.code(),
                reserved: [0; 6],
            }
        ),
        vector!(
            7166,
            Amended {
                place: place(166),
                account: AccountId(1166026),
                symbol: SymbolId(166039),
                order: OrderId(0x2122232425263b36),
                price: Price(0x010203040506a6dd),
                quantity: Qty(0x010203040506a6e8),
                remaining: Qty(0x010203040506a6f3),
                hold: Amount(0x010203040506a6fe),
                trigger: Price(0x010203040506a709),
                reason: 2,
                kept_priority: 1,
                reserved: [0; 6],
            }
        ),
        vector!(
            7167,
            Canceled {
                place: place(167),
                account: AccountId(1167026),
                symbol: SymbolId(167039),
                order: OrderId(0x2122232425263b55),
                remaining: Qty(0x010203040506a7de),
                reason: EndReason::Session.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7168,
            Expired {
                place: place(168),
                account: AccountId(1168026),
                symbol: SymbolId(168039),
                order: OrderId(0x2122232425263b74),
                remaining: Qty(0x010203040506a8df),
                reason: EndReason::TriggerFailed.code(),
                reserved: 0,
                code: RejectCode::Notional.code(),
                reserved2: 0,
            }
        ),
        vector!(
            7169,
            Done {
                place: place(169),
                account: AccountId(1169026),
                symbol: SymbolId(169039),
                order: OrderId(0x2122232425263b93),
                client_id: ClientOrderId([0x3132333435363700 + 5, 0x4142434445464700 + 5]),
                filled: Qty(0x010203040506a9eb),
                cost: Amount(0x010203040506a9f6),
                fee: Amount(-0x010203040506aa01),
                returned: Amount(0x010203040506aa0c),
                remaining: Qty(0x010203040506aa17),
                prevented: Qty(0x010203040506aa22),
                cut: Qty(0x010203040506aa2d),
                state: OrderState::Expired.code(),
                reason: EndReason::Ioc.code(),
                reserved: [0; 6],
            }
        ),
        vector!(
            7170,
            Balance {
                place: place(170),
                account: AccountId(1170026),
                asset: AssetId(170039),
                available: Amount(-0x010203040506aad6),
                held: Amount(0x010203040506aae1),
                wallet: 1,
                reserved: [0; 7],
            }
        ),
        vector!(
            7171,
            Status {
                place: place(171),
                symbol: SymbolId(171026),
                status: SymbolStatus::Halted.code(),
                before: SymbolStatus::Trading.code(),
                reserved: 0,
            }
        ),
        vector!(
            7172,
            Config {
                place: place(172),
                object: 0x1112131415163296,
                kind: MessageType::SetSymbol as u8,
                reserved: [0; 7],
            }
        ),
        vector!(
            7173,
            Transfer {
                place: place(173),
                account: AccountId(1173026),
                asset: AssetId(173039),
                adjustment: 0x11121314151632c9,
                amount: Amount(-0x010203040506ade4),
                reference: 0x11121314151632d3,
                replayed: 1,
                kind: 2,
                code: RejectCode::InsufficientBalance.code(),
                reserved2: 0,
            }
        ),
        vector!(
            7174,
            MassDone {
                place: place(174),
                account: AccountId(1174026),
                count: 0x01020e97,
                kind: MessageType::CancelAll as u8,
                more: 1,
                reserved: [0; 14],
            }
        ),
        vector!(
            7175,
            Triggered {
                place: place(175),
                account: AccountId(1175026),
                symbol: SymbolId(175039),
                order: OrderId(0x2122232425263c3e),
                price: Price(0x010203040506a8a1),
                side: Side::Buy.code(),
                order_type: OrderType::Market.code(),
                reserved: [0; 6],
            }
        ),
        vector!(
            7176,
            Refreshed {
                place: place(176),
                account: AccountId(1176026),
                symbol: SymbolId(176039),
                order: OrderId(0x2122232425263c51),
                shown: Qty(0x010203040506a8ac),
                remaining: Qty(0x010203040506a8b7),
                side: Side::Buy.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7177,
            Busted {
                place: place(177),
                account: AccountId(1177026),
                symbol: SymbolId(177039),
                order: OrderId(0x2122232425263d51),
                trade: TradeId(0x3132333435363d5e),
                price: Price(0x010203040506a9a1),
                quantity: Qty(0x010203040506a9ac),
                fee: Amount(-0x010203040506a9b7),
                side: Side::Sell.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7178,
            Position {
                place: place(178),
                account: AccountId(1178026),
                symbol: SymbolId(178039),
                quantity: Qty(-0x010203040506b2a1),
                cost: Amount(-0x010203040506b2ac),
                margin: Amount(0x010203040506b2b7),
                leverage: 0x01020eb2,
                mode: MarginMode::Isolated.code(),
                reserved: [0; 3],
            }
        ),
        vector!(
            7179,
            Mark {
                place: place(179),
                symbol: SymbolId(179026),
                how: 2,
                reserved: [0; 3],
                price: Price(0x010203040506b3a1),
                feed_time: TimestampNs(1700000000123635004),
            }
        ),
        vector!(
            7180,
            Funded {
                place: place(180),
                symbol: SymbolId(180026),
                reserved: 0,
                number: 0x11121314151633a4,
                rate: Rate(-0x010203040506b4a1),
                mark: Price(0x010203040506b4ac),
            }
        ),
        vector!(
            7181,
            Funding {
                place: place(181),
                account: AccountId(1181026),
                symbol: SymbolId(181039),
                quantity: Qty(-0x010203040506b5a1),
                payment: Amount(-0x010203040506b5ac),
                mode: MarginMode::Cross.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7182,
            Liquidation {
                place: place(182),
                account: AccountId(1182026),
                symbol: SymbolId(182039),
                order: OrderId(0x2122232425263df4),
                quantity: Qty(0x010203040506b6a1),
                position: Qty(-0x010203040506b6ac),
                price: Price(0x010203040506b6b7),
                bankruptcy: Price(0x010203040506b6c2),
                mark: Price(0x010203040506b6cd),
                equity: Amount(-0x010203040506b6d8),
                mode: MarginMode::Isolated.code(),
                tier: 5,
                reserved: [0; 6],
            }
        ),
        vector!(
            7183,
            Takeover {
                place: place(183),
                account: AccountId(1183026),
                symbol: SymbolId(183039),
                quantity: Qty(-0x010203040506b7a1),
                price: Price(0x010203040506b7ac),
                pnl: Amount(-0x010203040506b7b7),
                mode: MarginMode::Isolated.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7184,
            Adl {
                place: place(184),
                account: AccountId(1184026),
                symbol: SymbolId(184039),
                quantity: Qty(0x010203040506b8a1),
                price: Price(0x010203040506b8ac),
                pnl: Amount(0x010203040506b8b7),
                mode: MarginMode::Cross.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7185,
            Fund {
                place: place(185),
                account: AccountId(1185026),
                symbol: SymbolId(185039),
                amount: Amount(-0x010203040506b9a1),
                asset: AssetId(185052),
                reason: FundReason::Deficit.code(),
                reserved: [0; 3],
            }
        ),
        vector!(
            7186,
            Realized {
                place: place(186),
                account: AccountId(1186026),
                symbol: SymbolId(186039),
                trade: TradeId(0x3132333435363e67),
                order: OrderId(0x2122232425263e74),
                quantity: Qty(0x010203040506baa1),
                pnl: Amount(-0x010203040506baac),
                role: 3,
                reserved: [0; 7],
            }
        ),
        vector!(
            7187,
            Settled { place: place(187), symbol: SymbolId(187026), reserved: 0, price: Price(0x010203040506bba1) }
        ),
    ]
}
