//! Cuts a byte stream into messages, checks a message from a client, and writes messages into a buffer. No I/O.
//!
//! ```text
//! socket bytes ──► next_message ──► whole message, header sane ──► check ──► typed by MessageType, reserved bytes zero
//! ```

use crate::message::{HEADER_BYTES, Header, MAX_MESSAGE_BYTES, Message, MessageType, VERSION};
use zerocopy::FromBytes;

/// What is wrong with the bytes from a peer. The connection cannot go on: message borders are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Length below the header's or above [`MAX_MESSAGE_BYTES`], or no multiple of 8.
    #[error("message length {0} is not a multiple of 8 from 8 to 512")]
    BadLength(u16),
    /// A version this build does not speak.
    #[error("protocol version {0} is not spoken here (this side speaks 1)")]
    BadVersion(u8),
}

/// What is wrong with a whole message from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No such type for a client.
    #[error("message type {0} does not exist for clients")]
    BadType(u8),
    /// Not the length of its type.
    #[error("message type {kind} has {expected} bytes, not {length}")]
    WrongLength {
        /// Type.
        kind: u8,
        /// As sent.
        length: u16,
        /// As documented.
        expected: u16,
    },
}

/// The first message in `bytes` and how many bytes it takes, or `None` if it is not whole yet.
///
/// # Errors
/// The header is not one; nothing behind it can be read.
#[inline]
pub fn next_message(bytes: &[u8]) -> Result<Option<&[u8]>, FrameError> {
    let Ok((header, _)) = Header::read_from_prefix(bytes) else {
        return Ok(None);
    };
    let length = usize::from(header.length);
    if !(HEADER_BYTES..=MAX_MESSAGE_BYTES).contains(&length) || !length.is_multiple_of(8) {
        return Err(FrameError::BadLength(header.length));
    }
    if header.version != VERSION {
        return Err(FrameError::BadVersion(header.version));
    }
    Ok(bytes.get(..length))
}

/// The header of a whole message.
#[inline]
pub fn header(message: &[u8]) -> Header {
    Header::read_from_prefix(message).expect("a whole message has a header").0
}

/// Checks that a whole message is of a type that a client may send and has that type's length.
///
/// # Errors
/// It is not.
#[inline]
pub fn check(message: &[u8]) -> Result<MessageType, MessageError> {
    let header = header(message);
    let kind = MessageType::from_code(header.kind)
        .filter(|kind| header.kind < MessageType::FIRST_COMMAND || kind.is_client_command())
        .ok_or(MessageError::BadType(header.kind))?;
    if usize::from(header.length) != kind.bytes() {
        return Err(MessageError::WrongLength {
            kind: header.kind,
            length: header.length,
            expected: kind.bytes() as u16,
        });
    }
    Ok(kind)
}

/// Appends a message to a buffer.
#[inline]
pub fn write<M: Message>(out: &mut Vec<u8>, message: &M) {
    debug_assert_eq!(usize::from(message.header().length), size_of::<M>());
    out.extend_from_slice(message.as_bytes());
}
