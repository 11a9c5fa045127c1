//! Accounts, their balances, and the wallets that a command has touched.
//!
//! ```text
//!  account id ──pages──► slot ──► Account { …, balances: sorted by asset, symbols: sorted by symbol }
//! ```
//!
//! Invariants (DOMAIN §3.5, §8.1):
//! 1. `held ≥ 0` always; `available ≥ 0` for everyone but the exchange's own accounts.
//! 2. Every change of a balance goes through [`Accounts::change`], which notes the value before the command, so that
//!    BALANCE is written once for each wallet that differs.

use crate::money::FeeTerms;
use crate::orders::{List, NIL};
use ringbook_wire::{AccountId, Amount, AssetId, FeeModel, Sequence, Side, SymbolId, TimestampNs, Wallet};
use std::collections::BTreeMap;

/// Ids in a page of the id index.
const PAGE: usize = 4_096;
const NO_SLOT: u32 = u32::MAX;

/// Spot wallet of one asset.
#[derive(Clone, Copy, Debug)]
pub struct Balance {
    pub asset: AssetId,
    pub available: Amount,
    pub held: Amount,
    /// Command that touched it last; 0 never.
    touched: Sequence,
}

/// An account's orders in one symbol.
#[derive(Clone, Copy, Debug)]
pub struct OpenOrders {
    pub symbol: SymbolId,
    /// Open orders but for those that wait for their trigger.
    pub count: u32,
    /// Those that wait.
    pub waiting: u32,
    /// All of them by side, by acceptance.
    pub orders: [List; 2],
    /// Record of its position, in a perpetual; [`NIL`] for none.
    pub position: u32,
}

/// Futures wallet of one asset (DOMAIN §3.1).
#[derive(Clone, Copy, Debug)]
pub struct FuturesWallet {
    pub asset: AssetId,
    pub amount: Amount,
    /// Cross positions that it backs.
    pub positions: u32,
    /// The cross bucket is among the touched ones.
    pub queued: bool,
    touched: Sequence,
}

/// Last money command of an account (DOMAIN §3.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct LastAdjustment {
    pub number: u64,
    pub payload: u64,
    /// Reject code, or 0 if it was applied.
    pub code: u16,
}

/// An account's own rates for the symbols of a fee group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnFees {
    pub group: u16,
    pub taker: i64,
    pub maker: i64,
}

/// What the dedupe ring keeps for an account.
#[derive(Clone, Copy, Debug)]
pub struct DedupeShare {
    pub oldest: u32,
    pub newest: u32,
    pub count: u32,
    /// Newest send time that was evicted; 0 if none was.
    pub evicted: TimestampNs,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    /// STP group; 0 is none.
    pub group: u32,
    pub suspended: bool,
    /// Own fee rates, by fee group.
    pub fees: Vec<OwnFees>,
    pub balances: Vec<Balance>,
    /// By asset.
    pub futures: Vec<FuturesWallet>,
    pub symbols: Vec<OpenOrders>,
    pub dedupe: DedupeShare,
    pub adjustment: LastAdjustment,
}

/// A wallet's value before the command.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    pub account: AccountId,
    pub slot: u32,
    pub asset: AssetId,
    pub wallet: Wallet,
    pub available: Amount,
    pub held: Amount,
}

/// All accounts; see the module.
#[derive(Clone, Default)]
pub struct Accounts {
    pages: Vec<Option<Box<[u32; PAGE]>>>,
    accounts: Vec<Account>,
    /// Slots of the accounts of each STP group, ascending.
    groups: BTreeMap<u32, Vec<u32>>,
    touched: Vec<Touched>,
    command: Sequence,
}

impl Accounts {
    /// Begins a command: nothing is touched yet.
    #[inline]
    pub fn begin(&mut self, command: Sequence) {
        self.command = command;
        self.touched.clear();
    }

    /// Slot of an account.
    #[inline]
    pub fn find(&self, id: AccountId) -> Option<u32> {
        let page = self.pages.get(id.0 as usize / PAGE)?.as_ref()?;
        let slot = page[id.0 as usize % PAGE];
        (slot != NO_SLOT).then_some(slot)
    }

