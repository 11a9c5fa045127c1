//! A report of any kind, typed (PROTOCOL §7).

use ringbook_wire::message::{Header, Message};
use ringbook_wire::report::{self, LAST, Place, ReportType};

macro_rules! reports {
    ($($name:ident),+) => {
        /// A report of any kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // each variant is the struct of the same name in `ringbook_wire::report`
        pub enum Report {
            $($name(report::$name),)+
        }

        impl Report {
            /// Reads a whole message; `None` if it is not a report of a known type and length.
            pub fn read(message: &[u8]) -> Option<Self> {
                match ReportType::from_code(*message.get(2)?)? {
                    $(ReportType::$name => report::$name::read(message).map(Self::$name),)+
                    _ => None,
                }
            }

            /// Length, type, version and request number.
            pub fn header(&self) -> &Header {
                match self {
                    $(Self::$name(report) => &report.header,)+
                }
            }

            /// Where it stands in the total order.
            pub fn place(&self) -> &Place {
                match self {
                    $(Self::$name(report) => &report.place,)+
                }
            }
        }

        $(impl From<report::$name> for Report {
            fn from(report: report::$name) -> Self {
                Self::$name(report)
            }
        })+
    };
}

reports!(
    Accepted,
    Rejected,
    Replayed,
    Trade,
    Prevented,
    Amended,
    Canceled,
    Expired,
    Done,
    Balance,
    Status,
    Config,
    Transfer,
    MassDone,
    Triggered,
    Refreshed,
    Busted,
    Position,
    Mark,
    Funded,
    Funding,
    Liquidation,
    Takeover,
    Adl,
    Fund,
    Realized,
    Settled
);

impl Report {
    /// The request that it answers; 0 if it is unsolicited.
    pub fn request(&self) -> u32 {
        self.header().request
    }

    /// Whether it is the last report of its sequence to this session.
    pub fn is_last(&self) -> bool {
        self.place().flags & LAST != 0
    }
}
