//! What the engine remembers of client ids: open orders, and a bounded ring of requests that were refused or ended.
//!
//! ```text
//!  hash(account, client id) ─┐                       ┌─► open order's slot
//!                            ├─► Table ─► reference ─┤
//!  order id ─────────────────┘                       └─► entry's slot | ENTRY
//!
//!  entries: linked by age over all accounts, and by age within each account
//! ```
//!
//! Invariants (DOMAIN §4.1): an id is unique per account among open orders and entries; the ring holds at most
//! `capacity` entries, of one account at most `max(1, capacity / 16)`; each eviction raises the account's newest evicted
//! send time. Keys are hashed with a seed from the journal's first command, so that ids cannot be chosen to collide.

use crate::accounts::Accounts;
use crate::orders::Orders;
use crate::table::Table;
use ringbook_wire::{Amount, ClientOrderId, EndReason, OrderId, OrderState, Qty, Sequence, TimestampNs};

/// Marks a reference as an entry of the ring.
const ENTRY: u32 = 1 << 31;
const NIL: u32 = u32::MAX;

/// A request that was refused or an order that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub client_id: ClientOrderId,
    pub payload: u64,
    /// 0 if the request was refused.
    pub order: OrderId,
    /// Sequence of the refusal or the end.
    pub sequence: Sequence,
    pub filled: Qty,
    pub remaining: Qty,
    pub cost: Amount,
    pub fee: Amount,
    pub send_time: TimestampNs,
    /// Slot of the account.
    pub account: u32,
    /// Reject code, or 0.
    pub code: u16,
    pub state: OrderState,
    pub reason: Option<EndReason>,
}

#[derive(Clone, Copy)]
struct Node {
    entry: Entry,
    older: u32,
    newer: u32,
    older_of_account: u32,
    newer_of_account: u32,
}

/// What a client id or an order id leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Slot of an open order.
    Open(u32),
    /// Slot of an entry.
    Ended(u32),
}

impl Known {
    #[inline]
    fn of(reference: u32) -> Self {
        if reference & ENTRY == 0 { Self::Open(reference) } else { Self::Ended(reference & !ENTRY) }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Dedupe {
    seed: [u64; 2],
    capacity: usize,
    share: u32,
    by_client: Table,
    by_order: Table,
    nodes: Vec<Node>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    len: usize,
}

/// One round of multiply-and-fold: 128-bit product, halves combined.
#[inline]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Dedupe {
    /// An empty ring of `capacity` entries, beside at most `max_orders` open orders.
    pub fn new(seed: [u64; 2], capacity: usize, max_orders: usize) -> Self {
        Self {
            seed,
            capacity,
            share: (capacity / 16).max(1) as u32,
            by_client: Table::new(capacity + max_orders),
            by_order: Table::new(capacity + max_orders),
            nodes: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            oldest: NIL,
            newest: NIL,
            len: 0,
        }
    }

    #[inline]
    fn client_key(&self, account: u32, id: ClientOrderId) -> u64 {
        let low = fold(id.0[0] ^ self.seed[0], u64::from(account) ^ self.seed[1] ^ 0xA076_1D64_78BD_642F);
        fold(low ^ id.0[1], self.seed[0] ^ 0xE703_7ED1_A0B4_28DB).max(1)
    }

    /// Hash of a request's type and bytes from offset 8 on, its length a multiple of 8; never 0.
    #[inline]
    pub fn payload_hash(&self, message: &[u8]) -> u64 {
        let mut hash = self.seed[0] ^ u64::from(message[2]);
        for (at, word) in message[8..].as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            hash = fold(hash ^ word, self.seed[1].wrapping_add(at as u64) ^ 0x8EBC_6AF0_9C88_C6E3).rotate_left(23);
        }
        hash.max(1)
    }

    /// What an account's client id leads to.
    #[inline]
    pub fn find_client(&self, orders: &Orders, account: u32, id: ClientOrderId) -> Option<Known> {
        let found = self.by_client.find(self.client_key(account, id), |reference| match Known::of(reference) {
            Known::Open(slot) => orders.get(slot).client_id == id && orders.get(slot).account == account,
            Known::Ended(slot) => self.entry(slot).client_id == id && self.entry(slot).account == account,
        });
        found.map(Known::of)
    }

