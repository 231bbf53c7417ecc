//! Errors of a call, and advice for the codes of the cloud.

use std::fmt;

/// A failed call of the cloud's API.
#[derive(Clone, Debug)]
pub enum CallError {
    /// The cloud answered with an error.
    Api(Box<ApiError>),
    /// No answer of the cloud arrived.
    Network {
        /// The action, such as `CreateFunction`.
        action: String,
        /// The host and what went wrong.
        reason: String,
        /// The settings to check.
        cure: &'static str,
        /// `true` if the same call may succeed a moment later.
        transient: bool,
    },
}

/// An error that the cloud's API answered.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The action, such as `CreateFunction`.
    pub action: String,
    /// The code, such as `ResourceNotFound.Function`.
    pub code: String,
    /// The cloud's message, redacted.
    pub message: String,
    /// The id that Tencent Cloud's support asks for.
    pub request_id: String,
    /// The problem and its cure, for known codes.
    pub advice: Option<String>,
}

impl CallError {
    /// Returns whether the cloud refused the call itself, not the key that signed it.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Api(_)) && !self.is_any(&["AuthFailure", "RequestLimitExceeded"])
    }

    /// Returns whether the cloud answered with this code or one below it.
    ///
    /// `ResourceInUse` matches `ResourceInUse.Function`, not `ResourceInUseOther`.
    pub fn is(&self, code: &str) -> bool {
        match self {
            Self::Api(error) => below(&error.code, code),
            Self::Network { .. } => false,
        }
    }

    /// The code or the reason alone, for a line of progress.
    pub fn brief(&self) -> &str {
        match self {
            Self::Api(error) => &error.code,
            Self::Network { reason, .. } => reason,
        }
    }

    /// Returns whether the cloud answered with one of these codes or one below them.
    pub fn is_any(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.is(code))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Network { action, reason, cure, .. } => write!(f, "{action}: {reason}; {cure}"),
        }
    }
}

impl std::error::Error for CallError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message, request_id, advice } = self;
        match advice {
            Some(advice) => write!(f, "{action}: {advice}\n  ({code}: {message}")?,
            None if message.is_empty() => write!(f, "{action}: failed\n  ({code}")?,
            None => write!(f, "{action}: {message}\n  ({code}")?,
        }
        match request_id.as_str() {
            "" => f.write_str(")"),
            id => write!(f, "; request {id})"),
        }
    }
}

fn below(code: &str, prefix: &str) -> bool {
    code.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the problem and its cure for a code of the API.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    let (_, advice) =
        ADVICE.iter().find(|(codes, _)| codes.iter().any(|known| below(code, known)))?;
    Some(advice)
}

