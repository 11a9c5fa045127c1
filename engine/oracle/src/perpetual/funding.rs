//! FUNDING: the positions of a symbol pay each other (DOMAIN §6.8, PERPETUAL "FUNDING").
//!
//! Invariant: what the payments leave is at least 0 and less than the number of positions; it goes to ROUNDING.

use crate::Oracle;
use crate::configure::require_zero;
use crate::money::{R, narrow, value};
use ringbook_event::{self as event, Funded, Origin, Record};
use ringbook_wire::message::Funding;
use ringbook_wire::{AccountId, Amount, Price, Qty, Rate, RejectCode, Role, SymbolId, div_ceil};

impl Oracle {
    pub(crate) fn funding(&mut self, origin: Origin, m: &Funding) -> Result<(), RejectCode> {
        let (id, rate) = (m.symbol.0, i128::from(m.rate.0));
        require_zero(m.reserved == 0 && rate.abs() < R)?;
        self.authorise(origin, None, &[Role::Feed, Role::Admin])?;
        self.require_perpetual(id)?;
        if !self.is_live(id) {
            return Err(RejectCode::SymbolStatus);
        }
        if !self.is_fresh(id) {
            return Err(RejectCode::NoMark);
        }
        let now = u128::from(self.now);
        let terms = self.terms_mut(id);
        if u128::from(m.index) != u128::from(terms.funding_index) + 1 || now < terms.funding_due {
            return Err(RejectCode::FundingTime);
        }
        terms.funding_index = m.index;
        terms.funding_due += u128::from(terms.funding_interval);
        let rate = rate.clamp(-terms.funding_cap, terms.funding_cap);
        self.pay_funding(id, rate, m.index);
        self.touch_holders(id);
        Ok(())
    }

    fn pay_funding(&mut self, id: u32, rate: i128, index: u64) {
        let mark = self.mark_of(id);
        let symbol = self.symbols[&id].clone();
        let (header, rate_of_event) = (Funded::header(0, 0, id), Rate(narrow(rate)));
        self.events.push(Funded { header, index, rate: rate_of_event, mark: Price(narrow(mark)) }.into());
        let holders = self.holders(id);
        let mut dust = 0;
        for &account in &holders {
            let mut position = self.position(account, id);
            let payment = div_ceil(value(&symbol, mark, position.quantity) * rate, R);
            dust += payment;
            if payment == 0 {
                continue;
            }
            self.events.push(
                event::Funding {
                    header: event::Funding::header(position.mode.code(), 0, account),
                    symbol: SymbolId(id),
                    reserved: 0,
                    quantity: Qty(narrow(position.quantity)),
                    payment: Amount(narrow(payment)),
                }
                .into(),
            );
            if position.is_isolated() {
                position.margin -= payment;
                self.positions.insert((account, id), position);
            } else {
                self.pay_futures(account, symbol.quote, -payment);
            }
            self.pay_futures(AccountId::ROUNDING.0, symbol.quote, payment);
        }
        let is_dust = 0 <= dust && (dust < holders.len() as i128 || holders.is_empty());
        assert!(is_dust, "9: funding of symbol {id} leaves {dust}");
    }
}
