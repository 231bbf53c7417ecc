//! Prints the `Authorization` header for a body on standard input.
//!
//! `.ci/deploy-model` compares it with that of Tencent's own SDK. The key comes from
//! `TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY`.
//!
//! ```sh
//! echo -n '{}' | cargo run -p scf-deploy --example sign -- scf scf.tencentcloudapi.com 1780000000
//! ```

use std::{
    env,
    io::{Read, stdin},
};

use anyhow::Context;
use scf_deploy::Signature;

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = env::args().skip(1).collect();
    let [service, host, timestamp] = &args[..] else {
        anyhow::bail!("usage: sign SERVICE HOST TIMESTAMP <BODY")
    };
    let mut body = Vec::new();
    stdin().read_to_end(&mut body)?;
    let timestamp = timestamp.parse().context("invalid TIMESTAMP")?;
    let signature = Signature { service, host, timestamp, body: &body };
    let (id, key) = (env::var("TENCENTCLOUD_SECRET_ID")?, env::var("TENCENTCLOUD_SECRET_KEY")?);
    println!("{}", signature.authorization(&id, &key));
    Ok(())
}
