//! The terms of a perpetual as HTTP has them and as SET_PERPETUAL takes them, and why the engine refuses some.

use super::terms::{Asset, Terms, wrong};
use super::units::time_text;
use ringbook_client::{Rejection, Tier, set_tiers};
use ringbook_wire::message::{HEADER_BYTES, Message, SetPerpetual};
use ringbook_wire::{FeeModel, MAX_AMOUNT, Qty, RATE_ONE, Rate, RejectCode};
use serde::{Deserialize, Serialize};
use std::mem::offset_of;
use zerocopy::IntoBytes;

/// A perpetual as `GET /v1/perpetuals` has it; what moves (mark, funding, open interest) is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractTerms {
    #[serde(flatten)]
    pub common: Terms,
    pub max_position: i64,
    pub max_leverage: u32,
    pub mark_max_age: u64,
    pub mark_jump: i64,
    pub mark_confirmations: u16,
    pub funding_interval: u64,
    pub funding_cap: i64,
    pub liquidation_fee: i64,
    pub fund_multiple: i64,
    pub reduce_only: bool,
    pub tiers: Vec<TierTerms>,
}

/// A tier with its amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierTerms {
    pub cap: i64,
    pub rate: i64,
    pub amount: i64,
    pub max_leverage: u32,
}

impl ContractTerms {
    /// The command.
    ///
    /// # Errors
    /// In words: a name, a code or a tier that cannot be sent.
    pub fn message(&self) -> Result<SetPerpetual, String> {
        let mut message = SetPerpetual::new(0);
        let (common, own) = (self.common.message()?, offset_of!(SetPerpetual, max_position));
        message.as_mut_bytes()[HEADER_BYTES..own].copy_from_slice(&common.as_bytes()[HEADER_BYTES..own]);
        message.max_position = Qty(self.max_position);
        message.mark_max_age = self.mark_max_age;
        message.mark_jump = Rate(self.mark_jump);
        message.funding_interval = self.funding_interval;
        message.funding_cap = Rate(self.funding_cap);
        message.liquidation_fee = Rate(self.liquidation_fee);
        message.fund_multiple = Rate(self.fund_multiple);
        message.max_leverage = self.max_leverage;
        message.mark_confirmations = self.mark_confirmations;
        message.reduce_only = u8::from(self.reduce_only);
        let tier = |tier: &TierTerms| Tier { cap: tier.cap, rate: tier.rate, leverage: tier.max_leverage };
        let tiers: Vec<Tier> = self.tiers.iter().map(tier).collect();
        set_tiers(&mut message, &tiers).map_err(|error| format!("--tier: {error}"))?;
        Ok(message)
    }

    /// Replaces the tiers; their amounts are computed.
    ///
    /// # Errors
    /// In words: the tier and what to change.
    pub fn set_tiers(&mut self, tiers: &[Tier]) -> Result<(), String> {
        let mut message = SetPerpetual::new(0);
        set_tiers(&mut message, tiers).map_err(|error| format!("--tier: {error}"))?;
        let with_amount = |(tier, amount): (&Tier, &ringbook_wire::Amount)| TierTerms {
            cap: tier.cap,
            rate: tier.rate,
            amount: amount.0,
            max_leverage: tier.leverage,
        };
        self.tiers = tiers.iter().zip(&message.tier_amount).map(with_amount).collect();
        Ok(())
    }
}

/// What was wrong with terms that the engine refused, by the order of its own checks.
pub fn remedy(rejection: Rejection, t: &ContractTerms, symbols: &[Terms], assets: &[Asset]) -> String {
    match RejectCode::from_code(rejection.0) {
        Some(RejectCode::UnknownAccount) => return "only an admin key may configure".into(),
        Some(RejectCode::BadConfig) => {}
        _ => return "docs/PERPETUAL.md, SET_PERPETUAL, lists the bounds".into(),
    }
    if let Some(spot) = symbols.iter().find(|s| s.symbol == t.common.symbol && s.kind != t.common.kind) {
        return format!("symbol {} is {} ({}): choose another number", spot.symbol, spot.name, spot.kind);
    }
    if let Some(why) = wrong(&t.common, symbols, assets) {
        return why;
    }
    let share = |rate: i64| (0..RATE_ONE).contains(&rate);
    let below_all =
        |what: &str, rate: i64| format!("{what} {rate}: must lie between 0 and {} (below 100 %)", RATE_ONE - 1);
    let notional = i128::from(t.common.max_price) * i128::from(t.max_position);
    let too_much = notional.saturating_mul(i128::from(t.common.quote_per_tick_lot)) > i128::from(MAX_AMOUNT);
    let ladder = [
        (t.common.fee_model != FeeModel::Rate.to_string(), "--fee-model: a perpetual's fees are RATE".to_owned()),
        (t.max_position < 1, format!("--max-position {}: must be at least 1", t.max_position)),
        (
            too_much,
            format!(
                "--max-price {} times --max-position {} (or times the open interest) times --value-per-tick-lot {} is above \
                 2^62: lower one of them",
                t.common.max_price, t.max_position, t.common.quote_per_tick_lot
            ),
        ),
        (t.mark_max_age == 0, format!("--mark-max-age {}: must be above 0", time_text(t.mark_max_age))),
        (t.funding_interval == 0, format!("--funding-interval {}: must be above 0", time_text(t.funding_interval))),
        (!share(t.mark_jump), below_all("--mark-jump", t.mark_jump)),
        (!share(t.funding_cap), below_all("--funding-cap", t.funding_cap)),
        (!share(t.liquidation_fee), below_all("--liquidation-fee", t.liquidation_fee)),
        (
            !(0..=MAX_AMOUNT).contains(&t.fund_multiple),
            format!("--fund-multiple {}: must lie between 0 and 2^62", t.fund_multiple),
        ),
        (t.max_leverage == 0, "--max-leverage 0: must be at least 1".into()),
        (t.mark_confirmations == 0, "--mark-confirmations 0: must be at least 1".into()),
    ];
    let found = ladder.into_iter().find(|(wrong, _)| *wrong).map(|(_, why)| why);
    let open = "the open interest times --max-price times --value-per-tick-lot may be above 2^62 (GET /v1/perpetuals); \
                docs/PERPETUAL.md, SET_PERPETUAL, lists the other bounds";
    found.unwrap_or_else(|| open.into())
}