    /// What an order id leads to.
    #[inline]
    pub fn find_order(&self, id: OrderId) -> Option<Known> {
        if id.0 == 0 {
            return None;
        }
        self.by_order.find(id.0, |_| true).map(Known::of)
    }

    /// The entry in a slot.
    #[inline]
    pub fn entry(&self, slot: u32) -> &Entry {
        &self.nodes[slot as usize].entry
    }

    /// Notes an open order.
    #[inline]
    pub fn open(&mut self, account: u32, id: ClientOrderId, order: OrderId, slot: u32) {
        self.by_client.insert(self.client_key(account, id), slot);
        self.by_order.insert(order.0, slot);
    }

    /// An open order's slot becomes an entry.
    #[inline]
    pub fn end(&mut self, accounts: &mut Accounts, slot: u32, entry: Entry) {
        self.make_room(accounts, entry.account);
        let at = self.link(accounts, entry);
        let key = self.client_key(entry.account, entry.client_id);
        self.by_client.repoint(key, slot, at | ENTRY);
        self.by_order.repoint(entry.order.0, slot, at | ENTRY);
    }

    /// Adds an entry for a refusal, or for an order that ended in its first command.
    #[inline]
    pub fn add(&mut self, accounts: &mut Accounts, entry: Entry) {
        self.make_room(accounts, entry.account);
        let at = self.link(accounts, entry);
        self.by_client.insert(self.client_key(entry.account, entry.client_id), at | ENTRY);
        if entry.order.0 != 0 {
            self.by_order.insert(entry.order.0, at | ENTRY);
        }
    }

    fn make_room(&mut self, accounts: &mut Accounts, account: u32) {
        while accounts.get(account).dedupe.count >= self.share {
            self.evict(accounts, accounts.get(account).dedupe.oldest);
        }
        while self.len >= self.capacity {
            self.evict(accounts, self.oldest);
        }
    }

    fn link(&mut self, accounts: &mut Accounts, entry: Entry) -> u32 {
        let share = &mut accounts.get_mut(entry.account).dedupe;
        let node =
            Node { entry, older: self.newest, newer: NIL, older_of_account: share.newest, newer_of_account: NIL };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        match self.newest {
            NIL => self.oldest = at,
            newest => self.nodes[newest as usize].newer = at,
        }
        self.newest = at;
        match share.newest {
            NIL => share.oldest = at,
            newest => self.nodes[newest as usize].newer_of_account = at,
        }
        share.newest = at;
        share.count += 1;
        self.len += 1;
        at
    }

    fn evict(&mut self, accounts: &mut Accounts, at: u32) {
        let node = self.nodes[at as usize];
        let entry = node.entry;
        let share = &mut accounts.get_mut(entry.account).dedupe;
        match node.older {
            NIL => self.oldest = node.newer,
            older => self.nodes[older as usize].newer = node.newer,
        }
        match node.newer {
            NIL => self.newest = node.older,
            newer => self.nodes[newer as usize].older = node.older,
        }
        match node.older_of_account {
            NIL => share.oldest = node.newer_of_account,
            older => self.nodes[older as usize].newer_of_account = node.newer_of_account,
        }
        match node.newer_of_account {
            NIL => share.newest = node.older_of_account,
            newer => self.nodes[newer as usize].older_of_account = node.older_of_account,
        }
        share.count -= 1;
        share.evicted = share.evicted.max(entry.send_time);
        self.len -= 1;
        self.by_client.remove(self.client_key(entry.account, entry.client_id), at | ENTRY);
        if entry.order.0 != 0 {
            self.by_order.remove(entry.order.0, at | ENTRY);
        }
        self.free.push(at);
    }

    /// Entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let mut at = self.oldest;
        core::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.newer;
            Some(&node.entry)
        })
    }

    /// How many client ids are known.
    pub fn known(&self) -> usize {
        self.by_client.len()
    }

    /// Entries in the ring.
    pub fn len(&self) -> usize {
        self.len
    }
}
