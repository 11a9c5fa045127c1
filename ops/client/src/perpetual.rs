//! The commands of perpetual futures as typed calls (PROTOCOL §4, §5; docs/PERPETUAL.md), and their tiers.
//!
//! As in the other commands, a refusal by the engine is in the answer. Who may send what: a trade key sets leverage and
//! moves money of its accounts, a funds key moves money, a feed key sends marks and funding, an admin key does the rest
//! (and marks and funding, too).
//!
//! Invariant: what is sent again after a break cannot happen twice: transfers have adjustment numbers, marks a rising feed
//! time, fundings a number; setting something again changes nothing.

use crate::{Answer, Client, ClientError};
use ringbook_wire::message::{
    AdjustMargin, Funding, MAX_TIERS, Mark, Message, SetLeverage, SetPerpetual, SetPositionLimit, SettleSymbol,
    Transfer,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, MarginMode, Price, Qty, RATE_ONE, Rate, SymbolId, TimestampNs, Wallet,
};

/// A tier of maintenance margin as a person thinks of it; its amount follows from those before it (DOMAIN §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Largest notional, itself included, in units of the settlement asset.
    pub cap: i64,
    /// Maintenance margin rate in 1/100,000,000.
    pub rate: i64,
    /// Highest leverage.
    pub leverage: u32,
}

