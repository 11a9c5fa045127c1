//! The streams of a frame: under which names a resume finds it (docs/FORMATS.md §7).
//!
//! Invariant: whatever frame yields a report for a view lies in the stream of one of the view's accounts or of its key.

use crate::derive::belongs_to_sender;
use ringbook_event::{Event, events, split_command};
use ringbook_wire::{AccountId, KeyId};

/// Streams from here on are keys, those below are accounts.
pub const KEY_STREAMS: u64 = 1 << 63;

/// The stream of an account.
#[inline]
pub const fn account_stream(account: AccountId) -> u64 {
    account.0 as u64
}

/// The stream of a key's own commands.
#[inline]
pub const fn key_stream(key: KeyId) -> u64 {
    KEY_STREAMS + key.0 as u64
}

/// Appends the streams of a frame to `out`: every account that hears of it, ascending and once, then the sender's key.
/// Bytes that are no command or no events end the list early: an index never stops the journal.
pub fn streams(command: &[u8], event_bytes: &[u8], out: &mut Vec<u64>) {
    let first = out.len();
    for event in events(event_bytes).map_while(Result::ok) {
        let subject = match event {
            Event::Rejected(e) if belongs_to_sender(&e) => continue,
            Event::Accepted(e) => e.header.subject,
            Event::Rejected(e) => e.header.subject,
            Event::Replayed(e) => e.header.subject,
            Event::Amended(e) => e.header.subject,
            Event::Canceled(e) => e.header.subject,
            Event::Expired(e) => e.header.subject,
            Event::Done(e) => e.header.subject,
            Event::Balance(e) => e.header.subject,
            Event::Transfer(e) => e.header.subject,
            Event::Triggered(e) => e.header.subject,
            Event::Refreshed(e) => e.header.subject,
            Event::Trade(e) => {
                push_new(out, first, u64::from(e.taker_account.0));
                e.maker_account.0
            }
            Event::Prevented(e) => {
                push_new(out, first, u64::from(e.taker_account.0));
                e.maker_account.0
            }
            Event::Busted(e) => {
                push_new(out, first, u64::from(e.buyer.0));
                e.seller.0
            }
            Event::Position(e) => e.header.subject,
            Event::Funding(e) => e.header.subject,
            Event::Liquidation(e) => e.header.subject,
            Event::Takeover(e) => e.header.subject,
            Event::Adl(e) => e.header.subject,
            Event::Fund(e) => e.header.subject,
            Event::Realized(e) => e.header.subject,
            Event::Status(_) | Event::Config(_) | Event::Handled(_) => continue,
            Event::Mark(_) | Event::Funded(_) | Event::Settled(_) => continue,
        };
        push_new(out, first, u64::from(subject));
    }
    out[first..].sort_unstable();
    let mut kept = first;
    for at in first..out.len() {
        if kept == first || out[at] != out[kept - 1] {
            out[kept] = out[at];
            kept += 1;
        }
    }
    out.truncate(kept);
    if let Ok((origin, _, _)) = split_command(command)
        && origin.key != KeyId(0)
    {
        out.push(key_stream(origin.key));
    }
}

/// Most repetitions are neighbours; the rest goes when the list is sorted.
#[inline]
fn push_new(out: &mut Vec<u64>, first: usize, stream: u64) {
    if out.len() == first || out.last() != Some(&stream) {
        out.push(stream);
    }
}
