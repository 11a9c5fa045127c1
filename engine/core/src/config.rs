//! Assets, symbols, accounts, keys and status: every change is a journaled command of the operator (docs/EVENTS.md).

use crate::accounts::OwnFees;
use crate::engine::Engine;
use crate::keys::{Key, MAX_KEY};
use crate::pending::Task;
use crate::symbols::{Asset, MAX_ID, MAX_SCALE, Terms, is_fee_rate};
use ringbook_event::{Config, EventWriter, Origin, Record, Status};
use ringbook_wire::message::{MessageType, SetAccount, SetAsset, SetFees, SetKey, SetStatus, SetSymbol, name_of};
use ringbook_wire::{AccountId, ClientOrderId, FeeModel, Price, RejectCode, Role, SymbolId, SymbolKind, SymbolStatus};

impl Engine {
    /// Writes CONFIG.
    pub(crate) fn configured(&self, kind: MessageType, object: u32, out: &mut EventWriter<'_>) {
        out.push(&Config { header: Config::header(kind as u8, 0, object), reserved: 0 });
    }

    pub(crate) fn refuse_config(
        &self,
        kind: MessageType,
        account: AccountId,
        code: RejectCode,
        out: &mut EventWriter<'_>,
    ) {
        self.reject(kind, account, ClientOrderId::NONE, code, out);
    }

    /// Reserved bytes, then the sender's role.
    pub(crate) fn may_configure(&self, origin: Origin, reserved_zero: bool) -> Result<(), RejectCode> {
        if !reserved_zero {
            return Err(RejectCode::BadRequest);
        }
        if self.keys.has_role(origin.key, Role::Admin) { Ok(()) } else { Err(RejectCode::UnknownAccount) }
    }

