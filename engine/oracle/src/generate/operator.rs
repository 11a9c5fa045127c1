//! What the operator does besides configuration: own fees of accounts, maintenance, trades taken back.

use super::world::{ADMIN, CUSTOMERS, FIRST};
use super::{Generator, remember};
use ringbook_event::{Origin, Trade};
use ringbook_wire::message::{BustTrade, Message, SetFees, SetStatus};
use ringbook_wire::{AccountId, Amount, OrderId, Price, Qty, Rate, Sequence, Side, SymbolId, SymbolStatus, TradeId};

impl Generator {
    pub(super) fn operator(&mut self) -> (Origin, Vec<u8>) {
        match self.random.below(12) {
            0 => self.maintenance(),
            1..4 => self.set_fees(),
            _ => self.bust(),
        }
    }

    /// Begins maintenance, which soon ends again; rarely asks for what the exchange cannot be.
    fn maintenance(&mut self) -> (Origin, Vec<u8>) {
        let odd = self.random.chance(1, 10);
        let status = if odd { self.random.pick(&[0, 1, 3, 5, 255]) } else { SymbolStatus::CancelOnly.code() };
        self.sent(ADMIN, &SetStatus { symbol: SymbolId(0), status, ..SetStatus::new(0) })
    }

    pub(super) fn end_maintenance(&mut self) -> (Origin, Vec<u8>) {
        let status = SymbolStatus::Trading.code();
        self.sent(ADMIN, &SetStatus { symbol: SymbolId(0), status, ..SetStatus::new(0) })
    }

    /// Own rates for a customer, or none again.
    fn set_fees(&mut self) -> (Origin, Vec<u8>) {
        let mut message = SetFees {
            account: AccountId(FIRST + self.random.below(u64::from(CUSTOMERS)) as u32),
            fee_group: self.random.pick(&[0, 1, 1, 1, 2]),
            removed: u8::from(self.random.chance(1, 4)),
            taker: Rate(self.random.pick(&[0, 7, 50_000, -1_000, 99_999_999, 40_000_001])),
            maker: Rate(self.random.pick(&[0, -3, 20_000, -99_999_999, 60_000_000])),
            ..SetFees::new(0)
        };
        if self.random.chance(1, 8) {
            match self.random.below(5) {
                0 => message.account = AccountId(self.random.pick(&[0, 1, 15, FIRST + CUSTOMERS])),
                1 => message.removed = 2,
                2 => message.reserved = 1,
                3 => message.taker = Rate(self.random.pick(&[100_000_000, -100_000_000, i64::MIN])),
                _ => message.maker = Rate(self.random.pick(&[100_000_000, -100_000_000, i64::MAX])),
            }
        }
        self.sent(ADMIN, &message)
    }

    /// Takes one of the latest trades back, sometimes twice, sometimes with a detail that was never so.
    fn bust(&mut self) -> (Origin, Vec<u8>) {
        let count = self.trades.len();
        let Some(place) = count.checked_sub(1).map(|last| last - self.random.below(count as u64) as usize) else {
            return self.sent(ADMIN, &BustTrade::new(0));
        };
        let mut m = self.trades[place];
        if self.random.chance(1, 4) {
            match self.random.below(10) {
                0 => m.trade = TradeId(self.random.pick(&[0, 1 << 40, u64::MAX])),
                1 => m.symbol = SymbolId(self.random.pick(&[0, 2, 99])),
                2 => m.buyer = AccountId(self.random.pick(&[0, 1, 4, FIRST, 5_000])),
                3 => m.seller = m.buyer,
                4 => m.price = Price(self.random.absurd()),
                5 => m.quantity = Qty(self.random.absurd()),
                6 => m.buyer_fee = Amount(self.random.absurd()),
                7 => m.seller_fee = Amount(self.random.pick(&[0, -1, 1, i64::MIN])),
                8 => m.reserved = 1,
                _ => m.quantity = Qty(m.quantity.0 * 1_000),
            }
        }
        self.sent(ADMIN, &m)
    }

    /// Learns of a trade.
    pub(super) fn observe_trade(&mut self, e: &Trade) {
        let taker = (e.taker_account, e.taker_order, e.taker_fee);
        let maker = (e.maker_account, e.maker_order, e.maker_fee);
        let buys = e.header.a == Side::Buy.code();
        let ((buyer, buy_order, buyer_fee), (seller, sell_order, seller_fee)): ((_, OrderId, _), (_, OrderId, _)) =
            if buys { (taker, maker) } else { (maker, taker) };
        let bust = BustTrade {
            trade: e.trade,
            symbol: SymbolId(e.header.subject),
            price: e.price,
            quantity: e.quantity,
            buyer,
            seller,
            buy_order,
            sell_order,
            buyer_fee,
            seller_fee,
            sequence: Sequence(1),
            ..BustTrade::new(0)
        };
        remember(&mut self.trades, bust, 40);
    }
}
