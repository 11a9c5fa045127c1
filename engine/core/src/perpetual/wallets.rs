//! TRANSFER between the wallets of an account, ADJUST_MARGIN of an isolated position (DOMAIN §3.2, §6.3).
//!
//! Invariant: money only changes its place; what backs positions and orders stays where it is.

use super::work_loop::Bucket;
use crate::accounts::LastAdjustment;
use crate::engine::Engine;
use ringbook_event::{EventWriter, Origin, Record, Transfer as TransferEvent};
use ringbook_wire::message::{AdjustMargin, MessageType, Transfer};
use ringbook_wire::{AccountId, Amount, AssetId, ClientOrderId, MAX_AMOUNT, RejectCode, Role, SymbolId, SymbolStatus};

/// Towards futures wallet or position; or back.
const IN: u8 = 1;
const BACK: u8 = 2;

/// A movement of money inside an account.
struct Movement {
    kind: MessageType,
    account: AccountId,
    /// Asset, or perpetual.
    of: u32,
    number: u64,
    amount: Amount,
    reference: u64,
    direction: u8,
    whole: bool,
}

impl Engine {
    pub(crate) fn transfer(&mut self, origin: Origin, m: &Transfer, bytes: &[u8], out: &mut EventWriter<'_>) {
        let movement = Movement {
            kind: MessageType::Transfer,
            account: m.account,
            of: m.asset.0,
            number: m.adjustment,
            amount: m.amount,
            reference: m.reference,
            direction: m.direction,
            whole: m.reserved == [0; 7],
        };
        self.move_money(origin, &movement, bytes, out);
    }

    pub(crate) fn adjust_margin(&mut self, origin: Origin, m: &AdjustMargin, bytes: &[u8], out: &mut EventWriter<'_>) {
        let movement = Movement {
            kind: MessageType::AdjustMargin,
            account: m.account,
            of: m.symbol.0,
            number: m.adjustment,
            amount: m.amount,
            reference: m.reference,
            direction: m.direction,
            whole: m.reserved == [0; 7],
        };
        self.move_money(origin, &movement, bytes, out);
    }

    fn move_money(&mut self, origin: Origin, m: &Movement, bytes: &[u8], out: &mut EventWriter<'_>) {
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(m.kind, m.account, ClientOrderId::NONE, code, out);
        };
        if !m.whole || ![IN, BACK].contains(&m.direction) {
            return refuse(self, RejectCode::BadRequest, out);
        }
        let transfers = m.kind == MessageType::Transfer;
        let known = self.accounts.find(m.account).filter(|_| {
            let allowed = !m.account.is_system() || transfers && m.account != AccountId::EXTERNAL;
            allowed && self.keys.may_act(origin.key, m.account, &[Role::Trade, Role::Funds])
        });
        let Some(account) = known else {
            return refuse(self, RejectCode::UnknownAccount, out);
        };
        let payload = self.dedupe.payload_hash(bytes);
        let last = self.accounts.get(account).adjustment;
        if m.number == last.number && m.number != 0 && [0, payload].contains(&last.payload) {
            return self.moved(m, true, last.code, out);
        }
        if m.number <= last.number {
            return refuse(self, RejectCode::AdjustmentOld, out);
        }
        // ═══ point of no return: the number is consumed either way ═══
        let checked = if transfers { self.check_transfer(account, m) } else { self.check_adjust_margin(account, m) };
        let code = checked.err().map_or(0, RejectCode::code);
        self.accounts.get_mut(account).adjustment = LastAdjustment { number: m.number, payload, code };
        if let Err(code) = checked {
            return refuse(self, code, out);
        }
        let by = if m.direction == IN { m.amount.0 } else { -m.amount.0 };
        if transfers {
            self.accounts.change(account, AssetId(m.of), -by, 0);
            self.accounts.change_futures(account, AssetId(m.of), by);
            self.touch_wallet(account, AssetId(m.of));
        } else {
            let slot = self.accounts.position(account, SymbolId(m.of)).expect("it was checked");
            let asset = self.positions.get(slot).asset;
            let margin = &mut self.positions.change(slot).margin;
            *margin = crate::money::add(*margin, Amount(by));
            self.accounts.change_futures(account, asset, -by);
            self.touch_wallet(account, asset);
            self.touch_position(slot);
        }
        self.moved(m, false, 0, out);
        self.work_loop(out);
        self.handle_rest(m.kind, m.account, out);
    }

    fn check_transfer(&self, account: u32, m: &Movement) -> Result<(), RejectCode> {
        let (asset, system) = (AssetId(m.of), m.account.is_system());
        if self.accounts.get(account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if self.symbols.asset(asset).is_none() {
            return Err(RejectCode::UnknownAsset);
        }
        let amount = i128::from(m.amount.0);
        if m.direction == IN {
            if i128::from(self.accounts.available(account, asset).0) < amount {
                return Err(RejectCode::InsufficientBalance);
            }
        } else {
            if self.maintenance && !system {
                return Err(RejectCode::Maintenance);
            }
            let margin = self.margin(account, asset, None);
            if (if system { margin.wallet } else { margin.transferable() }) < amount {
                return Err(RejectCode::InsufficientMargin);
            }
            if !system && !self.marks_are_fresh(account, asset) {
                return Err(RejectCode::NoMark);
            }
        }
        if (1..=MAX_AMOUNT).contains(&m.amount.0) { Ok(()) } else { Err(RejectCode::Amount) }
    }

    fn check_adjust_margin(&self, account: u32, m: &Movement) -> Result<(), RejectCode> {
        let id = SymbolId(m.of);
        if self.accounts.get(account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        let symbol = self.symbols.get(id).filter(|symbol| symbol.contract.is_some());
        let symbol = symbol.ok_or(RejectCode::UnknownSymbol)?;
        if symbol.status == SymbolStatus::Closed {
            return Err(RejectCode::SymbolStatus);
        }
        if m.direction == BACK && self.maintenance {
            return Err(RejectCode::Maintenance);
        }
        let position = self.position_or_new(account, id);
        let isolated = position.is_isolated() && position.state.quantity != 0;
        let amount = i128::from(m.amount.0);
        let (most, fresh) = if m.direction == IN {
            let asset = symbol.terms.quote;
            (self.margin(account, asset, None).transferable(), self.marks_are_fresh(account, asset))
        } else {
            (if isolated { self.removable(&position) } else { 0 }, self.contract(id).is_fresh(self.time))
        };
        if most < amount {
            return Err(RejectCode::InsufficientMargin);
        }
        if !fresh {
            return Err(RejectCode::NoMark);
        }
        if isolated && (1..=MAX_AMOUNT).contains(&m.amount.0) { Ok(()) } else { Err(RejectCode::Amount) }
    }

    /// Whether the marks of all cross positions of an account in an asset are fresh.
    fn marks_are_fresh(&self, account: u32, asset: AssetId) -> bool {
        self.positions_of(account, Bucket::Cross(asset))
            .all(|slot| self.contract(self.positions.get(slot).symbol).is_fresh(self.time))
    }

    fn moved(&self, m: &Movement, replayed: bool, code: u16, out: &mut EventWriter<'_>) {
        let kind = match (m.kind, m.direction) {
            (MessageType::Transfer, IN) => 3,
            (MessageType::Transfer, _) => 4,
            (_, IN) => 5,
            _ => 6,
        };
        out.push(&TransferEvent {
            header: TransferEvent::header(kind, u8::from(replayed), m.account.0),
            asset: AssetId(m.of),
            code,
            reserved: 0,
            adjustment: m.number,
            amount: m.amount,
            reference: m.reference,
        });
    }
}
