//! DEPOSIT, WITHDRAW, TRANSFER and ADJUST_MARGIN with adjustment numbers (DOMAIN §3.2, EVENTS, PERPETUAL).
//!
//! Invariants: a number is used once, whatever became of it; EXTERNAL has minus what is inside; an asset's net supply
//! stays at or below 2^62.

use crate::Oracle;
use crate::configure::require_zero;
use crate::dedupe::payload;
use crate::money::BOUND;
use crate::state::Adjustment;
use ringbook_event::{self as event, Origin, Record};
use ringbook_wire::message::{AdjustMargin, Deposit, MessageType, Transfer, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, RejectCode, Role};

/// Where the money goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In from outside.
    Deposit,
    /// Out.
    Withdraw,
    /// From the spot wallet to the futures wallet.
    ToFutures,
    /// Back.
    ToSpot,
    /// From the futures wallet to an isolated position.
    ToPosition,
    /// Back.
    FromPosition,
}

/// A money command.
pub struct Money {
    pub way: Way,
    pub kind: MessageType,
    pub account: AccountId,
    /// The asset; of ADJUST_MARGIN the symbol.
    pub object: u32,
    pub adjustment: u64,
    pub amount: i64,
    pub reference: u64,
    pub payload: Vec<u8>,
}

impl Oracle {
    pub(crate) fn deposit(&mut self, origin: Origin, m: &Deposit, message: &[u8]) -> Result<(), RejectCode> {
        let money = Money {
            way: Way::Deposit,
            kind: MessageType::Deposit,
            account: m.account,
            object: m.asset.0,
            adjustment: m.adjustment,
            amount: m.amount.0,
            reference: m.reference,
            payload: payload(message).to_vec(),
        };
        self.authorise(origin, Some(m.account.0), &[Role::Funds])?;
        self.move_money(&money)
    }

    pub(crate) fn withdraw(&mut self, origin: Origin, m: &Withdraw, message: &[u8]) -> Result<(), RejectCode> {
        let money = Money {
            way: Way::Withdraw,
            kind: MessageType::Withdraw,
            account: m.account,
            object: m.asset.0,
            adjustment: m.adjustment,
            amount: m.amount.0,
            reference: m.reference,
            payload: payload(message).to_vec(),
        };
        self.authorise(origin, Some(m.account.0), &[Role::Funds])?;
        self.move_money(&money)
    }

