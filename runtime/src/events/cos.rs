//! The event of COS.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Changes of objects in a COS bucket: <https://cloud.tencent.com/document/product/583/9707>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CosEvent {
    /// The changes.
    #[serde(rename = "Records")]
    pub records: Vec<CosRecord>,
}

/// A change of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CosRecord {
    /// The object and its bucket.
    pub cos: CosTarget,
    /// The change itself.
    pub event: CosInfo,
}

/// An object and its bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CosTarget {
    /// Version of the schema, such as `1.0`.
    #[serde(default)]
    pub cos_schema_version: String,
    /// The object.
    pub cos_object: CosObject,
    /// The bucket.
    pub cos_bucket: CosBucket,
    /// Id of the notification.
    #[serde(default)]
    pub cos_notification_id: String,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CosObject {
    /// URL of the object.
    pub url: String,
    /// Metadata of the object, such as `Content-Type` and `x-cos-meta-…`.
    pub meta: BTreeMap<String, String>,
    /// Id of the version. Empty without versioning.
    pub vid: String,
    /// Key, with account and bucket before it: `/1253970026/bucket/folder/file`.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CosBucket {
    /// Short name of the region, such as `cd`.
    pub region: String,
    /// Name of the bucket, without the account.
    pub name: String,
    /// Account (`appid`).
    pub appid: String,
}

/// A change of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CosInfo {
    /// Kind of the change, such as `cos:ObjectCreated:Put`.
    pub event_name: String,
    /// Version of the event, such as `1.0`.
    #[serde(default)]
    pub event_version: String,
    /// Time in seconds since 1970.
    #[serde(default)]
    pub event_time: i64,
    /// Source of the event, such as `qcs::cos`.
    #[serde(default)]
    pub event_source: String,
    /// The request that made the change.
    #[serde(default)]
    pub request_parameters: CosRequest,
    /// The function that the event was meant for.
    #[serde(default)]
    pub event_queue: String,
    /// Reserved by the platform.
    #[serde(default)]
    pub reserved_info: String,
    /// Id of the request.
    #[serde(default)]
    pub reqid: i64,
}

/// The request that made a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct CosRequest {
    /// Address of the client.
    #[serde(rename = "requestSourceIP")]
    pub request_source_ip: String,
    /// Headers of the request. `Authorization` is among them: do not log it.
    pub request_headers: BTreeMap<String, String>,
}
