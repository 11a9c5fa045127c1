//! Numbers the reports of one frame and marks the last one.
//!
//! Invariant: a report is handed on only when the next one is known to exist or not, because LAST is part of its bytes.

use ringbook_wire::message::{Header, Message};
use ringbook_wire::report::{LAST, Place};

/// Longest report (DONE).
const REPORT_BYTES_MAX: usize = size_of::<ringbook_wire::report::Done>();
/// Where [`Place::flags`] lies in a report: behind the header, sequence, time, term and index.
const FLAGS_AT: usize = size_of::<Header>() + std::mem::offset_of!(Place, flags);
const _: () = assert!(FLAGS_AT == 30);

/// Collects the reports of one frame for one view.
pub(crate) struct ReportWriter<'s, S: FnMut(&[u8])> {
    sink: &'s mut S,
    /// Where the frame stands; `index` is that of the next report.
    place: Place,
    /// Request number to echo, 0 for all but the sender's session.
    pub request: u32,
    held: [u8; REPORT_BYTES_MAX],
    held_len: usize,
    count: u32,
}

impl<'s, S: FnMut(&[u8])> ReportWriter<'s, S> {
    pub fn new(place: Place, request: u32, sink: &'s mut S) -> Self {
        Self { sink, place, request, held: [0; REPORT_BYTES_MAX], held_len: 0, count: 0 }
    }

    /// Adds a report; `fill` gets the message with its header and place.
    #[inline]
    pub fn push<M: Message>(&mut self, fill: impl FnOnce(Place) -> M) {
        self.flush();
        // A frame has far fewer events than this; if it ever had more, all further ones share the last number, which
        // a token names as "all of them".
        self.place.index = self.count.min(u32::from(u16::MAX)) as u16;
        let mut message = fill(self.place);
        *message.header_mut() = M::header_for(self.request);
        let bytes = message.as_bytes();
        self.held[..bytes.len()].copy_from_slice(bytes);
        self.held_len = bytes.len();
        self.count += 1;
    }

    #[inline]
    fn flush(&mut self) {
        if self.held_len > 0 {
            (self.sink)(&self.held[..self.held_len]);
            self.held_len = 0;
        }
    }

    /// Hands on the last report with its flag; how many there were.
    #[inline]
    pub fn finish(mut self) -> u32 {
        if self.held_len > 0 {
            self.held[FLAGS_AT..FLAGS_AT + 2].copy_from_slice(&LAST.to_le_bytes());
            self.flush();
        }
        self.count
    }
}
