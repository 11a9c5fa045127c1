//! BUST_TRADE (EVENTS "BUST_TRADE"): the money of a trade goes back.
//!
//! Invariant: only the wallets of the two parties and of FEES change; orders do not.

use crate::Oracle;
use crate::configure::require_zero;
use crate::money::{BOUND, value};
use ringbook_event::{Busted, Origin, Record};
use ringbook_wire::message::{BustTrade, MessageType};
use ringbook_wire::{AccountId, FeeModel, RejectCode, Role};
use std::collections::BTreeMap;

impl Oracle {
    pub(crate) fn bust_trade(&mut self, origin: Origin, m: &BustTrade) -> Result<(), RejectCode> {
        require_zero(m.reserved == 0)?;
        self.authorise(origin, None, &[Role::Admin])?;
        let symbol = self.symbols.get(&m.symbol.0).ok_or(RejectCode::UnknownSymbol)?;
        let (price, quantity) = (i128::from(m.price.0), i128::from(m.quantity.0));
        let (buyer_fee, seller_fee) = (i128::from(m.buyer_fee.0), i128::from(m.seller_fee.0));
        let is_customer = |id: AccountId| id >= AccountId::FIRST_CUSTOMER && self.accounts.contains_key(&id.0);
        let is_spot = symbol.perpetual.is_none();
        let made = is_spot && 1 <= m.trade.0 && m.trade.0 <= self.last_trade && !self.busted.contains(&m.trade.0);
        if !made || !is_customer(m.buyer) || !is_customer(m.seller) || price < 1 || quantity < 1 {
            return Err(RejectCode::BadTrade);
        }
        let (worth, lots) = (value(symbol, price, quantity), quantity * symbol.base_lot);
        let most = if symbol.fee_model == FeeModel::Rate { worth } else { BOUND };
        let fees_fit = buyer_fee.abs() <= most && seller_fee.abs() <= most && (buyer_fee + seller_fee).abs() <= BOUND;
        if worth > BOUND || lots > BOUND || !fees_fit {
            return Err(RejectCode::BadTrade);
        }
        let mut after: BTreeMap<(u32, u32), i128> = BTreeMap::new();
        let mut add = |account: AccountId, asset: u32, amount: i128| {
            *after.entry((account.0, asset)).or_insert_with(|| self.available(account.0, asset)) += amount;
        };
        let (base, quote) = (symbol.base, symbol.quote);
        add(m.seller, base, lots);
        add(m.buyer, base, -lots);
        add(m.buyer, quote, worth);
        add(m.seller, quote, -worth);
        add(m.buyer, quote, buyer_fee);
        add(m.seller, quote, seller_fee);
        add(AccountId::FEES, quote, -buyer_fee - seller_fee);
        if after.values().any(|&amount| i64::try_from(amount).is_err()) {
            return Err(RejectCode::BadTrade);
        }
        if after.iter().any(|(&(account, _), &amount)| account != AccountId::FEES.0 && amount < 0) {
            return Err(RejectCode::InsufficientBalance);
        }
        for ((account, asset), amount) in after {
            self.wallet(account, asset).available = amount;
        }
        self.busted.insert(m.trade.0);
        self.events.push(
            Busted {
                header: Busted::header(0, 0, m.symbol.0),
                trade: m.trade,
                price: m.price,
                quantity: m.quantity,
                buy_order: m.buy_order,
                sell_order: m.sell_order,
                buyer: m.buyer,
                seller: m.seller,
                buyer_fee: m.buyer_fee,
                seller_fee: m.seller_fee,
            }
            .into(),
        );
        self.push_config(MessageType::BustTrade, m.symbol.0);
        Ok(())
    }
}
