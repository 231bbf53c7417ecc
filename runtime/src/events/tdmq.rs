//! The event of TDMQ.

use serde::Deserialize;

/// A message of a TDMQ topic, delivered by EventBridge:
/// <https://cloud.tencent.com/document/product/583/31927>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TdmqEvent {
    /// Version of the event's form.
    #[serde(default)]
    pub specversion: String,
    /// Id of the event.
    #[serde(default)]
    pub id: String,
    /// Kind of the event: `connector:tdmq`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Source of the event: `tdmq.cloud.tencent`.
    #[serde(default)]
    pub source: String,
    /// Resource of the event. The documents spell it `subjuect`; both spellings are read.
    #[serde(default, alias = "subjuect")]
    pub subject: String,
    /// Time in milliseconds since 1970, in digits.
    #[serde(default)]
    pub time: String,
    /// Region of the source, such as `ap-guangzhou`.
    #[serde(default)]
    pub region: String,
    /// Media type of the message.
    #[serde(default)]
    pub datacontenttype: String,
    /// The message.
    pub data: TdmqMessage,
}

/// A message of a TDMQ topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TdmqMessage {
    /// Path of the topic: `persistent://appid/namespace/topic`.
    pub topic: String,
    /// Tags of the message.
    pub tags: String,
    /// Kind of the topic: 0 normal, 1 globally ordered, 2 partially ordered, 3 retries, 4 dead
    /// letters.
    #[serde(rename = "TopicType", alias = "topictype")]
    pub topic_type: i64,
    /// Name of the subscription.
    pub subscription_name: String,
    /// Time of the message in milliseconds since 1970, in digits. The documents also name it
    /// `timestamp`; both names are read.
    #[serde(alias = "timestamp")]
    pub to_timestamp: String,
    /// Partition of the topic, in digits.
    pub partitions: String,
    /// Id of the message.
    pub msg_id: String,
    /// Content of the message.
    pub msg_body: String,
}
