//! The end of an answer.

use super::error::Error;

/// Rejects an answer that is not whole, by its finish reason. Its text has been written.
///
/// # Errors
/// [`Error::Failed`] for a reason other than `stop`.
pub(super) fn check_finish_reason(unusual: Option<&str>) -> Result<(), Error> {
    let (en, zh) = match unusual {
        None => return Ok(()),
        Some("length") => (
            "it reached the limit of its length (ASK_EXTRA may set one).".into(),
            "达到了长度上限（ASK_EXTRA 里可能设了上限）。".into(),
        ),
        Some("content_filter" | "sensitive") => (
            "the provider's content filter withheld the rest.".into(),
            "其余部分被模型服务商的内容过滤拦下。".into(),
        ),
        Some("deadline") => ("the time limit passed.".into(), "已到时限。".into()),
        Some(other) => (format!("it ended early ({other})."), format!("提前结束（{other}）。")),
    };
    Err(Error::failed(format!("The answer is incomplete: {en}"), format!("回答不完整：{zh}")))
}
