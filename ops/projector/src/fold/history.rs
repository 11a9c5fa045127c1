//! Rows that are only added: trades, busts, transfers, rejections.
//!
//! Invariant: each event makes one row, in the order of events.

use super::Projector;
use crate::command::{Command, Money, Of, message_name};
use crate::rows::Stamp;
use crate::value::{Value, day, name_or_null};
use ringbook_event::{Busted, Rejected, Trade};
use ringbook_wire::{Liquidity, OrderType, Price, Qty, RejectCode, Side};

impl Projector {
    /// price · quantity · K, in quote units.
    fn value(&self, symbol: u32, price: Price, quantity: Qty) -> Value {
        let k = self.symbols.get(&symbol).map(|s| s.k);
        k.and_then(|k| price.0.checked_mul(quantity.0)?.checked_mul(k)).into()
    }

    pub(super) fn trade(&mut self, e: &Trade, stamp: Stamp, time_ns: u64) {
        let value = self.value(e.header.subject, e.price, e.quantity);
        self.batch.appended += 1;
        self.batch.trades.extend([
            e.trade.0.into(),
            day(time_ns).into(),
            e.header.subject.into(),
            e.price.0.into(),
            e.quantity.0.into(),
            value,
            Value::name(Side::from_code(e.header.a).map_or("", Side::name)),
            Value::name(if e.header.b == 2 { "UNCROSS" } else { Liquidity::Taker.name() }),
            e.taker_order.0.into(),
            e.maker_order.0.into(),
            e.taker_account.0.into(),
            e.maker_account.0.into(),
            e.taker_fee.0.into(),
            e.maker_fee.0.into(),
            stamp.sequence.into(),
            stamp.time_ns.into(),
        ]);
    }

    pub(super) fn busted(&mut self, e: &Busted, stamp: Stamp, time_ns: u64) {
        let value = self.value(e.header.subject, e.price, e.quantity);
        self.batch.appended += 1;
        self.batch.busts.extend([
            e.trade.0.into(),
            day(time_ns).into(),
            e.header.subject.into(),
            e.price.0.into(),
            e.quantity.0.into(),
            value,
            e.buyer.0.into(),
            e.seller.0.into(),
            e.buy_order.0.into(),
            e.sell_order.0.into(),
            e.buyer_fee.0.into(),
            e.seller_fee.0.into(),
            stamp.sequence.into(),
            stamp.time_ns.into(),
        ]);
    }

    /// A row of `transfers`: an applied movement, or a refused one with its code. What moves inside an account is booked
    /// as 0: nothing came into the exchange or left it.
    pub(super) fn transfer(&mut self, account: u32, money: &Money, refused: Option<u16>, stamp: Stamp, time_ns: u64) {
        let (asset, symbol) = match money.of {
            Of::Asset(asset) => (asset, None),
            Of::Perpetual(symbol) => (self.symbols.get(&symbol).map_or(0, |s| s.quote), Some(symbol)),
        };
        let booked = match (refused, money.kind) {
            (None, "DEPOSIT") => money.amount,
            (None, "WITHDRAW") => money.amount.saturating_neg(),
            _ => 0,
        };
        self.batch.appended += 1;
        self.batch.transfers.extend([
            stamp.sequence.into(),
            day(time_ns).into(),
            account.into(),
            asset.into(),
            symbol.into(),
            Value::name(money.kind),
            Value::name(if refused.is_some() { "REFUSED" } else { "APPLIED" }),
            money.adjustment.into(),
            money.amount.into(),
            booked.into(),
            money.reference.into(),
            refused.map(u32::from).into(),
            name_or_null(refused.and_then(RejectCode::from_code).map(RejectCode::name)),
            stamp.time_ns.into(),
        ]);
    }

    pub(super) fn rejected(&mut self, e: &Rejected, command: &Command, stamp: Stamp, time_ns: u64) {
        let code_name = name_or_null(RejectCode::from_code(e.code).map(RejectCode::name));
        let code = Value::from(u32::from(e.code));
        let account = Value::from(e.header.subject);
        if let Command::Money(money) = command {
            return self.transfer(e.header.subject, money, Some(e.code), stamp, time_ns);
        }
        let [mut order, mut symbol, mut side, mut kind, mut price, mut quantity] = [const { Value::Null }; 6];
        match command {
            Command::NewOrder(c) => {
                symbol = c.symbol.0.into();
                side = name_or_null(Side::from_code(c.side).map(Side::name));
                kind = name_or_null(OrderType::from_code(c.order_type).map(OrderType::name));
                (price, quantity) = (c.price.0.into(), c.quantity.0.into());
            }
            Command::Cancel(c) => order = c.order.0.into(),
            Command::Amend(c) => {
                order = c.order.0.into();
                (price, quantity) = (c.price.0.into(), c.quantity.0.into());
            }
            Command::CancelAll(c) => symbol = c.symbol.0.into(),
            Command::BustTrade(c) => {
                symbol = c.symbol.0.into();
                (price, quantity) = (c.price.0.into(), c.quantity.0.into());
            }
            Command::SetLeverage(c) => symbol = c.symbol.0.into(),
            Command::SetPerpetual(c) => symbol = c.symbol.0.into(),
            Command::SetPositionLimit(c) => (symbol, quantity) = (c.symbol.0.into(), c.limit.0.into()),
            Command::Mark(c) => (symbol, price) = (c.symbol.0.into(), c.price.0.into()),
            Command::Funding(c) => symbol = c.symbol.0.into(),
            Command::SettleSymbol(c) => (symbol, price) = (c.symbol.0.into(), c.price.0.into()),
            _ => {}
        }
        self.batch.appended += 1;
        self.batch.rejections.extend([
            stamp.sequence.into(),
            day(time_ns).into(),
            account,
            message_name(e.header.a),
            code,
            code_name,
            u128::from(e.client_id).to_string().into(),
            order,
            symbol,
            side,
            kind,
            price,
            quantity,
            stamp.time_ns.into(),
        ]);
    }
}