    pub(crate) fn transfer(&mut self, origin: Origin, m: &Transfer, message: &[u8]) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 7])?;
        let way = match m.direction {
            1 => Way::ToFutures,
            2 => Way::ToSpot,
            _ => return Err(RejectCode::BadRequest),
        };
        let money = Money {
            way,
            kind: MessageType::Transfer,
            account: m.account,
            object: m.asset.0,
            adjustment: m.adjustment,
            amount: m.amount.0,
            reference: m.reference,
            payload: payload(message).to_vec(),
        };
        self.authorise(origin, Some(m.account.0), &[Role::Trade, Role::Funds])?;
        self.move_money(&money)
    }

    pub(crate) fn adjust_margin(&mut self, origin: Origin, m: &AdjustMargin, message: &[u8]) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 7])?;
        let way = match m.direction {
            1 => Way::ToPosition,
            2 => Way::FromPosition,
            _ => return Err(RejectCode::BadRequest),
        };
        let money = Money {
            way,
            kind: MessageType::AdjustMargin,
            account: m.account,
            object: m.symbol.0,
            adjustment: m.adjustment,
            amount: m.amount.0,
            reference: m.reference,
            payload: payload(message).to_vec(),
        };
        self.authorise(origin, Some(m.account.0), &[Role::Trade, Role::Funds])?;
        self.require_customer(m.account)?;
        self.move_money(&money)
    }

    /// The adjustment number, the checks, the move and TRANSFER.
    fn move_money(&mut self, money: &Money) -> Result<(), RejectCode> {
        let account = self.accounts.get(&money.account.0).ok_or(RejectCode::UnknownAccount)?;
        if money.account == AccountId::EXTERNAL {
            return Err(RejectCode::UnknownAccount);
        }
        let request = (money.kind as u8, money.payload.clone());
        if let Some(last) = &account.adjustment {
            let same = last.payload.as_ref().is_none_or(|known| *known == request);
            if money.adjustment == last.number && same {
                let code = last.code;
                self.push_transfer(money, code, true);
                return Ok(());
            }
        }
        if money.adjustment <= account.last_adjustment() {
            return Err(RejectCode::AdjustmentOld);
        }
        let outcome = match money.way {
            Way::Deposit | Way::Withdraw => self.check_supply_change(money),
            Way::ToFutures | Way::ToSpot => self.check_transfer(money),
            Way::ToPosition | Way::FromPosition => self.check_adjust_margin(money),
        };
        let code = outcome.err().map_or(0, RejectCode::code);
        let account = self.accounts.get_mut(&money.account.0).expect("looked up above");
        account.adjustment = Some(Adjustment { number: money.adjustment, payload: Some(request), code });
        outcome?;
        self.apply_money(money);
        self.push_transfer(money, 0, false);
        Ok(())
    }

    fn apply_money(&mut self, money: &Money) {
        let (account, amount) = (money.account.0, i128::from(money.amount));
        match money.way {
            Way::Deposit => self.supply(account, money.object, amount),
            Way::Withdraw => self.supply(account, money.object, -amount),
            Way::ToFutures => self.move_to_futures(account, money.object, amount),
            Way::ToSpot => self.move_to_futures(account, money.object, -amount),
            Way::ToPosition => self.move_to_position(account, money.object, amount),
            Way::FromPosition => self.move_to_position(account, money.object, -amount),
        }
    }

    fn supply(&mut self, account: u32, asset: u32, amount: i128) {
        self.wallet(account, asset).available += amount;
        self.wallet(AccountId::EXTERNAL.0, asset).available -= amount;
    }

    /// 103, 104, 300, 501, 502 of DEPOSIT and WITHDRAW.
    fn check_supply_change(&self, money: &Money) -> Result<(), RejectCode> {
        let is_withdrawal = money.way == Way::Withdraw;
        let amount = i128::from(money.amount);
        if is_withdrawal && self.accounts[&money.account.0].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if !self.assets.contains_key(&money.object) {
            return Err(RejectCode::UnknownAsset);
        }
        if is_withdrawal && money.account >= AccountId::FIRST_CUSTOMER {
            self.check_maintenance()?;
        }
        if is_withdrawal && self.available(money.account.0, money.object) < amount {
            return Err(RejectCode::InsufficientBalance);
        }
        check_amount(amount)?;
        let supply = -self.available(AccountId::EXTERNAL.0, money.object);
        let change = if is_withdrawal { -amount } else { amount };
        if supply + change > BOUND {
            return Err(RejectCode::SupplyLimit);
        }
        Ok(())
    }

    fn push_transfer(&mut self, money: &Money, code: u16, replayed: bool) {
        let (kind, amount) = match money.way {
            Way::Deposit => (1, money.amount),
            Way::Withdraw => (2, money.amount.wrapping_neg()),
            Way::ToFutures => (3, money.amount),
            Way::ToSpot => (4, money.amount),
            Way::ToPosition => (5, money.amount),
            Way::FromPosition => (6, money.amount),
        };
        self.events.push(
            event::Transfer {
                header: event::Transfer::header(kind, u8::from(replayed), money.account.0),
                asset: AssetId(money.object),
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

/// 501.
pub fn check_amount(amount: i128) -> Result<(), RejectCode> {
    if (1..=BOUND).contains(&amount) { Ok(()) } else { Err(RejectCode::Amount) }
}
