//! The signature of the cloud's API 3.0, TC3-HMAC-SHA256:
//! <https://cloud.tencent.com/document/api/213/30654>

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// The `Content-Type` of every request. It is signed.
pub const CONTENT_TYPE: &str = "application/json";

/// The parts of a request that its signature covers.
#[derive(Clone, Copy)]
pub struct Signature<'a> {
    /// The service, `scf` or `cls`: the first label of its host name.
    pub service: &'a str,
    /// The value of the `Host` header.
    pub host: &'a str,
    /// The value of `X-TC-Timestamp`, in seconds since 1970.
    pub timestamp: i64,
    /// The body.
    pub body: &'a [u8],
}

impl Signature<'_> {
    /// Returns the value of the `Authorization` header for `POST /`.
    pub fn authorization(&self, secret_id: &str, secret_key: &str) -> String {
        let scope = format!("{}/{}/tc3_request", self.date(), self.service);
        let request = format!(
            "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{}\n\ncontent-type;host\n{}",
            self.host,
            hex(&Sha256::digest(self.body)),
        );
        let text = format!(
            "TC3-HMAC-SHA256\n{}\n{scope}\n{}",
            self.timestamp,
            hex(&Sha256::digest(request))
        );
        let mut key = hmac(format!("TC3{secret_key}").as_bytes(), &self.date());
        for part in [self.service, "tc3_request"] {
            key = hmac(&key, part);
        }
        format!(
            "TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders=content-type;host, \
             Signature={}",
            hex(&hmac(&key, &text))
        )
    }

    /// The day in UTC, as `2026-11-25`.
    fn date(&self) -> String {
        // A clock that `time` cannot represent is so wrong that the cloud refuses any signature.
        let time = OffsetDateTime::from_unix_timestamp(self.timestamp)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        time.date().to_string()
    }
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    // HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is valid");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Signature;

    /// The header is that of Tencent's SDK for Python 3.1.195; `.ci/deploy-model` compares more.
    #[test]
    fn signature_is_that_of_the_sdk() {
        let signature = Signature {
            service: "scf",
            host: "scf.tencentcloudapi.com",
            timestamp: 1_780_000_000,
            body: br#"{"FunctionName": "ask"}"#,
        };
        assert_eq!(
            signature.authorization("AKIDexample", "secretexample"),
            "TC3-HMAC-SHA256 Credential=AKIDexample/2026-05-28/scf/tc3_request, \
             SignedHeaders=content-type;host, \
             Signature=e31e66dd54527b6c0c7d68a8ae808b0b49602473fbdd22173c50f6802e9d19d1"
        );
    }
}
