//! What came of feeding a recording: how many marks and fundings were accepted, and why others were not.

use ringbook_client::Rejection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub struct Counts {
    pub lines: u64,
    pub sent: u64,
    pub accepted: u64,
    pub confirmed: u64,
    pub refused: BTreeMap<u16, u64>,
    pub fundings: u64,
    pub fundings_refused: BTreeMap<u16, u64>,
    pub first: Option<i64>,
    pub last: Option<i64>,
}

impl Counts {
    /// For programs.
    pub fn json(&self, perpetual: u32, took: Duration) -> Value {
        let codes = |refused: &BTreeMap<u16, u64>| -> BTreeMap<String, u64> {
            refused.iter().map(|(code, count)| (code.to_string(), *count)).collect()
        };
        json!({
            "symbol": perpetual,
            "lines": self.lines,
            "sent": self.sent,
            "accepted": self.accepted,
            "confirmed": self.confirmed,
            "refused": codes(&self.refused),
            "fundings": self.fundings,
            "fundings_refused": codes(&self.fundings_refused),
            "first_mark": self.first,
            "last_mark": self.last,
            "seconds": took.as_secs_f64(),
        })
    }

    /// For people.
    pub fn text(&self, perpetual: u32, took: Duration) -> String {
        let by_code = |refused: &BTreeMap<u16, u64>| {
            let one = |(code, count): (&u16, &u64)| format!(", {count} refused with {}", Rejection(*code));
            refused.iter().map(one).collect::<String>()
        };
        let mut text = format!(
            "perpetual {perpetual}: {} marks from {} lines in {:.1} s: {} accepted ({} confirmed by a run){}",
            self.sent,
            self.lines,
            took.as_secs_f64(),
            self.accepted,
            self.confirmed,
            by_code(&self.refused)
        );
        if self.fundings > 0 || !self.fundings_refused.is_empty() {
            text += &format!("\nfundings: {} paid{}", self.fundings, by_code(&self.fundings_refused));
        }
        text
    }
}
