//! The event of CLS.

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::Error as _;

/// Logs of a CLS topic: <https://cloud.tencent.com/document/product/583/49587>.
///
/// The event holds them as base64 of gzip. Deserializing decodes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Encoded")]
#[non_exhaustive]
pub struct ClsEvent {
    /// Id of the topic.
    pub topic_id: String,
    /// Name of the topic.
    pub topic_name: String,
    /// The logs.
    pub records: Vec<ClsRecord>,
}

/// A log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ClsRecord {
    /// Time of the log in microseconds since 1970, in digits.
    pub timestamp: String,
    /// Content of the log.
    pub content: String,
}

/// Maximum size of decompressed logs, in bytes. An event ends at 128 KB.
const MAX_LOGS: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Encoded {
    clslogs: Data,
}

#[derive(Deserialize)]
struct Data {
    data: String,
}

/// The content of the event after decoding.
#[derive(Deserialize)]
struct Logs {
    topic_id: String,
    #[serde(default)]
    topic_name: String,
    records: Vec<ClsRecord>,
}

impl TryFrom<Encoded> for ClsEvent {
    type Error = serde_json::Error;

    fn try_from(event: Encoded) -> Result<ClsEvent, serde_json::Error> {
        let gzip = BASE64_STANDARD.decode(event.clslogs.data);
        let gzip = gzip.map_err(|error| serde_json::Error::custom(format!("data: {error}")))?;
        let logs = GzDecoder::new(gzip.as_slice()).take(MAX_LOGS);
        let Logs { topic_id, topic_name, records } = serde_json::from_reader(logs)?;
        Ok(ClsEvent { topic_id, topic_name, records })
    }
}
