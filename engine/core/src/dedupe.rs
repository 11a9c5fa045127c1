//! What the engine remembers of client ids: open orders, and a bounded ring of requests that were refused or ended.
//!
//! ```text
//!  hash(account, client id) ─┐
//!                            ├─► Table ─► node ─► open order's slot, or how the request ended
//!  order id ─────────────────┘
//!
//!  ended nodes: linked by age over all accounts, and by age within each account
//! ```
//!
//! A request has one node from its acceptance (or refusal) until it is evicted: when an order ends, its node becomes an entry
//! of the ring, and neither table is touched. What is evicted is dead at once; the tables forget it a little later, several
//! at a time and when requests are added, because their places lie anywhere in memory.
//!
//! Invariants (DOMAIN §4.1): an id is unique per account among open orders and entries; the ring holds at most
//! `capacity` entries, of one account at most `max(1, capacity / 16)`; each eviction raises the account's newest evicted
//! send time. Keys are hashed with a seed from the journal's first command, so that ids cannot be chosen to collide.

use crate::accounts::Accounts;
use crate::table::Table;
use ringbook_wire::{Amount, ClientOrderId, EndReason, OrderId, OrderState, Qty, Sequence, TimestampNs};

const NIL: u32 = u32::MAX;
/// Instead of the slot of an open order: the node is evicted.
const DEAD: u32 = NIL - 1;
/// Dead nodes that the tables forget together.
const FORGET: usize = 16;

/// What a client asked for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Request {
    pub client_id: ClientOrderId,
    pub payload: u64,
    /// 0 if the request was refused.
    pub order: OrderId,
    pub send_time: TimestampNs,
    /// Slot of the account.
    pub account: u32,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Sequence of the refusal or the end.
    pub sequence: Sequence,
    pub filled: Qty,
    pub remaining: Qty,
    pub cost: Amount,
    pub fee: Amount,
    /// Reject code, or 0.
    pub code: u16,
    pub state: OrderState,
    pub reason: Option<EndReason>,
}

impl Outcome {
    /// Of an open order: none yet.
    const NONE: Self = Self::refused(Sequence(0), 0);

    /// A refusal.
    pub const fn refused(sequence: Sequence, code: u16) -> Self {
        Self {
            sequence,
            filled: Qty::ZERO,
            remaining: Qty::ZERO,
            cost: Amount::ZERO,
            fee: Amount::ZERO,
            code,
            state: OrderState::Rejected,
            reason: None,
        }
    }
}

/// Two cache lines: what finding and evicting look at, and the outcome.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Node {
    client_id: ClientOrderId,
    payload: u64,
    order: OrderId,
    send_time: TimestampNs,
    account: u32,
    /// Slot of the open order; `NIL` once it has ended, and the node is in the ring; `DEAD` once it is evicted.
    open: u32,
    outcome: AtLine<Outcome>,
}

const _: () = assert!(size_of::<Node>() == 128 && std::mem::offset_of!(Node, outcome) == 64);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct AtLine<T>(T);

/// What an eviction looks at, apart from the nodes: entries that end one after another lie close together.
#[derive(Clone, Copy)]
struct Aged {
    older: u32,
    newer: u32,
    older_of_account: u32,
    newer_of_account: u32,
    send_time: TimestampNs,
    account: u32,
}

const NEVER: Aged = Aged {
    older: NIL,
    newer: NIL,
    older_of_account: NIL,
    newer_of_account: NIL,
    send_time: TimestampNs(0),
    account: 0,
};

