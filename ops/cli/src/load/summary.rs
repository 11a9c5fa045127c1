//! What came of a load run: one JSON object, or lines for people, and what to change when orders are refused.

use super::LoadArgs;
use super::counts::Counts;
use super::latency::Stage;
use super::link::Books;

/// See the module.
pub struct Summary {
    /// Counts and latencies.
    pub books: Books,
    /// Sent and never answered.
    pub lost: u64,
    /// Due and never sent.
    pub unsent: u64,
    /// How long it took.
    pub seconds: f64,
    /// Processor time of this tool, of one core.
    pub cpu_share: f64,
}

impl Summary {
    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        let counts = &self.books.counts;
        counts.errors == 0 && counts.resume_errors == 0 && self.lost == 0 && self.unsent == 0
    }

    fn json(&self, args: &LoadArgs) -> serde_json::Value {
        let counts = &self.books.counts;
        let mut value = serde_json::json!({
            "symbol": args.symbol(),
            "mode": if args.closed_loop { "closed" } else { "open" },
            "rate": args.rate,
            "connections": args.connections,
            "accounts": args.accounts,
            "sent": counts.sent,
            "unsent": self.unsent,
            "acked": counts.acked,
            "rejected": counts.rejected,
            "rejects": counts.rejects.iter().map(|(code, count)| (code.to_string(), *count)).collect::<std::collections::BTreeMap<_, _>>(),
            "matched": counts.matched,
            "busy": counts.busy,
            "errors": counts.errors,
            "lost": self.lost,
            "disconnects": counts.disconnects,
            "reconnects": counts.reconnects,
            "resume_errors": counts.resume_errors,
            "answered_by_resume": counts.answered_by_resume,
            "resent": counts.resent,
            "replayed": counts.replayed,
            "resolved_by_resume": counts.resolved_by_resume,
            "seconds": self.seconds,
            "achieved_per_s": counts.acked as f64 / self.seconds.max(1e-9),
            "cpu_share": self.cpu_share,
            "latency_us": self.books.latencies.json(Stage::Ack),
            "match_latency_us": self.books.latencies.json(Stage::Match),
            "send_lag_us": self.books.latencies.json(Stage::SendLag),
            "notes": counts.notes,
        });
        if args.perpetual {
            value["perpetual"] = counts.perpetual.json();
        }
        value
    }

    /// Prints it.
    pub fn print(&self, args: &LoadArgs) {
        let counts = &self.books.counts;
        for note in &counts.notes {
            eprintln!("note: {note}");
        }
        if let Some(advice) = advice(counts, args) {
            eprintln!("{advice}");
        }
        if args.json {
            crate::output::line(format_args!("{}", self.json(args)));
            return;
        }
        crate::output::line(format_args!(
            "sent {} ({} never), answered {} in {:.1} s: {:.0} per second",
            counts.sent,
            self.unsent,
            counts.acked,
            self.seconds,
            counts.acked as f64 / self.seconds.max(1e-9)
        ));
        crate::output::line(format_args!(
            "rejected {}, busy {}, errors {}, lost {}; matched {}",
            counts.rejected, counts.busy, counts.errors, self.lost, counts.matched
        ));
        if args.perpetual {
            crate::output::line(counts.perpetual.text());
        }
        if counts.disconnects > 0 {
            crate::output::line(format_args!(
                "broken connections {}, resume errors {}, answered by the history {}, sent again {}, given up {}",
                counts.disconnects,
                counts.resume_errors,
                counts.answered_by_resume,
                counts.resent,
                counts.resolved_by_resume
            ));
        }
        for stage in Stage::ALL {
            crate::output::line(format_args!("{}", self.books.latencies.line(stage)));
        }
        crate::output::line(format_args!("this tool used {:.0} % of one core", self.cpu_share * 100.0));
    }
}

/// What to change when orders are refused.
fn advice(counts: &Counts, args: &LoadArgs) -> Option<String> {
    let any = |codes: &[u16]| codes.iter().any(|code| counts.rejects.contains_key(code));
    let symbol = args.symbol_id();
    Some(if any(&[105]) {
        "there is no such symbol: give the number of one with --symbol-id (GET /v1/symbols lists them)".to_owned()
    } else if any(&[106]) {
        format!(
            "symbol {symbol} takes no such orders now: `ringbook admin status {symbol} TRADING`, or another --symbol-id"
        )
    } else if any(&[107]) {
        "the exchange is in maintenance: `ringbook admin maintenance off`".to_owned()
    } else if any(&[103]) {
        "an account is suspended: `ringbook admin account ID --active`, or others with --first-account".to_owned()
    } else if any(&[200, 201]) {
        "prices are refused: give --price near the last trade, and a smaller --spread".to_owned()
    } else if any(&[202, 203]) {
        "quantities are refused: give another --quantity".to_owned()
    } else if any(&[300]) {
        format!(
            "accounts run out of money: they were given assets {} and {}. If symbol {symbol} trades others (GET /v1/symbols), \
             give --base-asset and --quote-asset; else larger --base-units and --quote-units, or a smaller --quantity",
            args.base_asset, args.quote_asset
        )
    } else if any(&[210]) {
        "accounts have too many open orders: give a smaller --max-open, or more --accounts".to_owned()
    } else {
        return None;
    })
}
