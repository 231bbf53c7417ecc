//! The event of CKafka.

use serde::{Deserialize, Deserializer};

/// Messages of a CKafka topic: <https://cloud.tencent.com/document/product/583/17530>.
///
/// A failed invocation is repeated with the same messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CkafkaEvent {
    /// The messages, in their order.
    #[serde(rename = "Records", deserialize_with = "messages")]
    pub records: Vec<CkafkaMessage>,
}

/// A message of a CKafka topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct CkafkaMessage {
    /// Name of the topic.
    pub topic: String,
    /// Partition of the topic.
    pub partition: i64,
    /// Offset in the partition.
    pub offset: i64,
    /// Key of the message. The platform writes `None` for a message without a key.
    pub msg_key: String,
    /// Content of the message.
    pub msg_body: String,
}

/// Takes each message out of its object with the member `Ckafka`.
fn messages<'de, D: Deserializer<'de>>(records: D) -> Result<Vec<CkafkaMessage>, D::Error> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "Ckafka")]
        message: CkafkaMessage,
    }

    let records = Vec::<Record>::deserialize(records)?;
    Ok(records.into_iter().map(|record| record.message).collect())
}
