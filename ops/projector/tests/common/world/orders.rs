//! Orders: new ones, stop orders, cancels, amendments.

use super::{Order, World};
use ringbook_event::*;
use ringbook_wire::message::*;
use ringbook_wire::*;

impl World {
    pub(super) fn new_order(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let symbol = 1 + self.random(2) as u32;
        let buy = self.random(2) == 0;
        let kind = self.random(20);
        let (order_type, tif) = match kind {
            0 => (OrderType::Market, TimeInForce::Ioc),
            1 | 2 => (OrderType::Limit, TimeInForce::Ioc),
            3 => (OrderType::Limit, TimeInForce::Fok),
            _ => (OrderType::Limit, TimeInForce::Gtc),
        };
        let price = 3_000_000 + self.random(200) as i64 - 100;
        let quantity = 1 + self.random(500) as i64;
        self.last_order += 1;
        let id = self.last_order;
        let client = u128::from(self.random(u64::MAX)) << 64 | u128::from(id);
        let market = order_type == OrderType::Market;
        let command = NewOrder {
            client_id: client.into(),
            account: AccountId(account),
            symbol: SymbolId(symbol),
            price: Price(if market { 0 } else { price }),
            quantity: Qty(quantity),
            send_time: TimestampNs(self.time),
            side: if buy { 1 } else { 2 },
            order_type: order_type.code(),
            time_in_force: tif.code(),
            flags: if tif == TimeInForce::Gtc { order_flags::CANCEL_ON_DISCONNECT } else { 0 },
            ..NewOrder::new(id as u32)
        };
        let price = if market { if buy { 3_000_500 } else { 2_999_500 } } else { price };
        let order = Order {
            account,
            symbol,
            buy,
            price,
            orig: quantity,
            remaining: quantity,
            filled: 0,
            prevented: 0,
            cut: 0,
            cost: 0,
            fee: 0,
            hold: 0,
            client,
            waits: false,
        };
        self.orders.insert(id, order);
        self.set_hold(id);
        let hold = Amount(self.orders[&id].hold);
        self.event(Accepted {
            header: Accepted::header(command.side, command.order_type, account),
            order: OrderId(id),
            symbol: SymbolId(symbol),
            stp: 3,
            reserved: [0; 3],
            price: Price(price),
            quantity: Qty(quantity),
            hold,
        });
        if tif == TimeInForce::Fok && self.random(2) == 0 {
            self.expire(id, EndReason::Fok, 0);
        } else {
            self.match_order(id);
            if tif != TimeInForce::Gtc && self.orders.contains_key(&id) {
                self.expire(id, if market { EndReason::NoLiquidity } else { EndReason::Ioc }, 0);
            }
        }
        self.commit(&command);
    }