/// Codes and their advice. The first match counts, so exceptions stand before families.
///
/// The codes are those of Tencent's own SDK:
/// <https://github.com/TencentCloud/tencentcloud-sdk-python/blob/master/tencentcloud/scf/v20180416/errorcodes.py>
const ADVICE: &[(&[&str], &str)] = &[
    (
        &["UnauthorizedOperation.Region"],
        "the account may not use this region; choose another one with --region",
    ),
    (
        &["UnauthorizedOperation", "AuthFailure.UnauthorizedOperation"],
        "permission missing; give the key's user the policy QcloudSCFFullAccess (for `logs` also \
         QcloudCLSReadOnlyAccess) at https://console.cloud.tencent.com/cam",
    ),
    (
        &["AuthFailure.SecretIdNotFound", "AuthFailure.InvalidSecretId"],
        "the SecretId is unknown or disabled; copy it again or make a new key at \
         https://console.cloud.tencent.com/cam/capi (international accounts: --endpoint \
         scf.intl.tencentcloudapi.com)",
    ),
    (
        &["AuthFailure.SignatureFailure"],
        "the signature is wrong, so the SecretKey does not belong to the SecretId; copy both again",
    ),
    (
        &["AuthFailure.SignatureExpire"],
        "the signature has expired, so this machine's clock is wrong; set it (more than 5 minutes \
         are refused) and run the command again",
    ),
    (
        &["AuthFailure.TokenFailure"],
        "the session token is invalid or expired; log in again (`tccli auth login`), or unset \
         TENCENTCLOUD_TOKEN if the key is a permanent one",
    ),
    (
        &["AuthFailure"],
        "the key was refused; check it at https://console.cloud.tencent.com/cam/capi",
    ),
    (
        &["FailedOperation.QcsRoleNotFound"],
        "the service role SCF_QcsRole is missing; open https://console.cloud.tencent.com/scf once \
         and confirm its authorization, then run the command again",
    ),
    (
        &[
            "FailedOperation.ClsServiceUnregistered",
            "InvalidParameter.Cls",
            "InvalidParameterValue.Cls",
            "OperationDenied.AccountNotExists",
        ],
        "the log service (CLS) is not activated; open https://console.cloud.tencent.com/cls once \
         and activate it, then run the command again",
    ),
    (
        &[
            "FailedOperation.UnOpenedService",
            "FailedOperation.OpenService",
            "FailedOperation.ServiceClosed",
        ],
        "SCF is not activated; open https://console.cloud.tencent.com/scf once and activate it, \
         then run the command again",
    ),
    (
        &[
            "FailedOperation.InsufficientBalance",
            "FailedOperation.AccountInsufficient",
            "ResourceUnavailable.InsufficientBalance",
            "ResourceUnavailable.ServiceSuspended",
            "OperationDenied.AccountIsolate",
        ],
        "the account's balance is used up; top it up at \
         https://console.cloud.tencent.com/expense/recharge, then run the command again",
    ),
    (
        &["FailedOperation.InsufficientResources", "ResourceInsufficient"],
        "the region has no capacity left; try again later, or another region with --region",
    ),
    (
        &[
            "UnsupportedOperation.NotSupportRegion",
            "UnsupportedOperation.Region",
            "UnsupportedRegion",
        ],
        "the region is unsupported; choose another one with --region, such as ap-singapore, \
         ap-tokyo, na-siliconvalley or eu-frankfurt",
    ),
    (
        &["InvalidParameterValue.EnvironmentExceededLimit"],
        "the variables are too large; the limit is 4 KB for all names and values together",
    ),
    (
        &[
            "InvalidParameterValue.EnvironmentSystemProtect",
            "InvalidParameterValue.SystemEnvironment",
        ],
        "a variable has a reserved name; rename those that begin with SCF_, QCLOUD_ or \
         TENCENTCLOUD_",
    ),
    (&["InvalidParameterValue.Environment"], "a variable is invalid; check its name and value"),
    (
        &[
            "InvalidParameterValue.ZipFile",
            "InvalidParameterValue.ZipFileBase64BinasciiError",
            "InvalidParameterValue.InlineZipFile",
            "InvalidParameterValue.Code",
        ],
        "the zip is invalid; pack the function again and check it with `unzip -t`",
    ),
    (
        &["InvalidParameter.RequestTooLarge", "RequestSizeLimitExceeded"],
        "the request is too large; make the zip or the event smaller",
    ),
    (
        &[
            "InvalidParameterValue.Memory",
            "InvalidParameterValue.MemorySize",
            "LimitExceeded.Memory",
        ],
        "the memory is invalid; --memory takes 64, or a multiple of 128 up to 3072",
    ),
    (&["LimitExceeded.Timeout"], "the timeout is too large; --timeout takes 1 to 900"),
    (
        &["LimitExceeded.InitTimeout"],
        "the initialization timeout is too large; change it in the console",
    ),
    (
        &["LimitExceeded.Function"],
        "the region holds as many functions as it may (50 in a namespace); remove one, or choose \
         another --region",
    ),
    (
        &[
            "LimitExceeded.FunctionReservedConcurrencyMemory",
            "FailedOperation.ReservedExceedTotal",
            "LimitExceeded.TotalConcurrencyMemory",
            "LimitExceeded.UserTotalConcurrencyMemory",
        ],
        "the cap is larger than what the account has left to reserve (its quota less 12,800 MB)",
    ),
    (
        &["LimitExceeded.Trigger"],
        "the function has as many triggers as it may; delete one in the console",
    ),
    (
        &["LimitExceeded.Quota", "LimitExceeded"],
        "a quota of the account is used up; remove what is not needed, or ask for more at \
         https://console.cloud.tencent.com/workorder",
    ),
    (
        &["InvalidParameterValue.FunctionName", "InvalidParameter.FunctionName"],
        "the function's name is invalid; --name takes 2 to 60 letters, digits, - and _",
    ),
    (
        &["ResourceNotFound.Namespace", "InvalidParameterValue.Namespace"],
        "the namespace does not exist in this region; create it in the console, or leave \
         --namespace out",
    ),
    (
        &["ResourceNotFound.Function", "ResourceNotFound.FunctionName"],
        "the function does not exist in this region; check --name and --region",
    ),
    (
        &["FailedOperation.DeleteTrigger.UrlUsed"],
        "a custom domain uses the Function URL; unbind the domain in the console, then run the \
         command again",
    ),
    (
        &["FailedOperation.CreateTrigger"],
        "the function was not ready for a Function URL; run the command again in a minute",
    ),
    (
        &[
            "FailedOperation.FunctionStatusError",
            "FailedOperation.FunctionNameStatusError",
            "FailedOperation.UpdateFunctionCode",
            "FailedOperation.UpdateFunctionConfiguration",
            "FailedOperation.OperationConflict",
            "FailedOperation.ReservedInProgress",
            "FailedOperation.TotalConcurrencyMemoryInProgress",
            "ResourceInUse",
        ],
        "another change of the function is in progress; run the command again in a minute",
    ),
    (
        &["RequestLimitExceeded"],
        "too many calls in a short time; wait a minute and run the command again",
    ),
    (&["InternalError"], "the cloud failed; run the command again in a minute"),
    (
        &["InvalidAction", "InvalidParameterValue.Action", "NoSuchProduct", "NoSuchVersion"],
        "the endpoint does not offer this action; check --endpoint",
    ),
];

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn exceptions_come_before_their_family() {
        let holds = |code: &str, words: &str| {
            let advice = advice(code).unwrap_or_else(|| panic!("{code}"));
            assert!(advice.contains(words), "{code}: {advice}");
        };
        holds("UnauthorizedOperation.Region", "--region");
        holds("UnauthorizedOperation.CAM", "QcloudSCFFullAccess");
        holds("LimitExceeded.Function", "50");
        holds("LimitExceeded.FunctionReservedConcurrencyMemory", "cap");
        holds("InvalidParameterValue.EnvironmentExceededLimit", "4 KB");
        holds("InvalidParameterValue.Environment", "variable");
        assert_eq!(advice("Unknown.Code"), None);
        assert_eq!(advice("InternalErrors"), None);
    }
}
