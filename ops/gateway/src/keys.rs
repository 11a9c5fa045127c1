//! The keys as the committed journal has them: who may log on, and what the gateway need not even ask the engine.

use ringbook_core::KeyView;
use ringbook_event::{Event, events, split_command};
use ringbook_wire::message::{Message, MessageType, SetKey};
use ringbook_wire::{AccountId, KeyId, Role};
use rustc_hash::FxHashMap;
use zerocopy::FromBytes;

/// Keys by id.
#[derive(Clone, Debug, Default)]
pub struct KeyTable(FxHashMap<KeyId, KeyView>);

impl KeyTable {
    /// A table of the keys of a state.
    pub fn new(keys: &[KeyView]) -> Self {
        Self(keys.iter().map(|key| (key.key, *key)).collect())
    }

    /// A key that may log on.
    pub fn get(&self, id: KeyId) -> Option<&KeyView> {
        self.0.get(&id).filter(|key| !key.revoked)
    }

    /// Follows a committed frame; the key that it changed, if any.
    pub fn follow(&mut self, command: &[u8], event_bytes: &[u8]) -> Option<KeyId> {
        let (_, header, message) = split_command(command).ok()?;
        if header.kind != MessageType::SetKey as u8 {
            return None;
        }
        // Orders that expire with the command end in front of its answer.
        if !events(event_bytes).any(|event| matches!(event, Ok(Event::Config(_)))) {
            return None;
        }
        let m = SetKey::read(message)?;
        let role = Role::from_code(m.role)?;
        let key = KeyView {
            key: m.key,
            role,
            revoked: m.revoked == 1,
            first_account: m.first_account,
            last_account: m.last_account,
            public_key: m.public_key,
        };
        self.0.insert(m.key, key);
        Some(m.key)
    }
}

/// Whether a key's role and range allow a command at all. The engine decides again; this only keeps what cannot
/// succeed out of the journal.
pub fn is_entitled(key: &KeyView, kind: MessageType, message: &[u8]) -> bool {
    let role = match kind {
        MessageType::NewOrder | MessageType::Amend => key.role == Role::Trade,
        MessageType::Cancel | MessageType::CancelAll => matches!(key.role, Role::Trade | Role::Admin),
        MessageType::Deposit | MessageType::Withdraw => key.role == Role::Funds,
        MessageType::SetLeverage => key.role == Role::Trade,
        MessageType::Transfer | MessageType::AdjustMargin => matches!(key.role, Role::Trade | Role::Funds),
        MessageType::Mark | MessageType::Funding => matches!(key.role, Role::Feed | Role::Admin),
        _ => key.role == Role::Admin,
    };
    let account_at = match kind {
        MessageType::NewOrder => Some(24),
        MessageType::Amend
        | MessageType::Cancel
        | MessageType::CancelAll
        | MessageType::SetLeverage
        | MessageType::Deposit
        | MessageType::Withdraw
        | MessageType::Transfer
        | MessageType::AdjustMargin => Some(8),
        _ => None,
    };
    let account_at = account_at.map(|at| {
        let account = message.get(at..).and_then(|rest| u32::read_from_prefix(rest).ok());
        account.map(|(account, _)| AccountId(account))
    });
    let in_range =
        account_at.is_none_or(|account| account.is_some_and(|a| (key.first_account..=key.last_account).contains(&a)));
    // The operator trades for the insurance fund.
    let of_fund = key.role == Role::Admin && account_at == Some(Some(AccountId::INSURANCE));
    (role || of_fund) && in_range
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_event::{Config, Expired, Origin, Record, Rejected};
    use ringbook_wire::message::{Cancel, Deposit, NewOrder, SetAccount};
    use ringbook_wire::{ClientOrderId, EndReason, OrderId, Qty, RejectCode, SymbolId};
    use zerocopy::IntoBytes;

    /// A revocation is followed wherever its CONFIG stands: behind orders that expired with it, too. A refused one is not.
    #[test]
    fn a_key_is_followed_behind_expiries() {
        let view = KeyView {
            key: KeyId(7),
            role: Role::Trade,
            revoked: false,
            first_account: AccountId(20),
            last_account: AccountId(30),
            public_key: [1; 32],
        };
        let revoke = SetKey { key: KeyId(7), role: Role::Trade.code(), revoked: 1, ..SetKey::new(0) };
        let command = [Origin::INTERNAL.as_bytes(), revoke.as_bytes()].concat();
        let account = 20;
        let expired = Expired {
            header: Expired::header(EndReason::Time.code(), 0, account),
            order: OrderId(1),
            symbol: SymbolId(1),
            code: 0,
            reserved: 0,
            remaining: Qty(1),
        };
        let config = Config { header: Config::header(MessageType::SetKey as u8, 0, 7), reserved: 0 };
        let refused = Rejected {
            header: Rejected::header(MessageType::SetKey as u8, 0, 0),
            code: RejectCode::BadConfig.code(),
            reserved: [0; 6],
            client_id: ClientOrderId::NONE,
        };
        let mut keys = KeyTable::new(&[view]);
        assert_eq!(keys.follow(&command, &[expired.as_bytes(), refused.as_bytes()].concat()), None);
        assert_eq!(keys.get(KeyId(7)), Some(&view));
        for many in 0..=8 {
            let mut keys = KeyTable::new(&[view]);
            let seen = [expired.as_bytes().repeat(many), config.as_bytes().to_vec()].concat();
            assert_eq!(keys.follow(&command, &seen), Some(KeyId(7)), "{many} orders expired with it");
            assert_eq!(keys.get(KeyId(7)), None);
        }
    }

    #[test]
    fn role_and_range_are_looked_at() {
        let key = |role| KeyView {
            key: KeyId(1),
            role,
            revoked: false,
            first_account: AccountId(20),
            last_account: AccountId(30),
            public_key: [0; 32],
        };
        let check = |role, kind, message: &[u8], expected| {
            assert_eq!(is_entitled(&key(role), kind, message), expected, "{role} {kind:?}");
        };
        for (account, inside) in [(19, false), (20, true), (30, true), (31, false)] {
            let order = NewOrder { account: AccountId(account), ..NewOrder::new(0) };
            check(Role::Trade, MessageType::NewOrder, order.as_bytes(), inside);
            check(Role::ReadOnly, MessageType::NewOrder, order.as_bytes(), false);
            let cancel = Cancel { account: AccountId(account), ..Cancel::new(0) };
            check(Role::Admin, MessageType::Cancel, cancel.as_bytes(), inside);
            let deposit = Deposit { account: AccountId(account), ..Deposit::new(0) };
            check(Role::Funds, MessageType::Deposit, deposit.as_bytes(), inside);
            check(Role::Trade, MessageType::Deposit, deposit.as_bytes(), false);
        }
        check(Role::Admin, MessageType::SetAccount, SetAccount::new(0).as_bytes(), true);
        check(Role::Trade, MessageType::SetAccount, SetAccount::new(0).as_bytes(), false);
    }
}
