//! BUST_TRADE: the operator takes a trade back (docs/EVENTS.md, "BUST_TRADE").
//!
//! The command carries the trade as its TRADE event has it; whether it does is checked where the command comes in, by
//! the journal. Here the money is checked.
//!
//! Invariants: the lots, the value and both fees go back as they came, so every asset still sums to 0; no customer's
//! balance becomes negative; a trade is taken back once; orders, `last` and the book are as they were.

use crate::engine::Engine;
use crate::money::value;
use ringbook_event::{Busted, EventWriter, Origin, Record};
use ringbook_wire::message::{BustTrade, MessageType};
use ringbook_wire::{AccountId, Amount, AssetId, FeeModel, MAX_AMOUNT, RejectCode};

/// A change of what is available in one wallet.
#[derive(Clone, Copy)]
struct Leg {
    account: u32,
    asset: AssetId,
    amount: i64,
}

impl Engine {
    pub(crate) fn bust_trade(&mut self, origin: Origin, m: &BustTrade, out: &mut EventWriter<'_>) {
        let legs = self.may_configure(origin, m.reserved == 0).and_then(|()| self.reversal(m));
        let legs = match legs {
            Ok(legs) => legs,
            Err(code) => return self.refuse_config(MessageType::BustTrade, AccountId(0), code, out),
        };
        // ═══ point of no return ═══
        for leg in legs {
            if leg.amount != 0 {
                self.accounts.change(leg.account, leg.asset, leg.amount, 0);
            }
        }
        self.busted.insert(m.trade.0);
        out.push(&Busted {
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
        });
        // For the operator, who is none of the parties.
        self.configured(MessageType::BustTrade, m.symbol.0, out);
    }

    /// What goes back: 105, 604, 300.
    fn reversal(&self, m: &BustTrade) -> Result<[Leg; 5], RejectCode> {
        let symbol = self.symbols.get(m.symbol).ok_or(RejectCode::UnknownSymbol)?;
        if symbol.contract.is_some() {
            return Err(RejectCode::BadTrade); // positions have moved on since
        }
        let terms = &symbol.terms;
        let customer = |id: AccountId| if id.is_system() { None } else { self.accounts.find(id) };
        let parties = customer(m.buyer).zip(customer(m.seller));
        let made = (1..self.next_trade).contains(&m.trade.0) && !self.busted.contains(&m.trade.0);
        let positive = m.price.0 >= 1 && m.quantity.0 >= 1;
        let worth = value(m.price, m.quantity, terms.k).filter(|worth| positive && worth.0 <= MAX_AMOUNT);
        let lots = i128::from(m.quantity.0) * i128::from(terms.base_lot.0);
        let (Some((buyer, seller)), Some(Amount(worth)), true) = (parties, worth, made) else {
            return Err(RejectCode::BadTrade);
        };
        let bound = i128::from(MAX_AMOUNT);
        // Every rate by value is below 100 %. A fee per lot may exceed a value whose price has left the limits since.
        let most = if terms.fees.model == FeeModel::Rate { worth } else { MAX_AMOUNT };
        let fee = |fee: Amount| -most <= fee.0 && fee.0 <= most;
        let both = i128::from(m.buyer_fee.0) + i128::from(m.seller_fee.0);
        if !fee(m.buyer_fee) || !fee(m.seller_fee) || both.abs() > bound || lots > bound {
            return Err(RejectCode::BadTrade);
        }
        let (worth, buyer_fee, seller_fee) = (i128::from(worth), i128::from(m.buyer_fee.0), i128::from(m.seller_fee.0));
        let fees = self.accounts.find(AccountId::FEES).expect("system accounts exist from the beginning");
        let parts = [
            (buyer, terms.base, -lots),
            (seller, terms.base, lots),
            (buyer, terms.quote, worth + buyer_fee),
            (seller, terms.quote, seller_fee - worth),
            (fees, terms.quote, -buyer_fee - seller_fee),
        ];
        // One leg for each wallet: who traded with himself has two parts in each.
        let mut legs = [Leg { account: fees, asset: terms.quote, amount: 0 }; 5];
        for (at, &(account, asset, _)) in parts.iter().enumerate() {
            let same = |part: &&(u32, AssetId, i128)| (part.0, part.1) == (account, asset);
            if parts[..at].iter().any(|part| same(&part)) {
                continue;
            }
            let amount: i128 = parts.iter().filter(same).map(|part| part.2).sum();
            let after = i128::from(self.accounts.available(account, asset).0) + amount;
            let (Ok(amount), Ok(_)) = (i64::try_from(amount), i64::try_from(after)) else {
                return Err(RejectCode::BadTrade);
            };
            legs[at] = Leg { account, asset, amount };
        }
        let covered = |leg: &Leg| self.accounts.available(leg.account, leg.asset).0 + leg.amount >= 0;
        let customers = legs.iter().filter(|leg| leg.account != fees);
        if customers.into_iter().all(covered) { Ok(legs) } else { Err(RejectCode::InsufficientBalance) }
    }
}