/// Writes tiers and the amounts that make maintenance margin continuous into a SET_PERPETUAL.
///
/// # Errors
/// None or more than eight; caps or rates that do not rise; a leverage that its own rate would liquidate at once; an amount
/// that is no whole number. Each names the tier and what to change.
pub fn set_tiers(message: &mut SetPerpetual, tiers: &[Tier]) -> Result<(), ClientError> {
    let wrong = |at: usize, why: String| Err(ClientError::Request(format!("tier {}: {why}", at + 1)));
    if tiers.is_empty() || tiers.len() > MAX_TIERS {
        let count = tiers.len();
        return Err(ClientError::Request(format!("{count} tiers: a perpetual has 1 to {MAX_TIERS}; name as many")));
    }
    let mut amounts = [Amount(0); MAX_TIERS];
    for (at, tier) in tiers.iter().enumerate() {
        let Tier { cap, rate, leverage } = *tier;
        if !(1..RATE_ONE).contains(&rate) {
            return wrong(at, format!("the rate {rate} must lie between 1 and {} (1/100,000,000)", RATE_ONE - 1));
        }
        if leverage == 0 || i128::from(rate) * i128::from(leverage) >= i128::from(RATE_ONE) {
            let highest = (RATE_ONE - 1) / rate;
            return wrong(
                at,
                format!("with a rate of {rate} the leverage {leverage} must lie between 1 and {highest}"),
            );
        }
        let Some(before) = at.checked_sub(1).map(|before| tiers[before]) else {
            if cap < 1 {
                return wrong(at, format!("the cap {cap} must be at least 1"));
            }
            continue;
        };
        if cap <= before.cap || rate < before.rate {
            let why = format!("cap {cap} and rate {rate} must not lie below those of the tier before it");
            return wrong(at, format!("{why} ({} and {}); the cap must be higher", before.cap, before.rate));
        }
        let more = i128::from(before.cap) * i128::from(rate - before.rate);
        if more % i128::from(RATE_ONE) != 0 {
            let step = RATE_ONE / gcd(rate - before.rate, RATE_ONE);
            let why = format!("its amount is no whole number with the cap {} of tier {at}", before.cap);
            return wrong(at, format!("{why}: give that cap as a multiple of {step} units"));
        }
        let amount = i128::from(amounts[at - 1].0) + more / i128::from(RATE_ONE);
        amounts[at] = Amount(i64::try_from(amount).unwrap_or(i64::MAX));
    }
    let each = |get: &dyn Fn(&Tier) -> i64| std::array::from_fn(|at| tiers.get(at).map_or(0, get));
    message.tiers = tiers.len() as u8;
    message.tier_cap = each(&|tier| tier.cap).map(Amount);
    message.tier_rate = each(&|tier| tier.rate).map(Rate);
    message.tier_leverage = std::array::from_fn(|at| tiers.get(at).map_or(0, |tier| tier.leverage));
    message.tier_amount = amounts;
    Ok(())
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Client {
    /// Sets what backs an account's position in a perpetual, and its leverage.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_leverage(
        &mut self,
        account: u32,
        symbol: u32,
        mode: MarginMode,
        leverage: u32,
    ) -> Result<Answer, ClientError> {
        let mut message = SetLeverage::new(0);
        message.account = AccountId(account);
        message.symbol = SymbolId(symbol);
        message.mode = mode.code();
        message.leverage = leverage;
        self.command(message)
    }

    /// Moves units of an asset between an account's wallets: to its futures or to its spot wallet. `adjustment`: see
    /// [`Client::next_adjustment`].
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn transfer(
        &mut self,
        account: u32,
        asset: u32,
        to: Wallet,
        amount: i64,
        adjustment: u64,
        reference: u64,
    ) -> Result<Answer, ClientError> {
        let mut message = Transfer::new(0);
        message.account = AccountId(account);
        message.asset = AssetId(asset);
        message.amount = Amount(amount);
        message.adjustment = adjustment;
        message.reference = reference;
        message.direction = if to == Wallet::Futures { 1 } else { 2 };
        self.command(message)
    }

    /// Moves units of the settlement asset from the futures wallet into an isolated position, or out of it if `amount` is
    /// negative. `adjustment`: see [`Client::next_adjustment`].
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn adjust_margin(
        &mut self,
        account: u32,
        symbol: u32,
        amount: i64,
        adjustment: u64,
        reference: u64,
    ) -> Result<Answer, ClientError> {
        let mut message = AdjustMargin::new(0);
        message.account = AccountId(account);
        message.symbol = SymbolId(symbol);
        message.amount = Amount(amount.saturating_abs());
        message.adjustment = adjustment;
        message.reference = reference;
        message.direction = if amount < 0 { 2 } else { 1 };
        self.command(message)
    }

    /// Creates or changes a perpetual; [`set_tiers`] writes its tiers.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_perpetual(&mut self, perpetual: SetPerpetual) -> Result<Answer, ClientError> {
        self.command(perpetual)
    }

    /// Limits an account's position in a perpetual to so many lots; `None` removes the limit.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_position_limit(&mut self, account: u32, symbol: u32, limit: Option<i64>) -> Result<Answer, ClientError> {
        let mut message = SetPositionLimit::new(0);
        message.account = AccountId(account);
        message.symbol = SymbolId(symbol);
        message.limit = Qty(limit.unwrap_or(0));
        self.command(message)
    }

    /// Offers a mark price. `feed_time` must rise with every offer. `force` takes it however far it jumps; that is for
    /// admin keys.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn mark(
        &mut self,
        symbol: u32,
        price: i64,
        feed_time: TimestampNs,
        force: bool,
    ) -> Result<Answer, ClientError> {
        let mut message = Mark::new(0);
        message.symbol = SymbolId(symbol);
        message.price = Price(price);
        message.feed_time = feed_time;
        message.force = u8::from(force);
        self.command(message)
    }

    /// Pays funding: `index` is the last one's plus 1, a positive `rate` (1/100,000,000) is paid by longs to shorts.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn funding(&mut self, symbol: u32, index: u64, rate: i64) -> Result<Answer, ClientError> {
        let mut message = Funding::new(0);
        message.symbol = SymbolId(symbol);
        message.index = index;
        message.rate = Rate(rate);
        self.command(message)
    }

    /// Ends all orders of a perpetual, closes all its positions at a price, and closes it for good.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn settle(&mut self, symbol: u32, price: i64) -> Result<Answer, ClientError> {
        let mut message = SettleSymbol::new(0);
        message.symbol = SymbolId(symbol);
        message.price = Price(price);
        self.command(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDT: i64 = 100_000_000;

    fn tiers(list: &[(i64, i64, u32)]) -> Result<SetPerpetual, String> {
        let tiers: Vec<Tier> = list.iter().map(|&(cap, rate, leverage)| Tier { cap, rate, leverage }).collect();
        let mut message = SetPerpetual::new(0);
        set_tiers(&mut message, &tiers).map_err(|error| error.to_string())?;
        Ok(message)
    }

    #[test]
    fn amounts_follow_from_caps_and_rates() {
        // The table of DOMAIN §2.
        let table = [(50_000 * USDT, 400_000, 125), (250_000 * USDT, 500_000, 100), (1_000_000 * USDT, 1_000_000, 50)];
        let message = tiers(&table).unwrap();
        assert_eq!(message.tiers, 3);
        assert_eq!(message.tier_amount.map(|amount| amount.0 / USDT), [0, 50, 1_300, 0, 0, 0, 0, 0]);
        assert_eq!((message.tier_cap[3].0, message.tier_rate[3].0, message.tier_leverage[3]), (0, 0, 0));
    }

    #[test]
    fn what_is_wrong_with_tiers_names_the_tier_and_the_remedy() {
        for (list, words) in [
            (&[][..], "1 to 8"),
            (&[(0, 400_000, 125)], "tier 1: the cap 0"),
            (&[(1, 0, 125)], "tier 1: the rate 0"),
            (&[(1, 1_000_000, 100)], "between 1 and 99"),
            (&[(100, 1, 1), (100, 2, 1)], "tier 2: cap 100"),
            (&[(100, 2, 1), (200, 1, 1)], "tier 2: cap 200 and rate 1"),
            (&[(1_001, 400_000, 1), (2_000, 500_000, 1)], "a multiple of 1000 units"),
        ] {
            let error = tiers(list).unwrap_err();
            assert!(error.contains(words), "{words:?} is not in {error}");
        }
    }
}
