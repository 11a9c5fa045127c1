//! SETTLE_SYMBOL: all orders end, all positions are closed at one price, the symbol is CLOSED (DOMAIN §2, PERPETUAL).
//!
//! Invariant: afterwards the symbol has neither an order nor a position.

use super::fill::Fill;
use super::takeover::closing_side;
use crate::Oracle;
use crate::checks::check_price_range;
use crate::configure::require_zero;
use ringbook_event::{Origin, Record, Settled};
use ringbook_wire::message::{MessageType, SettleSymbol};
use ringbook_wire::{FundReason, RejectCode, Role, SymbolStatus};

/// REALIZED's role of a settlement.
const SETTLEMENT: u8 = 4;

impl Oracle {
    pub(crate) fn settle_symbol(&mut self, origin: Origin, m: &SettleSymbol) -> Result<(), RejectCode> {
        let id = m.symbol.0;
        require_zero(m.reserved == 0)?;
        self.authorise(origin, None, &[Role::Admin])?;
        let symbol = self.require_open_perpetual(id)?;
        check_price_range(symbol, i128::from(m.price.0))?;
        self.change_status(id, SymbolStatus::Closed);
        self.events.push(Settled { header: Settled::header(0, 0, id), price: m.price }.into());
        let count = self.end_all_orders(id);
        for account in self.holders(id) {
            self.settle_position(account, id, i128::from(m.price.0));
        }
        self.work();
        self.push_handled(MessageType::SettleSymbol, 0, count, 0);
        Ok(())
    }

    fn settle_position(&mut self, account: u32, symbol: u32, price: i128) {
        let held = self.position(account, symbol);
        let closed = self.fill(Fill {
            account,
            symbol,
            side: closing_side(held.quantity),
            price,
            quantity: held.quantity.abs(),
            fee: 0,
            into_margin: true,
        });
        self.push_realized(SETTLEMENT, account, symbol, (0, 0), closed);
        let mut position = self.position(account, symbol);
        let left = std::mem::take(&mut position.margin);
        self.positions.insert((account, symbol), position);
        if left < 0 {
            // An isolated loss beyond M is the fund's.
            self.pay_fund(FundReason::Deficit, account, symbol, left);
        } else {
            self.pay_futures(account, self.symbols[&symbol].quote, left);
        }
        self.cover_deficit(account, symbol);
    }
}
