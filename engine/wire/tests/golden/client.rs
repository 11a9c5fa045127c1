//! Vectors of the messages that clients send, and of Ringbook's own commands.
//!
//! Invariant: literals only, so that nothing in the code under test decides what the golden bytes are.

use crate::vector::{Vector, vector};
use ringbook_wire::message::{
    AdjustMargin, Amend, BustTrade, Cancel, CancelAll, Continue, Deposit, Funding, Genesis, Heartbeat, Logon, Logout,
    Mark, MessageType, NewOrder, Quarantine, SessionDown, SetAccount, SetAsset, SetFees, SetKey, SetLeverage,
    SetPerpetual, SetPositionLimit, SetStatus, SetSymbol, SettleSymbol, StateRequest, Tick, Transfer, Withdraw,
    logon_flags, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, FeeModel, KeyId, MarginMode, OrderId, OrderType, Price, Qty, Rate, Role,
    Sequence, SessionId, Side, StpMode, SymbolId, SymbolKind, SymbolStatus, Term, TimeInForce, TimestampNs, TradeId,
    order_flags,
};

/// Bytes that rise from a first one.
fn pattern<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

/// By number.
pub fn vectors() -> Vec<Vector> {
    vec![
        vector!(
            7001,
            Logon {
                key: KeyId(1013),
                session: 0x01020317,
                sequence: Sequence(0x2122232425262734),
                term: Term(1052),
                index: 2576,
                flags: logon_flags::ALL,
                heartbeat_ms: 0x01020326,
                grace_ms: 0x01020329,
                journal: pattern(145),
                reserved: 0,
                signature: pattern(177),
            }
        ),
        vector!(7002, Logout {}),
        vector!(7003, Heartbeat {}),
        vector!(7004, StateRequest { account: AccountId(1004013), reserved: 0 }),
        vector!(
            7064,
            NewOrder {
                client_id: ClientOrderId([0x3132333435363700 + 1, 0x4142434445464700 + 1]),
                account: AccountId(1064026),
                symbol: SymbolId(64039),
                price: Price(0x010203040506406c),
                quantity: Qty(0x0102030405064077),
                budget: Amount(0x0102030405064082),
                trigger: Price(0x010203040506408d),
                display: Qty(0x0102030405064098),
                expire_at: TimestampNs(1700000000123520009),
                send_time: TimestampNs(1700000000123520010),
                side: Side::Sell.code(),
                order_type: OrderType::StopMarket.code(),
                time_in_force: TimeInForce::Ioc.code(),
                stp: StpMode::Decrement.code(),
                flags: order_flags::POST_ONLY | order_flags::CANCEL_ON_DISCONNECT,
                trigger_direction: 1,
                trigger_source: 2,
            }
        ),
        vector!(
            7065,
            Cancel {
                account: AccountId(1065013),
                reserved: 0,
                order: OrderId(0x2122232425262ef4),
                client_id: ClientOrderId([0x3132333435363700 + 4, 0x4142434445464700 + 4]),
            }
        ),
        vector!(
            7066,
            Amend {
                account: AccountId(1066013),
                reserved: 0,
                order: OrderId(0x2122232425262f13),
                client_id: ClientOrderId([0x3132333435363700 + 4, 0x4142434445464700 + 4]),
                price: Price(0x0102030405064279),
                quantity: Qty(0x0102030405064284),
                trigger: Price(0x010203040506428f),
            }
        ),
        vector!(
            7067,
            CancelAll {
                account: AccountId(1067013),
                symbol: SymbolId(67026),
                side: Side::Sell.code(),
                reserved: [0; 7],
            }
        ),
        vector!(
            7068,
            SetLeverage {
                account: AccountId(1068013),
                symbol: SymbolId(68026),
                leverage: 0x01020787,
                mode: MarginMode::Isolated.code(),
                reserved: [0; 3],
            }
        ),
        vector!(
            7072,
            Deposit {
                account: AccountId(1072013),
                asset: AssetId(72026),
                adjustment: 0x1112131415162297,
                amount: Amount(0x0102030405064874),
                reference: 0x11121314151622a1,
            }
        ),
        vector!(
            7073,
            Withdraw {
                account: AccountId(1073013),
                asset: AssetId(73026),
                adjustment: 0x11121314151622c0,
                amount: Amount(0x0102030405064975),
                reference: 0x11121314151622ca,
            }
        ),
        vector!(
            7074,
            Transfer {
                account: AccountId(1074013),
                asset: AssetId(74026),
                adjustment: 0x11121314151622e9,
                amount: Amount(0x0102030405064a76),
                reference: 0x11121314151622f3,
                direction: 2,
                reserved: [0; 7],
            }
        ),
        vector!(
            7075,
            AdjustMargin {
                account: AccountId(1075013),
                symbol: SymbolId(75026),
                adjustment: 0x1112131415162312,
                amount: Amount(0x0102030405064b77),
                reference: 0x111213141516231c,
                direction: 1,
                reserved: [0; 7],
            }
        ),
        vector!(
            7080,
            SetAsset {
                asset: AssetId(80013),
                scale: 8,
                reserved: [0; 3],
                name: name_field("GOLDEN-80").expect("short"),
            }
        ),
        vector!(
            7081,
            SetSymbol {
                symbol: SymbolId(81013),
                base: AssetId(81026),
                quote: AssetId(81039),
                fee_group: 2575,
                kind: SymbolKind::Perpetual.code(),
                fee_model: FeeModel::Rate.code(),
                name: name_field("GOLDEN-81").expect("short"),
                base_lot: Amount(0x01020304050651a9),
                quote_per_tick_lot: Amount(0x01020304050651b4),
                min_price: Price(0x01020304050651bf),
                max_price: Price(0x01020304050651ca),
                min_quantity: Qty(0x01020304050651d5),
                max_quantity: Qty(0x01020304050651e0),
                max_market_quantity: Qty(0x01020304050651eb),
                min_notional: Amount(0x01020304050651f6),
                max_notional: Amount(0x0102030405065201),
                band: Rate(0x010203040506520c),
                slip: Rate(0x0102030405065217),
                taker: Rate(0x0102030405065222),
                maker: Rate(-0x010203040506522d),
                max_open_orders: 0x010208a0,
                max_trigger_orders: 0x010208a3,
                stp: StpMode::CancelMaker.code(),
                status: SymbolStatus::CancelOnly.code(),
                reserved: [0; 6],
                reserved2: [0; 3],
            }
        ),
        vector!(7082, SetAccount { account: AccountId(1082013), group: 0x01020878, suspended: 1, reserved: [0; 7] }),
        vector!(7083, SetStatus { symbol: SymbolId(83013), status: SymbolStatus::Halted.code(), reserved: [0; 3] }),
        vector!(
            7084,
            SetKey {
                key: KeyId(84013),
                role: Role::Funds.code(),
                revoked: 1,
                reserved: [0; 2],
                first_account: AccountId(1084065),
                last_account: AccountId(1084078),
                reserved2: 0,
                public_key: pattern(132),
            }
        ),
        vector!(
            7085,
            SetFees {
                account: AccountId(1085013),
                fee_group: 2585,
                removed: 1,
                reserved: 0,
                taker: Rate(0x0102030405065385),
                maker: Rate(-0x0102030405065391),
            }
        ),
        vector!(
            7086,
            BustTrade {
                trade: TradeId(0x3132333435368601),
                symbol: SymbolId(86013),
                reserved: 0,
                price: Price(0x0102030405065401),
                quantity: Qty(0x010203040506540c),
                buyer: AccountId(1086013),
                seller: AccountId(1086026),
                buy_order: OrderId(0x2122232425268601),
                sell_order: OrderId(0x212223242526860e),
                buyer_fee: Amount(0x0102030405065422),
                seller_fee: Amount(-0x010203040506542d),
                sequence: Sequence(0x212223242526863c),
            }
        ),
        vector!(
            7087,
            SetPerpetual {
                symbol: SymbolId(87013),
                base: AssetId(87026),
                quote: AssetId(87039),
                fee_group: 2595,
                kind: SymbolKind::Perpetual.code(),
                fee_model: FeeModel::Rate.code(),
                name: name_field("GOLDEN-87").expect("short"),
                base_lot: Amount(0x01020304050657a9),
                quote_per_tick_lot: Amount(0x01020304050657b4),
                min_price: Price(0x01020304050657bf),
                max_price: Price(0x01020304050657ca),
                min_quantity: Qty(0x01020304050657d5),
                max_quantity: Qty(0x01020304050657e0),
                max_market_quantity: Qty(0x01020304050657eb),
                min_notional: Amount(0x01020304050657f6),
                max_notional: Amount(0x0102030405065801),
                band: Rate(0x010203040506580c),
                slip: Rate(0x0102030405065817),
                taker: Rate(0x0102030405065822),
                maker: Rate(-0x010203040506582d),
                max_open_orders: 0x010208b0,
                max_trigger_orders: 0x010208b3,
                stp: StpMode::CancelMaker.code(),
                status: SymbolStatus::PreOpen.code(),
                reserved: [0; 6],
                max_position: Qty(0x0102030405065838),
                mark_max_age: 0x1112131415162421,
                mark_jump: Rate(0x0102030405065843),
                funding_interval: 0x111213141516242b,
                funding_cap: Rate(0x010203040506584e),
                liquidation_fee: Rate(0x0102030405065859),
                fund_multiple: Rate(0x0102030405065864),
                max_leverage: 0x010208b6,
                mark_confirmations: 2606,
                reduce_only: 1,
                tiers: 8,
                tier_cap: std::array::from_fn(|at| Amount(0x0102030405065900 + 11 * at as i64)),
                tier_rate: std::array::from_fn(|at| Rate(0x0102030405065a01 + 11 * at as i64)),
                tier_amount: std::array::from_fn(|at| Amount(0x0102030405065b02 + 11 * at as i64)),
                tier_leverage: std::array::from_fn(|at| 0x01020903 + 3 * at as u32),
                reserved2: [0; 3],
            }
        ),
        vector!(
            7088,
            SetPositionLimit { account: AccountId(1088013), symbol: SymbolId(88026), limit: Qty(0x010203040506586f) }
        ),
        vector!(
            7096,
            Mark {
                symbol: SymbolId(96013),
                force: 1,
                reserved: [0; 3],
                price: Price(0x0102030405066077),
                feed_time: TimestampNs(1700000000123552004),
            }
        ),
        vector!(
            7097,
            Funding {
                symbol: SymbolId(97013),
                reserved: 0,
                rate: Rate(-0x0102030405066178),
                index: 0x11121314151626aa,
            }
        ),
        vector!(7098, SettleSymbol { symbol: SymbolId(98013), reserved: 0, price: Price(0x0102030405066279) }),
        vector!(
            7112,
            Genesis {
                seed: [0x5152535455565758, 0x6162636465666768],
                rules: 0x01020a76,
                shard: 0x01020a79,
                dedupe_capacity: 0x01020a7c,
                max_event_bytes: 0x01020a7f,
                max_orders: 0x01020a82,
                reserved: [0; 5],
            }
        ),
        vector!(7113, Continue { of: Sequence(0x21222324252634b6) }),
        vector!(7114, SessionDown { session: SessionId::new(KeyId(7001), 7002) }),
        vector!(7115, Tick {}),
        vector!(
            7116,
            Quarantine {
                account: AccountId(1115013),
                kind: MessageType::NewOrder as u8,
                reserved: [0; 3],
                client_id: ClientOrderId([0x3132333435363700 + 4, 0x4142434445464700 + 4]),
                symbol: SymbolId(115065),
                halt: 0x01020ab5,
                send_time: TimestampNs(1700000000123571007),
                adjustment: 0x1112131415162993,
            }
        ),
    ]
}