    pub(crate) fn set_asset(&mut self, origin: Origin, m: &SetAsset, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetAsset;
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 3]) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        let asset = Asset { scale: m.scale, name: m.name };
        let consistent = (1..=MAX_ID).contains(&m.asset.0)
            && m.scale <= MAX_SCALE
            && name_of(&m.name).is_some()
            && self.symbols.asset(m.asset).is_none_or(|known| *known == asset)
            && self.symbols.assets().all(|(id, other)| id == m.asset || other.name != m.name);
        if !consistent {
            return self.refuse_config(kind, AccountId(0), RejectCode::BadConfig, out);
        }
        self.symbols.set_asset(m.asset, asset);
        self.configured(kind, m.asset.0, out);
    }

    pub(crate) fn set_symbol(&mut self, origin: Origin, m: &SetSymbol, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetSymbol;
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 6] && m.reserved2 == [0; 3]) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        let Some((terms, status)) = self.checked_terms(m, SymbolKind::Spot) else {
            return self.refuse_config(kind, AccountId(0), RejectCode::BadConfig, out);
        };
        self.define_symbol(m.symbol, terms, status);
        self.configured(kind, m.symbol.0, out);
    }

    /// The terms in a message and the status at creation, if all is consistent; `None` is BAD_CONFIG.
    pub(crate) fn checked_terms(&self, m: &SetSymbol, kind: SymbolKind) -> Option<(Terms, Option<SymbolStatus>)> {
        let status = SymbolStatus::from_code(m.status).filter(|&status| status != SymbolStatus::Closed);
        let terms = self.symbols.terms_of(m).filter(|terms| {
            let by_rate = terms.fees.model == FeeModel::Rate;
            terms.kind == kind
                && (kind == SymbolKind::Spot || by_rate)
                && self.symbols.all().all(|other| other.id == m.symbol || other.terms.name != terms.name)
                && match self.symbols.get(m.symbol) {
                    None => status.is_some(),
                    Some(known) => {
                        let fixed = |t: &Terms| (t.name, t.base, t.quote, t.base_lot, t.k, t.kind, t.fees.model);
                        fixed(&known.terms) == fixed(terms)
                    }
                }
        });
        Some((terms?, status))
    }

    /// Adds a symbol, or gives it other terms; both were checked.
    pub(crate) fn define_symbol(&mut self, id: SymbolId, terms: Terms, status: Option<SymbolStatus>) {
        match status {
            Some(status) if self.symbols.get(id).is_none() => {
                self.symbols.add(id, terms, status, Price::ZERO);
            }
            _ => {
                let symbol = self.symbols.at_mut(id);
                symbol.terms = terms;
                symbol.book.widen(&mut self.orders, terms.max_price);
                symbol.stops.widen(&mut self.orders, terms.max_price);
            }
        }
    }

    pub(crate) fn set_account(&mut self, origin: Origin, m: &SetAccount, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetAccount;
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 7]) {
            return self.refuse_config(kind, m.account, code, out);
        }
        if m.account.is_system() || m.suspended > 1 {
            return self.refuse_config(kind, m.account, RejectCode::BadConfig, out);
        }
        let slot = match self.accounts.find(m.account) {
            Some(slot) => slot,
            None => self.accounts.add(m.account),
        };
        self.accounts.set_group(slot, m.group);
        self.accounts.get_mut(slot).suspended = m.suspended == 1;
        self.configured(kind, m.account.0, out);
    }

    pub(crate) fn set_fees(&mut self, origin: Origin, m: &SetFees, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetFees;
        if let Err(code) = self.may_configure(origin, m.reserved == 0) {
            return self.refuse_config(kind, m.account, code, out);
        }
        let slot = self.accounts.find(m.account).filter(|_| !m.account.is_system());
        let Some(slot) = slot.filter(|_| m.removed <= 1 && is_fee_rate(m.taker.0) && is_fee_rate(m.maker.0)) else {
            return self.refuse_config(kind, m.account, RejectCode::BadConfig, out);
        };
        let fees = &mut self.accounts.get_mut(slot).fees;
        fees.retain(|own| own.group != m.fee_group);
        if m.removed == 0 {
            let at = fees.partition_point(|own| own.group < m.fee_group);
            fees.insert(at, OwnFees { group: m.fee_group, taker: m.taker.0, maker: m.maker.0 });
        }
        self.configured(kind, m.account.0, out);
    }

    pub(crate) fn set_status(&mut self, origin: Origin, m: &SetStatus, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetStatus;
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.refuse_config(kind, AccountId(0), code, out);
        };
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 3]) {
            return refuse(self, code, out);
        }
        if m.symbol.0 == 0 {
            return self.set_exchange_status(m, out);
        }
        if !self.knows_symbol(m.symbol) {
            return refuse(self, RejectCode::UnknownSymbol, out);
        }
        let before = self.symbols.at(m.symbol).status;
        let status = SymbolStatus::from_code(m.status);
        // Nothing trades in maintenance, so that no book can cross and no stop order can be due.
        if self.maintenance && status == Some(SymbolStatus::Trading) {
            return refuse(self, RejectCode::Maintenance, out);
        }
        // CLOSED is final; every other change may be. A perpetual is closed by its settlement.
        let settles = status == Some(SymbolStatus::Closed) && self.is_perpetual(m.symbol);
        let may_change = before != SymbolStatus::Closed && !settles;
        let Some(status) = status.filter(|_| may_change) else {
            return refuse(self, RejectCode::BadConfig, out);
        };
        self.symbols.at_mut(m.symbol).status = status;
        let header = Status::header(status.code(), before.code(), m.symbol.0);
        out.push(&Status { header, reserved: 0 });
        match status {
            SymbolStatus::Closed => {
                let (count, more) = self.begin_ending(Task::Close { symbol: m.symbol, settle: None }, out);
                self.handled(kind, AccountId(0), count, 0, more, out);
            }
            SymbolStatus::Trading => {
                self.uncross(m.symbol, out);
                self.handle_rest(kind, AccountId(0), out);
            }
            SymbolStatus::CancelOnly => {
                self.enter(m.symbol);
                self.work_loop(out);
                self.handle_rest(kind, AccountId(0), out);
            }
            SymbolStatus::PreOpen | SymbolStatus::Halted => {}
        }
    }

    /// The status of the whole exchange: TRADING, or CANCEL_ONLY, which is maintenance.
    fn set_exchange_status(&mut self, m: &SetStatus, out: &mut EventWriter<'_>) {
        let maintenance = match SymbolStatus::from_code(m.status) {
            Some(SymbolStatus::Trading) => false,
            Some(SymbolStatus::CancelOnly) => true,
            _ => return self.refuse_config(MessageType::SetStatus, AccountId(0), RejectCode::BadConfig, out),
        };
        let before = if self.maintenance { SymbolStatus::CancelOnly } else { SymbolStatus::Trading };
        self.maintenance = maintenance;
        out.push(&Status { header: Status::header(m.status, before.code(), 0), reserved: 0 });
        let perpetuals: Vec<SymbolId> =
            self.symbols.all().filter(|symbol| symbol.contract.is_some()).map(|symbol| symbol.id).collect();
        for symbol in perpetuals {
            self.enter(symbol);
        }
        self.work_loop(out);
        self.handle_rest(MessageType::SetStatus, AccountId(0), out);
    }

    pub(crate) fn set_key(&mut self, origin: Origin, m: &SetKey, out: &mut EventWriter<'_>) {
        let kind = MessageType::SetKey;
        if let Err(code) = self.may_configure(origin, m.reserved == [0; 2] && m.reserved2 == 0) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        let role = Role::from_code(m.role);
        let consistent = (1..=MAX_KEY).contains(&m.key.0) && m.revoked <= 1 && m.first_account <= m.last_account;
        let Some(role) = role.filter(|_| consistent) else {
            return self.refuse_config(kind, AccountId(0), RejectCode::BadConfig, out);
        };
        let key = Key {
            role,
            revoked: m.revoked == 1,
            first_account: m.first_account,
            last_account: m.last_account,
            public_key: m.public_key,
        };
        self.keys.set(m.key, key);
        self.configured(kind, m.key.0, out);
    }
}
