//! MARK: offers of a mark price, and what an accepted one sets off (DOMAIN §6.4).
//!
//! Invariants: the feed's time rises with every offer that is not refused for it; a single wrong tick never becomes the mark
//! (but by force), a true gap does after `mark_confirmations` more offers.

use super::contract::Run;
use crate::engine::Engine;
use ringbook_event::{EventWriter, Mark as MarkEvent, Origin, Record};
use ringbook_wire::message::{Mark, MessageType};
use ringbook_wire::{AccountId, RejectCode, Role, SymbolId, SymbolStatus};

/// How far a feed's clock may run ahead of engine time.
const MAX_FEED_AHEAD_NS: u64 = 1_000_000_000;

/// What becomes of an offer.
enum Offer {
    /// 0 within the limit, 1 forced, 2 confirmed by a run.
    Accepted(u8),
    Refused(Run),
}

impl Engine {
    pub(crate) fn mark(&mut self, origin: Origin, m: &Mark, out: &mut EventWriter<'_>) {
        let kind = MessageType::Mark;
        if let Err(code) = self.check_mark(origin, m) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        // ═══ point of no return: a refused offer counts for the next ones ═══
        let offer = self.judge(m);
        let contract = self.contract_mut(m.symbol);
        contract.offered = m.feed_time;
        let how = match offer {
            Offer::Accepted(how) => how,
            Offer::Refused(run) => {
                contract.run = run;
                return self.refuse_config(kind, AccountId(0), RejectCode::MarkJump, out);
            }
        };
        (contract.mark, contract.feed_time, contract.run) = (m.price, m.feed_time, Run::default());
        self.rankings.forget();
        let header = MarkEvent::header(0, how, m.symbol.0);
        out.push(&MarkEvent { header, price: m.price, feed_time: m.feed_time });
        if matches!(self.effective_status(m.symbol), SymbolStatus::Trading | SymbolStatus::CancelOnly) {
            self.touch_reached(m.symbol);
        }
        self.fire(m.symbol, true);
        self.fund_is_due(m.symbol);
        self.work_loop(out);
        self.handle_rest(kind, AccountId(0), out);
    }

    fn check_mark(&self, origin: Origin, m: &Mark) -> Result<(), RejectCode> {
        let ahead = m.feed_time.0 > self.time.0.saturating_add(MAX_FEED_AHEAD_NS);
        if m.force > 1 || m.reserved != [0; 3] || m.price.0 < 1 || m.feed_time.0 == 0 || ahead {
            return Err(RejectCode::BadRequest);
        }
        self.may_feed(origin)?;
        if m.force == 1 && !self.keys.has_role(origin.key, Role::Admin) {
            return Err(RejectCode::UnknownAccount);
        }
        let symbol = self.symbols.get(m.symbol).filter(|symbol| symbol.contract.is_some());
        let symbol = symbol.ok_or(RejectCode::UnknownSymbol)?;
        if symbol.status == SymbolStatus::Closed {
            return Err(RejectCode::SymbolStatus);
        }
        if m.price < symbol.terms.min_price || m.price > symbol.terms.max_price {
            return Err(RejectCode::PriceRange);
        }
        if m.feed_time <= self.contract(m.symbol).offered {
            return Err(RejectCode::MarkOld);
        }
        Ok(())
    }

    /// The jump rule (DOMAIN §6.4).
    fn judge(&self, m: &Mark) -> Offer {
        let contract = self.contract(m.symbol);
        let terms = &contract.terms;
        if m.force == 1 {
            return Offer::Accepted(1);
        }
        if terms.mark_jump.0 == 0 || contract.mark.0 == 0 || terms.is_near(m.price, contract.mark) {
            return Offer::Accepted(0);
        }
        let Run { last, count } = contract.run;
        if last.0 == 0 || !terms.is_near(m.price, last) {
            return Offer::Refused(Run { last: m.price, count: 0 });
        }
        match count + 1 {
            count if count >= terms.mark_confirmations => Offer::Accepted(2),
            count => Offer::Refused(Run { last: m.price, count }),
        }
    }

    /// Whether a key may send marks and funding.
    pub(crate) fn may_feed(&self, origin: Origin) -> Result<(), RejectCode> {
        let may = self.keys.has_role(origin.key, Role::Feed) || self.keys.has_role(origin.key, Role::Admin);
        if may { Ok(()) } else { Err(RejectCode::UnknownAccount) }
    }

    /// A perpetual begins to trade, or to be liquidated: its stop orders and its buckets are looked at.
    pub(crate) fn enter(&mut self, symbol: SymbolId) {
        if !self.is_perpetual(symbol) {
            return;
        }
        self.fire(symbol, true);
        if matches!(self.effective_status(symbol), SymbolStatus::Trading | SymbolStatus::CancelOnly)
            && self.contract(symbol).mark.0 != 0
        {
            self.touch_reached(symbol);
        }
    }
}
