//! A small exchange that makes consistent random journals: limit books with price-time order, holds, fees, prevention,
//! amendments, stop orders, refusals, transfers, own fee rates, busts. It follows docs/EVENTS.md where rows depend on it and is simple everywhere else.

use ringbook_event::*;
use ringbook_projector::{FuturesState, OwnedFrame, StateRows};
use ringbook_wire::message::*;
use ringbook_wire::*;
use std::collections::{BTreeMap, BTreeSet};
use zerocopy::IntoBytes;

mod matching;
mod operator;
mod orders;

pub const K: i64 = 10;
pub const LOT: i64 = 1_000;
pub const USDT: u32 = 1;

#[derive(Clone, Debug)]
pub struct Order {
    pub account: u32,
    pub symbol: u32,
    pub buy: bool,
    pub price: i64,
    pub orig: i64,
    pub remaining: i64,
    pub filled: i64,
    pub prevented: i64,
    pub cut: i64,
    pub cost: i64,
    pub fee: i64,
    pub hold: i64,
    pub client: u128,
    /// Waits for its trigger.
    pub waits: bool,
}

pub struct World {
    pub frames: Vec<OwnedFrame>,
    pub orders: BTreeMap<u64, Order>,
    pub balances: BTreeMap<(u32, u32), (i64, i64)>,
    touched: BTreeSet<(u32, u32)>,
    rng: u64,
    time: u64,
    last_order: u64,
    last_trade: u64,
    adjustments: BTreeMap<u32, u64>,
    /// Every trade as it would be taken back, with the sequence of its frame.
    trades: Vec<(Busted, u64)>,
    busted: BTreeSet<u64>,
    fees: BTreeMap<(u32, u32), (i64, i64)>,
    maintenance: bool,
    accounts: u32,
    events: Vec<u8>,
    /// Whether hours pass now and then.
    pub jumps: bool,
}

impl World {
    pub fn new(seed: u64, accounts: u32) -> Self {
        let mut world = Self {
            frames: Vec::new(),
            orders: BTreeMap::new(),
            balances: BTreeMap::new(),
            touched: BTreeSet::new(),
            rng: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            // 2026-11-22 23:59:50 UTC: midnight comes soon.
            time: 1_795_391_990_000_000_000,
            last_order: 0,
            last_trade: 0,
            adjustments: BTreeMap::new(),
            trades: Vec::new(),
            busted: BTreeSet::new(),
            fees: BTreeMap::new(),
            maintenance: false,
            accounts,
            events: Vec::new(),
            jumps: true,
        };
        world.begin();
        world
    }

    /// A journal of about this many frames.
    pub fn frames(seed: u64, count: usize) -> Vec<OwnedFrame> {
        let mut world = Self::new(seed, 8);
        while world.frames.len() < count {
            world.step();
        }
        world.frames
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        (self.rng >> 16) % below
    }

    /// The engine's state, for `verify`.
    pub fn state(&self) -> StateRows {
        StateRows {
            balances: self.balances.iter().map(|(k, v)| (k.0, k.1, v.0, v.1)).collect(),
            open_orders: self.orders.iter().map(|(id, o)| (*id, o.remaining, o.filled)).collect(),
            fees: self.fees.iter().map(|(k, v)| (k.0, k.1, v.0, v.1)).collect(),
            maintenance: self.maintenance,
            busted: self.busted.iter().copied().collect(),
            futures: Some(FuturesState::default()),
        }
    }

    fn event<R: Record>(&mut self, record: R) {
        self.events.extend_from_slice(record.as_bytes());
    }

    fn commit<M: Message>(&mut self, message: &M) {
        for (account, asset) in std::mem::take(&mut self.touched) {
            let (available, held) = self.balances[&(account, asset)];
            let header = Balance::header(1, 0, account);
            self.event(Balance {
                header,
                asset: AssetId(asset),
                reserved: 0,
                available: Amount(available),
                held: Amount(held),
            });
        }
        let jump = if self.random(150) == 0 && self.jumps { 7_200_000_000_000 } else { 0 };
        self.time += 1 + self.random(40_000_000) + jump;
        let mut command = Origin::INTERNAL.as_bytes().to_vec();
        command.extend_from_slice(message.as_bytes());
        self.frames.push(OwnedFrame {
            sequence: self.frames.len() as u64 + 1,
            term: 1 + self.frames.len() as u32 / 500,
            time_ns: self.time,
            command,
            events: std::mem::take(&mut self.events),
        });
    }

    fn handled(&mut self, kind: u8) {
        let header = Handled::header(kind, 0, 0);
        self.event(Handled { header, count: 0, reserved: 0, argument: 0, reserved2: 0 });
    }

    fn add(&mut self, account: u32, asset: u32, available: i64, held: i64) {
        let wallet = self.balances.entry((account, asset)).or_default();
        *wallet = (wallet.0 + available, wallet.1 + held);
        self.touched.insert((account, asset));
    }

    /// One random command.
    pub fn step(&mut self) {
        match self.random(112) {
            0..=63 => self.new_order(),
            64..=77 => self.cancel(),
            78..=85 => self.amend(),
            86..=87 => self.cancel_all(),
            88..=91 => self.refused(),
            92..=95 => {
                let (account, asset) = (16 + self.random(self.accounts.into()) as u32, 1 + self.random(3) as u32);
                let amount = 1 + self.random(1_000_000) as i64;
                let sign = if self.random(2) == 0 { 1 } else { -1 };
                self.deposit(account, asset, amount * sign);
            }
            96 => self.symbol_status(),
            97 => {
                let (account, suspended) = (16 + self.random(self.accounts.into()) as u32, self.random(2) as u8);
                self.account(account, suspended);
            }
            98 => {
                let mut again = operator::symbol(1, 2, "BTC/USDT");
                again.taker = Rate(self.random(1_000_000) as i64);
                self.config(again, 1);
            }
            99..=102 => self.stop_order(),
            103..=105 => self.fire(),
            106..=107 => self.set_fees(),
            108..=109 => self.bust(),
            110 => self.exchange_status(),
            _ => {
                self.handled(115);
                self.commit(&Tick::new(0));
            }
        }
    }
}
