//! What the exchange has now: so that a change changes what is named and nothing else, and so that a refusal is explained.
//!
//! Invariant: what is read belongs to the exchange that was logged on to (the same journal), and is as new as the logon.

use crate::http;
use crate::output::hex;
use ringbook_client::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Port of HTTP if nothing else is said.
const DEFAULT_PORT: u16 = 7480;

/// Where the present terms are read.
#[derive(Debug)]
pub struct Present {
    address: String,
    sequence: u64,
}

impl Present {
    /// Finds the HTTP port of the exchange that `client` is logged on to: the one that was named, or else the one that the
    /// server has written beside the keys, or else the default one of the host.
    ///
    /// # Errors
    /// In words: where was looked, and what to give.
    pub fn find(client: &Client, named: Option<&str>, keys: &Path, connect: &str) -> Result<Self, String> {
        let candidates = match named {
            Some(address) => vec![address.to_owned()],
            None => {
                let host = connect.rsplit_once(':').map_or(connect, |(host, _)| host);
                let beside = keys.parent().and_then(crate::serve::ready_http);
                beside.into_iter().chain([format!("{host}:{DEFAULT_PORT}")]).collect()
            }
        };
        let journal = hex(&client.accepted().journal);
        let mut tried = Vec::new();
        for address in candidates {
            match http::get(&address, "/v1/status") {
                Ok((200, status)) if status["journal"] == journal.as_str() => {
                    return Ok(Self { address, sequence: client.accepted().sequence.0 });
                }
                Ok(_) => tried.push(format!("HTTP at {address}: another exchange than {connect}")),
                Err(error) => tried.push(error),
            }
        }
        Err(format!(
            "what the exchange has now cannot be read ({}): give its HTTP address with --http",
            tried.join("; ")
        ))
    }

    /// The JSON at a path; `None` if there is no such thing.
    ///
    /// # Errors
    /// In words.
    pub fn ask(&self, path: &str) -> Result<Option<Value>, String> {
        match http::get(&self.address, &format!("{path}?min_sequence={}", self.sequence))? {
            (200, value) => Ok(Some(value)),
            (404, _) => Ok(None),
            (status, body) => {
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                Err(format!(
                    "HTTP at {} answers {status} for {path}: {}; {}",
                    self.address,
                    text("error"),
                    text("remedy")
                ))
            }
        }
    }

    /// A list in the answer at a path.
    ///
    /// # Errors
    /// In words; also if the list is not as documented.
    pub fn list<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<Vec<T>, String> {
        let mut value = self.ask(path)?.unwrap_or_default();
        serde_json::from_value(value[name].take())
            .map_err(|error| format!("HTTP at {}: {path} is not as documented: {error}", self.address))
    }
}
