//! Keys and what they may do. The journal holds public keys only (DESIGN §5).
//!
//! Invariant: a command acts only for an account in its key's range, with a role that fits; key 0 is Ringbook itself.

use ringbook_wire::{AccountId, KeyId, Role};

/// Highest key id, so that keys are looked up by position.
pub const MAX_KEY: u32 = 65_535;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub role: Role,
    pub revoked: bool,
    pub first_account: AccountId,
    pub last_account: AccountId,
    pub public_key: [u8; 32],
}

/// All keys, by id.
#[derive(Clone, Default)]
pub struct Keys(Vec<Option<Key>>);

impl Keys {
    /// The key with this id.
    #[inline]
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.0.get(id.0 as usize)?.as_ref()
    }

    /// Sets a key; the id is at most [`MAX_KEY`].
    pub fn set(&mut self, id: KeyId, key: Key) {
        let at = id.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(key);
    }

    /// Whether a key may act for an account in one of these roles.
    #[inline]
    pub fn may_act(&self, id: KeyId, account: AccountId, roles: &[Role]) -> bool {
        id.0 == 0
            || self.get(id).is_some_and(|key| {
                !key.revoked && key.first_account <= account && account <= key.last_account && roles.contains(&key.role)
            })
    }

    /// Whether a key has a role.
    pub fn has_role(&self, id: KeyId, role: Role) -> bool {
        id.0 == 0 || self.get(id).is_some_and(|key| !key.revoked && key.role == role)
    }

    /// All keys, by rising id.
    pub fn all(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.0.iter().enumerate().filter_map(|(id, key)| Some((KeyId(id as u32), key.as_ref()?)))
    }
}
