//! The generator's NEW_ORDER, CANCEL, AMEND and CANCEL_ALL.

use super::world::{CUSTOMERS, FIRST, MIDDLE, trader_of};
use super::{Feature, Generator, Seen, remember};
use ringbook_event::Origin;
use ringbook_wire::message::{Amend, Cancel, CancelAll, Message, NewOrder};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderId, OrderType, Price, Qty, Side, StpMode, SymbolId, TimeInForce,
    TimestampNs, order_flags,
};

impl Generator {
    /// A customer; now and then one that does not exist.
    pub(super) fn account(&mut self) -> u32 {
        match self.random.below(300) {
            0 => self.random.pick(&[0, 5, 15, FIRST - 1, FIRST + CUSTOMERS, u32::MAX]),
            1 if self.unsettled => self.random.pick(&[1, 2, 3, 4]),
            _ => FIRST + self.random.below(u64::from(CUSTOMERS)) as u32,
        }
    }

    /// A symbol; now and then one that does not exist.
    pub(super) fn symbol(&mut self) -> u32 {
        if self.random.chance(1, 200) {
            return self.random.pick(&[0, 77, u32::MAX]);
        }
        // Most of the stream is in the first two, so that their books get deep.
        let spare = if self.has(Feature::Close) { self.spare } else { 1 };
        self.random.pick(&[1, 1, 1, 2, 2, 3, 4, 5, spare])
    }

    pub(super) fn price(&mut self, side: Side) -> i64 {
        let spread = self.temper.spread;
        let passive = self.random.between(-spread, 1);
        match (self.random.below(10), side) {
            (0, _) => self.random.between(1, 1_005),
            (1..6, Side::Buy) => MIDDLE + passive,
            (1..6, Side::Sell) => MIDDLE - passive,
            _ => MIDDLE + self.random.between(-spread, spread),
        }
    }

    pub(super) fn quantity(&mut self) -> i64 {
        match self.random.below(40) {
            0 => self.random.between(1, 1_010),
            1..4 => self.random.between(1, self.temper.lots * 10),
            _ => self.random.between(1, self.temper.lots),
        }
    }

    pub(super) fn send_time(&mut self) -> TimestampNs {
        TimestampNs(match self.random.below(100) {
            0 => self.now + 999_000_000 + self.random.below(3) * 1_000_000,
            1 => self.random.pick(&[0, 1, u64::MAX]),
            2..5 => self.now - self.random.below(20_000_000_000),
            _ => self.now - self.random.below(1_000_000),
        })
    }

    /// A NEW_ORDER: a fresh one, or an older one again, identical or changed.
    pub(super) fn new_order(&mut self) -> (Origin, Vec<u8>) {
        let again = (!self.recent.is_empty() && self.random.chance(12, 100)).then(|| self.recent_order());
        let order = match again {
            Some(order) if self.random.chance(6, 10) => {
                NewOrder { header: NewOrder::header_for(self.random.next_u64() as u32), ..order }
            }
            Some(order) => self.changed(order),
            None => self.fresh_order(),
        };
        self.sent(trader_of(order.account.0), &order)
    }

    /// One of the latest orders: often the very last, or one that has long left the ring.
    fn recent_order(&mut self) -> NewOrder {
        let length = self.recent.len() as u64;
        let back = if self.random.chance(1, 2) { self.random.below(length.min(8)) } else { self.random.below(length) };
        self.recent[(length - 1 - back) as usize]
    }

    /// The same client id with something else.
    fn changed(&mut self, order: NewOrder) -> NewOrder {
        match self.random.below(5) {
            0 => NewOrder { send_time: TimestampNs(order.send_time.0.wrapping_add(1)), ..order },
            1 => NewOrder { quantity: Qty(order.quantity.0.wrapping_add(1)), ..order },
            2 => NewOrder { price: Price(order.price.0.wrapping_add(1)), ..order },
            // Another account's, and a new id with an old send time: 211 if anything of then was evicted.
            3 => NewOrder { account: AccountId(self.account()), ..order },
            _ => NewOrder { client_id: self.fresh_client_id(), ..order },
        }
    }

    pub(super) fn fresh_client_id(&mut self) -> ClientOrderId {
        self.client_ids += 1;
        let high = if self.client_ids.is_multiple_of(3) { 1 } else { 0 };
        ClientOrderId([self.client_ids, high])
    }

