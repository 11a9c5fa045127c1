//! DEPOSIT and WITHDRAW with rising adjustment numbers (DOMAIN §3.2).
//!
//! Invariant: money enters and leaves only against EXTERNAL, so every asset sums to 0 over all accounts.

use crate::accounts::LastAdjustment;
use crate::engine::Engine;
use ringbook_event::{EventWriter, Origin, Record, Transfer};
use ringbook_wire::message::{Deposit, MessageType, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, ClientOrderId, MAX_AMOUNT, RejectCode, Role};

/// A deposit or a withdrawal.
struct Adjustment {
    kind: MessageType,
    account: AccountId,
    asset: AssetId,
    number: u64,
    amount: Amount,
    reference: u64,
}

impl Adjustment {
    /// What the account gets: negative for a withdrawal. Only for amounts that were checked.
    fn credit(&self) -> i64 {
        if self.kind == MessageType::Deposit { self.amount.0 } else { self.amount.0.wrapping_neg() }
    }
}

impl Engine {
    pub(crate) fn deposit(&mut self, origin: Origin, m: &Deposit, bytes: &[u8], out: &mut EventWriter<'_>) {
        let Deposit { account, asset, adjustment: number, amount, reference, .. } = *m;
        let kind = MessageType::Deposit;
        self.adjust(origin, &Adjustment { kind, account, asset, number, amount, reference }, bytes, out);
    }

    pub(crate) fn withdraw(&mut self, origin: Origin, m: &Withdraw, bytes: &[u8], out: &mut EventWriter<'_>) {
        let Withdraw { account, asset, adjustment: number, amount, reference, .. } = *m;
        let kind = MessageType::Withdraw;
        self.adjust(origin, &Adjustment { kind, account, asset, number, amount, reference }, bytes, out);
    }

    fn adjust(&mut self, origin: Origin, a: &Adjustment, bytes: &[u8], out: &mut EventWriter<'_>) {
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(a.kind, a.account, ClientOrderId::NONE, code, out);
        };
        let account = match self.authorise(origin.key, a.account, &[Role::Funds]) {
            Ok(account) if a.account != AccountId::EXTERNAL => account,
            _ => return refuse(self, RejectCode::UnknownAccount, out),
        };
        let payload = self.dedupe.payload_hash(bytes);
        let last = self.accounts.get(account).adjustment;
        if a.number == last.number && a.number != 0 && [0, payload].contains(&last.payload) {
            return self.transferred(a, true, last.code, out);
        }
        if a.number <= last.number {
            return refuse(self, RejectCode::AdjustmentOld, out);
        }
        // ═══ point of no return: the number is consumed either way ═══
        let checked = self.check_adjustment(account, a);
        let code = checked.err().map_or(0, RejectCode::code);
        self.accounts.get_mut(account).adjustment = LastAdjustment { number: a.number, payload, code };
        if let Err(code) = checked {
            return refuse(self, code, out);
        }
        let external = self.accounts.find(AccountId::EXTERNAL).expect("system accounts exist from the beginning");
        self.accounts.change(account, a.asset, a.credit(), 0);
        self.accounts.change(external, a.asset, -a.credit(), 0);
        self.transferred(a, false, 0, out);
    }

    fn check_adjustment(&self, account: u32, a: &Adjustment) -> Result<(), RejectCode> {
        let withdraws = a.kind == MessageType::Withdraw;
        if withdraws && self.accounts.get(account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if self.symbols.asset(a.asset).is_none() {
            return Err(RejectCode::UnknownAsset);
        }
        if withdraws && self.maintenance && !a.account.is_system() {
            return Err(RejectCode::Maintenance);
        }
        if withdraws && self.accounts.available(account, a.asset) < a.amount {
            return Err(RejectCode::InsufficientBalance);
        }
        if !(1..=MAX_AMOUNT).contains(&a.amount.0) {
            return Err(RejectCode::Amount);
        }
        let external = self.accounts.find(AccountId::EXTERNAL).expect("system accounts exist from the beginning");
        let supply = i128::from(a.credit()) - i128::from(self.accounts.available(external, a.asset).0);
        if supply > i128::from(MAX_AMOUNT) {
            return Err(RejectCode::SupplyLimit);
        }
        Ok(())
    }

    fn transferred(&self, a: &Adjustment, replayed: bool, code: u16, out: &mut EventWriter<'_>) {
        let direction = if a.kind == MessageType::Deposit { 1 } else { 2 };
        out.push(&Transfer {
            header: Transfer::header(direction, u8::from(replayed), a.account.0),
            asset: a.asset,
            code,
            reserved: 0,
            adjustment: a.number,
            amount: Amount(a.credit()),
            reference: a.reference,
        });
    }
}
