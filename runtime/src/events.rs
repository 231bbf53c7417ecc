//! The events of triggers other than HTTP, as the platform documents them:
//! <https://cloud.tencent.com/document/product/583/31927>
//! ([in English](https://www.tencentcloud.com/document/product/583/31439)).
//!
//! A handler of [`run`](crate::run) takes them as they are:
//!
//! ```no_run
//! use scf_runtime::events::TimerEvent;
//! use scf_runtime::{Context, Failure};
//!
//! fn handler(event: TimerEvent, _: &Context) -> Result<String, Failure> {
//!     Ok(format!("{} fired at {}", event.trigger_name, event.time))
//! }
//!
//! fn main() -> Result<(), scf_runtime::Error> {
//!     scf_runtime::run(handler)
//! }
//! ```
//!
//! Members that identify an event are required, so that the event of another trigger is an error.
//! Other members may be missing and are then empty or zero. Unknown members are ignored. In a
//! test, start from `default()` and set fields, or deserialize the JSON of an event.

mod ckafka;
mod cls;
mod cos;
mod tdmq;
mod timer;

pub use ckafka::{CkafkaEvent, CkafkaMessage};
pub use cls::{ClsEvent, ClsRecord};
pub use cos::{CosBucket, CosEvent, CosInfo, CosObject, CosRecord, CosRequest, CosTarget};
pub use tdmq::{TdmqEvent, TdmqMessage};
pub use timer::TimerEvent;