    pub(super) fn expire(&mut self, id: u64, reason: EndReason, code: u16) {
        let order = self.orders[&id].clone();
        self.event(Expired {
            header: Expired::header(reason.code(), 0, order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            code,
            reserved: 0,
            remaining: Qty(order.remaining),
        });
        self.done(id, OrderState::Expired, reason.code(), order.remaining);
    }

    pub(super) fn stop_order(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let (symbol, buy) = (1 + self.random(2) as u32, self.random(2) == 0);
        let (price, quantity) = (3_000_000 + self.random(200) as i64 - 100, 1 + self.random(500) as i64);
        self.last_order += 1;
        let id = self.last_order;
        let command = NewOrder {
            client_id: u128::from(id).into(),
            account: AccountId(account),
            symbol: SymbolId(symbol),
            price: Price(price),
            trigger: Price(price - 7),
            trigger_direction: 1 + self.random(2) as u8,
            trigger_source: 1,
            quantity: Qty(quantity),
            send_time: TimestampNs(self.time),
            side: if buy { 1 } else { 2 },
            order_type: OrderType::StopLimit.code(),
            time_in_force: TimeInForce::Gtc.code(),
            ..NewOrder::new(id as u32)
        };
        let order = Order {
            account,
            symbol,
            buy,
            price,
            orig: quantity,
            remaining: quantity,
            filled: 0,
            prevented: 0,
            cut: 0,
            cost: 0,
            fee: 0,
            hold: 0,
            client: id.into(),
            waits: true,
        };
        self.orders.insert(id, order);
        self.set_hold(id);
        let hold = Amount(self.orders[&id].hold);
        self.event(Accepted {
            header: Accepted::header(command.side, command.order_type, account),
            order: OrderId(id),
            symbol: SymbolId(symbol),
            stp: 3,
            reserved: [0; 3],
            price: Price(price),
            quantity: Qty(quantity),
            hold,
        });
        self.commit(&command);
    }

    /// A stop order fires: it fails, or it runs.
    pub(super) fn fire(&mut self) {
        let Some((&id, order)) = self.orders.iter_mut().find(|(_, order)| order.waits) else { return };
        order.waits = false;
        let order = order.clone();
        self.event(Triggered {
            header: Triggered::header(if order.buy { 1 } else { 2 }, OrderType::Limit.code(), order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            reserved: 0,
            price: Price(order.price),
        });
        if self.random(2) == 0 {
            let code = [RejectCode::AccountSuspended, RejectCode::PriceBand, RejectCode::Notional];
            let code = code[self.random(3) as usize].code();
            self.expire(id, EndReason::TriggerFailed, code);
        } else {
            self.match_order(id);
        }
        self.handled(MessageType::NewOrder as u8);
        self.commit(&Continue::new(0));
    }

    pub(super) fn any_order(&mut self) -> Option<u64> {
        let n = self.random(self.orders.len().max(1) as u64) as usize;
        self.orders.keys().nth(n).copied()
    }

    pub(super) fn end(&mut self, id: u64, reason: EndReason) {
        let order = self.orders[&id].clone();
        self.event(Canceled {
            header: Canceled::header(reason.code(), 0, order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            reserved: 0,
            remaining: Qty(order.remaining),
        });
        self.done(id, OrderState::Canceled, reason.code(), order.remaining);
    }

    pub(super) fn cancel(&mut self) {
        let Some(id) = self.any_order() else { return };
        let account = AccountId(self.orders[&id].account);
        self.end(id, EndReason::User);
        self.commit(&Cancel { account, order: OrderId(id), ..Cancel::new(0) });
    }

    pub(super) fn cancel_all(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let ids: Vec<u64> = self.orders.iter().filter(|(_, o)| o.account == account).map(|(id, _)| *id).collect();
        for id in &ids {
            self.end(*id, EndReason::Mass);
        }
        self.event(Handled {
            header: Handled::header(67, 0, account),
            count: ids.len() as u32,
            reserved: 0,
            argument: 0,
            reserved2: 0,
        });
        self.commit(&CancelAll { account: AccountId(account), ..CancelAll::new(0) });
    }

    pub(super) fn amend(&mut self) {
        let Some(id) = self.any_order() else { return };
        let mut order = self.orders[&id].clone();
        if order.waits {
            return;
        }
        let total = order.orig - order.cut;
        let least = order.filled + order.prevented + 1;
        let new_total = least + self.random(600) as i64;
        let price = if self.random(2) == 0 { order.price } else { order.price + self.random(20) as i64 - 10 };
        if new_total > total {
            order.orig += new_total - total
        } else {
            order.cut += total - new_total
        }
        order.remaining = new_total - order.filled - order.prevented;
        order.price = price;
        let command = Amend {
            account: AccountId(order.account),
            order: OrderId(id),
            price: Price(price),
            quantity: Qty(new_total),
            ..Amend::new(0)
        };
        self.orders.insert(id, order.clone());
        self.set_hold(id);
        let hold = Amount(self.orders[&id].hold);
        self.event(Amended {
            header: Amended::header(1, 0, order.account),
            order: OrderId(id),
            price: Price(price),
            quantity: Qty(order.orig),
            remaining: Qty(order.remaining),
            hold,
            symbol: SymbolId(order.symbol),
            reserved: 0,
            cut: Qty(order.cut),
            trigger: Price(0),
        });
        self.match_order(id);
        self.commit(&command);
    }
}
