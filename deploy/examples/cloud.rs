//! The tests' stand-in of the cloud as a program, to try `scf-deploy` out without an account.
//!
//! ```sh
//! cargo run -p scf-deploy --example cloud
//! ```
//!
//! It prints what to set, then each call. `--fail ACTION=CODE` lets an action fail for good,
//! `--fail-once ACTION=CODE` once. `--address URL` is the address of every Function URL,
//! `--listen HOST:PORT` that of the API. It ends with Ctrl-C, and keeps nothing.

// The tests use more of it.
#[allow(dead_code, unused_imports)]
#[path = "../tests/it/cloud/mod.rs"]
mod cloud;

use cloud::{Call, Cloud, Fault, SECRET_ID, SECRET_KEY};
use lexopt::{Arg, Parser, ValueExt};

fn main() -> anyhow::Result<()> {
    let mut parser = Parser::from_env();
    let (mut listen, mut address, mut faults) = ("127.0.0.1:0".to_owned(), None, Vec::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("listen") => listen = parser.value()?.string()?,
            Arg::Long("address") => address = Some(parser.value()?.string()?),
            Arg::Long("fail") => faults.push((None, parser.value()?.string()?)),
            Arg::Long("fail-once") => faults.push((Some(1), parser.value()?.string()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let cloud = Cloud::listen(&listen, Some(print));
    if let Some(address) = address {
        cloud.state().address = address;
    }
    for (times, fault) in &faults {
        let Some((action, code)) = fault.split_once('=') else {
            anyhow::bail!("invalid fault {fault:?} (use ACTION=CODE)")
        };
        let fault = Fault::Code(code.to_owned());
        match times {
            Some(times) => cloud.fail_times(action, fault, *times),
            None => cloud.fail(action, fault),
        }
    }
    println!("export TENCENTCLOUD_SECRET_ID={SECRET_ID} TENCENTCLOUD_SECRET_KEY={SECRET_KEY}");
    println!("scf-deploy --endpoint {} FUNCTION.zip", cloud.endpoint());
    loop {
        std::thread::park();
    }
}

fn print(call: &Call) {
    let error = call.error.as_deref().unwrap_or("ok");
    println!("{} {} {error}", call.action, call.body["FunctionName"]);
}
