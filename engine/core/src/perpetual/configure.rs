//! SET_PERPETUAL, SET_POSITION_LIMIT, SET_LEVERAGE (DOMAIN §2, §6.1; docs/PERPETUAL.md).

use super::contract::{Contract, ContractTerms};
use super::margin::{Change, larger_side};
use crate::engine::Engine;
use crate::orders::NIL;
use ringbook_event::{EventWriter, Origin};
use ringbook_wire::message::{MessageType, SetLeverage, SetPerpetual, SetPositionLimit};
use ringbook_wire::{
    AccountId, ClientOrderId, MarginMode, RejectCode, Role, SymbolKind, SymbolStatus, TimestampNs, div_ceil,
};

impl Engine {
    pub(crate) fn set_perpetual(&mut self, origin: Origin, m: &SetPerpetual, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetPerpetual;
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 6] && m.reserved2 == [0; 3]) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        let known = self.symbols.get(m.symbol).and_then(|symbol| symbol.contract.as_ref());
        let interest = known.map_or(0, |contract| contract.open_interest);
        let contract = ContractTerms::of(m, interest);
        let Some((contract, (terms, status))) = contract.zip(self.checked_terms(&m.common(), SymbolKind::Perpetual))
        else {
            return self.refuse_config(kind, AccountId(0), RejectCode::BadConfig, out);
        };
        // ═══ point of no return ═══
        self.define_symbol(m.symbol, terms, status);
        let due = TimestampNs(self.time.0.saturating_add(contract.funding_interval));
        let symbol = self.symbols.at_mut(m.symbol);
        match &mut symbol.contract {
            Some(known) => {
                known.terms = contract;
                known.stops.widen(&mut self.orders, terms.max_price);
                known.watch.forget();
                known.watch.note_places(&mut self.positions);
            }
            none => *none = Some(Box::new(Contract::new(contract, terms.max_price, due))),
        }
        self.contract_mut(m.symbol).reduce_only = m.reduce_only == 1;
        self.configured(kind, m.symbol.0, out);
    }

    pub(crate) fn set_position_limit(&mut self, origin: Origin, m: &SetPositionLimit, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetPositionLimit;
        if let Err(code) = self.may_configure(origin, true) {
            return self.refuse_config(kind, m.account, code, out);
        }
        if !self.is_perpetual(m.symbol) {
            return self.refuse_config(kind, m.account, RejectCode::UnknownSymbol, out);
        }
        let slot = self.accounts.find(m.account).filter(|_| !m.account.is_system() && m.limit.0 >= 0);
        let Some(slot) = slot else {
            return self.refuse_config(kind, m.account, RejectCode::BadConfig, out);
        };
        let position = self.ensure_record(slot, m.symbol);
        self.positions.get_mut(position).limit = m.limit.0;
        self.configured(kind, m.account.0, out);
    }

    pub(crate) fn set_leverage(&mut self, origin: Origin, m: &SetLeverage, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetLeverage;
        let mode = MarginMode::from_code(m.mode).filter(|_| m.reserved == [0; 3]);
        let checked = mode.ok_or(RejectCode::BadRequest).and_then(|mode| {
            let account = self.authorise(origin.key, m.account, &[Role::Trade])?;
            self.check_leverage(account, m, mode)?;
            Ok((account, mode))
        });
        let (account, mode) = match checked {
            Ok(checked) => checked,
            Err(code) => return self.reject(kind, m.account, ClientOrderId::NONE, code, out),
        };
        // ═══ point of no return ═══
        let slot = self.ensure_position(account, m.symbol);
        let state = self.positions.change(slot);
        (state.mode, state.leverage) = (mode, m.leverage);
        self.configured(kind, m.account.0, out);
    }

    fn check_leverage(&self, account: u32, m: &SetLeverage, mode: MarginMode) -> Result<(), RejectCode> {
        if self.accounts.get(account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if !self.is_perpetual(m.symbol) {
            return Err(RejectCode::UnknownSymbol);
        }
        let symbol = self.symbols.at(m.symbol);
        if symbol.status == SymbolStatus::Closed {
            return Err(RejectCode::SymbolStatus);
        }
        if self.maintenance {
            return Err(RejectCode::Maintenance);
        }
        let contract = self.contract(m.symbol);
        let present = self.present(account, m.symbol, NIL);
        let before = present.position.state;
        let in_range = (1..=contract.terms.max_leverage).contains(&m.leverage);
        if in_range && mode == MarginMode::Cross && before.mode == mode {
            let larger = larger_side(&present.position, contract.mark, symbol.terms.k);
            let margin_at = |leverage: u32| div_ceil(larger, i128::from(leverage));
            let mut after: Change = present;
            after.position.state.leverage = m.leverage;
            let margin = self.margin(account, present.position.asset, Some(&after));
            if margin_at(m.leverage) > margin_at(before.leverage) && margin.equity < margin.used {
                return Err(RejectCode::InsufficientMargin);
            }
            let tier = &contract.terms.tiers[contract.terms.tier_of(larger)];
            if m.leverage > before.leverage && m.leverage > tier.max_leverage {
                return Err(RejectCode::TierLeverage);
            }
        }
        let changes = mode != before.mode || mode == MarginMode::Isolated && m.leverage != before.leverage;
        let (open, waiting) = self.accounts.open_counts(account, m.symbol);
        if changes && (before.quantity != 0 || open + waiting != 0) {
            return Err(RejectCode::HasPositionOrOrders);
        }
        if in_range { Ok(()) } else { Err(RejectCode::LeverageRange) }
    }
}
