//! DEPOSIT and WITHDRAW with adjustment numbers (DOMAIN §3.2, EVENTS).
//!
//! Invariants: a number is used once, whatever became of it; EXTERNAL has minus what is inside; an asset's net supply
//! stays at or below 2^62.

use crate::Oracle;
use crate::dedupe::payload;
use crate::money::BOUND;
use crate::state::Adjustment;
use ringbook_event::{Origin, Record, Transfer};
use ringbook_wire::message::{Deposit, MessageType, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, RejectCode, Role};

/// A deposit or a withdrawal.
struct Money {
    kind: MessageType,
    account: AccountId,
    asset: AssetId,
    adjustment: u64,
    amount: Amount,
    reference: u64,
    payload: Vec<u8>,
}

impl Oracle {
    pub(crate) fn deposit(&mut self, origin: Origin, m: &Deposit, message: &[u8]) -> Result<(), RejectCode> {
        self.transfer(
            origin,
            Money {
                kind: MessageType::Deposit,
                account: m.account,
                asset: m.asset,
                adjustment: m.adjustment,
                amount: m.amount,
                reference: m.reference,
                payload: payload(message).to_vec(),
            },
        )
    }

    pub(crate) fn withdraw(&mut self, origin: Origin, m: &Withdraw, message: &[u8]) -> Result<(), RejectCode> {
        self.transfer(
            origin,
            Money {
                kind: MessageType::Withdraw,
                account: m.account,
                asset: m.asset,
                adjustment: m.adjustment,
                amount: m.amount,
                reference: m.reference,
                payload: payload(message).to_vec(),
            },
        )
    }

    fn transfer(&mut self, origin: Origin, money: Money) -> Result<(), RejectCode> {
        self.authorise(origin, Some(money.account.0), &[Role::Funds])?;
        let account = self.accounts.get(&money.account.0).ok_or(RejectCode::UnknownAccount)?;
        if money.account == AccountId::EXTERNAL {
            return Err(RejectCode::UnknownAccount);
        }
        let request = (money.kind as u8, money.payload.clone());
        if let Some(last) = &account.adjustment {
            let same = last.payload.as_ref().is_none_or(|known| *known == request);
            if money.adjustment == last.number && same {
                let code = last.code;
                self.push_transfer(&money, code, true);
                return Ok(());
            }
        }
        if money.adjustment <= account.last_adjustment() {
            return Err(RejectCode::AdjustmentOld);
        }
        let outcome = self.check_transfer(&money);
        let code = outcome.err().map_or(0, RejectCode::code);
        let account = self.accounts.get_mut(&money.account.0).expect("looked up above");
        account.adjustment = Some(Adjustment { number: money.adjustment, payload: Some(request), code });
        outcome?;
        let change = signed_amount(&money);
        self.wallet(money.account.0, money.asset.0).available += change;
        self.wallet(AccountId::EXTERNAL.0, money.asset.0).available -= change;
        self.push_transfer(&money, 0, false);
        Ok(())
    }

    /// 103, 104, 300, 501, 502.
    fn check_transfer(&self, money: &Money) -> Result<(), RejectCode> {
        let is_withdrawal = money.kind == MessageType::Withdraw;
        let amount = i128::from(money.amount.0);
        if is_withdrawal && self.accounts[&money.account.0].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if !self.assets.contains_key(&money.asset.0) {
            return Err(RejectCode::UnknownAsset);
        }
        if is_withdrawal && money.account >= AccountId::FIRST_CUSTOMER {
            self.check_maintenance()?;
        }
        if is_withdrawal && self.available(money.account.0, money.asset.0) < amount {
            return Err(RejectCode::InsufficientBalance);
        }
        if !(1..=BOUND).contains(&amount) {
            return Err(RejectCode::Amount);
        }
        let supply = -self.available(AccountId::EXTERNAL.0, money.asset.0);
        if supply + signed_amount(money) > BOUND {
            return Err(RejectCode::SupplyLimit);
        }
        Ok(())
    }

    fn push_transfer(&mut self, money: &Money, code: u16, replayed: bool) {
        let (kind, amount) = match money.kind {
            MessageType::Withdraw => (2, money.amount.0.wrapping_neg()),
            _ => (1, money.amount.0),
        };
        self.events.push(
            Transfer {
                header: Transfer::header(kind, u8::from(replayed), money.account.0),
                asset: money.asset,
                code,
                reserved: 0,
                adjustment: money.adjustment,
                amount: Amount(amount),
                reference: money.reference,
            }
            .into(),
        );
    }
}

/// What the account gets.
fn signed_amount(money: &Money) -> i128 {
    let amount = i128::from(money.amount.0);
    if money.kind == MessageType::Withdraw { -amount } else { amount }
}