    fn fresh_order(&mut self) -> NewOrder {
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let (order_type, time_in_force) = self.random.pick(&[
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Ioc),
            (OrderType::Limit, TimeInForce::Fok),
            (OrderType::Market, TimeInForce::Ioc),
        ]);
        let mut flags = 0;
        if time_in_force == TimeInForce::Gtc && self.random.chance(1, 8) {
            flags |= order_flags::POST_ONLY;
        }
        if self.random.chance(1, 3) {
            flags |= order_flags::CANCEL_ON_DISCONNECT;
        }
        let stp = if self.random.chance(1, 2) { StpMode::Default } else { self.random.pick(StpMode::ALL) };
        let mut order = NewOrder {
            client_id: self.fresh_client_id(),
            account: AccountId(self.account()),
            symbol: SymbolId(self.symbol()),
            price: Price(if order_type == OrderType::Market { 0 } else { self.price(side) }),
            quantity: Qty(self.quantity()),
            send_time: self.send_time(),
            side: side.code(),
            order_type: order_type.code(),
            time_in_force: time_in_force.code(),
            stp: stp.code(),
            flags,
            ..NewOrder::new(self.random.next_u64() as u32)
        };
        self.dress(&mut order, side);
        if self.absurdly() {
            self.spoil(&mut order);
        }
        remember(&mut self.recent, order, 300);
        order
    }

    /// Puts nonsense into one field.
    pub(super) fn spoil(&mut self, order: &mut NewOrder) {
        let byte = self.random.below(8) as u8;
        match self.random.below(18) {
            0..3 => order.price = Price(self.random.absurd()),
            3..6 => order.quantity = Qty(self.random.absurd()),
            6 => order.budget = Amount(self.random.absurd()),
            7 => order.trigger = Price(self.random.absurd()),
            8 if self.has(Feature::Icebergs) => order.display = Qty(self.random.absurd()),
            8 => order.display = Qty(-1),
            9 => order.expire_at = TimestampNs(self.random.next_u64()),
            10 => order.side = byte,
            11 => order.order_type = byte,
            12 => order.time_in_force = byte,
            13 => order.stp = byte,
            14 => order.flags = self.random.pick(&[2, 4, 16, 0x8000, 1, 9, 0xffff]),
            15 => order.trigger_direction = byte,
            16 => order.trigger_source = byte,
            _ => order.client_id = ClientOrderId::NONE,
        }
    }

    /// An order that lives, has ended, belongs to another account or never was.
    fn target(&mut self) -> Seen {
        let (order, account) = (self.random.below(5_000), self.account());
        let nobody = Seen { order, account, symbol: 1, expire_at: 0, waits: false };
        match self.random.below(20) {
            0 => nobody,
            1 if !self.live.is_empty() => {
                let seen = self.live[self.random.below(self.live.len() as u64) as usize];
                Seen { account: nobody.account, ..seen }
            }
            2..5 if !self.ended.is_empty() => self.ended[self.random.below(self.ended.len() as u64) as usize],
            _ if !self.live.is_empty() => self.live[self.random.below(self.live.len() as u64) as usize],
            _ => nobody,
        }
    }

    /// How an order is named: account, order id and client id.
    fn naming(&mut self) -> (u32, OrderId, ClientOrderId) {
        if !self.recent.is_empty() && self.random.chance(1, 4) {
            let order = self.recent_order();
            return (order.account.0, OrderId(0), order.client_id);
        }
        let target = self.target();
        // With an order id, the client id does not count.
        let client_id = if self.random.chance(1, 10) { ClientOrderId([3, 0]) } else { ClientOrderId::NONE };
        (target.account, OrderId(target.order), client_id)
    }

    pub(super) fn cancel(&mut self) -> (Origin, Vec<u8>) {
        let (account, order, client_id) = self.naming();
        let mut cancel = Cancel { account: AccountId(account), order, client_id, ..Cancel::new(0) };
        if self.absurdly() {
            match self.random.below(3) {
                0 => cancel.reserved = 1,
                1 => cancel.order = OrderId(self.random.next_u64()),
                _ => (cancel.order, cancel.client_id) = (OrderId(0), ClientOrderId::NONE),
            }
        }
        self.sent(trader_of(account), &cancel)
    }

    pub(super) fn amend(&mut self) -> (Origin, Vec<u8>) {
        let (account, order, client_id) = self.naming();
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let price = if self.random.chance(1, 2) { 0 } else { self.price(side) };
        let quantity = if self.random.chance(1, 3) { 0 } else { self.quantity() };
        let mut amend = Amend {
            account: AccountId(account),
            order,
            client_id,
            price: Price(price),
            quantity: Qty(quantity),
            ..Amend::new(0)
        };
        if self.has(Feature::Stops) && self.random.chance(1, 5) {
            self.amend_untriggered(&mut amend);
        }
        if self.absurdly() {
            match self.random.below(5) {
                0 => amend.price = Price(self.random.absurd()),
                1 => amend.quantity = Qty(self.random.absurd()),
                2 if self.has(Feature::Stops) => amend.trigger = Price(self.random.absurd()),
                2 => amend.trigger = Price(-1),
                3 => amend.reserved = 1,
                _ => (amend.order, amend.client_id) = (OrderId(0), ClientOrderId::NONE),
            }
        }
        self.sent(trader_of(amend.account.0), &amend)
    }

    pub(super) fn cancel_all(&mut self) -> (Origin, Vec<u8>) {
        let account = self.account();
        let symbol = if self.random.chance(1, 3) { 0 } else { self.symbol() };
        let side = self.random.pick(&[0, 0, 1, 2]);
        let mut all = CancelAll { account: AccountId(account), symbol: SymbolId(symbol), side, ..CancelAll::new(0) };
        if self.absurdly() {
            match self.random.below(3) {
                0 => all.side = 3,
                1 => all.reserved[6] = 1,
                _ => all.symbol = SymbolId(78),
            }
        }
        self.sent(trader_of(account), &all)
    }
}
