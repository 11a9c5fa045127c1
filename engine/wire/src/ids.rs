//! Identities. Each is its own type, so that an account can never be taken for an order.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable,
            KnownLayout,
        )]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// An account of a customer (from [`AccountId::FIRST_CUSTOMER`]) or of the exchange (DOMAIN §3.1).
    AccountId(u32)
}
id! {
    /// An asset, from 1.
    AssetId(u32)
}
id! {
    /// A symbol, from 1.
    SymbolId(u32)
}
id! {
    /// An order's number, given by the engine at acceptance; strictly rising, from 1; 0 is "none".
    OrderId(u64)
}
id! {
    /// A trade's number, strictly rising, from 1.
    TradeId(u64)
}
id! {
    /// A key that can log on, from 1; 0 is Ringbook itself.
    KeyId(u32)
}
id! {
    /// A session: `key << 32 | number that the client chose at logon`; 0 is "none".
    SessionId(u64)
}
id! {
    /// A journal sequence: the place of a command in the one total order, from 1; 0 is "before everything".
    Sequence(u64)
}
id! {
    /// The writer's term; rises when another machine takes over.
    Term(u32)
}

impl AccountId {
    /// Collects fees and pays rebates.
    pub const FEES: Self = Self(1);
    /// Insurance fund (DOMAIN §6.6).
    pub const INSURANCE: Self = Self(2);
    /// Takes the dust of funding (DOMAIN §6.8).
    pub const ROUNDING: Self = Self(3);
    /// Minus the net of deposits and withdrawals.
    pub const EXTERNAL: Self = Self(4);
    /// Accounts below this belong to the exchange and may be negative.
    pub const FIRST_CUSTOMER: Self = Self(16);

    /// Whether this account belongs to the exchange.
    #[inline]
    pub const fn is_system(self) -> bool {
        self.0 < Self::FIRST_CUSTOMER.0
    }
}

impl SessionId {
    /// The session `number` of a key.
    #[inline]
    pub const fn new(key: KeyId, number: u32) -> Self {
        Self((key.0 as u64) << 32 | number as u64)
    }

    /// The key that the session logged on with.
    #[inline]
    pub const fn key(self) -> KeyId {
        KeyId((self.0 >> 32) as u32)
    }
}

/// A client's own id of an order: 128 bits, chosen by the client, unique per account (DOMAIN §4.1). Kept as two
/// little-endian words, low word first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct ClientOrderId(pub [u64; 2]);

impl ClientOrderId {
    /// "None": refused in an order.
    pub const NONE: Self = Self([0, 0]);
}

impl From<u128> for ClientOrderId {
    fn from(id: u128) -> Self {
        Self([id as u64, (id >> 64) as u64])
    }
}

impl From<ClientOrderId> for u128 {
    fn from(id: ClientOrderId) -> Self {
        u128::from(id.0[1]) << 64 | u128::from(id.0[0])
    }
}