    /// Adds an account that is not there.
    pub fn add(&mut self, id: AccountId) -> u32 {
        let slot = u32::try_from(self.accounts.len()).expect("fewer accounts than ids");
        let page = id.0 as usize / PAGE;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([NO_SLOT; PAGE]));
        assert!(page[id.0 as usize % PAGE] == NO_SLOT, "account {id} is there already");
        page[id.0 as usize % PAGE] = slot;
        self.accounts.push(Account {
            id,
            group: 0,
            suspended: false,
            fees: Vec::new(),
            balances: Vec::new(),
            futures: Vec::new(),
            symbols: Vec::new(),
            dedupe: DedupeShare { oldest: u32::MAX, newest: u32::MAX, count: 0, evicted: TimestampNs(0) },
            adjustment: LastAdjustment::default(),
        });
        slot
    }

    /// The account in a slot.
    #[inline]
    pub fn get(&self, slot: u32) -> &Account {
        &self.accounts[slot as usize]
    }

    /// The account in a slot, to be changed (balances: only through [`Self::change`]).
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut Account {
        &mut self.accounts[slot as usize]
    }

    /// Puts an account into an STP group; 0 is none.
    pub fn set_group(&mut self, slot: u32, group: u32) {
        let before = core::mem::replace(&mut self.accounts[slot as usize].group, group);
        if before == group {
            return;
        }
        if let Some(members) = self.groups.get_mut(&before) {
            members.retain(|&member| member != slot);
            if members.is_empty() {
                self.groups.remove(&before);
            }
        }
        if group != 0 {
            let members = self.groups.entry(group).or_default();
            members.insert(members.partition_point(|&member| member < slot), slot);
        }
    }

    /// Slots of the accounts of an STP group.
    #[inline]
    pub fn members(&self, group: u32) -> &[u32] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// All accounts, in order of creation.
    pub fn all(&self) -> &[Account] {
        &self.accounts
    }

    /// The rates that an account's order copies: its own for the fee group, or the symbol's. Fees per lot are the symbol's.
    #[inline]
    pub fn fee_terms(&self, slot: u32, group: u16, terms: FeeTerms) -> FeeTerms {
        let own = &self.get(slot).fees;
        if own.is_empty() || terms.model == FeeModel::PerLot {
            return terms;
        }
        match own.iter().find(|own| own.group == group) {
            Some(own) => FeeTerms { taker: own.taker, maker: own.maker, ..terms },
            None => terms,
        }
    }

    /// What is available to an account.
    #[inline]
    pub fn available(&self, slot: u32, asset: AssetId) -> Amount {
        let balances = &self.get(slot).balances;
        balances.iter().find(|b| b.asset == asset).map_or(Amount::ZERO, |b| b.available)
    }

    /// Adds to a wallet's available and held amounts (either may be negative) and notes the value before.
    #[inline]
    pub fn change(&mut self, slot: u32, asset: AssetId, available: i64, held: i64) {
        let account = &mut self.accounts[slot as usize];
        let at = match account.balances.iter().position(|b| b.asset >= asset) {
            Some(at) if account.balances[at].asset == asset => at,
            at => {
                let at = at.unwrap_or(account.balances.len());
                let empty = Balance { asset, available: Amount::ZERO, held: Amount::ZERO, touched: Sequence(0) };
                account.balances.insert(at, empty);
                at
            }
        };
        let balance = &mut account.balances[at];
        if balance.touched != self.command {
            balance.touched = self.command;
            let Balance { available, held, .. } = *balance;
            let wallet = Wallet::Spot;
            self.touched.push(Touched { account: account.id, slot, asset, wallet, available, held });
        }
        balance.available = crate::money::add(balance.available, Amount(available));
        balance.held = crate::money::add(balance.held, Amount(held));
        assert!(
            balance.held.0 >= 0 && (balance.available.0 >= 0 || account.id.is_system()),
            "account {} asset {asset}: available {}, held {}",
            account.id,
            balance.available,
            balance.held
        );
    }

    /// A wallet as it is.
    #[inline]
    pub fn balance(&self, slot: u32, asset: AssetId) -> (Amount, Amount) {
        let balances = &self.get(slot).balances;
        balances.iter().find(|b| b.asset == asset).map_or((Amount::ZERO, Amount::ZERO), |b| (b.available, b.held))
    }

    /// A futures wallet as it is.
    #[inline]
    pub fn futures(&self, slot: u32, asset: AssetId) -> Amount {
        let wallets = &self.get(slot).futures;
        wallets.iter().find(|wallet| wallet.asset == asset).map_or(Amount::ZERO, |wallet| wallet.amount)
    }

    /// Cross positions that an account has in an asset.
    #[inline]
    pub fn cross_positions(&self, slot: u32, asset: AssetId) -> u32 {
        let wallets = &self.get(slot).futures;
        wallets.iter().find(|wallet| wallet.asset == asset).map_or(0, |wallet| wallet.positions)
    }

    /// A futures wallet, to change what BALANCE does not tell; made if there is none yet.
    #[inline]
    pub fn futures_mut(&mut self, slot: u32, asset: AssetId) -> &mut FuturesWallet {
        let wallets = &mut self.accounts[slot as usize].futures;
        let at = match wallets.binary_search_by_key(&asset, |wallet| wallet.asset) {
            Ok(at) => at,
            Err(at) => {
                let amount = Amount::ZERO;
                wallets.insert(at, FuturesWallet { asset, amount, positions: 0, queued: false, touched: Sequence(0) });
                at
            }
        };
        &mut wallets[at]
    }

    /// Changes a futures wallet and notes the value before.
    #[inline]
    pub fn change_futures(&mut self, slot: u32, asset: AssetId, by: i64) {
        let command = self.command;
        let wallet = self.futures_mut(slot, asset);
        let before = *wallet;
        wallet.touched = command;
        wallet.amount = crate::money::add(before.amount, Amount(by));
        if before.touched != command {
            let (account, wallet) = (self.get(slot).id, Wallet::Futures);
            let (available, held) = (before.amount, Amount::ZERO);
            self.touched.push(Touched { account, slot, asset, wallet, available, held });
        }
    }

    /// Wallets touched so far by this command: an upper bound of its BALANCE events.
    #[inline]
    pub fn touched_count(&self) -> usize {
        self.touched.len()
    }

    /// Sorts the wallets touched by this command ascending by account and asset.
    #[inline]
    pub fn sort_touched(&mut self) {
        self.touched.sort_unstable_by_key(|t| (t.account, t.asset, t.wallet));
    }

    /// One of the wallets that [`Self::sort_touched`] sorted.
    #[inline]
    pub fn touched(&self, at: usize) -> Touched {
        self.touched[at]
    }

    /// An account's orders in a symbol; made if there are none yet.
    #[inline]
    pub fn open_orders_mut(&mut self, slot: u32, symbol: SymbolId) -> &mut OpenOrders {
        let symbols = &mut self.accounts[slot as usize].symbols;
        let at = match symbols.binary_search_by_key(&symbol, |s| s.symbol) {
            Ok(at) => at,
            Err(at) => {
                let orders = [List::EMPTY; 2];
                symbols.insert(at, OpenOrders { symbol, count: 0, waiting: 0, orders, position: NIL });
                at
            }
        };
        &mut symbols[at]
    }

    /// An account's open orders of a side, by acceptance: the first one.
    #[inline]
    pub fn first_open(&self, slot: u32, symbol: SymbolId, side: Side) -> u32 {
        let symbols = &self.get(slot).symbols;
        let found = symbols.binary_search_by_key(&symbol, |s| s.symbol);
        found.map_or(crate::orders::NIL, |at| symbols[at].orders[side.index()].head)
    }

    /// Record of an account's position in a perpetual, if it has one.
    #[inline]
    pub fn position(&self, slot: u32, symbol: SymbolId) -> Option<u32> {
        let symbols = &self.get(slot).symbols;
        let at = symbols.binary_search_by_key(&symbol, |s| s.symbol).ok()?;
        Some(symbols[at].position).filter(|&position| position != NIL)
    }

    /// How many orders an account has open in a symbol: those that do not wait for a trigger, and those that do.
    #[inline]
    pub fn open_counts(&self, slot: u32, symbol: SymbolId) -> (u32, u32) {
        let symbols = &self.get(slot).symbols;
        let found = symbols.binary_search_by_key(&symbol, |s| s.symbol);
        found.map_or((0, 0), |at| (symbols[at].count, symbols[at].waiting))
    }

    /// Sets a wallet when a state is restored.
    pub(crate) fn restore_balance(&mut self, slot: u32, asset: AssetId, available: Amount, held: Amount) {
        let balance = Balance { asset, available, held, touched: Sequence(0) };
        self.accounts[slot as usize].balances.push(balance);
    }
}
