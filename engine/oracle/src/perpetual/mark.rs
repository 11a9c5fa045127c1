//! MARK: an offered mark price is accepted or refused (DOMAIN §6.4, PERPETUAL "MARK").
//!
//! Invariants: feed times of offers that were looked at rise; a single offer that jumps is never accepted unless the
//! operator forces it.

use super::state::{MarkPrice, Run};
use crate::Oracle;
use crate::checks::check_price_range;
use crate::configure::require_zero;
use crate::money::R;
use crate::new_order::AHEAD_NS;
use ringbook_event::{self as event, Origin, Record};
use ringbook_wire::message::Mark;
use ringbook_wire::{RejectCode, Role, SymbolStatus, TriggerSource};
use std::collections::BTreeSet;

/// How an offer was accepted.
const WITHIN_THE_LIMIT: u8 = 0;
const FORCED: u8 = 1;
const CONFIRMED: u8 = 2;

impl Oracle {
    pub(crate) fn mark(&mut self, origin: Origin, m: &Mark) -> Result<(), RejectCode> {
        let (id, price, feed_time) = (m.symbol.0, i128::from(m.price.0), m.feed_time.0);
        let too_early = u128::from(feed_time) > u128::from(self.now) + AHEAD_NS;
        require_zero(m.force <= 1 && m.reserved == [0; 3] && price >= 1 && feed_time != 0 && !too_early)?;
        let roles: &[Role] = if m.force == 1 { &[Role::Admin] } else { &[Role::Feed, Role::Admin] };
        self.authorise(origin, None, roles)?;
        let symbol = self.require_open_perpetual(id)?;
        check_price_range(symbol, price)?;
        if feed_time <= self.terms_of(id).newest_feed_time {
            return Err(RejectCode::MarkOld);
        }
        self.terms_mut(id).newest_feed_time = feed_time;
        let accepted = self.judge_offer(id, price, m.force == 1)?;
        let terms = self.terms_mut(id);
        terms.run = None;
        terms.mark = Some(MarkPrice { price, feed_time });
        let header = event::Mark::header(0, accepted, id);
        self.events.push(event::Mark { header, price: m.price, feed_time: m.feed_time }.into());
        self.fund_round = Some((self.symbols[&id].quote, BTreeSet::new()));
        if self.is_live(id) {
            self.touch_holders(id);
        }
        if self.effective_status(id) == SymbolStatus::Trading && self.is_fresh(id) {
            self.append_triggered(id, TriggerSource::Mark);
        }
        Ok(())
    }

    /// Accepts an offer, or refuses it with 601 and remembers the run that it belongs to.
    fn judge_offer(&mut self, id: u32, price: i128, is_forced: bool) -> Result<u8, RejectCode> {
        let terms = self.terms_mut(id);
        let jump = terms.mark_jump;
        let is_near = |reference: i128| (price - reference).abs() * R <= jump * reference;
        if is_forced {
            return Ok(FORCED);
        }
        if jump == 0 || terms.mark.is_none_or(|mark| is_near(mark.price)) {
            return Ok(WITHIN_THE_LIMIT);
        }
        let count = match terms.run {
            Some(run) if is_near(run.last) => run.count + 1,
            _ => 0,
        };
        if count >= terms.mark_confirmations {
            return Ok(CONFIRMED);
        }
        terms.run = Some(Run { last: price, count });
        Err(RejectCode::MarkJump)
    }
}