/// What a client id or an order id leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Slot of an open order.
    Open(u32),
    /// Slot of an entry.
    Ended(u32),
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
    aged: Vec<Aged>,
    free: Vec<u32>,
    /// Evicted, and still in the tables.
    dead: Vec<u32>,
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
        // An end turns an open node into an entry and an entry into a dead node; only an addition adds, and then at most
        // FORGET - 1 dead ones are left, or there are fewer than before.
        let bound = capacity + max_orders + FORGET;
        Self {
            seed,
            capacity,
            share: (capacity / 16).max(1) as u32,
            by_client: Table::new(bound),
            by_order: Table::new(bound),
            nodes: Vec::with_capacity(bound),
            aged: Vec::with_capacity(bound),
            free: Vec::with_capacity(bound),
            dead: Vec::with_capacity(bound),
            oldest: NIL,
            newest: NIL,
            len: 0,
        }
    }

    #[inline]
    fn client_tag(&self, account: u32, id: ClientOrderId) -> u32 {
        let low = fold(id.0[0] ^ self.seed[0], u64::from(account) ^ self.seed[1] ^ 0xA076_1D64_78BD_642F);
        self.by_client.tag_of_hash(fold(low ^ id.0[1], self.seed[0] ^ 0xE703_7ED1_A0B4_28DB))
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

    #[inline]
    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    #[inline]
    fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    #[inline]
    fn known_as(&self, at: u32) -> Known {
        match self.node(at).open {
            NIL => Known::Ended(at),
            slot => {
                debug_assert!(slot != DEAD);
                Known::Open(slot)
            }
        }
    }

    /// What an account's client id leads to.
    #[inline]
    pub fn find_client(&self, account: u32, id: ClientOrderId) -> Option<Known> {
        let is_it = |at| {
            let node = self.node(at);
            node.client_id == id && node.account == account && node.open != DEAD
        };
        self.by_client.find(self.client_tag(account, id), is_it).map(|at| self.known_as(at))
    }

    /// What an order id leads to.
    #[inline]
    pub fn find_order(&self, id: OrderId) -> Option<Known> {
        if id.0 == 0 {
            return None;
        }
        let is_it = |at| self.node(at).order == id && self.node(at).open != DEAD;
        let found = self.by_order.find(self.by_order.tag_of_number(id.0), is_it);
        found.map(|at| self.known_as(at))
    }

    /// The request of a node.
    #[inline]
    pub fn request(&self, at: u32) -> Request {
        let Node { client_id, payload, order, send_time, account, .. } = *self.node(at);
        Request { client_id, payload, order, send_time, account }
    }

    /// Reads the cache lines of a node; the sum means nothing.
    #[inline]
    pub fn read_lines(&self, at: u32) -> u64 {
        self.node(at).payload ^ self.node(at).outcome.0.sequence.0
    }

    /// How the request of an entry ended.
    #[inline]
    pub fn outcome(&self, at: u32) -> &Outcome {
        debug_assert!(self.node(at).open == NIL);
        &self.node(at).outcome.0
    }

    /// An open order's node becomes an entry.
    #[inline]
    pub fn end(&mut self, accounts: &mut Accounts, at: u32, outcome: Outcome) {
        self.make_room(accounts, self.node(at).account);
        self.link(accounts, at, outcome);
    }

    /// Adds an entry for a refusal.
    #[inline]
    pub fn add(&mut self, accounts: &mut Accounts, request: Request, outcome: Outcome) {
        self.make_room(accounts, request.account);
        let at = self.open(request, NIL);
        self.link(accounts, at, outcome);
    }

    /// Notes an order and the slot where it is open; its node.
    #[inline]
    pub fn open(&mut self, request: Request, open: u32) -> u32 {
        let Request { client_id, payload, order, send_time, account } = request;
        if self.dead.len() >= FORGET {
            self.forget();
        }
        let at = match self.free.pop() {
            Some(at) => {
                let node = self.node_mut(at);
                // The outcome stays what it was: nobody looks at it before the end.
                (node.client_id, node.payload, node.order) = (client_id, payload, order);
                (node.send_time, node.account, node.open) = (send_time, account, open);
                at
            }
            None => {
                let outcome = AtLine(Outcome::NONE);
                self.nodes.push(Node { client_id, payload, order, send_time, account, open, outcome });
                self.aged.push(NEVER);
                (self.nodes.len() - 1) as u32
            }
        };
        self.by_client.insert(self.client_tag(account, client_id), at);
        if order.0 != 0 {
            self.by_order.insert(self.by_order.tag_of_number(order.0), at);
        }
        at
    }

    /// Takes dead nodes out of the tables. First everything that this needs is read, so that the processor fetches it for all
    /// of them at once.
    fn forget(&mut self) {
        let mut dead = [NIL; FORGET];
        dead.copy_from_slice(&self.dead[self.dead.len() - FORGET..]);
        self.dead.truncate(self.dead.len() - FORGET);
        let tags = |dedupe: &Self, at| {
            let Node { client_id, account, order, .. } = *dedupe.node(at);
            (dedupe.client_tag(account, client_id), dedupe.by_order.tag_of_number(order.0), order)
        };
        let mut sum = 0;
        for at in dead {
            let (by_client, by_order, _) = tags(self, at);
            sum ^= self.by_client.read_line(by_client) ^ self.by_order.read_line(by_order);
        }
        std::hint::black_box(sum);
        for at in dead {
            let (by_client, by_order, order) = tags(self, at);
            self.by_client.remove(by_client, at);
            if order.0 != 0 {
                self.by_order.remove(by_order, at);
            }
            self.free.push(at);
        }
    }

    #[inline]
    fn make_room(&mut self, accounts: &mut Accounts, account: u32) {
        while accounts.get(account).dedupe.count >= self.share {
            self.evict(accounts, accounts.get(account).dedupe.oldest);
        }
        while self.len >= self.capacity {
            self.evict(accounts, self.oldest);
        }
    }

    /// Makes a node the newest entry.
    #[inline]
    fn link(&mut self, accounts: &mut Accounts, at: u32, outcome: Outcome) {
        let node = &mut self.nodes[at as usize];
        node.open = NIL;
        node.outcome = AtLine(outcome);
        let (account, send_time) = (node.account, node.send_time);
        let share = &mut accounts.get_mut(account).dedupe;
        let (older, older_of_account) = (self.newest, share.newest);
        let (newer, newer_of_account) = (NIL, NIL);
        self.aged[at as usize] = Aged { older, newer, older_of_account, newer_of_account, send_time, account };
        match older {
            NIL => self.oldest = at,
            newest => self.aged[newest as usize].newer = at,
        }
        self.newest = at;
        match older_of_account {
            NIL => share.oldest = at,
            newest => self.aged[newest as usize].newer_of_account = at,
        }
        share.newest = at;
        share.count += 1;
        self.len += 1;
    }

    #[inline]
    fn evict(&mut self, accounts: &mut Accounts, at: u32) {
        let Aged { older, newer, older_of_account, newer_of_account, send_time, account } = self.aged[at as usize];
        let share = &mut accounts.get_mut(account).dedupe;
        match older {
            NIL => self.oldest = newer,
            older => self.aged[older as usize].newer = newer,
        }
        match newer {
            NIL => self.newest = older,
            newer => self.aged[newer as usize].older = older,
        }
        match older_of_account {
            NIL => share.oldest = newer_of_account,
            older => self.aged[older as usize].newer_of_account = newer_of_account,
        }
        match newer_of_account {
            NIL => share.newest = older_of_account,
            newer => self.aged[newer as usize].older_of_account = older_of_account,
        }
        share.count -= 1;
        share.evicted = share.evicted.max(send_time);
        self.len -= 1;
        self.node_mut(at).open = DEAD;
        self.dead.push(at);
    }

    /// Entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (Request, &Outcome)> {
        let mut at = self.oldest;
        core::iter::from_fn(move || {
            let entry = self.nodes.get(at as usize).map(|node| (self.request(at), &node.outcome.0));
            at = self.aged.get(at as usize).map_or(NIL, |aged| aged.newer);
            entry
        })
    }

    /// How many client ids are known.
    pub fn known(&self) -> usize {
        self.by_client.len() - self.dead.len()
    }

    /// Entries in the ring.
    pub fn len(&self) -> usize {
        self.len
    }
}
