//! How a message lies on a byte stream: four bytes, big-endian, the length of the JSON that follows.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer: a plan for one host is tens of kilobytes, facts of a large host hundreds.
pub const MAX_FRAME: u32 = 16 * 1024 * 1024;

/// A frame that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error(
        "a message of {0} bytes is longer than the {MAX_FRAME} that bedplate sends; the other end is no bedplate, or its output is mixed with other text"
    )]
    TooLong(u64),
    /// No JSON, or JSON of another shape.
    #[error("a message is not what protocol {max} says", max = crate::PROTOCOL_MAX)]
    Malformed(#[source] serde_json::Error),
}

/// The frame of one message.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message).map_err(FrameError::Malformed)?;
    let length = u32::try_from(body.len()).ok().filter(|n| *n <= MAX_FRAME);
    let length = length.ok_or(FrameError::TooLong(body.len() as u64))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// How many bytes of JSON follow these four.
pub fn body_length(header: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(header);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(u64::from(length)));
    }
    Ok(length as usize)
}

/// The message in a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(FrameError::Malformed)
}
