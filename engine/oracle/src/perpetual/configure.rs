//! SET_PERPETUAL and SET_POSITION_LIMIT (DOMAIN §1, §2; PERPETUAL).
//!
//! Invariant: every stored perpetual obeys the bounds; marks, funding and positions outlive a change of terms.

use super::state::{Perpetual, Tier};
use crate::Oracle;
use crate::configure::{product_in_bounds, require, require_zero};
use crate::money::{BOUND, R};
use crate::state::Symbol;
use ringbook_event::Origin;
use ringbook_wire::message::{MAX_TIERS, MessageType, SetPerpetual, SetPositionLimit};
use ringbook_wire::{AccountId, FeeModel, RejectCode, Role, SymbolKind, SymbolStatus};

impl Oracle {
    /// 105.
    pub(crate) fn require_perpetual(&self, id: u32) -> Result<&Symbol, RejectCode> {
        self.symbols.get(&id).filter(|symbol| symbol.perpetual.is_some()).ok_or(RejectCode::UnknownSymbol)
    }

    /// 105, 106 (CLOSED).
    pub(crate) fn require_open_perpetual(&self, id: u32) -> Result<&Symbol, RejectCode> {
        let symbol = self.require_perpetual(id)?;
        if symbol.status == SymbolStatus::Closed { Err(RejectCode::SymbolStatus) } else { Ok(symbol) }
    }

    pub(crate) fn set_perpetual(&mut self, origin: Origin, m: &SetPerpetual) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 6] && m.reserved2 == [0; 3])?;
        self.authorise(origin, None, &[Role::Admin])?;
        let id = m.symbol.0;
        let known = self.symbols.get(&id);
        require(known.is_none_or(|known| known.perpetual.is_some()))?;
        let mut symbol = self.consistent_symbol(&m.common(), known, SymbolKind::Perpetual)?;
        require(symbol.fee_model == FeeModel::Rate)?;
        let open_interest = known.map_or(0, |_| self.open_interest(id));
        let terms = consistent_terms(m)?;
        let most = terms.max_position.max(open_interest);
        require(product_in_bounds(&[symbol.max_price, most, symbol.quote_per_tick_lot]))?;
        symbol.perpetual = Some(match known.and_then(|known| known.perpetual.as_ref()) {
            Some(known) => Perpetual {
                mark: known.mark,
                newest_feed_time: known.newest_feed_time,
                run: known.run,
                funding_index: known.funding_index,
                funding_due: known.funding_due,
                ..terms
            },
            None => Perpetual { funding_due: u128::from(self.now) + u128::from(terms.funding_interval), ..terms },
        });
        self.symbols.insert(id, symbol);
        self.push_config(MessageType::SetPerpetual, id);
        Ok(())
    }

    pub(crate) fn set_position_limit(&mut self, origin: Origin, m: &SetPositionLimit) -> Result<(), RejectCode> {
        self.authorise(origin, None, &[Role::Admin])?;
        self.require_perpetual(m.symbol.0)?;
        require(m.account >= AccountId::FIRST_CUSTOMER && m.limit.0 >= 0)?;
        let account = self.accounts.get_mut(&m.account.0).ok_or(RejectCode::BadConfig)?;
        if m.limit.0 == 0 {
            account.limits.remove(&m.symbol.0);
        } else {
            account.limits.insert(m.symbol.0, i128::from(m.limit.0));
        }
        self.push_config(MessageType::SetPositionLimit, m.account.0);
        Ok(())
    }
}

/// The terms of a SET_PERPETUAL without mark and funding, or 603.
fn consistent_terms(m: &SetPerpetual) -> Result<Perpetual, RejectCode> {
    let is_rate = |rate: i64| (0..R).contains(&i128::from(rate));
    let is_time = |time: u64| (1..=BOUND).contains(&i128::from(time));
    require(m.max_position.0 >= 1 && is_time(m.mark_max_age) && is_time(m.funding_interval))?;
    require(is_rate(m.mark_jump.0) && is_rate(m.funding_cap.0) && is_rate(m.liquidation_fee.0))?;
    require((0..=BOUND).contains(&i128::from(m.fund_multiple.0)))?;
    require(m.max_leverage >= 1 && m.mark_confirmations >= 1 && m.reduce_only <= 1)?;
    Ok(Perpetual {
        max_position: i128::from(m.max_position.0),
        mark_max_age: m.mark_max_age,
        mark_jump: i128::from(m.mark_jump.0),
        funding_interval: m.funding_interval,
        funding_cap: i128::from(m.funding_cap.0),
        liquidation_fee: i128::from(m.liquidation_fee.0),
        fund_multiple: i128::from(m.fund_multiple.0),
        max_leverage: i128::from(m.max_leverage),
        mark_confirmations: u32::from(m.mark_confirmations),
        reduce_only: m.reduce_only == 1,
        tiers: consistent_tiers(m)?,
        mark: None,
        newest_feed_time: 0,
        run: None,
        funding_index: 0,
        funding_due: 0,
    })
}

fn consistent_tiers(m: &SetPerpetual) -> Result<Vec<Tier>, RejectCode> {
    let count = usize::from(m.tiers);
    require((1..=MAX_TIERS).contains(&count))?;
    let tier = |place: usize| Tier {
        cap: i128::from(m.tier_cap[place].0),
        rate: i128::from(m.tier_rate[place].0),
        amount: i128::from(m.tier_amount[place].0),
        leverage: i128::from(m.tier_leverage[place]),
    };
    let unused = Tier { cap: 0, rate: 0, amount: 0, leverage: 0 };
    require((count..MAX_TIERS).all(|place| tier(place) == unused))?;
    let tiers: Vec<Tier> = (0..count).map(tier).collect();
    require(tiers[0].cap >= 1 && tiers[count - 1].cap <= BOUND && tiers[0].amount == 0)?;
    for tier in &tiers {
        require(0 < tier.rate && tier.rate < R && tier.leverage >= 1 && tier.rate * tier.leverage < R)?;
    }
    for pair in tiers.windows(2) {
        let (lower, higher) = (pair[0], pair[1]);
        let step = lower.cap * (higher.rate - lower.rate);
        let is_continuous = higher.amount * R == lower.amount * R + step;
        require(lower.cap < higher.cap && lower.rate <= higher.rate && is_continuous)?;
    }
    Ok(tiers)
}
