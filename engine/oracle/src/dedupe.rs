//! The dedupe ring: what became of orders that were refused or have ended (DOMAIN §4.1 "client order id", EVENTS
//! "dedupe").
//!
//! Invariants: at most `capacity` entries, at most `max(1, capacity / 16)` of an account, oldest first; no client id
//! of an account twice; every eviction is remembered by the account's newest evicted send time.

use crate::Oracle;
use crate::money::narrow;
use crate::state::Order;
use ringbook_event::{Record, Replayed};
use ringbook_wire::message::{HEADER_BYTES, MessageType, NewOrder};
use ringbook_wire::{Amount, ClientOrderId, EndReason, OrderId, OrderState, Qty, RejectCode, Sequence};
use std::collections::BTreeMap;

/// An order that was refused or has ended.
#[derive(Clone, Debug)]
pub struct Entry {
    pub account: u32,
    pub client_id: u128,
    /// The message from offset 8 on; none matches every payload (QUARANTINE).
    pub payload: Option<Vec<u8>>,
    /// 0 if it was refused.
    pub order: u64,
    pub sequence: u64,
    pub state: OrderState,
    pub reason: u8,
    pub code: u16,
    pub filled: i128,
    pub remaining: i128,
    pub cost: i128,
    pub fee: i128,
    pub send_time: u64,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {
    pub capacity: usize,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// By account, if anything of it was ever evicted.
    pub newest_evicted: BTreeMap<u32, u64>,
}

impl Ring {
    /// An empty ring. A capacity of 0 is taken as 1.
    pub fn new(capacity: u32) -> Self {
        Self { capacity: (capacity as usize).max(1), entries: Vec::new(), newest_evicted: BTreeMap::new() }
    }

    /// How many entries an account may hold.
    pub fn share(&self) -> usize {
        (self.capacity / 16).max(1)
    }

    /// How many entries an account holds.
    pub fn count_of(&self, account: u32) -> usize {
        self.entries.iter().filter(|entry| entry.account == account).count()
    }

    /// Makes room and adds an entry: first the account's own oldest go, then the oldest of all.
    pub fn add(&mut self, entry: Entry) {
        while self.count_of(entry.account) >= self.share() {
            let oldest = self.entries.iter().position(|old| old.account == entry.account).expect("it holds some");
            self.evict(oldest);
        }
        while self.entries.len() >= self.capacity {
            self.evict(0);
        }
        self.entries.push(entry);
    }

    fn evict(&mut self, index: usize) {
        let entry = self.entries.remove(index);
        let newest = self.newest_evicted.entry(entry.account).or_insert(entry.send_time);
        *newest = entry.send_time.max(*newest);
    }

    /// The entry of a client id.
    pub fn by_client_id(&self, account: u32, client_id: u128) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.account == account && entry.client_id == client_id)
    }

    /// The entry of an order that has ended.
    pub fn by_order(&self, account: u32, order: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| order != 0 && entry.account == account && entry.order == order)
    }
}

/// What the client id of a NEW_ORDER says (DOMAIN §4.4: idempotency).
pub enum Known {
    /// Never seen: go on.
    New,
    /// The same request again: its outcome.
    Replayed(Replayed),
    /// 209 or 211.
    Refused(RejectCode),
}

/// The payload of a message (EVENTS "dedupe").
pub fn payload(message: &[u8]) -> &[u8] {
    &message[HEADER_BYTES..]
}

/// REPLAYED with the outcome of an entry.
pub fn replayed_entry(entry: &Entry, command: MessageType) -> Replayed {
    Replayed {
        header: Replayed::header(entry.state.code(), command as u8, entry.account),
        order: OrderId(entry.order),
        sequence: Sequence(entry.sequence),
        code: entry.code,
        reason: entry.reason,
        reserved: [0; 5],
        filled: Qty(narrow(entry.filled)),
        remaining: Qty(narrow(entry.remaining)),
        cost: Amount(narrow(entry.cost)),
        client_id: ClientOrderId::from(entry.client_id),
        fee: Amount(narrow(entry.fee)),
    }
}

/// REPLAYED with the present state of an open order.
fn replayed_open(order: &Order, command: MessageType) -> Replayed {
    Replayed {
        header: Replayed::header(order.open_state().code(), command as u8, order.account),
        order: OrderId(order.id),
        sequence: Sequence(order.sequence),
        code: 0,
        reason: 0,
        reserved: [0; 5],
        filled: Qty(narrow(order.filled)),
        remaining: Qty(narrow(order.remaining)),
        cost: Amount(narrow(order.cost)),
        client_id: ClientOrderId::from(order.client_id),
        fee: Amount(narrow(order.fee)),
    }
}

impl Oracle {
    /// Looks a NEW_ORDER's client id up among the open orders and the ring.
    pub(crate) fn lookup_client_id(&self, order: &NewOrder, message: &[u8]) -> Known {
        let (account, client_id) = (order.account.0, u128::from(order.client_id));
        if let Some(open) = self.orders.values().find(|o| o.account == account && o.client_id == client_id) {
            return if open.payload == payload(message) {
                Known::Replayed(replayed_open(open, MessageType::NewOrder))
            } else {
                Known::Refused(RejectCode::DuplicateClientId)
            };
        }
        if let Some(entry) = self.ring.by_client_id(account, client_id) {
            let same = entry.payload.as_ref().is_none_or(|known| known == payload(message));
            return if same {
                Known::Replayed(replayed_entry(entry, MessageType::NewOrder))
            } else {
                Known::Refused(RejectCode::DuplicateClientId)
            };
        }
        match self.ring.newest_evicted.get(&account) {
            Some(newest) if order.send_time.0 <= *newest => Known::Refused(RejectCode::StaleRequest),
            _ => Known::New,
        }
    }

    /// Remembers a refused NEW_ORDER.
    pub(crate) fn remember_refusal(&mut self, order: &NewOrder, message: &[u8], code: RejectCode) {
        self.ring.add(Entry {
            account: order.account.0,
            client_id: u128::from(order.client_id),
            payload: Some(payload(message).to_vec()),
            order: 0,
            sequence: self.sequence,
            state: OrderState::Rejected,
            reason: 0,
            code: code.code(),
            filled: 0,
            remaining: 0,
            cost: 0,
            fee: 0,
            send_time: order.send_time.0,
        });
    }

    /// Remembers an order's end.
    pub(crate) fn remember_end(&mut self, order: &Order, state: OrderState, reason: Option<EndReason>, code: u16) {
        self.ring.add(Entry {
            account: order.account,
            client_id: order.client_id,
            payload: Some(order.payload.clone()),
            order: order.id,
            sequence: self.sequence,
            state,
            reason: reason.map_or(0, EndReason::code),
            code,
            filled: order.filled,
            remaining: order.remaining,
            cost: order.cost,
            fee: order.fee,
            send_time: order.send_time,
        });
    }
}
