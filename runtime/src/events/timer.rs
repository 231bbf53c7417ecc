//! The event of a timer.

use serde::Deserialize;

/// The event of a timer: <https://cloud.tencent.com/document/product/583/9708>.
///
/// ```
/// use scf_runtime::events::TimerEvent;
///
/// let json = r#"{"TriggerName": "hourly", "Time": "2019-02-21T11:49:00Z", "Message": ""}"#;
/// let event: TimerEvent = serde_json::from_str(json)?;
/// assert_eq!(event.trigger_name, "hourly");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct TimerEvent {
    /// Name of the trigger.
    pub trigger_name: String,
    /// Time of the event in RFC 3339, such as `2019-02-21T11:49:00Z`.
    pub time: String,
    /// The text that the trigger's owner has set.
    #[serde(default)]
    pub message: String,
}
