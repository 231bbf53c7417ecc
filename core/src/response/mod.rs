//! Responses of the question endpoint: answers and failures in the client's format.

mod encoder;
pub mod page;
mod responder;

pub use encoder::AnswerEncoder;
pub use responder::{
    METHODS, Responder, X_ACCEL_BUFFERING, X_ERROR_CODE, X_FINISH_REASON, X_MODEL, X_REQUEST_ID,
    add_answer_headers,
};
